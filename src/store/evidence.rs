//! The file that proves one event: it can be checked by itself, without the log and without asking anybody.

use serde::{Deserialize, Serialize};
use tlog_tiles::check_record;

use super::envelope::Clear;
use super::keys::{committed, digest};
use super::proof::{Hash, Key, parse_root, record_hash};
use crate::domain::id::{EventId, Position, Timestamp};

/// Largest proof that is read, in bytes: an event of the largest payload, and the hashes.
pub const PROOF_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most hashes that lead from an event to a root.
pub const INCLUSION_HASHES_MAX: usize = 64;
/// The version of this shape.
const PROOF_VERSION: u32 = 1;

/// A proof that an event is in the history under a signed head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The version of this shape.
    pub beadle_proof: u32,
    /// The event.
    pub event: Proved,
    /// The way from the event to the root.
    pub inclusion: Inclusion,
    /// The signed head.
    pub head: String,
    /// The key that verifies it: to be compared with one from a place that is trusted.
    pub key: String,
}

/// The event of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proved {
    /// Its clear part, byte for byte as it is hashed.
    pub clear: String,
    /// Its payload, byte for byte as it was committed to.
    pub payload: Option<String>,
    /// The key of the commitment, in hexadecimal, of a payload that is sealed in the log. It opens nothing.
    pub commitment_key: Option<String>,
    /// The payload was erased.
    pub erased: bool,
}

/// The way from a leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The event's place in the log.
    pub position: u64,
    /// How many events the head signs.
    pub size: u64,
    /// The hashes beside the way, in base64, the lowest first.
    pub hashes: Vec<String>,
}

/// What a proof proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The event's place in the log.
    pub position: Position,
    /// Its stream and its place there.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// The log's time.
    pub ts: Timestamp,
    /// How many events the head signs.
    pub size: u64,
    /// The root that the head signs, in base64.
    pub root: String,
    /// The payload, if it is in the proof.
    pub payload: Option<serde_json::Value>,
}

/// Checks a proof with a key from a place that is trusted, or with its own.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(proof: &Proof, trusted: Option<&Key>) -> Result<Shown, String> {
    if proof.beadle_proof != PROOF_VERSION {
        return Err(format!("version {} of a proof is not known", proof.beadle_proof));
    }
    if trusted.is_some_and(|trusted| trusted.as_str() != proof.key) {
        return Err("it is signed with another key than the given one".into());
    }
    let key = Key::parse(&proof.key).map_err(|error| error.to_string())?;
    let head =
        key.read(&proof.head).map_err(|error| format!("its head does not count: {error}"))?;
    let clear = parsed(&proof.event)?;
    let Inclusion { position, size, hashes } = &proof.inclusion;
    if *size != head.size || *position != clear.position.0 || position >= size {
        return Err("its event, its way to the root and its head do not belong together".into());
    }
    if hashes.len() > INCLUSION_HASHES_MAX {
        return Err(format!("{} hashes are too many", hashes.len()));
    }
    let hashes: Option<Vec<Hash>> = hashes.iter().map(|hash| parse_root(hash)).collect();
    let hashes = hashes.ok_or("one of its hashes is none")?;
    let leaf = record_hash(proof.event.clear.as_bytes());
    check_record(&hashes, *size, head.root, *position, leaf)
        .map_err(|_| "the event is not under the head".to_owned())?;
    if proof.event.erased && (proof.event.payload.is_some() || clear.slot.is_none()) {
        return Err("it says that its payload was erased, and that cannot be".into());
    }
    Ok(Shown {
        position: clear.position,
        id: EventId { stream: clear.stream.clone(), version: clear.version },
        kind: clear.kind.clone(),
        ts: clear.ts,
        size: head.size,
        root: head.root.to_string(),
        payload: payload(&proof.event, &clear)?,
    })
}

/// The event's clear part, which must be written as it is hashed.
fn parsed(event: &Proved) -> Result<Clear, String> {
    let clear: Clear = serde_json::from_str(&event.clear)
        .map_err(|error| format!("its event is no envelope: {error}"))?;
    match clear.bytes() == event.clear.as_bytes() {
        true => Ok(clear),
        false => Err("its event is not written as this program writes it".into()),
    }
}

/// The payload, if it is there and is what the event committed to.
fn payload(event: &Proved, clear: &Clear) -> Result<Option<serde_json::Value>, String> {
    let Some(text) = &event.payload else { return Ok(None) };
    let found = match (clear.slot, &event.commitment_key) {
        (None, None) => digest(text.as_bytes()),
        (Some(_), Some(key)) => {
            let key = data_encoding::HEXLOWER.decode(key.as_bytes());
            committed(&key.map_err(|_| "its commitment key is none")?, text.as_bytes())
        }
        _ => return Err("a sealed payload comes with a commitment key, an open one without".into()),
    };
    if found != clear.commitment {
        return Err("its payload is not what the event committed to".into());
    }
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| format!("its payload is not JSON: {error}"))
}
