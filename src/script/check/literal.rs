//! What is written out in a script: the kind of a literal, and its value as JSON.

use rhai::Expr;
use serde_json::{Map, Value};

/// The kind of a literal in the words of the table; none: it is only known when it runs.
pub(super) fn kind(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::StringConstant(..) | Expr::InterpolatedString(..) | Expr::CharConstant(..) => {
            Some("text")
        }
        Expr::IntegerConstant(..) => Some("int"),
        Expr::FloatConstant(..) => Some("number"),
        Expr::BoolConstant(..) => Some("bool"),
        Expr::Array(..) => Some("list"),
        Expr::Map(..) => Some("map"),
        Expr::Unit(..) => Some("()"),
        other => super::walk::closure(other).map(|_| "function"),
    }
}

/// The value of an expression that is written out as a whole.
pub(super) fn value(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::StringConstant(text, _) => Some(Value::String(text.to_string())),
        Expr::IntegerConstant(number, _) => Some((*number).into()),
        Expr::FloatConstant(number, _) => serde_json::Number::from_f64(**number).map(Value::Number),
        Expr::BoolConstant(it, _) => Some((*it).into()),
        Expr::Unit(_) => Some(Value::Null),
        Expr::Array(items, _) => {
            items.iter().map(value).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Expr::Map(map, _) => {
            let row =
                |(name, expr): &(rhai::Ident, Expr)| Some((name.name.to_string(), value(expr)?));
            map.0.iter().map(row).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        _ => None,
    }
}

/// A number that is written out; the engine reads a minus sign as an operator.
pub(super) fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::IntegerConstant(number, _) => Some(*number as f64),
        Expr::FloatConstant(number, _) => Some(**number),
        Expr::FnCall(call, _) if call.name == "-" && call.args.len() == 1 => {
            number(&call.args[0]).map(|number| -number)
        }
        _ => None,
    }
}

/// A text that is written out.
pub(super) fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::StringConstant(text, _) => Some(text.as_str()),
        _ => None,
    }
}
