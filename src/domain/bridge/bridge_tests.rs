//! Which accounts are of a bridge, what rooms can show, and how texts get there.

use super::address::{MERGED_LINES_MAX, RELAYED_CHARS_MAX, called, merged, relayed};
use super::caps::{
    LINE_BYTES_MAX, LINE_BYTES_MIN, LINE_MS_MAX, SHOWN_LINES_MAX, TEXT_BYTES_MAX, TEXT_BYTES_MIN,
};
use super::lines::{ROW_CHARS_MAX, SHOWN_SLACK, begins_in_columns, lines, part};
use super::profile::{HEALTH_BYTES_MAX, ITEMS_MAX, PROFILE_BYTES_MAX, fits};
use super::*;
use crate::domain::message::{Block, Doc, Span};
use crate::domain::trigger::Trust;

/// The bridges that ship, all in use.
fn bridges() -> Bridges {
    let all: Vec<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    Bridges::default().using(&all, &[]).expect("they ship")
}

#[test]
fn accounts_of_our_own_homeserver_stand_for_others() {
    let bridges = bridges();
    for (id, want) in [
        ("@irc_libera_victor:hs", "heisenbridge ghost victor@libera"),
        ("@irc_testnet_v=5bx=5d=7cy_:hs", "heisenbridge ghost v[x]|y_@testnet"),
        ("@irc_net_=zz=5:hs", "heisenbridge ghost =zz=5@net"),
        ("@irc_libera_victor:evil.org", "nobody"),
        ("@irc_libera_:hs", "nobody"),
        ("@irc__victor:hs", "nobody"),
        ("@irc_victor:hs", "nobody"),
        ("@IRC_libera_victor:hs", "nobody"),
        ("@heisenbridge:hs", "heisenbridge bot"),
        ("@heisenbridge:evil.org", "nobody"),
        ("@slack_t0123-u0456:hs", "bridgev2 ghost u0456@t0123"),
        ("@matterbridge:hs", "relay relay"),
        ("@ann:hs", "nobody"),
        ("ann", "nobody"),
        ("", "nobody"),
    ] {
        let got = match bridges.account(id, "hs") {
            None => "nobody".to_owned(),
            Some(Account::Bot(it)) => format!("{} bot", it.name),
            Some(Account::Relay(it)) => format!("{} relay", it.name),
            Some(Account::Ghost(it, native)) => format!("{} ghost {native}", it.name),
        };
        assert_eq!(got, want, "{id}");
    }
    let unused = Bridges::default();
    assert_eq!(unused.account("@irc_libera_victor:hs", "hs"), None, "it is not in use");
}

#[test]
fn networks_with_underscores_are_listed() {
    let text = "network = \"irc\"\n[match]\nghost = \"irc_{network}_{native}\"\nnetworks = [\"my\", \"my_net\"]";
    let profile = Profile::parse("own", text).expect("it is right");
    for (local, want) in [
        ("irc_my_net_eva", "eva@my_net"),
        ("irc_my_eva", "eva@my"),
        ("irc_other_net_eva", "net_eva@other"),
    ] {
        let Some(Account::Ghost(_, native)) = profile.account(local) else { panic!("{local}") };
        assert_eq!(native, want);
    }
}

#[test]
fn a_profile_may_be_like_one_that_ships() {
    let text = "like = \"heisenbridge\"\nnetwork = \"oftc\"\n[match]\nghost = \"oftc_{network}_{native}\"\n\
                bots = [\"oftc\"]\n[show]\nlines = 2\n[loop]\nbots = []\n";
    let own = Profile::parse("oftc", text).expect("it is right");
    let all = bridges();
    let shipped = all.known().iter().find(|it| it.name == "heisenbridge").expect("it ships");
    let Some(Account::Ghost(_, native)) = own.account("oftc_net_v=5bx=5d") else {
        panic!("a ghost of its own")
    };
    assert_eq!(native, "v[x]@net", "names are read in the same way");
    assert!(matches!(own.account("oftc"), Some(Account::Bot(_))));
    assert_eq!((own.account("irc_net_eva"), own.account("heisenbridge")), (None, None));
    assert_eq!(own.caps, Caps { lines: 2, ..shipped.caps });
    assert!(own.whois && own.names_network && own.merges_lines && own.trust == Trust::Nick);
    assert_eq!((own.programs.len(), own.foreign == shipped.foreign), (0, true));
    let network = Bridges::network_of([&own, shipped]);
    assert_eq!(network, "irc+oftc");
    let mut both = Bridges::default();
    assert!(both.add(own));
    let used = ["heisenbridge".to_owned(), "oftc".to_owned()];
    let both = both.using(&used, &[]).expect("both are known");
    assert_eq!((both.caps(&network).lines, both.caps("irc").lines), (2, 4), "the least of both");
    assert_eq!(both.meeting(), None);
}

#[test]
fn accounts_belong_to_one_bridge() {
    assert_eq!(bridges().meeting(), None, "those that ship");
    let like = |text: &str| format!("like = \"heisenbridge\"\n[match]\n{text}");
    for (text, meet) in [
        ("", true),
        ("bots = [\"b\"]", true),
        ("ghost = \"b_{native}\"", true),
        ("bots = [\"irc_b\"]\nghost = \"b_{native}\"", true),
        ("bots = [\"b\"]\nghost = \"irc_b_{native}\"", true),
        ("bots = [\"b\"]\nghost = \"i{native}\"", true),
        ("bots = [\"b\"]\nghost = \"h{native}\"", true),
        ("bots = [\"b\"]\nghost = \"irc-b_{native}\"", false),
    ] {
        let mut bridges = Bridges::default();
        assert!(bridges.add(Profile::parse("b", &like(text)).expect("it is right")));
        let unused = bridges.clone().using(&["b".into()], &[]).expect("it is known");
        assert_eq!(unused.meeting(), None, "{text}: the other one is not in use");
        let used =
            bridges.using(&["b".into(), "heisenbridge".into()], &[]).expect("both are known");
        assert_eq!(used.meeting(), meet.then_some(("b", "heisenbridge")), "{text}");
    }
}

#[test]
fn wrong_profiles_are_told_with_their_place() {
    let good = "network = \"irc\"\n[match]\nghost = \"irc_{native}\"\n";
    let list = |items: usize| format!("bots = {:?}", vec!["a"; items]);
    for (text, want) in [
        (good.to_owned(), "fine"),
        (format!("{good}{}", list(ITEMS_MAX)), "fine"),
        (
            format!("{good}{}", list(ITEMS_MAX + 1)),
            "p: match.bots: this is no list, or a long one; write `[\"a\", \"b\"]`, at most 100",
        ),
        (
            "".to_owned(),
            "p: match.ghost: no account would be of this bridge; write `ghost` or `relays`",
        ),
        (format!("{good}[health]\npath = \"/{}\"", "a".repeat(HEALTH_BYTES_MAX - 1)), "fine"),
        (
            format!("{good}[health]\npath = \"/{}\"", "a".repeat(HEALTH_BYTES_MAX)),
            "p: health.path: this is no path; write it as `/_matrix/mau/live`, without what would stand behind a `?`",
        ),
        (
            format!("{good}[health]\npath = \"/live?token=x\""),
            "p: health.path: this is no path; write it as `/_matrix/mau/live`, without what would stand behind a `?`",
        ),
        (format!("{good}ghst = 1"), "p: match.ghst: there is no such key; did you mean `ghost`?"),
        (format!("shwo = 1\n{good}"), "p: shwo: there is no such key; did you mean `show`?"),
        (
            format!("show = 1\n{good}"),
            "p: show: this is no table; write `[show]` and its keys below",
        ),
        (
            good.replace("irc_{native}", "{native}"),
            "p: match.ghost: it has to begin with what only this bridge's accounts begin with, and names no server; write how the account begins, such as `irc_{network}_{native}` or `telegram_{native}`",
        ),
        (
            good.replace("{native}", "x"),
            "p: match.ghost: `{native}` is missing; write how the account begins, such as `irc_{network}_{native}` or `telegram_{native}`",
        ),
        (
            good.replace("irc_{native}", "irc_{network}{native}"),
            "p: match.ghost: nothing stands between `{network}` and `{native}`; write how the account begins, such as `irc_{network}_{native}` or `telegram_{native}`",
        ),
        (
            good.replace("\"irc\"", "\"matrix\""),
            "p: network: the network has no name; write a word of small letters, digits and `-`, such as `network = \"irc\"`",
        ),
        (
            format!("like = \"slack\"\n{good}"),
            "p: like: there is no such profile; write one that ships: bridgev2, heisenbridge, relay",
        ),
        (
            format!("like = [1]\n{good}"),
            "p: like: there is no such profile; write one that ships: bridgev2, heisenbridge, relay",
        ),
        ("like = \"heisenbridge\"".to_owned(), "fine"),
        (
            "like = \"heisenbridge\"\n[show]\nlines = 0".to_owned(),
            "p: show.lines: this number does not fit; write one from 1 to 200",
        ),
        (
            format!("{good}[identity]\ntrust = \"device\""),
            "p: identity.trust: there is no such trust; write `nothing`, `nick` or `network`",
        ),
        (
            format!("{good}[identity]\ntrust = \"account\""),
            "p: identity.trust: `account` is what a homeserver proves of its own people; write `network` for a network that never gives an account to somebody else",
        ),
        (
            format!("{good}[identity]\ntrust = \"identified\""),
            "p: identity.trust: there is no such trust; write `nothing`, `nick` or `network`",
        ),
        (
            format!("{good}[identity]\nverify = \"dns\""),
            "p: identity.verify: accounts are not asked for so; write `whois`, or leave it out",
        ),
        (format!("{good}[provision]\nkind = \"heisenbridge\""), "fine"),
        (
            format!("{good}[provision]\nkind = \"irssi\""),
            "p: provision.kind: the bot does not know how to set up channels so; write `heisenbridge`, or leave it out",
        ),
        (
            format!("{good}[show]\ntables = \"no\""),
            "p: show.tables: tables are not shown so; write `pairs`, `aligned`, `code` or `html`",
        ),
        (
            format!("{good}[show]\nhtml = 1"),
            "p: show.html: this is neither true nor false; write `true` or `false`",
        ),
        (format!("{good}[show]\nline_bytes = {LINE_BYTES_MIN}"), "fine"),
        (format!("{good}[show]\nline_bytes = {LINE_BYTES_MAX}"), "fine"),
        (
            format!("{good}[show]\nline_bytes = {}", LINE_BYTES_MIN - 1),
            "p: show.line_bytes: this number does not fit; write one from 80 to 16384",
        ),
        (format!("{good}[show]\ntext_bytes = {TEXT_BYTES_MIN}"), "fine"),
        (
            format!("{good}[show]\ntext_bytes = {}", TEXT_BYTES_MAX + 1),
            "p: show.text_bytes: this number does not fit; write one from 480 to 1048576",
        ),
        (
            format!("{good}[show]\nlines = {}", SHOWN_LINES_MAX + 1),
            "p: show.lines: this number does not fit; write one from 1 to 200",
        ),
        (
            format!("{good}[show]\nline_ms = {}", LINE_MS_MAX + 1),
            "p: show.line_ms: this number does not fit; write one from 0 to 60000",
        ),
        (
            format!("{good}[loop]\nheeded = [1]"),
            "p: loop.heeded: something in it is no text; write each in quotation marks",
        ),
        (
            format!("# {}\n", "x".repeat(PROFILE_BYTES_MAX)),
            "p: it has 65539 bytes; a profile has few lines",
        ),
    ] {
        let got = match Profile::parse("p", &text) {
            Ok(_) => "fine".to_owned(),
            Err(error) => format!("{error}; {}", error.hint),
        };
        assert_eq!(got, want, "{text:.200}");
    }
    let torn = Profile::parse("p", "network = \"irc\"\n[match\n").expect_err("it is torn");
    assert_eq!(torn.place, "p:2", "{torn}");
    assert_eq!(Bridges::default().using(&["nobody".into()], &[]), Err("nobody".to_owned()));
}

#[test]
fn only_so_many_profiles_are_known() {
    let text = "network = \"irc\"\n[match]\nghost = \"irc_{native}\"\n";
    let mut bridges = Bridges::default();
    for n in SHIPPED.len()..PROFILES_MAX {
        assert!(bridges.add(Profile::parse(&format!("p{n}"), text).expect("it is right")), "{n}");
    }
    assert!(bridges.add(Profile::parse("relay", text).expect("it is right")), "in its place");
    assert!(!bridges.add(Profile::parse("one-more", text).expect("it is right")));
}

#[test]
fn a_room_shows_the_least_of_its_networks() {
    let bridges = bridges();
    assert_eq!(bridges.caps("matrix"), Caps::WHOLE);
    assert_eq!(bridges.caps("terminal"), Caps::WHOLE);
    assert_eq!(bridges.caps("carrier-pigeon"), Caps::PLAIN);
    let (irc, slack) = (bridges.caps("irc"), bridges.caps("slack"));
    assert_eq!((irc.html, irc.line_bytes, irc.lines, irc.line_ms), (false, 400, 4, 1_500));
    assert_eq!(
        (slack.html, slack.edits, slack.notices, slack.tables),
        (true, true, false, Tables::Code)
    );
    assert_eq!(bridges.caps("irc+slack"), irc);
    assert_eq!(bridges.caps("slack+irc"), irc);
    let relay = bridges.caps("irc+relay");
    assert_eq!((relay.files, relay.lines), (false, 4));
    let network = |names: &[&str]| {
        Bridges::network_of(bridges.known().iter().filter(|it| names.contains(&it.name.as_str())))
    };
    assert_eq!(network(&["heisenbridge", "bridgev2"]), "irc+slack");
    assert_eq!(network(&[]), "");
}

#[test]
fn several_bridges_of_one_kind() {
    let second = include_str!("../../../bridges/heisenbridge/profile.toml")
        .replace("irc_{network}", "oftc_{network}")
        .replace("lines = 4", "lines = 2");
    let mut all = Bridges::default();
    assert!(all.add(Profile::parse("second", &second).expect("it is right")));
    let using = |used: &[&str]| {
        let used: Vec<String> = used.iter().map(|name| (*name).to_owned()).collect();
        all.clone().using(&used, &[]).expect("they are known")
    };
    let (none, one, both) =
        (using(&["relay"]), using(&["heisenbridge", "relay"]), using(&["heisenbridge", "second"]));
    let told = |bridges: &Bridges, name: Option<&str>| match bridges.provisioned(name) {
        Ok(profile) => profile.name.clone(),
        Err(names) => format!("one of {names:?}"),
    };
    assert_eq!(told(&none, None), "one of []");
    assert_eq!(told(&one, None), "heisenbridge");
    assert_eq!(told(&one, Some("relay")), "one of [\"heisenbridge\"]", "it takes no orders");
    assert_eq!(told(&both, None), "one of [\"heisenbridge\", \"second\"]");
    assert_eq!(told(&both, Some("second")), "second");
    assert_eq!((one.caps("irc").lines, both.caps("irc").lines), (4, 2), "the least of them");
}

#[test]
fn trust_is_what_the_network_proves() {
    let trust = |name: &str| {
        bridges().known().iter().find(|it| it.name == name).map(|it| it.trust).expect("it ships")
    };
    let asked: Vec<String> =
        bridges().known().iter().filter(|it| it.whois).map(|it| it.name.clone()).collect();
    assert_eq!(asked, ["heisenbridge"], "where accounts can be asked for");
    assert_eq!(trust("heisenbridge"), Trust::Nick);
    assert_eq!(trust("relay"), Trust::Nick);
    assert_eq!(trust("bridgev2"), Trust::Network);
}

#[test]
fn programs_and_foreign_commands_are_known() {
    let bridges = bridges();
    let of = |id: &str| match bridges.account(id, "hs") {
        Some(Account::Ghost(profile, native)) => Bridges::is_program(profile, &native),
        other => panic!("{other:?}"),
    };
    for (id, program) in [
        ("@irc_net_nickserv:hs", true),
        ("@irc_net_nickserver:hs", false),
        ("@irc_net_eva:hs", false),
        ("@slack_t1-b7:hs", true),
        ("@slack_t1-u7:hs", false),
    ] {
        assert_eq!(of(id), program, "{id}");
    }
    for (text, foreign) in [
        ("!irc join #x", true),
        ("!IRC", true),
        ("!slack login", true),
        ("!ircx", false),
        ("!create vm", false),
        ("", false),
    ] {
        assert_eq!(bridges.is_foreign(text), foreign, "{text:?}");
    }
    assert!(!Bridges::default().is_foreign("!irc join"), "none is in use");
    for (glob, name, want) in
        [("*serv@*", "nickserv@net", true), ("a*", "ba", false), ("*", "", true), ("a", "a", true)]
    {
        assert_eq!(fits(glob, name), want, "{glob} {name}");
    }
}

#[test]
fn relayed_texts_name_who_said_them() {
    let longest = "n".repeat(RELAYED_CHARS_MAX);
    for (text, want) in [
        ("<eva> !help", Some("eva|!help")),
        ("[irc] <eva> !help", Some("eva|!help")),
        ("<> x", None),
        ("!help", None),
        ("a <eva> x", None),
        (&format!("<{longest}> x"), Some(&*format!("{longest}|x"))),
        (&format!("<{longest}n> x"), None),
    ] {
        let got = relayed(text).map(|(name, said)| format!("{name}|{said}"));
        assert_eq!(got.as_deref(), want, "{text:?}");
    }
}

#[test]
fn merged_lines_are_taken_one_by_one() {
    assert_eq!(merged("!one\n\n!two"), ["!one", "!two"]);
    assert_eq!(merged("one"), ["one"]);
    assert_eq!(merged("\n"), ["\n"]);
    let many = |count: usize| vec!["x"; count].join("\n");
    assert_eq!(merged(&many(MERGED_LINES_MAX)).len(), MERGED_LINES_MAX);
    let more = merged(&many(MERGED_LINES_MAX + 3));
    assert_eq!((more.len(), more[MERGED_LINES_MAX - 1].as_str()), (MERGED_LINES_MAX, "x\nx\nx\nx"));
}

#[test]
fn answers_begin_with_a_name_once() {
    for (name, text, want) in [
        ("eva", "done", "eva: done"),
        ("eva", "Eva: done", "Eva: done"),
        ("eva", "On it, eva: execution 1", "On it, eva: execution 1"),
        ("eva", "evaluated", "eva: evaluated"),
        ("eva", "one\neva", "eva: one\neva"),
        ("eva", "I do not know “eva: hi” and “a”.", "eva: I do not know “eva: hi” and “a”."),
        ("eva", "“a” is for eva.", "“a” is for eva."),
        ("", "done", "done"),
        ("ä", "bä", "ä: bä"),
    ] {
        assert_eq!(called(name, text, false), want, "{name} {text:?}");
    }
    let columns = "service  state\nweb      up";
    assert_eq!(called("eva", columns, true), format!("eva:\n{columns}"));
    assert_eq!(called("web", columns, true), format!("web:\n{columns}"));
    assert_eq!(called("state", columns, true), columns);
}

fn text(text: &str) -> Doc {
    Doc::text(text)
}

fn irc(doc: &Doc) -> Vec<String> {
    lines(doc, &bridges().caps("irc"))
}

#[test]
fn lines_get_through_whole() {
    let word = "x".repeat(1_200);
    let umlauts = "ü".repeat(400);
    let sentence = "one two three ".repeat(60);
    let late = format!("{} {}", "a".repeat(150), "b".repeat(350));
    for text in [word.as_str(), &umlauts, &sentence, &late] {
        let shown = irc(&Doc::text(text));
        assert!(shown.iter().all(|line| !line.is_empty() && line.len() <= 400), "{shown:?}");
        let plain = |text: &str| text.replace(' ', "");
        assert_eq!(plain(&shown.concat()), plain(text), "nothing is lost");
    }
    assert_eq!(irc(&Doc::text(&word)).len(), 3);
    assert!(
        irc(&Doc::text(&sentence))
            .iter()
            .all(|line| line.ends_with("three") || line.ends_with("two") || line.ends_with("one")),
        "between words"
    );
    assert_eq!(
        irc(&Doc::text(&late)),
        ["a".repeat(150), "b".repeat(350)],
        "a word that fits is not cut"
    );
    assert_eq!(irc(&text("a\n\n \nb")), ["a", "b"], "empty lines get nowhere");
}

#[test]
fn what_stands_below_each_other_begins_in_columns() {
    let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let table = |cell: &str| Block::Table { head: cells(&["service"]), rows: vec![cells(&[cell])] };
    let caps = bridges().caps("irc");
    let wide = "u".repeat(ROW_CHARS_MAX + 1);
    for (doc, want) in [
        (Doc::default().block(table("web")), true),
        (Doc::default().block(table(&wide)), false),
        (Doc::default().code_block("a\nb", None), true),
        (Doc::default().code_block("a\n\n", None), false),
        (text("a").block(table("web")), false),
        (text("a\nb"), false),
    ] {
        assert_eq!(begins_in_columns(&doc, &caps), want, "{doc:?}");
    }
}

#[test]
fn blocks_are_lines() {
    let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let table = |wide: usize| Block::Table {
        head: cells(&["service", "state"]),
        rows: vec![cells(&["web", &"u".repeat(wide)]), cells(&["db", "down"])],
    };
    let doc = Doc::default()
        .line([Span::Bold("b".into()), Span::Code("c".into())])
        .line([Span::Link { url: "https://x.org".into(), text: "x".into() }])
        .line([Span::Mention { id: "@irc_n_eva:hs".into(), name: "eva".into() }])
        .code_block("a\n\nb\n", Some("sh"))
        .list([vec!["p".into()], vec!["q".into()]])
        .block(table(2));
    let want = [
        "b`c`",
        "x (https://x.org)",
        "eva",
        "`a`",
        "`b`",
        "- p",
        "- q",
        "service  state",
        "web      uu",
        "db       down",
    ];
    assert_eq!(irc(&doc), want);
    let wide = Doc::default().block(table(ROW_CHARS_MAX));
    let pairs = [
        format!("service: web, state: {}", "u".repeat(ROW_CHARS_MAX)),
        "service: db, state: down".into(),
    ];
    assert_eq!(irc(&wide), pairs);
    assert_eq!(
        irc(&text("@room \u{2}bold")),
        ["@\u{2060}room ␂bold"],
        "it calls nobody and hides nothing"
    );
}

#[test]
fn parts_put_together_are_all_lines() {
    let caps = bridges().caps("irc");
    for count in 1..=30 {
        let text: Vec<String> = (0..count).map(|n| format!("line {n}")).collect();
        let doc = Doc::text(&text.join("\n"));
        let (mut told, mut number) = (vec![], 1);
        loop {
            let (lines, left) = part(&doc, number, &caps).expect("there is a part");
            assert!(lines.len() <= caps.lines + SHOWN_SLACK, "{count} lines");
            told.extend(lines);
            assert_eq!(left, count - told.len(), "{count} lines");
            if left == 0 {
                break;
            }
            number += 1;
        }
        assert_eq!(told, text);
        assert_eq!(part(&doc, usize::MAX, &caps), None);
        assert_eq!(part(&doc, 0, &caps), None);
    }
}
