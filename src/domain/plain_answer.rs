//! What a command lacks may be said without an address: by whoever is asked, in the same place, as nothing but the value.

use super::clarify::gives_up;
use super::conversation::{OpenQuestion, Said};

/// Whether a message that is not said to the bot answers the question for what a command lacks. It must be nothing but a
/// value that fits, no reply to anything, and not be said to somebody else.
pub fn is_meant(said: &Said, question: &OpenQuestion) -> bool {
    let Some(kind) = &question.parameter else { return false };
    let text = said.text.trim();
    let fits = gives_up(text) || kind.is_all_of(text);
    fits && said.target.is_none() && !text.contains('\n') && !is_to_somebody(text)
}

/// Whether a text begins with whom it is said to: `ben: look`, `@ben look`.
fn is_to_somebody(text: &str) -> bool {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    first.ends_with([':', ',']) || (first.starts_with('@') && !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::alias::Format;
    use super::super::event::{QuestionAsked, Wants};
    use super::super::id::{ExecutionId, MessageId, PostId, RoomId, Timestamp, UserId};
    use super::super::person::People;
    use super::super::trigger::{Place, Speaker, Trust};
    use super::*;

    #[test]
    fn only_a_value_is_an_answer() {
        let place = Place {
            network: "matrix".into(),
            room: RoomId("!r".into()),
            name: "r".into(),
            thread: None,
            direct: false,
            encrypted: false,
        };
        let speaker = Speaker {
            id: UserId("@ann:hs".into()),
            name: "ann".into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
        };
        let asked = QuestionAsked::plain("host-0", Wants::Text, "?", MessageId("M".into()));
        let (execution, origin) = (ExecutionId("E".into()), PostId("$0".into()));
        let asked = OpenQuestion::of(&execution, &origin, &asked, place.clone());
        for (kind, text, replies, want) in [
            ("word", "web1", false, true),
            ("word", " web1 ", false, true),
            ("word", "\"two words\"", false, true),
            ("word", "let me look", false, false),
            ("word", "hmm, wait", false, false),
            ("word", "ben:", false, false),
            ("word", "web1", true, false),
            ("word", "never mind", false, true),
            ("word", "web1\nweb2", false, false),
            ("int", "7", false, true),
            ("int", "seven", false, false),
            ("user", "@ben:hs", false, true),
            ("user", "@ben look here", false, false),
            ("text", "all is well today", false, true),
            ("text", "ben: all is well", false, false),
            ("duration", "5 min", false, true),
        ] {
            let format = Format::parse(&format!("x {{it:{kind}}}")).unwrap();
            let parameter = Some(format.parameters()[0].kind.clone());
            let question = OpenQuestion { parameter, ..asked.clone() };
            let post = PostId("$9".into());
            let said = Said {
                speaker: &speaker,
                place: &place,
                text,
                addressed: false,
                reaction: false,
                target: replies.then_some(&post),
                at: Timestamp(0),
                people: &People::default(),
                roles: &[],
                stale_after_ms: 0,
            };
            assert_eq!(is_meant(&said, &question), want, "{kind} {text:?} replies={replies}");
            assert!(!is_meant(&said, &asked), "a script's question of any text needs an address");
        }
    }
}
