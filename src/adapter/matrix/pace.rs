//! How long to wait after a failure: longer each time, never the same for two bots, never for ever.

use std::time::{SystemTime, UNIX_EPOCH};

use super::trouble::Trouble;
use crate::domain::id::Timestamp;

/// Shortest wait after a failed request.
pub const BACKOFF_MS_MIN: u64 = 1_000;
/// Longest wait after a failed request, unless the homeserver asks for more.
pub const BACKOFF_MS_MAX: u64 = 60_000;
/// Longest wait that a homeserver can ask for.
pub const AFTER_MS_MAX: u64 = 15 * 60_000;

/// How long to wait after the n-th failure in a row.
pub(super) fn wait_ms(failures: u32, trouble: &Trouble) -> u64 {
    let mut random = [0];
    if getrandom::fill(&mut random).is_err() {
        tracing::debug!("no random number for the back-off");
    }
    let after = trouble.after().map_or(0, |after| after.as_millis().try_into().unwrap_or(u64::MAX));
    backoff_ms(failures, random[0]).max(after.min(AFTER_MS_MAX))
}

/// Doubles with every failure; between half of that and all of it, by chance.
fn backoff_ms(failures: u32, random: u8) -> u64 {
    let doubled = BACKOFF_MS_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let whole = doubled.min(BACKOFF_MS_MAX);
    (whole / 2 + whole * u64::from(random) / 510).max(BACKOFF_MS_MIN)
}

/// The time by this machine's clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_millis().try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        for (failures, random, want) in [
            (1, 0, 1_000),
            (1, 255, 1_000),
            (2, 0, 1_000),
            (2, 255, 2_000),
            (5, 0, 8_000),
            (5, 255, 16_000),
            (7, 255, BACKOFF_MS_MAX),
            (u32::MAX, 255, BACKOFF_MS_MAX),
            (u32::MAX, 0, BACKOFF_MS_MAX / 2),
        ] {
            assert_eq!(backoff_ms(failures, random), want, "{failures} {random}");
        }
    }

    #[test]
    fn a_homeserver_can_ask_for_more() {
        for (asked_s, least, most) in
            [(0, 1_000, 1_000), (100, 100_000, 100_000), (86_400, AFTER_MS_MAX, AFTER_MS_MAX)]
        {
            let trouble = Trouble::Limited(Some(Duration::from_secs(asked_s)));
            let wait = wait_ms(1, &trouble);
            assert!((least..=most).contains(&wait), "{asked_s} s: {wait} ms");
        }
    }
}
