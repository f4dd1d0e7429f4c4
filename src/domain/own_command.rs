//! The bot's own commands, which need no script: about its rooms, and about what the log knows.

use serde_json::Value;

use super::audit_command::{self, AuditCommand};
use super::builtin::Builtin;
use super::id::RoomId;
use super::room_command::{self, RoomCommand};
use super::save_command;

/// Their first words, for those who misspelt one.
pub const WORDS: &[&str] = &["help", "rooms", "join", "leave", "audit", "find", "save"];

/// A command of the bot itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnCommand {
    /// About rooms.
    Rooms(RoomCommand),
    /// About the log.
    Audit(AuditCommand),
    /// To keep what was commanded under this name.
    Save(String),
}

/// Where the bot's own commands may be said.
#[derive(Debug, Clone, Copy)]
pub struct Where<'a> {
    /// The management room, if there is one.
    pub management: Option<&'a RoomId>,
    /// The room where the log may be asked, if there is one.
    pub audited: Option<&'a RoomId>,
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<OwnCommand> {
    let rooms = room_command::parse(text).map(OwnCommand::Rooms);
    let audit = || audit_command::parse(text).map(OwnCommand::Audit);
    rooms.or_else(audit).or_else(|| save_command::parse(text).map(OwnCommand::Save))
}

/// The commands with their usage and help that can be said somewhere.
pub fn offered(places: Where) -> impl Iterator<Item = (&'static str, &'static str)> {
    let rooms = room_command::COMMANDS.iter().filter(move |_| places.management.is_some());
    let audit = audit_command::COMMANDS.iter().filter(move |_| places.audited.is_some());
    rooms.chain(audit).chain(save_command::COMMANDS).map(|(_, usage, help)| (*usage, *help))
}

impl OwnCommand {
    /// What runs it.
    pub fn builtin(&self) -> Builtin {
        match self {
            Self::Rooms(command) => command.builtin,
            Self::Audit(command) => command.builtin,
            Self::Save(_) => Builtin::Save,
        }
    }

    /// What an execution of it is started with.
    pub fn args(&self) -> Value {
        match self {
            Self::Rooms(command) => command.args(),
            Self::Audit(command) => command.args(),
            Self::Save(name) => save_command::args(name),
        }
    }

    /// Why it is not done here, if so.
    pub fn refusal(&self, here: &RoomId, places: Where) -> Option<String> {
        match self {
            Self::Rooms(command) => command.refusal(here, places.management),
            Self::Audit(command) => command.refusal(here, places.audited),
            Self::Save(name) => save_command::refusal(name),
        }
    }
}
