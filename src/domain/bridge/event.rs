//! What is recorded of a room behind a bridge.

use serde::{Deserialize, Serialize};

use crate::domain::id::RoomId;

/// A room is seen to be on other networks: from here on what is said there is made for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomBridged {
    /// The room.
    pub room: RoomId,
    /// Its networks, such as `irc` or `irc+slack`.
    pub network: String,
    /// What showed it, the newest bridge last.
    pub bridges: Vec<BridgeSeen>,
}

/// A bridge of a room, and what showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeSeen {
    /// The bridge's profile.
    pub profile: String,
    /// The account or the state event that showed it.
    pub evidence: String,
}
