//! What every store must do, run on each of them.

use std::sync::Arc;

use beadle::domain::event::{BlobRef, Event, Meta, NewEvent, SyncAdvanced};
use beadle::domain::id::{DedupeKey, EventId, Position, RoomId, StreamName, UserId, Version};
use beadle::store::subscription::Subscription;
use beadle::store::{
    AppendError, BATCH_EVENTS_MAX, BLOB_BYTES_MAX, Direction, EventStore, Expected,
    PAYLOAD_BYTES_MAX, ProjectionChange, QUEUE_BATCHES, READ_EVENTS_MAX, ReadError, Subject, Write,
};

use crate::store_world::{
    World, all_of, contract, event, everything, keyed, put, shown, stream, write, written,
};

contract! {
    expected_versions,
    a_batch_is_all_or_nothing,
    a_dedupe_key_counts_once_for_ever,
    one_order_without_gaps,
    reads_go_both_ways,
    bounds_hold,
    what_stands_beside_an_event_is_kept,
    subscriptions_catch_up_and_go_on,
    projections_and_their_checkpoints,
    blobs_are_kept,
    many_append_at_once,
    the_clock_steps_back_once,
    numbers_survive,
    a_full_queue_waits,
}

async fn expected_versions(world: World) {
    let store = world.store();
    put(&*store, "test-two", Expected::Any, &["a", "b"]).await.expect("appends");
    for (nth, (expected, missing, existing)) in [
        (Expected::Any, "ok v0", "ok v2"),
        (Expected::NoStream, "ok v0", "at v1"),
        (Expected::Exists, "at none", "ok v2"),
        (Expected::Exact(Version(0)), "at none", "at v1"),
        (Expected::Exact(Version(1)), "at none", "ok v2"),
        (Expected::Exact(Version(2)), "at none", "at v1"),
        (Expected::Exact(Version::END), "at none", "at v1"),
    ]
    .into_iter()
    .enumerate()
    {
        let (new, old) = (format!("test-new{nth}"), format!("test-old{nth}"));
        put(&*store, &old, Expected::NoStream, &["a", "b"]).await.expect("appends");
        for (name, want) in [(&new, missing), (&old, existing)] {
            let got = match put(&*store, name, expected, &["c"]).await {
                Ok(appended) => format!(
                    "ok {}",
                    written(&appended.writes[0]).split_once(' ').map_or("", |(_, v)| v)
                ),
                Err(AppendError::WrongVersion { stream: at, actual, .. }) => {
                    assert_eq!(at, stream(name));
                    actual.map_or("at none".into(), |version| format!("at v{version}"))
                }
                Err(error) => error.to_string(),
            };
            assert_eq!(got, want, "{expected:?} on {name}");
        }
    }
    let error = put(&*store, "test-two", Expected::Exact(Version(0)), &["c"]).await;
    assert_eq!(
        error.expect_err("has moved on").to_string(),
        "stream `test-two` is at version 1, expected Exact(Version(0))"
    );
}

async fn a_batch_is_all_or_nothing(world: World) {
    let store = world.store();
    let before = store.next_position();
    let batch = vec![
        write("test-a", Expected::Any, &["1", "2"]),
        write("test-b", Expected::Exists, &["1"]),
    ];
    let error = store.append(batch).await.expect_err("one of them fails");
    assert!(matches!(error, AppendError::WrongVersion { actual: None, .. }), "{error}");
    assert_eq!((store.next_position(), all_of(&*store, "test-a").len()), (before, 0));
    assert_eq!(store.version(&stream("test-a")).expect("reads"), None);
    let batch = vec![
        write("test-a", Expected::NoStream, &["1", "2"]),
        write("test-b", Expected::NoStream, &["1"]),
    ];
    let appended = store.append(batch).await.expect("appends");
    let places: Vec<_> = appended.writes.iter().map(written).collect();
    assert_eq!(places, ["1 v0", "3 v0"]);
    assert_eq!((appended.next, store.next_position()), (Position(4), Position(4)));
}

async fn a_dedupe_key_counts_once_for_ever(mut world: World) {
    let store = world.store();
    let key = DedupeKey("k".into());
    assert_eq!(store.find(&key).expect("reads"), None);
    let first = store.append(vec![keyed("test-a", "k", "first")]).await.expect("appends");
    assert_eq!(written(&first.writes[0]), "1 v0");
    let batch = vec![
        keyed("test-b", "k", "other content"),
        keyed("test-c", "new", "one"),
        keyed("test-d", "new", "the same key in one batch"),
        Write { expected: Expected::Exists, ..keyed("test-e", "k", "no version is checked") },
    ];
    let again = store.append(batch).await.expect("appends");
    let places: Vec<_> = again.writes.iter().map(written).collect();
    assert_eq!(places, ["already at 1", "2 v0", "already at 2", "already at 1"]);
    assert_eq!(again.next, Position(3));
    drop(store);
    world.reopen();
    let store = world.store();
    assert_eq!(store.find(&key).expect("reads"), Some(Position(1)));
    let only = store.append(vec![keyed("test-f", "k", "later")]).await.expect("appends");
    assert_eq!((written(&only.writes[0]).as_str(), only.next), ("already at 1", Position(3)));
    let tags: Vec<_> = everything(&*store).iter().map(|event| event.key.is_some()).collect();
    assert_eq!(tags, [false, true, true]);
}

async fn one_order_without_gaps(mut world: World) {
    let store = world.store();
    for nth in 0..300 {
        let name = format!("test-{}", nth % 7);
        put(&*store, &name, Expected::Any, &["x", "y"][..1 + nth % 2]).await.expect("appends");
    }
    let seen = everything(&*store);
    drop(store);
    world.reopen();
    let store = world.store();
    assert_eq!(everything(&*store), seen, "the next process reads the same");
    let positions: Vec<_> = seen.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, (0..451).collect::<Vec<_>>());
    for n in 0..7 {
        let name = stream(&format!("test-{n}"));
        let read = store.read(&name, Version::START, Direction::Forward, 4_096).expect("reads");
        let versions: Vec<_> = read.iter().map(|event| event.id.version.0).collect();
        assert_eq!(versions, (0..read.len() as u64).collect::<Vec<_>>(), "{name}");
        assert_eq!(
            store.version(&name).expect("reads").map(Version::next),
            Some(Version(read.len() as u64))
        );
        let id = EventId { stream: name, version: Version(9) };
        assert_eq!(store.event(&id).expect("reads").as_ref(), read.get(9));
    }
}

async fn reads_go_both_ways(mut world: World) {
    let texts = ["0", "1", "2", "3", "4"];
    let store = world.store();
    put(&*store, "test-a", Expected::Any, &texts[..3]).await.expect("appends");
    drop(store);
    world.reopen();
    let store = world.store();
    put(&*store, "test-a", Expected::Any, &texts[3..]).await.expect("appends");
    put(&*store, "test-b", Expected::Any, &["other"]).await.expect("appends");
    let (forward, backward) = (Direction::Forward, Direction::Backward);
    for (name, from, direction, max, want) in [
        ("a", Version::START, forward, 9, "01234"),
        ("a", Version::START, forward, 2, "01"),
        ("a", Version(2), forward, 2, "23"),
        ("a", Version(4), forward, 2, "4"),
        ("a", Version(5), forward, 2, ""),
        ("a", Version::END, forward, 2, ""),
        ("a", Version::END, backward, 9, "43210"),
        ("a", Version::END, backward, 2, "43"),
        ("a", Version(3), backward, 9, "3210"),
        ("a", Version::START, backward, 9, "0"),
        ("a", Version::START, forward, 0, ""),
        ("none", Version::START, forward, 9, ""),
        ("none", Version::END, backward, 9, ""),
    ] {
        let read = store.read(&stream(&format!("test-{name}")), from, direction, max);
        let read: String = read.expect("reads").iter().filter_map(|it| shown(it).pop()).collect();
        assert_eq!(read, want, "test-{name} from {from} {direction:?} at most {max}");
    }
    for (from, direction, max, want) in [
        (Position::START, forward, 9, vec![0, 1, 2, 3, 4, 5, 6]),
        (Position(2), forward, 3, vec![2, 3, 4]),
        (Position(7), forward, 3, vec![]),
        (Position::END, backward, 3, vec![6, 5, 4]),
        (Position(3), backward, 9, vec![3, 2, 1, 0]),
        (Position::START, backward, 9, vec![0]),
    ] {
        let read = store.read_all(from, direction, max).expect("reads");
        let read: Vec<_> = read.iter().map(|event| event.position.0).collect();
        assert_eq!(read, want, "all from {from} {direction:?} at most {max}");
    }
}

async fn bounds_hold(world: World) {
    let store = world.store();
    let before = store.next_position();
    let fill = |bytes: usize| {
        "x".repeat(bytes - r#"{"scope":"test","key":"text","value":"","expires":null}"#.len())
    };
    let full: Vec<_> = (0..BATCH_EVENTS_MAX).map(|_| "x").collect();
    let over: Vec<_> = (0..=BATCH_EVENTS_MAX).map(|_| "x").collect();
    let (large, too_large) = (fill(PAYLOAD_BYTES_MAX), fill(PAYLOAD_BYTES_MAX + 1));
    for (batch, want) in [
        (vec![], "it writes nothing"),
        (vec![write("test-a", Expected::Any, &[])], "it writes nothing"),
        (vec![write("test-a", Expected::Any, &over)], "it has 65 events, at most 64 fit"),
        (
            vec![write("test-a", Expected::Any, &[&too_large])],
            "a `memory_written` of 262145 bytes is too large, 262144 fit",
        ),
        (
            vec![write("test-a", Expected::Any, &["x"]), write("test-a", Expected::Any, &["x"])],
            "it writes to `test-a` twice",
        ),
    ] {
        let error = store.append(batch).await.expect_err("is refused");
        assert_eq!(error.to_string(), format!("this batch cannot be appended: {want}"));
    }
    assert_eq!(store.next_position(), before);
    put(&*store, "test-a", Expected::Any, &[&large]).await.expect("fits");
    for _ in 0..=READ_EVENTS_MAX / BATCH_EVENTS_MAX {
        put(&*store, "test-a", Expected::Any, &full).await.expect("fits");
    }
    let all = store.read_all(Position::START, Direction::Forward, usize::MAX).expect("reads");
    let one = store.read(&stream("test-a"), Version::END, Direction::Backward, usize::MAX);
    assert_eq!((all.len(), one.expect("reads").len()), (READ_EVENTS_MAX, READ_EVENTS_MAX));
}

async fn what_stands_beside_an_event_is_kept(mut world: World) {
    let store = world.store();
    let cause = EventId { stream: StreamName::log(), version: Version(0) };
    let meta = Meta {
        cause: Some(cause),
        correlation: Some(stream("trigger-00")),
        actor: Some(UserId("@ana:hs".into())),
        room: Some(RoomId("!room:hs".into())),
        network: Some("irc".into()),
    };
    let events = vec![
        NewEvent { meta: meta.clone(), ..event("sealed") },
        NewEvent::with(&meta, SyncAdvanced { token: "open".into() }),
    ];
    let ana = Subject::Person("@ana:hs".into());
    assert_eq!(store.pseudonym(&ana), None);
    let write = Write { stream: stream("test-a"), expected: Expected::Any, key: None, events };
    store.append(vec![write]).await.expect("appends");
    let before = store.pseudonym(&ana);
    let seen = everything(&*store);
    drop(store);
    world.reopen();
    let store = world.store();
    assert_eq!(everything(&*store), seen);
    let (sealed, open) = (&seen[1], &seen[2]);
    assert!(matches!(open.event(), Some(Event::SyncAdvanced(it)) if it.token == "open"));
    assert_eq!((&sealed.cause, &sealed.correlation), (&meta.cause, &meta.correlation));
    assert_eq!(sealed.actor, store.pseudonym(&ana));
    assert_eq!(sealed.actor, before, "a pseudonym stays the same");
    assert_eq!((&sealed.actor, &sealed.room), (&open.actor, &open.room));
    assert_eq!(sealed.network, store.pseudonym(&Subject::Network("irc".into())));
    assert_ne!(sealed.actor, sealed.room);
    assert_eq!(store.pseudonym(&Subject::Room("@ana:hs".into())), None);
    assert_eq!((sealed.commitment.len(), open.commitment.len()), (64, 64));
}

async fn subscriptions_catch_up_and_go_on(mut world: World) {
    let store = world.store();
    put(&*store, "test-a", Expected::Any, &["1", "2", "3"]).await.expect("appends");
    let mut follow = Subscription::from(store.clone(), Position(1));
    let batch = follow.next_batch(2).await.expect("reads");
    assert_eq!((batch.events.len(), batch.caught_up), (2, false));
    let batch = follow.next_batch(2).await.expect("reads");
    assert_eq!((batch.events.len(), batch.caught_up, follow.position()), (1, true, Position(4)));
    let waiting = tokio::spawn(async move { (follow.next_batch(9).await, follow) });
    put(&*store, "test-a", Expected::Any, &["4"]).await.expect("appends");
    let (batch, follow) = waiting.await.expect("does not panic");
    let batch = batch.expect("reads");
    assert_eq!((shown(&batch.events[0]).as_str(), batch.caught_up), ("test-a/3=4", true));
    let checkpoint = follow.position();
    drop((follow, store));
    world.reopen();
    let mut follow = Subscription::from(world.store(), checkpoint);
    let batch = follow.next_batch(9).await.expect("reads");
    assert_eq!((batch.events.len(), batch.caught_up), (0, true), "the first call does not wait");
    let mut head = world.store().watch();
    put(&*world.store(), "test-a", Expected::Any, &["5"]).await.expect("appends");
    head.changed().await.expect("is told");
    assert_eq!(*head.borrow(), checkpoint.next());
    assert_eq!(follow.next_batch(9).await.expect("reads").events.len(), 1);
}

async fn projections_and_their_checkpoints(mut world: World) {
    let store = world.store();
    let row =
        |key: &str, value: Option<&str>| (key.to_owned(), value.map(|it| it.as_bytes().to_vec()));
    let read = |store: &Arc<dyn EventStore>, name: &str, prefix: &str| {
        let kept = store.projection(name, prefix).expect("reads");
        let rows = kept
            .rows
            .iter()
            .map(|(key, value)| format!("{key}={}", String::from_utf8_lossy(value)));
        format!("{} {}", kept.checkpoint, rows.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(read(&store, "rooms", ""), "0 ");
    let rows = vec![
        row("a/1", Some("x")),
        row("a/2", Some("y")),
        row("b", Some("z")),
        row("", Some("empty")),
    ];
    let change = ProjectionChange { rows, checkpoint: Position(7), replace: false };
    store.project("rooms", change).expect("writes");
    let rows = vec![row("a/1", None), row("b", Some("zz")), row("missing", None)];
    let change = ProjectionChange { rows, checkpoint: Position(8), replace: false };
    store.project("rooms", change).expect("writes");
    let other = ProjectionChange {
        rows: vec![row("c", Some("o"))],
        checkpoint: Position(2),
        replace: true,
    };
    store.project("room", other).expect("writes");
    assert_eq!(read(&store, "rooms", ""), "8 =empty a/2=y b=zz");
    assert_eq!(read(&store, "rooms", "a/"), "8 a/2=y");
    drop(store);
    world.reopen();
    let store = world.store();
    let kept = if world.keeps_projections() { "8 =empty a/2=y b=zz" } else { "0 " };
    assert_eq!(read(&store, "rooms", ""), kept);
    let change = ProjectionChange {
        rows: vec![row("n", Some("1"))],
        checkpoint: Position(9),
        replace: true,
    };
    store.project("rooms", change).expect("writes");
    assert_eq!(read(&store, "rooms", ""), "9 n=1");
    let other = if world.keeps_projections() { "2 c=o" } else { "0 " };
    assert_eq!(read(&store, "room", ""), other, "another one is left alone");
}

async fn blobs_are_kept(mut world: World) {
    let store = world.store();
    let large = vec![7; world.large_blob()];
    let error = store.put_blob(&vec![7; BLOB_BYTES_MAX + 1]).expect_err("is too large");
    assert!(matches!(error, AppendError::Invalid(_)), "{error}");
    let (small, full) =
        (store.put_blob(b"small").expect("fits"), store.put_blob(&large).expect("fits"));
    put(&*store, "test-a", Expected::Any, &["sealed with a slot behind them"])
        .await
        .expect("appends");
    drop(store);
    world.reopen();
    let store = world.store();
    let next = store.put_blob(b"").expect("fits");
    assert!(next.slot > full.slot && full.slot > small.slot, "no slot is used twice");
    assert_eq!(store.blob(&small).expect("reads").as_deref(), Some(&b"small"[..]));
    assert_eq!(store.blob(&next).expect("reads").as_deref(), Some(&b""[..]));
    assert_eq!(store.blob(&full).expect("reads").map(|it| it == large), Some(true));
    assert_eq!((small.bytes, full.bytes, small.commitment.len()), (5, large.len() as u64, 64));
    let unknown = BlobRef { id: "00".repeat(16), ..small };
    assert!(matches!(store.blob(&unknown), Err(ReadError::Damaged { .. })));
}

async fn many_append_at_once(world: World) {
    let store = world.store();
    let appenders = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            for nth in 0..200 {
                let text = format!("{n}:{nth}");
                let batch = vec![
                    write("test-shared", Expected::Any, &[&text]),
                    write(&format!("test-{n}"), Expected::Any, &[&text]),
                ];
                let appended = store.append(batch).await.expect("appends");
                let [own] = &store
                    .read(&stream(&format!("test-{n}")), Version::END, Direction::Backward, 1)
                    .expect("reads")[..]
                else {
                    panic!("what is acknowledged is readable");
                };
                assert!(shown(own).ends_with(&text) && own.position < appended.next);
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.expect("does not panic");
    }
    let all = everything(&*store);
    let positions: Vec<_> = all.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, (0..=3_200).collect::<Vec<_>>());
    let shared = store
        .read(&stream("test-shared"), Version::START, Direction::Forward, 4_096)
        .expect("reads");
    let versions: Vec<_> = shared.iter().map(|event| event.id.version.0).collect();
    assert_eq!(versions, (0..1_600).collect::<Vec<_>>());
    for n in 0..8 {
        let own = all_of(&*store, &format!("test-{n}"));
        let want: Vec<_> = (0..200).map(|nth| format!("test-{n}/{nth}={n}:{nth}")).collect();
        assert_eq!(own, want);
    }
}

async fn the_clock_steps_back_once(mut world: World) {
    let mut log = Vec::new();
    for (nth, wall) in
        [10_000, 12_000, 11_000, 10_001, 9_000, 9_500, 20_000].into_iter().enumerate()
    {
        if nth == 5 {
            world.reopen();
        }
        world.clock.set(2_000_000_000_000 + wall);
        let store = world.store();
        put(&*store, "test-a", Expected::Any, &["x"]).await.expect("appends");
        log = everything(&*store);
    }
    let times: Vec<_> = log[1..]
        .iter()
        .map(|it| format!("{} {} {} {}", it.kind, it.ts.0 % 100_000, it.wall.0 % 100_000, it.epoch))
        .collect();
    assert_eq!(
        times,
        [
            "memory_written 10000 10000 0",
            "memory_written 12000 12000 0",
            "memory_written 12000 11000 0",
            "memory_written 12000 10001 0",
            "clock_stepped 9000 9000 1",
            "memory_written 9000 9000 1",
            "memory_written 9500 9500 1",
            "memory_written 20000 20000 1",
        ]
    );
    let Some(Event::ClockStepped(stepped)) = log[5].event() else { panic!("the clock stepped") };
    assert_eq!((stepped.from.0 % 100_000, stepped.to.0 % 100_000), (12_000, 9_000));
}

async fn numbers_survive(mut world: World) {
    use beadle::domain::event::MemoryWritten;
    use serde_json::{Value, json};
    let store = world.store();
    let values = [
        json!(0.1),
        json!(1e300),
        json!(-0.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(null),
        json!({"z": 1, "a": [true, "\u{0}\u{2028}\"\\ \u{1F600}"]}),
        json!(5e-324),
        json!(9_007_199_254_740_993_i64),
    ];
    for value in &values {
        let (scope, key) = ("s".into(), "k".into());
        let event =
            NewEvent::bare(MemoryWritten { scope, key, value: value.clone(), expires: None });
        let write = Write {
            stream: stream("test-a"),
            expected: Expected::Any,
            key: None,
            events: vec![event],
        };
        store.append(vec![write]).await.expect("appends");
    }
    drop(store);
    world.reopen();
    let read: Vec<Value> = everything(&*world.store())[1..]
        .iter()
        .filter_map(|it| match it.event() {
            Some(Event::MemoryWritten(it)) => Some(it.value.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(read, values);
}

async fn a_full_queue_waits(world: World) {
    let store = world.store();
    let waiting = (0..3 * QUEUE_BATCHES).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { put(&*store, "test-a", Expected::Any, &["x"]).await })
    });
    for waiter in waiting.collect::<Vec<_>>() {
        waiter.await.expect("does not panic").expect("appends");
    }
    assert_eq!(store.next_position(), Position(1 + 3 * QUEUE_BATCHES as u64));
}
