//! What belongs to a backup of a data directory that may be in use, and what its events need.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::OpenError;
use super::super::envelope::Envelope;
use super::super::segment::{Groups, Segment, list};
use super::{Error, io};
use crate::domain::id::{Position, Tag};

/// The hashes of the Merkle tree.
pub(crate) const TREE_FILE: &str = "tree.bin";

/// A file of the data directory, as far as it belongs to a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Its path in the folder of the backup.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// It is never written to again.
    pub(super) sealed: bool,
}

/// The journal files of a log, up to a position that was acknowledged.
pub(super) fn segments(log: &Path, next: Position) -> Result<Vec<Source>, Error> {
    let segments: Vec<Segment> =
        list(log)?.into_iter().filter(|segment| segment.first < next).collect();
    let last = segments.len().saturating_sub(1);
    segments.iter().enumerate().map(|(nth, segment)| source(segment, nth < last, next)).collect()
}

fn source(segment: &Segment, sealed: bool, next: Position) -> Result<Source, Error> {
    let name = segment.path.file_name().unwrap_or_default().to_string_lossy();
    let bytes = match sealed {
        true => segment.path.metadata().map_err(io(&segment.path))?.len(),
        false => boundary(segment, next)?,
    };
    Ok(Source { name: format!("log/{name}"), path: segment.path.clone(), bytes, sealed })
}

/// Where the group that ends before a position ends in the file.
fn boundary(segment: &Segment, next: Position) -> Result<u64, Error> {
    let mut groups = Groups::of(segment).map_err(io(&segment.path))?;
    while groups.next_position() < next {
        match groups.next().map_err(io(&segment.path))? {
            Ok(Some(_)) => {}
            Ok(None) => {
                let what = format!("it ends at {}, not at {next}", groups.next_position());
                return Err(OpenError::Damaged { place: segment.place(1), what }.into());
            }
            Err(broken) => {
                let place = segment.place(broken.line);
                return Err(OpenError::Damaged { place, what: broken.what }.into());
            }
        }
    }
    Ok(groups.offset())
}

/// The kept values. What comes meanwhile may be among them; nothing in the backup names it. They are not sealed, because
/// an erased one is overwritten where it stands, and with it every link to it.
pub(super) fn blobs(dir: &Path) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let entry = entry.map_err(io(dir))?;
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        // One may be erased just now.
        let Ok(metadata) = entry.metadata() else { continue };
        if Tag::try_from(name.clone()).is_ok() {
            let name = format!("blobs/{name}");
            found.push(Source { name, path, bytes: metadata.len(), sealed: false });
        }
    }
    Ok(found)
}

/// The tree's hashes, if they are there already.
pub(super) fn tree(data: &Path) -> Option<Source> {
    let path = data.join(TREE_FILE);
    let bytes = path.metadata().ok()?.len();
    Some(Source { name: TREE_FILE.into(), path, bytes, sealed: false })
}

/// The slot behind the highest one that an event of a journal names.
pub(super) fn next_slot(log: &Path, end: Position) -> Result<u64, Error> {
    let mut next = 1;
    for segment in list(log)? {
        let mut groups = Groups::of(&segment).map_err(io(&segment.path))?;
        while groups.next_position() < end {
            let Ok(Some(group)) = groups.next().map_err(io(&segment.path))? else { break };
            for line in group.lines() {
                let slot = Envelope::parse(line).ok().and_then(|envelope| envelope.clear.slot);
                next = next.max(slot.map_or(0, |slot| slot.saturating_add(1)));
            }
        }
    }
    Ok(next)
}
