//! What is said of bridges.

use crate::domain::bridge::Caps;
use crate::domain::trigger::Trust;

/// What a network proves of whoever speaks.
pub fn proves(trust: Trust) -> &'static str {
    match trust {
        Trust::Nothing => "it proves nothing",
        Trust::Nick => "it proves a name that anybody may have at the moment",
        Trust::Account | Trust::Device => "it proves the account",
    }
}

/// What a room can show, in one line.
pub fn shows(caps: &Caps) -> String {
    let features = [
        (caps.html, "formatted text"),
        (caps.edits, "changes"),
        (caps.reactions, "emojis"),
        (caps.threads, "threads"),
        (caps.replies, "replies"),
        (caps.files, "files"),
    ];
    let has: Vec<&str> = features.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    let has = if has.is_empty() { "text alone".to_owned() } else { has.join(", ") };
    let lines = match caps.line_bytes {
        0 => format!("at most {} lines at once", caps.lines),
        bytes => format!("at most {} lines at once, each of at most {bytes} bytes", caps.lines),
    };
    format!("it shows {has}; {lines}")
}
