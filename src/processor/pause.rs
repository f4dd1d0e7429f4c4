//! Takes nothing in while the disk is nearly full: that it pauses and that it goes on are recorded, and the owner is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Error, Kernel, write};
use crate::domain::event::{Event, IntakePaused, IntakeResumed, NewEvent};
use crate::domain::id::{StreamName, Version};
use crate::store::space::{FREE_BYTES_MIN, RESUME_BYTES, Reserve, Room, Space};
use crate::store::{Direction, Expected};

/// How long a source waits until it asks again.
pub const PAUSE: Duration = Duration::from_secs(10);

/// What follows from the free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    GoOn,
    Pause,
    Wait,
    Resume,
}

/// Decides by the free space; between the two bounds everything stays as it is.
fn step(paused: bool, room: Room) -> Step {
    match (paused, room.free_bytes) {
        (false, free) if free < FREE_BYTES_MIN => Step::Pause,
        (false, _) => Step::GoOn,
        (true, free) if free < RESUME_BYTES => Step::Wait,
        (true, _) => Step::Resume,
    }
}

/// Watches the free space for the intake.
pub struct Guard {
    space: Arc<dyn Space>,
    reserve: Option<Reserve>,
    /// Whether the intake is closed; none: the log has not been asked yet.
    paused: Mutex<Option<bool>>,
}

impl Guard {
    /// With a reserve, where there is a disk to keep it on.
    pub fn new(space: Arc<dyn Space>, reserve: Option<Reserve>) -> Self {
        Self { space, reserve, paused: Mutex::default() }
    }

    /// How long the intake is closed, if it is.
    pub(super) async fn closed(&self, kernel: &Kernel) -> Result<Option<Duration>, Error> {
        let room = match self.space.room() {
            Ok(room) => room,
            Err(error) => {
                tracing::warn!(%error, "the free space is not known");
                return Ok(None);
            }
        };
        match self.reserve.as_ref().map(|reserve| reserve.tend(room)) {
            Some(Ok(true)) => tracing::error!("the disk is full: the reserve is given back"),
            Some(Err(error)) => tracing::warn!(%error, "the reserve could not be kept"),
            Some(Ok(false)) | None => {}
        }
        let free_bytes = room.free_bytes;
        let what = step(self.paused(kernel)?, room);
        match what {
            Step::GoOn | Step::Wait => {}
            Step::Pause => {
                tracing::error!(free_bytes, "the disk is nearly full: nothing new is taken in");
                self.record(kernel, IntakePaused { free_bytes }.into(), true).await?;
                kernel.notify(&told(FREE_BYTES_MIN)).await?;
            }
            Step::Resume => {
                tracing::warn!(
                    free_bytes,
                    "there is room on the disk: messages are taken in again"
                );
                self.record(kernel, IntakeResumed { free_bytes }.into(), false).await?;
            }
        }
        Ok(matches!(what, Step::Pause | Step::Wait).then_some(PAUSE))
    }

    /// As the log says, at first: the bot may have been started anew meanwhile.
    fn paused(&self, kernel: &Kernel) -> Result<bool, Error> {
        let mut paused = self.paused.lock().expect("nobody panics with it");
        if let Some(paused) = *paused {
            return Ok(paused);
        }
        let stream = StreamName::intake();
        let last = kernel.store.read(&stream, Version::END, Direction::Backward, 1)?;
        let last = last.first().and_then(|recorded| recorded.event());
        Ok(*paused.insert(matches!(last, Some(Event::IntakePaused(_)))))
    }

    async fn record(&self, kernel: &Kernel, event: Event, paused: bool) -> Result<(), Error> {
        let batch = vec![write(StreamName::intake(), Expected::Any, vec![NewEvent::bare(event)])];
        kernel.store.append(batch).await?;
        *self.paused.lock().expect("nobody panics with it") = Some(paused);
        Ok(())
    }
}

/// What the owner reads.
fn told(bytes: u64) -> String {
    format!(
        "The disk of my data directory is nearly full: less than {} MiB are free. I take in nothing new until there is more room; \
         what was said meanwhile is answered then. What has begun goes on.",
        bytes / (1024 * 1024)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_bounds_everything_stays_as_it_is() {
        for (paused, free_bytes, want) in [
            (false, RESUME_BYTES, Step::GoOn),
            (false, FREE_BYTES_MIN, Step::GoOn),
            (false, FREE_BYTES_MIN - 1, Step::Pause),
            (true, 0, Step::Wait),
            (true, FREE_BYTES_MIN, Step::Wait),
            (true, RESUME_BYTES - 1, Step::Wait),
            (true, RESUME_BYTES, Step::Resume),
        ] {
            let room = Room { free_bytes, total_bytes: u64::MAX };
            assert_eq!(step(paused, room), want, "{paused} {free_bytes}");
        }
    }
}
