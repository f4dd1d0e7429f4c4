//! Who is one person, as the log says now: the fold is kept, and goes on where the log has moved on.

use std::sync::{Arc, Mutex};

use super::Kernel;
use crate::domain::id::{StreamName, Version};
use crate::domain::person::People;
use crate::query::agenda::known;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// The fold, with what it was made from.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Up to where the stream is in it.
    version: Option<Version>,
    /// The last erasure when it was made: what is erased later must not stay in it.
    erasures: Option<Version>,
    people: Arc<People>,
}

impl Kernel {
    /// Which accounts belong to one person.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn people(&self) -> Result<Arc<People>, ReadError> {
        let mut kept = self.known.0.lock().expect("nobody panics with it");
        go_on(self.store.as_ref(), &mut kept)?;
        Ok(kept.people.clone())
    }
}

fn go_on(store: &dyn EventStore, kept: &mut Kept) -> Result<(), ReadError> {
    let stream = StreamName::people();
    let erasures = store.version(&StreamName::erasures())?;
    if erasures != kept.erasures {
        *kept = Kept { erasures, ..Kept::default() };
    }
    while store.version(&stream)? != kept.version {
        let from = kept.version.map_or(Version::START, Version::next);
        let page = store.read(&stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        let Some(last) = page.last() else { break };
        for recorded in &page {
            known(recorded)?;
            if let Some(event) = recorded.event() {
                Arc::make_mut(&mut kept.people).apply(event);
            }
        }
        kept.version = Some(last.id.version);
    }
    Ok(())
}
