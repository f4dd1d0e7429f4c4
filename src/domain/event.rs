//! The recorded vocabulary: every fact that the log can hold, and how a stored one of any version is read.
//!
//! Invariant: a stored shape is for ever. A change adds a version and an upcast, never another meaning.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use super::action_event::{AttemptFailed, EffectDelayed, EffectProgressed, LockRequested};
pub use super::alert_event::{
    AlertAcknowledged, AlertEscalated, AlertPlaced, AlertRaised, AlertResolved, DigestTold,
};
pub use super::approval_event::{ApprovalRequested, ApprovalVoided, ApprovalVoted};
pub use super::bridge::event::{BridgeSeen, RoomBridged};
pub use super::bridge::hint::RoomHinted;
pub use super::bridge::identity::AccountChecked;
pub use super::bridge::setup_event::{
    BridgeAnswers, BridgeBack, BridgeChannelBack, BridgeChannelLost, BridgeFailed, BridgeLost,
    BridgeRemoved, BridgeRenamed, BridgeSilent, BridgeStands, BridgeStep, BridgeWanted,
};
pub use super::erasure::EventsErased;
pub use super::execution_event::{
    EffectCancelled, Ending, ExecutionCancelled, ExecutionFinished, ExecutionSuspended,
    ExecutionYielded, Failure, GroupDecided,
};
pub use super::grant_event::{GrantMade, GrantRevoked};
use super::id::{EventId, ExecutionId, MessageId, PostId, ScriptHash, Timestamp, UserId};
pub use super::log_event::{
    BackupMade, ClockStepped, IntakePaused, IntakeResumed, LogCreated, LogRestored, LogTrimmed,
    StoreRebuilt, SyncAdvanced,
};
pub use super::message_event::{
    Attachment, MessageFailed, MessageQueued, MessageSent, MessageSuperseded, Picture,
};
pub use super::person_event::{
    AccountsLinked, AccountsUnlinked, LinkClaimed, LinkDeclined, LinkMissed, LinkOffered,
};
pub use super::policy::PolicyDecision;
pub use super::policy_event::{PolicyChanged, PolicyFile};
pub use super::question_event::{
    QuestionAnswered, QuestionAsked, QuestionReminded, Remind, Wants, Whom,
};
pub use super::recorded::{Meta, NewEvent, Payload, Recorded, post_key};
pub use super::room_event::{
    Departure, GapAbandoned, GapFilled, InviteDecided, InvitesDeclined, RoomFollowed, RoomJoined,
    RoomLeft, RoomUpgraded,
};
pub use super::schedule_event::{Advance, ScheduleAdvanced, SensorAdvanced};
pub use super::script_event::{ImportKept, ScriptKept};
pub use super::silence_event::{
    SilenceEnded, SilenceExtended, SilenceHeld, SilenceNoticed, SilenceStarted,
};
pub use super::switch_event::{AutomationSwitched, RuleFired};
pub use super::tree_head::TreeHead;
use super::trigger::{Place, Speaker, Trigger};
use super::upcast::upcast;
pub use super::wake::WakePlanned;

/// Whether a payload is stored in the clear or sealed with a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Readable by anyone who holds the log.
    Open,
    /// Encrypted; gone for good when its key is overwritten.
    Sealed,
}

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// This program is older than the event, or the log is damaged.
    #[error("no event `{kind}` of version {schema} is known")]
    Unknown {
        /// The stored type.
        kind: String,
        /// The stored version of its shape.
        schema: u32,
    },
    /// The payload has not the shape that its version promises.
    #[error("an event `{kind}` of version {schema} has another shape: {source}")]
    Shape {
        /// The stored type.
        kind: String,
        /// The stored version of its shape.
        schema: u32,
        /// What is wrong.
        source: serde_json::Error,
    },
}

macro_rules! events {
    ($($name:ident $kind:literal $schema:literal $secrecy:ident,)*) => {
        /// A recorded fact. Variants are never renamed.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event { $(#[allow(missing_docs)] $name($name),)* }

        impl Event {
            /// Every type that can be written, with the version of its shape.
            pub const KINDS: &[(&'static str, u32)] = &[$(($kind, $schema)),*];

            /// The stored type name.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)* }
            }

            /// The version of the shape that is written.
            pub fn schema(&self) -> u32 {
                match self { $(Self::$name(_) => $schema,)* }
            }

            /// Whether the payload is sealed.
            pub fn secrecy(&self) -> Secrecy {
                match self { $(Self::$name(_) => Secrecy::$secrecy,)* }
            }

            /// The payload as it is stored.
            pub fn encode(&self) -> Value {
                let value = match self { $(Self::$name(it) => serde_json::to_value(it),)* };
                value.expect("an event has text keys and finite numbers only")
            }
        }

        $(impl From<$name> for Event {
            fn from(it: $name) -> Event { Event::$name(it) }
        })*

        /// Reads a stored event of any version.
        ///
        /// # Errors
        /// [`DecodeError`] for an unknown type or version and for another shape.
        pub fn decode(kind: &str, schema: u32, data: Value) -> Result<Event, DecodeError> {
            let (schema, data) = upcast(kind, schema, data);
            match (kind, schema) {
                $(($kind, $schema) => parse(kind, schema, data).map(Event::$name),)*
                _ => Err(DecodeError::Unknown { kind: kind.into(), schema }),
            }
        }
    };
}

events! {
    LogCreated "log_created" 1 Open,
    StoreRebuilt "store_rebuilt" 1 Open,
    ClockStepped "clock_stepped" 1 Open,
    SyncAdvanced "sync_advanced" 1 Open,
    ScriptKept "script_kept" 2 Open,
    PolicyChanged "policy_changed" 1 Open,
    IntakePaused "intake_paused" 1 Open,
    IntakeResumed "intake_resumed" 1 Open,
    EventsErased "events_erased" 1 Sealed,
    TreeHead "tree_head" 1 Open,
    BackupMade "backup_made" 1 Sealed,
    LogTrimmed "log_trimmed" 1 Open,
    LogRestored "log_restored" 1 Sealed,
    InviteDecided "invite_decided" 1 Sealed,
    GapFilled "gap_filled" 1 Sealed,
    GapAbandoned "gap_abandoned" 1 Sealed,
    RoomUpgraded "room_upgraded" 1 Sealed,
    RoomBridged "room_bridged" 1 Sealed,
    AccountChecked "account_checked" 1 Sealed,
    RoomHinted "room_hinted" 2 Sealed,
    InvitesDeclined "invites_declined" 1 Sealed,
    RoomJoined "room_joined" 1 Sealed,
    RoomFollowed "room_followed" 1 Sealed,
    RoomLeft "room_left" 1 Sealed,
    LinkOffered "link_offered" 2 Sealed,
    LinkClaimed "link_claimed" 2 Sealed,
    LinkMissed "link_missed" 1 Sealed,
    LinkDeclined "link_declined" 1 Sealed,
    AccountsLinked "accounts_linked" 2 Sealed,
    AccountsUnlinked "accounts_unlinked" 1 Sealed,
    GrantMade "grant_made" 2 Sealed,
    GrantRevoked "grant_revoked" 1 Sealed,
    ScheduleAdvanced "schedule_advanced" 1 Open,
    SensorAdvanced "sensor_advanced" 1 Sealed,
    AutomationSwitched "automation_switched" 1 Sealed,
    BridgeWanted "bridge_wanted" 1 Sealed,
    BridgeStep "bridge_step" 1 Sealed,
    BridgeStands "bridge_stands" 1 Sealed,
    BridgeFailed "bridge_failed" 1 Sealed,
    BridgeRemoved "bridge_removed" 1 Sealed,
    BridgeChannelLost "bridge_channel_lost" 1 Sealed,
    BridgeChannelBack "bridge_channel_back" 1 Sealed,
    BridgeRenamed "bridge_renamed" 1 Sealed,
    BridgeLost "bridge_lost" 1 Sealed,
    BridgeBack "bridge_back" 1 Sealed,
    BridgeSilent "bridge_silent" 1 Sealed,
    BridgeAnswers "bridge_answers" 1 Sealed,
    WakePlanned "wake_planned" 1 Open,
    AlertRaised "alert_raised" 1 Sealed,
    AlertAcknowledged "alert_acknowledged" 1 Sealed,
    AlertResolved "alert_resolved" 1 Sealed,
    AlertEscalated "alert_escalated" 1 Sealed,
    AlertPlaced "alert_placed" 1 Sealed,
    DigestTold "digest_told" 1 Sealed,
    SilenceStarted "silence_started" 1 Sealed,
    SilenceExtended "silence_extended" 1 Sealed,
    SilenceNoticed "silence_noticed" 1 Sealed,
    SilenceEnded "silence_ended" 1 Sealed,
    SilenceHeld "silence_held" 1 Sealed,
    RuleFired "rule_fired" 1 Sealed,
    TriggerRecorded "trigger_recorded" 5 Sealed,
    TriggerRouted "trigger_routed" 2 Sealed,
    EventDecrypted "event_decrypted" 1 Sealed,
    EventWithheld "event_withheld" 1 Sealed,
    EventGivenUp "event_given_up" 1 Sealed,
    ExecutionStarted "execution_started" 3 Sealed,
    EffectRecorded "effect_recorded" 1 Sealed,
    EffectRequested "effect_requested" 2 Sealed,
    EffectStarted "effect_started" 1 Sealed,
    EffectCompleted "effect_completed" 1 Sealed,
    EffectInDoubt "effect_in_doubt" 1 Sealed,
    EffectResolved "effect_resolved" 1 Sealed,
    LockRequested "lock_requested" 1 Sealed,
    EffectDelayed "effect_delayed" 1 Sealed,
    EffectProgressed "effect_progressed" 1 Sealed,
    AttemptFailed "attempt_failed" 1 Sealed,
    QuestionAsked "question_asked" 2 Sealed,
    QuestionReminded "question_reminded" 1 Sealed,
    QuestionAnswered "question_answered" 1 Sealed,
    ApprovalRequested "approval_requested" 2 Sealed,
    ApprovalVoted "approval_voted" 2 Sealed,
    ApprovalVoided "approval_voided" 1 Sealed,
    TimerFired "timer_fired" 1 Sealed,
    ExecutionYielded "execution_yielded" 1 Sealed,
    ExecutionSuspended "execution_suspended" 1 Sealed,
    ExecutionFinished "execution_finished" 2 Sealed,
    ExecutionCancelled "execution_cancelled" 1 Sealed,
    EffectCancelled "effect_cancelled" 1 Sealed,
    GroupDecided "group_decided" 1 Sealed,
    MemoryWritten "memory_written" 1 Sealed,
    MessageQueued "message_queued" 2 Sealed,
    MessageSent "message_sent" 1 Sealed,
    MessageSuperseded "message_superseded" 1 Sealed,
    MessageFailed "message_failed" 1 Sealed,
}

impl Event {
    /// The value beside the log that the event names.
    pub fn blob(&self) -> Option<&BlobRef> {
        match self {
            Self::EffectCompleted(done) => done.output.as_ref(),
            Self::MessageQueued(message) => message.attachment.as_ref().map(|it| &it.content),
            _ => None,
        }
    }
}

fn parse<T: DeserializeOwned>(kind: &str, schema: u32, data: Value) -> Result<T, DecodeError> {
    serde_json::from_value(data).map_err(|source| DecodeError::Shape {
        kind: kind.into(),
        schema,
        source,
    })
}

/// Something happened outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRecorded {
    /// What.
    pub trigger: Trigger,
}

/// The one decision on a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRouted {
    /// One for each alias, rule or question that was considered.
    pub outcomes: Vec<Outcome>,
}

/// What was unreadable when it was recorded can be read now; if it is for the bot, it is a trigger of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventDecrypted {}

/// The sender's client says that it does not send the key of an unreadable post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventWithheld {
    /// Matrix's code for the reason: `m.unverified`.
    pub code: String,
}

/// An unreadable post is not tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventGivenUp {
    /// Why.
    pub reason: String,
}

/// What became of one thing that was considered for a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The alias, rule or question.
    pub considered: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// Whether it was allowed, where that was asked.
    pub decision: Option<PolicyDecision>,
}

/// What was decided about a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// An execution starts.
    Started(ExecutionId),
    /// A waiting execution goes on.
    Continued(ExecutionId),
    /// The bot answers by itself.
    Said(MessageId),
    /// It may not be done; the person is told.
    Refused(MessageId),
    /// Nothing is to be done.
    Ignored,
}

/// A handler began to run for a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionStarted {
    /// The trigger's record.
    pub trigger: EventId,
    /// What runs.
    pub handler: Handler,
    /// The handler's `args`.
    pub args: Value,
    /// The handler's `msg`.
    pub msg: Value,
    /// What the person asked for, in their words.
    pub command: String,
    /// Where the answer goes.
    pub place: Place,
    /// Who asked.
    pub requester: Speaker,
    /// The post that asked.
    pub post: PostId,
    /// What it was written for.
    pub versions: Versions,
}

/// A handler in one version of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// The script's version.
    pub script: ScriptHash,
    /// Its file, from the scripts folder.
    pub file: String,
    /// The alias or the rule that it handles.
    pub alias: String,
    /// Which of the two.
    pub kind: HandlerKind,
}

impl HandlerKind {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Rule => "rule",
        }
    }
}

/// What a handler is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerKind {
    /// A command that somebody gives.
    #[default]
    Alias,
    /// Something that happened.
    Rule,
}

/// The versions that a replay depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The host function table's.
    pub host: u32,
    /// Rhai's.
    pub rhai: String,
}

/// An effect that does not wait was done, with this result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRecorded {
    /// Its place in the execution's journal.
    pub path: String,
    /// The host function.
    pub op: String,
    /// What it was called with.
    pub args: Value,
    /// The line of the script.
    pub line: u32,
    /// What the script got.
    pub result: EffectResult,
}

/// An effect that waits was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRequested {
    /// Its place in the execution's journal.
    pub path: String,
    /// The host function.
    pub op: String,
    /// What it was called with.
    pub args: Value,
    /// The line of the script.
    pub line: u32,
    /// Whether it may be repeated.
    pub class: EffectClass,
    /// When it ends by itself.
    pub due: Option<Timestamp>,
    /// What let it be done, where policies are asked about it: an action.
    pub decision: Option<PolicyDecision>,
}

/// Whether doing an effect again does harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// It only reads: in doubt, it is repeated.
    Read,
    /// The same key has the same result: in doubt, it is repeated.
    Idempotent,
    /// It is never repeated by itself.
    Once,
    /// It happens in the log alone: questions and timers.
    Log,
}

/// What an effect gave: a value, or an error that the script can catch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectResult {
    /// The value.
    Ok(Value),
    /// The error.
    Err(Value),
}

/// An effect is about to happen outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectStarted {
    /// Its place in the execution's journal.
    pub path: String,
    /// Counts from 1.
    pub attempt: u32,
}

/// An effect happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectCompleted {
    /// Its place in the execution's journal.
    pub path: String,
    /// Which attempt.
    pub attempt: u32,
    /// What the script gets.
    pub result: EffectResult,
    /// The whole output, where the result holds only its beginning.
    pub output: Option<BlobRef>,
    /// How long it took.
    pub took_ms: u64,
}

/// A value too large for an event, kept beside the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// Its random name.
    pub id: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The keyed hash of its content.
    pub commitment: String,
    /// Where its key is.
    pub slot: u64,
}

/// An effect of class `once` was started, and the bot died before it learnt the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectInDoubt {
    /// Its place in the execution's journal.
    pub path: String,
    /// Which attempt.
    pub attempt: u32,
}

/// A person said what became of an effect in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectResolved {
    /// Its place in the execution's journal.
    pub path: String,
    /// What they said.
    pub resolution: Resolution,
    /// Who.
    pub by: UserId,
}

/// What a person says of an effect in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It was done: go on.
    Done,
    /// It was not done: do it.
    Repeat,
    /// Fail the execution.
    GiveUp,
}

/// A time that the execution waited for has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimerFired {
    /// Its place in the execution's journal.
    pub path: String,
    /// The time.
    pub due: Timestamp,
    /// What the script gets.
    pub result: EffectResult,
}

/// A value was remembered or forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryWritten {
    /// Whose memory: a script's file.
    pub scope: String,
    /// The name.
    pub key: String,
    /// The value; null forgets.
    pub value: Value,
    /// When it is forgotten by itself.
    pub expires: Option<Timestamp>,
}
