//! What a room is told, as tables.

use super::super::event::{
    EffectClass, EffectRecorded, EffectRequested, EffectResult, Event, ExecutionStarted,
    TimerFired, decode,
};
use super::super::id::{ExecutionId, Version};
use super::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60;

fn begun() -> ExecutionStarted {
    let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).expect("it is JSON");
    match decode("execution_started", 1, list[0].clone()) {
        Ok(Event::ExecutionStarted(started)) => started,
        other => panic!("{other:?}"),
    }
}

/// An execution by what happened to it: `ann@3` a post of ann's at minute 3; `wait`, `fired`; `told@1` of nothing in
/// particular; `lost:0,2` these posts.
fn after(story: &str) -> Execution {
    let mut execution = Execution::begin(ExecutionId("E".into()), begun(), Timestamp(0));
    for word in story.split_whitespace() {
        let done = |kind: &str, execution: &mut Execution, args: Value| {
            let path = path(kind, count(execution, kind));
            let (op, result) = (kind.to_owned(), EffectResult::Ok(Value::Null));
            execution.apply(&EffectRecorded { path, op, args, line: 0, result }.into());
        };
        let minute = |text: &str| Timestamp(text.parse::<i64>().expect("a number") * MINUTE);
        match word.split_once(['@', ':']) {
            None if word == "wait" => {
                let path = path(WAIT, count(&execution, WAIT));
                let (op, args, class) = ("sleep".to_owned(), json!({}), EffectClass::Log);
                let due = Some(Timestamp(0));
                execution.apply(
                    &EffectRequested { path, op, args, line: 0, class, due, decision: None }.into(),
                );
            }
            None => {
                let path = path(WAIT, count(&execution, WAIT) - 1);
                let (due, result) = (Timestamp(0), EffectResult::Ok(Value::Null));
                execution.apply(&TimerFired { path, due, result }.into());
            }
            Some(("told", at)) => done(TELL, &mut execution, json!({ "at": minute(at).0 })),
            Some(("lost", posts)) => {
                let posts: Vec<usize> = posts.split(',').map(|n| n.parse().expect("n")).collect();
                done(LOSE, &mut execution, json!({ "posts": posts }));
            }
            Some((name, at)) => {
                let trigger = format!("trigger-{}", count(&execution, POST));
                let post = Sealed {
                    trigger: StreamName::parse(&trigger).expect("a name"),
                    at: minute(at),
                    since: minute(at),
                    by: UserId(format!("@{name}:hs")),
                    name: name.to_owned(),
                };
                done(POST, &mut execution, post.args());
            }
        }
    }
    execution
}

/// Where posts stand: `w` waits, `o` over, anything else waits and is withheld for that reason.
fn standings(text: &str) -> Vec<Standing> {
    let waiting = |withheld| Standing::Waiting { version: Version(1), withheld };
    let standing = |word: &str| match word {
        "w" => waiting(None),
        "o" => Standing::Over,
        code => waiting(Some(code.to_owned())),
    };
    text.split_whitespace().map(standing).collect()
}

fn shown(story: &str, stands: &str, minute: i64) -> String {
    match next(&after(story), &standings(stands), Timestamp(minute * MINUTE)) {
        Next::Wait(due) => format!("wait {}", due.0 / MINUTE),
        Next::Sleep => "sleep".into(),
        Next::Tell(posts, _) => format!("tell {posts:?}"),
        Next::Lose(posts, _, by) => {
            let by: Vec<&str> = by.iter().map(UserId::as_str).collect();
            format!("lose {posts:?} {}", by.join(" "))
        }
        Next::GiveUp(posts) => format!("give up {posts:?}"),
        Next::Done => "done".into(),
    }
}

#[test]
fn a_room_is_told_once_a_day_of_what_stays_unreadable() {
    for (story, stands, minute, want) in [
        ("ann@0 wait", "w", 0, "sleep"),
        ("ann@0 wait fired", "o", 1, "done"),
        ("ann@0 wait fired", "w", 1, "tell [0]"),
        ("ann@0 ben@0 ann@1 wait fired", "w o w", 1, "tell [0, 2]"),
        ("ann@0 ben@1 wait fired", "o w", 1, "wait 2"),
        ("ann@0 wait fired told@1", "w", 1, "wait 1440"),
        ("ann@0 wait fired told@1 wait ben@9", "w w", 9, "sleep"),
        ("ann@0 wait fired told@1", "o", 1, "wait 1441"),
        ("ann@0 wait fired told@1 wait ben@9 fired", "w w", DAY, "lose [0] @ann:hs"),
        ("ann@0 wait fired told@1 wait ben@9 fired lost:0", "w w", DAY, "give up [0]"),
        ("ann@0 wait fired told@1 wait ben@9 fired lost:0", "o w", DAY, "wait 1441"),
        ("ann@0 wait fired told@1 wait ben@9 fired lost:0", "o w", DAY + 1, "tell [1]"),
        ("ann@0 wait fired told@1 wait ben@9 fired lost:0", "o o", DAY + 1, "done"),
        ("ann@0 wait fired told@1 wait fired", "o", DAY, "wait 1441"),
        ("ann@0 wait fired told@1 wait fired", "o", DAY + 1, "done"),
        ("ann@0 ben@0 ann@0 wait fired", "w w w", DAY, "lose [0, 1, 2] @ann:hs @ben:hs"),
        ("ann@0 told@1 wait fired ben@1441", "o w", DAY + 1, "wait 1442"),
    ] {
        assert_eq!(shown(story, stands, minute), want, "{story:?} {stands:?} at {minute}");
    }
}

#[test]
fn the_texts_say_what_whose_when_and_why() {
    let text = |story: &str, stands: &str, minute: i64| match next(
        &after(story),
        &standings(stands),
        Timestamp(minute * MINUTE),
    ) {
        Next::Tell(_, text) | Next::Lose(_, text, _) => text,
        other => panic!("{other:?}"),
    };
    for (story, stands, minute, want) in [
        (
            "ann@62",
            "w",
            63,
            "I cannot read a message here (01:02 UTC, by ann): its key has not reached me. I keep trying for 24 hours; if it is urgent, please send it again.",
        ),
        (
            "ann@62 ben@63",
            "w m.unverified",
            64,
            "I cannot read 2 messages here (the last at 01:03 UTC by ben): their keys have not reached me. The client of ben sends no keys to devices that are not signed by their owner: see `beadle doctor`. I keep trying for 24 hours; what is urgent, please send again.",
        ),
        (
            "ann@0 ann@1",
            "m.odd*_1 m.odd*_1",
            DAY + 1,
            "ann: I could not read 2 messages (the last at 00:01 UTC): their keys have not come within 24 hours. The client of ann keeps it back, and gives the reason m.odd_1. What still matters, please send again.",
        ),
        (
            "ann@0",
            "m.no_olm",
            DAY,
            "ann: I could not read what you sent at 00:00 UTC: its key has not come within 24 hours. The client of ann could not open a secure channel to my device. If it still matters, please send it again.",
        ),
    ] {
        assert_eq!(text(story, stands, minute), want);
    }
    let many: String = (0..NAMES_MAX + 2).map(|n| format!("p{n}@0 ")).collect();
    let told = text(&many, &"w ".repeat(NAMES_MAX + 2), DAY);
    assert!(told.starts_with("p0, p1, p2, p3, p4, 2 more: "), "{told}");
}

#[test]
fn bounds_hold() {
    let posts = |n: usize| "ann@0 ".repeat(n);
    assert!(takes_more(&after(&posts(POSTS_MAX - 1))));
    assert!(!takes_more(&after(&posts(POSTS_MAX))));
    let lost: Vec<String> = (0..POSTS_MAX).map(|n| n.to_string()).collect();
    let story = format!("{} lost:{}", posts(POSTS_MAX), lost.join(","));
    let Next::GiveUp(first) =
        next(&after(&story), &standings(&"w ".repeat(POSTS_MAX)), Timestamp(0))
    else {
        panic!("they are lost")
    };
    assert_eq!(first.len(), GIVE_UP_MAX);
}
