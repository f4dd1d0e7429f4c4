//! Two bots of which each hears the other, through a relay or under a nick: they do not talk for ever, and that one is not
//! answered is told once, to nobody who is known to be no person.

use std::collections::VecDeque;
use std::sync::Arc;

use beadle::adapter::Intake;
use beadle::domain::bridge::Bridges;
use beadle::domain::id::UserId;
use beadle::domain::loops::{MUTE_MS, SAME_MAX};
use beadle::domain::pace::{COMMANDS_PER_MINUTE, NAMES_COMMANDS_PER_MINUTE};
use beadle::domain::trigger::{Trigger, Trust, What};
use beadle::processor::{Limits, Settings};

use crate::desk::Desk;

/// How long they are listened to.
const MINUTES: i64 = 10;
/// How long the relay takes.
const RELAY_MS: i64 = 1_000;
/// Whatever either of them says is a command of the other.
const SCRIPT: &str = r#"//! Says what the other takes for a command.
alias("ping", #{ help: "Ping", ack: false }, || say("!ping"));
alias("count {n:int}", #{ help: "Count", ack: false }, |a| say(`!count ${a.n + 1}`));
"#;

/// An account that may be a person's.
const NICK: &str = "@irc_lab_other:local";
/// One that repeats what others say.
const RELAY: &str = "@matterbridge:local";
/// What stands in what somebody is told who is not answered.
const TOLD: &str = "I do not answer you here";

/// What the other one hears of something that was said: by this account.
fn heard(desk: &Desk, text: &str, by: &str, hops: u32) -> Trigger {
    let mut trigger = desk.says("relay", "#ops", text);
    let What::Message(message) = &mut trigger.what else { panic!("it is said") };
    (message.speaker.id, message.hops) = (UserId(by.into()), hops);
    (message.speaker.network, message.speaker.trust) = ("irc".into(), Trust::Nick);
    trigger
}

/// A bot that stops rings, behind the bridges that ship.
fn bot() -> Desk {
    let desk = Desk::new(SCRIPT);
    let settings = (*desk.kernel.settings()).clone();
    let limits = Limits { stop_rings: true, commands_per_minute: Some(COMMANDS_PER_MINUTE) };
    let used = ["heisenbridge".to_owned(), "relay".to_owned()];
    let bridges = Arc::new(Bridges::default().using(&used, &[]).expect("they ship"));
    desk.kernel.behave(Settings { limits, bridges, ..settings });
    desk.ear.names(vec!["@beadle:local".into()]);
    desk
}

/// What both say within the time, when one hears a text first, and each hears the other as this account.
async fn said_after(first: &str, by: &str) -> Vec<String> {
    let mut desks = [bot(), bot()];
    let mut on_the_way = VecDeque::from([(0, first.to_owned())]);
    let mut all = vec![];
    for _ in 0..MINUTES * 60_000 / RELAY_MS {
        for text in std::mem::take(&mut on_the_way) {
            let (to, text) = text;
            let trigger = heard(&desks[to], &text, by, 0);
            desks[to].hand_over(vec![trigger], None).await;
        }
        for (at, desk) in desks.iter_mut().enumerate() {
            let before = desk.outgoing().len();
            desk.settle().await.expect("the log works");
            for outgoing in &desk.outgoing()[before..] {
                if outgoing.room.as_str() == "#ops" {
                    on_the_way.push_back((1 - at, outgoing.plain.clone()));
                    all.push(outgoing.plain.clone());
                }
            }
            desk.clock.advance(RELAY_MS);
        }
    }
    all
}

#[tokio::test]
async fn the_same_is_said_a_few_times_and_no_more() {
    for (by, told) in [(NICK, 1..=2), (RELAY, 0..=0)] {
        let all = said_after("!ping", by).await;
        // Each mutes the other for some minutes when it has said the same too often, and it ends there.
        assert!((2..=2 * SAME_MAX + told.end()).contains(&all.len()), "{by}: {all:#?}");
        let says = all.iter().filter(|text| text.contains(TOLD)).count();
        assert!(told.contains(&says), "each says it once, to what may be a person: {by}: {all:#?}");
    }
}

#[tokio::test]
async fn what_differs_each_time_is_slowed_down_and_ends() {
    for by in [NICK, RELAY] {
        let all = said_after("!count 1", by).await;
        let most = 2 * NAMES_COMMANDS_PER_MINUTE as usize + 2;
        assert!((2..=most).contains(&all.len()), "{} messages: {all:#?}", all.len());
    }
}

#[tokio::test]
async fn that_somebody_is_not_answered_is_told_once_when_it_begins() {
    for (by, hops, told) in [(NICK, 0, 1), (NICK, 1, 0), (RELAY, 0, 0)] {
        let desk = bot();
        let said = async || {
            desk.settle().await.expect("the log works");
            let before = desk.said();
            let here = before.into_iter().filter(|text| text.starts_with("#ops: "));
            here.collect::<Vec<_>>()
        };
        // A bot that has the same command for whatever it is told, and for what it is not told, too.
        for begins in [true, false] {
            let mut all = vec![];
            for _ in 0..MUTE_MS / RELAY_MS / 2 {
                desk.hand_over(vec![heard(&desk, "!ping", by, hops)], None).await;
                all.extend(said().await);
                desk.clock.advance(RELAY_MS);
            }
            let says = all.iter().filter(|text| text.contains(TOLD)).count();
            let answers = all.len() - says;
            let want = if begins { (told, SAME_MAX - 1) } else { (0, 0) };
            assert_eq!((says, answers), want, "{by}, {hops} hops: {all:#?}");
        }
    }
}

#[tokio::test]
async fn an_echo_that_waits_until_it_is_answered_again_starts_nothing() {
    let desk = bot();
    for _ in 0..SAME_MAX {
        desk.hand_over(vec![heard(&desk, "!ping", NICK, 0)], None).await;
        desk.settle().await.expect("the log works");
        desk.clock.advance(RELAY_MS);
    }
    let said = desk.said();
    let told: Vec<&String> = said.iter().filter(|text| text.contains(TOLD)).collect();
    let [told] = told[..] else { panic!("it is told once: {said:#?}") };
    assert!(told.contains("that was the same 3 times") && told.ends_with("for 5 min."), "{told}");
    assert_eq!(told.lines().count(), 1, "in one line");
    // It says what it was told back, late: that is no command, and nothing comes of it.
    let told = told.trim_start_matches("#ops: ").to_owned();
    for _ in 0..SAME_MAX {
        desk.clock.advance(MUTE_MS);
        desk.hand_over(vec![heard(&desk, &told, NICK, 0)], None).await;
        desk.settle().await.expect("the log works");
    }
    let said = desk.said();
    assert!(said.iter().all(|text| !text.starts_with("#ops: ")), "{said:#?}");
}
