//! `!audit` and `!find`: who may ask the log where, what is done for them step by step, and what is answered.

use serde_json::{Value, json};

use super::builtin::Builtin;
use super::event::{EffectClass, EffectResult};
use super::execution::Execution;

/// The step that searches.
pub const SEARCH: &str = "search";

/// The commands as help shows them.
pub const COMMANDS: &[(Builtin, &str, &str)] = &[
    (
        Builtin::Audit,
        "audit {filters}",
        "Tell who asked for what, and what came of it: `who ann since yesterday`, `execution ID`; in the management room",
    ),
    (
        Builtin::Find,
        "find {text}",
        "Find words in what was asked, done and answered; in the management room",
    ),
];

/// A question to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCommand {
    /// Which.
    pub builtin: Builtin,
    /// What is looked for.
    pub words: String,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Search the log.
    Search {
        /// What is done.
        op: &'static str,
        /// With what.
        args: Value,
        /// It only reads.
        class: EffectClass,
    },
    /// It is under way.
    Wait,
    /// Tell what was found: that is the end.
    Tell(Value),
    /// Say why nothing could be found: that is the end.
    Sorry(String),
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<AuditCommand> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let builtin = match first.to_lowercase().as_str() {
        "audit" => Builtin::Audit,
        "find" => Builtin::Find,
        _ => return None,
    };
    Some(AuditCommand { builtin, words: rest.trim().to_owned() })
}

impl AuditCommand {
    /// What an execution of it is started with.
    pub fn args(&self) -> Value {
        json!({ "words": self.words })
    }

    /// What is wrong with it, if anything is.
    pub fn refusal(&self) -> Option<String> {
        let example = match self.builtin {
            Builtin::Find => "find disk full",
            _ => "audit who ann since yesterday",
        };
        self.words.is_empty().then(|| format!("say what to look for, such as `{example}`."))
    }
}

/// What an execution of one of the commands does next.
pub fn next(builtin: Builtin, execution: &Execution) -> Next {
    let Some(step) = execution.steps.get(SEARCH) else {
        let args = execution.started.args.clone();
        return Next::Search { op: builtin.name(), args, class: EffectClass::Read };
    };
    match &step.result {
        None => Next::Wait,
        Some(EffectResult::Ok(found)) => Next::Tell(found.clone()),
        Some(EffectResult::Err(error)) => {
            let why = error["message"].as_str().unwrap_or("nobody knows why");
            Next::Sorry(format!("I cannot look that up: {}.", why.trim_end_matches(['.', '?'])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        for (text, want) in [
            ("audit", Some((Builtin::Audit, ""))),
            (" Audit  who ann ", Some((Builtin::Audit, "who ann"))),
            ("find disk  full", Some((Builtin::Find, "disk  full"))),
            ("finder x", None),
            ("", None),
        ] {
            let want = want.map(|(builtin, words)| (builtin, words.to_owned()));
            assert_eq!(parse(text).map(|it| (it.builtin, it.words)), want, "{text:?}");
        }
    }

    #[test]
    fn commands_are_refused_with_a_reason() {
        for (text, want) in [
            ("audit who ann", "no"),
            ("find x", "no"),
            ("audit", "say what to look for, such as `audit who"),
            ("find", "say what to look for, such as `find disk"),
        ] {
            let command = parse(text).expect("it is a command");
            let got = command.refusal().unwrap_or_else(|| "no".into());
            assert!(got.starts_with(want), "{text:?}: {got}");
        }
    }
}
