//! Heads and proofs of a log on disk: its hash tree follows the journal when it is asked for, never when events are appended.

use std::sync::Mutex;

use tlog_tiles::{HashReader, check_record, prove_record};

use super::envelope::{Body, Envelope, unseal};
use super::evidence::{Inclusion, Proof, Proved};
use super::keys::commitment_key;
use super::proof::{Hash, Head, follows, parse_root, record_hash};
use super::segment::{Groups, Segment, list};
use super::sled::SledStore;
use super::tree::{TREE_FILE, Tree};
use super::{Direction, EventStore, OpenError, ReadError, locked};
use crate::domain::event::{Event, TreeHead};
use crate::domain::id::{Position, StreamName, Version};

/// A head is signed when at most so many events came while the tree was brought up; but see [`CHASES_MAX`].
const CHASED_EVENTS_MAX: u64 = 256;
/// How often the tree is brought up again before a head is signed of a log that grows fast.
const CHASES_MAX: usize = 4;

/// Hears how many events are hashed, of how many.
pub(crate) type Told<'a> = &'a mut dyn FnMut(u64, u64);

/// The hash tree, once it was needed; dropped with every error, so that it is looked at anew.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<Option<Following>>);

/// The tree and the place in the journal where it goes on.
struct Following {
    tree: Tree,
    reading: Option<(Segment, Groups)>,
    /// What the tree must have come to when it is as large.
    promised: Option<Head>,
}

fn damaged(place: impl Into<String>, what: impl Into<String>) -> ReadError {
    ReadError::Damaged { place: place.into(), what: what.into() }
}

fn unreadable(error: OpenError) -> ReadError {
    match error {
        OpenError::Damaged { place, what } => ReadError::Damaged { place, what },
        error => ReadError::Store(error.to_string()),
    }
}

impl SledStore {
    /// The key that verifies this log's heads, as a C2SP verifier key.
    pub fn verifier_key(&self) -> String {
        self.shared.keys.signing().key().to_owned()
    }

    /// Brings the stored hashes up to a position; they are on disk when this returns. To be called before the events before
    /// it are dropped from the journal: from then on their hashes are in that file only.
    ///
    /// # Errors
    /// [`ReadError`] if the journal or the file cannot be read or written.
    pub fn tree_through(&self, position: Position, told: Told) -> Result<(), ReadError> {
        self.with_tree(position, told, |tree| self.sync(tree))
    }

    /// Signs the head of the log as it is now.
    pub(crate) fn signed_head(&self, told: Told) -> Result<TreeHead, ReadError> {
        for _ in 0..CHASES_MAX {
            let size = self.with_tree(self.next_position(), told, |tree| Ok(tree.size()))?;
            if self.next_position().0.saturating_sub(size) <= CHASED_EVENTS_MAX {
                break;
            }
        }
        let last = self.last_head()?;
        self.with_tree(self.next_position(), told, |tree| {
            self.sync(tree)?;
            let head = Head { size: tree.size(), root: tree.root() };
            if let Some(last) = &last {
                follows(tree, last, &head).map_err(|_| {
                    damaged(TREE_FILE, format!("it does not follow the head of {}", last.size))
                })?;
            }
            let signing = self.shared.keys.signing();
            let (note, key) = (signing.sign(&head), signing.key().to_owned());
            Ok(TreeHead { size: head.size, root: head.root.to_string(), note, key })
        })
    }

    /// Makes the file that proves that an event is under a head, to whoever has the head or the key.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read, or the event is not under the head.
    pub fn prove(
        &self,
        position: Position,
        head: &TreeHead,
        with_payload: bool,
        told: Told,
    ) -> Result<Proof, ReadError> {
        let missing = || damaged(format!("event {position}"), "it is not there");
        let lines = self.shared.lines(position, Direction::Forward, 1)?;
        let line = lines.into_iter().find(|(at, _)| *at == position);
        let (_, line) = line.ok_or_else(missing)?;
        let envelope =
            Envelope::parse(&line).map_err(|what| damaged(format!("event {position}"), what))?;
        let clear = envelope.clear.bytes();
        let leaf = record_hash(&clear);
        let inclusion =
            self.with_tree(Position(head.size), told, |tree| include(tree, position, head, leaf))?;
        let clear = String::from_utf8(clear).expect("an envelope is JSON");
        let proved = match with_payload {
            true => self.payload(&envelope, clear)?,
            false => Proved { clear, payload: None, commitment_key: None, erased: false },
        };
        let (head, key) = (head.note.clone(), head.key.clone());
        Ok(Proof { beadle_proof: 1, event: proved, inclusion, head, key })
    }

    /// The event's payload, with what shows that it is what the event committed to.
    fn payload(&self, envelope: &Envelope, clear: String) -> Result<Proved, ReadError> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        let (payload, commitment_key, erased) = match (&envelope.body, envelope.clear.slot) {
            (Body::Sealed(sealed), Some(slot)) => match self.shared.keys.read(slot)? {
                Some(key) => {
                    let plain = unseal(&key, &envelope.clear.bytes(), sealed);
                    let shown = data_encoding::HEXLOWER.encode(&*commitment_key(&key));
                    (plain.and_then(text), Some(shown), false)
                }
                None => (None, None, true),
            },
            (Body::Open(json) | Body::Sealed(json), _) => (text(json.clone()), None, false),
        };
        match payload.is_some() || erased {
            true => Ok(Proved { clear, payload, commitment_key, erased }),
            false => {
                let place = format!("event {}", envelope.clear.position);
                Err(damaged(place, "its key does not fit its sealed payload"))
            }
        }
    }

    /// The last head that was recorded.
    fn last_head(&self) -> Result<Option<Head>, ReadError> {
        let last = self.read(&StreamName::heads(), Version::END, Direction::Backward, 1)?;
        let Some(Event::TreeHead(head)) = last.first().and_then(|last| last.event()) else {
            return Ok(None);
        };
        Ok(parse_root(&head.root).map(|root| Head { size: head.size, root }))
    }

    /// Works with the tree of at least the events before a position.
    fn with_tree<T>(
        &self,
        upto: Position,
        told: Told,
        work: impl FnOnce(&mut Tree) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let mut slot = locked(&self.proofs.0);
        let mut following = match slot.take() {
            Some(following) => following,
            None => self.open_tree()?,
        };
        self.follow(&mut following, upto, told)?;
        let done = work(&mut following.tree)?;
        *slot = Some(following);
        Ok(done)
    }

    /// Opens the file and drops from it what no recorded head vouches for.
    fn open_tree(&self) -> Result<Following, ReadError> {
        let io = |error: std::io::Error| ReadError::Store(format!("{TREE_FILE}: {error}"));
        let promised = self.last_head()?;
        let mut tree =
            Tree::open(&self.shared.dir, self.shared.options.disk.clone()).map_err(io)?;
        let stored = tree.stored().map_err(io)?;
        let vouched = promised.as_ref().filter(|head| head.size <= stored);
        if let Some(head) = vouched {
            tree.cut(head.size).map_err(io)?;
            if tree.root() == head.root {
                return Ok(Following { tree, reading: None, promised: None });
            }
        }
        let begins = list(&self.shared.dir.join("log")).map_err(unreadable)?;
        if begins.first().is_some_and(|first| first.first > Position::START) {
            let what = "it is lost or not what was signed, and the first events were dropped from the journal: no head can be made";
            return Err(damaged(TREE_FILE, what));
        }
        if vouched.is_some() {
            tracing::warn!(file = %tree.path().display(), "the hashes are not what was signed: they are made anew");
        }
        tree.cut(0).map_err(io)?;
        Ok(Following { tree, reading: None, promised })
    }

    /// Reads on in the journal until the tree has everything before a position.
    fn follow(
        &self,
        following: &mut Following,
        upto: Position,
        told: Told,
    ) -> Result<(), ReadError> {
        let log = self.shared.dir.join("log");
        while following.tree.size() < upto.0 {
            if self.shared.closing.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(ReadError::Store("the log is being closed".into()));
            }
            let next = Position(following.tree.size());
            let (segment, mut groups) = match following.reading.take() {
                Some(reading) => reading,
                None => reading_at(&list(&log).map_err(unreadable)?, next)?,
            };
            let io = |error: std::io::Error| ReadError::Store(error.to_string());
            match groups.next().map_err(io)? {
                Ok(Some(group)) => {
                    let events = (group.first.0..).zip(group.lines());
                    for (_, line) in events.filter(|(position, _)| *position >= next.0) {
                        following.add(&segment, line)?;
                    }
                    following.reading = Some((segment, groups));
                }
                Ok(None) => {
                    let segments = list(&log).map_err(unreadable)?;
                    if segment.first == next || segments.iter().all(|it| it.first != next) {
                        let what = format!("{next} should follow: the journal ends before it");
                        return Err(damaged(segment.place(1), what));
                    }
                }
                Err(broken) => return Err(damaged(segment.place(broken.line), broken.what)),
            }
            told(following.tree.size(), upto.0);
        }
        let io = |error: std::io::Error| ReadError::Store(format!("{TREE_FILE}: {error}"));
        following.tree.flush().map_err(io)
    }

    /// A failed sync ends the log, here as everywhere.
    fn sync(&self, tree: &mut Tree) -> Result<(), ReadError> {
        tree.sync().map_err(|error| {
            self.shared.fail(format!("cannot sync {TREE_FILE}: {error}"));
            ReadError::Store(error.to_string())
        })
    }
}

impl Following {
    /// Takes the next line; what is made anew must come to the head that was signed.
    fn add(&mut self, segment: &Segment, line: &[u8]) -> Result<(), ReadError> {
        let position = self.tree.size();
        let clear = super::envelope::clear_bytes(line);
        let clear = clear
            .ok_or_else(|| damaged(segment.place(1), format!("event {position} is no envelope")))?;
        let io = |error: std::io::Error| ReadError::Store(format!("{TREE_FILE}: {error}"));
        self.tree.push(record_hash(&clear)).map_err(io)?;
        let Some(head) = self.promised.take_if(|head| head.size == position + 1) else {
            return Ok(());
        };
        match self.tree.root() == head.root {
            true => Ok(()),
            false => Err(damaged(
                "log/",
                format!("the events before {} are not those that were signed", head.size),
            )),
        }
    }
}

/// Reads from the file that holds a position.
fn reading_at(segments: &[Segment], next: Position) -> Result<(Segment, Groups), ReadError> {
    let segment = segments.iter().rfind(|segment| segment.first <= next);
    let segment = segment.ok_or_else(|| damaged("log/", format!("event {next} is missing")))?;
    let groups = Groups::of(segment).map_err(|error| ReadError::Store(error.to_string()))?;
    Ok((segment.clone(), groups))
}

/// That an event is under a head, checked before anybody is told.
fn include(
    tree: &impl HashReader,
    position: Position,
    head: &TreeHead,
    leaf: Hash,
) -> Result<Inclusion, ReadError> {
    let wrong = |what: String| damaged(TREE_FILE, what);
    let root = parse_root(&head.root).ok_or_else(|| wrong("the head has no root".into()))?;
    let hashes =
        prove_record(head.size, position.0, tree).map_err(|error| wrong(error.to_string()))?;
    check_record(&hashes, head.size, root, position.0, leaf)
        .map_err(|_| wrong(format!("event {position} is not under the head of {}", head.size)))?;
    let hashes = hashes.iter().map(ToString::to_string).collect();
    Ok(Inclusion { position: position.0, size: head.size, hashes })
}
