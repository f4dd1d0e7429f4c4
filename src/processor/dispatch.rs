//! Decides on recorded triggers: one decision each, in one batch with everything that follows from it.

use serde_json::{Value, json};

use super::scene::Scene;
use super::sheet::{failure_message, queued};
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, meta_of, write};
use crate::domain::ballot;
use crate::domain::catalog::Catalog;
use crate::domain::clarify;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{
    EffectResolved, Ending, Event, ExecutionFinished, Failure, Handler, HandlerKind, MessageQueued,
    Meta, NewEvent, Outcome, PolicyDecision, QuestionAnswered, Recorded, Resolution, TimerFired,
    TriggerRouted, Verdict, Wants,
};
use crate::domain::execution::{Execution, timer_result};
use crate::domain::id::{EventId, MessageId, PostId, StreamName, Version};
use crate::domain::message::Doc;
use crate::domain::person::People;
use crate::domain::policy::Permission;
use crate::domain::reminder;
use crate::domain::route::{self, Act, Decision, View};
use crate::domain::trigger::{Message, Place, Reaction, Speaker, Timer, Trigger, What};
use crate::domain::words::{approvals, executions, policy as policy_words, routing, to};
use crate::store::{Direction, Expected, Write};

/// The version of the script engine that executions are started with.
pub const RHAI_VERSION: &str = "1.27.0";

/// A decision that is on its way into the log.
pub(super) struct Routed {
    pub considered: String,
    pub verdict: Verdict,
    pub reason: String,
    pub writes: Vec<Write>,
    pub decision: Option<PolicyDecision>,
}

/// Who spoke, where, and with which post.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub place: &'a Place,
    pub speaker: &'a Speaker,
    pub post: Option<&'a PostId>,
    pub target: Option<&'a PostId>,
    pub text: &'a str,
}

impl<'a> Origin<'a> {
    /// That of a message.
    pub fn of(message: &'a Message) -> Self {
        Self {
            place: &message.place,
            speaker: &message.speaker,
            post: Some(&message.post),
            target: message.reply_to.as_ref().or(message.place.thread.as_ref()),
            text: message.command.as_ref().map_or(&message.text, |command| &command.text),
        }
    }
}

/// What a person did.
#[derive(Clone, Copy)]
pub(super) enum Did<'a> {
    Message(&'a Message),
    Reaction(&'a Reaction),
}

impl<'a> Did<'a> {
    fn answers_nothing(self, catalog: &Catalog) -> bool {
        matches!(self, Self::Message(message) if route::answers_nothing(message, catalog))
    }

    /// A message that is a vote and points at nothing.
    pub(super) fn bare_vote(self) -> Option<&'a Message> {
        let Self::Message(message) = self else { return None };
        let text = message.command.as_ref().map_or(&message.text, |command| &command.text);
        let bare = message.reply_to.is_none() && message.edits.is_none() && ballot::is_bare(text);
        bare.then_some(message)
    }

    pub(super) fn decide(self, view: &View) -> Decision {
        match self {
            Self::Message(message) => route::message(message, view),
            Self::Reaction(reaction) => route::reaction(reaction, view),
        }
    }
}

/// Whether a command that came late may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// Its sender is asked first.
    Ask,
    /// They were asked, and want it.
    Run,
}

impl Kernel {
    /// Decides on one trigger, unless that is done.
    pub(super) async fn dispatch(&self, stream: &StreamName) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let events = self.store.read(stream, Version::START, Direction::Forward, 2)?;
            let [recorded] = events.as_slice() else { return Ok(()) };
            let (outcomes, writes) = self.decided(recorded).await?;
            let meta = trigger_meta(recorded);
            let event = NewEvent::with(&meta, TriggerRouted { outcomes });
            let mut batch =
                vec![write(stream.clone(), Expected::Exact(Version::START), vec![event])];
            batch.extend(writes);
            match self.append(batch).await? {
                Tried::Done => return Ok(()),
                Tried::Moved => {}
                Tried::TooMuch(why) => return self.refuse_too_much(recorded, &why).await,
            }
        }
        // It is still undecided, and is tried again from the agenda.
        tracing::warn!(trigger = %stream, "something moved on every time it was decided");
        Ok(())
    }

    /// What is decided on a trigger, and what follows.
    async fn decided(&self, recorded: &Recorded) -> Result<(Vec<Outcome>, Vec<Write>), Error> {
        let routed = match recorded.event() {
            Some(Event::TriggerRecorded(e)) => match &e.trigger.what {
                What::Event(event) => return self.happened(recorded, event).await,
                What::Message(message) if message.command.is_none() => {
                    return self.overhear(recorded, &e.trigger, message).await;
                }
                _ => self.route(recorded, &e.trigger, Late::Ask).await?,
            },
            _ => Routed::ignored("trigger", "it is erased or of a kind that I do not know"),
        };
        let (outcome, writes) = routed.outcome();
        Ok((vec![outcome], writes))
    }

    /// What is said to others answers a question, or is heard by rules.
    async fn overhear(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        message: &Message,
    ) -> Result<(Vec<Outcome>, Vec<Write>), Error> {
        let routed = self.route(recorded, trigger, Late::Ask).await?;
        let (outcome, writes) = routed.outcome();
        if outcome.verdict != Verdict::Ignored || self.came_late(trigger) {
            return Ok((vec![outcome], writes));
        }
        let ruled = self.rules_on_talk(recorded, message).await?;
        match ruled.outcomes.is_empty() {
            true => Ok((vec![outcome], writes)),
            false => Ok((ruled.outcomes, writes.into_iter().chain(ruled.writes).collect())),
        }
    }

    /// What a trigger leads to does not fit into the log: the decision is to refuse it.
    async fn refuse_too_much(&self, recorded: &Recorded, why: &str) -> Result<(), Error> {
        let trigger = match recorded.event() {
            Some(Event::TriggerRecorded(e)) => Some(&e.trigger),
            _ => None,
        };
        let place = trigger.and_then(|it| Some((it.place()?, it.speaker()?)));
        let mut routed = Routed::ignored("trigger", &format!("what follows does not fit: {why}"));
        if let Some((place, speaker)) = place {
            let origin = Origin { place, speaker, post: None, target: None, text: "" };
            let text = to(&speaker.name, &routing::too_much_to_record(why));
            let (message, writes) = self.answer(recorded, &origin, Doc::text(&text));
            routed = Routed { verdict: Verdict::Refused(message), writes, ..routed };
        }
        let (outcome, writes) = routed.outcome();
        let outcomes = vec![outcome];
        let event = NewEvent::with(&trigger_meta(recorded), TriggerRouted { outcomes });
        let expected = Expected::Exact(Version::START);
        let mut batch = vec![write(recorded.id.stream.clone(), expected, vec![event])];
        batch.extend(writes);
        self.append(batch).await?;
        Ok(())
    }

    /// Decides on a trigger as things stand now.
    pub(super) async fn route(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
    ) -> Result<Routed, Error> {
        if let (Some(who), Some(place)) = (trigger.speaker(), trigger.place()) {
            self.learn(who, place).await?;
            self.heard_from(who, trigger.at).await?;
        }
        match &trigger.what {
            What::Timer(timer) => self.timer_due(timer),
            What::Undecryptable(event) => self.keep_sealed(recorded, trigger, event),
            What::Order(order) => self.ordered(recorded, order).await,
            What::Call(call) => self.called(recorded, call).await,
            What::Event(_) => Ok(Routed::ignored("trigger", "it is decided for each who waits")),
            What::Deleted(deletion) => self.deleted(recorded, deletion).await,
            What::Message(message) if message.edits.is_some() => {
                self.edited(recorded, trigger, late, message).await
            }
            What::Message(message) => {
                let best = Message { speaker: self.at_best(&message.speaker), ..message.clone() };
                let (message, checked) = self.identified(recorded, trigger, message).await?;
                let mut routed = self.heard(recorded, trigger, late, &message).await?;
                if let Some(checked) = checked {
                    let refused = matches!(routed.verdict, Verdict::Refused(_));
                    let weaker = message.speaker.trust != best.speaker.trust;
                    let lets = refused
                        && weaker
                        && self.would_let(recorded, trigger, late, &best, &checked).await?;
                    let meta = Origin::of(&message).meta(recorded);
                    self.tell_of(&mut routed, checked, lets, &meta);
                }
                Ok(routed)
            }
            What::Reaction(reaction) => {
                let (place, speaker, text) = (&reaction.place, &reaction.speaker, &reaction.key);
                let target = Some(&reaction.target);
                let origin = Origin { place, speaker, post: None, target, text };
                self.said(recorded, trigger, late, &origin, Did::Reaction(reaction)).await
            }
        }
    }

    /// Decides on a message of whoever it is by then known to be from.
    pub(super) async fn heard(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
        message: &Message,
    ) -> Result<Routed, Error> {
        let origin = Origin::of(message);
        self.said(recorded, trigger, late, &origin, Did::Message(message)).await
    }

    /// Decides on what a person did, and prepares what follows.
    pub(super) async fn said(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
        origin: &Origin<'_>,
        did: Did<'_>,
    ) -> Result<Routed, Error> {
        let mut scene = self.scene()?;
        if !did.answers_nothing(&scene.offered.catalog) {
            scene = self.with_questions(scene, &origin.place.room, origin.target)?;
        }
        scene.roles = self.role_names(origin.speaker, origin.place);
        scene.ended = self.just_ended(&did, recorded.position)?;
        let decision = self.decide(&scene, trigger.at, |view| did.decide(view));
        let decision = self.or_link(did, trigger.at, origin, decision)?;
        if let Some(routed) = self.held_back(recorded, trigger, origin, &decision)? {
            return Ok(routed);
        }
        if let Act::More(which) = decision.act {
            return self.more(recorded, origin, which);
        }
        if let Act::Executions(command) = &decision.act {
            let routed = self.execution_command(recorded, trigger, late, origin, command).await?;
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        if let Act::Tell(command) = &decision.act {
            let routed = self.tell_command(recorded, origin, &scene, command).await?;
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        if let Act::People(command) = &decision.act {
            let routed = self.people_command(recorded, origin, command)?;
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        if let Act::Pending(command) = decision.act {
            let doc = self.pending(origin, &scene, command)?;
            let routed = self.told(recorded, origin, doc, &decision.reason);
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        let old = self.came_late(trigger);
        if late == Late::Ask
            && old
            && matches!(
                decision.act,
                Act::Run { .. } | Act::BuiltIn { .. } | Act::Assume(_) | Act::Switch(_)
            )
        {
            let routed = self.hold(recorded, trigger.at, origin)?;
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        if let Act::Silence(command) = &decision.act {
            let routed = self.silence_command(recorded, origin, command)?;
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        if let Act::Switch(command) = &decision.act {
            let routed = self.switch_command(recorded, origin, command)?;
            return Ok(Routed { considered: decision.considered, ..routed });
        }
        let begins = clarify::lets_go(&decision.act);
        let routed = self.act(recorded, origin, &scene, decision).await?;
        match (&routed.verdict, begins) {
            (Verdict::Started(_), true) => self.let_go(recorded, origin, routed),
            _ => Ok(routed),
        }
    }

    /// Whether a command was said so long ago that nobody may count on it any more.
    pub(super) fn came_late(&self, trigger: &Trigger) -> bool {
        trigger.late || trigger.is_older_than(self.settings().run_within_ms, self.clock.now())
    }

    /// Prepares what follows from a decision.
    pub(super) async fn act(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        scene: &Scene,
        decision: Decision,
    ) -> Result<Routed, Error> {
        let Decision { considered, act, reason, permission } = decision;
        let mut routed =
            self.acted(recorded, origin, scene, (act, reason), permission.as_ref()).await?;
        let fault = permission.as_ref().and_then(|permission| permission.fault.as_ref());
        if let Some(fault) = fault {
            let message = self.store.key().message(recorded.id.stream.as_str(), "fault");
            let told = policy_words::faulty(fault);
            routed.writes.extend(self.notice(message, &origin.meta(recorded), &told)?);
        }
        if let Verdict::Refused(_) = routed.verdict {
            routed.writes.extend(self.refusal_shown(recorded, origin, scene, &considered));
        }
        let decision = permission.or(routed.decision);
        Ok(Routed { considered, decision, ..routed })
    }

    async fn acted(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        scene: &Scene,
        (act, reason): (Act, String),
        permission: Option<&Permission>,
    ) -> Result<Routed, Error> {
        let stream = &recorded.id.stream;
        let routed = |verdict, writes| Routed::new(verdict, reason, writes);
        match act {
            // What stands in the log is asked before, where a person commands it.
            Act::Ignore
            | Act::Executions(_)
            | Act::People(_)
            | Act::Pending(_)
            | Act::Switch(_)
            | Act::Silence(_)
            | Act::More(_)
            | Act::Tell(_) => Ok(routed(Verdict::Ignored, vec![])),
            Act::Say(doc) => {
                let (message, writes) = self.answer(recorded, origin, doc);
                Ok(routed(Verdict::Said(message), writes))
            }
            Act::AskBack { doc, question } => {
                let about = question.map(|n| &scene.questions[n]);
                let (message, writes) = self.ask_back(recorded, origin, doc, about);
                Ok(routed(Verdict::Said(message), writes))
            }
            Act::Unclear { doc, question } => {
                let about = Some(&scene.questions[question]);
                let (message, writes) = self.ask_back(recorded, origin, doc, about);
                Ok(routed(Verdict::Refused(message), writes))
            }
            Act::Refuse(doc) => {
                let (message, writes) = self.answer(recorded, origin, doc);
                Ok(routed(Verdict::Refused(message), writes))
            }
            Act::Answer { question, value } => {
                self.answered(recorded, origin, &scene.questions[question], value).await
            }
            Act::Assume(wanting) => self.assume(recorded, origin, scene, &wanting).await,
            Act::BuiltIn { builtin, args } => {
                let args = match self.exact_args(builtin, origin, args)? {
                    Ok(args) => args,
                    Err(why) => {
                        let doc = Doc::text(&to(&origin.speaker.name, &why));
                        let (message, writes) = self.answer(recorded, origin, doc);
                        return Ok(Routed::new(Verdict::Refused(message), why, writes));
                    }
                };
                let writes =
                    self.start(recorded, origin, builtin.handler(), args, permission).await?;
                let id = self.execution_id(stream, &builtin.handler());
                Ok(routed(Verdict::Started(id), writes))
            }
            Act::Run { alias, args } => {
                let alias = &scene.offered.catalog.aliases[alias];
                let handler = Handler {
                    script: alias.script.clone(),
                    file: alias.file.clone(),
                    alias: alias.name.clone(),
                    kind: HandlerKind::Alias,
                };
                let id = self.execution_id(stream, &handler);
                let writes = self.start(recorded, origin, handler, args, permission).await?;
                Ok(routed(Verdict::Started(id), writes))
            }
        }
    }

    /// What the bot says by itself to a trigger.
    pub(super) fn answer(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        doc: Doc,
    ) -> (MessageId, Vec<Write>) {
        self.ask_back(recorded, origin, doc, None)
    }

    /// The same; a reply to what is about one question answers that one.
    pub(super) fn ask_back(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        doc: Doc,
        about: Option<&OpenQuestion>,
    ) -> (MessageId, Vec<Write>) {
        let id = self.store.key().message(recorded.id.stream.as_str(), "answer");
        let message = MessageQueued {
            message: id.clone(),
            place: origin.place.clone(),
            reply_to: origin.post.or(origin.target).cloned(),
            edits: None,
            doc,
            attachment: None,
            notify: vec![origin.speaker.id.clone()],
            execution: about.map(|question| question.execution.clone()),
            question: about.map(|question| question.path.clone()),
        };
        (id, vec![queued(&origin.meta(recorded), message)])
    }

    /// Hands an answer to the execution that waits for it.
    async fn answered(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        question: &OpenQuestion,
        answer: Value,
    ) -> Result<Routed, Error> {
        if question.wants == Wants::Approval {
            return self.voted(recorded, origin, question, &answer).await;
        }
        let open = self.execution(&question.execution)?;
        let open = open.filter(|it| it.steps.get(&question.path).is_some_and(|step| step.asks()));
        let Some(execution) = open else {
            return Ok(Routed::ignored("question", "it has been answered meanwhile"));
        };
        let meta = origin.meta(recorded);
        let (path, by) = (question.path.clone(), origin.speaker.id.clone());
        let post = origin.post.cloned().unwrap_or_else(|| PostId(String::new()));
        let resolution = (question.wants == Wants::Doubt)
            .then(|| serde_json::from_value::<Resolution>(answer.clone()).ok())
            .flatten();
        let answered = QuestionAnswered { path: path.clone(), answer, by: by.clone(), post };
        let mut events = vec![NewEvent::with(&meta, answered)];
        let mut others = vec![];
        if let Some(resolution) = resolution {
            events.push(NewEvent::with(&meta, EffectResolved { path, resolution, by }));
            if resolution == Resolution::GiveUp {
                let (end, message) = self.given_up(&execution, origin);
                events.push(NewEvent::with(&meta, end));
                others.push(queued(&meta, message));
            }
        }
        let stream = StreamName::execution(&execution.id);
        let mut writes = vec![write(stream, Expected::Exact(execution.version), events)];
        writes.append(&mut others);
        let verdict = Verdict::Continued(execution.id.clone());
        Ok(Routed::new(verdict, "it answers this question", writes))
    }

    fn given_up(
        &self,
        execution: &Execution,
        origin: &Origin,
    ) -> (ExecutionFinished, MessageQueued) {
        let message = executions::given_up(&origin.speaker.name);
        let file = execution.started.handler.file.clone();
        let failure = Failure { kind: "in_doubt".into(), message, file, line: 0, column: 0 };
        let told = failure_message(execution, &failure.message, Some(&failure));
        let id = self.store.key().message(execution.id.as_str(), "failure");
        let end = ExecutionFinished { ending: Ending::Failed(failure) };
        (end, MessageQueued { message: id, ..told })
    }

    /// Hands a time to the execution that waits for it.
    fn timer_due(&self, timer: &Timer) -> Result<Routed, Error> {
        if let Some(question) = reminder::question_path(&timer.path) {
            return self.remind(timer, question);
        }
        let waits = |execution: &Execution| {
            let step = execution.steps.get(&timer.path)?;
            let open = execution.ending.is_none() && step.result.is_none();
            (open && step.due == Some(timer.due)).then(|| timer_result(step))
        };
        let execution = self.execution(&timer.execution)?;
        let Some((execution, result)) = execution.and_then(|it| waits(&it).map(|r| (it, r))) else {
            return Ok(Routed::ignored("timer", "nothing waits for this time any more"));
        };
        let fired = TimerFired { path: timer.path.clone(), due: timer.due, result };
        let meta = meta_of(&execution);
        let stream = StreamName::execution(&execution.id);
        let events = vec![NewEvent::with(&meta, fired)];
        let mut writes = vec![write(stream, Expected::Exact(execution.version), events)];
        let path = std::iter::once(&timer.path);
        writes.extend(self.closed_prompts(&execution, path, approvals::TIMED_OUT, &meta));
        let verdict = Verdict::Continued(execution.id.clone());
        let considered = format!("timer of {}", execution.id);
        Ok(Routed { considered, ..Routed::new(verdict, "the time has come", writes) })
    }
}

impl Routed {
    /// What was considered is said by whoever asked.
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>, writes: Vec<Write>) -> Self {
        let (considered, reason) = (String::new(), reason.into());
        Self { considered, verdict, reason, writes, decision: None }
    }

    pub(super) fn ignored(considered: &str, reason: &str) -> Self {
        let considered = considered.to_owned();
        Self { considered, ..Self::new(Verdict::Ignored, reason, vec![]) }
    }

    /// What is recorded with the trigger, and what else is written.
    fn outcome(self) -> (Outcome, Vec<Write>) {
        let Self { considered, verdict, reason, writes, decision } = self;
        (Outcome { considered, verdict, reason, decision }, writes)
    }
}

impl Origin<'_> {
    pub(super) fn meta(&self, recorded: &Recorded) -> Meta {
        Meta {
            cause: Some(recorded.id.clone()),
            correlation: Some(recorded.id.stream.clone()),
            actor: Some(self.speaker.id.clone()),
            room: Some(self.place.room.clone()),
            network: Some(self.place.network.clone()),
        }
    }
}

/// What stands beside the decision: the trigger is its cause.
pub(super) fn trigger_meta(recorded: &Recorded) -> Meta {
    let trigger = recorded.event().and_then(|event| match event {
        Event::TriggerRecorded(e) => Some(&e.trigger),
        _ => None,
    });
    let cause = EventId { stream: recorded.id.stream.clone(), version: recorded.id.version };
    Meta {
        cause: Some(cause),
        correlation: Some(recorded.id.stream.clone()),
        actor: trigger.and_then(Trigger::speaker).map(|speaker| speaker.id.clone()),
        room: trigger.and_then(Trigger::place).map(|place| place.room.clone()),
        network: trigger.and_then(Trigger::place).map(|place| place.network.clone()),
    }
}

/// The handler's `msg`.
pub(super) fn msg(recorded: &Recorded, origin: &Origin, people: &People) -> Value {
    let Origin { place, speaker, post, text, .. } = origin;
    let person = people.person_of(&speaker.id);
    json!({
        "user": {
            "id": speaker.id, "name": speaker.name, "person": person,
            "network": speaker.network, "trust": speaker.trust,
            "trust_level": speaker.trust.level(),
        },
        "room": { "id": place.room, "name": place.name, "network": place.network },
        "text": text,
        "id": post,
        "in_thread": place.thread.is_some(),
        "time": recorded.ts.0,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn executions_note_the_engine_that_is_built_in() {
        let manifest = include_str!("../../Cargo.toml");
        let wanted = format!("rhai = {{ version = \"={}\"", super::RHAI_VERSION);
        assert!(manifest.contains(&wanted), "RHAI_VERSION is not what Cargo.toml names");
    }
}
