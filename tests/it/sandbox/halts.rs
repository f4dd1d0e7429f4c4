//! Ways in which a script might swallow its own end: every function that calls back, each with a wait and with a budget.

use super::{Attack, handler};

/// A function that calls back, over the place of the body.
const SHAPES: [(&str, &str, &str); 16] = [
    ("a wait in map", "a budget in map", "[1].map(|x| { BODY });"),
    ("a wait in filter", "a budget in filter", "[1].filter(|x| { BODY; true });"),
    ("a wait in for_each", "a budget in for_each", "[1].for_each(|| { BODY });"),
    ("a wait in reduce", "a budget in reduce", "[1, 2].reduce(|sum, x| { BODY; 1 });"),
    ("a wait in reduce_rev", "a budget in reduce_rev", "[1, 2].reduce_rev(|sum, x| { BODY; 1 });"),
    ("a wait in sort", "a budget in sort", "[2, 1].sort(|a, b| { BODY; 1 });"),
    ("a wait in find", "a budget in find", "[1].find(|x| { BODY; true });"),
    ("a wait in some", "a budget in some", "[1].some(|x| { BODY; true });"),
    ("a wait in all", "a budget in all", "[1].all(|x| { BODY; true });"),
    ("a wait in retain", "a budget in retain", "let a = [1]; a.retain(|x| { BODY; true });"),
    ("a wait in drain", "a budget in drain", "let a = [1]; a.drain(|x| { BODY; true });"),
    ("a wait in dedup", "a budget in dedup", "let a = [1, 1]; a.dedup(|a, b| { BODY; true });"),
    ("a wait in zip", "a budget in zip", "[1].zip([1], |a, b| { BODY });"),
    ("a wait in index_of", "a budget in index_of", "[1].index_of(|x| { BODY; true });"),
    (
        "a wait in a map's filter",
        "a budget in a map's filter",
        "#{ a: 1 }.filter(|k, v| { BODY; true });",
    ),
    (
        "a wait in maps in maps",
        "a budget in maps in maps",
        "[1].map(|x| { try { [x].map(|y| { BODY }); } catch { } });",
    ),
];

pub fn attacks() -> Vec<Attack> {
    let mut all = vec![];
    for (waits, spends, shape) in SHAPES {
        let caught = |body: &str| {
            let inner = shape.replace("BODY", body);
            format!("try {{ {inner} }} catch {{ say(\"caught\"); }} say(\"after\"); 1")
        };
        all.push(handler(waits, caught("ask(\"q\")"), &["suspended | printed 0 | ask.."]));
        all.push(handler(spends, caught("loop { }"), &["failed limit: the script did 1000000 operations and had not ended (the setting is `[scripts] operations_max`) | printed 0 |"]));
    }
    all.push(handler(
        "a wait that is thrown again",
        "try { try { ask(\"q\"); } catch (e) { throw e; } } catch { say(\"caught\"); } say(\"after\");",
        &["suspended | printed 0 | ask.."],
    ));
    all.push(handler(
        "a wait and then other waits",
        "for i in 0..10 { try { [1].map(|x| ask(`q${i}`)); } catch { } }",
        &["suspended | printed 0 | ask.."],
    ));
    all
}
