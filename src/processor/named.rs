//! Rooms that scripts and rules call by name: the network is asked which room that is, before anything is decided for it.
//!
//! A room has one record, however it is called: its networks, its quiet hours, its digests and whatever is known by it go
//! by its id. What stands in the log already keeps the room that it was decided for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::Kernel;
use crate::adapter::{RoomAct, RoomAnswer, SendError};
use crate::domain::id::{RoomId, Timestamp};
use crate::domain::trigger::Place;
use crate::script::journal::Entry;
use crate::store::ReadError;

/// Most names whose rooms are kept at hand.
pub const NAMES_KEPT_MAX: usize = 1_000;
/// So long a name stands for the room that it stood for: names move.
pub const NAME_KEPT_MS: i64 = 10 * 60_000;
/// The longest that a decision waits to hear which room a name is.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// The rooms behind names, and when that was heard.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<String, (RoomId, Timestamp)>>);

impl Kernel {
    /// Asks which room has a name, unless that was heard a short time ago.
    pub(super) async fn know_room(&self, name: &str) {
        let now = self.clock.now();
        let heard = self.room_heard(name).map(|(_, at)| at);
        if !is_name(name) || heard.is_some_and(|at| now.0 - at.0 < NAME_KEPT_MS) {
            return;
        }
        let act = RoomAct::Named(RoomId(name.to_owned()));
        let asked = tokio::time::timeout(ASKED_WITHIN, self.chat.rooms(&act)).await;
        match asked {
            Ok(Ok(RoomAnswer::Found(Some(room)))) => self.hear(name, room, now),
            Ok(Ok(RoomAnswer::Found(None))) => {
                self.known_names().remove(name);
                self.rooms.write().expect("nobody panics with them").remove(name);
                tracing::warn!(name, "no room has this name");
            }
            Ok(Err(SendError::Never { .. })) => {}
            Ok(_) | Err(_) => tracing::warn!(name, "nobody can say which room has this name"),
        }
    }

    /// The same for every room that a slice speaks in.
    pub(super) async fn know_rooms(&self, entries: &[Entry]) {
        let speaks = entries.iter().filter(|entry| matches!(entry.op.as_str(), "say" | "alert"));
        for name in speaks.filter_map(|entry| entry.args["room"].as_str()) {
            self.know_room(name).await;
        }
    }

    /// The room that a name stands for, as far as that was heard.
    pub(super) fn room_of(&self, name: &str) -> Option<RoomId> {
        let heard = self.room_heard(name).map(|(room, _)| room);
        heard.or_else(|| self.rooms.read().expect("nobody panics with them").get(name).cloned())
    }

    /// A place whose room is named, with the room's id where that is known.
    pub(super) fn resolved(&self, place: Place) -> Result<Place, ReadError> {
        let Some(known) = self.room_of(&place.name) else { return Ok(place) };
        Ok(Place { room: self.current_room(&known)?, ..place })
    }

    fn hear(&self, name: &str, room: RoomId, now: Timestamp) {
        let mut known = self.known_names();
        if known.len() >= NAMES_KEPT_MAX {
            known.clear();
        }
        known.insert(name.to_owned(), (room, now));
    }

    fn room_heard(&self, name: &str) -> Option<(RoomId, Timestamp)> {
        self.known_names().get(name).cloned()
    }

    fn known_names(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (RoomId, Timestamp)>> {
        self.named.0.lock().expect("nobody panics with them")
    }
}

/// Whether a network may know a room by this name; in simulated rooms names are ids.
fn is_name(name: &str) -> bool {
    name.starts_with('#') && name.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_asked_for() {
        for (name, want) in
            [("#ops:hs", true), ("#ops", false), ("!ops:hs", false), ("@ann:hs", false)]
        {
            assert_eq!(is_name(name), want, "{name}");
        }
    }
}
