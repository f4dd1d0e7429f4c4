//! How far each homeserver's talk in a room was gone over: its last event there, kept in the SDK's store.
//!
//! Unaddressed talk is not recorded, so the log cannot say what was gone over. This can, with one event id for a room and a
//! homeserver, for a homeserver puts each of its events behind its own earlier ones. Going back through a room, what
//! comes at or after a homeserver's head is known, and what comes before it is new. A head is kept only when everything
//! up to it is recorded. One that is older than it could be makes a walk longer and no more; one from a later time than
//! the log's position (a log from a backup) would hide a hole, so it counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::client::Matrix;
use super::pace::now;
use super::position::Position;
use super::timeline::Seen;
use crate::adapter::IntakeError;

/// Most homeservers whose head is kept for a room; the longest silent ones are forgotten.
pub const HEADS_MAX: usize = 200;
/// Most rooms whose heads are in memory; the others are read again.
pub const HEADS_ROOMS_MAX: usize = 1_000;
/// What the keys of heads in the store begin with; they may be kept a little later than they are told.
pub(super) const HEADS_KEYS: &str = "beadle.heads.";
/// After so long a silence, what a far homeserver says is not taken for all it said.
pub const SILENCE_MS: i64 = 5 * 60 * 1000;

/// The rooms whose heads are in memory.
pub(super) type HeadsByRoom = BTreeMap<String, Heads>;

/// The heads of a room, by homeserver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heads(BTreeMap<String, Head>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    event: String,
    /// When it was gone over, by our clock.
    seen_ms: i64,
}

/// How heads are kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The time of the log's position then.
    log_ms: i64,
    heads: Heads,
}

impl Heads {
    /// The last event of a homeserver.
    pub fn of(&self, server: &str) -> Option<&str> {
        self.0.get(server).map(|head| head.event.as_str())
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a homeserver other than ours.
    pub fn far(&self, own: &str) -> bool {
        self.0.keys().any(|server| server != own)
    }

    /// Goes over events, oldest first.
    pub fn advance(&mut self, events: &[Seen], now_ms: i64) {
        for seen in events {
            let event = seen.text("event_id").to_owned();
            let server = server_of(seen);
            if !event.is_empty() && !server.is_empty() {
                self.0.insert(server.to_owned(), Head { event, seen_ms: now_ms });
            }
        }
        while self.0.len() > HEADS_MAX {
            let silent = self.0.iter().min_by_key(|(_, head)| head.seen_ms);
            let Some(silent) = silent.map(|(server, _)| server.clone()) else { break };
            self.0.remove(&silent);
        }
    }

    /// Whether a homeserver other than ours speaks here after a long silence.
    ///
    /// It may have said more meanwhile than came through: a homeserver that is started anew sends its last event alone.
    pub fn after_silence(&self, timeline: &[Seen], own: &str, now_ms: i64) -> bool {
        let speaking: BTreeSet<&str> = timeline.iter().map(server_of).collect();
        let since = now_ms.saturating_sub(SILENCE_MS);
        speaking
            .into_iter()
            .filter(|server| *server != own)
            .any(|server| self.0.get(server).is_some_and(|head| head.seen_ms < since))
    }

    /// Reads what was kept, unless the log is older than it.
    fn read(bytes: &[u8], log_ms: Option<i64>) -> Self {
        let kept = serde_json::from_slice::<Kept>(bytes).ok();
        let kept = kept.filter(|kept| log_ms.is_some_and(|log_ms| kept.log_ms <= log_ms));
        kept.map(|kept| kept.heads).unwrap_or_default()
    }
}

/// The homeserver of an event's sender.
pub(super) fn server_of(seen: &Seen) -> &str {
    seen.text("sender").split_once(':').map_or("", |(_, server)| server)
}

impl Matrix {
    /// How far a room was gone over.
    pub(super) async fn heads(&self, room: &str) -> Result<Heads, IntakeError> {
        if let Some(heads) = self.heads.lock().unwrap_or_else(|e| e.into_inner()).get(room) {
            return Ok(heads.clone());
        }
        let kept = self.client.state_store().get_custom_value(&key(room)).await;
        let kept = kept.unwrap_or_else(|error| {
            tracing::warn!(%error, "how far a room was gone over cannot be read");
            None
        });
        let log_ms = self.log_ms()?;
        Ok(kept.map(|bytes| Heads::read(&bytes, log_ms)).unwrap_or_default())
    }

    /// Keeps how far rooms were gone over; to be called when all of it is recorded.
    pub(super) async fn gone_over(&self, rooms: Vec<(String, Heads)>) -> Result<(), IntakeError> {
        if rooms.is_empty() {
            return Ok(());
        }
        let log_ms = self.log_ms()?;
        for (room, heads) in rooms {
            if let Some(log_ms) = log_ms {
                let kept = serde_json::to_vec(&Kept { log_ms, heads: heads.clone() })
                    .expect("heads have text keys");
                let store = self.client.state_store();
                if let Err(error) = store.set_custom_value_no_read(&key(&room), kept).await {
                    tracing::warn!(%error, "how far a room was gone over cannot be kept");
                }
            }
            let mut known = self.heads.lock().unwrap_or_else(|e| e.into_inner());
            remember(&mut known, room, heads);
        }
        Ok(())
    }

    /// The time of the log's position.
    fn log_ms(&self) -> Result<Option<i64>, IntakeError> {
        let position = self.intake.sync_token()?.map(|text| Position::parse(&text));
        Ok(position.and_then(|position| position.at).map(|at| at.0))
    }
}

/// Keeps the heads of a room in memory.
fn remember(known: &mut HeadsByRoom, room: String, heads: Heads) {
    if known.len() >= HEADS_ROOMS_MAX {
        known.clear();
    }
    known.insert(room, heads);
}

/// Where the heads of a room are kept.
fn key(room: &str) -> Vec<u8> {
    format!("{HEADS_KEYS}{room}").into_bytes()
}

/// The time by this machine's clock, in milliseconds.
pub(super) fn now_ms() -> i64 {
    now().0
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::timeline::tests::plain;
    use super::*;

    /// Events such as `a1`: the first of homeserver `a`, with the number as its time.
    pub fn spoken(events: &str) -> Vec<Seen> {
        events.split_whitespace().map(said).collect()
    }

    /// One of them.
    pub fn said(mark: &str) -> Seen {
        let (server, time) = mark.split_at(1);
        let time: i64 = time.trim_end_matches('\'').parse().expect("a number");
        plain(json!({"type": "m.room.message", "event_id": mark,
                     "sender": format!("@x:{server}"), "origin_server_ts": time}))
    }

    /// The heads after these events.
    pub fn heads(events: &str) -> Heads {
        let mut heads = Heads::default();
        heads.advance(&spoken(events), 0);
        heads
    }

    #[test]
    fn heads_are_the_last_of_each_homeserver() {
        let heads = heads("a1 b1 a2 a3 b2");
        for (server, want) in [("a", Some("a3")), ("b", Some("b2")), ("c", None)] {
            assert_eq!(heads.of(server), want, "{server}");
        }
    }

    #[test]
    fn the_longest_silent_homeservers_are_forgotten() {
        let mut heads = Heads::default();
        for n in 0..HEADS_MAX + 2 {
            let event = json!({"event_id": "$e", "sender": format!("@x:s{n}")});
            heads.advance(&[plain(event)], n.try_into().expect("a small number"));
        }
        assert_eq!(heads.0.len(), HEADS_MAX);
        assert_eq!((heads.of("s1"), heads.of("s2")), (None, Some("$e")));
    }

    #[test]
    fn rooms_are_in_memory_up_to_a_bound() {
        let mut known = HeadsByRoom::new();
        for n in 0..2 * HEADS_ROOMS_MAX + 1 {
            remember(&mut known, format!("!{n}"), Heads::default());
            assert!(known.len() <= HEADS_ROOMS_MAX, "{n}");
        }
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn heads_count_only_up_to_the_log() {
        let heads = heads("a1 b1");
        let kept = serde_json::to_vec(&Kept { log_ms: 50, heads: heads.clone() }).expect("JSON");
        for (log_ms, good) in [(Some(50), true), (Some(51), true), (Some(49), false), (None, false)]
        {
            let want = if good { heads.clone() } else { Heads::default() };
            assert_eq!(Heads::read(&kept, log_ms), want, "{log_ms:?}");
        }
        assert_eq!(Heads::read(b"damaged", Some(99)), Heads::default());
    }

    #[test]
    fn a_far_homeserver_is_asked_again_after_a_silence() {
        let heads = heads("a1 b1");
        for (timeline, now_ms, want) in [
            ("a2", SILENCE_MS + 1, true),
            ("a2", SILENCE_MS, false),
            ("b2", SILENCE_MS + 1, false),
            ("c1", SILENCE_MS + 1, false),
            ("b2 a2", SILENCE_MS + 1, true),
        ] {
            let got = heads.after_silence(&spoken(timeline), "b", now_ms);
            assert_eq!(got, want, "{timeline:?} at {now_ms}");
        }
    }
}
