//! Built-in handlers: executions whose steps are decided here in Rust instead of by a script.
//!
//! They are executions like any other, durable and explained by their events, and need no script to be there.

use super::event::{Handler, HandlerKind};
use super::id::ScriptHash;

/// What stands in the place of a script's file.
pub const FILE: &str = "(built in)";

/// A built-in handler. Names are stored and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// Asks a person whether they still want what they commanded long ago.
    CatchUp,
    /// Tells a room of posts whose keys are missing.
    Unreadable,
    /// Lists the rooms that the bot is in.
    Rooms,
    /// Comes into a room.
    Join,
    /// Leaves a room.
    Leave,
    /// Tells what was asked and done.
    Audit,
    /// Finds words in what was asked and done.
    Find,
    /// Proposes a script that does again what was commanded.
    Save,
    /// Asks what somebody meant, then runs it.
    Clarify,
    /// Looks after a command that was deleted.
    Deletion,
    /// Tells what led to a message or an execution.
    Why,
    /// Tells what somebody asked for.
    WhatDid,
    /// Lets somebody run a command for a while.
    Grant,
    /// Ends that before its time.
    Revoke,
    /// Silences something for a while.
    Silence,
}

/// Every built-in handler with its stored name.
const NAMES: &[(Builtin, &str)] = &[
    (Builtin::CatchUp, "catch up"),
    (Builtin::Unreadable, "unreadable"),
    (Builtin::Rooms, "rooms"),
    (Builtin::Join, "join"),
    (Builtin::Leave, "leave"),
    (Builtin::Audit, "audit"),
    (Builtin::Find, "find"),
    (Builtin::Save, "save as"),
    (Builtin::Clarify, "clarify"),
    (Builtin::Deletion, "deletion"),
    (Builtin::Why, "why"),
    (Builtin::WhatDid, "what did"),
    (Builtin::Grant, "grant"),
    (Builtin::Revoke, "revoke"),
    (Builtin::Silence, "silence"),
];

impl Builtin {
    /// Whether it looks things up in the log for somebody: its answers quote others.
    pub fn asks_log(self) -> bool {
        matches!(self, Self::Audit | Self::Find | Self::Why | Self::WhatDid)
    }

    /// The built-in handler that an execution runs; none: it runs a script.
    pub fn of(handler: &Handler) -> Option<Self> {
        let found = NAMES.iter().find(|(_, name)| *name == handler.alias);
        found.filter(|_| handler.file == FILE).map(|(builtin, _)| *builtin)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(builtin, _)| *builtin == self).map_or("", |(_, name)| name)
    }

    /// What a handler's executions are told apart by; a script cannot have a handler of this name.
    pub fn cause(handler: &Handler) -> String {
        match Self::of(handler) {
            Some(builtin) => format!("{FILE} {}", builtin.name()),
            None => handler.alias.clone(),
        }
    }

    /// What an execution that runs it is started with.
    pub fn handler(self) -> Handler {
        let (script, file) = (ScriptHash(String::new()), FILE.to_owned());
        let alias = self.name().to_owned();
        Handler { script, file, alias, kind: HandlerKind::Alias }
    }

    /// Whether one open execution takes in more triggers of the same room until it has asked.
    pub fn gathers(self) -> bool {
        match self {
            Self::CatchUp | Self::Unreadable => true,
            Self::Rooms | Self::Join | Self::Leave => false,
            Self::Audit | Self::Find | Self::Clarify | Self::Save | Self::Deletion => false,
            Self::Why | Self::WhatDid | Self::Grant | Self::Revoke | Self::Silence => false,
        }
    }

    /// Whether it takes in only what one person does.
    pub fn of_person(self) -> bool {
        match self {
            Self::CatchUp => true,
            Self::Unreadable => false,
            Self::Rooms | Self::Join | Self::Leave => false,
            Self::Audit | Self::Find | Self::Clarify | Self::Save | Self::Deletion => false,
            Self::Why | Self::WhatDid | Self::Grant | Self::Revoke | Self::Silence => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_handlers_are_told_from_scripts() {
        for (builtin, name) in NAMES {
            let handler = builtin.handler();
            assert_eq!(handler.alias, *name);
            assert_eq!(Builtin::of(&handler), Some(*builtin), "{name}");
            let script = Handler { file: "vm.rhai".into(), ..handler };
            assert_eq!(Builtin::of(&script), None, "{name} of a script");
            assert_ne!(Builtin::cause(&script), Builtin::cause(&builtin.handler()), "{name}");
        }
    }
}
