//! The journal as a script meets it: what answers, what is new, what differs, and how much there may be.

use super::*;
use serde_json::json;

fn past(rows: &[(&str, Value, Option<Value>)]) -> Journal {
    let row = |(n, (op, args, result)): (usize, &(&str, Value, Option<Value>))| {
        let done =
            result.clone().map(|value| Done { at: n as u64 + 1, result: EffectResult::Ok(value) });
        let (op, args, line) = ((*op).to_owned(), args.clone(), n as u32 + 1);
        (n.to_string(), Past { op, args, line, outside: false, done })
    };
    rows.iter().enumerate().map(row).collect()
}

fn note(tape: &mut Tape, path: String, op: &str, args: Value) {
    let state = Noted::Done(EffectResult::Ok(Value::Null));
    tape.note(Entry { path, op: op.into(), args, line: 1, state });
}

/// What it gave, if it is known.
fn known(met: Met) -> Option<Value> {
    match met {
        Met::Known(Done { result: EffectResult::Ok(value), .. }) => Some(value),
        _ => None,
    }
}

#[test]
fn a_journal_answers_until_its_end() {
    let log = past(&[("say", json!("a"), Some(json!(1))), ("ask", json!("b"), None)]);
    let mut tape = Tape::new(log.clone());
    assert_eq!(known(tape.meet("say", &json!("a"), 1, 2)), Some(json!(1)));
    assert_eq!(tape.meet("ask", &json!("b"), 2, 2), Met::Waiting);
    assert_eq!(tape.meet("ask", &json!("b"), 2, 2), Met::Waiting, "it goes on from there");
    assert_eq!(tape.unfinished(), None);
    let mut log = log;
    log.get_mut("1").unwrap().done = Some(Done { at: 9, result: EffectResult::Ok(json!(2)) });
    let mut tape = Tape::new(log);
    tape.meet("say", &json!("a"), 1, 2);
    assert_eq!(known(tape.meet("ask", &json!("b"), 2, 2)), Some(json!(2)));
    assert_eq!(tape.meet("say", &json!("c"), 3, 2), Met::New("2".into()));
    note(&mut tape, "2".into(), "say", json!("c"));
    assert_eq!(known(tape.meet("say", &json!("c"), 3, 2)), Some(Value::Null));
    assert_eq!(tape.meet("say", &json!("d"), 4, 2), Met::New("3".into()));
}

#[test]
fn another_effect_than_the_logs_diverges() {
    let log = past(&[("ask", json!("one?"), None)]);
    let line = |n: u32| Some(format!("  line {n}"));
    for (op, args, want) in [
        ("ask", json!("two?"), "ask(\"two?\") in line 3: line 3"),
        ("say", json!("one?"), "say(\"one?\") in line 3: line 3"),
    ] {
        let met = Tape::new(log.clone()).meet(op, &args, 3, 1);
        let Met::Diverged(how) = met else { panic!("{met:?}") };
        let words = how.words(&line, &|_| Some("line 3".into()));
        let want = format!("step 0\n  then: ask(\"one?\") in line 1: line 1\n  now: {want}");
        assert_eq!(words, want, "{op} {args}");
    }
    let early = Tape::new(log).unfinished().unwrap().words(&|_| None, &|_| None);
    assert_eq!(early, "step 0\n  then: ask(\"one?\") in line 1\n  now: it ended");
}

#[test]
fn a_branch_has_paths_of_its_own() {
    let mut tape = Tape::new(past(&[("say", json!(1), Some(json!(1)))]));
    tape.meet("say", &json!(1), 1, 1);
    tape.enter("1", 1, None);
    assert_eq!((tape.path().as_str(), tape.depth()), ("1.1.0", 1));
    note(&mut tape, "1.1.0".into(), "say", json!(2));
    tape.meet("say", &json!(2), 1, 1);
    tape.enter("1.1.1", 0, None);
    assert_eq!((tape.path().as_str(), tape.depth()), ("1.1.1.0.0", 2));
    tape.leave();
    tape.leave();
    assert_eq!((tape.path().as_str(), tape.depth()), ("1", 0));
}

#[test]
fn a_frozen_branch_sees_what_was_done_before_and_asks_for_nothing() {
    let log = past(&[("a", json!(0), Some(json!(0))), ("b", json!(0), Some(json!(1)))]);
    let moved = |(path, past): (String, Past)| (format!("7.0.{path}"), past);
    let log: Journal = log.into_iter().map(moved).collect();
    for (before, seen) in [(1, 0), (2, 1), (3, 2)] {
        let mut tape = Tape::new(log.clone());
        tape.enter("7", 0, Some(before));
        let met = [tape.meet("a", &json!(0), 1, 1), tape.meet("b", &json!(0), 1, 1)];
        let count = met.into_iter().filter_map(known).count();
        assert_eq!(count, seen, "before {before}");
        assert_eq!(tape.meet("c", &json!(0), 1, 1) == Met::Waiting, seen == 2, "before {before}");
        tape.enter("9", 0, Some(100));
        assert!(tape.frozen(), "what is inside sees no more than what is around it");
    }
}

#[test]
fn a_slice_is_bounded() {
    let count = |args: Value, events: usize| {
        let mut tape = Tape::new(Journal::new());
        let mut noted = 0;
        while let Met::New(path) = tape.meet("say", &args, 1, events) {
            note(&mut tape, path, "say", args.clone());
            assert!(known(tape.meet("say", &args, 1, events)).is_some());
            noted += 1;
        }
        assert_eq!(tape.meet("say", &args, 1, events), Met::Full);
        assert_eq!(tape.take_new().len(), noted);
        assert!(matches!(tape.meet("say", &args, 1, events), Met::New(_)), "a new slice has room");
        noted
    };
    assert_eq!(count(json!(1), 2), SLICE_EVENTS_MAX / 2);
    assert_eq!(count(json!("x".repeat(10_000)), 2), SLICE_TEXT_BYTES_MAX / 10_000);
    assert_eq!(count(json!("x".repeat(SLICE_TEXT_BYTES_MAX)), 2), 1, "one effect always fits");
}

#[test]
fn an_execution_has_a_bounded_journal() {
    let rows = vec![("now", json!(null), Some(json!(1))); JOURNAL_ENTRIES_MAX - 1];
    let mut tape = Tape::new(past(&rows));
    for _ in 0..JOURNAL_ENTRIES_MAX - 1 {
        assert!(matches!(tape.meet("now", &json!(null), 1, 1), Met::Known(_)));
    }
    let group = tape.path();
    tape.enter(&group, 0, None);
    let Met::New(path) = tape.meet("now", &json!(null), 1, 1) else { panic!("there is room") };
    note(&mut tape, path, "now", json!(null));
    tape.meet("now", &json!(null), 1, 1);
    assert_eq!(tape.meet("now", &json!(null), 1, 1), Met::TooMany, "in branches too");
    tape.undoes(true);
    assert!(matches!(tape.meet("now", &json!(null), 1, 1), Met::New(_)), "undoing has more room");
    for nth in 0..UNDO_ENTRIES_MAX {
        let Met::New(path) = tape.meet("now", &json!(null), 1, 1) else { panic!("{nth}") };
        tape.take_new();
        note(&mut tape, path, "now", json!(null));
        tape.meet("now", &json!(null), 1, 1);
    }
    assert_eq!(tape.meet("now", &json!(null), 1, 1), Met::TooMany);
}

/// Whatever a script called where it met the bound, it meets it there again.
#[test]
fn a_bound_that_was_met_is_met_again() {
    let error = EffectResult::Err(json!({ "kind": LIMIT }));
    let mut log = past(&[(LIMIT, json!(null), None)]);
    log.get_mut("0").expect("it is there").done = Some(Done { at: 1, result: error.clone() });
    let mut tape = Tape::new(log);
    assert_eq!(tape.limits(), 1);
    let met = tape.meet("exec", &json!({ "action": "a.b" }), 7, 2);
    assert_eq!(met, Met::Known(Done { at: 1, result: error }));
    assert!(matches!(tape.meet("say", &json!("x"), 8, 1), Met::New(_)));
}
