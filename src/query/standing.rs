//! What of alerts, digests, silences, switches and grants still holds: the oldest events that it is made from.
//!
//! Each of these streams tells of many things, or of one again and again, so that its last event says too little.

use std::collections::BTreeMap;

use super::agenda::Agenda;
use super::bridge_setups::bridge_setups;
use super::retention::Open;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{Position, StreamName, Timestamp, Version};
use crate::domain::storm::LOOK_BACK_EVENTS;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// The oldest events that something needs which holds; what ended by itself before a time holds no more.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn needed(
    store: &dyn EventStore,
    agenda: &Agenda,
    before: Timestamp,
) -> Result<Vec<Open>, ReadError> {
    let mut open = switched_off(store, before)?;
    open.extend(silences(store, before)?);
    open.extend(grants(store, before)?);
    open.extend(setups(store)?);
    for stream in agenda.alerts.open() {
        let raised = last(store, stream, |event| Some(event.kind == "alert_raised"))?;
        open.extend(raised.map(|at| (at, stream.clone(), "the alert is not over")));
    }
    for stream in agenda.wakes.streams() {
        let plan = last(store, stream, |event| Some(event.kind == "wake_planned"))?;
        open.extend(plan.map(|at| (at, stream.clone(), "it is looked at again by itself")));
        if stream.category() == "digest" {
            let first = digest(store, stream)?;
            open.extend(first.map(|at| (at, stream.clone(), "its digest is still changed")));
        }
    }
    Ok(open)
}

fn switched_off(store: &dyn EventStore, before: Timestamp) -> Result<Vec<Open>, ReadError> {
    let mut off = BTreeMap::new();
    let stream = StreamName::switches();
    each(store, &stream, |event| {
        let Some(Event::AutomationSwitched(switch)) = event.event() else { return };
        let what = (switch.kind, switch.name.clone());
        match switch.on || over(switch.until, before) {
            true => drop(off.remove(&what)),
            false => drop(off.insert(what, event.position)),
        }
    })?;
    Ok(all(off, &stream, "it is switched off"))
}

fn silences(store: &dyn EventStore, before: Timestamp) -> Result<Vec<Open>, ReadError> {
    let mut held: BTreeMap<String, (Position, Timestamp)> = BTreeMap::new();
    let stream = StreamName::silences();
    each(store, &stream, |event| match event.event() {
        Some(Event::SilenceStarted(e)) => {
            held.insert(e.silence.clone(), (event.position, e.until));
        }
        Some(Event::SilenceExtended(e)) => {
            if let Some((_, until)) = held.get_mut(&e.silence) {
                *until = e.until;
            }
        }
        Some(Event::SilenceEnded(e)) => drop(held.remove(&e.silence)),
        _ => {}
    })?;
    held.retain(|_, (_, until)| !over(Some(*until), before));
    // What a silence held back came after it began, so it stays as well.
    let began = held.into_iter().map(|(silence, (at, _))| (silence, at)).collect();
    Ok(all(began, &stream, "the silence is not over"))
}

fn grants(store: &dyn EventStore, before: Timestamp) -> Result<Vec<Open>, ReadError> {
    let mut made = BTreeMap::new();
    let stream = StreamName::grants();
    each(store, &stream, |event| match event.event() {
        Some(Event::GrantMade(e)) if !over(Some(e.until), before) => {
            made.insert(e.grant.clone(), event.position);
        }
        Some(Event::GrantRevoked(e)) => drop(made.remove(&e.grant)),
        _ => {}
    })?;
    Ok(all(made, &stream, "the grant is not over"))
}

/// A channel that is set up or being set up is known from when it was wanted last.
fn setups(store: &dyn EventStore) -> Result<Vec<Open>, ReadError> {
    let setups = bridge_setups(store)?;
    let stream = StreamName::setups();
    Ok(setups.all().map(|it| (it.at, stream.clone(), "the channel is not removed")).collect())
}

fn over(until: Option<Timestamp>, before: Timestamp) -> bool {
    until.is_some_and(|until| until <= before)
}

fn all<K>(needed: BTreeMap<K, Position>, stream: &StreamName, why: &'static str) -> Vec<Open> {
    needed.into_values().map(|at| (at, stream.clone(), why)).collect()
}

/// Where the alerts of the digest that is open in a room begin.
fn digest(store: &dyn EventStore, stream: &StreamName) -> Result<Option<Position>, ReadError> {
    let mut first = None;
    last(store, stream, |event| match event.event() {
        Some(Event::DigestTold(told)) if told.next.is_none() => None,
        Some(Event::AlertPlaced(placed)) if placed.digest.is_some() => {
            first = Some(event.position);
            Some(false)
        }
        _ => Some(false),
    })?;
    Ok(first)
}

/// Goes back over the last events of a stream until `wanted` has found one, or says that there is none before.
fn last(
    store: &dyn EventStore,
    stream: &StreamName,
    mut wanted: impl FnMut(&Recorded) -> Option<bool>,
) -> Result<Option<Position>, ReadError> {
    let (mut from, mut looked_at) = (Version::END, 0);
    while looked_at < LOOK_BACK_EVENTS {
        let page = store.read(stream, from, Direction::Backward, READ_EVENTS_MAX)?;
        looked_at += page.len();
        for event in &page {
            match wanted(event) {
                Some(true) => return Ok(Some(event.position)),
                Some(false) => {}
                None => return Ok(None),
            }
        }
        match page.last().and_then(|first| first.id.version.0.checked_sub(1)) {
            Some(before) => from = Version(before),
            None => break,
        }
    }
    Ok(None)
}

/// Goes over a whole stream.
fn each(
    store: &dyn EventStore,
    stream: &StreamName,
    mut look: impl FnMut(&Recorded),
) -> Result<(), ReadError> {
    let mut from = Version::START;
    loop {
        let page = store.read(stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        let Some(last) = page.last() else { return Ok(()) };
        page.iter().for_each(&mut look);
        from = last.id.version.next();
    }
}
