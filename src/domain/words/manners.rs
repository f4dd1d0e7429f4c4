//! What is said of how people talk to the bot: too fast, round in a ring, and of what is too long to be said at once.

use crate::domain::loops::{Loop, SAME_MAX};

/// To somebody who commands too fast.
pub fn slow_down(name: &str, most: u32, again_ms: i64) -> String {
    let seconds = again_ms.div_euclid(1_000) + i64::from(again_ms.rem_euclid(1_000) > 0);
    let commands = if most == 1 { "command" } else { "commands" };
    format!(
        "slow down, {name}: {most} {commands} in a minute; I listen again in {} s",
        seconds.max(1)
    )
}

/// To somebody who is not answered for a while, once.
pub fn muted(name: &str, found: Loop, minutes: i64) -> String {
    let why = match found {
        Loop::Repeats => format!("that was the same {SAME_MAX} times"),
        _ => "you have given commands for minutes without a rest".to_owned(),
    };
    format!("{name}: {why}, so I do not answer you here for {minutes} min.")
}

/// To the owner, when a conversation goes round in a ring.
pub fn ring(who: &str, room: &str, why: &str, minutes: i64) -> String {
    format!(
        "I do not answer {who} in {room} for {minutes} min: {why}. If it is a bot, let it not answer notices."
    )
}

/// Below a long answer: how it goes on.
pub fn more(lines: usize, prefix: &str, id: &str) -> String {
    let lines_words = if lines == 1 { "line" } else { "lines" };
    format!("… {lines} more {lines_words}: {prefix}more {id}")
}

/// That there is nothing to go on with.
pub fn nothing_more() -> String {
    "there is nothing long here that I could go on with.".into()
}

/// That the last part was said.
pub fn that_was_all() -> String {
    "that was all.".into()
}

/// That an answer has no such part, or is not of this room.
pub fn no_such_part(id: &str) -> String {
    format!("I know of no `{id}` here that I could go on with.")
}
