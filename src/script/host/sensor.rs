//! What watches: `sensor` declares a program that prints what it sees, `tail` a file that grows.

use std::collections::BTreeMap;

use regex::Regex;
use rhai::{Engine, Map, NativeCallContext};

use super::super::action::{ActionDef, OutputFormat};
use super::super::context::{HostResult, error, line};
use super::super::sensor::{Feed, SensorDef};
use super::action::{environment, memory, secrets};
use super::declare::{declare, told};
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, form, opt, p};
use super::words::PATTERN_BYTES_MAX;
use crate::domain::event::EffectClass;
use crate::domain::id::ScriptHash;
use crate::domain::named::bad_name;
use crate::domain::sensor::{LINES_A_SECOND, LINES_A_SECOND_MAX};

/// How sensors are declared.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "sensor",
        forms: &[form(&[p("name", Kind::Text), OPTIONS], Kind::Unit)],
        options: &[
            opt(
                "run",
                Kind::Texts,
                "the program and its arguments; it prints one JSON object a line",
            ),
            opt("env", Kind::Map, "its environment; a value may be `secret(name)`"),
            opt(
                "secrets",
                Kind::Any,
                "secrets in its environment: `[\"TOKEN\"]` or `#{ TOKEN: \"doors/token\" }`",
            ),
            opt("memory", Kind::Any, "most memory of each of its processes: \"512M\""),
            opt("dir", Kind::Text, "where it runs, from the folder of the script"),
            opt("rate", Kind::Int, "how many lines are taken in a second; 100 without it"),
            opt("help", Kind::Text, "what it is for"),
        ],
        help: "Runs a program as long as the bot runs, and starts it again when it ends. Each line that it prints, a JSON object, \
               is the trigger `sensor.NAME` with these fields; a member `cursor` is kept, and given back at the next start as \
               `BEADLE_CURSOR` and in the first line of its standard input.",
        example: "sensor(\"doors\", #{ run: [\"./doors.py\", \"--building\", \"3\"], secrets: [\"DOORS_TOKEN\"], help: \"Who opens what\" });",
        ..HostFn::DECLARES
    },
    HostFn {
        name: "tail",
        forms: &[form(&[p("name", Kind::Text), OPTIONS], Kind::Unit)],
        options: &[
            opt(
                "file",
                Kind::Text,
                "the file; from the folder of the script, if it does not begin with `/`",
            ),
            opt(
                "pattern",
                Kind::Text,
                "what a line must be like: a regular expression, whose named groups become fields",
            ),
            opt("rate", Kind::Int, "how many lines are taken in a second; 100 without it"),
            opt("help", Kind::Text, "what it is for"),
        ],
        help: "Follows a file that grows: each new line is the trigger `sensor.NAME` with `line`, `file` and the groups of the pattern. \
               It begins at the end of the file, and then passes over nothing, also when the file is rotated or the bot was away.",
        example: "tail(\"auth\", #{ file: \"/var/log/auth.log\", pattern: `Failed password for (?<user>\\S+) from (?<address>\\S+)` });",
        ..HostFn::DECLARES
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("sensor", |call: NativeCallContext, name: &str, options: Map| {
            told(program(&call, name, &options).and_then(|def| add(&call, "sensor", def)))
        })
        .register_fn("tail", |call: NativeCallContext, name: &str, options: Map| {
            told(file(&call, name, &options).and_then(|def| add(&call, "tail", def)))
        });
}

fn add(call: &NativeCallContext, what: &str, mut def: SensorDef) -> HostResult<()> {
    let name = def.name.clone();
    let mut twice = false;
    declare(call, what, |loading| {
        match &mut def.feed {
            Feed::Program(action) => action.folder.clone_from(&loading.folder),
            Feed::File { folder, .. } => folder.clone_from(&loading.folder),
        }
        twice = loading.sensors.iter().any(|known| known.name == def.name);
        loading.sensors.push(def);
    })?;
    match twice {
        true => Err(error(call, format!("the sensor `{name}` is declared twice"))),
        false => Ok(()),
    }
}

/// What every sensor has.
fn named(
    call: &NativeCallContext,
    name: &str,
    options: &Options,
    feed: Feed,
) -> HostResult<SensorDef> {
    if name.is_empty() || bad_name(&format!("sensor.{name}")).is_some() {
        let what = "a sensor's name has letters, digits and `._-/`: \"doors\"; its lines are the triggers `sensor.doors`";
        return Err(error(call, what));
    }
    let rate = options.int("rate")?.map_or(Ok(LINES_A_SECOND), |rate| {
        let rate = u32::try_from(rate).ok().filter(|it| (1..=LINES_A_SECOND_MAX).contains(it));
        rate.ok_or_else(|| options.error(format!("`rate` is from 1 to {LINES_A_SECOND_MAX}")))
    })?;
    let place = call.call_position();
    Ok(SensorDef {
        name: name.to_owned(),
        feed,
        lines_a_second: rate,
        help: options.text("help")?.unwrap_or_default(),
        line: line(call),
        column: place.position().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
    })
}

fn program(call: &NativeCallContext, name: &str, options: &Map) -> HostResult<SensorDef> {
    let options = &Options::of(call, "sensor", options)?;
    let run = options.texts("run")?;
    if run.is_empty() {
        return Err(error(call, "a sensor needs `run`: [\"./program\", ..]"));
    }
    let (env, mut known) = environment(call, options.map("env")?)?;
    for (variable, used) in secrets(call, options.get("secrets"))? {
        if env.contains_key(&variable) || known.contains_key(&variable) {
            return Err(error(call, format!("the variable `{variable}` is given twice")));
        }
        known.insert(variable, used);
    }
    let action = ActionDef {
        files: vec![],
        name: name.to_owned(),
        run,
        body: None,
        params: BTreeMap::new(),
        timeout_ms: 0,
        output: OutputFormat::Lines,
        effect: EffectClass::Read,
        env,
        secrets: known,
        memory_bytes: memory(call, options.get("memory"))?,
        dir: options.text("dir")?,
        lock: None,
        retry: None,
        role: None,
        tags: vec![],
        help: String::new(),
        folder: String::new(),
        script: ScriptHash(String::new()),
        line: line(call),
    };
    named(call, name, options, Feed::Program(Box::new(action)))
}

fn file(call: &NativeCallContext, name: &str, options: &Map) -> HostResult<SensorDef> {
    let options = &Options::of(call, "tail", options)?;
    let path = options.text("file")?.filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| error(call, "a tail needs `file`: \"/var/log/auth.log\""))?;
    let pattern = options.text("pattern")?;
    if let Some(pattern) = &pattern {
        if pattern.len() > PATTERN_BYTES_MAX {
            let what = format!("a pattern may have {PATTERN_BYTES_MAX} bytes");
            return Err(error(call, what));
        }
        Regex::new(pattern).map_err(|why| error(call, format!("`pattern`: {why}")))?;
    }
    named(call, name, options, Feed::File { path, folder: String::new(), pattern })
}

#[cfg(test)]
mod tests {
    use super::super::super::engine::engine;
    use super::super::super::load::{load_one, on_script_thread};
    use super::*;

    fn declared(source: &str) -> Result<Vec<SensorDef>, String> {
        let source = source.to_owned();
        on_script_thread(move || {
            let script = load_one(&engine(), "t.rhai", &source).map_err(|why| why.to_string())?;
            Ok(script.sensors.clone())
        })
    }

    #[test]
    fn what_watches_is_read() {
        let found = declared(
            r##"sensor("doors", #{ run: ["./doors.py", "{3}"], env: #{ A: "1", T: secret("doors/t") }, secrets: ["DOORS"],
                dir: "work", memory: "64M", rate: 5, help: "Doors" });
                tail("auth", #{ file: "/var/log/auth.log", pattern: `for (?<user>\S+)` });"##,
        )
        .expect("it loads");
        let [doors, auth] = found.as_slice() else { panic!("two sensors") };
        let Feed::Program(action) = &doors.feed else { panic!("a program") };
        assert_eq!(action.run, ["./doors.py", "{3}"], "braces are braces here");
        let secrets: Vec<&str> = action.secrets.keys().map(String::as_str).collect();
        assert_eq!((doors.lines_a_second, secrets), (5, vec!["DOORS", "T"]));
        assert_eq!((doors.help.as_str(), doors.line), ("Doors", 1));
        let Feed::File { path, pattern, .. } = &auth.feed else { panic!("a file") };
        assert_eq!((path.as_str(), pattern.is_some()), ("/var/log/auth.log", true));
        assert_eq!(auth.lines_a_second, LINES_A_SECOND);
    }

    #[test]
    fn what_cannot_watch_says_why() {
        let (rate, long) = (LINES_A_SECOND_MAX + 1, "x".repeat(PATTERN_BYTES_MAX + 1));
        for (source, want) in [
            ("sensor(\"doors\", #{});", "needs `run`"),
            ("sensor(\"two words\", #{ run: [\"x\"] });", "a sensor's name has letters"),
            ("sensor(\"\", #{ run: [\"x\"] });", "a sensor's name has letters"),
            ("sensor(\"a\", #{ run: [\"x\"], rate: 0 });", "`rate` is from 1 to 1000"),
            (&format!("sensor(\"a\", #{{ run: [\"x\"], rate: {rate} }});"), "from 1 to 1000"),
            ("sensor(\"a\", #{ run: [\"x\"], rnu: 1 });", "did you mean `run`?"),
            (
                "sensor(\"a\", #{ run: [\"x\"] }); tail(\"a\", #{ file: \"x\" });",
                "the sensor `a` is declared twice",
            ),
            ("tail(\"a\", #{});", "needs `file`"),
            ("tail(\"a\", #{ file: \"x\", pattern: \"(\" });", "`pattern`: "),
            (&format!("tail(\"a\", #{{ file: \"x\", pattern: \"{long}\" }});"), "1000 bytes"),
            (
                "sensor(\"a\", #{ run: [\"x\"], env: #{ A: \"1\" }, secrets: [\"A\"] });",
                "given twice",
            ),
        ] {
            let why = declared(source).expect_err(source);
            assert!(why.contains(want), "{source}: {why}");
        }
    }
}
