//! `beadle catalog`: everything that the bot offers, where it is written, who may use it, when it was used last, on or off.

use super::ask::ask;
use super::style::{out, plain};
use super::{Context, Failure};
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// Lists it.
///
/// # Errors
/// [`Failure`] if there is no log.
pub fn main(context: &Context) -> Result<u8, Failure> {
    ask(context, &Request::Catalog, &mut |row| {
        match context.json() {
            true => out!("{}", row["listed"]),
            false => out!(
                "{:<7} {}",
                row["listed"]["kind"].as_str().unwrap_or(""),
                plain(row["line"].as_str().unwrap_or(""), SHOWN_CHARS)
            ),
        }
        Ok(())
    })?;
    Ok(0)
}
