//! The whole story of an execution or a trigger: all events that belong together, in the order of the log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::command::{Refusal, Sink, explained};
use super::executions;
use super::lookup::Lookup;
use super::words::words;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{DedupeKey, ExecutionId, Position, StreamName, Version};
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Most triggers whose events are taken into one story: its own, and those of answers and times.
pub const TRIGGERS_MAX: usize = 1_000;
/// Most events of one story.
pub const EVENTS_MAX: usize = 10_000;

/// Where the events of an execution's story are, in order; with those of what asked before it what was meant.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn positions(store: &dyn EventStore, id: &ExecutionId) -> Result<Vec<Position>, ReadError> {
    let mut found = own_positions(store, id)?;
    if let Some(asked) = asked_before(store, id)? {
        found.extend(own_positions(store, &asked)?);
        found.sort();
        found.dedup();
        found.truncate(EVENTS_MAX);
    }
    Ok(found)
}

/// The execution that asked what was meant, and began this one when that was clear.
fn asked_before(
    store: &dyn EventStore,
    id: &ExecutionId,
) -> Result<Option<ExecutionId>, ReadError> {
    let first =
        store.read(&StreamName::execution(id), Version::START, Direction::Forward, 1)?.pop();
    let Some(Event::ExecutionStarted(started)) = first.as_ref().and_then(Recorded::event) else {
        return Ok(None);
    };
    let mut lookup = Lookup::new(store);
    let Some(other) = lookup.cause(&started.trigger.stream)?.execution.clone() else {
        return Ok(None);
    };
    let became = lookup.facts(&other)?.and_then(|facts| facts.became.clone());
    Ok((other != *id && became.as_ref() == Some(id)).then_some(other))
}

fn own_positions(store: &dyn EventStore, id: &ExecutionId) -> Result<Vec<Position>, ReadError> {
    let (mut found, mut triggers) = (BTreeSet::new(), BTreeSet::new());
    let stream = StreamName::execution(id);
    let mut from = Version::START;
    loop {
        let page = store.read(&stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        for event in &page {
            found.insert(event.position);
            triggers.extend(event.correlation.clone());
            triggers.extend(timer_of(store, id, event));
        }
        from = Version(from.0 + page.len() as u64);
        if page.len() < READ_EVENTS_MAX || found.len() >= EVENTS_MAX {
            break;
        }
    }
    for trigger in triggers.iter().take(TRIGGERS_MAX) {
        found.extend(of_trigger(store, trigger)?);
        if found.len() >= EVENTS_MAX {
            break;
        }
    }
    Ok(found.into_iter().take(EVENTS_MAX).collect())
}

/// The trigger of a time that came.
fn timer_of(store: &dyn EventStore, id: &ExecutionId, event: &Recorded) -> Option<StreamName> {
    let Event::TimerFired(fired) = event.event()? else { return None };
    let due = fired.due.0.to_string();
    let key = DedupeKey::new(&["timer", id.as_str(), &fired.path, &due]);
    Some(StreamName::trigger(&store.key().dedupe(&key)))
}

/// Where the events are that came of a trigger, in order.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn of_trigger(
    store: &dyn EventStore,
    trigger: &StreamName,
) -> Result<BTreeSet<Position>, ReadError> {
    let own = store.read(trigger, Version::START, Direction::Forward, READ_EVENTS_MAX)?;
    let mut found: BTreeSet<Position> = own.iter().map(|event| event.position).collect();
    let by = By::Correlation(trigger.clone());
    let from = found.first().copied().unwrap_or(Position::START);
    found.extend(store.positions(&by, from, Direction::Forward, READ_EVENTS_MAX)?);
    let queued: Vec<Position> = found.iter().copied().collect();
    for event in store.read_at(&queued)? {
        // That a message was sent stands in its own stream, without its cause.
        if let Some(Event::MessageQueued(queued)) = event.event() {
            let stream = StreamName::message(&queued.message);
            let all = store.read(&stream, Version(1), Direction::Forward, READ_EVENTS_MAX)?;
            found.extend(all.iter().map(|event| event.position));
        }
    }
    Ok(found)
}

/// Tells a story: what it is about, then its events.
///
/// # Errors
/// [`Refusal`] if the log cannot be read, or nobody waits any more.
pub fn tell(
    store: &dyn EventStore,
    positions: &[Position],
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    let mut lookup = Lookup::new(store);
    for (nth, page) in positions.chunks(256).enumerate() {
        sink.progress("events", nth as u64 * 256, positions.len() as u64)?;
        for event in store.read_at(page)? {
            sink.row(row(&event, &mut lookup)?)?;
        }
    }
    Ok(())
}

/// An event with everything that people want to know of it: the fields of `log show`, and names, the execution and words.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn row(event: &Recorded, lookup: &mut Lookup) -> Result<Value, ReadError> {
    let mut row = explained(lookup.store, &mut lookup.erased, event)?;
    let speaker = lookup.speaker(event)?;
    let room = lookup.room(event)?;
    let execution = lookup.execution(event)?;
    let facts = execution.as_ref().map(|id| lookup.facts(id)).transpose()?.flatten();
    row["epoch"] = json!(event.epoch);
    row["network"] = json!(event.network);
    row["who"] = json!(speaker.as_ref().map(|speaker| &speaker.id));
    row["who_name"] = json!(speaker.as_ref().map(|speaker| &speaker.name));
    row["trust"] = json!(speaker.as_ref().map(|speaker| speaker.trust));
    row["where"] = json!(room.as_ref().map(|(id, _)| id));
    row["where_name"] = json!(room.as_ref().map(|(_, name)| name));
    row["execution"] = json!(execution);
    row["alias"] = json!(facts.as_ref().map(|facts| &facts.alias));
    row["status"] = json!(facts.as_ref().map(|facts| facts.standing.word()));
    row["what"] = match row["erased"]["text"].clone() {
        Value::Null => json!(words(event)),
        erased => erased,
    };
    Ok(row)
}

/// What somebody means by an id that is no event's: an execution by the beginning of its id, or a trigger.
///
/// # Errors
/// [`Refusal`] if there is no such thing, or more than one.
pub fn find(store: &dyn EventStore, text: &str) -> Result<Vec<Position>, Refusal> {
    let missing = || {
        Refusal::NotFound(format!(
            "there is no event `{text}`: write a position or `stream/version`, an execution or a trigger"
        ))
    };
    let stream = StreamName::parse(text).ok();
    if let Some(stream) = stream.as_ref().filter(|stream| stream.category() == "trigger")
        && store.version(stream)?.is_some()
    {
        return story_of_trigger(store, stream);
    }
    let prefix = text.strip_prefix("execution-").unwrap_or(text);
    if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(missing());
    }
    match executions::resolve(store, prefix)? {
        Ok(id) => Ok(positions(store, &id)?),
        Err(0) => Err(missing()),
        Err(several) => {
            let what = format!("{several} executions' ids begin with `{prefix}`: write more of it");
            Err(Refusal::NotFound(what))
        }
    }
}

/// The story of a trigger is that of its execution, if it led to one.
fn story_of_trigger(store: &dyn EventStore, stream: &StreamName) -> Result<Vec<Position>, Refusal> {
    let cause = Lookup::new(store).cause(stream)?;
    Ok(match &cause.execution {
        Some(id) => {
            let mut all: BTreeSet<Position> = positions(store, id)?.into_iter().collect();
            all.extend(of_trigger(store, stream)?);
            all.into_iter().take(EVENTS_MAX).collect()
        }
        None => of_trigger(store, stream)?.into_iter().collect(),
    })
}
