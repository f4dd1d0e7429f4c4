//! How long, and how far back, a vote is meant for an approval that has ended.

use beadle::processor::ended::{ENDED_LOOKED_AT_MAX, ENDED_MS_MAX};

use crate::desk::Desk;

const SCRIPT: &str = r#"
    alias("merge {what}", |a| { approve(`merge ${a.what}`); reply(`${a.what} is merged`); });
    alias("ping", || reply("pong"));
"#;

async fn says(desk: &Desk, who: &str, text: &str) -> String {
    desk.hand_over(vec![desk.says(who, "#ops", text)], None).await;
    desk.settle().await.expect("the log works");
    desk.said().join("\n")
}

async fn merged() -> Desk {
    let desk = Desk::new(SCRIPT);
    says(&desk, "ann", "!merge one").await;
    assert!(says(&desk, "eva", "+1").await.contains("one is merged"));
    desk
}

#[tokio::test]
async fn a_vote_too_late_is_told_so_where_little_was_said_since() {
    // Each answer is a few events.
    for (pings, told) in [(ENDED_LOOKED_AT_MAX / 16, true), (ENDED_LOOKED_AT_MAX, false)] {
        let desk = merged().await;
        for _ in 0..pings {
            says(&desk, "ann", "!ping").await;
        }
        let said = says(&desk, "ben", "+1").await;
        assert_eq!(said.contains("ben, that has ended: "), told, "{pings}: {said}");
    }
}

#[tokio::test]
async fn a_vote_long_after_the_end_is_talk() {
    for (ms, told) in [(ENDED_MS_MAX, true), (ENDED_MS_MAX + 1, false)] {
        let desk = merged().await;
        desk.clock.advance(ms);
        let said = says(&desk, "ben", "+1").await;
        assert_eq!(said.contains("ben, that has ended: "), told, "{ms}: {said}");
    }
}
