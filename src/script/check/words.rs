//! Words that belong to the language, and what to write instead.

/// Each word with what people usually mean by it.
pub const WORDS: &[(&str, &str)] = &[
    (
        "thread",
        "`msg.in_thread` says whether it was said in a thread; for a name of your own write `in_thread`",
    ),
    (
        "match",
        "choose with `switch x { 1 => .., _ => .. }`; texts are matched with `matches(regex, text)`",
    ),
    (
        "default",
        "the other cases of a `switch` are `_ => ..`; a field of this name is read as `e[\"default\"]`",
    ),
    ("with", "write `using`, or read a field of this name as `e[\"with\"]`"),
    ("use", "other files come in with `import \"lib/name\" as name;`"),
    ("is", "compare with `==`"),
    ("go", "write `start`"),
    ("new", "write a map `#{ .. }`; a field of this name is read as `e[\"new\"]`"),
    ("as", "write `by`, or read a field of this name as `e[\"as\"]`"),
    ("in", "write `within` or `inside`; a field of this name is read as `e[\"in\"]`"),
    ("do", "`do { .. } while x` is a loop; for a name write `act`"),
    ("this", "write the name of the value"),
    ("null", "nothing is `()`"),
    ("nil", "nothing is `()`"),
    ("void", "nothing is `()`"),
    ("package", "write `pack`, or read a field of this name as `e[\"package\"]`"),
    ("module", "write `part`, or read a field of this name as `e[\"module\"]`"),
    ("case", "write `switch x { 1 => .., _ => .. }`"),
    ("static", "a value that does not change is `const NAME = ..;`"),
    ("var", "a variable is `let name = ..;`"),
    ("shared", "write `common`, or read a field of this name as `e[\"shared\"]`"),
    ("sync", "write `synchronize`, or read a field of this name as `e[\"sync\"]`"),
    ("async", "nothing is needed: what waits, waits, and nothing of it is in memory meanwhile"),
    ("await", "nothing is needed: what waits, waits, and nothing of it is in memory meanwhile"),
    ("spawn", "several things at once are `all([|| .., || ..])`"),
    ("yield", "a handler gives a value with `return`"),
    ("public", "every function of a library can be used; write `open` for a name"),
    ("protected", "write `guarded`; a function that a library keeps to itself is `private fn`"),
    ("super", "write `parent`"),
    ("goto", "write a function and call it"),
    ("eval", "text is never run as code"),
];

/// What to write instead of a word.
pub fn instead(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, what)| *what)
}

/// The word that a message of the engine is about, if it is one of the language's.
pub fn of_message(message: &str) -> Option<&str> {
    let about = message.contains("reserved") || message.contains("keyword");
    let word = message.split('\'').nth(1).or_else(|| message.split('`').nth(1))?;
    (about && instead(word).is_some()).then_some(word)
}
