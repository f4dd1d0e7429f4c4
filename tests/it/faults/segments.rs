//! Files of the journal are deleted, or swapped: with an older copy, with another log's, with each other.
//!
//! With the event store in place nothing is answered differently, or it is made anew and that is told; without it the log is
//! refused. What a verifier on this machine alone cannot know is a journal that only ends earlier: signed heads kept
//! elsewhere show that.

use std::fs;
use std::path::{Path, PathBuf};

use beadle::domain::event::Recorded;
use beadle::store::sled::SledStore;
use beadle::store::verify::verify;
use beadle::store::{Expected, OpenError, Options};

use super::full_read::events;
use super::{copy, files};
use crate::store_faults::try_open;
use crate::store_world::{put, surroundings};

/// A log of several journal files.
async fn made(seed: u64, appends: u32) -> (tempfile::TempDir, Vec<Recorded>) {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { segment_bytes: 4_000, ..Options::default() };
    let opened = SledStore::open(dir.path(), surroundings(seed).0, options);
    let store = opened.expect("opens").0;
    for nth in 0..appends {
        let name = format!("test-{}", nth % 5);
        put(&store, &name, Expected::Any, &["x", &format!("{nth}")]).await.expect("appends");
    }
    let all = events(&store).expect("reads");
    (dir, all)
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    files(&dir.join("log"))
}

/// Only the first two thirds of the groups of a file: what it held when an older copy was taken.
fn shorten(path: &Path) {
    let text = fs::read_to_string(path).expect("reads");
    let groups: Vec<&str> = text.split_inclusive("}}\n").collect();
    fs::write(path, groups[..groups.len() * 2 / 3].concat()).expect("writes");
}

/// What an opening and a full read come to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Refused,
    Equal,
    /// Made anew from a journal that ends earlier, and told.
    Shorter,
    /// It ends earlier, and nothing on this machine knows better.
    Unknown,
}

fn came(dir: &Path, before: &[Recorded], what: &str) -> Came {
    let (store, opened) = match try_open(dir) {
        Ok(opened) => opened,
        Err(OpenError::Damaged { place, .. }) => {
            assert!(!place.is_empty(), "{what}");
            return Came::Refused;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let Ok(after) = events(&store) else { return Came::Refused };
    let same = after.iter().zip(before).take_while(|(is, was)| is == was).count();
    if same == before.len() {
        return Came::Equal;
    }
    match opened.rebuilt {
        Some(told) if told == "it was missing" => Came::Unknown,
        Some(told) => {
            let ahead =
                told.contains("the journal ends at") || told.contains("is not the journal's");
            assert!(ahead, "{what}: {told}");
            assert_eq!(after.len(), same + 1, "{what}: only what tells of it is new");
            Came::Shorter
        }
        None => panic!("{what}: silently different from event {same} on"),
    }
}

#[tokio::test]
async fn files_of_the_journal_are_missed() {
    let (made_dir, before) = made(1, 90).await;
    let (other_dir, _) = made(2, 90).await;
    let count = segments(made_dir.path()).len();
    assert!(count >= 6, "{count} files");
    type Change<'a> = Box<dyn Fn(&Path, usize) + 'a>;
    let changes: [(&str, Change); 4] = [
        ("deleted", Box::new(|dir, nth| fs::remove_file(&segments(dir)[nth]).expect("deletes"))),
        ("an older copy", Box::new(|dir, nth| shorten(&segments(dir)[nth]))),
        (
            "another log's",
            Box::new(|dir, nth| {
                let of_the_other = &segments(other_dir.path())[nth];
                fs::copy(of_the_other, &segments(dir)[nth]).map(drop).expect("copies");
            }),
        ),
        (
            "swapped with the one beside it",
            Box::new(|dir, nth| {
                let all = segments(dir);
                let beside = if nth == 0 { 1 } else { nth - 1 };
                let [one, two] = [nth, beside].map(|at| fs::read(&all[at]).expect("reads"));
                fs::write(&all[nth], two).expect("writes");
                fs::write(&all[beside], one).expect("writes");
            }),
        ),
    ];
    for (name, change) in &changes {
        for (place, nth) in [("first", 0), ("middle", count / 2), ("last", count - 1)] {
            for kept in [true, false] {
                let what = format!("the {place} file is {name}, event store kept: {kept}");
                let dir = tempfile::tempdir().expect("a directory");
                copy(made_dir.path(), dir.path());
                change(dir.path(), nth);
                let found = verify(dir.path(), &surroundings(9).0);
                let found = found.map_or(true, |it| !it.findings.is_empty());
                if !kept {
                    fs::remove_dir_all(dir.path().join("store")).expect("deletes");
                }
                let came = came(dir.path(), &before, &what);
                let ends_earlier = place == "last" && matches!(*name, "deleted" | "an older copy");
                assert!(found, "{what}: {came:?}, and `verify` finds nothing");
                match (kept, ends_earlier) {
                    (true, true) => assert_eq!(came, Came::Shorter, "{what}"),
                    (false, true) => assert_eq!(came, Came::Unknown, "{what}"),
                    (false, false) => assert_eq!(came, Came::Refused, "{what}"),
                    (true, false) => {
                        assert!(matches!(came, Came::Refused | Came::Equal), "{what}: {came:?}");
                    }
                }
            }
        }
    }
}
