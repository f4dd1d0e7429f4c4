//! What the log is made of: events by type, by category of stream and by day, and what it takes on the disk.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::command::{Refusal, Sink};
use super::when::Here;
use crate::domain::id::{Position, Timestamp};
use crate::store::figures::Figures;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX};

/// Most days that are told apart, ten years of them; what is beyond is told as one.
pub const DAYS_MAX: usize = 3_660;
/// Most types, and most categories, that are told apart.
pub const KINDS_MAX: usize = 1_000;

/// Events and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    events: u64,
    bytes: u64,
}

/// Sums by name.
#[derive(Debug, Default)]
struct Sums {
    by: BTreeMap<String, Sum>,
    max: usize,
}

impl Sums {
    fn of(max: usize) -> Self {
        Self { by: BTreeMap::new(), max }
    }

    fn add(&mut self, name: &str, bytes: usize) {
        let full = self.by.len() >= self.max && !self.by.contains_key(name);
        let name = if full { "(others)" } else { name };
        let sum = match self.by.get_mut(name) {
            Some(sum) => sum,
            None => self.by.entry(name.to_owned()).or_default(),
        };
        sum.events += 1;
        sum.bytes += bytes as u64;
    }

    fn rows(self, stat: &str, sink: &mut dyn Sink) -> Result<(), Refusal> {
        for (name, Sum { events, bytes }) in self.by {
            let row = json!({ "stat": stat, "name": name, "events": events, "bytes": bytes });
            sink.row(row)?;
        }
        Ok(())
    }
}

/// Looks over the whole log, at its files below the data directory, and at the work of the open store.
///
/// # Errors
/// [`Refusal`] if the log cannot be read, or nobody waits any more.
pub fn stats(
    store: &dyn EventStore,
    data: &Path,
    here: &Here,
    figures: &Figures,
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    let (mut kinds, mut categories) = (Sums::of(KINDS_MAX), Sums::of(KINDS_MAX));
    let (mut days, mut all) = (Sums::of(DAYS_MAX), Sum::default());
    let mut ends: Option<(i64, i64)> = None;
    let mut day = (i64::MIN, String::new());
    let mut next = Some(Position::START);
    while let Some(from) = next {
        sink.progress("events", from.0, store.next_position().0)?;
        next = store.glance(from, Direction::Forward, READ_EVENTS_MAX, &mut |glance| {
            kinds.add(glance.kind, glance.bytes);
            categories.add(glance.stream.split('-').next().unwrap_or_default(), glance.bytes);
            // A day is looked up once a quarter of an hour: zones change at such times only.
            let quarter = glance.ts.div_euclid(900_000);
            if day.0 != quarter {
                day = (quarter, here.day(Timestamp(glance.ts)));
            }
            days.add(&day.1, glance.bytes);
            all.events += 1;
            all.bytes += glance.bytes as u64;
            ends = Some((ends.map_or(glance.ts, |(first, _)| first.min(glance.ts)), glance.ts));
        })?;
    }
    kinds.rows("type", sink)?;
    categories.rows("category", sink)?;
    days.rows("day", sink)?;
    let mut work = serde_json::to_value(figures).unwrap_or_default();
    work["stat"] = json!("store");
    sink.row(work)?;
    sink.row(of_log(all, ends, data))?;
    Ok(())
}

fn of_log(all: Sum, ends: Option<(i64, i64)>, data: &Path) -> Value {
    let bytes = |name: &str| size_of(&data.join(name));
    let (log, store, keys) = (bytes("log"), bytes("store"), bytes("keys.bin"));
    let (subjects, blobs) = (bytes("subjects.bin"), bytes("blobs"));
    json!({
        "stat": "log", "events": all.events, "bytes": all.bytes,
        "first_ms": ends.map(|(first, _)| first), "last_ms": ends.map(|(_, last)| last),
        "journal_bytes": log, "store_bytes": store, "keys_bytes": keys,
        "subjects_bytes": subjects, "blobs_bytes": blobs,
        "disk_bytes": log + store + keys + subjects + blobs,
    })
}

/// What a file or all files below a folder take; what goes meanwhile takes nothing.
pub fn size_of(path: &Path) -> u64 {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        use std::os::unix::fs::MetadataExt;
        return meta.blocks() * 512;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries.filter_map(Result::ok).map(|entry| size_of(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::super::command::Rows;
    use super::*;

    #[test]
    fn what_is_told_apart_has_a_bound() {
        for (max, days) in [(DAYS_MAX, DAYS_MAX), (KINDS_MAX, KINDS_MAX)] {
            let mut sums = Sums::of(max);
            (0..days + 5).for_each(|n| sums.add(&format!("{n:05}"), 10));
            let mut rows = Rows::default();
            sums.rows("day", &mut rows).expect("it is read");
            assert_eq!(rows.0.len(), max + 1);
            let want = json!({ "stat": "day", "name": "(others)", "events": 5, "bytes": 50 });
            assert_eq!(rows.0[0], want);
        }
    }
}
