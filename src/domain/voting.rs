//! Which open approval a vote is for: the one that it points at, by a reply, a reaction, its phrase or its id; else the
//! only one here.

use super::approval::Vote;
use super::ballot::{self, Spoken};
use super::conversation::{CLOCKS_MS, OpenQuestion, Reading, Said, fresh};
use super::phrase;

/// What a message is to the open approvals.
#[derive(Debug, PartialEq)]
pub enum Votes<'a> {
    /// It points at some, and this is what it means there.
    Points(Reading<'a>),
    /// It points at none, and is a vote for each of these; vague, if another question may take it, too.
    Could(Vec<&'a OpenQuestion>, bool),
}

/// Finds the approvals that a message votes on.
pub fn read<'a>(said: &Said, approvals: &[&'a OpenQuestion]) -> Votes<'a> {
    let pointed = by_post(said, approvals)
        .or_else(|| by_phrase(said, approvals))
        .or_else(|| by_id(said, approvals));
    match pointed {
        Some(reading) => Votes::Points(reading),
        // Who replies to something else means that.
        None if said.reaction || said.target.is_some() => Votes::Could(vec![], true),
        None => bare(said, approvals),
    }
}

/// What the vote is for, beside what the same message means for other questions.
pub fn among<'a>(said: &Said, votes: Votes<'a>, other: Reading<'a>) -> Reading<'a> {
    let (mut list, vague) = match votes {
        Votes::Points(reading) => return reading,
        Votes::Could(list, vague) => (list, vague),
    };
    match other {
        Reading::Answers(..) | Reading::Which(_) | Reading::Unclear(_) if vague => other,
        Reading::Answers(question, _) if !list.is_empty() => {
            list.push(question);
            Reading::Which(list)
        }
        Reading::Which(questions) if !list.is_empty() => {
            list.extend(questions);
            Reading::Which(list)
        }
        Reading::Nothing | Reading::NotAsked(_) => match list.as_slice() {
            [] => other,
            [one] if fresh(one, said) => voted(one, said.text, vague).unwrap_or(Reading::Nothing),
            // What was asked long ago is asked back only where the bot is spoken to.
            [_] if !said.addressed => Reading::Nothing,
            _ => Reading::Which(list),
        },
        other => other,
    }
}

/// A reply or a reaction to the prompt or to the command that led to it, or a message in its thread.
fn by_post<'a>(said: &Said, approvals: &[&'a OpenQuestion]) -> Option<Reading<'a>> {
    let replied = |q: &&&OpenQuestion| {
        let post = q.post.as_ref();
        // An emoji below what the bot said about a vote is none.
        let again = !said.reaction && said.target.is_some_and(|to| q.again.contains(to));
        let asks = said.target == post || again;
        let replies = said.target.is_some() && (asks || said.target == Some(&q.origin));
        replies || (post.is_some() && said.place.thread.as_ref() == post)
    };
    let questions: Vec<&OpenQuestion> = approvals.iter().filter(replied).copied().collect();
    let reading =
        |q: &'a OpenQuestion| by_own_phrase(q, said).or_else(|| voted(q, said.text, false));
    match questions.as_slice() {
        [] => None,
        [one] => match reading(one) {
            Some(reading) => Some(reading),
            // Talk below the prompt is no vote, and a bystander's emoji is none.
            None if said.reaction || !(said.addressed || said.target.is_some()) => None,
            None => Some(Reading::Unclear(one)),
        },
        several => {
            several.iter().any(|q| reading(q).is_some()).then_some(Reading::Which(questions))
        }
    }
}

fn by_phrase<'a>(said: &Said, approvals: &[&'a OpenQuestion]) -> Option<Reading<'a>> {
    let fits = |q: &&'a OpenQuestion| Some((*q, by_own_phrase(q, said)?));
    let mut fitting: Vec<(&OpenQuestion, Reading)> =
        approvals.iter().filter(|_| !said.reaction).filter_map(fits).collect();
    match fitting.len() {
        0 | 1 => fitting.pop().map(|(_, reading)| reading),
        _ => Some(Reading::Which(fitting.into_iter().map(|(q, _)| q).collect())),
    }
}

/// The phrase alone approves; with a vote beside it, it says for what that is.
fn by_own_phrase<'a>(question: &'a OpenQuestion, said: &Said) -> Option<Reading<'a>> {
    let rest = phrase::said(&question.phrase, said.text)?;
    if rest.is_empty() {
        let spoken = Spoken { vote: Vote::For, reason: String::new(), vague: false };
        return Some(Reading::Answers(question, spoken.value()));
    }
    voted(question, rest, false)
}

fn by_id<'a>(said: &Said, approvals: &[&'a OpenQuestion]) -> Option<Reading<'a>> {
    let id = ballot::named(said.text).filter(|_| !said.reaction)?;
    let named = |q: &&&OpenQuestion| q.execution.starts_with(id);
    let questions: Vec<&OpenQuestion> = approvals.iter().filter(named).copied().collect();
    match questions.as_slice() {
        [] => None,
        [one] => voted(one, said.text, false),
        _ => Some(Reading::Which(questions)),
    }
}

/// A vote that points at nothing: `+1` may be said in the room as it is, `yes` must be said to the bot.
fn bare<'a>(said: &Said, approvals: &[&'a OpenQuestion]) -> Votes<'a> {
    let mut vague = true;
    let mut fits = |q: &&&OpenQuestion| {
        let Some(spoken) = ballot::read(said.text, &q.execution) else { return false };
        vague = spoken.vague;
        let there = said.addressed || said.place.thread == q.place.thread;
        let asked_before = q.asked_at <= said.at.plus_ms(CLOCKS_MS);
        asked_before && there && (said.addressed || !spoken.vague)
    };
    let list: Vec<&OpenQuestion> = approvals.iter().filter(&mut fits).copied().collect();
    Votes::Could(list, vague)
}

fn voted<'a>(question: &'a OpenQuestion, text: &str, vague: bool) -> Option<Reading<'a>> {
    let spoken = ballot::read(text, &question.execution)?;
    let value = Spoken { vague, ..spoken }.value();
    Some(Reading::Answers(question, value))
}
