//! How people and bots talk, as a fold of the log: who commanded how often, who answers at once, who is not answered.
//!
//! It holds times, streams and pseudonyms only, and forgets them when they matter no more.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::event::{Event, Outcome, Recorded, Verdict};
use crate::domain::id::{Pseudonym, StreamName, Timestamp};
use crate::domain::loops::{self, LONG_MAX, LONG_MS, MUTE_MS, QUICK_MAX, QUICK_MS};
use crate::domain::pace::{self, COMMANDS_PER_MINUTE_MAX, Given, PACE_MS};
use crate::domain::trigger::What;

/// Most commands of one account that are remembered: more than it may give in the time in which they are counted.
pub const GIVEN_MAX: usize = COMMANDS_PER_MINUTE_MAX as usize + 64;

/// What is known of how people talk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manners {
    /// The commands of the last minute, by account.
    given: BTreeMap<Pseudonym, VecDeque<One>>,
    /// When an account gave the commands of the last minutes.
    long: BTreeMap<Pseudonym, VecDeque<Timestamp>>,
    /// When the bot last spoke in a room, if nobody has said anything there since.
    spoke: BTreeMap<Pseudonym, Timestamp>,
    /// The messages in a row that came at once after something that the bot said, by room and account.
    quick: BTreeMap<String, Streak>,
    /// Until when a conversation is not gone on with, by room and account.
    muted: BTreeMap<String, Timestamp>,
}

/// A command that was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct One {
    at: Timestamp,
    stream: StreamName,
    slowed: bool,
    told: bool,
}

/// Messages in a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Streak {
    last: Timestamp,
    streams: VecDeque<StreamName>,
}

impl Manners {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        match recorded.event() {
            Some(Event::TriggerRecorded(e)) => {
                if let What::Message(message) = &e.trigger.what {
                    self.said(recorded, message.command.is_some());
                }
            }
            Some(Event::TriggerRouted(e)) => {
                let ran = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Started(_));
                if e.outcomes.iter().any(ran) {
                    self.ran(recorded);
                }
                for outcome in &e.outcomes {
                    let told = matches!(outcome.verdict, Verdict::Refused(_));
                    if matches!(outcome.verdict, Verdict::Continued(_)) {
                        self.answered(recorded);
                    }
                    match outcome.considered.as_str() {
                        pace::CONSIDERED => self.slowed(recorded, told),
                        loops::CONSIDERED => self.mute(recorded),
                        _ => {}
                    }
                }
            }
            Some(Event::MessageSent(_)) => {
                if let Some(room) = &recorded.room {
                    let now = recorded.wall;
                    self.spoke.retain(|_, at| at.plus_ms(QUICK_MS) >= now);
                    self.spoke.insert(room.clone(), now);
                }
            }
            _ => {}
        }
    }

    fn said(&mut self, recorded: &Recorded, command: bool) {
        let now = recorded.wall;
        let (Some(actor), Some(room)) = (&recorded.actor, &recorded.room) else { return };
        let stream = &recorded.id.stream;
        if command {
            self.gave(actor, stream, now);
        }
        // Each thing that the bot says is answered once: two bots take turns.
        let spoke = self.spoke.remove(room);
        let at_once = spoke.is_some_and(|at| now.0.saturating_sub(at.0) <= QUICK_MS);
        self.quick.retain(|_, streak| streak.last.plus_ms(PACE_MS) >= now);
        let key = between(room, actor);
        match at_once {
            false => drop(self.quick.remove(&key)),
            true => {
                let streak = self.quick.entry(key).or_default();
                streak.last = now;
                streak.streams.push_back(stream.clone());
                while streak.streams.len() > QUICK_MAX {
                    streak.streams.pop_front();
                }
            }
        }
    }

    /// What ran something was a command, if it was no message that said so: an emoji.
    fn ran(&mut self, recorded: &Recorded) {
        let (Some(actor), stream) = (&recorded.actor, &recorded.id.stream) else { return };
        let known = self.given.get(actor).into_iter().flatten().any(|one| one.stream == *stream);
        if !known && stream.category() == "trigger" {
            self.gave(actor, stream, recorded.wall);
        }
    }

    fn gave(&mut self, actor: &Pseudonym, stream: &StreamName, now: Timestamp) {
        let recent = |one: &One| now.0.saturating_sub(one.at.0) < PACE_MS;
        self.given.retain(|_, all| all.back().is_some_and(recent));
        let all = self.given.entry(actor.clone()).or_default();
        while all.len() >= GIVEN_MAX || all.front().is_some_and(|one| !recent(one)) {
            all.pop_front();
        }
        all.push_back(One { at: now, stream: stream.clone(), slowed: false, told: false });
        let recent = |at: &Timestamp| now.0.saturating_sub(at.0) < LONG_MS;
        self.long.retain(|_, all| all.back().is_some_and(recent));
        let all = self.long.entry(actor.clone()).or_default();
        while all.len() >= LONG_MAX || all.front().is_some_and(|at| !recent(at)) {
            all.pop_front();
        }
        all.push_back(now);
    }

    /// What is an answer is no command.
    fn answered(&mut self, recorded: &Recorded) {
        let Some(actor) = &recorded.actor else { return };
        if let Some(all) = self.given.get_mut(actor) {
            let before = all.len();
            all.retain(|one| one.stream != recorded.id.stream);
            if all.len() < before
                && let Some(long) = self.long.get_mut(actor)
            {
                long.pop_back();
            }
        }
    }

    fn slowed(&mut self, recorded: &Recorded, told: bool) {
        let Some(actor) = &recorded.actor else { return };
        let all = self.given.get_mut(actor).into_iter().flatten();
        for one in all.filter(|one| one.stream == recorded.id.stream) {
            (one.slowed, one.told) = (true, told);
        }
    }

    fn mute(&mut self, recorded: &Recorded) {
        let (Some(actor), Some(room)) = (&recorded.actor, &recorded.room) else { return };
        let now = recorded.wall;
        self.muted.retain(|_, until| *until > now);
        let key = between(room, actor);
        self.quick.remove(&key);
        self.muted.insert(key, now.plus_ms(MUTE_MS));
    }

    /// What an account commanded in the last minute before one of its commands, the oldest first.
    pub fn given_before(&self, actor: &Pseudonym, stream: &StreamName) -> Vec<Given> {
        let all = self.given.get(actor).into_iter().flatten();
        let before = all.take_while(|one| one.stream != *stream);
        before.map(|one| Given { at: one.at, slowed: one.slowed, told: one.told }).collect()
    }

    /// The messages in a row of an account that came at once after something that the bot said in a room, if this is
    /// the last of them.
    pub fn at_once(&self, recorded: &Recorded) -> Vec<StreamName> {
        let (Some(actor), Some(room)) = (&recorded.actor, &recorded.room) else { return vec![] };
        let streak = self.quick.get(&between(room, actor));
        let streams = streak.map(|streak| streak.streams.iter().cloned().collect::<Vec<_>>());
        let streams = streams.unwrap_or_default();
        let end = streams.iter().position(|stream| *stream == recorded.id.stream);
        end.map_or(vec![], |end| streams[..=end].to_vec())
    }

    /// The commands of an account within so long before a message, this one the last.
    pub fn lately(&self, recorded: &Recorded, within_ms: i64) -> Vec<StreamName> {
        let Some(actor) = &recorded.actor else { return vec![] };
        let recent = |one: &&One| recorded.wall.0.saturating_sub(one.at.0) <= within_ms;
        let all = self.given.get(actor).into_iter().flatten().filter(recent);
        let streams: Vec<StreamName> = all.map(|one| one.stream.clone()).collect();
        let end = streams.iter().position(|stream| *stream == recorded.id.stream);
        end.map_or(vec![], |end| streams[..=end].to_vec())
    }

    /// How many commands an account has given in the last minutes, as far as it matters.
    pub fn long(&self, recorded: &Recorded) -> usize {
        let recent = |at: &&Timestamp| recorded.wall.0.saturating_sub(at.0) < LONG_MS;
        let all = recorded.actor.as_ref().and_then(|actor| self.long.get(actor));
        all.into_iter().flatten().filter(recent).count()
    }

    /// Whether the conversation that a message stands in is not gone on with.
    pub fn is_muted(&self, recorded: &Recorded) -> bool {
        let (Some(actor), Some(room)) = (&recorded.actor, &recorded.room) else { return false };
        let until = self.muted.get(&between(room, actor));
        until.is_some_and(|until| *until > recorded.wall)
    }
}

fn between(room: &Pseudonym, actor: &Pseudonym) -> String {
    format!("{} {}", room.as_str(), actor.as_str())
}

#[cfg(test)]
#[path = "manners_tests.rs"]
mod tests;
