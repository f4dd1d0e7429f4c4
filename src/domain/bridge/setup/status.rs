//! What the bridge says of a network when it is asked for its status.

use super::names::has;

/// How a network stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What the bot is called on the network; none: it is not connected.
    pub nick: Option<String>,
    /// What it is to be called.
    pub configured: String,
    /// The channels that are rooms of their own.
    pub channels: Vec<String>,
    /// The channels that are carried into rooms of people.
    pub plumbs: Vec<String>,
}

impl Status {
    /// Reads the bridge's answer. That it says since when it is connected means nothing: it goes on saying that for a while
    /// after the connection was lost.
    pub fn of(answer: &str) -> Self {
        let mut status = Self::default();
        for line in answer.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("Current nickname:") {
                let (nick, rest) = rest.split_once("(configured:").unwrap_or((rest, ""));
                let nick = nick.trim();
                status.nick = (!nick.is_empty()).then(|| nick.to_owned());
                status.configured = rest.trim().trim_end_matches(')').to_owned();
            } else if let Some(nick) = line.strip_prefix("Configured nickname:") {
                status.configured = nick.trim().to_owned();
            } else if let Some(list) = line.strip_prefix("Channels:") {
                status.channels = words(list);
            } else if let Some(list) = line.strip_prefix("Plumbs:") {
                status.plumbs = words(list);
            }
        }
        status
    }

    /// Whether a channel is a room of its own.
    pub fn joined(&self, channel: &str) -> bool {
        has(&self.channels, channel)
    }

    /// Whether a channel is carried into a room of people.
    pub fn plumbed(&self, channel: &str) -> bool {
        has(&self.plumbs, channel)
    }

    /// Whether it is in other channels than this one.
    pub fn has_others(&self, channel: &str) -> bool {
        let mut all = self.channels.iter().chain(&self.plumbs);
        all.any(|it| !it.eq_ignore_ascii_case(channel))
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}
