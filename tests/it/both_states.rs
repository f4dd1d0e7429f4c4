//! Every subcommand of `beadle log` and `beadle execution`, `beadle why` and `beadle catalog` work on a log that no bot has open, and through the socket of
//! one that a bot has open. One row each; a subcommand without a row fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use beadle::app::desk::Desk;
use beadle::app::orders::Hands;
use beadle::app::{SystemClock, open_log};
use beadle::control::serve;
use beadle::domain::event::{
    self, EffectClass, EffectRequested, Ending, ExecutionFinished, ExecutionSuspended, NewEvent,
};
use beadle::domain::id::Timestamp;
use beadle::play::world::World;
use beadle::processor::scripts::Scripts;
use beadle::processor::{Kernel, Settings, schedule};
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Write};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cli::{Place, Ran};
use crate::store_world::{put, stream};

/// One subcommand with what it is called with, and what must be the same in both states.
struct Row {
    command: &'static str,
    args: &'static [&'static str],
    /// Whether it says the same in both states; what is told of files may differ.
    same: bool,
    /// A file that it must have written.
    writes: Option<&'static str>,
    /// It is an order: where it stands without a bot, and with one that does it.
    order: Option<[&'static str; 2]>,
}

const fn row(command: &'static str, args: &'static [&'static str]) -> Row {
    Row { command, args, same: true, writes: None, order: None }
}

const ROWS: &[Row] = &[
    row("log tail", &["-n", "3"]),
    row("log show", &["execution-ABC1/0"]),
    row("log verify", &[]),
    // A head says when it was made.
    Row { same: false, ..row("log head", &[]) },
    Row { writes: Some("proof.json"), ..row("log prove", &["1", "--out", "proof.json"]) },
    row("log erase", &["--execution", "ABC", "--reason", "a test"]),
    row("log erase", &["--event", "a-1/0", "--dry-run"]),
    Row { writes: Some("backup/manifest.jsonl"), ..row("log backup", &["backup"]) },
    Row { writes: Some("data2/keys.bin"), ..row("log restore", &["before", "--to", "data2"]) },
    row("log export", &[]),
    row("log export", &["--sealed"]),
    Row { writes: Some("log.jsonl"), ..row("log export", &["--out", "log.jsonl"]) },
    row("log query", &["--type", "execution_started"]),
    row("log report", &["--by", "alias"]),
    Row { same: false, ..row("log stats", &[]) },
    row("log trim", &["--dry-run", "--keep", "365 days"]),
    row("log trim", &["--keep", "365 days"]),
    row("execution list", &[]),
    row("execution list", &["--status", "diverged", "--since", "2001-01-01"]),
    row("execution show", &["ABC"]),
    row("why", &["ABC"]),
    // The one bot has other scripts than the other.
    Row { same: false, ..row("catalog", &[]) },
    // It is decided without a bot, too; what its script does then waits for one.
    Row {
        same: false,
        order: Some(["continued", "continued"]),
        ..row("execution cancel", &["ABD", "--reason", "a test"])
    },
    // Without a bot it is recorded; a bot does it at once.
    Row { same: false, order: Some(["recorded", "started"]), ..row("execution retry", &["ABE"]) },
];

/// Makes a small log with an execution in it, and a backup of it.
async fn make(place: &Place) {
    let (store, _) = open_log(&place.path("made")).expect("is made");
    put(&store, "a-1", Expected::Any, &["x", "y"]).await.expect("appends");
    let fixture = include_str!("../fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    let started = event::decode("execution_started", 1, list[0].clone()).expect("decodes");
    let failed = ExecutionFinished { ending: Ending::Diverged("it was edited".into()) };
    let sleeps = EffectRequested {
        path: "0".into(),
        op: "sleep".into(),
        args: json!({ "ms": 1 }),
        line: 1,
        class: EffectClass::Log,
        due: Some(Timestamp(i64::MAX)),
        decision: None,
    };
    for (name, events) in [
        ("execution-ABC1", vec![NewEvent::bare(started.clone())]),
        (
            "execution-ABD1",
            vec![
                NewEvent::bare(started.clone()),
                NewEvent::bare(sleeps),
                NewEvent::bare(ExecutionSuspended {}),
            ],
        ),
        ("execution-ABE1", vec![NewEvent::bare(started), NewEvent::bare(failed)]),
    ] {
        let (stream, expected) = (stream(name), Expected::NoStream);
        store.append(vec![Write { stream, expected, key: None, events }]).await.expect("appends");
    }
    store.close();
    drop(store);
    place.ok(&["--data", "made", "log", "backup", "before"]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("has a type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("copies")),
        }
    }
}

/// Every subcommand below `log` and `execution`, and those beside them that ask the same desk.
fn leaves() -> BTreeSet<String> {
    let command = beadle::cli::command();
    let alone = ["why", "catalog"].map(str::to_owned);
    let mut found = BTreeSet::from(alone);
    for group in ["log", "execution"] {
        let group = command.find_subcommand(group).expect("there is such a group");
        let inner = group.get_subcommands().filter(|inner| inner.get_name() != "help");
        found.extend(inner.map(|inner| format!("{} {}", group.get_name(), inner.get_name())));
    }
    found
}

fn run(place: &Place, row: &Row) -> Ran {
    let command: Vec<&str> = row.command.split(' ').collect();
    place.run(&[&["--data", "data", "--json"], &command[..], row.args].concat()).expect(0)
}

/// Runs it while this process has the log open and answers at its socket, as a running bot does.
async fn run_beside_bot(place: &Place, row: &Row) -> Ran {
    let data = place.path("data");
    let (store, _) = open_log(&data).expect("opens");
    let store = Arc::new(store);
    let (stop, stopping) = watch::channel(false);
    let desk = Desk {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        data: data.clone(),
        matrix: None,
        runtime: tokio::runtime::Handle::current(),
        followers: Default::default(),
        hands: Hands::Bot(kernel(&store)),
        web: None,
        audit_room: Box::new(|| None),
    };
    let served = serve(Arc::new(desk), &data, stopping).expect("the socket is made");
    let worked = row.order.map(|_| tokio::spawn(schedule::run(kernel(&store), stop.subscribe())));
    let ran = run(place, row);
    stop.send_replace(true);
    if let Some(worked) = worked {
        worked.await.expect("it ends well").expect("the log works");
    }
    served.await.expect("it ends well");
    store.close();
    ran
}

/// What works off a log as a bot does, with one script.
pub fn kernel(store: &Arc<SledStore>) -> Arc<Kernel> {
    let script = r#"alias("create vm {host} on {cloud}", |a| reply("made"));"#;
    let (scripts, problems) = Scripts::sources(vec![("vm.rhai".into(), script.into())]);
    assert!(problems.is_empty(), "{problems:?}");
    let (world, settings) = (World::new(), Settings::simulated("!"));
    let clock = Arc::new(SystemClock);
    Kernel::new(store.clone(), scripts, world.clone(), world, clock, settings)
        .expect("the log can be read")
}

/// What it printed.
fn told(ran: &Ran, row: &Row) -> Vec<Value> {
    let json = |line| {
        serde_json::from_str(line).unwrap_or_else(|why| panic!("{}: {why}: {line}", row.command))
    };
    ran.out.lines().map(json).collect()
}

#[test]
fn every_subcommand_has_a_row() {
    let rows: BTreeSet<String> = ROWS.iter().map(|row| row.command.to_owned()).collect();
    assert_eq!(rows, leaves(), "each has a row in ROWS, and each row a subcommand");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subcommand_works_with_and_without_a_running_bot() {
    let made = Place::new();
    make(&made).await;
    for row in ROWS {
        let mut said = vec![];
        for beside_bot in [false, true] {
            let place = Place::new();
            copy(&made.path("made"), &place.path("data"));
            copy(&made.path("before"), &place.path("before"));
            copy(&made.path("before.keys"), &place.path("before.keys"));
            let ran = match beside_bot {
                true => run_beside_bot(&place, row).await,
                false => run(&place, row),
            };
            if let Some(file) = row.writes {
                assert!(place.path(file).is_file(), "{}: {file} is missing", row.command);
                continue;
            }
            said.push(told(&ran, row));
        }
        if let Some(want) = row.order {
            let states = [&said[0][0]["state"], &said[1][0]["state"]];
            assert_eq!(states, want, "{}", row.command);
        }
        if row.same && row.writes.is_none() {
            assert!(!said[0].is_empty(), "{} says something", row.command);
            assert_eq!(said[0], said[1], "{} {:?}", row.command, row.args);
        }
    }
}
