//! What the log keeps of scripts, so that an execution can go on with the version that it was started with.

use serde::{Deserialize, Serialize};

use super::id::ScriptHash;

/// The source of a script version that executions are pinned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptKept {
    /// Its file, from the scripts folder.
    pub file: String,
    /// The hash of the source, and of what it imports.
    pub hash: ScriptHash,
    /// The source.
    pub source: String,
    /// The libraries that it imports, and those that they import; each is kept under its own hash.
    pub imports: Vec<ImportKept>,
}

/// One version of a library that a script imports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportKept {
    /// Its file, from the scripts folder.
    pub file: String,
    /// The hash of its source.
    pub hash: ScriptHash,
}
