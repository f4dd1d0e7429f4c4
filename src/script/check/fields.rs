//! The fields of `args` and `msg` in handlers, against the formats and what every message has.

use rhai::{AST, ASTNode, BinaryExpr, Expr, Position, ScriptFuncDef, Stmt};

use super::walk::{calls, closure, hides, inside};
use super::{Found, exposed, meant};
use crate::domain::alias::Format;
use crate::domain::near::nearest;

/// The fields of a handler's `msg`.
pub const MSG_FIELDS: &[&str] = &["alert", "id", "in_thread", "room", "text", "time", "user"];
/// The fields of `msg.alert`, where that is not `()`.
pub const ALERT_FIELDS: &[&str] = &["host", "key", "labels", "link", "severity", "source", "state"];
/// The fields of `msg.user`.
pub const USER_FIELDS: &[&str] = &["id", "name", "network", "person", "trust", "trust_level"];
/// The fields of `msg.room`.
pub const ROOM_FIELDS: &[&str] = &["id", "name", "network"];

/// Looks at the handlers of all aliases.
pub(super) fn look(ast: &AST, found: &mut Found) {
    calls(ast, |call| {
        if call.call.name != "alias" || call.method {
            return;
        }
        let Some((name, captured)) = call.call.args.last().and_then(closure) else { return };
        let def = (0..=2).find_map(|n| ast.shared_lib().get_script_fn(&name, n + captured));
        let Some(def) = def else { return };
        let params: Vec<&str> = def.params.iter().skip(captured).map(|it| it.as_str()).collect();
        if let (Some(args), Some(known)) =
            (params.first(), call.call.args.first().and_then(parameters))
        {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            fields((ast, def), args, &|field, _| unknown(field, &known), found);
        }
        if let Some(msg) = params.get(1) {
            fields((ast, def), msg, &of_msg, found);
        }
    });
}

/// The parameters of formats that are written out.
fn parameters(formats: &Expr) -> Option<Vec<String>> {
    let formats = exposed::formats(formats)?;
    let mut known = vec!["extra".to_owned()];
    for format in formats {
        let parsed = Format::parse(&format).ok()?;
        known.extend(parsed.parameters().iter().map(|parameter| parameter.name.clone()));
    }
    known.sort();
    known.dedup();
    Some(known)
}

/// The neighbours of a field that does not exist.
type Unknown = Option<(String, Vec<String>)>;

fn unknown(field: &str, known: &[&str]) -> Unknown {
    let all = || (field.to_owned(), known.iter().map(|it| (*it).to_owned()).collect());
    (!known.contains(&field)).then(all)
}

fn of_msg(field: &str, inner: Option<&str>) -> Unknown {
    match (field, inner) {
        ("user", Some(inner)) => unknown(inner, USER_FIELDS),
        ("room", Some(inner)) => unknown(inner, ROOM_FIELDS),
        ("alert", Some(inner)) => unknown(inner, ALERT_FIELDS),
        _ => unknown(field, MSG_FIELDS),
    }
}

/// Looks at `name.field` and `name.field.inner`, unless the name comes to mean something else.
fn fields(
    (ast, function): (&AST, &ScriptFuncDef),
    name: &str,
    check: &dyn Fn(&str, Option<&str>) -> Unknown,
    found: &mut Found,
) {
    let mut seen: Vec<(Position, Unknown)> = vec![];
    let mut changed = hides(ast, function, name);
    inside(ast, function, |node| match node {
        ASTNode::Stmt(Stmt::Var(var, ..)) if var.0.name == name => changed = true,
        ASTNode::Stmt(Stmt::For(it, _)) if it.0.name == name => changed = true,
        ASTNode::Stmt(Stmt::Assignment(it)) if begins_with(&it.1.lhs, name) => changed = true,
        ASTNode::Expr(Expr::Dot(dot, ..)) if is_variable(&dot.lhs, name) => {
            if let Some((field, inner, place)) = path_of(dot) {
                seen.push((place, check(field, inner)));
            }
        }
        _ => {}
    });
    if changed {
        return;
    }
    for (place, unknown) in seen {
        let Some((field, known)) = unknown else { continue };
        let what = format!("`{name}` has no field `{field}`");
        let near = nearest(&field, known.iter().map(String::as_str));
        let hint = meant(near).unwrap_or_else(|| format!("there are {}", known.join(", ")));
        found.error("unknown_field", place, what, Some(hint));
    }
}

fn is_variable(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Variable(it, ..) if it.1 == name && it.2.is_empty())
}

/// Whether an expression is a variable or something inside of it.
fn begins_with(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Dot(it, ..) | Expr::Index(it, ..) => begins_with(&it.lhs, name),
        other => is_variable(other, name),
    }
}

/// The field of `x.field`, and the one inside of it; with the place of the wrong one.
fn path_of(dot: &BinaryExpr) -> Option<(&str, Option<&str>, Position)> {
    match &dot.rhs {
        Expr::Property(it, place) => Some((it.2.as_str(), None, *place)),
        Expr::Dot(rest, ..) => {
            let Expr::Property(field, place) = &rest.lhs else { return None };
            let inner = match &rest.rhs {
                Expr::Property(inner, place) => Some((inner.2.as_str(), *place)),
                Expr::Dot(more, ..) => match &more.lhs {
                    Expr::Property(inner, place) => Some((inner.2.as_str(), *place)),
                    _ => None,
                },
                _ => None,
            };
            let at = inner.map_or(*place, |(_, at)| at);
            Some((field.2.as_str(), inner.map(|(name, _)| name), at))
        }
        Expr::Index(rest, ..) => match &rest.lhs {
            Expr::Property(field, place) => Some((field.2.as_str(), None, *place)),
            _ => None,
        },
        _ => None,
    }
}
