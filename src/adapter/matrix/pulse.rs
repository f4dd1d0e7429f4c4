//! The pulse of the reading loop: whether it makes steps, and when a sync was last completed.

use std::time::{Duration, Instant};

use matrix_sdk::store::StateStoreDataKey;
use tokio::sync::watch;

use super::client::Matrix;
use crate::adapter::IntakeError;

/// Without a completed sync for so long, a person is woken; and again after every such time.
pub const SILENCE_MS_MAX: u64 = 10 * 60_000;
/// The longest that the reading loop sleeps without a step.
pub const STEP_MS_MAX: u64 = 60_000;
/// How often the owner is told that the keys of this device are not its own.
const KEYS_TOLD_EVERY_MS: u64 = 24 * 3_600_000;
/// What the owner is told then.
const KEYS_TEXT: &str = "Two processes use this device's encryption keys, or its store was restored from a copy: the homeserver \
     holds one-time keys that this store does not know, and some messages to me cannot be decrypted. Make sure that only one \
     beadle runs with this account; then stop it, move the folder `matrix/store` of the data directory away and run \
     `beadle login`: it makes a new device, the log stays as it is.";

/// When the loop made its last step, and when a sync was last completed.
#[derive(Debug)]
pub(super) struct Pulse {
    step: watch::Sender<Instant>,
    synced: watch::Sender<Instant>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            step: watch::Sender::new(Instant::now()),
            synced: watch::Sender::new(Instant::now()),
        }
    }
}

impl Pulse {
    /// Something was read, or failed and was counted.
    pub fn step(&self) {
        self.step.send_replace(Instant::now());
    }

    /// A sync was completed.
    pub fn synced(&self) {
        self.synced.send_replace(Instant::now());
        self.step();
    }

    /// Sleeps as long as it takes, with the steps of a loop that is alive.
    pub async fn sleep(&self, mut ms: u64) {
        while ms > 0 {
            let part = ms.min(STEP_MS_MAX);
            tokio::time::sleep(Duration::from_millis(part)).await;
            self.step();
            ms -= part;
        }
    }
}

/// What a look at the last completed sync leads to.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// All is well, or everything is said.
    Nothing,
    /// Nothing was read for too long.
    Silent,
    /// The silence of which was told is over.
    Back,
}

/// Decides by the time since the last completed sync and by the silence that was told last.
fn look(quiet: Duration, told: Option<Duration>) -> Look {
    let max = Duration::from_millis(SILENCE_MS_MAX);
    match told {
        None if quiet >= max => Look::Silent,
        Some(told) if quiet >= told + max => Look::Silent,
        Some(_) if quiet < max => Look::Back,
        _ => Look::Nothing,
    }
}

impl Matrix {
    /// Changes whenever the reading loop makes a step: a completed sync, or a failure that was counted.
    pub fn alive(&self) -> watch::Receiver<Instant> {
        self.pulse.step.subscribe()
    }

    /// When a sync was last completed; before the first, when the connection was made.
    pub fn synced(&self) -> watch::Receiver<Instant> {
        self.pulse.synced.subscribe()
    }

    /// Says when nothing could be read for too long, and tells the owner when it is over.
    pub(super) async fn watch_silence(&self) -> Result<(), IntakeError> {
        let mut told: Option<Duration> = None;
        loop {
            tokio::time::sleep(Duration::from_millis(STEP_MS_MAX / 2)).await;
            let quiet = self.pulse.synced.borrow().elapsed();
            let minutes = quiet.as_secs() / 60;
            match look(quiet, told) {
                Look::Nothing => {}
                Look::Silent => {
                    tracing::error!(minutes, "no sync has been completed for too long");
                    told = Some(quiet);
                }
                Look::Back => {
                    let minutes = told.take().unwrap_or_default().as_secs() / 60;
                    tracing::info!(minutes, "syncs are completed again");
                    let text = format!(
                        "For at least {minutes} minutes I could read nothing from the homeserver; what was said meanwhile is being read now."
                    );
                    self.intake.tell(&text).await?;
                }
            }
        }
    }

    /// Tells the owner when the homeserver has keys of this device that its store does not know.
    pub(super) async fn watch_keys(&self) -> Result<(), IntakeError> {
        let mut duplicates = self.client.subscribe_to_duplicate_key_upload_errors();
        loop {
            let flag = StateStoreDataKey::OneTimeKeyAlreadyUploaded;
            let known = self.client.state_store().get_kv_data(flag).await;
            if matches!(known, Ok(Some(_))) {
                tracing::error!(
                    "the homeserver has one-time keys of this device that its store does not know"
                );
                self.intake.tell(KEYS_TEXT).await?;
            }
            let later = tokio::time::sleep(Duration::from_millis(KEYS_TOLD_EVERY_MS));
            tokio::select! { _ = duplicates.recv() => {}, () = later => {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_again_and_again_and_its_end_once() {
        for (quiet_min, told_min, want) in [
            (0, None, Look::Nothing),
            (9, None, Look::Nothing),
            (10, None, Look::Silent),
            (11, Some(10), Look::Nothing),
            (19, Some(10), Look::Nothing),
            (20, Some(10), Look::Silent),
            (0, Some(10), Look::Back),
            (9, Some(40), Look::Back),
        ] {
            let minutes = |n: u64| Duration::from_secs(n * 60);
            let got = look(minutes(quiet_min), told_min.map(minutes));
            assert_eq!(got, want, "{quiet_min} {told_min:?}");
        }
    }

    #[tokio::test]
    async fn a_step_is_seen() {
        let pulse = Pulse::default();
        let (mut steps, mut synced) = (pulse.step.subscribe(), pulse.synced.subscribe());
        assert!(!steps.has_changed().expect("it lives"));
        pulse.sleep(1).await;
        assert!(steps.has_changed().expect("it lives") && !synced.has_changed().expect("it lives"));
        steps.borrow_and_update();
        pulse.synced();
        assert!(steps.has_changed().expect("it lives") && synced.has_changed().expect("it lives"));
        synced.borrow_and_update();
    }
}
