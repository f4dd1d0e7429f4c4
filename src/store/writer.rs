//! The thread that owns the end of the log: it takes waiting batches as one group, and acknowledges what is on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::envelope::NONCE_BYTES;
use super::journal::Journal;
use super::plan::{Draft, DraftEvent, DraftWrite, Plan, PlanError, Times};
use super::record::{Entry, Place, Pseudonyms, Sealing};
use super::segment::GROUP_EVENTS_MAX;
use super::shared::Shared;
use super::{AppendError, Appended, BATCH_EVENTS_MAX, Subject, Written, locked};
use crate::domain::event::{NewEvent, Secrecy};
use crate::domain::id::{Position, StreamName, Timestamp};

/// How many batches may wait for the writer before `append` waits.
pub const QUEUE_BATCHES: usize = 256;

/// How long the writer looks for the next batch before it sleeps: to be woken takes as long.
const LOOK_FOR: Duration = Duration::from_micros(50);
/// What a commit line fits into.
const COMMIT_BYTES_USUAL: usize = 128;
/// How many nonces are drawn at a time.
const NONCES_AHEAD: usize = 64;

/// What is sent to the writer.
pub(crate) enum Message {
    /// Append this.
    Append(Job),
    /// Look whether the log is closing.
    Wake,
}

/// A batch and who waits for it.
pub(crate) struct Job {
    pub(crate) draft: Draft,
    pub(crate) since: Instant,
    pub(crate) reply: Reply,
}

/// Whoever waits for a batch.
type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// The writer.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: mpsc::Receiver<Message>,
    pub(crate) journal: Journal,
    pub(crate) next: Position,
    pub(crate) times: Times,
    pub(crate) held: Option<Job>,
    pub(crate) nonces: Vec<[u8; NONCE_BYTES]>,
}

/// Batches that are written together.
struct Group {
    plan: Plan,
    entries: Vec<Entry>,
    replies: Vec<(Reply, Instant, Answer)>,
}

type Answer = Result<Vec<Written>, AppendError>;

impl Writer {
    /// Works until the log closes or fails.
    pub(crate) fn run(mut self) {
        while let Some(job) = self.next_job() {
            let mut group =
                Group { plan: Plan::at(self.next), entries: Vec::new(), replies: Vec::new() };
            let done = self.wait_for_room();
            let done = done.and_then(|()| self.fill(&mut group, job));
            let done = done.and_then(|()| self.commit(&mut group));
            if let Err(reason) = done {
                self.shared.fail(reason);
            }
            if !self.answer(group) {
                break;
            }
        }
        self.jobs.close();
        while self.jobs.try_recv().is_ok() {}
    }

    /// Tells everybody who waits for a group what came of it; says whether the log goes on.
    fn answer(&self, group: Group) -> bool {
        let (failed, next, now) = (self.shared.has_failed(), self.next, Instant::now());
        for (reply, since, answer) in group.replies {
            let answer = if failed { Err(self.shared.failed()) } else { answer };
            if answer.is_ok() {
                self.shared.meters.appended(now.saturating_duration_since(since));
            }
            let _ = reply.send(answer.map(|writes| Appended { writes, next }));
        }
        !failed
    }

    fn next_job(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.held.take() {
                return Some(job);
            }
            let message = if self.shared.closing.load(Ordering::SeqCst) {
                self.jobs.close();
                self.jobs.try_recv().ok()
            } else {
                self.look().or_else(|| self.jobs.blocking_recv())
            };
            if let Message::Append(job) = message? {
                return Some(job);
            }
        }
    }

    /// Looks for the next batch for a moment, without sleeping.
    fn look(&mut self) -> Option<Message> {
        let begun = Instant::now();
        loop {
            if let Ok(message) = self.jobs.try_recv() {
                return Some(message);
            }
            if begun.elapsed() >= LOOK_FOR {
                return None;
            }
            std::hint::spin_loop();
        }
    }

    /// Waits until a whole group fits into the tail.
    fn wait_for_room(&self) -> Result<(), String> {
        let options = &self.shared.options;
        let mut progress = locked(&self.shared.progress);
        loop {
            if self.shared.has_failed() {
                return Err("it has failed already".into());
            }
            let (events, bytes) = progress.waiting;
            let room = events + GROUP_EVENTS_MAX <= options.tail_events_max;
            if events == 0 || (room && bytes < options.tail_bytes_max) {
                return Ok(());
            }
            let woken = self.shared.changed.wait(progress);
            progress = woken.unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Takes what is waiting into a group, as long as it fits.
    fn fill(&mut self, group: &mut Group, first: Job) -> Result<(), String> {
        let wall = self.shared.surroundings.clock.now();
        self.advance(group, wall).map_err(|error| error.to_string())?;
        let mut events = 0;
        let mut job = Some(first);
        while let Some(Job { draft, since, reply }) = job.take() {
            if events > 0 && events + draft.events() > BATCH_EVENTS_MAX {
                self.held = Some(Job { draft, since, reply });
                return Ok(());
            }
            events += draft.events();
            match self.record(group, &draft, wall) {
                Ok(written) => group.replies.push((reply, since, Ok(written))),
                Err(PlanError::Batch(error)) => group.replies.push((reply, since, Err(error))),
                Err(PlanError::Store(error)) => {
                    group.replies.push((reply, since, Ok(Vec::new())));
                    return Err(error.to_string());
                }
            }
            while let Ok(message) = self.jobs.try_recv() {
                if let Message::Append(next) = message {
                    job = Some(next);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Moves the log's clock on; a step back is recorded before anything else of the group.
    fn advance(&mut self, group: &mut Group, wall: Timestamp) -> Result<(), PlanError> {
        let Some(stepped) = self.times.advance(wall) else { return Ok(()) };
        let own = Draft::own(StreamName::log(), NewEvent::bare(stepped));
        self.record(group, &own.map_err(PlanError::Batch)?, wall).map(drop)
    }

    /// Takes one batch into a group. One bad batch fails alone.
    fn record(
        &mut self,
        group: &mut Group,
        draft: &Draft,
        wall: Timestamp,
    ) -> Result<Vec<Written>, PlanError> {
        let who = self.pseudonyms(draft).map_err(PlanError::Batch)?;
        let written = group.plan.take(draft, &*self.shared)?;
        let mut who = who.into_iter();
        for (write, written) in draft.writes.iter().zip(&written) {
            let who: Vec<_> = who.by_ref().take(write.events.len()).collect();
            if let Written::Appended { position, version } = *written {
                let place = Place {
                    position,
                    stream: &write.stream,
                    version,
                    key: write.key,
                    times: self.times,
                    wall,
                };
                self.seal(group, write, place, who).map_err(PlanError::Store)?;
            }
        }
        Ok(written)
    }

    fn seal(
        &mut self,
        group: &mut Group,
        write: &DraftWrite,
        mut place: Place<'_>,
        who: Vec<Pseudonyms>,
    ) -> Result<(), super::ReadError> {
        let sealed = write.events.iter().filter(|event| event.secrecy == Secrecy::Sealed).count();
        let mut slots = self.shared.keys.allocate(sealed)?.into_iter();
        for (draft, who) in write.events.iter().zip(who) {
            let sealing = (draft.secrecy == Secrecy::Sealed).then(|| {
                let (slot, key) = slots.next().expect("one was taken for each sealed event");
                Sealing { slot, key, nonce: self.nonce() }
            });
            let entry = Entry::new(draft, &place, who, sealing);
            (place.position, place.version) = (place.position.next(), place.version.next());
            place.key = None;
            group.entries.push(entry);
        }
        Ok(())
    }

    /// A nonce that was never used. The system is asked for many at a time.
    fn nonce(&mut self) -> [u8; NONCE_BYTES] {
        if self.nonces.is_empty() {
            let mut bytes = [0; NONCE_BYTES * NONCES_AHEAD];
            self.shared.surroundings.entropy.fill(&mut bytes);
            let (nonces, _) = bytes.as_chunks();
            self.nonces.extend(nonces);
        }
        self.nonces.pop().expect("some were drawn a moment ago")
    }

    fn pseudonyms(&self, draft: &Draft) -> Result<Vec<Pseudonyms>, AppendError> {
        let events = draft.writes.iter().flat_map(|write| &write.events);
        events.map(|event| self.pseudonyms_of(event)).collect()
    }

    fn pseudonyms_of(&self, event: &DraftEvent) -> Result<Pseudonyms, AppendError> {
        let full = || AppendError::Invalid("the log knows too many persons and rooms".into());
        let stage = |subject: Option<Subject>| {
            let subjects = &self.shared.subjects;
            subject.map(|subject| subjects.stage(&subject).ok_or_else(full)).transpose()
        };
        let meta = &event.meta;
        Ok(Pseudonyms {
            actor: stage(meta.actor.clone().map(|user| Subject::Person(user.0)))?,
            room: stage(meta.room.clone().map(|room| Subject::Room(room.0)))?,
            network: stage(meta.network.clone().map(Subject::Network))?,
        })
    }

    /// Writes a group; once it is on disk it is readable.
    fn commit(&mut self, group: &mut Group) -> Result<(), String> {
        self.shared.subjects.sync().map_err(|error| error.to_string())?;
        let Some(last) = group.entries.last() else { return Ok(()) };
        let next = last.position.next();
        let bytes: usize = group.entries.iter().map(|entry| entry.line.len() + 1).sum();
        let mut lines = Vec::with_capacity(bytes + COMMIT_BYTES_USUAL);
        for entry in &group.entries {
            lines.extend_from_slice(&entry.line);
            lines.push(b'\n');
        }
        let events = group.entries.len() as u64;
        let written = self.journal.write(self.next, events, lines);
        let (segment, mut offset) =
            written.map_err(|error| format!("cannot write the journal: {error}"))?;
        for entry in &mut group.entries {
            (entry.spot.segment, entry.spot.offset) = (segment, offset);
            offset = entry.spot.end() + 1;
        }
        if self.shared.has_failed() {
            return Err("it failed meanwhile".into());
        }
        self.next = next;
        let mut progress = locked(&self.shared.progress);
        let mut tail = self.shared.tail_mut();
        tail.push(std::mem::take(&mut group.entries));
        progress.waiting = tail.size();
        self.shared.meters.written(events as usize, progress.waiting);
        drop((tail, progress));
        self.shared.head.send_replace(next);
        self.shared.changed.notify_all();
        Ok(())
    }
}
