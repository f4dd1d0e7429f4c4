//! `beadle script new`: a script to begin with, with a test that passes.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::style::out;
use super::super::{Context, Failure};

/// What to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A command that answers.
    Alias,
    /// A program as an operation, and a command that runs it.
    Action,
    /// Several steps with a question that may wait for days.
    Workflow,
}

const ALIAS: &str = include_str!("new/alias.rhai");
const ACTION: &str = include_str!("new/action.rhai");
const PROGRAM: &str = include_str!("new/action.sh");
const WORKFLOW: &str = include_str!("new/workflow.rhai");

/// Writes it into the scripts folder; nothing that is there is touched.
pub(super) fn main(context: &Context, name: &str, kind: Kind) -> Result<u8, Failure> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty()
        || !name.chars().all(fits)
        || name.starts_with(|c: char| !c.is_ascii_lowercase())
    {
        return Err(Failure::new(2, format!("`{name}` is no name for a script"))
            .hint("use lower-case letters, digits and `_`: restart_web"));
    }
    let folder = context.scripts()?;
    let words = name.replace('_', " ");
    let filled = |text: &str| text.replace("NAME", name).replace("WORDS", &words);
    let script = folder.join(format!("{name}.rhai"));
    match kind {
        Kind::Alias => write(&script, &filled(ALIAS), 0o644)?,
        Kind::Workflow => write(&script, &filled(WORKFLOW), 0o644)?,
        Kind::Action => {
            let program = folder.join("actions").join(format!("{name}.sh"));
            if script.exists() {
                return Err(exists(&script));
            }
            std::fs::create_dir_all(folder.join("actions"))?;
            write(&program, &filled(PROGRAM), 0o755)?;
            write(&script, &filled(ACTION), 0o644)?;
        }
    }
    out!("try it: beadle script test {}", script.display());
    Ok(0)
}

fn exists(path: &Path) -> Failure {
    Failure::new(1, format!("{} is there already", path.display())).hint("choose another name")
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|why| match why.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::new(1, format!("cannot write {}: {why}", path.display())),
    })?;
    file.write_all(text.as_bytes())?;
    out!("wrote {}", path.display());
    Ok(())
}
