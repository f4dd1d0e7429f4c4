//! The journal of one execution as a script meets it: what was done already answers, what is new is noted (pure).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::id::Timestamp;

/// Most events that the effects of one slice may become; then it yields.
pub const SLICE_EVENTS_MAX: usize = 48;
/// Most text that the effects of one slice may hold, in bytes of JSON; then it yields.
pub const SLICE_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most journal entries of one execution.
pub const JOURNAL_ENTRIES_MAX: usize = 10_000;

/// An effect that the log already has.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The host function.
    pub op: String,
    /// What it was called with.
    pub args: Value,
    /// The line of the script.
    pub line: u32,
    /// What it gave, once it has.
    pub result: Option<EffectResult>,
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
}

/// What a script's call of a host function meets.
#[derive(Debug, Clone, PartialEq)]
pub enum Met {
    /// It was done: this is what it gave.
    Known(EffectResult),
    /// It was asked for and has not happened yet.
    Waiting,
    /// It is new and has this path.
    New(String),
    /// It is new, and the slice is full.
    Full,
    /// The log has something else here.
    Diverged(String),
    /// The execution has too many effects.
    TooMany,
}

/// Reads a journal from its start and notes what is new.
#[derive(Debug)]
pub struct Tape {
    past: Journal,
    used: usize,
    next: u64,
    last_line: u32,
    new: Vec<Entry>,
    events: usize,
    bytes: usize,
}

impl Tape {
    /// At the start of a journal.
    pub fn new(past: Journal) -> Self {
        Self { past, used: 0, next: 0, last_line: 0, new: vec![], events: 0, bytes: 0 }
    }

    /// The script calls a host function; `events` is how many events it would become.
    pub fn meet(&mut self, op: &str, args: &Value, line: u32, events: usize) -> Met {
        self.last_line = line;
        let path = self.next.to_string();
        if let Some(past) = self.past.get(&path) {
            if past.op != op || past.args != *args {
                return Met::Diverged(differs(past, op, args, line, &path));
            }
            self.used += 1;
            self.next += 1;
            return past.result.clone().map_or(Met::Waiting, Met::Known);
        }
        let bytes = args.to_string().len();
        if self.past.len() + self.new.len() >= JOURNAL_ENTRIES_MAX {
            return Met::TooMany;
        }
        let events_fit = self.events + events <= SLICE_EVENTS_MAX;
        let text_fits = self.bytes + bytes <= SLICE_TEXT_BYTES_MAX;
        let fits = self.new.is_empty() || (events_fit && text_fits);
        if !fits {
            return Met::Full;
        }
        self.events += events;
        self.bytes += bytes;
        self.next += 1;
        Met::New(path)
    }

    /// What the log has at the next place, if it has anything.
    pub fn upcoming(&self) -> Option<&str> {
        self.past.get(&self.next.to_string()).map(|past| past.op.as_str())
    }

    /// Notes a new effect under the path that [`Self::meet`] gave.
    pub fn note(&mut self, entry: Entry) {
        self.new.push(entry);
    }

    /// The line of the last effect that the script reached.
    pub fn last_line(&self) -> u32 {
        self.last_line
    }

    /// What the slice added.
    pub fn into_new(self) -> Vec<Entry> {
        self.new
    }

    /// Why a script that ended here did not do all that the log has, if so.
    pub fn unfinished(&self) -> Option<String> {
        let left = self.past.len() - self.used.min(self.past.len());
        (left > 0).then(|| {
            format!(
                "the script ended after {} recorded steps, but the log has {}",
                self.used,
                self.past.len()
            )
        })
    }
}

/// Says how a replay differs from the journal, with both lines.
fn differs(past: &Past, op: &str, args: &Value, line: u32, path: &str) -> String {
    format!(
        "line {line}: this run did `{op}({})` where the log has `{}({})` from line {} (step {path})",
        shortened(args),
        past.op,
        shortened(&past.args),
        past.line,
    )
}

fn shortened(args: &Value) -> String {
    const SHOWN_CHARS: usize = 200;
    let text = args.to_string();
    match text.chars().count() > SHOWN_CHARS {
        true => text.chars().take(SHOWN_CHARS).chain(['…']).collect(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn past(rows: &[(&str, Value, Option<Value>)]) -> Journal {
        let row = |(n, (op, args, result)): (usize, &(&str, Value, Option<Value>))| {
            let result = result.clone().map(EffectResult::Ok);
            let args = args.clone();
            (n.to_string(), Past { op: (*op).into(), args, line: n as u32 + 1, result })
        };
        rows.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_journal_answers_until_its_end() {
        let mut tape =
            Tape::new(past(&[("say", json!("a"), Some(json!(1))), ("ask", json!("b"), None)]));
        assert_eq!(tape.meet("say", &json!("a"), 1, 2), Met::Known(EffectResult::Ok(json!(1))));
        assert_eq!(tape.meet("ask", &json!("b"), 2, 2), Met::Waiting);
        assert_eq!(tape.meet("say", &json!("c"), 3, 2), Met::New("2".into()));
        assert_eq!(tape.unfinished(), None);
    }

    #[test]
    fn another_effect_than_the_logs_diverges() {
        let log = past(&[("ask", json!("one?"), None)]);
        for (op, args, want) in [
            (
                "ask",
                json!("two?"),
                "line 3: this run did `ask(\"two?\")` where the log has `ask(\"one?\")` from line 1 (step 0)",
            ),
            (
                "say",
                json!("one?"),
                "line 3: this run did `say(\"one?\")` where the log has `ask(\"one?\")` from line 1 (step 0)",
            ),
        ] {
            let met = Tape::new(log.clone()).meet(op, &args, 3, 1);
            assert_eq!(met, Met::Diverged(want.into()), "{op} {args}");
        }
        let early = Tape::new(log).unfinished();
        assert_eq!(
            early.as_deref(),
            Some("the script ended after 0 recorded steps, but the log has 1")
        );
    }

    #[test]
    fn a_slice_is_bounded() {
        let note = |tape: &mut Tape, path: String, args: Value| {
            let state = Noted::Done(EffectResult::Ok(Value::Null));
            tape.note(Entry { path, op: "say".into(), args, line: 1, state });
        };
        let count = |args: Value, events: usize| {
            let mut tape = Tape::new(Journal::new());
            let mut noted = 0;
            while let Met::New(path) = tape.meet("say", &args, 1, events) {
                note(&mut tape, path, args.clone());
                noted += 1;
            }
            assert_eq!(tape.meet("say", &args, 1, events), Met::Full);
            noted
        };
        assert_eq!(count(json!(1), 2), SLICE_EVENTS_MAX / 2);
        assert_eq!(count(json!("x".repeat(10_000)), 2), SLICE_TEXT_BYTES_MAX / 10_000);
        assert_eq!(count(json!("x".repeat(SLICE_TEXT_BYTES_MAX)), 2), 1, "one effect always fits");
    }

    #[test]
    fn an_execution_has_a_bounded_journal() {
        let rows = vec![("now", json!(null), Some(json!(1))); JOURNAL_ENTRIES_MAX];
        let mut tape = Tape::new(past(&rows));
        for _ in 0..JOURNAL_ENTRIES_MAX {
            assert!(matches!(tape.meet("now", &json!(null), 1, 1), Met::Known(_)));
        }
        assert_eq!(tape.meet("now", &json!(null), 1, 1), Met::TooMany);
    }
}
