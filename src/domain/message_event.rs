//! What the bot says, as it is recorded: messages, what is attached to them, and what became of them.

use serde::{Deserialize, Serialize};

use super::event::BlobRef;
use super::id::{ExecutionId, MessageId, PostId, UserId};
use super::message::Doc;
use super::trigger::Place;

/// The bot decided to say something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageQueued {
    /// Its id, and its transaction id at the homeserver.
    pub message: MessageId,
    /// Where.
    pub place: Place,
    /// The post that it replies to.
    pub reply_to: Option<PostId>,
    /// The earlier message that it replaces.
    pub edits: Option<MessageId>,
    /// What.
    pub doc: Doc,
    /// What is attached to it.
    pub attachment: Option<Attachment>,
    /// Who is to be notified.
    pub notify: Vec<UserId>,
    /// The execution that says it.
    pub execution: Option<ExecutionId>,
    /// The question that it asks, by its place in the journal.
    pub question: Option<String>,
}

impl MessageQueued {
    /// A message of the bot itself, which answers nobody.
    pub fn plain(message: MessageId, place: Place, doc: Doc) -> Self {
        Self {
            message,
            place,
            reply_to: None,
            edits: None,
            doc,
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        }
    }
}

/// A picture or another file that goes with a message; its bytes are kept beside the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is called: `load.png`.
    pub name: String,
    /// Its media type: `image/png`.
    pub media_type: String,
    /// What it shows, for those who do not see it.
    pub title: String,
    /// For a picture, how it looks.
    pub picture: Option<Picture>,
    /// Its bytes.
    pub content: BlobRef,
}

/// How a picture looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The same in a few lines of text, for rooms that show no pictures.
    pub sketch: String,
}

/// The message is in the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageSent {
    /// As this post.
    pub post: PostId,
}

/// The message was not sent because a later edit replaced it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageSuperseded {
    /// The later edit.
    pub by: MessageId,
}

/// The message can never be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageFailed {
    /// Why.
    pub reason: String,
}
