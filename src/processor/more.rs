//! Long answers at work: the outbox says the first part, `!more` the parts behind it; both read what was recorded.

use super::dispatch::{Origin, Routed};
use super::{Error, Kernel};
use crate::adapter::network::render_for;
use crate::domain::bridge::{lines, texts};
use crate::domain::event::{Event, MessageQueued, Recorded, Verdict};
use crate::domain::id::{EventId, Position, Version};
use crate::domain::message::Doc;
use crate::domain::more_command::Which;
use crate::domain::paging::Part;
use crate::domain::trigger::Place;
use crate::domain::words::{manners as words, to};
use crate::store::{By, Direction, ReadError};

/// Most events of a room that are looked at for something long: the newest.
pub const LOOKED_AT_MAX: usize = 512;
/// How many of them are read at a time.
const PAGE: usize = 32;
/// What is considered of a part that somebody asked for, before its id. It is stored and never changes.
const CONSIDERED: &str = "more ";

impl Kernel {
    /// What is said at once of a message that stands at this position: all of it, or its first part.
    pub(super) fn said_at_once(&self, queued: &MessageQueued, at: Position) -> Doc {
        let whole = queued.edits.is_some() || queued.doc.reaction().is_some();
        match !whole && self.is_in_parts(queued) {
            true => self.part_of(queued, Which { at, part: 1 }).unwrap_or_default(),
            false => queued.doc.clone(),
        }
    }

    /// A part of a message, and how it goes on; none: it has no such part.
    fn part_of(&self, queued: &MessageQueued, which: Which) -> Option<Doc> {
        let part = self.cut(queued, which.part)?;
        if part.left == 0 {
            return Some(part.doc);
        }
        let next = Which { part: which.part + 1, ..which };
        let more = words::more(part.left, &self.settings().prefix, &next.id());
        Some(part.doc.line([more.into()]))
    }

    fn cut(&self, queued: &MessageQueued, number: usize) -> Option<Part> {
        let caps = self.caps(&queued.place);
        if caps.html {
            return texts::part(&queued.doc, number, &caps);
        }
        let (lines, left) = lines::part(&queued.doc, number, &caps)?;
        Some(Part { doc: Doc::text(&lines.join("\n")), left })
    }

    /// Whether a message is said in parts. What does not fit into one post is shown as a file, where that can be.
    fn is_in_parts(&self, queued: &MessageQueued) -> bool {
        let caps = self.caps(&queued.place);
        if !caps.html {
            return lines::part(&queued.doc, 1, &caps).is_some_and(|(_, left)| left > 0);
        }
        let file = || caps.files && render_for(&queued.doc, &caps).whole.is_some();
        texts::is_long(&queued.doc, &caps) && !file()
    }

    /// Says the next part of something long.
    pub(super) fn more(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        wanted: Option<Which>,
    ) -> Result<Routed, Error> {
        let which = match wanted {
            Some(which) => Some(which),
            None => self.long_here(recorded)?,
        };
        let Some(which) = which else {
            return Ok(self.no_more(recorded, origin, &words::nothing_more()));
        };
        let event = self.store.read_all(which.at, Direction::Forward, 1)?.pop();
        let event = event.filter(|event| event.position == which.at);
        let queued = match event.as_ref().and_then(Recorded::event) {
            Some(Event::MessageQueued(queued)) if queued.place.room == origin.place.room => queued,
            _ => return Ok(self.no_more(recorded, origin, &words::no_such_part(&which.id()))),
        };
        let Some(doc) = self.part_of(queued, which) else {
            let why = match wanted {
                Some(which) => words::no_such_part(&which.id()),
                None => words::that_was_all(),
            };
            return Ok(self.no_more(recorded, origin, &why));
        };
        // Where there are threads the rest does not push away what others talk about.
        let root = match self.caps(origin.place).threads {
            true => self.post_of(&queued.message)?,
            false => None,
        };
        let place = Place {
            thread: origin.place.thread.clone().or(queued.place.thread.clone()).or(root),
            ..origin.place.clone()
        };
        let there = Origin { place: &place, ..*origin };
        let (message, writes) = self.answer(recorded, &there, doc);
        let considered = format!("{CONSIDERED}{}-{}", which.at.0, which.part);
        let reason = "it is the next part of a long answer".to_owned();
        Ok(Routed { considered, ..Routed::new(Verdict::Said(message), reason, writes) })
    }

    fn no_more(&self, recorded: &Recorded, origin: &Origin, why: &str) -> Routed {
        let doc = Doc::text(&to(&origin.speaker.name, why));
        let (message, writes) = self.answer(recorded, origin, doc);
        let (considered, reason) = ("more".to_owned(), why.to_owned());
        Routed { considered, ..Routed::new(Verdict::Refused(message), reason, writes) }
    }

    /// What comes behind the last part that was said in a room.
    fn long_here(&self, recorded: &Recorded) -> Result<Option<Which>, ReadError> {
        let Some(room) = recorded.room.clone() else { return Ok(None) };
        let before = Position(recorded.position.0.saturating_sub(1));
        let here =
            self.store.positions(&By::Room(room), before, Direction::Backward, LOOKED_AT_MAX)?;
        for page in here.chunks(PAGE) {
            for event in self.store.read_at(page)? {
                match event.event() {
                    Some(Event::MessageQueued(queued)) if self.is_in_parts(queued) => {
                        return Ok(Some(Which { at: event.position, part: 2 }));
                    }
                    Some(Event::TriggerRouted(routed)) => {
                        let considered = routed.outcomes.first().map(|it| it.considered.as_str());
                        let id = considered.and_then(|it| it.strip_prefix(CONSIDERED));
                        if let Some(which) = id.and_then(Which::parse) {
                            return Ok(Some(Which { part: which.part + 1, ..which }));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// Where a message stands in the log, and the trigger that it comes from.
    pub(super) fn caused(
        &self,
        queued: &EventId,
    ) -> Result<(Position, Option<Recorded>), ReadError> {
        let Some(event) = self.store.event(queued)? else { return Ok((Position::START, None)) };
        let Some(stream) = event.correlation else { return Ok((event.position, None)) };
        let trigger = self.store.event(&EventId { stream, version: Version::START })?;
        Ok((event.position, trigger))
    }
}

/// How many bots have passed on what a message answers, this one counted.
pub(super) fn passed_on(trigger: Option<&Recorded>) -> u32 {
    let heard = match trigger.and_then(Recorded::event) {
        Some(Event::TriggerRecorded(e)) => e.trigger.hops(),
        _ => 0,
    };
    heard.saturating_add(1)
}
