//! Scripts against their journals: suspension, replay, divergence, isolation, limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use beadle::domain::event::EffectResult;
use beadle::domain::id::{ExecutionId, IdKey, Timestamp};
use beadle::script::engine::engine;
use beadle::script::journal::{Done, Journal, keep};
use beadle::script::load::{load_one, load_sources, on_script_thread};
use beadle::script::run::{End, Input, Slice, run};
use beadle::script::source::{ActionDef, Script};
use serde_json::{Value, json};

/// What waits are answered with, in their order.
type Answers = Vec<Value>;

pub fn slice(source: &str, alias: usize, journal: &Journal) -> Slice {
    let (source, journal) = (source.to_owned(), journal.clone());
    on_script_thread(move || {
        let engine = engine();
        let script = load_one(&engine, "t.rhai", &source).unwrap_or_else(|why| panic!("{why}"));
        run(&engine, &script, &script.aliases[alias].run, input(&script, journal))
    })
}

/// What a handler is run with.
pub fn input(script: &Script, journal: Journal) -> Input {
    Input {
        execution: ExecutionId("0123456789ABCDEF".into()),
        key: IdKey([1; 32]),
        zone: jiff::tz::TimeZone::UTC,
        now: Timestamp(1_000),
        args: json!({ "name": "web1", "extra": {} }),
        msg: json!({ "user": { "id": "@ann:hs", "name": "ann" } }),
        journal,
        actions: Arc::new(script.actions.clone()),
        permit: std::sync::Arc::new(|_| None),
        recall: Box::new(|_, _| Ok(Value::Null)),
        may: Arc::new(|_, _| true),
        silenced: Arc::new(|_| false),
        encrypted: true,
        silences: Arc::new(|_| None),
        cancel: None,
    }
}

/// Adds what a slice did to the journal; waits are answered from the list.
fn take(journal: &mut Journal, slice: &Slice, answers: &mut Answers) {
    for entry in &slice.entries {
        let at = journal.len() as u64 + 1;
        keep(journal, entry, at);
        if entry.waits() && !answers.is_empty() {
            answer(journal, &entry.path, at, EffectResult::Ok(answers.remove(0)));
        }
    }
}

/// What waits has its result.
fn answer(journal: &mut Journal, path: &str, at: u64, result: EffectResult) {
    journal.get_mut(path).expect("it waits").done.get_or_insert(Done { at, result });
}

/// Runs a handler to its end; every wait ends the slice and is answered.
fn whole(source: &str, mut answers: Answers) -> (End, Vec<String>) {
    let (mut journal, mut slices) = (Journal::new(), 0);
    loop {
        let done = slice(source, 0, &journal);
        take(&mut journal, &done, &mut answers);
        slices += 1;
        assert!(slices < 500, "it never ends");
        if !matches!(done.end, End::Suspended | End::Yielded) {
            let mut said: Vec<(u64, String)> = journal
                .iter()
                .filter(|(_, past)| past.op == "say" || past.op == "reply")
                .map(|(path, past)| {
                    (path.parse().unwrap(), past.args["text"].as_str().unwrap().to_owned())
                })
                .collect();
            said.sort();
            return (done.end, said.into_iter().map(|(_, text)| text).collect());
        }
    }
}

/// Every way in which a script might swallow its own suspension.
#[test]
fn a_suspension_cannot_be_swallowed() {
    for body in [
        r#"ask("q")"#,
        r#"let r = (); try { r = ask("q"); } catch { say("caught"); } r"#,
        r#"let r = (); try { r = [1].map(|x| ask("q")); } catch { say("caught"); } r[0]"#,
        r#"try { [1].filter(|x| ask("q") == "a"); } catch { say("caught"); } "a""#,
        r#"try { [1].reduce(|s, x| ask("q")); } catch (e) { say("caught"); } "a""#,
        r#"try { [1, 2].sort(|a, b| { ask("q"); 0 }); } catch { say("caught"); } "a""#,
        r#"try { try { [1].map(|x| [x].map(|y| ask("q"))); } catch (e) { throw e; } } catch { say("caught"); } "a""#,
        r#"let f = || ask("q"); try { f.call() } catch { say("caught"); } "a""#,
        r#"for i in 0..3 { try { [i].for_each(|| ask("q")); break; } catch { say("caught"); } } "a""#,
        r#"let n = 0; while n < 5 { n += 1; try { [n].some(|x| ask("q") == "a"); break; } catch { } } "a""#,
    ] {
        let source = format!("alias(\"go\", || {{ {body} }});");
        let first = slice(&source, 0, &Journal::new());
        assert_eq!(first.end, End::Suspended, "{body}");
        let ops: Vec<&str> = first.entries.iter().map(|entry| entry.op.as_str()).collect();
        assert_eq!(ops, ["ask"], "nothing is said after the suspension: {body}");
    }
}

#[test]
fn every_sleep_suspends() {
    for (time, ms) in [("\"3h\"", 10_800_000), ("3600", 3_600_000), ("7200.5", 7_200_500)] {
        let done = slice(&format!("alias(\"go\", || {{ sleep({time}); }});"), 0, &Journal::new());
        assert_eq!(done.end, End::Suspended, "sleep({time})");
        assert_eq!(done.entries[0].args, json!({ "ms": ms }), "sleep({time})");
    }
}

#[test]
fn a_script_goes_on_where_it_waited() {
    let source = r#"
        fn greet(name) { say(`hello ${name}`); }
        action("a.b", #{ run: ["true"], params: #{ n: "int" } });
        alias("go", |args, msg| {
            greet(msg.user.name);
            let sum = 0;
            for i in 0..3 { sum += exec("a.b", #{ n: i }); }
            if confirm(`sum ${sum}?`) { reply(`yes ${sum} ${args.name}`); } else { reply("no"); }
            sum
        });"#;
    let (end, said) = whole(source, vec![json!(1), json!(10), json!(100), json!(true)]);
    assert_eq!(end, End::Returned(json!(111)));
    assert_eq!(said, ["hello ann", "yes 111 web1"]);
}

#[test]
fn what_a_handler_captured_does_not_leak_into_the_next_run() {
    let source = "let hits = 0; let seen = [];\nalias(\"go\", || { hits += 1; seen.push(hits); say(`${hits} ${seen.len()}`); ask(\"q\"); hits });";
    let (end, said) = whole(source, vec![json!("a")]);
    assert_eq!((end, said), (End::Returned(json!(1)), vec!["1 1".to_owned()]));
}

#[test]
fn constants_and_functions_are_seen_by_handlers() {
    let source = "const LIST = [\"a\", \"b\"];\nfn two(x) { x + LIST.len() }\nalias(\"go\", || { say(`${LIST[1]} ${two(1)}`); });";
    assert_eq!(whole(source, vec![]).1, ["b 3"]);
}

#[test]
fn a_changed_script_diverges_with_both_lines() {
    let old = "alias(\"go\", || { say(\"a\"); ask(\"one?\"); });";
    let mut journal = Journal::new();
    take(&mut journal, &slice(old, 0, &Journal::new()), &mut vec![json!("x")]);
    // What the options of a call look like in the log is not the matter here.
    let bare = regex::Regex::new(r#"\{[^}]*"(?:question|text)":("[^"]*")[^}]*\}"#).unwrap();
    for (new, want) in [
        (
            "alias(\"go\", || {\n say(\"a\");\n ask(\"two?\"); });",
            "step 1\n  then: ask({…\"one?\"…}) in line 1: the old line 1\n  now: ask({…\"two?\"…}) in line 3: the new line 3",
        ),
        (
            "alias(\"go\", || {\n ask(\"one?\");\n say(\"a\"); });",
            "step 0\n  then: say({…\"a\"…}) in line 1: the old line 1\n  now: ask({…\"one?\"…}) in line 2: the new line 2",
        ),
        (
            "alias(\"go\", || { say(\"a\"); });",
            "step 1\n  then: ask({…\"one?\"…}) in line 1: the old line 1\n  now: it ended",
        ),
    ] {
        let End::Diverged(how) = slice(new, 0, &journal).end else {
            panic!("{new} does not diverge")
        };
        let source =
            |which: &'static str| move |line: u32| Some(format!("the {which} line {line}"));
        let words = how.words(&source("old"), &source("new"));
        assert_eq!(bare.replace_all(&words, "{…$1…}"), want);
    }
    let same = slice(old, 0, &journal).end;
    assert_eq!(same, End::Returned(json!("x")));
}

#[test]
fn long_scripts_yield_and_go_on() {
    let (end, said) = whole("alias(\"go\", || { for i in 0..100 { say(`${i}`); } });", vec![]);
    assert_eq!(end, End::Returned(Value::Null));
    let want: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    assert_eq!(said, want);
}

#[test]
fn bounds_end_a_script_with_a_reason() {
    for (body, want) in [
        ("loop { }", "operations"),
        ("loop { try { loop { } } catch { } }", "operations"),
        ("let s = \"x\"; loop { s += s; }", "string_bytes_max"),
        ("let s = \"x\"; s.pad(200000, \"x\"); s.replace(\"x\", s);", "string_bytes_max"),
        ("let a = [1]; loop { a += a; }", "array_items_max"),
        ("fn f(x) { f(x) } f(1)", "call_levels_max"),
        ("eval(\"1\")", "eval"),
        ("exit(42)", "`exit` is not available"),
        ("let x = #{ a: 1 }; x.b", "b"),
        ("throw \"my words\"", "my words"),
    ] {
        let functions = if body.starts_with("fn") { "fn f(x) { f(x) }" } else { "" };
        let body = body.strip_prefix("fn f(x) { f(x) } ").unwrap_or(body);
        let source = format!("{functions}\nalias(\"go\", || {{ {body} }});");
        let loaded = load_sources(vec![("t.rhai".into(), source.clone())]);
        let message = match loaded.1.first() {
            Some(problem) => problem.message.clone(),
            None => match slice(&source, 0, &Journal::new()).end {
                End::Failed(failure) => failure.message,
                other => panic!("{body}: {other:?}"),
            },
        };
        assert!(message.contains(want), "{body}: {message}");
    }
}

#[test]
fn effects_are_refused_while_a_script_loads() {
    for effect in
        ["say(\"x\")", "now()", "recall(\"x\")", "ask(\"x\")", "exec(\"x\")", "execution()"]
    {
        let (_, problems) = load_sources(vec![("t.rhai".into(), format!("\n  {effect};"))]);
        let problem = problems.first().unwrap_or_else(|| panic!("{effect} is accepted"));
        assert!(problem.message.contains("top level"), "{problem}");
        assert_eq!((problem.line, problem.column), (2, 3), "{effect}");
    }
}

#[test]
fn problems_are_told_all_at_once_with_their_places() {
    let sources = [
        ("a.rhai", "alias(\"go\", || 1);"),
        ("b.rhai", "alias(\"go\", || 1);"),
        ("c.rhai", "let x = 1\nlet y = 2;"),
        ("d.rhai", "\nalias(\"{x}\", || 1);"),
        ("e.rhai", "alias(\"x\", #{ hlep: \"\" }, || 1);"),
        ("f.rhai", "sya(1);"),
        ("g.rhai", "alias(\"three\", |a, b, c| 1);"),
        ("h.rhai", "action(\"x\", #{ run: \"ls\", effect: \"twice\" });"),
        ("i.rhai", "alias(\"fine\", |args| 1);"),
    ];
    let sources = sources.map(|(file, source)| (file.to_owned(), source.to_owned())).to_vec();
    let (set, problems) = load_sources(sources);
    let loaded: Vec<&String> = set.scripts.keys().collect();
    assert_eq!(loaded, ["a.rhai", "i.rhai"]);
    let shown: BTreeMap<String, String> = problems
        .iter()
        .map(|p| (p.file.clone(), format!("{}:{} {}", p.line, p.column, p.message)))
        .collect();
    for (file, want) in [
        ("b.rhai", "the alias `go` is already in a.rhai"),
        ("c.rhai", "2:1"),
        ("d.rhai", "2:1 format `{x}`"),
        ("e.rhai", "1:15 `alias` has no option `hlep`"),
        ("f.rhai", "1:1 there is no function `sya"),
        ("g.rhai", "1:1 a handler takes `args` and `msg`, not 3 parameters"),
        ("h.rhai", "1:1 `effect` is"),
    ] {
        let got = shown.get(file).unwrap_or_else(|| panic!("{file} has no problem"));
        assert!(got.contains(want), "{file}: {got}");
    }
    let hint = problems.iter().find(|p| p.file == "f.rhai").and_then(|p| p.hint.clone());
    assert_eq!(hint.as_deref(), Some("did you mean `say`?"));
}

#[test]
fn printing_is_bounded() {
    let done = slice(
        "alias(\"go\", || { for i in 0..3000 { print(\"xxxxxxxxxxxxxxxxxxxx\"); } });",
        0,
        &Journal::new(),
    );
    let most = beadle::domain::budget::Budgets::default().print_bytes_max;
    assert_eq!(done.printed.len() as u64, most);
}

#[test]
fn a_script_can_catch_what_an_action_does() {
    let source = r#"
        action("a.b", #{ run: ["true"] });
        alias("go", || { try { exec("a.b"); } catch (e) { reply(`${e.kind}: ${e.message}`); } });"#;
    let mut journal = Journal::new();
    take(&mut journal, &slice(source, 0, &Journal::new()), &mut vec![]);
    let error = json!({ "kind": "failed", "message": "no such host" });
    answer(&mut journal, "0", 9, EffectResult::Err(error));
    let done = slice(source, 0, &journal);
    assert_eq!(done.entries[0].args["text"], "failed: no such host");
}

#[test]
fn wrong_calls_of_actions_are_told_before_anything_runs() {
    for (call, want) in [
        ("exec(\"a.c\")", "there is no action `a.c`; did you mean `a.b`?"),
        ("exec(\"a.b\", #{})", "`a.b` needs `n`"),
        ("exec(\"a.b\", #{ n: \"x\" })", "`n` must be a whole number"),
        ("exec(\"a.b\", #{ n: 1, m: 2 })", "`a.b` has no parameter `m` (it takes n)"),
        ("exec(\"a.b\", #{ n: 1 }, #{ tiemout: 3 })", "`exec` has no option `tiemout`"),
    ] {
        let source = format!(
            "action(\"a.b\", #{{ run: [\"true\"], params: #{{ n: \"int\" }} }});\nalias(\"go\", || {call});"
        );
        let End::Failed(failure) = slice(&source, 0, &Journal::new()).end else {
            panic!("{call} is accepted")
        };
        assert!(failure.message.contains(want), "{call}: {}", failure.message);
        assert_eq!(failure.line, 2, "{call}");
    }
}

#[test]
fn shipped_scripts_load() {
    let (set, problems) = beadle::script::load::load_folder(std::path::Path::new("scripts"));
    assert!(problems.is_empty(), "{problems:?}");
    let actions: &BTreeMap<String, ActionDef> = &set.actions;
    assert!(actions.contains_key("cloud.create_vm"));
}
