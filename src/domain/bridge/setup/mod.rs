//! Channels of other networks that the bot connects to rooms by itself: what is wanted, how far it is, and what stands.
//!
//! One channel is one setup. Its steps are recorded, so that whoever goes on with it, at once or after a restart, decides
//! the next one from the log. Every step may be done twice: what is there already is found and left.

mod answers;
pub mod away;
mod called;
mod joined;
mod names;
mod next;
pub mod out;
mod outage;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::answers::{Answer, Judged, judge};
pub use self::called::called;
pub use self::joined::{JOINED_ASKS_MAX, is_in_now, join_ends, who_ends};
pub use self::names::{NAME_CHARS_MAX, SECRET_BYTES_MAX, fits, quoted, refusal};
pub use self::next::{
    Act, CONNECT_MS_MAX, JOIN_MS_MAX, Next, Own, PLUMB_ASKS_MAX, ROOM_MS_MAX, TELL_MS_MAX, next,
};
use self::out::Lost;
pub use self::outage::outage;
pub use self::status::Status;
use crate::domain::event::{
    BridgeFailed, BridgeRenamed, BridgeStands, BridgeStep, BridgeWanted, Event, Recorded,
};
use crate::domain::id::{Position, RoomId, Timestamp, Version};

/// Most channels that are set up at once.
pub const SETUPS_MAX: usize = 64;
/// Most steps that are made for one wish: what goes in circles ends there.
pub const STEPS_MAX: usize = 40;

/// A server of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// It is spoken to through TLS.
    pub tls: bool,
}

/// How a channel shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Where the network is reached.
    pub server: Server,
    /// The room that it is carried into, by id or name; none: a room of the bot's own.
    pub room: Option<RoomId>,
    /// What the bot is called there; none: as it is called already, or by its account's name.
    pub nick: Option<String>,
    /// The variable of the bot's environment that holds the password of that nick.
    pub sasl_env: Option<String>,
}

/// Whose room a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The bot's alone: on the network it has a nick of its own.
    Private,
    /// A room of people: on the network one nick says what all of them say.
    Plumbed,
}

impl Mode {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Plumbed => "plumbed",
        }
    }
}

/// The steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// To come into the room of people.
    Room,
    /// A room alone with the bridge.
    Control,
    /// Which networks it knows.
    Networks,
    /// To make the network known.
    Network,
    /// Which servers that has.
    Servers,
    /// To make the server known.
    Server,
    /// To open the network.
    Open,
    /// To be in the room for it.
    NetworkRoom,
    /// How the network stands.
    Status,
    /// To take a nick.
    Nick,
    /// To hand over the password.
    Sasl,
    /// To connect.
    Connect,
    /// To have the bridge invited into the room of people.
    Invite,
    /// To have the channel carried into it.
    Plumb,
    /// Whether it is that room which the bridge is in.
    Member,
    /// To have the bridge invite the bot again to what it left.
    Recall,
    /// To join the channel alone.
    Join,
    /// To be in the room that it is then.
    ChannelRoom,
    /// What the bot is called.
    Called,
    /// Whether the network has let the bot into the channel.
    Joined,
    /// To have the channel carried no longer.
    Unplumb,
    /// To leave the room that the channel was.
    Leave,
    /// To disconnect.
    Disconnect,
    /// To forget the server that was made known.
    Unserver,
    /// To leave a room with the bridge that is of no use.
    Forget,
}

/// All of them.
pub const STEPS: [Step; 25] = [
    Step::Room,
    Step::Control,
    Step::Networks,
    Step::Network,
    Step::Servers,
    Step::Server,
    Step::Open,
    Step::NetworkRoom,
    Step::Status,
    Step::Nick,
    Step::Sasl,
    Step::Connect,
    Step::Invite,
    Step::Plumb,
    Step::Member,
    Step::Recall,
    Step::Join,
    Step::ChannelRoom,
    Step::Called,
    Step::Joined,
    Step::Unplumb,
    Step::Leave,
    Step::Disconnect,
    Step::Unserver,
    Step::Forget,
];

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done.
    Done,
    /// There was nothing to do.
    There,
    /// What was looked for is not there.
    Missing,
    /// It was refused.
    Refused,
    /// Nobody answered in time.
    Silent,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The bridge's profile.
    pub bridge: String,
    /// The network, as the bridge calls it.
    pub network: String,
    /// The channel.
    pub channel: String,
    /// How it shall be; none: it shall be gone.
    pub want: Option<Want>,
    /// The steps since that was wanted.
    pub steps: Vec<BridgeStep>,
    /// How it stands.
    pub stands: Option<BridgeStands>,
    /// Since when it stands, or is wanted.
    pub since: Timestamp,
    /// Why it goes on no longer.
    pub failed: Option<BridgeFailed>,
    /// When it was wanted last, in the stream.
    pub wish: Version,
    /// Where that is in the log.
    pub at: Position,
}

impl Setup {
    /// Whether there is something left to do.
    pub fn is_open(&self) -> bool {
        self.failed.is_none() && (self.want.is_none() || self.stands.is_none())
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.want.is_some() && self.stands.is_some()
    }
}

/// All channels that the bot was told to set up and that are not gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setups {
    all: BTreeMap<(String, String), Setup>,
    /// The networks that are lost at the moment.
    away: BTreeMap<String, Away>,
    /// When networks were lost last, as the bridge said.
    outages: BTreeMap<String, away::Outage>,
    /// The channels that the bot is out of.
    out: BTreeMap<(String, String), Lost>,
    /// The bridges that do not say that they run.
    silent: BTreeMap<String, Silence>,
    /// The rooms alone with bridges that were made before.
    controls: BTreeMap<String, RoomId>,
}

/// How a network came to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// The bridge said so, and says when it is back.
    Said,
    /// The bridge does not say that it runs. If it has only hung, it says nothing of the network when it goes on.
    Silent,
}

/// Since when a bridge does not say that it runs, and what came of asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Since when.
    pub since: Timestamp,
    /// What came of it.
    pub why: String,
}

/// What tells channels apart: networks of IRC tell no cases apart.
fn key(network: &str, channel: &str) -> (String, String) {
    (network.to_ascii_lowercase(), channel.to_ascii_lowercase())
}

impl Setups {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        match recorded.event() {
            Some(Event::BridgeWanted(e)) => self.wanted(e, recorded),
            Some(Event::BridgeStep(e)) => {
                if let Some(setup) = self.all.get_mut(&key(&e.network, &e.channel)) {
                    setup.steps.push(e.clone());
                    match (e.step, &e.room) {
                        (Step::Control, Some(room)) => {
                            self.controls.insert(setup.bridge.clone(), room.clone());
                        }
                        (Step::Forget, _) => _ = self.controls.remove(&setup.bridge),
                        _ => {}
                    }
                }
            }
            Some(Event::BridgeStands(e)) => {
                if let Some(setup) = self.all.get_mut(&key(&e.network, &e.channel)) {
                    (setup.stands, setup.since) = (Some(e.clone()), recorded.wall);
                }
            }
            Some(Event::BridgeFailed(e)) => {
                if let Some(setup) = self.all.get_mut(&key(&e.network, &e.channel)) {
                    setup.failed = Some(e.clone());
                }
            }
            Some(Event::BridgeRemoved(e)) => {
                self.all.remove(&key(&e.network, &e.channel));
                self.channel_back(&e.network, &e.channel);
                // Where nothing stands nobody misses the network.
                let all = &self.all;
                self.away.retain(|network, _| all.keys().any(|(known, _)| known == network));
                self.outages.retain(|network, _| all.keys().any(|(known, _)| known == network));
            }
            Some(Event::BridgeChannelLost(e)) => self.channel_lost(e, recorded.wall),
            Some(Event::BridgeRenamed(e)) => self.renamed(e),
            Some(Event::BridgeChannelBack(e)) => self.channel_back(&e.network, &e.channel),
            Some(Event::BridgeLost(e)) => {
                self.away.insert(e.network.to_ascii_lowercase(), Away::Said);
                self.lost(&e.network, recorded.wall);
            }
            Some(Event::BridgeBack(e)) => {
                self.away.remove(&e.network.to_ascii_lowercase());
                self.back(&e.network, recorded.wall);
            }
            Some(Event::BridgeSilent(e)) => {
                let networks = self.networks_of(&e.bridge);
                for network in networks {
                    self.away.entry(network.to_ascii_lowercase()).or_insert(Away::Silent);
                }
                let silence = Silence { since: recorded.wall, why: e.why.clone() };
                self.silent.insert(e.bridge.clone(), silence);
            }
            Some(Event::BridgeAnswers(e)) => {
                self.silent.remove(&e.bridge);
            }
            _ => {}
        }
    }

    fn renamed(&mut self, renamed: &BridgeRenamed) {
        let here = |it: &&mut BridgeStands| it.network.eq_ignore_ascii_case(&renamed.network);
        let standing = self.all.values_mut().filter_map(|setup| setup.stands.as_mut());
        standing.filter(here).for_each(|it| it.nick.clone_from(&renamed.nick));
    }

    fn wanted(&mut self, wanted: &BridgeWanted, recorded: &Recorded) {
        let of = key(&wanted.network, &wanted.channel);
        self.channel_back(&wanted.network, &wanted.channel);
        // What stands must be known until it is gone.
        let before = self.all.remove(&of).and_then(|setup| setup.stands);
        let setup = Setup {
            bridge: wanted.bridge.clone(),
            network: wanted.network.clone(),
            channel: wanted.channel.clone(),
            want: wanted.want.clone(),
            steps: vec![],
            stands: before.filter(|_| wanted.want.is_none()),
            since: recorded.wall,
            failed: None,
            wish: recorded.id.version,
            at: recorded.position,
        };
        self.all.insert(of, setup);
    }

    /// All of them, by network and channel.
    pub fn all(&self) -> impl Iterator<Item = &Setup> {
        self.all.values()
    }

    /// Those that are up.
    pub fn standing(&self) -> impl Iterator<Item = &BridgeStands> {
        self.all().filter(|setup| setup.is_up()).filter_map(|setup| setup.stands.as_ref())
    }

    /// One of them.
    pub fn of(&self, network: &str, channel: &str) -> Option<&Setup> {
        self.all.get(&key(network, channel))
    }

    /// The first with something left to do, the one that has been wanted longest.
    pub fn open(&self) -> Option<&Setup> {
        self.all().filter(|setup| setup.is_open()).min_by_key(|setup| setup.wish)
    }

    /// Whether a network is lost at the moment.
    pub fn is_away(&self, network: &str) -> bool {
        self.away.contains_key(&network.to_ascii_lowercase())
    }

    /// The bridges that do not say that they run.
    pub fn silent(&self) -> &BTreeMap<String, Silence> {
        &self.silent
    }

    /// The networks of a bridge on which channels stand, as the bridge calls them.
    pub fn networks_of(&self, bridge: &str) -> Vec<String> {
        let of = self.all().filter(|setup| setup.is_up() && setup.bridge == bridge);
        let mut names: Vec<String> = of.map(|setup| setup.network.clone()).collect();
        // They stand in the order of their names.
        names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
        names
    }

    /// The networks that count as lost because their bridge was silent, one channel of each, where this bridge answers.
    pub fn unheard(&self, answers: impl Fn(&str) -> bool) -> Vec<&BridgeStands> {
        let mut stands: Vec<&BridgeStands> = vec![];
        for setup in self.all().filter(|setup| setup.is_up() && answers(&setup.bridge)) {
            let Some(it) = &setup.stands else { continue };
            let away = self.away.get(&it.network.to_ascii_lowercase());
            let known =
                stands.last().is_some_and(|of| of.network.eq_ignore_ascii_case(&it.network));
            if away == Some(&Away::Silent) && !known {
                stands.push(it);
            }
        }
        stands
    }

    /// The room in which the bridge takes orders for a network, by the name that stands in the accounts of its people.
    /// Another bridge may have one of the same name.
    pub fn network_room(&self, bridge: &str, network: &str) -> Option<&RoomId> {
        let up = self.all().filter(|setup| setup.is_up() && setup.bridge == bridge);
        let mut here = up.filter(|it| it.network.eq_ignore_ascii_case(network));
        here.find_map(|it| it.stands.as_ref()).map(|it| &it.network_room)
    }

    /// Another bridge that carries a network of this name.
    pub fn other_bridge(&self, bridge: &str, network: &str) -> Option<&str> {
        let there = self.all().filter(|it| it.stands.is_some() || it.is_open());
        let mut of = there.filter(|it| it.network.eq_ignore_ascii_case(network));
        of.find(|it| it.bridge != bridge).map(|it| it.bridge.as_str())
    }
}

#[cfg(test)]
mod held_tests;
#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
