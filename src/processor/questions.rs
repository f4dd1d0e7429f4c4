//! The questions that a message may answer, and those who are reminded of them.

use std::sync::Arc;

use super::approvals::requester;
use super::dispatch::{Origin, Routed};
use super::scene::Scene;
use super::sheet::queued as queued_write;
use super::{Error, Kernel, meta_of, write};
use crate::domain::alias::Kind;
use crate::domain::approval::Approval;
use crate::domain::builtin::Builtin;
use crate::domain::clarify;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{
    Event, MessageQueued, NewEvent, QuestionReminded, Recorded, Verdict, post_key,
};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{ExecutionId, MessageId, PostId, RoomId, StreamName, UserId, Version};
use crate::domain::message::Doc;
use crate::domain::pending_command::{LOOKED_AT_MAX, Pending, PendingCommand, listing};
use crate::domain::reminder::{self, Reminder};
use crate::domain::trigger::Timer;
use crate::domain::words::questions as words;
use crate::store::{Direction, Expected, ReadError};

/// Most open questions of one room that a message is held against: the newest.
pub const QUESTIONS_MAX: usize = 50;
/// Most open questions of one room among which a new command looks for what its author half said before: the newest.
pub const HALF_SAID_MAX: usize = 10;

impl Kernel {
    /// The open questions of a room, the newest first; one that is pointed at is among them, however old it is.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn questions(
        &self,
        room: &RoomId,
        pointed: Option<&PostId>,
    ) -> Result<Vec<OpenQuestion>, ReadError> {
        let Some(pseudonym) = self.pseudonym_of(room) else { return Ok(vec![]) };
        let mut places = self.agenda(|agenda| agenda.questions(&pseudonym, QUESTIONS_MAX));
        let asks = match pointed {
            Some(post) => self.question_of(room, post)?.map(|place| (place, post)),
            None => None,
        };
        places.extend(
            asks.iter()
                .map(|(place, _)| place.clone())
                .filter(|it| !places.contains(it))
                .collect::<Vec<_>>(),
        );
        let mut open = vec![];
        for (id, path) in places {
            let execution = self.execution(&id)?;
            let is_open =
                |execution: &Arc<Execution>| execution.steps.get(&path).is_some_and(Step::asks);
            let Some(execution) = execution.filter(is_open) else { continue };
            let Some(mut question) = self.question(&execution, &path)? else { continue };
            if let Some((_, post)) = asks.as_ref().filter(|(place, _)| *place == (id, path)) {
                question.again.push((*post).clone());
            }
            open.push(question);
        }
        Ok(open)
    }

    /// What waits for whom: here, for who asks, or everywhere.
    pub(super) fn pending(
        &self,
        origin: &Origin,
        scene: &Scene,
        which: PendingCommand,
    ) -> Result<Doc, Error> {
        let room = &origin.place.room;
        let managed = self.management_room()?.as_ref() == Some(room);
        let everywhere = match which {
            PendingCommand::Here => managed,
            // Policies have been asked whether they may.
            PendingCommand::All => true,
            PendingCommand::Mine => managed || origin.place.direct,
        };
        let (places, more) = match (everywhere, self.pseudonym_of(room)) {
            (true, _) => self.agenda(|agenda| agenda.all_questions(LOOKED_AT_MAX)),
            (false, Some(room)) => (self.agenda(|it| it.questions(&room, LOOKED_AT_MAX)), 0),
            (false, None) => (vec![], 0),
        };
        let mut found = vec![];
        for (id, path) in places {
            let Some(execution) = self.execution(&id)? else { continue };
            let Some(question) = self.question(&execution, &path)? else { continue };
            // A role that is held here may not be held where it is asked.
            let here = question.place.room == *room;
            let mine = scene.people.are_among(&origin.speaker.id, &question.from)
                || here && question.roles.iter().any(|role| scene.roles.contains(role));
            if which != PendingCommand::Mine || mine {
                let started = &execution.started;
                let (command, requester) =
                    (started.command.clone(), started.requester.name.clone());
                found.push(Pending { question, command, requester });
            }
        }
        let more = if which == PendingCommand::Mine { 0 } else { more };
        Ok(listing(&found, more, everywhere, self.clock.now()))
    }

    /// Adds that what somebody half said before in this room is left: a new command of theirs stands in its place.
    /// Nothing is said of that; who answers the old question after all is told that it is no longer asked.
    pub(super) fn let_go(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        mut routed: Routed,
    ) -> Result<Routed, Error> {
        let Some(room) = self.pseudonym_of(&origin.place.room) else { return Ok(routed) };
        let (people, me) = (self.people()?, origin.speaker);
        for (id, path) in self.agenda(|agenda| agenda.questions(&room, HALF_SAID_MAX)) {
            let Some(execution) = self.execution(&id)? else { continue };
            let started = &execution.started;
            let asks = execution.steps.get(&path).is_some_and(Step::asks);
            let half_said = Builtin::of(&started.handler) == Some(Builtin::Clarify);
            if asks && half_said && people.is_again(me, &started.requester) {
                routed.writes.push(self.left_half_said(&execution, origin, recorded));
            }
        }
        Ok(routed)
    }

    /// The question that a post of the bot asked, if nobody waits for its answer any more, although none came.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn withdrawn(
        &self,
        room: &RoomId,
        post: Option<&PostId>,
    ) -> Result<Option<OpenQuestion>, ReadError> {
        let Some(post) = post else { return Ok(None) };
        let Some((id, path)) = self.question_of(room, post)? else { return Ok(None) };
        let Some(execution) = self.execution(&id)? else { return Ok(None) };
        match execution.steps.get(&path).is_some_and(Step::is_withdrawn) {
            true => self.question(&execution, &path),
            false => Ok(None),
        }
    }

    /// The question that a post of the bot asks.
    pub(super) fn question_of(
        &self,
        room: &RoomId,
        post: &PostId,
    ) -> Result<Option<(ExecutionId, String)>, ReadError> {
        let Some(sent) = self.store.find(&post_key(room, post))? else { return Ok(None) };
        let found = self.store.read_all(sent, Direction::Forward, 1)?;
        let Some(sent) = found.first() else { return Ok(None) };
        let queued = self.queued(&MessageId(sent.id.stream.id().to_owned()))?;
        Ok(queued.and_then(|queued| Some((queued.execution?, queued.question?))))
    }

    /// Reminds those who were asked, and asks others as well when it is time for that.
    pub(super) fn remind(&self, timer: &Timer, path: &str) -> Result<Routed, Error> {
        let now = self.clock.now();
        let execution = self.execution(&timer.execution)?.filter(|it| it.ending.is_none());
        let step = execution.as_ref().and_then(|execution| execution.steps.get(path));
        let due = step.and_then(|step| reminder::due(step, timer.due, now));
        let (Some(execution), Some(reminder)) = (&execution, due) else {
            return Ok(Routed::ignored("timer", "nobody is asked that any more"));
        };
        let Some(question) = self.question(execution, path)? else {
            return Ok(Routed::ignored("timer", "the question is erased"));
        };
        let place = format!("{path}-reminder-{}", reminder.nth);
        let message = self.store.key().message(execution.id.as_str(), &place);
        let doc = Doc::text(&words::reminder(&question, &reminder.also, now));
        let mut notify = question.from.clone();
        notify.extend(reminder.also.people.iter().cloned());
        let queued = MessageQueued {
            message: message.clone(),
            place: question.place.clone(),
            reply_to: question.post.clone().or_else(|| Some(execution.started.post.clone())),
            edits: None,
            doc,
            attachment: None,
            notify,
            execution: Some(execution.id.clone()),
            question: Some(path.to_owned()),
        };
        let Reminder { nth, also, next } = reminder;
        let event = QuestionReminded { path: path.to_owned(), nth, also, message, next };
        let meta = meta_of(execution);
        let stream = StreamName::execution(&execution.id);
        let events = vec![NewEvent::with(&meta, event)];
        let expected = Expected::Exact(execution.version);
        Ok(Routed {
            considered: format!("question of {}", execution.id),
            verdict: Verdict::Continued(execution.id.clone()),
            reason: "nobody has answered yet".into(),
            decision: None,
            writes: vec![write(stream, expected, events), queued_write(&meta, queued)],
        })
    }

    fn question(
        &self,
        execution: &Execution,
        path: &str,
    ) -> Result<Option<OpenQuestion>, ReadError> {
        let step = execution.steps.get(path);
        let Some(asked) = step.and_then(|step| step.question.as_ref()) else { return Ok(None) };
        let stream = StreamName::message(&asked.message);
        let events = self.store.read(&stream, Version::START, Direction::Forward, 2)?;
        let place = match events.first().and_then(Recorded::event) {
            Some(Event::MessageQueued(queued)) => queued.place.clone(),
            _ => execution.started.place.clone(),
        };
        let post = match events.get(1).and_then(Recorded::event) {
            Some(Event::MessageSent(sent)) => Some(sent.post.clone()),
            _ => None,
        };
        let started = &execution.started;
        Ok(Some(OpenQuestion {
            post,
            command: started.command.clone(),
            requester: requester(execution),
            of_account: started.requester.trust.proves_account(),
            barred: step.and_then(|step| step.approval.as_ref()).map(barred).unwrap_or_default(),
            asked_at: events.first().map_or(execution.touched, |queued| queued.wall),
            reminded_at: step.and_then(|step| step.reminded_at),
            parameter: lacks(execution, path),
            ..OpenQuestion::of(&execution.id, &started.post, asked, place)
        }))
    }
}

/// The accounts whose vote for an approval does not count, whatever would run.
fn barred(approval: &Approval) -> Vec<UserId> {
    let Approval { requested, votes } = approval;
    let own = requested.own.iter().filter(|_| !requested.terms.allow_requester);
    let voted = votes.iter().map(|vote| &vote.account);
    own.chain(&requested.terms.not).chain(voted).cloned().collect()
}

/// What the parameter takes that a question asks for, where a command lacks one.
fn lacks(execution: &Execution, path: &str) -> Option<Kind> {
    let asks_back = Builtin::of(&execution.started.handler) == Some(Builtin::Clarify);
    asks_back.then(|| clarify::asks_for(execution, path)).flatten()
}
