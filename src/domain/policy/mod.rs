//! Who may do what where: what is asked, what is decided and why, and what of it is recorded (pure).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::catalog::Alias;
use super::id::{ExecutionId, PersonId, RoomId, UserId};
use super::rule::Rule;
use super::trigger::Trust;
use super::words::policy as words;

mod annotation;
mod askable;
mod compile;
mod entities;
mod problem;
mod set;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use annotation::APPROVALS_MAX;
pub use askable::{NAMED_MAX, unaskable};
pub use compile::{Compiled, FILES_MAX, Names, SCHEMA, SET_BYTES_MAX, Source, compile, unknown};
pub use problem::PolicyProblem;
pub use set::{PolicySet, SHIPPED};

/// The role of those who are in the management room.
pub const OWNER: &str = "owner";
/// The role of those who own the data directory, at the command line.
pub const LOCAL: &str = "local";
/// What stands for the hash of the policies where none can be used.
pub const SAFE: &str = "safe";
/// The tag of what is closed until a policy opens it.
pub const GUARDED: &str = "guarded";

/// The roles that somebody can hold.
pub type RoleNames = BTreeSet<String>;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAction {
    /// Run it.
    Run,
    /// Approve that somebody else runs it.
    Approve,
    /// Silence it for a while.
    Silence,
    /// Read in the log what was asked, done and said.
    ReadAudit,
    /// Change how the bot works: its rooms, what others asked for, who may do what.
    Manage,
}

impl PolicyAction {
    /// As policies write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Approve => "approve",
            Self::Silence => "silence",
            Self::ReadAudit => "read_audit",
            Self::Manage => "manage",
        }
    }
}

/// What kind of thing somebody wants to do something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A command of a script.
    Alias,
    /// A rule of a script.
    Rule,
    /// An action of a script; `Action` is a word of Cedar's own.
    Operation,
    /// A room.
    Room,
    /// An execution.
    Execution,
    /// The event log.
    Log,
    /// The bot itself.
    Bot,
}

impl ResourceKind {
    /// As policies write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alias => "Alias",
            Self::Rule => "Rule",
            Self::Operation => "Operation",
            Self::Room => "Room",
            Self::Execution => "Execution",
            Self::Log => "Log",
            Self::Bot => "Bot",
        }
    }
}

/// What somebody wants to do something with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// Of which kind it is.
    pub kind: ResourceKind,
    /// Its name or id.
    pub name: String,
    /// Its labels.
    pub tags: Vec<String>,
    /// The role that it asks for itself.
    pub role: Option<String>,
    /// Where it may be used, as it says itself; empty: everywhere.
    pub rooms: Vec<String>,
}

impl Resource {
    /// Something without labels.
    pub fn of(kind: ResourceKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), tags: vec![], role: None, rooms: vec![] }
    }

    /// A command.
    pub fn alias(alias: &Alias) -> Self {
        Self {
            kind: ResourceKind::Alias,
            name: alias.name.clone(),
            tags: alias.tags.clone(),
            role: alias.role.clone(),
            rooms: alias.rooms.clone(),
        }
    }

    /// A rule.
    pub fn rule(rule: &Rule) -> Self {
        let (tags, role) = (rule.tags.clone(), rule.role.clone());
        Self { tags, role, ..Self::of(ResourceKind::Rule, &rule.name) }
    }

    /// An action of a script.
    pub fn operation(name: &str, tags: &[String], role: Option<&str>) -> Self {
        let (tags, role) = (tags.to_vec(), role.map(str::to_owned));
        Self { tags, role, ..Self::of(ResourceKind::Operation, name) }
    }

    /// A room.
    pub fn room(room: &RoomId) -> Self {
        Self::of(ResourceKind::Room, room.as_str())
    }

    /// An execution.
    pub fn execution(id: &ExecutionId) -> Self {
        Self::of(ResourceKind::Execution, id.as_str())
    }

    /// The event log.
    pub fn log() -> Self {
        Self::of(ResourceKind::Log, "log")
    }

    /// The bot itself.
    pub fn bot() -> Self {
        Self::of(ResourceKind::Bot, "beadle")
    }
}

/// A role that somebody holds, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoleHeld {
    /// The role.
    pub role: String,
    /// What gives it to them: `@*:ops.example`, `power 50 in !abc`.
    pub source: String,
}

/// Everything that a decision is made from; the same inputs are decided in the same way by the same set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Who, as a person: one person can have several accounts.
    pub person: PersonId,
    /// The account that they use now.
    pub account: UserId,
    /// The roles that they hold here.
    pub roles: Vec<RoleHeld>,
    /// The roles of which it cannot be said, and why: they count as not held.
    pub unseen: Vec<RoleHeld>,
    /// How strongly their network proves that it is this account.
    pub trust: Trust,
    /// The network that the account is native to.
    pub network: String,
    /// Where.
    pub room: RoomId,
    /// The names in policies that stand for this room.
    pub rooms: Vec<String>,
    /// It is a room where it may be used, as it says itself.
    pub here: bool,
    /// The room is end-to-end encrypted.
    pub encrypted: bool,
    /// Nobody but them and the bot is there.
    pub direct: bool,
    /// It is the management room.
    pub management: bool,
    /// The hour on clocks where the bot is, from 0.
    pub hour: u8,
    /// The day of the week there: `friday`.
    pub weekday: String,
    /// What they want to do.
    pub action: PolicyAction,
    /// With what.
    pub resource: Resource,
    /// The grant that lets them, if somebody gave them one.
    pub granted: Option<String>,
    /// The hash of the policies that decide.
    pub set: String,
}

/// What policies are asked.
pub type Request = Inputs;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They may, once its needs are met.
    Allowed,
    /// They may not.
    Refused,
}

/// A policy that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cited {
    /// Its name, or else its file and line.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its file, from the policy folder.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
}

/// What must happen before what is allowed is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// How many other persons must approve it.
    pub count: u32,
    /// The role that they hold.
    pub from: Option<String>,
    /// They say it from a device of their own that signed it, in an encrypted room.
    pub device: bool,
    /// A reaction is enough.
    pub reactions: bool,
}

impl Needs {
    /// Whether who has met these has met others.
    pub fn cover(&self, others: &Self) -> bool {
        self.count >= others.count
            && (others.from.is_none() || self.from == others.from)
            && (self.device || !others.device)
            && (others.reactions || !self.reactions)
    }
}

/// Whether somebody may do something, with the policies that decided it and everything they decided from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Whether they may.
    pub verdict: Verdict,
    /// The policies that decided; none: no policy allows it, or it was not for policies to decide.
    pub policies: Vec<Cited>,
    /// What it needs before it is done.
    pub needs: Option<Needs>,
    /// Why, in words.
    pub reason: String,
    /// What went wrong while it was decided: it is refused for that.
    pub fault: Option<String>,
    /// What it was decided from.
    pub inputs: Inputs,
}

/// A decision as it is recorded.
pub type PolicyDecision = Permission;

impl Permission {
    /// Whether they may.
    pub fn allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// Whether a policy forbids it, one of them cannot be decided, or none can be used: not only that none permits it.
    pub fn forbids(&self) -> bool {
        let safe = self.inputs.set == SAFE;
        !self.allowed() && (safe || !self.policies.is_empty() || self.fault.is_some())
    }

    /// Why what is done at once is not, if so: they may not, or policies ask for approvals, for which it cannot wait.
    pub fn at_once(&self) -> Option<String> {
        let name = &self.inputs.resource.name;
        let needs =
            self.needs.as_ref().map(|needs| words::cannot_wait(name, needs, &self.policies));
        self.refusal().map(str::to_owned).or(needs)
    }

    /// Why they may not, if so.
    pub fn refusal(&self) -> Option<&str> {
        (!self.allowed()).then_some(self.reason.as_str())
    }
}
