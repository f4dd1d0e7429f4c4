//! Rooms as people ask for them: listing them, coming into one, leaving one.

use matrix_sdk::ruma::events::room::member::MembershipState;
use matrix_sdk::ruma::events::room::power_levels::UserPowerLevel;
use matrix_sdk::ruma::{
    OwnedServerName, RoomId as MatrixRoomId, RoomOrAliasId, UserId as MatrixUserId,
};
use matrix_sdk::{Room, RoomState};

use super::client::Matrix;
use super::inbound::NETWORK;
use super::invites::{in_time, name};
use super::trouble::Trouble;
use crate::adapter::{RoomAct, RoomAnswer, RoomInfo, SendError};
use crate::domain::id::{RoomId, UserId};
use crate::domain::role::Standing;
use crate::domain::room_command::ROOMS_LISTED_MAX;

impl Matrix {
    /// Does what people ask about rooms.
    pub(super) async fn visit(&self, act: &RoomAct) -> Result<RoomAnswer, SendError> {
        match act {
            RoomAct::List => Ok(self.list().await),
            RoomAct::Named(name) => match self.look_up(name.as_str()).await {
                Ok(found) => Ok(RoomAnswer::Found(found)),
                Err(trouble) => Err(failed(&trouble)),
            },
            RoomAct::Join(room) => self.come_into(room).await.map(RoomAnswer::Room),
            RoomAct::Leave(room) => self.go_out_of(room).await,
            RoomAct::Standing { user, room } => {
                self.standing_of(user, room).await.map(RoomAnswer::Standing)
            }
            RoomAct::Manages(user) => match <&MatrixUserId>::try_from(user.as_str()) {
                Ok(user) => {
                    self.manages(user).await.map(RoomAnswer::Manages).map_err(|why| failed(&why))
                }
                Err(_) => Ok(RoomAnswer::Manages(false)),
            },
            RoomAct::Tell(order) => self.tell(order).await.map(RoomAnswer::Told),
            RoomAct::Whisper(order, message) => {
                self.whisper(order, message).await.map(RoomAnswer::Told)
            }
            RoomAct::Direct { user, known, within_ms } => {
                self.alone_with(user, known.as_ref(), *within_ms).await
            }
            RoomAct::MadeBy { user, name, within_ms } => self.made_by(user, name, *within_ms).await,
            RoomAct::Invite { user, room } => self.invite(user, room).await,
        }
    }

    /// The rooms that the bot is in by their names, the first of them in full.
    async fn list(&self) -> RoomAnswer {
        let mut rooms = self.client.joined_rooms();
        let total = rooms.len();
        rooms.sort_by_cached_key(|room| {
            let name = room.cached_display_name().map(|name| name.to_string().to_lowercase());
            (name, room.room_id().to_owned())
        });
        let mut listed = Vec::new();
        for room in rooms.iter().take(ROOMS_LISTED_MAX) {
            listed.push(info(room).await);
        }
        RoomAnswer::Rooms { total, rooms: listed }
    }

    /// What somebody is in a room that the bot is in, as the homeserver tells it.
    async fn standing_of(&self, user: &UserId, room: &RoomId) -> Result<Standing, SendError> {
        let Ok(user) = <&MatrixUserId>::try_from(user.as_str()) else {
            return Ok(Standing::Stranger);
        };
        let id = <&MatrixRoomId>::try_from(room.as_str()).ok();
        let room = id.and_then(|id| self.client.get_room(id));
        let joined = room.filter(|room| room.state() == RoomState::Joined);
        let Some(room) = joined else { return Err(never("I am not in that room")) };
        let member = in_time(room.get_member(user)).await.map_err(|why| failed(&why))?;
        let member = member.filter(|member| *member.membership() == MembershipState::Join);
        Ok(match member.map(|member| member.power_level()) {
            None => Standing::Stranger,
            Some(UserPowerLevel::Int(power)) => Standing::Member(power.into()),
            // Whoever made the room stands above all levels.
            Some(_) => Standing::Member(i64::MAX),
        })
    }

    async fn come_into(&self, wanted: &RoomId) -> Result<RoomInfo, SendError> {
        let id = <&RoomOrAliasId>::try_from(wanted.as_str());
        let id = id.map_err(|_| never("that is no room of Matrix"))?;
        if let Ok(id) = <&MatrixRoomId>::try_from(wanted.as_str())
            && let Some(room) = self.client.get_room(id)
            && room.state() == RoomState::Joined
            && !self.is_going(id)
        {
            return Ok(info(&room).await);
        }
        // Whoever made the room may still be there to let us in; a name is asked for at its own server.
        let server = wanted.as_str().split_once(':').map(|(_, server)| server);
        let via: Vec<OwnedServerName> =
            server.and_then(|server| server.try_into().ok()).into_iter().collect();
        let joining = async {
            let room = self.client.join_room_by_id_or_alias(id, &via).await?;
            self.is_back(room.room_id());
            Ok(room)
        };
        let room = in_time(joining).await.map_err(|why| failed(&why))?;
        // What it is called comes with the next sync; until then it would be called empty.
        Ok(RoomInfo { name: String::new(), ..info(&room).await })
    }

    /// Leaves a room; one that was left before is left.
    async fn go_out_of(&self, wanted: &RoomId) -> Result<RoomAnswer, SendError> {
        let id = match wanted.as_str().starts_with('#') {
            false => wanted.clone(),
            true => self
                .look_up(wanted.as_str())
                .await
                .map_err(|why| failed(&why))?
                .ok_or_else(|| never("nobody knows a room of that name"))?,
        };
        if self.management_today().as_ref() == Some(&id) {
            return Err(never("that is the management room"));
        }
        let parsed = <&MatrixRoomId>::try_from(id.as_str());
        let room = parsed.ok().and_then(|id| self.client.get_room(id));
        let room = room.ok_or_else(|| never("I am not in that room"))?;
        match room.state() {
            RoomState::Joined if !self.is_going(room.room_id()) => {
                let info = info(&room).await;
                self.depart(&room).await.map_err(|why| failed(&why))?;
                Ok(RoomAnswer::Left { room: info, now: true })
            }
            RoomState::Joined | RoomState::Left => {
                Ok(RoomAnswer::Left { room: info(&room).await, now: false })
            }
            RoomState::Invited | RoomState::Knocked | RoomState::Banned => {
                Err(never("I am not in that room"))
            }
        }
    }
}

async fn info(room: &Room) -> RoomInfo {
    RoomInfo {
        room: RoomId(room.room_id().to_string()),
        name: name(room).await,
        encrypted: room.encryption_state().is_encrypted(),
        members: room.joined_members_count(),
        network: NETWORK.into(),
    }
}

pub(super) fn never(reason: &str) -> SendError {
    SendError::Never { reason: reason.into() }
}

/// What a failure means for who asked.
pub(super) fn failed(trouble: &Trouble) -> SendError {
    let reason = trouble.reason();
    match trouble.passes() {
        true => SendError::Later { reason, after: trouble.after() },
        false => SendError::Never { reason },
    }
}
