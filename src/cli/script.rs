//! `beadle script`: checks and tests scripts before they run.

use std::path::{Path, PathBuf};

use super::style::out;
use super::{Context, Failure};
use crate::script::problem::Problem;

mod check;
mod docs;
mod new;
mod run;
mod test;

/// What to do with scripts.
#[derive(Debug, clap::Subcommand)]
pub enum ScriptCommand {
    /// Loads every script and tells every problem with its place.
    #[command(after_help = "Example: beadle script check scripts")]
    Check {
        /// The folder; else the configured one.
        folder: Option<PathBuf>,
    },
    /// Runs the tests inside scripts: as written, and again with a stop at every append.
    #[command(after_help = "Example: beadle script test scripts/vm.rhai --name 'creates *'")]
    Test(test::TestArgs),
    /// Shows what a text would do, without doing it: actions that only read are run, others are pretended.
    #[command(
        after_help = "Example: beadle script run --dry 'create vm web1 on aws' --answer 'cloud.create_vm={\"ip\":\"10.0.0.7\"}' --reply yes"
    )]
    Run(run::RunArgs),
    /// Writes a page of what a folder of scripts offers, or the definitions for editors.
    #[command(after_help = "Example: beadle script docs --editor > beadle.d.rhai")]
    Docs {
        /// The folder; else the configured one.
        folder: Option<PathBuf>,
        /// The definitions of all functions, `beadle.d.rhai`, instead.
        #[arg(long)]
        editor: bool,
    },
    /// Writes a script to begin with, with a test that passes.
    #[command(after_help = "Example: beadle script new restart_web --kind workflow")]
    New {
        /// Its name: lower-case letters, digits and `_`.
        name: String,
        /// What to begin with.
        #[arg(long, value_enum, default_value = "alias")]
        kind: new::Kind,
    },
}

/// Does it.
pub fn main(context: &Context, command: &ScriptCommand) -> Result<u8, Failure> {
    match command {
        ScriptCommand::Check { folder } => check::main(context, folder.as_deref()),
        ScriptCommand::Test(args) => test::main(context, args),
        ScriptCommand::Run(args) => run::main(context, args),
        ScriptCommand::Docs { folder, editor } => docs::main(context, folder.as_deref(), *editor),
        ScriptCommand::New { name, kind } => new::main(context, name, *kind),
    }
}

/// The scripts folder that is meant, and the file in it, if one file is.
fn folder_and_file(
    context: &Context,
    given: Option<&Path>,
) -> Result<(PathBuf, Option<String>), Failure> {
    let Some(path) = given else { return Ok((context.scripts()?, None)) };
    if path.is_dir() {
        return Ok((path.to_owned(), None));
    }
    let real = |path: &Path| {
        let missing = |why| Failure::new(1, format!("cannot read {}: {why}", path.display()));
        path.canonicalize().map_err(missing)
    };
    let file = real(path)?;
    // A script finds its libraries and actions in the folder that it belongs to.
    let usual = context.scripts().ok().and_then(|folder| folder.canonicalize().ok());
    let own = file.parent().map(Path::to_owned);
    let folder = usual.filter(|folder| file.starts_with(folder)).or(own);
    let folder = folder.ok_or_else(|| Failure::new(2, "this file is in no folder"))?;
    let name = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
    Ok((folder, Some(name)))
}

/// Tells problems: to people on standard error, to programs one object a line.
pub(super) fn tell(context: &Context, problems: &[Problem]) {
    for problem in problems {
        match context.json() {
            true => out!("{}", problem.to_json()),
            false => eprintln!("{problem}"),
        }
    }
}
