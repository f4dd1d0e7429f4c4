//! Doing things and waiting: `exec`, `sleep`.

use rhai::{Dynamic, Engine, EvalAltResult, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, Run, effect, error, to_json};
use super::super::journal::Noted;
use super::super::shape::can_be_kept;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, form, opt, p, thrown};
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
        options: &[opt(
            "timeout",
            Kind::Duration,
            "how long it may take, instead of what the action says",
        )],
        class: Some(EffectClass::Once),
        errors: &[
            thrown(
                "failed",
                "the program ended with a status other than 0, or could not be started",
            ),
            thrown("timed_out", "it took too long and was stopped"),
            thrown("in_doubt", "the bot died while it ran, and it must not be repeated"),
            thrown("bad_parameters", "a parameter is missing, unknown or of the wrong type"),
            thrown("unknown", "there is no such action"),
            thrown("refused", "actions may not run in this room"),
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
    let timeout = Options::of(call, "exec", options)?.duration("timeout")?;
    let params = to_json(call, params)?;
    let args = json!({ "action": action, "params": params, "timeout_ms": timeout });
    effect(call, "exec", args, 1, |run, _| request(run, action, &params))
}

/// Whether an action may run with these parameters.
pub fn request(run: &mut Run, action: &str, params: &Value) -> Noted {
    let refused = |kind: &str, message: String| {
        let error = json!({ "kind": kind, "action": action, "message": message });
        Noted::Done(EffectResult::Err(error))
    };
    let Some(def) = run.actions.get(action) else {
        let near = nearest(action, run.actions.keys().map(String::as_str));
        let hint = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
        return refused("unknown", format!("there is no action `{action}`{hint}"));
    };
    if let Some(why) = &run.exec_refused {
        return refused("refused", why.clone());
    }
    match def.command_line(params) {
        Err(why) => refused("bad_parameters", why),
        Ok(_) => Noted::Waits { class: def.effect, due: None },
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
