//! What reads as a command and as an answer, or is neither for a slip in it: it is asked back.

use super::clarify;
use super::conversation::{self, OpenQuestion, Reading, Said};
use super::message::Doc;
use super::own_command::{self, OwnCommand};
use super::route::{Act, Decision, NO_ALIAS, View, decision};
use super::trigger::{Address, Command};
use super::words::questions;

/// A command that names an execution is no answer to what that asks, although `cancel` is how people say no, too: said
/// without what makes it a command, it is asked back.
pub(super) fn command_said_plainly(reading: &Reading, view: &View, text: &str) -> Option<Decision> {
    let Reading::Answers(question, _) = reading else { return None };
    own_command::parse(text).filter(OwnCommand::cancels_one)?;
    let doc = Doc::text(&questions::command_or_answer(question, text.trim(), view.prefix));
    let question = view.questions.iter().position(|it| std::ptr::eq(it, *question));
    Some(decision("message", Act::AskBack { doc, question }, "it is a command or an answer"))
}

/// What fits no command may have been meant for a question: how that is said.
pub(super) fn or_answer(
    decision: Decision,
    question: &OpenQuestion,
    view: &View,
    text: &str,
) -> Decision {
    match decision {
        Decision { act: Act::Say(doc), considered, reason, permission } if reason == NO_ALIAS => {
            let hint = questions::if_it_answers(question, text);
            let doc = doc.line([hint.as_str().into()]);
            let question = view.questions.iter().position(|it| std::ptr::eq(it, question));
            Decision { act: Act::AskBack { doc, question }, considered, reason, permission }
        }
        other => other,
    }
}

/// The questions that a text with the command prefix would answer, where it is rather a command with a slip in it: an
/// answer in words of one's own is a reply, stands in the question's thread, names the question or the bot.
pub(super) fn mistyped<'a>(
    reading: &Reading<'a>,
    said: &Said,
    command: &Command,
) -> Vec<&'a OpenQuestion> {
    let meant = match reading {
        Reading::Answers(question, _) => vec![*question],
        Reading::Which(several) => several.clone(),
        Reading::Unclear(_) | Reading::NotAsked(_) | Reading::Unproven(_) | Reading::Nothing => {
            vec![]
        }
    };
    let certain = |question: &OpenQuestion| {
        let fits = || conversation::answer(question, said.text).is_some();
        (conversation::plain_word(question) && fits())
            || (question.parameter.is_some() && clarify::gives_up(said.text))
    };
    let points = |question: &OpenQuestion| {
        (question.post.is_some() && said.place.thread == question.post)
            || said.target.is_some()
            || question.is_said(said.text)
    };
    let slip = |question: &OpenQuestion| !certain(question) && !points(question);
    let by_prefix = command.by == Address::Prefix;
    if by_prefix && meant.iter().all(|question| slip(question)) { meant } else { vec![] }
}
