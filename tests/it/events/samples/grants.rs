//! Events of what somebody may do for a while.

use beadle::domain::event::*;
use beadle::domain::id::Timestamp;

use super::{NOW, SECOND, ann, user};

/// All of them.
pub fn all() -> Vec<Event> {
    let grant = "4F7K2Q9AWXYZ0123";
    let made = GrantMade {
        grant: grant.into(),
        account: user("bob"),
        name: "bob".into(),
        alias: "deploy to".into(),
        file: "shop.rhai".into(),
        until: Timestamp(NOW.0 + 7_200 * SECOND),
        by: ann(),
        reason: "ann is away".into(),
    };
    let revoked = GrantRevoked { grant: grant.into(), by: ann(), reason: "ann is back".into() };
    vec![made.into(), revoked.into()]
}
