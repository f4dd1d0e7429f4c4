//! Orders: what somebody tells the bot from the command line of its machine instead of in a room.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::builtin::Builtin;
use super::event::{EffectClass, EffectResult, Ending, ExecutionStarted};
use super::execution::{Execution, Step};
use super::id::{DedupeKey, ExecutionId, RoomId, Timestamp, UserId};
use super::switch_command::SwitchCommand;
use super::trigger::{Place, Speaker, Trigger, Trust, What};

/// The network of the command line. Nothing is sent there: who orders something is shown what came of it.
pub const NETWORK: &str = "cli";
/// Most steps of an earlier try that are told of.
pub const BEFORE_MAX: usize = 20;

/// Something ordered by a user of the bot's machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The command line, as a place.
    pub place: Place,
    /// Who: `cli:ann`.
    pub speaker: Speaker,
    /// What.
    pub what: OrderKind,
}

/// The kinds of order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Stop an execution; its script can undo what it did.
    Cancel {
        /// Which.
        execution: ExecutionId,
        /// Why; empty: they did not say.
        reason: String,
        /// It ends where it stands, and nothing is undone.
        force: bool,
    },
    /// Do once more what an execution was to do, with the scripts of today.
    Retry {
        /// Which.
        execution: ExecutionId,
        /// Even if something of it may have been done: nobody knows.
        in_doubt_too: bool,
    },
    /// Run an action by itself.
    RunAction {
        /// Which.
        action: String,
        /// Its parameters.
        params: Value,
    },
    /// Let a named trigger happen.
    Emit {
        /// Its name.
        name: String,
        /// Its fields.
        fields: Map<String, Value>,
    },
    /// Switch automation off or on.
    Switch(SwitchCommand),
}

impl Order {
    /// An order of a user: `cli:ann`.
    pub fn new(by: &UserId, what: OrderKind) -> Self {
        let name = by.as_str().rsplit(':').next().unwrap_or_default().to_owned();
        let place = Place {
            network: NETWORK.into(),
            room: RoomId(NETWORK.into()),
            name: "command line".into(),
            thread: None,
            direct: true,
            encrypted: false,
        };
        let (id, network) = (by.clone(), NETWORK.to_owned());
        let speaker =
            Speaker { id, name, network, account: None, trust: Trust::Account, claims: vec![] };
        Self { place, speaker, what }
    }

    /// The trigger that it is; `nonce` tells it from the same order given again.
    pub fn trigger(self, at: Timestamp, nonce: &str) -> Trigger {
        let key = DedupeKey::new(&["order", self.speaker.id.as_str(), nonce]);
        Trigger { key, at, late: false, what: What::Order(self) }
    }

    /// In words: `retry 4F7K2Q9A`.
    pub fn words(&self) -> String {
        match &self.what {
            OrderKind::Cancel { execution, .. } => format!("cancel {}", execution.short()),
            OrderKind::Retry { execution, .. } => format!("retry {}", execution.short()),
            OrderKind::RunAction { action, .. } => format!("run {action}"),
            OrderKind::Emit { name, .. } => format!("emit {name}"),
            OrderKind::Switch(switch) => {
                let way = if switch.on { "on" } else { "off" };
                format!("{} {way} {}", switch.kind.word(), switch.name)
            }
        }
    }
}

/// The handler's name of an action that was ordered by itself.
pub fn handler_of(action: &str) -> String {
    format!("action {action}")
}

/// The action that an execution was started for by itself, if it was.
pub fn ordered_action(started: &ExecutionStarted) -> Option<&str> {
    let ordered = started.place.network == NETWORK;
    started.handler.alias.strip_prefix("action ").filter(|_| ordered)
}

/// Why an execution is not tried again, if so.
pub fn retry_refusal(execution: &Execution, in_doubt_too: bool) -> Option<String> {
    let short = execution.id.short();
    let doubtful = || in_doubt(execution).next();
    match &execution.ending {
        _ if Builtin::of(&execution.started.handler).is_some_and(Builtin::gathers) => {
            Some(format!("{short} began by itself, nobody asked for it"))
        }
        None => Some(format!("{short} has not ended: cancel it first")),
        Some(Ending::Succeeded(_)) => {
            Some(format!("{short} succeeded: give its command again instead"))
        }
        Some(Ending::Failed(_) | Ending::Diverged(_) | Ending::Cancelled { .. }) if in_doubt_too => None,
        Some(Ending::Failed(_) | Ending::Diverged(_) | Ending::Cancelled { .. }) => doubtful().map(|step| {
            let what = called(step);
            format!("nobody knows whether {what} was done in {short}: look, and say --in-doubt-too if it may be done again")
        }),
    }
}

/// The effects that may have been done: nobody knows.
fn in_doubt(execution: &Execution) -> impl Iterator<Item = &Step> {
    execution.steps.values().filter(|step| step.in_doubt)
}

/// What an execution did outside, in words: who tries it again should know.
pub fn done_before(execution: &Execution) -> Vec<String> {
    let told = |(_, step): (&String, &Step)| {
        let outside = matches!(step.class, EffectClass::Once | EffectClass::Idempotent);
        let state = match &step.result {
            _ if !outside || step.attempt == 0 => return None,
            _ if step.in_doubt => "nobody knows whether it was done",
            Some(EffectResult::Ok(_)) => "done",
            Some(EffectResult::Err(_)) => "failed",
            None => "begun",
        };
        Some(format!("{}: {state}", called(step)))
    };
    execution.steps.iter().filter_map(told).take(BEFORE_MAX).collect()
}

/// An effect by its action.
fn called(step: &Step) -> &str {
    step.args["action"].as_str().unwrap_or(&step.op)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::event::{
        EffectCompleted, EffectInDoubt, EffectRequested, EffectStarted, Event, ExecutionFinished,
        ExecutionStarted, Failure, decode,
    };
    use super::*;

    /// One word an event; a step is `once-3`, `read-3` and so on, then `done`, `fails` or `doubt` of it.
    fn after(words: &str) -> Execution {
        let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).expect("it is JSON");
        let started: ExecutionStarted = match decode("execution_started", 1, list[0].clone()) {
            Ok(Event::ExecutionStarted(started)) => started,
            other => panic!("{other:?}"),
        };
        let mut execution =
            Execution::begin(ExecutionId("4F7K2Q9AXX".into()), started, Timestamp(0));
        let mut last = String::new();
        for word in words.split_whitespace() {
            let path = || last.clone();
            let completed = |result| EffectCompleted {
                path: path(),
                attempt: 1,
                result,
                output: None,
                took_ms: 1,
            };
            let ended = |ending| Event::from(ExecutionFinished { ending });
            let event = match word {
                "done" => completed(EffectResult::Ok(Value::Null)).into(),
                "fails" => completed(EffectResult::Err(json!({}))).into(),
                "doubt" => EffectInDoubt { path: path(), attempt: 1 }.into(),
                "succeeded" => ended(Ending::Succeeded(Value::Null)),
                "cancelled" => {
                    let by = UserId("cli:ann".into());
                    ended(Ending::Cancelled { by, reason: String::new() })
                }
                "diverged" => ended(Ending::Diverged("x".into())),
                "failed" => {
                    let (kind, message, file) = ("error".into(), "x".into(), "t.rhai".into());
                    let failure = Failure { kind, message, file, line: 1, column: 1 };
                    ended(Ending::Failed(failure))
                }
                step => {
                    let (class, path) = step.split_once('-').expect("a class and a path");
                    last = path.to_owned();
                    let class = serde_json::from_value(json!(class)).expect("a class");
                    let args = json!({ "action": format!("vm.{path}") });
                    let (path, op) = (last.clone(), "exec".to_owned());
                    let asked = EffectRequested {
                        path,
                        op,
                        args,
                        line: 1,
                        class,
                        due: None,
                        decision: None,
                    };
                    execution.apply(&asked.into());
                    EffectStarted { path: last.clone(), attempt: 1 }.into()
                }
            };
            execution.apply(&event);
        }
        execution
    }

    #[test]
    fn what_did_not_succeed_is_tried_again_unless_nobody_knows_what_was_done() {
        for (events, in_doubt_too, want) in [
            ("failed", false, "no"),
            ("diverged", false, "no"),
            ("cancelled", false, "no"),
            ("once-1 done failed", false, "no"),
            ("once-1", false, "4F7K2Q9A has not ended: cancel it first"),
            ("succeeded", false, "4F7K2Q9A succeeded: give its command again instead"),
            ("once-1 doubt failed", true, "no"),
            ("once-1 doubt", true, "4F7K2Q9A has not ended: cancel it first"),
            (
                "once-1 doubt failed",
                false,
                "nobody knows whether vm.1 was done in 4F7K2Q9A: look, and say --in-doubt-too if it may be done again",
            ),
        ] {
            let got = retry_refusal(&after(events), in_doubt_too);
            assert_eq!(got.as_deref().unwrap_or("no"), want, "{events}");
        }
    }

    #[test]
    fn what_began_by_itself_is_not_tried_again() {
        let mut execution = after("failed");
        execution.started.handler = Builtin::CatchUp.handler();
        let why = retry_refusal(&execution, true).expect("it is refused");
        assert!(why.contains("began by itself"), "{why}");
    }

    #[test]
    fn what_was_done_before_is_told() {
        let many: String = (100..=100 + BEFORE_MAX).map(|n| format!("once-{n} done ")).collect();
        for (events, want) in [
            ("failed", vec![]),
            ("read-1 done failed", vec![]),
            ("once-1 done idempotent-2 fails failed", vec!["vm.1: done", "vm.2: failed"]),
            ("once-1 doubt failed", vec!["vm.1: nobody knows whether it was done"]),
        ] {
            assert_eq!(done_before(&after(events)), want, "{events}");
        }
        assert_eq!(done_before(&after(&many)).len(), BEFORE_MAX);
    }

    #[test]
    fn the_same_order_given_again_is_another_trigger() {
        let what = || OrderKind::Retry { execution: ExecutionId("E".into()), in_doubt_too: false };
        let trigger =
            |nonce| Order::new(&UserId("cli:ann".into()), what()).trigger(Timestamp(1), nonce);
        assert_eq!(trigger("a").key, trigger("a").key);
        assert_ne!(trigger("a").key, trigger("b").key);
        let ordered = trigger("a");
        assert_eq!(ordered.speaker().map(|who| who.name.as_str()), Some("ann"));
        assert!(!ordered.is_older_than(0, Timestamp(i64::MAX)), "an order is never late");
    }
}
