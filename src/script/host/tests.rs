//! The table and the engine agree, and every example runs.

use std::collections::BTreeSet;

use super::bot::{LOG_BYTES_MAX, TIME_FORMAT_BYTES_MAX};
use super::table::Place;
use super::talk::REACTION_BYTES_MAX;
use super::trial::body;
use super::*;
use crate::domain::named::FIELDS_BYTES_MAX;
use crate::script::run::End;

/// What the engine knows of our functions: name and number of arguments.
fn registered() -> BTreeSet<(String, usize)> {
    let mut engine = Engine::new_raw();
    register(&mut engine);
    let json = engine.gen_fn_metadata_to_json(false).expect("metadata is JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("metadata is JSON");
    let functions = json["functions"].as_array().expect("a list of functions").iter();
    let row = |function: &serde_json::Value| {
        let arity = function["numParams"].as_u64().expect("a number") as usize;
        (function["name"].as_str().expect("a name").to_owned(), arity)
    };
    // Operators, properties, and how values are printed belong to types.
    let ours = |(name, _): &(String, usize)| {
        let word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        word && !matches!(name.as_str(), "to_string" | "to_debug" | "print" | "debug")
    };
    functions.map(row).filter(ours).collect()
}

#[test]
fn the_table_and_the_engine_agree() {
    let forms = |row: &HostFn| {
        let arities = row.forms.iter().map(table::Form::arity);
        arities.map(|arity| (row.name.to_owned(), arity)).collect::<Vec<_>>()
    };
    let written: BTreeSet<_> = table().flat_map(forms).collect();
    let registered = registered();
    let missing: Vec<_> = written.difference(&registered).collect();
    let unknown: Vec<_> = registered.difference(&written).collect();
    assert!(missing.is_empty(), "in the table and not in the engine: {missing:?}");
    assert!(unknown.is_empty(), "in the engine and not in the table: {unknown:?}");
}

#[test]
fn every_row_is_whole() {
    let mut names = BTreeSet::new();
    for row in table() {
        assert!(names.insert(row.name), "two rows for `{}`", row.name);
        assert!(row.help.ends_with('.') && !row.example.is_empty(), "{}", row.name);
        assert!(!row.forms.is_empty(), "{}", row.name);
        let takes = row.forms.iter().flat_map(|form| form.params);
        let takes = takes.filter(|param| param.kind == table::Kind::Options).count();
        assert_eq!(takes > 0, !row.options.is_empty(), "options of `{}`", row.name);
        assert!(row.class.is_some() || !row.waits, "`{}` waits and is not recorded", row.name);
        let top = matches!(row.place, Place::TopLevel);
        assert!(!top || row.class.is_none(), "`{}` is an effect at the top level", row.name);
    }
}

#[test]
fn every_example_runs_and_reads_the_options_of_its_row() {
    for row in table() {
        let asked = trial::example(row).unwrap_or_else(|why| panic!("`{}`: {why}", row.name));
        let options: BTreeSet<&str> = row.options.iter().map(|option| option.name).collect();
        assert_eq!(asked, options, "the options that the code of `{}` reads", row.name);
    }
}

#[test]
fn a_call_that_fits_nothing_is_told_what_does() {
    for (signature, want) in [
        ("now (i64, map)", "no form of `now` takes (int, map); it takes: now()"),
        (
            "ask (array)",
            "no form of `ask` takes (list); it takes: ask(question) · ask(question, #{ from, choices, timeout, or_else, remind, then })",
        ),
        ("sya (f64)", "there is no function `sya` that takes (number)"),
    ] {
        assert_eq!(wrong_call(signature), want, "{signature}");
    }
}

#[test]
fn near_names_are_suggested() {
    for (given, want) in [("sya", Some("say")), ("rply", Some("reply")), ("launch_rocket", None)] {
        assert_eq!(nearest(given, table().map(|row| row.name)), want, "{given}");
    }
}

#[test]
fn durations_are_texts_or_seconds() {
    for (value, want) in [
        (Dynamic::from("15m"), Some(900_000)),
        (Dynamic::from(2_i64), Some(2_000)),
        (Dynamic::from(0.5), Some(500)),
        (Dynamic::from(-1_i64), None),
        (Dynamic::from("soon"), None),
        (Dynamic::from(true), None),
    ] {
        assert_eq!(milliseconds(&value).ok(), want, "{value}");
    }
}

/// What a function takes in bytes, it takes to the last one and no more.
#[test]
fn texts_of_functions_are_bounded() {
    let fields = FIELDS_BYTES_MAX - r#"{"x":""}"#.len();
    for (call, most, want) in [
        ("emit(\"a.b\", #{ x: TEXT })", fields, "a trigger may have 32768 bytes of fields"),
        ("react(TEXT)", REACTION_BYTES_MAX, "an emoji has 1 to 64 bytes"),
        ("log(\"info\", TEXT)", LOG_BYTES_MAX, "`log` takes 4096 bytes of text"),
        ("format_time(now(), \"UTC\", TEXT)", TIME_FORMAT_BYTES_MAX, "200 bytes"),
    ] {
        for (bytes, fits) in [(most, true), (most + 1, false)] {
            let text = format!("\"{}\"", "x".repeat(bytes));
            let told = match body(&call.replace("TEXT", &text)).end {
                End::Failed(failure) => failure.message,
                _ => String::new(),
            };
            assert_eq!(told.contains(want), !fits, "{call} with {bytes} bytes: {told}");
            assert_eq!(told.is_empty(), fits, "{call} with {bytes} bytes: {told}");
        }
    }
}

/// What a script says, notes and raises is the log's: only what the script itself holds on to is left behind.
#[test]
fn no_function_leaves_anything_behind() {
    let storm = "for n in 0..80 { alert(`disk/web${n}`, `web${n}: disk full`, #{ host: `web${n}`, source: \"disk\" }); }";
    let rows = table().filter(|row| matches!(row.place, Place::Handler | Place::Anywhere));
    let rows = rows.map(|row| (row.name, row.example)).chain([("a storm of alerts", storm)]);
    let mut leaky = vec![];
    for (name, example) in rows {
        // A version of its own: other tests run the examples at the same time.
        let left = body(&format!("/* left */ {example}")).left;
        if left > 0 {
            leaky.push(format!("{name}: {left}"));
        }
    }
    assert!(leaky.is_empty(), "bytes that are left behind:\n{}", leaky.join("\n"));
}
