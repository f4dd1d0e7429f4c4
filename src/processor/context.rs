//! What a conversation is about: the executions that were started in it are read back from the log's index, as few as count.

use std::collections::BTreeMap;

use serde_json::Value;

use super::dispatch::{Origin, Routed};
use super::scene::Scene;
use super::sheet::queued;
use super::{Error, Kernel};
use crate::domain::alert::Alert;
use crate::domain::alias::{Format, Kind};
use crate::domain::builtin::Builtin;
use crate::domain::catalog::Catalog;
use crate::domain::context::{self, Known, Mention, Reach};
use crate::domain::event::{Event, ExecutionStarted, MessageQueued, Recorded, Verdict};
use crate::domain::id::{Position, PostId, UserId};
use crate::domain::message::Doc;
use crate::domain::route::{self, Wanting};
use crate::domain::trigger::{Place, What};
use crate::domain::words::context as words;
use crate::store::{By, Direction, ReadError, Subject};

/// Most events that are read back to find what was mentioned.
pub const READ_BACK_MAX: usize = 1_024;
/// Events that are read at a time.
const PAGE: usize = 64;

impl Kernel {
    /// Runs a command that leaves out what the conversation may say, or asks for it; says what was assumed.
    pub(super) async fn assume(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        scene: &Scene,
        wanting: &Wanting,
    ) -> Result<Routed, Error> {
        let alias = &scene.offered.catalog.aliases[wanting.alias];
        let format = Format::parse(&wanting.format).expect("a usage is a format");
        let known = self.known(recorded, origin, &scene.offered.catalog)?;
        let settings = self.settings();
        let within_ms = settings.context.within_ms;
        let reach = Reach { within_ms, turns_max: settings.context.turns_max };
        let filled = context::fill(alias, &format, &wanting.params, &known, reach);
        let (who, place) = (origin.speaker, origin.place);
        let decision = self
            .decide(scene, recorded.ts, |view| route::filled(wanting, &filled, who, place, view));
        let whole = format.command(&filled.params).filter(|_| wanting.extra.is_empty());
        let text = whole.as_deref().unwrap_or(origin.text);
        let said = Origin { place, speaker: who, post: origin.post, target: origin.target, text };
        let mut routed = Box::pin(self.act(recorded, &said, scene, decision)).await?;
        if !filled.assumed.is_empty() && matches!(routed.verdict, Verdict::Started(_)) {
            let told = self.store.key().message(recorded.id.stream.as_str(), "assumed");
            let doc = Doc::text(&words::assumed(&filled.assumed));
            let message = MessageQueued {
                message: told,
                place: place.clone(),
                reply_to: origin.post.cloned(),
                edits: None,
                doc,
                attachment: None,
                notify: vec![],
                execution: None,
                question: None,
            };
            // Before anything that the command says itself.
            routed.writes.insert(0, queued(&origin.meta(recorded), message));
        }
        Ok(routed)
    }

    /// What is known where somebody speaks, before what they say.
    fn known(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        catalog: &Catalog,
    ) -> Result<Known, Error> {
        let settings = self.settings();
        let here = |name: &String| self.listed(std::slice::from_ref(name), &origin.place.room);
        let rooms = settings.context.rooms.iter().filter(|(name, _)| here(name));
        let defaults = rooms.flat_map(|(_, values)| values.clone()).collect();
        let mentions = self.mentions(recorded, origin, catalog)?;
        let alert = self.alert_here(origin)?.map(|(_, alert)| of_alert(&alert));
        Ok(Known { alert: alert.unwrap_or_default(), mentions, defaults })
    }

    /// What was mentioned in this conversation, the newest first: in this thread by anybody, outside of threads by this
    /// person in this room.
    fn mentions(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        catalog: &Catalog,
    ) -> Result<Vec<Mention>, ReadError> {
        let reach = self.settings().context.clone();
        let (people, speaker) = (self.people()?, &origin.speaker.id);
        let theirs = people.accounts_of(&people.person_of(speaker));
        let conversation = Conversation { place: origin.place, theirs: &theirs };
        let (mut mentions, mut turns) = (vec![], 0);
        for page in self.read_back(recorded.position, &conversation)?.chunks(PAGE) {
            for event in &self.store.read_at(page)? {
                let ago_ms = recorded.wall.0.saturating_sub(event.wall.0);
                if ago_ms > reach.within_ms || turns >= reach.turns_max {
                    return Ok(mentions);
                }
                match event.event() {
                    Some(Event::TriggerRecorded(it)) => match &it.trigger.what {
                        What::Message(message)
                            if conversation.has(
                                &message.place,
                                &message.post,
                                &message.speaker.id,
                            ) =>
                        {
                            turns += 1;
                        }
                        _ => {}
                    },
                    Some(Event::ExecutionStarted(it))
                        if conversation.has(&it.place, &it.post, &it.requester.id) =>
                    {
                        mentions.extend(mentioned(it, catalog, ago_ms, turns + 1));
                    }
                    _ => {}
                }
            }
        }
        Ok(mentions)
    }

    /// Where events stand that may belong to a conversation, the newest first.
    fn read_back(
        &self,
        before: Position,
        conversation: &Conversation,
    ) -> Result<Vec<Position>, ReadError> {
        let subjects: Vec<Subject> = match &conversation.place.thread {
            Some(_) => vec![Subject::Room(conversation.place.room.0.clone())],
            None => conversation.theirs.iter().map(|id| Subject::Person(id.0.clone())).collect(),
        };
        let Some(before) = before.0.checked_sub(1).map(Position) else { return Ok(vec![]) };
        let mut found = vec![];
        for subject in subjects {
            let Some(pseudonym) = self.store.pseudonym(&subject) else { continue };
            let by = match subject {
                Subject::Room(_) => By::Room(pseudonym),
                _ => By::Actor(pseudonym),
            };
            found.extend(self.store.positions(&by, before, Direction::Backward, READ_BACK_MAX)?);
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.dedup();
        found.truncate(READ_BACK_MAX);
        Ok(found)
    }
}

/// What an alert says of itself, by the names of parameters; its own facts come before its labels.
fn of_alert(alert: &Alert) -> BTreeMap<String, Value> {
    let facts = &alert.raised.facts;
    let mut known: BTreeMap<String, Value> = facts.labels.clone().into_iter().collect();
    let own = [
        ("key", &alert.raised.key),
        ("alert", &alert.raised.key),
        ("host", &facts.host),
        ("source", &facts.source),
        ("severity", &facts.severity),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    known.extend(own.map(|(name, value)| (name.to_owned(), Value::String(value.clone()))));
    known
}

/// A thread, or what one person says in a room.
struct Conversation<'a> {
    place: &'a Place,
    theirs: &'a [UserId],
}

impl Conversation<'_> {
    /// Whether something that was said somewhere belongs to it.
    fn has(&self, place: &Place, post: &PostId, by: &UserId) -> bool {
        let same_room = place.room == self.place.room;
        match &self.place.thread {
            Some(root) => same_room && (place.thread.as_ref() == Some(root) || post == root),
            None => same_room && place.thread.is_none() && self.theirs.contains(by),
        }
    }
}

/// The values that a command was run with; what is a default was not mentioned.
fn mentioned(
    started: &ExecutionStarted,
    catalog: &Catalog,
    ago_ms: i64,
    turns: u32,
) -> Vec<Mention> {
    if Builtin::of(&started.handler).is_some() {
        return vec![];
    }
    let alias = catalog.aliases.iter().find(|alias| alias.name == started.handler.alias);
    let usages = alias.into_iter().flat_map(|alias| &alias.usages);
    let formats: Vec<Format> = usages.filter_map(|usage| Format::parse(usage).ok()).collect();
    let declared = |name: &str| formats.iter().find_map(|format| format.parameter(name));
    let mention = |(name, value): (&String, &Value)| {
        let parameter = declared(name);
        let default = parameter.and_then(|it| it.default.as_ref()) == Some(value);
        let plain = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        let kind: Option<Kind> = parameter.map(|it| it.kind.clone());
        (plain && !default).then(|| Mention {
            name: name.clone(),
            kind,
            value: value.clone(),
            ago_ms,
            turns,
        })
    };
    started.args.as_object().into_iter().flatten().filter_map(mention).collect()
}
