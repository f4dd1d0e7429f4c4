//! How fast the log appends, beside the same pattern of writes and syncs on a bare file in the same run.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::sled::SledStore;
use super::{
    AppendError, BATCH_EVENTS_MAX, EventStore, Expected, OpenError, Options, Surroundings, Write,
};
use crate::domain::event::{MemoryWritten, NewEvent};
use crate::domain::id::StreamName;

/// How many streams the events are spread over.
const STREAMS: usize = 1_000;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppendFigures {
    /// Who appended at the same time.
    pub appenders: usize,
    /// How many events, one a batch.
    pub events: usize,
    /// The size of their payloads.
    pub bytes: usize,
    /// Acknowledged events a second.
    pub events_per_s: f64,
    /// Half of the appends took at most this.
    pub p50_ms: f64,
    /// 99 of 100 appends took at most this.
    pub p99_ms: f64,
    /// The same on a bare file: lines of the same size, written and synced in groups.
    pub raw_events_per_s: f64,
    /// What of that the log reaches.
    pub ratio: f64,
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
    /// The system refused something.
    #[error("cannot measure: {0}")]
    Io(#[from] io::Error),
}

/// Appends events of a size from many tasks at once, one event a batch, to a log in `dir`; then the same lines to a
/// bare file beside it. Both are left there.
///
/// # Errors
/// [`BenchError`] if something could not be written.
pub fn bench_append(
    dir: &Path,
    appenders: usize,
    events: usize,
    bytes: usize,
    surroundings: Surroundings,
) -> Result<AppendFigures, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (store, _) = SledStore::open(&dir.join("log"), surroundings, Options::default())?;
    let store = Arc::new(store);
    let (took, mut each) = runtime.block_on(measure_log(&store, appenders, events, bytes))?;
    store.close();
    let raw = runtime.block_on(measure_raw(&dir.join("raw"), appenders, events, bytes))?;
    each.sort_unstable();
    let at = |share: f64| {
        let index = ((each.len() as f64 * share) as usize).min(each.len().saturating_sub(1));
        each.get(index).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    };
    let per_second = |took: Duration| each.len() as f64 / took.as_secs_f64().max(1e-9);
    let (events_per_s, raw_events_per_s) = (per_second(took), per_second(raw));
    Ok(AppendFigures {
        appenders,
        events,
        bytes,
        events_per_s,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        raw_events_per_s,
        ratio: events_per_s / raw_events_per_s,
    })
}

async fn measure_log(
    store: &Arc<SledStore>,
    appenders: usize,
    events: usize,
    bytes: usize,
) -> Result<(Duration, Vec<Duration>), AppendError> {
    let value = serde_json::Value::String("x".repeat(bytes.saturating_sub(60)));
    let begun = Instant::now();
    let tasks = (0..appenders).map(|appender| {
        let (store, value) = (store.clone(), value.clone());
        tokio::spawn(async move {
            let mut each = Vec::new();
            for nth in (appender..events).step_by(appenders.max(1)) {
                let begun = Instant::now();
                store.append(vec![bench_write(nth, value.clone())?]).await?;
                each.push(begun.elapsed());
            }
            Ok::<_, AppendError>(each)
        })
    });
    let mut each = Vec::with_capacity(events);
    for task in tasks.collect::<Vec<_>>() {
        each.extend(task.await.map_err(|error| AppendError::Invalid(error.to_string()))??);
    }
    Ok((begun.elapsed(), each))
}

fn bench_write(nth: usize, value: serde_json::Value) -> Result<Write, AppendError> {
    let name = StreamName::parse(&format!("bench-{}", nth % STREAMS));
    let stream = name.map_err(|error| AppendError::Invalid(error.to_string()))?;
    let (scope, key) = ("bench".into(), "bench".into());
    let event = NewEvent::bare(MemoryWritten { scope, key, value, expires: None });
    Ok(Write { stream, expected: Expected::Any, key: None, events: vec![event] })
}

/// One thread that writes and syncs what waits, at most 64 lines at a time, and acknowledges it.
async fn measure_raw(
    path: &Path,
    appenders: usize,
    events: usize,
    bytes: usize,
) -> io::Result<Duration> {
    let file = File::create(path)?;
    let (sender, lines) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>(256);
    let writer = std::thread::spawn(move || write_raw(file, lines));
    // The line of a sealed event: base64, and what stands before it.
    let line = vec![b'x'; bytes * 4 / 3 + 320];
    let begun = Instant::now();
    let tasks = (0..appenders).map(|appender| {
        let (sender, line) = (sender.clone(), line.clone());
        tokio::spawn(async move {
            for _ in (appender..events).step_by(appenders.max(1)) {
                let (reply, answer) = oneshot::channel();
                let sent = sender.send((line.clone(), reply)).await;
                if sent.is_err() || answer.await.is_err() {
                    return;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.map_err(io::Error::other)?;
    }
    let took = begun.elapsed();
    drop(sender);
    writer.join().map_err(|_| io::Error::other("the writer panicked"))??;
    Ok(took)
}

fn write_raw(
    mut file: File,
    mut lines: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>,
) -> io::Result<()> {
    while let Some((mut group, reply)) = lines.blocking_recv() {
        let mut replies = vec![reply];
        while let Some((line, reply)) =
            (replies.len() < BATCH_EVENTS_MAX).then(|| lines.try_recv().ok()).flatten()
        {
            group.extend(line);
            replies.push(reply);
        }
        file.write_all(&group)?;
        file.sync_data()?;
        replies.into_iter().for_each(|reply| reply.send(()).unwrap_or_default());
    }
    Ok(())
}
