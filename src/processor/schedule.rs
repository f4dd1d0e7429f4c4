//! Runs the processors side by side: one thing in a lane at a time, within bounds, until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Error, Kernel};
use crate::query::agenda::{Budget, Work};

/// How much is done at once: actions that take long and rooms that answer slowly hold up nobody else's decisions.
pub const AT_ONCE: Budget = Budget { steps: 16, effects: 64, sends: 32 };
/// How long the things under way may take when the bot stops; what is cut off is done again after the start.
pub const STOP_WITHIN: Duration = Duration::from_secs(6);
/// The longest sleep between two looks at the agenda.
pub(super) const LOOK_AT_LEAST: Duration = Duration::from_secs(30);

/// The lanes in which something is under way, and what.
type Taken = BTreeMap<String, Work>;

/// Works until `stop` turns true or the log fails.
///
/// # Errors
/// [`Error`] if the log fails: the process must end.
pub async fn run(kernel: Arc<Kernel>, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    let mut head = kernel.store.watch();
    // A script that was saved may have other schedules.
    let mut changes = kernel.scripts.changes();
    let mut taken: Taken = Taken::new();
    let mut running: JoinSet<(String, Result<(), Error>)> = JoinSet::new();
    loop {
        if *stop.borrow() {
            return wind_down(running).await;
        }
        head.borrow_and_update();
        kernel.catch_up()?;
        kernel.stop_unwanted();
        // Asked before the tasks are taken: what becomes due in between is then waited for no longer than it takes.
        let due = kernel.next_due();
        let budget = taken.values().fold(AT_ONCE, Budget::less);
        for task in kernel.tasks(&|lane| taken.contains_key(lane), budget) {
            taken.insert(task.lane.clone(), task.work.clone());
            let kernel = kernel.clone();
            running.spawn(async move {
                let result = kernel.perform(&task).await;
                (task.lane, result)
            });
        }
        let due = due.map_or(LOOK_AT_LEAST, |due| {
            let ms = due.0.saturating_sub(kernel.clock.now().0).max(1);
            Duration::from_millis(u64::try_from(ms).unwrap_or(1)).min(LOOK_AT_LEAST)
        });
        tokio::select! {
            _ = head.changed() => {}
            _ = changes.changed() => {}
            Some(done) = running.join_next() => finish(done, &mut taken)?,
            () = tokio::time::sleep(due) => {}
            _ = stop.changed() => {}
        }
    }
}

fn finish(
    done: Result<(String, Result<(), Error>), tokio::task::JoinError>,
    taken: &mut Taken,
) -> Result<(), Error> {
    match done {
        Ok((lane, result)) => {
            taken.remove(&lane);
            result
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Lets what is under way come to its end, for a while.
async fn wind_down(mut running: JoinSet<(String, Result<(), Error>)>) -> Result<(), Error> {
    let all = async {
        while let Some(done) = running.join_next().await {
            finish(done, &mut Taken::new())?;
        }
        Ok(())
    };
    tokio::time::timeout(STOP_WITHIN, all).await.unwrap_or(Ok(()))
}
