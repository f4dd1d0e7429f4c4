//! The `#{ .. }` of a call, read by the options of its row: nothing else is accepted, and nothing else can be asked for.

use rhai::{Dynamic, Map, NativeCallContext};

use super::super::context::{HostResult, error};
use super::table::HostFn;
use super::{find, milliseconds, nearest};

/// The options of one call.
pub struct Options<'a, 'c> {
    call: &'a NativeCallContext<'c>,
    row: &'static HostFn,
    map: &'a Map,
}

impl<'a, 'c> Options<'a, 'c> {
    /// Reads the options of a function; one that it does not have is an error with a suggestion.
    pub fn of(call: &'a NativeCallContext<'c>, name: &str, map: &'a Map) -> HostResult<Self> {
        let row = find(name).expect("every function with options has a row");
        match map.keys().find(|given| row.option(given).is_none()) {
            None => Ok(Self { call, row, map }),
            Some(given) => Err(error(call, unknown(row, given))),
        }
    }

    /// An option as it was given.
    pub fn get(&self, name: &str) -> Option<&'a Dynamic> {
        debug_assert!(self.row.option(name).is_some(), "`{}` has no row for {name}", self.row.name);
        #[cfg(test)]
        super::trial::asked_for(self.row.name, name);
        self.map.get(name).filter(|value| !value.is_unit())
    }

    /// An option that is a text.
    pub fn text(&self, name: &str) -> HostResult<Option<String>> {
        let read = |value: &Dynamic| {
            value.clone().into_string().map_err(|kind| self.wrong(name, "a text", kind))
        };
        self.get(name).map(read).transpose()
    }

    /// An option that is a text or a list of texts; without it, the empty list.
    pub fn texts(&self, name: &str) -> HostResult<Vec<String>> {
        let read = |value| super::texts(self.call, value, &format!("`{name}`"));
        self.get(name).map_or(Ok(vec![]), read)
    }

    /// An option that is a duration, in milliseconds.
    pub fn duration(&self, name: &str) -> HostResult<Option<i64>> {
        let read = |value| milliseconds(value).map_err(|why| self.error(format!("{name}: {why}")));
        self.get(name).map(read).transpose()
    }

    /// An option that is a whole number.
    pub fn int(&self, name: &str) -> HostResult<Option<i64>> {
        let read = |value: &Dynamic| {
            value.as_int().map_err(|kind| self.wrong(name, "a whole number", kind))
        };
        self.get(name).map(read).transpose()
    }

    /// An option that is true or false.
    pub fn bool(&self, name: &str) -> HostResult<Option<bool>> {
        let read = |value: &Dynamic| {
            value.as_bool().map_err(|kind| self.wrong(name, "true or false", kind))
        };
        self.get(name).map(read).transpose()
    }

    /// An option that is a map.
    pub fn map(&self, name: &str) -> HostResult<Option<Map>> {
        let read = |value: &Dynamic| {
            let kind = value.type_name();
            value.clone().try_cast::<Map>().ok_or_else(|| self.wrong(name, "a map", kind))
        };
        self.get(name).map(read).transpose()
    }

    /// An error at the call.
    pub fn error(&self, what: impl Into<String>) -> Box<rhai::EvalAltResult> {
        error(self.call, what)
    }

    fn wrong(&self, name: &str, wanted: &str, kind: &str) -> Box<rhai::EvalAltResult> {
        let kind = super::table::type_word(kind);
        self.error(format!("`{name}` of `{}` is {wanted}, not {kind}", self.row.name))
    }
}

/// What is said about an option that a function does not have.
pub fn unknown(row: &HostFn, given: &str) -> String {
    let names = || row.options.iter().map(|option| option.name);
    let all = names().collect::<Vec<_>>().join(", ");
    let has = match (all.as_str(), nearest(given, names())) {
        ("", _) => "it has none".to_owned(),
        (all, None) => format!("it has {all}"),
        (all, Some(near)) => format!("did you mean `{near}`? It has {all}"),
    };
    format!("`{}` has no option `{given}`; {has}", row.name)
}
