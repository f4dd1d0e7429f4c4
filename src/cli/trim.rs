//! `beadle log trim`: drops what of the log is over, or says what that is.

use serde_json::Value;

use super::ask::rows;
use super::style::out;
use super::{Context, Failure};
use crate::app::trim::KEEP_MIN;
use crate::domain::alias::parse_duration;
use crate::query::command::Request;

/// How long events are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: beadle log trim --dry-run --keep '365 days'")]
pub struct TrimArgs {
    /// How long events are to be kept: `365 days`, `26w`; without it, what `keep` under [log] says.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    keep: Option<i64>,
    /// Only says what would be dropped.
    #[arg(long)]
    dry_run: bool,
}

/// Drops the files that may go, or says which could.
pub fn main(context: &Context, args: &TrimArgs) -> Result<u8, Failure> {
    let configured = context.config.keep.and_then(|keep| i64::try_from(keep.as_millis()).ok());
    let Some(keep) = args.keep.or(configured) else {
        let what = "nothing says how long events are to be kept";
        return Err(Failure::new(2, what).hint("name it: --keep '365 days'"));
    };
    if keep < i64::try_from(KEEP_MIN.as_millis()).unwrap_or(i64::MAX) {
        return Err(Failure::new(2, "at least a day of the log is kept").hint("--keep '1 day'"));
    }
    let now = crate::app::surroundings().clock.now();
    let before = now.plus_ms(keep.saturating_neg());
    let request = match args.dry_run {
        true => Request::LogTrim { before },
        false => Request::LogDrop { before },
    };
    for row in rows(context, &request)? {
        match context.json() {
            true => out!("{row}"),
            false if args.dry_run => show(&row),
            false => done(&row),
        }
    }
    Ok(0)
}

fn mib(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or(0) / 1024 / 1024
}

fn show(row: &Value) {
    out!(
        "{} of {} full files are over: {} events, {} of {} MiB. Nothing was dropped.",
        row["over_files"],
        row["files"],
        row["over_events"],
        mib(row, "over_bytes"),
        mib(row, "bytes")
    );
    held(row);
}

fn done(row: &Value) {
    let (files, events) = (&row["dropped_files"], &row["dropped_events"]);
    out!("{files} files were dropped: {events} events, {} MiB.", mib(row, "dropped_bytes"));
    held(row);
}

fn held(row: &Value) {
    if let Some(why) = row["held"].as_str() {
        out!("the next file stays: {why}");
    }
}
