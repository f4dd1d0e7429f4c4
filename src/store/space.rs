//! Free space on the disk of the data directory: below a bound nothing new is taken in, and a reserve lets what has begun end.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;

use super::disk;

/// With less free space than this nothing new is taken in.
pub const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// With this much free space it is taken in again: more than the bound, so that it does not go to and fro.
pub const RESUME_BYTES: u64 = 320 * 1024 * 1024;
/// What is set aside for completions, answers and the notice, should others fill the disk.
pub const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// With less free space than this the reserve is given back.
pub const RESERVE_BELOW_BYTES: u64 = 16 * 1024 * 1024;
/// The file that stands for the reserve.
const RESERVE_FILE: &str = "reserve";

/// How full a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this user may still write.
    pub free_bytes: u64,
    /// What is used and what is free; what the system keeps for itself counts as neither.
    pub total_bytes: u64,
}

/// Where free space is asked for; tests answer without a full disk.
pub trait Space: Send + Sync {
    /// How full the disk is now.
    ///
    /// # Errors
    /// Whatever the system says.
    fn room(&self) -> io::Result<Room>;
}

/// The disk that a directory is on.
#[derive(Debug, Clone)]
pub struct DiskOf(pub PathBuf);

impl Space for DiskOf {
    fn room(&self) -> io::Result<Room> {
        let found = statvfs(&self.0)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        let used = found.blocks().saturating_sub(found.blocks_free());
        let free_bytes = bytes(found.blocks_available());
        Ok(Room { free_bytes, total_bytes: bytes(used).saturating_add(free_bytes) })
    }
}

/// A file that takes up space until that is needed.
#[derive(Debug)]
pub struct Reserve(PathBuf);

impl Reserve {
    /// The one of a data directory.
    pub fn of(data: &Path) -> Self {
        Self(data.join(RESERVE_FILE))
    }

    /// Takes or gives the space, as there is room; says whether it was given back just now.
    ///
    /// # Errors
    /// Whatever the system says; nothing hangs on it.
    pub fn tend(&self, room: Room) -> io::Result<bool> {
        let there = self.0.exists();
        if there && room.free_bytes < RESERVE_BELOW_BYTES {
            return fs::remove_file(&self.0).map(|()| true);
        }
        if !there && room.free_bytes >= RESUME_BYTES {
            let file = disk::create_new(&self.0)?;
            if let Err(error) = allocate(&file) {
                drop(fs::remove_file(&self.0));
                return Err(error);
            }
        }
        Ok(false)
    }
}

fn allocate(file: &File) -> io::Result<()> {
    let length = i64::try_from(RESERVE_BYTES).unwrap_or(i64::MAX);
    Ok(posix_fallocate(file, 0, length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_taken_and_given_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let reserve = Reserve::of(dir.path());
        let path = dir.path().join(RESERVE_FILE);
        for (free_bytes, given, there) in [
            (RESUME_BYTES - 1, false, false),
            (RESUME_BYTES, false, true),
            (RESUME_BYTES, false, true),
            (RESERVE_BELOW_BYTES, false, true),
            (RESERVE_BELOW_BYTES - 1, true, false),
            (RESERVE_BELOW_BYTES - 1, false, false),
            (RESUME_BYTES, false, true),
        ] {
            let room = Room { free_bytes, total_bytes: u64::MAX };
            assert_eq!(reserve.tend(room).expect("it works"), given, "{free_bytes}");
            assert_eq!(path.exists(), there, "{free_bytes}");
        }
        let length = fs::metadata(&path).expect("it is there").len();
        assert_eq!(length, RESERVE_BYTES);
    }

    #[test]
    fn the_bounds_are_in_order() {
        // What is taken in again leaves room for the reserve.
        const { assert!(FREE_BYTES_MIN + RESERVE_BYTES < RESUME_BYTES) };
        const { assert!(RESERVE_BELOW_BYTES < FREE_BYTES_MIN) };
    }

    #[test]
    fn the_disk_of_a_folder_has_a_size() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let room = DiskOf(dir.path().to_owned()).room().expect("a disk");
        assert!(room.free_bytes <= room.total_bytes && room.total_bytes > 0, "{room:?}");
        assert!(DiskOf(dir.path().join("missing")).room().is_err());
    }
}
