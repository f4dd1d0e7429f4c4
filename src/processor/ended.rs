//! Votes that come after the end: what became of the approval that they were meant for.

use super::Kernel;
use super::dispatch::Did;
use crate::domain::event::Event;
use crate::domain::execution::Step;
use crate::domain::id::Position;
use crate::store::{By, Direction, ReadError};

/// So long after its end a vote is taken to be meant for an approval.
pub const ENDED_MS_MAX: i64 = 5 * 60 * 1000;
/// Most events of a room that are looked at for it: the newest.
pub const ENDED_LOOKED_AT_MAX: usize = 64;

impl Kernel {
    /// What became of the approval that ended last in the room of a bare vote, if that was just before a position.
    pub(super) fn just_ended(
        &self,
        did: &Did<'_>,
        before: Position,
    ) -> Result<Option<String>, ReadError> {
        let Some(message) = did.bare_vote() else { return Ok(None) };
        let room = &message.place.room;
        let Some(pseudonym) = self.pseudonym_of(room) else { return Ok(None) };
        let since = self.clock.now().plus_ms(-ENDED_MS_MAX);
        let latest = self.store.positions(
            &By::Room(pseudonym),
            before,
            Direction::Backward,
            ENDED_LOOKED_AT_MAX,
        )?;
        for event in self.store.read_at(&latest)? {
            if event.wall < since {
                return Ok(None);
            }
            let Some(Event::MessageQueued(queued)) = event.event() else { continue };
            let (Some(of), Some(id)) = (&queued.edits, &queued.execution) else { continue };
            if queued.place.room != *room || queued.place.thread != message.place.thread {
                continue;
            }
            let Some(execution) = self.execution(id)? else { continue };
            let asked = |step: &&Step| {
                step.approval.is_some()
                    && step.question.as_ref().is_some_and(|it| it.message == *of)
            };
            if execution.steps.values().find(asked).is_some_and(|step| !step.asks()) {
                return Ok(Some(queued.doc.words()));
            }
        }
        Ok(None)
    }
}
