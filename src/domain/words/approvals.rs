//! What the bot says about approvals.

use crate::domain::approval::{Approval, ApprovalVoted, Lacking, Refusal, Tally, Terms, approvals};
use crate::domain::bridge::identity::parts;
use crate::domain::id::UserId;
use crate::domain::trigger::{Speaker, Trust};
use crate::domain::words::people::to_reach;

/// What a reaction approves by, and what denies by it: the bot puts both below a prompt that takes them, to be clicked.
pub const CLICKED: [&str; 2] = ["👍", "👎"];

/// That an approval takes what nobody can give where it would be asked for.
pub const NEVER_HERE: &str = "nobody can approve it here: that takes a verified device in an encrypted room, and this room is not encrypted";

/// What is asked of those who can approve; `id` is the execution's, `phrase` may be empty, and whether a reaction is a
/// vote there.
pub fn asked(who: &str, what: &str, terms: &Terms, id: &str, phrase: &str, clicks: bool) -> String {
    let from = terms.role.as_ref().map_or(String::new(), |role| format!(" from {role}"));
    let with = proven(terms);
    let need = match terms.count {
        1 => format!("It needs one more person{from}{with}"),
        count => format!("{} approvals needed{from}{with}", counted(count)),
    };
    let phrase_words = if phrase.is_empty() { String::new() } else { format!("“{phrase}”") };
    let how = match (terms.device, phrase.is_empty()) {
        (true, _) => {
            format!("say {phrase_words} from a verified device in an encrypted room")
        }
        (false, true) => format!("say `+1` or `+1 {id}`"),
        (false, false) => format!("say `+1`, `+1 {id}` or {phrase_words}"),
    };
    let click = if clicks { format!(", or click {}", CLICKED[0]) } else { String::new() };
    format!("{who} asks to {what}. {need}: {how}{click}; `-1 because …` denies it.")
}

/// How those who approve must be proven, where that is more than for every vote.
fn proven(terms: &Terms) -> &'static str {
    match terms.trust {
        _ if terms.device => "",
        None | Some(Trust::Nothing | Trust::Nick | Trust::Identified) => "",
        Some(Trust::Network) => ", with an account that nobody else can take",
        Some(Trust::Account) => ", with a Matrix account",
        Some(Trust::Device) => ", on a verified device",
    }
}

/// What stands where it was asked, as votes come.
pub fn progress(who: &str, approval: &Approval) -> String {
    let by = approvals(approval).count();
    let (what, count) = (&approval.requested.what, approval.requested.terms.count as usize);
    let (home, last) = (home(approval), approval.votes.last());
    let by_whom = voters(approvals(approval), home);
    let state = match (last.map_or(Tally::Open, |vote| vote.outcome), last) {
        (Tally::Open, _) => match count.saturating_sub(by) {
            1 => format!("approved by {by_whom}, it needs one more person"),
            left => format!("approved by {by_whom}, it needs {left} more"),
        },
        (Tally::Denied, Some(vote)) => denied(&voter(vote, home), &vote.reason),
        (Tally::Granted | Tally::Denied, _) => format!("approved by {by_whom}"),
    };
    closed(who, what, &state)
}

/// The account beside which others are named: those of another server with all of their id.
pub fn home(approval: &Approval) -> Option<&UserId> {
    approval.requested.own.first()
}

/// What stands where it was asked, once it is over.
pub fn closed(who: &str, what: &str, how: &str) -> String {
    format!("{who} asks to {what}: {how}.")
}

/// That somebody said no.
pub fn denied(by: &str, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("denied by {by}{reason}")
}

/// That what was to be approved is another thing now.
pub fn void(changed: &[String]) -> String {
    let changed: Vec<String> = changed.iter().map(|part| part_changed(part)).collect();
    format!("the approval is void, because {}; ask again", list(&changed, "and"))
}

/// What is at the place of an approval that nobody waits for any more.
pub fn void_short(changed: &[String]) -> String {
    let changed: Vec<String> = changed.iter().map(|part| part_changed(part)).collect();
    format!("void, because {}", list(&changed, "and"))
}

/// That not enough votes came in time.
pub const TIMED_OUT: &str = "not enough approvals came in time";

/// That nobody waits for it any more, because something else came first.
pub const NOT_NEEDED: &str = "no longer needed";

/// That it is not waited for any more for another reason.
pub fn cancelled(by: &str, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("cancelled by {by}{reason}")
}

/// What a person is told whose vote does not count.
pub fn refusal(who: &str, refusal: &Refusal, phrase: &str) -> String {
    match refusal {
        Refusal::Own => format!("{who}, you asked for this one; someone else must approve."),
        Refusal::Twice => format!("{who}, you have approved this one; it takes another person."),
        Refusal::Excluded => format!("{who}, your vote does not count for this one."),
        Refusal::Role(role) => {
            format!(
                "{who}, this one takes somebody with the role `{role}`, which you do not have here."
            )
        }
        Refusal::Unproven => {
            format!("{who}, I cannot tell who sent that, so it is no vote: nothing proves it.")
        }
        Refusal::Reaction => {
            format!(
                "{who}, a reaction is not enough here, because it is never encrypted: say “{phrase}”."
            )
        }
        Refusal::Device(lacking) => device(who, *lacking, phrase),
        Refusal::Trust { needs, has } => too_weak(who, *needs, *has),
        Refusal::Policy(why) => format!("{who}, you may not approve this one: {why}"),
    }
}

fn device(who: &str, lacking: Lacking, phrase: &str) -> String {
    let lacks = match lacking {
        Lacking::Encryption => "this room is not encrypted".to_owned(),
        Lacking::Verification => "the device that you used is not verified".to_owned(),
        Lacking::Phrase => "a bare vote is not enough".to_owned(),
    };
    format!(
        "{who}, this one takes “{phrase}”, typed on a verified device in an encrypted room: {lacks}."
    )
}

fn too_weak(who: &str, needs: Trust, has: Trust) -> String {
    format!(
        "{who}, your vote does not count for this one: it takes the trust `{}` (level {}), and what proves you is `{}` ({}). To approve it, {}.",
        needs.word(),
        needs.level(),
        has.word(),
        has.level(),
        to_reach(needs)
    )
}

/// What a bare answer means that is no vote.
pub fn how_to_vote(phrase: &str) -> String {
    match phrase {
        "" => "say `+1` to approve it or `-1 because …` to deny it".into(),
        phrase => format!("say `+1` or “{phrase}” to approve it, `-1 because …` to deny it"),
    }
}

/// What the requester is told when what they asked for was not run.
pub fn not_run(who: &str, command: &str, why: &str, id: &str) -> String {
    format!("{who}: “{command}” was not run: {why} (execution {id})")
}

/// To a vote on what is not open, here or any more.
pub fn not_open(id: &str) -> String {
    format!("Nothing that begins with `{id}` waits for approval here.")
}

/// To a vote on what has ended; `how` is what stands at its place now.
pub fn has_ended(who: &str, how: &str) -> String {
    format!("{who}, that has ended: {how}")
}

/// Those who voted, as people call them: `ben and diana (lab)`.
pub fn voters<'a>(votes: impl Iterator<Item = &'a ApprovalVoted>, home: Option<&UserId>) -> String {
    let names: Vec<String> = votes.map(|vote| voter(vote, home)).collect();
    list(&names, "and")
}

/// Somebody who voted, as people call them.
pub fn voter(vote: &ApprovalVoted, home: Option<&UserId>) -> String {
    vote.called.clone().unwrap_or_else(|| name(&vote.account, home))
}

/// Somebody who speaks, as people call them.
pub fn person(who: &Speaker, home: Option<&UserId>) -> String {
    called(who).unwrap_or_else(|| name(&who.id, home))
}

/// What somebody is called on a network where that is an account, with the network: `diana (lab)`. No account of Matrix is
/// named so, as none has a space in it.
pub fn called(who: &Speaker) -> Option<String> {
    let (nick, network) = parts(who.account.as_deref()?)?;
    // The name that is shown has the cases of the nick; any other one is not the account's.
    let shown = who.name.strip_suffix(&format!(" ({network})")).unwrap_or(&who.name);
    let nick = if shown.eq_ignore_ascii_case(nick) { shown } else { nick };
    Some(format!("{nick} ({network})"))
}

/// The same by the account's name on its network: `diana@lab`.
pub fn native(account: &str) -> Option<String> {
    parts(account).map(|(nick, network)| format!("{nick} ({network})"))
}

/// An account's own name, never the one that its owner chose to show: `ben`. One of another server, or one that could be
/// taken for another, is written out.
pub fn name(account: &UserId, home: Option<&UserId>) -> String {
    let server = |id: &UserId| id.as_str().split_once(':').map(|(_, server)| server.to_owned());
    let bare = account.as_str().trim_start_matches('@');
    let local = bare.split_once(':').map_or(bare, |(local, _)| local);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let known = home.is_none_or(|home| server(home) == server(account));
    match known && !local.is_empty() && local.chars().all(plain) {
        true => local.to_owned(),
        false => account.as_str().chars().flat_map(visible).collect(),
    }
}

/// What is no plain letter is written as its number.
fn visible(c: char) -> Vec<char> {
    if c.is_ascii_graphic() { vec![c] } else { c.escape_unicode().collect() }
}

fn part_changed(part: &str) -> String {
    match part.split_once(' ') {
        Some(("script", file)) => format!("{file} was changed"),
        Some(("action", name)) => format!("the action `{name}` was changed"),
        _ => format!("the {part} changed"),
    }
}

fn counted(count: u32) -> String {
    const WORDS: [&str; 6] = ["No", "One", "Two", "Three", "Four", "Five"];
    let word = usize::try_from(count).ok().and_then(|count| WORDS.get(count));
    word.map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

fn list(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}
