//! Executions: what each event changes, and what a cancel does.

use super::super::event::{
    EffectCompleted, EffectInDoubt, EffectRecorded, EffectRequested, EffectResolved, EffectStarted,
    ExecutionFinished, ExecutionSuspended, ExecutionYielded, Failure, Payload, QuestionAnswered,
    TimerFired, decode,
};
use super::super::id::{EventId, MessageId, Position, PostId, StreamName, UserId};
use super::*;

fn recorded(n: usize, payload: Payload) -> Recorded {
    let at = Timestamp(n as i64 * 1_000);
    let stream = StreamName::parse("execution-E").unwrap();
    Recorded {
        position: Position(n as u64),
        id: EventId { stream, version: Version(n as u64) },
        kind: String::new(),
        schema: 1,
        ts: at,
        wall: at,
        epoch: 0,
        cause: None,
        correlation: None,
        actor: None,
        room: None,
        network: None,
        key: None,
        commitment: String::new(),
        payload,
    }
}

fn begun() -> Event {
    let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).unwrap();
    decode("execution_started", 1, list[0].clone()).unwrap()
}

/// One word an event, all of them about step 0.
fn event(word: &str) -> Event {
    let path = || "0".to_owned();
    let (by, post) = (UserId("@ann:hs".into()), PostId("$1".into()));
    let asks = |class, due| {
        let (op, args) = ("exec".to_owned(), json!({ "action": "vm.stop" }));
        Event::from(EffectRequested { path: path(), op, args, line: 3, class, due, decision: None })
    };
    let completed = |value: i64| {
        let result = EffectResult::Ok(json!(value));
        EffectCompleted { path: path(), attempt: 1, result, output: None, took_ms: 1 }.into()
    };
    let resolved = |resolution| EffectResolved { path: path(), resolution, by: by.clone() };
    let question = |wants| QuestionAsked {
        from: vec![by.clone()],
        ..QuestionAsked::plain("0", wants, "?", MessageId("M".into()))
    };
    match word {
        "started" => begun(),
        "says" => {
            let (op, result) = ("say".to_owned(), EffectResult::Ok(json!("M")));
            EffectRecorded { path: path(), op, args: Value::Null, line: 1, result }.into()
        }
        "acts" => asks(EffectClass::Once, None),
        "waits" => asks(EffectClass::Log, Some(Timestamp(9_000))),
        "asks" => question(Wants::YesNo).into(),
        "asks-doubt" => question(Wants::Doubt).into(),
        "begins" => EffectStarted { path: path(), attempt: 1 }.into(),
        "gives-1" => completed(1),
        "gives-2" => completed(2),
        "doubt" => EffectInDoubt { path: path(), attempt: 1 }.into(),
        "done" => resolved(Resolution::Done).into(),
        "repeat" => resolved(Resolution::Repeat).into(),
        "give-up" => resolved(Resolution::GiveUp).into(),
        "answers" => QuestionAnswered { path: path(), answer: json!(true), by, post }.into(),
        "fires" => {
            let result = EffectResult::Ok(Value::Null);
            TimerFired { path: path(), due: Timestamp(9_000), result }.into()
        }
        "yields" => ExecutionYielded {}.into(),
        "suspends" => ExecutionSuspended {}.into(),
        "succeeds" => ExecutionFinished { ending: Ending::Succeeded(Value::Null) }.into(),
        "diverges" => ExecutionFinished { ending: Ending::Diverged("x".into()) }.into(),
        "fails" => {
            let (kind, message, file) = ("error".into(), "x".into(), "t.rhai".into());
            let failure = Failure { kind, message, file, line: 1, column: 1 };
            ExecutionFinished { ending: Ending::Failed(failure) }.into()
        }
        other => panic!("no event {other}"),
    }
}

fn fold(words: &str) -> Execution {
    let payload = |word| Payload::Event(Box::new(event(word)));
    let words = words.split_whitespace().enumerate();
    let events: Vec<Recorded> = words.map(|(n, word)| recorded(n, payload(word))).collect();
    Execution::fold(&events).expect("it begins with its start")
}

/// Its status, and what step 0 gave.
fn shown(execution: &Execution) -> String {
    let step = execution.steps.get("0");
    let result = step.and_then(|step| step.result.as_ref()).map(|result| match result {
        EffectResult::Ok(value) => format!("ok {value}"),
        EffectResult::Err(value) => format!("err {}", value["kind"]),
    });
    let doubt = if execution.last_doubt().is_some() { " in doubt" } else { "" };
    let result = result.unwrap_or_else(|| "-".into());
    format!("{} {result}{doubt}", execution.status().word())
}

#[test]
fn events_fold_to_a_state() {
    for (words, want) in [
        ("started", "ready -"),
        ("started says yields", "ready ok \"M\""),
        ("started acts suspends", "running -"),
        ("started acts suspends begins", "running -"),
        ("started acts suspends begins gives-1", "ready ok 1"),
        ("started acts suspends begins gives-1 gives-2", "ready ok 1"),
        ("started waits suspends", "sleeping -"),
        ("started waits suspends fires", "ready ok null"),
        ("started waits asks suspends", "asking -"),
        ("started waits asks suspends answers", "ready ok true"),
        ("started waits asks suspends answers fires", "ready ok true"),
        ("started waits asks suspends fires answers", "ready ok null"),
        ("started succeeds", "succeeded -"),
        ("started acts suspends begins gives-1 fails", "failed ok 1"),
        ("started diverges", "diverged -"),
    ] {
        assert_eq!(shown(&fold(words)), want, "{words}");
    }
}

#[test]
fn a_doubt_is_resolved_by_a_person() {
    let doubt = "started acts suspends begins doubt";
    let asked = format!("{doubt} asks-doubt suspends");
    for (words, want) in [
        (doubt.to_owned(), "ready err \"in_doubt\" in doubt"),
        (asked.clone(), "asking err \"in_doubt\" in doubt"),
        (format!("{asked} answers"), "asking err \"in_doubt\" in doubt"),
        (format!("{asked} answers done"), "ready ok null"),
        (format!("{asked} answers repeat"), "running -"),
        (format!("{asked} answers repeat begins gives-2"), "ready ok 2"),
        (format!("{asked} answers give-up fails"), "failed err \"in_doubt\""),
    ] {
        assert_eq!(shown(&fold(&words)), want, "{words}");
    }
    let step = &fold(&format!("{asked} answers repeat")).steps["0"];
    assert!(step.wants_doing() && !step.under_way && !step.asks(), "{step:?}");
    let error = fold(doubt).steps["0"].result.clone();
    let Some(EffectResult::Err(error)) = error else { panic!("{error:?}") };
    assert_eq!(error["action"], "vm.stop");
}

#[test]
fn a_fold_notes_when_and_how_far() {
    let execution = fold("started acts suspends");
    assert_eq!((execution.id.as_str(), execution.version), ("E", Version(2)));
    assert_eq!((execution.began, execution.touched), (Timestamp(0), Timestamp(2_000)));
}

#[test]
fn what_cannot_be_read_is_no_execution() {
    let known = |word| Payload::Event(Box::new(event(word)));
    for (payloads, what) in [
        (vec![], "nothing"),
        (vec![Payload::Erased], "an erased start"),
        (vec![known("says")], "another start"),
        (vec![known("started"), Payload::Erased], "an erased event"),
        (vec![known("started"), Payload::Unknown(Value::Null)], "an unknown event"),
    ] {
        let events: Vec<Recorded> =
            payloads.into_iter().enumerate().map(|(n, it)| recorded(n, it)).collect();
        assert_eq!(Execution::fold(&events), None, "{what}");
    }
}

#[test]
fn a_due_timer_gives_what_was_asked_for() {
    let late = json!({ "kind": "timed_out", "message": "nobody answered in time: Sure?" });
    for (op, args, want) in [
        ("sleep", json!({ "ms": 5 }), EffectResult::Ok(Value::Null)),
        ("sleep", json!({ "or_else": { "value": 1 } }), EffectResult::Ok(Value::Null)),
        ("ask", json!({ "or_else": { "value": "a" } }), EffectResult::Ok(json!("a"))),
        ("ask", json!({ "or_else": { "value": null } }), EffectResult::Ok(Value::Null)),
        ("ask", json!({ "question": "Sure?", "or_else": null }), EffectResult::Err(late.clone())),
        ("confirm", json!({ "question": "Sure?" }), EffectResult::Err(late)),
    ] {
        let step = Step::new(op, &args, 1, EffectClass::Log);
        assert_eq!(timer_result(&step), want, "{op} {args}");
    }
}

#[test]
fn a_cancel_that_a_group_decided_without_is_still_to_be_met() {
    let by = UserId("@ann:hs".into());
    for (result, met) in [
        (EffectResult::Ok(json!({ "branch": 0 })), false),
        (EffectResult::Err(json!({ "branch": 0, "kind": "error" })), false),
        (EffectResult::Ok(json!({ "branch": 1 })), true),
        (EffectResult::Ok(json!({ "branch": null })), true),
        (EffectResult::Err(json!({ "branch": 1, "kind": "cancelled" })), true),
    ] {
        let mut execution = fold("started");
        for (path, op) in [("0", "any"), ("0.0.0", "ask"), ("0.1.0", "ask")] {
            let (path, op, args, class) = (path.into(), op.into(), json!({}), EffectClass::Log);
            execution.apply(
                &EffectRequested { path, op, args, line: 1, class, due: None, decision: None }
                    .into(),
            );
        }
        let (answer, post) = (json!("a"), PostId("$1".into()));
        let path = "0.0.0".to_owned();
        execution.apply(&QuestionAnswered { path, answer, by: by.clone(), post }.into());
        let cancel = execution.cancelled_by(by.clone(), String::new());
        execution.apply(&cancel.into());
        let decided = GroupDecided { path: "0".into(), result: result.clone(), cancelled: vec![] };
        execution.apply(&decided.into());
        let cancelled = execution.cancelled.expect("it is cancelled");
        assert_eq!(cancelled.delivered, met, "{result:?}");
    }
}
