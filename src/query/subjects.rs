//! Who and what stands behind a pseudonym: where each person and room was last heard of, and how people call them.
//!
//! It keeps pseudonyms and positions only. Names are read from the events themselves, so that an erased one is gone.

use std::collections::BTreeMap;

use super::command::{Refusal, Sink};
use crate::domain::alias_index::damerau;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{Position, Pseudonym, RoomId, Timestamp};
use crate::domain::trigger::Speaker;
use crate::store::{
    By, Direction, EventStore, ProjectionChange, READ_EVENTS_MAX, ReadError, Subject,
};

/// The projection that keeps it.
pub const PROJECTION: &str = "subjects-1";
/// Most subjects that are named when several fit.
pub const NAMED_MAX: usize = 10;
/// Where the newest event that named somebody is erased, so many of their events are looked at for one that is not.
pub const LOOKED_BACK_MAX: usize = 64;
/// It is kept again after so many events.
const KEPT_EVERY: u64 = 1_000;

/// The persons and rooms that the log knows, each with the event that last named it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    checkpoint: Position,
    people: BTreeMap<Pseudonym, Position>,
    rooms: BTreeMap<Pseudonym, Position>,
}

/// The types whose payload names the person and the room.
const OF_BOTH: &str = "trigger_recorded";
/// The types whose payload names the room.
const OF_ROOM: &[&str] = &["room_joined", "room_followed", "room_left"];

impl Subjects {
    /// As the log stands now.
    ///
    /// # Errors
    /// [`Refusal`] if the log cannot be read, or nobody waits any more.
    pub fn current(store: &dyn EventStore, sink: &mut dyn Sink) -> Result<Self, Refusal> {
        let kept = store.projection(PROJECTION, "")?;
        let mut subjects = Self::of(&kept.rows, kept.checkpoint);
        if subjects.checkpoint > store.next_position() {
            subjects = Self::default();
        }
        let kept = subjects.checkpoint;
        let mut rows = BTreeMap::new();
        let mut next = Some(kept);
        while let Some(from) = next {
            let total = store.next_position().0;
            sink.progress("events for their names", from.0, total)?;
            next = store.glance(from, Direction::Forward, READ_EVENTS_MAX, &mut |glance| {
                let both = glance.kind == OF_BOTH;
                let room = both || OF_ROOM.contains(&glance.kind);
                let at = glance.position;
                if let Some(actor) = glance.actor.filter(|_| both) {
                    subjects.people.insert(Pseudonym(actor.to_owned()), at);
                    rows.insert(format!("p{actor}"), at);
                }
                if let Some(place) = glance.room.filter(|_| room) {
                    subjects.rooms.insert(Pseudonym(place.to_owned()), at);
                    rows.insert(format!("r{place}"), at);
                }
            })?;
            subjects.checkpoint = next.unwrap_or(subjects.checkpoint);
        }
        if subjects.checkpoint.0 >= kept.0 + KEPT_EVERY {
            let row = |(key, at): (String, Position)| (key, Some(at.0.to_be_bytes().to_vec()));
            let rows = rows.into_iter().map(row).collect();
            let checkpoint = subjects.checkpoint;
            let replace = kept == Position::START;
            store.project(PROJECTION, ProjectionChange { rows, checkpoint, replace })?;
        }
        Ok(subjects)
    }

    fn of(rows: &[(String, Vec<u8>)], checkpoint: Position) -> Self {
        let mut subjects = Self { checkpoint, ..Self::default() };
        for (key, value) in rows {
            let Ok(at) = <[u8; 8]>::try_from(value.as_slice()) else { return Self::default() };
            let at = Position(u64::from_be_bytes(at));
            let into = match key.as_bytes().first() {
                Some(b'p') => &mut subjects.people,
                _ => &mut subjects.rooms,
            };
            into.insert(Pseudonym(key.chars().skip(1).collect()), at);
        }
        subjects
    }

    /// The person that somebody means by an id or by a name.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if nobody is called so, or several people are.
    pub fn person(&self, store: &dyn EventStore, text: &str) -> Result<Pseudonym, Refusal> {
        if let Some(known) = store.pseudonym(&Subject::Person(text.to_owned())) {
            return Ok(known);
        }
        let mut called = vec![];
        for (pseudonym, at) in &self.people {
            let by = By::Actor(pseudonym.clone());
            if let Some(speaker) = newest(store, *at, by, &speaker_of)? {
                let names = names_of(&speaker);
                let shown = format!("{} ({})", speaker.id, speaker.name);
                called.push(Called { pseudonym: pseudonym.clone(), names, shown });
            }
        }
        choose(text, called, "nobody", "person's id")
    }

    /// The room that somebody means by an id or by a name.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if no room is called so, or several are.
    pub fn room(&self, store: &dyn EventStore, text: &str) -> Result<Pseudonym, Refusal> {
        if let Some(known) = store.pseudonym(&Subject::Room(text.to_owned())) {
            return Ok(known);
        }
        let mut called = vec![];
        for (pseudonym, at) in &self.rooms {
            if let Some((id, name)) = newest(store, *at, By::Room(pseudonym.clone()), &room_of)? {
                let bare = name.trim_start_matches('#').to_owned();
                let short = bare.split(':').next().unwrap_or_default().to_owned();
                let shown = format!("{id} ({name})");
                let names = vec![id.0, name, bare, short];
                called.push(Called { pseudonym: pseudonym.clone(), names, shown });
            }
        }
        choose(text, called, "no room", "room's id")
    }

    /// The id of the room that somebody means by an id or by a name; an id need not be known.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if no room is called so, or several are.
    pub fn room_id(&self, store: &dyn EventStore, text: &str) -> Result<RoomId, Refusal> {
        if text.starts_with('!') {
            return Ok(RoomId(text.to_owned()));
        }
        let room = self.room(store, text)?;
        let by = By::Room(room.clone());
        let last = match self.rooms.get(&room) {
            Some(at) => newest(store, *at, by, &room_of)?,
            None => None,
        };
        let missing = || Refusal::NotFound(format!("no room in the log is called `{text}`"));
        last.map(|(id, _)| id).ok_or_else(missing)
    }

    /// How a person spoke last.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn speaker(
        &self,
        store: &dyn EventStore,
        person: &Pseudonym,
    ) -> Result<Option<Speaker>, ReadError> {
        let Some(at) = self.people.get(person) else { return Ok(None) };
        newest(store, *at, By::Actor(person.clone()), &speaker_of)
    }

    /// The people who were heard of since a time, those heard of last first: at most so many, and whether there are more.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn seen_since(
        &self,
        store: &dyn EventStore,
        since: Timestamp,
        most: usize,
    ) -> Result<(Vec<Speaker>, bool), ReadError> {
        let mut latest: Vec<(&Pseudonym, Position)> =
            self.people.iter().map(|(person, at)| (person, *at)).collect();
        latest.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        let mut seen = vec![];
        for (person, at) in latest {
            let event = store.read_at(&[at])?;
            if event.first().is_none_or(|event| event.wall < since) {
                break;
            }
            if seen.len() >= most {
                return Ok((seen, true));
            }
            seen.extend(newest(store, at, By::Actor(person.clone()), &speaker_of)?);
        }
        Ok((seen, false))
    }

    /// How many persons and rooms there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.people.len(), self.rooms.len())
    }
}

/// Somebody or something with all that people may call it.
struct Called {
    pseudonym: Pseudonym,
    names: Vec<String>,
    shown: String,
}

fn choose(text: &str, called: Vec<Called>, none: &str, id: &str) -> Result<Pseudonym, Refusal> {
    let wanted = text.to_lowercase();
    let same = |one: &&Called| one.names.iter().any(|name| name.to_lowercase() == wanted);
    let found: Vec<&Called> = called.iter().filter(same).collect();
    match found.as_slice() {
        [one] => Ok(one.pseudonym.clone()),
        [] => {
            let all = called.iter().flat_map(|one| &one.names);
            let near = all.min_by_key(|name| damerau(&wanted, &name.to_lowercase()));
            let near = near.filter(|name| damerau(&wanted, &name.to_lowercase()) <= 2);
            let hint = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            Err(Refusal::NotFound(format!("{none} in the log is called `{text}`{hint}")))
        }
        several => {
            let names: Vec<&str> =
                several.iter().take(NAMED_MAX).map(|one| one.shown.as_str()).collect();
            let more = several.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(Refusal::NotFound(format!(
                "`{text}` is the name of {}{more}: write the {id}",
                names.join(", ")
            )))
        }
    }
}

/// What people call a speaker: their id, its first part, their name, their account on their own network.
fn names_of(speaker: &Speaker) -> Vec<String> {
    let local = speaker.id.as_str().trim_start_matches('@').split(':').next().unwrap_or_default();
    let names = [speaker.id.0.clone(), local.to_owned(), speaker.name.clone()];
    names.into_iter().chain(speaker.account.clone()).filter(|name| !name.is_empty()).collect()
}

/// What the event at a position says of somebody; where it is erased, what the newest one of theirs says that is not.
fn newest<T>(
    store: &dyn EventStore,
    at: Position,
    by: By,
    says: &dyn Fn(&Recorded) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    if let Some(said) = store.read_at(&[at])?.first().and_then(says) {
        return Ok(Some(said));
    }
    let theirs = store.positions(&by, at, Direction::Backward, LOOKED_BACK_MAX)?;
    for position in theirs {
        if let Some(said) = store.read_at(&[position])?.first().and_then(says) {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

fn speaker_of(event: &Recorded) -> Option<Speaker> {
    match event.event()? {
        Event::TriggerRecorded(e) => e.trigger.speaker().cloned(),
        _ => None,
    }
}

/// The room that an event names, with what it is called.
pub(super) fn room_of(event: &Recorded) -> Option<(RoomId, String)> {
    match event.event()? {
        Event::TriggerRecorded(e) => {
            let place = e.trigger.place()?;
            Some((place.room.clone(), place.name.clone()))
        }
        Event::ExecutionStarted(e) => Some((e.place.room.clone(), e.place.name.clone())),
        Event::MessageQueued(e) => Some((e.place.room.clone(), e.place.name.clone())),
        Event::RoomJoined(e) => Some((e.room.clone(), e.name.clone())),
        Event::RoomFollowed(e) => Some((e.room.clone(), e.name.clone())),
        Event::RoomLeft(e) => Some((e.room.clone(), e.name.clone())),
        _ => None,
    }
}
