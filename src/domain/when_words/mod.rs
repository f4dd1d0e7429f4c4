//! Times to come in plain words, for reminders: `in 20 minutes`, `tomorrow at 9`, `next friday at noon europe/london`.
//!
//! Hours and less are counted on the clock, days and more on the calendar: `in 2 days` is the same time of day. A day alone
//! means nine in the morning. `next friday` is the Friday of the week after this one; weeks begin on Monday. A time that
//! clocks skip is taken as much later as they skip; of a time that comes twice, the first is taken; both are said.

mod read;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp as Moment, ToSpan, Zoned};

use self::read::{Day, Misread, Point, read, says_how_often};
pub use self::read::{time_of_day, weekday};
use super::id::Timestamp;

/// Furthest time that is accepted, in days.
pub const WHEN_DAYS_MAX: i64 = 366;
/// Longest text that is looked at, in bytes.
pub const WHEN_BYTES_MAX: usize = 1_000;
/// Most words of a time.
const WORDS_MAX: usize = 12;
/// What a day alone means.
const MORNING: Time = Time::constant(9, 0, 0, 0);
const DAY_MS: i64 = 86_400_000;

/// What can be written, for those who wrote something else.
pub const USAGE: &str = "write for example `in 20 minutes`, `tomorrow at 9:00`, `next friday at noon` or `3 march 8am Europe/London`";

/// A time that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// The time.
    pub at: Timestamp,
    /// How it was understood: `tomorrow, Tuesday 3 March, at 09:00 (Europe/London)`.
    pub words: String,
    /// The zone.
    pub zone: String,
}

/// Finds a zone by its name.
pub type Zones<'a> = &'a dyn Fn(&str) -> Option<TimeZone>;

/// Reads a time to come.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone, zones: Zones) -> Result<When, String> {
    let text = text.trim();
    if text.len() > WHEN_BYTES_MAX {
        return Err(format!("a time has at most {WHEN_BYTES_MAX} bytes; {USAGE}"));
    }
    let spoken = read(text).map_err(|why| misread(text, &why))?;
    let zone = match &spoken.zone {
        None => zone.clone(),
        Some(name) => zones(name).ok_or_else(|| {
            format!("I know no time zone `{name}`; write one such as `Europe/London` or `UTC`")
        })?,
    };
    let outside = || format!("`{text}` is outside of the calendar");
    let instant = Moment::from_millisecond(now.0).map_err(|_| outside())?;
    let here = instant.to_zoned(zone.clone());
    let (at, note) = match &spoken.point {
        Point::After(span) => (after(&here, *span).ok_or_else(outside)?, None),
        Point::On(day, clock) => {
            let civil = civil(text, *day, *clock, &here)?;
            let note = note(civil, &zone);
            (civil.to_zoned(zone.clone()).map_err(|_| outside())?, note)
        }
    };
    let at_ms = at.timestamp().as_millisecond();
    if at_ms < now.0 {
        let shown = shown(&here, &here);
        return Err(format!("`{text}` is over: it is {shown} now"));
    }
    if at_ms > now.0 + WHEN_DAYS_MAX * DAY_MS {
        return Err(format!("`{text}` is further off than {WHEN_DAYS_MAX} days"));
    }
    let words = format!("{}{}", shown(&at, &here), note.unwrap_or_default());
    Ok(When { at: Timestamp(at_ms), words, zone: zone_name(&zone) })
}

/// Whether words have the shape of a time.
pub fn is_when(text: &str) -> bool {
    text.len() <= WHEN_BYTES_MAX && read(text).is_ok()
}

/// Why words have not the shape of a time; none: they have.
pub fn why_not(text: &str) -> Option<String> {
    read(text).err().map(|why| misread(text, &why))
}

/// Parts a text into the time that it begins or ends with and the rest: `call ben tomorrow at 9`. None: there is no time.
pub fn find(text: &str) -> Option<(String, String)> {
    if text.len() > WHEN_BYTES_MAX {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let most = words.len().saturating_sub(1).min(WORDS_MAX);
    let parted = |count: usize, ends: bool| {
        let at = if ends { words.len() - count } else { count };
        let (first, second) = words.split_at(at);
        let (when, rest) = if ends { (second, first) } else { (first, second) };
        // `where he sat` is about no Saturday.
        let odd = matches!(when, [word] if word.len() == 3 && *word != "now");
        let when = when.join(" ");
        // How often is no time to come, but it is meant as one: whoever reads it is told so.
        (!odd && (is_when(&when) || says_how_often(&when))).then(|| (when, rest.join(" ")))
    };
    let ends = (1..=most).rev().find_map(|count| parted(count, true));
    ends.or_else(|| (1..=most).rev().find_map(|count| parted(count, false)))
}

fn misread(text: &str, why: &Misread) -> String {
    match why {
        Misread::Repeated => format!(
            "`{text}` says how often, and I can be told one time only: schedules stand in scripts; write for example `next monday at 9:00`"
        ),
        Misread::Over => format!("`{text}` is over; {USAGE}"),
        Misread::Word(word) => {
            format!("I do not understand `{word}` in `{text}` as a time; {USAGE}")
        }
        Misread::Empty => format!("there is no time; {USAGE}"),
    }
}

/// So long from now: days and more on the calendar, then hours and less on the clock.
fn after(here: &Zoned, span: Span) -> Option<Zoned> {
    here.checked_add(span).ok()
}

/// The date and the time of day that were meant.
fn civil(
    text: &str,
    day: Option<Day>,
    clock: Option<Time>,
    here: &Zoned,
) -> Result<DateTime, String> {
    let (today, now) = (here.date(), here.time());
    let ahead = |days: i64| {
        today.checked_add(days.days()).map_err(|_| format!("`{text}` is outside of the calendar"))
    };
    let weekday = today.weekday();
    let date = match day {
        // A time alone is the next time that it comes.
        None => ahead(i64::from(clock.is_some_and(|clock| clock <= now)))?,
        Some(Day::Ahead(days)) => ahead(days)?,
        Some(Day::SameNextWeek) => ahead(7)?,
        Some(Day::Named(named)) => {
            let days = i64::from(weekday.until(named));
            let over = days == 0 && clock.unwrap_or(MORNING) <= now;
            ahead(if over { 7 } else { days })?
        }
        Some(Day::NextWeek(named)) => {
            let monday = 7 - i64::from(weekday.to_monday_zero_offset());
            ahead(monday + i64::from(named.to_monday_zero_offset()))?
        }
        Some(Day::Dated { year, month, day }) => {
            let clock = clock.unwrap_or(MORNING);
            dated((year, month, day), today.to_datetime(now), clock).ok_or_else(|| {
                format!("there is no such day as `{text}` soon; look at the calendar again")
            })?
        }
    };
    Ok(date.to_datetime(clock.unwrap_or(MORNING)))
}

/// A day by its number: the next one, where the year or the month is not said.
fn dated(
    (year, month, day): (Option<i16>, Option<i8>, i8),
    now: DateTime,
    clock: Time,
) -> Option<Date> {
    match (year, month) {
        (Some(year), Some(month)) => Date::new(year, month, day).ok(),
        (None, Some(month)) => {
            let years = (0..2).filter_map(|n| Date::new(now.year() + n, month, day).ok());
            years.into_iter().find(|date| date.to_datetime(clock) > now)
        }
        (_, None) => {
            let months = (0..3).filter_map(|n: i64| {
                let first = now.date().first_of_month().checked_add(n.months()).ok()?;
                Date::new(first.year(), first.month(), day).ok()
            });
            months.into_iter().find(|date| date.to_datetime(clock) > now)
        }
    }
}

/// What is to be said about a time that clocks skip, or that comes twice.
fn note(civil: DateTime, zone: &TimeZone) -> Option<String> {
    let clock = civil.strftime("%H:%M");
    match zone.to_ambiguous_zoned(civil).offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => {
            Some(format!("; clocks go forward and skip {clock} that day, so it is as much later"))
        }
        AmbiguousOffset::Fold { .. } => {
            Some(format!("; clocks go back and {clock} comes twice that day, it is the first"))
        }
    }
}

/// A time in words, as seen from now.
fn shown(at: &Zoned, here: &Zoned) -> String {
    let away = here.date().until(at.date()).map_or(0, |span| span.get_days());
    let day = if at.date().year() == here.date().year() { "%A %-d %B" } else { "%A %-d %B %Y" };
    let day = at.strftime(day);
    let clock = at.strftime(if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" });
    let zone = zone_name(at.time_zone());
    match away {
        0 => format!("today at {clock} ({zone})"),
        1 => format!("tomorrow, {day}, at {clock} ({zone})"),
        _ => format!("{day} at {clock} ({zone})"),
    }
}

/// The name of a zone as people write it.
fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| "local time".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests;
