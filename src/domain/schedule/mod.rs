//! Schedules: when something is to happen again and again, or once, as people write it.
//!
//! A wall clock time that clocks skip comes once, at the first instant behind the gap; one that comes twice comes once, the
//! first time. `every` counts real time. A cron pattern whose hour is `*` comes in every real hour.

mod due;
mod read;
#[cfg(test)]
mod tests;
mod wall;

use jiff::Timestamp as Moment;
use jiff::civil::Time;
use jiff::tz::TimeZone;

pub use self::due::{
    CLOCK_BACK_MS, Due, JITTER_MS_MAX, MISSED_DEFAULT, MISSED_MAX, Missed, OCCURRENCES_MAX,
    ON_TIME_MS, Policy, Standing, look, next_due,
};
pub use self::read::{Misread, SPEC_BYTES_MAX, TIMES_MAX};
use self::wall::Pattern;
use super::id::Timestamp;
use super::when_words;

/// Most schedules of all scripts together.
pub const SCHEDULES_MAX: usize = 1_000;
/// Shortest time between two occurrences of an interval.
pub const INTERVAL_MS_MIN: i64 = 1_000;
/// Longest time between two occurrences of an interval.
pub const INTERVAL_MS_MAX: i64 = 366 * 86_400_000;

/// When something is to happen.
#[derive(Debug, Clone)]
pub struct Schedule {
    timing: Timing,
    /// The zone that its wall clock times are read in.
    pub zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Timing {
    /// Each time that so many milliseconds are over, counted from when it began, or from a time of day.
    Every { ms: i64, from: Option<Time> },
    /// When one of these fits the clock on the wall.
    Wall(Vec<Pattern>),
    /// Once, in words.
    Once(String),
}

/// Finds a zone by its name.
pub type Zones<'a> = &'a dyn Fn(&str) -> Option<TimeZone>;

impl Schedule {
    /// Reads a schedule; its times are those of `zone`, unless it names another one.
    ///
    /// # Errors
    /// [`Misread`], with the place and a hint.
    pub fn parse(text: &str, zone: &TimeZone, zones: Zones) -> Result<Self, Misread> {
        read::read(text, zone, zones)
    }

    /// The first occurrence behind an instant, of a schedule that began at another one; none: it is over.
    pub fn next(&self, began: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match &self.timing {
            Timing::Every { ms, from } => {
                let anchor = from.map_or(Some(began), |time| self.last_before(time, began))?;
                let past = after.0.checked_sub(anchor.0)?.div_euclid(*ms);
                let next = ms.checked_mul(past + 1).and_then(|ms| anchor.0.checked_add(ms))?;
                Some(Timestamp(next))
            }
            Timing::Wall(patterns) => {
                let after = moment(after)?;
                let next = patterns.iter().filter_map(|it| it.next(&self.zone, after)).min()?;
                Some(Timestamp(next.as_millisecond()))
            }
            Timing::Once(words) => {
                let when = when_words::parse(words, began, &self.zone, &|_| None).ok()?;
                (when.at > after).then_some(when.at)
            }
        }
    }

    /// Whether it comes once and never again.
    pub fn is_once(&self) -> bool {
        matches!(self.timing, Timing::Once(_))
    }

    /// Why it never comes, if it began at a time; none: it does.
    pub fn never(&self, began: Timestamp) -> Option<String> {
        match &self.timing {
            Timing::Once(words) => when_words::parse(words, began, &self.zone, &|_| None).err(),
            Timing::Every { .. } | Timing::Wall(_) => None,
        }
    }

    /// The name of its zone, as people write it.
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().map_or_else(|| "local time".to_owned(), str::to_owned)
    }

    /// An instant as its zone's clocks show it, with the weekday: `Mon 2026-03-02 09:00:00 +00:00`.
    pub fn shown(&self, at: Timestamp) -> String {
        let shown =
            |at: Moment| at.to_zoned(self.zone.clone()).strftime("%a %F %T %:z").to_string();
        moment(at).map_or_else(|| "outside of the calendar".into(), shown)
    }

    /// The last time that clocks showed a time of day, at or before an instant.
    fn last_before(&self, time: Time, at: Timestamp) -> Option<Timestamp> {
        let here = moment(at)?.to_zoned(self.zone.clone());
        let today = here.date();
        let days = [Some(today), today.yesterday().ok()];
        let starts = days.into_iter().flatten();
        let mut starts = starts.filter_map(|day| wall::first(&self.zone, day.to_datetime(time)));
        let start = starts.find(|start| start.as_millisecond() <= at.0)?;
        Some(Timestamp(start.as_millisecond()))
    }
}

fn moment(at: Timestamp) -> Option<Moment> {
    Moment::from_millisecond(at.0).ok()
}
