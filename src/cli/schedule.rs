//! `beadle schedule`: what the bot does at times, and when a text of a schedule comes.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::ask::ask;
use super::style::{out, plain};
use super::switch::{self, OffArgs, OnArgs};
use super::{Context, Failure};
use crate::app::surroundings;
use crate::domain::schedule::Schedule;
use crate::domain::switch::Automation;
use crate::query::command::Request;

/// Most next times that are told.
pub const NEXT_MAX: usize = 1_000;
/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub enum ScheduleCommand {
    /// Lists the schedules of the scripts: when each comes next, when it came last.
    #[command(after_help = "Example: beadle schedule list --json")]
    List,
    /// Says when a schedule comes, without a script.
    #[command(after_help = "Example: beadle schedule next 'mon-fri 09:00 Europe/London' --count 3")]
    Next {
        /// The schedule, as a script writes it.
        spec: String,
        /// How many times.
        #[arg(long, default_value_t = 5)]
        count: usize,
        /// The zone of a schedule that names none.
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
    },
    /// Switches it off, for a while or until it is switched on.
    #[command(after_help = "Example: beadle schedule off morning --for 2h")]
    Off(OffArgs),
    /// Switches it on again.
    #[command(after_help = "Example: beadle schedule on morning")]
    On(OnArgs),
}

/// Shows it.
///
/// # Errors
/// [`Failure`] if there is no log, or no such schedule.
pub fn main(context: &Context, command: &ScheduleCommand) -> Result<u8, Failure> {
    match command {
        ScheduleCommand::List => list(context),
        ScheduleCommand::Next { spec, count, zone } => next(context, spec, *count, zone.as_deref()),
        ScheduleCommand::Off(args) => switch::off(context, Automation::Schedule, args),
        ScheduleCommand::On(args) => switch::on(context, Automation::Schedule, args),
    }
}

fn list(context: &Context) -> Result<u8, Failure> {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default(), SHOWN_CHARS);
    ask(context, &Request::ScheduleList, &mut |row| {
        if context.json() {
            out!("{row}");
            return Ok(());
        }
        let place = format!("{}:{}", text(&row["file"]), row["line"]);
        out!(
            "{:<24} {} ({}; {place})",
            text(&row["schedule"]),
            text(&row["spec"]),
            text(&row["zone"])
        );
        match row["next"].as_array().map(Vec::as_slice) {
            None | Some([]) => out!("  over: {}", text(&row["over"])),
            Some(next) => {
                let next: Vec<String> = next.iter().map(text).collect();
                out!("  next {}", next.join(", "));
            }
        }
        if row["off"].is_string() {
            out!("  off: {}", text(&row["off"]));
        }
        if row["last"].is_string() {
            out!("  last {}", text(&row["last"]));
        }
        Ok(())
    })?;
    Ok(0)
}

fn next(context: &Context, spec: &str, count: usize, zone: Option<&str>) -> Result<u8, Failure> {
    if count > NEXT_MAX {
        return Err(Failure::new(2, format!("--count is at most {NEXT_MAX}")));
    }
    let zones = |name: &str| TimeZone::get(name).ok();
    let zone = match zone {
        None => TimeZone::system(),
        Some(name) => zones(name).ok_or_else(|| {
            Failure::new(2, format!("there is no time zone `{name}`"))
                .hint("write one such as `Europe/London` or `UTC`")
        })?,
    };
    let schedule = Schedule::parse(spec, &zone, &zones)
        .map_err(|why| Failure::new(2, why.what).hint(why.hint))?;
    let began = surroundings().clock.now();
    if let Some(why) = schedule.never(began) {
        return Err(Failure::new(1, why));
    }
    let mut at = began;
    for _ in 0..count {
        let Some(following) = schedule.next(began, at) else { break };
        at = following;
        match context.json() {
            true => out!("{}", json!({ "at_ms": at, "at": schedule.shown(at) })),
            false => out!("{}", schedule.shown(at)),
        }
    }
    Ok(0)
}
