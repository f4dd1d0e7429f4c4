//! Goes through all that a script says: the top level, then the bodies of its functions and closures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, ScriptFuncDef, Stmt};

/// How the engine begins the names of closures.
const ANONYMOUS: &str = "anon$";

/// A call in a script.
pub(super) struct Call<'a> {
    /// The call.
    pub call: &'a FnCallExpr,
    /// Where it stands.
    pub place: Position,
    /// Whether it is called on a value: `x.f()`.
    pub method: bool,
    /// Whether it stands at the top level, outside of all functions and closures.
    pub top: bool,
}

/// Visits every call.
pub(super) fn calls(ast: &AST, mut visit: impl FnMut(&Call)) {
    let on_top = ast.statements().len();
    let mut roots = 0;
    ast.walk(&mut |path: &[ASTNode]| {
        // The statements of the top level come first.
        roots += usize::from(path.len() == 1);
        let top = roots <= on_top;
        let (call, place, method) = match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, place))) => (call, place, false),
            Some(ASTNode::Expr(Expr::FnCall(call, place))) => (call, place, false),
            Some(ASTNode::Expr(Expr::MethodCall(call, place))) => (call, place, true),
            _ => return true,
        };
        visit(&Call { call, place: *place, method, top });
        true
    });
}

/// Visits everything in the body of a function, and in closures inside of it.
pub(super) fn inside(ast: &AST, function: &ScriptFuncDef, mut visit: impl FnMut(&ASTNode)) {
    let (start, end) = (function.body.start_position(), function.body.end_position());
    let on_top = ast.statements().len();
    let mut roots = 0;
    ast.walk(&mut |path: &[ASTNode]| {
        roots += usize::from(path.len() == 1);
        let (Some(ASTNode::Stmt(root)), Some(node)) = (path.first(), path.last()) else {
            return true;
        };
        let at = root.position();
        // A body without braces has one statement, and no end of its own.
        let within = spot(start) <= spot(at) && spot(at) <= spot(end) && !end.is_none();
        if roots > on_top && (at == start || within) {
            visit(node);
        }
        true
    });
}

/// A place that can be compared.
pub(super) fn spot(at: Position) -> (usize, usize) {
    (at.line().unwrap_or(0), at.position().unwrap_or(0))
}

/// From where to where something stands: lines and columns.
pub(super) type Range = ((usize, usize), (usize, usize));

/// From where to where the body of a function stands.
pub(super) fn range(function: &ScriptFuncDef) -> Range {
    let (start, end) = (function.body.start_position(), function.body.end_position());
    // A body without braces is one statement, and has no end of its own: it ends somewhere in its line.
    let end = if end.is_none() { (spot(start).0, usize::MAX) } else { spot(end) };
    (spot(start), end)
}

/// The functions of a script that have names.
pub(super) fn named_functions(ast: &AST) -> Vec<Arc<ScriptFuncDef>> {
    let named = ast.iter_functions().filter(|it| !it.name.starts_with(ANONYMOUS));
    named
        .filter_map(|it| ast.shared_lib().get_script_fn(it.name, it.params.len()).cloned())
        .collect()
}

/// Whether a closure inside of a function has a parameter of this name that it did not capture.
pub(super) fn hides(ast: &AST, function: &ScriptFuncDef, name: &str) -> bool {
    let mut captured: BTreeMap<String, usize> = BTreeMap::new();
    let mut made: BTreeSet<String> = BTreeSet::new();
    inside(ast, function, |node| {
        if let ASTNode::Expr(expr) = node
            && let Some((closure, count)) = closure(expr)
        {
            made.insert(closure.clone());
            let most = captured.entry(closure).or_default();
            *most = count.max(*most);
        }
    });
    ast.iter_functions().filter(|it| made.contains(it.name)).any(|it| {
        it.params
            .iter()
            .skip(captured.get(it.name).copied().unwrap_or(0))
            .any(|param| *param == name)
    })
}

/// What is imported at the top level: the library, and the name that it gets.
pub(super) fn imports(ast: &AST) -> Vec<(String, String)> {
    let import = |stmt: &Stmt| match stmt {
        Stmt::Import(import, _) => match &import.0 {
            Expr::StringConstant(name, _) => Some((name.to_string(), import.1.name.to_string())),
            _ => None,
        },
        _ => None,
    };
    ast.statements().iter().filter_map(import).collect()
}

/// The closure that an expression makes, and how many variables it captures.
pub(super) fn closure(expr: &Expr) -> Option<(String, usize)> {
    match expr {
        Expr::DynamicConstant(value, _) => {
            let closure = value.clone().try_cast::<rhai::FnPtr>()?;
            Some((closure.fn_name().to_owned(), closure.curry().len()))
        }
        Expr::FnCall(call, _) if call.name == "curry" => {
            let (name, captured) = closure(call.args.first()?)?;
            Some((name, captured + call.args.len() - 1))
        }
        // What is captured is made shared first, in a block of its own.
        Expr::Stmt(block) => block.statements().iter().rev().find_map(|stmt| match stmt {
            Stmt::Expr(expr) => closure(expr),
            Stmt::FnCall(call, _) if call.name == "curry" => {
                let (name, captured) = closure(call.args.first()?)?;
                Some((name, captured + call.args.len() - 1))
            }
            _ => None,
        }),
        _ => None,
    }
}
