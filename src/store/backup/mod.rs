//! Backups of a log: made while it is in use, checked, the keys apart from what they seal; and bringing one back.
//!
//! Two folders: one holds journal files, blobs and tree hashes, the other the key files. Each has a manifest, which is
//! replaced in one step when all that it names is on disk. Invariant: what a manifest names is never changed
//! underneath it, so a backup that is cut off leaves the one before it usable. Journal files and tree hashes only ever
//! grow, so a longer file still holds what an older manifest names; key files get a new name with each backup.

mod files;
mod make;
mod manifest;
mod restore;
mod scan;

use std::path::{Path, PathBuf};

use super::{OpenError, Stopped};

pub use make::{Made, Target};
pub use manifest::FILES_MAX;
pub use restore::{Restore, Restored, restore};

/// Why a backup was not made or not brought back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not to this place, or not from there: the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// The backup is not what was written.
    #[error("the backup is damaged at {place}: {what}")]
    Damaged {
        /// Which file.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// The log or a file cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was given up.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Says which file the system refused.
fn io(path: &Path) -> impl Fn(std::io::Error) -> Error + use<> {
    let path: PathBuf = path.to_owned();
    move |source| OpenError::Io { path: path.clone(), source }.into()
}

/// The place of a file for people.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
