//! Invitations of strangers: how many are recorded one by one, and how slowly they are declined.
//!
//! Anybody on the network can invite a bot, as often as they like. What they cause here is bounded: records, words to the
//! owner, and requests, of which the homeserver grants so few that they are better spent on messages.

use std::collections::{BTreeSet, VecDeque};

/// Most invitations of strangers that are recorded one by one in an hour; those beyond are counted.
pub const SINGLE_DECLINES_MAX: u32 = 20;
/// How long invitations beyond that are gathered until they are recorded as one.
pub const GATHER_MS: i64 = 20_000;
/// Most often that gathered invitations are recorded, and the owner is told.
pub const FLOOD_EVERY_MS: i64 = 3_600_000;
/// Most inviters that such a record names.
pub const INVITERS_NAMED_MAX: usize = 10;
/// Most invitations of strangers that wait here; others wait at the homeserver.
pub const STRANGERS_MAX: usize = 1_000;
/// The pace of declining. Synapse lets an account do 0.2 things a second; this leaves two thirds of them for messages.
pub const DECLINE_EVERY_MS: i64 = 15_000;
/// How many are declined without a pause, if none was for a while; Synapse lets an account do 10 things at once.
pub const DECLINES_AT_ONCE: i64 = 3;
/// Longest pause after a homeserver did not let us decline, unless it asks for more.
const PAUSE_MS_MAX: i64 = 600_000;
/// The hour in which they are counted.
const HOUR_MS: i64 = 3_600_000;

/// A stranger's invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stranger {
    /// The room.
    pub room: String,
    /// Who invited.
    pub inviter: String,
}

/// What is to be done about a stranger's invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// Record it by itself; then it is [`Declines::recorded`].
    Singly,
    /// Nothing yet: it is counted among the gathered ones.
    Gathered,
    /// Nothing: it is known, or too many wait.
    Not,
}

/// Invitations that are to be recorded as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gathered {
    /// How many.
    pub count: u64,
    /// Who invited, each once, the first few.
    pub inviters: Vec<String>,
    /// When the first was seen.
    pub since_ms: i64,
}

/// The waiting invitations of strangers. Times are milliseconds of any clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct Declines {
    known: BTreeSet<String>,
    hour: Option<i64>,
    singly: u32,
    gathered: Vec<Stranger>,
    since_ms: i64,
    told_ms: Option<i64>,
    leaving: VecDeque<String>,
    gone: BTreeSet<String>,
    free_ms: i64,
    failures: u32,
}

impl Declines {
    /// Takes note of a stranger's invitation.
    pub fn note(&mut self, stranger: Stranger, now_ms: i64) -> Noted {
        if self.known.len() >= STRANGERS_MAX || !self.known.insert(stranger.room.clone()) {
            return Noted::Not;
        }
        if self.hour.is_none_or(|began| began + HOUR_MS <= now_ms) {
            (self.hour, self.singly) = (Some(now_ms), 0);
        }
        if self.singly < SINGLE_DECLINES_MAX {
            self.singly += 1;
            return Noted::Singly;
        }
        if self.gathered.is_empty() {
            self.since_ms = now_ms;
        }
        self.gathered.push(stranger);
        Noted::Gathered
    }

    /// Whether a room's invitation waits here.
    pub fn knows(&self, room: &str) -> bool {
        self.known.contains(room)
    }

    /// An invitation was recorded by itself: it may be declined.
    pub fn recorded(&mut self, room: String) {
        self.leaving.push_back(room);
    }

    /// An invitation is no matter any more.
    pub fn forget(&mut self, room: &str) {
        self.known.remove(room);
        self.gathered.retain(|stranger| stranger.room != room);
        self.leaving.retain(|waiting| waiting != room);
        self.gone.remove(room);
    }

    /// The gathered invitations, if it is time to record them; once that is done they are [`Self::told`].
    pub fn gathered(&self, now_ms: i64) -> Option<Gathered> {
        (self.gathered_due()? <= now_ms).then(|| {
            let mut inviters: Vec<String> = Vec::new();
            for stranger in &self.gathered {
                if inviters.len() < INVITERS_NAMED_MAX && !inviters.contains(&stranger.inviter) {
                    inviters.push(stranger.inviter.clone());
                }
            }
            Gathered { count: self.gathered.len() as u64, inviters, since_ms: self.since_ms }
        })
    }

    /// The gathered invitations are recorded: they may be declined.
    pub fn told(&mut self, now_ms: i64) {
        self.told_ms = Some(now_ms);
        let rooms = std::mem::take(&mut self.gathered).into_iter().map(|stranger| stranger.room);
        self.leaving.extend(rooms);
    }

    /// A room to leave now, if the pace allows for one.
    pub fn next(&mut self, now_ms: i64) -> Option<String> {
        if now_ms < self.next_due()? {
            return None;
        }
        self.free_ms = self.free_ms.max(now_ms) + DECLINE_EVERY_MS;
        self.leaving.pop_front()
    }

    /// An invitation was declined; it is known until the next sync shows that it is gone.
    pub fn left(&mut self, room: &str) {
        self.failures = 0;
        self.gone.insert(room.to_owned());
    }

    /// Forgets the declined invitations that are not waiting any more; gives their rooms.
    pub fn settle(&mut self, waits: impl Fn(&str) -> bool) -> Vec<String> {
        let gone: Vec<String> = self.gone.iter().filter(|room| !waits(room)).cloned().collect();
        for room in &gone {
            self.gone.remove(room);
            self.known.remove(room);
        }
        gone
    }

    /// A room could not be left yet; the homeserver may ask for a pause.
    pub fn failed(&mut self, room: String, after_ms: i64, now_ms: i64) {
        self.failures = self.failures.saturating_add(1);
        let doubled = DECLINE_EVERY_MS << self.failures.min(6);
        let pause = doubled.min(PAUSE_MS_MAX).max(after_ms);
        // Nothing is free before the pause is over, and then one thing at a time.
        self.free_ms = now_ms + pause + (DECLINES_AT_ONCE - 1) * DECLINE_EVERY_MS;
        self.leaving.push_back(room);
    }

    /// When something is to be done next.
    pub fn due(&self) -> Option<i64> {
        self.gathered_due().into_iter().chain(self.next_due()).min()
    }

    fn gathered_due(&self) -> Option<i64> {
        let gathered = self.since_ms + GATHER_MS;
        let again = self.told_ms.map_or(gathered, |told| told + FLOOD_EVERY_MS);
        (!self.gathered.is_empty()).then(|| gathered.max(again))
    }

    fn next_due(&self) -> Option<i64> {
        let free = self.free_ms - (DECLINES_AT_ONCE - 1) * DECLINE_EVERY_MS;
        (!self.leaving.is_empty()).then_some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(n: usize) -> Stranger {
        Stranger { room: format!("!{n}"), inviter: format!("@{}:evil", n % 25) }
    }

    /// Notes invitations at a time; gives how many were to be recorded singly.
    fn arrive(declines: &mut Declines, which: std::ops::Range<usize>, now_ms: i64) -> usize {
        let singly = |n: &usize| declines.note(stranger(*n), now_ms) == Noted::Singly;
        let rooms: Vec<usize> = which.filter(singly).collect();
        rooms.iter().for_each(|n| declines.recorded(format!("!{n}")));
        rooms.len()
    }

    /// Leaves rooms as they come, each second of a time; gives when.
    fn leave(declines: &mut Declines, seconds: std::ops::Range<i64>) -> Vec<i64> {
        let mut left = vec![];
        for second in seconds {
            while let Some(room) = declines.next(second * 1_000) {
                declines.left(&room);
                left.push(second);
            }
        }
        left
    }

    #[test]
    fn a_flood_makes_few_records() {
        let mut declines = Declines::default();
        assert_eq!(arrive(&mut declines, 0..500, 1_000), SINGLE_DECLINES_MAX as usize);
        assert_eq!(arrive(&mut declines, 0..500, 2_000), 0, "they are known");
        assert_eq!(declines.gathered(1_000 + GATHER_MS - 1), None);
        let gathered = declines.gathered(1_000 + GATHER_MS).expect("it is time");
        assert_eq!((gathered.count, gathered.since_ms), (480, 1_000));
        let named: BTreeSet<&String> = gathered.inviters.iter().collect();
        assert_eq!(
            (named.len(), gathered.inviters.len()),
            (INVITERS_NAMED_MAX, INVITERS_NAMED_MAX)
        );
        declines.told(30_000);
        arrive(&mut declines, 500..600, 40_000);
        assert_eq!(declines.gathered(30_000 + FLOOD_EVERY_MS - 1), None, "once an hour");
        let more = declines.gathered(30_000 + FLOOD_EVERY_MS).expect("an hour has gone by");
        assert_eq!((more.count, more.since_ms), (100, 40_000));
        assert_eq!(arrive(&mut declines, 600..700, 1_000 + HOUR_MS), SINGLE_DECLINES_MAX as usize);
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut declines = Declines::default();
        arrive(&mut declines, 0..2 * STRANGERS_MAX, 0);
        assert_eq!(declines.known.len(), STRANGERS_MAX);
        assert_eq!(declines.note(stranger(STRANGERS_MAX), 0), Noted::Not);
        let room = declines.next(0).expect("the pace allows for it");
        declines.left(&room);
        assert_eq!(declines.note(stranger(STRANGERS_MAX), 0), Noted::Not, "it may still wait");
        assert_eq!(declines.settle(|waits| waits != room), [room]);
        assert_ne!(declines.note(stranger(STRANGERS_MAX), 0), Noted::Not, "there is room again");
    }

    #[test]
    fn rooms_are_left_slowly() {
        let mut declines = Declines::default();
        arrive(&mut declines, 0..20, 0);
        assert_eq!(leave(&mut declines, 0..60), [0, 0, 0, 15, 30, 45]);
        assert_eq!(declines.due(), Some(60_000));
        assert_eq!(leave(&mut declines, 300..330), [300, 300, 300, 315], "a pause is made up for");
    }

    #[test]
    fn a_homeserver_that_limits_us_is_left_alone() {
        for (after_s, failures, want_s) in [(0, 1, 30), (0, 2, 60), (0, 9, 600), (900, 1, 900)] {
            let mut declines = Declines::default();
            arrive(&mut declines, 0..5, 0);
            for _ in 0..failures {
                let room = declines.leaving.pop_front().expect("five wait");
                declines.failed(room, after_s * 1_000, 0);
            }
            assert_eq!(declines.due(), Some(want_s * 1_000), "{after_s} s, {failures} failures");
            let then = leave(&mut declines, want_s..want_s + 16);
            assert_eq!(then, [want_s, want_s + 15], "one at a time");
        }
    }

    #[test]
    fn what_is_forgotten_is_new_again() {
        let mut declines = Declines::default();
        arrive(&mut declines, 0..30, 0);
        for room in ["!0", "!25"] {
            declines.forget(room);
            assert!(!declines.knows(room), "{room}");
        }
        assert_eq!(declines.gathered(GATHER_MS).map(|gathered| gathered.count), Some(9));
        assert!(leave(&mut declines, 0..1_000).len() == 19, "the forgotten one is not left");
    }

    #[test]
    fn nothing_is_due_without_strangers() {
        assert_eq!(Declines::default().due(), None);
    }
}
