//! Reads the file of the configuration: every key is checked, and all that is wrong is told at once, by its lines.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Value;

use super::{CONFIG_BYTES_MAX, ConfigError, KEYS, check, hooks, no_exec_rooms, take_role, unknown};

/// Most mistakes that are told at once.
pub const ERRORS_MAX: usize = 20;

/// What a configuration says, by table and key.
pub(super) type Values = BTreeMap<(&'static str, &'static str), Value>;

/// All that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.shown())]
pub struct ConfigErrors {
    /// What stands first in the file.
    pub first: ConfigError,
    /// What else is wrong.
    pub others: Vec<ConfigError>,
}

impl From<ConfigError> for ConfigErrors {
    fn from(first: ConfigError) -> Self {
        Self { first, others: vec![] }
    }
}

impl ConfigErrors {
    /// That nothing is wrong.
    ///
    /// # Errors
    /// What is, in the order of its lines.
    pub(super) fn none(mut wrong: Vec<ConfigError>) -> Result<(), Self> {
        let line = |error: &ConfigError| {
            error.place.rsplit_once(':').and_then(|(_, line)| line.parse::<usize>().ok())
        };
        wrong.sort_by_key(|error| line(error).unwrap_or(usize::MAX));
        let mut wrong = wrong.into_iter();
        match wrong.next() {
            None => Ok(()),
            Some(first) => Err(Self { first, others: wrong.collect() }),
        }
    }

    /// What to do about the last one that is shown.
    pub fn hint(&self) -> &str {
        let last = self.others.iter().take(ERRORS_MAX - 1).next_back();
        &last.unwrap_or(&self.first).hint
    }

    /// Each with its place, and what to do about all but the last.
    fn shown(&self) -> String {
        let all: Vec<&ConfigError> =
            std::iter::once(&self.first).chain(&self.others).take(ERRORS_MAX).collect();
        let more = match (1 + self.others.len()).saturating_sub(ERRORS_MAX) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let mut lines = vec![];
        for (nth, error) in all.iter().enumerate() {
            match nth + 1 == all.len() {
                true => lines.push(format!("{error}{more}")),
                false => lines.push(format!("{error}\nhint: {}", error.hint)),
            }
        }
        lines.join("\nerror: ")
    }
}

/// Reads a file: what it says, and what is wrong.
pub(super) fn read(path: &Path) -> (Values, Vec<ConfigError>) {
    let place = path.display().to_string();
    match text_of(path, &place) {
        Ok(text) => entries(&text, &place),
        Err(error) => (Values::new(), vec![error]),
    }
}

fn text_of(path: &Path, place: &str) -> Result<String, ConfigError> {
    let error =
        |what: String, hint: &str| ConfigError { place: place.to_owned(), what, hint: hint.into() };
    let unreadable = |why: std::io::Error| {
        error(why.to_string(), "`beadle init` writes a configuration to begin with")
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > CONFIG_BYTES_MAX {
        return Err(error(format!("{bytes} bytes are too many"), "is this the right file?"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Reads a configuration of which nothing may be wrong.
#[cfg(test)]
pub(super) fn parse(text: &str, place: &str) -> Result<Values, ConfigErrors> {
    let (values, wrong) = entries(text, place);
    ConfigErrors::none(wrong).map(|()| values)
}

/// Reads a configuration and checks every key.
pub(super) fn entries(text: &str, place: &str) -> (Values, Vec<ConfigError>) {
    let at = |line: usize| if line == 0 { place.to_owned() } else { format!("{place}:{line}") };
    let (mut values, mut wrong) = (Values::new(), vec![]);
    let root: toml::Table = match toml::from_str(text) {
        Ok(root) => root,
        Err(why) => {
            let why: toml::de::Error = why;
            let line = why
                .span()
                .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let what = why.message().to_owned();
            let hint = "the file is TOML: `key = \"value\"`".into();
            return (values, vec![ConfigError { place: at(line), what, hint }]);
        }
    };
    for (table, inside) in &root {
        let header = at(line_of(text, &format!("[{table}")));
        let tables: Vec<&str> = KEYS.iter().map(|key| key.table).collect();
        if !tables.contains(&table.as_str()) {
            wrong.push(unknown("table", table, &tables, header));
            continue;
        }
        let Value::Table(inside) = inside else {
            let what = format!("`{table}` is a table");
            let hint = format!("write `[{table}]` above its keys");
            wrong.push(ConfigError { place: header, what, hint });
            continue;
        };
        for (name, value) in inside {
            let line = at(line_in(text, table, name));
            let taken = take(&mut values, (text, place), (table, name, value), line);
            wrong.extend(taken.err().into_iter().flatten());
        }
    }
    (values, wrong)
}

/// Takes one entry of a table.
fn take(
    values: &mut Values,
    (text, file): (&str, &str),
    (table, name, value): (&str, &str, &Value),
    place: String,
) -> Result<(), Vec<ConfigError>> {
    match (table, name) {
        ("roles", _) => return take_role(values, name, value, place).map_err(|why| vec![why]),
        ("hooks", _) => return hooks::take_hook(values, (text, file), name, value),
        ("rooms", "exec") => {
            let rooms = value.as_array().map_or(&[][..], Vec::as_slice);
            return Err(vec![no_exec_rooms(place, rooms)]);
        }
        _ => {}
    }
    let known: Vec<&str> =
        KEYS.iter().filter(|key| key.table == table).map(|key| key.name).collect();
    let Some(key) = KEYS.iter().find(|key| key.table == table && key.name == name) else {
        return Err(vec![unknown(&format!("key in [{table}]"), name, &known, place)]);
    };
    check(key, value, place).map_err(|why| vec![why])?;
    values.insert((key.table, key.name), value.clone());
    Ok(())
}

/// The first line that begins with a word, for messages; 0 if none does.
pub(super) fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(word)).map_or(0, |at| at + 1)
}

/// The line of a key in its table; where it is written in another way, the first line that begins with it.
fn line_in(text: &str, table: &str, name: &str) -> usize {
    let top = line_of(text, &format!("[{table}]"));
    let below = text.lines().skip(top).take_while(|line| !line.trim_start().starts_with('['));
    let is = |line: &str| {
        let line = line.trim_start();
        let bare = line.strip_prefix(name).or_else(|| {
            let quoted = line.strip_prefix('"')?.strip_prefix(name)?;
            quoted.strip_prefix('"')
        });
        bare.is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
    };
    let found = below.into_iter().position(is).filter(|_| top > 0);
    found.map_or_else(|| line_of(text, name), |at| top + at + 1)
}
