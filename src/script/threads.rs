//! Threads with a stack that scripts cannot exhaust; a few stay for the next slices.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::engine::STACK_BYTES;

/// Most threads that wait for work; more are started when they are needed, and end after it.
pub const IDLE_MAX: usize = 2;
/// How long a thread waits for work: what a script touched of its stack is given back then.
pub const IDLE_FOR: Duration = Duration::from_secs(10);
/// After so many slices a thread ends, for the same reason.
pub const SLICES_MAX: usize = 1_000;

/// A slice to run; it catches its own panics, and one that it does not is swallowed.
type Job = Box<dyn FnOnce() + Send>;

/// Threads that wait.
type Waiting = Mutex<Vec<(u64, Sender<Job>)>>;

/// The threads.
#[derive(Default)]
pub struct Threads {
    waiting: Arc<Waiting>,
    started: Mutex<u64>,
}

impl Threads {
    /// Runs a job on a thread that waits, or on a new one.
    ///
    /// # Errors
    /// What the system says if it has no thread.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let mut job: Job = Box::new(job);
        while let Some((_, thread)) = locked(&self.waiting).pop() {
            match thread.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => job = unsent.0,
            }
        }
        let id = {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            *started += 1;
            *started
        };
        let waiting = Arc::downgrade(&self.waiting);
        let thread = std::thread::Builder::new().name("script".into()).stack_size(STACK_BYTES);
        thread.spawn(move || work(id, job, &waiting, IDLE_FOR)).map(drop)
    }
}

fn locked(waiting: &Waiting) -> MutexGuard<'_, Vec<(u64, Sender<Job>)>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(id: u64, first: Job, waiting: &Weak<Waiting>, idle_for: Duration) {
    let mut job = first;
    for _ in 0..SLICES_MAX {
        drop::<Result<(), Box<dyn Any + Send>>>(catch_unwind(AssertUnwindSafe(job)));
        let (sender, next) = channel();
        {
            let Some(waiting) = waiting.upgrade() else { return };
            let mut waiting = locked(&waiting);
            if waiting.len() >= IDLE_MAX {
                return;
            }
            waiting.push((id, sender));
        }
        let given = match next.recv_timeout(idle_for) {
            Err(RecvTimeoutError::Timeout) => {
                // Whoever took the sender meanwhile sends a job, or has sent one.
                if let Some(waiting) = waiting.upgrade() {
                    locked(&waiting).retain(|(other, _)| *other != id);
                }
                next.recv().ok()
            }
            given => given.ok(),
        };
        match given {
            Some(given) => job = given,
            None => return,
        }
    }
    // The last job of a thread is run before it ends: it was taken from the waiting ones for it.
    drop::<Result<(), Box<dyn Any + Send>>>(catch_unwind(AssertUnwindSafe(job)));
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    /// Runs a job, and waits until its thread waits for the next.
    fn ran(threads: &Threads) -> ThreadId {
        let (tell, told) = channel();
        let before = locked(&threads.waiting).len();
        let job = move || {
            let _ = tell.send(std::thread::current().id());
        };
        threads.run(job).expect("it is run");
        let id = told.recv().expect("it is run");
        while locked(&threads.waiting).len() < before.max(1) {
            std::thread::yield_now();
        }
        id
    }

    #[test]
    fn a_thread_is_used_again() {
        let threads = Threads::default();
        let first = ran(&threads);
        assert_eq!(ran(&threads), first);
    }

    #[test]
    fn a_panic_ends_nothing() {
        let threads = Threads::default();
        let first = ran(&threads);
        threads.run(|| std::panic::resume_unwind(Box::new("on purpose"))).expect("it is run");
        while locked(&threads.waiting).is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(ran(&threads), first);
    }

    #[test]
    fn at_most_a_few_wait() {
        let threads = Threads::default();
        let (tell, told) = channel();
        let barrier = Arc::new(std::sync::Barrier::new(IDLE_MAX + 3));
        for _ in 0..IDLE_MAX + 3 {
            let (barrier, tell) = (barrier.clone(), tell.clone());
            let job = move || {
                barrier.wait();
                let _ = tell.send(());
            };
            threads.run(job).expect("it is run");
        }
        drop(tell);
        assert_eq!(told.iter().count(), IDLE_MAX + 3, "all of them ran at the same time");
        while locked(&threads.waiting).len() < IDLE_MAX {
            std::thread::yield_now();
        }
        assert_eq!(locked(&threads.waiting).len(), IDLE_MAX);
    }

    #[test]
    fn a_thread_ends_after_its_time_and_its_share() {
        let waiting = Arc::new(Waiting::default());
        work(1, Box::new(|| {}), &Arc::downgrade(&waiting), Duration::ZERO);
        assert!(locked(&waiting).is_empty(), "it waited no longer");
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let threads = Threads::default();
        for _ in 0..SLICES_MAX + 1 {
            let count = count.clone();
            let (tell, told) = channel();
            let job = move || {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ = tell.send(());
            };
            threads.run(job).expect("it is run");
            told.recv().expect("it is run");
        }
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), SLICES_MAX + 1);
    }

    #[test]
    fn threads_end_with_their_owner() {
        let threads = Threads::default();
        ran(&threads);
        let waiting = Arc::downgrade(&threads.waiting);
        drop(threads);
        while waiting.upgrade().is_some() {
            std::thread::yield_now();
        }
    }
}
