//! The events that were read last, as they were read: checked, unsealed and understood once.
//!
//! What is decided on a trigger reads the same few events again and again. They are in memory only, and an erasure
//! forgets all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::event::Recorded;
use crate::domain::id::Position;

/// How many events are kept: those of some fifty commands.
pub const RECENT_EVENTS_MAX: usize = 256;
/// An event whose line is longer is not kept.
pub const RECENT_LINE_BYTES_MAX: usize = 16 * 1024;

/// The events, by position; the oldest go first.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Grows with every erasure: what was read before one is not kept after it.
    erasures: u64,
    events: BTreeMap<Position, Recorded>,
}

impl Recent {
    /// The event at a position, or what `read` makes now of a line of so many bytes.
    ///
    /// # Errors
    /// What `read` says.
    pub(crate) fn or_read<E>(
        &self,
        position: Position,
        line_bytes: usize,
        read: impl FnOnce() -> Result<Recorded, E>,
    ) -> Result<Recorded, E> {
        let erasures = {
            let inner = self.inner();
            if let Some(known) = inner.events.get(&position) {
                return Ok(known.clone());
            }
            inner.erasures
        };
        let recorded = read()?;
        let mut inner = self.inner();
        if inner.erasures == erasures && line_bytes <= RECENT_LINE_BYTES_MAX {
            inner.keep(position, &recorded);
        }
        Ok(recorded)
    }

    /// Forgets everything: some of it is erased.
    pub(crate) fn forget(&self) {
        let mut inner = self.inner();
        inner.erasures += 1;
        inner.events.clear();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// An event that is older than all that are kept is not worth it: somebody reads the log from its beginning.
    fn keep(&mut self, position: Position, recorded: &Recorded) {
        let full = self.events.len() >= RECENT_EVENTS_MAX;
        let oldest = self.events.first_key_value().map(|(oldest, _)| *oldest);
        if full && oldest.is_some_and(|oldest| position < oldest) {
            return;
        }
        self.events.insert(position, recorded.clone());
        while self.events.len() > RECENT_EVENTS_MAX {
            self.events.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::domain::event::{NewEvent, SyncAdvanced};
    use crate::store::memory::MemoryStore;
    use crate::store::testing::surroundings;
    use crate::store::{Direction, EventStore, Expected, Write};

    async fn an_event() -> Recorded {
        let store = MemoryStore::new(surroundings());
        let stream = crate::domain::id::StreamName::sync();
        let events = vec![NewEvent::bare(SyncAdvanced { token: "t".into() })];
        let batch = vec![Write { stream, expected: Expected::Any, key: None, events }];
        store.append(batch).await.expect("it appends");
        let read = store.read_all(Position::START, Direction::Forward, 64);
        read.expect("it reads").pop().expect("it is there")
    }

    /// Whether an event had to be read.
    fn had_to(recent: &Recent, position: u64, event: &Recorded) -> bool {
        had_to_of(recent, position, event, 1)
    }

    fn had_to_of(recent: &Recent, position: u64, event: &Recorded, bytes: usize) -> bool {
        let had_to = Cell::new(false);
        let read = || {
            had_to.set(true);
            Ok::<_, ()>(event.clone())
        };
        assert!(recent.or_read(Position(position), bytes, read).is_ok());
        had_to.get()
    }

    #[tokio::test]
    async fn an_event_is_read_once_until_something_is_erased() {
        let (recent, event) = (Recent::default(), an_event().await);
        assert!(had_to(&recent, 7, &event));
        assert!(!had_to(&recent, 7, &event));
        recent.forget();
        assert!(had_to(&recent, 7, &event));
        let erased_meanwhile = || {
            recent.forget();
            Ok::<_, ()>(event.clone())
        };
        assert!(recent.or_read(Position(8), 1, erased_meanwhile).is_ok());
        assert!(had_to(&recent, 8, &event), "it may be from before the erasure");
    }

    #[tokio::test]
    async fn long_events_are_not_kept() {
        let (recent, event) = (Recent::default(), an_event().await);
        for (position, bytes, kept) in
            [(1, RECENT_LINE_BYTES_MAX, true), (2, RECENT_LINE_BYTES_MAX + 1, false)]
        {
            assert!(had_to_of(&recent, position, &event, bytes));
            assert_eq!(!had_to_of(&recent, position, &event, bytes), kept, "{bytes}");
        }
    }

    #[tokio::test]
    async fn the_newest_events_are_kept() {
        let (recent, event) = (Recent::default(), an_event().await);
        let last = RECENT_EVENTS_MAX as u64 + 10;
        for position in 10..=last {
            had_to(&recent, position, &event);
        }
        assert_eq!(recent.inner().events.len(), RECENT_EVENTS_MAX);
        for (position, kept) in [(10, false), (11, true), (last, true), (3, false)] {
            assert_eq!(!had_to(&recent, position, &event), kept, "{position}");
            assert_eq!(recent.inner().events.len(), RECENT_EVENTS_MAX);
        }
    }
}
