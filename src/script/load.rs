//! Folders of scripts become a checked set, or every problem with its file, line and column.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, Position};

use super::check::across::{self, Named};
use super::check::{Checked, Checker, words};
use super::engine::{STACK_BYTES, engine_within};
use super::evaluate::load_library;
pub use super::evaluate::{load_one, load_script};
use super::gauge::setting;
use super::host;
use super::problem::Problem;
use super::resolver::{Library, is_library};
use super::source::{ActionDef, AliasDef, SCRIPT_BYTES_MAX, Script};
use crate::domain::budget::Budgets;
use crate::domain::schedule::SCHEDULES_MAX;
use crate::domain::sensor::SENSORS_MAX;

/// Most script files.
pub const SCRIPTS_MAX: usize = 2_000;
/// Deepest nesting of folders.
pub const FOLDERS_MAX: usize = 8;

/// Scripts that were loaded together.
#[derive(Default, Clone)]
pub struct ScriptSet {
    /// By file.
    pub scripts: BTreeMap<String, Arc<Script>>,
    /// All actions by name.
    pub actions: Arc<BTreeMap<String, ActionDef>>,
    /// The folder.
    pub folder: PathBuf,
    /// What is wrong among the scripts, or doubtful in one, and keeps none from being loaded.
    pub told: Vec<Problem>,
}

impl ScriptSet {
    /// What is certainly wrong among the scripts, though each of them is used.
    pub fn wrong(&self) -> Vec<Problem> {
        self.told.iter().filter(|problem| problem.is_error()).cloned().collect()
    }
}

/// Loads every `*.rhai` below a folder. Scripts with problems are left out, and all problems are told.
pub fn load_folder(folder: &Path) -> (ScriptSet, Vec<Problem>) {
    load_folder_within(folder, &Budgets::default())
}

/// The same within other budgets.
pub fn load_folder_within(folder: &Path, budgets: &Budgets) -> (ScriptSet, Vec<Problem>) {
    let (sources, mut problems) = sources_of(folder);
    let (mut set, mut more) = load_sources_within(sources, budgets);
    set.folder = folder.to_owned();
    problems.append(&mut more);
    (set, problems)
}

/// Reads every `*.rhai` below a folder.
pub(super) fn sources_of(folder: &Path) -> (Vec<(String, String)>, Vec<Problem>) {
    let mut problems = vec![];
    let mut files = vec![];
    find(folder, folder, FOLDERS_MAX, &mut files, &mut problems);
    files.sort();
    if files.len() > SCRIPTS_MAX {
        problems.push(Problem::file("", format!("more than {SCRIPTS_MAX} scripts"), None));
        files.truncate(SCRIPTS_MAX);
    }
    let mut sources = vec![];
    for file in files {
        let path = folder.join(&file);
        let read = if is_library(&file) { stays_inside(folder, &path, &file) } else { Ok(()) };
        match read.and_then(|()| read_source(&path, &file)) {
            Ok(source) => sources.push((file, source)),
            Err(problem) => problems.push(*problem),
        }
    }
    (sources, problems)
}

fn find(
    root: &Path,
    folder: &Path,
    depth: usize,
    files: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) => {
            let hint = "name the folder with --scripts, or create it".to_owned();
            let what = format!("cannot read the scripts folder: {why}");
            return problems.push(Problem::file(&folder.display().to_string(), what, Some(hint)));
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && depth > 0 {
            find(root, &path, depth - 1, files, problems);
        } else if path.extension().is_some_and(|end| end == "rhai")
            && !hidden
            && !definitions(&path)
        {
            let name = path.strip_prefix(root).unwrap_or(&path);
            files.push(name.to_string_lossy().into_owned());
        }
    }
}

/// Whether a file holds definitions for editors: it is no script.
fn definitions(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".d.rhai")
}

/// A library may be a link, but to a file of the same folder.
fn stays_inside(root: &Path, path: &Path, file: &str) -> Result<(), Box<Problem>> {
    let unreadable = |why: std::io::Error| Box::new(Problem::file(file, why.to_string(), None));
    let real = |path: &Path| path.canonicalize().map_err(unreadable);
    match real(path)?.starts_with(real(root)?) {
        true => Ok(()),
        false => {
            let hint = "put the file itself there".to_owned();
            let what = "this library is a link that leads out of the scripts folder";
            Err(Box::new(Problem::file(file, what, Some(hint))))
        }
    }
}

/// Reads a script, or says what is wrong and what to do.
fn read_source(path: &Path, file: &str) -> Result<String, Box<Problem>> {
    let problem =
        |what: String, hint: &str| Box::new(Problem::file(file, what, Some(hint.to_owned())));
    let long = || {
        problem(
            format!("a script may have {SCRIPT_BYTES_MAX} bytes"),
            "split it into several files",
        )
    };
    let unreadable = |why: std::io::Error| problem(why.to_string(), "check its owner and mode");
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.len() > SCRIPT_BYTES_MAX as u64 {
        return Err(long());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    if bytes.len() > SCRIPT_BYTES_MAX {
        return Err(long());
    }
    let source = String::from_utf8(bytes).map_err(|why| {
        let good =
            String::from_utf8_lossy(&why.as_bytes()[..why.utf8_error().valid_up_to()]).into_owned();
        let line = good.matches('\n').count() + 1;
        let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(0);
        let problem =
            Problem::file(file, "the file is not UTF-8: here is a broken character", None);
        let hint = Some("save it as UTF-8".to_owned());
        Box::new(Problem { line: number(line), column: number(column), hint, ..problem })
    })?;
    match serde_json::Value::from(source.as_str()).to_string().len() > 2 * SCRIPT_BYTES_MAX {
        true => Err(problem("the file is full of control characters".into(), "is it a script?")),
        false => Ok(source),
    }
}

/// Loads scripts from their sources; a file below a folder `lib` is a library for the others.
pub fn load_sources(sources: Vec<(String, String)>) -> (ScriptSet, Vec<Problem>) {
    load_sources_within(sources, &Budgets::default())
}

fn load_sources_within(
    sources: Vec<(String, String)>,
    budgets: &Budgets,
) -> (ScriptSet, Vec<Problem>) {
    let Loaded { scripts, mut problems, checked } = load_each(sources, budgets);
    let mut set = Joined::default();
    for script in scripts.into_values() {
        problems.extend(set.take(script));
    }
    (set.done(checked), problems)
}

/// Scripts that were loaded each for itself.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) scripts: BTreeMap<String, Arc<Script>>,
    /// What keeps the others from it.
    pub(super) problems: Vec<Problem>,
    pub(super) checked: CheckedFiles,
}

/// What the check found in files.
#[derive(Default)]
pub(super) struct CheckedFiles {
    doubts: BTreeMap<String, Vec<Problem>>,
    /// What each file names, also one that could not be loaded.
    named: BTreeMap<String, Named>,
}

/// Loads scripts from their sources, each for itself.
pub(super) fn load_each(sources: Vec<(String, String)>, budgets: &Budgets) -> Loaded {
    let budgets = *budgets;
    on_script_thread(move || {
        let engine = engine_within(&budgets);
        let checker = Checker::new();
        let (libraries, sources): (Vec<_>, Vec<_>) =
            sources.into_iter().partition(|(file, _)| is_library(file));
        let library = Arc::new(Library::from_iter(libraries));
        let mut loaded = Loaded::default();
        for (file, source) in library.iter() {
            let ran = load_library(&engine, file, source, &library);
            loaded.problems.extend(joined(checker.script(file, source, &library).problems, ran));
        }
        for (file, source) in sources {
            let Checked { problems, uses, declares } = checker.script(&file, &source, &library);
            let named = Named { source: source.clone(), uses, declares };
            loaded.checked.named.insert(file.clone(), named);
            let (wrong, doubts): (Vec<_>, Vec<_>) =
                problems.into_iter().partition(Problem::is_error);
            match load_script(&engine, &file, &source, &library) {
                Ok(script) if wrong.is_empty() => {
                    loaded.checked.doubts.insert(file.clone(), doubts);
                    loaded.scripts.insert(file, Arc::new(script));
                }
                Ok(_) => loaded.problems.extend(wrong),
                Err(found) => loaded.problems.extend(joined(wrong, found)),
            }
        }
        loaded
    })
}

/// What was found by looking, and what was found by running that is not at a place that was told already.
fn joined(looked: Vec<Problem>, ran: Vec<Problem>) -> Vec<Problem> {
    let told = |it: &Problem| looked.iter().any(|other| other.line == it.line && it.line > 0);
    let new: Vec<Problem> = ran.into_iter().filter(|it| !told(it)).collect();
    let mut all: Vec<Problem> = looked.into_iter().filter(Problem::is_error).chain(new).collect();
    all.sort_by_key(|it| (it.line, it.column));
    all
}

/// Runs a job on a thread with a stack that scripts cannot exhaust.
pub fn on_script_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let thread =
        std::thread::Builder::new().name("script".into()).stack_size(STACK_BYTES).spawn(job);
    let thread = thread.expect("the system has a thread for a script");
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Scripts whose names do not collide: what comes first has its names.
#[derive(Default)]
pub(super) struct Joined {
    scripts: BTreeMap<String, Arc<Script>>,
    actions: BTreeMap<String, ActionDef>,
    names: BTreeMap<String, String>,
    sensors: BTreeMap<String, String>,
    schedules: usize,
}

impl Joined {
    /// Takes a script in, or says which of its names are taken already.
    pub(super) fn take(&mut self, script: Arc<Script>) -> Vec<Problem> {
        let file = &script.file;
        let mut found = vec![];
        let mut own: BTreeMap<&str, &AliasDef> = BTreeMap::new();
        for alias in &script.aliases {
            if let Some(first) = own.get(alias.name.as_str()) {
                let what = format!(
                    "the alias `{}` is already in line {}, and one of them would never run",
                    alias.name, first.line
                );
                let hint = format!("write `#{{ name: \"{} again\" }}` for one of them", alias.name);
                let place = (alias.line, alias.column);
                let problem = Problem::at(file, &script.source, place.0, place.1, what);
                found.push(problem.hinted(Some(hint)));
                continue;
            }
            own.insert(&alias.name, alias);
            if let Some(other) = self.names.get(&alias.name) {
                let what = format!("the alias `{}` is already in {other}", alias.name);
                let hint = "give one of them another `name`".to_owned();
                let place = (alias.line, alias.column);
                let problem = Problem::at(file, &script.source, place.0, place.1, what);
                found.push(problem.hinted(Some(hint)));
            }
        }
        for rule in &script.rules {
            let elsewhere = self.names.get(&rule.name);
            let here = own.contains_key(rule.name.as_str())
                || script.rules.iter().filter(|it| it.name == rule.name).count() > 1;
            if here || elsewhere.is_some() {
                let other = elsewhere.unwrap_or(file);
                let what = format!("the name `{}` is already in {other}", rule.name);
                let hint =
                    "give one of them another `name`: aliases and rules are told apart by it";
                let problem = Problem::at(file, &script.source, rule.line, rule.column, what);
                found.push(problem.hinted(Some(hint.to_owned())));
            }
        }
        for action in script.actions.values() {
            if self.actions.contains_key(&action.name) {
                let what = format!("the action `{}` is already declared elsewhere", action.name);
                found.push(Problem::file(file, what, None));
            }
        }
        found.extend(self.of_sensors_and_times(&script));
        if found.is_empty() {
            self.schedules += script.schedules.len();
            let sensors = script.sensors.iter().map(|it| (it.name.clone(), file.clone()));
            self.sensors.extend(sensors);
            let aliases = script.aliases.iter().map(|alias| alias.name.clone());
            let rules = script.rules.iter().map(|rule| rule.name.clone());
            self.names.extend(aliases.chain(rules).map(|name| (name, file.clone())));
            self.actions.extend(script.actions.clone());
            self.scripts.insert(file.clone(), script);
        }
        found
    }

    /// What is wrong with the sensors and schedules of one more script.
    fn of_sensors_and_times(&self, script: &Script) -> Vec<Problem> {
        let (file, mut found) = (&script.file, vec![]);
        for sensor in &script.sensors {
            if let Some(other) = self.sensors.get(&sensor.name) {
                let what = format!("the sensor `{}` is already in {other}", sensor.name);
                let place = (sensor.line, sensor.column);
                let problem = Problem::at(file, &script.source, place.0, place.1, what);
                let hint = "give one of them another name".to_owned();
                found.push(problem.hinted(Some(hint)));
            }
        }
        let many = |most: usize, what: &str| {
            let hint = "leave some out, or run another bot for them".to_owned();
            Problem::file(file, format!("more than {most} {what} in all scripts"), Some(hint))
        };
        if self.schedules + script.schedules.len() > SCHEDULES_MAX {
            found.push(many(SCHEDULES_MAX, "schedules"));
        }
        if self.sensors.len() + script.sensors.len() > SENSORS_MAX {
            found.push(many(SENSORS_MAX, "sensors"));
        }
        found
    }

    /// What was taken in.
    pub(super) fn done(self, checked: CheckedFiles) -> ScriptSet {
        let actions = Arc::new(self.actions);
        let scripts = self.scripts;
        let mut set = ScriptSet { scripts, actions, ..ScriptSet::default() };
        let doubts = checked.doubts.into_iter().filter(|(file, _)| set.scripts.contains_key(file));
        let mut told: Vec<Problem> = doubts.flat_map(|(_, doubts)| doubts).collect();
        told.extend(across::look(&set, &checked.named));
        told.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        set.told = told;
        set
    }
}

/// A run-time error at its innermost place.
pub fn runtime_problem(file: &str, source: &str, error: &EvalAltResult) -> Problem {
    let Place { message, position, .. } = innermost(error);
    problem(file, source, position, message.clone()).hinted(run_hint(&message))
}

/// The error without the chain of calls.
pub fn innermost_error(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, below, _)
        | EvalAltResult::ErrorInModule(_, below, _) => innermost_error(below),
        other => other,
    }
}

/// What went wrong where.
pub struct Place {
    /// The message without the chain of calls.
    pub message: String,
    /// The innermost place.
    pub position: Position,
    /// The library that this is a place of; none: the script itself.
    pub library: Option<String>,
}

/// The message of an error without the chain of calls, and its innermost place.
pub fn innermost(error: &EvalAltResult) -> Place {
    let (mut inner, mut position) = (error, error.position());
    let mut library = None;
    while let EvalAltResult::ErrorInFunctionCall(_, _, below, _)
    | EvalAltResult::ErrorInModule(_, below, _) = inner
    {
        if let EvalAltResult::ErrorInFunctionCall(_, file, ..) = inner {
            library = Some(file.clone()).filter(|file| is_library(file));
        }
        inner = below;
        if !inner.position().is_none() {
            position = inner.position();
        }
    }
    let message = match inner {
        EvalAltResult::ErrorTooManyOperations(_) => {
            format!("the script did too many operations ({})", setting("operations_max"))
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            format!("calls nest too deep ({})", setting("call_levels_max"))
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => too_large(what),
        EvalAltResult::ErrorRuntime(value, _) => thrown(value),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => host::wrong_call(signature),
        EvalAltResult::ErrorMismatchDataType(wanted, given, _)
            if wanted == "Fn" && given == "string" =>
        {
            "`call` calls a closure; `run(\"..\")` runs a command".to_owned()
        }
        other => without_position(&other.to_string()),
    };
    Place { message, position, library }
}

/// What the engine says of a value beyond a budget, with the setting.
fn too_large(what: &str) -> String {
    let (words, name) = match what {
        "Length of string" => ("a string is too long", "string_bytes_max"),
        "Size of object map" => ("a map has too many entries", "map_entries_max"),
        _ => ("an array has too many items", "array_items_max"),
    };
    format!("{words} ({})", setting(name))
}

/// What a script threw, in words.
fn thrown(value: &Dynamic) -> String {
    let map = value.read_lock::<rhai::Map>();
    let message = map.as_ref().and_then(|map| map.get("message")).map(ToString::to_string);
    let said = message.unwrap_or_else(|| value.to_string());
    if said.trim().is_empty() { "it threw an error that says nothing".to_owned() } else { said }
}

pub(super) fn problem(file: &str, source: &str, at: Position, message: String) -> Problem {
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Problem::at(file, source, number(at.line()), number(at.position()).max(1), message)
}

pub(super) fn without_position(message: &str) -> String {
    let end = message.rfind(" (line ").unwrap_or(message.len());
    message[..end].to_owned()
}

/// Suggests a host function for an unknown one.
fn run_hint(message: &str) -> Option<String> {
    let signature = message.strip_prefix("there is no function `")?;
    let name = signature.split([' ', '(', '`']).next()?;
    let near = host::nearest(name, host::table().map(|row| row.name))?;
    Some(format!("did you mean `{near}`?"))
}

/// The word that begins at a place.
fn word_at(source: &str, at: Position) -> Option<&str> {
    let line = source.lines().nth(at.line()?.checked_sub(1)?)?;
    let (start, _) = line.char_indices().nth(at.position()?.checked_sub(1)?)?;
    line[start..].split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

pub(super) fn parse_hint(message: &str, source: &str, at: Position) -> Option<String> {
    let word = words::of_message(message).or_else(|| word_at(source, at));
    if let Some(instead) = word.and_then(words::instead) {
        return Some(format!("this word belongs to the language: {instead}"));
    }
    let reserved = message.contains("reserved keyword");
    reserved.then(|| "choose another name: this word belongs to the language".to_owned())
}
