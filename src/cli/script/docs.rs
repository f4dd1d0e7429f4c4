//! `beadle script docs`: a page of what a folder of scripts offers, and the definitions for editors.

use std::path::Path;

use super::super::style::out;
use super::super::{Context, Failure};
use crate::domain::alias::Format;
use crate::script::host::editor;
use crate::script::load::{ScriptSet, load_folder};
use crate::script::source::{ActionDef, AliasDef, Script};

/// Prints the page, or the definitions.
pub(super) fn main(
    context: &Context,
    folder: Option<&Path>,
    for_editor: bool,
) -> Result<u8, Failure> {
    if for_editor {
        out!("{}", editor());
        return Ok(0);
    }
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => context.scripts()?,
    };
    let (set, problems) = load_folder(&folder);
    super::tell(context, &problems);
    out!("{}", page(&set));
    Ok(if problems.is_empty() { 0 } else { 3 })
}

/// The page of a set of scripts.
fn page(set: &ScriptSet) -> String {
    let mut text = String::from("# Scripts\n");
    for script in set.scripts.values() {
        text.push_str(&format!("\n## {}\n", script.file));
        if !script.help.is_empty() {
            text.push_str(&format!("\n{}\n", script.help));
        }
        commands(script, &mut text);
        actions(script, &mut text);
    }
    text
}

fn commands(script: &Script, text: &mut String) {
    if script.aliases.is_empty() {
        return;
    }
    text.push_str("\n| command | what it does |\n| --- | --- |\n");
    for alias in &script.aliases {
        let usages = alias.formats.iter().filter_map(|it| Format::parse(it).ok());
        let usages: Vec<String> = usages.map(|it| format!("`{}`", cell(&it.usage()))).collect();
        text.push_str(&format!("| {} | {} |\n", usages.join(" or "), cell(&about(script, alias))));
    }
}

fn about(script: &Script, alias: &AliasDef) -> String {
    let help = if alias.help.is_empty() { &script.help } else { &alias.help };
    let mut parts = vec![help.clone()];
    parts.extend(alias.example.as_ref().map(|it| format!("Example: `{it}`.")));
    parts.extend(alias.role.as_ref().map(|it| format!("For the role {it}.")));
    if !alias.rooms.is_empty() {
        parts.push(format!("In {}.", alias.rooms.join(", ")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn actions(script: &Script, text: &mut String) {
    if script.actions.is_empty() {
        return;
    }
    text.push_str("\n| action | parameters | what it does |\n| --- | --- | --- |\n");
    for ActionDef { name, params, help, .. } in script.actions.values() {
        let names: Vec<String> = params.keys().map(|it| format!("`{it}`")).collect();
        text.push_str(&format!("| `{name}` | {} | {} |\n", names.join(", "), cell(help)));
    }
}

/// A text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
