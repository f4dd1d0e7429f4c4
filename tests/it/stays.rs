//! How the bot comes into rooms and goes: recorded once, said once, told to its owner once.

use beadle::adapter::{Flood, Intake, Invite, Left, Upgrade};
use beadle::domain::event::Departure;
use beadle::domain::id::{PostId, RoomId, Timestamp, UserId};

use crate::desk::Desk;

fn invite(room: &str, accepted: bool, post: Option<&str>) -> Invite {
    Invite {
        room: RoomId(room.into()),
        inviter: UserId("@ann:hs".into()),
        accepted,
        reason: "because".into(),
        name: "ops".into(),
        encrypted: false,
        post: post.map(|post| PostId(post.into())),
    }
}

fn left(room: &str, how: Departure) -> Left {
    let (room, name, by) = (RoomId(room.into()), "ops".into(), Some(UserId("@eve:hs".into())));
    Left { room, name, how, by, words: None }
}

#[tokio::test]
async fn a_stay_is_recorded_and_introduced_once() {
    let desk = Desk::new("");
    for (how, accepted, said, told) in [
        (None, 1, vec!["!r: Hello. Say !help."], ""),
        (None, 1, vec![], "the same join is seen again"),
        (Some(Departure::Kicked), 1, vec!["#boss: I was removed from ops (!r) by @eve:hs."], ""),
        (Some(Departure::ByHand), 1, vec![], "it is out already"),
        (None, 2, vec!["!r: Hello. Say !help."], "it comes back"),
        (Some(Departure::Asked), 2, vec![], "who asked is answered"),
    ] {
        match how {
            None => desk.ear.invite(invite("!r", true, None)).await.expect("the log works"),
            Some(how) => desk.ear.left(left("!r", how)).await.expect("the log works"),
        }
        desk.settle().await.expect("the log works");
        assert_eq!(desk.said(), said, "{told}");
        assert_eq!(desk.count("invite_decided"), accepted, "{told}");
    }
    assert_eq!(desk.count("room_left"), 2);
}

fn upgrade(room: &str, to: &str, followed: bool) -> Upgrade {
    let (room, to) = (RoomId(room.into()), RoomId(to.into()));
    Upgrade { room, to, followed, reason: "because".into() }
}

#[tokio::test]
async fn a_followed_upgrade_begins_a_stay() {
    let desk = Desk::new("");
    desk.ear.invite(invite("!known", true, None)).await.expect("the log works");
    desk.ear.left(left("!again", Departure::Kicked)).await.expect("the log works");
    for (to, followed, begun) in [
        ("!not", false, 0),
        ("!new", true, 1),
        ("!new", true, 1),
        ("!known", true, 1),
        ("!again", true, 2),
    ] {
        desk.ear.upgrade(upgrade("!old", to, followed), "ops").await.expect("the log works");
        assert_eq!(desk.count("room_followed"), begun, "{to}");
    }
    desk.settle().await.expect("the log works");
    desk.said();
    for room in ["!new", "!known", "!again"] {
        desk.ear.left(left(room, Departure::Kicked)).await.expect("the log works");
        desk.settle().await.expect("the log works");
        let told = format!("#boss: I was removed from ops ({room}) by @eve:hs.");
        assert_eq!(desk.said(), [told]);
    }
}

#[tokio::test]
async fn rooms_say_that_they_replaced_others() {
    let desk = Desk::new("");
    desk.says("ann", "#new", "hello");
    desk.ear.upgrade(upgrade("#old", "#new", true), "ops").await.expect("the log works");
    desk.settle().await.expect("the log works");
    desk.said();
    desk.hand_over(vec![desk.says("ann", "#boss", "!rooms")], None).await;
    desk.settle().await.expect("the log works");
    let said = desk.said();
    assert!(said[0].contains("it replaced ops (#old)"), "{said:?}");
}

#[tokio::test]
async fn leaving_is_answered_by_what_happened() {
    let desk = Desk::new("");
    desk.says("ann", "#ops", "hello");
    // It came back with another client: the log knows nothing of it.
    desk.ear.left(left("#ops", Departure::Asked)).await.expect("the log works");
    for want in ["I left #ops.", "I cannot leave #ops: I am not in that room."] {
        desk.hand_over(vec![desk.says("ann", "#boss", "!leave #ops")], None).await;
        desk.settle().await.expect("the log works");
        assert_eq!(desk.said(), [format!("#boss: {want}")]);
        assert_eq!(desk.count("room_left"), 2, "as often as it went");
    }
}

#[tokio::test]
async fn the_management_room_needs_no_introduction() {
    let desk = Desk::new("");
    desk.ear.invite(invite("#boss", true, None)).await.expect("the log works");
    desk.ear.left(left("#boss", Departure::Banned)).await.expect("the log works");
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), Vec::<String>::new(), "nor can it be told there that it is out");
    assert_eq!((desk.count("invite_decided"), desk.count("room_left")), (1, 1));
}

#[tokio::test]
async fn the_same_invitation_is_declined_once() {
    let desk = Desk::new("");
    for (post, want) in
        [(Some("$1"), 1), (Some("$1"), 1), (Some("$2"), 2), (None, 3), (None, 4), (Some("$2"), 4)]
    {
        desk.ear.invite(invite("!r", false, post)).await.expect("the log works");
        assert_eq!(desk.count("invite_decided"), want, "{post:?}");
    }
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said(), Vec::<String>::new(), "strangers are not talked to");
}

#[tokio::test]
async fn every_flood_is_recorded_and_told() {
    let desk = Desk::new("");
    for n in 1..=2 {
        let inviters = vec![UserId("@eve:hs".into())];
        let flood = Flood { count: 40, inviters, since: Timestamp(0) };
        desk.ear.flood(flood).await.expect("the log works");
        desk.settle().await.expect("the log works");
        assert_eq!((desk.count("invites_declined"), desk.said().len()), (n, 1));
    }
}
