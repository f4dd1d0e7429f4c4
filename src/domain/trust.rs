//! How strongly it is proven who speaks, and what is claimed of them besides.
//!
//! Invariant: a claim is evidence for people who look into the log; nothing is ever decided by one.

use serde::{Deserialize, Serialize};

/// Most claims about one speaker that are kept.
pub const CLAIMS_MAX: usize = 8;
/// Longest text of a claim that is kept, in characters.
pub const CLAIM_CHARS_MAX: usize = 100;

/// How strongly it is proven who speaks, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Anyone could say this: its keys are somebody else's.
    Nothing,
    /// The network shows a name that anybody may have at the moment: an IRC nick, what a relay repeats.
    Nick,
    /// The network's services said just now that whoever has that name is identified for the account.
    Identified,
    /// The network knows the account, and never gives it to somebody else.
    Network,
    /// The homeserver vouches for the account.
    Account,
    /// The account's own device signed it.
    Device,
}

impl Trust {
    /// All levels, the weakest first.
    pub const ALL: [Self; 6] =
        [Self::Nothing, Self::Nick, Self::Identified, Self::Network, Self::Account, Self::Device];

    /// As policies, scripts and filters write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Nick => "nick",
            Self::Identified => "identified",
            Self::Network => "network",
            Self::Account => "account",
            Self::Device => "device",
        }
    }

    /// As a number, from 0 to 5.
    pub fn level(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Nick => 1,
            Self::Identified => 2,
            Self::Network => 3,
            Self::Account => 4,
            Self::Device => 5,
        }
    }

    /// The level that a word names.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.word() == word)
    }

    /// Whether it is known which account speaks. What has roles, votes, grants and links is an account: whoever is only a
    /// name has none of them.
    pub fn proves_account(self) -> bool {
        self >= Self::Identified
    }
}

/// What somebody or something else says of a speaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The network's services know them as this account, which need not be the one of their nick.
    ServicesAccount {
        /// The account there.
        name: String,
    },
    /// A bridge says that it sent this for them, as they wrote it on the other network.
    DoublePuppet {
        /// What the bridge calls itself.
        source: String,
    },
    /// The message shows this name for whoever speaks, as apps and webhooks do.
    PerMessageName {
        /// The name.
        name: String,
    },
}

impl Claim {
    /// Of a network's services.
    pub fn services_account(name: &str) -> Self {
        Self::ServicesAccount { name: kept(name) }
    }

    /// Of a bridge.
    pub fn double_puppet(source: &str) -> Self {
        Self::DoublePuppet { source: kept(source) }
    }

    /// Of a message.
    pub fn per_message_name(name: &str) -> Self {
        Self::PerMessageName { name: kept(name) }
    }

    /// Adds this to others, as long as there is room for it.
    pub fn add_to(self, claims: &mut Vec<Self>) {
        if claims.len() < CLAIMS_MAX && !claims.contains(&self) {
            claims.push(self);
        }
    }
}

fn kept(text: &str) -> String {
    text.chars().take(CLAIM_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_have_a_word_and_a_number() {
        let table = [
            (Trust::Nothing, "nothing", 0, false),
            (Trust::Nick, "nick", 1, false),
            (Trust::Identified, "identified", 2, true),
            (Trust::Network, "network", 3, true),
            (Trust::Account, "account", 4, true),
            (Trust::Device, "device", 5, true),
        ];
        assert_eq!(table.map(|row| row.0), Trust::ALL);
        for (trust, word, level, proves) in table {
            assert_eq!((trust.word(), trust.level()), (word, level), "{trust:?}");
            assert_eq!(Trust::of_word(word), Some(trust), "{word}");
            assert_eq!(serde_json::to_value(trust).expect("a word"), word, "{trust:?} is stored");
            assert_eq!(trust.proves_account(), proves, "{trust:?}");
        }
        assert!(Trust::ALL.is_sorted(), "a higher number proves more");
        assert_eq!((Trust::of_word("Device"), Trust::of_word("")), (None, None));
    }

    #[test]
    fn claims_are_few_and_short() {
        let mut claims = vec![];
        for nth in 0..2 * CLAIMS_MAX {
            Claim::services_account(&format!("opal{nth}")).add_to(&mut claims);
        }
        assert_eq!(claims.len(), CLAIMS_MAX);
        let mut twice = vec![];
        Claim::double_puppet("mautrix").add_to(&mut twice);
        Claim::double_puppet("mautrix").add_to(&mut twice);
        assert_eq!(twice.len(), 1, "it is said once");
        let long = Claim::per_message_name(&"ü".repeat(2 * CLAIM_CHARS_MAX));
        assert_eq!(long, Claim::PerMessageName { name: "ü".repeat(CLAIM_CHARS_MAX) });
    }
}
