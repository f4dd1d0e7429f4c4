//! What is said: kept in order for each room, tried again, and given up with a word to the owner.

use std::time::Duration;

use beadle::adapter::SendError;
use beadle::adapter::render::PLAIN_BYTES_MAX;
use beadle::domain::id::StreamName;
use beadle::processor::outbox::{BACK_OFF_FIRST, BACK_OFF_MAX, STUCK_MS_MAX, STUCK_TOLD_EVERY_MS};

use crate::desk::Desk;

fn later(after: Option<Duration>) -> SendError {
    SendError::Later { reason: "try later".into(), after }
}

fn never() -> SendError {
    SendError::Never { reason: "you are not in the room".into() }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).expect("a short time")
}

#[tokio::test]
async fn a_room_that_has_to_wait_holds_up_no_other() {
    let desk = Desk::new("");
    desk.refuse("#ops", vec![later(Some(Duration::from_secs(5)))]);
    desk.queue("#ops", "one", None).await;
    desk.queue("#ops", "two", None).await;
    desk.queue("#dev", "three", None).await;
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), ["#dev: three"]);
    desk.clock.advance(4_999);
    desk.settle().await.expect("the log works");
    assert!(desk.said().is_empty(), "five seconds were asked for");
    desk.clock.advance(1);
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), ["#ops: one", "#ops: two"]);
}

#[tokio::test]
async fn back_off_doubles_up_to_a_bound() {
    let desk = Desk::new("");
    desk.refuse("#ops", (0..40).map(|_| later(None)).collect());
    desk.queue("#ops", "one", None).await;
    let mut waits = vec![];
    for _ in 0..40 {
        desk.settle().await.expect("the log works");
        let now = beadle::store::Clock::now(desk.clock.as_ref());
        let due = desk.kernel.next_due().expect("it is tried again");
        waits.push(due.0 - now.0);
        desk.clock.advance(due.0 - now.0);
    }
    let doubled = |n: u32| ms(BACK_OFF_FIRST) << n.min(20);
    let want: Vec<i64> = (0..40).map(|n| doubled(n).min(ms(BACK_OFF_MAX))).collect();
    assert_eq!(waits, want);
    assert!(desk.said().is_empty());
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), ["#ops: one"]);
    desk.refuse("#ops", vec![later(None), later(Some(BACK_OFF_MAX * 10))]);
    desk.queue("#ops", "two", None).await;
    for want in [BACK_OFF_FIRST, BACK_OFF_MAX] {
        desk.settle().await.expect("the log works");
        let now = beadle::store::Clock::now(desk.clock.as_ref());
        let wait = desk.kernel.next_due().expect("it is tried again").0 - now.0;
        assert_eq!(wait, ms(want), "a success begins anew, and nobody makes us wait longer");
        desk.clock.advance(wait);
    }
}

#[tokio::test]
async fn what_can_never_be_sent_is_told_once() {
    let desk = Desk::new("");
    desk.refuse("#ops", vec![never()]);
    let one = desk.queue("#ops", "one", None).await;
    desk.queue("#ops", "two", None).await;
    desk.settle().await.expect("the log works");
    let stream = StreamName::message(&one);
    assert_eq!(desk.kinds(Some(&stream)), ["message_queued", "message_failed"]);
    let mut said = desk.said();
    said.sort();
    let told = format!(
        "#boss: I could not say something in #ops: you are not in the room (message {one})"
    );
    assert_eq!(said, [told, "#ops: two".to_owned()]);
    desk.clock.advance(ms(BACK_OFF_MAX));
    desk.settle().await.expect("the log works");
    assert!(desk.said().is_empty(), "once");
    desk.refuse("#boss", vec![never()]);
    desk.queue("#boss", "three", None).await;
    desk.settle().await.expect("the log works");
    assert!(desk.said().is_empty(), "the management room is not told of itself");
}

#[tokio::test]
async fn a_room_that_is_stuck_is_told_of_once_a_day() {
    let desk = Desk::new("");
    let stuck = || SendError::Stuck { reason: "no keys".into() };
    desk.refuse("#ops", (0..400).map(|_| stuck()).collect());
    desk.queue("#ops", "one", None).await;
    desk.queue("#dev", "two", None).await;
    let mut said = vec![];
    let now = || beadle::store::Clock::now(desk.clock.as_ref()).0;
    let start = now();
    while now() - start < STUCK_TOLD_EVERY_MS {
        desk.settle().await.expect("the log works");
        said.extend(desk.said().into_iter().map(|said| (now() - start, said)));
        let due = desk.kernel.next_due().expect("it is tried again");
        desk.clock.advance(due.0 - now());
    }
    let told = "#boss: I cannot speak in #ops now: no keys. I go on trying; what is to be said there waits.";
    let [(at, two), (told_at, text)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((*at, two.as_str(), text.as_str()), (0, "#dev: two", told));
    assert!((STUCK_MS_MAX..STUCK_MS_MAX + ms(BACK_OFF_MAX)).contains(told_at), "{told_at} ms");
    desk.refuse("#ops", vec![]);
    let told_again = async {
        for _ in 0..400 {
            desk.settle().await.expect("the log works");
            let said = desk.said();
            if said == ["#ops: one"] {
                return;
            }
            assert!(said.is_empty() || said == [told], "{said:?}");
            let due = desk.kernel.next_due().expect("it is tried again");
            desk.clock.advance(due.0 - now());
        }
        panic!("it is never said");
    };
    told_again.await;
}

#[tokio::test]
async fn edits_that_a_later_one_makes_needless_are_never_sent() {
    let desk = Desk::new("");
    desk.refuse("#ops", vec![later(Some(Duration::from_secs(5)))]);
    let one = desk.queue("#ops", "one", None).await;
    let needless = desk.queue("#ops", "one, 10 %", Some(&one)).await;
    desk.queue("#ops", "one, 90 %", Some(&one)).await;
    desk.settle().await.expect("the log works");
    desk.clock.advance(5_000);
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), ["#ops: one", "#ops: one, 90 %"]);
    let kinds = desk.kinds(Some(&StreamName::message(&needless)));
    assert_eq!(kinds, ["message_queued", "message_superseded"]);
}

#[tokio::test]
async fn limited_rooms_take_turns() {
    let desk = Desk::new("");
    for n in 0..3 {
        desk.queue("#loud", &format!("loud {n}"), None).await;
    }
    desk.queue("#quiet", "quiet", None).await;
    let five = || later(Some(Duration::from_secs(5)));
    desk.refuse("#loud", vec![five()]);
    desk.refuse("#quiet", vec![five()]);
    desk.settle().await.expect("the log works");
    assert!(desk.said().is_empty());
    desk.clock.advance(5_000);
    desk.settle().await.expect("the log works");
    let said = desk.said();
    let quiet = said.iter().position(|said| said == "#quiet: quiet").expect("it is said");
    assert!(quiet < 2, "the loud room speaks once at most before the quiet one: {said:?}");
}

#[tokio::test]
async fn a_long_message_brings_its_whole_text() {
    let long = "x".repeat(PLAIN_BYTES_MAX + 1);
    let desk = Desk::new("");
    let one = desk.queue("#ops", &long, None).await;
    desk.queue("#ops", &format!("{long}!"), Some(&one)).await;
    desk.queue("#ops", "short", None).await;
    desk.settle().await.expect("the log works");
    let whole: Vec<Option<usize>> =
        desk.outgoing().iter().map(|it| it.whole.as_ref().map(String::len)).collect();
    assert_eq!(whole, [Some(long.len()), None, None], "an edit is no file");
}

#[tokio::test]
async fn an_edit_of_a_message_that_failed_fails() {
    let desk = Desk::new("");
    desk.refuse("#ops", vec![never()]);
    let one = desk.queue("#ops", "one", None).await;
    let edit = desk.queue("#ops", "one, changed", Some(&one)).await;
    desk.settle().await.expect("the log works");
    let kinds = desk.kinds(Some(&StreamName::message(&edit)));
    assert_eq!(kinds, ["message_queued", "message_failed"]);
    assert!(desk.said().iter().all(|said| said.starts_with("#boss: ")), "nothing else is said");
}

/// Whatever a script makes of its bounds, the log takes it or the asker is told; the bot goes on either way.
#[tokio::test]
async fn nothing_that_a_script_makes_is_too_large_to_go_on() {
    for body in [
        "q",
        "throw q",
        "throw #{ kind: q, message: q }",
        "reply(q)",
        "ask(q)",
        "ask(\"x\", #{ or_else: q, timeout: \"1h\" })",
        "exec(\"a.b\", #{ t: q })",
        "remember(\"k\", q)",
        "reply(lines)",
        "let n = \"\"; n.pad(60000, \"\\x01\"); say(n)",
        "let n = \"\"; n.pad(20000, \"\\n\"); for i in 0..3 { say(n); } throw n",
    ] {
        let script = format!(
            "action(\"a.b\", #{{ run: [\"true\"], params: #{{ t: \"string\" }} }});\n\
             alias(\"go\", || {{ let q = \"\"; q.pad(250000, \"\\\"\"); let lines = \"\"; lines.pad(60000, \"\\n\"); {body} }});\n\
             alias(\"ping\", || reply(\"pong\"));"
        );
        let desk = Desk::new(&script);
        desk.hand_over(vec![desk.says("ann", "#ops", "!go")], None).await;
        desk.settle().await.unwrap_or_else(|why| panic!("{body}: {why}"));
        desk.said();
        desk.hand_over(vec![desk.says("ann", "#ops", "!ping")], None).await;
        desk.settle().await.unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(desk.said(), ["#ops: pong"], "{body}");
    }
}
