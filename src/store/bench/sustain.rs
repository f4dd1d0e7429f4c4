//! How fast the log is for as long as it takes: a million events, until the event store has all of them, beside the event
//! store alone.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::super::disk::RealDisk;
use super::super::figures::{Figures, bytes_below};
use super::super::index::Marks;
use super::super::lines::Spot;
use super::super::plan::Times;
use super::super::record::Entry;
use super::super::trees::{APPLY_EVENTS_MAX, Applied, FORMAT, Trees, TreesError};
use super::super::{OpenError, Surroundings};
use super::{BenchError, EVENT_BYTES, Log, STREAMS, drive};
use crate::domain::id::{Position, StreamName, Version};

/// Who appends at the same time.
const APPENDERS: usize = 64;
/// How long a line is; of the event store's work nothing hangs on it.
const LINE_BYTES: usize = 780;
/// How often the event store alone is synced, as in the log.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What was measured of one engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SustainRow {
    /// What it was.
    pub bench: &'static str,
    /// What was measured: `sled` has the same trees and batches and no journal.
    pub engine: &'static str,
    /// How many events.
    pub events: usize,
    /// The size of their payloads.
    pub event_bytes: usize,
    /// Events a second until all of them were in the event store and synced.
    pub events_per_s: f64,
    /// The most events that waited for the event store.
    pub lag_events_max: u64,
    /// The most bytes that waited.
    pub lag_bytes_max: u64,
    /// The events a second beside those of the event store alone.
    pub ratio_to_sled: f64,
    /// What an event takes on disk: journal, event store, keys.
    pub disk_bytes_per_event: f64,
    /// The most memory that the process had while this was measured.
    pub rss_mib: f64,
}

/// Measures the event store alone, then the log.
///
/// # Errors
/// [`BenchError`] if something could not be written.
pub fn bench_sustain(
    dir: &Path,
    events: usize,
    surroundings: &Surroundings,
    mut row: impl FnMut(SustainRow),
) -> Result<(), BenchError> {
    let forget = forget_peak();
    let at = dir.join("sled");
    let sled = alone(&at, events)?;
    let disk = bytes_below(&at);
    fs::remove_dir_all(&at)?;
    let figures = Figures::default();
    row(figured("sled", events, (sled, sled), &figures, disk, forget));
    let forget = forget_peak();
    let at = dir.join("beadle");
    let (took, figures) = whole(&at, events, surroundings)?;
    let disk = figures.log_bytes + figures.store_bytes + figures.keys_bytes;
    row(figured("beadle", events, (took, sled), &figures, disk, forget));
    Ok(())
}

fn figured(
    engine: &'static str,
    events: usize,
    (took, sled): (Duration, Duration),
    figures: &Figures,
    disk: u64,
    peak_is_own: bool,
) -> SustainRow {
    SustainRow {
        bench: "sustain",
        engine,
        events,
        event_bytes: EVENT_BYTES,
        events_per_s: events as f64 / took.as_secs_f64().max(1e-9),
        lag_events_max: figures.lag_events_max,
        lag_bytes_max: figures.lag_bytes_max,
        ratio_to_sled: sled.as_secs_f64() / took.as_secs_f64().max(1e-9),
        disk_bytes_per_event: disk as f64 / events.max(1) as f64,
        rss_mib: if peak_is_own { peak_mib() } else { 0.0 },
    }
}

/// Takes events into the event store that nobody wrote anywhere, as many at a time as the log does.
fn alone(dir: &Path, events: usize) -> Result<Duration, BenchError> {
    let trees = Trees::open(dir, Arc::new(RealDisk)).map_err(OpenError::from)?;
    let Times { ts, epoch } = Times::START;
    let (log, next) = (String::new(), Position::START);
    let mut applied = Applied { format: FORMAT, log, next, next_slot: 1, ts, epoch };
    let (begun, mut synced) = (Instant::now(), Instant::now());
    let failed = |error: TreesError| OpenError::from(error);
    while applied.next.0 < events as u64 {
        let until = (applied.next.0 + APPLY_EVENTS_MAX as u64).min(events as u64);
        let entries: Vec<_> =
            (applied.next.0..until).map(entry).collect::<Option<_>>().unwrap_or_default();
        entries.iter().for_each(|entry: &Arc<Entry>| applied.over(entry));
        trees.apply(&entries, &applied).map_err(failed)?;
        if synced.elapsed() >= SYNC_EVERY {
            trees.sync().map_err(failed)?;
            synced = Instant::now();
        }
    }
    trees.sync().map_err(failed)?;
    Ok(begun.elapsed())
}

/// What the event store sees of an event like those of the log.
fn entry(nth: u64) -> Option<Arc<Entry>> {
    let stream = StreamName::parse(&format!("bench-{}", nth % STREAMS as u64)).ok()?;
    let length = u32::try_from(LINE_BYTES).ok()?;
    let offset = nth * (LINE_BYTES as u64 + 1);
    Some(Arc::new(Entry {
        position: Position(nth),
        stream,
        version: Version(nth / STREAMS as u64),
        key: None,
        slot: Some(nth + 1),
        times: Times::START,
        marks: Marks::of([None; 3], None, "memory_written"),
        line: Arc::from([]),
        spot: Spot { segment: Position::START, offset, length, crc32: nth as u32 },
    }))
}

/// Appends events to a log until its event store has all of them.
fn whole(
    dir: &Path,
    events: usize,
    surroundings: &Surroundings,
) -> Result<(Duration, Figures), BenchError> {
    let log = Log::open(dir, surroundings.clone())?;
    let begun = Instant::now();
    drive(log.clone(), APPENDERS, events)?;
    log.store.close();
    let took = begun.elapsed();
    Ok((took, log.store.figures()))
}

/// Forgets the most memory that this process had; says whether the system can.
fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory that this process had.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::surroundings;
    use super::*;

    #[test]
    fn both_take_all_events_in() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut rows = Vec::new();
        bench_sustain(dir.path(), 700, &surroundings(), |row| rows.push(row)).expect("measures");
        assert_eq!(rows.iter().map(|row| row.engine).collect::<Vec<_>>(), ["sled", "beadle"]);
        for row in &rows {
            assert!(row.events_per_s > 0.0 && row.disk_bytes_per_event > 0.0, "{row:?}");
        }
        assert!(rows[1].lag_events_max > 0 && rows[1].lag_bytes_max > 0, "{:?}", rows[1]);
        let opened = Log::open(&dir.path().join("beadle"), surroundings()).expect("opens");
        assert_eq!(opened.store.figures().events, 701, "they are all there");
    }
}
