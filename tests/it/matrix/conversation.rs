//! Conversations with the bot in rooms as people have them.

use super::scene::{Scene, answer, answers};
use crate::lab::{Chat, Event, Room, edit, in_thread, notice, reply, text};

const VM: &str = r#"//! Virtual machines.
action("cloud.create_vm", #{
    run: ["./create_vm.py"],
    params: #{ hostname: "string", provider: ["aws", "rackspace"] },
    output: "json",
    timeout: "30s",
});
alias("create vm {hostname} on {provider: aws | rackspace}", #{ help: "Create a virtual machine" }, |vm, msg| {
    let status = progress(`on it, execution ${execution()}`);
    let made = exec("cloud.create_vm", #{ hostname: vm.hostname, provider: vm.provider });
    status.update(`${made.id} is booting`, 40);
    status.done(`${vm.hostname} is up`);
    reply(`hey ${msg.user.name}, your vm is ready: ${vm.hostname} (${made.id})`);
});
"#;

const CREATE_VM: &str = r#"#!/usr/bin/env python3
import json, sys
asked = json.load(sys.stdin)
json.dump({"id": "vm-of-" + asked["hostname"], "on": asked["provider"]}, sys.stdout)
"#;

#[test]
fn a_machine_is_created_in_an_encrypted_room() {
    let mut scene = Scene::encrypted(|bot| {
        bot.script("vm.rhai", VM);
        bot.executable("create_vm.py", CREATE_VM);
    });
    scene.say("!create vm web001 on aws");
    let acknowledged = scene.bot_says("on it, execution ");
    let id = acknowledged.body().split_once("execution ").expect("it says so").1;
    let id: String = id.chars().take_while(char::is_ascii_alphanumeric).collect();
    assert!(id.len() >= 8, "no execution id in {:?}", acknowledged.body());
    scene.bot_says("hey ann, your vm is ready: web001 (vm-of-web001)");
    let done = scene.bot_says("web001 is up");
    assert_eq!(
        done.edits(),
        Some(acknowledged.event_id.as_str()),
        "progress is an edit of the first message"
    );

    let root = scene.say("a thread about machines");
    scene.ann.post(&scene.room, in_thread(&root, "!create vm web002 on rackspace"));
    scene.bot_says("your vm is ready: web002");
    scene.bot_says("web002 is up");
    let of_bot = everything_of_the_bot(&mut scene);
    assert!(of_bot.iter().all(|event| event.decrypted), "sent in the clear: {of_bot:#?}");
    assert!(
        of_bot.iter().all(|event| event.content["msgtype"] == "m.notice"),
        "not a notice: {of_bot:#?}"
    );
    assert!(
        of_bot.iter().all(|event| event.content["m.mentions"].is_object()),
        "without m.mentions: {of_bot:#?}"
    );
    let in_thread =
        |id: &str| of_bot.iter().any(|event| event.event_id == id && event.thread() == Some(&root));
    for event in of_bot.iter().filter(|event| event.latest_body().contains("web002")) {
        assert!(in_thread(event.edits().unwrap_or(&event.event_id)), "left the thread: {event:#?}");
    }

    scene.bot.stop();
    let listed = scene.bot.run_expecting(0, &["execution", "list", "--json"]);
    assert!(listed.contains(&id), "no execution {id} in {listed}");
    scene.bot.run_expecting(0, &["log", "verify"]);
}

fn everything_of_the_bot<C: Chat>(scene: &mut Scene<C>) -> Vec<Event> {
    let bot = scene.bot.account.id.clone();
    let of_bot = |event: &&Event| event.is_message() && event.sender == bot;
    scene.ann.until(&scene.room, "the messages", |events| {
        Some(events.iter().filter(of_bot).cloned().collect())
    })
}

#[test]
fn the_bot_hears_what_is_for_it_and_nothing_else() {
    let mut scene = Scene::plain(|bot| {
        bot.script(
            "say.rhai",
            "//! Says it.\nalias(\"say {words:text}\", |a, msg| reply(a.words));\n",
        );
    });
    let (bot, localpart) = (scene.bot.account.id.clone(), scene.bot.account.localpart.clone());
    let first = scene.say("!echo 1");
    scene.bot_says(&answer(1));
    scene.say("does echo 2 echo 2? beadle does");
    scene.ann.post(&scene.room, notice("!echo 3"));
    scene.say("!say !echo 4");
    scene.bot_says("!echo 4");
    scene.ann.post(&scene.room, edit(&first, "!echo 1"));
    scene.say(&format!("@{localpart}: echo 5"));
    scene.say("beadle: echo 6");
    let mut pill = text("beadle: echo 7");
    pill["format"] = "org.matrix.custom.html".into();
    pill["formatted_body"] =
        format!("<a href=\"https://matrix.to/#/{bot}\">beadle</a>: echo 7").into();
    pill["m.mentions"]["user_ids"] = vec![bot.as_str()].into();
    scene.ann.post(&scene.room, pill);
    scene.bot_is_well(8);
    assert_eq!(numbers(&mut scene), [1, 5, 6, 7, 8]);
}

#[test]
fn what_was_said_before_the_bot_came_is_not_for_it() {
    let mut scene = Scene::plain(|_| {});
    let bot = scene.bot.account.id.clone();
    scene.room = scene.ann.create_room(&Room { name: "older", ..Room::default() });
    scene.say("!echo 1");
    scene.ann.invite(&scene.room, &bot);
    scene.ann.sees_join(&scene.room, &bot);
    scene.bot_is_well(2);
    assert_eq!(numbers(&mut scene), [2]);
}

fn numbers<C: Chat>(scene: &mut Scene<C>) -> Vec<u32> {
    let bot = scene.bot.account.id.clone();
    scene.ann.until(&scene.room, "the answers", |events| Some(answers(events, &bot)))
}

/// A script that asks before it acts, and says which version of itself it is.
fn restart(version: u32) -> String {
    format!(
        r#"//! Restarts.
alias("restart {{host}}", |a, msg| {{
    let yes = confirm(`Restart ${{a.host}}?`);
    reply(if yes {{ `version-{version} restarts ${{a.host}}` }} else {{ `version-{version} spares ${{a.host}}` }});
}});
"#
    )
}

#[test]
fn an_answer_after_a_kill_and_an_edit_continues_the_version_that_asked() {
    let mut scene = Scene::encrypted(|bot| bot.script("restart.rhai", &restart(1)));
    scene.say("!restart web1");
    let question = scene.bot_says("Restart web1?");
    comes_back_with(&mut scene, 2);
    scene.ann.post(&scene.room, reply(&question.event_id, "yes"));
    scene.bot_says("version-1 restarts web1");

    scene.say("!restart web2");
    scene.bot_says("Restart web2?");
    comes_back_with(&mut scene, 3);
    scene.say("yes");
    scene.bot_says("version-2 restarts web2");

    scene.say("!restart web3");
    scene.bot_says("Restart web3?");
    scene.say("no");
    scene.bot_says("version-3 spares web3");
}

fn comes_back_with<C>(scene: &mut Scene<C>, version: u32) {
    scene.bot.kill9();
    scene.bot.script("restart.rhai", &restart(version));
    scene.bot.start();
}
