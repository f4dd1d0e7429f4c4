//! What the command line can ask for: the same answers from a running bot and from a log that no bot has open.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::runtime::Handle;

use super::orders::Hands;
use crate::adapter::matrix::Matrix;
use crate::control::Answers;
use crate::domain::event::BackupMade;
use crate::domain::id::{RoomId, StreamName, UserId};
use crate::domain::order::OrderKind;
use crate::processor::erasure::{self, EraseError, Order};
use crate::processor::upkeep;
use crate::query::command::{self, Refusal, Request, Sink};
use crate::query::erasure::PlanError;
use crate::query::follow::Followers;
use crate::query::when::Here;
use crate::query::{question, report, stats};
use crate::store::backup::{self, Made, Target};
use crate::store::sled::SledStore;
use crate::store::{Clock, OpenError};

/// Most streams that an answer about an erasure names.
const ENDED_SHOWN_MAX: usize = 100;

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
    /// Where signed heads are published now.
    pub audit_room: Box<dyn Fn() -> Option<RoomId> + Send + Sync>,
    /// Who works off what is ordered.
    pub hands: Hands,
    /// Where webhooks are listened for.
    pub web: Option<SocketAddr>,
}

impl Desk {
    /// Now, and the zone of this machine.
    pub(super) fn here(&self) -> Here {
        Here { now: self.clock.now(), zone: jiff::tz::TimeZone::system() }
    }

    /// Makes a backup, records it, and says what it came to.
    fn backup(&self, by: &UserId, target: &Target, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let made = self.store.backup(target, &mut command::telling(sink)).map_err(refusal)?;
        let (dir, keys) = (target.dir.display().to_string(), target.keys.display().to_string());
        let Made { next, files, bytes, new_files, new_bytes, verified } = made;
        let row = json!({
            "dir": dir, "keys": keys, "next": next, "files": files, "bytes": bytes,
            "new_files": new_files, "new_bytes": new_bytes, "events": verified.events,
            "erased": verified.erased,
        });
        let event = BackupMade { dir, keys, next, files, bytes };
        let recorded = self.runtime.block_on(upkeep::record(&*self.store, by, event));
        recorded.map_err(|error| Refusal::Unreadable(error.to_string()))?;
        Ok(sink.row(row)?)
    }
}

impl Answers for Desk {
    fn answer(&self, by: &UserId, request: &Request, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let store = self.store.as_ref();
        match request {
            Request::LogQuery(ask) => question::answer(store, ask, &self.followers, sink),
            Request::LogReport(filter, per) => {
                report::report(store, filter, *per, &self.here(), sink)
            }
            Request::LogBackup(target) => self.backup(by, target, sink),
            Request::LogDrop { before } => {
                super::trim::trim(store, &self.runtime, Some(by), *before, sink)
            }
            Request::LogStats => {
                let figures = store.figures();
                stats::stats(store, &self.data, &self.here(), &figures, sink)
            }
            Request::LogHead => self.head(sink),
            Request::LogKey => Ok(sink.row(json!({ "key": store.verifier_key() }))?),
            Request::LogProve { event, without_payload } => {
                self.prove(event, !without_payload, sink)
            }
            Request::LogVerifyAgainst { claims, room } => {
                self.compare(claims, room.as_deref(), sink)
            }
            Request::LogErase { target, reason, dry_run } => {
                let (target, by, reason) = (target.clone(), by.clone(), reason.clone());
                self.erase(Order { target, by, reason }, *dry_run, sink)
            }
            Request::ExecutionCancel { execution, reason, force } => {
                self.cancel(by, execution, (reason, *force), sink)
            }
            Request::ExecutionRetry { execution, in_doubt_too } => {
                self.retry(by, execution, *in_doubt_too, sink)
            }
            Request::ActionRun { action, params, queue } => {
                let (action, params) = (action.clone(), params.clone());
                self.order(by, OrderKind::RunAction { action, params }, *queue, sink)
            }
            Request::Switch(command) => {
                self.order(by, OrderKind::Switch(command.clone()), false, sink)
            }
            Request::Emit { name, fields } => {
                let (name, fields) = (name.clone(), fields.clone());
                self.order(by, OrderKind::Emit { name, fields }, false, sink)
            }
            Request::BridgeSetUp(wanted) => self.set_up(by, wanted, sink),
            Request::BridgeStatus => self.bridge_status(sink),
            Request::RuleWhy { trigger, rule } => self.rule_why(trigger, rule, sink),
            Request::Why(text) => self.why(text, sink),
            Request::Catalog => self.catalog(sink),
            Request::Listener => self.listener(sink),
            Request::ScheduleList => self.schedules(sink),
            Request::SensorList => self.sensors(sink),
            Request::TriggerDecided(trigger) => self.decided(trigger, sink),
            request => command::answer(store, request, sink),
        }
    }
}

impl Desk {
    fn erase(&self, order: Order, dry_run: bool, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let store = self.store.as_ref();
        let mut progress = |done, total| sink.progress("events", done, total).is_ok();
        let tally = match dry_run {
            true => erasure::look(store, order.target, &mut progress),
            false => self.runtime.block_on(erasure::erase(store, &order, &mut progress)),
        };
        let tally = tally.map_err(|error| match error {
            EraseError::Plan(PlanError::NotFound(what)) => Refusal::NotFound(what),
            EraseError::Plan(PlanError::Invalid(what)) => Refusal::Invalid(what),
            EraseError::Plan(PlanError::Read(error)) => error.into(),
            EraseError::Gone => Refusal::Gone,
            error @ (EraseError::Append(_) | EraseError::Busy) => {
                Refusal::Unreadable(error.to_string())
            }
        })?;
        let ended: Vec<&str> =
            tally.ended.iter().take(ENDED_SHOWN_MAX).map(StreamName::as_str).collect();
        Ok(sink.row(json!({
            "dry_run": dry_run, "events": tally.events(), "types": tally.kinds,
            "executions": tally.kinds.get("execution_started").copied().unwrap_or(0),
            "persons": tally.persons.len(), "person_records": tally.subjects, "linked": tally.linked,
            "blobs": tally.blobs, "open": tally.ended.len(), "ended": ended,
        }))?)
    }
}

/// Why a backup was not made.
fn refusal(error: backup::Error) -> Refusal {
    use backup::Error;
    match error {
        Error::Refused(what) => Refusal::Invalid(what),
        Error::Stopped(_) => Refusal::Gone,
        error @ (Error::Damaged { .. } | Error::Open(OpenError::Damaged { .. })) => {
            Refusal::Damaged(error.to_string())
        }
        error @ Error::Open(_) => Refusal::Unreadable(error.to_string()),
    }
}
