//! Records what happened outside, once, before anything acts on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::dispatch::Did;
use super::pause::Guard;
use super::{Kernel, write};
use crate::adapter::{
    Flood, Gap, INCOMING_TRIGGERS_MAX, Incoming, Intake, IntakeError, Invite, Left, Reread, Unread,
    Upgrade,
};
use crate::domain::bridge::hint::Hint;
use crate::domain::conversation::{self, Reading, Said};
use crate::domain::event::{
    BridgeSeen, Event, Meta, NewEvent, RoomUpgraded, SyncAdvanced, TriggerRecorded,
};
use crate::domain::id::{Position, PostId, RoomId, StreamName, Timestamp, UserId, Version};
use crate::domain::trigger::{Message, Names, Trigger, What, address};
use crate::store::{
    AppendError, BATCH_EVENTS_MAX, Direction, EventStore, Expected, ReadError, Write,
};

/// What happens in rooms all the time: recorded only if somebody listens.
const OF_ROOMS: &str = "room.";
/// Without anything to record, the sync position is recorded at most this often.
pub const SYNC_EVERY_MS: i64 = 60_000;

/// The kernel's ear.
pub struct Ear {
    pub(super) kernel: Arc<Kernel>,
    pending: Mutex<Pending>,
    pub(super) guard: Option<Guard>,
}

#[derive(Default)]
struct Pending {
    last: Option<Timestamp>,
    token: Option<String>,
}

impl Ear {
    /// For one kernel.
    pub fn new(kernel: Arc<Kernel>) -> Self {
        Self { kernel, pending: Mutex::default(), guard: None }
    }

    /// The same, closed while the disk is nearly full.
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    async fn take(&self, incoming: Incoming) -> Result<(), crate::processor::Error> {
        let kernel = &self.kernel;
        kernel.catch_up()?;
        let mut writes: Vec<Write> = vec![];
        for trigger in incoming.triggers {
            let Some(trigger) = self.wanted(self.judged(trigger))? else { continue };
            let write = record(kernel.store.as_ref(), trigger);
            // A batch takes a stream once, and a network may bring the same thing twice at once.
            if writes.iter().all(|known| known.stream != write.stream) {
                writes.push(write);
            }
        }
        let busy = !(writes.is_empty() && incoming.redactions.is_empty());
        let token = self.due_token(incoming.sync, busy);
        let full = writes.len() >= BATCH_EVENTS_MAX.min(INCOMING_TRIGGERS_MAX);
        if full || !(writes.is_empty() || incoming.redactions.is_empty()) {
            self.append(std::mem::take(&mut writes)).await?;
        }
        for redaction in incoming.redactions {
            kernel.redacted(redaction).await?;
        }
        writes.extend(token.map(|token| {
            let event = NewEvent::bare(SyncAdvanced { token });
            write(StreamName::sync(), Expected::Any, vec![event])
        }));
        if !writes.is_empty() {
            self.append(writes).await?;
        }
        Ok(())
    }

    /// Appends what was heard. One thing that does not fit into the log is left out, and that is said aloud.
    async fn append(&self, writes: Vec<Write>) -> Result<(), AppendError> {
        let store = &self.kernel.store;
        match store.append(writes.clone()).await {
            Err(AppendError::Invalid(_)) => {}
            done => return done.map(|_| ()),
        }
        for write in writes {
            let stream = write.stream.clone();
            match store.append(vec![write]).await {
                Err(AppendError::Invalid(why)) => {
                    tracing::error!(%stream, why, "something that was heard cannot be recorded");
                }
                done => drop(done?),
            }
        }
        Ok(())
    }

    /// The position to record now; with nothing else to record, at most one a minute.
    fn due_token(&self, token: Option<String>, busy: bool) -> Option<String> {
        let now = self.kernel.clock.now();
        let mut pending = self.pending.lock().expect("nobody panics with it");
        if token.is_some() {
            pending.token = token;
        }
        let waited = pending.last.is_none_or(|last| last.plus_ms(SYNC_EVERY_MS) <= now);
        if !(busy || waited) || pending.token.is_none() {
            return None;
        }
        pending.last = Some(now);
        pending.token.take()
    }

    /// Records the position that is still held back.
    ///
    /// # Errors
    /// [`crate::processor::Error`] if the log fails.
    pub async fn flush(&self) -> Result<(), crate::processor::Error> {
        let token = self.pending.lock().expect("nobody panics with it").token.take();
        if let Some(token) = token {
            let event = NewEvent::bare(SyncAdvanced { token });
            let batch = vec![write(StreamName::sync(), Expected::Any, vec![event])];
            self.kernel.store.append(batch).await?;
        }
        Ok(())
    }

    /// The trigger with what is decided once, when it comes: whether it came late.
    pub(super) fn judged(&self, trigger: Trigger) -> Trigger {
        let kernel = &self.kernel;
        let late = trigger.is_older_than(kernel.settings().run_within_ms, kernel.clock.now());
        Trigger { late, ..trigger }
    }

    /// The trigger with its address read, if it is for the bot or answers an open question.
    pub(super) fn wanted(&self, mut trigger: Trigger) -> Result<Option<Trigger>, ReadError> {
        let kernel = &self.kernel;
        let wanted = match &mut trigger.what {
            What::Timer(_)
            | What::Undecryptable(_)
            | What::Order(_)
            | What::Call(_)
            | What::Deleted(_) => true,
            What::Event(event) => !event.name.starts_with(OF_ROOMS) || kernel.awaited_name(event),
            What::Reaction(reaction) => kernel.is_ours(&reaction.place.room, &reaction.target)?,
            What::Message(message) => {
                let names = kernel.names.read().expect("nobody panics with them").clone();
                let direct = message.place.direct;
                let settings = kernel.settings();
                let nicks = kernel.nicks_for(&message.speaker)?;
                let names = [names, settings.bridges.names().to_vec(), nicks].concat();
                let names = Names { prefix: settings.prefix.clone(), names };
                let foreign = settings.bridges.is_foreign(&message.text);
                message.command = match foreign {
                    true => None,
                    false => address(&message.text, &names, direct, message.mentioned),
                };
                let overheard = || {
                    let offered = kernel.scripts.offered();
                    !kernel.overheard(&offered, message).is_empty()
                };
                message.command.is_some() || overheard() || self.may_answer(message, trigger.at)?
            }
        };
        Ok(wanted.then_some(trigger))
    }

    fn may_answer(&self, message: &Message, at: Timestamp) -> Result<bool, ReadError> {
        if message.edits.is_some() {
            return self.kernel.knows_edited(message);
        }
        if self.kernel.withdrawn(&message.place.room, message.reply_to.as_ref())?.is_some() {
            return Ok(true);
        }
        if self.kernel.just_ended(&Did::Message(message), Position::END)?.is_some() {
            return Ok(true);
        }
        if !self.kernel.agenda(|agenda| agenda.asks()) {
            return Ok(false);
        }
        let target = message.reply_to.as_ref().or(message.place.thread.as_ref());
        let questions = self.kernel.questions(&message.place.room, target)?;
        let said = Said {
            speaker: &message.speaker,
            place: &message.place,
            text: &message.text,
            addressed: false,
            reaction: false,
            target: message.reply_to.as_ref(),
            at,
            people: &*self.kernel.people()?,
            roles: &self.kernel.roles_perhaps(&message.speaker, &message.place, &questions),
            stale_after_ms: self.kernel.settings().stale_after_ms,
        };
        Ok(conversation::read(&said, &questions) != Reading::Nothing)
    }
}

/// The write that records a trigger, once for its key.
pub fn record(store: &dyn EventStore, trigger: Trigger) -> Write {
    let stream = StreamName::trigger(&store.key().dedupe(&trigger.key));
    let meta = Meta {
        cause: None,
        correlation: Some(stream.clone()),
        actor: trigger.speaker().map(|speaker| speaker.id.clone()),
        room: trigger.place().map(|place| place.room.clone()),
        network: trigger.place().map(|place| place.network.clone()),
    };
    let key = Some(trigger.key.clone());
    let events = vec![NewEvent::with(&meta, TriggerRecorded { trigger })];
    Write { stream, expected: Expected::NoStream, key, events }
}

/// What the adapter is told when the log fails.
fn failed(why: impl std::fmt::Display) -> IntakeError {
    IntakeError(why.to_string())
}

impl Intake for Ear {
    fn record(&self, incoming: Incoming) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { self.take(incoming).await.map_err(failed) })
    }

    fn closed(&self) -> BoxFuture<'_, Result<Option<Duration>, IntakeError>> {
        Box::pin(async move {
            let Some(guard) = &self.guard else { return Ok(None) };
            guard.closed(&self.kernel).await.map_err(|why| IntakeError(why.to_string()))
        })
    }

    fn sync_token(&self) -> Result<Option<String>, IntakeError> {
        let store = &self.kernel.store;
        let last = store.read(&StreamName::sync(), Version::END, Direction::Backward, 1);
        let last = last.map_err(|why| IntakeError(why.to_string()))?;
        Ok(match last.first().and_then(|recorded| recorded.event()) {
            Some(Event::SyncAdvanced(sync)) => Some(sync.token.clone()),
            _ => None,
        })
    }

    fn invite(&self, invite: Invite) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.invited(invite).await.map_err(failed) })
    }

    fn flood(&self, flood: Flood) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.flooded(flood).await.map_err(failed) })
    }

    fn left(&self, left: Left) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move {
            self.kernel.went(left, &Meta::default(), false).await.map(|_| ()).map_err(failed)
        })
    }

    fn gap(&self, gap: Gap) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.gap(gap).await.map_err(failed) })
    }

    fn upgrade<'a>(
        &'a self,
        upgrade: Upgrade,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.upgrade(upgrade, name).await.map_err(failed) })
    }

    fn upgrade_of(&self, room: &RoomId) -> Result<Option<Upgrade>, IntakeError> {
        let last = self.kernel.upgrade_of(room).map_err(failed)?;
        Ok(last.map(|RoomUpgraded { room, to, followed, reason }| Upgrade {
            room,
            to,
            followed,
            reason,
        }))
    }

    fn current(&self, room: &RoomId) -> Result<RoomId, IntakeError> {
        self.kernel.current_room(room).map_err(failed)
    }

    fn unread(&self) -> Result<Vec<Unread>, IntakeError> {
        self.kernel.unread().map_err(|why| IntakeError(why.to_string()))
    }

    fn reread(&self, reread: Reread) -> BoxFuture<'_, Result<bool, IntakeError>> {
        Box::pin(async move {
            self.take_reread(reread).await.map_err(|why| IntakeError(why.to_string()))
        })
    }

    fn network_of(&self, room: &RoomId) -> Result<String, IntakeError> {
        self.kernel.network_of(room).map_err(failed)
    }

    fn saw_bridge(&self, room: RoomId, seen: BridgeSeen) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.saw_bridge(room, seen).await.map_err(failed) })
    }

    fn saw_hints(&self, room: RoomId, hints: Vec<Hint>) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.saw_hints(room, hints).await.map_err(failed) })
    }

    fn bridge_said<'a>(
        &'a self,
        room: &'a RoomId,
        by: &'a UserId,
        text: &'a str,
    ) -> BoxFuture<'a, Result<(), IntakeError>> {
        Box::pin(async move { self.kernel.bridge_said(room, by, text).await.map_err(failed) })
    }

    fn names(&self, names: Vec<String>) {
        *self.kernel.names.write().expect("nobody panics with them") = names;
    }

    fn tell<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<(), IntakeError>> {
        Box::pin(async move {
            self.kernel.notify(text).await.map_err(|why| IntakeError(why.to_string()))
        })
    }

    fn is_ours(&self, room: &RoomId, post: &PostId) -> Result<bool, IntakeError> {
        self.kernel.is_ours(room, post).map_err(|why| IntakeError(why.to_string()))
    }
}
