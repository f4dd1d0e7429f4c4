//! Randomness and time for the unit tests of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Clock, Entropy, Surroundings};
use crate::domain::id::Timestamp;

/// Bytes that never repeat and are the same in every run.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            let hash = super::keys::hmac(b"counting", &count.to_be_bytes());
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

/// Surroundings for one log.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings { clock: Arc::new(Still), entropy: Arc::new(Counting::default()) }
}
