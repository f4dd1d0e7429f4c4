//! An event with what stands beside it: as it is appended, and as the log holds it.

use serde_json::Value;

use super::event::Event;
use super::id::{
    DedupeKey, EventId, Position, PostId, Pseudonym, RoomId, StreamName, Tag, Timestamp, UserId,
};

/// An event to be appended, with what stands beside it in the clear.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The fact.
    pub event: Event,
    /// Who, where and why.
    pub meta: Meta,
}

/// Who, where and why; persons and rooms are stored as pseudonyms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// The event that led to this one.
    pub cause: Option<EventId>,
    /// The stream of the trigger that everything began with.
    pub correlation: Option<StreamName>,
    /// Who.
    pub actor: Option<UserId>,
    /// Where.
    pub room: Option<RoomId>,
    /// On which network.
    pub network: Option<String>,
}

impl NewEvent {
    /// An event with nothing beside it.
    pub fn bare(event: impl Into<Event>) -> Self {
        Self { event: event.into(), meta: Meta::default() }
    }

    /// An event with who, where and why.
    pub fn with(meta: &Meta, event: impl Into<Event>) -> Self {
        Self { event: event.into(), meta: meta.clone() }
    }
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its place in the log.
    pub position: Position,
    /// Its stream and its place there.
    pub id: EventId,
    /// The stored type.
    pub kind: String,
    /// The stored version of its shape.
    pub schema: u32,
    /// The log's time: never decreases within an epoch.
    pub ts: Timestamp,
    /// The wall clock's time.
    pub wall: Timestamp,
    /// Counts the steps back of the wall clock.
    pub epoch: u32,
    /// The event that led to this one.
    pub cause: Option<EventId>,
    /// The stream of the trigger that everything began with.
    pub correlation: Option<StreamName>,
    /// Who, as a pseudonym.
    pub actor: Option<Pseudonym>,
    /// Where, as a pseudonym.
    pub room: Option<Pseudonym>,
    /// On which network, as a pseudonym.
    pub network: Option<Pseudonym>,
    /// The tag of its dedupe key.
    pub key: Option<Tag>,
    /// The hash or keyed hash of the payload, hexadecimal.
    pub commitment: String,
    /// The fact itself, as far as it can be read.
    pub payload: Payload,
}

/// What can be read of a recorded event.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// The fact.
    Event(Box<Event>),
    /// A type or version that this program does not know.
    Unknown(Value),
    /// Its key was overwritten.
    Erased,
}

impl Recorded {
    /// The fact, if it can be read.
    pub fn event(&self) -> Option<&Event> {
        match &self.payload {
            Payload::Event(event) => Some(event),
            Payload::Unknown(_) | Payload::Erased => None,
        }
    }
}

/// What keeps a post findable by its id in the room's network.
pub fn post_key(room: &RoomId, post: &PostId) -> DedupeKey {
    DedupeKey::new(&["post", room.as_str(), post.as_str()])
}
