//! Rooms that the bot is in no longer: removed, banned, or left with another client. What a sync shows is handed over.

use std::sync::PoisonError;

use matrix_sdk::Room;
use matrix_sdk::ruma::RoomId as MatrixRoomId;
use matrix_sdk::ruma::api::client::membership::leave_room;
use matrix_sdk::sync::{LeftRoomUpdate, State, SyncResponse};
use serde_json::Value;

use super::client::Matrix;
use super::inbound::short_name;
use super::invites::{in_time, name};
use super::timeline::Seen;
use super::trouble::Trouble;
use crate::adapter::{IntakeError, Left};
use crate::domain::event::Departure;
use crate::domain::id::{RoomId, UserId};

/// Most rooms that are left at the same time; past it, the reason may be recorded as not known.
const GOING_MAX: usize = 1_000;

/// How somebody went out of a room, by the event that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exit {
    how: Departure,
    by: Option<String>,
    words: Option<String>,
}

/// How `user` went out of a room where they were, if this event says so.
///
/// An invitation that is declined or withdrawn is no departure, and neither is the end of a ban.
fn exit(event: &Value, user: &str) -> Option<Exit> {
    let of_user = event["type"] == "m.room.member" && event["state_key"] == user;
    let (now, was) =
        (&event["content"]["membership"], &event["unsigned"]["prev_content"]["membership"]);
    if !of_user || was != "join" {
        return None;
    }
    let sender = event["sender"].as_str().filter(|sender| *sender != user);
    let how = match (now.as_str()?, sender) {
        ("ban", _) => Departure::Banned,
        ("leave", Some(_)) => Departure::Kicked,
        ("leave", None) => Departure::ByHand,
        _ => return None,
    };
    let words = event["content"]["reason"].as_str().map(short_name);
    let words = words.filter(|words| !words.is_empty());
    Some(Exit { how, by: sender.map(str::to_owned), words })
}

/// How the account went out of a room; the last time counts.
fn last_exit(update: &LeftRoomUpdate, user: &str) -> Option<Exit> {
    let timeline = update.timeline.events.iter().rev().filter_map(Seen::read);
    let timeline = timeline.map(|seen| seen.event);
    let (State::Before(state) | State::After(state)) = &update.state;
    let state = state.iter().rev().filter_map(|raw| raw.deserialize_as_unchecked::<Value>().ok());
    timeline.chain(state).find_map(|event| exit(&event, user))
}

/// Leaves a room or declines an invitation into it, and nothing else.
///
/// The SDK would leave the rooms too that this one says it replaces, and a stranger's room can say that of any.
pub(super) async fn leave(room: &Room) -> Result<(), Trouble> {
    let request = leave_room::v3::Request::new(room.room_id().to_owned());
    in_time(async { Ok(room.client().send(request).await?) }).await.map(|_| ())
}

impl Matrix {
    /// Leaves a room and forgets it later; the caller records why, so that what the next sync shows of it is no news.
    pub(super) async fn depart(&self, room: &Room) -> Result<(), Trouble> {
        let id = room.room_id();
        {
            let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
            if going.len() >= GOING_MAX {
                going.clear();
            }
            going.insert(id.to_owned());
        }
        let left = leave(room).await;
        if left.is_err() {
            self.is_back(id);
        }
        left
    }

    /// Whether this process has left a room, and no sync has shown it yet.
    pub(super) fn is_going(&self, room: &MatrixRoomId) -> bool {
        self.going.lock().unwrap_or_else(PoisonError::into_inner).contains(room)
    }

    /// The bot is not on its way out of a room any more: it is out, still in, or in again.
    pub(super) fn is_back(&self, room: &MatrixRoomId) {
        self.going.lock().unwrap_or_else(PoisonError::into_inner).remove(room);
    }

    /// Forgets a room that was left, in its own time; a failure costs nothing but a row at the homeserver.
    pub(super) fn forget(&self, id: &MatrixRoomId) {
        let Some(room) = self.client.get_room(id) else { return };
        tokio::spawn(async move {
            if let Err(trouble) = in_time(room.forget()).await {
                tracing::debug!(room = %room.room_id(), reason = trouble.reason(), "not forgotten");
            }
        });
    }

    /// Hands over the rooms of an answer that the bot is in no longer.
    pub(super) async fn departures(&self, response: &SyncResponse) -> Result<(), IntakeError> {
        for (id, update) in &response.rooms.left {
            let Some(exit) = last_exit(update, self.user.as_str()) else { continue };
            if exit.how == Departure::ByHand && self.is_going(id) {
                // Who leaves knows why, and says so.
                self.is_back(id);
                self.forget(id);
                continue;
            }
            let name = match self.client.get_room(id) {
                Some(room) => name(&room).await,
                None => String::new(),
            };
            tracing::info!(room = %id, how = ?exit.how, "no longer in a room");
            let room = RoomId(id.to_string());
            let by = exit.by.map(UserId);
            self.intake.left(Left { room, name, how: exit.how, by, words: exit.words }).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inbound::NAME_CHARS_MAX;
    use super::*;

    #[test]
    fn departures_are_told_apart() {
        for (was, now, sender, reason, want) in [
            ("join", "leave", "@eve:hs", json!(null), "Kicked @eve:hs -"),
            ("join", "leave", "@eve:hs", json!("too\nloud"), "Kicked @eve:hs too loud"),
            ("join", "ban", "@eve:hs", json!(" "), "Banned @eve:hs -"),
            ("join", "leave", "@bot:hs", json!(null), "ByHand - -"),
            ("invite", "leave", "@eve:hs", json!(null), "none"),
            ("invite", "leave", "@bot:hs", json!(null), "none"),
            ("invite", "ban", "@eve:hs", json!(null), "none"),
            ("ban", "leave", "@eve:hs", json!(null), "none"),
            ("leave", "ban", "@eve:hs", json!(null), "none"),
            ("join", "join", "@bot:hs", json!(null), "none"),
            ("invite", "join", "@bot:hs", json!(null), "none"),
        ] {
            let event = json!({"type": "m.room.member", "state_key": "@bot:hs", "sender": sender,
                "content": {"membership": now, "reason": reason},
                "unsigned": {"prev_content": {"membership": was}}});
            let or = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            let got = exit(&event, "@bot:hs")
                .map_or("none".into(), |it| format!("{:?} {} {}", it.how, or(it.by), or(it.words)));
            assert_eq!(got, want, "{was} to {now} by {sender}");
            assert_eq!(exit(&event, "@ana:hs"), None, "somebody else's");
        }
    }

    #[test]
    fn explanations_are_cut() {
        let event = json!({"type": "m.room.member", "state_key": "@bot:hs", "sender": "@eve:hs",
            "content": {"membership": "leave", "reason": "x".repeat(10_000)},
            "unsigned": {"prev_content": {"membership": "join"}}});
        let words = exit(&event, "@bot:hs").and_then(|exit| exit.words).expect("a reason");
        assert_eq!(words.chars().count(), NAME_CHARS_MAX);
    }
}
