//! The bot is killed while effects run that must not happen twice: it says so, and a person decides.

use std::fs::{self, File};
use std::time::Duration;

use nix::sys::stat::Mode;

use super::scene::{IN_DOUBT, Scene};
use crate::lab::{Bot, Chat, Lines, reply};

const SLOW: &str = r#"//! An effect that takes its time.
action("slow", #{ run: ["./slow.sh", "{name}"], params: #{ name: "string" }, output: "text", timeout: "60s", effect: "once" });
alias("slow {name}", |a, msg| {
    exec("slow", #{ name: a.name });
    reply(`finished-${a.name}`);
});
"#;

/// Notes what it does and that it has begun; ends at once if the file `fast` is there.
fn slow_sh(bot: &Bot) -> String {
    let dir = bot.dir.display();
    format!(
        "#!/bin/sh\ncd {dir}\necho \"$1 $BEADLE_EFFECT_ID\" >>effects\necho \"$1\" >begun\n[ -e fast ] || exec sleep 30\n"
    )
}

#[test]
fn an_effect_cut_short_is_never_repeated_unasked() {
    let mut scene = Scene::plain(|bot| {
        bot.script("slow.rhai", SLOW);
        bot.executable("slow.sh", &slow_sh(bot));
        nix::unistd::mkfifo(&bot.dir.join("begun"), Mode::S_IRWXU).expect("a new pipe");
    });
    // Opened for both, it neither waits for an action nor ends with one.
    let pipe = File::options().read(true).write(true).open(scene.bot.dir.join("begun"));
    let begun = Lines::of(pipe.expect("a pipe of ours"));
    let begins = |name| begun.wait_for(name, Duration::from_secs(60)).expect("the action begins");
    for name in ["one", "two", "three"] {
        scene.say(&format!("!slow {name}"));
        begins(name);
    }
    scene.bot.kill9();
    scene.bot.write("fast", "");
    scene.bot.start();
    for (name, decision, outcome) in [
        ("one", "done", "finished-one"),
        ("two", "not done", "finished-two"),
        ("three", "give up", "slow three” failed"),
    ] {
        let question = doubt_about(&mut scene, name);
        scene.ann.post(&scene.room, reply(&question, decision));
        scene.bot_says(outcome);
    }
    let effects = fs::read_to_string(scene.bot.dir.join("effects")).expect("the actions began");
    let names: Vec<_> =
        effects.lines().map(|line| line.split(' ').next().unwrap_or(line)).collect();
    assert_eq!(names, ["one", "two", "three", "two"], "only what a person said was not done");
    scene.bot.stop();
    scene.bot.run_expecting(0, &["log", "verify"]);
}

/// Waits until the bot says that it does not know about `name`, and returns the message.
fn doubt_about<C: Chat>(scene: &mut Scene<C>, name: &str) -> String {
    let bot = &scene.bot.account.id;
    scene.ann.until(&scene.room, &format!("doubt about {name}"), |events| {
        let asks = |body: &str| body.contains(IN_DOUBT) && body.contains(&format!("slow {name}"));
        let question = events.iter().find(|event| event.sender == *bot && asks(event.body()))?;
        Some(question.event_id.clone())
    })
}
