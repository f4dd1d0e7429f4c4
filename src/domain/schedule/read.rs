//! The words of a schedule: `every 15m`, `mon-fri 09:00 Europe/London`, `1st 06:30`, `0 9 * * mon`, `tomorrow 9:00`.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use super::wall::Pattern;
use super::{INTERVAL_MS_MAX, INTERVAL_MS_MIN, Schedule, Timing, Zones};
use crate::domain::alias::parse_duration;
use crate::domain::near::nearest;
use crate::domain::when_words;

/// Longest schedule that is looked at, in bytes.
pub const SPEC_BYTES_MAX: usize = 200;
/// Most times of day of one schedule.
pub const TIMES_MAX: usize = 24;
/// Where it is looked whether a pattern ever comes: a leap year begins here.
const SOMEDAY: DateTime = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);

/// What can be written, for those who wrote something else.
const USAGE: &str = "write for example `every 15m`, `daily 09:00`, `mon-fri 09:00 Europe/London`, `1st 06:30`, `0 9 * * mon-fri` or `tomorrow 9:00`";
/// The words that are suggested for mistyped ones.
const KNOWN: [&str; 32] = [
    "every",
    "daily",
    "hourly",
    "monthly",
    "weekdays",
    "weekends",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "noon",
    "midnight",
    "from",
    "last",
    "day",
    "tomorrow",
    "once",
    "mon-fri",
    "first",
    "second",
    "third",
    "fourth",
];
/// What other systems call their schedules.
const NICKNAMES: [(&str, &str); 6] = [
    ("@hourly", "hourly"),
    ("@daily", "daily 00:00"),
    ("@midnight", "daily 00:00"),
    ("@weekly", "sun 00:00"),
    ("@monthly", "1st 00:00"),
    ("@yearly", "0 0 1 1 *"),
];
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "weekday"];

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {hint}")]
pub struct Misread {
    /// What is wrong, with the place.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

/// A word and at which character it stands, from 1.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    at: usize,
}

impl Word {
    fn wrong(&self, why: &str, hint: impl Into<String>) -> Misread {
        let what = format!("`{}` at character {} {why}", self.text, self.at);
        Misread { what, hint: hint.into() }
    }
}

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Misread {
    Misread { what: what.into(), hint: hint.into() }
}

/// Reads a schedule.
pub(super) fn read(text: &str, zone: &TimeZone, zones: Zones) -> Result<Schedule, Misread> {
    if text.len() > SPEC_BYTES_MAX {
        return Err(wrong(format!("a schedule has at most {SPEC_BYTES_MAX} bytes"), USAGE));
    }
    let mut words = words(text);
    let mut zone = zone.clone();
    if let Some(last) = words.last().filter(|word| names_zone(&word.text)) {
        let none = || last.wrong("is no time zone", "write one such as `Europe/London` or `UTC`");
        zone = zones(&last.text).ok_or_else(none)?;
        words.pop();
    }
    Ok(Schedule { timing: timing(&words)?, zone })
}

fn timing(words: &[Word]) -> Result<Timing, Misread> {
    let Some(first) = words.first() else { return Err(wrong("there is no time", USAGE)) };
    if let Some((_, instead)) = NICKNAMES.iter().find(|(name, _)| *name == first.text) {
        return Err(first.wrong("is no word of schedules", format!("write `{instead}`")));
    }
    if is_cron(words) {
        return cron(words).map(|pattern| Timing::Wall(vec![pattern]));
    }
    match first.text.as_str() {
        "once" => return once(&words[1..]),
        "every" | "each" => {
            if let Some(timing) = interval(&words[1..])? {
                return Ok(timing);
            }
        }
        _ => {}
    }
    match calendar(words) {
        Ok(patterns) => Ok(Timing::Wall(patterns)),
        // `tomorrow 9:00` has no day that comes again.
        Err(why) => match once(words) {
            Ok(once) if !is_daytime(words) => Ok(once),
            _ => Err(why),
        },
    }
}

/// The words of a text in lower case, each with its place.
fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = vec![];
    let mut open = false;
    for (at, c) in text.chars().enumerate() {
        match (c.is_whitespace(), open) {
            (true, _) => open = false,
            (false, true) => {
                found.last_mut().expect("one is open").text.extend(c.to_lowercase());
            }
            (false, false) => {
                found.push(Word { text: c.to_lowercase().collect(), at: at + 1 });
                open = true;
            }
        }
    }
    found
}

/// Whether a word names a zone: `europe/london`, `utc`, `etc/gmt+2`.
fn names_zone(word: &str) -> bool {
    let part = |part: &str| {
        part.len() > 1
            && part.starts_with(|c: char| c.is_alphabetic())
            && part.chars().all(|c| c.is_alphanumeric() || "_-+".contains(c))
    };
    matches!(word, "utc" | "gmt" | "z") || word.contains('/') && word.split('/').all(part)
}

/// Whether there is a time of day alone, which could mean once or daily.
fn is_daytime(words: &[Word]) -> bool {
    words.iter().all(|word| word.text == "at" || times(&word.text).is_some())
}

fn once(words: &[Word]) -> Result<Timing, Misread> {
    let text: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let text = text.join(" ");
    match when_words::why_not(&text) {
        None => Ok(Timing::Once(text)),
        Some(why) => Err(wrong(why, USAGE)),
    }
}

/// `15m from 08:00`; none: it is no interval.
fn interval(words: &[Word]) -> Result<Option<Timing>, Misread> {
    let split = words.iter().position(|word| word.text == "from").unwrap_or(words.len());
    let (length, from) = words.split_at(split);
    let Some(first) = length.first() else { return Ok(None) };
    let text: Vec<&str> = length.iter().map(|word| word.text.as_str()).collect();
    let ms = match text.as_slice() {
        ["second"] => 1_000,
        ["minute"] => 60_000,
        ["hour"] => 3_600_000,
        text => match parse_duration(&text.join(" ")) {
            Ok(ms) => ms,
            Err(why) if first.text.starts_with(|c: char| c.is_ascii_digit()) => {
                let none = first.wrong("begins no interval", "write for example `every 15m`");
                return Err(Misread { what: format!("{}: {why}", none.what), ..none });
            }
            Err(_) => return Ok(None),
        },
    };
    if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&ms) {
        let bounds = "an interval is from one second to 366 days";
        return Err(first.wrong("is no interval", bounds));
    }
    let from = match from {
        [] => None,
        [_, time] => Some(time_of(time)?),
        [word, ..] => {
            let hint = "write one time of day behind it: `every 90s from 08:00`";
            return Err(word.wrong("needs a time of day", hint));
        }
    };
    Ok(Some(Timing::Every { ms, from }))
}

fn time_of(word: &Word) -> Result<Time, Misread> {
    when_words::time_of_day(&word.text)
        .ok_or_else(|| word.wrong("is no time of day", "write one such as `08:00` or `5pm`"))
}

/// Which days, as the last three fields of a cron pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    All,
    OfMonth(Vec<String>),
    OfWeek(Vec<String>),
    /// Every hour of all days.
    Hours,
}

/// `mon-fri 09:00`, `1st,15th at 6:30`, `last friday 5pm`, `hourly`.
fn calendar(words: &[Word]) -> Result<Vec<Pattern>, Misread> {
    let (mut days, mut clock): (Option<Days>, Vec<Time>) = (None, vec![]);
    let mut left = words.iter().peekable();
    while let Some(word) = left.next() {
        let text = word.text.trim_end_matches(',');
        if matches!(text, "on" | "at" | "and" | "the" | "every" | "each" | "of" | "") {
            continue;
        }
        // `the 2nd tuesday of the month`.
        if text == "month" && days.is_some() {
            continue;
        }
        if let Some(more) = times(text) {
            clock.extend(more);
            continue;
        }
        let next = left.peek().map(|next| next.text.as_str());
        let (more, taken) = days_of(text, next).ok_or_else(|| stray(word))?;
        if taken {
            left.next();
        }
        days = Some(match (days, more) {
            (None, more) => more,
            (Some(Days::OfWeek(a)), Days::OfWeek(b)) => Days::OfWeek([a, b].concat()),
            (Some(Days::OfMonth(a)), Days::OfMonth(b)) => Days::OfMonth([a, b].concat()),
            (Some(_), _) => {
                let hint = "name weekdays or days of the month, or write two schedules";
                return Err(word.wrong("are other days than those before it", hint));
            }
        });
    }
    let whole = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let days = match (days, clock.is_empty()) {
        (Some(Days::Hours), true) => return Ok(vec![pattern("0 0 * * * *", true)]),
        (Some(Days::Hours), false) => {
            return Err(wrong("`hourly` has no time of day", "write `15 * * * *` for the minute"));
        }
        (Some(_), true) => {
            return Err(wrong("there is no time of day", format!("write `{whole} 09:00`")));
        }
        (None, _) => {
            let hint = format!("write `daily {whole}` or `once at {whole}`");
            return Err(wrong("there is no day", hint));
        }
        (Some(days), false) => days,
    };
    if clock.len() > TIMES_MAX {
        return Err(wrong(format!("a schedule has at most {TIMES_MAX} times of day"), USAGE));
    }
    Ok(clock.into_iter().map(|time| at(&days, time)).collect())
}

fn at(days: &Days, time: Time) -> Pattern {
    let (month, week) = match days {
        Days::All | Days::Hours => ("*".to_owned(), "*".to_owned()),
        Days::OfMonth(days) => (days.join(","), "*".to_owned()),
        Days::OfWeek(days) => ("*".to_owned(), days.join(",")),
    };
    let clock = format!("{} {} {}", time.second(), time.minute(), time.hour());
    pattern(&format!("{clock} {month} * {week}"), false)
}

fn pattern(text: &str, hourly: bool) -> Pattern {
    let cron = parser().parse(text).expect("it is put together of fields that fit");
    Pattern { cron, hourly }
}

/// `09:00`, `9am,noon`; none: these are no times of day.
fn times(text: &str) -> Option<Vec<Time>> {
    text.split(',').filter(|part| !part.is_empty()).map(when_words::time_of_day).collect()
}

/// The days that a word names, perhaps together with the next one.
fn days_of(text: &str, next: Option<&str>) -> Option<(Days, bool)> {
    let alone = |days: Days| Some((days, false));
    match text {
        "daily" | "day" => return alone(Days::All),
        "hourly" => return alone(Days::Hours),
        "monthly" | "month" => return alone(Days::OfMonth(vec!["1".into()])),
        "weekday" | "weekdays" => return alone(Days::OfWeek(vec!["MON-FRI".into()])),
        "weekend" | "weekends" => return alone(Days::OfWeek(vec!["SAT,SUN".into()])),
        _ => {}
    }
    let parts = || text.split(',').filter(|part| !part.is_empty());
    let named: Option<Vec<String>> = parts().map(weekdays).collect();
    if let Some(named) = named {
        return alone(Days::OfWeek(named));
    }
    let nth: Vec<Nth> = parts().map(nth).collect::<Option<_>>()?;
    if let Some(day) = next.and_then(|next| when_words::weekday(next.trim_end_matches(','))) {
        let days = nth.iter().map(|nth| nth.of_week(day)).collect::<Option<_>>()?;
        return Some((Days::OfWeek(days), true));
    }
    let days = nth.iter().map(Nth::of_month).collect();
    Some((Days::OfMonth(days), next == Some("day")))
}

/// `mon`, `monday`, `mon-fri`.
fn weekdays(text: &str) -> Option<String> {
    let day = |text: &str| when_words::weekday(text).map(cron_day);
    match text.split_once('-') {
        None => day(text).map(str::to_owned),
        Some((from, to)) => {
            let (from, to) = (when_words::weekday(from)?, when_words::weekday(to)?);
            // `fri-mon` goes over the end of the week.
            let mut days: Vec<&str> =
                from.cycle_forward().take(7).take_while(|it| *it != to).map(cron_day).collect();
            days.push(cron_day(to));
            Some(days.join(","))
        }
    }
}

fn cron_day(day: Weekday) -> &'static str {
    ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
        [usize::from(day.to_sunday_zero_offset().unsigned_abs())]
}

/// `1st`, `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nth {
    Day(i8),
    Last,
}

impl Nth {
    fn of_month(&self) -> String {
        match self {
            Self::Day(day) => day.to_string(),
            Self::Last => "L".into(),
        }
    }

    fn of_week(self, day: Weekday) -> Option<String> {
        match self {
            Self::Day(nth @ 1..=5) => Some(format!("{}#{nth}", cron_day(day))),
            Self::Day(_) => None,
            Self::Last => Some(format!("{}#L", cron_day(day))),
        }
    }
}

fn nth(text: &str) -> Option<Nth> {
    const NAMED: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    if text == "last" {
        return Some(Nth::Last);
    }
    if let Some(at) = NAMED.iter().position(|name| *name == text) {
        return i8::try_from(at + 1).ok().map(Nth::Day);
    }
    let bare = ["st", "nd", "rd", "th"].iter().find_map(|end| text.strip_suffix(end))?;
    let day: i8 = bare.parse().ok()?;
    (1..=31).contains(&day).then_some(Nth::Day(day))
}

fn stray(word: &Word) -> Misread {
    let text = word.text.trim_end_matches(',');
    // `mon-fry` is two days.
    let mut parts = text.split(['-', ',']);
    let near = parts.find_map(|part| {
        let known = KNOWN.contains(&part) || when_words::weekday(part).is_some();
        let near = nearest(part, KNOWN.iter().copied()).filter(|_| !known && part.len() > 2)?;
        Some(text.replacen(part, near, 1))
    });
    let hint = near.map_or_else(|| USAGE.to_owned(), |near| format!("did you mean `{near}`?"));
    word.wrong("is no day and no time of day", hint)
}

/// Whether words are the fields of a cron pattern, though perhaps wrong ones.
fn is_cron(words: &[Word]) -> bool {
    let field =
        |word: &Word| word.text.chars().all(|c| c.is_alphanumeric() || "*,-/?#+".contains(c));
    let star = words.iter().any(|word| word.text.starts_with('*'));
    let number = |word: &Word| word.text.starts_with(|c: char| c.is_ascii_digit() || c == '*');
    star || (5..=7).contains(&words.len())
        && words.iter().all(field)
        && number(&words[0])
        && number(&words[1])
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

fn cron(words: &[Word]) -> Result<Pattern, Misread> {
    let hint = "a cron pattern is `minute hour day month weekday`, such as `0 9 * * mon-fri`, perhaps with seconds before it";
    if !(5..=6).contains(&words.len()) {
        return Err(wrong(format!("a cron pattern with {} fields", words.len()), hint));
    }
    let names = &FIELDS[FIELDS.len() - words.len()..];
    for (nth, (word, name)) in words.iter().zip(names).enumerate() {
        // Each field for itself, so that the place can be told.
        let mut alone = vec!["*"; words.len()];
        alone[nth] = &word.text;
        if parser().parse(&alone.join(" ")).is_err() {
            return Err(word.wrong(&format!("is no {name}"), takes(name)));
        }
    }
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let cron: Cron = parser().parse(&text).map_err(|why| wrong(why.to_string(), hint))?;
    let hour = &words[words.len() - 4].text;
    let pattern = Pattern { cron, hourly: hour.starts_with(['*', '?']) };
    match pattern.next_wall(SOMEDAY, true) {
        Some(_) => Ok(pattern),
        None => Err(wrong(format!("`{text}` never comes"), "look at its day and month again")),
    }
}

fn takes(field: &str) -> &'static str {
    match field {
        "second" | "minute" => "it takes 0 to 59, `*`, `,`, `-` and `/`",
        "hour" => "it takes 0 to 23, `*`, `,`, `-` and `/`",
        "day of the month" => "it takes 1 to 31, `L` for the last, `*`, `,`, `-` and `/`",
        "month" => "it takes 1 to 12 or jan to dec, `*`, `,`, `-` and `/`",
        _ => {
            "it takes 0 to 7 or sun to sat, `mon#1` for the first, `fri#L` for the last, `*`, `,`, `-` and `/`"
        }
    }
}
