//! Asking people: `ask`, `confirm`. The execution waits, for days if need be, and is not in memory meanwhile.

use rhai::{Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, effect, to_json};
use super::super::journal::Noted;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Opt, form, opt, p, thrown};
use crate::domain::event::EffectClass;
use crate::domain::reminder::{REMIND_MS_MAX, REMIND_MS_MIN};

/// The wait, the question and the message that asks.
const ASKED_EVENTS: usize = 3;
/// Most choices of one question.
pub const CHOICES_MAX: usize = 20;
/// Most people whom a question goes to as well.
pub const THEN_MAX: usize = 20;

const FROM: Opt = opt(
    "from",
    Kind::Texts,
    "who may answer, instead of the person who asked: people, or `role:ops`",
);
const TIMEOUT: Opt = opt("timeout", Kind::Duration, "how long to wait; for ever without it");
const OR_ELSE: Opt = opt("or_else", Kind::Any, "what it gives when nobody answers in time");
const REMIND: Opt = opt(
    "remind",
    Kind::Duration,
    "after how long those who were asked are reminded; again after twice as long, 5 times at most",
);
const THEN: Opt = opt("then", Kind::Texts, "who may answer, too, from the second reminder on");

/// How a script can ask people.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "ask",
        forms: &[
            form(&[p("question", Kind::Text)], Kind::Text),
            form(&[p("question", Kind::Text), OPTIONS], Kind::Text),
        ],
        options: &[
            FROM,
            opt("choices", Kind::Texts, "what may be answered"),
            TIMEOUT,
            OR_ELSE,
            REMIND,
            THEN,
        ],
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
        options: &[FROM, TIMEOUT, OR_ELSE, REMIND, THEN],
        errors: &[thrown("timed_out", "nobody answered in time, and there is no `or_else`")],
        help: "Asks, and waits for yes or no.",
        example: "if confirm(\"Really?\", #{ from: msg.user.id, remind: \"30m\", then: \"@lead\" }) { reply(\"so be it\"); }",
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
    let (remind, then) = (options.duration("remind")?, options.texts("then")?);
    if let Some(why) = reminded(remind, &then) {
        return Err(options.error(why));
    }
    let mut args = json!({
        "question": question,
        "from": options.texts("from")?,
        "choices": choices,
        "timeout_ms": timeout,
        "or_else": or_else.map_or(Value::Null, |value| json!({ "value": value })),
    });
    if let Some(after) = remind {
        // Journals of before have no such field, and a replay compares them.
        args["remind_ms"] = json!(after);
        args["then"] = json!(then);
    }
    effect(call, op, args, ASKED_EVENTS, |run, _| Noted::Waits {
        class: EffectClass::Log,
        due: timeout.map(|ms| run.now.plus_ms(ms)),
    })
}

/// What is wrong with how people are to be reminded.
fn reminded(remind: Option<i64>, then: &[String]) -> Option<String> {
    match remind {
        None if !then.is_empty() => Some(
            "`then` needs `remind`: the question goes to others with the second reminder".into(),
        ),
        Some(ms) if ms < REMIND_MS_MIN => Some("`remind` is 1 min at least".into()),
        Some(ms) if ms > REMIND_MS_MAX => Some("`remind` is 30 days at most".into()),
        _ if then.len() > THEN_MAX => Some(format!("`then` may name {THEN_MAX} people")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_have_bounds() {
        let day = 86_400_000;
        let names = |count: usize| vec!["@lead".to_owned(); count];
        for (remind, then, wrong) in [
            (None, 0, false),
            (None, 1, true),
            (Some(REMIND_MS_MIN), 0, false),
            (Some(REMIND_MS_MIN - 1), 0, true),
            (Some(REMIND_MS_MAX), 1, false),
            (Some(REMIND_MS_MAX + 1), 1, true),
            (Some(day), THEN_MAX, false),
            (Some(day), THEN_MAX + 1, true),
        ] {
            assert_eq!(reminded(remind, &names(then)).is_some(), wrong, "{remind:?} {then}");
        }
        assert_eq!((REMIND_MS_MIN, REMIND_MS_MAX), (60_000, 30 * day), "as the errors say");
    }
}
