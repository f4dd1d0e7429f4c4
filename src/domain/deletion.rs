//! Deleted commands: what still waits is cancelled, what runs may be stopped, and then what was said is erased.
//!
//! An execution of its own does it, one step after the other, so that a deletion survives a stop; it holds no word of
//! what was deleted.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::EffectResult;
use super::execution::Execution;
use super::id::{DedupeKey, ExecutionId, PostId};
use super::trigger::{Place, Speaker};

/// Most executions of one command that a deletion looks after; the others end when it is erased.
pub const EXECUTIONS_MAX: usize = 16;
/// So long a script may undo what it did after its command was deleted; then it ends where it stands.
pub const UNDO_MS_MAX: i64 = 10 * 60_000;
/// The host function's name under which it is noted that an execution's end is waited for.
pub const ENDED: &str = "ended";
/// The path of what was found when the deletion began.
pub const FOUND: &str = "found";
/// The path of the question whether what runs is to be stopped.
pub const STOP: &str = "stop";
/// The path under which it is noted that what was found was cancelled.
pub const CANCELLED: &str = "cancelled";
/// The path of the erasure.
pub const ERASE: &str = "erase";

/// That a post was deleted which led to something that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// Where.
    pub place: Place,
    /// Who deleted it.
    pub by: Speaker,
    /// The post.
    pub post: PostId,
    /// The keys that it and its edits were heard with.
    pub keys: Vec<DedupeKey>,
    /// Why, for the record of the erasure.
    pub reason: String,
}

/// An execution of a deleted command as it stands when the deletion begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Its id.
    pub execution: ExecutionId,
    /// The action that is under way; none: it only waits.
    pub runs: Option<String>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Look for what is not over, and note it.
    Look,
    /// Ask whether what runs is to be stopped.
    Ask(Found),
    /// Cancel all that was found, and note it.
    Cancel(Vec<ExecutionId>),
    /// End these where they stand: they have had their time.
    Force(Vec<ExecutionId>),
    /// Wait for an answer, or for the end of what was found.
    Wait,
    /// Erase what was said.
    Erase,
    /// All is done.
    Finish,
}

/// What the execution that looks after a deletion is started with.
pub fn args(deletion: &Deletion) -> Value {
    json!({ "keys": deletion.keys, "reason": deletion.reason })
}

/// The path under which it is noted that an execution was ended where it stood.
pub fn forced_path(id: &ExecutionId) -> String {
    format!("forced-{id}")
}

/// The path under which an execution's end is waited for.
pub fn ended_path(id: &ExecutionId) -> String {
    format!("{ENDED}-{id}")
}

/// The keys of what is to be erased, and why.
pub fn target(execution: &Execution) -> (Vec<DedupeKey>, String) {
    let args = &execution.started.args;
    let keys = serde_json::from_value(args["keys"].clone()).unwrap_or_default();
    (keys, args["reason"].as_str().unwrap_or_default().to_owned())
}

/// What was found when it began.
pub fn found(execution: &Execution) -> Vec<Found> {
    match execution.steps.get(FOUND).and_then(|step| step.result.as_ref()) {
        Some(EffectResult::Ok(found)) => serde_json::from_value(found.clone()).unwrap_or_default(),
        Some(EffectResult::Err(_)) | None => vec![],
    }
}

/// What an execution does next that looks after a deletion.
pub fn next(execution: &Execution) -> Next {
    let has = |path: &str| execution.steps.contains_key(path);
    let result = |path: &str| execution.steps.get(path).and_then(|step| step.result.as_ref());
    if !has(FOUND) {
        return Next::Look;
    }
    let found = found(execution);
    let over = |id: &ExecutionId| {
        matches!(result(&ended_path(id)), Some(EffectResult::Ok(_))) || has(&forced_path(id))
    };
    let open: Vec<ExecutionId> =
        found.iter().map(|it| it.execution.clone()).filter(|id| !over(id)).collect();
    if open.is_empty() {
        return match result(ERASE) {
            Some(_) => Next::Finish,
            None if has(ERASE) => Next::Wait,
            None => Next::Erase,
        };
    }
    if has(CANCELLED) {
        let late = |id: &ExecutionId| matches!(result(&ended_path(id)), Some(EffectResult::Err(_)));
        let late: Vec<ExecutionId> = open.into_iter().filter(late).collect();
        return if late.is_empty() { Next::Wait } else { Next::Force(late) };
    }
    match (found.iter().find(|it| it.runs.is_some()), result(STOP)) {
        (None, _) | (Some(_), Some(EffectResult::Ok(Value::Bool(true)))) => Next::Cancel(open),
        (Some(running), None) if !has(STOP) => Next::Ask(running.clone()),
        (Some(_), _) => Next::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{
        EffectClass, EffectCompleted, EffectRecorded, EffectRequested, Event, TimerFired, decode,
    };
    use super::super::id::Timestamp;
    use super::*;

    fn begun() -> Execution {
        let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).expect("it is JSON");
        let started = match decode("execution_started", 1, list[0].clone()) {
            Ok(Event::ExecutionStarted(started)) => started,
            other => panic!("{other:?}"),
        };
        let started = super::super::event::ExecutionStarted { args: json!({}), ..started };
        Execution::begin(ExecutionId("D".into()), started, Timestamp(0))
    }

    /// `found A:make B` · `asked` · `said true` · `cancelled` · `ended A` · `late A` · `forced A` · `erase` · `erased`.
    fn apply(execution: &mut Execution, step: &str) {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let id = ExecutionId(rest.to_owned());
        let noted = |path: &str, result: Value| {
            let (path, op, args) = (path.to_owned(), path.to_owned(), json!({}));
            EffectRecorded { path, op, args, line: 0, result: EffectResult::Ok(result) }.into()
        };
        let requested = |path: &str| {
            let (path, op, args) = (path.to_owned(), path.to_owned(), json!({}));
            EffectRequested {
                path,
                op,
                args,
                line: 0,
                class: EffectClass::Log,
                due: None,
                decision: None,
            }
            .into()
        };
        let completed = |path: &str, result: Value| {
            let (path, result) = (path.to_owned(), EffectResult::Ok(result));
            EffectCompleted { path, attempt: 0, result, output: None, took_ms: 0 }.into()
        };
        let event: Event = match word {
            "found" => {
                let one = |word: &str| {
                    let (id, runs) =
                        word.split_once(':').map_or((word, None), |(a, b)| (a, Some(b)));
                    Found { execution: ExecutionId(id.into()), runs: runs.map(str::to_owned) }
                };
                let found: Vec<Found> = rest.split_whitespace().map(one).collect();
                for it in &found {
                    execution.apply(&requested(&ended_path(&it.execution)));
                }
                noted(FOUND, json!(found))
            }
            "asked" => requested(STOP),
            "said" => completed(STOP, json!(rest == "true")),
            "cancelled" => noted(CANCELLED, Value::Null),
            "ended" => completed(&ended_path(&id), Value::Null),
            "late" => {
                let result = EffectResult::Err(json!({ "kind": "timed_out" }));
                TimerFired { path: ended_path(&id), due: Timestamp(0), result }.into()
            }
            "forced" => noted(&forced_path(&id), Value::Null),
            "erase" => requested(ERASE),
            "erased" => completed(ERASE, Value::Null),
            other => panic!("{other}"),
        };
        execution.apply(&event);
    }

    #[test]
    fn what_waits_is_cancelled_what_runs_is_asked_about_and_all_is_erased() {
        for (steps, want) in [
            ("", "look"),
            ("found", "erase"),
            ("found A B", "cancel A B"),
            ("found A / cancelled", "wait"),
            ("found A / cancelled / ended A", "erase"),
            ("found A / cancelled / late A", "force A"),
            ("found A / cancelled / late A / forced A", "erase"),
            ("found A:make B", "ask A make"),
            ("found A:make / asked", "wait"),
            ("found A:make / asked / said false", "wait"),
            ("found A:make B / asked / said true", "cancel A B"),
            ("found A:make B / asked / said true / cancelled / ended B", "wait"),
            // It came to its end before anybody answered.
            ("found A:make / asked / ended A", "erase"),
            ("found A:make / asked / ended A / erase", "wait"),
            ("found A:make / asked / ended A / erase / erased", "finish"),
        ] {
            let mut execution = begun();
            for step in steps.split(" / ").filter(|step| !step.is_empty()) {
                apply(&mut execution, step);
            }
            let ids =
                |ids: Vec<ExecutionId>| ids.iter().map(|id| format!(" {id}")).collect::<String>();
            let next = match next(&execution) {
                Next::Look => "look".into(),
                Next::Ask(it) => format!("ask {} {}", it.execution, it.runs.unwrap_or_default()),
                Next::Cancel(open) => format!("cancel{}", ids(open)),
                Next::Force(late) => format!("force{}", ids(late)),
                Next::Wait => "wait".into(),
                Next::Erase => "erase".into(),
                Next::Finish => "finish".into(),
            };
            assert_eq!(next, want, "{steps}");
        }
    }
}
