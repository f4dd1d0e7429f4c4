//! `!what can you do here`, `!can`, `!who can` and `!grants`: what is told at once of scripts and policies.

/// Longest name of somebody, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// The commands as help shows them.
pub const COMMANDS: &[(&str, &str)] = &[
    (
        "what can you do here",
        "List what you may use here: where it is written, who may use it, when it was used last, on or off",
    ),
    (
        "can {who} {command}",
        "Tell whether somebody may run a command here, and which policy says so",
    ),
    ("who can {command}", "Tell who may run a command here"),
    ("grants", "List what is granted to whom for a while"),
    (
        "rules [for {room or words}]",
        "List the rules: what each listens to, where it speaks, what it runs, when it ran last, on or off",
    ),
    ("what posts here", "List the rules that speak in this room"),
    (
        "automation",
        "List all that happens by itself, rules, schedules, webhooks and sensors, and how it is switched off",
    ),
];

/// A command of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TellCommand {
    /// What is offered here.
    Catalog,
    /// Whether somebody may do something here.
    Can {
        /// Who; none: the one who asks.
        who: Option<String>,
        /// What, as it would be said.
        text: String,
    },
    /// Who may do something here.
    WhoCan {
        /// What, as it would be said.
        text: String,
    },
    /// What is granted now.
    Grants,
    /// The rules that these words are about: a room, a trigger, a part of a name. Empty: all.
    Rules {
        /// The words.
        about: String,
    },
    /// The rules that speak in this room.
    PostsHere,
    /// All that happens by itself.
    Automation,
}

/// Words behind `can` that are nobody's name.
const NOBODY: &[&str] = &[
    "you",
    "we",
    "he",
    "she",
    "they",
    "it",
    "anybody",
    "anyone",
    "somebody",
    "someone",
    "everybody",
    "everyone",
    "nobody",
    "this",
    "that",
    "the",
    "a",
    "an",
    "not",
    "be",
];

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<TellCommand> {
    let text = text.trim().trim_end_matches(['?', '!']).trim_end();
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let behind = |words: usize| -> Option<String> {
        let rest: Vec<&str> = text.split_whitespace().skip(words).collect();
        (!rest.is_empty()).then(|| rest.join(" "))
    };
    match words.as_slice() {
        ["grants"] => Some(TellCommand::Grants),
        ["rules"] => Some(TellCommand::Rules { about: String::new() }),
        ["rules", "for", ..] => behind(2).map(|about| TellCommand::Rules { about }),
        ["rules", ..] => behind(1).map(|about| TellCommand::Rules { about }),
        ["what", "posts", "here"] => Some(TellCommand::PostsHere),
        ["automation"]
        | ["where", "is", "all", "my" | "the" | "our", "automation" | "automation?", ..]
        | ["how", "do", "i", "turn", "it", "off"] => Some(TellCommand::Automation),
        ["who", "can", ..] => behind(2).map(|text| TellCommand::WhoCan { text }),
        // Of nobody in particular it is talk: can you believe it.
        ["can", who, ..] if !NOBODY.contains(who) => {
            let named = text.split_whitespace().nth(1).filter(|_| *who != "i");
            let fits = named.is_none_or(|who| who.len() <= NAME_BYTES_MAX);
            let text = behind(2).filter(|_| fits)?;
            Some(TellCommand::Can { who: named.map(str::to_owned), text })
        }
        ["what", "can", "you" | "i", "do"] | ["what", "can", "you" | "i", "do", "here"] => {
            Some(TellCommand::Catalog)
        }
        _ => None,
    }
}

impl TellCommand {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Catalog => "what can you do here",
            Self::Can { .. } => "can",
            Self::WhoCan { .. } => "who can",
            Self::Grants => "grants",
            Self::Rules { .. } => "rules",
            Self::PostsHere => "what posts here",
            Self::Automation => "automation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let can = |who: Option<&str>, text: &str| {
            Some(TellCommand::Can { who: who.map(str::to_owned), text: text.into() })
        };
        let long = format!("can @{} deploy", "x".repeat(NAME_BYTES_MAX));
        for (text, want) in [
            ("what can you do here", Some(TellCommand::Catalog)),
            (" What can you do here? ", Some(TellCommand::Catalog)),
            ("what can i do", Some(TellCommand::Catalog)),
            ("grants", Some(TellCommand::Grants)),
            ("rules", Some(TellCommand::Rules { about: String::new() })),
            ("Rules for #ops?", Some(TellCommand::Rules { about: "#ops".into() })),
            ("rules nagios", Some(TellCommand::Rules { about: "nagios".into() })),
            ("what posts here?", Some(TellCommand::PostsHere)),
            ("automation", Some(TellCommand::Automation)),
            ("Where is all my automation? How do I turn it off?", Some(TellCommand::Automation)),
            ("How do I turn it off?", Some(TellCommand::Automation)),
            ("automation is hard", None),
            ("who can deploy Shop?", Some(TellCommand::WhoCan { text: "deploy Shop".into() })),
            ("who can", None),
            ("can @Bob deploy Shop", can(Some("@Bob"), "deploy Shop")),
            ("Can I deploy it?", can(None, "deploy it")),
            ("can @bob", None),
            ("can you believe it", None),
            ("can anybody help me", None),
            ("can ben deploy Shop", can(Some("ben"), "deploy Shop")),
            (long.as_str(), None),
            ("what can you do about it", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }
}
