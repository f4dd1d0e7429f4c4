//! The cookbook: the shipped scripts with their conversations, made from the scripts and from the transcripts that the tests play.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What stands before the scripts.
const HEAD: &str = "# The cookbook

Made by `make docs` from `scripts/` and from `tests/transcripts/shipped/`; do not edit it. Every conversation here is played by the tests: as
written, and again with a stop of the bot after every record that it makes.

The scripts ship with the program and run in the terminal room without any account: `beadle chat`. What is outside is pretended by the actions
in `scripts/actions/`, and they say so. `beadle script test scripts` runs the tests that stand at the end of each script. How scripts are
written is told in [scripts.md](scripts.md), how conversations are written down in [transcripts.md](transcripts.md).
";

/// What is shown, in order: a script and the conversation about it.
const SHOWN: &[(&str, &str)] = &[
    ("vm.rhai", "vm.txt"),
    ("shields.rhai", "shields.txt"),
    ("graph.rhai", "graph.txt"),
    ("reminders.rhai", "reminders.txt"),
    ("printers.rhai", "printers.txt"),
    ("joke.rhai", "joke.txt"),
];

/// The whole page.
pub fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = HEAD.to_owned();
    for (script, conversation) in SHOWN {
        let source = read(&root.join("scripts").join(script));
        let said = read(&root.join("tests/transcripts/shipped").join(conversation));
        let _ = writeln!(page, "\n## [{script}](../scripts/{script})\n\n{}", help(&source));
        let _ = writeln!(page, "\n```rhai\n{}\n```", handlers(&source));
        let _ = writeln!(page, "\n```text\n{}\n```", said.trim_end());
    }
    let said = read(&root.join("tests/transcripts/shipped/save.txt"));
    let _ = writeln!(
        page,
        "\n## A new command from a conversation\n\n`!save as NAME` proposes a script; the bot never writes one into the scripts folder itself.\n\n```text\n{}\n```",
        said.trim_end()
    );
    page
}

/// What a script says of itself in its first lines.
fn help(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What people can command: the aliases, without actions, helpers and tests.
fn handlers(source: &str) -> String {
    let mut shown = vec![];
    let mut inside = false;
    for line in source.lines() {
        inside |= line.starts_with("alias(");
        if inside {
            shown.push(line);
        }
        if inside && (line.starts_with("})") || line.starts_with("alias(") && line.ends_with(");"))
        {
            inside = false;
            shown.push("");
        }
    }
    shown.join("\n").trim_end().to_owned()
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}
