//! What is on a disk after the power was cut: what syncs have promised, and by chance some of what came later.
//!
//! Contents are torn at the borders of pages of 4 KiB. A name that was not synced with its directory is there or not, as
//! chance has it; a rename is whole, but not in any order with other changes: stricter than most file systems are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::Rng;

const PAGE_BYTES: usize = 4_096;

/// What a name in a directory stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    is_dir: bool,
    id: String,
}

type Names = BTreeMap<String, Node>;

/// The inode of a file and its birth, as the library names it.
fn id_of(path: &Path) -> String {
    let found = fs::symlink_metadata(path).expect("is there");
    let born = found.created().expect("the file system keeps the time of birth");
    let born = born.duration_since(UNIX_EPOCH).expect("it is after 1970");
    format!("{}-{}.{:09}", found.ino(), born.as_secs(), born.subsec_nanos())
}

fn names_in(dir: &Path) -> Names {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists"));
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let node = |path: &Path| Node { is_dir: path.is_dir(), id: id_of(path) };
    entries.map(|entry| (name(&entry), node(&entry.path()))).collect()
}

/// Counts everything that is there as promised: nothing has been written for a long time.
pub fn settle(data: &Path, promised: &Path) {
    let _ = fs::remove_dir_all(promised);
    for part in ["f", "d"] {
        fs::create_dir_all(promised.join(part)).expect("makes");
    }
    let mut left = vec![data.to_owned()];
    while let Some(dir) = left.pop() {
        let mut lines = String::new();
        for (name, node) in names_in(&dir) {
            let path = dir.join(&name);
            let kind = if node.is_dir { 'd' } else { 'f' };
            lines += format!("{kind} {} {name}\n", node.id).as_str();
            match node.is_dir {
                true => left.push(path),
                false => drop(fs::copy(path, promised.join("f").join(node.id)).expect("copies")),
            }
        }
        fs::write(promised.join("d").join(id_of(&dir)), lines).expect("writes");
    }
}

/// Makes what is left of a data directory.
pub struct Cut<'a> {
    promised: &'a Path,
    /// How many of a hundred pages, sizes and names survive that no sync has promised.
    keep: u64,
    rng: &'a mut Rng,
    now: BTreeMap<String, PathBuf>,
}

impl<'a> Cut<'a> {
    pub fn new(data: &Path, promised: &'a Path, keep: u64, rng: &'a mut Rng) -> Self {
        let mut now = BTreeMap::from([(id_of(data), data.to_owned())]);
        let mut left = vec![data.to_owned()];
        while let Some(dir) = left.pop() {
            for (name, node) in names_in(&dir) {
                let path = dir.join(name);
                left.extend(node.is_dir.then(|| path.clone()));
                now.insert(node.id, path);
            }
        }
        Self { promised, keep, rng, now }
    }

    /// Makes a directory as it is found after the cut.
    pub fn make(&mut self, id: &str, to: &Path) {
        fs::create_dir_all(to).expect("makes");
        let old = self.promised_names(id);
        let new = self.now.get(id).map_or_else(|| old.clone(), |path| names_in(path));
        for (name, node) in self.surviving(old, new) {
            match node.is_dir {
                true => self.make(&node.id, &to.join(name)),
                false => fs::write(to.join(name), self.content(&node.id)).expect("writes"),
            }
        }
    }

    fn promised_names(&self, id: &str) -> Names {
        let Ok(text) = fs::read_to_string(self.promised.join("d").join(id)) else {
            return Names::new();
        };
        let line = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let mut part = || parts.next().expect("a name has three parts").to_owned();
            let (is_dir, id) = (part() == "d", part());
            (part(), Node { is_dir, id })
        };
        text.lines().map(line).collect()
    }

    /// Changes of names that belong together, for they name the same file, survive together or not at all.
    fn surviving(&mut self, old: Names, new: Names) -> Names {
        let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let (same, changed): (Vec<&String>, Vec<&String>) =
            all.into_iter().partition(|name| old.get(*name) == new.get(*name));
        let mut names: Names = same.into_iter().map(|it| (it.clone(), old[it].clone())).collect();
        let mut groups: Vec<(BTreeSet<&String>, BTreeSet<&Node>)> = Vec::new();
        for name in changed {
            let nodes: BTreeSet<&Node> = old.get(name).into_iter().chain(new.get(name)).collect();
            let mut group = (BTreeSet::from([name]), nodes);
            groups.retain(|(names, nodes)| {
                let together = !nodes.is_disjoint(&group.1);
                if together {
                    group.0.extend(names);
                    group.1.extend(nodes);
                }
                !together
            });
            groups.push(group);
        }
        for (group, _) in groups {
            let from = if self.rng.chance(self.keep) { &new } else { &old };
            let found = group.into_iter().filter_map(|name| Some((name, from.get(name)?)));
            names.extend(found.map(|(name, node)| (name.clone(), node.clone())));
        }
        names
    }

    fn content(&mut self, id: &str) -> Vec<u8> {
        let old = fs::read(self.promised.join("f").join(id)).unwrap_or_default();
        let new = self.now.get(id).map_or_else(|| old.clone(), |it| fs::read(it).expect("reads"));
        let mut content = vec![0; self.length(old.len(), new.len())];
        for start in (0..content.len()).step_by(PAGE_BYTES) {
            let from = if self.rng.chance(self.keep) { &new } else { &old };
            let end = (start + PAGE_BYTES).min(content.len()).min(from.len());
            if start < end {
                content[start..end].copy_from_slice(&from[start..end]);
            }
        }
        content
    }

    fn length(&mut self, old: usize, new: usize) -> usize {
        if old == new || self.rng.chance(self.keep) {
            return new;
        }
        let border = old.next_multiple_of(PAGE_BYTES);
        if new <= border || self.keep == 0 || self.rng.chance(50) {
            return old;
        }
        border + self.rng.below(((new - border) / PAGE_BYTES) as u64) as usize * PAGE_BYTES
    }
}

/// Makes what is left of a data directory when its power is cut now.
pub fn cut(data: &Path, promised: &Path, keep: u64, rng: &mut Rng, to: &Path) {
    Cut::new(data, promised, keep, rng).make(&id_of(data), to);
}

#[test]
fn a_cut_keeps_what_was_promised() {
    let place = tempfile::tempdir().expect("a directory");
    let [data, promised] = ["data", "promised"].map(|name| place.path().join(name));
    fs::create_dir_all(data.join("sub")).expect("makes");
    for (name, content) in [("a", "old"), ("b", "kept"), ("sub/c", "c")] {
        fs::write(data.join(name), content).expect("writes");
    }
    settle(&data, &promised);
    fs::write(data.join("a"), "new and longer".repeat(1_000)).expect("writes");
    fs::rename(data.join("b"), data.join("d")).expect("renames");
    fs::write(data.join("sub/e"), "e").expect("writes");
    let mut rng = Rng(7);
    let mut seen = BTreeSet::new();
    for (keep, rounds) in [(0, 3), (50, 60), (100, 3)] {
        for _ in 0..rounds {
            let to = place.path().join("cut");
            let _ = fs::remove_dir_all(&to);
            cut(&data, &promised, keep, &mut rng, &to);
            let there = |name: &str| to.join(name).exists();
            assert_ne!(there("b"), there("d"), "a rename is whole");
            assert!(there("sub/c"));
            let a = fs::read(to.join("a")).expect("reads");
            let state = (there("b"), there("sub/e"), a.starts_with(b"old"), a.len() > 3);
            assert!(keep != 0 || state == (true, false, true, false), "{state:?}");
            assert!(keep != 100 || state == (false, true, false, true), "{state:?}");
            seen.insert(state);
        }
    }
    assert!(seen.len() > 8, "chance decides on each alone: {seen:?}");
}
