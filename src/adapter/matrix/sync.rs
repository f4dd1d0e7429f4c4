//! The reading loop: sync → fill gaps → record triggers, then the position → again.
//!
//! Invariant: a position is handed over only with or after every trigger before it, and no sync is asked for before the
//! answer of the last one is recorded: the SDK answers a repeated one with nothing.

use std::time::{Duration, Instant};

use matrix_sdk::config::{SyncSettings, SyncToken};
use matrix_sdk::ruma::UInt;
use matrix_sdk::ruma::api::client::filter::{FilterDefinition, LazyLoadOptions};
use matrix_sdk::ruma::api::client::sync::sync_events::v3::Filter;
use matrix_sdk::store::StateStoreDataKey;
use tokio::sync::{mpsc, watch};

use super::client::Matrix;
use super::harvest::Harvest;
use super::heads::now_ms;
use super::looks::Looks;
use super::pace::{now, wait_ms};
use super::position::Position;
use super::quick::Quick;
use super::receipts::{RECEIPTS_MAX, Receipt};
use super::trouble::{Logout, Trouble};
use crate::adapter::{INCOMING_TRIGGERS_MAX, Incoming, IntakeError, Redaction};
use crate::domain::trigger::Trigger;

/// Events of one room in one sync; Synapse gives no more.
pub const TIMELINE_EVENTS_MAX: u32 = 100;
/// How often a position is recorded while nothing happens.
pub const POSITION_EVERY_MS: u64 = 60_000;
/// Longest time for one sync beyond its timeout: its tries, and the work on its answer.
pub const SYNC_MS_MAX: u64 = 5 * 60_000;
/// Failed syncs in a row until a person is woken.
const FAILURES_MAX: u32 = 10;

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The homeserver does not take the login any more.
    #[error("logged out: {0}")]
    LoggedOut(Logout),
    /// The SDK took in an answer that we did not see; starting again reads it again.
    #[error("the Matrix store is ahead of the log: start again to read what is between them")]
    Ahead,
    /// The loop ended without a reason: no less a failure than the others.
    #[error("reading ended by itself")]
    Ended,
    /// Nothing more can be recorded.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl SyncError {
    /// What a person can do about it, where that is more than to start again.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::LoggedOut(how) => Some(how.hint()),
            Self::Ahead | Self::Ended | Self::Intake(_) => None,
        }
    }
}

/// Where the loop stands.
struct Reader<'a> {
    matrix: &'a Matrix,
    position: Option<Position>,
    recorded: Option<String>,
    recorded_at: Option<Instant>,
    failures: u32,
    receipts: mpsc::Sender<Receipt>,
    looks: Looks,
    quick: Quick,
    /// How far the SDK has read.
    sdk: Option<String>,
}

impl Matrix {
    /// Reads until `stop` becomes true; everything handed over by then is recorded.
    ///
    /// To be called once for a connection: a second time needs a new one, set back to the log.
    ///
    /// # Errors
    /// [`SyncError`]; what was not recorded comes again after the next connect.
    pub async fn sync(&self, mut stop: watch::Receiver<bool>) -> Result<(), SyncError> {
        let position = self.intake.sync_token()?.map(|text| Position::parse(&text));
        let recorded = position.as_ref().map(|position| position.token.clone());
        let (receipts, waiting) = mpsc::channel(RECEIPTS_MAX);
        let looks = self.looks().await;
        let mut reader = Reader {
            matrix: self,
            position,
            sdk: recorded.clone(),
            recorded,
            recorded_at: None,
            failures: 0,
            receipts,
            looks,
            quick: Quick::new(),
        };
        tokio::select! {
            read = reader.run(&mut stop) => read?,
            error = self.watch_invites() => return Err(error.into()),
            error = self.watch_alone() => return Err(error.into()),
            error = self.watch_upgrades() => return Err(error.into()),
            error = self.watch_late_keys() => return Err(error.into()),
            watched = self.watch_silence() => watched?,
            watched = self.watch_keys() => watched?,
            () = self.send_receipts(waiting) => {}
        }
        if *stop.borrow() { Ok(()) } else { Err(SyncError::Ended) }
    }
}

impl Reader<'_> {
    async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), SyncError> {
        while !*stop.borrow() {
            let read = tokio::select! {
                read = self.step() => read?,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            if let Some((harvest, position)) = read {
                self.record(harvest, position).await?;
                self.matrix.ready.send_replace(true);
                self.matrix.invited.notify_one();
                self.matrix.upgraded.notify_one();
            }
        }
        self.record_position().await
    }

    /// One sync, unless nothing can be taken in now; `None` after a pause or a failure that passes.
    async fn step(&mut self) -> Result<Option<(Harvest, Position)>, SyncError> {
        match self.matrix.intake.closed().await? {
            None => self.read().await,
            Some(pause) => {
                self.matrix.pulse.sleep(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)).await;
                Ok(None)
            }
        }
    }

    /// One sync with its gaps filled, or another look at a hole; `None` after a failure that passes.
    async fn read(&mut self) -> Result<Option<(Harvest, Position)>, SyncError> {
        // The first sync comes first: it may bring the keys for what a look finds.
        if *self.matrix.ready.borrow()
            && let Some(look) = self.looks.due(now_ms())
            && let Some(position) = self.position.clone()
        {
            let harvest = self.matrix.look_again(look, &position).await?;
            return Ok(Some((harvest, position)));
        }
        self.matrix.tokens.keep_unsaved(&self.matrix.client);
        let bound = Duration::from_millis(self.matrix.settings().sync_timeout_ms + SYNC_MS_MAX);
        let (wait_ms, settings) = (self.wait_ms(), self.settings());
        let sync =
            self.matrix.sync_next(&mut self.quick, self.position.as_ref(), wait_ms, settings);
        match tokio::time::timeout(bound, sync).await {
            Ok(Ok((response, by_sdk))) => {
                self.failures = 0;
                self.matrix.pulse.synced();
                if by_sdk {
                    self.sdk = Some(response.next_batch.clone());
                }
                let at = Some(now());
                let harvest = self.matrix.harvest(&response, self.position.as_ref()).await?;
                Ok(Some((harvest, Position { token: response.next_batch, at })))
            }
            Ok(Err(error)) => self.failed(&(&error).into()).await.map(|()| None),
            Err(_) => {
                let trouble = Trouble::Unreachable("the sync hung and was abandoned".into());
                self.failed(&trouble).await.map(|()| None)
            }
        }
    }

    /// How long a sync may wait for something to happen.
    fn wait_ms(&self) -> u64 {
        self.matrix.settings().sync_timeout_ms.min(self.looks.wait_ms(now_ms()))
    }

    /// The first sync does not wait for something to happen, so that the bot is ready soon.
    fn settings(&self) -> SyncSettings {
        let patient = *self.matrix.ready.borrow();
        let timeout_ms = if patient { self.wait_ms() } else { 0 };
        let token = self.position.as_ref().map(|position| position.token.clone());
        SyncSettings::new()
            .timeout(Duration::from_millis(timeout_ms))
            .filter(filter(false))
            .token(token.map_or(SyncToken::NoToken, SyncToken::Specific))
    }

    /// Waits before the next try, or says why there is none.
    async fn failed(&mut self, trouble: &Trouble) -> Result<(), SyncError> {
        if let Trouble::LoggedOut(how) = trouble {
            return Err(SyncError::LoggedOut(*how));
        }
        let store = self.matrix.client.state_store();
        let token = store.get_kv_data(StateStoreDataKey::SyncToken).await.ok().flatten();
        let token = token.and_then(|token| token.into_sync_token());
        if token != self.sdk {
            return Err(SyncError::Ahead);
        }
        self.failures = self.failures.saturating_add(1);
        let (failures, reason) = (self.failures, trouble.reason());
        let wait_ms = wait_ms(failures, trouble);
        match failures {
            FAILURES_MAX => tracing::error!(failures, reason, wait_ms, "sync keeps failing"),
            _ => tracing::warn!(failures, reason, wait_ms, "sync failed"),
        }
        self.matrix.pulse.step();
        self.matrix.pulse.sleep(wait_ms).await;
        Ok(())
    }

    /// Hands over what was read, and then says in the rooms that it was read.
    async fn record(&mut self, harvest: Harvest, position: Position) -> Result<(), SyncError> {
        self.position = Some(position);
        let mut chunks = chunks(harvest.triggers);
        let last = chunks.pop();
        for triggers in chunks {
            self.matrix.intake.record(Incoming { triggers, ..Incoming::default() }).await?;
        }
        let every = Duration::from_millis(POSITION_EVERY_MS);
        let filled = !harvest.gaps.is_empty();
        if self.looks.add(harvest.looks) {
            self.matrix.keep_looks(&self.looks).await;
        }
        for gap in harvest.gaps {
            self.matrix.intake.gap(gap).await?;
        }
        match last {
            None if !harvest.redactions.is_empty() => {
                self.hand_over(Vec::new(), harvest.redactions).await?;
            }
            Some(triggers) => self.hand_over(triggers, harvest.redactions).await?,
            None if filled || self.recorded_at.is_none_or(|at| at.elapsed() >= every) => {
                self.record_position().await?;
            }
            None => {}
        }
        self.matrix.gone_over(harvest.gone_over).await?;
        self.matrix.miss(harvest.missing);
        if let Some(look) = harvest.looked {
            self.looks.done(look, now_ms());
            self.matrix.keep_looks(&self.looks).await;
        }
        for receipt in harvest.receipts {
            if self.receipts.try_send(receipt).is_err() {
                tracing::debug!("read receipt left out");
            }
        }
        Ok(())
    }

    /// Hands over the position if it is not recorded yet.
    async fn record_position(&mut self) -> Result<(), SyncError> {
        let token = self.position.as_ref().map(|position| &position.token);
        match token == self.recorded.as_ref() {
            true => Ok(()),
            false => self.hand_over(Vec::new(), Vec::new()).await,
        }
    }

    /// Hands over the last triggers of an answer, what was deleted, and the position behind them.
    async fn hand_over(
        &mut self,
        triggers: Vec<Trigger>,
        redactions: Vec<Redaction>,
    ) -> Result<(), SyncError> {
        let sync = self.position.as_ref().map(ToString::to_string);
        self.matrix.intake.record(Incoming { triggers, redactions, sync }).await?;
        self.recorded = self.position.as_ref().map(|position| position.token.clone());
        self.recorded_at = Some(Instant::now());
        Ok(())
    }
}

/// Triggers in their order, in hand-overs of bounded size.
fn chunks(mut triggers: Vec<Trigger>) -> Vec<Vec<Trigger>> {
    let mut chunks = Vec::new();
    while !triggers.is_empty() {
        let rest = triggers.split_off(triggers.len().min(INCOMING_TRIGGERS_MAX));
        chunks.push(std::mem::replace(&mut triggers, rest));
    }
    chunks
}

/// Whole timelines, members as they speak, perhaps each time, and nothing of presence, typing or receipts.
pub(super) fn filter(members_each_time: bool) -> Filter {
    let mut filter = FilterDefinition::default();
    filter.room.timeline.limit = Some(UInt::from(TIMELINE_EVENTS_MAX));
    filter.room.state.lazy_load_options =
        LazyLoadOptions::Enabled { include_redundant_members: members_each_time };
    filter.room.ephemeral.types = Some(Vec::new());
    filter.presence.types = Some(Vec::new());
    Filter::FilterDefinition(filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ExecutionId, Timestamp};
    use crate::domain::trigger::Timer;

    #[test]
    fn timelines_are_asked_for_up_to_a_bound() {
        let Filter::FilterDefinition(filter) = filter(false) else { panic!("another filter") };
        assert_eq!(filter.room.timeline.limit, Some(UInt::from(TIMELINE_EVENTS_MAX)));
    }

    #[test]
    fn triggers_are_handed_over_in_chunks() {
        let trigger = |n: usize| {
            let due = Timestamp(n.try_into().expect("a small number"));
            Trigger::timer(Timer { execution: ExecutionId("E".into()), path: String::new(), due })
        };
        for (count, want) in
            [(0, vec![]), (1, vec![1]), (64, vec![64]), (65, vec![64, 1]), (150, vec![64, 64, 22])]
        {
            let triggers: Vec<Trigger> = (0..count).map(trigger).collect();
            let chunks = chunks(triggers.clone());
            assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), want, "{count}");
            assert_eq!(chunks.concat(), triggers, "{count} in their order");
        }
    }
}
