//! Projections: rows that are folded from the log, kept in the event store with the checkpoint that they are true at.

use std::sync::PoisonError;

use ::sled::IVec;
use ::sled::transaction::{ConflictableTransactionError, TransactionalTree};

use super::trees::{Trees, TreesError, guarded, number};
use super::{Projection, ProjectionChange, locked};
use crate::domain::id::Position;

impl Trees {
    /// The rows of a projection whose keys begin with a prefix, and its checkpoint.
    pub(crate) fn projection(&self, name: &str, prefix: &str) -> Result<Projection, TreesError> {
        let _still = self.projecting.read().unwrap_or_else(PoisonError::into_inner);
        guarded(|| {
            let checkpoint = self.projections.get(name)?;
            let checkpoint = checkpoint.map(|bytes| number(&bytes)).transpose()?;
            let start = row_key(name, "");
            let mut rows = Vec::new();
            for row in self.projections.scan_prefix(row_key(name, prefix)) {
                let (key, value) = row?;
                let key = String::from_utf8(key[start.len()..].to_vec());
                let key = key.map_err(|_| TreesError("a projection's key is no text".into()))?;
                rows.push((key, value.to_vec()));
            }
            Ok(Projection { checkpoint: Position(checkpoint.unwrap_or(0)), rows })
        })
    }

    /// Changes a projection and its checkpoint in one write.
    pub(crate) fn project(&self, name: &str, change: &ProjectionChange) -> Result<(), TreesError> {
        let _alone = locked(&self.writing);
        let _changing = self.projecting.write().unwrap_or_else(PoisonError::into_inner);
        guarded(|| {
            let mut old = Vec::new();
            if change.replace {
                for row in self.projections.scan_prefix(row_key(name, "")) {
                    old.push(row?.0);
                }
            }
            let done = self.projections.transaction(|rows| change_rows(rows, name, change, &old));
            done.map_err(|error| TreesError(format!("{error:?}")))
        })
    }
}

fn change_rows(
    rows: &TransactionalTree,
    name: &str,
    change: &ProjectionChange,
    old: &[IVec],
) -> Result<(), ConflictableTransactionError<()>> {
    for key in old {
        rows.remove(key)?;
    }
    for (key, value) in &change.rows {
        match value {
            Some(value) => rows.insert(row_key(name, key), value.as_slice())?,
            None => rows.remove(row_key(name, key))?,
        };
    }
    rows.insert(name, &change.checkpoint.0.to_be_bytes())?;
    Ok(())
}

/// The key of a projection's row. The projection's checkpoint is at its bare name.
fn row_key(name: &str, key: &str) -> Vec<u8> {
    [name.as_bytes(), &[0], key.as_bytes()].concat()
}
