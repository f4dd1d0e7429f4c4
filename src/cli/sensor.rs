//! `beadle sensor`: what watches for the bot, and how it does.

use serde_json::Value;

use super::ask::ask;
use super::style::{out, plain};
use super::switch::{self, OffArgs, OnArgs};
use super::{Context, Failure};
use crate::domain::switch::Automation;
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub enum SensorCommand {
    /// Lists the sensors of the scripts: whether each runs, how many lines it has brought, where it goes on.
    #[command(after_help = "Example: beadle sensor list --json")]
    List,
    /// Switches it off, for a while or until it is switched on.
    #[command(after_help = "Example: beadle sensor off disk --for 2h")]
    Off(OffArgs),
    /// Switches it on again.
    #[command(after_help = "Example: beadle sensor on disk")]
    On(OnArgs),
}

/// Shows it.
///
/// # Errors
/// [`Failure`] if there is no log.
pub fn main(context: &Context, command: &SensorCommand) -> Result<u8, Failure> {
    match command {
        SensorCommand::List => list(context),
        SensorCommand::Off(args) => switch::off(context, Automation::Sensor, args),
        SensorCommand::On(args) => switch::on(context, Automation::Sensor, args),
    }
}

fn list(context: &Context) -> Result<u8, Failure> {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default(), SHOWN_CHARS);
    ask(context, &Request::SensorList, &mut |row| {
        if context.json() {
            out!("{row}");
            return Ok(());
        }
        let place = format!("{}:{}", text(&row["file"]), row["line"]);
        out!("{:<24} {} ({place})", text(&row["sensor"]), text(&row["what"]));
        let why = match row["why"].as_str() {
            None => String::new(),
            Some(_) => format!(": {}", text(&row["why"])),
        };
        out!("  {}{why}; {} lines, {} bad", text(&row["state"]), row["lines"], row["bad"]);
        Ok(())
    })?;
    Ok(0)
}
