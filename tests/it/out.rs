//! Channels that the bot is thrown out of while their networks are there: told, waited for, and tried again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use beadle::adapter::{Intake, RoomAct};
use beadle::domain::bridge::setup::away::{SHARED_HELD_MS, UNSURE_MS};
use beadle::domain::bridge::setup::out::{MUTED_MS, REJOIN_AFTER_MS, REJOIN_AFTER_MS_MAX};
use beadle::domain::bridge::setup::{JOIN_MS_MAX, Mode};
use beadle::domain::event::BridgeWanted;
use beadle::domain::id::{RoomId, UserId};
use beadle::processor::out::Tries;
use beadle::processor::setups::Wished;
use beadle::processor::{Kernel, Settings};

use crate::away::{desk, hears, restarted, said, stands};
use crate::desk::Desk;
use crate::setups::{Played, bot, nothing, wanted, wish, work};

const KICKED: &str = "You were kicked from the channel by eve: enough";
const JOINED: &str = "Joined #ops as bot (bot@lab)";

/// The bridge says something in a room.
async fn hears_in(desk: &Desk, room: &str, text: &str) {
    let bridge = UserId("@heisenbridge:local".into());
    desk.ear.bridge_said(&RoomId(room.into()), &bridge, text).await.expect("the log works");
}

#[tokio::test]
async fn what_is_said_to_a_channel_of_its_own_waits_until_the_bot_is_let_in() {
    let desk = desk();
    stands(&desk, "lab", "!ops", Mode::Private).await;
    hears_in(&desk, "!ops", KICKED).await;
    let told = said(&desk, "#boss").await;
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["out of #!ops of lab", "kicked from the channel by eve", "`/invite bot #!ops`"] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
    desk.queue("!ops", "one", None).await;
    desk.clock.advance(SHARED_HELD_MS * 5);
    let desk = restarted(&desk);
    hears_in(&desk, "!ops", KICKED).await;
    desk.queue("!ops", "two", None).await;
    assert_eq!(said(&desk, "!ops").await, [""; 0], "it waits across a restart, and is told once");
    hears_in(&desk, "!ops", JOINED).await;
    assert_eq!(said(&desk, "!ops").await, ["one", "two"], "in order");
    let counts = ["bridge_channel_lost", "bridge_channel_back"].map(|kind| desk.count(kind));
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn people_of_matrix_wait_only_a_moment_for_a_channel() {
    let desk = desk();
    stands(&desk, "lab", "!people", Mode::Plumbed).await;
    hears(&desk, "lab", &format!("#!people: {KICKED}")).await;
    desk.queue("!people", "one", None).await;
    desk.clock.advance(SHARED_HELD_MS - 1);
    assert_eq!(said(&desk, "!people").await, [""; 0]);
    desk.clock.advance(1);
    assert_eq!(said(&desk, "!people").await, ["one"], "nobody is silenced for long");
    hears(&desk, "lab", "#!people: Joined #!people as bot (b@h)").await;
    let told =
        "#!people of lab was lost for a while: one message from here may not have arrived there.";
    assert_eq!(said(&desk, "!people").await, [told]);
}

#[tokio::test]
async fn what_was_said_just_before_the_kick_may_not_have_arrived() {
    for (before_ms, told) in [(UNSURE_MS, 1), (UNSURE_MS + 1, 0)] {
        let desk = desk();
        stands(&desk, "lab", "!ops", Mode::Private).await;
        desk.queue("!ops", "step 1", None).await;
        assert_eq!(said(&desk, "!ops").await, ["step 1"]);
        desk.clock.advance(before_ms);
        hears_in(&desk, "!ops", KICKED).await;
        hears_in(&desk, "!ops", JOINED).await;
        assert_eq!(said(&desk, "!ops").await.len(), told, "{before_ms} ms before");
    }
}

#[tokio::test]
async fn a_channel_that_takes_nothing_is_told_of_and_not_waited_for() {
    let desk = desk();
    stands(&desk, "lab", "!ops", Mode::Private).await;
    for (after_ms, told) in [(0, 1), (MUTED_MS - 1, 0), (1, 1)] {
        desk.clock.advance(after_ms);
        hears_in(&desk, "!ops", "Cannot send to channel").await;
        let lines = said(&desk, "#boss").await;
        assert_eq!(lines.len(), told, "{lines:?}");
        assert!(lines.iter().all(|it| it.contains("`/mode #!ops +v bot`")), "{lines:?}");
        let hello = format!("hello {after_ms}");
        desk.queue("!ops", &hello, None).await;
        assert_eq!(said(&desk, "!ops").await, [hello], "nobody tells when it is heard again");
    }
}

/// `#ops` of `lab` stands, and the bot has been thrown out of it.
async fn thrown_out(chat: &Arc<Played>) -> (Desk, Arc<Kernel>) {
    let desk = Desk::new("");
    let kernel = bot(&desk, chat);
    let settings = (*kernel.settings()).clone();
    kernel.behave(Settings { management_room: Some(RoomId("#boss".into())), ..settings });
    wish(&kernel, &wanted("#ops", None)).await;
    work(&kernel, chat, nothing()).await;
    let ear = beadle::processor::intake::Ear::new(kernel.clone());
    let (room, bridge) = (RoomId("!lab".into()), UserId("@heisenbridge:local".into()));
    ear.bridge_said(&room, &bridge, &format!("#ops: {KICKED}")).await.expect("the log works");
    assert_eq!(desk.count("bridge_channel_lost"), 1);
    (desk, kernel)
}

/// What the bridge was told to join, and within which times.
fn joins(chat: &Played) -> Vec<u64> {
    let acts = chat.acts();
    let told = acts.iter().filter_map(|act| match act {
        RoomAct::Tell(order) if order.text == "JOIN #ops" => Some(order.within_ms),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn who_is_thrown_out_tries_to_come_back_less_and_less_often() {
    let chat = Arc::new(Played::default());
    let (desk, kernel) = thrown_out(&chat).await;
    let mut tries = Tries::default();
    let mut tried = async |after_ms: i64| {
        desk.clock.advance(after_ms);
        let before = chat.acts().len();
        kernel.rejoin(&mut tries).await.expect("the log works");
        chat.acts().len() - before
    };
    assert_eq!(tried(REJOIN_AFTER_MS - 1).await, 0);
    assert_eq!(tried(1).await, 1, "it is not connected: nothing but its status is asked for");
    assert_eq!(tried(2 * REJOIN_AFTER_MS - 1).await, 0);
    for wait in [1, 4 * REJOIN_AFTER_MS, 8 * REJOIN_AFTER_MS, REJOIN_AFTER_MS_MAX] {
        assert_eq!(tried(wait).await, 1);
    }
    assert_eq!(tried(REJOIN_AFTER_MS_MAX - 1).await, 0);
    assert_eq!(joins(&chat), [0; 0]);
    // It is connected, the channel lets it in, and the bridge's own word for it is not heard.
    chat.connected.store(true, Ordering::SeqCst);
    assert_eq!(tried(1).await, 3, "its status, the channel, and which channels it is in");
    assert_eq!(joins(&chat), [JOIN_MS_MAX]);
    assert_eq!(desk.count("bridge_channel_back"), 1);
    assert_eq!(tried(REJOIN_AFTER_MS_MAX).await, 0, "it is back");
    let notices = desk.count("message_queued");
    assert_eq!(notices, 2, "the owner is told that it is out, and that it is back");
}

#[tokio::test]
async fn a_channel_that_the_bot_is_out_of_is_not_set_up_anew() {
    let chat = Arc::new(Played::default());
    let (desk, kernel) = thrown_out(&chat).await;
    let refused = wish(&kernel, &wanted("#ops", None)).await;
    let says = |why: &str| why.contains("is out of it") && why.contains("kicked");
    assert!(matches!(&refused, Wished::Refused(why) if says(why)), "{refused:?}");
    // Taking it down and up again is another thing.
    let gone = BridgeWanted { want: None, ..wanted("#ops", None) };
    assert!(matches!(wish(&kernel, &gone).await, Wished::Recorded(_)));
    work(&kernel, &chat, nothing()).await;
    assert_eq!(desk.count("bridge_removed"), 1);
}
