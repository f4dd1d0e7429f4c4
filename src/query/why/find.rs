//! What somebody means who asks why: a message by its post, an execution, a trigger or an event by its id, or what was said last.

use super::About;
use crate::domain::event::{Event, Recorded, post_key};
use crate::domain::id::{
    EventId, ExecutionId, MessageId, Position, PostId, RoomId, StreamName, Version,
};
use crate::domain::trigger::Place;
use crate::query::command::Refusal;
use crate::query::executions;
use crate::store::{By, Direction, EventStore, ReadError, Subject};

/// Most events of a room that are looked at for what the bot said last.
pub const LOOKED_BACK_MAX: usize = 256;

/// What an id means: an execution's beginning, an event's id or position, a trigger's or a message's stream.
///
/// # Errors
/// [`Refusal`] if there is no such thing, or more than one.
pub fn about(store: &dyn EventStore, text: &str) -> Result<About, Refusal> {
    let missing = || Refusal::NotFound(format!("there is no execution, event or message `{text}`"));
    if let Some(event) = event_of(store, text)? {
        return Ok(about_event(&event));
    }
    if let Ok(stream) = StreamName::parse(text)
        && let Some(event) = store.read(&stream, Version::START, Direction::Forward, 1)?.first()
    {
        return Ok(about_event(event));
    }
    // A message is named as it stands in the notices of the bot.
    let message = StreamName::parse(&format!("message-{text}")).ok();
    if let Some(stream) = message.filter(|_| !text.is_empty())
        && store.version(&stream)?.is_some()
    {
        return Ok(About::Message(MessageId(text.to_owned())));
    }
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(missing());
    }
    match executions::resolve(store, text)? {
        Ok(id) => Ok(About::Execution(id)),
        Err(0) => Err(missing()),
        Err(several) => Err(Refusal::NotFound(format!(
            "{several} executions' ids begin with `{text}`: write more of it"
        ))),
    }
}

/// An event by its id, or by its position.
fn event_of(store: &dyn EventStore, text: &str) -> Result<Option<Recorded>, ReadError> {
    if let Ok(id) = EventId::parse(text) {
        return store.event(&id);
    }
    let Ok(position) = text.parse() else { return Ok(None) };
    Ok(store.read_at(&[Position(position)])?.pop())
}

fn about_event(event: &Recorded) -> About {
    let stream = &event.id.stream;
    match stream.category() {
        "execution" => About::Execution(ExecutionId(stream.id().to_owned())),
        "message" => About::Message(MessageId(stream.id().to_owned())),
        "trigger" => About::Trigger(stream.clone()),
        _ => About::Event(event.id.clone()),
    }
}

/// The message of the bot that a post in a room is.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn about_post(
    store: &dyn EventStore,
    room: &RoomId,
    post: &PostId,
) -> Result<Option<About>, ReadError> {
    let Some(sent) = store.find(&post_key(room, post))? else { return Ok(None) };
    let sent = store.read_at(&[sent])?.pop();
    Ok(sent.map(|sent| About::Message(MessageId(sent.id.stream.id().to_owned()))))
}

/// What the bot said last in a place before a position: in the thread, if it is one.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn last_said(
    store: &dyn EventStore,
    place: &Place,
    before: Position,
) -> Result<Option<About>, ReadError> {
    let subject = Subject::Room(place.room.0.clone());
    let Some(room) = store.pseudonym(&subject) else { return Ok(None) };
    let latest = store.positions(&By::Room(room), before, Direction::Backward, LOOKED_BACK_MAX)?;
    for position in latest {
        let found = store.read_at(&[position])?;
        let Some(event) = found.first().filter(|event| event.position < before) else { continue };
        let Some(Event::MessageQueued(said)) = event.event() else { continue };
        let spoken = said.doc.reaction().is_none();
        if spoken && said.place.room == place.room && said.place.thread == place.thread {
            return Ok(Some(About::Message(said.message.clone())));
        }
    }
    Ok(None)
}

/// The room in which something was said or asked for; none: in none that can be told.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn room_of(store: &dyn EventStore, about: &About) -> Result<Option<RoomId>, ReadError> {
    let stream = match about {
        About::Message(id) => StreamName::message(id),
        About::Execution(id) => StreamName::execution(id),
        About::Trigger(stream) => stream.clone(),
        About::Event(id) => id.stream.clone(),
    };
    let first = store.read(&stream, Version::START, Direction::Forward, 1)?;
    Ok(first.first().and_then(crate::query::subjects::room_of).map(|(room, _)| room))
}
