//! What must hold of every file that is loaded as a script, and of every text that a script reads: the bodies of fuzz
//! targets.

use rhai::{Array, Dynamic, Engine, Scope};

use super::engine::engine;
use super::load::load_each;
use super::problem::Problem;
use super::source::SCRIPT_BYTES_MAX;
use crate::domain::budget::Budgets;

/// What parts a script from the library that it may import.
const BEHIND: &str = "\n//lib\n";
/// The file of the script.
const FILE: &str = "fuzz.rhai";
/// The file of its library.
const LIBRARY: &str = "lib/fuzz.rhai";

thread_local! {
    static ENGINE: Engine = engine();
}

/// Loads bytes as a script, and what stands behind a line `//lib` as its library: nothing panics or goes on for ever, it
/// is loaded or there is a problem at a place that there is, and the same is said twice.
///
/// # Panics
/// If that is not so.
pub fn script(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SCRIPT_BYTES_MAX / 4)]);
    let (source, library) = match text.split_once(BEHIND) {
        Some((source, library)) => (source, Some(library)),
        None => (&*text, None),
    };
    let said = loaded(source, library);
    let (hash, problems) = &said;
    let own = problems.iter().any(|problem| problem.file == FILE && problem.is_error());
    assert_eq!(hash.is_none(), own, "{source:?}: {problems:?}");
    for problem in problems {
        let whole = if problem.file == LIBRARY { library.unwrap_or_default() } else { source };
        placed(problem, whole);
    }
    assert_eq!(loaded(source, library), said, "{source:?}");
}

/// What comes of loading: the version of the script, and all problems.
fn loaded(source: &str, library: Option<&str>) -> (Option<String>, Vec<Problem>) {
    let library = library.map(|library| (LIBRARY.to_owned(), library.to_owned()));
    let sources = library.into_iter().chain([(FILE.to_owned(), source.to_owned())]).collect();
    // Operations end a script before the clock does: what is said does not hang on the machine.
    let budgets = Budgets { operations_max: 10_000, slice_time_ms: 60_000, ..Budgets::default() };
    let loaded = load_each(sources, &budgets);
    let hash = loaded.scripts.get(FILE).map(|script| script.hash.0.clone());
    (hash, loaded.problems)
}

fn placed(problem: &Problem, source: &str) {
    assert!(!problem.message.is_empty(), "{problem:?}");
    let lines = source.split('\n').count();
    assert!(problem.line as usize <= lines, "{problem:?} of {lines} lines: {source:?}");
}

/// Reads bytes in every format that scripts can read: nothing panics, and what is written of what was read is read again
/// as the same.
///
/// # Panics
/// If that is not so.
pub fn data(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for reader in ["parse_json", "parse_yaml", "parse_toml", "parse_csv"] {
        let Some(value) = done(&format!("{reader}(it)"), text.to_string().into()) else { continue };
        let Some(json) = done("to_json(it)", value) else { continue };
        let again = done("to_json(parse_json(it))", json.clone());
        assert_eq!(again.map(shown), Some(shown(json)), "{reader} of {text:?}");
    }
    let plain = "parse_csv(it, #{ header: false })";
    if let Some(rows) = done(plain, text.to_string().into())
        && let Some(written) = done("to_csv(it)", rows.clone())
    {
        let count = rows.read_lock::<Array>().map(|rows| rows.len());
        let again = done(plain, written);
        assert_eq!(again.map(shown), Some(shown(rows)), "{count:?} rows of {text:?}");
    }
}

/// What an expression over a value gives; none: it says what is wrong.
fn done(expression: &str, it: Dynamic) -> Option<Dynamic> {
    let mut scope = Scope::new();
    scope.push_dynamic("it", it);
    let done = ENGINE.with(|engine| engine.eval_with_scope::<Dynamic>(&mut scope, expression));
    done.map_err(|why| assert!(!why.to_string().is_empty(), "{expression}")).ok()
}

fn shown(value: Dynamic) -> String {
    format!("{value:?}")
}
