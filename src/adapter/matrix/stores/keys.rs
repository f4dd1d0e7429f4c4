//! The store of keys: everything is written through, except what is on disk as it is.
//!
//! With every sync the SDK writes the account, which seldom changes, and the position of the sync, which nobody reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use matrix_sdk::async_trait;
use matrix_sdk::cross_process_lock::CrossProcessLockGeneration;
use matrix_sdk::ruma::events::secret::request::SecretName;
use matrix_sdk::ruma::{DeviceId, OwnedDeviceId, RoomId, TransactionId, UserId};
use matrix_sdk_base::crypto::olm::{
    Account, InboundGroupSession, OlmMessageHash, OutboundGroupSession,
    PrivateCrossSigningIdentity, SenderDataType, Session,
};
use matrix_sdk_base::crypto::store::CryptoStore;
use matrix_sdk_base::crypto::store::types::{
    BackupKeys, Changes, DehydratedDeviceKey, PendingChanges, RoomKeyCounts, RoomKeyWithheldEntry,
    RoomPendingKeyBundleDetails, RoomSettings, StoredRoomKeyBundleData, TrackedUser,
};
use matrix_sdk_base::crypto::vodozemac::Curve25519PublicKey;
use matrix_sdk_base::crypto::{DeviceData, GossipRequest, SecretInfo, UserIdentityData};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// What the account on disk is, in 32 bytes.
type Print = [u8; 32];

/// The store of keys.
pub(super) struct Keys<S> {
    disk: S,
    account: Mutex<Option<Print>>,
    requests: Requests,
}

/// Whether it is known that no request for a secret waits to be sent.
#[derive(Debug, Default)]
struct Requests {
    /// Grows with every change.
    changes: AtomicU64,
    /// The number of changes, plus one, at which none waited.
    none_at: AtomicU64,
}

impl Requests {
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn none(&self) -> bool {
        self.none_at.load(Ordering::SeqCst) == self.changes.load(Ordering::SeqCst) + 1
    }
}

impl<S> std::fmt::Debug for Keys<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl<S: CryptoStore> Keys<S> {
    /// Before a store.
    pub fn new(disk: S) -> Self {
        Self { disk, account: Mutex::default(), requests: Requests::default() }
    }
}

/// Tells two states of an account apart; what it is made of is overwritten.
fn print(account: &Account) -> Option<Print> {
    let pickled = serde_json::to_vec(&account.pickle()).ok().map(Zeroizing::new)?;
    Some(Sha256::digest(&*pickled).into())
}

/// Whether there is nothing to write but the position.
fn is_position_only(changes: &Changes) -> bool {
    let Changes {
        private_identity,
        backup_version,
        backup_decryption_key,
        dehydrated_device_pickle_key,
        sessions,
        message_hashes,
        inbound_group_sessions,
        outbound_group_sessions,
        key_requests,
        identities,
        devices,
        withheld_session_info,
        room_settings,
        secrets,
        next_batch_token: _,
        received_room_key_bundles,
        room_key_backups_fully_downloaded,
        rooms_pending_key_bundle,
    } = changes;
    private_identity.is_none()
        && backup_version.is_none()
        && backup_decryption_key.is_none()
        && dehydrated_device_pickle_key.is_none()
        && sessions.is_empty()
        && message_hashes.is_empty()
        && inbound_group_sessions.is_empty()
        && outbound_group_sessions.is_empty()
        && key_requests.is_empty()
        && identities.new.is_empty()
        && identities.changed.is_empty()
        && identities.unchanged.is_empty()
        && devices.new.is_empty()
        && devices.changed.is_empty()
        && devices.deleted.is_empty()
        && withheld_session_info.is_empty()
        && room_settings.is_empty()
        && secrets.is_empty()
        && received_room_key_bundles.is_empty()
        && room_key_backups_fully_downloaded.is_empty()
        && rooms_pending_key_bundle.is_empty()
}

#[async_trait]
impl<S: CryptoStore> CryptoStore for Keys<S> {
    type Error = S::Error;

    async fn save_changes(&self, changes: Changes) -> Result<(), Self::Error> {
        if is_position_only(&changes) {
            return Ok(());
        }
        self.requests.changed();
        let done = self.disk.save_changes(changes).await;
        self.requests.changed();
        done
    }

    async fn save_pending_changes(&self, changes: PendingChanges) -> Result<(), Self::Error> {
        let new = changes.account.as_ref().and_then(print);
        let mut on_disk = self.account.lock().await;
        if new.is_some() && new == *on_disk {
            return Ok(());
        }
        // Until it is written nobody knows what is on disk.
        *on_disk = None;
        self.disk.save_pending_changes(changes).await?;
        *on_disk = new;
        Ok(())
    }

    async fn get_unsent_secret_requests(&self) -> Result<Vec<GossipRequest>, Self::Error> {
        if self.requests.none() {
            return Ok(Vec::new());
        }
        let changes = self.requests.changes.load(Ordering::SeqCst);
        let unsent = self.disk.get_unsent_secret_requests().await?;
        if unsent.is_empty() {
            self.requests.none_at.store(changes + 1, Ordering::SeqCst);
        }
        Ok(unsent)
    }

    async fn delete_outgoing_secret_requests(
        &self,
        request_id: &TransactionId,
    ) -> Result<(), Self::Error> {
        self.requests.changed();
        let done = self.disk.delete_outgoing_secret_requests(request_id).await;
        self.requests.changed();
        done
    }

    async fn load_account(&self) -> Result<Option<Account>, Self::Error> {
        self.disk.load_account().await
    }

    async fn load_identity(&self) -> Result<Option<PrivateCrossSigningIdentity>, Self::Error> {
        self.disk.load_identity().await
    }

    async fn save_inbound_group_sessions(
        &self,
        sessions: Vec<InboundGroupSession>,
        backed_up_to_version: Option<&str>,
    ) -> Result<(), Self::Error> {
        self.disk.save_inbound_group_sessions(sessions, backed_up_to_version).await
    }

    async fn get_sessions(&self, sender_key: &str) -> Result<Option<Vec<Session>>, Self::Error> {
        self.disk.get_sessions(sender_key).await
    }

    async fn get_inbound_group_session(
        &self,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Option<InboundGroupSession>, Self::Error> {
        self.disk.get_inbound_group_session(room_id, session_id).await
    }

    async fn get_withheld_info(
        &self,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Option<RoomKeyWithheldEntry>, Self::Error> {
        self.disk.get_withheld_info(room_id, session_id).await
    }

    async fn get_withheld_sessions_by_room_id(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<RoomKeyWithheldEntry>, Self::Error> {
        self.disk.get_withheld_sessions_by_room_id(room_id).await
    }

    async fn get_inbound_group_sessions(&self) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.disk.get_inbound_group_sessions().await
    }

    async fn inbound_group_session_counts(
        &self,
        backup_version: Option<&str>,
    ) -> Result<RoomKeyCounts, Self::Error> {
        self.disk.inbound_group_session_counts(backup_version).await
    }

    async fn get_inbound_group_sessions_by_room_id(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.disk.get_inbound_group_sessions_by_room_id(room_id).await
    }

    async fn get_inbound_group_sessions_for_device_batch(
        &self,
        curve_key: Curve25519PublicKey,
        sender_data_type: SenderDataType,
        after_session_id: Option<String>,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.disk
            .get_inbound_group_sessions_for_device_batch(
                curve_key,
                sender_data_type,
                after_session_id,
                limit,
            )
            .await
    }

    async fn inbound_group_sessions_for_backup(
        &self,
        backup_version: &str,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.disk.inbound_group_sessions_for_backup(backup_version, limit).await
    }

    async fn mark_inbound_group_sessions_as_backed_up(
        &self,
        backup_version: &str,
        room_and_session_ids: &[(&RoomId, &str)],
    ) -> Result<(), Self::Error> {
        self.disk
            .mark_inbound_group_sessions_as_backed_up(backup_version, room_and_session_ids)
            .await
    }

    async fn reset_backup_state(&self) -> Result<(), Self::Error> {
        self.disk.reset_backup_state().await
    }

    async fn load_backup_keys(&self) -> Result<BackupKeys, Self::Error> {
        self.disk.load_backup_keys().await
    }

    async fn load_dehydrated_device_pickle_key(
        &self,
    ) -> Result<Option<DehydratedDeviceKey>, Self::Error> {
        self.disk.load_dehydrated_device_pickle_key().await
    }

    async fn delete_dehydrated_device_pickle_key(&self) -> Result<(), Self::Error> {
        self.disk.delete_dehydrated_device_pickle_key().await
    }

    async fn get_outbound_group_session(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<OutboundGroupSession>, Self::Error> {
        self.disk.get_outbound_group_session(room_id).await
    }

    async fn load_tracked_users(&self) -> Result<Vec<TrackedUser>, Self::Error> {
        self.disk.load_tracked_users().await
    }

    async fn save_tracked_users(&self, users: &[(&UserId, bool)]) -> Result<(), Self::Error> {
        self.disk.save_tracked_users(users).await
    }

    async fn get_device(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<Option<DeviceData>, Self::Error> {
        self.disk.get_device(user_id, device_id).await
    }

    async fn get_user_devices(
        &self,
        user_id: &UserId,
    ) -> Result<HashMap<OwnedDeviceId, DeviceData>, Self::Error> {
        self.disk.get_user_devices(user_id).await
    }

    async fn get_own_device(&self) -> Result<DeviceData, Self::Error> {
        self.disk.get_own_device().await
    }

    async fn get_user_identity(
        &self,
        user_id: &UserId,
    ) -> Result<Option<UserIdentityData>, Self::Error> {
        self.disk.get_user_identity(user_id).await
    }

    async fn is_message_known(&self, message_hash: &OlmMessageHash) -> Result<bool, Self::Error> {
        self.disk.is_message_known(message_hash).await
    }

    async fn get_outgoing_secret_requests(
        &self,
        request_id: &TransactionId,
    ) -> Result<Option<GossipRequest>, Self::Error> {
        self.disk.get_outgoing_secret_requests(request_id).await
    }

    async fn get_secret_request_by_info(
        &self,
        secret_info: &SecretInfo,
    ) -> Result<Option<GossipRequest>, Self::Error> {
        self.disk.get_secret_request_by_info(secret_info).await
    }

    async fn get_secrets_from_inbox(
        &self,
        secret_name: &SecretName,
    ) -> Result<Vec<Zeroizing<String>>, Self::Error> {
        self.disk.get_secrets_from_inbox(secret_name).await
    }

    async fn delete_secrets_from_inbox(&self, secret_name: &SecretName) -> Result<(), Self::Error> {
        self.disk.delete_secrets_from_inbox(secret_name).await
    }

    async fn get_room_settings(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<RoomSettings>, Self::Error> {
        self.disk.get_room_settings(room_id).await
    }

    async fn get_received_room_key_bundle_data(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<Option<StoredRoomKeyBundleData>, Self::Error> {
        self.disk.get_received_room_key_bundle_data(room_id, user_id).await
    }

    async fn get_pending_key_bundle_details_for_room(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<RoomPendingKeyBundleDetails>, Self::Error> {
        self.disk.get_pending_key_bundle_details_for_room(room_id).await
    }

    async fn get_all_rooms_pending_key_bundles(
        &self,
    ) -> Result<Vec<RoomPendingKeyBundleDetails>, Self::Error> {
        self.disk.get_all_rooms_pending_key_bundles().await
    }

    async fn has_downloaded_all_room_keys(&self, room_id: &RoomId) -> Result<bool, Self::Error> {
        self.disk.has_downloaded_all_room_keys(room_id).await
    }

    async fn get_custom_value(&self, key: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        self.disk.get_custom_value(key).await
    }

    async fn set_custom_value(&self, key: &str, value: Vec<u8>) -> Result<(), Self::Error> {
        self.disk.set_custom_value(key, value).await
    }

    async fn remove_custom_value(&self, key: &str) -> Result<(), Self::Error> {
        self.disk.remove_custom_value(key).await
    }

    async fn try_take_leased_lock(
        &self,
        lease_duration_ms: u32,
        key: &str,
        holder: &str,
    ) -> Result<Option<CrossProcessLockGeneration>, Self::Error> {
        self.disk.try_take_leased_lock(lease_duration_ms, key, holder).await
    }

    async fn next_batch_token(&self) -> Result<Option<String>, Self::Error> {
        self.disk.next_batch_token().await
    }

    async fn close(&self) -> Result<(), Self::Error> {
        self.disk.close().await
    }

    async fn reopen(&self) -> Result<(), Self::Error> {
        self.disk.reopen().await
    }

    async fn get_size(&self) -> Result<Option<usize>, Self::Error> {
        self.disk.get_size().await
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;
    use matrix_sdk_base::crypto::store::MemoryStore;

    use super::*;

    fn account(device: &str) -> Account {
        Account::with_device_id(user_id!("@bot:hs"), device.into())
    }

    async fn save(keys: &impl CryptoStore, account: &Account) {
        let account = Account::from_pickle(account.pickle()).expect("it was an account");
        let saved = keys.save_pending_changes(PendingChanges { account: Some(account) }).await;
        assert!(saved.is_ok());
    }

    async fn device(keys: &impl CryptoStore) -> String {
        let account = keys.load_account().await.ok().flatten();
        account.map(|account| account.device_id().to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn an_account_is_written_when_it_changed() {
        let keys = Keys::new(MemoryStore::new());
        let (mut ours, other) = (account("OURS"), account("OTHER"));
        save(&keys, &ours).await;
        assert_eq!(device(&keys.disk).await, "OURS");
        save(&keys.disk, &other).await;
        save(&keys, &ours).await;
        assert_eq!(device(&keys.disk).await, "OTHER", "what was there already was not written");
        ours.update_uploaded_key_count(7);
        save(&keys, &ours).await;
        assert_eq!(device(&keys.disk).await, "OURS");
        save(&keys, &other).await;
        ours.generate_one_time_keys(1);
        save(&keys, &ours).await;
        assert_eq!(device(&keys.disk).await, "OURS");
    }

    #[test]
    fn every_change_of_an_account_shows() {
        let mut account = account("OURS");
        let mut seen = vec![print(&account).expect("it has one")];
        let changes: [fn(&mut Account); 4] = [
            |it| it.update_uploaded_key_count(7),
            |it| drop(it.generate_one_time_keys(1)),
            Account::mark_as_shared,
            Account::mark_keys_as_published,
        ];
        for change in changes {
            assert_eq!(print(&account), seen.last().copied(), "the same is the same");
            change(&mut account);
            let now = print(&account).expect("it has one");
            assert!(!seen.contains(&now));
            seen.push(now);
        }
    }

    #[tokio::test]
    async fn a_position_alone_is_not_written() {
        let keys = Keys::new(MemoryStore::new());
        let changes = Changes { next_batch_token: Some("t1".into()), ..Changes::default() };
        assert!(is_position_only(&changes));
        assert!(keys.save_changes(changes).await.is_ok());
        assert_eq!(keys.disk.next_batch_token().await.ok().flatten(), None);
        let room = matrix_sdk::ruma::owned_room_id!("!r:hs");
        let changes = Changes {
            next_batch_token: Some("t2".into()),
            room_settings: [(room, RoomSettings::default())].into(),
            ..Changes::default()
        };
        assert!(keys.save_changes(changes).await.is_ok());
        assert_eq!(keys.disk.next_batch_token().await.ok().flatten().as_deref(), Some("t2"));
    }

    #[tokio::test]
    async fn that_no_request_waits_is_remembered_until_one_may() {
        let keys = Keys::new(MemoryStore::new());
        assert!(!keys.requests.none());
        assert!(keys.get_unsent_secret_requests().await.is_ok_and(|unsent| unsent.is_empty()));
        assert!(keys.requests.none());
        let id = TransactionId::new();
        assert!(keys.delete_outgoing_secret_requests(&id).await.is_ok());
        assert!(!keys.requests.none());
        let request = GossipRequest {
            request_recipient: user_id!("@bot:hs").to_owned(),
            request_id: id,
            info: SecretInfo::SecretRequest(SecretName::CrossSigningMasterKey),
            sent_out: false,
        };
        assert!(keys.get_unsent_secret_requests().await.is_ok());
        let changes = Changes { key_requests: vec![request], ..Changes::default() };
        assert!(keys.save_changes(changes).await.is_ok());
        assert!(keys.get_unsent_secret_requests().await.is_ok_and(|unsent| unsent.len() == 1));
        assert!(!keys.requests.none());
    }
}
