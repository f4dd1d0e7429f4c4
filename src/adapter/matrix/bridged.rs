//! Which bridges are in a room: seen by their accounts, at the latest when somebody of their network speaks.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::RawAnySyncOrStrippedState;
use matrix_sdk::ruma::api::client::state::get_state_event_for_key::v3::Request as Member;
use matrix_sdk::ruma::events::StateEventType;
use serde_json::Value;

use super::client::{Matrix, request_config};
use super::timeline::{Origin, Seen};
use super::trouble::Trouble;
use crate::adapter::IntakeError;
use crate::domain::bridge::hint::{HINT_TYPES, HINTS_MAX, Hint};
use crate::domain::bridge::{Account, Bridges};
use crate::domain::event::BridgeSeen;
use crate::domain::id::{RoomId, UserId};

/// Most rooms of which it is known that they were looked at; then all are looked at again.
pub const LOOKED_AT_MAX: usize = 10_000;

impl Matrix {
    /// Records the bridges that show in a room's events, and once those that came before the bot.
    pub(super) async fn note_bridges(
        &self,
        room: &Room,
        events: &[Seen],
    ) -> Result<(), IntakeError> {
        if events.is_empty() {
            return Ok(());
        }
        let new = self.is_new(room);
        let id = RoomId(room.room_id().to_string());
        if new || events.iter().any(|seen| HINT_TYPES.contains(&seen.text("type"))) {
            self.intake.saw_hints(id.clone(), hints(room).await).await?;
        }
        let bridges = self.settings().bridges.clone();
        if bridges.used().next().is_none() {
            return Ok(());
        }
        let mut found = shown(&bridges, self.user.server_name().as_str(), events);
        if new {
            found.extend(self.bots_in(&bridges, room).await);
        }
        for (profile, evidence) in found {
            self.intake.saw_bridge(id.clone(), BridgeSeen { profile, evidence }).await?;
        }
        Ok(())
    }

    /// Hands on what bridges say by themselves.
    pub(super) async fn hear_bridges(
        &self,
        room: &Room,
        events: &[Seen],
    ) -> Result<(), IntakeError> {
        let bridges = self.settings().bridges.clone();
        let server = self.user.server_name().as_str();
        let id = RoomId(room.room_id().to_string());
        for seen in events.iter().filter(|seen| seen.origin == Origin::Plain) {
            let by = seen.text("sender");
            let is_bridge = matches!(bridges.account(by, server), Some(Account::Bot(_)));
            if let Some(text) = seen.words().filter(|_| is_bridge) {
                self.intake.bridge_said(&id, &UserId(by.to_owned()), &text).await?;
            }
        }
        Ok(())
    }

    fn is_new(&self, room: &Room) -> bool {
        let mut looked = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.len() >= LOOKED_AT_MAX {
            looked.clear();
        }
        looked.insert(room.room_id().to_owned())
    }

    /// The bridges whose own accounts are in a room: members are not told of until they speak, so they are asked for.
    async fn bots_in(&self, bridges: &Bridges, room: &Room) -> Vec<(String, String)> {
        let server = self.user.server_name();
        let mut found = vec![];
        for profile in bridges.used() {
            for local in profile.own_accounts() {
                let id = format!("@{local}:{server}");
                let request =
                    Member::new(room.room_id().to_owned(), StateEventType::RoomMember, id.clone());
                let config = request_config().disable_retry();
                match self.client.send(request).with_request_config(config).await {
                    Ok(answer) => {
                        let membership = answer.event_or_content.get().contains("\"join\"");
                        found.extend(membership.then(|| (profile.name.clone(), id)));
                    }
                    Err(error) => {
                        let trouble = Trouble::from(&error);
                        if !matches!(trouble, Trouble::Refused { .. }) {
                            tracing::debug!(
                                reason = trouble.reason(),
                                "nobody says who is in a room"
                            );
                        }
                    }
                }
            }
        }
        found
    }
}

/// What a room's state says about bridges, in an order of its own.
async fn hints(room: &Room) -> Vec<Hint> {
    let mut found = vec![];
    for kind in HINT_TYPES {
        let events = room.get_state_events(StateEventType::from(kind)).await;
        let events = events.unwrap_or_else(|error| {
            tracing::warn!(%error, kind, "a room's state cannot be read");
            vec![]
        });
        let json = events.iter().filter_map(|event| match event {
            RawAnySyncOrStrippedState::Sync(raw) => raw.deserialize_as::<Value>().ok(),
            RawAnySyncOrStrippedState::Stripped(_) => None,
        });
        found.extend(json.filter_map(|event| Hint::read(&event)));
    }
    found.sort();
    found.truncate(HINTS_MAX);
    found
}

/// The bridges whose accounts act in events, each once, with the account.
fn shown(bridges: &Bridges, server: &str, events: &[Seen]) -> BTreeSet<(String, String)> {
    let mut names = BTreeSet::new();
    let of = |id: &str| Some((bridges.account(id, server)?.profile().name.clone(), id.to_owned()));
    let acting = |seen: &Seen| {
        // What was encrypted is no state, whatever it says inside.
        let member = seen.text("type") == "m.room.member" && seen.origin == Origin::Plain;
        let comes = member && seen.event["content"]["membership"] == "join";
        let who = if comes { seen.text("state_key") } else { "" };
        of(seen.text("sender")).into_iter().chain(of(who)).collect::<Vec<_>>()
    };
    events.iter().flat_map(acting).filter(|(profile, _)| names.insert(profile.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::timeline::tests::plain;
    use super::*;

    #[test]
    fn bridges_show_by_their_accounts() {
        let bridges = Bridges::default().using(&["heisenbridge".into()], &[]).expect("it ships");
        let member = |sender: &str, who: &str, membership: &str| {
            plain(json!({"type": "m.room.member", "sender": sender, "state_key": who,
                         "content": {"membership": membership}}))
        };
        let said = |sender: &str| plain(json!({"type": "m.room.message", "sender": sender}));
        for (event, want) in [
            (said("@ann:hs"), None),
            (said("@irc_net_eva:hs"), Some("@irc_net_eva:hs")),
            (said("@irc_net_eva:evil.org"), None),
            (said("@irc_:hs"), None),
            (said("@heisenbridge:hs"), Some("@heisenbridge:hs")),
            (member("@ann:hs", "@heisenbridge:hs", "invite"), None),
            (member("@ann:hs", "@irc_net_eva:hs", "join"), Some("@irc_net_eva:hs")),
        ] {
            let got = shown(&bridges, "hs", std::slice::from_ref(&event));
            let got: Vec<&str> = got.iter().map(|(_, id)| id.as_str()).collect();
            assert_eq!(got, want.into_iter().collect::<Vec<_>>(), "{:?}", event.event);
        }
        let twice = [said("@irc_net_eva:hs"), said("@irc_net_ben:hs")];
        assert_eq!(shown(&bridges, "hs", &twice).len(), 1, "once is enough");
        assert!(shown(&Bridges::default(), "hs", &twice).is_empty(), "it is not in use");
    }
}
