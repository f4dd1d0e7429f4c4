//! Appending durably: a bare file, SQLite in its safe mode, and the log, in turns on the same disk in the same run.
//!
//! `cargo bench --bench append [DIRECTORY]`. All three acknowledge what is on disk, and all three write what waits as one. SQLite keeps
//! the same streams and versions, in the clear and without keys: what it has to do is the smaller part.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use beadle::app::surroundings;
use beadle::store::bench::{
    APPENDERS, BenchError, EVENT_BYTES, Engine, Grouped, Log, Opener, compare, raw,
};
use futures_util::future::BoxFuture;
use rusqlite::{Connection, params};

/// How many streams the events are spread over.
const STREAMS: usize = 1_000;

/// A table of events in SQLite: write-ahead log, synced at every commit.
struct Sqlite(Grouped<usize>);

impl Sqlite {
    fn open(dir: &Path) -> Result<Arc<dyn Engine>, BenchError> {
        let mut table = Table::make(dir).map_err(io::Error::other)?;
        let write = move |group: &[usize]| table.insert(group).map_err(io::Error::other);
        Ok(Arc::new(Self(Grouped::start(write))))
    }
}

impl Engine for Sqlite {
    fn append(&self, nth: usize) -> BoxFuture<'_, Result<(), BenchError>> {
        Box::pin(async move { Ok(self.0.append(nth).await?) })
    }
}

struct Table {
    connection: Connection,
    versions: HashMap<usize, i64>,
    payload: String,
}

impl Table {
    fn make(dir: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(dir.join("events.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL,
             type TEXT NOT NULL, ts INTEGER NOT NULL, payload TEXT NOT NULL, UNIQUE (stream, version));
             CREATE INDEX types ON events (type);",
        )?;
        Ok(Self { connection, versions: HashMap::new(), payload: "x".repeat(EVENT_BYTES) })
    }

    fn insert(&mut self, group: &[usize]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (stream, version, type, ts, payload) VALUES (?, ?, 'memory_written', ?, ?)",
            )?;
            for nth in group {
                let stream = nth % STREAMS;
                let version = self.versions.entry(stream).or_insert(-1);
                *version += 1;
                let name = format!("bench-{stream}");
                insert.execute(params![name, *version, 1_700_000_000_000_i64, self.payload])?;
            }
        }
        transaction.commit()
    }
}

fn measure(dir: &Path) -> Result<(), BenchError> {
    let beadle = |dir: &Path| Log::engine(dir, surroundings());
    let engines: [(&'static str, Opener); 3] =
        [("raw", &raw), ("sqlite", &Sqlite::open), ("beadle", &beadle)];
    println!("appenders  engine    events/s    p50 ms    p99 ms  of raw");
    for (appenders, events) in APPENDERS {
        for row in compare(dir, &engines, appenders, events)? {
            println!(
                "{:>9}  {:7}  {:>9.0}  {:>8.3}  {:>8.3}  {:>6.2}",
                row.appenders,
                row.engine,
                row.events_per_s,
                row.p50_ms,
                row.p99_ms,
                row.ratio_to_raw
            );
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    // Cargo adds options of its own.
    let place = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let place = place.unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let measured = tempfile::tempdir_in(place).map_err(BenchError::from);
    match measured.and_then(|dir| measure(dir.path())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
