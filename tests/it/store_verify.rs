//! What a check of the whole log finds, in a log that is closed and in one that is in use.

use std::sync::Arc;

use beadle::store::Expected;
use beadle::store::verify::verify;

use crate::store_faults::{copy, made};
use crate::store_world::{open, put, surroundings};

#[tokio::test]
async fn verify_finds_what_is_wrong_in_the_event_store() {
    let (made, before) = made().await;
    let sound = verify(made.path(), &surroundings(9).0).expect("checks");
    assert_eq!((sound.events, sound.segments, sound.is_sound()), (42, 1, true));
    let place = |position: u64| position.to_be_bytes();
    let key = before[41].key.expect("has a key").0;
    type Row = (sled::IVec, sled::IVec);
    let first = |db: &sled::Db, tree: &str| -> sled::Result<(sled::Tree, Row)> {
        let tree = db.open_tree(tree)?;
        let row = tree.first()?.expect("it has rows");
        Ok((tree, row))
    };
    let removed = |name: &'static str| -> Change<'_> {
        Box::new(move |db: &sled::Db| {
            let (tree, (key, _)) = first(db, name)?;
            tree.remove(key)
        })
    };
    type Change<'a> = Box<dyn Fn(&sled::Db) -> sled::Result<Option<sled::IVec>> + 'a>;
    for (what, change, want) in [
        (
            "a checksum",
            Box::new(|db: &sled::Db| {
                let (tree, (key, row)) = first(db, "events")?;
                let mut row = row.to_vec();
                *row.last_mut().expect("it ends with a checksum") ^= 1;
                tree.insert(key, row)
            }),
            "its place or its checksum is not that of the journal",
        ),
        ("a row of events", removed("events"), "store/events 0: it is missing"),
        (
            "a row of events more",
            Box::new(|db: &sled::Db| {
                let (tree, (_, row)) = first(db, "events")?;
                tree.insert(place(41), row)
            }),
            "store/events",
        ),
        (
            "a stream",
            Box::new(|db: &sled::Db| {
                let (tree, (key, _)) = first(db, "streams")?;
                tree.insert(key, &[3])
            }),
            "store/streams log-main/0: it names event 3, not 0",
        ),
        ("a stream's row", removed("streams"), "store/streams log-main/0: it names nothing, not 0"),
        (
            "a stream more",
            Box::new(|db: &sled::Db| {
                db.open_tree("streams")?.insert(b"test-new\0\0\0\0\0\0\0\0\0", &[3])
            }),
            "store/streams: it names 43 events, the journal accounts for 42",
        ),
        (
            "a key",
            Box::new(|db: &sled::Db| db.open_tree("keys")?.remove(key)),
            "it does not name event 41",
        ),
        (
            "a key more",
            Box::new(|db: &sled::Db| db.open_tree("keys")?.insert(b"0123456789abcdef", &place(3))),
            "store/keys: it names 2 events, the journal accounts for 1",
        ),
        ("an index row", removed("index"), "store/index: its "),
        (
            "another index row",
            Box::new(|db: &sled::Db| {
                let (tree, (key, row)) = first(db, "index")?;
                tree.remove(&key)?;
                let mut other = key.to_vec();
                other[5] ^= 1;
                tree.insert(other, row)
            }),
            "store/index: its 42 positions are not the 42",
        ),
    ] as [(&str, Change, &str); 10]
    {
        let dir = tempfile::tempdir().expect("a directory");
        copy(made.path(), dir.path());
        let db = sled::open(dir.path().join("store")).expect("opens");
        change(&db).expect("writes");
        db.flush().expect("flushes");
        drop(db);
        let found = verify(dir.path(), &surroundings(9).0).expect("checks").findings;
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|it| it.contains(want)), "{what}: {found:?}, not {want}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_checks_a_log_in_use() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(dir.path(), 1));
    let appending = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                put(&*store, "test-a", Expected::Any, &["x", "y"]).await.expect("appends");
            }
        })
    };
    while !appending.is_finished() {
        let found = store.verify().expect("checks");
        assert_eq!(found.findings, []);
    }
    let found = store.verify().expect("checks");
    assert_eq!((found.events, found.findings), (201, vec![]));
}
