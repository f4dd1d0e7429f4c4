//! What concerns the log as a whole, as it is recorded: its beginning, its clock, what it takes in, and its backups.

use serde::{Deserialize, Serialize};

use super::id::{Position, Timestamp};
use super::tree_head::TreeHead;

/// The log began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogCreated {
    /// A random name, so that a store or a segment of another log is told apart.
    pub log: String,
}

/// The event store was made anew from the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreRebuilt {
    /// Why the old one could not be used.
    pub reason: String,
    /// Where the old one was moved to.
    pub moved_to: Option<String>,
}

/// The wall clock went back by more than two seconds: a new clock epoch begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockStepped {
    /// The latest time before.
    pub from: Timestamp,
    /// The time now.
    pub to: Timestamp,
}

/// Everything before this position of the Matrix sync is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncAdvanced {
    /// The homeserver's `next_batch`.
    pub token: String,
}

/// Nothing new is taken in: the disk of the data directory is nearly full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntakePaused {
    /// What was still free.
    pub free_bytes: u64,
}

/// There is room again, and what happened meanwhile is taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntakeResumed {
    /// What was free.
    pub free_bytes: u64,
}

/// A backup was made and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupMade {
    /// The folder of the journal and the blobs.
    pub dir: String,
    /// The folder of the keys.
    pub keys: String,
    /// The position behind the last event that is in it.
    pub next: Position,
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// The oldest events were dropped for good: the log begins later from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTrimmed {
    /// The first position that is kept.
    pub first: Position,
    /// The log's random name, which stood in its first event.
    pub log: String,
    /// The signed head that covers what was dropped.
    pub head: TreeHead,
}

/// The log goes on from a backup: what came after that is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRestored {
    /// The position behind the last event of the backup.
    pub next: Position,
    /// How many keys were erased again.
    pub erased: u64,
    /// Where the log that it replaced was moved to.
    pub moved_to: Option<String>,
}
