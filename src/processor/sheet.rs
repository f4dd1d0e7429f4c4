//! Turns what a slice did into the events and writes of one batch.

pub(in crate::processor) mod ack;
mod alert;
mod approve;
mod talk;

pub(super) use talk::full_id;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(super) use self::talk::Asking;
use super::alerts::Alerting;
use super::attach::Attached;
use super::silences::Silencing;
use super::{Kernel, meta_of, write};
use crate::domain::event::{
    EffectClass, EffectRecorded, EffectRequested, EffectResult, Ending, Event, ExecutionFinished,
    ExecutionStarted, ExecutionSuspended, ExecutionYielded, Failure, GroupDecided, ImportKept,
    MemoryWritten, MessageQueued, Meta, NewEvent, ScriptKept, TriggerRecorded, Wants,
};
use crate::domain::execution::{CANCELLED, Execution, Step};
use crate::domain::id::{DedupeKey, MessageId, ScriptHash, StreamName, Timestamp, UserId, Version};
use crate::domain::message::Doc;
use crate::domain::named::{Call, NamedEvent};
use crate::domain::order::NETWORK;
use crate::domain::path::{follows, inside};
use crate::domain::policy::OWNER;
use crate::domain::rule;
use crate::domain::trigger::{Place, Trigger, What};
use crate::domain::words::approvals;
use crate::domain::words::edits::{self, COMMAND_DELETED};
use crate::domain::words::executions as words;
use crate::script::host::memory::Scope;
use crate::script::journal::{Entry, Noted};
use crate::script::run::{End, Slice, shortened};
use crate::script::source::{Import, Script};
use crate::store::{EventStore, Expected, ReadError, Write};

/// How much of a command is quoted when it failed, in characters.
const COMMAND_CHARS_SHOWN: usize = 80;

/// What a slice comes to: events of the execution, and writes to other streams.
pub(super) struct Prepared {
    /// For the execution's own stream.
    pub events: Vec<NewEvent>,
    /// For messages, memories and script versions.
    pub others: Vec<Write>,
}

/// The versions of the memory streams that a slice read.
pub(super) type Reads = Arc<Mutex<BTreeMap<StreamName, Option<Version>>>>;

/// The stream of one remembered value.
pub(super) fn memory_stream(store: &dyn EventStore, scope: &str, key: &str) -> StreamName {
    StreamName::memory(&store.key().tag("memory", &[scope, key]))
}

/// Whose memory a script means, as it is recorded: a file, a room or a person.
pub(super) fn memory_of(started: &ExecutionStarted, scope: Scope) -> String {
    match scope {
        Scope::Script => started.handler.file.clone(),
        Scope::Room => format!("room {}", started.place.room),
        Scope::User => format!("user {}", started.requester.id),
    }
}

/// The write that keeps a version of a script or of a library.
pub(super) fn kept_under(key: DedupeKey, kept: ScriptKept) -> Write {
    let stream = StreamName::script(&kept.hash);
    let events = vec![NewEvent::bare(kept)];
    Write { stream, expected: Expected::Any, key: Some(key), events }
}

/// What is being written for one slice.
pub(super) struct Sheet<'a> {
    kernel: &'a Kernel,
    execution: &'a Execution,
    meta: Meta,
    now: Timestamp,
    events: Vec<NewEvent>,
    others: Vec<Write>,
    memories: BTreeMap<StreamName, Vec<NewEvent>>,
    seen: BTreeMap<StreamName, Option<Version>>,
    said: bool,
    attached: BTreeMap<String, Attached>,
    /// Where this slice said what.
    placed: BTreeMap<MessageId, Place>,
    /// The phrases of what this slice asked.
    phrases: Vec<String>,
    /// What this slice changed of alerts.
    alerting: Option<Alerting<'a>>,
    /// What this slice changed of silences.
    silencing: Option<Silencing<'a>>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(kernel: &'a Kernel, execution: &'a Execution) -> Self {
        Self {
            kernel,
            execution,
            meta: meta_of(execution),
            now: kernel.clock.now(),
            events: vec![],
            others: vec![],
            memories: BTreeMap::new(),
            seen: BTreeMap::new(),
            said: false,
            attached: BTreeMap::new(),
            placed: BTreeMap::new(),
            phrases: vec![],
            alerting: None,
            silencing: None,
        }
    }

    /// Writes down an event of the execution.
    pub(super) fn event(&mut self, event: impl Into<Event>) {
        self.events.push(NewEvent::with(&self.meta, event));
    }

    /// Keeps the script's source, once for each version.
    pub(super) fn keep_script(&mut self, script: &Script) -> Result<(), ReadError> {
        let key = DedupeKey::new(&["script", script.hash.as_str()]);
        let stream = StreamName::script(&script.hash);
        let begun = self.others.iter().any(|write| write.stream == stream);
        if !begun && self.kernel.store.find(&key)?.is_none() {
            let import = |import: &Import| ImportKept {
                file: import.file.clone(),
                hash: import.hash.clone(),
            };
            let kept = ScriptKept {
                file: script.file.clone(),
                hash: script.hash.clone(),
                source: script.source.clone(),
                imports: script.imports.iter().map(import).collect(),
            };
            self.others.push(kept_under(key, kept));
        }
        Ok(())
    }

    /// Writes down one effect and what follows from it.
    fn enter(&mut self, entry: &Entry, reads: &Reads) -> Result<(), ReadError> {
        let Entry { path, op, args, line, state } = entry;
        let (path, op, args, line) = (path.clone(), op.clone(), args.clone(), *line);
        match state {
            Noted::Done(result) => {
                let result = result.clone();
                if let Some(asked) = self.asked_of_action(entry)? {
                    self.event(asked);
                }
                self.event(EffectRecorded { path, op, args, line, result });
            }
            Noted::Waits { class, due } => {
                let (class, due) = (*class, *due);
                let decision = self.kernel.decided_on(self.execution, entry)?;
                let asked = EffectRequested { path, op, args, line, class, due, decision };
                self.event(asked);
                if let Some(lock) = self.kernel.lock_of(self.execution, entry)? {
                    self.event(lock);
                }
            }
            Noted::Decided { result, cancelled } => {
                let (result, cancelled) = (result.clone(), cancelled.clone());
                let how = approvals::NOT_NEEDED;
                let (kernel, execution) = (self.kernel, self.execution);
                let edits = kernel.closed_prompts(execution, cancelled.iter(), how, &self.meta);
                self.others.extend(edits);
                self.event(GroupDecided { path, result, cancelled });
            }
        }
        match entry.op.as_str() {
            "say" | "reply" | "tell" | "progress" => self.speak(entry)?,
            "update" | "done" | "fail" | "edit" => self.change(entry),
            "react" => self.react(entry),
            "ask" | "confirm" if matches!(entry.state, Noted::Waits { .. }) => {
                self.question(entry);
            }
            "approve" if matches!(entry.state, Noted::Waits { .. }) => self.approve(entry)?,
            "remember" => self.remember(entry, reads),
            "action" => self.keep_action(entry)?,
            "emit" => self.emit(entry),
            "alert" => self.alert(entry)?,
            // What was refused changes nothing.
            "silence" | "unsilence" if matches!(entry.state, Noted::Done(EffectResult::Err(_))) => {
            }
            "silence" => self.silence(entry)?,
            "unsilence" => self.unsilence(entry)?,
            "run" if matches!(entry.state, Noted::Waits { .. }) => self.call(entry),
            _ => {}
        }
        Ok(())
    }

    /// Keeps the script of an action that is written in Rhai: a replay runs the same version.
    fn keep_action(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let Noted::Done(EffectResult::Ok(begun)) = &entry.state else { return Ok(()) };
        let hash = ScriptHash(begun["script"].as_str().unwrap_or_default().to_owned());
        match self.kernel.scripts.version(&hash, self.kernel.store.as_ref())? {
            Some(script) => self.keep_script(&script),
            None => Ok(()),
        }
    }

    /// That an action is asked for that is written in Rhai, with what policies say of it. It begins at once, so that the
    /// result of its beginning stands behind it.
    fn asked_of_action(&self, entry: &Entry) -> Result<Option<EffectRequested>, ReadError> {
        let begun = matches!(entry.state, Noted::Done(EffectResult::Ok(_)));
        if entry.op != "action" || !begun {
            return Ok(None);
        }
        let decision = self.kernel.decided_on(self.execution, entry)?;
        let Entry { path, op, args, line, .. } = entry;
        let (path, op, args, line) = (path.clone(), op.clone(), args.clone(), *line);
        let class = EffectClass::Log;
        Ok(Some(EffectRequested { path, op, args, line, class, due: None, decision }))
    }

    /// What the slice attached to its messages is kept, or why it is not.
    pub(super) fn attach(&mut self, attached: BTreeMap<String, Attached>) {
        self.attached = attached;
    }

    pub(super) fn message_id(&self, path: &str) -> MessageId {
        self.kernel.store.key().message(self.execution.id.as_str(), path)
    }

    fn remember(&mut self, entry: &Entry, reads: &Reads) {
        let scope = memory_of(&self.execution.started, Scope::of(entry.args["scope"].as_str()));
        let key = entry.args["key"].as_str().unwrap_or_default().to_owned();
        let expires = entry.args["for_ms"].as_i64().map(|ms| self.now.plus_ms(ms));
        let value = entry.args["value"].clone();
        let stream = memory_stream(self.kernel.store.as_ref(), &scope, &key);
        let read = reads.lock().expect("the script has ended").get(&stream).copied();
        if let Some(version) = read {
            self.seen.insert(stream.clone(), version);
        }
        let event = NewEvent::with(&self.meta, MemoryWritten { scope, key, value, expires });
        self.memories.entry(stream).or_default().push(event);
    }

    fn emit(&mut self, entry: &Entry) {
        let name = entry.args["trigger"].as_str().unwrap_or_default().to_owned();
        let fields = entry.args["fields"].as_object().cloned().unwrap_or_default();
        let source = self.execution.id.to_string();
        self.trigger(entry, What::Event(NamedEvent { name, fields, source }));
    }

    fn call(&mut self, entry: &Entry) {
        let command = entry.args["command"].as_str().unwrap_or_default().to_owned();
        let (execution, path) = (self.execution.id.clone(), entry.path.clone());
        self.trigger(entry, What::Call(Call { execution, path, command }));
    }

    /// Records a trigger together with the effect that is one.
    fn trigger(&mut self, entry: &Entry, what: What) {
        let key = DedupeKey::new(&[&entry.op, self.execution.id.as_str(), &entry.path]);
        let stream = StreamName::trigger(&self.kernel.store.key().dedupe(&key));
        let trigger = Trigger { key: key.clone(), at: self.now, late: false, what };
        let events = vec![NewEvent::with(&self.meta, TriggerRecorded { trigger })];
        self.others.push(Write { stream, expected: Expected::NoStream, key: Some(key), events });
    }

    /// Says something.
    pub(super) fn queue(&mut self, message: MessageQueued) {
        self.said = true;
        self.placed.insert(message.message.clone(), message.place.clone());
        let mut message = message;
        // Nobody asked for what a rule does, and there is nothing to reply to.
        message.notify.retain(|id| !rule::is_rule(id));
        message.reply_to = message.reply_to.filter(|post| !post.as_str().is_empty());
        let nowhere = message.place.room.as_str().is_empty();
        if nowhere {
            let execution = self.execution.id.short();
            tracing::warn!(
                execution,
                "a rule without a room says something, and there is no management room"
            );
        }
        // At the command line nothing is said: who ordered is shown what came of it.
        if message.place.network != NETWORK && !nowhere {
            self.others.push(queued(&self.meta, message));
        }
    }

    /// Writes an event of another stream, which must not have moved on.
    pub(super) fn also(
        &mut self,
        stream: StreamName,
        at: Option<Version>,
        event: impl Into<Event>,
    ) {
        let expected = at.map_or(Expected::NoStream, Expected::Exact);
        self.others.push(write(stream, expected, vec![NewEvent::with(&self.meta, event)]));
    }

    /// Writes down what a slice did, and where it stopped; `how` are the words for a divergence.
    pub(super) fn close(
        &mut self,
        slice: &Slice,
        reads: &Reads,
        how: Option<String>,
    ) -> Result<(), ReadError> {
        let doubt = self.doubt(slice).map(str::to_owned);
        for entry in &slice.entries {
            // A group that failed for a doubt has not decided: the answer of a person may be another one.
            let undecided = doubt.as_ref().is_some_and(|doubt| inside(doubt, &entry.path));
            if !undecided || !matches!(entry.state, Noted::Decided { .. }) {
                self.enter(entry, reads)?;
            }
        }
        match (&slice.end, doubt) {
            (End::Suspended, _) => self.event(ExecutionSuspended {}),
            (End::Yielded, _) => self.event(ExecutionYielded {}),
            (End::Returned(value), _) => self.finished(Ending::Succeeded(value.clone())),
            (End::Diverged(_), _) => {
                let how = how.unwrap_or_default();
                self.tell_failure(&words::diverged(&how), None);
                self.finished(Ending::Diverged(how));
            }
            (End::Failed(failure), Some(path)) => self.ask_doubt(&path, failure),
            (End::Failed(failure), None) => self.failed(failure),
        }
        Ok(())
    }

    /// The effect in doubt that ended the script, if a person is to say what became of it.
    fn doubt(&self, slice: &Slice) -> Option<&str> {
        let End::Failed(failure) = &slice.end else { return None };
        if failure.kind != "in_doubt" || self.execution.cancelled.is_some() {
            return None;
        }
        let path = self.execution.last_doubt()?;
        (!slice.entries.iter().any(|entry| follows(&entry.path, path))).then_some(path)
    }

    /// An error ended the script; that nobody wanted it any more is no failure.
    fn failed(&mut self, failure: &Failure) {
        match &self.execution.cancelled {
            Some(cancelled) if failure.kind == CANCELLED => {
                let (by, reason) = (cancelled.by.clone(), cancelled.reason.clone());
                // Where that is told already, it is told again only if the script has undone something.
                let plain = cancelled.error(None)["message"] == *failure.message;
                let told = plain && self.kernel.told_called_off(self.execution);
                // Of a deleted command it is told by who looks after that: what is said here is erased with it.
                if !told && !is_deleted(self.execution) {
                    let message = self.message_id("failure");
                    let told = cancelled_message(self.execution, &failure.message);
                    self.queue(MessageQueued { message, ..told });
                }
                self.finished(Ending::Cancelled { by, reason });
            }
            _ => {
                self.tell_failure(&failure.message, Some(failure));
                self.finished(Ending::Failed(failure.clone()));
            }
        }
    }

    /// Nobody knows whether an effect was done, and the script does not care for it: a person must say.
    fn ask_doubt(&mut self, path: &str, failure: &Failure) {
        if self.execution.steps.get(path).is_some_and(Step::asks) {
            // Something else came meanwhile; they have been asked.
            return self.event(ExecutionSuspended {});
        }
        let started = &self.execution.started;
        let who = &started.requester;
        let command = shortened(&started.command, COMMAND_CHARS_SHOWN);
        let id = self.execution.id.short();
        let text = words::was_it_done(&who.name, &failure.message, &command, id);
        let (from, roles) = self.for_whom();
        self.ask(Asking { from, roles, ..Asking::new(path, Wants::Doubt, text) });
        self.event(ExecutionSuspended {});
    }

    /// Who answers what nobody in particular is asked: whoever wanted it, or those who look after the bot.
    pub(super) fn for_whom(&self) -> (Vec<UserId>, Vec<String>) {
        let asker = &self.execution.started.requester.id;
        match rule::is_rule(asker) {
            true => (vec![], vec![OWNER.to_owned()]),
            false => (vec![asker.clone()], vec![]),
        }
    }

    /// On whose server people are that a script names without one.
    fn asker(&self) -> UserId {
        let asker = &self.execution.started.requester.id;
        match rule::is_rule(asker) {
            true => self.kernel.own_id(),
            false => asker.clone(),
        }
    }

    pub(super) fn fail(&mut self, kind: &str, message: String) {
        let file = self.execution.started.handler.file.clone();
        let failure = Failure { kind: kind.into(), message, file, line: 0, column: 0 };
        self.tell_failure(&failure.message, Some(&failure));
        self.finished(Ending::Failed(failure));
    }

    /// Tells the asker; what was called by a script tells that script.
    fn tell_failure(&mut self, message: &str, at: Option<&Failure>) {
        if let Ok(Some(_)) = self.kernel.call_of(&self.execution.started.trigger) {
            return;
        }
        let message = failure_message(self.execution, message, at);
        let id = self.message_id("failure");
        self.queue(MessageQueued { message: id, ..message });
    }

    /// Ends the execution.
    pub(super) fn finished(&mut self, ending: Ending) {
        self.event(ExecutionFinished { ending });
    }

    /// What was read of the memory must still be true when the slice is appended.
    pub(super) fn check_reads(&mut self, reads: &Reads) {
        for (stream, version) in reads.lock().expect("the script has ended").iter() {
            self.seen.insert(stream.clone(), *version);
            self.memories.entry(stream.clone()).or_default();
        }
    }

    /// Adds writes to other streams.
    pub(super) fn write(&mut self, writes: Vec<Write>) {
        self.others.extend(writes);
    }

    pub(super) fn finish(mut self) -> Prepared {
        for (stream, events) in std::mem::take(&mut self.memories) {
            let expected = match self.seen.get(&stream) {
                None => Expected::Any,
                Some(None) => Expected::NoStream,
                Some(Some(version)) => Expected::Exact(*version),
            };
            self.others.push(write(stream, expected, events));
        }
        self.others.extend(self.alerting.take().map(Alerting::finish).into_iter().flatten());
        self.others.extend(self.silencing.take().map(Silencing::finish).into_iter().flatten());
        Prepared { events: self.events, others: self.others }
    }
}

/// The write that queues a message.
pub(super) fn queued(meta: &Meta, message: MessageQueued) -> Write {
    let message = MessageQueued { doc: message.doc.stored(), ..message };
    let stream = StreamName::message(&message.message);
    let room = Some(message.place.room.clone());
    let meta = Meta { room, ..meta.clone() };
    write(stream, Expected::NoStream, vec![NewEvent::with(&meta, message)])
}

/// What the asker is told when an execution fails.
pub(super) fn failure_message(
    execution: &Execution,
    message: &str,
    at: Option<&Failure>,
) -> MessageQueued {
    let started = &execution.started;
    let place = at.filter(|failure| failure.line > 0);
    let place = place.map_or(started.handler.file.clone(), |at| format!("{}:{}", at.file, at.line));
    let command = match is_deleted(execution) {
        true => edits::DELETED.to_owned(),
        false => shortened(&started.command, COMMAND_CHARS_SHOWN),
    };
    let (name, id) = (&started.requester.name, execution.id.short());
    let text = words::failed(name, &command, message, &place, id);
    MessageQueued {
        message: MessageId(String::new()),
        place: started.place.clone(),
        reply_to: Some(started.post.clone()),
        edits: None,
        doc: Doc::text(&text),
        attachment: None,
        notify: vec![started.requester.id.clone()],
        execution: Some(execution.id.clone()),
        question: None,
    }
}

/// Whether its command was deleted: what was said is not repeated then.
fn is_deleted(execution: &Execution) -> bool {
    execution.cancelled.as_ref().is_some_and(|cancelled| cancelled.reason == COMMAND_DELETED)
}

/// What the asker is told when an execution is over because somebody cancelled it.
pub(super) fn cancelled_message(execution: &Execution, message: &str) -> MessageQueued {
    let told = failure_message(execution, message, None);
    let started = &execution.started;
    let (name, id) = (&started.requester.name, execution.id.short());
    let command = shortened(&started.command, COMMAND_CHARS_SHOWN);
    let text = words::is_over(name, &command, message, id);
    MessageQueued { doc: Doc::text(&text), ..told }
}
