//! Whether a message was said already, where the homeserver cannot know: it forgets a transaction after a day, and it knows
//! those of one device only.
//!
//! The message id stands in what is sent, so the room itself is asked. An own event that cannot be decrypted hides it.
//! The log records what became of a message before the next one of a room is sent, so at most one own event of a room
//! is not in the log: the one that was under way. If exactly one such event stands where this message would stand, in the
//! same reply or thread, it is taken for it; otherwise the message is sent, for losing it is worse than saying it twice.

use matrix_sdk::Room;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::UInt;
use matrix_sdk::ruma::api::client::filter::RoomEventFilter;
use serde_json::Value;

use super::client::Matrix;
use super::doctor::CLOCK_MS_MAX;
use super::outbound::{KEY_FIELD, content, send_error};
use super::timeline::{Origin, Seen};
use super::trouble::Trouble;
use crate::adapter::{IntakeError, Outgoing, Relation, SendError};
use crate::domain::id::{PostId, RoomId, Timestamp};

/// A message that waited so long is looked for first; Synapse forgets transactions after 24 hours.
pub const OLD_MS: i64 = 20 * 3_600_000;
/// Most pages that are searched; a message that is not in them is sent.
pub const LOOKUP_PAGES_MAX: usize = 30;
/// Own events asked for in one page.
pub const LOOKUP_PAGE_EVENTS: u32 = 100;

/// Whether a message may have been said without the homeserver knowing: it is old, or of an earlier device.
pub(super) fn is_doubtful(queued_at: Timestamp, now: Timestamp, device_made: Timestamp) -> bool {
    now.0 - queued_at.0 > OLD_MS || queued_at < device_made
}

/// What an own event is to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// It is this message.
    Same,
    /// It cannot be read, and stands where this message would stand.
    Hidden,
    /// It is something else.
    Other,
    /// It and everything before it is older than the message.
    Older,
}

/// Compares an event with a message of `user` that became `wanted`; what others send under its id counts for nothing.
fn compare(seen: &Seen, user: &str, outgoing: &Outgoing, wanted: &Value) -> Likeness {
    if seen.text("sender") != user {
        return Likeness::Other;
    }
    if seen.sent_ms() < outgoing.queued_at.0 - CLOCK_MS_MAX {
        return Likeness::Older;
    }
    let id = outgoing.message.as_str();
    let content = &seen.event["content"];
    if content[KEY_FIELD] == id || seen.event["unsigned"]["transaction_id"] == id {
        return Likeness::Same;
    }
    // An edit that is sent again changes nothing, so nothing is guessed about it.
    let is_edit = matches!(outgoing.relation, Relation::Edit(_));
    let stands_there = content["m.relates_to"] == wanted["m.relates_to"];
    match seen.origin {
        Origin::Undecryptable if !is_edit && stands_there => Likeness::Hidden,
        _ => Likeness::Other,
    }
}

impl Matrix {
    /// The post that a message has become already, if it is found in its room.
    pub(super) async fn said_before(
        &self,
        room: &Room,
        outgoing: &Outgoing,
    ) -> Result<Option<PostId>, SendError> {
        if room.encryption_state().is_encrypted() {
            self.fetch_keys(room).await;
        }
        let (wanted, mut hidden, mut from) = (content(outgoing), Vec::new(), None);
        for _ in 0..LOOKUP_PAGES_MAX {
            let page = match room.messages(self.own_events(from)).await {
                Ok(page) => page,
                Err(error) => match Trouble::from(&error) {
                    trouble @ Trouble::Refused { .. } => {
                        let reason = trouble.reason();
                        tracing::warn!(reason, "the room cannot be searched for what was said");
                        return Ok(None);
                    }
                    trouble => return Err(send_error(&trouble)),
                },
            };
            let mut older = false;
            for seen in page.chunk.iter().filter_map(Seen::read) {
                let post = PostId(seen.text("event_id").to_owned());
                match compare(&seen, self.user.as_str(), outgoing, &wanted) {
                    Likeness::Same => {
                        tracing::info!(message = %outgoing.message, %post, "it was said before");
                        return Ok(Some(post));
                    }
                    Likeness::Hidden if !self.known(room, outgoing, &post)? => hidden.push(post),
                    Likeness::Hidden | Likeness::Other => {}
                    Likeness::Older => older = true,
                }
            }
            match page.end {
                Some(end) if !older && from_differs(&end, &page.start) => from = Some(end),
                _ => return Ok(only(outgoing, hidden)),
            }
        }
        tracing::warn!(message = %outgoing.message, "too much was said since: it may be said twice");
        Ok(only(outgoing, hidden))
    }

    /// Our own messages, newest first; the homeserver leaves out the rest.
    fn own_events(&self, from: Option<String>) -> MessagesOptions {
        let mut options = MessagesOptions::backward();
        options.from = from;
        options.limit = UInt::from(LOOKUP_PAGE_EVENTS);
        options.filter = RoomEventFilter::default();
        options.filter.senders = Some(vec![self.user.clone()]);
        options.filter.types =
            Some(vec!["m.room.message".into(), "m.room.encrypted".into(), "m.reaction".into()]);
        options
    }

    /// Whether the log knows a post, under the room's id or the name that a script gave it.
    fn known(&self, room: &Room, outgoing: &Outgoing, post: &PostId) -> Result<bool, SendError> {
        let later =
            |error: IntakeError| SendError::Later { reason: error.to_string(), after: None };
        let id = RoomId(room.room_id().to_string());
        let by_id = self.intake.is_ours(&id, post).map_err(later)?;
        Ok(by_id || self.intake.is_ours(&outgoing.room, post).map_err(later)?)
    }

    /// Takes the keys of what an earlier device said from the account's key backup; best effort.
    async fn fetch_keys(&self, room: &Room) {
        let backups = self.client.encryption().backups();
        if let Err(error) = backups.download_room_keys_for_room(room.room_id()).await {
            let reason = Trouble::from(&error).reason();
            tracing::warn!(room = %room.room_id(), reason, "no keys from the backup");
        }
    }
}

/// Whether a page goes on where another begins; one that ends where it began is the last.
fn from_differs(end: &str, start: &str) -> bool {
    end != start
}

/// The one event that can be the message without being readable.
fn only(outgoing: &Outgoing, hidden: Vec<PostId>) -> Option<PostId> {
    match hidden.as_slice() {
        [] => None,
        [post] => {
            tracing::warn!(message = %outgoing.message, %post, "an own event that cannot be decrypted is taken for it");
            Some(post.clone())
        }
        _ => {
            tracing::warn!(message = %outgoing.message, events = hidden.len(), "own events cannot be decrypted: it may be said twice");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::id::MessageId;

    const DAY_MS: i64 = 24 * 3_600_000;

    fn outgoing(relation: Relation) -> Outgoing {
        Outgoing {
            message: MessageId("M1".into()),
            room: RoomId("!room".into()),
            queued_at: Timestamp(DAY_MS),
            relation,
            plain: "done".into(),
            whole: None,
            html: None,
            notice: true,
            mentions: vec![],
            attached: None,
            hops: 1,
        }
    }

    #[test]
    fn old_messages_and_those_of_another_device_are_doubtful() {
        for (queued, now, made, want) in [
            (100, 100, 50, false),
            (100, 100 + OLD_MS, 50, false),
            (100, 101 + OLD_MS, 50, true),
            (100, 110, 100, false),
            (100, 110, 101, true),
        ] {
            let got = is_doubtful(Timestamp(queued), Timestamp(now), Timestamp(made));
            assert_eq!(got, want, "{queued} {now} {made}");
        }
    }

    #[test]
    fn own_events_are_compared() {
        let reply = |post: &str| json!({"m.in_reply_to": {"event_id": post}});
        let post = |post: &str| PostId(post.into());
        let key = |key: &str| json!({"body": "done", KEY_FIELD: key});
        let related = |relation: Value| json!({"algorithm": "x", "m.relates_to": relation});
        let (now, before) = (DAY_MS + 5, DAY_MS - CLOCK_MS_MAX - 1);
        let (plain, hidden) = (Origin::Plain, Origin::Undecryptable);
        for (what, relation, content, origin, at, want) in [
            ("its key", Relation::New, key("M1"), plain, now, Likeness::Same),
            ("another's key", Relation::New, key("M2"), plain, now, Likeness::Other),
            ("old", Relation::New, key("M1"), plain, before, Likeness::Older),
            ("hidden", Relation::New, json!({}), hidden, now, Likeness::Hidden),
            ("a hidden reply", Relation::New, related(reply("$p")), hidden, now, Likeness::Other),
            (
                "the hidden reply",
                Relation::Reply(post("$p")),
                related(reply("$p")),
                hidden,
                now,
                Likeness::Hidden,
            ),
            (
                "to another",
                Relation::Reply(post("$q")),
                related(reply("$p")),
                hidden,
                now,
                Likeness::Other,
            ),
            (
                "a hidden edit",
                Relation::Edit(post("$p")),
                related(json!({"rel_type": "m.replace", "event_id": "$p"})),
                hidden,
                now,
                Likeness::Other,
            ),
            ("hidden and old", Relation::New, json!({}), hidden, before, Likeness::Older),
        ] {
            let outgoing = outgoing(relation);
            let wanted = super::content(&outgoing);
            let event = json!({"sender": "@b:hs", "content": content, "origin_server_ts": at});
            let seen = Seen { event, origin };
            assert_eq!(compare(&seen, "@b:hs", &outgoing, &wanted), want, "{what}");
            let got = compare(&seen, "@c:hs", &outgoing, &wanted);
            assert_eq!(got, Likeness::Other, "{what}, of somebody else");
        }
        let unsigned = json!({"transaction_id": "M1"});
        let event = json!({"sender": "@b:hs", "origin_server_ts": now, "unsigned": unsigned});
        let (outgoing, seen) = (outgoing(Relation::New), Seen { event, origin: hidden });
        let got = compare(&seen, "@b:hs", &outgoing, &super::content(&outgoing));
        assert_eq!(got, Likeness::Same, "the homeserver still knows the transaction");
    }

    #[test]
    fn only_a_single_hidden_event_is_taken() {
        let post = |n: usize| PostId(format!("${n}"));
        for (count, want) in [(0, None), (1, Some(post(0))), (2, None)] {
            let got = only(&outgoing(Relation::New), (0..count).map(post).collect());
            assert_eq!(got, want, "{count}");
        }
    }
}
