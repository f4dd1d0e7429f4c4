//! `beadle script test`: the tests inside scripts.

use std::path::PathBuf;

use serde_json::json;

use super::super::style::{counted, out};
use super::super::{Context, Failure};
use super::{folder_and_file, tell};
use crate::play::rehearse::{Ending, Failed, Report, Tested, Which, run};
use crate::script::load::load_folder_within;

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// A script or a folder; else the configured folder.
    path: Option<PathBuf>,
    /// Only tests whose name has this in it; `*` is anything.
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only as written, without stops.
    #[arg(long)]
    once: bool,
}

/// Runs them.
pub(super) fn main(context: &Context, args: &TestArgs) -> Result<u8, Failure> {
    let (folder, file) = folder_and_file(context, args.path.as_deref())?;
    let (set, problems) = load_folder_within(&folder, &context.config.budgets);
    let broken = |name: &String| problems.iter().any(|problem| problem.file == *name);
    let concerns = file.as_ref().is_none_or(|name| broken(name) || !set.scripts.contains_key(name));
    if !problems.is_empty() && concerns {
        tell(context, &problems);
        let problems = counted(problems.len() as u64, "problem");
        let what = format!("{problems}: nothing is tested");
        return Err(Failure::new(3, what).hint("`beadle script check` shows them again"));
    }
    let (name, budgets) = (args.name.clone(), context.config.budgets);
    let which = Which { file, name, once: args.once, budgets };
    let report = run(&set, &which, |tested| match context.json() {
        true => out!("{}", as_json(tested)),
        false => out!("{}", shown(tested)),
    });
    summary(context, &report);
    Ok(if report.failed() == 0 { 0 } else { 1 })
}

fn summary(context: &Context, report: &Report) {
    if context.json() {
        for it in &report.unreached {
            let row =
                json!({ "unreached": it.name, "kind": it.kind, "file": it.file, "line": it.line });
            out!("{row}");
        }
        let (tests, failed) = (report.tests.len(), report.failed());
        out!(
            "{}",
            json!({ "tests": tests, "failed": failed, "unreached": report.unreached.len() })
        );
        return;
    }
    for it in &report.unreached {
        out!("no test runs the {} `{}` ({}:{})", it.kind, it.name, it.file, it.line);
    }
    let (tests, failed) = (report.tests.len(), report.failed());
    match (tests, failed) {
        (0, _) => out!("there are no tests; `test(\"name\", |chat| ..)` in a script is one"),
        (_, 0) => out!("{} passed", counted(tests as u64, "test")),
        _ => out!("{failed} of {} failed", counted(tests as u64, "test")),
    }
}

fn as_json(tested: &Tested) -> serde_json::Value {
    let Tested { file, name, line, ending } = tested;
    match ending {
        Ending::Passed { plays, appends, in_doubt } => json!({
            "file": file, "line": line, "test": name, "passed": true,
            "plays": plays, "appends": appends, "in_doubt_plays": in_doubt,
        }),
        Ending::Failed(failed) => json!({
            "file": file, "line": failed.line, "column": failed.column, "test": name,
            "passed": false, "what": failed.what, "play": failed.play,
            "conversation": failed.conversation,
        }),
    }
}

fn shown(tested: &Tested) -> String {
    let Tested { file, name, line, ending } = tested;
    match ending {
        Ending::Passed { plays: 1, .. } => format!("ok    {file}:{line} {name}"),
        Ending::Passed { plays, appends, in_doubt } => {
            let doubt = match in_doubt {
                0 => String::new(),
                count => format!(", in doubt in {count}"),
            };
            format!("ok    {file}:{line} {name} ({appends} appends, {plays} plays{doubt})")
        }
        Ending::Failed(failed) => {
            let Failed { line, column, what, play, conversation } = failed;
            let lines: Vec<String> = conversation.iter().map(|it| format!("\n    {it}")).collect();
            let lines = if lines.is_empty() { "\n    nothing".into() } else { lines.concat() };
            format!(
                "FAIL  {file}:{line}:{column} {name}\n  {play}: {what}\n  the conversation until then:{lines}"
            )
        }
    }
}
