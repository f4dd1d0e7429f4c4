//! Times in words: `yesterday`, `2h ago`, `last monday`, `2026-11-01 14:00`, as stretches of the log's time.
//!
//! What names a day stands for all of it, so that `since` takes its beginning and `until` its end.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan};

use crate::domain::alias::parse_duration;
use crate::domain::id::Timestamp;

/// What can be written, for those who wrote something else.
pub const USAGE: &str =
    "write `yesterday`, `2h ago`, `last monday`, `14:00`, `2026-11-01` or `2026-11-01 14:00`";

/// A stretch of time: from its first millisecond up to its end; a moment ends where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first millisecond.
    pub start: Timestamp,
    /// The millisecond behind its last.
    pub end: Timestamp,
}

/// Now, and where on earth.
#[derive(Debug, Clone)]
pub struct Here {
    /// The time.
    pub now: Timestamp,
    /// What clocks on the wall show.
    pub zone: TimeZone,
}

impl Here {
    /// A moment on the clocks here; none outside of the calendar.
    pub fn civil(&self, at: Timestamp) -> Option<DateTime> {
        let instant = Instant::from_millisecond(at.0).ok()?;
        Some(self.zone.to_datetime(instant))
    }

    /// A moment as people here read it: `2026-11-20 14:02:03`.
    pub fn shown(&self, at: Timestamp) -> String {
        let civil = self.civil(at);
        civil.map_or_else(
            || format!("{} ms", at.0),
            |civil| civil.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        )
    }

    /// What the zone of these days is called.
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().map_or_else(|| "local time".to_owned(), str::to_owned)
    }

    /// The day of a moment: `2026-11-20`.
    pub fn day(&self, at: Timestamp) -> String {
        self.civil(at).map_or_else(String::new, |civil| civil.date().to_string())
    }

    fn at(&self, civil: DateTime) -> Option<Timestamp> {
        let zoned = civil.to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp(zoned.timestamp().as_millisecond()))
    }

    /// All of some days in a row.
    fn days(&self, first: Date, count: i64) -> Option<Stretch> {
        let behind = first.checked_add(count.days()).ok()?;
        let midnight = |day: Date| self.at(day.at(0, 0, 0, 0));
        Some(Stretch { start: midnight(first)?, end: midnight(behind)? })
    }

    fn moment(&self, civil: DateTime) -> Option<Stretch> {
        self.at(civil).map(moment)
    }
}

fn moment(at: Timestamp) -> Stretch {
    Stretch { start: at, end: at }
}

/// Reads a time in words.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse(text: &str, here: &Here) -> Result<Stretch, String> {
    let words = text.trim().to_lowercase();
    let unknown = || format!("`{}` is no time", text.trim());
    let today = here.civil(here.now).ok_or_else(unknown)?.date();
    if let Some(stretch) = named(&words, today, here) {
        return stretch.ok_or_else(|| format!("{} is outside of the calendar", unknown()));
    }
    let written = dated(&words, here).or_else(|| clocked(&words, today, here));
    if let Some(stretch) = written.or_else(|| instant(text.trim())) {
        return Ok(stretch);
    }
    let ago = words.strip_suffix("ago").unwrap_or(&words).trim();
    let ago = ago
        .strip_prefix("an ")
        .or(ago.strip_prefix("a "))
        .map(|unit| format!("1 {unit}"))
        .unwrap_or(ago.into());
    match parse_duration(&ago) {
        Ok(ms) => Ok(moment(here.now.plus_ms(-ms))),
        Err(_) => Err(unknown()),
    }
}

/// A day, a week or a month by its name; the inner none: it is outside of the calendar.
fn named(words: &str, today: Date, here: &Here) -> Option<Option<Stretch>> {
    let back = |days: i64| today.checked_sub(days.days()).ok();
    let since_monday = i64::from(today.weekday().to_monday_zero_offset());
    let month = |first: Date| {
        let next = first.checked_add(1.month()).ok()?;
        let count = first.until(next).ok()?.get_days();
        here.days(first, i64::from(count))
    };
    let stretch = match words {
        "now" => Some(moment(here.now)),
        "today" => here.days(today, 1),
        "yesterday" => back(1).and_then(|day| here.days(day, 1)),
        "this week" => back(since_monday).and_then(|day| here.days(day, 7)),
        "last week" => back(since_monday + 7).and_then(|day| here.days(day, 7)),
        "this month" => month(today.first_of_month()),
        "last month" => today.first_of_month().checked_sub(1.month()).ok().and_then(month),
        words => {
            let (last, name) = match words.strip_prefix("last ") {
                Some(name) => (true, name),
                None => (false, words),
            };
            let wanted = weekday(name)?;
            let ago = i64::from(today.weekday().since(wanted));
            // The last Monday of a Monday is a week ago; Monday alone is today then.
            let ago = if last && ago == 0 { 7 } else { ago };
            back(ago).and_then(|day| here.days(day, 1))
        }
    };
    Some(stretch)
}

fn weekday(name: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let fits = |day: &&(&str, Weekday)| day.0 == name || name.len() == 3 && day.0.starts_with(name);
    NAMES.iter().find(fits).map(|(_, day)| *day)
}

/// `2026-11-01`, `2026-11-01 14:00`, `yesterday 14:00`, `last monday 14:00`.
fn dated(words: &str, here: &Here) -> Option<Stretch> {
    if let Ok(day) = words.parse::<Date>()
        && words.len() == 10
    {
        return here.days(day, 1);
    }
    let (day, clock) = words.rsplit_once([' ', 't'])?;
    let clock = time_of_day(clock)?;
    let day = day.trim();
    let date = match day.parse::<Date>() {
        Ok(date) if day.len() == 10 => date,
        _ => {
            let today = here.civil(here.now)?.date();
            let stretch = named(day, today, here)??;
            here.civil(stretch.start)?.date()
        }
    };
    here.moment(date.to_datetime(clock))
}

/// `14:00`: the last time that it was.
fn clocked(words: &str, today: Date, here: &Here) -> Option<Stretch> {
    let clock = time_of_day(words)?;
    let at = here.moment(today.to_datetime(clock))?;
    if at.start <= here.now {
        return Some(at);
    }
    here.moment(today.yesterday().ok()?.to_datetime(clock))
}

fn time_of_day(words: &str) -> Option<Time> {
    let parts: Vec<&str> = words.split(':').collect();
    let number = |text: &str| {
        let digits =
            (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i8>().ok()).flatten()
    };
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (number(hour)?, number(minute)?, 0),
        [hour, minute, second] => (number(hour)?, number(minute)?, number(second)?),
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

/// `2026-11-01T14:00:00.123Z`, or with an offset.
fn instant(text: &str) -> Option<Stretch> {
    let instant: Instant = text.parse().ok()?;
    Some(moment(Timestamp(instant.as_millisecond())))
}

/// A time that [`parse`] reads as exactly this, everywhere.
pub fn exact(at: Timestamp) -> String {
    match Instant::from_millisecond(at.0) {
        Ok(instant) => instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => at.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central Europe by its rule, so that no list of zones has to be installed.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("it is a rule")
    }

    fn here(now: &str, zone: TimeZone) -> Here {
        let instant: Instant = now.parse().expect("it is a time");
        Here { now: Timestamp(instant.as_millisecond()), zone }
    }

    fn shown(text: &str, here: &Here) -> String {
        match parse(text, here) {
            Ok(Stretch { start, end }) if start == end => exact(start).replace(".000Z", "Z"),
            Ok(Stretch { start, end }) => {
                format!("{} to {}", exact(start), exact(end)).replace(".000Z", "Z")
            }
            Err(why) => why,
        }
    }

    #[test]
    fn times_are_read() {
        // A Friday.
        let here = here("2026-11-20T14:02:03.500Z", TimeZone::UTC);
        for (text, want) in [
            ("now", "2026-11-20T14:02:03.500Z"),
            ("today", "2026-11-20T00:00:00Z to 2026-11-21T00:00:00Z"),
            ("Yesterday", "2026-11-19T00:00:00Z to 2026-11-20T00:00:00Z"),
            ("monday", "2026-11-16T00:00:00Z to 2026-11-17T00:00:00Z"),
            ("mon", "2026-11-16T00:00:00Z to 2026-11-17T00:00:00Z"),
            ("friday", "2026-11-20T00:00:00Z to 2026-11-21T00:00:00Z"),
            ("last friday", "2026-11-13T00:00:00Z to 2026-11-14T00:00:00Z"),
            ("last monday", "2026-11-16T00:00:00Z to 2026-11-17T00:00:00Z"),
            ("last monday 9:30", "2026-11-16T09:30:00Z"),
            ("this week", "2026-11-16T00:00:00Z to 2026-11-23T00:00:00Z"),
            ("last week", "2026-11-09T00:00:00Z to 2026-11-16T00:00:00Z"),
            ("this month", "2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z"),
            ("last month", "2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z"),
            ("15m", "2026-11-20T13:47:03.500Z"),
            ("2h ago", "2026-11-20T12:02:03.500Z"),
            ("an hour ago", "2026-11-20T13:02:03.500Z"),
            ("1 day ago", "2026-11-19T14:02:03.500Z"),
            ("14:00", "2026-11-20T14:00:00Z"),
            ("15:00", "2026-11-19T15:00:00Z"),
            ("yesterday 08:15:30", "2026-11-19T08:15:30Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z"),
            ("2026-11-01 14:00", "2026-11-01T14:00:00Z"),
            ("2026-11-01T14:00", "2026-11-01T14:00:00Z"),
            ("2026-11-01T14:00:00.123Z", "2026-11-01T14:00:00.123Z"),
            ("2026-11-01T14:00:00+02:00", "2026-11-01T12:00:00Z"),
            ("2026-13-01", "`2026-13-01` is no time"),
            ("25:00", "`25:00` is no time"),
            ("12", "`12` is no time"),
            ("noon", "`noon` is no time"),
            ("lastday", "`lastday` is no time"),
            ("", "`` is no time"),
        ] {
            assert_eq!(shown(text, &here), want, "{text:?}");
        }
    }

    #[test]
    fn days_have_23_or_25_hours_where_clocks_are_changed() {
        for (now, text, want) in [
            ("2026-03-30T10:00:00Z", "yesterday", "2026-03-28T23:00:00Z to 2026-03-29T22:00:00Z"),
            ("2026-10-26T10:00:00Z", "yesterday", "2026-10-24T22:00:00Z to 2026-10-25T23:00:00Z"),
            ("2026-03-30T10:00:00Z", "2026-03-29 01:59", "2026-03-29T00:59:00Z"),
            // There is no half past two on that day: the clocks show half past three then.
            ("2026-03-30T10:00:00Z", "2026-03-29 02:30", "2026-03-29T01:30:00Z"),
            // There it is half past two twice: the first counts.
            ("2026-10-26T10:00:00Z", "2026-10-25 02:30", "2026-10-25T00:30:00Z"),
            ("2026-07-01T22:30:00Z", "today", "2026-07-01T22:00:00Z to 2026-07-02T22:00:00Z"),
            ("2026-10-25T12:00:00Z", "24h ago", "2026-10-24T12:00:00Z"),
        ] {
            assert_eq!(shown(text, &here(now, berlin())), want, "{text:?} at {now}");
        }
    }

    #[test]
    fn what_is_written_exactly_reads_back() {
        let here = here("2026-11-20T14:02:03Z", berlin());
        for ms in [0, 1, 1_700_000_000_123, -5] {
            assert_eq!(parse(&exact(Timestamp(ms)), &here), Ok(moment(Timestamp(ms))), "{ms}");
        }
        assert_eq!(here.shown(Timestamp(1_700_000_000_123)), "2023-11-14 23:13:20");
        assert_eq!(here.day(Timestamp(1_700_000_000_123)), "2023-11-14");
        assert_eq!(here.shown(Timestamp(i64::MAX)), format!("{} ms", i64::MAX));
    }
}
