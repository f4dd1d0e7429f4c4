//! The hashes of the log's tree, in one file that grows behind the journal and can be made anew from it.
//!
//! Each hash stands at its place in the order of RFC 9162 storage, 32 bytes each. Nothing in the file is believed: what
//! stands behind the last recorded head is dropped at the first use, and what stands before it must give that head's
//! root. It is synced before a head is signed. Invariant: where old files of the journal were dropped, the hashes of
//! their events are here only, and the file must not be lost: then nothing can be compared with a head any more, and
//! `verify` says so.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tlog_tiles::{Error as TreeError, HashReader, stored_hash_count};

use super::disk::{self, Disk};
use super::proof::{Hash, Peaks};

/// The file's name.
pub(crate) const TREE_FILE: &str = "tree.bin";
/// Bytes of a hash.
pub(crate) const HASH_BYTES: u64 = 32;
/// So many bytes of new hashes are written at once.
const CHUNK_BYTES: usize = 1 << 18;

/// The open file.
pub(crate) struct Tree {
    file: File,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    peaks: Peaks,
    waiting: Vec<u8>,
}

/// How many leaves are whole in so many stored hashes.
pub(crate) fn leaves(hashes: u64) -> u64 {
    // A leaf has at least one hash and on average almost two.
    let mut whole = hashes / 2;
    while stored_hash_count(whole + 1) <= hashes {
        whole += 1;
    }
    whole
}

impl Tree {
    /// Opens the file of a data directory, or makes it; none of it is used before [`Self::cut`].
    pub(crate) fn open(dir: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = dir.join(TREE_FILE);
        let fresh = !path.exists();
        let file = disk::open_append(&path)?;
        if fresh {
            disk::sync_dir(&*disk, dir)?;
        }
        Ok(Self { file, path, disk, peaks: Peaks::default(), waiting: vec![] })
    }

    /// How many leaves the file holds.
    pub(crate) fn stored(&self) -> io::Result<u64> {
        Ok(leaves(self.file.metadata()?.len() / HASH_BYTES))
    }

    /// Drops everything behind the first `size` leaves, which must be there.
    pub(crate) fn cut(&mut self, size: u64) -> io::Result<()> {
        self.waiting.clear();
        self.file.set_len(stored_hash_count(size) * HASH_BYTES)?;
        self.peaks = Peaks::of(size, self).map_err(io::Error::other)?;
        Ok(())
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.peaks.size()
    }

    /// The root over all leaves.
    pub(crate) fn root(&self) -> Hash {
        self.peaks.root()
    }

    /// Adds a leaf. It is in the file after [`Self::flush`].
    pub(crate) fn push(&mut self, leaf: Hash) -> io::Result<()> {
        self.waiting.extend(self.peaks.push(leaf).iter().flat_map(|hash| hash.0));
        match self.waiting.len() >= CHUNK_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what was added.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.disk.write(&self.file, &std::mem::take(&mut self.waiting))
    }

    /// Returns when everything is on disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.disk.sync(&self.file)
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let read = |index: &u64| {
            let mut hash = Hash::default();
            let read = self.file.read_exact_at(&mut hash.0, index * HASH_BYTES);
            read.map(|()| hash).map_err(|_| TreeError::IndexesNotInTree)
        };
        indexes.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::super::proof::record_hash;
    use super::*;

    fn tree(dir: &Path) -> Tree {
        Tree::open(dir, Arc::new(RealDisk)).expect("opens")
    }

    #[test]
    fn leaves_are_counted_by_what_is_stored_of_them() {
        for size in 0..300 {
            let hashes = stored_hash_count(size);
            assert_eq!(leaves(hashes), size);
            assert_eq!(leaves(stored_hash_count(size + 1) - 1), size, "one hash is missing");
        }
    }

    #[test]
    fn a_tree_reads_back_and_a_torn_end_is_dropped() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut made = tree(dir.path());
        let mut roots = vec![made.root()];
        for nth in 0..100_u64 {
            made.push(record_hash(&nth.to_be_bytes())).expect("writes");
            roots.push(made.root());
        }
        made.sync().expect("syncs");
        let whole = made.file.metadata().expect("is there").len();
        made.file.set_len(whole - 7).expect("tears");
        let mut again = tree(dir.path());
        assert_eq!(again.stored().expect("reads"), 99);
        for size in [99_u64, 64, 63, 1, 0] {
            again.cut(size).expect("cuts");
            let want = roots[usize::try_from(size).expect("is small")];
            assert_eq!(
                (again.size(), again.root(), again.stored().expect("reads")),
                (size, want, size)
            );
        }
    }

    #[test]
    fn much_is_written_in_chunks() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut tree = tree(dir.path());
        let most = CHUNK_BYTES as u64 / HASH_BYTES;
        for nth in 0..2 * most {
            tree.push(record_hash(&nth.to_be_bytes())).expect("writes");
            assert!(tree.waiting.len() < CHUNK_BYTES);
        }
        assert!(tree.stored().expect("reads") > most, "most of it is written");
    }
}
