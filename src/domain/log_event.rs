//! What is done to the log as a whole, as it is recorded: backups, and what was brought back from one.

use serde::{Deserialize, Serialize};

use super::id::Position;
use super::tree_head::TreeHead;

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
