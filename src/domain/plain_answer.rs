//! What a command lacks may be said without an address: by whoever is asked, in the same place, as nothing but the value.

use super::clarify::gives_up;
use super::conversation::{OpenQuestion, Said};

/// Longest word that is taken for a choice that there is not, in characters.
pub const WORD_CHARS_MAX: usize = 40;

/// Whether a message that is not said to the bot answers the question for what a command lacks. It must be nothing but a
/// value that fits, no reply to anything, and not be said to somebody else.
pub fn is_meant(said: &Said, question: &OpenQuestion) -> bool {
    let Some(kind) = &question.parameter else { return false };
    let text = said.text.trim();
    let fits = gives_up(text) || kind.is_all_of(text);
    fits && said.target.is_none() && !text.contains('\n') && !is_to_somebody(text)
}

/// Whether a message that is not said to the bot is one word where a choice is wanted: if it is none of them, the choice
/// is asked for again.
pub fn is_near(said: &Said, question: &OpenQuestion) -> bool {
    let text = said.text.trim();
    let one_word =
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    question.parameter.is_some()
        && !question.choices.is_empty()
        && said.target.is_none()
        && one_word
        && text.chars().count() <= WORD_CHARS_MAX
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

    fn place() -> Place {
        Place {
            network: "matrix".into(),
            room: RoomId("!r".into()),
            name: "r".into(),
            thread: None,
            direct: false,
            encrypted: false,
        }
    }

    fn speaker() -> Speaker {
        Speaker {
            id: UserId("@ann:hs".into()),
            name: "ann".into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
            claims: vec![],
        }
    }

    /// A question of a script, for any text.
    fn asked() -> OpenQuestion {
        let asked = QuestionAsked::plain("it-0", Wants::Text, "?", MessageId("M".into()));
        let (execution, origin) = (ExecutionId("E".into()), PostId("$0".into()));
        OpenQuestion::of(&execution, &origin, &asked, place())
    }

    fn said<'a>(
        speaker: &'a Speaker,
        place: &'a Place,
        text: &'a str,
        target: Option<&'a PostId>,
        people: &'a People,
    ) -> Said<'a> {
        Said {
            speaker,
            place,
            text,
            addressed: false,
            reaction: false,
            target,
            at: Timestamp(0),
            people,
            roles: &[],
            stale_after_ms: 0,
        }
    }

    #[test]
    fn only_a_value_is_an_answer() {
        let (place, speaker, nobody) = (place(), speaker(), People::default());
        let asked = asked();
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
            let said = said(&speaker, &place, text, replies.then_some(&post), &nobody);
            assert_eq!(is_meant(&said, &question), want, "{kind} {text:?} replies={replies}");
            assert!(!is_meant(&said, &asked), "a script's question of any text needs an address");
        }
    }

    #[test]
    fn one_word_is_a_wrong_choice_and_talk_is_none() {
        let (place, speaker, nobody) = (place(), speaker(), People::default());
        let asked = asked();
        let format = Format::parse("x {kind: wood | stone}").unwrap();
        let parameter = Some(format.parameters()[0].kind.clone());
        let choices = vec!["wood".to_owned(), "stone".to_owned()];
        let lacks = OpenQuestion { parameter, choices: choices.clone(), ..asked.clone() };
        let of_script = OpenQuestion { choices, ..asked };
        let longest = "x".repeat(WORD_CHARS_MAX);
        let longer = "x".repeat(WORD_CHARS_MAX + 1);
        for (text, want) in [
            ("iron", true),
            (" cast-iron ", true),
            ("cast iron", false),
            ("iron?", false),
            ("ben:", false),
            ("", false),
            (&longest, true),
            (&longer, false),
        ] {
            let said = said(&speaker, &place, text, None, &nobody);
            assert_eq!(is_near(&said, &lacks), want, "{text:?}");
            assert!(!is_near(&said, &of_script), "a script's own choice may be overheard");
        }
    }
}
