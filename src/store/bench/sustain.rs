//! How fast the log is for as long as it takes: a million events, until the event store has all of them, beside sled alone.
//!
//! Without a journal sled has to hold the events themselves. How fast the rows are that point into a journal is shown, too,
//! but they alone are no log.

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
use super::{BenchError, EVENT_BYTES, LINE_BYTES, Log, STREAMS, drive};
use crate::domain::id::{Position, StreamName, Version};

/// Who appends at the same time.
const APPENDERS: usize = 64;
/// How often the event store alone is synced, as in the log.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What was measured of one engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SustainRow {
    /// What it was.
    pub bench: &'static str,
    /// What was measured: `sled` has the same trees and batches and no journal, so it holds the lines; `index` is what
    /// the log has behind its journal, alone.
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

/// Measures sled alone, its part in the log alone, then the log.
///
/// # Errors
/// [`BenchError`] if something could not be written.
pub fn bench_sustain(
    dir: &Path,
    events: usize,
    surroundings: &Surroundings,
    mut row: impl FnMut(SustainRow),
) -> Result<(), BenchError> {
    let figures = Figures::default();
    let mut sled = None;
    for (engine, line) in [("sled", LINE_BYTES), ("index", 0)] {
        let (at, forget) = (dir.join(engine), forget_peak());
        let took = alone(&at, events, line)?;
        let (disk, sled) = (bytes_below(&at), *sled.get_or_insert(took));
        fs::remove_dir_all(&at)?;
        row(figured(engine, events, (took, sled), &figures, disk, forget));
    }
    let sled = sled.unwrap_or_default();
    let (at, forget) = (dir.join("beadle"), forget_peak());
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

/// Takes events into the event store that nobody wrote anywhere, as many at a time as the log does; with lines of some
/// bytes, if any.
fn alone(dir: &Path, events: usize, line_bytes: usize) -> Result<Duration, BenchError> {
    let trees = Trees::open(dir, Arc::new(RealDisk)).map_err(OpenError::from)?;
    let Times { ts, epoch } = Times::START;
    let (log, next) = (String::new(), Position::START);
    let mut applied = Applied { format: FORMAT, log, next, next_slot: 1, ts, epoch };
    let (begun, mut synced) = (Instant::now(), Instant::now());
    let failed = |error: TreesError| OpenError::from(error);
    while applied.next.0 < events as u64 {
        let until = (applied.next.0 + APPLY_EVENTS_MAX as u64).min(events as u64);
        let entries: Vec<_> = (applied.next.0..until)
            .map(|nth| entry(nth, line_bytes))
            .collect::<Option<_>>()
            .unwrap_or_default();
        entries.iter().for_each(|entry: &Arc<Entry>| applied.over(entry));
        match line_bytes {
            0 => trees.apply(&entries, &applied),
            _ => trees.apply_whole(&entries, &applied),
        }
        .map_err(failed)?;
        if synced.elapsed() >= SYNC_EVERY {
            trees.sync().map_err(failed)?;
            synced = Instant::now();
        }
    }
    trees.sync().map_err(failed)?;
    Ok(begun.elapsed())
}

/// What the event store sees of an event like those of the log.
fn entry(nth: u64, line_bytes: usize) -> Option<Arc<Entry>> {
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
        line: line(nth, line_bytes).into(),
        spot: Spot { segment: Position::START, offset, length, crc32: nth as u32 },
    }))
}

/// Text that cannot be made smaller, as what is sealed cannot.
fn line(nth: u64, bytes: usize) -> Vec<u8> {
    let mut state = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state % 95) as u8
    };
    (0..bytes).map(|_| next()).collect()
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
        assert_eq!(
            rows.iter().map(|row| row.engine).collect::<Vec<_>>(),
            ["sled", "index", "beadle"]
        );
        for row in &rows {
            assert!(row.events_per_s > 0.0 && row.disk_bytes_per_event > 0.0, "{row:?}");
        }
        assert!(rows[2].lag_events_max > 0 && rows[2].lag_bytes_max > 0, "{:?}", rows[2]);
        let (sled, index) = (rows[0].disk_bytes_per_event, rows[1].disk_bytes_per_event);
        assert!(index < sled, "without lines it takes less: {rows:?}");
        let opened = Log::open(&dir.path().join("beadle"), surroundings()).expect("opens");
        assert_eq!(opened.store.figures().events, 701, "they are all there");
    }
}
