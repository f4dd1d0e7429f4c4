//! Questions to the log that the command line asks, of a running bot through its socket or of the log itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agenda::Agenda;
use super::bridged;
use super::erased::Erased;
use super::erasure;
use super::export::export;
use super::filter::Filter;
use super::lookup::Lookup;
use super::question::Ask;
use super::report::Per;
use super::{execution_story, executions, retention, story};
use crate::domain::event::{BridgeWanted, Payload, Recorded};
use crate::domain::id::{EventId, Position, Timestamp};
use crate::domain::switch_command::SwitchCommand;
use crate::store::backup::Target;
use crate::store::history::Claim;
use crate::store::sled::SledStore;
use crate::store::verify::Verified;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError, Stopped};

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The last events.
    LogTail(usize),
    /// One event, by its id or its position; or all events of an execution or a trigger.
    LogShow(String),
    /// The events that a filter lets through.
    LogQuery(Box<Ask>),
    /// What was run how often, by whom.
    LogReport(Box<Filter>, Per),
    /// What the log is made of.
    LogStats,
    /// Whether the log is whole.
    LogVerify,
    /// The signed head of the log as it is; it is made if there is none.
    LogHead,
    /// The key that verifies the heads of the log.
    LogKey,
    /// The proof that an event is in the log, by its id or its position.
    LogProve {
        /// Which.
        event: String,
        /// Only that it is there, not what it says.
        without_payload: bool,
    },
    /// Whether the log is whole, and what was signed of it.
    LogVerifyAgainst {
        /// Heads from outside, their signatures verified.
        claims: Vec<Claim>,
        /// A room in which the bot published more.
        room: Option<String>,
    },
    /// Every event; or every line of the journal as it is, without the commit lines.
    LogExport {
        /// The journal's lines.
        sealed: bool,
    },
    /// Which of the journal's files hold only what is over, if all before this time may go.
    LogTrim {
        /// What is older may go.
        before: Timestamp,
    },
    /// Drop these files for good.
    LogDrop {
        /// What is older may go.
        before: Timestamp,
    },
    /// A backup of the log.
    LogBackup(Target),
    /// How many messages wait to be sent, and since when.
    Unsent,
    /// The newest executions.
    ExecutionList(usize),
    /// The executions that a filter lets through, the newest first.
    ExecutionFind(Box<Filter>),
    /// One execution, by the beginning of its id.
    ExecutionShow(String),
    /// Stop an execution, by the beginning of its id.
    ExecutionCancel {
        /// Which.
        execution: String,
        /// Why; empty: nobody said.
        reason: String,
        /// Where it stands: nothing is undone.
        force: bool,
    },
    /// Try an execution again, by the beginning of its id.
    ExecutionRetry {
        /// Which.
        execution: String,
        /// Even if something of it may have been done.
        in_doubt_too: bool,
    },
    /// Run an action by itself, and say what it prints and gives.
    ActionRun {
        /// Which.
        action: String,
        /// Its parameters.
        params: Value,
        /// It is recorded only: the bot does it, now or at its next start.
        #[serde(default)]
        queue: bool,
    },
    /// Switch a rule, schedule, hook or sensor off or on.
    Switch(SwitchCommand),
    /// What led to something: a message, an execution, a trigger or an event.
    Why(String),
    /// Everything that is offered.
    Catalog,
    /// Why a rule is or is not for a trigger.
    RuleWhy {
        /// The trigger: its stream, or one of its events.
        trigger: String,
        /// The rule's name.
        rule: String,
    },
    /// Let a named trigger happen.
    Emit {
        /// Its name.
        name: String,
        /// Its fields.
        fields: serde_json::Map<String, Value>,
    },
    /// The schedules, with their next times.
    ScheduleList,
    /// The bridges that were seen in a room, by its id or its name.
    BridgeCheck(String),
    /// Have a channel of another network set up or taken down, and tell the steps.
    BridgeSetUp(Box<BridgeWanted>),
    /// How the channels stand that are set up.
    BridgeStatus,
    /// The sensors, with how they do.
    SensorList,
    /// Where webhooks are listened for.
    Listener,
    /// What was decided about a trigger, by its stream; it is waited for.
    TriggerDecided(String),
    /// Erase something for good, or only say what would be erased.
    LogErase {
        /// What.
        target: erasure::Target,
        /// Why.
        reason: String,
        /// Change nothing.
        dry_run: bool,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such thing, or more than one.
    NotFound(String),
    /// The log is damaged.
    Damaged(String),
    /// The log cannot be read.
    Unreadable(String),
    /// The question makes no sense as it stands.
    Invalid(String),
    /// Nobody reads the answer any more.
    Gone,
}

/// Nobody reads the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Where an answer goes.
pub trait Sink {
    /// One object of the answer.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads it: the answer ends.
    fn row(&mut self, row: Value) -> Result<(), Gone>;

    /// How far a long answer is: `done` of `total` things called `what`; a total of 0 is not known.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads it: the answer ends.
    fn progress(&mut self, what: &str, done: u64, total: u64) -> Result<(), Gone>;
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => Self::Damaged(error.to_string()),
            ReadError::Store(_) | ReadError::Newer { .. } => Self::Unreadable(error.to_string()),
        }
    }
}

/// Gathers the rows of a short answer.
#[derive(Debug, Default)]
pub struct Rows(pub Vec<Value>);

impl Sink for Rows {
    fn row(&mut self, row: Value) -> Result<(), Gone> {
        self.0.push(row);
        Ok(())
    }

    fn progress(&mut self, _: &str, _: u64, _: u64) -> Result<(), Gone> {
        Ok(())
    }
}

/// Answers a question, one JSON object after the other.
///
/// # Errors
/// [`Refusal`] if there is no answer.
pub fn answer(store: &SledStore, request: &Request, sink: &mut dyn Sink) -> Result<(), Refusal> {
    let mut erased = Erased::default();
    match request {
        Request::LogErase { .. } => {
            return Err(Refusal::Invalid("only who may write to the log can erase".into()));
        }
        Request::LogTail(count) => {
            let mut events = tail(store, *count)?;
            while let Some(recorded) = events.pop() {
                sink.row(explained(store, &mut erased, &recorded)?)?;
            }
        }
        Request::LogExport { sealed } => export(store, *sealed, sink)?,
        Request::LogTrim { before } => retention::told(store, *before, sink)?,
        Request::Why(_)
        | Request::Catalog
        | Request::ScheduleList
        | Request::RuleWhy { .. }
        | Request::SensorList
        | Request::BridgeStatus
        | Request::Listener
        | Request::TriggerDecided(_)
        | Request::LogHead
        | Request::LogKey
        | Request::LogProve { .. }
        | Request::LogVerifyAgainst { .. } => {
            let what = "this is answered where there is more than the log";
            return Err(Refusal::Invalid(what.into()));
        }
        Request::LogBackup(_)
        | Request::LogDrop { .. }
        | Request::ExecutionCancel { .. }
        | Request::ActionRun { .. }
        | Request::Switch(_)
        | Request::BridgeSetUp(_)
        | Request::Emit { .. }
        | Request::ExecutionRetry { .. } => {
            return Err(Refusal::Invalid("this changes the log: only its owner can do it".into()));
        }
        Request::BridgeCheck(room) => bridged::told(store, room, sink)?,
        Request::LogShow(id) => match find(store, id)? {
            Some(event) => sink.row(story::row(&event, &mut Lookup::new(store))?)?,
            None => story::tell(store, &story::find(store, id)?, sink)?,
        },
        Request::ExecutionFind(filter) => executions::matching(store, filter, sink)?,
        Request::LogQuery(_) | Request::LogReport(..) | Request::LogStats => {
            let what = "only who knows the time and the files can answer this";
            return Err(Refusal::Invalid(what.into()));
        }
        Request::LogVerify => verify(store, sink)?,
        Request::Unsent => sink.row(unsent(store)?)?,
        Request::ExecutionList(max) => {
            for row in executions::rows(store, *max, &mut erased)? {
                sink.row(row)?;
            }
        }
        Request::ExecutionShow(prefix) => match executions::find(store, prefix)? {
            Ok(execution) => sink.row(execution_story::story(store, &execution)?)?,
            Err(0) => {
                let missing = || format!("no execution's id begins with `{prefix}`");
                let left = executions::remains_of(store, prefix, &mut erased)?;
                sink.row(left.ok_or_else(|| Refusal::NotFound(missing()))?)?;
            }
            Err(several) => {
                let what =
                    format!("{several} executions' ids begin with `{prefix}`: write more of it");
                return Err(Refusal::NotFound(what));
            }
        },
    }
    Ok(())
}

/// The last events, newest first.
fn tail(store: &SledStore, count: usize) -> Result<Vec<Recorded>, Refusal> {
    Ok(store.read_all(Position::END, Direction::Backward, count.clamp(1, READ_EVENTS_MAX))?)
}

/// An event by its position or its id; none: what is meant is no event.
///
/// # Errors
/// [`Refusal`] if there is none.
pub fn find(store: &SledStore, id: &str) -> Result<Option<Recorded>, Refusal> {
    let missing = || {
        Refusal::NotFound(format!("there is no event `{id}`: write a position or `stream/version`"))
    };
    if let Ok(position) = id.parse() {
        let found = store.read_all(Position(position), Direction::Forward, 1)?;
        let mut found = found.into_iter().filter(|event| event.position == Position(position));
        return found.next().ok_or_else(missing).map(Some);
    }
    let Ok(id) = EventId::parse(id) else { return Ok(None) };
    store.event(&id)?.ok_or_else(missing).map(Some)
}

fn verify(store: &SledStore, sink: &mut dyn Sink) -> Result<(), Refusal> {
    let verified = store.verify_telling(&mut telling(sink));
    let verified = verified.map_err(|error| Refusal::Damaged(error.to_string()))?;
    Ok(sink.row(report(&verified))?)
}

/// Tells a sink how far a piece of work is; it ends when nobody reads the answer any more.
pub fn telling(sink: &mut dyn Sink) -> impl FnMut(&str, u64, u64) -> Result<(), Stopped> {
    |what, done, total| sink.progress(what, done, total).map_err(|Gone| Stopped)
}

fn unsent(store: &SledStore) -> Result<Value, ReadError> {
    let mut agenda = Agenda::kept(store)?;
    agenda.catch_up(store)?;
    let oldest = match agenda.oldest_unsent() {
        Some(position) => store.read_all(position, Direction::Forward, 1)?.into_iter().next(),
        None => None,
    };
    Ok(json!({ "unsent": agenda.unsent(), "oldest_ms": oldest.map(|recorded| recorded.wall.0) }))
}

/// What a verification found, as JSON.
pub fn report(verified: &Verified) -> Value {
    let (findings, heads) = (verified.findings.iter(), &verified.heads);
    let findings: Vec<Value> =
        findings.map(|finding| json!({ "place": finding.place, "what": finding.what })).collect();
    let mut row = json!({
        "events": verified.events, "segments": verified.segments, "erased": verified.erased,
        "heads": {
            "recorded": heads.recorded, "newest": heads.newest,
            "outside": heads.outside, "newest_outside": heads.newest_outside,
        },
        "key": verified.key,
        "findings": findings, "unlisted": verified.unlisted,
    });
    if verified.first > Position::START {
        row["first"] = json!(verified.first);
    }
    row
}

/// An event as people look at it, with who erased it, when and why.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn explained(
    store: &dyn EventStore,
    erased: &mut Erased,
    recorded: &Recorded,
) -> Result<Value, ReadError> {
    let mut row = shown(recorded);
    if let Some(how) = erased.of(store, recorded)? {
        row["erased"] = how;
    }
    Ok(row)
}

/// An event as people look at it.
pub fn shown(recorded: &Recorded) -> Value {
    let (state, payload) = match &recorded.payload {
        Payload::Event(event) => ("readable", event.encode()),
        Payload::Unknown(value) => ("unknown", value.clone()),
        Payload::Erased => ("erased", Value::Null),
    };
    json!({
        "position": recorded.position,
        "id": recorded.id.to_string(),
        "type": recorded.kind,
        "schema": recorded.schema,
        "ts_ms": recorded.ts.0,
        "wall_ms": recorded.wall.0,
        "cause": recorded.cause.as_ref().map(ToString::to_string),
        "correlation": recorded.correlation,
        "actor": recorded.actor,
        "room": recorded.room,
        "commitment": recorded.commitment,
        "payload": payload,
        "payload_state": state,
    })
}
