//! Data directories of every earlier format are kept, and read the same for ever.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use beadle::domain::event::{Event, decode};
use beadle::domain::id::{DedupeKey, Position};
use beadle::store::{EventStore, Expected, Subject};
use serde_json::Value;

use super::full_read::{Answers, Asks, full_read};
use super::log_verify;
use crate::store_faults::try_open;
use crate::store_world::put;

fn kept() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/directories");
    let mut kept = super::files(&folder);
    kept.retain(|path| path.to_string_lossy().ends_with(".tar.gz"));
    kept
}

fn unpack(archive: &Path, to: &Path) {
    let done = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(to).status();
    assert!(done.expect("tar is there").success(), "{}", archive.display());
}

/// What a full read gave when the directory was kept.
fn manifest(archive: &Path) -> Answers {
    let path = archive.to_string_lossy().replace(".tar.gz", ".jsonl.gz");
    let file = fs::File::open(&path).expect("every directory has a manifest");
    let output = Command::new("gzip").arg("-dc").stdin(Stdio::from(file)).output();
    let text = String::from_utf8(output.expect("gzip is there").stdout).expect("is text");
    let row = |line: &str| serde_json::from_str::<(String, Value)>(line).expect("is a row");
    text.lines().map(row).collect()
}

fn asks(manifest: &Answers) -> Asks {
    let keys = manifest.keys().filter_map(|it| it.strip_prefix("key "));
    let persons = (0..5).map(|nth| Subject::Person(format!("@person{nth}:hs.example")));
    let rooms = (0..3).map(|nth| Subject::Room(format!("!room{nth}:hs.example")));
    Asks {
        keys: keys.map(|key| DedupeKey(key.into())).collect(),
        subjects: persons.chain(rooms).chain([Subject::Network("irc".into())]).collect(),
        projections: Vec::new(),
        indexes: true,
    }
}

/// The payload as the program of today understands it: an older shape is turned into the newest.
fn understood(row: &Value) -> Option<Event> {
    let kind = row["type"].as_str()?;
    let schema = row["schema"].as_u64()?;
    decode(kind, u32::try_from(schema).ok()?, row["payload"].get("event")?.clone()).ok()
}

fn same(question: &str, was: &Value, is: &Value) -> bool {
    if !question.starts_with("event ") {
        return was == is;
    }
    let clear = |row: &Value| {
        let mut row = row.clone();
        row["payload"] = Value::Null;
        row
    };
    let payload = was["payload"] == is["payload"] || understood(was) == understood(is);
    clear(was) == clear(is) && payload
}

#[tokio::test]
async fn every_kept_directory_reads_as_it_did() {
    let kept = kept();
    assert!(kept.len() >= 2, "{kept:?}");
    for archive in kept {
        let what = archive.display().to_string();
        let mut wanted = manifest(&archive);
        wanted.retain(|question, _| !question.starts_with("projection "));
        let count = wanted.keys().filter(|it| it.starts_with("event ")).count() as u64;
        assert!(count > 100 && wanted.values().any(|it| it["payload"] == "erased"), "{what}");
        let dir = tempfile::tempdir().expect("a directory");
        unpack(&archive, dir.path());
        let (store, opened) = try_open(dir.path()).expect("opens");
        println!("{what}: {opened:?}");
        let read = full_read(&store, &asks(&wanted), Position(count)).expect("reads");
        let differing: BTreeMap<_, _> = wanted
            .iter()
            .filter(|(question, was)| {
                !read.get(*question).is_some_and(|is| same(question, was, is))
            })
            .map(|(question, was)| (question, (was, read.get(question))))
            .collect();
        assert!(differing.is_empty(), "{what}: {differing:#?}");
        put(&store, "test-on", Expected::Any, &["on"]).await.expect("appends");
        let next = store.next_position();
        assert_eq!(store.verify().expect("checks").findings, [], "{what}");
        drop(store);
        let (status, said) = log_verify(dir.path());
        assert_eq!(status, Some(0), "{what}: {said}");
        let (store, opened) = try_open(dir.path()).expect("opens");
        assert_eq!((opened.rebuilt, store.next_position()), (None, next), "{what}");
    }
}
