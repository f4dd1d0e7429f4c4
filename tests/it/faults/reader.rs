//! The journal reader meets arbitrary bytes: it never panics, never loops, never takes what was not written.
//!
//! The same body runs in cargo-fuzz; what that finds is kept in `tests/corpus/journal/` and read here for ever.

use std::fs;
use std::path::{Path, PathBuf};

use beadle::store::arbitrary;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tempfile::TempDir;

use super::times;

/// The kept inputs.
fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/journal");
    super::files(&folder)
}

/// One change of a file.
#[derive(Debug, Clone)]
enum Edit {
    Flip(usize, u8),
    Cut(usize),
    Drop(usize, usize),
    Double(usize, usize),
    Zero(usize, usize),
    Put(usize, Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = || 0..8_000_usize;
    let piece = || 0..600_usize;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, 1 << bit)),
        at().prop_map(Edit::Cut),
        (at(), piece()).prop_map(|(at, bytes)| Edit::Drop(at, bytes)),
        (at(), piece()).prop_map(|(at, bytes)| Edit::Double(at, bytes)),
        (at(), piece()).prop_map(|(at, bytes)| Edit::Zero(at, bytes)),
        (at(), vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Edit::Put(at, bytes)),
    ]
}

fn apply(content: &mut Vec<u8>, edit: &Edit) {
    let length = content.len();
    let range = |at: usize, bytes: usize| at.min(length)..(at + bytes).min(length);
    match edit {
        Edit::Flip(at, mask) => content.iter_mut().skip(*at).take(1).for_each(|it| *it ^= mask),
        Edit::Cut(at) => content.truncate(*at),
        Edit::Drop(at, bytes) => drop(content.drain(range(*at, *bytes))),
        Edit::Double(at, bytes) => {
            let piece = content[range(*at, *bytes)].to_vec();
            drop(content.splice(at.min(&length)..at.min(&length), piece));
        }
        Edit::Zero(at, bytes) => content[range(*at, *bytes)].fill(0),
        Edit::Put(at, bytes) => {
            drop(content.splice(at.min(&length)..at.min(&length), bytes.iter().copied()));
        }
    }
}

fn holds(dir: &TempDir, content: &[u8]) {
    arbitrary::journal(&dir.path().join("log"), content).expect("the directory is ours");
}

#[test]
fn the_reader_holds_for_the_kept_corpus() {
    let corpus = corpus();
    assert!(corpus.len() >= 8, "{corpus:?}");
    let dir = tempfile::tempdir().expect("a directory");
    for path in corpus {
        println!("{}", path.display());
        holds(&dir, &fs::read(&path).expect("reads"));
    }
}

#[test]
fn the_reader_holds_for_anything() {
    let dir = tempfile::tempdir().expect("a directory");
    let kept: Vec<Vec<u8>> = corpus().iter().map(|path| fs::read(path).expect("reads")).collect();
    let cases = u32::try_from(times(400, 20_000)).expect("is small");
    let config = Config { failure_persistence: None, ..Config::with_cases(cases) };
    let changed = (0..kept.len(), vec(edit(), 0..5)).prop_map(|(nth, edits)| {
        let mut content = kept[nth].clone();
        edits.iter().for_each(|edit| apply(&mut content, edit));
        content
    });
    let inputs = prop_oneof![3 => changed, 1 => vec(any::<u8>(), 0..400)];
    let done = TestRunner::new(config).run(&inputs, |content| {
        holds(&dir, &content);
        Ok::<(), TestCaseError>(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}
