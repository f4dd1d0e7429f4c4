//! What alerts said goes with what raised them, also where somebody else's command or nobody's had it told again.

use beadle::domain::event::{Event, Recorded};
use beadle::play::world::World;
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
