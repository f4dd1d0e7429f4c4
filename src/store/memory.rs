//! The log in memory: the same contract as on disk, for tests and for trying things out.
//!
//! What was acknowledged survives [`MemoryStore::reopen`], and nothing else does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::keys::{commitment, digest, pseudonym};
use super::plan::{Draft, DraftEvent, Known, Plan, PlanError, Times};
use super::{
    AppendError, Appended, BLOB_BYTES_MAX, Direction, EventStore, Projection, ProjectionChange,
    ReadError, Subject, Surroundings, Write, Written, locked, reading,
};
use crate::domain::erasure::{EventsErased, Stretch};
use crate::domain::event::{
    self, BlobRef, Event, LogCreated, Meta, NewEvent, Payload, Recorded, Secrecy,
};
use crate::domain::id::{
    DedupeKey, EventId, IdKey, Position, Pseudonym, StreamName, Tag, Timestamp, Version,
};

/// A log in memory.
pub struct MemoryStore {
    shared: Arc<Mutex<State>>,
    surroundings: Surroundings,
    key: IdKey,
    opening: u64,
    head: watch::Sender<Position>,
    failure: watch::Sender<Option<String>>,
}

/// What outlives one opening.
struct State {
    opening: u64,
    events: Vec<Recorded>,
    streams: HashMap<StreamName, Vec<Position>>,
    keys: HashMap<Tag, Position>,
    subjects: Vec<Option<(Subject, Pseudonym)>>,
    blobs: HashMap<String, Vec<u8>>,
    erased_blobs: HashSet<String>,
    projections: BTreeMap<String, (Position, BTreeMap<String, Vec<u8>>)>,
    times: Times,
    slots: u64,
}

impl Known for State {
    fn head(&self, stream: &StreamName) -> Result<Option<Version>, ReadError> {
        let events = self.streams.get(stream).map_or(0, Vec::len) as u64;
        Ok(events.checked_sub(1).map(Version))
    }

    fn keyed(&self, key: &Tag) -> Result<Option<Position>, ReadError> {
        Ok(self.keys.get(key).copied())
    }
}

impl State {
    fn known(&self, subject: &Subject) -> Option<(usize, &(Subject, Pseudonym))> {
        let known = self.subjects.iter().enumerate();
        known.filter_map(|(n, it)| Some((n, it.as_ref()?))).find(|(_, it)| it.0 == *subject)
    }

    fn drop_blob(&mut self, id: &str) {
        if self.blobs.remove(id).is_some() {
            self.erased_blobs.insert(id.to_owned());
        }
    }

    fn erase(&mut self, erased: &EventsErased) {
        for Stretch(first, last) in &erased.stretches {
            let (first, last) = (first.0 as usize, last.0 as usize);
            for recorded in self.events.iter_mut().take(last + 1).skip(first) {
                let open = recorded.event().map(Event::secrecy) == Some(Secrecy::Open);
                if !open {
                    recorded.payload = Payload::Erased;
                }
            }
        }
        erased.blobs.iter().for_each(|blob| self.drop_blob(&blob.id));
        for record in &erased.subjects {
            if let Some(known) = self.subjects.get_mut(*record as usize) {
                *known = None;
            }
        }
    }
}

impl MemoryStore {
    /// A new log; its first event is `LogCreated`.
    pub fn new(surroundings: Surroundings) -> Arc<Self> {
        let mut key = IdKey([0; 32]);
        surroundings.entropy.fill(&mut key.0);
        let state = State {
            opening: 0,
            events: Vec::new(),
            streams: HashMap::new(),
            keys: HashMap::new(),
            subjects: Vec::new(),
            blobs: HashMap::new(),
            erased_blobs: HashSet::new(),
            projections: BTreeMap::new(),
            times: Times::START,
            slots: 1,
        };
        let log = key.tag("log", &[]).to_string();
        let store = Self::over(Arc::new(Mutex::new(state)), surroundings, key);
        let created = Draft::own(StreamName::log(), NewEvent::bare(LogCreated { log }));
        let appended = created.and_then(|draft| store.append_now(&draft));
        appended.expect("the first event of a log can always be appended");
        Arc::new(store)
    }

    /// The log as the next process finds it: what was acknowledged and the blobs, no projections. From now on the
    /// earlier openings can append no more.
    pub fn reopen(&self) -> Arc<Self> {
        let (surroundings, key) = (self.surroundings.clone(), self.key.clone());
        let again = Self::over(self.shared.clone(), surroundings, key);
        again.carry_out_erasures();
        Arc::new(again)
    }

    fn over(shared: Arc<Mutex<State>>, surroundings: Surroundings, key: IdKey) -> Self {
        let mut state = locked(&shared);
        state.opening += 1;
        state.projections.clear();
        let (opening, next) = (state.opening, Position(state.events.len() as u64));
        drop(state);
        let (head, failure) = (watch::Sender::new(next), watch::Sender::new(None));
        Self { shared, surroundings, key, opening, head, failure }
    }

    fn append_now(&self, draft: &Draft) -> Result<Appended, AppendError> {
        let mut state = self.current()?;
        let wall = self.surroundings.clock.now();
        if let Some(stepped) = state.times.advance(wall) {
            let own = Draft::own(StreamName::log(), NewEvent::bare(stepped))?;
            self.take(&mut state, &own, wall)?;
        }
        let writes = self.take(&mut state, draft, wall)?;
        let next = Position(state.events.len() as u64);
        drop(state);
        self.head.send_if_modified(|head| std::mem::replace(head, next.max(*head)) != *head);
        Ok(Appended { writes, next })
    }

    fn take(
        &self,
        state: &mut State,
        draft: &Draft,
        wall: Timestamp,
    ) -> Result<Vec<Written>, AppendError> {
        let mut plan = Plan::at(Position(state.events.len() as u64));
        let writes = plan.take(draft, state).map_err(|error| match error {
            PlanError::Batch(error) => error,
            PlanError::Store(error) => self.failed(error.to_string()),
        })?;
        for (write, written) in draft.writes.iter().zip(&writes) {
            let Written::Appended { mut version, .. } = *written else { continue };
            for (nth, draft) in write.events.iter().enumerate() {
                let id = EventId { stream: write.stream.clone(), version };
                let key = write.key.filter(|_| nth == 0);
                self.record(state, id, key, draft, wall);
                version = version.next();
            }
        }
        Ok(writes)
    }

    fn record(
        &self,
        state: &mut State,
        id: EventId,
        key: Option<Tag>,
        draft: &DraftEvent,
        wall: Timestamp,
    ) {
        let position = Position(state.events.len() as u64);
        let [actor, room, network] = self.pseudonyms(state, &draft.meta);
        state.slots += 1;
        let slot_key = self.key.hash("slot", &[&state.slots.to_string()]);
        let commitment = match draft.secrecy {
            Secrecy::Open => digest(&draft.plaintext),
            Secrecy::Sealed => commitment(&slot_key, &draft.plaintext),
        };
        let value = serde_json::from_slice(&draft.plaintext).unwrap_or_default();
        let event = event::decode(draft.kind, draft.schema, value);
        let event = event.expect("what was encoded a moment ago is read back");
        state.streams.entry(id.stream.clone()).or_default().push(position);
        state.keys.extend(key.map(|key| (key, position)));
        state.events.push(Recorded {
            position,
            id,
            kind: draft.kind.into(),
            schema: draft.schema,
            ts: state.times.ts,
            wall,
            epoch: state.times.epoch,
            cause: draft.meta.cause.clone(),
            correlation: draft.meta.correlation.clone(),
            actor,
            room,
            network,
            key,
            commitment,
            payload: Payload::Event(Box::new(event)),
        });
    }

    fn pseudonyms(&self, state: &mut State, meta: &Meta) -> [Option<Pseudonym>; 3] {
        let actor = meta.actor.clone().map(|user| Subject::Person(user.0));
        let room = meta.room.clone().map(|room| Subject::Room(room.0));
        let network = meta.network.clone().map(Subject::Network);
        [actor, room, network].map(|subject| subject.map(|subject| self.known(state, subject)))
    }

    fn known(&self, state: &mut State, subject: Subject) -> Pseudonym {
        let fresh = || {
            let mut key = [0; 32];
            self.surroundings.entropy.fill(&mut key);
            pseudonym(&key, &subject)
        };
        if let Some(known) = state.known(&subject) {
            return known.1.1.clone();
        }
        let pseudonym = fresh();
        state.subjects.push(Some((subject, pseudonym.clone())));
        pseudonym
    }

    fn carry_out_erasures(&self) {
        let mut state = locked(&self.shared);
        let positions = state.streams.get(&StreamName::erasures()).cloned().unwrap_or_default();
        for position in positions {
            let payload = state.events[position.0 as usize].payload.clone();
            let Payload::Event(event) = payload else { continue };
            if let Event::EventsErased(erased) = *event {
                state.erase(&erased);
            }
        }
    }

    /// The state, if no later opening has taken over.
    fn current(&self) -> Result<MutexGuard<'_, State>, AppendError> {
        let state = locked(&self.shared);
        match state.opening == self.opening {
            true => Ok(state),
            false => Err(self.failed("it was opened anew".into())),
        }
    }

    fn failed(&self, reason: String) -> AppendError {
        AppendError::Failed { dir: PathBuf::from("memory"), reason }
    }
}

impl EventStore for MemoryStore {
    fn append(&self, batch: Vec<Write>) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move { self.append_now(&Draft::new(batch, &self.key)?) })
    }

    fn read(
        &self,
        stream: &StreamName,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let state = locked(&self.shared);
        let positions = state.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let places = reading(from.0, positions.len() as u64, direction, max);
        let event = |nth: u64| state.events[positions[nth as usize].0 as usize].clone();
        Ok(places.map(event).collect())
    }

    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let state = locked(&self.shared);
        let places = reading(from.0, state.events.len() as u64, direction, max);
        Ok(places.map(|nth| state.events[nth as usize].clone()).collect())
    }

    fn version(&self, stream: &StreamName) -> Result<Option<Version>, ReadError> {
        locked(&self.shared).head(stream)
    }

    fn find(&self, key: &DedupeKey) -> Result<Option<Position>, ReadError> {
        locked(&self.shared).keyed(&self.key.dedupe(key))
    }

    fn next_position(&self) -> Position {
        *self.head.borrow()
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn key(&self) -> &IdKey {
        &self.key
    }

    fn pseudonym(&self, subject: &Subject) -> Option<Pseudonym> {
        locked(&self.shared).known(subject).map(|(_, known)| known.1.clone())
    }

    fn put_blob(&self, bytes: &[u8]) -> Result<BlobRef, AppendError> {
        if bytes.len() > BLOB_BYTES_MAX {
            let what = format!("a blob of {} bytes, {BLOB_BYTES_MAX} fit", bytes.len());
            return Err(AppendError::Invalid(what));
        }
        let mut state = self.current()?;
        state.slots += 1;
        let slot = state.slots;
        let mut id = [0; 16];
        self.surroundings.entropy.fill(&mut id);
        let id = Tag(id).to_string();
        let commitment = commitment(&self.key.hash("slot", &[&slot.to_string()]), bytes);
        state.blobs.insert(id.clone(), bytes.to_vec());
        Ok(BlobRef { id, bytes: bytes.len() as u64, commitment, slot })
    }

    fn blob(&self, blob: &BlobRef) -> Result<Option<Vec<u8>>, ReadError> {
        let missing = || ReadError::Damaged {
            place: format!("blob {}", blob.id),
            what: "it is missing".into(),
        };
        let state = locked(&self.shared);
        if state.erased_blobs.contains(&blob.id) {
            return Ok(None);
        }
        state.blobs.get(&blob.id).cloned().map(Some).ok_or_else(missing)
    }

    fn discard_blob(&self, blob: &BlobRef) -> Result<(), ReadError> {
        locked(&self.shared).drop_blob(&blob.id);
        Ok(())
    }

    fn settle_erasures(&self) -> Result<(), ReadError> {
        self.carry_out_erasures();
        Ok(())
    }

    fn subject_record(&self, subject: &Subject) -> Option<u64> {
        locked(&self.shared).known(subject).map(|(record, _)| record as u64)
    }

    fn projection(&self, name: &str, prefix: &str) -> Result<Projection, ReadError> {
        let state = locked(&self.shared);
        let Some((checkpoint, rows)) = state.projections.get(name) else {
            return Ok(Projection::default());
        };
        let from_prefix = rows.range(prefix.to_owned()..);
        let with_prefix = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        let rows = with_prefix.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Projection { checkpoint: *checkpoint, rows })
    }

    fn project(&self, name: &str, change: ProjectionChange) -> Result<(), ReadError> {
        let mut state = self.current().map_err(|error| ReadError::Store(error.to_string()))?;
        let (checkpoint, rows) = state.projections.entry(name.to_owned()).or_default();
        if change.replace {
            rows.clear();
        }
        for (key, value) in change.rows {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        *checkpoint = change.checkpoint;
        Ok(())
    }
}
