//! Who erased what, when and why: what readers show in the place of a payload.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::domain::erasure::Stretch;
use crate::domain::event::{Event, Payload, Recorded};
use crate::domain::id::{Position, StreamName, Timestamp, Version};
use crate::store::{Direction, EventStore, ReadError};

/// Most stretches that are kept for one answer; of what was erased long before them nothing more is said than that.
pub const STRETCHES_KEPT_MAX: usize = 65_536;
/// How many erasures are read at once.
const PAGE: usize = 16;

/// The erasures of a log, the newest first; read when the first erased event is met.
#[derive(Debug, Default)]
pub struct Erased {
    read: bool,
    stretches: Vec<(Stretch, usize)>,
    by: Vec<Erasure>,
}

#[derive(Debug)]
struct Erasure {
    at: Timestamp,
    by: String,
    reason: String,
}

impl Erased {
    /// What became of an event's payload; none: it can be read.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn of(
        &mut self,
        store: &dyn EventStore,
        recorded: &Recorded,
    ) -> Result<Option<Value>, ReadError> {
        match recorded.payload {
            Payload::Erased => self.at(store, recorded.position).map(Some),
            Payload::Event(_) | Payload::Unknown(_) => Ok(None),
        }
    }

    /// What is known of the erasure at a position.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn at(&mut self, store: &dyn EventStore, position: Position) -> Result<Value, ReadError> {
        if !self.read {
            self.fill(store)?;
            self.read = true;
        }
        let after = self.stretches.partition_point(|(stretch, _)| stretch.0 <= position);
        let found = self.stretches[..after].last().filter(|(stretch, _)| stretch.1 >= position);
        Ok(match found.map(|(_, nth)| &self.by[*nth]) {
            None => json!({ "text": "erased" }),
            Some(Erasure { at, by, reason }) => {
                let who = by.strip_prefix("cli:").unwrap_or(by);
                let text = format!("erased {} by {who}: {reason}", day(*at));
                json!({ "text": text, "at_ms": at.0, "by": by, "reason": reason })
            }
        })
    }

    fn fill(&mut self, store: &dyn EventStore) -> Result<(), ReadError> {
        let mut from = Version::END;
        'pages: loop {
            let page = store.read(&StreamName::erasures(), from, Direction::Backward, PAGE)?;
            let Some(oldest) = page.last().map(|oldest| oldest.id.version) else { break };
            for recorded in &page {
                let Some(Event::EventsErased(erased)) = recorded.event() else { continue };
                if self.stretches.len() + erased.stretches.len() > STRETCHES_KEPT_MAX {
                    break 'pages;
                }
                let (by, reason) = (erased.by.to_string(), erased.reason.clone());
                let nth = self.by.len();
                self.by.push(Erasure { at: recorded.wall, by, reason });
                self.stretches.extend(erased.stretches.iter().map(|stretch| (*stretch, nth)));
            }
            match oldest.0.checked_sub(1) {
                Some(before) => from = Version(before),
                None => break,
            }
        }
        // An event is erased once; where two erasures name it, the newer one knows all that the older one said.
        self.stretches.sort_by_key(|(stretch, nth)| (stretch.0, std::cmp::Reverse(*nth)));
        Ok(())
    }
}

fn day(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}
