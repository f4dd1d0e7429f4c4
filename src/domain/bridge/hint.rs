//! What a room's own state says about a bridge: which protocol, and what that can show.
//!
//! Whoever has the power may write such state, so it is a hint for how things are shown and only ever takes something away;
//! who somebody is never comes from it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caps::{Caps, TEXT_BYTES_MAX, TEXT_BYTES_MIN, Tables};
use super::{Bridges, Profile};
use crate::domain::id::{RoomId, UserId};

/// The types of state that tell of bridges.
pub const HINT_TYPES: [&str; 3] = ["m.bridge", "uk.half-shot.bridge", "com.beeper.room_features"];
/// Most hints of one room that count.
pub const HINTS_MAX: usize = 16;
/// Longest text in a hint that is kept, in characters.
pub const HINT_CHARS_MAX: usize = 200;

/// A room's state says something about bridges that it did not say before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomHinted {
    /// The room.
    pub room: RoomId,
    /// All that it says now.
    pub hints: Vec<Hint>,
}

/// One event of a room's state that tells of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hint {
    /// Its type.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// Who wrote it.
    pub by: UserId,
    /// The protocol behind the bridge, as it says.
    pub protocol: Option<String>,
    /// What can be shown there, if it says so.
    pub shows: Option<Features>,
}

/// What a bridge says its network can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Features {
    /// Formatted text.
    pub html: bool,
    /// Changes of what was said.
    pub edits: bool,
    /// Emojis on posts.
    pub reactions: bool,
    /// Threads.
    pub threads: bool,
    /// What a post answers.
    pub replies: bool,
    /// Pictures and files.
    pub files: bool,
    /// How long a text may be: it says characters, which are counted as bytes, so that it fits however they count.
    pub text: Option<u64>,
}

impl Hint {
    /// Reads an event of a room's state; none: it tells of no bridge, or not any more.
    pub fn read(event: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(short);
        let (kind, content) = (event["type"].as_str()?, &event["content"]);
        let known =
            HINT_TYPES.contains(&kind) && content.as_object().is_some_and(|it| !it.is_empty());
        let protocol = text(&content["protocol"]["id"]);
        let features = kind == "com.beeper.room_features";
        let shows = (known && features).then(|| Features::read(content));
        (known && (shows.is_some() || protocol.is_some())).then(|| Self {
            kind: kind.to_owned(),
            key: text(&event["state_key"]).unwrap_or_default(),
            by: UserId(text(&event["sender"]).unwrap_or_default()),
            protocol,
            shows,
        })
    }

    /// What can be shown where this holds.
    fn caps(&self, bridges: &Bridges) -> Caps {
        let of_protocol = |profile: &&Profile| {
            self.protocol.as_ref().is_some_and(|protocol| profile.protocols.contains(protocol))
        };
        match (&self.shows, bridges.known().iter().find(of_protocol)) {
            (Some(shows), _) => shows.caps(),
            (None, Some(profile)) => profile.caps,
            // Bridges pass no notices on unless they are told to.
            (None, None) => Caps { notices: false, ..Caps::WHOLE },
        }
    }
}

impl Features {
    fn read(content: &Value) -> Self {
        // From `-2`, rejected, to `2`, as on the network; `0` is what people see something else for.
        let level = |value: &Value| value.as_i64().unwrap_or(0) > 0;
        let some = |value: &Value| value.as_object().is_some_and(|it| it.values().any(level));
        let files = content["file"].as_object().is_some_and(|it| !it.is_empty());
        Self {
            html: some(&content["formatting"]),
            edits: level(&content["edit"]),
            reactions: level(&content["reaction"]),
            threads: level(&content["thread"]),
            replies: level(&content["reply"]),
            files,
            text: content["max_text_length"].as_u64().filter(|length| *length > 0),
        }
    }

    fn caps(self) -> Caps {
        let Self { html, edits, reactions, threads, replies, files, text } = self;
        let tables = if html { Tables::Code } else { Tables::Aligned };
        let lines = if html { Caps::WHOLE.lines } else { Caps::PLAIN.lines };
        let bytes = |length| usize::try_from(length).unwrap_or(TEXT_BYTES_MAX);
        let text_bytes =
            text.map_or(0, |length| bytes(length).clamp(TEXT_BYTES_MIN, TEXT_BYTES_MAX));
        let shown =
            Caps { html, edits, reactions, threads, replies, files, tables, lines, ..Caps::WHOLE };
        Caps { notices: false, text_bytes, ..shown }
    }
}

impl RoomHinted {
    /// What is left of what a room could show.
    pub fn least(&self, bridges: &Bridges, caps: Caps) -> Caps {
        self.hints.iter().map(|hint| hint.caps(bridges)).fold(caps, Caps::least)
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(HINT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: &str, content: &Value) -> Value {
        json!({"type": kind, "state_key": "net.maunium.slack://T1/C1", "sender": "@slackbot:hs", "content": content})
    }

    #[test]
    fn state_tells_of_a_bridge() {
        let slack = json!({"bridgebot": "@slackbot:hs", "protocol": {"id": "slackgo"}});
        let hint = Hint::read(&of("m.bridge", &slack)).expect("it tells of one");
        assert_eq!((hint.protocol.as_deref(), hint.shows), (Some("slackgo"), None));
        assert_eq!(
            (hint.key.as_str(), hint.by.as_str()),
            ("net.maunium.slack://T1/C1", "@slackbot:hs")
        );
        let long = json!({"protocol": {"id": "x".repeat(HINT_CHARS_MAX + 1) + "\n"}});
        let long =
            Hint::read(&of("m.bridge", &long)).and_then(|it| it.protocol).expect("it is kept");
        assert_eq!(long.len(), HINT_CHARS_MAX);
        for (kind, content) in [
            ("m.bridge", json!({})),
            ("m.bridge", json!({"protocol": {}})),
            ("m.bridge", json!("slack")),
            ("com.beeper.room_features", json!({})),
            ("m.room.topic", slack.clone()),
        ] {
            assert_eq!(Hint::read(&of(kind, &content)), None, "{kind} {content}");
        }
    }

    #[test]
    fn hints_take_away_and_give_nothing() {
        let bridges = Bridges::shipped();
        let least = |events: &[Value], caps| {
            let hints = events.iter().filter_map(Hint::read).collect();
            RoomHinted { room: RoomId("!r".into()), hints }.least(&bridges, caps)
        };
        let signal = json!({"formatting": {"bold": 2, "table": -1}, "edit": 2, "edit_max_count": 10, "reaction": 1,
                            "thread": -2, "reply": 2, "file": {"m.image": {}}, "max_text_length": 2000});
        let got = least(&[of("com.beeper.room_features", &signal)], Caps::WHOLE);
        let want = Caps {
            notices: false,
            threads: false,
            tables: Tables::Code,
            text_bytes: 2_000,
            ..Caps::WHOLE
        };
        assert_eq!(got, want);
        for (length, want) in [
            (json!(0), 0),
            (json!(-5), 0),
            (json!("x"), 0),
            (json!(160), TEXT_BYTES_MIN),
            (json!(u64::MAX), TEXT_BYTES_MAX),
        ] {
            let features = json!({"formatting": {"bold": 2}, "max_text_length": length});
            let got = least(&[of("com.beeper.room_features", &features)], Caps::WHOLE);
            assert_eq!(got.text_bytes, want, "{features}");
        }
        let sms =
            of("com.beeper.room_features", &json!({"formatting": {}, "edit": 0, "id": "sms"}));
        let got = least(std::slice::from_ref(&sms), Caps::WHOLE);
        assert!(!got.html && !got.edits && !got.reactions && !got.replies && !got.files, "{got:?}");
        let of_protocol = |id: &str| of("uk.half-shot.bridge", &json!({"protocol": {"id": id}}));
        let slack = bridges.known().iter().find(|it| it.network == "slack").expect("it ships");
        assert_eq!(least(&[of_protocol("slackgo")], Caps::WHOLE), slack.caps);
        let unknown = Caps { notices: false, ..Caps::WHOLE };
        assert_eq!(least(&[of_protocol("xmpp")], Caps::WHOLE), unknown);
        for event in [of_protocol("slackgo"), of_protocol("xmpp"), sms] {
            let got = least(&[event], Caps::PLAIN);
            assert_eq!(got, Caps::PLAIN, "a poor room gets no richer");
        }
        assert_eq!(least(&[], Caps::WHOLE), Caps::WHOLE);
    }
}
