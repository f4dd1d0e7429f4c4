//! Records what was done to the log as a whole.

use crate::domain::event::{Event, Meta, NewEvent};
use crate::domain::id::{StreamName, UserId};
use crate::store::{AppendError, EventStore, Expected, Write};

/// Records it, with who did it.
///
/// # Errors
/// [`AppendError`] if the log has failed.
pub async fn record(
    store: &dyn EventStore,
    by: &UserId,
    event: impl Into<Event>,
) -> Result<(), AppendError> {
    let meta = Meta { actor: Some(by.clone()), ..Meta::default() };
    note(store, &meta, event).await
}

/// Records it, with what is known of who did it.
///
/// # Errors
/// [`AppendError`] if the log has failed.
pub async fn note(
    store: &dyn EventStore,
    meta: &Meta,
    event: impl Into<Event>,
) -> Result<(), AppendError> {
    let events = vec![NewEvent::with(meta, event)];
    let (stream, expected) = (StreamName::log(), Expected::Any);
    store.append(vec![Write { stream, expected, key: None, events }]).await.map(drop)
}
