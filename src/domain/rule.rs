//! Rules: which of them a named trigger is for, and why another one is not.
//!
//! What a rule wants of the fields of a trigger is data, so that thousands of rules are found by an index: each rule
//! stands under the one of its wanted values that the fewest others want.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::alias::Format;
use super::id::{ScriptHash, UserId};
use super::phrase::canonical;
use super::throttle::Windows;

/// The network of those for whom rules run: nobody asked for it.
pub const NETWORK: &str = "rule";
/// Most executions that one trigger starts.
pub const STARTED_MAX: usize = 32;
/// Longest name of a rule in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// Whether an account is none: it stands for a rule.
pub fn is_rule(id: &UserId) -> bool {
    id.as_str().strip_prefix(NETWORK).is_some_and(|rest| rest.starts_with(':'))
}

/// A rule of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name, unique among all scripts.
    pub name: String,
    /// What it is for.
    pub help: String,
    /// What it listens to.
    pub on: On,
    /// Whether a closure has the last word.
    pub criteria: bool,
    /// Where it speaks; none: in the management room.
    pub room: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Who may use it or silence it.
    pub role: Option<String>,
    /// How often it may fire.
    pub windows: Windows,
    /// What its handler may do, as far as its source shows.
    pub does: Does,
    /// The script's file.
    pub file: String,
    /// Where in it it is declared.
    pub line: u32,
    /// The script's version.
    pub script: ScriptHash,
}

impl Rule {
    /// The rooms in which it speaks, as far as that can be seen.
    pub fn speaks_in(&self) -> Vec<String> {
        let mut rooms: Vec<String> = self.room.iter().chain(&self.does.rooms).cloned().collect();
        if let On::Talk { rooms: heard, .. } = &self.on {
            rooms.extend(heard.iter().cloned());
        }
        rooms.sort();
        rooms.dedup();
        rooms
    }

    /// Whether words are about it: its name, its trigger, a room in which it speaks, an action that it runs, or its file.
    pub fn is_about(&self, words: &str) -> bool {
        let words = words.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&words);
        let listens = match &self.on {
            On::Trigger { name, .. } => has(name),
            On::Talk { pattern, .. } => has(&pattern.shown()),
        };
        let does = || self.speaks_in().iter().chain(&self.does.actions).any(|it| has(it));
        has(&self.name) || listens || does() || has(&self.file)
    }
}

/// What a rule listens to.
#[derive(Debug, Clone, PartialEq)]
pub enum On {
    /// A named trigger whose fields have these values.
    Trigger {
        /// Its name: `webhook.nagios`.
        name: String,
        /// The values that its fields must have; a name with dots reaches into maps.
        wanted: Map<String, Value>,
    },
    /// What people say to one another.
    Talk {
        /// What they say.
        pattern: Pattern,
        /// Where; empty: everywhere.
        rooms: Vec<String>,
    },
}

/// What a text must be like.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// The whole of it fits a format.
    Format(Format),
    /// Something in it fits a regular expression.
    Regex(Regex),
}

/// What the source of a handler names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Does {
    /// The rooms in which it speaks.
    pub rooms: Vec<String>,
    /// The actions that it runs.
    pub actions: Vec<String>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }
}

impl Pattern {
    /// Reads a pattern: `/…/` is a regular expression, everything else a format.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inside = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        match inside {
            Some("") => Err("an empty expression fits everything".into()),
            Some(inside) => Regex::new(inside).map(Self::Regex).map_err(|why| {
                let why = why.to_string();
                why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }),
            None => Format::parse(text).map(Self::Format).map_err(|why| why.to_string()),
        }
    }

    /// As it was written.
    pub fn shown(&self) -> String {
        match self {
            Self::Format(format) => format.usage(),
            Self::Regex(regex) => format!("/{regex}/"),
        }
    }

    /// What a handler gets of a text that fits: the parameters of a format, the groups of an expression.
    pub fn of(&self, text: &str) -> Option<Value> {
        match self {
            Self::Format(format) => {
                let found = format.matches(text)?;
                Some(Value::Object(found.params.into_iter().collect()))
            }
            Self::Regex(regex) => {
                let found = regex.captures(text)?;
                let group = |name: Option<&str>, n: usize| {
                    let value = found.get(n).map_or(Value::Null, |it| it.as_str().into());
                    (name.map_or_else(|| format!("group{n}"), str::to_owned), value)
                };
                let groups =
                    regex.capture_names().enumerate().skip(1).map(|(n, name)| group(name, n));
                let whole = ("text".to_owned(), Value::from(&found[0]));
                Some(Value::Object(std::iter::once(whole).chain(groups).collect()))
            }
        }
    }
}

/// A field of a trigger: by its name, or else by a path into its maps.
pub fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    field(fields.get(first)?.as_object()?, rest)
}

/// The first wanted value that the fields of a trigger do not have: its name, what is wanted, and what there is.
pub fn misses<'a>(
    wanted: &'a Map<String, Value>,
    fields: &'a Map<String, Value>,
) -> Option<(&'a str, &'a Value, Option<&'a Value>)> {
    wanted.iter().find_map(|(name, value)| {
        let has = field(fields, name);
        (has != Some(value)).then_some((name.as_str(), value, has))
    })
}

/// Finds the rules for a trigger.
#[derive(Debug, Default)]
pub struct RuleIndex {
    by_trigger: BTreeMap<String, Listening>,
    talk: Vec<usize>,
}

/// The rules that listen to one trigger.
#[derive(Debug, Default)]
struct Listening {
    /// Those that want no values.
    always: Vec<usize>,
    /// The others, by a field and its value.
    by_field: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

impl RuleIndex {
    /// Of rules, whose numbers are their places.
    pub fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        let mut often: BTreeMap<(&str, &str, String), usize> = BTreeMap::new();
        for rule in rules {
            let On::Trigger { name, wanted } = &rule.on else { continue };
            for (field, value) in wanted {
                *often.entry((name, field, canonical(value))).or_default() += 1;
            }
        }
        for (number, rule) in rules.iter().enumerate() {
            let On::Trigger { name, wanted } = &rule.on else {
                index.talk.push(number);
                continue;
            };
            let rarest = wanted.iter().map(|(field, value)| (field, canonical(value))).min_by_key(
                |(field, value)| often[&(name.as_str(), field.as_str(), value.clone())],
            );
            let listening = index.by_trigger.entry(name.clone()).or_default();
            match rarest {
                None => listening.always.push(number),
                Some((field, value)) => {
                    let values = listening.by_field.entry(field.clone()).or_default();
                    values.entry(value).or_default().push(number);
                }
            }
        }
        index
    }

    /// Whether any rule listens to a trigger.
    pub fn listens(&self, trigger: &str) -> bool {
        self.by_trigger.contains_key(trigger)
    }

    /// Whether any rule listens to what people say to one another.
    pub fn overhears(&self) -> bool {
        !self.talk.is_empty()
    }

    /// The rules whose wanted values the fields of a trigger have, in their order.
    pub fn fitting(
        &self,
        rules: &[Rule],
        trigger: &str,
        fields: &Map<String, Value>,
    ) -> Vec<usize> {
        let Some(listening) = self.by_trigger.get(trigger) else { return vec![] };
        let mut found = listening.always.clone();
        for (name, values) in &listening.by_field {
            let Some(value) = field(fields, name) else { continue };
            let Some(numbers) = values.get(&canonical(value)) else { continue };
            let fits = |number: &&usize| match &rules[**number].on {
                On::Trigger { wanted, .. } => misses(wanted, fields).is_none(),
                On::Talk { .. } => false,
            };
            found.extend(numbers.iter().filter(fits));
        }
        found.sort_unstable();
        found
    }

    /// The rules that listen to what somebody says, with what their handlers get; `here` says whether a list of rooms has
    /// this one.
    pub fn hearing(
        &self,
        rules: &[Rule],
        text: &str,
        here: &dyn Fn(&[String]) -> bool,
    ) -> Vec<(usize, Value)> {
        let heard = |number: &usize| match &rules[*number].on {
            On::Talk { pattern, rooms } if rooms.is_empty() || here(rooms) => {
                pattern.of(text).map(|value| (*number, value))
            }
            _ => None,
        };
        self.talk.iter().filter_map(heard).collect()
    }
}

/// Finds a rule by its name, whatever the case of its letters.
pub fn named<'a>(rules: &'a [Rule], name: &str) -> Option<&'a Rule> {
    let exact = rules.iter().find(|rule| rule.name == name);
    exact.or_else(|| rules.iter().find(|rule| rule.name.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
