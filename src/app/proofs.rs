//! What the command line asks about the signed history: the head, the proof of an event, a comparison with heads from outside.

use std::sync::Arc;

use serde_json::json;

use super::desk::Desk;
use crate::processor;
use crate::processor::tree_head::{self, Standing};
use crate::query::command::{self, Refusal, Sink, telling};
use crate::query::proof::{gather, report_against};
use crate::store::EventStore;
use crate::store::history::{Claim, Outside};
use crate::store::proof::Key;

impl Desk {
    /// The head of the log as it is.
    pub(super) fn head(&self, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let Standing { position, head } = self.standing(sink)?;
        let row = json!({
            "size": head.size, "root": head.root, "note": head.note, "key": head.key,
            "position": position,
        });
        Ok(sink.row(row)?)
    }

    /// The head of the log as it is, made if there is none.
    fn standing(&self, sink: &mut dyn Sink) -> Result<Standing, Refusal> {
        let store: Arc<dyn EventStore> = self.store.clone();
        let (room, now) = ((self.audit_room)(), self.clock.now());
        // A reader that is gone does not keep a head from being made.
        let mut told = |done, total| {
            let _ = sink.progress("events hashed", done, total);
        };
        let made = tree_head::record(&store, room.as_ref(), now, &self.runtime, &mut told);
        let made = made.map_err(|error| match error {
            processor::Error::Read(error) => error.into(),
            processor::Error::Append(error) => Refusal::Unreadable(error.to_string()),
        })?;
        made.ok_or_else(|| Refusal::NotFound("this log keeps no heads".into()))
    }

    /// The proof of an event, under the last head, or one that is made for it.
    pub(super) fn prove(
        &self,
        event: &str,
        with_payload: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let found = command::find(&self.store, event)?;
        let missing = || {
            let what = format!("there is no event `{event}`: write a position or `stream/version`");
            Refusal::NotFound(what)
        };
        let position = found.ok_or_else(missing)?.position;
        let (last, _) = tree_head::last(self.store.as_ref())?;
        let standing = match last.filter(|last| last.head.size > position.0) {
            Some(last) => last,
            None => self.standing(sink)?,
        };
        if standing.head.size <= position.0 {
            let what = format!("event {position} is about the newest head: the next one signs it");
            return Err(Refusal::NotFound(what));
        }
        let mut told = |done, total| {
            let _ = sink.progress("events hashed", done, total);
        };
        let proof = self.store.prove(position, &standing.head, with_payload, &mut told)?;
        Ok(sink.row(serde_json::to_value(proof).unwrap_or_default())?)
    }

    /// Checks the log, and compares it with heads from outside.
    pub(super) fn compare(
        &self,
        claims: &[Claim],
        room: Option<&str>,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let mut outside = Outside { claims: claims.to_vec(), ..Outside::default() };
        if let Some(room) = room {
            let Some(matrix) = &self.matrix else {
                return Err(Refusal::Invalid("there is no connection to read a room with".into()));
            };
            let key = Key::parse(&self.store.verifier_key());
            let key = key.map_err(|error| Refusal::Unreadable(error.to_string()))?;
            let read = self.runtime.block_on(matrix.own_posts(room));
            gather(&mut outside, &key, &read.map_err(Refusal::NotFound)?, room)?;
        }
        let verified = self.store.verify_against(&outside.claims, &mut telling(sink));
        let verified = verified.map_err(|error| Refusal::Damaged(error.to_string()))?;
        Ok(sink.row(report_against(&verified, &outside))?)
    }
}
