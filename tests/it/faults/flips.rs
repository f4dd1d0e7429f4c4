//! One bit of the data directory is another one: the log is refused with the place, or made anew, or it does no harm.
//!
//! Harmless is a flip only if every answer equals the untouched copy's: events, streams, indexes, keys, projections, blobs,
//! pseudonyms. Nothing is ever silently different.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beadle::domain::event::{EffectCompleted, EffectResult, Meta, NewEvent};
use beadle::domain::id::{DedupeKey, Position, RoomId, UserId};
use beadle::store::sled::SledStore;
use beadle::store::verify::verify;
use beadle::store::{
    EventStore, Expected, OpenError, Options, ProjectionChange, ReadError, Subject, Write,
};
use serde_json::json;

use super::full_read::{Answers, Asks, full_read};
use super::{Rng, copy, files, times};
use crate::store_faults::try_open;
use crate::store_world::{event, stream, surroundings};

/// A log with everything, and what it answers.
struct Whole {
    dir: tempfile::TempDir,
    answers: Answers,
    length: Position,
}

fn asks() -> Asks {
    Asks {
        keys: (0..60).map(|nth| DedupeKey(format!("key {nth}"))).collect(),
        subjects: (0..7).map(|nth| Subject::Person(format!("@p{nth}:hs"))).collect(),
        projections: vec!["kept".into()],
        indexes: true,
    }
}

async fn made() -> Whole {
    let dir = tempfile::tempdir().expect("a directory");
    let gather_for = Duration::from_millis(1);
    let options = Options { segment_bytes: 9_000, gather_for, ..Options::default() };
    let store = SledStore::open(dir.path(), surroundings(1).0, options).expect("opens").0;
    for nth in 0..60_u64 {
        let meta = Meta {
            actor: Some(UserId(format!("@p{}:hs", nth % 7))),
            room: Some(RoomId(format!("!r{}:hs", nth % 3))),
            network: Some("irc".into()),
            correlation: Some(stream(&format!("trigger-{}", nth / 4))),
            cause: None,
        };
        let mut events = vec![NewEvent { meta: meta.clone(), ..event(&format!("text {nth}")) }];
        if nth % 20 == 3 {
            let output = Some(store.put_blob("output ".repeat(300).as_bytes()).expect("fits"));
            let (path, result) = ("1".into(), EffectResult::Ok(json!(nth)));
            let effect = EffectCompleted { path, attempt: 1, result, output, took_ms: 1 };
            events.push(NewEvent { meta, ..NewEvent::bare(effect) });
        }
        let key = nth.is_multiple_of(3).then(|| DedupeKey(format!("key {nth}")));
        let name = stream(&format!("test-{}", nth % 9));
        let write = Write { stream: name, expected: Expected::Any, key, events };
        store.append(vec![write]).await.expect("appends");
    }
    store.erase(&[Position(4), Position(40)]).expect("erases");
    let rows = (0..9).map(|nth| (format!("row {nth}"), Some(vec![nth; 50]))).collect();
    let checkpoint = store.next_position();
    store.project("kept", ProjectionChange { rows, checkpoint, replace: true }).expect("writes");
    drop(store);
    // Every text has been taken into the event store, and only then is the copy taken.
    let (store, _) = try_open(dir.path()).expect("opens");
    let answers = full_read(&store, &asks(), Position::END).expect("reads");
    let length = store.next_position();
    drop(store);
    Whole { dir, answers, length }
}

/// What came of a flip.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused(String),
    MadeAnew,
    Harmless,
}

impl Whole {
    /// Opens a copy and compares every answer.
    fn outcome(&self, dir: &Path, what: &str) -> Outcome {
        let (store, opened) = match try_open(dir) {
            Ok(opened) => opened,
            Err(OpenError::Damaged { place, .. }) => return Outcome::Refused(place),
            Err(error) => panic!("{what}: {error}"),
        };
        assert_eq!(opened.cut_bytes, 0, "{what}: what was acknowledged is no torn end");
        let anew = opened.rebuilt.is_some();
        match full_read(&store, &asks(), self.length) {
            Ok(answers) => {
                self.compare(answers, anew, what);
                if anew { Outcome::MadeAnew } else { Outcome::Harmless }
            }
            Err(ReadError::Damaged { place, what: told }) if place == "store/" => {
                assert!(
                    store.failure().borrow().is_some(),
                    "{what}: the process is to end: {told}"
                );
                drop(store);
                let (store, opened) = try_open(dir).unwrap_or_else(|it| panic!("{what}: {it}"));
                assert!(opened.rebuilt.is_some(), "{what}: {told}");
                let answers = full_read(&store, &asks(), self.length).expect("reads");
                self.compare(answers, true, what);
                Outcome::MadeAnew
            }
            Err(ReadError::Damaged { place, .. }) => Outcome::Refused(place),
            Err(error) => panic!("{what}: {error}"),
        }
    }

    fn compare(&self, mut answers: Answers, anew: bool, what: &str) {
        let mut wanted = self.answers.clone();
        if anew {
            // A projection is made again by whoever keeps it.
            let projection = |question: &str| question.starts_with("projection ");
            let empty = answers.iter().filter(|(question, _)| projection(question));
            assert!(empty.clone().all(|(_, rows)| *rows == json!([0, []])), "{what}");
            wanted.retain(|question, _| !projection(question));
            answers.retain(|question, _| !projection(question));
        }
        for (question, was) in &wanted {
            let is = answers.get(question);
            assert_eq!(is, Some(was), "{what}: silently different: {question}");
        }
        assert_eq!(answers.len(), wanted.len(), "{what}: silently more");
    }
}

/// Which bit: mostly where something stands, for sled leaves most of its file empty.
fn bit(bytes: &[u8], rng: &mut Rng) -> (usize, u8) {
    let at = |rng: &mut Rng| rng.below(bytes.len() as u64) as usize;
    let used = |at: &usize| bytes[*at] != 0 && bytes.get(at + 1) != Some(&bytes[*at]);
    let somewhere = at(rng);
    let found = (0..400).map(|_| at(rng)).find(used);
    let at = if rng.chance(85) { found.unwrap_or(somewhere) } else { somewhere };
    (at, 1 << rng.below(8))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_never_silently_different() {
    let whole = made().await;
    let mut rng = Rng::seeded("bits flip");
    let all: Vec<PathBuf> =
        files(whole.dir.path()).into_iter().map(|path| relative(&whole, path)).collect();
    let mut outcomes: BTreeMap<(String, &str), u32> = BTreeMap::new();
    for nth in 0..times(20, 200) {
        let file = &all[nth % all.len()];
        let [flipped, checked] = [0, 1].map(|_| tempfile::tempdir().expect("a directory"));
        copy(whole.dir.path(), flipped.path());
        let path = flipped.path().join(file);
        let mut bytes = fs::read(&path).expect("reads");
        if bytes.is_empty() {
            continue;
        }
        let (at, mask) = bit(&bytes, &mut rng);
        bytes[at] ^= mask;
        fs::write(&path, bytes).expect("writes");
        let what = format!("{}, byte {at}, bit {mask:#04x}", file.display());
        copy(flipped.path(), checked.path());
        let outcome = whole.outcome(flipped.path(), &what);
        let found = finding(checked.path());
        if must_be_found(file) {
            assert!(found.is_some(), "{what}: {outcome:?}, and `verify` finds nothing");
        }
        let outcome = match outcome {
            Outcome::Refused(place) => {
                assert!(!place.is_empty(), "{what}");
                "refused"
            }
            Outcome::MadeAnew => "made anew",
            Outcome::Harmless => "harmless",
        };
        let part = file.iter().next().expect("has a name").to_string_lossy().into_owned();
        *outcomes.entry((part, outcome)).or_default() += 1;
    }
    println!("flips: {outcomes:?}, none silently different");
}

fn relative(whole: &Whole, path: PathBuf) -> PathBuf {
    path.strip_prefix(whole.dir.path()).expect("is below").to_owned()
}

/// Whatever cannot be made anew from something else.
fn must_be_found(file: &Path) -> bool {
    ["log", "keys.bin", "subjects.bin", "blobs"].iter().any(|part| file.starts_with(part))
}

/// What a check of the whole log says first.
fn finding(dir: &Path) -> Option<String> {
    match verify(dir, &surroundings(9).0) {
        Ok(verified) => verified.findings.first().map(ToString::to_string),
        Err(OpenError::Damaged { place, what }) => Some(format!("{place}: {what}")),
        Err(error) => panic!("{error}"),
    }
}
