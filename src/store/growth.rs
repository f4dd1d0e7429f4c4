//! What a log takes of its disk, and when the disk is full at the growth of the last days. The journal's files say when
//! they were begun; what grows with them is taken to grow alike.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::OpenError;
use super::envelope::{Envelope, LINE_BYTES_MAX};
use super::segment::list;
use crate::domain::id::Timestamp;

/// The growth of so many days counts.
pub const GROWTH_DAYS: i64 = 7;
/// A log that is younger than this says nothing of its growth yet.
pub const GROWTH_MS_MIN: i64 = 60 * 60 * 1000;
/// What is further away than this is not told.
pub const FORECAST_DAYS_MAX: i64 = 10 * 365;
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How deep folders are looked into.
const DEPTH_MAX: usize = 16;

/// The parts of a data directory that grow with the journal.
const GROWING: &[&str] = &["log", "event store", "keys", "blobs", "tree hashes"];

/// A part of a data directory, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// What it takes of the disk.
    pub bytes: u64,
}

/// A file of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When its first event was written.
    pub begun: Timestamp,
    /// Its size.
    pub bytes: u64,
}

/// What each part of a data directory takes; what is not there takes nothing.
pub fn parts(data: &Path) -> Vec<Part> {
    let file = |name: &str| data.join(name).metadata().map_or(0, |it| it.len());
    let folder = |name: &str| folder_bytes(&data.join(name), DEPTH_MAX);
    let sizes = [
        ("log", folder("log")),
        ("event store", folder("store")),
        ("keys", file("keys.bin") + file("subjects.bin")),
        ("blobs", folder("blobs")),
        ("tree hashes", file("tree.bin")),
        ("Matrix", folder("matrix")),
    ];
    sizes.into_iter().map(|(name, bytes)| Part { name, bytes }).collect()
}

fn folder_bytes(folder: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() && depth > 0 => folder_bytes(&entry.path(), depth - 1),
        Ok(metadata) => metadata.len(),
        // It may be gone by now.
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// The files of a journal, oldest first; those that are empty or damaged are left out.
///
/// # Errors
/// [`OpenError`] if the folder cannot be read.
pub fn samples(log: &Path) -> Result<Vec<Sample>, OpenError> {
    let segments = list(log)?;
    Ok(segments.iter().filter_map(|segment| sample(&segment.path).ok().flatten()).collect())
}

fn sample(path: &Path) -> io::Result<Option<Sample>> {
    let (mut line, file) = (Vec::new(), File::open(path)?);
    let bytes = file.metadata()?.len();
    BufReader::new(file).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
    let envelope = Envelope::parse(line.strip_suffix(b"\n").unwrap_or(&line));
    Ok(envelope.ok().map(|envelope| Sample { begun: envelope.clear.wall, bytes }))
}

/// How many bytes a journal grows in a day, by what was written in the last days.
pub fn bytes_a_day(samples: &[Sample], now: Timestamp) -> Option<u64> {
    let first = samples.first()?.begun.0;
    let since = first.max(now.0 - GROWTH_DAYS * DAY_MS);
    let span = now.0.checked_sub(since).filter(|span| *span >= GROWTH_MS_MIN)?;
    let ends = samples.iter().skip(1).map(|next| next.begun.0).chain([now.0]);
    let within = samples.iter().zip(ends).map(|(sample, end)| {
        let (begun, end) = (sample.begun.0, end.max(sample.begun.0 + 1));
        let part = (end - since.max(begun)).max(0);
        u128::from(sample.bytes) * part.unsigned_abs() as u128
            / (end - begun).unsigned_abs() as u128
    });
    let grown: u128 = within.sum();
    u64::try_from(grown * u128::from(DAY_MS.unsigned_abs()) / u128::from(span.unsigned_abs())).ok()
}

/// What all that grows with the journal grows in a day.
pub fn all_a_day(journal_a_day: u64, parts: &[Part]) -> u64 {
    let of = |wanted: &dyn Fn(&Part) -> bool| -> u64 {
        parts.iter().filter(|part| wanted(part)).map(|part| part.bytes).sum()
    };
    let journal = of(&|part| part.name == "log").max(1);
    let all = of(&|part| GROWING.contains(&part.name)).max(journal);
    let grown = u128::from(journal_a_day) * u128::from(all) / u128::from(journal);
    u64::try_from(grown).unwrap_or(u64::MAX)
}

/// When so many free bytes are used up; none if that is far away.
pub fn full_at(free_bytes: u64, bytes_a_day: u64, now: Timestamp) -> Option<Timestamp> {
    let in_ms =
        u128::from(free_bytes) * u128::from(DAY_MS.unsigned_abs()) / u128::from(bytes_a_day.max(1));
    let in_ms = i64::try_from(in_ms).ok().filter(|ms| *ms <= FORECAST_DAYS_MAX * DAY_MS)?;
    Some(now.plus_ms(in_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100 * DAY_MS);

    fn days_ago(days: i64) -> Timestamp {
        NOW.plus_ms(-days * DAY_MS)
    }

    #[test]
    fn the_growth_of_the_last_days_counts() {
        for (what, samples, want) in [
            ("no log", vec![], None),
            ("too young", vec![(NOW.plus_ms(1 - GROWTH_MS_MIN), 500)], None),
            ("one hour", vec![(NOW.plus_ms(-GROWTH_MS_MIN), 500)], Some(500 * 24)),
            ("one file of two days", vec![(days_ago(2), 500)], Some(250)),
            ("one file of 70 days", vec![(days_ago(70), 7_000)], Some(100)),
            ("an old flood is over", vec![(days_ago(70), 1 << 40), (days_ago(7), 700)], Some(100)),
            (
                "half of the middle one counts",
                vec![(days_ago(20), 999), (days_ago(10), 600), (days_ago(4), 400)],
                Some((300 + 400) / 7),
            ),
            ("the clock went back", vec![(days_ago(-3), 500)], None),
        ] {
            let samples: Vec<Sample> =
                samples.into_iter().map(|(begun, bytes)| Sample { begun, bytes }).collect();
            assert_eq!(bytes_a_day(&samples, NOW), want, "{what}");
        }
    }

    #[test]
    fn what_grows_with_the_journal_counts_too() {
        let part = |name, bytes| Part { name, bytes };
        let parts = [part("log", 100), part("event store", 250), part("Matrix", 1 << 40)];
        assert_eq!(all_a_day(10, &parts), 35);
        assert_eq!(all_a_day(10, &[]), 10);
    }

    #[test]
    fn the_day_is_told_if_it_is_near() {
        for (free, a_day, want) in [
            (700, 100, Some(NOW.plus_ms(7 * DAY_MS))),
            (0, 100, Some(NOW)),
            (FORECAST_DAYS_MAX.unsigned_abs(), 1, Some(NOW.plus_ms(FORECAST_DAYS_MAX * DAY_MS))),
            (FORECAST_DAYS_MAX.unsigned_abs() + 1, 1, None),
            (u64::MAX, 0, None),
        ] {
            assert_eq!(full_at(free, a_day, NOW), want, "{free} at {a_day}");
        }
    }

    #[test]
    fn folders_are_summed_up() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("log/deep")).expect("makes");
        for (name, bytes) in [("log/a", 3), ("log/deep/b", 4), ("keys.bin", 36)] {
            fs::write(dir.path().join(name), vec![0; bytes]).expect("writes");
        }
        let found = parts(dir.path());
        let size = |name| found.iter().find(|part| part.name == name).map(|part| part.bytes);
        assert!(size("log") >= Some(7) && size("keys") == Some(36), "{found:?}");
        assert_eq!(size("blobs"), Some(0));
        let deepest = (0..DEPTH_MAX + 2).fold(dir.path().join("blobs"), |path, _| path.join("d"));
        fs::create_dir_all(&deepest).expect("makes");
        let flat = folder_bytes(&dir.path().join("blobs"), DEPTH_MAX);
        fs::write(deepest.join("file"), vec![0; 100_000]).expect("writes");
        assert_eq!(folder_bytes(&dir.path().join("blobs"), DEPTH_MAX), flat, "it ends");
    }
}
