//! What is said of automation that is switched off and on.

use jiff::tz::TimeZone;

use super::called;
use crate::domain::event::AutomationSwitched;
use crate::domain::id::Timestamp;
use crate::domain::switch::Automation;

/// Why only some may switch automation off.
pub const CONCERNS: &str = "it changes what is told and done by itself";

/// A time as people read it on a clock: today's without its date.
pub fn clock(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let zoned = |at: Timestamp| {
        jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone.clone())
    };
    let (at, now) = (zoned(at), zoned(now));
    let format = if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.strftime(format).to_string()
}

/// ` until 10:15`, or nothing.
fn until(switch: &AutomationSwitched, now: Timestamp, zone: &TimeZone) -> String {
    let until = switch.until.map(|until| format!(" until {}", clock(until, now, zone)));
    until.unwrap_or_default()
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(", because {reason}") }
}

/// What was said of it by.
fn by(switch: &AutomationSwitched) -> &str {
    match (&switch.by, switch.who.as_str()) {
        (Some(by), "") => called(by),
        (_, who) => who,
    }
}

/// It is off.
pub fn off(switch: &AutomationSwitched, now: Timestamp, zone: &TimeZone, at: &str) -> String {
    let (kind, name) = (switch.kind.word(), &switch.name);
    let until = until(switch, now, zone);
    format!("The {kind} `{name}` is off{until}. `{at}{kind} on {name}` switches it on.")
}

/// It is on again.
pub fn on(kind: Automation, name: &str) -> String {
    format!("The {} `{name}` is on again.", kind.word())
}

/// It was on.
pub fn is_on(kind: Automation, name: &str) -> String {
    format!("the {} `{name}` is on.", kind.word())
}

/// Its time is over.
pub fn back(switch: &AutomationSwitched) -> String {
    let (kind, name, by) = (switch.kind.word(), &switch.name, by(switch));
    let why = because(&switch.reason);
    format!(
        "The {kind} `{name}` is on again: the time is over for which {by} switched it off{why}."
    )
}

/// Why something does not happen, as it is recorded.
pub fn reason(switch: &AutomationSwitched, now: Timestamp, zone: &TimeZone) -> String {
    let why = because(&switch.reason);
    format!("switched off{} by {}{why}", until(switch, now, zone), by(switch))
}

/// There is no such thing.
pub fn unknown(kind: Automation, name: &str, near: Option<&str>) -> String {
    let hint = near.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    format!("I know no {} `{name}`.{hint}", kind.word())
}

/// The configuration has a webhook, and this is how its senders prove who they are.
pub fn hook_facts(proven_by: &str) -> String {
    format!("senders prove themselves by {proven_by}")
}

/// A sensor is not well.
pub fn ended(ends: u32, why: &str) -> String {
    format!("it has ended {ends} times one after the other: {why}")
}

/// So many things are off that no more is switched off.
pub fn too_many(most: usize) -> String {
    format!("{most} things are switched off already, which is my limit: switch one on first.")
}

/// A name or a reason is too long.
pub fn too_long(name: usize, reason: usize) -> String {
    format!("a name has at most {name} bytes and a reason {reason}.")
}

/// What is switched on stays on.
pub fn on_for_ever() -> String {
    "what is switched on stays on: say no time.".into()
}

/// That time is too short or too long.
pub fn bad_time(days: i64) -> String {
    format!(
        "it can be off for at least a minute and at most {days} days, or without a time until somebody switches it on."
    )
}
