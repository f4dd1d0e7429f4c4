//! The subject file: a random key for each person, room and network, from which their pseudonyms derive.
//!
//! Nothing about a subject stands in it in the clear. Invariant: a subject is on disk before the first event that names
//! it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::disk::{self, Disk};
use super::keys::{SlotKey, pseudonym};
use super::ledger::{self, Erased};
use super::segment::GROUP_EVENTS_MAX;
use super::{Entropy, OpenError, Subject, locked};
use crate::domain::id::{IdKey, Pseudonym, Tag};

/// How many persons, rooms and networks a log can know.
pub const SUBJECTS_MAX: usize = 1 << 20;
/// The file's name.
pub(crate) const SUBJECTS_FILE: &str = "subjects.bin";
/// A key, the subject's tag and their CRC-32.
const RECORD_BYTES: usize = 52;
/// Most bytes that are written in one go: a person, a room and a network for each event of a group.
const WRITE_BYTES_MAX: usize = 3 * GROUP_EVENTS_MAX * RECORD_BYTES;
/// What stands in place of the CRC-32 of an erased record.
const ERASED: [u8; 4] = *b"gone";

/// The keys of all subjects.
pub(crate) struct Subjects {
    file: File,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    secret: IdKey,
    max: usize,
    known: RwLock<HashMap<Tag, Known>>,
    staged: Mutex<Zeroizing<Vec<u8>>>,
    /// The number of the next record.
    next: AtomicU64,
}

/// A subject's key, and the number of its record.
struct Known {
    key: SlotKey,
    record: u64,
}

/// What one record of the file says.
enum Record {
    Subject(Tag, SlotKey),
    Erased,
    Torn,
    Bad,
}

impl Subjects {
    /// Loads the file, or makes it.
    pub(crate) fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
        secret: IdKey,
        unfinished: &HashSet<u64>,
    ) -> Result<Self, OpenError> {
        let path = dir.join(SUBJECTS_FILE);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut file = disk::open_append(&path).map_err(io)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.read_to_end(&mut bytes).map_err(io)?;
        let (known, whole) = load(&bytes, unfinished)?;
        file.set_len(whole as u64).map_err(io)?;
        // What a sync that failed or never came may have left in memory only is written once more.
        let again = whole.saturating_sub(WRITE_BYTES_MAX) / RECORD_BYTES * RECORD_BYTES;
        let anew = disk::open_write(&path);
        anew.and_then(|it| it.write_all_at(&bytes[again..whole], again as u64)).map_err(io)?;
        disk.sync(&file).and_then(|()| disk::sync_dir(&*disk, dir)).map_err(io)?;
        let (known, staged) = (RwLock::new(known), Mutex::default());
        let next = AtomicU64::new((whole / RECORD_BYTES) as u64);
        Ok(Self { file, path, disk, entropy, secret, max: SUBJECTS_MAX, known, staged, next })
    }

    fn tag(&self, subject: &Subject) -> Tag {
        let (kind, id) = match subject {
            Subject::Person(id) => ("person", id),
            Subject::Room(id) => ("room", id),
            Subject::Network(id) => ("network", id),
        };
        self.secret.tag("subject", &[kind, id])
    }

    /// The pseudonym of a subject that is known.
    pub(crate) fn pseudonym(&self, subject: &Subject) -> Option<Pseudonym> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&self.tag(subject)).map(|known| pseudonym(&known.key, subject))
    }

    /// The number of a known subject's record.
    pub(crate) fn record(&self, subject: &Subject) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&self.tag(subject)).map(|known| known.record)
    }

    /// The keys of records that are still there, as the ledger of erasures names them.
    pub(crate) fn prints(&self, records: &[u64]) -> Vec<Erased> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = known.values().filter(|known| records.contains(&known.record));
        wanted.map(|known| Erased::Subject(known.record, ledger::print(&*known.key))).collect()
    }

    /// Overwrites records in place: nobody can tell any more whose pseudonyms these were.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn erase(&self, records: &[u64]) -> std::io::Result<()> {
        let made = self.next.load(Ordering::SeqCst);
        let records: Vec<u64> = records.iter().copied().filter(|record| *record < made).collect();
        if records.is_empty() {
            return Ok(());
        }
        self.sync()?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| !records.contains(&known.record));
        overwrite(&*self.disk, &disk::open_write(&self.path)?, &records)
    }

    /// The pseudonym of a subject; a new one is on disk after the next [`Self::sync`]. None when no more fit.
    pub(crate) fn stage(&self, subject: &Subject) -> Option<Pseudonym> {
        if let Some(known) = self.pseudonym(subject) {
            return Some(known);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.max {
            return None;
        }
        let (tag, mut key) = (self.tag(subject), SlotKey::default());
        self.entropy.fill(&mut *key);
        let mut staged = locked(&self.staged);
        let start = staged.len();
        staged.extend_from_slice(&*key);
        staged.extend_from_slice(&tag.0);
        let crc = crc32fast::hash(&staged[start..]);
        staged.extend_from_slice(&crc.to_be_bytes());
        let pseudonym = pseudonym(&key, subject);
        let record = self.next.fetch_add(1, Ordering::SeqCst);
        known.insert(tag, Known { key, record });
        Some(pseudonym)
    }

    /// Makes every staged subject durable.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        // Held while it is written: records stand in the file in the order of their numbers.
        let mut staged = locked(&self.staged);
        let staged = std::mem::take(&mut *staged);
        if staged.is_empty() {
            return Ok(());
        }
        let told = |error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        };
        self.disk.write(&self.file, &staged).and_then(|()| self.disk.sync(&self.file)).map_err(told)
    }
}

/// What is wrong with the file, if it is there.
pub(crate) fn check(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(SUBJECTS_FILE);
    match std::fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => load(&bytes, &HashSet::new()).map(drop),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

/// The numbers of the records of a file that were erased.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn erased_in(path: &Path) -> std::io::Result<Vec<u64>> {
    let bytes = Zeroizing::new(std::fs::read(path)?);
    let records = (0..).zip(bytes.chunks(RECORD_BYTES));
    Ok(records.filter(|(_, it)| matches!(parse(it), Record::Erased)).map(|(nth, _)| nth).collect())
}

/// Overwrites records of a file in place; those that it does not have are left out.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn erase_again(path: &Path, records: &[u64], disk: &dyn Disk) -> std::io::Result<()> {
    let file = disk::open_write(path)?;
    let whole = file.metadata()?.len() / RECORD_BYTES as u64;
    let mut gone = [0; RECORD_BYTES];
    gone[RECORD_BYTES - ERASED.len()..].copy_from_slice(&ERASED);
    for record in records.iter().filter(|record| **record < whole) {
        file.write_all_at(&gone, record * RECORD_BYTES as u64)?;
    }
    disk.sync(&file)
}

/// Reads all records; also says where the whole ones end. What a torn write left at the end is not counted: of its pages
/// later ones may have reached the disk and earlier ones not, so whole records may follow torn ones, but no more than one
/// write can hold.
///
/// A record that was being erased when the process ended may be half of each.
fn load(
    bytes: &[u8],
    unfinished: &HashSet<u64>,
) -> Result<(HashMap<Tag, Known>, usize), OpenError> {
    let mut known = HashMap::new();
    let mut torn_from = None;
    for (nth, record) in bytes.chunks(RECORD_BYTES).enumerate() {
        let at = nth * RECORD_BYTES;
        let place = || format!("{SUBJECTS_FILE} record {nth}");
        let number = nth as u64;
        match parse(record) {
            _ if unfinished.contains(&number) && record.len() == RECORD_BYTES => {}
            Record::Torn => torn_from = torn_from.or(Some(at)),
            Record::Subject(..)
                if torn_from.is_some_and(|from| bytes.len() - from <= WRITE_BYTES_MAX) => {}
            Record::Subject(..) | Record::Erased if torn_from.is_some() => {
                let what = "a record before it is torn".into();
                return Err(OpenError::Damaged { place: place(), what });
            }
            Record::Subject(tag, key) => drop(known.insert(tag, Known { key, record: number })),
            Record::Erased => {}
            Record::Bad => {
                let what = "its checksum is wrong".into();
                return Err(OpenError::Damaged { place: place(), what });
            }
        }
    }
    Ok((known, torn_from.unwrap_or(bytes.len())))
}

/// Overwrites records of a subject file in place.
pub(crate) fn overwrite(disk: &dyn Disk, file: &File, records: &[u64]) -> std::io::Result<()> {
    let mut bytes = [0; RECORD_BYTES];
    bytes[RECORD_BYTES - 4..].copy_from_slice(&ERASED);
    for record in records {
        file.write_all_at(&bytes, *record * RECORD_BYTES as u64)?;
    }
    disk.sync(file)
}

/// The records of a subject file that still hold the keys that a ledger names.
pub(crate) fn still_there(path: &Path, erased: &[Erased]) -> std::io::Result<Vec<u64>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let made = file.metadata()?.len() / RECORD_BYTES as u64;
    let mut found = Vec::new();
    let mut key = SlotKey::default();
    for erased in erased {
        let Erased::Subject(record, print) = *erased else { continue };
        if record < made {
            file.read_exact_at(&mut *key, record * RECORD_BYTES as u64)?;
            found.extend((ledger::print(&*key) == print).then_some(record));
        }
    }
    Ok(found)
}

/// A record is torn if it is cut short, or if the page that holds one of its ends never reached the disk.
fn parse(record: &[u8]) -> Record {
    if record.len() < RECORD_BYTES {
        return Record::Torn;
    }
    let (content, crc) = record.split_at(RECORD_BYTES - 4);
    if crc32fast::hash(content).to_be_bytes() == crc {
        let (mut key, mut tag) = (SlotKey::default(), [0; 16]);
        key.copy_from_slice(&content[..32]);
        tag.copy_from_slice(&content[32..]);
        return Record::Subject(Tag(tag), key);
    }
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    match crc == ERASED && zero(content) {
        true => Record::Erased,
        false if zero(&record[..4]) || zero(crc) => Record::Torn,
        false => Record::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::super::testing::Counting;
    use super::*;

    fn open(dir: &Path, max: usize) -> Result<Subjects, OpenError> {
        let (disk, entropy) = (Arc::new(RealDisk), Arc::new(Counting::default()));
        let subjects = Subjects::open(dir, disk, entropy, IdKey([7; 32]), &HashSet::new())?;
        Ok(Subjects { max, ..subjects })
    }

    fn ana() -> Subject {
        Subject::Person("@ana:hs".into())
    }

    #[test]
    fn subjects_keep_their_pseudonyms_and_stand_nowhere_in_the_clear() {
        let dir = tempfile::tempdir().expect("a directory");
        let subjects = open(dir.path(), 2).expect("opens");
        assert_eq!(subjects.pseudonym(&ana()), None);
        let first = subjects.stage(&ana()).expect("fits");
        assert_eq!(subjects.stage(&ana()), Some(first.clone()));
        let room = subjects.stage(&Subject::Room("@ana:hs".into())).expect("fits");
        assert_ne!(room, first, "a room of the same name is another subject");
        assert_eq!(subjects.stage(&Subject::Network("irc".into())), None, "SUBJECTS_MAX holds");
        subjects.sync().expect("syncs");
        let bytes = std::fs::read(dir.path().join(SUBJECTS_FILE)).expect("reads");
        assert_eq!(bytes.len(), 2 * RECORD_BYTES);
        assert!(!bytes.windows(4).any(|window| window == b"@ana"));
        assert_eq!(open(dir.path(), 2).expect("opens").pseudonym(&ana()), Some(first));
    }

    #[test]
    fn a_torn_tail_is_dropped_and_a_bad_record_refused() {
        let whole = |n: u8| {
            let mut record = vec![n; 48];
            record.extend(crc32fast::hash(&record).to_be_bytes());
            record
        };
        let flipped = || whole(3).into_iter().enumerate().map(|(n, b)| b ^ u8::from(n == 9));
        let erased: Vec<u8> = [0; 48].into_iter().chain(ERASED).collect();
        let many = whole(4).repeat(3 * GROUP_EVENTS_MAX);
        let half: Vec<u8> = whole(3)[..30].iter().copied().chain([0; 22]).collect();
        for (what, tail, want) in [
            ("nothing", vec![], Ok(104)),
            ("a part", vec![5; 20], Ok(104)),
            ("zeros", vec![0; 100], Ok(104)),
            ("half a page", half.clone(), Ok(104)),
            ("erased", erased, Ok(156)),
            ("flipped", flipped().collect(), Err("record 2: its checksum is wrong")),
            ("torn then whole, in one write", [half.clone(), whole(4)].concat(), Ok(104)),
            (
                "torn, then more than WRITE_BYTES_MAX",
                [half, many].concat(),
                Err("record 3: a record"),
            ),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join(SUBJECTS_FILE);
            std::fs::write(&path, [whole(1), whole(2), tail].concat()).expect("writes");
            match (open(dir.path(), 9), want) {
                (Ok(_), Ok(length)) => {
                    assert_eq!(std::fs::metadata(&path).expect("is there").len(), length, "{what}");
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{what}: {error}");
                }
                (got, want) => panic!("{what}: {:?}, not {want:?}", got.err()),
            }
        }
    }
}
