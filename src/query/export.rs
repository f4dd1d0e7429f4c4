//! The whole log as lines, in its order: what can be read of it, or the journal's own lines without any key.

use serde_json::Value;

use super::command::{Refusal, Sink};
use super::lookup::Lookup;
use super::story;
use crate::domain::id::Position;
use crate::store::sled::SledStore;
use crate::store::{Direction, EventStore};

/// How many events are held at a time.
pub const EXPORT_EVENTS: usize = 256;

/// Hands out every event that was on disk when this began: as an object, like `log query`, or `sealed`, as the journal's line in a text.
///
/// # Errors
/// [`Refusal`] if the log cannot be read.
pub fn export(store: &SledStore, sealed: bool, sink: &mut dyn Sink) -> Result<(), Refusal> {
    let end = store.next_position();
    let (mut from, mut lookup) = (Position::START, Lookup::new(store));
    while from < end {
        let rows = match sealed {
            true => lines(store, from)?,
            false => events(store, from, &mut lookup)?,
        };
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = last.next();
        for (_, row) in rows.into_iter().filter(|(position, _)| *position < end) {
            sink.row(row)?;
        }
        sink.progress("events exported", from.min(end).0, end.0)?;
    }
    Ok(())
}

fn events(
    store: &SledStore,
    from: Position,
    lookup: &mut Lookup,
) -> Result<Vec<(Position, Value)>, Refusal> {
    let page = store.read_all(from, Direction::Forward, EXPORT_EVENTS)?;
    let mut rows = Vec::with_capacity(page.len());
    for recorded in &page {
        rows.push((recorded.position, story::row(recorded, lookup)?));
    }
    Ok(rows)
}

fn lines(store: &SledStore, from: Position) -> Result<Vec<(Position, Value)>, Refusal> {
    let text = |(position, line): (Position, Vec<u8>)| {
        let damaged = |_| Refusal::Damaged(format!("event {position} is no text"));
        Ok((position, Value::String(String::from_utf8(line).map_err(damaged)?)))
    };
    store.raw_lines(from, EXPORT_EVENTS)?.into_iter().map(text).collect()
}
