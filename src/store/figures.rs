//! What an open log can say of its own work: how long appends take, how large the groups are, how far the event store is
//! behind, and what is on disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::keys::KEYS_FILE;
use super::subjects::SUBJECTS_FILE;

/// Steps of the histogram for each doubling: a figure is at most a sixteenth off.
const STEPS: u64 = 8;
/// Steps of the histogram: from a microsecond to more than an hour.
const BUCKETS: usize = 256;

/// The figures of an open log. Times and counts are since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How many events the log holds.
    pub events: u64,
    /// How many batches were acknowledged.
    pub appends: u64,
    /// Half of them took at most about this from the call to the acknowledgement.
    pub append_p50_ms: f64,
    /// 99 of 100 took at most about this.
    pub append_p99_ms: f64,
    /// How many times a group was written and synced.
    pub groups: u64,
    /// How many events a group has on average.
    pub events_per_group: f64,
    /// How many events the event store has yet to take in.
    pub lag_events: u64,
    /// How many bytes their lines have.
    pub lag_bytes: u64,
    /// The most events that ever waited.
    pub lag_events_max: u64,
    /// The most bytes that ever waited.
    pub lag_bytes_max: u64,
    /// What the journal takes on disk.
    pub log_bytes: u64,
    /// What the event store takes.
    pub store_bytes: u64,
    /// What the keys take.
    pub keys_bytes: u64,
    /// What the blobs take.
    pub blobs_bytes: u64,
}

/// Counts while the log works; each is one addition.
pub(crate) struct Meters {
    took: [AtomicU64; BUCKETS],
    groups: AtomicU64,
    events: AtomicU64,
    lag: [AtomicU64; 2],
}

impl Default for Meters {
    fn default() -> Self {
        let (groups, events, lag) = Default::default();
        Self { took: std::array::from_fn(|_| AtomicU64::new(0)), groups, events, lag }
    }
}

/// The step of the histogram that a time falls into.
fn bucket(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let octave = u64::from((us / STEPS).checked_ilog2().map_or(0, |log| log + 1));
    let step = if octave == 0 { us } else { (us >> (octave - 1)) - STEPS };
    usize::try_from(octave * STEPS + step).map_or(BUCKETS - 1, |at| at.min(BUCKETS - 1))
}

/// The middle of a step, in milliseconds.
fn middle_ms(bucket: usize) -> f64 {
    let (octave, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    let (low, width) = match octave {
        0 => (step, 1),
        _ => ((STEPS + step) << (octave - 1), 1 << (octave - 1)),
    };
    (low as f64 + width as f64 / 2.0) / 1_000.0
}

impl Meters {
    /// A batch was acknowledged.
    pub(crate) fn appended(&self, took: Duration) {
        self.took[bucket(took)].fetch_add(1, Relaxed);
    }

    /// A group was written; so many events and bytes wait for the event store now.
    pub(crate) fn written(&self, events: usize, waiting: (usize, usize)) {
        self.groups.fetch_add(1, Relaxed);
        self.events.fetch_add(events as u64, Relaxed);
        self.lag[0].fetch_max(waiting.0 as u64, Relaxed);
        self.lag[1].fetch_max(waiting.1 as u64, Relaxed);
    }

    /// The figures, but for what waits now and what is on disk.
    pub(crate) fn figures(&self) -> Figures {
        let took: Vec<u64> = self.took.iter().map(|count| count.load(Relaxed)).collect();
        let appends: u64 = took.iter().sum();
        let groups = self.groups.load(Relaxed);
        Figures {
            appends,
            append_p50_ms: quantile_ms(&took, appends.div_ceil(2)),
            append_p99_ms: quantile_ms(&took, appends - appends / 100),
            groups,
            events_per_group: self.events.load(Relaxed) as f64 / groups.max(1) as f64,
            lag_events_max: self.lag[0].load(Relaxed),
            lag_bytes_max: self.lag[1].load(Relaxed),
            ..Figures::default()
        }
    }
}

/// The time that the nth of them took.
fn quantile_ms(took: &[u64], nth: u64) -> f64 {
    let mut seen = 0;
    let reached = took.iter().position(|count| {
        seen += count;
        seen >= nth && seen > 0
    });
    reached.map_or(0.0, middle_ms)
}

impl Figures {
    /// Adds what the parts of a data directory take on disk.
    pub(crate) fn on_disk(self, dir: &Path) -> Self {
        Self {
            log_bytes: bytes_below(&dir.join("log")),
            store_bytes: bytes_below(&dir.join("store")),
            keys_bytes: bytes_below(&dir.join(KEYS_FILE)) + bytes_below(&dir.join(SUBJECTS_FILE)),
            blobs_bytes: bytes_below(&dir.join("blobs")),
            ..self
        }
    }
}

/// What a file or everything below a directory takes on disk. What goes away meanwhile counts nothing.
pub(crate) fn bytes_below(path: &Path) -> u64 {
    const BLOCK_BYTES: u64 = 512;
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.blocks() * BLOCK_BYTES;
    }
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    below.map(|entry| bytes_below(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_within_a_sixteenth() {
        for us in (0..22).flat_map(|shift| [1_u64 << shift, (1 << shift) + (1 << shift) / 3]) {
            let told = middle_ms(bucket(Duration::from_micros(us))) * 1_000.0;
            let off = (told - us as f64).abs();
            assert!(off <= 0.5 || off <= us as f64 / 16.0 + 0.5, "{us} µs are told as {told}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
        assert!(middle_ms(BUCKETS - 1) > 3_600_000.0);
    }

    #[test]
    fn half_and_nearly_all_are_told_apart() {
        let meters = Meters::default();
        assert_eq!(meters.figures(), Figures::default());
        for _ in 0..98 {
            meters.appended(Duration::from_micros(200));
        }
        for _ in 0..2 {
            meters.appended(Duration::from_millis(30));
        }
        meters.written(64, (64, 6_400));
        meters.written(36, (36, 3_600));
        let figures = meters.figures();
        assert_eq!((figures.appends, figures.groups), (100, 2));
        assert!((0.18..0.22).contains(&figures.append_p50_ms), "{figures:?}");
        assert!((28.0..32.0).contains(&figures.append_p99_ms), "{figures:?}");
        assert_eq!(
            (figures.events_per_group, figures.lag_events_max, figures.lag_bytes_max),
            (50.0, 64, 6_400)
        );
    }
}
