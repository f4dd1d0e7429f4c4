//! What is said about a field that a handler's input does not have: its name, its neighbours, and what was probably meant.

use std::collections::BTreeSet;

use rhai::{ASTNode, Expr};
use serde_json::Value;

use super::host::nearest;
use super::source::Script;

/// Shortest name that is taken for another one with a slip in it, in characters.
const NAME_CHARS_MIN: usize = 3;

/// Explains a missing field of a handler's parameters, found by its place in the source.
///
/// `params` are the names that the handler gives to its input, with the values.
pub fn field(
    script: &Script,
    name: &str,
    line: u32,
    column: u32,
    params: &[(&str, &Value)],
) -> Option<String> {
    let text = script.source.lines().nth((line as usize).checked_sub(1)?)?;
    let before: String = text.chars().take((column as usize).checked_sub(1)?).collect();
    let path = path_before(&before)?;
    let (root, rest) = path.split_first()?;
    let mut value = params.iter().find(|(param, _)| param == root)?.1;
    for step in rest {
        value = value.get(step)?;
    }
    let mut fields: Vec<&str> = value.as_object()?.keys().map(String::as_str).collect();
    fields.sort_unstable();
    let whole = path.join(".");
    let has = match fields.as_slice() {
        [] => "it is empty".to_owned(),
        _ => match nearest(name, fields.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? It has {}", fields.join(", ")),
            None => format!("it has {}", fields.join(", ")),
        },
    };
    Some(format!("`{whole}` has no field `{name}`; {has}"))
}

/// Explains a missing field of anything else, such as a value that was handed to another function: by the fields that the
/// script gives and uses, and those of its inputs.
pub fn elsewhere(script: &Script, name: &str, inputs: &[&Value]) -> Option<String> {
    if name.chars().count() < NAME_CHARS_MIN {
        return None;
    }
    let mut known = BTreeSet::new();
    script.ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => {
                known.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
            }
            // A map of values that are written out is one constant.
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                let value = rhai::serde::from_dynamic(value).unwrap_or(Value::Null);
                names(&value, &mut known);
            }
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                known.insert(property.2.to_string());
            }
            _ => {}
        }
        true
    });
    inputs.iter().for_each(|input| names(input, &mut known));
    known.remove(name);
    let near = nearest(name, known.iter().map(String::as_str))?;
    Some(format!("there is no field `{name}` in it; did you mean `{near}`?"))
}

/// The names of all fields in a value, at any depth.
fn names(value: &Value, known: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inside)| {
            known.insert(name.clone());
            names(inside, known);
        }),
        Value::Array(items) => items.iter().for_each(|item| names(item, known)),
        _ => {}
    }
}

/// The names before a field: `msg` and `user` before `msg.user.`.
fn path_before(before: &str) -> Option<Vec<String>> {
    let chain = before.trim_end().strip_suffix('.')?.trim_end_matches('?');
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let start = chain
        .rfind(|c: char| !inside(c))
        .map_or(0, |at| at + chain[at..].chars().next().map_or(1, char::len_utf8));
    let names: Vec<String> = chain[start..].split('.').map(str::to_owned).collect();
    (!names.iter().any(String::is_empty)).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::super::host::trial::body;
    use super::super::run::End;

    #[test]
    fn a_missing_field_names_its_neighbours() {
        for (line, want) in [
            (
                "msg.roon",
                "`msg` has no field `roon`; did you mean `room`? It has id, in_thread, room, text, time, user",
            ),
            (
                "`for ${msg.user.nmae}!`",
                "`msg.user` has no field `nmae`; did you mean `name`? It has id, name, network, person, trust, trust_level",
            ),
            ("args.hostname", "`args` has no field `hostname`; it has extra, name"),
            ("args.extra.size", "`args.extra` has no field `size`; it is empty"),
            ("let own = #{ a: 1 }; own.b", "Property not found: b"),
            (
                "let vm = #{ hostname: 1 }; let of = |it| it.hostnam; of.call(vm)",
                "there is no field `hostnam` in it; did you mean `hostname`?",
            ),
            (
                "let of = |it| it.nmae; of.call(msg.user)",
                "there is no field `nmae` in it; did you mean `name`?",
            ),
            (
                "let vm = #{ hostname: 1 }; let of = |it| it.rack; of.call(vm)",
                "Property not found: rack",
            ),
        ] {
            let End::Failed(failure) = body(line).end else { panic!("{line} has that field") };
            assert_eq!(failure.message, want, "{line}");
        }
    }
}
