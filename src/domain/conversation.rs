//! Which open question a message answers, and what the answer means.

use serde_json::Value;

use super::event::{Resolution, Wants};
use super::id::{ExecutionId, PostId, Timestamp, UserId};
use super::person::People;
use super::trigger::{Place, Speaker};

/// So long after a question a bare `yes` in the room is meant for it; later it has to be said to the bot.
pub const PLAIN_ANSWER_MS: i64 = 15 * 60 * 1000;
/// How far the clocks of those who speak may be behind: what was said longer before a question does not answer it.
pub const CLOCKS_MS: i64 = 5_000;
/// Fewest characters of an execution's id behind an answer: `yes 01JD`.
pub const NAMED_CHARS_MIN: usize = 4;

/// A question that an execution waits on.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenQuestion {
    /// The waiting execution.
    pub execution: ExecutionId,
    /// Its place in the journal.
    pub path: String,
    /// What kind of answer it wants.
    pub wants: Wants,
    /// The question.
    pub text: String,
    /// Who may answer.
    pub from: Vec<UserId>,
    /// The possible answers; none: any text.
    pub choices: Vec<String>,
    /// Where it was asked.
    pub place: Place,
    /// The post that asks, once it is in the room.
    pub post: Option<PostId>,
    /// The command that led to it.
    pub origin: PostId,
    /// When it was asked.
    pub asked_at: Timestamp,
}

/// What a person did that may be an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Said<'a> {
    /// Who.
    pub speaker: &'a Speaker,
    /// Where.
    pub place: &'a Place,
    /// The text, or the emoji of a reaction, without the bot's name.
    pub text: &'a str,
    /// Whether it was said to the bot.
    pub addressed: bool,
    /// Whether it is a reaction.
    pub reaction: bool,
    /// The post that it replies to or reacts to.
    pub target: Option<&'a PostId>,
    /// When.
    pub at: Timestamp,
    /// Which accounts belong to one person.
    pub people: &'a People,
}

/// What a message is to the open questions.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<'a> {
    /// It answers this one.
    Answers(&'a OpenQuestion, Value),
    /// It is meant for this one and says nothing that it can take.
    Unclear(&'a OpenQuestion),
    /// It is meant for this one, and somebody else was asked.
    NotAsked(&'a OpenQuestion),
    /// It could answer each of these.
    Which(Vec<&'a OpenQuestion>),
    /// It answers nothing.
    Nothing,
}

/// Finds the question that a message answers: the one it points at, else the only one here.
pub fn read<'a>(said: &Said, questions: &'a [OpenQuestion]) -> Reading<'a> {
    let here: Vec<&OpenQuestion> =
        questions.iter().filter(|q| q.place.room == said.place.room).collect();
    if let Some((question, text)) = pointed(said, &here) {
        let directly = said.addressed || said.target.is_some();
        return match (asked(question, said), answer(question, text)) {
            (true, Some(value)) => Reading::Answers(question, value),
            (false, Some(_)) => Reading::NotAsked(question),
            // A bystander's emoji, and talk in the question's thread, are no answers.
            (_, None) if said.reaction || !directly => Reading::Nothing,
            (true, None) => Reading::Unclear(question),
            (false, None) => Reading::NotAsked(question),
        };
    }
    if said.reaction {
        return Reading::Nothing;
    }
    let fits = |q: &&OpenQuestion| match said.addressed {
        _ if q.asked_at > said.at.plus_ms(CLOCKS_MS) => false,
        true => answer(q, said.text).is_some(),
        false => plainly(said, q),
    };
    let fitting: Vec<&OpenQuestion> = here.into_iter().filter(fits).collect();
    let mine: Vec<&OpenQuestion> = fitting.iter().copied().filter(|q| asked(q, said)).collect();
    let same_thread = |q: &&OpenQuestion| q.place.thread == said.place.thread;
    let near: Vec<&OpenQuestion> = mine.iter().copied().filter(same_thread).collect();
    let mine = if said.place.thread.is_some() && !near.is_empty() { near } else { mine };
    match (mine.as_slice(), fitting.as_slice()) {
        ([one], _) => match answer(one, said.text) {
            Some(value) => Reading::Answers(one, value),
            None => Reading::Nothing,
        },
        ([], [other]) if said.addressed && plain_word(other) => Reading::NotAsked(other),
        ([], _) => Reading::Nothing,
        _ => Reading::Which(mine),
    }
}

/// The question that a message points at, and the answer without the pointer: a reply or reaction to the question or to
/// the command that led to it, a message in a thread on it, or an answer with the execution's id behind it.
fn pointed<'a, 's>(
    said: &Said<'s>,
    here: &[&'a OpenQuestion],
) -> Option<(&'a OpenQuestion, &'s str)> {
    let by_post = here.iter().find(|q| {
        let post = q.post.as_ref();
        let replies =
            said.target.is_some() && (said.target == post || said.target == Some(&q.origin));
        replies || (post.is_some() && said.place.thread.as_ref() == post)
    });
    if let Some(question) = by_post {
        return Some((question, said.text));
    }
    let (text, id) = said.text.trim().rsplit_once(char::is_whitespace)?;
    if id.chars().count() < NAMED_CHARS_MIN {
        return None;
    }
    here.iter().find(|q| q.execution.starts_with(id)).map(|q| (*q, text))
}

/// Whether a message that is not said to the bot is an answer all the same: a plain word, soon, in the same place.
fn plainly(said: &Said, question: &OpenQuestion) -> bool {
    const VAGUE: [&str; 9] =
        ["ok", "okay", "sure", "stop", "cancel", "do it", "go ahead", "don't", "do not"];
    let soon = said.at.0.saturating_sub(question.asked_at.0) <= PLAIN_ANSWER_MS;
    let vague = VAGUE.contains(&said.text.trim().to_lowercase().trim_end_matches(['.', '!']));
    let same_place = said.place.thread == question.place.thread;
    plain_word(question) && soon && same_place && !vague && answer(question, said.text).is_some()
}

/// Whether only certain words answer it, so that one of them needs no address.
pub fn plain_word(question: &OpenQuestion) -> bool {
    question.wants != Wants::Text || !question.choices.is_empty()
}

/// Whether it is somebody who was asked that speaks, with whichever of their accounts.
pub fn asked(question: &OpenQuestion, said: &Said) -> bool {
    said.people.are_among(&said.speaker.id, &question.from)
}

/// What a text means as an answer to a question; none: it means nothing there.
pub fn answer(question: &OpenQuestion, text: &str) -> Option<Value> {
    let text = text.trim().trim_end_matches(['.', '!']).trim_end();
    // A thumb has the colour of its owner's skin, and may be marked as an emoji.
    let tone = |c: char| matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{fe0f}');
    let plain: String = text.chars().filter(|c| !tone(*c)).collect();
    match question.wants {
        Wants::YesNo => yes_no(&plain).map(Value::Bool),
        Wants::Doubt => resolution(text).and_then(|it| serde_json::to_value(it).ok()),
        Wants::Text if text.is_empty() => None,
        Wants::Text if question.choices.is_empty() => Some(Value::String(text.to_owned())),
        Wants::Text => choice(text, &question.choices).map(Value::String),
    }
}

fn yes_no(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "yep" | "yeah" | "ok" | "okay" | "sure" | "do it" | "go ahead" | "+1"
        | "👍" | "✅" | "✔" => Some(true),
        "no" | "n" | "nope" | "don't" | "do not" | "cancel" | "stop" | "-1" | "👎" | "❌" => {
            Some(false)
        }
        _ => None,
    }
}

/// What a text says of an effect in doubt.
pub fn resolution(text: &str) -> Option<Resolution> {
    match text.to_lowercase().as_str() {
        "done" | "it was done" | "yes" => Some(Resolution::Done),
        "not done" | "it was not done" | "no" | "repeat" => Some(Resolution::Repeat),
        "give up" | "cancel" | "stop" => Some(Resolution::GiveUp),
        _ => None,
    }
}

/// A choice by its number, its words, or the beginning that only it has.
fn choice(text: &str, choices: &[String]) -> Option<String> {
    let lower = text.to_lowercase();
    if let Some(exact) = choices.iter().find(|choice| choice.to_lowercase() == lower) {
        return Some(exact.clone());
    }
    let digits = lower.trim_end_matches(['\u{fe0f}', '\u{20e3}', ')']);
    if let Ok(number) = digits.parse::<usize>() {
        return number.checked_sub(1).and_then(|n| choices.get(n)).cloned();
    }
    let mut begin = choices.iter().filter(|choice| choice.to_lowercase().starts_with(&lower));
    match (begin.next(), begin.next()) {
        (Some(only), None) if !lower.is_empty() => Some(only.clone()),
        _ => None,
    }
}

/// How a question is answered, in words.
pub fn how_to_answer(question: &OpenQuestion) -> String {
    match question.wants {
        Wants::YesNo => "say yes or no".into(),
        Wants::Doubt => "say `done`, `not done` or `give up`".into(),
        Wants::Text if question.choices.is_empty() => "answer with a text".into(),
        Wants::Text => format!("choose one of {}", question.choices.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RoomId;
    use crate::domain::trigger::Trust;

    fn place(thread: Option<&str>) -> Place {
        Place {
            network: "matrix".into(),
            room: RoomId("!r".into()),
            name: "r".into(),
            thread: thread.map(|id| PostId(id.into())),
            direct: false,
            encrypted: false,
        }
    }

    fn question(post: &str, wants: Wants, choices: &[&str]) -> OpenQuestion {
        OpenQuestion {
            execution: ExecutionId(format!("EXEC{post}")),
            path: "0".into(),
            wants,
            text: "?".into(),
            from: vec![UserId("@ann:hs".into())],
            choices: choices.iter().map(|c| (*c).into()).collect(),
            place: place(None),
            post: Some(PostId(post.into())),
            origin: PostId(format!("{post}-command")),
            asked_at: Timestamp(0),
        }
    }

    fn shown(reading: &Reading) -> String {
        match reading {
            Reading::Answers(q, value) => format!("{} {value}", q.execution),
            Reading::Unclear(q) => format!("unclear {}", q.execution),
            Reading::NotAsked(q) => format!("not asked {}", q.execution),
            Reading::Which(list) => format!("which of {}", list.len()),
            Reading::Nothing => "nothing".into(),
        }
    }

    #[test]
    fn messages_answer_questions() {
        let confirm = || vec![question("$1", Wants::YesNo, &[])];
        let two = || vec![question("$1", Wants::YesNo, &[]), question("$2", Wants::YesNo, &[])];
        let sizes = || vec![question("$1", Wants::Text, &["small", "large", "larger"])];
        let free = || vec![question("$1", Wants::Text, &[])];
        let doubt = || vec![question("$1", Wants::Doubt, &[])];
        for (questions, who, text, addressed, target, want) in [
            (confirm(), "@ann:hs", "yes", true, None, "EXEC$1 true"),
            (confirm(), "@ann:hs", "Yes!", false, None, "EXEC$1 true"),
            (confirm(), "@ann:hs", "no", false, None, "EXEC$1 false"),
            (confirm(), "@ann:hs", "maybe", true, None, "nothing"),
            (confirm(), "@ann:hs", "maybe", false, Some("$1"), "unclear EXEC$1"),
            (confirm(), "@ann:hs", "👍", false, Some("$1"), "EXEC$1 true"),
            (confirm(), "@ann:hs", "👍", false, Some("$9"), "nothing"),
            (confirm(), "@ann:hs", "yes late", false, None, "nothing"),
            (confirm(), "@ann:hs", "yes late", true, None, "EXEC$1 true"),
            (confirm(), "@ann:hs", "ok", false, None, "nothing"),
            (confirm(), "@ann:hs", "ok", true, None, "EXEC$1 true"),
            (confirm(), "@ann:hs", "👍🏽", false, Some("$1"), "EXEC$1 true"),
            (confirm(), "@ann:hs", "yes", false, Some("$1-command"), "EXEC$1 true"),
            (confirm(), "@ann:hs", "yes", false, Some("$9"), "EXEC$1 true"),
            (confirm(), "@ann:hs", "🎉", false, Some("$1"), "nothing"),
            (confirm(), "@ben:hs", "🎉", false, Some("$1"), "nothing"),
            (two(), "@ann:hs", "yes exec$2", false, None, "EXEC$2 true"),
            (two(), "@ann:hs", "yes exec$3", false, None, "nothing"),
            (confirm(), "@ben:hs", "yes", true, None, "not asked EXEC$1"),
            (confirm(), "@ben:hs", "yes", false, None, "nothing"),
            (confirm(), "@ben:hs", "👍", false, Some("$1"), "not asked EXEC$1"),
            (two(), "@ann:hs", "yes", false, None, "which of 2"),
            (two(), "@ann:hs", "yes", false, Some("$2"), "EXEC$2 true"),
            (sizes(), "@ann:hs", "2", false, None, "EXEC$1 \"large\""),
            (sizes(), "@ann:hs", "SMALL", false, None, "EXEC$1 \"small\""),
            (sizes(), "@ann:hs", "sm", false, None, "EXEC$1 \"small\""),
            (sizes(), "@ann:hs", "lar", false, None, "nothing"),
            (sizes(), "@ann:hs", "4", false, None, "nothing"),
            (free(), "@ann:hs", "web 1", true, None, "EXEC$1 \"web 1\""),
            (free(), "@ann:hs", "web 1", false, None, "nothing"),
            (free(), "@ann:hs", "web 1", false, Some("$1"), "EXEC$1 \"web 1\""),
            (doubt(), "@ann:hs", "not done", false, None, "EXEC$1 \"repeat\""),
            (doubt(), "@ann:hs", "give up", false, None, "EXEC$1 \"give_up\""),
        ] {
            let speaker = Speaker {
                id: UserId(who.into()),
                name: who.into(),
                network: "matrix".into(),
                account: None,
                trust: Trust::Account,
            };
            let target = target.map(|id| PostId(id.into()));
            let place = place(None);
            let said = Said {
                speaker: &speaker,
                place: &place,
                text,
                addressed,
                reaction: text.starts_with(['👍', '🎉']),
                target: target.as_ref(),
                at: Timestamp(if text.ends_with("late") { PLAIN_ANSWER_MS + 1 } else { 0 }),
                people: &People::default(),
            };
            let said = Said { text: said.text.trim_end_matches(" late"), ..said };
            assert_eq!(shown(&read(&said, &questions)), want, "{who}: {text:?} {target:?}");
        }
    }

    #[test]
    fn what_was_said_before_a_question_does_not_answer_it() {
        let asked =
            OpenQuestion { asked_at: Timestamp(90_000), ..question("$1", Wants::YesNo, &[]) };
        let speaker = Speaker {
            id: UserId("@ann:hs".into()),
            name: "ann".into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
        };
        let (post, place) = (PostId("$1".into()), place(None));
        for (at, addressed, target, want) in [
            (79_000, false, None, "nothing"),
            (79_000, true, None, "nothing"),
            (86_000, false, None, "EXEC$1 true"),
            (106_000, true, None, "EXEC$1 true"),
            (79_000, false, Some(&post), "EXEC$1 true"),
        ] {
            let (speaker, place, at) = (&speaker, &place, Timestamp(at));
            let text = "yes";
            let people = &People::default();
            let said =
                Said { speaker, place, text, addressed, reaction: false, target, at, people };
            let questions = [asked.clone()];
            assert_eq!(shown(&read(&said, &questions)), want, "{at:?} {target:?}");
        }
    }
}
