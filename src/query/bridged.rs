//! Which bridges were seen in a room, as the log says.

use serde_json::json;

use super::command::{Refusal, Sink};
use super::subjects::Subjects;
use crate::domain::event::{Event, RoomBridged, RoomHinted};
use crate::domain::id::{DedupeKey, RoomId, StreamName, Version};
use crate::store::{Direction, EventStore, ReadError};

/// The stream of a room's networks.
pub fn stream(store: &dyn EventStore, room: &RoomId) -> StreamName {
    let key = DedupeKey::new(&["room", room.as_str()]);
    StreamName::bridge(&store.key().dedupe(&key))
}

/// What was last seen in a room, unless that is erased, and where it stands.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn last(
    store: &dyn EventStore,
    room: &RoomId,
) -> Result<Option<(Option<RoomBridged>, Version)>, ReadError> {
    let last = store.read(&stream(store, room), Version::END, Direction::Backward, 1)?;
    Ok(last.first().map(|recorded| match recorded.event() {
        Some(Event::RoomBridged(it)) => (Some(it.clone()), recorded.id.version),
        _ => (None, recorded.id.version),
    }))
}

/// The stream of what a room's state says about bridges.
pub fn hints_stream(store: &dyn EventStore, room: &RoomId) -> StreamName {
    let key = DedupeKey::new(&["room", room.as_str()]);
    StreamName::hints(&store.key().dedupe(&key))
}

/// What a room's state last said about bridges, unless that is erased, and where it stands.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn hints(
    store: &dyn EventStore,
    room: &RoomId,
) -> Result<Option<(Option<RoomHinted>, Version)>, ReadError> {
    let last = store.read(&hints_stream(store, room), Version::END, Direction::Backward, 1)?;
    Ok(last.first().map(|recorded| match recorded.event() {
        Some(Event::RoomHinted(it)) => (Some(it.clone()), recorded.id.version),
        _ => (None, recorded.id.version),
    }))
}

/// Answers for the command line: the id of the room that is meant by an id or by a name, and a row for each of its bridges.
///
/// # Errors
/// [`Refusal`] if no room or several are called so, or the log cannot be read.
pub fn told(store: &dyn EventStore, room: &str, sink: &mut dyn Sink) -> Result<(), Refusal> {
    let room = Subjects::current(store, sink)?.room_id(store, room)?;
    sink.row(json!({ "room": room }))?;
    let seen = last(store, &room)?;
    let hints = hints(store, &room)?;
    for hint in hints.and_then(|(hints, _)| hints).into_iter().flat_map(|hinted| hinted.hints) {
        sink.row(json!({ "hint": hint }))?;
    }
    for bridge in seen.and_then(|(seen, _)| seen).into_iter().flat_map(|seen| seen.bridges) {
        sink.row(json!({ "profile": bridge.profile, "evidence": bridge.evidence }))?;
    }
    Ok(())
}
