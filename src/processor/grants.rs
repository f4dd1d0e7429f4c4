//! Which grants hold, as the log says now: the fold is kept, and goes on where the log has moved on.

use std::sync::{Arc, Mutex};

use super::Kernel;
use crate::domain::grant::Grants;
use crate::domain::id::{StreamName, Version};
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
    grants: Arc<Grants>,
}

impl Kernel {
    /// The grants, with the version of their stream.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn grants(&self) -> Result<(Arc<Grants>, Option<Version>), ReadError> {
        let mut kept = self.granted.0.lock().expect("nobody panics with it");
        go_on(self.store.as_ref(), &mut kept)?;
        Ok((kept.grants.clone(), kept.version))
    }
}

fn go_on(store: &dyn EventStore, kept: &mut Kept) -> Result<(), ReadError> {
    let stream = StreamName::grants();
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
            Arc::make_mut(&mut kept.grants).apply(recorded);
        }
        kept.version = Some(last.id.version);
    }
    Ok(())
}
