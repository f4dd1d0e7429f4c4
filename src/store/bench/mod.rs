//! How fast the log is, beside the same pattern of writes and syncs on a bare file, and beside its event store alone.
//!
//! Whatever is compared is measured in turns in the same run, and the median of the rounds counts: a busy machine changes
//! the figures and hardly the ratios.

mod grouped;
mod sustain;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::runtime::Runtime;

pub use grouped::{GROUP_LINES_MAX, Grouped};
pub use sustain::{SustainRow, bench_sustain};

use super::sled::SledStore;
use super::{
    AppendError, EventStore, Expected, OpenError, Options, ReadError, Surroundings, Write,
};
use crate::domain::event::{MemoryWritten, NewEvent};
use crate::domain::id::StreamName;

/// How many streams the events are spread over.
const STREAMS: usize = 1_000;
/// How often each engine is measured.
const ROUNDS: usize = 3;
/// The size of an event's payload.
pub const EVENT_BYTES: usize = 300;
/// How long the log's line of such an event is: sealed, in base64, with what stands before it.
const LINE_BYTES: usize = 680;
/// Who appends at the same time, and how many events together.
pub const APPENDERS: [(usize, usize); 4] = [(1, 1_000), (8, 8_000), (64, 100_000), (512, 100_000)];

/// What was measured of one engine; the median of some rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppendRow {
    /// What it was.
    pub bench: &'static str,
    /// What was measured.
    pub engine: &'static str,
    /// Who appended at the same time.
    pub appenders: usize,
    /// How many events, one a batch.
    pub events: usize,
    /// The size of their payloads.
    pub event_bytes: usize,
    /// Acknowledged events a second.
    pub events_per_s: f64,
    /// Half of the appends took at most this.
    pub p50_ms: f64,
    /// 99 of 100 appends took at most this.
    pub p99_ms: f64,
    /// The events a second beside those of the bare file.
    pub ratio_to_raw: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An append failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system refused something.
    #[error("cannot measure: {0}")]
    Io(#[from] io::Error),
}

/// Something that appends durably.
pub trait Engine: Send + Sync + 'static {
    /// Appends the event with this number; returns when it is on disk.
    fn append(&self, nth: usize) -> BoxFuture<'_, Result<(), BenchError>>;
}

/// Opens an engine in a directory that is empty.
pub type Opener<'a> = &'a dyn Fn(&Path) -> Result<Arc<dyn Engine>, BenchError>;

/// How long it took.
struct Took {
    whole: Duration,
    each: Vec<Duration>,
}

impl Took {
    fn events_per_s(&self) -> f64 {
        self.each.len() as f64 / self.whole.as_secs_f64().max(1e-9)
    }

    fn at_ms(&self, share: f64) -> f64 {
        let index = (self.each.len() as f64 * share) as usize;
        let took = self.each.get(index.min(self.each.len().saturating_sub(1)));
        took.map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    }
}

/// Measures the bare file and the log, at 1, 8, 64 and 512 appenders; hands out each row when it is known.
///
/// # Errors
/// [`BenchError`] if something could not be written.
pub fn bench_append(
    dir: &Path,
    surroundings: &Surroundings,
    mut row: impl FnMut(AppendRow),
) -> Result<(), BenchError> {
    for (appenders, events) in APPENDERS {
        let beadle = |dir: &Path| Log::engine(dir, surroundings.clone());
        let engines: [(&str, Opener); 2] = [("raw", &raw), ("beadle", &beadle)];
        compare(dir, &engines, appenders, events)?.into_iter().for_each(&mut row);
    }
    Ok(())
}

/// Measures engines in turns; the first is the one that the others are compared with. One appender of the bare file writes and
/// syncs by itself: that is what a disk can do.
///
/// # Errors
/// [`BenchError`] if something could not be written.
pub fn compare(
    dir: &Path,
    engines: &[(&'static str, Opener)],
    appenders: usize,
    events: usize,
) -> Result<Vec<AppendRow>, BenchError> {
    let mut rounds: Vec<Vec<Took>> = engines.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((name, open), took) in engines.iter().zip(&mut rounds) {
            let at = dir.join(name);
            fs::create_dir(&at)?;
            took.push(match (*name, appenders) {
                ("raw", 1) => alone(&at, events)?,
                _ => drive(open(&at)?, appenders, events)?,
            });
            fs::remove_dir_all(&at)?;
        }
    }
    let raw = median(&rounds[0], Took::events_per_s);
    let rows = engines.iter().zip(&rounds).map(|((engine, _), took)| {
        let events_per_s = median(took, Took::events_per_s);
        AppendRow {
            bench: "append",
            engine,
            appenders,
            events,
            event_bytes: EVENT_BYTES,
            events_per_s,
            p50_ms: median(took, |took| took.at_ms(0.5)),
            p99_ms: median(took, |took| took.at_ms(0.99)),
            ratio_to_raw: events_per_s / raw,
        }
    });
    Ok(rows.collect())
}

fn median(rounds: &[Took], figure: impl Fn(&Took) -> f64) -> f64 {
    let mut figures: Vec<_> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// Appends events from many tasks at once, one event a batch.
fn drive(engine: Arc<dyn Engine>, appenders: usize, events: usize) -> Result<Took, BenchError> {
    let runtime = Runtime::new()?;
    let begun = Instant::now();
    let each = runtime.block_on(async {
        let tasks = (0..appenders).map(|appender| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let mut each = Vec::with_capacity(events / appenders + 1);
                for nth in (appender..events).step_by(appenders) {
                    let begun = Instant::now();
                    engine.append(nth).await?;
                    each.push(begun.elapsed());
                }
                Ok::<_, BenchError>(each)
            })
        });
        let mut each = Vec::with_capacity(events);
        for task in tasks.collect::<Vec<_>>() {
            each.extend(task.await.map_err(io::Error::other)??);
        }
        Ok::<_, BenchError>(each)
    });
    let (whole, mut each) = (begun.elapsed(), each?);
    each.sort_unstable();
    Ok(Took { whole, each })
}

/// What the log writes for an event, for the others to write as much.
fn line() -> Vec<u8> {
    let mut line = vec![b'x'; LINE_BYTES];
    line.push(b'\n');
    line
}

/// Writes and syncs one line after another, without any thread between.
fn alone(dir: &Path, events: usize) -> Result<Took, BenchError> {
    let (mut file, line) = (File::create(dir.join("raw"))?, line());
    let mut each = Vec::with_capacity(events);
    let begun = Instant::now();
    for _ in 0..events {
        let begun = Instant::now();
        file.write_all(&line)?;
        file.sync_data()?;
        each.push(begun.elapsed());
    }
    let whole = begun.elapsed();
    each.sort_unstable();
    Ok(Took { whole, each })
}

/// A bare file: one thread writes and syncs what waits.
///
/// # Errors
/// [`BenchError`] if it cannot be made.
pub fn raw(dir: &Path) -> Result<Arc<dyn Engine>, BenchError> {
    let mut file = File::create(dir.join("raw"))?;
    let grouped = Grouped::start(move |lines: &[Vec<u8>]| {
        file.write_all(&lines.concat())?;
        file.sync_data()
    });
    Ok(Arc::new(Raw { grouped, line: line() }))
}

struct Raw {
    grouped: Grouped<Vec<u8>>,
    line: Vec<u8>,
}

impl Engine for Raw {
    fn append(&self, _: usize) -> BoxFuture<'_, Result<(), BenchError>> {
        Box::pin(async { Ok(self.grouped.append(self.line.clone()).await?) })
    }
}

/// The log.
pub struct Log {
    store: SledStore,
    value: serde_json::Value,
}

impl Log {
    /// A new log in a directory.
    ///
    /// # Errors
    /// [`BenchError`] if it cannot be made.
    pub fn open(dir: &Path, surroundings: Surroundings) -> Result<Arc<Self>, BenchError> {
        let (store, _) = SledStore::open(dir, surroundings, Options::default())?;
        let value = serde_json::Value::String("x".repeat(EVENT_BYTES - 60));
        Ok(Arc::new(Self { store, value }))
    }

    /// The same, to be compared with others.
    ///
    /// # Errors
    /// [`BenchError`] if it cannot be made.
    pub fn engine(dir: &Path, surroundings: Surroundings) -> Result<Arc<dyn Engine>, BenchError> {
        Ok(Self::open(dir, surroundings)?)
    }

    fn write(&self, nth: usize) -> Result<Write, AppendError> {
        let name = StreamName::parse(&format!("bench-{}", nth % STREAMS));
        let stream = name.map_err(|error| AppendError::Invalid(error.to_string()))?;
        let (scope, key, value) = ("bench".into(), "bench".into(), self.value.clone());
        let event = NewEvent::bare(MemoryWritten { scope, key, value, expires: None });
        Ok(Write { stream, expected: Expected::Any, key: None, events: vec![event] })
    }
}

impl Engine for Log {
    fn append(&self, nth: usize) -> BoxFuture<'_, Result<(), BenchError>> {
        Box::pin(async move {
            self.store.append(vec![self.write(nth)?]).await?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::surroundings;
    use super::*;

    #[test]
    fn a_line_is_as_long_as_the_others_write() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = Log::engine(dir.path(), surroundings()).expect("opens");
        drive(log, 2, 9).expect("appends");
        let journal = dir.path().join("log/00000000000000000000.jsonl");
        let text = fs::read_to_string(journal).expect("reads");
        let longest = text.lines().map(str::len).max().expect("it has lines");
        assert!(longest.abs_diff(LINE_BYTES) <= LINE_BYTES / 20, "{longest}");
    }

    #[test]
    fn engines_are_measured_in_turns() {
        let dir = tempfile::tempdir().expect("a directory");
        let beadle = |dir: &Path| Log::engine(dir, surroundings());
        let engines: [(&str, Opener); 2] = [("raw", &raw), ("beadle", &beadle)];
        for appenders in [1, 3] {
            let rows = compare(dir.path(), &engines, appenders, 20).expect("measures");
            assert_eq!(rows.iter().map(|row| row.engine).collect::<Vec<_>>(), ["raw", "beadle"]);
            assert!((rows[0].ratio_to_raw - 1.0).abs() < 1e-9, "{rows:?}");
            for row in rows {
                assert!(row.events_per_s > 0.0 && row.ratio_to_raw > 0.0, "{row:?}");
                assert!(row.p50_ms > 0.0 && row.p50_ms <= row.p99_ms, "{row:?}");
            }
        }
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0, "nothing is left");
    }
}
