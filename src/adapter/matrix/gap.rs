//! Fills the hole that a limited sync leaves in a room, by walking back from where the timeline begins.
//!
//! The walk has no `to`: with one, Synapse keeps back what came late over federation. It ends at our
//! own join, at the room's beginning, or at a page that is wholly older than the horizon.

use std::time::Duration;

use matrix_sdk::Room;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::UInt;

use super::pace::wait_ms;
use super::sync::SyncError;
use super::timeline::Seen;
use super::trouble::Trouble;

/// Most pages read back in one room; what is older is given up, and said.
pub const GAP_PAGES_MAX: usize = 50;
/// Events asked for in one page.
pub const GAP_PAGE_EVENTS: u32 = 100;
/// How far before the last good sync the walk goes: late events carry old times, and clocks differ.
pub const GAP_HORIZON_MS: i64 = 60 * 60 * 1000;
/// Tries for one page that a homeserver which does answer does not give.
const GAP_ATTEMPTS_MAX: u32 = 8;

/// A walk back through a room.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// Us: our own join ends it.
    user: &'a str,
    /// Older than this is known; none if nobody knows since when.
    horizon_ms: Option<i64>,
    /// What was found, newest first.
    found: Vec<Seen>,
    /// Pages read.
    pages: usize,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read the page from this token.
    Page(String),
    /// Everything is here.
    Complete,
    /// There is more than we read back.
    GivenUp,
}

impl<'a> Walk<'a> {
    /// Begins a walk.
    pub fn new(user: &'a str, horizon_ms: Option<i64>) -> Self {
        Self { user, horizon_ms, found: Vec::new(), pages: 0 }
    }

    /// Takes a page, newest event first, that was read from `from` and ends at `end`.
    pub fn take(&mut self, page: Vec<Seen>, from: &str, end: Option<String>) -> Next {
        self.pages += 1;
        let joined = page.iter().any(|seen| seen.is_join_of(self.user));
        let newest = page.iter().map(Seen::sent_ms).max();
        let known = self.horizon_ms.zip(newest).is_some_and(|(horizon, newest)| newest < horizon);
        self.found.extend(page);
        match end.filter(|end| end != from) {
            None => Next::Complete,
            Some(_) if joined || known => Next::Complete,
            Some(_) if self.pages >= GAP_PAGES_MAX => Next::GivenUp,
            Some(end) => Next::Page(end),
        }
    }

    /// What was found, oldest first.
    pub fn finish(mut self) -> Vec<Seen> {
        self.found.reverse();
        self.found
    }
}

/// Reads what came into a room before `from` and after `horizon_ms`, oldest first.
///
/// Waits for as long as there is no answer at all; a hole that the homeserver does not let us fill is an `error!`.
///
/// # Errors
/// [`SyncError::LoggedOut`].
pub(super) async fn fill(
    room: &Room,
    from: &str,
    horizon_ms: Option<i64>,
) -> Result<Vec<Seen>, SyncError> {
    let user = room.own_user_id().to_owned();
    let mut walk = Walk::new(user.as_str(), horizon_ms);
    let mut from = from.to_owned();
    let next = loop {
        let Some((page, end)) = page(room, &from).await? else {
            break Next::GivenUp;
        };
        match walk.take(page, &from, end) {
            Next::Page(next) => from = next,
            next => break next,
        }
    };
    let (pages, events) = (walk.pages, walk.found.len());
    match next {
        Next::Complete => tracing::info!(room = %room.room_id(), pages, events, "gap filled"),
        _ => tracing::error!(room = %room.room_id(), pages, events, "gap not filled to its end"),
    }
    Ok(walk.finish())
}

/// One page and where it ends; `None` if the homeserver does not give it.
async fn page(room: &Room, from: &str) -> Result<Option<(Vec<Seen>, Option<String>)>, SyncError> {
    let mut attempt = 0;
    loop {
        let mut options = MessagesOptions::backward().from(from);
        options.limit = UInt::from(GAP_PAGE_EVENTS);
        let trouble = match room.messages(options).await {
            Ok(page) => {
                return Ok(Some((page.chunk.iter().filter_map(Seen::read).collect(), page.end)));
            }
            Err(error) => Trouble::from(&error),
        };
        attempt += 1;
        let answered = !matches!(trouble, Trouble::Unreachable(_));
        match trouble {
            Trouble::LoggedOut(how) => return Err(SyncError::LoggedOut(how)),
            trouble if !trouble.passes() || answered && attempt >= GAP_ATTEMPTS_MAX => {
                tracing::warn!(room = %room.room_id(), reason = trouble.reason(), "page refused");
                return Ok(None);
            }
            trouble => tokio::time::sleep(Duration::from_millis(wait_ms(attempt, &trouble))).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::timeline::tests::{event, marks};
    use super::*;

    /// Walks over pages, each written newest first; the messages' times are their digits.
    fn walked(pages: &[&str], horizon_ms: Option<i64>) -> String {
        let mut walk = Walk::new("@bot:hs", horizon_ms);
        let mut next = Next::Complete;
        for (n, page) in pages.iter().enumerate() {
            let end = (n + 1 < pages.len()).then(|| (n + 1).to_string());
            next = walk.take(page.chars().map(event).collect(), &n.to_string(), end);
            if !matches!(next, Next::Page(_)) {
                break;
            }
        }
        format!("{} {next:?}", marks(&walk.finish()))
    }

    #[test]
    fn a_walk_ends_where_it_should() {
        for (pages, horizon, want) in [
            (&["98", "76"][..], None, "6789 Complete"),
            (&["98", "76", "54", "32"], Some(6), "456789 Complete"),
            (&["98", "16", "54", "32"], Some(6), "456189 Complete"),
            (&["98", "7j6", "54"], None, "6j789 Complete"),
            (&["98", "7n6", "54"], None, "456n789 Complete"),
            (&["98", "7J6", "54"], None, "456J789 Complete"),
            (&["98", "", "54"], Some(1), "4589 Complete"),
            (&[""], Some(1), " Complete"),
        ] {
            assert_eq!(walked(pages, horizon), want, "{pages:?} {horizon:?}");
        }
    }

    #[test]
    fn a_walk_gives_up_after_its_last_page() {
        let pages = vec!["1"; GAP_PAGES_MAX + 1];
        let want = format!("{} GivenUp", "1".repeat(GAP_PAGES_MAX));
        assert_eq!(walked(&pages, None), want);
    }

    #[test]
    fn a_page_that_ends_where_it_began_is_the_last() {
        let mut walk = Walk::new("@bot:hs", None);
        assert_eq!(walk.take(Vec::new(), "t1", Some("t1".into())), Next::Complete);
    }
}
