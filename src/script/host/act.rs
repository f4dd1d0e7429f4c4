//! Doing things and waiting: `exec`, `sleep`.

use rhai::{Dynamic, Engine, EvalAltResult, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::action::ActionDef;
use super::super::context::{self, HostResult, Run, effect, error, to_json};
use super::super::journal::Noted;
use super::super::shape::can_be_kept;
use super::options::Options;
use super::perform::{begin, perform};
use super::table::{HostFn, Kind, OPTIONS, form, opt, p, thrown};
use super::talk::Progress;
use super::{milliseconds, nearest};
use crate::domain::event::{EffectClass, EffectResult};

/// What a script can do and wait for.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "exec",
        forms: &[
            form(&[p("action", Kind::Text)], Kind::Any),
            form(&[p("action", Kind::Text), p("params", Kind::Map)], Kind::Any),
            form(&[p("action", Kind::Text), p("params", Kind::Map), OPTIONS], Kind::Any),
        ],
        options: &[
            opt(
                "timeout",
                Kind::Duration,
                "how long it may take, if that is less than what the action says",
            ),
            opt(
                "progress",
                Kind::Any,
                "where the last line that it prints is shown while it runs: a progress, or true for one of its own",
            ),
        ],
        class: Some(EffectClass::Once),
        errors: &[
            thrown("failed", "the program ended with a status other than 0"),
            thrown(
                "not_started",
                "the program or a secret of it is not there: nothing has happened",
            ),
            thrown("timed_out", "it took too long and was stopped"),
            thrown("in_doubt", "the bot died while it ran, and it must not be repeated"),
            thrown("bad_parameters", "a parameter is missing, unknown or of the wrong type"),
            thrown("unknown", "there is no such action"),
            thrown("refused", "policy does not allow it to whoever asked for it, where they did"),
        ],
        help: "Runs an action and gives what it gave; throws `#{ kind, action, message, code, output }`.",
        example: "let vm = exec(\"cloud.create_vm\", #{ name: \"web001\" }, #{ timeout: \"2m\" });\nreply(`${vm.id} is up`);",
        ..HostFn::WAITS
    },
    HostFn {
        name: "sleep",
        forms: &[form(&[p("time", Kind::Duration)], Kind::Unit)],
        help: "Waits, for a year at most.",
        example: "sleep(\"15m\");",
        ..HostFn::WAITS
    },
    HostFn {
        name: "exit",
        forms: &[form(&[], Kind::Unit), form(&[p("value", Kind::Any)], Kind::Unit)],
        errors: &[thrown("", "always")],
        help: "Is not available: end a handler with `return`.",
        example: "if msg.user.name == \"nobody\" { return; }",
        ..HostFn::PURE
    },
];

/// Longest time that a script may sleep.
pub const SLEEP_MS_MAX: i64 = 366 * 24 * 60 * 60 * 1000;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("exec", |call: NativeCallContext, action: &str| {
            exec(&call, action, &Map::new().into(), &Map::new())
        })
        .register_fn("exec", |call: NativeCallContext, action: &str, params: Map| {
            exec(&call, action, &params.into(), &Map::new())
        })
        .register_fn("exec", |call: NativeCallContext, action: &str, params: Map, options: Map| {
            exec(&call, action, &params.into(), &options)
        })
        .register_fn("sleep", |call: NativeCallContext, time: Dynamic| nap(&call, &time))
        // The engine's own `sleep` takes numbers and stops the thread: ours must fit them as exactly.
        .register_fn("sleep", |call: NativeCallContext, time: i64| nap(&call, &time.into()))
        .register_fn("sleep", |call: NativeCallContext, time: f64| nap(&call, &time.into()))
        .register_fn("exit", |call: NativeCallContext| no_exit(&call))
        .register_fn("exit", |call: NativeCallContext, _: Dynamic| no_exit(&call));
}

fn nap(call: &NativeCallContext, time: &Dynamic) -> HostResult<()> {
    let ms = waits_for(call, "sleep", time)?;
    sleep(call, ms).map(drop)
}

/// How long a function waits, in milliseconds.
pub(super) fn waits_for(call: &NativeCallContext, op: &str, time: &Dynamic) -> HostResult<i64> {
    let ms = milliseconds(time).map_err(|why| error(call, why))?;
    if ms > SLEEP_MS_MAX {
        let days = SLEEP_MS_MAX / (24 * 60 * 60 * 1000);
        return Err(error(call, format!("`{op}` waits for {days} days at most")));
    }
    Ok(ms)
}

/// Waits for a time.
pub(super) fn sleep(call: &NativeCallContext, ms: i64) -> HostResult {
    effect(call, "sleep", json!({ "ms": ms }), 1, |run, _| Noted::Waits {
        class: EffectClass::Log,
        due: Some(run.now.plus_ms(ms)),
    })
}

/// The engine's own `exit` ends a run without a trace.
fn no_exit(call: &NativeCallContext) -> HostResult<()> {
    Err(error(call, "`exit` is not available: end a handler with `return`"))
}

fn exec(call: &NativeCallContext, action: &str, params: &Dynamic, options: &Map) -> HostResult {
    let options = Options::of(call, "exec", options)?;
    let (timeout, progress) = (options.duration("timeout")?, shown_in(&options)?);
    let params = to_json(call, params)?;
    if is_scripted(action) {
        let args = json!({ "action": action, "params": params });
        // With what policies say of it, it becomes two events.
        let begun = effect(call, "action", args, 2, |run, _| begin(run, action, &params))?;
        let begun = to_json(call, &begun)?;
        return perform(call.engine(), call.call_position(), action, &begun, &params);
    }
    let mut args = json!({ "action": action, "params": params, "timeout_ms": timeout });
    if let (Some(progress), Some(map)) = (progress, args.as_object_mut()) {
        map.insert("progress".into(), progress);
    }
    // With its lock it becomes two events.
    effect(call, "exec", args, 2, |run, _| request(run, action, &params))
}

/// Where the lines that an action prints are shown: a message of the script, or true for one of its own.
fn shown_in(options: &Options) -> HostResult<Option<Value>> {
    let Some(value) = options.get("progress") else { return Ok(None) };
    if let Some(progress) = value.clone().try_cast::<Progress>() {
        return Ok(Some(Value::String(progress.message)));
    }
    match value.as_bool() {
        Ok(shown) => Ok(shown.then_some(Value::Bool(true))),
        Err(_) => Err(options.error("`progress` is what `progress(text)` gave, or true")),
    }
}

/// Whether the next thing that is run is written in Rhai: by the journal, and where that ends by the declarations.
pub fn is_scripted(action: &str) -> bool {
    let found = context::current(|run| match run.tape.upcoming() {
        Some(op) => op == "action",
        None => run.actions.get(action).is_some_and(|def| def.body.is_some()),
    });
    found.unwrap_or(false)
}

/// Why an action may not run with these parameters, or its declaration.
pub(super) fn refusal(run: &Run, action: &str, params: &Value) -> Result<ActionDef, Value> {
    let refused =
        |kind: &str, message: String| json!({ "kind": kind, "action": action, "message": message });
    let Some(def) = run.actions.get(action) else {
        // What an execution is pinned to stands beside what is offered, under names that no action can have.
        let names = run.actions.keys().map(String::as_str).filter(|name| !name.contains('@'));
        let near = nearest(action, names);
        let hint = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
        return Err(refused("unknown", format!("there is no action `{action}`{hint}")));
    };
    if let Some(why) = (run.permit)(def) {
        return Err(refused("refused", why));
    }
    match def.command_line(params) {
        Err(why) => Err(refused("bad_parameters", why)),
        Ok(_) => Ok(def.clone()),
    }
}

/// Asks for an action, or says why it may not run with these parameters.
pub fn request(run: &mut Run, action: &str, params: &Value) -> Noted {
    match refusal(run, action, params) {
        Err(error) => Noted::Done(EffectResult::Err(error)),
        Ok(def) => Noted::Waits { class: def.effect, due: None },
    }
}

/// What an uncaught error is made of, as JSON.
pub fn error_value(error: &EvalAltResult) -> Value {
    let mut inner = error;
    loop {
        match inner {
            EvalAltResult::ErrorInFunctionCall(_, _, below, _)
            | EvalAltResult::ErrorInModule(_, below, _) => inner = below,
            EvalAltResult::ErrorRuntime(value, _) if can_be_kept(value) => {
                let json = rhai::serde::from_dynamic::<Value>(value);
                return json.unwrap_or_else(|_| Value::String(value.to_string()));
            }
            other => return Value::String(other.to_string()),
        }
    }
}
