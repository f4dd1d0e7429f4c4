//! What happens to a running action between its request and its result, as it is recorded: locks, progress, failed attempts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::BlobRef;
use super::id::{ExecutionId, Timestamp};

/// An effect runs only while nothing else holds its lock; locks are given in the order of these events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRequested {
    /// The effect's place in the execution's journal.
    pub path: String,
    /// The lock, as the action names it.
    pub lock: String,
    /// Its keyed hash: what is kept outside of the log.
    pub tag: String,
}

/// The effect cannot run yet, because another execution holds its lock; the asker is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectDelayed {
    /// The effect's place in the execution's journal.
    pub path: String,
    /// The execution that holds the lock.
    pub behind: ExecutionId,
}

/// A running action has printed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectProgressed {
    /// The effect's place in the execution's journal.
    pub path: String,
    /// Which attempt.
    pub attempt: u32,
    /// The last lines since the event before.
    pub lines: Vec<String>,
    /// How many lines came before them and are left out.
    pub skipped: u64,
}

/// An attempt failed, and the effect is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptFailed {
    /// The effect's place in the execution's journal.
    pub path: String,
    /// Which attempt.
    pub attempt: u32,
    /// How it failed.
    pub error: Value,
    /// When it is tried again.
    pub again: Timestamp,
    /// The whole output, where the error holds only its beginning.
    pub output: Option<BlobRef>,
    /// How long it took.
    pub took_ms: u64,
}
