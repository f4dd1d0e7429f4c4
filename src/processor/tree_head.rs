//! Signs the history: a head every so many events or minutes and at the end, recorded, and published in the audit room.
//!
//! What a head brings about, its message and what became of that, makes no further head, nor does the sync position that
//! moves because of it; otherwise each head would bring about the next one for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, sheet, write};
use crate::domain::event::{Event, MessageQueued, Meta, NewEvent, Recorded, TreeHead};
use crate::domain::id::{EventId, Position, RoomId, StreamName, Timestamp, Version};
use crate::domain::message::Doc;
use crate::domain::words::notices;
use crate::domain::words::records::log_has;
use crate::query::agenda::{self, Budget};
use crate::store::{AppendError, Direction, EventStore, Expected, ReadError, Write};

/// So many events at most are without a head, however fast they come.
pub const HEAD_EVERY_EVENTS: u64 = 1_000;
/// How long an event is without a head, unless configured.
pub const HEAD_EVERY: Duration = Duration::from_secs(10 * 60);
/// How many events are read at once.
const PAGE_EVENTS: usize = 256;
/// The longest between two looks: the configuration may have changed.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);
/// How long the last head may take to be said when the bot stops; what is not said is said after the start.
const SAY_WITHIN: Duration = Duration::from_secs(2);

/// A head that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub position: Position,
    /// The head.
    pub head: TreeHead,
}

/// Whether an event is a head, or tells people of one.
pub fn is_about_heads(event: &Recorded) -> bool {
    let heads = StreamName::heads();
    event.id.stream == heads || event.correlation.as_ref() == Some(&heads)
}

/// The last head in the log, and the version that the next one expects.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn last(store: &dyn EventStore) -> Result<(Option<Standing>, Expected), ReadError> {
    let found = store.read(&StreamName::heads(), Version::END, Direction::Backward, 1)?;
    let Some(last) = found.first() else { return Ok((None, Expected::NoStream)) };
    let head = match last.event() {
        Some(Event::TreeHead(head)) => Some(head.clone()),
        _ => None,
    };
    let standing = head.map(|head| Standing { position: last.position, head });
    Ok((standing, Expected::Exact(last.id.version)))
}

/// Signs and records a head, if anything happened that the last one does not sign; gives the last one then. It blocks.
/// None: the store keeps no proof.
///
/// # Errors
/// [`Error`] if the log fails or is not what was signed before.
pub fn record(
    store: &Arc<dyn EventStore>,
    audit_room: Option<&RoomId>,
    now: Timestamp,
    runtime: &Handle,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Option<Standing>, Error> {
    for _ in 0..ATTEMPTS_MAX {
        let (last, expected) = last(store.as_ref())?;
        if let Some(last) = last
            && Since::of(store.as_ref(), &last)?.other == 0
        {
            return Ok(Some(last));
        }
        let Some(head) = store.sign_head(told)? else { return Ok(None) };
        let batch = batch(store.as_ref(), &head, expected, audit_room, now);
        match runtime.block_on(store.append(batch)) {
            Ok(_) => tracing::debug!(size = head.size, "a head is recorded"),
            Err(AppendError::WrongVersion { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        return Ok(self::last(store.as_ref())?.0);
    }
    Ok(self::last(store.as_ref())?.0)
}

/// The head and its message, in one batch.
fn batch(
    store: &dyn EventStore,
    head: &TreeHead,
    expected: Expected,
    audit_room: Option<&RoomId>,
    now: Timestamp,
) -> Vec<Write> {
    let stream = StreamName::heads();
    let version = match expected {
        Expected::Exact(last) => last.next(),
        _ => Version::START,
    };
    let cause = EventId { stream: stream.clone(), version };
    let meta = Meta { correlation: Some(stream.clone()), ..Meta::default() };
    let mut batch = vec![write(stream, expected, vec![NewEvent::with(&meta, head.clone())])];
    if let Some(room) = audit_room {
        let message = MessageQueued {
            message: store.key().message(&cause.to_string(), "head"),
            place: Kernel::alone(room, "audit"),
            reply_to: None,
            edits: None,
            doc: told(head, now),
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        };
        batch.push(sheet::queued(&Meta { cause: Some(cause), ..meta }, message));
    }
    batch
}

/// What people read in the audit room.
fn told(head: &TreeHead, now: Timestamp) -> Doc {
    let at = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    Doc::text(&log_has(head.size, &at, &head.key)).code_block(head.note.trim_end(), None)
}

/// What happened since a head was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// Events that are not about heads.
    pub other: u64,
    /// When the first event that is not a sync position either was recorded.
    pub first: Option<Timestamp>,
}

impl Since {
    fn of(store: &dyn EventStore, last: &Standing) -> Result<Self, ReadError> {
        let mut since = Self::default();
        let mut from = Position(last.head.size);
        while since.other == 0 {
            let page = store.read_all(from, Direction::Forward, PAGE_EVENTS)?;
            let Some(last) = page.last().map(|last| last.position) else { break };
            page.iter().for_each(|event| since.take(event));
            from = last.next();
        }
        Ok(since)
    }

    fn take(&mut self, event: &Recorded) {
        if is_about_heads(event) {
            return;
        }
        self.other += 1;
        if event.kind != "sync_advanced" {
            self.first.get_or_insert(event.wall);
        }
    }
}

/// When the next head is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// Then, as it looks.
    At(Timestamp),
    /// When more happens.
    Later,
}

/// Decides when the next head is due.
pub fn due(events: u64, since: Since, every: Option<Duration>, now: Timestamp) -> Due {
    if since.other > 0 && events >= HEAD_EVERY_EVENTS {
        return Due::Now;
    }
    let (Some(every), Some(first)) = (every, since.first) else { return Due::Later };
    let at = first.plus_ms(i64::try_from(every.as_millis()).unwrap_or(i64::MAX));
    if at <= now { Due::Now } else { Due::At(at) }
}

/// Follows the log between two heads; each event is read once at most.
#[derive(Debug)]
pub struct Watch {
    signed: u64,
    read: Position,
    since: Since,
}

impl Watch {
    /// From the last head on.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn of(store: &dyn EventStore) -> Result<Self, ReadError> {
        let signed = last(store)?.0.map_or(0, |last| last.head.size);
        Ok(Self { signed, read: Position(signed), since: Since::default() })
    }

    /// When the next head is due, by what is in the log now.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn look(
        &mut self,
        store: &dyn EventStore,
        every: Option<Duration>,
        now: Timestamp,
    ) -> Result<Due, ReadError> {
        while self.since.first.is_none() && self.read < store.next_position() {
            let page = store.read_all(self.read, Direction::Forward, PAGE_EVENTS)?;
            let Some(last) = page.last().map(|last| last.position) else { break };
            page.iter().for_each(|event| self.since.take(event));
            self.read = last.next();
        }
        // Recorded while the clock was ahead: it counts from now on.
        self.since.first = self.since.first.map(|first| first.min(now));
        let events = store.next_position().0.saturating_sub(self.signed);
        Ok(due(events, self.since, every, now))
    }
}

/// Makes heads until `stop` turns true. A history that is not what was signed is told, and no more heads are made of it.
///
/// # Errors
/// [`Error`] if the log fails: the process must end.
pub async fn run(kernel: Arc<Kernel>, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    let mut head = kernel.store.watch();
    let mut watch = Watch::of(kernel.store.as_ref())?;
    while !*stop.borrow() {
        head.borrow_and_update();
        let now = kernel.clock.now();
        let wait = match watch.look(kernel.store.as_ref(), kernel.settings().head_every, now)? {
            Due::Now => {
                match make(&kernel).await {
                    Ok(()) => {}
                    Err(Error::Read(ReadError::Store(why))) => {
                        tracing::warn!(why, "no head is signed now; it is tried again");
                        tokio::select! {
                            () = tokio::time::sleep(LOOK_AT_LEAST) => {}
                            _ = stop.changed() => {}
                        }
                    }
                    Err(Error::Read(error)) => return refused(&kernel, &error, &mut stop).await,
                    Err(error) => return Err(error),
                }
                watch = Watch::of(kernel.store.as_ref())?;
                continue;
            }
            Due::At(at) => Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or(1)),
            Due::Later => LOOK_AT_LEAST,
        };
        tokio::select! {
            _ = head.changed() => {}
            () = tokio::time::sleep(wait.min(LOOK_AT_LEAST)) => {}
            _ = stop.changed() => {}
        }
    }
    Ok(())
}

async fn refused(
    kernel: &Kernel,
    error: &ReadError,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), Error> {
    tracing::error!(%error, "no head can be signed");
    kernel.notify(&notices::unsigned(&error.to_string())).await?;
    // Nobody is left to ask to stop: that is an end too.
    let _ = stop.wait_for(|stop| *stop).await;
    Ok(())
}

async fn make(kernel: &Arc<Kernel>) -> Result<(), Error> {
    let (kernel, runtime) = (kernel.clone(), Handle::current());
    let work = tokio::task::spawn_blocking(move || {
        let audit_room = kernel.settings().audit_room.clone();
        let now = kernel.clock.now();
        record(&kernel.store, audit_room.as_ref(), now, &runtime, &mut |_, _| {})
    });
    let made = work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    made.map(drop)
}

/// The last head of a bot that stops, said at once if nothing is in its way.
///
/// # Errors
/// [`Error`] if the log fails.
pub async fn finish(kernel: &Arc<Kernel>) -> Result<(), Error> {
    let every = kernel.settings().head_every;
    let mut watch = Watch::of(kernel.store.as_ref())?;
    watch.look(kernel.store.as_ref(), every, kernel.clock.now())?;
    if watch.since.first.is_none() {
        return Ok(());
    }
    match tokio::time::timeout(SAY_WITHIN, make(kernel)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the last head is not signed");
            return Ok(());
        }
        Err(_) => {
            tracing::warn!("the last head is not signed in time: the next start does it");
            return Ok(());
        }
    }
    let saying = say(kernel);
    tokio::time::timeout(SAY_WITHIN, saying).await.unwrap_or(Ok(()))
}

/// Says what waits for the audit room.
async fn say(kernel: &Arc<Kernel>) -> Result<(), Error> {
    let Some(room) = kernel.settings().audit_room.clone() else { return Ok(()) };
    kernel.catch_up()?;
    let Some(lane) = kernel.lane_to(&room) else { return Ok(()) };
    let others = |other: &str| other != lane;
    let tasks = kernel.tasks(&others, Budget { steps: 0, effects: 0, sends: 1 });
    for task in tasks {
        kernel.perform(&task).await?;
    }
    Ok(())
}

impl Kernel {
    /// The lane in which messages to a room wait.
    fn lane_to(&self, room: &RoomId) -> Option<String> {
        let pseudonym = self.pseudonym_of(room)?;
        Some(agenda::lane_to(Some(&pseudonym)))
    }

    /// Tells the owner that heads cannot be published: once a day, and in a way that makes no head due.
    pub(super) async fn tell_of_heads(&self, reason: &str) -> Result<(), Error> {
        let day = (self.clock.now().0 / super::DAY_MS).to_string();
        let message = self.store.key().message("notice of heads", &day);
        let meta = Meta { correlation: Some(StreamName::heads()), ..Meta::default() };
        let text = notices::unpublished(reason);
        let Some(notice) = self.notice(message, &meta, &text)? else { return Ok(()) };
        match self.append(vec![notice]).await? {
            Tried::Done | Tried::Moved => Ok(()),
            Tried::TooMuch(why) => {
                tracing::error!(why, "the owner is not told");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_due_after_events_or_time() {
        let (minute, first) = (60_000, Some(Timestamp(0)));
        let ten = Some(Duration::from_secs(600));
        for (events, other, first, every, now, want) in [
            (0, 0, None, ten, 0, Due::Later),
            (1, 1, first, ten, 0, Due::At(Timestamp(10 * minute))),
            (1, 1, first, ten, 10 * minute, Due::Now),
            (1, 1, first, None, 10 * minute, Due::Later),
            (5, 5, None, ten, 10 * minute, Due::Later),
            (HEAD_EVERY_EVENTS - 1, 9, first, None, 0, Due::Later),
            (HEAD_EVERY_EVENTS, 9, first, None, 0, Due::Now),
            (HEAD_EVERY_EVENTS, 1, None, None, 0, Due::Now),
            (HEAD_EVERY_EVENTS, 0, None, None, 0, Due::Later),
        ] {
            let got = due(events, Since { other, first }, every, Timestamp(now));
            assert_eq!(got, want, "{events} {other} {first:?} {every:?} {now}");
        }
    }
}
