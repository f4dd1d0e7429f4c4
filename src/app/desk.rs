//! What the command line can ask for: the same answers from a running bot and from a log that no bot has open.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::adapter::matrix::Matrix;
use crate::control::Answers;
use crate::domain::id::UserId;
use crate::query::command::{self, Refusal, Request, Sink};
use crate::query::follow::Followers;
use crate::query::when::Here;
use crate::query::{question, report, stats};
use crate::store::Clock;
use crate::store::sled::SledStore;

/// Who answers, with all that an answer may need.
pub struct Desk {
    /// The log.
    pub store: Arc<SledStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The data directory.
    pub data: PathBuf,
    /// The connection of the running bot.
    pub matrix: Option<Arc<Matrix>>,
    /// Where waiting is done: an answer itself runs on a thread that may block.
    pub runtime: Handle,
    /// Who follows the log.
    pub followers: Followers,
}

impl Desk {
    /// Now, and the zone of this machine.
    fn here(&self) -> Here {
        Here { now: self.clock.now(), zone: jiff::tz::TimeZone::system() }
    }
}

impl Answers for Desk {
    fn answer(&self, _by: &UserId, request: &Request, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let store = self.store.as_ref();
        match request {
            Request::LogQuery(ask) => question::answer(store, ask, &self.followers, sink),
            Request::LogReport(filter, per) => {
                report::report(store, filter, *per, &self.here(), sink)
            }
            Request::LogStats => stats::stats(store, &self.data, &self.here(), sink),
            request => command::answer(store, request, sink),
        }
    }
}
