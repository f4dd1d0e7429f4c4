//! What is recorded of alerts: that one fires, that somebody looks after it, that it is over; and how rooms hear of many.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{MessageId, StreamName, Timestamp, UserId};
use super::message::Doc;
use super::question_event::Whom;
use super::trigger::Place;

/// What is wrong, and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertFacts {
    /// How bad it is, in the words of whoever found it: `CRITICAL`.
    pub severity: String,
    /// Where more is to be seen.
    pub link: String,
    /// The machine.
    pub host: String,
    /// The hook, sensor or system that says so.
    pub source: String,
    /// Whatever else is known.
    pub labels: Map<String, Value>,
}

/// Who is called when nobody acknowledges an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// How long it may fire, in milliseconds.
    pub after_ms: i64,
    /// When they are called.
    pub due: Timestamp,
    /// Whom.
    pub then: Whom,
}

/// How people see an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// By a message of its own, which is changed as the alert changes.
    Alone(MessageId),
    /// In a digest of its room.
    Grouped,
    /// Not at all: this silence holds it back.
    HeldBack(String),
}

/// An alert fires, for the first time or again. It carries what came before, so that a look at the last events is enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRaised {
    /// What makes it the same alert.
    pub key: String,
    /// Where it is told.
    pub place: Place,
    /// What is wrong, in words.
    pub doc: Doc,
    /// What is known of it.
    pub facts: AlertFacts,
    /// The rule or command that raised it.
    pub by: String,
    /// How often it has fired since it began.
    pub count: u32,
    /// When it began.
    pub since: Timestamp,
    /// How people see it.
    pub shown: Shown,
    /// Who looks after it; none: nobody has said so.
    pub acknowledged: Option<String>,
    /// Who is called when nobody does; none: nobody, or they were.
    pub escalation: Option<Escalation>,
}

/// Somebody looks after an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertAcknowledged {
    /// Their account; none: a script said so.
    pub by: Option<UserId>,
    /// What people call them.
    pub who: String,
}

/// An alert fires no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertResolved {
    /// What was said of it.
    pub doc: Doc,
}

/// Nobody looks after an alert, and somebody was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEscalated {
    /// When that was due.
    pub due: Timestamp,
}

/// A new alert came to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertPlaced {
    /// Its stream.
    pub alert: StreamName,
    /// The room.
    pub place: Place,
    /// When the digest is told that it went into; none: it stands alone.
    pub digest: Option<Timestamp>,
    /// It waits for the end of the quiet hours.
    pub quiet: bool,
}

/// A digest of alerts was told in a room, or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestTold {
    /// The message that is changed from then on.
    pub message: MessageId,
    /// When it is looked at again; none: all in it is over.
    pub next: Option<Timestamp>,
}
