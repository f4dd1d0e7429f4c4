//! Formats, commands, times, scripts and data meet arbitrary texts: they are read or refused, and the process goes on.
//!
//! The same bodies run in cargo-fuzz; what that finds is kept in `tests/corpus/<name>/` and read here for ever.

use std::fs;
use std::path::Path;

use beadle::{domain, script};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The kept inputs of a body.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.map(|path| fs::read(path).expect("it can be read")).collect()
}

/// A piece of a kept text, pieces of two, a text of these words, or any bytes.
fn inputs(kept: Vec<Vec<u8>>, words: &[&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let cut = |bytes: &[u8], at: usize| bytes[..at.min(bytes.len())].to_vec();
    let other = kept.clone();
    let spliced = (0..kept.len(), 0..400_usize, 0..kept.len(), 0..400_usize, any::<[u8; 2]>());
    let spliced = spliced.prop_map(move |(one, at, two, from, [edit, byte])| {
        let mut bytes = cut(&other[one], at);
        bytes.extend(other[two].iter().skip(from));
        if let Some(changed) = bytes.get_mut(usize::from(edit)) {
            *changed = byte;
        }
        bytes
    });
    let whole = (0..kept.len(), 0..2_000_usize, any::<u8>()).prop_map(move |(nth, at, byte)| {
        let mut bytes = kept[nth].clone();
        if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        bytes
    });
    let word = prop_oneof![8 => select(words.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    let text = vec(word, 0..16).prop_map(|words| words.concat().into_bytes());
    prop_oneof![3 => spliced, 3 => whole, 5 => text, 1 => vec(any::<u8>(), 0..200)]
}

/// Gives a body its kept inputs, and so many others.
fn holds(name: &str, least: usize, cases: u32, words: &[&'static str], body: fn(&[u8])) {
    let kept = corpus(name);
    assert!(kept.len() >= least, "the corpus of {name} is kept");
    for input in &kept {
        println!("{:?}", String::from_utf8_lossy(input));
        body(input);
    }
    let config = Config { failure_persistence: None, ..Config::with_cases(cases) };
    let done = TestRunner::new(config).run(&inputs(kept, words), |input| {
        body(&input);
        Ok::<(), TestCaseError>(())
    });
    done.unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn any_format_and_any_command_are_read_or_refused() {
    let words = &[
        "deploy",
        " ",
        " ",
        " ",
        "{env}",
        "{n:int}",
        "{t:text}",
        "{d:duration}",
        "{b:bool=yes}",
        "{w:when}",
        "{c: a | b c}",
        "{x?}",
        "[",
        "]",
        "(",
        ")",
        "|",
        "{",
        "}",
        ":",
        "=",
        "\n",
        "\n",
        "env=",
        "\"",
        "'",
        "```",
        "“",
        "—",
        "--",
        "5",
        "2h",
        "yes",
        "web1",
        "b c",
        "\u{200B}",
        "tomorrow at 9",
        "\0",
        "İ",
        "@ann",
        "\\",
    ];
    holds("alias", 10, 250, words, domain::fuzz::alias);
}

#[test]
fn any_time_in_words_is_read_or_refused() {
    let words = &[
        " ",
        " ",
        " ",
        "in",
        "at",
        "next",
        "friday",
        "tomorrow",
        "noon",
        "midnight",
        "9",
        "9:30",
        "2am",
        "02:30",
        "8pm",
        "3",
        "march",
        "29 february",
        "31",
        "2027",
        "2026-03-29",
        "UTC",
        "Europe/London",
        "an hour",
        "and a half",
        "days",
        "weeks",
        "minutes",
        "1.5",
        "h",
        "m",
        "99999999999999999999",
        "-",
        "+",
        ",",
        "every",
        "call ben",
        "١",
        "ſ",
        ".",
    ];
    holds("words", 10, 2_000, words, domain::fuzz::words);
}

#[test]
fn any_data_is_read_or_refused() {
    let words = &[
        "{",
        "}",
        "[",
        "]",
        "\"a\"",
        ":",
        ",",
        "1",
        "-0.0",
        "1e308",
        "0.1",
        "18446744073709551615",
        "null",
        "~",
        "true",
        "\n",
        "\n",
        "a",
        "a: ",
        "- ",
        "  ",
        "&x ",
        "*x",
        "!!str ",
        "|",
        ">",
        "a = ",
        "[a]",
        "[[a]]",
        "2026-03-02",
        "'",
        "\"",
        ";",
        "\\u0000",
        "\u{FEFF}",
        ".nan",
        ".inf",
        "<<: ",
        "? ",
        "#",
        "---\n",
        "\t",
        "\r\n",
        "🦀",
    ];
    holds("data", 10, 1_500, words, script::fuzz::data);
}

#[test]
fn any_file_is_loaded_as_a_script_or_refused() {
    let words = &[
        "alias(\"",
        "a {x}",
        "\"",
        ", ",
        "|a, msg| ",
        "{ ",
        "} ",
        "reply(",
        "`${",
        "a.x",
        "}`",
        ")",
        ";\n",
        "let x = ",
        "const X = ",
        "fn f(n) ",
        "f(",
        "1",
        "x",
        "[",
        "]",
        "#{",
        "if ",
        "while true ",
        "loop ",
        "for i in 0..9 ",
        "action(\"",
        "run: [\"true\"]",
        "test(\"",
        "|chat| ",
        "import \"lib/fuzz\" as l;\n",
        "\n//lib\n",
        "l::f(",
        "export ",
        "throw ",
        "try ",
        "catch ",
        "switch x ",
        "=> ",
        "\\u{",
        "🦀",
        "/*",
        "//! ",
        "0x",
        ".",
        "::",
        "??",
        "eval(",
        "parallel([",
        "within(\"5s\", ",
        "say(",
        "private ",
        "this.",
        "1e999",
        "curry(",
    ];
    holds("script", 10, 24, words, script::fuzz::script);
}
