//! What happens to an execution as a whole: it yields, waits, is cancelled, ends; and what its groups decide.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::EffectResult;
use super::id::UserId;

/// A slice reached its bound; the execution goes on at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionYielded {}

/// A slice ended in a wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionSuspended {}

/// The execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionFinished {
    /// How.
    pub ending: Ending,
}

/// How an execution ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It returned this.
    Succeeded(Value),
    /// An error that nothing caught.
    Failed(Failure),
    /// The replay did something else than the journal says.
    Diverged(String),
    /// Somebody did not want it any more, and the script let that end it.
    Cancelled {
        /// Who.
        by: UserId,
        /// Why, in their words; empty: they did not say.
        reason: String,
    },
}

/// An error that nothing caught, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// `error`, `failed`, `timed_out`, `in_doubt`, `limit` …
    pub kind: String,
    /// What is wrong.
    pub message: String,
    /// The script's file.
    pub file: String,
    /// The line, 0 where it is not known.
    pub line: u32,
    /// The column, 0 where it is not known.
    pub column: u32,
}

/// Somebody does not want the execution any more: what it waits for ends in an error that the script can catch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionCancelled {
    /// Who.
    pub by: UserId,
    /// Why, in their words; empty: they did not say.
    pub reason: String,
    /// The places of what is no longer waited for.
    pub cancelled: Vec<String>,
    /// The places of what is under way and is stopped first.
    pub stopping: Vec<String>,
}

/// An effect that was under way was stopped before its end, because nobody wants it any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectCancelled {
    /// Its place in the execution's journal.
    pub path: String,
    /// The attempt that was stopped.
    pub attempt: u32,
}

/// A group of branches knows what it gives; what its other branches wait for is no longer wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupDecided {
    /// Its place in the execution's journal.
    pub path: String,
    /// Which branch decided, and how; without a branch, all of them have ended well.
    pub result: EffectResult,
    /// The places of what is no longer waited for.
    pub cancelled: Vec<String>,
}
