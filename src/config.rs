//! One TOML file and the environment become a checked configuration; an unknown key is an error with a suggestion.

mod bridges;
mod hooks;
mod keys;
mod pages;
mod read;
mod web;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Value;

pub use self::bridges::PROFILE_FILE;
use crate::domain::alert::REJOIN_WITHIN_MS;
use crate::domain::alias::parse_duration;
use crate::domain::alias_index::damerau;
use crate::domain::bridge::Bridges;
use crate::domain::budget::{BUDGETS, Budget, Budgets, Unit, parse_bytes, shown_bytes};
use crate::domain::catch_up::RUN_WITHIN_MS;
use crate::domain::context::{CONTEXT_FOR_MS, CONTEXT_TURNS};
use crate::domain::conversation::STALE_AFTER_MS;
use crate::domain::http_allow::Allow;
use crate::domain::pace::COMMANDS_PER_MINUTE;
use crate::domain::quiet::Quiet;
use crate::domain::role::Roles;
use crate::domain::storm::{GROUP_AT, GROUP_INTERVAL_MS, GROUP_WAIT_MS, Terms};

pub use self::hooks::{HOOK_KEYS, PER_MINUTE_MAX, WINDOW_MS_MAX};
pub use self::keys::{KEYS, Key, Kind, RESTART, variable};
pub use self::pages::{reference, template};
#[cfg(test)]
use self::read::parse;
pub use self::read::{ConfigErrors, ERRORS_MAX};
use self::read::{line_of, read};
pub use self::web::{BODY_BYTES_MAX, BODY_BYTES_MIN, LISTEN, Listen, Web};

/// Largest configuration file in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Longest command prefix, in characters.
pub const PREFIX_CHARS_MAX: usize = 16;

/// Shortest time that can be configured, in milliseconds.
const DURATION_MS_MIN: u64 = 1_000;

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
    /// The folder of policies, if it is configured.
    pub policy: Option<PathBuf>,
    /// Who holds which role.
    pub roles: Roles,
    /// So long after a question a bare answer is meant for it.
    pub stale_after_ms: i64,
    /// How long what was mentioned may be taken for what a command leaves out.
    pub context_for_ms: i64,
    /// For how many recorded turns.
    pub context_turns: u32,
    /// What commands may leave out in rooms, by their ids and names.
    pub context_rooms: BTreeMap<String, BTreeMap<String, String>>,
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
    /// How many commands one account may give in a minute.
    pub commands_per_minute: u32,
    /// Whether conversations are ended that go round in a ring.
    pub stop_rings: bool,
    /// How alerts are told.
    pub alerts: Terms,
    /// The hosts that scripts may reach over HTTP.
    pub http_allow: Allow,
    /// A file of certificates that are trusted beside those of the system.
    pub http_ca: Option<PathBuf>,
    /// Whether the proxies of the environment are used.
    pub http_proxy: bool,
    /// The web listener and its hooks.
    pub web: Web,
    /// The bridges to other networks.
    pub bridges: Arc<Bridges>,
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
    /// [`ConfigErrors`] with all that is wrong.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigErrors> {
        let (mut values, mut wrong) = match file {
            Some(path) => read(path),
            None => Default::default(),
        };
        if environment.contains_key("BEADLE_ROOMS_EXEC") {
            wrong.push(no_exec_rooms("$BEADLE_ROOMS_EXEC".into(), &[]));
        }
        for key in KEYS.iter().filter(|key| !matches!(key.kind, Kind::Role | Kind::Hook)) {
            let name = variable(key);
            let Some(text) = environment.get(&name) else { continue };
            let value = match key.kind {
                // What is neither true nor false is refused below.
                Kind::Bool => text.parse().map_or(Value::String(text.clone()), Value::Boolean),
                // What is no number is refused below.
                Kind::Count(..) => text.parse().map_or(Value::String(text.clone()), Value::Integer),
                Kind::Text
                | Kind::Prefix
                | Kind::Pem
                | Kind::Duration
                | Kind::DurationOrNever
                | Kind::DurationWithin(..)
                | Kind::Budget(_)
                | Kind::Listen
                | Kind::Bytes(..)
                | Kind::Hook => Value::String(text.clone()),
                // What is no inline table is refused below.
                Kind::Tables | Kind::Hours | Kind::Addresses => {
                    toml::from_str(&format!("it = {text}"))
                        .ok()
                        .and_then(|mut it: toml::Table| it.remove("it"))
                        .unwrap_or_else(|| Value::String(text.clone()))
                }
                Kind::List | Kind::Hosts | Kind::Role => {
                    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
                }
            };
            match check(key, &value, format!("${name}")) {
                Ok(()) => drop(values.insert((key.table, key.name), value)),
                Err(error) => wrong.push(error),
            }
        }
        ConfigErrors::none(wrong)?;
        let bridges = bridges_of(file, &values).map_err(ConfigErrors::from)?;
        Ok(Self { bridges, ..Self::from_values(&values) })
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
            ("policy", "folder") => self.policy != old.policy,
            ("scripts", "reload") => self.scripts_reload != old.scripts_reload,
            ("http", "ca") => self.http_ca != old.http_ca,
            ("http", "proxy") => self.http_proxy != old.http_proxy,
            ("web", "listen") => self.web.listen != old.web.listen,
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
        let count = |table, name| match values.get(&(table, name)) {
            Some(Value::Integer(number)) => u32::try_from(*number).ok(),
            _ => None,
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
            policy: text("policy", "folder").map(|path| at_home(&path)),
            roles: roles(values),
            stale_after_ms: duration("conversation", "stale_after").unwrap_or(STALE_AFTER_MS),
            context_for_ms: duration("conversation", "context_for").unwrap_or(CONTEXT_FOR_MS),
            context_turns: count("conversation", "context_turns").unwrap_or(CONTEXT_TURNS),
            context_rooms: tables(values.get(&("context", "rooms"))),
            intro: given("matrix", "intro"),
            leave_alone_after: or_never(&given("rooms", "leave_alone_after")).ok().flatten(),
            secrets_folder: text("secrets", "folder").map(|path| at_home(&path)),
            secrets_prefix: given("secrets", "prefix"),
            head_every: or_never(&given("log", "head_every")).ok().flatten(),
            keep: or_never(&given("log", "keep")).ok().flatten(),
            audit_room: text("log", "audit_room"),
            budgets: budgets(values),
            commands_per_minute: count("limits", "commands_per_minute")
                .unwrap_or(COMMANDS_PER_MINUTE),
            stop_rings: values.get(&("limits", "stop_rings")) != Some(&Value::Boolean(false)),
            alerts: Terms {
                rejoin_within_ms: duration("alerts", "rejoin_within").unwrap_or(REJOIN_WITHIN_MS),
                group_at: count("alerts", "group_at").unwrap_or(GROUP_AT),
                group_wait_ms: duration("alerts", "group_wait").unwrap_or(GROUP_WAIT_MS),
                group_interval_ms: duration("alerts", "group_interval")
                    .unwrap_or(GROUP_INTERVAL_MS),
                quiet: values.get(&("alerts", "quiet")).and_then(read_hours).unwrap_or_default(),
            },
            // What is wrong with the lists was told before.
            http_allow: Allow::read(&list("http", "allow"), &list("http", "private"))
                .unwrap_or_default(),
            http_ca: text("http", "ca").map(|path| at_home(&path)),
            http_proxy: values.get(&("http", "proxy")) != Some(&Value::Boolean(false)),
            web: web::web(values),
            bridges: Bridges::shipped(),
        }
    }
}

/// The bridges: those that ship and those of the folder, which stands beside the file unless its path says more.
fn bridges_of(
    file: Option<&Path>,
    values: &BTreeMap<(&str, &str), Value>,
) -> Result<Arc<Bridges>, ConfigError> {
    let place =
        file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
    let list = |name| -> Vec<String> {
        let items = values.get(&("bridges", name)).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let folder = values.get(&("bridges", "folder")).and_then(Value::as_str);
    let folder = folder
        .filter(|folder| !folder.is_empty())
        .map(|folder| file.and_then(Path::parent).unwrap_or(Path::new("")).join(at_home(folder)));
    let bridges =
        bridges::bridges(&place, folder.as_deref(), &list("use"), &list("names"), &list("files"))?;
    bridges::asked(&place, bridges, values)
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

/// A time span as it is written: `30s`, `1h`.
fn shown_duration(ms: i64) -> String {
    match ms {
        _ if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        _ if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        _ => format!("{}s", ms / 1_000),
    }
}

fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn check(key: &Key, value: &Value, place: String) -> Result<(), ConfigError> {
    let fits = match (key.kind, value) {
        (Kind::Text | Kind::Pem | Kind::Prefix, Value::String(_)) => true,
        (Kind::DurationOrNever, Value::String(text)) => or_never(text).is_ok(),
        (Kind::Bool, Value::Boolean(_)) => true,
        (Kind::List | Kind::Hosts | Kind::Role, Value::Array(items)) => {
            items.iter().all(Value::is_str)
        }
        (Kind::Duration, Value::String(text)) => parse_duration(text).is_ok(),
        (Kind::DurationWithin(least, most), Value::String(text)) => {
            parse_duration(text).is_ok_and(|ms| (least..=most).contains(&ms))
        }
        (Kind::Addresses, addresses) => is_texts(addresses),
        (Kind::Count(least, most), Value::Integer(number)) => {
            (i64::from(least)..=i64::from(most)).contains(number)
        }
        (Kind::Tables, Value::Table(tables)) => tables.values().all(is_texts),
        (Kind::Hours, hours) => read_hours(hours).is_some(),
        (Kind::Budget(name), value) => in_units(budget_named(name), value).is_some(),
        (Kind::Listen, Value::String(text)) => Listen::read(text).is_ok(),
        (Kind::Bytes(least, most), value) => web::bytes(value, least, most).is_some(),
        _ => false,
    };
    let wanted = match key.kind {
        Kind::Text | Kind::Pem | Kind::Prefix => "a text: \"…\"".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::List | Kind::Hosts | Kind::Role => "a list of texts: [\"…\", \"…\"]".to_owned(),
        Kind::Tables => "tables of texts: { \"#ops\" = { host = \"web1\" } }".to_owned(),
        Kind::Hours => "hours by room: { \"#ops:example.org\" = \"22:00-07:00\" }".to_owned(),
        Kind::Duration => "a time span: \"15m\", \"2h30m\", \"1 day\"".to_owned(),
        Kind::DurationOrNever => {
            "a time span of at least a second: \"1h\", \"30m\", or \"never\"".to_owned()
        }
        Kind::DurationWithin(least, most) => {
            let (least, most) = (shown_duration(least), shown_duration(most));
            format!("a time span from {least} to {most}, such as {}", key.default)
        }
        Kind::Addresses => {
            "addresses by bridge: { heisenbridge = \"http://127.0.0.1:9898\" }".to_owned()
        }
        Kind::Count(least, most) => format!("a number from {least} to {most}"),
        Kind::Budget(name) => format!("{}, such as {}", takes(budget_named(name)), key.default),
        Kind::Listen => "an address with a port, \"127.0.0.1:8480\", or \"none\"".to_owned(),
        Kind::Bytes(least, most) => {
            format!(
                "a size from {} to {}, such as {}",
                shown_bytes(least),
                shown_bytes(most),
                key.default
            )
        }
        Kind::Hook => "a table".to_owned(),
    };
    let what = format!("`{}` is {wanted}", key.name);
    let error = |what: String| ConfigError { place: place.clone(), what, hint: key.help.into() };
    fits.then_some(()).ok_or_else(|| error(what))?;
    readable(key, value).map_err(error)
}

/// What is wrong with a value of the right form.
fn readable(key: &Key, value: &Value) -> Result<(), String> {
    match (key.kind, value) {
        (Kind::Hosts, Value::Array(items)) => {
            let listed = items.iter().filter_map(|item| item.as_str().map(str::to_owned));
            let listed: Vec<String> = listed.collect();
            let read = match key.name {
                "private" => Allow::read(&[], &listed),
                _ => Allow::read(&listed, &[]),
            };
            read.map(drop)
        }
        (Kind::Pem, Value::String(path)) if !path.is_empty() => {
            let text = std::fs::read_to_string(at_home(path));
            let text = text.map_err(|why| format!("`{path}` cannot be read: {why}"))?;
            let is_pem = text.contains("-----BEGIN CERTIFICATE-----");
            is_pem
                .then_some(())
                .ok_or_else(|| format!("`{path}` holds no certificates in PEM form"))
        }
        (Kind::Prefix, Value::String(prefix)) => prefix_fits(prefix),
        (Kind::Addresses, addresses) => bridges::addresses(addresses).map(drop),
        _ => Ok(()),
    }
}

/// Whether people can begin commands with it.
fn prefix_fits(prefix: &str) -> Result<(), String> {
    let why = match prefix {
        "" => "is empty: in rooms nothing would tell commands from talk",
        _ if prefix.contains(char::is_whitespace) => "has white space in it",
        _ if prefix.starts_with('/') => {
            "begins with `/`, and clients keep such commands for themselves"
        }
        _ if prefix.chars().count() > PREFIX_CHARS_MAX => "is too long",
        _ => return Ok(()),
    };
    Err(format!(
        "`prefix = {prefix:?}` {why}; a prefix is 1 to {PREFIX_CHARS_MAX} characters such as `!`"
    ))
}

/// The one entry of all roles: their names are not ours.
const ROLES: (&str, &str) = ("roles", "NAME");

/// Takes one more role.
fn take_role(
    values: &mut BTreeMap<(&'static str, &'static str), Value>,
    name: &str,
    value: &Value,
    place: String,
) -> Result<(), ConfigError> {
    let key = KEYS.iter().find(|key| key.kind == Kind::Role).expect("there is a key for roles");
    check(&Key { name: "a role", ..*key }, value, place.clone())?;
    let all = values.entry(ROLES).or_insert_with(|| Value::Table(toml::Table::new()));
    if let Value::Table(all) = all {
        all.insert(name.to_owned(), value.clone());
    }
    let read = read_roles(all);
    if let (Err(_), Value::Table(all)) = (&read, all) {
        // What is wrong with it is told once, and not of those that come behind it.
        all.remove(name);
    }
    let hint = key.help.to_owned();
    read.map(drop).map_err(|what| ConfigError { place, what, hint })
}

/// The roles that are configured; what is wrong was told before.
fn roles(values: &BTreeMap<(&str, &str), Value>) -> Roles {
    values.get(&ROLES).map(|all| read_roles(all).unwrap_or_default()).unwrap_or_default()
}

fn read_roles(all: &Value) -> Result<Roles, String> {
    let mut roles = Roles::default();
    for (role, entries) in all.as_table().into_iter().flatten() {
        let entries = entries.as_array().into_iter().flatten();
        let entries: Vec<String> =
            entries.filter_map(|entry| entry.as_str().map(str::to_owned)).collect();
        roles.add(role, &entries)?;
    }
    Ok(roles)
}

/// Before there were policies, rooms were listed in which actions may run.
fn no_exec_rooms(place: String, rooms: &[Value]) -> ConfigError {
    let named = |room: &Value| Some(format!("principal in Room::\"{}\"", room.as_str()?));
    let mut named: Vec<String> = rooms.iter().filter_map(named).collect();
    if named.is_empty() {
        named.push("principal in Room::\"#ops:example.org\"".into());
    }
    let what = "`exec` under [rooms] is no more: policies say where actions may run".into();
    let hint = format!(
        "take it out; a file in the policy folder says the same: forbid (principal, action == Action::\"run\", resource is Operation) unless {{ {} }};",
        named.join(" || ")
    );
    ConfigError { place, what, hint }
}

fn is_texts(value: &Value) -> bool {
    value.as_table().is_some_and(|texts| texts.values().all(Value::is_str))
}

/// Quiet hours by room; none: these are none.
fn read_hours(value: &Value) -> Option<BTreeMap<String, Quiet>> {
    let hours = value.as_table()?.iter();
    hours.map(|(room, text)| Some((room.clone(), Quiet::parse(text.as_str()?).ok()?))).collect()
}

/// Texts by name, for each name.
fn tables(value: Option<&Value>) -> BTreeMap<String, BTreeMap<String, String>> {
    let texts = |value: &Value| {
        let texts = value.as_table().into_iter().flatten();
        let texts =
            texts.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
        texts.collect()
    };
    let tables = value.and_then(Value::as_table).into_iter().flatten();
    tables.map(|(name, inside)| (name.clone(), texts(inside))).collect()
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

#[cfg(test)]
mod tests;
