//! What a script says and asks: its effects as messages and questions.

use serde_json::Value;

use super::{Kernel, Sheet};
use crate::domain::alias_index::Found;
use crate::domain::builtin::Builtin;
use crate::domain::event::{MessageQueued, QuestionAsked, Remind, Wants, Whom};
use crate::domain::id::{MessageId, PostId, RoomId, UserId};
use crate::domain::message::Doc;
use crate::domain::phrase;
use crate::domain::trigger::Place;
use crate::domain::words::executions::{EMPTY, percent_done};
use crate::domain::words::questions as words;
use crate::script::journal::Entry;
use crate::store::ReadError;

impl Sheet<'_> {
    pub(super) fn speak(&mut self, entry: &Entry) -> Result<(), ReadError> {
        if let Some(silence) = self.kernel.mutes(&self.execution.started)? {
            let rule = &self.execution.started.handler.alias;
            let held = self.kernel.counted_back(&silence, rule, &self.meta);
            self.attached.remove(&entry.path);
            self.others.push(held);
            return Ok(());
        }
        let (started, args) = (&self.execution.started, &entry.args);
        let (here, asker) = (&started.place, &self.asker());
        let place = match (entry.op.as_str(), args["room"].as_str(), args["user"].as_str()) {
            ("tell", _, Some(user)) => {
                let person = full_id(user, asker);
                Place { direct: true, ..elsewhere(here, person.as_str()) }
            }
            ("say", Some(room), _) => self.kernel.in_room(here, room)?,
            _ => here.clone(),
        };
        let answers = matches!(entry.op.as_str(), "reply" | "progress");
        let reply_to = match args["reply_to"].as_str() {
            Some(post) => Some(post_id(post)),
            None => answers.then(|| started.post.clone()),
        };
        let notify = match args["notify"].as_array() {
            Some(list) => {
                list.iter().filter_map(Value::as_str).map(|name| full_id(name, asker)).collect()
            }
            None if entry.op == "reply" => vec![started.requester.id.clone()],
            None => vec![],
        };
        let message = self.message_id(&entry.path);
        let (doc, attachment) = match self.attached.remove(&entry.path) {
            None => (shown(args), None),
            Some(Ok(attachment)) => (said(args), Some(attachment)),
            Some(Err(why)) => (said(args).line([format!("({why})").into()]), None),
        };
        self.queue(MessageQueued {
            message,
            place,
            reply_to,
            edits: None,
            doc,
            attachment,
            notify,
            execution: Some(self.execution.id.clone()),
            question: None,
        });
        Ok(())
    }

    pub(super) fn change(&mut self, entry: &Entry) {
        let percent = entry.args["percent"].as_i64();
        let percent = percent.map(|percent| Doc::text(&percent_done(percent)));
        let doc = match percent {
            None => shown(&entry.args),
            Some(percent) => said(&entry.args).joined(percent),
        };
        let target = entry.args["progress"].as_str().or(entry.args["post"].as_str());
        let target = MessageId(target.unwrap_or_default().to_owned());
        let message = self.message_id(&entry.path);
        let place = self.place_of(&target);
        // Where nothing can be changed each step would be one more line; how it ends is told.
        if entry.op == "update" && !self.kernel.caps(&place).edits {
            return;
        }
        self.queue(MessageQueued {
            message,
            place,
            reply_to: None,
            edits: Some(target),
            doc,
            attachment: None,
            notify: vec![],
            execution: Some(self.execution.id.clone()),
            question: None,
        });
    }

    pub(super) fn react(&mut self, entry: &Entry) {
        let post = entry.args["post"].as_str();
        let post = post.map_or_else(|| self.execution.started.post.clone(), post_id);
        let place = post.message().map(|message| self.place_of(&message));
        let message = self.message_id(&entry.path);
        self.queue(MessageQueued {
            message,
            place: place.unwrap_or_else(|| self.execution.started.place.clone()),
            reply_to: Some(post),
            edits: None,
            doc: Doc::of_reaction(entry.args["emoji"].as_str().unwrap_or_default()),
            attachment: None,
            notify: vec![],
            execution: Some(self.execution.id.clone()),
            question: None,
        });
    }

    /// Where a message of the bot stands; what is not known any more counts as said here, and cannot be changed.
    fn place_of(&self, message: &MessageId) -> Place {
        let known = self.placed.get(message).cloned();
        let kept = || self.kernel.queued(message).ok().flatten().map(|queued| queued.place);
        known.or_else(kept).unwrap_or_else(|| self.execution.started.place.clone())
    }

    pub(super) fn question(&mut self, entry: &Entry) {
        let list = |name: &str| -> Vec<String> {
            let items = entry.args[name].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let text = entry.args["question"].as_str().unwrap_or_default().to_owned();
        let asker = self.asker();
        let Whom { people: mut from, mut roles } = whom(&list("from"), &asker);
        if from.is_empty() && roles.is_empty() {
            (from, roles) = self.for_whom();
        }
        let wants = if entry.op == "confirm" { Wants::YesNo } else { Wants::Text };
        let choices = list("choices");
        let remind = entry.args["remind_ms"].as_i64().map(|after_ms| Remind {
            after_ms,
            due: self.now.plus_ms(after_ms),
            then: whom(&list("then"), &asker),
        });
        let asking =
            Asking { from, roles, choices, remind, ..Asking::new(&entry.path, wants, text) };
        self.ask(asking);
    }

    /// Asks people something.
    pub(in crate::processor) fn ask(&mut self, asking: Asking) {
        let started = &self.execution.started;
        let Asking { path, wants, text, from, roles, choices, remind } = asking;
        let place = match wants {
            Wants::Doubt => format!("{path}-doubt-{}", self.execution.version),
            Wants::YesNo | Wants::Text | Wants::Approval => path.clone(),
        };
        let message = self.message_id(&place);
        let content = phrase::content(self.kernel.store.key(), started, &path, &text);
        let phrase = self.phrase(&content);
        let tag = phrase::tag(self.kernel.store.key(), &phrase);
        let mut said = words::asked(wants, &text, &choices);
        if self.wants_phrase(wants, &choices) {
            said = words::with_phrase(&said, &phrase);
        }
        let plain = MessageQueued::plain(message.clone(), started.place.clone(), Doc::text(&said));
        let queued = MessageQueued {
            // What nobody commanded by a post replies to none.
            reply_to: Some(started.post.clone()).filter(|post| !post.as_str().is_empty()),
            notify: from.clone(),
            execution: Some(self.execution.id.clone()),
            question: Some(path.clone()),
            ..plain
        };
        self.event(QuestionAsked {
            path,
            wants,
            text,
            from,
            roles,
            choices,
            message,
            phrase,
            tag,
            content,
            remind,
        });
        self.queue(queued);
    }

    /// Whether a question can only be answered with its two words: any text would do, and nobody can reply to it.
    fn wants_phrase(&self, wants: Wants, choices: &[String]) -> bool {
        let started = &self.execution.started;
        let any_text = wants == Wants::Text && choices.is_empty();
        // What a command lacks is said as it is.
        let lacks = Builtin::of(&started.handler).is_some();
        let replies = || self.kernel.caps(&started.place).replies;
        any_text && !lacks && !started.place.direct && !replies()
    }

    /// The two words for a content, other than those of every open question and of what this slice has asked.
    pub(super) fn phrase(&mut self, content: &str) -> String {
        let (kernel, chosen) = (self.kernel, &self.phrases);
        let (key, offered) = (kernel.store.key(), kernel.scripts.offered());
        // The same command given twice at once is asked about twice, by different words.
        let content = format!("{content} {}", self.execution.id);
        let chosen = kernel.agenda(|agenda| {
            phrase::choose(key, &content, |phrase| {
                chosen.iter().any(|other| other == phrase)
                    || agenda.has_phrase(&phrase::tag(key, phrase))
                    // Who gives a command must not answer a question by it.
                    || !matches!(offered.catalog.index.lookup(phrase), Found::None { begun: None, .. })
            })
        });
        self.phrases.push(chosen.clone());
        chosen
    }
}

/// A question that is to be asked.
pub(in crate::processor) struct Asking {
    /// Its place in the journal.
    pub path: String,
    /// What kind of answer it wants.
    pub wants: Wants,
    /// The question.
    pub text: String,
    /// Who may answer.
    pub from: Vec<UserId>,
    /// The roles whose members may answer, too.
    pub roles: Vec<String>,
    /// The possible answers; none: any text.
    pub choices: Vec<String>,
    /// How people are reminded of it.
    pub remind: Option<Remind>,
}

impl Asking {
    /// A question to nobody yet.
    pub fn new(path: &str, wants: Wants, text: String) -> Self {
        let (path, none) = (path.to_owned(), vec![]);
        Self { path, wants, text, from: vec![], roles: vec![], choices: none, remind: None }
    }
}

/// What a call says.
pub(super) fn said(args: &Value) -> Doc {
    let doc = args.get("doc").and_then(|doc| serde_json::from_value(doc.clone()).ok());
    doc.unwrap_or_else(|| Doc::text(args["text"].as_str().unwrap_or_default()))
}

/// The same; a sign for nothing, which no room would show.
fn shown(args: &Value) -> Doc {
    let doc = said(args);
    let blank = doc.words().trim().is_empty();
    if blank { Doc::text(EMPTY) } else { doc }
}

/// A post as scripts name it: that of a network, or a message of the bot.
fn post_id(text: &str) -> PostId {
    match text.starts_with('$') {
        true => PostId(text.to_owned()),
        false => PostId::of_message(&MessageId(text.to_owned())),
    }
}

impl Kernel {
    /// The room that a script names, seen from where it runs: that is here, or another one.
    pub(super) fn in_room(&self, here: &Place, room: &str) -> Result<Place, ReadError> {
        if room == here.name || room == here.room.as_str() {
            return Ok(here.clone());
        }
        let there = self.resolved(elsewhere(here, room))?;
        Ok(if there.room == here.room { here.clone() } else { there })
    }
}

/// Another room on the same network.
pub(super) fn elsewhere(place: &Place, room: &str) -> Place {
    Place {
        network: place.network.clone(),
        room: RoomId(room.to_owned()),
        name: room.to_owned(),
        thread: None,
        direct: false,
        encrypted: false,
    }
}

/// People as a script names them, and roles: `role:lead`.
pub(super) fn whom(names: &[String], asker: &UserId) -> Whom {
    let mut whom = Whom::default();
    for name in names {
        match name.strip_prefix("role:") {
            Some(role) => whom.roles.push(role.trim().to_owned()),
            None => whom.people.push(full_id(name, asker)),
        }
    }
    whom
}

/// A person as a script names them; without a server, one on the asker's.
pub(in crate::processor) fn full_id(name: &str, asker: &UserId) -> UserId {
    let bare = name.trim_start_matches('@');
    match (bare.contains(':'), asker.as_str().split_once(':')) {
        (false, Some((_, server))) => UserId(format!("@{bare}:{server}")),
        _ => UserId(format!("@{bare}")),
    }
}
