//! Holes that are looked at again: a homeserver fetches what it lacks from a far one when somebody walks by, and takes its time.
//!
//! The looks that are still to come are kept in the SDK's store, before the position behind the hole is recorded.

use matrix_sdk::RoomState;
use serde::{Deserialize, Serialize};

use super::client::Matrix;
use super::gap::{self, Hole};
use super::harvest::Harvest;
use super::late_keys;
use super::position::Position;
use super::sync::SyncError;
use super::timeline::Seen;
use crate::adapter::Gap;
use crate::domain::id::RoomId;

/// How long after the first walk, and after each other look, a hole is looked at again.
pub const LOOKS_AFTER_MS: &[i64] = &[1_500, 30_000, 5 * 60_000];
/// Most holes that are to be looked at again; of more, the oldest is let go.
pub const LOOKS_MAX: usize = 64;
/// Where the looks are kept.
const KEY: &[u8] = b"beadle.looks";

/// A hole that is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    room: String,
    hole: Hole,
    /// How many looks were done.
    done: usize,
    due_ms: i64,
}

/// The looks to come, the oldest hole first.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looks(Vec<Look>);

impl Look {
    /// The first look after a walk that found these.
    pub fn first(room: &str, hole: Hole, found: &[Seen], now_ms: i64) -> Self {
        let due_ms = now_ms.saturating_add(LOOKS_AFTER_MS[0]);
        let mut look = Self { room: room.to_owned(), hole, done: 0, due_ms };
        look.finds(found);
        look
    }

    fn finds(&mut self, found: &[Seen]) {
        self.hole.found.extend(found.iter().map(|seen| seen.text("event_id").to_owned()));
    }

    /// What this look is called: the same for the same look.
    fn name(&self) -> String {
        format!("{}+{}", self.hole.from, self.done + 1)
    }

    fn same_hole(&self, other: &Self) -> bool {
        self.room == other.room && self.hole.from == other.hole.from
    }

    /// Whether this is the last look at a hole that must be there and in which nothing was ever found.
    fn is_in_vain(&self) -> bool {
        self.hole.torn && self.hole.found.is_empty() && self.done + 1 >= LOOKS_AFTER_MS.len()
    }
}

impl Looks {
    /// Adds looks; false: there are none.
    pub fn add(&mut self, looks: Vec<Look>) -> bool {
        let some = !looks.is_empty();
        for look in looks {
            self.0.retain(|known| !known.same_hole(&look));
            self.0.push(look);
        }
        let surplus = self.0.len().saturating_sub(LOOKS_MAX);
        self.0.drain(..surplus);
        some
    }

    /// A look that is due.
    pub fn due(&self, now_ms: i64) -> Option<Look> {
        self.0.iter().find(|look| look.due_ms <= now_ms).cloned()
    }

    /// How long until the next.
    pub fn wait_ms(&self, now_ms: i64) -> u64 {
        let next = self.0.iter().map(|look| look.due_ms).min();
        next.map_or(u64::MAX, |due| u64::try_from(due.saturating_sub(now_ms)).unwrap_or(0))
    }

    /// A look was done, and what it found is recorded: the next one has its time, or there is none.
    pub fn done(&mut self, mut look: Look, now_ms: i64) {
        let Some(place) = self.0.iter().position(|known| known.same_hole(&look)) else { return };
        look.done += 1;
        match LOOKS_AFTER_MS.get(look.done) {
            Some(after) => {
                look.due_ms = now_ms.saturating_add(*after);
                self.0[place] = look;
            }
            None => drop(self.0.remove(place)),
        }
    }
}

impl Matrix {
    /// The looks that were kept.
    pub(super) async fn looks(&self) -> Looks {
        let kept = self.client.state_store().get_custom_value(KEY).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the holes to look at again cannot be read");
            None
        });
        kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default()
    }

    /// Keeps the looks to come.
    pub(super) async fn keep_looks(&self, looks: &Looks) {
        let kept = serde_json::to_vec(looks).expect("looks have text keys");
        if let Err(error) = self.client.state_store().set_custom_value_no_read(KEY, kept).await {
            tracing::error!(%error, "the holes to look at again cannot be kept");
        }
    }

    /// Looks at a hole again: what came into it since.
    pub(super) async fn look_again(
        &self,
        mut look: Look,
        since: &Position,
    ) -> Result<Harvest, SyncError> {
        let mut harvest = Harvest::default();
        let id = <&matrix_sdk::ruma::RoomId>::try_from(look.room.as_str()).ok();
        let room = id.and_then(|id| self.client.get_room(id));
        if let Some(room) = room.filter(|room| room.state() == RoomState::Joined) {
            let (found, gap) = gap::fill(&room, &look.hole, &self.pulse).await?;
            look.finds(&found);
            let gap = gap.filter(|gap| gap.events > 0);
            harvest.gaps.extend(gap.map(|gap| Gap { from: look.name(), ..gap }));
            if look.is_in_vain() {
                let reason = "the homeserver itself does not have what was said".to_owned();
                let (room, from) = (RoomId(look.room.clone()), look.name());
                let abandoned = Some(reason);
                harvest.gaps.push(Gap { room, from, events: 0, pages: 0, abandoned });
            }
            let events = self.events(&room, found, Some(since)).await?;
            harvest.triggers = self.triggers(&room, &events).await;
            harvest.redactions = self.redactions(&room, &events);
            harvest.missing = late_keys::missing(&harvest.triggers, &events);
        }
        harvest.looked = Some(look);
        Ok(harvest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::heads::tests::{heads, spoken};
    use super::*;

    fn look(room: &str, now_ms: i64) -> Look {
        let hole = Hole::before(&spoken("f9"), "t", Some(0), heads("f1 h1"), true);
        Look::first(room, hole, &[], now_ms)
    }

    #[test]
    fn a_hole_is_looked_at_a_few_times() {
        let mut looks = Looks::default();
        assert!(!looks.add(vec![]));
        assert!(looks.add(vec![look("!a", 0)]));
        let mut now_ms = 0;
        for (nth, after) in LOOKS_AFTER_MS.iter().enumerate() {
            assert_eq!(looks.wait_ms(now_ms), u64::try_from(*after).expect("in the future"));
            assert_eq!(looks.due(now_ms + after - 1), None, "look {nth}");
            now_ms += after;
            let due = looks.due(now_ms).expect("it is due");
            assert_eq!(due.is_in_vain(), nth + 1 == LOOKS_AFTER_MS.len(), "look {nth}");
            looks.done(due, now_ms);
        }
        assert_eq!((looks.due(i64::MAX), looks.wait_ms(now_ms)), (None, u64::MAX));
    }

    #[test]
    fn a_look_that_found_something_was_not_in_vain() {
        let mut look = look("!a", 0);
        look.done = LOOKS_AFTER_MS.len();
        assert!(look.is_in_vain());
        look.finds(&spoken("f5"));
        assert!(!look.is_in_vain());
    }

    #[test]
    fn looks_are_kept_up_to_a_bound_and_read_back() {
        let mut looks = Looks::default();
        for n in 0..LOOKS_MAX + 2 {
            let _ = looks.add(vec![look(&format!("!{n}"), 0), look(&format!("!{n}"), 1)]);
        }
        assert_eq!((looks.0.len(), looks.0[0].room.as_str()), (LOOKS_MAX, "!2"));
        let kept = serde_json::to_vec(&looks).expect("JSON");
        assert_eq!(serde_json::from_slice::<Looks>(&kept).expect("it reads back"), looks);
    }
}
