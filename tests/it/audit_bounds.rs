//! The bounds of what people ask the log, and `!audit` and `!find` over more than fits into an answer.

use beadle::domain::builtin::Builtin;
use beadle::domain::event::{self, Ending};
use beadle::domain::event::{
    EffectRecorded, EffectResult, Event, ExecutionFinished, NewEvent, Outcome, TriggerRouted,
    Verdict,
};
use beadle::domain::id::{MessageId, Position, StreamName, Timestamp};
use beadle::play::parse::Does;
use beadle::play::world::{Person, Room};
use beadle::query::audit::{COUNTED_MAX, LINES_MAX, STORY_LINES_MAX, find};
use beadle::query::command::{Refusal, Rows};
use beadle::query::filter::Filter;
use beadle::query::follow::Followers;
use beadle::query::lookup::REMEMBERED_MAX;
use beadle::query::question::{Ask, answer};
use beadle::query::report::{GROUPS_MAX, Per, report};
use beadle::query::search::CLOCK_STEPS_MAX;
use beadle::query::story::{self, EVENTS_MAX, TRIGGERS_MAX};
use beadle::query::subjects::{LOOKED_BACK_MAX, NAMED_MAX, Subjects};
use beadle::query::when::Here;
use beadle::store::{EventStore, Expected, Write};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::erasure::{erased, key_of};
use crate::store_world::{World, stream};

const SCRIPT: &str = "//! For the test.\nalias(\"ping\", || reply(\"pong\"));\n\
    alias(\"chat\", || { for i in 0..40 { say(`line ${i}`); } });\n";

fn here() -> Here {
    Here { now: Timestamp(1_772_442_000_000), zone: TimeZone::UTC }
}

pub async fn says(desk: &Desk, who: &str, room: &str, text: &str) -> Vec<String> {
    desk.hand_over(vec![desk.says(who, room, text)], None).await;
    desk.settle().await.expect("the log works");
    desk.said()
}

#[tokio::test]
async fn an_answer_in_chat_has_so_many_lines_and_says_how_many_more() {
    let desk = Desk::new(SCRIPT);
    for n in 0..LINES_MAX + 3 {
        says(&desk, "ann", "#ops", "!ping").await;
        if n % 4 == 0 {
            says(&desk, "ben", "#ops", "!ping").await;
        }
    }
    let lines = |said: Vec<String>| -> Vec<String> {
        assert_eq!(said.len(), 1, "{said:?}");
        said[0].lines().map(str::to_owned).collect()
    };
    let told = lines(says(&desk, "ann", "#boss", "!audit who ann room #ops").await);
    assert_eq!(told.len(), LINES_MAX + 1, "{told:?}");
    let want = "… and 3 more: `beadle log query --who ann --room '#ops' --limit 0`";
    assert_eq!(told.last().map(String::as_str), Some(want));
    let told = lines(says(&desk, "ann", "#boss", "!audit who ben").await);
    assert_eq!(told.len(), (LINES_MAX + 3).div_ceil(4), "{told:?}");
    assert!(told.iter().all(|line| line.contains("ben in #ops: said “!ping” → succeeded")));
    let told = lines(says(&desk, "ann", "#boss", "!find PONG").await);
    assert!(told.last().is_some_and(|line| line.starts_with("… and ")), "{told:?}");
    let again = lines(says(&desk, "ann", "#boss", "!find PONG").await);
    assert_eq!(again, told, "questions to the log are not found themselves");
}

#[tokio::test]
async fn a_long_story_is_cut_and_a_short_one_is_whole() {
    let desk = Desk::new(SCRIPT);
    says(&desk, "ann", "#ops", "!chat").await;
    says(&desk, "ann", "#ops", "!ping").await;
    for (command, lines, told) in
        [("chat", STORY_LINES_MAX + 1, "said “line 0”"), ("ping", 5, "reply “pong”")]
    {
        let text = format!("!audit type execution_started text \"{command}\"");
        let found = says(&desk, "ann", "#boss", &text).await.join("\n");
        let id = found.rsplit_once('(').expect("it ends with an id").1.trim_end_matches(')');
        let story = says(&desk, "ann", "#boss", &format!("!audit execution {id}")).await.join("\n");
        assert!(story.contains(told), "{command}: {story}");
        assert_eq!(story.lines().count(), lines, "{command}: {story}");
    }
}

#[tokio::test]
async fn more_is_counted_up_to_a_bound() {
    for (triggers, more, uncounted) in [
        (LINES_MAX + COUNTED_MAX - 1, COUNTED_MAX - 1, false),
        (LINES_MAX + COUNTED_MAX + 7, COUNTED_MAX, true),
    ] {
        let desk = Desk::new(SCRIPT);
        let all = (0..triggers).map(|_| desk.says("ann", "#ops", "!ping")).collect();
        desk.hand_over(all, None).await;
        let store = desk.kernel.store.as_ref();
        let found = find(store, Builtin::Audit, "who ann", Position::END, &here()).expect("found");
        assert_eq!((found.positions.len(), found.more), (LINES_MAX, more));
        assert_eq!(found.uncounted, uncounted);
    }
}

#[tokio::test]
async fn those_of_one_name_are_named_up_to_a_bound() {
    let desk = Desk::new(SCRIPT);
    let room = Room::named("#ops");
    for n in 0..NAMED_MAX + 2 {
        let name = format!("@ann:server{n:02}.org");
        let person = Person::named(name);
        let said = desk.world.act(&person, &room, &Does::Says("!ping".into())).expect("said");
        desk.hand_over(vec![said], None).await;
    }
    let store = desk.kernel.store.as_ref();
    let subjects = Subjects::current(store, &mut Rows::default()).expect("the log works");
    assert_eq!(subjects.counts(), (NAMED_MAX + 2, 1));
    let Err(Refusal::NotFound(why)) = subjects.person(store, "Ann") else { panic!("it is found") };
    assert_eq!(why.matches("@ann:").count(), NAMED_MAX, "{why}");
    assert!(why.ends_with(" and 2 more: write the person's id"), "{why}");
    assert!(subjects.person(store, "@ann:server11.org").is_ok());
}

#[tokio::test]
async fn whose_last_message_is_deleted_is_found_up_to_a_bound() {
    for (deleted, found) in [(1, true), (LOOKED_BACK_MAX - 1, true), (LOOKED_BACK_MAX, false)] {
        let desk = Desk::new(SCRIPT);
        let all: Vec<_> = (0..=deleted).map(|_| desk.says("ann", "#ops", "!ping")).collect();
        desk.hand_over(all.clone(), None).await;
        let store = desk.kernel.store.as_ref();
        let heard = desk.count("trigger_recorded");
        assert_eq!(heard, deleted + 1, "each is recorded");
        for trigger in &all[1..] {
            erased(&desk, key_of(trigger)).await;
        }
        let mut rows = Rows::default();
        let subjects = Subjects::current(store, &mut rows).expect("the log works");
        assert_eq!(subjects.person(store, "Ann").is_ok(), found, "{deleted} deleted");
        assert_eq!(subjects.room(store, "ops").is_ok(), found, "{deleted} deleted");
        let query = Filter { who: Some("Ann".into()), limit: Some(0), ..Filter::default() };
        let ask = Ask { filter: query, ..Ask::default() };
        let told = answer(store, &ask, &Followers::default(), &mut rows);
        assert_eq!(told.is_ok(), found, "{deleted} deleted: {told:?}");
    }
}

pub fn write(name: &str, events: Vec<NewEvent>) -> Write {
    Write { stream: stream(name), expected: Expected::Any, key: None, events }
}

pub async fn append(store: &dyn EventStore, writes: Vec<Write>) {
    for batch in writes.chunks(64) {
        store.append(batch.to_vec()).await.expect("it appends");
    }
}

fn rows_of(store: &dyn EventStore, filter: Filter) -> Vec<Value> {
    let mut rows = Rows::default();
    let ask = Ask { filter, ..Ask::default() };
    answer(store, &ask, &Followers::default(), &mut rows).expect("it answers");
    rows.0
}

#[tokio::test]
async fn times_are_found_however_often_the_clock_went_back() {
    const BEGINNING: i64 = 1_700_000_000_000;
    for steps in [3, CLOCK_STEPS_MAX + 5] {
        let world = World::memory();
        let store = world.store();
        for n in 0..=steps {
            // It goes on by a minute, and back by a minute again.
            for (ms, text) in [(0, "early"), (60_000, "late")] {
                world.clock.set(BEGINNING + ms);
                let text = format!("{text} {n}");
                append(
                    store.as_ref(),
                    vec![write("test-a", vec![crate::store_world::event(&text)])],
                )
                .await;
            }
        }
        let (since, until) = (Timestamp(BEGINNING + 30_000), Timestamp(BEGINNING + 30_000));
        let types = vec!["memory_written".to_owned()];
        let filter = Filter { types, limit: Some(0), ..Filter::default() };
        for (filter, word) in [
            (Filter { since: Some(since), ..filter.clone() }, "late"),
            (Filter { until: Some(until), ..filter }, "early"),
        ] {
            let rows = rows_of(store.as_ref(), filter);
            assert_eq!(rows.len(), steps + 1, "{word} of {steps} steps");
            let text = |row: &Value| row["payload"]["value"].as_str().unwrap_or("").to_owned();
            assert!(rows.iter().all(|row| text(row).starts_with(word)), "{word} of {steps} steps");
        }
    }
}

pub fn started(nth: usize) -> Event {
    let fixture = include_str!("../fixtures/events/execution_started.v1.json");
    let mut list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    list[0]["trigger"] = json!(format!("trigger-{nth:032x}/0"));
    list[0]["handler"]["alias"] = json!(format!("alias{nth}"));
    event::decode("execution_started", 1, list[0].clone()).expect("decodes")
}

#[tokio::test]
async fn groups_are_told_apart_up_to_a_bound_and_nothing_is_lost() {
    let world = World::memory();
    let store = world.store();
    let refused = |n: usize| {
        let outcomes = vec![Outcome {
            considered: format!("alias a{n}"),
            verdict: Verdict::Refused(MessageId("M".into())),
            reason: "no".into(),
            decision: None,
        }];
        write(&format!("trigger-{n}"), vec![NewEvent::bare(TriggerRouted { outcomes })])
    };
    append(store.as_ref(), (0..GROUPS_MAX + 5).map(refused).collect()).await;
    let mut rows = Rows::default();
    let done = report(store.as_ref(), &Filter::default(), Per::Alias, &here(), &mut rows);
    done.expect("it reports");
    assert_eq!(rows.0.len(), GROUPS_MAX + 1);
    let all: u64 = rows.0.iter().map(|row| row["refused"].as_u64().expect("a number")).sum();
    assert_eq!(all as usize, GROUPS_MAX + 5);
    let others = rows.0.iter().find(|row| row["alias"] == "(others)").expect("there are others");
    assert_eq!(others["refused"], json!(5));
}

#[tokio::test]
async fn a_story_has_a_bound() {
    let world = World::memory();
    let store = world.store();
    let step = |n: usize| {
        let (op, result) = ("say".to_owned(), EffectResult::Ok(json!("M")));
        NewEvent::bare(EffectRecorded {
            path: n.to_string(),
            op,
            args: Value::Null,
            line: 1,
            result,
        })
    };
    append(store.as_ref(), vec![write("execution-LONG", vec![NewEvent::bare(started(0))])]).await;
    for page in 0..(EVENTS_MAX + 64) / 64 {
        let events = (0..64).map(|n| step(page * 64 + n)).collect();
        append(store.as_ref(), vec![write("execution-LONG", events)]).await;
    }
    let name = |id: &str| beadle::domain::id::ExecutionId(id.to_owned());
    let all = story::positions(store.as_ref(), &name("LONG")).expect("it reads");
    assert_eq!(all.len(), EVENTS_MAX);
    // Of the triggers whose events are taken in too, only so many count.
    let with = |n: usize| {
        let mut event = step(n);
        event.meta.correlation = Some(stream(&format!("trigger-{n:05}")));
        event
    };
    let begun = vec![write("execution-MANY", vec![NewEvent::bare(started(1))])];
    append(store.as_ref(), begun).await;
    for n in 0..TRIGGERS_MAX + 3 {
        append(store.as_ref(), vec![write("execution-MANY", vec![with(n)])]).await;
    }
    let many = story::positions(store.as_ref(), &name("MANY")).expect("it reads");
    assert_eq!(many.len(), 1 + TRIGGERS_MAX + 3, "its own events are all there");
}

#[tokio::test]
async fn more_executions_than_are_remembered_are_told_rightly() {
    let world = World::memory();
    let store = world.store();
    let count = REMEMBERED_MAX + 10;
    for page in (0..count).collect::<Vec<_>>().chunks(32) {
        let one = |n: &usize| {
            let ending = Ending::Succeeded(Value::Null);
            let events =
                vec![NewEvent::bare(started(*n)), NewEvent::bare(ExecutionFinished { ending })];
            write(
                StreamName::execution(&beadle::domain::id::ExecutionId(format!("E{n:05}")))
                    .as_str(),
                events,
            )
        };
        append(store.as_ref(), page.iter().map(one).collect()).await;
    }
    let status = beadle::query::filter::Standing::Succeeded;
    let types = vec!["execution_started".to_owned()];
    let filter = Filter { status: Some(status), types, limit: Some(0), ..Filter::default() };
    let rows = rows_of(store.as_ref(), filter);
    assert_eq!(rows.len(), count);
    let wrong = rows.iter().enumerate().find(|(n, row)| row["alias"] != json!(format!("alias{n}")));
    assert_eq!(wrong, None);
}
