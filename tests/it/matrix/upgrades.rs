//! Rooms that are replaced: the bot follows, and what the configuration says of the old room holds in the new one.

use serde_json::json;

use super::scene::ECHO;
use crate::lab::{Bot, Chat, Lab, Room};

/// An action, which may run in listed rooms only.
const TOUCH: &str = r#"//! Runs an action.
action("touch", #{ run: ["./touch.sh"], output: "text", effect: "read" });
alias("touch {n}", |a, msg| reply(`done-${a.n}-${exec("touch")}`));
"#;

fn a_bot(lab: &'static Lab) -> Bot<'static> {
    let bot = Bot::new(lab, lab.plain("beadle"));
    bot.script("echo.rhai", ECHO);
    bot.script("touch.rhai", TOUCH);
    bot.executable("touch.sh", "#!/bin/sh\necho touched\n");
    bot
}

#[test]
fn the_bot_follows_upgrades_and_waits_for_invitations() {
    let lab = Lab::shared();
    let mut ann = lab.plain("ann");
    let mut bot = a_bot(lab);
    let bot_id = bot.account.id.clone();
    let invite = [bot_id.as_str()];
    let ops = Room { name: "ops", public: true, version: "10", invite: &invite, ..Room::default() };
    let first = ann.create_room(&ops);
    bot.configure(&[&ann.id], &[&first]);
    bot.login(&ann.id);
    bot.start();
    ann.sees_join(&first, &bot_id);
    ann.say(&first, "!touch 1");
    ann.hears(&first, &bot_id, "done-1-touched");

    let second = ann.upgrade(&first, "12");
    assert!(!second.contains(':'), "{second} is no room of version 12");
    ann.sees_join(&second, &bot_id);
    ann.hears(&second, &bot_id, "This room replaces ops");
    bot.records("room_followed", 1);
    ann.say(&second, "!touch 2");
    ann.hears(&second, &bot_id, "done-2-touched");

    // From now on nobody's invitation counts but one into the room that is waited for.
    bot.stop();
    bot.configure(&[], &[&first]);
    bot.start();
    ann.set_state(&second, "m.room.join_rules", &json!({ "join_rule": "invite" }));
    let third = ann.upgrade(&second, "12");
    bot.records("room_upgraded", 2);
    ann.invite(&third, &bot_id);
    ann.sees_join(&third, &bot_id);
    ann.hears(&third, &bot_id, "This room replaces ops");
    ann.say(&third, "!touch 3");
    ann.hears(&third, &bot_id, "done-3-touched");

    // What is recorded counts: after a start nothing is said again, and all still holds.
    bot.kill9();
    bot.start();
    ann.say(&third, "!touch 4");
    ann.hears(&third, &bot_id, "done-4-touched");
    let told = ann.until(&third, "what was said", |events| {
        Some(events.iter().filter(|event| event.body().contains("This room replaces")).count())
    });
    assert_eq!(told, 1);
    bot.records("room_upgraded", 3);
}

#[test]
fn a_tombstone_that_points_at_some_room_makes_nothing_of_it() {
    let lab = Lab::shared();
    let mut ann = lab.plain("ann");
    let mut bot = a_bot(lab);
    let bot_id = bot.account.id.clone();
    let invite = [bot_id.as_str()];
    let room = ann.create_room(&Room { name: "ops", invite: &invite, ..Room::default() });
    let trap = ann.create_room(&Room { name: "trap", public: true, ..Room::default() });
    bot.configure(&[&ann.id], &[&room]);
    bot.login(&ann.id);
    bot.start();
    ann.sees_join(&room, &bot_id);
    ann.set_state(&room, "m.room.tombstone", &json!({ "body": "", "replacement_room": trap }));
    ann.until(&trap, "the bot leaving again", |events| {
        let left = events
            .iter()
            .any(|event| event.sender == bot_id && event.content["membership"] == "leave");
        left.then_some(())
    });
    bot.records("room_upgraded", 1);
    ann.invite(&trap, &bot_id);
    ann.until(&trap, "the bot coming back as a guest", |events| {
        let joins = events
            .iter()
            .filter(|event| event.sender == bot_id && event.content["membership"] == "join");
        (joins.count() == 2).then_some(())
    });
    ann.say(&trap, "!touch 1");
    ann.hears(&trap, &bot_id, "policy `exec-rooms` forbids it");
}
