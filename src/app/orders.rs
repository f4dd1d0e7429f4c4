//! Orders at the desk: recorded, and decided by the running bot, or here where that needs no network.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::desk::Desk;
use crate::domain::event::{EffectResult, Ending, Event, Verdict};
use crate::domain::execution::Execution;
use crate::domain::execution_command::REASON_BYTES_MAX;
use crate::domain::id::{ExecutionId, StreamName, UserId, Version};
use crate::domain::order::{Order, OrderKind, retry_refusal};
use crate::processor::alone::Came;
use crate::processor::{Error, Kernel, order};
use crate::query::command::{Refusal, Sink};
use crate::query::executions;
use crate::store::sled::SledStore;
use crate::store::{Direction, Entropy, EventStore, READ_EVENTS_MAX};

/// How long a running bot may take to decide on an order before the command line no longer waits for it.
pub const DECIDED_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether somebody still waits for an action that prints nothing.
const LOOKED_AFTER_EVERY: Duration = Duration::from_secs(5);

/// How soon it is seen that an execution waits for what only a running bot brings.
const ENDED_AFTER: Duration = Duration::from_millis(100);

/// Makes a kernel on the log that the desk has open.
pub type MakeKernel = Box<dyn Fn(Arc<SledStore>) -> Result<Arc<Kernel>, Refusal> + Send + Sync>;

/// Who works off what is ordered.
pub enum Hands {
    /// The running bot.
    Bot(Arc<Kernel>),
    /// Nobody until its next start; what needs no network is done by a kernel that is made for it.
    Later(MakeKernel),
}

/// What becomes of an order that is given while no bot runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// It stays recorded, and the next start does it.
    Waits,
    /// It is decided at once; what the scripts do then, the next start does.
    Decided,
    /// It is decided and done at once: who ordered it waits for what it gives.
    Done,
}

/// Chosen for each kind: what was asked for in a room is done as the bot, with its network and its environment. An action
/// that somebody runs at the command line answers them there, so it has no need of the bot.
fn alone(what: &OrderKind) -> Alone {
    match what {
        OrderKind::Retry { .. } => Alone::Waits,
        OrderKind::Cancel { .. } | OrderKind::Switch(_) | OrderKind::Emit { .. } => Alone::Decided,
        OrderKind::RunAction { .. } => Alone::Done,
    }
}

impl Desk {
    /// Tries an execution again.
    pub(super) fn retry(
        &self,
        by: &UserId,
        prefix: &str,
        in_doubt_too: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let execution = self.execution(prefix)?;
        if let Some(why) = retry_refusal(&execution, in_doubt_too) {
            return Err(Refusal::Invalid(why));
        }
        self.order(by, OrderKind::Retry { execution: execution.id, in_doubt_too }, false, sink)
    }

    /// Stops an execution.
    pub(super) fn cancel(
        &self,
        by: &UserId,
        prefix: &str,
        (reason, force): (&str, bool),
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        if reason.len() > REASON_BYTES_MAX {
            let what = format!("a reason has at most {REASON_BYTES_MAX} bytes");
            return Err(Refusal::Invalid(what));
        }
        let (execution, reason) = (self.execution(prefix)?.id, reason.to_owned());
        self.order(by, OrderKind::Cancel { execution, reason, force }, false, sink)
    }

    /// The one execution whose id begins like this.
    fn execution(&self, prefix: &str) -> Result<Execution, Refusal> {
        let store = self.store.as_ref();
        let id = match executions::resolve(store, prefix)? {
            Ok(id) => id,
            Err(0) => {
                let what = format!("no execution's id begins with `{prefix}`");
                return Err(Refusal::NotFound(what));
            }
            Err(several) => {
                let what =
                    format!("{several} executions' ids begin with `{prefix}`: write more of it");
                return Err(Refusal::NotFound(what));
            }
        };
        let gone = || Refusal::Invalid(format!("{} cannot be read any more", id.short()));
        executions::seen(store, &id)?.ok_or_else(gone)
    }

    /// Records an order, and says what came of it; with `queue` it is not waited for.
    ///
    /// # Errors
    /// [`Refusal`] if it is refused, or the log takes nothing.
    pub fn order(
        &self,
        by: &UserId,
        what: OrderKind,
        queue: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let order = Order::new(by, what);
        let trigger = order.clone().trigger(self.clock.now(), &nonce());
        let store = self.store.clone();
        let put = self.runtime.block_on(order::put(store.as_ref(), trigger));
        let stream = put.map_err(|error| Refusal::Unreadable(error.to_string()))?;
        let mut kernel = None;
        let decided = match (&self.hands, alone(&order.what)) {
            (_, _) if queue => None,
            (Hands::Bot(_), _) => self.decided_by_bot(&stream)?,
            (Hands::Later(_), Alone::Waits) => None,
            (Hands::Later(make), Alone::Decided | Alone::Done) => {
                let made = kernel.insert(make(store.clone())?);
                let done = self.runtime.block_on(made.decide_order(&stream));
                done.map_err(|error| Refusal::Unreadable(error.to_string()))?;
                order::decided(store.as_ref(), &stream)?
            }
        };
        let row = order::row(&order, &stream, decided.as_ref());
        match decided {
            Some((_, reason)) if row["state"] == "refused" => Err(Refusal::Invalid(reason)),
            Some((Verdict::Started(id), _))
                if matches!(order.what, OrderKind::RunAction { .. }) =>
            {
                sink.row(row)?;
                let work = kernel.map(|kernel| self.runtime.spawn(kernel.work_alone(id.clone())));
                let followed = self.follow(&id, work.as_ref(), sink);
                match work {
                    Some(work) if followed.is_err() => work.abort(),
                    Some(work) => self.worked(work)?,
                    None => {}
                }
                followed
            }
            _ => Ok(sink.row(row)?),
        }
    }

    /// How the work on an execution ended that nobody else worked on.
    fn worked(&self, work: JoinHandle<Result<Came, Error>>) -> Result<(), Refusal> {
        match self.runtime.block_on(work) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Refusal::Unreadable(error.to_string())),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Hands on what an execution's actions print, and at last what it came to. `work` is who works on it here, if
    /// that is not the bot: when they have ended, nothing more comes.
    fn follow(
        &self,
        id: &ExecutionId,
        work: Option<&JoinHandle<Result<Came, Error>>>,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let (stream, mut next) = (StreamName::execution(id), Version::START);
        let mut head = self.store.watch();
        loop {
            head.borrow_and_update();
            // Asked before the log is read: what they did last is then seen.
            let over = work.is_some_and(JoinHandle::is_finished);
            let page = self.store.read(&stream, next, Direction::Forward, READ_EVENTS_MAX)?;
            for recorded in &page {
                next = recorded.id.version.next();
                match recorded.event() {
                    Some(Event::EffectProgressed(progress)) => {
                        for line in &progress.lines {
                            sink.row(json!({ "line": line }))?;
                        }
                    }
                    Some(Event::ExecutionFinished(_)) => return Ok(sink.row(self.came_to(id)?)?),
                    _ => {}
                }
            }
            if page.is_empty() && over {
                return Ok(sink.row(json!({ "state": "waiting", "execution": id }))?);
            }
            if page.is_empty() {
                // Whoever works here ends without an append where the execution waits.
                let most = if work.is_some() { ENDED_AFTER } else { LOOKED_AFTER_EVERY };
                let waiting = self
                    .runtime
                    .block_on(async { tokio::time::timeout(most, head.changed()).await });
                match waiting {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(Refusal::Unreadable("the log was closed".into())),
                    // Nothing has happened; somebody may have stopped waiting for it.
                    Err(_) => sink.progress("running", 0, 0)?,
                }
            }
        }
    }

    /// What a call of an action came to: its result or its error.
    fn came_to(&self, id: &ExecutionId) -> Result<Value, Refusal> {
        let gone = || Refusal::Invalid(format!("{} cannot be read any more", id.short()));
        let execution = executions::seen(self.store.as_ref(), id)?.ok_or_else(gone)?;
        let step = execution.steps.get("0");
        let failed = match (&execution.ending, step.and_then(|step| step.result.as_ref())) {
            (Some(Ending::Failed(failure)), _) => Some(json!(failure.message)),
            (Some(Ending::Succeeded(_)), Some(EffectResult::Err(error))) => Some(error.clone()),
            (Some(Ending::Succeeded(_)), _) => None,
            _ => Some(json!(execution.status().word())),
        };
        let said = execution.steps.values().rfind(|step| step.op == "reply");
        let result = step.filter(|step| step.op == "exec").and_then(|step| step.result.as_ref());
        let result = match result {
            Some(EffectResult::Ok(value)) => value.clone(),
            _ => Value::Null,
        };
        Ok(json!({
            "execution": id,
            "state": if failed.is_some() { "failed" } else { "succeeded" },
            "result": result,
            "error": failed,
            "text": said.map(|step| step.args["text"].clone()),
        }))
    }

    /// Says what was decided about a trigger; while nothing is, it is waited for.
    pub(super) fn decided(&self, trigger: &str, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let stream = StreamName::parse(trigger)
            .map_err(|_| Refusal::Invalid(format!("`{trigger}` is no trigger")))?;
        if self.store.version(&stream)?.is_none() {
            return Err(Refusal::NotFound(format!("there is no trigger `{trigger}`")));
        }
        let decided = self.decided_by_bot(&stream)?;
        let routed = self.store.read(&stream, Version(1), Direction::Forward, 1)?;
        let outcomes = match routed.first().and_then(|recorded| recorded.event()) {
            Some(Event::TriggerRouted(routed)) => json!(routed.outcomes),
            _ => json!([]),
        };
        Ok(sink.row(
            json!({ "trigger": trigger, "decided": decided.is_some(), "outcomes": outcomes }),
        )?)
    }

    fn decided_by_bot(&self, stream: &StreamName) -> Result<Option<order::Decided>, Refusal> {
        let store = self.store.clone();
        let waiting = tokio::time::timeout(DECIDED_WITHIN, order::decision(store.as_ref(), stream));
        match self.runtime.block_on(waiting) {
            Ok(decided) => Ok(Some(decided?)),
            // It is on disk, and stays to be done.
            Err(_) => Ok(None),
        }
    }
}

/// What tells an order from the same one given again.
fn nonce() -> String {
    let mut bytes = [0; 16];
    super::SystemEntropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
