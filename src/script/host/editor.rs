//! The definitions that editors read, made from the table: one file with every function and its documentation.

use super::table::{Form, HostFn, Kind, Param};
use super::{HOST_VERSION, topics};

/// The text of `beadle.d.rhai`.
pub fn editor() -> String {
    let mut file = format!(
        "module static;\n\n// What beadle adds to the language; version {HOST_VERSION} of its table of functions.\n"
    );
    for (topic, rows) in topics() {
        file.push_str(&format!("\n// {topic}\n"));
        for row in *rows {
            for form in row.forms {
                file.push_str(&definition(row, form));
            }
        }
    }
    file
}

/// One form with its documentation.
fn definition(row: &HostFn, form: &Form) -> String {
    let mut text = format!("\n/// `{}`\n///\n/// {}\n", row.shown(form), row.help);
    if form.params.iter().any(|param| param.kind == Kind::Options) {
        text.push_str("///\n");
        for option in row.options {
            let (name, kind) = (option.name, option.kind.word());
            text.push_str(&format!("/// - `{name}` ({kind}): {}\n", option.help));
        }
    }
    for error in row.errors.iter().filter(|error| !error.kind.is_empty()) {
        text.push_str(&format!("///\n/// Throws `{}`: {}\n", error.kind, error.when));
    }
    text.push_str("///\n/// ```rhai\n");
    for line in row.example.lines() {
        text.push_str(&format!("/// {line}\n"));
    }
    text.push_str("/// ```\n");
    let params: Vec<String> = form.on.iter().chain(form.params).map(parameter).collect();
    text.push_str(&format!(
        "fn {}({}) -> {};\n",
        row.name,
        params.join(", "),
        engine_type(form.gives)
    ));
    text
}

fn parameter(param: &Param) -> String {
    // A closure is named by what it takes.
    let name = if param.kind == Kind::Function { "handler" } else { param.name };
    format!("{name}: {}", engine_type(param.kind))
}

/// A kind in the words of the language.
fn engine_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Any | Kind::Texts | Kind::Duration => "?",
        Kind::Text => "String",
        Kind::Int => "int",
        Kind::Number => "float",
        Kind::Bool => "bool",
        Kind::List => "Array",
        Kind::Map | Kind::Options => "Map",
        Kind::Function => "Fn",
        Kind::Unit => "()",
        Kind::Type(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_defined_once_with_its_example() {
        let text = editor();
        let forms: usize = super::super::table().map(|row| row.forms.len()).sum();
        assert_eq!(text.lines().filter(|line| line.starts_with("fn ")).count(), forms);
        for want in [
            "/// `ask(question, #{ from, choices, timeout, or_else, remind, then })`\n",
            "/// - `timeout` (duration): how long to wait; for ever without it\n",
            "fn ask(question: String, options: Map) -> String;\n",
            "fn update(p: Progress, text: ?, percent: int) -> ();\n",
            "fn alias(format: ?, handler: Fn) -> ();\n",
            "/// let p = progress(\"working\");\n",
        ] {
            assert!(text.contains(want), "{want}\n{text}");
        }
    }
}
