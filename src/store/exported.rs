//! Checks an export: the journal's event lines in one file, without keys and without the log that they are from.
//!
//! Sealed payloads stay sealed: that they are what their events committed to can be told only beside the keys.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::OpenError;
use super::envelope::{Body, Envelope, LINE_BYTES_MAX};
use super::history::{Claim, History};
use super::keys::digest;
use super::plan::Times;
use super::proof::{Key, record_hash};
use super::verify::Verified;
use crate::domain::event::{DecodeError, Event, TreeHead, decode};
use crate::domain::id::{Position, StreamName, Version};

/// Most streams whose last version is remembered; those that were silent for longest are forgotten.
pub const STREAMS_MAX: usize = 1 << 20;
/// How the type of a head stands in its line.
const HEAD_TYPE: &[u8] = br#""type":"tree_head""#;

/// The key that the first head in an export names; the export vouches for it no more than for itself.
///
/// # Errors
/// [`OpenError`] if the file cannot be read.
pub fn key_of(file: &Path) -> Result<Option<Key>, OpenError> {
    let mut key = None;
    lines(file, |_, line| {
        if key.is_none() && line.windows(HEAD_TYPE.len()).any(|window| window == HEAD_TYPE) {
            let head = Envelope::parse(line).ok().and_then(|envelope| head(&envelope));
            key = head.and_then(|head| Key::parse(&head.key).ok());
        }
    })?;
    Ok(key)
}

/// Checks every line, and the history against the heads in it and from outside.
///
/// # Errors
/// [`OpenError`] if the file cannot be read.
pub fn verify_export(
    file: &Path,
    key: Option<Key>,
    claims: &[Claim],
    told: &mut dyn FnMut(u64, u64),
) -> Result<Verified, OpenError> {
    let mut check = Check {
        verified: Verified { segments: 1, ..Verified::default() },
        history: History::new(key, claims),
        streams: Streams::default(),
        times: Times::START,
        next: None,
    };
    let total = std::fs::metadata(file).map_or(0, |file| file.len());
    let mut read = 0;
    lines(file, |number, line| {
        check.line(&format!("{}:{number}", name(file)), line);
        read += line.len() as u64 + 1;
        told(read, total);
    })?;
    while check.history.again() {
        let mut next = 0;
        lines(file, |_, line| {
            check.history.event(Position(next), line);
            next += 1;
        })?;
    }
    Ok(check.verified.judged(check.history))
}

/// The file's name, for findings.
fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// Hands out the lines of a file with their numbers, without their ends; one that is too long in pieces.
fn lines(file: &Path, mut take: impl FnMut(u64, &[u8])) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: file.to_owned(), source };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(file).map_err(io)?);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        if reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(io)? == 0 {
            return Ok(());
        }
        number += 1;
        take(number, line.strip_suffix(b"\n").unwrap_or(&line));
    }
}

/// How far a check is.
struct Check {
    verified: Verified,
    history: History,
    streams: Streams,
    times: Times,
    next: Option<Position>,
}

impl Check {
    fn line(&mut self, place: &str, line: &[u8]) {
        self.verified.events += 1;
        let envelope = match Envelope::parse(line) {
            Ok(envelope) => envelope,
            Err(what) => {
                self.verified.find(place.to_owned(), what);
                let position = self.next.unwrap_or_default();
                self.history.event(position, line);
                self.next = Some(position.next());
                return;
            }
        };
        let position = envelope.clear.position;
        match self.next {
            None => self.history.begin(position),
            Some(next) if next != position => {
                self.verified.find(
                    place.to_owned(),
                    format!("it is event {position}, {next} should follow"),
                );
            }
            Some(_) => {}
        }
        self.history.event(position, line);
        self.next = Some(position.next());
        self.versions(place, &envelope);
        self.payload(place, &envelope);
        if let Some(head) = head(&envelope) {
            self.history.recorded(place.to_owned(), &head);
        }
    }

    /// Its place in its stream, and its time.
    fn versions(&mut self, place: &str, envelope: &Envelope) {
        let clear = &envelope.clear;
        let whole = self.verified.events == clear.position.0 + 1;
        if let Err(before) = self.streams.take(&clear.stream, clear.version, whole) {
            let what = match before {
                Some(before) => format!(
                    "version {} of `{}` follows version {before}",
                    clear.version, clear.stream
                ),
                None => format!("`{}` begins with version {}", clear.stream, clear.version),
            };
            self.verified.find(place.to_owned(), what);
        }
        let stepped = clear.kind == "clock_stepped" && clear.epoch == self.times.epoch + 1;
        let ordered = clear.epoch == self.times.epoch && clear.ts >= self.times.ts;
        if !stepped && !ordered && self.verified.events > 1 {
            self.verified.find(place.to_owned(), "its time is before that of the event before it");
        }
        self.times = Times { ts: clear.ts, epoch: clear.epoch };
    }

    /// What can be told of a payload without keys.
    fn payload(&mut self, place: &str, envelope: &Envelope) {
        let Body::Open(json) = &envelope.body else { return };
        let clear = &envelope.clear;
        if digest(json) != clear.commitment {
            return self.verified.find(place.to_owned(), "its payload is not what it committed to");
        }
        let value = match serde_json::from_slice(json) {
            Ok(value) => value,
            Err(error) => {
                return self
                    .verified
                    .find(place.to_owned(), format!("its payload is not JSON: {error}"));
            }
        };
        match decode(&clear.kind, clear.schema, value) {
            Ok(_) => {}
            Err(DecodeError::Unknown { kind, schema }) => {
                self.verified.count_unknown(format!("{kind} {schema}"));
            }
            Err(error) => self.verified.find(place.to_owned(), error.to_string()),
        }
    }
}

/// The head that an event records.
fn head(envelope: &Envelope) -> Option<TreeHead> {
    let Body::Open(json) = &envelope.body else { return None };
    let clear = &envelope.clear;
    match decode(&clear.kind, clear.schema, serde_json::from_slice(json).ok()?).ok()? {
        Event::TreeHead(head) => Some(head),
        _ => None,
    }
}

/// The last version of each stream, by the first half of the hash of its name; in two generations.
#[derive(Default)]
struct Streams {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
    forgotten: bool,
}

impl Streams {
    /// Takes the next version of a stream; an error is the version that it should have followed. `whole`: everything
    /// before it was seen.
    fn take(
        &mut self,
        stream: &StreamName,
        version: Version,
        whole: bool,
    ) -> Result<(), Option<u64>> {
        let hash = record_hash(stream.as_str().as_bytes());
        let key = u64::from_be_bytes(hash.0[..8].try_into().expect("a hash is longer"));
        let before = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        if self.young.len() >= STREAMS_MAX / 2 {
            self.forgotten |= !self.old.is_empty();
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, version.0);
        let fits = match before {
            Some(before) => version.0 == before + 1,
            None => version.0 == 0 || self.forgotten || !whole,
        };
        fits.then_some(()).ok_or(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_remembered_up_to_a_bound() {
        let stream = |nth: usize| StreamName::parse(&format!("test-{nth}")).expect("parses");
        let mut streams = Streams::default();
        for nth in 0..STREAMS_MAX + 2 {
            assert_eq!(streams.take(&stream(nth), Version(0), true), Ok(()));
            assert!(streams.young.len() + streams.old.len() <= STREAMS_MAX);
        }
        let newest = stream(STREAMS_MAX + 1);
        assert_eq!(streams.take(&newest, Version(2), true), Err(Some(0)));
        assert_eq!(streams.take(&stream(0), Version(7), true), Ok(()), "it is forgotten");
        let mut streams = Streams::default();
        assert_eq!(streams.take(&stream(0), Version(7), true), Err(None));
        assert_eq!(streams.take(&stream(1), Version(7), false), Ok(()), "the beginning is missing");
    }
}
