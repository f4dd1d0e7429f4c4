//! What holds a file of the journal back, told by the log itself.

use beadle::domain::event::{self, MemoryWritten, NewEvent, RuleFired, WakePlanned};
use beadle::domain::id::{StreamName, Timestamp};
use beadle::domain::throttle::WINDOW_MS_MAX;
use beadle::query::command::{Request, Rows, answer};
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Options, Write};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::store_world::{everything, put, stream, surroundings};

/// Later than everything that is written here.
const LATER: Timestamp = Timestamp(1_800_000_000_000);

/// A log in small files.
fn small() -> (TempDir, SledStore) {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { segment_bytes: 8_000, ..Options::default() };
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
    for nth in 0..90 {
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

/// The first of a fixture, changed as a test wants it.
fn like(kind: &str, fixture: &str, change: Value) -> NewEvent {
    let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    let mut value = list[0].clone();
    for (name, field) in change.as_object().expect("a map") {
        value[name] = field.clone();
    }
    NewEvent::bare(event::decode(kind, 1, value).expect("decodes"))
}

/// What events of a stream hold the log back for, after which many others come.
async fn holds(name: &str, events: Vec<NewEvent>) -> String {
    let (_dir, store) = small();
    for event in events {
        append(&store, name, event).await;
    }
    fill(&store).await;
    held(&store, LATER).as_str().expect("it is said").to_owned()
}

const FREE: &str = "no signed head covers it yet";

fn needed(name: &str, nth: u64, why: &str) -> String {
    format!("event {nth} of `{name}` is needed: {why}")
}

#[tokio::test]
async fn what_is_off_or_silent_or_granted_holds_its_file_while_that_lasts() {
    const SWITCH: &str = include_str!("../fixtures/events/automation_switched.v1.json");
    const SILENCE: &str = include_str!("../fixtures/events/silence_started.v1.json");
    const LONGER: &str = include_str!("../fixtures/events/silence_extended.v1.json");
    const SPOKEN: &str = include_str!("../fixtures/events/silence_ended.v1.json");
    const GRANT: &str = include_str!("../fixtures/events/grant_made.v1.json");
    const WANTED: &str = include_str!("../fixtures/events/bridge_wanted.v1.json");
    const REMOVED: &str = include_str!("../fixtures/events/bridge_removed.v1.json");
    const REVOKED: &str = include_str!("../fixtures/events/grant_revoked.v1.json");
    let switch = |on: bool, until: Value| {
        like("automation_switched", SWITCH, json!({ "name": "x", "on": on, "until": until }))
    };
    let silence = |id: &str, until: i64| {
        like("silence_started", SILENCE, json!({ "silence": id, "until": until }))
    };
    let longer = |id: &str, until: i64| {
        like("silence_extended", LONGER, json!({ "silence": id, "until": until }))
    };
    let spoken = |id: &str| like("silence_ended", SPOKEN, json!({ "silence": id }));
    let grant =
        |id: &str, until: i64| like("grant_made", GRANT, json!({ "grant": id, "until": until }));
    let revoked = |id: &str| like("grant_revoked", REVOKED, json!({ "grant": id }));
    let wished = || like("bridge_wanted", WANTED, json!({}));
    let gone = || like("bridge_removed", REMOVED, json!({}));
    let (soon, late) = (LATER.0 - 1, LATER.0 + 1);
    let (off, hushed) = ("it is switched off", "the silence is not over");
    let granted = "the grant is not over";
    for (stream, events, want) in [
        (StreamName::switches(), vec![switch(false, Value::Null)], Some((1, off))),
        (StreamName::switches(), vec![switch(false, json!(late))], Some((1, off))),
        (StreamName::switches(), vec![switch(false, json!(soon))], None),
        (StreamName::switches(), vec![switch(false, Value::Null), switch(true, Value::Null)], None),
        (
            StreamName::switches(),
            vec![switch(false, json!(soon)), switch(false, Value::Null)],
            Some((2, off)),
        ),
        (StreamName::silences(), vec![silence("a", late)], Some((1, hushed))),
        (StreamName::silences(), vec![silence("a", soon)], None),
        (StreamName::silences(), vec![silence("a", soon), longer("a", late)], Some((1, hushed))),
        (
            StreamName::silences(),
            vec![silence("a", late), silence("b", late), spoken("a")],
            Some((2, hushed)),
        ),
        (StreamName::grants(), vec![grant("a", late)], Some((1, granted))),
        (StreamName::grants(), vec![grant("a", soon)], None),
        (StreamName::grants(), vec![grant("a", late), revoked("a")], None),
        (StreamName::setups(), vec![wished()], Some((1, "the channel is not removed"))),
        (StreamName::setups(), vec![wished(), gone()], None),
    ] {
        let want = want.map_or(FREE.to_owned(), |(nth, why)| needed(stream.as_str(), nth, why));
        assert_eq!(holds(stream.as_str(), events.clone()).await, want, "{events:?}");
    }
}

#[tokio::test]
async fn alerts_and_digests_hold_their_files_until_they_are_over() {
    const RAISED: &str = include_str!("../fixtures/events/alert_raised.v1.json");
    const RESOLVED: &str = include_str!("../fixtures/events/alert_resolved.v1.json");
    const PLACED: &str = include_str!("../fixtures/events/alert_placed.v1.json");
    const TOLD: &str = include_str!("../fixtures/events/digest_told.v1.json");
    let raised = || like("alert_raised", RAISED, json!({}));
    let resolved = || like("alert_resolved", RESOLVED, json!({}));
    let placed = || like("alert_placed", PLACED, json!({ "digest": 5 }));
    let told = |next: Value| like("digest_told", TOLD, json!({ "next": next }));
    let plan = |due: Option<i64>| NewEvent::bare(WakePlanned { due: due.map(Timestamp) });
    let (alert, looked) = ("the alert is not over", "it is looked at again by itself");
    let digest = "its digest is still changed";
    for (name, events, want) in [
        ("alert-00", vec![raised()], Some((1, alert))),
        ("alert-00", vec![raised(), raised()], Some((2, alert))),
        ("alert-00", vec![raised(), resolved()], None),
        ("alert-00", vec![raised(), plan(Some(9)), resolved(), plan(None)], None),
        ("alert-00", vec![raised(), plan(Some(9)), raised()], Some((2, looked))),
        ("digest-00", vec![placed(), plan(Some(9))], Some((1, digest))),
        (
            "digest-00",
            vec![placed(), told(json!(7)), told(Value::Null), placed(), placed(), plan(Some(9))],
            Some((4, digest)),
        ),
        ("digest-00", vec![placed(), told(Value::Null), plan(None)], None),
        ("held-00", vec![held_back()], None),
    ] {
        let want = want.map_or(FREE.to_owned(), |(nth, why)| needed(name, nth, why));
        assert_eq!(holds(name, events.clone()).await, want, "{events:?}");
    }
}

fn held_back() -> NewEvent {
    like("silence_held", include_str!("../fixtures/events/silence_held.v1.json"), json!({}))
}

#[tokio::test]
async fn that_a_rule_fired_holds_its_file_while_it_may_be_kept_from_firing_again() {
    let (_dir, store) = small();
    append(&store, "fired-00", NewEvent::bare(RuleFired { rule: "r".into() })).await;
    let fired = &everything(&store)[1];
    let over = fired.wall.plus_ms(WINDOW_MS_MAX);
    fill(&store).await;
    let why = "it is the last word of its stream, and still holds";
    assert_eq!(held(&store, Timestamp(over.0 - 1)), json!(needed("fired-00", 1, why)));
    assert_eq!(held(&store, over), json!(FREE));
}
