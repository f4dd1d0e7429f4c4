//! What sensors say: a JSON object a line, where it goes on, and how long one that has ended is left alone.

use serde_json::{Map, Value};

/// Most sensors of all scripts together.
pub const SENSORS_MAX: usize = 100;
/// Longest cursor of a sensor, in bytes.
pub const CURSOR_BYTES_MAX: usize = 1_000;
/// Largest fields of one line, in bytes of JSON.
pub const SENSED_BYTES_MAX: usize = 192 * 1024;
/// How many lines of a sensor are taken in a second, if it does not say.
pub const LINES_A_SECOND: u32 = 100;
/// Most lines of a sensor that are taken in a second, whatever it says.
pub const LINES_A_SECOND_MAX: u32 = 1_000;
/// How long a sensor that has ended is left alone the first time.
pub const BACK_OFF_MS: i64 = 1_000;
/// Longest time that a sensor is left alone.
pub const BACK_OFF_MS_MAX: i64 = 300_000;
/// A sensor that has run so long was well: it is started again at once when it ends.
pub const HEALTHY_MS: i64 = 60_000;
/// So many ends one after the other are told to the owner.
pub const ENDS_TOLD: u32 = 5;
/// The member of a line that says where a sensor goes on.
pub const CURSOR: &str = "cursor";

/// A line that is a trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensed {
    /// The fields of the trigger.
    pub fields: Map<String, Value>,
    /// Where the sensor goes on behind it.
    pub cursor: Option<String>,
}

/// Reads a line of a sensor.
///
/// # Errors
/// Why it is no trigger.
pub fn read(line: &str) -> Result<Sensed, String> {
    if line.len() > SENSED_BYTES_MAX {
        return Err(format!("it has more than {SENSED_BYTES_MAX} bytes"));
    }
    let value: Value = serde_json::from_str(line).map_err(|why| format!("it is no JSON: {why}"))?;
    let Value::Object(fields) = value else {
        return Err("it is no JSON object: print one object a line".into());
    };
    let cursor = match fields.get(CURSOR) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.len() <= CURSOR_BYTES_MAX => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => {
            return Err(format!(
                "its `{CURSOR}` is neither a number nor a text of at most {CURSOR_BYTES_MAX} bytes"
            ));
        }
    };
    Ok(Sensed { fields, cursor })
}

/// How long a sensor is left alone that has ended so often, each time soon after its start.
pub fn back_off_ms(ends: u32) -> i64 {
    let doubled = BACK_OFF_MS.checked_shl(ends.saturating_sub(1)).filter(|ms| *ms > 0);
    doubled.unwrap_or(BACK_OFF_MS_MAX).min(BACK_OFF_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_with_a_place_to_go_on() {
        let long = "x".repeat(CURSOR_BYTES_MAX + 1);
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(SENSED_BYTES_MAX));
        for (line, want) in [
            ("{\"door\":\"front\"}", Ok(None)),
            ("{\"cursor\":17,\"a\":1}", Ok(Some("17"))),
            ("{\"cursor\":\"s-1\"}", Ok(Some("s-1"))),
            ("{\"cursor\":null}", Ok(None)),
            ("[1]", Err("no JSON object")),
            ("door", Err("no JSON")),
            ("", Err("no JSON")),
            ("{\"cursor\":true}", Err("neither a number nor a text")),
            (&format!("{{\"cursor\":\"{long}\"}}"), Err("at most 1000 bytes")),
            (&large, Err("more than 196608 bytes")),
        ] {
            match (read(line), want) {
                (Ok(sensed), Ok(cursor)) => assert_eq!(sensed.cursor.as_deref(), cursor, "{line}"),
                (Err(why), Err(want)) => assert!(why.contains(want), "{why}"),
                (got, _) => panic!("{line:.40}: {got:?}"),
            }
        }
    }

    #[test]
    fn it_is_left_alone_longer_each_time() {
        let waits: Vec<i64> = (1..=11).map(|ends| back_off_ms(ends) / 1_000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        for ends in [0, 62, 63, 64, 65, u32::MAX] {
            assert!((BACK_OFF_MS..=BACK_OFF_MS_MAX).contains(&back_off_ms(ends)), "{ends}");
        }
    }
}
