//! `!again on web302`: what was asked for before, with something else in the place that it fits.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::alias::{Format, Kind, Parameter};
use super::words::context as words;

/// Most `name=value` pairs of one `!again … with`.
pub const PAIRS_MAX: usize = 16;

/// What is to be different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These words are one of the parameters: which, is found by what it takes.
    On(String),
    /// These parameters have these values.
    With(Vec<(String, String)>),
}

/// A command with something else in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// The whole command in words.
    pub command: String,
    /// The handler's `args`.
    pub args: Value,
}

/// What becomes of a command that is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// This one is meant.
    One(Again),
    /// It could be each of these.
    Which(Vec<Again>),
    /// It cannot be, and why.
    No(String),
}

/// The change that words behind `again` say, if they do: `on web302`, `with size=3`.
pub fn parse(words: &str) -> Option<Change> {
    let (first, rest) = words.trim().split_once(char::is_whitespace)?;
    let rest = rest.trim();
    match first.to_lowercase().as_str() {
        "on" | "for" if !rest.is_empty() => Some(Change::On(rest.to_owned())),
        "with" => {
            let pair = |word: &str| {
                let (name, value) = word.split_once('=')?;
                (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
            };
            let pairs: Option<Vec<_>> = quoted_words(rest).iter().map(|word| pair(word)).collect();
            pairs.filter(|pairs| (1..=PAIRS_MAX).contains(&pairs.len())).map(Change::With)
        }
        _ => None,
    }
}

/// The words of a text; what stands in double quotes is not parted.
fn quoted_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut inside) = (vec![], String::new(), false);
    for c in text.chars() {
        match c {
            '"' => inside = !inside,
            c if c.is_whitespace() && !inside => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Puts something else into a command: `usages` are how it is written, `args` what it was run with.
pub fn change(usages: &[String], command: &str, args: &Value, change: &Change) -> Changed {
    let given: BTreeMap<String, Value> = args
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "extra")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let formats = usages.iter().filter_map(|usage| Format::parse(usage).ok());
    let of = |format: &Format| {
        let names = format.parameters().iter().map(|parameter| &parameter.name);
        names.clone().count() == given.len() && names.clone().all(|name| given.contains_key(name))
    };
    let Some(format) = formats.into_iter().find(of) else {
        return Changed::No(words::NOT_WRITTEN_SO.into());
    };
    let made = |params: BTreeMap<String, Value>| {
        let command = format.command(&params)?;
        let mut all: Map<String, Value> = params.into_iter().collect();
        all.insert("extra".into(), args["extra"].clone());
        Some(Again { command, args: Value::Object(all) })
    };
    let ways = match change {
        Change::With(pairs) => match with(&format, command, &given, pairs) {
            Ok(params) => vec![params],
            Err(why) => return Changed::No(why),
        },
        Change::On(text) => on(&format, &given, text),
    };
    if let (Change::On(text), []) = (change, ways.as_slice()) {
        return Changed::No(words::takes_no(text, command));
    }
    let mut made: Vec<Again> = ways.into_iter().filter_map(made).collect();
    match made.len() {
        0 => Changed::No(words::NOT_WRITTEN_SO.into()),
        1 => Changed::One(made.remove(0)),
        _ => Changed::Which(made),
    }
}

/// The parameters with these values.
fn with(
    format: &Format,
    command: &str,
    given: &BTreeMap<String, Value>,
    pairs: &[(String, String)],
) -> Result<BTreeMap<String, Value>, String> {
    let mut params = given.clone();
    for (name, text) in pairs {
        let Some(parameter) = format.parameter(name) else {
            let known: Vec<&str> =
                format.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
            return Err(words::no_parameter(name, command, &known));
        };
        let value = format.answer(name, text);
        let value = value.ok_or_else(|| words::must_be(name, &parameter.kind.wanted(), text))?;
        params.insert(name.clone(), value);
    }
    Ok(params)
}

/// The parameters with these words in each place that they may be meant for: behind the word `on` in the command, else
/// where they are of a kind that not every word is, else anywhere.
fn on(
    format: &Format,
    given: &BTreeMap<String, Value>,
    text: &str,
) -> Vec<BTreeMap<String, Value>> {
    let fits = |parameter: &&Parameter| parameter.kind.is_all_of(text);
    let all: Vec<&Parameter> = format.parameters().iter().filter(fits).collect();
    let telling = |parameter: &&&Parameter| match &parameter.kind {
        Kind::Word | Kind::Text => false,
        Kind::User => text.starts_with('@'),
        Kind::Room => text.starts_with(['#', '!']),
        _ => true,
    };
    let told: Vec<&Parameter> = all.iter().filter(telling).copied().collect();
    let behind = format.behind("on").filter(|parameter| parameter.kind.is_all_of(text));
    let meant = match (behind, told.as_slice()) {
        (Some(parameter), []) => vec![parameter],
        (_, []) => all,
        (_, [..]) => told,
    };
    let put = |parameter: &Parameter| {
        let value = format.answer(&parameter.name, text)?;
        let mut params = given.clone();
        params.insert(parameter.name.clone(), value);
        Some(params)
    };
    meant.into_iter().filter_map(put).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_read() {
        for (text, want) in [
            ("on web302", Some(Change::On("web302".into()))),
            ("On two words", Some(Change::On("two words".into()))),
            ("for web302", Some(Change::On("web302".into()))),
            ("with size=3", Some(Change::With(vec![("size".into(), "3".into())]))),
            (
                "with size=3 note=\"two words\"",
                Some(Change::With(vec![
                    ("size".into(), "3".into()),
                    ("note".into(), "two words".into()),
                ])),
            ),
            ("with care", None),
            ("with", None),
            ("on", None),
            ("8WTNV3W7", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
        let pairs = |count: usize| format!("with {}", "a=1 ".repeat(count));
        assert!(parse(&pairs(PAIRS_MAX)).is_some());
        assert!(parse(&pairs(PAIRS_MAX + 1)).is_none());
    }

    #[test]
    fn something_else_goes_where_it_fits() {
        let vm = "create vm {host} on {cloud: aws | gce} [size {size:int=2}]";
        let args = json!({ "host": "web1", "cloud": "aws", "size": 2, "extra": {} });
        let one = json!({ "host": "web301", "extra": {} });
        let deploy = json!({ "app": "shop", "host": "web1", "extra": {} });
        for (usage, args, text, want) in [
            ("restart {host}", &one, "on web302", "restart web302"),
            ("restart {host?}", &one, "on \"two words\"", "restart \"two words\""),
            ("restart {host}", &one, "with host=web302", "restart web302"),
            (
                "restart {host}",
                &one,
                "with hots=web302",
                "no: “before” has no `hots`; it has host.",
            ),
            (vm, &args, "on gce", "create vm web1 on gce"),
            (vm, &args, "on 5", "create vm web1 on aws size 5"),
            (vm, &args, "on web2", "create vm web2 on aws"),
            (vm, &args, "with size=big", "no: `size` must be a whole number, not `big`."),
            (vm, &args, "with size=3 host=web2", "create vm web2 on aws size 3"),
            ("deploy {app} on {host}", &deploy, "on web2", "deploy shop on web2"),
            (
                "deploy {app} to {host}",
                &deploy,
                "on web2",
                "deploy web2 to web1 / deploy shop to web2",
            ),
            ("restart {host}", &one, "on two words", "no: nothing in “before” can be `two words`."),
            (
                "other {x} {y}",
                &one,
                "on web302",
                "no: I cannot put that into what you asked for before",
            ),
        ] {
            let change = parse(text).expect("a change");
            let got = match super::change(&[usage.to_owned()], "before", args, &change) {
                Changed::One(again) => again.command,
                Changed::Which(all) => {
                    all.into_iter().map(|again| again.command).collect::<Vec<_>>().join(" / ")
                }
                Changed::No(why) => format!("no: {why}"),
            };
            assert!(got.starts_with(want), "{usage} {text}: {got}");
        }
    }
}
