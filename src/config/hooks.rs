//! Hooks, as they are configured: `[hooks.NAME]`, each key checked with its place.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{ConfigError, line_of, unknown};
use crate::domain::alias::parse_duration;
use crate::domain::hook::{
    Algorithm, Auth, Encoding, HEADERS_NEVER, HEADERS_TAKEN_MAX, HOOKS_MAX, Hook, Signature, Stamp,
    bad_hook_name,
};

/// Most requests a minute that can be configured.
pub const PER_MINUTE_MAX: u32 = 1_000_000;
/// How many deliveries a hook takes in a minute where nothing is configured.
const PER_MINUTE: u32 = 1_200;
/// How far a signed time may be from now where nothing is configured.
const WINDOW: &str = "5m";
/// The furthest that can be configured, in milliseconds.
pub const WINDOW_MS_MAX: i64 = 24 * 3_600_000;

/// The one entry of all hooks: their names are not ours.
const HOOKS: (&str, &str) = ("hooks", "NAME");

/// The hooks that are configured; what is wrong was told before.
pub(super) fn configured(values: &BTreeMap<(&str, &str), Value>) -> BTreeMap<String, Hook> {
    let all = values.get(&HOOKS).and_then(Value::as_table).into_iter().flatten();
    let read = |(name, value): (&String, &Value)| {
        Some((name.clone(), hook(name, value.as_table()?).ok()?))
    };
    all.filter_map(read).collect()
}

/// Takes one more hook.
pub(super) fn take_hook(
    values: &mut BTreeMap<(&'static str, &'static str), Value>,
    (text, place): (&str, &str),
    name: &str,
    value: &Value,
) -> Result<(), Vec<ConfigError>> {
    let above = [format!("[hooks.{name}]"), format!("[hooks.\"{name}\"]"), name.to_owned()];
    let top = above.iter().map(|it| line_of(text, it)).find(|line| *line > 0).unwrap_or(0);
    let below = text.lines().skip(top).take_while(|line| !line.trim_start().starts_with('['));
    let below: String = below.map(|line| format!("{line}\n")).collect();
    let at = |key: &str| match (top, line_of(&below, key)) {
        (0, _) => place.to_owned(),
        (top, found) if !key.is_empty() && found > 0 => format!("{place}:{}", top + found),
        (top, _) => format!("{place}:{top}"),
    };
    let wrong = |key: &str, what: String, hint: String| ConfigError { place: at(key), what, hint };
    let Value::Table(keys) = value else {
        let what = format!("`{name}` under [hooks] is a table");
        return Err(vec![wrong("", what, format!("write `[hooks.{name}]` above its keys"))]);
    };
    if let Some(why) = bad_hook_name(name) {
        return Err(vec![wrong("", format!("a hook cannot be named `{name}`"), why)]);
    }
    let told = |bad| match bad {
        Bad::Unknown(key) => {
            let known: Vec<&str> = HOOK_KEYS.iter().map(|(name, ..)| *name).collect();
            unknown(&format!("key in [hooks.{name}]"), &key, &known, at(&key))
        }
        Bad::Key(key, what, hint) => wrong(key, what, hint),
    };
    let bad = all_bad(name, keys);
    if !bad.is_empty() {
        return Err(bad.into_iter().map(told).collect());
    }
    let all = values.entry(HOOKS).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(all) = all else { return Ok(()) };
    all.insert(name.to_owned(), value.clone());
    match all.len() > HOOKS_MAX {
        true => Err(vec![wrong(
            "",
            format!("more than {HOOKS_MAX} hooks are too many"),
            "take some out".into(),
        )]),
        false => Ok(()),
    }
}

/// Every key of a hook: what it takes, its default, what it is for.
pub const HOOK_KEYS: &[(&str, &str, &str, &str)] = &[
    (
        "auth",
        "`bearer`, `basic`, `hmac`, `github`, `none`",
        "",
        "How senders prove who they are; it has to be said.",
    ),
    ("secret", "text", "", "The name of the secret, see `[secrets]`; for all but `none`."),
    ("user", "text", "", "The user, for `basic`."),
    (
        "header",
        "text",
        "`Authorization` for `bearer`, `X-Signature` for `hmac`",
        "The header that holds the secret or the signature.",
    ),
    (
        "prefix",
        "text",
        "`Bearer ` in `Authorization`, else nothing",
        "What stands before it there.",
    ),
    (
        "algorithm",
        "`sha256`, `sha384`, `sha512`",
        "`sha256`",
        "The hash of the signature, for `hmac`.",
    ),
    ("encoding", "`hex`, `base64`", "`hex`", "How its bytes are written, for `hmac`."),
    (
        "signed",
        "text",
        "`{body}`, or `{timestamp}.{body}` where the time is signed",
        "What is signed, for `hmac`; `{delivery}` is the delivery id.",
    ),
    (
        "timestamp_header",
        "text",
        "",
        "The header with the time of the signature, for `hmac`: a request that was recorded cannot be sent again later.",
    ),
    ("window", "time span", "`5m`", "How far that time may be from now, at most a day."),
    (
        "delivery_header",
        "text",
        "`X-GitHub-Delivery` for `github`",
        "The header that names a delivery: what comes again under the same name is taken once. Without it each delivery is one of its own.",
    ),
    (
        "headers",
        "list of texts",
        "`X-GitHub-Event` for `github`",
        "The headers that rules get to see, under `_headers`, in small letters; at most 16.",
    ),
    (
        "per_minute",
        "number from 1 to 1000000",
        "`1200`",
        "How many deliveries it takes in a minute.",
    ),
    (
        "open",
        "true or false",
        "`false`",
        "Whether a hook with `auth = \"none\"` takes what comes from other machines or through a proxy.",
    ),
];

/// What is wrong with a hook.
enum Bad {
    /// There is no such key.
    Unknown(String),
    /// A key, what is wrong with it, and what to do.
    Key(&'static str, String, String),
}

impl Bad {
    fn key(&self) -> &str {
        match self {
            Self::Unknown(key) => key,
            Self::Key(key, ..) => key,
        }
    }
}

/// The keys of one hook.
struct Keys<'a>(&'a Table);

impl Keys<'_> {
    fn wrong(key: &'static str, what: &str) -> Bad {
        let help = HOOK_KEYS.iter().find(|(name, ..)| *name == key);
        let hint = help.map_or(String::new(), |(.., help)| (*help).to_owned());
        Bad::Key(key, format!("`{key}` is {what}"), hint)
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, Bad> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Self::wrong(key, "a text: \"…\"")),
        }
    }

    fn header(&self, key: &'static str) -> Result<Option<String>, Bad> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        header_name(&text).map(Some).ok_or_else(|| Self::wrong(key, "the name of a header"))
    }

    fn needed(&self, key: &'static str, auth: &str) -> Result<String, Bad> {
        let missing = || Self::wrong(key, &format!("needed for `auth = \"{auth}\"`"));
        self.text(key)?.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    fn choice<T: Copy>(&self, key: &'static str, of: &[(&str, T)]) -> Result<T, Bad> {
        let names: Vec<String> = of.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let wrong = || Self::wrong(key, &format!("one of {}", names.join(", ")));
        let text = self.text(key)?;
        let Some(text) = text else { return Ok(of[0].1) };
        of.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(wrong)
    }
}

/// A header's name in small letters, if it is one.
fn header_name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let good = !text.is_empty() && text.len() <= 100 && text.chars().all(fits);
    good.then(|| text.to_ascii_lowercase())
}

/// Everything that is wrong with a hook, each key once: what is wrong is put right for the rest to be read.
fn all_bad(name: &str, table: &Table) -> Vec<Bad> {
    let (mut table, mut found) = (table.clone(), Vec::<Bad>::new());
    // A key is put right once, and then taken out: each turn leaves less to do.
    while let Err(bad) = hook(name, &table) {
        let key = bad.key().to_owned();
        let told = found.iter().any(|it| it.key() == key);
        match (told, key.as_str()) {
            // What it is without it is wrong as well: the rest cannot be read.
            (true, _) if table.remove(&key).is_none() => break,
            (true, _) => {}
            (false, "secret" | "user") => drop(table.insert(key, "x".into())),
            (false, "timestamp_header" | "delivery_header") => {
                drop(table.insert(key, "X-Given".into()));
            }
            (false, _) => drop(table.remove(&key)),
        }
        if !told {
            found.push(bad);
        }
    }
    found
}

/// Reads one hook.
fn hook(name: &str, table: &Table) -> Result<Hook, Bad> {
    let known = |key: &&String| !HOOK_KEYS.iter().any(|(name, ..)| name == key);
    if let Some(key) = table.keys().find(known) {
        return Err(Bad::Unknown(key.clone()));
    }
    let keys = Keys(table);
    let kinds = ["bearer", "basic", "hmac", "github", "none"].map(|kind| (kind, kind));
    if !table.contains_key("auth") {
        return Err(Keys::wrong(
            "auth",
            "needed: \"bearer\", \"basic\", \"hmac\", \"github\" or \"none\"",
        ));
    }
    let kind = keys.choice("auth", &kinds)?;
    only_for(table, kind)?;
    let auth = auth(&keys, kind)?;
    let github = kind == "github";
    let usual = |text: &str| github.then(|| text.to_owned());
    let delivery_header = keys.header("delivery_header")?.or(usual("x-github-delivery"));
    if let Auth::Signed(Signature { content, stamp, .. }) = &auth {
        signs_all(content, stamp.is_some(), delivery_header.is_some())?;
    }
    let hook = Hook {
        name: name.to_owned(),
        kind,
        auth,
        delivery_header,
        headers: vec![],
        per_minute: per_minute(table)?,
        open: match table.get("open") {
            None => false,
            Some(open) => open.as_bool().ok_or_else(|| Keys::wrong("open", "true or false"))?,
        },
    };
    let headers =
        headers(table, &hook)?.unwrap_or_else(|| usual("x-github-event").into_iter().collect());
    Ok(Hook { headers, ..hook })
}

fn auth(keys: &Keys, kind: &str) -> Result<Auth, Bad> {
    Ok(match kind {
        "none" => Auth::None,
        "basic" => {
            let (secret, user) = (keys.needed("secret", kind)?, keys.needed("user", kind)?);
            if user.contains(':') {
                return Err(Keys::wrong("user", "a name without a colon"));
            }
            Auth::Basic { secret, user }
        }
        "bearer" => {
            let header = keys.header("header")?.unwrap_or_else(|| "authorization".into());
            let usual = if header == "authorization" { "Bearer " } else { "" };
            let prefix = keys.text("prefix")?.unwrap_or_else(|| usual.to_owned());
            Auth::Bearer { secret: keys.needed("secret", kind)?, header, prefix }
        }
        "github" => Auth::Signed(Signature {
            secret: keys.needed("secret", kind)?,
            header: "x-hub-signature-256".into(),
            prefix: "sha256=".into(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            content: "{body}".into(),
            stamp: None,
        }),
        _ => {
            let stamp = stamp(keys)?;
            let usual = if stamp.is_some() { "{timestamp}.{body}" } else { "{body}" };
            Auth::Signed(Signature {
                secret: keys.needed("secret", kind)?,
                header: keys.header("header")?.unwrap_or_else(|| "x-signature".into()),
                prefix: keys.text("prefix")?.unwrap_or_default(),
                algorithm: keys.choice(
                    "algorithm",
                    &[
                        ("sha256", Algorithm::Sha256),
                        ("sha384", Algorithm::Sha384),
                        ("sha512", Algorithm::Sha512),
                    ],
                )?,
                encoding: keys
                    .choice("encoding", &[("hex", Encoding::Hex), ("base64", Encoding::Base64)])?,
                content: keys.text("signed")?.unwrap_or_else(|| usual.to_owned()),
                stamp,
            })
        }
    })
}

fn stamp(keys: &Keys) -> Result<Option<Stamp>, Bad> {
    let header = keys.header("timestamp_header")?;
    let window = keys.text("window")?;
    if header.is_none() && window.is_some() {
        return Err(Keys::wrong("window", "of use with `timestamp_header` only"));
    }
    let window_ms = parse_duration(window.as_deref().unwrap_or(WINDOW)).ok();
    let window_ms = window_ms.filter(|ms| (1_000..=WINDOW_MS_MAX).contains(ms));
    let window_ms = window_ms
        .ok_or_else(|| Keys::wrong("window", "a time span from a second to a day: \"5m\""))?;
    Ok(header.map(|header| Stamp { header, window_ms }))
}

/// Whether a key says something where it changes nothing: that would be a belief about safety that is wrong.
fn only_for(table: &Table, kind: &'static str) -> Result<(), Bad> {
    const SIGNS: &[&str] = &["hmac"];
    let uses: [(&'static str, &[&str]); 9] = [
        ("secret", &["bearer", "basic", "hmac", "github"]),
        ("user", &["basic"]),
        ("header", &["bearer", "hmac"]),
        ("prefix", &["bearer", "hmac"]),
        ("algorithm", SIGNS),
        ("encoding", SIGNS),
        ("signed", SIGNS),
        ("timestamp_header", SIGNS),
        ("window", SIGNS),
    ];
    let open = [("open", &["none"][..])];
    for (key, kinds) in uses.into_iter().chain(open) {
        if table.contains_key(key) && !kinds.contains(&kind) {
            return Err(Keys::wrong(key, &format!("of no use with `auth = \"{kind}\"`")));
        }
    }
    Ok(())
}

/// What is not signed can be changed by whoever recorded a request.
fn signs_all(content: &str, timed: bool, named: bool) -> Result<(), Bad> {
    let wrong = |what: &str| Err(Keys::wrong("signed", what));
    let (time, id) = (content.contains("{timestamp}"), content.contains("{delivery}"));
    match () {
        () if !content.contains("{body}") => {
            wrong("without `{body}`: nothing that is sent would be signed")
        }
        () if time && !timed => wrong("with `{timestamp}`, and there is no `timestamp_header`"),
        () if !time && timed => wrong("without `{timestamp}`: the time would not be signed"),
        () if id && !named => wrong("with `{delivery}`, and there is no `delivery_header`"),
        () if !id && timed && named => {
            wrong("without `{delivery}`: a recorded request could be sent again under another id")
        }
        () => Ok(()),
    }
}

fn per_minute(table: &Table) -> Result<u32, Bad> {
    let Some(value) = table.get("per_minute") else { return Ok(PER_MINUTE) };
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (1..=PER_MINUTE_MAX).contains(number));
    number.ok_or_else(|| Keys::wrong("per_minute", &format!("a number from 1 to {PER_MINUTE_MAX}")))
}

fn headers(table: &Table, hook: &Hook) -> Result<Option<Vec<String>>, Bad> {
    let Some(value) = table.get("headers") else { return Ok(None) };
    let wrong = |what: String| Keys::wrong("headers", &what);
    let items = value.as_array().ok_or_else(|| wrong("a list of texts: [\"X-Event\"]".into()))?;
    let names = items.iter().map(|item| item.as_str().and_then(header_name));
    let names: Option<Vec<String>> = names.collect();
    let names = names.ok_or_else(|| wrong("a list of names of headers: [\"X-Event\"]".into()))?;
    let secret = hook.proof_header();
    let told = names
        .iter()
        .find(|name| HEADERS_NEVER.contains(&name.as_str()) || secret == Some(name.as_str()));
    match (told, names.len()) {
        (Some(name), _) => Err(wrong(format!("without `{name}`: it holds what proves who sends"))),
        (None, 0..=HEADERS_TAKEN_MAX) => Ok(Some(names)),
        (None, _) => Err(wrong(format!("a list of at most {HEADERS_TAKEN_MAX} headers"))),
    }
}
