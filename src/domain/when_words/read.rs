//! The words of a time, without a clock: `in an hour and a half`, `next friday at noon`, `on 3 march 8am europe/london`.

use jiff::Span;
use jiff::civil::{Time, Weekday};

/// What was said of a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spoken {
    /// How it is told.
    pub point: Point,
    /// The zone, as it was written.
    pub zone: Option<String>,
}

/// How a time is told.
#[derive(Debug, Clone)]
pub(super) enum Point {
    /// So long from now.
    After(Span),
    /// On a day, at a time of it.
    On(Option<Day>, Option<Time>),
}

impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::After(a), Self::After(b)) => a.fieldwise() == b.fieldwise(),
            (Self::On(a, b), Self::On(c, d)) => (a, b) == (c, d),
            _ => false,
        }
    }
}

/// A day, as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    /// So many days from today.
    Ahead(i64),
    /// The next day of this name, today included.
    Named(Weekday),
    /// The day of this name in the week after this one.
    NextWeek(Weekday),
    /// The same day of the next week.
    SameNextWeek,
    /// A day of the year.
    Dated {
        /// The year, if it was said.
        year: Option<i16>,
        /// The month, if it was said.
        month: Option<i8>,
        /// The day of the month.
        day: i8,
    },
}

/// Why words are no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misread {
    /// They say how often.
    Repeated,
    /// They say a time that is over.
    Over,
    /// This word belongs to no time.
    Word(String),
    /// There are none.
    Empty,
}

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];
/// Words that say how often.
const OFTEN: [&str; 8] =
    ["every", "each", "daily", "weekly", "monthly", "hourly", "always", "weekdays"];

/// Reads the words of a time.
pub(super) fn read(text: &str) -> Result<Spoken, Misread> {
    let lower = text.to_lowercase().replace(',', " ");
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    if words.iter().any(|word| OFTEN.contains(word)) {
        return Err(Misread::Repeated);
    }
    if words.iter().any(|word| matches!(*word, "yesterday" | "ago" | "last")) {
        return Err(Misread::Over);
    }
    let zone = words.last().filter(|word| is_zone(word)).map(|word| (*word).to_owned());
    if zone.is_some() {
        words.pop();
        if words.len() > 1 && words.last() == Some(&"in") {
            words.pop();
        }
    }
    // `2027-03-03t08:00` is two words.
    let parted = words.iter().flat_map(|word| match word.split_once('t') {
        Some((day, clock)) if iso(day).is_some() && clock.contains(':') => vec![day, clock],
        _ => vec![*word],
    });
    let words: Vec<&str> = parted.collect();
    let mut left = Words { words: &words };
    let point = match left.after() {
        Some(span) => Point::After(span),
        None => left.on()?,
    };
    match left.words.first() {
        Some(word) => Err(Misread::Word((*word).to_owned())),
        None => Ok(Spoken { point, zone }),
    }
}

/// Whether words say how often something is to be: `every day at 9`, `at 9 on weekdays`, `daily`.
pub(super) fn says_how_often(text: &str) -> bool {
    let lower = text.to_lowercase().replace(',', " ");
    let words: Vec<&str> = lower.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| OFTEN.contains(word)) else { return false };
    let (before, often) = words.split_at(at);
    let before = before.strip_suffix(&["on"]).unwrap_or(before);
    let time = |words: &[&str]| words.is_empty() || read(&words.join(" ")).is_ok();
    time(before) && how_often(often).is_some_and(time)
}

/// What is left behind words that say how often; none: they do not.
fn how_often<'a, 'b>(words: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let (first, rest) = words.split_first()?;
    if !matches!(*first, "every" | "each") {
        return (*first != "always").then_some(rest);
    }
    let rest = rest.strip_prefix(&["other"]).unwrap_or(rest);
    let mut left = Words { words: rest };
    let named =
        |word: &str| unit(word).is_some() || part(word).is_some() || weekday(word).is_some();
    let told = left.word(|word| (named(word) || word == "weekday").then_some(()));
    let told = told.or_else(|| left.attempt(|left| left.length().map(drop)));
    told.map(|()| left.words)
}

/// Whether a word names a zone: `europe/london`, `utc`.
fn is_zone(word: &str) -> bool {
    let part =
        |part: &str| part.len() > 1 && part.chars().all(|c| c.is_alphabetic() || "_-".contains(c));
    matches!(word, "utc" | "gmt" | "z") || word.contains('/') && word.split('/').all(part)
}

/// The words that are left.
struct Words<'a, 'b> {
    words: &'a [&'b str],
}

impl<'b> Words<'_, 'b> {
    /// Takes these words from the front.
    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.words.starts_with(words);
        if found {
            self.words = &self.words[words.len()..];
        }
        found
    }

    /// Takes the first word if it means something.
    fn word<T>(&mut self, read: impl FnOnce(&'b str) -> Option<T>) -> Option<T> {
        let (first, rest) = self.words.split_first()?;
        let value = read(first)?;
        self.words = rest;
        Some(value)
    }

    /// Tries to take several words; what is taken in vain is given back.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.words;
        let value = read(self);
        if value.is_none() {
            self.words = before;
        }
        value
    }

    /// `in 20 minutes`, `2 hours from now`.
    fn after(&mut self) -> Option<Span> {
        self.attempt(|left| {
            let told = left.take(&["in"]);
            let span = left.length()?;
            let behind = left.take(&["from", "now"]) || left.take(&["later"]);
            (told || behind).then_some(span)
        })
    }

    /// One length or several, added up.
    fn length(&mut self) -> Option<Span> {
        let mut total = self.part()?;
        loop {
            let more = self.attempt(|left| {
                left.take(&["and"]);
                left.part()
            });
            match more {
                Some(part) => total = added(total, part)?,
                None => return Some(total),
            }
        }
    }

    /// `20 minutes`, `an hour and a half`, `half an hour`, `2h30m`.
    fn part(&mut self) -> Option<Span> {
        if self.take(&["half", "an", "hour"]) {
            return Some(Span::new().minutes(30));
        }
        if self.take(&["a", "quarter", "of", "an", "hour"]) {
            return Some(Span::new().minutes(15));
        }
        if let Some(span) = self.word(packed) {
            return Some(span);
        }
        self.attempt(|left| {
            let count = left.word(counted)?;
            let half = left.take(&["and", "a", "half"]);
            let unit = left.word(unit)?;
            let half = half || left.take(&["and", "a", "half"]);
            unit.times(count, half)
        })
    }

    /// A day and a time of day, in any order.
    fn on(&mut self) -> Result<Point, Misread> {
        if self.words.is_empty() {
            return Err(Misread::Empty);
        }
        if self.take(&["now"]) {
            return Ok(Point::After(Span::new()));
        }
        let (mut day, mut clock) = (None, None);
        loop {
            let found = self.attempt(Self::day);
            if let (Some((named, part)), None) = (found, day) {
                day = Some(named);
                // `tonight at 9` is nine in the evening.
                clock = match (clock, part) {
                    (None, Some(part)) => Some(Clock::Part(part)),
                    (clock, _) => clock,
                };
            } else if let Some(told) = self.attempt(Self::clock) {
                clock = Some(match clock {
                    Some(Clock::Part(part)) => Clock::Told(within(told, part)),
                    None => Clock::Told(told),
                    Some(Clock::Told(_)) => return Err(self.stray()),
                });
            } else {
                break;
            }
        }
        let clock = clock.map(|clock| match clock {
            Clock::Told(time) => time,
            Clock::Part(part) => part.usual(),
        });
        match (day, clock) {
            (None, None) => Err(self.stray()),
            _ => Ok(Point::On(day, clock)),
        }
    }

    fn stray(&self) -> Misread {
        self.words.first().map_or(Misread::Empty, |word| Misread::Word((*word).to_owned()))
    }

    /// A day, and the part of it that its name tells.
    fn day(&mut self) -> Option<(Day, Option<Part>)> {
        self.take(&["on"]);
        if self.take(&["tonight"]) {
            return Some((Day::Ahead(0), Some(Part::Evening)));
        }
        if self.take(&["the", "day", "after", "tomorrow"])
            || self.take(&["day", "after", "tomorrow"])
        {
            return Some((Day::Ahead(2), self.word(part)));
        }
        if self.take(&["next", "week"]) {
            return Some((Day::SameNextWeek, None));
        }
        let day = self.attempt(|left| {
            if left.take(&["next"]) {
                return left.word(weekday).map(Day::NextWeek);
            }
            if left.take(&["this"]) {
                return match left.words.first().and_then(|word| part(word)) {
                    Some(_) => Some(Day::Ahead(0)),
                    None => left.word(weekday).map(Day::Named),
                };
            }
            left.word(|word| match word {
                "today" => Some(Day::Ahead(0)),
                "tomorrow" => Some(Day::Ahead(1)),
                word => weekday(word).map(Day::Named).or_else(|| iso(word)),
            })
        });
        let day = day.or_else(|| self.attempt(Self::dated))?;
        Some((
            day,
            self.attempt(|left| {
                left.take(&["in", "the"]);
                left.word(part)
            }),
        ))
    }

    /// `3 march 2027`, `march 3rd`, `the 3rd`, `the 3rd of march`.
    fn dated(&mut self) -> Option<Day> {
        if let Some(month) = self.word(month) {
            let day = self.word(day_number)?;
            let year = self.word(year);
            return Some(Day::Dated { year, month: Some(month), day });
        }
        let the = self.take(&["the"]);
        let day = self.word(day_number)?;
        self.take(&["of"]);
        match self.word(month) {
            Some(month) => Some(Day::Dated { year: self.word(year), month: Some(month), day }),
            None => the.then_some(Day::Dated { year: None, month: None, day }),
        }
    }

    /// `at 9`, `9am`, `17:30`, `noon`, `half past 8`.
    fn clock(&mut self) -> Option<Time> {
        let at = self.take(&["at"]);
        let past = [(&["half", "past"], 30), (&["quarter", "past"], 15), (&["quarter", "to"], -15)];
        for (words, minutes) in past {
            if self.take(words) {
                let hour = self.word(|word| word.parse::<i8>().ok())?;
                let time = Time::new(hour, 0, 0, 0).ok()?;
                let span = Span::new().minutes(minutes);
                return Some(time.wrapping_add(span));
            }
        }
        let (time, whole) = self.word(clock_word)?;
        let half = self.word(|word| match word {
            "am" | "a.m." => Some(false),
            "pm" | "p.m." => Some(true),
            _ => None,
        });
        match (half, whole) {
            (Some(pm), _) => twelve(time, pm),
            // `9` alone is a number; `at 9` is a time.
            (None, Whole::Hour) if !at => None,
            (None, _) => {
                self.take(&["o'clock"]);
                Some(time)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Clock {
    Told(Time),
    Part(Part),
}

/// A part of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Morning,
    Afternoon,
    Evening,
}

impl Part {
    /// When it is, where no time is told.
    fn usual(self) -> Time {
        let hour = match self {
            Part::Morning => 9,
            Part::Afternoon => 15,
            Part::Evening => 20,
        };
        Time::constant(hour, 0, 0, 0)
    }
}

/// `tonight at 9` is 21:00.
fn within(told: Time, part: Part) -> Time {
    match part {
        Part::Afternoon | Part::Evening if told.hour() < 12 => {
            Time::new(told.hour() + 12, told.minute(), told.second(), 0).unwrap_or(told)
        }
        _ => told,
    }
}

fn part(word: &str) -> Option<Part> {
    match word {
        "morning" => Some(Part::Morning),
        "afternoon" => Some(Part::Afternoon),
        "evening" | "night" => Some(Part::Evening),
        _ => None,
    }
}

/// How much of a time a word tells.
enum Whole {
    /// An hour only.
    Hour,
    /// All of it.
    Time,
}

/// `9`, `9:30`, `9am`, `17:30`, `noon`.
fn clock_word(word: &str) -> Option<(Time, Whole)> {
    match word {
        "noon" | "midday" => return Some((Time::constant(12, 0, 0, 0), Whole::Time)),
        "midnight" => return Some((Time::midnight(), Whole::Time)),
        _ => {}
    }
    let (bare, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(bare), _) => (bare, Some(false)),
        (_, Some(bare)) => (bare, Some(true)),
        _ => (word, None),
    };
    let mut parts = bare.split(':');
    let number = |text: &str| {
        let digits =
            (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i8>().ok()).flatten()
    };
    let hour = number(parts.next()?)?;
    let minute = parts.next().map(number);
    let second = parts.next().map(number);
    if parts.next().is_some() || minute == Some(None) || second == Some(None) {
        return None;
    }
    let whole = if minute.is_some() || half.is_some() { Whole::Time } else { Whole::Hour };
    let (minute, second) = (minute.flatten().unwrap_or(0), second.flatten().unwrap_or(0));
    let time = Time::new(hour, minute, second, 0).ok()?;
    let time = half.map_or(Some(time), |pm| twelve(time, pm))?;
    Some((time, whole))
}

/// A time of the twelve-hour clock.
fn twelve(time: Time, pm: bool) -> Option<Time> {
    let hour = match (time.hour(), pm) {
        (1..=11, false) => time.hour(),
        (12, false) => 0,
        (12, true) => 12,
        (1..=11, true) => time.hour() + 12,
        _ => return None,
    };
    Time::new(hour, time.minute(), time.second(), 0).ok()
}

/// A time of day in a word that tells all of it: `9:30`, `5pm`, `noon`.
pub fn time_of_day(word: &str) -> Option<Time> {
    clock_word(word).filter(|(_, whole)| matches!(whole, Whole::Time)).map(|(time, _)| time)
}

/// A day of the week by its name: `friday`, `fri`.
pub fn weekday(word: &str) -> Option<Weekday> {
    let short = |name: &str| matches!(word.len(), 3 | 4) && name.starts_with(word);
    DAYS.iter().find(|(name, _)| *name == word || short(name)).map(|(_, day)| *day)
}

fn month(word: &str) -> Option<i8> {
    let fits = |name: &str| name == word || word.len() == 3 && name.starts_with(word);
    let at = MONTHS.iter().position(|name| fits(name))?;
    i8::try_from(at + 1).ok()
}

/// `3`, `3rd`, `21st`.
fn day_number(word: &str) -> Option<i8> {
    let bare = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end));
    let bare = bare.unwrap_or(word);
    let day: i8 = bare.parse().ok()?;
    (bare.len() <= 2 && (1..=31).contains(&day)).then_some(day)
}

fn year(word: &str) -> Option<i16> {
    let year: i16 = word.parse().ok()?;
    (word.len() == 4 && year >= 1970).then_some(year)
}

/// `2027-03-03`.
fn iso(word: &str) -> Option<Day> {
    let mut parts = word.split('-');
    let (year_of, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    let (month, day) = (two(month)?, two(day)?);
    let whole = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    let year = year(year_of)?;
    whole.then_some(Day::Dated { year: Some(year), month: Some(month), day })
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

fn unit(word: &str) -> Option<Unit> {
    match word.trim_end_matches('s') {
        "second" | "sec" => Some(Unit::Second),
        "minute" | "min" => Some(Unit::Minute),
        "hour" | "hr" => Some(Unit::Hour),
        "day" => Some(Unit::Day),
        "week" => Some(Unit::Week),
        "month" => Some(Unit::Month),
        "year" => Some(Unit::Year),
        _ => None,
    }
}

impl Unit {
    /// So many of it; half a month is none that people agree on.
    fn times(self, count: i64, half: bool) -> Option<Span> {
        let whole = match self {
            Unit::Second => Span::new().try_seconds(count),
            Unit::Minute => Span::new().try_minutes(count),
            Unit::Hour => Span::new().try_hours(count),
            Unit::Day => Span::new().try_days(count),
            Unit::Week => Span::new().try_weeks(count),
            Unit::Month => Span::new().try_months(count),
            Unit::Year => Span::new().try_years(count),
        };
        let rest = match (self, half) {
            (_, false) => return whole.ok(),
            (Unit::Minute, true) => Span::new().seconds(30),
            (Unit::Hour, true) => Span::new().minutes(30),
            (Unit::Day, true) => Span::new().hours(12),
            (Unit::Year, true) => Span::new().months(6),
            (Unit::Second | Unit::Week | Unit::Month, true) => return None,
        };
        added(whole.ok()?, rest)
    }
}

/// `2h30m`, `90s`, `1.5h`.
fn packed(word: &str) -> Option<Span> {
    let starts = word.starts_with(|c: char| c.is_ascii_digit());
    let ends = word.ends_with(['s', 'm', 'h', 'd', 'w']);
    if !starts || !ends {
        return None;
    }
    let ms = crate::domain::alias::parse_duration(word).ok()?;
    let whole_days = word.ends_with('d') || word.ends_with('w');
    match whole_days && ms % super::DAY_MS == 0 {
        true => Span::new().try_days(ms / super::DAY_MS).ok(),
        false => Span::new().try_milliseconds(ms).ok(),
    }
}

/// `20`, `a`, `two`.
fn counted(word: &str) -> Option<i64> {
    if matches!(word, "a" | "an") {
        return Some(1);
    }
    if let Some(at) = NUMBERS.iter().position(|name| *name == word) {
        return i64::try_from(at).ok();
    }
    let digits = word.len() <= 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok()).flatten()
}

/// Two lengths together, unit by unit.
fn added(a: Span, b: Span) -> Option<Span> {
    let sum = Span::new()
        .try_years(a.get_years() + b.get_years())
        .and_then(|it| it.try_months(a.get_months() + b.get_months()))
        .and_then(|it| it.try_weeks(a.get_weeks() + b.get_weeks()))
        .and_then(|it| it.try_days(a.get_days() + b.get_days()))
        .and_then(|it| it.try_hours(a.get_hours() + b.get_hours()))
        .and_then(|it| it.try_minutes(a.get_minutes() + b.get_minutes()))
        .and_then(|it| it.try_seconds(a.get_seconds() + b.get_seconds()))
        .and_then(|it| it.try_milliseconds(a.get_milliseconds() + b.get_milliseconds()));
    sum.ok()
}
