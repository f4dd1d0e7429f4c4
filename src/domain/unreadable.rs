//! Posts whose keys are missing: how long they are waited for, and where one of them stands by its own stream.

use super::event::{Event, Recorded};
use super::id::Version;
use super::trigger::What;

/// How long the keys of a post are waited for.
pub const UNREADABLE_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// Most unreadable posts that are kept in mind; past it the oldest is forgotten.
pub const UNREADABLE_MAX: usize = 1_000;
/// Most events of a trigger's stream that matter here; it never has more than a few.
pub const TRIGGER_EVENTS_MAX: usize = 32;

/// Where a post stands whose keys were missing when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was not decided on yet; nothing comes before that.
    Undecided,
    /// It is unreadable still.
    Waiting {
        /// The last version of its stream.
        version: Version,
        /// Why its sender's client keeps the key back, as far as it says so.
        withheld: Option<String>,
    },
    /// It was read or given up, or is nothing that was unreadable.
    Over,
}

/// Reads a trigger's stream.
pub fn standing(events: &[Recorded]) -> Standing {
    let (first, rest) = match events.split_first() {
        None => return Standing::Undecided,
        Some(split) => split,
    };
    let unreadable = matches!(
        first.event(),
        Some(Event::TriggerRecorded(e)) if matches!(e.trigger.what, What::Undecryptable(_))
    );
    let Some(last) = rest.last() else {
        return if unreadable { Standing::Undecided } else { Standing::Over };
    };
    let mut withheld = None;
    for recorded in rest {
        match recorded.event() {
            Some(Event::TriggerRouted(_)) => {}
            Some(Event::EventWithheld(e)) => withheld = Some(e.code.clone()),
            _ => return Standing::Over,
        }
    }
    let waits = unreadable && rest.len() < TRIGGER_EVENTS_MAX - 1;
    if waits { Standing::Waiting { version: last.id.version, withheld } } else { Standing::Over }
}

#[cfg(test)]
mod tests {
    use super::super::event::{
        EventDecrypted, EventGivenUp, EventWithheld, Payload, TriggerRouted, decode,
    };
    use super::super::id::{EventId, Position, StreamName, Timestamp};
    use super::*;
    use serde_json::Value;

    /// A trigger's stream, one word an event.
    fn stream(words: &str) -> Vec<Recorded> {
        let fixture = include_str!("../../tests/fixtures/events/trigger_recorded.v1.json");
        let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
        let recorded = |kind: &str| {
            let data = list.iter().find(|it| it["trigger"]["what"].get(kind).is_some());
            let data = data.expect("there is one of every kind").clone();
            decode("trigger_recorded", 1, data).expect("a fixture is an event")
        };
        let payload = |word: &str| match word {
            "sealed" => recorded("undecryptable"),
            "message" => recorded("message"),
            "routed" => TriggerRouted { outcomes: vec![] }.into(),
            "read" => EventDecrypted {}.into(),
            "given-up" => EventGivenUp { reason: "too old".into() }.into(),
            code => EventWithheld { code: code.into() }.into(),
        };
        let events = words.split_whitespace().enumerate().map(|(n, word)| Recorded {
            position: Position(n as u64),
            id: EventId {
                stream: StreamName::parse("trigger-T").expect("a stream's name"),
                version: Version(n as u64),
            },
            kind: String::new(),
            schema: 1,
            ts: Timestamp(0),
            wall: Timestamp(0),
            epoch: 0,
            cause: None,
            correlation: None,
            actor: None,
            room: None,
            network: None,
            key: None,
            commitment: String::new(),
            payload: match word {
                "erased" => Payload::Erased,
                word => Payload::Event(Box::new(payload(word))),
            },
        });
        events.collect()
    }

    #[test]
    fn a_post_waits_from_its_decision_until_it_is_read_or_given_up() {
        let waiting = |version, withheld: Option<&str>| Standing::Waiting {
            version: Version(version),
            withheld: withheld.map(str::to_owned),
        };
        for (words, want) in [
            ("", Standing::Undecided),
            ("sealed", Standing::Undecided),
            ("sealed routed", waiting(1, None)),
            ("sealed routed m.unverified", waiting(2, Some("m.unverified"))),
            ("sealed routed m.no_olm m.unverified", waiting(3, Some("m.unverified"))),
            ("sealed routed read", Standing::Over),
            ("sealed routed m.no_olm read", Standing::Over),
            ("sealed routed given-up", Standing::Over),
            ("message routed", Standing::Over),
            ("message", Standing::Over),
            ("erased", Standing::Over),
            ("erased routed", Standing::Over),
            ("sealed erased", Standing::Over),
        ] {
            assert_eq!(standing(&stream(words)), want, "{words:?}");
        }
    }

    #[test]
    fn a_stream_does_not_grow_for_ever() {
        let mut words = "sealed routed".to_owned();
        for n in 2..TRIGGER_EVENTS_MAX - 1 {
            words.push_str(&format!(" m.code{n}"));
            let waits = matches!(standing(&stream(&words)), Standing::Waiting { .. });
            assert!(waits, "{n}");
        }
        words.push_str(" m.one-more");
        assert_eq!(standing(&stream(&words)), Standing::Over);
    }
}
