//! Invitations: who may bring the bot into a room; everybody else is declined, and every outcome is recorded.
//!
//! Whoever may invite does not wait for strangers: the bot joins at once, and declines slowly.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use matrix_sdk::deserialized_responses::RawAnySyncOrStrippedState;
use matrix_sdk::ruma::events::StateEventType;
use matrix_sdk::ruma::events::room::member::MembershipState;
use matrix_sdk::ruma::{OwnedRoomId, RoomId as MatrixRoomId, UserId as MatrixUserId};
use matrix_sdk::{Room, RoomState};
use tokio::task::JoinSet;

use super::client::Matrix;
use super::declines::{Declines, Noted, Stranger};
use super::departures::leave;
use super::inbound::short_name;
use super::pace::{now, wait_ms};
use super::trouble::Trouble;
use crate::adapter::{Flood, IntakeError, Invite};
use crate::domain::id::{PostId, RoomId, UserId};

/// Most rooms that are joined at the same time; joins over federation are slow.
pub const JOINS_AT_ONCE: usize = 8;
/// Most invitations that wait to be followed; others wait at the homeserver.
pub const GUESTS_MAX: usize = 1_000;
/// Most invitations that are looked at in one go.
const SORTED_AT_ONCE: usize = 1_000;
/// Tries to join a room before its invitation is declined.
const JOIN_ATTEMPTS_MAX: u32 = 3;
/// Longest wait for a join or a leave.
const JOIN_MS_MAX: u64 = 60_000;
/// How often waiting invitations are looked at although nothing new was heard of them.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// What is decided on an invitation, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    accepted: bool,
    reason: &'static str,
}

/// Decides an invitation by who sent it.
pub(super) fn verdict(allow: &[String], inviter: &str, manages: bool) -> Verdict {
    if allow.iter().any(|pattern| matches(pattern, inviter)) {
        Verdict { accepted: true, reason: "the inviter is on the allow-list" }
    } else if manages {
        Verdict { accepted: true, reason: "the inviter is in the management room" }
    } else {
        let reason = "the inviter is neither on the allow-list nor in the management room";
        Verdict { accepted: false, reason }
    }
}

/// Whether a pattern, in which `*` stands for any text, matches a whole account.
fn matches(pattern: &str, account: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == account;
    };
    let Some(rest) = account.strip_prefix(head) else {
        return false;
    };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    let mut ends = ends;
    match tail.contains('*') {
        true => ends.any(|at| matches(tail, &rest[at..])),
        false => rest.ends_with(tail),
    }
}

/// An invitation that is followed.
#[derive(Debug)]
struct Guest {
    inviter: String,
    reason: &'static str,
    tries: u32,
    due_ms: i64,
    under_way: bool,
}

/// What came of something that was tried at the homeserver.
enum Done {
    Joined(OwnedRoomId, Result<(), Trouble>),
    Declined(OwnedRoomId, Result<(), Trouble>),
}

/// Looks after the invitations that wait.
struct Porter<'a> {
    matrix: &'a Matrix,
    guests: BTreeMap<OwnedRoomId, Guest>,
    declines: Declines,
    tried: JoinSet<Done>,
    began: Instant,
}

impl Matrix {
    /// Decides waiting invitations whenever there may be some; ends only when nothing can be recorded.
    pub(super) async fn watch_invites(&self) -> IntakeError {
        let mut porter = Porter {
            matrix: self,
            guests: BTreeMap::new(),
            declines: Declines::default(),
            tried: JoinSet::new(),
            began: Instant::now(),
        };
        loop {
            if let Err(error) = porter.round().await {
                return error;
            }
        }
    }

    /// Records a join that a sync shows: the process that joined may have died before it could.
    pub(super) async fn joined_by_invitation(
        &self,
        room: &Room,
        inviter: &str,
    ) -> Result<(), IntakeError> {
        let manages = match <&MatrixUserId>::try_from(inviter) {
            Ok(inviter) => self.manages(inviter).await.unwrap_or(false),
            Err(_) => false,
        };
        let verdict = verdict(&self.may_invite(), inviter, manages);
        let reason = if verdict.accepted { verdict.reason } else { "joined by hand" };
        self.is_back(room.room_id());
        let invite = invitation(room, inviter, true, reason.into()).await;
        self.intake.invite(invite).await
    }

    /// The management room, or the one that took its place.
    pub(super) fn management_today(&self) -> Option<RoomId> {
        self.management_room().and_then(|id| self.intake.current(&id).ok())
    }

    /// Whose invitations are accepted: those of the list, and the bridges in use, which make rooms for what they carry.
    fn may_invite(&self) -> Vec<String> {
        let settings = self.settings();
        let server = self.user.server_name();
        let own = settings.bridges.used().flat_map(|profile| profile.own_accounts());
        let bots = own.map(|local| format!("@{local}:{server}"));
        settings.invites_allow.iter().cloned().chain(bots).collect()
    }

    /// Whether somebody is in the management room.
    pub(super) async fn manages(&self, user: &MatrixUserId) -> Result<bool, Trouble> {
        let id = self.management_today();
        let id = id.as_ref().and_then(|id| <&MatrixRoomId>::try_from(id.as_str()).ok());
        let room = id.and_then(|id| self.client.get_room(id));
        let Some(room) = room.filter(|room| room.state() == RoomState::Joined) else {
            return Ok(false);
        };
        let member = room.get_member(user).await.map_err(|error| Trouble::from(&error))?;
        Ok(member.is_some_and(|member| *member.membership() == MembershipState::Join))
    }
}

impl Porter<'_> {
    /// Waits until there is something to do, and does it.
    async fn round(&mut self) -> Result<(), IntakeError> {
        let due = self.due_in();
        tokio::select! {
            () = self.matrix.invited.notified() => self.look().await?,
            Some(done) = self.tried.join_next() => match done {
                Ok(done) => self.done(done).await?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            },
            () = tokio::time::sleep(due) => self.look().await?,
        }
        self.record_gathered().await?;
        self.join();
        self.decline();
        Ok(())
    }

    fn now_ms(&self) -> i64 {
        self.began.elapsed().as_millis().try_into().unwrap_or(i64::MAX)
    }

    /// How long nothing is to be done by itself.
    fn due_in(&self) -> Duration {
        let waiting = self.guests.values().filter(|guest| !guest.under_way);
        let joins = waiting.map(|guest| guest.due_ms).min();
        let due = joins.filter(|_| self.joining() < JOINS_AT_ONCE).into_iter();
        let due = due.chain(self.declines.due()).min();
        let ms = due.map(|due| due.saturating_sub(self.now_ms()).max(1));
        ms.map_or(LOOK_EVERY, |ms| Duration::from_millis(ms.unsigned_abs()).min(LOOK_EVERY))
    }

    fn joining(&self) -> usize {
        self.guests.values().filter(|guest| guest.under_way).count()
    }

    /// Sorts the invitations that are new: whom to follow, and whom to decline.
    async fn look(&mut self) -> Result<(), IntakeError> {
        let renewed = self.matrix.take_renewed();
        let rooms = self.matrix.client.invited_rooms();
        self.guests
            .retain(|id, guest| guest.under_way || rooms.iter().any(|room| room.room_id() == *id));
        let waits = |id: &str| rooms.iter().any(|room| room.room_id().as_str() == id);
        for id in self.declines.settle(waits) {
            if let Ok(id) = <&MatrixRoomId>::try_from(id.as_str()) {
                self.matrix.forget(id);
            }
        }
        let known =
            |id: &MatrixRoomId| self.guests.contains_key(id) || self.declines.knows(id.as_str());
        let mut new: Vec<Room> = rooms
            .into_iter()
            .filter(|room| renewed.contains(room.room_id()) || !known(room.room_id()))
            .collect();
        // What has just come is before what has been waiting for room in the queues.
        new.sort_by_key(|room| !renewed.contains(room.room_id()));
        for room in new.iter().take(SORTED_AT_ONCE) {
            self.sort(room).await?;
        }
        Ok(())
    }

    async fn sort(&mut self, room: &Room) -> Result<(), IntakeError> {
        let id = room.room_id();
        let Ok(details) = room.invite_details().await else {
            tracing::debug!(room = %id, "invitation without an inviter");
            return Ok(());
        };
        let inviter = details.inviter_id;
        let manages = match self.matrix.manages(&inviter).await {
            Ok(manages) => manages,
            Err(trouble) => {
                let reason = trouble.reason();
                tracing::warn!(room = %id, reason, "an invitation waits: who may invite is not known");
                return Ok(());
            }
        };
        let mut verdict = verdict(&self.matrix.may_invite(), inviter.as_str(), manages);
        if !verdict.accepted && self.matrix.awaited(id)? {
            let reason = "the room replaces one that the bot is in";
            verdict = Verdict { accepted: true, reason };
            self.matrix.came_for(id);
        }
        if !verdict.accepted {
            return self.refuse(room, inviter.as_str(), verdict.reason.into()).await;
        }
        // Somebody who may invite has invited where only a stranger had.
        self.declines.forget(id.as_str());
        if self.guests.len() < GUESTS_MAX && !self.guests.contains_key(id) {
            let (reason, due_ms) = (verdict.reason, self.now_ms());
            let inviter = inviter.to_string();
            let guest = Guest { inviter, reason, tries: 0, due_ms, under_way: false };
            self.guests.insert(id.to_owned(), guest);
        }
        Ok(())
    }

    /// Takes note of an invitation that is declined; most often it is recorded at once.
    async fn refuse(
        &mut self,
        room: &Room,
        inviter: &str,
        reason: String,
    ) -> Result<(), IntakeError> {
        let id = room.room_id().to_string();
        let stranger = Stranger { room: id.clone(), inviter: inviter.to_owned() };
        if self.declines.note(stranger, self.now_ms()) == Noted::Singly {
            tracing::info!(room = id, inviter, reason, "invitation declined");
            self.matrix.intake.invite(invitation(room, inviter, false, reason).await).await?;
            self.declines.recorded(id);
        }
        Ok(())
    }

    /// Records what was gathered in a flood, when it is time.
    async fn record_gathered(&mut self) -> Result<(), IntakeError> {
        let now_ms = self.now_ms();
        let Some(gathered) = self.declines.gathered(now_ms) else { return Ok(()) };
        tracing::warn!(count = gathered.count, "a flood of invitations is declined");
        let inviters = gathered.inviters.into_iter().map(UserId).collect();
        let since = now().plus_ms(gathered.since_ms - now_ms);
        self.matrix.intake.flood(Flood { count: gathered.count, inviters, since }).await?;
        self.declines.told(now_ms);
        Ok(())
    }

    /// Begins to join where that is due.
    fn join(&mut self) {
        let now_ms = self.now_ms();
        let free = JOINS_AT_ONCE.saturating_sub(self.joining());
        let due = self.guests.iter_mut().filter(|(_, guest)| !guest.under_way);
        for (id, guest) in due.filter(|(_, guest)| guest.due_ms <= now_ms).take(free) {
            let Some(room) = invited(self.matrix, id) else { continue };
            guest.under_way = true;
            self.tried.spawn(async move {
                let joined = in_time(room.join()).await;
                Done::Joined(room.room_id().to_owned(), joined)
            });
        }
    }

    /// Begins to decline as the pace allows. An invitation that is gone costs nothing.
    fn decline(&mut self) {
        while let Some(id) = self.declines.next(self.now_ms()) {
            let parsed = OwnedRoomId::try_from(id.as_str()).ok();
            let Some(room) = parsed.and_then(|id| invited(self.matrix, &id)) else {
                self.declines.left(&id);
                continue;
            };
            self.tried.spawn(async move {
                let left = leave(&room).await;
                Done::Declined(room.room_id().to_owned(), left)
            });
        }
    }

    async fn done(&mut self, done: Done) -> Result<(), IntakeError> {
        match done {
            Done::Joined(id, joined) => self.tried_to_join(&id, joined).await,
            Done::Declined(id, left) => {
                self.tried_to_decline(id.as_str(), left);
                Ok(())
            }
        }
    }

    async fn tried_to_join(
        &mut self,
        id: &MatrixRoomId,
        joined: Result<(), Trouble>,
    ) -> Result<(), IntakeError> {
        let now_ms = self.now_ms();
        let Some(mut guest) = self.guests.remove(id) else { return Ok(()) };
        let Some(room) = self.matrix.client.get_room(id) else { return Ok(()) };
        let inviter = guest.inviter.as_str();
        let Err(trouble) = joined else {
            tracing::info!(room = %id, inviter, reason = guest.reason, "invitation accepted");
            self.matrix.is_back(id);
            self.matrix.upgraded.notify_one();
            let invite = invitation(&room, inviter, true, guest.reason.into()).await;
            return self.matrix.intake.invite(invite).await;
        };
        if room.state() == RoomState::Joined {
            // It came in another way meanwhile, and that is recorded.
            return Ok(());
        }
        let reason = trouble.reason();
        guest.tries += 1;
        tracing::warn!(room = %id, attempt = guest.tries, reason, "cannot join");
        if !trouble.passes() || guest.tries >= JOIN_ATTEMPTS_MAX {
            return self.refuse(&room, inviter, format!("cannot join: {reason}")).await;
        }
        guest.under_way = false;
        guest.due_ms = now_ms.saturating_add_unsigned(wait_ms(guest.tries, &trouble));
        self.guests.insert(id.to_owned(), guest);
        Ok(())
    }

    fn tried_to_decline(&mut self, id: &str, left: Result<(), Trouble>) {
        let trouble = match left {
            // Whoever has withdrawn the invitation leaves nothing to decline.
            Ok(()) | Err(Trouble::Refused { .. }) => return self.declines.left(id),
            Err(trouble) => trouble,
        };
        tracing::warn!(room = id, reason = trouble.reason(), "invitation not declined yet");
        // What can never be declined stays known, so that it is not recorded again.
        if trouble.passes() {
            let after = trouble.after().unwrap_or_default().as_millis();
            let now_ms = self.now_ms();
            self.declines.failed(id.to_owned(), after.try_into().unwrap_or(i64::MAX / 2), now_ms);
        }
    }
}

/// The room, if the bot is still invited into it.
fn invited(matrix: &Matrix, id: &MatrixRoomId) -> Option<Room> {
    matrix.client.get_room(id).filter(|room| room.state() == RoomState::Invited)
}

/// An invitation and what became of it.
async fn invitation(room: &Room, inviter: &str, accepted: bool, reason: String) -> Invite {
    Invite {
        room: RoomId(room.room_id().to_string()),
        inviter: UserId(inviter.to_owned()),
        accepted,
        reason,
        name: name(room).await,
        encrypted: room.encryption_state().is_encrypted(),
        post: if accepted { None } else { post(room).await },
    }
}

/// What a room is called.
pub(super) async fn name(room: &Room) -> String {
    let name = match room.cached_display_name() {
        Some(name) => Some(name),
        None => room.display_name().await.ok(),
    };
    name.map(|name| short_name(&name.to_string())).unwrap_or_default()
}

/// The event that invites; not every homeserver tells its id.
async fn post(room: &Room) -> Option<PostId> {
    let client = room.client();
    let user = room.own_user_id().as_str();
    let found = client
        .state_store()
        .get_state_event(room.room_id(), StateEventType::RoomMember, user)
        .await;
    let event = match found.ok()?? {
        RawAnySyncOrStrippedState::Stripped(event) => event.cast_unchecked::<serde_json::Value>(),
        RawAnySyncOrStrippedState::Sync(event) => event.cast_unchecked(),
    };
    Some(PostId(event.get_field::<String>("event_id").ok()??))
}

/// Waits for a join or a leave, but not for ever.
pub(super) async fn in_time<T>(
    what: impl Future<Output = matrix_sdk::Result<T>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(Duration::from_millis(JOIN_MS_MAX), what).await {
        Ok(result) => result.map_err(|error| (&error).into()),
        Err(_) => Err(Trouble::Unreachable("no answer in time".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_accounts() {
        for (pattern, account, want) in [
            ("@ana:hs.org", "@ana:hs.org", true),
            ("@ana:hs.org", "@ana:hs.org.evil", false),
            ("@*:hs.org", "@ana:hs.org", true),
            ("@*:hs.org", "@ana:evil.org", false),
            ("@*:hs.org", "@ana:hs.org.evil", false),
            ("@*:hs.org", "@:hs.org", true),
            ("@ana:*", "@ana:anywhere", true),
            ("*", "@ana:hs", true),
            ("@*-ops:*.org", "@ana-ops:hs.org", true),
            ("@*-ops:*.org", "@ana:hs.org", false),
            ("@a*a:hs", "@a:hs", false),
            ("@*ä*:hs", "@xäy:hs", true),
            ("", "@ana:hs", false),
        ] {
            assert_eq!(matches(pattern, account), want, "{pattern:?} {account:?}");
        }
    }

    #[test]
    fn invitations_need_a_reason_to_be_accepted() {
        let allow = vec!["@*:hs.org".to_owned()];
        for (inviter, manages, want) in [
            ("@ana:hs.org", false, true),
            ("@bob:else.org", true, true),
            ("@bob:else.org", false, false),
        ] {
            assert_eq!(verdict(&allow, inviter, manages).accepted, want, "{inviter} {manages}");
        }
        assert!(!verdict(&[], "@ana:hs.org", false).accepted, "an empty list allows nobody");
    }
}
