//! What a loaded script offers: its aliases and actions, pinned to one version of its source.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{AST, Dynamic, FnPtr, GlobalRuntimeState};
use sha2::{Digest, Sha256};

pub use super::action::{ActionDef, OutputFormat};
pub use super::param::ParamDef;
pub use super::sensor::SensorDef;
use crate::domain::catalog::FromContext;
use crate::domain::event::{Handler, HandlerKind};
use crate::domain::id::ScriptHash;
use crate::domain::rule::On;
use crate::domain::schedule::Policy;
use crate::domain::throttle::Windows;

/// Largest script in bytes.
pub const SCRIPT_BYTES_MAX: usize = 96 * 1024;

/// One version of one script.
pub struct Script {
    /// Its file, from the scripts folder.
    pub file: String,
    /// The hash of its source and of all that it imports.
    pub hash: ScriptHash,
    /// Its source.
    pub source: String,
    /// What its `//!` lines say.
    pub help: String,
    /// The libraries that it imports, and those that they import, by file.
    pub imports: Vec<Import>,
    /// Compiled.
    pub ast: AST,
    /// What its top level imported: handlers see it through this.
    pub global: Option<Arc<GlobalRuntimeState>>,
    /// Its top-level constants.
    pub consts: Arc<BTreeMap<String, Dynamic>>,
    /// The commands it offers.
    pub aliases: Vec<AliasDef>,
    /// The rules it declares.
    pub rules: Vec<RuleDef>,
    /// The actions it declares.
    pub actions: BTreeMap<String, ActionDef>,
    /// The schedules it declares; each has a rule of the same name.
    pub schedules: Vec<ScheduleDef>,
    /// The sensors it declares.
    pub sensors: Vec<SensorDef>,
    /// Its tests: `beadle script test` runs them, a bot does not.
    pub tests: Vec<TestDef>,
}

/// The clock of something that a script does at times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleDef {
    /// Its name: its occurrences are the triggers `schedule.NAME`.
    pub name: String,
    /// When it comes.
    pub spec: String,
    /// What becomes of missed occurrences, and by how much they are spread.
    pub policy: Policy,
    /// It only looks at something again and again.
    pub polls: bool,
    /// What it is for.
    pub help: String,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

/// A rule that a script declares.
#[derive(Clone)]
pub struct RuleDef {
    /// Its name: unique among all scripts.
    pub name: String,
    /// What it listens to.
    pub on: On,
    /// What it is for.
    pub help: String,
    /// Where it speaks; none: in the management room.
    pub room: Option<String>,
    /// Who may silence it.
    pub role: Option<String>,
    /// Labels for policies.
    pub tags: Vec<String>,
    /// How often it may fire.
    pub windows: Windows,
    /// The criteria: a closure that must give true.
    pub when: Option<FnPtr>,
    /// What runs.
    pub run: Run,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

/// What an execution runs, with what is said meanwhile.
pub struct HandlerDef {
    /// What runs.
    pub run: Run,
    /// What is said when it does not answer at once.
    pub ack: Ack,
    /// Where it is declared.
    pub line: u32,
}

impl Script {
    /// The alias or rule of this version that an execution handles.
    pub fn handler(&self, handler: &Handler) -> Option<HandlerDef> {
        match handler.kind {
            HandlerKind::Alias => {
                let def = self.aliases.iter().find(|def| def.name == handler.alias)?;
                Some(HandlerDef { run: def.run.clone(), ack: def.ack.clone(), line: def.line })
            }
            HandlerKind::Rule => {
                let def = self.rules.iter().find(|def| def.name == handler.alias)?;
                Some(HandlerDef { run: def.run.clone(), ack: Ack::Silent, line: def.line })
            }
        }
    }
}

/// A test that a script brings with it.
#[derive(Clone)]
pub struct TestDef {
    /// What it shows.
    pub name: String,
    /// Its body: a closure with one parameter, the conversation.
    pub body: FnPtr,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

/// A library that a script imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its file, from the scripts folder.
    pub file: String,
    /// The hash of its source.
    pub hash: ScriptHash,
    /// Its source.
    pub source: String,
}

/// A command that a script offers.
#[derive(Clone)]
pub struct AliasDef {
    /// Its name: unique among all scripts.
    pub name: String,
    /// How it is written.
    pub formats: Vec<String>,
    /// What it is for.
    pub help: String,
    /// How it is used, for help.
    pub example: Option<String>,
    /// Who may run it.
    pub role: Option<String>,
    /// Where it may be run; empty: everywhere.
    pub rooms: Vec<String>,
    /// Which parameters may be taken from the conversation.
    pub context: FromContext,
    /// Labels for policies.
    pub tags: Vec<String>,
    /// What is said when it does not answer at once.
    pub ack: Ack,
    /// What runs.
    pub run: Run,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

impl HandlerDef {
    /// What runs for an action that is called by itself: it says nothing.
    pub fn of_action(action: &str) -> Self {
        Self { run: Run::Action(action.to_owned()), ack: Ack::Silent, line: 0 }
    }
}

/// What is said at once when a command takes its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ack {
    /// The usual sentence with the execution id, if the handler says nothing itself.
    Usual,
    /// This.
    Text(String),
    /// Emojis on the command, where the network has them: what became of it can be seen at a glance.
    Reactions,
    /// Nothing.
    Silent,
}

/// What an alias runs.
#[derive(Clone)]
pub enum Run {
    /// A closure with so many parameters.
    Handler(FnPtr, usize),
    /// An action, with the alias's parameters.
    Action(String),
}

/// The hash that names a version of a script.
pub fn hash(source: &str) -> ScriptHash {
    let hash = Sha256::digest(source.as_bytes());
    ScriptHash(data_encoding::HEXLOWER.encode(&hash[..16]))
}

/// The hash that names a version of a script with all that it imports; the hash of its source, if that is nothing.
pub fn version_hash(source: &str, imports: &[Import]) -> ScriptHash {
    if imports.is_empty() {
        return hash(source);
    }
    let parts = imports.iter().map(|import| format!("\0{}\0{}", import.file, import.hash));
    hash(&parts.fold(hash(source).as_str().to_owned(), |all, part| all + part.as_str()))
}
