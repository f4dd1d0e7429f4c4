//! The thread that brings the event store up with the journal, behind every append, and syncs it now and then.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::segment::GROUP_EVENTS_MAX;
use super::shared::Shared;
use super::trees::{Applied, TreesError};
use super::{locked, record::Entry};

/// The applier.
pub(crate) struct Applier {
    pub(crate) shared: Arc<Shared>,
    pub(crate) applied: Applied,
    pub(crate) synced: Instant,
    pub(crate) dirty: bool,
}

impl Applier {
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
        while let Some(entries) = self.wait() {
            if !entries.is_empty() {
                self.apply(&entries)?;
            }
            if self.dirty && self.synced.elapsed() >= self.shared.options.sync_every {
                self.shared.trees.sync()?;
                self.dirty = false;
                self.synced = Instant::now();
            }
        }
        Ok(())
    }

    /// The oldest events that wait, or none when it is time to sync; nothing at all at the end.
    fn wait(&self) -> Option<Vec<Entry>> {
        let mut progress = locked(&self.shared.progress);
        while progress.waiting.0 == 0 {
            if progress.written {
                return None;
            }
            let due = self.shared.options.sync_every.saturating_sub(self.synced.elapsed());
            if self.dirty && due.is_zero() {
                return Some(Vec::new());
            }
            let changed = &self.shared.changed;
            progress = match self.dirty {
                true => changed
                    .wait_timeout(progress, due)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(progress, _)| progress),
                false => changed.wait(progress).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let few = progress.waiting.0 < self.few() && !progress.written;
        drop(progress);
        if few {
            // Not woken by what comes meanwhile, for that is what is waited for.
            std::thread::sleep(self.shared.options.gather_for);
        }
        Some(self.shared.tail().oldest(GROUP_EVENTS_MAX))
    }

    /// Fewer than this are worth waiting for more, if the writer has room meanwhile.
    fn few(&self) -> usize {
        GROUP_EVENTS_MAX.min(self.shared.options.tail_events_max / 2)
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), TreesError> {
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
