//! What the top level of a script registers besides commands: `rule` and `hear`.

use rhai::{Dynamic, Engine, FnPtr, Map, NativeCallContext};
use serde_json::Value;

use super::super::context::{HostResult, error, line, to_json};
use super::super::source::{RuleDef, Run};
use super::declare::{declare, told};
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Param, form, opt, p};
use crate::domain::named::bad_name;
use crate::domain::rule::{Does, NAME_BYTES_MAX, On, Pattern};
use crate::domain::throttle::{WINDOW_MS_MAX, Windows};

const TRIGGER: Param = p("trigger", Kind::Text);
const WANTED: Param = p("fields", Kind::Map);
const NAME: Param = p("name", Kind::Text);
const CRITERIA: Param = p("criteria", Kind::Function);
const HANDLER: Param = p("e", Kind::Function);

/// What rules can say of themselves.
pub(super) const ABOUT: [super::table::Opt; 5] = [
    opt("name", Kind::Text, "its name, unique among all scripts"),
    opt("help", Kind::Text, "what it is for"),
    opt("room", Kind::Text, "where it speaks and asks; the management room without it"),
    opt("role", Kind::Text, "who may silence it, and for `hear` who is listened to"),
    opt("tags", Kind::Texts, "labels for policies"),
];

/// What rules on triggers can say of themselves, and how often they fire.
const OF_RULE: [super::table::Opt; 8] = [
    ABOUT[0],
    ABOUT[1],
    ABOUT[2],
    ABOUT[3],
    ABOUT[4],
    opt("throttle", Kind::Duration, "it fires at most once in this time"),
    opt("by", Kind::Text, "the field for each of whose values `throttle` counts: `\"host\"`"),
    opt("dedup", Kind::Duration, "it fires once in this time for the same fields"),
];

/// What the top level can declare about triggers.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "rule",
        forms: &[
            form(&[NAME, TRIGGER, HANDLER], Kind::Unit),
            form(&[NAME, TRIGGER, WANTED, HANDLER], Kind::Unit),
            form(&[NAME, TRIGGER, CRITERIA, HANDLER], Kind::Unit),
            form(&[NAME, TRIGGER, WANTED, CRITERIA, HANDLER], Kind::Unit),
            form(&[OPTIONS, TRIGGER, HANDLER], Kind::Unit),
            form(&[OPTIONS, TRIGGER, WANTED, HANDLER], Kind::Unit),
            form(&[OPTIONS, TRIGGER, CRITERIA, HANDLER], Kind::Unit),
            form(&[OPTIONS, TRIGGER, WANTED, CRITERIA, HANDLER], Kind::Unit),
        ],
        options: &OF_RULE,
        help: "Runs its last closure when a named trigger arrives whose fields have these values, and the criteria give true. \
               The values are data: thousands of rules are found by them, and help shows them; a name with dots, `\"labels.severity\"`, \
               reaches into maps. The criteria are free of effects.",
        example: "rule(\"nagios to ops\", \"webhook.nagios\", #{ type: \"PROBLEM\" }, |e| e.state in [\"WARNING\", \"CRITICAL\"], |e| {\n    say(\"#ops\", `Nagios alert on ${e.host}: ${e.state}, ${e.output}`);\n});",
        ..HostFn::DECLARES
    },
    HostFn {
        name: "hear",
        forms: &[
            form(&[p("pattern", Kind::Text), p("m, msg", Kind::Function)], Kind::Unit),
            form(&[p("pattern", Kind::Text), OPTIONS, p("m, msg", Kind::Function)], Kind::Unit),
        ],
        options: &[
            opt("name", Kind::Text, "its name, unique among all scripts; else its pattern"),
            opt("help", Kind::Text, "what it is for"),
            opt("rooms", Kind::Texts, "where it listens; everywhere without it"),
            opt("role", Kind::Text, "who is listened to, and who may silence it"),
            opt("tags", Kind::Texts, "labels for policies"),
        ],
        help: "Runs its closure when somebody says something that is not meant for the bot: the whole of it fits a format as those of \
               `alias`, or something in it fits a regular expression between slashes. `m` holds the parameters or the groups.",
        example: "hear(\"/(?i)\\\\b(?<key>OPS-[0-9]+)\\\\b/\", |m, msg| reply(`https://jira.example.org/browse/${m.key}`));",
        ..HostFn::DECLARES
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_fn("rule", |call: Call, name: Dynamic, trigger: &str, run: FnPtr| {
            told(rule(&call, &name, trigger, None, None, run))
        })
        .register_fn("rule", |call: Call, name: Dynamic, trigger: &str, wanted: Map, run: FnPtr| {
            told(rule(&call, &name, trigger, Some(&wanted), None, run))
        })
        .register_fn("rule", |call: Call, name: Dynamic, trigger: &str, when: FnPtr, run: FnPtr| {
            told(rule(&call, &name, trigger, None, Some(when), run))
        })
        .register_fn(
            "rule",
            |call: Call, name: Dynamic, trigger: &str, wanted: Map, when: FnPtr, run: FnPtr| {
                told(rule(&call, &name, trigger, Some(&wanted), Some(when), run))
            },
        )
        .register_fn("hear", |call: Call, pattern: &str, run: FnPtr| {
            told(hear(&call, pattern, &Map::new(), run))
        })
        .register_fn("hear", |call: Call, pattern: &str, options: Map, run: FnPtr| {
            told(hear(&call, pattern, &options, run))
        });
}

/// What a rule says of itself: its name alone, or a map.
pub(super) fn about(call: &NativeCallContext, what: &str, given: &Dynamic) -> HostResult<Map> {
    if let Some(options) = given.read_lock::<Map>() {
        return Ok(options.clone());
    }
    let kind = given.type_name();
    let name = given.clone().into_string().map_err(|_| {
        error(call, format!("`{what}` begins with its name, or with `#{{ name, .. }}`, not {kind}"))
    })?;
    Ok(Map::from([("name".into(), name.into())]))
}

/// A name that people can say and write.
pub(super) fn name(
    call: &NativeCallContext,
    what: &str,
    name: Option<String>,
) -> HostResult<String> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| error(call, format!("a {what} needs a name")))?;
    match name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        true => Err(error(
            call,
            format!("the name of a {what} is one line of at most {NAME_BYTES_MAX} bytes"),
        )),
        false => Ok(name),
    }
}

fn rule(
    call: &NativeCallContext,
    given: &Dynamic,
    trigger: &str,
    wanted: Option<&Map>,
    when: Option<FnPtr>,
    run: FnPtr,
) -> HostResult<()> {
    let given = about(call, "rule", given)?;
    let options = Options::of(call, "rule", &given)?;
    if let Some(why) = bad_name(trigger) {
        return Err(error(call, why));
    }
    let wanted = match wanted {
        None => Value::Null,
        Some(wanted) => to_json(call, &wanted.clone().into())?,
    };
    let wanted = wanted.as_object().cloned().unwrap_or_default();
    let name = name(call, "rule", options.text("name")?)?;
    let on = On::Trigger { name: trigger.to_owned(), wanted };
    let windows = windows(&options)?;
    add(call, "rule", &options, (name, windows), on, when, run)
}

fn hear(call: &NativeCallContext, pattern: &str, options: &Map, run: FnPtr) -> HostResult<()> {
    let options = Options::of(call, "hear", options)?;
    let parsed = Pattern::parse(pattern)
        .map_err(|why| error(call, format!("the pattern `{pattern}`: {why}")))?;
    let own = options.text("name")?.unwrap_or_else(|| pattern.to_owned());
    let on = On::Talk { pattern: parsed, rooms: options.texts("rooms")? };
    let name = name(call, "rule", Some(own))?;
    add(call, "hear", &options, (name, Windows::default()), on, None, run)
}

/// How often a rule may fire.
fn windows(options: &Options) -> HostResult<Windows> {
    let window = |name: &str| match options.duration(name)? {
        Some(ms) if !(1..=WINDOW_MS_MAX).contains(&ms) => {
            let days = WINDOW_MS_MAX / 86_400_000;
            Err(options.error(format!("`{name}` is at most {days} days")))
        }
        ms => Ok(ms),
    };
    let (throttle_ms, dedup_ms, by) = (window("throttle")?, window("dedup")?, options.text("by")?);
    match by.is_some() && throttle_ms.is_none() {
        true => Err(options.error("`by` goes with `throttle`")),
        false => Ok(Windows { throttle_ms, by, dedup_ms }),
    }
}

fn add(
    call: &NativeCallContext,
    what: &str,
    options: &Options,
    (name, windows): (String, Windows),
    on: On,
    when: Option<FnPtr>,
    run: FnPtr,
) -> HostResult<()> {
    let place = call.call_position();
    let speaks = matches!(on, On::Trigger { .. });
    let def = RuleDef {
        name,
        on,
        help: options.text("help")?.unwrap_or_default(),
        room: if speaks { options.text("room")? } else { None },
        role: options.text("role")?,
        tags: options.texts("tags")?,
        windows,
        does: Does::default(),
        when,
        run: Run::Handler(run, 0),
        line: line(call),
        column: place.position().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
    };
    declare(call, what, |loading| loading.rules.push(def))
}
