//! The program as a black box: what its subcommands print, and with which status it ends.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest that one call may take; a debug build on a busy machine needs a part of it.
const WITHIN: Duration = Duration::from_secs(120);
/// What `chat --play` can play without an action.
const PING: &str = "(room #ops)\n> ann: !ping\n< bot: pong\n";

/// A directory with a home of its own and nothing else around.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("home")).expect("the directory is ours");
        Self { dir }
    }

    /// With the log of the demonstration in `data`.
    fn with_log() -> Self {
        let place = Self::new();
        place.ok(&["--data", "data"]);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("ours");
        fs::write(path, content).expect("the directory is ours");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home")).env("TMPDIR", self.dir.path());
        command
    }

    /// Runs it to its end with this standard input.
    fn feed(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let mut to = child.stdin.take().expect("it has a standard input");
        let (pid, input) = (child.id(), input.to_owned());
        let (tell, ended) = channel();
        thread::spawn(move || {
            // It need not read what it does not want.
            let _ = to.write_all(input.as_bytes());
            drop(to);
            tell.send(child.wait_with_output())
        });
        match ended.recv_timeout(WITHIN) {
            Ok(output) => Ran::new(args, &output.expect("a child of ours")),
            Err(_) => {
                let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
                panic!("beadle {args:?} has not ended within {WITHIN:?}");
            }
        }
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.feed(args, "")
    }

    /// Runs it; it must end well. Gives what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).expect(0).out
    }

    /// Runs it with `--json`; it must end well. Gives the objects.
    fn json(&self, args: &[&str]) -> Vec<Value> {
        json_lines(&self.ok(&[&["--json"], args].concat()))
    }
}

/// What a call came to.
pub struct Ran {
    args: String,
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(args: &[&str], output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        Self { args: args.join(" "), status: output.status.code(), out, err }
    }

    pub fn expect(self, status: i32) -> Self {
        let Self { args, out, err, .. } = &self;
        assert_eq!(self.status, Some(status), "beadle {args}\n--- stdout\n{out}--- stderr\n{err}");
        self
    }

    /// Says each of these on standard error.
    pub fn complains(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "beadle {}: no `{word}` in\n{}", self.args, self.err);
        }
        self
    }
}

pub fn json_lines(text: &str) -> Vec<Value> {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    text.lines().map(parse).collect()
}

#[test]
fn without_a_terminal_it_plays_the_demonstration() {
    let place = Place::new();
    let said = place.ok(&[]);
    for line in [
        "> ann: !create vm web001 on aws",
        "(restart)",
        "web001 is gone",
        "hey ann, your vm is ready",
    ] {
        assert!(said.contains(line), "no `{line}` in\n{said}");
    }
}

#[test]
fn the_demonstration_can_be_played_again_on_its_log() {
    let place = Place::new();
    for times in 1..=3_usize {
        place.ok(&["--data", "data"]);
        assert_eq!(place.json(&["--data", "data", "execution", "list"]).len(), 2 * times);
    }
    place.ok(&["--data", "data", "log", "verify"]);
}

#[test]
fn the_demonstration_needs_nothing_of_the_current_directory() {
    let place = Place::new();
    place.write("scripts/mine.rhai", "//! Mine.\nalias(\"mine\", || reply(\"mine\"));\n");
    place.run(&[]).expect(0);
}

#[test]
fn a_configured_homeserver_is_pointed_out() {
    let place = Place::new();
    place.write("beadle.toml", "[matrix]\nhomeserver = \"https://matrix.example.org\"\n");
    let said = place.ok(&[]);
    assert!(said.contains("beadle.toml names the homeserver https://matrix.example.org"), "{said}");
    assert!(said.contains("`beadle run`") && said.contains("`beadle chat`"), "{said}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new();
    for args in [
        &["nonsense"][..],
        &["--nonsense"],
        &["log"],
        &["log", "tail", "-n", "many"],
        &["chat", "--stops"],
        &["alias", "match"],
        &["alias", "match", "--format", "restart {host", "restart web1"],
        &["login", "--user", "beadle", "--password-file", "none"],
    ] {
        let ran = place.run(args).expect(2);
        let told = ran.err.contains("error: ") || ran.err.contains("Usage: ");
        assert!(told && ran.out.is_empty(), "{args:?}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn a_wrong_configuration_ends_with_3_and_its_place() {
    let place = Place::new();
    place.write("wrong.toml", "# mine\n[bot]\nprefx = \"?\"\n");
    let args = ["--config", "wrong.toml", "alias", "list"];
    let ran = place.run(&args).expect(3);
    ran.complains(&[
        "wrong.toml:3: there is no key in [bot] named `prefx`",
        "hint: did you mean `prefix`?",
    ]);
    let ran = place.run(&[&["--json"], &args[..]].concat()).expect(3);
    let told: Value = serde_json::from_str(&ran.err).expect("an error is JSON too");
    assert_eq!((&told["status"], &told["hint"]), (&json!(3), &json!("did you mean `prefix`?")));
    place
        .run(&["--config", "none.toml", "alias", "list"])
        .expect(3)
        .complains(&["none.toml", "hint: "]);
}

#[test]
fn wrong_scripts_end_with_3_and_their_places() {
    let place = Place::new();
    place.write("bad/good.rhai", "//! Good.\nalias(\"good\", || reply(\"x\"));\n");
    place.write("bad/syntax.rhai", "//! Bad.\nalias(\"b\", || {\n  reply(\"x\";\n});\n");
    place.write("bad/unknown.rhai", "//! Bad.\nalais(\"c\", || reply(\"x\"));\n");
    place.write("bad/utf8.rhai", b"//! Bad.\nlet x = 1;\nlet y = \"\xff\";\n");
    let ran = place.run(&["script", "check", "bad"]).expect(3);
    ran.complains(&[
        "--> syntax.rhai:3:12",
        "3 |   reply(\"x\";",
        "--> unknown.rhai:2:1",
        "hint: did you mean `alias`?",
        "utf8.rhai",
        "here is a broken character",
    ]);
    let told = json_lines(&place.run(&["--json", "script", "check", "bad"]).expect(3).out);
    let (last, problems) = told.split_last().expect("there is a summary");
    assert_eq!((&last["scripts"], &last["problems"]), (&json!(1), &json!(3)));
    assert!(
        problems
            .iter()
            .all(|problem| problem["file"].is_string() && problem["message"].is_string())
    );
    place
        .run(&["--scripts", "bad", "alias", "list"])
        .expect(3)
        .complains(&["`beadle script check`"]);
    place.run(&["script", "check", "none"]).expect(3).complains(&["none", "hint: "]);
}

#[test]
fn a_broken_character_is_told_with_its_line() {
    let place = Place::new();
    place.write("bad/utf8.rhai", b"//! Bad.\nlet x = 1;\nlet y = \"\xff\";\n");
    place.run(&["script", "check", "bad"]).expect(3).complains(&["--> utf8.rhai:3:"]);
}

#[test]
fn a_damaged_log_ends_with_4_and_its_place() {
    let place = Place::with_log();
    place.ok(&["--data", "data"]);
    flip_a_byte(&place.path("data"));
    for args in [
        &["log", "verify"][..],
        &["log", "tail"],
        &["log", "show", "0"],
        &["execution", "list"],
        &["run"],
    ] {
        let ran = place.run(&[&["--data", "data"], args].concat()).expect(4);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains("log/00000000000000000000.jsonl:"), "{args:?}: {told}");
        assert!(ran.err.contains("hint: nothing was changed"), "{args:?}: {}", ran.err);
    }
    place.run(&["--data", "data", "doctor"]).expect(1);
}

#[test]
fn the_terminal_room_refuses_a_damaged_log_with_4() {
    let place = Place::with_log();
    flip_a_byte(&place.path("data"));
    place.run(&["--data", "data", "chat"]).expect(4);
}

/// Damages the journal in the middle of its file, inside an event line.
fn flip_a_byte(data: &Path) {
    let file = data.join("log/00000000000000000000.jsonl");
    let mut bytes = fs::read(&file).expect("there is a journal");
    let middle = bytes.len() / 2;
    let seal = br#""sealed":""#;
    let at = bytes[middle..].windows(seal.len()).position(|window| window == seal);
    bytes[middle + at.expect("a sealed payload follows") + seal.len() + 5] ^= 1;
    fs::write(file, bytes).expect("the directory is ours");
}

#[test]
fn an_unreachable_homeserver_ends_with_5() {
    let place = Place::new();
    place.write("password", "secret\n");
    let args =
        ["--data", "data", "login", "--homeserver", "http://127.0.0.1:1", "--user", "beadle"];
    let args = [&args[..], &["--password-file", "password"]].concat();
    place
        .run(&args)
        .expect(5)
        .complains(&["cannot reach the homeserver `http://127.0.0.1:1`", "hint: "]);
    let left = fs::read_dir(place.path("data")).expect("it was made").count();
    assert_eq!(left, 0, "nothing of a failed login is left");
    place.run(&["--data", "data", "run"]).expect(5).complains(&["beadle login"]);
    place.write("everybody.toml", "[roles]\nops = [\"@*:*\"]\nlead = [\"@ann:hs\"]\n");
    let warned = place.run(&["--config", "everybody.toml", "--data", "data", "run"]).expect(5).err;
    assert!(warned.contains("a role is doubtful") && warned.contains("role=\"ops\""), "{warned}");
    assert!(!warned.contains("lead"), "{warned}");
}

#[test]
fn texts_are_matched_against_the_scripts() {
    let place = Place::new();
    place.ok(&["init"]);
    let matched =
        place.json(&["alias", "match", "--", "create", "vm", "web001", "on", "aws", "zone=b"]);
    assert_eq!(matched[0]["matched"], json!(true));
    let params = json!({ "hostname": "web001", "provider": "aws", "size": "small", "extra": { "zone": "b" } });
    assert_eq!(matched[0]["params"], params);
    assert_eq!(place.json(&["alias", "match", "sing"])[0]["matched"], json!(false));
    let near = place.json(&["alias", "match", "delte vm web001"]);
    assert_eq!(near[0]["suggestions"], json!(["delete vm {hostname}"]));
    assert!(place.ok(&["alias", "match", "sing"]).starts_with("no match"));
}

#[test]
fn texts_are_matched_against_a_format() {
    let place = Place::new();
    for (format, text, want) in [
        ("restart {host}", "restart web1", json!({ "host": "web1", "extra": {} })),
        ("restart {host} [now]", "Restart  web1", json!({ "host": "web1", "extra": {} })),
        ("wait {time:duration}", "wait 15m", json!({ "time": "15m", "extra": {} })),
        ("restart {host}", "stop web1", json!({ "extra": {} })),
    ] {
        let got = place.json(&["alias", "match", "--format", format, "--", text]);
        assert_eq!(
            got[0]["matched"],
            json!(want != json!({ "extra": {} })),
            "{format} on {text}: {got:?}"
        );
        assert_eq!(got[0].get("params").cloned().unwrap_or_default(), want, "{format} on {text}");
    }
}

#[test]
fn the_commands_are_listed() {
    let place = Place::new();
    place.ok(&["init"]);
    let listed = place.json(&["alias", "list"]);
    let ping = listed.iter().find(|alias| alias["alias"] == "ping").expect("ping ships");
    assert_eq!(ping["formats"], json!(["ping"]));
    assert_eq!(ping["file"], json!("hello.rhai"));
    assert!(ping["help"].is_string() && ping["version"].is_string() && ping["role"].is_null());
    assert!(place.ok(&["alias", "list"]).contains("delete vm {hostname}"));
}

#[test]
fn what_init_writes_is_right() {
    let place = Place::new();
    place.ok(&["init", "bot"]);
    place.ok(&["--config", "bot/beadle.toml", "--scripts", "bot/scripts", "script", "check"]);
    place.write("bot/beadle.toml", "[bot]\nprefix = \"?\"\n");
    place.write("bot/scripts/hello.rhai", "//! Mine.\n");
    place.ok(&["init", "bot"]);
    let kept = |name: &str| fs::read_to_string(place.path(name)).expect("it is there");
    assert_eq!(
        kept("bot/beadle.toml"),
        "[bot]\nprefix = \"?\"\n",
        "what is there is left as it is"
    );
    assert_eq!(kept("bot/scripts/hello.rhai"), "//! Mine.\n");
}

#[test]
fn the_log_is_shown_and_verified() {
    let place = Place::with_log();
    let tail = place.json(&["--data", "data", "log", "tail", "-n", "3"]);
    assert_eq!(tail.len(), 3);
    let last = tail[2]["position"].as_u64().expect("an event has a position");
    assert_eq!(tail[0]["position"], json!(last - 2), "oldest first");
    let text = place.ok(&["--data", "data", "log", "tail"]);
    assert!(text.contains("message_sent"), "{text}");
    for id in ["0", "log-main/0"] {
        let shown = place.json(&["--data", "data", "log", "show", id]);
        assert_eq!(shown[0]["type"], json!("log_created"), "{id}");
        assert_eq!(shown[0]["payload_state"], json!("readable"));
    }
    place.run(&["--data", "data", "log", "show", "999999"]).expect(1).complains(&["999999"]);
    let verified = place.json(&["--data", "data", "log", "verify"]);
    assert_eq!((&verified[0]["events"], &verified[0]["findings"]), (&json!(last + 1), &json!([])));
    place
        .run(&["--data", "none", "log", "tail"])
        .expect(1)
        .complains(&["there is no log in none", "hint: "]);
}

#[test]
fn executions_are_listed_and_shown() {
    let place = Place::with_log();
    let listed = place.json(&["--data", "data", "execution", "list"]);
    let commands: Vec<&Value> = listed.iter().map(|row| &row["command"]).collect();
    assert_eq!(commands, [&json!("delete vm web001"), &json!("create vm web001 on aws")]);
    let id = listed[0]["execution"].as_str().expect("an execution has an id");
    let shown = place.json(&["--data", "data", "execution", "show", &id[..8].to_lowercase()]);
    assert_eq!(
        (&shown[0]["execution"], &shown[0]["status"]),
        (&listed[0]["execution"], &json!("succeeded"))
    );
    let steps: Vec<&Value> =
        shown[0]["journal"].as_array().expect("steps").iter().map(|step| &step["op"]).collect();
    assert_eq!(steps, [&json!("confirm"), &json!("exec"), &json!("reply")]);
    assert!(place.ok(&["--data", "data", "execution", "list"]).contains("succeeded"));
    place.run(&["--data", "data", "execution", "show", "ZZZZ"]).expect(1).complains(&["`ZZZZ`"]);
}

#[test]
fn a_transcript_is_played_from_standard_input() {
    let place = Place::new();
    let said = place.feed(&["chat", "--play", "-"], PING).expect(0).out;
    assert!(said.contains("> ann: !ping") && said.contains("pong"), "{said}");
    let rows = json_lines(&place.feed(&["--json", "chat", "--play", "-"], PING).expect(0).out);
    assert!(rows.iter().any(|row| row["line"] == "> ann: !ping"), "{rows:?}");
    let stops = place.feed(&["--json", "chat", "--play", "-", "--stops"], PING).expect(0).out;
    assert!(stops.lines().last().is_some_and(|last| last.contains("\"appends\":")), "{stops}");
}

#[test]
fn a_transcript_that_differs_ends_with_1_and_both_lines() {
    let place = Place::new();
    let differs = PING.replace("pong", "pang");
    let ran = place.feed(&["chat", "--play", "-"], &differs).expect(1);
    ran.complains(&["standard input:3:", "expected", "pang", "but got", "pong"]);
    let ran =
        place.feed(&["chat", "--play", "-"], &format!("{PING}> ann: !sing\n(quiet)\n")).expect(1);
    ran.complains(&["standard input:5:", "the bot also said in #ops"]);
    let ran = place.feed(&["chat", "--play", "-"], "> ann: !ping\nnonsense\n").expect(3);
    ran.complains(&["standard input:2:", "hint: "]);
}

#[test]
fn errors_are_coloured_on_a_terminal_unless_no_color_says_otherwise() {
    let place = Place::new();
    for (no_color, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let pty = nix::pty::openpty(None, None).expect("the system has terminals");
        let mut command = place.command(&["log", "tail"]);
        command.envs(no_color.map(|value| ("NO_COLOR", value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(pty.slave));
        let status = command.status().expect("the program can be started");
        assert_eq!(status.code(), Some(1));
        // The command holds the other side open, and reading would wait for it.
        drop(command);
        let mut told = vec![];
        // A terminal whose other side is closed ends with an error.
        let _ = File::from(pty.master).read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains("there is no log"), "{told}");
        assert_eq!(told.contains('\x1b'), coloured, "NO_COLOR={no_color:?}: {told:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::new();
    place.ok(&["init"]);
    let (reader, writer) = std::io::pipe().expect("the system has pipes");
    drop(reader);
    let mut command = place.command(&["alias", "list"]);
    let output = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).output();
    let output = output.expect("the program can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn documented_transcripts_are_true() {
    let place = Place::new();
    place.ok(&["init"]);
    assert!(PAGES.iter().any(|(_, text)| blocks(text, "transcript").count() > 0));
    for (page, text) in PAGES {
        for block in blocks(text, "transcript") {
            let ran = place.feed(&["chat", "--play", "-"], &block);
            assert_eq!(ran.status, Some(0), "{page}: {}\n{block}", ran.err);
        }
    }
}

#[test]
fn documented_scripts_are_right() {
    assert!(PAGES.iter().any(|(_, text)| blocks(text, "rhai").count() > 0));
    for (page, text) in PAGES {
        for block in blocks(text, "rhai").filter(|block| block.starts_with("//!")) {
            let place = Place::new();
            place.write("scripts/documented.rhai", &block);
            let ran = place.run(&["script", "check", "scripts"]);
            assert_eq!(ran.status, Some(0), "{page}: {}\n{block}", ran.err);
        }
    }
}

/// The pages that have examples.
const PAGES: &[(&str, &str)] = &[
    ("README.md", include_str!("../../README.md")),
    ("docs/scripts.md", include_str!("../../docs/scripts.md")),
    ("docs/transcripts.md", include_str!("../../docs/transcripts.md")),
];

/// The fenced blocks of one language.
fn blocks<'a>(page: &'a str, language: &'a str) -> impl Iterator<Item = String> + 'a {
    let opening = format!("```{language}\n");
    page.split("\n```")
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(move |part| format!("```{part}").strip_prefix(&opening).map(str::to_owned))
}

#[test]
fn the_stored_lines_have_the_documented_fields() {
    let place = Place::with_log();
    let file = place.path("data/log/00000000000000000000.jsonl");
    let lines = json_lines(&fs::read_to_string(file).expect("there is a journal"));
    let documented = documented_fields();
    let mut seen = std::collections::BTreeSet::new();
    for line in lines.iter().filter(|line| line.get("commit").is_none()) {
        let fields = line.as_object().expect("a line is an object").keys();
        seen.extend(fields.cloned());
    }
    assert_eq!(seen, documented, "docs/log.md and the journal");
}

/// The fields in the table of docs/log.md; its example lines have the same and can be read.
fn documented_fields() -> std::collections::BTreeSet<String> {
    use beadle::domain::id::{EventId, StreamName, Tag};
    let page = include_str!("../../docs/log.md");
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let section = page.split("## The envelope").nth(1).expect("a section on the envelope");
    let section = section.split("\n## ").next().unwrap_or(section);
    let fields: std::collections::BTreeSet<String> = section.lines().filter_map(cell).collect();
    let examples: Vec<Value> = json_lines(
        &section.lines().filter(|line| line.starts_with("{\"v\":")).collect::<Vec<_>>().join("\n"),
    );
    let in_examples = examples.iter().flat_map(|line| line.as_object().expect("an object").keys());
    assert_eq!(in_examples.cloned().collect::<std::collections::BTreeSet<_>>(), fields);
    for line in &examples {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let number = |name: &str| line[name].as_i64().unwrap_or_else(|| panic!("{name}: {line}"));
        assert_eq!(number("v"), 1);
        for name in ["position", "version", "schema", "ts", "wall", "epoch"] {
            assert!(number(name) >= 0, "{name}: {line}");
        }
        StreamName::parse(&text("stream").expect("a stream")).expect("a stream's name");
        if let Some(name) = text("correlation") {
            StreamName::parse(&name).expect("a stream's name");
        }
        if let Some(id) = text("cause") {
            EventId::parse(&id).expect("an event's id");
        }
        for tag in ["actor", "room", "network", "key"] {
            if let Some(tag) = text(tag) {
                Tag::try_from(tag).expect("32 hexadecimal digits");
            }
        }
        assert_eq!(text("commitment").map(|it| it.len()), Some(64), "{line}");
        assert_eq!(line["sealed"].is_string(), line["slot"].is_u64(), "{line}");
        assert_ne!(line["sealed"].is_string(), line["open"].is_object(), "{line}");
        let known = beadle::domain::event::Event::KINDS.iter().map(|(kind, _)| *kind);
        assert!(known.into_iter().any(|kind| line["type"] == kind), "{line}");
    }
    fields
}
