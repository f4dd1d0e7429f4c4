//! Orders to programs of the homeserver, such as a bridge: something is said in a room, and what the program says since is
//! its answer. What it says comes with the sync like everything else.

use std::time::Duration;

use matrix_sdk::RoomState;
use matrix_sdk::ruma::events::room::message::RoomMessageEventContent;
use matrix_sdk::ruma::{OwnedEventId, OwnedTransactionId, RoomId as MatrixRoomId, TransactionId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::client::Matrix;
use super::invites::in_time;
use super::timeline::{Origin, Seen};
use super::visits::{failed, never};
use crate::adapter::{Answer, Order, SendError};
use crate::domain::id::{MessageId, PostId};

/// Most posts that wait for those who listen; who is slower misses the oldest.
pub const HEARD_MAX: usize = 256;
/// Most posts of one answer that are kept.
pub const ANSWER_POSTS_MAX: usize = 100;

/// Passes on what is said in rooms to those who wait for an answer.
#[derive(Debug)]
pub(super) struct Hearing(broadcast::Sender<Heard>);

/// Something that was said in a room, in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    by: String,
    text: String,
}

impl Default for Hearing {
    fn default() -> Self {
        Self(broadcast::channel(HEARD_MAX).0)
    }
}

impl Hearing {
    /// Passes on what these events say, if anybody listens.
    pub fn heard(&self, events: &[Seen]) {
        if self.0.receiver_count() == 0 {
            return;
        }
        for heard in events.iter().filter_map(heard) {
            // Whoever listened may just have gone.
            let _ = self.0.send(heard);
        }
    }
}

impl Matrix {
    /// Tells a program something, and waits for what ends its answer.
    pub(super) async fn tell(&self, order: &Order) -> Result<Answer, SendError> {
        self.tell_as(order, TransactionId::new()).await
    }

    /// Tells a program a secret, and deletes the post that it was told with, whatever was answered.
    pub(super) async fn whisper(
        &self,
        order: &Order,
        message: &MessageId,
    ) -> Result<Answer, SendError> {
        let answer = self.tell_as(order, message.as_str().into()).await?;
        let id = <&MatrixRoomId>::try_from(order.room.as_str()).ok();
        let room = id.and_then(|id| self.client.get_room(id));
        let asked = answer.asked.as_ref().and_then(|it| OwnedEventId::try_from(it.as_str()).ok());
        if let (Some(room), Some(asked)) = (room, asked) {
            let deleting = async { Ok(room.redact(&asked, None, None).await?) };
            in_time(deleting).await.map_err(|why| failed(&why))?;
        }
        Ok(answer)
    }

    async fn tell_as(
        &self,
        order: &Order,
        transaction: OwnedTransactionId,
    ) -> Result<Answer, SendError> {
        let id = <&MatrixRoomId>::try_from(order.room.as_str()).ok();
        let room = id.and_then(|id| self.client.get_room(id));
        let joined = room.filter(|room| room.state() == RoomState::Joined);
        let Some(room) = joined else { return Err(never("I am not in that room")) };
        let mut hearing = self.hearing.0.subscribe();
        let deadline = Instant::now() + Duration::from_millis(order.within_ms);
        let content = RoomMessageEventContent::text_plain(&order.text);
        let sending = async {
            let sending = room.send(content).with_transaction_id(transaction);
            Ok(sending.await?.response.event_id)
        };
        let asked = in_time(sending).await.map_err(|why| failed(&why))?;
        let mut answer = Answer { asked: Some(PostId(asked.to_string())), ..Answer::default() };
        loop {
            match timeout_at(deadline, hearing.recv()).await {
                Ok(Ok(heard)) if heard.by == order.to.as_str() => {
                    if answer.takes(heard.text, &order.ends) {
                        return Ok(answer);
                    }
                }
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) | Err(_) => return Ok(answer),
            }
        }
    }
}

impl Answer {
    /// Takes one more post; true: it is the end.
    fn takes(&mut self, text: String, ends: &[String]) -> bool {
        let lower = text.to_lowercase();
        self.ended = ends.iter().any(|end| lower.contains(&end.to_lowercase()));
        if self.said.len() >= ANSWER_POSTS_MAX {
            self.said.remove(0);
        }
        self.said.push(text);
        self.ended
    }
}

/// What an event says, if it is a post in the clear.
fn heard(seen: &Seen) -> Option<Heard> {
    let text = seen.words().filter(|_| seen.origin == Origin::Plain)?;
    Some(Heard { by: seen.text("sender").to_owned(), text })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::timeline::tests::plain;
    use super::*;

    #[test]
    fn posts_are_passed_on_to_who_listens() {
        let hearing = Hearing::default();
        let said = |text: &str| {
            plain(json!({"type": "m.room.message", "sender": "@b:hs", "content": {"body": text}}))
        };
        hearing.heard(&[said("before")]);
        let mut listening = hearing.0.subscribe();
        let other = plain(json!({"type": "m.reaction", "sender": "@b:hs", "content": {}}));
        hearing.heard(&[said("one"), other, said("two")]);
        let texts: Vec<String> =
            std::iter::from_fn(|| listening.try_recv().ok()).map(|heard| heard.text).collect();
        assert_eq!(texts, ["one", "two"]);
        hearing.heard(&vec![said("more"); HEARD_MAX + 1]);
        assert!(listening.try_recv().is_err(), "it is slower, and learns that");
        assert_eq!(std::iter::from_fn(|| listening.try_recv().ok()).count(), HEARD_MAX);
    }

    #[test]
    fn an_answer_ends_with_what_ends_it() {
        let ends = ["added".to_owned(), "exists".to_owned()];
        let mut answer = Answer::default();
        assert!(!answer.takes("wait".into(), &ends) && !answer.ended);
        assert!(answer.takes("Network added.".into(), &ends) && answer.ended);
        assert_eq!(answer.said, ["wait", "Network added."]);
        let mut long = Answer::default();
        let ended = (0..=ANSWER_POSTS_MAX).any(|n| long.takes(n.to_string(), &ends));
        assert!(!ended && answer.takes("NETWORK ADDED".into(), &ends), "as it is written or not");
        assert_eq!((long.said.len(), long.said[0].as_str()), (ANSWER_POSTS_MAX, "1"));
    }
}
