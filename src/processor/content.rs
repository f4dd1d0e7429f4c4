//! What exactly would run if something were approved now: worked out part by part, so that what was changed can be told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::{Error, Kernel};
use crate::domain::alias_index::Found;
use crate::domain::approval::{ApprovalRequested, Basis, Content, Terms};
use crate::domain::builtin::Builtin;
use crate::domain::event::{EffectResult, ExecutionStarted, HandlerKind};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::ScriptHash;
use crate::domain::order::ordered_action;
use crate::domain::phrase;
use crate::processor::scripts::Offered;
use crate::script::action::ActionDef;
use crate::script::source::{Run, Script};
use crate::store::ReadError;

/// Most files whose hashes are remembered; beyond that all are worked out anew.
pub const HASHES_MAX: usize = 1_000;

/// The hashes of files as they were last seen.
#[derive(Debug, Default)]
pub struct Hashes(Mutex<BTreeMap<PathBuf, (Stamp, String)>>);

/// What tells one state of a file from another: its device and number, its length, and when it and what is said of it changed.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// What an execution can reach: by the actions that it can run, those of other scripts among them.
#[derive(Debug, Default)]
struct Reach {
    actions: BTreeSet<String>,
    /// The scripts besides its own, by file.
    scripts: BTreeMap<String, ScriptHash>,
    /// It may run anything.
    open: bool,
}

impl Kernel {
    /// What would run if this were approved now.
    pub(super) fn content(
        &self,
        execution: &Execution,
        what: &str,
        terms: &Terms,
    ) -> Result<Content, ReadError> {
        let started = &execution.started;
        let terms = serde_json::to_string(terms).unwrap_or_default();
        let mut basis = Basis::default()
            .with("command", format!("{} {}", started.handler.file, started.handler.alias))
            .with("parameters", phrase::canonical(&started.args))
            .with("room", started.place.room.as_str())
            .with("requester", started.requester.id.as_str())
            .with("request", format!("{what} {terms}"))
            .with("policy", self.policy_of(execution));
        if let Some(builtin) = Builtin::of(&started.handler) {
            if let (Builtin::Grant, Some(file)) = (builtin, started.args["file"].as_str()) {
                let offered = self.scripts.offered();
                let script = offered.set.scripts.get(file);
                let now = script.map_or("gone", |script| script.hash.as_str());
                basis = basis.with(format!("script {file}"), now);
            }
            return Ok(basis.content(self.store.key()));
        }
        let offered = self.scripts.offered();
        let file = &started.handler.file;
        let now = offered.set.scripts.get(file).map_or("gone", |script| script.hash.as_str());
        let hashes = format!("{} {now}", started.handler.script);
        basis = basis.with(format!("script {file}"), hashes);
        let reach = self.reach(started, &offered)?;
        for (file, hash) in &reach.scripts {
            let part = format!("script {file}");
            if *file != started.handler.file {
                basis = basis.with(part, hash.as_str());
            }
        }
        for def in offered.set.actions.values().filter(|def| reach.has(def)) {
            basis = basis.with(format!("action {}", def.name), self.made_of(&offered, def));
        }
        Ok(basis.content(self.store.key()))
    }

    /// The same, beside the other work: it reads programs.
    pub(super) async fn content_now(
        &self,
        execution: &Execution,
        requested: &ApprovalRequested,
    ) -> Result<Content, Error> {
        let (me, execution, requested) = (self.itself(), execution.clone(), requested.clone());
        let work = move || me.content(&execution, &requested.what, &requested.terms);
        let content = tokio::task::spawn_blocking(work).await;
        Ok(content.map_err(|why| ReadError::Store(why.to_string()))??)
    }

    /// What policies say of who asked: what they need, why they may not, and the policies that decide.
    fn policy_of(&self, execution: &Execution) -> String {
        let Some(permission) = self.permission(execution) else { return String::new() };
        let needs = permission.needs.clone().map(Terms::from);
        let needs = serde_json::to_string(&needs).unwrap_or_default();
        let refused = permission.refusal().unwrap_or_default();
        let cited = permission.policies.iter().map(|it| format!("{} {}", it.id, it.text));
        let cited: Vec<String> = cited.collect();
        format!("{needs} {refused} {}", cited.join("\n"))
    }

    /// What an action does: as it is declared, with the files that it is made of.
    fn made_of(&self, offered: &Offered, def: &ActionDef) -> String {
        // What is written in Rhai is as its script is; else only what is declared counts.
        let own = ActionDef { script: ScriptHash(String::new()), line: 0, ..def.clone() };
        let declared = match &def.body {
            Some(_) => def.script.to_string(),
            None => format!("{own:?}"),
        };
        format!("{declared} {}", self.hashes.programs(&offered.set.folder, def))
    }

    /// Whether the action of an effect is not what was approved last in its execution, if anything was.
    pub(super) fn is_void(&self, execution: &Execution, step: &Step) -> Result<bool, ReadError> {
        let granted = execution
            .steps
            .values()
            .filter(|it| it.approval.is_some() && matches!(it.result, Some(EffectResult::Ok(_))));
        let newest = granted.max_by_key(|it| it.done_at).and_then(|it| it.approval.as_ref());
        let built_in = Builtin::of(&execution.started.handler).is_some();
        let (Some(approval), Some(action), false) = (newest, step.action(), built_in) else {
            return Ok(false);
        };
        let part = format!("action {action}");
        let now = self.declared(execution, &step.args)?;
        let now = now.map(|def| self.made_of(&self.scripts.offered(), &def));
        let now = now.map(|now| Basis::default().with(part.clone(), now));
        let now = now.map(|basis| basis.content(self.store.key()));
        let now = now.as_ref().and_then(|content| content.parts.get(&part));
        Ok(approval.requested.parts.get(&part) != now)
    }

    /// What an execution can reach.
    fn reach(&self, started: &ExecutionStarted, offered: &Offered) -> Result<Reach, ReadError> {
        let mut reach = Reach::default();
        let mut waiting: VecDeque<Arc<Script>> = VecDeque::new();
        let pinned = self.scripts.version(&started.handler.script, self.store.as_ref())?;
        let of_alias = started.handler.kind == HandlerKind::Alias;
        let alias = pinned.as_ref().filter(|_| of_alias).and_then(|script| {
            script.aliases.iter().find(|alias| alias.name == started.handler.alias)
        });
        let action = match (ordered_action(started), alias.map(|alias| &alias.run)) {
            (Some(action), _) => Some(action),
            (None, Some(Run::Action(name))) => Some(name.as_str()),
            _ => None,
        };
        match (action, &pinned) {
            (Some(action), _) => reach.action(action, offered, &mut waiting),
            (None, Some(script)) => waiting.push_back(script.clone()),
            (None, None) => reach.open = true,
        }
        let mut seen: BTreeSet<ScriptHash> = BTreeSet::new();
        while let Some(script) = waiting.pop_front() {
            if !seen.insert(script.hash.clone()) {
                continue;
            }
            let uses = self.scripts.uses(&script);
            reach.open |= uses.open;
            for action in &uses.actions {
                reach.action(action, offered, &mut waiting);
            }
            for command in &uses.commands {
                reach.command(command, offered, &mut waiting);
            }
        }
        if reach.open {
            let all = offered.set.scripts.values();
            reach.scripts.extend(all.map(|script| (script.file.clone(), script.hash.clone())));
        }
        Ok(reach)
    }
}

impl Reach {
    fn has(&self, def: &ActionDef) -> bool {
        self.open || self.actions.contains(&def.name)
    }

    /// Adds an action; one that is written in Rhai runs others.
    fn action(&mut self, name: &str, offered: &Offered, waiting: &mut VecDeque<Arc<Script>>) {
        self.actions.insert(name.to_owned());
        let Some(def) = offered.set.actions.get(name).filter(|def| def.body.is_some()) else {
            return;
        };
        let script = offered.set.scripts.values().find(|script| script.hash == def.script);
        self.script(script, waiting);
    }

    /// Adds what a command runs.
    fn command(&mut self, text: &str, offered: &Offered, waiting: &mut VecDeque<Arc<Script>>) {
        let alias = match offered.catalog.index.lookup(text) {
            Found::One(hit) => offered.catalog.aliases.get(hit.alias.0),
            _ => None,
        };
        let script = alias.and_then(|alias| offered.set.scripts.get(&alias.file));
        self.script(script, waiting);
        let runs = script.zip(alias).and_then(|(script, alias)| {
            script.aliases.iter().find(|it| it.name == alias.name).map(|it| &it.run)
        });
        if let Some(Run::Action(name)) = runs {
            self.action(&name.clone(), offered, waiting);
        }
    }

    /// Adds a script with all that it can run; one that is not known may be anything.
    fn script(&mut self, script: Option<&Arc<Script>>, waiting: &mut VecDeque<Arc<Script>>) {
        match script {
            Some(script) => {
                self.scripts.insert(script.file.clone(), script.hash.clone());
                waiting.push_back(script.clone());
            }
            None => self.open = true,
        }
    }
}

impl Hashes {
    /// The hashes of the files that an action's command line names, and of those that it says it is made of.
    fn programs(&self, folder: &Path, def: &ActionDef) -> String {
        let dir = folder.join(&def.folder);
        let inner = def.dir.as_ref().map(|inner| dir.join(inner));
        let parts = def.run.iter().chain(&def.files);
        let paths =
            parts.flat_map(|part| [Some(&dir), inner.as_ref()].map(|base| Some(base?.join(part))));
        let hash = |path: PathBuf| self.file(&path).unwrap_or_else(|| "-".into());
        paths.flatten().map(hash).collect::<Vec<_>>().join(" ")
    }

    /// The hash of a file, all of it; none: it is none that can be read.
    fn file(&self, path: &Path) -> Option<String> {
        let before = stamp(path)?;
        let known = self.0.lock().expect("nobody panics with them").get(path).cloned();
        if let Some((_, hash)) = known.filter(|(stamp, _)| *stamp == before) {
            return Some(hash);
        }
        let mut sum = Sha256::new();
        std::io::copy(&mut File::open(path).ok()?, &mut sum).ok()?;
        let hash = data_encoding::HEXLOWER.encode(&sum.finalize());
        let mut known = self.0.lock().expect("nobody panics with them");
        if known.len() >= HASHES_MAX {
            known.clear();
        }
        // What changed while it was read is read again the next time.
        if stamp(path) == Some(before) {
            known.insert(path.to_owned(), (before, hash.clone()));
        }
        Some(hash)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok().filter(|about| about.is_file())?;
    let changed = (about.ctime(), about.ctime_nsec());
    Some((about.dev(), about.ino(), about.len(), (about.mtime(), about.mtime_nsec()), changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::action::tests::plain;

    #[test]
    fn the_whole_of_every_file_counts_and_what_is_remembered_has_a_bound() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).expect("ours");
        };
        let mut long = vec![b'x'; 5 * 1024 * 1024];
        write("big", &long);
        write("config", b"a = 1");
        let def = ActionDef {
            run: vec!["./big".into(), "config".into(), "no-file".into()],
            ..plain("vm.stop")
        };
        let made_of = ActionDef { files: vec!["config".into()], run: vec![], ..plain("vm.stop") };
        let hashes = Hashes::default();
        let now =
            || (hashes.programs(folder.path(), &def), hashes.programs(folder.path(), &made_of));
        let before = now();
        assert_eq!(now(), before);
        // The same length, and the difference far behind the beginning.
        *long.last_mut().expect("it has bytes") = b'y';
        write("big", &long);
        assert_ne!(now().0, before.0);
        assert_eq!(now().1, before.1);
        write("config", b"a = 2");
        assert_ne!(now().1, before.1);
        for nth in 0..=HASHES_MAX {
            let name = format!("f{nth}");
            write(&name, b"");
            hashes.file(&folder.path().join(&name));
        }
        let known = hashes.0.lock().expect("nobody panics with them").len();
        assert!(known <= HASHES_MAX, "{known}");
    }
}
