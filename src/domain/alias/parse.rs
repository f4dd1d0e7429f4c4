//! Reads an alias format into its parts, or says where and why it is wrong.

use serde_json::Value;

use super::value::{Kind, NAMES};
use super::{FORMAT_BYTES_MAX, NESTING_MAX, PARAMETERS_MAX, text};

/// A piece of a format. A space stands before what it separates, never at the edge of an optional part.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Space,
    Literal(String),
    Parameter(usize),
    Optional(Vec<Node>),
    Either(Vec<String>),
}

/// The parameter that stands right behind a word, there or in an optional part.
pub(super) fn behind(nodes: &[Node], word: &str) -> Option<usize> {
    let there = nodes.windows(3).find_map(|three| match three {
        [Node::Literal(literal), Node::Space, Node::Parameter(index)]
            if literal.eq_ignore_ascii_case(word) =>
        {
            Some(*index)
        }
        _ => None,
    });
    there.or_else(|| {
        nodes.iter().find_map(|node| match node {
            Node::Optional(inner) => behind(inner, word),
            _ => None,
        })
    })
}

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in `args`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// What it is when the message leaves it out.
    pub default: Option<Value>,
    /// Written `{name?}`: may be left out, and may then come from the conversation.
    pub optional: bool,
}

/// Why a format cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct FormatError {
    /// The byte in the format, counted from 0.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl FormatError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        self.fault.hint()
    }
}

/// What can be wrong with a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a format is at most {FORMAT_BYTES_MAX} bytes long")]
    TooLong,
    #[error("a format has at most {PARAMETERS_MAX} parameters")]
    TooManyParameters,
    #[error("optional parts are nested at most {NESTING_MAX} deep")]
    TooDeep,
    #[error("this `{0}` is never closed")]
    Unclosed(char),
    #[error("this `{0}` closes nothing")]
    Stray(char),
    #[error("parameters are written with single braces")]
    DoubleBrace,
    #[error("these brackets are empty")]
    Empty,
    #[error("`(…)` takes words only")]
    NotWords,
    #[error("`{0}` cannot be the name of a parameter")]
    Name(String),
    #[error("the parameter `{0}` is there twice")]
    Duplicate(String),
    #[error("unknown type `{0}`")]
    UnknownType(String),
    #[error("a choice is empty")]
    EmptyChoice,
    #[error("`{0}` has a default and a `?`")]
    OptionalDefault(String),
    #[error("the default `{default}` of `{name}` must be {wanted}")]
    Default { name: String, default: String, wanted: String },
    #[error("`{0}` takes the rest of the message, so nothing can follow it")]
    TextNotLast(String),
    #[error("a format needs at least one whole literal word outside of `[…]`")]
    NoLiteral,
}

impl Fault {
    fn hint(&self) -> String {
        match self {
            Fault::TooLong | Fault::TooManyParameters => "split it into several aliases".into(),
            Fault::TooDeep => "give the alias several formats instead".into(),
            Fault::Unclosed(open) => format!("add `{}`", closing(*open)),
            Fault::Stray(_) => "remove it, or open it before".into(),
            Fault::DoubleBrace => "write `{name}`, not `{{name}}`".into(),
            Fault::Empty => "put words or parameters between them, or remove them".into(),
            Fault::NotWords => "write `(this|that)`, and optional parts as `[words {name}]`".into(),
            Fault::Name(_) => {
                "use letters, digits and `_`, beginning with a letter; `extra` is taken by trailing `key=value` pairs"
                    .into()
            }
            Fault::Duplicate(_) => "give each parameter its own name".into(),
            Fault::UnknownType(name) => unknown_type(name),
            Fault::EmptyChoice => "write choices as `{name: this | that}`".into(),
            Fault::OptionalDefault(_) => "keep one: a parameter with a default may be left out anyway".into(),
            Fault::Default { .. } => "change the default or the type".into(),
            Fault::TextNotLast(_) => "move it to the end, or make it one word".into(),
            Fault::NoLiteral => "begin it with a word, such as `show {name}`".into(),
        }
    }
}

fn closing(open: char) -> char {
    match open {
        '[' => ']',
        '(' => ')',
        _ => '}',
    }
}

fn unknown_type(name: &str) -> String {
    let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
    format!("use one of {}; choices are written `{{name: {name} | other}}`", names.join(", "))
}

/// Reads a format into its pieces and parameters.
pub(super) fn parse(format: &str) -> Result<(Vec<Node>, Vec<Parameter>), FormatError> {
    if format.len() > FORMAT_BYTES_MAX {
        return Err(FormatError { column: FORMAT_BYTES_MAX, fault: Fault::TooLong });
    }
    let mut parser = Parser { format, at: 0, parameters: Vec::new(), text: None };
    let mut nodes = parser.sequence(None)?;
    trim(&mut nodes);
    if !(0..nodes.len()).any(|at| is_whole_word(&nodes, at)) {
        return Err(FormatError { column: 0, fault: Fault::NoLiteral });
    }
    Ok((nodes, parser.parameters))
}

/// Whether a piece is words of its own, with nothing glued to it.
pub(super) fn is_whole_word(nodes: &[Node], at: usize) -> bool {
    let free = |node: Option<&Node>| matches!(node, None | Some(Node::Space));
    let before = at.checked_sub(1).and_then(|before| nodes.get(before));
    matches!(nodes[at], Node::Literal(_) | Node::Either(_))
        && free(before)
        && free(nodes.get(at + 1))
}

/// Removes the spaces at the edges and says which there were.
fn trim(nodes: &mut Vec<Node>) -> (bool, bool) {
    let front = nodes.first() == Some(&Node::Space);
    if front {
        nodes.remove(0);
    }
    let back = nodes.last() == Some(&Node::Space);
    if back {
        nodes.pop();
    }
    (front, back)
}

fn space(nodes: &mut Vec<Node>) {
    if nodes.last() != Some(&Node::Space) {
        nodes.push(Node::Space);
    }
}

struct Parser<'a> {
    format: &'a str,
    at: usize,
    parameters: Vec<Parameter>,
    /// The name of the text parameter, once it was read.
    text: Option<String>,
}

impl<'a> Parser<'a> {
    fn error<T>(&self, column: usize, fault: Fault) -> Result<T, FormatError> {
        Err(FormatError { column, fault })
    }

    fn peek(&self) -> Option<char> {
        self.format[self.at..].chars().next()
    }

    /// Reads pieces up to the end, or up to the bracket that closes the innermost optional part.
    fn sequence(&mut self, open: Option<(usize, usize)>) -> Result<Vec<Node>, FormatError> {
        let mut nodes = Vec::new();
        while let Some(c) = self.peek() {
            let column = self.at;
            self.at += c.len_utf8();
            match (text::plain_char(c), open) {
                (None, _) => continue,
                (Some(' '), _) => {
                    space(&mut nodes);
                    continue;
                }
                (Some(']'), Some(_)) => return Ok(nodes),
                (Some(c @ (']' | ')' | '}')), _) => return self.error(column, Fault::Stray(c)),
                _ => {}
            }
            if let Some(name) = &self.text {
                return self.error(column, Fault::TextNotLast(name.clone()));
            }
            match c {
                '[' => self.optional(column, open.map_or(0, |(_, depth)| depth), &mut nodes)?,
                '(' => nodes.push(self.either(column)?),
                '{' => nodes.push(self.parameter(column)?),
                _ => {
                    self.at = column;
                    nodes.push(self.literal());
                }
            }
        }
        match open {
            Some((column, _)) => self.error(column, Fault::Unclosed('[')),
            None => Ok(nodes),
        }
    }

    fn literal(&mut self) -> Node {
        let rest = &self.format[self.at..];
        let ends = |c: char| "[](){}".contains(c) || text::plain_char(c) == Some(' ');
        let end = rest.find(ends).unwrap_or(rest.len());
        self.at += end;
        Node::Literal(text::plain(&rest[..end]))
    }

    fn optional(
        &mut self,
        column: usize,
        depth: usize,
        nodes: &mut Vec<Node>,
    ) -> Result<(), FormatError> {
        if depth == NESTING_MAX {
            return self.error(column, Fault::TooDeep);
        }
        let mut inner = self.sequence(Some((column, depth + 1)))?;
        let (front, back) = trim(&mut inner);
        if inner.is_empty() {
            return self.error(column, Fault::Empty);
        }
        if front {
            space(nodes);
        }
        nodes.push(Node::Optional(inner));
        if back {
            space(nodes);
        }
        Ok(())
    }

    /// Takes what stands before `close`, and `close`.
    fn inside(&mut self, column: usize, open: char) -> Result<&'a str, FormatError> {
        let rest = &self.format[self.at..];
        let brackets: &[char] =
            if open == '{' { &['{', '}'] } else { &['{', '}', '(', ')', '[', ']'] };
        let Some(end) = rest.find(brackets) else {
            return self.error(column, Fault::Unclosed(open));
        };
        match rest[end..].chars().next() {
            Some(found) if found == closing(open) => {
                self.at += end + 1;
                Ok(&rest[..end])
            }
            _ if open == '(' => self.error(self.at + end, Fault::NotWords),
            _ => self.error(column, Fault::Unclosed(open)),
        }
    }

    fn either(&mut self, column: usize) -> Result<Node, FormatError> {
        let ways: Vec<_> = self.inside(column, '(')?.split('|').map(folded_space).collect();
        if ways.iter().any(String::is_empty) {
            return self
                .error(column, if ways.len() > 1 { Fault::EmptyChoice } else { Fault::Empty });
        }
        Ok(Node::Either(ways))
    }

    fn parameter(&mut self, column: usize) -> Result<Node, FormatError> {
        if self.peek() == Some('{') {
            return self.error(column, Fault::DoubleBrace);
        }
        let body = self.inside(column, '{')?;
        if self.parameters.len() == PARAMETERS_MAX {
            return self.error(column, Fault::TooManyParameters);
        }
        let parameter = parameter(body).or_else(|fault| self.error(column, fault))?;
        if self.parameters.iter().any(|other| other.name == parameter.name) {
            return self.error(column, Fault::Duplicate(parameter.name));
        }
        if parameter.kind == Kind::Text {
            self.text = Some(parameter.name.clone());
        }
        self.parameters.push(parameter);
        Ok(Node::Parameter(self.parameters.len() - 1))
    }
}

/// Reads what stands between braces: `name`, `name?`, `name=default`, `name:type=default`, `name: a | b = a`.
fn parameter(body: &str) -> Result<Parameter, Fault> {
    let (head, default) = match body.split_once('=') {
        Some((head, default)) => (head, Some(folded_space(default))),
        None => (body, None),
    };
    let (name, kind) =
        head.split_once(':').map_or((head, None), |(name, kind)| (name, Some(kind.trim())));
    let (name, mut optional) = marked_optional(name.trim());
    let kind = match kind {
        Some(choices) if choices.contains('|') => self::choices(choices)?,
        Some(kind) => {
            let (kind, marked) = marked_optional(kind);
            optional |= marked;
            named_kind(kind)?
        }
        None => Kind::Word,
    };
    if !is_name(name) {
        return Err(Fault::Name(name.to_owned()));
    }
    if optional && default.is_some() {
        return Err(Fault::OptionalDefault(name.to_owned()));
    }
    let default = default.map(|written| default_value(name, &kind, written)).transpose()?;
    Ok(Parameter { name: name.to_owned(), kind, default, optional })
}

fn marked_optional(written: &str) -> (&str, bool) {
    match written.strip_suffix('?') {
        Some(name) => (name.trim(), true),
        None => (written, false),
    }
}

fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name != "extra"
        && name.chars().all(letters)
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn named_kind(name: &str) -> Result<Kind, Fault> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| kind.clone()).ok_or_else(|| Fault::UnknownType(name.to_owned()))
}

fn choices(written: &str) -> Result<Kind, Fault> {
    let choices: Vec<_> = written.split('|').map(folded_space).collect();
    if choices.iter().any(String::is_empty) {
        return Err(Fault::EmptyChoice);
    }
    Ok(Kind::Choices(choices))
}

fn default_value(name: &str, kind: &Kind, written: String) -> Result<Value, Fault> {
    let value = if written.is_empty() { None } else { kind.value(&written) };
    value.ok_or_else(|| Fault::Default {
        name: name.to_owned(),
        default: written,
        wanted: kind.wanted(),
    })
}

fn folded_space(written: &str) -> String {
    text::plain(written).split_whitespace().collect::<Vec<_>>().join(" ")
}
