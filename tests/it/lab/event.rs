//! What a client sees and says in a room, in one shape whatever the client.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

/// How long a test waits for one thing before it fails; a busy machine is slow, a broken bot is silent for ever.
pub const WAIT: Duration = Duration::from_secs(60);

/// An event of a room's timeline.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub event_id: String,
    pub sender: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub content: Value,
    /// It came encrypted and could be read.
    #[serde(default)]
    pub decrypted: bool,
}

impl Event {
    pub fn body(&self) -> &str {
        self.content["body"].as_str().unwrap_or_default()
    }

    pub fn is_message(&self) -> bool {
        self.kind == "m.room.message"
    }

    /// The event that this one edits.
    pub fn edits(&self) -> Option<&str> {
        self.related("m.replace")
    }

    /// The root of the thread it is in.
    pub fn thread(&self) -> Option<&str> {
        self.related("m.thread")
    }

    /// What it says now, also if it is an edit.
    pub fn latest_body(&self) -> &str {
        self.content["m.new_content"]["body"].as_str().unwrap_or_else(|| self.body())
    }

    fn related(&self, how: &str) -> Option<&str> {
        let relation = &self.content["m.relates_to"];
        (relation["rel_type"] == how).then(|| relation["event_id"].as_str()).flatten()
    }
}

/// A client of a person: the same questions to a plain and to an encrypting one.
pub trait Chat {
    /// Sends an event and returns its id.
    fn send(&mut self, room: &str, kind: &str, content: Value) -> String;

    /// Waits until `found` finds what it looks for in the events of a room, oldest first.
    ///
    /// # Panics
    /// After `within`, with what was said in the room.
    fn until_within<T>(
        &mut self,
        room: &str,
        what: &str,
        within: Duration,
        found: impl FnMut(&[Event]) -> Option<T>,
    ) -> T;

    fn until<T>(&mut self, room: &str, what: &str, found: impl FnMut(&[Event]) -> Option<T>) -> T {
        self.until_within(room, what, WAIT, found)
    }

    fn post(&mut self, room: &str, content: Value) -> String {
        self.send(room, "m.room.message", content)
    }

    fn say(&mut self, room: &str, body: &str) -> String {
        self.post(room, text(body))
    }

    /// Waits for a message or an edit of `sender` that contains `part`.
    fn hears(&mut self, room: &str, sender: &str, part: &str) -> Event {
        self.until(room, &format!("{sender} saying `{part}`"), |events| {
            let said = |event: &&Event| {
                event.is_message() && event.sender == sender && event.latest_body().contains(part)
            };
            events.iter().find(said).cloned()
        })
    }
}

/// Fails with what was said, so that a person sees why.
pub fn give_up(what: &str, within: Duration, events: &[Event]) -> ! {
    let last = events.iter().rev().take(30).rev();
    let said: String = last.map(|e| format!("  {} {} {}\n", e.sender, e.kind, e.content)).collect();
    panic!("waited {within:?} in vain for {what}; {} events, the last:\n{said}", events.len());
}

pub fn text(body: &str) -> Value {
    json!({ "msgtype": "m.text", "body": body, "m.mentions": {} })
}

pub fn notice(body: &str) -> Value {
    json!({ "msgtype": "m.notice", "body": body, "m.mentions": {} })
}

pub fn in_thread(root: &str, body: &str) -> Value {
    let relation = json!({ "rel_type": "m.thread", "event_id": root, "is_falling_back": true, "m.in_reply_to": { "event_id": root } });
    related(text(body), relation)
}

pub fn reply(to: &str, body: &str) -> Value {
    related(text(body), json!({ "m.in_reply_to": { "event_id": to } }))
}

pub fn edit(of: &str, body: &str) -> Value {
    let mut content =
        related(text(&format!("* {body}")), json!({ "rel_type": "m.replace", "event_id": of }));
    content["m.new_content"] = text(body);
    content
}

/// The content of an `m.reaction`.
pub fn reaction(to: &str, key: &str) -> Value {
    json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": to, "key": key } })
}

fn related(mut content: Value, relation: Value) -> Value {
    content["m.relates_to"] = relation;
    content
}
