//! Two homeservers and what lies between them: a netsplit, a restart, a kill; all is answered, once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::scene::{ECHO, answer, answers};
use crate::lab::{Bot, Chat, Event, Pair, Plain, Room};

/// Commands of the far side that are cut off.
const MISSED: u32 = 49;
/// For all answers of one round; a homeserver on two busy cores takes some 10 messages a second.
const WITHIN: Duration = Duration::from_secs(120);

/// How often each number was answered.
fn counted(events: &[Event], bot: &str) -> BTreeMap<u32, u32> {
    let mut counted = BTreeMap::new();
    for number in answers(events, bot) {
        *counted.entry(number).or_default() += 1;
    }
    counted
}

/// Waits until all of `numbers` are answered, then until `last`, which is asked now, and checks that each was once.
fn answered_once(ann: &mut Plain, bot: &str, room: &str, numbers: &[u32], last: u32) {
    let all = |events: &[Event]| {
        let counted = counted(events, bot);
        numbers.iter().all(|number| counted.contains_key(number)).then_some(counted)
    };
    ann.until_within(room, &format!("answers to all of {numbers:?}"), WITHIN, all);
    ann.say(room, &format!("!echo {last}"));
    ann.hears(room, bot, &answer(last));
    let counted = ann.until(room, "the answers", all);
    let again: Vec<_> = counted.iter().filter(|(_, times)| **times != 1).collect();
    assert!(again.is_empty(), "answered more than once: {again:?}");
}

#[test]
fn what_a_netsplit_and_a_restart_hid_is_answered_once() {
    let pair = Pair::shared();
    let (mut ann, mut bob) = (pair.far.plain("ann"), pair.near.plain("bob"));
    let mut bot = Bot::new(&pair.near, pair.near.plain("beadle"));
    bot.script("echo.rhai", ECHO);
    bot.configure(&[&ann.id, &bob.id], &[]);
    bot.login(&bob.id);
    bot.start();
    let bot_id = bot.account.id.clone();
    let room =
        ann.create_room(&Room { name: "ops", invite: &[&bob.id, &bot_id], ..Room::default() });
    ann.sees_join(&room, &bot_id);
    bob.join(&room);
    ann.sees_join(&room, &bob.id);
    for (round, talk) in [0, 40, 200].into_iter().enumerate() {
        let first = 1000 * (u32::try_from(round).expect("three rounds") + 1);
        // Before the split everybody has heard of everybody.
        bob.say(&room, &format!("!echo {first}"));
        ann.hears(&room, &bot_id, &answer(first));
        pair.cut();
        for n in 1..=MISSED {
            ann.say(&room, &format!("!echo {}", first + n));
        }
        for n in 0..talk {
            bob.say(&room, &format!("talk {n}"));
        }
        // What was to be sent over is forgotten; only the last event is sent when the link is mended.
        pair.far.restart();
        pair.mend();
        let numbers: Vec<u32> = (first..=first + MISSED + 1).collect();
        ann.say(&room, &format!("!echo {}", first + MISSED + 1));
        answered_once(&mut bob, &bot_id, &room, &numbers, first + MISSED + 2);
        println!("{talk} events of talk: {MISSED} of {MISSED} missed commands answered once");
    }
    bot.stop();
    let log = bot.run_expecting(0, &["log", "tail", "-n", "4000"]);
    println!("{} gaps filled", log.matches("gap_filled").count());
    assert!(log.contains("gap_filled"), "there was no hole: this test tests nothing\n{log}");
    assert!(!log.contains("gap_abandoned"), "a hole was given up\n{log}");
}

#[test]
fn a_homeserver_that_is_killed_in_a_burst_costs_nothing() {
    const COMMANDS: u32 = 60;
    let pair = Pair::shared();
    let lab = &pair.near;
    let (mut ann, mut bot) = (lab.plain("ann"), Bot::new(lab, lab.plain("beadle")));
    bot.script("echo.rhai", ECHO);
    bot.configure(&[&ann.id], &[]);
    bot.login(&ann.id);
    bot.start();
    let bot_id = bot.account.id.clone();
    let room = ann.create_room(&Room { name: "ops", invite: &[&bot_id], ..Room::default() });
    ann.sees_join(&room, &bot_id);
    let sender = ann.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..COMMANDS).for_each(|n| sender.say_at_last(&room, &format!("!echo {n}")));
        });
        for kill in 1..=2 {
            let so_far = (COMMANDS / 3 * kill) as usize;
            ann.until_within(&room, "a part of the answers", WITHIN, |events| {
                (answers(events, &bot_id).len() >= so_far).then_some(())
            });
            lab.kill9();
            lab.run();
        }
    });
    let numbers: Vec<u32> = (0..COMMANDS).collect();
    answered_once(&mut ann, &bot_id, &room, &numbers, COMMANDS);
    bot.stop();
    bot.run_expecting(0, &["log", "verify"]);
}
