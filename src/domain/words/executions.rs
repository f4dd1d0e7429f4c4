//! What is said of executions: that they take a while, that they failed, that nobody wants them any more.

/// That a command takes a while.
pub fn on_it(name: &str, id: &str) -> String {
    format!("On it, {name}: execution {id}")
}

/// That a command takes a while, in the words of its script.
pub fn on_it_in(words: &str, id: &str) -> String {
    format!("{words} (execution {id})")
}

/// That a command failed, and where.
pub fn failed(name: &str, command: &str, message: &str, place: &str, id: &str) -> String {
    format!("{name}: “{command}” failed: {message} ({place}, execution {id})")
}

/// That a command is over without having failed.
pub fn is_over(name: &str, command: &str, message: &str, id: &str) -> String {
    format!("{name}: “{command}” is over, {message} (execution {id})")
}

/// That a script met another past than the one it had.
pub fn diverged(how: &str) -> String {
    format!("the script no longer does what it did: {how}")
}

/// Whether an effect was done that nobody knows of.
pub fn was_it_done(name: &str, message: &str, command: &str, id: &str) -> String {
    format!("{name}: {message} (“{command}”, execution {id}). Was it done?")
}

/// That somebody gave up on an effect in doubt.
pub fn given_up(name: &str) -> String {
    format!("{name} gave it up; nobody knows whether it was done")
}

/// That somebody ended an execution without its script being asked.
pub fn ended_where_it_stood(by: &str) -> String {
    format!("{by} ended it where it stood; nothing was undone")
}

/// What is shown where a script says nothing, such as an output without a word.
pub const EMPTY: &str = "(empty)";

/// Why what was half said is left, as it is recorded.
pub const ANOTHER_COMMAND: &str = "another command was given";

/// That an execution is being cancelled.
pub fn cancelling(command: &str, id: &str) -> String {
    format!("Cancelling “{command}” ({id})")
}

/// That an execution waits for another one.
pub fn waits_for_lock(name: &str, action: &str, holder: &str, lock: &str) -> String {
    format!("{name}: {action} waits for execution {holder}, which holds {lock}")
}

/// That an execution ended because something that it needs was erased.
pub fn stopped_by_erasure(name: &str, id: &str) -> String {
    format!("{name}: execution {id} was stopped, because something that it worked with was erased.")
}

/// That somebody at the command line has a command done once more.
pub fn tried_again(
    by: &str,
    command: &str,
    name: &str,
    id: &str,
    before: &str,
    done: &[String],
) -> String {
    let done = match done {
        [] => String::new(),
        done => format!(". Then it did: {}", done.join("; ")),
    };
    format!("{by} tries “{command}” again for {name} (execution {id}, before {before}){done}")
}

/// Behind the words of a progress.
pub fn percent_done(percent: i64) -> String {
    format!(" ({percent} %)")
}

/// To who cancels what is not there.
pub fn gone(id: &str) -> String {
    format!("there is no execution {id} any more")
}

/// To who cancels what is over; `status` is the word for how it ended.
pub fn has_ended(id: &str, status: &str) -> String {
    let was = if status == "cancelled" { "was " } else { "" };
    format!("{id} has ended: it {was}{status}")
}

/// To who cancels what was cancelled before.
pub fn cancelled_already(by: &str, id: &str, minutes: i64) -> String {
    format!(
        "{by} has cancelled {id} already, and it may still undo what it did; cancelled again in {minutes} min, it ends where it stands"
    )
}

/// To who names several executions.
pub fn several_begin(prefix: &str) -> String {
    format!("several executions' ids begin with `{prefix}`: write more of it.")
}

/// To who wants to change what somebody else asked for.
pub fn of_somebody_else(name: &str, id: &str) -> String {
    format!("{name} asked for {id}: only they can say that, or somebody in the management room.")
}

/// To who names an execution that is not there, or not for them.
pub fn none_of_yours(prefix: &str) -> String {
    format!("I know of no execution `{prefix}` of yours.")
}

/// To who cancels without an id and has nothing open here.
pub fn nothing_of_yours(at: &str) -> String {
    format!(
        "nothing of yours runs or waits here; `{at}executions` lists what does, `{at}cancel ID` names it."
    )
}

/// To who cancels without an id and has several things open here.
pub fn which_of_yours(list: &[String], at: &str) -> String {
    format!("which of yours? Say `{at}cancel ID`: {}.", list.join(", "))
}

/// To who wants something once more and asked for nothing.
pub fn nothing_to_repeat() -> String {
    "you have not asked for anything here that I could do again.".into()
}

/// To who wants once more what nobody asked for.
pub fn began_by_itself(id: &str) -> String {
    format!("{id} began by itself, nobody asked for it.")
}
