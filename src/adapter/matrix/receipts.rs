//! Read receipts: people see that the bot has read a message once it is recorded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use matrix_sdk::ruma::api::client::receipt::create_receipt::v3::ReceiptType;
use matrix_sdk::ruma::events::receipt::ReceiptThread;
use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId};
use tokio::sync::mpsc;

use super::client::Matrix;
use crate::domain::trigger::{Trigger, What};

/// Most receipts that wait to be sent; others are left out, for the next one covers them.
pub const RECEIPTS_MAX: usize = 64;
/// How often one room is told; what is read meanwhile is told with the next.
pub const RECEIPT_EVERY: Duration = Duration::from_secs(5);
/// Longest wait for one receipt.
const RECEIPT_MS_MAX: u64 = 10_000;

/// The last post that was read in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    room: OwnedRoomId,
    post: OwnedEventId,
}

impl Receipt {
    /// That a trigger was read, if it is a post in a room.
    pub fn of(trigger: &Trigger) -> Option<Self> {
        let post = match &trigger.what {
            What::Message(message) => &message.post,
            What::Reaction(reaction) => &reaction.post,
            What::Undecryptable(event) => &event.post,
            What::Timer(_) | What::Order(_) | What::Event(_) | What::Call(_) | What::Deleted(_) => {
                return None;
            }
        };
        let room = trigger.place()?.room.as_str().try_into().ok()?;
        Some(Self { room, post: post.as_str().try_into().ok()? })
    }
}

/// What is to be told, and which rooms were told a moment ago.
#[derive(Debug, Default)]
struct Due {
    waiting: BTreeMap<OwnedRoomId, OwnedEventId>,
    told: BTreeMap<OwnedRoomId, Instant>,
}

impl Due {
    /// The newest post of a room counts.
    fn put(&mut self, receipt: Receipt) {
        self.waiting.insert(receipt.room, receipt.post);
    }

    /// One that may be told now; the next from its room has to wait.
    fn take(&mut self, now: Instant) -> Option<Receipt> {
        self.told.retain(|_, at| now.saturating_duration_since(*at) < RECEIPT_EVERY);
        let room = self.waiting.keys().find(|room| !self.told.contains_key(*room))?.clone();
        let post = self.waiting.remove(&room)?;
        self.told.insert(room.clone(), now);
        Some(Receipt { room, post })
    }

    /// When the next may be told.
    fn next(&self) -> Option<Instant> {
        let free = |room| self.told.get(room).map(|at| *at + RECEIPT_EVERY);
        self.waiting.keys().filter_map(free).min()
    }
}

impl Matrix {
    /// Sends receipts one by one; a failure is no matter.
    pub(super) async fn send_receipts(&self, mut waiting: mpsc::Receiver<Receipt>) {
        let mut due = Due::default();
        loop {
            while let Some(receipt) = due.take(Instant::now()) {
                self.send_receipt(receipt).await;
                while let Ok(receipt) = waiting.try_recv() {
                    due.put(receipt);
                }
            }
            let next = due.next();
            let wait = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into());
            tokio::select! {
                receipt = waiting.recv() => match receipt {
                    Some(receipt) => due.put(receipt),
                    None => return,
                },
                () = wait, if next.is_some() => {}
            }
        }
    }

    async fn send_receipt(&self, receipt: Receipt) {
        let Some(room) = self.client.get_room(&receipt.room) else { return };
        let thread = ReceiptThread::Unthreaded;
        let sending = room.send_single_receipt(ReceiptType::Read, thread, receipt.post);
        let sent = tokio::time::timeout(Duration::from_millis(RECEIPT_MS_MAX), sending).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!(room = %receipt.room, "read receipt not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{EventId, RoomId};

    use super::*;

    fn receipt(room: &str, post: &str) -> Receipt {
        let room = RoomId::parse(room).expect("a room's id");
        Receipt { room, post: EventId::parse(post).expect("a post's id") }
    }

    #[test]
    fn a_room_is_told_at_once_and_then_now_and_then() {
        let (mut due, start) = (Due::default(), Instant::now());
        let taken = |due: &mut Due, after_ms: u64| {
            let at = start + Duration::from_millis(after_ms);
            std::iter::from_fn(|| due.take(at)).map(|it| it.post.to_string()).collect::<Vec<_>>()
        };
        due.put(receipt("!a:hs", "$1"));
        due.put(receipt("!b:hs", "$2"));
        assert_eq!(taken(&mut due, 0), ["$1", "$2"]);
        assert_eq!(due.next(), None);
        due.put(receipt("!a:hs", "$3"));
        due.put(receipt("!a:hs", "$4"));
        due.put(receipt("!c:hs", "$5"));
        assert_eq!(taken(&mut due, 1_000), ["$5"]);
        assert_eq!(due.next(), Some(start + RECEIPT_EVERY));
        assert_eq!(taken(&mut due, 5_000), ["$4"], "the newest is enough");
        assert_eq!(taken(&mut due, 60_000), [""; 0]);
        assert_eq!(due.told.len(), 0, "rooms are forgotten after their time");
    }
}
