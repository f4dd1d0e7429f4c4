//! What people are told of who may do what.

use crate::domain::policy::{Cited, GUARDED, Resource, RoleHeld};

/// Most of a policy that is quoted, in characters.
const POLICY_CHARS_SHOWN: usize = 300;

/// To a command that is for other rooms.
pub fn not_here(name: &str, rooms: &[String]) -> String {
    format!("`{name}` can only be used in {}.", rooms.join(", "))
}

/// That policies allow it.
pub fn allowed(by: &[Cited]) -> String {
    match by {
        [] => "it is allowed".into(),
        [one] => format!("policy `{}` allows it", one.id),
        several => format!("policies {} allow it", names(several)),
    }
}

/// To what no policy allows, or one forbids; `unseen` are roles of which nobody could say whether they are held.
pub fn refused(what: &Resource, by: &[Cited], unseen: &[RoleHeld]) -> String {
    let name = &what.name;
    match by.first() {
        None => {
            let asks = match &what.role {
                _ if what.tags.iter().any(|tag| tag == GUARDED) => " (it is guarded)".to_owned(),
                Some(role) => format!(" (it is for the role `{role}`)"),
                None => String::new(),
            };
            let unseen: Vec<String> = unseen.iter().map(not_seen).collect();
            format!("`{name}` is not allowed here: no policy allows it{asks}{}", unseen.concat())
        }
        Some(policy) => format!(
            "`{name}` is not allowed here: policy `{}` forbids it: {}",
            policy.id,
            quoted(&policy.text)
        ),
    }
}

fn not_seen(unseen: &RoleHeld) -> String {
    format!("; I cannot see whether you hold the role `{}`: {}", unseen.role, unseen.source)
}

/// To what cannot be decided.
pub fn undecided(name: &str, why: &str) -> String {
    format!("`{name}` is not allowed here: {why}")
}

/// That a policy went wrong.
pub fn cannot_evaluate(id: &str, why: &str) -> String {
    format!("policy `{id}` cannot be evaluated: {why}")
}

/// To everything but managing while no policies can be used.
pub fn safe_mode(name: &str, why: &str) -> String {
    format!(
        "`{name}` is not allowed now: I am in safe mode, because {why}. Only the management room can tell me what to do"
    )
}

/// Why the management room may do something in safe mode.
pub fn managed_in_safe_mode() -> String {
    "I am in safe mode, and the management room manages me".into()
}

/// That the policies are other ones now.
pub fn changed(how: &str) -> String {
    format!("The policies have changed: {how}.")
}

fn names(several: &[Cited]) -> String {
    let names: Vec<String> = several.iter().map(|it| format!("`{}`", it.id)).collect();
    names.join(", ")
}

/// A policy in one line, without its annotations.
fn quoted(text: &str) -> String {
    let effect = ["permit", "forbid"].into_iter().filter_map(|word| starts(text, word)).min();
    let text = text[effect.unwrap_or(0)..].split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(POLICY_CHARS_SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// Where a line begins with a word.
fn starts(text: &str, word: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with(word) {
            return Some(at + line.len() - line.trim_start().len());
        }
        at += line.len();
    }
    None
}
