//! Rooms where nobody else is: after a while the bot leaves them, so that it does not gather dead rooms over the months.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use matrix_sdk::Room;
use matrix_sdk::ruma::OwnedRoomId;
use matrix_sdk::ruma::api::client::membership::get_member_events::v3::Request as GetMembers;
use matrix_sdk::ruma::events::room::member::MembershipState;

use super::client::Matrix;
use super::invites::name;
use super::trouble::Trouble;
use crate::adapter::{IntakeError, Left};
use crate::domain::event::Departure;
use crate::domain::id::RoomId;

/// The longest between two looks at who is in the rooms.
pub const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);
/// The shortest between two looks.
const LOOK_EVERY_MIN: Duration = Duration::from_secs(1);
/// Most rooms that are left in one look; others have to wait for the next.
pub const LEFT_AT_ONCE: usize = 5;

/// Since when the bot is alone in rooms.
#[derive(Debug, Default)]
struct Alone(BTreeMap<OwnedRoomId, Instant>);

impl Alone {
    /// Takes the rooms where it is alone now; gives those where it has been for long enough, the longest first.
    fn see(
        &mut self,
        rooms: BTreeSet<OwnedRoomId>,
        now: Instant,
        grace: Duration,
    ) -> Vec<OwnedRoomId> {
        self.0.retain(|room, _| rooms.contains(room));
        for room in rooms {
            self.0.entry(room).or_insert(now);
        }
        let mut due: Vec<_> = self.0.iter().filter(|(_, since)| now - **since >= grace).collect();
        due.sort_by_key(|(_, since)| **since);
        due.into_iter().take(LEFT_AT_ONCE).map(|(room, _)| room.clone()).collect()
    }

    /// Begins anew for a room: somebody is there after all, or it could not be left.
    fn again(&mut self, room: &OwnedRoomId) {
        self.0.remove(room);
    }
}

/// Whether this is the room that somebody configured by id or name.
fn is_called(room: &Room, name: &RoomId) -> bool {
    let called = room.canonical_alias().is_some_and(|alias| alias.as_str() == name.as_str());
    called || room.room_id().as_str() == name.as_str()
}

impl Matrix {
    /// Leaves rooms where the bot has been alone for too long; ends only when nothing can be recorded.
    ///
    /// The time is counted anew after a start: rather too late than out of a room that people are coming back to.
    pub(super) async fn watch_alone(&self) -> IntakeError {
        let mut alone = Alone::default();
        loop {
            let grace = self.settings().leave_alone_after;
            let often = grace.map_or(LOOK_EVERY_MAX, |grace| grace / 4);
            tokio::time::sleep(often.clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)).await;
            let Some(grace) = grace.filter(|_| *self.ready.borrow()) else { continue };
            let rooms = self.client.joined_rooms();
            let deserted = rooms.iter().filter(|room| self.deserted(room));
            let deserted = deserted.map(|room| room.room_id().to_owned()).collect();
            for id in alone.see(deserted, Instant::now(), grace) {
                alone.again(&id);
                let Some(room) = self.client.get_room(&id) else { continue };
                if let Err(error) = self.leave_alone(&room).await {
                    return error;
                }
            }
        }
    }

    /// Whether nobody else is or is asked to be in a room, as far as is known here. The management room and the audit room are kept.
    fn deserted(&self, room: &Room) -> bool {
        let management = self.management_today();
        let kept = management.is_some_and(|id| id.as_str() == room.room_id().as_str())
            || self.settings().audit_room.as_ref().is_some_and(|audit| is_called(room, audit));
        !kept && !self.is_going(room.room_id()) && room.active_members_count() == 1
    }

    /// Leaves a room, if the homeserver too says that nobody else is there.
    async fn leave_alone(&self, room: &Room) -> Result<(), IntakeError> {
        match self.others(room).await {
            Ok(0) => {}
            Ok(others) => {
                tracing::debug!(room = %room.room_id(), others, "not alone in a room after all");
                return Ok(());
            }
            Err(trouble) => {
                let reason = trouble.reason();
                tracing::warn!(room = %room.room_id(), reason, "cannot see whether a room is empty");
                return Ok(());
            }
        }
        let name = name(room).await;
        if let Err(trouble) = self.depart(room).await {
            let reason = trouble.reason();
            tracing::warn!(room = %room.room_id(), reason, "cannot leave a room where nobody is");
            return Ok(());
        }
        tracing::info!(room = %room.room_id(), "left a room where nobody else was");
        let (id, how) = (RoomId(room.room_id().to_string()), Departure::Alone);
        self.intake.left(Left { room: id, name, how, by: None, words: None }).await
    }

    /// How many others are in a room or are asked to be, as the homeserver says.
    async fn others(&self, room: &Room) -> Result<usize, Trouble> {
        let request = GetMembers::new(room.room_id().to_owned());
        let answer = self.client.send(request).await.map_err(|error| Trouble::from(&error))?;
        let members = answer.chunk.iter().filter_map(|raw| raw.deserialize().ok());
        let present = [MembershipState::Join, MembershipState::Invite, MembershipState::Knock];
        let others = members.filter(|member| *member.state_key() != self.user);
        Ok(others.filter(|member| present.contains(member.membership())).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    fn rooms(names: &str) -> BTreeSet<OwnedRoomId> {
        let id = |name: &str| OwnedRoomId::try_from(format!("!{name}:hs")).expect("a room id");
        names.split_whitespace().map(id).collect()
    }

    #[test]
    fn a_room_is_left_after_a_time_alone_in_it() {
        let (began, mut alone) = (Instant::now(), Alone::default());
        for (second, deserted, want) in [
            (0, "a", ""),
            (30, "a b", ""),
            (59, "a b", ""),
            (60, "a b", "a"),
            (61, "b", ""),
            (70, "", ""),
            (89, "b", ""),
            (91, "b", ""),
            (149, "b", "b"),
        ] {
            let now = began + Duration::from_secs(second);
            let due = alone.see(rooms(deserted), now, GRACE);
            assert_eq!(due, rooms(want).into_iter().collect::<Vec<_>>(), "after {second} s");
        }
    }

    #[test]
    fn only_so_many_are_left_at_once() {
        let (began, mut alone) = (Instant::now(), Alone::default());
        let many = rooms("a b c d e f g");
        assert!(alone.see(many.clone(), began, GRACE).is_empty());
        let due = alone.see(many.clone(), began + GRACE, GRACE);
        assert_eq!(due.len(), LEFT_AT_ONCE);
        due.iter().for_each(|room| alone.again(room));
        assert_eq!(alone.see(many, began + GRACE, GRACE).len(), 2, "the others come next");
    }
}
