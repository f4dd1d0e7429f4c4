//! Rooms that have to wait before the next send: back-off, turns under a rate limit, and what is stuck.
//!
//! A homeserver limits an account, not a room: what one room sends, another waits for. So among rooms that were limited
//! the one that has waited longest since it last spoke goes first, and a room with much to say starves no other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::domain::id::Timestamp;

/// The first wait after a failed send; it doubles each time.
pub const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two sends of one message.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// A room that is stuck for so long is told of.
pub const STUCK_MS_MAX: i64 = 10 * 60_000;
/// And told of again after so long.
pub const STUCK_TOLD_EVERY_MS: i64 = 24 * 3_600_000;
/// The longest that others wait for a room whose turn it is.
const TURN_MS_MAX: i64 = 150_000;
/// Most rooms of which it is known when they last spoke.
const SERVED_MAX: usize = 10_000;

/// Why a room has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing can be sent now.
    BackOff,
    /// The network limits us, and says for how long.
    Limited(Duration),
    /// Something is wrong with this room alone.
    Stuck,
}

/// A room that waits.
#[derive(Debug)]
struct Lane {
    until: Timestamp,
    failures: u32,
    limited: bool,
    stuck_since: Option<Timestamp>,
    told: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<String, Lane>,
    /// Until when the lines that were said in a room, or over a connection, are on their way.
    under_way: BTreeMap<String, Timestamp>,
    /// The connections over which the rooms are heard that share one.
    over: BTreeMap<String, Vec<String>>,
    /// When each room last spoke, counted.
    served: BTreeMap<String, u64>,
    turn: u64,
}

/// Rooms that have to wait before the next send.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<State>);

impl Held {
    /// Whether a lane has to wait, for its own time or for the turn of another.
    pub fn waits(&self, lane: &str, now: Timestamp) -> bool {
        let state = self.state();
        let waits = |lane: &str| state.lanes.get(lane).is_some_and(|held| held.until > now);
        if waits(lane) || state.over.get(lane).into_iter().flatten().any(|line| waits(line)) {
            return true;
        }
        let served = |lane: &str| state.served.get(lane).copied().unwrap_or(0);
        state.lanes.iter().any(|(other, held)| {
            let its_turn = held.limited && held.until <= now && now.0 - held.until.0 < TURN_MS_MAX;
            its_turn && other != lane && served(other) < served(lane)
        })
    }

    /// When the next lane may go on.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let state = self.state();
        state.lanes.values().map(|held| held.until).filter(|time| *time > now).min()
    }

    /// Has a lane wait; true if it has been stuck for so long that the owner must be told.
    pub fn hold(&self, lane: &str, now: Timestamp, wait: Wait) -> bool {
        let mut state = self.state();
        let held = state.lanes.entry(lane.to_owned()).or_insert(Lane {
            until: now,
            failures: 0,
            limited: false,
            stuck_since: None,
            told: None,
        });
        let time = match wait {
            Wait::Limited(after) => after,
            Wait::BackOff | Wait::Stuck => {
                BACK_OFF_FIRST * 2_u32.saturating_pow(held.failures.min(10))
            }
        };
        let ms = i64::try_from(time.min(BACK_OFF_MAX).as_millis()).unwrap_or(i64::MAX);
        held.until = now.plus_ms(ms.max(1));
        held.failures = held.failures.saturating_add(1);
        held.limited = matches!(wait, Wait::Limited(_));
        if wait != Wait::Stuck {
            held.stuck_since = None;
            return false;
        }
        let long = now.0 - held.stuck_since.get_or_insert(now).0 >= STUCK_MS_MAX;
        let told = held.told.is_some_and(|told| now.0 - told.0 < STUCK_TOLD_EVERY_MS);
        if long && !told {
            held.told = Some(now);
        }
        long && !told
    }

    /// A lane has spoken, and may go on.
    pub fn spoke(&self, lane: &str) {
        let mut state = self.state();
        state.lanes.remove(lane);
        state.turn += 1;
        let turn = state.turn;
        if state.served.len() >= SERVED_MAX {
            state.served.clear();
        }
        state.served.insert(lane.to_owned(), turn);
    }

    /// Whether lines are known to be on their way in a lane.
    pub fn is_under_way(&self, lane: &str, now: Timestamp) -> bool {
        self.state().under_way.get(lane).is_some_and(|until| *until > now)
    }

    /// A lane is heard over these connections, which others may share.
    pub fn is_over(&self, lane: &str, connections: &[String]) {
        let mut state = self.state();
        if state.over.len() >= SERVED_MAX {
            state.over.clear();
        }
        match connections {
            [] => drop(state.over.remove(lane)),
            lines => drop(state.over.insert(lane.to_owned(), lines.to_vec())),
        }
    }

    /// A lane or connection has said so many lines that they take `lines` on their way, behind those that are on it until
    /// `before`; it waits while more than a `burst` is under way.
    pub fn pace(
        &self,
        lane: &str,
        now: Timestamp,
        before: Timestamp,
        (lines, burst): (Duration, Duration),
    ) {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let mut state = self.state();
        state.under_way.retain(|_, until| *until > now);
        let known = state.under_way.get(lane).copied().unwrap_or(now);
        let before = known.max(before);
        let until = before.plus_ms(ms(lines));
        state.under_way.insert(lane.to_owned(), until);
        let go_on = until.plus_ms(-ms(burst));
        if go_on > now {
            let held =
                Lane { until: go_on, failures: 0, limited: false, stuck_since: None, told: None };
            state.lanes.insert(lane.to_owned(), held);
        }
    }

    /// A lane may go on.
    pub fn free(&self, lane: &str) {
        self.state().lanes.remove(lane);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Wait = Wait::Limited(Duration::from_secs(5));

    /// The lanes that may send at a time.
    fn may(held: &Held, now_ms: i64) -> String {
        let lanes = ["a", "b", "c"].into_iter();
        lanes.filter(|lane| !held.waits(lane, Timestamp(now_ms))).collect()
    }

    #[test]
    fn limited_rooms_take_turns() {
        let held = Held::default();
        held.spoke("b");
        held.spoke("a");
        assert_eq!(may(&held, 0), "abc");
        held.hold("a", Timestamp(0), FIVE);
        assert_eq!(may(&held, 0), "bc", "the others are not held up");
        held.hold("b", Timestamp(0), FIVE);
        held.hold("c", Timestamp(0), FIVE);
        assert_eq!(may(&held, 4_999), "");
        assert_eq!(may(&held, 5_000), "c", "it has never spoken");
        held.spoke("c");
        assert_eq!(may(&held, 5_000), "b", "it has not spoken for longest");
        held.hold("b", Timestamp(5_000), FIVE);
        assert_eq!(may(&held, 5_000), "a");
        held.hold("a", Timestamp(5_000), FIVE);
        assert_eq!(may(&held, 5_000), "c", "nobody waits for those who wait");
        assert_eq!(may(&held, 10_000), "b");
        assert_eq!(may(&held, 10_000 + TURN_MS_MAX), "abc", "nobody waits for ever");
    }

    #[test]
    fn what_is_known_of_rooms_is_bounded() {
        let held = Held::default();
        (0..2 * SERVED_MAX).for_each(|n| held.spoke(&n.to_string()));
        assert!(held.state().served.len() <= SERVED_MAX);
    }

    #[test]
    fn what_was_under_way_before_the_bot_began_counts() {
        let (line, burst) = (Duration::from_millis(1_500), Duration::from_millis(7_500));
        for (until_ms, want_ms) in [(0, 0), (7_500, 1_500), (6_000, 0), (12_000, 6_000)] {
            let (held, now) = (Held::default(), Timestamp(0));
            assert!(!held.waits("a", now) && !held.is_under_way("a", now));
            held.pace("a", now, Timestamp(until_ms), (line, burst));
            assert_eq!(held.next(now).map_or(0, |until| until.0), want_ms, "{until_ms}");
            assert!(held.is_under_way("a", now), "what it says now is");
        }
    }

    #[test]
    fn lanes_that_share_a_connection_wait_for_each_other() {
        let (line, burst, now) = (Duration::from_secs(10), Duration::ZERO, Timestamp(0));
        let held = Held::default();
        let (lab, hub) = (["lab".to_owned()], ["hub".to_owned()]);
        held.is_over("a", &lab);
        held.is_over("b", &[lab.clone(), hub.clone()].concat());
        held.is_over("c", &hub);
        held.pace("lab", now, now, (line, burst));
        assert_eq!(may(&held, 0), "c");
        held.is_over("b", &hub);
        held.is_over("a", &[]);
        assert_eq!(may(&held, 0), "abc");
        (0..2 * SERVED_MAX).for_each(|n| held.is_over(&n.to_string(), &lab));
        assert!(held.state().over.len() <= SERVED_MAX);
    }

    #[test]
    fn a_stuck_room_is_told_of_once_a_day() {
        let held = Held::default();
        let day = STUCK_TOLD_EVERY_MS;
        for (now_ms, wait, want) in [
            (0, Wait::Stuck, false),
            (STUCK_MS_MAX - 1, Wait::Stuck, false),
            (STUCK_MS_MAX, Wait::Stuck, true),
            (STUCK_MS_MAX + 1, Wait::Stuck, false),
            (STUCK_MS_MAX + day, Wait::Stuck, true),
            (STUCK_MS_MAX + day + 1, Wait::BackOff, false),
            (STUCK_MS_MAX + 2 * day + 2, Wait::Stuck, false),
            (2 * STUCK_MS_MAX + 2 * day + 2, Wait::Stuck, true),
        ] {
            assert_eq!(held.hold("a", Timestamp(now_ms), wait), want, "{now_ms} {wait:?}");
        }
    }
}
