//! What waits, what is written at once, and what is remembered.

use std::collections::BTreeMap;

use matrix_sdk::MemoryStore;
use matrix_sdk::ruma::events::receipt::ReceiptEventContent;
use matrix_sdk::ruma::{owned_room_id, owned_user_id, room_id};
use matrix_sdk_base::sync::UnreadNotificationsCount;
use serde_json::json;

use super::*;

fn room() -> RoomInfo {
    let mut room = RoomInfo::new(room_id!("!r:hs"), RoomState::Joined);
    room.mark_members_synced();
    room
}

fn position(token: &str) -> StateChanges {
    StateChanges::new(token.to_owned())
}

/// A sync that brought these marks of the room and nothing else.
fn marks(token: &str, change: impl FnOnce(&mut RoomInfo)) -> StateChanges {
    let (mut changes, mut room) = (position(token), room());
    change(&mut room);
    changes.room_infos.insert(owned_room_id!("!r:hs"), room);
    changes
}

fn raw<T>(value: serde_json::Value) -> Raw<T> {
    Raw::from_json_string(value.to_string()).expect("it is JSON")
}

/// A member event with a name.
fn named(token: &str, name: &str) -> StateChanges {
    let mut changes = marks(token, |_| {});
    let event = json!({"type": "m.room.member", "event_id": format!("${token}"), "sender": "@a:hs",
        "state_key": "@a:hs", "origin_server_ts": 1,
        "content": {"membership": "join", "displayname": name}});
    let keys = BTreeMap::from([("@a:hs".to_owned(), raw(event))]);
    let types = BTreeMap::from([(StateEventType::RoomMember, keys)]);
    changes.state.insert(owned_room_id!("!r:hs"), types);
    changes
}

async fn token(store: &impl StateStore) -> Option<String> {
    let found = store.get_kv_data(StateStoreDataKey::SyncToken).await.expect("it reads");
    found.and_then(StateStoreDataValue::into_sync_token)
}

/// How many notifications the room has on disk.
async fn counted(disk: &MemoryStore) -> u64 {
    let rooms = disk.get_room_infos(&RoomLoadSettings::All).await.expect("it reads");
    let count = |room: &RoomInfo| serde_json::to_value(room).expect("it is JSON");
    let found = rooms.first().map(count).unwrap_or_default();
    found["notification_counts"]["notification_count"].as_u64().unwrap_or(0)
}

fn noticed(room: &mut RoomInfo) {
    let counts = UnreadNotificationsCount { highlight_count: 0, notification_count: 7 };
    room.update_notification_count(counts);
}

#[tokio::test]
async fn marks_wait_and_go_out_with_what_does_not() {
    let store = Rooms::new(MemoryStore::new());
    store.save_changes(&marks("t1", |_| {})).await.expect("it is written");
    assert_eq!(token(&store.disk).await.as_deref(), Some("t1"), "nothing was known of the room");
    store.save_changes(&marks("t2", noticed)).await.expect("it waits");
    store.save_changes(&position("t3")).await.expect("it waits");
    assert_eq!((token(&store.disk).await.as_deref(), counted(&store.disk).await), (Some("t1"), 0));
    assert_eq!(token(&store).await.as_deref(), Some("t3"), "it is answered from what waits");
    store.save_changes(&named("t4", "Ann")).await.expect("it is written");
    assert_eq!(token(&store.disk).await.as_deref(), Some("t4"));
    assert_eq!(counted(&store.disk).await, 0, "the newer marks of the same room count");
}

#[tokio::test]
async fn what_waits_is_not_lost_to_another_room() {
    let store = Rooms::new(MemoryStore::new());
    store.save_changes(&marks("t1", |_| {})).await.expect("it is written");
    store.save_changes(&marks("t2", noticed)).await.expect("it waits");
    let mut other = position("t3");
    let room = RoomInfo::new(room_id!("!other:hs"), RoomState::Invited);
    other.room_infos.insert(owned_room_id!("!other:hs"), room);
    store.save_changes(&other).await.expect("it is written");
    let rooms = store.disk.get_room_infos(&RoomLoadSettings::All).await.expect("it reads");
    let texts: Vec<_> = rooms.iter().map(|room| serde_json::to_string(room).unwrap()).collect();
    let kept = texts.iter().any(|text| text.contains("\"notification_count\":7"));
    assert!(rooms.len() == 2 && kept, "{texts:?}");
}

#[tokio::test]
async fn what_matters_after_a_restart_is_written_at_once() {
    type Change = fn(&mut StateChanges);
    let kinds: [(&str, Change); 12] = [
        ("left", |it| it.room_infos.values_mut().for_each(RoomInfo::mark_as_left)),
        ("invited", |it| it.room_infos.values_mut().for_each(RoomInfo::mark_as_invited)),
        ("members missing", |it| {
            it.room_infos.values_mut().for_each(RoomInfo::mark_members_missing);
        }),
        ("encryption", |it| {
            it.room_infos.values_mut().for_each(RoomInfo::mark_encryption_state_synced);
        }),
        ("account data", |it| {
            let event = raw(json!({"type": "m.push_rules", "content": {}}));
            it.account_data.insert(GlobalAccountDataEventType::PushRules, event);
        }),
        ("room account data", |it| {
            let event = raw(json!({"type": "m.tag", "content": {"tags": {}}}));
            let events = BTreeMap::from([(RoomAccountDataEventType::Tag, event)]);
            it.room_account_data.insert(owned_room_id!("!r:hs"), events);
        }),
        ("presence", |it| {
            let event =
                json!({"type": "m.presence", "sender": "@a:hs", "content": {"presence": "online"}});
            it.presence.insert(owned_user_id!("@a:hs"), raw(event));
        }),
        ("receipts", |it| {
            it.receipts.insert(owned_room_id!("!r:hs"), ReceiptEventContent(BTreeMap::new()));
        }),
        ("profiles to delete", |it| {
            it.profiles_to_delete.insert(owned_room_id!("!r:hs"), vec![owned_user_id!("@a:hs")]);
        }),
        ("redactions", |it| {
            it.redactions.insert(owned_room_id!("!r:hs"), BTreeMap::new());
        }),
        ("stripped state", |it| {
            it.stripped_state.insert(owned_room_id!("!r:hs"), BTreeMap::new());
        }),
        ("ambiguous names", |it| {
            it.ambiguity_maps.insert(owned_room_id!("!r:hs"), HashMap::new());
        }),
    ];
    for (kind, change) in kinds {
        let store = Rooms::new(MemoryStore::new());
        store.save_changes(&marks("t1", |_| {})).await.expect("it is written");
        let mut changes = marks("t2", |_| {});
        change(&mut changes);
        store.save_changes(&changes).await.expect("it is written");
        assert_eq!(token(&store.disk).await.as_deref(), Some("t2"), "{kind}");
    }
}

#[tokio::test]
async fn a_position_that_is_set_counts_more_than_one_that_waits() {
    let store = Rooms::new(MemoryStore::new());
    store.save_changes(&position("t1")).await.expect("it waits");
    assert_eq!(token(&store).await.as_deref(), Some("t1"));
    let set = StateStoreDataValue::SyncToken("t0".into());
    store.set_kv_data(StateStoreDataKey::SyncToken, set).await.expect("it is set");
    assert_eq!(token(&store).await.as_deref(), Some("t0"));
    store.save_changes(&position("t1")).await.expect("it waits");
    store.remove_kv_data(StateStoreDataKey::SyncToken).await.expect("it is removed");
    assert_eq!(token(&store).await, None);
}

#[tokio::test]
async fn what_waits_long_is_written_with_the_next() {
    let store = Rooms::new(MemoryStore::new());
    store.save_changes(&position("t1")).await.expect("it waits");
    let long_ago =
        Instant::now().checked_sub(LATER_MAX).expect("the machine is up for long enough");
    store.later.lock().await.since = Some(long_ago);
    store.save_changes(&position("t2")).await.expect("it is written");
    assert_eq!(token(&store.disk).await.as_deref(), Some("t2"));
}

#[tokio::test]
async fn rooms_are_read_with_what_waits() {
    let store = Rooms::new(MemoryStore::new());
    store.save_changes(&marks("t1", |_| {})).await.expect("it is written");
    store.save_changes(&marks("t2", noticed)).await.expect("it waits");
    store.get_room_infos(&RoomLoadSettings::All).await.expect("it reads");
    assert_eq!(counted(&store.disk).await, 7);
}

#[tokio::test]
async fn answers_change_with_what_they_are_about() {
    let store = Rooms::new(MemoryStore::new());
    let room = room_id!("!r:hs");
    let name = async || {
        let found = store.get_state_event(room, StateEventType::RoomMember, "@a:hs").await;
        let found = found.expect("it reads").map(|event| match event {
            RawAnySyncOrStrippedState::Sync(event) => event.json().get().to_owned(),
            RawAnySyncOrStrippedState::Stripped(event) => event.json().get().to_owned(),
        });
        ["Ann", "Bob"].into_iter().find(|name| found.as_ref().is_some_and(|it| it.contains(name)))
    };
    assert_eq!(name().await, None);
    store.save_changes(&named("t1", "Ann")).await.expect("it is written");
    assert_eq!(name().await, Some("Ann"));
    store.disk.save_changes(&named("t2", "Bob")).await.expect("it is written");
    assert_eq!(name().await, Some("Ann"), "the store was not asked again");
    store.save_changes(&named("t3", "Bob")).await.expect("it is written");
    assert_eq!(name().await, Some("Bob"));
    store.remove_room(room).await.expect("it is removed");
    assert_eq!(name().await, None);
}

#[tokio::test]
async fn how_far_rooms_were_gone_over_waits() {
    let store = Rooms::new(MemoryStore::new());
    let key = format!("{HEADS_KEYS}!r:hs").into_bytes();
    for (key, value, on_disk) in [(key.as_slice(), "1", false), (b"other", "2", true)] {
        store.set_custom_value_no_read(key, value.into()).await.expect("it is kept");
        let kept = store.get_custom_value(key).await.expect("it reads");
        assert_eq!(kept, Some(value.into()));
        let kept = store.disk.get_custom_value(key).await.expect("it reads");
        assert_eq!(kept.is_some(), on_disk, "{value}");
    }
    store.save_changes(&named("t1", "Ann")).await.expect("it is written");
    assert_eq!(store.disk.get_custom_value(&key).await.expect("it reads"), Some("1".into()));
    let long_ago =
        Instant::now().checked_sub(LATER_MAX).expect("the machine is up for long enough");
    store.later.lock().await.since = Some(long_ago);
    store.set_custom_value_no_read(&key, "3".into()).await.expect("it is written");
    assert_eq!(store.disk.get_custom_value(&key).await.expect("it reads"), Some("3".into()));
}
