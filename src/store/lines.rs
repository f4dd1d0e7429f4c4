//! Where the lines of the journal stand, and reading them there: each against the checksum that was taken when it was
//! written.
//!
//! The journal is the truth and no line of it is ever rewritten, so a line that was read again is what was acknowledged,
//! or it is refused.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::segment::file_name;
use super::tail::Line;
use super::{ReadError, locked};
use crate::domain::id::Position;

/// How many files of the journal are kept open for reading.
const OPEN_FILES_MAX: usize = 16;
/// How many bytes are read in one go, if one line alone is not longer.
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// How many bytes may stand between two lines that are read in one go: they cost less than another call.
const GAP_BYTES_MAX: u64 = 4 * 1024;

/// Where a line stands, without its end, and its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The first position of its file.
    pub(crate) segment: Position,
    /// Where it begins there.
    pub(crate) offset: u64,
    /// How many bytes it has.
    pub(crate) length: u32,
    /// Their CRC-32.
    pub(crate) crc32: u32,
}

impl Spot {
    /// The spot of a line.
    pub(crate) fn of(segment: Position, offset: u64, line: &[u8]) -> Self {
        let length = u32::try_from(line.len()).expect("a line has at most LINE_BYTES_MAX bytes");
        Self { segment, offset, length, crc32: crc32fast::hash(line) }
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }
}

/// The files of the journal, for reading.
pub(crate) struct Lines {
    dir: PathBuf,
    /// The one that was used last is the last one.
    files: Mutex<VecDeque<(Position, Arc<File>)>>,
}

impl Lines {
    /// The files in a directory.
    pub(crate) fn of(dir: PathBuf) -> Self {
        Self { dir, files: Mutex::default() }
    }

    /// The lines at these spots, in their order.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if a line is not what was written.
    pub(crate) fn read(&self, spots: &[Spot]) -> Result<Vec<Line>, ReadError> {
        let mut lines = Vec::with_capacity(spots.len());
        let mut rest = spots;
        while !rest.is_empty() {
            let (near, others) = rest.split_at(near(rest));
            self.read_near(near, &mut lines)?;
            rest = others;
        }
        Ok(lines)
    }

    /// Reads lines that stand near to one another, in one go.
    fn read_near(&self, spots: &[Spot], lines: &mut Vec<Line>) -> Result<(), ReadError> {
        let [first, ..] = spots else { return Ok(()) };
        let start = first.offset;
        let length = spots[spots.len() - 1].end() - start;
        let place = || format!("log/{}", file_name(first.segment));
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => damaged(place(), "it is missing".into()),
            io::ErrorKind::UnexpectedEof => {
                damaged(place(), format!("what was acknowledged at byte {start} is cut off"))
            }
            _ => ReadError::Store(format!("{}: {error}", place())),
        };
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let file = self.file(first.segment).map_err(wrong)?;
        file.read_exact_at(&mut bytes, start).map_err(wrong)?;
        for spot in spots {
            let at = (spot.offset - start) as usize;
            let line = &bytes[at..at + spot.length as usize];
            if crc32fast::hash(line) != spot.crc32 {
                let what = format!("the line at byte {} is not what was written", spot.offset);
                return Err(damaged(place(), what));
            }
            lines.push(line.into());
        }
        Ok(())
    }

    fn file(&self, segment: Position) -> io::Result<Arc<File>> {
        let mut files = locked(&self.files);
        if let Some(at) = files.iter().position(|(first, _)| *first == segment) {
            let known = files.remove(at).expect("its place was found a moment ago");
            let file = known.1.clone();
            files.push_back(known);
            return Ok(file);
        }
        let file = Arc::new(File::open(self.dir.join(file_name(segment)))?);
        if files.len() >= OPEN_FILES_MAX {
            files.pop_front();
        }
        files.push_back((segment, file.clone()));
        Ok(file)
    }
}

fn damaged(place: String, what: String) -> ReadError {
    ReadError::Damaged { place, what }
}

/// How many of the first spots, at least one, are read in one go.
fn near(spots: &[Spot]) -> usize {
    let follows = |pair: &[Spot]| {
        let (before, next) = (pair[0], pair[1]);
        let gap = next.offset.checked_sub(before.end());
        next.segment == before.segment
            && gap.is_some_and(|gap| gap <= GAP_BYTES_MAX)
            && next.end() - spots[0].offset <= READ_BYTES_MAX
    };
    1 + spots.windows(2).take_while(|pair| follows(pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(segment: u64, offset: u64, length: u32) -> Spot {
        Spot { segment: Position(segment), offset, length, crc32: 0 }
    }

    #[test]
    fn what_stands_together_is_read_in_one_go() {
        let (gap, all) = (GAP_BYTES_MAX, READ_BYTES_MAX as u32);
        for (what, spots, want) in [
            ("one", vec![spot(0, 9, 5)], 1),
            ("the longest alone", vec![spot(0, 9, all + 1), spot(0, 10, 1)], 1),
            ("a small gap", vec![spot(0, 0, 5), spot(0, 5 + gap, 5)], 2),
            ("a larger gap", vec![spot(0, 0, 5), spot(0, 6 + gap, 5)], 1),
            ("as much as fits", vec![spot(0, 0, 5), spot(0, 5, all - 5)], 2),
            ("more than fits", vec![spot(0, 0, 5), spot(0, 5, all - 4)], 1),
            ("two files", vec![spot(0, 0, 5), spot(7, 6, 5)], 1),
            ("backward", vec![spot(0, 6, 5), spot(0, 0, 5)], 1),
            ("the same twice", vec![spot(0, 6, 5), spot(0, 6, 5)], 1),
        ] {
            assert_eq!(near(&spots), want, "{what}");
        }
    }

    #[test]
    fn lines_are_read_where_they_stand_and_checked() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |segment| dir.path().join(file_name(Position(segment)));
        let texts = ["first", "second", "third"];
        for segment in 0..=OPEN_FILES_MAX as u64 {
            std::fs::write(path(segment), texts.join("\n")).expect("writes");
        }
        let lines = Lines::of(dir.path().to_owned());
        let spot =
            |segment, offset, text: &str| Spot::of(Position(segment), offset, text.as_bytes());
        for segment in 0..=OPEN_FILES_MAX as u64 {
            let spots =
                [spot(segment, 13, "third"), spot(segment, 0, "first"), spot(segment, 6, "second")];
            let read = lines.read(&spots).expect("reads");
            assert_eq!(read, [&b"third"[..], b"first", b"second"].map(Line::from));
        }
        assert_eq!(locked(&lines.files).len(), OPEN_FILES_MAX);
        let name = file_name(Position(3));
        for (spot, want) in [
            (spot(3, 6, "secomd"), format!("log/{name}: the line at byte 6 is not")),
            (
                spot(3, 13, "third\n"),
                format!("log/{name}: what was acknowledged at byte 13 is cut"),
            ),
            (spot(99, 0, "x"), format!("log/{}: it is missing", file_name(Position(99)))),
        ] {
            let error = lines.read(&[spot]).expect_err("is refused").to_string();
            assert!(error.contains(&want), "{error}, not {want}");
        }
    }
}
