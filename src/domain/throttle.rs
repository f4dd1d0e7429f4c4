//! How often a rule may fire: at most once in a time, and not twice for the same thing.

use serde_json::{Map, Value};

use super::id::Timestamp;
use super::phrase::canonical;
use super::rule::field;

/// Longest window, in milliseconds.
pub const WINDOW_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;

/// How often a rule may fire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows {
    /// At most once in this time.
    pub throttle_ms: Option<i64>,
    /// For each value of this field.
    pub by: Option<String>,
    /// Not twice with the same fields in this time.
    pub dedup_ms: Option<i64>,
}

/// Something that may not happen again within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Which of the two it is; it is stored and never changes.
    pub kind: &'static str,
    /// What it is for: a value of the field, or all fields.
    pub of: String,
    /// How long.
    pub ms: i64,
}

impl Windows {
    /// The windows in which a trigger with these fields may be.
    pub fn of(&self, fields: &Map<String, Value>) -> Vec<Window> {
        let throttle = self.throttle_ms.map(|ms| {
            let value = self.by.as_ref().and_then(|by| field(fields, by));
            Window { kind: "throttle", of: value.map(canonical).unwrap_or_default(), ms }
        });
        let dedup = self.dedup_ms.map(|ms| {
            let of = canonical(&Value::Object(fields.clone()));
            Window { kind: "dedup", of, ms }
        });
        throttle.into_iter().chain(dedup).collect()
    }
}

impl Window {
    /// Until when it is closed, if it is: it was used at this time.
    pub fn closed_until(&self, used: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        // A clock that went back does not close it for longer than it is long.
        let until = used.filter(|used| *used <= now)?.plus_ms(self.ms);
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn windows_close_for_a_time() {
        let window = |ms| Window { kind: "throttle", of: String::new(), ms };
        for (used, now, want) in [
            (None, 100, None),
            (Some(0), 99, Some(100)),
            (Some(0), 100, None),
            (Some(50), 100, Some(150)),
            (Some(500), 100, None),
        ] {
            let until = window(100).closed_until(used.map(Timestamp), Timestamp(now));
            assert_eq!(until.map(|at| at.0), want, "used at {used:?}, now {now}");
        }
        assert_eq!(WINDOW_MS_MAX, 604_800_000);
    }

    #[test]
    fn windows_are_for_a_value_or_for_all_fields() {
        let fields = json!({ "host": "web1", "labels": { "rack": "r7" }, "n": 1 });
        let fields = fields.as_object().expect("a map");
        let shown = |windows: Windows| {
            let all = windows.of(fields);
            all.iter().map(|it| format!("{} {}", it.kind, it.of)).collect::<Vec<_>>().join(", ")
        };
        let throttle = |by: Option<&str>| Windows {
            throttle_ms: Some(1),
            by: by.map(str::to_owned),
            dedup_ms: None,
        };
        assert_eq!(shown(Windows::default()), "");
        assert_eq!(shown(throttle(None)), "throttle ");
        assert_eq!(shown(throttle(Some("host"))), "throttle \"web1\"");
        assert_eq!(shown(throttle(Some("labels.rack"))), "throttle \"r7\"");
        assert_eq!(shown(throttle(Some("nothing"))), "throttle ");
        let both = Windows { dedup_ms: Some(1), ..throttle(None) };
        assert!(shown(both).starts_with("throttle , dedup {\"host\":\"web1\""));
    }
}
