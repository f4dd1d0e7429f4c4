//! Tests inside scripts: what passes, what fails and how that is told, stops, time, and what no test reaches.

use beadle::domain::budget::Budgets;
use beadle::play::rehearse::{Ending, Report, Which, run};
use beadle::play::stage::ACTS_MAX;
use beadle::script::host::{self, table::Place};
use beadle::script::load::{load_folder, load_sources};

const SHOP: &str = r#"
action("shop.price", #{ run: ["true"], params: #{ item: "string" }, output: "json", effect: "read" });
action("shop.sell", #{ run: ["true"], params: #{ item: "string", count: "int" } });

alias("sell {item}", |args, msg| {
    let price = exec("shop.price", #{ item: args.item });
    if confirm(`Sell ${args.item} for ${price}?`, #{ timeout: "1h", or_else: false }) {
        exec("shop.sell", #{ item: args.item, count: 1 });
        reply(`sold to ${msg.user.name}`);
    } else {
        reply("not sold");
    }
});

alias("wait", #{ ack: false }, || { for n in 0..3 { sleep("10m"); say(`${n}`); } });
"#;

fn tested(source: &str, which: &Which) -> Report {
    let (set, problems) = load_sources(vec![("shop.rhai".into(), source.into())]);
    assert!(problems.is_empty(), "{problems:?}");
    run(&set, which, |_| {})
}

fn test(body: &str) -> Report {
    tested(&format!("{SHOP}\ntest(\"it\", |chat| {{\n{body}\n}});"), &Which::default())
}

#[test]
fn a_conversation_passes_with_every_stop() {
    for (body, doubts) in [
        ("chat.says(\"@ben\", \"nothing that anybody knows\"); chat.expect(\"*\");", false),
        (
            r#"chat.on_exec("shop.price", |x| 5);
               let sold = 0;
               chat.on_exec("shop.sell", |x| { sold += x.count; sold });
               chat.says("@ann", "sell socks");
               chat.expect("Sell socks for 5?");
               chat.restart();
               chat.says("@ann", "yes");
               chat.expect("sold to ann");
               chat.expect_no_more();
               chat.expect_exec("shop.sell", #{ item: "socks" }, 1);
               chat.expect_exec("shop.sell", #{ item: "shoes" }, 0);
               chat.expect_exec("shop.sell", 1);"#,
            true,
        ),
        (
            r#"chat.on_exec("shop.price", || 5);
               chat.says("@ann", "sell socks");
               chat.says("@ben", "yes"); chat.expect("for ann");
               chat.says("@ann", "no");
               chat.expect("not sold");"#,
            false,
        ),
        (
            r#"chat.on_exec("shop.price", |x| throw "closed");
               chat.says("@ann", "sell socks");
               chat.expect("closed");"#,
            false,
        ),
        (
            r#"chat.says("@ann", "wait"); chat.expect_no_more();
               chat.advance("10m"); chat.expect("0"); chat.expect_no_more();
               chat.advance("20m"); chat.expect("1"); chat.expect("2"); chat.expect_no_more();"#,
            false,
        ),
        (
            r##"chat.says_in("#shop", "@ann", "wait"); chat.advance("10m"); chat.expect_in("#shop", "0");"##,
            false,
        ),
        (
            r#"chat.on_exec("shop.price", || 5);
               chat.says("@ann", "sell socks");
               chat.expect("Sell socks for 5?");
               chat.deletes("@ann");
               chat.expect("deleted");
               chat.advance("2h");
               chat.expect_exec("shop.sell", 0);"#,
            false,
        ),
        (
            r#"chat.says("@ann", "nothing that anybody knows");
               chat.expect("*");
               chat.deletes("@eva", "@ann");
               chat.expect_no_more();"#,
            false,
        ),
    ] {
        let report = test(body);
        let Ending::Passed { plays, appends, in_doubt } = &report.tests[0].ending else {
            panic!("{body}: {:?}", report.tests[0]);
        };
        // As written and with every stop, on threads and always from the journal.
        assert_eq!(*plays, 2 * (1 + 2 * appends), "{body}");
        assert!(*appends > 0, "{body}");
        assert_eq!(*in_doubt > 0, doubts, "{body}");
    }
}

#[test]
fn what_is_not_as_written_fails_at_its_line() {
    for (body, line, want) in [
        ("chat.says(\"@ann\", \"sell x\");", 18, "nobody expects (exec shop.price"),
        ("chat.says(\"@ann\", \"wait\");\nchat.expect(\"0\");", 19, "has said nothing more"),
        (
            "chat.on_exec(\"shop.price\", || 1);\nchat.says(\"@ann\", \"sell x\");\nchat.expect(\"Buy\");",
            20,
            "Sell x for 1?",
        ),
        (
            "chat.on_exec(\"shop.price\", || 1);\nchat.says(\"@ann\", \"sell x\");\nchat.expect_no_more();",
            20,
            "expected no more",
        ),
        ("chat.expect_exec(\"shop.sell\", 1);", 18, "it ran 0 times"),
        ("chat.restrat();", 18, "restrat"),
        ("chat.deletes(\"@ann\");", 18, "they have said nothing here yet"),
        ("throw \"by hand\";", 18, "by hand"),
        ("say(\"x\");", 18, "top level"),
    ] {
        let report = test(body);
        let Ending::Failed(failed) = &report.tests[0].ending else {
            panic!("{body} passes: {:?}", report.tests[0]);
        };
        let told = format!("{}\n{}", failed.what, failed.conversation.join("\n"));
        assert!(told.contains(want), "{body}: {told}");
        assert_eq!(failed.line, line, "{body}: {told}");
        assert_eq!(report.failed(), 1);
    }
}

/// A script that says something else when it is run again is found out by a stop.
#[test]
fn a_stop_shows_what_a_plain_play_does_not() {
    let source = r#"
        action("a.b", #{ run: ["true"], effect: "read" });
        alias("go", || { try { exec("a.b"); } catch (e) { } reply("done"); });
        test("it", |chat| {
            let n = 0;
            chat.on_exec("a.b", || { n += 1; n });
            chat.says("@ann", "go");
            chat.expect("done");
            chat.expect_exec("a.b", 1);
        });"#;
    let passed = tested(source, &Which::default());
    assert_eq!(passed.failed(), 0, "a repeated read is one effect: {:?}", passed.tests);
}

#[test]
fn tests_do_so_much_and_no_more() {
    let report = test("loop { chat.advance(1); }");
    let Ending::Failed(failed) = &report.tests[0].ending else { panic!("it ends") };
    assert!(failed.what.contains(&format!("a test may do {ACTS_MAX} things")), "{}", failed.what);
}

#[test]
fn tests_are_chosen_by_name_and_what_none_reaches_is_told() {
    let source = format!(
        "{SHOP}\ntest(\"waits a while\", |chat| {{ chat.says(\"@ann\", \"wait\"); }});\ntest(\"does nothing\", |chat| {{ }});"
    );
    for (name, want) in [("waits", 1), ("*while", 1), ("does nothing", 1), ("a", 1), ("x", 0)] {
        let which = Which { name: Some(name.into()), once: true, ..Which::default() };
        assert_eq!(tested(&source, &which).tests.len(), want, "{name}");
    }
    let all = tested(&source, &Which { once: true, ..Which::default() });
    let unreached: Vec<_> =
        all.unreached.iter().map(|it| (it.kind, it.name.as_str(), it.line)).collect();
    assert_eq!(unreached, [("alias", "sell", 5)]);
    let other = Which { file: Some("other.rhai".into()), ..Which::default() };
    assert!(tested(&source, &other).tests.is_empty());
}

/// A program is faked, so nothing of it can be reached; what is written in Rhai is run.
#[test]
fn actions_that_are_written_in_rhai_are_reached_or_named() {
    let source = r#"
        action("a.used", #{ params: #{ n: "int" } }, |args| args.n + 1);
        action("a.refused", #{ params: #{ n: "int" } }, |args| args.n);
        action("a.forgotten", #{}, || exec("a.program"));
        action("a.program", #{ run: ["true"] });
        alias("go", || { try { exec("a.refused", #{ n: "x" }) } catch { } reply(`${exec("a.used", #{ n: 1 })}`); });
        alias("stay", action("a.forgotten"));
        test("it", |chat| { chat.says("@ann", "go"); chat.expect("2"); });"#;
    let report = tested(source, &Which::default());
    assert_eq!(report.failed(), 0, "{:#?}", report.tests);
    let unreached: Vec<_> = report.unreached.iter().map(|it| (it.kind, it.name.as_str())).collect();
    assert_eq!(unreached, [("action", "a.refused"), ("action", "a.forgotten"), ("alias", "stay")]);
}

/// What a test takes is bounded like a run of a script; what the bot takes meanwhile is not the test's.
#[test]
fn tests_have_the_budgets_of_scripts() {
    let budgets = Budgets { memory_bytes_max: 150_000, ..Budgets::default() };
    for (body, want) in [
        ("loop { }", "`[scripts] operations_max`"),
        ("try { loop { } } catch { } chat.says(\"@ann\", \"x\");", "`[scripts] operations_max`"),
        (
            "let t = \"0123456789\"; for n in 0..14 { t += t; } let enough = 1;",
            "`[scripts] memory_bytes_max`",
        ),
        (
            "chat.on_exec(\"shop.price\", || { let all = []; loop { all.push(#{}) } }); chat.says(\"@ann\", \"sell x\"); chat.expect(\"sold\");",
            "expected `sold`",
        ),
        ("for n in 0..50 { chat.says(\"@ann\", \"wait\"); }", ""),
    ] {
        let source = format!("{SHOP}\ntest(\"it\", |chat| {{\n{body}\n}});");
        let report = tested(&source, &Which { once: true, budgets, ..Which::default() });
        match &report.tests[0].ending {
            Ending::Failed(failed) => {
                assert!(!want.is_empty() && failed.what.contains(want), "{body}: {}", failed.what);
            }
            Ending::Passed { .. } => assert_eq!(want, "", "{body}"),
        }
    }
}

#[test]
fn a_test_without_a_conversation_is_refused() {
    for (source, want) in [
        ("test(\"x\", || 1);", "takes the conversation"),
        ("test(\"\", |chat| 1);", "needs a name"),
        ("alias(\"go\", || test(\"x\", |chat| 1));", ""),
    ] {
        let (_, problems) = load_sources(vec![("t.rhai".into(), source.into())]);
        let told: Vec<_> = problems.iter().map(|it| it.message.clone()).collect();
        assert_eq!(told.iter().any(|it| it.contains(want)), !want.is_empty(), "{source}: {told:?}");
    }
}

/// The examples of the documentation are tests themselves.
#[test]
fn the_examples_of_the_table_pass() {
    let mut passed = 0;
    for row in host::table().filter(|row| row.place == Place::Test || row.name == "test") {
        let source = format!(
            "action(\"cloud.create_vm\", #{{ run: [\"true\"], params: #{{ name: \"string\" }}, output: \"json\" }});\n\
             action(\"disk.free\", #{{ run: [\"df\"], output: \"lines\", effect: \"read\" }});\n{}",
            row.example
        );
        let report = tested(&source, &Which::default());
        assert_eq!((report.tests.len(), report.failed()), (1, 0), "{}: {report:#?}", row.name);
        passed += 1;
    }
    assert!(passed > 10, "the table has lost its tests");
}

#[test]
fn the_tests_of_the_shipped_scripts_pass() {
    let (set, problems) = load_folder(std::path::Path::new("scripts"));
    assert!(problems.is_empty(), "{problems:?}");
    let report = run(&set, &Which::default(), |_| {});
    assert_eq!(report.failed(), 0, "{:#?}", report.tests);
}
