//! A homeserver that takes few messages: all are said, in order, and no room starves another.

use std::fs;

use serde_json::Value;

use super::scene::{Scene, answer, answers};
use crate::lab::{Chat, Lab, Room};

#[test]
fn rooms_take_turns_under_a_rate_limit() {
    let mut scene = Scene::plain_in(Lab::strict(), |_| {});
    let bot = scene.bot.account.id.clone();
    let quiet = scene.ann.create_room(&Room { name: "quiet", invite: &[&bot], ..Room::default() });
    scene.ann.sees_join(&quiet, &bot);
    let count = 20;
    for n in 0..count {
        scene.say(&format!("!echo {n}"));
    }
    scene.ann.say(&quiet, "!echo 100");
    scene.ann.hears(&quiet, &bot, &answer(100));
    let loud = scene.ann.until(&scene.room, "the room", |events| Some(answers(events, &bot)));
    assert!(loud.len() < 18, "the quiet room waited for {} messages of the loud one", loud.len());
    scene.bot_says(&answer(count - 1));
    let loud = scene.ann.until(&scene.room, "the room", |events| Some(answers(events, &bot)));
    assert_eq!(loud, (0..count).collect::<Vec<_>>());
    let kept = fs::read(scene.bot.dir.join("data/matrix/limits.json")).expect("limits are noted");
    let kept: Value = serde_json::from_slice(&kept).expect("it is JSON");
    assert!(kept["limited"].as_u64().is_some_and(|count| count > 0), "{kept}");
    assert!(kept["last_ms"].as_i64().is_some_and(|last| last > 0), "{kept}");
}
