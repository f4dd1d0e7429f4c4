//! `beadle script check`: every problem of every script at once.

use std::path::Path;

use serde_json::json;

use super::super::style::out;
use super::super::{Context, Failure};
use super::tell;
use crate::script::load::load_folder_within;

/// Loads a folder and tells what is wrong with it.
pub(super) fn main(context: &Context, folder: Option<&Path>) -> Result<u8, Failure> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => context.scripts()?,
    };
    let (set, problems) = load_folder_within(&folder, &context.config.budgets);
    tell(context, &problems);
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
