//! Names that stand for nothing: variables in functions, and libraries that were not imported.
//!
//! A function sees its parameters, what it declares itself, and the constants of its file. A closure sees the variables around
//! it; whether those of the top level are there is seen when the script is loaded.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTFlags, ASTNode, Expr, Position, ScriptFuncDef, Stmt};

use super::super::host;
use super::walk::{closure, imports, inside, named_functions};
use super::{Found, meant};
use crate::domain::near::nearest;

/// What the language itself calls the constants of a file.
const GLOBAL: &str = "global";

/// Looks at the bodies of all functions that have names.
pub(super) fn look(ast: &AST, found: &mut Found) {
    let constants = of_top_level(ast, true);
    let variables = of_top_level(ast, false);
    for function in named_functions(ast) {
        let known = declared(ast, &function);
        for (name, place) in used(ast, &function) {
            if known.contains(&name)
                || constants.contains(&name)
                || host::VARIABLES.contains(&name.as_str())
            {
                continue;
            }
            let what = format!("there is no variable `{name}` in `{}`", function.name);
            let hint = match variables.contains(&name) {
                true => Some(format!(
                    "a function does not see the variables of the top level: write `const {name}`, or pass it"
                )),
                false => {
                    let all = known.iter().chain(&constants).map(String::as_str);
                    meant(nearest(&name, all))
                }
            };
            found.error("unknown_variable", place, what, hint);
        }
    }
    libraries(ast, found);
}

/// The constants of the top level, or its variables.
fn of_top_level(ast: &AST, constant: bool) -> BTreeSet<String> {
    let name = |stmt: &Stmt| match stmt {
        Stmt::Var(var, flags, _) if flags.intersects(ASTFlags::CONSTANT) == constant => {
            Some(var.0.name.to_string())
        }
        _ => None,
    };
    ast.statements().iter().filter_map(name).collect()
}

/// Every name that a function gives to something, wherever in it.
fn declared(ast: &AST, function: &ScriptFuncDef) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = function.params.iter().map(ToString::to_string).collect();
    let mut closures: BTreeMap<String, usize> = BTreeMap::new();
    inside(ast, function, |node| match node {
        ASTNode::Stmt(Stmt::Var(var, ..)) => drop(known.insert(var.0.name.to_string())),
        ASTNode::Stmt(Stmt::For(it, _)) => {
            let names = std::iter::once(&it.0).chain(&it.1);
            known.extend(names.map(|ident| ident.name.to_string()));
        }
        ASTNode::Stmt(Stmt::TryCatch(it, _)) => {
            if let Expr::Variable(variable, ..) = &it.expr {
                known.insert(variable.1.to_string());
            }
        }
        ASTNode::Expr(expr) => {
            if let Some((name, captured)) = closure(expr) {
                let most = closures.entry(name).or_default();
                *most = captured.max(*most);
            }
        }
        _ => {}
    });
    for made in ast.iter_functions() {
        // What a closure captures is a parameter of it, too: that must be there around it.
        let Some(captured) = closures.get(made.name) else { continue };
        known.extend(made.params.iter().skip(*captured).map(|param| (*param).to_owned()));
    }
    known
}

/// Every variable that a function reads or changes.
fn used(ast: &AST, function: &ScriptFuncDef) -> Vec<(String, Position)> {
    let mut used = vec![];
    inside(ast, function, |node| {
        if let ASTNode::Expr(Expr::Variable(it, _, place)) = node
            && it.2.is_empty()
        {
            used.push((it.1.to_string(), *place));
        }
    });
    used
}

/// Constants and functions of libraries that no import has named.
fn libraries(ast: &AST, found: &mut Found) {
    let mut known: BTreeSet<String> = imports(ast).into_iter().map(|(_, name)| name).collect();
    let computed = ast.statements().iter().filter_map(|stmt| match stmt {
        Stmt::Import(import, _) => Some(import.1.name.to_string()),
        _ => None,
    });
    known.extend(computed);
    let mut unknown: Vec<(String, String, Position)> = vec![];
    ast.walk(&mut |path: &[ASTNode]| {
        let (space, name, place) = match path.last() {
            Some(
                ASTNode::Expr(Expr::FnCall(call, place)) | ASTNode::Stmt(Stmt::FnCall(call, place)),
            ) => (&call.namespace, call.name.as_str(), *place),
            Some(ASTNode::Expr(Expr::Variable(it, _, place))) => (&it.2, it.1.as_str(), *place),
            _ => return true,
        };
        if let Some(first) = space.path.first().map(|ident| ident.name.as_str())
            && first != GLOBAL
            && !known.contains(first)
        {
            unknown.push((first.to_owned(), name.to_owned(), place));
        }
        true
    });
    for (library, name, place) in unknown {
        let what = format!("there is no library `{library}` for `{library}::{name}`");
        let hint =
            meant(nearest(&library, known.iter().map(String::as_str))).unwrap_or_else(|| {
                format!("write `import \"lib/{library}\" as {library};` at the top")
            });
        found.error("unknown_library", place, what, Some(hint));
    }
}
