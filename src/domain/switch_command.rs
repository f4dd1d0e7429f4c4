//! `!rule off`, `!rule on`, and the same for schedules, hooks and sensors: automation is switched off for a while.

use serde::{Deserialize, Serialize};

use super::alias::parse_duration;
use super::policy::{Resource, ResourceKind};
use super::switch::{AUTOMATIONS, Automation, OFF_MS_MAX, OFF_MS_MIN};
use super::words::switches as words;

/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// The commands as help shows them.
pub const COMMANDS: &[(&str, &str)] = &[
    (
        "(rule|schedule|hook|sensor) off {name} [for {time}] [because {reason}]",
        "Switch automation off: `rule off nagios to ops for 2h because we are moving`",
    ),
    ("(rule|schedule|hook|sensor) on {name}", "Switch it on again"),
];

/// To switch something off or on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchCommand {
    /// What kind of thing.
    pub kind: Automation,
    /// Its name.
    pub name: String,
    /// On, or off.
    pub on: bool,
    /// For how long it is off; none: until somebody switches it on.
    pub for_ms: Option<i64>,
    /// Why; empty: they did not say.
    pub reason: String,
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<SwitchCommand> {
    let (first, rest) = text.trim().split_once(char::is_whitespace)?;
    let kind = Automation::of(first)?;
    let (second, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let on = match second.to_lowercase().as_str() {
        "on" => true,
        "off" => false,
        _ => return None,
    };
    let (rest, reason) = because(rest);
    let (name, for_ms) = for_time(rest);
    let name = name.trim().trim_matches(['"', '`', '“', '”']).to_owned();
    (!name.is_empty()).then_some(SwitchCommand { kind, name, on, for_ms, reason })
}

/// What stands before a reason, and the reason.
pub fn because(text: &str) -> (&str, String) {
    match text.to_ascii_lowercase().find(" because ") {
        Some(at) => (text[..at].trim(), text[at + " because ".len()..].trim().to_owned()),
        None => (text.trim(), String::new()),
    }
}

/// What stands before `for 2h` at the end of a text, and the time.
pub fn for_time(text: &str) -> (&str, Option<i64>) {
    let found = text.to_ascii_lowercase().rfind(" for ");
    let time = found.and_then(|at| parse_duration(text[at + " for ".len()..].trim()).ok());
    match (found, time) {
        (Some(at), Some(ms)) => (text[..at].trim(), Some(ms)),
        _ => (text, None),
    }
}

impl SwitchCommand {
    /// Its first word.
    pub fn name(&self) -> &'static str {
        self.kind.word()
    }

    /// What policies are asked about it: what is no rule stands for one, with its kind in front.
    pub fn resource(kind: Automation, name: &str) -> Resource {
        let name = match kind {
            Automation::Rule => name.to_owned(),
            other => format!("{} {name}", other.word()),
        };
        Resource::of(ResourceKind::Rule, name)
    }

    /// Why it makes no sense as it stands, if so.
    pub fn refusal(&self) -> Option<String> {
        if self.reason.len() > REASON_BYTES_MAX || self.name.len() > NAME_BYTES_MAX {
            return Some(words::too_long(NAME_BYTES_MAX, REASON_BYTES_MAX));
        }
        let ms = self.for_ms?;
        (self.on || !(OFF_MS_MIN..=OFF_MS_MAX).contains(&ms)).then(|| match self.on {
            true => words::on_for_ever(),
            false => words::bad_time(OFF_MS_MAX / 86_400_000),
        })
    }
}

/// Their first words, for those who misspelt one.
pub fn first_words() -> impl Iterator<Item = &'static str> {
    AUTOMATIONS.into_iter().map(Automation::word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse(text).map_or("none".into(), |it| {
            let way = if it.on { "on" } else { "off" };
            let ms = it.for_ms.map_or("-".into(), |ms| (ms / 60_000).to_string());
            format!("{} {way}|{}|{ms}|{}", it.kind.word(), it.name, it.reason)
        })
    }

    #[test]
    fn commands_are_read() {
        for (text, want) in [
            ("rule off twitter", "rule off|twitter|-|"),
            ("Rule Off nagios to ops for 2h", "rule off|nagios to ops|120|"),
            (
                "rule off nagios to ops for 2h because we move for good",
                "rule off|nagios to ops|120|we move for good",
            ),
            ("rule off look for trouble", "rule off|look for trouble|-|"),
            ("rule off \"look for trouble\" for 5m", "rule off|look for trouble|5|"),
            ("rule on twitter", "rule on|twitter|-|"),
            ("schedule off morning for 1d", "schedule off|morning|1440|"),
            ("hook off github", "hook off|github|-|"),
            ("sensor on disk", "sensor on|disk|-|"),
            ("rule off", "none"),
            ("rule list", "none"),
            ("rule of thumb", "none"),
            ("robot off twitter", "none"),
        ] {
            assert_eq!(shown(text), want, "{text:?}");
        }
    }

    #[test]
    fn times_reasons_and_names_have_bounds() {
        let command = |name: usize, reason: usize, on: bool, for_ms: Option<i64>| SwitchCommand {
            kind: Automation::Rule,
            name: "x".repeat(name),
            on,
            for_ms,
            reason: "y".repeat(reason),
        };
        for (command, refused) in [
            (command(NAME_BYTES_MAX, REASON_BYTES_MAX, false, None), false),
            (command(NAME_BYTES_MAX + 1, 0, false, None), true),
            (command(1, REASON_BYTES_MAX + 1, false, None), true),
            (command(1, 0, false, Some(OFF_MS_MAX)), false),
            (command(1, 0, false, Some(OFF_MS_MAX + 1)), true),
            (command(1, 0, false, Some(OFF_MS_MIN)), false),
            (command(1, 0, false, Some(OFF_MS_MIN - 1)), true),
            (command(1, 0, true, Some(OFF_MS_MIN)), true),
            (command(1, 0, true, None), false),
        ] {
            assert_eq!(command.refusal().is_some(), refused, "{:?}", command.for_ms);
        }
    }
}
