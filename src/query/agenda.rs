//! What is still to be done, as a fold of the log: undecided triggers, ready executions, effects, timers, unsent messages.
//!
//! It holds positions, paths and pseudonyms only, so that nothing in it has to be erased.

pub mod alerts;
mod asked;
mod counts;
mod erased;
mod manners;
mod rows;
mod wakes;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compose::Compose;
use super::locks::Locks;
use super::unreadable::Unreadable;
use crate::domain::approval;
use crate::domain::builtin::Builtin;
use crate::domain::deletion;
use crate::domain::event::{
    ApprovalVoided, ApprovalVoted, EffectClass, Event, Outcome, Payload, Recorded, Resolution,
    Verdict, Wants,
};
use crate::domain::id::{ExecutionId, MessageId, Position, Pseudonym, StreamName, Timestamp};
use crate::domain::reminder::timer_path;
use crate::domain::trigger::What;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

use self::alerts::Alerts;
use self::manners::Manners;
use self::rows::Changed;
use self::wakes::Wakes;
pub use self::work::{Budget, Task, Work};

/// The projection that keeps it.
pub const PROJECTION: &str = "agenda-12";
/// Shortest time between two edits of one message.
pub const EDIT_INTERVAL_MS: i64 = 2_000;

/// The open work, at a position of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agenda {
    /// Everything before this position is in it.
    pub checkpoint: Position,
    undecided: BTreeMap<String, BTreeMap<Position, StreamName>>,
    lanes: BTreeMap<StreamName, (String, Position)>,
    open: BTreeMap<ExecutionId, Open>,
    ready: BTreeSet<ExecutionId>,
    effects: BTreeSet<(ExecutionId, String)>,
    asked: BTreeMap<String, BTreeSet<(Position, ExecutionId, String)>>,
    /// What stands for the phrases of open questions, and how many have each.
    phrases: BTreeMap<String, usize>,
    timers: BTreeSet<(Timestamp, ExecutionId, String)>,
    unsent: BTreeMap<String, BTreeMap<Position, Unsent>>,
    queued: BTreeMap<MessageId, (String, Position)>,
    edited: BTreeMap<MessageId, Timestamp>,
    locks: Locks,
    /// The built-in executions that take in more of the same, by what they gather.
    gathering: BTreeMap<String, ExecutionId>,
    /// What executions wait for from one another.
    pub compose: Compose,
    /// The triggers that could not be read.
    pub unreadable: Unreadable,
    /// How people and bots talk.
    pub manners: Manners,
    /// The alerts that are not over.
    pub alerts: Alerts,
    /// What is looked at again by itself.
    pub wakes: Wakes,
    changed: Changed,
}

/// An execution that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Open {
    effects: BTreeMap<String, Stage>,
    questions: BTreeMap<String, Asked>,
    timers: BTreeMap<String, Timestamp>,
    /// What it gathers.
    gathers: Option<String>,
    /// Where it began.
    at: Position,
}

/// How far an effect has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Requested,
    Started,
    /// It is under way, and nobody wants it any more.
    Stopping,
    InDoubt,
    /// An attempt has failed, and the next one comes then.
    Again(Timestamp),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    room: String,
    at: Position,
    doubt: bool,
    /// What stands for its phrase.
    tag: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Unsent {
    message: MessageId,
    edits: Option<MessageId>,
}

impl Agenda {
    /// Goes on to the head of the log.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    pub fn catch_up(&mut self, store: &dyn EventStore) -> Result<(), ReadError> {
        while self.checkpoint < store.next_position() {
            let page = store.read_all(self.checkpoint, Direction::Forward, READ_EVENTS_MAX)?;
            if page.is_empty() {
                break;
            }
            for recorded in &page {
                known(recorded)?;
                self.apply(recorded);
            }
        }
        Ok(())
    }

    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.checkpoint = recorded.position.next();
        self.touch(&recorded.id.stream);
        self.unreadable.apply(recorded);
        self.manners.apply(recorded);
        let Some(event) = recorded.event() else { return self.apply_unreadable(recorded) };
        match event {
            Event::TriggerRecorded(e) => {
                let lane = match &e.trigger.what {
                    What::Timer(timer) => format!("timer {}", timer.execution),
                    What::Event(_) => "events".to_owned(),
                    What::Call(call) => {
                        self.touch_all([call.execution.clone()]);
                        self.compose.call(&recorded.id.stream, &call.execution, &call.path);
                        format!("call {}", call.execution)
                    }
                    What::Message(_)
                    | What::Reaction(_)
                    | What::Undecryptable(_)
                    | What::Deleted(_)
                    | What::Order(_) => {
                        format!("room {}", pseudonym(recorded.room.as_ref()))
                    }
                };
                self.waits_for_decision(&recorded.id.stream, lane, recorded.position);
            }
            Event::TriggerRouted(e) => {
                let started = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Started(_));
                if !e.outcomes.iter().any(started) {
                    let caller = self.compose.refused(&recorded.id.stream);
                    self.touch_all(caller);
                }
                self.decided(&recorded.id.stream);
            }
            Event::MessageQueued(e) => {
                let lane = lane_to(recorded.room.as_ref());
                let unsent = Unsent { message: e.message.clone(), edits: e.edits.clone() };
                self.waits_to_be_sent(lane, recorded.position, unsent);
            }
            Event::MessageSent(_) => self.sent(&recorded.id.stream, Some(recorded.wall)),
            Event::MessageSuperseded(_) | Event::MessageFailed(_) => {
                self.sent(&recorded.id.stream, None);
            }
            Event::WakePlanned(e) => self.wakes.plan(&recorded.id.stream, e.due),
            Event::AlertRaised(_) => self.alerts.opened(&recorded.id.stream),
            Event::AlertResolved(_) => self.alerts.closed(&recorded.id.stream),
            Event::LogCreated(_)
            | Event::StoreRebuilt(_)
            | Event::ClockStepped(_)
            | Event::SyncAdvanced(_)
            | Event::ScriptKept(_)
            | Event::IntakePaused(_)
            | Event::IntakeResumed(_)
            | Event::EventsErased(_)
            | Event::TreeHead(_)
            | Event::BackupMade(_)
            | Event::LogRestored(_)
            | Event::LogTrimmed(_)
            | Event::InviteDecided(_)
            | Event::GapFilled(_)
            | Event::GapAbandoned(_)
            | Event::RoomUpgraded(_)
            | Event::RoomBridged(_)
            | Event::BridgeWanted(_)
            | Event::BridgeStep(_)
            | Event::BridgeStands(_)
            | Event::BridgeFailed(_)
            | Event::BridgeRemoved(_)
            | Event::BridgeChannelLost(_)
            | Event::BridgeChannelBack(_)
            | Event::BridgeRenamed(_)
            | Event::BridgeLost(_)
            | Event::BridgeBack(_)
            | Event::BridgeSilent(_)
            | Event::BridgeAnswers(_)
            | Event::AccountChecked(_)
            | Event::RoomHinted(_)
            | Event::EventDecrypted(_)
            | Event::EventWithheld(_)
            | Event::EventGivenUp(_)
            | Event::InvitesDeclined(_)
            | Event::RoomJoined(_)
            | Event::RoomFollowed(_)
            | Event::ScheduleAdvanced(_)
            | Event::SensorAdvanced(_)
            | Event::RoomLeft(_)
            | Event::LinkOffered(_)
            | Event::LinkClaimed(_)
            | Event::LinkMissed(_)
            | Event::LinkDeclined(_)
            | Event::AccountsLinked(_)
            | Event::AccountsUnlinked(_)
            | Event::GrantMade(_)
            | Event::GrantRevoked(_)
            | Event::AutomationSwitched(_)
            | Event::AlertAcknowledged(_)
            | Event::AlertEscalated(_)
            | Event::AlertPlaced(_)
            | Event::DigestTold(_)
            | Event::SilenceStarted(_)
            | Event::SilenceExtended(_)
            | Event::SilenceNoticed(_)
            | Event::SilenceEnded(_)
            | Event::SilenceHeld(_)
            | Event::RuleFired(_)
            | Event::MemoryWritten(_) => {}
            event => self.apply_execution(event, recorded),
        }
    }

    fn apply_execution(&mut self, event: &Event, recorded: &Recorded) {
        let id = ExecutionId(recorded.id.stream.id().to_owned());
        if let Event::ExecutionStarted(e) = event {
            let gathers = Builtin::of(&e.handler).filter(|builtin| builtin.gathers());
            let gathers = gathers.map(|builtin| {
                let actor = recorded.actor.as_ref().filter(|_| builtin.of_person());
                gathered(builtin, recorded.room.as_ref(), actor)
            });
            if let Some(what) = &gathers {
                self.gathering.insert(what.clone(), id.clone());
            }
            let caller = self.compose.began(&e.trigger.stream, &id);
            self.touch_all(caller);
            self.open
                .insert(id.clone(), Open { gathers, at: recorded.position, ..Open::default() });
            self.ready.insert(id);
            return;
        }
        if !self.open.contains_key(&id) {
            return;
        }
        match event {
            Event::EffectRequested(e) => {
                if e.class != EffectClass::Log {
                    self.stage(&id, &e.path, Some(Stage::Requested));
                }
                if let ("wait_for", Some(tag)) = (e.op.as_str(), e.args["tag"].as_str()) {
                    self.compose.wait(&id, &e.path, tag, recorded.position);
                }
                if let (deletion::ENDED, Some(of)) = (e.op.as_str(), e.args["execution"].as_str()) {
                    let of = ExecutionId(of.to_owned());
                    self.compose.watch(&of, &id, &e.path, self.open.contains_key(&of));
                }
                if let Some(due) = e.due {
                    self.on(&id, |open| {
                        open.timers.insert(e.path.clone(), due);
                    });
                    self.timers.insert((due, id, e.path.clone()));
                }
            }
            Event::QuestionAsked(e) => {
                self.stop_gathering(&id);
                self.stop_asking(&id, &e.path);
                let room = pseudonym(recorded.room.as_ref()).to_owned();
                let doubt = e.wants == Wants::Doubt;
                let (at, tag) = (recorded.position, e.tag.clone());
                let place = (at, id.clone(), e.path.clone());
                self.asked.entry(room.clone()).or_default().insert(place);
                *self.phrases.entry(tag.clone()).or_default() += 1;
                let due = e.remind.as_ref().map(|remind| remind.due);
                self.on(&id, |open| {
                    drop(open.questions.insert(e.path.clone(), Asked { room, at, doubt, tag }))
                });
                self.remind_at(&id, &e.path, due);
            }
            Event::QuestionReminded(e) => self.remind_at(&id, &e.path, e.next),
            Event::EffectStarted(e) => self.stage(&id, &e.path, Some(Stage::Started)),
            Event::LockRequested(e) => {
                self.locks.request(&e.tag, recorded.position, &id, &e.path);
            }
            Event::EffectDelayed(e) => self.locks.told(&id, &e.path),
            Event::AttemptFailed(e) => self.stage(&id, &e.path, Some(Stage::Again(e.again))),
            Event::EffectInDoubt(e) => {
                self.stage(&id, &e.path, Some(Stage::InDoubt));
                self.ready.insert(id);
            }
            Event::EffectCompleted(e) => {
                self.stage(&id, &e.path, None);
                self.stop_timer(&id, &e.path);
                self.compose.done(&id, &e.path);
                self.ready.insert(id);
            }
            Event::EffectResolved(e) => {
                self.stop_asking(&id, &e.path);
                match e.resolution {
                    Resolution::Repeat => {
                        self.stage(&id, &e.path, Some(Stage::Requested));
                        self.locks.again(recorded.position, &id, &e.path);
                    }
                    Resolution::GiveUp => self.stage(&id, &e.path, None),
                    Resolution::Done => {
                        self.stage(&id, &e.path, None);
                        self.ready.insert(id);
                    }
                }
            }
            Event::QuestionAnswered(e) => {
                let doubt = self.stop_asking(&id, &e.path).is_some_and(|asked| asked.doubt);
                self.stop_timer(&id, &e.path);
                if !doubt {
                    self.ready.insert(id);
                }
            }
            Event::ApprovalVoted(e) if e.outcome == approval::Tally::Open => {}
            Event::ApprovalVoted(ApprovalVoted { path, .. })
            | Event::ApprovalVoided(ApprovalVoided { path, .. }) => {
                self.stop_asking(&id, path);
                self.stop_timer(&id, path);
                self.ready.insert(id);
            }
            Event::TimerFired(e) => {
                self.stop_asking(&id, &e.path);
                self.stop_timer(&id, &e.path);
                self.compose.done(&id, &e.path);
                self.ready.insert(id);
            }
            Event::GroupDecided(e) => {
                e.cancelled.iter().for_each(|path| self.wait_no_longer(&id, path));
                self.ready.insert(id);
            }
            Event::ExecutionCancelled(e) => {
                e.cancelled.iter().for_each(|path| self.wait_no_longer(&id, path));
                e.stopping.iter().for_each(|path| self.stage(&id, path, Some(Stage::Stopping)));
                self.stop_doubting(&id);
                self.ready.insert(id);
            }
            Event::EffectCancelled(e) => {
                self.stage(&id, &e.path, None);
                self.ready.insert(id);
            }
            Event::ExecutionYielded(_) => drop(self.ready.insert(id)),
            Event::ExecutionSuspended(_) => drop(self.ready.remove(&id)),
            Event::ExecutionFinished(_) => self.close(&id),
            _ => {}
        }
    }

    fn on(&mut self, id: &ExecutionId, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.get_mut(id) {
            change(open);
        }
    }

    /// How far an effect has come; none: it is over.
    fn stage(&mut self, id: &ExecutionId, path: &str, stage: Option<Stage>) {
        let key = (id.clone(), path.to_owned());
        match stage {
            Some(Stage::Requested | Stage::Started | Stage::Stopping | Stage::Again(_)) => {
                self.effects.insert(key);
            }
            Some(Stage::InDoubt) => {
                // Nothing runs any more; a lock that waited for people would hold up everybody.
                self.locks.release(id, path);
                self.effects.remove(&key);
            }
            None => {
                self.locks.forget(id, path);
                self.effects.remove(&key);
            }
        }
        self.on(id, |open| match stage {
            Some(stage) => drop(open.effects.insert(path.to_owned(), stage)),
            None => drop(open.effects.remove(path)),
        });
    }

    /// An effect is neither done nor waited for any more.
    fn wait_no_longer(&mut self, id: &ExecutionId, path: &str) {
        self.stage(id, path, None);
        self.stop_asking(id, path);
        self.stop_timer(id, path);
        self.compose.done(id, path);
    }

    /// Nobody is asked any more what became of an effect.
    fn stop_doubting(&mut self, id: &ExecutionId) {
        let Some(open) = self.open.get(id) else { return };
        let doubts = open.questions.iter().filter(|(_, asked)| asked.doubt);
        let doubts: Vec<String> = doubts.map(|(path, _)| path.clone()).collect();
        doubts.iter().for_each(|path| drop(self.stop_asking(id, path)));
    }

    /// Whether an effect that is under way is still wanted.
    pub fn wants(&self, id: &ExecutionId, path: &str) -> bool {
        let stage = self.open.get(id).and_then(|open| open.effects.get(path));
        matches!(stage, Some(Stage::Requested | Stage::Started | Stage::Again(_)))
    }

    /// When people are next reminded of a question.
    fn remind_at(&mut self, id: &ExecutionId, question: &str, due: Option<Timestamp>) {
        let path = timer_path(question);
        self.stop_timer(id, &path);
        if let (Some(due), Some(open)) = (due, self.open.get_mut(id)) {
            open.timers.insert(path.clone(), due);
            self.timers.insert((due, id.clone(), path));
        }
    }

    fn stop_asking(&mut self, id: &ExecutionId, path: &str) -> Option<Asked> {
        self.stop_timer(id, &timer_path(path));
        let asked = self.open.get_mut(id)?.questions.remove(path)?;
        if let Some(count) = self.phrases.get_mut(&asked.tag) {
            *count -= 1;
            if *count == 0 {
                self.phrases.remove(&asked.tag);
            }
        }
        if let Some(here) = self.asked.get_mut(&asked.room) {
            here.remove(&(asked.at, id.clone(), path.to_owned()));
            if here.is_empty() {
                self.asked.remove(&asked.room);
            }
        }
        Some(asked)
    }

    fn waits_for_decision(&mut self, stream: &StreamName, lane: String, at: Position) {
        self.lanes.insert(stream.clone(), (lane.clone(), at));
        self.undecided.entry(lane).or_default().insert(at, stream.clone());
    }

    fn waits_to_be_sent(&mut self, lane: String, at: Position, unsent: Unsent) {
        self.queued.insert(unsent.message.clone(), (lane.clone(), at));
        self.unsent.entry(lane).or_default().insert(at, unsent);
    }

    fn decided(&mut self, stream: &StreamName) {
        let Some((lane, position)) = self.lanes.remove(stream) else { return };
        if let Some(queue) = self.undecided.get_mut(&lane) {
            queue.remove(&position);
            if queue.is_empty() {
                self.undecided.remove(&lane);
            }
        }
    }

    fn sent(&mut self, stream: &StreamName, at: Option<Timestamp>) {
        let message = MessageId(stream.id().to_owned());
        let Some((lane, position)) = self.queued.remove(&message) else { return };
        let Some(queue) = self.unsent.get_mut(&lane) else { return };
        let unsent = queue.remove(&position);
        if queue.is_empty() {
            self.unsent.remove(&lane);
        }
        if let (Some(at), Some(target)) = (at, unsent.and_then(|unsent| unsent.edits)) {
            self.edited.retain(|_, last| last.plus_ms(EDIT_INTERVAL_MS) > at);
            self.edited.insert(target, at);
        }
    }

    fn stop_timer(&mut self, id: &ExecutionId, path: &str) {
        let Some(open) = self.open.get_mut(id) else { return };
        if let Some(due) = open.timers.remove(path) {
            self.timers.remove(&(due, id.clone(), path.to_owned()));
        }
    }

    fn stop_gathering(&mut self, id: &ExecutionId) {
        let gathers = self.open.get_mut(id).and_then(|open| open.gathers.take());
        if let Some(what) = gathers.filter(|what| self.gathering.get(what) == Some(id)) {
            self.gathering.remove(&what);
        }
    }

    fn close(&mut self, id: &ExecutionId) {
        self.ready.remove(id);
        self.stop_gathering(id);
        let others = &self.open;
        let waited = self.compose.ended(id, |other| other != id && others.contains_key(other));
        self.touch_all(waited);
        let Some(open) = self.open.get(id).cloned() else { return };
        open.timers.keys().for_each(|path| self.stop_timer(id, path));
        open.questions.keys().for_each(|path| drop(self.stop_asking(id, path)));
        open.effects.keys().for_each(|path| self.stage(id, path, None));
        self.open.remove(id);
    }

    /// The built-in execution that takes in what this person does in this room; without a person, what anybody does.
    pub fn gathers(
        &self,
        builtin: Builtin,
        room: Option<&Pseudonym>,
        actor: Option<&Pseudonym>,
    ) -> Option<&ExecutionId> {
        self.gathering.get(&gathered(builtin, room, actor))
    }

    /// Whether an execution is open.
    pub fn is_open(&self, id: &ExecutionId) -> bool {
        self.open.contains_key(id)
    }

    /// The executions that are open.
    pub fn open_ids(&self) -> impl Iterator<Item = &ExecutionId> {
        self.open.keys()
    }

    /// The open executions that began last, the newest first, and how many others there are.
    pub fn open_newest(&self, max: usize) -> (Vec<ExecutionId>, usize) {
        let mut all: Vec<_> = self.open.iter().map(|(id, open)| (open.at, id)).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        let more = all.len().saturating_sub(max);
        (all.into_iter().take(max).map(|(_, id)| id.clone()).collect(), more)
    }

    /// The triggers about which nothing was decided, and those that are still worth a try to read.
    pub fn undecided_streams(&self) -> impl Iterator<Item = &StreamName> {
        let undecided = self.undecided.values().flat_map(BTreeMap::values);
        undecided.chain(self.unreadable.streams())
    }

    /// How many triggers are not decided on.
    pub fn undecided(&self) -> usize {
        self.lanes.len()
    }
}

/// A fold goes on only over what it knows, or what is erased: who does not know a type does not know what it changes.
///
/// # Errors
/// [`ReadError::Newer`] for an event of a newer program.
pub fn known(recorded: &Recorded) -> Result<(), ReadError> {
    match &recorded.payload {
        Payload::Event(_) | Payload::Erased => Ok(()),
        Payload::Unknown(_) => Err(ReadError::Newer {
            position: recorded.position,
            kind: recorded.kind.clone(),
            schema: recorded.schema,
        }),
    }
}

/// What a built-in execution gathers, as one key.
fn gathered(builtin: Builtin, room: Option<&Pseudonym>, actor: Option<&Pseudonym>) -> String {
    format!("{} {} {}", builtin.name(), pseudonym(room), pseudonym(actor))
}

/// The lane in which messages to a room wait.
pub fn lane_to(room: Option<&Pseudonym>) -> String {
    format!("out {}", pseudonym(room))
}

fn pseudonym(room: Option<&Pseudonym>) -> &str {
    room.map_or("-", Pseudonym::as_str)
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
