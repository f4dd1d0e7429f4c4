//! Every key of the configuration: what it takes, its default, what it is for.

use super::hooks::PER_MINUTE_MAX;
use super::web::{BODY_BYTES_MAX, BODY_BYTES_MIN};
use crate::domain::bridge::alive::{ASK_EVERY_MS_MAX, ASK_EVERY_MS_MIN};
use crate::domain::context::CONTEXT_TURNS_MAX;
use crate::domain::pace::COMMANDS_PER_MINUTE_MAX;
use crate::domain::storm::GROUP_AT_MAX;

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// What commands begin with.
    Prefix,
    /// A list of texts.
    List,
    /// A list of hosts and networks.
    Hosts,
    /// The path of a file of certificates.
    Pem,
    /// A time span, as text: `15m`, `2h30m`.
    Duration,
    /// A time span, or `never`.
    DurationOrNever,
    /// A time span within these bounds, in milliseconds.
    DurationWithin(i64, i64),
    /// Addresses by the names of bridges.
    Addresses,
    /// True or false.
    Bool,
    /// A list of texts that say who holds a role; the key's name is the role's.
    Role,
    /// A whole number within these bounds.
    Count(u32, u32),
    /// Texts by name, for each of several names.
    Tables,
    /// Quiet hours by the names of rooms.
    Hours,
    /// An address to listen at, or `none`.
    Listen,
    /// A size within these bounds.
    Bytes(u64, u64),
    /// A table of keys that say what a hook takes; the key's name is the hook's.
    Hook,
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
        kind: Kind::Prefix,
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
        table: "bridges",
        name: "use",
        kind: Kind::List,
        default: "[]",
        help: "The bridges whose accounts on the bot's homeserver stand for people of other networks, by their profiles: `heisenbridge`. Name only what is installed: without the bridge anybody could register such an account. [bridges.md](bridges.md)",
    },
    Key {
        table: "bridges",
        name: "folder",
        kind: Kind::Text,
        default: "\"\"",
        help: "A folder with a folder for each further bridge, `NAME/profile.toml`; one of a name that ships takes its place. A relative path begins at the configuration file.",
    },
    Key {
        table: "bridges",
        name: "names",
        kind: Kind::List,
        default: "[]",
        help: "What people of other networks call the bot, beside its name: its nick on IRC, the nick of a relay.",
    },
    Key {
        table: "bridges",
        name: "files",
        kind: Kind::List,
        default: "[]",
        help: "The bridges in use that get pictures and files through although their profile says no: heisenbridge, once it knows under which address people on IRC fetch them.",
    },
    Key {
        table: "bridges",
        name: "at",
        kind: Kind::Addresses,
        default: "{}",
        help: "Where bridges in use listen to the homeserver, `url` in their registration: they are asked there whether they run, and that one is silent is told. [bridges.md](bridges.md#whether-a-bridge-runs)",
    },
    Key {
        table: "bridges",
        name: "ask_every",
        kind: Kind::DurationWithin(ASK_EVERY_MS_MIN, ASK_EVERY_MS_MAX),
        default: "\"30s\"",
        help: "How often they are asked; two questions in a row without an answer make a bridge silent.",
    },
    Key {
        table: "catchup",
        name: "run_within",
        kind: Kind::Duration,
        default: "\"10m\"",
        help: "A command that reaches the bot later than this after it was said is not run by itself: its sender is asked whether they still want it.",
    },
    Key {
        table: "policy",
        name: "folder",
        kind: Kind::Text,
        default: "\"\"",
        help: "The folder of policies, `*.cedar`; without one `policy` beside the scripts folder. Where there is none, the shipped policies are unpacked into the data directory. [policy.md](policy.md)",
    },
    Key {
        table: "roles",
        name: "NAME",
        kind: Kind::Role,
        default: "[]",
        help: "Who holds the role of this name: accounts `@ann:example.org` or `@*:example.org`, `member of #room:example.org`, `power>=50`, `power>=50 in #room:example.org`. Each role is a key of its own; the environment gives none.",
    },
    Key {
        table: "conversation",
        name: "stale_after",
        kind: Kind::Duration,
        default: "\"15m\"",
        help: "So long after a question a bare `yes` answers it. Later the bot asks back what was meant; a reply, or the question's two words, always answers.",
    },
    Key {
        table: "conversation",
        name: "context_for",
        kind: Kind::Duration,
        default: "\"30m\"",
        help: "How long what was mentioned may be taken for what a later command leaves out, where its alias has `context`.",
    },
    Key {
        table: "conversation",
        name: "context_turns",
        kind: Kind::Count(1, CONTEXT_TURNS_MAX),
        default: "10",
        help: "For how many turns: each message of the conversation that the bot takes as its own is one.",
    },
    Key {
        table: "context",
        name: "rooms",
        kind: Kind::Tables,
        default: "{}",
        help: "What commands may leave out in a room, by its id or name: a table `[context.rooms.\"#ops:example.org\"]` with a text for each parameter. Only aliases with `context` take them.",
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
    Key {
        table: "alerts",
        name: "rejoin_within",
        kind: Kind::Duration,
        default: "\"1h\"",
        help: "An alert that fires again so soon after its end joins its thread; later it begins a new one. [alerts.md](alerts.md)",
    },
    Key {
        table: "alerts",
        name: "group_at",
        kind: Kind::Count(1, GROUP_AT_MAX),
        default: "5",
        help: "More new alerts than this in one room within `group_wait` are told in one digest.",
    },
    Key {
        table: "alerts",
        name: "group_wait",
        kind: Kind::Duration,
        default: "\"10s\"",
        help: "In which time new alerts are counted, and how long a digest gathers before it is told.",
    },
    Key {
        table: "alerts",
        name: "group_interval",
        kind: Kind::Duration,
        default: "\"5m\"",
        help: "How often a digest is changed when something of it has changed.",
    },
    Key {
        table: "alerts",
        name: "quiet",
        kind: Kind::Hours,
        default: "{}",
        help: "Quiet hours of rooms: below `[alerts.quiet]` each room, by id or name, has its hours, such as `\"22:00-07:00\"`. What fires in them is told in one digest at their end, unless its severity is `critical`.",
    },
    Key {
        table: "limits",
        name: "commands_per_minute",
        kind: Kind::Count(1, COMMANDS_PER_MINUTE_MAX),
        default: "60",
        help: "How many commands one account may give in a minute; whoever is faster is told once for how long to wait. Answers do not count.",
    },
    Key {
        table: "limits",
        name: "stop_rings",
        kind: Kind::Bool,
        default: "true",
        help: "Whether an account that answers the bot within a second again and again, or says the same so three times, is not answered for five minutes.",
    },
    Key {
        table: "http",
        name: "allow",
        kind: Kind::Hosts,
        default: "[]",
        help: "The hosts that scripts may reach with `http_get` and its like: `api.example.org`, `*.example.org:8443`, `10.0.0.0/8`, `host:*` for every port; without a port 80 and 443. [http.md](http.md)",
    },
    Key {
        table: "http",
        name: "private",
        kind: Kind::Hosts,
        default: "[]",
        help: "The hosts that may be in your own network, each by itself: `jira.intern:8080`, `127.0.0.1:9093`. All others are reached at public addresses only.",
    },
    Key {
        table: "http",
        name: "ca",
        kind: Kind::Pem,
        default: "\"\"",
        help: "A file of certificates, PEM, that are trusted beside those of the system.",
    },
    Key {
        table: "http",
        name: "proxy",
        kind: Kind::Bool,
        default: "true",
        help: "Whether requests of scripts take the proxies that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name.",
    },
    Key {
        table: "web",
        name: "listen",
        kind: Kind::Listen,
        default: "\"\"",
        help: "Where the bot listens for webhooks and answers `/healthz` and `/metrics`: an address with a port, `127.0.0.1:8480`, or `none`. Without a value `beadle run` listens at 127.0.0.1:8480 and `beadle chat` nowhere. Port 0 is a free one. `--listen` overrides it. [webhooks.md](webhooks.md)",
    },
    Key {
        table: "web",
        name: "body_bytes_max",
        kind: Kind::Bytes(BODY_BYTES_MIN, BODY_BYTES_MAX),
        default: "\"256 KiB\"",
        help: "How large the body of a request may be. What is recorded of it has at most 192 KiB in any case.",
    },
    Key {
        table: "web",
        name: "peer_per_minute",
        kind: Kind::Count(1, PER_MINUTE_MAX),
        default: "6000",
        help: "How many requests one address may make in a minute.",
    },
    Key {
        table: "hooks",
        name: "NAME",
        kind: Kind::Hook,
        default: "{ auth = \"none\" }",
        help: "The hook of this name, `POST /hooks/NAME`: a table `[hooks.NAME]` with the keys below. The environment gives none.",
    },
];

/// The keys whose change takes effect at the next start; SIGHUP reloads all others.
pub const RESTART: &[(&str, &str)] = &[
    ("paths", "data"),
    ("paths", "scripts"),
    ("policy", "folder"),
    ("matrix", "homeserver"),
    ("matrix", "user"),
    ("secrets", "folder"),
    ("secrets", "prefix"),
    ("scripts", "reload"),
    ("http", "ca"),
    ("http", "proxy"),
    ("web", "listen"),
];

/// The environment variable that overrides a key: `BEADLE_MATRIX_HOMESERVER`.
pub fn variable(key: &Key) -> String {
    format!("BEADLE_{}_{}", key.table.to_uppercase(), key.name.to_uppercase())
}
