//! Bridges: which accounts of our homeserver stand for people of other networks, and what their networks can show.
//!
//! A profile says it of one bridge. It counts for who somebody is only if the configuration names it: without the bridge
//! itself anybody could register an account that looks like one of its own. What a network can show is known of all.

pub mod address;
pub mod alive;
pub mod caps;
pub mod event;
pub mod hint;
pub mod identity;
pub mod lines;
pub mod profile;
pub mod said;
pub mod setup;
pub mod setup_event;
pub mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::alive::Endpoint;
pub use self::caps::{Caps, Tables};
pub use self::profile::{Profile, ProfileError};

/// The profiles that come with the program, by name.
pub const SHIPPED: &[(&str, &str)] = &[
    ("bridgev2", include_str!("../../../bridges/bridgev2/profile.toml")),
    ("heisenbridge", include_str!("../../../bridges/heisenbridge/profile.toml")),
    ("relay", include_str!("../../../bridges/relay/profile.toml")),
];

/// Most profiles that are known at once.
pub const PROFILES_MAX: usize = 64;

/// Networks that show everything.
const WHOLE: &[&str] = &["matrix", "terminal"];
/// What stands between the networks of a room that has several.
const BETWEEN: char = '+';

/// The bridges that are known, and those that are in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridges {
    known: Vec<Profile>,
    used: BTreeSet<String>,
    names: Vec<String>,
    /// Where those in use listen that are asked whether they run.
    at: BTreeMap<String, Endpoint>,
    ask_every: Duration,
}

/// What an account of our homeserver is to a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account<'a> {
    /// The bridge itself.
    Bot(&'a Profile),
    /// It repeats what others say.
    Relay(&'a Profile),
    /// It stands for somebody of the network: their name there.
    Ghost(&'a Profile, String),
}

/// Why a bridge cannot be asked whether it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAsked {
    /// It is not in use.
    Unused(String),
    /// Its profile names no path for that.
    NoPath(String),
}

impl Account<'_> {
    /// The bridge.
    pub fn profile(&self) -> &Profile {
        match self {
            Self::Bot(profile) | Self::Relay(profile) | Self::Ghost(profile, _) => profile,
        }
    }
}

impl Default for Bridges {
    fn default() -> Self {
        let parsed = |(name, text): &(&str, &str)| {
            Profile::parse(name, text).expect("a test reads the profiles that ship")
        };
        Self {
            known: SHIPPED.iter().map(parsed).collect(),
            used: BTreeSet::new(),
            names: vec![],
            at: BTreeMap::new(),
            ask_every: alive::ASK_EVERY,
        }
    }
}

impl Bridges {
    /// Those that ship, and none in use.
    pub fn shipped() -> Arc<Self> {
        static SHIPPED: LazyLock<Arc<Bridges>> = LazyLock::new(Arc::default);
        SHIPPED.clone()
    }

    /// With profiles of one's own: one of a name that is known takes its place. False: there are too many.
    pub fn add(&mut self, profile: Profile) -> bool {
        self.known.retain(|known| known.name != profile.name);
        self.known.push(profile);
        self.known.sort_by(|one, other| one.name.cmp(&other.name));
        self.known.len() <= PROFILES_MAX
    }

    /// Has these profiles count, and the bot go by these names on the networks.
    ///
    /// # Errors
    /// The first name that no profile has.
    pub fn using(mut self, used: &[String], names: &[String]) -> Result<Self, String> {
        let unknown = used.iter().find(|name| !self.known.iter().any(|it| it.name == **name));
        if let Some(name) = unknown {
            return Err(name.clone());
        }
        self.used = used.iter().cloned().collect();
        self.names = names.to_vec();
        Ok(self)
    }

    /// Has these bridges, which are in use, show pictures and files, whatever their profiles say.
    ///
    /// # Errors
    /// The first name that is not in use.
    pub fn showing_files(mut self, names: &[String]) -> Result<Self, String> {
        if let Some(name) = names.iter().find(|name| !self.used.contains(*name)) {
            return Err(name.clone());
        }
        let shown = self.known.iter_mut().filter(|it| names.contains(&it.name));
        shown.for_each(|profile| profile.caps.files = true);
        Ok(self)
    }

    /// Has these bridges, which are in use, asked so often at these addresses whether they run.
    ///
    /// # Errors
    /// The first name that is not in use, or whose profile does not say what to ask.
    pub fn asked_at(
        mut self,
        at: BTreeMap<String, Endpoint>,
        every: Duration,
    ) -> Result<Self, NotAsked> {
        for name in at.keys() {
            match self.used().find(|profile| profile.name == *name) {
                None => return Err(NotAsked::Unused(name.clone())),
                Some(profile) if profile.health.is_none() => {
                    return Err(NotAsked::NoPath(name.clone()));
                }
                Some(_) => {}
            }
        }
        (self.at, self.ask_every) = (at, every);
        Ok(self)
    }

    /// Those in use that are asked whether they run, with the address and the path for that.
    pub fn asked(&self) -> impl Iterator<Item = (&Profile, &Endpoint, &str)> {
        self.used().filter_map(|profile| {
            Some((profile, self.at.get(&profile.name)?, profile.health.as_deref()?))
        })
    }

    /// How often they are asked.
    pub fn ask_every(&self) -> Duration {
        self.ask_every
    }

    /// Two profiles in use that an account could be of both: nobody could say whose it is.
    pub fn meeting(&self) -> Option<(&str, &str)> {
        let used: Vec<&Profile> = self.used().collect();
        let pairs = used.iter().enumerate().flat_map(|(at, one)| {
            let later = used[at + 1..].iter();
            later.map(move |other| (*one, *other))
        });
        let mut meeting = pairs.filter(|(one, other)| one.meets(other));
        meeting.next().map(|(one, other)| (one.name.as_str(), other.name.as_str()))
    }

    /// All profiles, by name.
    pub fn known(&self) -> &[Profile] {
        &self.known
    }

    /// Those that count.
    pub fn used(&self) -> impl Iterator<Item = &Profile> {
        self.known.iter().filter(|profile| self.used.contains(&profile.name))
    }

    /// The bridge in use with which a channel is set up: the one of this name, or the only one that can be told what to do.
    ///
    /// # Errors
    /// The names of those from which one has to be chosen.
    pub fn provisioned(&self, name: Option<&str>) -> Result<&Profile, Vec<&str>> {
        let all: Vec<&Profile> = self.used().filter(|it| it.provision.is_some()).collect();
        let named = |profile: &&&Profile| name.is_none_or(|name| profile.name == name);
        match all.iter().filter(named).collect::<Vec<_>>()[..] {
            [profile] => Ok(profile),
            _ => Err(all.iter().map(|profile| profile.name.as_str()).collect()),
        }
    }

    /// What the bot is called on the networks behind them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What an account is to a bridge that is in use; none: it is nothing to any of them. Only accounts of our own
    /// homeserver, `server`, are the bridges': elsewhere anybody may have such a name.
    pub fn account(&self, id: &str, server: &str) -> Option<Account<'_>> {
        let (local, of) = id.strip_prefix('@')?.split_once(':')?;
        if of != server {
            return None;
        }
        self.used().find_map(|profile| profile.account(local))
    }

    /// Whether somebody of a network is a program there, and not listened to.
    pub fn is_program(profile: &Profile, native: &str) -> bool {
        let listed = |globs: &[String]| globs.iter().any(|glob| profile::fits(glob, native));
        listed(&profile.programs) && !listed(&profile.heeded)
    }

    /// What a room on these networks can show: the least of what each of them can.
    pub fn caps(&self, network: &str) -> Caps {
        let each = network.split(BETWEEN).map(|network| self.caps_of(network));
        each.reduce(Caps::least).unwrap_or(Caps::WHOLE)
    }

    fn caps_of(&self, network: &str) -> Caps {
        let here = |profile: &&Profile| profile.network == network;
        // Several bridges may lead to networks of one kind.
        let used = self.used().filter(here).map(|profile| profile.caps).reduce(Caps::least);
        let known = || self.known.iter().find(here).map(|profile| profile.caps);
        match WHOLE.contains(&network) {
            true => Caps::WHOLE,
            false => used.or_else(known).unwrap_or(Caps::PLAIN),
        }
    }

    /// The network of a room with these bridges.
    pub fn network_of<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> String {
        let networks: BTreeSet<&str> =
            profiles.into_iter().map(|profile| profile.network.as_str()).collect();
        networks.into_iter().collect::<Vec<_>>().join(&BETWEEN.to_string())
    }

    /// Whether a text is a command of a bridge rather than of the bot.
    pub fn is_foreign(&self, text: &str) -> bool {
        let first = text.split_whitespace().next().unwrap_or_default();
        self.used().any(|profile| profile.foreign.iter().any(|it| it.eq_ignore_ascii_case(first)))
    }
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
