//! Logins that end: what the bot says, what its operator does, and that nothing is lost over it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use matrix_sdk::reqwest::Method;
use serde_json::{Value, json};

use super::scene::{Scene, answer, answers};
use crate::lab::{Bot, Chat, Lab, Person, reply, request};

const SIZE: &str = r#"//! Asks back.
alias("order", |a, msg| {
    let size = ask("Which size?", #{ choices: ["small", "large"], timeout: "1h" });
    reply(`ordered-${size}`);
});
"#;

/// What the homeserver says to a token of the bot.
fn whoami(bot: &Bot, token: &str) -> (u16, Value) {
    let url = format!("{}/_matrix/client/v3/account/whoami", bot.account.homeserver);
    let (status, text) =
        crate::lab::answer(Method::GET, &url, Some(token), None).expect("an answer");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Ends the bot's login as if an administrator had removed its device.
pub fn log_out(bot: &Bot) {
    let url = format!("{}/_matrix/client/v3/logout", bot.account.homeserver);
    request(Method::POST, &url, Some(&bot.session_text("access_token")), Some(&json!({})));
}

/// Logs the bot in again, and returns what the command says.
pub fn login_again(bot: &Bot) -> String {
    bot.run_expecting(0, &login_of(bot))
}

/// Waits until the bot has ended by itself with the remedy in its last words.
fn ends_with_the_remedy<C: Chat>(scene: &mut Scene<C>) {
    let (status, told) = scene.bot.ends();
    assert_eq!(status.code(), Some(5), "{told}");
    assert!(told.contains("logged out") && told.contains("hint: `beadle login`"), "{told}");
}

#[test]
fn tokens_are_renewed_and_kept() {
    let mut scene = Scene::plain_in(Lab::strict(), |_| {});
    let first = scene.bot.session_text("access_token");
    scene.bot_is_well(1);
    // Every command makes the bot ask for something, which it can only do with a token that is renewed in time.
    for n in 2.. {
        scene.bot_is_well(n);
        if scene.bot.session_text("access_token") != first {
            break;
        }
    }
    assert_eq!(whoami(&scene.bot, &first).0, 401, "the first token has had its time");
    scene.bot.kill9();
    // New tokens came, and the process died before they were on disk: those on disk are good for another try.
    let url = format!("{}/_matrix/client/v3/refresh", scene.bot.account.homeserver);
    let refresh = json!({ "refresh_token": scene.bot.session_text("refresh_token") });
    request(Method::POST, &url, None, Some(&refresh));
    let old = scene.bot.session_text("access_token");
    while whoami(&scene.bot, &old).0 == 200 {}
    scene.bot.start();
    scene.bot_is_well(1_000);
    assert_ne!(scene.bot.session_text("access_token"), old);
}

#[test]
fn after_a_soft_logout_the_same_device_goes_on() {
    let mut scene = Scene::encrypted_in(Lab::strict(), |bot| bot.script("size.rhai", SIZE));
    scene.bot_is_well(1);
    scene.say("!order");
    let question = scene.bot_says("Which size?");
    let device = scene.bot.session_text("device_id");
    let bot = scene.bot.account.id.clone();
    Lab::strict().sql("UPDATE refresh_tokens SET expiry_ts = 1 WHERE user_id = ?", &bot);
    while whoami(&scene.bot, &scene.bot.session_text("access_token")).0 == 200 {}
    scene.say("nobody is asked");
    ends_with_the_remedy(&mut scene);
    assert_eq!(whoami(&scene.bot, &scene.bot.session_text("access_token")).1["soft_logout"], true);
    scene.say("!echo 2");
    let told = scene.bot.run_expecting(5, &["run"]);
    assert!(told.contains("logged out") && told.contains("`beadle login`"), "{told}");
    let told = login_again(&scene.bot);
    assert!(told.contains("goes on") && told.contains(&device), "{told}");
    scene.bot.start();
    scene.bot_says(&answer(2));
    scene.ann.post(&scene.room, reply(&question.event_id, "small"));
    scene.bot_says("ordered-small");
    scene.bot_is_well(3);
    assert_eq!(said(&mut scene), [1, 2, 3]);
}

#[test]
fn after_a_hard_logout_a_new_device_goes_on() {
    let mut scene = Scene::plain(|_| {});
    scene.bot_is_well(1);
    let (device, room) =
        (scene.bot.session_text("device_id"), scene.bot.session_text("management_room"));
    log_out(&scene.bot);
    // It wakes the sync that was asked for before the logout, so that the test need not wait for its end.
    scene.say("nobody is asked");
    ends_with_the_remedy(&mut scene);
    scene.say("!echo 2");
    let told = scene.bot.run_expecting(5, &["run"]);
    assert!(told.contains("logged out") && told.contains("`beadle login`"), "{told}");
    let told = login_again(&scene.bot);
    assert!(
        told.contains("a new device") && !told.contains(&format!("(device {device})")),
        "{told}"
    );
    assert!(told.contains("signed by its owner"), "{told}");
    assert_eq!(scene.bot.session_text("management_room"), room, "the room is found again");
    scene.bot.start();
    scene.bot_says(&answer(2));
    scene.bot_is_well(3);
    assert_eq!(said(&mut scene), [1, 2, 3]);
}

#[test]
fn after_a_hard_logout_encrypted_rooms_and_open_questions_go_on() {
    let mut scene = Scene::encrypted(|bot| bot.script("size.rhai", SIZE));
    scene.say("!order");
    let question = scene.bot_says("Which size?");
    log_out(&scene.bot);
    scene.say("nobody is asked");
    ends_with_the_remedy(&mut scene);
    login_again(&scene.bot);
    scene.bot.start();
    let (bot, device) = (scene.bot.account.id.clone(), scene.bot.session_text("device_id"));
    scene.ann.knows_device(&scene.room, &bot, &device);
    scene.ann.post(&scene.room, reply(&question.event_id, "large"));
    assert!(scene.bot_says("ordered-large").decrypted);
    scene.bot_is_well(1);
}

#[test]
fn a_homeserver_that_restarts_is_waited_for() {
    let lab: &'static Lab = Box::leak(Box::new(Lab::start()));
    let mut scene = Scene::plain_in(lab, |_| {});
    scene.bot_is_well(1);
    lab.restart();
    scene.bot_is_well(2);
    scene.bot.runs_on_for(Duration::ZERO);
    assert_eq!(said(&mut scene), [1, 2]);
}

/// A store that was restored from a copy has forgotten keys that the homeserver still gives out.
#[test]
fn a_restored_store_is_told() {
    let mut scene = Scene::encrypted(|_| {});
    scene.bot_is_well(1);
    scene.bot.stop();
    let matrix = scene.bot.dir.join("data/matrix");
    let copy = |from: &str, to: &str| {
        let done = Command::new("cp").arg("-a").args([matrix.join(from), matrix.join(to)]).status();
        assert!(done.is_ok_and(|status| status.success()), "cp {from} {to}");
    };
    copy("store", "copy");
    scene.bot.start();
    let meets = |scene: &mut Scene<Person<'static>>, name: &str, n: u32| {
        let mut person = Lab::shared().person(name);
        scene.ann.plain.invite(&scene.room, &person.plain.id);
        person.plain.join(&scene.room);
        person.knows(&scene.room, &scene.bot.account.id);
        person.say(&scene.room, &format!("!echo {n}"));
        n
    };
    // A new device takes one of the bot's keys, and the bot brings another.
    let n = meets(&mut scene, "ben", 2);
    scene.bot_says(&answer(n));
    scene.bot_is_well(3);
    scene.bot.stop();
    fs::remove_dir_all(matrix.join("store")).expect("the bot had a store");
    copy("copy", "store");
    scene.bot.start();
    meets(&mut scene, "cleo", 4);
    let deadline = Instant::now() + Duration::from_secs(60);
    let told = "one-time keys of this device that its store does not know";
    while !fs::read_to_string(scene.bot.log_path()).unwrap_or_default().contains(told) {
        assert!(Instant::now() < deadline, "nobody is told");
        scene.bot.runs_on_for(Duration::from_millis(50));
    }
}

#[test]
fn lost_keys_are_told_and_a_new_device_takes_over() {
    let mut scene = Scene::encrypted(|_| {});
    scene.bot_is_well(1);
    let told = scene.bot.run_expecting(2, &login_of(&scene.bot));
    assert!(told.contains("already logged in"), "{told}");
    let told = scene.bot.run_expecting(1, &["run"]);
    assert!(told.contains("process"), "a second bot on the same data: {told}");
    scene.bot.stop();
    let store = scene.bot.dir.join("data/matrix/store");
    fs::remove_dir_all(&store).expect("the bot had a store");
    let told = scene.bot.run_expecting(5, &["run"]);
    assert!(told.contains("is lost") && told.contains("`beadle login`"), "{told}");
    assert!(!store.exists(), "no new keys are made for the old device");
    let old = scene.bot.session_text("device_id");
    login_again(&scene.bot);
    let device = scene.bot.session_text("device_id");
    assert_ne!(device, old);
    scene.bot.start();
    let bot = scene.bot.account.id.clone();
    scene.ann.knows_device(&scene.room, &bot, &device);
    scene.bot_is_well(2);
    scene.bot.stop();
    // The same for a store that is there and cannot be read.
    fs::write(store.join("matrix-sdk-crypto.sqlite3"), "no database").expect("a file of ours");
    let told = scene.bot.run_expecting(5, &["run"]);
    assert!(told.contains("Matrix store") && told.contains("`beadle login`"), "{told}");
    login_again(&scene.bot);
    scene.bot.start();
    let device = scene.bot.session_text("device_id");
    scene.ann.knows_device(&scene.room, &bot, &device);
    scene.bot_is_well(3);
}

fn login_of<'a>(bot: &'a Bot<'_>) -> [&'a str; 7] {
    let user = &bot.account.localpart;
    let homeserver = &bot.account.homeserver;
    ["login", "--homeserver", homeserver, "--user", user, "--password-file", "password"]
}

/// The numbers that the bot has answered with.
fn said<C: Chat>(scene: &mut Scene<C>) -> Vec<u32> {
    let bot = scene.bot.account.id.clone();
    scene.ann.until(&scene.room, "the answers", |events| Some(answers(events, &bot)))
}
