//! Brings stored payloads of older versions to the shapes of today.
//!
//! Invariant: what an older version could not say is filled in as it was then, never as it would be now.

use serde_json::{Map, Value};

/// Brings a payload to the current shape, and says which version that is.
pub(super) fn upcast(kind: &str, schema: u32, mut data: Value) -> (u32, Value) {
    let Some(fields) = data.as_object_mut() else { return (schema, data) };
    let now = match (kind, schema) {
        ("trigger_recorded", 1..=4) => {
            trigger(fields, schema);
            5
        }
        // Before version 2 nothing was asked of policies.
        ("trigger_routed", 1) => {
            let outcomes = fields.get_mut("outcomes").and_then(Value::as_array_mut);
            for outcome in outcomes.into_iter().flatten().filter_map(Value::as_object_mut) {
                outcome.insert("decision".into(), Value::Null);
            }
            2
        }
        ("execution_started", 1..=2) => {
            // Before version 2 there were no rules.
            if let (1, Some(Value::Object(handler))) = (schema, fields.get_mut("handler")) {
                handler.insert("kind".into(), "alias".into());
            }
            claims_nothing(fields, "requester");
            3
        }
        // Before version 2 nobody could cancel: every older ending is one of the newer ones.
        ("execution_finished", 1) => 2,
        // Before version 2 a script imported nothing.
        ("script_kept", 1) => {
            fields.insert("imports".into(), Value::Array(vec![]));
            2
        }
        // Before version 2 a question had no phrase, and nobody was reminded of it.
        ("question_asked", 1) => {
            for name in ["phrase", "tag", "content"] {
                fields.insert(name.into(), Value::String(String::new()));
            }
            fields.insert("roles".into(), Value::Array(vec![]));
            fields.insert("remind".into(), Value::Null);
            2
        }
        // Before version 2 nobody looked at how long a text may be.
        ("room_hinted", 1) => {
            let hints = fields.get_mut("hints").and_then(Value::as_array_mut);
            let shows = |hint| Value::get_mut(hint, "shows").and_then(Value::as_object_mut);
            for features in hints.into_iter().flatten().filter_map(shows) {
                features.insert("text".into(), Value::Null);
            }
            2
        }
        // Before version 2 an approval asked for no level of trust, and that is how its terms read without one.
        ("approval_requested", 1) => 2,
        // Before version 2 who voted was named by the account alone.
        ("approval_voted", 1) => {
            fields.insert("called".into(), Value::Null);
            2
        }
        // Before version 2 what let an action run was not recorded with it.
        ("effect_requested", 1) => {
            fields.insert("decision".into(), Value::Null);
            2
        }
        // Before version 2 a grant named no script.
        ("grant_made", 1) => {
            fields.insert("file".into(), Value::String(String::new()));
            2
        }
        // Before version 2 nothing was attached to a message.
        ("message_queued", 1) => {
            fields.insert("attachment".into(), Value::Null);
            2
        }
        ("link_offered" | "link_claimed", 1) => {
            claims_nothing(fields, "by");
            2
        }
        ("accounts_linked", 1) => {
            claims_nothing(fields, "first");
            claims_nothing(fields, "second");
            2
        }
        _ => schema,
    };
    (now, data)
}

/// Before version 2 nothing was late, before version 3 nothing was ordered, before version 4 nothing was deleted and
/// nobody looked at who a message calls and who has passed it on; before version 5 nothing was claimed of anybody.
fn trigger(fields: &mut Map<String, Value>, schema: u32) {
    let Some(Value::Object(trigger)) = fields.get_mut("trigger") else { return };
    trigger.entry("late").or_insert(Value::Bool(false));
    let Some(Value::Object(what)) = trigger.get_mut("what") else { return };
    if let (1..=3, Some(Value::Object(message))) = (schema, what.get_mut("message")) {
        message.insert("mentioned".into(), Value::Bool(false));
        message.insert("hops".into(), Value::from(0));
    }
    for it in what.values_mut().filter_map(Value::as_object_mut) {
        claims_nothing(it, "speaker");
        claims_nothing(it, "by");
    }
}

/// Before there were claims, nothing was claimed of a speaker.
fn claims_nothing(fields: &mut Map<String, Value>, name: &str) {
    if let Some(Value::Object(speaker)) = fields.get_mut(name) {
        speaker.entry("claims").or_insert_with(|| Value::Array(vec![]));
    }
}
