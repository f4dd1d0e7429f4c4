//! A child process that appends in every way, says what was acknowledged, and is ended by whatever its test thinks of;
//! and what must be true of its log then.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use beadle::domain::event::{
    BlobRef, EffectCompleted, EffectResult, Event, MemoryWritten, Meta, NewEvent, Recorded,
};
use beadle::domain::id::{DedupeKey, Position, RoomId, UserId};
use beadle::store::sled::SledStore;
use beadle::store::{
    AppendError, By, Direction, EventStore, Expected, Opened, Options, ProjectionChange, Write,
};
use serde_json::json;

use super::full_read::{Asks, events, full_read};
use crate::store_faults::try_open;
use crate::store_world::{stream, surroundings};

/// How many tasks append at the same time.
const APPENDERS: u64 = 6;
/// Most events in one batch.
const BATCH_EVENTS: u64 = 12;
/// Journal files are small, so that there are several.
const SEGMENT_BYTES: u64 = 64 * 1024;
/// Exit status of a child whose log has failed.
pub const FAILED: i32 = 1;

/// How the children keep their log: everything happens soon.
fn options() -> Options {
    let (sync_every, gather_for) = (Duration::from_millis(40), Duration::from_millis(5));
    Options { segment_bytes: SEGMENT_BYTES, sync_every, gather_for, ..Options::default() }
}

/// The command that starts a child on a directory.
pub fn child(dir: &Path, seed: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("is known"));
    command.args(["faults::appending::child_appends_in_every_way", "--exact", "--nocapture"]);
    command.env("BEADLE_TEST_FAULTS_IN", dir).env("BEADLE_TEST_FAULTS_SEED", seed.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a child says of one acknowledged batch; none of other lines.
pub fn acknowledged(line: &str) -> Option<(String, u64)> {
    let (id, count) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
    Some((id.to_owned(), count.parse().ok()?))
}

/// What a child that was killed had to say at last.
pub fn last_words(mut child: Child) -> String {
    let mut text = String::new();
    if let Some(mut from) = child.stderr.take() {
        let _ = std::io::Read::read_to_string(&mut from, &mut text);
    }
    text
}

/// The child of the other modules' tests.
#[test]
fn child_appends_in_every_way() {
    let Ok(dir) = std::env::var("BEADLE_TEST_FAULTS_IN") else { return };
    let seed = std::env::var("BEADLE_TEST_FAULTS_SEED").expect("is given").parse();
    let seed: u64 = seed.expect("is a number");
    let opened = SledStore::open(Path::new(&dir), surroundings(seed).0, options());
    let store = match opened {
        Ok((store, opened)) => {
            println!("\nopened {opened:?}");
            Arc::new(store)
        }
        Err(error) => fail(&error.to_string()),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let tasks = (0..APPENDERS).map(|nth| runtime.spawn(appender(store.clone(), seed, nth)));
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        if let Err(error) = runtime.block_on(task).expect("does not panic") {
            fail(&error.to_string());
        }
    }
}

/// Ends as the program does.
fn fail(error: &str) -> ! {
    eprintln!("\nerror: {error}");
    std::process::exit(FAILED);
}

async fn appender(store: Arc<SledStore>, seed: u64, nth: u64) -> Result<(), AppendError> {
    for round in 0_u64.. {
        let id = format!("{seed}:{nth}:{round}");
        let count = 1 + (round * 7 + nth * 3) % BATCH_EVENTS;
        let blob = match (round + nth).is_multiple_of(9) {
            true => Some(store.put_blob(content(&id).as_bytes())?),
            false => None,
        };
        store.append(batch(&id, nth, round, count, blob)).await?;
        println!("\nacknowledged {id} {count}");
        if nth == 0 {
            let row = (format!("row {}", round % 7), Some(id.into_bytes()));
            let checkpoint = store.next_position();
            let change = ProjectionChange { rows: vec![row], checkpoint, replace: false };
            // What it says of a failure, the next append says too.
            let _ = store.project("seen", change);
        }
    }
    Ok(())
}

fn content(id: &str) -> String {
    id.repeat(600)
}

/// A batch over up to three streams; its first event comes with a dedupe key.
fn batch(id: &str, nth: u64, round: u64, count: u64, blob: Option<BlobRef>) -> Vec<Write> {
    let streams = 1 + (round % 3).min(count - 1);
    let name = |at: u64| match at {
        0 => format!("test-{nth}"),
        1 => format!("test-{nth}-{}", round % 40),
        _ => "test-shared".to_owned(),
    };
    let mut writes: Vec<Write> = (0..streams)
        .map(|at| Write {
            stream: stream(&name(at)),
            expected: Expected::Any,
            key: (at == 0).then(|| DedupeKey(id.to_owned())),
            events: Vec::new(),
        })
        .collect();
    for at in 0..count {
        let event = match (at, &blob) {
            (0, Some(blob)) => effect(id, count, blob.clone()),
            _ => memory(id, count, round * 5 + at),
        };
        let meta = Meta {
            correlation: Some(stream(&format!("trigger-{nth}-{}", round / 5))),
            actor: Some(UserId(format!("@{id}-{}:hs", at % 3))),
            room: Some(RoomId(format!("!{nth}-{}:hs", round % 50))),
            network: Some(format!("network{}", at % 4)),
            cause: None,
        };
        writes[(at % streams) as usize].events.push(NewEvent { event, meta });
    }
    writes
}

/// Most are small, one in four hundred is so large that sled keeps it in a file of its own.
fn memory(id: &str, count: u64, odd: u64) -> Event {
    let length = if odd.is_multiple_of(401) { 150_000 } else { (odd * 37 % 900) as usize };
    let value = json!("x".repeat(length));
    MemoryWritten { scope: id.into(), key: count.to_string(), value, expires: None }.into()
}

fn effect(id: &str, count: u64, blob: BlobRef) -> Event {
    let result = EffectResult::Ok(json!([id, count]));
    let path = "1".into();
    EffectCompleted { path, attempt: 1, result, output: Some(blob), took_ms: 1 }.into()
}

/// Which batch an event is of, and how many events that has.
fn batch_of(event: &Recorded) -> Option<(String, u64)> {
    match event.event()? {
        Event::MemoryWritten(it) => Some((it.scope.clone(), it.key.parse().ok()?)),
        Event::EffectCompleted(EffectCompleted { result: EffectResult::Ok(value), .. }) => {
            Some((value[0].as_str()?.to_owned(), value[1].as_u64()?))
        }
        _ => None,
    }
}

/// Opens a log after a fault, and holds what must be true of it, whatever the fault was.
pub fn is_whole(dir: &Path, acknowledged: &BTreeMap<String, u64>, what: &str) -> Opened {
    let (store, opened) = try_open(dir).unwrap_or_else(|error| panic!("{what}: {error}"));
    let all = events(&store).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut there: BTreeMap<String, (u64, u64, Position)> = BTreeMap::new();
    for event in &all {
        if let Some((id, count)) = batch_of(event) {
            there.entry(id).or_insert((0, count, event.position)).0 += 1;
        }
    }
    for (id, (found, count, first)) in &there {
        assert_eq!(found, count, "{what}: half of the batch {id} is there");
        let key = store.find(&DedupeKey(id.clone())).expect("reads");
        assert!(key.is_some_and(|it| it >= *first), "{what}: the key {id} names {key:?}");
    }
    let lost: Vec<_> = acknowledged.iter().filter(|(id, _)| !there.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{what}: {} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    let last = all.last().and_then(Recorded::event);
    let told = matches!(last, Some(Event::StoreRebuilt(_)));
    assert_eq!(told, opened.rebuilt.is_some(), "{what}: {:?} and {last:?}", opened.rebuilt);
    consistent(&store, &all, what);
    let found = store.verify().expect("checks");
    assert_eq!((found.findings, found.events), (vec![], all.len() as u64), "{what}");
    opened
}

/// Whether every index and stream says of the events what they say themselves.
fn consistent(store: &SledStore, all: &[Recorded], what: &str) {
    let (keys, subjects, projections) = (Vec::new(), Vec::new(), vec!["seen".into()]);
    let asks = Asks { keys, subjects, projections, indexes: false };
    let answers = full_read(store, &asks, Position::END).expect("reads");
    for (question, answer) in &answers {
        let right = !question.ends_with("is the log's") || *answer == json!(true);
        assert!(right, "{what}: {question}: {answer}");
    }
    assert_eq!(answers["backward is the same"], json!(true), "{what}");
    let actor = all.iter().rev().nth(9).and_then(|event| event.actor.clone());
    for by in [Some(By::Kind("memory_written".into())), actor.map(By::Actor)].into_iter().flatten()
    {
        let wanted: Vec<_> =
            all.iter().filter(|event| by.holds(event)).map(|it| it.position).collect();
        let mut found: Vec<Position> = Vec::new();
        loop {
            let from = found.last().map_or(Position::START, |last| last.next());
            let page = store.positions(&by, from, Direction::Forward, usize::MAX).expect("reads");
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, wanted, "{what}: {by:?}");
    }
    let kept = store.projection("seen", "").expect("reads");
    let next = store.next_position();
    assert!(kept.checkpoint <= next, "{what}: a projection knows more than the log");
}
