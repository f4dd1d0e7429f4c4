//! Whether a file is a program: the system would otherwise give what it does not know to a shell.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// What programs begin with: that of the machine, and a line that names an interpreter.
const BEGINNINGS: [&[u8]; 2] = [b"\x7fELF", b"#!"];

/// Refuses a file that may be run and is no program.
///
/// # Errors
/// `ENOEXEC`. What is not there, or cannot be looked into, is left to the system.
pub(super) fn check(program: &str, dir: &Path) -> io::Result<()> {
    let Some(path) = find(program, dir) else { return Ok(()) };
    let mut beginning = vec![];
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut beginning));
    match read {
        Ok(_) if !BEGINNINGS.iter().any(|known| beginning.starts_with(known)) => {
            Err(Errno::ENOEXEC.into())
        }
        _ => Ok(()),
    }
}

/// The file that the system would run.
fn find(program: &str, dir: &Path) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let meta = std::fs::metadata(path);
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(dir.join(program)).filter(runs);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(runs)
}
