//! The host functions: all that a script can do, one file a topic, with one table that says how each is used.

use rhai::{Dynamic, Engine, NativeCallContext};

use super::context::{HostResult, error};
use crate::domain::alias::parse_duration;
use crate::domain::event::EffectClass;

mod act;
pub mod declare;
pub mod memory;
mod picture;
pub mod question;
pub mod reference;
pub mod talk;

pub use act::{error_value, request};
pub use declare::{Loading, loading};
pub use talk::Progress;

/// The version of this table: a replay needs the one that the execution was started with.
pub const HOST_VERSION: u32 = 1;

/// What stands in the table for one function.
#[derive(Debug)]
pub struct HostFn {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// Whether it may be repeated; none: it does nothing outside the script.
    pub class: Option<EffectClass>,
    /// Whether the execution waits for it.
    pub waits: bool,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// A line that uses it.
    pub example: &'static str,
}

macro_rules! table {
    ($($name:literal $class:expr, $waits:literal, $usage:literal, $help:literal, $example:literal;)*) => {
        /// Every host function.
        pub const TABLE: &[HostFn] = &[$(HostFn {
            name: $name, class: $class, waits: $waits, usage: $usage, help: $help, example: $example,
        }),*];
    };
}

const LOG: Option<EffectClass> = Some(EffectClass::Log);

table! {
    "alias" None, false, "alias(format or [formats], #{ help, example, name, role, rooms, tags, ack }?, |args, msg| ..)",
        "Offers a command.", "alias(\"hello [{name}]\", |args, msg| reply(`Hello, ${args.name ?? msg.user.name}!`));";
    "action" None, false, "action(name, #{ run, params, timeout, output, effect, env, help }) or action(name)",
        "Declares an operation in any language, or names one for an alias.",
        "action(\"disk.free\", #{ run: [\"df\", \"-h\", \"{path}\"], params: #{ path: \"string\" }, effect: \"read\" });";
    "say" LOG, false, "say(room?, text, #{ attach }?)", "Says something in the room of the command, or in another.", "say(\"good morning\");";
    "reply" LOG, false, "reply(text, #{ attach }?)", "Answers the person who asked.", "reply(\"done\");";
    "progress" LOG, false, "progress(text)", "Says something that changes: `.update(text, percent?)`, `.done(text)`, `.fail(text)`.",
        "let p = progress(\"working\"); p.done(\"done\");";
    "update" LOG, false, "p.update(text, percent?)", "Changes a progress.", "p.update(\"booting\", 40);";
    "done" LOG, false, "p.done(text)", "Ends a progress well.", "p.done(\"it is up\");";
    "fail" LOG, false, "p.fail(text)", "Ends a progress badly.", "p.fail(\"it is down\");";
    "ask" LOG, true, "ask(question, #{ from, choices, timeout, or_else }?)", "Asks, and waits for a text; for days if need be.",
        "let size = ask(\"Which size?\", #{ choices: [\"small\", \"large\"] });";
    "confirm" LOG, true, "confirm(question, #{ from, timeout, or_else }?)", "Asks, and waits for yes or no.",
        "if confirm(\"Really?\") { reply(\"so be it\"); }";
    "exec" Some(EffectClass::Once), true, "exec(action, #{ params }?, #{ timeout }?)",
        "Runs an action; throws `#{ kind, action, message, code, output }`.", "let vm = exec(\"cloud.create_vm\", #{ name: \"web001\" });";
    "sleep" LOG, true, "sleep(\"15m\") or sleep(seconds)", "Waits.", "sleep(\"15m\");";
    "now" LOG, false, "now()", "The time in milliseconds since 1970, as this run saw it.", "let t = now();";
    "remember" LOG, false, "remember(key, value, \"7d\"?)", "Keeps a value for this script.", "remember(\"last\", \"web001\", \"7d\");";
    "recall" LOG, false, "recall(key)", "What was remembered, or ().", "let last = recall(\"last\") ?? \"nothing yet\";";
    "forget" LOG, false, "forget(key)", "Forgets it.", "forget(\"last\");";
    "plot" None, false, "plot(#{ title, lines: [#{ name, values | points }], x, y, kind, width, height })",
        "A picture of numbers, for `attach`; `kind` is lines, points or bars.",
        "reply(\"the load\", #{ attach: plot(#{ title: \"Load\", lines: [[1, 4, 2]] }) });";
    "file" None, false, "file(name, text or bytes)", "A file, for `attach`.",
        "reply(\"the list\", #{ attach: file(\"list.csv\", \"name,size\\nweb1,3\\n\") });";
    "execution" None, false, "execution()", "The id of this execution, as people see it.", "reply(execution());";
    "exit" None, false, "exit()", "Is not available: end a handler with `return`.", "return;";
}

/// Registers all of them.
pub fn register(engine: &mut Engine) {
    declare::register(engine);
    talk::register(engine);
    question::register(engine);
    act::register(engine);
    memory::register(engine);
    picture::register(engine);
}

/// A duration from a script: `"15m"`, or seconds.
fn milliseconds(value: &Dynamic) -> Result<i64, String> {
    let seconds = value.as_int().ok().map(|n| n.saturating_mul(1000));
    let fraction = value.as_float().ok().map(|n| (n * 1000.0) as i64);
    let ms = match (seconds.or(fraction), value.clone().into_immutable_string()) {
        (Some(ms), _) => ms,
        (None, Ok(text)) => parse_duration(&text)?,
        (None, Err(other)) => {
            return Err(format!(
                "a duration is a text such as \"15m\" or a number of seconds, not {other}"
            ));
        }
    };
    if ms < 0 { Err("a duration cannot be negative".into()) } else { Ok(ms) }
}

/// A text, or a list of texts.
fn texts(call: &NativeCallContext, value: &Dynamic, what: &str) -> HostResult<Vec<String>> {
    let wrong = || error(call, format!("{what} is a text or a list of texts"));
    if let Ok(text) = value.clone().into_string() {
        return Ok(vec![text]);
    }
    let list = value.clone().into_array().map_err(|_| wrong())?;
    list.into_iter().map(|item| item.into_string().map_err(|_| wrong())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_and_the_engine_agree() {
        let engine = super::super::engine::engine();
        let json = engine.gen_fn_metadata_to_json(false).expect("metadata is JSON");
        let json: serde_json::Value = serde_json::from_str(&json).expect("metadata is JSON");
        let registered: BTreeSet<&str> = json["functions"]
            .as_array()
            .expect("a list of functions")
            .iter()
            .filter_map(|function| function["name"].as_str())
            .collect();
        for function in TABLE {
            assert!(registered.contains(function.name), "`{}` is not registered", function.name);
            assert!(!function.help.is_empty() && !function.usage.is_empty(), "{}", function.name);
        }
    }

    #[test]
    fn durations_are_texts_or_seconds() {
        for (value, want) in [
            (Dynamic::from("15m"), Some(900_000)),
            (Dynamic::from(2_i64), Some(2_000)),
            (Dynamic::from(0.5), Some(500)),
            (Dynamic::from(-1_i64), None),
            (Dynamic::from("soon"), None),
            (Dynamic::from(true), None),
        ] {
            assert_eq!(milliseconds(&value).ok(), want, "{value}");
        }
    }
}
