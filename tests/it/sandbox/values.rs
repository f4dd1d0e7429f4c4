//! Values that grow: strings, arrays, maps, blobs, numbers; and what is too deep for the log.

use super::{Attack, handler, hasty};

const STRING: &[&str] = &["[scripts] string_bytes_max"];
const ARRAY: &[&str] = &["[scripts] array_items_max"];
const MAP: &[&str] = &["[scripts] map_entries_max"];
const MEMORY: &[&str] = &["[scripts] memory_bytes_max"];
/// The engine does not look at a value whose part is set; then what is made of it, or another budget ends it.
const ENDS: &[&str] = &["failed limit: "];
const LETTERS: &str = r#"let s = ""; s.pad(250000, "x");"#;

pub fn attacks() -> Vec<Attack> {
    let mut all = strings();
    all.extend(arrays());
    all.extend(maps());
    all.extend(numbers());
    all.extend(depth());
    all
}

fn strings() -> Vec<Attack> {
    let on = |step: &str| format!("{LETTERS} {step}");
    vec![
        handler("doubling a string", r#"let s = "x"; loop { s += s; }"#, STRING),
        handler("doubling in a template", r#"let s = "x"; loop { s = `${s}${s}`; }"#, STRING),
        handler("doubling in a map", r#"let m = #{ s: "x" }; loop { m.s += m.s; }"#, STRING),
        handler("doubling in an array", r#"let a = ["x"]; loop { a[0] += a[0]; }"#, STRING),
        handler("padding a string", r#"let s = ""; s.pad(1000000000000, "x");"#, STRING),
        handler(
            "padding with a long string",
            on(r#"let t = ""; t.pad(250001, s);"#),
            &["returned", "string_bytes_max"],
        ),
        handler(
            "padding to less than nothing",
            r#"let s = "x"; s.pad(-5, "x"); s"#,
            &[r#"returned "x""#],
        ),
        handler("replacing by itself", on(r#"s.replace("x", s);"#), STRING),
        handler("replacing a character by a string", on(r#"s.replace('x', s);"#), STRING),
        handler(
            "replacing by itself, smaller",
            r#"let s = ""; s.pad(20000, "x"); s.replace("x", s);"#,
            STRING,
        ),
        handler(
            "replacing a string by a character",
            on(r#"s.replace("xx", 'y'); s.len()"#),
            &["returned 125000"],
        ),
        handler("multiplying a string", r#""x" * 1000000000"#, &["failed"]),
        handler("splitting at every character", on(r#"s.split("").len()"#), ARRAY),
        handler("a string of strings", on("let a = [s]; loop { a = [`${a}${a}`]; }"), STRING),
        handler("escapes in escapes", on(r#"let t = s; loop { t = [[t]].to_debug(); }"#), STRING),
        handler("many long strings in an array", on("let a = []; loop { a.push(s); }"), STRING),
        handler(
            "many long strings in a map",
            on("let m = #{}; let n = 0; loop { n += 1; m[`${n}`] = s; }"),
            ENDS,
        ),
        handler(
            "long strings one after another",
            on("for i in 0..3000 { let t = s + i; t += \"y\"; } 1"),
            &["returned 1", "[scripts] slice_time"],
        ),
    ]
}

fn arrays() -> Vec<Attack> {
    vec![
        handler("pushing", "let a = []; loop { a.push(1); }", ARRAY),
        handler("doubling an array", "let a = [1]; loop { a += a; }", ARRAY),
        handler("appending itself", "let a = [1]; loop { a.append(a); }", ARRAY),
        handler("inserting", "let a = [1]; loop { a.insert(0, 1); }", ARRAY),
        handler("splicing itself", "let a = [1]; loop { a.splice(0, 0, a); }", ARRAY),
        handler("padding an array", "let a = []; a.pad(1000000000000, 1);", ARRAY),
        handler(
            "padding with an array",
            "let z = []; z.pad(9000, 1); let a = []; a.pad(9000, z);",
            ARRAY,
        ),
        handler(
            "padding with a closure that holds an array",
            r#"let z = []; z.pad(9000, 1); let f = Fn("x").curry(z); let a = []; a.pad(9999, f);"#,
            &["array_items_max", "memory_bytes_max"],
        ),
        handler(
            "a list of closures that hold arrays",
            r#"let z = []; z.pad(9000, 1); let f = Fn("x").curry(z); let a = []; for i in 0..9000 { a.push(f); }"#,
            MEMORY,
        ),
        handler("a range as a list", "let a = []; for i in 0..1000000000 { a.push(i) }", ARRAY),
        handler("arrays in arrays", "let a = []; loop { a = [a, a]; }", ARRAY),
        hasty(handler("one array in another", "let a = []; loop { a = [a]; }", ENDS)),
        handler("a blob", "blob(1000000000000)", ARRAY),
        handler("padding a blob", "let b = blob(1); b.pad(1000000000000, 1); b", ARRAY),
        handler("doubling a blob", "let b = blob(1); loop { b += b; }", ARRAY),
        handler("a blob of text", r#"let s = ""; s.pad(250000, "x"); s.to_blob()"#, ARRAY),
        handler("mapping a range", "(0..1000000000).map(|x| x)", &["failed"]),
    ]
}

fn maps() -> Vec<Attack> {
    vec![
        handler("filling a map", "let m = #{}; let i = 0; loop { i += 1; m[`k${i}`] = i; }", ENDS),
        handler("maps in maps", "let m = #{}; loop { m = #{ a: m, b: m }; }", MAP),
        hasty(handler("one map in another", "let m = #{}; loop { m = #{ a: m }; }", ENDS)),
        handler(
            "mixing maps",
            "let m = #{}; let i = 0; loop { let n = #{}; for k in 0..99 { i += 1; n[`k${i}`] = k; } m.mixin(n); }",
            ENDS,
        ),
        handler(
            "filling with maps",
            "let m = #{}; let i = 0; loop { let n = #{}; for k in 0..99 { i += 1; n[`k${i}`] = k; } m.fill_with(n); }",
            MAP,
        ),
        handler(
            "the limit of maps is caught",
            "let m = #{}; let i = 0; loop { try { i += 1; [1].for_each(|| { m[`k${i}`] = i; }); } catch { } }",
            &["[scripts] operations_max", "[scripts] slice_time", "[scripts] map_entries_max"],
        ),
        handler("deep JSON", r#"let s = ""; s.pad(100000, "["); parse_json(s)"#, &["failed"]),
        handler(
            "deep JSON of maps",
            r#"let s = ""; for i in 0..20000 { s += "{\"a\":"; } parse_json(s)"#,
            &["failed"],
        ),
        handler(
            "wide JSON",
            r#"let s = "[1"; s.pad(200001, ",1"); s += "]"; parse_json(`{"a":${s}}`)"#,
            &["failed"],
        ),
    ]
}

fn numbers() -> Vec<Attack> {
    let fails: &[&str] = &["failed error"];
    vec![
        handler("adding beyond the end", "9223372036854775807 + 1", fails),
        handler("multiplying beyond the end", "let n = 3; loop { n *= n; }", fails),
        handler("a power beyond the end", "2 ** 9999999999", fails),
        handler("dividing by nothing", "1 / 0", fails),
        handler("the rest of nothing", "1 % 0", fails),
        handler("the least divided by -1", "(-9223372036854775807 - 1) / -1", fails),
        handler("shifting far", "1 << 99999999999", &["failed", "returned"]),
        handler("the least without its sign", "abs(-9223372036854775807 - 1)", fails),
        handler("not a number as a place", "[1][0.0 / 0.0]", fails),
        handler("a step of nothing", "for i in range(0, 10, 0) { }", &["failed", "returned"]),
        handler(
            "a step beyond the end",
            "for i in range(9223372036854775800, 9223372036854775807, 5) { } 1",
            &["returned 1", "failed"],
        ),
        handler(
            "bits without an end",
            "let n = 5; for b in n.bits(0..9999999999) { }",
            &["failed", "returned"],
        ),
        handler(
            "cutting at the ends of numbers",
            r#""abc".sub_string(-9223372036854775807, 9223372036854775807)"#,
            &["returned"],
        ),
        handler(
            "splicing at the ends of numbers",
            "let a = [1, 2]; a.splice(-9223372036854775807, 9223372036854775807, [1]); a",
            &["returned"],
        ),
        handler(
            "extracting beyond the end",
            "[1].extract(9223372036854775807, 9223372036854775807)",
            &["returned"],
        ),
        handler(
            "a blob's numbers beyond its end",
            "blob(3).parse_le_int(9223372036854775807, 8)",
            &["returned"],
        ),
    ]
}

/// What nests too deep for the log is refused where it would be written.
fn depth() -> Vec<Attack> {
    const DEEP: &str = "let a = [1]; for i in 0..200 { a = [a]; }";
    const DEEPEST: &str = "let a = [1]; for i in 0..3000 { a = [a]; }";
    let refused: &[&str] = &["nests deeper than 48"];
    vec![
        handler("remembering what is deep", format!("{DEEP} remember(\"k\", a);"), refused),
        handler("remembering what is deepest", format!("{DEEPEST} remember(\"k\", a);"), refused),
        handler("acting on what is deep", format!("{DEEP} exec(\"x\", #{{ a: a }});"), refused),
        handler(
            "returning what is deepest",
            format!("{DEEPEST} a"),
            &["returned \"(a value that nests too deep)\""],
        ),
        handler("throwing what is deepest", format!("{DEEPEST} throw a;"), &["failed error"]),
        handler(
            "throwing a map of what is deepest",
            format!("{DEEPEST} throw #{{ kind: a, message: a }};"),
            &["failed"],
        ),
        handler("saying what is deepest", format!("{DEEPEST} say(a);"), &["returned"]),
        handler(
            "printing what is deepest",
            format!("{DEEPEST} print(a); debug(a);"),
            &["returned"],
        ),
        handler(
            "comparing what is deepest",
            format!("{DEEPEST} let b = a; a == b"),
            &["returned", "failed"],
        ),
        handler(
            "writing JSON of what is deep",
            "let m = #{ x: 1 }; for i in 0..1900 { m = #{ m: m }; } m.to_json().len()",
            &["returned", "failed"],
        ),
        handler("throwing something long", format!("{LETTERS} throw s;"), &["failed error: xxxx"]),
    ]
}
