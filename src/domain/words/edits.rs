//! What is said to edits and deletions of commands.

/// To an edit of what was done as it first stood.
pub fn stays() -> String {
    "I went by what you said first, and an edit changes nothing of that; to have the new one done, say it anew.".into()
}

/// To an edit that comes too late.
pub fn too_late() -> String {
    "that edit comes too late for me to take it as a command; say it anew.".into()
}

/// To an edit of what was not said to the bot.
pub fn unheard() -> String {
    "I did not hear that as a command before you edited it; say it anew.".into()
}

/// In the place of a question whose command was said anew.
pub fn asked_no_more() -> String {
    "(no longer asked: the command was edited)".into()
}

/// In the place of a question whose command was deleted.
pub fn asked_no_more_deleted() -> String {
    "(no longer asked: its command was deleted)".into()
}

/// In the place of the question whether something is to be stopped that has ended by itself.
pub fn asked_no_more_over() -> String {
    "(no longer asked: it has ended)".into()
}

/// Why an execution is cancelled whose command was edited.
pub const COMMAND_EDITED: &str = "its command was edited";

/// Why an execution is cancelled whose command was deleted.
pub const COMMAND_DELETED: &str = "its command was deleted";

/// In the place of a command that was deleted.
pub const DELETED: &str = "(deleted)";

/// That an execution is over because its command was deleted: what was said is not repeated.
pub fn is_over(name: &str, by: &str, id: &str) -> String {
    format!("{name}: execution {id} is over: {by} deleted its command")
}

/// To who deleted the command of an execution that runs.
pub fn stop_it(id: &str, action: &str) -> String {
    format!("You deleted the command of execution {id}, which still runs {action}. Stop it?")
}

/// To who asked for an execution that runs, and whose command somebody else deleted.
pub fn stop_it_for(by: &str, id: &str, action: &str) -> String {
    format!("{by} deleted the command of execution {id}, which still runs {action}. Stop it?")
}
