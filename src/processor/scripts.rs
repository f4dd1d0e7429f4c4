//! The scripts that are offered now, and the older versions that executions are pinned to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use rhai::Engine;
use tokio::sync::watch;

use super::sheet::kept_under;
use super::{Error, Kernel};
use crate::domain::alias::Format;
use crate::domain::alias_index::{AliasId, AliasIndex};
use crate::domain::budget::Budgets;
use crate::domain::catalog::{Alias, Catalog, Scheduled};
use crate::domain::event::{Event, Handler, ScriptKept};
use crate::domain::id::{DedupeKey, ScriptHash, StreamName, Version};
use crate::domain::rule::{Does, Rule, RuleIndex};
use crate::script::engine::{self, engine, engine_within};
use crate::script::load::{
    ScriptSet, load_folder_within, load_script, load_sources, on_script_thread,
};
use crate::script::problem::Problem;
use crate::script::reload::reload_folder;
use crate::script::resolver::Library;
use crate::script::source::{Import, RuleDef, ScheduleDef, Script};
use crate::script::threads::Threads;
use crate::script::uses::Uses;
use crate::store::{Direction, EventStore, ReadError};

/// Most pinned versions that are kept compiled.
pub const PINNED_MAX: usize = 64;

/// The scripts and the engine that runs them.
pub struct Scripts {
    /// Shared by all runs; another one when the budgets change.
    engine: RwLock<Arc<Engine>>,
    /// Where they run.
    pub threads: Threads,
    current: RwLock<Arc<Offered>>,
    pinned: Mutex<BTreeMap<ScriptHash, Arc<Script>>>,
    /// Counts how often others were offered.
    changed: watch::Sender<u64>,
}

/// What is offered now.
pub struct Offered {
    /// The scripts.
    pub set: ScriptSet,
    /// Their commands.
    pub catalog: Catalog,
    /// What is wrong with the files of which an older version is offered, or nothing.
    pub problems: BTreeMap<String, String>,
}

impl Scripts {
    /// Offers a set.
    pub fn new(set: ScriptSet) -> Self {
        Self::with(Arc::new(engine()), set)
    }

    /// Offers a set that this engine runs.
    pub fn with(engine: Arc<Engine>, set: ScriptSet) -> Self {
        let catalog = catalog(&set);
        Self {
            engine: RwLock::new(engine),
            threads: Threads::default(),
            current: RwLock::new(Arc::new(Offered { set, catalog, problems: BTreeMap::new() })),
            pinned: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }

    /// Tells each time that other scripts are offered.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Offers what a folder holds; scripts with problems are left out.
    pub fn folder(folder: &Path) -> (Self, Vec<Problem>) {
        Self::folder_within(folder, &Budgets::default())
    }

    /// The same within other budgets.
    pub fn folder_within(folder: &Path, budgets: &Budgets) -> (Self, Vec<Problem>) {
        let (set, problems) = load_folder_within(folder, budgets);
        let scripts = Self::with(Arc::new(engine_within(budgets)), set);
        scripts.note(&problems);
        (scripts, problems)
    }

    /// What runs them now.
    pub fn engine(&self) -> Arc<Engine> {
        self.engine.read().expect("nobody panics with the engine").clone()
    }

    /// Runs within other budgets from the next slice on.
    pub fn allow(&self, budgets: &Budgets) {
        if engine::budgets(&self.engine()) != *budgets {
            let engine = Arc::new(engine_within(budgets));
            *self.engine.write().expect("nobody panics with the engine") = engine;
        }
    }

    /// Offers what the folder holds now; a script with a problem stays as it was.
    ///
    /// Executions that run keep the version that they were started with.
    pub fn reload(&self) -> Vec<Problem> {
        let old = self.offered();
        let (set, problems) =
            reload_folder(&old.set.folder, &old.set, &engine::budgets(&self.engine()));
        let catalog = catalog(&set);
        let noted = of_files(&problems);
        *self.current.write().expect("nobody panics with the scripts") =
            Arc::new(Offered { set, catalog, problems: noted });
        self.changed.send_modify(|count| *count += 1);
        problems
    }

    /// Notes what is wrong with files that were just loaded.
    fn note(&self, problems: &[Problem]) {
        let mut current = self.current.write().expect("nobody panics with the scripts");
        if let Some(offered) = Arc::get_mut(&mut current) {
            offered.problems = of_files(problems);
        }
    }

    /// Offers another set from now on.
    #[cfg(test)]
    pub fn offer(&self, set: ScriptSet) {
        let catalog = catalog(&set);
        *self.current.write().expect("nobody panics with the scripts") =
            Arc::new(Offered { set, catalog, problems: BTreeMap::new() });
        self.changed.send_modify(|count| *count += 1);
    }

    /// Offers what these sources hold.
    pub fn sources(sources: Vec<(String, String)>) -> (Self, Vec<Problem>) {
        let (set, problems) = load_sources(sources);
        (Self::new(set), problems)
    }

    /// What is offered now.
    pub fn offered(&self) -> Arc<Offered> {
        self.current.read().expect("nobody panics with the scripts").clone()
    }

    /// One version of a script: one that is offered, or one that the log keeps; none: the log has no such version.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn version(
        &self,
        hash: &ScriptHash,
        store: &dyn EventStore,
    ) -> Result<Option<Arc<Script>>, ReadError> {
        let offered = self.offered();
        if let Some(script) = offered.set.scripts.values().find(|script| script.hash == *hash) {
            return Ok(Some(script.clone()));
        }
        if let Some(script) = self.pinned.lock().expect("nobody panics with them").get(hash) {
            return Ok(Some(script.clone()));
        }
        let Some(kept) = self.kept(hash, store)? else { return Ok(None) };
        let Some(library) = library(&kept, store)? else { return Ok(None) };
        let engine = self.engine();
        let load = move || load_script(&engine, &kept.file, &kept.source, &Arc::new(library));
        let Ok(script) = on_script_thread(load).map(Arc::new) else { return Ok(None) };
        let mut pinned = self.pinned.lock().expect("nobody panics with them");
        while pinned.len() >= PINNED_MAX {
            pinned.pop_first();
        }
        pinned.insert(hash.clone(), script.clone());
        Ok(Some(script))
    }

    /// What a script and its libraries can run.
    pub fn uses(&self, script: &Arc<Script>) -> Uses {
        let (engine, script) = (self.engine(), script.clone());
        on_script_thread(move || Uses::of(&script, &engine))
    }

    /// The line on which a handler is declared, in its own version; none: that version is not known any more.
    pub fn line_of(&self, handler: &Handler, store: &dyn EventStore) -> Option<u32> {
        let script = self.version(&handler.script, store).ok().flatten()?;
        script.handler(handler).map(|def| def.line)
    }

    /// The source of a version as the log keeps it.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn kept(
        &self,
        hash: &ScriptHash,
        store: &dyn EventStore,
    ) -> Result<Option<ScriptKept>, ReadError> {
        let kept = store.read(&StreamName::script(hash), Version::START, Direction::Forward, 1)?;
        Ok(match kept.first().and_then(|recorded| recorded.event()) {
            Some(Event::ScriptKept(kept)) => Some(kept.clone()),
            _ => None,
        })
    }
}

/// The libraries of a version as the log keeps them; none: one is not there.
fn library(kept: &ScriptKept, store: &dyn EventStore) -> Result<Option<Library>, ReadError> {
    let mut library = Library::new();
    for import in &kept.imports {
        let stream = StreamName::script(&import.hash);
        let found = store.read(&stream, Version::START, Direction::Forward, 1)?;
        let Some(Event::ScriptKept(it)) = found.first().and_then(|it| it.event()) else {
            return Ok(None);
        };
        library.insert(import.file.clone(), it.source.clone());
    }
    Ok(Some(library))
}

impl Kernel {
    /// Keeps the libraries of a script, once for each version.
    ///
    /// This is an append of its own: a library that no execution refers to in the end does no harm, and a batch has its bound.
    pub(super) async fn keep_libraries(&self, script: &Script) -> Result<(), Error> {
        for Import { file, hash, source } in &script.imports {
            let key = DedupeKey::new(&["script", hash.as_str()]);
            if self.store.find(&key)?.is_none() {
                let (file, hash, source) = (file.clone(), hash.clone(), source.clone());
                let kept = ScriptKept { file, hash, source, imports: vec![] };
                self.store.append(vec![kept_under(key, kept)]).await?;
            }
        }
        Ok(())
    }
}

/// The first problem of each file.
fn of_files(problems: &[Problem]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for problem in problems.iter().filter(|problem| !problem.file.is_empty()) {
        files.entry(problem.file.clone()).or_insert_with(|| problem.message.clone());
    }
    files
}

/// The schedules of a set of scripts, by name.
fn schedules(set: &ScriptSet) -> Vec<Scheduled> {
    let of = |script: &Script, def: &ScheduleDef| Scheduled {
        name: def.name.clone(),
        spec: def.spec.clone(),
        policy: def.policy,
        polls: def.polls,
        help: if def.help.is_empty() { script.help.clone() } else { def.help.clone() },
        file: script.file.clone(),
        line: def.line,
    };
    let all = set.scripts.values().flat_map(|it| it.schedules.iter().map(|def| of(it, def)));
    let mut schedules: Vec<Scheduled> = all.collect();
    schedules.sort_by(|a, b| a.name.cmp(&b.name));
    schedules
}

/// The rules of a set of scripts, by name.
fn rules(set: &ScriptSet) -> Vec<Rule> {
    let of = |script: &Script, def: &RuleDef| Rule {
        name: def.name.clone(),
        help: if def.help.is_empty() { script.help.clone() } else { def.help.clone() },
        on: def.on.clone(),
        criteria: def.when.is_some(),
        room: def.room.clone(),
        tags: def.tags.clone(),
        windows: def.windows.clone(),
        role: def.role.clone(),
        does: Does::default(),
        file: script.file.clone(),
        line: def.line,
        script: script.hash.clone(),
    };
    let all = set.scripts.values().flat_map(|it| it.rules.iter().map(|def| of(it, def)));
    let mut rules: Vec<Rule> = all.collect();
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    rules
}

/// What a set of scripts offers.
pub fn catalog(set: &ScriptSet) -> Catalog {
    let mut aliases = vec![];
    for script in set.scripts.values() {
        for def in &script.aliases {
            aliases.push((def, script));
        }
    }
    aliases.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let mut formats = vec![];
    for (number, (def, _)) in aliases.iter().enumerate() {
        let parsed = def.formats.iter().filter_map(|text| Format::parse(text).ok());
        formats.extend(parsed.map(|format| (AliasId(number), format)));
    }
    let usages = |n: usize| {
        let own = formats.iter().filter(move |(number, _)| number.0 == n);
        own.map(|(_, format)| format.usage()).collect()
    };
    let aliases = aliases.iter().enumerate().map(|(n, (def, script))| Alias {
        name: def.name.clone(),
        usages: usages(n),
        help: if def.help.is_empty() { script.help.clone() } else { def.help.clone() },
        about: script.help.clone(),
        tags: def.tags.clone(),
        example: def.example.clone(),
        role: def.role.clone(),
        rooms: def.rooms.clone(),
        context: def.context.clone(),
        file: script.file.clone(),
        line: def.line,
        script: script.hash.clone(),
    });
    let aliases = aliases.collect();
    let rules = rules(set);
    let rule_index = RuleIndex::new(&rules);
    let (index, schedules) = (AliasIndex::new(formats), schedules(set));
    Catalog { aliases, index, rules, rule_index, schedules }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::NewEvent;
    use crate::script::source::hash;
    use crate::store::memory::MemoryStore;
    use crate::store::testing::surroundings;
    use crate::store::{Expected, Write};

    #[test]
    fn other_budgets_count_from_the_next_slice_on() {
        let scripts = Scripts::new(ScriptSet::default());
        let before = scripts.engine();
        scripts.allow(&Budgets::default());
        assert!(Arc::ptr_eq(&before, &scripts.engine()), "nothing has changed");
        let fewer = Budgets { operations_max: 10_000, ..Budgets::default() };
        scripts.allow(&fewer);
        assert_eq!(engine::budgets(&scripts.engine()), fewer);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let long = "for i in 0..20000 { i + 1; } alias(\"go\", || 1);";
        std::fs::write(folder.path().join("t.rhai"), long).expect("ours");
        let (scripts, problems) = Scripts::folder(folder.path());
        assert!(problems.is_empty(), "{problems:?}");
        let (less, problems) = Scripts::folder_within(folder.path(), &fewer);
        assert!(problems[0].message.contains("did 10000 operations"), "{problems:?}");
        scripts.allow(&fewer);
        let problems = scripts.reload();
        assert!(problems[0].message.contains("did 10000 operations"), "{problems:?}");
        less.allow(&Budgets::default());
        assert_eq!(less.reload(), vec![]);
    }

    #[tokio::test]
    async fn older_versions_are_kept_compiled_up_to_a_bound() {
        let store = MemoryStore::new(surroundings());
        let scripts = Scripts::new(ScriptSet::default());
        for nth in 0..PINNED_MAX + 3 {
            let (file, source) = ("t.rhai".to_owned(), format!("const N = {nth};"));
            let hash = hash(&source);
            let stream = StreamName::script(&hash);
            let events = vec![NewEvent::bare(ScriptKept {
                file,
                hash: hash.clone(),
                source,
                imports: vec![],
            })];
            let batch = vec![Write { stream, expected: Expected::NoStream, key: None, events }];
            store.append(batch).await.expect("appends");
            for _ in 0..2 {
                let script = scripts.version(&hash, store.as_ref()).expect("reads");
                assert_eq!(script.expect("the log has it").hash, hash);
            }
            assert_eq!(scripts.pinned.lock().unwrap().len(), (nth + 1).min(PINNED_MAX));
        }
    }
}
