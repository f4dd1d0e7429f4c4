//! `beadle log backup`, `restore` and `export`: the log leaves the data directory, and comes back.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use serde_json::{Value, json};

use super::ask::{ask, open_log, rows};
use super::progress::Bar;
use super::style::out;
use super::{Context, Failure};
use crate::control::unix_user;
use crate::domain::event::LogRestored;
use crate::processor::upkeep;
use crate::query::command::Request;
use crate::store::backup::{self, Restore, Restored, Target, restore};
use crate::store::{OpenError, disk};

/// Where a backup goes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: beadle log backup /srv/backup/beadle --keys /mnt/safe/beadle.keys"
)]
pub struct BackupArgs {
    /// The folder for the journal and the blobs: an empty one, or that of an earlier backup of this log.
    dir: PathBuf,
    /// The folder for the keys [default: the first folder's name and `.keys`].
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Links files that never change instead of copying them; needs the same file system, and dies with its disk.
    #[arg(long)]
    link: bool,
}

/// What is brought back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: beadle log restore /srv/backup/beadle --keys /mnt/safe/beadle.keys --replace"
)]
pub struct RestoreArgs {
    /// The folder of the journal and the blobs.
    dir: PathBuf,
    /// The folder of the keys [default: the first folder's name and `.keys`].
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The data directory [default: that of --data].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Moves a log that is there aside, to `<data>.replaced-<time>`; what was erased in it is erased again.
    #[arg(long)]
    replace: bool,
    /// The `erasures.bin` of a log that was newer than the backup: what was erased in it is erased again.
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,
}

/// How the log is written out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: beadle log export --format jsonl --out log.jsonl")]
pub struct ExportArgs {
    /// JSON, an event a line.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// A file, which is replaced when it is whole; else standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The journal's own lines, sealed as they are: for somebody who verifies the log and is not to read it.
    #[arg(long)]
    sealed: bool,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// JSON lines.
    Jsonl,
}

/// The folder of the keys, if none is named.
fn keys_of(dir: &Path, keys: Option<&PathBuf>) -> std::io::Result<PathBuf> {
    let dir = absolute(dir)?;
    match keys {
        Some(keys) => absolute(keys),
        None => {
            let mut name = dir.file_name().map(OsString::from).unwrap_or_default();
            name.push(".keys");
            Ok(dir.with_file_name(name))
        }
    }
}

/// Makes a backup; a running bot does it itself.
pub fn make(context: &Context, args: &BackupArgs) -> Result<u8, Failure> {
    let (dir, keys) = (absolute(&args.dir)?, keys_of(&args.dir, args.keys.as_ref())?);
    let target = Target { dir, keys, link: args.link };
    for row in rows(context, &Request::LogBackup(target))? {
        if context.json() {
            out!("{row}");
            continue;
        }
        let text = |name: &str| row[name].as_str().unwrap_or("").to_owned();
        out!(
            "{} events in {} files, {} MiB; new were {} files, {} MiB. All of it was checked.",
            row["next"],
            row["files"],
            mib(&row["bytes"]),
            row["new_files"],
            mib(&row["new_bytes"])
        );
        out!("the log is in {}, its keys in {}: keep them apart", text("dir"), text("keys"));
    }
    Ok(0)
}

fn mib(bytes: &Value) -> u64 {
    bytes.as_u64().unwrap_or(0).div_ceil(1024 * 1024)
}

/// Brings a backup back, and records that.
pub fn bring_back(context: &Context, args: &RestoreArgs) -> Result<u8, Failure> {
    let to = absolute(args.to.clone().map_or_else(|| context.data(), Ok)?)?;
    let (dir, keys) = (absolute(&args.dir)?, keys_of(&args.dir, args.keys.as_ref())?);
    let wanted = Restore { dir, keys, to, replace: args.replace, erasures: args.erasures.clone() };
    let mut bar = Bar::new(context.global.quiet);
    let restored = restore(&wanted, &crate::app::surroundings(), &mut |what, done, total| {
        bar.step(what, done, total);
        Ok(())
    });
    bar.end();
    let restored = restored?;
    record(context, &wanted.to, &restored)?;
    let Restored { next, files, bytes, erased, ledger_torn, moved_to } = restored;
    let (to, moved_to) =
        (wanted.to.display().to_string(), moved_to.map(|it| it.display().to_string()));
    if context.json() {
        out!(
            "{}",
            json!({
                "to": to, "next": next, "files": files, "bytes": bytes, "erased": erased,
                "ledger_torn": ledger_torn, "moved_to": moved_to,
            })
        );
        return Ok(0);
    }
    out!("{next} events are back in {to}; {erased} keys were erased again. All of it was checked.");
    if ledger_torn {
        eprintln!(
            "warning: the ledger of erasures ends in a record that is not whole: what it names was not erased again"
        );
    }
    if let Some(moved_to) = moved_to {
        out!("the log that was there is in {moved_to}: it can be deleted");
    }
    Ok(0)
}

/// The event store is made anew on the way.
fn record(context: &Context, to: &Path, restored: &Restored) -> Result<(), Failure> {
    let (store, _) = open_log(context, to)?;
    let store = Arc::new(store);
    let event = LogRestored {
        next: restored.next,
        erased: restored.erased,
        moved_to: restored.moved_to.as_ref().map(|path| path.display().to_string()),
    };
    let by = unix_user(nix::unistd::geteuid());
    let recorded = context.runtime()?.block_on(upkeep::record(&*store, &by, event));
    store.close();
    recorded.map_err(|error| Failure::new(1, error))
}

/// Writes the whole log out.
pub fn export(context: &Context, args: &ExportArgs) -> Result<u8, Failure> {
    let Format::Jsonl = args.format;
    let request = Request::LogExport { sealed: args.sealed };
    let Some(path) = &args.out else {
        ask(context, &request, &mut |row| {
            out!("{}", line(&row));
            Ok(())
        })?;
        return Ok(0);
    };
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let written = write(context, &request, &fresh);
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    fs::rename(&fresh, path)?;
    Ok(0)
}

fn write(context: &Context, request: &Request, path: &Path) -> Result<(), Failure> {
    let _ = fs::remove_file(path);
    let mut file: BufWriter<File> = BufWriter::new(disk::create_new(path)?);
    ask(context, request, &mut |row| Ok(writeln!(file, "{}", line(&row))?))?;
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}

/// A line of the journal comes as a text, and is written as it is.
fn line(row: &Value) -> String {
    row.as_str().map_or_else(|| row.to_string(), str::to_owned)
}

impl From<backup::Error> for Failure {
    fn from(error: backup::Error) -> Self {
        match error {
            backup::Error::Damaged { .. } => {
                Self::new(4, &error).hint("nothing was changed; take an older backup")
            }
            backup::Error::Open(error @ OpenError::Locked { .. }) => {
                Self::new(1, &error).hint("stop the bot before its log is replaced")
            }
            backup::Error::Open(error) => error.into(),
            backup::Error::Refused(_) | backup::Error::Stopped(_) => Self::new(1, &error),
        }
    }
}
