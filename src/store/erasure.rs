//! Carries out what the stream of erasures says: keys, blobs and subjects are overwritten in place.
//!
//! The event is on disk first. So a process that ends between the two carries it out at the next opening; the ledger says
//! how far that is.

use super::ledger::Erased;
use super::record;
use super::sled::SledStore;
use super::{Direction, EventStore, READ_EVENTS_MAX, ReadError, locked};
use crate::domain::erasure::{EventsErased, Stretch};
use crate::domain::event::Event;
use crate::domain::id::{Position, StreamName, Version};

pub use super::ledger::{Erased as ErasedSlot, LEDGER_FILE, apply, slots_of};

/// How many erasures are read at once.
const PAGE: usize = 8;

impl SledStore {
    /// Carries out every erasure that the log tells of and that is not carried out yet.
    pub(crate) fn carry_out_erasures(&self) -> Result<(), ReadError> {
        let mut through = locked(&self.ledger.through);
        let stream = StreamName::erasures();
        // An older copy of a log was put in the place of a newer one.
        let behind = self.version(&stream)?.map_or(0, |last| last.0 + 1);
        *through = if *through > behind { 0 } else { *through };
        loop {
            let page = self.read(&stream, Version(*through), Direction::Forward, PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            for recorded in &page {
                if let Some(Event::EventsErased(erased)) = recorded.event() {
                    self.carry_out(erased)?;
                }
                let next = recorded.id.version.0 + 1;
                self.ledger.done(next).map_err(|error| self.cannot_erase(error))?;
                *through = next;
            }
        }
    }

    fn carry_out(&self, erased: &EventsErased) -> Result<(), ReadError> {
        for stretch in &erased.stretches {
            self.overwrite_stretch(*stretch)?;
        }
        let slots: Vec<u64> = erased.blobs.iter().map(|blob| blob.slot).collect();
        self.overwrite(&slots)?;
        for blob in &erased.blobs {
            self.shared.blobs.destroy(&blob.id).map_err(|error| self.cannot_erase(error))?;
        }
        let subjects = &self.shared.subjects;
        let records = subjects.prints(&erased.subjects);
        let noted = self.ledger.note(&records);
        let done = noted.and_then(|()| subjects.erase(&erased.subjects));
        done.map_err(|error| self.cannot_erase(error))
    }

    /// Overwrites the keys of events: their payloads can never be read again. Recording that is the caller's part.
    ///
    /// # Errors
    /// [`ReadError`] if the events cannot be read or the disk refuses.
    pub fn erase(&self, positions: &[Position]) -> Result<(), ReadError> {
        positions.iter().try_for_each(|place| self.overwrite_stretch(Stretch(*place, *place)))
    }

    fn overwrite_stretch(&self, Stretch(first, last): Stretch) -> Result<(), ReadError> {
        let mut from = first.0;
        while from <= last.0 {
            let max = usize::try_from(last.0 - from + 1).unwrap_or(usize::MAX).min(READ_EVENTS_MAX);
            let mut lines = self.shared.lines(Position(from), Direction::Forward, max)?;
            // What was dropped is erased already, and the lines begin behind it.
            lines.retain(|(position, _)| *position <= last);
            let Some((newest, _)) = lines.last() else { return Ok(()) };
            let next = newest.0 + 1;
            let mut slots = Vec::with_capacity(lines.len());
            for (position, line) in &lines {
                let damaged =
                    |what| ReadError::Damaged { place: format!("event {position}"), what };
                slots.extend(record::slot(*position, line).map_err(damaged)?);
            }
            self.overwrite(&slots)?;
            from = next;
        }
        Ok(())
    }

    /// Overwrites the keys in slots; what was read with them is forgotten.
    pub(crate) fn overwrite(&self, slots: &[u64]) -> Result<(), ReadError> {
        let keys = &self.shared.keys;
        let prints: Vec<Erased> = keys.prints(slots);
        let done = self.ledger.note(&prints).and_then(|()| keys.erase(slots));
        self.shared.recent.forget();
        done.map_err(|error| self.cannot_erase(error))
    }

    /// What is half overwritten is overwritten at the next start.
    fn cannot_erase(&self, error: std::io::Error) -> ReadError {
        let reason = format!("cannot overwrite what is to be erased: {error}");
        self.shared.fail(reason.clone());
        ReadError::Store(reason)
    }
}
