//! The command line for those who write scripts: `script new`, `script test`, `script docs`.

use beadle::script::load::load_sources;

use crate::cli::{Place, json_lines};

#[test]
fn a_new_script_passes_check_and_test() {
    for kind in ["alias", "action", "workflow"] {
        let place = Place::new();
        std::fs::create_dir(place.path("scripts")).expect("made");
        let new = ["--scripts", "scripts", "script", "new", "restart_web", "--kind", kind];
        place.run(&new).expect(0);
        place.run(&["script", "check", "scripts"]).expect(0);
        let tested = place.run(&["--json", "script", "test", "scripts/restart_web.rhai"]).expect(0);
        let told = json_lines(&tested.out);
        let (last, tests) = told.split_last().expect("there is a summary");
        assert_eq!((&last["failed"], &last["unreached"]), (&0.into(), &0.into()), "{kind}");
        assert!(
            !tests.is_empty() && tests.iter().all(|it| it["plays"].as_u64() > Some(1)),
            "{kind}"
        );
        let before = std::fs::read(place.path("scripts/restart_web.rhai")).expect("it is there");
        place.run(&new).expect(1).complains(&["is there already", "hint: "]);
        let after = std::fs::read(place.path("scripts/restart_web.rhai")).expect("it is there");
        assert_eq!(before, after, "nothing is overwritten");
    }
    let place = Place::new();
    for name in ["", "A", "a-b", "../x", "1st"] {
        place.run(&["--scripts", ".", "script", "new", "--", name]).expect(2);
    }
}

#[test]
fn a_failed_test_ends_with_1_and_shows_the_conversation() {
    let place = Place::new();
    let source = "alias(\"marco\", || reply(\"polo\"));\ntest(\"it\", |chat| {\n  chat.says(\"@ann\", \"marco\");\n  chat.expect(\"pola\");\n});";
    place.write("s/a.rhai", source.as_bytes());
    let ran = place.run(&["script", "test", "s"]).expect(1);
    for want in ["FAIL  a.rhai:4:8 it", "expected `pola`", "> ann: marco", "< bot (reply): polo"] {
        assert!(ran.out.contains(want), "{want}: {}", ran.out);
    }
    place.write("s/b.rhai", b"alias(");
    place.run(&["script", "test", "s"]).expect(3).complains(&["b.rhai"]);
    // A file that is fine is tested whatever stands beside it.
    place.run(&["script", "test", "s/a.rhai", "--name", "other"]).expect(0);
    place.run(&["script", "test", "s/none.rhai"]).expect(1).complains(&["none.rhai"]);
}

#[test]
fn a_page_tells_what_a_folder_offers() {
    let place = Place::new();
    let source = "//! Machines.\naction(\"vm.stop\", #{ run: [\"true\"], params: #{ name: \"string\" }, help: \"Stop it\" });\nalias(\"stop {name: a | b}\", #{ help: \"Stops\", example: \"stop a\" }, action(\"vm.stop\"));";
    place.write("s/vm.rhai", source.as_bytes());
    let page = place.run(&["script", "docs", "s"]).expect(0).out;
    for want in [
        "## vm.rhai\n\nMachines.",
        "| `stop {name: a \\| b}` | Stops Example: `stop a`. |",
        "| `vm.stop` | `name` | Stop it |",
    ] {
        assert!(page.contains(want), "{want}: {page}");
    }
    let editor = place.run(&["script", "docs", "--editor"]).expect(0).out;
    assert!(editor.contains("fn reply(") && editor.contains("fn says("), "{editor}");
}

/// The blocks of Rhai on a page, with the lines on which they begin.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = vec![];
    let mut inside = false;
    for (nth, line) in page.lines().enumerate() {
        match (inside, line.trim()) {
            (false, "```rhai") => {
                inside = true;
                found.push((nth + 2, String::new()));
            }
            (true, "```") => inside = false,
            (true, _) => {
                let (_, block) = found.last_mut().expect("it has begun");
                block.push_str(line);
                block.push('\n');
            }
            (false, _) => {}
        }
    }
    found
}

/// What declares something is a script; the rest stands in a handler.
fn as_script(block: &str) -> String {
    let declares = ["alias(", "action(", "test(", "import ", "fn ", "const ", "export "];
    match block.lines().any(|line| declares.iter().any(|word| line.starts_with(word))) {
        true => block.to_owned(),
        false => format!("alias(\"example\", |args, msg| {{\n{block}}});"),
    }
}

/// The examples of the guides are scripts that can be used as they stand. Those of the table of functions are run elsewhere.
#[test]
fn the_examples_of_the_documentation_are_scripts() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let docs = std::fs::read_dir(root.join("docs")).expect("there are docs");
    pages.extend(docs.map(|entry| entry.expect("it can be listed").path()));
    pages.retain(|path| path.extension().is_some_and(|end| end == "md"));
    // The functions' examples are run elsewhere; the cookbook shows parts of the shipped scripts, which are checked.
    pages.retain(|path| !path.ends_with("script-functions.md") && !path.ends_with("cookbook.md"));
    let mut seen = 0;
    for path in pages {
        let page = std::fs::read_to_string(&path).expect("it can be read");
        for (line, block) in blocks(&page) {
            let (set, mut problems) =
                load_sources(vec![("example.rhai".into(), as_script(&block))]);
            problems.extend(set.wrong());
            let told: String = problems.iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "{}:{line}:\n{told}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "the documentation has lost its examples");
}
