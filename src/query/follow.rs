//! Following the log from a thread that may block: what comes is handed on as it comes, until nobody reads it any more.

use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::command::{Refusal, Sink};
use crate::domain::id::Position;
use crate::store::EventStore;

/// Most who follow at a time: each holds a connection, and others have questions too.
pub const FOLLOWERS_MAX: usize = 8;
/// How often it is looked whether the reader is still there.
const LOOKED_EVERY: Duration = Duration::from_millis(500);

/// How many follow the log.
#[derive(Debug, Clone, Default)]
pub struct Followers(Arc<AtomicUsize>);

/// The place of one who follows, until it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Followers {
    /// Takes one of the places.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if there is none.
    pub fn join(&self) -> Result<Place, Refusal> {
        let place = Place(self.0.clone());
        match self.0.fetch_add(1, Ordering::SeqCst) < FOLLOWERS_MAX {
            true => Ok(place),
            false => {
                let what = format!("{FOLLOWERS_MAX} follow the log already: end one of them");
                Err(Refusal::Invalid(what))
            }
        }
    }
}

/// Takes the events of a range that are new.
pub type Take<'a> = dyn FnMut(Range<Position>, &mut dyn Sink) -> Result<(), Refusal> + 'a;

/// Hands on each batch of new positions from a position on.
///
/// # Errors
/// [`Refusal::Gone`] when nobody reads any more, or what `take` says; it never ends well.
pub fn each_batch(
    store: &dyn EventStore,
    mut next: Position,
    sink: &mut dyn Sink,
    take: &mut Take,
) -> Result<(), Refusal> {
    let mut head = store.watch();
    let failure = store.failure();
    loop {
        let end = store.next_position();
        if end > next {
            take(next..end, sink)?;
            next = end;
        }
        wait(&mut head, next, LOOKED_EVERY);
        if let Some(reason) = failure.borrow().clone() {
            return Err(Refusal::Unreadable(reason));
        }
        sink.progress("", 0, 0)?;
    }
}

/// Wakes a thread that waits for something.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits until the log is longer, or for a while. It needs no runtime: the one of a bot may end meanwhile.
fn wait(head: &mut watch::Receiver<Position>, seen: Position, within: Duration) {
    let until = Instant::now() + within;
    let waker = Arc::new(Parked(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut longer = pin!(head.wait_for(|head| *head > seen));
    while longer.as_mut().poll(&mut context).is_pending() {
        match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::park_timeout(left),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_follow_and_no_more() {
        let followers = Followers::default();
        let places: Vec<Place> =
            (0..FOLLOWERS_MAX).map(|_| followers.join().expect("there is a place")).collect();
        assert!(matches!(followers.join(), Err(Refusal::Invalid(_))));
        drop(places);
        assert!(followers.join().is_ok(), "a place is given back, also by who got none");
    }
}
