//! `beadle log` and `beadle execution`: ask the running bot, or the log itself when no bot runs.

use serde_json::Value;

use super::style::{out, plain, time};
use super::{Context, Failure};
use crate::control;
use crate::query::command::{Refusal, Request, answer};
use crate::store::OpenError;

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
    /// One event, by position or by `stream/version`.
    #[command(after_help = "Example: beadle log show 42")]
    Show {
        /// A position, or `stream/version`.
        event: String,
    },
    /// Checks every event: checksums, versions without gaps, commitments, event store = journal.
    #[command(after_help = "Example: beadle log verify")]
    Verify,
}

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
}

/// Asks the running bot, or opens the log.
fn ask(context: &Context, request: &Request) -> Result<Vec<Value>, Failure> {
    let data = context.data()?;
    let mut rows = vec![];
    let missing = !data.join("log").is_dir();
    if missing {
        let what = format!("there is no log in {}", data.display());
        return Err(Failure::new(1, what).hint("name the data directory with --data"));
    }
    let mut emit = |row| rows.push(row);
    let answered = match control::ask(&data, request, &mut emit)? {
        Some(answered) => answered,
        None if matches!(request, Request::LogVerify) => {
            // Read as it is: opening the log would already replay and cut.
            let verified = crate::store::verify::verify(&data, &crate::app::surroundings())?;
            emit(crate::query::command::report(&verified));
            Ok(())
        }
        None => {
            let (store, opened) = crate::app::open_log(&data).map_err(|error| match error {
                OpenError::Locked { .. } => Failure::new(1, &error)
                    .hint("the process that has it does not answer: `beadle chat` has no socket"),
                error => error.into(),
            })?;
            crate::app::told(&opened);
            answer(&store, request, &mut emit)
        }
    };
    match answered {
        Ok(()) => Ok(rows),
        Err(Refusal::NotFound(what)) => Err(Failure::new(1, what)),
        Err(Refusal::Damaged(what)) => Err(Failure::new(4, what)),
        Err(Refusal::Unreadable(what)) => Err(Failure::new(1, what)),
    }
}

/// Shows events.
pub fn main(context: &Context, command: &LogCommand) -> Result<u8, Failure> {
    let request = match command {
        LogCommand::Tail { count } => Request::LogTail(*count),
        LogCommand::Show { event } => Request::LogShow(event.clone()),
        LogCommand::Verify => Request::LogVerify,
    };
    let rows = ask(context, &request)?;
    match command {
        LogCommand::Verify => verified(context, &rows),
        _ if context.json() => {
            rows.iter().for_each(|row| out!("{row}"));
            Ok(0)
        }
        LogCommand::Tail { .. } => {
            rows.iter().for_each(|row| out!("{}", event_line(row)));
            Ok(0)
        }
        LogCommand::Show { .. } => {
            for row in &rows {
                out!("{}", serde_json::to_string_pretty(row).unwrap_or_default());
            }
            Ok(0)
        }
    }
}

fn event_line(row: &Value) -> String {
    let payload = match row["payload_state"].as_str() {
        Some("erased") => "(erased)".to_owned(),
        _ => row["payload"].to_string(),
    };
    let payload = plain(&payload, SHOWN_CHARS);
    let when = time(row["ts_ms"].as_i64().unwrap_or(0));
    let (kind, id) = (row["type"].as_str().unwrap_or(""), row["id"].as_str().unwrap_or(""));
    format!("{:>8} {when} {kind:<20} {id}\n         {payload}", row["position"].to_string())
}

fn verified(context: &Context, rows: &[Value]) -> Result<u8, Failure> {
    let row = rows.first().cloned().unwrap_or_default();
    let findings = row["findings"].as_array().cloned().unwrap_or_default();
    if context.json() {
        out!("{row}");
    } else {
        for finding in &findings {
            out!(
                "{}: {}",
                finding["place"].as_str().unwrap_or(""),
                finding["what"].as_str().unwrap_or("")
            );
        }
        out!(
            "{} events in {} segments, {} findings",
            row["events"],
            row["segments"],
            findings.len()
        );
    }
    match findings.len() {
        0 => Ok(0),
        count => Err(Failure::new(4, format!("the log is damaged: {count} findings"))
            .hint("nothing was changed; keep a copy of the data directory and restore a backup")),
    }
}

/// Most characters of one column.
const SHOWN_CHARS: usize = 120;

/// Shows executions.
pub fn executions(context: &Context, command: &ExecutionCommand) -> Result<u8, Failure> {
    let request = match command {
        ExecutionCommand::List { count } => Request::ExecutionList(*count),
        ExecutionCommand::Show { id } => Request::ExecutionShow(id.clone()),
    };
    for row in ask(context, &request)? {
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
        }
    }
    Ok(0)
}
