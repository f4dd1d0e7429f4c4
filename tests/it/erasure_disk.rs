//! What is erased is in no file of the data directory, after a kill and from a restored backup neither.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use beadle::domain::erasure::{ErasedBlob, EventsErased, Scope, Stretch};
use beadle::domain::event::{EffectResult, Event, NewEvent, Payload, Recorded, SyncAdvanced};
use beadle::domain::id::{StreamName, UserId};
use beadle::domain::trigger::What;
use beadle::play::world::World;
use beadle::processor::action::{ActionCall, ActionDone, Actions};
use beadle::processor::erasure::{Order, erase};
use beadle::query::agenda::Agenda;
use beadle::query::erasure::Target;
use beadle::store::backup::{self, Restore, restore};
use beadle::store::erasure::{ErasedSlot, LEDGER_FILE, apply, slots_of};
use beadle::store::sled::SledStore;
use beadle::store::{
    EventStore, Expected, Options, ProjectionChange, ReadError, Surroundings, Write, silent,
};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::desk::Desk;
use crate::store_faults::copy;
use crate::store_world::{everything, open, put, surroundings};

const SCRIPT: &str = r#"//! Keeps what people say.
action("big", #{ run: ["true"], output: "text", effect: "once" });
alias("keep {text:text}", |a, msg| { remember("last", a.text); exec("big", #{}); reply(`kept ${a.text}`); });
"#;

/// What is planted: a text with what JSON escapes, an account, a name.
const TEXT: &str = "plum \"marmalade\" for the neighbours";
const ACCOUNT: &str = "@annabel-lee-1849:local";
const NAME: &str = "Annabel Lee the First";

/// Gives a large output that has everything in it.
struct Big;

impl Actions for Big {
    fn run(&self, _: ActionCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async {
            let whole = format!("{TEXT} {ACCOUNT} {NAME} ").repeat(100).into_bytes();
            ActionDone {
                result: EffectResult::Ok(json!(TEXT)),
                whole: Some(whole),
                took: Duration::ZERO,
            }
        })
    }
}

pub fn store(dir: &Path, world: &World, seed: u64) -> Arc<SledStore> {
    let surroundings =
        Surroundings { clock: world.clock.clone(), entropy: surroundings(seed).0.entropy };
    Arc::new(SledStore::open(dir, surroundings, Options::default()).expect("opens").0)
}

/// A log in which a person has said and caused a lot.
async fn planted(dir: &Path) -> Arc<World> {
    let world = World::new();
    let store = store(dir, &world, 1);
    let desk = Desk::over(&world, store.clone(), Arc::new(Big), SCRIPT);
    let mut said = desk.says(ACCOUNT, "#ops", &format!("!keep {TEXT}"));
    let What::Message(message) = &mut said.what else { panic!("a message") };
    message.speaker.name = NAME.into();
    let other = desk.says("ben", "#ops", &format!("!keep a word from {NAME}"));
    desk.hand_over(vec![said, other], Some("t")).await;
    desk.settle().await.expect("the log works");
    let row = json!({ "note": "only positions stand here" }).to_string().into_bytes();
    let rows = vec![("a".into(), Some(row))];
    let change = ProjectionChange { rows, checkpoint: store.next_position(), replace: true };
    store.project("test-1", change).expect("it is kept");
    desk.kernel.keep_agenda().expect("it is kept");
    drop(desk);
    store.close();
    world
}

async fn erase_person(store: &SledStore) {
    let (by, reason) = (UserId("cli:operator".into()), "a request".to_owned());
    let order = Order { target: Target::Person(ACCOUNT.into()), by, reason };
    let tally = erase(store, &order, |_, _| true).await.expect("it can be erased");
    assert!(tally.blobs == 2 && tally.subjects == 1 && tally.events() > 10, "{tally:?}");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A text as it may stand in a file: raw, escaped for JSON, and in base64 wherever it begins.
pub fn disguises(text: &str) -> Vec<Vec<u8>> {
    let json = json!(text).to_string();
    let mut found = vec![text.as_bytes().to_vec(), json.as_bytes()[1..json.len() - 1].to_vec()];
    for shift in 0..3 {
        let shifted = [&vec![b'.'; shift][..], text.as_bytes()].concat();
        let encoded = STANDARD_NO_PAD.encode(shifted);
        // The first and the last characters depend on what stands beside it.
        found.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
    }
    found
}

/// Panics if one of the texts stands in any file below a directory.
pub fn stands_nowhere(dir: &Path, texts: &[&str]) {
    let needles: Vec<Vec<u8>> = texts.iter().flat_map(|text| disguises(text)).collect();
    for path in files(dir) {
        let content = fs::read(&path).expect("reads");
        for needle in &needles {
            let there = content.windows(needle.len()).any(|window| window == needle);
            assert!(!there, "{} in {}", String::from_utf8_lossy(needle), path.display());
        }
    }
}

/// Everything that somebody who has the whole directory can read.
pub fn readable(store: &SledStore) -> String {
    let mut text = String::new();
    for event in everything(store).iter().filter_map(Recorded::event) {
        text.push_str(&event.encode().to_string());
        if let Event::EffectCompleted(done) = event
            && let Some(blob) = &done.output
            && let Some(bytes) = store.blob(blob).expect("the blob reads")
        {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    text
}

fn is_gone(dir: &Path, store: &SledStore) {
    let text = readable(store);
    for needle in [ACCOUNT, NAME, "marmalade"] {
        assert!(!text.contains(needle), "{needle}");
    }
    stands_nowhere(dir, &[TEXT, ACCOUNT, NAME]);
    let verified = store.verify().expect("it can be checked");
    assert!(verified.findings.is_empty() && verified.erased > 10, "{verified:?}");
}

#[tokio::test]
async fn what_is_erased_stands_in_no_file_and_in_no_restored_backup() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = planted(dir.path()).await;
    let opened = store(dir.path(), &world, 2);
    let (log, keys) = (backup.path().join("log"), backup.path().join("keys"));
    let to = backup::Target { dir: log, keys, link: false };
    opened.backup(&to, &mut silent).expect("the backup is made");
    let text = readable(&opened);
    assert!(text.contains(ACCOUNT) && text.contains(NAME) && text.contains("marmalade"));
    erase_person(&opened).await;
    is_gone(dir.path(), &opened);
    assert_eq!(fs::read_dir(dir.path().join("blobs")).expect("lists").count(), 0);
    opened.close();
    drop(opened);
    let opened = store(dir.path(), &world, 3);
    for nth in 0..200 {
        put(&*opened, "test-a", Expected::Any, &[&format!("more {nth}"), "more"]).await.unwrap();
    }
    opened.close();
    drop(opened);
    fs::remove_dir_all(dir.path().join("store")).expect("it is ours");
    let opened = store(dir.path(), &world, 4);
    is_gone(dir.path(), &opened);
    drop(opened);
    let older = brought_back(&world, &to, &backup.path().join("older"), None);
    assert!(readable(&older).contains(ACCOUNT), "an older copy has it all");
    drop(older);
    let place = backup.path().join("data");
    let ledger = dir.path().join(LEDGER_FILE);
    is_gone_for_good(&world, brought_back(&world, &to, &place, Some(ledger)), &place).await;
    // The log that was erased is replaced by its own backup.
    is_gone_for_good(&world, brought_back(&world, &to, dir.path(), None), dir.path()).await;
}

/// Brings a backup back with what restores one, in the place of a log that is there.
fn brought_back(
    world: &World,
    from: &backup::Target,
    to: &Path,
    erasures: Option<PathBuf>,
) -> Arc<SledStore> {
    let (dir, keys) = (from.dir.clone(), from.keys.clone());
    let wanted = Restore { dir, keys, to: to.to_owned(), replace: true, erasures };
    let around = Surroundings { clock: world.clock.clone(), entropy: surroundings(5).0.entropy };
    restore(&wanted, &around, &mut silent).expect("it comes back");
    store(to, world, 6)
}

/// Looks at once, and again when the log has gone on and was opened anew.
async fn is_gone_for_good(world: &World, restored: Arc<SledStore>, place: &Path) {
    is_gone(place, &restored);
    let subject = beadle::store::Subject::Person(ACCOUNT.into());
    assert_eq!(restored.pseudonym(&subject), None);
    for nth in 0..200 {
        put(&*restored, "test-b", Expected::Any, &[&format!("on {nth}")]).await.expect("appends");
    }
    restored.close();
    drop(restored);
    is_gone(place, &store(place, world, 7));
}

#[tokio::test]
async fn a_ledger_is_applied_once() {
    let (dir, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = planted(dir.path()).await;
    copy(dir.path(), older.path());
    let opened = store(dir.path(), &world, 2);
    erase_person(&opened).await;
    drop(opened);
    let slots = slots_of(&dir.path().join(LEDGER_FILE)).expect("the ledger reads");
    assert!(apply(older.path(), &slots).expect("it can be done again") > 10);
    assert_eq!(apply(older.path(), &slots).expect("once more"), 0, "nothing is left to do");
    is_gone(older.path(), &store(older.path(), &world, 6));
    assert_eq!(slots_of(&older.path().join(LEDGER_FILE)).expect("reads").len(), 2 * slots.len());
}

#[tokio::test]
async fn a_key_that_was_given_out_anew_is_not_overwritten() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = planted(dir.path()).await;
    let opened = store(dir.path(), &world, 2);
    erase_person(&opened).await;
    drop(opened);
    let slots = slots_of(&dir.path().join(LEDGER_FILE)).expect("the ledger reads");
    assert!(slots.iter().any(|slot| matches!(slot, ErasedSlot::Subject(..))));
    let another = open(other.path(), 99);
    for nth in 0..50 {
        put(&another, "test-a", Expected::Any, &[&format!("mine {nth}")]).await.expect("appends");
    }
    let before = everything(&another);
    drop(another);
    assert_eq!(apply(other.path(), &slots).expect("it looks"), 0);
    assert_eq!(everything(&open(other.path(), 99)), before);
}

fn said(positions: &[Recorded], blobs: Vec<ErasedBlob>) -> NewEvent {
    let stretches = positions.iter().map(|it| Stretch(it.position, it.position)).collect();
    NewEvent::bare(EventsErased {
        scope: Scope::Event,
        by: UserId("cli:operator".into()),
        reason: "a test".into(),
        stretches,
        count: positions.len() as u64,
        blobs,
        subjects: vec![0],
    })
}

#[tokio::test]
async fn what_was_recorded_and_not_carried_out_is_carried_out_at_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = planted(dir.path()).await;
    let opened = store(dir.path(), &world, 2);
    let before = everything(&*opened);
    let sealed: Vec<Recorded> =
        before.iter().filter(|it| it.kind == "trigger_recorded").cloned().collect();
    let blobs: Vec<ErasedBlob> = before
        .iter()
        .filter_map(|it| match it.event() {
            Some(Event::EffectCompleted(done)) => done.output.clone(),
            _ => None,
        })
        .map(|blob| ErasedBlob { id: blob.id, slot: blob.slot })
        .collect();
    let events = vec![said(&sealed, blobs)];
    let stream = StreamName::erasures();
    let write = Write { stream, expected: Expected::Any, key: None, events };
    opened.append(vec![write]).await.expect("appends");
    assert_eq!(everything(&*opened)[..before.len()], before, "it is only recorded");
    // The process ends here.
    drop(opened);
    let opened = store(dir.path(), &world, 3);
    for event in &everything(&*opened)[..before.len()] {
        let gone = event.kind == "trigger_recorded";
        assert_eq!(event.payload == Payload::Erased, gone, "{}", event.id);
    }
    assert_eq!(fs::read_dir(dir.path().join("blobs")).expect("lists").count(), 0);
    let ledger = fs::metadata(dir.path().join(LEDGER_FILE)).expect("is there").len();
    drop(opened);
    drop(store(dir.path(), &world, 4));
    let again = fs::metadata(dir.path().join(LEDGER_FILE)).expect("is there").len();
    assert_eq!(again, ledger, "once");
}

/// Makes the open event of a log that is not open look like one of a newer program.
pub fn made_newer(dir: &Path) {
    let path = dir.join("log/00000000000000000000.jsonl");
    let text = fs::read_to_string(&path).expect("reads");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.iter().position(|line| line.contains("\"sync_advanced\"")).expect("is there");
    lines[at] = lines[at].replace("\"sync_advanced\"", "\"sync_advance2\"");
    let crc = crc32fast::hash(format!("{}\n", lines[at]).as_bytes());
    let first: serde_json::Value = serde_json::from_str(&lines[at]).expect("JSON");
    lines[at + 1] = format!(
        "{{\"commit\":{{\"first\":{},\"events\":1,\"crc32\":\"{crc:08x}\"}}}}",
        first["position"]
    );
    fs::write(&path, lines.join("\n") + "\n").expect("writes");
    fs::remove_dir_all(dir.join("store")).expect("it is ours");
}

#[tokio::test]
async fn an_event_of_a_newer_program_is_shown_and_nothing_is_folded_over_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path(), 1);
    let events = vec![NewEvent::bare(SyncAdvanced { token: "t".into() })];
    let (stream, expected) = (StreamName::sync(), Expected::Any);
    opened.append(vec![Write { stream, expected, key: None, events }]).await.expect("appends");
    drop(opened);
    made_newer(dir.path());
    let world = World::new();
    let opened = store(dir.path(), &world, 2);
    let all = everything(&*opened);
    let row = beadle::query::command::shown(&all[1]);
    assert_eq!((&row["type"], &row["payload_state"]), (&json!("sync_advance2"), &json!("unknown")));
    assert_eq!(row["payload"], json!({ "token": "t" }));
    let refused = Agenda::default().catch_up(&*opened).expect_err("it is refused");
    assert!(matches!(refused, ReadError::Newer { .. }));
    let (scripts, _) = beadle::processor::scripts::Scripts::sources(vec![]);
    let settings = beadle::processor::Settings::simulated("!");
    let kernel = beadle::processor::Kernel::new(
        opened,
        scripts,
        world.clone(),
        world.clone(),
        world.clock.clone(),
        settings,
    );
    let why = kernel.err().expect("it is refused").to_string();
    assert_eq!(
        why,
        "event 1 (`sync_advance2` version 1) was written by a newer beadle: upgrade this program"
    );
}
