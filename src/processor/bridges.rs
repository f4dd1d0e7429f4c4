//! Rooms behind bridges at work: which networks a room is on, as the log says, and how a message is said there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::sheet::ack::HEARD;
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::adapter::Relation;
use crate::adapter::network::render_for;
use crate::adapter::render::Rendered;
use crate::domain::bridge::address::called;
use crate::domain::bridge::event::{BridgeSeen, RoomBridged};
use crate::domain::bridge::hint::{Hint, RoomHinted};
use crate::domain::bridge::lines::{begins_in_columns, lines};
use crate::domain::bridge::{Account, Bridges, Caps};
use crate::domain::event::{Event, MessageQueued, Meta, NewEvent, Recorded};
use crate::domain::id::{ExecutionId, PostId, RoomId, UserId};
use crate::domain::message::Doc;
use crate::domain::trigger::{Place, Trigger};
use crate::query::bridged;
use crate::store::{Expected, ReadError};

/// So many lines go at once on a network that takes them slowly; with more the room waits.
pub const BURST_LINES: u32 = 5;
/// Most rooms whose networks are kept at hand.
pub const ROOMS_KEPT_MAX: usize = 10_000;
/// The network of rooms that no bridge was seen in.
const MATRIX: &str = "matrix";

/// The networks of rooms and what their state says of bridges, as they were read last.
#[derive(Debug, Default)]
pub(super) struct Known(
    Mutex<BTreeMap<RoomId, String>>,
    Mutex<BTreeMap<RoomId, Option<Arc<RoomHinted>>>>,
);

/// A message as its room can show it.
pub(super) struct Shown {
    pub rendered: Rendered,
    pub relation: Relation,
    pub caps: Caps,
}

impl Kernel {
    /// What can be shown in a place.
    pub(super) fn caps(&self, place: &Place) -> Caps {
        let shown = || -> Result<Caps, ReadError> {
            let bridges = self.settings().bridges.clone();
            // Without bridges a place is what it says, as in simulated rooms.
            let caps = match bridges.used().next() {
                None => bridges.caps(&place.network),
                Some(_) => bridges.caps(&self.network_of(&place.room)?),
            };
            let hints = self.hints_of(&place.room)?;
            Ok(hints.map_or(caps, |hints| hints.least(&bridges, caps)))
        };
        shown().unwrap_or_else(|error| {
            tracing::error!(%error, "it cannot be read which networks a room is on");
            Caps::WHOLE
        })
    }

    /// What a room's state says about bridges.
    fn hints_of(&self, room: &RoomId) -> Result<Option<Arc<RoomHinted>>, ReadError> {
        let room = self.named_room(room);
        if let Some(known) = self.bridged.1.lock().expect("nobody panics with them").get(&room) {
            return Ok(known.clone());
        }
        let said = bridged::hints(self.store.as_ref(), &room)?.and_then(|(said, _)| said);
        let said = said.filter(|said| !said.hints.is_empty()).map(Arc::new);
        let mut kept = self.bridged.1.lock().expect("nobody panics with them");
        if kept.len() >= ROOMS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(room, said.clone());
        Ok(said)
    }

    /// The room that a name stands for.
    pub(super) fn named_room(&self, room: &RoomId) -> RoomId {
        self.room_of(room.as_str()).unwrap_or_else(|| room.clone())
    }

    /// Records what a room's state says about bridges, unless it said that before.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn saw_hints(&self, room: RoomId, hints: Vec<Hint>) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let last = bridged::hints(self.store.as_ref(), &room)?;
            let known = last.as_ref().and_then(|(said, _)| said.as_ref());
            if known.map_or(hints.is_empty(), |known| known.hints == hints) {
                return Ok(());
            }
            let expected = last.map_or(Expected::NoStream, |(_, version)| Expected::Exact(version));
            let actor = hints.first().map(|hint| hint.by.clone());
            let meta = Meta { room: Some(room.clone()), actor, ..Meta::default() };
            let event = RoomHinted { room: room.clone(), hints: hints.clone() };
            let stream = bridged::hints_stream(self.store.as_ref(), &room);
            let batch = vec![write(stream, expected, vec![NewEvent::with(&meta, event)])];
            if !matches!(self.append(batch).await?, Tried::Moved) {
                self.bridged.1.lock().expect("nobody panics with them").remove(&room);
                return Ok(());
            }
        }
        tracing::warn!("the log moved on every time that a room's state was recorded");
        Ok(())
    }

    /// Whether an account is a bridge's own.
    pub(super) fn is_bridge(&self, user: &UserId) -> bool {
        let own = self.own_id();
        let server = own.as_str().split_once(':').map_or("", |(_, server)| server);
        let settings = self.settings();
        matches!(settings.bridges.account(user.as_str(), server), Some(Account::Bot(_)))
    }

    /// The networks that a room is on: `matrix` where no bridge was seen.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn network_of(&self, room: &RoomId) -> Result<String, ReadError> {
        let bridges = self.settings().bridges.clone();
        if bridges.used().next().is_none() {
            return Ok(MATRIX.to_owned());
        }
        // Who is told something alone is named by their account.
        if room.as_str().starts_with('@') {
            let own = self.own_id();
            let server = own.as_str().split_once(':').map_or("", |(_, server)| server);
            let of = bridges.account(room.as_str(), server);
            return Ok(of.map_or_else(|| MATRIX.to_owned(), |it| it.profile().network.clone()));
        }
        let room = self.named_room(room);
        if let Some(known) = self.bridged.0.lock().expect("nobody panics with them").get(&room) {
            return Ok(known.clone());
        }
        let seen = bridged::last(self.store.as_ref(), &room)?;
        let seen = seen.and_then(|(seen, _)| seen);
        let network = seen.map_or_else(|| MATRIX.to_owned(), |it| network(&bridges, &it));
        let mut kept = self.bridged.0.lock().expect("nobody panics with them");
        if kept.len() >= ROOMS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(room, network.clone());
        Ok(network)
    }

    /// Forgets what was read of rooms: other bridges count from here on.
    pub(super) fn look_at_bridges_anew(&self) {
        self.bridged.0.lock().expect("nobody panics with them").clear();
    }

    /// Records that a bridge is in a room; what is recorded already is left out.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn saw_bridge(&self, room: RoomId, seen: BridgeSeen) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let last = bridged::last(self.store.as_ref(), &room)?;
            let (mut bridges, expected) = match last {
                Some((it, version)) => {
                    (it.map(|it| it.bridges).unwrap_or_default(), Expected::Exact(version))
                }
                None => (vec![], Expected::NoStream),
            };
            if bridges.iter().any(|known| known.profile == seen.profile) {
                return Ok(());
            }
            bridges.push(seen.clone());
            let mut event = RoomBridged { room: room.clone(), network: String::new(), bridges };
            event.network = network(&self.settings().bridges, &event);
            // Whoever's account showed it can have that erased.
            let actor = Some(UserId(seen.evidence.clone()));
            let meta = Meta { room: Some(room.clone()), actor, ..Meta::default() };
            let stream = bridged::stream(self.store.as_ref(), &room);
            let batch = vec![write(stream, expected, vec![NewEvent::with(&meta, event)])];
            if !matches!(self.append(batch).await?, Tried::Moved) {
                self.bridged.0.lock().expect("nobody panics with them").remove(&room);
                return Ok(());
            }
        }
        tracing::warn!("the log moved on every time that a bridge was recorded");
        Ok(())
    }

    /// A message as its room can show it: where there are no edits, replies and emojis, words stand for them.
    pub(super) fn as_shown(
        &self,
        queued: &MessageQueued,
        doc: &Doc,
        relation: Relation,
        cause: Option<&Recorded>,
    ) -> Result<Shown, ReadError> {
        let caps = self.caps(&queued.place);
        let mut rendered = render_for(doc, &caps);
        let in_columns = begins_in_columns(doc, &caps);
        let instead = match &relation {
            Relation::New => false,
            Relation::Edit(_) => !caps.edits,
            Relation::Reaction(_) => !caps.reactions,
            Relation::Reply(_) => !caps.replies,
            Relation::Thread(_) => !caps.threads,
        };
        let later = |id| -> Result<bool, ReadError> {
            Ok(queued.edits.is_some()
                || self.told_to_wait(id, queued)?
                || self.begins_progress(id, queued)?)
        };
        if !caps.edits
            && let Some(id) = &queued.execution
            && later(id)?
        {
            rendered.plain = tagged(id, &rendered.plain, in_columns);
        }
        if !caps.replies
            && let Some(name) = answers(queued, cause)
        {
            rendered.plain = called(&name, &rendered.plain, in_columns);
        }
        if !caps.html {
            // What was put before it may have made the first line too long.
            rendered.plain = lines(&Doc::text(&rendered.plain), &caps).join("\n");
        }
        let relation = if instead { Relation::New } else { relation };
        Ok(Shown { rendered, relation, caps })
    }

    /// Whether a message is the first line of something that goes on.
    fn begins_progress(&self, id: &ExecutionId, queued: &MessageQueued) -> Result<bool, ReadError> {
        let (key, execution) = (self.store.key(), self.execution(id)?);
        let mut steps = execution.iter().flat_map(|it| &it.steps);
        let is = |path: &str| key.message(id.as_str(), path) == queued.message;
        Ok(steps.any(|(path, step)| step.op == "progress" && is(path)))
    }

    /// Whether an execution was said to take a while: what it says later is told by its id.
    fn told_to_wait(&self, id: &ExecutionId, queued: &MessageQueued) -> Result<bool, ReadError> {
        let heard = self.store.key().message(id.as_str(), HEARD);
        Ok(heard != queued.message && self.queued(&heard)?.is_some())
    }
}

/// The networks of a room where these bridges were seen; those that are not in use any more count for nothing.
fn network(bridges: &Bridges, seen: &RoomBridged) -> String {
    let here = |name: &str| seen.bridges.iter().any(|it| it.profile == name);
    let network = Bridges::network_of(bridges.used().filter(|profile| here(&profile.name)));
    if network.is_empty() { MATRIX.to_owned() } else { network }
}

/// The line that begins with the id of its execution, unless it says it; before lines that stand below each other it has a line
/// of its own.
fn tagged(id: &ExecutionId, text: &str, in_columns: bool) -> String {
    let first = text.lines().next().unwrap_or_default();
    match (first.contains(id.short()), in_columns) {
        (true, _) => text.to_owned(),
        (false, true) => format!("[{}]\n{text}", id.short()),
        (false, false) => format!("[{}] {text}", id.short()),
    }
}

/// Whom a message answers, where others are in the room.
fn answers(queued: &MessageQueued, cause: Option<&Recorded>) -> Option<String> {
    let trigger: &Trigger = match cause?.event()? {
        Event::TriggerRecorded(e) => &e.trigger,
        _ => return None,
    };
    let post: &PostId = queued.reply_to.as_ref()?;
    let message = trigger.message()?;
    (message.post == *post && !message.place.direct).then(|| message.speaker.name.clone())
}

/// How long a room waits behind so many lines.
pub(super) fn pause(caps: &Caps, text: &str) -> Option<(Duration, Duration)> {
    let line = Duration::from_millis(u64::from(caps.line_ms));
    let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    (!line.is_zero()).then(|| (line.saturating_mul(lines), line * BURST_LINES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_said_once() {
        let id = ExecutionId("4F7K2Q9AABCDEFGH".into());
        for (text, want) in [
            ("done", "[4F7K2Q9A] done"),
            ("execution 4F7K2Q9A is over", "execution 4F7K2Q9A is over"),
            ("a\n4F7K2Q9A", "[4F7K2Q9A] a\n4F7K2Q9A"),
        ] {
            assert_eq!(tagged(&id, text, false), want);
        }
        assert_eq!(tagged(&id, "a  b", true), "[4F7K2Q9A]\na  b");
    }

    #[test]
    fn slow_networks_take_a_burst() {
        let slow = Caps { line_ms: 1_500, ..Caps::PLAIN };
        let ms = |n: u64| Duration::from_millis(n);
        assert_eq!(pause(&slow, "a\nb"), Some((ms(3_000), ms(1_500) * BURST_LINES)));
        assert_eq!(pause(&Caps::PLAIN, "a\nb"), None);
    }
}
