//! The run that a host function belongs to: one per thread, set while a handler runs.
//!
//! Invariant: once a run has halted, every effect refuses and the engine stops at its next step, so a script that catches
//! the error of a halt gets nowhere.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};
use serde_json::{Value, json};

use super::host::Undo;
use super::host::memory::Scope;
use super::hot::Parking;
use super::journal::{
    Divergence, Done, Entry, JOURNAL_ENTRIES_MAX, LIMIT, LIMITS_MAX, Met, Noted, Tape,
};
use super::memory::uncounted;
use super::run::{End, Slice};
use super::shape::{KEPT_DEPTH_MAX, can_be_kept};
use super::source::ActionDef;
use crate::domain::event::EffectResult;
use crate::domain::execution::{UNDO, UNDONE};
use crate::domain::id::{ExecutionId, IdKey, Timestamp};

/// What every host function gives.
pub type HostResult<T = Dynamic> = Result<T, Box<EvalAltResult>>;

/// Largest arguments of one effect, in bytes of JSON.
pub const ARGS_BYTES_MAX: usize = 96 * 1024;

/// Why a run stopped before its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Halt {
    /// It waits.
    Suspended,
    /// Its slice is full.
    Yielded,
    /// It does not do what the log says.
    Diverged(Divergence),
    /// It reached a bound.
    Limit(String),
}

/// Steps that were undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoneFor {
    /// The message of the error.
    pub error: String,
    /// The steps, as people read them.
    pub steps: Vec<String>,
}

/// Reads what was remembered; the caller notes what was read.
pub type Recall = Box<dyn FnMut(Scope, &str) -> Result<Value, String> + Send>;
/// Whether a person may run an alias or an action here: their id, and its name.
pub type May = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;
/// Whether something of this name is silenced.
pub type Silenced = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// Says why somebody may not silence something of this name where the script runs, if so.
pub type Silences = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// Says why an action may not run where the script runs, if so.
pub type Permit = Arc<dyn Fn(&ActionDef) -> Option<String> + Send + Sync>;

/// One run of a handler.
pub struct Run {
    /// The execution.
    pub execution: ExecutionId,
    /// For ids that derive from it.
    pub key: IdKey,
    /// The time of this slice.
    pub now: Timestamp,
    /// What clocks on the wall show where the bot is.
    pub zone: TimeZone,
    /// The journal.
    pub tape: Tape,
    /// Why the run has stopped, if it has.
    pub halted: Option<Halt>,
    /// When it must have stopped.
    pub deadline: Instant,
    /// How long a slice may run.
    pub slice_time: Duration,
    /// The script's top-level constants.
    pub consts: Arc<BTreeMap<String, Dynamic>>,
    /// The actions that `exec` can name.
    pub actions: Arc<BTreeMap<String, ActionDef>>,
    /// Says why an action may not run here, if so.
    pub permit: Permit,
    /// Reads what was remembered before this slice.
    pub recall: Recall,
    /// What this slice remembers.
    pub memory: BTreeMap<(Scope, String), Value>,
    /// Who may run what here.
    pub may: May,
    /// What is silenced.
    pub silenced: Silenced,
    /// Who may silence what here.
    pub silences: Silences,
    /// Whether it runs for a room that is encrypted.
    pub encrypted: bool,
    /// What this slice silenced, and what it let speak again.
    pub hushed: BTreeMap<String, bool>,
    /// What it printed.
    pub printed: String,
    /// The bytes of the files that it attached, by the effect's place in the journal.
    pub files: BTreeMap<String, Arc<Vec<u8>>>,
    /// How deep it is in actions that are written in Rhai.
    pub levels: usize,
    /// The error that the next wait ends in: the execution was cancelled, and the script has not met that yet.
    pub cancel: Option<Value>,
    /// What each saga that the script is in has to undo, the innermost last.
    pub sagas: Vec<Vec<Undo>>,
    /// What is to be undone of sagas in branches that their group does not wait for any more.
    pub abandoned: Vec<Undo>,
    /// How many undos the script is in: they are left to their end.
    pub undoing: usize,
    /// What was undone, by the error that it was undone for: whoever throws that error on is told it too.
    pub undone: Vec<UndoneFor>,
    /// Where it waits on its thread, if it may; when nobody has woken it there, nobody wants to know how it ends.
    pub parking: Option<Parking>,
}

thread_local! {
    static RUN: RefCell<Option<Box<Run>>> = const { RefCell::new(None) };
}

/// Makes `run` the thread's run while `body` runs, and gives it back.
pub fn with_run<T>(run: Run, body: impl FnOnce() -> T) -> (T, Run) {
    RUN.with(|slot| *slot.borrow_mut() = Some(Box::new(run)));
    let result = body();
    let run = RUN.with(|slot| slot.borrow_mut().take());
    (result, *run.expect("nobody else takes the run"))
}

/// Looks at the thread's run, if there is one.
pub fn current<T>(look: impl FnOnce(&mut Run) -> T) -> Option<T> {
    RUN.with(|slot| slot.borrow_mut().as_deref_mut().map(look))
}

/// The error that stops the engine; what it means stands in [`Run::halted`].
pub fn stop(position: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
}

/// A script error at the place of a call.
pub fn error(call: &NativeCallContext, message: impl Into<String>) -> Box<EvalAltResult> {
    let message: String = message.into();
    EvalAltResult::ErrorRuntime(message.into(), call.call_position()).into()
}

/// Does an effect, or answers from the journal what it gave.
///
/// `events` is how many events it becomes; `decide` is asked only when it is new, and at most once. What it holds is the
/// script's memory, what it gives is the log's: so it is only lent to where nothing is counted.
pub fn effect(
    call: &NativeCallContext,
    op: &str,
    args: Value,
    events: usize,
    mut decide: impl FnMut(&mut Run, &str) -> Noted,
) -> HostResult {
    let position = call.call_position();
    let bytes = args.to_string().len();
    if bytes > ARGS_BYTES_MAX {
        let why = format!("`{op}` takes {ARGS_BYTES_MAX} bytes of arguments, these are {bytes}");
        return Err(error(call, why));
    }
    let line = line(call);
    // What goes into the log is not the script's memory: it leaves this thread.
    let own = uncounted(|| args.clone());
    drop(args);
    let met = uncounted(|| current(|run| meet(run, op, &own, events, line, &mut decide)));
    uncounted(|| drop(own));
    let result = match met.ok_or_else(|| top_level(call, op))? {
        Ok(done) => done.result,
        Err(Halted) => return Err(stop(position)),
    };
    let given = given(&result, position);
    uncounted(|| drop(result));
    given
}

/// The error of a function that needs an execution.
pub fn top_level(call: &NativeCallContext, op: &str) -> Box<EvalAltResult> {
    error(call, format!("`{op}` cannot be used at the top level: put it in a handler"))
}

/// Notes what was made outside of [`effect`]: the log gets a copy, for the script's memory ends with its run.
pub fn hand_over(run: &mut Run, entry: Entry) {
    let own = uncounted(|| entry.clone());
    drop(entry);
    uncounted(|| run.tape.note(own));
}

/// A result as the script gets it.
fn given(result: &EffectResult, position: Position) -> HostResult {
    match result {
        EffectResult::Ok(value) => rhai::serde::to_dynamic(value),
        EffectResult::Err(value) => {
            let value = rhai::serde::to_dynamic(value)?;
            Err(EvalAltResult::ErrorRuntime(value, position).into())
        }
    }
}

/// Does an effect for native code, or answers from the journal; none: the run has halted.
pub fn act(
    op: &str,
    args: Value,
    events: usize,
    decide: impl FnOnce(&mut Run, &str) -> Noted,
) -> Option<EffectResult> {
    uncounted(|| {
        let done = current(|run| meet(run, op, &args, events, 0, decide).ok()).flatten();
        done.map(|done| done.result)
    })
}

/// The run has stopped; why stands in [`Run::halted`].
pub struct Halted;

/// Does an effect, or answers from the journal, or halts.
fn meet(
    run: &mut Run,
    op: &str,
    args: &Value,
    events: usize,
    line: u32,
    decide: impl FnOnce(&mut Run, &str) -> Noted,
) -> Result<Done, Halted> {
    let mut decide = Some(decide);
    loop {
        match run.look(op, args, line, events)? {
            Look::Known(done) => return Ok(done),
            Look::Waiting => run.wait()?,
            Look::New(path) => {
                let decide = decide.take().expect("what was noted is not new");
                let mut state = decide(run, &path);
                if matches!(state, Noted::Waits { .. }) && run.undoing == 0 {
                    // Whoever is cancelled meets that where they would wait, once.
                    let error = run.cancel.take().map(EffectResult::Err);
                    state = error.map_or(state, Noted::Done);
                }
                run.tape.note(Entry { path, op: op.into(), args: args.clone(), line, state });
            }
        }
    }
}

/// What a host function finds in the journal.
pub enum Look {
    /// It was done.
    Known(Done),
    /// It was asked for.
    Waiting,
    /// It is new: note it at this place.
    New(String),
}

impl Run {
    /// Looks for a call in the journal; halts where the script cannot go on.
    pub fn look(
        &mut self,
        op: &str,
        args: &Value,
        line: u32,
        events: usize,
    ) -> Result<Look, Halted> {
        if self.halted.is_some() {
            return Err(Halted);
        }
        self.tape.undoes(self.undoing > 0 || matches!(op, UNDO | UNDONE));
        let halt = match self.tape.meet(op, args, line, events) {
            Met::Known(done) => return Ok(Look::Known(done)),
            Met::Waiting => return Ok(Look::Waiting),
            Met::New(path) => return Ok(Look::New(path)),
            Met::Full => match self.parked(End::Yielded) {
                true => return self.look(op, args, line, events),
                false => Halt::Yielded,
            },
            Met::Diverged(how) => Halt::Diverged(how),
            Met::TooMany if self.tape.limits() < LIMITS_MAX => {
                self.note_limit(line);
                return self.look(op, args, line, events);
            }
            Met::TooMany => Halt::Limit(too_many()),
        };
        self.halted = Some(halt);
        Err(Halted)
    }

    /// Notes that there is no more room, as an error that the script meets there: it can still undo what it did.
    fn note_limit(&mut self, line: u32) {
        let error = json!({ "kind": LIMIT, "message": too_many() });
        let state = Noted::Done(EffectResult::Err(error));
        let (path, args) = (self.tape.path(), Value::Null);
        hand_over(self, Entry { path, op: LIMIT.to_owned(), args, line, state });
    }

    /// Whether something is silenced, as far as this slice goes.
    pub fn is_silenced(&self, what: &str) -> bool {
        let hushed = self.hushed.get(&what.trim().to_lowercase()).copied();
        hushed.unwrap_or_else(|| (self.silenced)(what))
    }

    /// Something is silenced from here on, or speaks again.
    pub fn hush(&mut self, what: &str, silenced: bool) {
        self.hushed.insert(what.trim().to_lowercase(), silenced);
    }

    /// Whether it has halted because it waits.
    pub fn waits(&self) -> bool {
        self.halted == Some(Halt::Suspended)
    }

    /// Nothing more can be done until something that is waited for has come.
    pub fn wait(&mut self) -> Result<(), Halted> {
        if self.parked(End::Suspended) {
            return Ok(());
        }
        self.halted = Some(Halt::Suspended);
        Err(Halted)
    }

    /// Waits on this thread for what the script needs to go on; false: it cannot wait here, or nobody came.
    ///
    /// In a branch it cannot: the other branches have to be run.
    fn parked(&mut self, end: End) -> bool {
        if self.tape.depth() > 0 {
            return false;
        }
        let Some(parking) = &self.parking else { return false };
        let printed = std::mem::take(&mut self.printed);
        let files = std::mem::take(&mut self.files);
        let entries = self.tape.take_new();
        let Some(wake) = parking.park(Slice { entries, end, printed, files }) else {
            self.parking = None;
            return false;
        };
        self.now = wake.now;
        self.actions = wake.actions;
        self.permit = wake.permit;
        self.recall = wake.recall;
        self.memory.clear();
        self.hushed.clear();
        self.tape.come(wake.results);
        self.deadline = Instant::now() + self.slice_time;
        true
    }
}

fn too_many() -> String {
    format!("an execution may have at most {JOURNAL_ENTRIES_MAX} recorded steps")
}

/// The line of a call, 0 where the engine does not know it.
pub fn line(call: &NativeCallContext) -> u32 {
    call.call_position().line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
}

/// A script's value as JSON, for the log.
pub fn to_json(call: &NativeCallContext, value: &Dynamic) -> HostResult<Value> {
    if !can_be_kept(value) {
        let most = KEPT_DEPTH_MAX;
        return Err(error(
            call,
            format!("this value nests deeper than {most}, the log takes no more"),
        ));
    }
    rhai::serde::from_dynamic::<Value>(value)
        .map_err(|why| error(call, format!("this value cannot be kept in the log: {why}")))
}
