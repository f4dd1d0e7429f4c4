//! The executions that are at work, as they stand: each step of one reads only what is new in its stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, StreamName};
use crate::query::agenda::known;
use crate::query::executions;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Most executions that are kept.
pub const FOLDS_MAX: usize = 64;

/// The executions, with a number that grows each time one is looked at.
#[derive(Debug, Default)]
pub(super) struct Folds(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    all: BTreeMap<ExecutionId, (u64, Arc<Execution>)>,
    looks: u64,
}

impl Folds {
    /// An execution as it stands now; none: there is no such execution, or it is erased.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn now(
        &self,
        store: &dyn EventStore,
        id: &ExecutionId,
    ) -> Result<Option<Arc<Execution>>, ReadError> {
        // While it is looked at, nobody else has it: what is new is then added in place.
        let execution = match self.take(id) {
            Some(kept) => go_on(store, kept)?,
            None => executions::load(store, id)?.map(Arc::new),
        };
        if let Some(execution) = execution.as_ref().filter(|execution| execution.ending.is_none()) {
            self.keep(id, execution.clone());
        }
        Ok(execution)
    }

    fn take(&self, id: &ExecutionId) -> Option<Arc<Execution>> {
        let mut kept = self.0.lock().expect("nobody panics with them");
        kept.all.remove(id).map(|(_, execution)| execution)
    }

    fn keep(&self, id: &ExecutionId, execution: Arc<Execution>) {
        let mut kept = self.0.lock().expect("nobody panics with them");
        kept.looks += 1;
        let look = kept.looks;
        kept.all.insert(id.clone(), (look, execution));
        if kept.all.len() > FOLDS_MAX {
            let oldest = kept.all.iter().min_by_key(|(_, (look, _))| *look);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                kept.all.remove(&oldest);
            }
        }
    }
}

/// Adds what its stream has got since.
fn go_on(
    store: &dyn EventStore,
    mut execution: Arc<Execution>,
) -> Result<Option<Arc<Execution>>, ReadError> {
    let stream = StreamName::execution(&execution.id);
    loop {
        let from = execution.version.next();
        let page = store.read(&stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        for recorded in &page {
            known(recorded)?;
            if Arc::make_mut(&mut execution).go_on(recorded).is_none() {
                return Ok(None);
            }
        }
        if page.len() < READ_EVENTS_MAX {
            return Ok(Some(execution));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, decode};
    use crate::domain::id::Timestamp;

    #[test]
    fn as_many_as_fit_are_kept_the_last_looked_at() {
        let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
        let list: Vec<serde_json::Value> = serde_json::from_str(fixture).expect("JSON");
        let started = decode("execution_started", 1, list[0].clone()).expect("an event");
        let Event::ExecutionStarted(started) = started else { panic!("it begins") };
        let folds = Folds::default();
        let id = |nth: usize| ExecutionId(format!("E{nth}"));
        for nth in 0..FOLDS_MAX + 5 {
            let execution = Execution::begin(id(nth), started.clone(), Timestamp(0));
            folds.keep(&id(nth), Arc::new(execution));
        }
        assert_eq!(folds.0.lock().unwrap().all.len(), FOLDS_MAX);
        assert!(folds.take(&id(4)).is_none() && folds.take(&id(5)).is_some());
    }
}
