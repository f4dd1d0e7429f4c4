//! Catching up with judgement: what somebody commanded long ago is not run before they say that they still want it.
//!
//! Commands of one person in one room that come late within a short time are gathered in one execution, which asks once.

use serde_json::{Value, json};

use super::event::EffectResult;
use super::execution::Execution;
use super::id::{StreamName, Timestamp};

/// A command that comes later than this is asked about, unless configured.
pub const RUN_WITHIN_MS: i64 = 10 * 60 * 1000;
/// How long more late commands of the same person are waited for before they are asked.
pub const GATHER_MS: i64 = 5_000;
/// Most commands in one question; a trigger starts no more executions.
pub const HELD_MAX: usize = 32;
/// How long an answer is waited for.
pub const ANSWER_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// How much of a command is quoted, in characters.
const COMMAND_CHARS_SHOWN: usize = 80;

/// The path of the wait for more commands.
pub const GATHER: &str = "gather";
/// The path of the question.
pub const ASK: &str = "ask";
/// What a held command's step is called.
pub const HOLD: &str = "hold";
/// What the step is called that runs a held command.
pub const RUN: &str = "run";

/// A command that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its trigger.
    pub trigger: StreamName,
    /// When it was said.
    pub at: Timestamp,
    /// What was said.
    pub command: String,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// More commands may come.
    Gather,
    /// The person is to be asked this.
    Ask(String),
    /// The answer has not come yet.
    Wait,
    /// This command is wanted: it is decided on anew, under this path.
    Run(String, Held),
    /// All that was wanted has been decided on.
    Done,
    /// Nothing is run, and the person is told why.
    Leave(String),
}

impl Held {
    /// What its step is called with.
    pub fn args(&self) -> Value {
        json!({ "trigger": self.trigger.as_str(), "at": self.at.0, "command": self.command })
    }

    fn read(args: &Value) -> Option<Self> {
        Some(Self {
            trigger: StreamName::parse(args["trigger"].as_str()?).ok()?,
            at: Timestamp(args["at"].as_i64()?),
            command: args["command"].as_str()?.to_owned(),
        })
    }

    /// The command, or its beginning.
    pub fn shown_command(&self) -> String {
        let mut text: String = self.command.chars().take(COMMAND_CHARS_SHOWN).collect();
        if text.len() < self.command.len() {
            text.push('…');
        }
        text
    }

    /// For people: `restart web1`, 28 minutes ago.
    fn shown(&self, now: Timestamp) -> String {
        let text = self.shown_command();
        format!("“{text}”, {} ago ({} UTC)", ago(now.0.saturating_sub(self.at.0)), clock(self.at))
    }
}

/// The commands that an execution holds back, in the order in which they came.
pub fn held(execution: &Execution) -> Vec<Held> {
    let steps = (0..HELD_MAX).map_while(|n| execution.steps.get(&hold_path(n)));
    steps.filter_map(|step| Held::read(&step.args)).collect()
}

/// The path of the nth held command.
pub fn hold_path(n: usize) -> String {
    format!("{HOLD}-{n}")
}

/// Whether one more command of the same person can be added before they are asked.
pub fn takes_more(execution: &Execution) -> bool {
    let asked = execution.steps.contains_key(ASK);
    execution.ending.is_none() && !asked && held(execution).len() < HELD_MAX
}

/// What an execution that catches up does next.
pub fn next(execution: &Execution, now: Timestamp) -> Next {
    let result = |path: &str| execution.steps.get(path).map(|step| step.result.as_ref());
    let held = held(execution);
    match (result(GATHER).flatten(), result(ASK)) {
        (None, _) => Next::Gather,
        (Some(_), None) => Next::Ask(question(&held, now)),
        (Some(_), Some(None)) => Next::Wait,
        (Some(_), Some(Some(EffectResult::Ok(Value::Bool(true))))) => {
            let open = |n: &usize| !execution.steps.contains_key(&format!("{RUN}-{n}"));
            match (0..held.len()).find(open) {
                Some(n) => Next::Run(format!("{RUN}-{n}"), held[n].clone()),
                None => Next::Done,
            }
        }
        (Some(_), Some(Some(EffectResult::Ok(_)))) => Next::Leave("Then I leave it.".into()),
        (Some(_), Some(Some(EffectResult::Err(_)))) => {
            let commands: Vec<String> = held.iter().map(|held| held.shown(now)).collect();
            Next::Leave(format!("Nobody answered, so I did not run {}.", commands.join("; ")))
        }
    }
}

fn question(held: &[Held], now: Timestamp) -> String {
    match held {
        [one] => {
            format!(
                "I got this only now and have not run it: {}. Do you still want it?",
                one.shown(now)
            )
        }
        several => {
            let lines: Vec<String> =
                several.iter().map(|held| format!("• {}", held.shown(now))).collect();
            format!(
                "I got these only now and have not run them:\n{}\nDo you still want all of them? For some of them, say no and send those again.",
                lines.join("\n")
            )
        }
    }
}

/// A time span for people, rounded down.
pub(super) fn ago(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match minutes {
        0 => "less than a minute".into(),
        1..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// The time of day.
pub(super) fn clock(at: Timestamp) -> String {
    let minutes = at.0.div_euclid(60_000);
    format!("{:02}:{:02}", minutes.div_euclid(60).rem_euclid(24), minutes.rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EffectClass;
    use crate::domain::event::{
        EffectRecorded, EffectRequested, Event, ExecutionStarted, QuestionAnswered, TimerFired,
        decode,
    };
    use crate::domain::id::{ExecutionId, PostId, UserId};

    const MINUTE: i64 = 60_000;

    fn begun() -> ExecutionStarted {
        let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).expect("it is JSON");
        match decode("execution_started", 1, list[0].clone()) {
            Ok(Event::ExecutionStarted(started)) => started,
            other => panic!("{other:?}"),
        }
    }

    /// `h` a command is held, `g` no more are waited for, `q` it is asked, `y` `n` `t` the answer or none, `r` one was run.
    fn after(events: &str) -> Execution {
        let mut execution =
            Execution::begin(ExecutionId("E".into()), begun(), Timestamp(30 * MINUTE));
        let (mut holds, mut runs) = (0, 0);
        for event in events.chars() {
            let recorded = |path: String, op: &str, args: Value| {
                let (op, result) = (op.to_owned(), EffectResult::Ok(Value::Null));
                Event::from(EffectRecorded { path, op, args, line: 0, result })
            };
            let answered = |answer: bool| {
                let (path, post) = (ASK.to_owned(), PostId("$1".into()));
                let (answer, by) = (Value::Bool(answer), UserId("@ann:hs".into()));
                Event::from(QuestionAnswered { path, answer, by, post })
            };
            let fired = |path: &str, result| {
                Event::from(TimerFired { path: path.into(), due: Timestamp(0), result })
            };
            let requested = |path: &str, op: &str| {
                let (path, op) = (path.to_owned(), op.to_owned());
                let (args, class, due) = (json!({}), EffectClass::Log, Some(Timestamp(0)));
                Event::from(EffectRequested { path, op, args, line: 0, class, due, decision: None })
            };
            match event {
                'h' => {
                    if holds == 0 {
                        execution.apply(&requested(GATHER, "sleep"));
                    }
                    let stream = StreamName::parse(&format!("trigger-{holds}")).expect("a name");
                    let at = Timestamp(holds as i64 * MINUTE);
                    let held = Held { trigger: stream, at, command: format!("do {holds}") };
                    execution.apply(&recorded(hold_path(holds), HOLD, held.args()));
                    holds += 1;
                }
                'g' => execution.apply(&fired(GATHER, EffectResult::Ok(Value::Null))),
                'q' => execution.apply(&requested(ASK, "confirm")),
                'y' => execution.apply(&answered(true)),
                'n' => execution.apply(&answered(false)),
                't' => execution.apply(&fired(ASK, EffectResult::Err(json!({})))),
                'r' => {
                    execution.apply(&recorded(format!("{RUN}-{runs}"), RUN, json!({})));
                    runs += 1;
                }
                other => panic!("{other}"),
            }
        }
        execution
    }

    #[test]
    fn late_commands_are_gathered_asked_about_once_and_run_one_by_one() {
        for (events, more, want) in [
            ("h", true, "Gather"),
            ("hh", true, "Gather"),
            (
                "hg",
                true,
                "Ask(\"I got this only now and have not run it: “do 0”, 30 min ago (00:00 UTC). Do",
            ),
            (
                "hhg",
                true,
                "Ask(\"I got these only now and have not run them:\\n• “do 0”, 30 min ago (00:00 UTC)\\n• “do 1”, 29 min",
            ),
            ("hhgq", false, "Wait"),
            ("hhgqy", false, "Run(\"run-0\", Held { trigger: StreamName(\"trigger-0\")"),
            ("hhgqyr", false, "Run(\"run-1\", Held { trigger: StreamName(\"trigger-1\")"),
            ("hhgqyrr", false, "Done"),
            ("hgqn", false, "Leave(\"Then I leave it.\")"),
            (
                "hgqt",
                false,
                "Leave(\"Nobody answered, so I did not run “do 0”, 30 min ago (00:00 UTC).\")",
            ),
        ] {
            let execution = after(events);
            let got = format!("{:?}", next(&execution, Timestamp(30 * MINUTE)));
            assert!(got.starts_with(want), "{events}: {got}");
            assert_eq!(takes_more(&execution), more, "{events}");
        }
    }

    #[test]
    fn a_question_has_a_bounded_number_of_commands() {
        assert!(takes_more(&after(&"h".repeat(HELD_MAX - 1))));
        assert!(!takes_more(&after(&"h".repeat(HELD_MAX))));
    }

    #[test]
    fn time_spans_are_for_people() {
        for (minutes, want) in [
            (-3, "less than a minute"),
            (0, "less than a minute"),
            (11, "11 min"),
            (119, "119 min"),
            (121, "2 h"),
            (47 * 60, "47 h"),
            (49 * 60, "2 days"),
        ] {
            assert_eq!(ago(minutes * MINUTE), want, "{minutes}");
        }
        assert_eq!(clock(Timestamp((14 * 60 + 2) * MINUTE)), "14:02");
    }
}
