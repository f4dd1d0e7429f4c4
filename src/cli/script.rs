//! `beadle script`: checks scripts before they run.

use std::path::PathBuf;

use serde_json::json;

use super::style::out;
use super::{Context, Failure};
use crate::script::load::load_folder_within;

/// What to do with scripts.
#[derive(Debug, clap::Subcommand)]
pub enum ScriptCommand {
    /// Loads every script and tells every problem with its place.
    #[command(after_help = "Example: beadle script check scripts")]
    Check {
        /// The folder; else the configured one.
        folder: Option<PathBuf>,
    },
}

/// Does it.
pub fn main(context: &Context, command: &ScriptCommand) -> Result<u8, Failure> {
    let ScriptCommand::Check { folder } = command;
    let folder = match folder {
        Some(folder) => folder.clone(),
        None => context.scripts()?,
    };
    let (set, problems) = load_folder_within(&folder, &context.config.budgets);
    for problem in &problems {
        match context.json() {
            true => out!("{}", problem.to_json()),
            false => eprintln!("{problem}"),
        }
    }
    let aliases: usize = set.scripts.values().map(|script| script.aliases.len()).sum();
    let actions = set.actions.len();
    if context.json() {
        out!(
            "{}",
            json!({ "scripts": set.scripts.len(), "aliases": aliases, "actions": actions, "problems": problems.len() })
        );
    } else if problems.is_empty() {
        out!("{} scripts, {aliases} aliases, {actions} actions: no problems", set.scripts.len());
    }
    Ok(if problems.is_empty() { 0 } else { 3 })
}
