//! What goes wrong around the bot is told to who can mend it, and the bot goes on.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::scene::Scene;
use crate::lab::{Bot, Lab};

#[test]
fn a_wrong_password_is_told() {
    let bot = Bot::new(Lab::shared(), Lab::shared().plain("beadle"));
    bot.configure(&[], &[]);
    bot.write("password", "not this one");
    let homeserver = bot.account.homeserver.clone();
    let output = bot.run(&bot.login_arguments(&homeserver, "@ann:localhost"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 5)), "{:?}: {told}", output.status);
    assert!(told.contains("error: ") && told.contains("password"), "{told}");
}

#[test]
fn an_unreachable_homeserver_is_told() {
    let bot = Bot::new(Lab::shared(), Lab::shared().plain("beadle"));
    bot.configure(&[], &[]);
    // A port that was free a moment ago refuses at once.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a free port")
        .port();
    let nowhere = format!("http://127.0.0.1:{port}");
    let told = bot.run_expecting(5, &bot.login_arguments(&nowhere, "@ann:localhost"));
    assert!(told.contains("error: ") && told.contains(&nowhere), "{told}");
}

#[test]
fn a_message_as_long_as_matrix_allows_is_answered() {
    let mut scene = Scene::plain(|_| {});
    let asked = scene.say(&format!("!echo {}", "9".repeat(60_000)));
    let told = scene.bot_answers(&asked, "");
    assert!(!told.is_empty() && told.len() < 60_000, "{} bytes of answer", told.len());
    scene.bot_is_well(1);
}

#[test]
fn a_script_with_broken_text_is_told_and_the_others_work() {
    let mut scene =
        Scene::plain(|bot| drop(bot.write("scripts/broken.rhai", b"//! Broken \xff\xfe text.\n")));
    let told = scene.bot.run_expecting(3, &["script", "check"]);
    assert!(told.contains("broken.rhai") && told.contains("UTF-8"), "{told}");
    scene.bot_is_well(1);
}

const ENDLESS: &str = r#"//! Things without end.
action("hang", #{ run: ["./hang.sh"], output: "text", timeout: "1s" });
action("flood", #{ run: ["./flood.sh"], output: "text", timeout: "5s" });
alias("spin", || { let n = 0; loop { n += 1; } });
alias("hang", || exec("hang", #{}));
alias("flood", || exec("flood", #{}));
"#;

#[test]
fn what_never_ends_is_ended_and_told() {
    let mut scene = Scene::plain(|bot| {
        let pid = bot.dir.join("hang.pid");
        bot.script("endless.rhai", ENDLESS);
        bot.executable(
            "hang.sh",
            &format!("#!/bin/sh\necho $$ >{}\nexec sleep 300\n", pid.display()),
        );
        bot.executable("flood.sh", "#!/bin/sh\nexec yes 'and on and on'\n");
    });
    for (n, (command, why)) in (1..).zip([
        ("spin", "operations"),
        ("hang", "took longer than 1 s"),
        ("flood", "printed more than"),
    ]) {
        let asked = scene.say(&format!("!{command}"));
        let told = scene.bot_answers(&asked, "endless.rhai:");
        println!("!{command}: {told}");
        assert!(told.len() < 10_000, "!{command}: {} bytes of answer", told.len());
        assert!(told.contains(why), "!{command}: {told}");
        scene.bot_is_well(n);
    }
    let pid = fs::read_to_string(scene.bot.dir.join("hang.pid")).expect("the action began");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the action that timed out still runs");
}
