//! What `beadle rule`, `schedule`, `hook` and `sensor` have in common: `off` and `on`, ordered of the running bot.

use super::ask::ask;
use super::style::{out, plain};
use super::{Context, Failure};
use crate::domain::alias::parse_duration;
use crate::domain::switch::Automation;
use crate::domain::switch_command::SwitchCommand;
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// What to switch off.
#[derive(Debug, Clone, clap::Args)]
pub struct OffArgs {
    /// Its name.
    name: String,
    /// For how long, `2h`; without it until somebody switches it on.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<String>,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// What to switch on.
#[derive(Debug, Clone, clap::Args)]
pub struct OnArgs {
    /// Its name.
    name: String,
}

/// Switches something off.
///
/// # Errors
/// [`Failure`] if the time is none, or it is refused.
pub fn off(context: &Context, kind: Automation, args: &OffArgs) -> Result<u8, Failure> {
    let time = args.time.as_deref().map(parse_duration).transpose();
    let for_ms = time.map_err(|why| Failure::new(2, why))?;
    let (name, reason) = (args.name.clone(), args.reason.clone());
    order(context, SwitchCommand { kind, name, on: false, for_ms, reason })
}

/// Switches something on.
///
/// # Errors
/// [`Failure`] if it is refused.
pub fn on(context: &Context, kind: Automation, args: &OnArgs) -> Result<u8, Failure> {
    let name = args.name.clone();
    order(context, SwitchCommand { kind, name, on: true, for_ms: None, reason: String::new() })
}

fn order(context: &Context, command: SwitchCommand) -> Result<u8, Failure> {
    if let Some(why) = command.refusal() {
        return Err(Failure::new(2, why));
    }
    ask(context, &Request::Switch(command), &mut |row| {
        match context.json() {
            true => out!("{row}"),
            false => out!("{}", plain(row["reason"].as_str().unwrap_or("recorded"), SHOWN_CHARS)),
        }
        Ok(())
    })?;
    Ok(0)
}
