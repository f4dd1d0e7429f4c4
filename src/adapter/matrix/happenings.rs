//! What happens in a room besides talk, as named triggers: who comes and goes, its topic, reactions.

use matrix_sdk::Room;
use serde_json::{Map, Value};

use super::client::Matrix;
use super::harvest::name;
use super::inbound::{self, Facts, NETWORK, REACTION_CHARS_MAX, short_name};
use super::pace::now;
use super::timeline::{Origin, Seen};
use crate::domain::id::DedupeKey;
use crate::domain::named::NamedEvent;
use crate::domain::trigger::Trigger;

/// Longest topic of a room that is kept, in characters.
pub const TOPIC_CHARS_MAX: usize = 2_000;
/// The types that can be something of this kind.
const TYPES: [&str; 3] = ["m.room.member", "m.room.topic", "m.reaction"];

impl Matrix {
    /// What happened in a room besides talk; whether anybody listens is not known here.
    pub(super) async fn happenings(&self, room: &Room, events: &[Seen]) -> Vec<Trigger> {
        let told: Vec<&Seen> =
            events.iter().filter(|seen| TYPES.contains(&seen.text("type"))).collect();
        if told.is_empty() {
            return vec![];
        }
        let (place, now) = (self.place(room).await, now());
        let bridges = self.settings().bridges.clone();
        let mut triggers = vec![];
        for seen in told {
            let name = name(room, seen.text("sender")).await;
            let facts = Facts {
                account: self.user.as_str(),
                place: &place,
                name: &name,
                now,
                bridges: &bridges,
            };
            triggers.extend(happening(seen, &facts));
        }
        triggers
    }
}

/// The named trigger that an event is, if it is one.
fn happening(seen: &Seen, facts: &Facts) -> Option<Trigger> {
    let (sender, post) = (seen.text("sender"), seen.text("event_id"));
    if sender.is_empty() || post.is_empty() || sender == facts.account || facts.is_of_bridge(sender)
    {
        return None;
    }
    let content = &seen.event["content"];
    // What was encrypted is no state, whatever it says inside: any member could write it.
    let state = seen.origin == Origin::Plain && seen.event["state_key"].is_string();
    let (what, more) = match seen.text("type") {
        "m.room.member" if state => member(seen, facts)?,
        "m.room.topic" if state => {
            let topic = content["topic"].as_str()?.chars().take(TOPIC_CHARS_MAX).collect();
            ("topic", vec![("topic", Value::String(topic))])
        }
        "m.reaction" if seen.origin != Origin::Mismatched => reaction(content)?,
        _ => return None,
    };
    let mut fields: Map<String, Value> = Map::new();
    for (field, value) in [
        ("room", facts.place.room.as_str()),
        ("room_name", facts.place.name.as_str()),
        ("by", sender),
        ("by_name", &inbound::name(facts.name, sender)),
    ] {
        fields.insert(field.to_owned(), value.into());
    }
    fields.extend(more.into_iter().map(|(field, value)| (field.to_owned(), value)));
    let room = facts.place.room.as_str();
    let key = DedupeKey::new(&[NETWORK, facts.account, room, post, "happened"]);
    let event = NamedEvent { name: format!("room.{what}"), fields, source: NETWORK.into() };
    Some(Trigger::event(key, seen.sent_at(facts.now), event))
}

type Told = (&'static str, Vec<(&'static str, Value)>);

/// Somebody came or went; a new name or picture, or an invitation, is neither.
fn member(seen: &Seen, facts: &Facts) -> Option<Told> {
    let (who, sender) = (seen.text("state_key"), seen.text("sender"));
    let content = &seen.event["content"];
    let before = &seen.event["unsigned"]["prev_content"];
    let was = before["membership"].as_str().unwrap_or("leave");
    let (what, how) = match (was, content["membership"].as_str()?) {
        _ if who == facts.account => return None,
        ("join", "join") => return None,
        ("invite", "join") => ("joined", "invited"),
        (_, "join") => ("joined", "joined"),
        ("join", "leave") if who == sender => ("left", "left"),
        ("join", "leave") => ("left", "kicked"),
        ("join", "ban") => ("left", "banned"),
        _ => return None,
    };
    let shown = content["displayname"].as_str().or(before["displayname"].as_str());
    let shown = inbound::name(&short_name(shown.unwrap_or_default()), who);
    let fields = vec![("user", who.into()), ("user_name", shown.into()), ("how", how.into())];
    Some((what, fields))
}

fn reaction(content: &Value) -> Option<Told> {
    let relation = &content["m.relates_to"];
    let (key, post) = (relation["key"].as_str()?, relation["event_id"].as_str()?);
    let fits = relation["rel_type"] == "m.annotation"
        && !key.is_empty()
        && key.chars().count() <= REACTION_CHARS_MAX;
    fits.then(|| ("reaction", vec![("reaction", key.into()), ("post", post.into())]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::timeline::tests::plain;
    use super::*;
    use crate::domain::bridge::Bridges;
    use crate::domain::id::{RoomId, Timestamp};
    use crate::domain::trigger::{Place, What};

    fn place() -> Place {
        Place {
            network: NETWORK.into(),
            room: RoomId("!ops:hs".into()),
            name: "ops".into(),
            thread: None,
            direct: false,
            encrypted: false,
        }
    }

    fn told(seen: &Seen) -> Option<(String, Value)> {
        let place = place();
        let facts = Facts {
            account: "@bot:hs",
            place: &place,
            name: "Ann",
            now: Timestamp(5_000),
            bridges: &Bridges::shipped(),
        };
        let trigger = happening(seen, &facts)?;
        let What::Event(event) = trigger.what else { panic!("it has a name") };
        Some((event.name, Value::Object(event.fields)))
    }

    fn member(sender: &str, who: &str, was: &str, is: &str) -> Seen {
        plain(json!({
            "type": "m.room.member", "event_id": "$1", "sender": sender, "state_key": who,
            "content": {"membership": is}, "unsigned": {"prev_content": {"membership": was, "displayname": "Bobby"}},
        }))
    }

    #[test]
    fn who_comes_and_goes_is_told() {
        for (sender, who, was, is, want) in [
            ("@bob:hs", "@bob:hs", "leave", "join", Some("room.joined joined")),
            ("@bob:hs", "@bob:hs", "invite", "join", Some("room.joined invited")),
            ("@bob:hs", "@bob:hs", "join", "join", None),
            ("@bob:hs", "@bob:hs", "join", "leave", Some("room.left left")),
            ("@ann:hs", "@bob:hs", "join", "leave", Some("room.left kicked")),
            ("@ann:hs", "@bob:hs", "join", "ban", Some("room.left banned")),
            ("@ann:hs", "@bob:hs", "leave", "invite", None),
            ("@bob:hs", "@bob:hs", "invite", "leave", None),
            ("@ann:hs", "@bot:hs", "join", "leave", None),
            ("@bot:hs", "@bot:hs", "invite", "join", None),
        ] {
            let got = told(&member(sender, who, was, is));
            let shown = got.as_ref().map(|(name, fields)| {
                assert_eq!((&fields["user"], &fields["by"]), (&json!(who), &json!(sender)));
                assert_eq!(fields["user_name"], "Bobby");
                format!("{name} {}", fields["how"].as_str().expect("a text"))
            });
            assert_eq!(shown.as_deref(), want, "{sender} {who} {was} {is}");
        }
        let forged =
            Seen { origin: Origin::SignedDevice, ..member("@ann:hs", "@bob:hs", "join", "leave") };
        assert_eq!(told(&forged), None, "what was encrypted is no state");
    }

    #[test]
    fn topics_and_reactions_are_told() {
        let long = "x".repeat(TOPIC_CHARS_MAX + 1);
        for (kind, state, content, want) in [
            (
                "m.room.topic",
                true,
                json!({"topic": "Deploys"}),
                Some(("room.topic", "topic", "Deploys")),
            ),
            (
                "m.room.topic",
                true,
                json!({"topic": long}),
                Some(("room.topic", "topic", &long[1..])),
            ),
            ("m.room.topic", false, json!({"topic": "Deploys"}), None),
            (
                "m.reaction",
                false,
                json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$0", "key": "👍"}}),
                Some(("room.reaction", "reaction", "👍")),
            ),
            ("m.reaction", false, json!({"m.relates_to": {"event_id": "$0", "key": "👍"}}), None),
            ("m.room.message", false, json!({"body": "hello"}), None),
        ] {
            let mut event =
                json!({"type": kind, "event_id": "$1", "sender": "@ann:hs", "content": content});
            if state {
                event["state_key"] = "".into();
            }
            let got = told(&plain(event));
            let got = got.as_ref().map(|(name, fields)| {
                assert_eq!(
                    (&fields["room"], &fields["by_name"]),
                    (&json!("!ops:hs"), &json!("Ann"))
                );
                (name.as_str(), fields)
            });
            assert_eq!(got.is_some(), want.is_some(), "{kind} {content}");
            if let (Some((name, fields)), Some((wanted, field, value))) = (got, want) {
                assert_eq!((name, fields[field].as_str()), (wanted, Some(value)));
            }
        }
    }
}
