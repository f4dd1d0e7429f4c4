//! Waiting for several things at once: `all`, `any`, `within`; and trying again: `retry`.
//!
//! The branches of a group are run one after another, each until it waits, so that what they wait for goes on side by
//! side. Two rules keep a replay equal to the run that it repeats. Each branch gets copies of the variables that it
//! captured, so branches give results and share nothing. And what a group decided is in the journal: a branch that is
//! run again sees only what was done before the decision, and asks for nothing new.

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{self, Halt, HostResult, Look, Run, UndoneFor, error, stop, top_level};
use super::super::isolate::isolated;
use super::super::journal::{Done, Entry, Noted};
use super::super::load::innermost;
use super::super::memory::uncounted;
use super::super::run::shortened;
use super::act::{sleep, waits_for};
use super::error_value;
use super::saga::undo_abandoned;
use super::table::{HostFn, Kind as Type, form, p, thrown};
use crate::domain::event::{EffectClass, EffectResult};

/// What waits for several things, or for one thing several times.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "all",
        forms: &[form(&[p("branches", Type::List)], Type::List)],
        errors: &[thrown(
            "",
            "the first error of a branch, as it is; the others are not waited for any more",
        )],
        help: "Waits for several things at once, and gives what the branches gave as a list. Branches get copies of the variables that they use.",
        example: "let both = all([|| exec(\"disk.free\"), || ask(\"Which disk?\")]);\nreply(`${both[1]}: ${both[0]}`);",
        ..HostFn::WAITS
    },
    HostFn {
        name: "any",
        forms: &[form(&[p("branches", Type::List)], Type::Any)],
        errors: &[thrown("", "the error of the first branch, if every branch throws one")],
        help: "Gives the value of the first branch that ends well; the others are not waited for any more.",
        example: "let who = any([|| ask(\"Who is on call?\"), || { sleep(\"10m\"); \"nobody\" }]);\nreply(`on call: ${who}`);",
        ..HostFn::WAITS
    },
    HostFn {
        name: "within",
        forms: &[form(&[p("time", Type::Duration), p("body", Type::Function)], Type::Any)],
        errors: &[
            thrown("timed_out", "the time came first"),
            thrown("", "what the closure throws, as it is"),
        ],
        help: "Gives what the closure gives, unless it takes too long; then what it waits for is not waited for any more.",
        example: "let who = within(\"10m\", || ask(\"Who is on call?\"));\nreply(`on call: ${who}`);",
        ..HostFn::WAITS
    },
    HostFn {
        name: "retry",
        forms: &[form(
            &[p("attempts", Type::Int), p("pause", Type::Duration), p("body", Type::Function)],
            Type::Any,
        )],
        errors: &[thrown(
            "",
            "the error of the last attempt, as it is; of the first, if another attempt would not mend it",
        )],
        help: "Tries again after an error, with a pause between; never after `in_doubt`, `cancelled`, `denied`, or a call that is wrong.",
        example: "let free = retry(5, \"15s\", || exec(\"disk.free\"));",
        ..HostFn::WAITS
    },
];

/// Most branches of one group.
pub const BRANCHES_MAX: usize = 32;
/// How deep groups may stand in branches of groups.
pub const GROUPS_DEPTH_MAX: usize = 8;
/// Most attempts of one `retry`.
pub const ATTEMPTS_MAX: i64 = 1_000;
/// The group and its decision.
const GROUP_EVENTS: usize = 2;
/// Longest message of a branch's error that the decision keeps, in characters.
const ERROR_CHARS_MAX: usize = 300;

/// Errors that another attempt does not mend, or must not be made for.
const FINAL_KINDS: &[&str] = &[
    "in_doubt",
    "cancelled",
    "denied",
    "refused",
    "unknown",
    "bad_parameters",
    "undo_failed",
    "limit",
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("all", |call: NativeCallContext, branches: Array| {
            group(&call, Kind::All, closures(&call, "all", branches)?)
        })
        .register_fn("any", |call: NativeCallContext, branches: Array| -> HostResult {
            if branches.is_empty() {
                return Err(error(&call, "`any` needs at least one branch"));
            }
            group(&call, Kind::Any, closures(&call, "any", branches)?)
        })
        .register_fn("within", |call: NativeCallContext, time: Dynamic, body: FnPtr| {
            let ms = waits_for(&call, "within", &time)?;
            group(&call, Kind::Within(ms), vec![Branch::Closure(body), Branch::Timer(ms)])
        })
        .register_fn(
            "retry",
            |call: NativeCallContext, attempts: i64, wait: Dynamic, body: FnPtr| {
                retry(&call, attempts, &wait, &body)
            },
        );
}

/// What a group waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Every branch; the first error ends it.
    All,
    /// The first branch that ends well.
    Any,
    /// The only branch, unless the time has come first.
    Within(i64),
}

/// What goes on beside the others.
enum Branch {
    Closure(FnPtr),
    Timer(i64),
}

/// How far a branch has come.
enum Came {
    Waits,
    Gave(Dynamic),
    Threw(Box<EvalAltResult>),
}

impl Kind {
    fn op(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::Within(_) => "within",
        }
    }

    /// Whether a branch that has come so far decides, and with what.
    fn decides(self, branch: usize, came: &Came) -> Option<EffectResult> {
        match (self, came) {
            (Self::All, Came::Threw(why)) => Some(failed(branch, why)),
            (Self::Within(_), Came::Threw(why)) => Some(failed(branch, why)),
            (Self::Within(ms), Came::Gave(_)) if branch == 1 => {
                Some(EffectResult::Err(late(ms, branch)))
            }
            (Self::Any | Self::Within(_), Came::Gave(_)) => {
                Some(EffectResult::Ok(json!({ "branch": branch })))
            }
            (Self::All, Came::Gave(_)) | (Self::Any, Came::Threw(_)) | (_, Came::Waits) => None,
        }
    }

    /// What it comes to when every branch has ended and none has decided.
    fn ended(self, ends: &[Came]) -> EffectResult {
        match (self, ends.first()) {
            (Self::Any, Some(Came::Threw(why))) => failed(0, why),
            _ => EffectResult::Ok(json!({ "branch": null })),
        }
    }
}

fn failed(branch: usize, why: &EvalAltResult) -> EffectResult {
    let value = error_value(why);
    let message = innermost(why).message;
    let kind = value["kind"].as_str().unwrap_or("error").to_owned();
    let message = shortened(&message, ERROR_CHARS_MAX);
    EffectResult::Err(json!({ "branch": branch, "kind": kind, "message": message }))
}

fn late(ms: i64, branch: usize) -> Value {
    let seconds = ms as f64 / 1000.0;
    let message = format!("it was not done within {seconds} s");
    json!({ "branch": branch, "kind": "timed_out", "message": message })
}

fn closures(call: &NativeCallContext, op: &str, branches: Array) -> HostResult<Vec<Branch>> {
    if branches.len() > BRANCHES_MAX {
        let is = branches.len();
        return Err(error(call, format!("`{op}` takes {BRANCHES_MAX} branches, these are {is}")));
    }
    let closure = |(nth, branch): (usize, Dynamic)| {
        let kind = branch.type_name();
        let wrong = || {
            let nth = nth + 1;
            error(call, format!("branch {nth} of `{op}` is a closure `|| ..`, not {kind}"))
        };
        branch.try_cast::<FnPtr>().map(Branch::Closure).ok_or_else(wrong)
    };
    branches.into_iter().enumerate().map(closure).collect()
}

/// Looks at the run, which is there: the group has been looked for in its journal.
fn run<T>(look: impl FnOnce(&mut Run) -> T) -> T {
    context::current(look).expect("a group is in a run")
}

fn group(call: &NativeCallContext, kind: Kind, branches: Vec<Branch>) -> HostResult {
    let (op, line, position) = (kind.op(), context::line(call), call.call_position());
    let args = match kind {
        Kind::Within(ms) => json!({ "ms": ms }),
        Kind::All | Kind::Any => json!({ "branches": branches.len() }),
    };
    let deep = context::current(|run| run.tape.depth() >= GROUPS_DEPTH_MAX);
    if deep.ok_or_else(|| top_level(call, op))? {
        let most = GROUPS_DEPTH_MAX;
        return Err(error(call, format!("`{op}` stands in {most} other groups, and that is most")));
    }
    let path = run(|run| run.tape.path());
    loop {
        match run(|run| run.look(op, &args, line, GROUP_EVENTS)) {
            Err(_) => return Err(stop(position)),
            Ok(Look::Known(done)) => return decided(call, kind, &branches, &path, &done),
            Ok(Look::New(path)) => run(|run| {
                let (op, args) = (op.to_owned(), args.clone());
                let state = Noted::Waits { class: EffectClass::Log, due: None };
                context::hand_over(run, Entry { path, op, args, line, state });
            }),
            Ok(Look::Waiting) => {
                let came = match pass(call, kind, &branches, &path)? {
                    Some(result) => {
                        run(|run| decide(run, kind, &args, line, &path, result));
                        Ok(())
                    }
                    None => run(Run::wait),
                };
                came.map_err(|_| stop(position))?;
            }
        }
    }
}

/// Runs the branches until one decides; none: what they wait for has not come.
fn pass(
    call: &NativeCallContext,
    kind: Kind,
    branches: &[Branch],
    path: &str,
) -> HostResult<Option<EffectResult>> {
    if run(|run| run.tape.frozen()) {
        // A group around has decided: this one comes no further, but the steps of its branches count.
        for (nth, branch) in branches.iter().enumerate() {
            go(call, path, nth, branch, None)?;
        }
        return Ok(None);
    }
    let sagas = run(|run| run.sagas.iter().map(Vec::len).collect::<Vec<usize>>());
    let undone = run(|run| run.undone.len());
    let mut ends = vec![];
    let mut decision = None;
    for (nth, branch) in branches.iter().enumerate() {
        let came = go(call, path, nth, branch, None)?;
        decision = kind.decides(nth, &came);
        ends.push(came);
        if decision.is_some() {
            break;
        }
    }
    let open = ends.iter().any(|came| matches!(came, Came::Waits));
    if decision.is_none() && !open {
        decision = Some(kind.ended(&ends));
    }
    // The branches are run again behind the decision, and then their steps are to be undone once.
    run(|run| {
        run.sagas.iter_mut().zip(sagas).for_each(|(saga, was)| saga.truncate(was));
        run.undone.truncate(undone);
    });
    Ok(decision)
}

/// Notes what a group decided; what is still open in its branches is not waited for any more.
fn decide(run: &mut Run, kind: Kind, args: &Value, line: u32, path: &str, result: EffectResult) {
    let cancelled = run.tape.open_in(path);
    if run.cancel.is_none() {
        // The error of a cancel that only the other branches had is met where the script would wait next.
        run.cancel = uncounted(|| run.tape.lost_cancel(path, &result));
    }
    let (path, op, args) = (path.to_owned(), kind.op().to_owned(), args.clone());
    context::hand_over(
        run,
        Entry { path, op, args, line, state: Noted::Decided { result, cancelled } },
    );
}

/// Runs the branches as they were when the group decided, and gives what that came to.
fn decided(
    call: &NativeCallContext,
    kind: Kind,
    branches: &[Branch],
    path: &str,
    done: &Done,
) -> HostResult {
    if let EffectResult::Err(error) = &done.result
        && error["branch"].is_null()
    {
        // It was not even begun: there was no more room in the journal.
        let error = rhai::serde::to_dynamic(error)?;
        return Err(EvalAltResult::ErrorRuntime(error, call.call_position()).into());
    }
    let before = run(|run| run.abandoned.len());
    let mut ends = vec![];
    for (nth, branch) in branches.iter().enumerate() {
        ends.push(go(call, path, nth, branch, Some(done.at))?);
    }
    let undone = undo_abandoned(call, before)?;
    let given = given(call, kind, path, done, ends);
    if let (Err(why), false) = (&given, undone.is_empty()) {
        let error = innermost(why).message;
        run(|run| run.undone.push(UndoneFor { error, steps: undone }));
    }
    given
}

/// What a group comes to, by its decision and how its branches ended.
fn given(
    call: &NativeCallContext,
    kind: Kind,
    path: &str,
    done: &Done,
    ends: Vec<Came>,
) -> HostResult {
    let (EffectResult::Ok(value) | EffectResult::Err(value)) = &done.result;
    let nth = value["branch"].as_u64().and_then(|nth| usize::try_from(nth).ok());
    let given = match (nth, kind) {
        (None, _) => {
            let given = ends.into_iter().map(|came| match came {
                Came::Gave(value) => Some(value),
                Came::Waits | Came::Threw(_) => None,
            });
            given.collect::<Option<Array>>().map(Dynamic::from)
        }
        (Some(1), Kind::Within(ms)) => {
            let error = rhai::serde::to_dynamic(late(ms, 1))?;
            return Err(EvalAltResult::ErrorRuntime(error, call.call_position()).into());
        }
        (Some(nth), _) => match (ends.into_iter().nth(nth), &done.result) {
            (Some(Came::Gave(value)), EffectResult::Ok(_)) => Some(value),
            (Some(Came::Threw(why)), EffectResult::Err(_)) => return Err(why),
            _ => None,
        },
    };
    given.ok_or_else(|| {
        run(|run| run.halted = Some(Halt::Diverged(run.tape.otherwise(path))));
        stop(call.call_position())
    })
}

/// Runs a branch until it waits or ends.
fn go(
    call: &NativeCallContext,
    path: &str,
    nth: usize,
    branch: &Branch,
    frozen: Option<u64>,
) -> HostResult<Came> {
    // Where the script is belongs to its journal.
    run(|run| uncounted(|| run.tape.enter(path, nth, frozen)));
    let result = match branch {
        Branch::Closure(body) => isolated(body).call_within_context::<Dynamic>(call, ()),
        Branch::Timer(ms) => sleep(call, *ms),
    };
    run(|run| uncounted(|| run.tape.leave()));
    // A branch that waits does not stop the others; whatever else halts it halts the whole run.
    if run(|run| run.halted.take_if(|halt| *halt == Halt::Suspended)).is_some() {
        return Ok(Came::Waits);
    }
    match result {
        _ if run(|run| run.halted.is_some()) => Err(stop(call.call_position())),
        Ok(value) => Ok(Came::Gave(value)),
        Err(why) if catchable(&why) => Ok(Came::Threw(why)),
        Err(why) => Err(why),
    }
}

fn retry(call: &NativeCallContext, attempts: i64, wait: &Dynamic, body: &FnPtr) -> HostResult {
    let ms = waits_for(call, "retry", wait)?;
    if !(1..=ATTEMPTS_MAX).contains(&attempts) {
        return Err(error(call, format!("`retry` makes 1 to {ATTEMPTS_MAX} attempts")));
    }
    if context::current(|_| ()).is_none() {
        return Err(top_level(call, "retry"));
    }
    for attempt in 1.. {
        let result = body.call_within_context::<Dynamic>(call, ());
        if run(|run| run.halted.is_some()) {
            return Err(stop(call.call_position()));
        }
        match result {
            Err(why) if attempt < attempts && may_pass(&why) => sleep(call, ms).map(drop)?,
            result => return result,
        }
    }
    Ok(Dynamic::UNIT)
}

/// Whether an error may be gone at another attempt: one of the outside, or one that the script threw itself.
fn may_pass(why: &EvalAltResult) -> bool {
    let kind = error_value(why);
    let kind = kind["kind"].as_str().unwrap_or_default();
    matches!(inner(why), EvalAltResult::ErrorRuntime(..)) && !FINAL_KINDS.contains(&kind)
}

/// Whether a script may catch an error; the engine would let it catch a limit that a called closure ran into.
pub(super) fn catchable(why: &EvalAltResult) -> bool {
    inner(why).is_catchable()
}

fn inner(why: &EvalAltResult) -> &EvalAltResult {
    match why {
        EvalAltResult::ErrorInFunctionCall(_, _, below, _)
        | EvalAltResult::ErrorInModule(_, below, _) => inner(below),
        other => other,
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
