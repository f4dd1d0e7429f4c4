//! Networks that are lost: what is to be said there waits in the log, and is said once when they are back.

use std::sync::Arc;

use beadle::adapter::Intake;
use beadle::domain::bridge::Bridges;
use beadle::domain::bridge::setup::away::{ALONE_HELD_MS, REJOIN_MS, SHARED_HELD_MS, UNSURE_MS};
use beadle::domain::bridge::setup::{Mode, Server, Want};
use beadle::domain::event::{BridgeStands, BridgeWanted, Event, Meta, NewEvent};
use beadle::domain::id::{RoomId, StreamName, UserId};
use beadle::domain::trigger::What;
use beadle::processor::Settings;
use beadle::processor::away::{EXECUTIONS_NAMED_MAX, MISSED_EVENTS_MAX, MISSED_ROOMS_MAX};
use beadle::store::{Expected, Write};

use crate::desk::Desk;

const LOST: &str = "Disconnected, reconnecting in 5 seconds...";
const BACK: &str = "End of MOTD command";

fn use_bridges(desk: &Desk) {
    let bridges = Bridges::default().using(&["heisenbridge".to_owned()], &[]).expect("it ships");
    let settings = (*desk.kernel.settings()).clone();
    desk.kernel.behave(Settings { bridges: Arc::new(bridges), ..settings });
    desk.ear.names(vec!["@beadle:local".into()]);
}

pub fn desk() -> Desk {
    let desk = Desk::new("");
    use_bridges(&desk);
    desk
}

/// The same log with another bot.
pub fn restarted(desk: &Desk) -> Desk {
    let again = Desk::over(&desk.world, desk.kernel.store.clone(), desk.world.clone(), "");
    use_bridges(&again);
    again
}

/// A channel of a network stands in a room.
pub async fn stands(desk: &Desk, network: &str, room: &str, mode: Mode) {
    let server = Server { host: "irc".into(), port: 6667, tls: false };
    let want = Want { server, room: None, nick: None, sasl_env: None };
    let (bridge, channel) = ("heisenbridge".to_owned(), format!("#{room}"));
    let network = network.to_owned();
    let wanted = BridgeWanted {
        bridge,
        network: network.clone(),
        channel: channel.clone(),
        want: Some(want),
    };
    let up = BridgeStands {
        network_room: RoomId(format!("!{network}")),
        network,
        channel,
        room: RoomId(room.into()),
        nick: "bot".into(),
        mode,
    };
    let events = [Event::from(wanted), Event::from(up)];
    let events = events.into_iter().map(|event| NewEvent::with(&Meta::default(), event)).collect();
    let stream = StreamName::setups();
    let write = Write { stream, expected: Expected::Any, key: None, events };
    desk.kernel.store.append(vec![write]).await.expect("the log works");
}

/// The bridge says something of a network.
pub async fn hears(desk: &Desk, network: &str, text: &str) {
    let (room, bridge) = (RoomId(format!("!{network}")), UserId("@heisenbridge:local".into()));
    desk.ear.bridge_said(&room, &bridge, text).await.expect("the log works");
}

/// What is said now in a room; of the others nothing is told.
pub async fn said(desk: &Desk, room: &str) -> Vec<String> {
    desk.settle().await.expect("the log works");
    let begins = format!("{room}: ");
    let said = desk.said();
    said.iter().filter_map(|said| said.strip_prefix(&begins)).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_said_to_a_lost_network_waits_in_order_across_a_restart() {
    let desk = desk();
    stands(&desk, "lab", "!ops", Mode::Private).await;
    hears(&desk, "lab", LOST).await;
    desk.queue("!ops", "one", None).await;
    let first = desk.queue("!ops", "half", None).await;
    assert_eq!(said(&desk, "!ops").await, [""; 0], "it waits");
    desk.queue("!elsewhere", "heard", None).await;
    assert_eq!(said(&desk, "!elsewhere").await, ["heard"], "other rooms do not");
    desk.clock.advance(SHARED_HELD_MS * 5);
    let desk = restarted(&desk);
    desk.queue("!ops", "two thirds", Some(&first)).await;
    desk.queue("!ops", "all", Some(&first)).await;
    assert_eq!(said(&desk, "!ops").await, [""; 0], "it waits across a restart");
    hears(&desk, "lab", BACK).await;
    assert_eq!(said(&desk, "!ops").await, [""; 0], "it has to come into its channel first");
    desk.clock.advance(REJOIN_MS);
    assert_eq!(said(&desk, "!ops").await, ["one", "half", "all"], "in order, and the last change");
    assert_eq!(desk.count("message_superseded"), 1);
}

#[tokio::test]
async fn who_is_heard_shows_that_the_network_is_back() {
    let desk = desk();
    stands(&desk, "lab", "!ops", Mode::Private).await;
    hears(&desk, "lab", LOST).await;
    desk.queue("!ops", "one", None).await;
    let speaks = async |network: &str, nth: u32| {
        let mut trigger = desk.says("eva", "!ops", &format!("!hello {nth}"));
        let What::Message(message) = &mut trigger.what else { panic!("it is a message") };
        message.speaker.account = Some(format!("eva@{network}"));
        desk.hand_over(vec![trigger], None).await;
        desk.settle().await.expect("the log works");
        desk.count("bridge_back")
    };
    desk.clock.advance(UNSURE_MS - 1);
    assert_eq!(speaks("lab", 1).await, 0, "that may have been said before");
    desk.clock.advance(1);
    assert_eq!(speaks("far", 2).await, 0, "somebody of another network");
    assert_eq!((speaks("lab", 3).await, speaks("lab", 4).await), (1, 1), "once");
    desk.clock.advance(REJOIN_MS);
    assert_eq!(said(&desk, "!ops").await.len(), 5, "what was to be said, and the answers");
}

#[tokio::test]
async fn people_of_matrix_wait_only_a_moment_for_a_lost_network() {
    let desk = desk();
    stands(&desk, "lab", "!people", Mode::Plumbed).await;
    hears(&desk, "lab", LOST).await;
    desk.queue("!people", "one", None).await;
    desk.clock.advance(SHARED_HELD_MS - 1);
    assert_eq!(said(&desk, "!people").await, [""; 0]);
    assert_eq!(desk.kernel.next_due().map(|due| due.0 - desk.kernel.clock.now().0), Some(1));
    desk.clock.advance(1);
    assert_eq!(said(&desk, "!people").await, ["one"]);
    desk.queue("!people", "two", None).await;
    assert_eq!(said(&desk, "!people").await, ["two"], "nobody else is silenced");
    hears(&desk, "lab", BACK).await;
    desk.clock.advance(REJOIN_MS);
    let told = "lab was lost for a while: 2 messages from here may not have arrived there.";
    assert_eq!(said(&desk, "!people").await, [told]);
}

#[tokio::test]
async fn a_room_on_two_networks_is_not_silenced_by_one() {
    let desk = desk();
    stands(&desk, "one", "!both", Mode::Plumbed).await;
    stands(&desk, "two", "!both", Mode::Plumbed).await;
    hears(&desk, "one", LOST).await;
    desk.queue("!both", "hello", None).await;
    assert_eq!(said(&desk, "!both").await, ["hello"]);
    desk.clock.advance(UNSURE_MS);
    hears(&desk, "one", BACK).await;
    let told = "one was lost for a while: one message from here may not have arrived there.";
    assert_eq!(said(&desk, "!both").await, [told], "the other network may wonder, and knows");
    desk.clock.advance(UNSURE_MS + 1);
    hears(&desk, "two", LOST).await;
    hears(&desk, "two", BACK).await;
    assert_eq!(said(&desk, "!both").await, [""; 0], "nothing was said to it meanwhile");
}

#[tokio::test]
async fn what_was_said_just_before_the_loss_may_not_have_arrived() {
    for (before_ms, told) in [(UNSURE_MS, 1), (UNSURE_MS + 1, 0)] {
        let desk = desk();
        stands(&desk, "lab", "!ops", Mode::Private).await;
        desk.queue("!ops", "step 1", None).await;
        assert_eq!(said(&desk, "!ops").await, ["step 1"]);
        desk.clock.advance(before_ms);
        hears(&desk, "lab", LOST).await;
        hears(&desk, "lab", BACK).await;
        desk.clock.advance(REJOIN_MS);
        assert_eq!(said(&desk, "!ops").await.len(), told, "{before_ms} ms before");
    }
}

#[tokio::test]
async fn what_waits_for_longer_than_a_day_is_told_of_instead() {
    let desk = desk();
    stands(&desk, "lab", "!ops", Mode::Private).await;
    hears(&desk, "lab", LOST).await;
    desk.queue("!ops", "old", None).await;
    assert_eq!(said(&desk, "!ops").await, [""; 0]);
    desk.clock.advance(ALONE_HELD_MS - 1);
    desk.queue("!ops", "young", None).await;
    assert_eq!(said(&desk, "!ops").await, [""; 0]);
    desk.clock.advance(1);
    let told = said(&desk, "#boss").await;
    assert_eq!((told.len(), desk.count("message_failed")), (1, 1), "{told:?}");
    assert!(told[0].contains("lab has been lost for longer than a day"), "{told:?}");
    hears(&desk, "lab", BACK).await;
    desk.clock.advance(REJOIN_MS);
    assert_eq!(said(&desk, "!ops").await, ["young"]);
}

#[tokio::test]
async fn only_so_many_rooms_are_told_that_something_may_be_missing() {
    let desk = desk();
    for n in 0..=MISSED_ROOMS_MAX {
        stands(&desk, "lab", &format!("!room{n}"), Mode::Private).await;
        desk.queue(&format!("!room{n}"), &format!("hello {n}"), None).await;
    }
    desk.settle().await.expect("the log works");
    let before = desk.count("message_queued");
    hears(&desk, "lab", LOST).await;
    hears(&desk, "lab", BACK).await;
    // The owner is told both times.
    assert_eq!(desk.count("message_queued") - before, MISSED_ROOMS_MAX + 2);
    const { assert!(MISSED_EVENTS_MAX > EXECUTIONS_NAMED_MAX) };
}
