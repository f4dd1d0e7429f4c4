//! Opening a log on disk: one process at a time, the journal's end found, the event store brought up with it.
//!
//! A damaged journal is refused with what and where, and never repaired. A damaged event store is moved aside and made
//! anew from the journal.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::blobs::Blobs;
use super::disk::{self, Disk, RealDisk};
use super::journal::{Journal, SEGMENT_BYTES, find_end};
use super::keys::{KEYS_FILE, KeyFile};
use super::ledger::Ledger;
use super::record;
use super::recovery::{recover, unrecorded};
use super::subjects::Subjects;
use super::tail::{TAIL_BYTES_MAX, TAIL_EVENTS_MAX};
use super::trees::{Applied, Trees, TreesError};
use super::{ReadError, Surroundings};
use crate::domain::id::Position;

/// How often the event store is synced behind the journal.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long events are gathered before the event store takes them: one transaction of it costs as much for many.
const GATHER_FOR: Duration = Duration::from_millis(50);

/// How a log is kept on disk. Only tests change it, but for who hears how far the opening is.
#[derive(Clone)]
pub struct Options {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// A journal file that has grown to this size is followed by a new one.
    pub segment_bytes: u64,
    /// How many events may wait for the event store before `append` waits.
    pub tail_events_max: usize,
    /// How many bytes of events may wait.
    pub tail_bytes_max: usize,
    /// How often the event store is synced.
    pub sync_every: Duration,
    /// How long events are gathered for the event store; they are read from memory until then.
    pub gather_for: Duration,
    /// Hears how far a long opening is: so many of so many events are taken into the event store.
    pub opening: Opening,
}

/// Who hears how far an opening is.
pub type Opening = Arc<dyn Fn(u64, u64) + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            segment_bytes: SEGMENT_BYTES,
            tail_events_max: TAIL_EVENTS_MAX,
            tail_bytes_max: TAIL_BYTES_MAX,
            sync_every: SYNC_EVERY,
            gather_for: GATHER_FOR,
            opening: Arc::new(|_, _| {}),
        }
    }
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// It is a new log.
    pub created: bool,
    /// How many events of the journal were taken into the event store.
    pub replayed: u64,
    /// Why the event store was made anew, if it was.
    pub rebuilt: Option<String>,
    /// How many bytes of an unacknowledged write were cut off the journal's end.
    pub cut_bytes: u64,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it: talk to that one.
    #[error("the log in `{}` is open in {}", .dir.display(), owner_text(.pid))]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Who has it, if that is known.
        pid: Option<u32>,
    },
    /// It is refused: a person must look at it.
    #[error("the log is damaged at {place}: {what}")]
    Damaged {
        /// Which file and line.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// The system refused something.
    #[error("cannot use `{}`: {source}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The event store could not be made, not even anew.
    #[error("cannot make the event store: {0}")]
    Store(String),
}

fn owner_text(pid: &Option<u32>) -> String {
    pid.map_or("another process".into(), |pid| format!("process {pid}"))
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { place, what } => Self::Damaged { place, what },
            ReadError::Store(what) => Self::Store(what),
            newer @ ReadError::Newer { .. } => Self::Store(newer.to_string()),
        }
    }
}

impl From<TreesError> for OpenError {
    fn from(error: TreesError) -> Self {
        Self::Store(error.0)
    }
}

/// The lock file, held.
pub(crate) type Lock = Flock<File>;

/// Takes a data directory, for this opening alone.
pub(crate) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join("lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let file = disk::open_append(&path).map_err(io)?;
    let mut lock =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, _)| {
            let mut text = String::new();
            let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
            OpenError::Locked { dir: dir.to_owned(), pid: text.trim().parse().ok() }
        })?;
    let told = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    told.map_err(io)?;
    Ok(lock)
}

/// The parts of a log that was opened.
pub(crate) struct Parts {
    pub(crate) lock: Lock,
    pub(crate) keys: KeyFile,
    pub(crate) subjects: Subjects,
    pub(crate) blobs: Blobs,
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
    pub(crate) trees: Trees,
    pub(crate) applied: Applied,
    pub(crate) opened: Opened,
    pub(crate) moved_to: Option<String>,
}

/// Opens a log, or makes it.
pub(crate) fn open(
    dir: &Path,
    surroundings: &Surroundings,
    options: &Options,
) -> Result<Parts, OpenError> {
    let io = |source| OpenError::Io { path: dir.to_owned(), source };
    for part in [dir, &dir.join("log"), &dir.join("blobs")] {
        disk::make_dir(part).map_err(io)?;
    }
    let lock = lock(dir)?;
    let disk = &options.disk;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    for dir in [Some(dir), parent].into_iter().flatten() {
        disk::sync_dir(&**disk, dir).map_err(io)?;
    }
    let keys = open_keys(dir, surroundings, options)?;
    let ledger = Ledger::open(dir, disk.clone())?;
    let (entropy, secret) = (surroundings.entropy.clone(), keys.secret().clone());
    let subjects = Subjects::open(dir, disk.clone(), entropy, secret, &ledger.unfinished)?;
    let blobs = Blobs::new(dir.join("blobs"), disk.clone(), surroundings.entropy.clone());
    let log = dir.join("log");
    let end = find_end(&log, &suspect(&keys))?;
    let mut opened = Opened { cut_bytes: end.torn_bytes, ..Opened::default() };
    // Nothing may reach the event store that is in memory only; before a torn write, the last group was synced.
    let whole = end.torn_at.is_none();
    let journal = || Journal::open(&log, &end, disk.clone(), options.segment_bytes);
    let early = whole.then(&journal).transpose()?;
    let (trees, mut applied, moved_to) =
        recover(dir, surroundings, options, &keys, &end, &mut opened)?;
    opened.rebuilt = opened.rebuilt.or_else(|| unrecorded(dir));
    applied.next_slot = applied.next_slot.max(blobs.next_slot()?);
    keys.settle(applied.next_slot)?;
    let journal = early.map_or_else(journal, Ok)?;
    opened.created = end.next == Position::START;
    Ok(Parts { lock, keys, subjects, blobs, ledger, journal, trees, applied, opened, moved_to })
}

/// Says what is wrong with a line of the journal.
pub(crate) fn suspect(keys: &KeyFile) -> impl Fn(Position, &[u8]) -> Result<(), String> {
    |position, line| record::check(position, line, keys, false).map(drop)
}

fn open_keys(
    dir: &Path,
    surroundings: &Surroundings,
    options: &Options,
) -> Result<KeyFile, OpenError> {
    let (disk, entropy) = (options.disk.clone(), surroundings.entropy.clone());
    let segments = super::segment::list(&dir.join("log"))?;
    let written =
        segments.iter().any(|segment| segment.path.metadata().is_ok_and(|it| it.len() > 0));
    match (dir.join(KEYS_FILE).exists(), written) {
        (true, _) => {
            let keys = KeyFile::open(dir, disk, entropy)?;
            check_owner(dir, &keys)?;
            Ok(keys)
        }
        (false, false) => KeyFile::create(dir, disk, entropy),
        (false, true) => {
            let what = "it is missing, and what the log holds is sealed with it".into();
            Err(OpenError::Damaged { place: KEYS_FILE.into(), what })
        }
    }
}

/// Whether keys belong to the journal beside them: the log's name derives from its secret.
fn check_owner(dir: &Path, keys: &KeyFile) -> Result<(), OpenError> {
    let Some(group) = super::journal::first_group(&dir.join("log"))? else { return Ok(()) };
    let Some(line) = group.lines().next().filter(|_| group.first == Position::START) else {
        return Ok(());
    };
    if record::log_of(line).is_some_and(|log| log == keys.log()) {
        return Ok(());
    }
    let what = "it belongs to another log than the journal beside it".into();
    Err(OpenError::Damaged { place: KEYS_FILE.into(), what })
}
