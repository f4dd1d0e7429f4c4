//! `!why` and `!what did` at work: what is asked about is looked up, with what the one who asks may see of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::builtin::Builtin;
use crate::domain::event::{Event, Handler};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{Position, PostId, UserId};
use crate::domain::message::Doc;
use crate::domain::policy::{PolicyAction, Resource};
use crate::domain::trigger::{Place, Speaker};
use crate::domain::why_command;
use crate::domain::words::{what_did, why as say};
use crate::processor::Kernel;
use crate::query::audit::{self, Found};
use crate::query::command::{Refusal, Rows};
use crate::query::filter::Filter;
use crate::query::subjects::Subjects;
use crate::query::when::Here;
use crate::query::why::{self, About, Eyes};
use crate::store::{EventStore, ReadError, Subject};

/// A question to the log, with who asks it where.
pub(super) struct Asked {
    pub args: Value,
    pub place: Place,
    pub requester: Speaker,
    /// Every account of theirs.
    pub accounts: Vec<UserId>,
    /// Whether they may read what was said and done anywhere.
    pub reads_audit: bool,
    /// Where they asked: what stands from there on is not looked at.
    pub before: Position,
    /// What stands before a command there.
    pub at: String,
    pub here: Here,
}

/// What was found of what led to something, as it is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Led {
    positions: Vec<Position>,
    about: About,
    eyes: Eyes,
}

impl Asked {
    /// For a step of an execution.
    pub(super) fn of(execution: &Execution, step: &Step, before: Position, here: Here) -> Self {
        let started = &execution.started;
        Self {
            args: step.args.clone(),
            place: started.place.clone(),
            requester: started.requester.clone(),
            accounts: vec![started.requester.id.clone()],
            reads_audit: false,
            before,
            at: String::new(),
            here,
        }
    }

    /// Looks it up: what was found, or what is said instead.
    pub(super) fn find(&self, builtin: Builtin, store: &dyn EventStore) -> Result<Value, Refusal> {
        match builtin {
            Builtin::Why => self.why(store),
            Builtin::WhatDid => self.what_did(store),
            _ => {
                let words = self.args["words"].as_str().unwrap_or_default();
                Ok(json!(audit::find(store, builtin, words, self.before, &self.here)?))
            }
        }
    }

    fn why(&self, store: &dyn EventStore) -> Result<Value, Refusal> {
        let id = self.args["id"].as_str().unwrap_or_default();
        let post = self.args["post"].as_str().map(|post| PostId(post.to_owned()));
        let room = &self.place.room;
        let about = match (&post, id) {
            (_, id) if !id.is_empty() => match why::about(store, id) {
                Ok(about) => Some(about),
                Err(Refusal::NotFound(_)) => return Ok(sorry(&say::unknown(id))),
                Err(other) => return Err(other),
            },
            (Some(post), _) => why::about_post(store, room, post)?,
            (None, _) => why::last_said(store, &self.place, self.before)?,
        };
        let Some(about) = about else { return Ok(sorry(&say::nothing_said(&self.at))) };
        let eyes = if self.reads_audit { Eyes::All } else { Eyes::Room(room.clone()) };
        let seen = why::room_of(store, &about)?.is_some_and(|room| eyes.see(&room));
        if !seen && eyes != Eyes::All {
            return Ok(sorry(&say::unknown(id)));
        }
        let mut positions = why::positions(store, &about)?;
        positions.retain(|position| *position < self.before);
        Ok(json!(Led { positions, about, eyes }))
    }

    fn what_did(&self, store: &dyn EventStore) -> Result<Value, Refusal> {
        let who = self.args["who"].as_str();
        let mut filter = Filter { who: Some(self.requester.id.0.clone()), ..Filter::default() };
        if let Some(who) = who {
            let person = Subjects::current(store, &mut Rows::default())?.person(store, who);
            let own = |account: &UserId| store.pseudonym(&Subject::Person(account.0.clone()));
            let mut accounts = self.accounts.iter().filter_map(own);
            let theirs = person.as_ref().is_ok_and(|person| accounts.any(|own| own == *person));
            if !self.reads_audit && !theirs {
                return Ok(sorry(&what_did::not_yours(&self.requester.name)));
            }
            person?;
            filter.who = Some(who.to_owned());
        }
        if !self.reads_audit && !self.place.direct {
            // What they did elsewhere is not for the others in this room.
            filter.room = Some(self.place.room.0.clone());
        }
        for (name, value) in why_command::times(self.args["when"].as_str().unwrap_or_default()) {
            let set = filter.set(name, &value, &self.here);
            set.map_err(|why| Refusal::Invalid(why.to_string()))?;
        }
        if filter.since.is_some() && filter.since == filter.until {
            filter.until = None;
        }
        Ok(json!(audit::search(store, filter, self.before)?))
    }
}

/// What is said where there is nothing to tell.
fn sorry(text: &str) -> Value {
    json!({ "positions": [], "sorry": text })
}

impl Kernel {
    /// The answer made of what was found.
    pub(super) fn looked_up(
        &self,
        builtin: Builtin,
        execution: &Execution,
        found: &Value,
        here: &Here,
    ) -> Result<Doc, ReadError> {
        if let Some(sorry) = found["sorry"].as_str() {
            return Ok(Doc::text(sorry));
        }
        if builtin == Builtin::Why {
            let texts = self.caps(&execution.started.place).html;
            return self.told_why(found, here, texts);
        }
        let listed: Found = serde_json::from_value(found.clone()).unwrap_or_default();
        let args = &execution.started.args;
        let who = args["who"].as_str().unwrap_or(&execution.started.requester.name);
        let when = args["when"].as_str().unwrap_or_default();
        match (builtin, listed.positions.len() + listed.more) {
            (Builtin::WhatDid, 0) => Ok(Doc::text(&what_did::nothing(who, when))),
            (Builtin::WhatDid, count) => {
                let list = audit::tell(self.store.as_ref(), &listed, here)?;
                Ok(Doc::text(&what_did::head(who, when, count)).then(list))
            }
            _ => audit::tell(self.store.as_ref(), &listed, here),
        }
    }

    fn told_why(&self, found: &Value, here: &Here, texts: bool) -> Result<Doc, ReadError> {
        let Ok(led) = serde_json::from_value::<Led>(found.clone()) else {
            return Ok(Doc::text(say::ERASED));
        };
        let events = self.store.read_at(&led.positions)?;
        let line_of = |handler: &Handler| self.line_of(handler);
        let tree = why::tree(&events, &led.about, &led.eyes, here, &line_of, texts);
        Ok(why::chat(&tree, &led.about))
    }

    /// The line on which a handler is declared, in the version that ran.
    pub(crate) fn line_of(&self, handler: &Handler) -> Option<u32> {
        self.scripts.line_of(handler, self.store.as_ref())
    }

    /// Whether somebody may read, in a place, what was said and done anywhere.
    pub(super) fn reads_audit(&self, who: &Speaker, place: &Place) -> bool {
        self.may(PolicyAction::ReadAudit, Resource::log(), who, place).at_once().is_none()
    }

    /// Where somebody asked.
    pub(super) fn asked_at(&self, execution: &Execution) -> Result<Position, ReadError> {
        let trigger = self.store.event(&execution.started.trigger)?;
        let recorded = trigger.filter(|it| matches!(it.event(), Some(Event::TriggerRecorded(_))));
        Ok(recorded.map_or(Position::START, |trigger| trigger.position))
    }
}
