//! `!link`, `!unlink` and `!whoami`: which accounts are one person, and who somebody is for the bot.

use super::id::UserId;

/// How many characters a code has.
pub const CODE_CHARS: usize = 8;

/// The commands as help shows them.
pub const COMMANDS: &[(&str, &str)] = &[
    ("link", "Get a code that joins another account of yours with this one"),
    ("link {code} {account}", "With your other account: say the code and the account that got it"),
    ("unlink [{account}]", "Part an account of yours from the others"),
    ("whoami", "Who you are for me: your account, what proves it, your roles here"),
];

/// A command about people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeopleCommand {
    /// A code is wanted.
    Link,
    /// A code is said, with the account that it is of.
    Claim {
        /// The code, as it is compared.
        code: String,
        /// The account that got it.
        of: Option<UserId>,
    },
    /// Whoever got a code, or said it, says what they think of the other account.
    Answer {
        /// The code, as it is compared.
        code: String,
        /// Whether it is the same person.
        yes: bool,
    },
    /// Who is asked whether they are the same person says so without the code.
    Plain {
        /// Whether they are.
        yes: bool,
    },
    /// An account is to be a person of its own.
    Unlink {
        /// Which; none: the one that speaks.
        account: Option<UserId>,
    },
    /// Somebody wants to know who they are.
    WhoAmI,
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<PeopleCommand> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (lower.as_slice(), words.as_slice()) {
        (["whoami"] | ["who", "am", "i"] | ["who", "am", "i?"], _) => Some(PeopleCommand::WhoAmI),
        (["link"], _) => Some(PeopleCommand::Link),
        (["link", _], [_, code]) => Some(PeopleCommand::Claim { code: plain(code)?, of: None }),
        (["link", _, answer @ ("yes" | "no")], [_, code, _]) => {
            Some(PeopleCommand::Answer { code: plain(code)?, yes: *answer == "yes" })
        }
        (["link", ..], [_, code, account]) => {
            Some(PeopleCommand::Claim { code: plain(code)?, of: Some(id(account)?) })
        }
        (["unlink"], _) => Some(PeopleCommand::Unlink { account: None }),
        (["unlink", _], [_, account]) => {
            Some(PeopleCommand::Unlink { account: Some(id(account)?) })
        }
        _ => None,
    }
}

impl PeopleCommand {
    /// Its first word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Link | Self::Claim { .. } | Self::Answer { .. } | Self::Plain { .. } => "link",
            Self::Unlink { .. } => "unlink",
            Self::WhoAmI => "whoami",
        }
    }
}

/// Whether a text says yes or no and nothing else.
pub fn plain_answer(text: &str) -> Option<bool> {
    match text.trim().trim_end_matches(['.', '!']).to_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A code without what people put into it: letters that are no others, no dashes; none: it is no code.
pub fn plain(code: &str) -> Option<String> {
    let same = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    let bare = code.trim_matches(['`', '"', '\'', '.']).chars().filter(|c| *c != '-');
    let code: String = bare.map(same).collect();
    let fits = |c: char| c.is_ascii_alphanumeric() && c != 'U';
    (code.len() == CODE_CHARS && code.chars().all(fits)).then_some(code)
}

/// A code as it is shown: easy to read out.
pub fn shown(code: &str) -> String {
    match code.split_at_checked(CODE_CHARS / 2) {
        Some((head, tail)) => format!("{head}-{tail}"),
        None => code.to_owned(),
    }
}

/// An account as people write it.
fn id(text: &str) -> Option<UserId> {
    let bare = text.trim_matches(['`', '"', '\'']).trim_start_matches('@');
    (!bare.is_empty()).then(|| UserId(format!("@{bare}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        for (text, want) in [
            ("link", "Link"),
            (" Link ", "Link"),
            ("link 7k2m-9qxa", "Claim 7K2M9QXA -"),
            ("link 7K2M9QXA @ann:hs", "Claim 7K2M9QXA @ann:hs"),
            ("link `7K2M-9QXA` ann:hs", "Claim 7K2M9QXA @ann:hs"),
            ("link OIL0-1ABC", "Claim 01101ABC -"),
            ("link 7K2M-9QXA YES", "Answer 7K2M9QXA true"),
            ("link 7K2M-9QXA no", "Answer 7K2M9QXA false"),
            ("link 7K2M", "nothing"),
            ("link 7K2M-9QXA-0", "nothing"),
            ("link 7K2M-9QXА", "nothing"),
            ("link UUUU-UUUU", "nothing"),
            ("link web1 to switch2 please", "nothing"),
            ("unlink", "Unlink -"),
            ("unlink @irc_ann:hs", "Unlink @irc_ann:hs"),
            ("unlink a b", "nothing"),
            ("whoami", "WhoAmI"),
            ("Who am I?", "WhoAmI"),
            ("who is on call", "nothing"),
        ] {
            let id = |id: Option<UserId>| id.map_or("-".into(), |id| id.0);
            let got = match parse(text) {
                None => "nothing".into(),
                Some(PeopleCommand::Link) => "Link".into(),
                Some(PeopleCommand::WhoAmI) => "WhoAmI".into(),
                Some(PeopleCommand::Claim { code, of }) => format!("Claim {code} {}", id(of)),
                Some(PeopleCommand::Answer { code, yes }) => format!("Answer {code} {yes}"),
                Some(PeopleCommand::Plain { yes }) => format!("Plain {yes}"),
                Some(PeopleCommand::Unlink { account }) => format!("Unlink {}", id(account)),
            };
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn a_plain_answer_is_nothing_but_yes_or_no() {
        for (text, want) in [
            ("yes", Some(true)),
            (" No. ", Some(false)),
            ("Yes!", Some(true)),
            ("yes please", None),
            ("ok", None),
            ("", None),
        ] {
            assert_eq!(plain_answer(text), want, "{text:?}");
        }
    }

    #[test]
    fn codes_are_shown_in_two_halves() {
        assert_eq!(shown("7K2M9QXA"), "7K2M-9QXA");
        assert_eq!(plain(&shown("7K2M9QXA")).as_deref(), Some("7K2M9QXA"));
    }
}
