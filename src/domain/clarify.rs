//! Asking back: which of several commands was meant, and what a command lacks; then it is run as if it had been said so.
//!
//! An execution of its own asks, one thing after the other, so that a half-said command survives a stop.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::alias::{Format, Kind, Partial};
use super::alias_index::Hit;
use super::builtin::Builtin;
use super::catalog::{Alias, Catalog};
use super::context::Filled;
use super::event::EffectResult;
use super::execution::Execution;
use super::route::{Act, Wanting};
use super::words::context as words;

/// How long an answer is waited for.
pub const ANSWER_MS_MAX: i64 = 10 * 60 * 1000;
/// How often a value that is wrong is asked for again.
pub const TRIES_MAX: usize = 3;
/// The path of the question which command was meant.
pub const WHICH: &str = "which";

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Ask this.
    Ask {
        /// The step.
        path: String,
        /// The question.
        text: String,
        /// The possible answers; none: any text.
        choices: Vec<String>,
    },
    /// The answer has not come yet.
    Wait,
    /// It is clear what was meant: run it.
    Run {
        /// The alias.
        alias: String,
        /// The handler's `args`.
        args: Value,
        /// The whole command in words.
        command: String,
    },
    /// Nothing is run, and the person is told why.
    Leave(String),
}

/// What an execution is started with that asks which command was meant.
pub fn which(hits: &[Hit], catalog: &Catalog) -> Value {
    let way = |hit: &Hit| {
        let mut args: Map<String, Value> = hit.matched.params.clone().into_iter().collect();
        args.insert("extra".into(), Value::Object(hit.matched.extra.clone().into_iter().collect()));
        let alias = &catalog.aliases[hit.alias.0];
        json!({ "alias": alias.name, "usage": hit.format.usage(), "help": alias.help, "args": args })
    };
    json!({ "ways": hits.iter().map(way).collect::<Vec<_>>() })
}

/// What an execution is started with that asks for what a command lacks.
pub fn lacking(alias: &Alias, format: &Format, partial: &Partial) -> Value {
    json!({
        "alias": alias.name, "format": format.usage(), "params": partial.params,
        "extra": partial.extra, "missing": partial.missing,
    })
}

/// What an execution is started with that asks for what a command leaves out and nobody may assume.
pub fn lacking_in_context(alias: &Alias, wanting: &Wanting, filled: &Filled) -> Value {
    json!({
        "alias": alias.name, "format": wanting.format, "params": filled.params,
        "extra": wanting.extra, "missing": filled.missing, "hints": filled.hints,
    })
}

/// What an execution is started with that asks which of several whole commands was meant.
pub fn which_command(alias: &str, ways: &[(String, Value)]) -> Value {
    let way = |(command, args): &(String, Value)| json!({ "alias": alias, "usage": command, "help": "", "args": args, "command": command });
    json!({ "ways": ways.iter().map(way).collect::<Vec<_>>() })
}

/// The parameter whose value a question asks for, if any text answers it: what it takes.
pub fn asks_for(execution: &Execution, path: &str) -> Option<Kind> {
    let format = Format::parse(execution.started.args["format"].as_str()?).ok()?;
    let (name, _) = path.rsplit_once('-')?;
    format.parameter(name).map(|parameter| parameter.kind.clone())
}

/// What an execution does next that asks back.
pub fn next(execution: &Execution, prefix: &str) -> Next {
    match &execution.started.args["ways"] {
        Value::Array(ways) => next_of_ways(execution, ways, prefix),
        _ => next_of_lacking(execution),
    }
}

fn next_of_ways(execution: &Execution, ways: &[Value], prefix: &str) -> Next {
    let usage = |way: &Value| way["usage"].as_str().unwrap_or_default().to_owned();
    match answer(execution, WHICH) {
        Answer::NotAsked => {
            let line = |(n, way): (usize, &Value)| {
                let help = way["help"].as_str().filter(|help| !help.is_empty());
                let help = help.map_or(String::new(), |help| format!(" – {help}"));
                format!("{}. {prefix}{}{help}", n + 1, usage(way))
            };
            let lines: Vec<String> = ways.iter().enumerate().map(line).collect();
            let text = format!("Which of these do you mean?\n{}", lines.join("\n"));
            let choices = ways.iter().map(usage).collect();
            Next::Ask { path: WHICH.into(), text, choices }
        }
        Answer::Waits => Next::Wait,
        Answer::Late => left(execution),
        Answer::Is(answer) => match ways.iter().find(|way| usage(way) == answer) {
            Some(way) => Next::Run {
                alias: way["alias"].as_str().unwrap_or_default().to_owned(),
                args: way["args"].clone(),
                command: way["command"]
                    .as_str()
                    .map_or_else(|| execution.started.command.clone(), str::to_owned),
            },
            None => left(execution),
        },
    }
}

fn next_of_lacking(execution: &Execution) -> Next {
    let args = &execution.started.args;
    let Ok(format) = Format::parse(args["format"].as_str().unwrap_or_default()) else {
        return left(execution);
    };
    let params = serde_json::from_value(args["params"].clone()).unwrap_or_default();
    let mut params: BTreeMap<String, Value> = params;
    for name in args["missing"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        match asked(execution, &format, name) {
            Ok(value) => drop(params.insert(name.to_owned(), value)),
            Err(next) => return next,
        }
    }
    let command = format.command(&params).unwrap_or_else(|| execution.started.command.clone());
    let mut args: Map<String, Value> = params.into_iter().collect();
    args.insert("extra".into(), execution.started.args["extra"].clone());
    let alias = execution.started.args["alias"].as_str().unwrap_or_default().to_owned();
    Next::Run { alias, args: Value::Object(args), command }
}

/// The value that a parameter was given, or what is to be done for it.
fn asked(execution: &Execution, format: &Format, name: &str) -> Result<Value, Next> {
    let Some(parameter) = format.parameter(name) else { return Err(left(execution)) };
    let mut wrong: Option<String> = None;
    for nth in 0..TRIES_MAX {
        let path = format!("{name}-{nth}");
        match answer(execution, &path) {
            Answer::NotAsked => {
                let choices = parameter.kind.choices();
                let wanted = parameter.kind.wanted();
                let text = match (wrong, choices.is_empty()) {
                    (Some(wrong), _) => {
                        format!("`{name}` must be {wanted}, not `{wrong}`. Which `{name}`?")
                    }
                    (None, true) => {
                        format!("Which `{name}`? Reply with {wanted}, or `never mind`.")
                    }
                    (None, false) => format!("Which `{name}`?"),
                };
                // What is not assumed because it could do harm is at least told.
                let last = execution.started.args["hints"].get(name).filter(|_| nth == 0);
                let text = format!("{text}{}", last.map(words::hint).unwrap_or_default());
                return Err(Next::Ask { path, text, choices });
            }
            Answer::Waits => return Err(Next::Wait),
            Answer::Late => return Err(left(execution)),
            Answer::Is(answer) if gives_up(&answer) => {
                return Err(Next::Leave("Then I leave it.".into()));
            }
            Answer::Is(answer) => match format.answer(name, &answer) {
                Some(value) => return Ok(value),
                None => wrong = Some(answer.chars().take(60).collect()),
            },
        }
    }
    Err(Next::Leave(format!(
        "I leave it: `{name}` must be {}. It is used as: {}",
        parameter.kind.wanted(),
        format.usage()
    )))
}

/// What became of a question.
enum Answer {
    NotAsked,
    Waits,
    Is(String),
    Late,
}

fn answer(execution: &Execution, path: &str) -> Answer {
    match execution.steps.get(path).map(|step| &step.result) {
        None => Answer::NotAsked,
        Some(None) => Answer::Waits,
        Some(Some(EffectResult::Ok(Value::String(answer)))) => Answer::Is(answer.clone()),
        Some(Some(EffectResult::Ok(_) | EffectResult::Err(_))) => Answer::Late,
    }
}

/// Whether what is to be done stands in the place of what its author half said before: a command of a script, whole or
/// half said itself.
pub fn lets_go(act: &Act) -> bool {
    match act {
        Act::Run { .. } | Act::Assume(_) => true,
        Act::BuiltIn { builtin, .. } => *builtin == Builtin::Clarify,
        _ => false,
    }
}

/// Whether an answer says that nothing is to be done.
pub fn gives_up(answer: &str) -> bool {
    let answer = answer.trim().to_lowercase();
    ["never mind", "nevermind", "cancel", "forget it"].contains(&answer.as_str())
}

fn left(execution: &Execution) -> Next {
    Next::Leave(format!("Nobody answered, so I did not run “{}”.", execution.started.command))
}

#[cfg(test)]
mod tests {
    use super::super::event::{
        EffectClass, EffectRequested, Event, ExecutionStarted, QuestionAnswered, TimerFired, decode,
    };
    use super::super::id::{ExecutionId, PostId, Timestamp, UserId};
    use super::*;

    fn begun(args: Value, command: &str) -> Execution {
        let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).expect("it is JSON");
        let started = match decode("execution_started", 1, list[0].clone()) {
            Ok(Event::ExecutionStarted(started)) => started,
            other => panic!("{other:?}"),
        };
        let started = ExecutionStarted { args, command: command.into(), ..started };
        Execution::begin(ExecutionId("E".into()), started, Timestamp(0))
    }

    /// A value with its fields in the order of their names, whatever order a map keeps them in.
    fn by_name(value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
                let fields =
                    sorted.iter().map(|(name, value)| format!("{name:?}:{}", by_name(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
            Value::Array(list) => {
                format!("[{}]", list.iter().map(by_name).collect::<Vec<_>>().join(","))
            }
            other => other.to_string(),
        }
    }

    /// Asks what is to be asked, and answers it; `late` lets the time come. Gives what is done then.
    fn talk(mut execution: Execution, answers: &str) -> String {
        for said in answers.split(" / ").filter(|said| !said.is_empty()) {
            let Next::Ask { path, .. } = next(&execution, "!") else {
                return format!("nothing is asked before {said}: {:?}", next(&execution, "!"));
            };
            let (args, class) = (json!({}), EffectClass::Log);
            let (asked, op) = (path.clone(), "ask".to_owned());
            execution.apply(
                &EffectRequested {
                    path: asked,
                    op,
                    args,
                    line: 0,
                    class,
                    due: None,
                    decision: None,
                }
                .into(),
            );
            assert_eq!(next(&execution, "!"), Next::Wait);
            let (by, post) = (UserId("@ann:hs".into()), PostId("$1".into()));
            execution.apply(&match said {
                "late" => {
                    let result = EffectResult::Err(json!({ "kind": "timed_out" }));
                    TimerFired { path, due: Timestamp(0), result }.into()
                }
                said => QuestionAnswered { path, answer: json!(said), by, post }.into(),
            });
        }
        match next(&execution, "!") {
            Next::Ask { text, choices, .. } => format!("ask {text} {choices:?}"),
            Next::Wait => "wait".into(),
            Next::Run { alias, args, command } => {
                format!("run {alias} {} {command}", by_name(&args))
            }
            Next::Leave(why) => format!("leave {why}"),
        }
    }

    #[test]
    fn what_a_command_lacks_is_asked_for_one_after_the_other() {
        let format = "make {host} on {cloud: aws | other} [size {size:int=2}] for {days:int}";
        let args = json!({
            "alias": "make", "format": format, "extra": {},
            "params": { "host": null, "cloud": null, "size": 2, "days": null },
            "missing": ["host", "cloud", "days"],
        });
        for (answers, want) in [
            (
                "",
                "ask Which `host`? Reply with one word, or several in quotes, or `never mind`. []",
            ),
            ("web1", "ask Which `cloud`? [\"aws\", \"other\"]"),
            ("web1 / aws", "ask Which `days`? Reply with a whole number, or `never mind`. []"),
            (
                "web1 / aws / many",
                "ask `days` must be a whole number, not `many`. Which `days`? []",
            ),
            (
                "web1 / aws / many / 3",
                "run make {\"cloud\":\"aws\",\"days\":3,\"extra\":{},\"host\":\"web1\",\"size\":2} make web1 on aws for 3",
            ),
            (
                "web1 / aws / many / more / most",
                "leave I leave it: `days` must be a whole number. It is used as: make {host} on {cloud: aws | other} [size {size:int=2}] for {days:int}",
            ),
            ("web1 / never mind", "leave Then I leave it."),
            ("web1 / late", "leave Nobody answered, so I did not run “make”."),
        ] {
            assert_eq!(talk(begun(args.clone(), "make"), answers), want, "{answers:?}");
        }
        assert_eq!(TRIES_MAX, 3, "the row with many, more and most is at the bound");
    }

    #[test]
    fn which_command_was_meant_is_asked() {
        let args = json!({ "ways": [
            { "alias": "one", "usage": "show {what}", "help": "Shows it", "args": { "what": "x" } },
            { "alias": "two", "usage": "show {it}", "help": "", "args": { "it": "x" } },
        ] });
        for (answers, want) in [
            (
                "",
                "ask Which of these do you mean?\n1. !show {what} – Shows it\n2. !show {it} [\"show {what}\", \"show {it}\"]",
            ),
            ("show {it}", "run two {\"it\":\"x\"} show x"),
            ("late", "leave Nobody answered, so I did not run “show x”."),
        ] {
            assert_eq!(talk(begun(args.clone(), "show x"), answers), want, "{answers:?}");
        }
    }
}
