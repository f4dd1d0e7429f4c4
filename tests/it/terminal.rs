//! The terminal room as somebody sees it who types in it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::cli::Place;

/// The longest that something may take to be shown; a debug build on a busy machine needs a part of it.
const WITHIN: Duration = Duration::from_secs(120);

const SCRIPT: &str = r#"//! For those who type.
alias("ping", || reply("pong"));
alias("who", |a, msg| reply(`it is ${msg.user.name}`));
alias("look at {host?}", #{ context: true }, |a| reply(`looked at ${a.host}`));
"#;

const OPEN: &str = "permit (principal, action, resource);\n";

/// A terminal with the rooms in it.
struct Rooms {
    chat: Child,
    keys: File,
    lines: Receiver<String>,
    shown: String,
}

impl Rooms {
    fn open(place: &Place) -> Self {
        Self::open_on(place, "xterm")
    }

    fn open_on(place: &Place, term: &str) -> Self {
        place.write("scripts/a.rhai", SCRIPT);
        let pty = nix::pty::openpty(None, None).expect("the system has terminals");
        let slave = || Stdio::from(pty.slave.try_clone().expect("it can be shared"));
        let args = ["--config", "c.toml", "--data", "data", "--scripts", "scripts", "chat"];
        let mut command = place.command(&args);
        command.env("TERM", term).stdin(slave()).stdout(slave()).stderr(slave());
        let chat = command.spawn().expect("the program can be started");
        drop((command, pty.slave));
        let keys = File::from(pty.master);
        let screen = BufReader::new(keys.try_clone().expect("it can be shared"));
        let (tell, lines) = channel();
        // It ends with the terminal.
        std::thread::spawn(move || {
            screen.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let mut rooms = Self { chat, keys, lines, shown: String::new() };
        rooms.until("/quit");
        rooms
    }

    /// Writes all of it in one piece, as fast fingers and the clipboard do.
    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).expect("it reads");
    }

    /// Waits until a line with this is shown.
    fn until(&mut self, text: &str) {
        loop {
            let line = self.lines.recv_timeout(WITHIN);
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in:\n{}", self.shown));
            self.shown.push_str(&line);
            self.shown.push('\n');
            if line.contains(text) {
                return;
            }
        }
    }

    fn close(mut self) -> String {
        self.types("/quit\r");
        assert!(self.chat.wait().expect("a child of ours").success(), "{}", self.shown);
        self.shown
    }
}

fn place(config: &str) -> Place {
    let place = Place::new();
    place.write("c.toml", config);
    place
}

#[test]
fn what_is_typed_ahead_is_taken_in_order() {
    let place = place("");
    let mut rooms = Rooms::open(&place);
    rooms.types("!ping\r!who\r");
    rooms.until("beadle: pong");
    rooms.until("beadle: it is ann");
    rooms.types("/as ben\r!who\r");
    rooms.until("beadle: it is ben");
    rooms.close();
}

#[test]
fn the_configuration_holds_in_the_terminal_room() {
    let config = "[bot]\nprefix = \"?\"\n[limits]\ncommands_per_minute = 2\n\
        [context.rooms]\n\"#ops\" = { host = \"web7\" }\n";
    let place = place(config);
    let mut rooms = Rooms::open(&place);
    assert!(rooms.shown.contains("Try  ?help"), "{}", rooms.shown);
    rooms.types("?look at\r");
    rooms.until("beadle: looked at web7");
    rooms.types("?ping\r?ping\r");
    rooms.until("beadle: pong");
    rooms.until("slow down, ann");
    rooms.close();
}

#[test]
fn a_direct_chat_needs_no_prefix_and_what_was_said_can_be_mended() {
    let place = place("");
    let mut rooms = Rooms::open(&place);
    rooms.types("/edit !ping\r");
    rooms.until("ann has said nothing here yet");
    rooms.types("!pnig\r");
    rooms.until("I do not know “pnig”");
    rooms.types("/edit !ping\r");
    rooms.until("beadle: pong");
    rooms.types("/room @ben\r/as ben\rwho\r");
    rooms.until("@ben beadle: it is ben");
    rooms.types("/nonsense\r");
    rooms.until("there are /as NAME");
    rooms.close();
}

#[test]
fn a_terminal_that_only_prints_lines_gets_lines() {
    let place = place("");
    let mut rooms = Rooms::open_on(&place, "dumb");
    rooms.until("you are ann in #ops");
    rooms.types("!ping\n");
    rooms.until("beadle: pong");
    let line = rooms.shown.lines().find(|line| line.contains("pong")).expect("it was shown");
    assert_eq!(line.trim_end(), "#ops beadle: pong", "nothing stands before what is said");
    rooms.types("/as ben\n!who\n");
    rooms.until("you are ben in #ops");
    rooms.until("#ops beadle: it is ben");
    rooms.types("/room #dev\n!pending all\n");
    rooms.until("you are ben in #dev");
    rooms.until("It is for #ops: it tells of other rooms.");
    rooms.types("/room #ops\n!pending all\n");
    rooms.until("Nobody is asked anything.");
    assert!(!rooms.shown.contains('\u{1b}'), "{:?}", rooms.shown);
    rooms.close();
}

#[test]
fn policies_that_change_are_told_in_the_terminal_room() {
    let place = place("");
    place.write("policy/a.cedar", OPEN);
    let mut rooms = Rooms::open(&place);
    place.write("policy/a.cedar", "permit (principal, action,\n");
    rooms.until("My policies were changed and cannot be used");
    place.write("policy/a.cedar", OPEN);
    rooms.until("My policies can be used again");
    place.write(
        "policy/b.cedar",
        "forbid (principal is Person, action == Action::\"run\", resource == Alias::\"who\");\n",
    );
    rooms.until("Other policies are in force: b.cedar is new");
    fs::rename(place.path("policy"), place.path("away")).expect("ours");
    rooms.until("My policies were changed and cannot be used");
    let shown = rooms.close();
    assert!(!shown.contains("WARN"), "{shown}");
}

#[test]
fn nothing_is_played_into_the_data_of_a_bot_on_matrix() {
    let place = Place::new();
    fs::create_dir_all(place.path("bot/matrix")).expect("ours");
    place.write("t.txt", "(room #ops)\n> ann: !ping\n< bot: pong\n");
    for args in [&["--data", "bot", "chat"][..], &["--data", "bot", "chat", "--play", "t.txt"]] {
        let ran = place.run(args).expect(2);
        assert!(ran.err.contains("belongs to a bot on Matrix"), "{args:?}: {}", ran.err);
        assert!(!place.path("bot/log").exists(), "{args:?}");
    }
    place.run(&["--data", "other", "chat", "--play", "t.txt"]).expect(0);
}
