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
            "2:13 error unknown_field `msg` has no field `thread_id` / there are alert, id, in_thread, room",
        ),
        (
            "reply(msg.user.nmae);",
            "2:18 error unknown_field `msg` has no field `nmae` / did you mean `name`?",
        ),
        ("reply(msg.room.topic.len());", "`msg` has no field `topic`"),
        ("[1].map(|x| args.hots);", "`args` has no field `hots`"),
        (
            "let a = []; a.psuh(1);",
            "2:17 warning unknown_function there is no function `psuh` that is called on a value / did you mean `push`?",
        ),
        (
            "let p = progress(\"x\"); p.dnoe(\"y\");",
            "warning unknown_function there is no function `dnoe`",
        ),
        ("let a = []; a.push();", "warning arity `.push` takes"),
        ("sleep(\"15 mn\");", "2:9 error bad_value `15 mn` is not a duration"),
        ("sleep(-3);", "2:9 error bad_value a duration cannot be negative"),
        ("within(\"soon\", || 1);", "2:10 error bad_value `soon` is not a duration"),
        ("ask(\"a\", #{ timeout: \"x\" });", "2:24 error bad_value `x` is not a duration"),
        (
            "log(\"wran\", 1);",
            "2:7 error bad_value there is no level `wran` / did you mean `warn`?",
        ),
        ("log(\"loud\", 1);", "there is no level `loud` / there are debug, info, warn, error"),
        (
            "matches(\"(a\", \"b\");",
            "2:11 error bad_value the pattern `(a` cannot be used: unclosed",
        ),
        ("captures(\"[\", \"b\");", "2:12 error bad_value the pattern `[` cannot be used"),
        (
            "call(\"create vm\");",
            "2:3 error wrong_type `call` calls a closure, not a text / a command is run by `run(\"create vm\")`",
        ),
        (
            "nt::port(1);",
            "error unknown_library there is no library `nt` for `nt::port` / write `import \"lib/nt\" as nt;` at the top",
        ),
        ("let x = nt::PORT;", "error unknown_library there is no library `nt` for `nt::PORT`"),
        (
            "step(\"a\", || 1, || 2);",
            "2:3 error step_outside_saga `step` stands outside of a `saga` / write `saga(",
        ),
        (
            "saga(|| step(\"a\", || 1, || 2));\n  if true { step(\"b\", || 1, || 2); }",
            "3:13 warning step_outside_saga",
        ),
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
            "import \"lib/net\" as net;\nalias(\"go\", || nt::port(1));",
            "2:20 error unknown_library there is no library `nt` for `nt::port` / did you mean `net`?",
        ),
        (
            "const PORT = 1;\nfn f(a) { for x in a { x + PROT } }\nalias(\"go\", || f([1]));",
            "2:28 error unknown_variable there is no variable `PROT` in `f` / did you mean `PORT`?",
        ),
        (
            "let port = 1;\nfn f() { port }\nalias(\"go\", || f());",
            "2:10 error unknown_variable there is no variable `port` in `f` / a function does not see the variables of the top level",
        ),
        (
            "fn f() { [1].map(|x| x + y) }\nalias(\"go\", || f());",
            "error unknown_variable there is no variable `y` in `f`",
        ),
        (
            "alias(\"go\", || 1);\nalias(\"go {x}\", || 2);",
            "2:1 error load the alias `go` is already in line 1, and one of them would never run / write `#{ name: \"go again\" }`",
        ),
        (
            "alias(\"make {nmae}\", action(\"cloud.create_vm\"));",
            "1:22 error bad_parameters `cloud.create_vm` needs `name`, and `make {nmae}` never gives it",
        ),
        (
            "alias(\"make {nmae}\", action(\"cloud.create_vm\"));",
            "bad_parameters `cloud.create_vm` has no parameter `nmae` / did you mean `name`?",
        ),
        (
            "alias([\"make {name} {size:int}\", \"make {name}\"], action(\"cloud.create_vm\"));",
            "`cloud.create_vm` needs `size`, and `make {name}` never gives it / put `{size}`",
        ),
        (
            "alias(\"make {name} {size}\", action(\"cloud.create_vm\"));",
            "`size` must be a whole number, and the format never gives that / write `{size:int}` in the format",
        ),
        (
            "alias(\"make {extra} {x}\", action(\"dns.add\"));",
            "`extra` cannot be the name of a parameter",
        ),
        (
            "let on = 1;\nif on > 0 { import \"lib/net\" as net; net::port(1) }\nalias(\"go\", || 1);",
            "there is no library `net` for `net::port` / write `import \"lib/net\" as net;` at the top",
        ),
        (
            "{ import \"lib/net\" as net; net::port(1) }\nalias(\"go\", || 1);",
            "there is no library `net` for `net::port` / write `import \"lib/net\" as net;` at the top",
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
        "alias(\"go\", || { sleep(\"15m\"); sleep(3); let t = \"x\"; ask(\"a\", #{ timeout: () }); log(\"warn\", t); matches(t, t) });",
        "alias(\"go\", || saga(|| { if true { step(\"a\", || 1, || 2); } [1].map(|x| step(`${x}`, || 1, || 2)) }));",
        "fn undoable(n) { step(n, || 1, || 2) } alias(\"go\", || saga(|| undoable(\"a\")));",
        "const A = 1; fn f(x) { let y = A; try { throw x } catch (e) { y += e } for (z, n) in [1] { y += z + n } let g = |q| q + y; switch x { 1 => g.call(2), _ => memory.room.recall(\"a\") } } alias(\"go\", || f(1));",
        "const A = 1; fn f() { global::A + A } alias(\"go\", || f());",
        "import \"lib/net\" as net; fn f() { net::port(1) } alias(\"go\", || f());",
        "alias(\"make {name} {size:int}\", action(\"cloud.create_vm\")); alias(\"name it\", #{ name: \"b\" }, action(\"dns.add\"));",
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

/// The bot's own commands are words like those of any script; help always comes first.
#[test]
fn the_commands_of_the_bot_itself_are_told() {
    for (format, want) in [
        (
            "help {x}",
            "error never_matches `help {x}` can never match / \"help something\" asks for help",
        ),
        (
            "cancel {id}",
            "error formats_collide \"cancel something\" is a command of the bot itself",
        ),
        ("(again|once more)", "error formats_collide \"again\" is a command of the bot itself"),
        ("save as {name}", "nobody could use the bot's own `save` any more"),
        ("cancel the order {n:int}", ""),
        ("helpful hints", ""),
    ] {
        let source = format!("alias(\"{format}\", || 1);");
        let (set, problems) = load_sources(vec![("a.rhai".into(), source)]);
        assert!(problems.is_empty() && set.scripts.len() == 1, "it is used: {problems:?}");
        let told = told(&set.told);
        assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{format}: {told}");
    }
}

/// What keeps a script from being loaded hides nothing else that is wrong with it, and makes nothing of it missing.
#[test]
fn a_script_that_cannot_be_loaded_is_told_in_full() {
    let broken = "throw \"no\";\naction(\"b.act\", #{ run: [\"true\"] });\nalias(\"go {x:itn}\", || exec(\"c.none\"));\nalias(\"stay\", || exec(\"b.act\"));";
    let other = "alias(\"other\", || exec(\"b.act\"));";
    let files = [("b.rhai", broken), ("o.rhai", other)].map(|(f, s)| (f.to_owned(), s.to_owned()));
    let (set, mut problems) = load_sources(files.to_vec());
    problems.extend(set.told.clone());
    let told = told(&problems);
    for want in [
        "1:1 error load no",
        "3:1 error load format `go {x:itn}`",
        "3:29 error missing_action there is no action `c.none`",
    ] {
        assert!(told.contains(want), "{want}:\n{told}");
    }
    assert_eq!(problems.len(), 3, "{told}");
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
