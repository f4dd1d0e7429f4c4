//! What must hold of every text that somebody writes as a format, a command or a time: the bodies of fuzz targets.

use jiff::tz::TimeZone;

use super::alias::{DURATION_MS_MAX, Format, PARAMETERS_MAX, Text, parse_duration};
use super::alias_index::{AliasId, AliasIndex};
use super::id::Timestamp;
use super::when_words::{self, WHEN_DAYS_MAX};

/// A day, the hour before clocks go forward, and the hour before they go back.
const NOWS: [i64; 3] = [1_795_183_200_000, 1_774_746_000_000, 1_792_886_400_000];
/// A zone whose clocks are changed.
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// Reads the first line as a format and each other line as a command: nothing panics, what fits is complete, the index
/// finds what fits and nothing else, and a command that is written from its parameters is read as the same.
///
/// # Panics
/// If that is not so.
pub fn alias(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (format, messages) = text.split_once('\n').unwrap_or((&text, ""));
    let read = match Format::parse(format) {
        Ok(read) => read,
        Err(why) => {
            assert!(why.column <= format.len() + 1, "{format:?}: {why}");
            assert!(!why.hint().is_empty(), "{format:?}: {why}");
            return;
        }
    };
    assert!(read.parameters().len() <= PARAMETERS_MAX, "{format:?}");
    assert!(!read.usage().is_empty() && !read.clauses().is_empty(), "{format:?}");
    let index = AliasIndex::new(vec![(AliasId(0), read.clone())]);
    let examples = read.examples();
    for example in &examples {
        assert!(read.matches(example).is_some(), "{format:?}: {example:?}");
    }
    let said = messages.split('\n').chain([messages]);
    for message in said.chain(examples.iter().map(String::as_str)) {
        command(&read, &index, message);
    }
}

fn command(format: &Format, index: &AliasIndex, message: &str) {
    let usage = format.usage();
    let Some(text) = Text::read(message) else {
        assert_eq!(format.matches(message), None, "{message:?}");
        return;
    };
    let fits = format.matches_text(&text);
    assert_eq!(index.fitting(message).len(), usize::from(fits.is_some()), "{usage}: {message:?}");
    let (near, partial) = (format.near_text(&text), format.partial(&text));
    let _ = index.lookup(message);
    match fits {
        None => {
            if let Some(partial) = partial {
                assert!(!partial.missing.is_empty(), "{usage}: {message:?}");
                let known = |name: &String| format.parameter(name).is_some();
                assert!(partial.missing.iter().all(known), "{usage}: {message:?}");
            }
        }
        Some(fits) => {
            assert_eq!(near, None, "{usage}: {message:?}");
            let names = format.parameters().iter().map(|it| &it.name);
            assert!(names.eq(fits.params.keys()) || same_names(format, &fits.params), "{usage}");
            if let Some(again) = format.command(&fits.params) {
                let again = format.matches(&again).map(|again| again.params);
                assert_eq!(again, Some(fits.params), "{usage}: {message:?}");
            }
        }
    }
}

/// Whether these are the declared parameters, each once.
fn same_names(
    format: &Format,
    params: &std::collections::BTreeMap<String, serde_json::Value>,
) -> bool {
    params.len() == format.parameters().len()
        && format.parameters().iter().all(|it| params.contains_key(&it.name))
}

/// Reads a text as a time to come and as a length of time: nothing panics, what is understood lies within the bounds,
/// and a text that is parted is parted into all of its words.
///
/// # Panics
/// If that is not so.
pub fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match parse_duration(&text) {
        Ok(ms) => assert!((0..=DURATION_MS_MAX).contains(&ms), "{text:?} is {ms} ms"),
        Err(why) => assert!(!why.is_empty(), "{text:?}"),
    }
    let zone = TimeZone::posix(ZONE).expect("it is one");
    let zones = |name: &str| name.eq_ignore_ascii_case("utc").then_some(TimeZone::UTC);
    for now in NOWS {
        let last = now + WHEN_DAYS_MAX * 86_400_000;
        match when_words::parse(&text, Timestamp(now), &zone, &zones) {
            Ok(when) => {
                assert!((now..=last).contains(&when.at.0), "{text:?} is {}", when.at.0);
                assert!(when_words::is_when(text.trim()), "{text:?}");
                assert!(!when.words.is_empty(), "{text:?}");
            }
            Err(why) => assert!(!why.is_empty(), "{text:?}"),
        }
    }
    if let Some((when, rest)) = when_words::find(&text) {
        assert!(when_words::is_when(&when), "{text:?}: {when:?}");
        let all = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let parts = [format!("{when} {rest}"), format!("{rest} {when}")];
        assert!(parts.contains(&all), "{text:?}: {when:?} and {rest:?}");
    }
}
