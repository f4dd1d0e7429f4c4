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
use super::policy::{Permission, PolicyAction, Resource, ResourceKind};
use super::room_command::{self, RoomCommand};
use super::route::Act;
use super::save_command;
use super::silence_command::{self, SilenceCommand};
use super::switch_command::{self, SwitchCommand};
use super::tell_command::{self, TellCommand};
use super::why_command::{self, WhyCommand};
use super::words::policy as words;

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
    "silence",
    "silences",
    "unsilence",
    "extend",
    "ack",
    "acknowledge",
    "alerts",
    "rule",
    "schedule",
    "hook",
    "sensor",
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
    /// To silence something, or look after what fires.
    Silence(SilenceCommand),
    /// To switch automation off or on.
    Switch(SwitchCommand),
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

impl Where<'_> {
    /// What the room is called in which those ask who look after the bot.
    fn asked_in(&self) -> &str {
        match (self.management, self.audited) {
            (None, Some(room)) => room.as_str(),
            _ => words::MANAGEMENT,
        }
    }
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
    let switch = || switch_command::parse(text).map(OwnCommand::Switch);
    let silence = || silence_command::parse(text).map(OwnCommand::Silence);
    let first = rooms.or_else(audit).or_else(executions).or_else(save);
    let first = first.or_else(people).or_else(pending).or_else(why).or_else(more);
    first.or_else(tell).or_else(grant).or_else(switch).or_else(silence)
}

/// Texts that are the bot's own commands, for those who look whether a script takes one of them.
pub fn examples() -> Vec<String> {
    let room = RoomId(String::new());
    let everywhere = Where { management: Some(&room), audited: Some(&room) };
    let all = offered(everywhere, &room, &|_, _| true);
    let formats = all.into_iter().filter_map(|(usage, _)| Format::parse(usage).ok());
    formats.flat_map(|format| format.examples()).filter(|text| parse(text).is_some()).collect()
}

/// The commands with their usage and help that somebody may say here.
pub fn offered(
    places: Where,
    here: &RoomId,
    may: &dyn Fn(PolicyAction, Resource) -> bool,
) -> Vec<(&'static str, &'static str)> {
    let manages = places.management.is_some() && may(PolicyAction::Manage, Resource::bot());
    let leaves = places.management.is_some() && may(PolicyAction::Manage, Resource::room(here));
    let room = |builtin: Builtin| manages || (leaves && builtin == Builtin::Leave);
    let rooms = room_command::COMMANDS.iter().filter(|(builtin, ..)| room(*builtin));
    let reads = may(PolicyAction::ReadAudit, Resource::log());
    let audit = audit_command::COMMANDS.iter().filter(|_| reads);
    let executions = execution_command::COMMANDS.iter().chain(people_command::COMMANDS);
    let executions = executions.chain(pending_command::COMMANDS).chain(more_command::COMMANDS);
    let executions = executions.chain(tell_command::COMMANDS).copied();
    let grants = may(PolicyAction::Manage, grant_command::resource());
    let told = |usage: &str| grants || usage != TellCommand::Grants.name();
    let executions = executions.filter(|(usage, _)| told(usage));
    let grants = grant_command::COMMANDS.iter().filter(|_| grants);
    let executions = executions.chain(silence_command::COMMANDS.iter().copied());
    let executions = executions.chain(switch_command::COMMANDS.iter().copied().filter(|_| manages));
    let others = rooms.chain(audit).chain(save_command::COMMANDS).chain(why_command::COMMANDS);
    let others = others.chain(grants).map(|(_, usage, help)| (*usage, *help));
    executions.chain(others).collect()
}

/// How the commands are used that begin with a word, for those who said one of them wrongly here.
pub fn usages(
    word: &str,
    places: Where,
    here: &RoomId,
    may: &dyn Fn(PolicyAction, Resource) -> bool,
) -> Vec<&'static str> {
    if !WORDS.contains(&word) {
        return vec![];
    }
    let begins = |usage: &&str| usage.split_whitespace().next() == Some(word);
    offered(places, here, may).into_iter().map(|(usage, _)| usage).filter(begins).collect()
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
            Self::Switch(command) => command.name(),
            Self::Silence(command) => command.name(),
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
            Self::Switch(command) => Act::Switch(command.clone()),
            Self::Silence(command) => match command.builtin() {
                Some(builtin) => Act::BuiltIn { builtin, args: command.args(reply_to) },
                None => Act::Silence(command.clone()),
            },
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

    /// Whether it asks why: as a reply to a question it is no answer to it.
    pub fn asks_why(&self) -> bool {
        matches!(self, Self::Why(WhyCommand::Why { .. }))
    }

    /// Whether it names an execution to be cancelled.
    pub fn cancels_one(&self) -> bool {
        matches!(self, Self::Executions(command) if command.cancels_one())
    }

    /// Whether it is to cancel what waits for whoever says so.
    pub fn cancels_own(&self) -> bool {
        matches!(self, Self::Executions(command) if command.cancels_own())
    }

    /// What policies are asked about it; none: it is for everybody, or what it names is looked at later.
    pub fn asks(&self, here: &RoomId) -> Option<(PolicyAction, Resource)> {
        match self {
            Self::Rooms(command) if command.leaves_here() => {
                Some((PolicyAction::Manage, Resource::room(here)))
            }
            Self::Rooms(_) => Some((PolicyAction::Manage, Resource::bot())),
            Self::Audit(_) => Some((PolicyAction::ReadAudit, Resource::log())),
            Self::Executions(ExecutionCommand::List { all: true })
            | Self::Pending(PendingCommand::All) => {
                Some((PolicyAction::Manage, Resource::of(ResourceKind::Execution, "all")))
            }
            Self::Grant(_) | Self::Tell(TellCommand::Grants) => {
                Some((PolicyAction::Manage, grant_command::resource()))
            }
            Self::Executions(_)
            | Self::Tell(_)
            | Self::Save(_)
            // What it names is looked at where it is done.
            | Self::Switch(_)
            | Self::Silence(_)
            | Self::People(_)
            | Self::Why(_)
            | Self::Pending(_)
            | Self::More(_) => None,
        }
    }

    /// Whether it can wait for approvals, or needs none: taking a grant back is not held up.
    fn waits(&self) -> bool {
        matches!(self, Self::Grant(_) | Self::Tell(TellCommand::Grants))
    }

    /// As it is said.
    fn said(&self) -> String {
        match self {
            Self::Executions(ExecutionCommand::List { all: true }) => "executions all".into(),
            Self::Pending(PendingCommand::All) => "pending all".into(),
            other => other.name().into(),
        }
    }

    /// Why a policy that does not allow it is right, in words.
    fn concerns(&self) -> &'static str {
        match self {
            Self::Rooms(_) => "it is about other rooms",
            Self::Audit(_) => "it tells what was said in other rooms",
            Self::Grant(_) => "it changes who may do what",
            Self::Tell(_) => "it tells who may do what",
            _ => "it tells of other rooms",
        }
    }

    /// Why it is not done, as policies decided.
    pub fn disallowed(&self, permission: &Permission, places: Where) -> Option<String> {
        if permission.allowed() {
            return permission.at_once().filter(|_| !self.waits());
        }
        let alone = match self {
            Self::Rooms(_) => places.management.is_none(),
            Self::Audit(_) => places.audited.is_none(),
            _ => false,
        };
        let leaves = matches!(self, Self::Rooms(command) if command.leaves_here());
        Some(match alone {
            true => words::needs_management(self.name()),
            false if leaves => words::send_away(permission),
            false => {
                words::own_command(&self.said(), permission, places.asked_in(), self.concerns())
            }
        })
    }

    /// What is wrong with it as it was said here, if anything is.
    pub fn refusal(&self, here: &RoomId, places: Where) -> Option<String> {
        match self {
            Self::Rooms(command) => command.refusal(here, places.management),
            Self::Audit(command) => command.refusal(),
            Self::Executions(command) => command.refusal(),
            Self::Pending(_) => None,
            Self::Save(name) => save_command::refusal(name),
            Self::Grant(command) => command.refusal(),
            Self::Switch(command) => command.refusal(),
            Self::Silence(command) => command.refusal(),
            // Who may say yes to what is decided with the codes.
            Self::People(_) => None,
            Self::More(_) => None,
            Self::Why(_) | Self::Tell(_) => None,
        }
    }
}
