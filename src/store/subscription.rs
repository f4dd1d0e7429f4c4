//! Catch-up reading from a checkpoint on: the only loop over the log that goes forward.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Direction, EventStore, READ_EVENTS_MAX, ReadError};
use crate::domain::event::Recorded;
use crate::domain::id::Position;

/// Follows the log from a position on. Dropping a waiting [`Subscription::next_batch`] loses nothing.
pub struct Subscription {
    store: Arc<dyn EventStore>,
    next: Position,
    head: watch::Receiver<Position>,
    begun: bool,
}

/// What came next.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The events, in the order of the log.
    pub events: Vec<Recorded>,
    /// Nothing more was there when they were read.
    pub caught_up: bool,
}

impl Subscription {
    /// Begins at a position: a projection's or processor's checkpoint.
    pub fn from(store: Arc<dyn EventStore>, position: Position) -> Self {
        let head = store.watch();
        Self { store, next: position, head, begun: false }
    }

    /// The checkpoint: everything before this position was handed out.
    pub fn position(&self) -> Position {
        self.next
    }

    /// The next events, at most `max` (and at most 4,096); waits if there are none. Only the first call does not
    /// wait: it says at once, with no events, that nothing has to be caught up.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails, is damaged or was closed.
    pub async fn next_batch(&mut self, max: usize) -> Result<Batch, ReadError> {
        let next = self.next;
        if self.begun {
            let closed = |_| ReadError::Store("the log was closed".into());
            self.head.wait_for(|head| *head > next).await.map_err(closed)?;
        }
        let head = self.store.next_position();
        let there = usize::try_from(head.0.saturating_sub(next.0)).unwrap_or(usize::MAX);
        let max = max.clamp(1, READ_EVENTS_MAX).min(there);
        let events = match max {
            0 => Vec::new(),
            max => self.store.read_all(next, Direction::Forward, max)?,
        };
        self.begun = true;
        self.next = events.last().map_or(next, |event| event.position.next());
        Ok(Batch { events, caught_up: self.next >= head })
    }
}
