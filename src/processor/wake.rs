//! Looks at a stream whose time has come: what is due is decided from the stream alone, and appended with the next plan.

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::domain::event::{Event, NewEvent, WakePlanned};
use crate::domain::id::{StreamName, Version};
use crate::store::{Expected, Write};

/// What a look at a stream comes to.
pub(super) struct Looked {
    /// Up to where the stream was looked at.
    pub version: Option<Version>,
    /// What is recorded in it, the next plan among it.
    pub events: Vec<Event>,
    /// What else is written.
    pub others: Vec<Write>,
}

impl Kernel {
    /// Does what is due in a stream.
    pub(super) async fn look(&self, stream: &StreamName) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let looked = self.looked(stream)?;
            match self.append(self.batch(stream, looked)).await? {
                Tried::Done => return Ok(()),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(%stream, why, "what is due does not fit into the log");
                    let looked = Looked { others: vec![], ..self.unplanned(stream)? };
                    self.append(self.batch(stream, looked)).await?;
                    return Ok(());
                }
            }
        }
        // It is still due, and is tried again from the agenda.
        tracing::warn!(%stream, "it moved on every time it was looked at");
        Ok(())
    }

    fn looked(&self, stream: &StreamName) -> Result<Looked, Error> {
        let now = self.clock.now();
        let looked = match stream.category() {
            "switches" => self.switches_due(now)?,
            _ => self.unplanned(stream)?,
        };
        // What was planned by events that are erased is planned no more.
        match looked.events.is_empty() {
            true => self.unplanned(stream),
            false => Ok(looked),
        }
    }

    /// Nothing more has to happen in a stream by itself.
    fn unplanned(&self, stream: &StreamName) -> Result<Looked, Error> {
        let version = self.store.version(stream)?;
        let events = vec![WakePlanned { due: None }.into()];
        Ok(Looked { version, events, others: vec![] })
    }

    fn batch(&self, stream: &StreamName, looked: Looked) -> Vec<Write> {
        let expected = looked.version.map_or(Expected::NoStream, Expected::Exact);
        let events = looked.events.into_iter().map(NewEvent::bare).collect();
        let mut batch = vec![write(stream.clone(), expected, events)];
        batch.extend(looked.others);
        batch
    }
}
