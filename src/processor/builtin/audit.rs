//! `!audit`, `!find`, `!why` and `!what did` at work: the log is searched, what was found is recorded as positions, and who asked is told.

use std::time::Instant;

use serde_json::json;

use super::why::Asked;
use super::{answer_doc, wait_for};
use crate::domain::audit_command::{self, Next, SEARCH};
use crate::domain::builtin::Builtin;
use crate::domain::event::{EffectResult, Ending, ExecutionSuspended};
use crate::domain::execution::{Execution, Step};
use crate::domain::message::Doc;
use crate::processor::action::ActionDone;
use crate::processor::sheet::{Prepared, Sheet};
use crate::processor::{Error, Kernel};
use crate::query::command::Refusal;
use crate::query::when::Here;
use crate::store::ReadError;

/// The path of the message that tells of it.
const TOLD: &str = "told";

impl Kernel {
    /// Asks for the search, or tells what came of it.
    pub(super) fn audit_slice(
        &self,
        builtin: Builtin,
        execution: &Execution,
    ) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        match audit_command::next(builtin, execution) {
            Next::Search { op, args, class } => {
                wait_for(&mut sheet, SEARCH, op, args, class);
            }
            Next::Wait => sheet.event(ExecutionSuspended {}),
            Next::Tell(found) => {
                let doc = self.looked_up(builtin, execution, &found, &self.here_at(execution))?;
                let told = found["positions"].as_array().map_or(0, Vec::len);
                answer_doc(&mut sheet, execution, TOLD, doc.bounded().stored());
                let more = found["more"].as_u64().unwrap_or(0);
                sheet.finished(Ending::Succeeded(json!({ "told": told, "more": more })));
            }
            Next::Sorry(why) => {
                answer_doc(&mut sheet, execution, TOLD, Doc::text(&why));
                sheet.finished(Ending::Succeeded(json!(why)));
            }
        }
        Ok(sheet.finish())
    }

    /// Searches the log for a step of such a command, in what stands before the command itself.
    pub(in crate::processor) async fn audit_effect(
        &self,
        builtin: Builtin,
        execution: &Execution,
        step: &Step,
    ) -> Result<ActionDone, Error> {
        let began = Instant::now();
        let before = self.asked_at(execution)?;
        let mut asked = Asked::of(execution, step, before, self.here_at(execution));
        asked.at = self.before_commands(&execution.started.place);
        let people = self.people()?;
        asked.accounts = people.accounts_for(&execution.started.requester);
        let started = &execution.started;
        asked.reads_audit = self.reads_audit(&started.requester, &started.place);
        let store = self.store.clone();
        // A search over a long log takes a while, and others want to be answered meanwhile.
        let search = tokio::task::spawn_blocking(move || asked.find(builtin, store.as_ref()));
        let found = search.await.map_err(|why| ReadError::Store(why.to_string()))?;
        let result = match found {
            Ok(found) => EffectResult::Ok(found),
            Err(Refusal::NotFound(why) | Refusal::Invalid(why)) => {
                EffectResult::Err(json!({ "kind": "failed", "message": why }))
            }
            Err(Refusal::Damaged(why) | Refusal::Unreadable(why)) => {
                return Err(ReadError::Store(why).into());
            }
            Err(Refusal::Gone) => {
                return Err(ReadError::Store("nobody waits any more".into()).into());
            }
        };
        Ok(ActionDone { result, whole: None, took: began.elapsed() })
    }

    /// The time at which somebody asked, where the bot is.
    fn here_at(&self, execution: &Execution) -> Here {
        Here { now: execution.began, zone: self.settings().zone.clone() }
    }
}
