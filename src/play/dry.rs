//! A dry run: what a text would do, on a log in memory, with everything outside pretended.
//!
//! Actions that only read are really run, every other one is shown, and gives what it is said to give; where nobody says
//! that, it gives a placeholder, and what follows is a guess. Time is passed over.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};

use super::bot::{Bot, BotError};
use super::parse::Does;
use super::world::{Person, Room, World};
use crate::domain::budget::Budgets;
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::http;
use crate::domain::id::{Position, Timestamp};
use crate::domain::trigger::{Trigger, What};
use crate::processor::action::{ActionCall, ActionDone, Actions};
use crate::processor::http::HttpCall;
use crate::processor::scripts::Scripts;
use crate::processor::{Error, Settings};
use crate::script::action::{ActionDef, OutputFormat};
use crate::script::engine::engine_within;
use crate::script::load::ScriptSet;
use crate::store::memory::MemoryStore;
use crate::store::{Clock, Direction, Entropy, EventStore, READ_EVENTS_MAX, Surroundings};

mod steps;

use steps::Course;
pub use steps::{Asked, How, Source, Step};

/// Most times that time is passed over.
pub const WAITS_MAX: usize = 200;

/// What is tried.
pub struct Wanted<'a> {
    /// What is said, with the prefix or without.
    pub text: String,
    /// Who says it: `@ann`.
    pub by: String,
    /// In which room: `#ops`.
    pub room: String,
    /// What actions give, in their order; the last one holds for all further calls.
    pub answers: BTreeMap<String, VecDeque<Value>>,
    /// The scripts.
    pub set: ScriptSet,
    /// Where they are.
    pub folder: &'a Path,
    /// What they may take.
    pub budgets: Budgets,
    /// How the bot behaves.
    pub settings: Settings,
    /// What runs actions and sends requests that only read.
    pub outside: Arc<dyn Actions>,
    /// When it is.
    pub now: Timestamp,
    /// For the keys of the log.
    pub entropy: Arc<dyn Entropy>,
}

/// A step, and whether it is certain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// An action before it gave a placeholder.
    pub guess: bool,
    /// What happens.
    #[serde(flatten)]
    pub step: Step,
}

/// How a dry run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every handler has ended, and well.
    Done,
    /// A handler has failed.
    Failed,
    /// The text is no command; the bot says so.
    NoCommand,
    /// A question has no answer.
    Unanswered(String),
    /// It waits for something that does not come.
    Waits(String),
    /// It waits again and again.
    Endless,
}

/// Why a dry run is not possible.
#[derive(Debug, thiserror::Error)]
pub enum DryError {
    /// The bot cannot go on.
    #[error(transparent)]
    Bot(#[from] BotError),
    /// The system has no runtime.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Nothing can be said like this.
    #[error("{0}")]
    Said(String),
}

/// Actions that harm nothing are run, others are pretended.
struct Pretended {
    outside: Arc<dyn Actions>,
    folder: std::path::PathBuf,
    answers: Mutex<BTreeMap<String, VecDeque<Value>>>,
}

impl Actions for Pretended {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        let answer = self.answer(&call.def.name);
        match (answer, call.def.effect) {
            (None, EffectClass::Read) => {
                self.outside.run(ActionCall { folder: self.folder.clone(), ..call })
            }
            (answer, _) => Box::pin(async move {
                let value = answer.unwrap_or_else(|| placeholder(&call.def));
                ActionDone { result: EffectResult::Ok(value), whole: None, took: Duration::ZERO }
            }),
        }
    }

    fn fetch(&self, call: HttpCall) -> BoxFuture<'_, ActionDone> {
        match (self.answer(&call.request.action), call.class) {
            (None, EffectClass::Read) => self.outside.fetch(call),
            (answer, _) => Box::pin(async move {
                let gives = format!("<what {} gives>", call.request.action);
                let value = answer.unwrap_or_else(|| json!({ "placeholder": gives }));
                let value = http::response(200, &BTreeMap::new(), &value.to_string());
                ActionDone { result: EffectResult::Ok(value), whole: None, took: Duration::ZERO }
            }),
        }
    }
}

impl Pretended {
    fn answer(&self, action: &str) -> Option<Value> {
        let mut answers = self.answers.lock().expect("nobody panics with the answers");
        let list = answers.get_mut(action)?;
        match list.len() {
            0 | 1 => list.front().cloned(),
            _ => list.pop_front(),
        }
    }

    fn source(&self, action: &str, class: EffectClass) -> Source {
        let answers = self.answers.lock().expect("nobody panics with the answers");
        match (answers.contains_key(action), class) {
            (true, _) => Source::Answer,
            (false, EffectClass::Read) => Source::Run,
            (false, _) => Source::Placeholder,
        }
    }
}

/// A value of the form that the action has.
fn placeholder(def: &ActionDef) -> Value {
    let words = format!("<what {} gives>", def.name);
    match def.output {
        OutputFormat::Json => json!({ "placeholder": words }),
        OutputFormat::Text => json!(words),
        OutputFormat::Lines => json!([words]),
    }
}

/// A dry run that goes on.
struct Run<'a> {
    wanted: &'a Wanted<'a>,
    world: Arc<World>,
    store: Arc<MemoryStore>,
    actions: Arc<Pretended>,
    bot: Bot,
    runtime: tokio::runtime::Runtime,
    course: Course,
    read: Position,
    guess: bool,
}

/// Runs what a text means. `tell` hears of each step, and `reply` answers questions, if it can.
///
/// # Errors
/// [`DryError`].
pub fn run(
    wanted: &Wanted<'_>,
    tell: &mut dyn FnMut(&Shown),
    reply: &mut dyn FnMut(&Asked) -> Option<String>,
) -> Result<End, DryError> {
    let mut run = Run::begin(wanted)?;
    let prefix = &wanted.settings.prefix;
    let text = match wanted.text.trim_start() {
        text if text.starts_with(prefix.as_str()) => text.to_owned(),
        text => format!("{prefix}{text}"),
    };
    run.says(&wanted.by, text, None)?;
    let mut waits = 0;
    loop {
        run.rest(tell)?;
        if let Some(asked) = run.course.question().cloned() {
            let Some(text) = reply(&asked) else { return Ok(End::Unanswered(asked.shown())) };
            run.answers(&asked, text)?;
        } else if !run.course.goes_on() {
            return Ok(match (run.course.begun, run.course.failed) {
                (false, _) => End::NoCommand,
                (true, true) => End::Failed,
                (true, false) => End::Done,
            });
        } else if !run.passes_over(tell) {
            let what = run.course.waits_for();
            return Ok(End::Waits(what.unwrap_or_else(|| "something outside".into())));
        } else {
            waits += 1;
        }
        if waits > WAITS_MAX {
            return Ok(End::Endless);
        }
    }
}

impl<'a> Run<'a> {
    fn begin(wanted: &'a Wanted<'a>) -> Result<Self, DryError> {
        let world = World::new();
        world.clock.set(wanted.now);
        let clock: Arc<dyn Clock> = world.clock.clone();
        let entropy = wanted.entropy.clone();
        let store = MemoryStore::new(Surroundings { clock: clock.clone(), entropy });
        let actions = Arc::new(Pretended {
            outside: wanted.outside.clone(),
            folder: wanted.folder.to_owned(),
            answers: Mutex::new(wanted.answers.clone()),
        });
        let engine = Arc::new(engine_within(&wanted.budgets));
        let scripts = Scripts::with(engine, wanted.set.clone());
        let settings =
            Settings { head_every: None, hot_for: Duration::ZERO, ..wanted.settings.clone() };
        let bot =
            Bot::with(store.clone(), scripts, world.clone(), actions.clone(), clock, settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (course, read) = (Course::default(), Position::START);
        Ok(Self { wanted, world, store, actions, bot, runtime, course, read, guess: false })
    }

    /// Somebody says something.
    fn says(&self, by: &str, text: String, answers: Option<&Asked>) -> Result<(), DryError> {
        let name = match by.contains(':') {
            true => by.to_owned(),
            false => by.trim_start_matches('@').to_owned(),
        };
        let person = Person::named(name);
        let room = Room::named(self.wanted.room.clone());
        let trigger = self.world.act(&person, &room, &Does::Says(text)).map_err(DryError::Said)?;
        let mut trigger: Trigger = trigger;
        if let What::Message(message) = &mut trigger.what {
            message.reply_to = answers.and_then(|asked| self.course.post(asked)).cloned();
        }
        Ok(self.runtime.block_on(self.bot.deliver(trigger))?)
    }

    /// The one who was asked replies to the question.
    fn answers(&self, asked: &Asked, text: String) -> Result<(), DryError> {
        let by = asked.from.first().map_or(self.wanted.by.as_str(), |user| user.as_str());
        self.says(by, text, Some(asked))
    }

    /// Lets the bot come to rest, and tells what it did.
    fn rest(&mut self, tell: &mut dyn FnMut(&Shown)) -> Result<(), DryError> {
        self.runtime.block_on(self.bot.settle())?;
        let mut new = vec![];
        loop {
            let page = self.store.read_all(self.read, Direction::Forward, READ_EVENTS_MAX);
            let page = page.map_err(Error::from).map_err(BotError::from)?;
            let Some(last) = page.last() else { break };
            self.read = last.position.next();
            new.extend(page);
        }
        new.iter().for_each(|recorded| self.course.ahead(recorded));
        let actions = self.actions.clone();
        let source = |action: &str, class| actions.source(action, class);
        for recorded in &new {
            if let Some(step) = self.course.note(recorded, &source) {
                self.tell(step, tell);
            }
        }
        Ok(())
    }

    fn tell(&mut self, step: Step, tell: &mut dyn FnMut(&Shown)) {
        let begins = matches!(step, Step::Action { source: Source::Placeholder, .. });
        tell(&Shown { guess: self.guess, step });
        self.guess |= begins;
    }

    /// Lets the time pass until something is due; false: nothing is.
    fn passes_over(&mut self, tell: &mut dyn FnMut(&Shown)) -> bool {
        let now = self.world.clock.now();
        let Some(due) = self.bot.next_due().filter(|due| *due > now) else { return false };
        self.world.clock.set(due);
        let ms = u64::try_from(due.0 - now.0).expect("it is later");
        self.tell(Step::Later { ms }, tell);
        true
    }
}
