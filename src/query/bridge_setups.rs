//! The channels of other networks that the bot sets up by itself, as the log says.

use crate::domain::bridge::setup::Setups;
use crate::domain::id::StreamName;
use crate::query::stream_fold::StreamFold;
use crate::store::{EventStore, ReadError};

/// All that are set up or being set up.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn bridge_setups(store: &dyn EventStore) -> Result<Setups, ReadError> {
    let mut fold = StreamFold::<Setups>::default();
    fold.go_on(store, &StreamName::setups(), Setups::apply)?;
    Ok(fold.folded)
}
