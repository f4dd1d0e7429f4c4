//! Sources that are made to hurt the parser, each as long as a script may be.

use beadle::script::source::SCRIPT_BYTES_MAX;

use super::{Attack, whole};

/// It is refused with words, or loaded; nothing else may happen.
const ANY: &[&str] = &["refused: ", "loaded"];

/// As many as fit into a script, with something before and behind.
fn many(before: &str, piece: &str, behind: &str) -> String {
    let room = SCRIPT_BYTES_MAX - before.len() - behind.len();
    format!("{before}{}{behind}", piece.repeat(room / piece.len()))
}

pub fn attacks() -> Vec<Attack> {
    let mut all: Vec<Attack> = vec![];
    for (name, piece) in [
        ("open parentheses", "("),
        ("open braces", "{"),
        ("open brackets", "["),
        ("open maps", "#{a:"),
        ("open templates", "`${"),
        ("open comments", "/*"),
        ("calls in calls", "f("),
        ("indexes in indexes", "a["),
        ("loops in loops", "loop {"),
        ("switches in switches", "switch 1 { 1 => "),
        ("closures in closures", "|x| {"),
        ("conditions in conditions", "if true {"),
        ("functions in functions", "fn f() {"),
        ("tries in tries", "try {"),
        ("quotes", "\""),
        ("backslashes", "\\"),
    ] {
        all.push(whole(name, many("", piece, ""), ANY));
    }
    for (name, before, piece, behind) in [
        ("negations", "let a = ", "!", "true;"),
        ("signs", "let a = ", "-", "1;"),
        ("sums", "let a = ", "1+", "1;"),
        ("sums of a variable", "let a = 1; let b = ", "a+", "a;"),
        ("properties", "let a = #{}; a", ".a", ";"),
        ("optional properties", "let a = #{}; a", "?.a", ";"),
        ("indexes", "let a = []; a", "[0]", ";"),
        ("assignments", "let a = 0; ", "a=", "1;"),
        ("memberships", "let a = [0]; ", "a in ", "a;"),
        ("alternatives", "let a = 0; ", "a ?? ", "a;"),
        ("conjunctions", "let a = true; ", "a && a || ", "a;"),
        ("branches", "if false { } ", "else if false { }\n", "else { }"),
        ("statements", "", "let x = 1;\n", ""),
        ("functions", "", "fn f() { }\n", ""),
        ("strings that are added", "let a = ", "\"xxxxxxxxxxxxxxxx\" + ", "\"x\";"),
        ("a long string", "let x = \"", "x", "\";"),
        ("a long name", "let ", "x", " = 1;"),
        ("a long number", "let x = ", "9", ";"),
        ("cases", "switch 1 { ", "1 => 2, ", "_ => 3 }"),
        ("parameters", "fn f(a", ",a", ") { }"),
        ("methods", "let a = 1; a", ".abs()", ";"),
        ("aliases", "", "alias(\"a\",||1);\n", ""),
        ("semicolons", "", ";", ""),
    ] {
        all.push(whole(name, many(before, piece, behind), ANY));
    }
    all.push(whole("doubled names", names(), ANY));
    all
}

/// As many constants as there is room for.
fn names() -> String {
    let mut source = String::new();
    for nth in 0.. {
        let line = format!("const C{nth} = {nth};\n");
        if source.len() + line.len() > SCRIPT_BYTES_MAX {
            break;
        }
        source.push_str(&line);
    }
    source
}
