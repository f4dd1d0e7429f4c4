//! One execution: its events folded to a state, and what that state asks for next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::event::{
    EffectClass, EffectResult, Ending, Event, ExecutionStarted, QuestionAsked, Recorded,
    Resolution, Wants,
};
use super::id::{ExecutionId, Timestamp, Version};

/// An execution as its events tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// How it began.
    pub started: ExecutionStarted,
    /// Its effects by path.
    pub steps: BTreeMap<String, Step>,
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
    /// Whether its outcome is in doubt.
    pub in_doubt: bool,
    /// What it gave.
    pub result: Option<EffectResult>,
    /// The question that people were asked.
    pub question: Option<QuestionAsked>,
    /// The lock that it runs under.
    pub lock: Option<String>,
    /// How many attempts have failed and were followed by another.
    pub failed: u32,
    /// How often it was recorded what it had printed.
    pub progressed: u32,
    /// The last line of that.
    pub last_line: Option<String>,
}

impl Step {
    fn new(op: &str, args: &Value, line: u32, class: EffectClass) -> Self {
        Self {
            op: op.into(),
            args: args.clone(),
            line,
            class,
            due: None,
            attempt: 0,
            under_way: false,
            in_doubt: false,
            result: None,
            question: None,
            lock: None,
            failed: 0,
            progressed: 0,
            last_line: None,
        }
    }

    /// Whether people can still answer its question.
    pub fn asks(&self) -> bool {
        match self.question.as_ref().map(|question| question.wants) {
            None => false,
            Some(Wants::Doubt) => self.in_doubt,
            Some(Wants::Text | Wants::YesNo) => self.result.is_none(),
        }
    }

    /// Whether something outside is still to be done for it.
    pub fn wants_doing(&self) -> bool {
        self.result.is_none() && self.class != EffectClass::Log
    }
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its script can go on.
    Ready,
    /// An action runs, or is about to.
    Running,
    /// It waits for people.
    Asking,
    /// It waits for a time.
    Sleeping,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
}

impl Status {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Asking => "asking",
            Self::Sleeping => "sleeping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
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
            execution.version = recorded.id.version;
            execution.touched = recorded.ts;
            execution.apply(recorded.event()?);
        }
        Some(execution)
    }

    /// An execution that has just been started.
    pub fn begin(id: ExecutionId, started: ExecutionStarted, at: Timestamp) -> Self {
        Self {
            id,
            started,
            steps: BTreeMap::new(),
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
                self.steps.insert(e.path.clone(), step);
            }
            Event::EffectRequested(e) => {
                let mut step = Step::new(&e.op, &e.args, e.line, e.class);
                step.due = e.due;
                self.steps.insert(e.path.clone(), step);
            }
            Event::QuestionAsked(e) => {
                self.on(&e.path, |step| step.question = Some(e.clone()));
            }
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
            Event::TimerFired(e) => self.complete(&e.path, e.result.clone()),
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
            | Event::InvitesDeclined(_)
            | Event::RoomJoined(_)
            | Event::RoomFollowed(_)
            | Event::RoomLeft(_)
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

    /// The first result wins.
    fn complete(&mut self, path: &str, result: EffectResult) {
        self.ready = true;
        self.on(path, |step| {
            step.under_way = false;
            step.result.get_or_insert(result);
        });
    }

    fn resolve(&mut self, path: &str, resolution: Resolution) {
        self.on(path, |step| {
            step.in_doubt = false;
            step.result = match resolution {
                Resolution::Done => Some(EffectResult::Ok(Value::Null)),
                Resolution::Repeat => None,
                Resolution::GiveUp => step.result.take(),
            };
        });
        self.ready = resolution == Resolution::Done;
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        match &self.ending {
            Some(Ending::Succeeded(_)) => return Status::Succeeded,
            Some(Ending::Failed(_) | Ending::Diverged(_)) => return Status::Failed,
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

    /// The effect whose doubt ended the script, if nothing was done after it.
    pub fn last_doubt(&self) -> Option<&str> {
        let number = |path: &str| path.parse::<u64>().unwrap_or(0);
        let last = self.steps.iter().max_by_key(|(path, _)| number(path))?;
        last.1.in_doubt.then_some(last.0.as_str())
    }
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
mod tests {
    use super::super::event::{
        EffectCompleted, EffectInDoubt, EffectRecorded, EffectRequested, EffectResolved,
        EffectStarted, ExecutionFinished, ExecutionSuspended, ExecutionYielded, Failure, Payload,
        QuestionAnswered, TimerFired, decode,
    };
    use super::super::id::{EventId, MessageId, Position, PostId, StreamName, UserId};
    use super::*;

    fn recorded(n: usize, payload: Payload) -> Recorded {
        let at = Timestamp(n as i64 * 1_000);
        let stream = StreamName::parse("execution-E").unwrap();
        Recorded {
            position: Position(n as u64),
            id: EventId { stream, version: Version(n as u64) },
            kind: String::new(),
            schema: 1,
            ts: at,
            wall: at,
            epoch: 0,
            cause: None,
            correlation: None,
            actor: None,
            room: None,
            network: None,
            key: None,
            commitment: String::new(),
            payload,
        }
    }

    fn begun() -> Event {
        let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).unwrap();
        decode("execution_started", 1, list[0].clone()).unwrap()
    }

    /// One word an event, all of them about step 0.
    fn event(word: &str) -> Event {
        let path = || "0".to_owned();
        let (by, post) = (UserId("@ann:hs".into()), PostId("$1".into()));
        let asks = |class, due| {
            let (op, args) = ("exec".to_owned(), json!({ "action": "vm.stop" }));
            Event::from(EffectRequested { path: path(), op, args, line: 3, class, due })
        };
        let completed = |value: i64| {
            let result = EffectResult::Ok(json!(value));
            EffectCompleted { path: path(), attempt: 1, result, output: None, took_ms: 1 }.into()
        };
        let resolved = |resolution| EffectResolved { path: path(), resolution, by: by.clone() };
        let question = |wants| QuestionAsked {
            path: path(),
            wants,
            text: "?".into(),
            from: vec![by.clone()],
            choices: vec![],
            message: MessageId("M".into()),
        };
        match word {
            "started" => begun(),
            "says" => {
                let (op, result) = ("say".to_owned(), EffectResult::Ok(json!("M")));
                EffectRecorded { path: path(), op, args: Value::Null, line: 1, result }.into()
            }
            "acts" => asks(EffectClass::Once, None),
            "waits" => asks(EffectClass::Log, Some(Timestamp(9_000))),
            "asks" => question(Wants::YesNo).into(),
            "asks-doubt" => question(Wants::Doubt).into(),
            "begins" => EffectStarted { path: path(), attempt: 1 }.into(),
            "gives-1" => completed(1),
            "gives-2" => completed(2),
            "doubt" => EffectInDoubt { path: path(), attempt: 1 }.into(),
            "done" => resolved(Resolution::Done).into(),
            "repeat" => resolved(Resolution::Repeat).into(),
            "give-up" => resolved(Resolution::GiveUp).into(),
            "answers" => QuestionAnswered { path: path(), answer: json!(true), by, post }.into(),
            "fires" => {
                let result = EffectResult::Ok(Value::Null);
                TimerFired { path: path(), due: Timestamp(9_000), result }.into()
            }
            "yields" => ExecutionYielded {}.into(),
            "suspends" => ExecutionSuspended {}.into(),
            "succeeds" => ExecutionFinished { ending: Ending::Succeeded(Value::Null) }.into(),
            "diverges" => ExecutionFinished { ending: Ending::Diverged("x".into()) }.into(),
            "fails" => {
                let (kind, message, file) = ("error".into(), "x".into(), "t.rhai".into());
                let failure = Failure { kind, message, file, line: 1, column: 1 };
                ExecutionFinished { ending: Ending::Failed(failure) }.into()
            }
            other => panic!("no event {other}"),
        }
    }

    fn fold(words: &str) -> Execution {
        let payload = |word| Payload::Event(Box::new(event(word)));
        let words = words.split_whitespace().enumerate();
        let events: Vec<Recorded> = words.map(|(n, word)| recorded(n, payload(word))).collect();
        Execution::fold(&events).expect("it begins with its start")
    }

    /// Its status, and what step 0 gave.
    fn shown(execution: &Execution) -> String {
        let step = execution.steps.get("0");
        let result = step.and_then(|step| step.result.as_ref()).map(|result| match result {
            EffectResult::Ok(value) => format!("ok {value}"),
            EffectResult::Err(value) => format!("err {}", value["kind"]),
        });
        let doubt = if execution.last_doubt().is_some() { " in doubt" } else { "" };
        let result = result.unwrap_or_else(|| "-".into());
        format!("{} {result}{doubt}", execution.status().word())
    }

    #[test]
    fn events_fold_to_a_state() {
        for (words, want) in [
            ("started", "ready -"),
            ("started says yields", "ready ok \"M\""),
            ("started acts suspends", "running -"),
            ("started acts suspends begins", "running -"),
            ("started acts suspends begins gives-1", "ready ok 1"),
            ("started acts suspends begins gives-1 gives-2", "ready ok 1"),
            ("started waits suspends", "sleeping -"),
            ("started waits suspends fires", "ready ok null"),
            ("started waits asks suspends", "asking -"),
            ("started waits asks suspends answers", "ready ok true"),
            ("started waits asks suspends answers fires", "ready ok true"),
            ("started waits asks suspends fires answers", "ready ok null"),
            ("started succeeds", "succeeded -"),
            ("started acts suspends begins gives-1 fails", "failed ok 1"),
            ("started diverges", "failed -"),
        ] {
            assert_eq!(shown(&fold(words)), want, "{words}");
        }
    }

    #[test]
    fn a_doubt_is_resolved_by_a_person() {
        let doubt = "started acts suspends begins doubt";
        let asked = format!("{doubt} asks-doubt suspends");
        for (words, want) in [
            (doubt.to_owned(), "ready err \"in_doubt\" in doubt"),
            (asked.clone(), "asking err \"in_doubt\" in doubt"),
            (format!("{asked} answers"), "asking err \"in_doubt\" in doubt"),
            (format!("{asked} answers done"), "ready ok null"),
            (format!("{asked} answers repeat"), "running -"),
            (format!("{asked} answers repeat begins gives-2"), "ready ok 2"),
            (format!("{asked} answers give-up fails"), "failed err \"in_doubt\""),
        ] {
            assert_eq!(shown(&fold(&words)), want, "{words}");
        }
        let step = &fold(&format!("{asked} answers repeat")).steps["0"];
        assert!(step.wants_doing() && !step.under_way && !step.asks(), "{step:?}");
        let error = fold(doubt).steps["0"].result.clone();
        let Some(EffectResult::Err(error)) = error else { panic!("{error:?}") };
        assert_eq!(error["action"], "vm.stop");
    }

    #[test]
    fn a_fold_notes_when_and_how_far() {
        let execution = fold("started acts suspends");
        assert_eq!((execution.id.as_str(), execution.version), ("E", Version(2)));
        assert_eq!((execution.began, execution.touched), (Timestamp(0), Timestamp(2_000)));
    }

    #[test]
    fn what_cannot_be_read_is_no_execution() {
        let known = |word| Payload::Event(Box::new(event(word)));
        for (payloads, what) in [
            (vec![], "nothing"),
            (vec![Payload::Erased], "an erased start"),
            (vec![known("says")], "another start"),
            (vec![known("started"), Payload::Erased], "an erased event"),
            (vec![known("started"), Payload::Unknown(Value::Null)], "an unknown event"),
        ] {
            let events: Vec<Recorded> =
                payloads.into_iter().enumerate().map(|(n, it)| recorded(n, it)).collect();
            assert_eq!(Execution::fold(&events), None, "{what}");
        }
    }

    #[test]
    fn a_due_timer_gives_what_was_asked_for() {
        let late = json!({ "kind": "timed_out", "message": "nobody answered in time: Sure?" });
        for (op, args, want) in [
            ("sleep", json!({ "ms": 5 }), EffectResult::Ok(Value::Null)),
            ("sleep", json!({ "or_else": { "value": 1 } }), EffectResult::Ok(Value::Null)),
            ("ask", json!({ "or_else": { "value": "a" } }), EffectResult::Ok(json!("a"))),
            ("ask", json!({ "or_else": { "value": null } }), EffectResult::Ok(Value::Null)),
            (
                "ask",
                json!({ "question": "Sure?", "or_else": null }),
                EffectResult::Err(late.clone()),
            ),
            ("confirm", json!({ "question": "Sure?" }), EffectResult::Err(late)),
        ] {
            let step = Step::new(op, &args, 1, EffectClass::Log);
            assert_eq!(timer_result(&step), want, "{op} {args}");
        }
    }
}
