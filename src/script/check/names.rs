//! The functions that a script can call: those of the engine, its own, and those of its libraries.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Engine, Stmt};

use super::super::host;
use crate::domain::near::nearest;

/// What the language itself can call, with any number of arguments.
const OF_THE_LANGUAGE: &[&str] = &[
    "print",
    "debug",
    "type_of",
    "Fn",
    "call",
    "curry",
    "is_shared",
    "is_def_var",
    "is_def_fn",
    "eval",
    "tag",
];

/// Functions and how many arguments they take.
pub(super) type Functions = BTreeMap<String, BTreeSet<usize>>;

/// All that a script can call.
pub(super) struct Names<'a> {
    natives: &'a Functions,
    own: Functions,
    libraries: BTreeMap<String, Functions>,
    variables: BTreeSet<String>,
}

/// The functions of the engine.
pub(super) fn natives(engine: &Engine) -> Functions {
    let json = engine.gen_fn_metadata_to_json(true).expect("metadata is JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("metadata is JSON");
    let mut found = Functions::new();
    for function in json["functions"].as_array().into_iter().flatten() {
        let arity = function["numParams"].as_u64().and_then(|n| usize::try_from(n).ok());
        if let (Some(name), Some(arity)) = (function["name"].as_str(), arity) {
            found.entry(name.to_owned()).or_default().insert(arity);
        }
    }
    found
}

/// The functions that a script defines.
pub(super) fn functions(ast: &AST) -> Functions {
    let mut found = Functions::new();
    for function in ast.iter_functions() {
        found.entry(function.name.to_owned()).or_default().insert(function.params.len());
    }
    found
}

/// What a call means.
pub(super) enum Known {
    /// There is such a function.
    Yes,
    /// There is one that takes another number of arguments: these.
    Arity(BTreeSet<usize>),
    /// There is none.
    No,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        natives: &'a Functions,
        ast: &AST,
        libraries: BTreeMap<String, Functions>,
    ) -> Self {
        Self { natives, own: functions(ast), libraries, variables: variables(ast) }
    }

    /// Whether a function of this name takes so many arguments.
    pub(super) fn function(&self, name: &str, args: usize) -> Known {
        if OF_THE_LANGUAGE.contains(&name) || self.variables.contains(name) {
            return Known::Yes;
        }
        let all = [self.natives.get(name), self.own.get(name)];
        let arities: BTreeSet<usize> = all.into_iter().flatten().flatten().copied().collect();
        known(arities, args)
    }

    /// Whether a function of this name can be called on a value with so many arguments.
    pub(super) fn method(&self, name: &str, args: usize) -> Known {
        if OF_THE_LANGUAGE.contains(&name) {
            return Known::Yes;
        }
        let natives = self.natives.get(name).into_iter().flatten();
        let natives = natives.filter_map(|arity| arity.checked_sub(1));
        // A function of a script sees the value as `this`.
        let own = self.own.get(name).into_iter().flatten().copied();
        known(natives.chain(own).collect(), args)
    }

    /// Whether a library has such a function; a library that is not known has all.
    pub(super) fn of_library(&self, library: &str, name: &str, args: usize) -> Known {
        match self.libraries.get(library) {
            None => Known::Yes,
            Some(functions) => known(functions.get(name).cloned().unwrap_or_default(), args),
        }
    }

    /// The function that was probably meant.
    pub(super) fn near(&self, name: &str) -> Option<&str> {
        let word = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let ours = nearest(name, host::table().map(|row| row.name));
        let own = self.own.keys().map(String::as_str).filter(word);
        let all = own.chain(self.natives.keys().map(String::as_str).filter(word));
        ours.or_else(|| nearest(name, all))
    }

    /// The function of a library that was probably meant.
    pub(super) fn near_in(&self, library: &str, name: &str) -> Option<&str> {
        let functions = self.libraries.get(library)?;
        nearest(name, functions.keys().map(String::as_str))
    }
}

fn known(arities: BTreeSet<usize>, args: usize) -> Known {
    match (arities.is_empty(), arities.contains(&args)) {
        (true, _) => Known::No,
        (_, true) => Known::Yes,
        _ => Known::Arity(arities),
    }
}

/// The names of all variables and parameters: one may hold a closure.
fn variables(ast: &AST) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = ast
        .iter_functions()
        .flat_map(|function| function.params.into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Var(var, ..))) = path.last() {
            found.insert(var.0.name.to_string());
        }
        true
    });
    found
}
