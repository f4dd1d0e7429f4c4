//! What an event belongs to: its execution, who began it and where; each is read once and remembered for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::erased::Erased;
use super::executions;
use super::filter::Standing;
use super::subjects::room_of;
use crate::domain::builtin::Builtin;
use crate::domain::event::{Ending, Event, Recorded, Verdict};
use crate::domain::execution::{Execution, Status};
use crate::domain::id::{ExecutionId, MessageId, PostId, RoomId, StreamName, Version};
use crate::domain::trigger::{Speaker, What};
use crate::store::{Direction, EventStore, ReadError};

/// Most triggers, and most executions, that are remembered; then all are forgotten.
pub const REMEMBERED_MAX: usize = 4_096;

/// A trigger with what was decided on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cause {
    /// Who did it.
    pub speaker: Option<Speaker>,
    /// Where: the room and what it was called.
    pub room: Option<(RoomId, String)>,
    /// The post.
    pub post: Option<PostId>,
    /// The network of the room.
    pub network: Option<String>,
    /// What was considered for it.
    pub considered: Vec<String>,
    /// The execution that it started or went on with.
    pub execution: Option<ExecutionId>,
}

/// What filters ask of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Its id.
    pub id: ExecutionId,
    /// The alias that it runs.
    pub alias: String,
    /// The built-in handler that it runs.
    pub builtin: Option<Builtin>,
    /// Where it stands.
    pub standing: Standing,
    /// The actions that it asked for.
    pub actions: BTreeSet<String>,
    /// The trigger that it began with.
    pub trigger: StreamName,
    /// The command that it started, if it only asked what was meant.
    pub became: Option<ExecutionId>,
}

/// Reads what events belong to.
pub struct Lookup<'a> {
    /// The log.
    pub store: &'a dyn EventStore,
    /// Who erased what.
    pub erased: Erased,
    causes: BTreeMap<StreamName, Rc<Cause>>,
    facts: BTreeMap<ExecutionId, Known>,
}

/// The facts of an execution, and the version of its stream that they are of.
struct Known {
    version: Option<Version>,
    facts: Option<Rc<Facts>>,
}

impl<'a> Lookup<'a> {
    /// Nothing is remembered yet.
    pub fn new(store: &'a dyn EventStore) -> Self {
        Self { store, erased: Erased::default(), causes: BTreeMap::new(), facts: BTreeMap::new() }
    }

    /// The trigger of a stream.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn cause(&mut self, stream: &StreamName) -> Result<Rc<Cause>, ReadError> {
        if let Some(known) = self.causes.get(stream) {
            return Ok(known.clone());
        }
        let events = self.store.read(stream, Version::START, Direction::Forward, 2)?;
        let cause = Rc::new(cause_of(&events));
        if self.causes.len() >= REMEMBERED_MAX {
            self.causes.clear();
        }
        // One that is not decided yet is decided soon.
        if events.len() > 1 {
            self.causes.insert(stream.clone(), cause.clone());
        }
        Ok(cause)
    }

    /// What there is to know of an execution; none: there is none that can be read.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn facts(&mut self, id: &ExecutionId) -> Result<Option<Rc<Facts>>, ReadError> {
        // Its version is asked first: what comes between the two is read once more.
        let version = self.store.version(&StreamName::execution(id))?;
        if let Some(known) = self.facts.get(id).filter(|known| known.version == version) {
            return Ok(known.facts.clone());
        }
        let execution = executions::seen(self.store, id)?;
        let facts = execution.as_ref().map(facts_of).map(Rc::new);
        if self.facts.len() >= REMEMBERED_MAX {
            self.facts.clear();
        }
        self.facts.insert(id.clone(), Known { version, facts: facts.clone() });
        Ok(facts)
    }

    /// The same of the command itself, where the execution only asked what was meant.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn facts_of_command(&mut self, id: &ExecutionId) -> Result<Option<Rc<Facts>>, ReadError> {
        let facts = self.facts(id)?;
        match facts.as_ref().and_then(|facts| facts.became.clone()) {
            Some(command) => Ok(self.facts(&command)?.or(facts)),
            None => Ok(facts),
        }
    }

    /// The execution that an event belongs to.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn execution(&mut self, event: &Recorded) -> Result<Option<ExecutionId>, ReadError> {
        let stream = &event.id.stream;
        match stream.category() {
            "execution" => Ok(Some(ExecutionId(stream.id().to_owned()))),
            "message" => Ok(self.queued(event)?.and_then(|queued| match queued.event() {
                Some(Event::MessageQueued(queued)) => queued.execution.clone(),
                _ => None,
            })),
            "trigger" => Ok(self.cause(stream)?.execution.clone()),
            _ => match &event.correlation {
                Some(trigger) => Ok(self.cause(trigger)?.execution.clone()),
                None => Ok(None),
            },
        }
    }

    /// The event that queued the message of a stream.
    fn queued(&self, event: &Recorded) -> Result<Option<Recorded>, ReadError> {
        if event.id.version == Version::START {
            return Ok(Some(event.clone()));
        }
        let first = self.store.read(&event.id.stream, Version::START, Direction::Forward, 1)?;
        Ok(first.into_iter().next())
    }

    /// The trigger that an event belongs to.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn cause_of(&mut self, event: &Recorded) -> Result<Option<Rc<Cause>>, ReadError> {
        let own = (event.id.stream.category() == "trigger").then_some(&event.id.stream);
        own.or(event.correlation.as_ref()).map(|stream| self.cause(stream)).transpose()
    }

    /// Who did an event, as far as it can be read: an event without an actor was done by the bot.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn speaker(&mut self, event: &Recorded) -> Result<Option<Speaker>, ReadError> {
        if event.actor.is_none() {
            return Ok(None);
        }
        Ok(self.cause_of(event)?.and_then(|cause| cause.speaker.clone()))
    }

    /// Where an event happened, as far as it can be read.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn room(&mut self, event: &Recorded) -> Result<Option<(RoomId, String)>, ReadError> {
        if event.room.is_none() {
            return Ok(None);
        }
        if let Some(room) = room_of(event) {
            return Ok(Some(room));
        }
        if event.id.stream.category() == "message" {
            return Ok(self.queued(event)?.as_ref().and_then(room_of));
        }
        Ok(self.cause_of(event)?.and_then(|cause| cause.room.clone()))
    }

    /// The post that an event is about, with its room and the room's network: what was said, or what the bot said.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn post(
        &mut self,
        event: &Recorded,
    ) -> Result<Option<(RoomId, PostId, String)>, ReadError> {
        if event.id.stream.category() == "message" {
            let queued = self.queued(event)?;
            let Some(Event::MessageQueued(queued)) = queued.as_ref().and_then(Recorded::event)
            else {
                return Ok(None);
            };
            let place = queued.place.clone();
            let post = self.sent(&queued.message)?;
            return Ok(post.map(|post| (place.room, post, place.network)));
        }
        let Some(cause) = self.cause_of(event)? else { return Ok(None) };
        let (room, post) = (cause.room.as_ref().map(|(id, _)| id.clone()), cause.post.clone());
        let network = cause.network.clone().unwrap_or_default();
        Ok(room.zip(post).map(|(room, post)| (room, post, network)))
    }

    fn sent(&self, message: &MessageId) -> Result<Option<PostId>, ReadError> {
        let stream = StreamName::message(message);
        let sent = self.store.read(&stream, Version(1), Direction::Forward, 1)?;
        Ok(match sent.first().and_then(Recorded::event) {
            Some(Event::MessageSent(sent)) => Some(sent.post.clone()),
            _ => None,
        })
    }
}

/// A trigger from its record and its decision.
fn cause_of(events: &[Recorded]) -> Cause {
    let mut cause = Cause::default();
    for event in events.iter().filter_map(Recorded::event) {
        match event {
            Event::TriggerRecorded(e) => {
                let trigger = &e.trigger;
                cause.speaker = trigger.speaker().cloned();
                let place = trigger.place();
                cause.room = place.map(|place| (place.room.clone(), place.name.clone()));
                cause.network = place.map(|place| place.network.clone());
                cause.post = match &trigger.what {
                    What::Message(message) => Some(message.post.clone()),
                    What::Reaction(reaction) => Some(reaction.target.clone()),
                    What::Undecryptable(event) => Some(event.post.clone()),
                    What::Timer(_)
                    | What::Order(_)
                    | What::Event(_)
                    | What::Call(_)
                    | What::Deleted(_) => None,
                };
                match &trigger.what {
                    What::Timer(timer) => cause.execution = Some(timer.execution.clone()),
                    What::Call(call) => cause.execution = Some(call.execution.clone()),
                    _ => {}
                }
            }
            Event::TriggerRouted(e) => {
                for outcome in &e.outcomes {
                    cause.considered.push(outcome.considered.clone());
                    if let Verdict::Started(id) | Verdict::Continued(id) = &outcome.verdict {
                        cause.execution.get_or_insert(id.clone());
                    }
                }
            }
            _ => {}
        }
    }
    cause
}

fn facts_of(execution: &Execution) -> Facts {
    let handler = &execution.started.handler;
    let action = |args: &serde_json::Value| args["action"].as_str().map(str::to_owned);
    Facts {
        id: execution.id.clone(),
        alias: handler.alias.clone(),
        builtin: Builtin::of(handler),
        standing: standing(execution),
        actions: execution.steps.values().filter_map(|step| action(&step.args)).collect(),
        trigger: execution.started.trigger.stream.clone(),
        became: became(execution),
    }
}

/// The command that an execution started which asked what was meant.
pub fn became(execution: &Execution) -> Option<ExecutionId> {
    let asks_back = Builtin::of(&execution.started.handler) == Some(Builtin::Clarify);
    match &execution.ending {
        Some(Ending::Succeeded(value)) if asks_back => {
            value["started"].as_str().map(|id| ExecutionId(id.to_owned()))
        }
        _ => None,
    }
}

/// Where an execution stands, as people ask for it.
pub fn standing(execution: &Execution) -> Standing {
    match &execution.ending {
        Some(Ending::Succeeded(_)) => return Standing::Succeeded,
        Some(Ending::Diverged(_)) => return Standing::Diverged,
        Some(Ending::Failed(_)) => return Standing::Failed,
        Some(Ending::Cancelled { .. }) => return Standing::Cancelled,
        None => {}
    }
    if execution.steps.values().any(|step| step.in_doubt) {
        return Standing::InDoubt;
    }
    match execution.status() {
        Status::Asking | Status::Sleeping => Standing::Waiting,
        Status::Cancelled => Standing::Cancelled,
        Status::Diverged => Standing::Diverged,
        Status::Ready | Status::Running | Status::Succeeded | Status::Failed => Standing::Running,
    }
}
