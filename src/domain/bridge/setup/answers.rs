//! What an answer of the bridge means for the step that it answers.

use super::joined::{channels, is_in, is_refusal, refusal};
use super::status::Status;
use super::{Outcome, Setup, Step};
use crate::domain::id::RoomId;

/// Longest answer that is recorded, in characters.
const ANSWER_CHARS_MAX: usize = 1_000;

/// What came of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What the bridge said, post by post, and whether that is all of its answer.
    Said(Vec<String>, bool),
    /// The room that the bot is in now, and whether it is end-to-end encrypted.
    Room(RoomId, bool),
    /// There was no room in time.
    NoRoom,
    /// Whether the bridge is in a room.
    Member(bool),
    /// The room is left, or the bridge is invited.
    Done,
    /// It does not work, and will not.
    Never(String),
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What it means.
    pub outcome: Outcome,
    /// What was answered, as far as it matters.
    pub answer: String,
    /// The room that it is about.
    pub room: Option<RoomId>,
}

/// What the bridge says when it does not connect.
pub(super) const NOT_CONNECTED: &[&str] = &[
    "Failed to connect",
    "Connection timed out",
    "No servers to connect",
    "rejected by the server",
    "Connection aborted",
    "Disconnected",
    "does not exist on this bridge",
];
/// What it says when it does. Its own “Welcome to the network room” is none of these.
pub(super) const CONNECTED: &[&str] = &[
    "Welcome to the Internet",
    "End of MOTD",
    "End of /MOTD",
    "MOTD File",
    "MOTD file",
    "Message of the day file is missing",
    "End of message of the day",
    "Already connected",
];
/// What it says to those who may not do something, where a step is for admins.
pub(super) fn may_not(step: Step) -> &'static [&'static str] {
    match step {
        Step::Network | Step::Server | Step::Unserver => &["Unknown command"],
        Step::Plumb => &["reserved for admins"],
        _ => &[],
    }
}

/// What an answer means.
pub fn judge(setup: &Setup, step: Step, answer: &Answer) -> Judged {
    match answer {
        Answer::Said(posts, ended) => said(setup, step, &lines(posts), *ended),
        Answer::Room(room, true) if step == Step::Room => {
            judged(Outcome::Refused, "the room is encrypted", Some(room))
        }
        Answer::Room(room, _) => judged(Outcome::Done, "", Some(room)),
        Answer::NoRoom => judged(Outcome::Silent, "", None),
        Answer::Member(true) => judged(Outcome::There, "", None),
        Answer::Member(false) => judged(Outcome::Missing, "", None),
        Answer::Done => judged(Outcome::Done, "", None),
        Answer::Never(why) => judged(Outcome::Refused, why, None),
    }
}

fn judged(outcome: Outcome, answer: &str, room: Option<&RoomId>) -> Judged {
    let answer = answer.chars().take(ANSWER_CHARS_MAX).collect();
    Judged { outcome, answer, room: room.cloned() }
}

/// The lines of posts: what is said within a tenth of a second comes as one.
fn lines(posts: &[String]) -> Vec<&str> {
    posts.iter().flat_map(|post| post.lines()).collect()
}

/// The first line with one of these.
fn with<'a>(lines: &[&'a str], parts: &[&str]) -> Option<&'a str> {
    lines.iter().copied().find(|line| parts.iter().any(|part| line.contains(part)))
}

fn said(setup: &Setup, step: Step, lines: &[&str], ended: bool) -> Judged {
    if let Some(line) = with(lines, may_not(step)) {
        return judged(Outcome::Refused, line, None);
    }
    match step {
        Step::Networks => listed(lines, "Configured networks", |line| {
            line.split_whitespace().next().is_some_and(|it| it.eq_ignore_ascii_case(&setup.network))
        }),
        Step::Servers => servers(setup, lines),
        Step::Open => opened(lines),
        Step::Status | Step::Called => status(lines),
        Step::Connect => match (with(lines, CONNECTED), with(lines, NOT_CONNECTED)) {
            (_, Some(line)) => judged(Outcome::Refused, line, None),
            (Some(line), None) => judged(Outcome::Done, line, None),
            (None, None) => judged(Outcome::Silent, last(lines), None),
        },
        // Nothing is said when it goes well: which channels the network has the bot in is asked next.
        Step::Join => {
            judged(Outcome::Done, refusal(lines, &setup.channel).unwrap_or_default(), None)
        }
        Step::Joined => joined(setup, lines),
        Step::Plumb => plumbed(setup, lines, ended),
        Step::Disconnect | Step::Unserver => judged(Outcome::Done, last(lines), None),
        _ => told(step, lines, ended),
    }
}

/// The bridge says that a channel is carried before it has been let in: that it is not may come with the same post.
fn plumbed(setup: &Setup, lines: &[&str], ended: bool) -> Judged {
    let judged = told(Step::Plumb, lines, ended);
    match refusal(lines, &setup.channel) {
        Some(line) if judged.outcome != Outcome::Refused => {
            Judged { answer: line.to_owned(), ..judged }
        }
        _ => judged,
    }
}

/// Whether the network has the bot in the channel; if not, why, if it has said so since it was to let it in.
fn joined(setup: &Setup, lines: &[&str]) -> Judged {
    let steps = || setup.steps.iter().rev();
    let called = steps().find(|it| it.step == Step::Called).map(|it| Status::of(&it.answer));
    let called = called.unwrap_or_default();
    let nick = called.nick.unwrap_or(called.configured);
    let Some(list) = channels(&nick, lines) else {
        return judged(Outcome::Silent, last(lines), None);
    };
    if is_in(&list, &setup.channel) {
        return judged(Outcome::There, &list, None);
    }
    let before = steps().filter(|it| matches!(it.step, Step::Plumb | Step::Join));
    let mut before = before.map(|it| it.answer.as_str());
    let said = refusal(lines, &setup.channel)
        .or_else(|| before.find(|answer| is_refusal(answer, &setup.channel)));
    match said {
        Some(why) => judged(Outcome::Refused, why, None),
        None => judged(Outcome::Missing, &list, None),
    }
}

fn told(step: Step, lines: &[&str], ended: bool) -> Judged {
    let (done, there, refused) = ends(step);
    let found = |parts: &[&str]| with(lines, parts);
    match (found(done), found(there), found(refused)) {
        (_, _, Some(line)) => judged(Outcome::Refused, line, None),
        (Some(line), _, None) => judged(Outcome::Done, line, None),
        (None, Some(line), None) => judged(Outcome::There, line, None),
        (None, None, None) if ended => judged(Outcome::Refused, last(lines), None),
        (None, None, None) => judged(Outcome::Silent, last(lines), None),
    }
}

/// What says that a step is done, that there was nothing to do, and that it was refused.
pub(super) fn ends(
    step: Step,
) -> (&'static [&'static str], &'static [&'static str], &'static [&'static str]) {
    match step {
        Step::Network => (&["Network added"], &["Network already exists"], &[]),
        Step::Server => (&["Server added"], &["server already exists"], &["does not exist"]),
        Step::Nick => (&["Nickname set to"], &[], &["rejected by the server"]),
        Step::Sasl => (&["SASL credentials updated"], &[], &[]),
        Step::Plumb => {
            (&["Plumbed "], &["already on"], &["Failed to join room", "Need to be connected"])
        }
        Step::Unplumb => (&["to unplumb."], &["is not plumbed"], &[]),
        Step::Recall => (&["known users"], &[], &[]),
        _ => (&[], &[], &[]),
    }
}

fn last<'a>(lines: &[&'a str]) -> &'a str {
    lines.last().copied().unwrap_or_default()
}

/// Whether something is in a list that has this head.
fn listed(lines: &[&str], head: &str, is: impl Fn(&str) -> bool) -> Judged {
    let Some(at) = lines.iter().position(|line| line.contains(head)) else {
        return judged(Outcome::Silent, last(lines), None);
    };
    match lines[at + 1..].iter().find(|line| is(line)) {
        Some(line) => judged(Outcome::There, line.trim(), None),
        None => judged(Outcome::Missing, "", None),
    }
}

/// Whether the server is known as it shall be.
fn servers(setup: &Setup, lines: &[&str]) -> Judged {
    let Some(want) = &setup.want else { return judged(Outcome::There, "", None) };
    let address = format!("{}:{}", want.server.host.to_ascii_lowercase(), want.server.port);
    let known = listed(lines, "Configured servers", |line| {
        line.split_whitespace().next() == Some(address.as_str())
    });
    // `with TLS`, `with insecure TLS`: who wants it gets nothing less.
    let as_wanted = known.answer.contains("with TLS") == want.server.tls;
    match known.outcome {
        Outcome::There if !as_wanted => Judged { outcome: Outcome::Refused, ..known },
        _ => known,
    }
}

/// What the bridge says when a network is opened: it names the room, or makes one.
fn opened(lines: &[&str]) -> Judged {
    let room = |line: &str| {
        let (_, behind) = line.rsplit_once('(')?;
        behind.strip_suffix(')').filter(|id| id.starts_with('!')).map(|id| RoomId(id.to_owned()))
    };
    if let Some(line) = with(lines, &["You are already in"]) {
        return judged(Outcome::There, line, room(line).as_ref());
    }
    if let Some(line) = with(lines, &["Inviting back to"]) {
        return judged(Outcome::Done, line, room(line).as_ref());
    }
    match (with(lines, &["You have been invited to"]), with(lines, &["does not exist"])) {
        (Some(line), _) => judged(Outcome::Done, line, None),
        (None, Some(line)) => judged(Outcome::Refused, line, None),
        (None, None) => judged(Outcome::Silent, last(lines), None),
    }
}

/// How the network stands: every line of it, for whoever decides the next step.
fn status(lines: &[&str]) -> Judged {
    let begins = ["Current nickname:", "Configured nickname:", "Channels:", "Plumbs:"];
    let of = |line: &&&str| begins.iter().any(|begin| line.starts_with(begin));
    let answer = lines.iter().filter(of).copied().collect::<Vec<_>>().join("\n");
    match Status::of(&answer) {
        status if status.configured.is_empty() => judged(Outcome::Silent, last(lines), None),
        _ => judged(Outcome::Done, &answer, None),
    }
}
