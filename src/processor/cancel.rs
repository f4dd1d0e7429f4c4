//! Cancelling executions: what an execution waits for ends in an error that its script can catch, so that it can undo
//! what it did; and what is under way is stopped.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::oneshot;

use super::dispatch::Origin;
use super::sheet::{cancelled_message, queued};
use super::{Error, Kernel, meta_of, write};
use crate::domain::builtin::Builtin;
use crate::domain::event::{Ending, ExecutionFinished, MessageQueued, Meta, NewEvent, Recorded};
use crate::domain::execution::{Execution, Status};
use crate::domain::id::{ExecutionId, StreamName, Timestamp, UserId};
use crate::domain::words::edits::COMMAND_DELETED;
use crate::domain::words::{approvals, executions as words};
use crate::store::{Expected, Write};

/// So long a script may take to undo what it did; cancelled again after that, it is ended where it stands.
pub const UNDO_MS_MAX: i64 = 10 * 60_000;

/// That somebody does not want an execution any more.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Who.
    pub by: UserId,
    /// Why, in their words; empty: they did not say.
    pub reason: String,
    /// Whether it ends where it stands, and nothing is undone.
    pub force: bool,
}

/// What comes of cancelling an execution.
#[derive(Debug)]
pub enum Cancelling {
    /// There is no such execution, or what it worked with is erased.
    Unknown,
    /// It had ended before.
    Over(Status),
    /// Its script meets an error, and can undo what it did. The writes are to be appended.
    Begun(Vec<Write>),
    /// Somebody cancelled it before, and its script may still undo what it did.
    Already {
        /// Who.
        by: UserId,
        /// From when on it is ended where it stands if it is cancelled again.
        until: Timestamp,
    },
    /// It ends where it stands. The writes are to be appended.
    Ended(Vec<Write>),
}

impl Kernel {
    /// Prepares that an execution is cancelled; `meta` is that of the trigger that wants it.
    ///
    /// # Errors
    /// [`Error`] if the log cannot be read.
    pub fn cancel(
        &self,
        id: &ExecutionId,
        cancel: &Cancel,
        meta: &Meta,
    ) -> Result<Cancelling, Error> {
        let Some(execution) = self.execution(id)? else { return Ok(Cancelling::Unknown) };
        if execution.ending.is_some() {
            return Ok(Cancelling::Over(execution.status()));
        }
        let until = execution.cancelled.as_ref().map(|before| before.at.plus_ms(UNDO_MS_MAX));
        // What is built in undoes nothing.
        let at_once = cancel.force || Builtin::of(&execution.started.handler).is_some();
        Ok(match (&execution.cancelled, until) {
            (Some(before), Some(until)) if !at_once && self.clock.now() < until => {
                Cancelling::Already { by: before.by.clone(), until }
            }
            (None, _) if !at_once => Cancelling::Begun(self.begin_cancel(&execution, cancel, meta)),
            _ => Cancelling::Ended(self.end_cancelled(&execution, cancel, meta)),
        })
    }

    fn begin_cancel(&self, execution: &Execution, cancel: &Cancel, meta: &Meta) -> Vec<Write> {
        let event = execution.cancelled_by(cancel.by.clone(), cancel.reason.clone());
        let reason = if cancel.reason == COMMAND_DELETED { "" } else { &cancel.reason };
        let how = approvals::cancelled(&self.who_ends(&cancel.by, execution), reason);
        let edits = self.closed_prompts(execution, event.cancelled.iter(), &how, meta);
        let stream = StreamName::execution(&execution.id);
        let expected = Expected::Exact(execution.version);
        let mut writes = vec![write(stream, expected, vec![NewEvent::with(meta, event)])];
        writes.extend(edits);
        writes
    }

    fn end_cancelled(&self, execution: &Execution, cancel: &Cancel, meta: &Meta) -> Vec<Write> {
        let mut writes = self.begin_cancel(execution, cancel, meta);
        let is_told = cancel.reason != COMMAND_DELETED;
        if is_told && !self.caps(&execution.started.place).edits {
            // What cannot be changed is left as it is: the end says it all.
            writes.truncate(1);
        }
        let (by, reason) = (cancel.by.clone(), cancel.reason.clone());
        let end = ExecutionFinished { ending: Ending::Cancelled { by, reason } };
        writes[0].events.push(NewEvent::with(meta, end));
        let words = words::ended_where_it_stood(cancel.by.as_str());
        let message = self.store.key().message(execution.id.as_str(), "failure");
        let told = MessageQueued { message, ..cancelled_message(execution, &words) };
        // Of a deleted command it is told by who looks after that.
        if is_told {
            writes.push(queued(meta, told));
        }
        writes
    }

    /// What was half said ends, because its author gave another command: nothing of it has run.
    pub(super) fn left_half_said(
        &self,
        execution: &Execution,
        origin: &Origin,
        recorded: &Recorded,
    ) -> Write {
        let (by, reason) = (origin.speaker.id.clone(), words::ANOTHER_COMMAND.to_owned());
        let meta = meta_of(execution);
        let meta = Meta { cause: Some(recorded.id.clone()), ..meta };
        let cancelled = execution.cancelled_by(by.clone(), reason.clone());
        let end = ExecutionFinished { ending: Ending::Cancelled { by, reason } };
        let events = vec![NewEvent::with(&meta, cancelled), NewEvent::with(&meta, end)];
        let stream = StreamName::execution(&execution.id);
        write(stream, Expected::Exact(execution.version), events)
    }

    /// Stops the effects under way that nobody wants any more.
    pub(super) fn stop_unwanted(&self) {
        let wanted = |id: &ExecutionId, path: &str| self.agenda(|agenda| agenda.wants(id, path));
        self.running.stop(wanted);
    }
}

/// The effects that are under way in this process, and how each is stopped.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<BTreeMap<(ExecutionId, String), oneshot::Sender<()>>>);

impl Running {
    /// An effect is about to be under way, until what is given back is dropped.
    pub fn begin(&self, id: &ExecutionId, path: &str) -> (UnderWay<'_>, oneshot::Receiver<()>) {
        let (stop, stopped) = oneshot::channel();
        let key = (id.clone(), path.to_owned());
        self.all().insert(key.clone(), stop);
        (UnderWay { running: self, key }, stopped)
    }

    fn stop(&self, wanted: impl Fn(&ExecutionId, &str) -> bool) {
        let unwanted = |(id, path): &(ExecutionId, String)| !wanted(id, path);
        let mut all = self.all();
        let keys: Vec<_> = all.keys().filter(|key| unwanted(key)).cloned().collect();
        for stop in keys.iter().filter_map(|key| all.remove(key)) {
            // It may just have ended by itself.
            let _ = stop.send(());
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(ExecutionId, String), oneshot::Sender<()>>> {
        self.0.lock().expect("nobody panics with them")
    }
}

/// That an effect is under way.
pub(super) struct UnderWay<'a> {
    running: &'a Running,
    key: (ExecutionId, String),
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.running.all().remove(&self.key);
    }
}
