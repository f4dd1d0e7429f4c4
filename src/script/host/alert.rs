//! Alerts and silences: `alert`, `silence`, `silenced`, `unsilence`.

use rhai::{Dynamic, Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, Run, effect, error, to_json};
use super::super::journal::Noted;
use super::bot::person;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Opt, Param, form, opt, p, thrown};
use super::talk::said_args;
use super::{milliseconds, texts};
use crate::domain::alert::{
    ALERT_BYTES_MAX, ESCALATE_MS_MAX, FACT_BYTES_MAX, KEY_BYTES_MAX, LABELS_BYTES_MAX,
    LINK_BYTES_MAX, State,
};
use crate::domain::event::EffectResult;
use crate::domain::silence::{
    NAME_BYTES_MAX, SILENCE_MS, SILENCE_MS_MAX, SILENCE_MS_MIN, WHY_BYTES_MAX,
};

/// The effect, the alert and its place with their plans, two messages, what a silence held back, and a trigger.
const ALERT_EVENTS: usize = 9;
/// The effect, the silence and its plan, and a trigger.
const SILENCE_EVENTS: usize = 4;

const KEY: Param = p("key", Kind::Text);
const SAID: Param = p("text", Kind::Any);
const WHAT: Param = p("what", Kind::Text);
const TIME: Param = p("time", Kind::Duration);
const ALERT_OPTIONS: &[Opt] = &[
    opt("state", Kind::Text, "`firing`, as usual, `acknowledged` or `resolved`"),
    opt("severity", Kind::Text, "how bad it is; `critical` is told in quiet hours, too"),
    opt("room", Kind::Text, "where it is told; else where the command was said"),
    opt("link", Kind::Text, "where more is to be seen"),
    opt("host", Kind::Text, "the machine: commands in the thread know it"),
    opt("source", Kind::Text, "the hook, sensor or system that says so"),
    opt("labels", Kind::Map, "whatever else is known"),
    opt(
        "escalate",
        Kind::Duration,
        "so long after it began somebody is called, if nobody acknowledges it",
    ),
    opt("then", Kind::Texts, "who is called then"),
];
const SILENCE_OPTIONS: &[Opt] =
    &[opt("by", Kind::Any, "who wants it: `msg.user`"), opt("why", Kind::Text, "why")];

/// What a script can do about alerts.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "alert",
        forms: &[form(&[KEY, SAID], Kind::Map), form(&[KEY, SAID, OPTIONS], Kind::Map)],
        options: ALERT_OPTIONS,
        errors: &[thrown("", "the key is empty, or something is too long")],
        help: "Tells that something is wrong, or that it is over. The same key is the same thread: its first message shows how it stands. Many at once are told in one digest.",
        example: "alert(`nagios/${args.name}`, `${args.name}: CRITICAL`, #{ severity: \"CRITICAL\", host: args.name });\nalert(`nagios/${args.name}`, \"OK\", #{ state: \"resolved\" });",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "silence",
        forms: &[
            form(&[WHAT], Kind::Bool),
            form(&[WHAT, TIME], Kind::Bool),
            form(&[WHAT, TIME, OPTIONS], Kind::Bool),
        ],
        options: SILENCE_OPTIONS,
        errors: &[
            thrown("", "the time is too long, or the name is empty"),
            thrown("denied", "no policy lets who asked for it silence that, as for `!silence`"),
        ],
        help: "Keeps a rule, an alert, a host or a source of this name from being told for a while, 15 minutes if no time is given; `host:web301` says which kind is meant. Gives false if that was silenced.",
        example: "silence(args.name, \"15m\", #{ by: msg.user, why: \"we are on it\" });",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "silenced",
        forms: &[form(&[WHAT], Kind::Bool)],
        help: "Whether something of this name is silenced now.",
        example: "if !silenced(args.name) { say(`${args.name} is down`); }",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "unsilence",
        forms: &[form(&[WHAT], Kind::Bool)],
        errors: &[thrown("denied", "no policy lets who asked for it silence that")],
        help: "Ends the silence of something; gives false if there was none.",
        example: "unsilence(args.name);",
        ..HostFn::EFFECT
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_fn("alert", |call: Call, key: &str, said: Dynamic| {
            alert(&call, key, &said, &Map::new())
        })
        .register_fn("alert", |call: Call, key: &str, said: Dynamic, options: Map| {
            alert(&call, key, &said, &options)
        })
        .register_fn("silence", |call: Call, what: &str| {
            silence(&call, what, &Dynamic::from(SILENCE_MS / 1000), &Map::new())
        })
        .register_fn("silence", |call: Call, what: &str, time: Dynamic| {
            silence(&call, what, &time, &Map::new())
        })
        .register_fn("silence", |call: Call, what: &str, time: Dynamic, options: Map| {
            silence(&call, what, &time, &options)
        })
        .register_fn("silenced", |call: Call, what: &str| {
            let args = json!({ "what": named(&call, what)? });
            effect(&call, "silenced", args, 1, |run, _| {
                Noted::Done(EffectResult::Ok(json!(run.is_silenced(what))))
            })
        })
        .register_fn("unsilence", |call: Call, what: &str| {
            let args = json!({ "what": named(&call, what)? });
            effect(&call, "unsilence", args, SILENCE_EVENTS, |run, _| {
                let was = run.is_silenced(what);
                Noted::Done(hushed(run, what, false, was))
            })
        });
}

fn alert(call: &NativeCallContext, key: &str, said: &Dynamic, options: &Map) -> HostResult {
    let options = Options::of(call, "alert", options)?;
    let key = key.trim();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(options.error(format!("the key of an alert has 1 to {KEY_BYTES_MAX} bytes")));
    }
    let state = options.text("state")?.unwrap_or_else(|| State::Firing.word().into());
    if State::of(&state).is_none() {
        let what = format!("an alert is firing, acknowledged or resolved, not `{state}`");
        return Err(options.error(what));
    }
    let empty = said.clone().into_string().is_ok_and(|text| text.is_empty());
    let mut args = if empty { json!({ "text": "" }) } else { said_args(call, said)? };
    if args.to_string().len() > ALERT_BYTES_MAX {
        return Err(options.error(format!("an alert may say {ALERT_BYTES_MAX} bytes")));
    }
    args["key"] = key.into();
    args["state"] = state.as_str().into();
    for (name, most) in [
        ("severity", FACT_BYTES_MAX),
        ("room", FACT_BYTES_MAX),
        ("link", LINK_BYTES_MAX),
        ("host", FACT_BYTES_MAX),
        ("source", FACT_BYTES_MAX),
    ] {
        let Some(value) = options.text(name)? else { continue };
        if value.len() > most {
            return Err(options.error(format!("`{name}` of an alert has at most {most} bytes")));
        }
        args[name] = value.into();
    }
    if let Some(labels) = options.map("labels")? {
        args["labels"] = to_json(call, &labels.into())?;
        if args["labels"].to_string().len() > LABELS_BYTES_MAX {
            return Err(options.error(format!("labels may have {LABELS_BYTES_MAX} bytes")));
        }
    }
    let then = options.get("then");
    if let Some(ms) = options.duration("escalate")? {
        if !(1..=ESCALATE_MS_MAX).contains(&ms) {
            let days = ESCALATE_MS_MAX / 86_400_000;
            return Err(options.error(format!("`escalate` is at most {days} days")));
        }
        args["escalate_ms"] = ms.into();
        let then = then.ok_or_else(|| options.error("say who is called: `then`"))?;
        args["then"] = texts(call, then, "`then`")?.into();
    }
    effect(call, "alert", args, ALERT_EVENTS, |_, _| {
        Noted::Done(EffectResult::Ok(json!({ "key": key, "state": state })))
    })
}

/// Silences something or lets it speak, if who asked for the script may.
fn hushed(run: &mut Run, what: &str, silenced: bool, given: bool) -> EffectResult {
    if let Some(why) = (run.silences)(what) {
        return EffectResult::Err(json!({ "kind": "denied", "message": why }));
    }
    run.hush(what, silenced);
    EffectResult::Ok(json!(given))
}

fn named(call: &NativeCallContext, what: &str) -> HostResult<String> {
    let what = what.trim();
    match what.is_empty() || what.len() > NAME_BYTES_MAX {
        true => {
            let most = NAME_BYTES_MAX;
            Err(error(call, format!("the name of what is silenced has 1 to {most} bytes")))
        }
        false => Ok(what.to_owned()),
    }
}

fn silence(call: &NativeCallContext, what: &str, time: &Dynamic, options: &Map) -> HostResult {
    let options = Options::of(call, "silence", options)?;
    let what = named(call, what)?;
    let ms = milliseconds(time).map_err(|why| error(call, why))?;
    if !(SILENCE_MS_MIN..=SILENCE_MS_MAX).contains(&ms) {
        let days = SILENCE_MS_MAX / 86_400_000;
        return Err(options.error(format!("a silence takes a second to {days} days")));
    }
    let why = options.text("why")?.unwrap_or_default();
    if why.len() > WHY_BYTES_MAX {
        return Err(options.error(format!("a reason has at most {WHY_BYTES_MAX} bytes")));
    }
    let mut args = json!({ "what": what, "ms": ms, "why": why, "by": Value::Null });
    if let Some(by) = options.get("by") {
        args["by"] = person(call, by)?.into();
        let name = by.read_lock::<Map>().and_then(|map| map.get("name").cloned());
        args["who"] = name.and_then(|name| name.into_string().ok()).into();
    }
    effect(call, "silence", args, SILENCE_EVENTS, |run, _| {
        let was = run.is_silenced(&what);
        Noted::Done(hushed(run, &what, true, !was))
    })
}

#[cfg(test)]
mod tests {
    use super::super::trial::given;
    use super::*;

    #[test]
    fn alerts_and_silences_have_bounds() {
        let long = |bytes: usize| "x".repeat(bytes);
        for (expression, want) in [
            (r#"alert("a/b", "down")"#.to_owned(), r#"{"key":"a/b","state":"firing"}"#),
            (r#"alert("a/b", "", #{ state: "resolved" }).state"#.into(), r#""resolved""#),
            (r#"alert("", "down")"#.into(), "the key of an alert has 1 to 200 bytes"),
            (format!(r#"alert("{}", "down").state"#, long(KEY_BYTES_MAX)), r#""firing""#),
            (
                format!(r#"alert("{}", "down")"#, long(KEY_BYTES_MAX + 1)),
                "the key of an alert has 1 to 200 bytes",
            ),
            (
                r#"alert("a", "down", #{ state: "broken" })"#.into(),
                "an alert is firing, acknowledged or resolved, not `broken`",
            ),
            (format!(r#"alert("a", "{}")"#, long(ALERT_BYTES_MAX)), "an alert may say 8192 bytes"),
            (
                format!(r#"alert("a", "x", #{{ host: "{}" }})"#, long(FACT_BYTES_MAX + 1)),
                "`host` of an alert has at most 200 bytes",
            ),
            (
                format!(r#"alert("a", "x", #{{ link: "{}" }})"#, long(LINK_BYTES_MAX + 1)),
                "`link` of an alert has at most 2000 bytes",
            ),
            (
                format!(
                    r#"alert("a", "x", #{{ labels: #{{ a: "{}" }} }})"#,
                    long(LABELS_BYTES_MAX)
                ),
                "labels may have 8192 bytes",
            ),
            (
                r#"alert("a", "x", #{ escalate: "8d", then: "@ann" })"#.into(),
                "`escalate` is at most 7 days",
            ),
            (r#"alert("a", "x", #{ escalate: "10m" })"#.into(), "say who is called: `then`"),
            (
                r#"[silence("twitter"), silence("twitter"), silenced("Twitter")]"#.into(),
                "[true,false,true]",
            ),
            (r#"[silenced("twitter"), unsilence("twitter")]"#.into(), "[false,false]"),
            (r#"silence("guarded")"#.into(), "no policy allows it"),
            (
                r#"let k = ""; try { unsilence("guarded") } catch (e) { k = e.kind; } k"#.into(),
                r#""denied""#,
            ),
            (r#"silence("x", "31d")"#.into(), "a silence takes a second to 30 days"),
            (r#"silence(" ")"#.into(), "the name of what is silenced has 1 to 200 bytes"),
            (
                format!(r#"silence("x", "1m", #{{ why: "{}" }})"#, long(WHY_BYTES_MAX + 1)),
                "a reason has at most 1000 bytes",
            ),
        ] {
            assert_eq!(given(&expression), want, "{expression:.80}");
        }
    }
}
