//! `beadle run`: the bot on Matrix.

use std::io::Write;

use super::{Context, Failure};
use crate::script::problem::Problem;

/// Runs until SIGTERM or Ctrl-C; SIGHUP reloads configuration and scripts.
pub fn main(context: &Context) -> Result<u8, Failure> {
    let paths = context.paths()?;
    let ready = |user: &str, problems: &[Problem]| {
        for problem in problems {
            tracing::error!("a script is left out\n{problem}");
        }
        let mut out = std::io::stdout().lock();
        // Whoever started us may not be reading; that is no reason to stop.
        let _ = writeln!(out, "ready: {user} is listening").and_then(|()| out.flush());
    };
    let runtime = context.runtime()?;
    let load = || context.read_config();
    let ended = runtime.block_on(crate::app::run(&context.config, &paths, &load, ready));
    // A long answer to the command line must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended?;
    Ok(0)
}
