//! `beadle hook list` and `beadle hook test`, without a bot and with one; an address that is taken.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::SECRET;
use super::terminal::Terminal;
use crate::cli::Place;

const CONFIG: &str = r#"
[secrets]
folder = "secrets"

[hooks.ci]
auth = "hmac"
secret = "hook"
timestamp_header = "X-Time"

[hooks.gh]
auth = "github"
secret = "hook"

[hooks.lost]
auth = "bearer"
secret = "nobody-has-it"
"#;

/// A place with hooks, and a script that waits for one of them.
pub fn place(config: &str) -> Place {
    let place = Place::new();
    place.write("beadle.toml", config);
    place.write("secrets/hook", SECRET);
    let secret = place.path("secrets/hook");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).expect("ours");
    place.write("scripts/none.rhai", "//! Nothing.\nalias(\"nothing\", || ());\n");
    place
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn hooks_are_listed_and_tested_through_the_running_bot() {
    let place = place(CONFIG);
    let with =
        |args: &[&'static str]| [&["--data", "data", "--config", "beadle.toml"], args].concat();
    let listed = rows(&place.ok(&with(&["--json", "hook", "list"])));
    let names: Vec<&str> = listed.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["ci", "gh", "lost"]);
    assert_eq!(listed[0]["url"], "http://127.0.0.1:8480/hooks/ci");
    assert!(
        listed[2]["problem"].as_str().is_some_and(|it| it.contains("nobody-has-it")),
        "{listed:?}"
    );
    place
        .run(&with(&["hook", "test", "ci"]))
        .expect(5)
        .complains(&["no bot listens", "beadle run"]);
    let bot = Terminal::start(&place, &[]);
    let told = place.ok(&with(&["hook", "list"]));
    assert!(told.contains(&format!("http://{}/hooks/ci", bot.address)), "{told}");
    let body = "{\"state\": \"CRITICAL\"}";
    let told = rows(&place.ok(&with(&["--json", "hook", "test", "ci", "--body", body])));
    assert_eq!(
        (&told[0]["status"], &told[0]["outcomes"][0]["verdict"]),
        (&json!(202), &json!("ignored")),
        "{told:?}"
    );
    let test = ["hook", "test", "gh", "--delivery", "d-1", "--header", "X-GitHub-Event: ping"];
    assert!(place.ok(&with(&test)).contains("202: recorded as trigger-"));
    assert!(place.ok(&with(&test)).contains("it came before"));
    place
        .run(&with(&["hook", "test", "cj"]))
        .expect(1)
        .complains(&["no hook named `cj`", "did you mean `ci`?"]);
    place.run(&with(&["hook", "test", "lost"])).expect(3).complains(&["nobody-has-it"]);
    place
        .run(&with(&["hook", "test", "ci", "--header", "no"]))
        .expect(2)
        .complains(&["`no` is no header"]);
    let refused = ["hook", "test", "ci", "--header", "Content-Type: image/png"];
    place.run(&with(&refused)).expect(1).complains(&["the hook answered 415", "application/json"]);
    bot.quit();
}

#[test]
fn an_address_that_is_taken_is_told_with_what_to_do() {
    let place = place(CONFIG);
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it has an address").to_string();
    let doctor = format!("{CONFIG}\n[web]\nlisten = \"{address}\"\n");
    place.write("beadle.toml", doctor);
    let told = place.run(&["--data", "data", "--config", "beadle.toml", "doctor"]);
    assert!(
        told.out.contains("FAIL webhooks") && told.out.contains("another program"),
        "{}",
        told.out
    );
    assert!(told.out.contains("FAIL hook: lost:"), "{}", told.out);
    for listen in ["8480", "localhost:1"] {
        let args = ["--data", "data", "run", "--listen", listen];
        place.run(&args).expect(2).complains(&["neither an address with a port", "127.0.0.1:8480"]);
    }
}
