//! Erasures: what becomes unreadable, how the log says so, and what must be ended before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::alert_event::AlertResolved;
use super::event::{
    Ending, Event, ExecutionFinished, Failure, MessageFailed, Outcome, Recorded, TriggerRouted,
    Verdict, WakePlanned,
};
use super::id::{Position, StreamName, UserId};
use super::words::alerts as words;

/// Most stretches that one event names; a larger erasure is several events.
pub const STRETCHES_MAX: usize = 2_048;
/// Most blobs that one event names.
pub const BLOBS_MAX: usize = 512;
/// Shortest text, in characters, that counts as a copy of what is erased: a `yes` stands everywhere.
pub const COPY_CHARS_MIN: usize = 4;
/// Shortest name, in characters, that is looked for in what others wrote: shorter ones stand everywhere.
pub const NAME_CHARS_MIN: usize = 4;
/// The kind of failure of an execution that an erasure ends.
pub const CANCELLED: &str = "cancelled";
/// What makes one word of two in ids and addresses.
const JOINS: &str = "@:._-";
/// The type of the event that says what was erased.
pub const ERASED_KIND: &str = "events_erased";

/// Payloads were made unreadable for good: their keys are overwritten once this is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsErased {
    /// What was asked for.
    pub scope: Scope,
    /// Who asked.
    pub by: UserId,
    /// Why.
    pub reason: String,
    /// Which events, by their places in the log.
    pub stretches: Vec<Stretch>,
    /// How many payloads.
    pub count: u64,
    /// The values beside the log that went with them.
    pub blobs: Vec<ErasedBlob>,
    /// The records of persons that went with them, by their number.
    pub subjects: Vec<u64>,
}

/// What an erasure was asked for; never whom it was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One event, or all that a trigger led to.
    Event,
    /// One execution and all that led to it.
    Execution,
    /// All about a person.
    Person,
    /// What ended before a time.
    OlderThan,
    /// A message that was deleted in its room.
    Redaction,
}

/// Events that stand one after the other: the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch(pub Position, pub Position);

impl Stretch {
    /// How many events.
    pub fn count(self) -> u64 {
        self.1.0.saturating_sub(self.0.0).saturating_add(1)
    }
}

/// A value beside the log that was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedBlob {
    /// Its random name.
    pub id: String,
    /// Where its key was.
    pub slot: u64,
}

/// Places in the log, as few stretches as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<Position, Position>);

impl Places {
    /// Adds a place; false: it is there.
    pub fn add(&mut self, place: Position) -> bool {
        let before = self.0.range(..=place).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= place) {
            return false;
        }
        let joins = before.filter(|(_, last)| last.next() == place).map(|(first, _)| first);
        let last = self.0.remove(&place.next()).unwrap_or(place);
        self.0.insert(joins.unwrap_or(place), last);
        true
    }

    /// Whether a place is in it.
    pub fn holds(&self, place: Position) -> bool {
        self.0.range(..=place).next_back().is_some_and(|(_, last)| *last >= place)
    }

    /// The stretches, from the first on.
    pub fn stretches(&self) -> impl Iterator<Item = Stretch> + '_ {
        self.0.iter().map(|(first, last)| Stretch(*first, *last))
    }

    /// How many stretches there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many places.
    pub fn count(&self) -> u64 {
        self.stretches().map(Stretch::count).sum()
    }
}

/// What ends a stream whose data is erased, given its last event; none: it is over.
pub fn ending(last: &Recorded) -> Option<Event> {
    let stream = &last.id.stream;
    let begun = last.id.version.0 == 0;
    match (stream.category(), last.kind.as_str()) {
        ("trigger", "trigger_recorded") if begun => Some(ignored()),
        ("message", "message_queued") if begun => Some(unsaid()),
        ("execution", kind) if kind != "execution_finished" => Some(cancelled()),
        _ => None,
    }
}

/// The end of an execution whose data is erased.
pub fn cancelled() -> Event {
    let failure = Failure {
        kind: CANCELLED.into(),
        message: "what it worked with was erased".into(),
        file: String::new(),
        line: 0,
        column: 0,
    };
    ExecutionFinished { ending: Ending::Failed(failure) }.into()
}

/// The end of an alert of which no report is left: it takes no place among those that fire, and nothing is due of it.
pub fn alert_over() -> [Event; 2] {
    let doc = words::report_erased();
    [AlertResolved { doc }.into(), WakePlanned { due: None }.into()]
}

/// Whether an event is the end that an erasure gave a stream: it says nothing of what was erased.
pub fn is_end(event: &Event) -> bool {
    match event {
        Event::ExecutionFinished(_) => *event == cancelled(),
        Event::TriggerRouted(_) => *event == ignored(),
        Event::MessageFailed(_) => *event == unsaid(),
        _ => false,
    }
}

fn ignored() -> Event {
    let outcome = Outcome {
        considered: "trigger".into(),
        verdict: Verdict::Ignored,
        reason: "erased before it was decided".into(),
        decision: None,
    };
    TriggerRouted { outcomes: vec![outcome] }.into()
}

fn unsaid() -> Event {
    MessageFailed { reason: "what was to be said is erased".into() }.into()
}

/// Whether the log itself cannot do without an event's payload.
pub fn is_kept(recorded: &Recorded) -> bool {
    recorded.id.stream == StreamName::erasures()
}

/// Words that are looked for in payloads, whole or not at all; in small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needles(Vec<String>);

impl Needles {
    /// Looks for these; what is empty is left out.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        let said = words.into_iter().filter(|word| word.chars().any(char::is_alphanumeric));
        let mut words: Vec<String> = said.map(|word| word.to_lowercase()).collect();
        words.sort();
        words.dedup();
        Self(words)
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text anywhere in a value has one of them, as a word of its own.
    pub fn are_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.are_in_text(text),
            Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            Value::Object(map) => {
                map.iter().any(|(name, item)| self.are_in_text(name) || self.are_in(item))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Names of a person; those that are too short to tell anybody by are left out.
    pub fn names(names: impl IntoIterator<Item = String>) -> Self {
        let long = |name: &String| name.trim().chars().count() >= NAME_CHARS_MIN;
        Self::new(names.into_iter().map(|name| name.trim().to_owned()).filter(long))
    }

    /// Whether a text has one of them, as a word of its own.
    pub fn are_in_text(&self, text: &str) -> bool {
        self.stand_in(text, false)
    }

    /// The same for names: a part of an id, of an address or of a name of a machine is none.
    pub fn name_somebody_in(&self, text: &str) -> bool {
        self.stand_in(text, true)
    }

    fn stand_in(&self, text: &str, apart: bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let text = text.to_lowercase();
        self.0.iter().any(|word| stands_in(word, &text, apart))
    }
}

/// Whether a word stands in a text with no letter or digit on either side, both in small letters. With `free` also no
/// sign that joins it to another word.
fn stands_in(word: &str, text: &str, free: bool) -> bool {
    let inner = |edge: Option<char>| edge.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let mut before = text[..at].chars().rev();
        let mut after = text[at + word.len()..].chars();
        let (left, lefter) = (before.next(), before.next());
        let (right, righter) = (after.next(), after.next());
        let apart = |edge: Option<char>, near: Option<char>, far: Option<char>| {
            let joined = free && near.is_some_and(|c| JOINS.contains(c)) && inner(far);
            !(joined || inner(edge) && inner(near))
        };
        apart(word.chars().next(), left, lefter) && apart(word.chars().next_back(), right, righter)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_join_to_stretches() {
        for (added, want, count) in [
            (vec![], "", 0),
            (vec![4], "4-4", 1),
            (vec![4, 6], "4-4 6-6", 2),
            (vec![4, 6, 5], "4-6", 3),
            (vec![6, 5, 4, 5], "4-6", 3),
            (vec![0, 9, 1, 8, 3], "0-1 3-3 8-9", 5),
        ] {
            let mut places = Places::default();
            for place in &added {
                let _ = places.add(Position(*place));
            }
            let shown = places.stretches().map(|it| format!("{}-{}", it.0, it.1));
            assert_eq!(shown.collect::<Vec<_>>().join(" "), want, "{added:?}");
            assert_eq!(places.count(), count, "{added:?}");
            assert!(added.iter().all(|place| places.holds(Position(*place))), "{added:?}");
            assert!(!places.holds(Position(7)) && !places.holds(Position(2)), "{added:?}");
        }
    }

    #[test]
    fn words_are_found_whole_and_anywhere() {
        let needles = Needles::new(["@ann:hs".into(), "Ann".into(), " ".into(), String::new()]);
        for (value, want) in [
            (json!("ann: pong"), true),
            (json!("ANN"), true),
            (json!("planned"), false),
            (json!("ask @ann:hs now"), true),
            (json!("@annie:hs"), false),
            (json!({ "a": [1, { "b": "by Ann." }] }), true),
            (json!({ "ann": null }), true),
            (json!([true, 7, null, ""]), false),
        ] {
            assert_eq!(needles.are_in(&value), want, "{value}");
        }
        assert!(Needles::new([" ".to_owned()]).is_empty());
    }

    #[test]
    fn names_are_long_enough_and_no_parts_of_ids() {
        let short = "x".repeat(NAME_CHARS_MIN - 1);
        assert!(Needles::names([short.clone()]).is_empty());
        assert!(!Needles::names([format!("{short}x")]).is_empty());
        let names = Needles::names(["Matrix".to_owned(), "Annabel Lee".to_owned()]);
        for (text, want) in [
            ("call MATRIX.", true),
            ("Matrix: hello", true),
            ("@matrix hello", true),
            ("(annabel lee's)", true),
            ("@bob:matrix.org", false),
            ("bob@matrix.org", false),
            ("https://matrix.org/", false),
            ("a matrix-bot", false),
            ("Annabel Lee-Smith", false),
            ("Annabel Leeds", false),
        ] {
            assert_eq!(names.name_somebody_in(text), want, "{text}");
        }
    }

    #[test]
    fn the_bounds_fit_into_a_payload() {
        let erased = EventsErased {
            scope: Scope::Redaction,
            by: UserId("x".repeat(255)),
            reason: "x".repeat(2_000),
            stretches: vec![Stretch(Position::END, Position::END); STRETCHES_MAX],
            count: u64::MAX,
            blobs: vec![ErasedBlob { id: "f".repeat(32), slot: u64::MAX }; BLOBS_MAX],
            subjects: vec![u64::MAX; 8],
        };
        let bytes = serde_json::to_vec(&erased).expect("it is JSON").len();
        assert!(bytes < 200 * 1024, "{bytes} bytes");
    }
}
