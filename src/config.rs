//! One TOML file and the environment become a checked configuration; an unknown key is an error with a suggestion.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use crate::domain::alias::parse_duration;
use crate::domain::alias_index::damerau;
use crate::domain::budget::{BUDGETS, Budget, Budgets, Unit, parse_bytes};
use crate::domain::catch_up::RUN_WITHIN_MS;

/// Largest configuration file in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Shortest time that can be configured, in milliseconds.
const DURATION_MS_MIN: u64 = 1_000;

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// A time span, as text: `15m`, `2h30m`.
    Duration,
    /// A time span, or `never`.
    DurationOrNever,
    /// True or false.
    Bool,
    /// A budget of scripts, by its name in [`BUDGETS`]: a number, a size or a time span within its bounds.
    Budget(&'static str),
}

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// The table that it is in.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value if it is not given, as TOML.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
}

/// Every key.
pub const KEYS: &[Key] = &[
    Key {
        table: "bot",
        name: "prefix",
        kind: Kind::Text,
        default: "\"!\"",
        help: "What a command begins with. The bot also answers to its name: `@beadle: help`.",
    },
    Key {
        table: "paths",
        name: "data",
        kind: Kind::Text,
        default: "\"~/.local/share/beadle\"",
        help: "The data directory: the event log, its keys, and the Matrix session; without a value in `$XDG_DATA_HOME`, if that is set. `--data` overrides it.",
    },
    Key {
        table: "paths",
        name: "scripts",
        kind: Kind::Text,
        default: "\"scripts\"",
        help: "The scripts folder; where there is none, the shipped scripts are unpacked into the data directory. `--scripts` overrides it.",
    },
    Key {
        table: "matrix",
        name: "homeserver",
        kind: Kind::Text,
        default: "\"\"",
        help: "A server name such as `example.org`, or an address such as `https://matrix.example.org`.",
    },
    Key {
        table: "matrix",
        name: "user",
        kind: Kind::Text,
        default: "\"\"",
        help: "The bot's account, `@beadle:example.org`. The password is asked for once, by `beadle login`, and not kept.",
    },
    Key {
        table: "matrix",
        name: "management_room",
        kind: Kind::Text,
        default: "\"\"",
        help: "Where the bot tells its owner what they must know, by id; else the room that `beadle login --owner` made.",
    },
    Key {
        table: "matrix",
        name: "intro",
        kind: Kind::Text,
        default: "\"Hello, I am a bot. Say {prefix}help to see what I can do.\"",
        help: "What the bot says, once, in a room that it is invited into; `{prefix}` is the command prefix. `\"\"`: nothing.",
    },
    Key {
        table: "invites",
        name: "allow",
        kind: Kind::List,
        default: "[]",
        help: "Whose invitations are accepted: `@ann:example.org`, `@*:example.org`. Members of the management room always may invite.",
    },
    Key {
        table: "catchup",
        name: "run_within",
        kind: Kind::Duration,
        default: "\"10m\"",
        help: "A command that reaches the bot later than this after it was said is not run by itself: its sender is asked whether they still want it.",
    },
    Key {
        table: "rooms",
        name: "exec",
        kind: Kind::List,
        default: "[]",
        help: "Rooms where actions may run, by id or name: `!abc`, `#ops:example.org`. Everywhere else `exec` is refused.",
    },
    Key {
        table: "rooms",
        name: "leave_alone_after",
        kind: Kind::DurationOrNever,
        default: "\"1h\"",
        help: "How long the bot stays in a room where nobody else is: `30m`, `1 day`, `never`. It never leaves the management room.",
    },
    Key {
        table: "secrets",
        name: "folder",
        kind: Kind::Text,
        default: "\"\"",
        help: "A folder with a file for each secret that actions are given by name; only its owner may read them.",
    },
    Key {
        table: "secrets",
        name: "prefix",
        kind: Kind::Text,
        default: "\"BEADLE_SECRET_\"",
        help: "Environment variables with this prefix are secrets too: `cloud/token` is `BEADLE_SECRET_CLOUD_TOKEN`. `\"\"`: none are.",
    },
    Key {
        table: "log",
        name: "head_every",
        kind: Kind::DurationOrNever,
        default: "\"10m\"",
        help: "How long an event may be without a signed head of the log; a thousand events are never without. `never`: only for a thousand events, at the end, and by `beadle log head`.",
    },
    Key {
        table: "log",
        name: "keep",
        kind: Kind::DurationOrNever,
        default: "\"never\"",
        help: "How long what is over is kept in the log, at least a day: `365 days`. Older files of the journal are dropped once a day, from the oldest on, as far as nothing in them is needed. `never`: nothing is dropped.",
    },
    Key {
        table: "log",
        name: "audit_room",
        kind: Kind::Text,
        default: "\"\"",
        help: "Where the signed heads are published, by id or name: `!abc`, `#audit:example.org`; best on another homeserver. Invite the bot into it.",
    },
    Key {
        table: "scripts",
        name: "reload",
        kind: Kind::Bool,
        default: "true",
        help: "Whether scripts are loaded again when they are saved. SIGHUP loads them in any case.",
    },
    Key {
        table: "scripts",
        name: "operations_max",
        kind: Kind::Budget("operations_max"),
        default: "1000000",
        help: "How many operations a script may do from its start to its end, what it did before a wait included.",
    },
    Key {
        table: "scripts",
        name: "slice_time",
        kind: Kind::Budget("slice_time_ms"),
        default: "\"2s\"",
        help: "How long a script may run without waiting.",
    },
    Key {
        table: "scripts",
        name: "call_levels_max",
        kind: Kind::Budget("call_levels_max"),
        default: "32",
        help: "How deep calls of functions may nest.",
    },
    Key {
        table: "scripts",
        name: "string_bytes_max",
        kind: Kind::Budget("string_bytes_max"),
        default: "\"256 KiB\"",
        help: "How long a text may be.",
    },
    Key {
        table: "scripts",
        name: "array_items_max",
        kind: Kind::Budget("array_items_max"),
        default: "10000",
        help: "How many items a list may have, those of the lists in it included. Each change of a list takes time for all its items.",
    },
    Key {
        table: "scripts",
        name: "map_entries_max",
        kind: Kind::Budget("map_entries_max"),
        default: "2000",
        help: "How many entries a map may have, those of the maps in it included.",
    },
    Key {
        table: "scripts",
        name: "memory_bytes_max",
        kind: Kind::Budget("memory_bytes_max"),
        default: "\"64 MiB\"",
        help: "How much memory all values of a running script may take together.",
    },
    Key {
        table: "scripts",
        name: "leaked_bytes_max",
        kind: Kind::Budget("leaked_bytes_max"),
        default: "\"64 MiB\"",
        help: "How much memory the runs of a script may leave behind, in closures that hold one another; then it is switched off until it is changed or the bot starts anew.",
    },
    Key {
        table: "scripts",
        name: "print_bytes_max",
        kind: Kind::Budget("print_bytes_max"),
        default: "\"16 KiB\"",
        help: "How much a script may print; the rest is dropped.",
    },
];

/// The keys whose change takes effect at the next start; SIGHUP reloads all others.
pub const RESTART: &[(&str, &str)] = &[
    ("paths", "data"),
    ("paths", "scripts"),
    ("matrix", "homeserver"),
    ("matrix", "user"),
    ("secrets", "folder"),
    ("secrets", "prefix"),
    ("scripts", "reload"),
];

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The command prefix.
    pub prefix: String,
    /// The data directory, if it is configured.
    pub data: Option<PathBuf>,
    /// The scripts folder, if it is configured.
    pub scripts: Option<PathBuf>,
    /// Whether scripts are loaded again when they are saved.
    pub scripts_reload: bool,
    /// The homeserver, if it is configured.
    pub homeserver: Option<String>,
    /// The bot's account, if it is configured.
    pub user: Option<String>,
    /// The management room, if it is configured.
    pub management_room: Option<String>,
    /// Whose invitations are accepted.
    pub invites_allow: Vec<String>,
    /// A command that comes later than this is asked about.
    pub catchup_run_within_ms: i64,
    /// Rooms where actions may run.
    pub rooms_exec: Vec<String>,
    /// What the bot says in a room that it is invited into; empty: nothing.
    pub intro: String,
    /// How long the bot stays in a room where nobody else is; none: for ever.
    pub leave_alone_after: Option<Duration>,
    /// Where the files of secrets are, if that is configured.
    pub secrets_folder: Option<PathBuf>,
    /// What the names of variables begin with that are secrets; empty: none are.
    pub secrets_prefix: String,
    /// How long an event may be without a signed head; none: for ever.
    pub head_every: Option<Duration>,
    /// How long what is over is kept; none: for ever.
    pub keep: Option<Duration>,
    /// Where signed heads are published, if that is configured.
    pub audit_room: Option<String>,
    /// What a slice of a script may take.
    pub budgets: Budgets,
}

/// What is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// The file and line, or the environment variable.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Config {
    /// Reads a file, or nothing, and the environment above it.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut values = match file {
            Some(path) => read(path)?,
            None => BTreeMap::new(),
        };
        for key in KEYS {
            let name = variable(key);
            let Some(text) = environment.get(&name) else { continue };
            let value = match key.kind {
                // What is neither true nor false is refused below.
                Kind::Bool => text.parse().map_or(Value::String(text.clone()), Value::Boolean),
                Kind::Text | Kind::Duration | Kind::DurationOrNever | Kind::Budget(_) => {
                    Value::String(text.clone())
                }
                Kind::List => {
                    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
                }
            };
            check(key, &value, format!("${name}"))?;
            values.insert((key.table, key.name), value);
        }
        Ok(Self::from_values(&values))
    }

    /// Which keys differ from an older configuration and need a restart.
    pub fn needs_restart(&self, old: &Self) -> Vec<String> {
        let differs = |table: &str, name: &str| match (table, name) {
            ("paths", "data") => self.data != old.data,
            ("paths", "scripts") => self.scripts != old.scripts,
            ("matrix", "homeserver") => self.homeserver != old.homeserver,
            ("matrix", "user") => self.user != old.user,
            ("secrets", "folder") => self.secrets_folder != old.secrets_folder,
            ("secrets", "prefix") => self.secrets_prefix != old.secrets_prefix,
            ("scripts", "reload") => self.scripts_reload != old.scripts_reload,
            _ => false,
        };
        let differing = RESTART.iter().filter(|(table, name)| differs(table, name));
        differing.map(|(table, name)| format!("{table}.{name}")).collect()
    }

    fn from_values(values: &BTreeMap<(&str, &str), Value>) -> Self {
        let text = |table, name| match values.get(&(table, name)) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        // An empty text is a value of its own where it says that something is not to be done.
        let given = |table, name| match values.get(&(table, name)) {
            Some(Value::String(text)) => text.clone(),
            _ => default(table, name),
        };
        let list = |table, name| match values.get(&(table, name)) {
            Some(Value::Array(items)) => {
                items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
            }
            _ => vec![],
        };
        let duration = |table, name| parse_duration(&text(table, name)?).ok();
        Self {
            prefix: text("bot", "prefix").unwrap_or_else(|| "!".into()),
            data: text("paths", "data").map(|path| at_home(&path)),
            scripts: text("paths", "scripts").map(|path| at_home(&path)),
            scripts_reload: values.get(&("scripts", "reload")) != Some(&Value::Boolean(false)),
            homeserver: text("matrix", "homeserver"),
            user: text("matrix", "user"),
            management_room: text("matrix", "management_room"),
            invites_allow: list("invites", "allow"),
            catchup_run_within_ms: duration("catchup", "run_within").unwrap_or(RUN_WITHIN_MS),
            rooms_exec: list("rooms", "exec"),
            intro: given("matrix", "intro"),
            leave_alone_after: or_never(&given("rooms", "leave_alone_after")).ok().flatten(),
            secrets_folder: text("secrets", "folder").map(|path| at_home(&path)),
            secrets_prefix: given("secrets", "prefix"),
            head_every: or_never(&given("log", "head_every")).ok().flatten(),
            keep: or_never(&given("log", "keep")).ok().flatten(),
            audit_room: text("log", "audit_room"),
            budgets: budgets(values),
        }
    }
}

/// The budgets of scripts: those that are given, and the usual ones.
fn budgets(values: &BTreeMap<(&str, &str), Value>) -> Budgets {
    let mut budgets = Budgets::default();
    for budget in BUDGETS {
        let given =
            values.get(&("scripts", budget.key())).and_then(|value| in_units(budget, value));
        if let Some(given) = given {
            *(budget.slot)(&mut budgets) = given;
        }
    }
    budgets
}

/// The value of a budget as it is written; none: it is no such value, or not within the bounds.
fn in_units(budget: &Budget, value: &Value) -> Option<u64> {
    let number = match (budget.unit, value) {
        (Unit::Count | Unit::Bytes, Value::Integer(number)) => u64::try_from(*number).ok()?,
        (Unit::Count, Value::String(text)) => text.trim().parse().ok()?,
        (Unit::Bytes, Value::String(text)) => parse_bytes(text)?,
        (Unit::Time, Value::String(text)) => parse_duration(text).ok()?.try_into().ok()?,
        _ => return None,
    };
    budget.check(number).ok()
}

fn budget_named(name: &str) -> &'static Budget {
    BUDGETS.iter().find(|budget| budget.name == name).expect("the keys name budgets that there are")
}

/// The default of a text.
fn default(table: &str, name: &str) -> String {
    let key = KEYS.iter().find(|key| key.table == table && key.name == name);
    let written = key.map_or("", |key| key.default);
    written.trim_matches('"').to_owned()
}

/// Reads a time span; none: never.
fn or_never(written: &str) -> Result<Option<Duration>, String> {
    if written.trim() == "never" {
        return Ok(None);
    }
    let ms = parse_duration(written)?;
    match u64::try_from(ms) {
        Ok(ms) if ms >= DURATION_MS_MIN => Ok(Some(Duration::from_millis(ms))),
        _ => Err(format!("`{written}` is shorter than a second")),
    }
}

/// The environment variable that overrides a key: `BEADLE_MATRIX_HOMESERVER`.
pub fn variable(key: &Key) -> String {
    format!("BEADLE_{}_{}", key.table.to_uppercase(), key.name.to_uppercase())
}

fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn read(path: &Path) -> Result<BTreeMap<(&'static str, &'static str), Value>, ConfigError> {
    let place = path.display().to_string();
    let error =
        |what: String, hint: &str| ConfigError { place: place.clone(), what, hint: hint.into() };
    let unreadable = |why: std::io::Error| {
        error(why.to_string(), "`beadle init` writes a configuration to begin with")
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > CONFIG_BYTES_MAX {
        return Err(error(format!("{bytes} bytes are too many"), "is this the right file?"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text, &place)
}

/// Reads a configuration and checks every key.
fn parse(
    text: &str,
    place: &str,
) -> Result<BTreeMap<(&'static str, &'static str), Value>, ConfigError> {
    let at = |line: usize| if line == 0 { place.to_owned() } else { format!("{place}:{line}") };
    let root: toml::Table = toml::from_str(text).map_err(|why| {
        let line = why
            .span()
            .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let what = why.message().to_owned();
        ConfigError { place: at(line), what, hint: "the file is TOML: `key = \"value\"`".into() }
    })?;
    let mut values = BTreeMap::new();
    for (table, inside) in &root {
        let place = at(line_of(text, &format!("[{table}")));
        let tables: Vec<&str> = KEYS.iter().map(|key| key.table).collect();
        if !tables.contains(&table.as_str()) {
            return Err(unknown("table", table, &tables, place));
        }
        let Value::Table(inside) = inside else {
            let what = format!("`{table}` is a table");
            return Err(ConfigError {
                place,
                what,
                hint: format!("write `[{table}]` above its keys"),
            });
        };
        for (name, value) in inside {
            let place = at(line_of(text, name));
            let known: Vec<&str> =
                KEYS.iter().filter(|key| key.table == table).map(|key| key.name).collect();
            let Some(key) = KEYS.iter().find(|key| key.table == table && key.name == name) else {
                return Err(unknown(&format!("key in [{table}]"), name, &known, place));
            };
            check(key, value, place)?;
            values.insert((key.table, key.name), value.clone());
        }
    }
    Ok(values)
}

fn check(key: &Key, value: &Value, place: String) -> Result<(), ConfigError> {
    let fits = match (key.kind, value) {
        (Kind::Text, Value::String(_)) => true,
        (Kind::DurationOrNever, Value::String(text)) => or_never(text).is_ok(),
        (Kind::Bool, Value::Boolean(_)) => true,
        (Kind::List, Value::Array(items)) => items.iter().all(Value::is_str),
        (Kind::Duration, Value::String(text)) => parse_duration(text).is_ok(),
        (Kind::Budget(name), value) => in_units(budget_named(name), value).is_some(),
        _ => false,
    };
    let wanted = match key.kind {
        Kind::Text => "a text: \"…\"".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::List => "a list of texts: [\"…\", \"…\"]".to_owned(),
        Kind::Duration => "a time span: \"15m\", \"2h30m\", \"1 day\"".to_owned(),
        Kind::DurationOrNever => {
            "a time span of at least a second: \"1h\", \"30m\", or \"never\"".to_owned()
        }
        Kind::Budget(name) => format!("{}, such as {}", takes(budget_named(name)), key.default),
    };
    let what = format!("`{}` is {wanted}", key.name);
    fits.then_some(()).ok_or(ConfigError { place, what, hint: key.help.into() })
}

/// What a budget takes, in words.
fn takes(budget: &Budget) -> String {
    let kind = match budget.unit {
        Unit::Count => "number",
        Unit::Bytes => "size",
        Unit::Time => "time span",
    };
    format!("a {kind} from {} to {}", budget.shown(budget.least), budget.shown(budget.most))
}

fn unknown(what: &str, name: &str, known: &[&str], place: String) -> ConfigError {
    let near = known.iter().filter(|other| damerau(other, name) <= 3);
    let near = near.min_by_key(|other| damerau(other, name));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    ConfigError { place, what: format!("there is no {what} named `{name}`"), hint }
}

/// The first line that begins with a word, for messages; 0 if none does.
fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(word)).map_or(0, |at| at + 1)
}

/// A configuration with every key as a comment.
pub fn template() -> String {
    let mut text = String::from(
        "# The configuration of beadle. Every key may also come from the environment.\n",
    );
    let mut table = "";
    for key in KEYS {
        if key.table != table {
            table = key.table;
            text.push_str(&format!("\n[{table}]\n"));
        }
        text.push_str(&format!("# {}\n# {} = {}\n", key.help, key.name, key.default));
    }
    text
}

/// The reference page.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\nMade from the table of keys in `src/config.rs`; `make docs` writes it anew.\n\n\
         The file is TOML. It is the one given with `--config`, else `$BEADLE_CONFIG`, else `beadle.toml` in the current\n\
         directory, else `~/.config/beadle/beadle.toml`. An environment variable overrides the file; a list is given there\n\
         with commas. `beadle init` writes a file with every key as a comment.\n\n\
         A running bot reads the file again on SIGHUP (see [running.md](running.md)), except for the keys marked *restart*.\n\n\
         | key | takes | default | environment | what it is for |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let kind = match key.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::List => "list of texts".to_owned(),
            Kind::Duration => "time span".to_owned(),
            Kind::DurationOrNever => "time span or `never`".to_owned(),
            Kind::Budget(name) => takes(budget_named(name)).trim_start_matches("a ").to_owned(),
        };
        let (table, name, default, help) = (key.table, key.name, key.default, key.help);
        let restart = if RESTART.contains(&(table, name)) { " *restart*" } else { "" };
        text.push_str(&format!(
            "| `{table}.{name}` | {kind} | `{default}` | `{}` | {help}{restart} |\n",
            variable(key)
        ));
    }
    text
}

#[cfg(test)]
mod tests;
