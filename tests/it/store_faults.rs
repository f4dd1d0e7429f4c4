//! What the log on disk does when something breaks: it loses nothing that was acknowledged, and refuses what it cannot
//! trust, with the place.

use std::collections::BTreeMap;
use std::fs::{self};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use beadle::domain::event::{Event, Meta, NewEvent, Payload, Recorded};
use beadle::domain::id::{Position, RoomId, UserId, Version};
use beadle::store::sled::SledStore;
use beadle::store::verify::verify;
use beadle::store::{Direction, EventStore, Expected, OpenError, Opened, Options, Write};
use tempfile::TempDir;

use crate::store_world::{event, everything, keyed, open, put, stream, surroundings};

const FIRST_SEGMENT: &str = "log/00000000000000000000.jsonl";

/// A closed log: `created`, then 20 groups of two events, then one with a dedupe key.
pub async fn made() -> (TempDir, Vec<Recorded>) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), 1);
    for nth in 0..20 {
        let name = format!("test-{}", nth % 3);
        put(&store, &name, Expected::Any, &[&format!("a{nth}"), "b"]).await.expect("appends");
    }
    store.append(vec![keyed("test-k", "key", "keyed")]).await.expect("appends");
    (dir, everything(&store))
}

pub fn try_open(dir: &Path) -> Result<(SledStore, Opened), OpenError> {
    SledStore::open(dir, surroundings(99).0, Options::default())
}

/// Opens a log that must be made anew, and compares it with what it was.
fn rebuilt(dir: &Path, before: &[Recorded], reason: &str) {
    let (store, opened) = try_open(dir).expect("opens");
    let told = opened.rebuilt.expect("it was made anew");
    assert!(told.contains(reason), "{told}, not {reason}");
    let after = everything(&store);
    assert_eq!(after[..before.len()], *before);
    let last = after.last().and_then(Recorded::event);
    assert!(matches!(last, Some(Event::StoreRebuilt(it)) if it.reason == told), "{last:?}");
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(store.verify().expect("checks").findings, []);
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("reads");
    change(&mut bytes);
    fs::write(path, bytes).expect("writes");
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("reads");
    text.lines().map(str::to_owned).collect()
}

pub fn copy(from: &Path, to: &Path) {
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

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_told() {
    let (made, before) = made().await;
    let whole = lines(&made.path().join(FIRST_SEGMENT));
    let last = whole[whole.len() - 2].clone();
    let commit = r#"{"commit":{"first":42,"events":1,"crc32":"00000000"}}"#;
    for (what, tail) in [
        ("a part of a line", last.as_bytes()[..40].to_vec()),
        ("a line without its commit line", format!("{last}\n").into_bytes()),
        ("a commit line cut short", format!("{last}\n{}", &commit[..30]).into_bytes()),
        ("a commit line without its end", format!("{last}\n{commit}").into_bytes()),
        ("zero bytes", vec![0; 5_000]),
        ("a page that never came", [&[0; 300][..], format!("x\n{commit}\n").as_bytes()].concat()),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        copy(made.path(), dir.path());
        edit(&dir.path().join(FIRST_SEGMENT), |bytes| bytes.extend(&tail));
        let found = verify(dir.path(), &surroundings(9).0).expect("checks");
        assert_eq!((found.torn_bytes, found.findings), (tail.len() as u64, vec![]), "{what}");
        let (store, opened) = try_open(dir.path()).expect("opens");
        assert_eq!(opened, Opened { cut_bytes: tail.len() as u64, ..Opened::default() }, "{what}");
        assert_eq!(everything(&store), before, "{what}");
        put(&store, "test-a", Expected::Any, &["on"]).await.expect("appends");
        drop(store);
        let (store, opened) = try_open(dir.path()).expect("opens");
        assert_eq!((opened.cut_bytes, everything(&store).len()), (0, before.len() + 1), "{what}");
    }
}

#[tokio::test]
async fn a_bad_line_is_refused_with_its_place() {
    let (made, _) = made().await;
    let count = lines(&made.path().join(FIRST_SEGMENT)).len();
    type Change = Box<dyn Fn(&mut Vec<String>)>;
    let flip = |line: usize, at: usize| -> Change {
        Box::new(move |lines| {
            let mut bytes = lines[line - 1].clone().into_bytes();
            let at = if at == 0 { bytes.len() - 20 } else { at };
            bytes[at] ^= 1;
            lines[line - 1] = String::from_utf8(bytes).expect("is text");
        })
    };
    for (what, change, line, want) in [
        ("a payload", flip(7, 0), 7, "its key does not fit its sealed payload"),
        ("a number", flip(6, 18), 6, "it says that it is event"),
        ("a commit line", flip(5, 40), 5, ""),
        ("the last event", flip(count - 1, 0), count - 1, "its key does not fit"),
        ("the last checksum", flip(count, 0), count, ""),
        (
            "a line is gone",
            Box::new(|lines: &mut Vec<String>| drop(lines.remove(6))),
            7,
            "it closes 2 events, 1 are there",
        ),
        (
            "a group is gone",
            Box::new(|lines: &mut Vec<String>| drop(lines.drain(5..8))),
            8,
            "the group begins at 5, 3 should follow",
        ),
        (
            "rubbish",
            Box::new(|lines: &mut Vec<String>| lines[9] = "rubbish".into()),
            10,
            "it is no envelope",
        ),
    ] as [(&str, Change, usize, &str); 8]
    {
        let dir = tempfile::tempdir().expect("a directory");
        copy(made.path(), dir.path());
        let path = dir.path().join(FIRST_SEGMENT);
        let mut lines = lines(&path);
        change(&mut lines);
        fs::write(&path, lines.join("\n") + "\n").expect("writes");
        let place = format!("{FIRST_SEGMENT}:{line}");
        match try_open(dir.path()).map(drop) {
            Err(OpenError::Damaged { place: got, what: told }) => {
                assert_eq!(got, place, "{what}: {told}");
                assert!(told.contains(want), "{what}: {told}");
            }
            other => panic!("{what}: {other:?}"),
        }
        let found = verify(dir.path(), &surroundings(9).0).expect("checks").findings;
        assert_eq!(found.first().map(|it| it.place.as_str()), Some(&*place), "{what}: {found:?}");
    }
}

/// Says of an event store that it has another format; the first ones said nothing.
fn formatted(dir: &Path, format: Option<u32>) {
    let db = sled::open(dir.join("store")).expect("opens");
    let meta = db.open_tree("meta").expect("opens");
    let bytes = meta.get("applied").expect("reads").expect("is there");
    let mut applied: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
    let known = applied.as_object_mut().expect("has fields");
    known.remove("format").expect("it has a format");
    known.extend(format.map(|format| ("format".to_owned(), format.into())));
    meta.insert("applied", applied.to_string().as_bytes()).expect("writes");
    db.flush().expect("flushes");
    drop((meta, db));
    let found = verify(dir, &surroundings(9).0).expect("checks");
    assert_eq!((found.findings, found.behind), (vec![], found.events), "it is no damage");
}

#[tokio::test]
async fn an_event_store_that_cannot_be_used_is_made_anew() {
    let (made, before) = made().await;
    let (other, _) = {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path(), 2);
        put(&store, "test-x", Expected::Any, &["x"]).await.expect("appends");
        drop(store);
        (dir, ())
    };
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    for (what, change, reason) in [
        (
            "deleted",
            Box::new(|dir: &Path| fs::remove_dir_all(dir.join("store")).expect("deletes")),
            "it was missing",
        ),
        (
            "its configuration is lost",
            Box::new(|dir: &Path| fs::write(dir.join("store/conf"), [0; 62]).expect("writes")),
            "",
        ),
        (
            "its file is lost",
            Box::new(|dir: &Path| fs::write(dir.join("store/db"), [1; 9_000]).expect("writes")),
            "",
        ),
        (
            "of another log",
            Box::new(|dir: &Path| {
                fs::remove_dir_all(dir.join("store")).expect("deletes");
                copy(&other.path().join("store"), &dir.join("store"));
            }),
            "it belongs to another log",
        ),
        (
            "marked",
            Box::new(|dir: &Path| {
                fs::write(dir.join("store.damaged"), "a reason").expect("writes")
            }),
            "a reason",
        ),
        (
            "of an earlier version",
            Box::new(|dir: &Path| formatted(dir, None)),
            "an earlier version",
        ),
        ("of a later version", Box::new(|dir: &Path| formatted(dir, Some(99))), "a later version"),
    ] as [(&str, Change, &str); 7]
    {
        let dir = tempfile::tempdir().expect("a directory");
        copy(made.path(), dir.path());
        change(dir.path());
        println!("{what}");
        if what == "its file is lost" {
            // sled takes a file without any whole segment for an empty one: everything is replayed.
            let (store, _) = try_open(dir.path()).expect("opens");
            assert_eq!(everything(&store)[..before.len()], before);
            continue;
        }
        rebuilt(dir.path(), &before, reason);
        let aside = fs::read_dir(dir.path()).expect("lists").flatten();
        let aside = aside.filter(|it| it.file_name().to_string_lossy().starts_with("store.bad-"));
        assert_eq!(aside.count(), usize::from(what != "deleted"), "{what}");
        assert_eq!(try_open(dir.path()).expect("opens").1, Opened::default(), "only once: {what}");
    }
}

#[tokio::test]
async fn an_event_store_ahead_of_the_journal_is_not_trusted() {
    let (made, before) = made().await;
    let path = made.path().join(FIRST_SEGMENT);
    let kept = lines(&path);
    let ends: Vec<_> =
        (1..=kept.len()).filter(|n| kept[n - 1].starts_with(r#"{"commit"#)).collect();
    let end = ends[ends.len() - 3];
    fs::write(&path, kept[..end].join("\n") + "\n").expect("writes");
    rebuilt(
        made.path(),
        &before[..before.len() - 3],
        "it holds events up to 42, the journal ends at 39",
    );
    let (made, _) = self::made().await;
    let path = made.path().join(FIRST_SEGMENT);
    edit(&path, |bytes| bytes.truncate(bytes.len() - 9));
    let error = try_open(made.path()).map(drop).expect_err("what was acknowledged is lost");
    assert!(
        error.to_string().contains("the journal's end was acknowledged and is lost"),
        "{error}"
    );
    fs::remove_file(&path).expect("deletes");
    let error = try_open(made.path()).map(drop).expect_err("everything is lost");
    assert!(error.to_string().contains("damaged at log/"), "{error}");
}

#[tokio::test]
async fn a_journal_that_went_another_way_is_followed() {
    let (made, before) = made().await;
    let backup = tempfile::tempdir().expect("a directory");
    copy(made.path(), backup.path());
    let store = open(made.path(), 5);
    put(&store, "test-a", Expected::Any, &["one way"]).await.expect("appends");
    drop(store);
    let store = open(backup.path(), 6);
    put(&store, "test-b", Expected::Any, &["another way"]).await.expect("appends");
    put(&store, "test-b", Expected::Any, &["and on"]).await.expect("appends");
    let other = everything(&store);
    drop(store);
    fs::remove_dir_all(backup.path().join("store")).expect("deletes");
    copy(&made.path().join("store"), &backup.path().join("store"));
    rebuilt(backup.path(), &other, "its event 42 is not the journal's");
    assert_eq!(other[..before.len()], before);
}

#[tokio::test]
async fn a_flipped_bit_in_the_event_store_loses_nothing() {
    let (made, _) = made().await;
    let texts: Vec<_> = (0..64).map(|_| "some text that takes a little room").collect();
    for round in 0..3 {
        let store = open(made.path(), 10 + round);
        for nth in 0..20 {
            put(&store, &format!("test-{nth}"), Expected::Any, &texts).await.expect("appends");
        }
    }
    // What it lacks is replayed, and that may be the first to meet the damage.
    let behind = tempfile::tempdir().expect("a directory");
    copy(&made.path().join("store"), &behind.path().join("store"));
    let store = open(made.path(), 20);
    for nth in 0..20 {
        put(&store, &format!("test-{nth}"), Expected::Any, &["later"]).await.expect("appends");
    }
    let before = everything(&store);
    drop(store);
    fs::remove_dir_all(made.path().join("store")).expect("deletes");
    copy(&behind.path().join("store"), &made.path().join("store"));
    let bytes = fs::read(made.path().join("store/db")).expect("reads");
    // sled fills what it does not use with one byte.
    let used = |at: usize| bytes[at] != 0 && bytes.get(at + 1) != Some(&bytes[at]);
    let used: Vec<_> = (0..bytes.len()).filter(|at| used(*at)).collect();
    let mut outcomes = BTreeMap::new();
    for nth in 0..12 {
        let dir = tempfile::tempdir().expect("a directory");
        copy(made.path(), dir.path());
        let at = used[used.len() * nth / 12];
        edit(&dir.path().join("store/db"), |bytes| bytes[at] ^= 1 << (nth % 8));
        let (store, opened) = try_open(dir.path()).expect("opens");
        let read = std::iter::successors(Some(0), |at| Some(at + 4_096));
        let read = read
            .take_while(|at| *at < before.len() as u64)
            .map(|at| store.read_all(Position(at), Direction::Forward, before.len() - at as usize));
        let outcome = match read.collect::<Result<Vec<_>, _>>() {
            Ok(read) => {
                assert_eq!(read.concat()[..before.len()], before, "byte {at}");
                if opened.rebuilt.is_some() { "made anew at once" } else { "equal" }
            }
            Err(_) => {
                assert!(store.failure().borrow().is_some(), "the process is to end");
                assert!(put(&store, "test-a", Expected::Any, &["x"]).await.is_err());
                drop(store);
                let (store, opened) = try_open(dir.path()).expect("opens");
                assert!(opened.rebuilt.is_some(), "byte {at}");
                assert_eq!(everything(&store)[..before.len()], before, "byte {at}");
                "made anew at the next start"
            }
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    println!("{outcomes:?}");
}

#[tokio::test]
async fn keys_must_be_those_of_the_log() {
    let (made, _) = made().await;
    let other = tempfile::tempdir().expect("a directory");
    drop(open(other.path(), 2));
    let keys = made.path().join("keys.bin");
    let good = fs::read(&keys).expect("reads");
    for (what, bytes, want) in [
        (
            "of another log",
            Some(fs::read(other.path().join("keys.bin")).expect("reads")),
            "belongs to another log",
        ),
        ("too short", Some(good[..36 * 9].to_vec()), "the file holds 9"),
        ("no secret", Some(vec![0; 36 * 4_096]), "keys.bin slot 0: its checksum is wrong"),
        ("missing", None, "keys.bin: it is missing"),
    ] {
        let _ = fs::remove_file(&keys);
        if let Some(bytes) = bytes {
            fs::write(&keys, bytes).expect("writes");
        }
        match try_open(made.path()).map(drop) {
            Err(error @ OpenError::Damaged { .. }) => {
                assert!(error.to_string().contains(want), "{what}: {error}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    fs::write(&keys, good).expect("writes");
    try_open(made.path()).expect("nothing was changed");
}

#[tokio::test]
async fn a_second_opener_is_refused() {
    let (made, _) = made().await;
    let store = open(made.path(), 1);
    match try_open(made.path()).map(drop) {
        Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    assert!(matches!(verify(made.path(), &surroundings(9).0), Err(OpenError::Locked { .. })));
    drop(store);
    try_open(made.path()).expect("opens");
}

#[tokio::test]
async fn the_journal_rolls_and_a_missing_file_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { segment_bytes: 2_000, tail_events_max: 65, ..Options::default() };
    let opened = SledStore::open(dir.path(), surroundings(1).0, options);
    let store = opened.expect("opens").0;
    for _ in 0..60 {
        put(&store, "test-a", Expected::Any, &["x", "y"]).await.expect("appends");
    }
    let before = everything(&store);
    drop(store);
    let mut segments = files(&dir.path().join("log"));
    segments.sort();
    assert!(segments.len() > 10, "{}", segments.len());
    for segment in &segments {
        let (length, whole) = (fs::metadata(segment).expect("is there").len(), lines(segment));
        assert!(length <= 2_000 && whole.last().is_some_and(|it| it.starts_with(r#"{"commit"#)));
    }
    assert_eq!(everything(&try_open(dir.path()).expect("opens").0), before);
    assert!(verify(dir.path(), &surroundings(9).0).expect("checks").is_sound());
    fs::remove_file(&segments[3]).expect("deletes");
    let found = verify(dir.path(), &surroundings(9).0).expect("checks").findings;
    assert!(found[0].what.contains("a journal file is missing"), "{found:?}");
    fs::remove_dir_all(dir.path().join("store")).expect("deletes");
    let error = try_open(dir.path()).map(drop).expect_err("it cannot be made anew");
    assert!(error.to_string().contains("a journal file is missing"), "{error}");
}

#[tokio::test]
async fn no_plaintext_reaches_the_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let (marker, user, room) = ("marker \"text\" ä", "@someone:hs.example", "!roomroom:hs.example");
    let store = open(dir.path(), 1);
    let meta = Meta {
        actor: Some(UserId(user.into())),
        room: Some(RoomId(room.into())),
        network: Some("networkname".into()),
        ..Meta::default()
    };
    for _ in 0..5 {
        let events = vec![NewEvent { meta: meta.clone(), ..event(&format!("{marker} {user}")) }];
        let key = Some(beadle::domain::id::DedupeKey(format!("{marker}|{user}|{room}")));
        let write = Write { stream: stream("test-a"), expected: Expected::Any, key, events };
        store.append(vec![write]).await.expect("appends");
    }
    let blob = store.put_blob(format!("{marker} {user} {room}").as_bytes()).expect("fits");
    assert!(store.blob(&blob).expect("reads").is_some());
    drop(store);
    let json = serde_json::to_string(marker).expect("is text");
    let mut needles = Vec::new();
    for text in [marker, json.trim_matches('"'), user, room, "networkname"] {
        needles.push(text.as_bytes().to_vec());
        // In base64 a text looks different at each of three offsets; its ends depend on what is beside it.
        for shift in 0..3 {
            let padded = [&vec![b' '; shift][..], text.as_bytes()].concat();
            let encoded = STANDARD.encode(padded).into_bytes();
            needles.push(encoded[4..encoded.len() - 4].to_vec());
        }
    }
    let files = files(dir.path());
    assert!(files.len() > 6, "{files:?}");
    for path in files {
        let content = fs::read(&path).expect("reads");
        let found =
            needles.iter().find(|it| content.windows(it.len()).any(|window| window == **it));
        let found = found.map(|needle| String::from_utf8_lossy(needle));
        assert_eq!(found, None, "in {}", path.display());
        let mode = fs::metadata(&path).expect("is there").permissions().mode() & 0o077;
        let within = path.strip_prefix(dir.path()).expect("is below");
        assert!(mode == 0 || within.starts_with("store"), "{} is open to others", path.display());
    }
    for folder in ["log", "store", "blobs"] {
        let mode = fs::metadata(dir.path().join(folder)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
}

#[tokio::test]
async fn an_erased_event_stays_in_its_place() {
    let (made, before) = made().await;
    let store = open(made.path(), 1);
    store.erase(&[Position(0), Position(5)]).expect("erases");
    let after = everything(&store);
    assert_eq!((&after[5].payload, &after[5].id), (&Payload::Erased, &before[5].id));
    assert_eq!((&after[4], &after[0]), (&before[4], &before[0]), "an open event has no key");
    let read = store.read(&before[5].id.stream, before[5].id.version, Direction::Forward, 1);
    assert_eq!(read.expect("reads")[0].payload, Payload::Erased);
    let found = store.verify().expect("checks");
    assert_eq!((found.erased, found.findings), (1, vec![]));
    let blob = store.put_blob(b"kept").expect("fits");
    drop(store);
    let path = made.path().join("blobs").join(&blob.id);
    edit(&path, |bytes| bytes[30] ^= 1);
    let store = open(made.path(), 1);
    let error = store.blob(&blob).expect_err("is damaged").to_string();
    assert!(error.contains("its key does not fit its content"), "{error}");
    assert_eq!(store.version(&stream("test-k")).expect("reads"), Some(Version(0)));
    let _ = io::stdout().flush();
}
