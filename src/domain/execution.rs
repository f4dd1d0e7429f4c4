//! One execution: its events folded to a state, and what that state asks for next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::approval::{self, Approval};
use super::event::{
    ApprovalVoted, EffectClass, EffectResult, Ending, Event, ExecutionCancelled, ExecutionStarted,
    GroupDecided, QuestionAsked, QuestionReminded, Recorded, Resolution, Wants,
};
pub use super::execution_status::Status;
use super::id::{ExecutionId, Timestamp, UserId, Version};
use super::path;
use super::words::approvals as words;

/// The kind of the error that a cancel is to the script.
pub const CANCELLED: &str = "cancelled";
/// The host functions that run branches side by side.
pub const GROUPS: &[&str] = &["all", "any", "within"];
/// The host function's name under which it is noted that an undo begins, and that it has ended.
pub const UNDO: &str = "undo";
/// See [`UNDO`].
pub const UNDONE: &str = "undone";

/// An execution as its events tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// How it began.
    pub started: ExecutionStarted,
    /// Its effects by path.
    pub steps: BTreeMap<String, Step>,
    /// Who does not want it any more, if anybody.
    pub cancelled: Option<Cancelled>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Whether its script has something new to see.
    pub ready: bool,
    /// The last version of its stream.
    pub version: Version,
    /// When it began.
    pub began: Timestamp,
    /// When something last happened to it.
    pub touched: Timestamp,
}

/// One effect of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The host function.
    pub op: String,
    /// What it was called with.
    pub args: Value,
    /// The line of the script.
    pub line: u32,
    /// Whether it may be repeated.
    pub class: EffectClass,
    /// When it ends by itself.
    pub due: Option<Timestamp>,
    /// The last attempt that was started.
    pub attempt: u32,
    /// Whether that attempt is under way, or was when the bot died.
    pub under_way: bool,
    /// Whether what is under way is to be stopped: the execution was cancelled meanwhile.
    pub unwanted: bool,
    /// Whether its outcome is in doubt.
    pub in_doubt: bool,
    /// What it gave.
    pub result: Option<EffectResult>,
    /// The version of the stream at which it gave that: what a group saw before it decided is told by it.
    pub done_at: Version,
    /// The question that people were asked.
    pub question: Option<QuestionAsked>,
    /// The approval that it waits for, with the votes that count.
    pub approval: Option<Approval>,
    /// How often people were reminded of it.
    pub reminded: u32,
    /// When they last were.
    pub reminded_at: Option<Timestamp>,
    /// When they are next, if they are.
    pub remind_due: Option<Timestamp>,
    /// The lock that it runs under.
    pub lock: Option<String>,
    /// How many attempts have failed and were followed by another.
    pub failed: u32,
    /// How often it was recorded what it had printed.
    pub progressed: u32,
    /// The last line of that.
    pub last_line: Option<String>,
}

/// That an execution is not wanted any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelled {
    /// Who said so first.
    pub by: UserId,
    /// Why; empty: they did not say.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Whether the script has met the error that says so.
    pub delivered: bool,
}

impl Cancelled {
    /// The error that the script meets, once, at what it waits for; an action that was under way is named.
    pub fn error(&self, action: Option<&str>) -> Value {
        let (by, reason) = (&self.by, &self.reason);
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let mut error = json!({
            "kind": CANCELLED, "by": by, "reason": reason, "message": format!("{by} cancelled it{why}"),
        });
        if let Some(action) = action {
            error["action"] = json!(action);
        }
        error
    }
}

impl Step {
    pub(super) fn new(op: &str, args: &Value, line: u32, class: EffectClass) -> Self {
        Self {
            op: op.into(),
            args: args.clone(),
            line,
            class,
            due: None,
            attempt: 0,
            under_way: false,
            unwanted: false,
            in_doubt: false,
            result: None,
            done_at: Version::START,
            question: None,
            approval: None,
            reminded: 0,
            reminded_at: None,
            remind_due: None,
            lock: None,
            failed: 0,
            progressed: 0,
            last_line: None,
        }
    }

    /// Whether it is a group of branches, which waits for nothing itself.
    pub fn is_group(&self) -> bool {
        GROUPS.contains(&self.op.as_str())
    }

    /// The action that it runs, if it runs one.
    pub fn action(&self) -> Option<&str> {
        self.args["action"].as_str()
    }

    /// Whether people can still answer its question.
    pub fn asks(&self) -> bool {
        match self.question.as_ref().map(|question| question.wants) {
            None => false,
            Some(Wants::Doubt) => self.in_doubt,
            Some(Wants::Text | Wants::YesNo | Wants::Approval) => self.result.is_none(),
        }
    }

    /// Whether people were asked something, and nobody waits for their answer any more.
    pub fn is_withdrawn(&self) -> bool {
        let cancelled =
            matches!(&self.result, Some(EffectResult::Err(e)) if e["kind"] == CANCELLED);
        let approval = self.approval.is_some() && self.result.is_some();
        (cancelled && self.question.is_some()) || approval
    }

    /// Whether something outside is still to be done for it.
    pub fn wants_doing(&self) -> bool {
        self.result.is_none() && self.class != EffectClass::Log
    }
}

impl Execution {
    /// Folds the events of one execution's stream; none: they do not begin with its start, or it is erased.
    pub fn fold(events: &[Recorded]) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let Event::ExecutionStarted(started) = first.event()? else { return None };
        let id = ExecutionId(first.id.stream.id().to_owned());
        let mut execution = Self::begin(id, started.clone(), first.ts);
        for recorded in rest {
            execution.go_on(recorded)?;
        }
        Some(execution)
    }

    /// Takes in the next event of its stream; none: it is erased or of a newer program.
    pub fn go_on(&mut self, recorded: &Recorded) -> Option<()> {
        let event = recorded.event()?;
        self.version = recorded.id.version;
        self.touched = recorded.ts;
        self.apply(event);
        Some(())
    }

    /// An execution that has just been started.
    pub fn begin(id: ExecutionId, started: ExecutionStarted, at: Timestamp) -> Self {
        Self {
            id,
            started,
            steps: BTreeMap::new(),
            cancelled: None,
            ending: None,
            ready: true,
            version: Version::START,
            began: at,
            touched: at,
        }
    }

    /// What one more event changes.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::EffectRecorded(e) => {
                let mut step = Step::new(&e.op, &e.args, e.line, EffectClass::Log);
                step.result = Some(e.result.clone());
                step.done_at = self.version;
                self.steps.insert(e.path.clone(), step);
                self.met_cancel(&e.result);
            }
            Event::EffectRequested(e) => {
                let mut step = Step::new(&e.op, &e.args, e.line, e.class);
                step.due = e.due;
                self.steps.insert(e.path.clone(), step);
            }
            Event::QuestionAsked(e) => {
                self.on(&e.path, |step| {
                    step.question = Some(e.clone());
                    step.remind_due = e.remind.as_ref().map(|remind| remind.due);
                });
            }
            Event::QuestionReminded(e) => self.remind(e),
            Event::EffectStarted(e) => self.on(&e.path, |step| {
                step.attempt = e.attempt;
                step.under_way = true;
            }),
            Event::LockRequested(e) => {
                self.on(&e.path, |step| step.lock = Some(e.lock.clone()));
            }
            Event::EffectProgressed(e) => self.on(&e.path, |step| {
                step.progressed += 1;
                step.last_line = e.lines.last().cloned();
            }),
            Event::AttemptFailed(e) => self.on(&e.path, |step| {
                step.under_way = false;
                step.failed += 1;
            }),
            Event::EffectCompleted(e) => self.complete(&e.path, e.result.clone()),
            Event::EffectInDoubt(e) => {
                let error = in_doubt(self.steps.get(&e.path));
                self.complete(&e.path, EffectResult::Err(error));
                self.on(&e.path, |step| step.in_doubt = true);
            }
            Event::EffectResolved(e) => self.resolve(&e.path, e.resolution),
            Event::QuestionAnswered(e) => {
                let doubt = self.steps.get(&e.path).is_some_and(|step| step.in_doubt);
                if !doubt {
                    self.complete(&e.path, EffectResult::Ok(e.answer.clone()));
                }
            }
            Event::ApprovalRequested(e) => self.on(&e.path, |step| {
                step.approval = Some(Approval { requested: e.clone(), votes: vec![] });
            }),
            Event::ApprovalVoted(e) => self.voted(e),
            Event::ApprovalVoided(e) => {
                self.complete(&e.path, EffectResult::Err(approval::voided(e)));
            }
            Event::TimerFired(e) => self.complete(&e.path, e.result.clone()),
            Event::GroupDecided(e) => self.decide(e),
            Event::ExecutionCancelled(e) => self.cancel(e),
            Event::EffectCancelled(e) => {
                let action = self.steps.get(&e.path).and_then(Step::action).map(str::to_owned);
                let error = self.cancelled.as_ref().map(|it| it.error(action.as_deref()));
                let error = error.unwrap_or_else(|| unwanted(&e.path));
                self.complete(&e.path, EffectResult::Err(error));
            }
            Event::ExecutionYielded(_) => self.ready = true,
            Event::ExecutionSuspended(_) => self.ready = false,
            Event::ExecutionFinished(e) => {
                self.ready = false;
                self.ending = Some(e.ending.clone());
            }
            Event::ExecutionStarted(_)
            | Event::EffectDelayed(_)
            | Event::LogCreated(_)
            | Event::StoreRebuilt(_)
            | Event::ClockStepped(_)
            | Event::SyncAdvanced(_)
            | Event::ScriptKept(_)
            | Event::PolicyChanged(_)
            | Event::IntakePaused(_)
            | Event::IntakeResumed(_)
            | Event::EventsErased(_)
            | Event::TreeHead(_)
            | Event::BackupMade(_)
            | Event::LogRestored(_)
            | Event::LogTrimmed(_)
            | Event::InviteDecided(_)
            | Event::GapFilled(_)
            | Event::GapAbandoned(_)
            | Event::RoomUpgraded(_)
            | Event::RoomBridged(_)
            | Event::BridgeWanted(_)
            | Event::BridgeStep(_)
            | Event::BridgeStands(_)
            | Event::BridgeFailed(_)
            | Event::BridgeRemoved(_)
            | Event::BridgeChannelLost(_)
            | Event::BridgeChannelBack(_)
            | Event::BridgeRenamed(_)
            | Event::BridgeLost(_)
            | Event::BridgeBack(_)
            | Event::BridgeSilent(_)
            | Event::BridgeAnswers(_)
            | Event::AccountChecked(_)
            | Event::RoomHinted(_)
            | Event::InvitesDeclined(_)
            | Event::RoomJoined(_)
            | Event::RoomFollowed(_)
            | Event::ScheduleAdvanced(_)
            | Event::SensorAdvanced(_)
            | Event::RoomLeft(_)
            | Event::LinkOffered(_)
            | Event::LinkClaimed(_)
            | Event::LinkMissed(_)
            | Event::LinkDeclined(_)
            | Event::AccountsLinked(_)
            | Event::AccountsUnlinked(_)
            | Event::GrantMade(_)
            | Event::GrantRevoked(_)
            | Event::AutomationSwitched(_)
            | Event::WakePlanned(_)
            | Event::AlertRaised(_)
            | Event::AlertAcknowledged(_)
            | Event::AlertResolved(_)
            | Event::AlertEscalated(_)
            | Event::AlertPlaced(_)
            | Event::DigestTold(_)
            | Event::SilenceStarted(_)
            | Event::SilenceExtended(_)
            | Event::SilenceNoticed(_)
            | Event::SilenceEnded(_)
            | Event::SilenceHeld(_)
            | Event::RuleFired(_)
            | Event::TriggerRecorded(_)
            | Event::TriggerRouted(_)
            | Event::EventDecrypted(_)
            | Event::EventWithheld(_)
            | Event::EventGivenUp(_)
            | Event::MemoryWritten(_)
            | Event::MessageQueued(_)
            | Event::MessageSent(_)
            | Event::MessageSuperseded(_)
            | Event::MessageFailed(_) => {}
        }
    }

    fn on(&mut self, path: &str, change: impl FnOnce(&mut Step)) {
        if let Some(step) = self.steps.get_mut(path) {
            change(step);
        }
    }

    /// One more vote counts, and may be the one that decides.
    fn voted(&mut self, vote: &ApprovalVoted) {
        let mut decided = None;
        self.on(&vote.path, |step| {
            if let Some(approval) = &mut step.approval {
                approval.votes.push(vote.clone());
                decided = approval::result(approval);
            }
        });
        if let Some(result) = decided {
            self.complete(&vote.path, result);
        }
    }

    /// People were reminded, and perhaps others are asked as well.
    fn remind(&mut self, reminded: &QuestionReminded) {
        let at = self.touched;
        self.on(&reminded.path, |step| {
            step.reminded = reminded.nth;
            step.reminded_at = Some(at);
            step.remind_due = reminded.next;
            if let Some(question) = &mut step.question {
                question.from.extend(reminded.also.people.iter().cloned());
                question.roles.extend(reminded.also.roles.iter().cloned());
            }
        });
    }

    /// The first result wins.
    fn complete(&mut self, path: &str, result: EffectResult) {
        self.ready = true;
        let version = self.version;
        let mut cancelled = None;
        self.on(path, |step| {
            step.under_way = false;
            if step.result.is_none() {
                step.done_at = version;
                cancelled = Some(result.clone());
                step.result = Some(result);
            }
        });
        if let Some(result) = cancelled {
            self.met_cancel(&result);
        }
    }

    /// A script meets that it is cancelled once.
    fn met_cancel(&mut self, result: &EffectResult) {
        let EffectResult::Err(error) = result else { return };
        if let Some(cancelled) = self.cancelled.as_mut()
            && error["kind"] == CANCELLED
        {
            cancelled.delivered = true;
        }
    }

    fn resolve(&mut self, path: &str, resolution: Resolution) {
        let version = self.version;
        self.on(path, |step| {
            step.in_doubt = false;
            step.result = match resolution {
                Resolution::Done => Some(EffectResult::Ok(Value::Null)),
                Resolution::Repeat => None,
                Resolution::GiveUp => step.result.take(),
            };
            step.done_at = version;
        });
        self.ready |= resolution == Resolution::Done;
    }

    /// A group has its result, and what its branches still wait for has none any more.
    fn decide(&mut self, decided: &GroupDecided) {
        self.complete(&decided.path, decided.result.clone());
        let results = self.steps.iter().filter_map(|(at, step)| Some((at, step.result.as_ref()?)));
        if lost_cancel(&decided.path, &decided.result, results).is_some()
            && let Some(cancelled) = self.cancelled.as_mut()
        {
            cancelled.delivered = false;
        }
        for path in &decided.cancelled {
            let version = self.version;
            self.on(path, |step| {
                step.under_way = false;
                step.done_at = version;
                step.result.get_or_insert_with(|| EffectResult::Err(unwanted(path)));
            });
        }
    }

    /// Everything that it waits for ends in an error; what is under way ends in one when it has been stopped.
    fn cancel(&mut self, cancel: &ExecutionCancelled) {
        self.ready = true;
        let (by, reason) = (cancel.by.clone(), cancel.reason.clone());
        let cancelled = Cancelled { by, reason, at: self.touched, delivered: false };
        let error = EffectResult::Err(cancelled.error(None));
        self.cancelled.get_or_insert(cancelled);
        cancel.cancelled.iter().for_each(|path| self.complete(path, error.clone()));
        cancel.stopping.iter().for_each(|path| self.on(path, |step| step.unwanted = true));
        // Nobody is asked any more what became of an effect in doubt.
        self.steps.values_mut().filter(|step| step.in_doubt).for_each(|step| step.question = None);
    }

    /// What it is to somebody that they do not want it any more; what undoes something is left to its end.
    pub fn cancelled_by(&self, by: UserId, reason: String) -> ExecutionCancelled {
        let open = |(path, step): &(&String, &Step)| {
            step.result.is_none() && !step.is_group() && !self.undoes(path)
        };
        let (stopping, cancelled): (Vec<_>, Vec<_>) =
            self.steps.iter().filter(open).partition(|(_, step)| step.under_way);
        let paths =
            |list: Vec<(&String, &Step)>| list.iter().map(|(path, _)| (*path).clone()).collect();
        ExecutionCancelled { by, reason, cancelled: paths(cancelled), stopping: paths(stopping) }
    }

    /// Whether an effect belongs to the undoing of a step: of the undos that began before it in its line, one has not ended.
    pub fn undoes(&self, path: &str) -> bool {
        let mut open = 0_i64;
        for (other, step) in &self.steps {
            let change = match step.op.as_str() {
                UNDO => 1,
                UNDONE => -1,
                _ => continue,
            };
            if path::follows(path, other) {
                open += change;
            }
        }
        open > 0
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        match &self.ending {
            Some(Ending::Succeeded(_)) => return Status::Succeeded,
            Some(Ending::Failed(_)) => return Status::Failed,
            Some(Ending::Diverged(_)) => return Status::Diverged,
            Some(Ending::Cancelled { .. }) => return Status::Cancelled,
            None => {}
        }
        let open = |test: fn(&Step) -> bool| self.steps.values().any(test);
        match () {
            () if self.ready => Status::Ready,
            () if open(Step::wants_doing) => Status::Running,
            () if open(Step::asks) => Status::Asking,
            () => Status::Sleeping,
        }
    }

    /// The first effect in doubt behind which nothing was done: its doubt is what ended the script, if a doubt did.
    pub fn last_doubt(&self) -> Option<&str> {
        let last = |path: &str| !self.steps.keys().any(|other| path::follows(other, path));
        let doubts = self.steps.iter().filter(|(path, step)| step.in_doubt && last(path));
        doubts.map(|(path, _)| path.as_str()).min_by(|a, b| path::order(a, b))
    }
}

/// The error of a cancel that a group decided without: branches had it, but not the one that decided.
pub fn lost_cancel<'a>(
    group: &str,
    decided: &EffectResult,
    results: impl Iterator<Item = (&'a String, &'a EffectResult)>,
) -> Option<&'a Value> {
    let (EffectResult::Ok(value) | EffectResult::Err(value)) = decided;
    // Where no branch decided, every branch has met what it had.
    let branch = value["branch"].as_u64().filter(|_| value["kind"] != CANCELLED)?;
    let own = format!("{group}.{branch}.");
    let mut lost = None;
    for (at, result) in results.filter(|(at, _)| path::inside(at, group)) {
        match result {
            // What a group does not wait for any more has an error of this kind too, but nobody said it.
            EffectResult::Err(error) if error["kind"] == CANCELLED && error["by"].is_string() => {
                if at.starts_with(&own) {
                    return None;
                }
                lost = Some(error);
            }
            _ => {}
        }
    }
    lost
}

/// What an effect gave that its group waits for no longer; nobody sees it.
fn unwanted(path: &str) -> Value {
    json!({ "kind": CANCELLED, "message": format!("step {path} is no longer waited for") })
}

/// The error that a script meets when an effect's outcome is in doubt.
fn in_doubt(step: Option<&Step>) -> Value {
    let action = step.and_then(|step| step.args["action"].as_str()).unwrap_or("the effect");
    json!({
        "kind": "in_doubt",
        "action": action,
        "message": format!("I was stopped while {action} ran, so I do not know whether it was done"),
    })
}

/// What a due timer gives to the script that waits for it.
pub fn timer_result(step: &Step) -> EffectResult {
    match (step.op.as_str(), &step.args["or_else"]) {
        ("sleep", _) => EffectResult::Ok(Value::Null),
        ("wait_for", _) => EffectResult::Err(json!({
            "kind": "timed_out",
            "message": format!("`{}` did not happen in time", step.args["trigger"].as_str().unwrap_or("")),
        })),
        ("approve", _) => {
            EffectResult::Err(json!({ "kind": "timed_out", "message": words::TIMED_OUT }))
        }
        (_, Value::Object(or_else)) => {
            EffectResult::Ok(or_else.get("value").cloned().unwrap_or(Value::Null))
        }
        _ => EffectResult::Err(json!({
            "kind": "timed_out",
            "message": format!("nobody answered in time: {}", step.args["question"].as_str().unwrap_or("")),
        })),
    }
}

#[cfg(test)]
#[path = "execution_tests.rs"]
mod tests;
