//! What a look at the clock finds due: which occurrences fire, which were missed, and up to where all is decided.

use std::collections::VecDeque;

use super::Schedule;
use crate::domain::id::Timestamp;

/// An occurrence that is seen so long after its time is not missed yet.
pub const ON_TIME_MS: i64 = 60_000;
/// A clock that is so far behind what was decided has been set back.
pub const CLOCK_BACK_MS: i64 = 60_000;
/// Most occurrences that one look counts; behind them only those of the last hour are looked at.
pub const OCCURRENCES_MAX: u64 = 10_000;
/// How far back a look goes behind [`OCCURRENCES_MAX`].
const LAST_MS: i64 = 3_600_000;
/// How many missed occurrences fire, if a schedule does not say.
pub const MISSED_DEFAULT: u32 = 10;
/// Most missed occurrences that fire, whatever a schedule says.
pub const MISSED_MAX: u32 = 50;
/// Longest time by which occurrences are spread.
pub const JITTER_MS_MAX: i64 = 3_600_000;

/// What becomes of occurrences that nobody saw in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// The last one fires for all.
    Once,
    /// The last so many fire, one after the other.
    All(u32),
}

/// How a schedule is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of missed occurrences.
    pub missed: Missed,
    /// Occurrences come up to so much later.
    pub jitter_ms: i64,
}

/// How far a schedule has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When it was first seen.
    pub began: Timestamp,
    /// All occurrences up to here are decided on.
    pub upto: Timestamp,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The occurrences that fire, each with how many before it did not.
    pub fire: Vec<(Timestamp, u64)>,
    /// How many occurrences do not.
    pub skipped: u64,
    /// All occurrences up to here are decided on then.
    pub upto: Timestamp,
}

/// When something is to be decided next; none: never again.
pub fn next_due(
    schedule: &Schedule,
    standing: &Standing,
    jitter: &dyn Fn(Timestamp) -> i64,
) -> Option<Timestamp> {
    let next = schedule.next(standing.began, standing.upto)?;
    Some(next.plus_ms(jitter(next)))
}

/// What is due now; none: nothing. `jitter` says by how much an occurrence comes later.
pub fn look(
    schedule: &Schedule,
    standing: &Standing,
    policy: &Policy,
    now: Timestamp,
    jitter: &dyn Fn(Timestamp) -> i64,
) -> Option<Due> {
    if standing.upto > now.plus_ms(CLOCK_BACK_MS) {
        // What came already is known by its time, so looking again from here repeats nothing.
        return Some(Due { fire: vec![], skipped: 0, upto: now });
    }
    let most = match policy.missed {
        Missed::Skip | Missed::Once => 1,
        Missed::All(most) => most.clamp(1, MISSED_MAX) as usize,
    };
    let (mut last, mut count) = (VecDeque::with_capacity(most), 0_u64);
    let mut at = standing.upto;
    while let Some(next) = schedule.next(standing.began, at) {
        if next.plus_ms(jitter(next)) > now {
            break;
        }
        if last.len() == most {
            last.pop_front();
        }
        last.push_back(next);
        count += 1;
        at = if count == OCCURRENCES_MAX { next.max(now.plus_ms(-LAST_MS)) } else { next };
    }
    let upto = *last.back()?;
    let on_time = now.0 - upto.plus_ms(jitter(upto)).0 <= ON_TIME_MS;
    if policy.missed == Missed::Skip && !on_time {
        last.clear();
    }
    let skipped = count - last.len() as u64;
    let missed = |nth: usize| if nth == 0 { skipped } else { 0 };
    let fire = last.into_iter().enumerate().map(|(nth, at)| (at, missed(nth))).collect();
    Some(Due { fire, skipped, upto })
}
