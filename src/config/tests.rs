//! The configuration: what is right, what is wrong and how that is told.

use super::*;
use crate::domain::bridge::alive::{ASK_EVERY, ASK_EVERY_MS_MAX, ASK_EVERY_MS_MIN};
use crate::domain::context::CONTEXT_TURNS_MAX;
use crate::domain::hook::{HEADERS_TAKEN_MAX, HOOKS_MAX};

#[test]
fn wrong_configurations_are_told_with_their_place() {
    for (text, want) in [
        ("[bot]\nprefix = \"!\"", "good"),
        (
            "[bot]\nprefx = \"!\"",
            "c:2: there is no key in [bot] named `prefx` (did you mean `prefix`?)",
        ),
        ("[matrx]", "c:1: there is no table named `matrx` (did you mean `matrix`?)"),
        ("[invites]\nallow = \"#a\"", "c:2: `allow` is a list of texts: [\"…\", \"…\"]"),
        ("[rooms]\nexec = [\"#a\"]", "c:2: `exec` under [rooms] is no more: policies say"),
        (
            "[catchup]\nrun_within = \"soon\"",
            "c:2: `run_within` is a time span: \"15m\", \"2h30m\", \"1 day\"",
        ),
        ("bot = 3", "c: `bot` is a table"),
        ("[rooms]\nleave_alone_after = \"never\"", "good"),
        ("[rooms]\nleave_alone_after = \"2h 30m\"", "good"),
        (
            "[rooms]\nleave_alone_after = \"soon\"",
            "c:2: `leave_alone_after` is a time span of at least a second",
        ),
        ("[rooms]\nleave_alone_after = \"10ms\"", "c:2: `leave_alone_after` is a time"),
        ("[rooms]\nleave_alone_after = 60", "c:2: `leave_alone_after` is a time"),
        ("[bot]\nprefix = ", "c:2:"),
        ("[bot]\nprefix = \"\"", "c:2: `prefix = \"\"` is empty: in rooms nothing would"),
        ("[bot]\nprefix = \"a b\"", "c:2: `prefix = \"a b\"` has white space in it; a prefix is"),
        ("[bot]\nprefix = \"/\"", "c:2: `prefix = \"/\"` begins with `/`, and clients keep"),
        ("[bot]\nprefix = 3", "c:2: `prefix` is a text: \"…\""),
    ] {
        let got = match parse(text, "c") {
            Ok(_) => "good".to_owned(),
            Err(error) => format!("{error} ({})", error.hint()),
        };
        assert!(got.starts_with(want), "{text:?}: {got}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_by_its_lines() {
    let text = "[secrets]\nfolder = \"here\"\n[policy]\nfolder = 3\n[roles]\nops = [\"ann\"]\n\
        dev = [\"@ann:hs\"]\nboss = 7\n[bot]\nprefx = \"!\"\n[matrx]\nuser = \"x\"\n";
    let errors = parse(text, "c").expect_err("much of it is wrong");
    let shown: Vec<String> =
        errors.to_string().lines().map(|line| line.chars().take(40).collect()).collect();
    let places: Vec<&str> = shown
        .iter()
        .filter(|line| !line.starts_with("hint: "))
        .map(|line| line.trim_start_matches("error: "))
        .collect();
    let begins =
        ["c:4: `folder` is", "c:6: ", "c:8: `a role`", "c:10: there is no key", "c:11: there"];
    assert_eq!(places.len(), begins.len(), "{shown:?}");
    for (got, want) in places.iter().zip(begins) {
        assert!(got.starts_with(want), "{got} is not {want}");
    }
    let many = |count: usize| -> String {
        let keys = (0..count).map(|nth| format!("key{nth} = 1\n"));
        format!("[bot]\n{}", keys.collect::<String>())
    };
    for (count, more) in [(ERRORS_MAX, false), (ERRORS_MAX + 1, true)] {
        let told = parse(&many(count), "c").expect_err("there are no such keys").to_string();
        assert_eq!(told.matches("there is no key").count(), ERRORS_MAX, "{count}");
        assert_eq!(told.ends_with("(and 1 more)"), more, "{count}");
    }
}

#[test]
fn what_the_environment_says_wrongly_is_told_with_the_rest() {
    let environment = [
        ("BEADLE_BOT_PREFIX".to_owned(), String::new()),
        ("BEADLE_CATCHUP_RUN_WITHIN".to_owned(), "soon".to_owned()),
    ];
    let errors = Config::load(None, &environment.into()).expect_err("both are wrong");
    let all: Vec<&str> = std::iter::once(&errors.first)
        .chain(&errors.others)
        .map(|error| error.place.as_str())
        .collect();
    assert_eq!(all, ["$BEADLE_BOT_PREFIX", "$BEADLE_CATCHUP_RUN_WITHIN"]);
}

#[test]
fn a_prefix_has_a_bound() {
    for (chars, fits) in [(1, true), (PREFIX_CHARS_MAX, true), (PREFIX_CHARS_MAX + 1, false)] {
        let read = parse(&format!("[bot]\nprefix = \"{}\"", "!".repeat(chars)), "c");
        assert_eq!(read.is_ok(), fits, "{chars}");
    }
}

#[test]
fn budgets_are_read_in_their_units_and_within_their_bounds() {
    let of = |text: &str| Config::from_values(&parse(text, "c").expect("it is right")).budgets;
    let usual = Budgets::default();
    for (line, want) in [
        ("operations_max = 20000", Budgets { operations_max: 20_000, ..usual }),
        ("slice_time = \"500ms\"", Budgets { slice_time_ms: 500, ..usual }),
        ("memory_bytes_max = \"8 MiB\"", Budgets { memory_bytes_max: 8 << 20, ..usual }),
        ("memory_bytes_max = 8388608", Budgets { memory_bytes_max: 8 << 20, ..usual }),
    ] {
        assert_eq!(of(&format!("[scripts]\n{line}")), want, "{line}");
    }
    for (line, want) in [
        (
            "operations_max = 3",
            "`operations_max` is a number from 10000 to 10000000, such as 1000000",
        ),
        ("operations_max = \"many\"", "`operations_max` is a number from"),
        ("slice_time = 2", "`slice_time` is a time span from 100ms to 60s, such as \"2s\""),
        ("memory_bytes_max = \"2 GiB\"", "`memory_bytes_max` is a size from 1 MiB to 256 MiB"),
        ("memory_bytes_max = -1", "`memory_bytes_max` is a size from"),
    ] {
        let error = parse(&format!("[scripts]\n{line}"), "c").expect_err("it is wrong");
        assert!(error.first.what.starts_with(want), "{line}: {}", error.first.what);
        assert_eq!(error.first.place, "c:2");
    }
    let variable = ("BEADLE_SCRIPTS_ARRAY_ITEMS_MAX".to_owned(), "500".to_owned());
    let config = Config::load(None, &[variable].into()).expect("it is right");
    assert_eq!(config.budgets, Budgets { array_items_max: 500, ..usual });
}

#[test]
fn every_budget_has_a_key_with_its_default() {
    let usual = Budgets::default();
    let shown = |key: &Key| key.default.trim_matches('"').to_owned();
    let of_scripts = KEYS.iter().filter(|key| matches!(key.kind, Kind::Budget(_)));
    let keys: BTreeMap<&str, String> = of_scripts.map(|key| (key.name, shown(key))).collect();
    let budgets = BUDGETS.iter().map(|it| (it.key(), it.shown((it.of)(&usual)))).collect();
    assert_eq!(keys, budgets);
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = [
        ("BEADLE_BOT_PREFIX".to_owned(), "?".to_owned()),
        ("BEADLE_INVITES_ALLOW".to_owned(), "@a:hs, @b:hs".to_owned()),
    ];
    let config = Config::load(None, &environment.into()).expect("it is right");
    assert_eq!(
        (config.prefix.as_str(), config.invites_allow),
        ("?", vec!["@a:hs".to_owned(), "@b:hs".into()])
    );
    assert_eq!(config.homeserver, None);
}

#[test]
fn some_changes_need_a_restart() {
    let read = |text: &str| Config::from_values(&parse(text, "c").expect("it is right"));
    let old = read("[bot]\nprefix = \"!\"\n[matrix]\nhomeserver = \"a.org\"");
    for (text, want) in [
        ("[bot]\nprefix = \"?\"\n[matrix]\nhomeserver = \"a.org\"", vec![]),
        ("[matrix]\nhomeserver = \"b.org\"", vec!["matrix.homeserver"]),
        (
            "[paths]\ndata = \"/d\"\nscripts = \"/s\"",
            vec!["paths.data", "paths.scripts", "matrix.homeserver"],
        ),
        ("[matrix]\nhomeserver = \"a.org\"\nuser = \"@b:a.org\"", vec!["matrix.user"]),
    ] {
        assert_eq!(read(text).needs_restart(&old), want, "{text:?}");
    }
    let known = |(table, name): &(&str, &str)| {
        KEYS.iter().any(|key| (key.table, key.name) == (*table, *name))
    };
    assert!(RESTART.iter().all(known), "{RESTART:?}");
}

#[test]
fn the_environment_is_checked_too() {
    let name = "BEADLE_ROOMS_LEAVE_ALONE_AFTER";
    for (given, want) in [
        (None, Ok(Some(Duration::from_secs(3_600)))),
        (Some("90s"), Ok(Some(Duration::from_secs(90)))),
        (Some("never"), Ok(None)),
        (Some("soon"), Err("$BEADLE_ROOMS_LEAVE_ALONE_AFTER")),
    ] {
        let environment = given.map(|text| (name.to_owned(), text.to_owned()));
        let config = Config::load(None, &environment.into_iter().collect());
        let got = config.map(|config| config.leave_alone_after).map_err(|error| error.first.place);
        assert_eq!(got, want.map_err(str::to_owned), "{given:?}");
    }
}

#[test]
fn an_empty_introduction_is_none() {
    for (text, want) in [
        ("", "Hello, I am a bot. Say {prefix}help to see what I can do."),
        ("[matrix]\nintro = \"\"", ""),
        ("[matrix]\nintro = \"Hi!\"", "Hi!"),
    ] {
        let values = parse(text, "c").expect("it is right");
        assert_eq!(Config::from_values(&values).intro, want, "{text:?}");
    }
}

#[test]
fn the_template_is_a_configuration() {
    let commented = template();
    let live: String = commented
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(line))
        // A hook has to say how its senders prove who they are.
        .map(|line| if line == "NAME = {}" { "NAME = { auth = \"none\" }" } else { line })
        .map(|l| format!("{l}\n"))
        .collect();
    assert!(parse(&commented, "c").is_ok_and(|values| values.is_empty()));
    assert_eq!(parse(&live, "c").map(|values| values.len()), Ok(KEYS.len()), "{live}");
}

#[test]
fn the_reference_page_is_up_to_date() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md"));
    assert_eq!(page.expect("docs/config.md is there"), reference(), "run `make docs`");
}

#[test]
fn rooms_have_defaults_for_what_is_left_out() {
    let text = "[context.rooms.\"#ops\"]\nhost = \"web1\"\n[conversation]\ncontext_for = \"1h\"\ncontext_turns = 3";
    let config = Config::from_values(&parse(text, "c").expect("it is right"));
    assert_eq!((config.context_for_ms, config.context_turns), (3_600_000, 3));
    let of_file = config.context_rooms.get("#ops").and_then(|values| values.get("host"));
    assert_eq!(of_file.map(String::as_str), Some("web1"));
    let given = "{ \"#ops\" = { host = \"web2\" } }";
    let variable = ("BEADLE_CONTEXT_ROOMS".to_owned(), given.to_owned());
    let config = Config::load(None, &[variable].into()).expect("it is right");
    assert_eq!(config.context_rooms["#ops"]["host"], "web2");
    for wrong in [
        "[context]\nrooms = \"#ops\"",
        "[context.rooms]\n\"#ops\" = \"web1\"",
        "[context.rooms.\"#ops\"]\nhost = 1",
        "[conversation]\ncontext_turns = 0",
        "[conversation]\ncontext_turns = 101",
    ] {
        assert!(parse(wrong, "c").is_err(), "{wrong}");
    }
    let most = format!("[conversation]\ncontext_turns = {CONTEXT_TURNS_MAX}");
    assert!(parse(&most, "c").is_ok());
}

#[test]
fn roles_have_names_of_their_own() {
    let text = "[roles]\nops = [\"@ann:hs\", \"power>=50\"]\nrelease = [\"member of #release:hs\"]";
    let config = Config::from_values(&parse(text, "c").expect("it is right"));
    assert_eq!(config.roles.names().collect::<Vec<_>>(), ["ops", "release"]);
    for (line, want) in [
        ("ops = \"@ann:hs\"", "`a role` is a list of texts"),
        ("ops = [1]", "`a role` is a list of texts"),
        ("ops = [\"ann\"]", "`ann`: an entry is an account"),
        ("owner = []", "the role `owner` is given by the bot itself"),
    ] {
        let error = parse(&format!("[roles]\n{line}"), "c").expect_err("it is wrong");
        assert!(error.first.what.starts_with(want), "{line}: {}", error.first.what);
        assert_eq!(error.first.place, "c:2");
    }
}

#[test]
fn listed_rooms_for_actions_have_become_a_policy() {
    let text = "[rooms]\nexec = [\"#ops:hs\", \"!dev:hs\"]";
    let error = parse(text, "c").expect_err("it is no more");
    assert_eq!(error.first.place, "c:2");
    assert!(
        error.first.what.contains("policies say where actions may run"),
        "{}",
        error.first.what
    );
    let (_, policy) =
        error.first.hint.split_once("says the same: ").expect("it says what to write");
    let source = crate::domain::policy::Source::new("50-exec.cedar", policy);
    let compiled = crate::domain::policy::compile(vec![source]);
    assert!(compiled.problems.is_empty(), "{policy}: {:?}", compiled.problems);
    assert_eq!(compiled.set.expect("it is a policy").rooms(), ["!dev:hs", "#ops:hs"]);
    let environment = [("BEADLE_ROOMS_EXEC".to_owned(), "#a".to_owned())];
    let error = Config::load(None, &environment.into()).expect_err("it is no more");
    assert_eq!(error.first.place, "$BEADLE_ROOMS_EXEC");
}

#[test]
fn where_it_listens_is_an_address_or_nowhere() {
    let of = |line: &str| {
        parse(&format!("[web]\n{line}"), "c").map(|values| Config::from_values(&values).web)
    };
    let at = |text: &str| Listen::At(text.parse().expect("an address"));
    for (line, want) in [
        ("listen = \"\"", Listen::Usual),
        ("listen = \"none\"", Listen::Nowhere),
        ("listen = \"127.0.0.1:0\"", at("127.0.0.1:0")),
        ("listen = \"[::1]:8480\"", at("[::1]:8480")),
    ] {
        assert_eq!(of(line).map(|web| web.listen), Ok(want), "{line}");
    }
    assert_eq!(of("").map(|web| web.body_bytes_max), Ok(256 * 1024));
    let (least, most) = (BODY_BYTES_MIN, BODY_BYTES_MAX);
    for (line, want) in [
        ("listen = \"8480\"".to_owned(), "`listen` is an address with a port"),
        ("listen = \"localhost:8480\"".to_owned(), "`listen` is an address with a port"),
        (format!("body_bytes_max = {least}"), "good"),
        (format!("body_bytes_max = {most}"), "good"),
        (
            format!("body_bytes_max = {}", least - 1),
            "`body_bytes_max` is a size from 1 KiB to 4 MiB",
        ),
        (
            format!("body_bytes_max = {}", most + 1),
            "`body_bytes_max` is a size from 1 KiB to 4 MiB",
        ),
        ("peer_per_minute = 0".to_owned(), "`peer_per_minute` is a number from 1 to"),
    ] {
        let got = of(&line).map_or_else(|error| error.first.what, |_| "good".into());
        assert!(got.starts_with(want), "{line}: {got}");
    }
    assert_eq!(LISTEN.parse::<std::net::SocketAddr>().map(|it| it.port()), Ok(8480));
}

#[test]
fn hooks_are_checked_key_by_key() {
    let bearer = "auth = \"bearer\"\nsecret = \"ci\"\n";
    let hmac = "auth = \"hmac\"\nsecret = \"ci\"\n";
    let many: Vec<String> = (0..=HEADERS_TAKEN_MAX).map(|n| format!("\"X-{n}\"")).collect();
    let most = many[1..].join(", ");
    for (name, keys, want) in [
        ("ci", bearer.to_owned(), "good"),
        ("ci", "auth = \"none\"\nopen = true".into(), "good"),
        ("ci", "auth = \"basic\"\nsecret = \"ci\"\nuser = \"am\"".into(), "good"),
        ("ci", "auth = \"github\"\nsecret = \"ci\"".into(), "good"),
        ("ci", format!("{hmac}timestamp_header = \"X-Time\"\nwindow = \"1m\""), "good"),
        ("ci", format!("{bearer}headers = [{most}]"), "good"),
        ("ci", String::new(), "c:1: `auth` is needed"),
        ("ci", "auth = \"baerer\"".into(), "c:2: `auth` is one of \"bearer\", \"basic\""),
        ("ci", "auth = \"bearer\"".into(), "c:1: `secret` is needed for `auth = \"bearer\"`"),
        (
            "ci",
            format!("{bearer}secert = \"x\""),
            "c:4: there is no key in [hooks.ci] named `secert` (did you mean `secret`?)",
        ),
        (
            "ci",
            format!("{bearer}user = \"x\""),
            "c:4: `user` is of no use with `auth = \"bearer\"`",
        ),
        ("ci", format!("{bearer}open = true"), "c:4: `open` is of no use with"),
        ("ci", format!("{bearer}window = \"5m\""), "c:4: `window` is of no use with"),
        (
            "ci",
            format!("{hmac}window = \"5m\""),
            "c:4: `window` is of use with `timestamp_header` only",
        ),
        (
            "ci",
            format!("{hmac}timestamp_header = \"X-Time\"\nwindow = \"2 days\""),
            "c:5: `window` is a time span from a second to a day",
        ),
        (
            "ci",
            format!("{hmac}signed = \"{{timestamp}}.{{body}}\""),
            "c:4: `signed` is with `{timestamp}`",
        ),
        ("ci", format!("{hmac}signed = \"x\""), "c:4: `signed` is without `{body}`"),
        (
            "ci",
            format!("{hmac}timestamp_header = \"T\"\ndelivery_header = \"D\""),
            "c:1: `signed` is without `{delivery}`: a recorded request",
        ),
        (
            "ci",
            format!("{bearer}headers = [\"Authorization\"]"),
            "c:4: `headers` is without `authorization`",
        ),
        (
            "ci",
            format!("{bearer}header = \"X-Token\"\nheaders = [\"x-token\"]"),
            "c:5: `headers` is without `x-token`",
        ),
        (
            "ci",
            format!("{bearer}headers = [{}]", many.join(", ")),
            "c:4: `headers` is a list of at most 16",
        ),
        ("ci", format!("{bearer}per_minute = 0"), "c:4: `per_minute` is a number from 1 to"),
        (
            "ci",
            format!("{bearer}per_minute = {}", i64::from(PER_MINUTE_MAX) + 1),
            "c:4: `per_minute` is a number",
        ),
        (
            "ci",
            "auth = \"basic\"\nsecret = \"ci\"\nuser = \"a:b\"".into(),
            "c:4: `user` is a name without a colon",
        ),
        ("\"a/b\"", bearer.to_owned(), "c:1: a hook cannot be named `a/b`"),
    ] {
        let got = match parse(&format!("[hooks.{name}]\n{keys}"), "c") {
            Ok(_) => "good".to_owned(),
            Err(error) => format!("{error} ({})", error.hint()),
        };
        assert!(got.starts_with(want), "{keys}: {got}");
    }
    let day = format!("[hooks.ci]\n{hmac}timestamp_header = \"T\"\nwindow = \"{WINDOW_MS_MAX}ms\"");
    assert!(parse(&day, "c").is_ok(), "{day}");
    assert_eq!(
        parse("[hooks]\nci = 3", "c").map_err(|error| error.to_string()).err().as_deref(),
        Some("c:2: `ci` under [hooks] is a table")
    );
}

#[test]
fn a_hook_tells_all_that_is_wrong_at_once() {
    for (keys, want) in [
        ("auth = 1\nuser = 2", "2 auth"),
        ("secert = 1\nopne = true\nauth = \"hmac\"", "1 secret, 2 secert, 3 opne"),
        ("auth = \"bearer\"\nuser = \"a\"\nper_minute = 0", "1 secret, 3 user, 4 per_minute"),
        (
            "auth = \"basic\"\nsecret = 1\nuser = \"a:b\"\nheaders = 3",
            "3 secret, 4 user, 5 headers",
        ),
        ("auth = \"none\"\nsecret = 5\nopen = 7", "3 secret, 4 open"),
        (
            "auth = \"hmac\"\nsecret = \"s\"\nalgorithm = \"md5\"\nencoding = 1\ntimestamp_header = \"\"\nwindow = \"x\"",
            "4 algorithm, 5 encoding, 6 timestamp_header, 7 window",
        ),
        (
            "auth = \"hmac\"\nsecret = \"s\"\nsigned = \"{delivery}.{body}\"\ndelivery_header = 1\nheader = \"a b\"",
            "5 delivery_header, 6 header",
        ),
        (
            "auth = \"hmac\"\nsecret = \"s\"\ntimestamp_header = \"T\"\ndelivery_header = \"D\"\nheader = 1",
            "1 signed, 6 header",
        ),
    ] {
        let (_, wrong) = super::read::entries(&format!("[hooks.ci]\n{keys}"), "c");
        let shown = |error: &ConfigError| {
            let (_, line) = error.place.rsplit_once(':').expect("a line");
            let key = error.what.split('`').nth(1).expect("a key");
            (line.parse::<usize>().expect("a number"), key.to_owned())
        };
        let mut got: Vec<(usize, String)> = wrong.iter().map(shown).collect();
        got.sort();
        let got: Vec<String> = got.iter().map(|(line, key)| format!("{line} {key}")).collect();
        assert_eq!(got.join(", "), want, "{keys}");
    }
}

#[test]
fn so_many_hooks_and_no_more() {
    let hooks = |count: usize| -> String {
        (0..count).map(|n| format!("[hooks.h{n}]\nauth = \"none\"\n")).collect()
    };
    let read = |text: &str| Config::from_values(&parse(text, "c").expect("it is right")).web.hooks;
    assert_eq!(read(&hooks(HOOKS_MAX)).len(), HOOKS_MAX);
    assert!(parse(&hooks(HOOKS_MAX + 1), "c").is_err());
    let github = &read("[hooks.gh]\nauth = \"github\"\nsecret = \"gh\"")["gh"];
    assert_eq!(github.delivery_header.as_deref(), Some("x-github-delivery"));
    assert_eq!(
        (github.headers.as_slice(), github.secret()),
        (&["x-github-event".to_owned()][..], Some("gh"))
    );
}

#[test]
fn how_alerts_are_told_is_configured() {
    let text = "[alerts]\nrejoin_within = \"2h\"\ngroup_at = 3\ngroup_wait = \"20s\"\ngroup_interval = \"1m\"\n\n\
                [alerts.quiet]\n\"#ops:example.org\" = \"22:00-07:00\"\n";
    let terms = Config::from_values(&parse(text, "c").expect("it is right")).alerts;
    assert_eq!((terms.rejoin_within_ms, terms.group_at), (7_200_000, 3));
    assert_eq!((terms.group_wait_ms, terms.group_interval_ms), (20_000, 60_000));
    assert_eq!(terms.quiet.keys().collect::<Vec<_>>(), ["#ops:example.org"]);
    let usual = Config::from_values(&parse("", "c").expect("it is right")).alerts;
    assert_eq!(usual, crate::domain::storm::Terms::default());
    for (text, want) in [
        ("[alerts]\ngroup_at = 0", "c:2: "),
        ("[alerts]\ngroup_at = 1001", "c:2: "),
        ("[alerts]\ngroup_att = 3", "c:2: there is no key in [alerts] named `group_att`"),
        ("[alerts.quiet]\n\"#ops\" = \"late\"", "`quiet` is hours by room"),
    ] {
        let told = parse(text, "c").expect_err("it is wrong").to_string();
        assert!(told.contains(want), "{text}: {told}");
    }
}

#[test]
fn bridges_are_asked_at_their_addresses() {
    let load = |text: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("beadle.toml");
        std::fs::write(&file, text).expect("it is ours");
        Config::load(Some(&file), &BTreeMap::new())
    };
    let used = "[bridges]\nuse = [\"heisenbridge\", \"relay\"]\n";
    let asked = |text: &str| {
        let bridges = load(text).expect(text).bridges;
        let at = bridges.asked().map(|(of, at, path)| format!("{} {at}{path}", of.name));
        (at.collect::<Vec<_>>(), bridges.ask_every())
    };
    assert_eq!(asked(used), (vec![], ASK_EVERY), "nobody is asked without an address");
    let at = "at = { heisenbridge = \"http://127.0.0.1:9898/\" }\n";
    let (all, every) = asked(&format!("{used}{at}ask_every = \"1s\""));
    assert_eq!(all, ["heisenbridge http://127.0.0.1:9898/_matrix/mau/live"]);
    assert_eq!(every, Duration::from_millis(ASK_EVERY_MS_MIN.unsigned_abs()));
    for (text, want) in [
        (at.to_owned(), "bridges.at: `heisenbridge` is not in use"),
        ("at = { relay = \"http://r\" }".to_owned(), "`relay` does not say what to ask"),
        ("at = { heisenbridge = 1 }".to_owned(), "`at` is addresses by bridge"),
        (
            "at = { heisenbridge = \"http://ann:sesame@b\" }".to_owned(),
            "the address of `heisenbridge`: it names no user and no password",
        ),
        ("ask_every = \"999ms\"".to_owned(), "`ask_every` is a time span from 1s to 1h"),
        (
            format!("ask_every = \"{}ms\"", ASK_EVERY_MS_MAX + 1),
            "`ask_every` is a time span from 1s to 1h, such as \"30s\"",
        ),
    ] {
        let used = if text == at { "[bridges]\n" } else { used };
        let error = load(&format!("{used}{text}")).expect_err(&text).to_string();
        assert!(error.contains(want) && !error.contains("sesame"), "{text}: {error}");
    }
    assert!(load(&format!("[bridges]\nask_every = \"{}ms\"", ASK_EVERY_MS_MAX)).is_ok());
}
