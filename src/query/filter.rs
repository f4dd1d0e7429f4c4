//! What people ask the log for: filters that all have to hold, read from flags of the command line or from words in chat.

use serde::{Deserialize, Serialize};

use super::when::{self, Here};
use crate::domain::alias_index::damerau;
use crate::domain::event::Event;
use crate::domain::id::Timestamp;
use crate::domain::trigger::Trust;

/// Longest value of a filter, in bytes.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// Most types that one filter names.
pub const TYPES_MAX: usize = 64;
/// Most events that can be asked for; 0 asks for all.
pub const LIMIT_MAX: usize = 1_000_000;
/// How many events are given to somebody who does not say.
pub const LIMIT: usize = 50;

/// The filters by name, as they are written; the flags of the command line are the same behind two dashes.
pub const NAMES: &[&str] = &[
    "who",
    "room",
    "network",
    "alias",
    "rule",
    "action",
    "execution",
    "type",
    "status",
    "since",
    "until",
    "text",
    "trust",
    "limit",
    "reverse",
];

/// What is looked for: everything that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Who did it: an account's id, or what people call them.
    pub who: Option<String>,
    /// Where: a room's id, or its name.
    pub room: Option<String>,
    /// On which network.
    pub network: Option<String>,
    /// The alias that ran.
    pub alias: Option<String>,
    /// The rule that was considered.
    pub rule: Option<String>,
    /// An action that the execution ran.
    pub action: Option<String>,
    /// The beginning of the execution's id.
    pub execution: Option<String>,
    /// Types of events; `*` stands for anything.
    pub types: Vec<String>,
    /// Where the execution stands.
    pub status: Option<Standing>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// What was asked, done or answered.
    pub text: Option<String>,
    /// How strongly the network proved who spoke.
    pub trust: Option<Trust>,
    /// Most events; 0 is all.
    pub limit: Option<usize>,
    /// The newest first.
    pub reverse: bool,
}

/// Where an execution stands, as people ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// Its replay did something else than its journal says.
    Diverged,
    /// Somebody did not want it any more.
    Cancelled,
    /// It waits for people or for a time.
    Waiting,
    /// It is at work.
    Running,
    /// Nobody knows whether an effect of it was done.
    InDoubt,
}

const STANDINGS: &[(Standing, &str)] = &[
    (Standing::Succeeded, "succeeded"),
    (Standing::Failed, "failed"),
    (Standing::Diverged, "diverged"),
    (Standing::Cancelled, "cancelled"),
    (Standing::Waiting, "waiting"),
    (Standing::Running, "running"),
    (Standing::InDoubt, "in doubt"),
];

impl Standing {
    /// As people read it.
    pub fn word(self) -> &'static str {
        word_of(STANDINGS, &self)
    }
}

fn word_of<T: PartialEq>(words: &[(T, &'static str)], wanted: &T) -> &'static str {
    words.iter().find(|(value, _)| value == wanted).map_or("", |(_, word)| word)
}

/// Why something is no filter, in words, with what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {hint}")]
pub struct Error {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

fn error<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, Error> {
    Err(Error { what: what.into(), hint: hint.into() })
}

/// A hint for somebody who wrote a word that is none of these.
fn meant(written: &str, words: &[&str]) -> String {
    let distance = |word: &&&str| damerau(&written.to_lowercase(), word);
    match words.iter().min_by_key(distance) {
        Some(near) if distance(&near) <= 2 => format!("did you mean `{near}`?"),
        _ => format!("there are {}", words.join(", ")),
    }
}

impl Filter {
    /// One filter alone.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn of(name: &str, value: &str, here: &Here) -> Result<Self, Error> {
        let mut filter = Self::default();
        filter.set(name, value, here)?;
        Ok(filter)
    }

    /// Adds one filter by its name.
    ///
    /// # Errors
    /// [`Error`] if there is no such filter or its value is none.
    pub fn set(&mut self, name: &str, value: &str, here: &Here) -> Result<(), Error> {
        let value = value.trim();
        if value.len() > VALUE_BYTES_MAX {
            return error(
                format!("`{name}` has {} bytes", value.len()),
                format!("at most {VALUE_BYTES_MAX} fit"),
            );
        }
        if value.is_empty() && name != "reverse" && NAMES.contains(&name) {
            return error(format!("`{name}` has no value"), "write one behind it");
        }
        let text = || Some(value.to_owned());
        match name {
            "who" => self.who = text(),
            "room" => self.room = text(),
            "network" => self.network = text(),
            "alias" => self.alias = text(),
            "rule" => self.rule = text(),
            "action" => self.action = text(),
            "execution" => self.execution = Some(execution(value)?),
            "type" => self.add_types(value)?,
            "status" => self.status = Some(status(value)?),
            "since" => self.since = Some(time(name, value, here)?.start),
            "until" => self.until = Some(time(name, value, here)?.end),
            "text" => self.text = text(),
            "trust" => {
                self.trust = Some(one_of(name, value, &Trust::ALL.map(|it| (it, it.word())))?)
            }
            "limit" => self.limit = Some(limit(value)?),
            "reverse" if value.is_empty() => self.reverse = true,
            "reverse" => {
                return error(format!("`{value}` stands behind `reverse`"), "it stands alone");
            }
            _ => return error(format!("there is no filter `{name}`"), meant(name, NAMES)),
        }
        Ok(())
    }

    fn add_types(&mut self, value: &str) -> Result<(), Error> {
        for glob in value.split([',', ' ']).filter(|glob| !glob.is_empty()) {
            let kinds: Vec<&str> = Event::KINDS.iter().map(|(kind, _)| *kind).collect();
            if !kinds.iter().any(|kind| fits(glob, kind)) {
                let near = kinds.iter().min_by_key(|kind| damerau(glob, kind));
                let near = near.filter(|kind| damerau(glob, kind) <= 3);
                let hint = near.map_or("docs/log.md names them".into(), |near| {
                    format!("did you mean `{near}`?")
                });
                return error(format!("there is no type of event `{glob}`"), hint);
            }
            if self.types.len() >= TYPES_MAX {
                return error("too many types", format!("at most {TYPES_MAX} fit"));
            }
            self.types.push(glob.to_owned());
        }
        Ok(())
    }

    /// Reads filters as they are said in chat: `who ann since yesterday text "disk full"`. A value goes on until the
    /// next name of a filter; one that holds such a word stands in quotation marks.
    ///
    /// # Errors
    /// [`Error`] for the first thing that is no filter.
    pub fn parse(text: &str, here: &Here) -> Result<Self, Error> {
        let mut filter = Self::default();
        let mut words = tokens(text)?.into_iter().peekable();
        while let Some((name, quoted)) = words.next() {
            let name = name.to_lowercase();
            if quoted || !NAMES.contains(&name.as_str()) {
                return error(format!("`{name}` is no filter"), meant(&name, NAMES));
            }
            let mut value: Vec<String> = vec![];
            let goes_on = |(word, quoted): &(String, bool)| {
                *quoted || !NAMES.contains(&word.to_lowercase().as_str())
            };
            while let Some((word, _)) = words.next_if(|word| name != "reverse" && goes_on(word)) {
                value.push(word);
            }
            filter.set(&name, &value.join(" "), here)?;
        }
        Ok(filter)
    }

    /// The filters as names and values, in one order; times are exact.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![];
        let texts = [
            ("who", &self.who),
            ("room", &self.room),
            ("network", &self.network),
            ("alias", &self.alias),
            ("rule", &self.rule),
            ("action", &self.action),
            ("execution", &self.execution),
        ];
        pairs.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))));
        pairs.extend(self.types.iter().map(|glob| ("type", glob.clone())));
        pairs.extend(self.status.map(|status| ("status", status.word().to_owned())));
        pairs.extend(self.since.map(|since| ("since", when::exact(since))));
        pairs.extend(self.until.map(|until| ("until", when::exact(until))));
        pairs.extend(self.text.clone().map(|text| ("text", text)));
        pairs.extend(self.trust.map(|trust| ("trust", trust.word().to_owned())));
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs.extend(self.reverse.then(|| ("reverse", String::new())));
        pairs
    }

    /// The filters as [`Self::parse`] reads them.
    pub fn words(&self) -> String {
        let shown = |(name, value): (&str, String)| match value.is_empty() {
            true => name.to_owned(),
            false => format!("{name} \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        };
        self.pairs().into_iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    /// The filters as flags for a shell.
    pub fn flags(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "@:._-+/".contains(c);
        let shown = |(name, value): (&str, String)| match value.as_str() {
            "" => format!("--{name}"),
            value if value.chars().all(plain) => format!("--{name} {value}"),
            value => format!("--{name} '{}'", value.replace('\'', r"'\''")),
        };
        self.pairs().into_iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    /// Whether events of a type are wanted.
    pub fn takes(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|glob| fits(glob, kind))
    }
}

fn execution(value: &str) -> Result<String, Error> {
    let id = value.strip_prefix("execution-").unwrap_or(value);
    match !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()) {
        true => Ok(id.to_owned()),
        false => error(
            format!("`{value}` is no execution"),
            "write the beginning of its id, such as `4F7K2Q9A`",
        ),
    }
}

/// Where executions stand, also in the words in which an execution says it of itself.
fn status(value: &str) -> Result<Standing, Error> {
    match value.to_lowercase().as_str() {
        "sleeping" | "asking" => Ok(Standing::Waiting),
        "ready" => Ok(Standing::Running),
        _ => one_of("status", value, STANDINGS),
    }
}

fn one_of<T: Copy>(name: &str, value: &str, words: &[(T, &str)]) -> Result<T, Error> {
    let plain = value.to_lowercase().replace(['_', '-'], " ");
    let found = words.iter().find(|(_, word)| *word == plain);
    let names: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
    match found {
        Some((value, _)) => Ok(*value),
        None => error(format!("there is no {name} `{value}`"), meant(value, &names)),
    }
}

fn time(name: &str, value: &str, here: &Here) -> Result<when::Stretch, Error> {
    let read = when::parse(value, here);
    read.or_else(|why| error(format!("{why} for `{name}`"), when::USAGE))
}

fn limit(value: &str) -> Result<usize, Error> {
    match value.parse() {
        Ok(limit) if limit <= LIMIT_MAX => Ok(limit),
        _ => error(
            format!("`{value}` is no limit"),
            format!("write a number up to {LIMIT_MAX}, or 0 for all"),
        ),
    }
}

/// Words, and whether each stood in quotation marks, in which a backslash stands before what is meant as it is.
fn tokens(text: &str) -> Result<Vec<(String, bool)>, Error> {
    let mut found = vec![];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let closing = match c {
            c if c.is_whitespace() => continue,
            '"' => '"',
            '“' | '„' | '”' => '”',
            c => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                    word.push(c);
                }
                found.push((word, false));
                continue;
            }
        };
        let mut word = String::new();
        let closed = loop {
            match chars.next() {
                None => break false,
                Some(c) if c == closing || closing == '”' && c == '“' => break true,
                Some('\\') => word.extend(chars.next()),
                Some(c) => word.push(c),
            }
        };
        if !closed {
            return error("a quotation mark is not closed", "close it, or leave it out");
        }
        found.push((word, true));
    }
    Ok(found)
}

/// Whether a text is what a glob says: `*` stands for any characters.
pub fn fits(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
