//! The event that signs the history before it.

use serde::{Deserialize, Serialize};

/// The history up to here was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHead {
    /// How many events were signed: those before this position.
    pub size: u64,
    /// The root of the hash tree over them, in base64.
    pub root: String,
    /// The signed note, a C2SP checkpoint.
    pub note: String,
    /// The key that verifies it, a C2SP verifier key.
    pub key: String,
}
