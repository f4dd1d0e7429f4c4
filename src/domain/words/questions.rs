//! What is said about questions: how they are asked, and what is said to answers that are none.

use super::people as accounts;
use crate::domain::answer::{answer, how_to_answer, listed};
use crate::domain::catch_up::ago;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{Wants, Whom};
use crate::domain::id::{Timestamp, UserId};
use crate::domain::pending_command::Pending;
use crate::domain::person::local;
use crate::domain::phrase;
use crate::domain::trigger::Speaker;

/// How much of a command is shown behind a question, in characters.
pub const COMMAND_CHARS_SHOWN: usize = 80;

/// To an answer that nobody waits for any more.
pub fn no_longer_asked(name: &str, question: &str) -> String {
    format!("Thanks {name}, but “{question}” is no longer asked.")
}

/// To an answer that says nothing the question can take.
pub fn unclear_answer(question: &OpenQuestion, said: &str) -> String {
    let text = &question.text;
    let free = question.wants == Wants::Text && question.choices.is_empty();
    // The two words alone agree to what is asked; where a text is asked for it stands behind them.
    let how = match phrase::said(&question.phrase, said) {
        Some("") if free => format!("say \"{} TEXT\", with your answer as TEXT", question.phrase),
        _ => how_to_answer(question),
    };
    format!("I could not read that as an answer to “{text}”: {how}.")
}

/// To an answer from somebody who was not asked.
pub fn asked_others(name: &str, question: &str, asked: &str) -> String {
    format!("Thanks {name}, but “{question}” is for {asked}.")
}

/// To an answer from somebody who is nothing but a name, where an account was asked.
pub fn unproven(name: &str, question: &str) -> String {
    format!(
        "{name}: “{question}” was asked of an account, and nothing but a name tells who you are here."
    )
}

/// To an answer from somebody who may be taken for one of those who were asked: with the accounts, which nobody can borrow.
pub fn taken_for(who: &Speaker, question: &str, asked: &[UserId]) -> String {
    let shown = |id: &UserId| format!("{} ({})", local(id), accounts::account(id));
    let asked = asked.iter().map(shown).collect::<Vec<_>>().join(" or ");
    let id = accounts::account(&who.id);
    format!("Thanks {}, but “{question}” is for {asked}, and you are {id}.", who.name)
}

/// To an answer that may be meant for any of these questions: how to say which, in words that mean only that.
pub fn which(questions: &[&OpenQuestion], text: &str, now: Timestamp) -> String {
    let text = text.trim().trim_end_matches(['.', '!']);
    if let [one] = questions {
        let of = match of(one, questions) {
            none if none.is_empty() => none,
            of => format!("{of}?"),
        };
        return format!("you mean \"{text}\" to \"{}\"{of} If so, {}", one.text, to_say(one, text));
    }
    let line = |q: &&OpenQuestion| {
        let (id, since) = (id_of(q, questions), ago(now.0.saturating_sub(q.asked_at.0)));
        let (of, say) = (of(q, questions), to_say(q, text));
        format!("\n• \"{text}\" to \"{}\"{of} ({id}, {since}): {say}", q.text)
    };
    let first = "Which of these do you mean? Say its two words.".to_owned();
    std::iter::once(first).chain(questions.iter().map(line)).collect()
}

/// Behind a question in a list: who asked for what is to be approved, and what command lacks what is asked for. So it is
/// for others that read alike.
fn of(question: &OpenQuestion, among: &[&OpenQuestion]) -> String {
    let OpenQuestion { requester, command, .. } = question;
    let alike = among.iter().filter(|other| other.text == question.text).count() > 1;
    let lacks = question.parameter.is_some() || alike;
    match question.wants {
        Wants::Approval => format!(", which {requester} asks for"),
        _ if lacks && !command.is_empty() => format!(" of “{}”", shortened(command)),
        _ => String::new(),
    }
}

/// As much of a command as tells it from others.
fn shortened(command: &str) -> String {
    match command.char_indices().nth(COMMAND_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command.to_owned(),
    }
}

/// Behind what was said of a command that there is not: it may have been meant for a question.
pub fn if_it_answers(question: &OpenQuestion, text: &str) -> String {
    let asked = format!("If you answer \"{}\"", question.text);
    match question.choices.is_empty() {
        true => format!("{asked}: {}.", to_say(question, text)),
        false => format!("{asked}: {}.", how_to_answer(question)),
    }
}

/// To what reads as a command and as an answer: how each is said.
pub fn command_or_answer(question: &OpenQuestion, text: &str, prefix: &str) -> String {
    let answer = match question.wants {
        Wants::YesNo => to_say(question, "no"),
        _ => how_to_answer(question),
    };
    format!(
        "Is that a command? Then say \"{prefix}{text}\". If you answer \"{}\": {answer}.",
        question.text
    )
}

/// What answers a question with a text and cannot mean another one.
fn to_say(question: &OpenQuestion, text: &str) -> String {
    let OpenQuestion { phrase, .. } = question;
    let agrees = question.wants == Wants::YesNo && answer(question, text) == Some(true.into());
    match (phrase.is_empty(), agrees) {
        // It was asked before questions had phrases.
        (true, _) => format!("reply to it, or say \"{text} {}\"", question.execution.short()),
        (false, true) => format!("say \"{phrase}\""),
        (false, false) => format!("say \"{phrase} {text}\""),
    }
}

/// The id of a question among others: its execution's, with its place where that execution waits for more than one answer.
pub fn id_of(question: &OpenQuestion, among: &[&OpenQuestion]) -> String {
    let short = question.execution.short();
    let same = among.iter().filter(|other| other.execution == question.execution).count();
    if same > 1 { format!("{short}/{}", question.path) } else { short.to_owned() }
}

/// To two words that name no open question.
pub fn no_such_phrase(phrase: &str) -> String {
    format!("No open question here is called “{phrase}”.")
}

/// A question that waits, in a list of them.
pub fn pending(pending: &Pending, id: &str, room: bool, now: Timestamp) -> String {
    let Pending { question, command, requester } = pending;
    let whom = match question.wants == Wants::Approval && question.roles.is_empty() {
        true => "others to approve it".to_owned(),
        false => people(&question.from, &question.roles, "or"),
    };
    let since = ago(now.0.saturating_sub(question.asked_at.0));
    let phrase = match question.phrase.as_str() {
        "" => String::new(),
        phrase => format!(" ({phrase})"),
    };
    let place = if room { format!(" in {}", question.place.name) } else { String::new() };
    format!(
        "• {id} waits for {whom} for {since}: “{}”{phrase}, of “{command}”, {requester}{place}",
        question.text
    )
}

/// How many others there are.
pub fn and_more(count: usize) -> String {
    format!("… and {count} more")
}

/// That no question waits: here, or in any room.
pub fn nothing_pending(rooms: bool) -> String {
    let place = if rooms { "" } else { " here" };
    format!("Nobody is asked anything{place}.")
}

/// A question as it is asked, with what may be answered.
pub fn asked(wants: Wants, text: &str, choices: &[String]) -> String {
    let suffix = match wants {
        Wants::YesNo => " (yes or no)".to_owned(),
        Wants::Doubt => " (done, not done, or give up)".to_owned(),
        Wants::Approval => String::new(),
        Wants::Text if choices.is_empty() => String::new(),
        // The question lists them itself.
        Wants::Text if choices.iter().all(|choice| text.contains(choice)) => String::new(),
        Wants::Text => format!(" ({})", listed(choices)),
    };
    format!("{text}{suffix}")
}

/// A question that nobody can reply to: any text behind its two words answers it.
pub fn with_phrase(asked: &str, phrase: &str) -> String {
    format!("{asked} (say \"{phrase}\" and then your answer)")
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
