//! What the scripts offer, by name: the commands that people can give.

use super::alias_index::AliasIndex;
use super::id::ScriptHash;
use super::rule::{Rule, RuleIndex};
use super::schedule;

/// Everything that is offered.
pub struct Catalog {
    /// Commands in the order of their names.
    pub aliases: Vec<Alias>,
    /// Finds the command for a text; its numbers are places in `aliases`.
    pub index: AliasIndex,
    /// Rules in the order of their names.
    pub rules: Vec<Rule>,
    /// Finds the rules for a trigger; its numbers are places in `rules`.
    pub rule_index: RuleIndex,
    /// Schedules in the order of their names.
    pub schedules: Vec<Scheduled>,
}

/// Something that a script does at times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its name, unique among all scripts: its occurrences are the triggers `schedule.NAME`.
    pub name: String,
    /// When it comes, as the script says.
    pub spec: String,
    /// What becomes of missed occurrences, and by how much they are spread.
    pub policy: schedule::Policy,
    /// It only looks at something again and again.
    pub polls: bool,
    /// What it is for.
    pub help: String,
    /// The script's file.
    pub file: String,
    /// Where in it it is declared.
    pub line: u32,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// How it is written.
    pub usages: Vec<String>,
    /// What it is for.
    pub help: String,
    /// What the script that declares it is for.
    pub about: String,
    /// Labels.
    pub tags: Vec<String>,
    /// How it is used.
    pub example: Option<String>,
    /// Who may run it.
    pub role: Option<String>,
    /// Where it may be run; empty: everywhere.
    pub rooms: Vec<String>,
    /// Which parameters may be taken from the conversation.
    pub context: FromContext,
    /// The script's file.
    pub file: String,
    /// Where in it it is declared.
    pub line: u32,
    /// The script's version.
    pub script: ScriptHash,
}

/// Which parameters of a command may be taken from the conversation, if it leaves them out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FromContext {
    /// None.
    #[default]
    Nothing,
    /// All that may be left out.
    All,
    /// These.
    Only(Vec<String>),
}

impl Catalog {
    /// Nothing is offered.
    pub fn empty() -> Self {
        Self {
            aliases: vec![],
            index: AliasIndex::new(vec![]),
            rules: vec![],
            rule_index: RuleIndex::default(),
            schedules: vec![],
        }
    }
}
