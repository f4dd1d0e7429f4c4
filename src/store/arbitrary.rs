//! What must be true of any bytes that the journal reader meets: the body of a fuzz target and of a test.

use std::fs;
use std::io;
use std::path::Path;

use super::OpenError;
use super::envelope::{Body, Envelope, line_of};
use super::journal::{End, find_end, replay};
use super::segment::{Group, Groups, Segment, commit_line, is_torn, list};
use crate::domain::id::Position;

/// The position that the file begins with.
const FIRST: u64 = 0;

/// Reads bytes as the only file of a journal, in a directory that is given, and panics if a rule does not hold: a reader
/// ends, takes nothing that this program would not have written, cuts nothing but the end, and says the same twice.
///
/// # Errors
/// Whatever the system says of the directory.
pub fn journal(dir: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(format!("{FIRST:020}.jsonl")), content)?;
    let segments = list(dir).map_err(io::Error::other)?;
    let segment = segments.first().expect("it was written a moment ago");
    let groups = walk(segment, content)?;
    ends(dir, segment, content, &groups)?;
    for line in content.split(|byte| *byte == b'\n') {
        if let Ok(envelope) = Envelope::parse(line) {
            let (Body::Open(payload) | Body::Sealed(payload)) = &envelope.body;
            let open = matches!(envelope.body, Body::Open(_));
            let written = line_of(envelope.clear.bytes(), open, payload);
            assert_eq!(written, line, "an envelope is written as it was read");
        }
    }
    Ok(())
}

/// Reads all that can be read, over what is broken; returns the groups before that.
fn walk(segment: &Segment, content: &[u8]) -> io::Result<Vec<Group>> {
    let mut groups = Groups::of(segment)?;
    let (mut whole, mut broken) = (Vec::new(), false);
    loop {
        let before = groups.offset();
        match groups.next()? {
            Ok(None) => return Ok(whole),
            Ok(Some(group)) => {
                let events = group.lines().count() as u64;
                let written = [&group.bytes[..], &commit_line(group.first, events, &group.bytes)];
                let read = &content[before as usize..groups.offset() as usize];
                assert_eq!(written.concat(), read, "a group is written as it was read");
                if !broken {
                    whole.push(group);
                }
            }
            Err(found) => {
                broken = true;
                if !found.closed && !groups.skip()? {
                    return Ok(whole);
                }
            }
        }
        assert!(groups.offset() > before, "a reader goes on");
        assert!(groups.offset() <= content.len() as u64, "a reader ends");
    }
}

/// Where the journal ends is where the groups end, or it is refused.
fn ends(dir: &Path, segment: &Segment, content: &[u8], groups: &[Group]) -> io::Result<()> {
    let trusting = |_: Position, _: &[u8]| Ok(());
    let last = groups.last();
    let commit = |group: &Group| {
        commit_line(group.first, group.lines().count() as u64, &group.bytes).len() as u64
    };
    let whole = last.map_or(0, |it| it.offset + it.bytes.len() as u64 + commit(it));
    let next = last.map_or(FIRST, |it| it.first.0 + it.lines().count() as u64);
    let torn = is_torn(segment, whole)?;
    match find_end(dir, &trusting) {
        Ok(end) => {
            assert!(torn, "only a torn end is cut");
            assert_eq!((end.next, end.torn_bytes), (Position(next), content.len() as u64 - whole));
            again(dir, &end, groups);
        }
        Err(OpenError::Damaged { place, .. }) => {
            assert!(!torn && place.starts_with("log/"), "{place}");
        }
        Err(error) => return Err(io::Error::other(error)),
    }
    Ok(())
}

/// What is replayed is what was found.
fn again(dir: &Path, end: &End, groups: &[Group]) {
    let trusting = |_: Position, _: &[u8]| Ok(());
    let mut replayed = Vec::new();
    let done = replay(dir, Position(FIRST), end, &trusting, |group| {
        replayed.push(group);
        Ok(())
    });
    done.expect("what was found to be whole can be replayed");
    assert_eq!(replayed, groups);
}
