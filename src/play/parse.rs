//! Reads a transcript into steps, or says which line is wrong.

use serde_json::Value;

use crate::domain::alias::parse_duration;
use crate::domain::event::EffectResult;
use crate::domain::http::{UNREACHABLE, called};
use crate::domain::named::bad_name;
use crate::domain::quiet::Quiet;
use crate::domain::role::Roles;
use crate::domain::trigger::Trust;

/// Largest transcript in bytes.
pub const TRANSCRIPT_BYTES_MAX: usize = 1024 * 1024;
/// What `(config …)` can set.
pub const SETTINGS: &[&str] = &[
    "bot.prefix",
    "catchup.run_within",
    "conversation.stale_after",
    "context.rooms",
    "roles.NAME",
    "matrix.management_room",
    "limits.commands_per_minute",
    "limits.stop_rings",
    "alerts.rejoin_within",
    "alerts.group_at",
    "alerts.group_wait",
    "alerts.group_interval",
    "alerts.quiet",
    "context.rooms",
];
/// What joins the lines of one message.
pub const LINE_BREAK: &str = " ⏎ ";

/// A transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// What it is called in messages.
    pub name: String,
    /// Its steps with their line numbers.
    pub steps: Vec<(usize, Step)>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The scripts folder from here on, relative to the transcript; taken at the start and at a restart.
    Scripts(String),
    /// The policy folder from here on, relative to the transcript; taken at the start and at a restart.
    Policy(String),
    /// The policy folder changes while the bot runs.
    Reload(String),
    /// A person has this power in the room from here on.
    Power(String, i64),
    /// The room from here on.
    Room { name: String, network: Option<String>, encrypted: bool },
    /// A person does something.
    Person {
        name: String,
        network: Option<String>,
        account: Option<String>,
        /// What they call themselves, where that is not their name.
        shown: Option<String>,
        /// How strongly the network proves that it is them; none: as it does usually.
        trust: Option<Trust>,
        /// How long ago they did it: it comes late.
        ago_ms: i64,
        does: Does,
    },
    /// The bot must say this next.
    Bot { form: Form, text: String },
    /// So many are in the room, the bot among them.
    Members(u64),
    /// Nothing was said since the last line.
    Quiet,
    /// The keys of everything that could not be read reach the bot.
    KeysArrive,
    /// The clock moves.
    Advance(i64),
    /// The bot is killed and started again.
    Restart,
    /// Something happens outside: a named trigger comes in.
    Trigger { name: String, fields: serde_json::Map<String, Value> },
    /// An action must run and gives this; or a request must be sent, named by its method and URL, and is answered so.
    Exec { action: String, args: Option<Value>, result: EffectResult },
    /// A setting, before the first person speaks.
    Config { key: String, value: String },
    /// These events were appended since the last such line.
    Log(Vec<String>),
}

/// What a person does.
#[derive(Debug, Clone, PartialEq)]
pub enum Does {
    /// Says something in the room.
    Says(String),
    /// Says something whose keys have not reached the bot yet.
    SaysUnreadable(String),
    /// Says something in a thread.
    SaysInThread(String),
    /// Replies to the bot's last message.
    Replies(String),
    /// Reacts to the bot's last message.
    Reacts(String),
    /// Corrects their own last message.
    Edits(String),
    /// Deletes the last message of somebody: their own, or another one's.
    Deletes(String),
}

/// How the bot must say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the room: alone or as a reply.
    Room,
    /// As a reply.
    Reply,
    /// In a thread.
    Thread,
    /// As a change of an earlier message.
    Edit,
    /// As an emoji on a post.
    Reaction,
    /// In any way.
    Any,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}: {what}")]
pub struct ParseError {
    /// The transcript.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads a transcript.
///
/// # Errors
/// [`ParseError`] for the first line that is wrong.
pub fn parse(name: &str, text: &str) -> Result<Transcript, ParseError> {
    let error = |line: usize, what: String| ParseError { name: name.into(), line, what };
    if text.len() > TRANSCRIPT_BYTES_MAX {
        return Err(error(0, format!("a transcript may have {TRANSCRIPT_BYTES_MAX} bytes")));
    }
    let mut steps: Vec<(usize, Step)> = vec![];
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let step = step(line).map_err(|what| error(number + 1, what))?;
        let begun = steps.iter().any(|(_, step)| matches!(step, Step::Person { .. }));
        if begun && matches!(step, Step::Config { .. }) {
            return Err(error(number + 1, "settings stand before the first person speaks".into()));
        }
        steps.push((number + 1, step));
    }
    Ok(Transcript { name: name.into(), steps })
}

fn step(line: &str) -> Result<Step, String> {
    match line.split_at_checked(1) {
        Some((">", rest)) => person(rest.trim_start()),
        Some(("<", rest)) => bot(rest.trim_start()),
        Some(("(", rest)) => {
            let inside = rest.strip_suffix(')').ok_or("the closing `)` is missing")?;
            directive(inside)
        }
        _ => Err("a line begins with `>`, `<`, `(` or `#`".into()),
    }
}

fn unbroken(text: &str) -> String {
    text.replace(LINE_BREAK, "\n")
}

fn person(rest: &str) -> Result<Step, String> {
    let end = match rest.starts_with('@') {
        // An account's id has a colon of its own.
        true => rest.find([' ']).map(|end| rest[..end].trim_end_matches(':').len()),
        false => rest.find([' ', ':']),
    };
    let end = end.ok_or("write `> name: text`")?;
    let (name, mut rest) = rest.split_at(end);
    rest = rest.trim_start();
    let (mut network, mut account, mut ago_ms) = (None, None, 0);
    let (mut shown, mut trust) = (None, None);
    if let Some(inside) = rest.strip_prefix('[') {
        let (attributes, after) = inside.split_once(']').ok_or("the closing `]` is missing")?;
        for attribute in attributes.split_whitespace() {
            match attribute.split_once('=') {
                Some(("network", value)) => network = Some(value.to_owned()),
                Some(("account", value)) => account = Some(value.to_owned()),
                Some(("ago", value)) => ago_ms = parse_duration(value)?,
                Some(("name", value)) => shown = Some(value.to_owned()),
                Some(("trust", value)) => trust = Some(trust_of(value)?),
                _ => {
                    return Err(format!(
                        "`{attribute}` is none of network=… account=… name=… trust=… ago=…"
                    ));
                }
            }
        }
        rest = after.trim_start();
    }
    type Makes = fn(String) -> Does;
    let forms: [(&str, Makes); 6] = [
        (":", Does::Says),
        ("(unreadable):", Does::SaysUnreadable),
        ("(in thread):", Does::SaysInThread),
        ("(reply):", Does::Replies),
        ("reacts", Does::Reacts),
        ("edits:", Does::Edits),
    ];
    if let Some(whose) = rest.strip_prefix("deletes") {
        let whose = match whose.trim().strip_prefix("of ") {
            Some(other) if !other.trim().is_empty() => other.trim(),
            None if whose.trim().is_empty() => name,
            _ => return Err("write `> ann deletes`, or `> ann deletes of ben`".into()),
        };
        let (name, does) = (name.to_owned(), Does::Deletes(whose.to_owned()));
        return Ok(Step::Person { name, network, account, shown, trust, ago_ms, does });
    }
    let found = forms.iter().find_map(|(word, does)| Some((rest.strip_prefix(word)?, does)));
    let (text, does) = found.ok_or(
        "a person says `:`, `(in thread):`, `(reply):`, `(unreadable):`, `reacts`, `edits:`, `deletes`",
    )?;
    let (name, does) = (name.to_owned(), does(unbroken(text.trim())));
    Ok(Step::Person { name, network, account, shown, trust, ago_ms, does })
}

fn trust_of(word: &str) -> Result<Trust, String> {
    let words = || Trust::ALL.map(Trust::word).join(", ");
    Trust::of_word(word).ok_or_else(|| format!("trust is one of {}, not `{word}`", words()))
}

fn bot(rest: &str) -> Result<Step, String> {
    let rest = rest.strip_prefix("bot").ok_or("write `< bot: text`")?.trim_start();
    let forms = [
        (":", Form::Room),
        ("*:", Form::Any),
        ("(reply):", Form::Reply),
        ("(in thread):", Form::Thread),
        ("edits:", Form::Edit),
        ("reacts", Form::Reaction),
    ];
    let found = forms.iter().find_map(|(word, form)| Some((rest.strip_prefix(word)?, *form)));
    let (text, form) =
        found.ok_or("the bot says `:`, `*:`, `(reply):`, `(in thread):`, `edits:`, `reacts`")?;
    Ok(Step::Bot { form, text: unbroken(text.trim()) })
}

fn directive(inside: &str) -> Result<Step, String> {
    let (word, rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let rest = rest.trim();
    match word {
        "scripts" if !rest.is_empty() => Ok(Step::Scripts(rest.into())),
        "reload" if !rest.is_empty() => Ok(Step::Reload(rest.into())),
        "policy" if !rest.is_empty() => Ok(Step::Policy(rest.into())),
        "power" => {
            let (name, power) = rest.split_once(' ').ok_or("write `(power ann 50)`")?;
            let power = power.trim().parse().map_err(|_| "power is a number")?;
            Ok(Step::Power(name.into(), power))
        }
        "room" if !rest.is_empty() => {
            let (rest, encrypted) = match rest.strip_suffix(" encrypted") {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let (name, network) =
                rest.split_once(" network=").map_or((rest, None), |(a, b)| (a, Some(b)));
            let network = network.map(str::to_owned);
            Ok(Step::Room { name: name.into(), network, encrypted })
        }
        "members" => match rest.parse() {
            Ok(count) => Ok(Step::Members(count)),
            Err(_) => Err("write `(members 2)`".into()),
        },
        "quiet" => Ok(Step::Quiet),
        "restart" => Ok(Step::Restart),
        "keys" if rest == "arrive" => Ok(Step::KeysArrive),
        "advance" => Ok(Step::Advance(parse_duration(rest)?)),
        "webhook" => trigger(rest, "webhook."),
        "emit" => trigger(rest, ""),
        "exec" => exec(rest),
        "http" => http(rest),
        "config" => {
            let (key, value) = rest.split_once('=').ok_or("write `(config key=value)`")?;
            if !SETTINGS.contains(&key.trim()) && !key.trim().starts_with("roles.") {
                return Err(format!("there are the settings {}", SETTINGS.join(", ")));
            }
            if let Some(role) = key.trim().strip_prefix("roles.") {
                Roles::default().add(role, &role_entries(value))?;
            }
            match key.trim() {
                "catchup.run_within" | "conversation.stale_after" => drop(parse_duration(value)?),
                "alerts.rejoin_within" | "alerts.group_wait" | "alerts.group_interval" => {
                    parse_duration(value)?;
                }
                "alerts.quiet" => {
                    Quiet::parse(quiet_of(value).1)?;
                }
                "limits.commands_per_minute" | "alerts.group_at"
                    if value.trim().parse::<u32>().is_err() =>
                {
                    return Err(format!("`{value}` is no number"));
                }
                _ => {}
            }
            Ok(Step::Config { key: key.trim().into(), value: value.trim().into() })
        }
        "log" => Ok(Step::Log(rest.split_whitespace().map(str::to_owned).collect())),
        other => Err(format!("there is no `({other} …)` here")),
    }
}

/// A room and its quiet hours: `#ops 22:00-07:00`.
pub(super) fn quiet_of(value: &str) -> (&str, &str) {
    value.trim().split_once(' ').unwrap_or((value, ""))
}

/// The entries of a role: `@ann` is ann of the simulated homeserver.
pub(super) fn role_entries(value: &str) -> Vec<String> {
    let entry = |entry: &str| match entry.trim() {
        id if id.starts_with('@') && !id.contains(':') => format!("{id}:local"),
        entry => entry.to_owned(),
    };
    value.split(',').map(entry).collect()
}

fn trigger(rest: &str, prefix: &str) -> Result<Step, String> {
    let (name, fields) = rest.split_once(' ').unwrap_or((rest, "{}"));
    let name = format!("{prefix}{name}");
    if let Some(why) = bad_name(&name) {
        return Err(why);
    }
    let fields = serde_json::from_str(fields.trim())
        .map_err(|why| format!("`{fields}` is no JSON object: {why}"))?;
    Ok(Step::Trigger { name, fields })
}

fn exec(rest: &str) -> Result<Step, String> {
    let (action, rest) = rest.split_once(' ').ok_or("write `(exec action {args} -> {result})`")?;
    let json = |text: &str| {
        serde_json::from_str::<Value>(text.trim())
            .map_err(|why| format!("`{text}` is not JSON: {why}"))
    };
    let (args, result) = if let Some((args, result)) = rest.split_once("->") {
        (args, EffectResult::Ok(json(result)?))
    } else if let Some((args, why)) = rest.split_once("fails") {
        let message = json(why)?;
        let error = serde_json::json!({ "kind": "failed", "action": action, "message": message });
        (args, EffectResult::Err(error))
    } else {
        return Err("write `-> {result}` or `fails \"text\"`".into());
    };
    let args = if args.trim().is_empty() { None } else { Some(json(args)?) };
    Ok(Step::Exec { action: action.into(), args, result })
}

/// `GET url -> 200 {json}`, `POST url {json} -> 201 {json}`, `GET url fails "text"`; `unreachable` in place of `fails`
/// is the kind of the error.
fn http(rest: &str) -> Result<Step, String> {
    let usage = "write `(http GET url {json}? -> 200 {json}?)`, or `fails \"text\"`";
    let json = |text: &str| {
        serde_json::from_str::<Value>(text.trim())
            .map_err(|why| format!("`{text}` is not JSON: {why}"))
    };
    let optional = |text: &str| match text.trim() {
        "" => Ok(None),
        text => json(text).map(Some),
    };
    let mut words = rest.splitn(3, ' ');
    let (Some(method), Some(url), Some(rest)) = (words.next(), words.next(), words.next()) else {
        return Err(usage.into());
    };
    let action = called(method, url);
    if let Some((args, answer)) = rest.split_once("->") {
        let (status, body) = answer.trim().split_once(' ').unwrap_or((answer.trim(), ""));
        let status: u16 = status.parse().map_err(|_| format!("`{status}` is no status"))?;
        let given = serde_json::json!({ "status": status, "json": optional(body)? });
        let (args, result) = (optional(args)?, EffectResult::Ok(given));
        return Ok(Step::Exec { action, args, result });
    }
    for (word, kind) in [("fails", "failed"), ("unreachable", UNREACHABLE)] {
        if let Some((args, why)) = rest.split_once(word) {
            let message = json(why)?;
            let error = serde_json::json!({ "kind": kind, "action": action, "message": message });
            let (args, result) = (optional(args)?, EffectResult::Err(error));
            return Ok(Step::Exec { action, args, result });
        }
    }
    Err(usage.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_read() {
        let says = |name: &str, does: Does| Step::Person {
            name: name.into(),
            network: None,
            account: None,
            shown: None,
            trust: None,
            ago_ms: 0,
            does,
        };
        for (line, want) in [
            ("> ann: !help", says("ann", Does::Says("!help".into()))),
            ("> ann (in thread): a ⏎ b", says("ann", Does::SaysInThread("a\nb".into()))),
            ("> ann reacts 👍", says("ann", Does::Reacts("👍".into()))),
            ("> ann edits: x", says("ann", Does::Edits("x".into()))),
            ("> ann deletes", says("ann", Does::Deletes("ann".into()))),
            ("> eva deletes of ann", says("eva", Does::Deletes("ann".into()))),
            ("< bot (reply): a: b", Step::Bot { form: Form::Reply, text: "a: b".into() }),
            ("< bot*: x", Step::Bot { form: Form::Any, text: "x".into() }),
            ("> ann (unreadable): x", says("ann", Does::SaysUnreadable("x".into()))),
            ("(keys arrive)", Step::KeysArrive),
            ("(reload p)", Step::Reload("p".into())),
            ("(policy p)", Step::Policy("p".into())),
            ("(power ann 50)", Step::Power("ann".into(), 50)),
            (
                "(config roles.ops=@ann)",
                Step::Config { key: "roles.ops".into(), value: "@ann".into() },
            ),
            ("(members 2)", Step::Members(2)),
            ("(advance 15m)", Step::Advance(900_000)),
            (
                "(room #irc network=irc)",
                Step::Room { name: "#irc".into(), network: Some("irc".into()), encrypted: false },
            ),
            (
                "(room #safe encrypted)",
                Step::Room { name: "#safe".into(), network: None, encrypted: true },
            ),
            (
                "> @eva:evil.org [name=ben trust=nothing]: +1",
                Step::Person {
                    name: "@eva:evil.org".into(),
                    network: None,
                    account: None,
                    shown: Some("ben".into()),
                    trust: Some(Trust::Nothing),
                    ago_ms: 0,
                    does: Does::Says("+1".into()),
                },
            ),
            (
                "(exec a.b {\"x\":1} -> true)",
                Step::Exec {
                    action: "a.b".into(),
                    args: Some(json!({"x": 1})),
                    result: EffectResult::Ok(json!(true)),
                },
            ),
        ] {
            assert_eq!(step(line), Ok(want), "{line}");
        }
        for line in [
            "hello",
            "> ann",
            "< ben: hi",
            "(restart",
            "(webhook x {)",
            "(exec a {} -> x)",
            "(config a=b)",
            "> ann [trust=much]: hi",
            "> ann [mood=good]: hi",
            "(config roles.owner=@ann)",
            "(config roles.ops=ann)",
            "(power ann high)",
        ] {
            let error = parse("t", &format!("# a\n{line}")).expect_err(line);
            assert_eq!(error.line, 2, "{line}");
        }
    }
}
