//! A folder of scripts is read again while the bot runs: what cannot be used now stays as it was.

use std::path::Path;
use std::sync::Arc;

use super::load::{Joined, Loaded, ScriptSet, load_each, sources_of};
use super::problem::Problem;
use super::source::Script;
use crate::domain::budget::Budgets;

/// Loads a folder again; a script with a problem stays in the version that was offered before, if there was one.
///
/// What has not changed keeps its names; a changed script that would take one of them stays as it was.
pub fn reload_folder(
    folder: &Path,
    old: &ScriptSet,
    budgets: &Budgets,
) -> (ScriptSet, Vec<Problem>) {
    let (sources, mut problems) = sources_of(folder);
    let Loaded { scripts: now, problems: more, checked } = load_each(sources, budgets);
    problems.extend(more);
    // A folder that cannot be read says nothing of the scripts below it.
    let broken = |file: &str| {
        let path = folder.join(file);
        problems.iter().any(|problem| {
            problem.file == file || !problem.file.is_empty() && path.starts_with(&problem.file)
        })
    };
    let kept: Vec<Arc<Script>> = old
        .scripts
        .iter()
        .filter(|(file, _)| !now.contains_key(*file) && broken(file))
        .map(|(_, script)| script.clone())
        .collect();
    let before = |script: &Arc<Script>| old.scripts.get(&script.file);
    let (same, changed): (Vec<_>, Vec<_>) = now
        .into_values()
        .partition(|script| before(script).is_some_and(|before| before.hash == script.hash));
    let mut set = Joined::default();
    for script in same.into_iter().chain(kept) {
        problems.extend(set.take(script));
    }
    for script in changed {
        let found = set.take(script.clone());
        if let (false, Some(before)) = (found.is_empty(), before(&script)) {
            // If its old names are taken too, it is left out; what took them is told above.
            drop(set.take(before.clone()));
        }
        problems.extend(found);
    }
    (ScriptSet { folder: folder.to_owned(), ..set.done(checked) }, problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::load::load_folder;

    /// Writes scripts; an empty text removes one.
    fn write(folder: &Path, scripts: &[(&str, &str)]) {
        for (name, text) in scripts {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("ours");
            match text.is_empty() {
                true => std::fs::remove_file(path).expect("it is there"),
                false => std::fs::write(path, text).expect("ours"),
            }
        }
    }

    /// Which alias is offered by which script, and the files of the problems.
    fn shown(set: &ScriptSet, problems: &[Problem]) -> String {
        let aliases = set.scripts.values().flat_map(|script| {
            script.aliases.iter().map(|alias| format!("{}:{}", script.file, alias.formats[0]))
        });
        let problems = problems.iter().map(|problem| format!("!{}", problem.file));
        aliases.chain(problems).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_cannot_be_used_stays_as_it_was() {
        const ONE: &str = "alias(\"one\", || say(\"1\"));";
        const TWO: &str = "alias(\"two\", || say(\"2\"));";
        for (change, want) in [
            (vec![], "a.rhai:one d/b.rhai:two"),
            (vec![("a.rhai", "alias(")], "a.rhai:one d/b.rhai:two !a.rhai"),
            (vec![("a.rhai", "")], "d/b.rhai:two"),
            (
                vec![("c.rhai", "alias(\"three\", || say(\"3\"));")],
                "a.rhai:one c.rhai:three d/b.rhai:two",
            ),
            (vec![("c.rhai", "alias(")], "a.rhai:one d/b.rhai:two !c.rhai"),
            // What has not changed keeps its names, whatever the order of the files.
            (vec![("a.rhai", TWO)], "a.rhai:one d/b.rhai:two !a.rhai"),
            (vec![("0.rhai", TWO)], "a.rhai:one d/b.rhai:two !0.rhai"),
            (vec![("a.rhai", TWO), ("d/b.rhai", ONE)], "a.rhai:two d/b.rhai:one"),
            (
                vec![("a.rhai", "alias("), ("c.rhai", ONE)],
                "a.rhai:one d/b.rhai:two !a.rhai !c.rhai",
            ),
        ] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            write(folder.path(), &[("a.rhai", ONE), ("d/b.rhai", TWO)]);
            let (old, problems) = load_folder(folder.path());
            assert_eq!(shown(&old, &problems), "a.rhai:one d/b.rhai:two");
            write(folder.path(), &change);
            let (new, problems) = reload_folder(folder.path(), &old, &Budgets::default());
            assert_eq!(shown(&new, &problems), want, "{change:?}");
        }
    }

    #[test]
    fn a_folder_that_is_gone_takes_no_script_with_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), &[("a.rhai", "alias(\"one\", || say(\"1\"));")]);
        let (old, _) = load_folder(folder.path());
        let gone = folder.path().to_owned();
        drop(folder);
        let (new, problems) = reload_folder(&gone, &old, &Budgets::default());
        assert_eq!((new.scripts.len(), problems.len()), (1, 1), "{problems:?}");
    }
}
