//! Remembering: `remember`, `recall`, `forget`. Values belong to the script and survive restarts.

use rhai::{Dynamic, Engine, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, effect, error, to_json};
use super::super::journal::Noted;
use super::milliseconds;
use super::table::{HostFn, Kind, form, p};
use crate::domain::event::EffectResult;

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// Largest value in bytes of JSON.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// The effect and the memory's own event.
const WRITTEN_EVENTS: usize = 2;

/// What a script can remember.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "remember",
        forms: &[
            form(&[p("key", Kind::Text), p("value", Kind::Any)], Kind::Unit),
            form(
                &[p("key", Kind::Text), p("value", Kind::Any), p("time", Kind::Duration)],
                Kind::Unit,
            ),
        ],
        help: "Keeps a value for this script, for ever or for some time.",
        example: "remember(\"last\", \"web001\", \"7d\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "recall",
        forms: &[form(&[p("key", Kind::Text)], Kind::Any)],
        help: "What was remembered, or ().",
        example: "let last = recall(\"last\") ?? \"nothing yet\";\nreply(`the last one was ${last}`);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "forget",
        forms: &[form(&[p("key", Kind::Text)], Kind::Unit)],
        help: "Forgets it.",
        example: "forget(\"last\");",
        ..HostFn::EFFECT
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("remember", |call: NativeCallContext, key: &str, value: Dynamic| {
            write(&call, key, &value, None)
        })
        .register_fn(
            "remember",
            |call: NativeCallContext, key: &str, value: Dynamic, time: Dynamic| {
                let ms = milliseconds(&time).map_err(|why| error(&call, why))?;
                write(&call, key, &value, Some(ms))
            },
        )
        .register_fn("forget", |call: NativeCallContext, key: &str| {
            write(&call, key, &Dynamic::UNIT, None)
        })
        .register_fn("recall", |call: NativeCallContext, key: &str| -> HostResult {
            good_key(&call, key)?;
            effect(&call, "recall", json!({ "key": key }), 1, |run, _| {
                let value = match run.memory.get(key) {
                    Some(value) => Ok(value.clone()),
                    None => (run.recall)(key),
                };
                Noted::Done(match value {
                    Ok(value) => EffectResult::Ok(value),
                    Err(why) => EffectResult::Err(Value::String(why)),
                })
            })
        });
}

fn good_key(call: &NativeCallContext, key: &str) -> HostResult<()> {
    match key.is_empty() || key.len() > KEY_BYTES_MAX {
        true => Err(error(call, format!("a key has 1 to {KEY_BYTES_MAX} bytes"))),
        false => Ok(()),
    }
}

fn write(call: &NativeCallContext, key: &str, value: &Dynamic, ms: Option<i64>) -> HostResult<()> {
    good_key(call, key)?;
    let value = to_json(call, value)?;
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES_MAX {
        let most = VALUE_BYTES_MAX;
        return Err(error(call, format!("a value may have {most} bytes, this one has {bytes}")));
    }
    let args = json!({ "key": key, "value": value, "for_ms": ms });
    effect(call, "remember", args, WRITTEN_EVENTS, |run, _| {
        run.memory.insert(key.to_owned(), value);
        Noted::Done(EffectResult::Ok(Value::Null))
    })
    .map(|_| ())
}
