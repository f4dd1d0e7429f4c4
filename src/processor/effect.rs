//! Does effects outside: `EffectStarted` is on disk before the process is spawned, `EffectCompleted` after it has ended.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::action::ActionDone;
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, meta_of, write};
use crate::domain::approval::VOID;
use crate::domain::builtin::Builtin;
use crate::domain::event::{
    AttemptFailed, EffectCancelled, EffectClass, EffectCompleted, EffectInDoubt, EffectResult,
    EffectStarted, Event, NewEvent,
};
use crate::domain::execution::{Execution, Step};
use crate::domain::http::{self, Request};
use crate::domain::id::{ExecutionId, RoomId, StreamName, Timestamp};
use crate::domain::words::approvals;
use crate::script::action::ActionDef;
use crate::store::{Expected, ReadError, Write};

/// A room shows that somebody is typing for so long only.
const TYPING_EVERY: Duration = Duration::from_secs(3);

impl Kernel {
    /// Does an effect that was asked for and not started yet.
    pub(super) async fn effect(&self, id: &ExecutionId, path: &str) -> Result<(), Error> {
        let fresh = |step: &Step| step.wants_doing() && !step.under_way;
        if self.void_effect(id, path, fresh).await? {
            return Ok(());
        }
        let Some(attempt) = self.begin(id, path, fresh).await? else { return Ok(()) };
        self.carry_out(id, path, attempt).await
    }

    /// An effect was started by a bot that died: repeat what may be repeated, else say that it is in doubt.
    pub(super) async fn orphan(&self, id: &ExecutionId, path: &str) -> Result<(), Error> {
        let left = |step: &Step| step.wants_doing() && step.under_way;
        let step = self.execution(id)?.and_then(|it| it.steps.get(path).cloned());
        let again = step.as_ref().map(|step| step.class) != Some(EffectClass::Once);
        if let Some(step) = step.filter(|step| again && step.unwanted) {
            return self.stopped(id, path, step.attempt).await;
        }
        if again {
            if self.void_effect(id, path, left).await? {
                return Ok(());
            }
            let Some(attempt) = self.begin(id, path, left).await? else { return Ok(()) };
            return self.carry_out(id, path, attempt).await;
        }
        self.record(id, path, left, |step| {
            EffectInDoubt { path: path.to_owned(), attempt: step.attempt }.into()
        })
        .await
        .map(|_| ())
    }

    /// Ends an effect before it begins if it is not what was approved: its action was changed since then.
    async fn void_effect(
        &self,
        id: &ExecutionId,
        path: &str,
        wanted: fn(&Step) -> bool,
    ) -> Result<bool, Error> {
        let Some(execution) = self.execution(id)? else { return Ok(false) };
        let approved = execution.steps.values().any(|step| step.approval.is_some());
        if !approved || self.rules().ignore_content() {
            return Ok(false);
        }
        let (me, at) = (self.itself(), path.to_owned());
        let looked = tokio::task::spawn_blocking(move || {
            execution.steps.get(&at).map_or(Ok(false), |step| me.is_void(&execution, step))
        });
        if !looked.await.map_err(|why| ReadError::Store(why.to_string()))?? {
            return Ok(false);
        }
        self.record(id, path, wanted, |step| {
            let action = step.action().unwrap_or_default();
            let message = approvals::void(&[format!("action {action}")]);
            let error = json!({ "kind": VOID, "action": action, "message": message });
            let (path, result) = (path.to_owned(), EffectResult::Err(error));
            EffectCompleted { path, attempt: step.attempt, result, output: None, took_ms: 0 }.into()
        })
        .await?;
        Ok(true)
    }

    /// Records that an attempt starts; none: there is nothing to do any more.
    async fn begin(
        &self,
        id: &ExecutionId,
        path: &str,
        wanted: fn(&Step) -> bool,
    ) -> Result<Option<u32>, Error> {
        self.record(id, path, wanted, |step| {
            EffectStarted { path: path.to_owned(), attempt: step.attempt + 1 }.into()
        })
        .await
        .map(|step| step.map(|step| step.attempt + 1))
    }

    /// Appends one event to an execution while a condition on a step of it holds; gives the step as it was.
    async fn record(
        &self,
        id: &ExecutionId,
        path: &str,
        wanted: impl Fn(&Step) -> bool,
        event: impl Fn(&Step) -> Event,
    ) -> Result<Option<Step>, Error> {
        self.record_with(id, path, wanted, event, |_, _| vec![]).await
    }

    /// The same, with what else is written because of it.
    pub(super) async fn record_with(
        &self,
        id: &ExecutionId,
        path: &str,
        wanted: impl Fn(&Step) -> bool,
        event: impl Fn(&Step) -> Event,
        more: impl Fn(&Execution, &Step) -> Vec<Write>,
    ) -> Result<Option<Step>, Error> {
        let stream = StreamName::execution(id);
        for _ in 0..ATTEMPTS_MAX {
            let Some(execution) = self.execution(id)? else { return Ok(None) };
            let step = execution.steps.get(path).filter(|step| wanted(step));
            let (Some(step), None) = (step, &execution.ending) else { return Ok(None) };
            let events = vec![NewEvent::with(&meta_of(&execution), event(step))];
            let expected = Expected::Exact(execution.version);
            let mut batch = vec![write(stream.clone(), expected, events)];
            batch.extend(more(&execution, step));
            match self.append(batch).await? {
                Tried::Done => return Ok(Some(step.clone())),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    let attempt = step.attempt;
                    let lost = too_much(step, path, attempt, &why);
                    let events = vec![NewEvent::with(&meta_of(&execution), lost)];
                    self.append(vec![write(stream.clone(), expected, events)]).await?;
                    return Ok(None);
                }
            }
        }
        // It stays on the agenda.
        tracing::warn!(execution = %id, path, "it moved on every time an effect was recorded");
        Ok(None)
    }

    /// Records that an effect was stopped because nobody wants it any more.
    async fn stopped(&self, id: &ExecutionId, path: &str, attempt: u32) -> Result<(), Error> {
        let unwanted = |step: &Step| step.wants_doing() && step.unwanted && step.attempt == attempt;
        self.record(id, path, unwanted, |_| {
            EffectCancelled { path: path.to_owned(), attempt }.into()
        })
        .await
        .map(|_| ())
    }

    async fn carry_out(&self, id: &ExecutionId, path: &str, attempt: u32) -> Result<(), Error> {
        // Whoever stops wanting it from here on can stop it; what came before is in the log.
        let (_under_way, stop) = self.running.begin(id, path);
        let Some(execution) = self.execution(id)? else { return Ok(()) };
        let Some(step) = execution.steps.get(path) else { return Ok(()) };
        if step.unwanted || !step.wants_doing() {
            return self.stopped(id, path, attempt).await;
        }
        let done = tokio::select! {
            done = self.perform_effect(&execution, path, step) => done?,
            // What is dropped is killed, with everything that it started.
            _ = stop => return self.stopped(id, path, attempt).await,
        };
        let output = match &done.whole {
            Some(bytes) => Some(self.store.put_blob(bytes)?),
            None => None,
        };
        let took_ms = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX);
        let waits = |step: &Step| step.wants_doing() && step.attempt == attempt;
        let again = self.again(&execution, step, &done.result)?;
        let recorded = self
            .record(id, path, waits, |_| {
                let again = again.as_ref().map(|(error, at)| (error, *at));
                let (path, result, output) = (path.to_owned(), done.result.clone(), output.clone());
                match again {
                    Some((error, again)) => {
                        let error = error.clone();
                        AttemptFailed { path, attempt, error, again, output, took_ms }.into()
                    }
                    None => EffectCompleted { path, attempt, result, output, took_ms }.into(),
                }
            })
            .await?;
        match (recorded, &output) {
            // Nobody waits for it any more, and no event names it.
            (None, Some(blob)) => Ok(self.store.discard_blob(blob)?),
            _ => Ok(()),
        }
    }

    /// Does what an effect asks for, to its end.
    async fn perform_effect(
        &self,
        execution: &Execution,
        path: &str,
        step: &Step,
    ) -> Result<ActionDone, Error> {
        let _busy = self.show_busy(execution.started.place.room.clone());
        Ok(match Builtin::of(&execution.started.handler) {
            Some(builtin) if builtin.asks_log() => {
                self.audit_effect(builtin, execution, step).await?
            }
            Some(Builtin::Deletion) => self.deletion_effect(execution, step).await?,
            Some(_) => self.room_effect(execution, step).await?,
            None => match Request::of(&step.op, &step.args) {
                Some(request) => self.fetch(execution, path, step, request).await?,
                None => match self.declared(execution, &step.args)? {
                    Some(def) => self.run_action(execution, path, step, def).await?,
                    None => gone(step),
                },
            },
        })
    }

    /// Shows that the bot is busy in a room until what is given back is dropped; nothing waits for it.
    fn show_busy(&self, room: RoomId) -> oneshot::Sender<()> {
        let (busy, mut ended) = oneshot::channel::<()>();
        let chat = self.chat.clone();
        tokio::spawn(async move {
            // Nothing is ever sent: the end of the action closes the channel.
            while !ended.is_terminated() {
                chat.typing(&room, true).await;
                let _ = tokio::time::timeout(TYPING_EVERY, &mut ended).await;
            }
            chat.typing(&room, false).await;
        });
        busy
    }

    /// How an attempt failed and when there is another one; none: this is what the effect gave.
    fn again(
        &self,
        execution: &Execution,
        step: &Step,
        result: &EffectResult,
    ) -> Result<Option<(Value, Timestamp)>, ReadError> {
        let now = self.clock.now();
        if let Some(request) = Request::of(&step.op, &step.args) {
            let wait_ms = http::again(&request, step.class, result, step.failed + 1, now);
            return Ok(wait_ms.map(|ms| (http::attempt(&request, result), now.plus_ms(ms))));
        }
        let EffectResult::Err(error) = result else { return Ok(None) };
        if Builtin::of(&execution.started.handler).is_some() {
            return Ok(None);
        }
        let retry = self.declared(execution, &step.args)?.and_then(|def| def.retry);
        let kind = error["kind"].as_str().unwrap_or_default();
        let wait_ms = retry.and_then(|retry| retry.again(step.class, kind, step.failed + 1));
        Ok(wait_ms.map(|ms| (error.clone(), now.plus_ms(ms))))
    }

    /// The action that a call names, as the execution's own version of the script declares it, or as it is offered now.
    pub(super) fn declared(
        &self,
        execution: &Execution,
        args: &Value,
    ) -> Result<Option<ActionDef>, ReadError> {
        let name = args["action"].as_str().unwrap_or_default();
        let hash = &execution.started.handler.script;
        let script = self.scripts.version(hash, self.store.as_ref())?;
        let own = script.and_then(|script| script.actions.get(name).cloned());
        Ok(own.or_else(|| self.scripts.offered().set.actions.get(name).cloned()))
    }
}

/// The effect happened, and what it gave does not fit into the log.
fn too_much(step: &Step, path: &str, attempt: u32, why: &str) -> EffectCompleted {
    let name = step.args["action"].as_str().unwrap_or_default();
    let message = format!("{name} was done, but what it gave does not fit into the log: {why}");
    let error = json!({ "kind": "failed", "action": name, "message": message });
    let (path, result) = (path.to_owned(), EffectResult::Err(error));
    EffectCompleted { path, attempt, result, output: None, took_ms: 0 }
}

fn gone(step: &Step) -> ActionDone {
    let name = step.args["action"].as_str().unwrap_or_default();
    let message = format!("no script declares the action {name} any more");
    let error = json!({ "kind": "failed", "action": name, "message": message });
    ActionDone { result: EffectResult::Err(error), whole: None, took: Duration::ZERO }
}
