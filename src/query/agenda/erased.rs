//! What an erased event still changes: its type and its stream are known.

use super::{Agenda, Open, Unsent, pseudonym};
use crate::domain::event::Recorded;
use crate::domain::id::{ExecutionId, MessageId};

impl Agenda {
    /// An erased event still begins and ends what its type does: what it began is then ended by whoever takes it up.
    pub(super) fn apply_unreadable(&mut self, recorded: &Recorded) {
        let (stream, position) = (&recorded.id.stream, recorded.position);
        match recorded.kind.as_str() {
            "trigger_recorded" => {
                let lane = format!("room {}", pseudonym(recorded.room.as_ref()));
                self.waits_for_decision(stream, lane, position);
            }
            "message_queued" => {
                let message = MessageId(stream.id().to_owned());
                let lane = format!("out {}", pseudonym(recorded.room.as_ref()));
                self.waits_to_be_sent(lane, position, Unsent { message, edits: None });
            }
            "execution_started" => {
                let id = ExecutionId(stream.id().to_owned());
                self.open.insert(id.clone(), Open { at: position, ..Open::default() });
                self.ready.insert(id);
            }
            "trigger_routed" => self.decided(&recorded.id.stream),
            "message_sent" | "message_superseded" | "message_failed" => {
                self.sent(&recorded.id.stream, None);
            }
            "execution_finished" => {
                self.close(&ExecutionId(recorded.id.stream.id().to_owned()));
            }
            _ if stream.category() == "execution" => {
                let id = ExecutionId(stream.id().to_owned());
                if self.open.contains_key(&id) {
                    self.ready.insert(id);
                }
            }
            _ => {}
        }
    }
}
