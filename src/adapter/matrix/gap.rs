//! Fills the hole that a limited sync leaves in a room, by walking back from where the timeline begins.
//!
//! The walk has no `to`: with one, Synapse keeps back what came late over federation. It does not end at the first known
//! event either, nor at a page of them: after a netsplit what the others said stands beside what was said here, however
//! much that is. It ends
//! - at our own join, or at the room's beginning;
//! - else at a page in which all is known and most is older than the horizon, once every homeserver that has said
//!   something new was followed back to its head (see `heads.rs`), the last that was known of it.
//!
//! Times are only a margin: they come from the senders' homeservers, which may be wrong or lie. A page is as old as its
//! middle event. Without a head for a homeserver the horizon alone decides on what it said. What is known is left out of
//! what is found: talk from before a question must not answer it.
//!
//! A homeserver may have a hole itself and not say so. So the walk is also done, for a few pages, when a far homeserver
//! speaks after a silence. Or it fetches what it lacks from the far one only when somebody walks by, and after it has
//! answered: so a hole in a room with far homeservers is looked at again later (see `looks.rs`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use matrix_sdk::Room;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::UInt;
use serde::{Deserialize, Serialize};

use super::heads::{Heads, server_of};
use super::pace::wait_ms;
use super::pulse::Pulse;
use super::sync::SyncError;
use super::timeline::Seen;
use super::trouble::Trouble;
use crate::adapter::Gap;
use crate::domain::id::RoomId;

/// Most pages read back in one room; what is older is given up, and said.
pub const GAP_PAGES_MAX: usize = 50;
/// Most bytes of new events read back in one room.
pub const GAP_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most pages read where nobody says that something is missing, unless something is.
pub const LOOK_PAGES_MAX: usize = 3;
/// Events asked for in one page.
pub const GAP_PAGE_EVENTS: u32 = 100;
/// How far before the last good sync the walk goes: late events carry old times, and clocks differ.
pub const GAP_HORIZON_MS: i64 = 60 * 60 * 1000;
/// A limited timeline with fewer events has a hole; a longer one may only be too long for an answer.
pub const SHORT_TIMELINE_EVENTS: usize = 50;
/// Tries for one page that a homeserver which does answer does not give.
const GAP_ATTEMPTS_MAX: u32 = 8;
/// Longest walk through one room: the others wait for it.
pub const WALK_MS_MAX: u64 = 3 * 60_000;

/// What is known of a hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hole {
    /// Where the timeline begins.
    pub from: String,
    /// Older than this is old; none if nobody knows since when.
    pub horizon_ms: Option<i64>,
    /// How far the room was gone over before.
    pub heads: Heads,
    /// The homeserver says that there is a hole.
    pub announced: bool,
    /// It cannot be that the timeline was only too long.
    pub torn: bool,
    /// Homeservers whose head was met: the rest of what they said is known.
    pub met: BTreeSet<String>,
    /// Homeservers that said something new and whose head was not met yet.
    pub waiting: BTreeSet<String>,
    /// The events that an earlier walk has found.
    pub found: BTreeSet<String>,
}

/// A walk back through a room.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// Us: our own join ends it.
    user: &'a str,
    hole: Hole,
    /// What was found, newest first.
    found: Vec<Seen>,
    /// Pages read.
    pages: usize,
    /// Bytes of new events.
    bytes: usize,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read the page from this token.
    Page(String),
    /// Everything is here.
    Complete,
    /// There is more than we read back, and why.
    GivenUp(String),
}

impl Hole {
    /// A hole before a timeline, which is given oldest first.
    pub fn before(
        timeline: &[Seen],
        from: &str,
        horizon_ms: Option<i64>,
        heads: Heads,
        announced: bool,
    ) -> Self {
        let torn = announced && timeline.len() < SHORT_TIMELINE_EVENTS && !heads.is_empty();
        let (met, waiting, found) = Default::default();
        let from = from.to_owned();
        let mut hole = Self { from, horizon_ms, heads, announced, torn, met, waiting, found };
        for seen in timeline.iter().rev() {
            hole.knows(seen);
        }
        hole
    }

    /// Whether an event was gone over before; events come newest first.
    fn knows(&mut self, seen: &Seen) -> bool {
        let server = server_of(seen);
        if self.met.contains(server) {
            return true;
        }
        let Some(head) = self.heads.of(server) else { return false };
        let known = head == seen.text("event_id");
        match known {
            true => {
                self.waiting.remove(server);
                self.met.insert(server.to_owned());
            }
            false => drop(self.waiting.insert(server.to_owned())),
        }
        known
    }
}

impl<'a> Walk<'a> {
    /// Begins a walk.
    pub fn new(user: &'a str, hole: Hole) -> Self {
        Self { user, hole, found: vec![], pages: 0, bytes: 0 }
    }

    /// Takes a page, newest event first, that was read from `from` and ends at `end`.
    pub fn take(&mut self, page: Vec<(Seen, usize)>, from: &str, end: Option<String>) -> Next {
        self.pages += 1;
        let joined = page.iter().any(|(seen, _)| seen.is_join_of(self.user));
        let horizon = self.hole.horizon_ms;
        let old = horizon.zip(middle(&page)).is_some_and(|(horizon, middle)| middle < horizon);
        let mut passed = true;
        for (seen, bytes) in page {
            if self.hole.knows(&seen) || self.hole.found.contains(seen.text("event_id")) {
                continue;
            }
            let headless = self.hole.heads.of(server_of(&seen)).is_none();
            passed &= headless && horizon.is_some_and(|horizon| seen.sent_ms() < horizon);
            self.bytes += bytes;
            self.found.push(seen);
        }
        let known = passed && self.hole.waiting.is_empty();
        let announced = self.hole.announced || !self.found.is_empty();
        let Some(end) = end.filter(|end| end != from) else { return Next::Complete };
        if joined || known && (old || !announced) {
            return Next::Complete;
        }
        let pages_max = if announced { GAP_PAGES_MAX } else { LOOK_PAGES_MAX };
        if self.pages >= pages_max {
            let all = known || !announced;
            let reason = format!("{pages_max} pages back there was still no end");
            return if all { Next::Complete } else { Next::GivenUp(reason) };
        }
        match self.bytes > GAP_BYTES_MAX {
            true => Next::GivenUp(format!("{GAP_BYTES_MAX} bytes back there was still no end")),
            false => Next::Page(end),
        }
    }

    /// What is new, oldest first.
    pub fn finish(mut self) -> Vec<Seen> {
        self.found.reverse();
        self.found
    }
}

/// The time of a page's middle event: one that lies about its time moves it little.
fn middle(page: &[(Seen, usize)]) -> Option<i64> {
    let mut times: Vec<i64> = page.iter().map(|(seen, _)| seen.sent_ms()).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// Reads the new events that came into a room before its timeline, oldest first, and says what became of the hole.
///
/// Waits for as long as our homeserver gives no answer at all.
///
/// # Errors
/// [`SyncError::LoggedOut`].
pub(super) async fn fill(
    room: &Room,
    hole: &Hole,
    pulse: &Pulse,
) -> Result<(Vec<Seen>, Option<Gap>), SyncError> {
    let user = room.own_user_id();
    let (walk, end) = walk(room, user.as_str(), hole, pulse).await?;
    let (pages, events) = (walk.pages, walk.found.len());
    let abandoned = match end {
        Next::GivenUp(reason) => Some(reason),
        Next::Complete | Next::Page(_) => None,
    };
    match &abandoned {
        None if hole.announced || events > 0 => {
            tracing::info!(room = %room.room_id(), pages, events, "gap filled");
        }
        None => tracing::debug!(room = %room.room_id(), pages, "no gap"),
        Some(reason) => {
            tracing::error!(room = %room.room_id(), pages, events, reason, "gap abandoned");
        }
    }
    let gap = (hole.announced || events > 0).then(|| Gap {
        room: RoomId(room.room_id().to_string()),
        from: hole.from.clone(),
        events: events as u64,
        pages: pages as u64,
        abandoned,
    });
    Ok((walk.finish(), gap))
}

/// One walk, and how it ended.
async fn walk<'a>(
    room: &Room,
    user: &'a str,
    hole: &Hole,
    pulse: &Pulse,
) -> Result<(Walk<'a>, Next), SyncError> {
    let mut walk = Walk::new(user, hole.clone());
    let mut from = hole.from.clone();
    let began = Instant::now();
    loop {
        if began.elapsed() > Duration::from_millis(WALK_MS_MAX) {
            return Ok((walk, Next::GivenUp("it took too long".into())));
        }
        let (page, end) = match page(room, &from, pulse).await? {
            Ok(page) => page,
            Err(reason) => return Ok((walk, Next::GivenUp(reason))),
        };
        match walk.take(page, &from, end) {
            Next::Page(next) => from = next,
            end => return Ok((walk, end)),
        }
    }
}

/// Events with their sizes, and where the page ends; or why the homeserver does not give it.
type Page = Result<(Vec<(Seen, usize)>, Option<String>), String>;

/// One page.
async fn page(room: &Room, from: &str, pulse: &Pulse) -> Result<Page, SyncError> {
    let mut attempt = 0;
    let mut answered = 0;
    loop {
        let mut options = MessagesOptions::backward().from(from);
        options.limit = UInt::from(GAP_PAGE_EVENTS);
        pulse.step();
        let trouble = match room.messages(options).await {
            Ok(page) => {
                let sized = |event| Some((Seen::read(event)?, event.raw().json().get().len()));
                return Ok(Ok((page.chunk.iter().filter_map(sized).collect(), page.end)));
            }
            Err(error) => Trouble::from(&error),
        };
        attempt += 1;
        // A page may be slow because a far homeserver is gone; that ours is gone is another matter.
        let there =
            !matches!(trouble, Trouble::Unreachable(_)) || room.client().whoami().await.is_ok();
        answered += u32::from(there);
        match trouble {
            Trouble::LoggedOut(how) => return Err(SyncError::LoggedOut(how)),
            trouble if !trouble.passes() || answered >= GAP_ATTEMPTS_MAX => {
                let reason = trouble.reason();
                tracing::warn!(room = %room.room_id(), reason, "page refused");
                return Ok(Err(format!("the homeserver does not give it ({reason})")));
            }
            trouble => pulse.sleep(wait_ms(attempt, &trouble)).await,
        }
    }
}

#[cfg(test)]
#[path = "gap_tests.rs"]
mod tests;
