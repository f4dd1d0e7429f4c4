//! Signed heads as the bot makes them: when, what is published, and that publishing them brings about no more of them.

use std::sync::Arc;
use std::time::Duration;

use beadle::adapter::SendError;
use beadle::domain::event::{NewEvent, SyncAdvanced};
use beadle::domain::id::{RoomId, StreamName};
use beadle::processor::Settings;
use beadle::processor::tree_head::{Due, HEAD_EVERY, HEAD_EVERY_EVENTS, Standing, Watch, record};
use beadle::store::sled::SledStore;
use beadle::store::{Clock, EventStore, Expected, Options, Write};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::desk::Desk;
use crate::store_world::put;

/// A kernel on a log on disk, with an audit room.
struct Audited {
    desk: Desk,
    runtime: Runtime,
    _dir: TempDir,
}

impl Audited {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let desk = Desk::on("", |surroundings| {
            let opened = SledStore::open(dir.path(), surroundings, Options::default());
            Arc::new(opened.expect("opens").0)
        });
        let settings = Settings::clone(&desk.kernel.settings());
        desk.kernel.behave(Settings { audit_room: Some(RoomId("#audit".into())), ..settings });
        let runtime = Runtime::new().expect("a runtime");
        Self { desk, runtime, _dir: dir }
    }

    fn store(&self) -> Arc<dyn EventStore> {
        self.desk.kernel.store.clone()
    }

    /// So many events of people.
    fn happens(&self, count: u64) {
        for _ in 0..count {
            let texts = put(&*self.desk.kernel.store, "test-a", Expected::Any, &["x"]);
            self.runtime.block_on(texts).expect("appends");
        }
    }

    /// The sync position moves.
    fn syncs(&self) {
        let events = vec![NewEvent::bare(SyncAdvanced { token: "s1".into() })];
        let write =
            Write { stream: StreamName::sync(), expected: Expected::Any, key: None, events };
        self.runtime.block_on(self.store().append(vec![write])).expect("appends");
    }

    /// What is due now, by the log alone.
    fn due(&self) -> Due {
        let mut watch = Watch::of(&*self.store()).expect("reads");
        let now = self.desk.clock.now();
        watch.look(&*self.store(), Some(HEAD_EVERY), now).expect("reads")
    }

    /// Makes a head if there is none, and publishes it.
    fn head(&self) -> Standing {
        let room = self.desk.kernel.settings().audit_room.clone();
        let now = self.desk.clock.now();
        let made = record(&self.store(), room.as_ref(), now, self.runtime.handle(), &mut |_, _| {});
        self.runtime.block_on(self.desk.settle()).expect("the log works");
        made.expect("is signed").expect("this log keeps heads")
    }
}

#[test]
fn a_head_is_published_once_and_brings_about_no_other() {
    let audited = Audited::new();
    audited.happens(3);
    let made = audited.head();
    assert_eq!((made.head.size, made.position.0), (4, 4));
    let said = audited.desk.said();
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(said.starts_with("#audit: My log has 4 events at 20"), "{said}");
    assert_eq!(beadle::store::proof::notes(said), std::slice::from_ref(&made.head.note), "{said}");
    assert!(said.contains(&made.head.key), "{said}");
    assert_eq!(audited.desk.kinds(None)[4..], ["tree_head", "message_queued", "message_sent"]);
    assert_eq!(audited.head(), made, "nothing happened since");
    assert_eq!(audited.due(), Due::Later);
    audited.syncs();
    assert_eq!(audited.due(), Due::Later, "our own post moves the position, too");
    audited.happens(1);
    let first = audited.desk.clock.now();
    let at = first.plus_ms(i64::try_from(HEAD_EVERY.as_millis()).expect("is small"));
    assert_eq!(audited.due(), Due::At(at));
    audited.desk.clock.advance(i64::try_from(HEAD_EVERY.as_millis()).expect("is small"));
    assert_eq!(audited.due(), Due::Now);
    let next = audited.head();
    assert_eq!((next.head.size, audited.desk.count("tree_head")), (9, 2));
}

#[test]
fn a_thousand_events_are_never_without_a_head() {
    let audited = Audited::new();
    audited.happens(HEAD_EVERY_EVENTS - 2);
    assert!(matches!(audited.due(), Due::At(_)), "{:?}", audited.due());
    audited.happens(1);
    assert_eq!(audited.due(), Due::Now);
    audited.head();
    assert_eq!(audited.due(), Due::Later);
}

#[test]
fn a_room_that_takes_no_heads_is_told_and_makes_no_more_of_them() {
    let audited = Audited::new();
    for day in 0..3 {
        let never = SendError::Never { reason: "the bot is not there".into() };
        audited.desk.refuse("#audit", vec![never]);
        audited.happens(1);
        audited.head();
        let said = audited.desk.said();
        let [said] = said.as_slice() else { panic!("{day}: {said:?}") };
        assert!(said.starts_with("#boss: I cannot publish the signed heads"), "{said}");
        assert!(said.contains("the bot is not there"), "{said}");
        assert_eq!(audited.due(), Due::Later, "{day}");
        audited.desk.clock.advance(24 * 3_600_000);
        assert_eq!(audited.due(), Due::Later, "{day}");
    }
    let never = SendError::Never { reason: "still not".into() };
    audited.desk.refuse("#audit", vec![never.clone(), never]);
    audited.happens(1);
    audited.head();
    audited.happens(1);
    audited.head();
    assert_eq!(audited.desk.said().len(), 1, "once a day is enough");
}

#[test]
fn heads_are_made_and_the_last_one_at_the_end() {
    let audited = Audited::new();
    let kernel = audited.desk.kernel.clone();
    let settings = Settings::clone(&kernel.settings());
    kernel.behave(Settings { head_every: Some(Duration::ZERO), ..settings });
    audited.happens(1);
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let mut head = kernel.store.watch();
    let running =
        audited.runtime.spawn(beadle::processor::tree_head::run(kernel.clone(), stopping));
    audited.runtime.block_on(async {
        head.wait_for(|next| next.0 >= 4).await.expect("the log is open");
        stop.send_replace(true);
        running.await.expect("does not panic").expect("the log works");
    });
    assert_eq!(audited.desk.count("tree_head"), 1);
    audited.runtime.block_on(audited.desk.settle()).expect("the log works");
    audited.desk.said();
    audited.happens(1);
    audited.runtime.block_on(beadle::processor::tree_head::finish(&kernel)).expect("the log works");
    let said = audited.desk.said();
    assert!(said.len() == 1 && said[0].starts_with("#audit: My log has 6 events"), "{said:?}");
    audited.runtime.block_on(beadle::processor::tree_head::finish(&kernel)).expect("the log works");
    assert_eq!(audited.desk.count("tree_head"), 2, "there was nothing more to sign");
}
