//! What comes at times: `schedule`, and `poll` for what is looked at again and again.
//!
//! Each declares a clock and a rule of the same name that listens to its trigger, `schedule.NAME`.

use jiff::tz::TimeZone;
use rhai::{Dynamic, Engine, FnPtr, Map, NativeCallContext};

use super::super::context::{HostResult, error, line};
use super::super::source::{RuleDef, Run, ScheduleDef};
use super::declare::{declare, told};
use super::milliseconds;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Opt, Param, form, opt, p};
use crate::domain::named::bad_name;
use crate::domain::rule::On;
use crate::domain::schedule::{
    JITTER_MS_MAX, MISSED_DEFAULT, MISSED_MAX, Missed, Policy, Schedule,
};

const NAME: Param = p("name", Kind::Text);
const SPEC: Param = p("spec", Kind::Text);
const EVERY: Param = p("every", Kind::Duration);
const HANDLER: Param = p("t", Kind::Function);
const JITTER: Opt = opt("jitter", Kind::Duration, "each comes later by up to so much");
const HELP: Opt = opt("help", Kind::Text, "what it is for");
const ROOM: Opt =
    opt("room", Kind::Text, "where it speaks and asks; the management room without it");
const ROLE: Opt = opt("role", Kind::Text, "who may silence it");
const TAGS: Opt = opt("tags", Kind::Texts, "labels for policies");

/// How it is declared what comes at times.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "schedule",
        forms: &[
            form(&[NAME, SPEC, HANDLER], Kind::Unit),
            form(&[NAME, SPEC, OPTIONS, HANDLER], Kind::Unit),
        ],
        options: &[
            opt(
                "missed",
                Kind::Text,
                "what becomes of those that the bot missed: \"once\" (the last one stands for all), \"skip\" or \"all\"",
            ),
            opt(
                "max",
                Kind::Int,
                "how many missed ones come at most with `missed: \"all\"`; 10 without it",
            ),
            JITTER,
            ROOM,
            HELP,
            ROLE,
            TAGS,
        ],
        help: "Runs a closure at times: `\"every 15m\"`, `\"mon-fri 09:00 Europe/London\"`, `\"1st 06:30\"`, a cron pattern, or once, \
               `\"2026-12-24 18:00\"`. `t` has `scheduled` and `at` in milliseconds, `missed`, how many before it did not come, and \
               `late_ms`.",
        example: "schedule(\"standup\", \"mon-fri 09:00 Europe/London\", #{ room: \"#dev\" }, |t| say(\"Good morning, the standup begins\"));",
        ..HostFn::DECLARES
    },
    HostFn {
        name: "poll",
        forms: &[
            form(&[NAME, EVERY, HANDLER], Kind::Unit),
            form(&[NAME, EVERY, OPTIONS, HANDLER], Kind::Unit),
        ],
        options: &[JITTER, ROOM, HELP, ROLE, TAGS],
        help: "Runs a closure again and again to look at something: a schedule that catches up on nothing. `changed(key, value)` says \
               whether something is new, `emit` tells rules of it.",
        example: "action(\"queue.length\", #{ run: [\"./queue.sh\"], output: \"json\", effect: \"read\" });\npoll(\"queue\", \"30s\", || {\n    let found = exec(\"queue.length\", #{});\n    if changed(\"queue\", found.length > 100) { emit(\"queue.long\", #{ length: found.length }); }\n});",
        ..HostFn::DECLARES
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_fn("schedule", |call: Call, name: &str, spec: &str, run: FnPtr| {
            told(schedule(&call, name, spec, &Map::new(), run))
        })
        .register_fn("schedule", |call: Call, name: &str, spec: &str, options: Map, run: FnPtr| {
            told(schedule(&call, name, spec, &options, run))
        })
        .register_fn("poll", |call: Call, name: &str, every: Dynamic, run: FnPtr| {
            told(poll(&call, name, &every, &Map::new(), run))
        })
        .register_fn("poll", |call: Call, name: &str, every: Dynamic, options: Map, run: FnPtr| {
            told(poll(&call, name, &every, &options, run))
        });
}

fn schedule(
    call: &NativeCallContext,
    name: &str,
    spec: &str,
    options: &Map,
    run: FnPtr,
) -> HostResult<()> {
    let options = Options::of(call, "schedule", options)?;
    let policy = Policy { missed: missed(&options)?, jitter_ms: jitter(&options)? };
    add(call, "schedule", (name, spec), policy, &options, run)
}

fn poll(
    call: &NativeCallContext,
    name: &str,
    every: &Dynamic,
    options: &Map,
    run: FnPtr,
) -> HostResult<()> {
    let options = Options::of(call, "poll", options)?;
    let ms = milliseconds(every).map_err(|why| error(call, why))?;
    let policy = Policy { missed: Missed::Skip, jitter_ms: jitter(&options)? };
    let spec = match ms % 1_000 {
        0 => format!("every {}s", ms / 1_000),
        _ => format!("every {ms}ms"),
    };
    add(call, "poll", (name, &spec), policy, &options, run)
}

fn missed(options: &Options) -> HostResult<Missed> {
    let max = options.int("max")?;
    let missed = match options.text("missed")?.as_deref() {
        None | Some("once") => Missed::Once,
        Some("skip") => Missed::Skip,
        Some("all") => {
            let most = max.map_or(Some(MISSED_DEFAULT), |max| u32::try_from(max).ok());
            let most = most.filter(|most| (1..=MISSED_MAX).contains(most));
            let wrong = || options.error(format!("`max` is from 1 to {MISSED_MAX}"));
            Missed::All(most.ok_or_else(wrong)?)
        }
        Some(_) => return Err(options.error("`missed` is \"once\", \"skip\" or \"all\"")),
    };
    match (max, missed) {
        (Some(_), Missed::Once | Missed::Skip) => {
            Err(options.error("`max` belongs to `missed: \"all\"`"))
        }
        _ => Ok(missed),
    }
}

fn jitter(options: &Options) -> HostResult<i64> {
    match options.duration("jitter")?.unwrap_or(0) {
        ms if ms > JITTER_MS_MAX => Err(options.error("`jitter` is an hour at most")),
        ms => Ok(ms),
    }
}

fn add(
    call: &NativeCallContext,
    what: &str,
    (name, spec): (&str, &str),
    policy: Policy,
    options: &Options,
    run: FnPtr,
) -> HostResult<()> {
    let trigger = format!("schedule.{name}");
    if name.is_empty() || bad_name(&trigger).is_some() {
        let why = format!(
            "the name of a {what} has letters, digits and `._-/`: \"morning-report\"; it is the trigger `schedule.morning-report`"
        );
        return Err(error(call, why));
    }
    let zones = |name: &str| TimeZone::get(name).ok();
    // In which zone it is read is decided where it runs; whether it can be read is not.
    Schedule::parse(spec, &TimeZone::UTC, &zones)
        .map_err(|why| error(call, format!("the {what} `{spec}`: {why}")))?;
    let place = call.call_position();
    let (line, column) =
        (line(call), place.position().and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
    let help = options.text("help")?.unwrap_or_default();
    let rule = RuleDef {
        does: Default::default(),
        windows: Default::default(),
        name: name.to_owned(),
        on: On::Trigger { name: trigger, wanted: serde_json::Map::new() },
        help: help.clone(),
        room: options.text("room")?,
        role: options.text("role")?,
        tags: options.texts("tags")?,
        when: None,
        run: Run::Handler(run, 0),
        line,
        column,
    };
    let (name, spec) = (name.to_owned(), spec.to_owned());
    let polls = what == "poll";
    let clock = ScheduleDef { name, spec, policy, polls, help, line, column };
    declare(call, what, |loading| {
        loading.rules.push(rule);
        loading.schedules.push(clock);
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::engine::engine;
    use super::super::super::load::{load_one, on_script_thread};
    use super::*;

    fn declared(source: &str) -> Result<Vec<ScheduleDef>, String> {
        let source = source.to_owned();
        on_script_thread(move || {
            let script = load_one(&engine(), "t.rhai", &source).map_err(|why| why.to_string())?;
            assert_eq!(script.rules.len(), script.schedules.len(), "each has a rule");
            Ok(script.schedules.clone())
        })
    }

    #[test]
    fn what_comes_at_times_is_read() {
        let found = declared(
            "schedule(\"report\", \"daily 09:00\", |t| 1);
             schedule(\"backup\", \"1st 06:30\", #{ missed: \"all\", jitter: \"30s\", help: \"Backup\" }, |t| 1);
             schedule(\"few\", \"hourly\", #{ missed: \"all\", max: 3 }, || 1);
             schedule(\"none\", \"hourly\", #{ missed: \"skip\" }, || 1);
             poll(\"queue\", \"30s\", || 1); poll(\"slow\", 90, #{ room: \"#ops\" }, || 1);",
        )
        .expect("it loads");
        let shown: Vec<String> = found
            .iter()
            .map(|def| {
                format!(
                    "{} {} {:?} {}",
                    def.name, def.spec, def.policy.missed, def.policy.jitter_ms
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "report daily 09:00 Once 0",
                "backup 1st 06:30 All(10) 30000",
                "few hourly All(3) 0",
                "none hourly Skip 0",
                "queue every 30s Skip 0",
                "slow every 90s Skip 0",
            ]
        );
        assert_eq!((found[1].help.as_str(), found[1].line), ("Backup", 2));
    }

    #[test]
    fn what_never_comes_says_why() {
        for (source, want) in [
            ("schedule(\"a\", \"dialy 09:00\", || 1);", "did you mean `daily`?"),
            (
                "schedule(\"two words\", \"daily 09:00\", || 1);",
                "the name of a schedule has letters",
            ),
            (
                "schedule(\"a\", \"daily 09:00\", #{ missed: \"al\" }, || 1);",
                "`missed` is \"once\"",
            ),
            ("schedule(\"a\", \"daily 09:00\", #{ max: 3 }, || 1);", "`max` belongs to"),
            ("schedule(\"a\", \"hourly\", #{ missed: \"all\", max: 51 }, || 1);", "from 1 to 50"),
            ("schedule(\"a\", \"hourly\", #{ missed: \"all\", max: 0 }, || 1);", "from 1 to 50"),
            ("schedule(\"a\", \"hourly\", #{ jitter: \"61m\" }, || 1);", "an hour at most"),
            ("poll(\"a\", \"10ms\", || 1);", "an interval is from one second"),
            ("poll(\"a\", \"soon\", || 1);", "is not a duration"),
        ] {
            let why = declared(source).expect_err(source);
            assert!(why.contains(want), "{source}: {why}");
        }
    }
}
