//! A bridge's profile: one TOML file that says how its accounts look, what proves them, and what its network can show.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::caps::{
    Caps, LINE_BYTES_MAX, LINE_BYTES_MIN, LINE_MS_MAX, SHOWN_LINES_MAX, TEXT_BYTES_MAX,
    TEXT_BYTES_MIN, Tables,
};
use super::{Account, SHIPPED};
use crate::domain::alias_index::damerau;
use crate::domain::trigger::Trust;

/// Most items of a list in a profile.
pub const ITEMS_MAX: usize = 100;
/// Largest profile in bytes.
pub const PROFILE_BYTES_MAX: usize = 64 * 1024;

/// Longest path of a health check in bytes.
pub const HEALTH_BYTES_MAX: usize = 200;

/// What the bot knows of one bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What it is called: its folder.
    pub name: String,
    /// The network behind it, as rooms and people are said to be on it.
    pub network: String,
    ghost: Option<Ghost>,
    bots: Vec<String>,
    relays: Vec<String>,
    unescape: bool,
    /// What rooms say in their state of which protocol is behind them.
    pub protocols: Vec<String>,
    networks: Vec<String>,
    /// How strongly the network proves who somebody is.
    pub trust: Trust,
    /// Whether the network can be asked, by WHOIS, for which account somebody is identified.
    pub whois: bool,
    /// Whose orders it takes, if the bot can set up channels with it.
    pub provision: Option<Provision>,
    /// What it can show.
    pub caps: Caps,
    /// First words of what is said to the bridge.
    pub foreign: Vec<String>,
    /// The networks in its accounts have names that people know: where a room has several, people are told apart by them.
    pub names_network: bool,
    /// Several lines of one person come as one message.
    pub merges_lines: bool,
    /// The path at which it says whether it runs, where the homeserver reaches it.
    pub health: Option<String>,
    /// People of the network who are programs.
    pub programs: Vec<String>,
    /// Programs that are listened to all the same.
    pub heeded: Vec<String>,
}

/// A bridge that the bot knows how to tell what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provision {
    /// In chats alone with it, as heisenbridge is told.
    Heisenbridge,
}

/// How a ghost's name is made: what stands before, between and behind the network and the native name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Ghost {
    before: String,
    /// What stands between them; none: the network is not part of it.
    between: Option<String>,
    behind: String,
}

/// What is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ProfileError {
    /// The profile and the key in it, or its line.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// The tables of a profile and their keys.
const KEYS: &[(&str, &[&str])] = &[
    ("match", &["ghost", "bots", "relays", "unescape", "networks", "protocols"]),
    ("identity", &["trust", "verify"]),
    ("provision", &["kind"]),
    (
        "show",
        &[
            "html",
            "notices",
            "edits",
            "reactions",
            "threads",
            "replies",
            "files",
            "captions",
            "tables",
            "line_bytes",
            "text_bytes",
            "lines",
            "line_ms",
        ],
    ),
    ("address", &["foreign", "merges_lines", "names_network"]),
    ("health", &["path"]),
    ("loop", &["bots", "heeded"]),
];
/// What stands above the tables.
const ABOVE: &[&str] = &["like", "network"];

/// Reads the keys of one profile.
struct Reader<'a> {
    name: &'a str,
    values: Table,
}

impl Profile {
    /// Reads a profile of this name.
    ///
    /// # Errors
    /// [`ProfileError`] for the first thing that is wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let reader = Reader::new(name, text)?;
        let ghost = match reader.text("match", "ghost")? {
            Some(template) => Some(reader.ghost(&template)?),
            None => None,
        };
        let (bots, relays) = (reader.list("match", "bots")?, reader.list("match", "relays")?);
        if ghost.is_none() && relays.is_empty() {
            return Err(reader.error(
                "match",
                "ghost",
                "no account would be of this bridge",
                "write `ghost` or `relays`",
            ));
        }
        let network =
            match reader.values.get("network").and_then(Value::as_str) {
                Some(network) if is_network(network) => network.to_owned(),
                _ => return Err(reader.error(
                    "",
                    "network",
                    "the network has no name",
                    "write a word of small letters, digits and `-`, such as `network = \"irc\"`",
                )),
            };
        Ok(Self {
            name: name.to_owned(),
            network,
            ghost,
            bots,
            relays,
            unescape: reader.flag("match", "unescape")?,
            networks: reader.list("match", "networks")?,
            protocols: reader.list("match", "protocols")?,
            trust: reader.trust()?,
            whois: reader.whois()?,
            provision: reader.provision()?,
            caps: reader.caps()?,
            foreign: reader.list("address", "foreign")?,
            merges_lines: reader.flag("address", "merges_lines")?,
            health: reader.health()?,
            names_network: reader.flag("address", "names_network")?,
            programs: reader.list("loop", "bots")?,
            heeded: reader.list("loop", "heeded")?,
        })
    }

    /// What an account of our homeserver is to this bridge, by what stands between `@` and `:`.
    pub fn account(&self, local: &str) -> Option<Account<'_>> {
        let is = |names: &[String]| names.iter().any(|name| name == local);
        if is(&self.bots) {
            return Some(Account::Bot(self));
        }
        if is(&self.relays) {
            return Some(Account::Relay(self));
        }
        Some(Account::Ghost(self, self.native(local)?))
    }

    /// Whether an account could be of this bridge and of that one as well.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let takes = |one: &Self, other: &Self| {
            let ghosts = |it: &Self| it.ghost.as_ref().map(|ghost| ghost.before.clone());
            let begins = ghosts(other).into_iter().chain(other.own_accounts().map(str::to_owned));
            let mut begins = begins.filter(|_| one.name != other.name);
            let own = |name: &str| one.own_accounts().any(|it| it == name);
            begins.any(|it| own(&it) || ghosts(one).is_some_and(|before| it.starts_with(&before)))
        };
        takes(self, other) || takes(other, self)
    }

    /// The accounts of the bridge itself, by what stands between `@` and `:`.
    pub fn own_accounts(&self) -> impl Iterator<Item = &str> {
        self.bots.iter().chain(&self.relays).map(String::as_str)
    }

    /// The native name of a ghost, with its network where there are several: `victor@libera`.
    fn native(&self, local: &str) -> Option<String> {
        let ghost = self.ghost.as_ref()?;
        let inner = local.strip_prefix(&ghost.before)?.strip_suffix(&ghost.behind)?;
        let (network, native) = match &ghost.between {
            None => (None, inner),
            Some(between) => {
                let of = |network: &&String| {
                    inner.strip_prefix(network.as_str())?.strip_prefix(between.as_str())
                };
                let mut named: Vec<&String> =
                    self.networks.iter().filter(|it| of(it).is_some()).collect();
                named.sort_by_key(|network| network.len());
                match named.last().and_then(|network| Some((network.as_str(), of(network)?))) {
                    Some((network, native)) => (Some(network), native),
                    None => inner
                        .split_once(between)
                        .map(|(network, native)| (Some(network), native))?,
                }
            }
        };
        if native.is_empty() || network == Some("") {
            return None;
        }
        let native = if self.unescape { unescaped(native) } else { native.to_owned() };
        Some(network.map_or_else(|| native.clone(), |network| format!("{native}@{network}")))
    }
}

impl<'a> Reader<'a> {
    fn new(name: &'a str, text: &str) -> Result<Self, ProfileError> {
        let at = |place: String, what: String, hint: &str| ProfileError {
            place,
            what,
            hint: hint.to_owned(),
        };
        if text.len() > PROFILE_BYTES_MAX {
            return Err(at(
                name.into(),
                format!("it has {} bytes", text.len()),
                "a profile has few lines",
            ));
        }
        let values: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            at(format!("{name}:{line}"), error.message().to_owned(), "write it as TOML")
        })?;
        let mut reader = Self { name, values };
        reader.only_known()?;
        reader.fill_in()?;
        Ok(reader)
    }

    /// What a profile leaves out that is like one that ships is as it is there.
    fn fill_in(&mut self) -> Result<(), ProfileError> {
        let Some(like) = self.values.get("like") else { return Ok(()) };
        let shipped = SHIPPED.iter().find(|(name, _)| like.as_str() == Some(name));
        let Some((_, text)) = shipped else {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            let hint = format!("write one that ships: {}", names.join(", "));
            return Err(self.error("", "like", "there is no such profile", &hint));
        };
        let whole: Table = text.parse().expect("a test reads the profiles that ship");
        for (key, value) in whole {
            match (self.values.get_mut(&key).and_then(Value::as_table_mut), value) {
                (Some(own), Value::Table(table)) => {
                    for (key, value) in table {
                        own.entry(key).or_insert(value);
                    }
                }
                (_, value) => {
                    self.values.entry(key).or_insert(value);
                }
            }
        }
        Ok(())
    }

    /// Refuses what is misspelt.
    fn only_known(&self) -> Result<(), ProfileError> {
        let above = ABOVE.iter().copied();
        let tables: Vec<&str> = KEYS.iter().map(|(table, _)| *table).chain(above).collect();
        for (table, value) in &self.values {
            let Some((_, keys)) = KEYS.iter().find(|(name, _)| name == table) else {
                if ABOVE.contains(&table.as_str()) {
                    continue;
                }
                return Err(self.error("", table, "there is no such key", &meant(table, &tables)));
            };
            let Some(inner) = value.as_table() else {
                return Err(self.error(
                    "",
                    table,
                    "this is no table",
                    &format!("write `[{table}]` and its keys below"),
                ));
            };
            if let Some(key) = inner.keys().find(|key| !keys.contains(&key.as_str())) {
                return Err(self.error(table, key, "there is no such key", &meant(key, keys)));
            }
        }
        Ok(())
    }

    fn error(&self, table: &str, key: &str, what: &str, hint: &str) -> ProfileError {
        let key = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
        ProfileError {
            place: format!("{}: {key}", self.name),
            what: what.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn value(&self, table: &str, key: &str) -> Option<&Value> {
        self.values.get(table)?.get(key)
    }

    fn text(&self, table: &str, key: &str) -> Result<Option<String>, ProfileError> {
        match self.value(table, key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => {
                Err(self.error(table, key, "this is no text", "write it in quotation marks"))
            }
        }
    }

    fn flag(&self, table: &str, key: &str) -> Result<bool, ProfileError> {
        match self.value(table, key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.error(
                table,
                key,
                "this is neither true nor false",
                "write `true` or `false`",
            )),
        }
    }

    fn list(&self, table: &str, key: &str) -> Result<Vec<String>, ProfileError> {
        let items = match self.value(table, key) {
            None => return Ok(vec![]),
            Some(Value::Array(items)) if items.len() <= ITEMS_MAX => items,
            Some(_) => {
                return Err(self.error(
                    table,
                    key,
                    "this is no list, or a long one",
                    &format!("write `[\"a\", \"b\"]`, at most {ITEMS_MAX}"),
                ));
            }
        };
        let text = |item: &Value| item.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        let texts: Option<Vec<String>> = items.iter().map(text).collect();
        texts.ok_or_else(|| {
            self.error(table, key, "something in it is no text", "write each in quotation marks")
        })
    }

    fn number(
        &self,
        key: &str,
        usual: usize,
        (min, max): (usize, usize),
    ) -> Result<usize, ProfileError> {
        let number = match self.value("show", key) {
            None => return Ok(usual),
            Some(value) => value.as_integer().and_then(|number| usize::try_from(number).ok()),
        };
        let fits = number.filter(|number| *number == usual || (min..=max).contains(number));
        fits.ok_or_else(|| {
            self.error(
                "show",
                key,
                "this number does not fit",
                &format!("write one from {min} to {max}"),
            )
        })
    }

    fn ghost(&self, template: &str) -> Result<Ghost, ProfileError> {
        let wrong = |what: &str| {
            self.error("match", "ghost", what, "write how the account begins, such as `irc_{network}_{native}` or `telegram_{native}`")
        };
        let (head, behind) =
            template.split_once("{native}").ok_or_else(|| wrong("`{native}` is missing"))?;
        let (before, between) = match head.split_once("{network}") {
            Some((_, "")) => {
                return Err(wrong("nothing stands between `{network}` and `{native}`"));
            }
            Some((before, between)) => (before, Some(between.to_owned())),
            None => (head, None),
        };
        // Without it everybody would be a ghost.
        if before.is_empty() || template.contains([':', '@']) {
            return Err(wrong(
                "it has to begin with what only this bridge's accounts begin with, and names no server",
            ));
        }
        Ok(Ghost { before: before.to_owned(), between, behind: behind.to_owned() })
    }

    fn trust(&self) -> Result<Trust, ProfileError> {
        match self.text("identity", "trust")?.as_deref() {
            None | Some("nick") => Ok(Trust::Nick),
            Some("network") => Ok(Trust::Network),
            Some("nothing") => Ok(Trust::Nothing),
            Some("account") => Err(self.error(
                "identity",
                "trust",
                "`account` is what a homeserver proves of its own people",
                "write `network` for a network that never gives an account to somebody else",
            )),
            Some(_) => Err(self.error(
                "identity",
                "trust",
                "there is no such trust",
                "write `nothing`, `nick` or `network`",
            )),
        }
    }

    fn whois(&self) -> Result<bool, ProfileError> {
        match self.text("identity", "verify")?.as_deref() {
            None => Ok(false),
            Some("whois") => Ok(true),
            Some(_) => Err(self.error(
                "identity",
                "verify",
                "accounts are not asked for so",
                "write `whois`, or leave it out",
            )),
        }
    }

    fn health(&self) -> Result<Option<String>, ProfileError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        match self.text("health", "path")? {
            Some(path)
                if !path.starts_with('/')
                    || path.len() > HEALTH_BYTES_MAX
                    || !path.chars().all(plain) =>
            {
                Err(self.error(
                    "health",
                    "path",
                    "this is no path",
                    "write it as `/_matrix/mau/live`, without what would stand behind a `?`",
                ))
            }
            path => Ok(path),
        }
    }

    fn provision(&self) -> Result<Option<Provision>, ProfileError> {
        match self.text("provision", "kind")?.as_deref() {
            None => Ok(None),
            Some("heisenbridge") => Ok(Some(Provision::Heisenbridge)),
            Some(_) => Err(self.error(
                "provision",
                "kind",
                "the bot does not know how to set up channels so",
                "write `heisenbridge`, or leave it out",
            )),
        }
    }

    fn caps(&self) -> Result<Caps, ProfileError> {
        let flag = |key: &str| self.flag("show", key);
        let line_ms = self.number("line_ms", 0, (0, LINE_MS_MAX as usize))?;
        let tables = match self.text("show", "tables")?.as_deref() {
            Some("pairs") => Tables::Pairs,
            None | Some("aligned") => Tables::Aligned,
            Some("code") => Tables::Code,
            Some("html") => Tables::Html,
            Some(_) => {
                return Err(self.error(
                    "show",
                    "tables",
                    "tables are not shown so",
                    "write `pairs`, `aligned`, `code` or `html`",
                ));
            }
        };
        Ok(Caps {
            html: flag("html")?,
            notices: flag("notices")?,
            edits: flag("edits")?,
            reactions: flag("reactions")?,
            threads: flag("threads")?,
            replies: flag("replies")?,
            files: flag("files")?,
            captions: flag("captions")?,
            tables,
            line_bytes: self.number("line_bytes", 0, (LINE_BYTES_MIN, LINE_BYTES_MAX))?,
            text_bytes: self.number("text_bytes", 0, (TEXT_BYTES_MIN, TEXT_BYTES_MAX))?,
            lines: self.number("lines", Caps::PLAIN.lines, (1, SHOWN_LINES_MAX))?,
            line_ms: u32::try_from(line_ms).unwrap_or(LINE_MS_MAX),
        })
    }
}

/// A hint for somebody who wrote a word that is none of these.
fn meant(written: &str, words: &[&str]) -> String {
    let near = words.iter().min_by_key(|word| damerau(written, word));
    match near {
        Some(near) if damerau(written, near) <= 2 => format!("did you mean `{near}`?"),
        _ => format!("there are {}", words.join(", ")),
    }
}

/// Whether a network, and the rooms on it, can be called so.
pub fn is_network(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= 32
        && name.chars().all(plain)
        && name != "matrix"
        && name != "terminal"
}

/// `v=5bx=5d` → `v[x]`; what is no escape stays.
fn unescaped(native: &str) -> String {
    let mut bytes = vec![];
    let mut rest = native;
    while let Some(c) = rest.chars().next() {
        let hex = rest.strip_prefix('=').and_then(|rest| rest.get(..2));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            None => {
                bytes.extend(c.to_string().as_bytes());
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| native.to_owned())
}

/// Whether a name is what a pattern says; `*` stands for any text.
pub fn fits(glob: &str, name: &str) -> bool {
    let Some((head, tail)) = glob.split_once('*') else { return glob == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    match tail.contains('*') {
        true => ends.any(|at| fits(tail, &rest[at..])),
        false => rest.ends_with(tail),
    }
}
