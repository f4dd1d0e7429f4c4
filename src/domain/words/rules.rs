//! What is said of rules: why they ran, and why they did not.

use serde_json::Value;

use crate::domain::rule::{On, Rule};

/// One thing that a rule asks of a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// What it asks and what there is, in words.
    pub said: String,
    /// Whether the trigger has it.
    pub holds: bool,
}

/// Why a rule ran.
pub fn fits(rule: &Rule) -> String {
    match &rule.on {
        On::Trigger { name, wanted } if wanted.is_empty() => format!("it listens to {name}"),
        On::Trigger { name, wanted } => {
            format!("it listens to {name} with {}", shown(wanted.iter()))
        }
        On::Talk { pattern, .. } => format!("somebody said {}", pattern.shown()),
    }
}

/// The values that a rule wants: `type = "PROBLEM", host = "web1"`.
pub fn shown<'a>(wanted: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    wanted.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// No script has a rule.
pub const NONE: &str = "No script has a rule.";
/// No rule speaks in the room.
pub const NONE_HERE: &str = "No rule speaks here, as far as the scripts show it.";

/// No rule is about something.
pub fn none_about(about: &str) -> String {
    format!("No rule is about “{about}”.")
}

/// What a rule listens to, where it speaks and what it runs.
pub fn facts(rule: &Rule) -> String {
    let listens = match &rule.on {
        On::Trigger { name, wanted } if wanted.is_empty() => format!("on {name}"),
        On::Trigger { name, wanted } => format!("on {name} with {}", shown(wanted.iter())),
        On::Talk { pattern, .. } => format!("hears {}", pattern.shown()),
    };
    let criteria = rule.criteria.then(|| "and criteria".to_owned());
    let rooms = rule.speaks_in();
    let says = (!rooms.is_empty()).then(|| format!("says in {}", rooms.join(", ")));
    let actions = &rule.does.actions;
    let runs = (!actions.is_empty()).then(|| format!("runs {}", actions.join(", ")));
    let listens = std::iter::once(listens).chain(criteria).collect::<Vec<_>>().join(" ");
    std::iter::once(listens).chain(says).chain(runs).collect::<Vec<_>>().join("; ")
}

/// A rule is one too many.
pub fn too_many(most: usize) -> String {
    format!("one trigger starts at most {most} executions")
}

/// Too many executions are open.
pub fn too_many_open(most: usize) -> String {
    format!("{most} executions are open, and no more are started")
}

/// The criteria of a rule threw something.
pub fn criteria_failed(why: &str) -> String {
    format!("its criteria failed: {why}")
}

/// The owner is told of that.
pub fn tell_criteria_failed(rule: &Rule, why: &str) -> String {
    let Rule { name, file, line, .. } = rule;
    format!(
        "The criteria of the rule `{name}` failed ({file}:{line}): {why}. It did not run; I say this once a day."
    )
}

/// It has fired so recently.
pub fn fired_lately(kind: &str, ms: i64, until: &str) -> String {
    let what = if kind == "dedup" { "for the same" } else { "already" };
    format!("it fired {what} within {}; not again until {until}", super::silences::span(ms))
}

/// A rule was taken away while it was decided on.
pub fn gone(name: &str) -> String {
    format!("no script has the rule `{name}` any more")
}

/// The engine that asked criteria broke off.
pub fn broke_off() -> String {
    "the script engine broke off".to_owned()
}

/// Whether a rule listens to a trigger at all.
pub fn trigger(wants: &str, is: &str) -> Criterion {
    match wants == is {
        true => Criterion { said: format!("it listens to {wants}"), holds: true },
        false => {
            Criterion { said: format!("it listens to {wants}, and this is {is}"), holds: false }
        }
    }
}

/// Whether a field has the value that a rule wants.
pub fn wanted(name: &str, wants: &Value, has: Option<&Value>) -> Criterion {
    let holds = has == Some(wants);
    let said = match has {
        Some(_) if holds => format!("{name} is {wants}"),
        Some(has) => format!("{name} must be {wants}, and is {has}"),
        None => format!("{name} must be {wants}, and there is no such field"),
    };
    Criterion { said, holds }
}

/// What the criteria of a rule gave.
pub fn criteria(gave: Result<bool, String>) -> Criterion {
    match gave {
        Ok(true) => Criterion { said: "its criteria give true".to_owned(), holds: true },
        Ok(false) => Criterion { said: "its criteria give false".to_owned(), holds: false },
        Err(why) => Criterion { said: criteria_failed(&why), holds: false },
    }
}

/// A rule on talk has nothing to do with named triggers.
pub fn listens_to_talk() -> Criterion {
    let said = "it listens to what people say, and not to triggers".to_owned();
    Criterion { said, holds: false }
}
