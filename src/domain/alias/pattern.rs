//! From the pieces of a format to the regular expression that finds them in a message.

use std::collections::BTreeMap;

use regex::{Captures, Regex, RegexBuilder};

use super::parse::{Node, Parameter};
use super::value;

/// Most memory that one compiled format may take, in bytes.
const REGEX_BYTES_MAX: usize = 8 << 20;

/// Most beginnings of formats that are kept compiled for one message.
pub const BEGINNINGS_MAX: usize = 256;

/// Trailing `key=value` pairs.
const PAIR: &str = r#"[A-Za-z_][A-Za-z0-9_.-]*=(?:"[^"\x00]*"|'[^'\x00]*'|[^"' \x00][^ \x00]*|)"#;

/// What a group of the regular expression stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Group {
    Parameter(usize),
    /// An optional part with so many literal words.
    Words(usize),
    Either,
    Extra,
    /// What is left over at the end; in a loose pattern only.
    Rest,
}

/// A format as a regular expression over the plain form of a message.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    groups: Vec<Group>,
    /// Literal words that are always there.
    words: usize,
}

impl Pattern {
    /// The pattern of messages that fit.
    pub(super) fn strict(nodes: &[Node], parameters: &[Parameter]) -> Self {
        Self::build(nodes, parameters, false)
    }

    /// The pattern of messages with the right words, but parameters that are missing, wrong or too many.
    pub(super) fn loose(nodes: &[Node], parameters: &[Parameter]) -> Self {
        Self::build(nodes, parameters, true)
    }

    /// The same for the beginning of a format: those that are written alike are compiled once.
    pub(super) fn beginning(
        nodes: &[Node],
        parameters: &[Parameter],
        known: &mut BTreeMap<String, Regex>,
    ) -> Self {
        let (source, groups, words) = Self::written(nodes, parameters, false);
        if let Some(regex) = known.get(&source) {
            return Pattern { regex: regex.clone(), groups, words };
        }
        let regex = compiled(&source);
        if known.len() >= BEGINNINGS_MAX {
            known.clear();
        }
        known.insert(source, regex.clone());
        Pattern { regex, groups, words }
    }

    fn build(nodes: &[Node], parameters: &[Parameter], loose: bool) -> Self {
        let (source, groups, words) = Self::written(nodes, parameters, loose);
        Pattern { regex: compiled(&source), groups, words }
    }

    /// The regular expression with what its groups stand for, and how many literal words are always there.
    fn written(
        nodes: &[Node],
        parameters: &[Parameter],
        loose: bool,
    ) -> (String, Vec<Group>, usize) {
        let mut source = Source { parameters, loose, regex: String::from("^"), groups: Vec::new() };
        let words = source.sequence(nodes, true);
        source.group(Group::Extra, |source| source.regex.push_str(&format!("(?: +{PAIR})*")));
        if loose {
            source.regex.push_str("(?: +");
            source.group(Group::Rest, |source| source.regex.push_str(".+"));
            source.regex.push_str(")?");
        }
        source.regex.push('$');
        (source.regex, source.groups, words)
    }

    pub(super) fn captures<'t>(&self, plain: &'t str) -> Option<Captures<'t>> {
        self.regex.captures(plain)
    }

    /// The groups that took part, with what each stands for and where it is.
    pub(super) fn found<'a>(
        &'a self,
        captures: &'a Captures<'_>,
    ) -> impl Iterator<Item = (Group, std::ops::Range<usize>)> + 'a {
        let at = |(index, group): (usize, &Group)| {
            captures.get(index + 1).map(|found| (*group, found.range()))
        };
        self.groups.iter().enumerate().filter_map(at)
    }

    /// How many literal words a message was matched by.
    pub(super) fn literals(&self, captures: &Captures<'_>) -> usize {
        let taken = |(group, range): (Group, std::ops::Range<usize>)| match group {
            Group::Words(words) => words,
            Group::Either => captures[0][range].split(' ').filter(|word| !word.is_empty()).count(),
            Group::Parameter(_) | Group::Extra | Group::Rest => 0,
        };
        self.words + self.found(captures).map(taken).sum::<usize>()
    }
}

fn compiled(source: &str) -> Regex {
    let built = RegexBuilder::new(source).size_limit(REGEX_BYTES_MAX).build();
    built.expect("a format within its bounds compiles; the test of the worst formats holds this")
}

/// Key and value of each trailing pair, as ranges of `plain`.
pub(super) fn pairs(
    plain: &str,
    extra: std::ops::Range<usize>,
) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut pairs = Vec::new();
    let mut at = extra.start;
    while at < extra.end {
        let rest = &plain[at..extra.end];
        let key = at + rest.len() - rest.trim_start().len();
        let Some(equals) = plain[key..extra.end].find('=').map(|found| key + found) else {
            break;
        };
        let value = &plain[equals + 1..extra.end];
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let len = match quote {
            Some(quote) => value[1..].find(quote).map_or(value.len(), |end| end + 2),
            None => value.find(' ').unwrap_or(value.len()),
        };
        at = equals + 1 + len;
        pairs.push((key..equals, equals + 1..at));
    }
    pairs
}

struct Source<'a> {
    parameters: &'a [Parameter],
    loose: bool,
    regex: String,
    groups: Vec<Group>,
}

impl Source<'_> {
    fn group(&mut self, group: Group, inside: impl FnOnce(&mut Self)) {
        self.groups.push(group);
        self.regex.push('(');
        inside(self);
        self.regex.push(')');
    }

    /// Writes out a space that is still owed.
    fn space(&mut self, owed: &mut bool) {
        if std::mem::take(owed) {
            self.regex.push_str(" +");
        }
    }

    /// Writes pieces; a space before one that may be absent goes inside of it. Returns the literal words.
    fn sequence(&mut self, nodes: &[Node], mut owed: bool) -> usize {
        let mut words = 0;
        for (at, node) in nodes.iter().enumerate() {
            let glued = nodes.get(at + 1).is_some_and(|next| *next != Node::Space);
            if !self.may_be_absent(node) || glued {
                self.space(&mut owed);
            }
            match node {
                Node::Space => owed = true,
                Node::Literal(word) => {
                    self.regex.push_str(&value::literal(word));
                    words += 1;
                }
                Node::Either(ways) => {
                    let mut ways: Vec<_> = ways.iter().collect();
                    ways.sort_by_key(|way| std::cmp::Reverse(way.len()));
                    let ways: Vec<_> = ways.into_iter().map(|way| value::literal(way)).collect();
                    self.group(Group::Either, |source| source.regex.push_str(&ways.join("|")));
                }
                Node::Parameter(index) => self.parameter(*index, node, &mut owed),
                Node::Optional(inner) => self.optional(inner, &mut owed),
            }
        }
        words
    }

    fn may_be_absent(&self, node: &Node) -> bool {
        match node {
            Node::Optional(_) | Node::Space => true,
            Node::Parameter(index) => {
                let parameter = &self.parameters[*index];
                self.loose || parameter.optional || parameter.default.is_some()
            }
            Node::Literal(_) | Node::Either(_) => false,
        }
    }

    fn parameter(&mut self, index: usize, node: &Node, owed: &mut bool) {
        let kind = &self.parameters[index].kind;
        let pattern = if self.loose { kind.loose_pattern() } else { kind.pattern() };
        let absent = self.may_be_absent(node);
        if absent {
            self.regex.push_str("(?:");
            self.space(owed);
        }
        self.group(Group::Parameter(index), |source| source.regex.push_str(&pattern));
        if absent {
            self.regex.push_str(")?");
        }
    }

    /// An optional part is a group of its own, so that its literal words count when it is there.
    fn optional(&mut self, inner: &[Node], owed: &mut bool) {
        let slot = self.groups.len();
        let mut words = 0;
        self.group(Group::Words(0), |source| words = source.sequence(inner, std::mem::take(owed)));
        self.groups[slot] = Group::Words(words);
        self.regex.push('?');
    }
}
