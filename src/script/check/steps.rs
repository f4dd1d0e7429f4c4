//! `step` outside of a `saga`: it would be refused whenever it is reached.

use rhai::{AST, Position};

use super::Found;
use super::walk::{Range, calls, closure, imports, named_functions, range, spot};

/// Looks at every `step`.
pub(super) fn look(ast: &AST, found: &mut Found) {
    let (mut sagas, mut steps): (Vec<_>, Vec<Position>) = (vec![], vec![]);
    calls(ast, |call| match call.call.name.as_str() {
        "saga" if call.call.args.len() == 1 => sagas.push(call.call.args.first().and_then(closure)),
        "step" if call.call.args.len() == 3 && !call.method => steps.push(call.place),
        _ => {}
    });
    let ranges: Vec<_> = sagas
        .iter()
        .flatten()
        .filter_map(|(name, captured)| ast.shared_lib().get_script_fn(name, *captured))
        .map(|function| range(function))
        .collect();
    let functions: Vec<_> = named_functions(ast).iter().map(|function| range(function)).collect();
    let within = |ranges: &[Range], at: Position| {
        ranges.iter().any(|(start, end)| (*start..=*end).contains(&spot(at)))
    };
    // A library, or a saga whose body is a variable, may be what runs it.
    let elsewhere = !imports(ast).is_empty() || !sagas.is_empty();
    for place in steps {
        if within(&ranges, place) || within(&functions, place) {
            continue;
        }
        let what = "`step` stands outside of a `saga`".to_owned();
        let hint = Some("write `saga(|| { step(\"name\", || do, || undo); })`".to_owned());
        match elsewhere {
            true => found.warn("step_outside_saga", place, what, hint),
            false => found.error("step_outside_saga", place, what, hint),
        }
    }
}
