//! Posts that could not be read: listed until they are read or given up, recorded once however often they are read.

use beadle::adapter::{Found, Intake, Reread};
use beadle::domain::event::Event;
use beadle::domain::id::DedupeKey;
use beadle::domain::unreadable::UNREADABLE_MS_MAX;
use beadle::play::parse::Does;
use beadle::play::world::{Person, Room};

use crate::desk::Desk;
use crate::store_world::everything;

/// Somebody says something that cannot be read; what it is when it can.
async fn sealed(desk: &Desk, text: &str) -> Reread {
    let person = Person::named("ann");
    let room = Room::named("#ops");
    let does = Does::SaysUnreadable(text.into());
    let trigger = desk.world.act(&person, &room, &does).expect("they can say it");
    desk.hand_over(vec![trigger], None).await;
    let mut read = desk.world.keys_arrive();
    read.pop().expect("it was said")
}

async fn reread(desk: &Desk, reread: &Reread) -> bool {
    desk.ear.reread(reread.clone()).await.expect("the log works")
}

fn with(reread: &Reread, found: Found) -> Reread {
    Reread { found, ..reread.clone() }
}

fn unread(desk: &Desk) -> Vec<DedupeKey> {
    desk.ear.unread().expect("it reads").into_iter().map(|unread| unread.key).collect()
}

#[tokio::test]
async fn what_can_be_read_is_recorded_once_and_after_its_decision() {
    let desk = Desk::new("");
    let help = sealed(&desk, "!help").await;
    assert_eq!(unread(&desk), std::slice::from_ref(&help.key));
    assert!(!reread(&desk, &help).await, "it was not decided on yet");
    assert_eq!(desk.count("event_decrypted"), 0);
    desk.settle().await.expect("the log works");
    for _ in 0..3 {
        assert!(reread(&desk, &help).await);
    }
    desk.settle().await.expect("the log works");
    assert_eq!((desk.count("event_decrypted"), desk.count("trigger_recorded")), (1, 2));
    let said = desk.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("#ops: No script offers a command yet."), "{said:?}");
    assert_eq!(unread(&desk), []);
}

#[tokio::test]
async fn talk_is_read_and_not_recorded() {
    let desk = Desk::new("");
    let talk = sealed(&desk, "good morning").await;
    let nothing = sealed(&desk, "a picture, perhaps").await;
    desk.settle().await.expect("the log works");
    assert!(reread(&desk, &talk).await);
    assert!(reread(&desk, &with(&nothing, Found::Read(None))).await);
    assert_eq!((desk.count("event_decrypted"), desk.count("trigger_recorded")), (2, 2));
    assert_eq!(unread(&desk), []);
}

#[tokio::test]
async fn a_withheld_key_is_noted_once_for_each_reason_and_told() {
    let desk = Desk::new("");
    let help = sealed(&desk, "!help").await;
    desk.settle().await.expect("the log works");
    for code in ["m.no_olm", "m.no_olm", "m.blacklisted", "m.blacklisted"] {
        assert!(reread(&desk, &with(&help, Found::Withheld(code.into()))).await);
    }
    assert_eq!(desk.count("event_withheld"), 2);
    assert_eq!(unread(&desk), std::slice::from_ref(&help.key), "it may come still");
    desk.clock.advance(60_000);
    desk.settle().await.expect("the log works");
    let said = desk.said().join("\n");
    assert!(said.contains("The client of ann blocks my device."), "{said}");
    assert!(reread(&desk, &help).await);
    assert_eq!(desk.count("event_decrypted"), 1);
}

#[tokio::test]
async fn what_is_gone_or_old_is_not_tried_again() {
    let desk = Desk::new("");
    let (gone, old) = (sealed(&desk, "!help").await, sealed(&desk, "!help").await);
    desk.settle().await.expect("the log works");
    assert!(reread(&desk, &with(&gone, Found::Gone("it was deleted".into()))).await);
    assert_eq!(unread(&desk), std::slice::from_ref(&old.key));
    assert!(reread(&desk, &gone).await, "it is settled");
    desk.clock.advance(UNREADABLE_MS_MAX);
    assert_eq!(unread(&desk), []);
    desk.settle().await.expect("the log works");
    assert!(reread(&desk, &old).await, "it is given up");
    assert_eq!((desk.count("event_given_up"), desk.count("event_decrypted")), (2, 0));
    let other = Reread { key: DedupeKey::new(&["nobody", "knows"]), ..old };
    assert!(!reread(&desk, &other).await);
}

#[tokio::test]
async fn many_posts_are_told_of_and_given_up_in_bounded_appends() {
    let desk = Desk::new("");
    let many = 3 * beadle::domain::lost_keys::GIVE_UP_MAX / 2;
    for n in 0..many {
        sealed(&desk, &format!("!help {n}")).await;
        desk.settle().await.expect("the log works");
    }
    desk.clock.advance(UNREADABLE_MS_MAX);
    desk.settle().await.expect("the log works");
    let said = desk.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(&format!("could not read {many} messages")), "{said:?}");
    assert_eq!(desk.count("event_given_up"), many);
    let all = everything(desk.kernel.store.as_ref());
    let given_up = all.iter().filter(|it| matches!(it.event(), Some(Event::EventGivenUp(_))));
    assert!(given_up.into_iter().all(|it| it.room.is_some() && it.actor.is_some()));
}
