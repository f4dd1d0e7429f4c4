//! Kinds of parameter: what they look like in a message, and the typed value behind it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::problem::Problem;
use super::text;
use crate::domain::when_words;

/// Longest duration that is accepted, in milliseconds: a hundred years.
pub const DURATION_MS_MAX: i64 = 100 * 365 * DAY_MS;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Most digits behind the point of a duration's number.
const FRACTION_DIGITS_MAX: usize = 6;

/// Units of a duration: the names people use, and milliseconds.
const UNITS: [(&[&str], i64); 6] = [
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1000),
    (&["m", "min", "mins", "minute", "minutes"], 60 * 1000),
    (&["h", "hr", "hrs", "hour", "hours"], 60 * 60 * 1000),
    (&["d", "day", "days"], DAY_MS),
    (&["w", "week", "weeks"], 7 * DAY_MS),
];

const DURATION: &str =
    r"[0-9]+(?:\.[0-9]+)? ?[a-z]+(?:(?: |, | and )?[0-9]+(?:\.[0-9]+)? ?[a-z]+)*";
const CLOCK: &str = "(?:(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?(?: ?[ap]m)?|(?:0?[1-9]|1[0-2]) ?[ap]m|noon|midnight)";
const DATE: &str = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])";
const DAY: &str = "(?:today|tonight|tomorrow|(?:next )?(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)";
const ZONE: &str = "(?:z|[+-][0-9]{2}:?[0-9]{2})";

/// A word that is not `key=…`, or something in quotes.
const WORD: &str = concat!(
    r#""[^"\x00]*"|'[^'\x00]*'"#,
    r#"|[A-Za-z_][A-Za-z0-9_.-]*(?:[^A-Za-z0-9_.= \x00-][^ \x00]*)?"#,
    r#"|[^A-Za-z_"' \x00][^ \x00]*"#
);

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!("^{}$", time_pattern()))
        .expect("the pattern of a time is a constant and compiles")
});

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One word, or several in quotes.
    Word,
    /// A whole number.
    Int,
    /// A number, with or without a fraction.
    Number,
    /// Yes or no.
    Bool,
    /// A length of time; see [`parse_duration`].
    Duration,
    /// A point in time, kept as written.
    Time,
    /// A time to come in words; see [`crate::domain::when_words`].
    When,
    /// A person.
    User,
    /// A room.
    Room,
    /// The rest of the message, or the code block at its end.
    Text,
    /// One of these.
    Choices(Vec<String>),
}

/// The names that a format may use.
pub(super) const NAMES: [(&str, Kind); 10] = [
    ("word", Kind::Word),
    ("int", Kind::Int),
    ("number", Kind::Number),
    ("bool", Kind::Bool),
    ("duration", Kind::Duration),
    ("time", Kind::Time),
    ("when", Kind::When),
    ("user", Kind::User),
    ("room", Kind::Room),
    ("text", Kind::Text),
];

impl Kind {
    /// How the kind is written behind the colon in a format; nothing for a word.
    pub(super) fn written(&self) -> Option<String> {
        match self {
            Kind::Word => None,
            Kind::Choices(choices) => Some(choices.join(" | ")),
            kind => {
                NAMES.iter().find(|(_, named)| named == kind).map(|(name, _)| (*name).to_owned())
            }
        }
    }

    /// What a message must hold here, in words for its author.
    pub fn wanted(&self) -> String {
        match self {
            Kind::Word => "one word, or several in quotes".into(),
            Kind::Int => "a whole number".into(),
            Kind::Number => "a number".into(),
            Kind::Bool => "`yes` or `no`".into(),
            Kind::Duration => "a duration such as `15m`, `2h30m` or `1 day`".into(),
            Kind::Time => "a time such as `15:30`, `tomorrow 9am` or `2026-11-21 15:30`".into(),
            Kind::When => {
                "a time to come such as `in 20 minutes`, `tomorrow at 9:00` or `next friday`".into()
            }
            Kind::User => "a person such as `@ann:example.org`".into(),
            Kind::Room => "a room such as `#ops:example.org`".into(),
            Kind::Text => "some text".into(),
            Kind::Choices(choices) => one_of(choices),
        }
    }

    /// The only values that it takes; none: they cannot be listed.
    pub fn choices(&self) -> Vec<String> {
        match self {
            Kind::Choices(choices) => choices.clone(),
            Kind::Bool => vec!["yes".into(), "no".into()],
            _ => vec![],
        }
    }

    /// The regular expression of what is surely or possibly of this kind.
    pub(super) fn pattern(&self) -> String {
        let bare = match self {
            Kind::Word | Kind::User | Kind::Room => return WORD.into(),
            Kind::Text => return ".+".into(),
            Kind::Int => "[-+]?[0-9]+".into(),
            Kind::Number => r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)".into(),
            Kind::Bool => "(?i-u:true|false|yes|no|on|off)".into(),
            Kind::Duration => format!("(?i-u:{DURATION})"),
            Kind::Time => time_pattern(),
            // As few words as fit: what follows in the format ends it.
            Kind::When => r#"[^"\x00]{1,120}?"#.into(),
            Kind::Choices(choices) => {
                choices.iter().map(|choice| literal(choice)).collect::<Vec<_>>().join("|")
            }
        };
        format!("{bare}|\"(?:{bare})\"|'(?:{bare})'")
    }

    /// As [`Kind::pattern`], but takes any word too, so that a wrong one can be named.
    pub(super) fn loose_pattern(&self) -> String {
        match self {
            Kind::Word | Kind::User | Kind::Room | Kind::Text => self.pattern(),
            _ => format!("{}|{WORD}", self.pattern()),
        }
    }

    /// What is wrong with a parameter that is not of this kind.
    pub(super) fn problem(&self, parameter: String, got: String) -> Problem {
        let why = (*self == Kind::When).then(|| when_words::why_not(&got)).flatten();
        match why {
            Some(why) => Problem::Untimely { parameter, why },
            None => Problem::Wrong { parameter, wanted: self.wanted(), got },
        }
    }

    /// A value that was given to another parameter, as this one takes it; nothing if it is not of this kind.
    pub fn taking(&self, value: &Value) -> Option<Value> {
        match value {
            Value::String(text) if matches!(self, Self::Word | Self::User | Self::Room) => {
                (!text.is_empty()).then(|| value.clone())
            }
            Value::String(text) => self.value(text),
            Value::Bool(_) | Value::Number(_) => self.value(&value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Whether a text says nothing but such a value, so that it can be told from talk.
    pub fn is_all_of(&self, text: &str) -> bool {
        let text = text.trim();
        let quoted = text.len() > 1 && text.starts_with(['"', '\'']) && text.ends_with(['"', '\'']);
        let one_word = quoted || !text.contains(char::is_whitespace);
        let wordy = matches!(self, Self::Word | Self::User | Self::Room);
        !text.is_empty() && (one_word || !wordy) && self.value(text).is_some()
    }

    /// The value behind what was written; nothing if it is not of this kind.
    pub(super) fn value(&self, written: &str) -> Option<Value> {
        if *self == Kind::Text {
            return Some(written.into());
        }
        let verbatim = unquoted(written);
        let plain = text::plain(&verbatim).split_whitespace().collect::<Vec<_>>().join(" ");
        match self {
            Kind::Int => plain.parse::<i64>().ok().map(Value::from),
            Kind::Number => number(&plain).map(Value::from),
            Kind::Bool => truth(&plain).map(Value::from),
            Kind::Duration => parse_duration(&plain).is_ok().then(|| plain.into()),
            Kind::Time => TIME.is_match(&plain).then(|| plain.into()),
            Kind::When => when_words::is_when(&plain).then(|| plain.into()),
            Kind::Choices(choices) => {
                choices.iter().find(|choice| same(choice, &plain)).cloned().map(Value::from)
            }
            Kind::Word | Kind::User | Kind::Room | Kind::Text => Some(word(&verbatim).into()),
        }
    }
}

/// The regular expression of literal words: no case, any white space between, one long dash for several short ones.
pub(super) fn literal(words: &str) -> String {
    let mut pattern = String::from(if words.is_ascii() { "(?i-u:" } else { "(?i:" });
    let mut rest = words.trim();
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|c| c != first).unwrap_or(rest.len());
        match first {
            '-' => pattern.push_str(&format!("-{{1,{run}}}")),
            c if c.is_whitespace() => pattern.push_str(" +"),
            _ => pattern.push_str(&regex::escape(&rest[..run])),
        }
        rest = &rest[run..];
    }
    pattern + ")"
}

/// Reads a length of time such as `90s`, `2h30m`, `15 min`, `1 hour` or `1.5 days`; gives milliseconds.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse_duration(written: &str) -> Result<i64, String> {
    let lower = text::plain(written).to_ascii_lowercase();
    let mut rest = lower.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return Err(
            "an empty text is not a duration; write for example `15m`, `2h30m` or `1 day`".into()
        );
    }
    while !rest.is_empty() {
        let (ms, after) = duration_part(rest)
            .map_err(|why| format!("`{}` is not a duration: {why}", lower.trim()))?;
        total = total
            .checked_add(ms)
            .filter(|total| *total <= DURATION_MS_MAX)
            .ok_or_else(|| format!("`{}` is longer than 100 years", lower.trim()))?;
        let after = after.trim_start();
        rest = after
            .strip_prefix(", ")
            .or_else(|| after.strip_prefix("and "))
            .unwrap_or(after)
            .trim_start();
    }
    Ok(total)
}

/// Reads one number and its unit from the front.
fn duration_part(rest: &str) -> Result<(i64, &str), String> {
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    if number.is_empty() {
        return Err(
            "it has no number where one should be; write for example `15m` or `2h30m`".into()
        );
    }
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    if unit.is_empty() {
        return Err(format!("`{number}` has no unit; use ms, s, m, h, d or w"));
    }
    let (_, unit_ms) = UNITS
        .iter()
        .find(|(names, _)| names.contains(&unit))
        .ok_or_else(|| format!("unknown unit `{unit}`; use ms, s, m, h, d or w"))?;
    let ms = scaled(number, *unit_ms)
        .ok_or_else(|| format!("`{number}` is not a number that can be used here"))?;
    Ok((ms, rest))
}

/// A decimal number times a unit, without rounding errors.
fn scaled(number: &str, unit_ms: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.len() > FRACTION_DIGITS_MAX {
        return None;
    }
    let scale = 10_i64.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<i64>().ok()?.checked_mul(unit_ms)? / scale;
    whole.parse::<i64>().ok()?.checked_mul(unit_ms)?.checked_add(part)
}

fn time_pattern() -> String {
    format!(
        "(?i-u:{DATE}t{CLOCK}{ZONE}?|(?:{DATE}|{DAY})(?: (?:at )?{CLOCK})?|(?:at )?{CLOCK}|now)"
    )
}

/// A number as people write it: neither `inf` nor `1e5`.
fn number(plain: &str) -> Option<f64> {
    let usual = plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    plain.parse().ok().filter(|number: &f64| usual && number.is_finite())
}

fn truth(plain: &str) -> Option<bool> {
    match plain.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn same(choice: &str, plain: &str) -> bool {
    let folded = |text: &str| text.split_whitespace().map(text::fold).collect::<Vec<_>>();
    folded(choice) == folded(plain)
}

/// A word as written, but an option's long dash is a short one, and nothing in it is invisible.
fn word(verbatim: &str) -> String {
    let seen: String = verbatim.chars().filter(|c| text::plain_char(*c).is_some()).collect();
    let dashes = seen.find(|c| text::plain_char(c) != Some('-')).unwrap_or(seen.len());
    "-".repeat(seen[..dashes].chars().count()) + &seen[dashes..]
}

/// The inside of a quoted value, of whatever quotes; anything else as it is.
fn unquoted(written: &str) -> String {
    let written = written.trim_matches(|c| matches!(text::plain_char(c), None | Some(' ')));
    let mut inside = written.chars();
    let ends =
        (inside.next().and_then(text::plain_char), inside.next_back().and_then(text::plain_char));
    match ends {
        (Some('"'), Some('"')) | (Some('\''), Some('\'')) => inside.as_str().to_owned(),
        _ => written.to_owned(),
    }
}

/// "`a`, `b` or `c`".
fn one_of(choices: &[String]) -> String {
    let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read() {
        for (written, want) in [
            ("250ms", Ok(250)),
            ("90s", Ok(90_000)),
            ("15m", Ok(900_000)),
            ("15 min", Ok(900_000)),
            ("15\u{00A0}Min", Ok(900_000)),
            ("1 hour", Ok(3_600_000)),
            ("2h30m", Ok(9_000_000)),
            ("2h 30m", Ok(9_000_000)),
            ("1 hour and 30 minutes", Ok(5_400_000)),
            ("1 day, 2 hours", Ok(93_600_000)),
            ("1.5h", Ok(5_400_000)),
            ("0.1w", Ok(60_480_000)),
            ("0s", Ok(0)),
            ("5200w", Ok(3_144_960_000_000)),
            ("5300w", Err("longer than 100 years")),
            ("99999999999999999999s", Err("not a number")),
            ("9223372036854775807w", Err("not a number")),
            ("1.1.1h", Err("not a number")),
            ("1.h", Err("not a number")),
            ("0.1234567h", Err("not a number")),
            ("15", Err("no unit")),
            ("m", Err("no number")),
            ("-5m", Err("no number")),
            ("5 parsecs", Err("unknown unit `parsecs`")),
            ("1h and", Err("no number")),
            ("1h, ", Err("no number")),
            ("", Err("empty")),
            ("   ", Err("empty")),
        ] {
            match (parse_duration(written), want) {
                (Ok(ms), Ok(want)) => assert_eq!(ms, want, "{written:?}"),
                (Err(said), Err(want)) => assert!(said.contains(want), "{written:?} says {said:?}"),
                (got, want) => panic!("{written:?} gives {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn words_keep_their_text() {
        for (written, want) in [
            ("web1", "web1"),
            ("\u{201C}it\u{2019}s 2020\u{2013}2024\u{201D}", "it\u{2019}s 2020\u{2013}2024"),
            ("\u{2014}force", "-force"),
            ("web1\u{200B}", "web1"),
            ("\"\"", ""),
            ("\u{201C}a b\u{201D}\u{200B}", "a b"),
            ("\"", "\""),
        ] {
            assert_eq!(Kind::Word.value(written), Some(want.into()), "{written:?}");
        }
    }

    #[test]
    fn values_are_checked() {
        for (kind, written, want) in [
            (Kind::Int, "+5", json!(5)),
            (Kind::Int, "\u{2013}5", json!(-5)),
            (Kind::Int, "\"5\"", json!(5)),
            (Kind::Int, "5.0", json!(null)),
            (Kind::Int, "99999999999999999999", json!(null)),
            (Kind::Number, "5", json!(5.0)),
            (Kind::Number, "-.5", json!(-0.5)),
            (Kind::Number, "inf", json!(null)),
            (Kind::Number, "1e5", json!(null)),
            (Kind::Bool, "ON", json!(true)),
            (Kind::Bool, "no", json!(false)),
            (Kind::Bool, "maybe", json!(null)),
            (Kind::Duration, "15\u{00A0}min", json!("15 min")),
            (Kind::Duration, "5 parsecs", json!(null)),
            (Kind::Time, "15:30", json!("15:30")),
            (Kind::Time, "Tomorrow at 9am", json!("Tomorrow at 9am")),
            (Kind::Time, "next friday", json!("next friday")),
            (Kind::Time, "2026\u{2013}11\u{2013}21 15:30", json!("2026-11-21 15:30")),
            (Kind::Time, "2026-11-21T15:30:00Z", json!("2026-11-21T15:30:00Z")),
            (Kind::Time, "25:00", json!(null)),
            (Kind::Time, "someday", json!(null)),
            (Kind::When, "in an hour and a half", json!("in an hour and a half")),
            (
                Kind::When,
                "next friday at noon Europe/London",
                json!("next friday at noon Europe/London"),
            ),
            (Kind::When, "every monday", json!(null)),
        ] {
            assert_eq!(kind.value(written).unwrap_or_default(), want, "{kind:?} of {written:?}");
        }
    }

    #[test]
    fn kinds_say_what_they_want() {
        let choices =
            |names: &[&str]| Kind::Choices(names.iter().map(|name| (*name).to_owned()).collect());
        for (kind, want) in [
            (choices(&["a"]), "`a`"),
            (choices(&["a", "b"]), "`a` or `b`"),
            (choices(&["a", "b", "c"]), "`a`, `b` or `c`"),
            (Kind::Int, "a whole number"),
        ] {
            assert_eq!(kind.wanted(), want);
        }
    }
}
