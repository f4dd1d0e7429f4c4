//! Triggers: a message, a reaction, a due timer, an unreadable event or an order, all in one shape, whatever brought them.

use serde::{Deserialize, Serialize};

use super::deletion::Deletion;
use super::id::{DedupeKey, ExecutionId, PostId, RoomId, Timestamp, UserId};
use super::named::{Call, NamedEvent};
use super::order::Order;
pub use super::trust::{Claim, Trust};

/// Longest text of a message that is kept, in bytes; Matrix itself stops at 65,536 for a whole event.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// Something that happened outside and may make the bot act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// What makes it the same thing when it comes again.
    pub key: DedupeKey,
    /// When it happened, by the clock of where it happened.
    pub at: Timestamp,
    /// It reached the bot so long after it happened that nobody may count on it any more: a command is not run then
    /// without asking.
    pub late: bool,
    /// What happened.
    pub what: What,
}

/// The kinds of trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A person said something in a room.
    Message(Message),
    /// A person put a reaction on a post.
    Reaction(Reaction),
    /// A time came that an execution waits for.
    Timer(Timer),
    /// An event that could be meant for the bot and cannot be read yet.
    Undecryptable(Undecryptable),
    /// A user of the bot's machine ordered something from the command line.
    Order(Order),
    /// Something with a name happened, which executions may wait for.
    Event(NamedEvent),
    /// An execution calls a command.
    Call(Call),
    /// A command was deleted in its room, and something of it still waits or runs.
    Deleted(Deletion),
}

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `matrix`, `terminal`, or what is behind a bridge.
    pub network: String,
    /// The room's id.
    pub room: RoomId,
    /// What people call the room.
    pub name: String,
    /// The root of the thread, if it was said in one.
    pub thread: Option<PostId>,
    /// Nobody but this person and the bot is here.
    pub direct: bool,
    /// The room is end-to-end encrypted.
    pub encrypted: bool,
}

/// Who spoke: an account on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// The account's id in the room's own network.
    pub id: UserId,
    /// What people call them.
    pub name: String,
    /// The network that the account is native to.
    pub network: String,
    /// The account's name there, for a bridged person.
    pub account: Option<String>,
    /// How strongly it is proven that it is this account.
    pub trust: Trust,
    /// What is claimed of them besides; nothing is decided by it.
    pub claims: Vec<Claim>,
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Where.
    pub place: Place,
    /// Who.
    pub speaker: Speaker,
    /// The post itself.
    pub post: PostId,
    /// The text as it was written.
    pub text: String,
    /// What the bot is told to do, if this is addressed to it.
    pub command: Option<Command>,
    /// The post that it replies to.
    pub reply_to: Option<PostId>,
    /// The earlier post that it corrects.
    pub edits: Option<PostId>,
    /// The bot is among those that the post calls: a name at its beginning is meant for it.
    pub mentioned: bool,
    /// How many bots have passed it on, as far as they say so.
    pub hops: u32,
}

/// A text that is addressed to the bot, without the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// How the bot was addressed.
    pub by: Address,
    /// The rest.
    pub text: String,
}

/// How a message is addressed to the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// It begins with the command prefix: `!help`.
    Prefix,
    /// It names the bot: `@beadle help`, `beadle: help`.
    Name,
    /// It was said in a room where nobody else is.
    Direct,
}

/// A reaction to a post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// Where.
    pub place: Place,
    /// Who.
    pub speaker: Speaker,
    /// The reaction itself.
    pub post: PostId,
    /// The post that it is on.
    pub target: PostId,
    /// The emoji.
    pub key: String,
}

/// A time that an execution waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// The waiting execution.
    pub execution: ExecutionId,
    /// Where in its journal it waits.
    pub path: String,
    /// The time.
    pub due: Timestamp,
}

/// An encrypted event whose keys are missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undecryptable {
    /// Where.
    pub place: Place,
    /// Who.
    pub speaker: Speaker,
    /// The post itself.
    pub post: PostId,
}

impl Trigger {
    /// Where it happened, for what has a place.
    pub fn place(&self) -> Option<&Place> {
        match &self.what {
            What::Message(message) => Some(&message.place),
            What::Reaction(reaction) => Some(&reaction.place),
            What::Undecryptable(event) => Some(&event.place),
            What::Order(order) => Some(&order.place),
            What::Deleted(deletion) => Some(&deletion.place),
            What::Timer(_) | What::Event(_) | What::Call(_) => None,
        }
    }

    /// Who caused it, for what a person did.
    pub fn speaker(&self) -> Option<&Speaker> {
        match &self.what {
            What::Message(message) => Some(&message.speaker),
            What::Reaction(reaction) => Some(&reaction.speaker),
            What::Undecryptable(event) => Some(&event.speaker),
            What::Order(order) => Some(&order.speaker),
            What::Deleted(deletion) => Some(&deletion.by),
            What::Timer(_) | What::Event(_) | What::Call(_) => None,
        }
    }

    /// What a person said, if it is that.
    pub fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Message(message) => Some(message),
            _ => None,
        }
    }

    /// The trigger that something with a name happened.
    pub fn event(key: DedupeKey, at: Timestamp, event: NamedEvent) -> Self {
        Self { key, at, late: false, what: What::Event(event) }
    }

    /// How many bots have passed on what was said, as far as they say so.
    pub fn hops(&self) -> u32 {
        match &self.what {
            What::Message(message) => message.hops,
            _ => 0,
        }
    }

    /// The trigger of a due timer: the same wait at the same time is the same trigger.
    pub fn timer(timer: Timer) -> Self {
        let due = timer.due.0.to_string();
        let key = DedupeKey::new(&["timer", timer.execution.as_str(), &timer.path, &due]);
        Self { key, at: timer.due, late: false, what: What::Timer(timer) }
    }

    /// Whether a person said it longer ago than `within_ms`. A timer is never late: its time comes when the bot can see it;
    /// nor is an order, which says at once that it waits for the bot.
    pub fn is_older_than(&self, within_ms: i64, now: Timestamp) -> bool {
        let at_once = matches!(self.what, What::Order(_) | What::Deleted(_));
        let person = self.speaker().is_some() && !at_once;
        person && now.0.saturating_sub(self.at.0) > within_ms
    }
}

/// What the bot answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The command prefix, `!`.
    pub prefix: String,
    /// Names that people call it by: `beadle`, `@beadle:example.org`, its display name.
    pub names: Vec<String>,
}

/// Finds whether a text is addressed to the bot, and what is left of it. In a post that `mentions` the bot its name at
/// the beginning needs no mark: clients put the name there for a pill.
pub fn address(text: &str, names: &Names, direct: bool, mentions: bool) -> Option<Command> {
    let trimmed = text.trim_start();
    if let Some(rest) = trimmed.strip_prefix(names.prefix.as_str())
        && !names.prefix.is_empty()
        && !rest.trim_start().is_empty()
        && !rest.starts_with(names.prefix.as_str())
    {
        return Some(Command { by: Address::Prefix, text: rest.trim().to_owned() });
    }
    let called = names.names.iter().find_map(|name| after_name(trimmed, name, mentions));
    if let Some(rest) = called {
        return Some(Command { by: Address::Name, text: rest.trim().to_owned() });
    }
    let spoken = direct && !trimmed.is_empty();
    spoken.then(|| Command { by: Address::Direct, text: trimmed.trim_end().to_owned() })
}

/// What follows `@name`, `name:` or `name,` at the start of a text.
fn after_name<'a>(text: &'a str, name: &str, mentions: bool) -> Option<&'a str> {
    let bare = name.strip_prefix('@').unwrap_or(name);
    let at = mentions || text.starts_with('@');
    let text = text.strip_prefix('@').unwrap_or(text);
    let head = text.get(..bare.len())?;
    if bare.is_empty() || !head.eq_ignore_ascii_case(bare) {
        return None;
    }
    let rest = &text[bare.len()..];
    match rest.chars().next() {
        Some(':' | ',') => Some(&rest[1..]),
        None => at.then_some(rest),
        Some(c) => (at && c.is_whitespace()).then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_address_the_bot_or_not() {
        let names =
            Names { prefix: "!".into(), names: vec!["@beadle:hs.org".into(), "beadle".into()] };
        for (text, direct, want) in [
            ("!help", false, "prefix help"),
            ("  ! help create vm ", false, "prefix help create vm"),
            ("!!!", false, "none"),
            ("! ", false, "none"),
            ("@beadle yes", false, "name yes"),
            ("@Beadle: yes", false, "name yes"),
            ("beadle, restart web1", false, "name restart web1"),
            ("@beadle:hs.org: yes", false, "name yes"),
            ("beadle is a bot", false, "none"),
            ("beadles: no", false, "none"),
            ("@beadle", false, "name "),
            ("good morning", false, "none"),
            ("good morning", true, "direct good morning"),
            ("", true, "none"),
        ] {
            let got = address(text, &names, direct, false).map_or("none".into(), |command| {
                let by = serde_json::to_value(command.by).expect("an address is a string");
                format!("{} {}", by.as_str().expect("an address is a string"), command.text)
            });
            assert_eq!(got, want, "{text:?} direct={direct}");
        }
        for (text, want) in [
            ("beadle restart web1", Some("restart web1")),
            ("beadle: restart web1", Some("restart web1")),
            ("beadle", Some("")),
            ("beadles help", None),
            ("ask beadle for help", None),
        ] {
            let got = address(text, &names, false, true).map(|command| command.text);
            assert_eq!(got.as_deref(), want, "{text:?} with a pill");
        }
    }
}
