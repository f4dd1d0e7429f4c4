//! `!what can you do here`, `!can`, `!who can` and `!grants`: what is told at once of scripts and policies.

/// Longest name of somebody, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// The commands as help shows them.
pub const COMMANDS: &[(&str, &str)] = &[(
    "what can you do here",
    "List what you may use here: where it is written, who may use it, when it was used last, on or off",
)];

/// A command of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TellCommand {
    /// What is offered here.
    Catalog,
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<TellCommand> {
    let text = text.trim().trim_end_matches(['?', '!']).to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        for (text, want) in [
            ("what can you do here", Some(TellCommand::Catalog)),
            (" What can you do here? ", Some(TellCommand::Catalog)),
            ("what can i do", Some(TellCommand::Catalog)),
            ("what can you do about it", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }
}
