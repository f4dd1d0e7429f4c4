//! Records what became of posts that could not be read at first: once each, however often they are handed over.

use super::intake::{Ear, record};
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::adapter::{Found, Reread, Unread};
use crate::domain::event::{Event, EventDecrypted, EventGivenUp, EventWithheld, Meta, NewEvent};
use crate::domain::event::{Recorded, TriggerRecorded};
use crate::domain::id::{EventId, StreamName, Version};
use crate::domain::trigger::{Trigger, What};
use crate::domain::unreadable::{Standing, TRIGGER_EVENTS_MAX, standing};
use crate::store::{Direction, Expected, ReadError, Write};

impl Kernel {
    /// The posts that could not be read and are still worth a try, the oldest first.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn unread(&self) -> Result<Vec<Unread>, ReadError> {
        self.catch_up()?;
        let now = self.clock.now();
        let mut found = vec![];
        for (stream, since) in self.agenda(|agenda| agenda.unreadable.waiting(now)) {
            let events = self.store.read(&stream, Version::START, Direction::Forward, 1)?;
            let trigger = events.first().and_then(unreadable);
            found.extend(trigger.and_then(|trigger| {
                let (room, post) = match &trigger.what {
                    What::Undecryptable(event) => (event.place.room.clone(), event.post.clone()),
                    What::Message(_) | What::Reaction(_) | What::Timer(_) | What::Order(_) => {
                        return None;
                    }
                };
                Some(Unread { key: trigger.key.clone(), room, post, since })
            }));
        }
        Ok(found)
    }
}

impl Ear {
    /// Records what a second look at a post found; false: it was not decided on yet.
    pub(super) async fn take_reread(&self, reread: Reread) -> Result<bool, Error> {
        let kernel = &self.kernel;
        kernel.catch_up()?;
        let stream = StreamName::trigger(&kernel.store.key().dedupe(&reread.key));
        let trigger = match reread.found.clone() {
            Found::Read(Some(trigger)) => self.wanted(self.judged(*trigger))?,
            _ => None,
        };
        for _ in 0..ATTEMPTS_MAX {
            let forward = Direction::Forward;
            let events = kernel.store.read(&stream, Version::START, forward, TRIGGER_EVENTS_MAX)?;
            let (version, withheld) = match standing(&events) {
                Standing::Undecided => return Ok(false),
                Standing::Over => return Ok(true),
                Standing::Waiting { version, withheld } => (version, withheld),
            };
            let event: Event = match &reread.found {
                Found::Read(_) => EventDecrypted {}.into(),
                Found::Gone(reason) => EventGivenUp { reason: reason.clone() }.into(),
                Found::Withheld(code) if withheld.as_ref() == Some(code) => return Ok(true),
                Found::Withheld(code) => EventWithheld { code: code.clone() }.into(),
            };
            let event = NewEvent::with(&beside(&stream, &events), event);
            let noted = write(stream.clone(), Expected::Exact(version), vec![event]);
            let mut batch = vec![noted.clone()];
            batch.extend(trigger.clone().map(|trigger| late(kernel, trigger, &stream, version)));
            match kernel.append(batch).await? {
                Tried::Done => return Ok(true),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(%stream, why, "what could be read at last cannot be recorded");
                    kernel.append(vec![noted]).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The write that records a trigger that came late; what it was before it could be read is its cause.
fn late(kernel: &Kernel, trigger: Trigger, stream: &StreamName, version: Version) -> Write {
    let mut write = record(kernel.store.as_ref(), trigger);
    let cause = EventId { stream: stream.clone(), version: version.next() };
    write.events.iter_mut().for_each(|event| event.meta.cause = Some(cause.clone()));
    write
}

/// What stands beside an event about an unreadable post.
pub(super) fn beside(stream: &StreamName, events: &[Recorded]) -> Meta {
    let trigger = events.first().and_then(unreadable);
    Meta {
        cause: events.first().map(|first| first.id.clone()),
        correlation: Some(stream.clone()),
        actor: trigger.and_then(Trigger::speaker).map(|speaker| speaker.id.clone()),
        room: trigger.and_then(Trigger::place).map(|place| place.room.clone()),
        network: trigger.and_then(Trigger::place).map(|place| place.network.clone()),
    }
}

/// The trigger that a stream begins with.
fn unreadable(recorded: &Recorded) -> Option<&Trigger> {
    match recorded.event()? {
        Event::TriggerRecorded(TriggerRecorded { trigger }) => Some(trigger),
        _ => None,
    }
}
