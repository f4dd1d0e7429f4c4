//! The event store in sled: where each event's line stands in the journal, and the indexes and projections that reads
//! need.
//!
//! It is made from the journal and may be lost. sled's own flush is not durable on Linux, so its file is synced by us;
//! one flipped bit can make it refuse or panic, so every call is guarded and an error here means: make it anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use ::sled::transaction::ConflictableTransactionError;
use ::sled::{Db, Transactional, Tree};
use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};
use super::lines::Spot;
use super::record::Entry;
use super::rows::{encode_run, encode_spots};
use super::{index, locked};
use crate::domain::id::{Position, StreamName, Tag, Timestamp};

/// Memory for sled's cache.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// How often sled's own thread writes its buffer out and cleans segments up. Each time it pads a segment, which the next
/// time finds to be cleaned up: every second, an idle log wrote half a megabyte a second for ever.
const FLUSH_EVERY_MS: u64 = 60_000;
/// How long to wait for an earlier opening of this process to let go of the files.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// The key in `meta` of what is applied.
const APPLIED: &str = "applied";
/// Most events that are taken in at once. A transaction costs as much for many as for few, and the larger ones of sled
/// take memory without end.
pub(crate) const APPLY_EVENTS_MAX: usize = 256;
/// How the rows are written. An event store of another format is made anew.
pub(crate) const FORMAT: u32 = 2;

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
    /// How its rows are written; the first stores did not say.
    #[serde(default)]
    pub(crate) format: u32,
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
    pub(crate) events: Tree,
    pub(crate) streams: Tree,
    pub(crate) keys: Tree,
    pub(crate) index: Tree,
    pub(crate) projections: Tree,
    pub(crate) meta: Tree,
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

/// The key of a stream's events from a version on.
pub(crate) fn stream_key(stream: &StreamName, version: u64) -> Vec<u8> {
    [stream.as_str().as_bytes(), &[0], &version.to_be_bytes()].concat()
}

/// What a batch of events adds to the trees.
struct Rows {
    events: Vec<([u8; 8], Vec<u8>)>,
    streams: Vec<(Vec<u8>, Vec<u8>)>,
    keys: Vec<(Tag, [u8; 8])>,
    index: Vec<([u8; 25], Vec<u8>)>,
}

impl Rows {
    fn of(entries: &[Arc<Entry>]) -> Self {
        let of_a_file = entries.chunk_by(|before, next| before.spot.segment == next.spot.segment);
        let events = of_a_file.map(|entries| {
            let spots: Vec<Spot> = entries.iter().map(|entry| entry.spot).collect();
            (entries[0].position.0.to_be_bytes(), encode_spots(&spots))
        });
        let mut streams: BTreeMap<&StreamName, (u64, Vec<u64>)> = BTreeMap::new();
        for entry in entries {
            let run = streams.entry(&entry.stream).or_insert((entry.version.0, Vec::new()));
            run.1.push(entry.position.0);
        }
        let stream = |(stream, (version, run)): (&StreamName, (u64, Vec<u64>))| {
            (stream_key(stream, version), encode_run(0, &run))
        };
        let keys = entries.iter().filter_map(|entry| Some((entry.key?, entry.position)));
        Self {
            events: events.collect(),
            streams: streams.into_iter().map(stream).collect(),
            keys: keys.map(|(key, position)| (key, position.0.to_be_bytes())).collect(),
            index: index::rows(entries.iter().map(|entry| (entry.position.0, &entry.marks))),
        }
    }
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
            let (index, projections, meta) = (tree("index")?, tree("projections")?, tree("meta")?);
            if fresh {
                db.flush()?;
                disk::sync_tree(&*disk, path).map_err(io)?;
            }
            let (writing, projecting) = (Mutex::new(()), RwLock::new(()));
            Ok(Self {
                db,
                events,
                streams,
                keys,
                index,
                projections,
                meta,
                path: path.to_owned(),
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
    pub(crate) fn apply(
        &self,
        entries: &[Arc<Entry>],
        applied: &Applied,
    ) -> Result<(), TreesError> {
        self.take_in(&Rows::of(entries), applied)
    }

    /// The same for a store without a journal, which has to hold the lines themselves: what the log is compared with.
    pub(crate) fn apply_whole(
        &self,
        entries: &[Arc<Entry>],
        applied: &Applied,
    ) -> Result<(), TreesError> {
        let lines =
            entries.iter().map(|entry| (entry.position.0.to_be_bytes(), entry.line.to_vec()));
        self.take_in(&Rows { events: lines.collect(), ..Rows::of(entries) }, applied)
    }

    fn take_in(&self, rows: &Rows, applied: &Applied) -> Result<(), TreesError> {
        let _alone = locked(&self.writing);
        let state = serde_json::to_vec(applied).map_err(|error| TreesError(error.to_string()))?;
        guarded(|| {
            let trees = (&self.events, &self.streams, &self.keys, &self.index, &self.meta);
            let done = trees.transaction(|(events, streams, keys, index, meta)| {
                for (key, row) in &rows.events {
                    events.insert(key, row.as_slice())?;
                }
                for (key, row) in &rows.streams {
                    streams.insert(key.as_slice(), row.as_slice())?;
                }
                for (key, row) in &rows.keys {
                    keys.insert(&key.0, row)?;
                }
                for (key, row) in &rows.index {
                    index.insert(key, row.as_slice())?;
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
}
