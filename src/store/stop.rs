//! A log that stops at the n-th append, before or after it is done: the end of a process, for tests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{
    AppendError, Appended, Direction, EventStore, Projection, ProjectionChange, ReadError, Subject,
    Write,
};
use crate::domain::event::{BlobRef, Recorded};
use crate::domain::id::{DedupeKey, IdKey, Position, Pseudonym, StreamName, Version};

/// A log that stops at its n-th append. After that nothing can be written, and what the stopping append wrote is seen
/// by the next opening only: a process that has ended sees nothing either.
pub struct StopStore {
    inner: Arc<dyn EventStore>,
    stop_at: u64,
    survives: bool,
    appends: AtomicU64,
    read: AtomicU64,
    stopped: OnceLock<Position>,
    head: watch::Sender<Position>,
    failure: watch::Sender<Option<String>>,
}

impl StopStore {
    /// Stops at the append with this number, counted from 1; if it `survives`, it is on disk all the same.
    /// `u64::MAX` only counts.
    pub fn new(inner: Arc<dyn EventStore>, stop_at: u64, survives: bool) -> Arc<Self> {
        let head = watch::Sender::new(inner.next_position());
        let (appends, read, stopped) = (AtomicU64::new(0), AtomicU64::new(0), OnceLock::new());
        let failure = watch::Sender::new(None);
        Arc::new(Self { inner, stop_at, survives, appends, read, stopped, head, failure })
    }

    /// How many appends were asked for.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    /// How many events of streams were read.
    pub fn events_read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }

    /// Whether it has stopped.
    pub fn stopped(&self) -> bool {
        self.stopped.get().is_some()
    }

    async fn append_counted(&self, batch: Vec<Write>) -> Result<Appended, AppendError> {
        let nth = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        self.running()?;
        if nth >= self.stop_at {
            let _ = self.stopped.set(self.next_position());
            if self.survives && nth == self.stop_at {
                self.inner.append(batch).await?;
            }
            self.failure.send_replace(Some("stopped".into()));
            return Err(stopped_error());
        }
        let appended = self.inner.append(batch).await?;
        self.running()?;
        let next = appended.next;
        self.head.send_if_modified(|head| std::mem::replace(head, next.max(*head)) != *head);
        Ok(appended)
    }

    fn running(&self) -> Result<(), AppendError> {
        if self.stopped() { Err(stopped_error()) } else { Ok(()) }
    }

    /// Leaves out what came with the stop.
    fn seen(&self, mut events: Vec<Recorded>) -> Vec<Recorded> {
        if let Some(end) = self.stopped.get() {
            events.retain(|event| event.position < *end);
        }
        events
    }
}

fn stopped_error() -> AppendError {
    AppendError::Failed { dir: PathBuf::from("stopped"), reason: "stopped".into() }
}

impl EventStore for StopStore {
    fn append(&self, batch: Vec<Write>) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.append_counted(batch))
    }

    fn read(
        &self,
        stream: &StreamName,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let events = self.inner.read(stream, from, direction, max)?;
        self.read.fetch_add(events.len() as u64, Ordering::SeqCst);
        Ok(self.seen(events))
    }

    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.inner.read_all(from, direction, max).map(|events| self.seen(events))
    }

    fn version(&self, stream: &StreamName) -> Result<Option<Version>, ReadError> {
        self.inner.version(stream)
    }

    fn find(&self, key: &DedupeKey) -> Result<Option<Position>, ReadError> {
        self.inner.find(key)
    }

    fn next_position(&self) -> Position {
        *self.head.borrow()
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn key(&self) -> &IdKey {
        self.inner.key()
    }

    fn pseudonym(&self, subject: &Subject) -> Option<Pseudonym> {
        self.inner.pseudonym(subject)
    }

    fn put_blob(&self, bytes: &[u8]) -> Result<BlobRef, AppendError> {
        self.running()?;
        self.inner.put_blob(bytes)
    }

    fn blob(&self, blob: &BlobRef) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.blob(blob)
    }

    fn discard_blob(&self, blob: &BlobRef) -> Result<(), ReadError> {
        self.running().map_err(|error| ReadError::Store(error.to_string()))?;
        self.inner.discard_blob(blob)
    }

    fn settle_erasures(&self) -> Result<(), ReadError> {
        self.running().map_err(|error| ReadError::Store(error.to_string()))?;
        self.inner.settle_erasures()
    }

    fn subject_record(&self, subject: &Subject) -> Option<u64> {
        self.inner.subject_record(subject)
    }

    fn projection(&self, name: &str, prefix: &str) -> Result<Projection, ReadError> {
        self.inner.projection(name, prefix)
    }

    fn project(&self, name: &str, change: ProjectionChange) -> Result<(), ReadError> {
        self.running().map_err(|error| ReadError::Store(error.to_string()))?;
        self.inner.project(name, change)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryStore;
    use super::super::testing::surroundings;
    use super::super::{Expected, Written};
    use super::*;
    use crate::domain::event::{NewEvent, SyncAdvanced};

    fn batch() -> Vec<Write> {
        let events = vec![NewEvent::bare(SyncAdvanced { token: "t".into() })];
        vec![Write { stream: StreamName::sync(), expected: Expected::Any, key: None, events }]
    }

    #[tokio::test]
    async fn it_stops_before_or_after_the_append_is_done() {
        for (survives, left) in [(false, 2), (true, 3)] {
            let memory = MemoryStore::new(surroundings());
            let stop = StopStore::new(memory.clone(), 2, survives);
            let first = stop.append(batch()).await.expect("the first one is done");
            assert!(matches!(first.writes[..], [Written::Appended { .. }]));
            for _ in 0..2 {
                let error = stop.append(batch()).await.expect_err("it has stopped");
                assert!(matches!(error, AppendError::Failed { reason, .. } if reason == "stopped"));
            }
            assert_eq!((stop.appends(), stop.stopped()), (3, true));
            assert_eq!(stop.failure().borrow().as_deref(), Some("stopped"));
            let seen = stop.read_all(Position::START, Direction::Forward, 9).expect("reads");
            assert_eq!(
                (seen.len(), stop.next_position()),
                (2, Position(2)),
                "the dead see nothing"
            );
            assert!(stop.put_blob(b"x").is_err());
            let again = memory.reopen();
            assert_eq!(again.next_position(), Position(left), "survives: {survives}");
            assert!(memory.append(batch()).await.is_err(), "the earlier opening is over");
            assert!(again.append(batch()).await.is_ok());
        }
    }
}
