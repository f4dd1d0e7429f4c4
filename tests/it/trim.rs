//! Dropping the front of a log: what stays reads the same, is verified and proved as before, and a kill is carried on.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use beadle::app::trim::trim;
use beadle::domain::event::{
    EffectCompleted, Event, Meta, NewEvent, Payload, Recorded, TreeHead, decode,
};
use beadle::domain::id::{DedupeKey, EventId, Position, StreamName, Timestamp, Version};
use beadle::processor::upkeep;
use beadle::query::command::Rows;
use beadle::store::backup::{Restore, Target, restore};
use beadle::store::disk::{Disk, RealDisk};
use beadle::store::history::Claim;
use beadle::store::sled::SledStore;
use beadle::store::verify::{Verified, verify, verify_against};
use beadle::store::{By, Direction, EventStore, Expected, Options, Write, silent};
use serde_json::Value;
use tempfile::TempDir;

use crate::store_world::{keyed, put, stream, surroundings};

/// Later than everything that is written here.
const LATER: Timestamp = Timestamp(1_800_000_000_000);
/// How much of a log is read at once: all of these.
const ALL: usize = 4_096;

fn options() -> Options {
    Options { segment_bytes: 3_000, ..Options::default() }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, surroundings(1).0, options()).expect("opens").0
}

/// A log in small files, with a value beside it, under a head.
struct Log {
    dir: TempDir,
    store: Option<SledStore>,
    head: TreeHead,
    blob: String,
    before: Vec<Recorded>,
}

fn all(store: &SledStore) -> Vec<Recorded> {
    store.read_all(Position::START, Direction::Forward, ALL).expect("reads")
}

fn write(name: &str, event: impl Into<Event>) -> Write {
    let events = vec![NewEvent::bare(event)];
    Write { stream: stream(name), expected: Expected::Any, key: None, events }
}

async fn fill(store: &SledStore) {
    for nth in 0..20 {
        put(store, "memory-busy", Expected::Any, &[&nth.to_string()]).await.expect("appends");
    }
}

async fn sign(store: &SledStore) -> TreeHead {
    let head = store.sign_head(&mut |_, _| {}).expect("signs").expect("it keeps heads");
    store.append(vec![write("heads-main", head.clone())]).await.expect("appends");
    head
}

impl Log {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        let blob = store.put_blob(b"a large value").expect("keeps it");
        let fixture = include_str!("../fixtures/events/effect_completed.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
        let Event::EffectCompleted(effect) =
            decode("effect_completed", 1, list[0].clone()).expect("decodes")
        else {
            panic!("it is an effect");
        };
        let (id, output) = (blob.id.clone(), Some(blob));
        let effect = EffectCompleted { output, ..effect };
        store.append(vec![write("execution-ABC1", effect)]).await.expect("appends");
        store.append(vec![keyed("memory-keyed", "old", "x")]).await.expect("appends");
        fill(&store).await;
        store.append(vec![keyed("memory-keyed", "new", "y")]).await.expect("appends");
        let head = sign(&store).await;
        fill(&store).await;
        let before = all(&store);
        Self { dir, store: Some(store), head, blob: id, before }
    }

    fn store(&self) -> &SledStore {
        self.store.as_ref().expect("it is open")
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The last file boundary that the head covers.
    fn cut(&self) -> Position {
        let files = self.store().sealed_files().expect("lists");
        let covered = files.iter().filter(|(_, end, _)| end.0 <= self.head.size);
        let cut = covered.last().expect("some file is covered").1;
        assert!(files.len() > 4 && cut.0 > 10, "it is worth a test: {files:?}");
        cut
    }

    /// Records a trim; nothing is dropped yet.
    async fn record(&self, cut: Position) {
        let trimmed = self.store().trimmed(cut).expect("it may go");
        upkeep::note(self.store(), &Meta::default(), trimmed).await.expect("appends");
    }

    /// What is to be read when everything before a position is dropped.
    fn kept(&self, cut: Position) -> Vec<Recorded> {
        self.before[usize::try_from(cut.0).expect("is small")..].to_vec()
    }
}

/// Whether a trimmed log reads as it must, whichever way it is read.
fn reads(store: &SledStore, kept: &[Recorded]) {
    let cut = kept[0].position;
    assert_eq!(store.begins(), cut);
    let now = all(store);
    assert_eq!(now[..kept.len()], *kept);
    let mut back = store.read_all(Position::END, Direction::Backward, ALL).expect("reads");
    back.reverse();
    assert_eq!(back, now);
    let before = Position(cut.0 - 1);
    assert_eq!(store.read_all(before, Direction::Backward, 9).expect("reads"), []);
    assert_eq!(store.read_at(&[Position(1), cut]).expect("reads"), [now[0].clone()]);
    let name = stream("memory-busy");
    let busy: Vec<Recorded> = now.iter().filter(|it| it.id.stream == name).cloned().collect();
    assert!(busy[0].id.version > Version::START, "of this stream a part is dropped");
    for (from, direction) in
        [(Version::START, Direction::Forward), (Version::END, Direction::Backward)]
    {
        let mut read = store.read(&name, from, direction, ALL).expect("reads");
        if direction == Direction::Backward {
            read.reverse();
        }
        assert_eq!(read, busy);
    }
    let first = EventId { stream: name.clone(), version: Version::START };
    assert_eq!(store.event(&first).expect("reads"), None);
    assert_eq!(store.version(&name).expect("reads"), busy.last().map(|last| last.id.version));
    let gone = StreamName::parse("execution-ABC1").expect("is a name");
    assert_eq!(store.read(&gone, Version::START, Direction::Forward, 9).expect("reads"), []);
    let by = By::Kind("memory_written".into());
    let places: Vec<Position> =
        now.iter().filter(|it| it.kind == "memory_written").map(|it| it.position).collect();
    let found = store.positions(&by, Position::START, Direction::Forward, ALL);
    assert_eq!(found.expect("reads"), places);
    let mut found = store.positions(&by, Position::END, Direction::Backward, ALL).expect("reads");
    found.reverse();
    assert_eq!(found, places);
    let mut seen = vec![];
    let look = &mut |glance: &beadle::store::scan::Glance| seen.push(glance.position);
    store.glance(Position::START, Direction::Forward, ALL, look).expect("reads");
    assert_eq!(seen, now.iter().map(|it| it.position).collect::<Vec<_>>());
    assert_eq!(store.find(&DedupeKey("old".into())).expect("reads"), None, "it is forgotten");
}

fn sound(verified: &Verified, cut: Position) {
    assert_eq!(verified.findings, []);
    assert_eq!((verified.first, verified.erased), (cut, 0));
}

/// Whether nothing of what was dropped is left: no file, no value, and no key, for whoever kept the journal.
fn gone(dir: &Path, old: &Path, blob: &str, cut: Position) {
    let files = fs::read_dir(dir.join("log")).expect("lists");
    for file in files.map(|file| file.expect("lists").file_name()) {
        let first: u64 = file.to_string_lossy()[..20].parse().expect("a number");
        assert!(first >= cut.0, "{file:?} is left");
    }
    assert!(!dir.join("blobs").join(blob).exists(), "the value is left");
    let spy = tempfile::tempdir().expect("a directory");
    copy(&old.join("log"), &spy.path().join("log"));
    for name in ["keys.bin", "subjects.bin", "erasures.bin"] {
        fs::copy(dir.join(name), spy.path().join(name)).expect("copies");
    }
    let store = open(spy.path());
    for event in all(&store).iter().filter(|event| event.position < cut) {
        let open = matches!(event.kind.as_str(), "log_created" | "tree_head");
        assert!(open || event.payload == Payload::Erased, "{} can be read", event.id);
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_reads_as_before_is_sound_and_is_proved() {
    let mut log = Log::new().await;
    let (cut, old) = (log.cut(), tempfile::tempdir().expect("a directory"));
    copy(log.path(), old.path());
    let kept = log.kept(cut);
    log.record(cut).await;
    let dropped = log.store().settle_trim().expect("drops");
    assert!(dropped.files > 2 && dropped.bytes > 6_000, "{dropped:?}");
    assert_eq!(log.store().settle_trim().expect("is done").files, 0, "once is enough");
    reads(log.store(), &kept);
    sound(&log.store().verify().expect("checks"), cut);
    let proof = log.store().prove(cut, &log.head, true, &mut |_, _| {}).expect("proves");
    assert_eq!(proof.inclusion.position, cut.0);
    let dropped = log.store().prove(Position(1), &log.head, true, &mut |_, _| {});
    assert!(dropped.expect_err("is gone").to_string().contains("it is not there"));
    fill(log.store()).await;
    let later = sign(log.store()).await;
    assert!(later.size > log.head.size);
    for rebuilt in [false, true] {
        drop(log.store.take());
        if rebuilt {
            fs::remove_dir_all(log.path().join("store")).expect("removes");
        }
        log.store = Some(open(log.path()));
        reads(log.store(), &kept);
        sound(&log.store().verify().expect("checks"), cut);
        sign(log.store()).await;
    }
    drop(log.store.take());
    let claim = |head: &TreeHead| {
        let (size, root) = (head.size, head.root.clone());
        Claim { size, root, place: "outside".into() }
    };
    let claims = [claim(&log.head), claim(&later)];
    let verified = verify_against(log.path(), &surroundings(1).0, &claims, &mut silent);
    sound(&verified.expect("checks"), cut);
    gone(log.path(), old.path(), &log.blob, cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_trimmed_again_and_again() {
    let log = Log::new().await;
    for _ in 0..2 {
        let files = log.store().sealed_files().expect("lists");
        let cut = files[0].1;
        let before = all(log.store());
        log.record(cut).await;
        log.store().settle_trim().expect("drops");
        let now = all(log.store());
        let kept: Vec<_> = before.into_iter().filter(|event| event.position >= cut).collect();
        assert_eq!((now[..kept.len()].to_vec(), log.store().begins()), (kept, cut));
        sound(&log.store().verify().expect("checks"), cut);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_trimmed_log_comes_back() {
    let mut log = Log::new().await;
    let (cut, place) = (log.cut(), tempfile::tempdir().expect("a directory"));
    let path = |name: &str| place.path().join(name);
    let target = Target { dir: path("backup"), keys: path("keys"), link: false };
    log.store().backup(&target, &mut silent).expect("backs up the whole log");
    let kept = log.kept(cut);
    log.record(cut).await;
    log.store().settle_trim().expect("drops");
    log.store().backup(&target, &mut silent).expect("backs up what is left");
    drop(log.store.take());
    let back = Restore {
        dir: path("backup"),
        keys: path("keys"),
        to: path("data"),
        replace: false,
        erasures: None,
    };
    restore(&back, &surroundings(1).0, &mut silent).expect("brings it back");
    let store = open(&path("data"));
    reads(&store, &kept);
    sound(&store.verify().expect("checks"), cut);
    sign(&store).await;
}

/// A disk that refuses everything once so many things were done, as if the process had ended.
struct Ending(AtomicI64);

impl Ending {
    fn goes_on(&self) -> io::Result<()> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            ..=0 => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }
}

impl Disk for Ending {
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.goes_on().and_then(|()| RealDisk.write(file, bytes))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.goes_on().and_then(|()| RealDisk.sync(file))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_steps_is_carried_on() {
    let mut log = Log::new().await;
    let (cut, old) =
        (log.store().sealed_files().expect("lists")[1].1, TempDir::new().expect("one"));
    let kept = log.kept(cut);
    log.record(cut).await;
    drop(log.store.take());
    copy(log.path(), old.path());
    let mut stopped_within = 0;
    for steps in 0.. {
        assert!(steps < 200, "it comes to an end");
        let dir = tempfile::tempdir().expect("a directory");
        copy(old.path(), dir.path());
        let disk = Arc::new(Ending(AtomicI64::new(steps)));
        let options = Options { disk: disk.clone(), ..options() };
        let opened = SledStore::open(dir.path(), surroundings(1).0, options);
        let opens = opened.is_ok();
        drop(opened);
        let files = |dir: &Path| fs::read_dir(dir.join("log")).expect("lists").count();
        let (left, whole) = (files(dir.path()), files(old.path()));
        let done = opens && left + 2 == whole;
        stopped_within += usize::from(!done && left < whole);
        let store = open(dir.path());
        reads(&store, &kept);
        sound(&store.verify().expect("checks"), cut);
        drop(store);
        sound(&verify(dir.path(), &surroundings(1).0).expect("checks"), cut);
        gone(dir.path(), old.path(), &log.blob, cut);
        if done {
            break;
        }
    }
    assert!(stopped_within > 3, "some ended after a file was dropped: {stopped_within}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dropped_that_no_head_covers_or_that_is_no_whole_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    fill(&store).await;
    let files = store.sealed_files().expect("lists");
    let why = |cut| store.trimmed(cut).expect_err("is refused").to_string();
    assert_eq!(why(files[0].1), "nothing was dropped: no signed head covers it yet");
    assert_eq!(why(Position::START), "nothing was dropped: nothing before it is there");
    let inside = Position(files[0].1.0 - 1);
    assert!(why(inside).contains("no file of the journal begins with event"));
    sign(&store).await;
    assert!(store.trimmed(files[0].1).is_ok());
    assert_eq!(store.settle_trim().expect("nothing to do").files, 0);
    assert_eq!((store.begins(), all(&store).len()), (Position::START, 22));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_file_that_is_missing_is_damage_whatever_is_trimmed() {
    let mut log = Log::new().await;
    let cut = log.store().sealed_files().expect("lists")[1].1;
    log.record(cut).await;
    log.store().settle_trim().expect("drops");
    let files = log.store().sealed_files().expect("lists");
    drop(log.store.take());
    let first = log.path().join("log").join(format!("{:020}.jsonl", files[0].0.0));
    fs::remove_file(first).expect("removes");
    let verified = verify(log.path(), &surroundings(1).0).expect("checks");
    let told = "0 should follow: a journal file is missing";
    assert!(verified.findings.iter().any(|finding| finding.what == told), "{verified:?}");
    fs::remove_dir_all(log.path().join("store")).expect("removes");
    let refused = SledStore::open(log.path(), surroundings(1).0, options());
    assert!(refused.err().expect("is refused").to_string().contains(told));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_dropped_when_it_is_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(dir.path()));
    let ask = |before| {
        let (store, runtime) = (store.clone(), tokio::runtime::Handle::current());
        tokio::task::spawn_blocking(move || {
            let mut rows = Rows::default();
            trim(&store, &runtime, None, before, &mut rows).expect("answers");
            rows.0.remove(0)
        })
    };
    fill(&store).await;
    let row = ask(LATER).await.expect("ends");
    assert_eq!(
        (&row["dropped_files"], &row["held"]),
        (&0.into(), &"no signed head covers it yet".into())
    );
    sign(&store).await;
    let row = ask(Timestamp(0)).await.expect("ends");
    assert_eq!((&row["dropped_files"], &row["held"]), (&0.into(), &"it is not old enough".into()));
    let before = all(&store);
    let row = ask(LATER).await.expect("ends");
    let cut = store.begins();
    assert!(row["dropped_files"].as_u64() > Some(1) && cut.0 > 5, "{row}");
    assert_eq!(row["dropped_events"], cut.0);
    let kept: Vec<_> = before.into_iter().filter(|event| event.position >= cut).collect();
    assert_eq!(all(&store)[..kept.len()], kept);
    sound(&store.verify().expect("checks"), cut);
}
