//! Channels that the network does not let the bot into, or that the bridge holds for itself.

use super::tests::{FRESH, but, lines, made, played, want, wish};
use super::*;

const OUT: &str = "nick: opsbot_\nuser: bot\nchannels: #dev";

#[test]
fn a_channel_that_lets_nobody_in_fails_with_the_reason() {
    for (reason, hint) in [
        ("irc inviteonlychan opsbot_ #ops Cannot join channel (+i)", "to invite opsbot_"),
        ("irc bannedfromchan opsbot_ #OPS Cannot join channel (+b)", "lift the ban"),
        ("Cannot join channel (+k) -- Wrong channel key", "take the key away"),
        ("irc channelisfull opsbot_ #ops Cannot join channel (+l)", "raise its limit"),
        ("#ops Cannot join channel (+r) - you need to be identified", "--sasl-env"),
        ("#ops You have joined too many channels", "to let opsbot_ in"),
    ] {
        let answers = (format!("Plumbed !r to #ops\n{reason}"), format!("{reason}\n{OUT}"));
        // What is said against it comes with the bridge's own answer, or while the network is asked.
        for (step, said) in [(Step::Plumb, &answers.0), (Step::Joined, &answers.1)] {
            let got = lines(want(Some("!r")), &but(&[(step, said), (Step::Joined, OUT)]));
            let end = ["!lab: PLUMB !r #ops", "!lab: WHOAMI", "!lab: UNPLUMB #ops"];
            assert_eq!(got[got.len() - 4..got.len() - 1], end, "{got:#?}");
            let last = got.last().expect("it ends");
            let shown = reason.split_once(" opsbot_ #").map_or(reason, |(_, rest)| &rest[4..]);
            let why = format!("lab does not let opsbot_ into #ops: {shown} | ");
            assert!(last.contains(&why) && last.contains(hint), "{last}");
        }
        let got = lines(want(None), &but(&[(Step::Join, reason), (Step::Joined, OUT)]));
        let end = ["!lab: JOIN #ops", "!lab: WHOAMI"];
        assert_eq!(got[got.len() - 3..got.len() - 1], end, "nothing is left: {got:#?}");
        assert!(
            got.last().is_some_and(|it| it.contains("into #ops: ") && it.contains(hint)),
            "{got:?}"
        );
    }
}

#[test]
fn who_is_not_in_asks_again_and_so_often() {
    let got = lines(want(Some("!r")), &but(&[(Step::Joined, OUT)]));
    let asks = got.iter().filter(|it| *it == "!lab: WHOAMI").count();
    let joins = got.iter().filter(|it| *it == "!lab: JOIN #ops").count();
    assert_eq!((asks, joins), (JOINED_ASKS_MAX, JOINED_ASKS_MAX - 1), "{got:#?}");
    assert_eq!(got[got.len() - 2], "!lab: UNPLUMB #ops");
    let last = got.last().expect("it ends");
    assert!(last.contains("lab has opsbot_ not in #ops, and does not say why"), "{last}");
    // The second try is let in.
    let (mut events, _) = played(vec![wish("#ops", Some(want(Some("!r"))))], "#ops", FRESH);
    let there = |it: &Event| matches!(it, Event::BridgeStep(it) if it.step == Step::Joined);
    let at = events.iter().position(there).expect("it was asked");
    events.truncate(at);
    let out = Judged { outcome: Outcome::Missing, answer: "#dev".into(), room: None };
    events.push(made("#ops", Step::Joined, &out));
    let (_, got) = played(events, "#ops", FRESH);
    assert_eq!(got, ["!lab: JOIN #ops", "!lab: WHOAMI", "stands: opsbot_ in !r"]);
}

#[test]
fn a_list_that_is_cut_proves_nothing() {
    let (mut events, _) = played(vec![wish("#dev", Some(want(None)))], "#dev", FRESH);
    events.push(wish("#ops", Some(want(None))));
    // Of a long list the bridge passes on the last line: what stands is not in it either.
    let cut = [(Step::Joined, "nick: opsbot_\nchannels: #zoo")];
    let (_, got) = played(events.clone(), "#ops", &but(&cut));
    assert!(got.last().is_some_and(|it| it.starts_with("stands")), "{got:#?}");
    let refused =
        [cut[0], (Step::Join, "irc inviteonlychan opsbot_ #ops Cannot join channel (+i)")];
    let (_, got) = played(events, "#ops", &but(&refused));
    assert!(got.last().is_some_and(|it| it.contains("(+i)")), "{got:#?}");
}

#[test]
fn a_room_that_the_network_does_not_let_in_is_left() {
    let status = "Current nickname: opsbot_ (configured: opsbot)\nChannels: #ops";
    let banned = "irc bannedfromchan opsbot_ #ops Cannot join channel (+b)";
    let script = [
        (Step::Status, status),
        (Step::Recall, "I have 1 known users:"),
        (Step::Joined, OUT),
        (Step::Join, banned),
    ];
    let got = lines(want(None), &but(&script));
    let end = [
        "!control: STATUS",
        "!lab: WHOAMI",
        "!lab: JOIN #ops",
        "!lab: WHOAMI",
        "await #ops (lab)",
        "leave !#ops (lab)",
    ];
    assert_eq!(got[got.len() - end.len() - 1..got.len() - 1], end, "{got:#?}");
    assert!(got.last().is_some_and(|it| it.contains("lift the ban")), "{got:#?}");
}

const ALREADY: &str = "You are already on #ops";
const ALONE: &str = "Current nickname: opsbot_ (configured: opsbot)\nChannels: #ops";
const FREE: &str = "Current nickname: opsbot_ (configured: opsbot)";

#[test]
fn what_the_bridge_holds_for_itself_is_left_and_carried() {
    let leaves = ["!control: STATUS", "await #ops (lab)", "leave !#ops (lab)"];
    let plumbs = ["!lab: PLUMB !r #ops"];
    let carries = ["!lab: PLUMB !r #ops", "!lab: WHOAMI", "stands: opsbot_ in !r"];
    let recall = (Step::Recall, "I have 1 known users:");
    let carried = (Step::Plumb, "Plumbed !r to #ops");
    for (script, end) in [
        // It holds the channel when it is asked how it stands,
        (vec![(Step::Status, ALONE), carried], [&leaves[..], &["invite to !r"], &carries].concat()),
        // or joins it a moment later,
        (
            vec![(Step::Status, FREE), (Step::Status, ALONE), (Step::Plumb, ALREADY), carried],
            [&plumbs[..], &["!lab: STATUS"], &leaves, &carries].concat(),
        ),
        // and needs a moment to let go of it.
        (
            vec![(Step::Status, ALONE), (Step::Plumb, ALREADY), carried],
            [&leaves[..], &["invite to !r"], &plumbs, &["!lab: STATUS"], &carries].concat(),
        ),
    ] {
        let script: Vec<_> = script.into_iter().chain([recall]).collect();
        let got = lines(want(Some("!r")), &but(&script));
        assert_eq!(got[got.len() - end.len()..], end, "{got:#?}");
    }
}

#[test]
fn what_the_bridge_does_not_let_go_of_is_asked_for_so_often() {
    let script = [(Step::Status, FREE), (Step::Plumb, ALREADY), (Step::Member, "away")];
    let got = lines(want(Some("!r")), &but(&script));
    assert_eq!(got.iter().filter(|it| it.contains(": PLUMB")).count(), PLUMB_ASKS_MAX, "{got:#?}");
    let last = got.last().expect("it ends");
    assert!(last.contains("carried into another room already"), "{last}");
}
