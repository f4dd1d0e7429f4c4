//! Takes nothing in while the disk is nearly full: that it pauses and that it goes on are recorded, and the owner is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::domain::event::{Event, IntakePaused, IntakeResumed, Meta, NewEvent};
use crate::domain::id::{EventId, StreamName};
use crate::store::space::{FREE_BYTES_MIN, RESUME_BYTES, Reserve, Room, Space};

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
        // Whoever reads and whoever looks for late keys may ask at once: the second hears what the first recorded.
        let mut paused = self.paused.lock().await;
        let closed = match paused.map(|paused| step(paused, room)) {
            Some(Step::GoOn) => false,
            Some(Step::Wait) => true,
            Some(Step::Pause | Step::Resume) | None => self.settle(kernel, room).await?,
        };
        *paused = Some(closed);
        Ok(closed.then_some(PAUSE))
    }

    /// Records what follows from the free space and the log, the notice with it; gives whether the intake is closed.
    async fn settle(&self, kernel: &Kernel, room: Room) -> Result<bool, Error> {
        let (stream, free_bytes) = (StreamName::intake(), room.free_bytes);
        for _ in 0..ATTEMPTS_MAX {
            let (last, (version, expected)) = kernel.after_last(&stream)?;
            let last = last.as_ref().and_then(|recorded| recorded.event());
            let what = step(matches!(last, Some(Event::IntakePaused(_))), room);
            let event: Event = match what {
                Step::GoOn => return Ok(false),
                Step::Wait => return Ok(true),
                Step::Pause => IntakePaused { free_bytes }.into(),
                Step::Resume => IntakeResumed { free_bytes }.into(),
            };
            let closed = what == Step::Pause;
            let mut batch = vec![write(stream.clone(), expected, vec![NewEvent::bare(event)])];
            if closed {
                let cause = EventId { stream: stream.clone(), version };
                let message = kernel.store.key().message(&cause.to_string(), "notice");
                let meta = Meta { cause: Some(cause), ..Meta::default() };
                batch.extend(kernel.notice(message, &meta, &told(FREE_BYTES_MIN))?);
            }
            match kernel.append(batch).await? {
                Tried::Done if closed => {
                    tracing::error!(free_bytes, "the disk is nearly full: nothing new is taken in");
                }
                Tried::Done => {
                    tracing::warn!(
                        free_bytes,
                        "there is room on the disk: messages are taken in again"
                    );
                }
                Tried::Moved => continue,
                Tried::TooMuch(why) => {
                    tracing::error!(why, free_bytes, closed, "it cannot be recorded");
                }
            }
            return Ok(closed);
        }
        tracing::warn!("the log moved on every time that the free space was recorded");
        Ok(room.free_bytes < FREE_BYTES_MIN)
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
