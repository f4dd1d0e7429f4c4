//! `beadle log erase`: what to erase, in words; and what came of it.

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp as Instant, ToSpan};
use serde_json::Value;

use super::ask::rows;
use super::style::out;
use super::{Context, Failure};
use crate::domain::id::Timestamp;
use crate::query::command::Request;
use crate::query::erasure::Target;

/// What to erase, and why.
#[derive(Debug, Args)]
pub struct EraseArgs {
    #[command(flatten)]
    what: What,
    /// Why; the log keeps it, so name nobody in it.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Only say what would be erased.
    #[arg(long)]
    dry_run: bool,
}

/// What to erase: one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One event, by position or `stream/version`; of a trigger, all that it led to.
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// One execution with all that led to it, by the beginning of its id.
    #[arg(long, value_name = "ID")]
    execution: Option<String>,
    /// All that an account caused, and every other event that has it or a name under which it spoke; other accounts of
    /// the same person are named.
    #[arg(long, value_name = "ACCOUNT")]
    person: Option<String>,
    /// What ended before: an age such as `90d`, `8w`, `6mo`, `2y`, or a date such as `2026-01-31`.
    #[arg(long, value_name = "AGE|DATE")]
    older_than: Option<String>,
}

/// Erases, or says what would be erased.
pub fn main(context: &Context, args: &EraseArgs) -> Result<u8, Failure> {
    let reason = args.reason.clone().unwrap_or_default();
    if !args.dry_run && reason.trim().is_empty() {
        return Err(Failure::new(2, "an erasure needs a reason").hint("say why with --reason"));
    }
    let target = target(&args.what)?;
    let request = Request::LogErase { target, reason, dry_run: args.dry_run };
    for row in rows(context, &request)? {
        if context.json() {
            out!("{row}");
        } else {
            show(&row);
        }
    }
    Ok(0)
}

fn target(args: &What) -> Result<Target, Failure> {
    Ok(match (&args.event, &args.execution, &args.person, &args.older_than) {
        (Some(id), ..) => Target::Event(id.clone()),
        (_, Some(id), ..) => Target::Execution(id.clone()),
        (_, _, Some(account), _) => Target::Person(account.clone()),
        (_, _, _, age) => {
            let age = age.as_deref().unwrap_or_default();
            let before = before(age, Instant::now(), &TimeZone::system());
            let before = before.ok_or_else(|| {
                Failure::new(2, format!("`{age}` is neither an age nor a date"))
                    .hint("write `90d`, `8w`, `6mo`, `2y` or `2026-01-31`")
            })?;
            Target::OlderThan(before)
        }
    })
}

/// The moment that an age or a date means.
fn before(text: &str, now: Instant, zone: &TimeZone) -> Option<Timestamp> {
    let at = match text.parse::<Date>() {
        Ok(date) => date.to_zoned(zone.clone()).ok()?.timestamp(),
        Err(_) => now.to_zoned(zone.clone()).checked_sub(age(text)?).ok()?.timestamp(),
    };
    Some(Timestamp(at.as_millisecond()))
}

fn age(text: &str) -> Option<Span> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: i64 = number.parse().ok().filter(|number| *number <= 9_999)?;
    match unit.trim() {
        "h" => Some(number.hours()),
        "d" => Some(number.days()),
        "w" => Some(number.weeks()),
        "mo" => Some(number.months()),
        "y" => Some(number.years()),
        _ => None,
    }
}

fn show(row: &Value) {
    let would = if row["dry_run"] == true { "would be " } else { "" };
    out!(
        "{} events {would}erased, of {} executions and {} persons, with {} files beside the log",
        row["events"],
        row["executions"],
        row["persons"],
        row["blobs"]
    );
    for account in row["linked"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        out!(
            "{account} is an account of the same person: what it did stays until `--person {account}` erases it"
        );
    }
    for (kind, count) in row["types"].as_object().into_iter().flatten() {
        out!("{:>8} {kind}", count.to_string());
    }
    if row["open"] != 0 {
        out!("{} that were not over {would}ended:", row["open"]);
    }
    for stream in row["ended"].as_array().into_iter().flatten() {
        out!("         {}", stream.as_str().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_dates_mean_a_moment() {
        let now: Instant = "2026-03-31T12:00:00Z".parse().expect("a moment");
        for (text, want) in [
            ("2026-01-31", Some("2026-01-31T00:00:00Z")),
            ("90d", Some("2025-12-31T12:00:00Z")),
            ("2w", Some("2026-03-17T12:00:00Z")),
            ("1mo", Some("2026-02-28T12:00:00Z")),
            ("1y", Some("2025-03-31T12:00:00Z")),
            ("0h", Some("2026-03-31T12:00:00Z")),
            ("d", None),
            ("5", None),
            ("5 parsecs", None),
            ("-5d", None),
            ("99999999999d", None),
            ("", None),
        ] {
            let want = want.map(|want| want.parse::<Instant>().expect("a moment").as_millisecond());
            assert_eq!(before(text, now, &TimeZone::UTC).map(|at| at.0), want, "{text:?}");
        }
    }
}
