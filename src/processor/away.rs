//! Networks that are lost at work: what is to be said there waits in its lane, and what may not have arrived is told.

use std::collections::BTreeMap;

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, sheet};
use crate::domain::bridge::identity::parts;
use crate::domain::bridge::setup::Setups;
use crate::domain::bridge::setup::away::{ALONE_HELD_MS, UNSURE_MS, Wait};
use crate::domain::event::{BridgeBack, BridgeStands, Event, MessageQueued, Meta};
use crate::domain::id::{ExecutionId, MessageId, Position, RoomId, Timestamp, Version};
use crate::domain::message::Doc;
use crate::domain::trigger::Speaker;
use crate::domain::words::setups as words;
use crate::query::agenda::lane_to;
use crate::store::{By, Direction, ReadError, Write};

/// Most events of a room that are looked through for what may not have arrived on a network.
pub const MISSED_EVENTS_MAX: usize = 512;
/// Most rooms of a network that are told of it.
pub const MISSED_ROOMS_MAX: usize = 16;
/// Most executions that are named to a room as those that said it. What they said stands in the log alone: who has it erased
/// need not look for it elsewhere.
pub const EXECUTIONS_NAMED_MAX: usize = 3;

impl Kernel {
    /// The lanes that wait for a network that is lost, and until when.
    pub(super) fn lanes_away(&self, now: Timestamp) -> BTreeMap<String, Timestamp> {
        let lanes = || -> Result<BTreeMap<String, Timestamp>, ReadError> {
            let mut lanes = BTreeMap::new();
            if self.settings().bridges.used().next().is_none() {
                return Ok(lanes);
            }
            for (room, (wait, _)) in self.setups()?.0.waiting(now) {
                let lane = lane_to(self.pseudonym_of(room).as_ref());
                let until = match wait {
                    Wait::Until(until) => Some(until),
                    // The oldest of them is told of when it has waited too long.
                    Wait::ForNetwork => self.oldest_in(&lane)?.map(|at| at.plus_ms(ALONE_HELD_MS)),
                };
                lanes.extend(until.filter(|until| *until > now).map(|until| (lane, until)));
            }
            Ok(lanes)
        };
        lanes().unwrap_or_else(|error| {
            tracing::error!(%error, "it cannot be read which networks are lost");
            BTreeMap::new()
        })
    }

    /// Somebody of a network that counts as lost is heard, who spoke when it had been for a while: it is there again, although
    /// the bridge has not been heard to say so.
    pub(super) async fn heard_from(&self, who: &Speaker, at: Timestamp) -> Result<(), Error> {
        let Some((_, network)) = who.account.as_deref().and_then(parts) else { return Ok(()) };
        for _ in 0..ATTEMPTS_MAX {
            let (setups, version) = self.setups()?;
            let lost = setups.outage_of(network).filter(|outage| outage.until.is_none());
            let (Some(outage), Some(stands)) = (lost, setups.standing_on(network).next()) else {
                return Ok(());
            };
            if at < outage.since.plus_ms(UNSURE_MS) {
                return Ok(());
            }
            let back = BridgeBack { network: stands.network.clone() };
            let told = words::back(&back);
            let meta = Meta { room: Some(stands.network_room.clone()), ..Meta::default() };
            let tried = self.tell_outage(&setups, version, back.into(), &told, &meta).await?;
            if !matches!(tried, Tried::Moved) {
                return Ok(());
            }
        }
        tracing::warn!("the log moved on every time that a network was heard again");
        Ok(())
    }

    /// Why a message that has waited so long for its network is not said any more; none: it is said.
    pub(super) fn too_long_away(
        &self,
        queued: &MessageQueued,
        queued_at: Timestamp,
    ) -> Result<Option<String>, ReadError> {
        let now = self.clock.now();
        if now.0 - queued_at.0 < ALONE_HELD_MS {
            return Ok(None);
        }
        let (setups, _) = self.setups()?;
        let waiting = setups.waiting(now);
        Ok(match waiting.get(&self.named_room(&queued.place.room)) {
            Some((Wait::ForNetwork, what)) => Some(words::lost_too_long(what)),
            Some((Wait::Until(_), _)) | None => None,
        })
    }

    /// What the rooms of a network or channel that is back are told: what was said there while it was lost may not have
    /// arrived.
    pub(super) fn told_missed(
        &self,
        setups: &Setups,
        event: &Event,
        version: Version,
    ) -> Result<Vec<Write>, Error> {
        let Some((what, since, rooms)) = self.was_lost(setups, event) else { return Ok(vec![]) };
        let since = since.plus_ms(-UNSURE_MS);
        let mut writes = vec![];
        for BridgeStands { room, network, .. } in rooms.into_iter().take(MISSED_ROOMS_MAX) {
            let missed = self.said_since(room, since)?;
            let (messages, executions) = missed;
            let Some(text) = words::unsure(&what, messages, &executions) else { continue };
            let cause = format!("{} {room}", version.0);
            let message = self.store.key().message("missed", &cause);
            let place = Self::alone(room, network);
            let meta = Meta { room: Some(room.clone()), ..Meta::default() };
            let queued = MessageQueued::plain(message, place, Doc::text(&text));
            writes.push(sheet::queued(&meta, queued));
        }
        Ok(writes)
    }

    /// What an event says to be back, since when it was lost, and where it stands.
    fn was_lost<'a>(
        &self,
        setups: &'a Setups,
        event: &'a Event,
    ) -> Option<(String, Timestamp, Vec<&'a BridgeStands>)> {
        match event {
            Event::BridgeBack(back) => {
                let outage = setups.outage_of(&back.network).filter(|it| it.until.is_none())?;
                let rooms = setups.standing_on(&back.network).collect();
                Some((back.network.clone(), outage.since, rooms))
            }
            Event::BridgeChannelBack(back) => {
                let stands = setups.of(&back.network, &back.channel)?.stands.as_ref()?;
                let lost = setups.lost_channel(stands, self.clock.now())?;
                Some((words::channel_of(stands), lost.since, vec![stands]))
            }
            _ => None,
        }
    }

    /// How much was said in a room since a time, and the first executions that said it.
    fn said_since(
        &self,
        room: &RoomId,
        since: Timestamp,
    ) -> Result<(usize, Vec<ExecutionId>), ReadError> {
        let Some(pseudonym) = self.pseudonym_of(room) else { return Ok((0, vec![])) };
        let (by, end) = (By::Room(pseudonym), Position::END);
        let newest = self.store.positions(&by, end, Direction::Backward, MISSED_EVENTS_MAX)?;
        let mut said = self.store.read_at(&newest)?;
        said.retain(|it| it.wall >= since && matches!(it.event(), Some(Event::MessageSent(_))));
        let mut executions: Vec<ExecutionId> = vec![];
        for sent in said.iter().rev() {
            let of = self.queued(&MessageId(sent.id.stream.id().to_owned()))?;
            let of = of.and_then(|told| told.execution).filter(|id| !executions.contains(id));
            executions.extend(of.filter(|_| executions.len() < EXECUTIONS_NAMED_MAX));
        }
        Ok((said.len(), executions))
    }

    /// When the oldest message of a lane was queued.
    fn oldest_in(&self, lane: &str) -> Result<Option<Timestamp>, ReadError> {
        let Some(oldest) = self.agenda(|agenda| agenda.oldest_in(lane)) else { return Ok(None) };
        Ok(self.store.read_at(&[oldest])?.first().map(|queued| queued.wall))
    }
}
