//! One play of one test of a script: people, fake actions and a clock around a bot in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rhai::{Dynamic, Engine, EvalAltResult};
use serde_json::{Map, Value, json};

use super::bot::BotError;
use super::parse::Does;
use super::pattern::{Words, matches};
use super::runner::{Driver, Setup, one_line, said, spoken};
use super::stops::InMemory;
use super::world::{Heard, Person, Room, World};
use crate::adapter::Relation;
use crate::domain::budget::Budgets;
use crate::domain::event::{EffectResult, Event, HandlerKind};
use crate::domain::http::called;
use crate::domain::id::{DedupeKey, Position, PostId, RoomId};
use crate::domain::named::{NamedEvent, bad_name};
use crate::domain::trigger::{Trigger, What};
use crate::processor::Settings;
use crate::script::closure::Closure;
use crate::script::gauge::gauged;
use crate::script::host::chat::{Stage, Way};
use crate::script::host::error_value;
use crate::script::load::ScriptSet;
use crate::store::{Direction, Entropy, EventStore, READ_EVENTS_MAX};

/// Most things that a test may do.
pub const ACTS_MAX: usize = 1_000;
/// Most times that time stops on its way because something is due.
pub const DUES_MAX: usize = 10_000;
/// The room of a conversation that names none.
pub const ROOM: &str = "#test";
/// What ends a test that can go no further; it is no failure.
const IN_DOUBT: &str = "an effect is in doubt";

/// What a play is made with.
pub struct Props {
    /// The engine that runs the scripts and the test.
    pub engine: Arc<Engine>,
    /// All scripts.
    pub set: ScriptSet,
    /// What the scripts and the test may take.
    pub budgets: Budgets,
    /// How the bot behaves.
    pub settings: Settings,
    /// For the keys of the log.
    pub entropy: Arc<dyn Entropy>,
    /// When the test must have ended.
    pub deadline: Instant,
}

/// A play that goes on.
pub struct Scene {
    world: Arc<World>,
    driver: InMemory,
    setup: Setup,
    runtime: tokio::runtime::Runtime,
    engine: Arc<Engine>,
    words: Words,
    unseen: VecDeque<Heard>,
    heard: Vec<Heard>,
    lines: Vec<String>,
    doubt_allowed: bool,
    in_doubt: bool,
    deadline: Instant,
    acts: usize,
}

/// What a play came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What was said in each room, after all changes.
    pub said: BTreeMap<RoomId, Vec<String>>,
    /// The actions that ran, in no order.
    pub ran: Vec<String>,
    /// What people and the bot said, line by line.
    pub lines: Vec<String>,
    /// Whether an effect came in doubt, so that the rest cannot be compared.
    pub in_doubt: bool,
    /// Whether the planned stop was reached.
    pub stopped: bool,
    /// What of the scripts was run.
    pub reached: Vec<Reached>,
    /// How many appends there were.
    pub appends: u64,
}

/// What a play has run of the scripts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// An alias, by file and name.
    Alias(String, String),
    /// A rule, by file and name.
    Rule(String, String),
    /// An action that is written in Rhai.
    Action(String),
}

impl Scene {
    /// An empty room and a bot that has just been started. It is stopped at the n-th append.
    ///
    /// # Errors
    /// What the bot says, or the system if it has no runtime.
    pub fn begin(props: &Props, stop: Option<(u64, bool)>) -> Result<Self, String> {
        let world = World::new();
        let (at, survives) = stop.unwrap_or((u64::MAX, true));
        let setup = Setup { scripts: PathBuf::new(), settings: props.settings.clone() };
        let mut driver = InMemory::new(&world, props.entropy.clone(), at, survives)
            .with((props.engine.clone(), props.set.clone()));
        driver.open(&setup).map_err(|why| why.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut scene = Self {
            world,
            driver,
            setup,
            runtime: runtime.map_err(|why| why.to_string())?,
            engine: props.engine.clone(),
            words: Words::new(),
            unseen: VecDeque::new(),
            heard: vec![],
            lines: vec![],
            doubt_allowed: stop.is_some(),
            in_doubt: false,
            deadline: props.deadline,
            acts: 0,
        };
        // What begins with the bot, such as its schedules, begins before anything happens.
        scene.rest()?;
        Ok(scene)
    }

    /// Counts what the test does.
    fn act(&mut self) -> Result<(), String> {
        if self.in_doubt {
            return Err(IN_DOUBT.into());
        }
        self.acts += 1;
        if self.acts > ACTS_MAX {
            return Err(format!("a test may do {ACTS_MAX} things"));
        }
        match Instant::now() > self.deadline {
            true => Err("the test takes too long".into()),
            false => Ok(()),
        }
    }

    fn deliver(&mut self, trigger: Trigger) -> Result<(), String> {
        loop {
            match self.runtime.block_on(self.driver.deliver(trigger.clone())) {
                Ok(()) => return Ok(()),
                Err(_) if self.driver.stopped() => self.reopen()?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.runtime.block_on(self.driver.restart(&self.setup)).map_err(|why| why.to_string())
    }

    /// Lets the bot come to rest, however often it is stopped.
    fn rest(&mut self) -> Result<(), String> {
        loop {
            match self.runtime.block_on(self.driver.settle()) {
                Ok(()) => break,
                Err(_) if self.driver.stopped() => self.reopen()?,
                Err(why) => return Err(why.to_string()),
            }
        }
        while let Some(heard) = self.world.next_heard() {
            self.lines.push(said(&heard));
            self.heard.push(heard.clone());
            self.unseen.push_back(heard);
        }
        if let Some(wrong) = self.world.take_wrong().first() {
            let hint = match wrong.contains("(http ") {
                true => {
                    "say what it gives: chat.on_http(\"GET\", \"https://..\", |request| #{ status: 200, json: #{} })"
                }
                false => "say what it gives: chat.on_exec(\"action\", |params| ..)",
            };
            return Err(format!("{wrong}; {hint}"));
        }
        if self.doubt_allowed && self.has("effect_in_doubt")? {
            self.in_doubt = true;
            return Err(IN_DOUBT.into());
        }
        Ok(())
    }

    fn has(&mut self, kind: &str) -> Result<bool, String> {
        let log = self.runtime.block_on(self.driver.log(Position::START));
        let (kinds, _) = log.map_err(|why| why.to_string())?;
        Ok(kinds.iter().any(|other| other == kind))
    }

    /// Ends the play.
    ///
    /// # Errors
    /// What the log says if it cannot be read.
    pub fn end(&self) -> Result<Told, BotError> {
        let mut told = Told {
            in_doubt: self.in_doubt,
            stopped: self.driver.was_stopped,
            lines: self.lines.clone(),
            appends: self.driver.appends(),
            ..Told::default()
        };
        let mut texts: BTreeMap<&PostId, (&RoomId, usize)> = BTreeMap::new();
        for heard in &self.heard {
            let room = told.said.entry(heard.room.clone()).or_default();
            match &heard.relation {
                Relation::Edit(post) if texts.contains_key(post) => {
                    let (_, at) = texts[post];
                    room[at] = heard.text.clone();
                }
                _ => {
                    texts.insert(&heard.post, (&heard.room, room.len()));
                    room.push(heard.text.clone());
                }
            }
        }
        let calls = self.world.calls();
        told.ran = calls.iter().map(|(action, args)| format!("{action} {args}")).collect();
        told.ran.sort();
        told.reached = self.reached()?;
        Ok(told)
    }

    fn reached(&self) -> Result<Vec<Reached>, BotError> {
        let (mut found, mut next) = (vec![], Position::START);
        loop {
            let page = self.driver.disk.read_all(next, Direction::Forward, READ_EVENTS_MAX);
            let page = page.map_err(crate::processor::Error::from)?;
            let Some(last) = page.last() else { return Ok(found) };
            next = last.position.next();
            found.extend(page.iter().filter_map(|recorded| ran(recorded.event()?)));
        }
    }

    /// A named trigger comes in from outside.
    fn happen(&mut self, name: &str, fields: Map<String, Value>) -> Result<(), String> {
        self.act()?;
        if let Some(why) = bad_name(name) {
            return Err(why);
        }
        let (name, nth) = (name.to_owned(), self.lines.len().to_string());
        self.lines.push(format!("({name} {})", Value::Object(fields.clone())));
        let event = NamedEvent { name, fields, source: "test".to_owned() };
        let now = crate::store::Clock::now(self.world.clock.as_ref());
        let trigger = Trigger::event(DedupeKey::new(&["played", &nth]), now, event);
        self.deliver(trigger)?;
        self.rest()
    }

    fn speak(
        &mut self,
        room: Option<&str>,
        person: &str,
        way: Way,
        text: &str,
    ) -> Result<(), String> {
        self.act()?;
        let room = Room::named(room.unwrap_or(ROOM).to_owned());
        let name = named(person);
        let text = text.to_owned();
        let does = match way {
            Way::Says => Does::Says(text),
            Way::Replies => Does::Replies(text),
            Way::InThread => Does::SaysInThread(text),
            Way::Edits => Does::Edits(text),
            Way::Reacts => Does::Reacts(text),
        };
        self.lines.push(match room.name == ROOM {
            true => spoken(&name, &does),
            false => format!("({}) {}", room.name, spoken(&name, &does)),
        });
        let person = Person::named(name);
        let mut trigger = self.world.act(&person, &room, &does)?;
        if let What::Message(message) = &mut trigger.what {
            // What is said in a test is said to the bot.
            message.place.direct = true;
        }
        self.deliver(trigger)?;
        self.rest()
    }

    fn delete(&mut self, person: &str, whose: &str) -> Result<(), String> {
        self.act()?;
        let (name, whose) = (named(person), named(whose));
        self.lines.push(spoken(&name, &Does::Deletes(whose.clone())));
        let redaction = self.world.delete(&Person::named(name), &Room::named(ROOM), &whose)?;
        loop {
            match self.runtime.block_on(self.driver.redact(redaction.clone())) {
                Ok(()) => return self.rest(),
                Err(_) if self.driver.stopped() => self.reopen()?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    fn heard_nothing_like(&self, pattern: &str) -> String {
        let pattern = one_line(pattern);
        if self.unseen.is_empty() {
            return format!("expected `{pattern}`, but the bot has said nothing more");
        }
        let unseen: Vec<String> =
            self.unseen.iter().map(|it| format!("\n    {}", said(it))).collect();
        format!("expected `{pattern}`, but the bot said:{}", unseen.concat())
    }
}

/// The name of a person in the world of a test: that of an account elsewhere is whole.
fn named(person: &str) -> String {
    match person.contains(':') {
        true => person.to_owned(),
        false => person.trim_start_matches('@').to_owned(),
    }
}

/// What an event says that was run.
fn ran(event: &Event) -> Option<Reached> {
    match event {
        Event::ExecutionStarted(started) => {
            let handler = &started.handler;
            let (file, name) = (handler.file.clone(), handler.alias.clone());
            Some(match handler.kind {
                HandlerKind::Alias => Reached::Alias(file, name),
                HandlerKind::Rule => Reached::Rule(file, name),
            })
        }
        Event::EffectRecorded(done) if done.op == "action" => match &done.result {
            EffectResult::Ok(_) => {
                done.args["action"].as_str().map(|name| Reached::Action(name.to_owned()))
            }
            EffectResult::Err(_) => None,
        },
        _ => None,
    }
}

/// A play that a test holds while it goes on.
#[derive(Clone)]
pub struct OnStage(pub Rc<RefCell<Scene>>);

impl Stage for OnStage {
    fn says(
        &mut self,
        room: Option<&str>,
        person: &str,
        way: Way,
        text: &str,
    ) -> Result<(), String> {
        self.0.borrow_mut().speak(room, person, way, text)
    }

    fn deletes(&mut self, person: &str, whose: &str) -> Result<(), String> {
        self.0.borrow_mut().delete(person, whose)
    }

    fn fake(&mut self, action: &str, gives: Closure) -> Result<(), String> {
        let mut scene = self.0.borrow_mut();
        scene.act()?;
        let (engine, name) = (scene.engine.clone(), action.to_owned());
        let fake = move |args: &Value| {
            // It has the operations of one call and the memory of a script of its own.
            given(&name, gauged(None, || gives_for(&engine, &gives, args)).0)
        };
        scene.world.fake(action, Arc::new(fake));
        Ok(())
    }

    fn fake_http(&mut self, method: &str, url: &str, gives: Closure) -> Result<(), String> {
        self.fake(&called(method, url), gives)
    }

    fn expect_http(
        &mut self,
        (method, url): (&str, &str),
        part: &Value,
        times: u64,
    ) -> Result<(), String> {
        let scene = &mut *self.0.borrow_mut();
        scene.act()?;
        let (calls, wanted) = (scene.world.calls(), called(method, url));
        let fits = |(name, seen): &&(String, Value)| {
            let named = *name == wanted || matches(&wanted, name, &mut Words::new());
            named && seen["method"].is_string() && holds(seen, part)
        };
        let sent = calls.iter().filter(fits).count() as u64;
        if sent == times {
            return Ok(());
        }
        Err(format!(
            "expected {wanted} {part} to be sent {times} times, but it was sent {sent} times; what ran:{}",
            listed(&calls)
        ))
    }

    fn expect(&mut self, room: Option<&str>, pattern: &str) -> Result<(), String> {
        let scene = &mut *self.0.borrow_mut();
        scene.act()?;
        let part = format!("*{pattern}*");
        let words = &mut scene.words;
        let at = scene.unseen.iter().position(|heard| {
            let here = room.is_none_or(|room| heard.room.as_str() == room);
            let fits = matches(pattern, &heard.text, words) || matches(&part, &heard.text, words);
            here && fits
        });
        match at {
            Some(at) => drop(scene.unseen.drain(..=at)),
            None => return Err(scene.heard_nothing_like(pattern)),
        }
        Ok(())
    }

    fn expect_no_more(&mut self) -> Result<(), String> {
        let scene = &mut *self.0.borrow_mut();
        scene.act()?;
        match scene.unseen.front() {
            None => Ok(()),
            Some(heard) => Err(format!("expected no more, but the bot said:\n    {}", said(heard))),
        }
    }

    fn expect_exec(&mut self, action: &str, params: &Value, times: u64) -> Result<(), String> {
        let scene = &mut *self.0.borrow_mut();
        scene.act()?;
        let calls = scene.world.calls();
        let fits = |(name, args): &&(String, Value)| name == action && holds(args, params);
        let ran = calls.iter().filter(fits).count() as u64;
        if ran == times {
            return Ok(());
        }
        let all = listed(&calls);
        Err(format!(
            "expected {action} {params} to run {times} times, but it ran {ran} times; what ran:{all}"
        ))
    }

    fn trigger(&mut self, name: &str, fields: Map<String, Value>) -> Result<(), String> {
        self.0.borrow_mut().happen(name, fields)
    }

    fn advance(&mut self, ms: i64) -> Result<(), String> {
        let scene = &mut *self.0.borrow_mut();
        scene.act()?;
        scene.lines.push(format!("(advance {} s)", ms as f64 / 1000.0));
        let clock = scene.world.clock.clone();
        let until = crate::store::Clock::now(clock.as_ref()).plus_ms(ms);
        for _ in 0..DUES_MAX {
            let now = crate::store::Clock::now(clock.as_ref());
            let due = scene.driver.next_due().map_err(|why| why.to_string())?;
            match due.filter(|due| *due < until && *due > now) {
                Some(due) => clock.set(due),
                None => {
                    clock.set(until);
                    return scene.rest();
                }
            }
            scene.rest()?;
        }
        Err(format!("more than {DUES_MAX} things are due on the way"))
    }

    fn restart(&mut self) -> Result<(), String> {
        let scene = &mut *self.0.borrow_mut();
        scene.act()?;
        scene.lines.push("(restart)".into());
        scene.reopen()?;
        scene.rest()
    }

    fn last(&self) -> Option<String> {
        self.0.borrow().heard.last().map(|heard| heard.text.clone())
    }
}

/// What a fake gives for parameters.
fn gives_for(engine: &Engine, gives: &Closure, args: &Value) -> Result<Value, Box<EvalAltResult>> {
    let value = match gives.takes() {
        0 => gives.call(engine, []),
        _ => gives.call(engine, [rhai::serde::to_dynamic(args)?]),
    }?;
    rhai::serde::from_dynamic(&value)
}

/// A fake that throws is an action that fails.
fn given(action: &str, result: Result<Value, Box<EvalAltResult>>) -> EffectResult {
    let error = match result {
        Ok(value) => return EffectResult::Ok(value),
        Err(error) => error_value(&error),
    };
    let mut full = json!({ "kind": "failed", "action": action, "message": "it failed" });
    match error {
        Value::Object(fields) => fields.into_iter().for_each(|(name, value)| full[name] = value),
        Value::String(text) => full["message"] = text.into(),
        other => full["message"] = other.to_string().into(),
    }
    EffectResult::Err(full)
}

/// What ran, a line each.
fn listed(calls: &[(String, Value)]) -> String {
    let all: Vec<String> =
        calls.iter().map(|(name, args)| format!("\n    {name} {args}")).collect();
    if all.is_empty() { "\n    nothing".into() } else { all.concat() }
}

/// Whether a value has all of another one's fields.
fn holds(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => {
            part.iter().all(|(name, part)| value.get(name).is_some_and(|value| holds(value, part)))
        }
        _ => value == part,
    }
}

/// What a test's body is called with.
pub fn chat() -> Dynamic {
    Dynamic::from(crate::script::host::chat::Chat)
}
