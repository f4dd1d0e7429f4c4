//! Everything that a log answers, as rows that can be compared: events, streams, indexes, dedupe keys, projections, blobs,
//! pseudonyms.
//!
//! It asks the store every question that it has, so that "harmless" means that no answer is another one.

use std::collections::{BTreeMap, BTreeSet};

use beadle::domain::event::{Event, Payload, Recorded};
use beadle::domain::id::{DedupeKey, Position, StreamName, Version};
use beadle::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError, Subject};
use serde_json::{Value, json};

/// What cannot be found out from the events themselves.
pub struct Asks {
    /// Dedupe keys that were given.
    pub keys: Vec<DedupeKey>,
    /// Who and what stands in the log.
    pub subjects: Vec<Subject>,
    /// Names of projections; without any, none are asked for.
    pub projections: Vec<String>,
    /// Everything that the events can be found by is asked for.
    pub indexes: bool,
}

/// The answers by their question.
pub type Answers = BTreeMap<String, Value>;

/// The whole log, page by page.
pub fn events(store: &dyn EventStore) -> Result<Vec<Recorded>, ReadError> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let page = store.read_all(Position(all.len() as u64), Direction::Forward, usize::MAX)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Asks everything about the events before a position.
pub fn full_read(
    store: &dyn EventStore,
    asks: &Asks,
    before: Position,
) -> Result<Answers, ReadError> {
    let all = events(store)?;
    let mut answers = Answers::new();
    for event in all.iter().filter(|event| event.position < before) {
        answers.insert(format!("event {:08}", event.position.0), row(event));
        blob(store, event, &mut answers)?;
    }
    let mut backward = page_backward(store, all.len() as u64)?;
    backward.reverse();
    answers.insert("backward is the same".into(), json!(backward == all));
    streams(store, &all, before, &mut answers)?;
    if asks.indexes {
        indexes(store, &all, before, &mut answers)?;
    }
    for key in &asks.keys {
        let found = store.find(key)?.map(|position| position.0);
        answers.insert(format!("key {}", key.0), json!(found));
    }
    for subject in &asks.subjects {
        let pseudonym = store.pseudonym(subject).map(|it| it.to_string());
        answers.insert(format!("subject {subject:?}"), json!(pseudonym));
    }
    for name in &asks.projections {
        let kept = store.projection(name, "")?;
        let rows: Vec<_> = kept.rows.iter().map(|(key, value)| json!([key, value])).collect();
        answers.insert(format!("projection {name}"), json!([kept.checkpoint.0, rows]));
    }
    Ok(answers)
}

fn page_backward(store: &dyn EventStore, length: u64) -> Result<Vec<Recorded>, ReadError> {
    let mut all = Vec::new();
    let mut left = length;
    while left > 0 {
        let page = store.read_all(Position(left - 1), Direction::Backward, usize::MAX)?;
        left -= page.len() as u64;
        all.extend(page);
    }
    Ok(all)
}

fn streams(
    store: &dyn EventStore,
    all: &[Recorded],
    before: Position,
    answers: &mut Answers,
) -> Result<(), ReadError> {
    let names: BTreeSet<&StreamName> = all.iter().map(|event| &event.id.stream).collect();
    for name in names {
        let mut read = Vec::new();
        while read.len().is_multiple_of(READ_EVENTS_MAX) {
            let from = Version(read.len() as u64);
            let page = store.read(name, from, Direction::Forward, usize::MAX)?;
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        let later = read.iter().filter(|event| event.position >= before).count() as u64;
        if later == read.len() as u64 {
            continue;
        }
        let version = store.version(name)?.map(|version| version.0 + 1 - later);
        let places: Vec<_> = read.iter().map(|event| event.position.0).collect();
        let places: Vec<_> = places.into_iter().filter(|place| *place < before.0).collect();
        answers.insert(format!("stream {name}"), json!([version, places]));
        let same = read.iter().all(|event| all.get(event.position.0 as usize) == Some(event));
        answers.insert(format!("stream {name} is the log's"), json!(same));
    }
    Ok(())
}

fn indexes(
    store: &dyn EventStore,
    all: &[Recorded],
    before: Position,
    answers: &mut Answers,
) -> Result<(), ReadError> {
    for by in values(all) {
        let forward = store.positions(&by, Position::START, Direction::Forward, usize::MAX)?;
        let backward = store.positions(&by, Position::END, Direction::Backward, usize::MAX)?;
        let kept = |found: &[Position]| -> BTreeSet<u64> {
            found.iter().filter(|it| **it < before).map(|it| it.0).collect()
        };
        let rows = kept(&forward);
        if !rows.is_empty() {
            answers.insert(format!("index {by:?}"), json!([rows, rows == kept(&backward)]));
        }
    }
    Ok(())
}

/// Everything that the events can be found by.
fn values(all: &[Recorded]) -> BTreeSet<By> {
    let of = |event: &Recorded| {
        let who = [
            event.actor.clone().map(By::Actor),
            event.room.clone().map(By::Room),
            event.network.clone().map(By::Network),
            event.correlation.clone().map(By::Correlation),
            Some(By::Kind(event.kind.clone())),
        ];
        who.into_iter().flatten()
    };
    all.iter().flat_map(of).collect()
}

fn blob(store: &dyn EventStore, event: &Recorded, answers: &mut Answers) -> Result<(), ReadError> {
    if let Some(Event::EffectCompleted(effect)) = event.event()
        && let Some(blob) = &effect.output
    {
        let content = store.blob(blob)?;
        answers.insert(format!("blob {}", blob.id), json!(content));
    }
    Ok(())
}

/// An event with everything that stands in it.
fn row(event: &Recorded) -> Value {
    let payload = match &event.payload {
        Payload::Event(event) => json!({ "event": event.encode() }),
        Payload::Unknown(value) => json!({ "unknown": value }),
        Payload::Erased => json!("erased"),
    };
    let text = |it: Option<String>| json!(it);
    json!({
        "id": event.id.to_string(), "type": event.kind, "schema": event.schema,
        "ts": event.ts.0, "wall": event.wall.0, "epoch": event.epoch,
        "cause": text(event.cause.as_ref().map(ToString::to_string)),
        "correlation": text(event.correlation.as_ref().map(ToString::to_string)),
        "actor": text(event.actor.as_ref().map(ToString::to_string)),
        "room": text(event.room.as_ref().map(ToString::to_string)),
        "network": text(event.network.as_ref().map(ToString::to_string)),
        "key": text(event.key.as_ref().map(ToString::to_string)),
        "commitment": event.commitment, "payload": payload,
    })
}
