//! The bounds of what the bot tells of its reasons, of who may do what, and of what is granted.

use beadle::domain::event::{EffectRecorded, EffectResult, Event, GrantMade, NewEvent};
use beadle::domain::grant::{GRANT_MS_MAX, GRANT_MS_MIN, GRANTS_MAX};
use beadle::domain::id::{ExecutionId, Position, Timestamp, UserId};
use beadle::domain::trigger::What;
use beadle::processor::can::LOOKED_AT_MAX;
use beadle::query::command::Rows;
use beadle::query::subjects::Subjects;
use beadle::query::uses::{LOOKED_AT_MAX as USES_MAX, uses};
use beadle::query::why::{About, EVENTS_MAX, LOOKED_BACK_MAX, last_said, positions};
use beadle::store::Clock;
use serde_json::{Value, json};

use crate::audit_bounds::{append, says, started, write};
use crate::desk::Desk;
use crate::store_world::World;

const SCRIPT: &str = "//! For the test.\nalias(\"ping\", || reply(\"pong\"));\n";

#[tokio::test]
async fn a_long_story_is_looked_at_up_to_a_bound() {
    let world = World::memory();
    let store = world.store();
    append(store.as_ref(), vec![write("execution-LONG", vec![NewEvent::bare(started(0))])]).await;
    let step = |n: usize| {
        let (op, result) = ("say".to_owned(), EffectResult::Ok(json!("M")));
        let path = n.to_string();
        NewEvent::bare(EffectRecorded { path, op, args: Value::Null, line: 1, result })
    };
    let about = About::Execution(ExecutionId("LONG".into()));
    for page in 0..EVENTS_MAX / 64 {
        let events = (0..64).map(|n| step(page * 64 + n)).collect();
        append(store.as_ref(), vec![write("execution-LONG", events)]).await;
    }
    let before = positions(store.as_ref(), &about).expect("it reads").len();
    assert_eq!(before, EVENTS_MAX / 64 * 64 + 1, "all of it");
    let more = (0..64).map(|n| step(EVENTS_MAX + n)).collect();
    append(store.as_ref(), vec![write("execution-LONG", more)]).await;
    assert_eq!(positions(store.as_ref(), &about).expect("it reads").len(), EVENTS_MAX);
}

#[tokio::test]
async fn what_was_said_last_is_looked_for_up_to_a_bound() {
    for (talk, found) in [(LOOKED_BACK_MAX / 2, true), (LOOKED_BACK_MAX, false)] {
        let desk = Desk::new(SCRIPT);
        says(&desk, "ann", "#ops", "!ping").await;
        let more: Vec<_> = (0..talk).map(|_| desk.says("ann", "#ops", "!ping")).collect();
        let What::Message(message) = &more[0].what else { panic!("it is a message") };
        let place = message.place.clone();
        desk.hand_over(more, None).await;
        let last = last_said(desk.kernel.store.as_ref(), &place, Position::END);
        assert_eq!(last.expect("it reads").is_some(), found, "{talk} messages later");
    }
}

#[tokio::test]
async fn uses_are_looked_for_up_to_a_bound() {
    let world = World::memory();
    let store = world.store();
    // The first one is the oldest, and the only one of its name.
    for page in (0..USES_MAX).collect::<Vec<_>>().chunks(64) {
        let one = |n: &usize| {
            let event = started(if *n == 0 { 0 } else { 1 });
            write(&format!("execution-U{n}"), vec![NewEvent::bare(event)])
        };
        append(store.as_ref(), page.iter().map(one).collect()).await;
    }
    let known =
        |uses: &beadle::query::uses::Uses| uses.aliases.keys().any(|(_, alias)| alias == "alias0");
    assert!(known(&uses(store.as_ref()).expect("it reads")));
    append(store.as_ref(), vec![write("execution-V", vec![NewEvent::bare(started(1))])]).await;
    assert!(!known(&uses(store.as_ref()).expect("it reads")));
}

#[tokio::test]
async fn people_are_looked_at_up_to_a_bound() {
    let desk = Desk::new(SCRIPT);
    let all: Vec<_> =
        (0..=LOOKED_AT_MAX).map(|n| desk.says(&format!("p{n}"), "#far", "!ping")).collect();
    for part in all.chunks(64) {
        desk.hand_over(part.to_vec(), None).await;
    }
    let store = desk.kernel.store.as_ref();
    let subjects = Subjects::current(store, &mut Rows::default()).expect("the log works");
    for (since, most, want, more) in [
        (Timestamp(0), LOOKED_AT_MAX, LOOKED_AT_MAX, true),
        (Timestamp(0), LOOKED_AT_MAX + 1, LOOKED_AT_MAX + 1, false),
        (Timestamp(i64::MAX), LOOKED_AT_MAX, 0, false),
    ] {
        let (seen, bounded) = subjects.seen_since(store, since, most).expect("it reads");
        assert_eq!((seen.len(), bounded), (want, more), "{most}");
    }
    let (seen, _) = subjects.seen_since(store, Timestamp(0), 1).expect("it reads");
    assert_eq!(seen[0].name, format!("p{LOOKED_AT_MAX}"), "the one heard of last comes first");
}

#[tokio::test]
async fn grants_have_a_longest_and_a_shortest_time() {
    let desk = Desk::new(SCRIPT);
    let seconds = |ms: i64| ms / 1_000;
    for (time, want) in [
        (seconds(GRANT_MS_MAX), "may run `ping` until"),
        (seconds(GRANT_MS_MAX) + 1, "a grant holds for at least"),
        (seconds(GRANT_MS_MIN), "may run `ping` until"),
        (seconds(GRANT_MS_MIN) - 1, "a grant holds for at least"),
    ] {
        let told =
            says(&desk, "ann", "#boss", &format!("!grant @bob:local ping for {time}s")).await;
        assert!(told.join("\n").contains(want), "{time} s: {told:?}");
    }
    let told = says(&desk, "ann", "#boss", "!grant @ann ping for 5m").await.join("\n");
    assert!(told.contains("nobody grants something to themselves"), "{told}");
}

#[tokio::test]
async fn so_many_grants_hold_at_once() {
    let desk = Desk::new(SCRIPT);
    let store = desk.kernel.store.as_ref();
    let until = desk.clock.now().plus_ms(60_000);
    let one = |n: usize| -> Event {
        let account = UserId(format!("@p{n}:local"));
        let (name, alias, by) = (format!("p{n}"), "ping".to_owned(), UserId("@ann:local".into()));
        let reason = String::new();
        GrantMade {
            grant: format!("G{n:015}"),
            account,
            name,
            alias,
            file: String::new(),
            until,
            by,
            reason,
        }
        .into()
    };
    for page in (0..GRANTS_MAX - 1).collect::<Vec<_>>().chunks(64) {
        let events = page.iter().map(|n| NewEvent::bare(one(*n))).collect();
        append(store, vec![write("grants-main", events)]).await;
    }
    for want in ["may run `ping` until", "500 grants hold already"] {
        let told = says(&desk, "ann", "#boss", "!grant @bob:local ping for 5m").await.join("\n");
        assert!(told.contains(want), "{told}");
    }
    desk.clock.advance(60_000);
    let told = says(&desk, "ann", "#boss", "!grant @eva:local ping for 5m").await.join("\n");
    assert!(told.contains("eva may run `ping` until"), "{told}");
}
