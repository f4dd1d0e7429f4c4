//! `beadle rule`: switches rules off and on.

use super::switch::{self, OffArgs, OnArgs};
use super::{Context, Failure};
use crate::domain::switch::Automation;

/// What to do with a rule.
#[derive(Debug, clap::Subcommand)]
pub enum RuleCommand {
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
/// [`Failure`] if it is refused.
pub fn main(context: &Context, command: &RuleCommand) -> Result<u8, Failure> {
    match command {
        RuleCommand::Off(args) => switch::off(context, Automation::Rule, args),
        RuleCommand::On(args) => switch::on(context, Automation::Rule, args),
    }
}
