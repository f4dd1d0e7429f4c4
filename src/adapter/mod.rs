//! The outside, one file or folder a system. Adapters know no rules and no store: they bring triggers in and take messages out.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::domain::bridge::hint::Hint;
use crate::domain::event::{BridgeSeen, Departure, Picture};
use crate::domain::id::{DedupeKey, MessageId, PostId, RoomId, Timestamp, UserId};
use crate::domain::role::Standing;
use crate::domain::trigger::Trigger;

pub mod alive;
pub mod http_client;
pub mod matrix;
pub mod network;
pub mod picture;
pub mod process;
pub mod render;
pub mod secrets;
pub mod service;
pub mod tail;
pub mod terminal;

/// Most triggers in one hand-over.
pub const INCOMING_TRIGGERS_MAX: usize = 64;

/// What a chat network brings: triggers in their order, and the position behind them.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    /// At most 64.
    pub triggers: Vec<Trigger>,
    /// Posts that were deleted, after these triggers.
    pub redactions: Vec<Redaction>,
    /// The source's position when all of these are recorded: Matrix's `next_batch`.
    pub sync: Option<String>,
}

/// A post that was deleted in its room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// The keys that it may have been recorded with.
    pub keys: Vec<DedupeKey>,
    /// Where it was.
    pub room: RoomId,
    /// The post itself: its edits go too.
    pub post: PostId,
    /// Who deleted it.
    pub by: UserId,
    /// What they said about it.
    pub reason: Option<String>,
}

/// Takes what happened outside. When it returns, everything that matters of it is on disk.
pub trait Intake: Send + Sync {
    /// Records triggers and the position behind them; known ones are left out.
    fn record(&self, incoming: Incoming) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// How long to wait before anything is brought, if nothing can be taken in now; to be asked before each look outside.
    fn closed(&self) -> BoxFuture<'_, Result<Option<Duration>, IntakeError>> {
        Box::pin(async { Ok(None) })
    }

    /// The last recorded position of the source.
    ///
    /// # Errors
    /// [`IntakeError`] if the log cannot be read.
    fn sync_token(&self) -> Result<Option<String>, IntakeError>;

    /// Records an invitation's outcome; one that is recorded already is left out.
    fn invite(&self, invite: Invite) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// Records what became of a hole in a room's timeline; one that was given up is told to the owner.
    fn gap(&self, gap: Gap) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// Records that the room that people call `name` was replaced, and says so; the same once.
    fn upgrade<'a>(
        &'a self,
        upgrade: Upgrade,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), IntakeError>>;

    /// What was last recorded of a room's replacement.
    ///
    /// # Errors
    /// [`IntakeError`] if the log cannot be read.
    fn upgrade_of(&self, room: &RoomId) -> Result<Option<Upgrade>, IntakeError>;

    /// The room that stands for this one today: the end of the upgrades that were followed from it.
    ///
    /// # Errors
    /// [`IntakeError`] if the log cannot be read.
    fn current(&self, room: &RoomId) -> Result<RoomId, IntakeError>;
    /// The posts that could not be read when they were recorded and are still worth a try, the oldest first.
    ///
    /// # Errors
    /// [`IntakeError`] if the log cannot be read.
    fn unread(&self) -> Result<Vec<Unread>, IntakeError>;

    /// Records what became of such a post, with the trigger that it turned out to be. False: it was not decided on yet,
    /// and is to be handed over once more.
    fn reread(&self, reread: Reread) -> BoxFuture<'_, Result<bool, IntakeError>>;

    /// Records invitations that are declined together because there are too many.
    fn flood(&self, flood: Flood) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// Records that the bot is in a room no longer; what is recorded already is left out.
    fn left(&self, left: Left) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// The networks that a room is on: `matrix` where no bridge was seen.
    ///
    /// # Errors
    /// [`IntakeError`] if the log cannot be read.
    fn network_of(&self, room: &RoomId) -> Result<String, IntakeError>;

    /// Records that a bridge is in a room; the same bridge once.
    fn saw_bridge(&self, room: RoomId, seen: BridgeSeen) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// Records what a room's state says about bridges; what it said before is left out.
    fn saw_hints(&self, room: RoomId, hints: Vec<Hint>) -> BoxFuture<'_, Result<(), IntakeError>>;

    /// Takes in what a bridge says by itself in a room: that a network is lost, or there again.
    fn bridge_said<'a>(
        &'a self,
        room: &'a RoomId,
        by: &'a UserId,
        text: &'a str,
    ) -> BoxFuture<'a, Result<(), IntakeError>>;

    /// Tells the intake what the bot is called on this network.
    fn names(&self, names: Vec<String>);

    /// Tells the owner something: the same words once a day.
    fn tell<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<(), IntakeError>>;

    /// Whether a post is known as one of the bot's.
    ///
    /// # Errors
    /// [`IntakeError`] if the log cannot be read.
    fn is_ours(&self, room: &RoomId, post: &PostId) -> Result<bool, IntakeError>;
}

/// An invitation and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The room.
    pub room: RoomId,
    /// Who invited.
    pub inviter: UserId,
    /// Whether the bot joined.
    pub accepted: bool,
    /// Why.
    pub reason: String,
    /// What the room is called.
    pub name: String,
    /// The room is end-to-end encrypted.
    pub encrypted: bool,
    /// The invitation itself, where the network names it: the same one is declined once.
    pub post: Option<PostId>,
}

/// Invitations that are declined together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flood {
    /// How many.
    pub count: u64,
    /// Who invited: the first few.
    pub inviters: Vec<UserId>,
    /// When the first of them was seen.
    pub since: Timestamp,
}

/// A room that the bot is no longer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The room.
    pub room: RoomId,
    /// What it was called.
    pub name: String,
    /// How it came about.
    pub how: Departure,
    /// Who brought it about, if that was a person.
    pub by: Option<UserId>,
    /// What they said about it.
    pub words: Option<String>,
}

/// A hole in a room's timeline and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The room.
    pub room: RoomId,
    /// Where it was read back from: the same for the same hole.
    pub from: String,
    /// How many events were new.
    pub events: u64,
    /// How many pages were read.
    pub pages: u64,
    /// Why it was given up, if it was.
    pub abandoned: Option<String>,
}

/// A room that was replaced, and whether the bot is in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The old room.
    pub room: RoomId,
    /// The new room.
    pub to: RoomId,
    /// Whether the bot is there, and that room names the old one in its turn.
    pub followed: bool,
    /// Why.
    pub reason: String,
}

/// A post that could not be read when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The key that it was recorded with.
    pub key: DedupeKey,
    /// Its room.
    pub room: RoomId,
    /// The post.
    pub post: PostId,
    /// When it was recorded.
    pub since: Timestamp,
}

/// A post that was tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reread {
    /// The key that it was recorded with.
    pub key: DedupeKey,
    /// What was found.
    pub found: Found,
}

/// What a second look at an unreadable post finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It can be read: the trigger that it is, if it is one, with a key of its own.
    Read(Option<Box<Trigger>>),
    /// Its sender's client says why it does not send the key: Matrix's code.
    Withheld(String),
    /// There is nothing to be read any more; why.
    Gone(String),
}

/// Nothing more can be recorded: do not acknowledge, and stop.
#[derive(Debug, thiserror::Error)]
#[error("cannot record what happened outside: {0}")]
pub struct IntakeError(pub String);

/// A chat network that the bot can speak on.
pub trait Chat: Send + Sync {
    /// Sends a message; the same message id sends it once, however often this is called.
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>>;

    /// Does what people ask about the rooms that the bot is in; doing it again does no harm.
    fn rooms<'a>(&'a self, _: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        let reason = "there are no rooms to come into or to leave here".to_owned();
        Box::pin(async { Err(SendError::Never { reason }) })
    }

    /// Shows or hides that the bot is busy in a room; a failure is no matter.
    fn typing<'a>(&'a self, room: &'a RoomId, on: bool) -> BoxFuture<'a, ()>;
}

/// What people ask about rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomAct {
    /// Which rooms the bot is in.
    List,
    /// To come into a room, by id or name; where it is already, it stays.
    Join(RoomId),
    /// To leave a room, by id or name; what was left before is left.
    Leave(RoomId),
    /// Which room has a name.
    Named(RoomId),
    /// Whether somebody is in the management room.
    Manages(UserId),
    /// What somebody is in a room.
    Standing {
        /// Who.
        user: UserId,
        /// Where, by id.
        room: RoomId,
    },
    /// To tell a program of the homeserver something, such as a bridge, and to hear what it answers.
    Tell(Order),
    /// The same with a secret in it: what it was told with is deleted behind it. The same id says it once.
    Whisper(Order, MessageId),
    /// To have a room alone with a program.
    Direct {
        /// The program's account.
        user: UserId,
        /// A room that was one.
        known: Option<RoomId>,
        /// How long the program may take to come.
        within_ms: u64,
    },
    /// To be in the room of this name that a program makes and invites the bot into.
    MadeBy {
        /// The program's account.
        user: UserId,
        /// The room's name.
        name: String,
        /// How long it may take.
        within_ms: u64,
    },
    /// To invite somebody into a room.
    Invite {
        /// Who.
        user: UserId,
        /// Where, by id.
        room: RoomId,
    },
}

/// Something that a program of the homeserver is told in a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Where, by id.
    pub room: RoomId,
    /// The program's account.
    pub to: UserId,
    /// What it is told.
    pub text: String,
    /// What ends the answer: a post with one of these in it, in large or small letters.
    pub ends: Vec<String>,
    /// How long it may take.
    pub within_ms: u64,
}

// What a program is told may be a password.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("room", &self.room)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomAnswer {
    /// The rooms.
    Rooms {
        /// How many there are.
        total: usize,
        /// The first of them by name.
        rooms: Vec<RoomInfo>,
    },
    /// The room that the bot is in now.
    Room(RoomInfo),
    /// The room that the bot is in no longer.
    Left {
        /// The room.
        room: RoomInfo,
        /// Whether it went just now; it may have been out before.
        now: bool,
    },
    /// Whether they are.
    Manages(bool),
    /// What they are.
    Standing(Standing),
    /// What a program answered.
    Told(Answer),
    /// The room that was looked for; none: it was not there in time.
    Found(Option<RoomId>),
    /// Somebody is invited.
    Invited {
        /// They are in the room already.
        there: bool,
    },
}

/// What a program of the homeserver answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The post that it was told with.
    pub asked: Option<PostId>,
    /// What it said since, post by post, in whatever room it did.
    pub said: Vec<String>,
    /// Whether what ends the answer was among it; otherwise the time was over.
    pub ended: bool,
}

/// A room as people look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomInfo {
    /// Its id.
    pub room: RoomId,
    /// What it is called.
    pub name: String,
    /// It is end-to-end encrypted.
    pub encrypted: bool,
    /// How many are in it.
    pub members: u64,
    /// The network that it is on.
    pub network: String,
}

/// A rendered message on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its id; the network's transaction id.
    pub message: MessageId,
    /// Where.
    pub room: RoomId,
    /// When it was decided to say it: after a long time it may have been said without a record of it.
    pub queued_at: Timestamp,
    /// Its relation to other posts.
    pub relation: Relation,
    /// Plain text, short enough for a message.
    pub plain: String,
    /// All of the text, if the plain text is only its beginning.
    pub whole: Option<String>,
    /// HTML, where it says more.
    pub html: Option<String>,
    /// It is a notice, which other bots do not answer; some networks show none.
    pub notice: bool,
    /// Who is notified.
    pub mentions: Vec<UserId>,
    /// What goes with it.
    pub attached: Option<Attached>,
    /// How many bots have passed it on, this one counted.
    pub hops: u32,
}

/// A picture or another file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// What it is called.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// What it shows, for those who do not see it.
    pub title: String,
    /// For a picture, how it looks.
    pub picture: Option<Picture>,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Attached {
    /// A line that stands for it where it cannot be shown: `[picture: Load, 640×320]`.
    pub fn line(&self) -> String {
        let title = if self.title.is_empty() { &self.name } else { &self.title };
        match &self.picture {
            Some(picture) => format!("[picture: {title}, {}×{}]", picture.width, picture.height),
            None => format!("[file: {title}, {} bytes]", self.bytes.len()),
        }
    }
}

/// A message's relation to other posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It stands alone.
    New,
    /// It replies to a post.
    Reply(PostId),
    /// It stands in the thread with this root.
    Thread(PostId),
    /// It replaces an earlier post of the bot.
    Edit(PostId),
    /// It is an emoji on a post.
    Reaction(PostId),
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may work later.
    #[error("not sent yet: {reason}")]
    Later {
        /// What happened.
        reason: String,
        /// What the network asks us to wait.
        after: Option<Duration>,
    },
    /// It does not work in this room, for a reason of this room, and may work later: its keys, its state.
    #[error("stuck: {reason}")]
    Stuck {
        /// What happened.
        reason: String,
    },
    /// It will never work.
    #[error("cannot be sent: {reason}")]
    Never {
        /// What happened.
        reason: String,
    },
}

impl SendError {
    /// What happened.
    pub fn reason(&self) -> &str {
        match self {
            Self::Later { reason, .. } | Self::Stuck { reason, .. } | Self::Never { reason } => {
                reason
            }
        }
    }
}
