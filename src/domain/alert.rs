//! One alert: what fires under one key, from its first report to its end, as a fold of its stream, and what a report changes.
//!
//! The same key is the same thread. A message of its own, the root, is changed as the alert changes; what people should
//! notice is said in its thread. What fires again soon after its end joins the thread; later it is a new one.

use super::alert_event::{
    AlertAcknowledged, AlertEscalated, AlertFacts, AlertRaised, AlertResolved, Escalation, Shown,
};
use super::event::{Event, Recorded};
use super::id::{DedupeKey, EventId, IdKey, MessageId, StreamName, Timestamp, UserId, Version};
use super::message::Doc;
use super::trigger::Place;
use super::wake::Wakes;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// Longest severity, host or source, in bytes.
pub const FACT_BYTES_MAX: usize = 200;
/// Longest link, in bytes.
pub const LINK_BYTES_MAX: usize = 2_000;
/// Largest labels, in bytes of JSON.
pub const LABELS_BYTES_MAX: usize = 8 * 1024;
/// Largest text of an alert, in bytes of JSON: its root is told anew with each change.
pub const ALERT_BYTES_MAX: usize = 8 * 1024;
/// Longest time until somebody is called.
pub const ESCALATE_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// What fires again so soon after its end joins its thread, if nothing else is configured.
pub const REJOIN_WITHIN_MS: i64 = 60 * 60 * 1000;
/// So many of the last events of an alert hold all that is known of it.
pub const LOOK_BACK_EVENTS: usize = 64;

/// Most messages of one change.
pub const SAYS_MAX: usize = 2;

/// The message of its own of an alert that was raised by this event of its stream.
pub fn root(key: &IdKey, stream: &StreamName, raised: Version) -> MessageId {
    key.message(stream.as_str(), &format!("root {raised}"))
}

/// The n-th message of the change that begins with this event of an alert's stream.
pub fn message(key: &IdKey, stream: &StreamName, version: Version, nth: usize) -> MessageId {
    key.message(stream.as_str(), &format!("{version} {nth}"))
}

/// What the trigger is known by that an alert stands otherwise since this event.
pub fn turned(event: &EventId) -> DedupeKey {
    DedupeKey::new(&["alert", &event.to_string()])
}

/// How an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has said that they look after it.
    Firing,
    /// Somebody looks after it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl State {
    /// As scripts and triggers name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    /// What a word names.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Firing, Self::Acknowledged, Self::Resolved]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// An alert as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The last report that it fires.
    pub raised: AlertRaised,
    /// How it stands.
    pub state: State,
    /// When it came to stand so.
    pub changed: Timestamp,
    /// When anything of it changed.
    pub at: Timestamp,
}

/// The fold of an alert's stream; nothing before its first report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    /// The alert, if it was ever raised.
    pub alert: Option<Alert>,
    planned: Option<Timestamp>,
}

impl Wakes for Folded {
    fn take(&mut self, event: &Event, at: Timestamp) {
        match (event, &mut self.alert) {
            (Event::AlertRaised(e), _) => self.alert = Some(Alert::raised(e.clone(), at)),
            (Event::AlertAcknowledged(e), Some(alert)) => {
                alert.raised.acknowledged = Some(e.who.clone());
                alert.stands(State::Acknowledged, at);
            }
            (Event::AlertResolved(_), Some(alert)) => alert.stands(State::Resolved, at),
            (Event::AlertEscalated(_), Some(alert)) => alert.raised.escalation = None,
            (Event::WakePlanned(e), _) => self.planned = e.due,
            _ => {}
        }
    }

    fn wake(&self) -> Option<Timestamp> {
        let alert = self.alert.as_ref().filter(|alert| alert.state == State::Firing)?;
        let seen = !matches!(alert.raised.shown, Shown::HeldBack(_));
        alert.raised.escalation.as_ref().filter(|_| seen).map(|it| it.due)
    }

    fn planned(&self) -> Option<Timestamp> {
        self.planned
    }
}

impl Folded {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        if let Some(event) = recorded.event() {
            self.take(event, recorded.wall);
        }
    }
}

impl Alert {
    fn raised(raised: AlertRaised, at: Timestamp) -> Self {
        let state = match raised.acknowledged {
            Some(_) => State::Acknowledged,
            None => State::Firing,
        };
        Self { raised, state, changed: at, at }
    }

    fn stands(&mut self, state: State, at: Timestamp) {
        (self.state, self.changed, self.at) = (state, at, at);
    }

    /// The message of its own, if it has one.
    pub fn root(&self) -> Option<&MessageId> {
        match &self.raised.shown {
            Shown::Alone(root) => Some(root),
            Shown::Grouped | Shown::HeldBack(_) => None,
        }
    }
}

/// A report that something is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What makes it the same alert.
    pub key: String,
    /// Where it is to be told.
    pub place: Place,
    /// What is wrong, in words.
    pub doc: Doc,
    /// What is known of it.
    pub facts: AlertFacts,
    /// The rule or command that says so.
    pub by: String,
    /// Who is called when nobody acknowledges it.
    pub escalation: Option<Escalation>,
}

/// How a new alert comes to its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// By a message of its own.
    Alone,
    /// In a digest.
    Grouped,
}

/// What a change of an alert leads to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// What is recorded.
    pub events: Vec<Event>,
    /// What is said of it.
    pub says: Vec<Say>,
    /// The alert came to stand otherwise.
    pub turned: Option<State>,
}

/// What is said of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// Its own message, for the first time.
    Root,
    /// Its own message is changed.
    Edit,
    /// In its thread: it fires again.
    Again,
    /// In its thread: it is worse or better now.
    Severity,
    /// In its thread: who looks after it.
    Acknowledged,
    /// In its thread: it is over, with these words.
    Resolved(Doc),
    /// In its thread: nobody looks after it.
    Escalated(Escalation),
}

/// Whether a report joins what is known of an alert; else it is a new one.
pub fn joins(alert: &Alert, now: Timestamp, rejoin_within_ms: i64) -> bool {
    alert.state != State::Resolved || alert.changed.plus_ms(rejoin_within_ms) > now
}

/// Whether a report needs a place in its room.
pub fn arrives(alert: Option<&Alert>, now: Timestamp, rejoin_within_ms: i64) -> bool {
    match alert.filter(|alert| joins(alert, now, rejoin_within_ms)) {
        None => true,
        Some(alert) => match alert.raised.shown {
            Shown::Alone(_) => false,
            Shown::Grouped => alert.state == State::Resolved,
            Shown::HeldBack(_) => true,
        },
    }
}

/// Decides what a report changes: `silence` holds it back, `arrival` is how it comes to its room if it is new there, as `root`.
pub fn report(
    alert: Option<&Alert>,
    report: Report,
    silence: Option<&str>,
    (arrival, root): (Arrival, MessageId),
    (now, rejoin_within_ms): (Timestamp, i64),
) -> Change {
    let new = arrives(alert, now, rejoin_within_ms);
    let before = alert.filter(|alert| joins(alert, now, rejoin_within_ms));
    let again = before.is_none_or(|alert| alert.state == State::Resolved);
    let shown = shown(before.filter(|_| !new || silence.is_some()), silence, (arrival, root));
    let mut says = vec![];
    if silence.is_none() && matches!(shown, Shown::Alone(_)) {
        match (new, before) {
            (true, _) => says.push(Say::Root),
            (false, Some(before)) => {
                says.push(Say::Edit);
                let severity = before.raised.facts.severity != report.facts.severity;
                match (again, severity) {
                    (true, _) => says.push(Say::Again),
                    (false, true) => says.push(Say::Severity),
                    (false, false) => {}
                }
            }
            (false, None) => {}
        }
    }
    let raised = AlertRaised {
        key: report.key,
        place: before.map_or(report.place, |alert| alert.raised.place.clone()),
        doc: report.doc,
        facts: report.facts,
        by: report.by,
        count: before.map_or(0, |alert| alert.raised.count).saturating_add(1),
        since: before.map_or(now, |alert| alert.raised.since),
        shown,
        acknowledged: before.filter(|_| !again).and_then(|it| it.raised.acknowledged.clone()),
        escalation: match before.filter(|_| !again) {
            Some(before) => before.raised.escalation.clone(),
            None => report.escalation,
        },
    };
    Change { events: vec![raised.into()], says, turned: again.then_some(State::Firing) }
}

/// How people see an alert that was seen like `before`, if that goes on.
fn shown(before: Option<&Alert>, silence: Option<&str>, new: (Arrival, MessageId)) -> Shown {
    match (before.map(|alert| &alert.raised.shown), silence, new) {
        // What people see already stays where it is.
        (Some(Shown::Alone(root)), ..) => Shown::Alone(root.clone()),
        (_, Some(silence), _) => Shown::HeldBack(silence.to_owned()),
        (Some(shown), None, _) => shown.clone(),
        (None, None, (Arrival::Grouped, _)) => Shown::Grouped,
        (None, None, (Arrival::Alone, root)) => Shown::Alone(root),
    }
}

/// Decides that somebody looks after an alert; none: somebody does, or it is over.
pub fn acknowledge(alert: &Alert, by: Option<&UserId>, who: &str) -> Option<Change> {
    if alert.state != State::Firing {
        return None;
    }
    let event = AlertAcknowledged { by: by.cloned(), who: who.to_owned() };
    let says = match alert.root() {
        Some(_) => vec![Say::Edit, Say::Acknowledged],
        None => vec![],
    };
    Some(Change { events: vec![event.into()], says, turned: Some(State::Acknowledged) })
}

/// Decides that an alert is over; none: it was. Under a silence the end is shown, but nobody is called to it.
pub fn resolve(alert: &Alert, doc: Doc, silenced: bool) -> Option<Change> {
    if alert.state == State::Resolved {
        return None;
    }
    let says = match (alert.root(), silenced) {
        (Some(_), false) => vec![Say::Edit, Say::Resolved(doc.clone())],
        (Some(_), true) => vec![Say::Edit],
        (None, _) => vec![],
    };
    let events = vec![AlertResolved { doc }.into()];
    Some(Change { events, says, turned: Some(State::Resolved) })
}

/// Decides who is called, if it is time and nobody looks after the alert.
pub fn escalate(alert: &Alert, now: Timestamp, silenced: bool) -> Option<Change> {
    let escalation = alert.raised.escalation.clone().filter(|it| it.due <= now)?;
    let event = AlertEscalated { due: escalation.due };
    let heard = alert.state == State::Firing && !silenced;
    let says = if heard { vec![Say::Escalated(escalation)] } else { vec![] };
    Some(Change { events: vec![event.into()], says, turned: None })
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
