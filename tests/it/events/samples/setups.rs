//! Channels of other networks that the bot sets up.

use beadle::domain::bridge::setup::out::Loss;
use beadle::domain::bridge::setup::{Mode, Outcome, STEPS, Server, Step, Want};
use beadle::domain::event::{
    BridgeAnswers, BridgeBack, BridgeChannelBack, BridgeChannelLost, BridgeFailed, BridgeLost,
    BridgeRemoved, BridgeRenamed, BridgeSilent, BridgeStands, BridgeStep, BridgeWanted, Event,
};
use beadle::domain::id::RoomId;

/// One of each.
pub fn all() -> Vec<Event> {
    let mut all = wishes();
    all.extend(steps());
    all.extend([stands(Mode::Plumbed), stands(Mode::Private)]);
    let (network, channel) = ("libera".to_owned(), "#ops".to_owned());
    let failed = BridgeFailed {
        network: network.clone(),
        channel: channel.clone(),
        step: Step::Connect,
        why: "Failed to connect: refused".into(),
        hint: "see that the server and its port are right".into(),
    };
    let why = "Disconnected, reconnecting in 5 seconds...".into();
    let lost = BridgeLost { network: network.clone(), why };
    let back = BridgeBack { network: network.clone() };
    let bridge = "heisenbridge".to_owned();
    let why = "no connection: Connection refused (os error 111)".into();
    let silent = BridgeSilent { bridge: bridge.clone(), why };
    all.extend([failed.into(), lost.into(), back.into(), silent.into()]);
    all.push(BridgeAnswers { bridge }.into());
    for (loss, why) in [(Loss::Out, "kicked"), (Loss::Muted, "Cannot send to channel")] {
        let (network, channel, why) = (network.clone(), channel.clone(), why.to_owned());
        all.push(BridgeChannelLost { network, channel, loss, why }.into());
    }
    all.push(BridgeRenamed { network: network.clone(), nick: "opsbot_".into() }.into());
    let (of, named) = (network.clone(), channel.clone());
    all.push(BridgeChannelBack { network: of, channel: named }.into());
    all.push(BridgeRemoved { network, channel }.into());
    all
}

fn wishes() -> Vec<Event> {
    let server = Server { host: "irc.libera.chat".into(), port: 6_697, tls: true };
    let room = Some(RoomId("!ops:example.org".into()));
    let full = Want { server, room, nick: Some("opsbot".into()), sasl_env: Some("IRC".into()) };
    let bare = Want { room: None, nick: None, sasl_env: None, ..full.clone() };
    let wanted = |want| {
        BridgeWanted {
            bridge: "heisenbridge".into(),
            network: "libera".into(),
            channel: "#ops".into(),
            want,
        }
        .into()
    };
    vec![wanted(Some(full)), wanted(Some(bare)), wanted(None)]
}

fn steps() -> Vec<Event> {
    let room = || Some(RoomId("!control:example.org".into()));
    let made = |step, told: &str, answer: &str, outcome, room| {
        BridgeStep {
            network: "libera".into(),
            channel: "#ops".into(),
            step,
            told: told.into(),
            answer: answer.into(),
            outcome,
            room,
        }
        .into()
    };
    let each = STEPS.map(|step| made(step, "", "", Outcome::Done, None));
    let told = [
        made(Step::Control, "", "", Outcome::Done, room()),
        made(Step::Networks, "NETWORKS", "", Outcome::Missing, None),
        made(Step::Network, "ADDNETWORK libera", "Network added.", Outcome::Done, None),
        made(Step::Server, "ADDSERVER …", "This server already exists.", Outcome::There, None),
        made(Step::Connect, "CONNECT", "Failed to connect: refused", Outcome::Refused, None),
        made(Step::Status, "STATUS", "", Outcome::Silent, None),
    ];
    each.into_iter().chain(told).collect()
}

fn stands(mode: Mode) -> Event {
    BridgeStands {
        network: "libera".into(),
        channel: "#ops".into(),
        network_room: RoomId("!network:example.org".into()),
        room: RoomId("!ops:example.org".into()),
        nick: "opsbot".into(),
        mode,
    }
    .into()
}
