//! What is said about questions: how they are asked, and what is said to answers that are none.

use crate::domain::catch_up::ago;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{Wants, Whom};
use crate::domain::id::{Timestamp, UserId};

/// To an answer that nobody waits for any more.
pub fn no_longer_asked(name: &str, question: &str) -> String {
    format!("Thanks {name}, but “{question}” is no longer asked.")
}

/// To an answer that says nothing the question can take.
pub fn unclear_answer(question: &str, how: &str) -> String {
    format!("I could not read that as an answer to “{question}”: {how}.")
}

/// To an answer from somebody who was not asked.
pub fn asked_others(name: &str, question: &str, asked: &str) -> String {
    format!("Thanks {name}, but “{question}” is for {asked}.")
}

/// To an answer that could be meant for each of these: their texts and the ids of their executions.
pub fn which_question(questions: &[(&str, &str)]) -> String {
    let first = "Which of these do you answer? Reply to it, or put its id behind your answer:";
    let rest = questions.iter().map(|(text, id)| format!("\n• {text} ({id})"));
    std::iter::once(first.to_owned()).chain(rest).collect()
}

/// A question as it is asked, with what may be answered.
pub fn asked(wants: Wants, text: &str, choices: &[String]) -> String {
    let suffix = match wants {
        Wants::YesNo => " (yes or no)".to_owned(),
        Wants::Doubt => " (done, not done, or give up)".to_owned(),
        Wants::Text if choices.is_empty() => String::new(),
        // The question lists them itself.
        Wants::Text if choices.iter().all(|choice| text.contains(choice)) => String::new(),
        Wants::Text => format!(" ({})", choices.join(", ")),
    };
    format!("{text}{suffix}")
}

/// Those who were asked are reminded, and others are asked as well.
pub fn reminder(question: &OpenQuestion, also: &Whom, now: Timestamp) -> String {
    let asked = asked(question.wants, &question.text, &question.choices);
    let since = ago(now.0.saturating_sub(question.asked_at.0));
    let people = people(&question.from, &question.roles, "and");
    match also.is_empty() {
        true => format!("{people}: this has waited for {since} now: {asked}"),
        false => {
            let others = self::people(&also.people, &also.roles, "and");
            format!("{others}: {people} did not answer this for {since}, so you may: {asked}")
        }
    }
}

/// People and roles in a sentence: `ann, ben or anybody with the role ops`.
pub fn people(accounts: &[UserId], roles: &[String], word: &str) -> String {
    let short = |id: &UserId| {
        let bare = id.as_str().trim_start_matches('@');
        bare.split(':').next().unwrap_or(bare).to_owned()
    };
    let named = accounts.iter().map(short);
    let all: Vec<String> =
        named.chain(roles.iter().map(|role| format!("anybody with the role {role}"))).collect();
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
        None => "nobody".into(),
    }
}
