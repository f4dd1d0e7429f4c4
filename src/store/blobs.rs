//! Values too large for an event: one sealed file each, under a random name, with a key slot of its own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{self, Disk};
use super::envelope::{NONCE_BYTES, seal, unseal};
use super::keys::{KeyFile, commitment};
use super::{BLOB_BYTES_MAX, Entropy, OpenError, ReadError};
use crate::domain::event::BlobRef;
use crate::domain::id::Tag;

/// How a blob's file begins: what it is, the version of its shape, its slot.
const MAGIC: [u8; 8] = *b"beadleB\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 20;
/// What a destroyed file is overwritten with, a piece at a time.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The folder of kept values.
pub(crate) struct Blobs {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
}

impl Blobs {
    /// Uses a folder that exists.
    pub(crate) fn new(dir: PathBuf, disk: Arc<dyn Disk>, entropy: Arc<dyn Entropy>) -> Self {
        Self { dir, disk, entropy }
    }

    /// The slot behind the highest one that a blob names. What a torn write left names none.
    pub(crate) fn next_slot(&self) -> Result<u64, OpenError> {
        let io = |source| OpenError::Io { path: self.dir.clone(), source };
        let mut next = 0;
        for entry in fs::read_dir(&self.dir).map_err(io)? {
            if let Some(slot) = slot_of(&entry.map_err(io)?.path()) {
                next = next.max(slot.saturating_add(1));
            }
        }
        Ok(next)
    }

    /// Keeps a value; it is on disk when this returns.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn put(&self, bytes: &[u8], keys: &KeyFile) -> io::Result<BlobRef> {
        let slots = keys.allocate(1).map_err(io::Error::other)?;
        let (slot, key) = slots.into_iter().next().expect("one was asked for");
        let (mut name, mut nonce) = ([0; 16], [0; NONCE_BYTES]);
        self.entropy.fill(&mut name);
        self.entropy.fill(&mut nonce);
        let id = Tag(name).to_string();
        let header = header(slot);
        let file = disk::create_new(&self.dir.join(&id))?;
        self.disk.write(&file, &header)?;
        self.disk.write(&file, &seal(&key, nonce, &bound(&header, &id), bytes))?;
        self.disk.sync(&file)?;
        disk::sync_dir(&*self.disk, &self.dir)?;
        Ok(BlobRef { id, bytes: bytes.len() as u64, commitment: commitment(&key, bytes), slot })
    }

    /// Reads a value; none if its key was overwritten.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if it is missing or is not what was written.
    pub(crate) fn get(&self, blob: &BlobRef, keys: &KeyFile) -> Result<Option<Vec<u8>>, ReadError> {
        let damaged = |what: String| {
            let place = format!("blobs/{}", blob.id.chars().take(40).collect::<String>());
            ReadError::Damaged { place, what }
        };
        if Tag::try_from(blob.id.clone()).is_err() {
            return Err(damaged("its name is no blob's name".into()));
        }
        let Some(key) = keys.read(blob.slot)? else { return Ok(None) };
        let content = read_bounded(&self.dir.join(&blob.id));
        let content = content.map_err(|error| damaged(format!("it cannot be read: {error}")))?;
        let header = content.get(..HEADER_BYTES).unwrap_or_default();
        if parse_header(header) != Some(blob.slot) {
            return Err(damaged("its header is wrong".into()));
        }
        let sealed = &content[HEADER_BYTES..];
        let bytes = unseal(&key, &bound(header, &blob.id), sealed);
        let bytes = bytes.ok_or_else(|| damaged("its key does not fit its content".into()))?;
        match commitment(&key, &bytes) == blob.commitment && bytes.len() as u64 == blob.bytes {
            true => Ok(Some(bytes)),
            false => Err(damaged("its content is not what the event committed to".into())),
        }
    }
}

impl Blobs {
    /// Overwrites a value and removes it; it may be gone already.
    pub(crate) fn destroy(&self, id: &str) -> io::Result<()> {
        // A name from a damaged event must lead nowhere else.
        if Tag::try_from(id.to_owned()).is_err() {
            return Ok(());
        }
        match destroy(&*self.disk, &self.dir.join(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => disk::sync_dir(&*self.disk, &self.dir),
        }
    }
}

/// Overwrites a file and removes it.
pub(crate) fn destroy(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = disk::open_write(path)?;
    let mut left = file.metadata()?.len();
    while left > 0 {
        let part = left.min(ZEROS.len() as u64);
        disk.write(&file, &ZEROS[..usize::try_from(part).unwrap_or(ZEROS.len())])?;
        left -= part;
    }
    disk.sync(&file)?;
    fs::remove_file(path)
}

/// The slot that a blob's file names; none: it is no blob.
pub(crate) fn slot_of(path: &Path) -> Option<u64> {
    let mut header = [0; HEADER_BYTES];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).ok()?;
    parse_header(&header)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = BLOB_BYTES_MAX + HEADER_BYTES + 64;
    File::open(path)?.take(limit as u64).read_to_end(&mut content)?;
    Ok(content)
}

fn header(slot: u64) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_be_bytes(), &slot.to_be_bytes()].concat()
}

/// What the seal of a blob is bound to.
fn bound(header: &[u8], id: &str) -> Vec<u8> {
    [header, id.as_bytes()].concat()
}

fn parse_header(header: &[u8]) -> Option<u64> {
    let (start, slot) = header.split_at_checked(HEADER_BYTES - 8)?;
    let slot = u64::from_be_bytes(slot.try_into().ok()?);
    (start == [&MAGIC[..], &VERSION.to_be_bytes()].concat()).then_some(slot)
}
