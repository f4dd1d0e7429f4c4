//! What is said of bridges.

use crate::domain::bridge::Caps;
use crate::domain::bridge::identity::{AccountChecked, Known};
use crate::domain::trigger::Trust;

/// What a network proves of whoever speaks.
pub fn proves(trust: Trust) -> &'static str {
    match trust {
        Trust::Nothing => "it proves nothing",
        Trust::Nick => "it proves a name that anybody may have at the moment",
        Trust::Identified => "it proves the account for the moment",
        Trust::Network => "it proves an account that is never given to somebody else",
        Trust::Account | Trust::Device => "it proves the account",
    }
}

/// Why somebody on IRC counts for nothing but their nick, and what they do about it; none: they do count.
pub fn not_identified(checked: &AccountChecked) -> Option<String> {
    let AccountChecked { network, nick, account, known, .. } = checked;
    let account = account.as_deref().unwrap_or_default();
    Some(match known {
        Known::Proven => return None,
        Known::Other => format!(
            "On {network} you are identified for the account {account}, not for {nick}: take the nick {account}, and say it again."
        ),
        Known::Nobody => format!(
            "On {network} nobody is identified as {nick}: identify with the services of the network first, if it has any, and say it again."
        ),
        Known::Gone => format!("Nobody on {network} has the nick {nick} any more."),
        Known::Unasked(why) => {
            format!("I could not ask {network} whether you are identified: {why}. Say it again.")
        }
    })
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
    let lines = match caps.text_bytes {
        0 => lines,
        bytes => format!("{lines}; a post has at most {bytes} bytes"),
    };
    format!("it shows {has}; {lines}")
}
