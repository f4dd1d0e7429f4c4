//! Runs pieces of scripts against a journal that a test keeps: what waits is answered at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::engine::engine;
use super::super::journal::{Done, Entry, Journal, keep};
use super::super::leaks;
use super::super::load::{load_one, on_script_thread};
use super::super::memory::uncounted;
use super::super::run::{End, Input, run};
use super::memory::Scope;
use super::table::{HostFn, Place};
use crate::domain::event::EffectResult;
use crate::domain::http;
use crate::domain::id::{ExecutionId, IdKey, Timestamp};

/// Most slices of one trial.
const SLICES_MAX: usize = 200;

/// What the examples may run.
const ACTIONS: &str = r#"
action("cloud.create_vm", #{ run: ["true"], params: #{ name: "string" }, output: "json" });
action("disk.free", #{ run: ["df"], output: "lines", effect: "read" });
"#;

thread_local! {
    static ASKED: RefCell<BTreeSet<(&'static str, String)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that the code of a function has looked for an option.
pub fn asked_for(function: &'static str, option: &str) {
    uncounted(|| ASKED.with(|slot| slot.borrow_mut().insert((function, option.to_owned()))));
}

/// How a trial ended.
pub struct Trial {
    /// How the handler ended.
    pub end: End,
    /// All that it did, in order.
    pub entries: Vec<Entry>,
    /// Which options the code looked for, by function.
    pub asked: BTreeSet<(&'static str, String)>,
    /// What its slices left behind, in bytes.
    pub left: u64,
}

/// Runs the example of a row, and gives the options that its function looked for.
pub fn example(row: &'static HostFn) -> Result<BTreeSet<&'static str>, String> {
    let source = match row.place {
        Place::TopLevel | Place::Test => {
            format!("{ACTIONS}\n{}\nalias(\"trial\", || ());", row.example)
        }
        Place::Handler | Place::Anywhere => handler(row.example),
    };
    let trial = source_with(&source, usual_answer)?;
    let End::Returned(_) = trial.end else { return Err(format!("{:?}", trial.end)) };
    let names = trial.asked.iter().filter(|(function, _)| *function == row.name);
    let known = |name: &String| row.option(name).map(|option| option.name);
    Ok(names.filter_map(|(_, name)| known(name)).collect())
}

/// A script whose only handler has this body.
pub fn handler(body: &str) -> String {
    format!("{ACTIONS}\nalias(\"trial\", |args, msg| {{ {body}\n}});")
}

/// Runs the body of a handler with the usual answers.
pub fn body(body: &str) -> Trial {
    source_with(&handler(body), usual_answer).unwrap_or_else(|why| panic!("{why}"))
}

/// What an expression gives in a handler, as JSON, or the message of its error.
pub fn given(expression: &str) -> String {
    match body(expression).end {
        End::Returned(value) => value.to_string(),
        End::Failed(failure) => failure.message,
        other => panic!("{other:?}"),
    }
}

/// What people and actions say if a test has no opinion.
pub fn usual_answer(entry: &Entry) -> EffectResult {
    EffectResult::Ok(match entry.op.as_str() {
        "ask" => entry.args["choices"].get(0).cloned().unwrap_or_else(|| json!("blue")),
        "confirm" => json!(true),
        "approve" => json!({ "by": ["@ben:local"], "names": "ben" }),
        "exec" => json!({ "id": "i-1", "address": "192.0.2.1" }),
        op if http::is_request(op) => http::response(200, &BTreeMap::new(), r#"{"key":"OPS-7"}"#),
        _ => Value::Null,
    })
}

/// Runs the alias `trial` of a script to its end; what waits gets its result from `answer`.
pub fn source_with(source: &str, answer: fn(&Entry) -> EffectResult) -> Result<Trial, String> {
    let source = source.to_owned();
    on_script_thread(move || {
        ASKED.with(|slot| slot.borrow_mut().clear());
        let engine = engine();
        let script = load_one(&engine, "trial.rhai", &source).map_err(|why| why.to_string())?;
        let alias = script.aliases.iter().find(|alias| alias.name == "trial");
        let handler = alias.ok_or("there is no alias `trial`")?.run.clone();
        let actions = Arc::new(script.actions.clone());
        let before = leaks::left(&script.hash);
        let (mut journal, mut entries, mut at) = (Journal::new(), vec![], 0);
        let memory = Arc::new(Mutex::new(BTreeMap::new()));
        for nth in 0..SLICES_MAX {
            let slice = run(&engine, &script, &handler, input(nth, &journal, &actions, &memory));
            for entry in &slice.entries {
                if entry.op == "remember" {
                    let of = Scope::of(entry.args["scope"].as_str());
                    let key = format!("{of:?} {}", entry.args["key"].as_str().unwrap_or_default());
                    memory.lock().expect("one thread").insert(key, entry.args["value"].clone());
                }
                at += 1;
                keep(&mut journal, entry, at);
            }
            // A group has decided in the same slice without some of what its branches asked for.
            for entry in slice.entries.iter().filter(|entry| entry.waits()) {
                at += 1;
                let past = journal.get_mut(&entry.path).expect("it was kept");
                past.done.get_or_insert_with(|| Done { at, result: answer(entry) });
            }
            entries.extend(slice.entries);
            if !matches!(slice.end, End::Suspended | End::Yielded) {
                let asked = ASKED.with(|slot| std::mem::take(&mut *slot.borrow_mut()));
                let left = leaks::left(&script.hash).saturating_sub(before);
                return Ok(Trial { end: slice.end, entries, asked, left });
            }
        }
        Err(format!("it did not end in {SLICES_MAX} slices"))
    })
}

fn input(
    nth: usize,
    journal: &Journal,
    actions: &Arc<BTreeMap<String, super::super::source::ActionDef>>,
    memory: &Arc<Mutex<BTreeMap<String, Value>>>,
) -> Input {
    let memory = memory.clone();
    Input {
        execution: ExecutionId("01TRIAL".into()),
        key: IdKey([1; 32]),
        now: Timestamp(1_795_000_000_000 + nth as i64 * 1_000),
        zone: jiff::tz::TimeZone::UTC,
        args: json!({ "name": "web001", "extra": {} }),
        msg: json!({
            "id": "$1", "in_thread": null, "text": "trial", "time": 1_795_000_000_000_i64,
            "user": { "id": "@ann:local", "name": "ann", "person": null, "network": "matrix", "trust": "account", "trust_level": 4 },
            "room": { "id": "!ops:local", "name": "#ops", "network": "matrix" },
        }),
        journal: journal.clone(),
        actions: actions.clone(),
        permit: std::sync::Arc::new(|_| None),
        recall: Box::new(move |of, key| {
            let name = format!("{of:?} {key}");
            Ok(memory.lock().expect("one thread").get(&name).cloned().unwrap_or(Value::Null))
        }),
        cancel: None,
        may: Arc::new(|who, what| who == "@ann:local" && what != "launch"),
        silenced: Arc::new(|_| false),
        encrypted: true,
        silences: Arc::new(|what| (what == "guarded").then(|| "no policy allows it".to_owned())),
    }
}
