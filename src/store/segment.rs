//! Reading the journal's files: groups of event lines, each closed by its commit line.
//!
//! A group is there if its commit line is, with the right count and checksum. What breaks this rule is named by file
//! and line; whether it is only the torn end of an unacknowledged write is judged by what stands behind it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::envelope::LINE_BYTES_MAX;
use super::{BATCH_EVENTS_MAX, OpenError};
use crate::domain::id::Position;

/// Most events of one group: a full batch, and a step of the clock before it.
pub(crate) const GROUP_EVENTS_MAX: usize = BATCH_EVENTS_MAX + 1;
/// How every commit line begins, and no event line.
const COMMIT: &[u8] = br#"{"commit":"#;

/// One file of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) first: Position,
    pub(crate) path: PathBuf,
}

/// The last line of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitLine {
    commit: Commit,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    first: Position,
    events: u64,
    crc32: String,
}

/// The commit line of a group whose event lines, with their ends, are `lines`.
pub(crate) fn commit_line(first: Position, events: u64, lines: &[u8]) -> Vec<u8> {
    let crc32 = format!("{:08x}", crc32fast::hash(lines));
    let line = CommitLine { commit: Commit { first, events, crc32 } };
    let mut line = serde_json::to_vec(&line).expect("a commit line is numbers and a text");
    line.push(b'\n');
    line
}

/// A commit line as this program writes it, without its end; in any other words it is none.
fn parse_commit(line: &[u8]) -> Option<CommitLine> {
    let parsed: CommitLine = serde_json::from_slice(line).ok()?;
    (serde_json::to_vec(&parsed).ok()? == line).then_some(parsed)
}

/// The name of the file that begins with a position.
pub(crate) fn file_name(first: Position) -> String {
    format!("{:020}.jsonl", first.0)
}

/// The files of a journal, in the order of the log.
pub(crate) fn list(dir: &Path) -> Result<Vec<Segment>, OpenError> {
    let io = |source| OpenError::Io { path: dir.to_owned(), source };
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits = name.strip_suffix(".jsonl").filter(|digits| digits.len() == 20);
        let Some(first) = digits.and_then(|digits| digits.parse().ok()) else {
            let what = "it is no journal file: they are named <20 digits>.jsonl".into();
            return Err(OpenError::Damaged { place: format!("log/{name}"), what });
        };
        segments.push(Segment { first: Position(first), path });
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

impl Segment {
    /// Where a line is, for people.
    pub(crate) fn place(&self, line: u64) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("log/{name}:{line}")
    }
}

/// Events that were written in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The first position of its file.
    pub(crate) segment: Position,
    /// The position of the first one.
    pub(crate) first: Position,
    /// The number of its line, counted from 1.
    pub(crate) line: u64,
    /// Where the group begins in the file.
    pub(crate) offset: u64,
    /// The event lines, with their ends.
    pub(crate) bytes: Vec<u8>,
}

impl Group {
    /// The event lines, without their ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1])
    }

    /// The event lines with their positions, the numbers of their lines and where they begin in the file.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Position, u64, u64, &[u8])> {
        let mut offset = self.offset;
        (self.first.0..).zip(self.line..).zip(self.lines()).map(
            move |((position, number), line)| {
                let begins = offset;
                offset += line.len() as u64 + 1;
                (Position(position), number, begins, line)
            },
        )
    }
}

/// Why a group cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The number of the line.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) what: String,
    /// The group's event lines, if only their checksum is wrong.
    pub(crate) suspects: Option<Group>,
    /// Its commit line was read: the next group follows.
    pub(crate) closed: bool,
}

/// Reads one segment, group by group.
pub(crate) struct Groups {
    reader: BufReader<File>,
    segment: Position,
    next: Position,
    line: u64,
    offset: u64,
}

impl Groups {
    /// Begins at the first group of a segment.
    pub(crate) fn of(segment: &Segment) -> io::Result<Self> {
        let reader = BufReader::with_capacity(1 << 18, File::open(&segment.path)?);
        Ok(Self { reader, segment: segment.first, next: segment.first, line: 0, offset: 0 })
    }

    /// The position behind what was read.
    pub(crate) fn next_position(&self) -> Position {
        self.next
    }

    /// The end of what was read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next group; none at the end of the file. After a broken one, reading goes on behind its commit line.
    pub(crate) fn next(&mut self) -> io::Result<Result<Option<Group>, Broken>> {
        let (segment, first, line, offset) = (self.segment, self.next, self.line + 1, self.offset);
        let mut group = Group { segment, first, line, offset, bytes: vec![] };
        let mut events = 0;
        loop {
            let start = group.bytes.len();
            let limit = LINE_BYTES_MAX as u64 + 1;
            self.reader.by_ref().take(limit).read_until(b'\n', &mut group.bytes)?;
            let length = group.bytes.len() - start;
            if length == 0 && events == 0 {
                return Ok(Ok(None));
            }
            self.line += 1;
            self.offset += length as u64;
            let line = &group.bytes[start..];
            if line.last() != Some(&b'\n') {
                let what =
                    if length as u64 == limit { "it is too long" } else { "its end is missing" };
                return Ok(self.broken(what, false));
            }
            if line.starts_with(COMMIT) {
                let line = line[..length - 1].to_vec();
                group.bytes.truncate(start);
                return Ok(self.close(group, events, &line));
            }
            events += 1;
            if events > GROUP_EVENTS_MAX as u64 {
                return Ok(self.broken("a commit line should have come before it", false));
            }
        }
    }

    /// Checks a commit line against its group.
    fn close(&mut self, group: Group, events: u64, line: &[u8]) -> Result<Option<Group>, Broken> {
        let Some(CommitLine { commit }) = parse_commit(line) else {
            return self.broken("it is no commit line", true);
        };
        let first = self.next;
        self.next = Position(commit.first.0.saturating_add(commit.events));
        if commit.first != first {
            let what = format!("the group begins at {}, {first} should follow", commit.first);
            return self.broken(&what, true);
        }
        if commit.events != events || events == 0 {
            return self
                .broken(&format!("it closes {} events, {events} are there", commit.events), true);
        }
        if commit.crc32 != format!("{:08x}", crc32fast::hash(&group.bytes)) {
            let what =
                format!("the checksum of lines {} to {} is wrong", group.line, self.line - 1);
            return Err(Broken { line: self.line, what, suspects: Some(group), closed: true });
        }
        Ok(Some(group))
    }

    fn broken<T>(&self, what: &str, closed: bool) -> Result<T, Broken> {
        Err(Broken { line: self.line, what: what.into(), suspects: None, closed })
    }

    /// Goes on behind the next commit line, if there is one.
    pub(crate) fn skip(&mut self) -> io::Result<bool> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            let length = self.reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(false);
            }
            self.line += 1;
            self.offset += length as u64;
            let commit = line.strip_suffix(b"\n").and_then(parse_commit);
            if let Some(CommitLine { commit }) = commit {
                self.next = Position(commit.first.0.saturating_add(commit.events));
                return Ok(true);
            }
        }
    }
}

/// Whether everything from `offset` on is the torn end of one write that was never acknowledged: no complete commit
/// line is there; or only the last line is one, and pages before it never reached the disk and read as zero bytes.
pub(crate) fn is_torn(segment: &Segment, offset: u64) -> io::Result<bool> {
    let mut file = File::open(&segment.path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let mut lines = tail
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(COMMIT) && line.ends_with(b"\n"));
    Ok(match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(only), None) => tail.ends_with(only) && tail.contains(&0),
        (Some(_), Some(_)) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> (Vec<Result<u64, String>>, Segment, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(format!("{:020}.jsonl", 7));
        fs::write(&path, content).expect("writes");
        let segment = list(dir.path()).expect("lists").remove(0);
        let mut groups = Groups::of(&segment).expect("opens");
        let mut seen = Vec::new();
        loop {
            match groups.next().expect("reads") {
                Ok(Some(group)) => seen.push(Ok(group.lines().count() as u64)),
                Ok(None) => return (seen, segment, dir),
                Err(broken) => {
                    seen.push(Err(format!("{}: {}", broken.line, broken.what)));
                    if !broken.closed && !groups.skip().expect("reads") {
                        return (seen, segment, dir);
                    }
                }
            }
        }
    }

    fn group(first: u64, lines: &[u8]) -> Vec<u8> {
        let events = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        [lines, &commit_line(Position(first), events, lines)].concat()
    }

    #[test]
    fn groups_are_closed_by_their_commit_lines() {
        assert_eq!(
            String::from_utf8(commit_line(Position(7), 1, b"x\n")).expect("is text"),
            "{\"commit\":{\"first\":7,\"events\":1,\"crc32\":\"46ea081f\"}}\n"
        );
        let (full, over) = ("x\n".repeat(GROUP_EVENTS_MAX), "x\n".repeat(GROUP_EVENTS_MAX + 1));
        let line = |bytes: usize| [vec![b'x'; bytes - 1], vec![b'\n']].concat();
        let broken = |what: &str| Err(what.to_owned());
        for (what, content, want) in [
            ("nothing", vec![], vec![]),
            ("two", [group(7, b"a\nb\n"), group(9, b"c\n")].concat(), vec![Ok(2), Ok(1)]),
            ("a full one", group(7, full.as_bytes()), vec![Ok(65)]),
            (
                "one too many",
                [group(7, over.as_bytes()), group(73, b"c\n")].concat(),
                vec![broken("66: a commit line should have come before it"), Ok(1)],
            ),
            ("the longest line", group(7, &line(LINE_BYTES_MAX)), vec![Ok(1)]),
            (
                "a longer line",
                [group(7, &line(LINE_BYTES_MAX + 2)), group(8, b"c\n")].concat(),
                vec![broken("1: it is too long"), Ok(1)],
            ),
            (
                "a hole",
                [group(7, b"a\n"), group(9, b"c\n"), group(10, b"d\n")].concat(),
                vec![Ok(1), broken("4: the group begins at 9, 8 should follow"), Ok(1)],
            ),
            (
                "only a commit line",
                commit_line(Position(7), 0, b""),
                vec![broken("1: it closes 0 events, 0 are there")],
            ),
        ] {
            assert_eq!(read(&content).0, want, "{what}");
        }
    }

    #[test]
    fn a_torn_end_has_no_commit_line_or_a_hole_before_its_only_one() {
        for (tail, want) in [
            (&b"x"[..], true),
            (b"x\ny\n", true),
            (b"x\n{\"commit\":1}", true),
            (b"x\n{\"commit\":1}\n", false),
            (b"\0\0\0x\n{\"commit\":1}\n", true),
            (b"\0\0\0x\n{\"commit\":1}\nx\n", false),
            (b"\0\0\0x\n{\"commit\":1}\n{\"commit\":1}\n", false),
        ] {
            let whole = group(7, b"a\n");
            let (_, segment, _dir) = read(&[&whole[..], tail].concat());
            let torn = is_torn(&segment, whole.len() as u64).expect("reads");
            assert_eq!(torn, want, "{}", String::from_utf8_lossy(tail));
        }
    }

    #[test]
    fn strange_files_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("notes.txt"), "x").expect("writes");
        let error = list(dir.path()).expect_err("is refused").to_string();
        assert!(error.contains("damaged at log/notes.txt: it is no journal file"), "{error}");
    }
}
