//! What a folder of a backup holds: one JSON line for the whole, one for each file, and one that closes the list.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::disk::{self, Disk};
use super::super::keys::KEYS_FILE;
use super::super::subjects::SUBJECTS_FILE;
use super::{Error, io, shown};
use crate::domain::id::{Position, Tag, Timestamp};

/// Most files that a backup can hold.
pub const FILES_MAX: usize = 1 << 20;
/// Longest line of a manifest in bytes.
const LINE_BYTES_MAX: u64 = 4_096;
/// The manifest's name in both folders.
pub(crate) const MANIFEST_FILE: &str = "manifest.jsonl";
/// Its name until it is whole.
const NEW_MANIFEST_FILE: &str = "manifest.jsonl.new";
/// The version of its shape.
const FORMAT: u32 = 1;

/// The files of the folder of keys, and what they are in the data directory. The last one need not be there: it names
/// what was erased.
pub(super) const KEY_FILES: &[(&str, &str)] =
    &[("keys", KEYS_FILE), ("subjects", SUBJECTS_FILE), ("erasures", "erasures.bin")];

/// Which of the two folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Journal, blobs and tree hashes.
    Log,
    /// Keys.
    Keys,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// The version of the shape.
    pub(crate) beadle_backup: u32,
    /// Which of the two folders it is.
    pub(crate) part: Part,
    /// The log's random name.
    pub(crate) log: String,
    /// The position behind the last event.
    pub(crate) next: Position,
    /// Counts the backups that were made into this folder.
    pub(crate) series: u64,
    /// When.
    pub(crate) made_ms: Timestamp,
    /// By which program.
    pub(crate) program: String,
}

/// One file, as far as it belongs to the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// How many of its bytes.
    pub(crate) bytes: u64,
    /// Their SHA-256.
    pub(crate) sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLine {
    file: String,
    bytes: u64,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: End,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    files: u64,
    sha256: String,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) head: Head,
    /// The files by their path in the folder.
    pub(crate) files: BTreeMap<String, Note>,
}

impl Manifest {
    /// One without files.
    pub(crate) fn new(part: Part, log: String, next: Position, made: Timestamp) -> Self {
        let program = concat!("beadle ", env!("CARGO_PKG_VERSION")).to_owned();
        let head =
            Head { beadle_backup: FORMAT, part, log, next, series: 1, made_ms: made, program };
        Self { head, files: BTreeMap::new() }
    }

    /// Takes a file in.
    pub(crate) fn add(&mut self, name: String, note: Note) -> Result<(), Error> {
        if self.files.len() >= FILES_MAX {
            return Err(Error::Refused(format!("a backup holds at most {FILES_MAX} files")));
        }
        self.files.insert(name, note);
        Ok(())
    }

    /// How many bytes all files have.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|note| note.bytes).sum()
    }

    /// The one of a folder, if it has one.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(MANIFEST_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(&path)(error)),
        };
        let damaged = |what: String| Error::Damaged { place: shown(&path), what };
        let mut reader = BufReader::new(file);
        let (mut line, mut hash) = (Vec::new(), Sha256::new());
        read_line(&mut reader, &mut line).map_err(io(&path))?;
        let head: Head = serde_json::from_slice(&line)
            .map_err(|error| damaged(format!("its first line is none: {error}")))?;
        if head.beadle_backup != FORMAT {
            let version = head.beadle_backup;
            return Err(damaged(format!("backups of version {version} are not known")));
        }
        let mut manifest = Self { head, files: BTreeMap::new() };
        loop {
            hash.update(&line);
            read_line(&mut reader, &mut line).map_err(io(&path))?;
            if !line.ends_with(b"\n") {
                return Err(damaged("its end is missing".into()));
            }
            if let Ok(FileLine { file, bytes, sha256 }) = serde_json::from_slice(&line) {
                if !is_name(&file) {
                    return Err(damaged(format!("no file of a backup is named `{file}`")));
                }
                manifest.add(file, Note { bytes, sha256 })?;
                continue;
            }
            let end: EndLine =
                serde_json::from_slice(&line).map_err(|_| damaged("its end is missing".into()))?;
            let files = manifest.files.len() as u64;
            if end.end.files != files || end.end.sha256 != hex(hash) {
                return Err(damaged("it is not what was written".into()));
            }
            return Ok(Some(manifest));
        }
    }

    /// Puts it into its folder, in one step.
    pub(crate) fn write(&self, dir: &Path, disk: &dyn Disk) -> Result<(), Error> {
        let (fresh, path) = (dir.join(NEW_MANIFEST_FILE), dir.join(MANIFEST_FILE));
        let _ = fs::remove_file(&fresh);
        let written = self.write_new(&fresh, disk);
        written.and_then(|()| fs::rename(&fresh, &path)).map_err(io(&path))?;
        disk::sync_dir(disk, dir).map_err(io(dir))
    }

    fn write_new(&self, path: &Path, disk: &dyn Disk) -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(disk::create_new(path)?);
        let mut hash = Sha256::new();
        let mut put = |line: String| {
            hash.update(&line);
            file.write_all(line.as_bytes())
        };
        put(text(&self.head))?;
        for (name, note) in &self.files {
            let (file, bytes, sha256) = (name.clone(), note.bytes, note.sha256.clone());
            put(text(&FileLine { file, bytes, sha256 }))?;
        }
        let end = End { files: self.files.len() as u64, sha256: hex(hash) };
        file.write_all(text(&EndLine { end }).as_bytes())?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        disk.sync(&file)
    }
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<()> {
    line.clear();
    reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line).map(drop)
}

fn text(line: &impl Serialize) -> String {
    let mut text = serde_json::to_string(line).expect("a line is numbers and texts");
    text.push('\n');
    text
}

/// A finished hash as text.
pub(crate) fn hex(hash: Sha256) -> String {
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// Whether a file of a backup may have this path: nothing leads out of its folder.
fn is_name(name: &str) -> bool {
    let numbered = |stem: &str| {
        let number = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(".bin"));
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    };
    match name.split_once('/') {
        Some(("log", file)) => {
            let digits = file.strip_suffix(".jsonl").unwrap_or_default();
            digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        Some(("blobs", file)) => Tag::try_from(file.to_owned()).is_ok(),
        Some(_) => false,
        None => {
            let kinds = KEY_FILES.iter().any(|(kind, _)| numbered(&format!("{kind}-")));
            kinds || name == super::scan::TREE_FILE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::disk::RealDisk;
    use super::*;

    fn manifest(files: usize) -> Manifest {
        let mut manifest = Manifest::new(Part::Log, "log".into(), Position(7), Timestamp(9));
        for nth in 0..files {
            let note = Note { bytes: nth as u64, sha256: "ab".into() };
            manifest.add(format!("log/{nth:020}.jsonl"), note).expect("fits");
        }
        manifest
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Manifest::read(dir.path()).expect("reads"), None);
        for files in [0, 1, 300] {
            let manifest = manifest(files);
            manifest.write(dir.path(), &RealDisk).expect("writes");
            assert_eq!(Manifest::read(dir.path()).expect("reads"), Some(manifest));
        }
    }

    #[test]
    fn anything_else_is_damaged() {
        let dir = tempfile::tempdir().expect("a directory");
        manifest(2).write(dir.path(), &RealDisk).expect("writes");
        let path = dir.path().join(MANIFEST_FILE);
        let whole = fs::read_to_string(&path).expect("reads");
        let cut: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
        let long = format!("{}\n", "x".repeat(5_000));
        for (what, content, want) in [
            ("empty", String::new(), "its first line is none"),
            ("cut", cut, "its end is missing"),
            ("changed", whole.replace("\"bytes\":1", "\"bytes\":2"), "not what was written"),
            (
                "a line less",
                whole
                    .lines()
                    .filter(|l| !l.contains("\"bytes\":1"))
                    .map(|l| format!("{l}\n"))
                    .collect(),
                "not what was written",
            ),
            ("newer", whole.replace("\"beadle_backup\":1", "\"beadle_backup\":2"), "version 2"),
            ("leads out", whole.replace("log/000", "../000"), "is named `../"),
            ("a long line", long, "its first line is none"),
        ] {
            fs::write(&path, content).expect("writes");
            let error = Manifest::read(dir.path()).expect_err("is refused").to_string();
            assert!(error.contains(want), "{what}: {error}");
        }
    }

    #[test]
    fn a_backup_holds_so_many_files() {
        let mut manifest = manifest(0);
        let note = Note { bytes: 1, sha256: String::new() };
        for nth in 0..FILES_MAX {
            manifest.add(nth.to_string(), note.clone()).expect("fits");
        }
        assert!(matches!(manifest.add("more".into(), note), Err(Error::Refused(_))));
    }

    #[test]
    fn names_stay_in_their_folder() {
        for (name, want) in [
            ("log/00000000000000000000.jsonl", true),
            ("log/0.jsonl", false),
            ("log/../000000000000000000.jsonl", false),
            ("blobs/000102030405060708090a0b0c0d0e0f", true),
            ("blobs/..", false),
            ("tree.bin", true),
            ("keys-12.bin", true),
            ("subjects-1.bin", true),
            ("erasures-3.bin", true),
            ("keys-/../../x.bin", false),
            ("keys.bin", false),
            ("/etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(is_name(name), want, "{name}");
        }
    }
}
