//! How much is open, for measurements and for the doctor.

use super::{Agenda, Open};
use crate::domain::id::Position;

impl Agenda {
    /// How many executions wait for people or for a time.
    pub fn waiting_executions(&self) -> usize {
        let waits = |open: &&Open| !(open.questions.is_empty() && open.timers.is_empty());
        self.open.values().filter(waits).count()
    }

    /// How many executions are open.
    pub fn open_executions(&self) -> usize {
        self.open.len()
    }

    /// How many messages wait to be sent.
    pub fn unsent(&self) -> usize {
        self.queued.len()
    }

    /// Where the oldest message that waits to be sent stands in the log.
    pub fn oldest_unsent(&self) -> Option<Position> {
        self.queued.values().map(|(_, position)| *position).min()
    }
}
