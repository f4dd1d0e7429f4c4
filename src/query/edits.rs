//! The triggers that are edits of a post: who deletes a post deletes them too, but their clients name only the post.

use crate::domain::event::Event;
use crate::domain::id::{DedupeKey, Position, PostId, RoomId};
use crate::domain::trigger::What;
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError, Subject};

/// Most events of a room that are looked at for edits of a post that the log does not know itself.
pub const LOOKED_AT_MAX: usize = 4_096;

/// The keys of what was heard as an edit of a post, which may have been heard with one of `keys` itself.
///
/// What somebody else passes off as an edit of a known post stays: it is not theirs who deleted the post.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn of(
    store: &dyn EventStore,
    room: &RoomId,
    post: &PostId,
    keys: &[DedupeKey],
) -> Result<Vec<DedupeKey>, ReadError> {
    let mut found = Vec::new();
    let Some(pseudonym) = store.pseudonym(&Subject::Room(room.0.clone())) else {
        return Ok(found);
    };
    let by = By::Room(pseudonym);
    let mut original = None;
    for key in keys {
        original = original.or(store.find(key)?);
    }
    let author = match original {
        Some(position) => store.read_at(&[position])?.pop().and_then(|event| event.actor),
        None => None,
    };
    let (mut from, direction, mut left) = match original {
        Some(position) => (position, Direction::Forward, usize::MAX),
        None => (Position::END, Direction::Backward, LOOKED_AT_MAX),
    };
    while left > 0 {
        let positions = store.positions(&by, from, direction, left.min(READ_EVENTS_MAX))?;
        let Some(last) = positions.last() else { break };
        for event in store.read_at(&positions)? {
            if let Some(Event::TriggerRecorded(it)) = event.event()
                && let What::Message(message) = &it.trigger.what
                && message.edits.as_ref() == Some(post)
                && (author.is_none() || event.actor == author)
            {
                found.push(it.trigger.key.clone());
            }
        }
        left -= positions.len();
        from = match direction {
            Direction::Forward => last.next(),
            Direction::Backward if *last > Position::START => Position(last.0 - 1),
            Direction::Backward => break,
        };
    }
    Ok(found)
}
