//! One execution worked off while no bot runs: what somebody orders at the command line and waits for.
//!
//! Nothing else of the log is touched: what other executions do, and everything that is said, is left to the bot.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::order::decided;
use super::schedule::{AT_ONCE, LOOK_AT_LEAST};
use super::{Error, Kernel};
use crate::domain::event::Verdict;
use crate::domain::id::ExecutionId;
use crate::query::agenda::{Budget, Task, Work};

/// Messages wait for the bot: there is no connection.
const SAYS_NOTHING: Budget = Budget { sends: 0, ..AT_ONCE };

/// How far an execution has come by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// To its end.
    Ended,
    /// To where it waits for what only a running bot brings: an answer, a trigger, a lock that another execution has.
    Waits,
}

type Done = (String, Result<(), Error>, Option<ExecutionId>);

impl Kernel {
    /// Works an execution off, and the commands that it runs, as far as that goes without a bot.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn work_alone(self: Arc<Self>, id: ExecutionId) -> Result<Came, Error> {
        let mut ours = BTreeSet::from([id.clone()]);
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut running: JoinSet<Done> = JoinSet::new();
        loop {
            self.catch_up()?;
            self.stop_unwanted();
            let due = self.next_due();
            let busy = |lane: &str| taken.contains(lane) || !concerns(lane, &ours);
            for task in self.tasks(&busy, SAYS_NOTHING) {
                taken.insert(task.lane.clone());
                let kernel = self.clone();
                running.spawn(async move { kernel.one(task).await });
            }
            if running.is_empty() {
                if self.execution(&id)?.is_none_or(|execution| execution.ending.is_some()) {
                    return Ok(Came::Ended);
                }
                if !self.agenda(|agenda| ours.iter().any(|id| agenda.goes_on(id))) {
                    return Ok(Came::Waits);
                }
            }
            let wait = due.map_or(LOOK_AT_LEAST, |due| {
                let ms = due.0.saturating_sub(self.clock.now().0).max(1);
                Duration::from_millis(u64::try_from(ms).unwrap_or(1)).min(LOOK_AT_LEAST)
            });
            tokio::select! {
                Some(done) = running.join_next() => {
                    let done = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                    let (lane, result, begun) = done;
                    result?;
                    taken.remove(&lane);
                    ours.extend(begun);
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Does one thing; gives the execution that it has started.
    async fn one(self: Arc<Self>, task: Task) -> Done {
        let result = self.perform(&task).await;
        let begun = match &task.work {
            Work::Dispatch(trigger) => decided(self.store.as_ref(), trigger),
            _ => Ok(None),
        };
        match (result, begun) {
            (Err(error), _) => (task.lane, Err(error), None),
            (Ok(()), Err(error)) => (task.lane, Err(error.into()), None),
            (Ok(()), Ok(Some((Verdict::Started(id), _)))) => (task.lane, Ok(()), Some(id)),
            (Ok(()), Ok(_)) => (task.lane, Ok(()), None),
        }
    }
}

/// Whether a lane is one of these executions: its slices, effects and times, and what it calls.
fn concerns(lane: &str, ours: &BTreeSet<ExecutionId>) -> bool {
    const OF_EXECUTIONS: &[&str] = &["slice", "effect", "delay", "due", "timer", "call"];
    let mut words = lane.split(' ');
    let known = words.next().is_some_and(|word| OF_EXECUTIONS.contains(&word));
    known && words.next().is_some_and(|id| ours.contains(&ExecutionId(id.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_an_execution_is_done() {
        let ours = BTreeSet::from([ExecutionId("E1".into()), ExecutionId("E2".into())]);
        for (lane, want) in [
            ("slice E1", true),
            ("effect E2 0.b1.3", true),
            ("delay E1 0", true),
            ("due E1 3", true),
            ("timer E2", true),
            ("call E1", true),
            ("slice E3", false),
            ("room E1", false),
            ("events", false),
            ("E1", false),
        ] {
            assert_eq!(concerns(lane, &ours), want, "{lane}");
        }
    }
}
