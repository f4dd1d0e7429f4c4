//! The file of `log query --checkpoint`: how far the log was printed, written when the output is out.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Failure;
use crate::query::question::Mark;

/// Largest file that can be a checkpoint, in bytes.
pub const CHECKPOINT_BYTES_MAX: u64 = 4_096;

/// Reads the file; none: there is none yet.
///
/// # Errors
/// [`Failure`] if it is something else.
pub fn read(file: &Path) -> Result<Option<Mark>, Failure> {
    let bytes = match fs::metadata(file) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(cannot("read", file, &why)),
        Ok(meta) if meta.len() > CHECKPOINT_BYTES_MAX => return Err(no_checkpoint(file)),
        Ok(_) => fs::read(file).map_err(|why| cannot("read", file, &why))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| no_checkpoint(file))
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// [`Failure`] if the system refuses; the file is then as it was.
pub fn write(file: &Path, mark: &Mark) -> Result<(), Failure> {
    let mut bytes = serde_json::to_vec(mark).map_err(|why| Failure::new(1, why))?;
    bytes.push(b'\n');
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let written = (|| {
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(&bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(file).map_err(|why| why.error)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|why: std::io::Error| cannot("write", file, &why))
}

fn cannot(what: &str, file: &Path, why: &std::io::Error) -> Failure {
    Failure::new(1, format!("cannot {what} the checkpoint {}: {why}", file.display()))
}

fn no_checkpoint(file: &Path) -> Failure {
    Failure::new(1, format!("{} is no checkpoint of a log", file.display()))
        .hint("name another file, or remove this one to begin at the beginning")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Position;

    #[test]
    fn a_checkpoint_reads_back_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("mark");
        assert!(matches!(read(&file), Ok(None)));
        let mark = Mark { log: "abc".into(), next: Position(42) };
        write(&file, &mark).expect("it is written");
        assert_eq!(read(&file).expect("it is there"), Some(mark));
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 1, "nothing is left");
        for content in ["", "{}", "{\"log\":\"abc\",\"next\":-1}", "[]"] {
            fs::write(&file, content).expect("ours");
            assert!(read(&file).is_err(), "{content}");
        }
        let long = " ".repeat(usize::try_from(CHECKPOINT_BYTES_MAX).expect("small") + 1);
        fs::write(&file, long).expect("ours");
        assert!(read(&file).is_err(), "CHECKPOINT_BYTES_MAX holds");
    }
}
