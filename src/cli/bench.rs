//! `beadle bench`: figures with units in their names, each beside a baseline of the same run.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::style::out;
use super::{Context, Failure};
use crate::app::surroundings;
use crate::store::bench::{AppendRow, SustainRow, bench_append, bench_sustain};

mod accounts;
mod child;
mod history;
mod matching;
mod meter;
mod ping;
mod query;
mod replay;
mod rules;

/// How many events are appended where nothing else is said.
const SUSTAIN_EVENTS: usize = 1_000_000;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub enum BenchCommand {
    /// Appending events durably, against writing and syncing a bare file.
    #[command(after_help = "Example: beadle bench append --on /var/lib/beadle")]
    Append {
        /// A directory on the disk to measure; else a temporary one.
        #[arg(long, value_name = "DIR")]
        on: Option<PathBuf>,
    },
    /// Appending for as long as it takes until the event store has everything, against the event store alone.
    #[command(after_help = "Example: beadle bench sustain --events 100000")]
    Sustain {
        /// A directory on the disk to measure; else a temporary one.
        #[arg(long, value_name = "DIR")]
        on: Option<PathBuf>,
        /// How many events.
        #[arg(long, value_name = "N", default_value_t = SUSTAIN_EVENTS)]
        events: usize,
    },
    /// Finding the alias for a message and its arguments, among 10 to 10,000.
    #[command(after_help = "Example: beadle bench match")]
    Match,
    /// Answering a person on a homeserver, against two plain clients that do nothing else.
    Ping(ping::PingArgs),
    /// Asking a log of a million events: a person, a story, a text; one JSON object a line.
    Query(query::QueryBenchArgs),
    /// Scripts that wait: replaying their journals, a long life, and many at once; one JSON object a line.
    Replay(replay::ReplayArgs),
    /// Finding the rules for an event by what they want of its fields, among 10 to 10,000.
    Rules(rules::RulesArgs),
}

/// Measures.
pub fn main(context: &Context, command: &BenchCommand) -> Result<u8, Failure> {
    match command {
        BenchCommand::Append { on } => append(context, on.as_deref())?,
        BenchCommand::Sustain { on, events } => sustain(context, on.as_deref(), *events)?,
        BenchCommand::Match => return matching::main(context),
        BenchCommand::Ping(args) => ping::main(context, args)?,
        BenchCommand::Query(args) => query::main(context, args)?,
        BenchCommand::Replay(args) => replay::main(context, args)?,
        BenchCommand::Rules(args) => return rules::main(context, args),
    }
    Ok(0)
}

/// A place to measure in: on the disk that is to be measured, and gone afterwards.
fn place(on: Option<&Path>) -> Result<TempDir, Failure> {
    Ok(match on {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    })
}

fn append(context: &Context, on: Option<&Path>) -> Result<(), Failure> {
    let (dir, json) = (place(on)?, context.json());
    if !json {
        out!(
            "{:>9}  {:7}  {:>10}  {:>8}  {:>8}  {:>6}",
            "appenders",
            "",
            "events/s",
            "p50 ms",
            "p99 ms",
            "of raw"
        );
    }
    let show = |row: AppendRow| match json {
        true => out!("{}", json!(row)),
        false => out!(
            "{:>9}  {:7}  {:>10.0}  {:>8.3}  {:>8.3}  {:>6.2}",
            row.appenders,
            row.engine,
            row.events_per_s,
            row.p50_ms,
            row.p99_ms,
            row.ratio_to_raw
        ),
    };
    bench_append(dir.path(), &surroundings(), show).map_err(|why| Failure::new(1, why))
}

fn sustain(context: &Context, on: Option<&Path>, events: usize) -> Result<(), Failure> {
    let (dir, json) = (place(on)?, context.json());
    if !json {
        out!(
            "{:7}  {:>9}  {:>10}  {:>7}  {:>10}  {:>9}  {:>11}  {:>7}",
            "",
            "events",
            "events/s",
            "of sled",
            "lag events",
            "lag MiB",
            "disk B/event",
            "rss MiB"
        );
    }
    let show = |row: SustainRow| match json {
        true => out!("{}", json!(row)),
        false => out!(
            "{:7}  {:>9}  {:>10.0}  {:>7.2}  {:>10}  {:>9.1}  {:>11.0}  {:>7.0}",
            row.engine,
            row.events,
            row.events_per_s,
            row.ratio_to_sled,
            row.lag_events_max,
            row.lag_bytes_max as f64 / (1024.0 * 1024.0),
            row.disk_bytes_per_event,
            row.rss_mib
        ),
    };
    let done = bench_sustain(dir.path(), events, &surroundings(), show);
    done.map_err(|why| Failure::new(1, why))
}
