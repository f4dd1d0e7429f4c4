//! What befalls rooms: holes in their timelines, and other rooms that take their place.
//!
//! A room is what the log says it became: configuration names it once, and holds for every room that followed it.

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, sheet, write};
use crate::adapter::{Gap, Upgrade};
use crate::domain::event::{
    Event, GapAbandoned, GapFilled, MessageQueued, Meta, NewEvent, RoomUpgraded,
};
use crate::domain::id::{DedupeKey, EventId, RoomId, StreamName, Version};
use crate::domain::message::Doc;
use crate::domain::words::notices;
use crate::store::{Direction, Expected, ReadError, Write};

/// Most upgrades of one room that are followed in a row; a ring of them ends there too.
pub const UPGRADES_MAX: usize = 32;

impl Kernel {
    /// Whether a list of ids and names has this room, or one that it replaces; what a room calls itself counts for nothing.
    pub fn listed(&self, list: &[String], room: &RoomId) -> bool {
        let known = self.rooms.read().expect("nobody panics with them").clone();
        list.iter().any(|name| {
            let listed = known.get(name).cloned().unwrap_or_else(|| RoomId(name.clone()));
            let rooms = self.succession(&listed).unwrap_or_else(|error| {
                tracing::error!(%error, "upgrades of rooms cannot be read");
                vec![listed]
            });
            rooms.contains(room)
        })
    }

    /// The management room as it is today.
    pub fn management_room(&self) -> Result<Option<RoomId>, ReadError> {
        let configured = self.settings().management_room.clone();
        configured.as_ref().map(|room| self.current_room(room)).transpose()
    }

    /// The room that stands for this one today.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn current_room(&self, room: &RoomId) -> Result<RoomId, ReadError> {
        Ok(self.succession(room)?.pop().unwrap_or_else(|| room.clone()))
    }

    /// A room and those that took its place one after the other, as far as the bot followed them.
    fn succession(&self, room: &RoomId) -> Result<Vec<RoomId>, ReadError> {
        let mut rooms = vec![room.clone()];
        while let Some(last) = rooms.last().filter(|_| rooms.len() <= UPGRADES_MAX) {
            let next = self.last_upgrade(last)?.map(|(upgraded, _)| upgraded);
            match next.filter(|next| next.followed && !rooms.contains(&next.to)) {
                Some(next) => rooms.push(next.to),
                None => break,
            }
        }
        Ok(rooms)
    }

    /// What was last recorded of a room's replacement.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn upgrade_of(&self, room: &RoomId) -> Result<Option<RoomUpgraded>, ReadError> {
        Ok(self.last_upgrade(room)?.map(|(upgraded, _)| upgraded))
    }

    fn last_upgrade(&self, room: &RoomId) -> Result<Option<(RoomUpgraded, Version)>, ReadError> {
        let last = self.store.read(&self.upgrades(room), Version::END, Direction::Backward, 1)?;
        Ok(last.first().and_then(|recorded| match recorded.event() {
            Some(Event::RoomUpgraded(upgraded)) => Some((upgraded.clone(), recorded.id.version)),
            _ => None,
        }))
    }

    /// Records what became of a hole; that one stays is told to the owner, once a day for a room.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn gap(&self, gap: Gap) -> Result<(), Error> {
        let Gap { room, from, events, pages, abandoned } = gap;
        let how = if abandoned.is_some() { "abandoned" } else { "filled" };
        let key = DedupeKey::new(&["gap", room.as_str(), &from, how]);
        let tag = self.store.key().dedupe(&DedupeKey::new(&["room", room.as_str()]));
        let notice = abandoned.as_ref().map(|reason| {
            format!(
                "Something that was said in the room {room} may be missing: {reason}. \
                 Who is not answered there should say it again."
            )
        });
        let meta = about(&room);
        let event = match abandoned {
            Some(reason) => NewEvent::with(&meta, GapAbandoned { room, events, pages, reason }),
            None => NewEvent::with(&meta, GapFilled { room, events, pages }),
        };
        let stream = StreamName::room(&tag);
        self.append(vec![Write {
            stream,
            expected: Expected::Any,
            key: Some(key),
            events: vec![event],
        }])
        .await?;
        match notice {
            Some(notice) => self.notify(&notice).await,
            None => Ok(()),
        }
    }

    /// Records that a room was replaced, and says so there and to the owner, all at once; what is known is left out.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn upgrade(&self, upgrade: Upgrade, name: &str) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(batch) = self.upgraded(&upgrade, name)? else { return Ok(()) };
            match self.append(batch).await? {
                Tried::Done => return Ok(()),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(why, "an upgrade cannot be recorded");
                    return Ok(());
                }
            }
        }
        tracing::warn!("the log moved on every time that an upgrade was recorded");
        Ok(())
    }

    /// What an upgrade comes to: itself, the stay in the new room and what is said; none if it is known.
    fn upgraded(&self, upgrade: &Upgrade, name: &str) -> Result<Option<Vec<Write>>, ReadError> {
        let last = self.last_upgrade(&upgrade.room)?;
        let same = |last: &RoomUpgraded| last.to == upgrade.to && last.followed == upgrade.followed;
        if last.as_ref().is_some_and(|(last, _)| same(last)) {
            return Ok(None);
        }
        let (expected, version) = match &last {
            Some((_, version)) => (Expected::Exact(*version), version.next()),
            None => (Expected::NoStream, Version::START),
        };
        let stream = self.upgrades(&upgrade.room);
        let meta = about(&upgrade.room);
        let Upgrade { room, to, followed, reason } = upgrade.clone();
        let event = NewEvent::with(&meta, RoomUpgraded { room, to, followed, reason });
        let mut writes = vec![write(stream.clone(), expected, vec![event])];
        let id = EventId { stream, version };
        let cause = id.to_string();
        let management = self.management_room()?;
        let of_management = management.as_ref() == Some(&upgrade.room);
        if upgrade.followed {
            let text = followed_here(upgrade, name, of_management);
            writes.push(self.say(&cause, "here", &upgrade.to, name, &text));
            writes.extend(self.followed(&upgrade.room, &upgrade.to, name, id)?);
        }
        if let Some(management) = management.filter(|_| !(of_management && upgrade.followed)) {
            let text = told_owner(upgrade, name);
            writes.push(self.say(&cause, "owner", &management, "management", &text));
        }
        Ok(Some(writes))
    }

    fn say(&self, cause: &str, place: &str, room: &RoomId, name: &str, text: &str) -> Write {
        let message = self.store.key().message(cause, place);
        let queued = MessageQueued {
            message,
            place: Self::alone(room, name),
            reply_to: None,
            edits: None,
            doc: Doc::text(text),
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        };
        sheet::queued(&about(room), queued)
    }

    fn upgrades(&self, room: &RoomId) -> StreamName {
        let key = DedupeKey::new(&["room", room.as_str()]);
        StreamName::upgrade(&self.store.key().dedupe(&key))
    }
}

/// What is said in the new room.
fn followed_here(upgrade: &Upgrade, name: &str, of_management: bool) -> String {
    notices::replaces(name, upgrade.room.as_str(), of_management)
}

/// What the owner is told.
fn told_owner(upgrade: &Upgrade, name: &str) -> String {
    let Upgrade { room, to, followed, reason } = upgrade;
    match followed {
        true => notices::replaced(name, room.as_str(), to.as_str()),
        false => notices::replaced_without_me(name, room.as_str(), to.as_str(), reason),
    }
}

/// What stands beside an event about a room.
fn about(room: &RoomId) -> Meta {
    Meta { room: Some(room.clone()), ..Meta::default() }
}
