//! Closures: long chains, cycles, what they hold, and races with themselves.

use beadle::domain::budget::{BUDGETS, Budgets};
use beadle::script::engine::STACK_BYTES;

use super::{Attack, handler, hasty, whole};

const MEMORY: &[&str] = &["failed limit: the script's values took more than 64 MiB"];
/// It ends, or a budget ends it.
const ANY: &[&str] = &["returned 1 ", "[scripts] operations_max", "[scripts] memory_bytes_max"];
const CHAIN: &str = "let f = || 0; for i in 0..900000 { let g = f; f = || g; } 1";
const CURRIES: &str = r#"let f = Fn("x"); for i in 0..1000 { f = curry(Fn("x"), f); } 1"#;

pub fn attacks() -> Vec<Attack> {
    let mut all = chains();
    all.extend(cycles());
    all.extend(held());
    all.extend(races());
    all.extend(captured());
    all
}

/// The chain is freed recursively, on the stack of the script's thread.
fn chains() -> Vec<Attack> {
    let mut largest = Budgets::default();
    for budget in BUDGETS {
        *(budget.slot)(&mut largest) = budget.most;
    }
    let roomy =
        |attack: Attack| Attack { budgets: largest, stack_bytes: STACK_BYTES as u64, ..attack };
    vec![
        handler("a chain of closures", CHAIN, ANY),
        handler("a chain of curries", CURRIES, ANY),
        roomy(handler(
            "a chain of closures under the largest budgets",
            CHAIN.replace("900000", "9000000"),
            ANY,
        )),
        handler(
            "a chain of closures in arrays",
            "let f = || 0; for i in 0..900000 { let g = [f]; f = || g; } 1",
            ANY,
        ),
        handler(
            "a chain of closures in maps",
            "let f = || 0; for i in 0..900000 { let g = #{ f: f }; f = || g; } 1",
            ANY,
        ),
    ]
}

/// What nothing frees is bounded by the budget of memory.
fn cycles() -> Vec<Attack> {
    vec![
        handler(
            "cycles of closures",
            "for i in 0..100000 { let a = blob(9000); let f = (); let g = || [a, f]; f = g; } 1",
            MEMORY,
        ),
        handler(
            "many small cycles",
            "loop { let f = (); let g = || f; f = g; }",
            &["memory_bytes_max", "operations_max"],
        ),
        handler(
            "the memory of cycles is caught",
            "loop { try { [1].map(|x| { let a = blob(9000); let f = (); let g = || [a, f]; f = g; }) } catch { } }",
            MEMORY,
        ),
        handler(
            "printing a cycle",
            "let f = (); let g = || f; f = g; print(f); debug(f); debug([f]); to_debug(f); 1",
            &["returned 1 "],
        ),
        handler("throwing a cycle", "let f = (); let g = || f; f = g; throw f;", &["failed"]),
        handler(
            "throwing a cycle in a map",
            "let f = (); let g = || f; f = g; throw #{ message: f };",
            &["failed"],
        ),
        handler("returning a cycle", "let f = (); let g = || f; f = g; f", &["returned"]),
        handler(
            "comparing cycles",
            "let f = (); let g = || f; f = g; f == g",
            &["returned", "failed"],
        ),
        handler(
            "remembering a cycle",
            "let f = (); let g = || f; f = g; remember(\"f\", [f]);",
            &["failed error"],
        ),
        handler(
            "catching a cycle",
            "let f = (); let g = || f; f = g; try { throw f; } catch (e) { say(e); } 1",
            &["returned 1 "],
        ),
    ]
}

fn held() -> Vec<Attack> {
    vec![
        hasty(handler(
            "currying a number",
            r#"let f = Fn("x"); loop { f = curry(f, 1); }"#,
            &["failed limit: "],
        )),
        hasty(handler(
            "currying blobs",
            r#"let f = Fn("x"); loop { f = curry(f, blob(9000)); }"#,
            &["failed limit: "],
        )),
        handler("currying itself", r#"let f = Fn("x"); loop { f = curry(f, f); }"#, MEMORY),
        handler(
            "currying itself many times",
            r#"let f = Fn("x"); loop { f = curry(f, f, f, f, f, f, f, f); }"#,
            MEMORY,
        ),
        handler(
            "a literal of closures that hold much",
            r#"let f = Fn("x"); for i in 0..100 { f = curry(f, blob(9000)); } let a = [];
               loop { a = [f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, a]; }"#,
            &["memory_bytes_max"],
        ),
        handler(
            "closures that hold long texts",
            r#"let s = ""; s.pad(250000, "x"); let f = || 0; let n = 0;
               loop { n += 1; let g = f; let t = s + n; f = || [g, t]; }"#,
            MEMORY,
        ),
    ]
}

/// A closure and its caller want the same value: an error or an end, and no deadlock.
fn races() -> Vec<Attack> {
    let ends: &[&str] = &["returned", "failed"];
    vec![
        handler(
            "changing the list that is walked",
            "let a = [1, 2, 3]; let f = |x| a.push(x); a.for_each(f); a",
            ends,
        ),
        handler(
            "changing what is added to",
            "let x = 1; let f = || { x += 1; x }; x += f.call(); x",
            ends,
        ),
        handler(
            "appending what it gives",
            "let x = [1]; let f = || x; x.append(f.call()); x.push(x); x",
            ends,
        ),
        handler(
            "changing an index while indexing",
            "let x = [0, 1]; let f = || { x[0] = 1; 0 }; x[f.call()] = x[f.call()]; x",
            ends,
        ),
        handler(
            "asking the length while sorting",
            "let x = [3, 1, 2]; let f = |a, b| { x.len(); 1 }; x.sort(f); x",
            ends,
        ),
        handler(
            "changing the map that is filtered",
            "let m = #{ a: 1 }; let f = |k, v| { m.b = 2; true }; m.filter(f)",
            ends,
        ),
        handler("dropping what is walked", "let a = [1, 2]; a.map(|x| { a = (); x })", ends),
        handler(
            "retaining what changes",
            "let a = [1, 2]; a.retain(|x| { a.push(1); true }); a",
            ends,
        ),
    ]
}

/// What would outlive the loading is freed by other threads, and must be shallow.
fn captured() -> Vec<Attack> {
    let refused: &[&str] =
        &["refused: what this handler captures nests deeper than 64, or holds itself"];
    vec![
        whole(
            "a handler that captures a chain",
            "let f = || 0; for i in 0..100000 { let g = f; f = || g; } alias(\"go\", || f.call());",
            refused,
        ),
        whole(
            "a handler that captures itself",
            "let f = (); f = || f; alias(\"go\", || f.call());",
            refused,
        ),
        whole(
            "a handler that captures a cycle",
            "let f = (); let g = || f; f = g; alias(\"go\", || [f, g].len());",
            refused,
        ),
        whole(
            "a handler that captures deep arrays",
            "let a = []; for i in 0..3000 { a = [a]; } alias(\"go\", || a.len());",
            refused,
        ),
        whole(
            "a constant that is deep",
            "fn deep(n) { let a = []; for i in 0..n { a = [a]; } a } const A = deep(3000); alias(\"go\", || 1);",
            &["refused: the constant `A` nests deeper than 64"],
        ),
        whole(
            "a handler that captures what is shallow",
            "let n = 0; let f = |x| x + n; let all = [f, #{ f: f }]; alias(\"go\", || { n += 1; all[0].call(1) + n });",
            &["returned"],
        ),
    ]
}
