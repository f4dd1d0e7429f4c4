//! `!grant` and `!revoke`: what somebody may do for a while, given and taken back by those who may manage the bot.

use serde_json::{Value, json};

use super::alias::parse_duration;
use super::builtin::Builtin;
use super::policy::{Resource, ResourceKind};

/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// Longest name of somebody, and longest text of a command, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// The name under which policies know the grants, of the kind of the bot itself.
pub const GRANTS: &str = "grants";

/// The commands as help shows them.
pub const COMMANDS: &[(Builtin, &str, &str)] = &[
    (
        Builtin::Grant,
        "grant {who} {command} for {time} [because {reason}]",
        "Let somebody run a command for a while: `grant @bob deploy for 2h because ann is away`",
    ),
    (Builtin::Revoke, "revoke {id} [because {reason}]", "End a grant before its time"),
];

/// One of these commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantCommand {
    /// Let somebody run a command for a while.
    Grant {
        /// Who.
        who: String,
        /// Which, by its name, its first words, or as it is said.
        what: String,
        /// How long.
        ms: i64,
        /// Why; empty: they did not say.
        reason: String,
    },
    /// End a grant.
    Revoke {
        /// The beginning of its id.
        grant: String,
        /// Why; empty: they did not say.
        reason: String,
    },
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<GrantCommand> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace)?;
    let (rest, reason) = because(rest);
    if rest.len() > TEXT_BYTES_MAX {
        return None;
    }
    match first.to_lowercase().as_str() {
        "grant" => {
            let (who, rest) = rest.split_once(char::is_whitespace)?;
            let (what, time) = behind_last(rest, " for ")?;
            let ms = parse_duration(time.trim()).ok()?;
            let (who, what) = (who.to_owned(), what.trim().to_owned());
            Some(GrantCommand::Grant { who, what, ms, reason })
        }
        "revoke" => {
            let plain = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric());
            plain.then(|| GrantCommand::Revoke { grant: rest.to_owned(), reason })
        }
        _ => None,
    }
}

/// What stands before a reason, and the reason.
fn because(text: &str) -> (&str, String) {
    let lower = text.to_ascii_lowercase();
    match lower.find(" because ") {
        Some(at) => (text[..at].trim(), text[at + " because ".len()..].trim().to_owned()),
        None => (text.trim(), String::new()),
    }
}

fn behind_last<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_lowercase().rfind(mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

impl GrantCommand {
    /// What does it.
    pub fn builtin(&self) -> Builtin {
        match self {
            Self::Grant { .. } => Builtin::Grant,
            Self::Revoke { .. } => Builtin::Revoke,
        }
    }

    /// Its first word.
    pub fn name(&self) -> &'static str {
        self.builtin().name()
    }

    /// What an execution of it is started with.
    pub fn args(&self) -> Value {
        match self {
            Self::Grant { who, what, ms, reason } => {
                json!({ "who": who, "what": what, "ms": ms, "reason": reason })
            }
            Self::Revoke { grant, reason } => json!({ "grant": grant, "reason": reason }),
        }
    }

    /// Why it makes no sense as it stands, if so.
    pub fn refusal(&self) -> Option<String> {
        let (Self::Grant { reason, .. } | Self::Revoke { reason, .. }) = self;
        (reason.len() > REASON_BYTES_MAX)
            .then(|| format!("that reason is too long: I keep at most {REASON_BYTES_MAX} bytes."))
    }
}

/// What policies are asked about somebody who gives or takes back a grant.
pub fn resource() -> Resource {
    Resource::of(ResourceKind::Bot, GRANTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let long = format!("grant @bob {} for 2h", "x".repeat(TEXT_BYTES_MAX));
        for (text, want) in [
            ("grant @bob deploy for 2h because it burns", "@bob|deploy|7200000|it burns"),
            ("Grant @bob deploy shop for 30m", "@bob|deploy shop|1800000|"),
            ("grant bob wait for me for 1d", "bob|wait for me|86400000|"),
            ("grant @bob deploy", "none"),
            ("grant @bob deploy for ever", "none"),
            ("grant @bob for 2h", "none"),
            ("revoke 4F7K because it is over", "4F7K||it is over"),
            ("revoke", "none"),
            ("revoke it all", "none"),
            (long.as_str(), "none"),
        ] {
            let got = match parse(text) {
                None => "none".to_owned(),
                Some(GrantCommand::Grant { who, what, ms, reason }) => {
                    format!("{who}|{what}|{ms}|{reason}")
                }
                Some(GrantCommand::Revoke { grant, reason }) => format!("{grant}||{reason}"),
            };
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn a_reason_has_a_bound() {
        for (bytes, refused) in [(REASON_BYTES_MAX, false), (REASON_BYTES_MAX + 1, true)] {
            let text = format!("revoke 4F because {}", "x".repeat(bytes));
            let command = parse(&text).expect("it is a command");
            assert_eq!(command.refusal().is_some(), refused, "{bytes}");
        }
    }
}
