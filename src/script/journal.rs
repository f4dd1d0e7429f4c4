//! The journal of one execution as a script meets it: what was done already answers, what is new is noted (pure).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::execution::{GROUPS, lost_cancel};
use crate::domain::id::Timestamp;
use crate::domain::path::{inside, order};

/// Most events that the effects of one slice may become; then it yields.
pub const SLICE_EVENTS_MAX: usize = 48;
/// Most text that the effects of one slice may hold, in bytes of JSON; then it yields.
pub const SLICE_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most journal entries of one execution.
pub const JOURNAL_ENTRIES_MAX: usize = 10_000;
/// How many more there may be to undo what was done, when that bound is reached.
pub const UNDO_ENTRIES_MAX: usize = 1_000;
/// How often a script may meet that bound as an error that it can catch; then it ends where it stands.
pub const LIMITS_MAX: usize = 8;
/// What stands in the journal where a script met that bound, whatever it called there.
pub const LIMIT: &str = "limit";

/// An effect that the log already has.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The host function.
    pub op: String,
    /// What it was called with.
    pub args: Value,
    /// The line of the script.
    pub line: u32,
    /// Whether it happens outside of the log.
    pub outside: bool,
    /// What it gave, once it has.
    pub done: Option<Done>,
}

/// What an effect gave, and when in the order of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Its place in that order.
    pub at: u64,
    /// The result.
    pub result: EffectResult,
}

/// The effects of an execution so far, by path.
pub type Journal = BTreeMap<String, Past>;

/// An effect that this slice adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place in the journal.
    pub path: String,
    /// The host function.
    pub op: String,
    /// What it was called with.
    pub args: Value,
    /// The line of the script.
    pub line: u32,
    /// Whether it is done or waits.
    pub state: Noted,
}

/// Whether a new effect is done or waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Noted {
    /// It gave this at once.
    Done(EffectResult),
    /// The execution waits for it.
    Waits {
        /// Whether it may be repeated.
        class: EffectClass,
        /// When it ends by itself.
        due: Option<Timestamp>,
    },
    /// It is a group that was there before, and its branches have come to this.
    Decided {
        /// Which branch, and how.
        result: EffectResult,
        /// What is no longer waited for.
        cancelled: Vec<String>,
    },
}

/// What a script's call of a host function meets.
#[derive(Debug, Clone, PartialEq)]
pub enum Met {
    /// It was done: this is what it gave.
    Known(Done),
    /// It was asked for and has not happened yet, or not before the group that it is in decided.
    Waiting,
    /// It is new and has this path.
    New(String),
    /// It is new, and the slice is full.
    Full,
    /// The log has something else here.
    Diverged(Divergence),
    /// The execution has too many effects.
    TooMany,
}

/// How a replay differs from the journal: what the log has and what the script does now, each with its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The place in the journal.
    pub path: String,
    /// The call that the log has; none: nothing more.
    pub then: Option<(u32, String)>,
    /// The call of this run; none: it ended here.
    pub now: Option<(u32, String)>,
}

/// Where the script is: in its one line, or in a branch of a group.
#[derive(Debug)]
struct Frame {
    /// What its paths begin with.
    prefix: String,
    /// The number of its next effect.
    next: u64,
    /// Only what was done before this is seen, and nothing new is asked for; none: it goes on.
    frozen: Option<u64>,
}

/// Reads a journal from its start and notes what is new.
#[derive(Debug)]
pub struct Tape {
    past: Journal,
    /// What the log has and this run has not come to yet.
    ahead: BTreeSet<String>,
    frames: Vec<Frame>,
    seq: u64,
    last_line: u32,
    last_outside: bool,
    new: Vec<Entry>,
    events: usize,
    bytes: usize,
    undoes: bool,
}

impl Tape {
    /// At the start of a journal.
    pub fn new(past: Journal) -> Self {
        let done = past.values().filter_map(|past| past.done.as_ref());
        let frame = Frame { prefix: String::new(), next: 0, frozen: None };
        Self {
            seq: done.map(|done| done.at).max().unwrap_or(0),
            ahead: past.keys().cloned().collect(),
            past,
            frames: vec![frame],
            last_line: 0,
            last_outside: false,
            new: vec![],
            events: 0,
            bytes: 0,
            undoes: false,
        }
    }

    /// Whether what comes next undoes something: there is more room for that.
    pub fn undoes(&mut self, undoes: bool) {
        self.undoes = undoes;
    }

    /// How often the script has met the bound of its journal.
    pub fn limits(&self) -> usize {
        self.past.values().filter(|past| past.op == LIMIT).count()
    }

    /// The script calls a host function; `events` is how many events it would become.
    ///
    /// What is new must be noted, and is then met again.
    pub fn meet(&mut self, op: &str, args: &Value, line: u32, events: usize) -> Met {
        self.last_line = line;
        let path = self.path();
        let frozen = self.frame().frozen;
        if let Some(past) = self.past.get(&path) {
            if past.op != LIMIT && (past.op != op || past.args != *args) {
                return Met::Diverged(differs(past, op, args, line, path));
            }
            self.ahead.remove(&path);
            self.last_outside = past.outside;
            let seen = |done: &&Done| frozen.is_none_or(|before| done.at < before);
            return match past.done.as_ref().filter(seen).cloned() {
                Some(done) => {
                    self.frame_mut().next += 1;
                    Met::Known(done)
                }
                None => Met::Waiting,
            };
        }
        if frozen.is_some() {
            self.last_outside = false;
            return Met::Waiting;
        }
        let bytes = args.to_string().len();
        let most = JOURNAL_ENTRIES_MAX + if self.undoes { UNDO_ENTRIES_MAX } else { 0 };
        if self.past.len() >= most {
            return Met::TooMany;
        }
        let too_many = self.events + events > SLICE_EVENTS_MAX;
        let too_long = self.bytes + bytes > SLICE_TEXT_BYTES_MAX;
        if !self.new.is_empty() && (too_many || too_long) {
            return Met::Full;
        }
        self.events += events;
        self.bytes += bytes;
        Met::New(path)
    }

    /// What the log has at the next place, if it has anything.
    pub fn upcoming(&self) -> Option<&str> {
        self.past.get(&self.path()).map(|past| past.op.as_str())
    }

    /// Notes a new effect under the path that [`Self::meet`] gave.
    pub fn note(&mut self, entry: Entry) {
        self.seq += 1;
        let (at, outside) = (self.seq, entry.is_outside());
        let done = match &entry.state {
            Noted::Done(result) | Noted::Decided { result, .. } => {
                Some(Done { at, result: result.clone() })
            }
            Noted::Waits { .. } => None,
        };
        let (op, args, line) = (entry.op.clone(), entry.args.clone(), entry.line);
        self.past.insert(entry.path.clone(), Past { op, args, line, outside, done });
        self.new.push(entry);
    }

    /// What was waited for has come.
    pub fn come(&mut self, results: Vec<(String, Done)>) {
        for (path, done) in results {
            self.seq = self.seq.max(done.at);
            if let Some(past) = self.past.get_mut(&path) {
                past.done.get_or_insert(done);
            }
        }
    }

    /// Goes into a branch of a group; a frozen one sees only what was done before a group decided.
    pub fn enter(&mut self, group: &str, branch: usize, frozen: Option<u64>) {
        let outer = self.frame().frozen;
        let frozen = frozen.into_iter().chain(outer).min();
        self.frames.push(Frame { prefix: format!("{group}.{branch}."), next: 0, frozen });
    }

    /// Comes back out of a branch.
    pub fn leave(&mut self) {
        if self.frames.len() > 1 {
            self.frames.pop();
        }
    }

    /// How many branches the script is in.
    pub fn depth(&self) -> usize {
        self.frames.len() - 1
    }

    /// Whether nothing new is asked for here: a group around has decided.
    pub fn frozen(&self) -> bool {
        self.frame().frozen.is_some()
    }

    /// The place of the next effect.
    pub fn path(&self) -> String {
        let frame = self.frame();
        format!("{}{}", frame.prefix, frame.next)
    }

    /// What the branches of a group still wait for, in order; the groups in them are among it.
    pub fn open_in(&self, group: &str) -> Vec<String> {
        let open =
            self.past.iter().filter(|(path, past)| past.done.is_none() && inside(path, group));
        let mut open: Vec<String> = open.map(|(path, _)| path.clone()).collect();
        open.sort_by(|a, b| order(a, b));
        open
    }

    /// The error of a cancel that a group decides without, as the next wait meets it.
    pub fn lost_cancel(&self, group: &str, decided: &EffectResult) -> Option<Value> {
        let results =
            self.past.iter().filter_map(|(at, past)| Some((at, &past.done.as_ref()?.result)));
        let mut error = lost_cancel(group, decided, results)?.clone();
        if let Some(error) = error.as_object_mut() {
            error.remove("action");
        }
        Some(error)
    }

    /// The line of the last effect that the script reached.
    pub fn last_line(&self) -> u32 {
        self.last_line
    }

    /// Whether the last effect that the script reached happens outside of the log.
    pub fn last_outside(&self) -> bool {
        self.last_outside
    }

    /// Takes what the slice added.
    pub fn take_new(&mut self) -> Vec<Entry> {
        (self.events, self.bytes) = (0, 0);
        std::mem::take(&mut self.new)
    }

    /// How a script that ended here did not do all that the log has, if so.
    pub fn unfinished(&self) -> Option<Divergence> {
        let path = self.ahead.iter().min_by(|a, b| order(a, b))?;
        let past = self.past.get(path)?;
        let then = Some((past.line, call(&past.op, &past.args)));
        Some(Divergence { path: path.clone(), then, now: None })
    }

    /// That the branches of a group do not come to what it decided.
    pub fn otherwise(&self, path: &str) -> Divergence {
        let past = self.past.get(path);
        let then = past.map(|past| (past.line, call(&past.op, &past.args)));
        let now = past.map(|past| (past.line, format!("{} with another outcome", past.op)));
        Divergence { path: path.to_owned(), then, now }
    }

    fn frame(&self) -> &Frame {
        self.frames.last().expect("the first frame is never left")
    }

    fn frame_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the first frame is never left")
    }
}

/// Adds an entry to a journal as the log would, at a place of its order.
pub fn keep(journal: &mut Journal, entry: &Entry, at: u64) {
    let done = |result: &EffectResult| Some(Done { at, result: result.clone() });
    let (op, args, line) = (entry.op.clone(), entry.args.clone(), entry.line);
    let mut past = Past { op, args, line, outside: entry.is_outside(), done: None };
    match &entry.state {
        Noted::Waits { .. } => {}
        Noted::Done(result) => past.done = done(result),
        Noted::Decided { result, cancelled } => {
            past.done = done(result);
            for path in cancelled {
                let Some(other) = journal.get_mut(path) else { continue };
                other.done.get_or_insert(Done { at, result: EffectResult::Err(Value::Null) });
            }
        }
    }
    journal.insert(entry.path.clone(), past);
}

impl Entry {
    /// Whether it is one that waits for something itself: not a group, whose branches wait.
    pub fn waits(&self) -> bool {
        matches!(self.state, Noted::Waits { .. }) && !GROUPS.contains(&self.op.as_str())
    }

    /// Whether it happens outside of the log.
    fn is_outside(&self) -> bool {
        matches!(self.state, Noted::Waits { class, .. } if class != EffectClass::Log)
    }
}

fn differs(past: &Past, op: &str, args: &Value, line: u32, path: String) -> Divergence {
    let then = Some((past.line, call(&past.op, &past.args)));
    Divergence { path, then, now: Some((line, call(op, args))) }
}

impl Divergence {
    /// Both sides in words; `then` and `now` give the lines of the two sources.
    pub fn words(
        &self,
        then: &dyn Fn(u32) -> Option<String>,
        now: &dyn Fn(u32) -> Option<String>,
    ) -> String {
        let side =
            |side: &Option<(u32, String)>, source: &dyn Fn(u32) -> Option<String>, none: &str| {
                let Some((line, call)) = side else { return none.to_owned() };
                match source(*line) {
                    Some(text) => format!("{call} in line {line}: {}", text.trim()),
                    None => format!("{call} in line {line}"),
                }
            };
        let then = side(&self.then, then, "nothing more");
        let now = side(&self.now, now, "it ended");
        format!("step {}\n  then: {then}\n  now: {now}", self.path)
    }
}

/// A call as it is shown.
fn call(op: &str, args: &Value) -> String {
    const SHOWN_CHARS: usize = 200;
    let text = args.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{op}({}…)", &text[..end]),
        None => format!("{op}({text})"),
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
