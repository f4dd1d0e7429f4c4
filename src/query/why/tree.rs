//! The tree of why, made of the events that led to something: trigger, command, decision, answers, effects, this message.

use std::collections::BTreeMap;

use serde_json::json;

use super::steps::steps;
use super::{About, Eyes, LineOf, Node};
use crate::domain::builtin::Builtin;
use crate::domain::event::{
    Ending, Event, ExecutionStarted, MessageQueued, Outcome, Recorded, TriggerRouted, Verdict,
};
use crate::domain::id::{ExecutionId, StreamName, Timestamp, UserId};
use crate::domain::order::ordered_action;
use crate::domain::policy::{Cited, PolicyDecision};
use crate::domain::trigger::{Trigger, What};
use crate::domain::words::{policy as policies, why as say};
use crate::query::when::Here;
use crate::query::words::{quoted, words};

/// How many characters of a script's version are shown.
const VERSION_CHARS: usize = 8;

/// All that the tree is made from.
pub(super) struct Teller<'a> {
    pub events: &'a [Recorded],
    pub about: &'a About,
    pub eyes: &'a Eyes,
    pub here: &'a Here,
    pub line_of: LineOf<'a>,
    /// Policies are told with their texts.
    texts: bool,
    names: BTreeMap<UserId, String>,
}

/// The tree of what led to something, for somebody who may read this much; `texts`: policies are told with their texts.
pub fn tree(
    events: &[Recorded],
    about: &About,
    eyes: &Eyes,
    here: &Here,
    line_of: LineOf,
    texts: bool,
) -> Node {
    let mut names = BTreeMap::new();
    for event in events.iter().filter_map(Recorded::event) {
        if let Event::TriggerRecorded(e) = event
            && let Some(speaker) = e.trigger.speaker()
        {
            names.insert(speaker.id.clone(), speaker.name.clone());
        }
    }
    Teller { events, about, eyes, here, line_of, texts, names }.tree()
}

impl Teller<'_> {
    fn tree(&self) -> Node {
        match self.about {
            About::Message(id) => {
                let stream = StreamName::message(id);
                let Some(queued) = self.first(&stream) else {
                    return Node::new("message", say::ERASED);
                };
                self.of_message(queued)
            }
            About::Execution(id) => self.of_execution(id, None),
            About::Trigger(stream) => self.of_trigger(stream, None),
            About::Event(id) => {
                let event = self.events.iter().find(|event| event.id == *id);
                let told = event.map(|event| Node::of("event", words(event), event));
                told.unwrap_or_else(|| Node::new("event", say::ERASED))
            }
        }
    }

    pub(super) fn first(&self, stream: &StreamName) -> Option<&Recorded> {
        self.events.iter().find(|event| event.id.stream == *stream)
    }

    fn of_message(&self, queued: &Recorded) -> Node {
        let Some(Event::MessageQueued(message)) = queued.event() else {
            return Node::of("message", say::ERASED, queued);
        };
        if let Some(execution) = &message.execution {
            return self.of_execution(execution, Some((queued, message)));
        }
        if let Some(trigger) = &queued.correlation {
            return self.of_trigger(trigger, Some((queued, message)));
        }
        let root = Node::of("message", say::BY_MYSELF, queued);
        let cause = self.events.iter().find(|event| Some(&event.id) == queued.cause.as_ref());
        match cause.filter(|_| *self.eyes == Eyes::All) {
            Some(cause) => root.child(Node::of("event", words(cause), cause)),
            None => root,
        }
    }

    /// What led to an execution, what it did, and, if that is asked about, a message of it.
    fn of_execution(&self, id: &ExecutionId, this: Option<(&Recorded, &MessageQueued)>) -> Node {
        let first = self.first(&StreamName::execution(id));
        let Some((first, Event::ExecutionStarted(started))) =
            first.and_then(|first| Some((first, first.event()?)))
        else {
            return Node::new("command", say::ERASED);
        };
        let command = self.command(id, first, started);
        if !self.eyes.see(&started.place.room) {
            // What it was called with and what it did belongs to that room.
            let elsewhere = Node::new("trigger", say::ELSEWHERE).child(command);
            return elsewhere;
        }
        let trigger = &started.trigger.stream;
        let mut command = command;
        command = match self.outcome(trigger, |verdict| runs(verdict, id)) {
            Some((routed, outcome)) => self.policy(command, routed, outcome),
            None => match self.became_clear(id) {
                Some((asker, finished, outcome)) => {
                    command.children.extend(steps(self, &asker, None));
                    self.policy(command, finished, &outcome)
                }
                None => command,
            },
        };
        command.children.extend(steps(self, id, this));
        self.trigger(trigger).child(command)
    }

    /// The execution that asked what was meant and then began this one, the event that says so, and what was decided.
    fn became_clear(&self, id: &ExecutionId) -> Option<(ExecutionId, &Recorded, Outcome)> {
        self.events.iter().find_map(|event| {
            let Some(Event::ExecutionFinished(finished)) = event.event() else { return None };
            let Ending::Succeeded(value) = &finished.ending else { return None };
            if value["started"].as_str() != Some(id.as_str()) || value.get("decision").is_none() {
                return None;
            }
            let decision: Option<PolicyDecision> =
                serde_json::from_value(value["decision"].clone()).ok().flatten();
            let reason = decision.as_ref().map(|it| it.reason.clone()).unwrap_or_default();
            let verdict = Verdict::Started(id.clone());
            let outcome = Outcome { considered: String::new(), verdict, reason, decision };
            Some((ExecutionId(event.id.stream.id().to_owned()), event, outcome))
        })
    }

    /// What was decided on a trigger.
    fn of_trigger(&self, stream: &StreamName, this: Option<(&Recorded, &MessageQueued)>) -> Node {
        let recorded = self.first(stream).and_then(Recorded::event);
        let hidden = matches!(recorded, Some(Event::TriggerRecorded(e))
            if e.trigger.place().is_some_and(|place| !self.eyes.see(&place.room)));
        if hidden {
            return Node::new("trigger", say::ELSEWHERE);
        }
        let mut root = self.trigger(stream);
        for (routed, outcome) in self.outcomes(stream) {
            let told = |(_, message): (&Recorded, &MessageQueued)| match &outcome.verdict {
                Verdict::Said(id) | Verdict::Refused(id) => message.message == *id,
                Verdict::Started(_) | Verdict::Continued(_) | Verdict::Ignored => false,
            };
            if this.is_some_and(|this| !told(this)) {
                continue;
            }
            if let (None, Verdict::Started(id) | Verdict::Continued(id)) = (this, &outcome.verdict)
                && let Some((first, Event::ExecutionStarted(started))) = self
                    .first(&StreamName::execution(id))
                    .and_then(|first| Some((first, first.event()?)))
            {
                let command = self.policy(self.command(id, first, started), routed, outcome);
                root = root.child(command);
                continue;
            }
            let words =
                say::decided(&outcome.considered, verdict(outcome), &quoted(&outcome.reason));
            let decision = Node::of("decision", words, routed).with(json!({
                "considered": outcome.considered, "reason": outcome.reason, "verdict": outcome.verdict,
            }));
            root = root.child(self.policy(decision, routed, outcome));
        }
        match this {
            Some((queued, _)) => root.child(Node::of("message", say::THIS_ANSWERS, queued)),
            None => root,
        }
    }

    /// The command that ran: which script, where in it, in which version.
    fn command(&self, id: &ExecutionId, first: &Recorded, started: &ExecutionStarted) -> Node {
        let handler = &started.handler;
        let line = (self.line_of)(handler);
        let place = match line {
            Some(line) => format!("{}:{line}", handler.file),
            None => handler.file.clone(),
        };
        let version: String = handler.script.as_str().chars().take(VERSION_CHARS).collect();
        let words = match (Builtin::of(handler), ordered_action(started)) {
            (Some(builtin), _) => say::own_command(builtin.name(), id.short()),
            (None, Some(action)) => say::own_action(action, &place, id.short()),
            (None, None) => say::command(&handler.alias, &place, &version, id.short()),
        };
        Node::of("command", words, first).with(json!({
            "execution": id, "alias": handler.alias, "file": handler.file, "line": line,
            "version": handler.script, "args": self.eyes.see(&started.place.room).then_some(&started.args),
        }))
    }

    /// The outcomes of a trigger, each with the event that holds it.
    fn outcomes(&self, trigger: &StreamName) -> impl Iterator<Item = (&Recorded, &Outcome)> {
        let of_it = self.events.iter().filter(move |event| event.id.stream == *trigger);
        let routed = of_it.filter_map(|event| match event.event() {
            Some(Event::TriggerRouted(TriggerRouted { outcomes })) => Some((event, outcomes)),
            _ => None,
        });
        routed.flat_map(|(event, outcomes)| outcomes.iter().map(move |outcome| (event, outcome)))
    }

    fn outcome(
        &self,
        trigger: &StreamName,
        fits: impl Fn(&Verdict) -> bool,
    ) -> Option<(&Recorded, &Outcome)> {
        self.outcomes(trigger).find(|(_, outcome)| fits(&outcome.verdict))
    }

    /// Adds what decided that it may be done, or may not.
    fn policy(&self, node: Node, routed: &Recorded, outcome: &Outcome) -> Node {
        let Some(decision) = &outcome.decision else {
            return match &outcome.verdict {
                Verdict::Started(_) => {
                    let words = say::allowed(&quoted(&outcome.reason));
                    let detail = json!({ "reason": outcome.reason });
                    node.child(Node::of("policy", words, routed).with(detail))
                }
                _ => node,
            };
        };
        let mut policy = Node::of("policy", policy_words(decision, self.texts), routed)
            .with(serde_json::to_value(decision).unwrap_or_default());
        if let Some(grant) = &decision.inputs.granted {
            policy = policy.child(Node::of("grant", say::granted(grant), routed));
        }
        if !decision.inputs.roles.is_empty() {
            let roles = decision.inputs.roles.iter().map(|it| say::role(&it.role, &it.source));
            let words = say::roles(&roles.collect::<Vec<_>>().join(", "));
            policy = policy.child(Node::of("role", words, routed));
        }
        node.child(policy)
    }

    /// What began it.
    fn trigger(&self, stream: &StreamName) -> Node {
        let Some(first) = self.first(stream) else { return Node::new("trigger", say::ERASED) };
        let Some(Event::TriggerRecorded(e)) = first.event() else {
            return Node::of("trigger", say::ERASED, first);
        };
        let words = self.trigger_words(&e.trigger, first.wall);
        Node::of("trigger", words, first).with(json!({ "trigger": e.trigger }))
    }

    fn trigger_words(&self, trigger: &Trigger, at: Timestamp) -> String {
        let at = self.at(at);
        let who = trigger.speaker().map_or("", |speaker| speaker.name.as_str());
        let other = |room| *self.eyes != Eyes::Room(room);
        let room = trigger.place().filter(|place| other(place.room.clone()));
        let room = room.map(|place| place.name.as_str());
        match &trigger.what {
            What::Message(it) if it.edits.is_some() => {
                say::edited(&at, who, &quoted(&it.text), room)
            }
            What::Message(it) => say::said(&at, who, &quoted(&it.text), room),
            What::Reaction(it) => say::reacted(&at, who, &quoted(&it.key), room),
            What::Undecryptable(_) => say::unreadable(&at, who, room),
            What::Deleted(_) => say::deleted(&at, who, room),
            What::Timer(it) => say::time_came(&at, it.execution.short()),
            What::Order(it) => say::ordered(&at, who, &it.words()),
            What::Event(it) => say::happened(&at, &it.name),
            What::Call(it) => say::called(&at, it.execution.short(), &quoted(&it.command)),
        }
    }

    /// A time as people read it: without the day, if that is today.
    pub(super) fn at(&self, at: Timestamp) -> String {
        let minutes = "2026-11-20 14:02".len();
        let shown: String = self.here.shown(at).chars().take(minutes).collect();
        match shown.split_once(' ') {
            Some((day, time)) if day == self.here.day(self.here.now) => time.to_owned(),
            _ => shown,
        }
    }

    /// What people call somebody.
    pub(super) fn name<'a>(&'a self, id: &'a UserId) -> &'a str {
        let short = || id.as_str().trim_start_matches('@').split(':').next().unwrap_or_default();
        self.names.get(id).map_or_else(short, String::as_str)
    }
}

/// What the policies decided, with those that did; `texts`: they are told with their texts.
fn policy_words(decision: &PolicyDecision, texts: bool) -> String {
    let cite = |it: &Cited| match texts {
        true => say::cited(&it.id, policies::quoted(&it.text).trim_end_matches(';')),
        false => say::named(&it.id, &it.file, it.line),
    };
    let cited: Vec<String> = decision.policies.iter().map(cite).collect();
    match (decision.allowed(), cited.is_empty()) {
        (true, true) => say::allowed(&quoted(&decision.reason)),
        (true, false) => say::allowed_by(&cited.join(", ")),
        (false, true) => say::refused(&quoted(&decision.reason)),
        (false, false) => say::refused_by(&cited.join(", ")),
    }
}

fn runs(verdict: &Verdict, id: &ExecutionId) -> bool {
    matches!(verdict, Verdict::Started(it) | Verdict::Continued(it) if it == id)
}

fn verdict(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Started(_) => "started",
        Verdict::Continued(_) => "goes on",
        Verdict::Said(_) => "answered",
        Verdict::Refused(_) => "refused",
        Verdict::Ignored => "ignored",
    }
}
