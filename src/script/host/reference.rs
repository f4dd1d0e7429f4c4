//! The reference page of the host functions, made from their table.

use super::{HOST_VERSION, HostFn, TABLE};
use crate::domain::event::EffectClass;

/// The page.
pub fn reference() -> String {
    let mut page = format!(
        "# Script functions\n\nMade from the table of functions in `src/script/host/mod.rs`; `make docs` writes it anew. \
         This is version {HOST_VERSION} of the table.\n\n\
         The guide to writing scripts is [scripts.md](scripts.md). *Waits* means that the execution is suspended until the\n\
         function has its result; nothing of it is in memory meanwhile. *Recorded* says what stands in the event log:\n\n\
         - *no*: the function does nothing outside of the script, and is called again in every run;\n\
         - *log*: it happens in the log alone, once;\n\
         - *once*, *read*, *idempotent*: it happens outside, and this is its effect class; for `exec` the action declares it.\n",
    );
    page.push_str("\n| function | waits | recorded | what it does |\n| --- | --- | --- | --- |\n");
    for function in TABLE {
        let waits = if function.waits { "yes" } else { "no" };
        let (usage, help) = (cell(function.usage), cell(function.help));
        page.push_str(&format!("| `{usage}` | {waits} | {} | {help} |\n", recorded(function)));
    }
    page.push_str("\n## Examples\n");
    for function in TABLE {
        page.push_str(&format!("\n### {}\n\n```rhai\n{}\n```\n", function.name, function.example));
    }
    page
}

/// What the log has of a call.
fn recorded(function: &HostFn) -> &'static str {
    match function.class {
        None => "no",
        Some(EffectClass::Log) => "log",
        Some(EffectClass::Once) => "once",
        Some(EffectClass::Read) => "read",
        Some(EffectClass::Idempotent) => "idempotent",
    }
}

/// A text inside a table: a bare `|` would end the cell, in code too.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_up_to_date() {
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/script-functions.md"
        ));
        assert_eq!(
            page.expect("docs/script-functions.md is there"),
            reference(),
            "run `make docs`"
        );
    }

    #[test]
    fn every_row_has_its_cells() {
        for row in reference().lines().filter(|line| line.starts_with("| `")) {
            let bare = row.replace("\\|", "").matches('|').count();
            assert_eq!(bare, 5, "{row}");
        }
    }

    #[test]
    fn every_example_is_a_script() {
        let engine = super::super::super::engine::engine();
        for function in TABLE {
            let inside =
                format!("let p = (); let handler = |args, msg| {{ {} }};", function.example);
            if let Err(why) = engine.compile(&inside) {
                panic!("the example of `{}`: {why}", function.name);
            }
        }
    }
}
