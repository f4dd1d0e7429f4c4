//! What an execution did, as nodes of the tree: questions with their answers, effects with what came of them, and the end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Node;
use super::tree::Teller;
use crate::domain::event::{
    ApprovalVoted, EffectRecorded, EffectRequested, EffectResult, Ending, Event, MessageQueued,
    QuestionAnswered, QuestionAsked, Recorded, Resolution, TimerFired, Wants,
};
use crate::domain::execution::Execution;
use crate::domain::http::is_request;
use crate::domain::id::{ExecutionId, MessageId, StreamName, Timestamp};
use crate::domain::words::approvals;
use crate::domain::words::why as say;
use crate::query::words::{quoted, result, value_words};

/// Steps that look things up in the log: what they found is no news to who asks why.
const LOOKS_UP: &[&str] = &["audit", "find", "why", "what did"];

/// The steps of one execution while they are gathered.
#[derive(Default)]
struct Steps {
    nodes: Vec<Node>,
    /// The place of a path's node, and what is needed of its request.
    at: BTreeMap<String, usize>,
    requested: BTreeMap<String, EffectRequested>,
    began: BTreeMap<String, Timestamp>,
    /// The lines on which the script said something, by the message.
    said: BTreeMap<MessageId, u32>,
    ended: bool,
}

/// The steps of an execution, and the message that is asked about behind what led to it.
pub(super) fn steps(
    teller: &Teller,
    id: &ExecutionId,
    this: Option<(&Recorded, &MessageQueued)>,
) -> Vec<Node> {
    let stream = StreamName::execution(id);
    let mut steps = Steps::default();
    let mut told = None;
    for event in teller.events.iter() {
        let of_it = event.id.stream == stream;
        if of_it {
            steps.take(teller, event);
        }
        // What came after the message did not lead to it, but for the lines of one batch, which stand before it.
        if this.is_some_and(|(queued, _)| queued.id == event.id) {
            told = Some(steps.nodes.len());
        }
    }
    match this {
        Some((queued, message)) => {
            steps.nodes.truncate(told.unwrap_or(steps.nodes.len()));
            let node = steps.this(teller, queued, message);
            steps.nodes.push(node);
        }
        None if !steps.ended => steps.nodes.push(still_open(teller, id)),
        None => {}
    }
    steps.nodes
}

/// Where it stands; the events that are there may not be all of them.
fn still_open(teller: &Teller, id: &ExecutionId) -> Node {
    let stream = StreamName::execution(id);
    let own: Vec<Recorded> =
        teller.events.iter().filter(|event| event.id.stream == stream).cloned().collect();
    let status = Execution::fold(&own).map_or("unknown", |execution| execution.status().word());
    Node::new("ending", say::open(status)).with(json!({ "status": status }))
}

impl Steps {
    fn take(&mut self, teller: &Teller, event: &Recorded) {
        match event.event() {
            Some(Event::QuestionAsked(e)) => self.asked(teller, event, e),
            Some(Event::QuestionAnswered(e)) => self.answered(teller, event, e),
            Some(Event::EffectRequested(e)) => {
                self.requested.insert(e.path.clone(), e.clone());
            }
            Some(Event::EffectRecorded(e)) if e.op == "action" => {
                self.effect(teller, event, &e.path, "begun");
            }
            Some(Event::EffectRecorded(e)) => self.recorded(e),
            Some(Event::EffectStarted(e)) => {
                self.began.entry(e.path.clone()).or_insert(event.wall);
                self.effect(teller, event, &e.path, "it is under way");
            }
            Some(Event::EffectCompleted(e)) => {
                let came = match &e.result {
                    EffectResult::Ok(value) if is_nothing(value) => "done".to_owned(),
                    came => result(came),
                };
                self.effect(teller, event, &e.path, &say::took(&came, e.took_ms));
            }
            Some(Event::EffectInDoubt(e)) => {
                self.effect(teller, event, &e.path, "nobody knows whether it was done");
            }
            Some(Event::EffectCancelled(e)) => {
                self.effect(teller, event, &e.path, "it was stopped");
            }
            Some(Event::EffectResolved(e)) => {
                let said = match e.resolution {
                    Resolution::Done => "that it was done",
                    Resolution::Repeat => "that it was not done",
                    Resolution::GiveUp => "to give it up",
                };
                let words = say::answered(&teller.at(event.wall), teller.name(&e.by), said);
                self.under(&e.path, Node::of("answer", words, event).with(json!({ "by": e.by })));
            }
            Some(Event::ApprovalVoted(e)) => self.voted(teller, event, e),
            Some(Event::ApprovalVoided(e)) => {
                let words = say::voided(&teller.at(event.wall), &approvals::void_short(&e.changed));
                let node = Node::of("void", words, event).with(json!({ "changed": e.changed }));
                self.under(&e.path, node);
            }
            Some(Event::TimerFired(e)) => self.fired(teller, event, e),
            Some(Event::ExecutionCancelled(e)) => {
                let words =
                    say::cancelled(&teller.at(event.wall), teller.name(&e.by), &quoted(&e.reason));
                let detail = json!({ "by": e.by, "reason": e.reason });
                self.nodes.push(Node::of("ending", words, event).with(detail));
            }
            Some(Event::ExecutionFinished(e)) => self.finished(teller, event, &e.ending),
            _ => {}
        }
    }

    fn put(&mut self, path: &str, node: Node) {
        self.at.insert(path.to_owned(), self.nodes.len());
        self.nodes.push(node);
    }

    /// Adds to the node of a path, or behind all where there is none.
    fn under(&mut self, path: &str, node: Node) {
        match self.at.get(path).and_then(|at| self.nodes.get_mut(*at)) {
            Some(parent) => parent.children.push(node),
            None => self.nodes.push(node),
        }
    }

    fn asked(&mut self, teller: &Teller, event: &Recorded, asked: &QuestionAsked) {
        let whom: Vec<&str> = asked.from.iter().map(|id| teller.name(id)).collect();
        let (at, whom) = (teller.at(event.wall), whom.join(" or "));
        let words = match asked.wants {
            Wants::Doubt => say::asked_of_doubt(&at, &whom),
            Wants::Approval => say::asked_to_approve(&at, &quoted(&asked.text)),
            Wants::Text | Wants::YesNo => say::asked(&at, &whom, &quoted(&asked.text)),
        };
        let detail = json!({ "text": asked.text, "from": asked.from, "choices": asked.choices });
        let node = Node::of("question", words, event).with(detail);
        match asked.wants {
            Wants::Doubt => self.under(&asked.path, node),
            Wants::Text | Wants::YesNo | Wants::Approval => self.put(&asked.path, node),
        }
    }

    fn answered(&mut self, teller: &Teller, event: &Recorded, answered: &QuestionAnswered) {
        let (at, who) = (teller.at(event.wall), teller.name(&answered.by));
        let words = say::answered(&at, who, &value_words(&answered.answer));
        let detail = json!({ "by": answered.by, "answer": answered.answer, "post": answered.post });
        self.under(&answered.path, Node::of("answer", words, event).with(detail));
    }

    fn voted(&mut self, teller: &Teller, event: &Recorded, vote: &ApprovalVoted) {
        let (at, who) = (teller.at(event.wall), approvals::voter(vote, None));
        let words = say::voted(&at, &who, vote.vote, &quoted(&vote.reason));
        self.under(&vote.path, Node::of("vote", words, event).with(json!(vote)));
    }

    /// What a script says has the name of its message as its result.
    fn recorded(&mut self, effect: &EffectRecorded) {
        let EffectResult::Ok(value) = &effect.result else { return };
        if let Some(message) = value.as_str() {
            self.said.insert(MessageId(message.to_owned()), effect.line);
        }
    }

    /// An effect, as far as it has come.
    fn effect(&mut self, teller: &Teller, event: &Recorded, path: &str, came: &str) {
        let Some(requested) = self.requested.get(path) else { return };
        // A question in doubt stands below its effect, so the node is changed, not made anew.
        let begun = self.began.get(path).copied().unwrap_or(event.wall);
        let what = called(&requested.op, &requested.args);
        let decision = requested.decision.as_ref();
        let policies: Vec<&str> =
            decision.into_iter().flat_map(|it| &it.policies).map(|it| it.id.as_str()).collect();
        let words = say::effect(&teller.at(begun), &what, requested.line, came);
        let words = match LOOKS_UP.contains(&requested.op.as_str()) {
            true => say::looked_up(&teller.at(begun)),
            false => format!("{words}{}", say::as_allowed(&policies)),
        };
        let detail = json!({
            "op": requested.op, "args": requested.args, "line": requested.line, "path": path, "came": came,
            "decision": decision,
        });
        let node = Node::of("effect", words, event).with(detail);
        match self.at.get(path).and_then(|at| self.nodes.get_mut(*at)) {
            Some(known) => {
                let children = std::mem::take(&mut known.children);
                *known = Node { children, ..node };
            }
            None => self.put(path, node),
        }
    }

    fn fired(&mut self, teller: &Teller, event: &Recorded, fired: &TimerFired) {
        let at = teller.at(event.wall);
        if self.at.contains_key(&fired.path) {
            let node = Node::of("answer", say::unanswered(&at), event);
            return self.under(&fired.path, node);
        }
        let Some(requested) = self.requested.get(&fired.path) else { return };
        let what = called(&requested.op, &requested.args);
        let node = Node::of("wait", say::waited(&at, &what), event);
        self.put(&fired.path, node.with(json!({ "op": requested.op, "args": requested.args })));
    }

    fn finished(&mut self, teller: &Teller, event: &Recorded, ending: &Ending) {
        self.ended = true;
        let how = match ending {
            Ending::Succeeded(_) => return,
            Ending::Failed(failure) => {
                format!("failed: {} ({}:{})", quoted(&failure.message), failure.file, failure.line)
            }
            Ending::Diverged(how) => format!("diverged: {}", quoted(how)),
            Ending::Cancelled { .. } => "ended as it was cancelled".to_owned(),
        };
        let words = say::ended(&teller.at(event.wall), &how);
        self.nodes.push(Node::of("ending", words, event));
    }

    /// The message that is asked about.
    fn this(&self, teller: &Teller, queued: &Recorded, message: &MessageQueued) -> Node {
        let words = match (&message.question, self.said.get(&message.message)) {
            (Some(_), _) => say::THIS_ASKS.to_owned(),
            (None, Some(line)) => {
                let own = message.execution.as_ref().map(StreamName::execution);
                let first = own.as_ref().and_then(|stream| teller.first(stream)?.event());
                let file = match first {
                    Some(Event::ExecutionStarted(started)) => started.handler.file.as_str(),
                    _ => "",
                };
                say::this_line(file, *line)
            }
            (None, None) => say::THIS_ANSWERS.to_owned(),
        };
        Node::of("message", words, queued).with(json!({ "message": message.message }))
    }
}

/// Whether an action gave nothing that could be told.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// A call as people read it: `deploy.release {"app":"shop"}`.
fn called(op: &str, args: &Value) -> String {
    let of = |name: &str| args[name].as_str().map(str::to_owned);
    match op {
        "exec" | "action" => {
            format!("{} {}", of("action").unwrap_or_default(), value_words(&args["params"]))
        }
        "sleep" => format!("{} s", args["ms"].as_i64().unwrap_or(0) / 1_000),
        op if is_request(op) => of("action").unwrap_or_else(|| op.to_owned()),
        op => match of("url").or_else(|| of("command")).or_else(|| of("trigger")) {
            Some(what) => format!("{op} {}", quoted(&what)),
            None => format!("{op} {}", value_words(args)),
        },
    }
}
