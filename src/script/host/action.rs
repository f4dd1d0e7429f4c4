//! `action`: declares an operation in any language, or one that is written in Rhai, with everything that it is run by.

use std::collections::BTreeMap;

use rhai::{Dynamic, Engine, FnPtr, Map, NativeCallContext};

use super::super::action::{
    ActionDef, Body, OutputFormat, RETRY_KINDS, RETRY_TIMES_MAX, RETRY_WAIT_MS_MAX, Retry,
    SecretUse,
};
use super::super::context::{HostResult, error, line};
use super::super::param::ParamDef;
use super::declare::{ACTION, declare, told};
use super::options::Options;
use super::secret::{self, Secret};
use super::table::{HostFn, Kind, OPTIONS, Place, form, opt, p};
use super::{milliseconds, nearest, texts};
use crate::domain::event::EffectClass;
use crate::domain::id::ScriptHash;

/// How long an action may take if it does not say.
pub const ACTION_TIMEOUT_MS: i64 = 60_000;
/// Most files that an action can say it is made of.
pub const FILES_MAX: usize = 100;
/// Least memory that an action can be given, in bytes: a smaller one starts no program.
pub const MEMORY_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// What only programs have.
const OF_PROGRAMS: &[&str] = &[
    "run", "files", "timeout", "output", "effect", "env", "secrets", "memory", "dir", "lock",
    "retry",
];

/// How actions are declared.
pub const ROWS: &[HostFn] = &[HostFn {
    name: "action",
    forms: &[
        form(&[p("name", Kind::Text)], ACTION),
        form(&[p("name", Kind::Text), OPTIONS], Kind::Unit),
        form(&[p("name", Kind::Text), OPTIONS, p("args", Kind::Function)], Kind::Unit),
    ],
    options: &[
        opt("run", Kind::Texts, "the program and its arguments, with `{parameter}` places"),
        opt(
            "files",
            Kind::Texts,
            "what it is made of besides the files that `run` names, from the folder of the script: an approval is void when one of them changes",
        ),
        opt(
            "params",
            Kind::Map,
            "its parameters and their types: `#{ host: \"string\", port: \"int=22\" }`",
        ),
        opt("timeout", Kind::Duration, "when it is stopped; a minute without it"),
        opt("output", Kind::Text, "what it prints: \"json\", \"text\" or \"lines\""),
        opt(
            "effect",
            Kind::Text,
            "whether it may be repeated: \"once\", \"idempotent\" or \"read\"",
        ),
        opt("env", Kind::Map, "its environment; a value may be `secret(name)`"),
        opt(
            "secrets",
            Kind::Any,
            "secrets in its environment: `[\"TOKEN\"]` or `#{ TOKEN: \"cloud/token\", KEY_FILE: \"file:ssh/key\" }`",
        ),
        opt("memory", Kind::Any, "most memory of each of its processes: \"512M\""),
        opt("dir", Kind::Text, "where it runs, from the folder of the script"),
        opt("lock", Kind::Text, "calls with the same lock run one at a time: \"deploy/{env}\""),
        opt(
            "retry",
            Kind::Map,
            "when it is tried again: `#{ times: 3, wait: \"15s\", on: [\"failed\", \"timed_out\"] }`",
        ),
        opt("role", Kind::Text, "who may have it run"),
        opt("tags", Kind::Texts, "labels"),
        opt("help", Kind::Text, "what it is for"),
    ],
    place: Place::TopLevel,
    help: "Declares an operation in any language or, with a closure, one that is written in Rhai; or names one for an alias.",
    example: "action(\"disk.used\", #{ run: [\"df\", \"-h\", \"--\", \"{path}\"], params: #{ path: \"string\" }, effect: \"read\" });\nalias(\"disk {path}\", action(\"disk.used\"));\naction(\"disk.both\", #{ params: #{ first: \"string\" } }, |args| exec(\"disk.used\", #{ path: args.first }));",
    ..HostFn::DECLARES
}];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("action", |call: NativeCallContext, name: &str, options: Map| {
            told(program(&call, name, &options).and_then(|def| add(&call, def)))
        })
        .register_fn("action", |call: NativeCallContext, name: &str, options: Map, body: FnPtr| {
            told(scripted(&call, name, &options, body).and_then(|def| add(&call, def)))
        });
}

fn scripted(
    call: &NativeCallContext,
    name: &str,
    options: &Map,
    body: FnPtr,
) -> HostResult<ActionDef> {
    let read = Options::of(call, "action", options)?;
    if let Some(name) = OF_PROGRAMS.iter().find(|name| read.get(name).is_some()) {
        let what = format!(
            "`{name}` is for programs; an action with a closure has `params`, `role`, `tags` and `help`"
        );
        return Err(error(call, what));
    }
    Ok(ActionDef { body: Some(Body::new(body)), ..named(call, name, &read)? })
}

fn add(call: &NativeCallContext, mut def: ActionDef) -> HostResult<()> {
    let name = def.name.clone();
    let mut twice = false;
    declare(call, "action", |loading| {
        def.folder.clone_from(&loading.folder);
        twice = loading.actions.insert(def.name.clone(), def).is_some();
    })?;
    match twice {
        true => Err(error(call, format!("the action `{name}` is declared twice"))),
        false => Ok(()),
    }
}

/// What every action has.
fn named(call: &NativeCallContext, name: &str, options: &Options) -> HostResult<ActionDef> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(fits) {
        let what = "an action's name has letters, digits and `._-`: \"cloud.create_vm\"";
        return Err(error(call, what));
    }
    Ok(ActionDef {
        name: name.to_owned(),
        run: vec![],
        body: None,
        params: params(call, options.map("params")?)?,
        timeout_ms: ACTION_TIMEOUT_MS,
        output: OutputFormat::Text,
        effect: EffectClass::Once,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        memory_bytes: None,
        dir: None,
        files: vec![],
        lock: None,
        retry: None,
        role: options.text("role")?,
        tags: options.texts("tags")?,
        help: options.text("help")?.unwrap_or_default(),
        folder: String::new(),
        script: ScriptHash(String::new()),
        line: line(call),
    })
}

fn program(call: &NativeCallContext, name: &str, options: &Map) -> HostResult<ActionDef> {
    let options = &Options::of(call, "action", options)?;
    let mut def = named(call, name, options)?;
    def.run = options.texts("run")?;
    if def.run.is_empty() {
        return Err(error(call, "an action needs `run`: [\"program\", ..], or a closure"));
    }
    def.timeout_ms = options.duration("timeout")?.unwrap_or(ACTION_TIMEOUT_MS);
    def.output = output(call, options.text("output")?)?;
    def.effect = class(call, options.text("effect")?)?;
    (def.env, def.secrets) = environment(call, options.map("env")?)?;
    for (variable, used) in secrets(call, options.get("secrets"))? {
        if def.env.contains_key(&variable) || def.secrets.contains_key(&variable) {
            return Err(error(call, format!("the variable `{variable}` is given twice")));
        }
        def.secrets.insert(variable, used);
    }
    def.memory_bytes = memory(call, options.get("memory"))?;
    def.dir = options.text("dir")?;
    def.files = files(call, options)?;
    def.lock = options.text("lock")?;
    def.retry = retry(call, options.map("retry")?)?;
    places(call, &def)?;
    Ok(def)
}

/// The files that it says it is made of.
fn files(call: &NativeCallContext, options: &Options) -> HostResult<Vec<String>> {
    let files = options.texts("files")?;
    if files.len() > FILES_MAX {
        return Err(error(call, format!("an action names at most {FILES_MAX} files")));
    }
    Ok(files)
}

/// Every `{name}` of a lock, and every one that is an argument for itself, must be a parameter: a typing error would lock nothing.
fn places(call: &NativeCallContext, def: &ActionDef) -> HostResult<()> {
    let lock = def.lock.iter().flat_map(|lock| lock.split('{').skip(1));
    let lock = lock.filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    let run = def.run.iter().filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let run = run.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    match lock.chain(run).find(|name| !def.params.contains_key(*name)) {
        None => Ok(()),
        Some(name) => {
            let near = nearest(name, def.params.keys().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{{{near}}}`?"));
            Err(error(call, format!("`{{{name}}}` is none of the parameters{hint}")))
        }
    }
}

fn params(call: &NativeCallContext, map: Option<Map>) -> HostResult<BTreeMap<String, ParamDef>> {
    let mut found = BTreeMap::new();
    let mut wrong = vec![];
    for (name, kind) in map.unwrap_or_default() {
        let def = match kind.clone().into_string() {
            Ok(written) => ParamDef::parse(&written),
            Err(_) => texts(call, &kind, &name)
                .map(ParamDef::choice)
                .map_err(|_| "a type is a text such as \"int=2\", or a list of choices".to_owned()),
        };
        match def {
            Ok(def) => drop(found.insert(name.to_string(), def)),
            Err(why) => wrong.push(format!("parameter `{name}`: {why}")),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(error(call, wrong.join("\n"))) }
}

fn output(call: &NativeCallContext, value: Option<String>) -> HostResult<OutputFormat> {
    match value.as_deref() {
        None | Some("text") => Ok(OutputFormat::Text),
        Some("json") => Ok(OutputFormat::Json),
        Some("lines") => Ok(OutputFormat::Lines),
        Some(_) => Err(error(call, "`output` is \"json\", \"text\" or \"lines\"")),
    }
}

fn class(call: &NativeCallContext, value: Option<String>) -> HostResult<EffectClass> {
    match value.as_deref() {
        None | Some("once") => Ok(EffectClass::Once),
        Some("idempotent") => Ok(EffectClass::Idempotent),
        Some("read") => Ok(EffectClass::Read),
        Some(_) => Err(error(call, "`effect` is \"once\", \"idempotent\" or \"read\"")),
    }
}

type Environment = (BTreeMap<String, String>, BTreeMap<String, SecretUse>);

pub(super) fn environment(call: &NativeCallContext, map: Option<Map>) -> HostResult<Environment> {
    let (mut env, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in map.unwrap_or_default() {
        let name = variable(call, &name)?;
        if let Some(secret) = value.clone().try_cast::<Secret>() {
            secrets.insert(name, SecretUse::Value(secret.name().to_owned()));
            continue;
        }
        let text = value.into_string().map_err(|_| {
            error(call, "`env` is a map of names and texts or secrets: #{ LANG: \"C\" }")
        })?;
        env.insert(name, text);
    }
    Ok((env, secrets))
}

/// The name of an environment variable; those that the bot sets itself cannot be taken.
fn variable(call: &NativeCallContext, name: &str) -> HostResult<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match name {
        "" => Err(error(call, "a variable needs a name")),
        name if !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(error(call, format!("`{name}` is no name of a variable: letters, digits and `_`")))
        }
        name if name.starts_with("BEADLE_") => {
            Err(error(call, format!("`{name}`: names that begin with BEADLE_ are the bot's own")))
        }
        name => Ok(name.to_owned()),
    }
}

pub(super) fn secrets(
    call: &NativeCallContext,
    value: Option<&Dynamic>,
) -> HostResult<BTreeMap<String, SecretUse>> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    let wrong = || {
        let what = "`secrets` is a list of names, [\"TOKEN\"], or a map of variables and names: #{ TOKEN: \"cloud/token\" }";
        error(call, what)
    };
    let pairs: Vec<(String, String)> = match value.clone().try_cast::<Map>() {
        Some(map) => {
            let pair = |(name, value): (_, Dynamic)| {
                let name: rhai::Identifier = name;
                Ok((name.to_string(), value.into_string().map_err(|_| wrong())?))
            };
            map.into_iter().map(pair).collect::<HostResult<_>>()?
        }
        None => {
            let names = texts(call, value, "`secrets`").map_err(|_| wrong())?;
            names.into_iter().map(|name| (name.clone(), name)).collect()
        }
    };
    let mut found = BTreeMap::new();
    for (name, written) in pairs {
        let used = match written.strip_prefix("file:") {
            Some(file) => SecretUse::File(file.to_owned()),
            None => SecretUse::Value(written),
        };
        secret::checked(call, used.name())?;
        found.insert(variable(call, &name)?, used);
    }
    Ok(found)
}

pub(super) fn memory(call: &NativeCallContext, value: Option<&Dynamic>) -> HostResult<Option<u64>> {
    let Some(value) = value else { return Ok(None) };
    let bytes = match (value.as_int(), value.clone().into_string()) {
        (Ok(bytes), _) => u64::try_from(bytes).ok(),
        (_, Ok(text)) => bytes(&text),
        _ => None,
    };
    let bytes =
        bytes.ok_or_else(|| error(call, "`memory` is a size such as \"512M\" or \"2G\""))?;
    if bytes < MEMORY_BYTES_MIN {
        let least = MEMORY_BYTES_MIN / 1024 / 1024;
        return Err(error(call, format!("with less than {least}M of `memory` no program starts")));
    }
    Ok(Some(bytes))
}

/// A size as people write it: `512M`, `2 GiB`, `100000`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1024,
        "m" | "mb" | "mib" => 1024 * 1024,
        "g" | "gb" | "gib" => 1024 * 1024 * 1024,
        _ => return None,
    };
    text[..end].parse::<u64>().ok()?.checked_mul(unit)
}

fn retry(call: &NativeCallContext, map: Option<Map>) -> HostResult<Option<Retry>> {
    let Some(map) = map else { return Ok(None) };
    let wrong = |what: String| Err(error(call, format!("`retry`: {what}")));
    if let Some(name) = map.keys().find(|name| !["times", "wait", "on"].contains(&name.as_str())) {
        return wrong(format!("there is no `{name}`; there are times, wait, on"));
    }
    let times = map.get("times").map_or(Ok(2), Dynamic::as_int).ok();
    let times = times.and_then(|n| u32::try_from(n).ok());
    let Some(times) = times.filter(|n| (2..=RETRY_TIMES_MAX).contains(n)) else {
        return wrong(format!("`times` counts all attempts, from 2 to {RETRY_TIMES_MAX}"));
    };
    let wait = map.get("wait").map_or(Ok(0), milliseconds);
    let wait_ms = match wait {
        Ok(ms) if ms <= RETRY_WAIT_MS_MAX => ms,
        Ok(_) => return wrong("`wait` is a day at most".into()),
        Err(why) => return wrong(format!("wait: {why}")),
    };
    let on = map.get("on").map(|kinds| texts(call, kinds, "`on`")).transpose()?;
    if let Some(kind) = on.iter().flatten().find(|kind| !RETRY_KINDS.contains(&kind.as_str())) {
        let known = RETRY_KINDS.join(", ");
        return wrong(format!("nothing is tried again after `{kind}`; there are {known}"));
    }
    Ok(Some(Retry { times, wait_ms, on }))
}

#[cfg(test)]
mod tests {
    use super::super::super::engine::engine;
    use super::super::super::load::{load_one, on_script_thread};
    use super::*;

    fn declared(options: &str) -> Result<ActionDef, String> {
        let source = format!("action(\"a.b\", {options});");
        on_script_thread(move || {
            let script = load_one(&engine(), "t.rhai", &source).map_err(|why| why.to_string())?;
            Ok(script.actions["a.b"].clone())
        })
    }

    #[test]
    fn what_an_action_is_run_by_is_read() {
        let def = declared(
            r##"#{ run: ["./x", "{host}"], params: #{ host: "string", size: ["s", "l"], n: "int(1..3)=2" },
                timeout: "5m", output: "json", effect: "idempotent", memory: "512M", dir: "work",
                env: #{ LANG: "C", A: secret("cloud/a") }, secrets: #{ B: "cloud/b", KEY_FILE: "file:ssh/key" },
                lock: "vm/{host}", retry: #{ times: 4, wait: "15s", on: ["failed"] }, help: "Does it." }"##,
        )
        .expect("it loads");
        assert_eq!(def.params["size"].shown(), "one of s, l");
        assert_eq!(def.params["n"].shown(), "a whole number from 1 to 3, else 2");
        assert_eq!((def.timeout_ms, def.memory_bytes), (300_000, Some(512 * 1024 * 1024)));
        let secrets: Vec<_> = def.secrets.iter().map(|(n, s)| format!("{n} {s:?}")).collect();
        let want = ["A Value(\"cloud/a\")", "B Value(\"cloud/b\")", "KEY_FILE File(\"ssh/key\")"];
        assert_eq!(secrets, want);
        assert_eq!(def.env.into_keys().collect::<Vec<_>>(), ["LANG"]);
        let retry = Retry { times: 4, wait_ms: 15_000, on: Some(vec!["failed".into()]) };
        assert_eq!((def.retry, def.lock.as_deref()), (Some(retry), Some("vm/{host}")));
        assert_eq!((def.dir.as_deref(), def.help.as_str()), (Some("work"), "Does it."));
        assert_eq!(def.script.as_str().len(), 32, "it is pinned to the version of its script");
    }

    #[test]
    fn what_cannot_be_declared_says_why() {
        for (options, want) in [
            ("#{}", "needs `run`"),
            (
                "#{ run: [\"x\"], params: #{ a: \"strin\", b: \"int(3)\" } }",
                "parameter `b`: a range",
            ),
            (
                "#{ run: [\"x\", \"{hots}\"], params: #{ host: \"string\" } }",
                "did you mean `{host}`?",
            ),
            ("#{ run: [\"x\"], lock: \"d/{env}\" }", "`{env}` is none of the parameters"),
            ("#{ run: [\"x\"], memory: \"1M\" }", "no program starts"),
            ("#{ run: [\"x\"], memory: \"lots\" }", "a size such as"),
            ("#{ run: [\"x\"], secrets: [\"../x\"] }", "no name of a secret"),
            ("#{ run: [\"x\"], secrets: 3 }", "`secrets` is a list of names"),
            ("#{ run: [\"x\"], secrets: #{ A: \"a\" }, env: #{ A: \"b\" } }", "given twice"),
            ("#{ run: [\"x\"], env: #{ BEADLE_X: \"b\" } }", "the bot's own"),
            ("#{ run: [\"x\"], env: #{ \"a b\": \"b\" } }", "no name of a variable"),
            ("#{ run: [\"x\"], retry: #{ times: 1 } }", "from 2 to 100"),
            ("#{ run: [\"x\"], retry: #{ times: 101 } }", "from 2 to 100"),
            ("#{ run: [\"x\"], retry: #{ wait: \"25h\" } }", "a day at most"),
            (
                "#{ run: [\"x\"], retry: #{ on: [\"in_doubt\"] } }",
                "nothing is tried again after `in_doubt`",
            ),
            ("#{ run: [\"x\"], retry: #{ tries: 3 } }", "there is no `tries`"),
            ("#{ run: [\"x\"], tiemout: 3 }", "did you mean `timeout`?"),
            ("#{ run: [\"x\"] }, |args| 1", "`run` is for programs"),
            ("#{ }, |a, b| 1", "an action takes `args`"),
        ] {
            let why = declared(options).expect_err(options);
            assert!(why.contains(want), "{options}: {why}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, want) in [
            ("100", Some(100)),
            ("512M", Some(512 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("64kb", Some(64 << 10)),
            ("M", None),
            ("1.5G", None),
            ("99999999999G", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
    }

    #[test]
    fn an_action_names_so_many_files_and_no_more() {
        for (count, fits) in [(FILES_MAX, true), (FILES_MAX + 1, false)] {
            let names = vec!["\"x\""; count].join(", ");
            let got = declared(&format!("#{{ run: [\"x\"], files: [{names}] }}"));
            assert_eq!(got.as_ref().ok().map(|def| def.files.len()), fits.then_some(count));
            assert!(fits || got.is_err_and(|why| why.contains("at most 100 files")));
        }
    }
}
