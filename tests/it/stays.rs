//! How the bot comes into rooms and goes: recorded once, said once, told to its owner once.

use beadle::adapter::{Flood, Intake, Invite, Left};
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
