//! Orders from the command line: decided on like any trigger; who ordered is shown what came of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::cancel::Cancel;
use super::dispatch::{Origin, Routed, trigger_meta};
use super::intake::record;
use super::sheet::queued;
use super::{Error, Kernel};
use crate::domain::event::{Event, Handler, HandlerKind, MessageQueued, Recorded, Verdict};
use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, PostId, StreamName, Version};
use crate::domain::message::Doc;
use crate::domain::order::{NETWORK, Order, OrderKind, done_before, handler_of, retry_refusal};
use crate::domain::policy::{Permission, PolicyAction, Resource};
use crate::domain::route::{self, Act};
use crate::domain::trigger::{Address, Command, Message, Trigger};
use crate::domain::words::executions as words;
use crate::script::run::shortened;
use crate::store::{AppendError, Direction, EventStore, ReadError, Write};

/// How much of a command is quoted, in characters.
const COMMAND_CHARS_SHOWN: usize = 80;

/// What was decided, and why.
pub type Decided = (Verdict, String);

/// Records an order; what comes of it is decided by whoever works the log off.
///
/// # Errors
/// [`AppendError`] if the log takes nothing.
pub async fn put(store: &dyn EventStore, trigger: Trigger) -> Result<StreamName, AppendError> {
    let write = record(store, trigger);
    let stream = write.stream.clone();
    store.append(vec![write]).await?;
    Ok(stream)
}

/// What was decided about a trigger; none: nothing yet.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn decided(store: &dyn EventStore, trigger: &StreamName) -> Result<Option<Decided>, ReadError> {
    let found = store.read(trigger, Version(1), Direction::Forward, 1)?;
    let Some(Event::TriggerRouted(routed)) = found.first().and_then(Recorded::event) else {
        return Ok(None);
    };
    let first = routed.outcomes.first();
    Ok(first.map(|outcome| (outcome.verdict.clone(), outcome.reason.clone())))
}

/// Waits until it is decided.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub async fn decision(store: &dyn EventStore, trigger: &StreamName) -> Result<Decided, ReadError> {
    let mut head = store.watch();
    loop {
        head.borrow_and_update();
        if let Some(decided) = decided(store, trigger)? {
            return Ok(decided);
        }
        let gone = |_| ReadError::Store("the log was closed".into());
        head.changed().await.map_err(gone)?;
    }
}

impl Kernel {
    /// Decides on an order that was recorded, when nobody else does.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn decide_order(self: &Arc<Self>, trigger: &StreamName) -> Result<(), Error> {
        self.catch_up()?;
        self.dispatch(trigger).await?;
        Ok(self.catch_up()?)
    }

    /// Decides on an order.
    pub(super) async fn ordered(
        &self,
        recorded: &Recorded,
        order: &Order,
    ) -> Result<Routed, Error> {
        let considered = format!("order {}", order.words());
        let permission = self.may_order(order);
        // Nobody can be asked at the command line: what needs approvals is commanded in a room.
        if let Some(why) = permission.as_ref().and_then(Permission::at_once) {
            let routed = Routed::ignored(&considered, &why);
            return Ok(Routed { decision: permission, ..routed });
        }
        let routed = match &order.what {
            OrderKind::Cancel { execution, reason, force } => {
                let (by, reason) = (order.speaker.id.clone(), reason.clone());
                let cancel = Cancel { by, reason, force: *force };
                let meta = trigger_meta(recorded);
                let cancelling = self.cancel(execution, &cancel, &meta)?;
                self.cancelled(execution, cancelling)
                    .unwrap_or_else(|why| Routed::ignored("", &why))
            }
            OrderKind::Retry { execution, in_doubt_too } => {
                self.retry(recorded, order, execution, *in_doubt_too).await?
            }
            OrderKind::RunAction { action, params } => {
                self.run_ordered(recorded, order, action, params, permission.as_ref()).await?
            }
            OrderKind::Switch(command) => {
                let meta = trigger_meta(recorded);
                self.switch_ordered(command, (&order.speaker, &order.place), &meta)?
            }
        };
        // What is tried again is decided on once more, for whoever asked for it first.
        let decision = routed.decision.or(permission);
        Ok(Routed { considered, decision, ..routed })
    }

    /// Whether somebody at the command line may order this; none: there is nothing that they may or may not do.
    fn may_order(&self, order: &Order) -> Option<Permission> {
        let (who, place) = (&order.speaker, &order.place);
        match &order.what {
            OrderKind::Cancel { execution, .. } | OrderKind::Retry { execution, .. } => {
                let resource = Resource::execution(execution);
                Some(self.may(PolicyAction::Manage, resource, who, place))
            }
            OrderKind::RunAction { action, .. } => {
                let offered = self.scripts.offered();
                let def = offered.set.actions.get(action)?;
                Some(self.may_operate(def, who, place))
            }
            OrderKind::Switch(command) => Some(self.may_switch(command, who, place)),
        }
    }

    /// Starts an execution that is one call of an action.
    async fn run_ordered(
        &self,
        recorded: &Recorded,
        order: &Order,
        action: &str,
        params: &Value,
        decided: Option<&Permission>,
    ) -> Result<Routed, Error> {
        let offered = self.scripts.offered();
        let Some(def) = offered.set.actions.get(action) else {
            return Ok(Routed::ignored("", &format!("no script declares the action {action}")));
        };
        if let Err(why) = def.command_line(params) {
            return Ok(Routed::ignored("", &why));
        }
        let script = offered.set.scripts.values().find(|script| script.hash == def.script);
        let Some(script) = script else {
            return Ok(Routed::ignored("", &format!("the script of {action} is not offered now")));
        };
        let (file, alias) = (script.file.clone(), handler_of(action));
        let handler = Handler { script: def.script.clone(), file, alias, kind: HandlerKind::Alias };
        let words = order.words();
        let origin = Origin {
            place: &order.place,
            speaker: &order.speaker,
            post: None,
            target: None,
            text: &words,
        };
        let id = self.execution_id(&recorded.id.stream, &handler);
        let writes = self.start(recorded, &origin, handler, params.clone(), decided).await?;
        Ok(Routed::new(Verdict::Started(id), "it was ordered", writes))
    }

    /// Starts anew what an execution was to do: for the same person, in the same place, with the scripts of today.
    async fn retry(
        &self,
        recorded: &Recorded,
        order: &Order,
        id: &ExecutionId,
        in_doubt_too: bool,
    ) -> Result<Routed, Error> {
        let Some(before) = self.execution(id)? else {
            return Ok(Routed::ignored("", "there is no such execution any more"));
        };
        if let Some(why) = retry_refusal(&before, in_doubt_too) {
            return Ok(Routed::ignored("", &why));
        }
        let started = &before.started;
        let origin = Origin {
            place: &started.place,
            speaker: &started.requester,
            post: Some(&started.post),
            target: None,
            text: &started.command,
        };
        let mut routed = match started.handler.kind {
            HandlerKind::Alias => self.repeat(recorded, &origin).await?,
            HandlerKind::Rule => self.repeat_rule(recorded, &origin, started).await?,
        };
        match &routed.verdict {
            Verdict::Started(new) => {
                let told = self.told_of_retry(recorded, order, &before, new);
                routed.writes.extend(told);
                Ok(routed)
            }
            // What would be said in the room is for who ordered.
            _ => Ok(Routed::ignored("", &routed.reason)),
        }
    }

    /// Decides anew on a command that was given before, as if it were said now.
    pub(super) async fn repeat(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
    ) -> Result<Routed, Error> {
        let message = Message {
            place: origin.place.clone(),
            speaker: origin.speaker.clone(),
            post: origin.post.cloned().unwrap_or_else(|| PostId(String::new())),
            text: origin.text.to_owned(),
            command: Some(Command { by: Address::Prefix, text: origin.text.to_owned() }),
            reply_to: None,
            edits: None,
            mentioned: false,
            hops: 0,
        };
        self.learn(origin.speaker, origin.place).await?;
        // A command that is given once more answers no question.
        let scene = self.scene()?;
        let now = self.clock.now();
        let decision = self.decide(&scene, now, |view| route::message(&message, view));
        let runs = matches!(decision.act, Act::Run { .. } | Act::BuiltIn { .. } | Act::Assume(_));
        let reason = match runs {
            true => decision.reason.clone(),
            false => format!("“{}” runs nothing now: {}", origin.text, decision.reason),
        };
        let routed = Box::pin(self.act(recorded, origin, &scene, decision)).await?;
        Ok(Routed { reason, ..routed })
    }

    /// The room where it was asked for hears that it is tried again, and what was done before.
    fn told_of_retry(
        &self,
        recorded: &Recorded,
        order: &Order,
        before: &Execution,
        new: &ExecutionId,
    ) -> Option<Write> {
        let started = &before.started;
        if started.place.network == NETWORK {
            return None;
        }
        let command = shortened(&started.command, COMMAND_CHARS_SHOWN);
        let (by, name) = (&order.speaker.name, &started.requester.name);
        let done = done_before(before);
        let text = words::tried_again(by, &command, name, new.short(), before.id.short(), &done);
        let message = MessageQueued {
            message: self.store.key().message(recorded.id.stream.as_str(), "retry"),
            place: started.place.clone(),
            reply_to: Some(started.post.clone()),
            edits: None,
            doc: Doc::text(&text),
            attachment: None,
            notify: vec![started.requester.id.clone()],
            execution: Some(new.clone()),
            question: None,
        };
        let origin = Origin {
            place: &started.place,
            speaker: &order.speaker,
            post: None,
            target: None,
            text: "",
        };
        Some(queued(&origin.meta(recorded), message))
    }
}

/// What came of an order, as a row for the command line.
pub fn row(order: &Order, trigger: &StreamName, decided: Option<&Decided>) -> Value {
    let execution = decided.and_then(|(verdict, _)| match verdict {
        Verdict::Started(id) | Verdict::Continued(id) => Some(id.clone()),
        Verdict::Said(_) | Verdict::Refused(_) | Verdict::Ignored => None,
    });
    let state = match decided {
        None => "recorded",
        Some((Verdict::Started(_), _)) => "started",
        Some((Verdict::Continued(_), _)) => "continued",
        Some((Verdict::Said(_), _)) => "said",
        Some((Verdict::Refused(_) | Verdict::Ignored, _)) => "refused",
    };
    json!({
        "order": order.words(),
        "trigger": trigger,
        "state": state,
        "execution": execution,
        "reason": decided.map(|(_, reason)| reason),
    })
}
