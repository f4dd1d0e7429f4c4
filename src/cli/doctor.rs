//! `beadle doctor`: one finding for each thing that was looked at, each failure with its remedy.
//!
//! It may be run beside the bot: what needs the log is then asked of the bot itself.

mod bridges;
mod web;

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};

use super::style::{out, plain, time};
use super::{Context, Failure};
use crate::adapter::matrix::{Finding, Level, MatrixSettings, check, private};
use crate::app::trim::KEEP_MIN;
use crate::config::Config;
use crate::control;
use crate::domain::id::{RoomId, Timestamp};
use crate::processor::tree_head::HEAD_EVERY_EVENTS;
use crate::query::command::{Refusal, Request, Rows, answer, report};
use crate::script::load::load_folder_within;
use crate::script::problem::Problem;
use crate::store::growth::{GROWTH_DAYS, Part, all_a_day, bytes_a_day, full_at, parts, samples};
use crate::store::space::{DiskOf, FREE_BYTES_MIN, Room, Space};
use crate::store::{OpenError, verify::verify};

/// Most bytes of a log that are verified here; more takes longer than somebody waits.
pub const VERIFY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// With less free space than this it is time to make room.
pub const FREE_BYTES_SOON: u64 = 1024 * 1024 * 1024;
/// With a smaller part of the disk free than this it is time to make room.
pub const FREE_PERCENT_SOON: u64 = 20;
/// A disk that is full within so many days at the growth of the last ones is told of.
pub const FULL_DAYS_SOON: i64 = 14;
/// Messages that wait longer than this to be sent are told.
pub const UNSENT_MS_MAX: i64 = 60 * 60 * 1000;
/// How long a running bot may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Most findings of a damaged log that are told one by one.
const DAMAGE_MAX: usize = 5;
/// Most characters of what was found, in a line for people.
const DETAIL_CHARS: usize = 400;

/// Looks at everything; the status is 0 only if all of it is as it should be.
pub fn main(context: &Context) -> Result<u8, Failure> {
    let data = context.data()?;
    let mut found = scripts(context)?;
    found.extend(files(&data));
    found.extend(log(&data));
    found.push(heads(&context.config));
    let now = crate::app::surroundings().clock.now();
    found.extend(retention(&context.config, &data, now));
    found.extend(roles(&context.config));
    found.extend(web::web(&context.config, &data));
    found.extend(context.runtime()?.block_on(bridges::bridges(&context.config)));
    found.push(disk(DiskOf(data.clone()).room(), &Use::of(&data, now)));
    let settings = MatrixSettings {
        homeserver: context.config.homeserver.clone(),
        invites_allow: context.config.invites_allow.clone(),
        management_room: context.config.management_room.clone().map(RoomId),
        ..MatrixSettings::default()
    };
    found.extend(context.runtime()?.block_on(check(&data, &settings)));
    found.iter().for_each(|finding| show(finding, context.json()));
    Ok(u8::from(!found.iter().all(Finding::is_good)))
}

/// That no role is given to whoever comes by, or to nobody.
fn roles(config: &Config) -> Vec<Finding> {
    let doubtful = config.roles.doubtful().into_iter();
    let finding = |(role, entry, why): (&str, &str, &str)| {
        let detail = format!("[roles] {role} = [\"{entry}\"]: {why}");
        Finding::warning("roles", detail, "name the accounts, or those of one server")
    };
    doubtful.map(finding).collect()
}

fn show(finding: &Finding, as_json: bool) {
    let Finding { name, level, detail, remedy } = finding;
    let (word, shown) = match level {
        Level::Good => ("good", "ok  "),
        Level::Warning => ("warning", "warn"),
        Level::Bad => ("bad", "FAIL"),
    };
    if as_json {
        let ok = finding.is_good();
        let (detail, remedy) = (detail.trim_end(), remedy.as_deref());
        out!(
            "{}",
            json!({ "name": name, "ok": ok, "level": word, "detail": detail, "remedy": remedy })
        );
        return;
    }
    out!("{shown} {name}: {}", plain(detail.trim_end(), DETAIL_CHARS));
    if let Some(remedy) = remedy {
        out!("     {remedy}");
    }
}

/// That all scripts can be loaded.
fn scripts(context: &Context) -> Result<Vec<Finding>, Failure> {
    let folder = context.scripts()?;
    let (set, problems) = load_folder_within(&folder, &context.config.budgets);
    let loaded = format!("{} loaded from {}", set.scripts.len(), folder.display());
    let mut found = vec![Finding::good("scripts", loaded)];
    found.extend(problems.iter().map(script));
    Ok(found)
}

fn script(problem: &Problem) -> Finding {
    let place = match problem.line {
        0 => problem.file.clone(),
        line => format!("{}:{line}:{}", problem.file, problem.column),
    };
    let remedy = problem.hint.clone();
    let remedy = remedy.unwrap_or_else(|| "`beadle script check` shows the line".into());
    Finding::bad("script", format!("{place}: {}", problem.message), remedy)
}

/// That nobody else can read the data directory and the keys in it.
fn files(data: &Path) -> Vec<Finding> {
    let mut found = vec![];
    if data.is_dir() {
        found.push(private("data directory", data));
    }
    for (name, file) in [("keys of the log", "keys.bin"), ("keys of people", "subjects.bin")] {
        let path = data.join(file);
        found.extend(path.exists().then(|| private(name, &path)));
    }
    found
}

/// That the log is whole, and that nothing in it waits to be said.
fn log(data: &Path) -> Vec<Finding> {
    let log = data.join("log");
    if !log.is_dir() {
        return vec![Finding::good("log", format!("there is none yet in {}", data.display()))];
    }
    let bytes = folder_bytes(&log);
    if bytes > VERIFY_BYTES_MAX {
        let detail = format!("{} MiB: `beadle log verify` checks it all", bytes / 1024 / 1024);
        return vec![Finding::good("log", detail), ask(data, Request::Unsent, outbox)];
    }
    let verified = ask(data, Request::LogVerify, verified);
    let whole = verified.is_good();
    let mut found = vec![verified];
    if whole {
        found.push(ask(data, Request::Unsent, outbox));
    }
    found
}

/// That the history is signed, and where. Nothing of it is a failure.
fn heads(config: &Config) -> Finding {
    let every = match config.head_every {
        Some(every) => format!("at the latest {} s after an event", every.as_secs()),
        None => format!("every {HEAD_EVERY_EVENTS} events"),
    };
    let told = match &config.audit_room {
        Some(room) => format!("signed {every}, published in {room}"),
        None => format!(
            "signed {every}, kept in the log only: a rewritten tail cannot be found; `audit_room` under [log] names a room to publish them in"
        ),
    };
    Finding::good("heads of the log", told)
}

/// What holds the log back, if it is told to drop what is over.
fn retention(config: &Config, data: &Path, now: Timestamp) -> Option<Finding> {
    let keep = config.keep?.max(KEEP_MIN);
    if !data.join("log").is_dir() {
        return None;
    }
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = now.plus_ms(keep.saturating_neg());
    Some(ask(data, Request::LogTrim { before }, held))
}

fn held(row: &Value) -> Finding {
    let over = &row["over_files"];
    let why = row["held"].as_str().map(|why| format!("; the next file stays: {why}"));
    let told = format!("{over} files are over and go within a day{}", why.unwrap_or_default());
    Finding::good("what of the log is over", told)
}

/// The size of the files of a folder.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// Asks the running bot, or the log itself when no bot runs.
fn ask(data: &Path, request: Request, found: fn(&Value) -> Finding) -> Finding {
    let (tell, told) = channel();
    let of = data.to_owned();
    std::thread::spawn(move || tell.send(row(&of, &request)));
    match told.recv_timeout(ANSWER_WITHIN) {
        Ok(Ok(row)) => found(&row),
        Ok(Err(finding)) => finding,
        Err(_) => {
            let detail = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
            Finding::bad("log", detail, "is the bot or its disk overloaded? restart the bot")
        }
    }
}

fn row(data: &Path, request: &Request) -> Result<Value, Finding> {
    let mut rows = Rows::default();
    let answered = match control::ask(data, request, &mut rows) {
        Ok(Some(answered)) => answered,
        Ok(None) if matches!(request, Request::LogVerify) => {
            let verified = verify(data, &crate::app::surroundings());
            return verified.map(|verified| report(&verified)).map_err(refused);
        }
        Ok(None) => {
            let (store, _) = crate::app::open_log(data).map_err(refused)?;
            answer(&store, request, &mut rows)
        }
        Err(error) => {
            let remedy = "the bot's process may have just ended: try again";
            return Err(Finding::bad("log", format!("the bot gave no answer: {error}"), remedy));
        }
    };
    match answered {
        Ok(()) => Ok(rows.0.pop().unwrap_or_default()),
        Err(Refusal::Damaged(why)) => Err(damaged(why)),
        Err(Refusal::Gone) => Err(Finding::bad("log", "nobody reads the answer", "try again")),
        Err(Refusal::NotFound(why) | Refusal::Unreadable(why) | Refusal::Invalid(why)) => {
            Err(Finding::bad("log", why, "restart the bot; it looks at its log when it starts"))
        }
    }
}

fn refused(error: OpenError) -> Finding {
    match &error {
        OpenError::Damaged { .. } => damaged(error.to_string()),
        OpenError::Locked { .. } => {
            let remedy = "if that process is a bot that hangs, restart it";
            Finding::bad("log", error.to_string(), remedy)
        }
        OpenError::Io { .. } | OpenError::Store(_) => {
            let remedy = "check the owner of the data directory and its disk";
            Finding::bad("log", error.to_string(), remedy)
        }
    }
}

fn damaged(what: String) -> Finding {
    let remedy = "stop the bot, keep a copy of the data directory, and bring a backup back: `beadle log restore DIR --replace`";
    Finding::bad("log", what, remedy)
}

/// What a verification says.
fn verified(row: &Value) -> Finding {
    let findings = row["findings"].as_array().cloned().unwrap_or_default();
    if findings.is_empty() {
        return Finding::good("log", format!("{} events, all as they were written", row["events"]));
    }
    let text = |finding: &Value, part: &str| finding[part].as_str().unwrap_or("").to_owned();
    let told = findings.iter().take(DAMAGE_MAX);
    let told = told.map(|finding| format!("{}: {}", text(finding, "place"), text(finding, "what")));
    let mut told: Vec<String> = told.collect();
    if findings.len() > DAMAGE_MAX {
        told.push(format!("and {} more", findings.len() - DAMAGE_MAX));
    }
    damaged(told.join("; "))
}

/// That what the bot decided to say is sent.
fn outbox(row: &Value) -> Finding {
    let now_ms = crate::app::surroundings().clock.now().0;
    let (unsent, oldest_ms) = (row["unsent"].as_u64().unwrap_or(0), row["oldest_ms"].as_i64());
    match oldest_ms {
        Some(oldest_ms) if now_ms.saturating_sub(oldest_ms) > UNSENT_MS_MAX => {
            let detail =
                format!("{unsent} messages are not sent, the oldest since {}", time(oldest_ms));
            let remedy = "the bot's trace output says why: no connection, or no keys for a room; a bot that is stopped sends them when it starts";
            Finding::warning("outbox", detail, remedy)
        }
        _ => Finding::good("outbox", format!("{unsent} messages wait to be sent")),
    }
}

/// What the data directory takes of its disk, and how it grows.
struct Use {
    parts: Vec<Part>,
    bytes_a_day: Option<u64>,
    now: Timestamp,
}

impl Use {
    fn of(data: &Path, now: Timestamp) -> Self {
        let parts = parts(data);
        let samples = samples(&data.join("log")).unwrap_or_default();
        let bytes_a_day = bytes_a_day(&samples, now).map(|journal| all_a_day(journal, &parts));
        Self { parts, bytes_a_day, now }
    }

    /// In words, with the day on which the disk takes nothing new any more.
    fn told(&self, room: Room) -> String {
        let parts = self.parts.iter().filter(|part| part.bytes > 0);
        let parts: Vec<String> =
            parts.map(|part| format!("{} {}", part.name, megabytes(part.bytes))).collect();
        let parts =
            if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) };
        let Some(a_day) = self.bytes_a_day else { return parts };
        let growth = format!("{parts}; {} a day in the last {GROWTH_DAYS} days", megabytes(a_day));
        match self.full(room) {
            Some(day) => format!("{growth}: full on {}", time(day.0)),
            None => format!("{growth}: not full for years"),
        }
    }

    /// When the disk takes nothing new any more; none if that is far away or not known.
    fn full(&self, room: Room) -> Option<Timestamp> {
        full_at(room.free_bytes.saturating_sub(FREE_BYTES_MIN), self.bytes_a_day?, self.now)
    }

    /// Whether it is time to make room.
    fn is_soon(&self, room: Room) -> bool {
        let little = room.free_bytes < FREE_BYTES_SOON || percent_free(room) < FREE_PERCENT_SOON;
        let soon = self.now.plus_ms(FULL_DAYS_SOON * 24 * 60 * 60 * 1000);
        little || self.full(room).is_some_and(|day| day < soon)
    }
}

fn percent_free(room: Room) -> u64 {
    room.free_bytes.saturating_mul(100) / room.total_bytes.max(1)
}

/// A size in MiB, with one decimal where it is small.
fn megabytes(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        0..MIB => format!("{}.{} MiB", bytes / MIB, bytes * 10 / MIB % 10),
        _ => format!("{} MiB", bytes / MIB),
    }
}

/// That the disk has room.
fn disk(room: std::io::Result<Room>, used: &Use) -> Finding {
    let name = "disk";
    let room = match room {
        Ok(room) => room,
        Err(error) => {
            let remedy = "is the data directory there? `beadle login` makes it";
            return Finding::bad(name, error.to_string(), remedy);
        }
    };
    let (free, percent) = (room.free_bytes / 1024 / 1024, percent_free(room));
    let detail = format!("{free} MiB free, {percent} %{}", used.told(room));
    let remedy = format!(
        "make room: with less than {} MiB the bot takes nothing new in",
        FREE_BYTES_MIN / 1024 / 1024
    );
    match room.free_bytes {
        free if free < FREE_BYTES_MIN => Finding::bad(name, detail, remedy),
        _ if used.is_soon(room) => Finding::warning(name, detail, remedy),
        _ => Finding::good(name, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_told_in_time() {
        const GIB: u64 = 1024 * 1024 * 1024;
        for (free_bytes, total_bytes, want) in [
            (100 * GIB, 200 * GIB, Level::Good),
            (FREE_BYTES_SOON, 5 * GIB, Level::Good),
            (FREE_BYTES_SOON - 1, 5 * GIB - 1024, Level::Warning),
            (39 * GIB, 200 * GIB, Level::Warning),
            (40 * GIB, 200 * GIB, Level::Good),
            (FREE_BYTES_MIN, 10 * GIB, Level::Warning),
            (FREE_BYTES_MIN - 1, 10 * GIB, Level::Bad),
            (0, 0, Level::Bad),
        ] {
            let finding = disk(Ok(Room { free_bytes, total_bytes }), &used(None));
            assert_eq!(finding.level, want, "{free_bytes} of {total_bytes}: {finding:?}");
            assert_eq!(finding.remedy.is_some(), want != Level::Good);
        }
        assert_eq!(disk(Err(std::io::Error::other("no")), &used(None)).level, Level::Bad);
    }

    #[test]
    fn a_disk_that_is_full_within_days_is_told() {
        let room = Room { free_bytes: 9 * FREE_BYTES_SOON, total_bytes: 10 * FREE_BYTES_SOON };
        let left = room.free_bytes - FREE_BYTES_MIN;
        let days = |days: i64| left / days.unsigned_abs();
        for (bytes_a_day, want) in [
            (days(FULL_DAYS_SOON - 1), Level::Warning),
            (days(FULL_DAYS_SOON), Level::Good),
            (0, Level::Good),
        ] {
            let finding = disk(Ok(room), &used(Some(bytes_a_day)));
            assert_eq!(finding.level, want, "{bytes_a_day} a day: {finding:?}");
        }
    }

    fn used(bytes_a_day: Option<u64>) -> Use {
        let part = |name, bytes| Part { name, bytes };
        let parts = vec![part("log", 3 * 1024 * 1024), part("blobs", 0), part("keys", 150_000)];
        Use { parts, bytes_a_day, now: Timestamp(0) }
    }

    #[test]
    fn the_disk_is_told_by_part_and_with_the_day_it_is_full() {
        let room = Room { free_bytes: 10 * FREE_BYTES_MIN, total_bytes: 12 * FREE_BYTES_MIN };
        for (bytes_a_day, want) in [
            (None, "2560 MiB free, 83 %; log 3 MiB, keys 0.1 MiB"),
            (
                Some(FREE_BYTES_MIN),
                "keys 0.1 MiB; 256 MiB a day in the last 7 days: full on 1970-01-10",
            ),
            (Some(1), "0.0 MiB a day in the last 7 days: not full for years"),
        ] {
            let told = disk(Ok(room), &used(bytes_a_day)).detail;
            assert!(told.contains(want), "{told}, not {want}");
        }
    }

    #[test]
    fn messages_that_wait_too_long_are_told() {
        let now_ms = crate::app::surroundings().clock.now().0;
        for (oldest_ms, want) in [
            (json!(null), Level::Good),
            (json!(now_ms - UNSENT_MS_MAX + 60_000), Level::Good),
            (json!(now_ms - UNSENT_MS_MAX - 60_000), Level::Warning),
        ] {
            let finding = outbox(&json!({ "unsent": 2, "oldest_ms": oldest_ms }));
            assert_eq!(finding.level, want, "{oldest_ms}: {finding:?}");
        }
    }

    #[test]
    fn damage_is_told_up_to_a_bound() {
        for (count, want) in
            [(0, "7 events"), (1, "f:0: w"), (DAMAGE_MAX + 3, "f:4: w; and 3 more")]
        {
            let findings: Vec<Value> =
                (0..count).map(|n| json!({ "place": format!("f:{n}"), "what": "w" })).collect();
            let finding = verified(&json!({ "events": 7, "findings": findings }));
            assert!(finding.detail.contains(want), "{count}: {finding:?}");
            assert_eq!(finding.is_good(), count == 0);
        }
    }
}
