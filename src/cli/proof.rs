//! `beadle log head`, `prove` and `verify`: the history is signed, one event is proven, all of it is checked.
//!
//! A proof and an export are checked with nothing but themselves and a key or heads from a place that is trusted.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ask::{ask, rows};
use super::progress::Bar;
use super::style::{counted, out, time};
use super::{Context, Failure};
use crate::adapter::matrix::own_posts_of;
use crate::app::surroundings;
use crate::query::command::{Refusal, Request, Sink, report, telling};
use crate::query::proof::{gather, nothing, report_against};
use crate::store::evidence::{PROOF_BYTES_MAX, Proof, Shown, check};
use crate::store::exported::{key_of as key_of_export, verify_export};
use crate::store::history::{Claim, Outside};
use crate::store::proof::Key;
use crate::store::verify::{key_of, verify_against};

/// Largest file of heads that is read, in bytes: an export of a room with far more posts than heads.
pub const AGAINST_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most heads in one question to a running bot.
pub const CLAIMS_SENT_MAX: usize = 4_096;

/// Which event to prove, and where to.
#[derive(Debug, clap::Args)]
pub struct ProveArgs {
    /// A position, or `stream/version`.
    event: String,
    /// Where the proof is written; without it, it is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Proves that the event is there, and not what it says.
    #[arg(long)]
    without_payload: bool,
}

/// What to check, and against what.
#[derive(Debug, Default, clap::Args)]
pub struct VerifyArgs {
    /// Compares with the heads in a room, `#audit:example.org` or `!id`, or in a file, such as an export of the room.
    #[arg(long, value_name = "ROOM|FILE")]
    against: Option<String>,
    /// Checks the proof of one event; no log is needed.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Checks an export of a log; no log is needed.
    #[arg(long, value_name = "FILE", conflicts_with = "proof")]
    export: Option<PathBuf>,
    /// The key that must have signed the heads, as `beadle log head` printed it.
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
}

impl VerifyArgs {
    /// The given key.
    fn key(&self) -> Result<Option<Key>, Failure> {
        let key = self.key.as_deref().map(Key::parse).transpose();
        key.map_err(|error| Failure::new(2, error))
    }

    /// The room of `--against`.
    fn room(&self) -> Option<&str> {
        self.against.as_deref().filter(|against| against.starts_with(['#', '!']))
    }

    /// The file of `--against`.
    fn file(&self) -> Option<&Path> {
        self.against.as_deref().filter(|_| self.room().is_none()).map(Path::new)
    }
}

/// Prints the signed head of the log as it is.
pub fn head(context: &Context) -> Result<u8, Failure> {
    let rows = rows(context, &Request::LogHead)?;
    let row = rows.first().cloned().unwrap_or_default();
    match context.json() {
        true => out!("{row}"),
        false => {
            out!("{}", text(&row, "note").trim_end());
            out!("");
            out!("key: {}", text(&row, "key"));
        }
    }
    Ok(0)
}

/// Writes the proof of one event.
pub fn prove(context: &Context, args: &ProveArgs) -> Result<u8, Failure> {
    let (event, without_payload) = (args.event.clone(), args.without_payload);
    let rows = rows(context, &Request::LogProve { event, without_payload })?;
    let row = rows.first().cloned().unwrap_or_default();
    let proof = serde_json::to_string_pretty(&row).unwrap_or_default();
    match &args.out {
        None if context.json() => out!("{row}"),
        None => out!("{proof}"),
        Some(file) => {
            let written = std::fs::write(file, proof + "\n");
            written.map_err(|why| {
                Failure::new(1, format!("cannot write {}: {why}", file.display()))
            })?;
            let told =
                format!("event {} is proven in {}", row["inclusion"]["position"], file.display());
            match context.json() {
                true => {
                    out!("{}", json!({ "written": file, "position": row["inclusion"]["position"] }))
                }
                false => out!("{told}"),
            }
        }
    }
    Ok(0)
}

/// Checks the log, an export, or a proof.
pub fn verify(context: &Context, args: &VerifyArgs) -> Result<u8, Failure> {
    match (&args.proof, &args.export) {
        (Some(file), _) => verify_proof(context, file, args),
        (None, Some(file)) => verify_file(context, file, args),
        (None, None) => verify_log(context, args),
    }
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or("")
}

fn damaged(what: impl ToString) -> Failure {
    Failure::new(4, what)
}

/// The log of the data directory, of a running bot or not.
fn verify_log(context: &Context, args: &VerifyArgs) -> Result<u8, Failure> {
    let given = args.key()?;
    let mut outside = Outside::default();
    if given.is_some() || args.file().is_some() {
        let rows = rows(context, &Request::LogKey)?;
        let key = rows.first().map(|row| text(row, "key").to_owned()).unwrap_or_default();
        if given.is_some_and(|given| given.as_str() != key) {
            return Err(damaged(format!(
                "the log signs with another key than the given one: {key}"
            ))
            .hint("this is another log, or its keys were replaced"));
        }
        if let Some(file) = args.file() {
            let key = Key::parse(&key).map_err(|error| Failure::new(1, error))?;
            outside = heads_in(file, &key)?;
        }
    }
    let room = args.room().map(str::to_owned);
    let mut chunks = outside.claims.chunks(CLAIMS_SENT_MAX);
    let first = chunks.next().unwrap_or_default();
    let mut row = compared(context, first, room)?;
    for chunk in chunks {
        join(&mut row, &compared(context, chunk, None)?);
    }
    if args.room().is_none() {
        row["said"] = json!(outside.told());
    }
    verified(context, &row)
}

fn compared(context: &Context, claims: &[Claim], room: Option<String>) -> Result<Value, Failure> {
    let request = match claims.is_empty() && room.is_none() {
        true => Request::LogVerify,
        false => Request::LogVerifyAgainst { claims: claims.to_vec(), room },
    };
    let mut last = Value::Null;
    ask(context, &request, &mut |row| {
        last = row;
        Ok(())
    })?;
    Ok(last)
}

/// Adds what a further part of the heads came to.
fn join(row: &mut Value, further: &Value) {
    let sum = row["heads"]["outside"].as_u64().unwrap_or(0);
    row["heads"]["outside"] = json!(sum + further["heads"]["outside"].as_u64().unwrap_or(0));
    let newest = |row: &Value| row["heads"]["newest_outside"].as_u64().unwrap_or(0);
    row["heads"]["newest_outside"] = json!(newest(row).max(newest(further)));
    let found = further["findings"].as_array().cloned().unwrap_or_default();
    if let Some(findings) = row["findings"].as_array_mut() {
        found.into_iter().for_each(|finding| match findings.contains(&finding) {
            true => {}
            false => findings.push(finding),
        });
    }
}

/// No bot runs: the log is read as it is, for opening it would already replay and cut.
///
/// # Errors
/// [`Failure`] if it cannot be read; [`Refusal`] if there is nothing to compare with.
pub fn as_it_is(
    context: &Context,
    data: &Path,
    claims: &[Claim],
    room: Option<&str>,
    sink: &mut dyn Sink,
) -> Result<Result<(), Refusal>, Failure> {
    let mut outside = Outside { claims: claims.to_vec(), ..Outside::default() };
    if let Some(room) = room {
        let key = key_of(data, &surroundings())?;
        let posts = {
            // The session is used by one process at a time, as the log is.
            let _lock = crate::store::lock(data)?;
            let reading = own_posts_of(data, context.config.homeserver.as_deref(), room);
            context.runtime()?.block_on(reading).map_err(|error| {
                let hint = error.hint();
                Failure::new(5, error).hint(hint)
            })?
        };
        let posts = posts.map_err(|why| Failure::new(1, why))?;
        if let Err(refusal) = gather(&mut outside, &key, &posts, room) {
            return Ok(Err(refusal));
        }
    }
    let verified = verify_against(data, &surroundings(), &outside.claims, &mut telling(sink))?;
    let row = match claims.is_empty() && room.is_none() {
        true => report(&verified),
        false => report_against(&verified, &outside),
    };
    Ok(sink.row(row).map_err(Refusal::from))
}

/// The heads of one log in a file.
fn heads_in(file: &Path, key: &Key) -> Result<Outside, Failure> {
    let text = read(file, AGAINST_BYTES_MAX)?;
    let mut outside = Outside::default();
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    outside.add(&text, key, &name);
    match outside.claims.is_empty() {
        true => {
            let hints = outside.told().join("; ");
            Err(Failure::new(1, nothing(&file.display().to_string())).hint(
                match hints.is_empty() {
                    true => "give a file in which posts of the audit room stand".to_owned(),
                    false => hints,
                },
            ))
        }
        false => Ok(outside),
    }
}

fn read(file: &Path, bytes_max: u64) -> Result<String, Failure> {
    let failed =
        |why: std::io::Error| Failure::new(1, format!("cannot read {}: {why}", file.display()));
    let bytes = std::fs::metadata(file).map_err(failed)?.len();
    if bytes > bytes_max {
        let what = format!("{} has {bytes} bytes, {bytes_max} are read", file.display());
        return Err(Failure::new(1, what));
    }
    Ok(String::from_utf8_lossy(&std::fs::read(file).map_err(failed)?).into_owned())
}

/// An export, without any log.
fn verify_file(context: &Context, file: &Path, args: &VerifyArgs) -> Result<u8, Failure> {
    if let Some(room) = args.room() {
        let what = format!(
            "an export is checked without a log and without a session: {room} cannot be read"
        );
        return Err(
            Failure::new(2, what).hint("save the posts of the room in a file, and name that")
        );
    }
    if !file.is_file() {
        return Err(Failure::new(1, format!("there is no file {}", file.display())));
    }
    let given = args.key()?;
    let trusted = given.is_some();
    let key = match given {
        Some(key) => Some(key),
        None => key_of_export(file)?,
    };
    let outside = match (args.file(), &key) {
        (Some(against), Some(key)) => heads_in(against, key)?,
        (Some(_), None) => {
            let what = "the export has no head, so nobody says which key signed those in the file";
            return Err(Failure::new(2, what).hint("give the key with --key"));
        }
        (None, _) => Outside::default(),
    };
    let mut bar = Bar::new(context.global.quiet);
    let mut told = |done, total| bar.step("bytes checked", done, total);
    let found = verify_export(file, key, &outside.claims, &mut told)?;
    bar.end();
    let mut row = report_against(&found, &outside);
    if !trusted && found.key.is_some() {
        let said = row["said"].as_array_mut();
        let told = "the key is the one that the export itself names: compare it with one from elsewhere, or give it with --key";
        said.into_iter().for_each(|said| said.push(json!(told)));
    }
    verified(context, &row)
}

/// What a check came to.
fn verified(context: &Context, row: &Value) -> Result<u8, Failure> {
    let findings = row["findings"].as_array().cloned().unwrap_or_default();
    match context.json() {
        true => out!("{row}"),
        false => told(row, &findings),
    }
    match findings.len() {
        0 => Ok(0),
        count => Err(damaged(format!("the log is damaged: {count} findings"))
            .hint("nothing was changed; keep a copy of the data directory and restore a backup")),
    }
}

fn told(row: &Value, findings: &[Value]) {
    for finding in findings {
        out!("{}: {}", text(finding, "place"), text(finding, "what"));
    }
    for said in row["said"].as_array().into_iter().flatten() {
        out!("{}", said.as_str().unwrap_or(""));
    }
    let erased = row["erased"].as_u64().filter(|erased| *erased > 0);
    let erased = erased.map_or(String::new(), |erased| format!(", {erased} of them erased"));
    let number = |name: &str, thing: &str| counted(row[name].as_u64().unwrap_or(0), thing);
    let (events, segments) = (number("events", "event"), number("segments", "segment"));
    let from = row["first"].as_u64().map(|first| format!(", from event {first} on"));
    let from = from.unwrap_or_default();
    let findings = counted(findings.len() as u64, "finding");
    out!("{events} in {segments}{from}{erased}, {findings}");
    if let Some(more) = row["unlisted"].as_u64().filter(|more| *more > 0) {
        out!("{more} more findings are not listed");
    }
    let heads = &row["heads"];
    if let Some(recorded) = heads["recorded"].as_u64().filter(|count| *count > 0) {
        let recorded = counted(recorded, "head");
        out!("compared with {recorded} in the log, up to event {}", heads["newest"]);
    }
    match heads["outside"].as_u64() {
        Some(0) | None => {
            out!("compared with no head from outside: a rewritten tail is not found so")
        }
        Some(count) => {
            out!(
                "compared with {count} heads from outside, up to event {}",
                heads["newest_outside"]
            );
        }
    }
    if let Some(key) = row["key"].as_str() {
        out!("key: {key}");
    }
}

/// The proof of one event, without any log.
fn verify_proof(context: &Context, file: &Path, args: &VerifyArgs) -> Result<u8, Failure> {
    if let Some(room) = args.room() {
        let what = format!("a proof is checked without a session: {room} cannot be read");
        return Err(
            Failure::new(2, what).hint("save the posts of the room in a file, and name that")
        );
    }
    let given = args.key()?;
    let proof: Proof = serde_json::from_str(&read(file, PROOF_BYTES_MAX)?)
        .map_err(|why| damaged(format!("{} is no proof: {why}", file.display())))?;
    let shown = check(&proof, given.as_ref())
        .map_err(|why| damaged(format!("{} proves nothing: {why}", file.display())))?;
    let seen = match args.file() {
        Some(against) => Some(seen_in(against, &proof, &shown)?),
        None => None,
    };
    show_proof(context, &proof, &shown, given.is_some(), seen.as_deref());
    Ok(0)
}

/// That the head of a proof stands in a file of heads.
fn seen_in(against: &Path, proof: &Proof, shown: &Shown) -> Result<String, Failure> {
    let key = Key::parse(&proof.key).map_err(damaged)?;
    let outside = heads_in(against, &key)?;
    let same = outside.claims.iter().filter(|claim| claim.size == shown.size);
    let roots: Vec<&str> = same.map(|claim| claim.root.as_str()).collect();
    let (size, file) = (shown.size, against.display());
    match roots.as_slice() {
        [] => Err(Failure::new(
            1,
            format!("there is no head of {size} events in {file}: nothing was compared"),
        )
        .hint("prove the event again, or take a newer export of the room")),
        roots if roots.iter().all(|root| **root == shown.root) => Ok(file.to_string()),
        _ => Err(damaged(format!("the head of {size} events in {file} is another one"))),
    }
}

fn show_proof(context: &Context, proof: &Proof, shown: &Shown, trusted: bool, seen: Option<&str>) {
    let (id, erased) = (shown.id.to_string(), proof.event.erased);
    if context.json() {
        let row = json!({
            "position": shown.position, "id": id, "type": shown.kind, "ts_ms": shown.ts.0,
            "size": shown.size, "root": shown.root, "key": proof.key, "key_given": trusted,
            "head_in": seen, "payload": shown.payload, "erased": erased,
        });
        return out!("{row}");
    }
    out!("event {} {id} {} of {}", shown.position, shown.kind, time(shown.ts.0));
    out!("is under the signed head of {} events, root {}", shown.size, shown.root);
    match (trusted, seen) {
        (_, Some(file)) => out!("the same head stands in {file}"),
        (true, None) => out!("the head is signed with the given key"),
        (false, None) => {
            out!(
                "the key is the one that the proof itself names: compare it with one from elsewhere, or give it with --key"
            );
        }
    }
    out!("key: {}", proof.key);
    match &shown.payload {
        Some(payload) => out!("{}", serde_json::to_string_pretty(payload).unwrap_or_default()),
        None if erased => {
            out!("its payload is not in the proof, which says that it was erased: ask the log")
        }
        None => out!("its payload is not in the proof"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_a_bound() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        for (most, what) in [(PROOF_BYTES_MAX, "a proof"), (AGAINST_BYTES_MAX, "heads")] {
            for (bytes, fits) in [(most, true), (most + 1, false)] {
                // A file with a hole takes no room on the disk.
                std::fs::File::create(&file).and_then(|file| file.set_len(bytes)).expect("is made");
                let checked = std::fs::metadata(&file).expect("is there").len() <= most;
                assert_eq!(checked, fits, "{what}");
                if !fits {
                    assert!(read(&file, most).is_err(), "{what}");
                }
            }
        }
    }

    #[test]
    fn the_most_heads_fit_into_one_question() {
        let place = "x".repeat(255);
        let claim = Claim { size: u64::MAX, root: "x".repeat(44), place };
        let request = Request::LogVerifyAgainst {
            claims: vec![claim; CLAIMS_SENT_MAX],
            room: Some("!".repeat(255)),
        };
        let bytes = serde_json::to_vec(&request).expect("is JSON").len() as u64;
        assert!(bytes < crate::control::REQUEST_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn the_parts_of_many_heads_are_put_together() {
        let row = |outside: u64, newest: u64, found: &[&str]| json!({ "heads": { "outside": outside, "newest_outside": newest }, "findings": found });
        let mut whole = row(CLAIMS_SENT_MAX as u64, 70, &["a"]);
        join(&mut whole, &row(3, 90, &["a", "b"]));
        assert_eq!(whole, row(CLAIMS_SENT_MAX as u64 + 3, 90, &["a", "b"]));
    }
}
