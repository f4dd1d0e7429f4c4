//! Holes in rooms and rooms that are replaced: what is recorded, told and honoured.

use beadle::adapter::{Gap, Intake, Upgrade};
use beadle::domain::id::RoomId;
use beadle::processor::rooms::UPGRADES_MAX;

use crate::desk::Desk;

fn room(name: &str) -> RoomId {
    RoomId(name.to_owned())
}

fn gap(from: &str, abandoned: Option<&str>) -> Gap {
    let abandoned = abandoned.map(str::to_owned);
    Gap { room: room("#ops"), from: from.to_owned(), events: 3, pages: 1, abandoned }
}

async fn upgraded(desk: &Desk, old: &str, to: &str, followed: bool) {
    let reason = if followed { "it is so" } else { "not invited" }.to_owned();
    let upgrade = Upgrade { room: room(old), to: room(to), followed, reason };
    desk.ear.upgrade(upgrade, "ops").await.expect("the log works");
}

#[tokio::test]
async fn a_hole_is_recorded_once_and_never_silent() {
    let desk = Desk::new("");
    let mut said = vec![];
    for (gap, filled, abandoned, told) in [
        (gap("t1", None), 1, 0, 0),
        (gap("t1", None), 1, 0, 0),
        (gap("t2", None), 2, 0, 0),
        (gap("t3", Some("50 pages")), 2, 1, 1),
        (gap("t3", Some("50 pages")), 2, 1, 1),
        (gap("t4", Some("50 pages")), 2, 2, 1),
    ] {
        desk.ear.gap(gap.clone()).await.expect("the log works");
        desk.settle().await.expect("the log works");
        said.extend(desk.said());
        let got = (desk.count("gap_filled"), desk.count("gap_abandoned"), said.len());
        assert_eq!(got, (filled, abandoned, told), "{gap:?}");
    }
    let said = said.join("\n");
    assert!(said.starts_with("#boss: ") && said.contains("#ops"), "{said}");
}

#[tokio::test]
async fn an_upgrade_is_recorded_and_told_once() {
    let desk = Desk::new("");
    let mut said = vec![];
    for (to, followed, recorded, told) in [
        ("!2", false, 1, 1),
        ("!2", false, 1, 1),
        ("!2", true, 2, 3),
        ("!2", true, 2, 3),
        ("!3", false, 3, 4),
    ] {
        upgraded(&desk, "!1", to, followed).await;
        desk.settle().await.expect("the log works");
        said.extend(desk.said());
        let got = (desk.count("room_upgraded"), said.len());
        assert_eq!(got, (recorded, told), "{to} {followed}: {said:?}");
    }
    let of_room = said.iter().filter(|said| said.starts_with("!2: This room replaces ops (!1)."));
    assert_eq!(of_room.count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| said.starts_with("#boss: ")).count(), 3, "{said:?}");
}

#[tokio::test]
async fn what_is_said_of_a_room_holds_for_those_that_replaced_it() {
    let desk = Desk::new("");
    desk.kernel.rooms.write().expect("it works").insert("#ops:hs".into(), room("!1"));
    upgraded(&desk, "!1", "!2", true).await;
    upgraded(&desk, "!2", "!3", true).await;
    upgraded(&desk, "!3", "!4", false).await;
    for (listed, asked, want) in [
        ("!1", "!1", true),
        ("!1", "!2", true),
        ("!1", "!3", true),
        ("!1", "!4", false),
        ("#ops:hs", "!3", true),
        ("!2", "!1", false),
        ("!9", "!3", false),
        ("!3", "!3", true),
    ] {
        let got = desk.kernel.listed(&[listed.to_owned()], &room(asked));
        assert_eq!(got, want, "{asked} where {listed} is listed");
    }
    assert_eq!(desk.ear.current(&room("!1")).expect("it reads"), room("!3"));
}

#[tokio::test]
async fn a_ring_of_upgrades_and_a_long_row_of_them_end() {
    let desk = Desk::new("");
    upgraded(&desk, "!a", "!b", true).await;
    upgraded(&desk, "!b", "!a", true).await;
    assert_eq!(desk.ear.current(&room("!a")).expect("it reads"), room("!b"));
    for n in 0..UPGRADES_MAX + 3 {
        upgraded(&desk, &format!("!{n}"), &format!("!{}", n + 1), true).await;
    }
    let last = desk.ear.current(&room("!0")).expect("it reads");
    assert_eq!(last, room(&format!("!{UPGRADES_MAX}")));
}

#[tokio::test]
async fn the_management_room_can_be_replaced() {
    let desk = Desk::new("");
    upgraded(&desk, "#boss", "#boss2", true).await;
    desk.ear.gap(gap("t", Some("50 pages"))).await.expect("the log works");
    desk.settle().await.expect("the log works");
    let said = desk.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|said| said.starts_with("#boss2: ")), "{said:?}");
}
