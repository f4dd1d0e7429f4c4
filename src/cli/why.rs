//! `beadle why`: what led to a message, an execution or an event, as a tree.

use super::ask::ask;
use super::style::{out, plain};
use super::{Context, Failure};
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// What is asked about.
#[derive(Debug, clap::Args)]
#[command(after_help = "The same tree as `!why` in a room, whole.\n\nExample: beadle why 4F7K2Q9A")]
pub struct WhyArgs {
    /// An execution by the beginning of its id, an event by its id or position, a trigger or a message by its stream.
    id: String,
}

/// Shows it.
///
/// # Errors
/// [`Failure`] if there is no such thing or no log.
pub fn main(context: &Context, args: &WhyArgs) -> Result<u8, Failure> {
    ask(context, &Request::Why(args.id.clone()), &mut |row| {
        if context.json() {
            out!("{}", row["why"]);
            return Ok(());
        }
        for line in row["lines"].as_array().into_iter().flatten() {
            out!("{}", plain(line.as_str().unwrap_or(""), SHOWN_CHARS));
        }
        Ok(())
    })?;
    Ok(0)
}
