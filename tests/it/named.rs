//! Rooms that rules and scripts call by name: what is said there is what is said in the room of that name.

use std::sync::Arc;

use beadle::adapter::{Intake, Relation};
use beadle::domain::bridge::Bridges;
use beadle::domain::event::BridgeSeen;
use beadle::domain::id::{DedupeKey, RoomId};
use beadle::domain::named::NamedEvent;
use beadle::domain::trigger::Trigger;
use beadle::processor::Settings;
use beadle::processor::named::{NAME_KEPT_MS, NAMES_KEPT_MAX};
use beadle::store::Subject;
use serde_json::json;

use crate::desk::Desk;

const SCRIPT: &str = r##"
rule(#{ name: "nagios", room: "#ops:hs" }, "webhook.nagios", |e| {
    alert(`nagios/${e.host}`, `${e.host} is down`, #{ severity: "critical" });
});
rule("deploys", "webhook.deploy", |e| say(e.room, `deployed ${e.app}`));
rule("elsewhere", "webhook.elsewhere", |e| {
    alert("disk/web1", "the disk is full", #{ room: "#ops:hs" });
});
"##;

/// A desk whose room `!ops` is on IRC and is called `#ops:hs`.
async fn on_irc() -> Desk {
    let desk = Desk::new(SCRIPT);
    let bridges = Bridges::default().using(&["heisenbridge".to_owned()], &[]).expect("it ships");
    let settings = (*desk.kernel.settings()).clone();
    desk.kernel.behave(Settings { bridges: Arc::new(bridges), ..settings });
    let evidence = "@heisenbridge:local".to_owned();
    let seen = BridgeSeen { profile: "heisenbridge".into(), evidence };
    desk.ear.saw_bridge(RoomId("!ops".into()), seen).await.expect("the log works");
    desk.name("#ops:hs", Some("!ops"));
    desk
}

/// Lets a named trigger happen, and everything that follows from it.
async fn happens(desk: &Desk, id: &str, name: &str, fields: serde_json::Value) {
    let fields = fields.as_object().cloned().expect("an object");
    let event = NamedEvent { name: name.into(), fields, source: "test".into() };
    let key = DedupeKey::new(&["test", id]);
    let trigger = Trigger::event(key, desk.kernel.clock.now(), event);
    desk.hand_over(vec![trigger], None).await;
    desk.settle().await.expect("the log works");
}

/// What was said, each of it as a network without edits, threads and notices can show it.
fn plain(desk: &Desk) -> Vec<String> {
    for it in desk.outgoing().iter().filter(|it| it.room.as_str() == "!ops") {
        assert!(!it.notice && it.html.is_none() && it.relation == Relation::New, "{it:?}");
    }
    desk.said()
}

#[tokio::test]
async fn an_alert_to_a_name_is_one_of_its_room() {
    let desk = on_irc().await;
    happens(&desk, "1", "webhook.nagios", json!({"host": "web1"})).await;
    assert_eq!(plain(&desk), ["!ops: web1 is down\nfiring, critical"]);
    let ack = desk.says("ann", "!ops", "!ack nagios/web1");
    desk.hand_over(vec![ack], None).await;
    desk.settle().await.expect("the log works");
    let told = plain(&desk);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("nagios/web1 acknowledged by ann"), "{told:?}");
    happens(&desk, "2", "webhook.elsewhere", json!({})).await;
    assert_eq!(plain(&desk), ["!ops: the disk is full\nfiring"], "a name in the call itself");
    assert_eq!(desk.names_asked(), 1, "what was heard a moment ago holds");
    let pseudonym = |room: &str| desk.kernel.store.pseudonym(&Subject::Room(room.into()));
    assert!(pseudonym("!ops").is_some(), "one room is one subject");
    assert_eq!(pseudonym("#ops:hs"), None, "its name is none");
}

#[tokio::test]
async fn what_is_said_to_a_name_goes_where_the_name_stands_now() {
    let desk = on_irc().await;
    let deployed = async |id: &str, app: &str| {
        happens(&desk, id, "webhook.deploy", json!({"app": app, "room": "#ops:hs"})).await;
        plain(&desk)
    };
    assert_eq!(deployed("1", "a").await, ["!ops: deployed a"]);
    desk.name("#ops:hs", Some("!new"));
    assert_eq!(deployed("2", "b").await, ["!ops: deployed b"], "as it was heard a moment ago");
    desk.clock.advance(NAME_KEPT_MS);
    assert_eq!(deployed("3", "c").await, ["!new: deployed c"], "names move");
    desk.clock.advance(NAME_KEPT_MS);
    desk.name("#ops:hs", None);
    // The name itself is handed on, and the network says that it knows no such room.
    assert_eq!(deployed("4", "d").await, ["#ops:hs: deployed d"]);
}

#[tokio::test]
async fn a_name_that_nobody_could_resolve_is_asked_for_again_when_it_is_said() {
    let desk = on_irc().await;
    happens(&desk, "1", "webhook.deploy", json!({"app": "a", "room": "#later:hs"})).await;
    assert_eq!(desk.said(), ["#later:hs: deployed a"], "the network itself may know it");
    desk.queue("#late:hs", "queued", None).await;
    desk.name("#late:hs", Some("!ops"));
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), ["#late:hs: queued"]);
    let last = desk.outgoing().pop().expect("it was said");
    assert!(!last.notice && last.html.is_none(), "it is shown as its room can: {last:?}");
}

#[tokio::test]
async fn the_rooms_of_only_so_many_names_are_kept() {
    let desk = on_irc().await;
    for n in 0..=NAMES_KEPT_MAX {
        let name = format!("#room{n}:hs");
        desk.name(&name, Some("!there"));
        desk.queue(&name, &format!("hello {n}"), None).await;
    }
    desk.settle().await.expect("the log works");
    assert_eq!(desk.names_asked(), NAMES_KEPT_MAX + 1);
    happens(&desk, "1", "webhook.deploy", json!({"app": "a", "room": "#room0:hs"})).await;
    assert_eq!(desk.names_asked(), NAMES_KEPT_MAX + 2, "it was forgotten, and is asked for again");
    assert_eq!(desk.said().pop().as_deref(), Some("!there: deployed a"));
}
