//! What is heard: recorded once, with its position, and only if it is for the bot.

use beadle::adapter::Intake;
use beadle::domain::trigger::Trigger;
use beadle::processor::intake::SYNC_EVERY_MS;

use crate::desk::Desk;

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
