//! Asking people: `ask`, `confirm`. The execution waits, for days if need be, and is not in memory meanwhile.

use rhai::{Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, effect, to_json};
use super::super::journal::Noted;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Opt, form, opt, p, thrown};
use crate::domain::event::EffectClass;

/// The wait, the question and the message that asks.
const ASKED_EVENTS: usize = 3;
/// Most choices of one question.
pub const CHOICES_MAX: usize = 20;

const FROM: Opt = opt("from", Kind::Texts, "who may answer, instead of the person who asked");
const TIMEOUT: Opt = opt("timeout", Kind::Duration, "how long to wait; for ever without it");
const OR_ELSE: Opt = opt("or_else", Kind::Any, "what it gives when nobody answers in time");

/// How a script can ask people.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "ask",
        forms: &[
            form(&[p("question", Kind::Text)], Kind::Text),
            form(&[p("question", Kind::Text), OPTIONS], Kind::Text),
        ],
        options: &[FROM, opt("choices", Kind::Texts, "what may be answered"), TIMEOUT, OR_ELSE],
        errors: &[thrown("timed_out", "nobody answered in time, and there is no `or_else`")],
        help: "Asks, and waits for a text; for days if need be.",
        example: "let size = ask(\"Which size?\", #{ choices: [\"small\", \"large\"], timeout: \"10m\", or_else: \"small\" });",
        ..HostFn::WAITS
    },
    HostFn {
        name: "confirm",
        forms: &[
            form(&[p("question", Kind::Text)], Kind::Bool),
            form(&[p("question", Kind::Text), OPTIONS], Kind::Bool),
        ],
        options: &[FROM, TIMEOUT, OR_ELSE],
        errors: &[thrown("timed_out", "nobody answered in time, and there is no `or_else`")],
        help: "Asks, and waits for yes or no.",
        example: "if confirm(\"Really?\", #{ from: msg.user.id }) { reply(\"so be it\"); }",
        ..HostFn::WAITS
    },
];

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
    let options = Options::of(call, op, options)?;
    let timeout = options.duration("timeout")?;
    let choices = if op == "ask" { options.texts("choices")? } else { vec![] };
    if choices.len() > CHOICES_MAX {
        return Err(options.error(format!("a question may have {CHOICES_MAX} choices")));
    }
    let or_else = options.get("or_else").map(|value| to_json(call, value)).transpose()?;
    let args = json!({
        "question": question,
        "from": options.texts("from")?,
        "choices": choices,
        "timeout_ms": timeout,
        "or_else": or_else.map_or(Value::Null, |value| json!({ "value": value })),
    });
    effect(call, op, args, ASKED_EVENTS, |run, _| Noted::Waits {
        class: EffectClass::Log,
        due: timeout.map(|ms| run.now.plus_ms(ms)),
    })
}
