//! Which open question a message answers, and what the answer means.

use serde_json::Value;

pub use super::answer::{answer, how_to_answer};
use super::event::{QuestionAsked, Wants};
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
    /// The roles whose members may answer, too.
    pub roles: Vec<String>,
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
    /// When people were last reminded of it.
    pub reminded_at: Option<Timestamp>,
    /// The two words that name it; empty: it has none.
    pub phrase: String,
    /// The keyed hash of what an answer sets going; empty: it was asked before there was one.
    pub content: String,
    /// Other posts that ask it: reminders, and what asked back.
    pub again: Vec<PostId>,
}

impl OpenQuestion {
    /// What an execution asked, without where and when.
    pub fn of(
        execution: &ExecutionId,
        origin: &PostId,
        asked: &QuestionAsked,
        place: Place,
    ) -> Self {
        Self {
            execution: execution.clone(),
            path: asked.path.clone(),
            wants: asked.wants,
            text: asked.text.clone(),
            from: asked.from.clone(),
            roles: asked.roles.clone(),
            choices: asked.choices.clone(),
            place,
            post: None,
            origin: origin.clone(),
            asked_at: Timestamp(0),
            reminded_at: None,
            phrase: asked.phrase.clone(),
            content: asked.content.clone(),
            again: vec![],
        }
    }
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

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
