//! A bot that answers every answer at once is not answered for ever; people in the same room are.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::invites::managed;
use super::scene::{answer, answers};
use crate::lab::{Bot, Chat, Lab, Plain, Room};

/// On a busy machine a parrot may be slow, and counts as a person until it is quick for long enough.
const ROUNDS_MAX: u32 = 60;

#[test]
fn a_bot_that_answers_every_answer_is_stopped() {
    let lab = Lab::shared();
    let (mut ann, mut parrot) = (lab.plain("ann"), lab.plain("parrot"));
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    let boss = managed(&mut ann, &mut bot);
    let (bot_id, parrot_id) = (bot.account.id.clone(), parrot.id.clone());
    let ops =
        ann.create_room(&Room { name: "ops", invite: &[&bot_id, &parrot.id], ..Room::default() });
    parrot.join(&ops);
    ann.sees_join(&ops, &bot_id);
    bot.stop();
    let file = bot.dir.join("beadle.toml");
    let config = fs::read_to_string(&file).expect("it is configured");
    let strict = config.replace("stop_rings = false", "stop_rings = true");
    assert_ne!(strict, config, "rings are to be stopped here");
    fs::write(&file, strict).expect("ours");
    bot.start();
    let stopped = AtomicBool::new(false);
    let rounds = thread::scope(|scope| {
        let parrot = scope.spawn(|| answers_always(&mut parrot, &ops, &bot_id, &stopped));
        let told = ann.hears(&boss, &bot_id, "I do not answer");
        stopped.store(true, Ordering::Relaxed);
        assert!(told.body().contains(&parrot_id), "{told:?}");
        parrot.join().expect("it ends")
    });
    assert!((2..ROUNDS_MAX).contains(&rounds), "{rounds} rounds");
    ann.say(&ops, "!echo 1000");
    ann.hears(&ops, &bot_id, &answer(1000));
    let said = ann.until(&ops, "all answers", |events| Some(answers(events, &bot_id)));
    assert_eq!(said.len(), rounds as usize + 1, "{said:?}");
}

/// Answers every answer with the next command, until it is told or has asked too often; returns how many answers it got.
fn answers_always(parrot: &mut Plain, room: &str, bot: &str, stopped: &AtomicBool) -> u32 {
    for round in 0..ROUNDS_MAX {
        parrot.say(room, &format!("!echo {round}"));
        let heard = parrot.until(room, "an answer or the end", |events| {
            let came = answers(events, bot).contains(&round);
            (came || stopped.load(Ordering::Relaxed)).then_some(came)
        });
        if !heard {
            return round;
        }
    }
    ROUNDS_MAX
}
