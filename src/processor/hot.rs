//! Scripts that wait on their threads, and how they go on with what the log has got since.
//!
//! Invariant: a script goes on there only if the log has exactly what the thread knows, and results of what it waits for.
//! In every other case its thread is forgotten, and the journal is replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::execution::Execution;
use crate::domain::id::ExecutionId;
use crate::script::hot::{HOT_MAX, Parking, Wake, parking};
use crate::script::journal::{Done, Noted};
use crate::script::run::{End, Slice};

/// The scripts that wait on their threads.
pub(super) struct HotRuns {
    runs: Mutex<BTreeMap<ExecutionId, HotRun>>,
    places: Arc<Semaphore>,
}

impl Default for HotRuns {
    fn default() -> Self {
        Self { runs: Mutex::default(), places: Arc::new(Semaphore::new(HOT_MAX)) }
    }
}

impl HotRuns {
    /// A place for one more script to wait in, if there is one.
    pub fn place(
        &self,
        wait: std::time::Duration,
    ) -> Option<(HotRun, Parking, OwnedSemaphorePermit)> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        // A script hands over its next slice only when it was woken after the last.
        let (give, slices) = channel(1);
        let (parking, wake) = parking(wait, move |slice| {
            // Whoever does not take it has forgotten the script.
            let _ = give.blocking_send(slice);
        });
        let run = HotRun { slices, wake, open: BTreeSet::new(), steps: 0, yielded: false };
        Some((run, parking, permit))
    }

    /// Takes out a script that waits.
    pub fn take(&self, id: &ExecutionId) -> Option<HotRun> {
        self.all().remove(id)
    }

    /// A script waits on.
    pub fn keep(&self, id: &ExecutionId, run: HotRun) {
        let mut all = self.all();
        all.retain(|_, run| !run.slices.is_closed());
        all.insert(id.clone(), run);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, HotRun>> {
        self.runs.lock().expect("nobody panics with them")
    }
}

/// A script that waits on its thread.
pub(super) struct HotRun {
    slices: Receiver<Slice>,
    wake: Sender<Wake>,
    /// What it waits for.
    open: BTreeSet<String>,
    /// How many effects it knows.
    steps: usize,
    /// Whether it goes on without anything having come.
    yielded: bool,
}

impl HotRun {
    /// It begins with what the log has.
    pub fn begin(&mut self, execution: &Execution) {
        let open = execution.steps.iter().filter(|(_, step)| step.result.is_none());
        self.open = open.map(|(path, _)| path.clone()).collect();
        self.steps = execution.steps.len();
    }

    /// What has come for it; none: the log has anything else than that, or nothing.
    pub fn news(&self, execution: &Execution) -> Option<Vec<(String, Done)>> {
        let same = execution.steps.len() == self.steps && execution.cancelled.is_none();
        if !same || execution.steps.values().any(|step| step.in_doubt) {
            return None;
        }
        let come = |path: &String| {
            let step = execution.steps.get(path)?;
            let result = step.result.clone()?;
            Some((path.clone(), Done { at: step.done_at.0, result }))
        };
        let news: Vec<(String, Done)> = self.open.iter().filter_map(come).collect();
        (self.yielded || !news.is_empty()).then_some(news)
    }

    /// Goes on; none: its thread has not waited so long.
    pub async fn go_on(&mut self, wake: Wake) -> Option<Slice> {
        self.open.retain(|path| !wake.results.iter().any(|(come, _)| come == path));
        self.wake.send(wake).ok()?;
        self.next().await
    }

    /// Its next slice; none: its thread has ended without one.
    pub async fn next(&mut self) -> Option<Slice> {
        let slice = self.slices.recv().await?;
        for entry in &slice.entries {
            match &entry.state {
                Noted::Done(_) => self.steps += 1,
                Noted::Waits { .. } => {
                    self.steps += 1;
                    self.open.insert(entry.path.clone());
                }
                Noted::Decided { cancelled, .. } => {
                    self.open.remove(&entry.path);
                    self.open.retain(|path| !cancelled.contains(path));
                }
            }
        }
        self.yielded = slice.end == End::Yielded;
        Some(slice)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_scripts_wait_on_their_threads_and_no_more() {
        let hot = HotRuns::default();
        let mut taken: Vec<_> = (0..HOT_MAX).map_while(|_| hot.place(Duration::ZERO)).collect();
        assert_eq!(taken.len(), HOT_MAX);
        assert!(hot.place(Duration::ZERO).is_none());
        taken.pop();
        assert!(hot.place(Duration::ZERO).is_some(), "there is room again");
    }

    #[test]
    fn what_has_ended_is_not_kept() {
        let hot = HotRuns::default();
        for nth in 0..10 {
            // The place to wait in is dropped at once: the thread has ended.
            let (run, _, _) = hot.place(Duration::ZERO).expect("there is room");
            hot.keep(&ExecutionId(format!("E{nth}")), run);
        }
        assert_eq!(hot.all().len(), 1);
    }
}
