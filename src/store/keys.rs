//! The key file: fixed slots of random bytes, made durable ahead of use and overwritten in place to erase.
//!
//! Slot 0 is the log's own secret. Invariant: no event or blob names a slot that is not on disk.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::disk::{self, Disk};
use super::ledger::{self, Erased};
use super::proof::Signing;
use super::{Entropy, OpenError, ReadError, Subject, locked};
use crate::domain::id::{IdKey, Pseudonym, Tag};

/// How many slots are made at a time.
pub const SLOTS_AHEAD: u64 = 4_096;
/// The file's name.
pub(crate) const KEYS_FILE: &str = "keys.bin";
/// A key and its CRC-32.
const SLOT_BYTES: usize = 36;
/// What stands in place of the CRC-32 of an erased slot; 32 zero bytes have another one.
const ERASED: [u8; 4] = *b"gone";

/// The bytes of one slot.
pub(crate) type SlotKey = Zeroizing<[u8; 32]>;

/// The file of key slots.
pub(crate) struct KeyFile {
    file: File,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    secret: IdKey,
    slots: Mutex<Slots>,
}

/// How far the slots reach, and the keys of the next ones, which nothing uses yet: none for one that was erased all the same.
#[derive(Default)]
struct Slots {
    made: u64,
    next: u64,
    free: VecDeque<Option<SlotKey>>,
}

impl KeyFile {
    /// Makes the file with a new secret.
    pub(crate) fn create(
        dir: &Path,
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let path = dir.join(KEYS_FILE);
        let fresh = dir.join("keys.bin.new");
        let io = |source| OpenError::Io { path: path.clone(), source };
        let _ = fs::remove_file(&fresh);
        let file = disk::create_new(&fresh).map_err(io)?;
        let slots = fresh_slots(&*entropy);
        disk.write(&file, &slots).and_then(|()| disk.sync(&file)).map_err(io)?;
        fs::rename(&fresh, &path).and_then(|()| disk::sync_dir(&*disk, dir)).map_err(io)?;
        Self::open(dir, disk, entropy)
    }

    /// Opens the file; the next free slot is not known before [`Self::settle`].
    pub(crate) fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let path = dir.join(KEYS_FILE);
        let file = disk::open_write(&path);
        Self::of(path, file, disk, entropy)
    }

    /// Opens a copy of the file, for reading alone.
    pub(crate) fn view(
        path: &Path,
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        Self::of(path.to_owned(), File::open(path), disk, entropy)
    }

    fn of(
        path: PathBuf,
        file: std::io::Result<File>,
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file = file.map_err(io)?;
        let made = file.metadata().map_err(io)?.len() / SLOT_BYTES as u64;
        let slots = Mutex::new(Slots { made, next: made, free: VecDeque::new() });
        let mut keys = Self { file, path, disk, entropy, secret: IdKey([0; 32]), slots };
        let damaged = |what: &str| OpenError::Damaged { place: place(0), what: what.into() };
        let secret = keys.read(0)?.ok_or_else(|| damaged("the log's secret was erased"))?;
        keys.secret = IdKey(*secret);
        Ok(keys)
    }

    /// The log's own secret.
    pub(crate) fn secret(&self) -> &IdKey {
        &self.secret
    }

    /// The random name of the log that these keys belong to.
    pub(crate) fn log(&self) -> String {
        self.secret.tag("log", &[]).to_string()
    }

    /// What signs heads of this log; its key derives from the log's secret.
    pub(crate) fn signing(&self) -> Signing {
        let seed = Zeroizing::new(self.secret.hash("sign tree heads", &[]));
        Signing::new(&self.log(), &seed)
    }

    /// Says which slot is the next free one, drops what a torn write left behind it, and makes slots ahead.
    pub(crate) fn settle(&self, next: u64) -> Result<(), OpenError> {
        let made = locked(&self.slots).made;
        if next > made {
            let what = format!("the log uses slot {}, the file holds {made}", next - 1);
            return Err(OpenError::Damaged { place: KEYS_FILE.into(), what });
        }
        // What is erased ahead belonged to a blob, or to a later time of this log: it is not handed out again.
        let (mut whole, mut free) = (next, next);
        for slot in next..made {
            match self.read(slot) {
                Ok(Some(_)) => {}
                Ok(None) => free = slot + 1,
                Err(_) => break,
            }
            whole = slot + 1;
        }
        let next = free;
        let io = |source| OpenError::Io { path: self.path.clone(), source };
        self.file.set_len(whole * SLOT_BYTES as u64).map_err(io)?;
        self.refresh(next, whole).map_err(io)?;
        let mut slots = locked(&self.slots);
        *slots = Slots { made: whole, next, free: VecDeque::new() };
        self.reserve(&mut slots, SLOTS_AHEAD as usize / 2).map_err(|error| match error {
            ReadError::Store(what) => io(std::io::Error::other(what)),
            other => other.into(),
        })
    }

    /// Writes unused slots once more: a sync that failed, or never came, in an earlier process may have left them in
    /// memory only.
    fn refresh(&self, first: u64, end: u64) -> std::io::Result<()> {
        let mut bytes = Zeroizing::new(vec![0; SLOTS_AHEAD as usize * SLOT_BYTES]);
        let mut from = first;
        while from < end {
            let slots = (end - from).min(SLOTS_AHEAD);
            let bytes = &mut bytes[..slots as usize * SLOT_BYTES];
            self.file.read_exact_at(bytes, from * SLOT_BYTES as u64)?;
            self.file.write_all_at(bytes, from * SLOT_BYTES as u64)?;
            from += slots;
        }
        self.disk.sync(&self.file)
    }

    /// Hands out the next `count` slots, with their keys; they are on disk.
    pub(crate) fn allocate(&self, count: usize) -> Result<Vec<(u64, SlotKey)>, ReadError> {
        let mut slots = locked(&self.slots);
        self.reserve(&mut slots, count)?;
        let first = slots.next;
        slots.next += count as u64;
        let keys = (first..).zip(slots.free.drain(..count));
        keys.map(|(slot, key)| Ok((slot, key.ok_or_else(|| erased(slot))?))).collect()
    }

    /// Has the keys of at least the next `count` slots in memory: those that were made before, then new ones.
    fn reserve(&self, slots: &mut Slots, count: usize) -> Result<(), ReadError> {
        while slots.free.len() < count {
            let known = slots.next + slots.free.len() as u64;
            if known < slots.made {
                for slot in known..slots.made.min(known + SLOTS_AHEAD) {
                    slots.free.push_back(self.read(slot)?);
                }
            } else {
                self.make(slots)?;
            }
        }
        Ok(())
    }

    /// Makes more slots, durably.
    fn make(&self, slots: &mut Slots) -> Result<(), ReadError> {
        let fresh = fresh_slots(&*self.entropy);
        let written = self.file.write_all_at(&fresh, slots.made * SLOT_BYTES as u64);
        let synced = written.and_then(|()| self.disk.sync(&self.file));
        synced.map_err(|error| ReadError::Store(format!("{KEYS_FILE}: {error}")))?;
        slots.made += SLOTS_AHEAD;
        slots.free.extend(fresh.chunks_exact(SLOT_BYTES).map(|slot| {
            let mut key = SlotKey::default();
            key.copy_from_slice(&slot[..32]);
            Some(key)
        }));
        Ok(())
    }

    /// The key in a slot; none if it was erased.
    pub(crate) fn read(&self, slot: u64) -> Result<Option<SlotKey>, ReadError> {
        let damaged = |what: &str| ReadError::Damaged { place: place(slot), what: what.into() };
        let mut bytes = Zeroizing::new([0; SLOT_BYTES]);
        let at = slot.checked_mul(SLOT_BYTES as u64).ok_or_else(|| damaged("no such slot"))?;
        let read = self.file.read_exact_at(&mut *bytes, at);
        read.map_err(|error| damaged(&format!("it cannot be read: {error}")))?;
        let (key, crc) = bytes.split_at(32);
        if key.iter().all(|byte| *byte == 0) && crc == ERASED {
            return Ok(None);
        }
        if crc32fast::hash(key).to_be_bytes() != crc {
            return Err(damaged("its checksum is wrong"));
        }
        let mut whole = SlotKey::default();
        whole.copy_from_slice(key);
        Ok(Some(whole))
    }

    /// The slots that hold neither a key nor an erasure, nor what a write leaves that was cut off: at most `max`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn spoiled(&self, max: usize) -> std::io::Result<Vec<u64>> {
        let made = locked(&self.slots).made;
        let mut found = Vec::new();
        let mut bytes = Zeroizing::new(vec![0; SLOTS_AHEAD as usize * SLOT_BYTES]);
        for first in (0..made).step_by(SLOTS_AHEAD as usize) {
            let slots = (made - first).min(SLOTS_AHEAD);
            let bytes = &mut bytes[..slots as usize * SLOT_BYTES];
            self.file.read_exact_at(bytes, first * SLOT_BYTES as u64)?;
            let wrong = (first..).zip(bytes.chunks_exact(SLOT_BYTES)).filter(|(_, it)| spoiled(it));
            found.extend(wrong.map(|(slot, _)| slot).take(max - found.len()));
        }
        Ok(found)
    }

    /// Reads every slot.
    ///
    /// # Errors
    /// [`ReadError`] for the first one that is not what was written.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        (0..locked(&self.slots).made).try_for_each(|slot| self.read(slot).map(drop))
    }

    /// The slots below one that were erased.
    ///
    /// # Errors
    /// [`ReadError`] if a slot is not what was written.
    pub(crate) fn erased_below(&self, end: u64) -> Result<Vec<u64>, ReadError> {
        let mut erased = Vec::new();
        for slot in 0..locked(&self.slots).made.min(end) {
            if self.read(slot)?.is_none() {
                erased.push(slot);
            }
        }
        Ok(erased)
    }

    /// Drops the slots from one on, which nothing uses; others are made at the next opening.
    ///
    /// # Errors
    /// [`ReadError`] if the disk refuses.
    pub(crate) fn drop_from(&self, end: u64) -> Result<(), ReadError> {
        let mut slots = locked(&self.slots);
        slots.made = slots.made.min(end);
        slots.next = slots.made;
        let kept = self.file.set_len(slots.made * SLOT_BYTES as u64);
        let kept = kept.and_then(|()| self.disk.sync(&self.file));
        kept.map_err(|error| ReadError::Store(format!("{}: {error}", self.path.display())))
    }

    /// Overwrites slots in place: what is sealed with them can never be read again.
    ///
    /// # Errors
    /// Whatever the disk says; a slot may then be erased or not.
    pub(crate) fn erase(&self, slots: &[u64]) -> std::io::Result<()> {
        overwrite(&*self.disk, &self.file, slots)
    }

    /// The keys that are still in slots, as the ledger of erasures names them.
    pub(crate) fn prints(&self, slots: &[u64]) -> Vec<Erased> {
        let print = |slot: &u64| {
            let key = self.read(*slot).ok().flatten()?;
            Some(Erased::Slot(*slot, ledger::print(&*key)))
        };
        slots.iter().filter_map(print).collect()
    }
}

/// Overwrites slots of a key file in place; the log's secret is never among them.
pub(crate) fn overwrite(disk: &dyn Disk, file: &File, slots: &[u64]) -> std::io::Result<()> {
    let mut bytes = [0; SLOT_BYTES];
    bytes[32..].copy_from_slice(&ERASED);
    let slots: Vec<&u64> = slots.iter().filter(|slot| **slot > 0).collect();
    for slot in &slots {
        file.write_all_at(&bytes, *slot * SLOT_BYTES as u64)?;
    }
    if slots.is_empty() { Ok(()) } else { disk.sync(file) }
}

/// The slots of a key file that still hold the keys that a ledger names.
pub(crate) fn still_there(path: &Path, erased: &[Erased]) -> std::io::Result<Vec<u64>> {
    let file = File::open(path)?;
    let made = file.metadata()?.len() / SLOT_BYTES as u64;
    let mut found = Vec::new();
    let mut key = SlotKey::default();
    for erased in erased {
        let Erased::Slot(slot, print) = *erased else { continue };
        if slot < made {
            file.read_exact_at(&mut *key, slot * SLOT_BYTES as u64)?;
            found.extend((ledger::print(&*key) == print).then_some(slot));
        }
    }
    Ok(found)
}

/// Whether a slot was changed by something else than a write that was cut off: of that, an end would be zero.
fn spoiled(slot: &[u8]) -> bool {
    let (key, crc) = slot.split_at(32);
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let sound = crc32fast::hash(key).to_be_bytes() == crc || (zero(key) && crc == ERASED);
    let torn =
        (zero(&slot[..4]) && crc != ERASED && slot[4..32].iter().any(|it| *it != 0)) || zero(crc);
    !sound && !torn
}

fn erased(slot: u64) -> ReadError {
    let what = "a slot that is to be used was erased".into();
    ReadError::Damaged { place: place(slot), what }
}

fn place(slot: u64) -> String {
    format!("{KEYS_FILE} slot {slot}")
}

fn fresh_slots(entropy: &dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; SLOTS_AHEAD as usize * SLOT_BYTES]);
    entropy.fill(&mut bytes);
    for slot in bytes.chunks_exact_mut(SLOT_BYTES) {
        let (key, crc) = slot.split_at_mut(32);
        crc.copy_from_slice(&crc32fast::hash(key).to_be_bytes());
    }
    bytes
}

/// HMAC-SHA-256.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any size");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The key under which a sealed payload is committed to. It derives from the slot's, and opens nothing.
pub(crate) fn commitment_key(slot_key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hmac(slot_key, b"commit"))
}

/// What is committed to under a key of [`commitment_key`].
pub(crate) fn committed(commitment_key: &[u8], plaintext: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&hmac(commitment_key, plaintext))
}

/// The keyed hash of a sealed payload: it tells nothing once the key is gone.
pub(crate) fn commitment(slot_key: &[u8; 32], plaintext: &[u8]) -> String {
    committed(&*commitment_key(slot_key), plaintext)
}

/// The hash of an open payload.
pub(crate) fn digest(plaintext: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(plaintext))
}

/// What stands in the log for a subject that has this key.
pub(crate) fn pseudonym(key: &[u8; 32], subject: &Subject) -> Pseudonym {
    let (Subject::Person(id) | Subject::Room(id) | Subject::Network(id)) = subject;
    let mut short = [0; 16];
    short.copy_from_slice(&hmac(key, id.as_bytes())[..16]);
    Pseudonym(Tag(short).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::super::testing::Counting;
    use super::*;

    fn keys(dir: &Path) -> KeyFile {
        let (disk, entropy) = (Arc::new(RealDisk), Arc::new(Counting::default()));
        match dir.join(KEYS_FILE).exists() {
            true => KeyFile::open(dir, disk, entropy),
            false => KeyFile::create(dir, disk, entropy),
        }
        .expect("opens")
    }

    #[test]
    fn slots_are_made_ahead_and_never_handed_out_twice() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = keys(dir.path());
        file.settle(1).expect("settles");
        let length = || fs::metadata(dir.path().join(KEYS_FILE)).expect("is there").len();
        assert_eq!(length(), SLOTS_AHEAD * 36);
        let first = |file: &KeyFile, count: u64| {
            file.allocate(count as usize).expect("fits").first().map(|(slot, _)| *slot)
        };
        assert_eq!(first(&file, SLOTS_AHEAD - 1), Some(1));
        assert_eq!(length(), SLOTS_AHEAD * 36, "all that was made is used first");
        let two = file.allocate(2).expect("fits");
        assert_eq!((two[0].0, length()), (SLOTS_AHEAD, 2 * SLOTS_AHEAD * 36));
        let last = file.read(SLOTS_AHEAD + 1).expect("reads").expect("is a key");
        let again = keys(dir.path());
        again.settle(SLOTS_AHEAD + 2).expect("settles");
        assert_eq!(again.read(SLOTS_AHEAD + 1).expect("reads").expect("is a key"), last);
        assert_eq!(two[1].1, last, "what is handed out is what is on disk");
        let (slot, key) = again.allocate(1).expect("fits").remove(0);
        assert_eq!((slot, Some(key)), (SLOTS_AHEAD + 2, again.read(slot).expect("reads")));
    }

    #[test]
    fn an_erased_slot_reads_as_erased_and_a_flipped_one_as_damaged() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = keys(dir.path());
        file.erase(&[0, 5]).expect("erases");
        assert!(file.read(5).expect("reads").is_none());
        let path = dir.path().join(KEYS_FILE);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[6 * 36 + 3] ^= 4;
        bytes[7 * 36..8 * 36].fill(0);
        fs::write(&path, bytes).expect("writes");
        for (slot, want) in [(6, "its checksum is wrong"), (7, "its checksum is wrong")] {
            let error = keys(dir.path()).read(slot).expect_err("is damaged").to_string();
            assert_eq!(error, format!("the log is damaged at keys.bin slot {slot}: {want}"));
        }
        let spoiled = keys(dir.path()).spoiled(9).expect("reads");
        assert_eq!(spoiled, [6], "a page that never came is not spoiled");
        assert!(keys(dir.path()).read(5).expect("reads").is_none());
    }

    #[test]
    fn what_a_torn_write_left_is_dropped_and_a_file_too_short_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(keys(dir.path()));
        let path = dir.path().join(KEYS_FILE);
        let mut bytes = fs::read(&path).expect("reads");
        bytes.extend([0; 100]);
        fs::write(&path, &bytes).expect("writes");
        let file = keys(dir.path());
        file.settle(9).expect("settles");
        assert_eq!(file.allocate(SLOTS_AHEAD as usize).expect("fits")[0].0, 9);
        assert!(file.read(SLOTS_AHEAD).expect("reads").is_some());
        let long = keys(dir.path());
        long.settle(1).expect("settles");
        let held = locked(&long.slots).free.len() as u64;
        assert!(held <= SLOTS_AHEAD, "{held} of many unused slots are in memory");
        let error = keys(dir.path()).settle(1 << 20).expect_err("is too short").to_string();
        assert!(error.contains("the log uses slot 1048575"), "{error}");
    }
}
