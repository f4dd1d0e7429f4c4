//! The bot with a nick of its own on IRC: what the bridge calls private mode.

use super::scene;
use crate::lab::IrcLab;

#[test]
fn a_bot_with_a_nick_of_its_own_answers_in_its_channel_and_alone() {
    let lab = IrcLab::shared();
    let ann = lab.lab.plain("ann");
    let (mut bot, mut erin) = (scene::bot(lab, &ann), lab.person("ErinPrivate"));
    erin.join("#private");
    let network = lab.connect(&mut bot.account, "opsbot");
    let room = lab.join(&mut bot.account, &network, "#private");
    erin.wait("opsbot!");
    erin.say("#private", "!create vm web001 on aws");
    let all = erin.hears_all("web001 is up");
    let [started, ended] = all.as_slice() else { panic!("an ack and a result: {all:#?}") };
    assert!(all.iter().all(|said| said.nick == "opsbot" && said.kind == "PRIVMSG"), "{all:?}");
    let id = started.text.strip_prefix("ErinPrivate: on it, execution ").expect(&started.text);
    assert_eq!(ended.text, format!("[{id}] web001 is up (vm-of-web001)"));
    // Its nick is a pill here, and only in the formatted text.
    erin.say("#private", "opsbot: ping");
    let answer = erin.hears("pong");
    assert_eq!((answer.to.as_str(), answer.text.as_str()), ("#private", "ErinPrivate: pong"));
    // The bridge is in the room, too: even alone a command begins as everywhere.
    erin.say("opsbot", "!ping");
    let answer = erin.hears("pong");
    assert_eq!((answer.to.as_str(), answer.text.as_str()), ("ErinPrivate", "ErinPrivate: pong"));
    let checked = bot.run_expecting(0, &["bridge", "check", &room]);
    assert!(checked.contains("heisenbridge was seen by @heisenbridge:"), "{checked}");
    assert!(
        checked.contains("Its network is irc: it shows text alone; at most 4 lines"),
        "{checked}"
    );
}
