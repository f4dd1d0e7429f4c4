//! Libraries: what `import "lib/name" as x;` finds in the scripts folder, and nothing else.
//!
//! Invariant: a library comes from the sources that were handed over, never from a file that is opened here. So a version of
//! a script can be loaded from the log alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::load::{innermost, without_position};
use super::source::{Import, hash};
use crate::domain::near::nearest;

/// Most libraries that one script may import, those of its libraries among them.
pub const IMPORTS_MAX: usize = 32;

/// The sources of all libraries, by file.
pub type Library = BTreeMap<String, String>;

/// What is being imported on this thread.
struct Importing {
    library: Arc<Library>,
    /// The files that are being evaluated now, each imported by the one before.
    chain: Vec<String>,
    made: BTreeMap<String, Shared<Module>>,
}

thread_local! {
    static IMPORTING: RefCell<Option<Importing>> = const { RefCell::new(None) };
}

/// Whether a file is a library: it is below a folder that is named `lib`.
pub fn is_library(file: &str) -> bool {
    file.rsplit_once('/').is_some_and(|(folder, _)| folder.split('/').any(|part| part == "lib"))
}

/// The file that a name stands for.
///
/// # Errors
/// Why it is no name of a library.
pub fn file_of(name: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let good = |part: &str| !part.is_empty() && part.chars().all(word);
    let file = format!("{name}.rhai");
    match name.split('/').all(good) && is_library(&file) {
        true => Ok(file),
        false => Err(format!(
            "`{name}` is no name of a library: it is the path below the scripts folder without `.rhai`, such as \"lib/net\""
        )),
    }
}

/// Whether the file that runs now on this thread is a library.
pub fn inside() -> bool {
    IMPORTING.with(|slot| slot.borrow().as_ref().is_some_and(|it| !it.chain.is_empty()))
}

/// Runs `body` with these libraries, and gives what it imported, by file.
pub fn importing<T>(library: &Arc<Library>, body: impl FnOnce() -> T) -> (T, Vec<Import>) {
    let start = Importing { library: library.clone(), chain: vec![], made: BTreeMap::new() };
    let outer = IMPORTING.with(|slot| slot.borrow_mut().replace(start));
    let result = body();
    let done = IMPORTING.with(|slot| std::mem::replace(&mut *slot.borrow_mut(), outer));
    let done = done.expect("nobody else takes what is imported");
    let import = |file: &String| {
        let source = done.library.get(file).cloned().unwrap_or_default();
        Import { file: file.clone(), hash: hash(&source), source }
    };
    (result, done.made.keys().map(import).collect())
}

/// Finds libraries for the engine.
pub struct Libraries;

impl ModuleResolver for Libraries {
    fn resolve(
        &self,
        engine: &Engine,
        _: Option<&str>,
        name: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let refused = |why: String| Box::new(EvalAltResult::ErrorRuntime(why.into(), position));
        let file = file_of(name).map_err(refused)?;
        let source = match begin(&file).map_err(refused)? {
            Begun::Made(module) => return Ok(module),
            Begun::Fresh(source) => source,
        };
        let made = evaluate(engine, &file, &source);
        end(&file, made.as_ref().ok());
        made.map_err(refused)
    }
}

enum Begun {
    Made(Shared<Module>),
    Fresh(String),
}

/// Looks for a library, and notes that it is being evaluated.
fn begin(file: &str) -> Result<Begun, String> {
    IMPORTING.with(|slot| {
        let mut slot = slot.borrow_mut();
        let it = slot.as_mut().ok_or("`import` stands at the top level of a script")?;
        if let Some(at) = it.chain.iter().position(|other| other == file) {
            let chain: Vec<&str> = it.chain[at..].iter().map(String::as_str).collect();
            return Err(format!(
                "these libraries import each other: {} → {file}",
                chain.join(" → ")
            ));
        }
        if let Some(module) = it.made.get(file) {
            return Ok(Begun::Made(module.clone()));
        }
        let Some(source) = it.library.get(file).cloned() else {
            let near = nearest(file, it.library.keys().map(String::as_str));
            let name = |file: &str| file.trim_end_matches(".rhai").to_owned();
            let hint =
                near.map_or(String::new(), |near| format!("; did you mean \"{}\"?", name(near)));
            return Err(format!("there is no library \"{}\"{hint}", name(file)));
        };
        if it.made.len() + it.chain.len() >= IMPORTS_MAX {
            return Err(format!("a script may import {IMPORTS_MAX} libraries"));
        }
        it.chain.push(file.to_owned());
        Ok(Begun::Fresh(source))
    })
}

fn end(file: &str, made: Option<&Shared<Module>>) {
    IMPORTING.with(|slot| {
        if let Some(it) = slot.borrow_mut().as_mut() {
            it.chain.pop();
            if let Some(module) = made {
                it.made.insert(file.to_owned(), module.clone());
            }
        }
    });
}

/// Compiles a library and runs its top level.
fn evaluate(engine: &Engine, file: &str, source: &str) -> Result<Shared<Module>, String> {
    let at = |position: Position| match (position.line(), position.position()) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        (Some(line), None) => format!("{file}:{line}"),
        _ => file.to_owned(),
    };
    let mut ast = engine
        .compile(source)
        .map_err(|why| format!("{}: {}", at(why.position()), without_position(&why.to_string())))?;
    ast.set_source(file);
    match Module::eval_ast_as_new(Scope::new(), &ast, engine) {
        Ok(module) => Ok(module.into()),
        Err(error) => {
            let place = innermost(&error);
            // What is wrong with a library of this library names its own place already.
            Err(match place.message.contains(".rhai") {
                true => place.message,
                false => format!("{}: {}", at(place.position), place.message),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_tree() {
        for (name, want) in [
            ("lib/net", Some("lib/net.rhai")),
            ("team/lib/net_2", Some("team/lib/net_2.rhai")),
            ("lib/a/b", Some("lib/a/b.rhai")),
            ("net", None),
            ("library/net", None),
            ("/lib/net", None),
            ("../lib/net", None),
            ("lib/../../etc/passwd", None),
            ("lib/./net", None),
            ("lib//net", None),
            ("lib/net.rhai", None),
            ("lib\\net", None),
            ("lib/", None),
            ("", None),
        ] {
            assert_eq!(file_of(name).ok().as_deref(), want, "{name:?}");
        }
    }
}
