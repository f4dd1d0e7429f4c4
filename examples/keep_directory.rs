//! `tools/keep-directory.sh`: adds to a data directory what a log can hold, and writes down what a full read of it gives.
//!
//! The directory is kept for ever beside the fixtures of the events: every later program must read it the same.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use beadle::app::{SystemClock, SystemEntropy};
use beadle::domain::event::{BlobRef, EffectCompleted, Event, Meta, NewEvent};
use beadle::domain::id::{DedupeKey, Position, RoomId, StreamName, Timestamp, UserId};
use beadle::store::sled::SledStore;
use beadle::store::{
    Clock, EventStore, Expected, Options, ProjectionChange, Subject, Surroundings, Write,
};
use serde_json::to_string;

#[path = "../tests/it/faults/full_read.rs"]
mod full_read;
#[path = "../tests/it/events/policies.rs"]
mod policies;
#[path = "../tests/it/events/samples.rs"]
mod samples;

use full_read::{Asks, full_read};

/// A journal file of the kept directory is followed by a new one at this size.
const SEGMENT_BYTES: u64 = 24 * 1024;
/// A step back of the clock that begins a new epoch.
const STEP_MS: i64 = 60_000;

/// The wall clock, moved by hand.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::SeqCst))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dirs: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [dir, killed] = &dirs[..] else { return Err("two directories are needed".into()) };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(dir))?;
    fs::remove_dir_all(dir.join("store"))?;
    let (store, opened) = open(dir, Arc::new(Moved(AtomicI64::new(0))))?;
    println!("made anew: {:?}", opened.rebuilt);
    project(&store)?;
    manifest(&store, &dir.join("../closed.jsonl"))?;
    drop(store);
    copy(dir, killed)?;
    runtime.block_on(leave_behind(killed))
}

/// Every kind of event, dedupe keys, people and rooms, a blob, a step of the clock, erased events.
async fn fill(dir: &Path) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    let (store, _) = open(dir, clock.clone())?;
    let first = store.next_position();
    let blob = store.put_blob("A value that is too large for an event.\n".repeat(40).as_bytes())?;
    for (nth, event) in samples::all().into_iter().enumerate() {
        if nth == 20 {
            clock.0.store(-STEP_MS, Ordering::SeqCst);
        }
        append(&store, nth, with(event, &blob)).await?;
    }
    // Its payload is sealed: a message of the terminal room.
    let sealed = [Position(first.0 + 12), Position(first.0 + 14)];
    store.erase(&sealed)?;
    drop(store);
    Ok(())
}

/// A bot that was killed: the journal is ahead of the event store, and its last write was cut off.
async fn leave_behind(dir: &Path) -> Result<(), Box<dyn Error>> {
    let whole = dir.join("../whole");
    copy(dir, &whole)?;
    let (store, _) = open(&whole, Arc::new(Moved(AtomicI64::new(0))))?;
    for (nth, event) in samples::all().into_iter().take(9).enumerate() {
        append(&store, 1_000 + nth, event).await?;
    }
    manifest(&store, &dir.join("../killed.jsonl"))?;
    drop(store);
    for part in ["log", "keys.bin", "subjects.bin"] {
        copy(&whole.join(part), &dir.join(part))?;
    }
    let mut segments: Vec<_> =
        fs::read_dir(dir.join("log"))?.flatten().map(|it| it.path()).collect();
    segments.sort();
    let last = segments.last().ok_or("a log has files")?;
    let mut bytes = fs::read(last)?;
    bytes.extend(br#"{"v":1,"position":"#);
    fs::write(last, bytes)?;
    fs::remove_dir_all(whole)?;
    Ok(())
}

fn open(
    dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<(SledStore, beadle::store::Opened), Box<dyn Error>> {
    let surroundings = Surroundings { clock, entropy: Arc::new(SystemEntropy) };
    let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
    let options = Options { gather_for: Duration::from_millis(1), ..options };
    Ok(SledStore::open(dir, surroundings, options)?)
}

/// A sample that names a blob names one that is there.
fn with(event: Event, blob: &BlobRef) -> Event {
    match event {
        Event::EffectCompleted(EffectCompleted {
            output: Some(_),
            path,
            attempt,
            result,
            took_ms,
        }) => {
            let output = Some(blob.clone());
            EffectCompleted { output, path, attempt, result, took_ms }.into()
        }
        other => other,
    }
}

async fn append(store: &SledStore, nth: usize, event: Event) -> Result<(), Box<dyn Error>> {
    let name = |name: String| StreamName::parse(&name).map_err(|error| error.to_string());
    let correlation = Some(name(format!("trigger-{}", nth / 7))?);
    let meta = Meta {
        cause: None,
        correlation,
        actor: Some(UserId(format!("@person{}:hs.example", nth % 5))),
        room: Some(RoomId(format!("!room{}:hs.example", nth % 3))),
        network: nth.is_multiple_of(2).then(|| "irc".to_owned()),
    };
    let key = nth.is_multiple_of(4).then(|| DedupeKey(format!("kept|{nth}")));
    let events = vec![NewEvent { event, meta }];
    let stream = name(format!("sample-{}", nth % 11))?;
    store.append(vec![Write { stream, expected: Expected::Any, key, events }]).await?;
    Ok(())
}

fn project(store: &SledStore) -> Result<(), Box<dyn Error>> {
    let rows = (0..20).map(|nth| (format!("row {nth}"), Some(vec![nth; 30]))).collect();
    let change = ProjectionChange { rows, checkpoint: store.next_position(), replace: true };
    Ok(store.project("kept", change)?)
}

/// Writes the answers down, one a line, under what was asked.
fn manifest(store: &SledStore, path: &Path) -> Result<(), Box<dyn Error>> {
    let keys: Vec<_> = (0..2_000).map(|nth| DedupeKey(format!("kept|{nth}"))).collect();
    let persons = (0..5).map(|nth| Subject::Person(format!("@person{nth}:hs.example")));
    let rooms = (0..3).map(|nth| Subject::Room(format!("!room{nth}:hs.example")));
    let network = Subject::Network("irc".into());
    let subjects = persons.chain(rooms).chain([network]).collect();
    let asks = Asks { keys, subjects, projections: vec!["kept".into()], indexes: true };
    let mut answers = full_read(store, &asks, Position::END)?;
    answers.retain(|question, answer| !question.starts_with("key ") || !answer.is_null());
    let lines: Result<Vec<_>, _> = answers.iter().map(|row| to_string(&row)).collect();
    println!("{} answers, {} events", answers.len(), store.next_position());
    Ok(fs::write(path, lines?.join("\n") + "\n")?)
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let _ = fs::remove_dir_all(to);
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    done.success().then_some(()).ok_or_else(|| "cp failed".into())
}
