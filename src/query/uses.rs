//! When commands and actions were used last, as far back as the newest executions and effects tell it.

use std::collections::BTreeMap;

use crate::domain::event::{Event, Recorded};
use crate::domain::id::{Position, Timestamp};
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Most executions, and most effects, that are looked at: the newest ones.
pub const LOOKED_AT_MAX: usize = 8_192;
/// Events that are read at a time.
const PAGE: usize = 256;

/// When things were used last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Commands, by file and name.
    pub aliases: BTreeMap<(String, String), Timestamp>,
    /// Actions, by name.
    pub actions: BTreeMap<String, Timestamp>,
}

/// As the log tells it.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn uses(store: &dyn EventStore) -> Result<Uses, ReadError> {
    let mut uses = Uses::default();
    newest(store, "execution_started", &mut |event| {
        if let Some(Event::ExecutionStarted(started)) = event.event() {
            let handler = &started.handler;
            let key = (handler.file.clone(), handler.alias.clone());
            latest(uses.aliases.entry(key).or_insert(event.wall), event);
        }
    })?;
    newest(store, "effect_requested", &mut |event| {
        if let Some(Event::EffectRequested(effect)) = event.event()
            && let Some(action) = effect.args["action"].as_str()
        {
            latest(uses.actions.entry(action.to_owned()).or_insert(event.wall), event);
        }
    })?;
    Ok(uses)
}

/// Whatever order they are read in, the last one counts.
fn latest(at: &mut Timestamp, event: &Recorded) {
    *at = (*at).max(event.wall);
}

/// Goes over the newest events of a type.
fn newest(
    store: &dyn EventStore,
    kind: &str,
    take: &mut dyn FnMut(&Recorded),
) -> Result<(), ReadError> {
    let by = By::Kind(kind.to_owned());
    let (mut from, mut left) = (Position::END, LOOKED_AT_MAX);
    while left > 0 {
        let size = left.min(READ_EVENTS_MAX);
        let positions = store.positions(&by, from, Direction::Backward, size)?;
        for page in positions.chunks(PAGE) {
            store.read_at(page)?.iter().for_each(&mut *take);
        }
        left -= positions.len();
        match positions.last().and_then(|last| last.0.checked_sub(1)) {
            Some(before) if positions.len() == size => from = Position(before),
            _ => break,
        }
    }
    Ok(())
}
