//! What is recorded of grants: that somebody may run a command for a while, and that it was taken back before.

use serde::{Deserialize, Serialize};

use super::id::{Timestamp, UserId};

/// Somebody may run a command for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantMade {
    /// Its id.
    pub grant: String,
    /// The account that may.
    pub account: UserId,
    /// What people call them.
    pub name: String,
    /// The command, by its name.
    pub alias: String,
    /// The script that offers it; empty: whichever does.
    pub file: String,
    /// From then on it holds no more.
    pub until: Timestamp,
    /// Who gave it.
    pub by: UserId,
    /// Why; empty: they did not say.
    pub reason: String,
}

impl GrantMade {
    /// As a decision records it: which, given by whom, until when.
    pub fn fact(&self) -> String {
        let until = jiff::Timestamp::from_millisecond(self.until.0).unwrap_or_default();
        format!("grant {} by {} until {until}", self.grant, self.by)
    }
}

/// A grant was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRevoked {
    /// Its id.
    pub grant: String,
    /// Who took it back.
    pub by: UserId,
    /// Why; empty: they did not say.
    pub reason: String,
}
