//! The write-ahead journal: append-only files of JSON lines, one write and one sync for each group of events.
//!
//! It is the truth: an event is acknowledged when its group is synced here, and the event store is made from it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OpenError;
use super::disk::{self, Disk};
use super::segment::{Broken, Group, Groups, Segment, commit_line, file_name, is_torn, list};
use crate::domain::id::Position;

/// A journal file that has grown to this size is followed by a new one.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The open journal.
pub(crate) struct Journal {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    open: Option<Open>,
}

/// The file that is written to.
struct Open {
    first: Position,
    file: File,
    bytes: u64,
}

/// Where the journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// The position behind its last event.
    pub(crate) next: Position,
    /// How many bytes of an unacknowledged write stand behind it.
    pub(crate) torn_bytes: u64,
    /// The file and line where they begin.
    pub(crate) torn_at: Option<String>,
    /// The last file and what of it counts.
    last: Option<(Segment, u64)>,
    /// The last group, and where it is.
    group: Option<(u64, Vec<u8>)>,
}

/// Says what is wrong with an event line, if anything; it should be at this position.
pub(crate) type Suspect<'a> = &'a dyn Fn(Position, &[u8]) -> Result<(), String>;

/// Reads the last file of the journal and finds where it ends. Changes nothing.
pub(crate) fn find_end(dir: &Path, suspect: Suspect) -> Result<End, OpenError> {
    let mut end =
        End { next: Position::START, torn_bytes: 0, torn_at: None, last: None, group: None };
    let Some(segment) = list(dir)?.pop() else { return Ok(end) };
    let io = |source| OpenError::Io { path: segment.path.clone(), source };
    let mut groups = Groups::of(&segment).map_err(io)?;
    let length = segment.path.metadata().map_err(io)?.len();
    let mut whole = 0;
    loop {
        match groups.next().map_err(io)? {
            Ok(Some(group)) => {
                whole = groups.offset();
                end.group = Some((group.offset, group.bytes));
                end.next = groups.next_position();
            }
            Ok(None) => break,
            Err(broken) => {
                if !is_torn(&segment, whole).map_err(io)? {
                    return Err(damaged(&segment, broken, suspect));
                }
                end.torn_bytes = length - whole;
                end.torn_at = Some(segment.place(broken.line));
                break;
            }
        }
    }
    end.next = end.next.max(segment.first);
    end.last = Some((segment, whole));
    Ok(end)
}

/// Names the very line that is wrong in a group, where it can be told.
fn damaged(segment: &Segment, broken: Broken, suspect: Suspect) -> OpenError {
    let (line, what) = culprit(&broken, suspect);
    OpenError::Damaged { place: segment.place(line), what }
}

/// The line that is wrong in a broken group, and what is wrong with it.
pub(crate) fn culprit(broken: &Broken, suspect: Suspect) -> (u64, String) {
    let group = broken.suspects.as_ref();
    let lines = group.into_iter().flat_map(|group| {
        let places = (group.first.0..).zip(group.line..);
        places.zip(group.lines())
    });
    for ((position, number), line) in lines {
        if let Err(what) = suspect(Position(position), line) {
            return (number, what);
        }
    }
    (broken.line, broken.what.clone())
}

/// Hands out all groups that hold events from a position on; they must all be whole.
pub(crate) fn replay(
    dir: &Path,
    from: Position,
    end: &End,
    suspect: Suspect,
    mut take: impl FnMut(Group) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let segments = list(dir)?;
    let mut expected = None;
    for (nth, segment) in segments.iter().enumerate() {
        if segments.get(nth + 1).is_some_and(|following| following.first <= from) {
            continue;
        }
        let wrong = |next: Position| match expected {
            None => segment.first > next,
            Some(_) => segment.first != next,
        };
        let next = expected.unwrap_or(from);
        if wrong(next) {
            let what = format!("{next} should follow: a journal file is missing");
            return Err(OpenError::Damaged { place: segment.place(1), what });
        }
        let io = |source| OpenError::Io { path: segment.path.clone(), source };
        let mut groups = Groups::of(segment).map_err(io)?;
        while groups.next_position() < end.next {
            match groups.next().map_err(io)? {
                Ok(Some(group)) if groups.next_position() > from => take(group)?,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(broken) => return Err(damaged(segment, broken, suspect)),
            }
        }
        expected = Some(groups.next_position());
    }
    Ok(())
}

/// Whether the journal begins with position 0 and holds at least one event.
pub(crate) fn first_group(dir: &Path) -> Result<Option<Group>, OpenError> {
    let Some(segment) = list(dir)?.into_iter().next() else { return Ok(None) };
    let io = |source| OpenError::Io { path: segment.path.clone(), source };
    Ok(Groups::of(&segment).and_then(|mut groups| groups.next()).map_err(io)?.unwrap_or_default())
}

impl Journal {
    /// Opens the journal for writing: cuts what is torn, and writes the last group once more, because a sync that
    /// failed in an earlier process may have left it in memory only.
    pub(crate) fn open(
        dir: &Path,
        end: &End,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
    ) -> Result<Self, OpenError> {
        let mut journal = Self { dir: dir.to_owned(), disk, segment_bytes, open: None };
        if let Some((segment, whole)) = &end.last {
            let io = |source| OpenError::Io { path: segment.path.clone(), source };
            journal.refresh(segment, *whole, end).map_err(io)?;
            let file = disk::open_append(&segment.path).map_err(io)?;
            journal.open = Some(Open { first: segment.first, file, bytes: *whole });
        }
        Ok(journal)
    }

    fn refresh(&self, segment: &Segment, whole: u64, end: &End) -> io::Result<()> {
        let file = disk::open_write(&segment.path)?;
        file.set_len(whole)?;
        if let Some((offset, lines)) = &end.group {
            file.write_all_at(lines, *offset)?;
            let events = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            let first = Position(end.next.0 - events);
            file.write_all_at(&commit_line(first, events, lines), offset + lines.len() as u64)?;
        }
        self.disk.sync(&file)?;
        disk::sync_dir(&*self.disk, &self.dir)
    }

    /// Writes a group, with its commit line, and returns when it is on disk, saying in which file and where. After an
    /// error nothing may be written.
    pub(crate) fn write(
        &mut self,
        first: Position,
        events: u64,
        mut lines: Vec<u8>,
    ) -> io::Result<(Position, u64)> {
        lines.extend(commit_line(first, events, &lines));
        let bytes = lines.len() as u64;
        let full = |open: &Open| open.bytes > 0 && open.bytes + bytes > self.segment_bytes;
        if self.open.as_ref().is_none_or(full) {
            let file = disk::open_append(&self.dir.join(file_name(first)))?;
            disk::sync_dir(&*self.disk, &self.dir)?;
            self.open = Some(Open { first, file, bytes: 0 });
        }
        let open = self.open.as_mut().expect("it was opened a moment ago");
        self.disk.write(&open.file, &lines)?;
        self.disk.sync(&open.file)?;
        let at = open.bytes;
        open.bytes += bytes;
        Ok((open.first, at))
    }
}
