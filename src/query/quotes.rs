//! Answers of `!audit`, `!find`, `!why` and `!what did` that quote what is erased: they belong to what somebody else asked, and go with it.

use super::erasure::Round;
use crate::domain::audit_command::SEARCH;
use crate::domain::builtin::Builtin;
use crate::domain::event::{EffectResult, Event, Recorded};
use crate::domain::id::{ExecutionId, Position, StreamName, Version};
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Most executions that are looked at for answers that quote what is erased: the newest ones.
pub const QUOTING_MAX: usize = 100_000;
/// Most events of an execution of such a command that are read; it has fewer.
const JOURNAL_MAX: usize = 64;

/// Adds to a round the answers that quote what is in it, and answers that quote those.
pub(super) fn take(store: &dyn EventStore, round: &mut Round) -> Result<(), ReadError> {
    let Some(first) = round.places.stretches().next().map(|stretch| stretch.0) else {
        return Ok(());
    };
    // Who quotes an answer asked after it was given: the order of the log is enough.
    for page in asked_after(store, first, QUOTING_MAX)?.chunks(READ_EVENTS_MAX) {
        for event in store.read_at(page)? {
            take_answer(store, &event, round)?;
        }
    }
    Ok(())
}

/// Where executions began after a position, in the order of the log: at most so many, the newest.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn asked_after(
    store: &dyn EventStore,
    first: Position,
    most: usize,
) -> Result<Vec<Position>, ReadError> {
    let by = By::Kind("execution_started".into());
    let (mut from, mut found) = (Position::END, vec![]);
    while found.len() < most {
        let size = READ_EVENTS_MAX.min(most - found.len());
        let page = store.positions(&by, from, Direction::Backward, size)?;
        let before = page.last().and_then(|last| last.0.checked_sub(1)).map(Position);
        found.extend(page.into_iter().take_while(|position| *position > first));
        match before.filter(|before| *before > first) {
            Some(before) => from = before,
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// Takes the answer of an execution if it is a question to the log that found what goes.
fn take_answer(
    store: &dyn EventStore,
    began: &Recorded,
    round: &mut Round,
) -> Result<(), ReadError> {
    let Some(Event::ExecutionStarted(started)) = began.event() else { return Ok(()) };
    let asks = Builtin::of(&started.handler).is_some_and(Builtin::asks_log);
    if !asks || !found(store, &began.id.stream)?.iter().any(|it| round.places.holds(*it)) {
        return Ok(());
    }
    // One that is not over may be about to quote it.
    round.look_at(store, &began.id.stream)?;
    let Some(correlation) = &began.correlation else { return Ok(()) };
    let id = ExecutionId(began.id.stream.id().to_owned());
    super::erasure::each(store, &By::Correlation(correlation.clone()), |event| {
        match event.event() {
            Some(Event::MessageQueued(it)) if it.execution.as_ref() == Some(&id) => {
                round.take(store, event, false)
            }
            _ => Ok(()),
        }
    })
}

/// The places that the search of such an execution found.
fn found(store: &dyn EventStore, stream: &StreamName) -> Result<Vec<Position>, ReadError> {
    let journal = store.read(stream, Version::START, Direction::Forward, JOURNAL_MAX)?;
    let results = journal.iter().filter_map(|event| match event.event() {
        Some(Event::EffectCompleted(done)) if done.path == SEARCH => Some(&done.result),
        _ => None,
    });
    let found = results.filter_map(|result| match result {
        EffectResult::Ok(value) => {
            serde_json::from_value::<Vec<Position>>(value["positions"].clone()).ok()
        }
        _ => None,
    });
    Ok(found.flatten().collect())
}
