//! What a batch comes to: its bounds, its streams' expected versions and the known dedupe keys. Pure, for every store.

use std::collections::HashMap;

use super::{
    AppendError, BATCH_EVENTS_MAX, Expected, PAYLOAD_BYTES_MAX, ReadError, Write, Written,
};
use crate::domain::event::{ClockStepped, Meta, NewEvent, Secrecy};
use crate::domain::id::{IdKey, Position, StreamName, Tag, Timestamp, Version};

/// How far the wall clock may go back before a new clock epoch begins.
pub const CLOCK_STEP_MS: i64 = 2_000;

/// A batch that keeps every bound, with its payloads as JSON.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) writes: Vec<DraftWrite>,
}

/// One write of a [`Draft`].
#[derive(Debug)]
pub(crate) struct DraftWrite {
    pub(crate) stream: StreamName,
    pub(crate) expected: Expected,
    pub(crate) key: Option<Tag>,
    pub(crate) events: Vec<DraftEvent>,
}

/// One event of a [`DraftWrite`].
#[derive(Debug)]
pub(crate) struct DraftEvent {
    pub(crate) kind: &'static str,
    pub(crate) schema: u32,
    pub(crate) secrecy: Secrecy,
    pub(crate) plaintext: Vec<u8>,
    pub(crate) meta: Meta,
}

impl Draft {
    /// Checks a batch against the bounds and writes its payloads out.
    ///
    /// # Errors
    /// [`AppendError::Invalid`] if it can never be appended.
    pub(crate) fn new(batch: Vec<Write>, key: &IdKey) -> Result<Self, AppendError> {
        let events: usize = batch.iter().map(|write| write.events.len()).sum();
        if events > BATCH_EVENTS_MAX {
            return invalid(format!("it has {events} events, at most {BATCH_EVENTS_MAX} fit"));
        }
        if events == 0 {
            return invalid("it writes nothing".into());
        }
        for (nth, write) in batch.iter().enumerate() {
            if write.events.is_empty() && write.key.is_some() {
                return invalid(format!("it has a key and no events for `{}`", write.stream));
            }
            if batch[..nth].iter().any(|earlier| earlier.stream == write.stream) {
                return invalid(format!("it writes to `{}` twice", write.stream));
            }
        }
        let writes = batch.into_iter().map(|write| DraftWrite::new(write, key));
        Ok(Self { writes: writes.collect::<Result<_, _>>()? })
    }

    /// One event that the log itself appends.
    pub(crate) fn own(stream: StreamName, event: NewEvent) -> Result<Self, AppendError> {
        let events = vec![DraftEvent::new(event)?];
        Ok(Self { writes: vec![DraftWrite { stream, expected: Expected::Any, key: None, events }] })
    }

    /// How many events it has.
    pub(crate) fn events(&self) -> usize {
        self.writes.iter().map(|write| write.events.len()).sum()
    }
}

impl DraftWrite {
    fn new(write: Write, key: &IdKey) -> Result<Self, AppendError> {
        let tag = write.key.as_ref().map(|dedupe| key.dedupe(dedupe));
        let events = write.events.into_iter().map(DraftEvent::new).collect::<Result<_, _>>()?;
        Ok(Self { stream: write.stream, expected: write.expected, key: tag, events })
    }
}

impl DraftEvent {
    fn new(new: NewEvent) -> Result<Self, AppendError> {
        let (kind, schema, secrecy) = (new.event.kind(), new.event.schema(), new.event.secrecy());
        let plaintext = new.event.encode().to_string().into_bytes();
        if plaintext.len() > PAYLOAD_BYTES_MAX {
            let bytes = plaintext.len();
            return invalid(format!(
                "a `{kind}` of {bytes} bytes is too large, {PAYLOAD_BYTES_MAX} fit"
            ));
        }
        Ok(Self { kind, schema, secrecy, plaintext, meta: new.meta })
    }
}

fn invalid<T>(what: String) -> Result<T, AppendError> {
    Err(AppendError::Invalid(what))
}

/// What a store knows already.
pub(crate) trait Known {
    /// The last version of a stream.
    fn head(&self, stream: &StreamName) -> Result<Option<Version>, ReadError>;
    /// The first event that came with a dedupe key.
    fn keyed(&self, key: &Tag) -> Result<Option<Position>, ReadError>;
}

/// Why a batch was not planned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// The batch alone fails.
    #[error(transparent)]
    Batch(AppendError),
    /// The store cannot tell.
    #[error(transparent)]
    Store(ReadError),
}

impl From<ReadError> for PlanError {
    fn from(error: ReadError) -> Self {
        Self::Store(error)
    }
}

/// The batches of one group: what they leave, on top of what the store knows.
#[derive(Debug)]
pub(crate) struct Plan {
    next: Position,
    heads: HashMap<StreamName, Version>,
    keys: HashMap<Tag, Position>,
}

impl Plan {
    /// Begins behind the last event of the log.
    pub(crate) fn at(next: Position) -> Self {
        Self { next, heads: HashMap::new(), keys: HashMap::new() }
    }

    /// Takes a batch into the plan, all of it or nothing; says where each write goes.
    pub(crate) fn take(
        &mut self,
        batch: &Draft,
        known: &impl Known,
    ) -> Result<Vec<Written>, PlanError> {
        let mut written: Vec<Written> = Vec::with_capacity(batch.writes.len());
        let mut next = self.next;
        for (nth, write) in batch.writes.iter().enumerate() {
            let same = write.key.and_then(|key| {
                let earlier = batch.writes[..nth].iter().zip(&written);
                earlier.filter(|(it, _)| it.key == Some(key)).map(|(_, at)| *at).next()
            });
            if let Some(Written::Appended { position, .. } | Written::AlreadyThere { position }) =
                same.map_or_else(|| self.known_key(write.key, known), |at| Ok(Some(at)))?
            {
                written.push(Written::AlreadyThere { position });
                continue;
            }
            let head = self.head(&write.stream, known)?;
            check(write, head).map_err(PlanError::Batch)?;
            let version = head.map_or(Version::START, Version::next);
            written.push(Written::Appended { position: next, version });
            next = Position(next.0 + write.events.len() as u64);
        }
        self.commit(batch, &written, next);
        Ok(written)
    }

    fn known_key(
        &self,
        key: Option<Tag>,
        known: &impl Known,
    ) -> Result<Option<Written>, ReadError> {
        let Some(key) = key else { return Ok(None) };
        let position = match self.keys.get(&key) {
            Some(position) => Some(*position),
            None => known.keyed(&key)?,
        };
        Ok(position.map(|position| Written::AlreadyThere { position }))
    }

    fn head(&self, stream: &StreamName, known: &impl Known) -> Result<Option<Version>, ReadError> {
        match self.heads.get(stream) {
            Some(version) => Ok(Some(*version)),
            None => known.head(stream),
        }
    }

    fn commit(&mut self, batch: &Draft, written: &[Written], next: Position) {
        for (write, written) in batch.writes.iter().zip(written) {
            if let Written::Appended { position, version } = written
                && !write.events.is_empty()
            {
                let last = Version(version.0 + write.events.len() as u64 - 1);
                self.heads.insert(write.stream.clone(), last);
                self.keys.extend(write.key.map(|key| (key, *position)));
            }
        }
        self.next = next;
    }
}

/// Whether a stream is where a write expects it.
fn check(write: &DraftWrite, head: Option<Version>) -> Result<(), AppendError> {
    let holds = match write.expected {
        Expected::Any => true,
        Expected::NoStream => head.is_none(),
        Expected::Exists => head.is_some(),
        Expected::Exact(version) => head == Some(version),
    };
    let (stream, expected) = (write.stream.clone(), write.expected);
    holds.then_some(()).ok_or(AppendError::WrongVersion { stream, expected, actual: head })
}

/// The log's clock: never goes back within an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// The latest time.
    pub(crate) ts: Timestamp,
    /// Counts the steps back.
    pub(crate) epoch: u32,
}

impl Times {
    /// Before the first event.
    pub(crate) const START: Self = Self { ts: Timestamp(i64::MIN), epoch: 0 };

    /// Moves on to a wall clock time. A step back by more than two seconds begins a new epoch.
    pub(crate) fn advance(&mut self, wall: Timestamp) -> Option<ClockStepped> {
        let from = self.ts;
        let back = from.0.saturating_sub(wall.0) > CLOCK_STEP_MS;
        if back {
            *self = Self { ts: wall, epoch: self.epoch + 1 };
        }
        self.ts = self.ts.max(wall);
        back.then_some(ClockStepped { from, to: wall })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back_within_an_epoch() {
        let mut times = Times::START;
        for (wall, want) in [
            (1_000, (1_000, 0, false)),
            (5_000, (5_000, 0, false)),
            (3_000, (5_000, 0, false)),
            (2_999, (2_999, 1, true)),
            (3_000, (3_000, 1, false)),
        ] {
            let stepped = times.advance(Timestamp(wall)).is_some();
            assert_eq!((times.ts.0, times.epoch, stepped), want, "wall {wall}");
        }
    }
}
