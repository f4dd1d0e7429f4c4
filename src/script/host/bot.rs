//! What a run knows of itself and of the world: the time, chance, its own id, who may do what. Most of it is recorded.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rhai::{Dynamic, Engine, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{self, HostResult, Run, effect, error};
use super::super::journal::Noted;
use super::nearest;
use super::table::{HostFn, Kind, Place, form, p, thrown};
use crate::domain::event::EffectResult;

/// How a time is written if a script does not say.
const USUAL_TIME: &str = "%Y-%m-%d %H:%M %Z";
/// Longest format of a time, in bytes.
pub const TIME_FORMAT_BYTES_MAX: usize = 200;
/// Longest text of one `log`, in bytes.
pub const LOG_BYTES_MAX: usize = 4 * 1024;
/// The levels of `log`.
pub const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

/// What a script can know.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "now",
        forms: &[form(&[], Kind::Int)],
        help: "The time in milliseconds since 1970, as this run saw it.",
        example: "let begun = now();\nsleep(\"1m\");\nreply(`that took ${(now() - begun) / 1000} s`);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "execution",
        forms: &[form(&[], Kind::Text)],
        place: Place::Handler,
        help: "The id of this execution, as people see it.",
        example: "reply(`this is execution ${execution()}`);",
        ..HostFn::PURE
    },
    HostFn {
        name: "today",
        forms: &[form(&[], Kind::Text), form(&[p("zone", Kind::Text)], Kind::Text)],
        errors: &[thrown("", "there is no such time zone")],
        help: "The date, `2026-03-02`, in a time zone such as `Europe/London`; in UTC without one.",
        example: "remember(`notes/${today(\"Europe/London\")}`, args.name);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "format_time",
        forms: &[
            form(&[p("time", Kind::Int)], Kind::Text),
            form(&[p("time", Kind::Int), p("zone", Kind::Text)], Kind::Text),
            form(
                &[p("time", Kind::Int), p("zone", Kind::Text), p("format", Kind::Text)],
                Kind::Text,
            ),
        ],
        errors: &[thrown("", "the time, the zone or the format is wrong")],
        help: "A time of `now()` or `msg.time` as people read it; the format is that of `strftime`.",
        example: "reply(format_time(now(), \"Europe/London\", \"%H:%M on %A\"));",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "rand",
        forms: &[form(&[p("from", Kind::Int), p("to", Kind::Int)], Kind::Int)],
        errors: &[thrown("", "`from` is larger than `to`")],
        help: "A whole number by chance, both ends among them.",
        example: "reply(`you have rolled ${rand(1, 6)}`);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "uuid",
        forms: &[form(&[], Kind::Text)],
        help: "A new UUID by chance.",
        example: "exec(\"cloud.create_vm\", #{ name: uuid() });",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "log",
        forms: &[form(&[p("level", Kind::Text), p("text", Kind::Any)], Kind::Unit)],
        errors: &[thrown("", "there is no such level")],
        help: "Writes into the journal of this execution and says so in the bot's own log; the levels are `debug`, `info`, `warn` and `error`.",
        example: "log(\"info\", `${args.name} was asked for`);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "can",
        forms: &[form(&[p("user", Kind::Any), p("what", Kind::Text)], Kind::Bool)],
        help: "Whether a person may run an alias or an action here, by its name.",
        example: "if !can(msg.user, \"cloud.create_vm\") { reply(\"ask an operator\"); }",
        ..HostFn::EFFECT
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_fn("now", |call: Call| {
            known(&call, "now", Value::Null, |run, _| Ok(json!(run.now.0)))
        })
        .register_fn("execution", |call: Call| {
            context::current(|run| run.execution.short().to_owned())
                .ok_or_else(|| error(&call, "`execution` cannot be used at the top level"))
        })
        .register_fn("today", |call: Call| today(&call, "UTC"))
        .register_fn("today", |call: Call, zone: &str| today(&call, zone))
        .register_fn("format_time", |call: Call, time: i64| {
            format_time(&call, time, "UTC", USUAL_TIME)
        })
        .register_fn("format_time", |call: Call, time: i64, zone: &str| {
            format_time(&call, time, zone, USUAL_TIME)
        })
        .register_fn("format_time", |call: Call, time: i64, zone: &str, format: &str| {
            format_time(&call, time, zone, format)
        })
        .register_fn("rand", |call: Call, from: i64, to: i64| rand(&call, from, to))
        .register_fn("uuid", |call: Call| {
            known(&call, "uuid", Value::Null, |run, path| Ok(uuid(run, path)))
        })
        .register_fn("log", |call: Call, level: &str, text: Dynamic| log(&call, level, &text))
        .register_fn("can", |call: Call, user: Dynamic, what: &str| can(&call, &user, what));
}

/// Records what a run learns; an error is recorded too, so that it is the same when the run is repeated.
fn known(
    call: &NativeCallContext,
    op: &str,
    args: Value,
    look: impl Fn(&mut Run, &str) -> Result<Value, String>,
) -> HostResult {
    effect(call, op, args, 1, |run, path| {
        Noted::Done(match look(run, path) {
            Ok(value) => EffectResult::Ok(value),
            Err(why) => EffectResult::Err(Value::String(why)),
        })
    })
}

fn zone(name: &str) -> Result<TimeZone, String> {
    let hint = "write it as Europe/London or America/New_York";
    TimeZone::get(name).map_err(|_| format!("there is no time zone `{name}`; {hint}"))
}

fn today(call: &NativeCallContext, name: &str) -> HostResult {
    known(call, "today", json!({ "zone": name }), |run, _| {
        let at = Timestamp::from_millisecond(run.now.0).map_err(|why| why.to_string())?;
        Ok(json!(at.to_zoned(zone(name)?).date().to_string()))
    })
}

/// It is recorded because the rules of time zones change from one release of them to the next.
fn format_time(call: &NativeCallContext, time: i64, name: &str, format: &str) -> HostResult {
    if format.len() > TIME_FORMAT_BYTES_MAX {
        let most = TIME_FORMAT_BYTES_MAX;
        return Err(error(call, format!("the format of a time may have {most} bytes")));
    }
    let args = json!({ "time": time, "zone": name, "format": format });
    known(call, "format_time", args, |_, _| {
        let at = Timestamp::from_millisecond(time)
            .map_err(|_| format!("{time} is no time in milliseconds since 1970"))?;
        let at = at.to_zoned(zone(name)?);
        let text = jiff::fmt::strtime::format(format, &at);
        Ok(json!(text.map_err(|why| format!("the format `{format}`: {why}"))?))
    })
}

fn rand(call: &NativeCallContext, from: i64, to: i64) -> HostResult {
    if from > to {
        return Err(error(
            call,
            format!("`rand` takes the smaller number first, not {from} and {to}"),
        ));
    }
    known(call, "rand", json!({ "from": from, "to": to }), |run, path| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&chance(run, "rand", path)[..16]);
        let span = u128::from(from.abs_diff(to)) + 1;
        let drawn = i128::from(from) + (u128::from_be_bytes(bytes) % span) as i128;
        Ok(json!(i64::try_from(drawn).expect("it lies between two of them")))
    })
}

/// Nobody outside can tell it in advance, and a slice that is run again draws the same.
fn chance(run: &Run, purpose: &str, path: &str) -> [u8; 32] {
    run.key.hash(purpose, &[run.execution.as_str(), path])
}

fn uuid(run: &Run, path: &str) -> Value {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&chance(run, "uuid", path)[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    json!(parts.join("-"))
}

fn log(call: &NativeCallContext, level: &str, text: &Dynamic) -> HostResult<()> {
    if !LEVELS.contains(&level) {
        let levels = LEVELS.join(", ");
        let hint = match nearest(level, LEVELS.into_iter()) {
            Some(near) => format!("did you mean `{near}`? There are {levels}"),
            None => format!("there are {levels}"),
        };
        return Err(error(call, format!("there is no level `{level}`; {hint}")));
    }
    let text = text.to_string();
    if text.len() > LOG_BYTES_MAX {
        return Err(error(call, format!("`log` takes {LOG_BYTES_MAX} bytes of text")));
    }
    let args = json!({ "level": level, "text": text });
    known(call, "log", args, |run, _| {
        // What scripts log may quote what people said, so the words themselves stay below.
        let execution = &run.execution;
        match level {
            "error" => tracing::error!(%execution, "a script logged an error"),
            "warn" => tracing::warn!(%execution, "a script logged a warning"),
            "info" => tracing::info!(%execution, "a script logged"),
            _ => tracing::debug!(%execution, "a script logged"),
        }
        tracing::trace!(%execution, text, "what a script logged");
        Ok(Value::Null)
    })
    .map(|_| ())
}

fn can(call: &NativeCallContext, user: &Dynamic, what: &str) -> HostResult {
    let user = person(call, user)?;
    let args = json!({ "user": user, "what": what });
    known(call, "can", args, |run, _| Ok(json!((run.may)(&user, what))))
}

/// A person as scripts name them: by a text, or by `msg.user`.
pub(super) fn person(call: &NativeCallContext, value: &Dynamic) -> HostResult<String> {
    let id = value.read_lock::<rhai::Map>().and_then(|map| map.get("id").cloned());
    let name = id.unwrap_or_else(|| value.clone()).into_string().unwrap_or_default();
    match name.trim() {
        "" => Err(error(call, "a person is a text such as \"@ann:example.org\", or msg.user")),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::given;

    #[test]
    fn times_are_told_in_a_zone() {
        let mut wrong = vec![];
        // 2026-03-29 00:59:59 UTC: a second later summer begins in London.
        for (expression, want) in [
            ("today()", "\"2026-11-18\""),
            (r#"today("Pacific/Auckland")"#, "\"2026-11-19\""),
            (
                r#"today("Mars")"#,
                "there is no time zone `Mars`; write it as Europe/London or America/New_York",
            ),
            ("format_time(1774745999000)", "\"2026-03-29 00:59 UTC\""),
            (r#"format_time(1774745999000, "Europe/London")"#, "\"2026-03-29 00:59 GMT\""),
            (r#"format_time(1774746000000, "Europe/London")"#, "\"2026-03-29 02:00 BST\""),
            (r#"format_time(0, "UTC", "%A %d %B")"#, "\"Thursday 01 January\""),
            (r#"can(msg.user, "cloud.create_vm")"#, "true"),
            (r#"can("@ben:local", "cloud.create_vm")"#, "false"),
            (r#"can(7, "x")"#, "a person is a text such as \"@ann:example.org\", or msg.user"),
            (
                r#"log("wran", "x")"#,
                "there is no level `wran`; did you mean `warn`? There are debug, info, warn, error",
            ),
            ("rand(2, 1)", "`rand` takes the smaller number first, not 2 and 1"),
            ("rand(7, 7)", "7"),
        ] {
            let is = given(expression);
            if is != want {
                wrong.push(format!("{expression}: {is}, not {want}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(given("format_time(0, \"UTC\", \"%Ü\")").starts_with("the format `%Ü`: "));
    }

    #[test]
    fn chance_is_recorded_and_stays_within_its_ends() {
        let many = "let seen = []; for n in 0..100 { let it = rand(1, 3); if it < 1 || it > 3 { throw it; } if !(it in seen) { seen.push(it); } } seen.len()";
        assert_eq!(given(many), "3");
        assert_eq!(given(many), "3", "the same execution draws the same");
        let ids = given("[uuid(), uuid()]");
        let ids: Vec<String> = serde_json::from_str(&ids).expect("two of them");
        assert_ne!(ids[0], ids[1]);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'), "{ids:?}");
        let whole = given("rand(-9223372036854775807 - 1, 9223372036854775807)");
        assert!(whole.parse::<i64>().is_ok(), "{whole}");
    }
}
