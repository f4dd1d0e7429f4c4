//! Aliases that are written out: their formats, and the actions that they run with nothing in between.

use rhai::{AST, Expr};

use super::walk::calls;
use super::{ActionUse, Found, literal};
use crate::domain::alias::Format;

/// Looks at every alias, also at those that a failing declaration before them keeps from being declared.
pub(super) fn look(ast: &AST, found: &mut Found) {
    calls(ast, |call| {
        if call.call.name != "alias" || call.method || !call.top {
            return;
        }
        let Some(written) = call.call.args.first().and_then(formats) else { return };
        for format in &written {
            if let Err(why) = Format::parse(format) {
                found.error("load", call.place, format!("format `{format}`: {why}"), None);
            }
        }
        let Some(Expr::FnCall(action, place)) = call.call.args.last() else { return };
        let name = action.args.first().and_then(literal::text);
        if let ("action", 1, Some(name)) = (action.name.as_str(), action.args.len(), name) {
            let (action, formats) = (name.to_owned(), written);
            let place = *place;
            found.checked.uses.push(ActionUse { action, params: None, formats, place });
        }
    });
}

/// The formats of an alias, where all of them are written out.
pub(super) fn formats(formats: &Expr) -> Option<Vec<String>> {
    match formats {
        Expr::Array(list, _) => {
            list.iter().map(|it| literal::text(it).map(str::to_owned)).collect()
        }
        one => Some(vec![literal::text(one)?.to_owned()]),
    }
}
