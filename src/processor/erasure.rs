//! Erases: says so in the log first, ends what is not over in the same append, and then has the keys overwritten.

use std::collections::{BTreeMap, BTreeSet};

use super::intake::record;
use super::{ATTEMPTS_MAX, Error, Kernel, sheet, write};
use crate::adapter::Redaction;
use crate::domain::builtin::Builtin;
use crate::domain::deletion::{Deletion, EXECUTIONS_MAX};
use crate::domain::erasure::{
    BLOBS_MAX, ErasedBlob, EventsErased, STRETCHES_MAX, Stretch, alert_over, cancelled, ending,
};
use crate::domain::event::{Event, MessageQueued, Meta, NewEvent, Recorded};
use crate::domain::execution::Execution;
use crate::domain::id::{
    DedupeKey, EventId, ExecutionId, Position, PostId, Pseudonym, RoomId, StreamName, UserId,
    Version,
};
use crate::domain::message::Doc;
use crate::domain::trigger::{Place, Speaker, Trigger, Trust, What};
use crate::domain::words::executions as words;
use crate::query::erasure::{PlanError, Planner, Round, Target, execution_of};
use crate::query::{edits, executions, people};
use crate::store::{
    AppendError, By, Direction, EventStore, Expected, READ_EVENTS_MAX, ReadError, Write,
};

/// Longest reason that is kept, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Most streams that are ended in one append: each may take a notice too.
pub const ENDINGS_MAX: usize = 24;

/// An erasure as somebody ordered it.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub target: Target,
    /// Who wants it.
    pub by: UserId,
    /// Why.
    pub reason: String,
}

/// What an erasure came to, or would come to.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many payloads of each type.
    pub kinds: BTreeMap<String, u64>,
    /// How many values beside the log.
    pub blobs: u64,
    /// Whose they were.
    pub persons: BTreeSet<Pseudonym>,
    /// The streams that were not over.
    pub ended: BTreeSet<StreamName>,
    /// How many records of persons.
    pub subjects: u64,
    /// The other accounts of the person: nothing of theirs goes.
    pub linked: Vec<UserId>,
}

/// Why an erasure was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// What is wanted makes no sense on this log.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Nothing can be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What is wanted changes all the time: ask once more.
    #[error("the log moved on every time that the erasure was to be recorded: try again")]
    Busy,
    /// Nobody waits for it any more; what was done is done.
    #[error("it was broken off")]
    Gone,
}

impl From<ReadError> for EraseError {
    fn from(error: ReadError) -> Self {
        Self::Plan(error.into())
    }
}

impl Tally {
    /// How many payloads.
    pub fn events(&self) -> u64 {
        self.kinds.values().sum()
    }

    fn add(&mut self, round: &Round) {
        for (kind, count) in &round.kinds {
            *self.kinds.entry(kind.clone()).or_default() += count;
        }
        self.blobs += round.blobs.len() as u64;
        self.subjects += round.subjects.len() as u64;
        self.ended.extend(round.open.keys().cloned());
        self.persons.extend(round.persons.iter().cloned());
    }
}

/// Says what an order would erase; nothing is changed.
///
/// # Errors
/// [`EraseError`] if it makes no sense or the log cannot be read.
pub fn look(
    store: &dyn EventStore,
    target: Target,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Tally, EraseError> {
    let linked = linked(store, &target)?;
    let (mut planner, mut tally) = (Planner::new(store, target)?, Tally::default());
    tally.linked = linked;
    loop {
        let round = planner.round(store)?;
        tally.add(&round);
        if !planner.advance(&round) {
            return Ok(tally);
        }
        step(&planner, progress)?;
    }
}

/// Carries an order out, round by round; each is whole when the process ends after it.
///
/// # Errors
/// [`EraseError`] if it makes no sense, or the log fails.
pub async fn erase(
    store: &dyn EventStore,
    order: &Order,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<Tally, EraseError> {
    store.settle_erasures()?;
    let mut planner = Planner::new(store, order.target.clone())?;
    // Afterwards nobody knows it any more.
    let mut tally = Tally { linked: linked(store, &order.target)?, ..Tally::default() };
    loop {
        let round = recorded(store, order, &planner).await?;
        store.settle_erasures()?;
        tally.add(&round);
        if !planner.advance(&round) {
            return Ok(tally);
        }
        step(&planner, &mut progress)?;
    }
}

/// The other accounts of the person who is to be erased.
fn linked(store: &dyn EventStore, target: &Target) -> Result<Vec<UserId>, ReadError> {
    match target {
        Target::Person(id) => people::linked_with(store, &UserId(id.clone())),
        _ => Ok(vec![]),
    }
}

fn step(planner: &Planner, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), EraseError> {
    let (done, total) = planner.progress();
    if progress(done, total) { Ok(()) } else { Err(EraseError::Gone) }
}

/// Plans a round and records it; what moved on meanwhile is planned again.
async fn recorded(
    store: &dyn EventStore,
    order: &Order,
    planner: &Planner,
) -> Result<Round, EraseError> {
    'again: for _ in 0..ATTEMPTS_MAX {
        let mut round = planner.round(store)?;
        if !round.subjects.is_empty() && store.next_position() > round.end {
            // They may have said more: that is looked at first, and their key goes after it.
            round.subjects.clear();
            round.next = Some(round.end);
        }
        for batch in batches(store, order, &round)? {
            match store.append(batch).await {
                Ok(_) => {}
                Err(AppendError::WrongVersion { .. }) => continue 'again,
                Err(error) => return Err(error.into()),
            }
        }
        return Ok(round);
    }
    Err(EraseError::Busy)
}

/// The appends of one round: the ends of what is open come with or before what says that it is erased.
fn batches(
    store: &dyn EventStore,
    order: &Order,
    round: &Round,
) -> Result<Vec<Vec<Write>>, ReadError> {
    let mut ends = Vec::new();
    for last in round.open.values() {
        ends.push(end(store, round, last)?);
    }
    ends.extend(round.over.iter().map(|last| {
        let events = alert_over().into_iter().map(NewEvent::bare).collect();
        vec![write(last.stream.clone(), Expected::Exact(last.version), events)]
    }));
    let mut batches: Vec<Vec<Write>> = ends.chunks(ENDINGS_MAX).map(|ends| ends.concat()).collect();
    let mut said = statements(order, round).into_iter().map(|erased| {
        let meta = Meta { actor: Some(order.by.clone()), ..Meta::default() };
        let events = vec![NewEvent::with(&meta, erased)];
        write(StreamName::erasures(), Expected::Any, events)
    });
    match (batches.last_mut(), said.next()) {
        (Some(batch), Some(first)) => batch.push(first),
        (None, Some(first)) => batches.push(vec![first]),
        (_, None) => {}
    }
    batches.extend(said.map(|write| vec![write]));
    Ok(batches)
}

/// What the log says of a round, in parts that fit into an event.
///
/// Whoever is killed between two of them must find the rest again: so values go before the events that name them, later
/// events before the triggers that led to them, and the records of persons last of all.
fn statements(order: &Order, round: &Round) -> Vec<EventsErased> {
    let stretches: Vec<Stretch> = round.places.stretches().collect();
    let mut parts: Vec<(Vec<Stretch>, Vec<ErasedBlob>)> =
        round.blobs.chunks(BLOBS_MAX).map(|blobs| (vec![], blobs.to_vec())).collect();
    for places in stretches.rchunks(STRETCHES_MAX) {
        match parts.last_mut().filter(|(before, _)| before.is_empty()) {
            Some((before, _)) => *before = places.to_vec(),
            None => parts.push((places.to_vec(), vec![])),
        }
    }
    if parts.is_empty() && !round.subjects.is_empty() {
        parts.push((vec![], vec![]));
    }
    let said = parts.into_iter().map(|(places, blobs)| EventsErased {
        scope: order.target.scope(),
        by: order.by.clone(),
        reason: order.reason.chars().take(REASON_CHARS_MAX).collect(),
        count: places.iter().map(|stretch| stretch.count()).sum(),
        stretches: places,
        blobs,
        subjects: vec![],
    });
    let mut said: Vec<EventsErased> = said.collect();
    if let Some(last) = said.last_mut() {
        last.subjects.clone_from(&round.subjects);
    }
    said
}

/// The writes that end a stream. Who only worked with what is erased is told that their execution stopped.
fn end(store: &dyn EventStore, round: &Round, last: &Recorded) -> Result<Vec<Write>, ReadError> {
    let stream = &last.id.stream;
    let Some(event) = ending(last) else { return Ok(vec![]) };
    let execution = match execution_of(stream) {
        Some(id) => executions::load(store, &id)?,
        None => None,
    };
    let first = store.read(stream, Version::START, Direction::Forward, 1)?;
    let correlation = first.first().and_then(|first| first.correlation.clone());
    let meta = Meta { cause: Some(last.id.clone()), correlation, ..Meta::default() };
    let ended = NewEvent::with(&meta, event);
    let mut writes = vec![write(stream.clone(), Expected::Exact(last.id.version), vec![ended])];
    let stays = first.first().is_some_and(|first| !round.places.holds(first.position));
    if let Some(execution) = execution.filter(|_| stays) {
        writes.push(told(store, &execution, &meta));
    }
    Ok(writes)
}

fn told(store: &dyn EventStore, execution: &Execution, meta: &Meta) -> Write {
    let started = &execution.started;
    let text = words::stopped_by_erasure(&started.requester.name, execution.id.short());
    let notice = MessageQueued {
        message: store.key().message(execution.id.as_str(), "erased"),
        place: started.place.clone(),
        reply_to: Some(started.post.clone()),
        edits: None,
        doc: Doc::text(&text),
        attachment: None,
        notify: vec![started.requester.id.clone()],
        execution: Some(execution.id.clone()),
        question: None,
    };
    sheet::queued(meta, notice)
}

impl Kernel {
    /// Erases what a message led to that was deleted in its room; one that the log does not know is no matter.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn redacted(&self, redaction: Redaction) -> Result<(), Error> {
        let Redaction { mut keys, room, post, by, reason } = redaction;
        let known = |key: &_| Ok(self.store.find(key)?.is_some());
        let known: Result<Vec<bool>, ReadError> = keys.iter().map(known).collect();
        let edits = edits::of(self.store.as_ref(), &room, &post, &keys)?;
        if edits.is_empty() && !known?.contains(&true) {
            return Ok(());
        }
        keys.extend(edits);
        let reason = match reason.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
            Some(reason) => format!("deleted in its room: {reason}"),
            None => "deleted in its room".to_owned(),
        };
        if let Some(trigger) = self.deletion(&keys, &room, &post, &by, &reason)? {
            let write = record(self.store.as_ref(), trigger);
            self.append(vec![write]).await?;
            return Ok(());
        }
        let order = Order { target: Target::Heard(keys), by, reason };
        match erase(self.store.as_ref(), &order, |_, _| true).await {
            Ok(tally) => {
                tracing::info!(events = tally.events(), "a deleted message was erased");
                Ok(())
            }
            Err(EraseError::Append(error)) => Err(error.into()),
            Err(EraseError::Plan(PlanError::Read(error))) => Err(error.into()),
            Err(error @ (EraseError::Plan(_) | EraseError::Busy | EraseError::Gone)) => {
                Err(ReadError::Store(error.to_string()).into())
            }
        }
    }

    /// The trigger that looks after a deletion, if something of the command is not over: then it is erased when that is.
    fn deletion(
        &self,
        keys: &[DedupeKey],
        room: &RoomId,
        post: &PostId,
        by: &UserId,
        reason: &str,
    ) -> Result<Option<Trigger>, Error> {
        self.catch_up()?;
        if self.open_executions_of(keys)?.is_empty() {
            return Ok(None);
        }
        let mut place = None;
        for key in keys {
            let Some(position) = self.store.find(key)? else { continue };
            let heard = self.store.read_at(&[position])?.pop();
            if let Some(Event::TriggerRecorded(e)) = heard.as_ref().and_then(Recorded::event) {
                place = place.or_else(|| e.trigger.place().cloned());
            }
        }
        let Some(place) = place.map(|place| Place { thread: None, ..place }) else {
            return Ok(None);
        };
        let name = by.as_str().trim_start_matches('@').split(':').next().unwrap_or_default();
        let speaker = Speaker {
            id: by.clone(),
            name: name.to_owned(),
            network: place.network.clone(),
            account: None,
            trust: Trust::Account,
            claims: vec![],
        };
        let key = DedupeKey::new(&["deleted", room.as_str(), post.as_str()]);
        let (keys, post, reason) = (keys.to_vec(), post.clone(), reason.to_owned());
        let what = What::Deleted(Deletion { place, by: speaker, post, keys, reason });
        Ok(Some(Trigger { key, at: self.clock.now(), late: false, what }))
    }

    /// The executions that began with what was heard with one of these keys, and are not over. What gathers the commands
    /// of others too is not among them.
    pub(super) fn open_executions_of(
        &self,
        keys: &[DedupeKey],
    ) -> Result<Vec<ExecutionId>, ReadError> {
        let mut open = vec![];
        for key in keys {
            let by = By::Correlation(StreamName::trigger(&self.store.key().dedupe(key)));
            let all = self.store.positions(&by, Position::START, Direction::Forward, usize::MAX)?;
            for page in all.chunks(READ_EVENTS_MAX) {
                for event in self.store.read_at(page)? {
                    let Some(Event::ExecutionStarted(started)) = event.event() else { continue };
                    let id = ExecutionId(event.id.stream.id().to_owned());
                    let gathers = Builtin::of(&started.handler).is_some_and(Builtin::gathers);
                    let is_open = self.agenda(|agenda| agenda.is_open(&id));
                    if is_open && !gathers && open.len() < EXECUTIONS_MAX && !open.contains(&id) {
                        open.push(id);
                    }
                }
            }
        }
        Ok(open)
    }

    /// Ends an execution that cannot be read any more: an older copy of the log may have it open.
    pub(super) async fn end_erased(&self, id: &ExecutionId) -> Result<(), Error> {
        let stream = StreamName::execution(id);
        let Some(version) = self.store.version(&stream)? else { return Ok(()) };
        let cause = EventId { stream: stream.clone(), version };
        let last = self.store.event(&cause)?;
        if last.as_ref().and_then(ending).is_none() {
            return Ok(());
        }
        let correlation = last.and_then(|last| last.correlation);
        let meta = Meta { cause: Some(cause), correlation, ..Meta::default() };
        let event: Event = cancelled();
        let events = vec![NewEvent::with(&meta, event)];
        self.append(vec![write(stream, Expected::Exact(version), events)]).await?;
        Ok(())
    }
}
