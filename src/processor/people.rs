//! Who is one person, as the log says now, and what people say about it: `!link`, `!unlink`, `!whoami`.

use std::sync::{Arc, Mutex};

use super::dispatch::{Did, Origin, Routed};
use super::sheet::queued;
use super::{Error, Kernel, write};
use crate::domain::event::{Event, MessageQueued, Meta, NewEvent, Recorded, Verdict};
use crate::domain::id::{StreamName, Timestamp, Version};
use crate::domain::link::{Links, Outcome, Scene, answered_plainly};
use crate::domain::message::Doc;
use crate::domain::people_command::{PeopleCommand, plain_answer};
use crate::domain::person::People;
use crate::domain::route::Decision;
use crate::domain::words::people as words;
use crate::query::stream_fold::StreamFold;
use crate::store::{Expected, ReadError};

/// The fold, kept: it goes on where the log has moved on.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<StreamFold<Links>>);

impl Kernel {
    /// Which accounts belong to one person.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn people(&self) -> Result<Arc<People>, ReadError> {
        self.links(|links, _| links.people.clone())
    }

    /// Looks at the accounts and codes as they are at a version of their stream.
    fn links<T>(&self, look: impl FnOnce(&Links, Option<Version>) -> T) -> Result<T, ReadError> {
        let mut kept = self.known.0.lock().expect("nobody panics with it");
        kept.go_on(self.store.as_ref(), &StreamName::people(), |links, recorded| {
            if let Some(event) = recorded.event() {
                links.apply(event, recorded.wall);
            }
        })?;
        Ok(look(&kept.folded, kept.version))
    }

    /// Up to where it is known who is one person.
    pub(super) fn people_at(&self) -> Result<Option<Version>, ReadError> {
        self.links(|_, version| version)
    }

    /// A plain yes or no to the bot, where who speaks is asked whether another account is theirs.
    pub(super) fn or_link(
        &self,
        did: Did<'_>,
        said: Timestamp,
        origin: &Origin,
        decision: Decision,
    ) -> Result<Decision, Error> {
        let Did::Message(message) = did else { return Ok(decision) };
        let plain = message.command.as_ref().filter(|_| message.reply_to.is_none());
        let Some(yes) = plain.and_then(|command| plain_answer(&command.text)) else {
            return Ok(decision);
        };
        let (who, now) = (origin.speaker, self.clock.now());
        let asked = self.links(|links, _| links.asks(&who.id, origin.place, said, now))?;
        Ok(match asked {
            true => answered_plainly(decision, yes, who, &self.settings().prefix),
            false => decision,
        })
    }

    /// Does what one of these commands says.
    pub(super) fn people_command(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        command: &PeopleCommand,
    ) -> Result<Routed, Error> {
        let settings = self.settings();
        let scene = Scene {
            who: origin.speaker,
            place: origin.place,
            now: self.clock.now(),
            key: self.store.key(),
            cause: recorded.id.stream.as_str(),
            prefix: &settings.prefix,
        };
        let (outcome, version) =
            self.links(|links, version| (links.decide(command, &scene), version))?;
        match outcome {
            Some(outcome) => Ok(self.linking(recorded, origin, outcome, version)),
            None => {
                let doc = self.who_is(origin)?;
                Ok(self.told(recorded, origin, doc, "it is a command of the bot itself"))
            }
        }
    }

    /// What is recorded and said of a code.
    fn linking(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        outcome: Outcome,
        version: Option<Version>,
    ) -> Routed {
        let meta = origin.meta(recorded);
        let (message, mut writes) = self.answer(recorded, origin, outcome.answer);
        let events: Vec<NewEvent> =
            outcome.events.into_iter().map(|event| about(&meta, event)).collect();
        if !events.is_empty() {
            let expected = version.map_or(Expected::NoStream, Expected::Exact);
            writes.push(write(StreamName::people(), expected, events));
        }
        writes.extend(outcome.tell.map(|(to, place, text)| {
            let message = self.store.key().message(recorded.id.stream.as_str(), "other side");
            let doc = Doc::text(&text);
            let told = MessageQueued {
                message,
                place,
                reply_to: None,
                edits: None,
                doc,
                attachment: None,
                notify: vec![to],
                execution: None,
                question: None,
            };
            queued(&meta, told)
        }));
        let (verdict, reason) = match outcome.refused {
            Some(why) => (Verdict::Refused(message), why),
            None => (Verdict::Said(message), "it is a command of the bot itself".into()),
        };
        Routed::new(verdict, reason, writes)
    }

    /// Who somebody is, for themselves.
    fn who_is(&self, origin: &Origin) -> Result<Doc, ReadError> {
        let (people, speaker) = (self.people()?, origin.speaker);
        let mut others = people.accounts_of(&people.person_of(&speaker.id));
        others.retain(|account| *account != speaker.id);
        let roles = self.roles(speaker, origin.place).into_iter();
        let roles: Vec<String> = roles.map(|held| words::role(&held.role, &held.source)).collect();
        Ok(words::you_are(speaker, (origin.place, &self.settings().prefix), &others, &roles))
    }
}

/// An event with what stands beside it. Who is one person holds when the message that said so is deleted: so it is not
/// among what that message led to.
fn about(meta: &Meta, event: Event) -> NewEvent {
    let joins = matches!(event, Event::AccountsLinked(_) | Event::AccountsUnlinked(_));
    let correlation = meta.correlation.clone().filter(|_| !joins);
    NewEvent { event, meta: Meta { correlation, ..meta.clone() } }
}
