//! `!why` and `!what did ann do today`: what the bot tells of its own reasons, and of what somebody asked for.

use serde_json::{Value, json};

use super::builtin::Builtin;
use super::id::PostId;

/// The reactions that ask why.
pub const REACTIONS: &[&str] = &["❓", "❔", "⁉️", "⁉", "?"];
/// Longest id or name in a command, in bytes.
pub const WORD_BYTES_MAX: usize = 256;
/// What is told of where nobody says when.
pub const WHEN: &str = "today";

/// The commands as help shows them.
pub const COMMANDS: &[(Builtin, &str, &str)] = &[
    (
        Builtin::Why,
        "why [{id}]",
        "Tell what led to what I said last, to the message that you reply to, or to what the id names; ❓ on a message asks the same",
    ),
    (
        Builtin::WhatDid,
        "what did {who} do [{when}]",
        "Tell what somebody asked for, and what came of it: `what did i do today`, `what did ann do since monday`",
    ),
];

/// A command of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyCommand {
    /// What led to something.
    Why {
        /// What, by its id; empty: the message that it replies to, else what was said last.
        id: String,
    },
    /// What somebody asked for.
    WhatDid {
        /// Who; none: the one who asks.
        who: Option<String>,
        /// When.
        when: String,
    },
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<WhyCommand> {
    let text = text.trim().trim_end_matches(['?', '!']).trim_end();
    if text.len() > 2 * WORD_BYTES_MAX {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    match words.as_slice() {
        [why] if is(why, "why") => Some(WhyCommand::Why { id: String::new() }),
        [why, id] if is(why, "why") && named(id) => Some(WhyCommand::Why { id: (*id).to_owned() }),
        [what, did, who, done, when @ ..]
            if is(what, "what") && is(did, "did") && (is(done, "do") || is(done, "ask")) =>
        {
            let me = is(who, "i") || is(who, "me");
            let who = (!me).then(|| person(who));
            let when = if when.is_empty() { WHEN.to_owned() } else { when.join(" ") };
            Some(WhyCommand::WhatDid { who, when })
        }
        _ => None,
    }
}

/// Whether a word can be an id: of an execution, a message, an event or a stream.
fn named(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_/.:".contains(c);
    let digit = word.chars().any(|c| c.is_ascii_digit());
    // An id has a digit in it or a stroke; `why not` and `why me` are talk.
    word.chars().all(fits) && (digit || word.contains('/') || word == word.to_uppercase())
}

/// Somebody as they are written behind an @.
fn person(word: &str) -> String {
    match word.strip_prefix('@') {
        Some(name) if !name.contains(':') => name.to_owned(),
        _ => word.to_owned(),
    }
}

impl WhyCommand {
    /// What does it.
    pub fn builtin(&self) -> Builtin {
        match self {
            Self::Why { .. } => Builtin::Why,
            Self::WhatDid { .. } => Builtin::WhatDid,
        }
    }

    /// Its first word.
    pub fn name(&self) -> &'static str {
        self.builtin().name()
    }

    /// What an execution of it is started with; the post that it replies to is what is asked about.
    pub fn args(&self, reply_to: Option<&PostId>) -> Value {
        match self {
            Self::Why { id } => json!({ "id": id, "post": reply_to }),
            Self::WhatDid { who, when } => json!({ "who": who, "when": when }),
        }
    }
}

/// What an execution is started with for a reaction that asks why.
pub fn of_reaction(key: &str, target: &PostId) -> Option<Value> {
    REACTIONS.contains(&key).then(|| json!({ "id": "", "post": target }))
}

/// The filters in words for what somebody did at some time: `since`, and for what has an end, `until`.
pub fn times(when: &str) -> Vec<(&'static str, String)> {
    let words = when.trim().trim_start_matches("on ").trim_start_matches("in the last ");
    let word = |prefix: &str| words.strip_prefix(prefix).map(|rest| rest.trim().to_owned());
    if let Some(since) = word("since ") {
        return vec![("since", since)];
    }
    if when.trim().starts_with("in the last ") || words.ends_with("ago") {
        let ago = if words.ends_with("ago") { words.to_owned() } else { format!("{words} ago") };
        return vec![("since", ago)];
    }
    vec![("since", words.to_owned()), ("until", words.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let long = format!("why {}", "1".repeat(2 * WORD_BYTES_MAX));
        for (text, want) in [
            ("why", "why "),
            (" Why? ", "why "),
            ("why 4F7K2Q9A", "why 4F7K2Q9A"),
            ("why 4f7k", "why 4f7k"),
            ("why 41", "why 41"),
            ("why ABCDE", "why ABCDE"),
            ("why execution-ABCDE/0", "why execution-ABCDE/0"),
            ("why not", "none"),
            ("why me?", "none"),
            ("why is the sky blue", "none"),
            (long.as_str(), "none"),
            ("what did ann do today", "ann today"),
            ("what did @ann do yesterday?", "ann yesterday"),
            ("What did @ann:hs do since monday", "@ann:hs since monday"),
            ("what did I do", "me today"),
            ("what did me do", "me today"),
            ("what did you mean", "none"),
            ("whatever", "none"),
            ("", "none"),
        ] {
            let got = match parse(text) {
                None => "none".to_owned(),
                Some(WhyCommand::Why { id }) => format!("why {id}"),
                Some(WhyCommand::WhatDid { who, when }) => {
                    format!("{} {when}", who.unwrap_or("me".into()))
                }
            };
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn a_question_mark_as_a_reaction_asks_why() {
        let post = PostId("$1".into());
        for (key, want) in [("❓", true), ("?", true), ("👍", false), ("yes", false), ("", false)]
        {
            assert_eq!(of_reaction(key, &post).is_some(), want, "{key}");
        }
    }

    #[test]
    fn times_are_stretches_or_begin_somewhere() {
        for (when, want) in [
            ("today", "since today until today"),
            ("on monday", "since monday until monday"),
            ("since yesterday", "since yesterday"),
            ("2h ago", "since 2h ago"),
            ("in the last 2h", "since 2h ago"),
        ] {
            let got: Vec<String> =
                times(when).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
            assert_eq!(got.join(" "), want, "{when}");
        }
    }
}
