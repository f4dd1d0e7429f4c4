//! Edits and deletions of commands in real rooms.

use super::scene::{Scene, answer};
use crate::lab::{Chat, edit};

/// Waits for an answer, or for a time.
const WAITS: &str = r#"//! Waits.
alias("order {text}", |a| { if confirm(`Order ${a.text}?`) { reply(`ordered ${a.text}`); } });
alias("nap", || { sleep("1h"); reply("awake"); });
"#;

#[test]
fn an_edit_mends_what_was_not_understood_and_never_runs_anything_twice() {
    let mut scene = Scene::encrypted(|_| {});
    let said = scene.say("!ehco 1");
    scene.bot_answers(&said, "Did you mean");
    scene.ann.post(&scene.room, edit(&said, "!echo 1"));
    scene.bot_says(&answer(1));
    scene.ann.post(&scene.room, edit(&said, "!echo 2"));
    scene.bot_says("say it anew");
    scene.bot.stop();
    scene.bot.start();
    scene.bot_is_well(3);
    let events = scene.bot.events();
    let ran = events.iter().filter(|event| event["type"] == "execution_started").count();
    assert_eq!(ran, 2, "the mended command and the one that shows that the bot is well");
}

#[test]
fn a_deleted_command_is_cancelled_before_it_is_erased() {
    let mut scene = Scene::plain(|bot| bot.script("waits.rhai", WAITS));
    let plain = scene.ann.clone();
    for command in ["!order plum-jam", "!nap"] {
        let said = scene.say(command);
        scene.bot_answers(&said, if command == "!nap" { "On it" } else { "Order plum-jam?" });
        plain.redact(&scene.room, &said, "oops");
        scene.bot_answers(&said, "deleted its command");
    }
    scene.bot.records("events_erased", 2);
    scene.bot_is_well(1);
    let readable = |event: &serde_json::Value| event["payload"].to_string().contains("plum-jam");
    assert!(!scene.bot.events().iter().any(readable), "its text is in the log");
    let list = scene.bot.run_expecting(0, &["execution", "list", "--json"]);
    assert!(!list.contains("asking") && !list.contains("sleeping"), "{list}");
}
