//! What is said by those commands that look into the log.

/// That no event fits what was asked for.
pub const FOUND_NOTHING: &str = "I found nothing like that.";

/// Above the script that `save` proposes.
pub const PROPOSAL: &str =
    "This would do it again. Somebody has to look at it, and to put it into the scripts folder:";

/// Above a signed head of the log.
pub fn log_has(events: u64, at: &str, key: &str) -> String {
    format!("My log has {events} events at {at} UTC; this signs all of them. Key: {key}")
}
