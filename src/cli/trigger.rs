//! `beadle trigger`: lets something happen by hand.

use serde_json::{Map, Value};

use super::ask::ask;
use super::style::{out, plain};
use super::{Context, Failure};
use crate::domain::named::bad_name;
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// What to do with triggers.
#[derive(Debug, clap::Subcommand)]
pub enum TriggerCommand {
    /// Lets a named trigger happen, as if it had come from outside: rules run, and executions that wait for it go on.
    #[command(
        after_help = "Example: beadle trigger emit webhook.nagios '{\"type\": \"PROBLEM\", \"host\": \"web1\"}'"
    )]
    Emit {
        /// Its name.
        name: String,
        /// Its fields, as a JSON object.
        #[arg(default_value = "{}")]
        fields: String,
    },
}

/// Does it.
///
/// # Errors
/// [`Failure`] if the name or the fields are wrong, if there is no log, or it may not be done.
pub fn main(context: &Context, command: &TriggerCommand) -> Result<u8, Failure> {
    let TriggerCommand::Emit { name, fields } = command;
    if let Some(why) = bad_name(name) {
        return Err(Failure::new(2, why));
    }
    let fields: Map<String, Value> = serde_json::from_str(fields).map_err(|why| {
        Failure::new(2, format!("the fields are no JSON object: {why}"))
            .hint("write for example '{\"host\": \"web1\"}'")
    })?;
    ask(context, &Request::Emit { name: name.clone(), fields }, &mut |row| {
        match context.json() {
            true => out!("{row}"),
            false => out!("{}", plain(row["reason"].as_str().unwrap_or_default(), SHOWN_CHARS)),
        }
        Ok(())
    })?;
    Ok(0)
}
