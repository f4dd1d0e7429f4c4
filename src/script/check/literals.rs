//! Values that are written out and that a function will refuse whenever it is called: durations, levels, patterns.

use rhai::{Expr, FnCallExpr};

use super::super::host::table::{HostFn, Kind};
use super::super::host::{LEVELS, words};
use super::{Found, literal, meant};
use crate::domain::alias::parse_duration;
use crate::domain::near::nearest;

/// Looks at what is written out in a call of a host function.
pub(super) fn look(row: &HostFn, call: &FnCallExpr, found: &mut Found) {
    let forms = || {
        row.forms.iter().filter(|form| form.on.is_none() && form.params.len() == call.args.len())
    };
    for (nth, arg) in call.args.iter().enumerate() {
        if forms().next().is_some() && forms().all(|form| form.params[nth].kind == Kind::Duration) {
            duration(arg, found);
        }
        if let (true, Expr::Map(map, _)) =
            (forms().any(|form| is_options(form.params[nth].kind)), arg)
        {
            for (name, value) in &map.0 {
                let option = row.option(name.name.as_str());
                if option.is_some_and(|option| option.kind == Kind::Duration) {
                    duration(value, found);
                }
            }
        }
    }
    match row.name {
        "log" => level(call, found),
        "matches" | "captures" => pattern(call, found),
        _ => {}
    }
}

fn is_options(kind: Kind) -> bool {
    kind == Kind::Options
}

fn duration(arg: &Expr, found: &mut Found) {
    let why = match (literal::text(arg), literal::number(arg)) {
        (Some(text), _) => parse_duration(text).err(),
        (None, Some(number)) if number < 0.0 => Some("a duration cannot be negative".to_owned()),
        _ => None,
    };
    if let Some(why) = why {
        found.error("bad_value", arg.position(), why, None);
    }
}

fn level(call: &FnCallExpr, found: &mut Found) {
    let Some((arg, level)) = call.args.first().and_then(|arg| Some((arg, literal::text(arg)?)))
    else {
        return;
    };
    if !LEVELS.contains(&level) {
        let hint = meant(nearest(level, LEVELS))
            .unwrap_or_else(|| format!("there are {}", LEVELS.join(", ")));
        let what = format!("there is no level `{level}`");
        found.error("bad_value", arg.position(), what, Some(hint));
    }
}

fn pattern(call: &FnCallExpr, found: &mut Found) {
    let Some((arg, pattern)) = call.args.first().and_then(|arg| Some((arg, literal::text(arg)?)))
    else {
        return;
    };
    if let Err(why) = words::compiled(pattern) {
        found.error("bad_value", arg.position(), why, None);
    }
}
