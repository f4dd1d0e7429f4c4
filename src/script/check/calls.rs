//! Calls against the functions that there are: names, numbers of arguments, options, and what is written out.

use std::collections::BTreeSet;

use rhai::{AST, Expr, FnCallExpr};

use super::super::host;
use super::super::host::table::{HostFn, Kind, Place};
use super::names::{Known, Names};
use super::walk::{Call, calls};
use super::{ActionUse, Found, literal, literals, meant};
use crate::domain::near::nearest;

/// Looks at every call of a script.
pub(super) fn look(ast: &AST, names: &Names, found: &mut Found) {
    calls(ast, |call| {
        let name = call.call.name.as_str();
        let word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !word || call.call.op_token.is_some() {
            return;
        }
        match (call.call.namespace.is_empty(), call.method) {
            (false, _) => of_library(call, names, found),
            (true, true) => method(call, names, found),
            (true, false) => function(call, names, found),
        }
    });
}

fn of_library(call: &Call, names: &Names, found: &mut Found) {
    let path: Vec<&str> =
        call.call.namespace.path.iter().map(|ident| ident.name.as_str()).collect();
    let ([library], name) = (path.as_slice(), call.call.name.as_str()) else { return };
    match names.of_library(library, name, call.call.args.len()) {
        Known::Yes => {}
        Known::Arity(takes) => wrong_count(call, &format!("{library}::{name}"), &takes, found),
        Known::No => {
            let hint = names.near_in(library, name).map(|it| format!("{library}::{it}"));
            let what = format!("there is no function `{library}::{name}`");
            found.error("unknown_function", call.place, what, meant(hint.as_deref()));
        }
    }
}

fn method(call: &Call, names: &Names, found: &mut Found) {
    let name = call.call.name.as_str();
    match names.method(name, call.call.args.len()) {
        Known::Yes => {}
        // What looks like a method may be a closure in a map.
        Known::Arity(takes) => {
            let what = count_words(&format!(".{name}"), &takes, call.call.args.len());
            found.warn("arity", call.place, what, None);
        }
        Known::No => {
            let what = format!("there is no function `{name}` that is called on a value");
            found.warn("unknown_function", call.place, what, meant(names.near(name)));
        }
    }
}

fn function(call: &Call, names: &Names, found: &mut Found) {
    let (name, args) = (call.call.name.as_str(), &call.call.args);
    match names.function(name, args.len()) {
        Known::Yes => {}
        Known::Arity(takes) => return wrong_count(call, name, &takes, found),
        Known::No => {
            let what = format!("there is no function `{name}`");
            return found.error("unknown_function", call.place, what, meant(names.near(name)));
        }
    }
    if let (Some(text), "call") = (args.first().and_then(literal::text), name) {
        let hint = format!("a command is run by `run(\"{text}\")`");
        let what = "`call` calls a closure, not a text".to_owned();
        return found.error("wrong_type", call.place, what, Some(hint));
    }
    let Some(row) = host::find(name) else { return };
    if call.top && row.place == Place::Handler {
        let what = format!("`{name}` cannot be used at the top level");
        let hint = "the top level only declares: put it in a handler".to_owned();
        found.error("effect_at_top_level", call.place, what, Some(hint));
    }
    arguments(row, call, found);
    literals::look(row, call.call, found);
    uses(call.call, found);
}

fn wrong_count(call: &Call, name: &str, takes: &BTreeSet<usize>, found: &mut Found) {
    let hint = host::find(name).map(|row| format!("it is used as {}", row.usage()));
    found.error("arity", call.place, count_words(name, takes, call.call.args.len()), hint);
}

fn count_words(name: &str, takes: &BTreeSet<usize>, given: usize) -> String {
    let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
    let word = if takes == ["1"] { "argument" } else { "arguments" };
    format!("`{name}` takes {} {word}, not {given}", takes.join(" or "))
}

/// What is written out in a call of a host function, against the row of that function.
fn arguments(row: &HostFn, call: &Call, found: &mut Found) {
    let args = &call.call.args;
    let forms =
        || row.forms.iter().filter(|form| form.on.is_none() && form.params.len() == args.len());
    if forms().next().is_none() {
        return;
    }
    let fits = |kind: Kind, arg: &Expr| literal::kind(arg).is_none_or(|given| kind.takes(given));
    let mut fitting =
        forms().filter(|form| form.params.iter().zip(args).all(|(p, arg)| fits(p.kind, arg)));
    if fitting.next().is_none() {
        let given: Vec<&str> =
            args.iter().map(|arg| literal::kind(arg).unwrap_or("something")).collect();
        let what = format!("no form of `{}` takes ({})", row.name, given.join(", "));
        let hint = format!("it takes {}", row.usage());
        return found.error("wrong_type", call.place, what, Some(hint));
    }
    for (nth, arg) in args.iter().enumerate() {
        if forms().any(|form| form.params[nth].kind == Kind::Options) {
            options(row, arg, found);
        }
    }
}

fn options(row: &HostFn, arg: &Expr, found: &mut Found) {
    let Expr::Map(map, _) = arg else { return };
    for (ident, value) in &map.0 {
        let (name, place) = (ident.name.as_str(), ident.pos);
        let Some(option) = row.option(name) else {
            let known: Vec<&str> = row.options.iter().map(|option| option.name).collect();
            let what = format!("`{}` has no option `{name}`", row.name);
            let hint = meant(nearest(name, known.iter().copied()));
            let hint = hint.unwrap_or_else(|| format!("it has {}", known.join(", ")));
            found.error("unknown_option", place, what, Some(hint));
            continue;
        };
        // Nothing is as good as no option.
        let given =
            literal::kind(value).filter(|given| *given != "()" && !option.kind.takes(given));
        if let Some(given) = given {
            let (of, takes) = (row.name, option.kind.word());
            let what = format!("`{name}` of `{of}` is of the type {takes}, not {given}");
            found.error("wrong_type", place, what, None);
        }
    }
}

/// Notes the action that a call names.
fn uses(call: &FnCallExpr, found: &mut Found) {
    if let ("action", 2 | 3, Some(name)) =
        (call.name.as_str(), call.args.len(), call.args.first().and_then(literal::text))
    {
        found.checked.declares.push(name.to_owned());
    }
    let named = match (call.name.as_str(), call.args.len()) {
        ("exec", _) | ("action", 1) => call.args.first(),
        _ => None,
    };
    let Some((expr, action)) = named.and_then(|expr| Some((expr, literal::text(expr)?))) else {
        return;
    };
    let params = match (call.name.as_str(), call.args.get(1)) {
        ("exec", None) => Some((vec![], Some(serde_json::json!({})))),
        ("exec", Some(params @ Expr::Map(map, _))) => {
            let names = map.0.iter().map(|(ident, _)| ident.name.to_string()).collect();
            Some((names, literal::value(params)))
        }
        _ => None,
    };
    let (action, place) = (action.to_owned(), expr.position());
    found.checked.uses.push(ActionUse { action, params, formats: vec![], place });
}
