//! Runs the tests that scripts bring with them: each as written, and again with a stop at every append.
//!
//! What people read and what actions did must be the same in every play. After a stop directly behind the start of an
//! effect of class `once` the effect is in doubt; then somebody must be told, and the rest is not compared.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rhai::{Engine, EvalAltResult};
use sha2::{Digest, Sha256};

use super::pattern::{Words, matches};
use super::stage::{OnStage, Props, Scene, Told, chat};
use crate::processor::Settings;
use crate::script::closure::Closure;
use crate::script::engine::engine;
use crate::script::host::chat::on_stage;
use crate::script::load::{ScriptSet, innermost, on_script_thread};
use crate::script::source::{Script, TestDef};
use crate::store::Entropy;

/// Most appends of one test: each is a place to stop at.
pub const APPENDS_MAX: u64 = 500;
/// How long one test may take with all its plays.
pub const TEST_TIME_MAX: Duration = Duration::from_secs(300);

/// Which tests are run, and how often.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only tests of this file.
    pub file: Option<String>,
    /// Only tests with such a name.
    pub name: Option<String>,
    /// Only as written, without stops.
    pub once: bool,
}

/// What one test came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// The script.
    pub file: String,
    /// The test.
    pub name: String,
    /// Where it is declared.
    pub line: u32,
    /// How it ended.
    pub ending: Ending,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// As written in every play.
    Passed {
        /// How often it was played.
        plays: u64,
        /// How many appends there are, and so how many places to stop at.
        appends: u64,
        /// In how many plays an effect came in doubt.
        in_doubt: u64,
    },
    /// Not.
    Failed(Failed),
}

/// The first difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// The line of the test that was not fulfilled.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// What is different.
    pub what: String,
    /// In which play.
    pub play: String,
    /// What was said until then.
    pub conversation: Vec<String>,
}

/// An alias that no test has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The script.
    pub file: String,
    /// The alias.
    pub alias: String,
    /// Where it is declared.
    pub line: u32,
}

/// What all tests came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Each test, in the order of files and lines.
    pub tests: Vec<Tested>,
    /// Aliases of the tested scripts that no test has run.
    pub unreached: Vec<Unreached>,
}

impl Report {
    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| matches!(test.ending, Ending::Failed(_))).count()
    }
}

/// Runs tests; `tell` hears of each when it has ended.
pub fn run(set: &ScriptSet, which: &Which, mut tell: impl FnMut(&Tested)) -> Report {
    let engine = Arc::new(engine());
    let mut report = Report::default();
    let mut reached = BTreeSet::new();
    let scripts =
        set.scripts.values().filter(|it| which.file.as_ref().is_none_or(|f| *f == it.file));
    for script in scripts.clone() {
        for test in script.tests.iter().filter(|test| which.names(&test.name)) {
            let (tested, runs) = one(&engine, set, script, test, which.once);
            reached.extend(runs);
            tell(&tested);
            report.tests.push(tested);
        }
    }
    if which.name.is_none() {
        let unreached =
            scripts.flat_map(|script| script.aliases.iter().map(move |it| (script, it)));
        let unreached = unreached.filter(|(script, alias)| {
            !reached.contains(&(script.file.clone(), alias.name.clone()))
        });
        report.unreached.extend(unreached.map(|(script, alias)| Unreached {
            file: script.file.clone(),
            alias: alias.name.clone(),
            line: alias.line,
        }));
    }
    report
}

impl Which {
    /// Whether a test of this name is to be run: `*` is anything, and a part of the name is enough.
    fn names(&self, name: &str) -> bool {
        let fits = |pattern: &String| matches(&format!("*{pattern}*"), name, &mut Words::new());
        self.name.as_ref().is_none_or(fits)
    }
}

/// Bytes that are the same in every play: ids and keys are then the same too.
#[derive(Default)]
struct SameBytes(AtomicU64);

impl Entropy for SameBytes {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let nth = self.0.fetch_add(1, Ordering::SeqCst);
            part.copy_from_slice(&Sha256::digest(nth.to_be_bytes())[..part.len()]);
        }
    }
}

type Runs = Vec<(String, String)>;

/// Runs one test with all its plays.
fn one(
    engine: &Arc<Engine>,
    set: &ScriptSet,
    script: &Arc<Script>,
    test: &TestDef,
    once: bool,
) -> (Tested, Runs) {
    let tested = |ending| Tested {
        file: script.file.clone(),
        name: test.name.clone(),
        line: test.line,
        ending,
    };
    let deadline = Instant::now() + TEST_TIME_MAX;
    let play = |stop| {
        let props = Props {
            engine: engine.clone(),
            set: set.clone(),
            settings: Settings::simulated("!"),
            entropy: Arc::new(SameBytes::default()),
            deadline,
        };
        let (script, test) = (script.clone(), test.clone());
        on_script_thread(move || played(&props, &script, &test, stop))
    };
    let written = match play(None) {
        Ok(told) => told,
        Err(failed) => return (tested(Ending::Failed(failed)), vec![]),
    };
    let runs = written.reached.clone();
    let failed = |what: String, play: String| Failed {
        line: test.line,
        column: test.column,
        what,
        play,
        conversation: written.lines.clone(),
    };
    if written.appends > APPENDS_MAX {
        let what = format!("it makes {} appends; a test may make {APPENDS_MAX}", written.appends);
        return (tested(Ending::Failed(failed(what, "as written".into()))), runs);
    }
    let (mut plays, mut in_doubt) = (1, 0);
    let stops = if once { 0 } else { written.appends };
    for (nth, survives) in (1..=stops).flat_map(|nth| [(nth, false), (nth, true)]) {
        let name = format!(
            "with a stop at append {nth} of {stops} ({})",
            if survives { "kept" } else { "lost" }
        );
        let told = match play(Some((nth, survives))) {
            Ok(told) => told,
            Err(failed) => return (tested(Ending::Failed(Failed { play: name, ..failed })), runs),
        };
        plays += 1;
        in_doubt += u64::from(told.in_doubt);
        if let Some(what) = differs(&written, &told) {
            let failed = Failed { conversation: told.lines, ..failed(what, name) };
            return (tested(Ending::Failed(failed)), runs);
        }
    }
    (tested(Ending::Passed { plays, appends: written.appends, in_doubt }), runs)
}

/// How a play with a stop differs from the one as written, if it does.
fn differs(written: &Told, told: &Told) -> Option<String> {
    if told.in_doubt {
        let nobody = told.lines.iter().all(|line| !line.starts_with("< "));
        return nobody.then(|| "an effect is in doubt, and nobody was told".to_owned());
    }
    for (room, texts) in &written.said {
        let none = vec![];
        let now = told.said.get(room).unwrap_or(&none);
        if now != texts {
            return Some(format!("in {room} the bot said {now:?}, and as written {texts:?}"));
        }
    }
    if told.said.len() != written.said.len() {
        return Some("the bot spoke in other rooms than as written".to_owned());
    }
    match told.ran == written.ran {
        true => None,
        false => Some(format!("the actions {:?} ran, and as written {:?}", told.ran, written.ran)),
    }
}

/// Plays a test once, on this thread.
fn played(
    props: &Props,
    script: &Script,
    test: &TestDef,
    stop: Option<(u64, bool)>,
) -> Result<Told, Failed> {
    let failed = |what: String| Failed {
        line: test.line,
        column: test.column,
        what,
        play: "as written".into(),
        conversation: vec![],
    };
    let scene = Rc::new(RefCell::new(Scene::begin(props, stop).map_err(failed)?));
    let Some(global) = script.global.clone() else {
        return Err(failed("its script declares nothing".into()));
    };
    let body = Closure { function: test.body.clone(), global: (*global).clone() };
    let stage = Box::new(OnStage(scene.clone()));
    let (result, _) = on_stage(stage, || body.call_isolated(&props.engine, [chat()]));
    let told = scene.borrow().end().map_err(|why| failed(why.to_string()))?;
    match result {
        Err(error) if !told.in_doubt => Err(placed(test, &error, &told)),
        _ => Ok(told),
    }
}

/// A failure at the line of the test that was not fulfilled.
fn placed(test: &TestDef, error: &EvalAltResult, told: &Told) -> Failed {
    let place = innermost(error);
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok());
    Failed {
        line: number(place.position.line()).unwrap_or(test.line),
        column: number(place.position.position()).unwrap_or(test.column),
        what: place.message,
        play: "as written".into(),
        conversation: told.lines.clone(),
    }
}
