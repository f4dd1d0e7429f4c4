//! What a command leaves out, taken from what the conversation is about: what was mentioned before, or the room's defaults.
//!
//! Only an alias that says so takes anything, only for parameters that may be left out (`{host?}`), and people are told what
//! was assumed. What is dangerous is asked for instead.

use std::collections::BTreeMap;

use serde_json::Value;

use super::alias::{Format, Kind, Parameter};
use super::catalog::{Alias, FromContext};
use super::policy::GUARDED;

/// How long what was mentioned is what a conversation is about, if nothing else is configured, in milliseconds.
pub const CONTEXT_FOR_MS: i64 = 30 * 60 * 1000;
/// For how many recorded turns, if nothing else is configured.
pub const CONTEXT_TURNS: u32 = 10;
/// Most recorded turns that can be configured: each may be read for one command.
pub const CONTEXT_TURNS_MAX: u32 = 100;
/// What an alias names to take values from the alert that a thread is about.
pub const ALERT: &str = "alert";

/// A value that was mentioned before.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// The parameter that it was for.
    pub name: String,
    /// What that parameter takes, if the command is still offered.
    pub kind: Option<Kind>,
    /// The value.
    pub value: Value,
    /// How long ago.
    pub ago_ms: i64,
    /// How many recorded turns ago; 1: with the last one.
    pub turns: u32,
}

/// What the conversation is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// What the alert says that the thread belongs to.
    pub alert: BTreeMap<String, Value>,
    /// What was mentioned, the newest first.
    pub mentions: Vec<Mention>,
    /// The room's defaults, by parameter.
    pub defaults: BTreeMap<String, String>,
}

/// How far back a conversation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// How long.
    pub within_ms: i64,
    /// How many recorded turns.
    pub turns_max: u32,
}

/// Where a value was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The alert that the thread is about.
    Alert,
    /// It was mentioned before, so long ago.
    Mentioned {
        /// How long ago.
        ago_ms: i64,
    },
    /// It is the room's default.
    Room,
}

/// A value that was not said, with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Assumed {
    /// The parameter.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub source: Source,
}

/// What becomes of what a command leaves out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filled {
    /// The parameters, with what was assumed.
    pub params: BTreeMap<String, Value>,
    /// What was assumed.
    pub assumed: Vec<Assumed>,
    /// What has to be asked for.
    pub missing: Vec<String>,
    /// What would have been assumed of that, if it were not dangerous.
    pub hints: BTreeMap<String, Value>,
}

/// The parameters of a command that nobody said and that come from the conversation.
pub fn wanting<'a>(
    alias: &'a Alias,
    format: &'a Format,
    params: &'a BTreeMap<String, Value>,
) -> impl Iterator<Item = &'a Parameter> {
    format.parameters().iter().filter(|parameter| {
        let said = params.get(&parameter.name).is_some_and(|value| !value.is_null());
        parameter.optional && !said && takes(&alias.context, &parameter.name)
    })
}

/// Fills in what a command leaves out, as far as that is known and harms nobody.
pub fn fill(
    alias: &Alias,
    format: &Format,
    params: &BTreeMap<String, Value>,
    known: &Known,
    reach: Reach,
) -> Filled {
    let mut filled = Filled { params: params.clone(), ..Filled::default() };
    for parameter in wanting(alias, format, params) {
        let name = &parameter.name;
        match (assume(parameter, known, reach), is_dangerous(alias)) {
            (Some(assumed), false) => {
                filled.params.insert(name.clone(), assumed.value.clone());
                filled.assumed.push(assumed);
            }
            (found, _) => {
                filled.hints.extend(found.map(|assumed| (name.clone(), assumed.value)));
                filled.missing.push(name.clone());
            }
        }
    }
    filled
}

/// Whether a wrong assumption would do harm: only some may run it, or it is marked.
fn is_dangerous(alias: &Alias) -> bool {
    alias.role.is_some() || alias.tags.iter().any(|tag| tag == GUARDED)
}

fn takes(from: &FromContext, name: &str) -> bool {
    match from {
        FromContext::Nothing => false,
        FromContext::All => true,
        FromContext::Only(names) => names.iter().any(|only| only == name || only == ALERT),
    }
}

/// The value of a parameter that nobody said: the alert's, the last one mentioned, or the room's default.
fn assume(parameter: &Parameter, known: &Known, reach: Reach) -> Option<Assumed> {
    let name = &parameter.name;
    let assumed = |value: Option<Value>, source| {
        value.map(|value| Assumed { name: name.clone(), value, source })
    };
    if let Some(value) = known.alert.get(name) {
        return assumed(parameter.kind.taking(value), Source::Alert);
    }
    let near = |it: &&Mention| it.ago_ms <= reach.within_ms && it.turns <= reach.turns_max;
    if let Some(last) = known.mentions.iter().filter(near).find(|it| means(parameter, it)) {
        // An older one instead of it would be a surprise: what does not fit is asked for.
        let source = Source::Mentioned { ago_ms: last.ago_ms };
        return assumed(parameter.kind.taking(&last.value), source);
    }
    let default = known.defaults.get(name).map(|text| Value::String(text.clone()));
    assumed(default.and_then(|value| parameter.kind.taking(&value)), Source::Room)
}

/// Whether a value was mentioned for the same thing: by the same name, or of a kind that is the same thing everywhere.
fn means(parameter: &Parameter, mention: &Mention) -> bool {
    let same_kind = || {
        let telling = matches!(parameter.kind, Kind::User | Kind::Room)
            || !parameter.kind.choices().is_empty();
        telling && mention.kind.as_ref() == Some(&parameter.kind)
    };
    mention.name == parameter.name || same_kind()
}

#[cfg(test)]
mod tests {
    use super::super::id::ScriptHash;
    use super::*;

    const REACH: Reach = Reach { within_ms: CONTEXT_FOR_MS, turns_max: CONTEXT_TURNS };

    fn alias(context: &str, more: &str) -> Alias {
        Alias {
            name: "restart".into(),
            usages: vec![],
            about: String::new(),
            tags: more.split(' ').filter(|tag| *tag == GUARDED).map(str::to_owned).collect(),
            help: String::new(),
            example: None,
            role: (more == "role").then(|| "ops".to_owned()),
            rooms: vec![],
            context: match context {
                "no" => FromContext::Nothing,
                "all" => FromContext::All,
                names => FromContext::Only(names.split(' ').map(str::to_owned).collect()),
            },
            file: "t.rhai".into(),
            line: 1,
            script: ScriptHash("0".into()),
        }
    }

    /// `host=web1 5m 2` was mentioned five minutes and two turns ago; `alert host=web1`; `room host=web1`.
    fn known(given: &str) -> Known {
        let mut known = Known::default();
        for part in given.split(", ").filter(|part| !part.is_empty()) {
            let words: Vec<&str> = part.split(' ').collect();
            let pair = |text: &str| {
                let (name, value) = text.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            };
            match words.as_slice() {
                ["alert", text] => {
                    let (name, value) = pair(text);
                    known.alert.insert(name, Value::String(value));
                }
                ["room", text] => known.defaults.extend([pair(text)]),
                [text, ago, turns] => {
                    let (name, value) = pair(text);
                    let kind = Format::parse(&format!("x {{{name}}}")).unwrap().parameters()[0]
                        .kind
                        .clone();
                    let name = name.split(':').next().unwrap().to_owned();
                    let ago_ms = ago.trim_end_matches('m').parse::<i64>().unwrap() * 60_000;
                    let (value, kind) = (Value::String(value), Some(kind));
                    known.mentions.push(Mention {
                        name,
                        kind,
                        value,
                        ago_ms,
                        turns: turns.parse().unwrap(),
                    });
                }
                _ => panic!("{part}"),
            }
        }
        known
    }

    fn shown(format: &str, context: &str, more: &str, given: &str) -> String {
        let (alias, format) = (alias(context, more), Format::parse(format).unwrap());
        let params = format
            .parameters()
            .iter()
            .map(|it| (it.name.clone(), it.default.clone().unwrap_or_default()));
        let filled = fill(&alias, &format, &params.collect(), &known(given), REACH);
        let source = |source: Source| match source {
            Source::Alert => "alert".to_owned(),
            Source::Mentioned { ago_ms } => format!("{}m ago", ago_ms / 60_000),
            Source::Room => "room".into(),
        };
        let assumed = filled
            .assumed
            .iter()
            .map(|it| format!("{}={} ({})", it.name, it.value, source(it.source)));
        let missing = filled.missing.iter().map(|name| match filled.hints.get(name) {
            Some(hint) => format!("{name}? not {hint}"),
            None => format!("{name}?"),
        });
        assumed.chain(missing).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_left_out_comes_from_the_conversation() {
        let restart = "restart {host?}";
        for (format, context, more, given, want) in [
            (restart, "all", "", "host=web1 5m 2", r#"host="web1" (5m ago)"#),
            (restart, "host", "", "host=web1 5m 2", r#"host="web1" (5m ago)"#),
            (restart, "no", "", "host=web1 5m 2", ""),
            (restart, "other", "", "host=web1 5m 2", ""),
            (restart, "all", "", "host=web2 1m 1, host=web1 5m 2", r#"host="web2" (1m ago)"#),
            (restart, "all", "", "vm=web1 5m 2", "host?"),
            (restart, "all", "", "", "host?"),
            // The alert before what was mentioned, that before the room's default.
            (restart, "alert", "", "alert host=db1, host=web1 5m 2", r#"host="db1" (alert)"#),
            (restart, "all", "", "room host=web9, host=web1 5m 2", r#"host="web1" (5m ago)"#),
            (restart, "all", "", "room host=web9", r#"host="web9" (room)"#),
            // It fades with time and with turns.
            (restart, "all", "", "host=web1 30m 1", r#"host="web1" (30m ago)"#),
            (restart, "all", "", "host=web1 31m 1", "host?"),
            (restart, "all", "", "host=web1 1m 10", r#"host="web1" (1m ago)"#),
            (restart, "all", "", "host=web1 1m 11", "host?"),
            (restart, "all", "", "host=web1 31m 1, room host=web9", r#"host="web9" (room)"#),
            // Where it would do harm it is asked for.
            (restart, "all", "guarded", "host=web1 5m 2", r#"host? not "web1""#),
            (restart, "all", "role", "host=web1 5m 2", r#"host? not "web1""#),
            (restart, "all", "role", "room host=web1", r#"host? not "web1""#),
            // The newest that is meant counts, and an older one that would fit does not.
            ("go {p?: a | b}", "all", "", "p=a 5m 2", r#"p="a" (5m ago)"#),
            ("go {p?: a | b}", "all", "", "p=c 1m 1, p=a 5m 2", "p?"),
            ("go {p?: a | b}", "all", "", "room p=c", "p?"),
            ("go {n?:int}", "all", "", "n=many 5m 2", "n?"),
            ("go {n?:int}", "all", "", "n=7 5m 2", "n=7 (5m ago)"),
            // The same kind, where a kind is the same thing everywhere.
            ("ask {who?:user}", "all", "", "owner:user=@ann:hs 5m 2", r#"who="@ann:hs" (5m ago)"#),
            ("wait {time?:duration}", "all", "", "pause:duration=5m 5m 2", "time?"),
            ("go {n?:int}", "all", "", "size:int=7 5m 2", "n?"),
            // What must be said, or has a value of its own, is not looked for.
            ("restart {host}", "all", "", "host=web1 5m 2", ""),
            ("restart {host=web9}", "all", "", "host=web1 5m 2", ""),
            (
                "move {host?} to {rack?}",
                "all",
                "",
                "host=web1 5m 2",
                r#"host="web1" (5m ago) rack?"#,
            ),
        ] {
            let got = shown(format, context, more, given);
            assert_eq!(got, want, "{format} with context {context} {more} and {given:?}");
        }
        assert_eq!(
            (CONTEXT_FOR_MS / 60_000, CONTEXT_TURNS),
            (30, 10),
            "the rows stand at the bounds"
        );
    }
}
