//! Executions as people look at them: a list, and one of them step by step.

use serde_json::{Value, json};

use crate::domain::event::{EffectResult, Ending, Event};
use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, Position, StreamName, Version};
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
        events.append(&mut page);
        if last {
            return Ok(Execution::fold(&events));
        }
    }
}

/// The newest executions, newest first.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn list(store: &dyn EventStore, max: usize) -> Result<Vec<Execution>, ReadError> {
    let mut found = vec![];
    let mut from = Position::END;
    loop {
        let page = store.read_all(from, Direction::Backward, READ_EVENTS_MAX)?;
        let Some(oldest) = page.last().map(|recorded| recorded.position) else { return Ok(found) };
        for recorded in &page {
            if let Some(Event::ExecutionStarted(_)) = recorded.event() {
                let id = ExecutionId(recorded.id.stream.id().to_owned());
                found.extend(load(store, &id)?);
            }
            if found.len() >= max.min(LISTED_MAX) {
                return Ok(found);
            }
        }
        match oldest.0.checked_sub(1) {
            Some(before) => from = Position(before),
            None => return Ok(found),
        }
    }
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
    steps.sort_by_key(|(path, _)| path.parse::<u64>().unwrap_or(u64::MAX));
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
    };
    all
}
