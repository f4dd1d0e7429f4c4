//! Remembering: `remember`, `recall`, `forget`. Values belong to the script, or to a room or a person, and survive restarts.

use rhai::{Dynamic, Engine, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, effect, error, to_json};
use super::super::journal::Noted;
use super::milliseconds;
use super::table::{HostFn, Kind, Param, form, method, p};
use crate::domain::event::EffectResult;

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// Largest value in bytes of JSON.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// The effect and the memory's own event.
const WRITTEN_EVENTS: usize = 2;

/// Whose memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The script's own.
    Script,
    /// That of the room in which the command was said; every script can use it.
    Room,
    /// That of the person who said it; every script can use it.
    User,
}

/// `memory`, as scripts see it.
#[derive(Debug, Clone, Copy)]
pub struct Memories;

const MEMORY: Kind = Kind::Type("Memory");
const ON: Param = p("memory.room", MEMORY);
const KEY: Param = p("key", Kind::Text);
const VALUE: Param = p("value", Kind::Any);
const TIME: Param = p("time", Kind::Duration);

/// What a script can remember.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "remember",
        forms: &[
            form(&[KEY, VALUE], Kind::Unit),
            form(&[KEY, VALUE, TIME], Kind::Unit),
            method(ON, &[KEY, VALUE], Kind::Unit),
            method(ON, &[KEY, VALUE, TIME], Kind::Unit),
        ],
        help: "Keeps a value for this script, for ever or for some time; `memory.room` and `memory.user` keep it for the room or the person, for every script.",
        example: "remember(\"last\", \"web001\", \"7d\");\nmemory.user.remember(\"size\", \"small\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "recall",
        forms: &[form(&[KEY], Kind::Any), method(ON, &[KEY], Kind::Any)],
        help: "What was remembered, or ().",
        example: "let last = recall(\"last\") ?? \"nothing yet\";\nlet size = memory.user.recall(\"size\") ?? \"small\";\nreply(`${last}, ${size}`);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "changed",
        forms: &[form(&[KEY, VALUE], Kind::Bool)],
        help: "Whether a value is another one than the last time; it is remembered. The first time nothing has changed.",
        example: "if changed(\"version\", \"1.27\") { reply(\"there is a new version\"); }",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "forget",
        forms: &[form(&[KEY], Kind::Unit), method(ON, &[KEY], Kind::Unit)],
        help: "Forgets it.",
        example: "forget(\"last\");\nmemory.room.forget(\"topic\");",
        ..HostFn::EFFECT
    },
];

impl Scope {
    /// As the journal has it; the script's own is not named.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Script => None,
            Self::Room => Some("room"),
            Self::User => Some("user"),
        }
    }

    /// The scope that a word of the journal names.
    pub fn of(word: Option<&str>) -> Self {
        match word {
            Some("room") => Self::Room,
            Some("user") => Self::User,
            _ => Self::Script,
        }
    }
}

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_type_with_name::<Scope>("Memory")
        .register_type_with_name::<Memories>("Memories")
        .register_get("room", |_: &mut Memories| Scope::Room)
        .register_get("user", |_: &mut Memories| Scope::User)
        .register_get("script", |_: &mut Memories| Scope::Script)
        .register_fn("remember", |call: Call, key: &str, value: Dynamic| {
            write(&call, Scope::Script, key, &value, None)
        })
        .register_fn("remember", |call: Call, key: &str, value: Dynamic, time: Dynamic| {
            write(&call, Scope::Script, key, &value, Some(&time))
        })
        .register_fn("remember", |call: Call, of: Scope, key: &str, value: Dynamic| {
            write(&call, of, key, &value, None)
        })
        .register_fn(
            "remember",
            |call: Call, of: Scope, key: &str, value: Dynamic, time: Dynamic| {
                write(&call, of, key, &value, Some(&time))
            },
        )
        .register_fn("forget", |call: Call, key: &str| {
            write(&call, Scope::Script, key, &Dynamic::UNIT, None)
        })
        .register_fn("forget", |call: Call, of: Scope, key: &str| {
            write(&call, of, key, &Dynamic::UNIT, None)
        })
        .register_fn("changed", |call: Call, key: &str, value: Dynamic| changed(&call, key, &value))
        .register_fn("recall", |call: Call, key: &str| recall(&call, Scope::Script, key))
        .register_fn("recall", |call: Call, of: Scope, key: &str| recall(&call, of, key));
}

fn good_key(call: &NativeCallContext, key: &str) -> HostResult<()> {
    match key.is_empty() || key.len() > KEY_BYTES_MAX {
        true => Err(error(call, format!("a key has 1 to {KEY_BYTES_MAX} bytes"))),
        false => Ok(()),
    }
}

/// The arguments as the journal has them.
fn scoped(mut args: Value, of: Scope) -> Value {
    if let Some(word) = of.word() {
        args["scope"] = json!(word);
    }
    args
}

fn recall(call: &NativeCallContext, of: Scope, key: &str) -> HostResult {
    good_key(call, key)?;
    effect(call, "recall", scoped(json!({ "key": key }), of), 1, |run, _| {
        let value = match run.memory.get(&(of, key.to_owned())) {
            Some(value) => Ok(value.clone()),
            None => (run.recall)(of, key),
        };
        Noted::Done(match value {
            Ok(value) => EffectResult::Ok(value),
            Err(why) => EffectResult::Err(Value::String(why)),
        })
    })
}

/// Whether a value differs from what was remembered; what is new is remembered.
fn changed(call: &NativeCallContext, key: &str, value: &Dynamic) -> HostResult<bool> {
    let known = to_json(call, &recall(call, Scope::Script, key)?)?;
    let same = known == to_json(call, value)?;
    if !same {
        write(call, Scope::Script, key, value, None)?;
    }
    Ok(!same && !known.is_null())
}

fn write(
    call: &NativeCallContext,
    of: Scope,
    key: &str,
    value: &Dynamic,
    time: Option<&Dynamic>,
) -> HostResult<()> {
    good_key(call, key)?;
    let ms = time.map(milliseconds).transpose().map_err(|why| error(call, why))?;
    let value = to_json(call, value)?;
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES_MAX {
        let most = VALUE_BYTES_MAX;
        return Err(error(call, format!("a value may have {most} bytes, this one has {bytes}")));
    }
    let args = scoped(json!({ "key": key, "value": value, "for_ms": ms }), of);
    effect(call, "remember", args, WRITTEN_EVENTS, |run, _| {
        run.memory.insert((of, key.to_owned()), value.clone());
        Noted::Done(EffectResult::Ok(Value::Null))
    })
    .map(|_| ())
}
