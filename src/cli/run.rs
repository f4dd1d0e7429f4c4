//! `beadle run`: the bot on Matrix.

use std::io::Write;

use super::{Context, Failure};
use crate::config::{Config, Listen};
use crate::script::problem::Problem;

/// How to run.
#[derive(Debug, Default, clap::Args)]
pub struct RunArgs {
    /// Where to listen for webhooks: an address with a port, or `none`; without it `[web] listen` says so.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

/// The configuration with the address of the command line, which comes first.
///
/// # Errors
/// [`Failure`] if it is none.
pub fn listening(config: Config, given: Option<&str>) -> Result<Config, Failure> {
    let Some(given) = given else { return Ok(config) };
    let listen = Listen::read(given).map_err(|why| {
        Failure::new(2, format!("--listen: {why}")).hint("such as 127.0.0.1:8480")
    })?;
    let web = crate::config::Web { listen, ..config.web };
    Ok(Config { web, ..config })
}

/// Runs until SIGTERM or Ctrl-C; SIGHUP reloads configuration and scripts.
pub fn main(context: &Context, args: &RunArgs) -> Result<u8, Failure> {
    let given = args.listen.as_deref();
    let config = listening(context.config.clone(), given)?;
    for (role, entry, why) in config.roles.doubtful() {
        tracing::warn!(
            role,
            entry,
            why,
            "a role is doubtful: name accounts, or those of one server"
        );
    }
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
    let load = || {
        let read = context.read_config()?;
        Ok(listening(read, given).expect("the address was read at the start"))
    };
    let ended = runtime.block_on(crate::app::run(&config, &paths, &load, ready));
    // A long answer to the command line must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended?;
    Ok(0)
}
