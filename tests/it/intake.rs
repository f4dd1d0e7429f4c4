//! What is heard: recorded once, with its position, and only if it is for the bot.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use beadle::adapter::Intake;
use beadle::domain::id::DedupeKey;
use beadle::domain::named::NamedEvent;
use beadle::domain::trigger::Trigger;
use beadle::play::world::BEGINNING;
use beadle::processor::intake::{Ear, SYNC_EVERY_MS};
use beadle::processor::pause::{Guard, PAUSE};
use beadle::store::space::{FREE_BYTES_MIN, RESUME_BYTES, Room, Space};

use crate::desk::Desk;
use crate::store_world::everything;

const ASKS: &str = r#"alias("stop", || { if confirm("Sure?") { reply("stopped"); } });"#;

#[tokio::test]
async fn a_position_alone_is_recorded_at_most_once_a_minute() {
    let desk = Desk::new("");
    for (after_ms, token, recorded) in
        [(0, "a", "a"), (1, "b", "a"), (SYNC_EVERY_MS - 2, "c", "a"), (1, "d", "d"), (1, "e", "d")]
    {
        desk.clock.advance(after_ms);
        desk.hand_over(vec![], Some(token)).await;
        let last = desk.ear.sync_token().expect("the log can be read");
        assert_eq!(last.as_deref(), Some(recorded), "after `{token}`");
    }
    desk.ear.flush().await.expect("the log works");
    assert_eq!(desk.ear.sync_token().expect("reads").as_deref(), Some("e"), "flushed on request");
    desk.ear.flush().await.expect("the log works");
    assert_eq!(desk.count("sync_advanced"), 3, "nothing is left to flush");
}

#[tokio::test]
async fn a_position_comes_with_its_triggers() {
    let desk = Desk::new("");
    desk.hand_over(vec![], Some("a")).await;
    let trigger = desk.says("ann", "#ops", "!help");
    desk.hand_over(vec![trigger], Some("b")).await;
    assert_eq!(desk.kinds(None)[1..], ["sync_advanced", "trigger_recorded", "sync_advanced"]);
    let talk = desk.says("ann", "#ops", "good morning");
    desk.hand_over(vec![talk], Some("c")).await;
    assert_eq!(desk.ear.sync_token().expect("reads").as_deref(), Some("b"), "talk is no trigger");
}

#[tokio::test]
async fn a_full_hand_over_fits_with_its_position() {
    let desk = Desk::new("");
    let triggers = (0..beadle::adapter::INCOMING_TRIGGERS_MAX).map(|n| {
        let room = format!("#room{n}");
        desk.says("ann", &room, "!help")
    });
    let triggers: Vec<Trigger> = triggers.collect();
    desk.hand_over(triggers, Some("a")).await;
    assert_eq!((desk.count("trigger_recorded"), desk.count("sync_advanced")), (64, 1));
    assert_eq!(desk.kinds(None).last().map(String::as_str), Some("sync_advanced"));
}

#[tokio::test]
async fn the_same_trigger_is_recorded_once() {
    let desk = Desk::new("");
    let trigger = desk.says("ann", "#ops", "!help");
    desk.hand_over(vec![trigger.clone()], Some("a")).await;
    desk.hand_over(vec![trigger.clone()], Some("b")).await;
    assert_eq!(desk.count("trigger_recorded"), 1);
    let other = desk.says("ann", "#ops", "!help");
    desk.hand_over(vec![other.clone(), trigger], Some("c")).await;
    assert_eq!(desk.count("trigger_recorded"), 2, "the known one is left out, the new one is not");
}

#[tokio::test]
async fn the_same_trigger_twice_in_one_hand_over_is_recorded_once() {
    let desk = Desk::new("");
    let trigger = desk.says("ann", "#ops", "!help");
    desk.hand_over(vec![trigger.clone(), trigger], Some("a")).await;
    assert_eq!((desk.count("trigger_recorded"), desk.count("sync_advanced")), (1, 1));
}

#[tokio::test]
async fn only_what_is_for_the_bot_is_recorded() {
    for (who, room, text, before, after) in [
        ("ann", "#ops", "good morning", false, false),
        ("ann", "#ops", "yes", false, true),
        ("ann", "#ops", "nothing of that kind", false, false),
        ("bea", "#ops", "yes", false, false),
        ("ann", "#dev", "yes", false, false),
        ("bea", "#ops", "!help", true, true),
        ("bea", "#ops", "beadle: help", true, true),
        ("bea", "@bea", "help", true, true),
    ] {
        for (asked, want) in [(false, before), (true, after)] {
            let desk = Desk::new(ASKS);
            if asked {
                desk.hand_over(vec![desk.says("ann", "#ops", "!stop")], None).await;
                desk.settle().await.expect("the log works");
                assert_eq!(desk.count("question_asked"), 1);
            }
            let had = desk.count("trigger_recorded");
            desk.hand_over(vec![desk.says(who, room, text)], None).await;
            let recorded = desk.count("trigger_recorded") > had;
            assert_eq!(recorded, want, "{who} in {room}: {text:?}, asked: {asked}");
        }
    }
}

/// A disk that is as full as a test says; `u64::MAX` is a disk that does not say.
struct Disk(AtomicU64);

impl Space for Disk {
    fn room(&self) -> io::Result<Room> {
        match self.0.load(Ordering::SeqCst) {
            u64::MAX => Err(io::Error::other("it does not say")),
            free_bytes => Ok(Room { free_bytes, total_bytes: 1 << 40 }),
        }
    }
}

#[tokio::test]
async fn nothing_is_taken_in_while_the_disk_is_nearly_full() {
    let desk = Desk::new("");
    let disk = Arc::new(Disk(AtomicU64::new(RESUME_BYTES)));
    let guarded = || Ear::new(desk.kernel.clone()).guarded(Guard::new(disk.clone(), None));
    let mut ear = guarded();
    for (free_bytes, restart, closed, paused, resumed) in [
        (RESUME_BYTES, false, false, 0, 0),
        (FREE_BYTES_MIN, false, false, 0, 0),
        (FREE_BYTES_MIN - 1, false, true, 1, 0),
        (0, false, true, 1, 0),
        // A start in the middle of it neither forgets the pause nor records it again.
        (0, true, true, 1, 0),
        (FREE_BYTES_MIN, true, true, 1, 0),
        (RESUME_BYTES, true, false, 1, 1),
        (RESUME_BYTES, true, false, 1, 1),
        (0, false, true, 2, 1),
        (u64::MAX, false, false, 2, 1),
    ] {
        disk.0.store(free_bytes, Ordering::SeqCst);
        if restart {
            ear = guarded();
        }
        let pause = ear.closed().await.expect("the log works");
        assert_eq!(pause, closed.then_some(PAUSE), "{free_bytes}");
        let counts = (desk.count("intake_paused"), desk.count("intake_resumed"));
        assert_eq!(counts, (paused, resumed), "{free_bytes}");
    }
    desk.settle().await.expect("the log works");
    let said = desk.said();
    let each = said.iter().all(|told| told.starts_with("#boss: The disk"));
    assert!(each && said.len() == 2, "each pause is told, though the words are the same: {said:?}");
}

#[tokio::test]
async fn a_pause_is_recorded_once_and_never_without_its_notice() {
    let desk = Desk::new("");
    let disk = Arc::new(Disk(AtomicU64::new(FREE_BYTES_MIN - 1)));
    let ear = || Ear::new(desk.kernel.clone()).guarded(Guard::new(disk.clone(), None));
    // Two guards know nothing of each other: only the log can say that one of them was first.
    let (one, other) = (ear(), ear());
    let asked = tokio::join!(one.closed(), one.closed(), other.closed(), other.closed());
    for closed in [asked.0, asked.1, asked.2, asked.3] {
        assert_eq!(closed.expect("the log works"), Some(PAUSE));
    }
    assert_eq!(desk.kinds(None)[1..], ["intake_paused", "message_queued"]);
    let records = everything(desk.kernel.store.as_ref());
    let said = records[2].cause.as_ref().map(ToString::to_string);
    assert_eq!(said, Some(records[1].id.to_string()), "the notice is that of this pause");
}

#[tokio::test]
async fn what_happens_in_rooms_is_recorded_only_for_those_who_listen() {
    let joined = |nth: &str| {
        let fields = serde_json::Map::from_iter([("user".to_owned(), "@bob:hs".into())]);
        let event = NamedEvent { name: "room.joined".into(), fields, source: "matrix".to_owned() };
        Trigger::event(DedupeKey::new(&["joined", nth]), BEGINNING, event)
    };
    let waits = r#"alias("wait", #{ ack: false }, || { wait_for("room.joined"); reply("somebody came"); });"#;
    let rule = r#"rule("welcome", "room.joined", |e| say(`Welcome, ${e.user}`));"#;
    for (script, command, recorded, said) in [
        ("", None, 0, &[][..]),
        ("rule(\"gone\", \"room.left\", |e| say(\"bye\"));", None, 0, &[]),
        (rule, None, 1, &["#boss: Welcome, @bob:hs"]),
        (waits, None, 0, &[]),
        (waits, Some("!wait"), 1, &["#ops: somebody came"]),
    ] {
        let desk = Desk::new(script);
        if let Some(command) = command {
            desk.hand_over(vec![desk.says("ann", "#ops", command)], None).await;
            desk.settle().await.expect("the log works");
        }
        let before = desk.count("trigger_recorded");
        desk.hand_over(vec![joined("1"), joined("1")], None).await;
        assert_eq!(desk.count("trigger_recorded") - before, recorded, "{script}");
        desk.settle().await.expect("the log works");
        assert_eq!(desk.said(), said, "{script}");
    }
}
