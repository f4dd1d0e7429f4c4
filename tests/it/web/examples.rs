//! The examples of `docs/webhooks.md`, run as they stand against the configuration that stands there.

use std::path::Path;
use std::process::{Command, Stdio};

use super::command::place;
use super::terminal::Terminal;

/// The address in the manual.
const ADDRESS: &str = "127.0.0.1:8480";

/// The fenced blocks of a page that begin with this word.
fn blocks<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let parts = page.split(fence.as_str()).skip(1);
    parts.map(|part| part.split("```").next().expect("a block ends")).collect()
}

#[test]
fn the_examples_of_the_manual_are_answered_as_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhooks.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let config = blocks(&page, "toml").join("\n").replace("~/secrets", "secrets");
    let place = place(&config);
    std::fs::copy(place.path("secrets/hook"), place.path("secrets/ci")).expect("ours");
    std::fs::copy(place.path("secrets/hook"), place.path("secrets/github")).expect("ours");
    std::fs::copy(place.path("secrets/hook"), place.path("secrets/alerts")).expect("ours");
    let bot = Terminal::start(&place, &[]);
    let examples = blocks(&page, "sh");
    let mut run = 0;
    for example in examples.iter().filter(|example| example.contains("curl")) {
        let want = example.lines().find_map(|line| line.strip_prefix("# answers "));
        let want = want.unwrap_or_else(|| panic!("say what is answered: {example}"));
        let script = example.replace(ADDRESS, &bot.address.to_string());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &script]).current_dir(place.path("."));
        let output = command.stdin(Stdio::null()).output().expect("there is a shell");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(want), "{example}: {text}{told}");
        run += 1;
    }
    assert!(run >= 7, "{run} examples were run");
    bot.quit();
}
