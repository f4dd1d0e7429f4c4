//! People and rooms of the simulated homeserver, as triggers name them.

use super::world::{Person, Room};
use crate::domain::id::{PostId, RoomId, UserId};
use crate::domain::trigger::{Place, Speaker, Trust};

/// A room of the simulated homeserver.
pub fn place(room: &Room, thread: Option<PostId>) -> Place {
    Place {
        network: room.network.clone().unwrap_or_else(|| "matrix".into()),
        room: RoomId(room.name.clone()),
        name: room.name.clone(),
        thread,
        direct: room.name.starts_with('@'),
        encrypted: room.encrypted,
    }
}

/// The account of a person, by the name that a transcript uses.
pub(super) fn full_id(name: &str) -> String {
    if name.starts_with('@') { name.to_owned() } else { format!("@{name}:local") }
}

/// A person of the simulated homeserver.
pub fn speaker(person: &Person, room: &Room) -> Speaker {
    let id = full_id(&person.name);
    let bare = person.name.trim_start_matches('@').split(':').next().unwrap_or(&person.name);
    Speaker {
        id: UserId(id),
        name: person.shown.clone().unwrap_or_else(|| bare.to_owned()),
        network: person.network.clone().or(room.network.clone()).unwrap_or_else(|| "matrix".into()),
        account: person.account.clone(),
        trust: person.trust.unwrap_or(Trust::Account),
        claims: vec![],
    }
}
