//! What befalls rooms, as it is recorded: how the bot came there, whom it declined, holes, replacements, how it went.

use serde::{Deserialize, Serialize};

use super::id::{RoomId, Timestamp, UserId};

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

/// So many invitations came that these were declined without being recorded one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitesDeclined {
    /// How many.
    pub count: u64,
    /// Who invited: the first few.
    pub inviters: Vec<UserId>,
    /// When the first of them was seen.
    pub since: Timestamp,
}

/// The bot came into a room because somebody asked it to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomJoined {
    /// The room.
    pub room: RoomId,
    /// What it was called.
    pub name: String,
    /// Who asked.
    pub by: UserId,
}

/// The bot came into a room because it replaces one that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomFollowed {
    /// The room.
    pub room: RoomId,
    /// What the old one was called.
    pub name: String,
    /// The old one.
    pub from: RoomId,
}

/// The bot is in a room no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLeft {
    /// The room.
    pub room: RoomId,
    /// What it was called.
    pub name: String,
    /// How it came about.
    pub reason: Departure,
    /// Who brought it about, if that was a person.
    pub by: Option<UserId>,
    /// What they said about it.
    pub words: Option<String>,
}

/// How it came about that the bot is in a room no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// It left because everybody else had gone.
    Alone,
    /// It left because somebody asked it to.
    Asked,
    /// It was removed.
    Kicked,
    /// It was removed and may not come back.
    Banned,
    /// Its account left with another client, or nobody knows why any more.
    ByHand,
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
