//! A question waits for days, with a kill in between, and real clients answer it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use beadle::app::{SystemClock, keep_time_by};
use beadle::domain::id::Timestamp;
use beadle::store::Clock;

use super::scene::Scene;
use crate::lab::{CLOCK_FILE, Chat, reply};

const DAY_MS: i64 = 86_400_000;

const ASKS: &str = r#"//! Asks before it does anything.
alias("restart {host}", |a, msg| {
    if confirm(`should I restart ${a.host}?`) { reply(`restarted-${a.host}`); } else { reply(`left-${a.host}`); }
});
"#;

/// The system's clock, and as much ahead of it as a file says.
struct FileClock(PathBuf);

impl Clock for FileClock {
    fn now(&self) -> Timestamp {
        let ahead = fs::read_to_string(&self.0).expect("the clock's file is there");
        SystemClock.now().plus_ms(ahead.trim().parse().expect("it is a number"))
    }
}

/// The bot itself, where another test starts this one as a process of its own.
#[test]
fn child_is_a_bot_with_a_clock() {
    let Some(file) = std::env::var_os(CLOCK_FILE) else { return };
    assert!(keep_time_by(Arc::new(FileClock(file.into()))), "nobody else sets the clock here");
    let behind = std::env::args_os().skip_while(|word| word != "--");
    let arguments = std::iter::once(OsString::from("beadle")).chain(behind.skip(1));
    let _ = beadle::cli::main_with(arguments);
}

#[test]
fn a_question_is_answered_after_a_kill_and_three_days() {
    let mut scene = Scene::encrypted(|bot| bot.script("asks.rhai", ASKS));
    scene.bot.stop();
    let clock = scene.bot.write("clock", (-3 * DAY_MS).to_string());
    scene.bot.clock = Some(clock);
    scene.bot.start();
    scene.say("!restart web301");
    scene.bot_says("should I restart web301?");
    scene.say("!restart web302");
    let asked = scene.bot_says("should I restart web302?");
    scene.bot.kill9();
    scene.bot.write("clock", "0");
    scene.bot.start();
    // Three days later a bare answer to one of them is no answer any more; a reply is.
    scene.ann.post(&scene.room, reply(&asked.event_id, "no"));
    scene.bot_says("left-web302");
    let yes = scene.say("!yes");
    let back = scene.bot_answers(&yes, "If so, say");
    let question = "you mean \"yes\" to \"should I restart web301?\" If so, say \"";
    let phrase = back.split_once(question).expect(&back).1.trim_end_matches('"').to_owned();
    assert_eq!(phrase.split(' ').count(), 2, "{back}");
    scene.bot.kill9();
    scene.bot.start();
    scene.say(&phrase);
    scene.bot_says("restarted-web301");
    let events = scene.bot.events();
    let answers = events.iter().filter(|event| event["type"] == "question_answered").count();
    assert_eq!(answers, 2, "each question was answered once");
    scene.bot.stop();
    scene.bot.run_expecting(0, &["log", "verify"]);
}
