//! A room's events as they were read, and which of them count: what is at or before our own join does not.

use matrix_sdk::deserialized_responses::{
    TimelineEvent, TimelineEventKind, VerificationLevel, VerificationState,
};
use serde_json::Value;

use crate::domain::bridge::said;
use crate::domain::id::Timestamp;

/// One event and how it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// The event, decrypted if it could be.
    pub event: Value,
    /// How it came.
    pub origin: Origin,
}

/// How an event came, and what that proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the clear.
    Plain,
    /// Decrypted, from a device that its owner has signed.
    SignedDevice,
    /// Decrypted, from a device that nobody vouches for.
    OtherDevice,
    /// Decrypted with keys of somebody else than its sender.
    Mismatched,
    /// Encrypted, and the key is missing.
    Undecryptable,
}

impl Seen {
    /// Reads an event of the SDK; `None` if it is no JSON object.
    pub fn read(event: &TimelineEvent) -> Option<Self> {
        let origin = match &event.kind {
            TimelineEventKind::PlainText { .. } => Origin::Plain,
            TimelineEventKind::UnableToDecrypt { .. } => Origin::Undecryptable,
            TimelineEventKind::Decrypted(event) => {
                origin(&event.encryption_info.verification_state)
            }
        };
        let event: Value = serde_json::from_str(event.raw().json().get()).ok()?;
        event.is_object().then_some(Self { event, origin })
    }

    /// What a post says in words, as programs of the homeserver write them.
    pub fn words(&self) -> Option<String> {
        let content = &self.event["content"];
        let body = content["body"].as_str().filter(|_| self.text("type") == "m.room.message")?;
        Some(said::words(body, content["formatted_body"].as_str()).into_owned())
    }

    /// A text field at the top.
    pub fn text(&self, field: &str) -> &str {
        self.event[field].as_str().unwrap_or("")
    }

    /// When its sender's homeserver says it was sent, in milliseconds.
    pub fn sent_ms(&self) -> i64 {
        self.event["origin_server_ts"].as_i64().unwrap_or(0)
    }

    /// When it was sent, by this machine's clock where the homeserver says how old it is: clocks differ.
    pub fn sent_at(&self, now: Timestamp) -> Timestamp {
        let age = self.event["unsigned"]["age"].as_i64().filter(|age| *age >= 0);
        Timestamp(age.map_or(self.sent_ms(), |age| now.0.saturating_sub(age)))
    }

    /// Whether this is the moment that `user` came into the room; a new name or picture of theirs is not.
    ///
    /// What was encrypted is no state, whatever it says inside: any member could write it.
    pub fn is_join_of(&self, user: &str) -> bool {
        let was = &self.event["unsigned"]["prev_content"]["membership"];
        self.origin == Origin::Plain
            && self.text("type") == "m.room.member"
            && self.text("state_key") == user
            && self.event["content"]["membership"] == "join"
            && was != "join"
    }

    /// Who invited `user`, if this is them accepting an invitation.
    pub fn accepted_invitation_of(&self, user: &str) -> Option<&str> {
        let unsigned = &self.event["unsigned"];
        let invited = unsigned["prev_content"]["membership"] == "invite";
        (self.is_join_of(user) && invited).then(|| unsigned["prev_sender"].as_str())?
    }
}

/// What the state of the sending device proves.
fn origin(state: &VerificationState) -> Origin {
    match state {
        VerificationState::Verified
        | VerificationState::Unverified(VerificationLevel::UnverifiedIdentity) => {
            Origin::SignedDevice
        }
        VerificationState::Unverified(VerificationLevel::MismatchedSender) => Origin::Mismatched,
        VerificationState::Unverified(_) => Origin::OtherDevice,
    }
}

/// The events after our latest join in them.
///
/// Without a join in sight all count if the bot has `followed` the room until here; otherwise none do, for nobody can say
/// which of them are history.
pub(super) fn after_join(mut events: Vec<Seen>, user: &str, followed: bool) -> Vec<Seen> {
    let join = events.iter().rposition(|seen| seen.is_join_of(user));
    match join {
        Some(join) => events.split_off(join + 1),
        None if followed => events,
        None => Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// An event in the clear.
    pub fn plain(event: Value) -> Seen {
        Seen { event, origin: Origin::Plain }
    }

    /// `j` is our join, `n` our new name, `J` another's join, a digit a message.
    pub fn event(mark: char) -> Seen {
        let member = |user: &str, was: &str| {
            json!({"type": "m.room.member", "state_key": user, "event_id": mark.to_string(),
                   "content": {"membership": "join"},
                   "unsigned": {"prev_content": {"membership": was}, "prev_sender": "@ana:hs"}})
        };
        plain(match mark {
            'j' => member("@bot:hs", "invite"),
            'n' => member("@bot:hs", "join"),
            'J' => member("@ana:hs", "invite"),
            mark => json!({"type": "m.room.message", "event_id": mark.to_string(),
                           "origin_server_ts": mark.to_digit(10)}),
        })
    }

    /// The marks of events.
    pub fn marks(events: &[Seen]) -> String {
        events.iter().map(|seen| seen.text("event_id")).collect()
    }

    #[test]
    fn only_what_follows_our_join_counts() {
        for (timeline, followed, want) in [
            ("123", true, "123"),
            ("123", false, ""),
            ("12j34", true, "34"),
            ("12j34", false, "34"),
            ("1j2j3", true, "3"),
            ("12n34", true, "12n34"),
            ("1J2", true, "1J2"),
            ("1J2", false, ""),
            ("12j", false, ""),
            ("", true, ""),
        ] {
            let events = timeline.chars().map(event).collect();
            let got = marks(&after_join(events, "@bot:hs", followed));
            assert_eq!(got, want, "{timeline:?} followed={followed}");
        }
    }

    #[test]
    fn nobody_can_write_our_join() {
        for origin in [Origin::SignedDevice, Origin::OtherDevice, Origin::Mismatched] {
            let forged = Seen { origin, ..event('j') };
            assert!(!forged.is_join_of("@bot:hs"), "{origin:?}");
            let events = vec![event('1'), forged, event('2')];
            assert_eq!(marks(&after_join(events, "@bot:hs", true)), "1j2", "{origin:?}");
        }
    }

    #[test]
    fn an_accepted_invitation_names_who_invited() {
        for (mark, want) in [('j', Some("@ana:hs")), ('n', None), ('J', None), ('1', None)] {
            assert_eq!(event(mark).accepted_invitation_of("@bot:hs"), want, "{mark:?}");
        }
    }
}
