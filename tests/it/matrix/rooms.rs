//! The rooms that the bot is in: how it leaves them, and who is told.

use super::invites::managed;
use super::scene::answer;
use crate::lab::{Bot, Chat, Lab, Plain, Room};

/// A room of ann's with the bot in it.
fn room_with(ann: &mut Plain, bot: &Bot, name: &str) -> String {
    let invite = [bot.account.id.as_str()];
    let room = ann.create_room(&Room { name, invite: &invite, ..Room::default() });
    ann.sees_join(&room, &bot.account.id);
    room
}

/// How often the bot said something in a room.
fn times(ann: &mut Plain, room: &str, part: &str) -> usize {
    ann.until(room, "what was said", |events| {
        Some(events.iter().filter(|event| event.body().contains(part)).count())
    })
}

#[test]
fn where_nobody_else_is_the_bot_leaves() {
    let lab = Lab::shared();
    let (mut ann, ben) = (lab.plain("ann"), lab.plain("ben"));
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    let boss = managed(&mut ann, &mut bot);
    bot.stop();
    bot.configure_more("rooms", "leave_alone_after = \"2s\"");
    bot.start();
    let [awaited, shared, deserted] =
        ["awaited", "shared", "deserted"].map(|name| room_with(&mut ann, &bot, name));
    ann.invite(&awaited, &ben.id);
    ann.leave(&awaited);
    ann.leave(&deserted);
    ann.hears(&boss, &bot.account.id, &format!("I left deserted ({deserted})"));
    let rooms = bot.account.rooms();
    for (name, room, stays) in [
        ("awaited", &awaited, true),
        ("shared", &shared, true),
        ("boss", &boss, true),
        ("deserted", &deserted, false),
    ] {
        assert_eq!(rooms.contains(room), stays, "{name}");
    }
    ben.join(&awaited);
    bot.stop();
    bot.start();
    ann.say(&shared, "!echo 1");
    ann.hears(&shared, &bot.account.id, &answer(1));
    assert_eq!(times(&mut ann, &boss, "I left"), 1, "it is told once");
    let events = bot.events();
    let left: Vec<_> = events.iter().filter(|event| event["type"] == "room_left").collect();
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["payload"]["reason"], "alone");
}

#[test]
fn who_removes_the_bot_is_told_to_its_owner() {
    let lab = Lab::shared();
    let mut ann = lab.plain("ann");
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    let boss = managed(&mut ann, &mut bot);
    let (loud, bad, offline) = (
        room_with(&mut ann, &bot, "loud"),
        room_with(&mut ann, &bot, "bad"),
        room_with(&mut ann, &bot, "offline"),
    );
    let (bot_id, ann_id) = (bot.account.id.clone(), ann.id.clone());
    ann.remove(&loud, "kick", &bot_id, "too loud");
    let told = format!("I was removed from loud ({loud}) by {ann_id}: “too loud”");
    ann.hears(&boss, &bot_id, &told);
    ann.remove(&bad, "ban", &bot_id, "");
    ann.hears(&boss, &bot_id, &format!("I was banned from bad ({bad}) by {ann_id}"));
    bot.kill9();
    ann.say(&offline, "!echo 7");
    ann.remove(&offline, "kick", &bot_id, "");
    bot.start();
    ann.hears(&boss, &bot_id, &format!("I was removed from offline ({offline})"));
    // What was said before is taken in all the same; that the answer finds no room is told.
    ann.hears(&boss, &bot_id, "I could not say something in offline");

    ann.invite(&loud, &bot_id);
    ann.until(&loud, "the bot coming back", |events| {
        let says = |event: &&crate::lab::Event| event.body().contains("Hello, I am");
        (events.iter().filter(says).count() == 2).then_some(())
    });
    ann.say(&loud, "!echo 1");
    ann.hears(&loud, &bot_id, &answer(1));
    assert_eq!(times(&mut ann, &boss, "I was removed"), 2, "each is told once");
    assert_eq!(times(&mut ann, &boss, "I was banned"), 1);
}

#[test]
fn rooms_are_listed_joined_and_left_on_command() {
    let lab = Lab::shared();
    let (mut ann, mut eve) = (lab.plain("ann"), lab.plain("eve"));
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    let boss = managed(&mut ann, &mut bot);
    let bot_id = bot.account.id.clone();
    let ops = room_with(&mut ann, &bot, "ops");
    let dev = eve.create_room(&Room { name: "dev", ..Room::default() });
    let alias = eve.publish(&dev, "dev");

    let listing = |ann: &mut Plain, rooms: usize| {
        let asked = ann.say(&boss, "!rooms");
        answer_to(ann, &bot_id, &boss, &asked, &format!("I am in {rooms} rooms:"))
    };
    let listed = listing(&mut ann, 3);
    let line = format!("• ops ({ops}): not encrypted, 2 members, matrix; {} invited me", ann.id);
    assert!(listed.contains(&line), "{listed}");
    assert!(listed.contains(&format!("• boss ({boss})")), "{listed}");

    for command in ["!rooms", "!join #dev:hs"] {
        let asked = ann.say(&ops, command);
        let refused = answer_to(&mut ann, &bot_id, &ops, &asked, "is for the management room");
        assert!(!refused.contains("boss"), "{refused}");
    }

    ann.say(&boss, &format!("!join {alias}"));
    eve.sees_join(&dev, &bot_id);
    ann.hears(&boss, &bot_id, &format!("I am in {alias} ({dev})"));
    eve.say(&dev, "!echo 1");
    eve.hears(&dev, &bot_id, &answer(1));
    assert!(listing(&mut ann, 4).contains(&format!("{} told me to come", ann.id)));
    ann.say(&boss, "!join #nowhere:localhost");
    ann.hears(&boss, &bot_id, "I cannot join #nowhere:localhost: ");

    eve.say(&dev, "!leave");
    eve.hears(
        &dev,
        &bot_id,
        "I leave a room only when somebody says so who is in my management room",
    );
    bot.kill9();
    ann.say(&boss, &format!("!leave {alias}"));
    bot.start();
    ann.hears(&boss, &bot_id, &format!("I left dev ({dev})"));
    ann.say(&ops, "!leave");
    ann.hears(&boss, &bot_id, &format!("I left ops ({ops}), as {} asked there", ann.id));
    assert_eq!(eve.membership(&dev, &bot_id).as_deref(), Some("leave"));
    assert_eq!(ann.membership(&ops, &bot_id).as_deref(), Some("leave"));
    assert!(
        !listing(&mut ann, 2).contains("ops"),
        "the room that `beadle login` made and boss are left"
    );
    let reasons: Vec<_> = bot.events().into_iter().filter(|e| e["type"] == "room_left").collect();
    assert!(reasons.iter().all(|event| event["payload"]["reason"] == "asked"), "{reasons:#?}");
    assert_eq!(reasons.len(), 2);
}

/// What the bot says after an event that contains `part`.
fn answer_to(ann: &mut Plain, bot: &str, room: &str, after: &str, part: &str) -> String {
    ann.until(room, &format!("`{part}`"), |events| {
        let asked = events.iter().position(|event| event.event_id == after)?;
        let said = events[asked..].iter().filter(|event| event.sender == bot);
        said.map(crate::lab::Event::latest_body).find(|body| body.contains(part)).map(str::to_owned)
    })
}
