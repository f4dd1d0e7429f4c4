//! What a text means as an answer: yes and no, a choice, what became of something, or any text.

use serde_json::Value;

use super::ballot;
use super::clarify::gives_up;
use super::conversation::OpenQuestion;
use super::event::{Resolution, Wants};
use super::words;

/// What a text means as an answer to a question; none: it means nothing there.
pub fn answer(question: &OpenQuestion, text: &str) -> Option<Value> {
    let text = text.trim().trim_end_matches(['.', '!']).trim_end();
    // A thumb has the colour of its owner's skin, and may be marked as an emoji.
    let tone = |c: char| matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{fe0f}');
    let plain: String = text.chars().filter(|c| !tone(*c)).collect();
    match question.wants {
        Wants::YesNo => yes_no(&plain).map(Value::Bool),
        Wants::Doubt => resolution(text).and_then(|it| serde_json::to_value(it).ok()),
        Wants::Approval => ballot::read(&plain, &question.execution).map(|it| it.value()),
        Wants::Text if text.is_empty() => None,
        // Who has to say what a command lacks may as well not want it any more.
        Wants::Text if question.parameter.is_some() && gives_up(text) => {
            Some(Value::String(text.to_owned()))
        }
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

/// Whether choices can be told by their numbers: where one of them is a number itself, a number means that one.
pub fn numbered(choices: &[String]) -> bool {
    !choices.iter().any(|choice| choice.trim().parse::<i64>().is_ok())
}

/// A choice by its number, its words, or the beginning that only it has.
fn choice(text: &str, choices: &[String]) -> Option<String> {
    let lower = text.to_lowercase();
    if let Some(exact) = choices.iter().find(|choice| choice.to_lowercase() == lower) {
        return Some(exact.clone());
    }
    let lower = if lower == "🔟" { "10".to_owned() } else { lower };
    let digits = lower.trim_end_matches(['\u{fe0f}', '\u{20e3}', ')', '.']);
    if let Some(exact) = choices.iter().find(|choice| choice.as_str() == digits) {
        return Some(exact.clone());
    }
    if let Some(number) = digits.parse::<usize>().ok().filter(|_| numbered(choices)) {
        return number.checked_sub(1).and_then(|n| choices.get(n)).cloned();
    }
    let mut begin = choices.iter().filter(|choice| choice.to_lowercase().starts_with(&lower));
    match (begin.next(), begin.next()) {
        (Some(only), None) if !lower.is_empty() => Some(only.clone()),
        _ => None,
    }
}

/// Choices as they are listed, with their numbers where they have them.
pub fn listed(choices: &[String]) -> String {
    let numbers = numbered(choices);
    let shown = |(n, choice): (usize, &String)| match numbers {
        true => format!("{}. {choice}", n + 1),
        false => choice.clone(),
    };
    choices.iter().enumerate().map(shown).collect::<Vec<_>>().join(", ")
}

/// How a question is answered, in words.
pub fn how_to_answer(question: &OpenQuestion) -> String {
    match question.wants {
        Wants::YesNo => "say yes or no".into(),
        Wants::Doubt => "say `done`, `not done` or `give up`".into(),
        Wants::Approval => words::approvals::how_to_vote(""),
        Wants::Text if question.choices.is_empty() => "answer with a text".into(),
        Wants::Text => format!("choose one of {}", listed(&question.choices)),
    }
}
