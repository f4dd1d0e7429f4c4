//! The ledger of erasures: which key slots and subject records were overwritten, in a plain file that tells nothing else.
//!
//! Each slot stands there with four bytes of a hash of the key that it held, written before the key goes. So the same
//! erasures can be done again on an older copy of the keys, and a slot that holds another key by now is left alone.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::disk::{self, Disk, RealDisk};
use super::{OpenError, blobs, keys, subjects};

/// The file's name.
pub const LEDGER_FILE: &str = "erasures.bin";
/// What, its number, the hash of its key, and the CRC-32 of these.
const RECORD_BYTES: usize = 16;
/// How much of the file's end is read at once to find out how far the erasures are.
const TAIL_BYTES: u64 = 64 * 1024;

/// What an erasure overwrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Erased {
    /// A slot of `keys.bin`, and the hash of its key.
    Slot(u64, [u8; 4]),
    /// A record of `subjects.bin`, and the hash of its key.
    Subject(u64, [u8; 4]),
}

/// One record of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    Erased(Erased),
    /// All erasures of the log before this version of their stream are carried out.
    Through(u64),
}

impl Record {
    fn bytes(self) -> [u8; RECORD_BYTES] {
        let (kind, number, print) = match self {
            Self::Erased(Erased::Slot(number, print)) => (1, number, print),
            Self::Erased(Erased::Subject(number, print)) => (2, number, print),
            Self::Through(version) => (3, version, [0; 4]),
        };
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[0] = kind;
        bytes[8..12].copy_from_slice(&print);
        let crc = crc32fast::hash(&bytes[..12]);
        bytes[12..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, crc) = bytes.split_at_checked(12)?;
        if crc32fast::hash(content).to_be_bytes() != crc {
            return None;
        }
        let mut number = [0; 8];
        number[1..].copy_from_slice(&content[1..8]);
        let (number, print) = (u64::from_be_bytes(number), content[8..].try_into().ok()?);
        match content[0] {
            1 => Some(Self::Erased(Erased::Slot(number, print))),
            2 => Some(Self::Erased(Erased::Subject(number, print))),
            3 => Some(Self::Through(number)),
            _ => None,
        }
    }
}

/// The hash of a key that tells two keys apart and nothing about either.
pub(crate) fn print(key: &[u8]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(b"erased").chain_update(key).finalize();
    hash[..4].try_into().expect("a hash has more than four bytes")
}

/// The open ledger.
pub(crate) struct Ledger {
    file: File,
    disk: Arc<dyn Disk>,
    /// All erasures before this version of their stream are carried out.
    pub(crate) through: Mutex<u64>,
    /// Records of subjects that were being overwritten when the process ended.
    pub(crate) unfinished: HashSet<u64>,
}

impl Ledger {
    /// Opens the file, or makes it; what a torn write left at its end is dropped.
    pub(crate) fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let path = dir.join(LEDGER_FILE);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut file = disk::open_append(&path).map_err(io)?;
        let whole = whole(&mut file).map_err(io)?;
        file.set_len(whole).map_err(io)?;
        let (through, unfinished) = end(&mut file, whole).map_err(io)?;
        disk.sync(&file).and_then(|()| disk::sync_dir(&*disk, dir)).map_err(io)?;
        Ok(Self { file, disk, through: Mutex::new(through), unfinished })
    }

    /// Notes what is about to be overwritten; on disk when this returns.
    pub(crate) fn note(&self, erased: &[Erased]) -> io::Result<()> {
        self.write(erased.iter().map(|it| Record::Erased(*it)))
    }

    /// Notes that all erasures before a version of their stream are carried out.
    pub(crate) fn done(&self, version: u64) -> io::Result<()> {
        self.write([Record::Through(version)].into_iter())
    }

    fn write(&self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let bytes: Vec<u8> = records.flat_map(Record::bytes).collect();
        if bytes.is_empty() {
            return Ok(());
        }
        self.disk.write(&self.file, &bytes)?;
        self.disk.sync(&self.file)
    }
}

/// Where the whole records end.
fn whole(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len() / RECORD_BYTES as u64 * RECORD_BYTES as u64;
    let mut record = [0; RECORD_BYTES];
    while end > 0 {
        file.seek(SeekFrom::Start(end - RECORD_BYTES as u64))?;
        file.read_exact(&mut record)?;
        if Record::parse(&record).is_some() {
            break;
        }
        end -= RECORD_BYTES as u64;
    }
    Ok(end)
}

/// Whether a ledger ends in a record that is not whole, as a process leaves it that ends in the middle of a write.
///
/// # Errors
/// What the system says.
pub fn is_torn(ledger: &Path) -> io::Result<bool> {
    let mut file = File::open(ledger)?;
    Ok(whole(&mut file)? != file.metadata()?.len())
}

/// How far the erasures are, and the subjects of the one that was under way; read from the end on.
fn end(file: &mut File, whole: u64) -> io::Result<(u64, HashSet<u64>)> {
    let (mut unfinished, mut end) = (HashSet::new(), whole);
    while end > 0 {
        let start = end.saturating_sub(TAIL_BYTES);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        for record in bytes.rchunks(RECORD_BYTES).filter_map(Record::parse) {
            match record {
                Record::Through(version) => return Ok((version, unfinished)),
                Record::Erased(Erased::Subject(number, _)) => drop(unfinished.insert(number)),
                Record::Erased(Erased::Slot(..)) => {}
            }
        }
        end = start;
    }
    Ok((0, unfinished))
}

/// What a ledger names: the file of a data directory, or a copy of it. A missing one names nothing.
///
/// # Errors
/// What the system says, or that the file is damaged.
pub fn slots_of(ledger: &Path) -> io::Result<Vec<Erased>> {
    let file = match File::open(ledger) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let (mut found, mut torn) = (Vec::new(), false);
    let mut reader = BufReader::new(file);
    let mut record = Vec::with_capacity(RECORD_BYTES);
    loop {
        record.clear();
        reader.by_ref().take(RECORD_BYTES as u64).read_to_end(&mut record)?;
        match Record::parse(&record) {
            _ if record.is_empty() => return Ok(found),
            None => torn = true,
            Some(_) if torn => {
                let what = format!("{} is damaged", ledger.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Some(Record::Erased(erased)) => found.push(erased),
            Some(Record::Through(_)) => {}
        }
    }
}

/// Does erasures again on a data directory that no process has open: an older copy of the log that they were done on.
/// Gives how many keys were overwritten; a slot that holds another key by now is left alone.
///
/// # Errors
/// What the system says. It may be repeated.
pub fn apply(dir: &Path, erased: &[Erased]) -> io::Result<u64> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let slots = keys::still_there(&dir.join(keys::KEYS_FILE), erased)?;
    let records = subjects::still_there(&dir.join(subjects::SUBJECTS_FILE), erased)?;
    let mut ledger = disk::open_append(&dir.join(LEDGER_FILE))?;
    let known = whole(&mut ledger)?;
    ledger.set_len(known)?;
    let mut bytes = Vec::new();
    for erased in erased {
        bytes.extend(Record::Erased(*erased).bytes());
    }
    // The erasures that this log itself tells of are carried out when it is opened.
    bytes.extend(Record::Through(0).bytes());
    disk.write(&ledger, &bytes)?;
    disk.sync(&ledger)?;
    keys::overwrite(&*disk, &disk::open_write(&dir.join(keys::KEYS_FILE))?, &slots)?;
    if !records.is_empty() {
        let file = disk::open_write(&dir.join(subjects::SUBJECTS_FILE))?;
        subjects::overwrite(&*disk, &file, &records)?;
    }
    let gone: HashSet<u64> = slots.iter().copied().collect();
    for entry in fs::read_dir(dir.join("blobs")).into_iter().flatten() {
        let path = entry?.path();
        if blobs::slot_of(&path).is_some_and(|slot| gone.contains(&slot)) {
            blobs::destroy(&*disk, &path)?;
        }
    }
    disk::sync_dir(&*disk, dir)?;
    Ok((slots.len() + records.len()) as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn open(dir: &Path) -> Ledger {
        Ledger::open(dir, Arc::new(RealDisk)).expect("opens")
    }

    #[test]
    fn what_is_noted_is_read_back_and_a_torn_end_is_dropped() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(LEDGER_FILE);
        assert_eq!(slots_of(&path).expect("reads"), []);
        let (slot, subject) = (Erased::Slot(7, [1; 4]), Erased::Subject(1 << 40, print(b"key")));
        let ledger = open(dir.path());
        ledger.note(&[slot]).expect("writes");
        ledger.done(3).expect("writes");
        ledger.note(&[subject]).expect("writes");
        drop(ledger);
        for torn in [&[][..], &[0; 16], &[5; 7], &[9; 40]] {
            let mut file = disk::open_append(&path).expect("opens");
            file.write_all(torn).expect("writes");
            assert_eq!(slots_of(&path).expect("reads"), [slot, subject], "{torn:?}");
            assert_eq!(is_torn(&path).expect("reads"), !torn.is_empty(), "{torn:?}");
            let ledger = open(dir.path());
            assert_eq!(*ledger.through.lock().expect("free"), 3, "{torn:?}");
            assert_eq!(ledger.unfinished, HashSet::from([1 << 40]), "{torn:?}");
            assert_eq!(fs::metadata(&path).expect("is there").len(), 48, "{torn:?}");
        }
    }

    #[test]
    fn a_bad_record_before_a_good_one_is_damage() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = open(dir.path());
        ledger.note(&[Erased::Slot(7, [1; 4]), Erased::Slot(8, [1; 4])]).expect("writes");
        let path = dir.path().join(LEDGER_FILE);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[3] ^= 1;
        fs::write(&path, &bytes).expect("writes");
        let error = slots_of(&path).expect_err("is damaged").to_string();
        assert!(error.contains("is damaged"), "{error}");
    }

    #[test]
    fn how_far_it_is_is_found_far_from_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = open(dir.path());
        ledger.done(9).expect("writes");
        let many = 3 * TAIL_BYTES / RECORD_BYTES as u64;
        let slots: Vec<Erased> = (1..=many).map(|slot| Erased::Slot(slot, [0; 4])).collect();
        ledger.note(&slots).expect("writes");
        assert_eq!(*open(dir.path()).through.lock().expect("free"), 9);
    }
}
