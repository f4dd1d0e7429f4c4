//! Built-in handlers at work: what `domain` decides is written down as the steps of an execution.

use super::sheet::{Prepared, Sheet};
use super::{Error, Kernel};
use crate::domain::builtin::Builtin;
use crate::domain::event::{
    EffectClass, EffectRecorded, EffectRequested, EffectResult, ExecutionSuspended, MessageQueued,
};
use crate::domain::execution::Execution;
use crate::domain::message::Doc;
use serde_json::Value;

mod audit;
mod catch_up;
mod clarify;
mod deletion;
mod grant;
mod rooms;
mod save;
mod silence;
mod unreadable;
mod why;

impl Kernel {
    /// Runs the next slice of a built-in handler.
    pub(super) async fn built_in(
        &self,
        builtin: Builtin,
        execution: &Execution,
    ) -> Result<Prepared, Error> {
        match builtin {
            Builtin::CatchUp => self.catch_up_slice(execution).await,
            Builtin::Unreadable => self.unreadable_slice(execution),
            Builtin::Rooms | Builtin::Join | Builtin::Leave => {
                self.room_command_slice(builtin, execution)
            }
            Builtin::Clarify => self.clarify_slice(execution).await,
            Builtin::Audit | Builtin::Find | Builtin::Why | Builtin::WhatDid => {
                self.audit_slice(builtin, execution)
            }
            Builtin::Grant | Builtin::Revoke => {
                self.learn(&execution.started.requester, &execution.started.place).await?;
                self.grant_slice(builtin, execution)
            }
            Builtin::Save => self.save_slice(execution),
            Builtin::Silence => self.silence_slice(execution),
            Builtin::Deletion => self.deletion_slice(execution),
        }
    }
}

/// A step that is done as soon as it is written down.
fn noted(path: String, op: &str, args: Value, result: Value) -> EffectRecorded {
    EffectRecorded { path, op: op.to_owned(), args, line: 0, result: EffectResult::Ok(result) }
}

/// Asks for a step that is done outside, and waits for what comes of it.
fn wait_for(sheet: &mut Sheet, path: &str, op: &str, args: Value, class: EffectClass) {
    let (path, op) = (path.to_owned(), op.to_owned());
    let asked = EffectRequested { path, op, args, line: 0, class, due: None, decision: None };
    sheet.event(asked);
    sheet.event(ExecutionSuspended {});
}

/// Answers whoever caused the execution.
fn answer(sheet: &mut Sheet, execution: &Execution, path: &str, text: &str) {
    answer_doc(sheet, execution, path, Doc::text(text));
}

/// Answers with more than plain text.
fn answer_doc(sheet: &mut Sheet, execution: &Execution, path: &str, doc: Doc) {
    let started = &execution.started;
    let message = sheet.message_id(path);
    sheet.queue(MessageQueued {
        message,
        place: started.place.clone(),
        reply_to: Some(started.post.clone()),
        edits: None,
        doc,
        attachment: None,
        notify: vec![started.requester.id.clone()],
        execution: Some(execution.id.clone()),
        question: None,
    });
}
