//! Two persons approve what a third one asks for, in an encrypted room, with attempts to get around that.

use super::scene::Scene;
use crate::lab::{Chat, Lab, Person, reply};

/// A script that needs two persons with a role, and says which version of itself it is.
fn deploy(version: u32) -> String {
    format!(
        r#"//! Deployments.
action("shop.deploy", #{{ run: ["./deploy.sh", "{{app}}"], params: #{{ app: "string" }}, output: "text", effect: "once" }});
alias("deploy {{app}}", |a| {{
    let given = approve(`deploy ${{a.app}}`, #{{ count: 2, role: "release" }});
    exec("shop.deploy", #{{ app: a.app }});
    reply(`version-{version} deployed ${{a.app}}, approved by ${{given.names}}`);
}});
"#
    )
}

const DEPLOY: &str = "#!/bin/sh\necho \"$1\" >> effects\n";

/// Somebody comes into the room, so that they and everybody there can read one another.
fn comes(scene: &mut Scene<Person<'static>>, name: &str) -> Person<'static> {
    let mut person = Lab::shared().person(name);
    scene.ann.plain.invite(&scene.room, &person.plain.id);
    person.plain.join(&scene.room);
    person.knows(&scene.room, &scene.bot.account.id);
    scene.ann.knows(&scene.room, &person.plain.id);
    person
}

#[test]
fn two_persons_approve_and_nobody_gets_around_them() {
    let mut scene = Scene::encrypted(|bot| {
        bot.script("deploy.rhai", &deploy(1));
        bot.executable("deploy.sh", DEPLOY);
    });
    let room = scene.room.clone();
    let [mut ben, mut cat, mut eva] = ["ben", "cat", "eva"].map(|name| comes(&mut scene, name));
    let ids = [&scene.ann.plain.id, &ben.plain.id, &cat.plain.id].map(|id| format!("{id:?}"));
    scene.bot.stop();
    scene.bot.append("beadle.toml", &format!("\n[roles]\nrelease = [{}]\n", ids.join(", ")));
    scene.bot.start();

    scene.say("!deploy shop");
    let prompt = scene.bot_says("asks to deploy shop. Two approvals needed from release");
    for attempt in ["+1", "@beadle: yes"] {
        let said = scene.say(attempt);
        scene.bot_answers(&said, "you asked for this one; someone else must approve");
    }
    let said = eva.post(&room, reply(&prompt.event_id, "+1"));
    scene.bot_answers(&said, "somebody with the role `release`");
    ben.post(&room, reply(&prompt.event_id, "+1"));
    let edit = scene.bot_says("it needs one more person");
    assert_eq!(edit.edits(), Some(prompt.event_id.as_str()), "the prompt is edited");

    scene.bot.kill9();
    scene.bot.script("deploy.rhai", &deploy(2));
    scene.bot.start();
    cat.post(&room, reply(&prompt.event_id, "+1"));
    scene.bot_says("void, because deploy.rhai was changed");
    scene.bot_says("ask again");
    assert!(!scene.bot.dir.join("effects").exists(), "nothing was approved");

    let said = scene.say("!deploy shop");
    let asks = "asks to deploy shop. Two approvals needed";
    let again = scene.ann.until(&room, "the prompt of the second request", |events| {
        let after = events.iter().position(|event| event.event_id == said)?;
        events[after..].iter().find(|event| event.body().contains(asks)).cloned()
    });
    assert_ne!(again.event_id, prompt.event_id);
    let said = ben.post(&room, reply(&again.event_id, "+1"));
    scene.bot_answers(&said, "it needs one more person");
    cat.say(&room, "+1");
    let done = scene.bot_says("version-2 deployed shop, approved by ");
    assert!(!done.body().contains(&scene.ann.plain.localpart), "{}", done.body());
    scene.bot.stop();
    scene.bot.run_expecting(0, &["log", "verify"]);
}
