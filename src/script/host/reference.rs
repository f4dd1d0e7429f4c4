//! The reference page of the host functions, made from their table.

use super::table::{HostFn, Kind, Place};
use super::{HOST_VERSION, table, topics};
use crate::domain::event::EffectClass;

/// The page.
pub fn reference() -> String {
    let mut page = format!(
        "# Script functions\n\nMade from the table of functions in `src/script/host/`; `make docs` writes it anew. \
         This is version {HOST_VERSION} of the table.\n\n\
         The guide to writing scripts is [scripts.md](scripts.md). *Waits* means that the execution is suspended until the\n\
         function has its result; nothing of it is in memory meanwhile. *Recorded* says what stands in the event log:\n\n\
         - *no*: the function does nothing outside of the script, and is called again in every run;\n\
         - *log*: it happens in the log alone, once;\n\
         - *once*, *read*, *idempotent*: it happens outside, and this is its effect class; for `exec` the action declares it.\n\n\
         A *duration* is a text such as `\"15m\"` or `\"2h30m\"`, or a number of seconds. What a function throws is a map with\n\
         the `kind` that is named here and a `message`, or a text.\n",
    );
    page.push_str("\n| function | waits | recorded | what it does |\n| --- | --- | --- | --- |\n");
    for row in table() {
        let waits = if row.waits { "yes" } else { "no" };
        let (usage, help) = (cell(&row.usage()), cell(row.help));
        page.push_str(&format!("| `{usage}` | {waits} | {} | {help} |\n", recorded(row)));
    }
    for (topic, rows) in topics() {
        page.push_str(&format!("\n## {topic}\n"));
        for row in *rows {
            page.push_str(&section(row));
        }
    }
    page
}

/// All that the table says of one function.
fn section(row: &HostFn) -> String {
    let mut text = format!("\n### {}\n\n{} {}\n\n", row.name, row.help, place(row.place));
    for form in row.forms {
        let params = form.on.iter().chain(form.params).map(|param| match param.kind {
            Kind::Function => format!("|{}| ..", param.name),
            kind => format!("{}: {}", param.name, kind.word()),
        });
        let params = params.collect::<Vec<_>>().join(", ");
        text.push_str(&format!("- `{}({params}) -> {}`\n", row.name, form.gives.word()));
    }
    if !row.options.is_empty() {
        text.push_str("\n| option | type | |\n| --- | --- | --- |\n");
        for option in row.options {
            let (kind, help) = (cell(option.kind.word()), cell(option.help));
            text.push_str(&format!("| `{}` | {kind} | {help} |\n", option.name));
        }
    }
    if !row.errors.is_empty() {
        text.push_str("\nThrows:\n\n");
        for error in row.errors {
            let kind = if error.kind.is_empty() {
                String::from("a text")
            } else {
                format!("`{}`", error.kind)
            };
            text.push_str(&format!("- {kind}: {}\n", error.when));
        }
    }
    text.push_str(&format!("\n```rhai\n{}\n```\n", row.example));
    text
}

fn place(place: Place) -> &'static str {
    match place {
        Place::TopLevel => "At the top level.",
        Place::Handler => "In handlers.",
        Place::Anywhere => "Everywhere.",
        Place::Test => "In tests.",
    }
}

/// What the log has of a call.
fn recorded(row: &HostFn) -> &'static str {
    match row.class {
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
            assert!(bare == 5 || bare == 4, "{row}");
        }
    }
}
