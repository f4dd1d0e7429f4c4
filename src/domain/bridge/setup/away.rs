//! Networks that are lost: how long what is said in their rooms waits for them, and what may not have arrived there.

use std::collections::BTreeMap;

use super::out::Loss;
use super::{Mode, Setups};
use crate::domain::event::BridgeStands;
use crate::domain::id::{RoomId, Timestamp};
use crate::domain::words::setups as words;

/// What would be said to a lost network alone waits for it so long, and then is not said at all.
pub const ALONE_HELD_MS: i64 = 24 * 3_600_000;
/// Where people of Matrix are as well, they wait no longer than this for a network that is lost.
pub const SHARED_HELD_MS: i64 = 60_000;
/// A network that is there again lets the bot into its channels within this time.
pub const REJOIN_MS: i64 = 5_000;
/// What was said so shortly before a network was lost may still have been on its way.
pub const UNSURE_MS: i64 = 10_000;

/// When a network was lost, and when it came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it was lost.
    pub since: Timestamp,
    /// When it was there again; none: it is lost.
    pub until: Option<Timestamp>,
}

/// How long a room waits for the networks that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// Until then.
    Until(Timestamp),
    /// Until the network is back: nobody else is there.
    ForNetwork,
}

impl Setups {
    /// The rooms that have to wait for their networks, and for what; whoever else is there is not silenced for long.
    pub fn waiting(&self, now: Timestamp) -> BTreeMap<&RoomId, (Wait, String)> {
        let mut rooms: BTreeMap<&RoomId, Option<(Wait, String)>> = BTreeMap::new();
        for stands in self.standing() {
            let wait = self.wait(stands, now);
            // A room on several networks waits for the one that waits least.
            let known = rooms.entry(&stands.room).or_insert_with(|| wait.clone());
            *known = known.take().zip(wait).map(|(one, other)| one.min(other));
        }
        rooms.into_iter().filter_map(|(room, wait)| Some((room, wait?))).collect()
    }

    fn wait(&self, stands: &BridgeStands, now: Timestamp) -> Option<(Wait, String)> {
        let lost = |since: Timestamp| match stands.mode {
            Mode::Plumbed => Wait::Until(since.plus_ms(SHARED_HELD_MS)),
            Mode::Private => Wait::ForNetwork,
        };
        let network = self.outage_of(&stands.network).map(|outage| {
            let back = outage.until.map(|back| Wait::Until(back.plus_ms(REJOIN_MS)));
            (back.unwrap_or_else(|| lost(outage.since)), stands.network.clone())
        });
        let out = self.lost_channel(stands, now).filter(|it| it.loss == Loss::Out);
        let channel = out.map(|it| (lost(it.since), words::channel_of(stands)));
        network.into_iter().chain(channel).filter(|(wait, _)| *wait > Wait::Until(now)).max()
    }

    /// When a network was lost last.
    pub fn outage_of(&self, network: &str) -> Option<Outage> {
        self.outages.get(&network.to_ascii_lowercase()).copied()
    }

    /// What stands on a network.
    pub fn standing_on<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a BridgeStands> {
        self.standing().filter(|it| it.network.eq_ignore_ascii_case(network))
    }

    pub(super) fn lost(&mut self, network: &str, at: Timestamp) {
        let outage = Outage { since: at, until: None };
        self.outages.insert(network.to_ascii_lowercase(), outage);
    }

    pub(super) fn back(&mut self, network: &str, at: Timestamp) {
        if let Some(outage) = self.outages.get_mut(&network.to_ascii_lowercase()) {
            outage.until = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bridge::setup::tests::recorded;
    use crate::domain::bridge::setup::{Server, Want};
    use crate::domain::event::{BridgeWanted, Event};

    fn stands(setups: &mut Setups, network: &str, room: &str, mode: Mode) {
        let server = Server { host: "irc".into(), port: 6667, tls: false };
        let want = Want { server, room: None, nick: None, sasl_env: None };
        let (network, channel) = (network.to_owned(), "#ops".to_owned());
        let bridge = "heisenbridge".to_owned();
        let wanted = BridgeWanted {
            bridge,
            network: network.clone(),
            channel: channel.clone(),
            want: Some(want),
        };
        let up = BridgeStands {
            network,
            channel,
            network_room: RoomId("!net".into()),
            room: RoomId(room.into()),
            nick: "bot".into(),
            mode,
        };
        for event in [Event::from(wanted), Event::from(up)] {
            setups.apply(&recorded(0, event));
        }
    }

    #[test]
    fn a_room_waits_for_a_lost_network_as_long_as_nobody_else_is_silenced() {
        let mut setups = Setups::default();
        stands(&mut setups, "lab", "!alone", Mode::Private);
        stands(&mut setups, "hub", "!people", Mode::Plumbed);
        stands(&mut setups, "one", "!both", Mode::Plumbed);
        stands(&mut setups, "two", "!both", Mode::Plumbed);
        let at = Timestamp;
        let waits = |setups: &Setups, now: i64| {
            let rooms = setups.waiting(at(now));
            rooms.into_iter().map(|(room, (wait, _))| (room.0.clone(), wait)).collect::<Vec<_>>()
        };
        assert_eq!(waits(&setups, 0), []);
        for network in ["LAB", "hub", "one"] {
            setups.lost(network, at(0));
        }
        let (shared, alone) = (Wait::Until(at(SHARED_HELD_MS)), Wait::ForNetwork);
        let lost = [("!alone".to_owned(), alone), ("!people".to_owned(), shared)];
        assert_eq!(waits(&setups, 0), lost, "where the other network is there nobody waits");
        assert_eq!(waits(&setups, SHARED_HELD_MS - 1), lost);
        assert_eq!(waits(&setups, SHARED_HELD_MS), lost[..1], "people of Matrix wait no longer");
        setups.lost("two", at(10));
        let both = ("!both".to_owned(), shared);
        assert!(waits(&setups, 20).contains(&both), "both are lost, the first of them longer");
        let back = SHARED_HELD_MS + 1_000;
        for network in ["lab", "two"] {
            setups.back(network, at(back));
        }
        let soon = Wait::Until(at(back + REJOIN_MS));
        assert_eq!(waits(&setups, back), [("!alone".to_owned(), soon)], "it joins its channels");
        assert_eq!(waits(&setups, back + REJOIN_MS), []);
    }
}
