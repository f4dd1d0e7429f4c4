//! What a person sees of a command that takes its time: that it was heard, and at the end that it is done.

use super::Sheet;
use crate::domain::ack::{DONE, FAILED, WAITS, WORKS, speaks};
use crate::domain::event::MessageQueued;
use crate::domain::http::METHODS;
use crate::domain::message::Doc;
use crate::domain::words::executions as words;
use crate::script::journal::{Entry, Noted};
use crate::script::run::{End, Slice};
use crate::script::source::Ack;
use crate::store::ReadError;

/// The path of what tells that a command was heard.
pub(in crate::processor) const HEARD: &str = "ack";
/// The path of what tells that it is over.
const OVER: &str = "ack-over";

impl Sheet<'_> {
    /// Tells the asker that it takes a while, unless the script has said something itself.
    pub(in crate::processor) fn acknowledge(&mut self, slice: &Slice, ack: &Ack) {
        let waits = |op: &str| {
            let waits = |it: &&Entry| matches!(it.state, Noted::Waits { .. }) && it.op == op;
            slice.entries.iter().any(|entry| waits(&entry))
        };
        let works = waits("exec") || METHODS.iter().any(|(op, _, _)| waits(op));
        if slice.end != End::Suspended || !(works || waits("sleep")) || self.said {
            return;
        }
        let started = &self.execution.started;
        let short = self.execution.id.short();
        let doc = match ack {
            Ack::Silent => return,
            Ack::Reactions if self.kernel.caps(&started.place).reactions => {
                Doc::of_reaction(if works { WORKS } else { WAITS })
            }
            Ack::Usual | Ack::Reactions => Doc::text(&words::on_it(&started.requester.name, short)),
            Ack::Text(text) => Doc::text(&words::on_it_in(text, short)),
        };
        self.on_command(HEARD, doc);
    }

    /// Tells that a command is over that was told to take a while: done, if nothing was said since; or failed.
    pub(in crate::processor) fn tell_end(
        &mut self,
        slice: &Slice,
        ack: &Ack,
    ) -> Result<(), ReadError> {
        let place = &self.execution.started.place;
        let shown = *ack == Ack::Reactions && self.kernel.caps(place).reactions;
        if !shown || self.kernel.queued(&self.message_id(HEARD))?.is_none() {
            return Ok(());
        }
        let spoke = self.execution.steps.values().any(|step| speaks(&step.op));
        match &slice.end {
            End::Returned(_) if !(spoke || self.said) => {
                self.on_command(OVER, Doc::of_reaction(DONE));
            }
            // A doubt is asked about, and is no end.
            End::Failed(failure) if failure.kind != "in_doubt" => {
                self.on_command(OVER, Doc::of_reaction(FAILED));
            }
            _ => {}
        }
        Ok(())
    }

    /// Says something to the command itself.
    fn on_command(&mut self, path: &str, doc: Doc) {
        let started = &self.execution.started;
        let message = MessageQueued {
            message: self.message_id(path),
            place: started.place.clone(),
            reply_to: Some(started.post.clone()),
            edits: None,
            doc,
            attachment: None,
            notify: vec![],
            execution: Some(self.execution.id.clone()),
            question: None,
        };
        self.queue(message);
    }
}
