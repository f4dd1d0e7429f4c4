//! What the owner is told in the management room.

/// That nothing can be said in a room for now.
pub fn stuck(room: &str, reason: &str) -> String {
    format!(
        "I cannot speak in {room} now: {reason}. I go on trying; what is to be said there waits."
    )
}

/// That something could not be said.
pub fn not_said(room: &str, reason: &str, message: &str, execution: Option<&str>) -> String {
    let execution = execution.map(|id| format!(", execution {id}")).unwrap_or_default();
    format!("I could not say something in {room}: {reason} (message {message}{execution})")
}

/// That a script has problems and is left out.
pub fn left_out(problem: &str) -> String {
    format!("A script is left out.\n{problem}")
}

/// In a room that replaces another one.
pub fn replaces(name: &str, old: &str, of_management: bool) -> String {
    let what = if of_management { "It is my management room now" } else { "I came with it" };
    format!(
        "This room replaces {name} ({old}). {what}: what my configuration says of the old room holds here."
    )
}

/// That a room was replaced, and that the bot has followed.
pub fn replaced(name: &str, room: &str, to: &str) -> String {
    format!(
        "The room {name} ({room}) was replaced by {to}. I am there now, and what my configuration says of the old room holds there."
    )
}

/// That a room was replaced, and that the bot could not follow.
pub fn replaced_without_me(name: &str, room: &str, to: &str, reason: &str) -> String {
    format!(
        "The room {name} ({room}) was replaced by {to}, and I am not there: {reason}. An invitation into it is enough."
    )
}

/// That too many invite the bot who may not.
pub fn flood(count: u64, minutes: i64, inviters: &[&str]) -> String {
    let times = if count == 1 { "invitation" } else { "invitations" };
    let over = if minutes == 1 { "minute".to_owned() } else { format!("{minutes} minutes") };
    let from = inviters.join(", ");
    format!(
        "A flood of invitations from people who may not invite me: {count} {times} in the last {over}, beside those that are recorded one by one. From: {from}. I decline them, a few a minute. I tell of this once an hour at most."
    )
}

/// That somebody removed the bot from a room; `words` are theirs, or nothing.
pub fn removed(room: &str, by: &str, words: &str) -> String {
    format!("I was removed from {room} by {by}{words}.")
}

/// That somebody banned the bot from a room; `words` are theirs, or nothing.
pub fn banned(room: &str, by: &str, words: &str) -> String {
    format!("I was banned from {room} by {by}{words}.")
}

/// That the bot left a room that everybody had left.
pub fn left_alone(room: &str) -> String {
    format!("I left {room}: nobody else was there.")
}

/// That the bot left a room as it was told to.
pub fn left_asked(room: &str, by: &str) -> String {
    format!("I left {room}, as {by} asked.")
}

/// That the bot's account left a room by other hands.
pub fn left_by_hand(room: &str) -> String {
    format!("I am no longer in {room}: my account left it, and I do not know why.")
}

/// That the log cannot be signed.
pub fn unsigned(error: &str) -> String {
    format!("I cannot sign my log any more: {error}. `beadle log verify` says more.")
}

/// That signed heads cannot be published.
pub fn unpublished(reason: &str) -> String {
    format!(
        "I cannot publish the signed heads of my log in the audit room: {reason}. They are kept in the log only."
    )
}
