//! From a format to the line of help that shows how the command is written; a format again.

use super::parse::{Node, Parameter};
use super::value::Kind;

/// The format in its one usual spelling.
pub(super) fn usage(nodes: &[Node], parameters: &[Parameter]) -> String {
    let piece = |node: &Node| match node {
        Node::Space => " ".to_owned(),
        Node::Literal(word) => word.clone(),
        Node::Either(ways) => format!("({})", ways.join("|")),
        Node::Optional(inner) => format!("[{}]", usage(inner, parameters)),
        Node::Parameter(index) => parameter_usage(&parameters[*index]),
    };
    nodes.iter().map(piece).collect()
}

fn parameter_usage(parameter: &Parameter) -> String {
    let wide = matches!(parameter.kind, Kind::Choices(_));
    let mut usage = format!("{{{}", parameter.name);
    if parameter.optional {
        usage.push('?');
    }
    if let Some(kind) = parameter.kind.written() {
        usage.push_str(if wide { ": " } else { ":" });
        usage.push_str(&kind);
    }
    if let Some(default) = &parameter.default {
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        usage.push_str(if wide { " = " } else { "=" });
        usage.push_str(&default);
    }
    usage + "}"
}
