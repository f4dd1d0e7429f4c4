//! The thread that brings the event store up with the journal, behind every append, and syncs it now and then.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::locked;
use super::open::Options;
use super::record::Entry;
use super::segment::GROUP_EVENTS_MAX;
use super::shared::{Progress, Shared};
use super::trees::{APPLY_EVENTS_MAX, Applied, TreesError};

/// How often in a row events are left to gather while more and more come: a burst has the processors for itself, for as
/// long as it takes a second and there is room in memory.
const GATHER_ROUNDS_MAX: usize = 20;

/// The applier.
pub(crate) struct Applier {
    shared: Arc<Shared>,
    applied: Applied,
    synced: Instant,
    dirty: bool,
}

impl Applier {
    /// Goes on from what is applied.
    pub(crate) fn new(shared: Arc<Shared>, applied: Applied) -> Self {
        Self { shared, applied, synced: Instant::now(), dirty: false }
    }

    /// Works until the writer has ended and everything is applied and synced.
    pub(crate) fn run(mut self) {
        let mut done = self.work();
        if done.is_ok() && self.dirty {
            done = self.shared.trees.sync();
        }
        if let Err(error) = done {
            let _ = self.shared.damaged(error);
        }
    }

    fn work(&mut self) -> Result<(), TreesError> {
        while self.wait() {
            self.gather();
            let until = self.shared.next();
            while self.applied.next < until {
                let entries = self.shared.tail().oldest(APPLY_EVENTS_MAX);
                self.apply(&entries)?;
                self.sync_if_due()?;
            }
            self.sync_if_due()?;
        }
        Ok(())
    }

    /// Returns when events wait or it is time to sync; false at the end.
    fn wait(&self) -> bool {
        let mut progress = locked(&self.shared.progress);
        while progress.waiting.0 == 0 {
            if progress.written {
                return false;
            }
            let due = self.shared.options.sync_every.saturating_sub(self.synced.elapsed());
            if self.dirty && due.is_zero() {
                return true;
            }
            let changed = &self.shared.changed;
            progress = match self.dirty {
                true => changed
                    .wait_timeout(progress, due)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(progress, _)| progress),
                false => changed.wait(progress).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    /// Lets events gather: a transaction costs as much for many as for one. It is not woken by what comes meanwhile, for
    /// that is what is waited for; and it does not wait when the writer may soon have no room.
    fn gather(&self) {
        let options = &self.shared.options;
        let mut more = usize::MAX;
        for round in 0.. {
            let Progress { waiting, written } = *locked(&self.shared.progress);
            if written || !worth_waiting(round, waiting, more, options) {
                return;
            }
            std::thread::sleep(options.gather_for);
            more = locked(&self.shared.progress).waiting.0 - waiting.0;
        }
    }

    fn sync_if_due(&mut self) -> Result<(), TreesError> {
        if self.dirty && self.synced.elapsed() >= self.shared.options.sync_every {
            self.shared.trees.sync()?;
            self.dirty = false;
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn apply(&mut self, entries: &[Arc<Entry>]) -> Result<(), TreesError> {
        let mut applied = self.applied.clone();
        entries.iter().for_each(|entry| applied.over(entry));
        self.shared.trees.apply(entries, &applied)?;
        (self.applied, self.dirty) = (applied, true);
        let mut progress = locked(&self.shared.progress);
        let mut tail = self.shared.tail_mut();
        tail.forget(entries.len());
        progress.waiting = tail.size();
        drop((tail, progress));
        self.shared.changed.notify_all();
        Ok(())
    }
}

/// Whether to let events gather for another round; so many wait, and so many `more` came in the round before.
fn worth_waiting(
    round: usize,
    (events, bytes): (usize, usize),
    more: usize,
    options: &Options,
) -> bool {
    let room = events + GROUP_EVENTS_MAX <= options.tail_events_max / 4 * 3
        && bytes <= options.tail_bytes_max / 4 * 3;
    events > 0 && room && more >= APPLY_EVENTS_MAX && round < GATHER_ROUNDS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_left_alone_while_there_is_room_and_not_for_ever() {
        let options = Options::default();
        let (most, bytes) = (options.tail_events_max / 4 * 3, options.tail_bytes_max / 4 * 3);
        let (first, last) = (usize::MAX, GATHER_ROUNDS_MAX - 1);
        for (what, round, waiting, more, want) in [
            ("one event", 0, (1, 900), first, true),
            ("nothing", 0, (0, 0), first, false),
            ("no burst", 1, (9, 900), APPLY_EVENTS_MAX - 1, false),
            ("a burst", 1, (900, 900), APPLY_EVENTS_MAX, true),
            ("as full as may be", 1, (most - GROUP_EVENTS_MAX, bytes), 999, true),
            ("fuller", 1, (most - GROUP_EVENTS_MAX + 1, bytes), 999, false),
            ("of large ones", 1, (9, bytes + 1), 999, false),
            ("long", last, (900, 900), 999, true),
            ("too long", GATHER_ROUNDS_MAX, (900, 900), 999, false),
        ] {
            assert_eq!(worth_waiting(round, waiting, more, &options), want, "{what}");
        }
    }
}
