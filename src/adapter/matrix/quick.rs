//! Reads plain talk past the SDK: a sync that brings nothing but messages in rooms without encryption needs nothing of it.
//!
//! For every answer the SDK looks a dozen things up, copies its keys, and asks about devices before and after. Here the
//! homeserver is asked first, and only an answer that the SDK need not see is taken as it is. Anything else, a state
//! event, a key, an encrypted message, somebody new, a gap, is left lying and asked for once more through the SDK, from
//! the same position. So no event goes both ways, and everything that changes what the SDK knows reaches it.
//!
//! A homeserver notes which members it has told to whom and tells them once. It may have told one in the answer that was
//! left lying, so the SDK then asks for all who speak.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use matrix_sdk::config::SyncSettings;
use matrix_sdk::deserialized_responses::{RawMemberEvent, TimelineEvent};
use matrix_sdk::ruma::api::client::sync::sync_events::v3::{JoinedRoom, Request, Response, State};
use matrix_sdk::ruma::{OneTimeKeyAlgorithm, OwnedRoomId, OwnedUserId, UInt};
use matrix_sdk::store::StateStoreExt;
use matrix_sdk::sync::{JoinedRoomUpdate, RoomUpdates, SyncResponse};
use matrix_sdk::{EncryptionState, RoomState};
use serde::Deserialize;

use super::client::{Matrix, REQUEST_MS_MAX, request_config};
use super::position::Position;
use super::sync::{TIMELINE_EVENTS_MAX, filter};

/// How often the SDK reads in any case, so that it does what it does by the way.
pub const WHOLE_EVERY: Duration = Duration::from_secs(5 * 60);
/// After the SDK was needed, so many answers without need must follow before the homeserver is asked past it again.
pub const PLAIN_IN_A_ROW: u32 = 2;

/// Who reads next, the SDK or we.
#[derive(Debug)]
pub(super) struct Quick {
    /// When the SDK read last.
    whole_at: Option<Instant>,
    /// Answers to the SDK, in a row, that it need not have seen.
    needless: u32,
    /// What the homeserver said of our keys when the SDK was told last.
    keys: Option<Keys>,
}

/// How many of our keys the homeserver has left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keys {
    counts: BTreeMap<OneTimeKeyAlgorithm, UInt>,
    fallback: Option<Vec<OneTimeKeyAlgorithm>>,
}

impl Quick {
    /// The SDK reads first.
    pub fn new() -> Self {
        Self { whole_at: None, needless: 0, keys: None }
    }

    /// Whether the homeserver may be asked past the SDK.
    fn may(&self, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < WHOLE_EVERY;
        self.needless >= PLAIN_IN_A_ROW && self.whole_at.is_some_and(lately)
    }

    /// The SDK has read, after these counts were seen.
    fn whole(&mut self, needed: bool, keys: Option<Keys>, now: Instant) {
        self.whole_at = Some(now);
        self.keys = keys.or(self.keys.take());
        self.needless = if needed { 0 } else { self.needless.saturating_add(1) };
    }
}

impl Matrix {
    /// One answer, from the SDK or past it; the second is whether the SDK has seen it.
    pub(super) async fn sync_next(
        &self,
        quick: &mut Quick,
        position: Option<&Position>,
        wait_ms: u64,
        settings: SyncSettings,
    ) -> matrix_sdk::Result<(SyncResponse, bool)> {
        let (mut keys, mut settings) = (None, settings);
        if let Some(position) = position
            && quick.may(Instant::now())
        {
            let answer = self.ask(&position.token, wait_ms).await?;
            keys = Some(Keys {
                counts: answer.device_one_time_keys_count.clone(),
                fallback: answer.device_unused_fallback_key_types.clone(),
            });
            let known = quick.keys == keys;
            if let Some(plain) = Plain::of(answer).filter(|_| known)
                && self.are_as_thought(&plain).await
            {
                tracing::trace!(rooms = plain.rooms.len(), "read past the SDK");
                return Ok((plain.into_response(), false));
            }
            // It lies ready.
            settings = settings.timeout(Duration::ZERO).filter(filter(true));
        }
        let response = self.client.sync_once(settings).await?;
        quick.whole(!is_needless(&response), keys, Instant::now());
        Ok((response, true))
    }

    async fn ask(&self, since: &str, wait_ms: u64) -> matrix_sdk::Result<Response> {
        let mut request = Request::new();
        request.since = Some(since.to_owned());
        request.filter = Some(filter(false));
        // As the SDK asks: what changed without an event in the timeline is told, and then is for the SDK.
        request.use_state_after = true;
        request.timeout = Some(Duration::from_millis(wait_ms));
        let limit = Duration::from_millis(REQUEST_MS_MAX + wait_ms);
        let asking = self.client.send(request).with_request_config(request_config().timeout(limit));
        Ok(asking.await?)
    }

    /// Whether the SDK knows the rooms as rooms without encryption, and everybody who speaks.
    async fn are_as_thought(&self, plain: &Plain) -> bool {
        for (id, room) in &plain.rooms {
            let Some(known) = self.client.get_room(id) else { return false };
            let clear = matches!(known.encryption_state(), EncryptionState::NotEncrypted);
            if known.state() != RoomState::Joined || !clear {
                return false;
            }
            for (user, told) in &room.members {
                let member = self.client.state_store().get_member_event(id, user).await;
                let Ok(Some(member)) = member else { return false };
                if told.as_ref().is_some_and(|told| Some(told) != event_id(&member).as_ref()) {
                    return false;
                }
            }
        }
        true
    }
}

/// An answer with nothing in it but messages of people.
#[derive(Debug, Default)]
struct Plain {
    next_batch: String,
    rooms: BTreeMap<OwnedRoomId, Talk>,
}

/// What was said in a room, and who must be known for it: by their latest member event, if it was told.
#[derive(Debug, Default)]
struct Talk {
    update: JoinedRoomUpdate,
    members: BTreeMap<OwnedUserId, Option<String>>,
}

impl Plain {
    /// `None` if there is anything for the SDK in it.
    fn of(answer: Response) -> Option<Self> {
        let rooms = &answer.rooms;
        let only_talk = rooms.invite.is_empty()
            && rooms.leave.is_empty()
            && rooms.knock.is_empty()
            && answer.presence.is_empty()
            && answer.account_data.is_empty()
            && answer.to_device.is_empty()
            && answer.device_lists.is_empty();
        if !only_talk || answer.next_batch.is_empty() {
            return None;
        }
        let rooms = answer.rooms.join.into_iter();
        let rooms: Option<_> = rooms.map(|(id, room)| Some((id, Talk::of(room)?))).collect();
        Some(Self { next_batch: answer.next_batch, rooms: rooms? })
    }

    fn into_response(self) -> SyncResponse {
        let joined = self.rooms.into_iter().map(|(id, talk)| (id, talk.update)).collect();
        let rooms = RoomUpdates { joined, ..RoomUpdates::default() };
        SyncResponse { next_batch: self.next_batch, rooms, ..SyncResponse::default() }
    }
}

impl Talk {
    fn of(room: JoinedRoom) -> Option<Self> {
        let told = match &room.state {
            State::Before(state) => &state.events,
            State::After(state) => &state.events,
            _ => return None,
        };
        let told: Option<_> = told.iter().map(|event| member(event.json().get())).collect();
        let only_talk = room.summary.is_empty()
            && room.account_data.is_empty()
            && room.ephemeral.is_empty()
            && !room.timeline.limited
            && room.timeline.events.len() <= TIMELINE_EVENTS_MAX as usize;
        if !only_talk {
            return None;
        }
        let mut talk = Self { members: told?, ..Self::default() };
        for event in room.timeline.events {
            talk.members.entry(speaker(event.json().get())?).or_insert(None);
            talk.update.timeline.events.push(TimelineEvent::from_plaintext(event));
        }
        talk.update.timeline.prev_batch = room.timeline.prev_batch;
        Some(talk)
    }
}

/// Who sent an event that is of no matter to the SDK; `None` for any other.
fn speaker(event: &str) -> Option<OwnedUserId> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        sender: OwnedUserId,
        #[serde(default)]
        state_key: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        content: Content,
    }
    #[derive(Default, Deserialize)]
    struct Content {
        #[serde(default)]
        msgtype: String,
    }
    let event: Event = serde_json::from_str(event).ok()?;
    let talk = match event.kind.as_str() {
        // A request to verify a device is the SDK's business.
        "m.room.message" => !event.content.msgtype.starts_with("m.key."),
        "m.reaction" | "m.sticker" => true,
        _ => false,
    };
    (talk && event.state_key.is_none()).then_some(event.sender)
}

/// Whose membership a state event tells, and its id; `None` for any other state.
fn member(event: &str) -> Option<(OwnedUserId, Option<String>)> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        state_key: OwnedUserId,
        event_id: String,
    }
    let event: Event = serde_json::from_str(event).ok()?;
    (event.kind == "m.room.member").then_some((event.state_key, Some(event.event_id)))
}

/// Whether the SDK need not have seen an answer; by what is left of it, which says nothing of keys.
fn is_needless(response: &SyncResponse) -> bool {
    let rooms = &response.rooms;
    let talk = |room: &JoinedRoomUpdate| {
        let events = &room.timeline.events;
        !room.timeline.limited
            && room.account_data.is_empty()
            && events.iter().all(|event| {
                event.encryption_info().is_none() && speaker(event.raw().json().get()).is_some()
            })
    };
    rooms.invited.is_empty()
        && rooms.left.is_empty()
        && rooms.knocked.is_empty()
        && response.to_device.is_empty()
        && response.account_data.is_empty()
        && rooms.joined.values().all(talk)
}

/// The id of what the SDK knows of a member.
fn event_id(member: &RawMemberEvent) -> Option<String> {
    match member {
        RawMemberEvent::Sync(event) => event.get_field("event_id").ok().flatten(),
        RawMemberEvent::Stripped(_) => None,
    }
}

#[cfg(test)]
#[path = "quick_tests.rs"]
mod tests;
