//! What `!audit` and `!find` answer: one line for each thing that was asked, with what came of it and where it was said.
//!
//! What was found is kept as positions. The words are read again when the answer is made, so that an erasure between
//! the two is minded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::{Refusal, Rows};
use super::filter::Filter;
use super::lookup::Lookup;
use super::search::{Flow, Search};
use super::when::Here;
use super::words::words;
use crate::domain::builtin::Builtin;
use crate::domain::event::Recorded;
use crate::domain::id::{Position, PostId, RoomId};
use crate::domain::message::{Doc, Span};
use crate::domain::words::records as words;
use crate::store::{Direction, EventStore, ReadError};

/// Most lines of an answer.
pub const LINES_MAX: usize = 15;
/// Most lines of one execution's story.
pub const STORY_LINES_MAX: usize = 30;
/// Up to here it is counted how many more there are.
pub const COUNTED_MAX: usize = 1_000;

/// What was found, as it is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The events to tell, in the order of the answer.
    pub positions: Vec<Position>,
    /// How many more there are.
    pub more: usize,
    /// There may be more than that.
    pub uncounted: bool,
    /// What shows them all on the command line.
    pub command: String,
}

/// Types that tell nothing more than those around them.
const PASSED_OVER: &[&str] = &[
    "message_sent",
    "message_superseded",
    "execution_suspended",
    "execution_yielded",
    "effect_started",
    "trigger_routed",
];

/// Looks up what somebody asks in chat, in what stands before a position.
///
/// # Errors
/// [`Refusal`] with the reason for the person who asked.
pub fn find(
    store: &dyn EventStore,
    builtin: Builtin,
    text: &str,
    before: Position,
    here: &Here,
) -> Result<Found, Refusal> {
    let read = match builtin {
        Builtin::Find => Filter::of("text", text, here),
        _ => Filter::parse(text, here),
    };
    let filter = read.map_err(|why| Refusal::Invalid(why.to_string()))?;
    search(store, filter, before)
}

/// What a filter lets through of what stands before a position.
///
/// # Errors
/// [`Refusal`] with the reason for the person who asked.
pub fn search(store: &dyn EventStore, filter: Filter, before: Position) -> Result<Found, Refusal> {
    let mut found = Found { command: command(&filter), ..Found::default() };
    let story = filter.execution.is_some();
    let most = if story { STORY_LINES_MAX } else { LINES_MAX };
    let most = filter.limit.filter(|limit| *limit > 0).map_or(most, |limit| limit.min(most));
    let by_type = !filter.types.is_empty();
    let filter = narrowed(filter);
    let search = Search::new(store, &filter, Position::START..before, &mut Rows::default())?;
    let direction = if story { Direction::Forward } else { Direction::Backward };
    let (mut lookup, mut lines) = (Lookup::new(store), BTreeMap::new());
    search.each(direction, &mut lookup, &mut Rows::default(), &mut |event, lookup, _| {
        let tells = match (story, by_type) {
            (_, true) => true,
            (true, false) => !PASSED_OVER.contains(&event.kind.as_str()),
            (false, false) => match asked(event, lookup)? {
                Some(what) => new_line(&mut found, &mut lines, most, what, event),
                None => false,
            },
        };
        if tells && found.positions.len() < most {
            found.positions.push(event.position);
        } else if tells {
            found.more += 1;
            found.uncounted = found.more >= COUNTED_MAX;
        }
        Ok(if found.uncounted { Flow::Enough } else { Flow::On })
    })?;
    if !story {
        found.positions.sort_by_key(|position| std::cmp::Reverse(*position));
    }
    Ok(found)
}

/// Whether what somebody asked has no line yet. What began it says more than the answers that it got later and what the bot
/// said, which are met before it.
fn new_line(
    found: &mut Found,
    lines: &mut BTreeMap<String, Option<usize>>,
    most: usize,
    what: String,
    event: &Recorded,
) -> bool {
    match lines.get(&what) {
        Some(line) => {
            if let (Some(line), "trigger_recorded") = (line, event.kind.as_str()) {
                found.positions[*line] = event.position;
            }
            false
        }
        None => {
            let line = found.positions.len();
            lines.insert(what, (line < most).then_some(line));
            true
        }
    }
}

/// Who asked what is told by what they said, where nothing else is wanted.
fn narrowed(filter: Filter) -> Filter {
    let wider = filter.execution.is_some() || filter.text.is_some() || !filter.types.is_empty();
    match wider {
        true => filter,
        false => Filter { types: vec!["trigger_recorded".into()], ..filter },
    }
}

/// What an event is about, the same for all events of one thing that somebody asked; none: it is not worth a line, as
/// the questions to the log themselves.
fn asked(event: &Recorded, lookup: &mut Lookup) -> Result<Option<String>, ReadError> {
    if event.actor.is_none() {
        return Ok(None);
    }
    let Some(id) = lookup.execution(event)? else {
        let stream = event.correlation.as_ref().unwrap_or(&event.id.stream);
        return Ok(Some(stream.to_string()));
    };
    let builtin = lookup.facts(&id)?.and_then(|facts| facts.builtin);
    let asks_log = builtin.is_some_and(Builtin::asks_log);
    Ok((!asks_log).then(|| id.to_string()))
}

fn command(filter: &Filter) -> String {
    let all = Filter { limit: Some(0), ..filter.clone() };
    format!("beadle log query {}", all.flags())
}

/// The answer.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn tell(store: &dyn EventStore, found: &Found, here: &Here) -> Result<Doc, ReadError> {
    if found.positions.is_empty() {
        return Ok(Doc::text(words::FOUND_NOTHING));
    }
    let mut lookup = Lookup::new(store);
    let mut points = vec![];
    for event in store.read_at(&found.positions)? {
        points.push(point(&event, &mut lookup, here)?);
    }
    let doc = Doc::default().list(points);
    let more = match (found.more, found.uncounted) {
        (0, _) => return Ok(doc),
        (more, true) => format!("… and {more} or more: "),
        (more, false) => format!("… and {more} more: "),
    };
    Ok(doc.line([Span::Text(more), Span::Code(found.command.clone())]))
}

/// One line: when, with a link to what was said, who, where, what, and what came of it.
fn point(event: &Recorded, lookup: &mut Lookup, here: &Here) -> Result<Vec<Span>, ReadError> {
    let when: String = here.shown(event.ts).chars().take(16).collect();
    let when = match lookup.post(event)? {
        Some((room, post, network)) if network != "terminal" && !post.0.is_empty() => {
            Span::Link { url: link(&room, &post), text: when }
        }
        _ => Span::Text(when),
    };
    let who = lookup.speaker(event)?.map_or_else(|| "beadle".into(), |speaker| speaker.name);
    let said_by_bot = event.kind.starts_with("message_");
    let who = if said_by_bot { format!("beadle, for {who},") } else { who };
    let room = lookup.room(event)?.map_or_else(String::new, |(_, name)| format!(" in {name}"));
    let mut line = vec![when, Span::Text(format!(" {who}{room}: {}", words(event)))];
    if let Some(id) = lookup.execution(event)?
        && let Some(facts) = lookup.facts_of_command(&id)?
    {
        let id = &facts.id;
        line.push(Span::Text(format!(" → {} ({})", facts.standing.word(), id.short())));
    }
    Ok(line)
}

/// The address of a post.
fn link(room: &RoomId, post: &PostId) -> String {
    format!("https://matrix.to/#/{}/{}", encoded(room.as_str()), encoded(post.as_str()))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_have_an_address() {
        let link = link(&RoomId("!r:hs.org".into()), &PostId("$a/b-c".into()));
        assert_eq!(link, "https://matrix.to/#/%21r%3Ahs.org/%24a%2Fb-c");
    }

    #[test]
    fn the_answer_names_the_command_that_shows_all() {
        let filter = Filter { who: Some("ann".into()), limit: Some(3), ..Filter::default() };
        assert_eq!(command(&filter), "beadle log query --who ann --limit 0");
    }
}
