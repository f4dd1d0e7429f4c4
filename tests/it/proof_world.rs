//! Logs that grow and are signed, and the tools of those who tamper with them and of those who look.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use beadle::domain::event::TreeHead;
use beadle::processor::tree_head::record;
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Options};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::store_world::{put, surroundings};

/// The segments of these logs are small, so that there are some.
const SEGMENT_BYTES: u64 = 6_000;

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("has a type").is_dir() {
            true => copy(&entry.path(), &to),
            false if entry.file_name() == "control.sock" => {}
            false => drop(fs::copy(entry.path(), to).expect("copies")),
        }
    }
}

/// A log that grows, and the heads that were published of it.
pub struct Growing {
    pub store: Arc<dyn EventStore>,
    pub runtime: Runtime,
    pub published: Vec<TreeHead>,
}

impl Growing {
    pub fn open(dir: &Path, seed: u64) -> Self {
        let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
        let opened = SledStore::open(dir, surroundings(seed).0, options);
        let store = Arc::new(opened.expect("opens").0);
        Self { store, runtime: Runtime::new().expect("a runtime"), published: vec![] }
    }

    /// So many events, each in a group of its own.
    pub fn grow(&self, count: usize, text: &str) {
        for nth in 0..count {
            let name = format!("test-{}", nth % 3);
            let texts = [text];
            let put = put(&*self.store, &name, Expected::Any, &texts);
            self.runtime.block_on(put).expect("appends");
        }
    }

    pub fn head(&mut self) {
        let now = beadle::domain::id::Timestamp(1_700_000_000_000);
        let made = record(&self.store, None, now, self.runtime.handle(), &mut |_, _| {});
        self.published.push(made.expect("is signed").expect("this log keeps heads").head);
    }

    /// Ends it; gives what was published.
    pub fn end(self) -> Vec<TreeHead> {
        self.published
    }
}

/// A closed log of three heads; an old copy of it, with the first; and what was published.
pub struct Made {
    pub dir: TempDir,
    pub old: TempDir,
    pub heads: Vec<TreeHead>,
}

impl Made {
    pub fn new() -> Self {
        let (dir, old) = (tempfile::tempdir().expect("makes"), tempfile::tempdir().expect("makes"));
        let mut log = Growing::open(dir.path(), 1);
        log.grow(12, "first");
        log.head();
        log.grow(3, "after the first");
        let mut heads = log.end();
        copy(dir.path(), old.path());
        let mut log = Growing::open(dir.path(), 2);
        log.grow(12, "second");
        log.head();
        log.grow(12, "third");
        log.head();
        log.grow(2, "last");
        heads.extend(log.end());
        Self { dir, old, heads }
    }

    pub fn copy(&self) -> TempDir {
        let dir = tempfile::tempdir().expect("makes");
        copy(self.dir.path(), dir.path());
        dir
    }

    /// The old copy, gone on in another way, with as many heads as there were.
    pub fn other(&self, count: usize) -> (TempDir, Vec<TreeHead>) {
        let dir = tempfile::tempdir().expect("makes");
        copy(self.old.path(), dir.path());
        let mut log = Growing::open(dir.path(), 77);
        for _ in 0..2 {
            log.grow(count, "another history");
            log.head();
        }
        log.grow(2, "another end");
        let heads = log.end();
        (dir, heads)
    }
}

/// The program, to its end.
pub fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
    command.args(args).env_clear().env("HOME", "/nonexistent").env("TMPDIR", std::env::temp_dir());
    command.output().expect("the program can be started")
}

pub fn path(path: &Path) -> &str {
    path.to_str().expect("is text")
}

/// What the program found: its status, and `place: what` each.
pub fn found(args: &[&str]) -> (i32, Vec<String>) {
    let output = run(&[&["--json", "log", "verify"], args].concat());
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let row: Value = serde_json::from_str(&line).unwrap_or_else(|why| {
        panic!("{args:?}: {why}: {line}{}", String::from_utf8_lossy(&output.stderr))
    });
    let findings = row["findings"].as_array().expect("a list").iter();
    let text = |finding: &Value, field: &str| finding[field].as_str().expect("a text").to_owned();
    let findings = findings.map(|it| format!("{}: {}", text(it, "place"), text(it, "what")));
    (output.status.code().unwrap_or(-1), findings.collect())
}

/// The journal's files, in order.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("log")).expect("lists");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("lists").path()).collect();
    paths.sort();
    paths
}

/// The file and line of an event.
pub fn at(dir: &Path, position: usize) -> (PathBuf, usize) {
    let mark = format!("{{\"v\":1,\"position\":{position},");
    for path in segments(dir) {
        let text = fs::read_to_string(&path).expect("reads");
        if let Some(line) = text.lines().position(|line| line.starts_with(&mark)) {
            return (path, line);
        }
    }
    panic!("there is no event {position}");
}

pub fn place(dir: &Path, position: usize) -> String {
    let (path, line) = at(dir, position);
    format!("log/{}:{}", path.file_name().expect("is a file").to_string_lossy(), line + 1)
}

/// Changes the lines of the file that holds an event; `at` is the event's.
pub fn edit(dir: &Path, position: usize, change: impl FnOnce(&mut Vec<String>, usize)) {
    let (path, line) = at(dir, position);
    let mut lines: Vec<String> =
        fs::read_to_string(&path).expect("reads").lines().map(str::to_owned).collect();
    change(&mut lines, line);
    fs::write(&path, lines.join("\n") + "\n").expect("writes");
}

/// Writes another commit line for a group of one event.
pub fn close(lines: &mut [String], at: usize, position: usize) {
    let crc32 = crc32fast::hash(format!("{}\n", lines[at]).as_bytes());
    lines[at + 1] =
        format!(r#"{{"commit":{{"first":{position},"events":1,"crc32":"{crc32:08x}"}}}}"#);
}

/// The event lines of a journal, as an export has them.
pub fn export(dir: &Path) -> String {
    let text: String =
        segments(dir).iter().map(|path| fs::read_to_string(path).expect("reads")).collect();
    text.split_inclusive('\n').filter(|line| !line.starts_with(r#"{"commit"#)).collect()
}

/// The room, as somebody saved it: what people said, and the heads.
pub fn room(heads: &[TreeHead]) -> String {
    let posts = heads.iter().map(|head| {
        let note: String = head.note.lines().map(|line| format!("    {line}\n")).collect();
        format!("beadle: My log has {} events, this signs all of them.\n{note}\n", head.size)
    });
    format!("ann: hello\n{}ann: fine\n", posts.collect::<String>())
}
