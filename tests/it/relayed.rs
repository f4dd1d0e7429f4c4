//! Two bots and a relay that repeats each to the other: they do not talk for ever.

use std::collections::VecDeque;

use beadle::domain::id::UserId;
use beadle::domain::loops::SAME_MAX;
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

/// What the relay makes of something that was said.
fn repeated(desk: &Desk, text: &str) -> Trigger {
    let mut trigger = desk.says("relay", "#ops", text);
    let What::Message(message) = &mut trigger.what else { panic!("it is said") };
    message.speaker.id = UserId("@relay:local".into());
    (message.speaker.network, message.speaker.trust) = ("irc".into(), Trust::Nick);
    trigger
}

/// What both say within the time, when the relay begins with a text.
async fn said_after(first: &str) -> Vec<String> {
    let mut desks = [Desk::new(SCRIPT), Desk::new(SCRIPT)];
    for desk in &desks {
        let settings = (*desk.kernel.settings()).clone();
        let limits = Limits { stop_rings: true, commands_per_minute: Some(COMMANDS_PER_MINUTE) };
        desk.kernel.behave(Settings { limits, ..settings });
    }
    let mut on_the_way = VecDeque::from([(0, first.to_owned())]);
    let mut all = vec![];
    for _ in 0..MINUTES * 60_000 / RELAY_MS {
        for text in std::mem::take(&mut on_the_way) {
            let (to, text) = text;
            let trigger = repeated(&desks[to], &text);
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
    let all = said_after("!ping").await;
    // Each mutes the other for some minutes when it has said the same too often, and it ends there.
    assert!((2..=2 * SAME_MAX).contains(&all.len()), "{all:#?}");
}

#[tokio::test]
async fn what_differs_each_time_is_slowed_down_and_ends() {
    let all = said_after("!count 1").await;
    let most = 2 * NAMES_COMMANDS_PER_MINUTE as usize + 2;
    assert!((2..=most).contains(&all.len()), "{} messages: {all:#?}", all.len());
}
