//! Times that have come are triggers like any other: recorded once for their execution, place and time.

use super::{Error, Kernel};
use crate::domain::id::{ExecutionId, Timestamp};
use crate::domain::trigger::{Timer, Trigger};
use crate::processor::intake::record;

impl Kernel {
    /// Records that a time has come.
    pub(super) async fn time(
        &self,
        id: &ExecutionId,
        path: &str,
        due: Timestamp,
    ) -> Result<(), Error> {
        let timer = Timer { execution: id.clone(), path: path.to_owned(), due };
        let mut trigger = Trigger::timer(timer);
        trigger.at = self.clock.now();
        self.store.append(vec![record(self.store.as_ref(), trigger)]).await?;
        Ok(())
    }
}
