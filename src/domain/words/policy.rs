//! What people are told of who may do what.

use crate::domain::event::{PolicyChanged, PolicyFile};
use crate::domain::policy::{
    Cited, GUARDED, Needs, Permission, PolicyProblem, Resource, RoleHeld, SAFE,
};

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

/// To somebody who may not send the bot out of the room.
pub fn send_away(permission: &Permission) -> String {
    match is_plain(permission) {
        true => "I leave a room only when somebody says so who is in my management room.".into(),
        false => format!("{}.", permission.reason),
    }
}

/// Whether it is refused only because nothing allows it.
fn is_plain(permission: &Permission) -> bool {
    let silent = permission.policies.is_empty() && permission.fault.is_none();
    silent && permission.inputs.set != SAFE
}

/// What the room is called in which those speak who look after the bot.
pub const MANAGEMENT: &str = "the management room";

/// To a command of the bot itself that no policy allows here, and why that is right.
pub fn own_command(name: &str, permission: &Permission, room: &str, concerns: &str) -> String {
    match is_plain(permission) {
        true => format!(
            "`{name}` is not allowed here: no policy allows it. It is for {room}: {concerns}."
        ),
        false => format!("{}.", permission.reason),
    }
}

/// To a command for the management room where there is none.
pub fn needs_management(name: &str) -> String {
    format!("`{name}` needs a management room, and I have none.")
}

/// To what cannot be decided.
pub fn undecided(name: &str, why: &str) -> String {
    format!("`{name}` is not allowed here: {why}")
}

/// That a policy went wrong.
pub fn cannot_evaluate(id: &str, why: &str) -> String {
    format!("policy `{id}` cannot be evaluated: {why}")
}

/// What the management room hears of a policy that went wrong.
pub fn faulty(fault: &str) -> String {
    format!("Somebody was refused something because {fault}. What cannot be decided is refused.")
}

/// To everything but managing while no policies can be used.
pub fn safe_mode(name: &str, why: &str) -> String {
    format!(
        "`{name}` is not allowed now: I am in safe mode, because {why}. Only the management room can tell me what to do"
    )
}

/// At the head of help while no policies can be used.
pub fn nothing_now(why: &str) -> String {
    format!(
        "Nothing may be run now: I am in safe mode, because {why}. Only the management room can tell me what to do."
    )
}

/// Why the management room may do something in safe mode.
pub fn managed_in_safe_mode() -> String {
    "I am in safe mode, and the management room manages me".into()
}

/// To an action that must be approved, in an execution that nobody approved for as much.
pub fn operation_needs(name: &str, needs: &Needs) -> String {
    let from = needs.from.as_ref().map_or(String::new(), |role| format!(" from the role `{role}`"));
    format!(
        "`{name}` needs {} approvals{from}, and the command that runs it was not approved for that: let the policy ask for them for the command, too",
        needs.count
    )
}

/// To a role that is given by power in no room by name.
pub fn power_anywhere(role: &str) -> String {
    format!(
        "the role `{role}` is given by power without a room: it counts in rooms that the configuration names, or where `join` brought me"
    )
}

/// What to write instead.
pub const NAME_THE_ROOM: &str = "write `power>=50 in #room:example.org`";

/// To a policy that asks for approvals of what is done at once.
pub fn nothing_waits() -> String {
    "`@approvals` stands above what cannot wait for approvals".into()
}

/// What can wait for approvals.
pub fn what_waits() -> String {
    "what waits is to run something, `action == Action::\"run\"`, and to give a grant, `action == Action::\"manage\", resource == Bot::\"grants\"`".into()
}

/// To what is done at once, where policies ask for approvals before it is done.
pub fn cannot_wait(name: &str, needs: &Needs, by: &[Cited]) -> String {
    let from = needs.from.as_ref().map_or(String::new(), |role| format!(" from the role `{role}`"));
    let by = if by.is_empty() { String::new() } else { format!(" (by {})", names(by)) };
    format!(
        "`{name}` needs {} approvals{from}{by}, and nobody can be asked for them here: approvals are for commands of scripts, actions and grants",
        needs.count
    )
}

/// To a policy that asks for approvals of rules that hear what people say.
pub fn rules_cannot_ask(rules: &[&str], most: usize) -> String {
    let (named, does) = (few(rules, most), if rules.len() == 1 { "does" } else { "do" });
    format!("{named} {does} nothing where this permits it: a rule waits for nobody's approval")
}

/// To a policy that asks for approvals of an action that rules run.
pub fn rules_are_refused(action: &str, rules: &[&str], most: usize) -> String {
    let named = few(rules, most);
    format!("{named} would be refused the action `{action}`: a rule waits for nobody's approval")
}

/// What to do instead.
pub const ASK_IN_A_COMMAND: &str =
    "let a command do it, which waits, or permit the rule without `@approvals`";

/// The first of some rules by their names.
fn few(rules: &[&str], most: usize) -> String {
    let named: Vec<String> = rules.iter().take(most).map(|rule| format!("`{rule}`")).collect();
    let kind = if rules.len() == 1 { "the rule" } else { "the rules" };
    match rules.len().saturating_sub(most) {
        0 => format!("{kind} {}", named.join(", ")),
        more => format!("{kind} {} and {more} more", named.join(", ")),
    }
}

/// Why an action does not run while the bot ends.
pub fn stopping() -> String {
    "I am being stopped".into()
}

/// That a file or a folder of policies cannot be read.
pub fn unreadable(why: &str) -> String {
    format!("it cannot be read: {why}")
}

/// That the files are too long.
pub fn too_long(most: usize) -> String {
    format!("the policies have more than {most} bytes together")
}

/// What gives a role to another account of the same person.
pub const ANOTHER_ACCOUNT: &str = "another account of the same person";

/// That nobody has looked yet what somebody is in a room.
pub fn not_learnt() -> String {
    "I have not seen them there".into()
}

/// Why the shipped policies are not used where others were in force before.
pub fn gone() -> String {
    "the policies that were in force are gone; put them back, or name a folder of policies in the configuration".into()
}

/// Why policies cannot be used.
pub fn broken(why: &str) -> String {
    format!("the policies cannot be used: {why}")
}

/// A problem in one line.
pub fn problem(problem: &PolicyProblem) -> String {
    let PolicyProblem { file, line, column, message, .. } = problem;
    match (file.as_str(), line) {
        ("", _) => message.clone(),
        (file, 0) => format!("{file}: {message}"),
        (file, line) => format!("{file}:{line}:{column}: {message}"),
    }
}

/// What the management room hears of policies that cannot be used.
pub fn trouble(now: &PolicyChanged) -> Option<String> {
    let problems = now.problems.iter().map(|problem| format!("\n• {problem}")).collect::<String>();
    match &now.safe {
        Some(_) => Some(format!(
            "I am in safe mode: my policies cannot be used. Nobody may do anything but manage me, here.{problems}"
        )),
        None if problems.is_empty() => None,
        None => Some(format!(
            "My policies were changed and cannot be used: those that were in force before stay in force.{problems}"
        )),
    }
}

/// What the management room hears when other policies are in force than before.
pub fn told(last: Option<&PolicyChanged>, now: &PolicyChanged) -> Option<String> {
    let last = last.filter(|last| last.set != now.set && now.safe.is_none())?;
    Some(format!("Other policies are in force: {}.", differences(last, now).join(", ")))
}

/// After trouble: the folder holds what is in force once more.
pub const GOOD_AGAIN: &str = "My policies can be used again.";

/// What stands in the log.
pub fn recorded(changed: &PolicyChanged) -> String {
    match (&changed.safe, changed.problems.first()) {
        (Some(why), _) => format!("safe mode: {why}"),
        (None, Some(problem)) => format!("kept the policies {}: {problem}", changed.set),
        (None, None) => format!("took the policies {}", changed.set),
    }
}

/// Which files are new, other or gone.
fn differences(last: &PolicyChanged, now: &PolicyChanged) -> Vec<String> {
    let text = |of: &PolicyChanged, file: &str| {
        of.files.iter().find(|it| it.file == file).map(|it| it.text.clone())
    };
    let mut told: Vec<String> = vec![];
    for PolicyFile { file, text: written } in &now.files {
        match text(last, file) {
            None => told.push(format!("{file} is new")),
            Some(before) if before != *written => told.push(format!("{file} is another")),
            Some(_) => {}
        }
    }
    let gone = last.files.iter().filter(|it| text(now, &it.file).is_none());
    told.extend(gone.map(|it| format!("{} is gone", it.file)));
    told
}

fn names(several: &[Cited]) -> String {
    let names: Vec<String> = several.iter().map(|it| format!("`{}`", it.id)).collect();
    names.join(", ")
}

/// A policy in one line, without its annotations.
pub fn quoted(text: &str) -> String {
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
