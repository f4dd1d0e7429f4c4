//! Invitations: who may bring the bot into a room; everybody else is declined, and every outcome is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use matrix_sdk::ruma::events::room::member::MembershipState;
use matrix_sdk::ruma::{OwnedRoomId, UserId as MatrixUserId};
use matrix_sdk::{Room, RoomState};

use super::client::Matrix;
use super::trouble::Trouble;
use crate::adapter::{IntakeError, Invite};
use crate::domain::id::{RoomId, UserId};

/// Most invitations decided after one sync; the others wait for the next.
pub const INVITES_MAX_PER_SYNC: usize = 20;
/// Tries to join a room before its invitation is declined.
const JOIN_ATTEMPTS_MAX: u32 = 3;
/// Longest wait for a join or a leave; joins over federation are slow.
const JOIN_MS_MAX: u64 = 60_000;
/// Most joined rooms remembered as recorded; past it a join may be recorded twice.
const JOINED_MAX: usize = 1_000;

/// The rooms whose accepted invitation this process has recorded.
pub(super) type Joined = BTreeSet<String>;

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

impl Matrix {
    /// Decides waiting invitations whenever there may be some; ends only when nothing can be recorded.
    pub(super) async fn watch_invites(&self) -> IntakeError {
        let mut attempts = BTreeMap::new();
        loop {
            self.invited.notified().await;
            let rooms = self.client.invited_rooms();
            attempts.retain(|id, _| rooms.iter().any(|room| room.room_id() == *id));
            for room in rooms.into_iter().take(INVITES_MAX_PER_SYNC) {
                if let Err(error) = self.decide_invite(&room, &mut attempts).await {
                    return error;
                }
            }
        }
    }

    async fn decide_invite(
        &self,
        room: &Room,
        attempts: &mut BTreeMap<OwnedRoomId, u32>,
    ) -> Result<(), IntakeError> {
        let Ok(details) = room.invite_details().await else {
            tracing::warn!(room = %room.room_id(), "invitation without an inviter");
            return Ok(());
        };
        let inviter = details.inviter_id;
        let manages = self.manages(&inviter).await;
        let mut verdict = verdict(&self.settings().invites_allow, inviter.as_str(), manages);
        if !verdict.accepted && self.awaited(room.room_id())? {
            let reason = "the room replaces one that the bot is in";
            verdict = Verdict { accepted: true, reason };
            self.came_for(room.room_id());
        }
        if !verdict.accepted {
            return self.decline(room, inviter.as_str(), verdict.reason.into()).await;
        }
        let Err(trouble) = in_time(room.join()).await else {
            self.upgraded.notify_one();
            return self.record_join(room.room_id().as_str(), inviter.as_str(), verdict).await;
        };
        let reason = trouble.reason();
        let attempt = attempts.entry(room.room_id().to_owned()).or_default();
        *attempt += 1;
        tracing::warn!(room = %room.room_id(), attempt, reason, "cannot join");
        match trouble.passes() && *attempt < JOIN_ATTEMPTS_MAX {
            true => Ok(()),
            false => self.decline(room, inviter.as_str(), format!("cannot join: {reason}")).await,
        }
    }

    /// Records a refusal, then leaves: the invitation is gone after that.
    async fn decline(&self, room: &Room, inviter: &str, reason: String) -> Result<(), IntakeError> {
        let id = room.room_id().as_str();
        tracing::info!(room = id, inviter, reason, "invitation declined");
        self.intake.invite(invite(id, inviter, false, reason)).await?;
        if let Err(trouble) = in_time(room.leave()).await {
            tracing::warn!(room = id, reason = trouble.reason(), "invitation not declined yet");
        }
        Ok(())
    }

    /// Records that we came into a room, once in this process.
    async fn record_join(
        &self,
        room: &str,
        inviter: &str,
        verdict: Verdict,
    ) -> Result<(), IntakeError> {
        {
            let mut joined = self.joined.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !remember(&mut joined, room) {
                return Ok(());
            }
        }
        tracing::info!(room, inviter, reason = verdict.reason, "invitation accepted");
        self.intake.invite(invite(room, inviter, true, verdict.reason.into())).await
    }

    /// Records a join that a sync shows: the process that joined may have died before it could.
    pub(super) async fn joined_by_invitation(
        &self,
        room: &str,
        inviter: &str,
    ) -> Result<(), IntakeError> {
        let manages = match <&MatrixUserId>::try_from(inviter) {
            Ok(inviter) => self.manages(inviter).await,
            Err(_) => false,
        };
        let mut verdict = verdict(&self.settings().invites_allow, inviter, manages);
        if !verdict.accepted {
            verdict = Verdict { accepted: true, reason: "joined by hand" };
        }
        self.record_join(room, inviter, verdict).await
    }

    /// Whether somebody is in the management room.
    async fn manages(&self, user: &MatrixUserId) -> bool {
        let id = self.management_room().and_then(|id| self.intake.current(&id).ok());
        let id = id.as_ref().map(RoomId::as_str);
        let id = id.and_then(|id| <&matrix_sdk::ruma::RoomId>::try_from(id).ok());
        let room = id.and_then(|id| self.client.get_room(id));
        let Some(room) = room.filter(|room| room.state() == RoomState::Joined) else {
            return false;
        };
        let member = room.get_member(user).await.ok().flatten();
        member.is_some_and(|member| *member.membership() == MembershipState::Join)
    }
}

/// Remembers a room as recorded; false: it is remembered already.
fn remember(joined: &mut Joined, room: &str) -> bool {
    if joined.len() >= JOINED_MAX {
        joined.clear();
    }
    joined.insert(room.to_owned())
}

fn invite(room: &str, inviter: &str, accepted: bool, reason: String) -> Invite {
    let (room, inviter) = (RoomId(room.to_owned()), UserId(inviter.to_owned()));
    Invite { room, inviter, accepted, reason }
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
    fn joined_rooms_are_remembered_up_to_a_bound() {
        let mut joined = Joined::default();
        for nth in 0..3 * JOINED_MAX {
            assert!(remember(&mut joined, &format!("!{nth}")), "{nth}");
            assert!(joined.len() <= JOINED_MAX, "{}", joined.len());
        }
        joined.clear();
        assert!(remember(&mut joined, "!a"));
        assert!(!remember(&mut joined, "!a"), "it is remembered");
    }

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
