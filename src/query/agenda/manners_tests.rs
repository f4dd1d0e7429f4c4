//! What is remembered of how people and bots talk.

use super::*;
use crate::domain::event::{MessageSent, Payload, TriggerRecorded, decode};
use crate::domain::id::{EventId, Position, PostId, Version};
use crate::domain::loops::SAME_MS;
use serde_json::Value;

/// A message or a sent answer at a time; what does not matter here is empty.
fn recorded(n: u64, at: i64, event: Event) -> Recorded {
    let stream = StreamName::parse(&format!("trigger-{n}")).expect("a name");
    let pseudonym = |name: &str| serde_json::from_value(Value::from(name)).expect("a pseudonym");
    Recorded {
        position: Position(n),
        id: EventId { stream, version: Version::START },
        kind: event.kind().to_owned(),
        schema: event.schema(),
        ts: Timestamp(at),
        wall: Timestamp(at),
        epoch: 0,
        cause: None,
        correlation: None,
        actor: Some(pseudonym("ann")),
        room: Some(pseudonym("ops")),
        network: None,
        key: None,
        commitment: String::new(),
        payload: Payload::Event(Box::new(event)),
    }
}

fn command() -> Event {
    let fixture = include_str!("../../../tests/fixtures/events/trigger_recorded.v4.json");
    let list: Vec<Value> = serde_json::from_str(fixture).expect("it is JSON");
    match decode("trigger_recorded", 4, list[0].clone()) {
        Ok(Event::TriggerRecorded(TriggerRecorded { trigger })) => {
            TriggerRecorded { trigger }.into()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_commands_of_minutes_are_counted_as_far_as_it_matters() {
    let mut manners = Manners::default();
    let many = u64::try_from(LONG_MAX).expect("it is small") + 10;
    for n in 0..many {
        manners.apply(&recorded(n, 0, command()));
    }
    let at = |n: u64, ms: i64| recorded(n, ms, command());
    assert_eq!(manners.long(&at(many, LONG_MS - 1)), LONG_MAX);
    assert_eq!(manners.long(&at(many, LONG_MS)), 0);
    manners.apply(&at(many, LONG_MS));
    assert_eq!(manners.long.values().map(VecDeque::len).sum::<usize>(), 1, "the rest is forgotten");
}

#[test]
fn only_so_many_commands_are_remembered_and_only_for_a_minute() {
    let mut manners = Manners::default();
    let many = u64::try_from(GIVEN_MAX).expect("it is small") + 10;
    for n in 0..many {
        manners.apply(&recorded(n, 0, command()));
    }
    let last = recorded(many, PACE_MS - 1, command());
    manners.apply(&last);
    let actor = last.actor.as_ref().expect("it has one");
    assert_eq!(manners.given_before(actor, &last.id.stream).len(), GIVEN_MAX - 1);
    let later = recorded(many + 1, 2 * PACE_MS, command());
    manners.apply(&later);
    assert_eq!(manners.given_before(actor, &later.id.stream), []);
    assert_eq!(manners.given.len(), 1);
}

#[test]
fn who_answers_at_once_is_counted_until_they_take_their_time() {
    let mut manners = Manners::default();
    let sent = || MessageSent { post: PostId("$1".into()) }.into();
    let mut at = 0;
    for (n, wait, want) in [
        (1, 0, 0),
        (2, 500, 1),
        (3, QUICK_MS, 2),
        (4, QUICK_MS + 1, 0),
        (5, 0, 1),
        (6, 0, 2),
        (7, 0, 3),
        (8, 0, 4),
        (9, 0, 5),
        (10, 0, 6),
        (11, 0, 6),
    ] {
        at += wait;
        let said = recorded(n, at, command());
        manners.apply(&said);
        assert_eq!(manners.at_once(&said).len(), want, "message {n}");
        manners.apply(&recorded(100 + n, at, sent()));
    }
    assert_eq!(QUICK_MAX, 6, "the last rows are at the bound");
    // Two in a row to one answer: the second one answers nothing.
    let first = recorded(20, at, command());
    manners.apply(&first);
    let second = recorded(21, at, command());
    manners.apply(&second);
    assert_eq!(manners.at_once(&second), [], "nothing was said between");
}

#[test]
fn commands_of_the_last_time_are_known() {
    let mut manners = Manners::default();
    let times = [0, SAME_MS, SAME_MS + 1, 2 * SAME_MS];
    let lately = (1..).zip(times).map(|(n, at)| {
        let said = recorded(n, at, command());
        manners.apply(&said);
        manners.lately(&said, SAME_MS).len()
    });
    assert_eq!(lately.collect::<Vec<_>>(), [1, 2, 2, 3]);
}
