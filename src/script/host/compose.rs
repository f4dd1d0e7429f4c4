//! Small commands that make up big ones: `emit`, `wait_for`, `run`.

use rhai::{Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{self, HostResult, effect, error, to_json};
use super::super::journal::Noted;
use super::act::SLEEP_MS_MAX;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Param, form, opt, p, thrown};
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::named::{FIELDS_BYTES_MAX, OUTSIDE, bad_name};
use crate::domain::route::COMMAND_BYTES_MAX;

/// An effect and the trigger that it becomes.
const TRIGGER_EVENTS: usize = 2;

const TRIGGER: Param = p("trigger", Kind::Text);
const FIELDS: Param = p("fields", Kind::Map);

/// How executions work together.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "emit",
        forms: &[form(&[TRIGGER], Kind::Unit), form(&[TRIGGER, FIELDS], Kind::Unit)],
        errors: &[thrown("", "the name or the fields cannot be those of a trigger")],
        help: "Lets a named trigger happen: executions that wait for it go on.",
        example: "emit(\"deploy.finished\", #{ app: \"shop\", ok: true });",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "wait_for",
        forms: &[
            form(&[TRIGGER], Kind::Map),
            form(&[TRIGGER, FIELDS], Kind::Map),
            form(&[TRIGGER, FIELDS, OPTIONS], Kind::Map),
        ],
        options: &[opt("timeout", Kind::Duration, "how long to wait; for ever without it")],
        errors: &[thrown("timed_out", "it did not happen in time")],
        help: "Waits for a named trigger whose fields have these values, and gives all of its fields. What happened before does not count.",
        example: "let done = wait_for(\"deploy.finished\", #{ app: \"shop\" }, #{ timeout: \"1h\" });\nreply(to_json(done));",
        ..HostFn::WAITS
    },
    HostFn {
        name: "run",
        forms: &[form(&[p("command", Kind::Text)], Kind::Any)],
        errors: &[
            thrown("refused", "no command fits, or the person who asked may not run it here"),
            thrown("failed", "the command failed, with its `message` and `execution`"),
            thrown("cancelled", "somebody cancelled it"),
        ],
        help: "Runs a command as the person who asked, as an execution of its own, waits for its end and gives what its handler returned.",
        example: "let made = run(\"create vm web001 on aws\");",
        ..HostFn::WAITS
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_fn("emit", |call: Call, name: &str| emit(&call, name, &Map::new()))
        .register_fn("emit", |call: Call, name: &str, fields: Map| emit(&call, name, &fields))
        .register_fn("wait_for", |call: Call, name: &str| {
            wait_for(&call, name, &Map::new(), &Map::new())
        })
        .register_fn("wait_for", |call: Call, name: &str, fields: Map| {
            wait_for(&call, name, &fields, &Map::new())
        })
        .register_fn("wait_for", |call: Call, name: &str, fields: Map, options: Map| {
            wait_for(&call, name, &fields, &options)
        })
        // The language has `call` for closures.
        .register_fn("run", |call: Call, command: &str| run(&call, command));
}

/// The fields of a trigger, small enough for one.
fn fields(call: &NativeCallContext, name: &str, fields: &Map) -> HostResult<Value> {
    if let Some(why) = bad_name(name) {
        return Err(error(call, why));
    }
    let json = to_json(call, &fields.clone().into())?;
    match json.to_string().len() {
        is if is > FIELDS_BYTES_MAX => Err(error(
            call,
            format!("a trigger may have {FIELDS_BYTES_MAX} bytes of fields, this one has {is}"),
        )),
        _ => Ok(json),
    }
}

fn emit(call: &NativeCallContext, name: &str, given: &Map) -> HostResult<()> {
    let fields = fields(call, name, given)?;
    if let Some(start) = OUTSIDE.iter().find(|start| name.starts_with(**start)) {
        let why = format!("triggers that begin with `{start}` come from outside alone");
        return Err(error(call, why));
    }
    effect(call, "emit", json!({ "trigger": name, "fields": fields }), TRIGGER_EVENTS, |_, _| {
        Noted::Done(EffectResult::Ok(Value::Null))
    })
    .map(drop)
}

fn wait_for(call: &NativeCallContext, name: &str, wanted: &Map, options: &Map) -> HostResult {
    let wanted = fields(call, name, wanted)?;
    let timeout = Options::of(call, "wait_for", options)?.duration("timeout")?;
    let timeout = timeout.map(|ms| ms.min(SLEEP_MS_MAX));
    // The index of those who wait holds the tag, and not the name.
    let tag = context::current(|run| run.key.tag("named trigger", &[name]).to_string());
    let args = json!({ "trigger": name, "tag": tag, "where": wanted, "timeout_ms": timeout });
    effect(call, "wait_for", args, 1, |run, _| Noted::Waits {
        class: EffectClass::Log,
        due: timeout.map(|ms| run.now.plus_ms(ms)),
    })
}

fn run(call: &NativeCallContext, command: &str) -> HostResult {
    let command = command.trim();
    if command.is_empty() || command.len() > COMMAND_BYTES_MAX {
        return Err(error(call, format!("a command has 1 to {COMMAND_BYTES_MAX} bytes")));
    }
    effect(call, "run", json!({ "command": command }), TRIGGER_EVENTS, |_, _| Noted::Waits {
        class: EffectClass::Log,
        due: None,
    })
}
