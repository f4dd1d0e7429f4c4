//! What the log keeps of policies: which are in force, with their sources, and what kept others out of force.

use serde::{Deserialize, Serialize};

/// Other policies are in force, or what should come into force cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChanged {
    /// Names those that are in force: the hash of their files.
    pub set: String,
    /// Why the bot is in safe mode, if it is.
    pub safe: Option<String>,
    /// They are the shipped ones, because nobody wrote others.
    pub shipped: bool,
    /// Their files.
    pub files: Vec<PolicyFile>,
    /// What is wrong with what the folder holds, if that is not in force.
    pub problems: Vec<String>,
}

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFile {
    /// Its name.
    pub file: String,
    /// What it says.
    pub text: String,
}
