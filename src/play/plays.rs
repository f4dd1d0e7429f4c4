//! The plays of one test: as written, with a stop at every append, hot and cold.
//!
//! What people read and what actions did must be the same in every play. After a stop directly behind the start of an
//! effect of class `once` the effect is in doubt; then somebody must be told, and the rest is not compared.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rhai::{Dynamic, Engine, EvalAltResult};
use sha2::{Digest, Sha256};

use super::rehearse::{APPENDS_MAX, Ending, Failed, TEST_TIME_MAX, Tested};
use super::stage::{OnStage, Props, Reached, Scene, Told, chat};
use crate::domain::budget::Budgets;
use crate::processor::Settings;
use crate::script::closure::Closure;
use crate::script::gauge::{Over, gauged};
use crate::script::host::chat::on_stage;
use crate::script::hot::HOT_FOR;
use crate::script::load::{ScriptSet, innermost, on_script_thread};
use crate::script::source::{Script, TestDef};
use crate::store::Entropy;

/// How long scripts that wait stay on their threads: for a while, and not at all.
const TEMPERS: [(Duration, &str); 2] =
    [(HOT_FOR, ""), (Duration::ZERO, ", always from the journal")];

/// What all tests are played with.
pub(super) struct Company {
    /// Runs the scripts and the tests.
    pub engine: Arc<Engine>,
    /// All scripts.
    pub set: ScriptSet,
    /// What they may take.
    pub budgets: Budgets,
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

/// One test and what its plays came to so far.
struct Plays<'a> {
    company: &'a Company,
    script: &'a Arc<Script>,
    test: &'a TestDef,
    deadline: Instant,
    played: u64,
    in_doubt: u64,
}

/// Runs one test with all its plays, or once as written; gives what it has reached too.
pub(super) fn one(
    company: &Company,
    script: &Arc<Script>,
    test: &TestDef,
    once: bool,
) -> (Tested, Vec<Reached>) {
    let deadline = Instant::now() + TEST_TIME_MAX;
    let mut plays = Plays { company, script, test, deadline, played: 0, in_doubt: 0 };
    let (ending, reached) = match plays.play(HOT_FOR, None) {
        Err(failed) => (Ending::Failed(failed), vec![]),
        Ok(written) => {
            let ended = if once { Ok(()) } else { plays.all(&written) };
            let Plays { played, in_doubt, .. } = plays;
            let passed = Ending::Passed { plays: played, appends: written.appends, in_doubt };
            (ended.map_or_else(Ending::Failed, |()| passed), written.reached)
        }
    };
    let (file, name) = (script.file.clone(), test.name.clone());
    (Tested { file, name, line: test.line, ending }, reached)
}

impl Plays<'_> {
    /// Every play but the first.
    fn all(&mut self, written: &Told) -> Result<(), Failed> {
        for (hot_for, how) in TEMPERS {
            let name = format!("as written{how}");
            let plain = match hot_for.is_zero() {
                // The first play was hot.
                false => written.clone(),
                true => self.same(hot_for, None, written, &name)?,
            };
            if plain.appends > APPENDS_MAX {
                let appends = plain.appends;
                let what = format!("it makes {appends} appends; a test may make {APPENDS_MAX}");
                return Err(failed(self.test, what, name, plain.lines));
            }
            let stops = plain.appends;
            for (nth, survives) in (1..=stops).flat_map(|nth| [(nth, false), (nth, true)]) {
                let end = if survives { "kept" } else { "lost" };
                let name = format!("with a stop at append {nth} of {stops} ({end}){how}");
                self.same(hot_for, Some((nth, survives)), written, &name)?;
            }
        }
        Ok(())
    }

    /// Plays once more and compares.
    fn same(
        &mut self,
        hot_for: Duration,
        stop: Option<(u64, bool)>,
        written: &Told,
        name: &str,
    ) -> Result<Told, Failed> {
        let told = self.play(hot_for, stop);
        let told = told.map_err(|failed| Failed { play: name.to_owned(), ..failed })?;
        self.in_doubt += u64::from(told.in_doubt);
        match differs(written, &told) {
            Some(what) => Err(failed(self.test, what, name.to_owned(), told.lines)),
            None => Ok(told),
        }
    }

    fn play(&mut self, hot_for: Duration, stop: Option<(u64, bool)>) -> Result<Told, Failed> {
        let props = Props {
            engine: self.company.engine.clone(),
            set: self.company.set.clone(),
            budgets: self.company.budgets,
            settings: Settings { hot_for, ..Settings::simulated("!") },
            entropy: Arc::new(SameBytes::default()),
            deadline: self.deadline,
        };
        self.played += 1;
        let (script, test) = (self.script.clone(), self.test.clone());
        on_script_thread(move || played(&props, &script, &test, stop))
    }
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

/// A failure of a test as a whole.
fn failed(test: &TestDef, what: String, play: String, conversation: Vec<String>) -> Failed {
    Failed { line: test.line, column: test.column, what, play, conversation }
}

/// Plays a test once, on this thread.
fn played(
    props: &Props,
    script: &Script,
    test: &TestDef,
    stop: Option<(u64, bool)>,
) -> Result<Told, Failed> {
    let whole = |what: String| failed(test, what, "as written".into(), vec![]);
    let scene = Rc::new(RefCell::new(Scene::begin(props, stop).map_err(whole)?));
    let Some(global) = script.global.clone() else {
        return Err(whole("its script declares nothing".into()));
    };
    let body = Closure { function: test.body.clone(), global: (*global).clone() };
    let stage = Box::new(OnStage(scene.clone()));
    let (result, _) = on_stage(stage, || within_budgets(props, &body));
    let told = scene.borrow().end().map_err(|why| whole(why.to_string()))?;
    match result {
        Err(error) if !told.in_doubt => Err(placed(test, &error, &told)),
        _ => Ok(told),
    }
}

/// Runs the body of a test with the budgets of a script; what the bot does meanwhile is not counted, only its time is.
fn within_budgets(props: &Props, body: &Closure) -> Result<Dynamic, Box<EvalAltResult>> {
    let time = props.deadline.saturating_duration_since(Instant::now());
    let call = || body.call_isolated(&props.engine, [chat()]);
    let (result, over) = gauged(Some(time), || catch_unwind(AssertUnwindSafe(call)));
    let at = |result: &Result<Dynamic, Box<EvalAltResult>>| {
        result.as_ref().err().map_or(rhai::Position::NONE, |why| innermost(why).position)
    };
    let fails = |what: String, at| Err(EvalAltResult::ErrorRuntime(what.into(), at).into());
    match (result, over) {
        (Err(_), _) => fails("the script engine broke off".into(), rhai::Position::NONE),
        (Ok(result), None) => result,
        (Ok(result), Some(Over::Time)) => fails("the test takes too long".into(), at(&result)),
        (Ok(result), Some(over)) => fails(over.words(&props.budgets), at(&result)),
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
