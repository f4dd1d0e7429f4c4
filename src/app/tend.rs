//! What goes on beside the work: the service manager is told how it goes, and SIGHUP is heeded.

use std::time::{Duration, Instant};

use tokio::signal::unix::Signal;
use tokio::sync::watch;

use super::reload::Reload;
use crate::adapter::service::{ServiceManager, is_alive};

/// A watchdog hears so often within its time that one message may be lost.
const SIGNS_OF_LIFE: u32 = 3;

/// Everything that is tended to once the bot is ready.
pub(super) struct Tend<'a> {
    pub(super) manager: &'a ServiceManager,
    pub(super) hang_ups: Signal,
    pub(super) reload: Reload<'a>,
    /// When the reading loop made its last step.
    pub(super) alive: watch::Receiver<Instant>,
    /// What the bot does, in a line.
    pub(super) status: String,
}

impl Tend<'_> {
    /// Says that the bot is ready, then goes on until it is dropped.
    pub(super) async fn run(self) {
        self.manager.ready(&self.status);
        let Self { manager, hang_ups, reload, alive, status } = self;
        tokio::join!(watch_over(manager, alive), heed(manager, hang_ups, reload, &status));
    }
}

/// Gives the watchdog its signs of life, as long as there is life.
async fn watch_over(manager: &ServiceManager, alive: watch::Receiver<Instant>) {
    let Some(watchdog) = manager.watchdog() else { return };
    let mut often = tokio::time::interval((watchdog / SIGNS_OF_LIFE).max(Duration::from_millis(1)));
    loop {
        often.tick().await;
        let last_step = *alive.borrow();
        match is_alive(last_step, Instant::now(), watchdog) {
            true => manager.alive(),
            false => tracing::error!("reading hangs: the watchdog is not told that all is well"),
        }
    }
}

/// Reloads with every SIGHUP.
async fn heed(
    manager: &ServiceManager,
    mut hang_ups: Signal,
    mut reload: Reload<'_>,
    status: &str,
) {
    while hang_ups.recv().await.is_some() {
        manager.reloading();
        reload.run().await;
        manager.ready(status);
    }
}
