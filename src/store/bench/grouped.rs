//! Group commit for anything that writes: one thread takes what waits, writes it as one, and answers everybody.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

/// How many lines may wait, and the most that are written as one.
pub const GROUP_LINES_MAX: usize = 256;

type Waiting<T> = (T, oneshot::Sender<()>);

/// A thread that writes in groups.
pub struct Grouped<T> {
    sender: Option<mpsc::Sender<Waiting<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Grouped<T> {
    /// Starts the thread; `write` returns when its group is on disk. After an error of it nobody is answered any more.
    pub fn start(mut write: impl FnMut(&[T]) -> io::Result<()> + Send + 'static) -> Self {
        let (sender, mut jobs) = mpsc::channel::<Waiting<T>>(GROUP_LINES_MAX);
        let thread = std::thread::spawn(move || {
            while let Some((first, reply)) = jobs.blocking_recv() {
                let (mut group, mut replies) = (vec![first], vec![reply]);
                while let Some((next, reply)) = room(&group, &mut jobs) {
                    group.push(next);
                    replies.push(reply);
                }
                if write(&group).is_err() {
                    return;
                }
                for reply in replies {
                    let _ = reply.send(());
                }
            }
        });
        Self { sender: Some(sender), thread: Some(thread) }
    }

    /// Returns when it is on disk.
    ///
    /// # Errors
    /// If nothing can be written any more.
    pub async fn append(&self, what: T) -> io::Result<()> {
        let (reply, answer) = oneshot::channel();
        let ended = || io::Error::other("the writer has ended");
        let sender = self.sender.as_ref().ok_or_else(ended)?;
        sender.send((what, reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}

/// The next that waits, if the group has room.
fn room<T>(group: &[T], jobs: &mut mpsc::Receiver<Waiting<T>>) -> Option<Waiting<T>> {
    (group.len() < GROUP_LINES_MAX).then(|| jobs.try_recv().ok()).flatten()
}

impl<T> Drop for Grouped<T> {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn groups_form_by_themselves_up_to_a_bound() {
        let (seen, sizes) = channel();
        let (open, gate) = channel::<()>();
        let grouped = Grouped::start(move |group: &[usize]| {
            seen.send(group.len()).map_err(io::Error::other)?;
            gate.recv().map_err(io::Error::other)
        });
        let many = (0..GROUP_LINES_MAX + 2).map(|nth| grouped.append(nth));
        let opened = async {
            for _ in 0..GROUP_LINES_MAX + 2 {
                let _ = open.send(());
                tokio::task::yield_now().await;
            }
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(many), opened);
        assert!(answers.iter().all(Result::is_ok));
        drop(grouped);
        let sizes: Vec<_> = sizes.iter().collect();
        assert_eq!(sizes.iter().sum::<usize>(), GROUP_LINES_MAX + 2);
        assert!(sizes.iter().all(|size| *size <= GROUP_LINES_MAX), "{sizes:?}");
    }

    #[tokio::test]
    async fn after_an_error_nobody_is_answered() {
        let grouped = Grouped::start(|_: &[u8]| Err(io::Error::other("full")));
        assert!(grouped.append(1).await.is_err());
        assert!(grouped.append(2).await.is_err());
    }
}
