//! What the bot says of what it takes from a conversation.

use serde_json::Value;

use super::super::catch_up::ago;
use super::super::context::{Assumed, Source};

/// What was assumed of a command, and why.
pub fn assumed(all: &[Assumed]) -> String {
    let one = |it: &Assumed| {
        let from = match it.source {
            Source::Alert => "from the alert of this thread".to_owned(),
            Source::Mentioned { ago_ms } => format!("which was said {} ago", ago(ago_ms)),
            Source::Room => "which is the default of this room".to_owned(),
        };
        format!("{}={}, {from}", it.name, value(&it.value))
    };
    format!("Taking {}.", all.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// What stands behind a question for a value that could have been assumed.
pub fn hint(of: &Value) -> String {
    format!(" The last one was `{}`; I do not assume it here.", value(of))
}

/// There is nothing that could be done again with something else.
pub const NOT_WRITTEN_SO: &str =
    "I cannot put that into what you asked for before: say the whole command.";

/// Nothing in a command takes these words.
pub fn takes_no(words: &str, command: &str) -> String {
    format!("nothing in “{command}” can be `{words}`.")
}

/// A value is none that a parameter takes.
pub fn must_be(name: &str, wanted: &str, text: &str) -> String {
    format!("`{name}` must be {wanted}, not `{text}`.")
}

/// A command has no such parameter.
pub fn no_parameter(name: &str, command: &str, known: &[&str]) -> String {
    match known {
        [] => format!("“{command}” takes nothing that could be `{name}`."),
        known => format!("“{command}” has no `{name}`; it has {}.", known.join(", ")),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
