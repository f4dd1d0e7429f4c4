//! Between an event and its line: sealing with a slot of its own, opening, checking.

use std::sync::Arc;

use super::ReadError;
use super::envelope::{
    Body, Clear, ENVELOPE_VERSION, Envelope, NONCE_BYTES, line_of, seal, unseal,
};
use super::index::Marks;
use super::keys::{KeyFile, SlotKey, commitment, digest};
use super::lines::Spot;
use super::plan::{DraftEvent, Times};
use crate::domain::event::{self, DecodeError, Event, Payload, Recorded};
use crate::domain::id::{EventId, Position, Pseudonym, StreamName, Tag, Timestamp, Version};

/// A stored event, with what its indexes need.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) stream: StreamName,
    pub(crate) version: Version,
    pub(crate) key: Option<Tag>,
    pub(crate) slot: Option<u64>,
    pub(crate) times: Times,
    pub(crate) marks: Marks,
    pub(crate) line: Arc<[u8]>,
    /// Where the line stands; the writer says so when it is written.
    pub(crate) spot: Spot,
}

/// Where and when a new event is.
pub(crate) struct Place<'a> {
    pub(crate) position: Position,
    pub(crate) stream: &'a StreamName,
    pub(crate) version: Version,
    pub(crate) key: Option<Tag>,
    pub(crate) times: Times,
    pub(crate) wall: Timestamp,
}

/// What a new event is sealed with.
pub(crate) struct Sealing {
    pub(crate) slot: u64,
    pub(crate) key: SlotKey,
    pub(crate) nonce: [u8; NONCE_BYTES],
}

/// Who, where and on which network, as pseudonyms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pseudonyms {
    pub(crate) actor: Option<Pseudonym>,
    pub(crate) room: Option<Pseudonym>,
    pub(crate) network: Option<Pseudonym>,
}

impl Entry {
    /// Writes a new event; a sealed one with the key in its slot.
    pub(crate) fn new(
        draft: &DraftEvent,
        place: &Place,
        who: Pseudonyms,
        sealing: Option<Sealing>,
    ) -> Self {
        let commitment = match &sealing {
            None => digest(&draft.plaintext),
            Some(sealing) => commitment(&sealing.key, &draft.plaintext),
        };
        let slot = sealing.as_ref().map(|sealing| sealing.slot);
        let clear = clear(draft, place, who, slot, commitment);
        let bytes = clear.bytes();
        let sealed = sealing.map(|it| seal(&it.key, it.nonce, &bytes, &draft.plaintext));
        let line = match &sealed {
            None => line_of(bytes, true, &draft.plaintext),
            Some(sealed) => line_of(bytes, false, sealed),
        };
        let spot = Spot::of(Position::START, 0, &line);
        Self::of(clear, &line, spot)
    }

    fn of(clear: Clear, line: &[u8], spot: Spot) -> Self {
        let who = [clear.actor.as_ref(), clear.room.as_ref(), clear.network.as_ref()];
        let marks = Marks::of(who, clear.correlation.as_ref(), &clear.kind);
        let times = Times { ts: clear.ts, epoch: clear.epoch };
        let (position, stream, version, key) =
            (clear.position, clear.stream, clear.version, clear.key);
        let (slot, line) = (clear.slot, line.into());
        Self { position, stream, version, key, slot, times, marks, line, spot }
    }

    /// Reads the line that should be at a position, and stands at a spot.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(position: Position, line: &[u8], spot: Spot) -> Result<Self, String> {
        Ok(Self::of(parse(position, line)?.clear, line, spot))
    }
}

fn clear(
    draft: &DraftEvent,
    place: &Place,
    who: Pseudonyms,
    slot: Option<u64>,
    commitment: String,
) -> Clear {
    Clear {
        v: ENVELOPE_VERSION,
        position: place.position,
        stream: place.stream.clone(),
        version: place.version,
        kind: draft.kind.into(),
        schema: draft.schema,
        ts: place.times.ts,
        wall: place.wall,
        epoch: place.times.epoch,
        cause: draft.meta.cause.clone(),
        correlation: draft.meta.correlation.clone(),
        actor: who.actor,
        room: who.room,
        network: who.network,
        key: place.key,
        slot,
        commitment,
    }
}

fn parse(position: Position, line: &[u8]) -> Result<Envelope, String> {
    let envelope = Envelope::parse(line)?;
    match envelope.clear.position == position {
        true => Ok(envelope),
        false => Err(format!("it says that it is event {}", envelope.clear.position)),
    }
}

/// The payload of an envelope; none if its key was overwritten.
fn plaintext(
    envelope: &Envelope,
    keys: &KeyFile,
    commitments: bool,
) -> Result<Option<Vec<u8>>, String> {
    let clear = &envelope.clear;
    let (plaintext, found) = match (&envelope.body, clear.slot) {
        (Body::Sealed(sealed), Some(slot)) => {
            let Some(key) = keys.read(slot).map_err(|error| error.to_string())? else {
                return Ok(None);
            };
            let plaintext = unseal(&key, &clear.bytes(), sealed);
            let plaintext = plaintext.ok_or("its key does not fit its sealed payload")?;
            let found = commitments.then(|| commitment(&key, &plaintext));
            (plaintext, found)
        }
        (Body::Open(json) | Body::Sealed(json), _) => (json.clone(), Some(digest(json))),
    };
    match found.is_none_or(|found| found == clear.commitment) {
        true => Ok(Some(plaintext)),
        false => Err("its payload is not what it committed to".into()),
    }
}

fn payload(envelope: &Envelope, plaintext: Option<Vec<u8>>) -> Result<Payload, String> {
    let Some(plaintext) = plaintext else { return Ok(Payload::Erased) };
    let value: serde_json::Value = serde_json::from_slice(&plaintext)
        .map_err(|error| format!("its payload is not JSON: {error}"))?;
    let clear = &envelope.clear;
    match event::decode(&clear.kind, clear.schema, value) {
        Ok(event) => Ok(Payload::Event(Box::new(event))),
        Err(DecodeError::Unknown { .. }) => {
            let value = serde_json::from_slice(&plaintext);
            value.map(Payload::Unknown).map_err(|error| error.to_string())
        }
        Err(error @ DecodeError::Shape { .. }) => Err(error.to_string()),
    }
}

/// The slot of the event at a position, from its line.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn slot(position: Position, line: &[u8]) -> Result<Option<u64>, String> {
    Ok(parse(position, line)?.clear.slot)
}

/// What the event is found by.
pub(crate) fn marks(event: &Recorded) -> Marks {
    let who = [event.actor.as_ref(), event.room.as_ref(), event.network.as_ref()];
    Marks::of(who, event.correlation.as_ref(), &event.kind)
}

/// The log's name, from the line of its first event.
pub(crate) fn log_of(line: &[u8]) -> Option<String> {
    let envelope = parse(Position::START, line).ok()?;
    let Body::Open(json) = &envelope.body else { return None };
    match payload(&envelope, Some(json.clone())).ok()? {
        Payload::Event(event) => match *event {
            Event::LogCreated(created) => Some(created.log),
            _ => None,
        },
        Payload::Unknown(_) | Payload::Erased => None,
    }
}

/// Reads the event at a position from its line.
///
/// # Errors
/// [`ReadError::Damaged`] if the line or its key is not what was written.
pub(crate) fn read(position: Position, line: &[u8], keys: &KeyFile) -> Result<Recorded, ReadError> {
    let damaged = |what| ReadError::Damaged { place: format!("event {position}"), what };
    check(position, line, keys, false).map_err(damaged)
}

/// Reads the event at a position from its line; may also compare what is sealed with its commitment, which the seal
/// alone does not prove.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check(
    position: Position,
    line: &[u8],
    keys: &KeyFile,
    commitments: bool,
) -> Result<Recorded, String> {
    let envelope = parse(position, line)?;
    let payload = payload(&envelope, plaintext(&envelope, keys, commitments)?)?;
    let clear = envelope.clear;
    Ok(Recorded {
        position,
        id: EventId { stream: clear.stream, version: clear.version },
        kind: clear.kind,
        schema: clear.schema,
        ts: clear.ts,
        wall: clear.wall,
        epoch: clear.epoch,
        cause: clear.cause,
        correlation: clear.correlation,
        actor: clear.actor,
        room: clear.room,
        network: clear.network,
        key: clear.key,
        commitment: clear.commitment,
        payload,
    })
}
