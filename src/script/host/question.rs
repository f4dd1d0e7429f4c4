//! Asking people: `ask`, `confirm`. The execution waits, for days if need be, and is not in memory meanwhile.

use rhai::{Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, effect, error, to_json};
use super::super::journal::Noted;
use super::{milliseconds, texts};
use crate::domain::event::EffectClass;

/// The wait, the question and the message that asks.
const ASKED_EVENTS: usize = 3;
/// Most choices of one question.
pub const CHOICES_MAX: usize = 20;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("ask", |call: NativeCallContext, question: &str| {
            put(&call, "ask", question, &Map::new())
        })
        .register_fn("ask", |call: NativeCallContext, question: &str, options: Map| {
            put(&call, "ask", question, &options)
        })
        .register_fn("confirm", |call: NativeCallContext, question: &str| {
            put(&call, "confirm", question, &Map::new())
        })
        .register_fn("confirm", |call: NativeCallContext, question: &str, options: Map| {
            put(&call, "confirm", question, &options)
        });
}

fn put(call: &NativeCallContext, op: &str, question: &str, options: &Map) -> HostResult {
    let known: &[&str] = match op {
        "ask" => &["from", "choices", "timeout", "or_else"],
        _ => &["from", "timeout", "or_else"],
    };
    known_options(call, op, options, known)?;
    let timeout = options.get("timeout").map(milliseconds).transpose();
    let timeout = timeout.map_err(|why| error(call, format!("timeout: {why}")))?;
    let choices = list(call, options, "choices")?;
    if choices.len() > CHOICES_MAX {
        return Err(error(call, format!("a question may have {CHOICES_MAX} choices")));
    }
    let or_else = options.get("or_else").map(|value| to_json(call, value)).transpose()?;
    let args = json!({
        "question": question,
        "from": list(call, options, "from")?,
        "choices": choices,
        "timeout_ms": timeout,
        "or_else": or_else.map_or(Value::Null, |value| json!({ "value": value })),
    });
    effect(call, op, args, ASKED_EVENTS, |run, _| Noted::Waits {
        class: EffectClass::Log,
        due: timeout.map(|ms| run.now.plus_ms(ms)),
    })
}

/// An option that is a text or a list of texts; without it, the empty list.
fn list(call: &NativeCallContext, options: &Map, name: &str) -> HostResult<Vec<String>> {
    options.get(name).map_or(Ok(vec![]), |value| texts(call, value, &format!("`{name}`")))
}

/// Refuses options that do not exist.
pub(super) fn known_options(
    call: &NativeCallContext,
    op: &str,
    options: &Map,
    known: &[&str],
) -> HostResult<()> {
    match options.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known = known.join(", ");
            Err(error(call, format!("`{op}` has no option `{name}`; it has {known}")))
        }
    }
}
