//! Between an event and its line: sealing with a slot of its own, opening, checking.

use std::sync::Arc;

use super::ReadError;
use super::envelope::{Body, Clear, ENVELOPE_VERSION, Envelope, NONCE_BYTES, seal, unseal};
use super::keys::{KeyFile, commitment, digest};
use super::plan::{DraftEvent, Times};
use crate::domain::event::{self, DecodeError, Event, Payload, Recorded, Secrecy};
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
    pub(crate) line: Arc<[u8]>,
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

/// Who, where and on which network, as pseudonyms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pseudonyms {
    pub(crate) actor: Option<Pseudonym>,
    pub(crate) room: Option<Pseudonym>,
    pub(crate) network: Option<Pseudonym>,
}

impl Entry {
    /// Writes a new event; a sealed one with the key in its slot.
    ///
    /// # Errors
    /// [`ReadError`] if there is no key in the slot.
    pub(crate) fn new(
        draft: &DraftEvent,
        place: &Place,
        who: Pseudonyms,
        slot: u64,
        nonce: [u8; NONCE_BYTES],
        keys: &KeyFile,
    ) -> Result<Self, ReadError> {
        let key = match draft.secrecy {
            Secrecy::Open => None,
            Secrecy::Sealed => Some(keys.read(slot)?.ok_or_else(|| erased(slot))?),
        };
        let commitment = match &key {
            None => digest(&draft.plaintext),
            Some(key) => commitment(key, &draft.plaintext),
        };
        let slot = key.is_some().then_some(slot);
        let clear = clear(draft, place, who, slot, commitment);
        let body = match &key {
            None => Body::Open(draft.plaintext.clone()),
            Some(key) => Body::Sealed(seal(key, nonce, &clear.bytes(), &draft.plaintext)),
        };
        Ok(Self::of(Envelope { clear, body }))
    }

    fn of(envelope: Envelope) -> Self {
        let line = envelope.line().into();
        let clear = envelope.clear;
        let times = Times { ts: clear.ts, epoch: clear.epoch };
        let (stream, version, key) = (clear.stream, clear.version, clear.key);
        Self { position: clear.position, stream, version, key, slot: clear.slot, times, line }
    }

    /// Reads a line that should be at a position.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(position: Position, line: &[u8]) -> Result<Self, String> {
        Ok(Self::of(parse(position, line)?))
    }
}

fn erased(slot: u64) -> ReadError {
    let what = "a slot that is to be used was erased".into();
    ReadError::Damaged { place: format!("keys.bin slot {slot}"), what }
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
