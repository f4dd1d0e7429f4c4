//! Which files of the journal hold only what is over, and what holds the next one back.
//!
//! A log is shortened from its front, by whole files: what is left stays one piece, with its positions. A file may go if
//! everything in it is old enough, a signed head covers it, and nothing is needed of it: no open execution or what led
//! to it, no script that one runs, no undecided trigger or unsent message, and no last word of a stream that is a state,
//! such as a remembered value, the sync position or a stay in a room.

use serde_json::{Value, json};

use super::agenda::Agenda;
use super::command::{Refusal, Sink};
use super::{executions, standing};
use crate::domain::event::{Advance, Event, Recorded};
use crate::domain::id::{Position, StreamName, Timestamp, Version};
use crate::domain::person::joins;
use crate::domain::throttle::WINDOW_MS_MAX;
use crate::store::sled::SledStore;
use crate::store::{By, Direction, EventStore, ReadError};

/// How many events are held at a time.
const PAGE_EVENTS: usize = 256;

/// A file of the journal that is never written to again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// The position of its first event.
    pub first: Position,
    /// The position behind its last event.
    pub end: Position,
    /// When its last event was written.
    pub newest: Timestamp,
    /// Its size.
    pub bytes: u64,
}

/// Why a file stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Something in it is too young.
    Young(Timestamp),
    /// No signed head covers it.
    NoHead,
    /// This event is needed.
    Needed {
        /// Where it is.
        position: Position,
        /// Its stream.
        stream: StreamName,
        /// For what.
        why: &'static str,
    },
}

impl Hold {
    /// Where what is needed is.
    fn position(&self) -> Position {
        match self {
            Self::Needed { position, .. } => *position,
            Self::Young(_) | Self::NoHead => Position::END,
        }
    }

    /// In words.
    pub fn told(&self) -> String {
        match self {
            Self::Young(_) => "it is not old enough".into(),
            Self::NoHead => "no signed head covers it yet".into(),
            Self::Needed { position, stream, why } => {
                format!("event {position} of `{stream}` is needed: {why}")
            }
        }
    }
}

/// What may go, and why the next file stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The files that may go, oldest first.
    pub over: Vec<File>,
    /// Why not more; none: nothing else is there but the file that is written to.
    pub held: Option<Hold>,
}

impl Decision {
    /// The first position that would be kept; none: nothing may go.
    pub fn cut(&self) -> Option<Position> {
        self.over.last().map(|last| last.end)
    }
}

/// Decides on the files of a journal, oldest first: `covered` is what the newest signed head covers, `needed` the first
/// thing that is needed.
pub fn decide(
    files: &[File],
    before: Timestamp,
    covered: Position,
    needed: Option<&Hold>,
) -> Decision {
    let at = needed.map_or(Position::END, Hold::position);
    let mut over = Vec::new();
    for file in files {
        let held = match file {
            _ if file.newest >= before => Some(Hold::Young(file.newest)),
            _ if file.end > at => needed.cloned(),
            _ if file.end > covered => Some(Hold::NoHead),
            _ => None,
        };
        if held.is_some() {
            return Decision { over, held };
        }
        over.push(*file);
    }
    Decision { over, held: None }
}

/// Decides which files may go if everything before a time may: those files and the decision.
///
/// Work that goes on behind what may go is kept as a whole: so each file that stays may make another one stay.
///
/// # Errors
/// [`Refusal`] if the log cannot be read, or nobody waits any more.
pub fn decision(
    store: &SledStore,
    before: Timestamp,
    sink: &mut dyn Sink,
) -> Result<(Vec<File>, Decision), Refusal> {
    let (files, covered) = (files(store)?, covered(store)?);
    let old = files.iter().take_while(|file| file.newest < before);
    let mut end = old.last().map_or(Position::START, |file| file.end);
    let mut needed: Option<Hold> = None;
    loop {
        let found = first_needed(store, (end, before), sink)?;
        needed = [needed, found].into_iter().flatten().min_by_key(Hold::position);
        let decision = decide(&files, before, covered, needed.as_ref());
        match decision.cut() {
            Some(cut) if cut < end => end = cut,
            _ => return Ok((files, decision)),
        }
    }
}

/// Says which files could go if everything before a time may, and what holds the next one back.
///
/// # Errors
/// [`Refusal`] if the log cannot be read, or nobody waits any more.
pub fn told(store: &SledStore, before: Timestamp, sink: &mut dyn Sink) -> Result<(), Refusal> {
    let (files, decision) = decision(store, before, sink)?;
    let sum = |files: &[File]| -> u64 { files.iter().map(|file| file.bytes).sum() };
    let events = decision.cut().map_or(0, |cut| cut.0.saturating_sub(store.begins().0));
    let held = decision.held.as_ref();
    Ok(sink.row(json!({
        "files": files.len(), "over_files": decision.over.len(), "over_events": events,
        "over_bytes": sum(&decision.over), "bytes": sum(&files),
        "held": held.map(Hold::told), "held_at": held.map(held_at),
    }))?)
}

fn held_at(hold: &Hold) -> Value {
    match hold {
        Hold::Needed { position, .. } => json!(position),
        Hold::Young(_) | Hold::NoHead => Value::Null,
    }
}

fn files(store: &SledStore) -> Result<Vec<File>, ReadError> {
    let mut files = Vec::new();
    for (first, end, bytes) in store.sealed_files()? {
        let last = store.read_all(Position(end.0 - 1), Direction::Forward, 1)?;
        files.extend(last.first().map(|last| File { first, end, newest: last.wall, bytes }));
    }
    Ok(files)
}

/// What the newest signed head covers.
fn covered(store: &SledStore) -> Result<Position, ReadError> {
    let heads = By::Kind("tree_head".into());
    let newest = store.positions(&heads, Position::END, Direction::Backward, 1)?;
    let newest = store.read_at(&newest)?;
    let size = newest.first().and_then(|head| match head.event() {
        Some(Event::TreeHead(head)) => Some(head.size),
        _ => None,
    });
    Ok(Position(size.unwrap_or(0)))
}

/// The first event before a position that is needed.
fn first_needed(
    store: &SledStore,
    (end, before): (Position, Timestamp),
    sink: &mut dyn Sink,
) -> Result<Option<Hold>, Refusal> {
    let open = first_open(store, before)?;
    let mut from = Position::START;
    while from < end && open.as_ref().is_none_or(|(position, ..)| from < *position) {
        sink.progress("events looked at", from.0, end.0)?;
        let page = store.read_all(from, Direction::Forward, PAGE_EVENTS)?;
        let Some(last) = page.last() else { break };
        from = last.position.next();
        for event in page.iter().filter(|event| event.position < end) {
            if open.as_ref().is_some_and(|(position, ..)| *position <= event.position) {
                break;
            }
            let why = match event {
                _ if is_state(store, event, before)? => {
                    "it is the last word of its stream, and still holds"
                }
                _ if goes_on(store, event, end)? => "what it began goes on in a file that stays",
                _ => continue,
            };
            let (position, stream) = (event.position, event.id.stream.clone());
            return Ok(Some(Hold::Needed { position, stream, why }));
        }
    }
    Ok(open.map(|(position, stream, why)| Hold::Needed { position, stream, why }))
}

/// Whether the work that an event begins, or what that led to, goes on behind a position: it is kept or dropped as a whole.
fn goes_on(store: &dyn EventStore, event: &Recorded, end: Position) -> Result<bool, ReadError> {
    let stream = &event.id.stream;
    let work = matches!(stream.category(), "trigger" | "execution" | "message");
    if !work || event.id.version != Version::START {
        return Ok(false);
    }
    let last = store.read(stream, Version::END, Direction::Backward, 1)?;
    let by = By::Correlation(event.correlation.clone().unwrap_or_else(|| stream.clone()));
    let led_to = store.positions(&by, Position::END, Direction::Backward, 1)?;
    let places = last.iter().map(|last| last.position).chain(led_to);
    Ok(places.max().is_some_and(|place| place >= end))
}

/// Whether an event is the last one of a stream that is a state, not a piece of work that ends.
fn is_state(
    store: &dyn EventStore,
    event: &Recorded,
    before: Timestamp,
) -> Result<bool, ReadError> {
    let over = match event.id.stream.category() {
        // Work: the agenda knows what of it is open.
        "trigger" | "execution" | "message" | "script" => true,
        // What happened once, and what the log says of itself, is not asked for again.
        "log" | "invite" | "invites" | "room" => true,
        // Who was ever joined with whom is told by all of them together.
        "people" => return Ok(joins(event)),
        // Of these the last event says too little: `standing` knows what of them holds.
        "switches" | "silences" | "held" | "grants" | "alert" | "digest" | "setups" => true,
        // That a rule has fired counts for as long as it may be kept from firing again.
        "fired" => event.wall.plus_ms(WINDOW_MS_MAX) <= before,
        _ => match event.event() {
            Some(Event::MemoryWritten(memory)) => memory.value.is_null(),
            Some(Event::ScheduleAdvanced(advanced)) => advanced.how == Advance::Ended,
            _ => matches!(event.kind.as_str(), "room_left" | "intake_resumed"),
        },
    };
    Ok(!over && store.version(&event.id.stream)? == Some(event.id.version))
}

/// Something that is needed: where, of which stream, and for what.
pub type Open = (Position, StreamName, &'static str);

/// The first event that open work needs.
fn first_open(store: &SledStore, before: Timestamp) -> Result<Option<Open>, ReadError> {
    let mut agenda = Agenda::kept(store)?;
    agenda.catch_up(store)?;
    let mut open: Vec<Open> = Vec::new();
    let begins = |stream: StreamName, why| -> Result<Option<Open>, ReadError> {
        let first = store.read(&stream, Version::START, Direction::Forward, 1)?;
        Ok(first.first().map(|first| (first.position, stream, why)))
    };
    for id in agenda.open_ids() {
        let stream = StreamName::execution(id);
        let first = store.read(&stream, Version::START, Direction::Forward, 1)?;
        for first in &first {
            open.push((first.position, stream.clone(), "the execution has not ended"));
            if let Some(trigger) = first.correlation.clone() {
                open.extend(begins(trigger, "an execution that it led to has not ended")?);
            }
        }
        if let Some(execution) = executions::load(store, id)? {
            let script = StreamName::script(&execution.started.handler.script);
            open.extend(begins(script, "an execution that has not ended runs this script")?);
        }
    }
    for stream in agenda.undecided_streams() {
        open.extend(begins(stream.clone(), "nothing was decided about it yet")?);
    }
    open.extend(standing::needed(store, &agenda, before)?);
    if let Some(position) = agenda.oldest_unsent() {
        let message = store.read_at(&[position])?;
        let message = message.first().map(|it| it.id.stream.clone());
        open.extend(message.map(|stream| (position, stream, "it is not sent yet")));
    }
    open.sort();
    Ok(open.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(first: u64, end: u64, newest: i64) -> File {
        File { first: Position(first), end: Position(end), newest: Timestamp(newest), bytes: 10 }
    }

    fn needed(position: u64) -> Hold {
        let stream = StreamName::parse("memory-a").expect("is a name");
        Hold::Needed { position: Position(position), stream, why: "test" }
    }

    #[test]
    fn files_go_from_the_front_until_one_is_held() {
        let files = [file(0, 10, 100), file(10, 20, 200), file(20, 30, 300)];
        for (what, before, covered, need, gone, held) in [
            ("all is over", 400, 30, None, 3, None),
            ("the last is too young", 300, 30, None, 2, Some(Hold::Young(Timestamp(300)))),
            ("nothing is old", 100, 30, None, 0, Some(Hold::Young(Timestamp(100)))),
            ("no head", 400, 0, None, 0, Some(Hold::NoHead)),
            ("a head over a part of the second", 400, 19, None, 1, Some(Hold::NoHead)),
            ("the first event is needed", 400, 30, Some(0), 0, Some(needed(0))),
            ("the last event of the first", 400, 30, Some(9), 0, Some(needed(9))),
            ("the first of the second", 400, 30, Some(10), 1, Some(needed(10))),
            ("what is needed is later", 400, 30, Some(30), 3, None),
        ] {
            let need = need.map(needed);
            let decision = decide(&files, Timestamp(before), Position(covered), need.as_ref());
            assert_eq!((decision.over.len(), decision.held), (gone, held), "{what}");
        }
    }
}
