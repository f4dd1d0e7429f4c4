//! `beadle rule`: the rules of the scripts, why one is not for a trigger, and switching them off and on.

use serde_json::Value;

use super::ask::ask;
use super::style::{out, plain};
use super::switch::{self, OffArgs, OnArgs};
use super::{Context, Failure};
use crate::domain::switch::Automation;
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// What to do with rules.
#[derive(Debug, clap::Subcommand)]
pub enum RuleCommand {
    /// Lists the rules: what each listens to, where it speaks, what it runs, when it ran last, on or off.
    #[command(after_help = "Example: beadle rule list nagios")]
    List {
        /// Only those that these words are about: a part of a name, of a trigger, of a room or of a file.
        words: Vec<String>,
    },
    /// Says criterion by criterion why a rule is or is not for a trigger of the log.
    #[command(after_help = "Example: beadle rule why 4711 'nagios to ops'")]
    Why {
        /// The trigger: the position of its event, or its stream.
        trigger: String,
        /// The rule.
        rule: String,
    },
    /// Switches a rule off, for a while or until it is switched on.
    #[command(
        after_help = "Example: beadle rule off 'nagios to ops' --for 2h --reason 'we are moving'"
    )]
    Off(OffArgs),
    /// Switches it on again.
    #[command(after_help = "Example: beadle rule on 'nagios to ops'")]
    On(OnArgs),
}

/// Does it.
///
/// # Errors
/// [`Failure`] if there is no log, no such rule or trigger, or it may not be done.
pub fn main(context: &Context, command: &RuleCommand) -> Result<u8, Failure> {
    match command {
        RuleCommand::List { words } => list(context, &words.join(" ").to_lowercase()),
        RuleCommand::Why { trigger, rule } => why(context, trigger, rule),
        RuleCommand::Off(args) => switch::off(context, Automation::Rule, args),
        RuleCommand::On(args) => switch::on(context, Automation::Rule, args),
    }
}

fn list(context: &Context, words: &str) -> Result<u8, Failure> {
    ask(context, &Request::Catalog, &mut |row| {
        let line = row["line"].as_str().unwrap_or_default();
        if row["listed"]["kind"] != "rule" || !line.to_lowercase().contains(words) {
            return Ok(());
        }
        match context.json() {
            true => out!("{}", row["listed"]),
            false => out!("{}", plain(line, SHOWN_CHARS)),
        }
        Ok(())
    })?;
    Ok(0)
}

fn why(context: &Context, trigger: &str, rule: &str) -> Result<u8, Failure> {
    let request = Request::RuleWhy { trigger: trigger.to_owned(), rule: rule.to_owned() };
    ask(context, &request, &mut |row| {
        if context.json() {
            out!("{row}");
            return Ok(());
        }
        let text = |value: &Value| plain(value.as_str().unwrap_or_default(), SHOWN_CHARS);
        for criterion in row["criteria"].as_array().into_iter().flatten() {
            let mark = if criterion["holds"] == true { "yes" } else { "no " };
            out!("{mark}  {}", text(&criterion["said"]));
        }
        for outcome in row["recorded"].as_array().into_iter().flatten() {
            out!("then: {}", text(outcome));
        }
        Ok(())
    })?;
    Ok(0)
}
