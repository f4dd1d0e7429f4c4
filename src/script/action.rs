//! An action as a script declares it: what it runs, what it takes, when it may be tried again (pure).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rhai::{Dynamic, FnPtr, GlobalRuntimeState};
use serde_json::Value;

use super::param::{Args, ParamDef, Presence, quoted};
use crate::domain::alias_index::damerau;
use crate::domain::event::EffectClass;
use crate::domain::id::ScriptHash;

/// Most attempts of one call.
pub const RETRY_TIMES_MAX: u32 = 100;
/// Longest wait between two attempts, in milliseconds.
pub const RETRY_WAIT_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Longest name of a lock, in bytes.
pub const LOCK_BYTES_MAX: usize = 200;
/// The kinds of errors after which an action can be tried again.
pub const RETRY_KINDS: &[&str] = &["failed", "timed_out", "not_started"];
/// The kind of an error after which it is certain that nothing has happened.
pub const NOT_STARTED: &str = "not_started";
/// How many letters may differ between a parameter's name and the one that is suggested for it.
const NEAR_MAX: usize = 2;

/// An operation: a program in any language, or a closure of a script.
#[derive(Debug, Clone)]
pub struct ActionDef {
    /// Its name: `cloud.create_vm`.
    pub name: String,
    /// The command and its arguments, with `{parameter}` places; empty for one that is written in Rhai.
    pub run: Vec<String>,
    /// What runs instead of a program.
    pub body: Option<Body>,
    /// Its parameters.
    pub params: BTreeMap<String, ParamDef>,
    /// When it is stopped.
    pub timeout_ms: i64,
    /// What its standard output means.
    pub output: OutputFormat,
    /// Whether it may be repeated.
    pub effect: EffectClass,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// The secrets in its environment, by the variable.
    pub secrets: BTreeMap<String, SecretUse>,
    /// Most memory that each of its processes may have, in bytes.
    pub memory_bytes: Option<u64>,
    /// Where it runs, from the folder of its script; none: there.
    pub dir: Option<String>,
    /// The files that it is made of besides those that its command line names, from the folder of its script.
    pub files: Vec<String>,
    /// Calls with the same lock run one at a time; has `{parameter}` places.
    pub lock: Option<String>,
    /// When it is tried again.
    pub retry: Option<Retry>,
    /// Who may have it run.
    pub role: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// What it is for.
    pub help: String,
    /// The folder of the script that declares it, from the scripts folder.
    pub folder: String,
    /// The version of the script that declares it.
    pub script: ScriptHash,
    /// Where it is declared.
    pub line: u32,
}

/// What runs for an action that is written in Rhai.
#[derive(Clone)]
pub struct Body {
    /// The closure.
    pub function: FnPtr,
    /// How many parameters it takes: none, or `args`.
    pub takes: usize,
    /// What it sees of its script; none while that is being loaded.
    pub global: Option<Arc<GlobalRuntimeState>>,
    /// The constants of its script.
    pub consts: Arc<BTreeMap<String, Dynamic>>,
}

impl Body {
    /// A closure of a script that is being loaded.
    pub fn new(function: FnPtr) -> Self {
        Self { function, takes: 0, global: None, consts: Arc::default() }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.fn_name())
    }
}

/// A secret that an action finds in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretUse {
    /// Its value.
    Value(String),
    /// The path of the file that holds it.
    File(String),
}

/// When an action is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often it is tried in all.
    pub times: u32,
    /// How long to wait before the next attempt.
    pub wait_ms: i64,
    /// After which kinds of errors; none: after those that do no harm.
    pub on: Option<Vec<String>>,
}

/// What an action's standard output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// One JSON value.
    Json,
    /// A text.
    Text,
    /// A list of lines.
    Lines,
}

impl OutputFormat {
    /// As scripts write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Lines => "lines",
        }
    }
}

impl SecretUse {
    /// The name of the secret.
    pub fn name(&self) -> &str {
        match self {
            Self::Value(name) | Self::File(name) => name,
        }
    }
}

impl Retry {
    /// How long to wait before the next attempt when one has ended so; none: it is not tried again.
    ///
    /// What may have happened is repeated by itself only where that does no harm, or where the policy names the kind.
    pub fn again(&self, class: EffectClass, kind: &str, failed: u32) -> Option<i64> {
        let harmless = || class != EffectClass::Once || kind == NOT_STARTED;
        let fits = match &self.on {
            Some(kinds) => kinds.iter().any(|named| named == kind),
            None => RETRY_KINDS.contains(&kind) && harmless(),
        };
        (fits && failed < self.times).then_some(self.wait_ms)
    }
}

impl ActionDef {
    /// The parameters of a call with their defaults, or everything that is wrong with them.
    ///
    /// # Errors
    /// Which parameters are missing, unknown or of the wrong type.
    pub fn complete(&self, given: &Value) -> Result<Args, String> {
        let given = given.as_object().ok_or("parameters are given as a map: #{ name: value }")?;
        let mut wrong: Vec<String> = given
            .keys()
            .filter(|name| !self.params.contains_key(*name))
            .map(|name| self.unknown(name))
            .collect();
        let mut args = Args::new();
        for (name, def) in &self.params {
            match (given.get(name).filter(|value| !value.is_null()), &def.presence) {
                (Some(value), _) => match def.check(value) {
                    Ok(()) => drop(args.insert(name.clone(), value.clone())),
                    Err(wants) => {
                        wrong.push(format!("`{name}` must be {wants}, not {}", quoted(value)));
                    }
                },
                (None, Presence::Default(value)) => drop(args.insert(name.clone(), value.clone())),
                (None, Presence::Optional) => {}
                (None, Presence::Needed) => {
                    wrong.push(format!("`{}` needs `{name}`, {}", self.name, def.wants()));
                }
            }
        }
        if wrong.is_empty() { Ok(args) } else { Err(wrong.join("; ")) }
    }

    fn unknown(&self, name: &str) -> String {
        let known = || self.params.keys().map(String::as_str);
        let far = |known: &str| damerau(known, name);
        let near = known().filter(|it| far(it) <= NEAR_MAX && far(it) < name.chars().count());
        let near = near.min_by_key(|it| far(it));
        let hint = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
        let takes = match known().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "it takes none".to_owned(),
            names => format!("it takes {names}"),
        };
        format!("`{}` has no parameter `{name}`{hint} ({takes})", self.name)
    }

    /// The command line for these parameters, or everything that is wrong with them.
    ///
    /// # Errors
    /// Which parameters are missing, unknown or of the wrong type, or would be read as an option.
    pub fn command_line(&self, given: &Value) -> Result<Vec<String>, String> {
        self.argv(&self.complete(given)?)
    }

    /// The command line for complete parameters.
    ///
    /// An argument whose parameter is not given is left out; a list that is an argument for itself becomes several.
    ///
    /// # Errors
    /// Which parameter the program would read as an option.
    pub fn argv(&self, args: &Args) -> Result<Vec<String>, String> {
        let mut argv: Vec<String> = vec![];
        for part in &self.run {
            let ended = argv.iter().any(|word| word == "--");
            let whole = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let values = match whole.and_then(|name| args.get(name)) {
                Some(Value::Array(items)) => items.iter().map(text).collect(),
                _ => fill(part, args, &self.params).into_iter().collect::<Vec<_>>(),
            };
            // A number may begin with a minus sign: it is no text that somebody has chosen.
            let chosen = part.starts_with('{') && !is_number(part, args);
            match values.iter().find(|value| value.starts_with('-')) {
                Some(value) if chosen && !ended && !argv.is_empty() => {
                    return Err(format!(
                        "{} begins with `-`, and the program would read it as an option; put \"--\" before {part} in `run` if the program knows that",
                        quoted(&Value::String(value.clone()))
                    ));
                }
                _ => argv.extend(values),
            }
        }
        Ok(argv)
    }

    /// The name of the lock that a call takes.
    pub fn lock_name(&self, args: &Args) -> Option<String> {
        let name = fill(self.lock.as_ref()?, args, &self.params)?;
        let end = (0..=LOCK_BYTES_MAX.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
        Some(name[..end.unwrap_or(0)].to_owned())
    }
}

fn is_number(part: &str, args: &Args) -> bool {
    let name = part[1..].split('}').next().unwrap_or_default();
    args.get(name).is_some_and(Value::is_number)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Puts parameters into `{name}` places; none: one of them is not given. What is in a parameter is never looked at again.
fn fill(part: &str, args: &Args, known: &BTreeMap<String, ParamDef>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = part;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else { break };
        let name = &rest[open + 1..open + close];
        filled.push_str(&rest[..open]);
        match args.get(name) {
            Some(value) => filled.push_str(&text(value)),
            None if known.contains_key(name) => return None,
            None => filled.push_str(&rest[open..=open + close]),
        }
        rest = &rest[open + close + 1..];
    }
    Some(filled + rest)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// An action without parameters that runs `true`.
    pub fn plain(name: &str) -> ActionDef {
        ActionDef {
            name: name.into(),
            run: vec!["true".into()],
            body: None,
            params: BTreeMap::new(),
            timeout_ms: 1_000,
            output: OutputFormat::Text,
            effect: EffectClass::Once,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            memory_bytes: None,
            dir: None,
            files: vec![],
            lock: None,
            retry: None,
            role: None,
            tags: vec![],
            help: String::new(),
            folder: String::new(),
            script: ScriptHash(String::new()),
            line: 1,
        }
    }

    fn with(run: &[&str], params: &[(&str, &str)]) -> ActionDef {
        let param = |(name, kind): &(&str, &str)| {
            ((*name).to_owned(), ParamDef::parse(kind).expect("a type"))
        };
        ActionDef {
            run: run.iter().map(|part| (*part).to_owned()).collect(),
            params: params.iter().map(param).collect(),
            ..plain("vm")
        }
    }

    #[test]
    fn parameters_become_arguments_or_every_error() {
        let action = with(
            &["./vm", "{host}", "--size={size}", "--note={note}", "{other}{", "{tags}"],
            &[
                ("host", "string"),
                ("size", "int=2"),
                ("on", "aws|gce=aws"),
                ("note", "string?"),
                ("tags", "list?"),
            ],
        );
        for (args, want) in [
            (
                json!({"host": "a b; rm", "size": 3, "note": "-x"}),
                "./vm|a b; rm|--size=3|--note=-x|{other}{",
            ),
            (json!({"host": "{size}", "on": "gce"}), "./vm|{size}|--size=2|{other}{"),
            (json!({"host": "a", "tags": ["x", 1]}), "./vm|a|--size=2|{other}{|x|1"),
            (json!({"host": "a", "tags": []}), "./vm|a|--size=2|{other}{"),
            (json!({"host": "a", "size": "2"}), "`size` must be a whole number, not \"2\""),
            (
                json!({"hots": "a", "on": "azure", "size": 1.5}),
                "`vm` has no parameter `hots`, did you mean `host`? (it takes host, note, on, size, tags); `vm` needs `host`, a text; `on` must be one of aws, gce, not \"azure\"; `size` must be a whole number, not 1.5",
            ),
            (json!({"host": "-rf"}), "\"-rf\" begins with `-`, and the program would read it"),
            (json!({"host": "a", "tags": ["--x"]}), "\"--x\" begins with `-`"),
            (json!(3), "parameters are given as a map: #{ name: value }"),
        ] {
            let got = action.command_line(&args).map_or_else(|why| why, |line| line.join("|"));
            assert!(
                got == want || want.len() < got.len() && got.starts_with(want),
                "{args}: {got}"
            );
        }
    }

    #[test]
    fn what_stands_behind_two_dashes_is_no_option() {
        let action = with(&["ssh", "--", "{host}", "{n}"], &[("host", "string"), ("n", "int")]);
        let line = action.command_line(&json!({"host": "-oX", "n": -1}));
        assert_eq!(line.expect("it fits"), ["ssh", "--", "-oX", "-1"]);
        let action = with(&["nice", "{n}"], &[("n", "int")]);
        assert_eq!(action.command_line(&json!({"n": -1})).expect("it fits"), ["nice", "-1"]);
    }

    #[test]
    fn locks_are_named_by_parameters() {
        let long = "é".repeat(LOCK_BYTES_MAX);
        for (lock, args, want) in [
            (Some("deploy/{env}"), json!({"env": "prod"}), Some("deploy/prod")),
            (Some("deploy"), json!({}), Some("deploy")),
            (Some("{env}"), json!({}), None),
            (None, json!({"env": "prod"}), None),
            (Some("{env}"), json!({ "env": long }), Some(&long[..LOCK_BYTES_MAX])),
        ] {
            let mut action = with(&["x"], &[("env", "string?")]);
            action.lock = lock.map(str::to_owned);
            let args = action.complete(&args).expect("they fit");
            assert_eq!(action.lock_name(&args).as_deref(), want, "{lock:?}");
        }
    }

    #[test]
    fn only_harmless_errors_are_tried_again_by_themselves() {
        use EffectClass::{Idempotent, Once, Read};
        let named = |kinds: &[&str]| Some(kinds.iter().map(|kind| (*kind).to_owned()).collect());
        for (on, class, kind, failed, again) in [
            (None, Read, "failed", 1, true),
            (None, Idempotent, "timed_out", 2, true),
            (None, Read, "failed", 3, false),
            (None, Read, "in_doubt", 1, false),
            (None, Read, "cancelled", 1, false),
            (None, Once, "failed", 1, false),
            (None, Once, "timed_out", 1, false),
            (None, Once, "not_started", 1, true),
            (named(&["failed"]), Once, "failed", 1, true),
            (named(&["failed"]), Read, "timed_out", 1, false),
        ] {
            let retry = Retry { times: 3, wait_ms: 5, on };
            let got = retry.again(class, kind, failed).is_some();
            assert_eq!(got, again, "{retry:?} {class:?} {kind} {failed}");
        }
    }
}
