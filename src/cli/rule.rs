//! `beadle rule`: the rules of the scripts, why one is not for a trigger, and switching them off and on.

use serde_json::Value;

use super::ask::ask;
use super::style::{out, plain};
use super::{Context, Failure};
use crate::domain::alias::parse_duration;
use crate::domain::switch::Automation;
use crate::domain::switch_command::SwitchCommand;
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
    /// Switches a rule off; it is recorded who did it and why.
    #[command(
        after_help = "Example: beadle rule off 'nagios to ops' --for 2h --because 'we are moving'"
    )]
    Off {
        /// Its name.
        name: String,
        /// What it is: rule, schedule, hook or sensor.
        #[arg(long, value_name = "KIND", default_value = "rule", value_parser = kind)]
        kind: Automation,
        /// For how long; without it until somebody switches it on.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        time: Option<i64>,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        because: String,
    },
    /// Switches it on again.
    #[command(after_help = "Example: beadle rule on 'nagios to ops'")]
    On {
        /// Its name.
        name: String,
        /// What it is: rule, schedule, hook or sensor.
        #[arg(long, value_name = "KIND", default_value = "rule", value_parser = kind)]
        kind: Automation,
    },
}

fn kind(word: &str) -> Result<Automation, String> {
    Automation::of(word).ok_or_else(|| "it is rule, schedule, hook or sensor".to_owned())
}

/// Does it.
///
/// # Errors
/// [`Failure`] if there is no log, no such rule or trigger, or it may not be done.
pub fn main(context: &Context, command: &RuleCommand) -> Result<u8, Failure> {
    match command {
        RuleCommand::List { words } => list(context, &words.join(" ").to_lowercase()),
        RuleCommand::Why { trigger, rule } => why(context, trigger, rule),
        RuleCommand::Off { name, kind, time, because } => {
            let (name, reason, for_ms) = (name.clone(), because.clone(), *time);
            switch(context, SwitchCommand { kind: *kind, name, on: false, for_ms, reason })
        }
        RuleCommand::On { name, kind } => {
            let (name, reason) = (name.clone(), String::new());
            switch(context, SwitchCommand { kind: *kind, name, on: true, for_ms: None, reason })
        }
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

fn switch(context: &Context, command: SwitchCommand) -> Result<u8, Failure> {
    ask(context, &Request::Switch(command), &mut |row| {
        match context.json() {
            true => out!("{row}"),
            false => out!("{}", plain(row["reason"].as_str().unwrap_or_default(), SHOWN_CHARS)),
        }
        Ok(())
    })?;
    Ok(0)
}
