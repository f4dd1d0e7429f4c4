//! The event store in sled: events by position, and the indexes and projections that reads need.
//!
//! It is made from the journal and may be lost. sled's own flush is not durable on Linux, so its file is synced by us;
//! one flipped bit can make it refuse or panic, so every call is guarded and an error here means: make it anew.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use ::sled::transaction::ConflictableTransactionError;
use ::sled::{Db, IVec, Transactional, Tree};
use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};
use super::locked;
use super::record::Entry;
use crate::domain::id::{Position, StreamName, Tag, Timestamp, Version};

/// Memory for sled's cache.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// How often sled's own thread writes its buffer out and cleans segments up. Each time it pads a segment, which the next
/// time finds to be cleaned up: every second, an idle log wrote half a megabyte a second for ever.
const FLUSH_EVERY_MS: u64 = 60_000;
/// How long to wait for an earlier opening of this process to let go of the files.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// The key in `meta` of what is applied.
const APPLIED: &str = "applied";

/// What is wrong with the event store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TreesError(pub(crate) String);

impl From<::sled::Error> for TreesError {
    fn from(error: ::sled::Error) -> Self {
        Self(error.to_string())
    }
}

/// How far the event store is, written in one transaction with what brought it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// The log that it belongs to.
    pub(crate) log: String,
    /// Everything before this position is in it.
    pub(crate) next: Position,
    /// The slot behind all that the events before it name.
    pub(crate) next_slot: u64,
    /// The log's clock.
    pub(crate) ts: Timestamp,
    /// The log's clock epoch.
    pub(crate) epoch: u32,
}

impl Applied {
    /// Moves on over an event.
    pub(crate) fn over(&mut self, entry: &Entry) {
        self.next = entry.position.next();
        self.next_slot = self.next_slot.max(entry.slot.map_or(0, |slot| slot + 1));
        (self.ts, self.epoch) = (entry.times.ts, entry.times.epoch);
    }
}

/// sled, open.
pub(crate) struct Trees {
    db: Db,
    events: Tree,
    streams: Tree,
    keys: Tree,
    pub(crate) projections: Tree,
    meta: Tree,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Transactions of two threads at a time can lock each other up in sled.
    pub(crate) writing: Mutex<()>,
    /// A projection is read as it was at one time.
    pub(crate) projecting: RwLock<()>,
}

/// Turns a panic of sled into an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, TreesError>) -> Result<T, TreesError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(TreesError(format!("sled panicked: {}", text.unwrap_or("without a word"))))
    })
}

pub(crate) fn number(bytes: &[u8]) -> Result<u64, TreesError> {
    let bytes = bytes.try_into().map_err(|_| TreesError("a number has not 8 bytes".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

fn stream_key(stream: &StreamName, version: u64) -> Vec<u8> {
    [stream.as_str().as_bytes(), &[0], &version.to_be_bytes()].concat()
}

fn open_db(path: &Path) -> Result<Db, TreesError> {
    let config = ::sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
    let config = config.flush_every_ms(Some(FLUSH_EVERY_MS));
    let begun = Instant::now();
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(error) if error.to_string().contains("could not acquire lock") => {
                if begun.elapsed() > LOCK_WAIT {
                    return Err(error.into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Trees {
    /// Opens the event store, or makes an empty one.
    pub(crate) fn open(path: &Path, disk: Arc<dyn Disk>) -> Result<Self, TreesError> {
        let fresh = !path.exists();
        guarded(|| {
            let io = |error: std::io::Error| TreesError(format!("{}: {error}", path.display()));
            if fresh {
                disk::make_dir(path).map_err(io)?;
            }
            let db = open_db(path)?;
            let tree = |name: &str| db.open_tree(name);
            let (events, streams, keys) = (tree("events")?, tree("streams")?, tree("keys")?);
            let (projections, meta) = (tree("projections")?, tree("meta")?);
            let (writing, projecting) = (Mutex::new(()), RwLock::new(()));
            let (path, disk) = (path.to_owned(), disk);
            if fresh {
                db.flush()?;
                disk::sync_tree(&*disk, &path).map_err(io)?;
            }
            let trees = (events, streams, keys, projections, meta);
            let (events, streams, keys, projections, meta) = trees;
            Ok(Self {
                db,
                events,
                streams,
                keys,
                projections,
                meta,
                path,
                disk,
                writing,
                projecting,
            })
        })
    }

    /// Closes a damaged one, which may panic.
    pub(crate) fn discard(self) {
        let closed = guarded(|| {
            drop(self);
            Ok(())
        });
        if let Err(error) = closed {
            tracing::warn!(%error, "the damaged event store did not close");
        }
    }

    /// How far it is; nothing in an empty one.
    pub(crate) fn applied(&self) -> Result<Option<Applied>, TreesError> {
        guarded(|| {
            let Some(bytes) = self.meta.get(APPLIED)? else { return Ok(None) };
            let applied = serde_json::from_slice(&bytes);
            applied.map(Some).map_err(|error| TreesError(format!("`{APPLIED}`: {error}")))
        })
    }

    /// Takes events in, all or nothing, and says how far it is then. Not durable before [`Self::sync`].
    pub(crate) fn apply(&self, entries: &[Entry], applied: &Applied) -> Result<(), TreesError> {
        let _alone = locked(&self.writing);
        let state = serde_json::to_vec(applied).map_err(|error| TreesError(error.to_string()))?;
        guarded(|| {
            let trees = (&self.events, &self.streams, &self.keys, &self.meta);
            let done = trees.transaction(|(events, streams, keys, meta)| {
                for entry in entries {
                    let position = entry.position.0.to_be_bytes();
                    events.insert(&position, &*entry.line)?;
                    streams.insert(stream_key(&entry.stream, entry.version.0), &position)?;
                    if let Some(key) = &entry.key {
                        keys.insert(&key.0, &position)?;
                    }
                }
                meta.insert(APPLIED, state.as_slice())?;
                Ok::<_, ConflictableTransactionError<()>>(())
            });
            done.map_err(|error| TreesError(format!("{error:?}")))
        })
    }

    /// Makes everything durable that was taken in.
    pub(crate) fn sync(&self) -> Result<(), TreesError> {
        guarded(|| {
            self.db.flush()?;
            let synced = File::open(self.path.join("db")).and_then(|file| self.disk.sync(&file));
            synced.map_err(|error| TreesError(format!("store/db: {error}")))
        })
    }

    /// The line of one event.
    pub(crate) fn line(&self, position: Position) -> Result<Option<IVec>, TreesError> {
        guarded(|| Ok(self.events.get(position.0.to_be_bytes())?))
    }

    /// The lines of all events at these positions, in the order of the log; all of them must be there.
    pub(crate) fn lines(&self, positions: Range<u64>) -> Result<Vec<IVec>, TreesError> {
        guarded(|| {
            let range = positions.start.to_be_bytes()..positions.end.to_be_bytes();
            let mut lines = Vec::new();
            for (row, expected) in self.events.range(range).zip(positions.clone()) {
                let (position, line) = row?;
                if number(&position)? != expected {
                    return Err(TreesError(format!("event {expected} is missing")));
                }
                lines.push(line);
            }
            let found = positions.start + lines.len() as u64;
            match found < positions.end {
                true => Err(TreesError(format!("event {found} is missing"))),
                false => Ok(lines),
            }
        })
    }

    /// The positions of all events of a stream at these versions, in order; all of them must be there.
    pub(crate) fn positions(
        &self,
        stream: &StreamName,
        versions: Range<u64>,
    ) -> Result<Vec<Position>, TreesError> {
        guarded(|| {
            let range = stream_key(stream, versions.start)..stream_key(stream, versions.end);
            let mut positions = Vec::new();
            for (row, version) in self.streams.range(range).zip(versions.clone()) {
                let (key, position) = row?;
                if *key != *stream_key(stream, version) {
                    return Err(TreesError(format!("`{stream}/{version}` is missing")));
                }
                positions.push(Position(number(&position)?));
            }
            let found = versions.start + positions.len() as u64;
            match found < versions.end {
                true => Err(TreesError(format!("`{stream}/{found}` is missing"))),
                false => Ok(positions),
            }
        })
    }

    /// The position of one event of a stream.
    pub(crate) fn position(
        &self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<Position>, TreesError> {
        guarded(|| {
            let position = self.streams.get(stream_key(stream, version.0))?;
            position.map(|position| number(&position).map(Position)).transpose()
        })
    }

    /// The last version of a stream.
    pub(crate) fn head(&self, stream: &StreamName) -> Result<Option<Version>, TreesError> {
        guarded(|| {
            let range = stream_key(stream, 0)..=stream_key(stream, u64::MAX);
            let Some(row) = self.streams.range(range).next_back() else { return Ok(None) };
            let (key, _) = row?;
            number(&key[key.len() - 8..]).map(|version| Some(Version(version)))
        })
    }

    /// The first event that came with a dedupe key.
    pub(crate) fn keyed(&self, key: &Tag) -> Result<Option<Position>, TreesError> {
        guarded(|| {
            let position = self.keys.get(key.0)?;
            position.map(|position| number(&position).map(Position)).transpose()
        })
    }

    /// How many rows `events`, `streams` and `keys` have for events before a position.
    pub(crate) fn rows(&self, before: Position) -> Result<[u64; 3], TreesError> {
        guarded(|| {
            let mut rows = [0; 3];
            for row in self.events.range(..before.0.to_be_bytes()) {
                row?;
                rows[0] += 1;
            }
            for (tree, count) in [(&self.streams, 1), (&self.keys, 2)] {
                for row in tree.iter() {
                    rows[count] += u64::from(number(&row?.1)? < before.0);
                }
            }
            Ok(rows)
        })
    }
}
