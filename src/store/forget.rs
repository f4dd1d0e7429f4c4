//! Removing from the event store what it says of events that were dropped from the journal.

use ::sled::{Batch, Tree};

use super::index;
use super::locked;
use super::lookup;
use super::rows::encode_run;
use super::trees::{Trees, TreesError, guarded, number};
use crate::domain::id::Position;

/// How many rows change at a time.
const ROWS_AT_ONCE: usize = 1_024;
/// The key in `meta` of the position before which nothing is left.
const FORGOTTEN: &str = "forgotten";

/// What becomes of a row: another one in its place, or none.
type Change = Option<(Vec<u8>, Vec<u8>)>;

impl Trees {
    /// Removes what is said of events before a position, which begins a file; says whether there was anything to do. What
    /// is cut off is done again.
    pub(crate) fn forget_before(&self, first: Position) -> Result<bool, TreesError> {
        let done = guarded(|| {
            let known = self.meta.get(FORGOTTEN)?;
            known.map_or(Ok(0), |known| number(&known))
        })?;
        if done >= first.0 {
            return Ok(false);
        }
        sweep(self, &self.events, |key, _| match number(key)? < first.0 {
            true => Ok(Some(None)),
            false => Ok(None),
        })?;
        sweep(self, &self.keys, |_, row| match number(row)? < first.0 {
            true => Ok(Some(None)),
            false => Ok(None),
        })?;
        sweep(self, &self.streams, |key, row| stream(key, row, first.0))?;
        sweep(self, &self.index, |key, row| index::kept(key, row, first.0))?;
        let _alone = locked(&self.writing);
        guarded(|| {
            self.meta.insert(FORGOTTEN, &first.0.to_be_bytes())?;
            Ok(())
        })?;
        Ok(true)
    }
}

/// What is left of a row of a stream; none: it stays.
fn stream(key: &[u8], row: &[u8], first: u64) -> Result<Option<Change>, TreesError> {
    let run = lookup::run(row)?;
    let gone = run.iter().take_while(|position| **position < first).count();
    if gone == 0 {
        return Ok(None);
    }
    if gone == run.len() {
        return Ok(Some(None));
    }
    let (name, version) = key.split_at(key.len().saturating_sub(8));
    let version = number(version)? + gone as u64;
    let key = [name, &version.to_be_bytes()[..]].concat();
    Ok(Some(Some((key, encode_run(0, &run[gone..])))))
}

/// Goes over all rows of a tree, a bounded number at a time.
fn sweep(
    trees: &Trees,
    tree: &Tree,
    change: impl Fn(&[u8], &[u8]) -> Result<Option<Change>, TreesError>,
) -> Result<(), TreesError> {
    let mut from: Option<Vec<u8>> = None;
    loop {
        let more = guarded(|| {
            let _alone = locked(&trees.writing);
            let rows = match &from {
                None => tree.iter(),
                Some(from) => tree.range(from.clone()..),
            };
            let (mut batch, mut seen, mut last) = (Batch::default(), 0, None);
            for row in rows.take(ROWS_AT_ONCE) {
                let (key, row) = row?;
                seen += 1;
                if let Some(changed) = change(&key, &row)? {
                    batch.remove(&key);
                    if let Some((key, row)) = changed {
                        batch.insert(key, row);
                    }
                }
                last = Some(key);
            }
            tree.apply_batch(batch)?;
            let behind = last.map(|key| [&*key, &[0][..]].concat());
            Ok(behind.filter(|_| seen == ROWS_AT_ONCE))
        })?;
        match more {
            Some(more) => from = Some(more),
            None => return Ok(()),
        }
    }
}
