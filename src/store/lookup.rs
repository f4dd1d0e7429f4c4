//! Looking things up in the event store: where lines stand, what a stream holds, which event came with a key.

use std::ops::Range;

use super::lines::Spot;
use super::rows::{decode_run, decode_spots};
use super::trees::{Trees, TreesError, guarded, number, stream_key};
use crate::domain::id::{Position, StreamName, Tag, Version};

fn spots(row: &[u8]) -> Result<Vec<Spot>, TreesError> {
    decode_spots(row).ok_or_else(|| TreesError("a row of events says no places".into()))
}

pub(super) fn run(row: &[u8]) -> Result<Vec<u64>, TreesError> {
    decode_run(0, row).ok_or_else(|| TreesError("a row of streams is no run of positions".into()))
}

impl Trees {
    /// Where the line of one event stands.
    pub(crate) fn spot(&self, position: Position) -> Result<Option<Spot>, TreesError> {
        guarded(|| {
            let row = self.events.range(..=position.0.to_be_bytes()).next_back();
            let Some((first, row)) = row.transpose()? else { return Ok(None) };
            let nth = usize::try_from(position.0 - number(&first)?).unwrap_or(usize::MAX);
            Ok(spots(&row)?.get(nth).copied())
        })
    }

    /// Where the lines of all events at these positions stand, in the order of the log; all of them must be there.
    pub(crate) fn spots(&self, positions: Range<u64>) -> Result<Vec<Spot>, TreesError> {
        let missing = |position: u64| TreesError(format!("event {position} is missing"));
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        guarded(|| {
            let before = self.events.range(..=positions.start.to_be_bytes()).next_back();
            let (low, _) = before.transpose()?.ok_or_else(|| missing(positions.start))?;
            let (mut found, mut next) = (Vec::new(), positions.start);
            for row in self.events.range(&*low..&positions.end.to_be_bytes()[..]) {
                let (first, row) = row?;
                let (first, spots) = (number(&first)?, spots(&row)?);
                let skipped = next.checked_sub(first).ok_or_else(|| missing(next))?;
                let wanted = spots.into_iter().skip(skipped as usize);
                found.extend(wanted.take((positions.end - next) as usize));
                next = positions.start + found.len() as u64;
            }
            (next == positions.end).then_some(found).ok_or_else(|| missing(next))
        })
    }

    /// Where the lines at each of these positions stand; none where the log begins later.
    pub(crate) fn spots_at(&self, positions: &[Position]) -> Result<Vec<Option<Spot>>, TreesError> {
        let (mut first, mut row) = (0, Vec::new());
        let mut found = Vec::with_capacity(positions.len());
        for Position(position) in positions {
            if !(first..first + row.len() as u64).contains(position) {
                let before = guarded(|| {
                    let before = self.events.range(..=position.to_be_bytes()).next_back();
                    let before = before.transpose()?;
                    before.map(|(first, row)| Ok((number(&first)?, spots(&row)?))).transpose()
                })?;
                let Some(before) = before else {
                    found.push(None);
                    continue;
                };
                (first, row) = before;
            }
            let spot = row.get((position - first) as usize);
            let missing = || TreesError(format!("event {position} is missing"));
            found.push(Some(*spot.ok_or_else(missing)?));
        }
        Ok(found)
    }

    /// The positions of all events of a stream at these versions, in order; all of them must be there.
    pub(crate) fn positions(
        &self,
        stream: &StreamName,
        versions: Range<u64>,
    ) -> Result<Vec<Position>, TreesError> {
        let missing = |version: u64| TreesError(format!("`{stream}/{version}` is missing"));
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        guarded(|| {
            let range = stream_key(stream, 0)..=stream_key(stream, versions.start);
            let before = self.streams.range(range).next_back().transpose()?;
            let (low, _) = before.ok_or_else(|| missing(versions.start))?;
            let (mut found, mut next) = (Vec::new(), versions.start);
            for row in self.streams.range(low.to_vec()..stream_key(stream, versions.end)) {
                let (key, row) = row?;
                let first = number(&key[key.len().saturating_sub(8)..])?;
                let skipped = next.checked_sub(first).ok_or_else(|| missing(next))?;
                let wanted = run(&row)?.into_iter().skip(skipped as usize);
                found.extend(wanted.take((versions.end - next) as usize).map(Position));
                next = versions.start + found.len() as u64;
            }
            (next == versions.end).then_some(found).ok_or_else(|| missing(next))
        })
    }

    /// The position of one event of a stream.
    pub(crate) fn position(
        &self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<Position>, TreesError> {
        guarded(|| {
            let range = stream_key(stream, 0)..=stream_key(stream, version.0);
            let row = self.streams.range(range).next_back();
            let Some((key, row)) = row.transpose()? else { return Ok(None) };
            let first = number(&key[key.len().saturating_sub(8)..])?;
            let nth = usize::try_from(version.0 - first).unwrap_or(usize::MAX);
            Ok(run(&row)?.get(nth).copied().map(Position))
        })
    }

    /// The first version of a stream whose event is not before a position.
    pub(crate) fn first_version(
        &self,
        stream: &StreamName,
        begin: Position,
    ) -> Result<Option<Version>, TreesError> {
        guarded(|| {
            for row in self.streams.range(stream_key(stream, 0)..=stream_key(stream, u64::MAX)) {
                let (key, row) = row?;
                let first = number(&key[key.len().saturating_sub(8)..])?;
                let nth = run(&row)?.iter().position(|position| *position >= begin.0);
                if let Some(nth) = nth {
                    return Ok(Some(Version(first + nth as u64)));
                }
            }
            Ok(None)
        })
    }

    /// The last version of a stream.
    pub(crate) fn head(&self, stream: &StreamName) -> Result<Option<Version>, TreesError> {
        guarded(|| {
            let range = stream_key(stream, 0)..=stream_key(stream, u64::MAX);
            let Some((key, row)) = self.streams.range(range).next_back().transpose()? else {
                return Ok(None);
            };
            let first = number(&key[key.len().saturating_sub(8)..])?;
            let last = (first + run(&row)?.len() as u64).checked_sub(1);
            last.map(|last| Some(Version(last))).ok_or_else(|| TreesError("an empty run".into()))
        })
    }

    /// The first event that came with a dedupe key.
    pub(crate) fn keyed(&self, key: &Tag) -> Result<Option<Position>, TreesError> {
        guarded(|| {
            let position = self.keys.get(key.0)?;
            position.map(|position| number(&position).map(Position)).transpose()
        })
    }

    /// How many events of a stretch `events`, `streams` and `keys` name.
    pub(crate) fn rows(&self, stretch: Range<u64>) -> Result<[u64; 3], TreesError> {
        guarded(|| {
            let mut rows = [0; 3];
            // A row names events of one file, and a log begins with a whole file.
            for row in self.events.range(stretch.start.to_be_bytes()..stretch.end.to_be_bytes()) {
                let (first, row) = row?;
                rows[0] += (spots(&row)?.len() as u64).min(stretch.end - number(&first)?);
            }
            for row in self.streams.iter() {
                let named = run(&row?.1)?.into_iter().filter(|it| stretch.contains(it));
                rows[1] += named.count() as u64;
            }
            for row in self.keys.iter() {
                rows[2] += u64::from(stretch.contains(&number(&row?.1)?));
            }
            Ok(rows)
        })
    }
}
