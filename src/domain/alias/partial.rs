//! A message that begins a command: what it says already, what is still to be asked, and the whole command in words.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::parse::{Node, Parameter, behind};
use super::pattern::{Group, Pattern, pairs as pattern_pairs};
use super::value::Kind;
use super::{Format, Text, written};

/// What a message that begins a command says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Partial {
    /// The parameters that it gives, and the defaults of those that it may leave out.
    pub params: BTreeMap<String, Value>,
    /// The trailing `key=value` pairs.
    pub extra: BTreeMap<String, Value>,
    /// The parameters that are to be asked for, in the order of the format; at least one.
    pub missing: Vec<String>,
}

/// What the groups of a pattern caught.
#[derive(Default)]
struct Caught {
    given: BTreeMap<usize, Value>,
    extra: BTreeMap<String, Value>,
}

/// What is known of one message while it is held against many formats: commands that begin alike share their patterns.
#[derive(Debug)]
pub struct Beginnings {
    /// The message in small letters.
    lower: String,
    known: BTreeMap<String, Regex>,
}

impl Beginnings {
    /// Of a message.
    pub fn of(text: &Text<'_>) -> Self {
        Self { lower: text.plain().to_ascii_lowercase(), known: BTreeMap::new() }
    }

    /// Whether a message may have the words that a beginning always has: no pattern is made where it cannot.
    fn may_fit(&self, nodes: &[Node]) -> bool {
        nodes.iter().all(|node| match node {
            // Other letters and signs are folded in ways of their own.
            Node::Literal(word) if word.bytes().all(|it| it.is_ascii_alphanumeric()) => {
                self.lower.contains(&word.to_ascii_lowercase())
            }
            _ => true,
        })
    }
}

impl Format {
    /// What a message says that has the words of this format, or its beginning, and lacks parameters; none: something
    /// in it is wrong, or it does not begin this command.
    pub fn partial(&self, text: &Text<'_>) -> Option<Partial> {
        self.partial_among(text, &mut Beginnings::of(text))
    }

    /// As [`Format::partial`], for one of many formats.
    pub fn partial_among(&self, text: &Text<'_>, of: &mut Beginnings) -> Option<Partial> {
        let loose = self.loose.get_or_init(|| Pattern::loose(&self.nodes, &self.parameters));
        let whole = self.caught(loose, text).and_then(|caught| self.lacking(caught));
        if whole.is_some() {
            return whole;
        }
        let first = self.nodes.iter().position(|node| !word_or_space(node))?;
        // As much of the format as the message has: the longest beginning that it fits.
        for cut in (first..self.nodes.len()).rev() {
            let nodes = ends_whole(&self.nodes[..cut]);
            if nodes.is_empty() || !of.may_fit(nodes) {
                continue;
            }
            let pattern = Pattern::beginning(nodes, &self.parameters, &mut of.known);
            if let Some(caught) = self.caught(&pattern, text) {
                return self.lacking(caught);
            }
        }
        None
    }

    /// The values in a message, if it fits a pattern and none of them is wrong.
    fn caught(&self, pattern: &Pattern, text: &Text<'_>) -> Option<Caught> {
        let captures = pattern.captures(text.plain())?;
        let mut caught = Caught::default();
        for (group, range) in pattern.found(&captures) {
            match group {
                Group::Parameter(index) => {
                    let value = self.parameters[index].kind.value(written(text, range))?;
                    caught.given.insert(index, value);
                }
                Group::Extra => caught.extra = pairs(text, range),
                Group::Rest => return None,
                Group::Words(_) | Group::Either => {}
            }
        }
        for (index, Parameter { name, kind, .. }) in self.parameters.iter().enumerate() {
            if !caught.given.contains_key(&index)
                && let Some(Value::String(pair)) = caught.extra.remove(name)
            {
                caught.given.insert(index, kind.value(&pair)?);
            }
        }
        Some(caught)
    }

    /// With what nobody can leave out; none: nothing is missing.
    fn lacking(&self, caught: Caught) -> Option<Partial> {
        let missing = self.required().into_iter().filter(|index| !caught.given.contains_key(index));
        let missing: Vec<String> =
            missing.map(|index| self.parameters[index].name.clone()).collect();
        let value = |(index, parameter): (usize, &Parameter)| {
            let given = caught.given.get(&index).cloned();
            let value = given.or_else(|| parameter.default.clone()).unwrap_or_default();
            (parameter.name.clone(), value)
        };
        let params = self.parameters.iter().enumerate().map(value).collect();
        (!missing.is_empty()).then_some(Partial { params, extra: caught.extra, missing })
    }

    /// What an answer says of a parameter; none: it is not of its type.
    pub fn answer(&self, name: &str, answer: &str) -> Option<Value> {
        self.parameter(name)?.kind.value(answer)
    }

    /// A declared parameter.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The parameter that stands right behind a word.
    pub fn behind(&self, word: &str) -> Option<&Parameter> {
        let index = behind(&self.nodes, word)?;
        self.parameters.get(index)
    }

    /// A message that says all of this; none: it would be read as something else.
    pub fn command(&self, params: &BTreeMap<String, Value>) -> Option<String> {
        let text = self.words(&self.nodes, params);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let read = self.matches(&text)?;
        (read.params == *params).then_some(text)
    }

    fn words(&self, nodes: &[Node], params: &BTreeMap<String, Value>) -> String {
        let piece = |node: &Node| match node {
            Node::Space => " ".to_owned(),
            Node::Literal(word) => word.clone(),
            Node::Either(ways) => ways.first().cloned().unwrap_or_default(),
            Node::Parameter(index) => self.said(*index, params).unwrap_or_default(),
            Node::Optional(inner) => {
                let says = |node: &Node| match node {
                    Node::Parameter(index) => self.said(*index, params).is_some(),
                    _ => false,
                };
                match inner.iter().any(says) {
                    true => self.words(inner, params),
                    false => String::new(),
                }
            }
        };
        nodes.iter().map(piece).collect()
    }

    /// A parameter as people write it; none: it is left out.
    fn said(&self, index: usize, params: &BTreeMap<String, Value>) -> Option<String> {
        let Parameter { name, kind, default, .. } = &self.parameters[index];
        let value = params.get(name).filter(|value| !value.is_null())?;
        if default.as_ref() == Some(value) {
            return None;
        }
        let text = match value {
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let bare = matches!(kind, Kind::Text | Kind::Duration | Kind::Time | Kind::When);
        let plain = !text.is_empty() && !text.contains([' ', '=', '"', '\'']);
        Some(match (bare || plain, text.contains('"')) {
            (true, _) => text,
            (false, false) => format!("\"{text}\""),
            (false, true) => format!("'{text}'"),
        })
    }
}

/// Without the spaces at the end.
fn ends_whole(nodes: &[Node]) -> &[Node] {
    match nodes {
        [rest @ .., Node::Space] => ends_whole(rest),
        nodes => nodes,
    }
}

/// The trailing `key=value` pairs of a message.
pub(super) fn pairs(text: &Text<'_>, range: std::ops::Range<usize>) -> BTreeMap<String, Value> {
    let pair = |(key, value): (std::ops::Range<usize>, std::ops::Range<usize>)| {
        Some((text.plain()[key].to_owned(), Kind::Word.value(text.written(value))?))
    };
    pattern_pairs(text.plain(), range).into_iter().filter_map(pair).collect()
}

fn word_or_space(node: &Node) -> bool {
    matches!(node, Node::Literal(_) | Node::Either(_) | Node::Space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::BEGINNINGS_MAX;
    use super::*;

    fn shown(format: &str, text: &str) -> String {
        let format = Format::parse(format).expect("a format");
        let text = Text::read(text).expect("a text");
        match format.partial(&text) {
            None => "no".into(),
            Some(Partial { params, extra, missing }) => {
                let params: serde_json::Map<_, _> = params.into_iter().collect();
                let extra = if extra.is_empty() { String::new() } else { format!(" +{extra:?}") };
                format!("{} {}{extra}", missing.join(" "), Value::Object(params))
            }
        }
    }

    #[test]
    fn what_is_missing_is_known() {
        let vm = "create vm {host} on {cloud: aws | rackspace} [size {size:int=2}]";
        for (format, text, want) in [
            (vm, "create vm", r#"host cloud {"cloud":null,"host":null,"size":2}"#),
            (vm, "create vm web1", r#"cloud {"cloud":null,"host":"web1","size":2}"#),
            (vm, "create vm web1 on", r#"cloud {"cloud":null,"host":"web1","size":2}"#),
            (vm, "create vm on aws", r#"host {"cloud":"aws","host":null,"size":2}"#),
            (vm, "Create VM on aws size 5", r#"host {"cloud":"aws","host":null,"size":5}"#),
            (vm, "create vm cloud=aws", r#"host {"cloud":"aws","host":null,"size":2}"#),
            (
                vm,
                "create vm web1 dns=yes",
                r#"cloud {"cloud":null,"host":"web1","size":2} +{"dns": String("yes")}"#,
            ),
            (vm, "create vm cloud=asw", "no"),
            (vm, "create vm web1 on aws", "no"),
            (vm, "create vm web1 on asw", "no"),
            (vm, "create", "no"),
            (vm, "create vm web1 please", "no"),
            ("set {n:int}", "set", r#"n {"n":null}"#),
            ("set {n:int}", "set x", "no"),
            ("say {t:text}", "say", r#"t {"t":null}"#),
            ("(stop|halt) {what}", "halt", r#"what {"what":null}"#),
            ("status", "status", "no"),
        ] {
            assert_eq!(shown(format, text), want, "{text:?} for {format:?}");
        }
    }

    /// Every beginning by a pattern of its own.
    fn one_by_one(format: &Format, text: &Text<'_>) -> Option<Partial> {
        let loose = Pattern::loose(&format.nodes, &format.parameters);
        let whole = format.caught(&loose, text).and_then(|caught| format.lacking(caught));
        whole.or_else(|| {
            let first = format.nodes.iter().position(|node| !word_or_space(node))?;
            let cuts = (first..format.nodes.len()).rev();
            cuts.map(|cut| ends_whole(&format.nodes[..cut]))
                .filter(|nodes| !nodes.is_empty())
                .map(|nodes| Pattern::strict(nodes, &format.parameters))
                .find_map(|pattern| format.caught(&pattern, text))
                .and_then(|caught| format.lacking(caught))
        })
    }

    /// Pieces of formats that are alike, and of messages that have some of them.
    const PIECES: [&str; 12] = [
        "run",
        "on",
        "db-1",
        "{a}",
        "{b:int}",
        "{c=x}",
        "(go|be off)",
        "[now]",
        "[in {d}]",
        "k\u{f6}nig",
        "x{e}",
        "{f:text}",
    ];
    const WORDS: [&str; 12] = [
        "run",
        "RUN",
        "on",
        "db-1",
        "db\u{2013}1",
        "7",
        "go",
        "be off",
        "now",
        "K\u{d6}NIG",
        "a=b",
        "xy",
    ];

    proptest! {
        #[test]
        fn what_is_shared_changes_nothing(
            formats in prop::collection::vec(prop::collection::vec(0..PIECES.len(), 0..6), 1..8),
            words in prop::collection::vec(0..WORDS.len(), 0..7),
        ) {
            let said = words.iter().map(|n| WORDS[*n]).collect::<Vec<_>>().join(" ");
            let Some(text) = Text::read(&said) else { return Ok(()) };
            let mut of = Beginnings::of(&text);
            for pieces in formats {
                let pieces: Vec<&str> = pieces.iter().map(|n| PIECES[*n]).collect();
                let Ok(format) = Format::parse(&format!("run {}", pieces.join(" "))) else { continue };
                let (shared, alone) = (format.partial_among(&text, &mut of), one_by_one(&format, &text));
                prop_assert_eq!(shared, alone, "{:?} for {}", said, format.usage());
            }
        }
    }

    #[test]
    fn beginnings_that_are_kept_have_a_bound() {
        let text = Text::read("run x").expect("a text");
        let mut of = Beginnings::of(&text);
        for nth in 0..=BEGINNINGS_MAX {
            let format = Format::parse(&format!("run {{a: x{nth} | y}} {{b}}")).expect("a format");
            let _ = format.partial_among(&text, &mut of);
            assert!(of.known.len() <= BEGINNINGS_MAX, "{nth}");
        }
        let same = Format::parse("run {a: q | r} {b}").expect("a format");
        let before = of.known.len();
        let _ = same.partial_among(&text, &mut of);
        let once = of.known.len();
        let _ = same.partial_among(&text, &mut of);
        assert!(once > before && of.known.len() == once, "they are made once");
    }

    #[test]
    fn a_command_is_written_so_that_it_is_read_again() {
        let vm = "create vm {host} on {cloud: aws | rackspace} [size {size:int=2}]";
        for (format, params, want) in [
            (vm, r#"{"host":"web1","cloud":"aws","size":2}"#, "create vm web1 on aws"),
            (vm, r#"{"host":"web1","cloud":"aws","size":5}"#, "create vm web1 on aws size 5"),
            (
                vm,
                r#"{"host":"two words","cloud":"aws","size":2}"#,
                "create vm \"two words\" on aws",
            ),
            (vm, r#"{"host":"a \"b\"","cloud":"aws","size":2}"#, "create vm 'a \"b\"' on aws"),
            (vm, r#"{"host":"a \"b'","cloud":"aws","size":2}"#, "-"),
            ("say {t:text}", r#"{"t":"all of it"}"#, "say all of it"),
            ("say {t:text}", r#"{"t":"one\ntwo"}"#, "-"),
            ("set {b:bool}", r#"{"b":true}"#, "set yes"),
            ("wait {d:duration}", r#"{"d":"2 h"}"#, "wait 2 h"),
            ("(stop|halt) {what?}", r#"{"what":null}"#, "stop"),
        ] {
            let format = Format::parse(format).expect("a format");
            let params = serde_json::from_str(params).expect("parameters");
            let got = format.command(&params);
            assert_eq!(got.as_deref().unwrap_or("-"), want, "{params:?}");
        }
    }
}
