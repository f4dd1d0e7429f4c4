//! Streams that are looked at again at a time: what is switched off, silences, alerts, digests.
//!
//! What must happen at a time stands in no memory: each change of such a stream plans when it is looked at next, in the
//! same append. Whoever looks decides anew from the stream, so a look that comes twice or late does no harm.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::id::Timestamp;

/// A stream is looked at again at a time, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakePlanned {
    /// When; none: nothing more has to happen by itself.
    pub due: Option<Timestamp>,
}

/// What is folded from a stream that is looked at again.
pub trait Wakes: Clone {
    /// What one more event changes.
    fn take(&mut self, event: &Event, at: Timestamp);
    /// When something has to happen by itself.
    fn wake(&self) -> Option<Timestamp>;
    /// When it is planned to be looked at.
    fn planned(&self) -> Option<Timestamp>;
}

/// Shortest time between two looks at a stream by itself, in milliseconds.
pub const WAKE_MS_MIN: i64 = 1_000;

/// The events that change a stream, and the plan that follows from them, if that is another one than before.
pub fn with_plan<T: Wakes>(state: &T, mut events: Vec<Event>, now: Timestamp) -> Vec<Event> {
    let mut after = state.clone();
    for event in &events {
        after.take(event, now);
    }
    // What is due and was not done would be looked at without end.
    let due = after.wake().map(|due| due.max(now.plus_ms(WAKE_MS_MIN)));
    if due != state.planned() {
        events.push(WakePlanned { due }.into());
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Counted {
        wake: Option<i64>,
        planned: Option<Timestamp>,
    }

    impl Wakes for Counted {
        fn take(&mut self, event: &Event, _: Timestamp) {
            match event {
                Event::WakePlanned(plan) => self.planned = plan.due,
                _ => self.wake = None,
            }
        }
        fn wake(&self) -> Option<Timestamp> {
            self.wake.map(Timestamp)
        }
        fn planned(&self) -> Option<Timestamp> {
            self.planned
        }
    }

    #[test]
    fn a_plan_is_written_where_it_changes() {
        let other = || Event::from(super::super::event::ExecutionSuspended {});
        for (wake, planned, changed, now, want) in [
            (None, None, false, 0, None),
            (Some(9_000), None, false, 0, Some(Some(9_000))),
            (Some(9_000), Some(9_000), false, 0, None),
            (Some(9_000), Some(9_000), true, 0, Some(None)),
            (Some(9_000), Some(5_000), false, 0, Some(Some(9_000))),
            // What is due already is looked at again a little later.
            (Some(9_000), Some(9_000), false, 9_500, Some(Some(9_500 + WAKE_MS_MIN))),
        ] {
            let state = Counted { wake, planned: planned.map(Timestamp) };
            let events = if changed { vec![other()] } else { vec![] };
            let given = with_plan(&state, events, Timestamp(now));
            let plan = given.iter().find_map(|event| match event {
                Event::WakePlanned(plan) => Some(plan.due.map(|due| due.0)),
                _ => None,
            });
            assert_eq!(plan, want, "{wake:?} planned {planned:?} changed {changed} at {now}");
        }
    }
}
