//! The management room: made once for an account, found again at its next login, wherever that is.

use matrix_sdk::ruma::api::client::room::create_room::v3::{Request, RoomPreset};
use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::events::room::member::MembershipState;
use matrix_sdk::ruma::events::{GlobalAccountDataEventType, InitialStateEvent};
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedUserId, RoomId as MatrixRoomId};
use matrix_sdk::{Client, Room, RoomState};
use serde::{Deserialize, Serialize};

use crate::domain::id::RoomId;

/// What the management room is called.
pub const MANAGEMENT_NAME: &str = "beadle management";
/// What people read above it.
const MANAGEMENT_TOPIC: &str =
    "Here the bot says what its owner must know. Whoever is in this room may invite it elsewhere.";
/// Where the account itself remembers the room.
const ACCOUNT_DATA: &str = "dev.beadle.management_room";

/// What the account remembers.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    room_id: RoomId,
}

/// The room that the account has, or a new one for its owner; none without either. The owner is invited.
pub(super) async fn management_room(
    client: &Client,
    owner: Option<&OwnedUserId>,
) -> matrix_sdk::Result<Option<RoomId>> {
    let room = match (remembered(client).await?, owner) {
        (Some(room), None) => room,
        (Some(room), Some(owner)) => {
            let member = room.get_member(owner).await?;
            let there = member.is_some_and(|member| {
                matches!(member.membership(), MembershipState::Join | MembershipState::Invite)
            });
            if !there {
                room.invite_user_by_id(owner).await?;
            }
            room
        }
        (None, Some(owner)) => create(client, owner).await?,
        (None, None) => return Ok(None),
    };
    Ok(Some(RoomId(room.room_id().to_string())))
}

/// The room that the account remembers, if the bot is still in it.
async fn remembered(client: &Client) -> matrix_sdk::Result<Option<Room>> {
    let kind = GlobalAccountDataEventType::from(ACCOUNT_DATA);
    let Some(content) = client.account().fetch_account_data(kind).await? else {
        return Ok(None);
    };
    let remembered = content.deserialize_as_unchecked::<Remembered>().ok();
    let room = remembered.and_then(|remembered| {
        client.get_room(<&MatrixRoomId>::try_from(remembered.room_id.as_str()).ok()?)
    });
    Ok(room.filter(|room| room.state() == RoomState::Joined))
}

/// Makes the room: private, encrypted, owned by both.
async fn create(client: &Client, owner: &OwnedUserId) -> matrix_sdk::Result<Room> {
    let encryption = RoomEncryptionEventContent::with_recommended_defaults();
    let mut request = Request::new();
    request.name = Some(MANAGEMENT_NAME.into());
    request.topic = Some(MANAGEMENT_TOPIC.into());
    request.preset = Some(RoomPreset::TrustedPrivateChat);
    request.invite = vec![owner.clone()];
    request.initial_state = vec![InitialStateEvent::with_empty_state_key(encryption).to_raw_any()];
    let room = client.create_room(request).await?;
    let content = Raw::new(&Remembered { room_id: RoomId(room.room_id().to_string()) })?;
    let kind = GlobalAccountDataEventType::from(ACCOUNT_DATA);
    client.account().set_account_data_raw(kind, content.cast_unchecked()).await?;
    Ok(room)
}
