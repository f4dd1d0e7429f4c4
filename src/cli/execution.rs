//! `beadle execution`: asks the running bot, or the log itself when no bot runs.

use serde_json::Value;

use super::ask::ask;
use super::style::{out, plain, time};
use super::{Context, Failure};
use crate::query::command::Request;

/// Most characters of one column.
const SHOWN_CHARS: usize = 120;

/// What to show of executions.
#[derive(Debug, clap::Subcommand)]
pub enum ExecutionCommand {
    /// The newest executions.
    #[command(after_help = "Example: beadle execution list --json")]
    List {
        /// How many.
        #[arg(short = 'n', long = "lines", default_value_t = 20)]
        count: usize,
    },
    /// One execution with its journal.
    #[command(after_help = "Example: beadle execution show 01JD4Z7K")]
    Show {
        /// The beginning of its id.
        id: String,
    },
    /// Stops what runs or waits: its script can undo what it did.
    #[command(
        after_help = "While no bot runs, what its script undoes is done at the next start.\n\n\
                      Example: beadle execution cancel 01JD4Z7K --reason 'wrong host'"
    )]
    Cancel {
        /// The beginning of its id.
        id: String,
        /// Why: its requester is told.
        #[arg(long, default_value = "")]
        reason: String,
        /// It ends where it stands, and nothing is undone.
        #[arg(long)]
        force: bool,
    },
    /// Does once more what a failed or diverged execution was to do, with the scripts of today.
    #[command(
        after_help = "It starts as a new execution, for the same person and in the same room. While no bot runs it is \
                      recorded, and done at the next start.\n\nExample: beadle execution retry 01JD4Z7K"
    )]
    Retry {
        /// The beginning of its id.
        id: String,
        /// Even if nobody knows whether some of it was done.
        #[arg(long)]
        in_doubt_too: bool,
    },
}

/// Shows executions, or orders something about one.
pub fn main(context: &Context, command: &ExecutionCommand) -> Result<u8, Failure> {
    let request = match command {
        ExecutionCommand::List { count } => Request::ExecutionList(*count),
        ExecutionCommand::Show { id } => Request::ExecutionShow(id.clone()),
        ExecutionCommand::Cancel { id, reason, force } => {
            let (execution, reason, force) = (id.clone(), reason.clone(), *force);
            Request::ExecutionCancel { execution, reason, force }
        }
        ExecutionCommand::Retry { id, in_doubt_too } => {
            let (execution, in_doubt_too) = (id.clone(), *in_doubt_too);
            Request::ExecutionRetry { execution, in_doubt_too }
        }
    };
    ask(context, &request, &mut |row| {
        match (context.json(), command) {
            (true, _) => out!("{row}"),
            (false, ExecutionCommand::List { .. }) => {
                let text = |name: &str| plain(row[name].as_str().unwrap_or(""), SHOWN_CHARS);
                let began = time(row["began_ms"].as_i64().unwrap_or(0));
                let id: String = text("execution").chars().take(8).collect();
                out!(
                    "{id} {began} {:<9} {:<24} {} in {}",
                    text("status"),
                    text("command"),
                    text("by"),
                    text("room")
                );
            }
            (false, ExecutionCommand::Show { .. }) => {
                out!("{}", serde_json::to_string_pretty(&row).unwrap_or_default());
            }
            (false, ExecutionCommand::Cancel { .. } | ExecutionCommand::Retry { .. }) => {
                out!("{}", outcome(&row))
            }
        }
        Ok(())
    })?;
    Ok(0)
}

/// What came of an order, in words.
fn outcome(row: &Value) -> String {
    let text = |name: &str| plain(row[name].as_str().unwrap_or(""), SHOWN_CHARS);
    let id: String = text("execution").chars().take(8).collect();
    match row["state"].as_str() {
        Some("recorded") => {
            format!("{}: recorded, and done as soon as the bot runs", text("order"))
        }
        Some("started") => format!("{}: execution {id}", text("order")),
        _ => format!("{}: {}", text("order"), text("reason")),
    }
}
