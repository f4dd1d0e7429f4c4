//! How new alerts come to a room: one by one, or, when there are many at once or in quiet hours, in one digest.

use std::collections::VecDeque;

use super::alert::Arrival;
use super::alert_event::{AlertPlaced, DigestTold};
use super::event::{Event, Recorded};
use super::id::{IdKey, MessageId, StreamName, Timestamp, Version};
use super::quiet::Quiet;
use super::trigger::Place;
use super::wake::Wakes;

/// More new alerts than this within [`GROUP_WAIT_MS`] are grouped, if nothing else is configured.
pub const GROUP_AT: u32 = 5;
/// Most that can be configured.
pub const GROUP_AT_MAX: u32 = 1_000;
/// So long alerts are counted and gathered before a digest is told, if nothing else is configured.
pub const GROUP_WAIT_MS: i64 = 10_000;
/// So often a digest is changed, if nothing else is configured.
pub const GROUP_INTERVAL_MS: i64 = 5 * 60 * 1000;
/// Most alerts that one digest follows; of the others it says how many there are.
pub const DIGEST_ALERTS_MAX: usize = 5_000;
/// How long a digest is changed after the last alert came into it.
pub const FOLLOWED_MS: i64 = 60 * 60 * 1000;
/// So many of the last events of a room's alerts hold all that is known of them.
pub const LOOK_BACK_EVENTS: usize = 2 * DIGEST_ALERTS_MAX;

/// The message that a digest is told by, whose stream was at this version before.
pub fn message(key: &IdKey, stream: &StreamName, version: Version) -> MessageId {
    key.message(stream.as_str(), &format!("digest {version}"))
}

/// How alerts are told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// What fires again so soon after its end joins its thread, in milliseconds.
    pub rejoin_within_ms: i64,
    /// More new alerts than this at once are grouped.
    pub group_at: u32,
    /// What counts as at once, and how long a digest gathers, in milliseconds.
    pub group_wait_ms: i64,
    /// How often a digest is changed, in milliseconds.
    pub group_interval_ms: i64,
    /// The quiet hours of rooms, by id or name.
    pub quiet: std::collections::BTreeMap<String, Quiet>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            rejoin_within_ms: super::alert::REJOIN_WITHIN_MS,
            group_at: GROUP_AT,
            group_wait_ms: GROUP_WAIT_MS,
            group_interval_ms: GROUP_INTERVAL_MS,
            quiet: std::collections::BTreeMap::new(),
        }
    }
}

/// A digest that is gathered, or was told and is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The room.
    pub place: Place,
    /// The alerts in it, in the order in which they came.
    pub alerts: Vec<StreamName>,
    /// How many more there are.
    pub more: usize,
    /// When the last one came.
    pub joined: Timestamp,
    /// When it is told or looked at next.
    pub due: Timestamp,
    /// The message that it is, once it was told.
    pub message: Option<MessageId>,
    /// When it was told.
    pub told: Timestamp,
    /// Something came since it was told.
    pub news: bool,
    /// It waits for the end of quiet hours.
    pub quiet: bool,
}

/// The alerts of a room, as a fold of its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storm {
    recent: VecDeque<Timestamp>,
    /// The digest, if one is open.
    pub digest: Option<Digest>,
    planned: Option<Timestamp>,
}

impl Wakes for Storm {
    fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::AlertPlaced(e) => self.placed(e, at),
            Event::DigestTold(e) => self.told(e, at),
            Event::WakePlanned(e) => self.planned = e.due,
            _ => {}
        }
    }

    fn wake(&self) -> Option<Timestamp> {
        self.digest.as_ref().map(|digest| digest.due)
    }

    fn planned(&self) -> Option<Timestamp> {
        self.planned
    }
}

impl Storm {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        if let Some(event) = recorded.event() {
            self.take(event, recorded.wall);
        }
    }

    fn placed(&mut self, placed: &AlertPlaced, at: Timestamp) {
        self.recent.push_back(at);
        while self.recent.len() > GROUP_AT_MAX as usize {
            self.recent.pop_front();
        }
        let Some(due) = placed.digest else { return };
        // What waits for the end of quiet hours is not told with what was told before them.
        let fits = |digest: &&mut Digest| digest.news || digest.message.is_none() || !placed.quiet;
        match self.digest.as_mut().filter(fits) {
            Some(digest) => {
                match digest.alerts.len() < DIGEST_ALERTS_MAX {
                    true => digest.alerts.push(placed.alert.clone()),
                    false => digest.more += 1,
                }
                digest.joined = at;
                digest.due = digest.due.min(due);
                digest.quiet &= placed.quiet;
                digest.news = true;
            }
            None => {
                self.digest = Some(Digest {
                    place: placed.place.clone(),
                    alerts: vec![placed.alert.clone()],
                    due,
                    more: 0,
                    joined: at,
                    message: None,
                    told: at,
                    news: true,
                    quiet: placed.quiet,
                });
            }
        }
    }

    fn told(&mut self, told: &DigestTold, at: Timestamp) {
        let Some(digest) = &mut self.digest else { return };
        (digest.message, digest.told) = (Some(told.message.clone()), at);
        (digest.news, digest.quiet) = (false, false);
        match told.next {
            Some(next) => digest.due = next,
            None => self.digest = None,
        }
    }

    /// How a new alert comes to the room, and what is recorded of that; `quiet_until` is the end of the quiet hours, if
    /// they hold this one back.
    pub fn place(
        &self,
        alert: &StreamName,
        place: &Place,
        quiet_until: Option<Timestamp>,
        (now, terms): (Timestamp, &Terms),
    ) -> (Arrival, AlertPlaced) {
        let since = now.plus_ms(-terms.group_wait_ms);
        let recent = self.recent.iter().filter(|at| **at > since).count();
        let open = self.digest.as_ref().filter(|digest| digest.news && !digest.quiet);
        let many = recent >= terms.group_at as usize;
        let due = match (quiet_until, open) {
            (Some(end), None) => Some(end),
            (_, Some(digest)) => Some(digest.due),
            (None, None) if many => Some(self.due_of_storm(now, terms)),
            (None, None) => None,
        };
        let quiet = quiet_until.is_some() && open.is_none();
        let placed = AlertPlaced { alert: alert.clone(), place: place.clone(), digest: due, quiet };
        (if due.is_some() { Arrival::Grouped } else { Arrival::Alone }, placed)
    }

    /// When a digest that is told now is looked at again; none: all in it is over, or it is of the past.
    pub fn next_look(&self, all_over: bool, now: Timestamp, terms: &Terms) -> Option<Timestamp> {
        let digest = self.digest.as_ref()?;
        let past = digest.joined.plus_ms(FOLLOWED_MS) <= now;
        (!all_over && !past).then(|| now.plus_ms(terms.group_interval_ms))
    }

    /// When a storm is told that begins now: one that goes on is told at the next change of its digest.
    fn due_of_storm(&self, now: Timestamp, terms: &Terms) -> Timestamp {
        let told = self.digest.as_ref().filter(|digest| digest.message.is_some());
        told.map_or(now.plus_ms(terms.group_wait_ms), |digest| digest.due)
    }
}

#[cfg(test)]
#[path = "storm_tests.rs"]
mod tests;
