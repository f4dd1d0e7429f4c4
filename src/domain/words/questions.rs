//! What is said about questions: how they are asked, and what is said to answers that are none.

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

/// What stands behind a question that is answered with yes or no.
pub fn yes_or_no() -> String {
    " (yes or no)".into()
}

/// What stands behind the question what became of an effect.
pub fn done_or_not() -> String {
    " (done, not done, or give up)".into()
}

/// What stands behind a question with choices.
pub fn one_of(choices: &[String]) -> String {
    format!(" ({})", choices.join(", "))
}
