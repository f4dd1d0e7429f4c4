//! What is recorded of people: codes that join two accounts, the accounts that were joined, and those that are not any more.

use serde::{Deserialize, Serialize};

use super::id::{Timestamp, UserId};
use super::trigger::{Place, Speaker};

/// An account got a one-time code with which another account of the same person can join it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkOffered {
    /// The account.
    pub by: Speaker,
    /// Where it is asked whether it means the other account.
    pub place: Place,
    /// The keyed hash of the code, hexadecimal.
    pub code: String,
    /// From then on the code joins nothing.
    pub until: Timestamp,
}

/// The code was said by another account, which named the one that it wants to join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkClaimed {
    /// The account that got the code.
    pub of: UserId,
    /// The account that said it.
    pub by: Speaker,
    /// Where it is told what came of it.
    pub place: Place,
}

/// Somebody said a code that is not one, or not any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkMissed {
    /// The account.
    pub by: UserId,
}

/// A code joins nothing any more: one of the two accounts said no.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkDeclined {
    /// The account that got the code.
    pub of: UserId,
    /// Who said no.
    pub by: UserId,
}

/// Two accounts said of one another that they are the same person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountsLinked {
    /// The account that got the code and said yes, as it said it.
    pub first: Speaker,
    /// The account that said the code, as it said it.
    pub second: Speaker,
}

/// An account is a person of its own again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountsUnlinked {
    /// The account.
    pub account: UserId,
    /// Who said so: it, or another account of the same person.
    pub by: UserId,
}
