//! What the handle, the writer and the applier of an open log share; reads merge the tail with the event store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::blobs::Blobs;
use super::figures::Meters;
use super::index::Mark;
use super::keys::KeyFile;
use super::lines::Lines;
use super::open::Options;
use super::plan::Known;
use super::recent::Recent;
use super::subjects::Subjects;
use super::tail::{Line, Tail};
use super::trees::{Trees, TreesError};
use super::{AppendError, Direction, READ_EVENTS_MAX, ReadError, Surroundings, locked, reading};
use crate::domain::id::{Position, StreamName, Tag, Version};

/// The file that tells the next opening to make the event store anew.
pub(crate) const DAMAGED_FILE: &str = "store.damaged";

/// An open log.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) trees: Trees,
    /// The journal, for reading what the event store has.
    pub(crate) journal: Lines,
    pub(crate) tail: RwLock<Tail>,
    pub(crate) progress: Mutex<Progress>,
    pub(crate) changed: Condvar,
    pub(crate) keys: KeyFile,
    pub(crate) subjects: Subjects,
    pub(crate) blobs: Blobs,
    pub(crate) recent: Recent,
    pub(crate) meters: Meters,
    pub(crate) surroundings: Surroundings,
    pub(crate) options: Options,
    pub(crate) head: watch::Sender<Position>,
    pub(crate) failure: watch::Sender<Option<String>>,
    pub(crate) closing: AtomicBool,
    /// The first position that is kept. Who reads lines holds it, so that no file goes under a read.
    pub(crate) begin: RwLock<Position>,
    /// Dedupe keys of events before this position count no more: a trim is under way or done.
    pub(crate) forgotten: AtomicU64,
    /// Held by whoever trims.
    pub(crate) trimming: Mutex<()>,
    /// Held by whoever reads the files as a whole; files are dropped by whoever has it alone.
    pub(crate) files: RwLock<()>,
}

/// How far the two threads are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Events and bytes in the tail.
    pub(crate) waiting: (usize, usize),
    /// The writer has ended.
    pub(crate) written: bool,
}

impl Shared {
    /// Ends the log: the first reason counts, nothing is acknowledged any more.
    pub(crate) fn fail(&self, reason: String) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            if first {
                tracing::error!(%reason, "the log has failed");
                *failure = Some(reason);
            }
            first
        });
        let _progress = locked(&self.progress);
        self.changed.notify_all();
    }

    /// Whether the log has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// What callers are told after a failure or the end.
    pub(crate) fn failed(&self) -> AppendError {
        let reason = self.failure.borrow().clone();
        let reason = reason.unwrap_or_else(|| "it was closed".into());
        AppendError::Failed { dir: self.dir.clone(), reason }
    }

    /// The event store cannot be used: the log ends, and the next opening makes it anew from the journal.
    pub(crate) fn damaged(&self, error: TreesError) -> ReadError {
        let marked = std::fs::write(self.dir.join(DAMAGED_FILE), error.0.as_bytes());
        if let Err(error) = marked {
            tracing::error!(%error, "cannot mark the event store as damaged");
        }
        self.fail(format!(
            "the event store is damaged and is made anew at the next start: {error}"
        ));
        ReadError::Damaged { place: "store/".into(), what: error.0 }
    }

    pub(crate) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tail_mut(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position behind the last readable event.
    pub(crate) fn next(&self) -> Position {
        *self.head.borrow()
    }

    /// The first position that is kept, held.
    pub(crate) fn begin(&self) -> RwLockReadGuard<'_, Position> {
        self.begin.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines at the positions that a read of the whole log visits.
    pub(crate) fn lines(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<(Position, Line)>, ReadError> {
        let begin = self.begin();
        let from = first_wanted(from.0, begin.0, direction);
        let wanted = kept(bounds(reading(from, self.next().0, direction, max)), begin.0);
        let (first, newer) = {
            let tail = self.tail();
            (tail.first().0, tail.lines(wanted.clone()))
        };
        let older = wanted.start..wanted.end.min(first).max(wanted.start);
        let older = self.trees.spots(older).map_err(|error| self.damaged(error))?;
        let lines = self.journal.read(&older)?.into_iter().chain(newer);
        let mut lines: Vec<_> = (wanted.start..).map(Position).zip(lines).collect();
        if direction == Direction::Backward {
            lines.reverse();
        }
        Ok(lines)
    }

    /// The lines of a stream at the versions that a read visits.
    pub(crate) fn stream_lines(
        &self,
        stream: &StreamName,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<(Position, Line)>, ReadError> {
        let begin = self.begin();
        let head = self.head(stream)?;
        let length = head.map_or(0, |head| head.0 + 1);
        let (first, low, newer, wanted) = {
            let tail = self.tail();
            let first = tail.oldest_version(stream).map_or(length, |version| version.0);
            let low =
                self.first_kept(stream, *begin)?.map_or(first, |version| version.0.min(first));
            let from = first_wanted(from.0, low, direction);
            let wanted = kept(bounds(reading(from, length, direction, max)), low);
            (first, low, tail.stream(stream, wanted.clone()), wanted)
        };
        debug_assert!(low <= wanted.start || wanted.is_empty(), "what was dropped is not read");
        let older = wanted.start..wanted.end.min(first).max(wanted.start);
        let older = self.trees.positions(stream, older).map_err(|error| self.damaged(error))?;
        let mut lines = self.stored(older)?;
        lines.extend(newer);
        if direction == Direction::Backward {
            lines.reverse();
        }
        Ok(lines)
    }

    /// The first version of a stream that is kept, as far as the event store knows.
    fn first_kept(
        &self,
        stream: &StreamName,
        begin: Position,
    ) -> Result<Option<Version>, ReadError> {
        if begin == Position::START {
            return Ok(Some(Version::START));
        }
        self.trees.first_version(stream, begin).map_err(|error| self.damaged(error))
    }

    /// The lines at positions, in their order; those that are not there are left out.
    pub(crate) fn lines_at(
        &self,
        positions: &[Position],
    ) -> Result<Vec<(Position, Line)>, ReadError> {
        let (begin, next) = (self.begin(), self.next());
        let there = positions.iter().copied();
        let there = there.filter(|position| (*begin..next).contains(position));
        let (newer, older): (Vec<_>, Vec<_>) = {
            let tail = self.tail();
            let line =
                |it: Position| tail.lines(it.0..it.0 + 1).pop().filter(|_| it >= tail.first());
            there.map(|position| (position, line(position))).partition(|(_, line)| line.is_some())
        };
        let older = self.stored(older.into_iter().map(|(position, _)| position).collect())?;
        let mut newer = newer.into_iter().filter_map(|(position, line)| Some((position, line?)));
        if older.is_empty() {
            return Ok(newer.collect());
        }
        let known: BTreeMap<Position, Line> = older.into_iter().chain(newer.by_ref()).collect();
        let line = |position: &Position| Some((*position, known.get(position)?.clone()));
        Ok(positions.iter().filter_map(line).collect())
    }

    /// The lines at positions that the event store has.
    fn stored(&self, positions: Vec<Position>) -> Result<Vec<(Position, Line)>, ReadError> {
        let spots = self.trees.spots_at(&positions).map_err(|error| self.damaged(error))?;
        let there = positions.into_iter().zip(spots);
        let there = there.filter_map(|(position, spot)| Some((position, spot?)));
        let (positions, spots): (Vec<_>, Vec<_>) = there.unzip();
        Ok(positions.into_iter().zip(self.journal.read(&spots)?).collect())
    }

    /// The positions of the events that have a mark, from a position on.
    pub(crate) fn marked(
        &self,
        mark: &Mark,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Position>, ReadError> {
        let max = max.min(READ_EVENTS_MAX);
        let begin = *self.begin();
        let wanted = match direction {
            Direction::Forward => from.0.max(begin.0)..self.next().0,
            Direction::Backward => begin.0..from.0.saturating_add(1).min(self.next().0),
        };
        let (first, mut newer) = {
            let tail = self.tail();
            (tail.first().0, tail.marked(mark))
        };
        newer.retain(|position| wanted.contains(position));
        let older = wanted.start..wanted.end.min(first);
        let older = |max| {
            let found = self.trees.marked(mark, older, direction, max);
            found.map_err(|error| self.damaged(error))
        };
        let mut found = match direction {
            Direction::Forward => [older(max)?, newer].concat(),
            Direction::Backward => {
                newer.reverse();
                let more = older(max.saturating_sub(newer.len()))?;
                [newer, more].concat()
            }
        };
        found.truncate(max);
        Ok(found.into_iter().map(Position).collect())
    }
}

/// Where a read begins, in a log or a stream of which what is before `begin` was dropped.
fn first_wanted(from: u64, begin: u64, direction: Direction) -> u64 {
    match direction {
        Direction::Forward => from.max(begin),
        Direction::Backward => from,
    }
}

/// What of it is kept.
fn kept(wanted: Range<u64>, begin: u64) -> Range<u64> {
    let start = wanted.start.max(begin);
    if start < wanted.end { start..wanted.end } else { 0..0 }
}

/// What a read visits, from the lowest to behind the highest.
fn bounds(places: impl Iterator<Item = u64>) -> Range<u64> {
    let ends = places.fold(None, |ends: Option<(u64, u64)>, place| {
        Some(ends.map_or((place, place), |(low, high)| (low.min(place), high.max(place))))
    });
    ends.map_or(0..0, |(low, high)| low..high + 1)
}

impl Known for Shared {
    fn head(&self, stream: &StreamName) -> Result<Option<Version>, ReadError> {
        let newest = self.tail().head(stream);
        match newest {
            Some(version) => Ok(Some(version)),
            None => self.trees.head(stream).map_err(|error| self.damaged(error)),
        }
    }

    fn keyed(&self, key: &Tag) -> Result<Option<Position>, ReadError> {
        let newest = self.tail().keyed(key);
        match newest {
            Some(position) => Ok(Some(position)),
            None => {
                let known = self.trees.keyed(key).map_err(|error| self.damaged(error))?;
                let forgotten = self.forgotten.load(Ordering::SeqCst);
                Ok(known.filter(|position| position.0 >= forgotten))
            }
        }
    }
}
