//! The rows of the agenda: as many are written as have changed, however much is open.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::domain::event::{
    Event, ExecutionSuspended, MessageSent, NewEvent, Payload, QuestionAnswered, QuestionAsked,
    Recorded, WakePlanned, Wants, decode,
};
use crate::domain::id::{EventId, PostId, Pseudonym, UserId, Version};
use crate::store::memory::MemoryStore;
use crate::store::testing::surroundings;
use crate::store::{Expected, Write};

/// An agenda and how many events it has seen.
struct Log {
    agenda: Agenda,
    next: u64,
}

impl Log {
    fn new() -> Self {
        Self { agenda: Agenda::default(), next: 0 }
    }

    fn add(&mut self, stream: &StreamName, event: Event) {
        self.agenda.apply(&Recorded {
            position: Position(self.next),
            id: EventId { stream: stream.clone(), version: Version(0) },
            kind: event.kind().into(),
            schema: event.schema(),
            ts: Timestamp(0),
            wall: Timestamp(0),
            epoch: 0,
            cause: None,
            correlation: None,
            actor: None,
            room: Some(Pseudonym("r".into())),
            network: None,
            key: None,
            commitment: String::new(),
            payload: Payload::Event(Box::new(event)),
        });
        self.next += 1;
    }

    /// One more execution asks something and waits.
    fn ask(&mut self, nth: usize) {
        let id = ExecutionId(format!("E{nth:06}"));
        let stream = StreamName::execution(&id);
        let asked = QuestionAsked::plain("0", Wants::Text, "?", MessageId(format!("M{nth}")));
        self.add(&stream, started());
        self.add(&stream, QuestionAsked { tag: format!("tag of {nth:06}"), ..asked }.into());
        self.add(&stream, ExecutionSuspended {}.into());
    }

    /// One more alert fires, is looked at again, and may be over.
    fn fire(&mut self, nth: usize, over: bool) {
        let stream = StreamName::parse(&format!("alert-{nth:06}")).expect("a name");
        self.add(
            &stream,
            fixture(
                include_str!("../../../tests/fixtures/events/alert_raised.v1.json"),
                "alert_raised",
            ),
        );
        self.add(&stream, WakePlanned { due: Some(Timestamp(9_000_000)) }.into());
        if over {
            self.add(
                &stream,
                fixture(
                    include_str!("../../../tests/fixtures/events/alert_resolved.v1.json"),
                    "alert_resolved",
                ),
            );
            self.add(&stream, WakePlanned { due: None }.into());
        }
    }

    fn answer(&mut self, nth: usize) {
        let stream = StreamName::execution(&ExecutionId(format!("E{nth:06}")));
        let (path, answer) = ("0".into(), Value::Bool(true));
        let (by, post) = (UserId("@a:b".into()), PostId("$1".into()));
        self.add(&stream, QuestionAnswered { path, answer, by, post }.into());
    }
}

fn started() -> Event {
    fixture(
        include_str!("../../../tests/fixtures/events/execution_started.v1.json"),
        "execution_started",
    )
}

fn fixture(stored: &str, kind: &str) -> Event {
    let list: Vec<Value> = serde_json::from_str(stored).expect("it is JSON");
    decode(kind, 1, list[0].clone()).expect("it is an event")
}

/// A log that is long enough for every checkpoint of these tests to be in it.
async fn store(events: usize) -> Arc<MemoryStore> {
    let store = MemoryStore::new(surroundings());
    let stream = StreamName::message(&MessageId("any".into()));
    let sent = || NewEvent::bare(MessageSent { post: PostId("$1".into()) });
    while store.next_position() < Position(events as u64) {
        let (stream, events) = (stream.clone(), (0..64).map(|_| sent()).collect());
        let write = Write { stream, expected: Expected::Any, key: None, events };
        store.append(vec![write]).await.expect("it appends");
    }
    store
}

/// How many rows are to be written, in how many parts, and their bytes.
fn written(agenda: &Agenda) -> (usize, usize, usize) {
    let changes = agenda.changes().expect("it is written");
    let rows = || changes.iter().flat_map(|change| &change.rows);
    let bytes = rows().map(|(key, row)| key.len() + row.as_ref().map_or(0, Vec::len)).sum();
    (rows().count(), changes.len(), bytes)
}

#[tokio::test]
async fn what_is_written_for_one_more_question_does_not_grow_with_those_that_are_open() {
    let mut each = vec![];
    for open in [100_u64, 1_000] {
        let mut log = Log { next: 1_000_000, ..Log::new() };
        (0..open as usize).for_each(|nth| log.ask(nth));
        let store = MemoryStore::new(surroundings());
        log.agenda.keep(store.as_ref()).expect("it is kept");
        log.ask(500_000);
        let one_more = written(&log.agenda);
        log.answer(7);
        each.push((one_more, written(&log.agenda)));
    }
    assert_eq!(each[0].0.0, 2, "its own row, and the one for the rest");
    assert_eq!(each[0].1.0, 3);
    assert_eq!(each[0].0, each[1].0);
    // The positions of the thousandth are as long as those of the hundredth.
    assert_eq!(each[0].1, each[1].1);
}

#[tokio::test]
async fn what_is_written_for_one_more_alert_does_not_grow_with_those_that_fire() {
    let mut each = vec![];
    for open in [100_usize, 1_000] {
        let mut log = Log { next: 1_000_000, ..Log::new() };
        (0..open).for_each(|nth| log.fire(nth, false));
        let store = MemoryStore::new(surroundings());
        log.agenda.keep(store.as_ref()).expect("it is kept");
        log.fire(500_000, false);
        let one_more = written(&log.agenda);
        log.fire(7, true);
        each.push((one_more, written(&log.agenda)));
    }
    assert_eq!((each[0].0.0, each[0].1.0), (2, 3), "its own row, and the one for the rest");
    assert_eq!(each[0], each[1]);
}

#[tokio::test]
async fn what_was_kept_is_what_is_read_back() {
    let store = store(64 * 64).await;
    let mut log = Log::new();
    for round in 0..20 {
        (0..10).for_each(|nth| log.ask(100 * round + nth));
        (0..10).step_by(3).for_each(|nth| log.answer(100 * round + nth));
        (0..10).for_each(|nth| log.fire(100 * round + nth, nth % 4 == 0));
        (0..3).for_each(|nth| log.fire(100 * round / 2 + nth, true));
        log.agenda.keep(store.as_ref()).expect("it is kept");
        assert_eq!(Agenda::kept(store.as_ref()).expect("it reads"), log.agenda, "{round}");
    }
    let mut other = Agenda::kept(store.as_ref()).expect("it reads");
    other.touch(&StreamName::parse("execution-E000000").expect("a name"));
    assert_eq!(written(&other).0, 2, "who reads it back goes on from there");
}

#[tokio::test]
async fn all_of_it_is_written_in_parts_and_counts_when_the_last_one_is_there() {
    let store = store(64 * 64).await;
    let mut log = Log::new();
    (0..ROWS_MAX - 1).for_each(|nth| log.ask(nth));
    assert_eq!(written(&log.agenda).1, 1, "with the rest they are as many as fit");
    log.ask(ROWS_MAX);
    let changes = log.agenda.changes().expect("it is written");
    assert_eq!(changes.len(), 2);
    assert!(changes[0].replace && !changes[1].replace);
    store.project(PROJECTION, changes[0].clone()).expect("it writes");
    assert_eq!(Agenda::kept(store.as_ref()).expect("it reads"), Agenda::default());
    store.project(PROJECTION, changes[1].clone()).expect("it writes");
    assert_eq!(Agenda::kept(store.as_ref()).expect("it reads"), log.agenda);
}

#[tokio::test]
async fn what_kept_it_before_goes() {
    let store = store(64).await;
    let rows = vec![("all".to_owned(), Some(b"{}".to_vec()))];
    let change = ProjectionChange { rows, checkpoint: Position(9), replace: true };
    store.project(BEFORE[2], change).expect("it writes");
    Log::new().agenda.keep(store.as_ref()).expect("it is kept");
    assert_eq!(store.projection(BEFORE[2], "").expect("it reads").rows, []);
}

#[tokio::test]
async fn where_too_much_has_changed_all_of_it_is_written() {
    let store = store(64).await;
    let mut log = Log::new();
    log.ask(0);
    log.agenda.keep(store.as_ref()).expect("it is kept");
    let stream = |nth: usize| StreamName::parse(&format!("message-{nth}")).expect("a name");
    (0..CHANGED_MAX).for_each(|nth| log.agenda.touch(&stream(nth)));
    assert!(!log.agenda.changes().expect("it is written")[0].replace);
    log.agenda.touch(&stream(CHANGED_MAX));
    assert!(log.agenda.changes().expect("it is written")[0].replace);
}

#[tokio::test]
async fn rows_of_something_else_count_for_nothing() {
    let store = store(64).await;
    let mut log = Log::new();
    log.ask(0);
    log.agenda.keep(store.as_ref()).expect("it is kept");
    for key in ["execution-E000000", "rest", "nothing of ours"] {
        let rows = vec![(key.to_owned(), Some(b"[]".to_vec()))];
        let change = ProjectionChange { rows, checkpoint: log.agenda.checkpoint, replace: false };
        store.project(PROJECTION, change).expect("it writes");
        assert_eq!(Agenda::kept(store.as_ref()).expect("it reads"), Agenda::default(), "{key}");
        let mut whole = Agenda { changed: Changed(None), ..log.agenda.clone() };
        whole.keep(store.as_ref()).expect("it is kept");
        assert_eq!(Agenda::kept(store.as_ref()).expect("it reads"), log.agenda, "{key}");
    }
}
