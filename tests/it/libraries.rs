//! Libraries: what scripts import, how far that reaches, and what it makes of a script's version.

use std::sync::Arc;

use beadle::domain::event::EffectResult;
use beadle::script::engine::engine;
use beadle::script::journal::{Journal, Noted};
use beadle::script::load::{ScriptSet, load_folder, load_script, load_sources, on_script_thread};
use beadle::script::problem::Problem;
use beadle::script::resolver::{IMPORTS_MAX, Library};
use beadle::script::run::{End, run};
use serde_json::json;

use crate::scripts::input;

fn load(files: &[(&str, &str)]) -> (ScriptSet, Vec<Problem>) {
    let owned = |(file, source): &(&str, &str)| ((*file).to_owned(), (*source).to_owned());
    load_sources(files.iter().map(owned).collect())
}

/// What the first alias of `main.rhai` returns.
fn returned(files: &[(&str, &str)]) -> End {
    let (set, problems) = load(files);
    assert!(problems.is_empty(), "{problems:?}");
    let script = set.scripts["main.rhai"].clone();
    on_script_thread(move || {
        let slice = run(&engine(), &script, &script.aliases[0].run, input(&script, Journal::new()));
        for entry in &slice.entries {
            assert!(matches!(entry.state, Noted::Done(EffectResult::Ok(_))), "{entry:?}");
        }
        slice.end
    })
}

#[test]
fn handlers_see_what_the_top_level_imported() {
    let net = "const PORT = 22;\nexport const NAME = \"net\";\nfn port(host) { `${host}:${PORT}` }\nfn tell(x) { say(x); port(x) }";
    for (main, want) in [
        ("import \"lib/net\" as net;\nalias(\"go\", || net::port(\"a\"));", json!("a:22")),
        ("import \"lib/net\" as net;\nalias(\"go\", || net::NAME);", json!("net")),
        ("import \"lib/net\" as net;\nalias(\"go\", || net::tell(\"b\"));", json!("b:22")),
        (
            "import \"lib/net\" as net;\nalias(\"go\", || [\"a\", \"b\"].map(|h| net::port(h)));",
            json!(["a:22", "b:22"]),
        ),
        (
            "import \"lib/net\" as net;\nfn both(x) { net::port(x) }\nalias(\"go\", || both(\"a\"));",
            json!("a:22"),
        ),
        // The library's own constant, not that of the script that calls.
        (
            "import \"lib/net\" as net;\nconst PORT = 1;\nalias(\"go\", || net::port(\"a\") + PORT);",
            json!("a:221"),
        ),
        ("import \"lib/up\" as up;\nalias(\"go\", || up::twice(\"a\"));", json!("a:22a:22")),
        ("const A = 3; fn f() { global::A } alias(\"go\", || f());", json!(3)),
    ] {
        let up = "import \"lib/net\" as net;\nfn twice(x) { net::port(x) + net::port(x) }";
        let files = [("lib/net.rhai", net), ("lib/up.rhai", up), ("main.rhai", main)];
        assert_eq!(returned(&files), End::Returned(want), "{main}");
    }
}

#[test]
fn what_cannot_be_imported_is_told_with_its_place() {
    let main = |import: &str| format!("\n{import}\nalias(\"go\", || 1);");
    for (import, place, want) in [
        (
            "import \"lib/nte\" as n;",
            (2, 1),
            "there is no library \"lib/nte\"; did you mean \"lib/net\"?",
        ),
        ("import \"net\" as n;", (2, 1), "`net` is no name of a library"),
        ("import \"/etc/lib/net\" as n;", (2, 1), "no name of a library"),
        ("import \"lib/../lib/net\" as n;", (2, 1), "no name of a library"),
        (
            "import \"lib/a\" as n;",
            (2, 1),
            "these libraries import each other: lib/a.rhai → lib/b.rhai → lib/a.rhai",
        ),
        (
            "import \"lib/alias\" as n;",
            (2, 1),
            "a library declares nothing: `alias` stands in a script",
        ),
        ("import \"lib/says\" as n;", (2, 1), "top level"),
        ("import \"lib/broken\" as n;", (2, 1), "lib/broken.rhai:1:"),
        ("fn f() { import \"lib/net\" as n; }", (2, 10), "`import` stands at the top level"),
        ("let f = || { import \"lib/net\" as n; };", (2, 14), "`import` stands at the top level"),
    ] {
        let source = main(import);
        let (set, problems) = load(&[
            ("lib/net.rhai", "fn port() { 22 }"),
            ("lib/a.rhai", "import \"lib/b\" as b;"),
            ("lib/b.rhai", "import \"lib/a\" as a;"),
            ("lib/alias.rhai", "alias(\"x\", || 1);"),
            ("lib/says.rhai", "say(1);"),
            ("lib/broken.rhai", "let = 1;"),
            ("main.rhai", &source),
        ]);
        assert!(set.scripts.is_empty(), "{import} is accepted");
        let of_main: Vec<&Problem> = problems.iter().filter(|it| it.file == "main.rhai").collect();
        let [problem] = of_main[..] else { panic!("{import}: {problems:?}") };
        assert!(problem.message.contains(want), "{import}: {problem}");
        let row = (problem.line, problem.column);
        assert!(row.0 == place.0 && row.1 >= place.1, "{import}: {problem}");
    }
}

#[test]
fn a_broken_library_is_told_itself() {
    let (_, problems) =
        load(&[("lib/broken.rhai", "\nlet = 1;"), ("lib/says.rhai", "\n\nsay(1);")]);
    let places: Vec<_> = problems.iter().map(|it| (it.file.as_str(), it.line)).collect();
    assert_eq!(places, [("lib/broken.rhai", 2), ("lib/says.rhai", 3)]);
}

#[test]
fn the_version_is_that_of_all_sources() {
    let main = "import \"lib/up\" as up;\nalias(\"go\", || up::f());";
    let up = "import \"lib/net\" as net;\nfn f() { net::port() }";
    let version = |net: &str| {
        let (set, problems) =
            load(&[("lib/net.rhai", net), ("lib/up.rhai", up), ("main.rhai", main)]);
        assert!(problems.is_empty(), "{problems:?}");
        let script = &set.scripts["main.rhai"];
        let files: Vec<_> = script.imports.iter().map(|it| it.file.clone()).collect();
        assert_eq!(files, ["lib/net.rhai", "lib/up.rhai"]);
        script.hash.clone()
    };
    let old = version("fn port() { 22 }");
    assert_eq!(old, version("fn port() { 22 }"));
    assert_ne!(old, version("fn port() { 23 }"), "a library of a library counts");
}

#[test]
fn a_script_imports_so_many_libraries() {
    for (count, fits) in [(IMPORTS_MAX, true), (IMPORTS_MAX + 1, false)] {
        let library: Library =
            (0..count).map(|n| (format!("lib/l{n}.rhai"), "fn f() { 1 }".to_owned())).collect();
        let imports: String =
            (0..count).map(|n| format!("import \"lib/l{n}\" as l{n};\n")).collect();
        let loaded = on_script_thread(move || {
            load_script(&engine(), "t.rhai", &imports, &Arc::new(library))
                .map(|it| it.imports.len())
        });
        match loaded {
            Ok(imports) => assert!(fits && imports == count, "{imports}"),
            Err(problems) => {
                assert!(!fits && problems[0].message.contains("may import 32"), "{problems:?}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_no_library() {
    let outside = tempfile::tempdir().expect("a folder");
    let inside = tempfile::tempdir().expect("a folder");
    let write = |path: std::path::PathBuf, text: &str| std::fs::write(path, text).expect("ours");
    write(outside.path().join("secret.rhai"), "export const SECRET = 1;");
    std::fs::create_dir(inside.path().join("lib")).expect("ours");
    write(inside.path().join("lib/real.rhai"), "fn f() { 1 }");
    let link = |to: &std::path::Path, name: &str| {
        std::os::unix::fs::symlink(to, inside.path().join(name)).expect("ours");
    };
    link(&outside.path().join("secret.rhai"), "lib/secret.rhai");
    link(outside.path(), "lib/more");
    link(std::path::Path::new("real.rhai"), "lib/same.rhai");
    write(inside.path().join("a.rhai"), "import \"lib/secret\" as s;\nalias(\"a\", || 1);");
    write(inside.path().join("b.rhai"), "import \"lib/more/secret\" as s;\nalias(\"b\", || 1);");
    write(inside.path().join("c.rhai"), "import \"lib/same\" as s;\nalias(\"c\", || s::f());");
    let (set, problems) = load_folder(inside.path());
    let loaded: Vec<&String> = set.scripts.keys().collect();
    assert_eq!(loaded, ["c.rhai"], "{problems:?}");
    let out = problems.iter().filter(|it| it.message.contains("leads out of the scripts folder"));
    let out: Vec<_> = out.map(|it| it.file.as_str()).collect();
    assert_eq!(out, ["lib/more/secret.rhai", "lib/secret.rhai"]);
}
