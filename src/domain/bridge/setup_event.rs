//! What is recorded of the rooms that the bot connects to channels of other networks by itself.

use serde::{Deserialize, Serialize};

use super::setup::out::Loss;
use super::setup::{Mode, Outcome, Step, Want};
use crate::domain::id::RoomId;

/// Somebody wants a channel to be there, or gone: from here on the bot works on it, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeWanted {
    /// The bridge's profile.
    pub bridge: String,
    /// The network, as the bridge calls it.
    pub network: String,
    /// The channel there.
    pub channel: String,
    /// How it shall be; none: it shall be gone.
    pub want: Option<Want>,
}

/// A step of it is over: what the bridge was told and what it answered, passwords left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeStep {
    /// The network.
    pub network: String,
    /// The channel.
    pub channel: String,
    /// Which step.
    pub step: Step,
    /// What the bridge was told; empty: nothing was said.
    pub told: String,
    /// What it answered, as far as it matters.
    pub answer: String,
    /// What that means.
    pub outcome: Outcome,
    /// The room that the step found or made.
    pub room: Option<RoomId>,
}

/// A channel is connected to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeStands {
    /// The network.
    pub network: String,
    /// The channel.
    pub channel: String,
    /// The room in which the bridge takes orders for the network.
    pub network_room: RoomId,
    /// The room that the channel is.
    pub room: RoomId,
    /// What the bot, or its relay, is called there.
    pub nick: String,
    /// Whose room it is.
    pub mode: Mode,
}

/// It does not go on: what went wrong, and what people can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeFailed {
    /// The network.
    pub network: String,
    /// The channel.
    pub channel: String,
    /// Where.
    pub step: Step,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// A channel is connected no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeRemoved {
    /// The network.
    pub network: String,
    /// The channel.
    pub channel: String,
}

/// A network on which channels stand is lost: nobody there is heard, and the bridge tries to get back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeLost {
    /// The network.
    pub network: String,
    /// What the bridge said.
    pub why: String,
}

/// A channel that stands is lost, although its network is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeChannelLost {
    /// The network.
    pub network: String,
    /// The channel.
    pub channel: String,
    /// How it is lost.
    pub loss: Loss,
    /// What the bridge said.
    pub why: String,
}

/// The bot is called something else on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeRenamed {
    /// The network.
    pub network: String,
    /// What it is called from now on.
    pub nick: String,
}

/// The bot is in a channel again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeChannelBack {
    /// The network.
    pub network: String,
    /// The channel.
    pub channel: String,
}

/// A bridge does not say any more that it runs: its networks are away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeSilent {
    /// The bridge's profile.
    pub bridge: String,
    /// What came of asking it.
    pub why: String,
}

/// A bridge that was silent says again that it runs; its networks are back when each is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeAnswers {
    /// The bridge's profile.
    pub bridge: String,
}

/// A network that was lost is there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeBack {
    /// The network.
    pub network: String,
}
