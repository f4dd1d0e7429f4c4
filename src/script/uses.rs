//! What a script can run, as far as its text says: the actions and the commands that it names (pure).
//!
//! The list is closed only where each of these calls names what it runs by one text. Else it is open: it may run anything.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, FnPtr, Stmt};

use super::source::{Import, Script};

/// The functions that run what they are given the name of.
const RUNNERS: &[&str] = &["exec", "run"];
/// What the engine lets call a function by its name, given as a text.
const BY_NAME: &[&str] = &[
    "all",
    "dedup",
    "drain",
    "filter",
    "find",
    "find_map",
    "for_each",
    "index_of",
    "map",
    "reduce",
    "reduce_rev",
    "retain",
    "some",
    "sort",
];

/// What a script can run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// The actions that it names.
    pub actions: BTreeSet<String>,
    /// The commands that it runs, as it says them.
    pub commands: BTreeSet<String>,
    /// Whether it may run anything else.
    pub open: bool,
}

impl Uses {
    /// Those of a script and its libraries.
    pub fn of(script: &Script, engine: &Engine) -> Self {
        let mut uses = Self::default();
        uses.look(&script.ast);
        for Import { source, .. } in &script.imports {
            match engine.compile(source) {
                Ok(ast) => uses.look(&ast),
                Err(_) => uses.open = true,
            }
        }
        uses
    }

    fn look(&mut self, ast: &AST) {
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::FnCall(call, _)))
                | Some(ASTNode::Expr(Expr::FnCall(call, _))) => self.call(call),
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => self.method(call),
                // A runner by its name, as a value or as a text: nobody can say what it is called with.
                Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                    let function = value.clone().try_cast::<FnPtr>();
                    self.open |= function.is_some_and(|it| RUNNERS.contains(&it.fn_name()));
                }
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                    self.open |= RUNNERS.contains(&text.as_str());
                }
                _ => {}
            }
            true
        });
    }

    fn call(&mut self, call: &FnCallExpr) {
        let named = match call.args.first() {
            Some(Expr::StringConstant(text, _)) => Some(text.to_string()),
            _ => None,
        };
        let into = match (call.name.as_str(), call.args.len()) {
            ("Fn", _) => {
                self.open = true;
                return;
            }
            ("run", _) => &mut self.commands,
            ("exec", _) | ("action", 1) => &mut self.actions,
            (name, _) => {
                let by_name = BY_NAME.contains(&name) && call.op_token.is_none();
                self.open |= by_name && !call.args.iter().skip(1).all(is_written);
                return;
            }
        };
        match named {
            Some(named) => drop(into.insert(named)),
            None => self.open = true,
        }
    }

    fn method(&mut self, call: &FnCallExpr) {
        // Called on a value, that is what it runs.
        self.open |= RUNNERS.contains(&call.name.as_str());
        self.open |= BY_NAME.contains(&call.name.as_str()) && !call.args.iter().all(is_written);
    }
}

/// Whether an argument is no name that was worked out: it is written out, or a closure.
fn is_written(arg: &Expr) -> bool {
    let plain = matches!(
        arg,
        Expr::StringConstant(..)
            | Expr::IntegerConstant(..)
            | Expr::FloatConstant(..)
            | Expr::Array(..)
            | Expr::Map(..)
            | Expr::Unit(..)
            // What is written out as a whole is a value already.
            | Expr::DynamicConstant(..)
    );
    plain || super::check::is_closure(arg)
}

#[cfg(test)]
mod tests {
    use super::super::engine::engine;
    use super::super::evaluate::load_one;
    use super::*;

    #[test]
    fn what_a_script_runs_is_closed_only_where_it_is_written_out() {
        for (body, want) in [
            (r#"exec("vm.stop")"#, "vm.stop"),
            (r#"exec("vm.stop", #{ vm: a.x }); run("status")"#, "vm.stop | status"),
            (r#"exec("vm\x2Estop")"#, "vm.stop"),
            ("exec(`vm.stop`)", "vm.stop"),
            (r#"[1, 2].map(|n| exec("vm.stop"))"#, "vm.stop"),
            (r#"if a.x == "y" { exec("vm.stop") } else { exec("vm.start") }"#, "vm.start, vm.stop"),
            (r#"exec("host." + a.x)"#, "anything"),
            ("exec(`host.${a.x}`)", "anything"),
            ("exec(a.x)", "anything"),
            (r#"Fn("exec").call("vm.stop")"#, "anything"),
            (r#"let name = "ex" + "ec"; Fn(name).call(a.x)"#, "anything"),
            (r#"let name = "exec"; ["vm.stop"].map(name)"#, "anything"),
            (r#"let name = "ex" + "ec"; ["vm.stop"].map(name)"#, "anything"),
            (r#"a.x.exec(#{})"#, "anything"),
            ("run(a.x)", "anything"),
            ("reply(a.x)", ""),
        ] {
            let source = format!("alias(\"x {{x}}\", |a| {{ {body} }});");
            let script = load_one(&engine(), "t.rhai", &source);
            let script = script.unwrap_or_else(|why| panic!("{body}: {why:?}"));
            let Uses { actions, commands, open } = Uses::of(&script, &engine());
            let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
            let shown = match (open, commands.is_empty()) {
                (true, _) => "anything".to_owned(),
                (false, true) => list(actions),
                (false, false) => format!("{} | {}", list(actions), list(commands)),
            };
            assert_eq!(shown, want, "{body}");
        }
    }
}
