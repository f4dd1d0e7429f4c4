//! Undoing: `saga` runs steps, and if it fails or is cancelled, undoes those that were done, the last one first.
//!
//! Each undo is noted when it begins and when it has ended, so that a crash in the middle of one goes on there.

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{self, HostResult, UndoneFor, effect, error, stop, top_level};
use super::super::journal::Noted;
use super::super::load::innermost;
use super::super::run::shortened;
use super::error_value;
use super::group::catchable;
use super::table::{HostFn, Kind, form, p, thrown};
use crate::domain::event::EffectResult;
use crate::domain::execution::{CANCELLED, UNDO, UNDONE};

/// What can be undone.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "saga",
        forms: &[form(&[p("body", Kind::Function)], Kind::Any)],
        errors: &[
            thrown("", "what ended it, as it is, when its steps are undone"),
            thrown(
                "undo_failed",
                "a step could not be undone; `error` is what ended it, `failed` a list of `#{ step, error }`",
            ),
        ],
        help: "Runs steps; after an error or a cancel, those that were done or may have been done are undone, the last one first.",
        example: "saga(|| {\n    step(\"make it\", || exec(\"cloud.create_vm\", #{ name: \"web001\" }), || reply(\"I take it down again\"));\n    exec(\"disk.free\");\n});",
        ..HostFn::WAITS
    },
    HostFn {
        name: "step",
        forms: &[form(
            &[p("name", Kind::Text), p("body", Kind::Function), p("undo", Kind::Function)],
            Kind::Any,
        )],
        errors: &[thrown("", "what the closure throws, as it is")],
        help: "Does something inside of a `saga`, and says how it is undone; gives what the first closure gives.",
        example: "saga(|| step(\"make it\", || exec(\"cloud.create_vm\", #{ name: \"web001\" }), || reply(\"I take it down again\")));",
        ..HostFn::WAITS
    },
];

/// Most steps of the sagas that a script is in.
pub const STEPS_MAX: usize = 100;
/// Longest name of a step in bytes.
pub const STEP_BYTES_MAX: usize = 200;
/// Longest message of a failed undo that is kept, in characters.
const ERROR_CHARS_MAX: usize = 1_000;

/// What is to be done if the saga fails.
#[derive(Clone)]
pub struct Undo {
    step: String,
    /// Nobody knows whether the step was done.
    maybe: bool,
    undo: FnPtr,
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("saga", |call: NativeCallContext, body: FnPtr| saga(&call, &body))
        .register_fn("step", |call: NativeCallContext, name: &str, body: FnPtr, undo: FnPtr| {
            step(&call, name, &body, undo)
        });
}

/// Calls a closure; it stands as it is unless the run has halted.
fn called(call: &NativeCallContext, body: &FnPtr) -> Result<HostResult, Box<EvalAltResult>> {
    let result = body.call_within_context::<Dynamic>(call, ());
    match halted() {
        true => Err(stop(call.call_position())),
        false => Ok(result),
    }
}

fn halted() -> bool {
    context::current(|run| run.halted.is_some()).unwrap_or(false)
}

fn saga(call: &NativeCallContext, body: &FnPtr) -> HostResult {
    let begun = context::current(|run| {
        run.sagas.push(vec![]);
        run.abandoned.len()
    });
    let start = begun.ok_or_else(|| top_level(call, "saga"))?;
    let result = called(call, body);
    let undos = context::current(|run| run.sagas.pop()).flatten().unwrap_or_default();
    if result.is_err() && abandoned() {
        leave(undos, start);
        return Err(stop(call.call_position()));
    }
    match result? {
        Err(why) if catchable(&why) => Err(undo_all(call, why, undos, start)?),
        result => result,
    }
}

fn step(call: &NativeCallContext, name: &str, body: &FnPtr, undo: FnPtr) -> HostResult {
    let steps =
        context::current(|run| run.sagas.last().map(|_| run.sagas.iter().flatten().count()));
    let steps = steps.ok_or_else(|| top_level(call, "step"))?;
    let Some(steps) = steps else {
        let hint = "`step` stands in a saga: saga(|| { step(\"name\", || do, || undo); })";
        return Err(error(call, hint));
    };
    if steps >= STEPS_MAX {
        return Err(error(call, format!("sagas may have {STEPS_MAX} steps")));
    }
    if name.is_empty() || name.len() > STEP_BYTES_MAX {
        return Err(error(call, format!("the name of a step has 1 to {STEP_BYTES_MAX} bytes")));
    }
    note(call, "step", json!({ "name": name }))?;
    let undo = |maybe: bool| Undo { step: name.to_owned(), maybe, undo };
    let result = called(call, body);
    let maybe = match &result {
        Ok(Ok(_)) => Some(false),
        Ok(Err(why)) => maybe_done(why).then_some(true),
        // The step waits, and the group around it has decided: an action of it may be under way.
        Err(_) => {
            let outside = context::current(|run| run.tape.last_outside()).unwrap_or(false);
            (outside && abandoned()).then_some(true)
        }
    };
    if let Some(maybe) = maybe {
        context::current(|run| run.sagas.last_mut().map(|saga| saga.push(undo(maybe))));
    }
    result?
}

/// Whether the script is in a branch that waits while the group around it has decided: it comes no further.
fn abandoned() -> bool {
    context::current(|run| run.tape.frozen() && run.waits()).unwrap_or(false)
}

/// Undoes the steps of sagas that were in branches of a group, when the group has decided without them.
///
/// What was given up `before` belongs to a group around. In a branch that is given up itself nothing new is undone; what
/// the log has is met again, and the rest is left to the group around.
///
/// Gives what was undone, as people read it.
pub(super) fn undo_abandoned(call: &NativeCallContext, before: usize) -> HostResult<Vec<String>> {
    let left = context::current(|run| match run.tape.frozen() {
        true if run.tape.upcoming() != Some(UNDO) => vec![],
        _ => run.abandoned.split_off(before.min(run.abandoned.len())),
    });
    let left = left.unwrap_or_default();
    if left.is_empty() {
        return Ok(vec![]);
    }
    let (done, failed) = undo_each(call, left, before)?;
    match failed.is_empty() {
        true => Ok(done),
        false => Err(undo_failed(call, &error(call, "a branch was given up"), &failed)?),
    }
}

/// Whether what a step did may have been done although it failed: in doubt, or stopped while an action ran.
fn maybe_done(why: &EvalAltResult) -> bool {
    let error = error_value(why);
    match error["kind"].as_str() {
        Some("in_doubt") => true,
        Some("timed_out" | CANCELLED) => error["action"].is_string(),
        _ => false,
    }
}

/// Undoes what was done; gives the error that the saga ends with.
fn undo_all(
    call: &NativeCallContext,
    why: Box<EvalAltResult>,
    undos: Vec<Undo>,
    start: usize,
) -> HostResult<Box<EvalAltResult>> {
    let before = innermost(&why).message;
    let (done, failed) = undo_each(call, undos, start)?;
    let ended = match failed.is_empty() {
        true => why,
        false => undo_failed(call, &why, &failed)?,
    };
    context::current(|run| {
        // What sagas inside have undone for this error belongs to the one that goes on.
        let error = innermost(&ended).message;
        run.undone
            .iter_mut()
            .filter(|it| it.error == before)
            .for_each(|it| it.error.clone_from(&error));
        run.undone.push(UndoneFor { error, steps: done });
    });
    Ok(ended)
}

/// The steps that were undone, as people read them; and those that could not be, with their errors.
type Undone = (Vec<String>, Vec<(String, Value)>);

/// Runs undos, the last first; what a branch that is given up does not come to is left to the group around it.
fn undo_each(call: &NativeCallContext, mut undos: Vec<Undo>, start: usize) -> HostResult<Undone> {
    let (mut done, mut failed) = (vec![], vec![]);
    while let Some(undo) = undos.pop() {
        let error = match undo_one(call, &undo) {
            Ok(error) => error,
            Err(why) => {
                undos.push(undo);
                if abandoned() {
                    leave(undos, start);
                }
                return Err(why);
            }
        };
        if let Err(why) = note(call, UNDONE, json!({ "step": undo.step, "failed": error })) {
            // It has ended, and only that is not in the log: it is not done twice, unless it failed.
            undos.extend(error.is_some().then_some(undo));
            if abandoned() {
                leave(undos, start);
            }
            return Err(why);
        }
        match error {
            None if undo.maybe => {
                done.push(format!("{} (which may not have been done)", undo.step))
            }
            None => done.push(undo.step),
            Some(error) => failed.push((undo.step, error)),
        }
    }
    Ok((done, failed))
}

/// Leaves undos to the group around; what was left since `start` is newer than they are.
fn leave(undos: Vec<Undo>, start: usize) {
    context::current(|run| {
        let start = start.min(run.abandoned.len());
        run.abandoned.splice(start..start, undos);
    });
}

/// Runs one undo to its end; gives the error that it ended with, which stops no other undo.
fn undo_one(call: &NativeCallContext, undo: &Undo) -> HostResult<Option<Value>> {
    note(call, UNDO, json!({ "step": undo.step, "maybe": undo.maybe }))?;
    context::current(|run| run.undoing += 1);
    let result = called(call, &undo.undo);
    context::current(|run| run.undoing = run.undoing.saturating_sub(1));
    match result? {
        Ok(_) => Ok(None),
        Err(why) if catchable(&why) => Ok(Some(told(&why))),
        Err(why) => Err(why),
    }
}

fn note(call: &NativeCallContext, op: &str, args: Value) -> HostResult<()> {
    effect(call, op, args, 1, |_, _| Noted::Done(EffectResult::Ok(Value::Null))).map(drop)
}

/// An error as it is kept: its kind and its message.
fn told(why: &EvalAltResult) -> Value {
    let value = error_value(why);
    let message = innermost(why).message;
    let kind = value["kind"].as_str().unwrap_or("error");
    json!({ "kind": kind, "message": shortened(&message, ERROR_CHARS_MAX) })
}

fn undo_failed(
    call: &NativeCallContext,
    why: &EvalAltResult,
    failed: &[(String, Value)],
) -> HostResult<Box<EvalAltResult>> {
    let first = innermost(why).message;
    let words = failed.iter().map(|(step, error)| {
        format!("“{step}” could not be undone: {}", error["message"].as_str().unwrap_or_default())
    });
    let message = format!("{first}; {}", words.collect::<Vec<_>>().join("; "));
    let list = failed.iter().map(|(step, error)| json!({ "step": step, "error": error }));
    let list: Vec<Value> = list.collect();
    let mut error: Map = [
        ("kind".into(), Dynamic::from("undo_failed")),
        ("message".into(), Dynamic::from(message)),
        ("failed".into(), rhai::serde::to_dynamic(list)?),
    ]
    .into_iter()
    .collect();
    let original = rhai::serde::to_dynamic(error_value(why))?;
    error.insert("error".into(), original);
    Ok(EvalAltResult::ErrorRuntime(error.into(), call.call_position()).into())
}
