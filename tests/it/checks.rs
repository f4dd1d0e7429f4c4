//! `beadle script check`: what is found without running a script, and what is let through.

use std::collections::BTreeSet;

use beadle::play::rehearse::{Which, run};
use beadle::script::check::words::WORDS;
use beadle::script::check::{MSG_FIELDS, ROOM_FIELDS, USER_FIELDS};
use beadle::script::load::{load_folder, load_sources};
use beadle::script::problem::Problem;

const ACTIONS: &str = "action(\"cloud.create_vm\", #{ run: [\"true\"], params: #{ name: \"string\", size: \"int\" } });\naction(\"dns.add\", #{ run: [\"true\"] });";

/// All that is wrong or doubtful in `t.rhai`, beside a file with actions and a library.
fn found(source: &str) -> (bool, Vec<Problem>) {
    let files = [
        ("a.rhai", ACTIONS),
        ("lib/net.rhai", "fn port(host) { 22 }\nfn ping(host, times) { times }"),
        ("t.rhai", source),
    ];
    let files = files.map(|(file, source)| (file.to_owned(), source.to_owned()));
    let (set, mut problems) = load_sources(files.to_vec());
    problems.extend(set.told.clone());
    (set.scripts.contains_key("t.rhai"), problems)
}

fn told(problems: &[Problem]) -> String {
    let row = |it: &Problem| {
        let word = if it.is_error() { "error" } else { "warning" };
        let hint = it.hint.clone().unwrap_or_default();
        format!("{}:{} {word} {} {} / {hint}", it.line, it.column, it.code, it.message)
    };
    problems.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_wrong_is_told_with_place_and_hint() {
    let handler = |body: &str| format!("alias(\"go {{host}}\", |args, msg| {{\n  {body}\n}});");
    for (body, want) in [
        (
            "rply(1);",
            "2:3 error unknown_function there is no function `rply` / did you mean `reply`?",
        ),
        ("sya(1);", "2:3 error unknown_function there is no function `sya` / did you mean `say`?"),
        ("[1].map(|x| rply(x));", "2:15 error unknown_function there is no function `rply`"),
        ("reply();", "2:3 error arity `reply` takes"),
        ("reply(1, 2, 3, 4);", "2:3 error arity `reply` takes"),
        (
            "ask(\"a\", #{ choises: [] });",
            "2:15 error unknown_option `ask` has no option `choises` / did you mean `choices`?",
        ),
        ("ask(\"a\", #{ zzz: 1 });", "`ask` has no option `zzz` / it has"),
        (
            "ask(\"a\", #{ timeout: true });",
            "2:15 error wrong_type `timeout` of `ask` is of the type duration, not bool",
        ),
        (
            "confirm(7);",
            "2:3 error wrong_type no form of `confirm` takes (int) / it takes confirm(question)",
        ),
        ("remember(1, 2);", "no form of `remember` takes (int, int)"),
        (
            "exec(\"cloud.creat_vm\");",
            "2:8 error missing_action there is no action `cloud.creat_vm` / did you mean `cloud.create_vm`?",
        ),
        ("exec(\"cloud.create_vm\", #{ nmae: \"a\", size: x() });", "there is no function `x`"),
        (
            "let x = 1; exec(\"cloud.create_vm\", #{ nmae: x, size: 1 });",
            "2:19 error bad_parameters `cloud.create_vm` has no parameter `nmae` / did you mean `name`?",
        ),
        (
            "exec(\"cloud.create_vm\", #{ name: \"a\", size: \"big\" });",
            "2:8 error bad_parameters `size` must be a whole number",
        ),
        ("exec(\"cloud.create_vm\", #{ name: \"a\" });", "bad_parameters"),
        (
            "reply(args.hots);",
            "2:14 error unknown_field `args` has no field `hots` / did you mean `host`?",
        ),
        (
            "reply(msg.thread_id);",
            "2:13 error unknown_field `msg` has no field `thread_id` / there are id, in_thread, room",
        ),
        (
            "reply(msg.user.nmae);",
            "2:18 error unknown_field `msg` has no field `nmae` / did you mean `name`?",
        ),
        ("reply(msg.room.topic.len());", "`msg` has no field `topic`"),
        ("[1].map(|x| args.hots);", "`args` has no field `hots`"),
        (
            "rule(\"x\", 1);",
            "2:3 error not_yet `rule` is not available yet / rules are not available yet",
        ),
        (
            "let a = []; a.psuh(1);",
            "2:17 warning unknown_function there is no function `psuh` that is called on a value / did you mean `push`?",
        ),
        (
            "let p = progress(\"x\"); p.dnoe(\"y\");",
            "warning unknown_function there is no function `dnoe`",
        ),
        ("let a = []; a.push();", "warning arity `.push` takes"),
    ] {
        let (loaded, problems) = found(&handler(body));
        assert!(told(&problems).contains(want), "{body}:\n{}", told(&problems));
        let certain = problems
            .iter()
            .any(|it| it.is_error() && !matches!(it.code, "missing_action" | "bad_parameters"));
        assert_eq!(loaded, !certain, "{body}");
    }
    for (source, want) in [
        (
            "say(\"x\");",
            "1:1 error effect_at_top_level `say` cannot be used at the top level / the top level only declares",
        ),
        ("for x in 0..3 { say(\"x\"); }", "1:17 error effect_at_top_level"),
        (
            "import \"lib/net\" as net;\nalias(\"go\", || net::prot(1));",
            "2:21 error unknown_function there is no function `net::prot` / did you mean `net::port`?",
        ),
        (
            "import \"lib/net\" as net;\nalias(\"go\", || net::ping(1));",
            "2:21 error arity `net::ping` takes 2 arguments, not 1",
        ),
        (
            "alias(\"go\", action(\"dns.ad\"));",
            "1:20 error missing_action there is no action `dns.ad` / did you mean `dns.add`?",
        ),
        (
            "fn f(a) { a }\nalias(\"go\", || f(1, 2));",
            "2:16 error arity `f` takes 1 argument, not 2",
        ),
        (
            "alias(\"a\", #{ hlep: 1 }, || 1);\nalias(\"{x}\", || 1);\nalias(\"c\", |a, b, c| 1);\nrply(1);",
            "1:15 error unknown_option",
        ),
        (
            "alias(\"a\", || 1);\nalias(\"{x}\", || 1);\nalias(\"c\", |a, b, c| 1);",
            "2:1 error load format `{x}`",
        ),
        (
            "alias(\"a\", || 1);\nalias(\"{x}\", || 1);\nalias(\"c\", |a, b, c| 1);",
            "3:1 error load a handler takes",
        ),
    ] {
        let (_, problems) = found(source);
        assert!(told(&problems).contains(want), "{source}:\n{}", told(&problems));
    }
}

#[test]
fn what_may_be_meant_is_let_through() {
    for source in [
        "alias(\"go [{name}]\", |args, msg| { reply(args.name ?? msg.user.name); args.extra.x });",
        "alias([\"go {a}\", \"start {b}\"], |args| reply(`${args.a} ${args.b}`));",
        "let format = \"go {a}\"; alias(format, |args| reply(args.anything));",
        "alias(\"go\", |args, msg| { let msg = #{ own: 1 }; reply(msg.own); });",
        "alias(\"go\", |args, msg| { [#{ x: 1 }].map(|msg| msg.x) });",
        "alias(\"go\", |args, msg| { args.more = 1; reply(args.more); });",
        "alias(\"go\", || { let m = #{ act: |x| x }; m.act.call(1); m.act(1) });",
        "fn twice() { this + this } alias(\"go\", || { let x = 2; x.twice() });",
        "fn declare(word) { alias(word, || reply(word)); } declare(\"a\"); declare(\"b\");",
        "alias(\"go\", || { let f = Fn(\"len\"); f.call(\"abc\"); type_of(f); print(1); is_shared(f) });",
        "import \"lib/net\" as net; alias(\"go\", || net::ping(net::port(1), 2));",
        "alias(\"go\", || { let params = #{ name: \"a\", size: 1 }; exec(\"cloud.create_vm\", params) });",
        "alias(\"go\", || { let s = 3; exec(\"cloud.create_vm\", #{ name: `a${s}`, size: s }) });",
        "alias(\"go {x}\", |a| { let f = |x| { if x { return 1; } 2 }; f.call(true) });",
    ] {
        let (loaded, problems) = found(source);
        let errors: Vec<_> = problems.iter().filter(|it| it.is_error()).cloned().collect();
        assert!(loaded && errors.is_empty(), "{source}:\n{}", told(&problems));
    }
}

#[test]
fn formats_that_mean_the_same_are_told_with_a_witness() {
    let alias = |format: &str| format!("alias(\"{format}\", #{{ name: \"{format}\" }}, || 1);");
    for (one, two, want) in [
        ("show {x}", "show {y}", "error formats_collide \"show something\" fits this alias and"),
        ("show {x}", "show {n:int}", "error formats_collide \"show 7\" fits"),
        ("show {x}", "show all", ""),
        ("(show|list) {x}", "show {y}", "formats_collide \"show something\""),
        ("restart {x}", "restart", ""),
        ("hello [{name}]", "hello", "formats_collide \"hello\""),
        ("go {x:int}", "go {y: red | blue}", ""),
        ("go now", "go [now]", "error formats_collide \"go now\""),
    ] {
        let (set, problems) =
            load_sources(vec![("a.rhai".into(), alias(one)), ("b.rhai".into(), alias(two))]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(set.scripts.len(), 2, "both are offered, and people are asked");
        match want {
            "" => assert!(set.told.is_empty(), "{one} / {two}: {}", told(&set.told)),
            want => assert!(told(&set.told).contains(want), "{one} / {two}: {}", told(&set.told)),
        }
    }
}

#[test]
fn words_of_the_language_are_told_with_what_to_write_instead() {
    for (word, _) in WORDS {
        let source = format!("let {word} = 1;");
        let (_, problems) = found(&source);
        let problem = problems.iter().find(|it| it.file == "t.rhai");
        let problem = problem.unwrap_or_else(|| panic!("`{word}` is a name like any other"));
        let hint = problem.hint.clone().unwrap_or_default();
        assert!(hint.contains("this word belongs to the language: "), "{word}: {problem}");
    }
}

#[test]
fn the_shipped_scripts_have_no_problems() {
    let (set, problems) = load_folder(std::path::Path::new("scripts"));
    assert!(problems.is_empty() && set.told.is_empty(), "{problems:?} {}", told(&set.told));
}

/// The fields that the check knows are those that a handler gets.
#[test]
fn the_fields_of_a_message_are_known() {
    let source = r#"
        alias("go", |args, msg| {
            reply(`${msg.keys()} ${msg.user.keys()} ${msg.room.keys()}`);
        });
        test("it", |chat| { chat.says("@ann", "go"); throw chat.last(); });"#;
    let (set, problems) = load_sources(vec![("t.rhai".into(), source.into())]);
    assert!(problems.is_empty(), "{problems:?}");
    let report = run(&set, &Which { once: true, ..Which::default() }, |_| {});
    let beadle::play::rehearse::Ending::Failed(failed) = &report.tests[0].ending else {
        panic!("{report:?}")
    };
    let words: BTreeSet<String> = failed
        .what
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let known = MSG_FIELDS.iter().chain(USER_FIELDS).chain(ROOM_FIELDS);
    assert_eq!(words, known.map(|it| (*it).to_owned()).collect());
}
