//! Copying, hashing and wiping files, with a word on how far it is.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::disk::{self, Disk};
use super::super::{Stopped, Tell};
use super::Error;
use super::manifest::{Note, hex};

/// How much is copied in one go.
const CHUNK_BYTES: usize = 1 << 18;
/// What is told is in units of this.
const MIB: u64 = 1024 * 1024;

/// Says how far a piece of work over many files is.
pub(super) struct Meter<'a> {
    tell: Tell<'a>,
    what: &'static str,
    done: u64,
    total: u64,
}

impl<'a> Meter<'a> {
    /// Nothing of `total` bytes is done yet.
    pub(super) fn new(tell: Tell<'a>, what: &'static str, total: u64) -> Self {
        Self { tell, what, done: 0, total }
    }

    fn step(&mut self, bytes: u64) -> Result<(), Stopped> {
        self.done += bytes;
        (self.tell)(self.what, self.done / MIB, self.total.div_ceil(MIB))
    }
}

/// Why a file was not copied or hashed.
pub(super) enum Broken {
    Io(io::Error),
    Stopped(Stopped),
}

impl Broken {
    /// Says which file it was.
    pub(super) fn of(self, path: &Path) -> Error {
        match self {
            Self::Io(error) => super::io(path)(error),
            Self::Stopped(stopped) => stopped.into(),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Stopped> for Broken {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// Hands out the first `bytes` of a file, piece by piece; a shorter file is an error.
fn pieces(
    path: &Path,
    bytes: u64,
    meter: &mut Meter,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Broken> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let read = file.read(&mut chunk[..wanted])?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        take(&chunk[..read])?;
        left -= read as u64;
        meter.step(read as u64)?;
    }
    Ok(())
}

/// The hash of the first `bytes` of a file.
pub(super) fn hash(path: &Path, bytes: u64, meter: &mut Meter) -> Result<Note, Broken> {
    let mut hash = Sha256::new();
    pieces(path, bytes, meter, |piece| {
        hash.update(piece);
        Ok(())
    })?;
    Ok(Note { bytes, sha256: hex(hash) })
}

/// Copies the first `bytes` of a file to a new one, on disk when this returns.
pub(super) fn copy(
    from: &Path,
    bytes: u64,
    to: &Path,
    disk: &dyn Disk,
    meter: &mut Meter,
) -> Result<Note, Broken> {
    let mut file = disk::create_new(to)?;
    let mut hash = Sha256::new();
    pieces(from, bytes, meter, |piece| {
        hash.update(piece);
        file.write_all(piece)
    })?;
    disk.sync(&file)?;
    Ok(Note { bytes, sha256: hex(hash) })
}

/// Overwrites a file with zeros before it removes it: it held keys.
pub(super) fn wipe(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    let mut file = match disk::open_write(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut left = file.metadata()?.len();
    let zeros = vec![0; CHUNK_BYTES];
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        file.write_all(&zeros[..piece])?;
        left -= piece as u64;
    }
    disk.sync(&file)?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::super::super::disk::RealDisk;
    use super::*;

    #[test]
    fn the_beginning_of_a_file_is_copied_and_hashed_alike() {
        let dir = tempfile::tempdir().expect("a directory");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let content: Vec<u8> = (0..2 * CHUNK_BYTES + 7).map(|nth| nth as u8).collect();
        fs::write(&from, &content).expect("writes");
        let mut told = vec![];
        let mut tell = |_: &str, done, total| {
            told.push((done, total));
            Ok(())
        };
        let bytes = content.len() as u64 - 3;
        let mut meter = Meter::new(&mut tell, "MiB copied", 8 * MIB);
        let copied = copy(&from, bytes, &to, &RealDisk, &mut meter);
        let copied = copied.unwrap_or_else(|_| panic!("it is copied"));
        assert_eq!(fs::read(&to).expect("reads"), content[..content.len() - 3]);
        let hashed = hash(&from, bytes, &mut meter).unwrap_or_else(|_| panic!("it is hashed"));
        assert_eq!(hashed, copied);
        let short = hash(&from, bytes + 9, &mut meter);
        assert!(matches!(short, Err(Broken::Io(_))), "a file that is too short");
        assert!(told.iter().all(|(_, total)| *total == 8), "{told:?}");
    }

    #[test]
    fn nobody_waiting_ends_the_copy() {
        let dir = tempfile::tempdir().expect("a directory");
        let from = dir.path().join("from");
        fs::write(&from, "content").expect("writes");
        let mut tell = |_: &str, _, _| Err(Stopped);
        let mut meter = Meter::new(&mut tell, "MiB copied", 7);
        let copied = copy(&from, 7, &dir.path().join("to"), &RealDisk, &mut meter);
        assert!(matches!(copied, Err(Broken::Stopped(_))));
    }

    #[test]
    fn a_wiped_file_is_gone_and_was_overwritten() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, other) = (dir.path().join("keys"), dir.path().join("other name"));
        fs::write(&path, vec![7; CHUNK_BYTES + 5]).expect("writes");
        fs::hard_link(&path, &other).expect("links");
        wipe(&path, &RealDisk).expect("wipes");
        assert!(!path.exists());
        assert_eq!(fs::read(&other).expect("reads"), vec![0; CHUNK_BYTES + 5]);
        wipe(&path, &RealDisk).expect("gone is gone");
    }
}
