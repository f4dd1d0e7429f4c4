//! Checks a whole log: every line, checksum, version, seal and commitment of the journal, and that the event store says
//! the same.
//!
//! It reads in a stream and keeps nothing that grows with the log.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blobs::Blobs;
use super::disk::RealDisk;
use super::history::{Claim, Heads, History};
use super::index::Sum;
use super::keys::{KEYS_FILE, KeyFile};
use super::lines::Spot;
use super::plan::Times;
use super::proof::Key;
use super::segment::{Broken, Group, Groups, Segment, is_torn, list};
use super::trees::{FORMAT, Trees, TreesError};
use super::{OpenError, Surroundings, Tell, open, record, silent, subjects};
use crate::domain::event::{Event, Payload, Recorded};
use crate::domain::id::{Position, Version};

/// Most findings that are listed; the others are counted.
pub const FINDINGS_MAX: usize = 100;
/// Most unknown types that are listed by name.
pub const UNKNOWN_KINDS_MAX: usize = 64;

/// What a check of the whole log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many events were read.
    pub events: u64,
    /// The first position that is kept: what was before it was dropped, and an event says so.
    pub first: Position,
    /// How many journal files.
    pub segments: u64,
    /// How many events cannot be read any more because their keys were overwritten.
    pub erased: u64,
    /// How many events have a type or version that this program does not know.
    pub unknown: BTreeMap<String, u64>,
    /// Bytes of an unacknowledged write at the end: they are cut off at the next start.
    pub torn_bytes: u64,
    /// How many events the event store has yet to take in: it does so at the next start.
    pub behind: u64,
    /// The heads that the history was compared with.
    pub heads: Heads,
    /// The key that verified them.
    pub key: Option<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many findings are not listed.
    pub unlisted: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which file and line, or which row of the event store.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn find(&mut self, place: String, what: impl Into<String>) {
        match self.findings.len() < FINDINGS_MAX {
            true => self.findings.push(Finding { place, what: what.into() }),
            false => self.unlisted += 1,
        }
    }

    /// With what the comparison of the history came to.
    pub(crate) fn judged(mut self, history: History) -> Self {
        self.key = history.key().map(|key| key.as_str().to_owned());
        let (heads, findings) = history.end();
        self.heads = heads;
        // What the heads say comes first: it is listed however many lines are wrong.
        self.findings.splice(0..0, findings);
        let beyond = self.findings.len().saturating_sub(FINDINGS_MAX);
        self.findings.truncate(FINDINGS_MAX);
        self.unlisted += beyond as u64;
        self
    }

    pub(crate) fn count_unknown(&mut self, name: String) {
        if self.unknown.len() < UNKNOWN_KINDS_MAX || self.unknown.contains_key(&name) {
            *self.unknown.entry(name).or_default() += 1;
        }
    }
}

/// The key that verifies the heads of a log, which a process may have open.
///
/// # Errors
/// [`OpenError`] if its keys cannot be read.
pub fn key_of(dir: &Path, surroundings: &Surroundings) -> Result<Key, OpenError> {
    let keys = open_keys(dir, surroundings)?;
    Ok(Key::parse(keys.signing().key()).expect("it is written as a verifier key is"))
}

fn open_keys(dir: &Path, surroundings: &Surroundings) -> Result<KeyFile, OpenError> {
    if !dir.join(KEYS_FILE).exists() {
        let what = "it is missing, and what the log holds is sealed with it".into();
        return Err(OpenError::Damaged { place: KEYS_FILE.into(), what });
    }
    KeyFile::open(dir, Arc::new(RealDisk), surroundings.entropy.clone())
}

/// Checks a log that no process has open. Nothing of it is changed but the lock, and what sled does when it opens.
///
/// # Errors
/// [`OpenError`] if a process has it open, or if its files or keys cannot be read at all.
pub fn verify(dir: &Path, surroundings: &Surroundings) -> Result<Verified, OpenError> {
    verify_telling(dir, surroundings, &mut silent)
}

/// Checks a log as [`verify`] does, and says how far it is.
///
/// # Errors
/// As [`verify`]; [`OpenError::Io`] if it was ended.
pub fn verify_telling(
    dir: &Path,
    surroundings: &Surroundings,
    tell: Tell,
) -> Result<Verified, OpenError> {
    verify_against(dir, surroundings, &[], tell)
}

/// The same, and compares the log with heads from outside.
///
/// # Errors
/// As [`verify_telling`].
pub fn verify_against(
    dir: &Path,
    surroundings: &Surroundings,
    claims: &[Claim],
    tell: Tell,
) -> Result<Verified, OpenError> {
    let _lock = open::lock(dir)?;
    let (disk, entropy) = (Arc::new(RealDisk), surroundings.entropy.clone());
    let keys = open_keys(dir, surroundings)?;
    let blobs = Blobs::new(dir.join("blobs"), disk.clone(), entropy);
    let store = dir.join("store");
    let trees = match store.exists() {
        false => Err(TreesError("it is missing: it is made anew at the next start".into())),
        true => Trees::open(&store, disk).and_then(|trees| Ok((trees.applied()?, trees))),
    };
    let (applied, trees, refused) = match trees {
        Ok((applied, trees)) => (applied, Some(trees), None),
        Err(error) => (None, None, Some(error)),
    };
    // One of another format is made anew at the next start: nothing of it counts.
    let applied = applied.filter(|applied| applied.format == FORMAT);
    let next = applied.as_ref().map_or(Position::START, |applied| applied.next);
    let trees = trees.as_ref().filter(|_| applied.is_some()).map(|trees| (trees, next));
    let check = Check { log: dir.join("log"), keys: &keys, blobs: &blobs, trees, end: None };
    let mut verified = check.run(claims, tell)?;
    if let Some(error) = refused {
        verified.find("store/".into(), error.0);
    }
    if applied.is_some_and(|applied| applied.log != keys.log()) {
        verified.find("store/".into(), "it belongs to another log");
    }
    let end = verified.first.0 + verified.events;
    if next.0 > end {
        verified.find("log/".into(), format!("the event store holds events up to {next}"));
    }
    verified.behind = end.saturating_sub(next.0);
    Ok(verified)
}

/// What is to be checked.
pub(crate) struct Check<'a> {
    pub(crate) log: PathBuf,
    pub(crate) keys: &'a KeyFile,
    pub(crate) blobs: &'a Blobs,
    /// The event store, and how far it is compared.
    pub(crate) trees: Option<(&'a Trees, Position)>,
    /// Where to stop; without it, at the end of the journal.
    pub(crate) end: Option<Position>,
}

/// How far a check is.
struct Progress<'a> {
    tell: Tell<'a>,
    done_bytes: u64,
    total_bytes: u64,
    verified: Verified,
    history: History,
    times: Times,
    compared: u64,
    keyed: u64,
    marked: Sum,
    /// Where the first file begins.
    first: Position,
    /// The highest position before which events were dropped, as the log says.
    trimmed: Position,
}

impl Progress<'_> {
    /// Says where the log begins; a journal that begins later than the log says is not whole.
    fn begin(&mut self, segment: Option<&Segment>) {
        let Some(segment) = segment.filter(|it| it.first > Position::START) else { return };
        if segment.first <= self.trimmed {
            self.verified.first = segment.first;
            return;
        }
        let what = format!("{} should follow: a journal file is missing", Position::START);
        self.verified.findings.insert(0, Finding { place: segment.place(1), what });
        if self.verified.findings.len() > FINDINGS_MAX {
            self.verified.findings.pop();
            self.verified.unlisted += 1;
        }
    }

    /// So many bytes more are checked.
    fn step(&mut self, bytes: u64) -> std::io::Result<()> {
        const MIB: u64 = 1024 * 1024;
        self.done_bytes += bytes;
        let told = (self.tell)("MiB verified", self.done_bytes / MIB, self.total_bytes / MIB);
        told.map_err(|stopped| std::io::Error::new(std::io::ErrorKind::Interrupted, stopped))
    }
}

impl Check<'_> {
    /// Checks everything, and compares it with heads from outside.
    pub(crate) fn run(&self, claims: &[Claim], tell: Tell) -> Result<Verified, OpenError> {
        let history = self.history(claims);
        let (verified, times, marked) = (Verified::default(), Times::START, Sum::default());
        let segments = list(&self.log)?;
        let bytes = |segment: &Segment| segment.path.metadata().map_or(0, |it| it.len());
        let (done_bytes, total_bytes) = (0, segments.iter().map(bytes).sum::<u64>());
        let mut progress = Progress {
            tell,
            done_bytes,
            total_bytes,
            verified,
            history,
            times,
            compared: 0,
            keyed: 0,
            marked,
            first: segments.first().map_or(Position::START, |segment| segment.first),
            trimmed: Position::START,
        };
        let mut next = progress.first;
        progress.history.begin(next);
        for (nth, segment) in segments.iter().enumerate() {
            if self.end.is_some_and(|end| segment.first >= end) {
                break;
            }
            if segment.first != next {
                let what = format!("{next} should follow: a journal file is missing");
                progress.verified.find(segment.place(1), what);
            }
            let last = nth + 1 == segments.len();
            let io = |source| OpenError::Io { path: segment.path.clone(), source };
            next = self.segment(segment, last, &mut progress).map_err(io)?;
            progress.verified.segments += 1;
        }
        if let Some(end) = self.end.filter(|end| next < *end) {
            let what = format!("it ends at {next}, events up to {end} were acknowledged");
            progress.verified.find("log/".into(), what);
        }
        progress.begin(segments.first());
        self.rows(&mut progress);
        self.keys(&mut progress.verified)?;
        while progress.history.again() {
            self.leaves(&segments, &mut progress.history)?;
        }
        Ok(progress.verified.judged(progress.history))
    }

    fn history(&self, claims: &[Claim]) -> History {
        let history = History::new(Key::parse(self.keys.signing().key()).ok(), claims);
        match self.log.parent() {
            Some(dir) => history.beside(dir),
            None => history,
        }
    }

    /// Reads the events once more for the heads that stand far behind what they sign.
    fn leaves(&self, segments: &[Segment], history: &mut History) -> Result<(), OpenError> {
        history.begin(segments.first().map_or(Position::START, |segment| segment.first));
        for segment in segments {
            let io = |source| OpenError::Io { path: segment.path.clone(), source };
            let mut groups = Groups::of(segment).map_err(io)?;
            while self.end.is_none_or(|end| groups.next_position() < end) {
                let Ok(Some(group)) = groups.next().map_err(io)? else { break };
                let events = (group.first.0..).map(Position).zip(group.lines());
                events.for_each(|(position, line)| history.event(position, line));
            }
        }
        Ok(())
    }

    fn segment(
        &self,
        segment: &Segment,
        last: bool,
        progress: &mut Progress,
    ) -> std::io::Result<Position> {
        let mut groups = Groups::of(segment)?;
        while self.end.is_none_or(|end| groups.next_position() < end) {
            let begun = groups.offset();
            match groups.next()? {
                Ok(Some(group)) => self.group(segment, &group, progress),
                Ok(None) => break,
                Err(_) if last && self.end.is_none() && is_torn(segment, begun)? => {
                    progress.verified.torn_bytes = segment.path.metadata()?.len() - begun;
                    break;
                }
                Err(broken) => {
                    let closed = broken.closed;
                    self.broken(segment, &broken, progress);
                    if !closed && !groups.skip()? {
                        break;
                    }
                }
            }
            progress.step(groups.offset() - begun)?;
        }
        Ok(groups.next_position())
    }

    /// Blames the line that is wrong, or the commit line if that cannot be told.
    fn broken(&self, segment: &Segment, broken: &Broken, progress: &mut Progress) {
        let before = progress.verified.findings.len();
        if let Some(group) = &broken.suspects {
            self.group(segment, group, progress);
        }
        if progress.verified.findings.len() == before {
            progress.verified.find(segment.place(broken.line), broken.what.clone());
        }
    }

    fn group(&self, segment: &Segment, group: &Group, progress: &mut Progress) {
        for (position, number, offset, line) in group.places() {
            progress.verified.events += 1;
            progress.history.event(position, line);
            let event = match record::check(position, line, self.keys, true) {
                Ok(event) => event,
                Err(what) => {
                    progress.verified.find(segment.place(number), what);
                    continue;
                }
            };
            let place = || segment.place(number);
            self.event(&event, &place, progress);
            if let Some((trees, _)) = self.trees.filter(|(_, applied)| position < *applied) {
                progress.compared += 1;
                progress.keyed += u64::from(event.key.is_some());
                record::marks(&event).each().for_each(|it| progress.marked.add(&it, position.0));
                let spot = Spot::of(segment.first, offset, line);
                if let Err(error) =
                    compare(trees, &event, spot, (&place, progress.first), &mut progress.verified)
                {
                    progress.verified.find(format!("store/ event {position}"), error.0);
                }
            }
        }
    }

    /// What an event says on its own.
    fn event(&self, event: &Recorded, place: &dyn Fn() -> String, progress: &mut Progress) {
        match event.event() {
            Some(Event::TreeHead(head)) => progress.history.recorded(place(), head),
            Some(Event::LogTrimmed(trimmed)) if trimmed.log == self.keys.log() => {
                progress.trimmed = progress.trimmed.max(trimmed.first.min(event.position));
            }
            _ => {}
        }
        let begins = event.position == progress.first && event.position > Position::START;
        let (verified, times) = (&mut progress.verified, &mut progress.times);
        let stepped = event.kind == "clock_stepped" && event.epoch == times.epoch + 1;
        let ordered = event.epoch == times.epoch && event.ts >= times.ts;
        if !stepped && !ordered && !begins {
            verified.find(place(), "its time is before that of the event before it");
        }
        *times = Times { ts: event.ts, epoch: event.epoch };
        match &event.payload {
            Payload::Erased => verified.erased += 1,
            Payload::Unknown(_) => {
                verified.count_unknown(format!("{} {}", event.kind, event.schema));
            }
            Payload::Event(known) => {
                if let Some(blob) = known.blob()
                    && let Err(error) = self.blobs.get(blob, self.keys)
                {
                    verified.find(place(), error.to_string());
                }
            }
        }
    }

    /// Whether the files of keys hold keys, also where no event names them.
    fn keys(&self, verified: &mut Verified) -> Result<(), OpenError> {
        let path = self.log.with_file_name(KEYS_FILE);
        let spoiled = self.keys.spoiled(FINDINGS_MAX);
        for slot in spoiled.map_err(|source| OpenError::Io { path, source })? {
            let place = format!("{KEYS_FILE} slot {slot}");
            let told = |finding: &Finding| finding.what.contains(&format!("{place}:"));
            if !verified.findings.iter().any(told) {
                verified.find(place, "its checksum is wrong");
            }
        }
        match subjects::check(self.log.parent().unwrap_or(&self.log)) {
            Err(OpenError::Damaged { place, what }) => verified.find(place, what),
            other => other?,
        }
        Ok(())
    }

    /// Whether the event store has rows that no event of the journal accounts for.
    fn rows(&self, progress: &mut Progress) {
        let Some((trees, applied)) = self.trees else { return };
        let wanted = [progress.compared, progress.compared, progress.keyed];
        let stretch = progress.verified.first.0..applied.0;
        match trees.rows(stretch.clone()) {
            Ok(rows) => {
                for ((name, wanted), rows) in
                    ["events", "streams", "keys"].iter().zip(wanted).zip(rows)
                {
                    if rows != wanted {
                        let what =
                            format!("it names {rows} events, the journal accounts for {wanted}");
                        progress.verified.find(format!("store/{name}"), what);
                    }
                }
            }
            Err(error) => progress.verified.find("store/".into(), error.0),
        }
        let wanted = progress.marked;
        match trees.index_sum(stretch) {
            Ok(sum) if sum == wanted => {}
            Ok(sum) => {
                let (has, wanted) = (sum.count, wanted.count);
                let what = format!(
                    "its {has} positions are not the {wanted} that the journal accounts for"
                );
                progress.verified.find("store/index".into(), what);
            }
            Err(error) => progress.verified.find("store/index".into(), error.0),
        }
    }
}

/// Compares the event store's rows of one event with the journal.
fn compare(
    trees: &Trees,
    event: &Recorded,
    spot: Spot,
    (place, first): (&dyn Fn() -> String, Position),
    verified: &mut Verified,
) -> Result<(), TreesError> {
    let (position, id) = (event.position, &event.id);
    match trees.spot(position)? {
        Some(stored) if stored == spot => {}
        Some(_) => {
            let what = "its place or its checksum is not that of the journal";
            verified.find(format!("store/events {position}"), what);
        }
        None => verified.find(format!("store/events {position}"), "it is missing"),
    }
    let found = trees.position(&id.stream, id.version)?;
    if found != Some(position) {
        let found = found.map_or("nothing".into(), |found| format!("event {found}"));
        verified.find(format!("store/streams {id}"), format!("it names {found}, not {position}"));
    }
    if let Some(before) = id.version.0.checked_sub(1).map(Version) {
        let before = trees.position(&id.stream, before)?;
        // Of a stream that is older than the log, the first versions were dropped.
        let oldest = before.is_none()
            && first > Position::START
            && trees.first_version(&id.stream, first)? == Some(id.version);
        if !oldest && before.is_none_or(|before| before >= position) {
            verified.find(place(), format!("`{id}` does not follow the version before it"));
        }
    }
    if let Some(key) = &event.key
        && trees.keyed(key)? != Some(position)
    {
        verified.find(format!("store/keys {key}"), format!("it does not name event {position}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_up_to_a_bound() {
        let mut verified = Verified::default();
        (0..FINDINGS_MAX + 7).for_each(|nth| verified.find(format!("line {nth}"), "wrong"));
        assert_eq!((verified.findings.len(), verified.unlisted), (FINDINGS_MAX, 7));
        assert_eq!(verified.findings[1].to_string(), "line 1: wrong");
    }

    #[test]
    fn unknown_types_are_counted_up_to_a_bound() {
        let mut verified = Verified::default();
        for _ in 0..2 {
            (0..UNKNOWN_KINDS_MAX + 7).for_each(|nth| verified.count_unknown(format!("t{nth} 1")));
        }
        assert_eq!(verified.unknown.len(), UNKNOWN_KINDS_MAX);
        assert!(verified.unknown.values().all(|count| *count == 2), "{:?}", verified.unknown);
    }
}
