//! One execution from its beginning to its end: when each step was asked for, begun and done, and who answered what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::executions::details;
use crate::domain::approval::Tally;
use crate::domain::event::{Event, Recorded};
use crate::domain::execution::Execution;
use crate::domain::id::{StreamName, Timestamp, Version};
use crate::domain::order::OrderKind;
use crate::domain::trigger::What;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// What is known of a step beside what it gave.
#[derive(Default)]
struct Course {
    asked: Option<Timestamp>,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    question: Value,
}

/// Everything about an execution, as JSON.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn story(store: &dyn EventStore, execution: &Execution) -> Result<Value, ReadError> {
    let mut courses: BTreeMap<String, Course> = BTreeMap::new();
    let mut cancelled = Value::Null;
    let stream = StreamName::execution(&execution.id);
    let mut from = Version::START;
    loop {
        let page = store.read(&stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        for event in &page {
            note(&mut courses, &mut cancelled, event);
        }
        from = Version(from.0 + page.len() as u64);
        if page.len() < READ_EVENTS_MAX {
            break;
        }
    }
    let mut all = details(execution);
    for row in all["journal"].as_array_mut().into_iter().flatten() {
        let Some(course) = row["path"].as_str().and_then(|path| courses.remove(path)) else {
            continue;
        };
        row["asked_ms"] = json!(course.asked.map(|at| at.0));
        row["began_ms"] = json!(course.began.map(|at| at.0));
        row["ended_ms"] = json!(course.ended.map(|at| at.0));
        row["question"] = course.question;
    }
    all["cancelled"] = cancelled;
    all["retry_of"] = json!(retried(store, execution)?);
    Ok(all)
}

/// What one event says of a step.
fn note(courses: &mut BTreeMap<String, Course>, cancelled: &mut Value, recorded: &Recorded) {
    let at = Some(recorded.ts);
    let mut on = |path: &str, change: &dyn Fn(&mut Course)| {
        change(courses.entry(path.to_owned()).or_default());
    };
    match recorded.event() {
        Some(Event::EffectRecorded(e)) => on(&e.path, &|course| {
            (course.asked, course.ended) = (at, at);
        }),
        Some(Event::EffectRequested(e)) => on(&e.path, &|course| course.asked = at),
        Some(Event::EffectStarted(e)) => on(&e.path, &|course| course.began = at),
        Some(Event::EffectCompleted(e)) => on(&e.path, &|course| course.ended = at),
        Some(Event::EffectInDoubt(e)) => on(&e.path, &|course| course.ended = at),
        Some(Event::EffectCancelled(e)) => on(&e.path, &|course| course.ended = at),
        Some(Event::TimerFired(e)) => on(&e.path, &|course| course.ended = at),
        Some(Event::EffectResolved(e)) => on(&e.path, &|course| {
            course.ended = at;
            course.question["answer"] = json!(e.resolution);
            course.question["by"] = json!(e.by);
        }),
        Some(Event::QuestionAsked(e)) => on(&e.path, &|course| {
            course.question = json!({ "text": e.text, "from": e.from, "choices": e.choices });
        }),
        Some(Event::QuestionAnswered(e)) => on(&e.path, &|course| {
            course.ended = at;
            course.question["answer"] = e.answer.clone();
            course.question["by"] = json!(e.by);
        }),
        Some(Event::ApprovalRequested(e)) => on(&e.path, &|course| {
            course.question["needs"] = json!(e.terms);
            course.question["content"] = json!(e.content);
            course.question["votes"] = json!([]);
        }),
        Some(Event::ApprovalVoted(e)) => on(&e.path, &|course| {
            if e.outcome != Tally::Open {
                course.ended = at;
            }
            if let Some(votes) = course.question["votes"].as_array_mut() {
                votes.push(json!(e));
            }
        }),
        Some(Event::ApprovalVoided(e)) => on(&e.path, &|course| {
            course.ended = at;
            course.question["void"] = json!(e.changed);
        }),
        Some(Event::ExecutionCancelled(e)) => {
            *cancelled = json!({ "by": e.by, "reason": e.reason, "at_ms": recorded.ts.0 });
        }
        _ => {}
    }
}

/// The execution that it does once more, where the command line ordered that.
fn retried(store: &dyn EventStore, execution: &Execution) -> Result<Option<String>, ReadError> {
    let recorded = store.event(&execution.started.trigger)?;
    let Some(Event::TriggerRecorded(e)) = recorded.as_ref().and_then(Recorded::event) else {
        return Ok(None);
    };
    Ok(match &e.trigger.what {
        What::Order(order) => match &order.what {
            OrderKind::Retry { execution, .. } => Some(execution.to_string()),
            OrderKind::Cancel { .. }
            | OrderKind::RunAction { .. }
            | OrderKind::Emit { .. }
            | OrderKind::Switch(_) => None,
        },
        What::Message(_)
        | What::Reaction(_)
        | What::Timer(_)
        | What::Undecryptable(_)
        | What::Event(_)
        | What::Call(_)
        | What::Deleted(_) => None,
    })
}
