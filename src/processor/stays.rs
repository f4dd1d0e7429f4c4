//! The rooms that the bot is in, as the log tells it: how it came there, how it went, and what people are told of it.
//!
//! A room has a stream; its last event says whether the bot is there. So what a network shows twice is recorded once,
//! whatever happened in between.

use super::sheet::queued;
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::adapter::{Flood, Invite, Left, RoomInfo};
use crate::domain::event::{
    Departure, InviteDecided, InvitesDeclined, MessageQueued, Meta, NewEvent, Recorded,
    RoomFollowed, RoomJoined, RoomLeft,
};
use crate::domain::id::{DedupeKey, EventId, RoomId, StreamName, UserId, Version};
use crate::domain::message::Doc;
use crate::domain::trigger::Place;
use crate::domain::words::notices;
use crate::store::{Direction, Expected, ReadError, Write};

/// The type of the event that ends a stay.
const LEFT: &str = "room_left";

impl Kernel {
    /// Records what became of an invitation, and lets the bot introduce itself where it came in.
    pub(super) async fn invited(&self, invite: Invite) -> Result<(), Error> {
        if !invite.accepted {
            return self.declined(invite).await;
        }
        let room = invite.room.clone();
        let management = self.management_room()?;
        let by_bridge = self.is_bridge(&invite.inviter);
        self.once_in(&room, Some(true), |stream, version, expected| {
            let Invite { room, inviter, accepted, reason, name, encrypted, .. } = invite.clone();
            let place = Place {
                network: "matrix".into(),
                room: room.clone(),
                name,
                thread: None,
                direct: false,
                encrypted,
            };
            let meta = Meta {
                actor: Some(inviter.clone()),
                room: Some(room.clone()),
                network: Some(place.network.clone()),
                ..Meta::default()
            };
            let event = InviteDecided { room, inviter, accepted, reason };
            let recorded = NewEvent::with(&meta, event);
            let mut batch = vec![write(stream.clone(), expected, vec![recorded])];
            let cause = EventId { stream: stream.clone(), version };
            // A bridge's rooms are channels and desks for orders: what is said there is said to others.
            if management.as_ref() != Some(&place.room) && !by_bridge {
                batch.extend(self.intro(&Meta { cause: Some(cause), ..meta }, place));
            }
            Ok(batch)
        })
        .await
        .map(|_| ())
    }

    /// A refusal; the same invitation is refused once.
    async fn declined(&self, invite: Invite) -> Result<(), Error> {
        let Invite { room, inviter, accepted, reason, post, .. } = invite;
        let parts = ["invite", room.as_str(), inviter.as_str()];
        let stream = StreamName::invite(&self.store.key().dedupe(&DedupeKey::new(&parts)));
        let key = post.map(|post| DedupeKey::new(&["invite", room.as_str(), post.as_str()]));
        let meta =
            Meta { actor: Some(inviter.clone()), room: Some(room.clone()), ..Meta::default() };
        let event = NewEvent::with(&meta, InviteDecided { room, inviter, accepted, reason });
        self.append(vec![Write { stream, expected: Expected::Any, key, events: vec![event] }])
            .await?;
        Ok(())
    }

    /// What the bot says where it has come in; its id derives from the coming in.
    fn intro(&self, meta: &Meta, place: Place) -> Option<Write> {
        let settings = self.settings();
        let text = settings.intro.replace("{prefix}", &settings.prefix);
        if text.trim().is_empty() {
            return None;
        }
        let cause = meta.cause.as_ref()?;
        let message = MessageQueued {
            message: self.store.key().message(&cause.to_string(), "intro"),
            place,
            reply_to: None,
            edits: None,
            doc: Doc::text(&text),
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        };
        Some(queued(meta, message))
    }

    /// Records invitations that are declined together, and tells the owner.
    pub(super) async fn flooded(&self, flood: Flood) -> Result<(), Error> {
        let stream = StreamName::declined();
        for _ in 0..ATTEMPTS_MAX {
            let (version, expected) = self.after_last(&stream)?.1;
            let text = flood_text(&flood, self.clock.now().0 - flood.since.0);
            let Flood { count, inviters, since } = flood.clone();
            let event = NewEvent::bare(InvitesDeclined { count, inviters, since });
            let mut batch = vec![write(stream.clone(), expected, vec![event])];
            let cause = EventId { stream: stream.clone(), version };
            let message = self.store.key().message(&cause.to_string(), "notice");
            let meta = Meta { cause: Some(cause), ..Meta::default() };
            batch.extend(self.notice(message, &meta, &text)?);
            if let Tried::Done = self.append(batch).await? {
                return Ok(());
            }
        }
        tracing::warn!("the log moved on every time that a flood of invitations was recorded");
        Ok(())
    }

    /// Records that the bot is in a room no longer, and tells the owner.
    ///
    /// `meta` says what led to it. `now`: it went just now, so it was there, whatever the log says: it may have come with
    /// another client. Gives whether it is news.
    pub(super) async fn went(&self, left: Left, meta: &Meta, now: bool) -> Result<bool, Error> {
        let room = left.room.clone();
        let management = self.management_room()?;
        if management.as_ref() == Some(&room) {
            tracing::error!(how = ?left.how, "the bot is in its management room no longer");
        }
        self.once_in(&room, (!now).then_some(false), |stream, version, expected| {
            let text = left_text(&left);
            let Left { room, name, how, by, words } = left.clone();
            let meta = Meta { actor: by.clone(), room: Some(room.clone()), ..meta.clone() };
            let event = RoomLeft { room: room.clone(), name, reason: how, by, words };
            let mut batch =
                vec![write(stream.clone(), expected, vec![NewEvent::with(&meta, event)])];
            let cause = EventId { stream: stream.clone(), version };
            let message = self.store.key().message(&cause.to_string(), "notice");
            let here = management.as_ref() == Some(&room);
            // Who asked for it is told by the answer; who is in a room that the bot cannot reach, by nobody.
            if how != Departure::Asked && !here {
                let meta = Meta { cause: Some(cause), ..Meta::default() };
                batch.extend(self.notice(message, &meta, &text)?);
            }
            Ok(batch)
        })
        .await
    }

    /// Records that the bot came into a room because somebody asked it to.
    pub(super) async fn came(&self, info: RoomInfo, by: UserId, meta: &Meta) -> Result<(), Error> {
        let room = info.room.clone();
        self.once_in(&room, Some(true), |stream, _, expected| {
            let meta = Meta { actor: Some(by.clone()), room: Some(room.clone()), ..meta.clone() };
            let (room, name, by) = (room.clone(), info.name.clone(), by.clone());
            let event = NewEvent::with(&meta, RoomJoined { room, name, by });
            Ok(vec![write(stream.clone(), expected, vec![event])])
        })
        .await
        .map(|_| ())
    }

    /// The last that is recorded of the bot and a room.
    pub(super) fn standing(&self, room: &RoomId) -> Result<Option<Recorded>, ReadError> {
        Ok(self.after_last(&self.stays(room))?.0)
    }

    /// The write that begins a stay in a room which replaces another; none where the log says that the bot is there.
    pub(super) fn followed(
        &self,
        from: &RoomId,
        to: &RoomId,
        name: &str,
        cause: EventId,
    ) -> Result<Option<Write>, ReadError> {
        let stream = self.stays(to);
        let (last, (_, expected)) = self.after_last(&stream)?;
        if last.is_some_and(|last| last.kind != LEFT) {
            return Ok(None);
        }
        let meta = Meta { cause: Some(cause), room: Some(to.clone()), ..Meta::default() };
        let event = RoomFollowed { room: to.clone(), name: name.to_owned(), from: from.clone() };
        Ok(Some(write(stream, expected, vec![NewEvent::with(&meta, event)])))
    }

    /// Appends what begins or ends a stay in a room, unless the log says already that the bot is `there` or not; gives
    /// whether it did.
    async fn once_in(
        &self,
        room: &RoomId,
        there: Option<bool>,
        batch: impl Fn(&StreamName, Version, Expected) -> Result<Vec<Write>, ReadError>,
    ) -> Result<bool, Error> {
        let stream = self.stays(room);
        for _ in 0..ATTEMPTS_MAX {
            let (last, (version, expected)) = self.after_last(&stream)?;
            if last.is_some_and(|last| there == Some(last.kind != LEFT)) {
                return Ok(false);
            }
            match self.append(batch(&stream, version, expected)?).await? {
                Tried::Done => return Ok(true),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(%stream, why, "what happened to a room cannot be recorded");
                    return Ok(false);
                }
            }
        }
        tracing::warn!(%stream, "the log moved on every time that a room was recorded");
        Ok(false)
    }

    fn stays(&self, room: &RoomId) -> StreamName {
        StreamName::stay(&self.store.key().tag("room", &[room.as_str()]))
    }

    /// The last event of a stream, and the version and expectation of the next.
    pub(super) fn after_last(
        &self,
        stream: &StreamName,
    ) -> Result<(Option<Recorded>, (Version, Expected)), ReadError> {
        let last =
            self.store.read(stream, Version::END, Direction::Backward, 1)?.into_iter().next();
        let next = match &last {
            Some(last) => (last.id.version.next(), Expected::Exact(last.id.version)),
            None => (Version::START, Expected::NoStream),
        };
        Ok((last, next))
    }
}

/// What the owner is told of a flood.
fn flood_text(flood: &Flood, over_ms: i64) -> String {
    let minutes = (over_ms / 60_000).max(1);
    let names: Vec<&str> = flood.inviters.iter().map(|inviter| inviter.as_str()).collect();
    notices::flood(flood.count, minutes, &names)
}

/// What the owner is told when the bot is in a room no longer.
fn left_text(left: &Left) -> String {
    let by = left.by.as_ref().map_or("somebody", |by| by.as_str());
    let words = left.words.as_ref().map(|words| format!(": “{words}”")).unwrap_or_default();
    let room = called(&left.name, &left.room);
    match left.how {
        Departure::Kicked => notices::removed(&room, by, &words),
        Departure::Banned => notices::banned(&room, by, &words),
        Departure::Alone => notices::left_alone(&room),
        Departure::Asked => notices::left_asked(&room, by),
        Departure::ByHand => notices::left_by_hand(&room),
    }
}

/// A room by its name and its id.
pub(super) fn called(name: &str, room: &RoomId) -> String {
    match name.is_empty() || name == room.as_str() {
        true => room.to_string(),
        false => format!("{name} ({room})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{Timestamp, UserId};

    #[test]
    fn owners_are_told_how_it_came() {
        for (how, by, words, want) in [
            (
                Departure::Kicked,
                Some("@eve:hs"),
                Some("loud"),
                "I was removed from ops (!r) by @eve:hs: “loud”.",
            ),
            (Departure::Banned, None, None, "I was banned from ops (!r) by somebody."),
            (Departure::Alone, None, None, "I left ops (!r): nobody else was there."),
            (Departure::Asked, Some("@ann:hs"), None, "I left ops (!r), as @ann:hs asked."),
        ] {
            let by = by.map(|by| UserId(by.into()));
            let (room, name, words) = (RoomId("!r".into()), "ops".into(), words.map(Into::into));
            assert_eq!(left_text(&Left { room, name, how, by, words }), want);
        }
    }

    #[test]
    fn a_flood_is_told_in_a_line() {
        let inviters = vec![UserId("@eve:hs".into()), UserId("@mallory:hs".into())];
        for (count, over_ms, want) in [
            (1, 10_000, "1 invitation in the last minute,"),
            (480, 10_000, "480 invitations in the last minute,"),
            (480, 3_600_000, "480 invitations in the last 60 minutes,"),
        ] {
            let flood = Flood { count, inviters: inviters.clone(), since: Timestamp(0) };
            let told = flood_text(&flood, over_ms);
            assert!(told.contains(want) && told.contains("@eve:hs, @mallory:hs"), "{told}");
        }
    }
}
