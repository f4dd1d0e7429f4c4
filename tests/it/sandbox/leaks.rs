//! What closures that hold one another leave behind is counted, and ends with the script that makes them.

use std::sync::Arc;

use beadle::domain::budget::Budgets;
use beadle::domain::id::{ExecutionId, IdKey, Timestamp};
use beadle::script::engine::engine_within;
use beadle::script::journal::Journal;
use beadle::script::load::{load_one, on_script_thread};
use beadle::script::run::{End, Input, run};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// Runs a handler again and again; gives how often it ran before it was refused, and why.
fn runs(source: &str, most: usize, budgets: Budgets) -> (usize, Option<String>) {
    let source = source.to_owned();
    on_script_thread(move || {
        let engine = engine_within(&budgets);
        let script = load_one(&engine, "t.rhai", &source).expect("it loads");
        for nth in 0..most {
            let input = Input {
                zone: TimeZone::UTC,
                execution: ExecutionId("0123456789ABCDEF".into()),
                key: IdKey([1; 32]),
                now: Timestamp(1_000),
                args: json!({ "name": "web1", "list": [1, 2, 3], "text": "x".repeat(1_000) }),
                msg: json!({ "user": { "id": "@ann:hs", "name": "ann" } }),
                journal: Journal::new(),
                actions: Arc::new(script.actions.clone()),
                permit: std::sync::Arc::new(|_| None),
                recall: Box::new(|_, _| Ok(Value::String("y".repeat(20_000)))),
                may: Arc::new(|_, _| true),
                silenced: Arc::new(|_| false),
                encrypted: true,
                silences: Arc::new(|_| None),
                cancel: None,
            };
            match run(&engine, &script, &script.aliases[0].run, input).end {
                End::Failed(failure) => return (nth, Some(failure.message)),
                End::Returned(_) | End::Suspended => {}
                other => panic!("{other:?}"),
            }
        }
        (most, None)
    })
}

#[test]
fn a_script_that_leaves_memory_behind_is_switched_off() {
    const MIB: u64 = 1024 * 1024;
    let budgets = Budgets { leaked_bytes_max: 4 * MIB, ..Budgets::default() };
    let source = "alias(\"leak\", || { for i in 0..120 { let a = blob(9000); let f = (); let g = || [a, f]; f = g; } });";
    let (ran, why) = runs(source, 100, budgets);
    assert!((4..=8).contains(&ran), "each run leaves about a megabyte, it ran {ran} times");
    let why = why.expect("it is refused");
    assert!(why.starts_with("this script is switched off: its runs left"), "{why}");
    let (ran, _) = runs(source, 100, budgets);
    assert_eq!(ran, 0, "it is the same version");
    let changed = format!("// mended\n{}", source.replace("f = g;", ""));
    assert_eq!(runs(&changed, 100, budgets), (100, None));
}

#[test]
fn a_usual_script_leaves_nothing_behind() {
    let source = r#"
        const GREETING = "hello";
        fn twice(x) { [x, x].map(|y| y + 1) }
        let seen = [];
        alias("go", |args, msg| {
            seen.push(args.name);
            let lines = args.list.map(|n| `${GREETING} ${n} ${twice(n)}`);
            let m = #{ a: lines, b: recall("k"), c: args.text };
            print(m);
            remember("k", m);
            say(lines.reduce(|sum, line| sum + line, ""));
            try { throw #{ kind: "mine", message: "no" }; } catch (e) { reply(e.message); }
            ask("go on?");
        });"#;
    let budgets = Budgets { leaked_bytes_max: 64 * 1024, ..Budgets::default() };
    assert_eq!(runs(source, 2_000, budgets), (2_000, None));
}
