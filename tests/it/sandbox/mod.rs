//! Scripts that mean harm: each is loaded and run as the bot does it, in a process of its own, and must be contained.
//!
//! The outer judges are the system's: a limit of the address space, so that an allocation beyond all budgets ends the
//! process; a limit of the processor time and an alarm, so that what hangs is ended; and what the process held at most.

mod closures;
mod escapes;
mod halts;
mod leaks;
mod loops;
mod parsing;
mod values;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beadle::domain::budget::Budgets;
use beadle::domain::id::{ExecutionId, IdKey, Timestamp};
use beadle::script::engine::{STACK_BYTES, engine_within};
use beadle::script::journal::{Journal, Noted};
use beadle::script::load::{load_one, on_script_thread};
use beadle::script::run::{End, Input, Slice, run};
use beadle::script::source::Script;
use jiff::tz::TimeZone;
use nix::sys::resource::{Resource, setrlimit};
use serde_json::{Value, json};

/// Address space of a child: what it has at its start, the stack of a script thread, and this.
const SPACE_BYTES: u64 = 512 * 1024 * 1024;
/// What a child may hold at most of real memory beyond the budget: itself, and what one native function makes.
const HELD_BYTES: u64 = 160 * 1024 * 1024;
/// How much longer than its budget a slice may take on a busy machine.
const LATE: Duration = Duration::from_secs(4);
/// Processor time of a child.
const CPU_SECONDS: u64 = 60;
/// A child that hangs is ended then.
const ALARM_SECONDS: u32 = 120;

/// A script, and one of the texts that its outcome must contain.
pub struct Attack {
    name: &'static str,
    source: String,
    wanted: &'static [&'static str],
    budgets: Budgets,
    /// How much of the thread's stack it may touch beyond what is usual.
    stack_bytes: u64,
}

/// A handler's body.
fn handler(name: &'static str, body: impl Into<String>, wanted: &'static [&'static str]) -> Attack {
    let source = format!("alias(\"go\", || {{ {} }});", body.into());
    Attack { name, source, wanted, budgets: patient(), stack_bytes: 0 }
}

/// The usual budgets, with more time than they need on a busy machine: another budget is what must hold.
fn patient() -> Budgets {
    Budgets { slice_time_ms: 30_000, ..Budgets::default() }
}

/// The same with little time: a single step of an endless loop takes long, and the clock is what ends it.
fn hasty(attack: Attack) -> Attack {
    let budgets = Budgets { slice_time_ms: 500, ..attack.budgets };
    Attack { budgets, ..attack }
}

/// A whole script.
fn whole(name: &'static str, source: impl Into<String>, wanted: &'static [&'static str]) -> Attack {
    Attack { name, source: source.into(), wanted, budgets: patient(), stack_bytes: 0 }
}

/// Every attack of a class by its name.
fn class(name: &str) -> Vec<Attack> {
    match name {
        "closures" => closures::attacks(),
        "escapes" => escapes::attacks(),
        "halts" => halts::attacks(),
        "loops" => loops::attacks(),
        "parsing" => parsing::attacks(),
        "values" => values::attacks(),
        other => panic!("there is no class {other}"),
    }
}

/// Runs each attack of a class in a child and looks at what became of it.
fn contained(name: &'static str) {
    let mut wrong = vec![];
    let attacks = class(name);
    for (nth, attack) in attacks.iter().enumerate() {
        if let Err(why) = contains(name, nth, attack) {
            wrong.push(format!("{}: {why}", attack.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), attacks.len(), wrong.join("\n"));
}

fn contains(class: &str, nth: usize, attack: &Attack) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().expect("is known"));
    command.args(["sandbox::child_is_attacked", "--exact", "--nocapture"]);
    command.env("BEADLE_TEST_ATTACK", format!("{class} {nth}"));
    let ended = command.stdin(Stdio::null()).output().expect("the test binary runs");
    let (said, told) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if !ended.status.success() {
        let last: Vec<&str> = told.lines().rev().take(4).collect();
        return Err(format!("the process ended with {}: {last:?}", ended.status));
    }
    let line = said.lines().find_map(|line| line.strip_prefix("outcome "));
    let outcome: Value =
        serde_json::from_str(line.ok_or("it said nothing")?).map_err(|why| why.to_string())?;
    let what = outcome["what"].as_str().unwrap_or_default();
    if !attack.wanted.iter().any(|wanted| what.contains(wanted)) {
        return Err(format!("{what:?} has none of {:?}", attack.wanted));
    }
    let held = outcome["held_bytes"].as_u64().unwrap_or(u64::MAX);
    let most = attack.budgets.memory_bytes_max + HELD_BYTES + attack.stack_bytes;
    if held > most {
        return Err(format!("it held {held} bytes, at most {most} were expected ({what})"));
    }
    let took = Duration::from_millis(outcome["took_ms"].as_u64().unwrap_or(u64::MAX));
    let longest = Duration::from_millis(attack.budgets.slice_time_ms) + LATE;
    if took > longest {
        return Err(format!("it took {took:?} ({what})"));
    }
    println!("{:<44} {:>5} ms {:>4} MB  {what}", attack.name, took.as_millis(), held / 1_000_000);
    Ok(())
}

/// What the child runs.
#[test]
fn child_is_attacked() {
    let Some(which) = std::env::var_os("BEADLE_TEST_ATTACK") else { return };
    let which = which.into_string().expect("ours");
    let (name, nth) = which.split_once(' ').expect("a class and a number");
    let attack = class(name).swap_remove(nth.parse().expect("a number"));
    let space = figure("VmSize:") + STACK_BYTES as u64 + SPACE_BYTES;
    setrlimit(Resource::RLIMIT_AS, space, space).expect("a process may take less");
    setrlimit(Resource::RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS).expect("a process may take less");
    nix::unistd::alarm::set(ALARM_SECONDS);
    let begun = Instant::now();
    let (what, _script, slice) = attacked(attack.source, attack.budgets);
    let took_ms = begun.elapsed().as_millis();
    // As the log does it: what a slice did is written and read again, on a thread with an ordinary stack.
    if let Some(slice) = slice {
        for entry in &slice.entries {
            let kept = json!([{ "data": { "args": entry.args } }]).to_string();
            serde_json::from_str::<Value>(&kept).expect("what is kept can be read");
        }
    }
    let outcome = json!({ "what": what, "took_ms": took_ms, "held_bytes": figure("VmHWM:") });
    println!("\noutcome {outcome}");
}

/// Loads and runs a script; what it leaves is freed by the caller's thread.
fn attacked(source: String, budgets: Budgets) -> (String, Option<Arc<Script>>, Option<Slice>) {
    let (script, slice) = on_script_thread(move || {
        let engine = engine_within(&budgets);
        let script = match load_one(&engine, "t.rhai", &source) {
            Ok(script) => Arc::new(script),
            Err(problem) => return (Err(problem.message), None),
        };
        let slice = script.aliases.first().map(|alias| {
            let input = Input {
                zone: TimeZone::UTC,
                execution: ExecutionId("0123456789ABCDEF".into()),
                key: IdKey([1; 32]),
                now: Timestamp(1_000),
                args: json!({ "name": "web1" }),
                msg: json!({ "user": { "id": "@ann:hs", "name": "ann" } }),
                journal: Journal::new(),
                actions: Arc::new(script.actions.clone()),
                permit: std::sync::Arc::new(|_| None),
                recall: Box::new(|_, _| Ok(Value::Null)),
                may: Arc::new(|_, _| true),
                silenced: Arc::new(|_| false),
                encrypted: true,
                silences: Arc::new(|_| None),
                cancel: None,
            };
            run(&engine, &script, &alias.run, input)
        });
        (Ok(script), slice)
    });
    let what = match (&script, &slice) {
        (Err(message), _) => format!("refused: {message}"),
        (_, None) => "loaded".to_owned(),
        (_, Some(slice)) => shown(slice),
    };
    (what, script.ok(), slice)
}

/// What a slice did, in a line.
fn shown(slice: &Slice) -> String {
    let effects = slice.entries.iter().map(|entry| match entry.state {
        Noted::Done(_) | Noted::Decided { .. } => format!(" {}", entry.op),
        Noted::Waits { .. } => format!(" {}..", entry.op),
    });
    let effects: String = effects.collect();
    let end = match &slice.end {
        End::Returned(value) => format!("returned {value}"),
        End::Failed(failure) => format!("failed {}: {}", failure.kind, failure.message),
        End::Suspended => "suspended".to_owned(),
        End::Yielded => "yielded".to_owned(),
        End::Diverged(how) => format!("diverged: {how:?}"),
    };
    let end: String = end.chars().take(300).collect();
    format!("{end} | printed {} |{effects}", slice.printed.len())
}

/// A figure of this process in bytes.
fn figure(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it is there");
    let kib = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kib.expect("a number") * 1024
}

#[test]
fn loops_end_at_a_budget() {
    contained("loops");
}

#[test]
fn values_stay_within_their_budgets() {
    contained("values");
}

#[test]
fn closures_neither_overflow_the_stack_nor_fill_the_memory() {
    contained("closures");
}

#[test]
fn halts_cannot_be_swallowed() {
    contained("halts");
}

#[test]
fn nothing_leads_out_of_a_script() {
    contained("escapes");
}

#[test]
fn no_source_overflows_the_parser() {
    contained("parsing");
}

/// Each of the setting's names is told when its budget is what ends a script, at values other than the usual.
#[test]
fn budgets_are_settings() {
    let usual = Budgets::default();
    for (budgets, body, want) in [
        (
            Budgets { operations_max: 10_000, ..usual },
            "for i in 0..20000 { i + 1; }",
            "did 10000 operations",
        ),
        (
            Budgets { slice_time_ms: 100, operations_max: 10_000_000, ..usual },
            "let a = []; a.pad(9999, 1); loop { a.contains(2); }",
            "ran for 0.1 s",
        ),
        (Budgets { call_levels_max: 8, ..usual }, "down(9)", "call_levels_max"),
        (
            Budgets { string_bytes_max: 4_096, ..usual },
            "let s = \"\"; s.pad(4097, \"x\");",
            "string_bytes_max",
        ),
        (
            Budgets { array_items_max: 100, ..usual },
            "let a = []; a.pad(101, 1);",
            "array_items_max",
        ),
        (
            Budgets { map_entries_max: 100, ..usual },
            "let m = #{}; for i in 0..101 { m[`k${i}`] = i; } m.len()",
            "map_entries_max",
        ),
        (
            Budgets { memory_bytes_max: 1024 * 1024, ..usual },
            "let f = Fn(\"x\"); loop { f = curry(f, blob(9000)); }",
            "more than 1 MiB",
        ),
        (
            Budgets { print_bytes_max: 1_024, ..usual },
            "for i in 0..999 { print(i); }",
            "printed 1024",
        ),
    ] {
        let source =
            format!("fn down(n) {{ if n > 0 {{ down(n - 1) }} }}\nalias(\"go\", || {{ {body} }});");
        let (what, _, _) = attacked(source, budgets);
        assert!(what.contains(want), "{body}: {what}");
    }
}
