//! `!pending`: what waits for whom, for how long, and how it is answered.

use super::conversation::OpenQuestion;
use super::id::Timestamp;
use super::message::Doc;
use super::words::questions as words;

/// Most questions that an answer lists; of the others it says how many there are.
pub const LISTED_MAX: usize = 20;
/// Most open questions that are looked at: the newest.
pub const LOOKED_AT_MAX: usize = 1_000;

/// The command as help shows it.
pub const COMMANDS: &[(&str, &str)] = &[(
    "pending [me|all]",
    "List the questions that wait here, or for you; in the management room, everywhere",
)];

/// Which questions somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingCommand {
    /// Those of this room; in the management room, all.
    Here,
    /// Those that wait for who asks: of this room, and of all rooms where nobody else hears it.
    Mine,
    /// All.
    All,
}

/// A question with the command that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The question.
    pub question: OpenQuestion,
    /// What was commanded.
    pub command: String,
    /// By whom.
    pub requester: String,
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<PendingCommand> {
    let mut words = text.split_whitespace().map(str::to_lowercase);
    let (first, second, third) = (words.next()?, words.next(), words.next());
    match (first.as_str(), second.as_deref(), third) {
        ("pending", None, None) => Some(PendingCommand::Here),
        ("pending", Some("me"), None) => Some(PendingCommand::Mine),
        ("pending", Some("all"), None) => Some(PendingCommand::All),
        _ => None,
    }
}

/// What waits, the newest first; `more` are not among it. With `rooms` each names its room.
pub fn listing(pending: &[Pending], more: usize, rooms: bool, now: Timestamp) -> Doc {
    let all: Vec<&OpenQuestion> = pending.iter().map(|it| &it.question).collect();
    let shown = pending.iter().take(LISTED_MAX);
    let mut lines: Vec<String> =
        shown.map(|it| words::pending(it, &words::id_of(&it.question, &all), rooms, now)).collect();
    let more = more + pending.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        lines.push(words::and_more(more));
    }
    if lines.is_empty() {
        lines.push(words::nothing_pending(rooms));
    }
    Doc::text(&lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::event::{QuestionAsked, Wants};
    use super::super::id::{ExecutionId, MessageId, PostId, RoomId, UserId};
    use super::super::message::{Block, Span};
    use super::super::trigger::Place;
    use super::*;

    #[test]
    fn texts_are_the_command_or_not() {
        for (text, want) in [
            ("pending", Some(PendingCommand::Here)),
            ("Pending me", Some(PendingCommand::Mine)),
            ("pending all", Some(PendingCommand::All)),
            ("pending requests", None),
            ("pending me too", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }

    fn waiting(nth: usize) -> Pending {
        let asked = QuestionAsked::plain("0", Wants::YesNo, "May I?", MessageId("M".into()));
        let place = Place {
            network: "matrix".into(),
            room: RoomId("!ops".into()),
            name: "ops".into(),
            thread: None,
            direct: false,
            encrypted: false,
        };
        let (execution, post) = (ExecutionId(format!("{nth:08}ABCD")), PostId("$1".into()));
        let question = OpenQuestion {
            from: vec![UserId("@ben:hs".into())],
            phrase: "pink martini".into(),
            ..OpenQuestion::of(&execution, &post, &asked, place)
        };
        Pending { question, command: "ask ben".into(), requester: "ann".into() }
    }

    fn lines(doc: &Doc) -> Vec<String> {
        let line = |block: &Block| match block {
            Block::Line(spans) => match spans.as_slice() {
                [Span::Text(text)] => text.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        doc.blocks.iter().map(line).collect()
    }

    #[test]
    fn what_waits_is_listed_up_to_a_bound() {
        let now = Timestamp(12 * 60_000);
        let want =
            "• 00000001 waits for ben for 12 min: “May I?” (pink martini), of “ask ben”, ann";
        assert_eq!(lines(&listing(&[waiting(1)], 0, false, now)), [want]);
        let everywhere = lines(&listing(&[waiting(1)], 0, true, now));
        assert_eq!(everywhere, [format!("{want} in ops")]);
        assert_eq!(lines(&listing(&[], 0, false, now)), ["Nobody is asked anything here."]);
        let two: Vec<Pending> = vec![waiting(1), waiting(1)];
        assert!(lines(&listing(&two, 0, false, now))[0].starts_with("• 00000001/0 waits"));
        for (count, more, last) in [
            (LISTED_MAX, 0, None),
            (LISTED_MAX + 1, 0, Some("… and 1 more")),
            (LISTED_MAX, LOOKED_AT_MAX, Some("… and 1000 more")),
        ] {
            let many: Vec<Pending> = (0..count).map(waiting).collect();
            let shown = lines(&listing(&many, more, false, now));
            assert_eq!(shown.len(), LISTED_MAX + usize::from(last.is_some()));
            assert_eq!(shown.last().map(String::as_str).filter(|it| it.starts_with('…')), last);
        }
    }
}
