//! Events of a newer program: whoever only looks is shown them as they are, and everything around them.

use std::path::Path;

use beadle::domain::event::{self, Ending, Event, ExecutionFinished, NewEvent, SyncAdvanced};
use beadle::domain::id::Timestamp;
use beadle::query::command::{Request, Rows, answer};
use beadle::query::export::export;
use beadle::query::filter::{Filter, Standing};
use beadle::query::follow::Followers;
use beadle::query::lookup::Lookup;
use beadle::query::question::{self, Ask};
use beadle::query::report::{Per, report};
use beadle::query::story;
use beadle::query::when::Here;
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Write};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::erasure_disk::made_newer;
use crate::store_world::{World, open, stream};

fn started(alias: &str) -> NewEvent {
    let fixture = include_str!("../fixtures/events/execution_started.v1.json");
    let mut list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    list[0]["handler"]["alias"] = json!(alias);
    let event: Event = event::decode("execution_started", 1, list[0].clone()).expect("decodes");
    NewEvent::bare(event)
}

fn finished() -> NewEvent {
    NewEvent::bare(ExecutionFinished { ending: Ending::Succeeded(Value::Null) })
}

async fn append(store: &dyn EventStore, id: &str, event: NewEvent) {
    let (stream, expected) = (stream(&format!("execution-{id}")), Expected::Any);
    let write = Write { stream, expected, key: None, events: vec![event] };
    store.append(vec![write]).await.expect("it appends");
}

/// A log with an execution that has an event of a newer program, and one without.
async fn newer(dir: &Path) -> SledStore {
    let opened = open(dir, 1);
    append(&opened, "NEW", started("new")).await;
    append(&opened, "NEW", NewEvent::bare(SyncAdvanced { token: "t".into() })).await;
    append(&opened, "KEPT", started("old")).await;
    append(&opened, "KEPT", finished()).await;
    drop(opened);
    made_newer(dir);
    open(dir, 2)
}

fn asked(store: &SledStore, request: &Request) -> Vec<Value> {
    let mut rows = Rows::default();
    answer(store, request, &mut rows).unwrap_or_else(|why| panic!("{request:?}: {why:?}"));
    rows.0
}

fn queried(store: &SledStore, filter: Filter) -> Vec<Value> {
    let mut rows = Rows::default();
    let ask = Ask { filter, ..Ask::default() };
    question::answer(store, &ask, &Followers::default(), &mut rows).expect("it answers");
    rows.0
}

/// The event is among the rows, as it is.
fn is_shown(rows: &[Value], how: &str) {
    let row = rows.iter().find(|row| row["type"] == json!("sync_advance2"));
    let row = row.unwrap_or_else(|| panic!("{how}: {rows:?}"));
    assert_eq!(row["payload_state"], json!("unknown"), "{how}");
    assert_eq!(row["payload"], json!({ "token": "t" }), "{how}");
    assert_eq!((&row["execution"], &row["status"]), (&json!("NEW"), &Value::Null), "{how}");
}

#[tokio::test]
async fn queries_stories_and_exports_show_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = newer(dir.path()).await;
    let all = queried(&store, Filter { limit: Some(0), ..Filter::default() });
    assert_eq!(all.len() as u64, store.next_position().0);
    is_shown(&all, "a query");
    let mut told = Rows::default();
    let positions = story::find(&store, "NEW").expect("it is there");
    story::tell(&store, &positions, &mut told).expect("it is told");
    is_shown(&told.0, "a story");
    let mut exported = Rows::default();
    export(&store, false, &mut exported).expect("it is exported");
    is_shown(&exported.0, "an export");
    let status = Some(Standing::Succeeded);
    let ended = queried(&store, Filter { status, limit: Some(0), ..Filter::default() });
    assert_eq!(ended.len(), 2, "of the other execution: {ended:?}");
}

#[tokio::test]
async fn reports_and_lists_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = newer(dir.path()).await;
    let here = Here { now: Timestamp(1_772_442_000_000), zone: TimeZone::UTC };
    let mut rows = Rows::default();
    report(&store, &Filter::default(), Per::Alias, &here, &mut rows).expect("it reports");
    let of = |alias: &str| rows.0.iter().find(|row| row["alias"] == json!(alias));
    let counted = |alias: &str| {
        let row = of(alias).unwrap_or_else(|| panic!("{alias} is told"));
        (row["runs"].as_u64(), row["succeeded"].as_u64(), row["open"].as_u64())
    };
    assert_eq!(counted("old"), (Some(1), Some(1), Some(0)));
    assert_eq!(counted("new"), (Some(1), Some(0), Some(0)), "how it stands is not known");
    let list = asked(&store, &Request::ExecutionList(10));
    let status: Vec<_> = list.iter().map(|row| (&row["execution"], &row["status"])).collect();
    let want = [("KEPT", "succeeded"), ("NEW", "unknown")].map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(status, want.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    let shown = asked(&store, &Request::ExecutionShow("NEW".into()));
    assert_eq!(shown[0]["journal"][1]["type"], json!("sync_advance2"));
    let why = "`sync_advance2` is of a newer beadle: upgrade this program";
    assert_eq!(shown[0]["command"], json!(why));
    assert_eq!(asked(&store, &Request::ExecutionShow("KEPT".into()))[0]["alias"], json!("old"));
}

#[tokio::test]
async fn facts_are_read_again_only_when_the_execution_went_on() {
    let world = World::memory();
    let store = world.store();
    append(store.as_ref(), "E", started("one")).await;
    let id = beadle::domain::id::ExecutionId("E".into());
    let mut lookup = Lookup::new(store.as_ref());
    let mut facts = || lookup.facts(&id).expect("it reads").expect("they are there");
    let first = facts();
    assert_eq!(first.standing, Standing::Running);
    assert!(std::rc::Rc::ptr_eq(&first, &facts()), "they are remembered while it is open");
    append(store.as_ref(), "E", finished()).await;
    assert_eq!(facts().standing, Standing::Succeeded);
    assert!(std::rc::Rc::ptr_eq(&facts(), &facts()), "and when it is over");
}
