//! Parameters of actions: how a type is written, what fits it, and how a word of a command line becomes a value (pure).

use regex::RegexBuilder;
use serde_json::{Map, Value};

use crate::domain::alias::parse_duration;

/// Largest compiled pattern of a parameter, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Longest text of a type, in bytes.
pub const TYPE_BYTES_MAX: usize = 1_000;
/// Longest value that an error quotes, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// A parameter of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamDef {
    /// What it takes.
    pub kind: ParamKind,
    /// What of that it takes.
    pub within: Option<Within>,
    /// Whether it must be given.
    pub presence: Presence,
}

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamKind {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A time span: `"15m"`, or a number of seconds.
    Duration,
    /// A list.
    List,
    /// A map.
    Map,
    /// Every value.
    Any,
    /// One of these.
    Choice(Vec<String>),
}

/// What of its type a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Within {
    /// Numbers from one to another.
    Range(f64, f64),
    /// Texts that this pattern fits as a whole.
    Pattern(String),
}

/// Whether a parameter must be given.
#[derive(Debug, Clone, PartialEq)]
pub enum Presence {
    /// It must.
    Needed,
    /// It may be left out.
    Optional,
    /// It may be left out and is then this.
    Default(Value),
}

const TYPES: &str =
    "string, int, number, bool, duration, list, map, any, choices such as `aws | gce`";

impl ParamDef {
    /// A parameter that must be given and takes one of these.
    pub fn choice(list: Vec<String>) -> Self {
        Self { kind: ParamKind::Choice(list), within: None, presence: Presence::Needed }
    }

    /// Reads a type: `string`, `int(1..65535)=22`, `string([a-z]+)?`, `aws | gce = aws`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(written: &str) -> Result<Self, String> {
        if written.len() > TYPE_BYTES_MAX {
            return Err(format!("a type may have {TYPE_BYTES_MAX} bytes"));
        }
        let (front, inside, behind) = parenthesised(written)?;
        let (name, rest) = match inside {
            Some(_) => (front, behind),
            None => front.split_at(front.find(['=', '?']).unwrap_or(front.len())),
        };
        let kind = kind(name.trim())?;
        let within = inside.map(|inside| within(&kind, inside)).transpose()?;
        let mut def = Self { kind, within, presence: Presence::Needed };
        def.presence = match rest.trim() {
            "" => Presence::Needed,
            "?" => Presence::Optional,
            rest => match rest.strip_prefix('=') {
                Some(default) => {
                    let value = def.read(default.trim());
                    Presence::Default(value.map_err(|why| format!("its default is not {why}"))?)
                }
                None => return Err(format!("`{rest}` is neither `?` nor `=default`")),
            },
        };
        Ok(def)
    }

    /// Whether a value fits, or what would.
    ///
    /// # Errors
    /// What the parameter takes, in words.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let text = value.as_str();
        let fits = match &self.kind {
            ParamKind::Text => text.is_some(),
            ParamKind::Int => value.is_i64(),
            ParamKind::Number => value.is_number(),
            ParamKind::Bool => value.is_boolean(),
            ParamKind::Duration => match text {
                Some(text) => parse_duration(text).is_ok(),
                None => value.as_f64().is_some_and(|seconds| seconds >= 0.0),
            },
            ParamKind::List => value.is_array(),
            ParamKind::Map => value.is_object(),
            ParamKind::Any => true,
            ParamKind::Choice(list) => text.is_some_and(|text| list.iter().any(|c| c == text)),
        };
        let lies = match &self.within {
            None => true,
            Some(Within::Range(from, to)) => {
                value.as_f64().is_some_and(|number| (*from..=*to).contains(&number))
            }
            Some(Within::Pattern(pattern)) => {
                let pattern = compiled(pattern)?;
                text.is_some_and(|text| pattern.is_match(text))
            }
        };
        if fits && lies { Ok(()) } else { Err(self.wants()) }
    }

    /// Reads a value as a person writes it in a shell.
    ///
    /// # Errors
    /// What the parameter takes, in words.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let json = || serde_json::from_str::<Value>(text).ok();
        let value = match &self.kind {
            ParamKind::Text | ParamKind::Choice(_) | ParamKind::Duration => {
                Some(Value::String(text.to_owned()))
            }
            ParamKind::Int | ParamKind::Number | ParamKind::Map => json(),
            ParamKind::Bool => match text {
                "true" | "yes" | "on" => Some(Value::Bool(true)),
                "false" | "no" | "off" => Some(Value::Bool(false)),
                _ => None,
            },
            ParamKind::List => json().filter(Value::is_array).or_else(|| {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(|item| Value::String(item.to_owned())).collect())
            }),
            ParamKind::Any => Some(json().unwrap_or_else(|| Value::String(text.to_owned()))),
        };
        let value = value.ok_or_else(|| self.wants())?;
        self.check(&value).map(|()| value)
    }

    /// What it takes, in words: `a whole number from 1 to 10`.
    pub fn wants(&self) -> String {
        let kind = match &self.kind {
            ParamKind::Text => "a text".to_owned(),
            ParamKind::Int => "a whole number".to_owned(),
            ParamKind::Number => "a number".to_owned(),
            ParamKind::Bool => "true or false".to_owned(),
            ParamKind::Duration => "a time such as \"15m\"".to_owned(),
            ParamKind::List => "a list".to_owned(),
            ParamKind::Map => "a map".to_owned(),
            ParamKind::Any => "any value".to_owned(),
            ParamKind::Choice(list) => format!("one of {}", list.join(", ")),
        };
        match &self.within {
            None => kind,
            Some(Within::Range(from, to)) => format!("{kind} from {from} to {to}"),
            Some(Within::Pattern(pattern)) => format!("{kind} that fits {pattern}"),
        }
    }

    /// How it is shown to people: its type, and what it is if it is left out.
    pub fn shown(&self) -> String {
        match &self.presence {
            Presence::Needed => self.wants(),
            Presence::Optional => format!("{}, may be left out", self.wants()),
            Presence::Default(value) => format!("{}, else {value}", self.wants()),
        }
    }
}

/// What a value is, for an error: `"x"`, or its beginning.
pub fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The parts of `front(inside)behind`.
fn parenthesised(written: &str) -> Result<(&str, Option<&str>, &str), String> {
    let default = written.find('=').unwrap_or(written.len());
    let Some(open) = written.find('(').filter(|open| *open < default) else {
        return Ok((written, None, ""));
    };
    let mut depth = 0_usize;
    for (at, c) in written[open..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let end = open + at;
            return Ok((&written[..open], Some(&written[open + 1..end]), &written[end + 1..]));
        }
    }
    Err("its `(` is not closed".into())
}

fn kind(name: &str) -> Result<ParamKind, String> {
    Ok(match name {
        "string" | "text" => ParamKind::Text,
        "int" => ParamKind::Int,
        "number" => ParamKind::Number,
        "bool" => ParamKind::Bool,
        "duration" => ParamKind::Duration,
        "list" => ParamKind::List,
        "map" => ParamKind::Map,
        "any" => ParamKind::Any,
        choices if choices.contains('|') => {
            let list: Vec<String> = choices.split('|').map(|c| c.trim().to_owned()).collect();
            if list.iter().any(String::is_empty) {
                return Err("one of its choices is empty".into());
            }
            ParamKind::Choice(list)
        }
        other => return Err(format!("there is no type `{other}`; there are {TYPES}")),
    })
}

fn within(kind: &ParamKind, inside: &str) -> Result<Within, String> {
    match kind {
        ParamKind::Int | ParamKind::Number => {
            let number = |text: &str| text.trim().parse::<f64>().ok();
            let ends = inside.split_once("..");
            let ends = ends.and_then(|(from, to)| Some((number(from)?, number(to)?)));
            let ends = ends.filter(|(from, to)| from <= to);
            let (from, to) = ends.ok_or("a range is written `int(1..65535)`")?;
            Ok(Within::Range(from, to))
        }
        ParamKind::Text => {
            compiled(inside)?;
            Ok(Within::Pattern(inside.to_owned()))
        }
        _ => Err("only `int`, `number` and `string` take something in parentheses".into()),
    }
}

/// A pattern that fits a text as a whole; patterns of this kind take linear time.
fn compiled(pattern: &str) -> Result<regex::Regex, String> {
    let whole = format!("^(?:{pattern})$");
    let built = RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|why| {
        let last = why.to_string();
        let last = last.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        format!("the pattern `{pattern}` cannot be used: {last}")
    })
}

/// The parameters of a call by name.
pub type Args = Map<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_read_or_refused() {
        for (written, want) in [
            ("string", "a text"),
            ("text?", "a text, may be left out"),
            ("int = 2", "a whole number, else 2"),
            ("int(1..65535)=22", "a whole number from 1 to 65535, else 22"),
            ("number(0..0.5)", "a number from 0 to 0.5"),
            ("aws | gce", "one of aws, gce"),
            ("small|large=small", "one of small, large, else \"small\""),
            ("small | large?", "one of small, large, may be left out"),
            ("string([a-z]{1,3}(b|=)?)?", "a text that fits [a-z]{1,3}(b|=)?, may be left out"),
            ("string=a (b)", "a text, else \"a (b)\""),
            ("duration=15m", "a time such as \"15m\", else \"15m\""),
            ("list=a, b", "a list, else [\"a\",\"b\"]"),
            ("map={}", "a map, else {}"),
            ("bool=yes", "true or false, else true"),
            ("strin", "there is no type `strin`; there are string, int"),
            ("int=two", "its default is not a whole number"),
            ("int(1..2)=3", "its default is not a whole number from 1 to 2"),
            ("int(2..1)", "a range is written"),
            ("int(1..2", "its `(` is not closed"),
            ("string([)", "the pattern `[` cannot be used"),
            ("string(\\w{9999999})", "cannot be used"),
            ("bool(x)", "only `int`, `number` and `string`"),
            ("int(1..2)x", "`x` is neither"),
            ("a ||b", "one of its choices is empty"),
            (&"x".repeat(TYPE_BYTES_MAX + 1), "a type may have"),
        ] {
            let got = ParamDef::parse(written).map_or_else(|why| why, |def| def.shown());
            assert!(got.starts_with(want) || got.contains(want), "{written}: {got}");
        }
    }

    #[test]
    fn values_fit_their_types() {
        for (written, value, fits) in [
            ("string", json!("x"), true),
            ("string", json!(1), false),
            ("int", json!(1), true),
            ("int", json!(1.5), false),
            ("int(1..3)", json!(3), true),
            ("int(1..3)", json!(4), false),
            ("number", json!(1), true),
            ("duration", json!("2h30m"), true),
            ("duration", json!(90), true),
            ("duration", json!("soon"), false),
            ("duration", json!(-1), false),
            ("list", json!([1]), true),
            ("list", json!({}), false),
            ("map", json!({}), true),
            ("any", json!(null), true),
            ("a|b", json!("a"), true),
            ("a|b", json!("c"), false),
            ("string([a-z0-9][a-z0-9.-]*)", json!("web1.example.org"), true),
            ("string([a-z0-9][a-z0-9.-]*)", json!("-oProxyCommand=x"), false),
            ("string([a-z]+)", json!("a\nb"), false),
        ] {
            let def = ParamDef::parse(written).expect(written);
            assert_eq!(def.check(&value).is_ok(), fits, "{written} {value}");
        }
    }

    #[test]
    fn words_of_a_shell_become_values() {
        for (written, text, want) in [
            ("string", "12", Some(json!("12"))),
            ("int", "12", Some(json!(12))),
            ("int", "12x", None),
            ("number", "1.5", Some(json!(1.5))),
            ("bool", "no", Some(json!(false))),
            ("bool", "maybe", None),
            ("list", "a, b", Some(json!(["a", "b"]))),
            ("list", "[1,2]", Some(json!([1, 2]))),
            ("map", "{\"a\":1}", Some(json!({"a": 1}))),
            ("map", "a", None),
            ("any", "[1]", Some(json!([1]))),
            ("any", "a b", Some(json!("a b"))),
            ("a|b", "b", Some(json!("b"))),
            ("a|b", "c", None),
            ("duration", "15m", Some(json!("15m"))),
        ] {
            let def = ParamDef::parse(written).expect(written);
            assert_eq!(def.read(text).ok(), want, "{written} {text}");
        }
    }
}
