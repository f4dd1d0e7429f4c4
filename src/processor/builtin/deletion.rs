//! Deleted commands at work: what waits is cancelled, who asked for what runs is asked, and then all of it is erased.

use std::time::Instant;

use serde_json::{Value, json};

use super::noted;
use crate::domain::builtin::Builtin;
use crate::domain::deletion::{
    self, CANCELLED, Deletion, ENDED, ERASE, FOUND, Found, Next, STOP, UNDO_MS_MAX,
};
use crate::domain::event::{
    EffectClass, EffectRequested, EffectResult, Ending, ExecutionSuspended, MessageQueued,
    Recorded, Verdict, Wants,
};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{ExecutionId, Timestamp};
use crate::domain::message::Doc;
use crate::domain::words::edits as words;
use crate::processor::action::ActionDone;
use crate::processor::cancel::{Cancel, Cancelling};
use crate::processor::dispatch::{Origin, Routed};
use crate::processor::erasure::{Order, erase};
use crate::processor::sheet::{Asking, Prepared, Sheet};
use crate::processor::{Error, Kernel, meta_of};
use crate::query::erasure::Target;
use crate::store::ReadError;

impl Kernel {
    /// Looks after a command that was deleted while something of it was not over.
    pub(in crate::processor) async fn deleted(
        &self,
        recorded: &Recorded,
        deletion: &Deletion,
    ) -> Result<Routed, Error> {
        let origin = Origin {
            place: &deletion.place,
            speaker: &deletion.by,
            post: None,
            target: None,
            text: "",
        };
        let (handler, args) = (Builtin::Deletion.handler(), deletion::args(deletion));
        let id = self.execution_id(&recorded.id.stream, &handler);
        let writes = self.start(recorded, &origin, handler, args, None).await?;
        let reason = "a command was deleted that something still waits or runs for".to_owned();
        let routed = Routed::new(Verdict::Started(id), reason, writes);
        Ok(Routed { considered: "deletion".to_owned(), ..routed })
    }

    /// Does the next thing for a deletion.
    pub(super) fn deletion_slice(&self, execution: &Execution) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        let mut seen = execution.clone();
        // What needs nobody's answer follows at once: each step is taken as done for the next one.
        loop {
            match deletion::next(&seen) {
                Next::Look => {
                    let found = self.open_of(execution)?;
                    let result = json!(found);
                    note(&mut sheet, &mut seen, FOUND, json!({}), result);
                    // What is cancelled at once may undo what it did for a while only.
                    let at_once = found.iter().all(|it| it.runs.is_none());
                    let due = at_once.then(|| self.clock.now().plus_ms(UNDO_MS_MAX));
                    found.iter().for_each(|it| wait_for_end(&mut sheet, &mut seen, it, due));
                }
                Next::Ask(running) => {
                    self.ask_to_stop(&mut sheet, &mut seen, &running)?;
                }
                Next::Cancel(open) => {
                    note(
                        &mut sheet,
                        &mut seen,
                        CANCELLED,
                        json!({ "executions": open }),
                        Value::Null,
                    );
                    self.cancel_deleted(&mut sheet, execution, &open, false)?;
                }
                Next::Force(late) => {
                    self.cancel_deleted(&mut sheet, execution, &late, true)?;
                    for id in &late {
                        let path = deletion::forced_path(id);
                        note(&mut sheet, &mut seen, &path, json!({}), Value::Null);
                    }
                }
                Next::Erase => {
                    let shown = words::asked_no_more_over();
                    sheet.write(self.withdrawn_prompts(execution, &shown, &meta_of(execution)));
                    self.tell_over(&mut sheet, execution)?;
                    let class = EffectClass::Idempotent;
                    let asked = EffectRequested {
                        path: ERASE.to_owned(),
                        op: ERASE.to_owned(),
                        args: json!({}),
                        line: 0,
                        class,
                        due: None,
                        decision: None,
                    };
                    sheet.event(asked);
                    break sheet.event(ExecutionSuspended {});
                }
                Next::Wait => break sheet.event(ExecutionSuspended {}),
                Next::Finish => break sheet.finished(Ending::Succeeded(Value::Null)),
            }
        }
        Ok(sheet.finish())
    }

    /// What is not over of a deleted command.
    fn open_of(&self, execution: &Execution) -> Result<Vec<Found>, Error> {
        let (keys, _) = deletion::target(execution);
        let mut found = vec![];
        for id in self.open_executions_of(&keys)? {
            let Some(open) = self.execution(&id)? else { continue };
            let runs = open.steps.values().find(|step| step.wants_doing());
            let runs = runs.map(|step| step.action().unwrap_or_default().to_owned());
            found.push(Found { execution: id, runs });
        }
        Ok(found)
    }

    /// Asks whoever asked for it whether what runs is to be stopped.
    fn ask_to_stop(
        &self,
        sheet: &mut Sheet,
        seen: &mut Execution,
        running: &Found,
    ) -> Result<(), Error> {
        let by = &seen.started.requester;
        let open = self.execution(&running.execution)?;
        let requester = open.map_or_else(|| by.clone(), |open| open.started.requester.clone());
        let (id, action) = (running.execution.short(), running.runs.as_deref().unwrap_or_default());
        let text = match requester.id == by.id {
            true => words::stop_it(id, action),
            false => words::stop_it_for(&by.name, id, action),
        };
        let asked = EffectRequested {
            path: STOP.to_owned(),
            op: "confirm".to_owned(),
            args: json!({ "question": text }),
            line: 0,
            class: EffectClass::Log,
            due: None,
            decision: None,
        };
        seen.apply(&asked.clone().into());
        sheet.event(asked);
        let from = vec![requester.id];
        sheet.ask(Asking { from, ..Asking::new(STOP, Wants::YesNo, text) });
        Ok(())
    }

    /// Cancels what was found; `force` ends it where it stands.
    fn cancel_deleted(
        &self,
        sheet: &mut Sheet,
        execution: &Execution,
        ids: &[ExecutionId],
        force: bool,
    ) -> Result<(), Error> {
        let by = execution.started.requester.id.clone();
        let meta = meta_of(execution);
        for id in ids {
            let Some(open) = self.execution(id)? else { continue };
            let (reason, shown) = (words::COMMAND_DELETED, words::asked_no_more_deleted());
            if Builtin::of(&open.started.handler).is_some() {
                sheet.write(self.end_quietly(&open, &by, reason, &shown, &meta));
                continue;
            }
            let prompts = self.withdrawn_prompts(&open, &shown, &meta);
            let cancel = Cancel { by: by.clone(), reason: reason.to_owned(), force };
            match self.cancel(id, &cancel, &meta)? {
                Cancelling::Begun(writes) | Cancelling::Ended(writes) => {
                    sheet.write(prompts);
                    sheet.write(writes);
                }
                // Somebody was faster; its end is waited for all the same.
                Cancelling::Unknown | Cancelling::Over(_) | Cancelling::Already { .. } => {}
            }
        }
        Ok(())
    }

    /// Tells those whose executions were cancelled that they are over, without a word of what was deleted.
    fn tell_over(&self, sheet: &mut Sheet, execution: &Execution) -> Result<(), Error> {
        if !execution.steps.contains_key(CANCELLED) {
            return Ok(());
        }
        let by = &execution.started.requester.name;
        for found in deletion::found(execution) {
            let Some(over) = self.execution(&found.execution)? else { continue };
            let requester = &over.started.requester;
            // What only asked back has said so in the place of its question.
            if Builtin::of(&over.started.handler).is_some() {
                continue;
            }
            let text = words::is_over(&requester.name, by, found.execution.short());
            let message = sheet.message_id(&format!("over-{}", found.execution));
            sheet.queue(MessageQueued {
                message,
                place: execution.started.place.clone(),
                reply_to: None,
                edits: None,
                doc: Doc::text(&text),
                attachment: None,
                notify: vec![requester.id.clone()],
                execution: Some(execution.id.clone()),
                question: None,
            });
        }
        Ok(())
    }

    /// Erases what was deleted, now that nothing needs it any more.
    pub(in crate::processor) async fn deletion_effect(
        &self,
        execution: &Execution,
        _: &Step,
    ) -> Result<ActionDone, Error> {
        let began = Instant::now();
        let (keys, reason) = deletion::target(execution);
        let by = execution.started.requester.id.clone();
        let order = Order { target: Target::Heard(keys), by, reason };
        let erased = erase(self.store.as_ref(), &order, |_, _| true).await;
        let tally = erased.map_err(|why| ReadError::Store(why.to_string()))?;
        tracing::info!(events = tally.events(), "a deleted command was erased");
        Ok(ActionDone { result: EffectResult::Ok(Value::Null), whole: None, took: began.elapsed() })
    }
}

/// Notes a step, and takes it as done.
fn note(sheet: &mut Sheet, seen: &mut Execution, path: &str, args: Value, result: Value) {
    let done = noted(path.to_owned(), path, args, result);
    seen.apply(&done.clone().into());
    sheet.event(done);
}

/// The end of an execution is waited for.
fn wait_for_end(sheet: &mut Sheet, seen: &mut Execution, found: &Found, due: Option<Timestamp>) {
    let asked = EffectRequested {
        path: deletion::ended_path(&found.execution),
        op: ENDED.to_owned(),
        args: json!({ "execution": found.execution }),
        line: 0,
        class: EffectClass::Log,
        due,
        decision: None,
    };
    seen.apply(&asked.clone().into());
    sheet.event(asked);
}
