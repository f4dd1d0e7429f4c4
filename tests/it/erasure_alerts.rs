//! What alerts said goes with what raised them, also where somebody else's command or nobody's had it told again.

use beadle::adapter::Relation;
use beadle::domain::event::{Event, Recorded};
use beadle::play::world::World;
use beadle::query::agenda::Agenda;
use beadle::query::erasure::Target;
use beadle::store::EventStore;

use crate::desk::Desk;
use crate::erasure::erased;
use crate::erasure_disk::{readable, stands_nowhere, store};
use crate::store_world::everything;

const SCRIPT: &str = r##"
    //! For the test.
    alias("note {key} {text:text}", |a, msg| alert(a.key, a.text));
    rule(#{ name: "echo", room: "#boss" }, "alert.acknowledged", |e| say("#boss", `now quiet: ${e.text}`));
"##;
/// What is planted.
const TEXT: &str = "plum marmalade on the switch";

async fn says(desk: &Desk, who: &str, text: &str) -> String {
    desk.hand_over(vec![desk.says(who, "#ops", text)], None).await;
    desk.settle().await.expect("the log works");
    desk.said().join("\n")
}

/// The trigger that a text was said in.
fn trigger(store: &dyn EventStore, text: &str) -> Target {
    let is = |event: &&Recorded| match event.event() {
        Some(event @ Event::TriggerRecorded(_)) => event.encode().to_string().contains(text),
        _ => false,
    };
    let found = everything(store).iter().find(is).expect("it was said").id.to_string();
    Target::Event(found)
}

/// A storm of nine alerts: the first five alone, the others in a digest. One has the planted words.
async fn storm(desk: &Desk, planted: usize) {
    for nth in 0..9 {
        let text = if nth == planted { TEXT.to_owned() } else { format!("disk {nth} is full") };
        says(desk, "ann", &format!("!note key{nth} {text}")).await;
    }
    desk.clock.advance(10_000);
    desk.settle().await.expect("the log works");
    let told = desk.said().join("\n");
    assert!(told.contains("4 alerts in #ops"), "{told}");
    assert_eq!(told.contains(TEXT), planted >= 5, "{told}");
}

#[tokio::test]
async fn a_digest_goes_with_each_alert_that_it_told_of() {
    let (dir, world) = (tempfile::tempdir().expect("a directory"), World::new());
    let store = store(dir.path(), &world, 1);
    let desk = Desk::over(&world, store.clone(), world.clone(), SCRIPT);
    storm(&desk, 7).await;
    says(&desk, "ben", "!ack key6").await;
    desk.clock.advance(300_000);
    desk.settle().await.expect("the log works");
    let changed = desk.said().join("\n");
    assert!(changed.contains(TEXT), "the digest is changed: {changed}");
    let did = erased(&desk, trigger(&*store, TEXT)).await;
    assert!(did.ended.is_empty(), "{did:?}");
    let left = readable(&store);
    assert!(!left.contains("marmalade"), "{left}");
    assert!(left.contains("disk 2 is full") && left.contains("!ack key6"), "{left}");
    assert_eq!(erased(&desk, trigger(&*store, "disk 2 is full")).await.kinds["message_queued"], 1);
    desk.clock.advance(300_000);
    desk.settle().await.expect("the log works");
    assert!(!readable(&store).contains("marmalade"), "nothing tells of it again");
    stands_nowhere(dir.path(), &[TEXT, "plum marmalade"]);
    drop(desk);
    store.close();
}

#[tokio::test]
async fn what_others_had_told_of_an_alert_goes_with_it() {
    let (dir, world) = (tempfile::tempdir().expect("a directory"), World::new());
    let store = store(dir.path(), &world, 1);
    let desk = Desk::over(&world, store.clone(), world.clone(), SCRIPT);
    storm(&desk, 1).await;
    let told = says(&desk, "ben", "!ack key1").await;
    assert!(told.contains(&format!("now quiet: {TEXT}")), "a rule tells of it: {told}");
    erased(&desk, trigger(&*store, TEXT)).await;
    let left = readable(&store);
    assert!(!left.contains("marmalade"), "{left}");
    assert!(left.contains("!ack key1") && left.contains("disk 2 is full"), "{left}");
    stands_nowhere(dir.path(), &[TEXT, "plum marmalade"]);
    drop(desk);
    store.close();
}

#[tokio::test]
async fn an_alert_of_which_no_report_is_left_fires_no_more() {
    let desk = Desk::new(SCRIPT);
    says(&desk, "ann", &format!("!note key1 {TEXT}")).await;
    says(&desk, "ann", "!note key2 the disk is full").await;
    says(&desk, "ben", "!note key2 the disk is still full").await;
    let store = desk.kernel.store.clone();
    let open = || {
        desk.kernel.catch_up().expect("the log can be read");
        let live = desk.kernel.agenda(|agenda| agenda.alerts.open().count());
        let mut anew = Agenda::default();
        anew.catch_up(store.as_ref()).expect("the log can be read");
        let same = desk.kernel.agenda(|agenda| agenda.alerts == anew.alerts);
        assert!(same, "the log alone gives the same");
        live
    };
    assert_eq!(open(), 2);
    erased(&desk, trigger(store.as_ref(), TEXT)).await;
    assert_eq!(open(), 1, "its place is free");
    // What somebody else reported of the other one says on that it fires.
    erased(&desk, trigger(store.as_ref(), "the disk is full")).await;
    assert_eq!(open(), 1);
    assert!(says(&desk, "ben", "!ack key2").await.contains("still full"));
    erased(&desk, trigger(store.as_ref(), "still full")).await;
    assert_eq!(open(), 0);
    // Erasing once more ends nothing once more.
    let ends = desk.count("alert_resolved");
    erased(&desk, trigger(store.as_ref(), "!ack key2")).await;
    assert_eq!((ends, desk.count("alert_resolved")), (2, 2));
    says(&desk, "ann", "!note key1 all anew").await;
    assert_eq!(open(), 1);
}

#[tokio::test]
async fn a_digest_that_is_erased_is_told_anew_when_what_is_left_of_it_changes() {
    let desk = Desk::new(SCRIPT);
    storm(&desk, 7).await;
    erased(&desk, trigger(desk.kernel.store.as_ref(), TEXT)).await;
    desk.clock.advance(300_000);
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), Vec::<String>::new(), "nothing has changed");
    says(&desk, "ben", "!ack key6").await;
    desk.clock.advance(300_000);
    desk.settle().await.expect("the log works");
    let told = desk.said().join("\n");
    assert!(told.contains("3 alerts in #ops") && !told.contains("marmalade"), "{told}");
    assert!(told.contains("disk 6 is full"), "{told}");
    assert_eq!(desk.count("message_failed"), 0, "nobody tries to change what is erased");
    says(&desk, "ben", "!ack key8").await;
    desk.clock.advance(300_000);
    desk.settle().await.expect("the log works");
    let mut edits =
        desk.outgoing().into_iter().filter(|it| matches!(it.relation, Relation::Edit(_)));
    let last = edits.next_back().map(|it| it.plain).unwrap_or_default();
    assert!(last.contains("3 alerts in #ops"), "the new one is changed from then on: {last}");
}
