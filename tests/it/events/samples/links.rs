//! Events of codes that join accounts, and of what they joined.

use beadle::domain::event::*;
use beadle::domain::id::Timestamp;
use beadle::domain::trigger::Trust;

use super::speakers::{identified, speaker};
use super::{NOW, SECOND, ann, place, user};

/// All of them.
pub fn all() -> Vec<Event> {
    let irc = identified();
    let code = "5f0c6a1be2d94b3c8e7fa0d1c2b3a4958677889900aabbccddeeff0011223344".into();
    let until = Timestamp(NOW.0 + 600 * SECOND);
    vec![
        LinkOffered { by: speaker(Trust::Device), place: place(), code, until }.into(),
        LinkClaimed { of: ann(), by: irc.clone(), place: place() }.into(),
        LinkMissed { by: user("eve") }.into(),
        LinkDeclined { of: ann(), by: ann() }.into(),
        AccountsLinked { first: speaker(Trust::Device), second: irc }.into(),
        AccountsUnlinked { account: user("irc_ann"), by: ann() }.into(),
    ]
}
