//! `beadle script check`: every problem of every script at once.

use std::path::Path;

use serde_json::json;

use super::super::style::{counted, out};
use super::super::{Context, Failure, policy};
use super::tell;
use crate::script::load::load_folder_within;

/// Loads a folder and tells what is wrong with it.
pub(super) fn main(context: &Context, folder: Option<&Path>) -> Result<u8, Failure> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => context.scripts()?,
    };
    let (set, mut problems) = load_folder_within(&folder, &context.config.budgets);
    problems.extend(set.told.iter().cloned());
    problems.extend(policy::problems(context, &set).1);
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    tell(context, &problems);
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let aliases: usize = set.scripts.values().map(|script| script.aliases.len()).sum();
    let actions = set.actions.len();
    if context.json() {
        out!(
            "{}",
            json!({
                "scripts": set.scripts.len(), "aliases": aliases, "actions": actions,
                "problems": errors, "warnings": warnings,
            })
        );
    } else if problems.is_empty() {
        let scripts = counted(set.scripts.len() as u64, "script");
        let actions = counted(actions as u64, "action");
        let aliases = if aliases == 1 { "1 alias".into() } else { format!("{aliases} aliases") };
        out!("{scripts}, {aliases}, {actions}: no problems");
    } else {
        let errors = counted(errors as u64, "error");
        eprintln!("{errors}, {}", counted(warnings as u64, "warning"));
    }
    Ok(if errors == 0 { 0 } else { 3 })
}
