//! The rules of the house, held against our own source: layers, purity, first lines, sizes, documentation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest source file in lines.
const FILE_LINES_MAX: usize = 600;

/// The layers and what each may use besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("script", &["domain"]),
    ("adapter", &["domain"]),
    ("config", &["domain"]),
    ("query", &["domain", "store", "script", "adapter", "config"]),
    ("processor", &["domain", "store", "script", "adapter", "config", "query"]),
    ("web", &["domain", "store", "adapter", "config", "query", "processor"]),
    (
        "app",
        &["domain", "store", "script", "adapter", "config", "query", "processor", "control", "web"],
    ),
    ("control", &["domain", "store", "script", "adapter", "config", "query", "processor", "app"]),
    (
        "play",
        &["domain", "store", "script", "adapter", "config", "query", "processor", "app", "control"],
    ),
    (
        "cli",
        &[
            "domain",
            "store",
            "script",
            "adapter",
            "config",
            "query",
            "processor",
            "app",
            "control",
            "web",
            "play",
        ],
    ),
];

/// What has no place in code that decides.
const IMPURE: &[&str] =
    &["async", "tokio", "sled", "matrix_sdk", "SystemTime", "HashMap", "fs", "Instant", "rand"];

/// A piece of source that is neither a comment nor inside a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

/// A name from another layer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    line: usize,
    layer: String,
}

#[test]
fn layers_point_one_way() {
    let mut wrong = vec![];
    for file in rust_files("src") {
        let Some(layer) = layer_of(&file) else { continue };
        let rule = LAYERS.iter().find(|(name, _)| *name == layer);
        let Some((_, allowed)) = rule else {
            wrong.push(format!("{}: `{layer}` is in no layer: add it to LAYERS", file.display()));
            continue;
        };
        for used in uses(&tokens(&read(&file)), &module_of(&file)) {
            let known = LAYERS.iter().any(|(name, _)| *name == used.layer);
            if known && used.layer != layer && !allowed.contains(&used.layer.as_str()) {
                let (at, line) = (file.display(), used.line);
                wrong.push(format!("{at}:{line}: `{layer}` must not use `{}`", used.layer));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_decides_is_pure() {
    let mut wrong = vec![];
    for file in rust_files("src/domain") {
        for token in tokens(&read(&file)) {
            if IMPURE.contains(&token.text.as_str()) {
                wrong.push(format!("{}:{}: `{}`", file.display(), token.line, token.text));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_with_a_sentence() {
    let starts = |file: &PathBuf| read(file).starts_with("//! ");
    let wrong: Vec<PathBuf> = all_rust_files().into_iter().filter(|file| !starts(file)).collect();
    assert!(wrong.is_empty(), "no `//!` in the first line of {wrong:?}");
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = vec![];
    for file in all_rust_files() {
        let lines = read(&file).lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines; split it by idea", file.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn people_and_machines_run_the_same_tests() {
    assert!(read(&root().join("README.md")).contains("make test"), "README.md names `make test`");
    let ci = read(&root().join(".ci/run"));
    assert!(ci.lines().any(|line| line.trim() == "make test"), ".ci/run calls `make test`");
}

#[test]
fn every_subcommand_shows_an_example() {
    fn walk(command: &mut clap::Command, path: &str, wrong: &mut Vec<String>) {
        let help = command.render_long_help().to_string();
        if !help.contains("Example: beadle") {
            wrong.push(path.to_owned());
        }
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name());
            walk(inner, &path, wrong);
        }
    }
    let mut wrong = vec![];
    walk(&mut beadle::cli::command(), "beadle", &mut wrong);
    assert!(wrong.is_empty(), "no example in the help of: {}", wrong.join(", "));
}

/// What the bot says by itself stands in `domain/words`, so that a sentence is found, changed and judged in one place.
#[test]
fn what_the_bot_says_stands_in_one_place() {
    let mut wrong = vec![];
    for file in
        ["src/domain", "src/processor", "src/query", "src/app"].into_iter().flat_map(rust_files)
    {
        let source = read(&file);
        let written = source.split("#[cfg(test)]").next().unwrap_or_default();
        let at_home = file.starts_with("src/domain/words") || file.ends_with("message.rs");
        let tests = file.to_string_lossy().ends_with("_tests.rs");
        for said in spoken(written).iter().filter(|_| !at_home && !tests) {
            wrong.push(format!("{}: {said}: it belongs into `domain/words`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_said_where_it_is_written_is_found() {
    for (source, found) in [
        ("Doc::text(\"Good morning, all.\")", 1),
        ("Doc::text(&format!(\n    \"Good morning, {name}.\"\n))", 1),
        ("let text = format!(\"Good morning.\");\nDoc::text(&text)", 1),
        ("let told = \"x\";\nDoc::text(told)", 1),
        ("// Doc::text(\"x\")", 0),
        ("let text = words::morning(name);\nDoc::text(&text)", 0),
        ("Doc::text(&words::morning())", 0),
    ] {
        assert_eq!(spoken(source).len(), found, "{source}");
    }
}

/// Texts that are made into something to be said where they are written: as they are, formatted, or by way of a name.
fn spoken(source: &str) -> Vec<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| line.chars()).filter(|c| !c.is_whitespace()).collect();
    let mut found = vec![];
    for (at, _) in code.match_indices("Doc::text(") {
        let inside = &code[at + "Doc::text(".len()..];
        let inside = inside.strip_prefix('&').unwrap_or(inside);
        let name: String =
            inside.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let literal = |text: &str| text.starts_with('"') || text.starts_with("format!(\"");
        // Only what was given that name shortly before counts: names are short and used again.
        let near = code[..at].char_indices().rev().nth(400).map_or(0, |(from, _)| from);
        let given = code[near..at].rfind(&format!("let{name}="));
        let given = given.filter(|_| !name.is_empty()).map(|from| &code[near + from..at]);
        let given = given.and_then(|text| text.split_once('=')).map_or("", |(_, text)| text);
        if literal(inside) || literal(given) {
            found.push(inside.chars().take(60).collect());
        }
    }
    found
}

#[test]
fn tokens_are_neither_comments_nor_texts() {
    for (source, want) in [
        ("a // tokio\nb", "a b"),
        ("a /* x /* tokio */ y */ b", "a b"),
        (r#"f("tokio \" x", 'x', '\'')"#, "f ( , , )"),
        (r##"f(r#"a "tokio" b"#, b"x", br"y", c"z")"##, "f ( , , , )"),
        (
            "fn f<'a>(x: &'a str) -> u8 { 'l: loop {} }",
            "fn f < > ( x : & str ) - > u8 { : loop { } }",
        ),
        ("r#type::x 0x1f 1.5", "type : : x 0x1f 1 . 5"),
    ] {
        let got: Vec<String> = tokens(source).into_iter().map(|token| token.text).collect();
        assert_eq!(got.join(" "), want, "{source}");
    }
}

#[test]
fn uses_of_other_layers_are_found() {
    let module = ["adapter".to_owned(), "matrix".to_owned(), "sync".to_owned()];
    for (source, want) in [
        ("use crate::store::Clock;", "store"),
        ("use crate::{domain::id::Version, store};", "domain store"),
        ("use crate::{domain::{id, event}, script::{run}};", "domain script"),
        ("fn f() { crate::processor::x(); }", "processor"),
        ("json!({ \"a\": crate::query::x() })", "query"),
        ("use super::client::Matrix;", ""),
        ("use super::super::render;", ""),
        ("use super::super::super::store::X;", "store"),
        ("use super::super::super::{store::X, domain};", "store domain"),
        ("mod tests { use super::*; use super::super::super::x; }", ""),
        ("mod tests { use super::super::super::super::query::x; }", "query"),
        ("pub(crate) fn f() {} pub(super) fn g() {}", ""),
        ("// crate::store\n", ""),
    ] {
        let found = uses(&tokens(source), &module);
        let layers: Vec<&str> = found.iter().map(|used| used.layer.as_str()).collect();
        assert_eq!(layers.join(" "), want, "{source}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{file:?}: {why}"))
}

/// All Rust files below a folder, from the root of the repository, in order.
fn rust_files(folder: &str) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.expect("our own source can be read");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.insert(path);
            }
        }
    }
    files
}

fn all_rust_files() -> BTreeSet<PathBuf> {
    ["src", "tests", "examples", "benches"].into_iter().flat_map(rust_files).collect()
}

/// `src/adapter/matrix/sync.rs` → `adapter matrix sync`; `mod.rs` is its folder.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").expect("a file below src").with_extension("");
    let mut parts: Vec<String> =
        inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The layer that a file is in; the two roots are in none.
fn layer_of(file: &Path) -> Option<String> {
    let first = module_of(file).into_iter().next()?;
    (first != "lib" && first != "main").then_some(first)
}

/// The names behind `crate::`, and behind as many `super::` as lead to the root.
fn uses(tokens: &[Token], module: &[String]) -> Vec<Use> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let path = |at: usize| text(at) == ":" && text(at + 1) == ":";
    let mut found = vec![];
    let mut depth = 0_usize;
    let mut inner: Vec<usize> = vec![];
    let mut at = 0;
    while at < tokens.len() {
        match text(at) {
            "{" => {
                depth += 1;
                if at >= 2 && text(at - 2) == "mod" {
                    inner.push(depth);
                }
            }
            "}" => {
                inner.retain(|opened| *opened < depth);
                depth = depth.saturating_sub(1);
            }
            "crate" if path(at + 1) => found.extend(heads(tokens, at + 3)),
            "super" if path(at + 1) => {
                let mut steps = 1;
                while text(at + 3) == "super" && path(at + 4) {
                    steps += 1;
                    at += 3;
                }
                if steps >= module.len() + inner.len() {
                    found.extend(heads(tokens, at + 3));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of a path or of a group of paths.
fn heads(tokens: &[Token], at: usize) -> Vec<Use> {
    let head = |token: &Token| Use { line: token.line, layer: token.text.clone() };
    let Some(first) = tokens.get(at) else { return vec![] };
    if first.text != "{" {
        return vec![head(first)];
    }
    let (mut found, mut depth, mut begins) = (vec![], 0_usize, true);
    for token in &tokens[at..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," if depth == 1 => begins = true,
            _ if depth == 1 && begins => {
                found.push(head(token));
                begins = false;
            }
            _ => {}
        }
    }
    found
}

/// Names, numbers and marks, without comments, texts, characters and lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut found, mut at, mut line) = (vec![], 0, 1);
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_comment(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment(&chars, at),
            '"' => quoted(&chars, at),
            '\'' => character_or_lifetime(&chars, at),
            c if c.is_alphanumeric() || c == '_' => {
                let end = word(&chars, at);
                let text: String = chars[at..end].iter().collect();
                match (text.as_str(), chars.get(end)) {
                    ("b" | "c", Some('"')) => quoted(&chars, end),
                    ("b", Some('\'')) => character_or_lifetime(&chars, end),
                    ("r" | "br" | "cr", Some('"' | '#')) => match raw(&chars, end) {
                        Some(end) => end,
                        None => end + 1,
                    },
                    _ => {
                        found.push(Token { line, text });
                        end
                    }
                }
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token { line, text: c.to_string() });
                }
                at + 1
            }
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    found
}

fn word(chars: &[char], at: usize) -> usize {
    let inside = |c: &char| c.is_alphanumeric() || *c == '_';
    at + chars[at..].iter().take_while(|c| inside(c)).count()
}

fn line_comment(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|c| **c != '\n').count()
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of a text that begins with a quotation mark.
fn quoted(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `"…"` or `#"…"#`; none for a raw name, `r#type`.
fn raw(chars: &[char], at: usize) -> Option<usize> {
    let marks = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + marks) != Some(&'"') {
        return None;
    }
    let closes = |end: &usize| {
        chars[*end] == '"'
            && chars[end + 1..].iter().take(marks).filter(|c| **c == '#').count() == marks
    };
    let end = (at + marks + 1..chars.len()).find(closes);
    Some(end.map_or(chars.len(), |end| end + 1 + marks))
}

/// The end of `'x'`, `'\n'` or `'name`.
fn character_or_lifetime(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = chars.iter().skip(at + 3).take_while(|c| **c != '\'').count();
            (at + 4 + rest).min(chars.len())
        }
        (Some(_), Some('\'')) => at + 3,
        _ => word(chars, at + 1),
    }
}
