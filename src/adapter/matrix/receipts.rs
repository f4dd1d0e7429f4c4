//! Read receipts: people see that the bot has read a message once it is recorded.

use std::time::Duration;

use matrix_sdk::ruma::api::client::receipt::create_receipt::v3::ReceiptType;
use matrix_sdk::ruma::events::receipt::ReceiptThread;
use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId};
use tokio::sync::mpsc;

use super::client::Matrix;
use crate::domain::trigger::{Trigger, What};

/// Most receipts that wait to be sent; others are left out, for the next one covers them.
pub const RECEIPTS_MAX: usize = 64;
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
            What::Timer(_) => return None,
        };
        let room = trigger.place()?.room.as_str().try_into().ok()?;
        Some(Self { room, post: post.as_str().try_into().ok()? })
    }
}

impl Matrix {
    /// Sends receipts one by one; a failure is no matter.
    pub(super) async fn send_receipts(&self, mut waiting: mpsc::Receiver<Receipt>) {
        while let Some(receipt) = waiting.recv().await {
            let Some(room) = self.client.get_room(&receipt.room) else { continue };
            let sending = room.send_single_receipt(
                ReceiptType::Read,
                ReceiptThread::Unthreaded,
                receipt.post,
            );
            let sent = tokio::time::timeout(Duration::from_millis(RECEIPT_MS_MAX), sending).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(room = %receipt.room, "read receipt not sent");
            }
        }
    }
}
