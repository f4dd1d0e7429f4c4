//! The log on disk: a journal that is the truth, and behind it an event store in sled that answers reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::applier::Applier;
use super::figures::{Figures, Meters};
use super::heads::Proofs;
use super::history::Claim;
use super::ledger::Ledger;
use super::lines::Lines;
use super::open::{self, Lock, OpenError, Opened, Options, Parts};
use super::plan::{Draft, Known, Times};
use super::recent::Recent;
use super::record;
use super::recovery::REBUILDING_FILE;
use super::scan::{Glance, Sieve, Sifted};
use super::segment::list;
use super::shared::{DAMAGED_FILE, Progress, Shared};
use super::tail::{Line, Tail};
use super::verify::{Check, Verified};
use super::writer::{Job, Message, QUEUE_BATCHES, Writer};
use super::{
    AppendError, Appended, BLOB_BYTES_MAX, By, Direction, EventStore, Projection, ProjectionChange,
    ReadError, Subject, Surroundings, Tell, Write, locked, silent,
};
use crate::domain::event::{BlobRef, LogCreated, NewEvent, Recorded, StoreRebuilt, TreeHead};
use crate::domain::id::{DedupeKey, IdKey, Position, Pseudonym, StreamName, Version};

/// A log on disk, open in this process alone.
pub struct SledStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: Ledger,
    jobs: mpsc::Sender<Message>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) proofs: Proofs,
    _lock: Lock,
}

impl SledStore {
    /// Opens the log in a directory, or makes it; says what it found.
    ///
    /// # Errors
    /// [`OpenError`] if another process has it, if it is damaged, or if the system refuses something.
    pub fn open(
        dir: &Path,
        surroundings: Surroundings,
        options: Options,
    ) -> Result<(Self, Opened), OpenError> {
        let parts = open::open(dir, &surroundings, &options)?;
        let (opened, moved_to) = (parts.opened.clone(), parts.moved_to.clone());
        let log = parts.keys.log();
        let store = Self::start(dir, surroundings, options, parts)?;
        store.begin_at_trim()?;
        if opened.created {
            store.append_own(NewEvent::bare(LogCreated { log }))?;
        }
        if let Some(reason) = opened.rebuilt.clone() {
            store.append_own(NewEvent::bare(StoreRebuilt { reason, moved_to }))?;
            let _ = std::fs::remove_file(dir.join(DAMAGED_FILE));
            let _ = std::fs::remove_file(dir.join(REBUILDING_FILE));
        }
        store.carry_out_erasures()?;
        store.go_on_trimming()?;
        Ok((store, opened))
    }

    fn start(
        dir: &Path,
        surroundings: Surroundings,
        options: Options,
        parts: Parts,
    ) -> Result<Self, OpenError> {
        let Parts { lock, keys, subjects, blobs, ledger, journal, trees, applied, .. } = parts;
        let next = applied.next;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            trees,
            journal: Lines::of(dir.join("log")),
            tail: RwLock::new(Tail::at(next)),
            progress: Mutex::new(Progress::default()),
            changed: Condvar::new(),
            keys,
            subjects,
            blobs,
            recent: Recent::default(),
            meters: Meters::default(),
            surroundings,
            options,
            head: watch::Sender::new(next),
            failure: watch::Sender::new(None),
            closing: AtomicBool::new(false),
            begin: RwLock::new(Position::START),
            forgotten: AtomicU64::new(0),
            trimming: Mutex::default(),
            files: RwLock::new(()),
        });
        let (sender, jobs) = mpsc::channel(QUEUE_BATCHES);
        let times = Times { ts: applied.ts, epoch: applied.epoch };
        let (held, nonces) = (None, Vec::new());
        let writer = Writer { shared: shared.clone(), jobs, journal, next, times, held, nonces };
        let applier = Applier::new(shared.clone(), applied);
        let io = |source| OpenError::Io { path: dir.to_owned(), source };
        let threads = [
            spawn("log-writer", shared.clone(), move || writer.run()).map_err(io)?,
            spawn("log-applier", shared.clone(), move || applier.run()).map_err(io)?,
        ];
        let (threads, proofs) = (Mutex::new(threads.into()), Proofs::default());
        Ok(Self { shared, ledger, jobs: sender, threads, proofs, _lock: lock })
    }

    /// Appends what the log says of itself, before anybody else has it.
    fn append_own(&self, event: NewEvent) -> Result<(), OpenError> {
        let store = |error: AppendError| OpenError::Store(error.to_string());
        let since = Instant::now();
        let draft = Draft::own(StreamName::log(), event).map_err(store)?;
        let (reply, mut answer) = oneshot::channel();
        let sent = self.jobs.try_send(Message::Append(Job { draft, since, reply }));
        sent.map_err(|_| store(self.shared.failed()))?;
        let begun = self.shared.next();
        loop {
            match answer.try_recv() {
                Ok(answer) => return answer.map(drop).map_err(store),
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(store(self.shared.failed()));
                }
                Err(oneshot::error::TryRecvError::Empty) => {
                    let progress = locked(&self.shared.progress);
                    if self.shared.next() == begun && !self.shared.has_failed() {
                        let wait = std::time::Duration::from_millis(20);
                        drop(self.shared.changed.wait_timeout(progress, wait));
                    }
                }
            }
        }
    }

    async fn append_queued(&self, batch: Vec<Write>) -> Result<Appended, AppendError> {
        let since = Instant::now();
        let draft = Draft::new(batch, self.key())?;
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Message::Append(Job { draft, since, reply })).await;
        sent.map_err(|_| self.shared.failed())?;
        answer.await.unwrap_or_else(|_| Err(self.shared.failed()))
    }

    /// Ends the log in order: what waits is appended, everything is applied and synced. Later appends fail.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = self.jobs.try_send(Message::Wake);
        let threads = std::mem::take(&mut *locked(&self.threads));
        for (nth, thread) in threads.into_iter().enumerate() {
            let _ = thread.join();
            if nth == 0 {
                locked(&self.shared.progress).written = true;
                self.shared.changed.notify_all();
            }
        }
    }

    /// What the log can say of its own work, and what it takes on disk.
    pub fn figures(&self) -> Figures {
        let (lag_events, lag_bytes) = self.shared.tail().size();
        let figures = Figures {
            events: self.shared.next().0,
            lag_events: lag_events as u64,
            lag_bytes: lag_bytes as u64,
            ..self.shared.meters.figures()
        };
        figures.on_disk(&self.shared.dir)
    }

    /// Checks the whole log while it is in use, up to the event that was last on disk when this began.
    ///
    /// # Errors
    /// [`OpenError`] if the files cannot be read.
    pub fn verify(&self) -> Result<Verified, OpenError> {
        self.verify_telling(&mut silent)
    }

    /// Checks the log as [`Self::verify`] does, and says how far it is.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`OpenError::Io`] if it was ended.
    pub fn verify_telling(&self, tell: Tell) -> Result<Verified, OpenError> {
        self.verify_against(&[], tell)
    }

    /// The same, and compares the log with heads from outside.
    ///
    /// # Errors
    /// As [`Self::verify_telling`].
    pub fn verify_against(&self, claims: &[Claim], tell: Tell) -> Result<Verified, OpenError> {
        let _files = self.shared.files.read();
        let end = self.shared.next();
        let applied = self.shared.tail().first().min(end);
        let shared = &self.shared;
        let check = Check {
            log: shared.dir.join("log"),
            keys: &shared.keys,
            blobs: &shared.blobs,
            trees: Some((&shared.trees, applied)),
            end: Some(end),
        };
        check.run(claims, tell)
    }

    /// The journal's files that are never written to again, oldest first: the position of the first event, that behind
    /// the last one, and the size.
    ///
    /// # Errors
    /// [`ReadError`] if the folder cannot be read.
    pub fn sealed_files(&self) -> Result<Vec<(Position, Position, u64)>, ReadError> {
        let read = |error: OpenError| ReadError::Store(error.to_string());
        let segments = list(&self.shared.dir.join("log")).map_err(read)?;
        let pairs = segments.iter().zip(segments.iter().skip(1));
        let size = |path: &Path| {
            let found = path.metadata();
            found.map(|it| it.len()).map_err(|error| ReadError::Store(error.to_string()))
        };
        pairs.map(|(it, next)| Ok((it.first, next.first, size(&it.path)?))).collect()
    }

    /// The journal's lines of events from a position on, at most `max`, and at most 4,096.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or is damaged.
    pub fn raw_lines(
        &self,
        from: Position,
        max: usize,
    ) -> Result<Vec<(Position, Vec<u8>)>, ReadError> {
        let lines = self.shared.lines(from, Direction::Forward, max)?;
        Ok(lines.into_iter().map(|(position, line)| (position, line.to_vec())).collect())
    }

    fn recorded(&self, lines: Vec<(Position, Line)>) -> Result<Vec<Recorded>, ReadError> {
        let (keys, recent) = (&self.shared.keys, &self.shared.recent);
        let read = |(position, line): &(Position, Line)| {
            recent.or_read(*position, line.len(), || record::read(*position, line, keys))
        };
        lines.iter().map(read).collect()
    }
}

/// Starts a thread whose panic ends the log.
fn spawn(
    name: &str,
    shared: Arc<Shared>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let text = format!("the thread `{name}` panicked");
    std::thread::Builder::new().name(name.into()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            shared.fail(text);
        }
    })
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl EventStore for SledStore {
    fn append(&self, batch: Vec<Write>) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.append_queued(batch))
    }

    fn read(
        &self,
        stream: &StreamName,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.recorded(self.shared.stream_lines(stream, from, direction, max)?)
    }

    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.recorded(self.shared.lines(from, direction, max)?)
    }

    fn positions(
        &self,
        by: &By,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Position>, ReadError> {
        self.shared.marked(&by.into(), from, direction, max)
    }

    fn read_at(&self, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
        self.recorded(self.shared.lines_at(positions)?)
    }

    fn glance(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
        look: &mut dyn FnMut(&Glance),
    ) -> Result<Option<Position>, ReadError> {
        self.shared.glance(from, direction, max, look)
    }

    fn sift(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
        sieve: &Sieve,
    ) -> Result<Sifted, ReadError> {
        let (lines, next) = self.shared.sift(from, direction, max, sieve)?;
        Ok(Sifted { events: self.recorded(lines)?, next })
    }

    fn version(&self, stream: &StreamName) -> Result<Option<Version>, ReadError> {
        self.shared.head(stream)
    }

    fn find(&self, key: &DedupeKey) -> Result<Option<Position>, ReadError> {
        self.shared.keyed(&self.key().dedupe(key))
    }

    fn next_position(&self) -> Position {
        self.shared.next()
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.shared.head.subscribe()
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.shared.failure.subscribe()
    }

    fn key(&self) -> &IdKey {
        self.shared.keys.secret()
    }

    fn sign_head(&self, told: &mut dyn FnMut(u64, u64)) -> Result<Option<TreeHead>, ReadError> {
        self.signed_head(told).map(Some)
    }

    fn pseudonym(&self, subject: &Subject) -> Option<Pseudonym> {
        self.shared.subjects.pseudonym(subject)
    }

    fn put_blob(&self, bytes: &[u8]) -> Result<BlobRef, AppendError> {
        if bytes.len() > BLOB_BYTES_MAX {
            let what = format!("a blob of {} bytes, {BLOB_BYTES_MAX} fit", bytes.len());
            return Err(AppendError::Invalid(what));
        }
        if self.shared.has_failed() || self.shared.closing.load(Ordering::SeqCst) {
            return Err(self.shared.failed());
        }
        self.shared.blobs.put(bytes, &self.shared.keys).map_err(|error| {
            self.shared.fail(format!("cannot keep a blob: {error}"));
            self.shared.failed()
        })
    }

    fn blob(&self, blob: &BlobRef) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.blobs.get(blob, &self.shared.keys)
    }

    fn discard_blob(&self, blob: &BlobRef) -> Result<(), ReadError> {
        self.overwrite(&[blob.slot])?;
        let gone = self.shared.blobs.destroy(&blob.id);
        gone.map_err(|error| ReadError::Store(error.to_string()))
    }

    fn settle_erasures(&self) -> Result<(), ReadError> {
        self.carry_out_erasures()
    }

    fn subject_record(&self, subject: &Subject) -> Option<u64> {
        self.shared.subjects.record(subject)
    }

    fn projection(&self, name: &str, prefix: &str) -> Result<Projection, ReadError> {
        let read = self.shared.trees.projection(name, prefix);
        read.map_err(|error| self.shared.damaged(error))
    }

    fn project(&self, name: &str, change: ProjectionChange) -> Result<(), ReadError> {
        let written = self.shared.trees.project(name, &change);
        written.map_err(|error| self.shared.damaged(error))
    }
}
