//! The thread that owns the end of the log: it takes waiting batches as one group, and acknowledges what is on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};

use super::envelope::NONCE_BYTES;
use super::journal::Journal;
use super::plan::{Draft, DraftEvent, DraftWrite, Plan, PlanError, Times};
use super::record::{Entry, Place, Pseudonyms};
use super::segment::GROUP_EVENTS_MAX;
use super::shared::Shared;
use super::{AppendError, Appended, BATCH_EVENTS_MAX, Subject, Written, locked};
use crate::domain::event::{NewEvent, Secrecy};
use crate::domain::id::{Position, StreamName, Timestamp};

/// How many batches may wait for the writer before `append` waits.
pub const QUEUE_BATCHES: usize = 256;

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
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The writer.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: mpsc::Receiver<Message>,
    pub(crate) journal: Journal,
    pub(crate) next: Position,
    pub(crate) times: Times,
    pub(crate) held: Option<Job>,
}

/// Batches that are written together.
struct Group {
    plan: Plan,
    entries: Vec<Entry>,
    replies: Vec<(oneshot::Sender<Result<Appended, AppendError>>, Answer)>,
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
            let failed = self.shared.has_failed();
            for (reply, answer) in group.replies {
                let answer = if failed { Err(self.shared.failed()) } else { answer };
                let next = self.next;
                let _ = reply.send(answer.map(|writes| Appended { writes, next }));
            }
            if failed {
                break;
            }
        }
        self.jobs.close();
        while self.jobs.try_recv().is_ok() {}
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
                self.jobs.blocking_recv()
            };
            if let Message::Append(job) = message? {
                return Some(job);
            }
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
        while let Some(Job { draft, reply }) = job.take() {
            if events > 0 && events + draft.events() > BATCH_EVENTS_MAX {
                self.held = Some(Job { draft, reply });
                return Ok(());
            }
            events += draft.events();
            match self.record(group, &draft, wall) {
                Ok(written) => group.replies.push((reply, Ok(written))),
                Err(PlanError::Batch(error)) => group.replies.push((reply, Err(error))),
                Err(PlanError::Store(error)) => {
                    group.replies.push((reply, Ok(Vec::new())));
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
        &self,
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
        &self,
        group: &mut Group,
        write: &DraftWrite,
        mut place: Place<'_>,
        who: Vec<Pseudonyms>,
    ) -> Result<(), super::ReadError> {
        let sealed = write.events.iter().filter(|event| event.secrecy == Secrecy::Sealed).count();
        let slots = self.shared.keys.allocate(sealed as u64);
        let mut slot = slots.map_err(|error| super::ReadError::Store(error.to_string()))?;
        for (draft, who) in write.events.iter().zip(who) {
            let mut nonce = [0; NONCE_BYTES];
            self.shared.surroundings.entropy.fill(&mut nonce);
            let entry = Entry::new(draft, &place, who, slot, nonce, &self.shared.keys)?;
            slot += u64::from(entry.slot.is_some());
            (place.position, place.version) = (place.position.next(), place.version.next());
            place.key = None;
            group.entries.push(entry);
        }
        Ok(())
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
        let mut lines = Vec::new();
        for entry in &group.entries {
            lines.extend_from_slice(&entry.line);
            lines.push(b'\n');
        }
        let events = group.entries.len() as u64;
        let written = self.journal.write(self.next, events, lines);
        written.map_err(|error| format!("cannot write the journal: {error}"))?;
        if self.shared.has_failed() {
            return Err("it failed meanwhile".into());
        }
        self.next = next;
        let mut progress = locked(&self.shared.progress);
        let mut tail = self.shared.tail_mut();
        tail.push(std::mem::take(&mut group.entries));
        progress.waiting = tail.size();
        drop((tail, progress));
        self.shared.head.send_replace(next);
        self.shared.changed.notify_all();
        Ok(())
    }
}
