//! `beadle log trim --dry-run`: what of the log is over.

use serde_json::Value;

use super::ask::rows;
use super::style::out;
use super::{Context, Failure};
use crate::domain::alias::parse_duration;
use crate::query::command::Request;

/// How long events are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: beadle log trim --dry-run --keep '365 days'")]
pub struct TrimArgs {
    /// How long events are to be kept: `365 days`, `26w`.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    keep: i64,
    /// Only says so: nothing is dropped.
    #[arg(long)]
    dry_run: bool,
}

/// Says which files could go.
pub fn main(context: &Context, args: &TrimArgs) -> Result<u8, Failure> {
    if !args.dry_run {
        let what = "this version drops nothing of a log";
        return Err(Failure::new(2, what).hint("--dry-run says what is over"));
    }
    let now = crate::app::surroundings().clock.now();
    let request = Request::LogTrim { before: now.plus_ms(args.keep.saturating_neg()) };
    for row in rows(context, &request)? {
        match context.json() {
            true => out!("{row}"),
            false => show(&row),
        }
    }
    Ok(0)
}

fn show(row: &Value) {
    let mib = |name: &str| row[name].as_u64().unwrap_or(0) / 1024 / 1024;
    out!(
        "{} of {} full files are over: {} events, {} of {} MiB. Nothing was dropped.",
        row["over_files"],
        row["files"],
        row["over_events"],
        mib("over_bytes"),
        mib("bytes")
    );
    if let Some(why) = row["held"].as_str() {
        out!("the next file stays: {why}");
    }
}
