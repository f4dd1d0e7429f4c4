//! `script run --dry`: what is run, shown, answered and asked, in which order, and how it ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use beadle::adapter::http_client::HttpClient;
use beadle::adapter::secrets::Secrets;
use beadle::app::SystemEntropy;
use beadle::domain::budget::Budgets;
use beadle::play::dry::{End, Shown, Step, WAITS_MAX, Wanted, run};
use beadle::play::world::BEGINNING;
use beadle::processor::Settings;
use beadle::processor::action::Processes;
use beadle::script::load::load_folder;
use serde_json::Value;

use crate::cli::{Place, json_lines};

const SHOP: &str = r##"
action("shop.price", #{ run: ["echo", "{item}", "costs 5"], params: #{ item: "string" }, effect: "read" });
action("shop.gone", #{ run: ["false"], effect: "read", retry: #{ times: 2, wait: "1m" } });
action("shop.sell", #{ run: ["touch", "sold"], params: #{ item: "string" }, output: "json" });
action("shop.list", #{ run: ["touch", "sold"], output: "lines", effect: "idempotent" });
action("shop.text", #{ run: ["touch", "sold"] });
action("shop.both", #{ params: #{ item: "string" } }, |x| exec("shop.price", #{ item: x.item }));

alias("price {item}", #{ ack: false }, |args| { reply(exec("shop.price", #{ item: args.item })); });
alias("both {item}", #{ ack: false }, |args| { exec("shop.both", #{ item: args.item }); });
alias("gone", #{ ack: false }, || { exec("shop.gone"); });
alias("sell {item}", #{ ack: false }, |args| {
    if confirm(`Sell ${args.item}?`) { say(`sold: ${exec("shop.sell", #{ item: args.item })}`); } else { say("kept"); }
});
alias("lists", #{ ack: false }, || { for n in 0..3 { say(`${exec("shop.list")}`); } });
alias("texts", #{ ack: false }, || { say(exec("shop.text")); say("after"); });
alias("memory", #{ ack: false }, || {
    say(`${recall("k")}`); remember("k", 1); say(`${recall("k")}`); forget("k");
    emit("shop.open", #{ at: 9 }); log("info", "seen");
});
alias("change", #{ ack: false }, || { let it = say("one"); edit(it, "two"); react("👍"); say("#elsewhere", "three"); });
alias("nap", #{ ack: false }, || { sleep("1h30m"); say("awake"); });
alias("ever", #{ ack: false }, || { loop { sleep("1m"); } });
alias("hear", #{ ack: false }, || { wait_for("shop.closed"); });
alias("hear a while", #{ ack: false }, || { try { wait_for("shop.closed", #{}, #{ timeout: "2m" }); } catch { say("nobody"); } });
alias("ben", #{ ack: false }, || { say(ask("Which?", #{ from: "@ben", choices: ["red", "blue"] })); });
alias("others", #{ ack: false }, || { run("nap"); say("rested"); });
alias("who", #{ ack: false }, |args, msg| { say(`${msg.user.name} in ${msg.room.name}`); });
alias("fail", #{ ack: false }, || { saga(|| { step("a", || say("did"), || say("undid")); throw "no"; }); });
"##;

/// Runs a text with the shop; gives the lines, `? ` before a guess, and how it ended.
fn dry(text: &str, answers: &[(&str, &str)], replies: &[&str]) -> (Vec<String>, End) {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("shop.rhai"), SHOP).expect("it is ours");
    let (set, problems) = load_folder(folder.path());
    assert!(problems.is_empty(), "{problems:?}");
    let mut given: BTreeMap<String, VecDeque<Value>> = BTreeMap::new();
    for (action, json) in answers {
        let value = serde_json::from_str(json).expect("it is JSON");
        given.entry((*action).to_owned()).or_default().push_back(value);
    }
    let secrets = Secrets::new(None, "S_", std::iter::empty());
    let wanted = Wanted {
        text: text.to_owned(),
        by: "@ann".into(),
        room: "#shop".into(),
        answers: given,
        set,
        folder: folder.path(),
        budgets: Budgets::default(),
        settings: Settings::simulated("!"),
        outside: Arc::new(Processes { secrets, http: HttpClient::default() }),
        now: BEGINNING,
        entropy: Arc::new(SystemEntropy),
    };
    let mut lines = vec![];
    let mut tell = |shown: &Shown| {
        if !matches!(shown.step, Step::Runs { .. }) {
            lines.push(format!("{}{}", if shown.guess { "? " } else { "" }, shown.step));
        }
    };
    let mut replies: VecDeque<&str> = replies.iter().copied().collect();
    let end = run(&wanted, &mut tell, &mut |_| replies.pop_front().map(str::to_owned));
    assert!(!folder.path().join("sold").exists(), "`{text}` did something");
    (lines, end.expect("it runs"))
}

#[test]
fn what_a_text_would_do_is_shown_in_order() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str], End);
    let waits = |what: &str| End::Waits(what.to_owned());
    let rows: [Row; 20] = [
        (
            "price tea",
            &[],
            &[],
            &[
                r#"ran shop.price {"item":"tea"}: it gives "tea costs 5""#,
                "would reply in #shop: tea costs 5",
            ],
            End::Done,
        ),
        (
            "!price tea",
            &[("shop.price", "\"7\"")],
            &[],
            &["it gives \"7\" (--answer)", "would reply in #shop: 7"],
            End::Done,
        ),
        ("both tea", &[], &[], &["runs the script of shop.both", "ran shop.price"], End::Done),
        (
            "gone",
            &[],
            &[],
            &[
                "ran shop.gone: it throws",
                "(1 min later)",
                "ran shop.gone {}: it throws",
                "`gone` fails",
            ],
            End::Failed,
        ),
        (
            "sell tea",
            &[],
            &["yes"],
            &[
                "would ask @ann:local: Sell tea?",
                "@ann:local answers true",
                r#"would run shop.sell {"item":"tea"}: it gives {"placeholder":"<what shop.sell gives>"} (a placeholder)"#,
                "? would say in #shop: sold:",
            ],
            End::Done,
        ),
        (
            "sell tea",
            &[("shop.sell", "[1]")],
            &["yes"],
            &["would ask", "answers", "it gives [1] (--answer)", "would say in #shop: sold: [1]"],
            End::Done,
        ),
        (
            "sell tea",
            &[],
            &["no"],
            &["would ask", "answers false", "would say in #shop: kept"],
            End::Done,
        ),
        (
            "sell tea",
            &[],
            &[],
            &["would ask @ann:local: Sell tea?"],
            End::Unanswered("Sell tea? of @ann:local".into()),
        ),
        (
            "sell tea",
            &[],
            &["perhaps"],
            &["would ask"],
            End::Unanswered("Sell tea? of @ann:local".into()),
        ),
        (
            "lists",
            &[("shop.list", "[\"a\"]"), ("shop.list", "[\"b\"]")],
            &[],
            &[
                "[\"a\"]",
                "#shop: [\"a\"]",
                "[\"b\"]",
                "#shop: [\"b\"]",
                "[\"b\"]",
                "#shop: [\"b\"]",
            ],
            End::Done,
        ),
        (
            "texts",
            &[],
            &[],
            &[
                "would run shop.text {}: it gives \"<what shop.text gives>\" (a placeholder)",
                "? would say in #shop: <what shop.text gives>",
                "? would say in #shop: after",
            ],
            End::Done,
        ),
        (
            "memory",
            &[],
            &[],
            &[
                "recalls k: nothing",
                "would say in #shop",
                "would remember k = 1",
                "recalls k = 1",
                "say in #shop: 1",
                "would forget k",
                r#"would emit shop.open {"at":9}"#,
                "would log",
            ],
            End::Done,
        ),
        (
            "change",
            &[],
            &[],
            &[
                "would say in #shop: one",
                "would edit what it said to in #shop: two",
                "would react 👍",
                "would say in #elsewhere: three",
            ],
            End::Done,
        ),
        (
            "nap",
            &[],
            &[],
            &["would sleep 1 h 30 min", "(1 h 30 min later)", "would say in #shop: awake"],
            End::Done,
        ),
        ("hear", &[], &[], &["would wait: wait_for"], waits("the trigger `shop.closed`")),
        (
            "hear a while",
            &[],
            &[],
            &["would wait: wait_for", "(2 min later)", "would say in #shop: nobody"],
            End::Done,
        ),
        (
            "ben",
            &[],
            &["red"],
            &[
                "would ask @ben:local: Which? (red | blue)",
                "@ben:local answers \"red\"",
                "would say in #shop: red",
            ],
            End::Done,
        ),
        (
            "others",
            &[],
            &[],
            &["would wait: run", "would sleep", "later", "awake", "rested"],
            End::Done,
        ),
        ("who", &[], &[], &["would say in #shop: ann in #shop"], End::Done),
        (
            "fail",
            &[],
            &[],
            &[
                "say in #shop: did",
                "undoes `a`",
                "say in #shop: undid",
                "`fail` fails at shop.rhai:",
                "no",
            ],
            End::Failed,
        ),
    ];
    for (text, answers, replies, want, end) in rows {
        let (lines, ended) = dry(text, answers, replies);
        assert_eq!(ended, end, "{text}: {lines:#?}");
        let mut left = lines.iter();
        for part in want {
            let found = left.any(|line| line.contains(part));
            assert!(found, "{text}: no `{part}` (in this order) in {lines:#?}");
        }
        let guesses = lines.iter().any(|line| line.starts_with("? "));
        let wanted = want.iter().any(|line| line.starts_with("? "));
        assert_eq!(guesses, wanted, "{text}: {lines:#?}");
    }
}

#[test]
fn what_waits_again_and_again_is_left() {
    let (lines, end) = dry("ever", &[], &[]);
    assert_eq!(end, End::Endless);
    let later = lines.iter().filter(|line| *line == "(1 min later)").count();
    assert_eq!(later, WAITS_MAX + 1);
}

#[test]
fn what_is_no_command_is_told_as_help_tells_it() {
    let (lines, end) = dry("prize of tea", &[], &[]);
    assert_eq!(end, End::NoCommand);
    assert!(lines[0].contains("would reply in #shop: "), "{lines:?}");
}

#[test]
fn the_program_shows_it_and_touches_nothing() {
    let place = Place::new();
    place.write("s/shop.rhai", SHOP);
    let dry = |more: &[&str]| {
        let ran =
            place.run(&[&["--scripts", "s", "--data", "data", "script", "run"], more].concat());
        assert!(!place.path("data").exists() && !place.path("s/sold").exists(), "{more:?}");
        ran
    };
    let ran =
        dry(&["sell tea", "--dry", "--as", "@eve:hs.org", "--reply", "yes", "--reply", "more"]);
    let ran = ran.expect(0).complains(&["nobody asked for the reply \"more\""]);
    for want in ["would ask @eve:hs.org", "the rest is a guess --\n? would say in #ops"] {
        assert!(ran.out.contains(want), "{want}: {}", ran.out);
    }
    let told = json_lines(&dry(&["sell tea", "--dry", "--json"]).expect(0).out);
    let (last, first) = (told.last().expect("an end"), &told[0]);
    assert_eq!((&first["step"], &first["guess"]), (&"runs".into(), &false.into()));
    assert_eq!(last["end"], "unanswered");
    dry(&["fail", "--dry"]).expect(1);
    assert!(dry(&["hm", "--dry"]).expect(1).out.contains("no script runs for this"));
    dry(&["price tea"]).expect(2).complains(&["add `--dry`", "beadle chat"]);
    dry(&["price tea", "--dry", "--answer", "shop.price"]).expect(2).complains(&["action=JSON"]);
    dry(&["price tea", "--dry", "--answer", "shop.price=x"]).expect(2).complains(&["has quotes"]);
    let near = dry(&["price tea", "--dry", "--answer", "shop.prise=1"]).expect(1);
    near.complains(&["did you mean `shop.price`?"]);
    place.write("s/broken.rhai", "alias(");
    dry(&["price tea", "--dry"]).expect(0).complains(&["broken.rhai"]);
    dry(&["hm", "--dry"]).expect(3).complains(&["scripts were left out"]);
}
