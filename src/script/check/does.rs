//! What the source of a handler names: the rooms in which it speaks and the actions that it runs.
//!
//! What a script works out while it runs is not seen here: this is for those who look for what posts where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, ScriptFuncDef, Stmt};

use super::literal;
use super::walk::{inside, named_functions};
use crate::domain::rule::Does;

/// The functions that say something, and where their arguments name a room.
const SPEAKS: &[&str] = &["say", "alert"];

/// Looks at a closure and at the functions of the script that it calls; what it names may be a constant of the script.
pub fn of(ast: &AST, closure: &str, consts: &BTreeMap<String, Dynamic>) -> Does {
    let functions = named_functions(ast);
    let (mut rooms, mut actions) = (BTreeSet::new(), BTreeSet::new());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<Arc<ScriptFuncDef>> = of_name(ast, closure).into_iter().collect();
    while let Some(function) = next.pop() {
        if !seen.insert(function.name.to_string()) {
            continue;
        }
        inside(ast, &function, |node| {
            let Some(call) = call(node) else { return };
            let name = call.name.as_str();
            if SPEAKS.contains(&name) {
                rooms.extend(room(call, consts));
            }
            if name == "exec" {
                actions.extend(call.args.first().and_then(|it| text(it, consts)));
            }
            next.extend(functions.iter().filter(|it| it.name == name).cloned());
        });
    }
    Does { rooms: rooms.into_iter().collect(), actions: actions.into_iter().collect() }
}

fn of_name(ast: &AST, name: &str) -> Option<Arc<ScriptFuncDef>> {
    let found = ast.iter_functions().find(|it| it.name == name)?;
    ast.shared_lib().get_script_fn(found.name, found.params.len()).cloned()
}

fn call<'a>(node: &'a ASTNode) -> Option<&'a FnCallExpr> {
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, _)) => Some(call),
        ASTNode::Expr(Expr::FnCall(call, _)) => Some(call),
        _ => None,
    }
}

/// A text that is written out, or that a constant holds.
fn text(expr: &Expr, consts: &BTreeMap<String, Dynamic>) -> Option<String> {
    match expr {
        Expr::Variable(it, ..) if it.2.is_empty() => {
            consts.get(it.1.as_str())?.clone().into_string().ok()
        }
        other => literal::text(other).map(str::to_owned),
    }
}

/// The room that a call names: its first argument of several, or its option.
fn room(call: &FnCallExpr, consts: &BTreeMap<String, Dynamic>) -> Option<String> {
    let first = call.args.first().and_then(|it| text(it, consts));
    if let Some(room) = first.filter(|text| text.starts_with(['#', '!']) && call.args.len() > 1) {
        return Some(room);
    }
    match call.args.last()? {
        Expr::Map(map, _) => {
            let (_, value) = map.0.iter().find(|(ident, _)| ident.name.as_str() == "room")?;
            text(value, consts)
        }
        // What is written out as a whole is a value already.
        Expr::DynamicConstant(value, _) => {
            let map = value.read_lock::<rhai::Map>()?;
            map.get("room")?.clone().into_string().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::engine::engine;
    use super::super::super::load::load_one;
    use super::super::super::source::Run;

    #[test]
    fn rooms_and_actions_are_named_also_in_functions() {
        let source = r##"
            fn tell(e) { say("#ops", e.text); deeper(e); }
            fn deeper(e) { tell(e); alert("k", "t", #{ room: "#alerts" }); }
            fn unused() { say("#never", "x"); exec("never.run"); }
            const ROOM = "#const";
            const DEV = "#dev";
            const GROW = "disk.grow";
            rule("r", "t", |e| {
                tell(e);
                say(ROOM, "it grows");
                alert("k", "t", #{ room: DEV, host: e.host });
                exec(GROW, #{ host: e.host });
                [1].map(|x| exec("disk.clean", #{ host: "a" }));
                exec(e.action);
                say(`#${e.room}`, "worked out");
            });
        "##;
        let script = load_one(&engine(), "t.rhai", source).expect("it loads");
        let Run::Handler(closure, _) = &script.rules[0].run else { panic!("a closure") };
        let does = super::of(&script.ast, closure.fn_name(), &script.consts);
        assert_eq!(does.rooms, ["#alerts", "#const", "#dev", "#ops"]);
        assert_eq!(does.actions, ["disk.clean", "disk.grow"]);
        assert_eq!(script.rules[0].does, does, "it is known when the script is loaded");
    }
}
