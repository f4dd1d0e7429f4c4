//! A day of the bot's life in simulated time: with a restart in the middle of its work every hour, and in one go.
//!
//! Everything is answered once, no effect happens twice, and what the bot holds in memory does not grow. `make torture`
//! lives through whole days with far more to do; `make test` through a few hours.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use beadle::adapter::{Chat, INCOMING_TRIGGERS_MAX, Incoming, Intake, Outgoing, SendError};
use beadle::domain::event::EffectResult;
use beadle::domain::id::{PostId, RoomId};
use beadle::domain::trigger::Trigger;
use beadle::play::parse::Does;
use beadle::play::world::{HandClock, Person, Room, World};
use beadle::processor::action::{ActionCall, ActionDone, Actions};
use beadle::processor::intake::Ear;
use beadle::processor::scripts::Scripts;
use beadle::processor::{Kernel, Settings};
use beadle::query::agenda::{Budget, PROJECTION};
use beadle::store::sled::SledStore;
use beadle::store::{Options, Surroundings};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::store_world::surroundings;

/// How much happens.
struct Size {
    hours: u32,
    /// Commands in an hour.
    commands: u32,
}

const NORMAL: Size = Size { hours: 4, commands: 24 };
const TORTURE: Size = Size { hours: 24, commands: 360 };

/// Rooms that are talked in.
const ROOMS: u32 = 8;
/// Every so many sends the homeserver asks to wait.
const REFUSED_EVERY: u32 = 40;
/// How much larger than after its first hours a process may be at the end: the cache of the event store fills, and little more.
const GROWTH_BYTES_MAX: u64 = (64 + 32) * 1024 * 1024;
/// After so many hours everything has been loaded once that will be.
const WARM_HOURS: u32 = 3;
const HOUR_MS: u32 = 3_600_000;

/// Answers at once, after an hour and a half, after a question, and after an effect that must not happen twice.
const SCRIPT: &str = r#"//! A day's work.
action("count", #{ run: ["./count.sh"], params: #{ n: "int" }, output: "text", effect: "once" });
alias("echo {n:int}", |a, msg| reply(`answer-${a.n}-end`));
alias("later {n:int}", |a, msg| { sleep("90m"); reply(`answer-${a.n}-end`); });
alias("sure {n:int}", |a, msg| { if confirm("Sure?", #{ timeout: "3h" }) { reply(`answer-${a.n}-end`); } });
alias("count {n:int}", |a, msg| { exec("count", #{ n: a.n }); reply(`answer-${a.n}-end`); });
"#;

/// What the world outside remembers, whatever happens to the bot.
#[derive(Default)]
struct Seen {
    posts: BTreeMap<String, PostId>,
    answers: BTreeMap<u32, u32>,
    effects: BTreeMap<String, u32>,
    sends: u32,
}

/// A homeserver that takes each transaction once, and actions that count.
struct Outside(Mutex<Seen>);

impl Outside {
    fn look<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().expect("nobody panics with it"))
    }
}

impl Chat for Outside {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        let sent = self.look(|seen| {
            seen.sends += 1;
            if seen.sends.is_multiple_of(REFUSED_EVERY) {
                let after = Some(Duration::from_secs(5));
                return Err(SendError::Later { reason: "too many".into(), after });
            }
            let key = format!("{} {}", outgoing.room, outgoing.message);
            let next = PostId(format!("$bot{}", seen.posts.len()));
            if let Some(known) = seen.posts.insert(key.clone(), next.clone()) {
                seen.posts.insert(key, known.clone());
                return Ok(known);
            }
            let number =
                outgoing.plain.split_once("answer-").and_then(|it| it.1.split_once("-end"));
            if let Some((number, _)) = number {
                let number = number.parse().expect("a number of ours");
                *seen.answers.entry(number).or_default() += 1;
            }
            Ok(next)
        });
        Box::pin(async move { sent })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

impl Actions for Outside {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        self.look(|seen| *seen.effects.entry(call.effect.clone()).or_default() += 1);
        let result = EffectResult::Ok(json!("done"));
        Box::pin(async move { ActionDone { result, whole: None, took: Duration::ZERO } })
    }
}

/// What was said, from a position on.
#[derive(Default)]
struct Timeline {
    first: usize,
    rest: Vec<Trigger>,
}

impl Timeline {
    fn push(&mut self, trigger: Trigger) {
        self.rest.push(trigger);
    }
}

/// A process of the bot.
struct Life {
    store: Arc<SledStore>,
    kernel: Arc<Kernel>,
    ear: Ear,
}

impl Life {
    fn begin(
        data: &Path,
        scripts: &Path,
        outside: &Arc<Outside>,
        clock: &Arc<HandClock>,
        nth: u32,
    ) -> Life {
        let entropy = surroundings(u64::from(nth) + 1).0.entropy;
        let surroundings = Surroundings { clock: clock.clone(), entropy };
        let (store, _) = SledStore::open(data, surroundings, Options::default()).expect("it opens");
        let store = Arc::new(store);
        let (scripts, problems) = Scripts::folder(scripts);
        assert!(problems.is_empty(), "{problems:?}");
        // A script that stayed on its thread would hold the log that the next life opens.
        // And a question of an hour ago is still answered by a bare yes.
        let settings = Settings {
            hot_for: Duration::ZERO,
            stale_after_ms: 3 * 60 * 60 * 1000,
            ..Settings::simulated("!")
        };
        let kernel = Kernel::new(
            store.clone(),
            scripts,
            outside.clone(),
            outside.clone(),
            clock.clone(),
            settings,
        );
        let kernel = kernel.expect("the log can be read");
        Life { store, ear: Ear::new(kernel.clone()), kernel }
    }

    /// Does what can be done now, but no more than so many things; returns how many.
    async fn work(&self, most: usize) -> usize {
        for done in 0..most {
            self.kernel.catch_up().expect("the log can be read");
            let one = Budget { steps: 1, effects: 1, sends: 1 };
            let Some(task) = self.kernel.tasks(&|_| false, one).into_iter().next() else {
                return done;
            };
            self.kernel.perform(&task).await.expect("the log works");
        }
        most
    }

    /// Reads what the homeserver has from the recorded position on.
    async fn read(&self, timeline: &mut Timeline) {
        let token = self.ear.sync_token().expect("the log can be read");
        let since = token.map_or(0, |token| token.parse().expect("a token of ours"));
        // Nobody asks for what is before a recorded position.
        timeline.rest.drain(..since - timeline.first);
        timeline.first = since;
        let mut at = since;
        for triggers in timeline.rest.chunks(INCOMING_TRIGGERS_MAX) {
            at += triggers.len();
            let incoming = Incoming {
                triggers: triggers.to_vec(),
                sync: Some(at.to_string()),
                ..Incoming::default()
            };
            self.ear.record(incoming).await.expect("the log works");
        }
    }

    /// Ends without a farewell: what is not in the log is lost.
    fn end(self) {
        self.store.close();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_with_hourly_restarts_loses_nothing_and_does_nothing_twice() {
    day(true).await;
}

/// In a process of its own: what other tests take does not count.
#[test]
fn a_day_in_one_go_takes_no_more_memory_at_its_end() {
    const OWN: &str = "BEADLE_TEST_DAY";
    if std::env::var_os(OWN).is_some() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
        return runtime.block_on(day(false));
    }
    let mut own = Command::new(std::env::current_exe().expect("it is known"));
    let name = "day::a_day_in_one_go_takes_no_more_memory_at_its_end";
    own.args([name, "--exact", "--nocapture"]).env(OWN, "1");
    let ended = own.output().expect("the test binary runs");
    let (said, told) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    println!("{said}");
    assert!(ended.status.success(), "{said}{told}");
}

async fn day(restarts: bool) {
    let torture = std::env::var_os("BEADLE_TORTURE").is_some();
    let size = if torture { TORTURE } else { NORMAL };
    let begun = Instant::now();
    let (data, scripts) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    std::fs::write(scripts.path().join("day.rhai"), SCRIPT).expect("ours");
    let world = World::new();
    let outside = Arc::new(Outside(Mutex::default()));
    let (mut timeline, mut asked, mut warm) = (Timeline::default(), 0, None);
    let mut going_on = None;
    for hour in 0..size.hours {
        let life = going_on.take().unwrap_or_else(|| {
            Life::begin(data.path(), scripts.path(), &outside, &world.clock, hour)
        });
        // What was half done when the last process ended comes first, and is read again.
        life.read(&mut timeline).await;
        life.work(usize::MAX).await;
        if hour > 0 {
            // The question of the hour before is answered by a bot that did not ask it.
            timeline.push(says(&world, "boss", "#sure", "beadle: yes"));
        }
        asked += 1;
        timeline.push(says(&world, "boss", "#sure", &format!("!sure {asked}")));
        for n in 0..size.commands {
            asked += 1;
            let command = ["echo", "count", "echo", "later"][n as usize % 4];
            let (who, room) = (format!("p{}", n % 5), format!("#room{}", n % ROOMS));
            timeline.push(says(&world, &who, &room, &format!("!{command} {asked}")));
            timeline.push(says(&world, &who, &room, "good morning, everybody"));
            world.clock.advance(i64::from(HOUR_MS / (size.commands + 1)));
            life.read(&mut timeline).await;
            // The last commands of an hour are left half done.
            let most = if n + 5 < size.commands { usize::MAX } else { 3 };
            life.work(most).await;
        }
        let (agenda_bytes, rss_bytes) = (agenda_bytes(&life.kernel), rss_bytes());
        println!(
            "hour {hour:2}: {asked} commands, agenda {agenda_bytes} bytes, resident {} KiB",
            rss_bytes / 1024
        );
        if hour + 1 == WARM_HOURS {
            warm = Some((agenda_bytes, rss_bytes));
        }
        if hour + 1 == size.hours {
            let (warm_agenda, warm_rss) = warm.expect("the day is longer than its first hours");
            assert!(
                agenda_bytes < 2 * warm_agenda,
                "the agenda grows: {warm_agenda} → {agenda_bytes}"
            );
            // Other tests run in this process, except in `make torture`; a restart in one process is none for its memory.
            if torture && !restarts {
                let growth = rss_bytes.saturating_sub(warm_rss);
                assert!(growth < GROWTH_BYTES_MAX, "memory grows: {warm_rss} → {rss_bytes}");
            }
        }
        match restarts {
            true => life.end(),
            false => going_on = Some(life),
        }
    }
    if let Some(life) = going_on {
        life.end();
    }
    // The rest of the evening: everything that waits comes to its end.
    let life = Life::begin(data.path(), scripts.path(), &outside, &world.clock, size.hours);
    timeline.push(says(&world, "boss", "#sure", "beadle: yes"));
    for _ in 0..20 {
        life.read(&mut timeline).await;
        life.work(usize::MAX).await;
        world.clock.advance(i64::from(HOUR_MS / 10));
    }
    let left = (
        life.kernel.agenda(|agenda| (agenda.open_executions(), agenda.unsent())),
        life.kernel.next_due(),
    );
    assert_eq!(left, ((0, 0), None), "open executions, unsent messages, what is due");
    life.end();
    outside.look(|seen| {
        let wrong: Vec<_> = (1..=asked).filter(|n| seen.answers.get(n) != Some(&1)).collect();
        assert!(wrong.is_empty(), "not answered exactly once: {wrong:?}");
        assert_eq!(seen.answers.len(), asked as usize, "nothing else was answered");
        let twice: Vec<_> = seen.effects.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "done more than once: {twice:?}");
        let effects = seen.effects.len();
        println!(
            "{} hours, {asked} commands, {effects} effects, {} sends: none lost, none twice, {:.0} s",
            size.hours,
            seen.sends,
            begun.elapsed().as_secs_f32()
        );
    });
    let verified =
        beadle::store::verify::verify(data.path(), &surroundings(1).0).expect("it can be read");
    assert!(verified.is_sound(), "{:?}", verified.findings);
}

fn says(world: &World, who: &str, room: &str, text: &str) -> Trigger {
    let person = Person::named(who);
    let room = Room::named(room);
    world.act(&person, &room, &Does::Says(text.into())).expect("they can say it")
}

/// What the agenda holds, as it is kept.
fn agenda_bytes(kernel: &Kernel) -> usize {
    kernel.keep_agenda().expect("the log works");
    let kept = kernel.store.projection(PROJECTION, "").expect("the log works");
    kept.rows.iter().map(|(key, row)| key.len() + row.len()).sum()
}

/// What this process holds in memory.
fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a number");
    pages * 4096
}
