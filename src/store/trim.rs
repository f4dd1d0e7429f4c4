//! Dropping the oldest files of the journal for good, with their keys, their values and their rows.
//!
//! The event `log_trimmed` is on disk first, and readers begin behind what it drops. So a process that ends between any two
//! steps goes on with them at the next opening: the steps of a file come before the file goes, those of the rows come
//! last, and each may be done twice.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError, TryLockError};

use std::time::Duration;

use super::disk;
use super::envelope::{Body, Envelope};
use super::record;
use super::segment::{Groups, Segment, list};
use super::sled::SledStore;
use super::{By, Direction, EventStore, OpenError, ReadError, locked};
use crate::domain::event::{Event, LogTrimmed, Payload, TreeHead, decode};
use crate::domain::id::Position;

/// How many keys are overwritten at a time.
const SLOTS_AT_ONCE: usize = 4_096;
/// How often to look whether the event store is as far as it must be, if nobody says so.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How the type of the event stands in its line.
const TRIM_TYPE: &[u8] = br#""type":"log_trimmed""#;

/// Why a log was not trimmed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// It is not safe to do so now.
    #[error("nothing was dropped: {0}")]
    Refused(String),
    /// The log cannot be read, or the disk refused something.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn refused(what: impl Into<String>) -> TrimError {
    TrimError::Refused(what.into())
}

/// What was dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

fn damaged(place: String, what: impl Into<String>) -> ReadError {
    ReadError::Damaged { place, what: what.into() }
}

fn unreadable(error: OpenError) -> ReadError {
    match error {
        OpenError::Damaged { place, what } => ReadError::Damaged { place, what },
        error => ReadError::Store(error.to_string()),
    }
}

impl SledStore {
    /// The first position that is kept.
    pub fn begins(&self) -> Position {
        *self.shared.begin()
    }

    /// Held while a trim is decided and carried out.
    pub fn trimming(&self) -> MutexGuard<'_, ()> {
        locked(&self.shared.trimming)
    }

    /// From now on dedupe keys of events before a position count no more, so that what is begun again is recorded with all
    /// that it needs. Says what counted before.
    pub fn forget_keys(&self, before: Position) -> Position {
        let begin = self.begins().0;
        Position(self.shared.forgotten.swap(before.0.max(begin), Ordering::SeqCst))
    }

    /// What is to be recorded before the events before a position are dropped. Nothing is dropped yet.
    ///
    /// # Errors
    /// [`TrimError::Refused`] if that would not be safe.
    pub fn trimmed(&self, first: Position) -> Result<LogTrimmed, TrimError> {
        if first <= self.begins() {
            return Err(refused("nothing before it is there"));
        }
        let sealed = self.sealed_files()?;
        if !sealed.iter().any(|(_, end, _)| *end == first) {
            return Err(refused(format!("no file of the journal begins with event {first}")));
        }
        let head = self.newest_head()?.filter(|head| head.size >= first.0);
        let head = head.ok_or_else(|| refused("no signed head covers it yet"))?;
        self.tree_through(Position(head.size), &mut |_, _| {})?;
        Ok(LogTrimmed { first, log: self.shared.keys.log(), head })
    }

    fn newest_head(&self) -> Result<Option<TreeHead>, ReadError> {
        match self.newest("tree_head")? {
            Some(Event::TreeHead(head)) => Ok(Some(head)),
            _ => Ok(None),
        }
    }

    fn newest(&self, kind: &str) -> Result<Option<Event>, ReadError> {
        let by = By::Kind(kind.into());
        let newest = self.positions(&by, Position::END, Direction::Backward, 1)?;
        let newest = self.read_at(&newest)?;
        Ok(newest.first().and_then(|newest| newest.event()).cloned())
    }

    fn last_trim(&self) -> Result<Option<LogTrimmed>, ReadError> {
        let Some(Event::LogTrimmed(trimmed)) = self.newest("log_trimmed")? else { return Ok(None) };
        if trimmed.log != self.shared.keys.log() {
            let what = "it names another log: keys and journal do not belong together";
            return Err(damaged("the newest `log_trimmed`".into(), what));
        }
        Ok(Some(trimmed))
    }

    /// Readers begin where the last trim says. To be called before anybody reads.
    pub(crate) fn begin_at_trim(&self) -> Result<(), ReadError> {
        if let Some(trimmed) = self.last_trim()? {
            self.begin_at(trimmed.first);
        }
        Ok(())
    }

    /// Waits for the reads that are under way.
    fn begin_at(&self, first: Position) {
        let mut begin = self.shared.begin.write().unwrap_or_else(PoisonError::into_inner);
        *begin = first.max(*begin);
        self.shared.forgotten.fetch_max(begin.0, Ordering::SeqCst);
        drop(begin);
        self.shared.recent.forget();
    }

    /// Goes on with a trim that was cut off. What cannot be dropped safely stays: the log is opened all the same.
    pub(crate) fn go_on_trimming(&self) -> Result<(), ReadError> {
        match self.settle_trim() {
            Err(TrimError::Read(error)) if self.shared.has_failed() => return Err(error),
            Err(why) => tracing::warn!(%why, "a trim was not carried on"),
            Ok(_) => {}
        }
        Ok(())
    }

    /// Carries out what the newest `log_trimmed` says, as far as that is not done.
    ///
    /// # Errors
    /// [`TrimError::Refused`] if it has to wait; it is carried on at the next call or the next start.
    pub fn settle_trim(&self) -> Result<Dropped, TrimError> {
        let Some(trimmed) = self.last_trim()? else { return Ok(Dropped::default()) };
        let first = trimmed.first;
        self.begin_at(first);
        let shared = &self.shared;
        let _alone = match shared.files.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(refused("a check or a backup is under way"));
            }
        };
        let dropped = self.drop_files(&trimmed)?;
        let trees = &shared.trees;
        let cleared = trees.forget_before(first).and_then(|changed| match changed {
            true => trees.sync(),
            false => Ok(()),
        });
        cleared.map_err(|error| shared.damaged(error))?;
        Ok(dropped)
    }

    fn drop_files(&self, trimmed: &LogTrimmed) -> Result<Dropped, TrimError> {
        let (shared, first) = (&self.shared, trimmed.first);
        let log = shared.dir.join("log");
        let segments = list(&log).map_err(unreadable)?;
        let over: Vec<&Segment> = segments.iter().filter(|it| it.first < first).collect();
        if over.is_empty() {
            return Ok(Dropped::default());
        }
        if !segments.iter().any(|segment| segment.first == first) {
            return Err(refused(format!("the file that begins with event {first} is missing")));
        }
        // From here on the hashes of these events are in the tree's file only, and the event store cannot be made again
        // from before them.
        let kept = self.tree_through(Position(trimmed.head.size), &mut |_, _| {});
        kept.map_err(|error| refused(format!("their hashes are not kept: {error}")))?;
        self.applied_through(first)?;
        shared.trees.sync().map_err(|error| shared.damaged(error))?;
        let mut dropped = Dropped::default();
        for segment in over {
            self.wipe(segment)?;
            let io = |error: std::io::Error| {
                ReadError::Store(format!("cannot drop {}: {error}", segment.path.display()))
            };
            dropped.bytes += segment.path.metadata().map_err(io)?.len();
            dropped.files += 1;
            fs::remove_file(&segment.path).map_err(io)?;
            disk::sync_dir(&*shared.options.disk, &log).map_err(|error| {
                shared.fail(format!("cannot sync log/: {error}"));
                io(error)
            })?;
        }
        Ok(dropped)
    }

    /// Waits until the event store has everything before a position.
    fn applied_through(&self, first: Position) -> Result<(), ReadError> {
        let shared = &self.shared;
        loop {
            let progress = locked(&shared.progress);
            if shared.tail().first() >= first {
                return Ok(());
            }
            if shared.has_failed() {
                return Err(ReadError::Store(shared.failed().to_string()));
            }
            drop(shared.changed.wait_timeout(progress, LOOK_EVERY));
        }
    }

    /// Destroys the values that the events of a file name, then the keys of these events: in this order, because the
    /// events are read to find the values.
    fn wipe(&self, segment: &Segment) -> Result<(), ReadError> {
        let shared = &self.shared;
        each_line(segment, |position, line| {
            // What a newer program wrote, or what is erased, names nothing that can be read here.
            let Ok(event) = record::read(position, line, &shared.keys) else { return Ok(()) };
            let Payload::Event(event) = &event.payload else { return Ok(()) };
            event.blob().map_or(Ok(()), |blob| self.discard_blob(blob))
        })?;
        let mut slots = Vec::with_capacity(SLOTS_AT_ONCE);
        each_line(segment, |position, line| {
            let slot = record::slot(position, line);
            slots.extend(slot.map_err(|what| damaged(format!("event {position}"), what))?);
            match slots.len() < SLOTS_AT_ONCE {
                true => Ok(()),
                false => self.overwrite(&std::mem::take(&mut slots)),
            }
        })?;
        self.overwrite(&slots)
    }
}

/// Hands out the event lines of a file.
fn each_line(
    segment: &Segment,
    mut take: impl FnMut(Position, &[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let io = |error: std::io::Error| ReadError::Store(error.to_string());
    let mut groups = Groups::of(segment).map_err(io)?;
    loop {
        match groups.next().map_err(io)? {
            Ok(Some(group)) => {
                for (position, _, _, line) in group.places() {
                    take(position, line)?;
                }
            }
            Ok(None) => return Ok(()),
            Err(broken) => return Err(damaged(segment.place(broken.line), broken.what)),
        }
    }
}

/// Where a journal begins by rights: with position 0, or with its first file if an event in it says that what was before
/// it was dropped.
pub(crate) fn journal_begins(log: &Path) -> Result<Position, OpenError> {
    let segments = list(log)?;
    let Some(first) = segments.first().map(|segment| segment.first) else {
        return Ok(Position::START);
    };
    if first == Position::START {
        return Ok(first);
    }
    for segment in segments.iter().rev() {
        if let Some(trimmed) = newest_in(segment)? {
            return Ok(if first <= trimmed { first } else { Position::START });
        }
    }
    Ok(Position::START)
}

/// What the last `log_trimmed` of a file says; what is broken in it is found by whoever reads it for its events.
fn newest_in(segment: &Segment) -> Result<Option<Position>, OpenError> {
    let io = |source| OpenError::Io { path: segment.path.clone(), source };
    let mut groups = Groups::of(segment).map_err(io)?;
    let mut newest = None;
    while let Ok(Some(group)) = groups.next().map_err(io)? {
        let trims = group.lines().filter_map(trim_of);
        newest = trims.last().or(newest);
    }
    Ok(newest)
}

fn trim_of(line: &[u8]) -> Option<Position> {
    line.windows(TRIM_TYPE.len()).find(|window| *window == TRIM_TYPE)?;
    let envelope = Envelope::parse(line).ok()?;
    let Body::Open(json) = &envelope.body else { return None };
    let clear = &envelope.clear;
    match decode(&clear.kind, clear.schema, serde_json::from_slice(json).ok()?).ok()? {
        Event::LogTrimmed(trimmed) => Some(trimmed.first),
        _ => None,
    }
}
