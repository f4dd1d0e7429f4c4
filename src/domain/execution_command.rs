//! `!executions`, `!cancel` and `!again`: what is running, what is wanted no more, and what is wanted once more.

use super::again::{self, Change};
use super::catch_up::ago;
use super::event::{QuestionAsked, Wants};
use super::execution::{Execution, Status};
use super::id::Timestamp;
use super::message::Doc;
use super::words;

/// Most executions that an answer lists; of the others it says how many there are.
pub const LISTED_MAX: usize = 20;
/// Longest reason of a cancel, in bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// How much of a command or a question is shown, in characters.
const CHARS_SHOWN: usize = 80;

/// The commands as help shows them.
pub const COMMANDS: &[(&str, &str)] = &[
    (
        "executions [all]",
        "List what runs or waits here; in the management room `all` lists everything",
    ),
    ("cancel", "Stop your only command that is open here"),
    (
        "cancel {id} [{reason:text}]",
        "Stop what you asked for: its script can undo what it did; in the management room, what anybody asked for",
    ),
    (
        "again [{id}] [on {what}]",
        "Do once more what you last asked for here, or what the execution was to do; `on` puts something else into it",
    ),
];

/// A command about executions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionCommand {
    /// What runs or waits.
    List {
        /// Not only here.
        all: bool,
    },
    /// Somebody wants it no more.
    Cancel {
        /// The beginning of its id; none: their only one here.
        execution: Option<String>,
        /// Why; empty: they did not say.
        reason: String,
    },
    /// The same once more.
    Again {
        /// The beginning of its id; none: the last one here.
        execution: Option<String>,
        /// What is to be different.
        change: Option<Change>,
    },
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<ExecutionCommand> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let id = |text: &str| {
        let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        plain.then(|| text.to_owned())
    };
    match first.to_lowercase().as_str() {
        "executions" if rest.is_empty() => Some(ExecutionCommand::List { all: false }),
        "executions" if rest.eq_ignore_ascii_case("all") => {
            Some(ExecutionCommand::List { all: true })
        }
        "cancel" | "stop" if rest.is_empty() => {
            Some(ExecutionCommand::Cancel { execution: None, reason: String::new() })
        }
        "cancel" => {
            let (execution, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            // A question's id has its place behind that of its execution.
            let execution = execution.split_once('/').map_or(execution, |(id, _)| id);
            let (execution, reason) = (Some(id(execution)?), reason.trim().to_owned());
            Some(ExecutionCommand::Cancel { execution, reason })
        }
        "again" if rest.is_empty() => {
            Some(ExecutionCommand::Again { execution: None, change: None })
        }
        "again" => {
            if let Some(change) = again::parse(rest) {
                return Some(ExecutionCommand::Again { execution: None, change: Some(change) });
            }
            let (execution, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let change = match rest.trim() {
                "" => None,
                rest => Some(again::parse(rest)?),
            };
            Some(ExecutionCommand::Again { execution: Some(id(execution)?), change })
        }
        _ => None,
    }
}

impl ExecutionCommand {
    /// Its first word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "executions",
            Self::Cancel { .. } => "cancel",
            Self::Again { .. } => "again",
        }
    }

    /// Whether it names an execution to be cancelled: such a command is no answer to that execution's question.
    pub fn cancels_one(&self) -> bool {
        matches!(self, Self::Cancel { execution: Some(_), .. })
    }

    /// Whether it is to cancel what waits for whoever says so.
    pub fn cancels_own(&self) -> bool {
        matches!(self, Self::Cancel { execution: None, .. })
    }

    /// What is wrong with it, if anything is.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Cancel { reason, .. } if reason.len() > REASON_BYTES_MAX => {
                Some(format!("that reason is too long: I keep at most {REASON_BYTES_MAX} bytes."))
            }
            _ => None,
        }
    }
}

/// What runs or waits, the newest first; `more` are not among them.
pub fn listing(executions: &[Execution], more: usize, all: bool, now: Timestamp) -> Doc {
    let line = |execution: &Execution| {
        let started = &execution.started;
        let room = if all { format!(" in {}", started.place.name) } else { String::new() };
        format!(
            "• {} “{}” of {}{room}, begun {} ago: {}",
            execution.id.short(),
            shown(&started.command),
            started.requester.name,
            ago(now.0.saturating_sub(execution.began.0)),
            state(execution),
        )
    };
    let mut lines: Vec<String> = executions.iter().take(LISTED_MAX).map(line).collect();
    let more = more + executions.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    if lines.is_empty() {
        lines.push(match all {
            true => "Nothing runs or waits.".into(),
            false => "Nothing runs or waits here.".into(),
        });
    }
    Doc::text(&lines.join("\n"))
}

/// Executions among which somebody chooses: each with its id and its command.
pub fn which(executions: &[Execution]) -> Vec<String> {
    let line = |it: &Execution| format!("{} “{}”", it.id.short(), shown(&it.started.command));
    executions.iter().take(LISTED_MAX).map(line).collect()
}

/// Where an open execution stands, with what it waits for.
fn state(execution: &Execution) -> String {
    if execution.cancelled.is_some() {
        return "cancelled, undoing".into();
    }
    let asks: Vec<String> = execution
        .steps
        .values()
        .filter(|step| step.asks())
        .filter_map(|step| step.question.as_ref().map(asked))
        .collect();
    match (execution.status(), asks.as_slice()) {
        (Status::Asking, [_, ..]) => format!("asks {}", asks.join(" and ")),
        (Status::Running, _) => {
            let runs = execution.steps.values().find(|step| step.wants_doing());
            let action = runs.and_then(|step| step.args["action"].as_str());
            action.map_or("running".into(), |action| format!("runs {action}"))
        }
        (status, _) => status.word().into(),
    }
}

/// Whom a question is for, and what it is.
fn asked(question: &QuestionAsked) -> String {
    let whom = words::questions::people(&question.from, &question.roles, "or");
    match question.wants {
        Wants::Doubt => format!("{whom} what became of it"),
        Wants::Approval => format!("others to approve “{}”", shown(&question.text)),
        Wants::Text | Wants::YesNo => format!("{whom} “{}”", shown(&question.text)),
    }
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS_SHOWN) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
