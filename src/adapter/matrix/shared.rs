//! Rooms shared with a program of the homeserver, such as a bridge: one alone with it, those that it makes, and others
//! that it is invited into.

use std::time::Duration;

use matrix_sdk::Room;
use matrix_sdk::ruma::api::client::room::create_room::v3::{Request as CreateRoom, RoomPreset};
use matrix_sdk::ruma::api::client::state::get_state_event_for_key::v3::Request as Member;
use matrix_sdk::ruma::api::client::state::get_state_events::v3::Request as State;
use matrix_sdk::ruma::events::StateEventType;
use matrix_sdk::ruma::{OwnedUserId, UserId as MatrixUserId};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::client::Matrix;
use super::invites::in_time;
use super::trouble::Trouble;
use super::visits::{failed, never};
use crate::adapter::{RoomAnswer, SendError};
use crate::domain::id::{RoomId, UserId};

/// How often it is looked whether somebody has come, or a room is there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Matrix {
    /// A room alone with a program: this one if it is one still, or a new one once the program is in it.
    pub(super) async fn alone_with(
        &self,
        user: &UserId,
        known: Option<&RoomId>,
        within_ms: u64,
    ) -> Result<RoomAnswer, SendError> {
        let user = account(user)?;
        if let Some(room) = known.and_then(|known| self.joined(known).ok())
            && self.membership(&room, &user).await?.as_deref() == Some("join")
        {
            return Ok(found(Some(&room)));
        }
        let deadline = Instant::now() + Duration::from_millis(within_ms);
        let mut request = CreateRoom::new();
        // Bridges come only where they are invited to talk alone.
        request.is_direct = true;
        request.preset = Some(RoomPreset::PrivateChat);
        request.invite = vec![user.clone()];
        let room = in_time(self.client.create_room(request)).await.map_err(|why| failed(&why))?;
        while Instant::now() < deadline {
            if self.membership(&room, &user).await?.as_deref() == Some("join") {
                return Ok(found(Some(&room)));
            }
            sleep(LOOK_EVERY).await;
        }
        // A room that nobody came into is of no use.
        self.depart(&room).await.map_err(|why| failed(&why))?;
        Ok(found(None))
    }

    /// The room of this name that a program made, once the bot is in it; the newest, if there are several.
    pub(super) async fn made_by(
        &self,
        user: &UserId,
        name: &str,
        within_ms: u64,
    ) -> Result<RoomAnswer, SendError> {
        let deadline = Instant::now() + Duration::from_millis(within_ms);
        loop {
            let mut newest: Option<(i64, Room)> = None;
            for room in self.client.joined_rooms() {
                if !room.name().is_some_and(|it| it.eq_ignore_ascii_case(name)) {
                    continue;
                }
                let made = self.made(&room).await?.filter(|(by, _)| by == user.as_str());
                if let Some((_, at)) = made
                    && newest.as_ref().is_none_or(|(before, _)| at > *before)
                {
                    newest = Some((at, room));
                }
            }
            if newest.is_some() || Instant::now() >= deadline {
                return Ok(found(newest.as_ref().map(|(_, room)| room)));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Invites a program into a room; true: it is there already.
    pub(super) async fn invite(
        &self,
        user: &UserId,
        room: &RoomId,
    ) -> Result<RoomAnswer, SendError> {
        let user = account(user)?;
        let room = self.joined(room)?;
        match self.membership(&room, &user).await?.as_deref() {
            Some("join") => Ok(RoomAnswer::Invited { there: true }),
            Some("invite") => Ok(RoomAnswer::Invited { there: false }),
            _ => {
                let inviting = in_time(room.invite_user_by_id(&user)).await;
                inviting.map_err(|why| failed(&why))?;
                Ok(RoomAnswer::Invited { there: false })
            }
        }
    }

    /// What somebody is in a room, as the homeserver says; none: they never were there.
    async fn membership(
        &self,
        room: &Room,
        user: &MatrixUserId,
    ) -> Result<Option<String>, SendError> {
        let (id, kind) = (room.room_id().to_owned(), StateEventType::RoomMember);
        let request = Member::new(id, kind, user.to_string());
        match in_time(async { Ok(self.client.send(request).await?) }).await {
            Ok(answer) => {
                let content: Value =
                    serde_json::from_str(answer.event_or_content.get()).unwrap_or_default();
                Ok(content["membership"].as_str().map(str::to_owned))
            }
            Err(Trouble::Refused { code, .. }) if code == "M_NOT_FOUND" => Ok(None),
            Err(trouble) => Err(failed(&trouble)),
        }
    }

    /// Who made a room, and when.
    async fn made(&self, room: &Room) -> Result<Option<(String, i64)>, SendError> {
        let request = State::new(room.room_id().to_owned());
        let answer = in_time(async { Ok(self.client.send(request).await?) }).await;
        let state = answer.map_err(|why| failed(&why))?.room_state;
        let events =
            state.iter().filter_map(|raw| serde_json::from_str::<Value>(raw.json().get()).ok());
        let mut made = events.filter(|event| event["type"] == "m.room.create");
        Ok(made.next().and_then(|event| {
            Some((event["sender"].as_str()?.to_owned(), event["origin_server_ts"].as_i64()?))
        }))
    }
}

fn account(user: &UserId) -> Result<OwnedUserId, SendError> {
    OwnedUserId::try_from(user.as_str()).map_err(|_| never("that is no account of Matrix"))
}

fn found(room: Option<&Room>) -> RoomAnswer {
    RoomAnswer::Found(room.map(|room| RoomId(room.room_id().to_string())))
}
