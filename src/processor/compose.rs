//! Executions that work together: named triggers reach those who wait for them, and called commands answer their callers.

use serde_json::{Value, json};

use super::dispatch::{Origin, Routed};
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, meta_of, write};
use crate::domain::deletion;
use crate::domain::event::{
    AutomationSwitched, EffectCompleted, EffectResult, Ending, Event, Handler, HandlerKind,
    NewEvent, Outcome, Recorded, Verdict,
};
use crate::domain::execution::{CANCELLED, Execution, Step};
use crate::domain::hook;
use crate::domain::id::{DedupeKey, EventId, ExecutionId, StreamName, Version};
use crate::domain::named::{CALLS_DEEP_MAX, CONTINUED_MAX, Call, NamedEvent, fits};
use crate::domain::path::follows;
use crate::domain::route::{self, Act};
use crate::domain::switch::Automation;
use crate::domain::trigger::{Address, Command, Message, Trigger, What};
use crate::store::{Direction, Expected, ReadError, Write};

impl Kernel {
    /// Whether a rule listens to a named trigger, or an execution waits for it.
    pub(super) fn awaited_name(&self, event: &NamedEvent) -> bool {
        let tag = self.store.key().tag("named trigger", &[&event.name]).to_string();
        self.listens(&event.name) || self.agenda(|agenda| agenda.compose.awaits(&tag))
    }

    /// Hands a named trigger to the executions that wait for it and to the rules that listen to it.
    pub(super) async fn happened(
        &self,
        recorded: &Recorded,
        event: &NamedEvent,
    ) -> Result<(Vec<Outcome>, Vec<Write>), Error> {
        if let Some(off) = self.hook_off(event)? {
            let reason = self.off_reason(&off);
            return Ok((
                vec![outcome(format!("hook {}", off.name), Verdict::Ignored, reason)],
                vec![],
            ));
        }
        let (mut outcomes, mut writes) = self.awaited(recorded, event)?;
        let ruled = self.rules_on(recorded, event, writes.len()).await?;
        outcomes.extend(ruled.outcomes);
        writes.extend(ruled.writes);
        if outcomes.is_empty() {
            let considered = format!("trigger {}", event.name);
            let reason = "nothing waits for it, and no rule is for it".to_owned();
            outcomes.push(outcome(considered, Verdict::Ignored, reason));
        }
        Ok((outcomes, writes))
    }

    /// How the hook that brought a trigger was switched off, if it is off now.
    fn hook_off(&self, event: &NamedEvent) -> Result<Option<AutomationSwitched>, ReadError> {
        match event.name.strip_prefix(hook::TRIGGER) {
            Some(name) => self.switched_off(Automation::Hook, name),
            None => Ok(None),
        }
    }

    /// Hands a named trigger to the executions that wait for it.
    fn awaited(
        &self,
        recorded: &Recorded,
        event: &NamedEvent,
    ) -> Result<(Vec<Outcome>, Vec<Write>), ReadError> {
        let tag = self.store.key().tag("named trigger", &[&event.name]).to_string();
        let (mut outcomes, mut writes) = (vec![], vec![]);
        for (id, path) in self.agenda(|agenda| agenda.compose.waiting(&tag, recorded.position)) {
            let Some(execution) = self.execution(&id)? else { continue };
            let step = execution.steps.get(&path).filter(|step| step.result.is_none());
            let wants = step.is_some_and(|step| fits(&event.fields, &step.args["where"]));
            if !wants || execution.ending.is_some() {
                continue;
            }
            if self.said_itself(recorded, event, &execution, &path) {
                continue;
            }
            let considered = format!("wait of {id}");
            if writes.len() >= CONTINUED_MAX {
                let reason = format!("a trigger continues at most {CONTINUED_MAX} executions");
                outcomes.push(outcome(considered, Verdict::Ignored, reason));
                break;
            }
            let result = EffectResult::Ok(Value::Object(event.fields.clone()));
            writes.push(completed(&execution, &path, result));
            let reason = "it waits for this".to_owned();
            outcomes.push(outcome(considered, Verdict::Continued(id), reason));
        }
        Ok((outcomes, writes))
    }

    /// Whether an execution said a trigger itself, before it began to wait: what happened before does not count.
    fn said_itself(
        &self,
        recorded: &Recorded,
        event: &NamedEvent,
        execution: &Execution,
        path: &str,
    ) -> bool {
        let id = execution.id.as_str();
        let stream = |at: &str| {
            let key = DedupeKey::new(&["emit", id, at]);
            StreamName::trigger(&self.store.key().dedupe(&key))
        };
        let before = |(at, step): (&String, &Step)| {
            step.op == "emit" && follows(path, at) && stream(at) == recorded.id.stream
        };
        event.source == id && execution.steps.iter().any(before)
    }

    /// Runs a command for an execution, with the rights of whoever asked for that one.
    pub(super) async fn called(&self, recorded: &Recorded, call: &Call) -> Result<Routed, Error> {
        let caller = self.execution(&call.execution)?.filter(|it| it.ending.is_none());
        let waits = |it: &std::sync::Arc<Execution>| {
            it.steps.get(&call.path).is_some_and(|it| it.result.is_none())
        };
        let Some(caller) = caller.filter(waits) else {
            return Ok(Routed::ignored("call", "nothing waits for it any more"));
        };
        let started = &caller.started;
        let message = Message {
            place: started.place.clone(),
            speaker: started.requester.clone(),
            post: started.post.clone(),
            text: call.command.clone(),
            command: Some(Command { by: Address::Direct, text: call.command.clone() }),
            reply_to: None,
            edits: None,
            mentioned: false,
            hops: 0,
        };
        self.learn(&started.requester, &started.place).await?;
        let scene = self.scene()?;
        let decision = self.decide(&scene, recorded.ts, |view| route::call(&message, view));
        let refused = |why: String| {
            let error = json!({ "kind": "refused", "message": why });
            let writes = vec![completed(&caller, &call.path, EffectResult::Err(error))];
            let verdict = Verdict::Continued(caller.id.clone());
            let considered = format!("call of {}", caller.id);
            let decision = decision.permission.clone();
            Routed { considered, decision, ..Routed::new(verdict, why, writes) }
        };
        let (alias, args) = match decision.act.clone() {
            Act::Run { alias, args } => (&scene.offered.catalog.aliases[alias], args),
            Act::Say(doc) | Act::Refuse(doc) => return Ok(refused(doc.words())),
            _ => return Ok(refused(format!("`{}` is no command of a script", call.command))),
        };
        let handler = Handler {
            script: alias.script.clone(),
            file: alias.file.clone(),
            alias: alias.name.clone(),
            kind: HandlerKind::Alias,
        };
        if let Some(why) = self.too_deep(&caller, &handler)? {
            return Ok(refused(why));
        }
        let origin = Origin {
            place: &started.place,
            speaker: &started.requester,
            post: Some(&started.post),
            target: None,
            text: &call.command,
        };
        let id = self.execution_id(&recorded.id.stream, &handler);
        let writes =
            self.start(recorded, &origin, handler, args, decision.permission.as_ref()).await?;
        let (considered, verdict) = (decision.considered, Verdict::Started(id));
        let routed = Routed::new(verdict, format!("{} called it", caller.id), writes);
        Ok(Routed { considered, decision: decision.permission, ..routed })
    }

    /// Why a command may not be called from here, if so: it would go round in a ring, or too deep.
    fn too_deep(&self, caller: &Execution, handler: &Handler) -> Result<Option<String>, ReadError> {
        let mut chain = vec![caller.started.clone()];
        while let Some(call) =
            chain.last().map(|it| self.call_of(&it.trigger)).transpose()?.flatten()
        {
            let Some(above) = self.execution(&call.execution)? else { break };
            chain.push(above.started.clone());
            if chain.len() > CALLS_DEEP_MAX {
                break;
            }
        }
        let same = |other: &Handler| other.file == handler.file && other.alias == handler.alias;
        Ok(if chain.iter().any(|it| same(&it.handler)) {
            Some(format!("`{}` would call itself", handler.alias))
        } else {
            (chain.len() > CALLS_DEEP_MAX)
                .then(|| format!("commands call one another at most {CALLS_DEEP_MAX} deep"))
        })
    }

    /// The call that a trigger is, if it is one.
    pub(super) fn call_of(&self, trigger: &EventId) -> Result<Option<Call>, ReadError> {
        let first = self.store.read(&trigger.stream, Version::START, Direction::Forward, 1)?;
        Ok(match first.first().and_then(Recorded::event) {
            Some(Event::TriggerRecorded(recorded)) => match &recorded.trigger {
                Trigger { what: What::Call(call), .. } => Some(call.clone()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Tells a caller what came of the command that it called.
    pub(super) async fn returned(
        &self,
        caller: &ExecutionId,
        path: &str,
        called: &ExecutionId,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(execution) = self.execution(caller)? else { return Ok(()) };
            let open = execution.steps.get(path).is_some_and(|step| step.result.is_none());
            if !open || execution.ending.is_some() {
                return Ok(());
            }
            let op = execution.steps.get(path).map_or("", |step| step.op.as_str());
            let result = match op {
                // Who only waits for an end is told that it came, and nothing of what came of it.
                deletion::ENDED => EffectResult::Ok(Value::Null),
                _ => {
                    let called_one = self.execution(called)?;
                    result(called, called_one.and_then(|called| called.ending.clone()))
                }
            };
            let write = completed(&execution, path, result);
            match self.append(vec![write]).await? {
                Tried::Done => return Ok(()),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    let error =
                        json!({ "kind": "failed", "execution": called.short(), "message": why });
                    let write = completed(&execution, path, EffectResult::Err(error));
                    self.append(vec![write]).await?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What was decided where nobody asks who may do it: the waiting execution was allowed when it began.
fn outcome(considered: String, verdict: Verdict, reason: String) -> Outcome {
    Outcome { considered, verdict, reason, decision: None }
}

/// What a script gets of a command that it called.
fn result(called: &ExecutionId, ending: Option<Ending>) -> EffectResult {
    let failed = |kind: &str, message: String| {
        let error = json!({ "kind": kind, "execution": called.short(), "message": message });
        EffectResult::Err(error)
    };
    match ending {
        Some(Ending::Succeeded(value)) => EffectResult::Ok(value),
        Some(Ending::Failed(failure)) => failed("failed", failure.message),
        Some(Ending::Diverged(how)) => failed("failed", how),
        Some(Ending::Cancelled { by, reason }) => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            failed(CANCELLED, format!("{by} cancelled it{why}"))
        }
        None => failed("failed", "what was called is erased".into()),
    }
}

/// A wait has its result.
fn completed(execution: &Execution, path: &str, result: EffectResult) -> Write {
    let path = path.to_owned();
    let done = EffectCompleted { path, attempt: 0, result, output: None, took_ms: 0 };
    let events = vec![NewEvent::with(&meta_of(execution), done)];
    write(StreamName::execution(&execution.id), Expected::Exact(execution.version), events)
}
