//! Takes in what other programs post: it is on disk when they are told so, and they are told why when it is not.

use std::time::Duration;

use super::intake::{Ear, record};
use crate::domain::id::StreamName;
use crate::domain::trigger::Trigger;
use crate::store::{AppendError, Written};

/// With so many triggers undecided nothing more is taken in from other programs: what is behind them would wait too long,
/// and take memory meanwhile.
pub const UNDECIDED_MAX: usize = 4_096;
/// How long a sender waits then before it tries again.
pub const BEHIND_WAIT: Duration = Duration::from_secs(2);

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// It is on disk.
    Recorded(StreamName),
    /// It was on disk before.
    Known(StreamName),
}

/// Why a delivery is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// The disk is nearly full.
    #[error("the disk is nearly full: nothing new is taken in")]
    Full(Duration),
    /// The bot is behind with its decisions.
    #[error("{UNDECIDED_MAX} triggers wait to be decided on: nothing new is taken in")]
    Behind(Duration),
    /// It does not fit into the log.
    #[error("it does not fit into the log: {0}")]
    TooLarge(String),
    /// The log has failed.
    #[error("the log takes nothing: {0}")]
    Failed(String),
}

impl Ear {
    /// Records what another program posted, once for its key; it is on disk when this returns.
    ///
    /// # Errors
    /// [`DeliverError`] if it is not.
    pub async fn deliver(&self, trigger: Trigger) -> Result<Delivered, DeliverError> {
        if self.kernel.agenda(|agenda| agenda.undecided()) >= UNDECIDED_MAX {
            return Err(DeliverError::Behind(BEHIND_WAIT));
        }
        let write = record(self.kernel.store.as_ref(), trigger);
        let stream = write.stream.clone();
        let appended =
            self.kernel.store.append(vec![write]).await.map_err(|error| match error {
                AppendError::Invalid(why) => DeliverError::TooLarge(why),
                error => DeliverError::Failed(error.to_string()),
            })?;
        Ok(match appended.writes.first() {
            Some(Written::AlreadyThere { .. }) => Delivered::Known(stream),
            _ => Delivered::Recorded(stream),
        })
    }

    /// Why nothing can be taken in now, if so; to be asked before something large is read.
    ///
    /// # Errors
    /// [`DeliverError`], with how long to wait.
    pub async fn open_for_deliveries(&self) -> Result<(), DeliverError> {
        let Some(guard) = &self.guard else { return Ok(()) };
        match guard.closed(&self.kernel).await {
            Ok(None) => Ok(()),
            Ok(Some(wait)) => Err(DeliverError::Full(wait)),
            Err(error) => Err(DeliverError::Failed(error.to_string())),
        }
    }
}
