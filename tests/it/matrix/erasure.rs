//! A message that is deleted in its room is erased from the log, and no secret ever came into it.

use std::fs;

use super::scene::{Scene, answer};
use crate::erasure_disk::stands_nowhere;
use crate::lab::{Bot, Chat, Plain};

/// Waits a long time for an answer.
const ASKS: &str = r#"//! Asks.
alias("order {text}", |a, msg| { if confirm(`Order ${a.text}?`) { reply(`ordered ${a.text}`); } });
"#;

/// The events of a log that are erased, and whether `text` can be read in any other.
fn looked_at(bot: &Bot, text: &str) -> (usize, bool) {
    let events = bot.events();
    let gone = events.iter().filter(|event| event["payload_state"] == "erased");
    let told = |event: &&serde_json::Value| {
        let told = event["erased"]["text"].as_str().unwrap_or_default();
        assert!(told.contains("deleted in its room: oops"), "{event}");
        true
    };
    let readable = events.iter().any(|event| event["payload"].to_string().contains(text));
    (gone.filter(told).count(), readable)
}

/// Says something that waits, deletes it, and looks that the log forgets it and the bot goes on.
fn deletes<C: Chat>(scene: &mut Scene<C>, plain: &Plain) {
    scene.bot_is_well(1);
    let said = scene.say("!order plum-marmalade");
    scene.bot_says("Order plum-marmalade?");
    assert!(looked_at(&scene.bot, "plum-marmalade").1, "it is recorded");
    plain.redact(&scene.room, &said, "oops");
    scene.bot.records("events_erased", 1);
    let (gone, readable) = looked_at(&scene.bot, "plum-marmalade");
    assert!(gone > 5 && !readable, "{gone} events are erased");
    let list = scene.bot.run_expecting(0, &["execution", "list", "--json"]);
    assert!(list.contains("\"status\":\"erased\""), "{list}");
    scene.bot_is_well(2);
    scene.bot.stop();
    let list = scene.bot.run_expecting(0, &["log", "verify"]);
    assert!(list.contains("0 findings"), "{list}");
    let said = scene.say("!order cherry-marmalade");
    plain.redact(&scene.room, &said, "oops");
    scene.bot.start();
    scene.bot_is_well(3);
    assert!(!looked_at(&scene.bot, "cherry-marmalade").1, "what the bot never read is nowhere");
}

#[test]
fn a_deleted_message_is_erased() {
    let mut scene = Scene::plain(|bot| bot.script("asks.rhai", ASKS));
    let plain = scene.ann.clone();
    deletes(&mut scene, &plain);
    scene.bot.stop();
    secrets_are_nowhere(&scene.bot);
}

#[test]
fn a_deleted_message_of_an_encrypted_room_is_erased() {
    let mut scene = Scene::encrypted(|bot| bot.script("asks.rhai", ASKS));
    let plain = scene.ann.plain.clone();
    deletes(&mut scene, &plain);
    scene.say("!echo 4");
    scene.bot_says(&answer(4));
    scene.bot.stop();
    secrets_are_nowhere(&scene.bot);
}

/// Neither the password nor what the login gave stands in the log, its event store, its keys or beside it.
fn secrets_are_nowhere(bot: &Bot) {
    let session = bot.session();
    let texts = ["access_token", "store_passphrase", "refresh_token"];
    let mut secrets: Vec<String> =
        texts.iter().filter_map(|name| session[*name].as_str().map(str::to_owned)).collect();
    assert!(secrets.len() >= 2, "there are secrets to look for");
    secrets.push(bot.account.password.clone());
    let key = fs::read_to_string(bot.dir.join("data/matrix/recovery-key"));
    secrets.extend(key.map(|key| key.trim().to_owned()));
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    for part in ["log", "store", "blobs"] {
        stands_nowhere(&bot.dir.join("data").join(part), &secrets);
    }
    let readable = bot.run_expecting(0, &["log", "export", "--format", "jsonl"]);
    for secret in secrets {
        assert!(!readable.contains(secret), "a secret can be read in the log");
    }
}
