//! Quiet hours: when a room wants to hear of nothing but what is critical.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::id::Timestamp;

/// The severity that is told at every hour.
const CRITICAL: &str = "critical";

/// A stretch of every day on the clocks where the bot is, `22:00-07:00`; it may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quiet {
    from: Time,
    to: Time,
}

impl TryFrom<String> for Quiet {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Quiet> for String {
    fn from(quiet: Quiet) -> String {
        let shown = |time: Time| time.strftime("%H:%M").to_string();
        format!("{}-{}", shown(quiet.from), shown(quiet.to))
    }
}

impl Quiet {
    /// Reads `22:00-07:00`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` are no quiet hours: write them as 22:00-07:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| {
            let (hours, minutes) = text.trim().split_once(':').ok_or_else(wrong)?;
            let number = |text: &str| text.parse::<i8>().map_err(|_| wrong());
            Time::new(number(hours)?, number(minutes)?, 0, 0).map_err(|_| wrong())
        };
        let (from, to) = (time(from)?, time(to)?);
        if from == to { Err(wrong()) } else { Ok(Self { from, to }) }
    }

    /// When the quiet hours end that a time is in; none: it is in none, or this severity is told in them.
    pub fn until(&self, now: Timestamp, zone: &TimeZone, severity: &str) -> Option<Timestamp> {
        if severity.eq_ignore_ascii_case(CRITICAL) {
            return None;
        }
        let at = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone());
        let (clock, over_midnight) = (at.time(), self.from > self.to);
        let (late, early) = (clock >= self.from, clock < self.to);
        let inside = if over_midnight { late || early } else { late && early };
        let tomorrow = over_midnight && late;
        let day = if tomorrow { at.date().tomorrow().ok()? } else { at.date() };
        // An hour that the clocks leave out is over when they go on.
        let end = day.to_datetime(self.to).to_zoned(zone.clone()).ok()?;
        inside.then(|| Timestamp(end.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &TimeZone) -> Timestamp {
        let civil: jiff::civil::DateTime = text.parse().expect("a time");
        Timestamp(civil.to_zoned(zone.clone()).expect("it is there").timestamp().as_millisecond())
    }

    #[test]
    fn quiet_hours_hold_back_until_their_end() {
        let london = TimeZone::get("Europe/London").expect("a zone");
        for (hours, now, severity, want) in [
            ("22:00-07:00", "2026-03-02T21:59:59", "warning", None),
            ("22:00-07:00", "2026-03-02T22:00:00", "warning", Some("2026-03-03T07:00:00")),
            ("22:00-07:00", "2026-03-03T06:59:59", "", Some("2026-03-03T07:00:00")),
            ("22:00-07:00", "2026-03-03T07:00:00", "", None),
            ("22:00-07:00", "2026-03-02T23:00:00", "CRITICAL", None),
            ("12:00-13:30", "2026-03-02T12:30:00", "", Some("2026-03-02T13:30:00")),
            ("12:00-13:30", "2026-03-02T13:30:00", "", None),
            // The night in which summer begins, and an end in the hour that is left out.
            ("22:00-07:00", "2026-03-28T23:00:00", "", Some("2026-03-29T07:00:00")),
            ("22:00-01:30", "2026-03-28T23:00:00", "", Some("2026-03-29T02:30:00")),
        ] {
            let quiet = Quiet::parse(hours).expect(hours);
            let until = quiet.until(at(now, &london), &london, severity);
            assert_eq!(until, want.map(|want| at(want, &london)), "{hours} at {now} {severity}");
        }
    }

    #[test]
    fn what_are_no_hours_is_told() {
        for text in ["", "22:00", "22-7", "25:00-07:00", "22:60-07:00", "07:00-07:00", "a:b-c:d"] {
            let why = Quiet::parse(text).expect_err(text);
            assert!(why.contains("write them as 22:00-07:00"), "{why}");
        }
        assert_eq!(String::from(Quiet::parse("22:00 - 7:05").expect("hours")), "22:00-07:05");
    }
}
