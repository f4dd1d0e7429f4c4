//! What was told of alerts that are erased: their messages and digests, and what rules made of their changes. It belongs to
//! what somebody else did, or to nobody, and goes with them.

use super::erasure::{Keeps, Round, correlation, whole_stream};
use crate::domain::alert::{self, Folded, SAYS_MAX, State};
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventId, StreamName, Version};
use crate::domain::storm;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Adds to a round what was told of the alerts in it.
pub(super) fn take(store: &dyn EventStore, round: &mut Round) -> Result<(), ReadError> {
    // A rule may have raised an alert for the change of another one: each is taken once.
    while let Some(event) = round.alerts.pop() {
        match event.stream.category() {
            "alert" => changes(store, &event, round)?,
            _ => digests(store, &event, round)?,
        }
    }
    Ok(())
}

/// What was said of an alert from a report on, until another one gave it other words.
fn changes(store: &dyn EventStore, report: &EventId, round: &mut Round) -> Result<(), ReadError> {
    let key = store.key();
    let root = alert::root(key, &report.stream, report.version);
    whole_stream(store, &StreamName::message(&root), round)?;
    behind(store, report, |event| {
        let id = &event.id;
        if id.version > report.version && event.kind == "alert_raised" {
            return Ok(false);
        }
        for nth in 0..SAYS_MAX {
            let message = alert::message(key, &id.stream, id.version, nth);
            whole_stream(store, &StreamName::message(&message), round)?;
        }
        turned(store, &StreamName::trigger(&key.dedupe(&alert::turned(id))), round)?;
        Ok(true)
    })
}

/// The trigger that an alert stands otherwise, with all that rules did for it.
fn turned(
    store: &dyn EventStore,
    trigger: &StreamName,
    round: &mut Round,
) -> Result<(), ReadError> {
    // It was recorded for what changed the alert; what it led to is its own.
    whole_stream(store, trigger, round)?;
    correlation(store, trigger, Keeps::Nothing, round)
}

/// The digests that an alert was told in, from its place in one on.
fn digests(store: &dyn EventStore, place: &EventId, round: &mut Round) -> Result<(), ReadError> {
    behind(store, place, |event| {
        if event.kind != "digest_told" {
            return Ok(true);
        }
        let before = Version(event.id.version.0.saturating_sub(1));
        let message = storm::message(store.key(), &event.id.stream, before);
        whole_stream(store, &StreamName::message(&message), round)?;
        // One that cannot be read any more may have been followed by others.
        Ok(!matches!(event.event(), Some(Event::DigestTold(told)) if told.next.is_none()))
    })
}

/// Finds the alerts in a round that fire and of which no report is left that says so.
pub(super) fn end(store: &dyn EventStore, round: &mut Round) -> Result<(), ReadError> {
    for stream in std::mem::take(&mut round.reported) {
        let back = alert::LOOK_BACK_EVENTS;
        let last = store.read(&stream, Version::END, Direction::Backward, back)?;
        let turns =
            |event: &&Recorded| matches!(event.kind.as_str(), "alert_raised" | "alert_resolved");
        let fires = last.iter().find(turns).is_some_and(|event| event.kind == "alert_raised");
        let mut left = Folded::default();
        last.iter()
            .rev()
            .filter(|it| !round.places.holds(it.position))
            .for_each(|it| left.apply(it));
        let known = left.alert.is_some_and(|alert| alert.state != State::Resolved);
        round.over.extend(last.first().filter(|_| fires && !known).map(|last| last.id.clone()));
    }
    Ok(())
}

/// Goes over a stream from an event on, for as long as `look` wants.
fn behind(
    store: &dyn EventStore,
    from: &EventId,
    mut look: impl FnMut(&Recorded) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut next = from.version;
    loop {
        let page = store.read(&from.stream, next, Direction::Forward, READ_EVENTS_MAX)?;
        let Some(last) = page.last() else { return Ok(()) };
        for event in &page {
            if !look(event)? {
                return Ok(());
            }
        }
        next = last.id.version.next();
    }
}
