//! What a run came to, step by step: read from its log, and shown to people and to programs.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result as Written};

use serde::Serialize;
use serde_json::Value;

use crate::adapter::render::{Show, render};
use crate::domain::event::{
    EffectClass, EffectRecorded, EffectRequested, EffectResult, Ending, Event, ExecutionStarted,
    MessageQueued, QuestionAsked, Recorded,
};
use crate::domain::execution::UNDO;
use crate::domain::http::{Request, is_request};
use crate::domain::id::{MessageId, PostId, StreamName, UserId};

/// Where what an action gave comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It only reads, and was really run.
    Run,
    /// Whoever tries it said what it gives.
    Answer,
    /// Nobody knows: it is a value to go on with.
    Placeholder,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// An execution begins.
    Runs { alias: String, file: String, args: Value },
    /// A message.
    Says { how: How, room: String, text: String },
    /// A question.
    Asks { from: Vec<UserId>, text: String, choices: Vec<String> },
    /// An answer that was taken.
    Answered { by: UserId, answer: Value },
    /// An action.
    Action { action: String, params: Value, source: Source, gives: EffectResult, line: u32 },
    /// An action that is written in Rhai begins; what it does follows.
    Performs { action: String, params: Value },
    /// An effect that is refused at once.
    Refused { op: String, args: Value, why: Value, line: u32 },
    /// An attempt of an action failed, and it is tried again.
    TriedAgain { action: String, error: Value },
    /// A value is kept, or forgotten if it is null.
    Remembers { key: String, value: Value },
    /// A value is looked up.
    Recalls { key: String, value: Value },
    /// A named trigger.
    Emits { trigger: String, fields: Value },
    /// A line for the bot's own log.
    Logs { args: Value },
    /// A step of a saga is undone.
    Undoes { name: String },
    /// It waits for a time.
    Sleeps { ms: u64 },
    /// It waits for something that others do.
    Waits { op: String, args: Value },
    /// Time was passed over.
    Later { ms: u64 },
    /// An execution ended.
    Ends { alias: String, ending: Ending },
}

/// How something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As a message of its own.
    Say,
    /// As a reply.
    Reply,
    /// As a change of what was said before.
    Edit,
    /// As an emoji.
    React,
}

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Who may answer.
    pub from: Vec<UserId>,
    /// What is asked.
    pub text: String,
    /// The message that asks.
    message: MessageId,
}

impl Asked {
    /// The question with those who may answer it.
    pub fn shown(&self) -> String {
        format!("{} of {}", self.text, names(&self.from))
    }
}

/// What is known of the executions so far.
#[derive(Default)]
pub struct Course {
    running: BTreeMap<StreamName, String>,
    requested: BTreeMap<(StreamName, String), EffectRequested>,
    asked: Vec<(StreamName, String, Asked)>,
    posts: BTreeMap<StreamName, PostId>,
    queued: BTreeMap<MessageId, MessageQueued>,
    /// Whether a handler has begun.
    pub begun: bool,
    /// Whether one has failed.
    pub failed: bool,
}

impl Course {
    /// Looks at an event before any of its slice is taken in: messages stand behind all effects of a slice, and are to be shown
    /// where they were said.
    pub fn ahead(&mut self, recorded: &Recorded) {
        if let Some(Event::MessageQueued(e)) = recorded.event() {
            self.queued.insert(e.message.clone(), e.clone());
        }
    }

    /// The message that an effect said.
    fn said_at(&mut self, e: &EffectRecorded) -> Option<MessageQueued> {
        let EffectResult::Ok(Value::String(id)) = &e.result else { return None };
        let talks =
            matches!(e.op.as_str(), "say" | "reply" | "tell" | "react" | "edit" | "progress");
        talks.then(|| self.queued.remove(&MessageId(id.clone()))).flatten()
    }

    /// Takes in an event; `source` says where the result of an action comes from.
    pub fn note(
        &mut self,
        recorded: &Recorded,
        source: &dyn Fn(&str, EffectClass) -> Source,
    ) -> Option<Step> {
        let stream = &recorded.id.stream;
        match recorded.event()? {
            Event::ExecutionStarted(e) => Some(self.begins(stream, e)),
            Event::EffectRecorded(e) => match self.said_at(e) {
                Some(message) => says(&message),
                None => effect(e),
            },
            // It begins at once: what is noted of its beginning tells of it.
            Event::EffectRequested(e) if e.op == "action" => None,
            Event::EffectRequested(e) => {
                self.requested.insert((stream.clone(), e.path.clone()), e.clone());
                waits(e)
            }
            Event::EffectCompleted(e) => {
                let asked = self.requested.remove(&(stream.clone(), e.path.clone()))?;
                // What another command gave shows in what it did.
                let is_action = asked.op == "exec" || is_request(&asked.op);
                is_action.then(|| done(&asked, e.result.clone(), source))
            }
            Event::AttemptFailed(e) => {
                let asked = self.requested.get(&(stream.clone(), e.path.clone()))?;
                let action = text(&asked.args, "action");
                Some(Step::TriedAgain { action, error: e.error.clone() })
            }
            Event::QuestionAsked(e) => Some(self.asks(stream, e)),
            Event::QuestionAnswered(e) => {
                self.no_longer(stream, &e.path);
                Some(Step::Answered { by: e.by.clone(), answer: e.answer.clone() })
            }
            Event::TimerFired(e) => {
                self.no_longer(stream, &e.path);
                None
            }
            Event::GroupDecided(e) => {
                e.cancelled.iter().for_each(|path| self.no_longer(stream, path));
                None
            }
            Event::MessageQueued(e) => {
                self.queued.remove(&e.message).and_then(|message| says(&message))
            }
            Event::MessageSent(e) => {
                self.posts.insert(stream.clone(), e.post.clone());
                None
            }
            Event::ExecutionFinished(e) => self.ends(stream, &e.ending),
            _ => None,
        }
    }

    /// The question that is to be answered next.
    pub fn question(&self) -> Option<&Asked> {
        self.asked.first().map(|(_, _, asked)| asked)
    }

    /// The post that asks a question, as soon as it is in the room.
    pub fn post(&self, asked: &Asked) -> Option<&PostId> {
        self.posts.get(&StreamName::message(&asked.message))
    }

    /// Whether something has begun and not ended.
    pub fn goes_on(&self) -> bool {
        !self.running.is_empty()
    }

    /// What is waited for, in words.
    pub fn waits_for(&self) -> Option<String> {
        let last = self.requested.values().next_back()?;
        Some(match last.op.as_str() {
            "wait_for" => format!("the trigger `{}`", text(&last.args, "trigger")),
            op => format!("`{op}` {}", last.args),
        })
    }

    fn begins(&mut self, stream: &StreamName, e: &ExecutionStarted) -> Step {
        self.begun = true;
        let alias = e.handler.alias.clone();
        self.running.insert(stream.clone(), alias.clone());
        Step::Runs { alias, file: e.handler.file.clone(), args: e.args.clone() }
    }

    fn ends(&mut self, stream: &StreamName, ending: &Ending) -> Option<Step> {
        let alias = self.running.remove(stream)?;
        self.failed |= !matches!(ending, Ending::Succeeded(_));
        self.requested.retain(|(other, _), _| other != stream);
        self.asked.retain(|(other, _, _)| other != stream);
        Some(Step::Ends { alias, ending: ending.clone() })
    }

    fn asks(&mut self, stream: &StreamName, e: &QuestionAsked) -> Step {
        let (from, text, message) = (e.from.clone(), e.text.clone(), e.message.clone());
        let asked = Asked { from: from.clone(), text: text.clone(), message };
        self.asked.push((stream.clone(), e.path.clone(), asked));
        Step::Asks { from, text, choices: e.choices.clone() }
    }

    fn no_longer(&mut self, stream: &StreamName, path: &str) {
        self.requested.remove(&(stream.clone(), path.to_owned()));
        self.asked.retain(|(other, asked, _)| other != stream || asked != path);
    }
}

fn text(args: &Value, name: &str) -> String {
    args[name].as_str().unwrap_or_default().to_owned()
}

/// What an effect shows that is done at once.
fn effect(e: &EffectRecorded) -> Option<Step> {
    let value = match &e.result {
        EffectResult::Ok(value) => value.clone(),
        EffectResult::Err(why) => {
            let (op, args, why) = (e.op.clone(), e.args.clone(), why.clone());
            return Some(Step::Refused { op, args, why, line: e.line });
        }
    };
    Some(match e.op.as_str() {
        "remember" => Step::Remembers { key: text(&e.args, "key"), value: e.args["value"].clone() },
        "recall" => Step::Recalls { key: text(&e.args, "key"), value },
        "emit" => {
            Step::Emits { trigger: text(&e.args, "trigger"), fields: e.args["fields"].clone() }
        }
        "log" => Step::Logs { args: e.args.clone() },
        "action" => {
            let (action, params) = (text(&e.args, "action"), e.args["params"].clone());
            Step::Performs { action, params }
        }
        UNDO => Step::Undoes { name: text(&e.args, "step") },
        // What is said stands in the message itself; what is merely known shows in what comes of it.
        _ => return None,
    })
}

fn waits(e: &EffectRequested) -> Option<Step> {
    match e.op.as_str() {
        // These are shown when they are done, asked, or in what their branches do.
        "exec" | "ask" | "confirm" | "approve" | "all" | "any" | "within" => None,
        op if is_request(op) => None,
        "sleep" => Some(Step::Sleeps { ms: e.args["ms"].as_u64().unwrap_or_default() }),
        op => {
            let mut args = e.args.clone();
            if let Some(args) = args.as_object_mut() {
                args.remove("tag");
                args.retain(|_, value| !value.is_null());
            }
            Some(Step::Waits { op: op.to_owned(), args })
        }
    }
}

fn done(
    asked: &EffectRequested,
    gives: EffectResult,
    source: &dyn Fn(&str, EffectClass) -> Source,
) -> Step {
    let action = text(&asked.args, "action");
    let source = source(&action, asked.class);
    let params = match Request::of(&asked.op, &asked.args) {
        Some(request) => request.seen(),
        None => asked.args["params"].clone(),
    };
    Step::Action { action, params, source, gives, line: asked.line }
}

fn says(e: &MessageQueued) -> Option<Step> {
    if e.question.is_some() {
        return None;
    }
    let (how, mut text) = match (e.doc.reaction(), &e.edits, &e.reply_to) {
        (Some(emoji), _, _) => (How::React, emoji.to_owned()),
        (None, Some(_), _) => (How::Edit, plain(e)),
        (None, None, Some(_)) => (How::Reply, plain(e)),
        (None, None, None) => (How::Say, plain(e)),
    };
    if let Some(it) = &e.attachment {
        let kind = if it.picture.is_some() { "picture" } else { "file" };
        text = format!("{text}\n[{kind}: {} {}]", it.name, it.title);
    }
    Some(Step::Says { how, room: e.place.name.clone(), text: text.trim().to_owned() })
}

fn plain(e: &MessageQueued) -> String {
    render(&e.doc, &Show { html: false }).plain
}

/// A length of time as people write it.
fn length(ms: u64) -> String {
    let (mut rest, mut words) = (ms, vec![]);
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if rest >= unit {
            words.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    if rest > 0 || words.is_empty() {
        words.push(format!("{rest} ms"));
    }
    words.join(" ")
}

fn names(people: &[UserId]) -> String {
    people.iter().map(UserId::as_str).collect::<Vec<_>>().join(", ")
}

/// Lines below the first one are set in.
fn set_in(text: &str) -> String {
    text.replace('\n', "\n    ")
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self {
            Self::Runs { alias, file, args } => write!(f, "runs `{alias}` of {file} with {args}"),
            Self::Says { how, room, text } => {
                let how = match how {
                    How::Say => "say",
                    How::Reply => "reply",
                    How::Edit => "edit what it said to",
                    How::React => return write!(f, "would react {text}"),
                };
                write!(f, "would {how} in {room}: {}", set_in(text))
            }
            Self::Asks { from, text, choices } => {
                write!(f, "would ask {}: {}", names(from), set_in(text))?;
                match choices.is_empty() {
                    true => Ok(()),
                    false => write!(f, " ({})", choices.join(" | ")),
                }
            }
            Self::Answered { by, answer } => write!(f, "{by} answers {answer}"),
            Self::Action { action, params, source, gives, .. } => {
                let (gives, value) = match gives {
                    EffectResult::Ok(value) => ("gives", value),
                    EffectResult::Err(error) => ("throws", error),
                };
                match source {
                    Source::Run => write!(f, "ran {action} {params}: it {gives} {value}"),
                    Source::Answer => {
                        write!(f, "would run {action} {params}: it {gives} {value} (--answer)")
                    }
                    Source::Placeholder => {
                        write!(f, "would run {action} {params}: it {gives} {value} (a placeholder)")
                    }
                }
            }
            Self::Performs { action, params } => write!(f, "runs the script of {action} {params}"),
            Self::Refused { op, args, why, line } => {
                write!(f, "line {line}: {op} {args} throws {why}")
            }
            Self::TriedAgain { action, error } => {
                write!(f, "ran {action}: it throws {error}, and is tried again")
            }
            Self::Remembers { key, value } if value.is_null() => write!(f, "would forget {key}"),
            Self::Remembers { key, value } => write!(f, "would remember {key} = {value}"),
            Self::Recalls { key, value } if value.is_null() => {
                write!(f, "recalls {key}: nothing, the memory was empty at the beginning")
            }
            Self::Recalls { key, value } => write!(f, "recalls {key} = {value}"),
            Self::Emits { trigger, fields } => write!(f, "would emit {trigger} {fields}"),
            Self::Logs { args } => write!(f, "would log {args}"),
            Self::Undoes { name } => write!(f, "undoes `{name}`"),
            Self::Sleeps { ms } => write!(f, "would sleep {}", length(*ms)),
            Self::Waits { op, args } => write!(f, "would wait: {op} {args}"),
            Self::Later { ms } => write!(f, "({} later)", length(*ms)),
            Self::Ends { alias, ending } => ended(f, alias, ending),
        }
    }
}

fn ended(f: &mut Formatter<'_>, alias: &str, ending: &Ending) -> Written {
    match ending {
        Ending::Succeeded(_) => write!(f, "`{alias}` ends well"),
        Ending::Failed(why) => {
            let (file, line) = (&why.file, why.line);
            write!(f, "`{alias}` fails at {file}:{line}: {}", set_in(&why.message))
        }
        Ending::Diverged(why) => write!(f, "`{alias}` diverges: {}", set_in(why)),
        Ending::Cancelled { by, reason } => write!(f, "`{alias}` is cancelled by {by}: {reason}"),
    }
}
