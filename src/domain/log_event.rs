//! What is done to the log as a whole, as it is recorded: backups, and what was brought back from one.

use serde::{Deserialize, Serialize};

use super::id::Position;

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
