//! `beadle bench`: figures with units in their names, each beside a baseline of the same run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::style::out;
use super::{Context, Failure};
use crate::app::surroundings;
use crate::domain::alias::Format;
use crate::domain::alias_index::{AliasId, AliasIndex, Found};
use crate::store::bench::bench_append;

mod accounts;
mod child;
mod history;
mod meter;
mod ping;
mod query;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub enum BenchCommand {
    /// Appending events durably, against writing and syncing a bare file; one JSON object a line.
    #[command(after_help = "Example: beadle bench append --on /var/lib/beadle")]
    Append {
        /// A directory on the disk to measure; else a temporary one.
        #[arg(long, value_name = "DIR")]
        on: Option<PathBuf>,
    },
    /// Finding the alias for a message, among 10 to 10,000; one JSON object a line.
    #[command(after_help = "Example: beadle bench match")]
    Match,
    /// Answering a person on a homeserver, against two plain clients that do nothing else.
    Ping(ping::PingArgs),
    /// Asking a log of a million events: a person, a story, a text; one JSON object a line.
    Query(query::QueryBenchArgs),
}

/// Measures.
pub fn main(context: &Context, command: &BenchCommand) -> Result<u8, Failure> {
    match command {
        BenchCommand::Append { on } => append(on.as_deref())?,
        BenchCommand::Match => lookup(),
        BenchCommand::Ping(args) => ping::main(context, args)?,
        BenchCommand::Query(args) => query::main(context, args)?,
    }
    Ok(0)
}

fn append(on: Option<&Path>) -> Result<(), Failure> {
    const EVENT_BYTES: usize = 300;
    for (appenders, events) in [(1, 500), (8, 4_000), (64, 20_000), (512, 40_000)] {
        let temporary = match on {
            Some(dir) => tempfile::tempdir_in(dir)?,
            None => tempfile::tempdir()?,
        };
        let figures =
            bench_append(temporary.path(), appenders, events, EVENT_BYTES, surroundings());
        let figures = figures.map_err(|why| Failure::new(1, why))?;
        out!(
            "{}",
            json!({
                "bench": "append", "appenders": appenders, "events": events, "event_bytes": EVENT_BYTES,
                "events_per_s": figures.events_per_s, "p50_ms": figures.p50_ms, "p99_ms": figures.p99_ms,
                "raw_events_per_s": figures.raw_events_per_s, "of_raw": figures.ratio,
            })
        );
    }
    Ok(())
}

fn lookup() {
    const ROUNDS: u32 = 2_000;
    let mut first = BTreeMap::new();
    for aliases in [10_usize, 100, 1_000, 10_000] {
        let format = |n: usize| {
            Format::parse(&format!("verb{} object{n} {{host}} on {{cloud=aws}}", n % 10))
        };
        let formats = (0..aliases).filter_map(|n| Some((AliasId(n), format(n).ok()?)));
        let index = AliasIndex::new(formats.collect());
        let last = aliases - 1;
        for (what, text) in [
            ("hit", format!("verb{} object{last} web1 on gce", last % 10)),
            ("miss", "good morning everyone how are you".to_owned()),
        ] {
            let found = matches!(index.lookup(&text), Found::One(_));
            let start = Instant::now();
            for _ in 0..ROUNDS {
                std::hint::black_box(index.lookup(std::hint::black_box(&text)));
            }
            let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
            let base = *first.entry(what).or_insert(us);
            out!(
                "{}",
                json!({
                    "bench": "match", "aliases": aliases, "message": what, "found": found,
                    "lookup_us": us, "of_10_aliases": us / base,
                })
            );
        }
    }
}
