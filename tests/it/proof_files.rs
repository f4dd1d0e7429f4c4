//! Heads and proofs of single events, with and without a bot, and the stored hashes that they are made from.

use std::fs;
use std::sync::Arc;

use beadle::app::desk::Desk;
use beadle::app::orders::Hands;
use beadle::control;
use beadle::domain::id::Position;
use beadle::store::evidence::INCLUSION_HASHES_MAX;
use beadle::store::sled::SledStore;
use beadle::store::{Options, ReadError};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::proof_world::{Growing, Made, close, edit, export, found, path, room, run};
use crate::store_world::surroundings;

/// A log that a bot has open, as far as the command line sees.
struct Served {
    dir: TempDir,
    stop: watch::Sender<bool>,
    runtime: Runtime,
    store: Arc<SledStore>,
}

impl Served {
    fn new(made: &Made) -> Self {
        let dir = made.copy();
        let runtime = Runtime::new().expect("a runtime");
        let (surroundings, clock) = surroundings(5);
        let opened = SledStore::open(dir.path(), surroundings, Options::default());
        let store = Arc::new(opened.expect("opens").0);
        let (stop, stopping) = watch::channel(false);
        let desk = Desk {
            store: store.clone(),
            clock,
            data: dir.path().to_owned(),
            matrix: None,
            runtime: runtime.handle().clone(),
            audit_room: Box::new(|| None),
            followers: Default::default(),
            hands: Hands::Bot(crate::both_states::kernel(&store)),
            web: None,
        };
        let guard = runtime.enter();
        control::serve(Arc::new(desk), dir.path(), stopping).expect("the socket is made");
        drop(guard);
        Self { dir, stop, runtime, store }
    }

    fn end(self) {
        self.stop.send_replace(true);
        self.runtime.shutdown_timeout(std::time::Duration::from_secs(10));
        self.store.close();
    }
}

#[test]
fn heads_proofs_and_checks_are_the_same_with_and_without_a_bot() {
    let made = Made::new();
    let files = tempfile::tempdir().expect("makes");
    let saved = files.path().join("room.txt");
    fs::write(&saved, room(&made.heads)).expect("writes");
    let mut told = vec![];
    for running in [false, true] {
        let served = running.then(|| Served::new(&made));
        let dir = made.copy();
        let data = served.as_ref().map_or(dir.path(), |served| served.dir.path()).to_owned();
        let ok = |args: &[&str]| {
            let output = run(&[&["--data", path(&data)], args].concat());
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{running} {args:?}: {text}{error}");
            text
        };
        let head = ok(&["log", "head"]);
        assert_eq!(ok(&["log", "head"]), head, "there is one already");
        assert!(head.contains(&format!("key: {}", made.heads[0].key)), "{head}");
        let proof = files.path().join(format!("{running}.json"));
        let proven = ok(&["log", "prove", "test-1/2", "--out", path(&proof)]);
        let shown = ok(&["log", "verify", "--proof", path(&proof)]);
        let checked = ok(&["log", "verify", "--against", path(&saved)]);
        assert!(checked.contains("compared with 3 heads from outside"), "{checked}");
        assert!(ok(&["log", "verify", "--key", &made.heads[0].key]).contains("0 findings"));
        let missing = run(&["--data", path(&data), "log", "prove", "99999"]);
        assert_eq!(missing.status.code(), Some(1));
        told.push([head, proven.replace("true.json", "false.json"), shown, checked]);
        served.into_iter().for_each(Served::end);
    }
    assert_eq!(told[0], told[1]);
}

#[test]
fn a_proof_needs_nothing_but_itself_and_nothing_of_it_can_be_changed() {
    let made = Made::new();
    let dir = made.copy();
    let files = tempfile::tempdir().expect("makes");
    let (proof, saved) = (files.path().join("proof.json"), files.path().join("room.txt"));
    fs::write(&saved, room(&made.heads)).expect("writes");
    let prove = |args: &[&str]| {
        let output = run(&[&["--data", path(dir.path()), "log", "prove"], args].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str::<Value>(&text).expect("is JSON")
    };
    let check = |value: &Value, more: &[&str]| {
        fs::write(&proof, value.to_string()).expect("writes");
        let output = run(&[&["log", "verify", "--proof", path(&proof)], more].concat());
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap_or(-1), told)
    };
    let whole = prove(&["5"]);
    let (status, told) = check(&whole, &[]);
    assert_eq!(status, 0, "{told}");
    assert!(
        told.contains("event 5 test-1/1 memory_written") && told.contains("\"first\""),
        "{told}"
    );
    let keys = fs::read(dir.path().join("keys.bin")).expect("reads");
    let key = whole["event"]["commitment_key"].as_str().expect("it was sealed");
    let key = data_encoding::HEXLOWER.decode(key.as_bytes()).expect("is hexadecimal");
    assert!(!keys.windows(32).any(|window| window == key), "a slot's key is never shown");
    let (status, told) = check(&whole, &["--against", path(&saved)]);
    assert_eq!(
        (status, told.contains("the same head stands in room.txt") || told.contains("room.txt")),
        (0, true),
        "{told}"
    );
    let (status, told) = check(&whole, &["--key", &made.heads[0].key]);
    assert_eq!((status, told.contains("signed with the given key")), (0, true), "{told}");
    let without = prove(&["5", "--without-payload"]);
    assert!(!without.to_string().contains("first"), "{without}");
    let (status, told) = check(&without, &[]);
    assert_eq!((status, told.contains("its payload is not in the proof")), (0, true), "{told}");
    let open = prove(&["0"]);
    assert_eq!((check(&open, &[]).0, open["event"]["commitment_key"].is_null()), (0, true));
    let replaced = |pointer: &str, from: &str, to: &str| {
        let mut changed = whole.clone();
        let place = changed.pointer_mut(pointer).expect("is there");
        *place = place.as_str().expect("a text").replacen(from, to, 1).into();
        assert_ne!(changed, whole, "{pointer}");
        changed
    };
    let other_size = |field: &str| {
        let mut changed = whole.clone();
        changed["inclusion"][field] = 6.into();
        changed
    };
    let mut too_long = whole.clone();
    let hashes = vec![made.heads[0].root.clone(); INCLUSION_HASHES_MAX + 1];
    too_long["inclusion"]["hashes"] = hashes.into();
    let hash = whole["inclusion"]["hashes"][0].as_str().expect("a text").to_owned();
    for (changed, want) in [
        (
            replaced("/event/payload", "first", "forged"),
            "its payload is not what the event committed to",
        ),
        (
            replaced("/event/clear", "memory_written", "memory_writtem"),
            "the event is not under the head",
        ),
        (replaced("/event/clear", "{\"v\"", "{ \"v\""), "not written as this program writes it"),
        (
            replaced(
                "/event/commitment_key",
                &whole["event"]["commitment_key"].as_str().expect("a text")[..2],
                "zz",
            ),
            "its commitment key is none",
        ),
        (
            replaced("/inclusion/hashes/0", &hash, &made.heads[1].root),
            "the event is not under the head",
        ),
        (replaced("/inclusion/hashes/0", &hash, "x"), "one of its hashes is none"),
        (other_size("position"), "do not belong together"),
        (other_size("size"), "do not belong together"),
        (too_long, "hashes are too many"),
        (replaced("/head", "\n\n", "0\n\n"), "its head does not count"),
        (replaced("/key", "+", "+0"), "is no verifier key"),
    ] {
        let (status, told) = check(&changed, &[]);
        assert_eq!(status, 4, "{want}: {told}");
        assert!(told.contains(want), "{want}: {told}");
    }
}

#[test]
fn an_erased_event_is_still_proven() {
    let made = Made::new();
    let dir = made.copy();
    let opened = SledStore::open(dir.path(), surroundings(3).0, Options::default());
    let store = opened.expect("opens").0;
    let handed_out = store.prove(Position(5), &made.heads[0], true, &mut |_, _| {});
    let handed_out = handed_out.expect("is proven");
    store.erase(&[Position(5), Position(20)]).expect("erases");
    let before = beadle::store::evidence::check(&handed_out, None).expect("it still counts");
    assert!(before.position == Position(5) && before.payload.is_some());
    let proof = store.prove(Position(5), &made.heads[0], true, &mut |_, _| {}).expect("is proven");
    assert_eq!((proof.event.erased, &proof.event.payload), (true, &None));
    let shown = beadle::store::evidence::check(&proof, None).expect("it counts");
    assert_eq!((shown.position, shown.payload), (Position(5), None));
    let late = store.prove(Position(made.heads[0].size), &made.heads[0], true, &mut |_, _| {});
    assert!(late.is_err(), "what came after a head is not under it");
    drop(store);
    let (data, published) = (path(dir.path()), dir.path().join("room.txt"));
    fs::write(&published, room(&made.heads)).expect("writes");
    assert_eq!(found(&["--data", data]), (0, vec![]));
    assert_eq!(found(&["--data", data, "--against", path(&published)]), (0, vec![]));
}

#[test]
fn hashes_that_are_lost_or_wrong_are_made_anew() {
    let made = Made::new();
    for (what, change) in [
        ("deleted", Box::new(|_: &mut Vec<u8>| {}) as Box<dyn Fn(&mut Vec<u8>)>),
        ("torn", Box::new(|bytes| bytes.truncate(bytes.len() - 40))),
        ("zeros at the end", Box::new(|bytes| bytes.extend([0; 3_200]))),
        ("a flipped bit of the first hash", Box::new(|bytes| bytes[3] ^= 1)),
        ("a flipped bit of a peak", Box::new(|bytes| bytes[62 * 32] ^= 1)),
        ("empty", Box::new(Vec::clear)),
    ] {
        let dir = made.copy();
        let file = dir.path().join("tree.bin");
        let mut bytes = fs::read(&file).expect("reads");
        let good = bytes.clone();
        change(&mut bytes);
        match what {
            "deleted" => fs::remove_file(&file).expect("deletes"),
            _ => fs::write(&file, &bytes).expect("writes"),
        }
        let inside = bytes.len() == good.len() && bytes != good;
        let (status, findings) = found(&["--data", path(dir.path())]);
        assert_eq!(
            (status, findings.len()),
            if inside { (4, 1) } else { (0, 0) },
            "{what}: {findings:?}"
        );
        assert!(!inside || findings[0].starts_with("tree.bin: from event"), "{findings:?}");
        let mut log = Growing::open(dir.path(), 4);
        log.head();
        let store = log.store.clone();
        let heads = log.end();
        let third = &made.heads[2];
        assert_eq!(heads[0].size, third.size + 3, "{what}");
        drop(store);
        let (status, findings) = found(&[
            "--data",
            path(dir.path()),
            "--export",
            path(&{
                let exported = dir.path().join("log.jsonl");
                fs::write(&exported, export(dir.path())).expect("writes");
                exported
            }),
        ]);
        assert_eq!((status, findings.len()), (0, 0), "{what}: {findings:?}");
    }
}

#[test]
fn no_head_is_signed_over_a_history_that_was_changed() {
    let made = Made::new();
    let dir = made.copy();
    edit(dir.path(), 0, |lines, at| {
        lines[at] = lines[at].replace(r#""wall":1700000000000"#, r#""wall":1700000000001"#);
        close(lines, at, 0);
    });
    for file in ["store", "tree.bin"] {
        let path = dir.path().join(file);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    let log = Growing::open(dir.path(), 9);
    let error = log.store.sign_head(&mut |_, _| {}).expect_err("it is not what was signed");
    let want = format!("the events before {} are not those that were signed", made.heads[2].size);
    assert!(matches!(&error, ReadError::Damaged { what, .. } if *what == want), "{error}");
}
