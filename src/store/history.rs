//! Compares a log, event by event, with what was signed of it: the heads in the log itself and those kept elsewhere.
//!
//! It reads in a stream. What it keeps is bounded: the edges of the last trees, and the heads that it still waits for.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::envelope::clear_bytes;
use super::proof::{Hash, Head, Key, Peaks, ProofError, notes, parse_root, record_hash};
use super::tree::TREE_FILE;
use super::verify::Finding;
use crate::domain::event::TreeHead;
use crate::domain::id::Position;

/// A head that is recorded so many events behind what it signs is still compared in the first pass.
pub const HEAD_LAG_MAX: usize = 4_096;
/// Most heads that are left for a second pass.
pub const LATE_HEADS_MAX: usize = 1_024;

/// A head from outside the log, its signature verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// How many events it signs.
    pub size: u64,
    /// The root of the tree over them, in base64.
    pub root: String,
    /// Where it is from, for people.
    pub place: String,
}

/// Most heads from outside that are compared at once.
pub const CLAIMS_MAX: usize = 1 << 17;

/// Heads from outside, and what is to be said of where they are from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// The heads that count.
    pub claims: Vec<Claim>,
    /// Heads of other logs.
    pub foreign: u64,
    /// Heads that name this log and are not signed with its key.
    pub forged: u64,
    /// Heads that were not taken, because there were too many.
    pub left_out: u64,
    /// What else is to be said.
    pub said: Vec<String>,
}

impl Outside {
    /// Takes the heads that stand in a text.
    pub fn add(&mut self, text: &str, key: &Key, place: &str) {
        for note in notes(text) {
            match key.read(&note) {
                Ok(head) if self.claims.len() < CLAIMS_MAX => {
                    let (size, root) = (head.size, head.root.to_string());
                    self.claims.push(Claim { size, root, place: place.to_owned() });
                }
                Ok(_) => self.left_out += 1,
                Err(ProofError::OtherLog(_)) => self.foreign += 1,
                Err(_) => self.forged += 1,
            }
        }
    }

    /// What is to be said, a line each.
    pub fn told(&self) -> Vec<String> {
        let mut told = self.said.clone();
        let mut tell = |count: u64, what: &str| {
            if count > 0 {
                told.push(format!("{count} {what}"));
            }
        };
        tell(self.foreign, "heads of other logs were passed over");
        tell(self.forged, "heads name this log and are not signed with its key: they do not count");
        tell(self.left_out, "heads were too many and are not compared");
        told
    }
}

/// How many heads a log was compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// Those in the log.
    pub recorded: u64,
    /// The size of the newest of them.
    pub newest: u64,
    /// Those from outside.
    pub outside: u64,
    /// The size of the largest of them.
    pub newest_outside: u64,
}

/// Where a head is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum From {
    Log,
    Outside,
}

/// A head that is to be compared.
#[derive(Debug, Clone)]
struct Asked {
    head: Head,
    place: String,
    from: From,
}

/// What was seen of the heads from one side.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// The largest size whose head fits.
    fits: u64,
    wrong: u64,
    ahead: u64,
    unjudged: u64,
}

/// A comparison under way.
pub(crate) struct History {
    key: Option<Key>,
    peaks: Peaks,
    recent: VecDeque<Peaks>,
    wanted: BTreeMap<u64, Vec<Asked>>,
    late: Vec<Asked>,
    seen: BTreeMap<From, Seen>,
    /// The first events that are missing, and where it goes on.
    gap: Option<(u64, u64)>,
    dir: Option<PathBuf>,
    beside: Option<Beside>,
    findings: Vec<Finding>,
    pub(crate) heads: Heads,
}

impl History {
    /// Against a key, or that of the first head in the log, and heads from outside.
    pub(crate) fn new(key: Option<Key>, claims: &[Claim]) -> Self {
        let mut history = Self {
            key,
            peaks: Peaks::default(),
            recent: VecDeque::new(),
            wanted: BTreeMap::new(),
            late: vec![],
            seen: BTreeMap::new(),
            gap: None,
            dir: None,
            beside: None,
            findings: vec![],
            heads: Heads::default(),
        };
        for claim in claims {
            history.heads.outside += 1;
            history.heads.newest_outside = history.heads.newest_outside.max(claim.size);
            let Some(root) = parse_root(&claim.root) else {
                history.find(claim.place.clone(), "its root is no hash");
                continue;
            };
            let head = Head { size: claim.size, root };
            history.want(Asked { head, place: claim.place.clone(), from: From::Outside });
        }
        history
    }

    /// With the stored hashes of a data directory, which are compared as well.
    pub(crate) fn beside(mut self, dir: &Path) -> Self {
        self.beside = Beside::open(dir);
        self.dir = Some(dir.to_owned());
        self
    }

    /// The key that heads are verified with.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// The journal begins at a position: what was before it is known by its stored hashes only.
    pub(crate) fn begin(&mut self, first: Position) {
        while self.peaks.size() < first.0 {
            let leaf = self.beside.as_mut().and_then(Beside::leaf);
            let Some(leaf) = leaf else {
                let what = format!(
                    "the hashes of the events before {first} are missing, and so are these events: no head can be compared"
                );
                self.find(TREE_FILE.into(), what);
                self.gap = Some((self.peaks.size(), first.0));
                return;
            };
            self.add(leaf, true);
        }
    }

    /// Takes the line of an event.
    pub(crate) fn event(&mut self, position: Position, line: &[u8]) {
        if self.gap.is_some() {
            return;
        }
        if position.0 != self.peaks.size() {
            self.gap = Some((self.peaks.size(), position.0));
            return;
        }
        self.add(record_hash(&clear_bytes(line).unwrap_or_else(|| line.to_vec())), false);
    }

    fn add(&mut self, leaf: Hash, of_file: bool) {
        self.recent.push_back(self.peaks.clone());
        if self.recent.len() > HEAD_LAG_MAX {
            self.recent.pop_front();
        }
        let stored = self.peaks.push(leaf);
        if let Some(beside) = &mut self.beside {
            beside.compare(self.peaks.size(), &stored[usize::from(of_file)..]);
        }
        for asked in self.wanted.remove(&self.peaks.size()).unwrap_or_default() {
            self.judge(&asked, self.peaks.root());
        }
    }

    fn want(&mut self, asked: Asked) {
        match asked.head.size {
            0 => self.judge(&asked, Peaks::default().root()),
            size => self.wanted.entry(size).or_default().push(asked),
        }
    }

    /// Takes a head that stands in the log, behind all events that were taken so far.
    pub(crate) fn recorded(&mut self, place: String, head: &TreeHead) {
        self.heads.recorded += 1;
        self.heads.newest = self.heads.newest.max(head.size);
        if self.key.is_none() {
            self.key = Key::parse(&head.key).ok();
        }
        let read = self.key.as_ref().map(|key| key.read(&head.note));
        let signed = match read {
            Some(Ok(signed)) => signed,
            Some(Err(why)) => return self.find(place, format!("its head does not count: {why}")),
            None => return self.find(place, "its head names no key"),
        };
        if signed.size != head.size || signed.root.to_string() != head.root {
            return self.find(place, "its head says something else than its note");
        }
        let asked = Asked { head: signed, place, from: From::Log };
        match self.edge(asked.head.size) {
            Ok(peaks) => {
                let root = peaks.root();
                self.judge(&asked, root);
            }
            Err(true) => {
                let what = format!("it is a head of {} events, which are not before it", head.size);
                self.find(asked.place, what);
            }
            Err(false) if self.late.len() < LATE_HEADS_MAX && self.gap.is_none() => {
                self.late.push(asked);
            }
            Err(false) => self.seen.entry(From::Log).or_default().unjudged += 1,
        }
    }

    /// The edge of the tree at a size; else whether that is ahead.
    fn edge(&self, size: u64) -> Result<&Peaks, bool> {
        let Some(back) = self.peaks.size().checked_sub(size) else {
            return Err(self.gap.is_none());
        };
        if back == 0 {
            return Ok(&self.peaks);
        }
        let back = usize::try_from(back).unwrap_or(usize::MAX);
        let at = self.recent.len().checked_sub(back);
        at.and_then(|at| self.recent.get(at)).ok_or(false)
    }

    fn judge(&mut self, asked: &Asked, root: Hash) {
        let outside = self.seen.get(&From::Outside).map_or(0, |seen| seen.fits);
        let seen = self.seen.entry(asked.from).or_default();
        if asked.head.root == root {
            seen.fits = seen.fits.max(asked.head.size);
            return;
        }
        seen.wrong += 1;
        if seen.wrong > 1 {
            return;
        }
        // Whoever has the keys can sign what they rewrote: only a head from outside vouches for one from outside.
        let from = match asked.from {
            From::Log => seen.fits.max(outside),
            From::Outside => seen.fits,
        };
        let last = asked.head.size.saturating_sub(1);
        let what = format!(
            "the head of {} events was signed over another history: what was changed is among events {} to {last}",
            asked.head.size,
            from.min(last)
        );
        self.find(asked.place.clone(), what);
    }

    /// Begins again for the heads that came too late to be compared at once; false: there are none.
    pub(crate) fn again(&mut self) -> bool {
        let late = std::mem::take(&mut self.late);
        let again = !late.is_empty();
        if again {
            self.peaks = Peaks::default();
            self.recent.clear();
            self.beside = self.dir.as_deref().and_then(Beside::open);
            // What is ahead of the log is told already, or will be at the end.
            late.into_iter().for_each(|asked| self.want(asked));
        }
        again
    }

    /// What was found, when all events were taken.
    pub(crate) fn end(mut self) -> (Heads, Vec<Finding>) {
        let events = self.peaks.size();
        for asked in std::mem::take(&mut self.wanted).into_values().flatten() {
            let seen = self.seen.entry(asked.from).or_default();
            if self.gap.is_some() {
                seen.unjudged += 1;
                continue;
            }
            seen.ahead += 1;
            if seen.ahead == 1 {
                let last = asked.head.size - 1;
                let size = asked.head.size;
                let what = format!(
                    "it is a head of {size} events, the log has {events}: events {events} to {last} are gone"
                );
                self.find(asked.place, what);
            }
        }
        self.count();
        let beside = self.beside.and_then(|beside| beside.differs);
        if let Some(event) = beside.filter(|event| *event < self.heads.newest) {
            let what = format!(
                "from event {event} on it is not that of the journal; deleted, it is made anew"
            );
            self.findings.push(Finding { place: TREE_FILE.into(), what });
        }
        (self.heads, self.findings)
    }

    /// How many more heads do not fit, and how many could not be compared.
    fn count(&mut self) {
        let gap = self.gap;
        for (from, seen) in std::mem::take(&mut self.seen) {
            let place = match from {
                From::Log => "heads in the log",
                From::Outside => "heads from outside",
            };
            let more = seen.wrong.saturating_sub(1) + seen.ahead.saturating_sub(1);
            if more > 0 {
                self.find(place.into(), format!("{more} more of them do not fit"));
            }
            if seen.unjudged > 0 {
                let why = match gap {
                    Some((first, next)) if next > first => {
                        format!("events {first} to {} are missing", next - 1)
                    }
                    Some((first, _)) => format!("event {first} should follow and does not"),
                    None => {
                        format!("they stand more than {HEAD_LAG_MAX} events behind what they sign")
                    }
                };
                let what = format!("{} of them cannot be compared: {why}", seen.unjudged);
                self.find(place.into(), what);
            }
        }
    }

    fn find(&mut self, place: String, what: impl Into<String>) {
        self.findings.push(Finding { place, what: what.into() });
    }
}

/// The stored hashes, read along with the events.
struct Beside {
    reader: BufReader<File>,
    /// The first event whose hashes are not those in the file.
    differs: Option<u64>,
}

impl Beside {
    fn open(dir: &Path) -> Option<Self> {
        let file = File::open(dir.join(TREE_FILE)).ok()?;
        Some(Self { reader: BufReader::with_capacity(1 << 16, file), differs: None })
    }

    /// The hash of the next event, as it is stored.
    fn leaf(&mut self) -> Option<Hash> {
        let mut hash = Hash::default();
        self.reader.read_exact(&mut hash.0).ok().map(|()| hash)
    }

    /// Compares the next hashes, which belong to the tree of `size` events. A file that ends early is only behind.
    fn compare(&mut self, size: u64, stored: &[Hash]) {
        for hash in stored {
            let Some(read) = self.leaf() else { return };
            if read != *hash && self.differs.is_none() {
                self.differs = size.checked_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::proof::Signing;
    use super::*;

    const LOG: &str = "65a64d0f371610e27d7686ca9ad896d0";

    fn line(nth: u64) -> Vec<u8> {
        format!(r#"{{"nth":{nth},"open":{{}}}}"#).into_bytes()
    }

    fn root(size: u64) -> Hash {
        let mut peaks = Peaks::default();
        (0..size).for_each(|nth| {
            drop(peaks.push(record_hash(&clear_bytes(&line(nth)).expect("has a payload"))))
        });
        peaks.root()
    }

    fn head(size: u64) -> TreeHead {
        let (signing, root) = (Signing::new(LOG, &[7; 32]), root(size));
        let note = signing.sign(&Head { size, root });
        TreeHead { size, root: root.to_string(), note, key: signing.key().to_owned() }
    }

    fn told(history: History) -> Vec<String> {
        history.end().1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_head_far_behind_what_it_signs_is_compared_in_a_second_pass() {
        let most = HEAD_LAG_MAX as u64;
        for (lag, second) in [(0, false), (most, false), (most + 1, true)] {
            for (good, size) in [(true, 3), (false, 4)] {
                let mut history = History::new(None, &[]);
                let head = head(size);
                let head = match good {
                    true => head,
                    false => TreeHead { note: super::tests::head(3).note, ..head },
                };
                let events = 3 + lag;
                (0..events).for_each(|nth| history.event(Position(nth), &line(nth)));
                history.recorded("here".into(), &head);
                assert_eq!(history.again(), second && good, "{lag} {good}");
                if second && good {
                    (0..events).for_each(|nth| history.event(Position(nth), &line(nth)));
                }
                assert_eq!(told(history).is_empty(), good, "{lag} {good}");
            }
        }
    }

    #[test]
    fn late_heads_are_gathered_up_to_a_bound() {
        let mut history = History::new(None, &[]);
        let events = 3 + HEAD_LAG_MAX as u64 + 1;
        (0..events).for_each(|nth| history.event(Position(nth), &line(nth)));
        let head = head(3);
        (0..LATE_HEADS_MAX).for_each(|_| history.recorded("here".into(), &head));
        assert_eq!(history.late.len(), LATE_HEADS_MAX);
        history.recorded("here".into(), &head);
        assert_eq!(history.late.len(), LATE_HEADS_MAX);
        let want = "heads in the log: 1 of them cannot be compared: they stand more than 4096 events behind what they sign";
        assert_eq!(told(history), [want]);
    }

    #[test]
    fn findings_name_the_events_between_two_heads() {
        let claim = |size: u64, of: u64| {
            let place = format!("note of {size}");
            Claim { size, root: root(of).to_string(), place }
        };
        let changed = "was signed over another history: what was changed is among events";
        for (what, claims, gap, want) in [
            ("all fit", vec![claim(0, 0), claim(3, 3), claim(9, 9)], None, vec![]),
            (
                "one does not",
                vec![claim(3, 3), claim(5, 4)],
                None,
                vec![format!("note of 5: the head of 5 events {changed} 3 to 4")],
            ),
            (
                "two do not",
                vec![claim(5, 4), claim(6, 4)],
                None,
                vec![
                    format!("note of 5: the head of 5 events {changed} 0 to 4"),
                    "heads from outside: 1 more of them do not fit".into(),
                ],
            ),
            (
                "ahead",
                vec![claim(9, 9), claim(12, 12)],
                None,
                vec![
                    "note of 12: it is a head of 12 events, the log has 9: events 9 to 11 are gone"
                        .to_owned(),
                ],
            ),
            (
                "a gap",
                vec![claim(3, 3), claim(7, 7)],
                Some(5),
                vec![
                    "heads from outside: 1 of them cannot be compared: events 5 to 5 are missing"
                        .to_owned(),
                ],
            ),
        ] {
            let mut history = History::new(None, &claims);
            for nth in (0..9).filter(|nth| gap != Some(*nth)) {
                history.event(Position(nth), &line(nth));
            }
            assert_eq!(told(history), want, "{what}");
        }
    }
}
