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

/// Whether a payload, as JSON, may hold what is searched.
pub type Holds<'a> = dyn Fn(&[u8]) -> bool + Sync + 'a;

/// What a search lets through.
#[derive(Clone, Copy)]
pub struct Sieve<'a> {
    /// Whether an event may be wanted, from its clear part.
    pub wanted: &'a (dyn Fn(&Glance) -> bool + Sync),
    /// Whether it still may be, from its payload as JSON; what is erased is not wanted then.
    pub holds: Option<&'a Holds<'a>>,
}

/// The lines of a page that were let through, and where the next page begins.
type Sieved = (Vec<(Position, Line)>, Option<Position>);

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

impl<'a> Glance<'a> {
    fn empty(position: Position, bytes: usize) -> Self {
        Self {
            position,
            stream: "",
            kind: "",
            ts: 0,
            correlation: None,
            actor: None,
            room: None,
            network: None,
            bytes,
        }
    }

    /// Takes one field of a line.
    fn take(&mut self, name: &[u8], text: &'a str) -> Option<()> {
        match name {
            b"stream" => self.stream = text,
            b"type" => self.kind = text,
            b"ts" => self.ts = text.parse().ok()?,
            b"correlation" => self.correlation = Some(text),
            b"actor" => self.actor = Some(text),
            b"room" => self.room = Some(text),
            b"network" => self.network = Some(text),
            _ => {}
        }
        Some(())
    }
}

impl<'a> Split<'a> {
    /// Reads a line's fields in their order; no value before the payload holds a quotation mark.
    fn of(position: Position, line: &'a [u8]) -> Option<Self> {
        let mut glance = Glance::empty(position, line.len());
        let (mut slot, mut at) = (None, 0);
        loop {
            let comma = at;
            let rest = line.get(at + 2..)?;
            let name = &rest[..position_of(rest, b'"')?];
            at += 2 + name.len() + 2;
            if matches!(name, b"open" | b"sealed") {
                let payload = line.get(at..)?.strip_suffix(b"}")?;
                return Some(Self { glance, slot, clear: comma, payload });
            }
            let value = line.get(at..)?;
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
                b"slot" => slot = Some(text.parse().ok()?),
                name => glance.take(name, text)?,
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
    ) -> Result<Sieved, ReadError> {
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

#[cfg(test)]
mod tests {
    use super::super::open::Options;
    use super::super::sled::SledStore;
    use super::super::testing::surroundings;
    use super::super::{EventStore, Expected, Write};
    use super::*;
    use crate::domain::event::{MemoryWritten, Meta, NewEvent, SyncAdvanced};
    use crate::domain::id::{StreamName, UserId};

    /// A log of a few pages: sealed and open events of two people, one of them erased.
    async fn log(dir: &std::path::Path) -> SledStore {
        let opened = SledStore::open(dir, surroundings(), Options::default());
        let (store, _) = opened.expect("the log opens");
        for nth in 0..12 {
            let stream = StreamName::parse(&format!("test-{nth}")).expect("is a name");
            let event = |n: usize| {
                let actor =
                    Some(UserId(if n.is_multiple_of(3) { "@ann:hs" } else { "@ben:hs" }.into()));
                let meta = Meta { actor, correlation: Some(stream.clone()), ..Meta::default() };
                let (scope, key, value) = ("s".into(), "k".into(), format!("word{}", n % 7).into());
                match n % 5 {
                    0 => NewEvent::with(&meta, SyncAdvanced { token: format!("word{n}") }),
                    _ => NewEvent::with(&meta, MemoryWritten { scope, key, value, expires: None }),
                }
            };
            let events = (0..60).map(event).collect();
            let write =
                Write { stream: stream.clone(), expected: Expected::Any, key: None, events };
            store.append(vec![write]).await.expect("it appends");
        }
        store.erase(&[Position(7)]).expect("it is erased");
        store
    }

    #[tokio::test]
    async fn the_quick_way_finds_what_the_plain_way_finds() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = log(dir.path()).await;
        let ann = store.pseudonym(&super::super::Subject::Person("@ann:hs".into()));
        let ann = ann.expect("she is known");
        let by_ann = |glance: &Glance| glance.actor == Some(ann.as_str());
        let holds = |json: &[u8]| json.windows(5).any(|window| window == b"word3");
        let every = |_: &Glance| true;
        for (from, direction, max) in [
            (Position::START, Direction::Forward, 4_096),
            (Position::END, Direction::Backward, 4_096),
            (Position(5), Direction::Forward, 300),
            (Position(300), Direction::Backward, 10),
            (Position::END, Direction::Forward, 10),
        ] {
            for (sieve, what) in [
                (Sieve { wanted: &every, holds: None }, "everything"),
                (Sieve { wanted: &by_ann, holds: None }, "ann"),
                (Sieve { wanted: &every, holds: Some(&holds) }, "word3"),
                (Sieve { wanted: &by_ann, holds: Some(&holds) }, "word3 of ann"),
            ] {
                let quick = store.sift(from, direction, max, &sieve).expect("it reads");
                let page = store.read_all(from, direction, max).expect("it reads");
                assert_eq!(quick, sifted(page, direction, &sieve), "{what} from {from}");
            }
        }
        let sieve = Sieve { wanted: &every, holds: Some(&holds) };
        let all = store.sift(Position::START, Direction::Forward, 4_096, &sieve);
        let all = all.expect("it reads").events.len();
        assert!(
            all > WORTH_A_THREAD / SIFTING_THREADS_MAX / 2 && all < 720,
            "{all} of two threads"
        );
    }

    #[tokio::test]
    async fn a_glance_is_the_clear_part() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = log(dir.path()).await;
        let page = store.read_all(Position::START, Direction::Forward, 4_096).expect("it reads");
        let mut seen = 0;
        let looked = store.glance(Position::START, Direction::Forward, 4_096, &mut |glance| {
            let want = glance_of(&page[seen]);
            assert_eq!(Glance { bytes: 0, ..*glance }, Glance { bytes: 0, ..want });
            assert!(glance.bytes > 100, "{glance:?}");
            seen += 1;
        });
        assert_eq!(looked.expect("it reads"), Some(Position(page.len() as u64)));
        assert_eq!(seen, page.len());
    }

    #[test]
    fn what_is_no_line_is_no_glance() {
        let line = br#"{"v":1,"position":7,"type":"x","ts":5,"epoch":0,"open":{"a":1}}"#;
        assert!(Split::of(Position(7), line).is_some());
        // A line that lacks its last byte alone ends as another could: its checksum tells.
        for end in 0..line.len() - 1 {
            let cut = Split::of(Position(7), &line[..end]);
            assert!(cut.is_none(), "cut at {end}");
        }
        assert!(Split::of(Position(7), br#"{"ts":"x","open":{}}"#).is_none());
    }
}
