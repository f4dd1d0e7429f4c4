//! Turns what a slice did into the events and writes of one batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{Kernel, meta_of, write};
use crate::domain::event::{
    EffectRecorded, EffectRequested, Ending, Event, ExecutionFinished, ExecutionSuspended,
    ExecutionYielded, Failure, GroupDecided, ImportKept, MemoryWritten, MessageQueued, Meta,
    NewEvent, QuestionAsked, ScriptKept, Wants,
};
use crate::domain::execution::{CANCELLED, Execution, Step};
use crate::domain::id::{
    DedupeKey, MessageId, PostId, RoomId, StreamName, Timestamp, UserId, Version,
};
use crate::domain::message::Doc;
use crate::domain::path::{follows, inside};
use crate::domain::trigger::Place;
use crate::script::host::memory::Scope;
use crate::script::journal::{Entry, Noted};
use crate::script::run::{End, Slice, shortened};
use crate::script::source::{Ack, Import, Script};
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
pub(super) fn memory_of(execution: &Execution, scope: Scope) -> String {
    let started = &execution.started;
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
    /// Where this slice said what.
    placed: BTreeMap<MessageId, Place>,
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
            placed: BTreeMap::new(),
        }
    }

    /// Writes down an event of the execution.
    pub(super) fn event(&mut self, event: impl Into<Event>) {
        self.events.push(NewEvent::with(&self.meta, event));
    }

    /// Keeps the script's source, once for each version.
    pub(super) fn keep_script(&mut self, script: &Script) -> Result<(), ReadError> {
        let key = DedupeKey::new(&["script", script.hash.as_str()]);
        if self.kernel.store.find(&key)?.is_none() {
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
    fn enter(&mut self, entry: &Entry, reads: &Reads) {
        let Entry { path, op, args, line, state } = entry;
        let (path, op, args, line) = (path.clone(), op.clone(), args.clone(), *line);
        match state {
            Noted::Done(result) => {
                let result = result.clone();
                self.event(EffectRecorded { path, op, args, line, result });
            }
            Noted::Waits { class, due } => {
                let (class, due) = (*class, *due);
                self.event(EffectRequested { path, op, args, line, class, due });
            }
            Noted::Decided { result, cancelled } => {
                let (result, cancelled) = (result.clone(), cancelled.clone());
                self.event(GroupDecided { path, result, cancelled });
            }
        }
        match entry.op.as_str() {
            "say" | "reply" | "tell" | "progress" => self.speak(entry),
            "update" | "done" | "fail" | "edit" => self.change(entry),
            "react" => self.react(entry),
            "ask" | "confirm" => self.question(entry),
            "remember" => self.remember(entry, reads),
            _ => {}
        }
    }

    pub(super) fn message_id(&self, path: &str) -> MessageId {
        self.kernel.store.key().message(self.execution.id.as_str(), path)
    }

    fn speak(&mut self, entry: &Entry) {
        let (started, args) = (&self.execution.started, &entry.args);
        let (here, asker) = (&started.place, &started.requester.id);
        let place = match (entry.op.as_str(), args["room"].as_str(), args["user"].as_str()) {
            ("tell", _, Some(user)) => {
                let person = full_id(user, asker);
                Place { direct: true, ..elsewhere(here, person.as_str()) }
            }
            ("say", Some(room), _) if room != here.name && room != here.room.as_str() => {
                elsewhere(here, room)
            }
            _ => here.clone(),
        };
        let answers = matches!(entry.op.as_str(), "reply" | "progress");
        let reply_to = match args["reply_to"].as_str() {
            Some(post) => Some(post_id(post)),
            None => answers.then(|| started.post.clone()),
        };
        let notify = match args["notify"].as_array() {
            Some(list) => {
                list.iter().filter_map(Value::as_str).map(|name| full_id(name, asker)).collect()
            }
            None if entry.op == "reply" => vec![asker.clone()],
            None => vec![],
        };
        let message = self.message_id(&entry.path);
        self.queue(MessageQueued {
            message,
            place,
            reply_to,
            edits: None,
            doc: said(args),
            notify,
            execution: Some(self.execution.id.clone()),
            question: None,
        });
    }

    fn change(&mut self, entry: &Entry) {
        let percent = entry.args["percent"].as_i64();
        let percent = percent.map(|percent| Doc::text(&format!(" ({percent} %)")));
        let doc = said(&entry.args).joined(percent.unwrap_or_default());
        let target = entry.args["progress"].as_str().or(entry.args["post"].as_str());
        let target = MessageId(target.unwrap_or_default().to_owned());
        let message = self.message_id(&entry.path);
        self.queue(MessageQueued {
            message,
            place: self.place_of(&target),
            reply_to: None,
            edits: Some(target),
            doc,
            notify: vec![],
            execution: Some(self.execution.id.clone()),
            question: None,
        });
    }

    fn react(&mut self, entry: &Entry) {
        let post = entry.args["post"].as_str();
        let post = post.map_or_else(|| self.execution.started.post.clone(), post_id);
        let place = post.message().map(|message| self.place_of(&message));
        let message = self.message_id(&entry.path);
        self.queue(MessageQueued {
            message,
            place: place.unwrap_or_else(|| self.execution.started.place.clone()),
            reply_to: Some(post),
            edits: None,
            doc: Doc::of_reaction(entry.args["emoji"].as_str().unwrap_or_default()),
            notify: vec![],
            execution: Some(self.execution.id.clone()),
            question: None,
        });
    }

    /// Where a message of the bot stands; what is not known any more counts as said here, and cannot be changed.
    fn place_of(&self, message: &MessageId) -> Place {
        let known = self.placed.get(message).cloned();
        let kept = || self.kernel.queued(message).ok().flatten().map(|queued| queued.place);
        known.or_else(kept).unwrap_or_else(|| self.execution.started.place.clone())
    }

    fn question(&mut self, entry: &Entry) {
        let started = &self.execution.started;
        let list = |name: &str| -> Vec<String> {
            let items = entry.args[name].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let text = entry.args["question"].as_str().unwrap_or_default().to_owned();
        let mut from: Vec<UserId> =
            list("from").iter().map(|name| full_id(name, &started.requester.id)).collect();
        if from.is_empty() {
            from.push(started.requester.id.clone());
        }
        let choices = list("choices");
        let wants = if entry.op == "confirm" { Wants::YesNo } else { Wants::Text };
        self.ask(&entry.path, wants, text, from, choices);
    }

    /// Asks people something.
    pub(super) fn ask(
        &mut self,
        path: &str,
        wants: Wants,
        text: String,
        from: Vec<UserId>,
        choices: Vec<String>,
    ) {
        let started = &self.execution.started;
        let suffix = match wants {
            Wants::YesNo => " (yes or no)".to_owned(),
            Wants::Doubt => " (done, not done, or give up)".to_owned(),
            Wants::Text if choices.is_empty() => String::new(),
            // The question lists them itself.
            Wants::Text if choices.iter().all(|choice| text.contains(choice)) => String::new(),
            Wants::Text => format!(" ({})", choices.join(", ")),
        };
        let place = match wants {
            Wants::Doubt => format!("{path}-doubt-{}", self.execution.version),
            Wants::YesNo | Wants::Text => path.to_owned(),
        };
        let message = self.message_id(&place);
        let queued = MessageQueued {
            message: message.clone(),
            place: started.place.clone(),
            reply_to: Some(started.post.clone()),
            edits: None,
            doc: Doc::text(&format!("{text}{suffix}")),
            notify: from.clone(),
            execution: Some(self.execution.id.clone()),
            question: Some(path.to_owned()),
        };
        let path = path.to_owned();
        self.event(QuestionAsked { path, wants, text, from, choices, message });
        self.queue(queued);
    }

    fn remember(&mut self, entry: &Entry, reads: &Reads) {
        let scope = memory_of(self.execution, Scope::of(entry.args["scope"].as_str()));
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

    /// Says something.
    pub(super) fn queue(&mut self, message: MessageQueued) {
        self.said = true;
        self.placed.insert(message.message.clone(), message.place.clone());
        self.others.push(queued(&self.meta, message));
    }

    /// Writes down what a slice did, and where it stopped; `how` are the words for a divergence.
    pub(super) fn close(&mut self, slice: &Slice, reads: &Reads, how: Option<String>) {
        let doubt = self.doubt(slice).map(str::to_owned);
        for entry in &slice.entries {
            // A group that failed for a doubt has not decided: the answer of a person may be another one.
            let undecided = doubt.as_ref().is_some_and(|doubt| inside(doubt, &entry.path));
            if !undecided || !matches!(entry.state, Noted::Decided { .. }) {
                self.enter(entry, reads);
            }
        }
        match (&slice.end, doubt) {
            (End::Suspended, _) => self.event(ExecutionSuspended {}),
            (End::Yielded, _) => self.event(ExecutionYielded {}),
            (End::Returned(value), _) => self.finished(Ending::Succeeded(value.clone())),
            (End::Diverged(_), _) => {
                let how = how.unwrap_or_default();
                self.tell_failure(&format!("the script no longer does what it did: {how}"), None);
                self.finished(Ending::Diverged(how));
            }
            (End::Failed(failure), Some(path)) => self.ask_doubt(&path, failure),
            (End::Failed(failure), None) => self.failed(failure),
        }
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
                let message = self.message_id("failure");
                let told = cancelled_message(self.execution, &failure.message);
                self.queue(MessageQueued { message, ..told });
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
        let text = format!(
            "{}: {} (“{}”, execution {}). Was it done?",
            who.name,
            failure.message,
            shortened(&started.command, COMMAND_CHARS_SHOWN),
            self.execution.id.short()
        );
        self.ask(path, Wants::Doubt, text, vec![who.id.clone()], vec![]);
        self.event(ExecutionSuspended {});
    }

    pub(super) fn fail(&mut self, kind: &str, message: String) {
        let file = self.execution.started.handler.file.clone();
        let failure = Failure { kind: kind.into(), message, file, line: 0, column: 0 };
        self.tell_failure(&failure.message, Some(&failure));
        self.finished(Ending::Failed(failure));
    }

    fn tell_failure(&mut self, message: &str, at: Option<&Failure>) {
        let message = failure_message(self.execution, message, at);
        let id = self.message_id("failure");
        self.queue(MessageQueued { message: id, ..message });
    }

    /// Ends the execution.
    pub(super) fn finished(&mut self, ending: Ending) {
        self.event(ExecutionFinished { ending });
    }

    /// Tells the asker that it takes a while, unless the script has said something itself.
    pub(super) fn acknowledge(&mut self, slice: &Slice, ack: &Ack) {
        let takes_time = |entry: &Entry| matches!(entry.op.as_str(), "exec" | "sleep");
        let waits = slice
            .entries
            .iter()
            .any(|entry| matches!(entry.state, Noted::Waits { .. }) && takes_time(entry));
        let started = &self.execution.started;
        let short = self.execution.id.short();
        let text = match ack {
            Ack::Silent => return,
            Ack::Usual => format!("On it, {}: execution {short}", started.requester.name),
            Ack::Text(text) => format!("{text} (execution {short})"),
        };
        if slice.end != End::Suspended || !waits || self.said {
            return;
        }
        let message = MessageQueued {
            message: self.message_id("ack"),
            place: started.place.clone(),
            reply_to: Some(started.post.clone()),
            edits: None,
            doc: Doc::text(&text),
            notify: vec![],
            execution: Some(self.execution.id.clone()),
            question: None,
        };
        self.queue(message);
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
    let text = format!(
        "{}: “{}” failed: {message} ({place}, execution {})",
        started.requester.name,
        shortened(&started.command, COMMAND_CHARS_SHOWN),
        execution.id.short()
    );
    MessageQueued {
        message: MessageId(String::new()),
        place: started.place.clone(),
        reply_to: Some(started.post.clone()),
        edits: None,
        doc: Doc::text(&text),
        notify: vec![started.requester.id.clone()],
        execution: Some(execution.id.clone()),
        question: None,
    }
}

/// What a call says.
fn said(args: &Value) -> Doc {
    let doc = args.get("doc").and_then(|doc| serde_json::from_value(doc.clone()).ok());
    doc.unwrap_or_else(|| Doc::text(args["text"].as_str().unwrap_or_default()))
}

/// A post as scripts name it: that of a network, or a message of the bot.
fn post_id(text: &str) -> PostId {
    match text.starts_with('$') {
        true => PostId(text.to_owned()),
        false => PostId::of_message(&MessageId(text.to_owned())),
    }
}

/// What the asker is told when an execution is over because somebody cancelled it.
pub(super) fn cancelled_message(execution: &Execution, message: &str) -> MessageQueued {
    let told = failure_message(execution, message, None);
    let started = &execution.started;
    let text = format!(
        "{}: “{}” is over, {message} (execution {})",
        started.requester.name,
        shortened(&started.command, COMMAND_CHARS_SHOWN),
        execution.id.short()
    );
    MessageQueued { doc: Doc::text(&text), ..told }
}

/// Another room on the same network.
fn elsewhere(place: &Place, room: &str) -> Place {
    Place {
        network: place.network.clone(),
        room: RoomId(room.to_owned()),
        name: room.to_owned(),
        thread: None,
        direct: false,
        encrypted: false,
    }
}

/// A person as a script names them; without a server, one on the asker's.
fn full_id(name: &str, asker: &UserId) -> UserId {
    let bare = name.trim_start_matches('@');
    match (bare.contains(':'), asker.as_str().split_once(':')) {
        (false, Some((_, server))) => UserId(format!("@{bare}:{server}")),
        _ => UserId(format!("@{bare}")),
    }
}
