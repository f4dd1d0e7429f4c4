//! The bot's own commands, which need no script: about its rooms, its executions, and what the log knows.

use super::alias::Format;
use super::audit_command::{self, AuditCommand};
use super::builtin::Builtin;
use super::execution_command::{self, ExecutionCommand};
use super::grant_command::{self, GrantCommand};
use super::id::{PostId, RoomId};
use super::more_command::{self, Which};
use super::pending_command::{self, PendingCommand};
use super::people_command::{self, PeopleCommand};
use super::policy::Resource;
use super::room_command::{self, RoomCommand};
use super::route::Act;
use super::save_command;
use super::tell_command::{self, TellCommand};
use super::why_command::{self, WhyCommand};

/// Their first words, for those who misspelt one.
pub const WORDS: &[&str] = &[
    "help",
    "executions",
    "cancel",
    "again",
    "rooms",
    "join",
    "leave",
    "audit",
    "find",
    "save",
    "link",
    "unlink",
    "whoami",
    "pending",
    "more",
    "why",
    "grant",
    "grants",
    "revoke",
];

/// A command of the bot itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnCommand {
    /// About rooms.
    Rooms(RoomCommand),
    /// About the log.
    Audit(AuditCommand),
    /// About executions.
    Executions(ExecutionCommand),
    /// About open questions.
    Pending(PendingCommand),
    /// To keep what was commanded under this name.
    Save(String),
    /// About what is offered, and who may use it.
    Tell(TellCommand),
    /// To let somebody run something for a while.
    Grant(GrantCommand),
    /// About people and their accounts.
    People(PeopleCommand),
    /// To go on with a long answer.
    More(Option<Which>),
    /// About what the bot and people did.
    Why(WhyCommand),
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
    let executions = || execution_command::parse(text).map(OwnCommand::Executions);
    let save = || save_command::parse(text).map(OwnCommand::Save);
    let grant = || grant_command::parse(text).map(OwnCommand::Grant);
    let tell = || tell_command::parse(text).map(OwnCommand::Tell);
    let people = || people_command::parse(text).map(OwnCommand::People);
    let pending = || pending_command::parse(text).map(OwnCommand::Pending);
    let more = || more_command::parse(text).map(OwnCommand::More);
    let why = || why_command::parse(text).map(OwnCommand::Why);
    let first = rooms.or_else(audit).or_else(executions).or_else(save);
    let first = first.or_else(people).or_else(pending).or_else(why).or_else(more);
    first.or_else(tell).or_else(grant)
}

/// Texts that are the bot's own commands, for those who look whether a script takes one of them.
pub fn examples() -> Vec<String> {
    let room = RoomId(String::new());
    let everywhere = Where { management: Some(&room), audited: Some(&room) };
    let formats = offered(everywhere).filter_map(|(usage, _)| Format::parse(usage).ok());
    formats.flat_map(|format| format.examples()).filter(|text| parse(text).is_some()).collect()
}

/// The commands with their usage and help that can be said somewhere.
pub fn offered(places: Where) -> impl Iterator<Item = (&'static str, &'static str)> {
    let rooms = room_command::COMMANDS.iter().filter(move |_| places.management.is_some());
    let audit = audit_command::COMMANDS.iter().filter(move |_| places.audited.is_some());
    let executions = execution_command::COMMANDS.iter().chain(people_command::COMMANDS);
    let executions = executions.chain(pending_command::COMMANDS).chain(more_command::COMMANDS);
    let executions = executions.chain(tell_command::COMMANDS).copied();
    let others = rooms
        .chain(audit)
        .chain(save_command::COMMANDS)
        .chain(why_command::COMMANDS)
        .chain(grant_command::COMMANDS);
    executions.chain(others.map(|(_, usage, help)| (*usage, *help)))
}

impl OwnCommand {
    /// Its first word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rooms(command) => command.builtin.name(),
            Self::Audit(command) => command.builtin.name(),
            Self::Executions(command) => command.name(),
            Self::Pending(_) => "pending",
            Self::Save(_) => Builtin::Save.name(),
            Self::People(command) => command.name(),
            Self::More(_) => "more",
            Self::Why(command) => command.name(),
            Self::Tell(command) => command.name(),
            Self::Grant(command) => command.name(),
        }
    }

    /// What does it; `reply_to` is the post that the command replies to.
    pub fn act(&self, reply_to: Option<&PostId>) -> Act {
        match self {
            Self::Rooms(command) => Act::BuiltIn { builtin: command.builtin, args: command.args() },
            Self::Audit(command) => Act::BuiltIn { builtin: command.builtin, args: command.args() },
            Self::Executions(command) => Act::Executions(command.clone()),
            Self::Tell(command) => Act::Tell(command.clone()),
            Self::People(command) => Act::People(command.clone()),
            Self::Pending(command) => Act::Pending(*command),
            Self::More(which) => Act::More(*which),
            Self::Save(name) => {
                Act::BuiltIn { builtin: Builtin::Save, args: save_command::args(name) }
            }
            Self::Grant(command) => {
                Act::BuiltIn { builtin: command.builtin(), args: command.args() }
            }
            Self::Why(command) => {
                Act::BuiltIn { builtin: command.builtin(), args: command.args(reply_to) }
            }
        }
    }

    /// What its sender must be allowed to manage, if it changes who may do what.
    pub fn manages(&self) -> Option<Resource> {
        matches!(self, Self::Grant(_)).then(grant_command::resource)
    }

    /// Whether it asks why: as a reply to a question it is no answer to it.
    pub fn asks_why(&self) -> bool {
        matches!(self, Self::Why(WhyCommand::Why { .. }))
    }

    /// Whether it names an execution to be cancelled.
    pub fn cancels_one(&self) -> bool {
        matches!(self, Self::Executions(command) if command.cancels_one())
    }

    /// Why it is not done here, if so.
    pub fn refusal(&self, here: &RoomId, places: Where) -> Option<String> {
        match self {
            Self::Rooms(command) => command.refusal(here, places.management),
            Self::Audit(command) => command.refusal(here, places.audited),
            Self::Executions(command) => command.refusal(here, places.management),
            Self::Pending(command) => command.refusal(here, places.management),
            Self::Save(name) => save_command::refusal(name),
            Self::Grant(command) => command.refusal(),
            // Who may say yes to what is decided with the codes.
            Self::People(_) => None,
            Self::More(_) => None,
            Self::Why(_) | Self::Tell(_) => None,
        }
    }
}
