//! Who ran what how often, what failed, what took longest, what people were asked and what was refused.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::{Refusal, Sink};
use super::executions;
use super::filter::{Filter, Standing};
use super::lookup::{Lookup, standing};
use super::search::{Flow, Search};
use super::when::Here;
use crate::domain::builtin::Builtin;
use crate::domain::event::{
    Event, ExecutionStarted, Handler, Outcome, Recorded, TriggerRouted, Verdict,
};
use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, Position};
use crate::store::{Direction, EventStore, ReadError};

/// Most groups that are told apart; what is beyond is told as one.
pub const GROUPS_MAX: usize = 10_000;

/// What a report has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each day.
    Day,
    /// Each person.
    Person,
    /// Each alias.
    Alias,
    /// Each room.
    Room,
    /// Each person with each alias.
    PersonAndAlias,
}

/// What is counted for one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts {
    runs: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    open: u64,
    in_doubt: u64,
    asked: u64,
    answered: u64,
    refused: u64,
    took_ms: u64,
    slowest: Option<(u64, ExecutionId)>,
}

/// What stands for everything that is in no group of its own.
const OTHERS: &str = "(others)";
/// What stands for asking what somebody meant, or what a command lacks.
const ASKING_BACK: &str = "(asking back)";
/// What stands for answers that were none, or came from somebody else than was asked.
const ANSWERS: &str = "(answers)";

/// Reports on what was begun and refused between the bounds of a filter, the busiest first; days in their order.
///
/// # Errors
/// [`Refusal`] if the filter names nobody or the log cannot be read.
pub fn report(
    store: &dyn EventStore,
    filter: &Filter,
    per: Per,
    here: &Here,
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    if !filter.types.is_empty() {
        return Err(Refusal::Invalid("a report is about executions: it takes no `type`".into()));
    }
    let types = vec!["execution_started".to_owned(), "trigger_routed".to_owned()];
    let narrowed = Filter { types, ..filter.clone() };
    let all = Range { start: Position::START, end: Position::END };
    let search = Search::new(store, &narrowed, all, sink)?;
    let mut lookup = Lookup::new(store);
    let mut groups: BTreeMap<(String, String), Counts> = BTreeMap::new();
    search.each(Direction::Forward, &mut lookup, sink, &mut |event, lookup, _| {
        let one = match event.event() {
            Some(Event::ExecutionStarted(started)) => execution(store, event, started)?,
            Some(Event::TriggerRouted(routed)) => refusal(routed),
            _ => None,
        };
        let Some((alias, counts)) = one else { return Ok(Flow::On) };
        let key = key(per, event, alias, lookup, here)?;
        let full = groups.len() >= GROUPS_MAX && !groups.contains_key(&key);
        let key = if full { (OTHERS.to_owned(), OTHERS.to_owned()) } else { key };
        groups.entry(key).or_default().add(counts);
        Ok(Flow::On)
    })?;
    let mut rows: Vec<_> = groups.into_iter().collect();
    if per != Per::Day {
        rows.sort_by_key(|(_, counts)| std::cmp::Reverse((counts.runs, counts.refused)));
    }
    for (key, counts) in rows {
        let mut row = counts.row(per, key);
        if per == Per::Day {
            row["zone"] = json!(here.zone_name());
        }
        sink.row(row)?;
    }
    Ok(())
}

/// An execution by its start: its alias and what there is to count. How one stands that a newer program went on with is
/// not known: it is a run and nothing else.
fn execution(
    store: &dyn EventStore,
    event: &Recorded,
    started: &ExecutionStarted,
) -> Result<Option<(String, Counts)>, ReadError> {
    let id = ExecutionId(event.id.stream.id().to_owned());
    let counts = match executions::load(store, &id) {
        Err(ReadError::Newer { .. }) => Some(Counts { runs: 1, ..Counts::default() }),
        loaded => loaded?.as_ref().map(Counts::of),
    };
    Ok(counts.map(|counts| (handler_words(&started.handler), counts)))
}

/// A decision, if it is a refusal: the alias and one to count.
fn refusal(routed: &TriggerRouted) -> Option<(String, Counts)> {
    let refused = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Refused(_));
    let outcome = routed.outcomes.iter().find(refused)?;
    Some((alias_of(&outcome.considered), Counts { refused: 1, ..Counts::default() }))
}

/// What a handler is in a row. One that asks back stands for no command: what was meant has a row of its own.
fn handler_words(handler: &Handler) -> String {
    match Builtin::of(handler) {
        Some(Builtin::Clarify) => ASKING_BACK.to_owned(),
        _ => handler.alias.clone(),
    }
}

/// `alias deploy` is about the alias `deploy`; which question it was that somebody answered in vain is told of in the log.
fn alias_of(considered: &str) -> String {
    if considered.starts_with("question of ") || considered == "questions" {
        return ANSWERS.to_owned();
    }
    let about = considered.strip_prefix("alias ").or(considered.strip_prefix("command "));
    about.unwrap_or(considered).to_owned()
}

fn key(
    per: Per,
    event: &Recorded,
    alias: String,
    lookup: &mut Lookup,
    here: &Here,
) -> Result<(String, String), ReadError> {
    let nobody = || "(nobody)".to_owned();
    let person = |lookup: &mut Lookup| -> Result<String, ReadError> {
        Ok(lookup.speaker(event)?.map_or_else(nobody, |speaker| speaker.id.0))
    };
    Ok(match per {
        Per::Day => (here.day(event.ts), String::new()),
        Per::Alias => (alias, String::new()),
        Per::Person => (person(lookup)?, String::new()),
        Per::PersonAndAlias => (person(lookup)?, alias),
        Per::Room => {
            let room = lookup.room(event)?;
            let nowhere = || ("(nowhere)".to_owned(), String::new());
            room.map_or_else(nowhere, |(id, name)| (id.0, name))
        }
    })
}

impl Counts {
    fn of(execution: &Execution) -> Self {
        let ended = execution.ending.is_some();
        let took = execution.touched.0.saturating_sub(execution.began.0);
        let took_ms = if ended { u64::try_from(took).unwrap_or(0) } else { 0 };
        let questions = || execution.steps.values().filter(|step| step.question.is_some());
        let is = |wanted: Standing| u64::from(standing(execution) == wanted);
        Self {
            runs: 1,
            succeeded: is(Standing::Succeeded),
            failed: is(Standing::Failed) + is(Standing::Diverged),
            cancelled: is(Standing::Cancelled),
            open: u64::from(!ended),
            in_doubt: is(Standing::InDoubt),
            asked: questions().count() as u64,
            answered: questions().filter(|step| !step.asks()).count() as u64,
            refused: 0,
            took_ms,
            slowest: ended.then(|| (took_ms, execution.id.clone())),
        }
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.open += other.open;
        self.in_doubt += other.in_doubt;
        self.asked += other.asked;
        self.answered += other.answered;
        self.refused += other.refused;
        self.took_ms += other.took_ms;
        if other.slowest.as_ref().map(|(ms, _)| *ms) > self.slowest.as_ref().map(|(ms, _)| *ms) {
            self.slowest = other.slowest;
        }
    }

    fn row(self, per: Per, (first, second): (String, String)) -> Value {
        let ended = self.succeeded + self.failed + self.cancelled;
        let mut row = json!({
            "runs": self.runs, "succeeded": self.succeeded, "failed": self.failed,
            "cancelled": self.cancelled, "open": self.open, "in_doubt": self.in_doubt, "questions": self.asked,
            "answered": self.answered, "refused": self.refused,
            "mean_ms": self.took_ms.checked_div(ended),
            "slowest_ms": self.slowest.as_ref().map(|(ms, _)| ms),
            "slowest": self.slowest.as_ref().map(|(_, id)| id),
        });
        let names: &[&str] = match per {
            Per::Day => &["day"],
            Per::Person => &["person"],
            Per::Alias => &["alias"],
            Per::Room => &["room", "room_name"],
            Per::PersonAndAlias => &["person", "alias"],
        };
        for (name, value) in names.iter().zip([first, second]) {
            row[*name] = json!(value);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::HandlerKind;
    use crate::domain::id::ScriptHash;

    #[test]
    fn what_is_about_questions_has_rows_of_its_own() {
        for (considered, want) in [
            ("question of 4F7K2Q9A", ANSWERS),
            ("questions", ANSWERS),
            ("alias question of the day", "question of the day"),
            ("alias questions", "questions"),
            ("command why", "why"),
            ("message", "message"),
        ] {
            assert_eq!(alias_of(considered), want, "{considered}");
        }
        let script = |alias: &str| Handler {
            script: ScriptHash(String::new()),
            file: "a.rhai".into(),
            alias: alias.into(),
            kind: HandlerKind::Alias,
        };
        assert_eq!(handler_words(&Builtin::Clarify.handler()), ASKING_BACK);
        assert_eq!(handler_words(&script("deploy")), "deploy");
        assert_eq!(handler_words(&script("clarify")), "clarify", "a script may be called so");
    }
}
