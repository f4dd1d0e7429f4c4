//! Rooms behind bridges: what is recorded of them, what is said there, and how fast.

use std::sync::Arc;

use beadle::adapter::Intake;
use beadle::domain::bridge::Bridges;
use beadle::domain::bridge::hint::Hint;
use beadle::domain::bridge::setup::Mode;
use beadle::domain::event::{BridgeSeen, Meta};
use beadle::domain::id::{RoomId, UserId};
use beadle::processor::Settings;
use beadle::processor::bridges::{BURST_LINES, ROOMS_KEPT_MAX};
use beadle::processor::cancel::{Cancel, Cancelling};
use beadle::processor::pacing::UNDER_WAY_EVENTS_MAX;
use beadle::query::executions;
use serde_json::{Value, json};

use crate::away::stands;
use crate::desk::Desk;

fn use_bridges(desk: &Desk, used: &[&str]) {
    let used: Vec<String> = used.iter().map(|name| (*name).to_owned()).collect();
    let bridges = Arc::new(Bridges::default().using(&used, &[]).expect("they ship"));
    let settings = (*desk.kernel.settings()).clone();
    desk.kernel.behave(Settings { bridges, ..settings });
}

async fn saw(desk: &Desk, room: &str, profile: &str, evidence: &str) {
    let seen = BridgeSeen { profile: profile.into(), evidence: evidence.into() };
    desk.ear.saw_bridge(RoomId(room.into()), seen).await.expect("the log works");
}

fn network(desk: &Desk, room: &str) -> String {
    desk.kernel.network_of(&RoomId(room.into())).expect("the log works")
}

#[tokio::test]
async fn a_room_is_on_the_networks_that_were_seen_in_it() {
    let desk = Desk::new("");
    let all = ["heisenbridge", "bridgev2"];
    use_bridges(&desk, &all);
    assert_eq!(network(&desk, "#ops"), "matrix");
    saw(&desk, "#ops", "heisenbridge", "@heisenbridge:local").await;
    saw(&desk, "#ops", "heisenbridge", "@irc_net_eva:local").await;
    assert_eq!((network(&desk, "#ops"), desk.count("room_bridged")), ("irc".into(), 1), "once");
    saw(&desk, "#ops", "bridgev2", "@slackbot:local").await;
    assert_eq!((network(&desk, "#ops"), desk.count("room_bridged")), ("irc+slack".into(), 2));
    assert_eq!(network(&desk, "#dev"), "matrix", "another room");
    // What is not in use any more counts for nothing, and what is recorded stays.
    use_bridges(&desk, &["bridgev2"]);
    assert_eq!(network(&desk, "#ops"), "slack");
    use_bridges(&desk, &[]);
    assert_eq!(network(&desk, "#ops"), "matrix");
    use_bridges(&desk, &all);
    assert_eq!(network(&desk, "#ops"), "irc+slack");
    assert_eq!(
        network(&desk, "@irc_net_eva:local"),
        "matrix",
        "it is not known where the bot lives"
    );
    desk.ear.names(vec!["@beadle:local".into()]);
    assert_eq!(network(&desk, "@irc_net_eva:local"), "irc", "alone with somebody");
    assert_eq!(network(&desk, "@ann:local"), "matrix");
}

/// What a room's state says, as a bridge of the mautrix family writes it.
fn hint(kind: &str, content: &Value) -> Hint {
    let event =
        json!({"type": kind, "state_key": "k", "sender": "@slackbot:local", "content": content});
    Hint::read(&event).expect("it tells of a bridge")
}

#[tokio::test]
async fn what_a_rooms_state_says_takes_away_and_proves_nothing() {
    let desk = Desk::new("");
    use_bridges(&desk, &["heisenbridge"]);
    let ops = RoomId("#ops".into());
    let sms = hint("com.beeper.room_features", &json!({"formatting": {}, "id": "sms"}));
    for _ in 0..2 {
        desk.ear.saw_hints(ops.clone(), vec![sms.clone()]).await.expect("the log works");
    }
    assert_eq!(desk.count("room_hinted"), 1, "once");
    assert_eq!(network(&desk, "#ops"), "matrix", "who speaks there is who they are");
    desk.queue("#ops", "one", None).await;
    desk.queue("#dev", "other", None).await;
    desk.settle().await.expect("the log works");
    let sent = desk.outgoing();
    let notice = |room: &str| sent.iter().find(|it| it.room.as_str() == room).map(|it| it.notice);
    assert_eq!((notice("#ops"), notice("#dev")), (Some(false), Some(true)));
    // What it says no more holds no more.
    desk.ear.saw_hints(ops.clone(), vec![]).await.expect("the log works");
    desk.ear.saw_hints(RoomId("#dev".into()), vec![]).await.expect("the log works");
    assert_eq!(desk.count("room_hinted"), 2);
    let of_dev = desk.outgoing().len();
    desk.queue("#ops", "again", None).await;
    desk.settle().await.expect("the log works");
    assert!(desk.outgoing()[of_dev..].iter().all(|it| it.notice));
}

#[tokio::test]
async fn long_texts_are_cut_where_a_post_is_short() {
    let desk = Desk::new("");
    use_bridges(&desk, &["bridgev2"]);
    let features = json!({"formatting": {"bold": 2}, "max_text_length": 2_000});
    let signal = hint("com.beeper.room_features", &features);
    desk.ear.saw_hints(RoomId("#ops".into()), vec![signal]).await.expect("the log works");
    let lines = |count: usize| vec!["x".repeat(99); count].join("\n");
    for (room, text) in [("#ops", lines(18)), ("#ops", lines(19)), ("#dev", lines(19) + "\n.")] {
        desk.queue(room, &text, None).await;
    }
    desk.settle().await.expect("the log works");
    let sent = desk.outgoing();
    let said = |room: &str| {
        let here = sent.iter().filter(|it| it.room.as_str() == room);
        here.map(|it| it.plain.matches('x').count() / 99).collect::<Vec<_>>()
    };
    assert_eq!((said("#ops"), said("#dev")), (vec![18, 18], vec![19]));
    assert!(sent.iter().all(|it| it.room.as_str() != "#ops" || it.plain.len() <= 2_000));
    let goes_on = |text: &str| text.contains("1 more line") && text.contains("!more");
    assert_eq!(sent.iter().filter(|it| goes_on(&it.plain)).count(), 1, "{sent:#?}");
}

#[tokio::test]
async fn what_is_said_is_made_for_the_networks_of_its_room() {
    let desk = Desk::new("");
    use_bridges(&desk, &["heisenbridge"]);
    saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
    let long = vec!["x".repeat(500); 3].join("\n");
    desk.queue("#ops", &long.replace('x', "y"), None).await;
    desk.queue("#irc", &long, None).await;
    let first = desk.queue("#irc", "first", None).await;
    desk.clock.advance(60_000);
    desk.settle().await.expect("the log works");
    desk.queue("#irc", "changed", Some(&first)).await;
    desk.clock.advance(60_000);
    desk.settle().await.expect("the log works");
    let outgoing = desk.outgoing();
    let in_room =
        |room: &str| outgoing.iter().filter(|it| it.room.as_str() == room).collect::<Vec<_>>();
    let [matrix] = in_room("#ops")[..] else { panic!("{outgoing:#?}") };
    assert_eq!((matrix.notice, matrix.plain.as_str()), (true, long.replace('x', "y").as_str()));
    let irc = in_room("#irc");
    let texts: Vec<&str> = irc.iter().map(|it| it.plain.as_str()).collect();
    let lines: Vec<&str> = texts[0].lines().collect();
    assert_eq!(lines.len(), 5, "four lines and how to go on: {texts:#?}");
    assert!(lines.iter().all(|line| line.len() <= 400) && lines[4].contains("!more"), "{texts:#?}");
    assert_eq!(texts[1..], ["first", "changed"], "an edit is a line of its own");
    let plain = irc.iter().all(|it| !it.notice && it.html.is_none());
    assert!(plain, "{irc:#?}");
    let new = irc.iter().all(|it| it.relation == beadle::adapter::Relation::New);
    assert!(new, "{irc:#?}");
}

#[tokio::test]
async fn a_slow_network_gets_a_burst_and_then_one_line_after_the_other() {
    let desk = Desk::new("");
    use_bridges(&desk, &["heisenbridge"]);
    saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
    let said: Vec<String> = (0..BURST_LINES + 4).map(|n| format!("#irc: message {n}")).collect();
    for text in &said {
        desk.queue("#irc", text.strip_prefix("#irc: ").expect("it begins so"), None).await;
    }
    desk.settle().await.expect("the log works");
    let mut got = desk.said();
    assert_eq!(got.len(), BURST_LINES as usize + 1, "what is under way is more than a burst");
    for _ in 0..3 {
        desk.clock.advance(1_499);
        desk.settle().await.expect("the log works");
        assert!(desk.said().is_empty(), "one in a second and a half");
        desk.clock.advance(1);
        desk.settle().await.expect("the log works");
        let next = desk.said();
        assert_eq!(next.len(), 1);
        got.extend(next);
    }
    assert_eq!(got, said, "in their order");
    desk.queue("#dev", "elsewhere", None).await;
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), ["#dev: elsewhere"], "another room does not wait");
}

#[tokio::test]
async fn rooms_that_share_a_connection_share_its_pace() {
    let desk = Desk::new("");
    use_bridges(&desk, &["heisenbridge"]);
    for (room, network) in [("#one", "lab"), ("#two", "LAB"), ("#far", "hub")] {
        saw(&desk, room, "heisenbridge", "@heisenbridge:local").await;
        stands(&desk, network, room, Mode::Plumbed).await;
        for n in 0..BURST_LINES + 4 {
            desk.queue(room, &format!("{network} {room} {n}"), None).await;
        }
    }
    desk.settle().await.expect("the log works");
    let count = |said: &[String], room: &str| said.iter().filter(|it| it.starts_with(room)).count();
    let most = BURST_LINES as usize + 1;
    let got = desk.said();
    let both = count(&got, "#one") + count(&got, "#two");
    assert!((most..=most + 1).contains(&both), "one of each at most is too many: {got:#?}");
    assert_eq!(count(&got, "#far"), most, "another connection has its own");
    // A restart forgets none of it.
    let again = Desk::over(&desk.world, desk.kernel.store.clone(), desk.world.clone(), "");
    use_bridges(&again, &["heisenbridge"]);
    again.clock.advance(3_000 * i64::from(BURST_LINES));
    let mut later = 0;
    for _ in 0..20 {
        again.settle().await.expect("the log works");
        let said = again.said();
        later += count(&said, "#one") + count(&said, "#two");
        again.clock.advance(1_500);
    }
    assert_eq!(both + later, 2 * (most + 3), "all is said in the end");
}

#[tokio::test]
async fn a_restart_gives_a_slow_network_no_new_burst() {
    let desk = Desk::new("");
    use_bridges(&desk, &["heisenbridge"]);
    saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
    for n in 0..BURST_LINES + 4 {
        desk.queue("#irc", &format!("message {n}"), None).await;
    }
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said().len(), BURST_LINES as usize + 1);
    desk.clock.advance(500);
    let again = Desk::over(&desk.world, desk.kernel.store.clone(), desk.world.clone(), "");
    use_bridges(&again, &["heisenbridge"]);
    again.settle().await.expect("the log works");
    assert_eq!(again.said().len(), 1, "the first is tried at once");
    // Seven lines take 10.5 s, of which five may be under way.
    for (wait_ms, lines) in [(2_499, 0), (1, 1), (1_499, 0), (1, 1)] {
        again.clock.advance(wait_ms);
        again.settle().await.expect("the log works");
        assert_eq!(again.said().len(), lines, "after {wait_ms} ms more");
    }
    const { assert!(UNDER_WAY_EVENTS_MAX > BURST_LINES as usize) };
}

#[tokio::test]
async fn who_cancels_what_waits_for_approval_is_named_with_their_network() {
    for (room, by, want) in [
        ("#irc", "@irc_lab_tom:local", "tom (lab)"),
        ("#irc", "@ann:local", "ann"),
        ("#ops", "@irc_lab_tom:local", "tom (lab)"),
        ("#ops", "@irc_lab_tom:else.where", "@irc_lab_tom:else.where"),
    ] {
        let desk = Desk::new(r#"alias("merge", #{ ack: false }, || { approve("merge it"); });"#);
        use_bridges(&desk, &["heisenbridge"]);
        desk.ear.names(vec!["@beadle:local".into()]);
        saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
        desk.hand_over(vec![desk.says("ann", room, "!merge")], None).await;
        desk.settle().await.expect("the log works");
        assert!(desk.said()[0].contains("ann asks to merge it. It needs one more person"));
        let list = executions::list(desk.kernel.store.as_ref(), 1).expect("the log can be read");
        let by = UserId(by.into());
        let cancel = Cancel { by, reason: String::new(), force: false };
        let cancelling = desk.kernel.cancel(&list[0].id, &cancel, &Meta::default());
        let Ok(Cancelling::Begun(writes)) = cancelling else { panic!("{cancelling:?}") };
        desk.kernel.store.append(writes).await.expect("it fits");
        desk.clock.advance(20_000);
        desk.settle().await.expect("the log works");
        let said = desk.said();
        let closed = format!("ann asks to merge it: cancelled by {want}.");
        assert!(said[0].ends_with(&closed), "{said:?}");
        // Where it can be edited who asked is answered as well.
        assert_eq!(said.len(), if room == "#irc" { 1 } else { 2 }, "{said:?}");
    }
}

#[tokio::test]
async fn the_networks_of_only_so_many_rooms_are_kept_at_hand() {
    let desk = Desk::new("");
    use_bridges(&desk, &["heisenbridge"]);
    saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
    for n in 0..=ROOMS_KEPT_MAX {
        assert_eq!(network(&desk, &format!("#room{n}")), "matrix");
    }
    assert_eq!(network(&desk, "#irc"), "irc", "it is read again");
    assert_eq!(desk.count("room_bridged"), 1, "nothing is recorded by looking");
}

#[tokio::test]
async fn what_goes_on_is_told_by_its_id_from_the_first_line_on() {
    let desk = Desk::new(
        r#"alias("shop", #{ ack: false }, || {
            let status = progress("rolling shop: 0 of 2");
            status.done("rolled");
            reply("and something else");
        });"#,
    );
    use_bridges(&desk, &["heisenbridge"]);
    saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
    desk.hand_over(vec![desk.says("ann", "#irc", "!shop")], None).await;
    desk.settle().await.expect("the log works");
    desk.clock.advance(10_000);
    desk.settle().await.expect("the log works");
    let said = desk.said();
    let id = said[0].split(['[', ']']).nth(1).unwrap_or_else(|| panic!("{said:?}"));
    let [first, last, other] = &said[..] else { panic!("{said:?}") };
    assert_eq!(first, &format!("#irc: ann: [{id}] rolling shop: 0 of 2"));
    assert!(last.contains(&format!("[{id}] rolled")), "{said:?}");
    assert_eq!(other, "#irc: ann: and something else", "it is no progress");
}

#[tokio::test]
async fn a_question_says_what_answers_it_where_nobody_can_reply() {
    let script = r#"
        alias("name it", || { let name = ask("Which name?"); reply(`it is ${name}`); });
        alias("colour it", || { let it = ask("Which colour?", #{ choices: ["red", "blue"] }); reply(`it is ${it}`); });
    "#;
    let desk = Desk::new(script);
    use_bridges(&desk, &["heisenbridge"]);
    saw(&desk, "#irc", "heisenbridge", "@heisenbridge:local").await;
    let says = async |room: &str, text: &str| {
        desk.hand_over(vec![desk.says("ann", room, text)], None).await;
        desk.settle().await.expect("the log works");
        desk.said()
    };
    assert_eq!(says("#ops", "!name it").await, ["#ops: Which name?"], "there one can reply");
    let asked = says("#irc", "!name it").await;
    let [asked] = &asked[..] else { panic!("{asked:?}") };
    let begins = asked.contains("Which name? (say \"") && asked.ends_with(" and then your answer)");
    assert!(begins, "{asked}");
    let phrase = asked.split('"').nth(1).expect("it is between quotes").to_owned();
    let answered = says("#irc", &format!("{phrase} web 1")).await;
    assert_eq!(answered, ["#irc: ann: it is web 1"], "it works as it says");
    let choices = says("#irc", "!colour it").await;
    assert!(choices[0].ends_with("Which colour? (1. red, 2. blue)"), "{choices:?}");
}
