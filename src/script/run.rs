//! One slice of an execution: from its start through its journal to the next wait, or to the end.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, GlobalRuntimeState, Position};
use serde_json::{Value, json};

use super::closure::Closure;
use super::context::{self, Halt, HostResult, May, Permit, Recall, Silenced, Silences};
use super::engine::budgets;
use super::gauge::gauged;
use super::host;
use super::hot::Parking;
use super::journal::{Divergence, Entry, Journal, Noted, Tape};
use super::leaks;
use super::load::{Place, innermost, innermost_error};
use super::memory::{held, uncounted};
use super::missing;
use super::shape::can_be_kept;
use super::source::{ActionDef, Run as Handler, Script};
use crate::domain::event::{EffectResult, Failure};
use crate::domain::id::{ExecutionId, IdKey, Timestamp};

/// Largest value that a handler's return is kept as, in bytes of JSON.
pub const RETURNED_BYTES_MAX: usize = 64 * 1024;
/// Longest message of a failure, in characters.
pub const FAILURE_CHARS_MAX: usize = 2_000;
/// Longest kind of a failure, in characters.
const KIND_CHARS_MAX: usize = 40;

/// What a slice is run with.
pub struct Input {
    /// The execution.
    pub execution: ExecutionId,
    /// For ids that derive from it.
    pub key: IdKey,
    /// The time of this slice.
    pub now: Timestamp,
    /// What clocks on the wall show where the bot is.
    pub zone: TimeZone,
    /// The handler's `args`.
    pub args: Value,
    /// The handler's `msg`.
    pub msg: Value,
    /// What the log has.
    pub journal: Journal,
    /// The actions that `exec` can name.
    pub actions: Arc<BTreeMap<String, ActionDef>>,
    /// Says why an action may not run here, if so.
    pub permit: Permit,
    /// Reads what was remembered.
    pub recall: Recall,
    /// The error that the next wait ends in, if the execution was cancelled and the script has not met that yet.
    pub cancel: Option<Value>,
    /// Who may run what here.
    pub may: May,
    /// What is silenced.
    pub silenced: Silenced,
    /// Who may silence what here.
    pub silences: Silences,
    /// Whether it runs for a room that is encrypted.
    pub encrypted: bool,
}

/// What a slice did.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// Its effects, in order.
    pub entries: Vec<Entry>,
    /// Where it stopped.
    pub end: End,
    /// What it printed.
    pub printed: String,
    /// The bytes of the files that it attached, by the effect's place in the journal.
    pub files: BTreeMap<String, Arc<Vec<u8>>>,
}

/// Where a slice stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The handler returned.
    Returned(Value),
    /// An error that nothing caught; for an effect in doubt, which.
    Failed(Failure),
    /// It waits.
    Suspended,
    /// The slice is full.
    Yielded,
    /// It does not do what the log says.
    Diverged(Divergence),
}

/// Runs a handler of a script against a journal.
pub fn run(engine: &Engine, script: &Script, handler: &Handler, input: Input) -> Slice {
    run_here(engine, script, handler, input, None).0
}

/// The same on a thread on which it may wait: every slice is handed over there.
pub fn run_hot(
    engine: &Engine,
    script: &Script,
    handler: &Handler,
    input: Input,
    parking: Parking,
) {
    if let (slice, Some(parking)) = run_here(engine, script, handler, input, Some(parking)) {
        parking.end(slice);
    }
}

/// Gives the last slice, and where to hand it over, if anybody wants to know.
fn run_here(
    engine: &Engine,
    script: &Script,
    handler: &Handler,
    input: Input,
    parking: Option<Parking>,
) -> (Slice, Option<Parking>) {
    let budgets = budgets(engine);
    // What has begun goes on: it may have something to undo.
    if input.journal.is_empty()
        && let Some(message) = leaks::refusal(&script.hash, &budgets)
    {
        let end = failed(script, "limit", &message, 0, 0);
        let slice = Slice { entries: vec![], end, printed: String::new(), files: BTreeMap::new() };
        return (slice, parking);
    }
    let (args, msg) = (input.args.clone(), input.msg.clone());
    let slice_time = Duration::from_millis(budgets.slice_time_ms);
    let run = context::Run {
        execution: input.execution,
        key: input.key,
        now: input.now,
        zone: input.zone,
        tape: Tape::new(input.journal),
        halted: None,
        deadline: Instant::now() + slice_time,
        slice_time,
        consts: script.consts.clone(),
        actions: input.actions,
        permit: input.permit,
        recall: input.recall,
        memory: BTreeMap::new(),
        may: input.may,
        silenced: input.silenced,
        silences: input.silences,
        encrypted: input.encrypted,
        hushed: BTreeMap::new(),
        printed: String::new(),
        files: BTreeMap::new(),
        levels: 0,
        cancel: input.cancel,
        sagas: vec![],
        abandoned: vec![],
        undoing: 0,
        undone: vec![],
        parking,
    };
    let before = held();
    let body = || match handler {
        Handler::Handler(closure, takes) => call(engine, script, closure, *takes, &args, &msg),
        Handler::Action(name) => bare_action(engine, name, &args, &msg),
    };
    let caught = || context::with_run(run, || catch_unwind(AssertUnwindSafe(body)));
    let ((result, mut run), _) = gauged(None, caught);
    let result =
        result.map(|result| result.map_err(|why| missing_field(script, handler, &args, &msg, why)));
    let end = uncounted(|| ending(script, &run, &result));
    let printed = std::mem::take(&mut run.printed);
    let files = std::mem::take(&mut run.files);
    let parking = run.parking.take();
    let entries = run.tape.take_new();
    drop(result);
    (run.sagas, run.abandoned, run.undone) = Default::default();
    uncounted(|| drop(run));
    // All that the run made is freed by now, unless it holds itself.
    leaks::add(&script.hash, held().wrapping_sub(before));
    (Slice { end, printed, files, entries }, parking)
}

fn call(
    engine: &Engine,
    script: &Script,
    closure: &FnPtr,
    takes: usize,
    args: &Value,
    msg: &Value,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let args = rhai::serde::to_dynamic(args)?;
    let msg = rhai::serde::to_dynamic(msg)?;
    let Some(global) = &script.global else { return Ok(Dynamic::UNIT) };
    let closure = Closure { function: closure.clone(), global: GlobalRuntimeState::clone(global) };
    match takes {
        0 => closure.call_isolated(engine, []),
        1 => closure.call_isolated(engine, [args]),
        _ => closure.call_isolated(engine, [args, msg]),
    }
}

/// Says of a field that `args` or `msg` does not have what they have.
fn missing_field(
    script: &Script,
    handler: &Handler,
    args: &Value,
    msg: &Value,
    why: Box<EvalAltResult>,
) -> Box<EvalAltResult> {
    let Handler::Handler(closure, takes) = handler else { return why };
    let (name, position) = match innermost_error(&why) {
        // A place of a library is no place of this source.
        EvalAltResult::ErrorPropertyNotFound(name, position)
            if innermost(&why).library.is_none() =>
        {
            (name.clone(), *position)
        }
        _ => return why,
    };
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let (line, column) = (number(position.line()), number(position.position()));
    let function = script.ast.iter_functions().find(|f| f.name == closure.fn_name());
    let names = function.map_or(vec![], |f| f.params);
    let own = names.iter().skip(names.len().saturating_sub(*takes)).copied();
    let params: Vec<(&str, &Value)> = own.zip([args, msg]).collect();
    let inputs = [args, msg];
    let told = missing::field(script, &name, line, column, &params);
    match told.or_else(|| missing::elsewhere(script, &name, &inputs)) {
        Some(told) => EvalAltResult::ErrorRuntime(told.into(), position).into(),
        None => why,
    }
}

type Caught = std::thread::Result<Result<Dynamic, Box<EvalAltResult>>>;

fn failed(script: &Script, kind: &str, message: &str, line: u32, column: u32) -> End {
    let message = shortened(message, FAILURE_CHARS_MAX);
    let (kind, file) = (shortened(kind, KIND_CHARS_MAX), script.file.clone());
    End::Failed(Failure { kind, message, file, line, column })
}

fn ending(script: &Script, run: &context::Run, result: &Caught) -> End {
    let last = run.tape.last_line();
    match &run.halted {
        Some(Halt::Suspended) => return End::Suspended,
        Some(Halt::Yielded) => return End::Yielded,
        Some(Halt::Diverged(how)) => return End::Diverged(how.clone()),
        Some(Halt::Limit(what)) => return failed(script, "limit", what, last, 0),
        None => {}
    }
    let error = match result {
        Err(_) => return failed(script, "error", "the script engine broke off", last, 0),
        Ok(Err(error)) => error,
        Ok(Ok(value)) => {
            if let Some(how) = run.tape.unfinished() {
                return End::Diverged(how);
            }
            if !can_be_kept(value) {
                return End::Returned(json!("(a value that nests too deep)"));
            }
            let json = rhai::serde::from_dynamic::<Value>(value).unwrap_or(Value::Null);
            return End::Returned(match json.to_string().len() {
                bytes if bytes > RETURNED_BYTES_MAX => json!(format!("(a value of {bytes} bytes)")),
                _ => json,
            });
        }
    };
    let Place { message, position, library } = innermost(error);
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let thrown = host::error_value(error);
    let kind = thrown.get("kind").and_then(Value::as_str).unwrap_or(match innermost_error(error) {
        EvalAltResult::ErrorTooManyOperations(_)
        | EvalAltResult::ErrorStackOverflow(_)
        | EvalAltResult::ErrorDataTooLarge(..) => "limit",
        _ => "error",
    });
    let undone = run.undone.iter().filter(|it| it.error == message).flat_map(|it| &it.steps);
    let message = match undone.map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => message,
        undone => format!("{message}; undone: {}", undone.join(", ")),
    };
    let line = match number(position.line()) {
        0 => last,
        line => line,
    };
    let message = match library {
        // The line is one of the library's.
        Some(library) => format!("{message} (in {library})"),
        None => message,
    };
    failed(script, kind, &message, line, number(position.position()))
}

/// An alias that names an action and has no handler: run it, and tell the asker what it gave.
fn bare_action(engine: &Engine, name: &str, args: &Value, msg: &Value) -> HostResult {
    let mut params = args.clone();
    if let Some(map) = params.as_object_mut() {
        map.remove("extra");
        map.retain(|_, value| !value.is_null());
    }
    let given = match host::is_scripted(name) {
        true => {
            let call = json!({ "action": name, "params": params });
            match context::act("action", call, 2, |run, _| host::begin(run, name, &params)) {
                Some(EffectResult::Ok(begun)) => {
                    let value = host::perform(engine, Position::NONE, name, &begun, &params)?;
                    let value = rhai::serde::from_dynamic(&value).unwrap_or(Value::Null);
                    Some(EffectResult::Ok(value))
                }
                other => other,
            }
        }
        false => {
            let call = json!({ "action": name, "params": params, "timeout_ms": null });
            context::act("exec", call, 2, |run, _| host::request(run, name, &params))
        }
    };
    let who = msg["user"]["name"].as_str().unwrap_or("you");
    let text = match given {
        None => return Ok(Dynamic::UNIT),
        Some(EffectResult::Ok(value)) => format!("{who}: {name} is done{}", shown(&value)),
        Some(EffectResult::Err(error)) => {
            let why = error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned);
            format!("{who}: {name} failed: {why}")
        }
    };
    let reply = json!({ "text": text });
    context::act("reply", reply, 2, |run, path| {
        let id = run.key.message(run.execution.as_str(), path);
        Noted::Done(EffectResult::Ok(Value::String(id.0)))
    });
    Ok(Dynamic::UNIT)
}

/// The beginning of a text that may be too long.
pub fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A result as people read it behind "is done".
fn shown(value: &Value) -> String {
    match value {
        Value::Null => ".".into(),
        Value::String(text) if text.trim().is_empty() => ".".into(),
        Value::String(text) if text.lines().count() > 1 => format!(":\n{}", text.trim_end()),
        Value::String(text) => format!(": {}", text.trim()),
        Value::Object(map) => {
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            let rows = map.iter().map(|(name, value)| format!("\n{name}: {}", text(value)));
            format!(":{}", rows.collect::<String>())
        }
        other => format!(": {other}"),
    }
}
