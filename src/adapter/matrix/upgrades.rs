//! Room upgrades: the bot goes where a tombstone points, if the room there says that it replaces the one with the tombstone.
//!
//! That somebody had the power for a tombstone is our homeserver's word: a state event without it is rejected there, and
//! also one from afar never reaches us. The other half is checked here: a tombstone may point anywhere, so only a room
//! whose creation names the old room takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use matrix_sdk::deserialized_responses::RawSyncOrStrippedState;
use matrix_sdk::ruma::api::client::state::get_state_event_for_key::v3::Request;
use matrix_sdk::ruma::events::StateEventType;
use matrix_sdk::ruma::events::room::tombstone::RoomTombstoneEventContent;
use matrix_sdk::ruma::{
    OwnedRoomId, OwnedServerName, OwnedUserId, RoomId as MatrixRoomId, RoomOrAliasId,
};
use matrix_sdk::{Room, RoomState};
use serde_json::Value;

use super::client::Matrix;
use super::inbound::short_name;
use super::invites::in_time;
use super::trouble::Trouble;
use crate::adapter::{IntakeError, Upgrade};
use crate::domain::id::RoomId;

/// Most upgrades that are followed after one sync; the others wait for the next.
pub const UPGRADES_MAX_PER_SYNC: usize = 20;
/// How long to wait before a room that could not be reached is tried again.
const AGAIN_MS: u64 = 60_000;
/// Most rooms remembered as joined because of a tombstone.
const CAME_FOR_MAX: usize = 1_000;
/// Why a room with no way back counts for nothing.
const NO_WAY_BACK: &str = "the room there does not say that it replaces this one";

/// Rooms that the bot is in only because a tombstone points there.
pub(super) type CameFor = BTreeSet<OwnedRoomId>;

/// What became of an upgrade in this process, by the old room.
type Tried = BTreeMap<OwnedRoomId, (OwnedRoomId, Again)>;

/// When to look at an upgrade again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Not in this process: it is settled.
    Never,
    /// When the bot is in the new room: it waits to be invited.
    Joined,
    /// After this time.
    At(Instant),
}

/// What to do about a tombstone.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Join,
    Check,
}

/// Decides what to do about a tombstone.
fn step(again: Option<Again>, joined: bool, now: Instant) -> Step {
    match again {
        Some(Again::Never) => Step::Nothing,
        Some(Again::At(at)) if now < at => Step::Nothing,
        _ if joined => Step::Check,
        Some(Again::Joined) => Step::Nothing,
        Some(Again::At(_)) | None => Step::Join,
    }
}

/// Whether the creation of a room names the room before it.
fn names(create: &Value, old: &str) -> bool {
    create["predecessor"]["room_id"] == old
}

impl Matrix {
    /// Follows upgrades whenever there may be some; ends only when nothing can be recorded.
    pub(super) async fn watch_upgrades(&self) -> IntakeError {
        let mut tried = Tried::new();
        loop {
            self.upgraded.notified().await;
            let mut rooms = self.client.joined_rooms();
            rooms.retain(|room| room.is_tombstoned());
            tried.retain(|id, _| rooms.iter().any(|room| room.room_id() == *id));
            let mut steps = 0;
            for old in rooms {
                match self.follow(&old, &mut tried).await {
                    Ok(worked) => steps += usize::from(worked),
                    Err(error) => return error,
                }
                if steps >= UPGRADES_MAX_PER_SYNC {
                    break;
                }
            }
        }
    }

    /// Does what is to be done about one tombstone; false: nothing.
    async fn follow(&self, old: &Room, tried: &mut Tried) -> Result<bool, IntakeError> {
        let id = old.room_id().to_owned();
        let to = match old.successor_room() {
            Some(successor) if successor.room_id != id => successor.room_id,
            _ => return Ok(false),
        };
        let again = tried.get(&id).filter(|(known, _)| *known == to).map(|(_, again)| *again);
        let new = self.client.get_room(&to);
        let joined = new.is_some_and(|room| room.state() == RoomState::Joined);
        let step = step(again, joined, Instant::now());
        if step == Step::Nothing {
            return Ok(false);
        }
        let again = match self.is_followed(&id, &to)? {
            true => Again::Never,
            false => match self.go(old, &to, step == Step::Join).await {
                Ok(()) => self.record_upgrade(old, &to, None).await?,
                Err(why) => self.record_upgrade(old, &to, Some(why)).await?,
            },
        };
        tried.insert(id, (to, again));
        Ok(true)
    }

    /// Joins the new room if need be, and checks that it names the old one.
    async fn go(&self, old: &Room, to: &MatrixRoomId, join: bool) -> Result<(), Trouble> {
        if join {
            let via = self.via(old, to).await;
            in_time(self.client.join_room_by_id_or_alias(<&RoomOrAliasId>::from(to), &via)).await?;
            self.came_for(to);
            self.is_back(to);
        }
        let request = Request::new(to.to_owned(), StateEventType::RoomCreate, String::new());
        let create = self.client.send(request).await.map_err(|error| Trouble::from(&error))?;
        let create = create.into_content().deserialize_as_unchecked::<Value>().unwrap_or_default();
        if names(&create, old.room_id().as_str()) {
            return Ok(());
        }
        let came = self.came_for.lock().unwrap_or_else(|e| e.into_inner()).remove(to);
        if let Some(room) = self.client.get_room(to).filter(|_| came) {
            self.depart(&room).await?;
        }
        Err(Trouble::Local(NO_WAY_BACK.into()))
    }

    /// Records what became of an upgrade, and says when to look again; a failure that passes is not recorded.
    async fn record_upgrade(
        &self,
        old: &Room,
        to: &MatrixRoomId,
        trouble: Option<Trouble>,
    ) -> Result<Again, IntakeError> {
        let room = RoomId(old.room_id().to_string());
        let reason = trouble.as_ref().map(Trouble::reason);
        let later =
            |trouble: &Trouble| trouble.passes() || matches!(trouble, Trouble::LoggedOut(_));
        if let Some(reason) = trouble.filter(later).and(reason.as_ref()) {
            tracing::warn!(%room, %to, reason, "a room upgrade is not followed yet");
            return Ok(Again::At(Instant::now() + Duration::from_millis(AGAIN_MS)));
        }
        let followed = reason.is_none();
        let again = match reason.as_deref() {
            None | Some(NO_WAY_BACK) => Again::Never,
            Some(_) => Again::Joined,
        };
        let reason =
            reason.unwrap_or_else(|| "the room there says that it replaces this one".into());
        tracing::info!(%room, %to, followed, reason, "room upgraded");
        let name = old.cached_display_name().map(|name| short_name(&name.to_string()));
        let upgrade = Upgrade { room, to: RoomId(to.to_string()), followed, reason };
        self.intake.upgrade(upgrade, &name.unwrap_or_default()).await?;
        Ok(again)
    }

    /// Whether the log says that this upgrade was followed.
    fn is_followed(&self, old: &MatrixRoomId, to: &MatrixRoomId) -> Result<bool, IntakeError> {
        let last = self.intake.upgrade_of(&RoomId(old.to_string()))?;
        Ok(last.is_some_and(|last| last.followed && last.to.as_str() == to.as_str()))
    }

    /// Whether a room is the recorded replacement of one that the bot is in.
    pub(super) fn awaited(&self, room: &MatrixRoomId) -> Result<bool, IntakeError> {
        for old in self.client.joined_rooms() {
            let here = old.successor_room().is_some_and(|successor| successor.room_id == room);
            if here {
                let last = self.intake.upgrade_of(&RoomId(old.room_id().to_string()))?;
                if last.is_some_and(|last| last.to.as_str() == room.as_str()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Remembers that the bot is in a room only because a tombstone points there.
    pub(super) fn came_for(&self, room: &MatrixRoomId) {
        let mut came = self.came_for.lock().unwrap_or_else(|e| e.into_inner());
        if came.len() < CAME_FOR_MAX {
            came.insert(room.to_owned());
        }
    }

    /// The homeservers that should know the new room: that of who made the tombstone, and those in the ids.
    async fn via(&self, old: &Room, to: &MatrixRoomId) -> Vec<OwnedServerName> {
        let tombstone = old.get_state_event_static::<RoomTombstoneEventContent>().await;
        let sender: Option<OwnedUserId> = match tombstone {
            Ok(Some(RawSyncOrStrippedState::Sync(raw))) => raw.get_field("sender").ok().flatten(),
            _ => None,
        };
        let mut via: Vec<OwnedServerName> =
            sender.iter().map(|sender| sender.server_name().to_owned()).collect();
        for server in [to.server_name(), old.room_id().server_name()].into_iter().flatten() {
            if !via.iter().any(|known| known == server) {
                via.push(server.to_owned());
            }
        }
        via
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tombstone_is_followed_once() {
        let now = Instant::now();
        let (past, later) = (Again::At(now), Again::At(now + Duration::from_secs(1)));
        for (again, joined, want) in [
            (None, false, Step::Join),
            (None, true, Step::Check),
            (Some(Again::Never), true, Step::Nothing),
            (Some(Again::Never), false, Step::Nothing),
            (Some(Again::Joined), false, Step::Nothing),
            (Some(Again::Joined), true, Step::Check),
            (Some(past), false, Step::Join),
            (Some(past), true, Step::Check),
            (Some(later), false, Step::Nothing),
            (Some(later), true, Step::Nothing),
        ] {
            assert_eq!(step(again, joined, now), want, "{again:?} {joined}");
        }
    }

    #[test]
    fn only_a_room_that_names_the_old_one_replaces_it() {
        for (create, want) in [
            (json!({"predecessor": {"room_id": "!old:hs", "event_id": "$last"}}), true),
            (json!({"predecessor": {"room_id": "!old:hs"}, "room_version": "12"}), true),
            (json!({"predecessor": {"room_id": "!other:hs"}}), false),
            (json!({"predecessor": "!old:hs"}), false),
            (json!({}), false),
            (Value::Null, false),
        ] {
            assert_eq!(names(&create, "!old:hs"), want, "{create}");
        }
    }
}
