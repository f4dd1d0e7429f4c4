//! What a loaded script offers: its aliases and actions, pinned to one version of its source.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{AST, Dynamic, FnPtr, GlobalRuntimeState};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::event::EffectClass;
use crate::domain::id::ScriptHash;

/// Largest script in bytes.
pub const SCRIPT_BYTES_MAX: usize = 96 * 1024;

/// One version of one script.
pub struct Script {
    /// Its file, from the scripts folder.
    pub file: String,
    /// The hash of its source and of all that it imports.
    pub hash: ScriptHash,
    /// Its source.
    pub source: String,
    /// What its `//!` lines say.
    pub help: String,
    /// The libraries that it imports, and those that they import, by file.
    pub imports: Vec<Import>,
    /// Compiled.
    pub ast: AST,
    /// What its top level imported: handlers see it through this.
    pub global: Option<Arc<GlobalRuntimeState>>,
    /// Its top-level constants.
    pub consts: Arc<BTreeMap<String, Dynamic>>,
    /// The commands it offers.
    pub aliases: Vec<AliasDef>,
    /// The actions it declares.
    pub actions: BTreeMap<String, ActionDef>,
    /// Its tests: `beadle script test` runs them, a bot does not.
    pub tests: Vec<TestDef>,
}

/// A test that a script brings with it.
#[derive(Clone)]
pub struct TestDef {
    /// What it shows.
    pub name: String,
    /// Its body: a closure with one parameter, the conversation.
    pub body: FnPtr,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

/// A library that a script imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its file, from the scripts folder.
    pub file: String,
    /// The hash of its source.
    pub hash: ScriptHash,
    /// Its source.
    pub source: String,
}

/// A command that a script offers.
#[derive(Clone)]
pub struct AliasDef {
    /// Its name: unique among all scripts.
    pub name: String,
    /// How it is written.
    pub formats: Vec<String>,
    /// What it is for.
    pub help: String,
    /// How it is used, for help.
    pub example: Option<String>,
    /// Who may run it.
    pub role: Option<String>,
    /// Where it may be run; empty: everywhere.
    pub rooms: Vec<String>,
    /// Labels for policies.
    pub tags: Vec<String>,
    /// What is said when it does not answer at once.
    pub ack: Ack,
    /// What runs.
    pub run: Run,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

/// What is said at once when a command takes its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ack {
    /// The usual sentence with the execution id, if the handler says nothing itself.
    Usual,
    /// This.
    Text(String),
    /// Nothing.
    Silent,
}

/// What an alias runs.
#[derive(Clone)]
pub enum Run {
    /// A closure with so many parameters.
    Handler(FnPtr, usize),
    /// An action, with the alias's parameters.
    Action(String),
}

/// An operation in any language.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionDef {
    /// Its name: `cloud.create_vm`.
    pub name: String,
    /// The command and its arguments, with `{parameter}` places.
    pub run: Vec<String>,
    /// Its parameters.
    pub params: BTreeMap<String, ParamDef>,
    /// When it is stopped.
    pub timeout_ms: i64,
    /// What its standard output means.
    pub output: OutputFormat,
    /// Whether it may be repeated.
    pub effect: EffectClass,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// What it is for.
    pub help: String,
    /// The folder of the script that declares it, from the scripts folder.
    pub folder: String,
}

/// A parameter of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamDef {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// Any list, map or value.
    Any,
    /// One of these.
    Choice(Vec<String>),
}

/// What an action's standard output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// One JSON value.
    Json,
    /// A text.
    Text,
    /// A list of lines.
    Lines,
}

/// The hash that names a version of a script.
pub fn hash(source: &str) -> ScriptHash {
    let hash = Sha256::digest(source.as_bytes());
    ScriptHash(data_encoding::HEXLOWER.encode(&hash[..16]))
}

/// The hash that names a version of a script with all that it imports; the hash of its source, if that is nothing.
pub fn version_hash(source: &str, imports: &[Import]) -> ScriptHash {
    if imports.is_empty() {
        return hash(source);
    }
    let parts = imports.iter().map(|import| format!("\0{}\0{}", import.file, import.hash));
    hash(&parts.fold(hash(source).as_str().to_owned(), |all, part| all + part.as_str()))
}

impl ParamDef {
    /// Whether a value fits, or what would.
    ///
    /// # Errors
    /// What the parameter takes, in words.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let (fits, wanted) = match self {
            Self::Text => (value.is_string(), "a text".to_owned()),
            Self::Int => (value.is_i64(), "a whole number".to_owned()),
            Self::Number => (value.is_number(), "a number".to_owned()),
            Self::Bool => (value.is_boolean(), "true or false".to_owned()),
            Self::Any => (true, String::new()),
            Self::Choice(list) => {
                let chosen = value.as_str().is_some_and(|text| list.iter().any(|c| c == text));
                (chosen, format!("one of {}", list.join(", ")))
            }
        };
        if fits { Ok(()) } else { Err(wanted) }
    }
}

impl ActionDef {
    /// The command line for these parameters, or what is wrong with them.
    ///
    /// # Errors
    /// Which parameter is missing, unknown or of the wrong kind.
    pub fn command_line(&self, args: &Value) -> Result<Vec<String>, String> {
        let given = args.as_object().ok_or("parameters are given as a map: #{ name: value }")?;
        for name in given.keys() {
            if !self.params.contains_key(name) {
                let known: Vec<&str> = self.params.keys().map(String::as_str).collect();
                return Err(format!(
                    "`{}` has no parameter `{name}`; it takes {}",
                    self.name,
                    known.join(", ")
                ));
            }
        }
        for (name, kind) in &self.params {
            let value = given.get(name).ok_or_else(|| format!("`{}` needs `{name}`", self.name))?;
            kind.check(value).map_err(|wanted| format!("`{name}` must be {wanted}"))?;
        }
        Ok(self.run.iter().map(|part| fill(part, given)).collect())
    }
}

/// Puts parameters into `{name}` places; what is in a parameter is never looked at again.
fn fill(part: &str, given: &serde_json::Map<String, Value>) -> String {
    let mut filled = String::new();
    let mut rest = part;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else { break };
        let name = &rest[open + 1..open + close];
        filled.push_str(&rest[..open]);
        match given.get(name) {
            Some(Value::String(text)) => filled.push_str(text),
            Some(value) => filled.push_str(&value.to_string()),
            None => filled.push_str(&rest[open..=open + close]),
        }
        rest = &rest[open + close + 1..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_become_arguments_or_an_error() {
        let params = [
            ("host".to_owned(), ParamDef::Text),
            ("size".to_owned(), ParamDef::Int),
            ("on".to_owned(), ParamDef::Choice(vec!["aws".into(), "gce".into()])),
        ];
        let action = ActionDef {
            name: "vm".into(),
            run: vec!["./vm".into(), "{host}".into(), "--size={size}".into(), "{other}{".into()],
            params: params.into(),
            timeout_ms: 1,
            output: OutputFormat::Text,
            effect: EffectClass::Once,
            env: BTreeMap::new(),
            help: String::new(),
            folder: String::new(),
        };
        for (args, want) in [
            (json!({"host": "a b; rm", "size": 2, "on": "aws"}), "./vm|a b; rm|--size=2|{other}{"),
            (json!({"host": "{size}", "size": 2, "on": "gce"}), "./vm|{size}|--size=2|{other}{"),
            (json!({"host": "a", "size": "2", "on": "aws"}), "`size` must be a whole number"),
            (json!({"host": "a", "size": 2, "on": "azure"}), "`on` must be one of aws, gce"),
            (json!({"host": "a", "on": "aws"}), "`vm` needs `size`"),
            (json!({"hots": "a"}), "`vm` has no parameter `hots`; it takes host, on, size"),
            (json!(3), "parameters are given as a map: #{ name: value }"),
        ] {
            let got = action.command_line(&args).map_or_else(|why| why, |line| line.join("|"));
            assert_eq!(got, want, "{args}");
        }
    }
}
