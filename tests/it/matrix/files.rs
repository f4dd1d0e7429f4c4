//! Texts that are too long for a message come as files.

use super::scene::Scene;
use crate::lab::{Chat, Event, Lab, in_thread};

/// Much longer than a message; it says where it ends.
const LONG: &str = r#"//! Says much.
alias("long {lines:int}", |a, msg| {
    let text = "begin";
    for n in 0..a.lines { text += "\n" + `line ${n} of a text that is longer than any message may be`; }
    reply(text + "\nend");
});
"#;

/// What `!long` says.
fn text(lines: u32) -> String {
    let line = |n| format!("\nline {n} of a text that is longer than any message may be");
    format!("begin{}\nend", (0..lines).map(line).collect::<String>())
}

/// Asks for a long text in a thread, and waits for its file.
fn file<C: Chat>(scene: &mut Scene<C>, lines: u32) -> Event {
    let root = scene.say("a thread of much text");
    scene.ann.post(&scene.room, in_thread(&root, &format!("!long {lines}")));
    let file = scene.bot_says("in the file");
    assert_eq!(file.content["msgtype"], "m.file", "{file:?}");
    assert_eq!(file.content["filename"], "message.txt", "{file:?}");
    assert_eq!(file.thread(), Some(root.as_str()), "it stands where the message would stand");
    assert_eq!(
        file.content["m.mentions"]["user_ids"].as_array().map(Vec::len),
        Some(1),
        "{file:?}"
    );
    assert!(file.content["dev.beadle.key"].is_string(), "{file:?}");
    let body = file.body();
    assert!(body.contains("begin\nline 0") && body.len() < 2_000, "{body}");
    file
}

#[test]
fn a_long_text_is_a_file() {
    let mut scene = Scene::plain(|bot| bot.script("long.rhai", LONG));
    let file = file(&mut scene, 800);
    let address = file.content["url"].as_str().expect("an address");
    let got = String::from_utf8(scene.ann.download(address)).expect("a text");
    assert!(got.ends_with(&text(800)), "{} bytes", got.len());
    scene.bot_is_well(1);
}

#[test]
fn a_long_text_is_an_encrypted_file_in_an_encrypted_room() {
    let mut scene = Scene::encrypted(|bot| bot.script("long.rhai", LONG));
    let file = file(&mut scene, 800);
    assert!(file.decrypted && file.content["url"].is_null(), "{file:?}");
    let address = file.content["file"]["url"].as_str().expect("an address").to_owned();
    let hidden = scene.ann.plain.download(&address);
    assert!(!String::from_utf8_lossy(&hidden).contains("line 0"), "the file is not encrypted");
    let got = scene.ann.download(&file.content["file"]);
    assert!(got.ends_with(&text(800)), "{} bytes", got.len());
    scene.bot_is_well(1);
}

#[test]
fn a_file_is_as_large_as_the_homeserver_takes() {
    let mut scene = Scene::plain_in(Lab::strict(), |bot| bot.script("long.rhai", LONG));
    scene.say("!long 800");
    let file = scene.bot_says("the homeserver takes no larger one");
    let address = file.content["url"].as_str().expect("an address");
    let got = scene.ann.download(address);
    assert_eq!(got.len(), 20 * 1024);
}
