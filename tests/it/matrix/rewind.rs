//! The log's position goes back while the SDK's store stays ahead, in an encrypted room: nothing is lost, nothing said twice.

use std::path::Path;

use beadle::app::open_log;
use beadle::domain::event::{Event, NewEvent, SyncAdvanced};
use beadle::domain::id::{StreamName, Version};
use beadle::store::{Direction, EventStore, Expected, Write};

use super::scene::{Scene, answers};
use crate::lab::Chat;

/// How many recorded positions the log goes back.
const BACK: usize = 20;
/// Commands before it goes back, and while the bot is down.
const BEFORE: u32 = 25;
const MEANWHILE: u32 = 10;

/// Records an earlier position of the log of a stopped bot once more.
fn rewind(data: &Path) {
    let (store, _) = open_log(data).expect("the bot is stopped");
    let stream = StreamName::sync();
    let last = store.read(&stream, Version::END, Direction::Backward, BACK + 1);
    let earlier = last.expect("the log reads").pop().expect("there are positions");
    let token = match earlier.event() {
        Some(Event::SyncAdvanced(position)) => position.token.clone(),
        other => panic!("another event: {other:?}"),
    };
    let events = vec![NewEvent::bare(SyncAdvanced { token })];
    let write = Write { stream, expected: Expected::Any, key: None, events };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.append(vec![write])).expect("the log works");
    store.close();
}

#[test]
fn a_position_that_goes_back_loses_and_repeats_nothing() {
    let mut scene = Scene::encrypted(|_| {});
    for n in 0..BEFORE {
        scene.bot_is_well(n);
    }
    scene.bot.stop();
    for n in BEFORE..BEFORE + MEANWHILE {
        scene.say(&format!("!echo {n}"));
    }
    rewind(&scene.bot.dir.join("data"));
    scene.bot.start();
    let last = BEFORE + MEANWHILE;
    // What would be said twice has been said before the answer to this.
    scene.bot_is_well(last);
    let bot = scene.bot.account.id.clone();
    let got = scene.ann.until(&scene.room, "the answers", |events| Some(answers(events, &bot)));
    assert_eq!(got, (0..=last).collect::<Vec<u32>>());
}
