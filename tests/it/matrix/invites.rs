//! Whose invitations the bot accepts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

use super::scene::{ECHO, answer};
use crate::lab::{Bot, Chat, Event, Lab, Plain, Room};

#[test]
fn only_those_on_the_list_can_invite_the_bot() {
    let lab = Lab::shared();
    let (mut ann, mut mallory, mut bot) =
        (lab.plain("ann"), lab.plain("mallory"), Bot::new(lab, lab.plain("beadle")));
    bot.script("echo.rhai", ECHO);
    bot.configure(&[&ann.id], &[]);
    bot.login(&ann.id);
    assert!(!ann.invitations().is_empty(), "the owner is not invited into the management room");
    bot.start();
    let invite = [bot.account.id.as_str()];
    let trap = mallory.create_room(&Room { name: "trap", invite: &invite, ..Room::default() });
    let ops = ann.create_room(&Room { name: "ops", invite: &invite, ..Room::default() });
    ann.sees_join(&ops, &bot.account.id);
    ann.say(&ops, "!echo 1");
    ann.hears(&ops, &bot.account.id, &answer(1));
    let membership = mallory.membership(&trap, &bot.account.id);
    assert!(matches!(membership.as_deref(), Some("invite" | "leave")), "{membership:?}");

    // The SDK leaves a room together with those that it replaces, and this one says that of ops.
    let forged = mallory.forge_successor(&ops, &bot.account.id);
    mallory.until(&forged, "the bot declining", |events| {
        let declines = |event: &&Event| {
            event.sender == bot.account.id && event.content["membership"] == "leave"
        };
        events.iter().find(declines).map(|_| ())
    });
    ann.say(&ops, "!echo 2");
    ann.hears(&ops, &bot.account.id, &answer(2));
}

/// How many strangers' invitations a flood has; `make torture` has many more.
fn flood_size() -> usize {
    if std::env::var_os("BEADLE_TORTURE").is_some() { 500 } else { 60 }
}

/// Most refusals that are recorded one by one in an hour.
const SINGLY: usize = 20;

#[test]
fn a_flood_of_invitations_makes_few_records_and_holds_up_nobody() {
    let lab = Lab::shared();
    let (mut ann, mut bot) = (lab.plain("ann"), Bot::new(lab, lab.plain("beadle")));
    let boss = managed(&mut ann, &mut bot);
    let strangers: Vec<_> = (0..3).map(|_| lab.plain("mallory")).collect();
    let (size, came) = (flood_size(), AtomicUsize::new(0));
    let bot_id = bot.account.id.clone();
    let (half, reached) = mpsc::channel();
    std::thread::scope(|scope| {
        for stranger in &strangers {
            let (bot_id, came, half) = (&bot_id, &came, half.clone());
            scope.spawn(move || {
                while came.fetch_add(1, Ordering::Relaxed) < size {
                    let room = Room { name: "trap", invite: &[bot_id], ..Room::default() };
                    stranger.create_room(&room);
                    if came.load(Ordering::Relaxed) > size / 2 {
                        let _ = half.send(());
                    }
                }
            });
        }
        reached.recv().expect("half of them come");
        let began = Instant::now();
        let ops = ann.create_room(&Room { name: "ops", invite: &[&bot_id], ..Room::default() });
        ann.sees_join(&ops, &bot_id);
        println!("joined in the flood after {:?}", began.elapsed());
        let began = Instant::now();
        ann.say(&ops, "!echo 1");
        ann.hears(&ops, &bot_id, &answer(1));
        println!("answered in the flood after {:?}", began.elapsed());
        assert!(came.load(Ordering::Relaxed) <= size + 3, "the flood was over by then");
    });
    ann.hears(&boss, &bot_id, "A flood of invitations");
    let told = ann.until(&boss, "the notices", |events| {
        Some(events.iter().filter(|event| event.body().contains("flood")).count())
    });
    assert_eq!(told, 1, "the owner is told once");
    bot.stop();
    let events = bot.events();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    let refused = |event: &&Value| event["payload"]["accepted"] == false;
    assert_eq!(events.iter().filter(refused).count(), SINGLY);
    assert_eq!(of("invites_declined"), 1);
    println!("{size} invitations, {} events in all", events.len());
    assert!(events.len() < 100, "{} events", events.len());
}

/// Starts a bot that ann owns, with a management room that is not encrypted; only ann may invite it.
pub fn managed(ann: &mut Plain, bot: &mut Bot) -> String {
    let boss = ann.create_room(&Room { name: "boss", ..Room::default() });
    bot.script("echo.rhai", ECHO);
    bot.configure(&[&ann.id], &[]);
    bot.configure_more("matrix", &format!("management_room = {boss:?}"));
    bot.login(&ann.id);
    bot.start();
    ann.invite(&boss, &bot.account.id);
    ann.sees_join(&boss, &bot.account.id);
    boss
}

#[test]
fn the_bot_introduces_itself_once() {
    let lab = Lab::shared();
    let (mut ann, mut bot) = (lab.plain("ann"), Bot::new(lab, lab.plain("beadle")));
    let boss = managed(&mut ann, &mut bot);
    let bot_id = bot.account.id.clone();
    let rooms = ["one", "two"].map(|name| {
        let room = ann.create_room(&Room { name, invite: &[&bot_id], ..Room::default() });
        ann.sees_join(&room, &bot_id);
        // Whatever it has recorded and said by then, it does the rest after the start and nothing again.
        bot.kill9();
        bot.start();
        ann.hears(&room, &bot_id, "Say !help to see what I can do");
        room
    });
    bot.stop();
    bot.start();
    for (room, intros) in [(&rooms[0], 1), (&rooms[1], 1), (&boss, 0)] {
        ann.say(room, "!echo 1");
        ann.hears(room, &bot_id, &answer(1));
        let said = ann.until(room, "the introductions", |events| {
            Some(events.iter().filter(|event| event.body().contains("Hello, I am")).count())
        });
        assert_eq!(said, intros, "{room}");
    }
    let accepted = bot.events().iter().filter(|e| e["payload"]["accepted"] == true).count();
    assert_eq!(accepted, 3, "each invitation is recorded once");
}
