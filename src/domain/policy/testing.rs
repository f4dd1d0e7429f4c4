//! What policies are asked in tests.

use super::{Inputs, PolicyAction, Resource};
use crate::domain::id::PersonId;
use crate::domain::trigger::{Place, Speaker};

/// What somebody without roles asks on a Wednesday morning; the names of rooms are their ids.
pub fn inputs(action: PolicyAction, resource: Resource, who: &Speaker, place: &Place) -> Inputs {
    let here =
        resource.rooms.is_empty() || resource.rooms.iter().any(|room| room == place.room.as_str());
    Inputs {
        person: PersonId(who.id.0.clone()),
        account: who.id.clone(),
        roles: vec![],
        unseen: vec![],
        trust: who.trust,
        network: who.network.clone(),
        room: place.room.clone(),
        rooms: vec![],
        here,
        encrypted: place.encrypted,
        direct: place.direct,
        management: false,
        hour: 10,
        weekday: "wednesday".into(),
        action,
        resource,
        granted: None,
        set: String::new(),
    }
}
