//! Append-only event log: named streams, one global order, optimistic concurrency.
//!
//! Invariant: an event that `append` has returned is on disk and is never changed. Nothing is readable before.
//! Several streams may be written in one batch, all or nothing. A write with a dedupe key that the log already knows is
//! "already there" and is left out; the first content wins. One contract test-suite runs on every store.

mod applier;
pub mod arbitrary;
pub mod backup;
pub mod bench;
mod blobs;
pub mod disk;
mod envelope;
pub mod erasure;
pub mod evidence;
pub mod exported;
pub mod figures;
mod forget;
pub mod growth;
mod heads;
pub mod history;
mod index;
mod journal;
mod keys;
mod ledger;
mod lines;
mod lookup;
pub mod memory;
mod open;
mod plan;
mod projections;
pub mod proof;
mod recent;
mod record;
mod recovery;
mod rows;
pub mod scan;
mod segment;
mod shared;
pub mod sled;
pub mod space;
pub mod stop;
mod subjects;
pub mod subscription;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
mod trees;
pub mod trim;
pub mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

pub(crate) use open::lock;
pub use open::{OpenError, Opened, Opening, Options};
pub use writer::QUEUE_BATCHES;

use crate::domain::event::{BlobRef, NewEvent, Recorded, TreeHead};
use crate::domain::id::{
    DedupeKey, EventId, IdKey, Position, Pseudonym, StreamName, Timestamp, Version,
};

/// Most events in one batch.
pub const BATCH_EVENTS_MAX: usize = 64;
/// Largest payload of one event, in bytes of JSON.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Largest blob in bytes.
pub const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most events that one read returns.
pub const READ_EVENTS_MAX: usize = 4_096;

/// What must be true of a stream for a write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// The stream does not exist.
    NoStream,
    /// The stream exists.
    Exists,
    /// The last event of the stream has this version.
    Exact(Version),
}

/// Events for one stream, in order.
#[derive(Debug, Clone)]
pub struct Write {
    /// The stream.
    pub stream: StreamName,
    /// What must be true of it.
    pub expected: Expected,
    /// If this key is known already, the write is left out.
    pub key: Option<DedupeKey>,
    /// The events; without any, the write only checks what is expected.
    pub events: Vec<NewEvent>,
}

/// What a batch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// For each write of the batch, in its order.
    pub writes: Vec<Written>,
    /// The position behind the last event of the log.
    pub next: Position,
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Its events have these places, and those that follow.
    Appended {
        /// The first one's place in the log.
        position: Position,
        /// The first one's place in its stream.
        version: Version,
    },
    /// Its dedupe key was known: the first event that came with it is here.
    AlreadyThere {
        /// That event's place in the log.
        position: Position,
    },
}

/// Why nothing of a batch was appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Read the stream and decide again.
    #[error("stream `{stream}` is at {}, expected {expected:?}", version_text(.actual))]
    WrongVersion {
        /// The stream that has moved on.
        stream: StreamName,
        /// What the write expected.
        expected: Expected,
        /// Its last version, if it exists.
        actual: Option<Version>,
    },
    /// The caller made a batch that can never be appended.
    #[error("this batch cannot be appended: {0}")]
    Invalid(String),
    /// Nothing more can be appended by this process.
    #[error("the log in `{}` has failed: {reason}", .dir.display())]
    Failed {
        /// The data directory.
        dir: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// Locks, whatever happened to an earlier holder: what is guarded is changed in one step each.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The places that a read visits, of `len` that exist.
fn reading(from: u64, len: u64, direction: Direction, max: usize) -> Box<dyn Iterator<Item = u64>> {
    let max = max.min(READ_EVENTS_MAX);
    match direction {
        Direction::Forward => Box::new((from..len).take(max)),
        Direction::Backward => Box::new((0..from.saturating_add(1).min(len)).rev().take(max)),
    }
}

fn version_text(version: &Option<Version>) -> String {
    version.map_or("no version yet".into(), |version| format!("version {version}"))
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store below failed.
    #[error("cannot read the event store: {0}")]
    Store(String),
    /// A newer program wrote it: this one cannot tell what follows from it.
    #[error(
        "event {position} (`{kind}` version {schema}) was written by a newer beadle: upgrade this program"
    )]
    Newer {
        /// Which event.
        position: Position,
        /// Its type.
        kind: String,
        /// The version of its shape.
        schema: u32,
    },
    /// What is there is not what was written.
    #[error("the log is damaged at {place}: {what}")]
    Damaged {
        /// Which file, tree or position.
        place: String,
        /// What is wrong.
        what: String,
    },
}

/// Which way a read goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From old to new.
    Forward,
    /// From new to old.
    Backward,
}

/// Rows of a projection that change, with the checkpoint that they are true at, written as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectionChange {
    /// Rows to write, or to delete where there is no value.
    pub rows: Vec<(String, Option<Vec<u8>>)>,
    /// Everything before this position is in it.
    pub checkpoint: Position,
    /// Drop all other rows first.
    pub replace: bool,
}

/// The append-only event log.
pub trait EventStore: Send + Sync + 'static {
    /// Appends one batch over one or several streams, all or nothing; returns when it is on disk.
    ///
    /// Takes 1 to 64 events of at most 256 KiB of JSON each; versions count from 0 in a stream. Writes are checked in
    /// their order, each against what the earlier ones of the batch leave; a stream may be written once in a batch.
    ///
    /// # Errors
    /// [`AppendError::WrongVersion`] if a stream has moved on: read it and decide again.
    fn append(&self, batch: Vec<Write>) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Reads a stream from a version on, at most `max` (and at most 4,096) events; backward from `Version::END` begins
    /// with the last one. A missing stream reads as empty.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn read(
        &self,
        stream: &StreamName,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError>;

    /// Reads the whole log from a position on, at most `max` (and at most 4,096) events.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError>;

    /// One event by its id.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn event(&self, id: &EventId) -> Result<Option<Recorded>, ReadError> {
        let found = self.read(&id.stream, id.version, Direction::Forward, 1)?;
        Ok(found.into_iter().find(|event| event.id == *id))
    }

    /// The positions of the events that have something in common, from a position on; at most `max`, and at most 4,096.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn positions(
        &self,
        by: &By,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Position>, ReadError> {
        let mut found = Vec::new();
        let mut from = from;
        loop {
            let page = self.read_all(from, direction, READ_EVENTS_MAX)?;
            let Some(last) = page.last().map(|last| last.position) else { return Ok(found) };
            let fitting = page.iter().filter(|event| by.holds(event));
            found.extend(
                fitting.map(|event| event.position).take(max.min(READ_EVENTS_MAX) - found.len()),
            );
            from = match direction {
                Direction::Forward => last.next(),
                Direction::Backward if last > Position::START => Position(last.0 - 1),
                Direction::Backward => return Ok(found),
            };
            if found.len() >= max.min(READ_EVENTS_MAX) {
                return Ok(found);
            }
        }
    }

    /// The events at positions, in the order of the positions; those that are not there are left out.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn read_at(&self, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
        let mut events = Vec::with_capacity(positions.len());
        for position in positions {
            events.extend(self.read_all(*position, Direction::Forward, 1)?);
        }
        Ok(events)
    }

    /// Looks at the clear parts of a page of the log, at most `max` (and at most 4,096) events from a position on; says
    /// where to go on, none: it is at the end.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn glance(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
        look: &mut dyn FnMut(&scan::Glance),
    ) -> Result<Option<Position>, ReadError> {
        let page = self.read_all(from, direction, max)?;
        page.iter().for_each(|event| look(&scan::glance_of(event)));
        Ok(scan::after(page.last().map(|event| event.position), direction))
    }

    /// The events of such a page that a sieve lets through.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    fn sift(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
        sieve: &scan::Sieve,
    ) -> Result<scan::Sifted, ReadError> {
        Ok(scan::sifted(self.read_all(from, direction, max)?, direction, sieve))
    }

    /// The last version of a stream.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    fn version(&self, stream: &StreamName) -> Result<Option<Version>, ReadError>;

    /// The first event that came with a dedupe key.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    fn find(&self, key: &DedupeKey) -> Result<Option<Position>, ReadError>;

    /// The position behind the last event; everything before it is on disk.
    fn next_position(&self) -> Position;

    /// Follows [`Self::next_position`].
    fn watch(&self) -> watch::Receiver<Position>;

    /// Follows the log's failure: the reason, once it has failed. The process must end then.
    fn failure(&self) -> watch::Receiver<Option<String>>;

    /// The log's own secret, for ids that derive from their cause.
    fn key(&self) -> &IdKey;

    /// Signs the head of the log as it is now; `told` hears how many events are hashed, of how many. None: this store keeps
    /// no proof of its history.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read, or is not what was signed before.
    fn sign_head(&self, told: &mut dyn FnMut(u64, u64)) -> Result<Option<TreeHead>, ReadError> {
        let _ = told;
        Ok(None)
    }

    /// The pseudonym of a person, room or network that the log knows.
    fn pseudonym(&self, subject: &Subject) -> Option<Pseudonym>;

    /// Keeps a value that is too large for an event; on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`] if it is larger than 64 MiB or cannot be written.
    fn put_blob(&self, bytes: &[u8]) -> Result<BlobRef, AppendError>;

    /// Reads a kept value; none if its key was overwritten.
    ///
    /// # Errors
    /// [`ReadError`] if it is missing or is not what was written.
    fn blob(&self, blob: &BlobRef) -> Result<Option<Vec<u8>>, ReadError>;

    /// Drops a kept value that no event came to name.
    ///
    /// # Errors
    /// [`ReadError`] if the disk refuses.
    fn discard_blob(&self, blob: &BlobRef) -> Result<(), ReadError>;

    /// Makes unreadable for good whatever the stream of erasures names and can still be read. What was read before is
    /// forgotten when this returns; a process that ends on the way carries it on at the next opening.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or the disk refuses.
    fn settle_erasures(&self) -> Result<(), ReadError>;

    /// The number under which an erasure names somebody or something that the log knows.
    fn subject_record(&self, subject: &Subject) -> Option<u64>;

    /// The rows of a projection whose keys begin with a prefix, and its checkpoint.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    fn projection(&self, name: &str, prefix: &str) -> Result<Projection, ReadError>;

    /// Changes a projection and its checkpoint in one write. It may be lost in a crash: it is made again from the log.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    fn project(&self, name: &str, change: ProjectionChange) -> Result<(), ReadError>;
}

/// A projection as it was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Everything before this position is in it.
    pub checkpoint: Position,
    /// Its rows by key.
    pub rows: Vec<(String, Vec<u8>)>,
}

/// What events can have in common, and are found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// Who did it.
    Actor(Pseudonym),
    /// Where.
    Room(Pseudonym),
    /// On which network.
    Network(Pseudonym),
    /// The stream of the trigger that everything began with.
    Correlation(StreamName),
    /// The stored type.
    Kind(String),
}

impl By {
    /// Whether an event has it.
    pub fn holds(&self, event: &Recorded) -> bool {
        match self {
            Self::Actor(actor) => event.actor.as_ref() == Some(actor),
            Self::Room(room) => event.room.as_ref() == Some(room),
            Self::Network(network) => event.network.as_ref() == Some(network),
            Self::Correlation(stream) => event.correlation.as_ref() == Some(stream),
            Self::Kind(kind) => event.kind == *kind,
        }
    }
}

/// Somebody or something that stands in the log under a pseudonym.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A person's account.
    Person(String),
    /// A room.
    Room(String),
    /// A network.
    Network(String),
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock's time.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills a buffer with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Nobody waits for a long piece of work any more: it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for it any more")]
pub struct Stopped;

/// Hears how far a long piece of work is, `done` of `total` things called `what`, and may end it. A total of 0 is not
/// known.
pub type Tell<'a> = &'a mut dyn FnMut(&str, u64, u64) -> Result<(), Stopped>;

/// For work that nobody wants to hear of.
pub fn silent(_: &str, _: u64, _: u64) -> Result<(), Stopped> {
    Ok(())
}

/// Time and randomness for a store.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
