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

/// To who wants to keep commands under a name that there is already.
pub fn taken(name: &str) -> String {
    format!("There is a command `{name}` already; choose another name.")
}

/// To who wants to keep what was commanded in a thread where nothing was.
pub const NOTHING_IN_THREAD: &str = "Nothing was commanded in this thread that I could do.";

/// To who wants to keep what they commanded, and commanded nothing.
pub const NOTHING_HERE: &str = "You have commanded nothing here in the last hour that I could do. In a thread I take what everybody commanded there.";
