//! Stored events of every type and version stay readable: `tests/fixtures/events/<type>.v<N>.json`, kept for ever.
//!
//! A file holds a list of payloads: one for each shape that the type can have.

#[path = "../../examples/docs/events.rs"]
mod page;
mod policies;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use beadle::domain::event::{Event, decode};
use serde_json::Value;

/// Every tag of the enums inside events: each stands in some fixture, or nobody would notice that it was renamed.
const TAGS: &[(&str, &[&str])] = &[
    (
        "trigger_recorded",
        &["message", "reaction", "timer", "undecryptable", "order", "retry", "cancel", "deleted"],
    ),
    ("trigger_recorded", &["prefix", "name", "direct", "nothing", "nick", "account", "device"]),
    ("trigger_recorded", &["network", "per_message_name", "double_puppet"]),
    ("accounts_linked", &["identified", "services_account"]),
    ("automation_switched", &["rule", "schedule", "hook", "sensor"]),
    ("alert_raised", &["alone", "grouped", "held_back"]),
    ("bridge_step", &["done", "there", "missing", "refused", "silent"]),
    ("bridge_step", &["room", "control", "networks", "network", "servers", "server", "open"]),
    ("bridge_step", &["network_room", "status", "nick", "sasl", "connect", "invite", "plumb"]),
    ("bridge_step", &["member", "recall", "join", "channel_room", "called", "unplumb", "leave"]),
    ("bridge_step", &["disconnect", "unserver", "forget", "joined"]),
    ("bridge_stands", &["private", "plumbed"]),
    ("silence_started", &["rule", "alert", "host", "source", "any"]),
    ("trigger_recorded", &["switch"]),
    ("trigger_routed", &["started", "continued", "said", "refused", "ignored"]),
    ("trigger_routed", &["run", "allowed", "refused", "alias"]),
    ("effect_requested", &["read", "idempotent", "once", "log"]),
    ("effect_completed", &["ok", "err"]),
    ("effect_recorded", &["ok", "err"]),
    ("timer_fired", &["ok", "err"]),
    ("effect_resolved", &["done", "repeat", "give_up"]),
    ("events_erased", &["event", "execution", "person", "older_than", "redaction"]),
    ("room_left", &["alone", "asked", "kicked", "banned", "by_hand"]),
    ("question_asked", &["text", "yes_no", "doubt", "approval"]),
    ("approval_voted", &["for", "against", "typed", "phrase", "reply", "reaction"]),
    ("approval_voted", &["identified", "network"]),
    ("approval_voted", &["open", "granted", "denied"]),
    ("execution_finished", &["succeeded", "failed", "diverged", "cancelled"]),
    ("group_decided", &["ok", "err"]),
    ("message_queued", &["line", "code", "list", "text", "bold", "link", "mention"]),
];

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events"))
}

/// The fixtures by type and version.
fn fixtures() -> BTreeMap<(String, u32), Vec<Value>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).expect("there are fixtures") {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let parts = name.strip_suffix(".json").and_then(|name| name.rsplit_once(".v"));
        let (kind, schema) = parts.unwrap_or_else(|| panic!("{name} is no `<type>.v<N>.json`"));
        let schema = schema.parse().unwrap_or_else(|_| panic!("{name} has no version"));
        let text = std::fs::read_to_string(&path).expect("a fixture can be read");
        let list: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|why| panic!("{name} is no list: {why}"));
        assert!(!list.is_empty(), "{name} is empty");
        found.insert((kind.to_owned(), schema), list);
    }
    found
}

#[test]
fn every_event_type_has_a_fixture() {
    let fixtures = fixtures();
    let mut missing = vec![];
    for (kind, schema) in Event::KINDS {
        if fixtures.contains_key(&((*kind).to_owned(), *schema)) {
            continue;
        }
        let all = samples::all();
        let samples: Vec<Value> =
            all.iter().filter(|event| event.kind() == *kind).map(Event::encode).collect();
        let text = match samples.is_empty() {
            true => {
                "add the type to tests/it/events/samples.rs; this test then shows what to write"
                    .into()
            }
            false => serde_json::to_string_pretty(&samples).expect("an event is JSON"),
        };
        missing.push(format!(
            "tests/fixtures/events/{kind}.v{schema}.json is missing. Write:\n{text}"
        ));
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n\n"));
}

#[test]
fn the_page_of_all_types_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    let page = std::fs::read_to_string(path).expect("docs/events.md is there");
    assert!(page == page::page(), "docs/events.md is not up to date: run `make docs`");
}

#[test]
fn every_stored_shape_is_read_and_the_current_one_written() {
    let current: BTreeMap<&str, u32> = Event::KINDS.iter().copied().collect();
    for ((kind, schema), list) in fixtures() {
        for stored in list {
            let event = decode(&kind, schema, stored.clone())
                .unwrap_or_else(|why| panic!("{kind}.v{schema}.json: {why}"));
            if current.get(kind.as_str()) == Some(&schema) {
                assert_eq!((event.kind(), event.schema()), (kind.as_str(), schema));
                assert_eq!(event.encode(), stored, "{kind}.v{schema}.json");
            }
        }
    }
}

#[test]
fn the_samples_are_what_the_fixtures_hold() {
    let fixtures = fixtures();
    for event in samples::all() {
        let key = (event.kind().to_owned(), event.schema());
        let known = fixtures.get(&key).is_some_and(|list| list.contains(&event.encode()));
        assert!(known, "{}.v{}.json has not {}", key.0, key.1, event.encode());
    }
}

#[test]
fn every_value_beside_the_log_is_known_to_be_named() {
    fn names_one(value: &Value) -> bool {
        let is_one = |map: &serde_json::Map<String, Value>| {
            ["id", "bytes", "commitment", "slot"].iter().all(|key| map.contains_key(*key))
        };
        match value {
            Value::Object(map) => is_one(map) || map.values().any(names_one),
            Value::Array(items) => items.iter().any(names_one),
            _ => false,
        }
    }
    let mut found = BTreeSet::new();
    for event in samples::all() {
        assert_eq!(event.blob().is_some(), names_one(&event.encode()), "{}", event.kind());
        found.extend(event.blob().map(|_| event.kind()));
    }
    assert_eq!(found, BTreeSet::from(["effect_completed", "message_queued"]));
}

#[test]
fn every_variant_stands_in_a_fixture() {
    let fixtures = fixtures();
    for (kind, tags) in TAGS {
        let lists = fixtures.iter().filter(|((name, _), _)| name == kind).map(|(_, list)| list);
        let mut words = BTreeSet::new();
        lists.flatten().for_each(|payload| collect(payload, &mut words));
        for tag in *tags {
            assert!(words.contains(*tag), "no fixture of {kind} has `{tag}`");
        }
    }
}

#[test]
fn unknown_types_and_versions_are_refused() {
    for (kind, schema) in [("log_created", 2), ("log_craeted", 1), ("", 0)] {
        let refused = decode(kind, schema, serde_json::json!({ "log": "x" }));
        assert!(refused.is_err(), "{kind} {schema}");
    }
}

/// What can be the tag of an enum's variant: a text, or the only name of an object.
fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(words.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(map) => {
            if let (Some(tag), 1) = (map.keys().next(), map.len()) {
                words.insert(tag.clone());
            }
            map.values().for_each(|value| collect(value, words));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
