//! How the agenda is kept: a row for each execution that is open, each undecided trigger, each unsent message, and each
//! alert or other stream that is looked at again, and one for the rest, so that no more is written than what has changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::manners::Manners;
use super::{Agenda, Open, PROJECTION, Stage, Unsent};
use crate::domain::id::{ExecutionId, MessageId, Position, StreamName, Timestamp};
use crate::query::compose::Waits;
use crate::query::locks::Wanted;
use crate::query::unreadable::Unreadable;
use crate::store::{EventStore, Projection, ProjectionChange, ReadError};

/// Most rows that are written at a time where all of them are: a transaction holds what it writes in memory.
const ROWS_MAX: usize = 1_024;
/// Most streams whose rows are known to have changed. Beyond that all of it is written.
const CHANGED_MAX: usize = 16_384;
/// What kept it before, all of it in one row: they would take room for ever.
const BEFORE: [&str; 4] = ["agenda-8", "agenda-9", "agenda-10", "agenda-11"];
/// The streams that are looked at again by themselves.
const LOOKED_AT: [&str; 4] = ["alert", "digest", "silences", "switches"];
/// The key of what has no row of its own: no stream is called so.
const REST: &str = "rest";

/// Whose rows have changed since the agenda was kept, and whether they had one then; none: it was never kept. It says
/// nothing of what is to be done.
#[derive(Debug, Clone, Default)]
pub(super) struct Changed(Option<BTreeMap<StreamName, bool>>);

impl PartialEq for Changed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// An open execution.
#[derive(Debug, Serialize, Deserialize)]
struct OpenRow {
    open: Open,
    ready: bool,
    waits: Waits,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    locks: BTreeMap<String, Wanted>,
}

/// An undecided trigger.
#[derive(Debug, Serialize, Deserialize)]
struct TriggerRow {
    lane: String,
    at: Position,
}

/// A message that waits to be sent.
#[derive(Debug, Serialize, Deserialize)]
struct MessageRow {
    lane: String,
    at: Position,
    edits: Option<MessageId>,
}

/// An alert that is not over, and any stream that is looked at again.
#[derive(Debug, Serialize, Deserialize)]
struct LookedRow {
    open: bool,
    due: Option<Timestamp>,
}

/// What is small however many executions are open.
#[derive(Debug, Serialize, Deserialize)]
struct RestRow {
    edited: BTreeMap<MessageId, Timestamp>,
    gathering: BTreeMap<String, ExecutionId>,
    unreadable: Unreadable,
    manners: Manners,
}

impl Agenda {
    /// As it was kept, or at the beginning of the log.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    pub fn kept(store: &dyn EventStore) -> Result<Self, ReadError> {
        let kept = store.projection(PROJECTION, "")?;
        // At the beginning there is nothing to keep: it was not written to its end.
        let fits = (Position(1)..=store.next_position()).contains(&kept.checkpoint);
        Ok(fits.then(|| Self::of_rows(kept)).flatten().unwrap_or_default())
    }

    /// Keeps it, so that the next start need not read the whole log.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    pub fn keep(&mut self, store: &dyn EventStore) -> Result<(), ReadError> {
        if self.changed.0.is_none() {
            for before in BEFORE {
                store.project(before, ProjectionChange { replace: true, ..Default::default() })?;
            }
        }
        for change in self.changes()? {
            store.project(PROJECTION, change)?;
        }
        self.changed = Changed(Some(BTreeMap::new()));
        Ok(())
    }

    /// Something happens in a stream: its row changes.
    pub(super) fn touch(&mut self, stream: &StreamName) {
        let Some(changed) = &self.changed.0 else { return };
        if changed.contains_key(stream) || !has_rows(stream) {
            return;
        }
        let (many, was) = (changed.len() >= CHANGED_MAX, self.has(stream));
        match &mut self.changed.0 {
            Some(changed) if !many => drop(changed.insert(stream.clone(), was)),
            _ => self.changed = Changed(None),
        }
    }

    /// The same for executions that wait for what happened in another stream.
    pub(super) fn touch_all(&mut self, ids: impl IntoIterator<Item = ExecutionId>) {
        ids.into_iter().for_each(|id| self.touch(&StreamName::execution(&id)));
    }

    /// What is to be written, each part of it in one go; it counts when the last part is there.
    fn changes(&self) -> Result<Vec<ProjectionChange>, ReadError> {
        let rest = (REST.to_owned(), Some(self.rest()?));
        if let Changed(Some(changed)) = &self.changed {
            let mut rows = vec![rest];
            for (stream, was) in changed {
                let row = self.row(stream)?;
                if row.is_some() || *was {
                    rows.push((stream.as_str().to_owned(), row));
                }
            }
            let checkpoint = self.checkpoint;
            return Ok(vec![ProjectionChange { rows, checkpoint, replace: false }]);
        }
        let executions = self.open.keys().map(StreamName::execution);
        let messages = self.queued.keys().map(StreamName::message);
        let mut rows = vec![rest];
        let looked: BTreeSet<&StreamName> =
            self.alerts.open().chain(self.wakes.streams()).filter(|it| has_rows(it)).collect();
        let others = self.lanes.keys().chain(looked).cloned();
        for stream in executions.chain(others).chain(messages) {
            rows.push((stream.as_str().to_owned(), self.row(&stream)?));
        }
        let mut changes: Vec<ProjectionChange> = rows
            .chunks(ROWS_MAX)
            .map(|rows| ProjectionChange { rows: rows.to_vec(), ..ProjectionChange::default() })
            .collect();
        changes[0].replace = true;
        let last = changes.len() - 1;
        changes[last].checkpoint = self.checkpoint;
        Ok(changes)
    }

    /// Whether there is a row for a stream.
    fn has(&self, stream: &StreamName) -> bool {
        match stream.category() {
            "execution" => self.open.contains_key(&ExecutionId(stream.id().to_owned())),
            "trigger" => self.lanes.contains_key(stream),
            category if LOOKED_AT.contains(&category) => self.looked(stream).is_some(),
            _ => self.queued.contains_key(&MessageId(stream.id().to_owned())),
        }
    }

    fn row(&self, stream: &StreamName) -> Result<Option<Vec<u8>>, ReadError> {
        match stream.category() {
            "execution" => {
                let id = ExecutionId(stream.id().to_owned());
                let Some(open) = self.open.get(&id).cloned() else { return Ok(None) };
                let (ready, waits) = (self.ready.contains(&id), self.compose.of(&id));
                bytes(&OpenRow { open, ready, waits, locks: self.locks.of(&id) }).map(Some)
            }
            "trigger" => {
                let Some((lane, at)) = self.lanes.get(stream).cloned() else { return Ok(None) };
                bytes(&TriggerRow { lane, at }).map(Some)
            }
            category if LOOKED_AT.contains(&category) => {
                self.looked(stream).as_ref().map(bytes).transpose()
            }
            _ => {
                let id = MessageId(stream.id().to_owned());
                let Some((lane, at)) = self.queued.get(&id).cloned() else { return Ok(None) };
                let unsent = self.unsent.get(&lane).and_then(|queue| queue.get(&at));
                let edits = unsent.and_then(|unsent| unsent.edits.clone());
                bytes(&MessageRow { lane, at, edits }).map(Some)
            }
        }
    }

    fn looked(&self, stream: &StreamName) -> Option<LookedRow> {
        let (open, due) = (self.alerts.is_open(stream), self.wakes.planned(stream));
        (open || due.is_some()).then_some(LookedRow { open, due })
    }

    fn rest(&self) -> Result<Vec<u8>, ReadError> {
        bytes(&RestRow {
            edited: self.edited.clone(),
            gathering: self.gathering.clone(),
            unreadable: self.unreadable.clone(),
            manners: self.manners.clone(),
        })
    }

    /// As these rows tell it; none: something else wrote them.
    fn of_rows(kept: Projection) -> Option<Self> {
        let mut agenda = Self { checkpoint: kept.checkpoint, ..Self::default() };
        for (key, row) in kept.rows {
            if key == REST {
                let RestRow { edited, gathering, unreadable, manners } = read(&row)?;
                agenda = Self { edited, gathering, unreadable, manners, ..agenda };
                continue;
            }
            let stream = StreamName::parse(&key).ok().filter(has_rows)?;
            match stream.category() {
                "execution" => agenda.open_again(stream.id(), read(&row)?),
                "trigger" => {
                    let TriggerRow { lane, at } = read(&row)?;
                    agenda.waits_for_decision(&stream, lane, at);
                }
                category if LOOKED_AT.contains(&category) => {
                    let LookedRow { open, due } = read(&row)?;
                    if open {
                        agenda.alerts.opened(&stream);
                    }
                    agenda.wakes.plan(&stream, due);
                }
                _ => {
                    let MessageRow { lane, at, edits } = read(&row)?;
                    let message = MessageId(stream.id().to_owned());
                    agenda.waits_to_be_sent(lane, at, Unsent { message, edits });
                }
            }
        }
        agenda.changed = Changed(Some(BTreeMap::new()));
        Some(agenda)
    }

    fn open_again(&mut self, id: &str, row: OpenRow) {
        let (id, OpenRow { open, ready, waits, locks }) = (ExecutionId(id.to_owned()), row);
        self.compose.take_back(&id, waits);
        self.locks.take_back(&id, locks);
        for (path, stage) in &open.effects {
            if *stage != Stage::InDoubt {
                self.effects.insert((id.clone(), path.clone()));
            }
        }
        for (path, asked) in &open.questions {
            let here = self.asked.entry(asked.room.clone()).or_default();
            here.insert((asked.at, id.clone(), path.clone()));
            *self.phrases.entry(asked.tag.clone()).or_default() += 1;
        }
        for (path, due) in &open.timers {
            self.timers.insert((*due, id.clone(), path.clone()));
        }
        if ready {
            self.ready.insert(id.clone());
        }
        self.open.insert(id, open);
    }
}

/// Whether what happens in a stream has a row of its own.
fn has_rows(stream: &StreamName) -> bool {
    let category = stream.category();
    matches!(category, "execution" | "trigger" | "message") || LOOKED_AT.contains(&category)
}

fn bytes(row: &impl Serialize) -> Result<Vec<u8>, ReadError> {
    serde_json::to_vec(row).map_err(|why| ReadError::Store(why.to_string()))
}

fn read<T: DeserializeOwned>(row: &[u8]) -> Option<T> {
    serde_json::from_slice(row).ok()
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
