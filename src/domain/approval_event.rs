//! Approvals as they are recorded: what was asked for, each vote with all that it was decided from, and that one is void.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::approval::Terms;
use super::id::{PersonId, PostId, Timestamp, UserId};
use super::trigger::Trust;

/// An execution waits until others approve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// Its place in the execution's journal; `gate` for one that a policy demands before anything runs.
    pub path: String,
    /// What is to be approved, in words.
    pub what: String,
    /// Whose approval it takes.
    pub terms: Terms,
    /// Every account that the requester had when they asked: none of them can approve it, even if it is unlinked later.
    pub own: Vec<UserId>,
    /// The keyed hash of all that would run.
    pub content: String,
    /// The keyed hashes of its parts, so that it can be said what was changed.
    pub parts: BTreeMap<String, String>,
}

/// Somebody voted on it, and the vote counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalVoted {
    /// The approval's place in the execution's journal.
    pub path: String,
    /// For or against.
    pub vote: Vote,
    /// How it was said.
    pub how: How,
    /// Why, in their words; empty: they did not say.
    pub reason: String,
    /// Who: accounts that belong together are one person.
    pub person: PersonId,
    /// The account that they used.
    pub account: UserId,
    /// What they are called on a network where that is an account, with the network: `diana (lab)`. None: as the account.
    pub called: Option<String>,
    /// The network that the account is native to.
    pub network: String,
    /// How strongly that network proves that it was this account.
    pub trust: Trust,
    /// Whether it was said in an encrypted room.
    pub encrypted: bool,
    /// The roles that the person held at that moment, and why.
    pub roles: Vec<Held>,
    /// With which post.
    pub post: PostId,
    /// When they said it.
    pub at: Timestamp,
    /// What they voted on: the keyed hash of what would have run then.
    pub content: String,
    /// What the approval came to with this vote.
    pub outcome: Tally,
}

/// What was to be approved is not what would run now: no vote on it counts any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalVoided {
    /// The approval's place in the execution's journal.
    pub path: String,
    /// What was changed, in words.
    pub changed: Vec<String>,
    /// The keyed hash of what would run now.
    pub content: String,
}

/// For or against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// They approve.
    For,
    /// They deny it.
    Against,
}

/// How a vote was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Typed: `+1`, with or without the id.
    Typed,
    /// By the approval's own phrase.
    Phrase,
    /// In a reply to it, or in its thread.
    Reply,
    /// By a reaction, which is never encrypted.
    Reaction,
}

/// A role that somebody held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held {
    /// Its name.
    pub role: String,
    /// What gave it: a line of the configuration, a power level, a room.
    pub source: String,
}

/// What an approval has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tally {
    /// More votes are needed.
    Open,
    /// Enough persons approve.
    Granted,
    /// Somebody who may says no.
    Denied,
}
