//! The power is cut, or the process killed, at random moments: what was acknowledged is there, whole.
//!
//! A library before the child's syncs keeps what they promise; the data directory is made anew from that, with none, half
//! or most of the rest. Everything in the directory counts, and whatever code wrote it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::appending::{self, acknowledged, is_whole, last_words};
use super::{Rng, image, shim, times};

/// After so many cuts a new log is begun.
const CUTS_OF_A_LOG: usize = 5;
/// A child is killed after at most so many acknowledged batches,
const BATCHES_MAX: u64 = 60;
/// or before one of so many syncs: the first belong to the opening.
const SYNCS_MAX: u64 = 60;

/// What a run of cuts came to.
#[derive(Debug, Default)]
struct Figures {
    cuts: u32,
    acknowledged: usize,
    rebuilt: u32,
    torn: u32,
}

/// One log and what it has acknowledged.
struct Scene {
    place: tempfile::TempDir,
    acknowledged: BTreeMap<String, u64>,
}

impl Scene {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        fs::create_dir(place.path().join("data")).expect("makes");
        Self { place, acknowledged: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Lets a child append until it is killed.
    fn kill(&mut self, rng: &mut Rng, watched: bool) {
        let data = self.path("data");
        let mut command = appending::child(&data, rng.next() >> 16);
        let by_sync = watched && rng.chance(50);
        if watched {
            image::settle(&data, &self.path("promised"));
            shim::watched(&mut command, &data);
            shim::promised(&mut command, &self.path("promised"));
        }
        if by_sync {
            command.env("POWER_KILL_AT", (1 + rng.below(SYNCS_MAX)).to_string());
        }
        let mut child = command.spawn().expect("starts");
        let said = BufReader::new(child.stdout.take().expect("is piped"));
        let mut left = 1 + rng.below(BATCHES_MAX);
        for line in said.lines() {
            let line = line.expect("is text");
            if let Some((id, count)) = acknowledged(&line) {
                self.acknowledged.insert(id, count);
                left = left.saturating_sub(1);
            }
            if left == 0 && !by_sync {
                // What it has said already is read to its end.
                child.kill().expect("is killed");
            }
        }
        let status = child.wait().expect("ends");
        let words = last_words(child);
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        assert!(killed, "{status}: {words}");
    }
}

fn cuts(mode: &str, keep: Option<u64>, normal: usize, torture: usize) {
    let mut rng = Rng::seeded(mode);
    let (mut scene, mut figures) = (Scene::new(), Figures::default());
    for nth in 0..times(normal, torture) {
        if nth % CUTS_OF_A_LOG == 0 {
            scene = Scene::new();
        }
        let before = scene.acknowledged.len();
        scene.kill(&mut rng, keep.is_some());
        let [data, left] = [scene.path("data"), scene.path("left")];
        if let Some(keep) = keep {
            image::cut(&data, &scene.path("promised"), keep, &mut rng, &left);
            replace(&data, &left);
        }
        let opened = is_whole(&data, &scene.acknowledged, &format!("{mode}, cut {nth}"));
        figures.cuts += 1;
        figures.acknowledged += scene.acknowledged.len() - before;
        figures.rebuilt += u32::from(opened.rebuilt.is_some());
        figures.torn += u32::from(opened.cut_bytes > 0);
    }
    println!("{mode}: {figures:?}, nothing lost, no half batch");
}

fn replace(data: &Path, left: &Path) {
    fs::remove_dir_all(data).expect("deletes");
    fs::rename(left, data).expect("renames");
}

#[test]
fn a_kill_loses_nothing() {
    cuts("kill -9", None, 5, 40);
}

#[test]
fn a_power_cut_that_keeps_only_what_was_synced_loses_nothing() {
    cuts("power cut, 0 % of the rest", Some(0), 5, 40);
}

#[test]
fn a_power_cut_that_keeps_half_of_the_rest_loses_nothing() {
    cuts("power cut, 50 % of the rest", Some(50), 5, 40);
}

#[test]
fn a_power_cut_that_keeps_most_of_the_rest_loses_nothing() {
    cuts("power cut, 90 % of the rest", Some(90), 5, 40);
}
