//! Speaks: sends what the log says is to be said, in order for each room, and records what became of it.

use super::attach::Erased;
use super::bridges::{Shown, pause};
use super::held::Wait;
use super::more::passed_on;
use super::tree_head::is_about_heads;
use super::{Error, Kernel, write};
use crate::adapter::{Attached, Outgoing, Relation, SendError};
use crate::domain::event::{
    Event, MessageFailed, MessageQueued, MessageSent, MessageSuperseded, Meta, NewEvent, post_key,
};
use crate::domain::id::{EventId, ExecutionId, MessageId, PostId, StreamName, UserId, Version};
use crate::domain::words::notices;
use crate::store::{Expected, Write};

pub use super::held::{BACK_OFF_FIRST, BACK_OFF_MAX, STUCK_MS_MAX, STUCK_TOLD_EVERY_MS};

/// What tells the text that goes before a file from the message itself.
const BESIDE: &str = "beside";

impl Kernel {
    /// Sends one message and records what became of it.
    pub(super) async fn send(&self, id: &MessageId, lane: &str) -> Result<(), Error> {
        let Some((queued, queued_at)) = self.queued_at(id)? else {
            self.held.free(lane);
            return self.gone(id, "what was to be said is erased").await;
        };
        if let Some(reason) = self.too_long_away(&queued, queued_at)? {
            self.held.free(lane);
            return self.failed(&queued, &reason).await;
        }
        // What is shown in a room is made for its networks.
        self.know_room(queued.place.room.as_str()).await;
        let relation = match self.relation(&queued)? {
            Some(relation) => relation,
            None => {
                self.held.free(lane);
                return self.gone(id, "the message that it changes was never sent").await;
            }
        };
        let attached = match self.attached(&queued)? {
            Ok(attached) => attached,
            Err(Erased) => {
                self.held.free(lane);
                return self.gone(id, "what was to be shown is erased").await;
            }
        };
        let stands = EventId { stream: StreamName::message(id), version: Version::START };
        let (position, cause) = self.caused(&stands)?;
        let hops = passed_on(cause.as_ref());
        let doc = self.said_at_once(&queued, position);
        let shown = self.as_shown(&queued, &doc, relation, cause.as_ref())?;
        let Shown { mut rendered, relation, caps } = shown;
        let attached = match attached {
            Some(attached) if !caps.files => {
                rendered.plain = with_line(&rendered.plain, &attached);
                None
            }
            attached => attached,
        };
        let pause = pause(&caps, &rendered.plain);
        let mut mentions = queued.notify.clone();
        mentions.extend(rendered.mentions.into_iter().map(UserId));
        mentions.sort();
        mentions.dedup();
        // An edit shows no file: clients keep the kind of message that they have shown.
        let whole = rendered
            .whole
            .filter(|_| !matches!(relation, Relation::Edit(_) | Relation::Reaction(_)));
        let mut outgoing = Outgoing {
            message: id.clone(),
            room: queued.place.room.clone(),
            queued_at,
            relation,
            plain: rendered.plain,
            whole,
            html: rendered.html,
            notice: caps.notices,
            mentions,
            attached,
            hops,
        };
        match self.say_with_file(&mut outgoing, caps.captions).await {
            Ok(post) => {
                self.held.spoke(lane);
                if let Some(pause) = pause {
                    self.pace(lane, &queued.place.room, cause.as_ref(), &caps, pause)?;
                }
                let sent = MessageSent { post: post.clone() };
                self.settle(&queued, sent.into(), Some(post)).await
            }
            Err(SendError::Later { reason, after }) => {
                tracing::warn!(message = %id, reason, "not sent yet");
                let wait = after.map_or(Wait::BackOff, Wait::Limited);
                self.held.hold(lane, self.clock.now(), wait);
                Ok(())
            }
            Err(SendError::Stuck { reason }) => {
                tracing::warn!(message = %id, reason, "stuck");
                match self.held.hold(lane, self.clock.now(), Wait::Stuck) {
                    true => self.tell_of_stuck(&queued, &reason).await,
                    false => Ok(()),
                }
            }
            Err(SendError::Never { reason }) => {
                tracing::error!(message = %id, reason, "a message cannot be sent");
                self.held.free(lane);
                self.failed(&queued, &reason).await
            }
        }
    }

    /// Records that a message is not said, and tells of it.
    async fn failed(&self, queued: &MessageQueued, reason: &str) -> Result<(), Error> {
        self.settle(queued, MessageFailed { reason: reason.to_owned() }.into(), None).await?;
        self.tell_of_failure(queued, reason).await
    }

    /// Sends a message. Where nobody would see the text that goes with a file, that is a message of its own before it; after
    /// a failure both are sent again, and the network knows what it has.
    async fn say_with_file(
        &self,
        outgoing: &mut Outgoing,
        captions: bool,
    ) -> Result<PostId, SendError> {
        if !captions && let Some(attached) = outgoing.attached.take() {
            let beside = self.store.key().message(outgoing.message.as_str(), BESIDE);
            let id = std::mem::replace(&mut outgoing.message, beside);
            if outgoing.plain.is_empty() {
                outgoing.plain.clone_from(&attached.title);
            }
            if !outgoing.plain.is_empty() {
                self.chat.send(outgoing).await?;
            }
            outgoing.message = id;
            outgoing.attached = Some(attached);
            (outgoing.plain, outgoing.html, outgoing.whole) = (String::new(), None, None);
        }
        self.chat.send(outgoing).await
    }

    /// A room in which nothing can be said for long is told of in the management room; it is tried again all the while.
    async fn tell_of_stuck(&self, queued: &MessageQueued, reason: &str) -> Result<(), Error> {
        tracing::error!(message = %queued.message, reason, "a room is stuck");
        if self.management_room()?.as_ref() == Some(&queued.place.room) {
            return Ok(());
        }
        if self.is_of_a_head(queued)? {
            return self.tell_of_heads(reason).await;
        }
        self.notify(&notices::stuck(&queued.place.name, reason)).await
    }

    /// What cannot be said in its room is told in the management room, except what was meant for that one.
    async fn tell_of_failure(&self, queued: &MessageQueued, reason: &str) -> Result<(), Error> {
        if self.management_room()?.as_ref() == Some(&queued.place.room) {
            return Ok(());
        }
        if self.is_of_a_head(queued)? {
            return self.tell_of_heads(reason).await;
        }
        let execution = queued.execution.as_ref().map(ExecutionId::short);
        let (room, message) = (&queued.place.name, queued.message.as_str());
        self.notify(&notices::not_said(room, reason, message, execution)).await
    }

    /// Whether it publishes a signed head.
    fn is_of_a_head(&self, queued: &MessageQueued) -> Result<bool, Error> {
        let id = EventId { stream: StreamName::message(&queued.message), version: Version::START };
        Ok(self.store.event(&id)?.is_some_and(|event| is_about_heads(&event)))
    }

    /// Where the message stands; none: it changes a message that is in no room.
    fn relation(&self, queued: &MessageQueued) -> Result<Option<Relation>, Error> {
        if let Some(target) = &queued.edits {
            return Ok(self.post_of(target)?.map(Relation::Edit));
        }
        let to = queued.reply_to.as_ref().map(|post| self.sent_post(post)).transpose()?.flatten();
        if queued.doc.reaction().is_some() {
            return Ok(to.map(Relation::Reaction));
        }
        let thread = queued.place.thread.as_ref().map(|post| self.sent_post(post)).transpose()?;
        Ok(Some(match (thread.flatten(), to) {
            (Some(root), _) => Relation::Thread(root),
            (None, Some(post)) => Relation::Reply(post),
            (None, None) => Relation::New,
        }))
    }

    /// A post, or what a message of the bot became; none: it was never sent.
    fn sent_post(&self, post: &PostId) -> Result<Option<PostId>, Error> {
        match post.message() {
            Some(message) => Ok(self.post_of(&message)?),
            None => Ok(Some(post.clone())),
        }
    }

    /// Records what became of a message; a post can be found by its id from then on.
    async fn settle(
        &self,
        queued: &MessageQueued,
        event: Event,
        post: Option<PostId>,
    ) -> Result<(), Error> {
        let stream = StreamName::message(&queued.message);
        let cause = EventId { stream: stream.clone(), version: Version::START };
        let meta = Meta {
            correlation: self.store.event(&cause)?.and_then(|queued| queued.correlation),
            cause: Some(cause),
            actor: None,
            room: Some(queued.place.room.clone()),
            network: Some(queued.place.network.clone()),
        };
        let write = Write {
            stream,
            expected: Expected::Exact(Version::START),
            key: post.map(|post| post_key(&queued.place.room, &post)),
            events: vec![NewEvent::with(&meta, event)],
        };
        self.append(vec![write]).await?;
        Ok(())
    }

    async fn gone(&self, id: &MessageId, reason: &str) -> Result<(), Error> {
        let event = MessageFailed { reason: reason.to_owned() };
        let expected = Expected::Exact(Version::START);
        let batch = vec![write(StreamName::message(id), expected, vec![NewEvent::bare(event)])];
        self.append(batch).await?;
        Ok(())
    }

    /// Records that a later edit makes this one needless.
    pub(super) async fn supersede(&self, id: &MessageId, by: &MessageId) -> Result<(), Error> {
        match self.queued(id)? {
            Some(queued) => {
                self.settle(&queued, MessageSuperseded { by: by.clone() }.into(), None).await
            }
            None => self.gone(id, "what was to be said is erased").await,
        }
    }
}

/// A text with a line for the file that cannot be shown with it.
fn with_line(plain: &str, attached: &Attached) -> String {
    let line = attached.line();
    if plain.is_empty() { line } else { format!("{plain}\n{line}") }
}
