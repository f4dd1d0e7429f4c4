//! The criteria of a rule: a closure over a trigger's fields that does nothing but give true or false.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rhai::{Dynamic, Engine, EvalAltResult, GlobalRuntimeState};
use serde_json::Value;

use super::closure::Closure;
use super::engine::budgets;
use super::gauge::gauged;
use super::load::innermost;
use super::missing;
use super::source::{RuleDef, Script};

/// What a host function says that is used where nothing may happen.
const NO_EFFECTS: &str = "cannot be used at the top level: put it in a handler";

/// Whether the criteria of a rule hold for a trigger; a rule without criteria always holds.
///
/// # Errors
/// What they threw, or that they gave no true or false, with the place.
pub fn holds(
    engine: &Engine,
    script: &Script,
    rule: &RuleDef,
    fields: &Value,
) -> Result<bool, String> {
    let (Some(when), Some(global)) = (&rule.when, &script.global) else { return Ok(true) };
    let budgets = budgets(engine);
    let closure = Closure { function: when.clone(), global: GlobalRuntimeState::clone(global) };
    let body = || {
        let fields = rhai::serde::to_dynamic(fields)?;
        closure.call_isolated(engine, [fields])
    };
    let time = Duration::from_millis(budgets.slice_time_ms);
    let (ran, over) = gauged(Some(time), || catch_unwind(AssertUnwindSafe(body)));
    match (ran, over) {
        (_, Some(over)) => Err(over.words(&budgets)),
        (Err(_), None) => Err("the script engine broke off".to_owned()),
        (Ok(Err(why)), None) => Err(told(script, rule, fields, &why)),
        (Ok(Ok(value)), None) => verdict(&value),
    }
}

fn verdict(value: &Dynamic) -> Result<bool, String> {
    value.as_bool().map_err(|kind| format!("they give {kind}, not true or false"))
}

/// What went wrong, and in which line.
fn told(script: &Script, rule: &RuleDef, fields: &Value, why: &EvalAltResult) -> String {
    let place = innermost(why);
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let (line, column) = (number(place.position.line()), number(place.position.position()));
    let missing = match (super::load::innermost_error(why), &rule.when, place.library.is_none()) {
        (EvalAltResult::ErrorPropertyNotFound(name, _), Some(when), true) => {
            let function = script.ast.iter_functions().find(|f| f.name == when.fn_name());
            let params: Vec<(&str, &Value)> =
                function.iter().filter_map(|f| Some((*f.params.last()?, fields))).collect();
            missing::field(script, name, line, column, &params)
        }
        _ => None,
    };
    let message = missing.unwrap_or(place.message);
    let message = message.replace(NO_EFFECTS, "cannot be used in criteria: put it in the handler");
    match line {
        0 => message,
        line => format!("{message} (line {line})"),
    }
}
