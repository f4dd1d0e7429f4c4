//! Looking over many events at little cost: their clear parts without a copy, and payloads as bytes before they are read.
//!
//! A search looks at thousands of events to find a few. What it wants is decided from the clear part first, then from
//! the bytes of the unsealed payload; only what is left is checked and understood as every other read does it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::envelope::unseal;
use super::keys::KeyFile;
use super::shared::Shared;
use super::tail::Line;
use super::{Direction, READ_EVENTS_MAX, ReadError};
use crate::domain::event::{Payload, Recorded};
use crate::domain::id::Position;

/// Threads that unseal side by side.
pub const SIFTING_THREADS_MAX: usize = 2;
/// A page of fewer events is not worth a second thread.
const WORTH_A_THREAD: usize = 256;

/// The clear part of an event, as far as a search looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// Its place in the log.
    pub position: Position,
    /// Its stream.
    pub stream: &'a str,
    /// The stored type.
    pub kind: &'a str,
    /// The log's time in milliseconds.
    pub ts: i64,
    /// The stream of the trigger that everything began with.
    pub correlation: Option<&'a str>,
    /// Who, as a pseudonym.
    pub actor: Option<&'a str>,
    /// Where, as a pseudonym.
    pub room: Option<&'a str>,
    /// On which network, as a pseudonym.
    pub network: Option<&'a str>,
    /// How long it is as it is stored, in bytes.
    pub bytes: usize,
}

/// What a search lets through.
#[derive(Clone, Copy)]
pub struct Sieve<'a> {
    /// Whether an event may be wanted, from its clear part.
    pub wanted: &'a (dyn Fn(&Glance) -> bool + Sync),
    /// Whether it still may be, from its payload as JSON; what is erased is not wanted then.
    pub holds: Option<&'a (dyn Fn(&[u8]) -> bool + Sync)>,
}

/// What a search found on one page of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Sifted {
    /// What was let through, in the order of the search.
    pub events: Vec<Recorded>,
    /// Where to go on; none: it is at the end.
    pub next: Option<Position>,
}

/// Where a read that visited the events up to `last` goes on.
pub(super) fn after(last: Option<Position>, direction: Direction) -> Option<Position> {
    match direction {
        Direction::Forward => last.map(Position::next),
        Direction::Backward => last?.0.checked_sub(1).map(Position),
    }
}

/// An event as a line has it: its clear part and where its payload begins.
struct Split<'a> {
    glance: Glance<'a>,
    slot: Option<u64>,
    /// Where the comma before the payload is.
    clear: usize,
    payload: &'a [u8],
}

impl<'a> Split<'a> {
    /// Reads a line's fields in their order; no value before the payload holds a quotation mark.
    fn of(position: Position, line: &'a [u8]) -> Option<Self> {
        let (bytes, line_of) = (line.len(), line);
        let mut glance = Glance {
            position,
            stream: "",
            kind: "",
            ts: 0,
            correlation: None,
            actor: None,
            room: None,
            network: None,
            bytes,
        };
        let (mut slot, mut at) = (None, 0);
        loop {
            let comma = at;
            let rest = line_of.get(at + 2..)?;
            let name = &rest[..position_of(rest, b'"')?];
            at += 2 + name.len() + 2;
            if matches!(name, b"open" | b"sealed") {
                let payload = line_of.get(at..)?.strip_suffix(b"}")?;
                return Some(Self { glance, slot, clear: comma, payload });
            }
            let value = line_of.get(at..)?;
            let (value, length) = match value.first()? {
                b'"' => {
                    let end = position_of(&value[1..], b'"')?;
                    (&value[1..=end], end + 2)
                }
                _ => {
                    let end = position_of(value, b',')?;
                    (&value[..end], end)
                }
            };
            let text = std::str::from_utf8(value).ok()?;
            at += length;
            match name {
                b"stream" => glance.stream = text,
                b"type" => glance.kind = text,
                b"ts" => glance.ts = text.parse().ok()?,
                b"correlation" => glance.correlation = Some(text),
                b"actor" => glance.actor = Some(text),
                b"room" => glance.room = Some(text),
                b"network" => glance.network = Some(text),
                b"slot" => slot = Some(text.parse().ok()?),
                _ => {}
            }
        }
    }

    /// The payload as JSON; none if it is erased or cannot be unsealed.
    fn plaintext(&self, line: &[u8], keys: &KeyFile) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(slot) = self.slot else { return Ok(Some(self.payload.to_vec())) };
        let Some(key) = keys.read(slot)? else { return Ok(None) };
        let damaged = || damaged(self.glance.position);
        let quoted = self.payload.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
        let sealed = STANDARD.decode(quoted.ok_or_else(damaged)?).map_err(|_| damaged())?;
        let clear = [&line[..self.clear], b"}"].concat();
        unseal(&key, &clear, &sealed).map(Some).ok_or_else(damaged)
    }
}

fn position_of(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

fn damaged(position: Position) -> ReadError {
    let what = "it is not as it was written".into();
    ReadError::Damaged { place: format!("event {position}"), what }
}

impl Shared {
    /// Looks at the clear parts of a page of the log.
    pub(super) fn glance(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
        look: &mut dyn FnMut(&Glance),
    ) -> Result<Option<Position>, ReadError> {
        let lines = self.lines(from, direction, max)?;
        for (position, line) in &lines {
            look(&Split::of(*position, line).ok_or_else(|| damaged(*position))?.glance);
        }
        Ok(after(lines.last().map(|(position, _)| *position), direction))
    }

    /// The lines of a page of the log that a sieve lets through.
    pub(super) fn sift(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
        sieve: &Sieve,
    ) -> Result<(Vec<(Position, Line)>, Option<Position>), ReadError> {
        let lines = self.lines(from, direction, max)?;
        let next = after(lines.last().map(|(position, _)| *position), direction);
        let mut wanted = Vec::with_capacity(lines.len());
        for (position, line) in &lines {
            let split = Split::of(*position, line).ok_or_else(|| damaged(*position))?;
            if (sieve.wanted)(&split.glance) {
                wanted.push((split, line));
            }
        }
        let share = |part: &[(Split, &Line)]| held(part, sieve, &self.keys);
        let kept = match wanted.len() {
            few if few < WORTH_A_THREAD || sieve.holds.is_none() => share(&wanted)?,
            many => {
                let parts = wanted.chunks(many.div_ceil(SIFTING_THREADS_MAX));
                let parts: Vec<_> = std::thread::scope(|scope| {
                    let threads: Vec<_> =
                        parts.map(|part| scope.spawn(move || share(part))).collect();
                    threads.into_iter().map(joined).collect()
                });
                parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat()
            }
        };
        Ok((kept, next))
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What of a page the payload lets through.
fn held(
    part: &[(Split, &Line)],
    sieve: &Sieve,
    keys: &KeyFile,
) -> Result<Vec<(Position, Line)>, ReadError> {
    let mut kept = vec![];
    for (split, line) in part {
        let holds = match sieve.holds {
            None => true,
            Some(holds) => split.plaintext(line, keys)?.is_some_and(|json| holds(&json)),
        };
        if holds {
            kept.push((split.glance.position, Arc::clone(line)));
        }
    }
    Ok(kept)
}

/// The clear part of an event that was read already.
pub(super) fn glance_of(event: &Recorded) -> Glance<'_> {
    Glance {
        position: event.position,
        stream: event.id.stream.as_str(),
        kind: &event.kind,
        ts: event.ts.0,
        correlation: event.correlation.as_ref().map(|stream| stream.as_str()),
        actor: event.actor.as_ref().map(|actor| actor.as_str()),
        room: event.room.as_ref().map(|room| room.as_str()),
        network: event.network.as_ref().map(|network| network.as_str()),
        bytes: json_of(event).map_or(0, |json| json.len()),
    }
}

/// The payload of an event that was read already, as JSON.
pub(super) fn json_of(event: &Recorded) -> Option<Vec<u8>> {
    let value = match &event.payload {
        Payload::Event(event) => event.encode(),
        Payload::Unknown(value) => value.clone(),
        Payload::Erased => return None,
    };
    serde_json::to_vec(&value).ok()
}

/// Lets events through that were read already.
pub(super) fn sifted(page: Vec<Recorded>, direction: Direction, sieve: &Sieve) -> Sifted {
    debug_assert!(page.len() <= READ_EVENTS_MAX, "a read is bounded");
    let next = after(page.last().map(|event| event.position), direction);
    let holds = |event: &Recorded| {
        sieve.holds.is_none_or(|holds| json_of(event).is_some_and(|json| holds(&json)))
    };
    let lets = |event: &Recorded| (sieve.wanted)(&glance_of(event)) && holds(event);
    Sifted { events: page.into_iter().filter(lets).collect(), next }
}
