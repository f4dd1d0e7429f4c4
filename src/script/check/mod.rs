//! What is wrong with scripts, found without running them: their calls and fields against the table of functions, and
//! what they name against each other.
//!
//! What is certain to fail is an error; what may be meant so is a warning. An error in one script keeps that script from being
//! loaded. What depends on other scripts is told and keeps none from it: they may come later.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, Engine, OptimizationLevel, Position};

use super::engine::engine;
use super::load::problem;
use super::problem::Problem;
use super::resolver::Library;

pub mod across;
mod calls;
pub mod does;
mod events;
mod exposed;
mod fields;
mod literal;
mod literals;
mod names;
mod steps;
mod variables;
mod walk;
pub mod words;

pub use fields::{MSG_FIELDS, ROOM_FIELDS, USER_FIELDS};
use names::Names;

/// Whether an expression is a closure.
pub(super) fn is_closure(expr: &rhai::Expr) -> bool {
    walk::closure(expr).is_some()
}

/// Most problems of one script that are told.
pub const PROBLEMS_MAX: usize = 100;

/// A name of an action in a script, and what it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionUse {
    /// The name.
    pub action: String,
    /// The names of its parameters, where they are written out, and their values, where all of them are.
    pub params: Option<(Vec<String>, Option<serde_json::Value>)>,
    /// The formats of the alias that runs it with nothing in between; of any other use none.
    pub formats: Vec<String>,
    /// Where it is named.
    pub place: Position,
}

/// What was found in one script.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong or doubtful.
    pub problems: Vec<Problem>,
    /// The actions that it names.
    pub uses: Vec<ActionUse>,
    /// The actions that it declares by names that are written out.
    pub declares: Vec<String>,
}

/// Checks scripts against the functions that there are.
pub struct Checker {
    engine: Engine,
    natives: BTreeMap<String, BTreeSet<usize>>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// Learns all functions of the engine.
    pub fn new() -> Self {
        let mut engine = engine();
        // What the optimizer leaves out can be wrong too, and what it folds has no places any more.
        engine.set_optimization_level(OptimizationLevel::None);
        let natives = names::natives(&engine);
        Self { engine, natives }
    }

    /// Checks one script; what cannot be compiled is not looked at.
    pub fn script(&self, file: &str, source: &str, library: &Library) -> Checked {
        let Ok(ast) = self.engine.compile(source) else { return Checked::default() };
        let libraries = self.libraries(&ast, library);
        let names = Names::new(&self.natives, &ast, libraries);
        let mut found = Found { file, source, checked: Checked::default() };
        calls::look(&ast, &names, &mut found);
        fields::look(&ast, &mut found);
        events::look(&ast, &mut found);
        exposed::look(&ast, &mut found);
        variables::look(&ast, &mut found);
        steps::look(&ast, &mut found);
        let mut checked = found.checked;
        checked.problems.sort_by_key(|it| (it.line, it.column));
        checked.problems.dedup();
        checked.problems.truncate(PROBLEMS_MAX);
        checked
    }

    /// The functions of what a script imports, by the name that it gives it.
    fn libraries(
        &self,
        ast: &AST,
        library: &Library,
    ) -> BTreeMap<String, BTreeMap<String, BTreeSet<usize>>> {
        let mut found = BTreeMap::new();
        for (name, alias) in walk::imports(ast) {
            let source = super::resolver::file_of(&name).ok().and_then(|file| library.get(&file));
            if let Some(Ok(ast)) = source.map(|source| self.engine.compile(source)) {
                found.insert(alias, names::functions(&ast));
            }
        }
        found
    }
}

/// Where problems go.
struct Found<'a> {
    file: &'a str,
    source: &'a str,
    checked: Checked,
}

impl Found<'_> {
    fn error(&mut self, code: &'static str, at: Position, what: String, hint: Option<String>) {
        let problem = problem(self.file, self.source, at, what).hinted(hint).coded(code);
        self.checked.problems.push(problem);
    }

    fn warn(&mut self, code: &'static str, at: Position, what: String, hint: Option<String>) {
        let problem = problem(self.file, self.source, at, what).hinted(hint).coded(code);
        self.checked.problems.push(problem.warning());
    }
}

/// "did you mean".
fn meant(near: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?"))
}
