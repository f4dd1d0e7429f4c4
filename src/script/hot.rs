//! A script that waits for a moment on its thread, so that it goes on without being run again from its start.
//!
//! It is only ever faster: whoever wakes it hands over what has come since, and if that is not possible any more, the
//! journal is replayed on another thread as if this one had never been.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::context::{Permit, Recall};
use super::journal::Done;
use super::run::Slice;
use super::source::ActionDef;
use crate::domain::id::Timestamp;

/// How long a script that waits stays on its thread.
pub const HOT_FOR: Duration = Duration::from_secs(2);
/// Most scripts that stay on their threads at a time.
pub const HOT_MAX: usize = 64;

/// What a script that waits on its thread goes on with.
pub struct Wake {
    /// The time of this slice.
    pub now: Timestamp,
    /// What has come since.
    pub results: Vec<(String, Done)>,
    /// The actions that `exec` can name now.
    pub actions: Arc<BTreeMap<String, ActionDef>>,
    /// Says why an action may not run here, if so.
    pub permit: Permit,
    /// Reads what is remembered now.
    pub recall: Recall,
}

/// Where a script on its thread hands over its slices, and waits.
pub struct Parking {
    give: Box<dyn Fn(Slice) + Send>,
    wakes: Receiver<Wake>,
    wait: Duration,
}

/// Makes a place to wait in, and what ends the wait.
pub fn parking(wait: Duration, give: impl Fn(Slice) + Send + 'static) -> (Parking, Sender<Wake>) {
    let (wake, wakes) = channel();
    (Parking { give: Box::new(give), wakes, wait }, wake)
}

impl Parking {
    /// Hands over a slice and waits; none: nobody wakes it any more.
    pub fn park(&self, slice: Slice) -> Option<Wake> {
        (self.give)(slice);
        self.wakes.recv_timeout(self.wait).ok()
    }

    /// Hands over the last slice.
    pub fn end(self, slice: Slice) {
        (self.give)(slice);
    }
}
