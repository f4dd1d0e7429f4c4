//! Reminders: when those who were asked are reminded, and when the question goes to others as well.

use super::event::{Remind, Whom};
use super::execution::Step;
use super::id::Timestamp;

/// How often people are reminded of one question.
pub const REMINDERS_MAX: u32 = 5;
/// Shortest time before the first reminder.
pub const REMIND_MS_MIN: i64 = 60_000;
/// Longest time before the first reminder; the last one then comes within three years.
pub const REMIND_MS_MAX: i64 = 30 * 86_400_000;
/// The reminder with this number goes to those as well whom `then` names.
pub const ESCALATES: u32 = 2;
/// What a timer's place has behind that of its question; no journal has such a place.
const MARK: &str = " remind";

/// What a reminder is to say and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// Counts from 1.
    pub nth: u32,
    /// Who is asked from now on, too.
    pub also: Whom,
    /// When the next one comes.
    pub next: Option<Timestamp>,
}

/// The place of the timer that reminds of a question.
pub fn timer_path(question: &str) -> String {
    format!("{question}{MARK}")
}

/// The place of the question that a timer reminds of; none: it is another timer.
pub fn question_path(timer: &str) -> Option<&str> {
    timer.strip_suffix(MARK)
}

/// What is to be done at a time that was to remind of a question; none: it is not asked any more, or was reminded of.
///
/// The next time is counted from now, so that a bot that was away does not remind of everything at once.
pub fn due(step: &Step, due: Timestamp, now: Timestamp) -> Option<Reminder> {
    let remind = step.question.as_ref().and_then(|question| question.remind.as_ref())?;
    if !step.asks() || step.remind_due != Some(due) {
        return None;
    }
    let nth = step.reminded + 1;
    let also = if nth == ESCALATES { remind.then.clone() } else { Whom::default() };
    Some(Reminder { nth, also, next: next(remind, nth, now) })
}

/// When the reminder after the n-th comes: each takes twice as long as the one before.
fn next(remind: &Remind, nth: u32, now: Timestamp) -> Option<Timestamp> {
    let wait = remind.after_ms.saturating_mul(1_i64.checked_shl(nth)?);
    (nth < REMINDERS_MAX).then(|| now.plus_ms(wait))
}

#[cfg(test)]
#[path = "reminder_tests.rs"]
mod tests;
