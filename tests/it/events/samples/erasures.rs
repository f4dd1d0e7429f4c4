//! Events of what was erased.

use beadle::domain::erasure::{ErasedBlob, Scope, Stretch};
use beadle::domain::event::*;
use beadle::domain::id::{Position, UserId};

/// All of them.
pub fn all() -> Vec<Event> {
    let erased = |scope: Scope, by: &str, reason: &str| EventsErased {
        scope,
        by: UserId(by.into()),
        reason: reason.into(),
        stretches: vec![Stretch(Position(12), Position(12))],
        count: 1,
        blobs: vec![],
        subjects: vec![],
    };
    let person = EventsErased {
        stretches: vec![Stretch(Position(3), Position(6)), Stretch(Position(9), Position(9))],
        count: 5,
        blobs: vec![ErasedBlob { id: "5f3a9c0d1e2b4a6f8c7d9e0f1a2b3c4d".into(), slot: 17 }],
        subjects: vec![2],
        ..erased(Scope::Person, "cli:ann", "asked for by the customer")
    };
    vec![
        person.into(),
        erased(Scope::Redaction, "@ann:example.org", "deleted in its room").into(),
        erased(Scope::Event, "cli:ann", "a mistake").into(),
        erased(Scope::Execution, "cli:ann", "a mistake").into(),
        erased(Scope::OlderThan, "cli:ann", "kept for a year").into(),
    ]
}
