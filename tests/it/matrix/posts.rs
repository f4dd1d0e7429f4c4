//! What scripts do with posts, as clients see it: one person is told alone, posts get emojis and are changed.

use std::time::Instant;

use super::scene::Scene;
use crate::lab::{Bot, Chat, Event, Lab, Plain, WAIT};

const POSTS: &str = r#"//! Posts in all their forms.
alias("whisper {who:user} {what:text}", |args, msg| { tell(args.who, args.what); react("👀"); });
alias("lunch", || {
    let post = say("lunch?");
    react(post, "🍜");
    edit(post, "lunch at noon");
});
"#;

/// Whether `sender` put this emoji on a post.
fn has_emoji(events: &[Event], sender: &str, post: &str, emoji: &str) -> bool {
    events.iter().any(|event| {
        let relation = &event.content["m.relates_to"];
        let fits = relation["event_id"] == post && relation["key"] == emoji;
        event.kind == "m.reaction" && event.sender == sender && fits
    })
}

/// Waits for the one room that the bot invites a person into.
fn invited(person: &Plain) -> String {
    let deadline = Instant::now() + WAIT;
    loop {
        if let [room] = &person.invitations()[..] {
            return room.clone();
        }
        assert!(Instant::now() < deadline, "nobody invites {}", person.id);
    }
}

fn lines(events: &[Event], sender: &str) -> Vec<String> {
    let said = events.iter().filter(|event| event.sender == sender && event.is_message());
    said.map(|event| event.body().to_owned()).collect()
}

fn with_posts(bot: &Bot) {
    bot.script("posts.rhai", POSTS);
}

#[test]
fn a_person_is_told_alone_in_one_encrypted_room() {
    let mut scene = Scene::plain(with_posts);
    let (bot, mut ben) = (scene.bot.account.id.clone(), Lab::shared().person("ben"));
    let first = scene.say(&format!("!whisper {} this is for you alone", ben.plain.id));
    let room = invited(&ben.plain);
    ben.plain.join(&room);
    let told = ben.hears(&room, &bot, "this is for you alone");
    assert!(told.decrypted, "the homeserver reads it, too: {told:?}");
    scene.say(&format!("!whisper {} and one thing more", ben.plain.id));
    ben.hears(&room, &bot, "and one thing more");
    assert_eq!(ben.plain.invitations(), Vec::<String>::new(), "a second room was made");
    let room = scene.room.clone();
    scene.ann.until(&room, "the emoji on the command", |events| {
        assert!(!lines(events, &bot).iter().any(|line| line.contains("for you alone")));
        has_emoji(events, &bot, &first, "👀").then_some(())
    });
}

#[test]
fn posts_get_emojis_and_are_changed() {
    let mut scene = Scene::encrypted(with_posts);
    let (bot, room) = (scene.bot.account.id.clone(), scene.room.clone());
    scene.say("!lunch");
    let edit = scene.bot_says("lunch at noon");
    let post = edit.edits().expect("it changes what was said").to_owned();
    scene.ann.until(&room, "the emoji on what the bot said", |events| {
        has_emoji(events, &bot, &post, "🍜").then_some(())
    });
    scene.ann.until(&room, "the post that was changed", |events| {
        let said = events.iter().find(|event| event.event_id == post)?;
        (said.body() == "lunch?" && said.decrypted).then_some(())
    });
}
