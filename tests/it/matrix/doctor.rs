//! Each thing that can be wrong with an installation, and what the doctor says to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::scene::ECHO;
use crate::lab::{Bot, Lab};

/// A bot that has been logged in and has run once.
fn patient() -> Bot<'static> {
    let lab = Lab::shared();
    let ann = lab.plain("ann");
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    bot.script("echo.rhai", ECHO);
    bot.configure(&[&bot.everybody()], &[]);
    bot.login(&ann.id);
    bot.start();
    bot.stop();
    bot
}

/// All findings. The disk belongs to the machine and not to the bot: it may be nearly full, and is taken to be well.
fn findings(bot: &Bot) -> Vec<Value> {
    let output = bot.run(&["--json", "doctor"]);
    let told = String::from_utf8_lossy(&output.stdout);
    let lines = told.lines().filter(|line| line.starts_with('{'));
    let mut all: Vec<Value> =
        lines.map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let well = all.iter().all(|finding| finding["ok"] == true);
    assert_eq!(output.status.code(), Some(i32::from(!well)), "{all:?}");
    for disk in all.iter_mut().filter(|finding| finding["name"] == "disk") {
        disk["ok"] = json!(true);
    }
    all
}

/// What is not as it should be.
fn failures(all: &[Value]) -> Vec<&Value> {
    all.iter().filter(|finding| finding["ok"] == false).collect()
}

/// The one finding that is not as it should be: its name, level, detail and remedy.
fn failing(bot: &Bot) -> [String; 4] {
    let all = findings(bot);
    let failing = failures(&all);
    let [one] = failing[..] else { panic!("not one finding: {failing:?}") };
    println!("{one}");
    ["name", "level", "detail", "remedy"]
        .map(|field| one[field].as_str().expect("a text").to_owned())
}

#[track_caller]
fn says(bot: &Bot, name: &str, level: &str, detail: &str, remedy: &str) {
    let got = failing(bot);
    assert_eq!([got[0].as_str(), got[1].as_str()], [name, level], "{got:?}");
    assert!(got[2].contains(detail), "{detail:?} in {got:?}");
    assert!(got[3].contains(remedy), "{remedy:?} in {got:?}");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a file of ours");
}

#[test]
fn a_well_bot_is_found_well_while_it_runs_and_while_it_does_not() {
    let mut bot = patient();
    for running in [false, true] {
        if running {
            bot.start();
        }
        let all = findings(&bot);
        assert_eq!(failures(&all), Vec::<&Value>::new(), "running: {running}");
        let names: Vec<&str> =
            all.iter().map(|finding| finding["name"].as_str().expect("a name")).collect();
        let wanted = [
            "scripts",
            "data directory",
            "keys of the log",
            "keys of people",
            "log",
            "outbox",
            "heads of the log",
            "webhooks",
            "disk",
            "session file",
            "recovery key",
            "rate limits",
            "homeserver",
            "clock",
            "token",
            "device",
            "management room",
        ];
        assert_eq!(names, wanted, "running: {running}");
    }
}

#[test]
fn what_is_wrong_on_this_machine_is_found() {
    let bot = patient();
    let data = bot.dir.join("data");
    for (file, name, mode, remedy) in [
        ("", "data directory", 0o755, "chmod 700"),
        ("keys.bin", "keys of the log", 0o644, "chmod 600"),
        ("subjects.bin", "keys of people", 0o644, "chmod 600"),
        ("matrix/session.json", "session file", 0o644, "chmod 600"),
        ("matrix/recovery.key", "recovery key", 0o644, "chmod 600"),
    ] {
        let path = data.join(file);
        let before = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        set_mode(&path, mode);
        says(&bot, name, "bad", "other users can read", remedy);
        set_mode(&path, before);
    }
    bot.script("bad.rhai", "//! Bad.\nalias(\n");
    says(&bot, "script", "bad", "bad.rhai:", "beadle script check");
    fs::remove_file(bot.scripts.join("bad.rhai")).expect("it is there");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let limits = json!({ "limited": 7, "last_ms": u64::try_from(now).expect("a time") });
    bot.write("data/matrix/limits.json", limits.to_string());
    says(&bot, "rate limits", "warning", "made the bot wait 7 times", "override_ratelimit");
    fs::remove_file(data.join("matrix/limits.json")).expect("it is there");
    let log = data.join("log/00000000000000000000.jsonl");
    let whole = fs::read(&log).expect("there is a log");
    let mut broken = whole.clone();
    broken[whole.len() / 2] ^= 1;
    fs::write(&log, broken).expect("ours");
    says(&bot, "log", "bad", "log/00000000000000000000.jsonl:", "bring a backup back");
    fs::write(&log, whole).expect("ours");
    assert_eq!(failures(&findings(&bot)), Vec::<&Value>::new());
}

#[test]
fn what_is_wrong_at_the_homeserver_is_found() {
    let bot = patient();
    let configure = |text: &str| {
        let homeserver = &bot.account.homeserver;
        let config = match text.contains("homeserver") {
            true => format!("[matrix]\n{text}\n"),
            false => format!("[matrix]\nhomeserver = {homeserver:?}\n{text}\n"),
        };
        bot.write("beadle.toml", config);
    };
    configure("homeserver = \"http://127.0.0.1:1\"");
    says(&bot, "homeserver", "bad", "Connection refused", "nothing listens there");
    configure("management_room = \"!nowhere\"");
    says(&bot, "management room", "bad", "no longer in `!nowhere`", "invite the bot");
    configure("");
    // A login by hand is on a device that nobody has signed.
    let path = bot.dir.join("data/matrix/session.json");
    let text = fs::read_to_string(&path).expect("there is a session");
    let mut session: Value = serde_json::from_str(&text).expect("it is JSON");
    let (device, token) = bot.account.another_device();
    session["device_id"] = json!(device);
    session["access_token"] = json!(token);
    fs::write(&path, session.to_string()).expect("ours");
    says(&bot, "device", "bad", "not signed by its owner", "recovery key");
    bot.account.log_out(&token);
    says(&bot, "token", "bad", "does not know this login", "beadle login");
    fs::remove_file(&path).expect("it is there");
    says(&bot, "login", "bad", "there is no session", "beadle login");
}
