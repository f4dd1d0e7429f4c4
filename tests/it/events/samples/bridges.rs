//! Rooms behind bridges, what their state says, and whom a network knows behind a nick.

use beadle::domain::bridge::hint::{Features, Hint};
use beadle::domain::bridge::identity::Known;
use beadle::domain::event::*;

use super::{room, user};

/// All of them.
pub fn all() -> Vec<Event> {
    vec![
        RoomBridged {
            room: room(),
            network: "irc".into(),
            bridges: vec![BridgeSeen {
                profile: "heisenbridge".into(),
                evidence: "@irc_libera_eva:example.org".into(),
            }],
        }
        .into(),
        hinted(),
        checked("opal", Some("opal"), Known::Proven),
        checked("opal", Some("opal2"), Known::Other),
        checked("opal", None, Known::Unasked("the bridge did not say in time who it is".into())),
    ]
}

fn hinted() -> Event {
    let hint = |kind: &str, protocol: Option<&str>, shows: Option<Features>| Hint {
        kind: kind.into(),
        key: "net.maunium.slack://T1/C1".into(),
        by: user("slackbot"),
        protocol: protocol.map(str::to_owned),
        shows,
    };
    let shows = Features {
        html: true,
        edits: true,
        reactions: false,
        threads: true,
        replies: false,
        files: true,
        text: Some(40_000),
    };
    let hints = vec![
        hint("m.bridge", Some("slackgo"), None),
        hint("com.beeper.room_features", None, Some(shows)),
    ];
    RoomHinted { room: room(), hints }.into()
}

fn checked(nick: &str, account: Option<&str>, known: Known) -> Event {
    AccountChecked {
        who: user("irc_libera_opal"),
        network: "libera".into(),
        nick: nick.into(),
        account: account.map(str::to_owned),
        known,
    }
    .into()
}
