//! `e.field ?? value` in rules: a field that is not there throws before `??` is reached.

use rhai::{AST, ASTNode, Expr, Position, ScriptFuncDef};

use super::Found;
use super::walk::{calls, closure, inside};

/// Looks at the criteria and the handlers of all rules.
pub(super) fn look(ast: &AST, found: &mut Found) {
    let mut seen: Vec<(Position, String)> = vec![];
    calls(ast, |call| {
        if call.call.name != "rule" || call.method {
            return;
        }
        for (name, captured) in call.call.args.iter().filter_map(closure) {
            let Some(def) = ast.shared_lib().get_script_fn(&name, captured + 1) else { continue };
            let Some(event) = def.params.get(captured) else { continue };
            fields((ast, def), event.as_str(), &mut seen);
        }
    });
    for (place, field) in seen {
        let what = format!("where there is no field `{field}`, this throws before `??` is reached");
        let hint = format!("write `.get(\"{field}\") ?? ..` instead of `.{field} ?? ..`");
        found.warn("unreached_default", place, what, Some(hint));
    }
}

fn fields(
    (ast, function): (&AST, &ScriptFuncDef),
    event: &str,
    seen: &mut Vec<(Position, String)>,
) {
    inside(ast, function, |node| {
        let ASTNode::Expr(Expr::Coalesce(operands, _)) = node else { return };
        let Some(Expr::Dot(dot, ..)) = operands.first() else { return };
        if !matches!(&dot.lhs, Expr::Variable(it, ..) if it.1 == event && it.2.is_empty()) {
            return;
        }
        let mut last = &dot.rhs;
        while let Expr::Dot(inner, ..) = last {
            last = &inner.rhs;
        }
        if let Expr::Property(field, place) = last {
            seen.push((*place, field.2.to_string()));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::load::load_sources;

    #[test]
    fn defaults_of_fields_that_may_be_missing_are_told_of() {
        for (body, want) in [
            ("say(e.text ?? \"nothing\")", Some("1:28 `.get(\"text\") ?? ..`")),
            ("say(e.labels.text ?? \"nothing\")", Some("1:35 `.get(\"text\") ?? ..`")),
            ("say(e.get(\"text\") ?? \"nothing\")", None),
            ("say(e.labels.get(\"text\") ?? \"nothing\")", None),
            ("let own = #{ a: 1 }; say(own.a ?? 2)", None),
            ("say(recall(\"a\") ?? e.text)", None),
        ] {
            let source = format!("rule(\"r\", \"t\", |e| {{ {body} }});");
            let (set, problems) = load_sources(vec![("t.rhai".to_owned(), source)]);
            assert!(problems.iter().all(|it| !it.is_error()), "{body}: {problems:?}");
            let all = problems.iter().chain(&set.told).filter(|it| it.code == "unreached_default");
            let told: Vec<String> = all
                .map(|it| {
                    let hint = it.hint.as_deref().unwrap_or_default();
                    format!("{}:{} {hint}", it.line, it.column)
                })
                .collect();
            match want {
                None => assert!(told.is_empty(), "{body}: {told:?}"),
                Some(want) => {
                    let want = want.replacen(' ', " write ", 1);
                    assert_eq!(told.len(), 1, "{body}");
                    assert!(told[0].starts_with(&want), "{body}: {told:?}");
                }
            }
        }
    }
}
