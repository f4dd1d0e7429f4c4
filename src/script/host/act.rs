//! Doing things and waiting: `exec`, `sleep`; and what a run knows of itself: `now`, `execution`.

use rhai::{Dynamic, Engine, EvalAltResult, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{self, HostResult, Run, effect, error, to_json};
use super::super::journal::Noted;
use super::super::shape::can_be_kept;
use super::milliseconds;
use super::question::known_options;
use crate::domain::alias_index::damerau;
use crate::domain::event::{EffectClass, EffectResult};

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
        .register_fn("sleep", |call: NativeCallContext, time: Dynamic| sleep(&call, &time))
        // The engine's own `sleep` takes numbers and stops the thread: ours must fit them as exactly.
        .register_fn("sleep", |call: NativeCallContext, time: i64| sleep(&call, &time.into()))
        .register_fn("sleep", |call: NativeCallContext, time: f64| sleep(&call, &time.into()))
        .register_fn("now", |call: NativeCallContext| {
            effect(&call, "now", Value::Null, 1, |run, _| {
                Noted::Done(EffectResult::Ok(json!(run.now.0)))
            })
        })
        .register_fn("execution", |call: NativeCallContext| {
            context::current(|run| run.execution.short().to_owned())
                .ok_or_else(|| error(&call, "`execution` cannot be used at the top level"))
        })
        .register_fn("exit", |call: NativeCallContext| no_exit(&call))
        .register_fn("exit", |call: NativeCallContext, _: Dynamic| no_exit(&call));
}

fn sleep(call: &NativeCallContext, time: &Dynamic) -> HostResult<()> {
    let ms = milliseconds(time).map_err(|why| error(call, why))?;
    effect(call, "sleep", json!({ "ms": ms }), 1, |run, _| Noted::Waits {
        class: EffectClass::Log,
        due: Some(run.now.plus_ms(ms)),
    })
    .map(|_| ())
}

/// The engine's own `exit` ends a run without a trace.
fn no_exit(call: &NativeCallContext) -> HostResult<()> {
    Err(error(call, "`exit` is not available: end a handler with `return`"))
}

fn exec(call: &NativeCallContext, action: &str, params: &Dynamic, options: &Map) -> HostResult {
    known_options(call, "exec", options, &["timeout"])?;
    let timeout = options.get("timeout").map(milliseconds).transpose();
    let timeout = timeout.map_err(|why| error(call, format!("timeout: {why}")))?;
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
        let near = run.actions.keys().filter(|name| damerau(name, action) <= 3);
        let near = near.min_by_key(|name| damerau(name, action));
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
