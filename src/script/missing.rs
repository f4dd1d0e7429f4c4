//! What is said about a field that a handler's input does not have: its name, its neighbours, and what was probably meant.

use serde_json::Value;

use super::host::nearest;
use super::source::Script;

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
                "`msg.user` has no field `nmae`; did you mean `name`? It has id, name, network, person, trust",
            ),
            ("args.hostname", "`args` has no field `hostname`; it has extra, name"),
            ("args.extra.size", "`args.extra` has no field `size`; it is empty"),
            ("let own = #{ a: 1 }; own.b", "Property not found: b"),
        ] {
            let End::Failed(failure) = body(line).end else { panic!("{line} has that field") };
            assert_eq!(failure.message, want, "{line}");
        }
    }
}
