//! A sync's answer → the triggers in it, room by room, in their order, with what is missing between filled in.

use std::collections::BTreeSet;

use matrix_sdk::Room;
use matrix_sdk::ruma::UserId as MatrixUserId;
use matrix_sdk::sync::{JoinedRoomUpdate, SyncResponse};

use super::client::Matrix;
use super::doctor::CLOCK_MS_MAX;
use super::gap::{self, GAP_HORIZON_MS, Hole};
use super::heads::{Heads, now_ms};
use super::inbound::{self, Facts, NETWORK};
use super::invites;
use super::late_keys;
use super::looks::Look;
use super::missing::Missing;
use super::pace::now;
use super::position::Position;
use super::receipts::Receipt;
use super::sync::SyncError;
use super::timeline::{Seen, after_join};
use crate::adapter::{Gap, Redaction};
use crate::domain::id::RoomId;
use crate::domain::trigger::{Place, Trigger};

/// The members of a room where the bot is alone with one person.
const DIRECT_MEMBERS: u64 = 2;

/// What one answer brings.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    /// In the order of each room.
    pub triggers: Vec<Trigger>,
    /// The posts that were deleted.
    pub redactions: Vec<Redaction>,
    /// The last post of each room, to be sent when the triggers are recorded.
    pub receipts: Vec<Receipt>,
    /// The holes and what became of them, to be recorded before the position behind them.
    pub gaps: Vec<Gap>,
    /// The look that this is, if it is no sync.
    pub looked: Option<Look>,
    /// The holes that are to be looked at again.
    pub looks: Vec<Look>,
    /// How far each room was gone over, to be kept when the triggers are recorded.
    pub gone_over: Vec<(String, Heads)>,
    /// The posts among the triggers whose keys are missing.
    pub missing: Vec<Missing>,
}

impl Matrix {
    /// The triggers of an answer to a sync from `since`.
    pub(super) async fn harvest(
        &self,
        response: &SyncResponse,
        since: Option<&Position>,
    ) -> Result<Harvest, SyncError> {
        let mut harvest = Harvest::default();
        for (id, update) in &response.rooms.joined {
            let Some(room) = self.client.get_room(id) else {
                tracing::error!(room = %id, "a joined room is unknown");
                continue;
            };
            let mut heads = self.heads(id.as_str()).await?;
            let new = self.new_events(&room, update, since, &heads, &mut harvest).await?;
            if !new.is_empty() {
                heads.advance(&new, now_ms());
                harvest.gone_over.push((id.to_string(), heads));
            }
            let events = self.events(&room, new, since).await?;
            self.note_bridges(&room, &events).await?;
            self.hearing.heard(&events);
            self.hear_bridges(&room, &events).await?;
            self.pulse.step();
            let triggers = self.triggers(&room, &events).await;
            harvest.redactions.extend(self.redactions(&room, &events));
            harvest.missing.extend(late_keys::missing(&triggers, &events));
            harvest.receipts.extend(triggers.last().and_then(Receipt::of));
            harvest.triggers.extend(triggers);
            harvest.triggers.extend(self.happenings(&room, &events).await);
        }
        for (id, update) in &response.rooms.left {
            // What was said before the bot went is for it as ever, even if it cannot answer there.
            let Some(room) = self.client.get_room(id) else { continue };
            let said = update.timeline.events.iter().filter_map(Seen::read).collect();
            let events = after_join(said, self.user.as_str(), since.is_some());
            harvest.triggers.extend(self.triggers(&room, &events).await);
            harvest.redactions.extend(self.redactions(&room, &events));
        }
        self.note_invited(response.rooms.invited.keys());
        self.departures(response).await?;
        Ok(harvest)
    }

    /// The new events of a room: from the gap, if there is one, and from the timeline.
    async fn new_events(
        &self,
        room: &Room,
        update: &JoinedRoomUpdate,
        since: Option<&Position>,
        heads: &Heads,
        harvest: &mut Harvest,
    ) -> Result<Vec<Seen>, SyncError> {
        let timeline: Vec<Seen> = update.timeline.events.iter().filter_map(Seen::read).collect();
        let joins = timeline.iter().any(|seen| seen.is_join_of(self.user.as_str()));
        let announced = update.timeline.limited;
        let own = self.user.server_name().as_str();
        let look = announced || heads.after_silence(&timeline, own, now_ms());
        let mut events = Vec::new();
        if let (Some(since), Some(from)) = (since, &update.timeline.prev_batch)
            && look
            && !joins
        {
            let horizon_ms = since.at.map(|at| at.0 - GAP_HORIZON_MS);
            let hole = Hole::before(&timeline, from, horizon_ms, heads.clone(), announced);
            let (found, gap) = gap::fill(room, &hole, &self.pulse).await?;
            if (announced || !found.is_empty()) && heads.far(own) {
                harvest.looks.push(Look::first(room.room_id().as_str(), hole, &found, now_ms()));
            }
            harvest.gaps.extend(gap);
            events = found;
        }
        events.extend(timeline);
        let mut known = BTreeSet::new();
        events.retain(|seen| known.insert(seen.text("event_id").to_owned()));
        Ok(events)
    }

    /// Those of a room's new events that come after our own join, which is recorded if it is among them.
    pub(super) async fn events(
        &self,
        room: &Room,
        events: Vec<Seen>,
        since: Option<&Position>,
    ) -> Result<Vec<Seen>, SyncError> {
        let user = self.user.as_str();
        let since_ms = since.and_then(|since| since.at).map(|at| at.0 - CLOCK_MS_MAX);
        for seen in &events {
            let new = since_ms.is_some_and(|since_ms| seen.sent_ms() >= since_ms);
            if let Some(inviter) = seen.accepted_invitation_of(user).filter(|_| new) {
                self.joined_by_invitation(room, inviter).await?;
            }
        }
        Ok(after_join(events, user, since.is_some()))
    }

    /// The triggers among a room's events.
    pub(super) async fn triggers(&self, room: &Room, events: &[Seen]) -> Vec<Trigger> {
        let place = self.place(room).await;
        let bridges = self.settings().bridges.clone();
        let mut triggers = Vec::new();
        let now = now();
        for seen in events {
            tracing::trace!(room = %room.room_id(), event = %seen.event, "event");
            let name = name(room, seen.text("sender")).await;
            let facts = Facts {
                account: self.user.as_str(),
                place: &place,
                name: &name,
                now,
                bridges: &bridges,
            };
            triggers.extend(inbound::triggers(seen, &facts));
        }
        triggers
    }

    /// What is known of a room.
    pub(super) async fn place(&self, room: &Room) -> Place {
        let id = RoomId(room.room_id().to_string());
        let network = self.intake.network_of(&id).unwrap_or_else(|error| {
            tracing::error!(%error, "it cannot be read which networks a room is on");
            NETWORK.into()
        });
        Place {
            network,
            room: id,
            name: invites::name(room).await,
            thread: None,
            direct: room.joined_members_count() == DIRECT_MEMBERS,
            encrypted: room.encryption_state().is_encrypted(),
        }
    }

    /// What was deleted, among a room's events.
    pub(super) fn redactions(&self, room: &Room, events: &[Seen]) -> Vec<Redaction> {
        let (account, room) = (self.user.as_str(), room.room_id().as_str());
        events.iter().filter_map(|seen| inbound::redaction(seen, account, room)).collect()
    }
}

/// What a member of a room is called there; empty if it is not known here.
pub(super) async fn name(room: &Room, user: &str) -> String {
    let Ok(user) = <&MatrixUserId>::try_from(user) else {
        return String::new();
    };
    let member = room.get_member_no_sync(user).await.ok().flatten();
    member.and_then(|member| member.display_name().map(str::to_owned)).unwrap_or_default()
}
