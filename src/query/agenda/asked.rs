//! What is asked: the open questions of a room or of all rooms, and their phrases.

use super::Agenda;
use crate::domain::id::{ExecutionId, Pseudonym};

impl Agenda {
    /// The open questions of a room, the newest first.
    pub fn questions(&self, room: &Pseudonym, max: usize) -> Vec<(ExecutionId, String)> {
        let here = self.asked.get(room.as_str()).into_iter().flatten().rev();
        here.take(max).map(|(_, id, path)| (id.clone(), path.clone())).collect()
    }

    /// The open questions of all rooms, the newest first, and how many others there are.
    pub fn all_questions(&self, max: usize) -> (Vec<(ExecutionId, String)>, usize) {
        let mut all: Vec<_> = self.asked.values().flatten().collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        let more = all.len().saturating_sub(max);
        (all.into_iter().take(max).map(|(_, id, path)| (id.clone(), path.clone())).collect(), more)
    }

    /// Whether an open question has the phrase that this stands for.
    pub fn has_phrase(&self, tag: &str) -> bool {
        self.phrases.contains_key(tag)
    }

    /// Whether anyone anywhere is asked anything.
    pub fn asks(&self) -> bool {
        !self.asked.is_empty()
    }
}
