//! Setups played against answers of the bridge, as its source has them.

use super::*;
use crate::domain::event::{BridgeBack, BridgeRemoved, Payload};
use crate::domain::id::{EventId, StreamName, UserId};

const SERVER: &str = "irc.example.org";

fn own() -> Own {
    Own { bot: UserId("@opsbot:hs".into()), bridge: UserId("@heisenbridge:hs".into()) }
}

pub(super) fn want(room: Option<&str>) -> Want {
    let server = Server { host: SERVER.into(), port: 6_697, tls: true };
    Want { server, room: room.map(|it| RoomId(it.into())), nick: None, sasl_env: None }
}

pub(super) fn wish(channel: &str, want: Option<Want>) -> Event {
    let (bridge, network) = ("heisenbridge".into(), "lab".into());
    BridgeWanted { bridge, network, channel: channel.into(), want }.into()
}

/// The setups after these events.
fn folded(events: &[Event]) -> Setups {
    let mut setups = Setups::default();
    for (nth, event) in events.iter().enumerate() {
        setups.apply(&recorded(nth, event.clone()));
    }
    setups
}

pub(super) fn recorded(nth: usize, event: Event) -> Recorded {
    let id = EventId { stream: StreamName::setups(), version: Version(nth as u64) };
    Recorded {
        position: Position(nth as u64),
        id,
        kind: event.kind().into(),
        schema: 1,
        ts: Timestamp(0),
        wall: Timestamp(0),
        epoch: 0,
        cause: None,
        correlation: None,
        actor: None,
        room: None,
        network: None,
        key: None,
        commitment: String::new(),
        payload: Payload::Event(Box::new(event)),
    }
}

/// What the bridge says to each step: the last one is said from then on.
pub(super) type Script<'a> = &'a [(Step, &'a str)];

fn said(text: &str) -> Answer {
    let (text, ended) = text.strip_prefix("(silence)").map_or((text, true), |text| (text, false));
    let posts = if text.is_empty() { vec![] } else { vec![text.to_owned()] };
    Answer::Said(posts, ended)
}

/// What is answered to an act.
fn answer(setup: &Setup, step: Step, act: &Act, script: Script) -> Answer {
    let nth = setup.steps.iter().filter(|it| it.step == step).count();
    let scripted = script.iter().filter(|(of, _)| *of == step).map(|(_, text)| *text);
    let scripted = scripted.take(nth + 1).last();
    match (act, scripted) {
        (_, Some("never")) => Answer::Never("forbidden".into()),
        (_, Some("nothing")) => Answer::NoRoom,
        (Act::Come(room), it) => Answer::Room(room.clone(), it == Some("encrypted")),
        (Act::Direct(_), _) => Answer::Room(RoomId("!control".into()), false),
        (Act::Await(name), _) => Answer::Room(RoomId(format!("!{name}")), false),
        (Act::Member(_), it) => Answer::Member(it != Some("away")),
        (Act::Invite(_), it) => {
            if it == Some("in") {
                Answer::Member(true)
            } else {
                Answer::Done
            }
        }
        (Act::Leave(_), _) => Answer::Done,
        (Act::Tell { .. }, it) => said(it.unwrap_or("(silence)")),
    }
}

fn shown(act: &Act) -> String {
    match act {
        Act::Come(room) => format!("come into {room}"),
        Act::Direct(known) => format!("direct {}", known.as_ref().map_or("new", |it| it.as_str())),
        Act::Tell { room, text, secret, .. } => {
            format!(
                "{room}: {text}{}",
                secret.as_ref().map(|it| format!("${it}")).unwrap_or_default()
            )
        }
        Act::Await(name) => format!("await {name}"),
        Act::Member(room) => format!("member of {room}"),
        Act::Invite(room) => format!("invite to {room}"),
        Act::Leave(room) => format!("leave {room}"),
    }
}

/// Plays a setup to its end; the events it came to and the acts, with the end as the last line.
pub(super) fn played(
    mut events: Vec<Event>,
    channel: &str,
    script: Script,
) -> (Vec<Event>, Vec<String>) {
    let mut lines = vec![];
    loop {
        let all = folded(&events);
        let Some(setup) = all.of("lab", channel) else { return (events, lines) };
        match next(setup, &all, &own()) {
            Next::Act(step, act) => {
                lines.push(shown(&act));
                let judged = judge(setup, step, &answer(setup, step, &act, script));
                events.push(made(channel, step, &judged));
            }
            Next::Stands(stands) => {
                let line = format!("stands: {} in {}", stands.nick, stands.room);
                lines.push(line);
                events.push((*stands).into());
            }
            Next::Failed(failed) => {
                lines.push(format!("failed: {} | {}", failed.why, failed.hint));
                events.push(failed.into());
            }
            Next::Removed => {
                lines.push("removed".into());
                let (network, channel) = ("lab".into(), channel.into());
                events.push(BridgeRemoved { network, channel }.into());
            }
            Next::Nothing => return (events, lines),
        }
    }
}

pub(super) fn made(channel: &str, step: Step, judged: &Judged) -> Event {
    let Judged { outcome, answer, room } = judged.clone();
    let (network, channel) = ("lab".into(), channel.into());
    BridgeStep { network, channel, step, told: String::new(), answer, outcome, room }.into()
}

pub(super) const FRESH: Script = &[
    (Step::Networks, "Configured networks:\n\tother (1 servers)"),
    (Step::Network, "Network added."),
    (Step::Servers, "Configured servers for lab:"),
    (Step::Server, "Server added."),
    (Step::Open, "You have been invited to lab"),
    (Step::Status, "Not connected to server.\nConfigured nickname: beadle"),
    (Step::Nick, "Nickname set to opsbot"),
    (Step::Sasl, "SASL credentials updated."),
    (Step::Connect, "Connecting to irc.example.org:6697 with TLS...\nEnd of MOTD command"),
    (
        Step::Plumb,
        "Joining room !r to initiate plumb...\nPlumbed !r to #ops, to unplumb just kick me out.",
    ),
    (Step::Called, "Current nickname: opsbot_ (configured: opsbot)"),
    (Step::Joined, "nick: opsbot_\nuser: bot\nchannels: @#dev +#Ops \nserver: irc"),
    (Step::Disconnect, "Disconnecting...\nDisconnected."),
    (Step::Unserver, "Server deleted."),
];

/// The fresh bridge, but some answers are others.
pub(super) fn but<'a>(others: &[(Step, &'a str)]) -> Vec<(Step, &'a str)> {
    let same = FRESH.iter().filter(|(of, _)| !others.iter().any(|(step, _)| step == of));
    others.iter().chain(same).copied().collect()
}

pub(super) fn lines(want: Want, script: Script) -> Vec<String> {
    played(vec![wish("#ops", Some(want))], "#ops", script).1
}

#[test]
fn a_channel_is_carried_into_a_room_from_nothing() {
    let want =
        Want { nick: Some("opsbot".into()), sasl_env: Some("PW".into()), ..want(Some("!r")) };
    let got = lines(want, FRESH);
    let expected = [
        "come into !r",
        "direct new",
        "!control: NETWORKS",
        "!control: ADDNETWORK lab",
        "!control: SERVERS lab",
        "!control: ADDSERVER lab irc.example.org 6697 --tls",
        "!control: OPEN lab",
        "await lab",
        "!lab: STATUS",
        "!lab: NICK opsbot",
        "!lab: SASL --username opsbot --password=$PW",
        "!lab: CONNECT",
        "!lab: NICK",
        "invite to !r",
        "!lab: PLUMB !r #ops",
        "!lab: WHOAMI",
        "stands: opsbot_ in !r",
    ];
    assert_eq!(got, expected);
}

#[test]
fn what_is_there_is_found_and_left() {
    let script = [
        (Step::Networks, "Configured networks:\n\tLab (1 servers)"),
        (Step::Servers, "Configured servers for Lab:\n\tirc.example.org:6697 with TLS"),
        (Step::Open, "You are already in Lab (!net)"),
        (
            Step::Status,
            "Connected for 0:01:00\nCurrent nickname: relay (configured: relay)\nPlumbs: #dev, #OPS",
        ),
        (Step::Called, "Current nickname: relay (configured: relay)"),
        (Step::Joined, "nick: relay\nchannels: #ops"),
    ];
    let got = lines(want(Some("!r")), &script);
    let expected = [
        "come into !r",
        "direct new",
        "!control: NETWORKS",
        "!control: SERVERS lab",
        "!control: OPEN lab",
        "!net: STATUS",
        "!net: NICK",
        "member of !r",
        "!net: WHOAMI",
        "stands: relay in !r",
    ];
    assert_eq!(got, expected);
}

#[test]
fn alone_the_bot_joins_a_channel_under_its_own_name() {
    let got = lines(want(None), FRESH);
    let end = [
        "!lab: NICK opsbot",
        "!lab: CONNECT",
        "!lab: NICK",
        "!lab: JOIN #ops",
        "!lab: WHOAMI",
        "await #ops (lab)",
        "stands: opsbot_ in !#ops (lab)",
    ];
    assert_eq!(got[got.len() - end.len()..], end, "{got:#?}");
    let status = "Current nickname: opsbot (configured: opsbot)\nChannels: #ops";
    let known = [(Step::Status, status), (Step::Recall, "I have 1 known users:")];
    let got = lines(want(None), &but(&known));
    let end = ["!control: STATUS", "!lab: WHOAMI", "await #ops (lab)"];
    assert_eq!(got[got.len() - 4..got.len() - 1], end, "it left the room once: {got:#?}");
}

#[test]
fn every_refusal_and_every_silence_ends_with_what_to_do() {
    let mask = "`ADDMASK --admin @opsbot:hs`";
    for (step, answer, why, hint) in [
        (Step::Room, "never", "forbidden", "invite the bot into the room"),
        (Step::Room, "encrypted", "the room is encrypted", "without encryption"),
        (Step::Control, "nothing", "did not answer", mask),
        (Step::Networks, "(silence)", "did not answer", "see that the bridge runs"),
        (Step::Network, "Unknown command \"ADDNETWORK\", type HELP for list", "Unknown", mask),
        (Step::Server, "Network does not exist", "does not exist", "DELSERVER"),
        (
            Step::Servers,
            "Configured servers for lab:\n\tirc.example.org:6697 with insecure TLS",
            "with insecure TLS",
            "DELSERVER lab irc.example.org 6697",
        ),
        (Step::Open, "Network does not exist", "does not exist", "see that the bridge runs"),
        (Step::NetworkRoom, "nothing", "did not answer", "see that the bridge runs"),
        (Step::Status, "(silence)", "did not answer", "see that the bridge runs"),
        (Step::Nick, "(silence)usage: NICK", "too long", "--nick"),
        (
            Step::Connect,
            "Failed to connect: refused",
            "Failed to connect",
            "the server and its port",
        ),
        (Step::Connect, "(silence)Connecting...", "too long", "the server and its port"),
        (
            Step::Connect,
            "Nickname 1x is erroneus and was rejected by the server",
            "erroneus",
            "nick",
        ),
        (Step::Invite, "never", "forbidden", "invite @heisenbridge:hs"),
        (Step::Invite, "in", "carries something else", "one room carries one channel"),
        (Step::Plumb, "Plumbing is currently reserved for admins only.", "reserved", mask),
        (Step::Plumb, "Failed to join room: no", "Failed to join", "see that the bridge runs"),
        (Step::Called, "(silence)", "did not answer", "see that the bridge runs"),
        (Step::Joined, "(silence)", "did not say in time which channels", "answers `WHOIS`"),
    ] {
        let got = lines(want(Some("!r")), &but(&[(step, answer)]));
        let last = got.last().expect("it ends");
        let (told, what) =
            last.strip_prefix("failed: ").and_then(|it| it.split_once(" | ")).expect(last);
        assert!(told.contains(why) && what.contains(hint), "{step:?} {answer}: {last}");
    }
    let got = lines(want(None), &but(&[(Step::ChannelRoom, "nothing")]));
    assert!(got.last().is_some_and(|it| it.contains("invited people alone")), "{got:?}");
    let there = [(Step::Plumb, "You are already on #ops"), (Step::Member, "away")];
    let got = lines(want(Some("!r")), &but(&there));
    assert!(
        got.last().is_some_and(|it| it.contains("carried into another room already")),
        "{got:?}"
    );
}

#[test]
fn what_failed_leaves_nothing_behind_that_keeps_trying() {
    let got = lines(want(Some("!r")), &but(&[(Step::Connect, "Failed to connect: refused")]));
    let end = ["!lab: CONNECT", "!lab: DISCONNECT", "!control: DELSERVER lab irc.example.org 6697"];
    assert_eq!(got[got.len() - 4..got.len() - 1], end, "{got:#?}");
    let known = (Step::Servers, "Configured servers for lab:\n\tirc.example.org:6697 with TLS");
    let got = lines(want(Some("!r")), &but(&[known, (Step::Connect, "Failed to connect: no")]));
    assert_eq!(got[got.len() - 2], "!lab: DISCONNECT", "others' server stays: {got:#?}");
    // The room has the commands of whoever is no admin.
    let refused = [(Step::Network, "Unknown command \"ADDNETWORK\", type HELP for list")];
    let (mut events, got) = played(vec![wish("#ops", Some(want(None)))], "#ops", &but(&refused));
    assert_eq!(got[got.len() - 2], "leave !control");
    events.push(wish("#dev", Some(want(None))));
    assert_eq!(played(events, "#dev", FRESH).1[0], "direct new");
    let (mut events, _) = played(vec![wish("#ops", Some(want(None)))], "#ops", FRESH);
    events.push(wish("#dev", Some(want(None))));
    assert_eq!(played(events, "#dev", FRESH).1[0], "direct !control", "one is enough");
    let refused = but(&[(Step::Connect, "Failed to connect: no")]);
    let (mut events, _) = played(vec![wish("#ops", Some(want(None)))], "#ops", &refused);
    events.push(wish("#ops", Some(want(None))));
    assert_eq!(played(events, "#ops", FRESH).1[0], "direct !control", "of the try before");
}

#[test]
fn a_channel_goes_and_the_network_with_the_last() {
    let on = "Current nickname: opsbot (configured: opsbot)\nPlumbs: #ops, #dev";
    let script = but(&[(Step::Unplumb, "Leaving !r to unplumb."), (Step::Status, on)]);
    let (mut events, _) = played(vec![wish("#ops", Some(want(Some("!r"))))], "#ops", FRESH);
    events.push(wish("#ops", None));
    let (_, got) = played(events.clone(), "#ops", &script);
    assert_eq!(got, ["!lab: STATUS", "!lab: UNPLUMB #ops", "removed"], "somebody is in #dev");
    let last = "Current nickname: opsbot (configured: opsbot)\nPlumbs: #ops";
    let script = but(&[(Step::Unplumb, "Leaving !r to unplumb."), (Step::Status, last)]);
    let (after, got) = played(events.clone(), "#ops", &script);
    assert_eq!(got, ["!lab: STATUS", "!lab: UNPLUMB #ops", "!lab: DISCONNECT", "removed"]);
    assert_eq!(folded(&after).all().count(), 0);
    let (_, got) = played(events, "#ops", FRESH);
    assert_eq!(got, ["!lab: STATUS", "removed"], "it is gone and disconnected already");
    let (mut events, _) = played(vec![wish("#ops", Some(want(None)))], "#ops", FRESH);
    events.push(wish("#ops", None));
    let (_, got) = played(events, "#ops", &script);
    assert_eq!(got[..2], ["!lab: STATUS", "leave !#ops (lab)"]);
}

#[test]
fn a_setup_goes_on_from_every_step() {
    let (events, whole) = played(vec![wish("#ops", Some(want(Some("!r"))))], "#ops", FRESH);
    for kept in 1..events.len() {
        let (_, rest) = played(events[..kept].to_vec(), "#ops", FRESH);
        assert_eq!(rest, whole[kept - 1..], "after {kept} events");
    }
    assert_eq!(played(events, "#ops", FRESH).1, Vec::<String>::new(), "it stands");
}

#[test]
fn networks_are_known_by_the_name_in_accounts() {
    let (mut events, _) = played(vec![wish("#ops", Some(want(None)))], "#ops", FRESH);
    let all = folded(&events);
    assert_eq!(all.network_room("heisenbridge", "LAB").map(RoomId::as_str), Some("!lab"));
    assert_eq!(all.network_room("heisenbridge", "other"), None);
    assert_eq!(all.network_room("second", "lab"), None, "it is another bridge's");
    assert_eq!(all.other_bridge("second", "Lab"), Some("heisenbridge"));
    assert_eq!(all.other_bridge("heisenbridge", "lab"), None);
    assert_eq!((all.standing().count(), all.open()), (1, None));
    events.push(wish("#ops", None));
    let all = folded(&events);
    assert_eq!(
        (all.standing().count(), all.network_room("heisenbridge", "lab")),
        (0, None),
        "it is going"
    );
    assert_eq!(all.open().map(|it| it.channel.as_str()), Some("#ops"));
}

#[test]
fn what_goes_in_circles_ends() {
    let mut events = vec![wish("#ops", Some(want(None)))];
    let judged = Judged { outcome: Outcome::Done, answer: String::new(), room: None };
    events.extend((0..STEPS_MAX).map(|_| made("#ops", Step::Networks, &judged)));
    let (_, got) = played(events, "#ops", FRESH);
    assert!(got.last().is_some_and(|it| it.contains("in circles")), "{got:?}");
}

#[test]
fn names_are_one_word_for_the_bridge() {
    let long = "x".repeat(NAME_CHARS_MAX + 1);
    let nick = |nick: &str| Want { nick: Some(nick.into()), ..want(None) };
    let host = |host: &str, port| Want {
        server: Server { host: host.into(), port, tls: false },
        ..want(None)
    };
    for (network, channel, want, refused) in [
        ("libera", "#ops", want(Some("!r:hs")), None),
        ("libera", "&local", nick("[bot]^_"), None),
        ("my_net", "#ops", want(None), Some("no name for a network")),
        (long.as_str(), "#ops", want(None), Some("no name for a network")),
        ("", "#ops", want(None), Some("no name for a network")),
        ("a b", "#ops", want(None), Some("no name for a network")),
        ("libera", "ops", want(None), Some("no channel")),
        ("libera", "#", want(None), Some("no channel")),
        ("libera", "#a;QUIT", want(None), Some("no channel")),
        ("libera", "#a,#b", want(None), Some("no channel")),
        ("libera", "#a\nQUIT", want(None), Some("no channel")),
        ("libera", "#it's", want(None), Some("no channel")),
        ("libera", "#ops", nick("1bot"), Some("no nick")),
        ("libera", "#ops", nick("a;b"), Some("no nick")),
        ("libera", "#ops", host("--proxy", 1), Some("no server")),
        ("libera", "#ops", host("irc;QUIT", 1), Some("no server")),
        ("libera", "#ops", host("irc", 0), Some("no server")),
        ("libera", "#ops", host("::1", 6_667), None),
        ("libera", "#ops", want(Some("ops")), Some("no room")),
    ] {
        let got = refusal(network, channel, Some(&want));
        let fits = match refused {
            None => got.is_none(),
            Some(part) => got.as_ref().is_some_and(|it| it.contains(part)),
        };
        assert!(fits, "{network} {channel} {want:?}: {got:?}");
    }
}

#[test]
fn a_password_is_one_word() {
    for (secret, want) in [
        ("plain", Some(r#""plain""#)),
        (r#"a"b\c 'd;e"#, Some(r#""a\"b\\c 'd;e""#)),
        ("two\nlines", None),
        ("", None),
    ] {
        assert_eq!(quoted(secret).as_deref(), want, "{secret:?}");
    }
    assert!(quoted(&"x".repeat(SECRET_BYTES_MAX)).is_some());
    assert_eq!(quoted(&"x".repeat(SECRET_BYTES_MAX + 1)), None);
}

#[test]
fn a_lost_connection_counts_as_none() {
    let status = Status::of("Connected for 0:00:09\nConfigured nickname: a\nChannels: #x, #y");
    assert_eq!((status.nick, status.configured.as_str()), (None, "a"));
    assert_eq!(status.channels, ["#x", "#y"]);
    let status = Status::of("Current nickname:  (configured: a)");
    assert_eq!((status.nick, status.configured.as_str()), (None, "a"), "it is still connecting");
}

#[test]
fn every_wait_has_its_time() {
    let all = folded(&[wish("#ops", Some(want(None)))]);
    let mut events = vec![wish("#ops", Some(want(None)))];
    let mut waits = BTreeMap::new();
    loop {
        let now = folded(&events);
        let setup = now.of("lab", "#ops").expect("it is wanted");
        let Next::Act(step, act) = next(setup, &now, &own()) else { break };
        if let Act::Tell { within_ms, ends, .. } = &act {
            assert!(!ends.is_empty(), "{step:?}");
            waits.insert(step, *within_ms);
        }
        let judged = judge(setup, step, &answer(setup, step, &act, FRESH));
        events.push(made("#ops", step, &judged));
    }
    assert_eq!(all.all().count(), 1);
    assert_eq!(waits.remove(&Step::Connect), Some(CONNECT_MS_MAX));
    assert_eq!(waits.remove(&Step::Join), Some(JOIN_MS_MAX));
    assert!(waits.values().all(|it| *it == TELL_MS_MAX), "{waits:?}");
}

#[test]
fn a_network_is_lost_once_and_back_once() {
    const LOST: &str = "Disconnected, reconnecting in 5 seconds...";
    let (mut events, _) = played(vec![wish("#ops", Some(want(None)))], "#ops", FRESH);
    for (room, text, changes) in [
        ("!lab", "Disconnecting...\nDisconnected.", None),
        ("!other", LOST, None),
        ("!lab", "End of MOTD command", None),
        ("!lab", LOST, Some("bridge_lost")),
        ("!lab", LOST, None),
        ("!lab", "Connecting to irc:6667...\nFailed to connect: no\nTrying next server", None),
        ("!lab", "Connecting to irc:6667...", None),
        (
            "!lab",
            "Failed to connect: no\nWelcome to the Internet Relay Network opsbot",
            Some("bridge_back"),
        ),
        ("!lab", "End of MOTD command", None),
        (
            "!lab",
            "End of MOTD command\nDisconnected, reconnecting in 10 seconds...",
            Some("bridge_lost"),
        ),
    ] {
        let changed = outage(&folded(&events), &RoomId(room.into()), text);
        assert_eq!(changed.as_ref().map(Event::kind), changes, "{room}: {text}");
        events.extend(changed);
    }
    assert!(folded(&events).is_away("LAB"));
    events.push(BridgeBack { network: "lab".into() }.into());
    let anew = outage(&folded(&events), &RoomId("!lab".into()), "Connecting to irc:6667...");
    let Some(Event::BridgeLost(lost)) = &anew else { panic!("it was away: {anew:?}") };
    assert_eq!(lost.why, "The bridge has begun anew.");
    events.extend(anew);
    let (network, channel) = ("lab".into(), "#ops".into());
    events.push(BridgeRemoved { network, channel }.into());
    assert!(!folded(&events).is_away("lab"), "nobody misses it");
}
