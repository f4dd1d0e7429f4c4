//! What holds a file of the journal back, told by the log itself.

use beadle::domain::event::{self, MemoryWritten, NewEvent};
use beadle::domain::id::Timestamp;
use beadle::query::command::{Request, Rows, answer};
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Options, Write};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::store_world::{put, stream, surroundings};

/// Later than everything that is written here.
const LATER: Timestamp = Timestamp(1_800_000_000_000);

/// A log in small files.
fn small() -> (TempDir, SledStore) {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { segment_bytes: 2_000, ..Options::default() };
    let opened = SledStore::open(dir.path(), surroundings(1).0, options);
    let store = opened.expect("opens").0;
    (dir, store)
}

async fn append(store: &SledStore, name: &str, event: NewEvent) {
    let (stream, events) = (stream(name), vec![event]);
    let write = Write { stream, expected: Expected::Any, key: None, events };
    store.append(vec![write]).await.expect("appends");
}

/// Fills several files with values that are overwritten again and again.
async fn fill(store: &SledStore) {
    for nth in 0..40 {
        put(store, "memory-busy", Expected::Any, &[&nth.to_string()]).await.expect("appends");
    }
}

fn memory(value: Value) -> NewEvent {
    let (scope, key) = ("test".into(), "text".into());
    NewEvent::bare(MemoryWritten { scope, key, value, expires: None })
}

fn stored(kind: &str, fixture: &str) -> NewEvent {
    let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    NewEvent::bare(event::decode(kind, 1, list[0].clone()).expect("decodes"))
}

fn held(store: &SledStore, before: Timestamp) -> Value {
    let mut rows = Rows::default();
    answer(store, &Request::LogTrim { before }, &mut rows).expect("answers");
    assert!(rows.0[0]["files"].as_u64() > Some(2), "there are full files: {}", rows.0[0]);
    assert_eq!(rows.0[0]["over_files"], json!(0), "nothing is covered by a head");
    rows.0[0]["held"].clone()
}

#[tokio::test]
async fn a_value_that_is_remembered_holds_its_file_until_it_changes() {
    let (_dir, store) = small();
    append(&store, "memory-old", memory(json!("kept"))).await;
    fill(&store).await;
    assert_eq!(held(&store, Timestamp(0)), json!("it is not old enough"));
    let why =
        "event 1 of `memory-old` is needed: it is the last word of its stream, and still holds";
    assert_eq!(held(&store, LATER), json!(why));
    append(&store, "memory-old", memory(json!("newer"))).await;
    assert_eq!(held(&store, LATER), json!("no signed head covers it yet"));
}

#[tokio::test]
async fn a_value_that_was_forgotten_holds_nothing() {
    let (_dir, store) = small();
    append(&store, "memory-old", memory(Value::Null)).await;
    fill(&store).await;
    assert_eq!(held(&store, LATER), json!("no signed head covers it yet"));
}

#[tokio::test]
async fn an_execution_holds_its_file_until_it_ends() {
    let (_dir, store) = small();
    let started = include_str!("../fixtures/events/execution_started.v1.json");
    append(&store, "execution-ABC1", stored("execution_started", started)).await;
    fill(&store).await;
    let why = "event 1 of `execution-ABC1` is needed: the execution has not ended";
    assert_eq!(held(&store, LATER), json!(why));
    let finished = include_str!("../fixtures/events/execution_finished.v1.json");
    append(&store, "execution-ABC1", stored("execution_finished", finished)).await;
    let why = "event 1 of `execution-ABC1` is needed: what it began goes on in a file that stays";
    assert_eq!(held(&store, LATER), json!(why));
    fill(&store).await;
    assert_eq!(held(&store, LATER), json!("no signed head covers it yet"));
}

#[tokio::test]
async fn a_message_holds_its_file_until_it_is_sent() {
    let (_dir, store) = small();
    let queued = include_str!("../fixtures/events/message_queued.v1.json");
    let queued = stored("message_queued", queued);
    let event::Event::MessageQueued(message) = &queued.event else { panic!("it is a message") };
    let name = format!("message-{}", message.message);
    append(&store, &name, queued.clone()).await;
    fill(&store).await;
    let why = format!("event 1 of `{name}` is needed: it is not sent yet");
    assert_eq!(held(&store, LATER), json!(why));
    let sent = include_str!("../fixtures/events/message_sent.v1.json");
    append(&store, &name, stored("message_sent", sent)).await;
    let why = format!("event 1 of `{name}` is needed: what it began goes on in a file that stays");
    assert_eq!(held(&store, LATER), json!(why));
    fill(&store).await;
    assert_eq!(held(&store, LATER), json!("no signed head covers it yet"));
}
