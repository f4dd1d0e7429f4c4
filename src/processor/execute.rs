//! Runs a slice of an execution: its script against its journal, on a thread that it has for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::hot::HotRun;
use super::sheet::{Prepared, Reads, Sheet, memory_of, memory_stream};
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::domain::builtin::Builtin;
use crate::domain::event::{EffectClass, EffectResult, Event, ExecutionStarted, Failure};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{ExecutionId, ScriptHash, StreamName, Timestamp, Version};
use crate::domain::order::ordered_action;
use crate::domain::path::GATE;
use crate::script::action::ActionDef;
use crate::script::context::Recall;
use crate::script::host::pinned;
use crate::script::hot::Wake;
use crate::script::journal::{Divergence, Done, Journal, Noted, Past};
use crate::script::run::{End, Input, Slice, run, run_hot};
use crate::script::source::{HandlerDef, Run, Script};
use crate::store::{Direction, EventStore, Expected, ReadError};

impl Kernel {
    /// Runs the next slice of an execution, unless it has nothing new to see.
    pub(super) async fn slice(&self, id: &ExecutionId) -> Result<(), Error> {
        let stream = StreamName::execution(id);
        for _ in 0..ATTEMPTS_MAX {
            let Some(execution) = self.execution(id)? else { return self.end_erased(id).await };
            if !execution.ready || execution.ending.is_some() {
                return Ok(());
            }
            let prepared = self.prepare(&execution, false).await?;
            let expected = Expected::Exact(execution.version);
            let mut batch = vec![write(stream.clone(), expected, prepared.events)];
            batch.extend(prepared.others);
            let tried = self.append(batch).await?;
            if !matches!(tried, Tried::Done) {
                // A thread that waits knows what the log does not.
                drop(self.hot.take(id));
            }
            match tried {
                Tried::Done => return Ok(()),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    return match Builtin::of(&execution.started.handler) {
                        Some(Builtin::CatchUp) => self.skip_held(&execution, &why).await,
                        _ => self.give_up(&execution, why).await,
                    };
                }
            }
        }
        // It is still ready, and is tried again from the agenda.
        tracing::warn!(execution = %id, "it moved on every time its slice was run");
        Ok(())
    }

    /// Ends an execution whose slice does not fit into the log.
    pub(super) async fn give_up(&self, execution: &Execution, why: String) -> Result<(), Error> {
        let mut sheet = Sheet::new(self, execution);
        sheet.fail("limit", format!("what it did does not fit into the log: {why}"));
        let prepared = sheet.finish();
        let stream = StreamName::execution(&execution.id);
        let expected = Expected::Exact(execution.version);
        let mut batch = vec![write(stream, expected, prepared.events)];
        batch.extend(prepared.others);
        self.append(batch).await?;
        Ok(())
    }

    /// Runs a slice; `first` is the one that a trigger starts with.
    pub(super) async fn prepare(
        &self,
        execution: &Execution,
        first: bool,
    ) -> Result<Prepared, Error> {
        if let Some(prepared) = self.closed_gate(execution).await? {
            return Ok(prepared);
        }
        // Behind a gate, the first slice comes when that is open.
        let first = first || execution.steps.keys().all(|path| path == GATE);
        let handler = &execution.started.handler;
        if let Some(builtin) = Builtin::of(handler) {
            return self.built_in(builtin, execution).await;
        }
        self.learn(&execution.started.requester, &execution.started.place).await?;
        let mut sheet = Sheet::new(self, execution);
        let Some(script) = self.scripts.version(&handler.script, self.store.as_ref())? else {
            let message =
                format!("version {} of {} is not in the log", handler.script, handler.file);
            sheet.fail("error", message);
            return Ok(sheet.finish());
        };
        if first {
            self.keep_libraries(&script).await?;
            sheet.keep_script(&script)?;
        }
        let def = match ordered_action(&execution.started) {
            Some(action) => Some(HandlerDef::of_action(action)),
            None => script.handler(handler),
        };
        let Some(def) = def else {
            let kind = handler.kind.word();
            sheet.fail("error", format!("{} has no {kind} `{}`", handler.file, handler.alias));
            return Ok(sheet.finish());
        };
        let reads = Reads::default();
        let mut slice = self.run_slice(execution, script.clone(), def.run.clone(), &reads).await?;
        if let End::Failed(failure) = &mut slice.end
            && failure.line == 0
        {
            // The engine does not say where it reached a bound: name the handler.
            failure.line = def.line;
        }
        if !slice.printed.is_empty() {
            tracing::trace!(execution = %execution.id, printed = slice.printed, "script printed");
        }
        for script in self.begun(&slice)? {
            self.keep_libraries(&script).await?;
        }
        self.know_rooms(&slice.entries).await;
        sheet.attach(self.attachments(&slice).await?);
        let how = match &slice.end {
            End::Diverged(how) => Some(self.divergence(how, &script)?),
            _ => None,
        };
        sheet.close(&slice, &reads, how)?;
        match first {
            true => sheet.acknowledge(&slice, &def.ack),
            false => sheet.tell_end(&slice, &def.ack)?,
        }
        sheet.check_reads(&reads);
        Ok(sheet.finish())
    }

    /// How a replay differs, with the line that the log kept and the line that was run.
    fn divergence(&self, how: &Divergence, script: &Script) -> Result<String, Error> {
        let kept = self.scripts.kept(&script.hash, self.store.as_ref())?;
        let then = kept.map_or_else(|| script.source.clone(), |kept| kept.source);
        let line = |source: &str, line: u32| {
            let before = usize::try_from(line).ok()?.checked_sub(1)?;
            source.lines().nth(before).map(str::to_owned)
        };
        Ok(how.words(&|n| line(&then, n), &|n| line(&script.source, n)))
    }

    /// The scripts of actions written in Rhai that a slice began: a replay runs the same versions.
    fn begun(&self, slice: &Slice) -> Result<Vec<Arc<Script>>, ReadError> {
        let mut scripts = vec![];
        for entry in slice.entries.iter().filter(|entry| entry.op == "action") {
            let Noted::Done(EffectResult::Ok(begun)) = &entry.state else { continue };
            let hash = ScriptHash(begun["script"].as_str().unwrap_or_default().to_owned());
            scripts.extend(self.scripts.version(&hash, self.store.as_ref())?);
        }
        Ok(scripts)
    }

    /// Runs a slice where its script waits, or else from the start of its journal.
    async fn run_slice(
        &self,
        execution: &Execution,
        script: Arc<Script>,
        handler: Run,
        reads: &Reads,
    ) -> Result<Slice, ReadError> {
        let mut waiting = self.hot.take(&execution.id);
        if let Some(run) = &mut waiting
            && let Some(results) = run.news(execution)
            && let Some(slice) = run.go_on(self.wake(execution, &script, results, reads)?).await
        {
            return Ok(self.kept_hot(execution, waiting, slice));
        }
        drop(waiting);
        let input = self.input(execution, &script, reads)?;
        let (engine, file) = (self.scripts.engine(), script.file.clone());
        let broken = |message: String| Slice {
            entries: vec![],
            end: End::Failed(Failure {
                kind: "error".into(),
                message,
                file: file.clone(),
                line: 0,
                column: 0,
            }),
            printed: String::new(),
            files: Default::default(),
        };
        let wait = self.settings().hot_for;
        let Some((mut run_there, parking, permit)) =
            self.hot.place(wait).filter(|_| !wait.is_zero())
        else {
            let (done, slice) = tokio::sync::oneshot::channel();
            let job = move || drop(done.send(run(&engine, &script, &handler, input)));
            return Ok(match self.scripts.threads.run(job) {
                Err(why) => broken(no_thread(&why)),
                Ok(()) => slice.await.unwrap_or_else(|_| broken(BROKE_OFF.into())),
            });
        };
        run_there.begin(execution);
        let job = move || {
            run_hot(&engine, &script, &handler, input, parking);
            drop(permit);
        };
        Ok(match self.scripts.threads.run(job) {
            Err(why) => broken(no_thread(&why)),
            Ok(()) => match run_there.next().await {
                Some(slice) => self.kept_hot(execution, Some(run_there), slice),
                None => broken(BROKE_OFF.into()),
            },
        })
    }

    /// Keeps the thread of a script that waits on it.
    fn kept_hot(&self, execution: &Execution, run: Option<HotRun>, slice: Slice) -> Slice {
        if let Some(run) = run.filter(|_| matches!(slice.end, End::Suspended | End::Yielded)) {
            self.hot.keep(&execution.id, run);
        }
        slice
    }

    fn input(
        &self,
        execution: &Execution,
        script: &Script,
        reads: &Reads,
    ) -> Result<Input, ReadError> {
        let started = &execution.started;
        let Wake { now, actions, permit, recall, .. } =
            self.wake(execution, script, vec![], reads)?;
        Ok(Input {
            execution: execution.id.clone(),
            key: self.store.key().clone(),
            now,
            zone: self.settings().zone.clone(),
            args: started.args.clone(),
            msg: started.msg.clone(),
            journal: journal(execution),
            actions,
            permit,
            recall,
            may: self.answers(started),
            silenced: self.answers_silenced(),
            silences: self.answers_silences(&execution.started),
            encrypted: started.place.encrypted,
            cancel: undelivered(execution),
        })
    }

    /// What a slice goes on with.
    fn wake(
        &self,
        execution: &Execution,
        script: &Script,
        results: Vec<(String, Done)>,
        reads: &Reads,
    ) -> Result<Wake, ReadError> {
        let (started, now) = (&execution.started, self.clock.now());
        let mut actions = (*self.scripts.offered().set.actions).clone();
        actions.extend(script.actions.clone());
        self.pin_actions(execution, &mut actions)?;
        Ok(Wake {
            now,
            results,
            actions: Arc::new(actions),
            permit: self.permit(execution),
            recall: recall(self.store.clone(), started.clone(), now, reads.clone()),
        })
    }

    /// Adds the actions that are written in Rhai in the versions in which this execution began them.
    fn pin_actions(
        &self,
        execution: &Execution,
        actions: &mut BTreeMap<String, ActionDef>,
    ) -> Result<(), ReadError> {
        for step in execution.steps.values().filter(|step| step.op == "action") {
            let Some(EffectResult::Ok(begun)) = &step.result else { continue };
            let hash = ScriptHash(begun["script"].as_str().unwrap_or_default().to_owned());
            let name = step.args["action"].as_str().unwrap_or_default();
            let script = self.scripts.version(&hash, self.store.as_ref())?;
            if let Some(def) = script.and_then(|script| script.actions.get(name).cloned()) {
                actions.insert(pinned(name, hash.as_str()), def);
            }
        }
        Ok(())
    }
}

/// What is told of a script whose engine panicked.
const BROKE_OFF: &str = "the script engine broke off";

fn no_thread(why: &std::io::Error) -> String {
    format!("the system has no thread for a script: {why}")
}

/// What the log has of an execution, as its script meets it.
fn journal(execution: &Execution) -> Journal {
    let past = |(path, step): (&String, &Step)| {
        let (op, args, line) = (step.op.clone(), step.args.clone(), step.line);
        let result = step.result.clone();
        let done = result.map(|result| Done { at: step.done_at.0, result });
        let outside = step.class != EffectClass::Log;
        (path.clone(), Past { op, args, line, outside, done })
    };
    let own = |(path, _): &(&String, &Step)| *path != GATE;
    execution.steps.iter().filter(own).map(past).collect()
}

/// The error that the next wait ends in, if the execution was cancelled and its script does not know yet.
fn undelivered(execution: &Execution) -> Option<Value> {
    let cancelled = execution.cancelled.as_ref().filter(|cancelled| !cancelled.delivered)?;
    // What is being stopped will say so itself.
    let stopping = execution.steps.values().any(|step| step.unwanted && step.result.is_none());
    (!stopping).then(|| cancelled.error(None))
}

/// Reads what was remembered, and notes which version was seen.
fn recall(
    store: Arc<dyn EventStore>,
    started: ExecutionStarted,
    now: Timestamp,
    reads: Reads,
) -> Recall {
    Box::new(move |of, key| {
        let stream = memory_stream(store.as_ref(), &memory_of(&started, of), key);
        let last = store.read(&stream, Version::END, Direction::Backward, 1);
        let last = last.map_err(|why| format!("the memory cannot be read: {why}"))?;
        let version = last.first().map(|recorded| recorded.id.version);
        // What was seen first must still be true when the slice is appended.
        reads.lock().expect("one script runs at a time").entry(stream).or_insert(version);
        Ok(match last.first().and_then(|recorded| recorded.event()) {
            Some(Event::MemoryWritten(memory)) if memory.expires.is_none_or(|end| end > now) => {
                memory.value.clone()
            }
            _ => Value::Null,
        })
    })
}
