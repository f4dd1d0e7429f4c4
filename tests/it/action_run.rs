//! `beadle action run` with nobody else around, and beside the terminal room.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use beadle::app::open_log;
use serde_json::{Value, json};

use crate::cli::Place;

const SCRIPT: &str = r#"
    action("greet", #{ run: ["/bin/sh", "-c", "echo hello $0", "{name}"], params: #{ name: "string=you" } });
    action("count", #{ run: ["/bin/sh", "-c", "echo one; echo two >&2; echo '{\"n\": 3}'"], output: "json" });
    action("fail", #{ run: ["/bin/sh", "-c", "echo no >&2; exit 3"] });
    action("mark", #{ run: ["touch", "marked"] });
    action("greet.both", #{ params: #{ first: "string", second: "string" } }, |args| {
        all([|| exec("greet", #{ name: args.first }), || exec("greet", #{ name: args.second })]);
        sleep(0.01);
        run(`note ${args.first}`)
    });
    action("sure", #{}, || if confirm("Sure?") { exec("mark"); });
    alias("note {what}", |args| { exec("greet", #{ name: args.what }); `noted ${args.what}` });
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("scripts/run.rhai", SCRIPT);
    drop(open_log(&place.path("data")).expect("a log is made"));
    place
}

fn ordered<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["--data", "data", "--scripts", "scripts", "action", "run"], args].concat()
}

#[test]
fn an_action_runs_without_a_bot_until_it_has_ended() {
    for (args, status, out, err) in [
        (&["greet", "name=ann"][..], 0, "hello ann", "execution "),
        (&["greet"], 0, "hello you", ""),
        (&["count"], 0, "{\"n\":3}", ""),
        (&["fail"], 1, "", "fail ended with status 3: no"),
        (&["greet.both", "first=ann", "second=ben"], 0, "noted ann", ""),
        (&["sure"], 1, "", "waits for somebody or something, and goes on when the bot runs"),
        (&["--queue", "greet"], 0, "recorded, and done as soon as the bot runs", ""),
        (&["greet", "nmae=ann"], 2, "", "did you mean `name`?"),
        (&["greet", "--queue", "--dry"], 2, "", "--dry"),
    ] {
        let ran = place().run(&ordered(args)).expect(status);
        assert!(ran.out.contains(out) && ran.err.contains(err), "{args:?}: {}{}", ran.out, ran.err);
    }
}

/// What is queued, and what waits, stays as it is while another action runs: that is for the bot.
#[test]
fn what_others_wait_for_is_left_to_the_bot() {
    let place = place();
    place.run(&ordered(&["--queue", "mark"])).expect(0);
    place.run(&ordered(&["sure"])).expect(1);
    place.run(&ordered(&["greet"])).expect(0);
    assert!(!place.path("scripts/marked").exists(), "the queued action is the bot's");
    let listed = place.run(&["--data", "data", "--json", "execution", "list"]).expect(0);
    let rows: Vec<Value> =
        listed.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let states: Vec<&Value> = rows.iter().map(|row| &row["status"]).collect();
    assert_eq!(states, [&json!("succeeded"), &json!("asking")], "{rows:?}");
}

#[test]
fn the_terminal_room_answers_the_command_line() {
    let place = place();
    let pty = nix::pty::openpty(None, None).expect("the system has terminals");
    let slave = || Stdio::from(pty.slave.try_clone().expect("it can be shared"));
    let mut command = place.command(&["--data", "data", "--scripts", "scripts", "chat"]);
    command.env("TERM", "xterm").stdin(slave()).stdout(slave()).stderr(slave());
    let mut chat = command.spawn().expect("the program can be started");
    drop((command, pty.slave));
    let mut master = File::from(pty.master);
    let mut shown = BufReader::new(master.try_clone().expect("it can be shared"));
    let mut line = String::new();
    while !line.contains("/quit") {
        line.clear();
        assert!(shown.read_line(&mut line).expect("it says what to type") > 0, "it has ended");
    }
    let ran = place.run(&ordered(&["greet", "name=ann"])).expect(0);
    assert_eq!(ran.out.trim(), "hello ann");
    let listed = place.run(&["--data", "data", "execution", "list"]).expect(0);
    assert!(listed.out.contains("run greet"), "{}", listed.out);
    // Ctrl-D: the end of what is typed.
    master.write_all(&[4]).expect("it reads");
    assert!(chat.wait().expect("a child of ours").success());
    // The end of a terminal whose other side is closed is an error.
    let _ = shown.read_to_end(&mut vec![]);
    assert!(!place.path("data/control.sock").exists(), "nobody is asked in vain");
}
