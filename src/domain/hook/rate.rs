//! How often something may happen: a bucket for each who does it, filled anew within a minute.

use std::collections::BTreeMap;

use crate::domain::id::Timestamp;

/// Most senders that are told apart; beyond them all others share one bucket.
pub const KNOWN_MAX: usize = 1_024;
/// A minute in milliseconds: so long an empty bucket takes to be full.
const MINUTE_MS: u64 = 60_000;

/// What is left for one of them. One unit is a sixty-thousandth of a turn, so that a millisecond gives whole units.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    units: u64,
    at: Timestamp,
}

impl Bucket {
    fn full(per_minute: u32, now: Timestamp) -> Self {
        Self { units: u64::from(per_minute) * MINUTE_MS, at: now }
    }

    /// Fills what has come in since; a clock that went back gives nothing.
    fn fill(&mut self, per_minute: u32, now: Timestamp) {
        let passed = u64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(0).min(MINUTE_MS);
        let most = u64::from(per_minute) * MINUTE_MS;
        self.units = (self.units + passed * u64::from(per_minute)).min(most);
        self.at = now;
    }

    /// Takes one turn, or says in how many seconds there is one.
    fn take(&mut self, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        self.fill(per_minute, now);
        if let Some(left) = self.units.checked_sub(MINUTE_MS) {
            self.units = left;
            return Ok(());
        }
        Err(self.wait_s(per_minute))
    }

    fn wait_s(&self, per_minute: u32) -> u64 {
        let missing = MINUTE_MS - self.units.min(MINUTE_MS);
        missing.div_ceil(u64::from(per_minute.max(1)) * 1_000).max(1)
    }
}

/// The buckets of all who do something.
#[derive(Debug)]
pub struct Buckets<K: Ord + Clone> {
    known: BTreeMap<K, Bucket>,
    rest: Option<Bucket>,
    cleared: Timestamp,
}

impl<K: Ord + Clone> Default for Buckets<K> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), rest: None, cleared: Timestamp(i64::MIN) }
    }
}

impl<K: Ord + Clone> Buckets<K> {
    /// Takes one turn for somebody.
    ///
    /// # Errors
    /// In how many seconds there is one.
    pub fn take(&mut self, who: &K, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        self.bucket(who, per_minute, now).take(per_minute, now)
    }

    /// Looks whether somebody has a turn left, and takes none.
    ///
    /// # Errors
    /// In how many seconds there is one.
    pub fn look(&self, who: &K, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        let Some(bucket) = self.known.get(who).or(self.rest.as_ref()) else { return Ok(()) };
        let mut bucket = *bucket;
        bucket.take(per_minute, now)
    }

    fn bucket(&mut self, who: &K, per_minute: u32, now: Timestamp) -> &mut Bucket {
        if !self.known.contains_key(who) && self.known.len() >= KNOWN_MAX {
            self.clear(per_minute, now);
        }
        if !self.known.contains_key(who) && self.known.len() >= KNOWN_MAX {
            return self.rest.get_or_insert(Bucket::full(per_minute, now));
        }
        self.known.entry(who.clone()).or_insert(Bucket::full(per_minute, now))
    }

    /// Forgets those whose buckets are full again; looked at once a second.
    fn clear(&mut self, per_minute: u32, now: Timestamp) {
        if now.0 >= self.cleared.0 && now.0.saturating_sub(self.cleared.0) < 1_000 {
            return;
        }
        self.cleared = now;
        let most = u64::from(per_minute) * MINUTE_MS;
        self.known.retain(|_, bucket| {
            bucket.fill(per_minute, now);
            bucket.units < most
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_turns_and_they_come_back_one_by_one() {
        let mut buckets = Buckets::default();
        let mut take = |who: &'static str, at| buckets.take(&who, 30, Timestamp(at));
        for _ in 0..30 {
            assert_eq!(take("a", 0), Ok(()));
        }
        for (who, at, want) in [
            ("a", 0, Err(2)),
            ("a", 1_000, Err(1)),
            ("b", 1_000, Ok(())),
            ("a", 2_000, Ok(())),
            ("a", 2_001, Err(2)),
            // The clock went back: nothing is given for it, and nothing is lost.
            ("a", 0, Err(2)),
            ("a", 2_000, Ok(())),
        ] {
            assert_eq!(take(who, at), want, "{who} {at}");
        }
        for _ in 0..30 {
            assert_eq!(take("a", 10_000_000), Ok(()), "it is full again, and no fuller");
        }
        assert_eq!(take("a", 10_000_000), Err(2));
    }

    #[test]
    fn who_only_looks_takes_nothing() {
        let mut buckets = Buckets::default();
        for _ in 0..3 {
            assert_eq!(buckets.look(&"a", 1, Timestamp(0)), Ok(()));
        }
        assert_eq!(buckets.take(&"a", 1, Timestamp(0)), Ok(()));
        assert_eq!(buckets.look(&"a", 1, Timestamp(0)), Err(60));
        assert_eq!(buckets.look(&"a", 1, Timestamp(60_000)), Ok(()));
    }

    #[test]
    fn who_is_beyond_the_bound_shares_with_the_others() {
        let mut buckets = Buckets::default();
        for who in 0..KNOWN_MAX {
            assert_eq!(buckets.take(&who, 1, Timestamp(0)), Ok(()));
        }
        assert_eq!(buckets.take(&KNOWN_MAX, 1, Timestamp(0)), Ok(()), "the first of the others");
        assert_eq!(buckets.take(&(KNOWN_MAX + 1), 1, Timestamp(0)), Err(60), "they share");
        assert_eq!(
            buckets.take(&(KNOWN_MAX + 1), 1, Timestamp(60_000)),
            Ok(()),
            "the idle are forgotten"
        );
        assert_eq!(buckets.known.len(), 1);
    }
}
