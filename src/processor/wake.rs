//! Looks at a stream whose time has come: what is due is decided from the stream alone, and appended with the next plan.

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::domain::event::{NewEvent, WakePlanned};
use crate::domain::id::StreamName;
use crate::store::{Expected, Write};

impl Kernel {
    /// Does what is due in a stream.
    pub(super) async fn look(&self, stream: &StreamName) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            match self.append(self.looked(stream)?).await? {
                Tried::Done => return Ok(()),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(%stream, why, "what is due does not fit into the log");
                    self.append(vec![self.unplanned(stream)?]).await?;
                    return Ok(());
                }
            }
        }
        // It is still due, and is tried again from the agenda.
        tracing::warn!(%stream, "it moved on every time it was looked at");
        Ok(())
    }

    /// What is due in a stream, with its next plan.
    fn looked(&self, stream: &StreamName) -> Result<Vec<Write>, Error> {
        let now = self.clock.now();
        let mut writes = match stream.category() {
            "switches" => self.switches_due(now)?,
            "silences" => self.silences_due(now)?,
            "alert" => self.alert_due(stream)?,
            "digest" => self.digest_due(stream)?,
            _ => vec![],
        };
        // What was planned by events that are erased is planned no more.
        if writes.iter().all(|write| write.stream != *stream) {
            writes.push(self.unplanned(stream)?);
        }
        Ok(writes)
    }

    /// Nothing more has to happen in a stream by itself.
    fn unplanned(&self, stream: &StreamName) -> Result<Write, Error> {
        let version = self.store.version(stream)?;
        let expected = version.map_or(Expected::NoStream, Expected::Exact);
        Ok(write(stream.clone(), expected, vec![NewEvent::bare(WakePlanned { due: None })]))
    }
}
