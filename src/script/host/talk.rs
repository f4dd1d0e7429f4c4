//! Saying things: `say`, `reply`, `progress`.

use rhai::{Dynamic, Engine, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, Run, effect, error};
use super::super::journal::Noted;
use super::table::{HostFn, Kind, Param, form, method, p};
use crate::domain::event::EffectResult;

/// Longest text that one call may say, in bytes of JSON.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 - 1024;
/// An effect and the message that it becomes.
const SAID_EVENTS: usize = 2;

/// A message that changes.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The id of the message.
    pub message: String,
}

const PROGRESS: Kind = Kind::Type("Progress");
const ON: Param = p("p", PROGRESS);

/// What a script can say.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "say",
        forms: &[
            form(&[p("text", Kind::Any)], Kind::Text),
            form(&[p("room", Kind::Text), p("text", Kind::Any)], Kind::Text),
        ],
        help: "Says something in the room of the command, or in another.",
        example: "say(\"good morning\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "reply",
        forms: &[form(&[p("text", Kind::Any)], Kind::Text)],
        help: "Answers the person who asked.",
        example: "reply(\"done\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "progress",
        forms: &[form(&[p("text", Kind::Any)], PROGRESS)],
        help: "Says something that changes: `.update(text, percent)`, `.done(text)`, `.fail(text)`.",
        example: "let p = progress(\"working\");\np.done(\"done\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "update",
        forms: &[
            method(ON, &[p("text", Kind::Any)], Kind::Unit),
            method(ON, &[p("text", Kind::Any), p("percent", Kind::Int)], Kind::Unit),
        ],
        help: "Changes a progress.",
        example: "let p = progress(\"working\");\np.update(\"booting\", 40);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "done",
        forms: &[method(ON, &[p("text", Kind::Any)], Kind::Unit)],
        help: "Ends a progress well.",
        example: "let p = progress(\"working\");\np.done(\"it is up\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "fail",
        forms: &[method(ON, &[p("text", Kind::Any)], Kind::Unit)],
        help: "Ends a progress badly.",
        example: "let p = progress(\"working\");\np.fail(\"it is down\");",
        ..HostFn::EFFECT
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("say", |call: NativeCallContext, said: Dynamic| {
            let text = text(&call, &said)?;
            speak(&call, "say", json!({ "text": text }))
        })
        .register_fn("say", |call: NativeCallContext, room: &str, said: Dynamic| {
            let text = text(&call, &said)?;
            speak(&call, "say", json!({ "room": room, "text": text }))
        })
        .register_fn("reply", |call: NativeCallContext, said: Dynamic| {
            let text = text(&call, &said)?;
            speak(&call, "reply", json!({ "text": text }))
        })
        .register_type_with_name::<Progress>("Progress")
        .register_fn("progress", |call: NativeCallContext, said: Dynamic| -> HostResult {
            let text = text(&call, &said)?;
            let post = speak(&call, "progress", json!({ "text": text }))?;
            let message = post.into_string().map_err(|_| error(&call, "progress gives a post"))?;
            Ok(Dynamic::from(Progress { message }))
        })
        .register_fn("update", |call: NativeCallContext, on: Progress, said: Dynamic| {
            change(&call, "update", &on, &said, Value::Null)
        })
        .register_fn(
            "update",
            |call: NativeCallContext, on: Progress, said: Dynamic, percent: i64| {
                change(&call, "update", &on, &said, json!(percent.clamp(0, 100)))
            },
        )
        .register_fn("done", |call: NativeCallContext, on: Progress, said: Dynamic| {
            change(&call, "done", &on, &said, Value::Null)
        })
        .register_fn("fail", |call: NativeCallContext, on: Progress, said: Dynamic| {
            change(&call, "fail", &on, &said, Value::Null)
        });
}

/// A value as the text that people read.
fn text(call: &NativeCallContext, value: &Dynamic) -> HostResult<String> {
    let text = match value.clone().into_string() {
        Ok(text) => text,
        Err("()") => return Err(error(call, "there is nothing to say: the value is ()")),
        Err(_) => value.to_string(),
    };
    let is = Value::String(text.clone()).to_string().len() - "\"\"".len();
    if is > TEXT_BYTES_MAX {
        let most = TEXT_BYTES_MAX;
        return Err(error(call, format!("a message may have {most} bytes, this one has {is}")));
    }
    Ok(text)
}

fn speak(call: &NativeCallContext, op: &str, args: Value) -> HostResult {
    effect(call, op, args, SAID_EVENTS, |run, path| {
        Noted::Done(EffectResult::Ok(Value::String(message(run, path))))
    })
}

/// The id of what is said at a place of the journal.
fn message(run: &Run, path: &str) -> String {
    run.key.message(run.execution.as_str(), path).0
}

fn change(
    call: &NativeCallContext,
    op: &str,
    progress: &Progress,
    said: &Dynamic,
    percent: Value,
) -> HostResult<()> {
    let text = text(call, said)?;
    let args = json!({ "progress": progress.message, "text": text, "percent": percent });
    let noted = |_: &mut Run, _: &str| Noted::Done(EffectResult::Ok(Value::Null));
    effect(call, op, args, SAID_EVENTS, noted).map(|_| ())
}
