//! Pictures and files that scripts attach arrive, can be fetched, and are what they say.

use super::scene::Scene;
use crate::lab::{Chat, Event, in_thread};

const PICTURES: &str = r#"//! Shows pictures.
alias("load", |a, msg| reply("the load today", #{ attach: plot(#{ title: "Load", lines: [#{ name: "web1", values: [1, 4, 2, 8] }] }) }));
alias("list", || reply("all hosts", #{ attach: file("hosts.csv", "name,size\nweb1,3\n") }));
"#;

/// Asks in a thread, and waits for what comes.
fn shown<C: Chat>(scene: &mut Scene<C>, command: &str, words: &str) -> Event {
    let root = scene.say("a thread of pictures");
    scene.ann.post(&scene.room, in_thread(&root, command));
    let shown = scene.bot_says(words);
    assert_eq!(shown.thread(), Some(root.as_str()), "it stands where the message would stand");
    assert!(shown.content["dev.beadle.key"].is_string(), "{shown:?}");
    shown
}

fn is_picture(shown: &Event) {
    let content = &shown.content;
    assert_eq!(content["msgtype"], "m.image", "{shown:?}");
    assert_eq!(
        (&content["filename"], content["body"].as_str()),
        (&"load.png".into(), Some("the load today"))
    );
    let info = &content["info"];
    assert_eq!((&info["w"], &info["h"]), (&640.into(), &320.into()), "{info}");
    assert_eq!(info["mimetype"], "image/png", "{info}");
}

#[test]
fn a_picture_arrives_and_has_its_size() {
    let mut scene = Scene::plain(|bot| bot.script("pictures.rhai", PICTURES));
    let picture = shown(&mut scene, "!load", "the load today");
    is_picture(&picture);
    let address = picture.content["url"].as_str().expect("an address");
    let bytes = scene.ann.download(address);
    assert_eq!(picture.content["info"]["size"], bytes.len());
    let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().expect("a PNG file");
    assert_eq!((reader.info().width, reader.info().height), (640, 320));
    let file = shown(&mut scene, "!list", "all hosts");
    assert_eq!(file.content["msgtype"], "m.file", "{file:?}");
    assert_eq!(file.content["filename"], "hosts.csv", "{file:?}");
    let address = file.content["url"].as_str().expect("an address");
    assert_eq!(scene.ann.download(address), b"name,size\nweb1,3\n");
    scene.bot_is_well(1);
}

#[test]
fn a_picture_is_encrypted_in_an_encrypted_room() {
    let mut scene = Scene::encrypted(|bot| bot.script("pictures.rhai", PICTURES));
    let picture = shown(&mut scene, "!load", "the load today");
    is_picture(&picture);
    assert!(picture.decrypted && picture.content["url"].is_null(), "{picture:?}");
    let address = picture.content["file"]["url"].as_str().expect("an address").to_owned();
    let hidden = scene.ann.plain.download(&address);
    assert!(!hidden.starts_with(b"\x89PNG"), "the picture is not encrypted");
    let file = shown(&mut scene, "!list", "all hosts");
    let got = scene.ann.download(&file.content["file"]);
    assert_eq!(got, "name,size\nweb1,3\n");
    scene.bot_is_well(1);
}
