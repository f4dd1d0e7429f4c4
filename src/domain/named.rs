//! Named triggers, which executions wait for, and calls of one command by another.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::ExecutionId;

/// Longest name of a trigger in bytes.
pub const NAME_BYTES_MAX: usize = 100;
/// Largest fields of a trigger, in bytes of JSON.
pub const FIELDS_BYTES_MAX: usize = 32 * 1024;
/// Largest fields of a trigger that comes from outside, in bytes of JSON.
pub const OUTSIDE_BYTES_MAX: usize = 192 * 1024;
/// Most executions that go on by one trigger.
pub const CONTINUED_MAX: usize = 32;
/// Deepest nesting of commands that call commands.
pub const CALLS_DEEP_MAX: usize = 5;
/// Names that begin so come from outside alone.
pub const OUTSIDE: [&str; 5] = ["webhook.", "schedule.", "alert.", "room.", "silence."];

/// Something with a name happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedEvent {
    /// What: `deploy.finished`.
    pub name: String,
    /// The facts of it.
    pub fields: Map<String, Value>,
    /// Where it comes from: an execution's id.
    pub source: String,
}

/// An execution runs a command, and waits for what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The execution that calls.
    pub execution: ExecutionId,
    /// Where in its journal it waits.
    pub path: String,
    /// The command.
    pub command: String,
}

/// Why a name cannot be that of a trigger, if so.
pub fn bad_name(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let good = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(fits);
    (!good).then(|| {
        format!("a trigger's name has 1 to {NAME_BYTES_MAX} letters, digits and `._-/`: \"deploy.finished\"")
    })
}

/// Whether the fields of a trigger have all these values.
pub fn fits(fields: &Map<String, Value>, wanted: &Value) -> bool {
    let mut wanted = wanted.as_object().into_iter().flatten();
    wanted.all(|(name, value)| fields.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn triggers_have_names_and_fields() {
        for (name, good) in [
            ("deploy.finished", true),
            ("a/b_c-1", true),
            ("", false),
            ("two words", false),
            (&"x".repeat(NAME_BYTES_MAX), true),
            (&"x".repeat(NAME_BYTES_MAX + 1), false),
        ] {
            assert_eq!(bad_name(name).is_none(), good, "{name}");
        }
        for (wanted, fit) in [
            (json!({}), true),
            (json!({ "app": "shop" }), true),
            (json!({ "app": "shop", "ok": true }), true),
            (json!({ "app": "blog" }), false),
            (json!({ "env": null }), false),
            (Value::Null, true),
        ] {
            let fields = json!({ "app": "shop", "ok": true });
            assert_eq!(fits(fields.as_object().expect("a map"), &wanted), fit, "{wanted}");
        }
    }
}
