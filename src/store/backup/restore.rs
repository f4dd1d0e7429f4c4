//! Bringing a backup back: checked before anything is touched, erased again, put in place in one step.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::super::blobs::Blobs;
use super::super::disk::{self, Disk, RealDisk};
use super::super::keys::{KEYS_FILE, KeyFile};
use super::super::ledger::{Erased, LEDGER_FILE, apply, is_torn, slots_of};
use super::super::open::{Lock, lock};
use super::super::sled::SledStore;
use super::super::subjects::{SUBJECTS_FILE, erase_again, erased_in};
use super::super::{OpenError, Options, Surroundings, Tell};
use super::files::{Broken, Meter, copy, hash, wipe};
use super::make::sound;
use super::manifest::{KEY_FILES, Manifest, Part};
use super::{Error, io, scan, shown};
use crate::domain::id::Position;

/// How often a directory may be moved aside within one millisecond.
const MOVED_ASIDE_MAX: i64 = 1_000;
/// What is no part of the log and stays in the data directory.
const KEPT: &[&str] = &["matrix", "scripts", "terminal"];

/// Stands in a directory that is being put together.
const MARK_FILE: &str = "not-whole-yet";

/// What is brought back, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The folder of the journal and the blobs.
    pub dir: PathBuf,
    /// The folder of the keys.
    pub keys: PathBuf,
    /// The data directory.
    pub to: PathBuf,
    /// Whether a log that is there is moved aside.
    pub replace: bool,
    /// A ledger of erasures that are done again, besides that of the log that is replaced.
    pub erasures: Option<PathBuf>,
}

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The position behind the last event.
    pub next: Position,
    /// How many files were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many keys were erased again because a ledger of erasures names them.
    pub erased: u64,
    /// Whether the ledger that was handed over ends in a record that is not whole: what that names is not known.
    pub ledger_torn: bool,
    /// Where the log that was there is now.
    pub moved_to: Option<PathBuf>,
}

/// Brings a backup back into a data directory. It is checked as a whole first; what was erased in the log that it
/// replaces is erased in it too. The event store is made anew when the log is opened.
///
/// # Errors
/// [`Error`] if the backup is damaged, or if the data directory has a log that is not to be replaced or is in use.
pub fn restore(
    restore: &Restore,
    surroundings: &Surroundings,
    tell: Tell,
) -> Result<Restored, Error> {
    let work = Work::begin(restore, surroundings)?;
    drop(work.refuse_log()?);
    work.check(&mut *tell)?;
    work.carry_out_erasures();
    let _lock = work.refuse_log()?;
    match work.stage(&mut *tell) {
        Ok(erased) => work.settle(erased),
        Err(error) => {
            // What was staged holds keys.
            work.drop_stage()?;
            Err(error)
        }
    }
}

struct Work<'a> {
    restore: &'a Restore,
    surroundings: &'a Surroundings,
    disk: Arc<dyn Disk>,
    log: Manifest,
    keys: Manifest,
    erasures: Vec<Erased>,
    stage: PathBuf,
}

impl<'a> Work<'a> {
    fn begin(restore: &'a Restore, surroundings: &'a Surroundings) -> Result<Self, Error> {
        let log = manifest(&restore.dir, Part::Log)?;
        let keys = manifest(&restore.keys, Part::Keys)?;
        if log.head.log != keys.head.log {
            let (dir, keys) = (restore.dir.display(), restore.keys.display());
            let what =
                format!("the keys in `{keys}` are those of another log than that in `{dir}`");
            return Err(Error::Refused(what));
        }
        let erasures = restore.erasures.as_deref().map_or(Ok(Vec::new()), ledger)?;
        let (disk, stage) = (Arc::new(RealDisk), beside(&restore.to, "restoring"));
        Ok(Self { restore, surroundings, disk, log, keys, erasures, stage })
    }

    fn has_log(&self) -> bool {
        fs::read_dir(self.restore.to.join("log")).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// What the log that is replaced says to be erased, and has not erased before its process ended, is erased in it now:
    /// from then on its ledger names it. A log that cannot be opened is replaced all the same.
    fn carry_out_erasures(&self) {
        if !self.restore.replace || !self.has_log() {
            return;
        }
        let surroundings = self.surroundings.clone();
        match SledStore::open(&self.restore.to, surroundings, Options::default()) {
            Ok((store, _)) => store.close(),
            Err(error) => {
                tracing::warn!(%error, "the log that is replaced cannot be opened: what it had recorded as erased and not erased yet is not known");
            }
        }
    }

    /// Holds the data directory, if it is there; a log in it must be one that is to be replaced.
    fn refuse_log(&self) -> Result<Option<Lock>, Error> {
        let to = &self.restore.to;
        if !to.exists() {
            return Ok(None);
        }
        let lock = lock(to)?;
        if self.has_log() && !self.restore.replace {
            let what = format!("there is a log in `{}`: --replace moves it aside", to.display());
            return Err(Error::Refused(what));
        }
        Ok(Some(lock))
    }

    /// Every file, and then every event as `verify` does.
    fn check(&self, tell: Tell) -> Result<(), Error> {
        let parts = [(&self.restore.dir, &self.log), (&self.restore.keys, &self.keys)];
        let total = parts.iter().map(|(_, manifest)| manifest.bytes()).sum();
        let mut meter = Meter::new(&mut *tell, "MiB checked", total);
        for (dir, manifest) in parts {
            for (name, note) in &manifest.files {
                let path = dir.join(name);
                let damaged = |what: String| Error::Damaged { place: shown(&path), what };
                match hash(&path, note.bytes, &mut meter) {
                    Ok(found) if found == *note => {}
                    Ok(_) => return Err(damaged("it is not what was backed up".into())),
                    Err(Broken::Io(error)) => {
                        return Err(damaged(format!("it cannot be read: {error}")));
                    }
                    Err(Broken::Stopped(stopped)) => return Err(stopped.into()),
                }
            }
        }
        let keys = self.restore.keys.join(self.key_file("keys")?);
        let keys = KeyFile::view(&keys, self.disk.clone(), self.surroundings.entropy.clone());
        let keys = keys.map_err(of_backup)?;
        if keys.log() != self.log.head.log {
            let (place, what) = (shown(&self.restore.keys), "its keys are another log's".into());
            return Err(Error::Damaged { place, what });
        }
        self.sound(&self.restore.dir, &keys, tell)
    }

    fn sound(&self, dir: &Path, keys: &KeyFile, tell: Tell) -> Result<(), Error> {
        let entropy = self.surroundings.entropy.clone();
        let blobs = Blobs::new(dir.join("blobs"), self.disk.clone(), entropy);
        let verified = sound(&dir.join("log"), self.log.head.next, keys, &blobs, tell);
        verified.map(drop).map_err(|error| match error {
            Error::Open(error) => of_backup(error),
            error => error,
        })
    }

    /// The name of the key file of one kind.
    fn key_file(&self, kind: &str) -> Result<&str, Error> {
        let mut names = self.keys.files.keys().filter(|name| name.starts_with(kind));
        let missing = || {
            let what = format!("no file of {kind} is named in it");
            Error::Damaged { place: shown(&self.restore.keys), what }
        };
        names.next().map(String::as_str).ok_or_else(missing)
    }

    /// Puts everything together beside the data directory, erases again, and checks it once more; says how many keys
    /// were erased.
    fn stage(&self, tell: Tell) -> Result<u64, Error> {
        self.drop_stage()?;
        disk::make_dir(&self.stage).map_err(io(&self.stage))?;
        self.mark()?;
        for dir in [self.stage.join("log"), self.stage.join("blobs")] {
            disk::make_dir(&dir).map_err(io(&dir))?;
        }
        let total = self.log.bytes() + self.keys.bytes();
        let mut meter = Meter::new(&mut *tell, "MiB copied", total);
        let log = self
            .log
            .files
            .iter()
            .map(|(name, note)| (self.restore.dir.join(name), self.stage.join(name), note));
        let mut files: Vec<_> = log.collect();
        for (kind, name) in KEY_FILES {
            let from = match self.key_file(kind) {
                Ok(from) => from,
                // A log in which nothing was ever erased names nothing.
                Err(_) if *kind == "erasures" => continue,
                Err(error) => return Err(error),
            };
            files.push((
                self.restore.keys.join(from),
                self.stage.join(name),
                &self.keys.files[from],
            ));
        }
        for (from, to, note) in files {
            let copied = copy(&from, note.bytes, &to, &*self.disk, &mut meter);
            if copied.map_err(|broken| broken.of(&from))? != *note {
                let what = "it changed while it was read".into();
                return Err(Error::Damaged { place: shown(&from), what });
            }
        }
        let erased = self.erase_again()?;
        let keys = self.staged_keys()?;
        self.sound(&self.stage, &keys, tell)?;
        disk::sync_tree(&*self.disk, &self.stage).map_err(io(&self.stage))?;
        Ok(erased)
    }

    fn staged_keys(&self) -> Result<KeyFile, Error> {
        let (disk, entropy) = (self.disk.clone(), self.surroundings.entropy.clone());
        Ok(KeyFile::open(&self.stage, disk, entropy)?)
    }

    /// Erases what the ledgers name. Keys that no event of the backup has used yet are dropped: the replaced log may have
    /// used them since, and erased some.
    fn erase_again(&self) -> Result<u64, Error> {
        let keys = self.staged_keys()?;
        let blobs = Blobs::new(
            self.stage.join("blobs"),
            self.disk.clone(),
            self.surroundings.entropy.clone(),
        );
        let used = scan::next_slot(&self.stage.join("log"), self.log.head.next)?;
        let used = used.max(blobs.next_slot()?);
        keys.drop_from(used).map_err(OpenError::from)?;
        let mut erased: BTreeSet<Erased> = self.erasures.iter().copied().collect();
        let (replaced, mut by_number) = (self.restore.to.join(LEDGER_FILE), 0);
        match slots_of(&replaced) {
            // After an earlier restore a number may mean another key, so the hashes of the ledger decide.
            Ok(named) if replaced.exists() => erased.extend(named),
            // Rather too much than too little: without its ledger only the numbers are known.
            _ => by_number = self.erase_by_number(&keys, used)?,
        }
        drop(keys);
        if erased.is_empty() {
            return Ok(by_number);
        }
        let erased: Vec<Erased> = erased.into_iter().collect();
        Ok(by_number + apply(&self.stage, &erased).map_err(io(&self.stage))?)
    }

    /// Erases the keys that stand where the replaced log has erased ones.
    fn erase_by_number(&self, keys: &KeyFile, used: u64) -> Result<u64, Error> {
        let replaced = self.restore.to.join(KEYS_FILE);
        if !replaced.exists() {
            return Ok(0);
        }
        let (disk, entropy) = (self.disk.clone(), self.surroundings.entropy.clone());
        let replaced = KeyFile::view(&replaced, disk, entropy)?;
        if replaced.log() != keys.log() {
            return Ok(0);
        }
        let mut erased = 0;
        for slot in replaced.erased_below(used).map_err(OpenError::from)? {
            if keys.read(slot).map_err(OpenError::from)?.is_some() {
                keys.erase(&[slot]).map_err(io(&self.stage.join(KEYS_FILE)))?;
                erased += 1;
            }
        }
        let subjects = self.restore.to.join(SUBJECTS_FILE);
        let gone = erased_in(&subjects).map_err(io(&subjects))?;
        let path = self.stage.join(SUBJECTS_FILE);
        erase_again(&path, &gone, &*self.disk).map_err(io(&path))?;
        Ok(erased)
    }

    /// Puts it in place. What else is in the data directory, such as the Matrix session, stays in it.
    fn settle(&self, erased: u64) -> Result<Restored, Error> {
        let (to, stage) = (&self.restore.to, &self.stage);
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        // Nobody opens it before everything is in its place.
        let _lock = lock(stage)?;
        let mut moved_to = None;
        let (had_log, replaces) = (self.has_log(), to.exists());
        self.put_in_place(replaces)?;
        disk::sync_dir(&*self.disk, parent).map_err(io(parent))?;
        if replaces {
            // From here on the stage is what was replaced.
            self.carry_over()?;
            let now = self.surroundings.clock.now().0;
            let names =
                (now..now + MOVED_ASIDE_MAX).map(|at| beside(to, &format!("replaced-{at}")));
            let free = names.into_iter().find(|name| !name.exists());
            let aside = free.ok_or_else(|| io(to)(std::io::ErrorKind::AlreadyExists.into()))?;
            fs::rename(stage, &aside).map_err(io(&aside))?;
            match had_log {
                true => moved_to = Some(aside),
                // Nothing of worth was there: only what opening it once may have made.
                false => drop(fs::remove_dir_all(&aside)),
            }
        }
        disk::sync_dir(&*self.disk, parent).map_err(io(parent))?;
        let files = (self.log.files.len() + self.keys.files.len()) as u64;
        let bytes = self.log.bytes() + self.keys.bytes();
        let given = self.restore.erasures.as_deref();
        let ledger_torn = given.map_or(Ok(false), |path| is_torn(path).map_err(io(path)))?;
        Ok(Restored { next: self.log.head.next, files, bytes, erased, ledger_torn, moved_to })
    }

    /// The directories change places. What stands in the stage's place without a mark is never removed by a later try:
    /// it may be what was replaced.
    fn put_in_place(&self, replaces: bool) -> Result<(), Error> {
        let (to, stage) = (&self.restore.to, &self.stage);
        let mark = stage.join(MARK_FILE);
        fs::remove_file(&mark).map_err(io(&mark))?;
        disk::sync_dir(&*self.disk, stage).map_err(io(stage))?;
        let placed = match replaces {
            true => exchange(stage, to),
            false => fs::rename(stage, to),
        };
        placed.map_err(|error| {
            let dropped = self.mark().and_then(|()| self.drop_stage());
            dropped.err().unwrap_or_else(|| io(to)(error))
        })
    }

    /// Says that the stage is no log yet.
    fn mark(&self) -> Result<(), Error> {
        let path = self.stage.join(MARK_FILE);
        let made = disk::create_new(&path).and_then(|file| self.disk.sync(&file));
        made.and_then(|()| disk::sync_dir(&*self.disk, &self.stage)).map_err(io(&path))
    }

    /// Takes what is not the log from the replaced directory.
    fn carry_over(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.stage).map_err(io(&self.stage))? {
            let entry = entry.map_err(io(&self.stage))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if KEPT.contains(&name.as_str()) {
                let to = self.restore.to.join(&name);
                fs::rename(entry.path(), &to).map_err(io(&to))?;
            }
        }
        disk::sync_dir(&*self.disk, &self.restore.to).map_err(io(&self.restore.to))
    }

    /// Removes what an earlier try left, its keys wiped.
    fn drop_stage(&self) -> Result<(), Error> {
        let stage = &self.stage;
        if !stage.exists() {
            return Ok(());
        }
        if !stage.join(MARK_FILE).exists() {
            let what = "may be the log that a restore replaced before it was cut off";
            let what = format!("`{}` {what}: look at it, and move it away", stage.display());
            return Err(Error::Refused(what));
        }
        for name in [KEYS_FILE, SUBJECTS_FILE] {
            wipe(&stage.join(name), &*self.disk).map_err(io(stage))?;
        }
        fs::remove_dir_all(stage).map_err(io(stage))
    }
}

/// A name beside a directory.
fn beside(dir: &Path, what: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    dir.with_file_name(name)
}

/// What a ledger names that somebody handed over: one that names nothing is another file.
fn ledger(path: &Path) -> Result<Vec<Erased>, Error> {
    let named = slots_of(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            Error::Damaged { place: shown(path), what: "a record in it is not whole".into() }
        }
        _ => io(path)(error),
    })?;
    match named.is_empty() {
        true => Err(Error::Refused(format!("`{}` names no erasure", path.display()))),
        false => Ok(named),
    }
}

/// What is damaged is the backup, not the log.
fn of_backup(error: OpenError) -> Error {
    match error {
        OpenError::Damaged { place, what } => Error::Damaged { place, what },
        error => error.into(),
    }
}

fn manifest(dir: &Path, part: Part) -> Result<Manifest, Error> {
    let manifest = Manifest::read(dir)?;
    let missing = || Error::Refused(format!("there is no backup in `{}`", dir.display()));
    let manifest = manifest.ok_or_else(missing)?;
    if manifest.head.part != part {
        let what = match part {
            Part::Log => "holds keys: it is the folder for --keys",
            Part::Keys => "holds no keys: name the folder that they were backed up to with --keys",
        };
        return Err(Error::Refused(format!("`{}` {what}", dir.display())));
    }
    Ok(manifest)
}

/// Two directories change names in one step; where the file system cannot, in three.
fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    let done = renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE);
    match done {
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {
            let between = beside(other, "exchanged");
            fs::rename(other, &between)?;
            fs::rename(one, other)?;
            fs::rename(&between, one)
        }
        done => Ok(done?),
    }
}
