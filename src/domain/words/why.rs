//! What `why` says: one short sentence for each thing that led to a message.

use crate::domain::approval::Vote;

/// What a person said, or what else began it, cannot be read any more.
pub const ERASED: &str = "what led to it is erased";
/// What happened in a room that the one who asks does not see.
pub const ELSEWHERE: &str =
    "it began in another room, and I do not repeat here what was said there";
/// Nobody asked for a message.
pub const BY_MYSELF: &str = "I said that by myself: nobody asked for it";
/// The message that is asked about answers a trigger itself.
pub const THIS_ANSWERS: &str = "this message is my answer to that";
/// The message that is asked about asks a question of the execution.
pub const THIS_ASKS: &str = "this message asks that";
/// Nothing is known to answer with.
pub fn nothing_said(at: &str) -> String {
    format!(
        "I have said nothing here that I could explain. Reply to a message of mine with `{at}why`, or write `{at}why ID`."
    )
}

/// What somebody may ask about is not known, or not here: both read the same, so that nothing is given away.
pub fn unknown(text: &str) -> String {
    format!(
        "I know of no execution, event or message `{text}` here; an id is what I name as an execution, such as `4F7K2Q9A`. What happened in another room is told there, or to those who may read the audit."
    )
}

/// A person said something; the room only where it is another one.
pub fn said(at: &str, who: &str, text: &str, room: Option<&str>) -> String {
    format!("{at} {who} said “{text}”{}", inside(room))
}

/// A person corrected something.
pub fn edited(at: &str, who: &str, text: &str, room: Option<&str>) -> String {
    format!("{at} {who} edited a message to “{text}”{}", inside(room))
}

/// A person put a reaction on a post.
pub fn reacted(at: &str, who: &str, emoji: &str, room: Option<&str>) -> String {
    format!("{at} {who} reacted {emoji}{}", inside(room))
}

/// A message that could not be read came.
pub fn unreadable(at: &str, who: &str, room: Option<&str>) -> String {
    format!("{at} {who} said something that I could not read{}", inside(room))
}

/// Somebody deleted a command of which something was not over.
pub fn deleted(at: &str, who: &str, room: Option<&str>) -> String {
    format!("{at} {who} deleted a command{}", inside(room))
}

fn inside(room: Option<&str>) -> String {
    room.map_or_else(String::new, |room| format!(" in {room}"))
}

/// Somebody ordered something at the command line.
pub fn ordered(at: &str, who: &str, what: &str) -> String {
    format!("{at} {who} ordered at the command line: {what}")
}

/// A time came.
pub fn time_came(at: &str, execution: &str) -> String {
    format!("{at} a time came that {execution} had waited for")
}

/// Something with a name happened.
pub fn happened(at: &str, name: &str) -> String {
    format!("{at} `{name}` happened")
}

/// An execution called a command.
pub fn called(at: &str, execution: &str, command: &str) -> String {
    format!("{at} execution {execution} called “{command}”")
}

/// A command of a script ran.
pub fn command(name: &str, place: &str, version: &str, execution: &str) -> String {
    format!("that is the command `{name}` ({place}, version {version}), execution {execution}")
}

/// A command of the bot itself ran.
pub fn own_command(name: &str, execution: &str) -> String {
    format!("that is `{name}` of mine, execution {execution}")
}

/// An action ran by itself.
pub fn own_action(name: &str, place: &str, execution: &str) -> String {
    format!("that is the action `{name}` by itself ({place}), execution {execution}")
}

/// What was decided where no execution came of it.
pub fn decided(considered: &str, verdict: &str, reason: &str) -> String {
    format!("{considered}: {verdict}, {reason}")
}

/// Why it was allowed, where no policy is recorded with the decision.
pub fn allowed(reason: &str) -> String {
    format!("allowed: {reason}")
}

/// The policies that allowed it.
pub fn allowed_by(policies: &str) -> String {
    format!("allowed by {policies}")
}

/// Why it was refused, where no policy decided that.
pub fn refused(reason: &str) -> String {
    format!("refused: {reason}")
}

/// The policies that refused it.
pub fn refused_by(policies: &str) -> String {
    format!("refused by {policies}")
}

/// A policy with where it stands, for those to whom its text says nothing.
pub fn named(id: &str, file: &str, line: u32) -> String {
    let place = format!("{file}:{line}");
    if id == place { format!("the policy `{id}`") } else { format!("the policy `{id}` ({place})") }
}

/// A policy with its text.
pub fn cited(id: &str, text: &str) -> String {
    format!("the policy `{id}`: {text}")
}

/// A role with what gives it.
pub fn role(role: &str, source: &str) -> String {
    format!("{role} ({source})")
}

/// The grant that covered it.
pub fn granted(grant: &str) -> String {
    format!("held: {grant}")
}

/// The roles that were held.
pub fn roles(roles: &str) -> String {
    format!("roles held: {roles}")
}

/// People were asked.
pub fn asked(at: &str, whom: &str, text: &str) -> String {
    format!("{at} I asked {whom} “{text}”")
}

/// Others were asked to approve something.
pub fn asked_to_approve(at: &str, text: &str) -> String {
    format!("{at} I asked others to approve “{text}”")
}

/// Somebody voted on it.
pub fn voted(at: &str, who: &str, vote: Vote, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    match vote {
        Vote::For => format!("{at} {who} approved it"),
        Vote::Against => format!("{at} {who} denied it{reason}"),
    }
}

/// What was to be approved was changed.
pub fn voided(at: &str, how: &str) -> String {
    format!("{at} the approval became {how}")
}

/// Somebody was asked what became of something.
pub fn asked_of_doubt(at: &str, whom: &str) -> String {
    format!("{at} I asked {whom} what became of it")
}

/// Somebody answered.
pub fn answered(at: &str, who: &str, answer: &str) -> String {
    format!("{at} {who} answered {answer}")
}

/// Nobody answered in time.
pub fn unanswered(at: &str) -> String {
    format!("{at} nobody had answered in time")
}

/// An effect; `what` is what it was called with.
pub fn effect(at: &str, what: &str, line: u32, came: &str) -> String {
    let line = if line > 0 { format!(" (line {line})") } else { String::new() };
    format!("{at} ran {what}{line}: {came}")
}

/// What came of an effect, with how long it took where that was no moment.
pub fn took(came: &str, ms: u64) -> String {
    match ms / 1_000 {
        0 => came.to_owned(),
        seconds => format!("{came} after {seconds} s"),
    }
}

/// Behind an effect: the policies that allowed it.
pub fn as_allowed(policies: &[&str]) -> String {
    match policies {
        [] => String::new(),
        ids => format!(", allowed by `{}`", ids.join("`, `")),
    }
}

/// A search in the log.
pub fn looked_up(at: &str) -> String {
    format!("{at} looked it up in the log")
}

/// A wait.
pub fn waited(at: &str, what: &str) -> String {
    format!("{at} went on after {what}")
}

/// Somebody wanted it no more.
pub fn cancelled(at: &str, who: &str, reason: &str) -> String {
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{at} {who} cancelled it{why}")
}

/// How it ended, where that was not well.
pub fn ended(at: &str, how: &str) -> String {
    format!("{at} it {how}")
}

/// It has not ended.
pub fn open(status: &str) -> String {
    format!("it has not ended: {status}")
}

/// The message that is asked about, said by a line of a script.
pub fn this_line(file: &str, line: u32) -> String {
    match line {
        0 => format!("this message comes from {file}"),
        line => format!("this message comes from {file}:{line}"),
    }
}

/// So many steps are left out.
pub fn left_out(count: usize, execution: &str) -> String {
    let steps = if count == 1 { "step" } else { "steps" };
    format!("… {count} {steps} more: `beadle why {execution}` shows all")
}
