//! `beadle log`: asks the running bot, or the log itself when no bot runs.

use serde_json::Value;

use super::ask::rows;
use super::backup::{self, BackupArgs, ExportArgs, RestoreArgs};
use super::proof::{self, ProveArgs, VerifyArgs};
use super::query;
use super::style::{out, plain, time};
use super::trim::{self, TrimArgs};
use super::{Context, Failure, erase};
use crate::query::command::Request;

/// What to show of the log.
#[derive(Debug, clap::Subcommand)]
pub enum LogCommand {
    /// The last events.
    #[command(after_help = "Example: beadle log tail -n 50")]
    Tail {
        /// How many.
        #[arg(short = 'n', long = "lines", default_value_t = 20)]
        count: usize,
    },
    /// One event, by position or by `stream/version`; or the whole story of an execution or a trigger.
    #[command(after_help = "Example: beadle log show 4F7K2Q9A")]
    Show {
        /// A position, `stream/version`, the beginning of an execution's id, or a trigger's stream.
        event: String,
    },
    /// Checks every event: checksums, versions without gaps, commitments, event store = journal, and the signed history.
    #[command(
        after_help = "Example: beadle log verify --against '#audit:example.org'\n         beadle log verify --export log.jsonl --against room.txt\n         beadle log verify --proof event.json --key beadle/65a6…"
    )]
    Verify(VerifyArgs),
    /// The signed head of the log as it is, and the key that verifies it.
    #[command(after_help = "Example: beadle log head")]
    Head,
    /// Makes a file that proves one event to whoever has the key or a head.
    #[command(after_help = "Example: beadle log prove 42 --out event.json")]
    Prove(ProveArgs),
    /// Finds events: all filters that are given have to hold.
    #[command(
        after_help = "Example: beadle log query --who ann --since yesterday --text 'disk full'"
    )]
    Query(query::QueryArgs),
    /// Who ran what how often, what failed, what took longest, what was refused.
    #[command(after_help = "Example: beadle log report --by alias --since 'last month'")]
    Report(query::ReportArgs),
    /// What the log is made of, and what it takes on the disk.
    #[command(after_help = "Example: beadle log stats")]
    Stats,
    /// Makes payloads unreadable for good: their keys are overwritten, and the log says who did it, when and why.
    #[command(
        after_help = "Open executions, unsent messages and undecided triggers are ended first. `--older-than` leaves \
                      alone what is not over, remembered values that are still current, and the last word on every \
                      room.\n\nExample: beadle log erase --person @ann:example.org --reason \"she asked for it\" --dry-run"
    )]
    Erase(erase::EraseArgs),
    /// Copies the log to another place while it is in use, and checks the copy.
    Backup(BackupArgs),
    /// Puts a backup into a data directory.
    Restore(RestoreArgs),
    /// Writes the whole log out.
    Export(ExportArgs),
    /// Says which files of the journal hold only what is over, and what holds the next one back.
    Trim(TrimArgs),
}

/// Shows events.
pub fn main(context: &Context, command: &LogCommand) -> Result<u8, Failure> {
    let request = match command {
        LogCommand::Query(args) => return query::query(context, args),
        LogCommand::Report(args) => return query::report(context, args),
        LogCommand::Stats => return query::stats(context),
        LogCommand::Tail { count } => Request::LogTail(*count),
        LogCommand::Show { event } => Request::LogShow(event.clone()),
        LogCommand::Verify(args) => return proof::verify(context, args),
        LogCommand::Head => return proof::head(context),
        LogCommand::Prove(args) => return proof::prove(context, args),
        LogCommand::Erase(args) => return erase::main(context, args),
        LogCommand::Backup(args) => return backup::make(context, args),
        LogCommand::Restore(args) => return backup::bring_back(context, args),
        LogCommand::Export(args) => return backup::export(context, args),
        LogCommand::Trim(args) => return trim::main(context, args),
    };
    let rows = rows(context, &request)?;
    match command {
        _ if context.json() => {
            rows.iter().for_each(|row| out!("{row}"));
            Ok(0)
        }
        LogCommand::Tail { .. } => {
            rows.iter().for_each(|row| out!("{}", event_line(row)));
            Ok(0)
        }
        LogCommand::Show { event } => {
            let one = event.contains('/') || event.bytes().all(|byte| byte.is_ascii_digit());
            for row in &rows {
                match one {
                    true => out!("{}", serde_json::to_string_pretty(row).unwrap_or_default()),
                    false => query::show(context, row, &query::here()),
                }
            }
            Ok(0)
        }
        // These have answered already.
        LogCommand::Erase(_) => Ok(0),
        LogCommand::Backup(_) | LogCommand::Restore(_) | LogCommand::Export(_) => Ok(0),
        LogCommand::Trim(_) => Ok(0),
        LogCommand::Query(_) | LogCommand::Report(_) | LogCommand::Stats => Ok(0),
        LogCommand::Verify(_) | LogCommand::Head | LogCommand::Prove(_) => Ok(0),
    }
}

fn event_line(row: &Value) -> String {
    let payload = match row["payload_state"].as_str() {
        Some("erased") => row["erased"]["text"].as_str().unwrap_or("erased").to_owned(),
        _ => row["payload"].to_string(),
    };
    let payload = plain(&payload, SHOWN_CHARS);
    let when = time(row["ts_ms"].as_i64().unwrap_or(0));
    let (kind, id) = (row["type"].as_str().unwrap_or(""), row["id"].as_str().unwrap_or(""));
    format!("{:>8} {when} {kind:<20} {id}\n         {payload}", row["position"].to_string())
}

/// Most characters of one column.
const SHOWN_CHARS: usize = 120;
