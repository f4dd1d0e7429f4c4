//! The shipped scripts: their tests pass, every command is tested, and the cookbook shows what is there.

#[path = "../../examples/docs/cookbook.rs"]
mod page;

use std::process::Command;

#[test]
fn the_cookbook_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook.md");
    let there = std::fs::read_to_string(path).expect("docs/cookbook.md is there");
    assert!(there == page::page(), "docs/cookbook.md is not up to date: run `make docs`");
}

#[test]
fn the_tests_of_shipped_scripts_pass() {
    let run =
        Command::new(env!("CARGO_BIN_EXE_beadle")).args(["script", "test", "scripts"]).output();
    let run = run.expect("it runs");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
    for script in
        ["graph", "hello", "host", "joke", "notes", "printers", "reminders", "shields", "vm"]
    {
        assert!(told.contains(script), "{script} has no test:\n{told}");
    }
}
