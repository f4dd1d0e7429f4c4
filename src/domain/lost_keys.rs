//! What a room is told about posts whose keys are missing: once a day at most, and at last that they are given up.
//!
//! The posts of one room are gathered in one execution. It is told of them when they have stayed unreadable for a while,
//! keeps quiet for a day, and ends when nothing is left to wait for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::catch_up::clock;
use super::execution::{Execution, Step};
use super::id::{StreamName, Timestamp, UserId};
use super::unreadable::{Standing, UNREADABLE_MS_MAX};

/// How long a post is unreadable before anybody is told: most keys come within seconds.
pub const SETTLE_MS: i64 = 60_000;
/// A room is told at most once in this time.
pub const TELL_EVERY_MS: i64 = 24 * 60 * 60 * 1000;
/// Most posts of one execution; more are waited for, and not told of.
pub const POSTS_MAX: usize = 200;
/// Most posts given up in one slice: an append holds 64 events.
pub const GIVE_UP_MAX: usize = 40;
/// Most people named in one message; the others are counted.
const NAMES_MAX: usize = 5;

/// What the step of a post is called.
pub const POST: &str = "post";
/// What the step is called that waits.
pub const WAIT: &str = "wait";
/// What the step is called that tells the room.
pub const TELL: &str = "tell";
/// What the step is called that tells the senders that their posts are given up.
pub const LOSE: &str = "lose";
/// What the step is called that gives posts up.
pub const GIVE_UP: &str = "give up";

/// A post that could not be read when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its trigger.
    pub trigger: StreamName,
    /// When it was said.
    pub at: Timestamp,
    /// When it came.
    pub since: Timestamp,
    /// Who said it.
    pub by: UserId,
    /// What they are called.
    pub name: String,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing before this time.
    Wait(Timestamp),
    /// The time that is waited for has not come.
    Sleep,
    /// The room is to be told of these posts.
    Tell(Vec<usize>, String),
    /// These people are to be told that these posts are lost.
    Lose(Vec<usize>, String, Vec<UserId>),
    /// These posts are not to be tried again; they were told of.
    GiveUp(Vec<usize>),
    /// Nothing is left to wait for.
    Done,
}

impl Sealed {
    /// What its step is called with.
    pub fn args(&self) -> Value {
        json!({
            "trigger": self.trigger.as_str(), "at": self.at.0, "since": self.since.0,
            "by": self.by.as_str(), "name": self.name,
        })
    }

    fn read(args: &Value) -> Option<Self> {
        Some(Self {
            trigger: StreamName::parse(args["trigger"].as_str()?).ok()?,
            at: Timestamp(args["at"].as_i64()?),
            since: Timestamp(args["since"].as_i64()?),
            by: UserId(args["by"].as_str()?.to_owned()),
            name: args["name"].as_str()?.to_owned(),
        })
    }
}

/// The nth path of a kind of step.
pub fn path(kind: &str, n: usize) -> String {
    format!("{kind}-{n}")
}

/// How many steps of a kind there are.
pub fn count(execution: &Execution, kind: &str) -> usize {
    (0..).take_while(|n| execution.steps.contains_key(&path(kind, *n))).count()
}

/// The posts that an execution has gathered, in the order in which they came.
pub fn sealed(execution: &Execution) -> Vec<Sealed> {
    steps(execution, POST).filter_map(|step| Sealed::read(&step.args)).collect()
}

/// Whether one more post of the same room can be added.
pub fn takes_more(execution: &Execution) -> bool {
    execution.ending.is_none() && count(execution, POST) < POSTS_MAX
}

fn steps<'a>(execution: &'a Execution, kind: &'a str) -> impl Iterator<Item = &'a Step> {
    (0..).map_while(move |n| execution.steps.get(&path(kind, n)))
}

/// The numbers of the posts that the steps of a kind are about.
fn posts_of(execution: &Execution, kind: &str) -> BTreeSet<usize> {
    let numbers = steps(execution, kind).flat_map(|step| step.args["posts"].as_array());
    let numbers = numbers.flatten().filter_map(Value::as_u64);
    numbers.filter_map(|n| usize::try_from(n).ok()).collect()
}

/// What an execution does next, given where each of its posts stands.
pub fn next(execution: &Execution, standings: &[Standing], now: Timestamp) -> Next {
    if steps(execution, WAIT).any(|step| step.result.is_none()) {
        return Next::Sleep;
    }
    let posts = sealed(execution);
    let waits = |n: &usize| matches!(standings.get(*n), Some(Standing::Waiting { .. }));
    let waiting: Vec<usize> = (0..posts.len()).filter(waits).collect();
    let lost = posts_of(execution, LOSE);
    let told_of: Vec<usize> = waiting.iter().copied().filter(|n| lost.contains(n)).collect();
    if !told_of.is_empty() {
        return Next::GiveUp(told_of.into_iter().take(GIVE_UP_MAX).collect());
    }
    let end = |n: &usize| posts[*n].since.plus_ms(UNREADABLE_MS_MAX);
    let (old, young): (Vec<usize>, Vec<usize>) = waiting.iter().partition(|n| end(n) <= now);
    let written = Written { posts: &posts, standings };
    if !old.is_empty() {
        let by: BTreeSet<UserId> = old.iter().map(|n| posts[*n].by.clone()).collect();
        let text = written.lost(&old);
        return Next::Lose(old, text, by.into_iter().collect());
    }
    let told = steps(execution, TELL).filter_map(|step| step.args["at"].as_i64()).max();
    let free = told.map(|at| Timestamp(at).plus_ms(TELL_EVERY_MS)).filter(|free| *free > now);
    let settles = |n: &usize| posts[*n].since.plus_ms(SETTLE_MS);
    match (free, young.iter().map(settles).min()) {
        (None, None) => Next::Done,
        // Those that have just come are told of as well: it is true now, and not said again for a day.
        (None, Some(settled)) if settled <= now => {
            let text = written.told(&young);
            Next::Tell(young, text)
        }
        (None, Some(settled)) => Next::Wait(settled),
        (Some(free), _) => Next::Wait(young.iter().map(end).chain([free]).min().unwrap_or(free)),
    }
}

/// Posts, to be written about.
struct Written<'a> {
    posts: &'a [Sealed],
    standings: &'a [Standing],
}

impl Written<'_> {
    /// What the room is told.
    fn told(&self, numbers: &[usize]) -> String {
        let (time, name) = self.last(numbers);
        let reasons = self.reasons(numbers);
        match numbers.len() {
            1 => format!(
                "I cannot read a message here ({time} UTC, by {name}): its key has not reached me.{reasons} I keep trying for 24 hours; if it is urgent, please send it again."
            ),
            count => format!(
                "I cannot read {count} messages here (the last at {time} UTC by {name}): their keys have not reached me.{reasons} I keep trying for 24 hours; what is urgent, please send again."
            ),
        }
    }

    /// What the senders are told.
    fn lost(&self, numbers: &[usize]) -> String {
        let (time, _) = self.last(numbers);
        let (names, reasons) = (self.names(numbers), self.reasons(numbers));
        match numbers.len() {
            1 => format!(
                "{names}: I could not read what you sent at {time} UTC: its key has not come within 24 hours.{reasons} If it still matters, please send it again."
            ),
            count => format!(
                "{names}: I could not read {count} messages (the last at {time} UTC): their keys have not come within 24 hours.{reasons} What still matters, please send again."
            ),
        }
    }

    /// When the last of them was sent, and by whom.
    fn last(&self, numbers: &[usize]) -> (String, &str) {
        let last = numbers.iter().map(|n| &self.posts[*n]).max_by_key(|post| post.at);
        last.map_or((String::new(), ""), |post| (clock(post.at), post.name.as_str()))
    }

    /// Whose they are.
    fn names(&self, numbers: &[usize]) -> String {
        let mut people: Vec<(&UserId, &str)> = vec![];
        for post in numbers.iter().map(|n| &self.posts[*n]) {
            if people.iter().all(|(by, _)| **by != post.by) {
                people.push((&post.by, &post.name));
            }
        }
        let mut names: Vec<String> =
            people.iter().take(NAMES_MAX).map(|(_, name)| (*name).to_owned()).collect();
        let others = people.len() - names.len();
        if others > 0 {
            names.push(format!("{others} more"));
        }
        names.join(", ")
    }

    /// Why the senders' clients keep keys back, as far as they say so.
    fn reasons(&self, numbers: &[usize]) -> String {
        let code = |n: &usize| match &self.standings[*n] {
            Standing::Waiting { withheld, .. } => withheld.clone(),
            Standing::Undecided | Standing::Over => None,
        };
        let codes: BTreeSet<String> = numbers.iter().filter_map(code).collect();
        let reason = |wanted: &String| {
            let of = |n: &usize| code(n).as_ref() == Some(wanted);
            let withheld: Vec<usize> = numbers.iter().copied().filter(of).collect();
            format!(" The client of {} {}.", self.names(&withheld), reason(wanted))
        };
        codes.iter().take(NAMES_MAX).map(reason).collect()
    }
}

/// Why a client keeps a key back, in words.
fn reason(code: &str) -> String {
    match code {
        "m.unverified" => {
            "sends no keys to devices that are not signed by their owner: see `beadle doctor`"
                .into()
        }
        "m.blacklisted" => "blocks my device".into(),
        "m.unauthorised" => "says that I may not read it".into(),
        "m.unavailable" => "does not have the key".into(),
        "m.no_olm" => "could not open a secure channel to my device".into(),
        "m.history_not_shared" => "does not share what was said earlier".into(),
        code => {
            let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            format!(
                "keeps it back, and gives the reason {}",
                code.chars().filter(plain).collect::<String>()
            )
        }
    }
}

#[cfg(test)]
#[path = "lost_keys_tests.rs"]
mod tests;
