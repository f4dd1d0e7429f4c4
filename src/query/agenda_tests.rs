//! The agenda: what each event adds and ends.

use super::*;
use crate::domain::event::{
    EffectCompleted, EffectRequested, EffectResult, EffectStarted, Ending, ExecutionFinished,
    ExecutionSuspended, MessageQueued, MessageSent, QuestionAnswered, QuestionAsked,
    QuestionReminded, Remind, Whom,
};
use crate::domain::id::{EventId, PostId, RoomId, UserId, Version};
use crate::domain::message::Doc;
use crate::domain::trigger::Place;
use serde_json::Value;

/// An agenda after these events, each on a stream of its own naming, one a second.
fn after(events: &[(&str, Event)]) -> Agenda {
    let mut agenda = Agenda::default();
    for (n, (stream, event)) in events.iter().enumerate() {
        let at = Timestamp(n as i64 * 1_000);
        agenda.apply(&Recorded {
            position: Position(n as u64),
            id: EventId { stream: StreamName::parse(stream).unwrap(), version: Version(0) },
            kind: event.kind().into(),
            schema: event.schema(),
            ts: at,
            wall: at,
            epoch: 0,
            cause: None,
            correlation: None,
            actor: None,
            room: Some(Pseudonym("r".into())),
            network: None,
            key: None,
            commitment: String::new(),
            payload: Payload::Event(Box::new(event.clone())),
        });
    }
    agenda
}

fn works(agenda: &Agenda, now: i64) -> String {
    let tasks = agenda.tasks(Timestamp(now), &|_| false, Budget { steps: 9, effects: 9, sends: 9 });
    tasks.iter().map(|task| format!("{:?}", task.work)).collect::<Vec<_>>().join(" ")
}

fn requested(class: EffectClass, due: Option<i64>) -> Event {
    let (path, op, line) = ("0".to_owned(), "exec".to_owned(), 1);
    EffectRequested {
        path,
        op,
        args: Value::Null,
        line,
        class,
        due: due.map(Timestamp),
        decision: None,
    }
    .into()
}

fn said(id: &str, edits: Option<&str>) -> Event {
    let place = Place {
        network: "matrix".into(),
        room: RoomId("r".into()),
        name: "r".into(),
        thread: None,
        direct: false,
        encrypted: false,
    };
    Event::MessageQueued(MessageQueued {
        message: MessageId(id.into()),
        place,
        reply_to: None,
        edits: edits.map(|id| MessageId(id.into())),
        doc: Doc::text("x"),
        attachment: None,
        notify: vec![],
        execution: None,
        question: None,
    })
}

fn begun() -> (&'static str, Event) {
    let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).unwrap();
    let data = list[0].clone();
    ("execution-E", crate::domain::event::decode("execution_started", 1, data).unwrap())
}

#[test]
fn effects_go_through_their_stages() {
    let (suspended, path) = (|| ExecutionSuspended {}.into(), || "0".to_owned());
    let started = || EffectStarted { path: path(), attempt: 1 }.into();
    let result = EffectResult::Ok(Value::Null);
    let done = EffectCompleted { path: path(), attempt: 1, result, output: None, took_ms: 1 };
    let end = ExecutionFinished { ending: Ending::Succeeded(Value::Null) };
    let e = "execution-E";
    let story: Vec<(&str, Event)> = vec![
        begun(),
        (e, requested(EffectClass::Once, None)),
        (e, suspended()),
        (e, started()),
        (e, done.into()),
        (e, end.into()),
    ];
    for (events, want) in [
        (1, "Slice(ExecutionId(\"E\"))"),
        (3, "Effect(ExecutionId(\"E\"), \"0\")"),
        (4, "Orphan(ExecutionId(\"E\"), \"0\")"),
        (5, "Slice(ExecutionId(\"E\"))"),
        (6, ""),
    ] {
        assert_eq!(works(&after(&story[..events]), 0), want, "after {events} events");
    }
    assert_eq!(after(&story).open_executions(), 0);
}

#[test]
fn questions_and_timers_end_together() {
    let asked = QuestionAsked::plain("0", Wants::YesNo, "?", MessageId("M".into()));
    let answered = QuestionAnswered {
        path: "0".into(),
        answer: Value::Bool(true),
        by: UserId("@a:b".into()),
        post: PostId("$1".into()),
    };
    let e = "execution-E";
    let story: Vec<(&str, Event)> = vec![
        begun(),
        (e, requested(EffectClass::Log, Some(60_000))),
        (e, asked.into()),
        (e, ExecutionSuspended {}.into()),
        (e, answered.into()),
    ];
    let open = after(&story[..4]);
    assert_eq!((open.asks(), works(&open, 59_999).as_str()), (true, ""));
    assert!(works(&open, 60_000).starts_with("Timer("));
    assert_eq!(open.next_due(Timestamp(0)), Some(Timestamp(60_000)));
    let closed = after(&story);
    assert_eq!((closed.asks(), closed.next_due(Timestamp(0))), (false, None));
    assert!(works(&closed, 60_000).starts_with("Slice("));
}

#[test]
fn edits_are_spaced_and_only_the_last_one_is_sent() {
    let sent = || MessageSent { post: PostId("$1".into()) }.into();
    let story: Vec<(&str, Event)> = vec![
        ("message-A", said("A", None)),
        ("message-A", sent()),
        ("message-B", said("B", Some("A"))),
        ("message-B", sent()),
        ("message-C", said("C", Some("A"))),
        ("message-D", said("D", None)),
        ("message-E", said("E", Some("A"))),
    ];
    assert_eq!(
        works(&after(&story[..3]), 2_000),
        "Send(MessageId(\"B\"))",
        "the first edit goes at once"
    );
    assert_eq!(works(&after(&story[..5]), 4_000), "", "B was sent at 3 s");
    assert_eq!(works(&after(&story[..5]), 5_000), "Send(MessageId(\"C\"))");
    assert_eq!(
        works(&after(&story[..6]), 4_000),
        "Send(MessageId(\"C\"))",
        "what is said behind an edit is not heard before it"
    );
    let newer = works(&after(&story), 4_000);
    assert_eq!(newer, "Supersede(MessageId(\"C\"), MessageId(\"E\"))");
}

#[test]
fn reminders_come_and_go_with_their_question() {
    let (e, reminder) = ("execution-E", crate::domain::reminder::timer_path("0"));
    let remind = Remind { after_ms: 60_000, due: Timestamp(60_000), then: Whom::default() };
    let asked = QuestionAsked::plain("0", Wants::YesNo, "?", MessageId("M".into()));
    let asked = QuestionAsked { remind: Some(remind), tag: "t".into(), ..asked };
    let reminded = QuestionReminded {
        path: "0".into(),
        nth: 1,
        also: Whom::default(),
        message: MessageId("N".into()),
        next: Some(Timestamp(180_000)),
    };
    let answered = QuestionAnswered {
        path: "0".into(),
        answer: Value::Bool(true),
        by: UserId("@a:b".into()),
        post: PostId("$1".into()),
    };
    let story: Vec<(&str, Event)> = vec![
        begun(),
        (e, requested(EffectClass::Log, None)),
        (e, asked.into()),
        (e, ExecutionSuspended {}.into()),
        (e, reminded.into()),
        (e, answered.into()),
    ];
    let timer = |due| format!("Timer(ExecutionId(\"E\"), {reminder:?}, Timestamp({due}))");
    let open = after(&story[..4]);
    assert_eq!((works(&open, 59_999), works(&open, 60_000)), (String::new(), timer(60_000)));
    assert!(open.has_phrase("t") && !open.has_phrase("other"));
    let later = after(&story[..5]);
    assert_eq!((works(&later, 60_000), works(&later, 180_000)), (String::new(), timer(180_000)));
    let closed = after(&story);
    assert_eq!((closed.next_due(Timestamp(0)), closed.has_phrase("t")), (None, false));
    assert_eq!(open.all_questions(1), (vec![(ExecutionId("E".into()), "0".into())], 0));
    assert_eq!(open.all_questions(0), (vec![], 1));
}
