//! The page of all event types: made from the source that declares them, and from the stored samples of every version.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::path::Path;

use beadle::domain::event::{Event, Secrecy, decode};
use serde_json::Value;
use syn::{
    Attribute, Expr, ExprLit, Fields, GenericArgument, Item, ItemEnum, ItemStruct, Lit, Meta,
    PathArguments, Type,
};

/// In which stream a type stands, by how its name begins; the first that fits counts.
const STREAMS: &[(&str, &str)] = &[
    ("log_created", "log-main"),
    ("log_trimmed", "log-main"),
    ("log_restored", "log-main"),
    ("store_rebuilt", "log-main"),
    ("clock_stepped", "log-main"),
    ("backup_made", "log-main"),
    ("tree_head", "heads-main"),
    ("events_erased", "log-erasures"),
    ("sync_advanced", "sync-matrix"),
    ("schedule_advanced", "schedule-<name>"),
    ("sensor_advanced", "sensor-<name>"),
    ("script_kept", "script-<hash>"),
    ("policy_changed", "policy-set"),
    ("intake_", "intake-main"),
    ("invite_decided", "stay-<room>` or `invite-<room and inviter>"),
    ("invites_declined", "invites-declined"),
    ("gap_", "room-<room>"),
    ("room_upgraded", "upgrade-<room>"),
    ("room_bridged", "bridge-<room>"),
    ("bridge_", "setups-main"),
    ("account_checked", "identity-<account>"),
    ("room_hinted", "hints-<room>"),
    ("room_", "stay-<room>"),
    ("trigger_", "trigger-<key>"),
    ("event_", "trigger-<key>"),
    ("execution_", "execution-<id>"),
    ("effect_", "execution-<id>"),
    ("approval_", "execution-<id>"),
    ("lock_requested", "execution-<id>"),
    ("attempt_failed", "execution-<id>"),
    ("group_", "execution-<id>"),
    ("question_", "execution-<id>"),
    ("timer_fired", "execution-<id>"),
    ("link_", "people-main"),
    ("accounts_", "people-main"),
    ("grant_", "grants-main"),
    ("automation_switched", "switches-main"),
    ("alert_placed", "digest-<room>"),
    ("alert_", "alert-<key>"),
    ("digest_", "digest-<room>"),
    ("silence_held", "held-<silence>"),
    ("silence_", "silences-main"),
    ("rule_fired", "fired-<rule and value>"),
    ("wake_planned", "alert-<key>`, `digest-<room>`, `silences-main` or `switches-main"),
    ("memory_written", "memory-<scope and name>"),
    ("message_", "message-<id>"),
];

/// What stands before the types.
const HEAD: &str = "# The event types

Made by `make docs` from the source and from `tests/fixtures/events/`; do not edit it.

Every event in [the log](log.md) has a type and a version of its payload's shape. A stored shape never changes: a change makes a new version,
and payloads of older versions are read as the newest. An event of a type or version that this program does not know was written by a
newer one: `beadle log show` and `log tail` show it as it is, and the bot refuses to start on such a log until the program is upgraded.

An **open** payload stands in the clear. A **sealed** one is encrypted with a key of its own, and can be erased.
";

/// A declaration in the source.
enum Shape {
    Struct(ItemStruct),
    Enum(ItemEnum),
}

/// The whole page.
pub fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (shapes, samples) =
        (shapes(&root.join("src/domain")), samples(&root.join("tests/fixtures")));
    let mut page = HEAD.to_owned();
    let mut used = VecDeque::new();
    page.push_str("\n| type | version | payload | stream |\n| --- | --- | --- | --- |\n");
    for (kind, schema) in Event::KINDS {
        let payload = secrecy(kind, *schema, &samples);
        let _ =
            writeln!(page, "| [`{kind}`](#{kind}) | {schema} | {payload} | `{}` |", stream(kind));
    }
    for (kind, schema) in Event::KINDS {
        let shape =
            shapes.get(&camel(kind)).unwrap_or_else(|| panic!("`{kind}` is declared nowhere"));
        let Shape::Struct(shape) = shape else { panic!("`{kind}` is no struct") };
        let payload = secrecy(kind, *schema, &samples);
        let _ = writeln!(page, "\n## {kind}\n\n{}", docs(&shape.attrs));
        let _ = writeln!(page, "\nVersion {schema}, {payload}, in `{}`.", stream(kind));
        page.push_str(&fields(&shape.fields, &mut used));
        page.push_str(&versions(kind, *schema, &samples));
    }
    page.push_str("\n# The shapes inside\n");
    let mut seen = BTreeSet::new();
    while let Some(name) = used.pop_front() {
        if !seen.insert(name.clone()) {
            continue;
        }
        match shapes.get(&name) {
            None => {}
            Some(Shape::Struct(shape)) => {
                let _ = writeln!(page, "\n## {name}\n\n{}", docs(&shape.attrs));
                page.push_str(&fields(&shape.fields, &mut used));
            }
            Some(Shape::Enum(shape)) => {
                let _ = writeln!(page, "\n## {name}\n\n{} One of:\n", docs(&shape.attrs));
                page.push_str(&variants(shape, &mut used));
            }
        }
    }
    page
}

/// All structs and enums of the domain, by name.
fn shapes(folder: &Path) -> BTreeMap<String, Shape> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            found.extend(shapes(&path));
        }
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the source can be read");
        let file = syn::parse_file(&text).expect("the source is Rust");
        for item in file.items {
            match item {
                Item::Struct(it) if stored(&it.attrs) => {
                    found.insert(it.ident.to_string(), Shape::Struct(it));
                }
                Item::Enum(it) if stored(&it.attrs) => {
                    found.insert(it.ident.to_string(), Shape::Enum(it));
                }
                _ => {}
            }
        }
    }
    found
}

/// Whether something can be stored: it derives `Deserialize`.
fn stored(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let mut derives = false;
        if attr.path().is_ident("derive") {
            let _ = attr.parse_nested_meta(|meta| {
                derives |= meta.path.is_ident("Deserialize");
                Ok(())
            });
        }
        derives
    })
}

/// The stored samples by type and version.
fn samples(folder: &Path) -> BTreeMap<(String, u32), Value> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("events")).expect("there are fixtures") {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let parts = name.strip_suffix(".json").and_then(|name| name.rsplit_once(".v"));
        let (kind, schema) = parts.expect("a fixture is named `<type>.v<N>.json`");
        let text = std::fs::read_to_string(&path).expect("a fixture can be read");
        let list: Vec<Value> = serde_json::from_str(&text).expect("a fixture is a list");
        let first = list.into_iter().next().expect("a fixture has a sample");
        found.insert((kind.to_owned(), schema.parse().expect("a number")), first);
    }
    found
}

fn secrecy(kind: &str, schema: u32, samples: &BTreeMap<(String, u32), Value>) -> &'static str {
    let sample = samples.get(&(kind.to_owned(), schema));
    let sample = sample.unwrap_or_else(|| panic!("`{kind}` version {schema} has no fixture"));
    match decode(kind, schema, sample.clone()).expect("a fixture is an event").secrecy() {
        Secrecy::Open => "open",
        Secrecy::Sealed => "sealed",
    }
}

fn stream(kind: &str) -> &'static str {
    let found = STREAMS.iter().find(|(begins, _)| kind.starts_with(begins));
    found.unwrap_or_else(|| panic!("say in examples/docs/events.rs where `{kind}` stands")).1
}

/// `log_created` → `LogCreated`.
fn camel(kind: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    kind.split('_').map(word).collect()
}

/// A doc comment, on one line.
fn docs(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(it) if it.path.is_ident("doc") => match &it.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Whether serde spells the names of an enum in small letters with `_`.
fn snake_case(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let mut renames = false;
        if attr.path().is_ident("serde") {
            let _ = attr.parse_nested_meta(|meta| {
                let value = meta.value().and_then(|value| value.parse::<syn::LitStr>());
                renames |= value.is_ok_and(|value| value.value() == "snake_case");
                Ok(())
            });
        }
        renames
    })
}

fn fields(fields: &Fields, used: &mut VecDeque<String>) -> String {
    let mut text = String::new();
    match fields {
        Fields::Named(named) if named.named.is_empty() => text.push_str("\nIt has no fields.\n"),
        Fields::Named(named) => {
            text.push_str("\n| field | type | |\n| --- | --- | --- |\n");
            for field in &named.named {
                let name = field.ident.as_ref().expect("it is named");
                let kind = type_of(&field.ty, used);
                let _ = writeln!(text, "| `{name}` | {kind} | {} |", docs(&field.attrs));
            }
        }
        Fields::Unnamed(parts) if parts.unnamed.len() == 1 => {
            let _ = writeln!(text, "\nWritten as {}.", type_of(&parts.unnamed[0].ty, used));
        }
        Fields::Unnamed(parts) => {
            let parts: Vec<String> =
                parts.unnamed.iter().map(|part| type_of(&part.ty, used)).collect();
            let _ = writeln!(text, "\nWritten as a list: {}.", parts.join(", "));
        }
        Fields::Unit => {}
    }
    text
}

fn variants(shape: &ItemEnum, used: &mut VecDeque<String>) -> String {
    let mut text = "| written | |\n| --- | --- |\n".to_owned();
    let snake = snake_case(&shape.attrs);
    for variant in &shape.variants {
        let name = variant.ident.to_string();
        let name = if snake { small(&name) } else { name };
        let content = match &variant.fields {
            Fields::Unit => format!("`\"{name}\"`"),
            Fields::Unnamed(parts) => {
                let parts: Vec<String> =
                    parts.unnamed.iter().map(|part| type_of(&part.ty, used)).collect();
                format!("`{{\"{name}\": …}}`: {}", parts.join(", "))
            }
            Fields::Named(named) => {
                let parts: Vec<String> = named
                    .named
                    .iter()
                    .map(|field| {
                        let name = field.ident.as_ref().expect("it is named");
                        format!("`{name}`: {}", type_of(&field.ty, used))
                    })
                    .collect();
                format!("`{{\"{name}\": {{…}}}}`: {}", parts.join(", "))
            }
        };
        let _ = writeln!(text, "| {content} | {} |", docs(&variant.attrs));
    }
    text
}

/// `YesNo` → `yes_no`.
fn small(name: &str) -> String {
    let mut text = String::new();
    for (n, c) in name.chars().enumerate() {
        if c.is_uppercase() && n > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// A type as it looks in JSON; what is declared by us is linked and noted.
fn type_of(ty: &Type, used: &mut VecDeque<String>) -> String {
    let Type::Path(path) = ty else { return "JSON".into() };
    let last = path.path.segments.last().expect("a path has an end");
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(of) => of.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(type_of(ty, used)),
            _ => None,
        }),
        _ => None,
    };
    let name = last.ident.to_string();
    match (name.as_str(), inner) {
        ("Option", Some(inner)) => format!("{inner}, or null"),
        ("Vec", Some(inner)) => format!("list of {inner}"),
        ("Box", Some(inner)) => inner,
        ("String", _) => "text".into(),
        ("bool", _) => "true or false".into(),
        ("u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" | "f64", _) => "number".into(),
        ("Value", _) => "any JSON".into(),
        ("Timestamp", _) => "milliseconds since 1970".into(),
        ("Position", _) => "position in the log".into(),
        ("Version", _) => "version in a stream".into(),
        ("EventId", _) => "event id, `stream/version`".into(),
        ("StreamName", _) => "stream".into(),
        ("UserId", _) => "account".into(),
        ("RoomId", _) => "room id".into(),
        ("PostId", _) => "post id".into(),
        ("ExecutionId", _) => "execution id".into(),
        ("MessageId", _) => "message id".into(),
        ("ScriptHash", _) => "hash of a script".into(),
        ("DedupeKey", _) => "dedupe key".into(),
        (name, _) => {
            used.push_back(name.to_owned());
            format!("[{name}](#{})", name.to_lowercase())
        }
    }
}

/// An example, and how older versions are read.
fn versions(kind: &str, schema: u32, samples: &BTreeMap<(String, u32), Value>) -> String {
    let example = |value: &Value| {
        format!("```json\n{}\n```\n", serde_json::to_string(value).expect("a sample is JSON"))
    };
    let newest = &samples[&(kind.to_owned(), schema)];
    let mut text = format!("\nAn example:\n\n{}", example(newest));
    for older in (1..schema).rev() {
        let Some(stored) = samples.get(&(kind.to_owned(), older)) else { continue };
        let read = decode(kind, older, stored.clone()).expect("a fixture is an event").encode();
        let _ = write!(
            text,
            "\nA payload of version {older}, and what it is read as:\n\n{}\n{}",
            example(stored),
            example(&read)
        );
    }
    text
}
