//! `beadle log query`, `report` and `stats`: the filters as flags, tables for people.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ask::ask;
use super::checkpoint;
use super::style::{out, plain, printed};
use super::{Context, Failure};
use crate::app::SystemClock;
use crate::domain::id::Timestamp;
use crate::query::command::Request;
use crate::query::filter::Filter;
use crate::query::question::{Ask, Mark};
use crate::query::report::Per;
use crate::query::when::Here;
use crate::store::Clock;

/// Most characters of what happened in one row.
const WHAT_CHARS: usize = 160;
/// Most characters of a name in one row.
const NAME_CHARS: usize = 24;

/// What is looked for; everything that is given has to hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FilterArgs {
    /// Who did it: an account's id, or a name that is nobody else's.
    #[arg(long, value_name = "PERSON")]
    who: Option<String>,
    /// Where: a room's id or its name.
    #[arg(long)]
    room: Option<String>,
    /// On which network: `matrix`, `irc` …
    #[arg(long)]
    network: Option<String>,
    /// What belongs to executions of this alias.
    #[arg(long)]
    alias: Option<String>,
    /// What belongs to triggers for which this rule was considered.
    #[arg(long)]
    rule: Option<String>,
    /// What belongs to executions that ran this action.
    #[arg(long)]
    action: Option<String>,
    /// The whole story of one execution, by the beginning of its id.
    #[arg(long, value_name = "ID")]
    execution: Option<String>,
    /// Types of event, `effect_*`; may be given again.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// What belongs to executions that are succeeded, failed, cancelled, diverged, waiting, running or in doubt.
    #[arg(long)]
    status: Option<String>,
    /// From this time on: `yesterday`, `2h ago`, `2026-11-01`, `2026-11-01 14:00`.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this time; a day counts to its end.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Words in what was asked, done and answered, in any case.
    #[arg(long)]
    text: Option<String>,
    /// How it was proven who spoke: nothing, nick, identified, network, account or device.
    #[arg(long)]
    trust: Option<String>,
    /// Most rows [default: 50]; 0 gives all.
    #[arg(long, value_name = "N")]
    limit: Option<String>,
    /// The newest first.
    #[arg(long)]
    reverse: bool,
}

/// What `log query` takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct QueryArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Goes on behind the events that the last call with this file printed; for cron.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reverse", "follow"])]
    checkpoint: Option<PathBuf>,
    /// Goes on with what is still to come.
    #[arg(long, conflicts_with = "reverse")]
    follow: bool,
}

/// What `log report` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// A row for each day, person, alias or room; else for each person with each alias.
    #[arg(long, value_enum)]
    by: Option<ReportBy>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// What a report has a row for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ReportBy {
    Day,
    Person,
    Alias,
    Room,
}

/// Now, and the zone of this machine.
pub fn here() -> Here {
    Here { now: SystemClock.now(), zone: jiff::tz::TimeZone::system() }
}

impl FilterArgs {
    fn filter(&self) -> Result<Filter, Failure> {
        let (mut filter, here) = (Filter::default(), here());
        let given = [
            ("who", &self.who),
            ("room", &self.room),
            ("network", &self.network),
            ("alias", &self.alias),
            ("rule", &self.rule),
            ("action", &self.action),
            ("execution", &self.execution),
            ("status", &self.status),
            ("since", &self.since),
            ("until", &self.until),
            ("text", &self.text),
            ("trust", &self.trust),
            ("limit", &self.limit),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (name, value) in given.chain(self.types.iter().map(|glob| ("type", glob))) {
            let set = filter.set(name, value, &here);
            set.map_err(|why| Failure::new(2, why.what).hint(why.hint))?;
        }
        filter.reverse = self.reverse;
        Ok(filter)
    }
}

/// Shows the events that a filter lets through.
pub fn query(context: &Context, args: &QueryArgs) -> Result<u8, Failure> {
    let filter = args.filter.filter()?;
    if args.follow {
        return super::follow::main(context, filter);
    }
    let behind = args.checkpoint.as_deref().map(checkpoint::read).transpose()?.flatten();
    let marked = args.checkpoint.is_some();
    let question = Ask { filter, behind, in_order: marked, mark: marked, follow: false };
    let (mut mark, here) = (None, here());
    ask(context, &Request::LogQuery(Box::new(question)), &mut |row| {
        match mark_of(&row) {
            Some(next) => mark = Some(next),
            None => show(context, &row, &here),
        }
        printed()
    })?;
    match (&args.checkpoint, mark) {
        (Some(file), Some(mark)) => checkpoint::write(file, &mark)?,
        (Some(file), None) => return Err(unmarked(file)),
        (None, _) => {}
    }
    Ok(0)
}

fn unmarked(file: &Path) -> Failure {
    let what = format!("the bot did not say where to go on: {} is as it was", file.display());
    Failure::new(1, what).hint("it may be an older version: restart it")
}

/// The mark that a row is, if it is one.
pub fn mark_of(row: &Value) -> Option<Mark> {
    serde_json::from_value(row.get("mark")?.clone()).ok()
}

/// Shows one event: JSON for programs, a line for people.
pub fn show(context: &Context, row: &Value, here: &Here) {
    if context.json() {
        out!("{row}");
        return;
    }
    out!("{}", line(row, here));
}

fn line(row: &Value, here: &Here) -> String {
    let text = |name: &str, chars: usize| plain(row[name].as_str().unwrap_or(""), chars);
    let either = |name: &str, other: &str| match text(name, NAME_CHARS) {
        empty if empty.is_empty() => text(other, NAME_CHARS),
        found => found,
    };
    let when = here.shown(Timestamp(row["ts_ms"].as_i64().unwrap_or(0)));
    let id: String = text("execution", NAME_CHARS).chars().take(8).collect();
    let (who, room) = (either("who_name", "who"), either("where_name", "where"));
    let (status, what) = (text("status", NAME_CHARS), text("what", WHAT_CHARS));
    format!("{when} {who:<12} {room:<16} {id:<8} {status:<9} {what}")
}

/// Shows who ran what how often.
pub fn report(context: &Context, args: &ReportArgs) -> Result<u8, Failure> {
    let per = match args.by {
        None => Per::PersonAndAlias,
        Some(ReportBy::Day) => Per::Day,
        Some(ReportBy::Person) => Per::Person,
        Some(ReportBy::Alias) => Per::Alias,
        Some(ReportBy::Room) => Per::Room,
    };
    let names: &[&str] = match per {
        Per::Day => &["day"],
        Per::Person => &["person"],
        Per::Alias => &["alias"],
        Per::Room => &["room_name", "room"],
        Per::PersonAndAlias => &["person", "alias"],
    };
    let mut first = true;
    let request = Request::LogReport(Box::new(args.filter.filter()?), per);
    ask(context, &request, &mut |row| {
        if context.json() {
            out!("{row}");
            return Ok(());
        }
        if std::mem::take(&mut first) {
            // Days are those of whoever answers: the machine that the bot runs on.
            let zone =
                row["zone"].as_str().map_or(String::new(), |zone| format!("          {zone}"));
            out!("  runs    ok  fail  open doubt asked  answ  refu    mean     slowest{zone}");
        }
        out!("{}", report_line(&row, names));
        Ok(())
    })?;
    Ok(0)
}

fn report_line(row: &Value, names: &[&str]) -> String {
    let number = |name: &str| row[name].as_u64().unwrap_or(0).to_string();
    let counts =
        ["runs", "succeeded", "failed", "open", "in_doubt", "questions", "answered", "refused"];
    let counts: Vec<String> = counts.iter().map(|name| format!("{:>5}", number(name))).collect();
    let took = |name: &str| row[name].as_u64().map_or("-".into(), duration);
    let slowest: String = row["slowest"].as_str().unwrap_or("").chars().take(8).collect();
    let group: Vec<String> =
        names.iter().map(|name| plain(row[*name].as_str().unwrap_or(""), WHAT_CHARS)).collect();
    let (counts, group) = (counts.join(" "), group.join("  "));
    format!(" {counts} {:>7} {:>7} {slowest:<8} {group}", took("mean_ms"), took("slowest_ms"))
}

/// A length of time, short.
fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..120_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        120_000..7_200_000 => format!("{}m", ms / 60_000),
        7_200_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// Shows what the log is made of.
pub fn stats(context: &Context) -> Result<u8, Failure> {
    let here = here();
    ask(context, &Request::LogStats, &mut |row| {
        match (context.json(), row["stat"].as_str()) {
            (true, _) => out!("{row}"),
            (false, Some("log")) => {
                let at = |name: &str| row[name].as_i64().map(|ms| here.shown(Timestamp(ms)));
                let at = |name: &str| at(name).unwrap_or_else(|| "-".into());
                out!("{} events, from {} to {}", row["events"], at("first_ms"), at("last_ms"));
                for part in ["journal", "store", "keys", "subjects", "blobs", "disk"] {
                    let bytes = row[format!("{part}_bytes")].as_u64().unwrap_or(0);
                    out!("{:>12} {part}", size(bytes));
                }
            }
            (false, Some("store")) => {
                let ms = |name: &str| row[name].as_f64().unwrap_or(0.0);
                let (half, most) = (ms("append_p50_ms"), ms("append_p99_ms"));
                out!(
                    "{} appends since it was opened, half within {half:.2} ms, 99 of 100 within {most:.2} ms",
                    row["appends"]
                );
                out!(
                    "{} events wait for the event store, at most {} did",
                    row["lag_events"],
                    row["lag_events_max"]
                );
            }
            (false, stat) => {
                let name = plain(row["name"].as_str().unwrap_or(""), NAME_CHARS);
                let bytes = size(row["bytes"].as_u64().unwrap_or(0));
                let events = row["events"].to_string();
                out!("{:<9} {name:<24} {events:>10} {bytes:>12}", stat.unwrap_or(""));
            }
        }
        Ok(())
    })?;
    Ok(0)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (ms, want) in
            [(999, "999ms"), (1_500, "1.5s"), (120_000, "2m"), (7_200_000, "2h"), (1 << 30, "12d")]
        {
            assert_eq!(duration(ms), want);
        }
        for (bytes, want) in [(1_000, "1000 B"), (20_480, "20 KiB"), (1 << 30, "1024 MiB")] {
            assert_eq!(size(bytes), want);
        }
    }
}
