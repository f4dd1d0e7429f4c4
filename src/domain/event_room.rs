//! What befalls rooms, as it is recorded: invitations, holes in their timelines, other rooms in their place.

use serde::{Deserialize, Serialize};

use super::id::{RoomId, UserId};

/// An invitation was accepted or declined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InviteDecided {
    /// The room.
    pub room: RoomId,
    /// Who invited.
    pub inviter: UserId,
    /// Whether the bot joined.
    pub accepted: bool,
    /// Why.
    pub reason: String,
}

/// A room's timeline had a hole, and all of it was read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapFilled {
    /// The room.
    pub room: RoomId,
    /// How many events were new.
    pub events: u64,
    /// How many pages were read.
    pub pages: u64,
}

/// A room's timeline has a hole that was not read back to its end: something may have been missed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapAbandoned {
    /// The room.
    pub room: RoomId,
    /// How many events were new.
    pub events: u64,
    /// How many pages were read.
    pub pages: u64,
    /// Why no more were.
    pub reason: String,
}

/// A room was replaced by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomUpgraded {
    /// The old room.
    pub room: RoomId,
    /// The room that its tombstone names.
    pub to: RoomId,
    /// Whether the bot is in the new room, and the new room names the old one in its turn.
    pub followed: bool,
    /// Why.
    pub reason: String,
}
