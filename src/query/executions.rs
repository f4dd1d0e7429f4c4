//! Executions as people look at them: a list, and one of them step by step.

use serde_json::{Value, json};

use super::agenda::known;
use super::erased::Erased;
use crate::domain::event::{EffectResult, Ending, Payload};
use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, Position, StreamName, Version};
use crate::domain::path;
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Most executions of one list.
pub const LISTED_MAX: usize = 1_000;

/// Reads an execution's events; none: there is no such execution.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn load(store: &dyn EventStore, id: &ExecutionId) -> Result<Option<Execution>, ReadError> {
    let stream = StreamName::execution(id);
    let mut events = vec![];
    loop {
        let from = Version(events.len() as u64);
        let mut page = store.read(&stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        let last = page.len() < READ_EVENTS_MAX;
        page.iter().try_for_each(known)?;
        events.append(&mut page);
        if last {
            return Ok(Execution::fold(&events));
        }
    }
}

/// Reads an execution's events for somebody who only looks; none also where an event of a newer program is among them,
/// because nobody can tell what that one changed.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn seen(store: &dyn EventStore, id: &ExecutionId) -> Result<Option<Execution>, ReadError> {
    match load(store, id) {
        Err(ReadError::Newer { .. }) => Ok(None),
        loaded => loaded,
    }
}

/// The newest executions as rows, newest first; of one that is erased or of a newer program, what can be told of it.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn rows(
    store: &dyn EventStore,
    max: usize,
    erased: &mut Erased,
) -> Result<Vec<Value>, ReadError> {
    let mut rows = vec![];
    each(store, |id| {
        let row = match seen(store, id)? {
            Some(execution) => Some(summary(&execution)),
            None => remains(store, id, erased)?,
        };
        rows.extend(row);
        Ok(rows.len() < max.min(LISTED_MAX))
    })?;
    Ok(rows)
}

/// What can be told of the execution, erased or of a newer program, whose id begins like this, if there is exactly one.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn remains_of(
    store: &dyn EventStore,
    prefix: &str,
    erased: &mut Erased,
) -> Result<Option<Value>, ReadError> {
    match resolve(store, prefix)? {
        Ok(id) => remains(store, &id, erased),
        Err(_) => Ok(None),
    }
}

/// What can be told of an execution of which something is erased, or was written by a newer program: its id, its times,
/// and the types of its events.
fn remains(
    store: &dyn EventStore,
    id: &ExecutionId,
    erased: &mut Erased,
) -> Result<Option<Value>, ReadError> {
    let events = store.read(
        &StreamName::execution(id),
        Version::START,
        Direction::Forward,
        READ_EVENTS_MAX,
    )?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
    let newer = events.iter().find(|event| matches!(event.payload, Payload::Unknown(_)));
    let gone = events.iter().find(|event| matches!(event.payload, Payload::Erased));
    let (status, how, told) = match (gone, newer) {
        (Some(event), _) => {
            let how = erased.at(store, event.position)?;
            ("erased", how.clone(), how["text"].clone())
        }
        (None, Some(event)) => {
            let told = format!("`{}` is of a newer beadle: upgrade this program", event.kind);
            ("unknown", Value::Null, json!(told))
        }
        (None, None) => return Ok(None),
    };
    let journal = events.iter().map(|event| json!({ "type": event.kind, "at_ms": event.ts.0 }));
    Ok(Some(json!({
        "execution": id,
        "status": status,
        "command": told,
        "began_ms": first.ts.0,
        "touched_ms": last.ts.0,
        "erased": how,
        "journal": journal.collect::<Vec<Value>>(),
    })))
}

/// Goes over the executions of the log, the newest first, until `take` has enough.
fn each(
    store: &dyn EventStore,
    mut take: impl FnMut(&ExecutionId) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut from = Position::END;
    loop {
        let page = store.read_all(from, Direction::Backward, READ_EVENTS_MAX)?;
        for recorded in page.iter().filter(|recorded| recorded.kind == "execution_started") {
            if !take(&ExecutionId(recorded.id.stream.id().to_owned()))? {
                return Ok(());
            }
        }
        match page.last().and_then(|oldest| oldest.position.0.checked_sub(1)) {
            Some(before) => from = Position(before),
            None => return Ok(()),
        }
    }
}

/// The newest executions that can be told whole, newest first.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn list(store: &dyn EventStore, max: usize) -> Result<Vec<Execution>, ReadError> {
    let mut found = vec![];
    each(store, |id| {
        found.extend(seen(store, id)?);
        Ok(found.len() < max.min(LISTED_MAX))
    })?;
    Ok(found)
}

/// The execution whose id begins like this, if there is exactly one among the newest; else how many there are.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn find(store: &dyn EventStore, prefix: &str) -> Result<Result<Execution, usize>, ReadError> {
    let mut found = list(store, LISTED_MAX)?;
    found.retain(|execution| execution.id.starts_with(prefix));
    Ok(match found.len() {
        1 => Ok(found.remove(0)),
        count => Err(count),
    })
}

/// The execution whose id begins like this, if there is exactly one in the log; else how many there are.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn resolve(
    store: &dyn EventStore,
    prefix: &str,
) -> Result<Result<ExecutionId, usize>, ReadError> {
    let whole = ExecutionId(ExecutionId::typed(prefix));
    let stream = StreamName::parse(&format!("execution-{whole}"));
    if let Ok(stream) = stream
        && store.version(&stream)?.is_some()
    {
        return Ok(Ok(whole));
    }
    let (mut found, mut from) = (vec![], Position::START);
    loop {
        let kind = By::Kind("execution_started".into());
        let page = store.positions(&kind, from, Direction::Forward, READ_EVENTS_MAX)?;
        for position in &page {
            store.glance(*position, Direction::Forward, 1, &mut |glance| {
                let id = glance.stream.split_once('-').map_or("", |(_, id)| id);
                if id.starts_with(whole.as_str()) && !prefix.is_empty() {
                    found.push(ExecutionId(id.to_owned()));
                }
            })?;
        }
        match page.last() {
            Some(last) if page.len() >= READ_EVENTS_MAX => from = last.next(),
            _ => break,
        }
    }
    Ok(match found.len() {
        1 => Ok(found.remove(0)),
        count => Err(count),
    })
}

/// One execution in a line, as JSON.
pub fn summary(execution: &Execution) -> Value {
    json!({
        "execution": execution.id,
        "status": execution.status().word(),
        "alias": execution.started.handler.alias,
        "command": execution.started.command,
        "by": execution.started.requester.id,
        "room": execution.started.place.name,
        "began_ms": execution.began.0,
        "touched_ms": execution.touched.0,
        "steps": execution.steps.len(),
    })
}

/// One execution with its steps, as JSON.
pub fn details(execution: &Execution) -> Value {
    let mut steps: Vec<_> = execution.steps.iter().collect();
    steps.sort_by(|(a, _), (b, _)| path::order(a, b));
    let step = |(path, step): &(&String, &crate::domain::execution::Step)| {
        let (state, value) = match &step.result {
            _ if step.in_doubt => ("in doubt", Value::Null),
            None => ("waiting", Value::Null),
            Some(EffectResult::Ok(value)) => ("done", value.clone()),
            Some(EffectResult::Err(value)) => ("failed", value.clone()),
        };
        json!({
            "path": path, "op": step.op, "line": step.line, "args": step.args,
            "state": state, "value": value, "attempt": step.attempt,
        })
    };
    let mut all = summary(execution);
    all["script"] = json!({
        "file": execution.started.handler.file, "version": execution.started.handler.script,
    });
    all["args"] = execution.started.args.clone();
    all["journal"] = steps.iter().map(step).collect();
    all["ending"] = match &execution.ending {
        None => Value::Null,
        Some(Ending::Succeeded(value)) => json!({ "succeeded": value }),
        Some(Ending::Failed(failure)) => json!({ "failed": failure }),
        Some(Ending::Diverged(how)) => json!({ "diverged": how }),
        Some(Ending::Cancelled { by, reason }) => {
            json!({ "cancelled": { "by": by, "reason": reason } })
        }
    };
    all
}
