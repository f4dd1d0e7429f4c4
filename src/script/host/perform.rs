//! Actions that are written in Rhai: their effects are their caller's, at the same places of the same journal.
//!
//! Which version of the script ran is an entry of the journal, so that a replay runs the same one whatever is declared by then.

use rhai::{Engine, EvalAltResult, Position};
use serde_json::{Value, json};

use super::super::action::{ActionDef, Body};
use super::super::closure::Closure;
use super::super::context::{self, HostResult, Run};
use super::super::journal::Noted;
use super::act::refusal;
use crate::domain::event::EffectResult;

/// Deepest nesting of actions that are written in Rhai.
pub const ACTION_LEVELS_MAX: usize = 8;

/// Under which name an execution finds an action in the version of a script that it is pinned to.
pub fn pinned(action: &str, script: &str) -> String {
    format!("{action}@{script}")
}

/// What the journal keeps of an action that is written in Rhai: which version runs.
pub fn begin(run: &mut Run, action: &str, params: &Value) -> Noted {
    match refusal(run, action, params) {
        Err(error) => Noted::Done(EffectResult::Err(error)),
        Ok(def) => Noted::Done(EffectResult::Ok(json!({ "script": def.script }))),
    }
}

/// Runs the closure of an action in the version that the journal names.
pub fn perform(
    engine: &Engine,
    at: Position,
    action: &str,
    begun: &Value,
    params: &Value,
) -> HostResult {
    let fails = |what: String| -> Box<EvalAltResult> {
        EvalAltResult::ErrorRuntime(what.into(), at).into()
    };
    let script = begun["script"].as_str().unwrap_or_default();
    let found = context::current(|run| version(run, action, script)).flatten();
    let found = found.and_then(|(def, body)| Some((def, body.global.clone()?, body)));
    let Some((def, global, body)) = found else {
        return Err(fails(format!("version {script} of the action {action} is not in the log")));
    };
    let args = def.complete(params).map_err(fails)?;
    let entered = context::current(|run| {
        let fits = run.levels < ACTION_LEVELS_MAX;
        run.levels += usize::from(fits);
        fits.then(|| std::mem::replace(&mut run.consts, body.consts.clone()))
    });
    let Some(consts) = entered.flatten() else {
        return Err(fails(format!("actions may call one another {ACTION_LEVELS_MAX} deep")));
    };
    let args = rhai::serde::to_dynamic(Value::Object(args))?;
    let closure = Closure { function: body.function.clone(), global: (*global).clone() };
    let given = match body.takes {
        0 => closure.call_isolated(engine, []),
        _ => closure.call_isolated(engine, [args]),
    };
    context::current(|run| {
        run.levels -= 1;
        run.consts = consts;
    });
    given
}

/// The action as that version of its script declares it.
fn version(run: &Run, action: &str, script: &str) -> Option<(ActionDef, Body)> {
    let now = run.actions.get(action).filter(|def| def.script.as_str() == script);
    let def = now.or_else(|| run.actions.get(&pinned(action, script)))?;
    Some((def.clone(), def.body.clone()?))
}
