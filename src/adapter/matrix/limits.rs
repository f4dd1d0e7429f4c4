//! How often the homeserver made us wait before a message, kept in a small file for `beadle doctor`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::pace::now;
use crate::domain::id::Timestamp;

/// The time of which limits are counted.
pub const LIMITS_MS: i64 = 24 * 3_600_000;
/// Most limits that are counted; more are as bad as that.
pub const LIMITS_MAX: usize = 10_000;
/// The file in the folder of everything about Matrix.
pub const FILE: &str = "limits.json";

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// How often a message had to wait in the 24 hours before the last time.
    pub limited: u64,
    /// When that was, in milliseconds since 1970.
    pub last_ms: i64,
}

impl Limited {
    /// Reads the file of a matrix folder; none if there is nothing to say.
    pub fn load(matrix_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(matrix_dir.join(FILE)).ok()?).ok()
    }
}

/// The limits of the last day.
#[derive(Debug)]
pub(super) struct Limits {
    path: PathBuf,
    times: Mutex<VecDeque<i64>>,
}

impl Limits {
    /// Those of a matrix folder; what was counted before the start counts as if it had been at its last time.
    pub fn of(matrix_dir: &Path) -> Self {
        let before = Limited::load(matrix_dir);
        let times = before.map_or(VecDeque::new(), |before| {
            let count = usize::try_from(before.limited).unwrap_or(LIMITS_MAX).min(LIMITS_MAX);
            std::iter::repeat_n(before.last_ms, count).collect()
        });
        Self { path: matrix_dir.join(FILE), times: Mutex::new(times) }
    }

    /// Counts one more, and keeps the count as well as it can.
    pub fn count(&self) {
        let counted = self.counted(now());
        let bytes = serde_json::to_vec(&counted).expect("two numbers");
        let beside = self.path.with_extension("tmp");
        let kept =
            std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, &self.path));
        if let Err(error) = kept {
            tracing::debug!(%error, "rate limit not noted");
        }
    }

    fn counted(&self, now: Timestamp) -> Limited {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.push_back(now.0);
        while times.len() > LIMITS_MAX || times.front().is_some_and(|at| now.0 - at > LIMITS_MS) {
            times.pop_front();
        }
        Limited { limited: u64::try_from(times.len()).unwrap_or(u64::MAX), last_ms: now.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_day_are_counted() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let limits = Limits::of(dir.path());
        for (now_ms, want) in [(0, 1), (1, 2), (LIMITS_MS, 3), (LIMITS_MS + 2, 2)] {
            assert_eq!(limits.counted(Timestamp(now_ms)).limited, want, "{now_ms}");
        }
        for n in 0..2 * LIMITS_MAX {
            let now = Timestamp(LIMITS_MS + 3 + i64::try_from(n).expect("a small number"));
            assert!(limits.counted(now).limited <= LIMITS_MAX as u64);
        }
    }

    #[test]
    fn the_count_outlives_the_process() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Limited::load(dir.path()), None);
        for _ in 0..2 {
            Limits::of(dir.path()).count();
        }
        let kept = Limited::load(dir.path()).expect("it was kept");
        assert_eq!(kept.limited, 2);
        let text = std::fs::read_to_string(dir.path().join(FILE)).expect("it is there");
        assert_eq!(text, format!(r#"{{"limited":2,"last_ms":{}}}"#, kept.last_ms));
        std::fs::write(dir.path().join(FILE), "{").expect("it is written");
        assert_eq!(Limited::load(dir.path()), None, "a damaged one is none");
    }
}
