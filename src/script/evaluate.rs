//! Compiles one script and runs its top level: what it declares, or every problem of it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr, Position, Scope, Stmt};

use super::check::does;
use super::engine::budgets;
use super::gauge::gauged;
use super::host::{self, Loading};
use super::load::{parse_hint, problem, runtime_problem, without_position};
use super::problem::Problem;
use super::resolver::{Library, importing};
use super::shape::{CAPTURED_DEPTH_MAX, can_be_captured, captures_fit};
use super::source::{Run, Script, version_hash};

/// Loads one script that imports nothing, or says its first problem.
///
/// # Errors
/// The first problem.
pub fn load_one(engine: &Engine, file: &str, source: &str) -> Result<Script, Box<Problem>> {
    let loaded = load_script(engine, file, source, &Arc::default());
    loaded.map_err(|problems| {
        Box::new(problems.into_iter().next().expect("what is not loaded has a problem"))
    })
}

/// Loads one script with the libraries that it may import.
///
/// # Errors
/// Every problem: at least one.
pub fn load_script(
    engine: &Engine,
    file: &str,
    source: &str,
    library: &Arc<Library>,
) -> Result<Script, Vec<Problem>> {
    let ast = compile(engine, file, source)?;
    let folder = Path::new(file).parent().map_or(String::new(), |dir| dir.display().to_string());
    let mut scope = Scope::new();
    let start = Loading { folder, ..Loading::default() };
    let top =
        || within_budgets(engine, file, source, || engine.run_ast_with_scope(&mut scope, &ast));
    let ((ran, loaded), imports) = importing(library, || host::loading(start, top));
    let mut problems: Vec<Problem> =
        loaded.wrong.iter().map(|why| runtime_problem(file, source, why)).collect();
    problems.extend(ran.err().map(|problem| *problem));
    let too_deep = captured(file, source, &scope, &loaded);
    if !too_deep.is_empty() {
        // It is freed here, on a stack that is large enough.
        problems.extend(too_deep);
        return Err(problems);
    }
    let constants = scope.iter().filter(|(_, constant, _)| *constant);
    let consts = constants.map(|(name, _, value)| (name.to_owned(), value));
    let consts: Arc<BTreeMap<String, Dynamic>> = Arc::new(consts.collect());
    let mut aliases = loaded.aliases;
    for alias in &mut aliases {
        if let Err(what) = arity(&ast, &mut alias.run) {
            problems.push(Problem::at(file, source, alias.line, alias.column, what));
        }
    }
    let mut rules = loaded.rules;
    for rule in &mut rules {
        if let Run::Handler(closure, _) = &rule.run {
            rule.does = does::of(&ast, closure.fn_name(), &consts);
        }
        let wrong = arity(&ast, &mut rule.run).err().or_else(|| {
            let when = rule.when.as_ref()?;
            let what = "criteria take the trigger and nothing else: `|e| e.state == \"CRITICAL\"`";
            (parameters(&ast, when) != Some(1)).then(|| what.to_owned())
        });
        problems.extend(wrong.map(|what| Problem::at(file, source, rule.line, rule.column, what)));
    }
    for test in &loaded.tests {
        if parameters(&ast, &test.body) != Some(1) {
            let what = "the body of a test takes the conversation: `|chat| { .. }`";
            problems.push(Problem::at(file, source, test.line, test.column, what));
        }
    }
    let (hash, global) = (version_hash(source, &imports), loaded.global.map(Arc::new));
    let mut actions = loaded.actions;
    for action in actions.values_mut() {
        action.script = hash.clone();
        let Some(body) = &mut action.body else { continue };
        (body.global, body.consts) = (global.clone(), consts.clone());
        match parameters(&ast, &body.function) {
            Some(takes @ (0 | 1)) => body.takes = takes,
            _ => {
                let what = "an action takes `args` and nothing else: `|args| ..`".to_owned();
                problems.push(Problem::at(file, source, action.line, 1, what));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Script {
        file: file.to_owned(),
        hash,
        source: source.to_owned(),
        imports,
        help: help(source),
        ast,
        global,
        consts,
        aliases,
        rules,
        actions,
        schedules: loaded.schedules,
        sensors: loaded.sensors,
        tests: loaded.tests,
    })
}

/// What is wrong with a library by itself.
pub(super) fn load_library(
    engine: &Engine,
    file: &str,
    source: &str,
    library: &Arc<Library>,
) -> Vec<Problem> {
    let ast = match compile(engine, file, source) {
        Ok(ast) => ast,
        Err(problems) => return problems,
    };
    let top = || within_budgets(engine, file, source, || engine.run_ast(&ast));
    importing(library, top).0.err().into_iter().map(|problem| *problem).collect()
}

/// Runs a top level with the budgets of a slice.
fn within_budgets(
    engine: &Engine,
    file: &str,
    source: &str,
    body: impl FnOnce() -> Result<(), Box<EvalAltResult>>,
) -> Result<(), Box<Problem>> {
    let budgets = budgets(engine);
    let time = Duration::from_millis(budgets.slice_time_ms);
    let (ran, over) = gauged(Some(time), || catch_unwind(AssertUnwindSafe(body)));
    let problem = match (ran, over) {
        (_, Some(over)) => Problem::file(file, over.words(&budgets), None),
        (Err(_), None) => Problem::file(file, "the script engine broke off", None),
        (Ok(Err(why)), None) => runtime_problem(file, source, &why),
        (Ok(Ok(())), None) => return Ok(()),
    };
    Err(Box::new(problem))
}

/// What would outlive the loading and could not be freed by an ordinary thread, or never.
fn captured(file: &str, source: &str, scope: &Scope, loaded: &Loading) -> Vec<Problem> {
    let most = CAPTURED_DEPTH_MAX;
    let deep = |what: &str| format!("{what} nests deeper than {most}, or holds itself");
    let constants =
        scope.iter().filter(|(_, constant, value)| *constant && !can_be_captured(value));
    let mut found: Vec<Problem> = constants
        .map(|(name, ..)| Problem::file(file, deep(&format!("the constant `{name}`")), None))
        .collect();
    let handlers = loaded.aliases.iter().filter_map(|alias| match &alias.run {
        Run::Handler(closure, _) => Some((closure, alias.line, alias.column)),
        Run::Action(_) => None,
    });
    let rules = loaded.rules.iter().flat_map(|rule| {
        let Run::Handler(closure, _) = &rule.run else { return vec![] };
        let both = std::iter::once(closure).chain(&rule.when);
        both.map(|closure| (closure, rule.line, rule.column)).collect()
    });
    let tests = loaded.tests.iter().map(|test| (&test.body, test.line, test.column));
    let actions = loaded.actions.values().filter_map(|action| {
        let body = action.body.as_ref()?;
        Some((&body.function, action.line, 1))
    });
    for (closure, line, column) in handlers.chain(rules).chain(tests).chain(actions) {
        if !captures_fit(closure) {
            found.push(Problem::at(file, source, line, column, deep("what this handler captures")));
        }
    }
    let hint = "use a function of its own, `fn name() { .. }`, for what calls itself";
    found.into_iter().map(|problem| problem.hinted(Some(hint.to_owned()))).collect()
}

/// Compiles a source whose imports can all be seen before it runs.
fn compile(engine: &Engine, file: &str, source: &str) -> Result<AST, Vec<Problem>> {
    let compiled = catch_unwind(AssertUnwindSafe(|| engine.compile(source)));
    let compiled = compiled.map_err(|_| {
        vec![Problem::file(file, "the script engine broke off at this source", None)]
    })?;
    let mut ast = compiled.map_err(|why| {
        let message = without_position(&why.to_string());
        let problem = problem(file, source, why.position(), message);
        vec![problem.hinted(parse_hint(&why.to_string(), source, why.position()))]
    })?;
    ast.set_source(file);
    match inner_imports(&ast) {
        places if places.is_empty() => Ok(ast),
        places => Err(places
            .into_iter()
            .map(|at| {
                problem(file, source, at, "`import` stands at the top level, by itself".into())
            })
            .collect()),
    }
}

/// Where something is imported inside of something else: nobody could say what the script consists of.
fn inner_imports(ast: &AST) -> Vec<Position> {
    let mut found = vec![];
    let top: Vec<Position> = ast
        .statements()
        .iter()
        .filter(|stmt| matches!(stmt, Stmt::Import(..)))
        .map(Stmt::position)
        .collect();
    ast.walk(&mut |path| {
        if let Some(rhai::ASTNode::Stmt(stmt @ Stmt::Import(..))) = path.last()
            && !top.contains(&stmt.position())
        {
            found.push(stmt.position());
        }
        true
    });
    found
}

/// Finds how many parameters a handler takes.
fn arity(ast: &AST, run: &mut Run) -> Result<(), String> {
    let Run::Handler(handler, takes) = run else { return Ok(()) };
    let found = ast.iter_functions().filter(|f| f.name == handler.fn_name());
    let counts: Vec<usize> =
        found.filter_map(|f| f.params.len().checked_sub(handler.curry().len())).collect();
    match counts.iter().find(|count| **count <= 2) {
        Some(count) => *takes = *count,
        None if counts.is_empty() => {
            return Err(format!("there is no function `{}` for this handler", handler.fn_name()));
        }
        None => {
            return Err(format!("a handler takes `args` and `msg`, not {} parameters", counts[0]));
        }
    }
    Ok(())
}

/// How many parameters a closure takes.
fn parameters(ast: &AST, closure: &FnPtr) -> Option<usize> {
    let found = ast.iter_functions().find(|f| f.name == closure.fn_name())?;
    found.params.len().checked_sub(closure.curry().len())
}

/// The `//!` lines at the top.
fn help(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!"));
    lines.map(|line| line[3..].trim()).collect::<Vec<_>>().join(" ")
}
