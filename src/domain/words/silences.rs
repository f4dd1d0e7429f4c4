//! What is said of silences.

use jiff::tz::TimeZone;

use super::switches::clock;
use crate::domain::event::SilenceStarted;
use crate::domain::id::Timestamp;
use crate::domain::silence::Target;

/// Most names of what was held back that are told.
const NAMED_MAX: usize = 3;

/// A time span for people: `15 min`, `2 h`, `1 h 30 min`, `3 days`.
pub fn span(ms: i64) -> String {
    let (seconds, minutes) = (ms / 1_000, ms / 60_000);
    match (minutes, minutes % 60) {
        (0, _) => format!("{seconds} s"),
        (1..60, _) => format!("{minutes} min"),
        (60..2_880, 0) => format!("{} h", minutes / 60),
        (60..2_880, rest) => format!("{} h {rest} min", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// It is silenced.
pub fn silenced(names: &[&str], ms: i64, until: &str) -> String {
    let it = if names.len() == 1 { "it speaks" } else { "they speak" };
    format!("{} silenced for {}. Until {until}; then {it} again.", names.join(", "), span(ms))
}

/// It goes on for longer.
pub fn extended(name: &str, until: &str) -> String {
    format!("{name} is silenced until {until}.")
}

/// It was ended by somebody.
pub fn unsilenced(name: &str, held: &str) -> String {
    format!("{name} speaks again. {held}")
}

/// What was held back, in a sentence; `still` fires now.
pub fn held(count: u64, names: &[String], still: &[String]) -> String {
    if count == 0 {
        return "Nothing fired meanwhile.".into();
    }
    let more = if names.len() > NAMED_MAX { ", …" } else { "" };
    let shown: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    let times = if count == 1 { "once".into() } else { format!("{count} times") };
    let still = match still {
        [] => String::new(),
        [one] => format!("; {one} still does"),
        several => format!("; {} of them still do", several.len()),
    };
    format!("Meanwhile it fired {times}: {}{more}{still}.", shown.join(", "))
}

/// Its time is over.
pub fn over(name: &str, held: &str) -> String {
    format!("The silence of {name} is over. {held}")
}

/// It ends soon, and still holds something back.
pub fn notice(name: &str, minutes: i64, still: &[String], prefix: &str) -> String {
    let what = match still {
        [] => String::new(),
        [one] => format!(": {one}"),
        [one, ..] => format!(": {one} and {} more", still.len() - 1),
    };
    format!(
        "The silence of {name} ends in {minutes} min, and it still fires{what}. `{prefix}extend {name} by 1h` lets it go on."
    )
}

/// More than one thing is meant.
pub fn which(text: &str, all: &[Target], ms: i64) -> String {
    let all: Vec<String> = all.iter().map(Target::words).collect();
    let (count, span) = (all.len(), span(ms));
    format!("“{text}” could be {count} things: {}. Silence all of them for {span}?", all.join(", "))
}

/// They are too many.
pub fn too_many_meant(text: &str, count: usize, most: usize) -> String {
    format!(
        "“{text}” could be {count} things, and I silence at most {most} at once: say more of the name."
    )
}

/// Nothing was silenced after all.
pub const LEFT: &str = "All right, nothing is silenced.";

/// Nothing has that name.
pub fn unknown(text: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => {
            format!("I know no rule, alert, host or source “{text}”. Did you mean `{near}`?")
        }
        None => format!("I know no rule, alert, host or source “{text}”."),
    }
}

/// It is not silenced.
pub fn is_not(text: &str) -> String {
    format!("“{text}” is not silenced.")
}

/// Nothing is silenced.
pub const NONE: &str = "Nothing is silenced.";

/// One silence in a list.
pub fn line(silence: &SilenceStarted, held: u64, now: Timestamp, zone: &TimeZone) -> String {
    let (what, who) = (silence.target.words(), &silence.who);
    let why =
        if silence.why.is_empty() { String::new() } else { format!(", because {}", silence.why) };
    let held = match held {
        0 => "nothing held back".to_owned(),
        1 => "held back once".to_owned(),
        many => format!("held back {many} times"),
    };
    let until = clock(silence.until, now, zone);
    format!("{what} until {until}, by {who}{why}; {held}")
}

/// Why something is not told, as it is recorded.
pub fn reason(silence: &SilenceStarted, now: Timestamp, zone: &TimeZone) -> String {
    let why =
        if silence.why.is_empty() { String::new() } else { format!(", because {}", silence.why) };
    format!("silenced until {} by {}{why}", clock(silence.until, now, zone), silence.who)
}

/// There are so many silences that no more is made.
pub fn too_many(most: usize, at: &str) -> String {
    format!("{most} things are silenced already, which is my limit: `{at}unsilence` one first.")
}

/// A name or a reason is too long.
pub fn too_long(name: usize, why: usize) -> String {
    format!("a name has at most {name} bytes and a reason {why}.")
}

/// That time is too short or too long.
pub fn bad_time(days: i64) -> String {
    format!("it can be silent for at least a second and at most {days} days.")
}

/// Why only some may silence.
pub const CONCERNS: &str = "it keeps others from hearing of it";
