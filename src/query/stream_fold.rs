//! A fold of one stream that stays in memory and goes on where the log has moved on.

use crate::domain::id::{StreamName, Version};
use crate::domain::recorded::Recorded;
use crate::query::agenda::known;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// The fold, with what it was made from.
#[derive(Debug, Default)]
pub struct StreamFold<T> {
    /// What the events make together.
    pub folded: T,
    /// Up to where the stream is in it.
    pub version: Option<Version>,
    /// The last erasure when it was made: what is erased later must not stay in it.
    erasures: Option<Version>,
}

impl<T: Default> StreamFold<T> {
    /// Takes in what the stream has by now; begins anew if something was erased meanwhile.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn go_on(
        &mut self,
        store: &dyn EventStore,
        stream: &StreamName,
        apply: impl Fn(&mut T, &Recorded),
    ) -> Result<(), ReadError> {
        self.follow(store, stream, usize::MAX, apply)
    }

    /// The same for a stream whose last events hold all that is known: at the beginning so many are read.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn follow(
        &mut self,
        store: &dyn EventStore,
        stream: &StreamName,
        look_back: usize,
        apply: impl Fn(&mut T, &Recorded),
    ) -> Result<(), ReadError> {
        let erasures = store.version(&StreamName::erasures())?;
        if erasures != self.erasures {
            *self = Self { erasures, ..Self::default() };
        }
        loop {
            let last = store.version(stream)?;
            if last == self.version {
                break;
            }
            let behind = last.map_or(0, |last| last.0).saturating_add(1);
            let begin = Version(behind.saturating_sub(look_back as u64));
            let from = self.version.map_or(begin, Version::next);
            let page = store.read(stream, from, Direction::Forward, READ_EVENTS_MAX)?;
            let Some(last) = page.last() else { break };
            for recorded in &page {
                known(recorded)?;
                apply(&mut self.folded, recorded);
            }
            self.version = Some(last.id.version);
        }
        Ok(())
    }
}
