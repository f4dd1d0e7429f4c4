//! Why the bot said or did something: what is asked about, the events that led to it, and the tree that they make.
//!
//! What was found is kept as positions, as for `!audit`: the words are read when the answer is made.

mod find;
mod shown;
mod steps;
mod tree;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::story;
use crate::domain::event::{Event, Handler, Recorded};
use crate::domain::id::{EventId, ExecutionId, MessageId, Position, RoomId, StreamName, Version};
use crate::store::{Direction, EventStore, ReadError};

pub use self::find::{LOOKED_BACK_MAX, about, about_post, last_said, room_of};
pub use self::shown::{LINES_MAX, chat, lines};
pub use self::tree::tree;

/// Most events that one answer looks at: the first ones of the story, and the message itself.
pub const EVENTS_MAX: usize = 2_000;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A message of the bot.
    Message(MessageId),
    /// An execution.
    Execution(ExecutionId),
    /// A trigger.
    Trigger(StreamName),
    /// An event that belongs to none of these.
    Event(EventId),
}

/// What the one who asks may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eyes {
    /// Everything.
    All,
    /// What was said and done in this room.
    Room(RoomId),
}

impl Eyes {
    /// Whether what happened in a room may be told.
    pub fn see(&self, room: &RoomId) -> bool {
        match self {
            Self::All => true,
            Self::Room(own) => own == room,
        }
    }
}

/// One thing in the tree, with what followed from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// `trigger`, `command`, `decision`, `policy`, `grant`, `role`, `question`, `answer`, `vote`, `effect`, `wait`, `ending`, `message`.
    pub kind: &'static str,
    /// In people's words.
    pub words: String,
    /// The event that says so.
    pub event: Option<String>,
    /// When.
    pub at_ms: Option<i64>,
    /// The same as data.
    pub detail: Value,
    /// What followed.
    pub children: Vec<Node>,
}

impl Node {
    fn new(kind: &'static str, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { kind, words, event: None, at_ms: None, detail: Value::Null, children: vec![] }
    }

    fn of(kind: &'static str, words: impl Into<String>, event: &Recorded) -> Self {
        let (id, at) = (Some(event.id.to_string()), Some(event.wall.0));
        Self { event: id, at_ms: at, ..Self::new(kind, words) }
    }

    fn with(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    fn child(mut self, child: Node) -> Self {
        self.children.push(child);
        self
    }
}

/// Where the events are that led to something, in the order of the log.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn positions(store: &dyn EventStore, about: &About) -> Result<Vec<Position>, ReadError> {
    let mut own = BTreeSet::new();
    let mut led = vec![];
    match about {
        About::Execution(id) => led = story::positions(store, id)?,
        About::Trigger(stream) => led.extend(story::of_trigger(store, stream)?),
        About::Event(id) => own.extend(store.event(id)?.map(|event| event.position)),
        About::Message(id) => {
            let stream = StreamName::message(id);
            for event in store.read(&stream, Version::START, Direction::Forward, 2)? {
                own.insert(event.position);
                led.extend(led_to(store, &event)?);
            }
        }
    }
    let room = EVENTS_MAX.saturating_sub(own.len());
    own.extend(led.into_iter().take(room));
    Ok(own.into_iter().collect())
}

/// The story of a message: that of its execution, of the trigger that it answers, or of the event that caused it.
fn led_to(store: &dyn EventStore, queued: &Recorded) -> Result<Vec<Position>, ReadError> {
    let Some(Event::MessageQueued(message)) = queued.event() else { return Ok(vec![]) };
    if let Some(execution) = &message.execution {
        return story::positions(store, execution);
    }
    if let Some(trigger) = &queued.correlation {
        return Ok(story::of_trigger(store, trigger)?.into_iter().collect());
    }
    let cause = queued.cause.as_ref().map(|id| store.event(id)).transpose()?.flatten();
    Ok(cause.map(|event| event.position).into_iter().collect())
}

/// Finds the line of a script on which a handler is declared.
pub type LineOf<'a> = &'a dyn Fn(&Handler) -> Option<u32>;
