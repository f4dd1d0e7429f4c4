//! Asking a long log: opening it, the last events of a person, a story, a text on one day; with memory and disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::history;
use super::meter::{Times, resident_mib, rounded};
use crate::app::open_log;
use crate::cli::style::out;
use crate::cli::{Context, Failure};
use crate::domain::id::Position;
use crate::query::command::Rows;
use crate::query::filter::Filter;
use crate::query::follow::Followers;
use crate::query::question::{self, Ask};
use crate::query::stats::size_of;
use crate::store::sled::SledStore;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX};

/// Fewest events that are worth asking.
const EVENTS_MIN: u64 = 10_000;
/// Events of the day that a text is looked for in.
const OF_A_DAY: u64 = 10_000;
/// How often each question is asked.
const ROUNDS: usize = 200;
/// How often the log is opened.
const OPENINGS: usize = 5;

/// What `bench query` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: beadle bench query --on history")]
pub struct QueryBenchArgs {
    /// How many events the log has.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// A directory for the log, which is kept and used again; else a temporary one.
    #[arg(long, value_name = "DIR")]
    on: Option<PathBuf>,
    /// Only makes the log.
    #[arg(long, hide = true)]
    fill: bool,
}

/// Measures.
pub fn main(context: &Context, args: &QueryBenchArgs) -> Result<(), Failure> {
    if args.events < EVENTS_MIN {
        return Err(Failure::new(2, format!("a log has at least {EVENTS_MIN} events here")));
    }
    let temporary = tempfile::tempdir()?;
    let dir = args.on.clone().unwrap_or_else(|| temporary.path().to_owned());
    if args.fill {
        return history::fill(&dir, args.events, context.global.quiet);
    }
    if !dir.join("log").is_dir() {
        // Another process makes it: the memory of this one is what asking takes.
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "query", "--fill", "--events", &args.events.to_string()]);
        let filled = command.arg("--on").arg(&dir).status()?;
        if !filled.success() {
            return Err(Failure::new(1, "the log could not be made"));
        }
    }
    measure(&dir)
}

fn measure(dir: &Path) -> Result<(), Failure> {
    let mut opened = vec![];
    for _ in 0..OPENINGS {
        let begun = Instant::now();
        let (store, _) = open_log(dir)?;
        opened.push(begun.elapsed());
        store.close();
    }
    let (store, _) = open_log(dir)?;
    let store = Arc::new(store);
    let bench = Bench { events: store.next_position().0, store: store.as_ref() };
    bench.row("open", opened);
    let first = bench.asked(|_| Filter { who: Some(history::asker(1)), ..newest(50) }, 1)?;
    bench.row("a person by id, first", first);
    for what in ["a person by name, first", "a person by name, again"] {
        let named = |_| Filter { who: Some(history::name(1)), ..newest(50) };
        bench.row(what, bench.asked(named, 1)?);
    }
    let people = |n: usize| Filter { who: Some(history::asker(n as u64)), ..newest(50) };
    bench.row("last 50 of a person", bench.asked(people, ROUNDS)?);
    let ids = bench.executions()?;
    let story = |n: usize| {
        let execution = Some(ids[n * 7_919 % ids.len()].clone());
        Filter { execution, ..newest(0) }
    };
    bench.row("story of an execution", bench.asked(story, ROUNDS)?);
    let day = bench.day()?;
    let text = |n: usize| Filter { text: Some(history::rare_text(n as u64)), ..day.clone() };
    bench.row("text in 10,000 events of a day", bench.asked(text, ROUNDS)?);
    bench.disk(dir)?;
    store.close();
    Ok(())
}

fn newest(limit: usize) -> Filter {
    Filter { limit: Some(limit), ..Filter::default() }
}

/// A log that is asked.
struct Bench<'a> {
    store: &'a SledStore,
    events: u64,
}

impl Bench<'_> {
    fn row(&self, query: &str, took: Vec<Duration>) {
        let times = Times::new(took);
        let memory = resident_mib(std::process::id()).map(|(now, _)| rounded(now));
        out!(
            "{}",
            json!({
                "bench": "query", "query": query, "events": self.events, "rounds": times.len(),
                "p50_ms": rounded(times.at_ms(0.5)), "p99_ms": rounded(times.at_ms(0.99)),
                "rss_mib": memory,
            })
        );
    }

    fn asked(
        &self,
        filter: impl Fn(usize) -> Filter,
        rounds: usize,
    ) -> Result<Vec<Duration>, Failure> {
        let mut took = vec![];
        for round in 0..rounds {
            let ask = Ask { filter: filter(round), ..Ask::default() };
            let mut rows = Rows::default();
            let begun = Instant::now();
            let answered = question::answer(self.store, &ask, &Followers::default(), &mut rows);
            took.push(begun.elapsed());
            answered.map_err(|why| Failure::new(1, format!("{why:?}")))?;
            if rows.0.is_empty() {
                return Err(Failure::new(1, format!("nothing was found for {:?}", ask.filter)));
            }
        }
        Ok(took)
    }

    /// Ids of executions all over the log.
    fn executions(&self) -> Result<Vec<String>, Failure> {
        let mut ids = vec![];
        for page in 0..64 {
            let from = Position(self.events / 64 * page);
            let looked = self.store.glance(from, Direction::Forward, 256, &mut |glance| {
                let id = glance.stream.strip_prefix("execution-");
                ids.extend(id.filter(|_| glance.kind == "execution_started").map(str::to_owned));
            });
            looked.map_err(|why| Failure::new(1, why))?;
        }
        match ids.is_empty() {
            true => Err(Failure::new(1, "there is no execution in the log")),
            false => Ok(ids),
        }
    }

    /// The times between which some 10,000 events in the middle of the log are.
    fn day(&self) -> Result<Filter, Failure> {
        let at = |position: u64| {
            let mut ts = 0;
            let look = &mut |glance: &crate::store::scan::Glance| ts = glance.ts;
            let looked = self.store.glance(Position(position), Direction::Forward, 1, look);
            looked.map_err(|why| Failure::new(1, why))?;
            Ok::<_, Failure>(crate::domain::id::Timestamp(ts))
        };
        let first = self.events / 2;
        let end = (first + OF_A_DAY).min(self.events - 1);
        Ok(Filter { since: Some(at(first)?), until: Some(at(end)?), ..newest(50) })
    }

    /// What an event takes on the disk, beside the payload.
    fn disk(&self, dir: &Path) -> Result<(), Failure> {
        const SAMPLE: u64 = 20_000;
        let (mut payloads, mut events) = (0_u64, 0_u64);
        let mut from = Some(Position(self.events / 2));
        while let Some(position) = from.filter(|_| events < SAMPLE) {
            let page = self.store.read_all(position, Direction::Forward, READ_EVENTS_MAX);
            let page = page.map_err(|why| Failure::new(1, why))?;
            let bytes = |event: &crate::domain::event::Recorded| {
                event.event().map_or(0, |event| event.encode().to_string().len() as u64)
            };
            payloads += page.iter().map(bytes).sum::<u64>();
            events += page.len() as u64;
            from = page.last().map(|last| last.position.next());
        }
        let payload = payloads as f64 / events.max(1) as f64;
        let per_event = |names: &[&str]| {
            let bytes: u64 = names.iter().map(|name| size_of(&dir.join(name))).sum();
            bytes as f64 / self.events as f64
        };
        let all = per_event(&["log", "store", "keys.bin", "subjects.bin", "blobs"]);
        out!(
            "{}",
            json!({
                "bench": "query", "query": "disk", "events": self.events,
                "payload_bytes_per_event": payload.round(), "disk_bytes_per_event": all.round(),
                "journal_bytes_per_event": per_event(&["log"]).round(),
                "store_bytes_per_event": per_event(&["store"]).round(),
                "keys_bytes_per_event": per_event(&["keys.bin"]).round(),
                "of_payload": rounded(all / payload.max(1.0)),
            })
        );
        Ok(())
    }
}
