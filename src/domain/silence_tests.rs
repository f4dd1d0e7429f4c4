//! What silences hold back, when they end, and what people mean by a name.

use super::super::event::{SilenceEnded, SilenceExtended, SilenceNoticed};
use super::super::id::{RoomId, UserId};
use super::super::trigger::Place;
use super::super::wake::with_plan;
use super::*;

const MINUTE: i64 = 60_000;

fn started(id: &str, target: &str, minutes: i64) -> Event {
    let place = Place {
        network: "matrix".into(),
        room: RoomId("!ops".into()),
        name: "#ops".into(),
        thread: None,
        direct: false,
        encrypted: false,
    };
    SilenceStarted {
        silence: id.into(),
        target: Target::parse(target),
        until: Timestamp(minutes * MINUTE),
        by: Some(UserId("@ann:hs".into())),
        who: "ann".into(),
        why: String::new(),
        place,
    }
    .into()
}

fn given(events: &[Event]) -> Silences {
    let mut silences = Silences::default();
    for event in events {
        silences.take(event, Timestamp(0));
    }
    silences
}

#[test]
fn silences_hold_back_what_they_name() {
    let web301 =
        Subject { rule: "nagios to ops", key: "nagios/web301", host: "web301", source: "nagios" };
    let tweets = Subject { rule: "twitter", ..Subject::default() };
    for (target, subject, want) in [
        ("twitter", tweets, true),
        ("Twitter", tweets, true),
        ("rule:twitter", tweets, true),
        ("host:twitter", tweets, false),
        ("twitter", web301, false),
        ("web301", web301, true),
        ("host:web301", web301, true),
        ("rule: nagios to ops", web301, true),
        ("alert:nagios/web301", web301, true),
        ("nagios", web301, true),
        ("source:nagios", web301, true),
        ("web30", web301, false),
        ("host:", web301, false),
    ] {
        let silences = given(&[started("1A", target, 15)]);
        let held = |now| silences.covering(&subject, Timestamp(now)).is_some();
        assert_eq!(held(0), want, "{target} and {subject:?}");
        assert!(!held(15 * MINUTE), "{target} is over");
        let now = Timestamp(0);
        assert_eq!(silences.of(target, now).len(), 1, "{target} is found by its own name");
    }
}

#[test]
fn what_is_due_of_a_silence() {
    let extended = |minutes: i64| -> Event {
        let until = Timestamp(minutes * MINUTE);
        SilenceExtended { silence: "1A".into(), until, by: None, who: "ann".into() }.into()
    };
    let noticed = || Event::from(SilenceNoticed { silence: "1A".into() });
    let ended = || Event::from(SilenceEnded { silence: "1A".into(), by: None, who: String::new() });
    let one = || started("1A", "twitter", 15);
    for (events, now, due, wake) in [
        (vec![one()], 4, "", Some(5)),
        (vec![one()], 5, "notice", Some(5)),
        (vec![one(), noticed()], 5, "", Some(15)),
        (vec![one(), noticed()], 15, "end", Some(15)),
        (vec![one()], 15, "end", Some(5)),
        (vec![one(), ended()], 15, "", None),
        (vec![one(), noticed(), extended(60)], 15, "", Some(50)),
        (vec![one(), noticed(), extended(60)], 50, "notice", Some(50)),
        // Too short for a notice.
        (vec![started("1A", "twitter", 10)], 5, "", Some(10)),
        (vec![started("1A", "twitter", 11)], 1, "notice", Some(1)),
    ] {
        let silences = given(&events);
        let shown = silences.due(Timestamp(now * MINUTE));
        let shown = shown.iter().map(|due| match due {
            Due::Notice(_) => "notice",
            Due::End(_) => "end",
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), due, "{} events at {now}", events.len());
        assert_eq!(silences.wake(), wake.map(|wake| Timestamp(wake * MINUTE)));
    }
    let planned = with_plan(&Silences::default(), vec![one()], Timestamp(0));
    assert_eq!(planned.len(), 2, "the notice is planned");
}

#[test]
fn names_are_found() {
    let known: BTreeSet<Target> = [
        "rule:twitter",
        "rule:nagios to ops",
        "rule:nagios to dev",
        "host:web301",
        "host:web302",
        "alert:nagios/web301",
        "source:nagios",
        "rule:disk",
        "source:Disk",
    ]
    .iter()
    .map(|text| Target::parse(text))
    .collect();
    for (text, want) in [
        ("twitter", "rule twitter"),
        ("TWITTER", "rule twitter"),
        ("web301", "host web301"),
        ("host:web301", "host web301"),
        ("alert:web301", "alert nagios/web301"),
        ("nagios/web301", "alert nagios/web301"),
        ("nagios", "source nagios"),
        ("rule:nagios", "rule nagios to dev? rule nagios to ops"),
        ("disk", "disk"),
        ("source:disk", "source Disk"),
        ("to ops", "rule nagios to ops"),
        ("dev nagios", "rule nagios to dev"),
        ("twiter", "near twitter"),
        ("web303", "near web301"),
        ("printers", "nothing"),
        ("host:twitter", "nothing"),
        ("", "nothing"),
    ] {
        let got = match meant(text, &known) {
            Meant::One(target) => target.words(),
            Meant::Several(all) => all.iter().map(Target::words).collect::<Vec<_>>().join("? "),
            Meant::Nothing(Some(near)) => format!("near {near}"),
            Meant::Nothing(None) => "nothing".into(),
        };
        assert_eq!(got, want, "{text:?}");
    }
    assert_eq!((SILENCE_MS, NOTICE_MS, TARGETS_MAX), (15 * MINUTE, 10 * MINUTE, 10));
    assert_eq!((SILENCES_MAX, NAME_BYTES_MAX, WHY_BYTES_MAX), (1_000, 200, 1_000));
    assert_eq!((SILENCE_MS_MIN, SILENCE_MS_MAX), (1_000, 30 * 24 * 60 * MINUTE));
}
