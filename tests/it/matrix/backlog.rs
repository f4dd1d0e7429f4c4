//! What people said while the bot was down is answered when it is back: all, once, in order.

use std::time::Duration;

use super::scene::{Scene, answer, answers};
use crate::lab::Chat;

/// For all answers together; a homeserver on two busy cores takes some 10 messages a second.
const WITHIN: Duration = Duration::from_secs(240);

#[test]
fn what_was_said_meanwhile_is_answered_once_and_in_order() {
    catches_up(Scene::plain(|_| {}), 150);
}

#[test]
fn what_was_said_meanwhile_in_an_encrypted_room_is_answered_once_and_in_order() {
    catches_up(Scene::encrypted(|_| {}), 30);
}

#[test]
fn what_was_said_long_ago_is_asked_about() {
    let mut scene = Scene::plain(|_| {});
    scene.bot.stop();
    scene.bot.append("beadle.toml", "\n[catchup]\nrun_within = \"0s\"\n");
    let said = scene.say("!echo 7");
    scene.bot.start();
    let asked = scene.bot_answers(&said, "have not run it");
    assert!(asked.contains("“echo 7”"), "{asked}");
    let yes = scene.say("yes");
    scene.bot_answers(&yes, &answer(7));
}

fn catches_up<C: Chat>(mut scene: Scene<C>, count: u32) {
    scene.bot_is_well(count);
    scene.bot.stop();
    for n in 0..count {
        scene.say(&format!("!echo {n}"));
    }
    scene.bot.start();
    let bot = scene.bot.account.id.clone();
    let last = count + 1;
    scene.say(&format!("!echo {last}"));
    let got = scene.ann.until_within(&scene.room, "the last answer", WITHIN, |events| {
        let got = answers(events, &bot);
        got.contains(&last).then_some(got)
    });
    let want: Vec<u32> = [count].into_iter().chain(0..count).chain([last]).collect();
    assert_eq!(got, want);
}
