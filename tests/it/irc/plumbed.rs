//! A command on IRC, in a channel that is plumbed into a room.

use super::scene::Scene;
use crate::lab::{Chat, Event};

#[test]
fn a_machine_is_created_from_irc() {
    let mut scene = Scene::plumbed("vms");
    scene.says("!create vm web001 on aws");
    let all = scene.hears_all("web001 is up");
    let texts: Vec<&str> = all.iter().map(|said| said.text.as_str()).collect();
    let [started, ended] = texts.as_slice() else {
        panic!("an ack, a result and nothing else: {all:#?}")
    };
    let id = started.strip_prefix("Erinvms: on it, execution ").expect(started);
    assert_eq!(*ended, format!("[{id}] web001 is up (vm-of-web001)"));
    assert!(all.iter().all(|said| said.kind == "PRIVMSG" && said.to == "#vms"), "{all:?}");
    // Nothing came behind it: the next thing that is said is the next answer.
    scene.says("beadle: ping");
    assert_eq!(scene.hears_all("pong").len(), 1);
    scene.says("opsbot, ping");
    assert_eq!(scene.hears_all("pong").len(), 1, "the bot has more than one name");
    let who = format!("@irc_lab_erinvms:{}", scene.lab.lab.server_name);
    let rows = scene.bot.events();
    let spoke = rows.iter().any(|row| row.to_string().contains(&who));
    assert!(spoke, "the log knows who said it: {rows:?}");
}

#[test]
fn what_is_recorded_as_said_is_what_irc_gets() {
    let mut scene = Scene::plumbed("same");
    scene.says("!say 20 times");
    let got = scene.hears_all("message 20 of 20");
    let got: Vec<String> = got.into_iter().map(|said| said.text).collect();
    let want: Vec<String> = (1..=20).map(|n| format!("message {n} of 20")).collect();
    assert_eq!(got, want, "in their order");
    let (room, bot) = (scene.room.clone(), scene.bot.account.id.clone());
    let of_bot = scene.ann.until(&room, "what the bot said", |events| {
        let of_bot: Vec<Event> =
            events.iter().filter(|it| it.sender == bot && it.is_message()).cloned().collect();
        (of_bot.len() >= 20).then_some(of_bot)
    });
    let said: Vec<&str> =
        of_bot.iter().map(Event::body).filter(|it| it.starts_with("message")).collect();
    assert_eq!(said, got);
    let shaped =
        |it: &Event| it.content["msgtype"] == "m.text" && it.content["formatted_body"].is_null();
    assert!(of_bot.iter().filter(|it| it.body().starts_with("message")).all(shaped), "{of_bot:#?}");
    assert_eq!(
        scene.bot.events().iter().filter(|row| row["type"] == "message_sent").count(),
        20 + 1
    );
}
