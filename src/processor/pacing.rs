//! The pace of rooms on networks that take lines slowly. Over one connection a network takes them one after the other, whatever
//! room they are for: rooms that share a connection share the pace.

use std::time::Duration;

use super::Kernel;
use super::bridges::BURST_LINES;
use crate::domain::bridge::Caps;
use crate::domain::bridge::identity::parts;
use crate::domain::bridge::lines::lines;
use crate::domain::bridge::setup::Setups;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{EventId, Position, RoomId, Timestamp, Version};
use crate::store::{By, Direction, ReadError};

/// Most lines that can still be on their way: what was told longer ago than they take has arrived.
const UNDER_WAY_LINES_MAX: i64 = 4 * BURST_LINES as i64;
/// Most events of a room that are looked at for them.
pub const UNDER_WAY_EVENTS_MAX: usize = 128;

/// What takes lines one after the other: a connection to a network and the rooms that are known to share it, or a room alone.
struct Taker {
    name: String,
    rooms: Vec<RoomId>,
}

impl Kernel {
    /// Has a room, and all that share a connection with it, wait for the lines that it was told. What was told before a restart
    /// is read from the log.
    pub(super) fn pace(
        &self,
        lane: &str,
        room: &RoomId,
        cause: Option<&Recorded>,
        caps: &Caps,
        pause: (Duration, Duration),
    ) -> Result<(), ReadError> {
        let now = self.clock.now();
        let connections = connections(&self.setups()?.0, &self.named_room(room), cause);
        let names: Vec<String> = connections.iter().map(|it| it.name.clone()).collect();
        self.held.is_over(lane, &names);
        let alone = || vec![Taker { name: lane.to_owned(), rooms: vec![room.clone()] }];
        let takers = if connections.is_empty() { alone() } else { connections };
        for taker in takers {
            let before = match self.held.is_under_way(&taker.name, now) {
                true => now,
                false => self.under_way(&taker.rooms, caps, now)?,
            };
            self.held.pace(&taker.name, now, before, pause);
        }
        Ok(())
    }

    /// Until when the lines that rooms were told are on their way, as the log says.
    fn under_way(
        &self,
        rooms: &[RoomId],
        caps: &Caps,
        now: Timestamp,
    ) -> Result<Timestamp, ReadError> {
        let line_ms = i64::from(caps.line_ms);
        let since = now.plus_ms(-line_ms * UNDER_WAY_LINES_MAX);
        let mut sent = vec![];
        for room in rooms {
            let Some(pseudonym) = self.pseudonym_of(room) else { continue };
            let (by, end, most) = (By::Room(pseudonym), Position::END, UNDER_WAY_EVENTS_MAX);
            let newest = self.store.positions(&by, end, Direction::Backward, most)?;
            sent.extend(self.store.read_at(&newest)?);
        }
        sent.retain(|it| it.wall > since && matches!(it.event(), Some(Event::MessageSent(_))));
        sent.sort_by_key(|it| it.position);
        let mut until = since;
        for event in &sent {
            let stands = EventId { stream: event.id.stream.clone(), version: Version::START };
            let Some(first) = self.store.event(&stands)? else { continue };
            let Some(Event::MessageQueued(told)) = first.event() else { continue };
            let count = lines(&self.said_at_once(told, first.position), caps).len();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            until = until.max(event.wall).plus_ms(line_ms.saturating_mul(count));
        }
        Ok(until)
    }
}

/// The connections over which a room is heard that the bot has set up: those of its networks, or that of whoever is answered
/// in a room of their own.
fn connections(setups: &Setups, room: &RoomId, cause: Option<&Recorded>) -> Vec<Taker> {
    let here = setups.standing().filter(|it| it.room == *room);
    let mut networks: Vec<&str> = here.map(|it| it.network.as_str()).collect();
    if networks.is_empty() {
        networks.extend(asked_from(cause));
    }
    let connection = |network: &str| {
        let rooms: Vec<RoomId> = setups.standing_on(network).map(|it| it.room.clone()).collect();
        let name = format!("connection {}", network.to_ascii_lowercase());
        (!rooms.is_empty()).then_some(Taker { name, rooms })
    };
    networks.into_iter().filter_map(connection).collect()
}

/// The network of whoever said what a message answers.
fn asked_from(cause: Option<&Recorded>) -> Option<&str> {
    let Event::TriggerRecorded(asked) = cause?.event()? else { return None };
    let (_, network) = parts(asked.trigger.message()?.speaker.account.as_deref()?)?;
    Some(network)
}
