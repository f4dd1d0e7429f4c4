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
