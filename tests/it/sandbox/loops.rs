//! Loops without an end, and single steps that take long.

use super::{Attack, handler, hasty, whole};

const OPERATIONS: &[&str] = &["failed limit: the script did 1000000 operations"];
/// Whichever comes first depends on the machine.
const LONG: &[&str] = &["[scripts] slice_time", "[scripts] operations_max"];

pub fn attacks() -> Vec<Attack> {
    let mut all = endless();
    all.extend(long_steps());
    all.extend(at_load());
    all
}

fn endless() -> Vec<Attack> {
    vec![
        handler("loop", "loop { }", OPERATIONS),
        handler("while true", "while true { continue; }", OPERATIONS),
        handler("do until false", "do { } until false", OPERATIONS),
        handler(
            "counting to the end of numbers",
            "let n = 0; for i in 0..9000000000000000000 { n = i; }",
            OPERATIONS,
        ),
        handler("an endless loop that catches", "loop { try { throw 1 } catch { } }", OPERATIONS),
        handler("loops in loops", "loop { loop { if true { break; } } }", OPERATIONS),
        handler("a closure in a loop", "let f = |x| x + 1; loop { f.call(1); }", OPERATIONS),
        handler(
            "a switch in a loop",
            "let n = 0; loop { n = switch n { 0 => 1, _ => 0 }; }",
            OPERATIONS,
        ),
        handler("characters in a loop", r#"loop { for c in "abc" { } }"#, OPERATIONS),
        handler(
            "the limit is caught in a loop",
            "loop { try { [1].map(|x| { loop { } }) } catch { } }",
            OPERATIONS,
        ),
        handler("a comparer that never agrees", "loop { [3, 1, 2].sort(|a, b| 1); }", OPERATIONS),
    ]
}

/// Each step is one native function over as much as the budgets allow.
fn long_steps() -> Vec<Attack> {
    const NUMBERS: &str = "let a = []; a.pad(9999, 1);";
    const LETTERS: &str = r#"let s = ""; s.pad(250000, "x");"#;
    let on = |start: &str, step: &str| format!("{start} loop {{ {step} }}");
    let handler = |name, body: String, wanted| hasty(handler(name, body, wanted));
    vec![
        handler("looking for an item", on(NUMBERS, "a.contains(2);"), LONG),
        handler("looking for a place", on(NUMBERS, "a.index_of(2);"), LONG),
        handler("comparing arrays", on(NUMBERS, "a == a;"), LONG),
        handler("sorting", on(NUMBERS, "a.sort(); a.reverse();"), LONG),
        handler("removing doubles", on(NUMBERS, "let b = a; b.dedup();"), LONG),
        handler("copying", on(NUMBERS, "let b = a + [];"), LONG),
        handler("zipping", on(NUMBERS, "a.zip(a, |x, y| x);"), LONG),
        handler("adding up", on(NUMBERS, "a.reduce(|sum, x| 1, 0);"), LONG),
        handler("looking for a text", on(LETTERS, r#"s.contains("xxxxxxxxxxxxxxxxxxxxy");"#), LONG),
        handler("upper case", on(LETTERS, "s.to_upper();"), LONG),
        handler("splitting", on(LETTERS, r#"try { s.split("y"); } catch { }"#), LONG),
        handler("cutting", on(LETTERS, "s.sub_string(1, 240000);"), LONG),
        handler("replacing", on(LETTERS, r#"s.replace("x", "y"); s.replace('y', 'x');"#), LONG),
        handler(
            "writing JSON",
            on("let m = #{}; for i in 0..1999 { m[`k${i}`] = i; }", "m.to_json();"),
            LONG,
        ),
        handler("writing a list", on(NUMBERS, "a.to_string();"), LONG),
    ]
}

/// The top level of a script has the same budgets.
fn at_load() -> Vec<Attack> {
    vec![
        whole(
            "a loop at the top level",
            "loop { }",
            &["refused: the script did 1000000 operations"],
        ),
        whole(
            "a loop at the top level that catches",
            "try { [1].map(|x| { loop { } }) } catch { }",
            &["refused: the script did 1000000 operations"],
        ),
        hasty(whole(
            "long steps at the top level",
            "let a = []; a.pad(9999, 1); loop { a.contains(2); }",
            LONG,
        )),
        whole(
            "memory at the top level",
            "loop { let a = blob(9000); let f = (); let g = || [a, f]; f = g; }",
            &["refused: the script's values took more than 64 MiB"],
        ),
        hasty(whole(
            "declarations without an end",
            "let n = 0; loop { n += 1; try { alias(`do${n}`, || 1); } catch { } }",
            &["refused: "],
        )),
    ]
}
