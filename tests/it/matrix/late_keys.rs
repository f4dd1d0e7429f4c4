//! What people say is answered once when its keys come late, whatever happens to the bot in between.

use std::time::Duration;

use serde_json::Value;

use super::scene::{Scene, answer, answers};
use crate::lab::{Bot, Chat, Lab, Person};

/// For the minute after which a room is told of what cannot be read, and what it takes to say it.
const TOLD_WITHIN: Duration = Duration::from_secs(150);

type Encrypted = Scene<Person<'static>>;

/// Says something that the bot cannot read until `share`.
fn say_withheld(scene: &mut Encrypted, body: &str) -> String {
    scene.ann.say_withheld(&scene.room, body)
}

/// How many events of a type the log of a bot has that does not run.
fn count(bot: &Bot, kind: &str) -> usize {
    let log = bot.run_expecting(0, &["log", "tail", "-n", "1000", "--json"]);
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["type"] == kind).count()
}

fn all_answers(scene: &mut Encrypted) -> Vec<u32> {
    let bot = scene.bot.account.id.clone();
    scene.ann.until(&scene.room, "the answers", |events| Some(answers(events, &bot)))
}

#[test]
fn a_command_is_run_once_when_its_keys_come_late() {
    let mut scene = Scene::encrypted(|_| {});
    // With two people in the room not everything is for the bot.
    let ben = Lab::shared().plain("ben");
    scene.ann.plain.invite(&scene.room, &ben.id);
    ben.join(&scene.room);
    scene.bot_is_well(1);
    say_withheld(&mut scene, "good morning");
    say_withheld(&mut scene, "!echo 2");
    // What was said before this has been looked at before this is answered.
    scene.bot_is_well(3);
    assert_eq!(all_answers(&mut scene), [1, 3], "nobody can read it yet");
    scene.ann.share();
    scene.bot_says(&answer(2));

    scene.bot.kill9();
    scene.bot.start();
    scene.bot_is_well(4);
    assert_eq!(all_answers(&mut scene), [1, 3, 2, 4]);
    scene.bot.stop();
    assert_eq!(
        count(&scene.bot, "event_decrypted"),
        2,
        "the talk was read as well, and is nothing"
    );
    assert_eq!(count(&scene.bot, "trigger_recorded"), 6, "four commands, two posts without keys");
    scene.bot.run_expecting(0, &["log", "verify"]);
}

#[test]
fn keys_that_come_while_the_bot_is_down_are_not_missed() {
    let mut scene = Scene::encrypted(|_| {});
    scene.bot_is_well(1);
    say_withheld(&mut scene, "!echo 2");
    scene.bot_is_well(3);
    scene.bot.kill9();
    say_withheld(&mut scene, "!echo 4");
    scene.ann.share();
    scene.bot.start();
    scene.bot_says(&answer(2));
    scene.bot_says(&answer(4));
    scene.bot_is_well(5);
    assert_eq!(all_answers(&mut scene).len(), 5, "each once");
}

#[test]
fn a_room_is_told_of_keys_that_are_withheld() {
    let mut scene = Scene::encrypted(|_| {});
    scene.bot_is_well(1);
    let bot = scene.bot.account.id.clone();
    say_withheld(&mut scene, "!echo 2");
    scene.ann.refuse(&bot, "m.unverified");
    say_withheld(&mut scene, "!echo 3");
    scene.bot_is_well(4);
    scene.bot.kill9();
    scene.bot.start();
    let told = scene.ann.until_within(&scene.room, "the notice", TOLD_WITHIN, |events| {
        let of_bot = events.iter().filter(|event| event.is_message() && event.sender == bot);
        of_bot.map(|event| event.body().to_owned()).find(|body| body.contains("cannot read"))
    });
    assert!(told.starts_with("I cannot read 2 messages here"), "{told}");
    assert!(told.contains("not signed by their owner: see `beadle doctor`"), "{told}");
    scene.ann.share();
    scene.bot_says(&answer(3));
    assert_eq!(all_answers(&mut scene), [1, 4, 3]);
}
