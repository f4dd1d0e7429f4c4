//! Nicks that the bot was to have on a network and has not: the owner is told once for each wish, also after a restart.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Error, Kernel};
use crate::domain::bridge::setup::{Setup, Setups};
use crate::domain::event::Meta;
use crate::domain::id::{EventId, StreamName};
use crate::domain::words::setups as words;

impl Kernel {
    /// Tells of the nicks of channels that stand under another one than was wanted.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn tell_nicks(&self, setups: &Setups) -> Result<(), Error> {
        for (setup, text) in setups.all().filter_map(|it| Some((it, instead(it)?))) {
            let cause = EventId { stream: StreamName::setups(), version: setup.wish };
            let message = self.store.key().message("nick", &cause.to_string());
            if self.store.version(&StreamName::message(&message))?.is_some() {
                continue;
            }
            let meta = Meta { cause: Some(cause), ..Meta::default() };
            if let Some(notice) = self.notice(message, &meta, &text)? {
                self.append(vec![notice]).await?;
            }
        }
        Ok(())
    }
}

/// What is told of a channel's nick, if it is not the one that was wanted.
fn instead(setup: &Setup) -> Option<String> {
    let stands = setup.stands.as_ref()?;
    words::called_instead(setup.want.as_ref()?.nick.as_ref()?, stands)
}

/// Looks at what stands whenever that changes, until it is told to stop.
///
/// # Errors
/// [`Error`] if the log fails.
pub async fn run(kernel: Arc<Kernel>, mut stopping: watch::Receiver<bool>) -> Result<(), Error> {
    let (mut head, mut seen) = (kernel.store.watch(), None);
    loop {
        head.borrow_and_update();
        let (setups, version) = kernel.setups()?;
        if version != seen {
            kernel.tell_nicks(&setups).await?;
            seen = version;
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
            moved = head.changed() => if moved.is_err() { return Ok(()) },
        }
    }
}
