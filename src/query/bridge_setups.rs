//! The channels of other networks that the bot sets up by itself, as the log says.

use crate::domain::bridge::setup::Setups;
use crate::domain::event::{Event, Recorded};
use crate::domain::id::{StreamName, Version};
use crate::query::stream_fold::StreamFold;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// All that are set up or being set up.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn bridge_setups(store: &dyn EventStore) -> Result<Setups, ReadError> {
    let mut fold = StreamFold::<Setups>::default();
    fold.go_on(store, &StreamName::setups(), Setups::apply)?;
    Ok(fold.folded)
}

/// Whether the bot was ever told of a channel: what was removed is known, and a name that is written wrongly is not.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn was_wanted(store: &dyn EventStore, network: &str, channel: &str) -> Result<bool, ReadError> {
    let is_it = |recorded: &Recorded| {
        let Some(Event::BridgeWanted(it)) = recorded.event() else { return false };
        it.network.eq_ignore_ascii_case(network) && it.channel.eq_ignore_ascii_case(channel)
    };
    let (stream, mut next) = (StreamName::setups(), Version::START);
    loop {
        let page = store.read(&stream, next, Direction::Forward, READ_EVENTS_MAX)?;
        let Some(last) = page.last() else { return Ok(false) };
        if page.iter().any(is_it) {
            return Ok(true);
        }
        next = last.id.version.next();
    }
}
