//! `!save as` at work: the commands are read from the log by its index, and a file goes into the thread for a person to review.

use serde_json::json;

use super::noted;
use crate::domain::event::{Ending, Event, ExecutionStarted, MessageQueued, Recorded};
use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, Position};
use crate::domain::message::Doc;
use crate::domain::save_command::{
    SAVED_COMMANDS_MAX, SAVED_LOOKED_AT_MAX, SAVED_WITHIN_MS, Said, proposal,
};
use crate::domain::trigger::Place;
use crate::domain::words::records as words;
use crate::processor::sheet::{Prepared, Sheet};
use crate::processor::{Error, Kernel};
use crate::query::when::Here;
use crate::store::{By, Direction, ReadError, Subject};

/// The path of the message with the proposal.
const TOLD: &str = "told";
/// How many events are read at once.
const PAGE: usize = 64;

impl Kernel {
    /// Reads what was commanded, and proposes a script for it.
    pub(super) fn save_slice(&self, execution: &Execution) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        let name = execution.started.args["name"].as_str().unwrap_or_default();
        let (told, said) = match self.taken(name) {
            true => (Err(words::taken(name)), 0),
            false => {
                let said = self.commanded(execution)?;
                let count = said.len();
                (self.proposed(execution, name, said), count)
            }
        };
        let message = self.proposal_message(&sheet, execution, told)?;
        let args = json!({ "name": name });
        sheet.event(noted(TOLD.into(), "save", args, json!({ "commands": said })));
        sheet.queue(message);
        sheet.finished(Ending::Succeeded(json!({ "commands": said })));
        Ok(sheet.finish())
    }

    /// Whether scripts offer a command of this name.
    fn taken(&self, name: &str) -> bool {
        let offered = self.scripts.offered();
        offered.catalog.aliases.iter().any(|alias| alias.name == name)
    }

    fn proposed(
        &self,
        execution: &Execution,
        name: &str,
        said: Vec<Said>,
    ) -> Result<(String, String), String> {
        let started = &execution.started;
        if said.is_empty() {
            let why = match started.place.thread {
                Some(_) => words::NOTHING_IN_THREAD,
                None => words::NOTHING_HERE,
            };
            return Err(why.to_owned());
        }
        let here = Here { now: execution.began, zone: self.settings().zone.clone() };
        let (by, room) = (&started.requester.name, &started.place.name);
        let made = proposal(name, &said, by, room, &here.day(execution.began));
        Ok((made.file, made.source))
    }

    /// The message: the proposal as a file and as code, in the thread.
    fn proposal_message(
        &self,
        sheet: &Sheet,
        execution: &Execution,
        told: Result<(String, String), String>,
    ) -> Result<MessageQueued, Error> {
        let started = &execution.started;
        let (doc, attachment) = match told {
            Err(why) => (Doc::text(&why), None),
            Ok((file, source)) => {
                let doc = Doc::text(words::PROPOSAL).code_block(source.trim_end(), Some("rust"));
                (doc, Some(self.attach_text(&file, &source)?))
            }
        };
        let thread = started.place.thread.clone().or_else(|| Some(started.post.clone()));
        Ok(MessageQueued {
            message: sheet.message_id(TOLD),
            place: Place { thread, ..started.place.clone() },
            reply_to: Some(started.post.clone()),
            edits: None,
            doc: doc.bounded(),
            attachment,
            notify: vec![started.requester.id.clone()],
            execution: Some(execution.id.clone()),
            question: None,
        })
    }

    /// What was commanded in the thread, or by this person here in the last hour, and was not in vain; the oldest first.
    fn commanded(&self, execution: &Execution) -> Result<Vec<Said>, ReadError> {
        let started = &execution.started;
        let subject = match started.place.thread {
            Some(_) => Subject::Room(started.place.room.0.clone()),
            None => Subject::Person(started.requester.id.0.clone()),
        };
        let Some(pseudonym) = self.store.pseudonym(&subject) else { return Ok(vec![]) };
        let by = match started.place.thread {
            Some(_) => By::Room(pseudonym),
            None => By::Actor(pseudonym),
        };
        let (mut said, mut from, mut looked_at) = (vec![], Position::END, 0);
        while looked_at < SAVED_LOOKED_AT_MAX && said.len() < SAVED_COMMANDS_MAX {
            let found = self.store.positions(&by, from, Direction::Backward, PAGE)?;
            for event in self.store.read_at(&found)? {
                if said.len() < SAVED_COMMANDS_MAX {
                    said.extend(self.command_of(&event, execution)?);
                }
            }
            looked_at += found.len();
            match found.last() {
                Some(last) if found.len() == PAGE && last.0 > 0 => from = Position(last.0 - 1),
                _ => break,
            }
        }
        said.reverse();
        Ok(said)
    }

    /// The command that an event began, if it belongs to the conversation and was not in vain.
    fn command_of(
        &self,
        event: &Recorded,
        execution: &Execution,
    ) -> Result<Option<Said>, ReadError> {
        let Some(Event::ExecutionStarted(other)) = event.event() else { return Ok(None) };
        let id = ExecutionId(event.id.stream.id().to_owned());
        if id == execution.id || !belongs(other, event, execution) {
            return Ok(None);
        }
        let ending = self.execution(&id)?.and_then(|execution| execution.ending.clone());
        Ok(match ending {
            None | Some(Ending::Succeeded(_)) => {
                Some(Said { command: other.command.clone(), args: other.args.clone() })
            }
            Some(_) => None,
        })
    }
}

/// Whether a command is one of those that are meant.
fn belongs(other: &ExecutionStarted, event: &Recorded, execution: &Execution) -> bool {
    let mine = &execution.started;
    let script = crate::domain::builtin::Builtin::of(&other.handler).is_none();
    let here = other.place.room == mine.place.room && other.place.thread == mine.place.thread;
    let near = match mine.place.thread {
        Some(_) => true,
        None => {
            let fresh = event.wall.plus_ms(SAVED_WITHIN_MS) >= execution.began;
            fresh && other.requester.id == mine.requester.id
        }
    };
    script && here && near
}
