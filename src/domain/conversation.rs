//! Which open question a message answers, and what the answer means.

use serde_json::Value;

use super::alias::Kind;
pub use super::answer::{answer, how_to_answer};
use super::approval::Vote;
use super::ballot;
use super::event::{QuestionAsked, Wants};
use super::id::{ExecutionId, PostId, Timestamp, UserId};
use super::person::People;
use super::phrase;
use super::plain_answer;
use super::trigger::{Place, Speaker, Trust};
use super::voting;

/// So long after a question a bare `yes` is meant for it, unless the configuration says otherwise; later the bot asks back.
pub const STALE_AFTER_MS: i64 = 15 * 60 * 1000;
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
    /// What the parameter takes that it asks for, if a command lacks one.
    pub parameter: Option<Kind>,
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
    /// What was commanded that led to it.
    pub command: String,
    /// What people call who commanded it.
    pub requester: String,
    /// Whether an account commanded it: then no mere name answers.
    pub of_account: bool,
    /// The accounts that cannot approve it: those of the requester, unless they may, and those that it names.
    pub barred: Vec<UserId>,
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
            parameter: None,
            place,
            post: None,
            origin: origin.clone(),
            asked_at: Timestamp(0),
            reminded_at: None,
            phrase: asked.phrase.clone(),
            content: asked.content.clone(),
            again: vec![],
            command: String::new(),
            requester: String::new(),
            of_account: false,
            barred: vec![],
        }
    }

    /// Whether a vote of who speaks is known not to count, whatever would run: they asked for it, it names them, or they
    /// lack its role.
    fn refuses_vote(&self, said: &Said) -> bool {
        let approves =
            ballot::read(said.text, &self.execution).is_none_or(|spoken| spoken.vote == Vote::For);
        let barred = said.people.are_among(&said.speaker.id, &self.barred);
        let role = self.roles.is_empty() || self.roles.iter().any(|it| said.roles.contains(it));
        self.wants == Wants::Approval && if barred { approves } else { !role }
    }

    /// Whether a text names it: by its phrase, or by its execution's id at the end.
    pub(super) fn is_said(&self, text: &str) -> bool {
        let last = text.trim().rsplit_once(char::is_whitespace);
        phrase::said(&self.phrase, text).is_some() || last.is_some_and(|(_, id)| self.is_named(id))
    }

    /// What people call it who know the beginning of its execution's id: that, or with its place behind it.
    fn is_named(&self, id: &str) -> bool {
        let (id, path) = id.split_once('/').map_or((id, None), |(id, path)| (id, Some(path)));
        id.chars().count() >= NAMED_CHARS_MIN
            && self.execution.starts_with(id)
            && path.is_none_or(|path| path == self.path)
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
    /// The roles that they hold here.
    pub roles: &'a [String],
    /// So long after a question nobody may count on it that a bare answer is meant for it.
    pub stale_after_ms: i64,
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
    /// It would answer this one, if it were proven that it is the account that was asked who speaks.
    Unproven(&'a OpenQuestion),
    /// It could answer each of these, or a single one that was asked too long ago: its meaning must be said.
    Which(Vec<&'a OpenQuestion>),
    /// It answers nothing.
    Nothing,
}

/// Finds the question that a message answers: the one that it points at, else the only one for this person here, unless
/// it was asked long ago; else it is to be asked which.
pub fn read<'a>(said: &Said, questions: &'a [OpenQuestion]) -> Reading<'a> {
    let reading = read_as(said, questions);
    let answers = !matches!(reading, Reading::Nothing | Reading::NotAsked(_));
    if answers || said.speaker.trust.proves_account() {
        return reading;
    }
    let speaker = Speaker { trust: Trust::Identified, ..said.speaker.clone() };
    match read_as(&Said { speaker: &speaker, ..*said }, questions) {
        Reading::Answers(question, _) | Reading::Unclear(question) => Reading::Unproven(question),
        Reading::Which(several) => several.first().map_or(reading, |it| Reading::Unproven(it)),
        Reading::NotAsked(_) | Reading::Unproven(_) | Reading::Nothing => reading,
    }
}

/// The same for who speaks as they are known.
fn read_as<'a>(said: &Said, questions: &'a [OpenQuestion]) -> Reading<'a> {
    let here: Vec<&OpenQuestion> =
        questions.iter().filter(|q| q.place.room == said.place.room).collect();
    let (approvals, here): (Vec<&OpenQuestion>, Vec<&OpenQuestion>) =
        here.into_iter().partition(|q| q.wants == Wants::Approval);
    voting::among(said, voting::read(said, &approvals), other(said, &here))
}

/// What a message is to the questions that are no approvals.
fn other<'a>(said: &Said, here: &[&'a OpenQuestion]) -> Reading<'a> {
    match pointed(said, here) {
        Some(pointed) => pointed.read(said),
        // Who replies to something else means that.
        None if said.reaction || said.target.is_some() => Reading::Nothing,
        None if said.addressed => addressed(said, here),
        None => plainly(said, here),
    }
}

/// The questions that a message points at.
struct Pointed<'a, 's> {
    /// Several, where an execution waits for more than one answer.
    questions: Vec<&'a OpenQuestion>,
    /// The answer without what points.
    text: &'s str,
    /// Whether it says nothing but the phrase.
    phrase: bool,
    /// Whether it is said to the bot; talk in a question's thread is not.
    directly: bool,
}

impl<'a> Pointed<'a, '_> {
    fn read(&self, said: &Said) -> Reading<'a> {
        let means = |q: &OpenQuestion| match self.phrase && q.wants == Wants::YesNo {
            true => Some(Value::Bool(true)),
            false => answer(q, self.text),
        };
        let (mine, others): (Vec<&OpenQuestion>, Vec<&OpenQuestion>) =
            self.questions.iter().copied().partition(|q| asked(q, said));
        let fitting: Vec<&OpenQuestion> =
            mine.iter().copied().filter(|q| means(q).is_some()).collect();
        let silent = said.reaction || !self.directly;
        match (fitting.as_slice(), mine.first(), others.first()) {
            ([one], _, _) => {
                means(one).map_or(Reading::Nothing, |value| Reading::Answers(one, value))
            }
            ([_, ..], _, _) => Reading::Which(fitting),
            // A bystander's emoji, and talk in the question's thread, are no answers.
            ([], Some(mine), _) if !silent => match wrong_value(mine, self.text) {
                Some(value) => Reading::Answers(mine, value),
                None => Reading::Unclear(mine),
            },
            ([], None, Some(other)) if !silent || means(other).is_some() => {
                Reading::NotAsked(other)
            }
            ([], _, _) => Reading::Nothing,
        }
    }
}

/// What a message points at: by a reply or a reaction to a question, a reminder of it or the command that led to it, by
/// standing in its thread, by its phrase, or by its id behind the answer.
fn pointed<'a, 's>(said: &Said<'s>, here: &[&'a OpenQuestion]) -> Option<Pointed<'a, 's>> {
    let directly = said.addressed || said.target.is_some();
    let replied = |q: &&&OpenQuestion| {
        let post = q.post.as_ref();
        let asks = said.target == post || said.target.is_some_and(|to| q.again.contains(to));
        let replies = said.target.is_some() && (asks || said.target == Some(&q.origin));
        replies || (post.is_some() && said.place.thread.as_ref() == post)
    };
    let questions: Vec<&OpenQuestion> = here.iter().filter(replied).copied().collect();
    if !questions.is_empty() {
        let own = questions.iter().find_map(|q| phrase::said(&q.phrase, said.text));
        let (text, phrase) = (own.unwrap_or(said.text), own == Some(""));
        return Some(Pointed { questions, text, phrase, directly });
    }
    if said.reaction {
        return None;
    }
    let named = |q: &&&OpenQuestion| phrase::said(&q.phrase, said.text).is_some();
    let questions: Vec<&OpenQuestion> = here.iter().filter(named).copied().collect();
    if let Some(text) = questions.first().and_then(|q| phrase::said(&q.phrase, said.text)) {
        let phrase = text.is_empty();
        return Some(Pointed { questions, text, phrase, directly: directly || phrase });
    }
    let (text, id) = said.text.trim().rsplit_once(char::is_whitespace)?;
    let questions: Vec<&OpenQuestion> = here.iter().filter(|q| q.is_named(id)).copied().collect();
    (!questions.is_empty()).then_some(Pointed { questions, text, phrase: false, directly })
}

/// What an answer is that is said to the bot and points at nothing.
fn addressed<'a>(said: &Said, here: &[&'a OpenQuestion]) -> Reading<'a> {
    let fitting: Vec<&OpenQuestion> = here
        .iter()
        .copied()
        .filter(|q| asked_before(q, said) && answer(q, said.text).is_some())
        .collect();
    let mine = mine(said, &fitting);
    match (mine.as_slice(), fitting.iter().find(|q| plain_word(q))) {
        ([one], _) if fresh(one, said) => answers(one, said),
        ([_, ..], _) => Reading::Which(mine),
        ([], Some(other)) => Reading::NotAsked(other),
        ([], None) => wrongly(said, here),
    }
}

/// What is said to the bot while only a choice is open that it is none of: the choice is asked for once more.
fn wrongly<'a>(said: &Said, here: &[&'a OpenQuestion]) -> Reading<'a> {
    let open = |q: &&OpenQuestion| asked_before(q, said) && asked(q, said) && fresh(q, said);
    let mut open = here.iter().copied().filter(open);
    match (open.next(), open.next()) {
        (Some(one), None) if !one.choices.is_empty() => wrong_value(one, said.text)
            .map_or(Reading::Nothing, |value| Reading::Answers(one, value)),
        _ => Reading::Nothing,
    }
}

/// What a command lacks is asked for again where the answer is no such value.
fn wrong_value(question: &OpenQuestion, text: &str) -> Option<Value> {
    let text = text.trim();
    (question.parameter.is_some() && !text.is_empty()).then(|| Value::String(text.to_owned()))
}

/// What is an answer although it is not said to the bot: a plain word, soon, in the same place.
fn plainly<'a>(said: &Said, here: &[&'a OpenQuestion]) -> Reading<'a> {
    const VAGUE: [&str; 9] =
        ["ok", "okay", "sure", "stop", "cancel", "do it", "go ahead", "don't", "do not"];
    if VAGUE.contains(&said.text.trim().to_lowercase().trim_end_matches(['.', '!'])) {
        return Reading::Nothing;
    }
    let fits = |q: &&OpenQuestion| {
        let there = asked_before(q, said) && said.place.thread == q.place.thread;
        let plain = plain_word(q) || plain_answer::is_meant(said, q);
        there && (plain && answer(q, said.text).is_some() || plain_answer::is_near(said, q))
    };
    let fitting: Vec<&OpenQuestion> = here.iter().copied().filter(fits).collect();
    let mine = mine(said, &fitting);
    match mine.as_slice() {
        [one] if fresh(one, said) => answers(one, said),
        several if several.len() > 1 && several.iter().any(|q| fresh(q, said)) => {
            Reading::Which(mine)
        }
        _ => Reading::Nothing,
    }
}

fn answers<'a>(question: &'a OpenQuestion, said: &Said) -> Reading<'a> {
    let value = answer(question, said.text).or_else(|| wrong_value(question, said.text));
    value.map_or(Reading::Nothing, |value| Reading::Answers(question, value))
}

/// The questions to who speaks; in a thread those that were asked there, if any were.
fn mine<'a>(said: &Said, questions: &[&'a OpenQuestion]) -> Vec<&'a OpenQuestion> {
    let mine: Vec<&OpenQuestion> = questions.iter().copied().filter(|q| asked(q, said)).collect();
    let there = |q: &&OpenQuestion| q.place.thread == said.place.thread;
    let near: Vec<&OpenQuestion> = mine.iter().copied().filter(there).collect();
    if said.place.thread.is_some() && !near.is_empty() { near } else { mine }
}

/// Whether a question was asked when something was said, as far as clocks agree.
fn asked_before(question: &OpenQuestion, said: &Said) -> bool {
    question.asked_at <= said.at.plus_ms(CLOCKS_MS)
}

/// Whether a question was asked, or people were reminded of it, so lately that a bare answer is meant for it.
pub fn fresh(question: &OpenQuestion, said: &Said) -> bool {
    let last = question.reminded_at.unwrap_or(question.asked_at).max(question.asked_at);
    said.at.0.saturating_sub(last.0) <= said.stale_after_ms
}

/// Whether only certain words answer it, so that one of them needs no address.
pub fn plain_word(question: &OpenQuestion) -> bool {
    question.wants != Wants::Text || !question.choices.is_empty()
}

/// Those of several questions that who speaks can decide on; all, if they can decide on none.
pub fn votable<'a>(questions: &[&'a OpenQuestion], said: &Said) -> Vec<&'a OpenQuestion> {
    let can: Vec<&OpenQuestion> =
        questions.iter().copied().filter(|question| !question.refuses_vote(said)).collect();
    if can.is_empty() { questions.to_vec() } else { can }
}

/// Whether it is somebody who was asked that speaks, with whichever of their accounts; a mere name is whoever has it, and
/// answers what a mere name commanded. Anybody may vote: whether that counts is decided with the vote.
pub fn asked(question: &OpenQuestion, said: &Said) -> bool {
    let (people, who) = (said.people, said.speaker);
    let among = || people.accounts_for(who).iter().any(|account| question.from.contains(account));
    let named = (who.trust.proves_account() || !question.of_account) && among();
    let holds = |role: &String| said.roles.contains(role);
    question.wants == Wants::Approval || named || question.roles.iter().any(holds)
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
