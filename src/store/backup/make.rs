//! Making a backup: what is new is copied, everything is checked, and only then it counts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::blobs::Blobs;
use super::super::disk::{self, Disk};
use super::super::keys::{KEYS_FILE, KeyFile};
use super::super::open::{Lock, lock};
use super::super::shared::Shared;
use super::super::sled::SledStore;
use super::super::verify::{Check, Verified};
use super::super::{EventStore, OpenError, Tell};
use super::files::{Broken, Meter, copy, hash, wipe};
use super::manifest::{KEY_FILES, MANIFEST_FILE, Manifest, Note, Part};
use super::scan::{self, Source};
use super::{Error, io, shown};
use crate::domain::id::{Position, Timestamp};

/// How often the keys are copied again because one was erased in that very moment.
const KEYS_TRIES_MAX: u32 = 3;
/// Where files stand until they are whole.
const NEW_DIR: &str = "new";
/// What a folder of a backup may hold before its first manifest is there.
const PARTS: &[&str] = &["lock", "log", "blobs", scan::TREE_FILE, NEW_DIR, MANIFEST_FILE];

/// Where a backup goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The folder of the journal and the blobs.
    pub dir: PathBuf,
    /// The folder of the keys; not the same one, nor inside it.
    pub keys: PathBuf,
    /// Whether files that never change are linked instead of copied; both folders are then on one file system.
    pub link: bool,
}

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The position behind its last event.
    pub next: Position,
    /// How many files it has, and their bytes.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many of the files are new.
    pub new_files: u64,
    /// How many bytes the new ones have.
    pub new_bytes: u64,
    /// What the check of it found: nothing is wrong.
    pub verified: Verified,
}

impl SledStore {
    /// Makes a backup of everything that is acknowledged now, while the log goes on, and checks it. Into the folder of
    /// an earlier one only what is new is copied.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be used, or if what was copied is not sound; an earlier backup stays as it is.
    pub fn backup(&self, to: &Target, tell: Tell) -> Result<Made, Error> {
        let shared = &self.shared;
        let _files = shared.files.read();
        refuse_strange(&shared.dir, to)?;
        for dir in [&to.dir, &to.keys, &to.dir.join("log"), &to.dir.join("blobs")] {
            disk::make_dir(dir).map_err(io(dir))?;
        }
        let _locks = [lock_target(&to.dir)?, lock_target(&to.keys)?];
        let made = shared.surroundings.clock.now();
        let mut backup = Backup::begin(shared, to, self.next_position(), made)?;
        backup.copy_all(&mut *tell)?;
        let keys = backup.copy_keys(&mut *tell)?;
        let verified = backup.check(&keys, &mut *tell)?;
        backup.publish(&keys)?;
        let (files, bytes) = (backup.fresh.files.len() as u64, backup.fresh.bytes());
        let (new_files, new_bytes) = backup.copied;
        Ok(Made { next: backup.fresh.head.next, files, bytes, new_files, new_bytes, verified })
    }
}

/// One process at a time writes into a folder.
fn lock_target(dir: &Path) -> Result<Lock, Error> {
    lock(dir).map_err(|error| match error {
        OpenError::Locked { .. } => {
            Error::Refused(format!("another backup into `{}` is under way", dir.display()))
        }
        error => error.into(),
    })
}

/// A backup is apart from the data directory, and its keys from the rest; and it overwrites nothing of anybody.
fn refuse_strange(data: &Path, to: &Target) -> Result<(), Error> {
    let refused = |what: &str| Err(Error::Refused(what.to_owned()));
    let real = |path: &Path| {
        let known = path.ancestors().find_map(|up| Some((up, up.canonicalize().ok()?)));
        known.map_or(path.to_owned(), |(up, real)| real.join(path.strip_prefix(up).unwrap_or(up)))
    };
    let (data, dir, keys) = (real(data), real(&to.dir), real(&to.keys));
    if [&dir, &keys].into_iter().any(|part| part.starts_with(&data) || data.starts_with(part)) {
        return refused("a backup inside the data directory is lost with it: name another place");
    }
    if keys.starts_with(&dir) || dir.starts_with(&keys) {
        return refused(
            "whoever has the log and its keys can read it: name another folder for --keys",
        );
    }
    for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !PARTS.contains(&name.as_str()) && name != "manifest.jsonl.new" {
            let what = format!("`{}` is no backup: `{name}` is in it", dir.display());
            return refused(&format!("{what}. Name an empty folder or that of a backup"));
        }
    }
    Ok(())
}

/// A backup that is being made.
struct Backup<'a> {
    shared: &'a Shared,
    to: &'a Target,
    /// What is there already.
    old: Option<Manifest>,
    old_keys: Option<Manifest>,
    fresh: Manifest,
    /// New files, and their bytes.
    copied: (u64, u64),
}

/// The copied keys, which do not count yet.
struct Keys {
    manifest: Manifest,
    file: KeyFile,
}

impl<'a> Backup<'a> {
    fn begin(
        shared: &'a Shared,
        to: &'a Target,
        next: Position,
        made: Timestamp,
    ) -> Result<Self, Error> {
        let log = shared.keys.log();
        let read = |dir: &Path| -> Result<Option<Manifest>, Error> {
            match Manifest::read(dir)? {
                Some(manifest) if manifest.head.log != log => {
                    let what = format!("`{}` is the backup of another log", dir.display());
                    Err(Error::Refused(format!("{what}: name another folder")))
                }
                manifest => Ok(manifest),
            }
        };
        let (old, old_keys) = (read(&to.dir)?, read(&to.keys)?);
        if old.as_ref().is_some_and(|old| old.head.next > next) {
            let what = format!("`{}` is newer than the log", to.dir.display());
            let what =
                format!("{what}, which was restored to an earlier state: name another folder");
            return Err(Error::Refused(what));
        }
        let mut fresh = Manifest::new(Part::Log, log, next, made);
        fresh.head.series += old.as_ref().map_or(0, |old| old.head.series);
        Ok(Self { shared, to, old, old_keys, fresh, copied: (0, 0) })
    }

    fn disk(&self) -> &'a dyn Disk {
        &*self.shared.options.disk
    }

    /// Copies what is new; what is there already must be what was written.
    fn copy_all(&mut self, tell: Tell) -> Result<(), Error> {
        let temporary = self.to.dir.join(NEW_DIR);
        let _ = fs::remove_dir_all(&temporary);
        disk::make_dir(&temporary).map_err(io(&temporary))?;
        let data = &self.shared.dir;
        let mut sources = scan::segments(&data.join("log"), self.fresh.head.next)?;
        sources.extend(scan::tree(data));
        sources.extend(scan::blobs(&data.join("blobs"))?);
        let total = sources.iter().map(|source| source.bytes).sum();
        let mut meter = Meter::new(tell, "MiB copied", total);
        for source in &sources {
            if let Some(note) = self.copy_one(source, &temporary, &mut meter)? {
                self.fresh.add(source.name.clone(), note)?;
            }
        }
        let _ = fs::remove_dir(&temporary);
        for dir in [&self.to.dir.join("log"), &self.to.dir.join("blobs"), &self.to.dir] {
            disk::sync_dir(self.disk(), dir).map_err(io(dir))?;
        }
        Ok(())
    }

    /// None if the file is gone: a value was erased just now.
    fn copy_one(
        &mut self,
        source: &Source,
        temporary: &Path,
        meter: &mut Meter,
    ) -> Result<Option<Note>, Error> {
        let path = self.to.dir.join(&source.name);
        let kept = self.old.as_ref().and_then(|old| old.files.get(&source.name));
        let stays = |kept: &&Note| kept.bytes == source.bytes && !lost_with(source, &path);
        if let Some(kept) = kept.filter(stays) {
            match hash(&path, kept.bytes, meter) {
                Ok(found) if found == *kept => return Ok(Some(found)),
                Err(Broken::Stopped(stopped)) => return Err(stopped.into()),
                Ok(_) | Err(Broken::Io(_)) => {
                    tracing::warn!(
                        file = shown(&path),
                        "a file of the backup had changed and is copied again"
                    );
                }
            }
        }
        let fresh = temporary.join("file");
        let _ = fs::remove_file(&fresh);
        let note = match self.put(source, &fresh, meter) {
            Err(Broken::Io(error)) if is_gone(source, &error) => return Ok(None),
            done => done.map_err(|broken| broken.of(&source.path))?,
        };
        fs::rename(&fresh, &path).map_err(io(&path))?;
        self.copied = (self.copied.0 + 1, self.copied.1 + note.bytes);
        Ok(Some(note))
    }

    fn put(&self, source: &Source, to: &Path, meter: &mut Meter) -> Result<Note, Broken> {
        if self.to.link && source.sealed {
            fs::hard_link(&source.path, to)?;
            return hash(to, source.bytes, meter);
        }
        copy(&source.path, source.bytes, to, self.disk(), meter)
    }

    /// Copies the keys under new names, after everything that is sealed with them: a value whose key was erased
    /// meanwhile need not be there, one whose key is there must.
    fn copy_keys(&self, tell: Tell) -> Result<Keys, Error> {
        let head = &self.fresh.head;
        let mut manifest = Manifest::new(Part::Keys, head.log.clone(), head.next, head.made_ms);
        manifest.head.series += self.old_keys.as_ref().map_or(0, |old| old.head.series);
        self.wipe_strange_keys()?;
        let series = manifest.head.series;
        let mut tries = 0;
        loop {
            tries += 1;
            let name = format!("keys-{series}.bin");
            let path = self.copy_key_file(KEYS_FILE, name, &mut manifest, &mut *tell)?;
            let file = self.view(&path)?;
            match file.check() {
                Ok(()) => {
                    for (kind, from) in &KEY_FILES[1..] {
                        if self.shared.dir.join(from).exists() {
                            let name = format!("{kind}-{series}.bin");
                            self.copy_key_file(from, name, &mut manifest, &mut *tell)?;
                        }
                    }
                    return Ok(Keys { manifest, file });
                }
                Err(_) if tries < KEYS_TRIES_MAX => {}
                Err(error) => return Err(OpenError::from(error).into()),
            }
        }
    }

    fn copy_key_file(
        &self,
        from: &str,
        name: String,
        manifest: &mut Manifest,
        tell: Tell,
    ) -> Result<PathBuf, Error> {
        let (from, path) = (self.shared.dir.join(from), self.to.keys.join(&name));
        wipe(&path, self.disk()).map_err(io(&path))?;
        let bytes = from.metadata().map_err(io(&from))?.len();
        let mut meter = Meter::new(tell, "MiB of keys copied", bytes);
        let note = copy(&from, bytes, &path, self.disk(), &mut meter);
        manifest.add(name, note.map_err(|broken| broken.of(&path))?)?;
        disk::sync_dir(self.disk(), &self.to.keys).map_err(io(&self.to.keys))?;
        Ok(path)
    }

    /// Wipes the key files that no manifest names: those of a backup that was cut off.
    fn wipe_strange_keys(&self) -> Result<(), Error> {
        let named =
            |name: &str| self.old_keys.as_ref().is_some_and(|old| old.files.contains_key(name));
        for name in key_files(&self.to.keys)?.iter().filter(|name| !named(name)) {
            let path = self.to.keys.join(name);
            wipe(&path, self.disk()).map_err(io(&path))?;
        }
        Ok(())
    }

    fn view(&self, path: &Path) -> Result<KeyFile, Error> {
        let (disk, entropy) = (&self.shared.options.disk, &self.shared.surroundings.entropy);
        Ok(KeyFile::view(path, disk.clone(), entropy.clone())?)
    }

    fn check(&self, keys: &Keys, tell: Tell) -> Result<Verified, Error> {
        let (disk, entropy) = (&self.shared.options.disk, &self.shared.surroundings.entropy);
        let blobs = Blobs::new(self.to.dir.join("blobs"), disk.clone(), entropy.clone());
        sound(&self.to.dir.join("log"), self.fresh.head.next, &keys.file, &blobs, tell)
    }

    /// Makes the new backup count, the keys first: they open the older one too. Then what only that one needed goes.
    fn publish(&self, keys: &Keys) -> Result<(), Error> {
        keys.manifest.write(&self.to.keys, self.disk())?;
        for name in key_files(&self.to.keys)? {
            if !keys.manifest.files.contains_key(&name) {
                let path = self.to.keys.join(&name);
                wipe(&path, self.disk()).map_err(io(&path))?;
            }
        }
        self.fresh.write(&self.to.dir, self.disk())?;
        let stale = self.old.iter().flat_map(|old| old.files.keys());
        for name in stale.filter(|name| !self.fresh.files.contains_key(*name)) {
            let path = self.to.dir.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether what the backup has is the very file that may still be written to: an earlier version linked kept values.
fn lost_with(source: &Source, kept: &Path) -> bool {
    let node = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let one = node(kept);
    !source.sealed && one.is_some() && one == node(&source.path)
}

/// Whether a kept value was erased while the backup was made.
fn is_gone(source: &Source, error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
        && !source.path.exists()
        && source.name.starts_with("blobs/")
}

/// The key files of a folder.
fn key_files(dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let name = entry.map_err(io(dir))?.file_name().to_string_lossy().into_owned();
        let of_kind = |(kind, _): &(&str, &str)| name.starts_with(&format!("{kind}-"));
        if name.ends_with(".bin") && KEY_FILES.iter().any(of_kind) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Checks a copied log as `verify` checks one that is in use; anything that is wrong refuses it.
pub(super) fn sound(
    log: &Path,
    next: Position,
    keys: &KeyFile,
    blobs: &Blobs,
    tell: Tell,
) -> Result<Verified, Error> {
    let check = Check { log: log.to_owned(), keys, blobs, trees: None, end: Some(next) };
    let verified = check.run(&[], tell)?;
    match verified.findings.first() {
        None => Ok(verified),
        Some(first) => {
            let more = verified.findings.len() as u64 - 1 + verified.unlisted;
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            let (place, what) = (first.place.clone(), format!("{}{more}", first.what));
            Err(Error::Damaged { place, what })
        }
    }
}
