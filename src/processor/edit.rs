//! Edits at work: the versions that were heard before are looked up, and what was not understood is decided on anew.

use super::dispatch::{Did, Late, Origin, Routed};
use super::{Error, Kernel, write};
use crate::domain::builtin::Builtin;
use crate::domain::edit::{self, Became, Judged, VERSIONS_MAX, Version};
use crate::domain::event::{
    Ending, Event, ExecutionFinished, MessageQueued, Meta, NewEvent, Outcome, Recorded, Verdict,
};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{EventId, ExecutionId, Position, StreamName, UserId};
use crate::domain::message::Doc;
use crate::domain::route;
use crate::domain::trigger::{Message, Place, Trigger, What};
use crate::domain::words::{edits as words, to};
use crate::query::executions;
use crate::store::{By, Direction, Expected, ReadError, Subject, Write};

/// Most events of a person that are looked at for earlier versions of what they edit: the newest.
pub const LOOKED_AT_MAX: usize = 1_024;
/// How many of them are read at a time.
const PAGE: usize = 64;
/// What is considered of an edit that is not taken as a command.
const CONSIDERED: &str = "edit";

/// What was heard of a post before.
#[derive(Default)]
struct Heard {
    /// As it first stood.
    first: Option<Message>,
    /// The newest first.
    versions: Vec<Version>,
    /// Whether they were told of an edit of it that it is not taken.
    told: bool,
}

impl Kernel {
    /// Decides on an edit.
    pub(super) async fn edited(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
        message: &Message,
    ) -> Result<Routed, Error> {
        let text = message.command.as_ref().map_or(&message.text, |command| &command.text);
        let mut heard = self.heard_before(recorded, message)?;
        heard.versions.reverse();
        let origin = Origin {
            place: &message.place,
            speaker: &message.speaker,
            post: Some(&message.post),
            target: None,
            text,
        };
        if message.command.is_none() {
            let answered = heard.first.as_ref().is_some_and(|first| first.command.is_none());
            let same = heard.versions.iter().any(|version| version.text.trim() == text.trim());
            if !answered || same || heard.told {
                return Ok(Routed::ignored(CONSIDERED, "an edited answer changes nothing"));
            }
            return Ok(self.edit_told(
                recorded,
                &origin,
                &words::stays(),
                "what was said first counts",
            ));
        }
        if let Some(routed) = self.too_fast(recorded, &origin) {
            return Ok(routed);
        }
        let judged = edit::judge(&heard.versions, text, recorded.wall);
        let (words, reason) = match (judged, heard.first) {
            (Judged::Take(asked), Some(first)) => {
                return self.mended(recorded, trigger, late, (message, &first), asked).await;
            }
            (Judged::Same, _) => {
                return Ok(Routed::ignored(CONSIDERED, "it says what was said before"));
            }
            (Judged::Stays, _) if heard.told => {
                return Ok(Routed::ignored(
                    CONSIDERED,
                    "they were told that what was said first counts",
                ));
            }
            (Judged::Stays, _) => (words::stays(), "what was said first counts"),
            (Judged::TooLate, _) => (words::too_late(), "the edit comes too late"),
            (Judged::Unheard | Judged::Take(_), _) => {
                (words::unheard(), "what it corrects was not heard")
            }
        };
        Ok(self.edit_told(recorded, &origin, &words, reason))
    }

    fn edit_told(&self, recorded: &Recorded, origin: &Origin, words: &str, reason: &str) -> Routed {
        let told = Doc::text(&to(&origin.speaker.name, words));
        let (message, writes) = self.answer(recorded, origin, told);
        let considered = CONSIDERED.to_owned();
        Routed { considered, ..Routed::new(Verdict::Refused(message), reason, writes) }
    }

    /// Whether the log knows what an edit corrects.
    pub(super) fn knows_edited(&self, edit: &Message) -> Result<bool, ReadError> {
        let person = Subject::Person(edit.speaker.id.0.clone());
        let Some(actor) = self.store.pseudonym(&person) else { return Ok(false) };
        let by = By::Actor(actor);
        let newest = self.store.positions(&by, Position::END, Direction::Backward, PAGE)?;
        Ok(self.store.read_at(&newest)?.iter().any(|event| match event.event() {
            Some(Event::TriggerRecorded(e)) => matches!(&e.trigger.what, What::Message(said)
                if Some(&said.post) == edit.edits.as_ref()
                    && said.place.room == edit.place.room
                    && said.speaker.id == edit.speaker.id),
            _ => false,
        }))
    }

    /// Decides on an edit as if it had been said so at first: where it was said, and as a reply to what it replied to.
    async fn mended(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
        (message, first): (&Message, &Message),
        asked: Option<ExecutionId>,
    ) -> Result<Routed, Error> {
        let meant = Message {
            place: Place { thread: first.place.thread.clone(), ..message.place.clone() },
            post: first.post.clone(),
            reply_to: first.reply_to.clone(),
            edits: None,
            ..message.clone()
        };
        let origin = Origin::of(&meant);
        let did = Did::Message(&meant);
        let mut routed = self.said(recorded, trigger, late, &origin, did).await?;
        if let Some(asked) = asked.map(|id| self.execution(&id)).transpose()?.flatten() {
            let by = &message.speaker.id;
            let (why, shown) = (words::COMMAND_EDITED, words::asked_no_more());
            let writes = self.end_quietly(&asked, by, why, &shown, &origin.meta(recorded));
            // As any new command it may have let go of that already, without showing it.
            let stream = StreamName::execution(&asked.id);
            routed.writes.retain(|write| write.stream != stream);
            routed.writes.extend(writes);
        }
        Ok(routed)
    }

    /// What was heard of the post that an edit corrects, from the same person in the same room.
    fn heard_before(&self, recorded: &Recorded, edit: &Message) -> Result<Heard, ReadError> {
        let mut heard = Heard::default();
        let Some(actor) = recorded.actor.clone() else { return Ok(heard) };
        let before = Position(recorded.position.0.saturating_sub(1));
        let by = By::Actor(actor);
        let theirs = self.store.positions(&by, before, Direction::Backward, LOOKED_AT_MAX)?;
        for page in theirs.chunks(PAGE) {
            for event in self.store.read_at(page)? {
                let Some(Event::TriggerRecorded(e)) = event.event() else { continue };
                let What::Message(said) = &e.trigger.what else { continue };
                let is_first = Some(&said.post) == edit.edits.as_ref();
                let of_it = is_first || said.edits == edit.edits;
                let same = said.place.room == edit.place.room && said.speaker.id == edit.speaker.id;
                if !(of_it && same) {
                    continue;
                }
                match self.version_of(&event, said)? {
                    Ok(version) => heard.versions.push(version),
                    Err(told) => heard.told |= told,
                }
                if is_first {
                    heard.first = Some(said.clone());
                }
                if is_first || heard.versions.len() >= VERSIONS_MAX {
                    return Ok(heard);
                }
            }
        }
        Ok(heard)
    }

    /// A version with what became of it; else it was an edit that was not taken, and whether they were told so.
    fn version_of(
        &self,
        event: &Recorded,
        said: &Message,
    ) -> Result<Result<Version, bool>, ReadError> {
        let routed = self.store.event(&EventId {
            stream: event.id.stream.clone(),
            version: event.id.version.next(),
        })?;
        let outcome = match routed.as_ref().and_then(Recorded::event) {
            Some(Event::TriggerRouted(routed)) => routed.outcomes.first(),
            _ => None,
        };
        let Some(outcome) = outcome else { return Ok(Err(false)) };
        if outcome.considered == CONSIDERED {
            return Ok(Err(matches!(outcome.verdict, Verdict::Refused(_))));
        }
        let text = said.command.as_ref().map_or(&said.text, |command| &command.text).clone();
        Ok(Ok(Version { text, at: event.wall, became: self.became(outcome)? }))
    }

    fn became(&self, outcome: &Outcome) -> Result<Became, ReadError> {
        let not_understood = [route::NO_ALIAS, route::UNCLEAR].contains(&outcome.reason.as_str());
        Ok(match &outcome.verdict {
            Verdict::Said(_) | Verdict::Refused(_) if not_understood => Became::NotUnderstood,
            Verdict::Started(id) => match executions::seen(self.store.as_ref(), id)? {
                Some(execution) if is_asked_back(&execution) => became_of(&execution),
                Some(_) | None => Became::Taken,
            },
            _ => Became::Taken,
        })
    }

    /// Ends what is built in and only asks, without a word but what is shown in the place of its questions.
    pub(super) fn end_quietly(
        &self,
        execution: &Execution,
        by: &UserId,
        reason: &str,
        shown: &str,
        meta: &Meta,
    ) -> Vec<Write> {
        if execution.ending.is_some() {
            return vec![];
        }
        let mut writes = self.withdrawn_prompts(execution, shown, meta);
        let cancelled = execution.cancelled_by(by.clone(), reason.to_owned());
        let ending = Ending::Cancelled { by: by.clone(), reason: reason.to_owned() };
        let events = vec![
            NewEvent::with(meta, cancelled),
            NewEvent::with(meta, ExecutionFinished { ending }),
        ];
        let expected = Expected::Exact(execution.version);
        writes.push(write(StreamName::execution(&execution.id), expected, events));
        writes
    }

    /// Shows in the place of open questions that nobody waits for their answers any more.
    pub(super) fn withdrawn_prompts(
        &self,
        execution: &Execution,
        shown: &str,
        meta: &Meta,
    ) -> Vec<Write> {
        let open = execution.steps.iter().filter(|(_, step)| step.asks());
        let asked = open.filter_map(|(path, step)| Some((path, step.question.as_ref()?)));
        let prompt = |(path, asked): (&String, &crate::domain::event::QuestionAsked)| {
            let place = self.queued(&asked.message).ok().flatten().map(|queued| queued.place);
            let message = MessageQueued {
                message: self
                    .store
                    .key()
                    .message(execution.id.as_str(), &format!("{path}-withdrawn")),
                place: place.unwrap_or_else(|| execution.started.place.clone()),
                reply_to: None,
                edits: Some(asked.message.clone()),
                doc: Doc::text(shown),
                attachment: None,
                notify: vec![],
                execution: Some(execution.id.clone()),
                question: None,
            };
            super::sheet::queued(meta, message)
        };
        asked.map(prompt).collect()
    }
}

/// Whether it asks what somebody meant, and nothing has run for it.
fn is_asked_back(execution: &Execution) -> bool {
    let ran = matches!(&execution.ending, Some(Ending::Succeeded(it)) if !it["started"].is_null());
    Builtin::of(&execution.started.handler) == Some(Builtin::Clarify) && !ran
}

/// What became of a command that was asked about.
fn became_of(execution: &Execution) -> Became {
    match execution.ending {
        None if execution.steps.values().any(Step::asks) => Became::Asked(execution.id.clone()),
        None | Some(_) => Became::NotUnderstood,
    }
}
