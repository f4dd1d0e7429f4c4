//! The clock that this process keeps time by: the system's, unless a program built on this library brings its own.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::id::Timestamp;
use crate::store::Clock;

/// What was brought.
static BROUGHT: OnceLock<Arc<dyn Clock>> = OnceLock::new();

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Keeps time by another clock, from before the log is opened to the end of the process; false: there is one already.
pub fn keep_time_by(clock: Arc<dyn Clock>) -> bool {
    BROUGHT.set(clock).is_ok()
}

/// The clock of this process.
pub fn clock() -> Arc<dyn Clock> {
    BROUGHT.get().cloned().unwrap_or_else(|| Arc::new(SystemClock))
}
