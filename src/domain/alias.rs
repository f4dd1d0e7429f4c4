//! Alias formats: the words of a command with its parameters; from a message to typed arguments, and to help.
//!
//! `create vm {hostname} on {provider: aws | rackspace} [size {size:int=2}]` is a format. Words count without
//! case, white space, smart quotes and long dashes are folded, values stay as they were written.

mod example;
mod parse;
mod partial;
mod pattern;
mod problem;
mod text;
mod usage;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

pub use example::EXAMPLES_MAX;
pub use parse::{Fault, FormatError, Parameter};
pub use partial::{Beginnings, Partial};
pub use pattern::BEGINNINGS_MAX;
pub use problem::{Problem, QUOTED_CHARS_MAX};
pub use text::Text;
pub use value::{DURATION_MS_MAX, Kind, parse_duration};

use parse::Node;
use partial::pairs;
use pattern::{Group, Pattern};
use problem::quoted;

/// Longest format, in bytes.
pub const FORMAT_BYTES_MAX: usize = 1024;
/// Most parameters of a format.
pub const PARAMETERS_MAX: usize = 16;
/// Deepest nesting of optional parts.
pub const NESTING_MAX: usize = 4;
/// Longest message that is read as a command, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// A checked alias format.
#[derive(Debug, Clone)]
pub struct Format {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    strict: OnceLock<Pattern>,
    loose: OnceLock<Pattern>,
}

/// A message that fits a format.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Every declared parameter, by name; null where it was left out and has no default.
    pub params: BTreeMap<String, Value>,
    /// The trailing `key=value` pairs.
    pub extra: BTreeMap<String, Value>,
    /// How many literal words of the format are in the message.
    pub literals: usize,
}

/// Words that a message must hold to fit: any of these sets, each of which whole.
pub type Clause = Vec<Vec<String>>;

impl Format {
    /// Reads and checks a format.
    ///
    /// # Errors
    /// [`FormatError`], with the byte and a hint.
    pub fn parse(format: &str) -> Result<Self, FormatError> {
        let (nodes, parameters) = parse::parse(format)?;
        Ok(Format { nodes, parameters, strict: OnceLock::new(), loose: OnceLock::new() })
    }

    /// The declared parameters, in the order of the format.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The format as people are shown it.
    pub fn usage(&self) -> String {
        usage::usage(&self.nodes, &self.parameters)
    }

    /// Reads a message; nothing if it does not fit.
    pub fn matches(&self, text: &str) -> Option<Match> {
        self.matches_text(&Text::read(text)?)
    }

    /// As [`Format::matches`], for a message that was read before.
    pub fn matches_text(&self, text: &Text<'_>) -> Option<Match> {
        let pattern = self.strict.get_or_init(|| Pattern::strict(&self.nodes, &self.parameters));
        let captures = pattern.captures(text.plain())?;
        let absent = |parameter: &Parameter| {
            (parameter.name.clone(), parameter.default.clone().unwrap_or_default())
        };
        let mut params: BTreeMap<_, _> = self.parameters.iter().map(absent).collect();
        let mut extra = BTreeMap::new();
        let mut given = BTreeSet::new();
        for (group, range) in pattern.found(&captures) {
            match group {
                Group::Parameter(index) => {
                    let parameter = &self.parameters[index];
                    given.insert(index);
                    params.insert(
                        parameter.name.clone(),
                        parameter.kind.value(written(text, range))?,
                    );
                }
                Group::Extra => extra = pairs(text, range),
                Group::Words(_) | Group::Either | Group::Rest => {}
            }
        }
        // A pair that is named like a parameter is meant for it: `size=3`.
        for (index, Parameter { name, kind, .. }) in self.parameters.iter().enumerate() {
            if !given.contains(&index)
                && let Some(Value::String(pair)) = extra.remove(name)
            {
                params.insert(name.clone(), kind.value(&pair)?);
            }
        }
        Some(Match { params, extra, literals: pattern.literals(&captures) })
    }

    /// Says what is wrong with a message that has all literal words of the format and still does not fit.
    pub fn near(&self, text: &str) -> Option<Problem> {
        self.near_text(&Text::read(text)?)
    }

    /// As [`Format::near`], for a message that was read before.
    pub fn near_text(&self, text: &Text<'_>) -> Option<Problem> {
        if self.matches_text(text).is_some() {
            return None;
        }
        let pattern = self.loose.get_or_init(|| Pattern::loose(&self.nodes, &self.parameters));
        let captures = pattern.captures(text.plain())?;
        let mut given: BTreeMap<usize, &str> = BTreeMap::new();
        let mut named = BTreeMap::new();
        let mut rest = None;
        for (group, range) in pattern.found(&captures) {
            match group {
                Group::Parameter(index) => {
                    given.insert(index, written(text, range));
                }
                Group::Rest => rest = Some(range),
                Group::Extra => named = pairs(text, range),
                Group::Words(_) | Group::Either => {}
            }
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            if let Some(Value::String(pair)) = named.get(&parameter.name) {
                given.entry(index).or_insert(pair);
            }
        }
        if let Some(range) =
            rest.clone().filter(|range| text.plain()[range.clone()].starts_with(['"', '\'']))
        {
            return Some(Problem::Unclosed { got: quoted(written(text, range)) });
        }
        let required = self.required();
        let wrong = (0..self.parameters.len())
            .find_map(|index| self.wrong(index, given.get(&index), &required));
        wrong
            .or_else(|| rest.map(|range| Problem::Unexpected { got: quoted(written(text, range)) }))
    }

    fn wrong(&self, index: usize, given: Option<&&str>, required: &[usize]) -> Option<Problem> {
        let Parameter { name, kind, .. } = &self.parameters[index];
        let (parameter, wanted) = (name.clone(), kind.wanted());
        match given {
            Some(got) if kind.value(got).is_none() => Some(kind.problem(parameter, quoted(got))),
            None if required.contains(&index) => Some(Problem::Missing { parameter, wanted }),
            _ => None,
        }
    }

    /// The parameters that no message can leave out.
    fn required(&self) -> Vec<usize> {
        let needed = |node: &Node| match node {
            Node::Parameter(index) => {
                let parameter = &self.parameters[*index];
                (!parameter.optional && parameter.default.is_none()).then_some(*index)
            }
            _ => None,
        };
        self.nodes.iter().filter_map(needed).collect()
    }

    /// Words without which no message fits: every one of these clauses must hold. There is at least one.
    pub fn clauses(&self) -> Vec<Clause> {
        let folded = |words: &String| words.split(' ').map(text::fold).collect::<Vec<_>>();
        let clause = |at: usize| match &self.nodes[at] {
            _ if !parse::is_whole_word(&self.nodes, at) => None,
            Node::Literal(word) => Some(vec![folded(word)]),
            Node::Either(ways) => Some(ways.iter().map(folded).collect()),
            _ => None,
        };
        (0..self.nodes.len()).filter_map(clause).collect()
    }
}

/// What was typed at a range of the plain text; for the code block at the end, its content.
fn written<'a>(text: &Text<'a>, plain: std::ops::Range<usize>) -> &'a str {
    match text.code() {
        Some(code) if text.plain()[plain.clone()].chars().eq([text::CODE_MARK]) => code,
        _ => text.written(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str, text: &str) -> String {
        let format = Format::parse(format).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let Some(matched) = format.matches(text) else {
            return "no match".into();
        };
        let params: serde_json::Map<_, _> = matched.params.into_iter().collect();
        let extra: serde_json::Map<_, _> = matched.extra.into_iter().collect();
        let mut shown = Value::Object(params).to_string();
        if !extra.is_empty() {
            shown.push_str(&format!(" + {}", Value::Object(extra)));
        }
        shown
    }

    fn check(rows: &[(&str, &str, &str)]) {
        for (format, text, want) in rows {
            assert_eq!(shown(format, text), *want, "{format:?} against {text:?}");
        }
    }

    #[test]
    fn words_quotes_and_folding() {
        check(&[
            (
                "create vm {host} on {cloud}",
                "create vm web1 on aws",
                r#"{"cloud":"aws","host":"web1"}"#,
            ),
            ("create vm {host}", "CREATE  Vm\tweb1 ", r#"{"host":"web1"}"#),
            ("create vm {host}", "create\nvm\r\nweb1", r#"{"host":"web1"}"#),
            ("create vm {host}", "create vm", "no match"),
            ("create vm {host}", "create vm a b", "no match"),
            ("create vm {host}", "please create vm a", "no match"),
            ("create vm {host}", "createvm a", "no match"),
            ("show {x}", r#"show "two words""#, r#"{"x":"two words"}"#),
            ("show {x}", "show 'two words'", r#"{"x":"two words"}"#),
            ("show {x}", r#"show "it's""#, r#"{"x":"it's"}"#),
            ("show {x}", "show \u{201C}two words\u{201D}", r#"{"x":"two words"}"#),
            ("show {x}", "show \u{2018}two words\u{2019}", r#"{"x":"two words"}"#),
            ("show {x}", "show \u{201E}zwei W\u{F6}rter\u{201C}", "{\"x\":\"zwei W\u{F6}rter\"}"),
            ("show {x}", "show \"\"", r#"{"x":""}"#),
            ("show {x}", "show \"open", "no match"),
            ("show {x}", "show \"a\"b", "no match"),
            ("show {x}", "show O'Brien", r#"{"x":"O'Brien"}"#),
            ("show {x}", "show O\u{2019}Brien", "{\"x\":\"O\u{2019}Brien\"}"),
            ("don't {x}", "don\u{2019}t panic", r#"{"x":"panic"}"#),
            ("show {x}", "show\u{00A0}web1\u{202F}", r#"{"x":"web1"}"#),
            ("show {x}", "\u{FEFF}show web1\u{200B}", r#"{"x":"web1"}"#),
            ("re-start {x}", "re\u{2013}start 2020\u{2013}2024", "{\"x\":\"2020\u{2013}2024\"}"),
            ("run --force {x}", "run \u{2014}force a", r#"{"x":"a"}"#),
            ("run --force {x}", "run --force a", r#"{"x":"a"}"#),
            ("run {x}", "run \u{2014}force", r#"{"x":"-force"}"#),
            ("zeige {x}", "Zeige Stra\u{DF}e", "{\"x\":\"Stra\u{DF}e\"}"),
            ("\u{F6}ffne {x}", "\u{D6}FFNE t\u{FC}r", "{\"x\":\"t\u{FC}r\"}"),
            (
                "\u{43F}\u{43E}\u{43A}\u{430}\u{436}\u{438} {x}",
                "\u{41F}\u{43E}\u{43A}\u{430}\u{436}\u{438} \u{1F600}",
                "{\"x\":\"\u{1F600}\"}",
            ),
            ("open {url}", "open https://x.org/?q=1&r=2", r#"{"url":"https://x.org/?q=1&r=2"}"#),
            ("what is 2+2? {x}", "what is 2+2? a", r#"{"x":"a"}"#),
            ("what is 2+2? {x}", "what is 222 a", "no match"),
            ("a.*|b$ ^c\\d {x}", "a.*|b$ ^c\\d y", r#"{"x":"y"}"#),
            ("scale cluster-{n:int} to {size:int}", "scale cluster-3 to 5", r#"{"n":3,"size":5}"#),
            ("copy {from}/{name}", "copy a/b/c", r#"{"from":"a/b","name":"c"}"#),
        ]);
    }

    #[test]
    fn extra_pairs() {
        check(&[
            ("create {x}", "create a dns=yes", r#"{"x":"a"} + {"dns":"yes"}"#),
            ("create {x} [size {n:int=2}]", "create a n=3 m=4", r#"{"n":3,"x":"a"} + {"m":"4"}"#),
            (
                "create {x} [size {n:int=2}]",
                "create a size 5 n=3",
                r#"{"n":5,"x":"a"} + {"n":"3"}"#,
            ),
            ("create {x} [size {n:int=2}]", "create a n=big", "no match"),
            (
                "create {x}",
                "create a note=\"two words\" b='c d'",
                r#"{"x":"a"} + {"b":"c d","note":"two words"}"#,
            ),
            (
                "create {x}",
                "create a note=\u{201C}two words\u{201D}",
                r#"{"x":"a"} + {"note":"two words"}"#,
            ),
            ("create {x}", "create a dry\u{2013}run=yes", r#"{"x":"a"} + {"dry-run":"yes"}"#),
            ("create {x}", "create a k=", r#"{"x":"a"} + {"k":""}"#),
            ("create {x}", "create a k=b=c", r#"{"x":"a"} + {"k":"b=c"}"#),
            ("create {x}", "create a k=\"open", "no match"),
            ("create {x}", "create k=v", "no match"),
            ("create {x}", "create \"k=v\"", r#"{"x":"k=v"}"#),
            ("create {x} [now]", "create a now k=v", r#"{"x":"a"} + {"k":"v"}"#),
            ("create {x}", "create a k=v now", "no match"),
            ("say {t:text}", "say a k=v", r#"{"t":"a k=v"}"#),
        ]);
    }

    #[test]
    fn optional_parts_defaults_and_choices() {
        check(&[
            ("restart {host=web1}", "restart", r#"{"host":"web1"}"#),
            ("restart {host=web1}", "restart db1", r#"{"host":"db1"}"#),
            ("restart {host}", "restart", "no match"),
            ("restart {host?}", "restart", r#"{"host":null}"#),
            ("restart {host?} now", "restart now", r#"{"host":null}"#),
            ("restart {host?} now", "restart a now", r#"{"host":"a"}"#),
            ("create vm {h} on {p=aws}", "create vm a on", r#"{"h":"a","p":"aws"}"#),
            ("create vm {h} on {p=aws}", "create vm a", "no match"),
            ("create vm {h} [on {p=aws}]", "create vm a", r#"{"h":"a","p":"aws"}"#),
            ("create vm {h} [on {p=aws}]", "create vm a on", r#"{"h":"a","p":"aws"}"#),
            ("create vm {h} [on {p}]", "create vm a on gce", r#"{"h":"a","p":"gce"}"#),
            ("create vm {h} [on {p}]", "create vm a", r#"{"h":"a","p":null}"#),
            ("[please] stop {x}", "stop a", r#"{"x":"a"}"#),
            ("[please] stop {x}", "please stop a", r#"{"x":"a"}"#),
            ("[please ]stop {x}", "please stop a", r#"{"x":"a"}"#),
            ("stop[ the] {x}", "stop a", r#"{"x":"a"}"#),
            ("stop[ the] {x}", "stop the a", r#"{"x":"a"}"#),
            ("stop [a [b [c]]] end", "stop end", "{}"),
            ("stop [a [b [c]]] end", "stop a b c end", "{}"),
            ("stop [a [b [c]]] end", "stop a c end", "no match"),
            ("stop [[a] [b]] end", "stop b end", "{}"),
            ("stop [[a] [b]] end", "stop a b end", "{}"),
            ("stop [[a] [b]] end", "stop end", "{}"),
            ("hello [{name}]", "hello", r#"{"name":null}"#),
            ("hello [{name}]", "hello ann", r#"{"name":"ann"}"#),
            ("lights colo[u]r{n:int} set", "lights colour5 set", r#"{"n":5}"#),
            ("lights colo[u]r{n:int} set", "lights color5 set", r#"{"n":5}"#),
            ("(shut up|silence) {x}", "Shut  Up a", r#"{"x":"a"}"#),
            ("(shut up|silence) {x}", "silence a", r#"{"x":"a"}"#),
            ("(shut up|silence) {x}", "shut a", "no match"),
            ("set {p: aws | rackspace}", "set AWS", r#"{"p":"aws"}"#),
            ("set {p: aws | rackspace}", "set gce", "no match"),
            ("set {p: aws | rackspace = aws}", "set", r#"{"p":"aws"}"#),
            ("set {p: aws | rackspace = Aws}", "set", r#"{"p":"aws"}"#),
            ("set {p?: aws | rackspace}", "set", r#"{"p":null}"#),
            ("set {p: up | up to date} {x}", "set up to date a", r#"{"p":"up to date","x":"a"}"#),
            ("set {p: a | b}", "set \"b\"", r#"{"p":"b"}"#),
            ("set {p: in-sync | off}", "set in\u{2013}sync", r#"{"p":"in-sync"}"#),
        ]);
    }

    #[test]
    fn typed_parameters() {
        check(&[
            ("set {n:int}", "set 5", r#"{"n":5}"#),
            ("set {n:int}", "set \u{2212}5", r#"{"n":-5}"#),
            ("set {n:int}", "set 5.5", "no match"),
            ("set {n:int}", "set 99999999999999999999", "no match"),
            ("set {n:int=2}", "set", r#"{"n":2}"#),
            ("set {n:int?}", "set", r#"{"n":null}"#),
            ("set {n?:int}", "set", r#"{"n":null}"#),
            ("set {n:number}", "set 5", r#"{"n":5.0}"#),
            ("set {n:number}", "set -0.25", r#"{"n":-0.25}"#),
            ("set {b:bool}", "set ON", r#"{"b":true}"#),
            ("set {b:bool=no}", "set", r#"{"b":false}"#),
            ("set {b:bool}", "set perhaps", "no match"),
            ("quiet {x} [for {t:duration=15m}]", "quiet a for 2h30m", r#"{"t":"2h30m","x":"a"}"#),
            ("quiet {x} [for {t:duration=15m}]", "quiet a for 1 hour", r#"{"t":"1 hour","x":"a"}"#),
            (
                "quiet {x} [for {t:duration=15m}]",
                "quiet a for 1 hour and 5 min",
                r#"{"t":"1 hour and 5 min","x":"a"}"#,
            ),
            ("quiet {x} [for {t:duration=15m}]", "quiet a", r#"{"t":"15m","x":"a"}"#),
            ("quiet {x} [for {t:duration=15m}]", "quiet a for ever", "no match"),
            (
                "wait {t:duration} then {x}",
                "wait 5\u{00A0}min then go",
                r#"{"t":"5 min","x":"go"}"#,
            ),
            ("wake at {t:time}", "wake at tomorrow 9am", r#"{"t":"tomorrow 9am"}"#),
            ("wake at {t:time}", "wake at 15:30", r#"{"t":"15:30"}"#),
            ("wake at {t:time}", "wake at noonish", "no match"),
            ("page {u:user}", "page @ann:example.org", r#"{"u":"@ann:example.org"}"#),
            ("post to {r:room}", "post to #ops:example.org", r##"{"r":"#ops:example.org"}"##),
        ]);
    }

    #[test]
    fn text_and_code_blocks() {
        check(&[
            (
                "say {t:text}",
                "say  hello \u{201C}there\u{201D}  you ",
                "{\"t\":\"hello \u{201C}there\u{201D}  you\"}",
            ),
            ("say {t:text}", "say one\n  two", "{\"t\":\"one\\n  two\"}"),
            ("say {t:text}", "say", "no match"),
            ("say [{t:text}]", "say", r#"{"t":null}"#),
            ("say {t:text=hi there}", "say", r#"{"t":"hi there"}"#),
            ("run {t:text}", "run\n```sh\n  ls -l\n\tpwd\n```", "{\"t\":\"  ls -l\\n\\tpwd\"}"),
            ("run {t:text}", "run ```ls \u{2013}l```", "{\"t\":\"ls \u{2013}l\"}"),
            ("run {x} [with {t:text}]", "run a with ```b```\n", r#"{"t":"b","x":"a"}"#),
            ("run {t:text}", "run this ```ls``` ", "{\"t\":\"this ```ls```\"}"),
            ("run {x}", "run ```ls```", "no match"),
            ("run {x}", "run a ```ls```", "no match"),
            ("run {t:text}", "run ``````", r#"{"t":""}"#),
        ]);
    }

    #[test]
    fn wrong_formats_say_where_and_why() {
        for (format, column, fault) in [
            ("", 0, "needs at least one whole literal word"),
            ("{x}", 0, "needs at least one whole literal word"),
            ("[a] {x}", 0, "needs at least one whole literal word"),
            ("v{x}", 0, "needs at least one whole literal word"),
            ("re(start|load)", 0, "needs at least one whole literal word"),
            ("a {x", 2, "this `{` is never closed"),
            ("a [b {x}", 2, "this `[` is never closed"),
            ("a (b", 2, "this `(` is never closed"),
            ("a }", 2, "this `}` closes nothing"),
            ("a ]", 2, "this `]` closes nothing"),
            ("a )", 2, "this `)` closes nothing"),
            ("\u{FC} )", 3, "this `)` closes nothing"),
            ("skip {{a}}", 5, "single braces"),
            ("a []", 2, "empty"),
            ("a ()", 2, "empty"),
            ("a (b|)", 2, "a choice is empty"),
            ("a (b {x})", 5, "takes words only"),
            ("(((((", 1, "takes words only"),
            ("a {}", 2, "`` cannot be the name"),
            ("a {1}", 2, "`1` cannot be the name"),
            ("a {a-b}", 2, "`a-b` cannot be the name"),
            ("a {extra}", 2, "`extra` cannot be the name"),
            ("a {x} {x}", 6, "`x` is there twice"),
            ("a {x:integer}", 2, "unknown type `integer`"),
            ("a {x:}", 2, "unknown type ``"),
            ("a {x: b | }", 2, "a choice is empty"),
            ("a {x?=b}", 2, "has a default and a `?`"),
            ("a {x=}", 2, "the default `` of `x` must be one word"),
            ("a {x:int=b}", 2, "the default `b` of `x` must be a whole number"),
            ("a {x: b | c = d}", 2, "the default `d` of `x` must be `b` or `c`"),
            ("a {x:duration=long}", 2, "must be a duration"),
            ("a {x:time=late}", 2, "must be a time"),
            ("a {x:text} b", 11, "so nothing can follow"),
            ("a {x:text} [b]", 11, "so nothing can follow"),
            ("a [{x:text}] {y}", 13, "so nothing can follow"),
            ("a [b [c [d [e [f]]]]]", 14, "nested at most 4 deep"),
        ] {
            let error = Format::parse(format).expect_err(format);
            assert_eq!(error.column, column, "{format:?}: {error}");
            assert!(error.to_string().contains(fault), "{format:?}: {error}");
            assert!(!error.hint().is_empty(), "{format:?}");
        }
    }

    #[test]
    fn bounds_hold() {
        let many = |count: usize| (0..count).map(|at| format!(" {{p{at}}}")).collect::<String>();
        for (format, fault) in [
            ("{".repeat(10_000), Fault::TooLong),
            ("(".repeat(10_000), Fault::TooLong),
            (format!("a {}", "[".repeat(1000)), Fault::TooDeep),
            (format!("a{}", many(PARAMETERS_MAX + 1)), Fault::TooManyParameters),
        ] {
            assert_eq!(Format::parse(&format).unwrap_err().fault, fault);
        }
        assert!(Format::parse(&format!("a{}", many(PARAMETERS_MAX))).is_ok());
        assert!(Format::parse(&"a".repeat(FORMAT_BYTES_MAX)).is_ok());
        let say = Format::parse("say {t:text}").unwrap();
        let longest = format!("say {}", "x".repeat(TEXT_BYTES_MAX - 4));
        assert!(say.matches(&longest).is_some());
        assert_eq!(say.matches(&(longest + "x")), None);
    }

    #[test]
    fn the_worst_formats_compile() {
        let parameters = |kind: &str| {
            (0..PARAMETERS_MAX).map(|at| format!(" [q {{p{at}{kind}}}]")).collect::<String>()
        };
        let fill = |piece: &str| piece.repeat((FORMAT_BYTES_MAX - 2) / piece.len());
        for format in [
            format!("a{}", parameters(":time")),
            format!("a{}", parameters(":duration")),
            format!("a{}", parameters(":x|\u{3B1}\u{3C3}-x")),
            format!("a{}", parameters("?:word")),
            format!("a {}", fill("[\u{3C3}] ")),
            format!("a {}", fill("-")),
            format!("a {}", fill("\u{3C3}")),
            format!("a {}", fill("(k|s) ")),
        ] {
            let format =
                Format::parse(format.trim()).unwrap_or_else(|error| panic!("{format}: {error}"));
            let text = format!("a {}", "q 5 ".repeat(TEXT_BYTES_MAX / 4 - 1));
            assert_eq!(format.matches(&text), None);
            let _ = format.near(&text);
        }
    }

    #[test]
    fn near_misses_are_explained() {
        let vm = "create vm {host} on {p: aws | gce} [size {size:int=2}] [for {t:duration}]";
        for (format, text, want) in [
            (vm, "create vm a on aws", None),
            (vm, "create vm a on azure", Some("`p` must be `aws` or `gce`, not `azure`")),
            (vm, "create vm a on aws size big", Some("`size` must be a whole number, not `big`")),
            (vm, "create vm a on aws size=big", Some("`size` must be a whole number, not `big`")),
            (
                vm,
                "create vm a on aws for 5 parsecs",
                Some("`t` must be a duration such as `15m`, `2h30m` or `1 day`, not `5 parsecs`"),
            ),
            (vm, "create vm a on", Some("`p` is missing: it must be `aws` or `gce`")),
            (
                vm,
                "create vm on aws",
                Some("`host` is missing: it must be one word, or several in quotes"),
            ),
            (
                vm,
                "create vm a on aws quickly please",
                Some("there is no place for `quickly please`"),
            ),
            (vm, "create vm a on aws size=3 please", Some("there is no place for `please`")),
            (vm, "create vm \"a on aws", None),
            (vm, "create vm a on \"aws", Some("the quote that begins at `\"aws` is never closed")),
            (vm, "delete vm a on aws", None),
            (
                "set {n:int}",
                "set 99999999999999999999",
                Some("`n` must be a whole number, not `99999999999999999999`"),
            ),
            ("set {n:int}", "set `x`", Some("`n` must be a whole number, not `'x'`")),
            (
                "wake at {t:time}",
                "wake at dawn",
                Some(
                    "`t` must be a time such as `15:30`, `tomorrow 9am` or `2026-11-21 15:30`, not `dawn`",
                ),
            ),
            ("say {t:text}", "say", Some("`t` is missing: it must be some text")),
            ("run {x}", "run a ```ls```", Some("there is no place for `ls`")),
        ] {
            let problem =
                Format::parse(format).unwrap().near(text).map(|problem| problem.to_string());
            assert_eq!(problem.as_deref(), want, "{format:?} against {text:?}");
        }
        let long = format!("set {}", "x".repeat(500));
        let problem = Format::parse("set {n:int}").unwrap().near(&long).unwrap();
        assert!(problem.to_string().chars().count() < QUOTED_CHARS_MAX + 60);
    }

    proptest::proptest! {
        #[test]
        fn nothing_typed_breaks_it(
            format in "(a |\\PC|[\\[\\](){}|:=?\"'` ]|\\{x\\}|\\{y:int=2\\}|\\[b |\\{z: c \\| d\\}|\u{2014}|\u{200B}){0,12}",
            text in "(a |b|c|2|k=v|[\"'`=\u{201C}\u{2019}\u{2014}\u{200B}\u{A0}\n\0 ]|```|\\PC){0,20}",
        ) {
            if let Ok(format) = Format::parse(&format) {
                let problem = format.near(&text);
                if let Some(matched) = format.matches(&text) {
                    assert_eq!(matched.params.len(), format.parameters().len());
                    assert_eq!(problem, None);
                }
                assert!(!format.clauses().is_empty());
                let again = Format::parse(&format.usage()).expect("usage is a format");
                assert_eq!(again.usage(), format.usage());
            }
        }
    }

    #[test]
    fn usage_is_how_it_is_written() {
        for (format, want) in [
            (
                "create  vm {hostname} on { provider:aws|rackspace } [size {size=small}]",
                "create vm {hostname} on {provider: aws | rackspace} [size {size=small}]",
            ),
            ("stop[ the]  {x:int=2} ", "stop [the] {x:int=2}"),
            ("( shut up | silence ) {x?} {y:word}", "(shut up|silence) {x?} {y}"),
            ("a {x:bool?} {y: b | c = C}", "a {x?:bool} {y: b | c = c}"),
        ] {
            let parsed = Format::parse(format).unwrap();
            assert_eq!(parsed.usage(), want, "{format:?}");
            let again = Format::parse(want).unwrap();
            assert_eq!(again.usage(), want);
            assert_eq!(again.parameters(), parsed.parameters());
        }
    }
}
