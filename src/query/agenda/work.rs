//! What can be done now: one thing for each lane that is free, within a budget, and when something becomes due.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agenda, EDIT_INTERVAL_MS, Stage, Unsent};
use crate::domain::id::{ExecutionId, MessageId, Position, StreamName, Timestamp};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Decide on a trigger.
    Dispatch(StreamName),
    /// Run the next slice.
    Slice(ExecutionId),
    /// Do an effect for the first time.
    Effect(ExecutionId, String),
    /// An effect was started by a bot that died: repeat it, or say that it is in doubt.
    Orphan(ExecutionId, String),
    /// An effect cannot run yet: another execution holds its lock.
    Delay(ExecutionId, String, ExecutionId),
    /// A time has come.
    Timer(ExecutionId, String, Timestamp),
    /// The time has come to look at a stream.
    Wake(StreamName),
    /// What an execution called has ended: the caller, where it waits, and what it called.
    Return(ExecutionId, String, ExecutionId),
    /// Send a message.
    Send(MessageId),
    /// A schedule's time has come.
    Occur(String),
    /// An edit need not be sent: a later one replaces it.
    Supersede(MessageId, MessageId),
}

/// How many more things of each kind may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Decisions and slices.
    pub steps: usize,
    /// Effects outside.
    pub effects: usize,
    /// Messages.
    pub sends: usize,
}

impl Budget {
    /// What is left when this has been taken as well.
    pub fn less(mut self, work: &Work) -> Self {
        let left = match work {
            Work::Dispatch(_)
            | Work::Slice(_)
            | Work::Timer(..)
            | Work::Occur(_)
            | Work::Wake(_)
            | Work::Delay(..)
            | Work::Return(..) => &mut self.steps,
            Work::Effect(..) | Work::Orphan(..) => &mut self.effects,
            Work::Send(_) | Work::Supersede(..) => &mut self.sends,
        };
        *left = left.saturating_sub(1);
        self
    }
}

/// Work and the lane in which only one thing happens at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The lane.
    pub lane: String,
    /// What to do.
    pub work: Work,
}

impl Agenda {
    /// What can be done now, one thing for each lane that is not taken, within a budget; what is to be said comes first.
    pub fn tasks(&self, now: Timestamp, taken: &dyn Fn(&str) -> bool, budget: Budget) -> Vec<Task> {
        let task = |lane: String, work: Work| Task { lane, work };
        let decide = self.undecided.iter().filter_map(|(lane, queue)| {
            let (_, stream) = queue.first_key_value()?;
            Some(task(lane.clone(), Work::Dispatch(stream.clone())))
        });
        let slices =
            self.ready.iter().map(|id| task(format!("slice {id}"), Work::Slice(id.clone())));
        let effects = self.effects.iter().filter_map(|(id, path)| {
            let work = match self.open.get(id)?.effects.get(path)? {
                Stage::Again(at) if *at > now => return None,
                Stage::Requested | Stage::Again(_) => match self.locks.before(id, path) {
                    None => Work::Effect(id.clone(), path.clone()),
                    Some(_) => return None,
                },
                Stage::Started | Stage::Stopping => Work::Orphan(id.clone(), path.clone()),
                Stage::InDoubt => return None,
            };
            Some(task(format!("effect {id} {path}"), work))
        });
        let delays = self.locks.untold().map(|(id, path, behind)| {
            let work = Work::Delay(id.clone(), path.to_owned(), behind.clone());
            task(format!("delay {id} {path}"), work)
        });
        let due =
            self.timers.iter().take_while(|(due, _, _)| *due <= now).map(|(due, id, path)| {
                let lane = format!("due {id} {path}");
                task(lane, Work::Timer(id.clone(), path.clone(), *due))
            });
        let wakes = self.wakes.due(now).map(|stream| {
            let lane = format!("wake {stream}");
            task(lane, Work::Wake(stream.clone()))
        });
        let sends = self
            .unsent
            .iter()
            .filter_map(|(lane, queue)| Some(task(lane.clone(), self.next_send(queue, now)?)));
        let returns = self.compose.returns().map(|(caller, path, called)| {
            let work = Work::Return(caller.clone(), path.clone(), called.clone());
            task(format!("slice {caller}"), work)
        });
        let free = |task: &Task| !taken(&task.lane);
        // What answers a caller and its own slice share a lane.
        let mut lanes = BTreeSet::new();
        let steps = returns
            .chain(decide)
            .chain(slices)
            .chain(due)
            .chain(wakes)
            .chain(delays)
            .filter(free)
            .filter(move |task| lanes.insert(task.lane.clone()))
            .take(budget.steps);
        let effects = effects.filter(free).take(budget.effects);
        sends.filter(free).take(budget.sends).chain(steps).chain(effects).collect()
    }

    /// The first message of a room that may go out now.
    fn next_send(&self, queue: &BTreeMap<Position, Unsent>, now: Timestamp) -> Option<Work> {
        queue.iter().find_map(|(position, unsent)| {
            let Some(target) = &unsent.edits else {
                return Some(Work::Send(unsent.message.clone()));
            };
            let mut later = queue.range(position.next()..).map(|(_, unsent)| unsent);
            if let Some(newer) = later.rfind(|unsent| unsent.edits.as_ref() == Some(target)) {
                return Some(Work::Supersede(unsent.message.clone(), newer.message.clone()));
            }
            // What is said after a change is not heard before it.
            let mut behind = queue.range(position.next()..).map(|(_, unsent)| unsent);
            let pressed = behind.any(|unsent| unsent.edits.is_none());
            let free = pressed || self.edit_free_at(target) <= now;
            free.then(|| Work::Send(unsent.message.clone()))
        })
    }

    /// Whether an execution goes on without anything coming from outside: it has something to do, or a time to wait for.
    pub fn goes_on(&self, id: &ExecutionId) -> bool {
        let Some(open) = self.open.get(id) else { return false };
        let free = |(path, stage): (&String, &Stage)| {
            *stage != Stage::InDoubt && self.locks.before(id, path).is_none()
        };
        self.ready.contains(id) || !open.timers.is_empty() || open.effects.iter().any(free)
    }

    fn edit_free_at(&self, target: &MessageId) -> Timestamp {
        self.edited.get(target).map_or(Timestamp(i64::MIN), |last| last.plus_ms(EDIT_INTERVAL_MS))
    }

    /// Where the oldest message of a lane that waits to be sent stands in the log.
    pub fn oldest_in(&self, lane: &str) -> Option<Position> {
        self.unsent.get(lane)?.first_key_value().map(|(position, _)| *position)
    }

    /// When something becomes due by itself.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let timer = self.timers.iter().map(|(due, _, _)| *due).find(|due| *due > now);
        let edits = self.edited.values().map(|last| last.plus_ms(EDIT_INTERVAL_MS));
        let again = self.effects.iter().filter_map(|(id, path)| {
            match self.open.get(id)?.effects.get(path)? {
                Stage::Again(at) => Some(*at),
                _ => None,
            }
        });
        let free = edits.chain(again).filter(|free| *free > now);
        timer.into_iter().chain(self.wakes.next(now)).chain(free).min()
    }
}
