//! The few disk operations that durability hangs on, behind a seam where tests make them fail.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Writes and syncs. An error of either ends the log: neither is tried again.
pub trait Disk: Send + Sync + 'static {
    /// Writes all bytes at the end of a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Returns when the content of a file is on disk.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.sync(&File::open(dir)?)
}

/// Makes everything below a directory durable, and its own name.
pub(crate) fn sync_tree(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(disk, &entry.path())?;
        } else {
            disk.sync(&File::open(entry.path())?)?;
        }
    }
    sync_dir(disk, dir)?;
    dir.parent().map_or(Ok(()), |parent| sync_dir(disk, parent))
}

/// Makes a directory that only this user can enter, if it is missing.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Opens a file that only this user can read, for reading and for writing at its end.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// Opens a file that exists, for reading and for writing anywhere.
pub(crate) fn open_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Makes a file that only this user can read; it must not exist.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}
