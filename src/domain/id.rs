//! Newtypes for everything that has a name, and the ids that derive from their cause.
//!
//! Invariant: the same cause gives the same id, so a step done twice names the same things.

use std::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Longest stream name in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 255;
/// How many characters of an execution id people are shown.
pub const EXECUTION_ID_SHOWN: usize = 8;
/// Crockford's base 32: no I, L, O or U, so an id can be said aloud.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A stream name, `category-id`, such as `execution-01JD4Z7K`; at most 255 bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

/// Why a text is no stream name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a stream name: write `category-id` in at most 255 letters, digits and `.:_-`"
)]
pub struct BadStreamName(String);

impl StreamName {
    /// Parses `category-id`.
    ///
    /// # Errors
    /// [`BadStreamName`] when there is no category, no id, a strange character or too much of it.
    pub fn parse(text: &str) -> Result<Self, BadStreamName> {
        let bad = || BadStreamName(text.chars().take(40).collect());
        let (category, id) = text.split_once('-').ok_or_else(bad)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_' | '-');
        let fits = text.len() <= STREAM_NAME_BYTES_MAX;
        let named = !category.is_empty() && category.chars().all(|c| c.is_ascii_lowercase());
        match fits && named && !id.is_empty() && id.chars().all(allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(bad()),
        }
    }

    /// The stream of one trigger: named by a keyed hash of its dedupe key.
    pub fn trigger(tag: &Tag) -> Self {
        Self(format!("trigger-{tag}"))
    }

    /// The stream of one execution.
    pub fn execution(id: &ExecutionId) -> Self {
        Self(format!("execution-{}", id.0))
    }

    /// The stream of one outgoing message.
    pub fn message(id: &MessageId) -> Self {
        Self(format!("message-{}", id.0))
    }

    /// The stream of one remembered value.
    pub fn memory(tag: &Tag) -> Self {
        Self(format!("memory-{tag}"))
    }

    /// The stream that keeps one version of a script.
    pub fn script(hash: &ScriptHash) -> Self {
        Self(format!("script-{}", hash.0))
    }

    /// The stream of one schedule.
    pub fn schedule(tag: &Tag) -> Self {
        Self(format!("schedule-{tag}"))
    }

    /// The stream of one sensor.
    pub fn sensor(tag: &Tag) -> Self {
        Self(format!("sensor-{tag}"))
    }

    /// The stream of the policies that were in force.
    pub fn policies() -> Self {
        Self("policy-set".into())
    }

    /// The stream of one invitation.
    pub fn invite(tag: &Tag) -> Self {
        Self(format!("invite-{tag}"))
    }

    /// The stream of what befell one room: the holes in its timeline.
    pub fn room(tag: &Tag) -> Self {
        Self(format!("room-{tag}"))
    }

    /// The stream of one room's upgrades.
    pub fn upgrade(tag: &Tag) -> Self {
        Self(format!("upgrade-{tag}"))
    }

    /// The stream of the networks that one room is on.
    pub fn bridge(tag: &Tag) -> Self {
        Self(format!("bridge-{tag}"))
    }

    /// The stream of the channels that the bot sets up by itself.
    pub fn setups() -> Self {
        Self("setups-main".into())
    }

    /// The stream of what one room's state says about bridges.
    pub fn hints(tag: &Tag) -> Self {
        Self(format!("hints-{tag}"))
    }

    /// The stream of what a network was asked about one account.
    pub fn identity(tag: &Tag) -> Self {
        Self(format!("identity-{tag}"))
    }

    /// The stream of the bot's stays in one room: how it came and how it went.
    pub fn stay(tag: &Tag) -> Self {
        Self(format!("stay-{tag}"))
    }

    /// The stream of the invitations that were declined without being recorded one by one.
    pub fn declined() -> Self {
        Self("invites-declined".into())
    }

    /// The stream in which a Matrix account's sync position advances.
    pub fn sync() -> Self {
        Self("sync-matrix".into())
    }

    /// The stream that says when nothing new is taken in.
    pub fn intake() -> Self {
        Self("intake-main".into())
    }

    /// The stream that says what was erased.
    pub fn erasures() -> Self {
        Self("log-erasures".into())
    }

    /// The stream that says what is granted to whom for a while.
    pub fn grants() -> Self {
        Self("grants-main".into())
    }

    /// The stream of one alert.
    pub fn alert(tag: &Tag) -> Self {
        Self(format!("alert-{tag}"))
    }

    /// The stream of how alerts come to one room.
    pub fn digest(tag: &Tag) -> Self {
        Self(format!("digest-{tag}"))
    }

    /// The stream that says what is silenced.
    pub fn silences() -> Self {
        Self("silences-main".into())
    }

    /// The stream of when a rule fired that fires only so often.
    pub fn window(tag: &Tag) -> Self {
        Self(format!("fired-{tag}"))
    }

    /// The stream of what one silence held back.
    pub fn held_back(silence: &Tag) -> Self {
        Self(format!("held-{silence}"))
    }

    /// The stream that says which automation is switched off.
    pub fn switches() -> Self {
        Self("switches-main".into())
    }

    /// The stream that says which accounts belong to one person.
    pub fn people() -> Self {
        Self("people-main".into())
    }

    /// The stream in which the log speaks of itself.
    pub fn log() -> Self {
        Self("log-main".into())
    }

    /// The stream of the signed heads of the log.
    pub fn heads() -> Self {
        Self("heads-main".into())
    }

    /// The part before the first `-`.
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or("", |(category, _)| category)
    }

    /// The part after the first `-`.
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StreamName {
    type Error = BadStreamName;
    fn try_from(text: String) -> Result<Self, BadStreamName> {
        Self::parse(&text)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
        )]
        pub struct $name(pub u64);

        impl $name {
            /// The first one.
            pub const START: Self = Self(0);
            /// Later than every real one: "from the end".
            pub const END: Self = Self(u64::MAX);
            /// The one behind this.
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The place of an event in its stream; counts from 0 without gaps.
    Version
}
number! {
    /// The place of an event in the whole log; counts from 0 without gaps.
    Position
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time and so many milliseconds more.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// An event's name: `stream/version`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    /// The stream it is in.
    pub stream: StreamName,
    /// Its place there.
    pub version: Version,
}

impl EventId {
    /// Parses `stream/version`.
    ///
    /// # Errors
    /// [`BadStreamName`] with the whole text when either part is wrong.
    pub fn parse(text: &str) -> Result<Self, BadStreamName> {
        let bad = || BadStreamName(text.chars().take(40).collect());
        let (stream, version) = text.rsplit_once('/').ok_or_else(bad)?;
        let version = version.parse().map_err(|_| bad())?;
        Ok(Self { stream: StreamName::parse(stream)?, version: Version(version) })
    }
}

impl TryFrom<String> for EventId {
    type Error = BadStreamName;
    fn try_from(text: String) -> Result<Self, BadStreamName> {
        Self::parse(&text)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.version)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> String {
        id.to_string()
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// One run of a handler: 16 characters of Crockford base 32, derived from what started it.
    ExecutionId
}
name! {
    /// One thing the bot says; also its transaction id at the homeserver.
    MessageId
}
name! {
    /// What a script's content hashes to (SHA-256, hexadecimal).
    ScriptHash
}
name! {
    /// A room as its network names it.
    RoomId
}
name! {
    /// A person's account as its network names it.
    UserId
}
name! {
    /// A message or reaction as the room's network names it.
    PostId
}
name! {
    /// What stands in the clear for a person or room: keyed, and forgotten with its key.
    Pseudonym
}

impl ExecutionId {
    /// What people are shown of it.
    pub fn short(&self) -> &str {
        self.0.get(..EXECUTION_ID_SHOWN).unwrap_or(&self.0)
    }

    /// What people meant who typed the beginning of an id: case and look-alikes are forgiven.
    pub fn typed(prefix: &str) -> String {
        let forgiven = |c: char| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        };
        prefix.chars().map(forgiven).collect()
    }

    /// Whether people who typed `prefix` may have meant this one.
    pub fn starts_with(&self, prefix: &str) -> bool {
        !prefix.is_empty() && self.0.starts_with(&Self::typed(prefix))
    }
}

/// A keyed hash of 128 bits, written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(pub [u8; 16]);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.to_string()
    }
}

impl TryFrom<String> for Tag {
    type Error = BadStreamName;
    fn try_from(text: String) -> Result<Self, BadStreamName> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(BadStreamName(text))
    }
}

/// The log's own secret: every id and index key that comes from outside text is hashed under it.
#[derive(Clone)]
pub struct IdKey(pub [u8; 32]);

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(..)")
    }
}

impl PostId {
    /// The post that a message of the bot becomes, wherever it is by then.
    pub fn of_message(message: &MessageId) -> Self {
        Self(format!("{MESSAGE_MARK}{}", message.0))
    }

    /// The message of the bot that it stands for, if it is no post of a network.
    pub fn message(&self) -> Option<MessageId> {
        self.0.strip_prefix(MESSAGE_MARK).map(|id| MessageId(id.to_owned()))
    }
}

/// No network names a post like this.
const MESSAGE_MARK: &str = "message ";

impl IdKey {
    /// A keyed hash of `parts` for one purpose; no two lists of parts give the same bytes to hash.
    pub fn hash(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any size");
        for part in std::iter::once(&purpose).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// The first 128 bits of [`Self::hash`].
    pub fn tag(&self, purpose: &str, parts: &[&str]) -> Tag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.hash(purpose, parts)[..16]);
        Tag(tag)
    }

    /// The tag of something that comes from outside, by its dedupe key.
    pub fn dedupe(&self, key: &DedupeKey) -> Tag {
        self.tag("dedupe", &[&key.0])
    }

    /// The execution that a trigger starts with the n-th of its handlers.
    pub fn execution(&self, trigger: &StreamName, handler: &str, nth: usize) -> ExecutionId {
        let hash = self.hash("execution", &[trigger.as_str(), handler, &nth.to_string()]);
        ExecutionId(crockford(&hash, 16))
    }

    /// The message that a cause says at a place within it.
    pub fn message(&self, cause: &str, place: &str) -> MessageId {
        MessageId(crockford(&self.hash("message", &[cause, place]), 26))
    }
}

impl IdKey {
    /// A code that a person types, such as `7K2M9QXA`: 40 bits that nobody can guess who has not the key.
    pub fn code(&self, cause: &str) -> String {
        crockford(&self.hash("code", &[cause]), super::people_command::CODE_CHARS)
    }
}

/// Writes the first `chars` groups of five bits.
fn crockford(bytes: &[u8], chars: usize) -> String {
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| (byte >> (7 - n % 8)) & 1);
    let group = |n: usize| (0..5).fold(0, |sum, k| sum << 1 | usize::from(bit(n * 5 + k)));
    (0..chars).map(|n| char::from(CROCKFORD[group(n)])).collect()
}

name! {
    /// A person: the first of their accounts that belong together.
    PersonId
}

name! {
    /// What makes something from outside the same thing when it comes again.
    DedupeKey
}

impl DedupeKey {
    /// From its parts: `matrix|@bot:hs|!room|$event`.
    pub fn new(parts: &[&str]) -> Self {
        Self(parts.join("|"))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names() {
        let long = format!("a-{}", "x".repeat(254));
        for (text, good) in [
            ("execution-01JD", true),
            ("trigger-a:b.c_d-e", true),
            ("execution", false),
            ("-x", false),
            ("Execution-x", false),
            ("a-", false),
            ("a-b c", false),
            ("a-ä", false),
            (&long[..255], true),
            (&long, false),
        ] {
            assert_eq!(StreamName::parse(text).is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn event_ids_read_back() {
        let id = EventId::parse("memory-1/2/3");
        assert!(id.is_err(), "a slash is no part of a stream name");
        let id = EventId::parse("memory-1/23").expect("parses");
        assert_eq!(
            (id.stream.category(), id.stream.id(), id.version),
            ("memory", "1", Version(23))
        );
        assert_eq!(id.to_string(), "memory-1/23");
    }

    #[test]
    fn ids_come_from_their_cause() {
        let key = IdKey([7; 32]);
        let trigger = StreamName::trigger(&key.dedupe(&DedupeKey::new(&["matrix", "a", "b"])));
        let id = key.execution(&trigger, "ping", 0);
        assert_eq!(id, key.execution(&trigger, "ping", 0));
        assert_ne!(id, key.execution(&trigger, "ping", 1));
        assert_ne!(id, IdKey([8; 32]).execution(&trigger, "ping", 0));
        assert_eq!((id.0.len(), id.short().len()), (16, EXECUTION_ID_SHOWN));
        assert_ne!(key.tag("a", &["b", "c"]), key.tag("a", &["bc"]), "parts are kept apart");
    }

    #[test]
    fn a_prefix_is_forgiving() {
        let id = ExecutionId("01ABCDEFGH234567".into());
        for (typed, hit) in
            [("01abc", true), ("oiab", true), ("olAB", true), ("1", false), ("", false)]
        {
            assert_eq!(id.starts_with(typed), hit, "{typed:?}");
        }
    }
}
