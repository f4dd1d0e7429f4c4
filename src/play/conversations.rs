//! Thousands of random conversations: whatever people say, nothing runs without a decision and enough approvers.
//!
//! What must hold is read from the log by an oracle that knows nothing of how votes are judged.

mod oracle;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rhai::Engine;
use serde_json::json;

use super::parse::Does;
use super::world::{Person, Room, World};
use crate::adapter::{Incoming, Intake};
use crate::domain::approval::Rules;
use crate::domain::event::{AccountsLinked, EffectResult, NewEvent};
use crate::domain::id::{Position, StreamName, UserId};
use crate::domain::trigger::{Speaker, Trigger, Trust};
use crate::processor::intake::Ear;
use crate::processor::scripts::Scripts;
use crate::processor::{Kernel, Settings};
use crate::query::agenda::{Agenda, Budget};
use crate::query::executions;
use crate::script::engine::engine;
use crate::script::load::{ScriptSet, load_sources};
use crate::store::memory::MemoryStore;
use crate::store::testing::surroundings;
use crate::store::{EventStore, Expected, Surroundings, Write};

/// How many conversations.
const CONVERSATIONS: u32 = 2_000;
/// Most steps of one.
const STEPS_MAX: usize = 40;
/// Most things that one step may lead to.
const WORK_MAX: usize = 2_000;

const ROOMS: [&str; 2] = ["#ops", "#dev"];
/// Who speaks; `mal` proves nothing.
const PEOPLE: [&str; 6] = ["ann", "ann_two", "ben", "ben_two", "eva", "mal"];
const COMMANDS: [&str; 4] = ["!one a", "!two b", "!sure c", "!two c"];

const SCRIPT: &str = r#"
action("do.it", #{ run: ["true"], params: #{ what: "string" } });
alias("one {what}", |a| { approve(`do ${a.what}`, #{ reactions: true }); exec("do.it", #{ what: a.what }); });
alias("two {what}", |a| { approve(`do ${a.what}`, #{ count: 2 }); exec("do.it", #{ what: a.what }); });
alias("sure {what}", |a| if confirm("Sure?") { exec("do.it", #{ what: a.what }); });
"#;

/// One step of a conversation; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody gives a command.
    Command(usize, usize, usize),
    /// Somebody says something that may be an answer to what the bot asked n-th.
    Says(usize, usize, usize, usize),
    /// Somebody corrects what they said last.
    Edits(usize, usize),
    /// What somebody did comes once more.
    Again(usize),
    /// Two accounts turn out to be one person's.
    Links(usize, usize),
    /// The script is edited while the bot runs.
    Rewrites,
    /// The bot is killed and started.
    Restarts,
    /// Time passes.
    Waits(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, room) = (0..PEOPLE.len(), 0..ROOMS.len());
    prop_oneof![
        4 => (who.clone(), room.clone(), 0..COMMANDS.len()).prop_map(|(a, b, c)| Step::Command(a, b, c)),
        10 => (who.clone(), room.clone(), 0..9_usize, 0..4_usize).prop_map(|(a, b, c, d)| Step::Says(a, b, c, d)),
        1 => (who.clone(), room).prop_map(|(a, b)| Step::Edits(a, b)),
        1 => (0..8_usize).prop_map(Step::Again),
        1 => (who.clone(), who).prop_map(|(a, b)| Step::Links(a, b)),
        1 => Just(Step::Rewrites),
        1 => Just(Step::Restarts),
        1 => (0..2_000_u16).prop_map(Step::Waits),
    ]
}

/// Most conversations are short, and some are long.
fn conversation() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        3 => prop::collection::vec(step(), 1..=12),
        1 => prop::collection::vec(step(), 13..=STEPS_MAX),
    ]
}

/// A bot in memory with people around it.
struct Play {
    world: Arc<World>,
    disk: Arc<MemoryStore>,
    kernel: Arc<Kernel>,
    ear: Ear,
    engine: Arc<Engine>,
    sets: [ScriptSet; 2],
    rules: Rules,
    /// Which version of the script is offered from which position on.
    offered: Vec<(Position, usize)>,
    /// The ids and phrases of what was asked, the newest last.
    asked: Vec<(String, String)>,
    triggers: Vec<Trigger>,
}

fn start(
    disk: &Arc<MemoryStore>,
    world: &Arc<World>,
    (engine, set): (&Arc<Engine>, &ScriptSet),
    rules: Rules,
) -> Arc<Kernel> {
    let scripts = Scripts::with(engine.clone(), set.clone());
    let mut settings = Settings::simulated("!");
    settings.hot_for = std::time::Duration::ZERO;
    let (chat, actions, clock) = (world.clone(), world.clone(), world.clock.clone());
    let kernel = Kernel::new(disk.clone(), scripts, chat, actions, clock, settings);
    let kernel = kernel.expect("the log can be read");
    kernel.judge_by(rules);
    kernel
}

impl Play {
    fn begin(engine: &Arc<Engine>, sets: &[ScriptSet; 2], rules: Rules) -> Self {
        let world = World::new();
        world.fake("do.it", Arc::new(|_| EffectResult::Ok(json!({}))));
        let entropy = surroundings().entropy;
        let disk = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
        let kernel = start(&disk, &world, (engine, &sets[0]), rules);
        let (ear, sets, engine) = (Ear::new(kernel.clone()), sets.clone(), engine.clone());
        let offered = vec![(Position::START, 0)];
        let (asked, triggers) = (vec![], vec![]);
        Self { world, disk, kernel, ear, engine, sets, rules, offered, asked, triggers }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Command(who, room, command) => {
                self.does(*who, *room, Does::Says(COMMANDS[*command].into())).await;
            }
            Step::Says(who, room, what, nth) => {
                let does = self.answer(*what, *nth);
                self.does(*who, *room, does).await;
            }
            Step::Edits(who, room) => self.does(*who, *room, Does::Edits("!one z".into())).await,
            Step::Again(nth) => {
                if let Some(trigger) = self.triggers.iter().rev().nth(*nth).cloned() {
                    self.deliver(trigger).await;
                }
            }
            Step::Links(one, other) if one != other => self.link(*one, *other).await,
            Step::Links(..) => {}
            Step::Rewrites => {
                let next = 1 - self.offered.last().map_or(0, |(_, set)| *set);
                self.kernel.scripts.offer(self.sets[next].clone());
                self.offered.push((self.disk.next_position(), next));
            }
            Step::Restarts => {
                self.disk = self.disk.reopen();
                let set = &self.sets[self.offered.last().map_or(0, |(_, set)| *set)];
                let scripts = (&self.engine, set);
                self.kernel = start(&self.disk, &self.world, scripts, self.rules);
                self.ear = Ear::new(self.kernel.clone());
            }
            Step::Waits(seconds) => {
                self.kernel.keep_agenda().expect("the log works");
                self.world.clock.advance(i64::from(*seconds) * 1_000);
            }
        }
        self.rest().await;
    }

    /// What may be an answer.
    fn answer(&self, what: usize, nth: usize) -> Does {
        let (id, phrase) = self.asked.iter().rev().nth(nth).cloned().unwrap_or_default();
        match what {
            0 => Does::Says("+1".into()),
            1 => Does::Says(format!("+1 {id}")),
            2 => Does::Replies("+1".into()),
            3 => Does::Says(phrase),
            4 => Does::Reacts("👍".into()),
            5 => Does::Says("-1 because no".into()),
            6 => Does::Says("@bot yes".into()),
            7 => Does::Says("<ben> +1".into()),
            _ => Does::Says("yes".into()),
        }
    }

    async fn does(&mut self, who: usize, room: usize, does: Does) {
        let trust = (PEOPLE[who] == "mal").then_some(Trust::Nothing);
        let person = Person { trust, ..Person::named(PEOPLE[who]) };
        // Nothing to reply to, or to correct: they say nothing.
        if let Ok(trigger) = self.world.act(&person, &Room::named(ROOMS[room]), &does) {
            self.triggers.push(trigger.clone());
            self.deliver(trigger).await;
        }
    }

    async fn deliver(&self, trigger: Trigger) {
        let incoming = Incoming { triggers: vec![trigger], ..Incoming::default() };
        self.ear.record(incoming).await.expect("the log works");
    }

    async fn link(&self, one: usize, other: usize) {
        let speaker = |name: &str| Speaker {
            id: UserId(format!("@{name}:local")),
            name: name.into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
            claims: vec![],
        };
        let (first, second) = (speaker(PEOPLE[one]), speaker(PEOPLE[other]));
        let events = vec![NewEvent::bare(AccountsLinked { first, second })];
        let stream = StreamName::people();
        let write = Write { stream, expected: Expected::Any, key: None, events };
        self.disk.append(vec![write]).await.expect("the log works");
    }

    /// Does everything that can be done, and remembers what was asked.
    async fn rest(&mut self) {
        for nth in 0.. {
            assert!(nth < WORK_MAX, "it never comes to rest");
            self.kernel.catch_up().expect("the log works");
            let tasks = self.kernel.tasks(&|_| false, Budget { steps: 1, effects: 1, sends: 1 });
            let Some(task) = tasks.first() else { break };
            self.kernel.perform(task).await.expect("the log works");
        }
        while let Some(heard) = self.world.next_heard() {
            let between = |from: &str, to: &str| {
                let (_, rest) = heard.text.split_once(from)?;
                rest.split_once(to).map(|(found, _)| found.to_owned())
            };
            if let (Some(id), Some(phrase)) = (between("`+1 ", "`"), between("“", "”")) {
                self.asked.push((id, phrase));
            }
        }
    }

    /// The log alone gives the state that the bot has.
    fn replays(&self) -> Result<(), String> {
        let mut agenda = Agenda::default();
        agenda.catch_up(self.disk.as_ref()).map_err(|why| why.to_string())?;
        if self.kernel.agenda(|live| *live != agenda) {
            return Err("the agenda is another one when the log is read anew".into());
        }
        let mut kept = Agenda::kept(self.disk.as_ref()).map_err(|why| why.to_string())?;
        kept.catch_up(self.disk.as_ref()).map_err(|why| why.to_string())?;
        if kept != agenda {
            return Err("the agenda is another one when it was kept".into());
        }
        for id in oracle::executions(self.disk.as_ref())? {
            let live = self.kernel.fold(&id).map_err(|why| why.to_string())?;
            let anew = executions::load(self.disk.as_ref(), &id).map_err(|why| why.to_string())?;
            if live.as_deref() != anew.as_ref() {
                return Err(format!("execution {id} is another one when the log is read anew"));
            }
        }
        Ok(())
    }
}

/// Two versions of the script.
fn sets() -> [ScriptSet; 2] {
    [SCRIPT.to_owned(), format!("{SCRIPT}\n// edited")].map(|source| {
        let (set, problems) = load_sources(vec![("t.rhai".to_owned(), source)]);
        assert!(problems.is_empty(), "{problems:?}");
        set
    })
}

/// Plays conversations; gives the first that goes wrong, made as short as it can be, and how much ran in all.
fn played(rules: Rules, conversations: u32) -> (Result<(), String>, usize) {
    let config = Config { cases: conversations, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (runtime, engine, sets) = (runtime.expect("a runtime"), Arc::new(engine()), sets());
    let ran = std::cell::Cell::new(0);
    let result = runner.run(&conversation(), |steps| {
        let checked = runtime.block_on(async {
            let mut play = Play::begin(&engine, &sets, rules);
            for step in &steps {
                play.step(step).await;
            }
            ran.set(ran.get() + oracle::check(play.disk.as_ref(), &play.offered)?);
            play.replays()
        });
        checked.map_err(TestCaseError::fail)
    });
    let result = result.map_err(|why| match why {
        TestError::Fail(why, steps) => format!("{why}: {steps:?}"),
        other => other.to_string(),
    });
    (result, ran.get())
}

#[test]
fn nothing_runs_without_a_decision_and_enough_approvers() {
    let (result, ran) = played(Rules::STRICT, CONVERSATIONS);
    assert_eq!(result, Ok(()));
    assert!(ran > CONVERSATIONS as usize / 10, "only {ran} effects ran: that shows nothing");
    println!("{ran} effects ran in {CONVERSATIONS} conversations");
}

#[test]
fn a_requester_who_counts_is_noticed() {
    let (result, _) = played(Rules::COUNTS_REQUESTER, CONVERSATIONS);
    let why = result.expect_err("the requester approved");
    assert!(why.contains("distinct persons approved"), "{why}");
}

#[test]
fn a_content_that_does_not_count_is_noticed() {
    let (result, _) = played(Rules::IGNORES_CONTENT, CONVERSATIONS);
    let why = result.expect_err("something else ran");
    assert!(why.contains("another version"), "{why}");
}
