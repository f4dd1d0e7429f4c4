//! Backups of a log: made while it is in use, cut off anywhere, damaged, brought back.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use beadle::domain::erasure::{ErasedBlob, EventsErased, Scope, Stretch};
use beadle::domain::event::{BlobRef, EffectCompleted, EffectResult, NewEvent, Payload, Recorded};
use beadle::domain::id::{Position, StreamName, UserId};
use beadle::store::backup::{Error, Made, Restore, Restored, Target, restore};
use beadle::store::disk::{Disk, RealDisk};
use beadle::store::sled::SledStore;
use beadle::store::{
    EventStore, Expected, OpenError, Options, Stopped, Surroundings, Write, silent,
};
use serde_json::json;
use tempfile::TempDir;

use crate::store_world::{event, everything, put, stream, surroundings};

/// A disk whose syncs fail once so many of them were done.
struct Failing(AtomicI64);

impl Disk for Failing {
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        RealDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            ..=0 => Err(io::Error::from_raw_os_error(5)),
            _ => RealDisk.sync(file),
        }
    }
}

/// A log in small files, the place for its backup, and the place where it comes back.
struct Scene {
    dir: TempDir,
    store: Option<SledStore>,
    surroundings: Surroundings,
    failing: Arc<Failing>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (surroundings, failing) = (surroundings(1).0, Arc::new(Failing(i64::MAX.into())));
        let mut scene = Self { dir, store: None, surroundings, failing };
        scene.store = Some(scene.open("data"));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, name: &str) -> SledStore {
        let options =
            Options { segment_bytes: 3_000, disk: self.failing.clone(), ..Options::default() };
        SledStore::open(&self.path(name), self.surroundings.clone(), options).expect("opens").0
    }

    fn store(&self) -> &SledStore {
        self.store.as_ref().expect("it is open")
    }

    async fn fill(&self, from: usize, to: usize) {
        for nth in from..to {
            let name = format!("test-{}", nth % 3);
            let text = format!("text {nth}");
            put(self.store(), &name, Expected::Any, &[&text, "b"]).await.expect("appends");
        }
    }

    /// Keeps a value, and the event that names it.
    async fn keep(&self, content: &[u8]) -> BlobRef {
        let blob = self.store().put_blob(content).expect("is kept");
        let result = EffectResult::Ok(json!("x"));
        let output = Some(blob.clone());
        let event = EffectCompleted { path: "1".into(), attempt: 1, result, output, took_ms: 1 };
        let stream = stream("execution-1");
        let write = Write {
            stream,
            expected: Expected::Any,
            key: None,
            events: vec![NewEvent::bare(event)],
        };
        self.store().append(vec![write]).await.expect("appends");
        blob
    }

    /// Records that a value is erased.
    async fn erase_blob(&self, blob: &BlobRef) {
        let event = EventsErased {
            scope: Scope::Event,
            by: UserId("cli:operator".into()),
            reason: "a test".into(),
            stretches: vec![],
            count: 0,
            blobs: vec![ErasedBlob { id: blob.id.clone(), slot: blob.slot }],
            subjects: vec![],
        };
        let (stream, events) = (StreamName::erasures(), vec![NewEvent::bare(event)]);
        let write = Write { stream, expected: Expected::Any, key: None, events };
        self.store().append(vec![write]).await.expect("appends");
    }

    fn target(&self) -> Target {
        Target { dir: self.path("backup"), keys: self.path("keys"), link: false }
    }

    fn backup(&self) -> Result<Made, Error> {
        self.store().backup(&self.target(), &mut silent)
    }

    fn restore(&self, to: &str, replace: bool) -> Result<Restored, Error> {
        let (dir, keys, to) = (self.path("backup"), self.path("keys"), self.path(to));
        let wanted = Restore { dir, keys, to, replace, erasures: None };
        restore(&wanted, &self.surroundings, &mut silent)
    }

    /// Brings the backup back elsewhere and opens it; gives what the log had when the backup was made.
    fn brought_back(&self, to: &str) -> (SledStore, Vec<Recorded>) {
        let restored = self.restore(to, false).expect("comes back");
        let store = self.open(to);
        assert_eq!(store.verify().expect("checks").findings, []);
        let mut events = everything(&store);
        events.truncate(usize::try_from(restored.next.0).expect("few events"));
        (store, events)
    }
}

/// The files below a directory, with their content.
fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
    let mut all: Vec<_> = entries
        .flat_map(|path| match path.is_dir() {
            true => content(&path),
            false => vec![(path.clone(), fs::read(&path).expect("reads"))],
        })
        .collect();
    all.sort();
    all
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_backup_comes_back_as_it_was() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    let blob = scene.keep(b"a long output").await;
    let before = everything(scene.store());
    let made = scene.backup().expect("is made");
    assert_eq!((made.next, made.verified.events), (Position(42), 42));
    assert_eq!((made.files, made.bytes), (made.new_files, made.new_bytes));
    scene.fill(20, 30).await;
    let (back, events) = scene.brought_back("back");
    assert_eq!(events, before);
    assert_eq!(back.blob(&blob).expect("reads").as_deref(), Some(&b"a long output"[..]));
    put(&back, "test-0", Expected::Any, &["goes on"]).await.expect("appends");
}

#[tokio::test]
async fn keys_are_apart_and_everything_is_the_owners_alone() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    scene.keep(b"a long output").await;
    scene.backup().expect("is made");
    let keys = fs::read(scene.path("data/keys.bin")).expect("reads");
    for (path, bytes) in content(&scene.path("backup")) {
        for slot in keys.chunks(36).take(60) {
            assert!(!holds(&bytes, &slot[..32]), "a key in {}", path.display());
        }
    }
    for folder in ["backup", "backup/log", "backup/blobs", "keys"] {
        let mode = scene.path(folder).metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    for (path, _) in [content(&scene.path("backup")), content(&scene.path("keys"))].concat() {
        let mode = path.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn only_what_is_new_is_copied() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    scene.keep(b"a long output").await;
    let first = scene.backup().expect("is made");
    assert!(first.files > 4, "there are several journal files: {first:?}");
    let again = scene.backup().expect("is made");
    assert_eq!((again.new_files, again.files), (0, first.files), "nothing is new");
    scene.fill(20, 22).await;
    let third = scene.backup().expect("is made");
    assert!((1..=2).contains(&third.new_files), "the end of the journal: {third:?}");
    let before = everything(scene.store());
    assert_eq!(scene.brought_back("back").1, before);
}

#[tokio::test]
async fn erased_keys_leave_the_backup_with_the_next_one() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    scene.backup().expect("is made");
    let slots = fs::read(scene.path("data/keys.bin")).expect("reads");
    scene.store().erase(&[Position(5)]).expect("erases");
    let after = fs::read(scene.path("data/keys.bin")).expect("reads");
    let changed =
        (0..slots.len() / 36).find(|nth| slots[nth * 36..][..36] != after[nth * 36..][..36]);
    let key = &slots[changed.expect("a slot was erased") * 36..][..32];
    let found = |scene: &Scene| content(&scene.path("keys")).iter().any(|(_, it)| holds(it, key));
    assert!(found(&scene), "the backup still has it");
    scene.backup().expect("is made");
    assert!(!found(&scene), "it is gone");
    let (_, events) = scene.brought_back("back");
    assert_eq!(events[5].payload, Payload::Erased);
    assert_eq!(events[6], everything(scene.store())[6]);
}

#[tokio::test]
async fn what_the_replaced_log_had_erased_is_erased_again() {
    let mut scene = Scene::new();
    scene.fill(0, 20).await;
    scene.backup().expect("is made");
    scene.fill(20, 40).await;
    // One that the backup has, and one that came later: its key must not be missing when new events want it.
    scene.store().erase(&[Position(5), Position(60)]).expect("erases");
    fs::create_dir(scene.path("data/matrix")).expect("makes");
    fs::write(scene.path("data/matrix/session.json"), "{}").expect("writes");
    assert!(matches!(scene.restore("data", true), Err(Error::Open(OpenError::Locked { .. }))));
    drop(scene.store.take());
    assert!(matches!(scene.restore("data", false), Err(Error::Refused(_))));
    let restored = scene.restore("data", true).expect("comes back");
    assert_eq!((restored.next, restored.erased), (Position(41), 1));
    let aside = restored.moved_to.expect("it was moved");
    assert!(aside.join("log").is_dir() && !aside.join("matrix").exists());
    assert!(scene.path("data/matrix/session.json").exists(), "the session stays");
    scene.store = Some(scene.open("data"));
    let events = everything(scene.store());
    assert_eq!(events[5].payload, Payload::Erased);
    let erased = events.iter().filter(|it| it.payload == Payload::Erased).count();
    assert_eq!(erased, 1);
    scene.fill(0, 40).await;
    let late = everything(scene.store());
    assert!(late[41..].iter().all(|it| it.payload != Payload::Erased));
}

/// The process had ended between the event and the keys.
#[tokio::test]
async fn what_the_replaced_log_was_about_to_erase_is_erased_too() {
    let mut scene = Scene::new();
    scene.fill(0, 20).await;
    scene.backup().expect("is made");
    let event = EventsErased {
        scope: Scope::Event,
        by: UserId("cli:operator".into()),
        reason: "a test".into(),
        stretches: vec![Stretch(Position(5), Position(6))],
        count: 2,
        blobs: vec![],
        subjects: vec![],
    };
    let (stream, events) = (StreamName::erasures(), vec![NewEvent::bare(event)]);
    let write = Write { stream, expected: Expected::Any, key: None, events };
    scene.store().append(vec![write]).await.expect("appends");
    assert_ne!(everything(scene.store())[5].payload, Payload::Erased, "it is only recorded");
    drop(scene.store.take());
    assert_eq!(scene.restore("data", true).expect("comes back").erased, 2);
    let events = everything(&scene.open("data"));
    assert!(events[5..=6].iter().all(|it| it.payload == Payload::Erased));
    assert_ne!(events[7].payload, Payload::Erased);
}

#[tokio::test]
async fn a_ledger_that_ends_in_half_a_record_is_told() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    scene.backup().expect("is made");
    scene.store().erase(&[Position(5)]).expect("erases");
    for (to, bytes, torn) in [("whole", 0, false), ("half", 7, true)] {
        let ledger = scene.path("ledger.bin");
        let mut content = fs::read(scene.path("data/erasures.bin")).expect("reads");
        content.extend(vec![1; bytes]);
        fs::write(&ledger, content).expect("writes");
        let (dir, keys, to) = (scene.path("backup"), scene.path("keys"), scene.path(to));
        let wanted = Restore { dir, keys, to, replace: false, erasures: Some(ledger) };
        let restored = restore(&wanted, &scene.surroundings, &mut silent).expect("comes back");
        assert_eq!((restored.erased, restored.ledger_torn), (1, torn));
    }
}

#[tokio::test]
async fn a_ledger_of_erasures_is_applied_in_an_empty_place() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    let before = everything(scene.store());
    scene.backup().expect("is made");
    scene.store().erase(&[Position(5)]).expect("erases");
    let with = |to: &str, erasures: &str| {
        let (dir, keys, to) = (scene.path("backup"), scene.path("keys"), scene.path(to));
        let erasures = Some(scene.path(erasures));
        let wanted = Restore { dir, keys, to, replace: false, erasures };
        restore(&wanted, &scene.surroundings, &mut silent)
    };
    assert!(matches!(with("none", "missing.bin"), Err(Error::Refused(_))));
    assert!(matches!(with("none", "keys/manifest.jsonl"), Err(Error::Refused(_))));
    assert!(!scene.path("none").exists(), "nothing was touched");
    assert_eq!(with("back", "data/erasures.bin").expect("comes back").erased, 1);
    let events = everything(&scene.open("back"));
    assert_eq!(events[5].payload, Payload::Erased);
    for nth in (0..before.len()).filter(|nth| *nth != 5) {
        assert_eq!(events[nth], before[nth], "event {nth}");
    }
}

#[tokio::test]
async fn a_slot_that_holds_another_key_by_now_is_left_alone() {
    let mut scene = Scene::new();
    scene.fill(0, 5).await;
    scene.backup().expect("is made");
    let old = ["backup", "keys"].map(|name| (scene.path(name), scene.path(&format!("old-{name}"))));
    for (from, to) in &old {
        fs::rename(from, to).expect("moves");
    }
    scene.fill(5, 20).await;
    scene.backup().expect("is made");
    let later = everything(scene.store());
    drop(scene.store.take());
    let wanted = Restore {
        dir: scene.path("old-backup"),
        keys: scene.path("old-keys"),
        to: scene.path("data"),
        replace: true,
        erasures: None,
    };
    let first = restore(&wanted, &scene.surroundings, &mut silent).expect("comes back");
    // The clock stands still here: the next one that is moved aside has the same name.
    fs::remove_dir_all(first.moved_to.expect("it was moved")).expect("removes");
    scene.store = Some(scene.open("data"));
    scene.fill(5, 20).await;
    scene.store().erase(&[Position(15)]).expect("erases");
    drop(scene.store.take());
    assert_eq!(scene.restore("data", true).expect("comes back").erased, 0);
    assert_eq!(everything(&scene.open("data"))[..later.len()], later);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_while_the_log_goes_on() {
    let scene = Arc::new(Scene::new());
    scene.fill(0, 3).await;
    let going = scene.clone();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopping = stop.clone();
    let appending = tokio::spawn(async move {
        let mut nth = 0;
        while !stopping.load(Ordering::SeqCst) {
            nth += 1;
            going.fill(nth, nth + 1).await;
            if nth % 10 == 0 {
                going.keep(format!("output {nth}").as_bytes()).await;
            }
        }
        nth
    });
    let mut last = Position::START;
    for round in 0..5 {
        let backing = scene.clone();
        let made = tokio::task::spawn_blocking(move || backing.backup());
        let made = made.await.expect("does not panic").expect("is made");
        assert!(made.next > last, "the log goes on");
        last = made.next;
        let (_, events) = scene.brought_back(&format!("back-{round}"));
        assert_eq!(events.len() as u64, made.next.0);
        assert_eq!(events, everything(scene.store())[..events.len()]);
    }
    stop.store(true, Ordering::SeqCst);
    assert!(appending.await.expect("appends") > 0);
}

#[tokio::test]
async fn a_backup_that_is_cut_off_leaves_the_one_before_it() {
    let scene = Scene::new();
    scene.fill(0, 6).await;
    scene.keep(b"an output").await;
    scene.backup().expect("is made");
    let before = everything(scene.store());
    scene.fill(6, 9).await;
    let blob = scene.keep(b"another output").await;
    scene.store().erase(&[Position(2)]).expect("erases");
    for syncs in 0.. {
        assert!(syncs < 100, "a backup of few files ends");
        scene.failing.0.store(syncs, Ordering::SeqCst);
        let made = scene.backup();
        scene.failing.0.store(i64::MAX, Ordering::SeqCst);
        let (back, events) = scene.brought_back(&format!("back-{syncs}"));
        let whole = made.is_ok();
        assert!(events.len() >= before.len(), "cut off after {syncs} syncs");
        for (event, was) in events.iter().zip(&before) {
            let kept = event == was || (event.position.0 == 2 && event.payload == Payload::Erased);
            assert!(kept, "cut off after {syncs} syncs: {event:?}");
        }
        if whole {
            assert_eq!(events, everything(scene.store())[..events.len()]);
            assert_eq!(back.blob(&blob).expect("reads").as_deref(), Some(&b"another output"[..]));
            return;
        }
    }
}

#[tokio::test]
async fn a_backup_that_nobody_waits_for_ends() {
    let scene = Scene::new();
    scene.fill(0, 6).await;
    for (what, word) in [("MiB copied", "copied"), ("MiB of keys copied", "keys")] {
        let mut tell = |told: &str, _, _| if told == what { Err(Stopped) } else { Ok(()) };
        let ended = scene.store().backup(&scene.target(), &mut tell);
        assert!(matches!(ended, Err(Error::Stopped(_))), "{word}: {ended:?}");
    }
    scene.backup().expect("is made");
    scene.brought_back("back");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_touched() {
    let mut scene = Scene::new();
    scene.fill(0, 6).await;
    scene.keep(b"an output").await;
    scene.backup().expect("is made");
    drop(scene.store.take());
    let before = content(&scene.path("data"));
    let files = [content(&scene.path("backup")), content(&scene.path("keys"))].concat();
    // No event here names a person, so the file of their keys is empty.
    let full = files.iter().filter(|(path, bytes)| !path.ends_with("lock") && !bytes.is_empty());
    for (path, bytes) in full {
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        for (what, content) in [
            ("flipped", Some(flipped)),
            ("cut", Some(bytes[..bytes.len() - 1].to_vec())),
            ("gone", None),
        ] {
            match content {
                Some(content) => fs::write(path, content).expect("writes"),
                None => fs::remove_file(path).expect("removes"),
            }
            let refused = scene.restore("data", true);
            let missing = what == "gone" && path.ends_with("manifest.jsonl");
            match refused {
                Err(Error::Damaged { .. }) if !missing => {}
                Err(Error::Refused(_)) if missing => {}
                other => panic!("{} {what}: {other:?}", path.display()),
            }
        }
        fs::write(path, bytes).expect("writes");
    }
    assert_eq!(content(&scene.path("data")), before, "nothing was touched");
    assert!(!scene.path("data.restoring").exists());
    scene.restore("data", true).expect("a whole one comes back");
}

#[tokio::test]
async fn a_restore_that_was_cut_off_is_done_again_and_never_drops_a_log() {
    let mut scene = Scene::new();
    scene.fill(0, 6).await;
    scene.backup().expect("is made");
    scene.fill(6, 9).await;
    drop(scene.store.take());
    // Cut off while it was put together: that is dropped.
    fs::create_dir(scene.path("data.restoring")).expect("makes");
    fs::write(scene.path("data.restoring/not-whole-yet"), "").expect("writes");
    fs::write(scene.path("data.restoring/keys.bin"), "half").expect("writes");
    let mut tell = |what: &str, _, _| if what == "MiB copied" { Err(Stopped) } else { Ok(()) };
    let wanted = Restore {
        dir: scene.path("backup"),
        keys: scene.path("keys"),
        to: scene.path("data"),
        replace: true,
        erasures: None,
    };
    let before = content(&scene.path("data"));
    let ended = restore(&wanted, &scene.surroundings, &mut tell);
    assert!(matches!(ended, Err(Error::Stopped(_))), "{ended:?}");
    assert!(!scene.path("data.restoring").exists(), "its keys are wiped");
    // The log that is there was opened, to carry out what it has recorded as erased: that may move its event store on.
    let store = scene.path("data/store");
    let lasts = |(path, _): &(PathBuf, _)| !path.starts_with(&store);
    let lasting = |all: Vec<_>| all.into_iter().filter(lasts).collect::<Vec<_>>();
    assert_eq!(lasting(content(&scene.path("data"))), lasting(before));
    let before = content(&scene.path("data"));
    // Cut off after the directories changed places: the log that was replaced is there now.
    fs::rename(scene.path("data"), scene.path("data.restoring")).expect("moves");
    let refused = scene.restore("data", true);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let names = |(path, bytes): &(PathBuf, Vec<u8>)| {
        (path.file_name().map(ToOwned::to_owned), bytes.clone())
    };
    let kept: Vec<_> = content(&scene.path("data.restoring")).iter().map(names).collect();
    assert_eq!(kept, before.iter().map(names).collect::<Vec<_>>(), "nothing of it was touched");
    fs::rename(scene.path("data.restoring"), scene.path("data")).expect("moves");
    scene.restore("data", true).expect("comes back");
    assert!(!scene.path("data/not-whole-yet").exists());
}

#[tokio::test]
async fn strange_places_are_refused() {
    let scene = Scene::new();
    scene.fill(0, 3).await;
    fs::create_dir(scene.path("notes")).expect("makes");
    fs::write(scene.path("notes/diary.txt"), "x").expect("writes");
    for (dir, keys, want) in [
        ("data/backup", "keys", "inside the data directory"),
        ("backup", "data/keys", "inside the data directory"),
        ("data/../data", "keys", "inside the data directory"),
        ("", "keys", "inside the data directory"),
        ("backup", "backup", "name another folder for --keys"),
        ("backup", "backup/keys", "name another folder for --keys"),
        ("notes", "keys", "`diary.txt` is in it"),
    ] {
        let target = Target { dir: scene.path(dir), keys: scene.path(keys), link: false };
        let error = scene.store().backup(&target, &mut silent).expect_err("is refused").to_string();
        assert!(error.contains(want), "{dir} and {keys}: {error}");
    }
    scene.backup().expect("is made");
    let other = Scene::new();
    let strange =
        Surroundings { entropy: surroundings(77).0.entropy, ..scene.surroundings.clone() };
    let options = Options::default();
    let other_log = SledStore::open(&other.path("other"), strange, options).expect("opens").0;
    let error = other_log.backup(&scene.target(), &mut silent).expect_err("is refused");
    assert!(error.to_string().contains("the backup of another log"), "{error}");
}

#[tokio::test]
async fn linked_files_stay_when_the_log_goes() {
    let mut scene = Scene::new();
    scene.fill(0, 20).await;
    let before = everything(scene.store());
    let target = Target { link: true, ..scene.target() };
    scene.store().backup(&target, &mut silent).expect("is made");
    drop(scene.store.take());
    fs::remove_dir_all(scene.path("data")).expect("removes");
    assert_eq!(scene.brought_back("back").1, before);
}

#[tokio::test]
async fn an_erased_value_is_still_in_a_linked_backup_of_before() {
    let mut scene = Scene::new();
    scene.fill(0, 20).await;
    let blob = scene.keep(b"a long output").await;
    let before = everything(scene.store());
    let target = Target { link: true, ..scene.target() };
    scene.store().backup(&target, &mut silent).expect("is made");
    let (source, kept) = (format!("data/blobs/{}", blob.id), format!("backup/blobs/{}", blob.id));
    let node = |name: &str| scene.path(name).metadata().expect("is there").ino();
    assert_ne!(node(&source), node(&kept), "it is a copy");
    // As an earlier version left it.
    fs::remove_file(scene.path(&kept)).expect("removes");
    fs::hard_link(scene.path(&source), scene.path(&kept)).expect("links");
    let again = scene.store().backup(&target, &mut silent).expect("is made");
    assert_ne!(node(&source), node(&kept), "it is replaced by a copy");
    assert_eq!(
        (again.new_files, again.new_bytes),
        (1, scene.path(&kept).metadata().expect("is there").len())
    );
    scene.erase_blob(&blob).await;
    // Erasures are carried out when the log is opened.
    drop(scene.store.take());
    scene.store = Some(scene.open("data"));
    assert!(!scene.path(&source).exists(), "it is erased");
    let (back, events) = scene.brought_back("back");
    assert_eq!(events, before);
    assert_eq!(back.blob(&blob).expect("reads").as_deref(), Some(&b"a long output"[..]));
}

#[tokio::test]
async fn the_journals_lines_are_handed_out_as_they_are() {
    let scene = Scene::new();
    scene.fill(0, 20).await;
    let events = vec![event("last")];
    let write = Write { stream: StreamName::log(), expected: Expected::Any, key: None, events };
    scene.store().append(vec![write]).await.expect("appends");
    let lines = scene.store().raw_lines(Position::START, 4_096).expect("reads");
    let mut journal: Vec<u8> = vec![];
    for (_, bytes) in content(&scene.path("data/log")) {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.starts_with(b"{\"commit\""))
            .for_each(|line| journal.extend(line));
    }
    let handed: Vec<u8> = lines.iter().flat_map(|(_, line)| [&line[..], b"\n"].concat()).collect();
    assert_eq!(String::from_utf8_lossy(&handed), String::from_utf8_lossy(&journal));
}
