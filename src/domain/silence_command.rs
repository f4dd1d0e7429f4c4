//! `!shut up`, `!silences`, `!extend` and `!unsilence`, and `!ack` and `!alerts`: what people say about what fires.

use serde_json::{Value, json};

use super::alias::parse_duration;
use super::builtin::Builtin;
use super::id::PostId;
use super::silence::{NAME_BYTES_MAX, SILENCE_MS, SILENCE_MS_MAX, SILENCE_MS_MIN, WHY_BYTES_MAX};
use super::switch_command::{because, for_time};
use super::words::silences as words;

/// The commands as help shows them.
pub const COMMANDS: &[(&str, &str)] = &[
    (
        "(shut up|silence) {what} [for {time}] [because {reason}]",
        "Stop telling about a rule, an alert, a host or a source for a while: `shut up web301 for 1h`; 15 min if no time is said",
    ),
    ("silences", "List what is silenced: by whom, why, until when, what was held back"),
    ("extend {what} by {time}", "Let a silence go on for longer"),
    ("unsilence {what}", "End a silence now"),
    (
        "(ack|acknowledge) [{alert}]",
        "Say that you look after an alert: in its thread, or by its key",
    ),
    ("alerts", "List the alerts that are not over"),
];

/// One of these commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SilenceCommand {
    /// To silence something.
    Silence {
        /// What, in their words.
        what: String,
        /// For how long.
        ms: i64,
        /// Why; empty: they did not say.
        why: String,
    },
    /// To let a silence go on.
    Extend {
        /// What is silenced.
        what: String,
        /// For how much longer.
        ms: i64,
    },
    /// To end a silence.
    Unsilence {
        /// What is silenced.
        what: String,
    },
    /// To list silences.
    Silences,
    /// To look after an alert.
    Ack {
        /// Its key; none: that of the thread.
        key: Option<String>,
    },
    /// To list alerts.
    Alerts,
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<SilenceCommand> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let name = |rest: &str| rest.trim().trim_matches(['"', '`', '“', '”']).to_owned();
    match (first.to_lowercase().as_str(), rest) {
        ("silences", "") => Some(SilenceCommand::Silences),
        ("alerts", "") => Some(SilenceCommand::Alerts),
        ("ack" | "acknowledge", "") => Some(SilenceCommand::Ack { key: None }),
        ("ack" | "acknowledge", key) => Some(SilenceCommand::Ack { key: Some(name(key)) }),
        (_, "") => None,
        ("silence", rest) => silence(rest),
        ("shut", rest) => {
            let up = rest.get(..2).filter(|up| up.eq_ignore_ascii_case("up"))?;
            rest[up.len()..].starts_with(char::is_whitespace).then(|| silence(&rest[up.len()..]))?
        }
        ("unsilence", what) => Some(SilenceCommand::Unsilence { what: name(what) }),
        ("extend", rest) => {
            let lower = rest.to_ascii_lowercase();
            let (at, mark) = [" by ", " for "]
                .iter()
                .filter_map(|mark| Some((lower.rfind(mark)?, mark.len())))
                .max()?;
            let ms = parse_duration(rest[at + mark..].trim()).ok()?;
            Some(SilenceCommand::Extend { what: name(&rest[..at]), ms })
        }
        _ => None,
    }
}

fn silence(rest: &str) -> Option<SilenceCommand> {
    let (rest, why) = because(rest);
    let (what, ms) = for_time(rest);
    let what = what.trim().trim_matches(['"', '`', '“', '”']).to_owned();
    let ms = ms.unwrap_or(SILENCE_MS);
    (!what.is_empty()).then_some(SilenceCommand::Silence { what, ms, why })
}

impl SilenceCommand {
    /// Its first word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Silence { .. } => "silence",
            Self::Extend { .. } => "extend",
            Self::Unsilence { .. } => "unsilence",
            Self::Silences => "silences",
            Self::Ack { .. } => "ack",
            Self::Alerts => "alerts",
        }
    }

    /// The built-in handler that may have to ask; none: it is answered at once.
    pub fn builtin(&self) -> Option<Builtin> {
        matches!(self, Self::Silence { .. }).then_some(Builtin::Silence)
    }

    /// What an execution of it is started with.
    pub fn args(&self, _: Option<&PostId>) -> Value {
        match self {
            Self::Silence { what, ms, why } => json!({ "what": what, "ms": ms, "why": why }),
            _ => Value::Null,
        }
    }

    /// Why it makes no sense as it stands, if so.
    pub fn refusal(&self) -> Option<String> {
        let (what, ms, why) = match self {
            Self::Silence { what, ms, why } => (what.as_str(), *ms, why.as_str()),
            Self::Extend { what, ms } => (what.as_str(), *ms, ""),
            Self::Unsilence { what } => (what.as_str(), SILENCE_MS, ""),
            Self::Ack { key } => (key.as_deref().unwrap_or_default(), SILENCE_MS, ""),
            Self::Silences | Self::Alerts => return None,
        };
        if what.len() > NAME_BYTES_MAX || why.len() > WHY_BYTES_MAX {
            return Some(words::too_long(NAME_BYTES_MAX, WHY_BYTES_MAX));
        }
        let fits = (SILENCE_MS_MIN..=SILENCE_MS_MAX).contains(&ms);
        (!fits).then(|| words::bad_time(SILENCE_MS_MAX / 86_400_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let shown = |text: &str| match parse(text) {
            None => "none".to_owned(),
            Some(SilenceCommand::Silence { what, ms, why }) => {
                format!("silence {what}|{}|{why}", ms / 60_000)
            }
            Some(SilenceCommand::Extend { what, ms }) => format!("extend {what}|{}", ms / 60_000),
            Some(SilenceCommand::Unsilence { what }) => format!("unsilence {what}"),
            Some(SilenceCommand::Ack { key }) => format!("ack {}", key.unwrap_or("-".into())),
            Some(other) => other.name().into(),
        };
        for (text, want) in [
            ("shut up twitter", "silence twitter|15|"),
            ("Shut Up twitter for 1h", "silence twitter|60|"),
            ("shut up HighCPU for 1h because we know", "silence HighCPU|60|we know"),
            ("silence host:web301 for 2 hours", "silence host:web301|120|"),
            ("shut up \"look for trouble\"", "silence look for trouble|15|"),
            ("shut up", "none"),
            ("shut upstairs", "none"),
            ("shut down", "none"),
            ("silence", "none"),
            ("silences", "silences"),
            ("unsilence twitter", "unsilence twitter"),
            ("extend twitter by 30m", "extend twitter|30"),
            ("extend nagios to ops for 1h", "extend nagios to ops|60"),
            ("extend twitter", "none"),
            ("ack", "ack -"),
            ("acknowledge nagios/web301", "ack nagios/web301"),
            ("alerts", "alerts"),
            ("alerts please", "none"),
        ] {
            assert_eq!(shown(text), want, "{text:?}");
        }
    }

    #[test]
    fn times_and_names_have_bounds() {
        for (what, ms, why, refused) in [
            (NAME_BYTES_MAX, SILENCE_MS_MAX, WHY_BYTES_MAX, false),
            (NAME_BYTES_MAX + 1, SILENCE_MS, 0, true),
            (1, SILENCE_MS_MAX + 1, 0, true),
            (1, SILENCE_MS_MIN - 1, 0, true),
            (1, SILENCE_MS, WHY_BYTES_MAX + 1, true),
        ] {
            let (what, why) = ("x".repeat(what), "y".repeat(why));
            let command = SilenceCommand::Silence { what, ms, why };
            assert_eq!(command.refusal().is_some(), refused, "{ms}");
        }
    }
}
