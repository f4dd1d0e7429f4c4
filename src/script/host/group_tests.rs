//! Groups and sagas: every order in which what they wait for may come, and each of them again from the finished log.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::super::engine::engine;
use super::super::super::journal::{
    Done, JOURNAL_ENTRIES_MAX, Journal, LIMITS_MAX, Noted, Past, SLICE_EVENTS_MAX, keep,
};
use super::super::super::load::{load_one, on_script_thread};
use super::super::super::run::{End, Input, Slice, run};
use super::super::super::source::Script;
use super::super::saga::STEPS_MAX;
use super::*;
use crate::domain::execution::GROUPS;
use crate::domain::id::{ExecutionId, IdKey, Timestamp};
use crate::domain::path::order;

/// Actions that succeed, fail, and come in doubt.
const ACTIONS: &str = r#"
action("ok", #{ run: ["true"], params: #{ n: "any" } });
action("bad", #{ run: ["true"], params: #{ n: "any" } });
fn nest(n) { if n == 0 { 7 } else { all([|| nest(n - 1)])[0] } }
action("doubt", #{ run: ["true"], params: #{ n: "any" } });
"#;

/// A script and the engine that runs it.
struct Bench {
    engine: Engine,
    script: Script,
}

impl Bench {
    fn new(body: &str) -> Self {
        let engine = engine();
        let source = format!("{ACTIONS}\nalias(\"go\", || {{ {body} }});");
        let script = load_one(&engine, "t.rhai", &source).unwrap_or_else(|why| panic!("{why}"));
        Self { engine, script }
    }

    fn slice(&self, journal: &Journal, cancel: Option<Value>) -> Slice {
        let input = Input {
            execution: ExecutionId("0123456789ABCDEF".into()),
            key: IdKey([1; 32]),
            zone: jiff::tz::TimeZone::UTC,
            now: Timestamp(1_000),
            args: json!({}),
            msg: json!({}),
            journal: journal.clone(),
            actions: Arc::new(self.script.actions.clone()),
            permit: std::sync::Arc::new(|_| None),
            recall: Box::new(|_, _| Ok(Value::Null)),
            may: Arc::new(|_, _| true),
            silenced: Arc::new(|_| false),
            encrypted: true,
            silences: Arc::new(|_| None),
            cancel,
        };
        run(&self.engine, &self.script, &self.script.aliases[0].run, input)
    }
}

/// What an effect that waits gives.
fn answer(op: &str, args: &Value) -> EffectResult {
    let action = args["action"].as_str();
    let error = |kind: &str| {
        EffectResult::Err(
            json!({ "kind": kind, "action": action, "message": format!("{kind} {}", args["params"]["n"]) }),
        )
    };
    match (op, action) {
        ("ask", _) => EffectResult::Ok(args["question"].clone()),
        (_, Some("bad")) => error("failed"),
        (_, Some("doubt")) => error("in_doubt"),
        (_, Some(_)) => EffectResult::Ok(args["params"]["n"].clone()),
        _ => EffectResult::Ok(Value::Null),
    }
}

/// A story that is told in every way in which it may go.
#[derive(Clone, Default)]
struct Story {
    journal: Journal,
    at: u64,
    said: Vec<String>,
}

impl Story {
    /// Goes on until something has to come; an end is added to the ends.
    fn tell(mut self, bench: &Bench, ends: &mut BTreeSet<String>) {
        loop {
            let slice = bench.slice(&self.journal, None);
            self.take(&slice);
            match slice.end {
                End::Yielded => {}
                End::Suspended => break,
                end => return self.ended(bench, &end, ends),
            }
        }
        let open = self.open();
        assert!(!open.is_empty(), "it waits for nothing: {:?}", self.journal);
        for first in &open {
            let mut one = self.clone();
            one.come(first);
            one.clone().tell(bench, ends);
            // And both before the script is run again.
            for second in open.iter().filter(|path| *path != first) {
                let mut both = one.clone();
                both.come(second);
                both.tell(bench, ends);
            }
        }
    }

    fn take(&mut self, slice: &Slice) {
        for entry in &slice.entries {
            self.at += 1;
            keep(&mut self.journal, entry, self.at);
            if matches!(entry.op.as_str(), "say" | "undo") && matches!(entry.state, Noted::Done(_))
            {
                let text = entry.args["text"].as_str().or(entry.args["step"].as_str());
                self.said.push(format!("{} {}", entry.op, text.unwrap_or_default()));
            }
        }
    }

    fn open(&self) -> Vec<String> {
        let waits = |(path, past): (&String, &super::super::super::journal::Past)| {
            let open = past.done.is_none() && !GROUPS.contains(&past.op.as_str());
            open.then(|| path.clone())
        };
        let mut open: Vec<String> = self.journal.iter().filter_map(waits).collect();
        open.sort_by(|a, b| order(a, b));
        open
    }

    fn come(&mut self, path: &str) {
        self.at += 1;
        let past = self.journal.get_mut(path).expect("it waits");
        past.done = Some(Done { at: self.at, result: answer(&past.op, &past.args) });
    }

    /// The finished log gives the same again, and nothing new.
    fn ended(self, bench: &Bench, end: &End, ends: &mut BTreeSet<String>) {
        let again = bench.slice(&self.journal, None);
        assert_eq!((&again.end, again.entries.len()), (end, 0), "{:#?}", self.journal);
        assert_eq!(self.open(), Vec::<String>::new(), "what nobody waits for is closed");
        let end = match end {
            End::Returned(value) => value.to_string(),
            End::Failed(failure) => format!("{}: {}", failure.kind, failure.message),
            other => panic!("{other:?}"),
        };
        ends.insert([&[end][..], &self.said].concat().join(", "));
    }
}

/// Every end that a handler can come to.
fn ends(body: &str) -> Vec<String> {
    let body = body.to_owned();
    on_script_thread(move || {
        let mut ends = BTreeSet::new();
        Story::default().tell(&Bench::new(&body), &mut ends);
        ends.into_iter().collect()
    })
}

#[test]
fn every_order_of_answers_ends_well_and_replays() {
    for (body, want) in [
        (r#"all([|| ask("a"), || ask("b"), || 7])"#, &[r#"["a","b",7]"#][..]),
        (r#"all([])"#, &["[]"]),
        (r#"any([|| ask("a"), || ask("b")])"#, &[r#""a""#, r#""b""#]),
        (r#"any([|| throw "x", || ask("b")])"#, &[r#""b""#]),
        (r#"any([|| throw "x", || exec("bad", #{ n: 1 })])"#, &["error: x"]),
        // A branch has its own copy of what it uses.
        (
            r#"let n = 0; let l = all([|| { n += 1; ask("a"); n += 1; n }, || { n += 10; ask("b"); n }]); [l, n]"#,
            &["[[2,10],0]"],
        ),
        (
            r#"try { all([|| { ask("a"); say("a"); }, || exec("bad", #{ n: 1 })]) } catch (e) { say(e.kind); } 1"#,
            &["1, say a, say failed", "1, say failed"],
        ),
        (
            r#"any([|| { ask("a"); ask("b") }, || { sleep("10m"); "late" }])"#,
            &[r#""b""#, r#""late""#],
        ),
        (
            r#"let r = (); try { r = within("10m", || ask("a")); } catch (e) { r = e.kind; } r"#,
            &[r#""a""#, r#""timed_out""#],
        ),
        (
            r#"within(5, || exec("bad", #{ n: 1 }))"#,
            &["failed: failed 1", "timed_out: it was not done within 5 s"],
        ),
        (
            r#"all([|| any([|| ask("a"), || ask("b")]), || { let r = 1; try { r = within("1m", || ask("c")); } catch { r = 2; } r }])"#,
            &[r#"["a","c"]"#, r#"["a",2]"#, r#"["b","c"]"#, r#"["b",2]"#],
        ),
        (r#"any([|| all([|| ask("a"), || ask("b")]), || ask("c")])"#, &[r#""c""#, r#"["a","b"]"#]),
        (
            r#"let n = 0; retry(3, "1s", || { n += 1; if n < 3 { throw "no" } ask("q") })"#,
            &[r#""q""#],
        ),
        (r#"retry(2, "1s", || exec("bad", #{ n: 1 }))"#, &["failed: failed 1"]),
        (r#"retry(9, "1s", || exec("doubt", #{ n: 1 }))"#, &["in_doubt: in_doubt 1"]),
        (r#"retry(9, "1s", || exec("none"))"#, &["unknown: there is no action `none`"]),
        (r#"any([|| retry(2, "1s", || exec("bad", #{ n: 1 })), || { sleep(9); 5 }])"#, &["5"]),
    ] {
        assert_eq!(ends(body), want, "{body}");
    }
}

#[test]
fn what_was_done_is_undone() {
    let steps = r#"
        saga(|| {
            step("one", || exec("ok", #{ n: 1 }), || say("not one"));
            step("two", || exec("ok", #{ n: 2 }), || say("not two"));
            BODY
        })"#;
    for (body, want) in [
        ("5", &["5"][..]),
        (
            r#"throw "no""#,
            &["error: no; undone: two, one, undo two, say not two, undo one, say not one"],
        ),
        (
            r#"step("three", || exec("bad", #{ n: 3 }), || say("not three"))"#,
            &["failed: failed 3; undone: two, one, undo two, say not two, undo one, say not one"],
        ),
        (
            r#"step("three", || exec("doubt", #{ n: 3 }), || say("not three"))"#,
            &[
                "in_doubt: in_doubt 3; undone: three (which may not have been done), two, one, undo three, say not three, undo two, say not two, undo one, say not one",
            ],
        ),
        (
            r#"step("three", || 3, || exec("bad", #{ n: 9 })); throw "no""#,
            &[
                "undo_failed: no; “three” could not be undone: failed 9; undone: two, one, undo three, undo two, say not two, undo one, say not one",
            ],
        ),
        (
            r#"saga(|| { step("in", || 3, || say("not in")); throw "deep" })"#,
            &[
                "error: deep; undone: in, two, one, undo in, say not in, undo two, say not two, undo one, say not one",
            ],
        ),
        (
            r#"try { saga(|| { step("in", || 3, || { ask("sure?"); say("not in") }); throw "deep" }) } catch { } 4"#,
            &["4, undo in, say not in"],
        ),
        // What was undone belongs to the error: whoever throws it on is told it, also after saying something.
        (
            r#"try { saga(|| { step("in", || 3, || say("not in")); throw "deep" }) } catch (e) { say("sorry"); throw e }"#,
            &[
                "error: deep; undone: in, two, one, undo in, say not in, say sorry, undo two, say not two, undo one, say not one",
            ],
        ),
        (
            r#"try { saga(|| { step("in", || 3, || say("not in")); throw "deep" }) } catch (e) { throw "other" }"#,
            &[
                "error: other; undone: two, one, undo in, say not in, undo two, say not two, undo one, say not one",
            ],
        ),
    ] {
        assert_eq!(ends(&steps.replace("BODY", body)), want, "{body}");
    }
}

#[test]
fn steps_in_branches_are_undone_too() {
    let rows = [
        // The saga around fails: what any branch has done is undone, in the order of the branches.
        (
            r#"saga(|| { all([|| { step("a", || exec("ok", #{ n: 1 }), || say("not a")); ask("more"); }, || exec("bad", #{ n: 2 })]); })"#,
            &[
                "failed: failed 2; undone: a (which may not have been done), undo a, say not a",
                "failed: failed 2; undone: a, undo a, say not a",
            ][..],
        ),
        // A branch that is given up undoes its own saga.
        (
            r#"any([|| saga(|| { step("a", || exec("ok", #{ n: 1 }), || say("not a")); ask("more") }), || { sleep(9); "late" }])"#,
            &[r#""late", undo a, say not a"#, r#""more""#],
        ),
        // The group around decides afterwards: it is undone once.
        (
            r#"within("1h", || { any([|| saga(|| { step("a", || exec("ok", #{ n: 1 }), || say("not a")); ask("more") }), || { sleep(9); "late" }]); say("x"); 1 })"#,
            &[
                "1, say x",
                "1, undo a, say not a, say x",
                "timed_out: it was not done within 3600 s; undone: a (which may not have been done), undo a, say not a",
                "timed_out: it was not done within 3600 s; undone: a, undo a, say not a",
            ],
        ),
        (
            r#"within("1h", || { any([|| saga(|| { step("a", || exec("ok", #{ n: 1 }), || say("not a")); ask("more") }), || { sleep(9); "late" }]) })"#,
            &[
                r#""late", undo a, say not a"#,
                r#""more""#,
                "timed_out: it was not done within 3600 s; undone: a (which may not have been done), undo a, say not a",
                "timed_out: it was not done within 3600 s; undone: a, undo a, say not a",
            ],
        ),
        // An undo that the time stops is done afterwards.
        (
            r#"within("10m", || saga(|| { step("a", || exec("ok", #{ n: 1 }), || { exec("ok", #{ n: 2 }); say("not a") }); throw "no" }))"#,
            &[
                "error: no; undone: a, undo a, say not a",
                "timed_out: it was not done within 600 s; undone: a (which may not have been done), undo a, say not a",
                "timed_out: it was not done within 600 s; undone: a, undo a, undo a, say not a",
            ],
        ),
        (
            r#"within("1h", || any([|| saga(|| { step("a", || 1, || { exec("ok", #{ n: 2 }); say("not a") }); ask("more") }), || { sleep(9); "late" }]))"#,
            &[
                r#""late", undo a, say not a"#,
                r#""more""#,
                "timed_out: it was not done within 3600 s; undone: a, undo a, say not a",
                "timed_out: it was not done within 3600 s; undone: a, undo a, undo a, say not a",
            ],
        ),
        // The newer steps of a saga in a saga are undone first.
        (
            r#"any([|| saga(|| { step("out", || 1, || say("not out")); saga(|| { step("in", || 2, || say("not in")); ask("more") }) }), || { sleep(9); "late" }])"#,
            &[r#""late", undo in, say not in, undo out, say not out"#, r#""more""#],
        ),
    ];
    for (body, want) in rows {
        let ends = ends(body);
        assert_eq!(ends, want, "{body}");
    }
}

#[test]
fn a_cancel_is_met_once_where_the_script_would_wait() {
    let cancelled = json!({ "kind": "cancelled", "message": "ben cancelled it" });
    for (body, want) in [
        (r#"ask("a")"#, "cancelled: ben cancelled it"),
        (
            r#"say("before"); try { ask("a"); } catch (e) { say(e.kind); } say("after"); 3"#,
            "3, say before, say cancelled, say after",
        ),
        (
            r#"saga(|| { step("one", || 1, || say("not one")); sleep(9); })"#,
            "cancelled: ben cancelled it; undone: one, undo one, say not one",
        ),
        (r#"retry(9, 1, || ask("a"))"#, "cancelled: ben cancelled it"),
        (r#"all([|| ask("a"), || ask("b")])"#, "cancelled: ben cancelled it"),
        (r#"say("hello"); 4"#, "4, say hello"),
    ] {
        let (body, want, error) = (body.to_owned(), want.to_owned(), cancelled.clone());
        on_script_thread(move || {
            let bench = Bench::new(&body);
            let mut story = Story::default();
            let slice = bench.slice(&story.journal, Some(error));
            story.take(&slice);
            let mut ends = BTreeSet::new();
            story.ended(&bench, &slice.end, &mut ends);
            assert_eq!(ends.into_iter().collect::<Vec<_>>(), [want], "{body}");
        });
    }
}

#[test]
fn a_cancel_that_no_branch_met_is_met_at_the_next_wait() {
    let cancelled = json!({ "kind": "cancelled", "by": "@ben:x", "message": "ben cancelled it" });
    for (body, want) in [
        // One was answered, and then it was cancelled, before the script was run again.
        (
            r#"any([|| ask("a"), || ask("b")]); say("on"); ask("c")"#,
            "cancelled: ben cancelled it, say on",
        ),
        (r#"any([|| ask("a"), || ask("b")])"#, r#""a""#),
        (
            r#"all([|| any([|| ask("a"), || ask("b")]), || 1]); ask("c")"#,
            "cancelled: ben cancelled it",
        ),
    ] {
        let (body, want, error) = (body.to_owned(), want.to_owned(), cancelled.clone());
        on_script_thread(move || {
            let bench = Bench::new(&body);
            let mut story = Story::default();
            let mut end = End::Yielded;
            for answered in [false, true] {
                if answered {
                    let open = story.open();
                    story.come(&open[0]);
                    for path in &open[1..] {
                        let past = story.journal.get_mut(path).expect("it waits");
                        let result = EffectResult::Err(error.clone());
                        past.done = Some(Done { at: story.at, result });
                    }
                }
                end = End::Yielded;
                while end == End::Yielded {
                    let slice = bench.slice(&story.journal, None);
                    story.take(&slice);
                    end = slice.end;
                }
            }
            let mut ends = BTreeSet::new();
            assert_ne!(end, End::Suspended, "{body}");
            story.ended(&bench, &end, &mut ends);
            assert_eq!(ends.into_iter().collect::<Vec<_>>(), [want], "{body}");
        });
    }
}

#[test]
fn groups_are_bounded() {
    let nested = |depth: usize| ends(&format!("nest({depth})"));
    assert_eq!(nested(GROUPS_DEPTH_MAX), ["7"]);
    assert!(nested(GROUPS_DEPTH_MAX + 1)[0].contains("stands in 8 other groups"));
    let wide = |count: usize| {
        ends(&format!("let l = []; for i in 0..{count} {{ l.push(|| 1); }} all(l).len()"))
    };
    assert_eq!(wide(BRANCHES_MAX), [BRANCHES_MAX.to_string()]);
    assert!(wide(BRANCHES_MAX + 1)[0].contains("`all` takes 32 branches, these are 33"));
    let tries = |count: i64| ends(&format!("retry({count}, 1, || 7)"));
    assert_eq!(tries(ATTEMPTS_MAX), ["7"]);
    assert!(tries(ATTEMPTS_MAX + 1)[0].contains("`retry` makes 1 to 1000 attempts"));
    assert!(tries(0)[0].contains("`retry` makes 1 to 1000 attempts"));
    let steps = |count: usize| {
        ends(&format!("saga(|| {{ for i in 0..{count} {{ step(`${{i}}`, || 1, || 2); }} 5 }})"))
    };
    assert_eq!(steps(STEPS_MAX), ["5"]);
    assert!(steps(STEPS_MAX + 1)[0].contains("sagas may have 100 steps"));
}

/// A saga that has filled its journal: with its steps, and then with reads of the clock.
fn full(body: &str) -> (Bench, Story) {
    let bench = Bench::new(&format!(
        r#"try {{ saga(|| {{ step("a", || 1, || say("not a")); for n in 0..20000 {{ now(); }} }}) }}
           catch (e) {{ {body} }}"#
    ));
    let mut story = Story::default();
    let slice = bench.slice(&story.journal, None);
    story.take(&slice);
    let like = story.journal["1"].clone();
    assert_eq!(like.op, "now");
    for nth in story.journal.len()..JOURNAL_ENTRIES_MAX {
        story.at += 1;
        let done = like.done.clone().map(|done| Done { at: story.at, ..done });
        story.journal.insert(nth.to_string(), Past { done, ..like.clone() });
    }
    (bench, story)
}

/// Whoever has no more room for what they do has room to undo it.
#[test]
fn a_full_journal_is_an_error_that_undoes_what_was_done() {
    let limit = "limit: an execution may have at most 10000 recorded steps";
    for (body, want) in [
        ("throw e", format!("{limit}; undone: a, undo a, say not a")),
        ("if e.kind != `limit` { throw e }", "null, undo a, say not a".to_owned()),
        // Nothing else has room any more, and who goes on all the same is ended.
        (
            "try { say(\"x\") } catch (f) { if f.kind != `limit` { throw f } }",
            "null, undo a, say not a".to_owned(),
        ),
        (
            "try { all([|| now()]) } catch (f) { if f.kind != `limit` { throw f } }",
            "null, undo a, say not a".to_owned(),
        ),
        ("loop { try { now(); } catch (f) { } }", format!("{limit}, undo a, say not a")),
    ] {
        on_script_thread(move || {
            let (bench, story) = full(body);
            let mut ends = BTreeSet::new();
            story.tell(&bench, &mut ends);
            assert_eq!(ends.into_iter().collect::<Vec<_>>(), [want], "{body}");
        });
    }
    // A slice with all of them still is one append, which takes 64 events.
    const { assert!(LIMITS_MAX + SLICE_EVENTS_MAX < 64) };
}

#[test]
fn wrong_groups_are_told() {
    for (body, want) in [
        ("any([])", "`any` needs at least one branch"),
        ("all([1])", "branch 1 of `all` is a closure `|| ..`, not i64"),
        ("step(\"a\", || 1, || 2)", "`step` stands in a saga"),
        ("saga(|| step(\"\", || 1, || 2))", "the name of a step has 1 to 200 bytes"),
        ("within(\"soon\", || 1)", "soon"),
    ] {
        assert!(ends(body)[0].contains(want), "{body}: {:?}", ends(body));
    }
    for source in ["all([|| 1])", "within(1, || 1)", "retry(2, 1, || 1)", "saga(|| 1)"] {
        let source = source.to_owned();
        let problem = on_script_thread(move || load_one(&engine(), "t.rhai", &source).err());
        let problem = problem.map(|problem| problem.to_string()).unwrap_or_default();
        assert!(problem.contains("top level"), "{problem}");
    }
}
