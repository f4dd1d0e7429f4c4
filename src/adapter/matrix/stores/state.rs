//! The store of rooms behind a memory: answers are remembered, and what a restart does not need is written later.
//!
//! A sync with nothing but messages changes only counters and marks of its rooms, which the next sync tells anew. Those
//! wait in memory. Everything else is written through at once, together with what waits: members, names, power,
//! encryption. The position of the sync waits too, for ours is in the log and is set before the SDK reads its own; and how
//! far rooms were gone over, which does no harm when it is old.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use matrix_sdk::async_trait;
use matrix_sdk::deserialized_responses::{DisplayName, RawAnySyncOrStrippedState};
use matrix_sdk::ruma::events::presence::PresenceEvent;
use matrix_sdk::ruma::events::receipt::{Receipt, ReceiptThread, ReceiptType};
use matrix_sdk::ruma::events::{
    AnyGlobalAccountDataEvent, AnyRoomAccountDataEvent, GlobalAccountDataEventType,
    RoomAccountDataEventType, StateEventType,
};
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedTransactionId,
    OwnedUserId, RoomId, TransactionId, UserId,
};
use matrix_sdk::store::{
    ChildTransactionId, DependentQueuedRequest, DependentQueuedRequestKind, QueueWedgeError,
    QueuedRequest, QueuedRequestKind, RoomLoadSettings, SentRequestKey, StateStoreDataKey,
    StateStoreDataValue, StoredThreadSubscription,
};
use matrix_sdk::{RoomInfo, RoomMemberships, RoomState, StateChanges, StateStore};
use matrix_sdk_base::MinimalRoomMemberEvent;
use tokio::sync::Mutex;

use super::super::heads::HEADS_KEYS;
use super::answers::Answers;

/// How long something may wait to be written; it is written with the next sync after that.
pub const LATER_MAX: Duration = Duration::from_secs(60);

/// The store of rooms.
pub(super) struct Rooms<S> {
    disk: S,
    answers: Answers,
    later: Mutex<Later>,
}

/// What waits to be written.
#[derive(Default)]
struct Later {
    since: Option<Instant>,
    token: Option<String>,
    rooms: BTreeMap<OwnedRoomId, RoomInfo>,
    heads: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What is on disk of the rooms that were written since the start.
    written: BTreeMap<OwnedRoomId, Footing>,
}

/// What of a room must not be older after a restart than what was acted on: where the bot stands in it, whether it is
/// encrypted, and whether everyone who must get its keys is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Footing {
    state: RoomState,
    encrypted: bool,
    encryption_unknown: bool,
    members_known: bool,
    joined: u64,
    invited: u64,
}

impl Footing {
    fn of(room: &RoomInfo) -> Self {
        let encryption = room.encryption_state();
        Self {
            state: room.state(),
            encrypted: encryption.is_encrypted(),
            encryption_unknown: encryption.is_unknown(),
            members_known: room.are_members_synced(),
            joined: room.joined_members_count(),
            invited: room.invited_members_count(),
        }
    }
}

impl Later {
    /// Whether changes may wait: there is nothing in them but marks of rooms that stand as they are on disk.
    fn takes(&self, changes: &StateChanges) -> bool {
        let StateChanges {
            sync_token: _,
            account_data,
            presence,
            profiles,
            profiles_to_delete,
            state,
            room_account_data,
            room_infos,
            receipts,
            redactions,
            stripped_state,
            ambiguity_maps,
        } = changes;
        let stands = |(id, room): (&OwnedRoomId, &RoomInfo)| {
            self.written.get(id).is_some_and(|written| *written == Footing::of(room))
        };
        account_data.is_empty()
            && presence.is_empty()
            && profiles.is_empty()
            && profiles_to_delete.is_empty()
            && state.is_empty()
            && room_account_data.is_empty()
            && receipts.is_empty()
            && redactions.is_empty()
            && stripped_state.is_empty()
            && ambiguity_maps.is_empty()
            && room_infos.iter().all(stands)
            && self.since.is_none_or(|since| since.elapsed() < LATER_MAX)
    }

    fn wait(&mut self, changes: &StateChanges) {
        self.since.get_or_insert_with(Instant::now);
        self.token = changes.sync_token.clone().or(self.token.take());
        let rooms = changes.room_infos.iter();
        self.rooms.extend(rooms.map(|(id, room)| (id.clone(), room.clone())));
    }

    /// Everything that waits, under newer changes.
    fn under(&self, changes: &StateChanges) -> StateChanges {
        let mut all = changes.clone();
        all.sync_token = all.sync_token.or_else(|| self.token.clone());
        for (id, room) in &self.rooms {
            all.room_infos.entry(id.clone()).or_insert_with(|| room.clone());
        }
        all
    }

    fn wrote(&mut self, all: &StateChanges) {
        (self.since, self.token) = (None, None);
        self.rooms.clear();
        self.heads.clear();
        let rooms = all.room_infos.iter();
        self.written.extend(rooms.map(|(id, room)| (id.clone(), Footing::of(room))));
    }
}

impl<S> std::fmt::Debug for Rooms<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}

impl<S: StateStore> Rooms<S> {
    /// Before a store.
    pub fn new(disk: S) -> Self {
        Self { disk, answers: Answers::default(), later: Mutex::default() }
    }

    /// Writes changes and everything that waits.
    async fn write(&self, later: &mut Later, changes: &StateChanges) -> Result<(), S::Error> {
        let all = later.under(changes);
        // Before, so that nothing old is answered after; and after, for what was asked for in between.
        self.forget(changes);
        let done = self.disk.save_changes(&all).await;
        self.forget(changes);
        done?;
        for (key, heads) in &later.heads {
            self.disk.set_custom_value_no_read(key, heads.clone()).await?;
        }
        later.wrote(&all);
        Ok(())
    }

    /// Writes what waits.
    async fn write_later(&self, later: &mut Later) -> Result<(), S::Error> {
        match later.since {
            Some(_) => self.write(later, &StateChanges::default()).await,
            None => Ok(()),
        }
    }

    fn forget(&self, changes: &StateChanges) {
        let everywhere = !changes.account_data.is_empty() || !changes.presence.is_empty();
        let rooms = changes.profiles.keys();
        let rooms = rooms.chain(changes.profiles_to_delete.keys()).chain(changes.state.keys());
        let rooms = rooms.chain(changes.room_account_data.keys()).chain(changes.room_infos.keys());
        let rooms = rooms.chain(changes.redactions.keys()).chain(changes.stripped_state.keys());
        let rooms = rooms.chain(changes.ambiguity_maps.keys());
        self.answers.forget(rooms.map(|room| &**room), everywhere);
    }
}

#[async_trait]
impl<S: StateStore> StateStore for Rooms<S> {
    type Error = S::Error;

    async fn save_changes(&self, changes: &StateChanges) -> Result<(), Self::Error> {
        let mut later = self.later.lock().await;
        if later.takes(changes) {
            later.wait(changes);
            return Ok(());
        }
        self.write(&mut later, changes).await
    }

    async fn get_kv_data(
        &self,
        key: StateStoreDataKey<'_>,
    ) -> Result<Option<StateStoreDataValue>, Self::Error> {
        if let StateStoreDataKey::SyncToken = key
            && let Some(token) = &self.later.lock().await.token
        {
            return Ok(Some(StateStoreDataValue::SyncToken(token.clone())));
        }
        self.disk.get_kv_data(key).await
    }

    async fn set_kv_data(
        &self,
        key: StateStoreDataKey<'_>,
        value: StateStoreDataValue,
    ) -> Result<(), Self::Error> {
        let mut later = self.later.lock().await;
        if let StateStoreDataKey::SyncToken = key {
            later.token = None;
        }
        self.disk.set_kv_data(key, value).await
    }

    async fn remove_kv_data(&self, key: StateStoreDataKey<'_>) -> Result<(), Self::Error> {
        let mut later = self.later.lock().await;
        if let StateStoreDataKey::SyncToken = key {
            later.token = None;
        }
        self.disk.remove_kv_data(key).await
    }

    async fn get_room_infos(
        &self,
        room_load_settings: &RoomLoadSettings,
    ) -> Result<Vec<RoomInfo>, Self::Error> {
        let mut later = self.later.lock().await;
        self.write_later(&mut later).await?;
        self.disk.get_room_infos(room_load_settings).await
    }

    async fn remove_room(&self, room_id: &RoomId) -> Result<(), Self::Error> {
        let mut later = self.later.lock().await;
        later.rooms.remove(room_id);
        later.written.remove(room_id);
        self.answers.forget(std::iter::once(room_id), false);
        let done = self.disk.remove_room(room_id).await;
        self.answers.forget(std::iter::once(room_id), false);
        done
    }

    async fn close(&self) -> Result<(), Self::Error> {
        let mut later = self.later.lock().await;
        self.write_later(&mut later).await?;
        self.disk.close().await
    }

    async fn get_presence_event(
        &self,
        user_id: &UserId,
    ) -> Result<Option<Raw<PresenceEvent>>, Self::Error> {
        let ask = self.disk.get_presence_event(user_id);
        self.answers.or_ask(None, format!("presence {user_id}"), |_| 1, ask).await
    }

    async fn get_presence_events(
        &self,
        user_ids: &[OwnedUserId],
    ) -> Result<Vec<Raw<PresenceEvent>>, Self::Error> {
        self.disk.get_presence_events(user_ids).await
    }

    async fn get_account_data_event(
        &self,
        event_type: GlobalAccountDataEventType,
    ) -> Result<Option<Raw<AnyGlobalAccountDataEvent>>, Self::Error> {
        let question = format!("account {event_type}");
        let ask = self.disk.get_account_data_event(event_type);
        self.answers.or_ask(None, question, |_| 1, ask).await
    }

    async fn get_room_account_data_event(
        &self,
        room_id: &RoomId,
        event_type: RoomAccountDataEventType,
    ) -> Result<Option<Raw<AnyRoomAccountDataEvent>>, Self::Error> {
        let question = format!("account {event_type}");
        let ask = self.disk.get_room_account_data_event(room_id, event_type);
        self.answers.or_ask(Some(room_id), question, |_| 1, ask).await
    }

    async fn get_state_event(
        &self,
        room_id: &RoomId,
        event_type: StateEventType,
        state_key: &str,
    ) -> Result<Option<RawAnySyncOrStrippedState>, Self::Error> {
        let question = format!("state {event_type} {state_key}");
        let ask = self.disk.get_state_event(room_id, event_type, state_key);
        self.answers.or_ask(Some(room_id), question, |_| 1, ask).await
    }

    async fn get_state_events(
        &self,
        room_id: &RoomId,
        event_type: StateEventType,
    ) -> Result<Vec<RawAnySyncOrStrippedState>, Self::Error> {
        let question = format!("states {event_type}");
        let ask = self.disk.get_state_events(room_id, event_type);
        self.answers.or_ask(Some(room_id), question, Vec::len, ask).await
    }

    async fn get_state_events_for_keys(
        &self,
        room_id: &RoomId,
        event_type: StateEventType,
        state_keys: &[&str],
    ) -> Result<Vec<RawAnySyncOrStrippedState>, Self::Error> {
        self.disk.get_state_events_for_keys(room_id, event_type, state_keys).await
    }

    async fn get_profile(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<Option<MinimalRoomMemberEvent>, Self::Error> {
        let ask = self.disk.get_profile(room_id, user_id);
        self.answers.or_ask(Some(room_id), format!("profile {user_id}"), |_| 1, ask).await
    }

    async fn get_profiles<'a>(
        &self,
        room_id: &RoomId,
        user_ids: &'a [OwnedUserId],
    ) -> Result<BTreeMap<&'a UserId, MinimalRoomMemberEvent>, Self::Error> {
        self.disk.get_profiles(room_id, user_ids).await
    }

    async fn get_user_ids(
        &self,
        room_id: &RoomId,
        memberships: RoomMemberships,
    ) -> Result<Vec<OwnedUserId>, Self::Error> {
        let ask = self.disk.get_user_ids(room_id, memberships);
        let question = format!("members {}", memberships.bits());
        self.answers.or_ask(Some(room_id), question, Vec::len, ask).await
    }

    async fn get_users_with_display_name(
        &self,
        room_id: &RoomId,
        display_name: &DisplayName,
    ) -> Result<BTreeSet<OwnedUserId>, Self::Error> {
        self.disk.get_users_with_display_name(room_id, display_name).await
    }

    async fn get_users_with_display_names<'a>(
        &self,
        room_id: &RoomId,
        display_names: &'a [DisplayName],
    ) -> Result<HashMap<&'a DisplayName, BTreeSet<OwnedUserId>>, Self::Error> {
        // One at a time is how it is asked for with every message.
        let [name] = display_names else {
            return self.disk.get_users_with_display_names(room_id, display_names).await;
        };
        let ask = async {
            let mut found = self.disk.get_users_with_display_names(room_id, display_names).await?;
            Ok::<_, S::Error>(found.remove(name))
        };
        let question = format!("named {}", name.as_raw_str());
        let items = |users: &Option<BTreeSet<OwnedUserId>>| users.as_ref().map_or(1, BTreeSet::len);
        let users = self.answers.or_ask(Some(room_id), question, items, ask).await?;
        Ok(users.into_iter().map(|users| (name, users)).collect())
    }

    async fn get_user_room_receipt_event(
        &self,
        room_id: &RoomId,
        receipt_type: ReceiptType,
        thread: ReceiptThread,
        user_id: &UserId,
    ) -> Result<Option<(OwnedEventId, Receipt)>, Self::Error> {
        self.disk.get_user_room_receipt_event(room_id, receipt_type, thread, user_id).await
    }

    async fn get_event_room_receipt_events(
        &self,
        room_id: &RoomId,
        receipt_type: ReceiptType,
        thread: ReceiptThread,
        event_id: &EventId,
    ) -> Result<Vec<(OwnedUserId, Receipt)>, Self::Error> {
        self.disk.get_event_room_receipt_events(room_id, receipt_type, thread, event_id).await
    }

    async fn get_custom_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error> {
        if let Some(heads) = self.later.lock().await.heads.get(key) {
            return Ok(Some(heads.clone()));
        }
        self.disk.get_custom_value(key).await
    }

    async fn set_custom_value(
        &self,
        key: &[u8],
        value: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Self::Error> {
        let mut later = self.later.lock().await;
        let waited = later.heads.remove(key);
        let written = self.disk.set_custom_value(key, value).await?;
        Ok(waited.or(written))
    }

    async fn set_custom_value_no_read(
        &self,
        key: &[u8],
        value: Vec<u8>,
    ) -> Result<(), Self::Error> {
        if !key.starts_with(HEADS_KEYS.as_bytes()) {
            return self.disk.set_custom_value_no_read(key, value).await;
        }
        let mut later = self.later.lock().await;
        later.heads.insert(key.to_vec(), value);
        match later.since.get_or_insert_with(Instant::now).elapsed() < LATER_MAX {
            true => Ok(()),
            false => self.write_later(&mut later).await,
        }
    }

    async fn remove_custom_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error> {
        let mut later = self.later.lock().await;
        let waited = later.heads.remove(key);
        let written = self.disk.remove_custom_value(key).await?;
        Ok(waited.or(written))
    }

    async fn save_send_queue_request(
        &self,
        room_id: &RoomId,
        transaction_id: OwnedTransactionId,
        created_at: MilliSecondsSinceUnixEpoch,
        request: QueuedRequestKind,
        priority: usize,
    ) -> Result<(), Self::Error> {
        self.disk
            .save_send_queue_request(room_id, transaction_id, created_at, request, priority)
            .await
    }

    async fn update_send_queue_request(
        &self,
        room_id: &RoomId,
        transaction_id: &TransactionId,
        content: QueuedRequestKind,
    ) -> Result<bool, Self::Error> {
        self.disk.update_send_queue_request(room_id, transaction_id, content).await
    }

    async fn remove_send_queue_request(
        &self,
        room_id: &RoomId,
        transaction_id: &TransactionId,
    ) -> Result<bool, Self::Error> {
        self.disk.remove_send_queue_request(room_id, transaction_id).await
    }

    async fn load_send_queue_requests(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<QueuedRequest>, Self::Error> {
        self.disk.load_send_queue_requests(room_id).await
    }

    async fn update_send_queue_request_status(
        &self,
        room_id: &RoomId,
        transaction_id: &TransactionId,
        error: Option<QueueWedgeError>,
    ) -> Result<(), Self::Error> {
        self.disk.update_send_queue_request_status(room_id, transaction_id, error).await
    }

    async fn load_rooms_with_unsent_requests(&self) -> Result<Vec<OwnedRoomId>, Self::Error> {
        self.disk.load_rooms_with_unsent_requests().await
    }

    async fn save_dependent_queued_request(
        &self,
        room_id: &RoomId,
        parent_txn_id: &TransactionId,
        own_txn_id: ChildTransactionId,
        created_at: MilliSecondsSinceUnixEpoch,
        content: DependentQueuedRequestKind,
    ) -> Result<(), Self::Error> {
        self.disk
            .save_dependent_queued_request(room_id, parent_txn_id, own_txn_id, created_at, content)
            .await
    }

    async fn mark_dependent_queued_requests_as_ready(
        &self,
        room_id: &RoomId,
        parent_txn_id: &TransactionId,
        sent_parent_key: SentRequestKey,
    ) -> Result<usize, Self::Error> {
        self.disk
            .mark_dependent_queued_requests_as_ready(room_id, parent_txn_id, sent_parent_key)
            .await
    }

    async fn update_dependent_queued_request(
        &self,
        room_id: &RoomId,
        own_transaction_id: &ChildTransactionId,
        new_content: DependentQueuedRequestKind,
    ) -> Result<bool, Self::Error> {
        self.disk.update_dependent_queued_request(room_id, own_transaction_id, new_content).await
    }

    async fn remove_dependent_queued_request(
        &self,
        room: &RoomId,
        own_txn_id: &ChildTransactionId,
    ) -> Result<bool, Self::Error> {
        self.disk.remove_dependent_queued_request(room, own_txn_id).await
    }

    async fn load_dependent_queued_requests(
        &self,
        room: &RoomId,
    ) -> Result<Vec<DependentQueuedRequest>, Self::Error> {
        self.disk.load_dependent_queued_requests(room).await
    }

    async fn upsert_thread_subscriptions(
        &self,
        updates: Vec<(&RoomId, &EventId, StoredThreadSubscription)>,
    ) -> Result<(), Self::Error> {
        self.disk.upsert_thread_subscriptions(updates).await
    }

    async fn remove_thread_subscription(
        &self,
        room: &RoomId,
        thread_id: &EventId,
    ) -> Result<(), Self::Error> {
        self.disk.remove_thread_subscription(room, thread_id).await
    }

    async fn load_thread_subscription(
        &self,
        room: &RoomId,
        thread_id: &EventId,
    ) -> Result<Option<StoredThreadSubscription>, Self::Error> {
        self.disk.load_thread_subscription(room, thread_id).await
    }

    async fn reopen(&self) -> Result<(), Self::Error> {
        self.disk.reopen().await
    }

    async fn optimize(&self) -> Result<(), Self::Error> {
        self.disk.optimize().await
    }

    async fn get_size(&self) -> Result<Option<usize>, Self::Error> {
        self.disk.get_size().await
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
