//! The same twenty messages as Matrix, Slack, IRC and a network of plain text show them, and the bridges of a configuration.

use std::fmt::Write;

use beadle::adapter::network::render_for;
use beadle::adapter::render::Rendered;
use beadle::domain::bridge::{Bridges, Caps};
use beadle::domain::message::{Block, Doc, Span};
use serde_json::Value;

use crate::cli::Place;

/// What they look like, kept beside the tests.
const SHOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bridges/messages.txt");

fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

fn table(head: &[&str], cells: &[&[&str]]) -> Doc {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    Doc::default().block(Block::Table { head, rows: rows(cells) })
}

fn link(url: &str, text: &str) -> Span {
    Span::Link { url: url.into(), text: text.into() }
}

fn mention(id: &str, name: &str) -> Span {
    Span::Mention { id: id.into(), name: name.into() }
}

/// The messages, each with what it is.
fn messages() -> Vec<(&'static str, Doc)> {
    let many = (1..=9).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    let wide = "w".repeat(90);
    vec![
        ("a word", Doc::text("pong")),
        ("lines with an empty one", Doc::text("one\n\ntwo")),
        ("nine lines", Doc::text(&many)),
        ("a long sentence", Doc::text(&"the disk of web1 is full ".repeat(20))),
        ("a long word", Doc::text(&"x".repeat(900))),
        ("bold", Doc::default().line(["it is ".into(), Span::Bold("up".into())])),
        ("code in a line", Doc::default().line(["say ".into(), Span::Code("!yes 7f3a".into())])),
        ("a link", Doc::default().line([link("https://x.org/e/7f3a", "the log")])),
        ("a bare link", Doc::default().line([link("https://x.org", "https://x.org")])),
        ("a script that is no link", Doc::default().line([link("javascript:alert(1)", "x")])),
        ("a person", Doc::default().line([mention("@ann:x.org", "Ann"), ": done".into()])),
        ("one line of code", Doc::default().code_block("systemctl restart web1", Some("sh"))),
        (
            "lines of code",
            Doc::text("it is:").code_block("let a = 1;\n\nlet b = 2;\n", Some("rust")),
        ),
        (
            "a list",
            Doc::text("hosts:").list([vec!["web1".into()], vec![Span::Bold("web2".into())]]),
        ),
        ("a table", table(&["service", "state"], &[&["web", "up"], &["database", "down"]])),
        ("a wide table", table(&["name", "says"], &[&["a", &wide], &["b", "little"]])),
        ("an emoji", Doc::of_reaction("👍")),
        ("hidden characters", Doc::text("a\u{2}b\u{202E}c @room")),
        ("html", Doc::text("<b>no</b> & yes")),
        (
            "all at once",
            Doc::text("deployed")
                .line([mention("@ann:x.org", "Ann"), " ".into(), link("https://x.org", "log")])
                .then(table(&["a"], &[&["1"]])),
        ),
    ]
}

#[test]
fn every_network_shows_the_same_messages() {
    let bridges = Bridges::shipped();
    let networks: [(&str, Caps); 4] = [
        ("matrix", bridges.caps("matrix")),
        ("slack", bridges.caps("slack")),
        ("irc", bridges.caps("irc")),
        ("plain", Caps::PLAIN),
    ];
    let mut shown = String::new();
    for (name, doc) in messages() {
        writeln!(shown, "=== {name}").expect("a text takes everything");
        for (network, caps) in &networks {
            let Rendered { plain, html, mentions, .. } = render_for(&doc, caps);
            writeln!(shown, "--- {network}\n{plain}").expect("a text takes everything");
            if let Some(html) = html {
                writeln!(shown, "html: {html}").expect("a text takes everything");
            }
            if !mentions.is_empty() {
                writeln!(shown, "calls: {}", mentions.join(" ")).expect("a text takes everything");
            }
            if caps.line_bytes > 0 {
                assert!(plain.lines().all(|line| line.len() <= caps.line_bytes), "{name}: {plain}");
            }
        }
    }
    assert_eq!(messages().len(), 20);
    let kept = std::fs::read_to_string(SHOWN).unwrap_or_default();
    assert!(kept == shown, "{SHOWN} differs; if that is meant, it is to hold:\n{shown}");
}

#[test]
fn bridges_are_listed_and_verified() {
    let place = Place::new();
    let all = place.ok(&["bridge", "list", "--json"]);
    let listed: Vec<Value> =
        all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = listed.iter().filter_map(|row| row["bridge"].as_str()).collect();
    assert_eq!(names, ["bridgev2", "heisenbridge", "relay"]);
    assert!(listed.iter().all(|row| row["used"] == false));
    place.write(
        "own/telegram/profile.toml",
        "network = \"telegram\"\n[match]\nghost = \"telegram_{native}\"\n",
    );
    place.write("beadle.toml", "[bridges]\nuse = [\"telegram\"]\nfolder = \"own\"\n");
    assert_eq!(place.ok(&["bridge", "verify"]), "4 profiles read, 1 in use: nothing is wrong.\n");
    place.write("own/telegram/profile.toml", "network = \"telegram\"\n[mtach]\nghost = \"x\"\n");
    let wrong = place.run(&["bridge", "verify"]).expect(3).err;
    assert!(wrong.contains("own/telegram: mtach: there is no such key"), "{wrong}");
    assert!(wrong.contains("did you mean `match`?"), "{wrong}");
    place.write("beadle.toml", "[bridges]\nuse = [\"telegram\"]\n");
    let unknown = place.run(&["bridge", "list"]).expect(3).err;
    assert!(unknown.contains("there is no bridge `telegram`"), "{unknown}");
    place.write("beadle.toml", "[bridges]\nuse = [\"heisenbridge\"]\nfiles = [\"heisenbridge\"]\n");
    let all = place.ok(&["bridge", "list", "--json"]);
    let shows = |row: &Value| row["bridge"] == "heisenbridge" && row["shows"]["files"] == true;
    assert!(all.lines().any(|line| shows(&serde_json::from_str(line).expect("JSON"))), "{all}");
    place.write("beadle.toml", "[bridges]\nfiles = [\"heisenbridge\"]\n");
    let unused = place.run(&["bridge", "list"]).expect(3).err;
    assert!(unused.contains("bridges.files: `heisenbridge` is not in use"), "{unused}");
    place.write("own/twin/profile.toml", "like = \"heisenbridge\"\n[match]\nbots = [\"twin\"]\n");
    place.write("own/telegram/profile.toml", "like = \"bridgev2\"\nnetwork = \"telegram\"\n");
    place.write("beadle.toml", "[bridges]\nfolder = \"own\"\nuse = [\"heisenbridge\", \"twin\"]\n");
    let twins = place.run(&["bridge", "verify"]).expect(3).err;
    assert!(twins.contains("an account could be of `heisenbridge` and of `twin`"), "{twins}");
}

#[test]
fn a_room_is_checked_by_its_name_or_its_id() {
    let place = Place::new();
    place.write("scripts/none.rhai", "//! Nothing.\n");
    let rooms = ["#ops:one.org", "#ops:two.org", "#dev:one.org"];
    let talk: Vec<String> =
        rooms.iter().map(|room| format!("(room {room})\n> ann: !help\n< bot*: *\n")).collect();
    place.write("talk.txt", talk.concat());
    place.ok(&["chat", "--play", "talk.txt", "--data", "data"]);
    let check = |room| place.run(&["--data", "data", "--json", "bridge", "check", room]);
    for (named, want) in [
        ("dev", "#dev:one.org"),
        ("#Dev:one.org", "#dev:one.org"),
        ("ops:two.org", "#ops:two.org"),
        ("!never:seen.org", "!never:seen.org"),
    ] {
        let told = check(named).expect(0).out;
        let row: Value = serde_json::from_str(&told).expect(&told);
        assert_eq!((&row["room"], &row["network"]), (&want.into(), &"matrix".into()), "{named}");
    }
    for (named, parts) in [
        ("ops", ["`ops` is the name of #ops:", "#ops:one.org (#ops:one.org)", "#ops:two.org (#"]),
        ("deb", ["no room in the log is called `deb`", "did you mean `dev`?", ""]),
    ] {
        let told = check(named).expect(1).err;
        let says = parts.iter().all(|part| told.contains(part));
        assert!(says && told.contains("its id always fits"), "{told}");
    }
}

#[test]
fn a_registration_has_tokens_of_its_own_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let told =
        place.ok(&["bridge", "init", "heisenbridge", "--to", "hb.yaml", "--url", "http://[::1]:7"]);
    let path = place.path("hb.yaml");
    assert!(told.contains("app_service_config_files:\n  - /"), "{told}");
    assert!(
        told.contains(
            "[bridges]\nuse = [\"heisenbridge\"]\nat = { heisenbridge = \"http://[::1]:7\" }"
        ),
        "{told}"
    );
    let mode = path.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).expect("it is ours");
    let token = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).expect(key).to_owned();
        assert!(line.len() == 64 && line.chars().all(|c| c.is_ascii_hexdigit()), "{key}{line}");
        line
    };
    assert_ne!(token("as_token: "), token("hs_token: "));
    assert!(text.contains("url: http://[::1]:7\n") && text.contains("'@irc_.*'"), "{text}");
    assert!(!told.contains(&token("as_token: ")), "no token is shown");
    let again = place.run(&["bridge", "init", "heisenbridge", "--to", "hb.yaml"]).expect(1).err;
    assert!(again.contains("cannot write `hb.yaml`"), "{again}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is ours"), text, "it is as it was");
    let media =
        ["bridge", "init", "heisenbridge", "--to", "with.yaml", "--media-url", "https://m.x"];
    let told = place.ok(&media);
    assert!(told.contains("files = [\"heisenbridge\"]"), "{told}");
    let text = std::fs::read_to_string(place.path("with.yaml")).expect("it is ours");
    assert!(text.ends_with("heisenbridge:\n    media_url: https://m.x\n"), "{text}");
    second_of_its_kind(&place);
    place.run(&["bridge", "init", "matterbridge"]).expect(2).complains(&["`matterbridge`"]);
    place.run(&["bridge", "init", "heisenbridge", "--url", "x\ny: 1"]).expect(2);
}

#[test]
fn doctor_asks_the_bridges_whether_they_run() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 1024];
            // Who has hung up needs no answer.
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        }
    });
    let place = Place::new();
    let used = "[bridges]\nuse = [\"heisenbridge\", \"relay\"]\n";
    let at = |port: u16| format!("at = {{ heisenbridge = \"http://127.0.0.1:{port}\" }}\n");
    for (at, want) in [
        (
            String::new(),
            "ok   bridge: nobody looks whether heisenbridge runs: `at` under [bridges]".to_owned(),
        ),
        (at(port), format!("ok   bridge: heisenbridge answers at http://127.0.0.1:{port}\n")),
        (
            at(1),
            "FAIL bridge: heisenbridge does not answer at http://127.0.0.1:1: no connection"
                .to_owned(),
        ),
    ] {
        place.write("beadle.toml", format!("{used}{at}"));
        let told = place.run(&["--data", "data", "doctor"]).expect(1).out;
        assert!(told.contains(&want), "{told}");
        assert_eq!(told.matches(" bridge: ").count(), 1, "what cannot be asked is not: {told}");
    }
}

/// A second bridge has names of its own, and the profile that is written for it counts as it is.
fn second_of_its_kind(place: &Place) {
    let media = ["--media-url", "https://m.x/2"];
    let init = ["bridge", "init", "heisenbridge", "--name", "oftc", "--to", "oftc.yaml"];
    let told = place.ok(&[&init[..], &media[..]].concat());
    assert!(told.contains("folder = \"bridges\"\nuse = [\"oftc\"]"), "{told}");
    assert!(told.contains("files = [\"oftc\"]"), "{told}");
    let text = std::fs::read_to_string(place.path("oftc.yaml")).expect("it is ours");
    for part in ["id: oftc\n", "sender_localpart: oftc\n", "- regex: '@oftc_.*'\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("irc_") && text.ends_with("media_url: https://m.x/2\n"), "{text}");
    let both = "use = [\"heisenbridge\", \"oftc\"]\nfiles = [\"oftc\"]\n";
    place.write("beadle.toml", format!("[bridges]\nfolder = \"bridges\"\n{both}"));
    assert_eq!(place.ok(&["bridge", "verify"]), "4 profiles read, 2 in use: nothing is wrong.\n");
    let all = place.ok(&["bridge", "list"]);
    assert!(all.contains("oftc             oftc       in use"), "{all}");
    let again = place.run(&[&init[..4], &["oftc", "--to", "more.yaml"]].concat()).expect(1).err;
    assert!(again.contains("`bridges/oftc/profile.toml` is there already"), "{again}");
    assert!(!place.path("more.yaml").exists(), "nothing is written");
    for name in ["irc", "heisenbridge", "my_net", "Oftc", ""] {
        let wrong = place.run(&[&init[..4], &[name, "--to", "more.yaml"]].concat()).expect(2).err;
        assert!(wrong.contains("is no name for a bridge"), "{name:?}: {wrong}");
    }
    let alone = place.run(&["bridge", "init", "heisenbridge", "--profiles", "x"]).expect(2).err;
    assert!(alone.contains("--name"), "{alone}");
    place.write("beadle.toml", "");
}
