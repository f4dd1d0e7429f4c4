//! From a format to messages that fit it: witnesses for what two formats have in common.

use super::Format;
use super::parse::{Node, Parameter};
use super::value::Kind;

/// Most examples of one format.
pub const EXAMPLES_MAX: usize = 16;

impl Format {
    /// Messages that fit this format: with and without its optional parts, with each of its words and choices.
    pub fn examples(&self) -> Vec<String> {
        let ways = [true, false].into_iter();
        let mut found: Vec<String> = vec![];
        for (with, nth) in ways.flat_map(|with| (0..EXAMPLES_MAX / 2).map(move |nth| (with, nth))) {
            let text = example(&self.nodes, &self.parameters, with, nth);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if !found.contains(&text) && self.matches(&text).is_some() {
                found.push(text);
            }
        }
        found
    }
}

/// The n-th example, with or without what may be left out.
fn example(nodes: &[Node], parameters: &[Parameter], with: bool, nth: usize) -> String {
    let piece = |node: &Node| match node {
        Node::Space => " ".to_owned(),
        Node::Literal(word) => word.clone(),
        Node::Either(ways) => ways.get(nth % ways.len().max(1)).cloned().unwrap_or_default(),
        Node::Optional(_) if !with => String::new(),
        Node::Optional(inner) => example(inner, parameters, with, nth),
        Node::Parameter(index) => {
            let parameter = &parameters[*index];
            match !with && (parameter.optional || parameter.default.is_some()) {
                true => String::new(),
                false => value(&parameter.kind, nth),
            }
        }
    };
    nodes.iter().map(piece).collect()
}

fn value(kind: &Kind, nth: usize) -> String {
    match kind {
        Kind::Word => "something".into(),
        Kind::Int | Kind::Number => "7".into(),
        Kind::Bool => "yes".into(),
        Kind::Duration => "15m".into(),
        Kind::Time => "12:30".into(),
        Kind::When => "tomorrow at 9:00".into(),
        Kind::User => "@somebody:example.org".into(),
        Kind::Room => "#somewhere".into(),
        Kind::Text => "something to say".into(),
        Kind::Choices(list) => list.get(nth % list.len().max(1)).cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_fit_their_format() {
        for (format, want) in [
            ("ping", vec!["ping"]),
            ("hello [{name}]", vec!["hello something", "hello"]),
            ("(restart|reboot) {host}", vec!["restart something", "reboot something"]),
            ("create {n:int} on {p: aws | gce}", vec!["create 7 on aws", "create 7 on gce"]),
            ("note {text:text}", vec!["note something to say"]),
            ("wait {time:duration=5m}", vec!["wait 15m", "wait"]),
            (
                "ask {who:user} in {where:room} at {when:time} {sure:bool}",
                vec!["ask @somebody:example.org in #somewhere at 12:30 yes"],
            ),
        ] {
            let parsed = Format::parse(format).unwrap_or_else(|why| panic!("{format}: {why}"));
            assert_eq!(parsed.examples(), want, "{format}");
        }
        let many = format!("({}) {{x}}", ["a", "b"].repeat(20).join("|"));
        assert!(Format::parse(&many).expect("it is a format").examples().len() <= EXAMPLES_MAX);
    }
}
