//! Networks that go away and come back, as the bridge says by itself in the room for each.

use super::Setups;
use super::answers::CONNECTED;
use crate::domain::event::{BridgeBack, BridgeLost, Event};
use crate::domain::id::RoomId;
use crate::domain::words::setups as words;

/// What the bridge says when a connection is lost that it wants to keep, or when it does not come about.
const LOST: &[&str] =
    &["Disconnected, reconnecting in", "Failed to connect", "Connection timed out"];
/// What it says when it begins to connect.
const BEGINS: &str = "Connecting to ";
/// Longest reason that is recorded, in characters.
const WHY_CHARS_MAX: usize = 300;

/// What changes for the network of a room when the bridge says this there; none: it stays as it is.
pub fn outage(setups: &Setups, room: &RoomId, text: &str) -> Option<Event> {
    let stands = setups.standing().find(|it| it.network_room == *room)?;
    let network = stands.network.clone();
    let lost = |line: &str| LOST.iter().any(|part| line.starts_with(part));
    let back = |line: &str| CONNECTED.iter().any(|part| line.contains(part));
    // A bridge that was killed says nothing before: that it begins anew shows that it was away.
    if !setups.is_away(&network) && text.starts_with(BEGINS) {
        let why = words::BRIDGE_BEGAN_ANEW.to_owned();
        return Some(BridgeLost { network, why }.into());
    }
    // What it said last is how it is now.
    let last = text.lines().rfind(|line| lost(line) || back(line))?;
    match (lost(last), setups.is_away(&network)) {
        (true, false) => {
            let why = last.chars().take(WHY_CHARS_MAX).collect();
            Some(BridgeLost { network, why }.into())
        }
        (false, true) => Some(BridgeBack { network }.into()),
        _ => None,
    }
}
