//! Scripts that wait: what replaying their journals takes, what a life of many waits takes, and what those hold that only wait.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::meter::{cpu_ms, heap_bytes, resident_mib};
use crate::app::surroundings;
use crate::cli::style::out;
use crate::cli::{Context, Failure};
use crate::domain::event::EffectResult;
use crate::play::bot::Bot;
use crate::play::parse::Does;
use crate::play::world::{HandClock, Person, Room, World};
use crate::processor::Settings;
use crate::processor::action::{ActionCall, ActionDone, Actions};
use crate::query::agenda::Agenda;
use crate::script::hot::HOT_FOR;
use crate::script::memory;
use crate::store::sled::SledStore;
use crate::store::{EventStore, Options, Surroundings};

/// What runs in the measurements.
const SCRIPT: &str = r#"
action("bench.nothing", #{ run: ["true"], params: #{ n: "int" }, effect: "idempotent" });
alias("remember {n:int} things", #{ ack: false }, |args| { for i in 0..args.n { now(); } sleep("1h"); });
alias("do {n:int} things", #{ ack: false }, |args| { for i in 0..args.n { exec("bench.nothing", #{ n: i }); } });
alias("wait", #{ ack: false }, || ask("Which size?"));
"#;
/// So many entries are replayed.
const ENTRIES: [usize; 4] = [10, 100, 1_000, 9_999];
/// So many actions are awaited in one life.
const AWAITED: usize = 1_000;
/// Each asker's room: one room would be asked too much.
const ROOMS: usize = 1_000;

/// What `bench replay` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: beadle bench replay --asks 10000")]
pub struct ReplayArgs {
    /// How many scripts wait for an answer at the same time.
    #[arg(long, default_value_t = 100_000)]
    asks: usize,
    /// The longest journal that is replayed, and the most actions of a life.
    #[arg(long, default_value_t = ENTRIES[3])]
    entries: usize,
    /// A directory on the disk to measure; else a temporary one.
    #[arg(long, value_name = "DIR")]
    on: Option<PathBuf>,
}

/// Actions that are done at once.
struct AtOnce;

impl Actions for AtOnce {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        let result = EffectResult::Ok(call.args["n"].clone());
        Box::pin(async move { ActionDone { result, whole: None, took: Duration::ZERO } })
    }
}

/// A bot on a log on disk, and the world around it.
struct Scene {
    world: Arc<World>,
    store: Arc<dyn EventStore>,
    bot: Bot,
    dir: PathBuf,
    scripts: PathBuf,
}

impl Scene {
    fn open(
        world: &Arc<World>,
        dir: &Path,
        scripts: &Path,
        hot_for: Duration,
    ) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::new(1, why.to_string());
        let clock: Arc<HandClock> = world.clock.clone();
        let around = Surroundings { clock: clock.clone(), ..surroundings() };
        let opened = SledStore::open(dir, around, Options::default());
        let (store, _) = opened.map_err(|why| failed(&why))?;
        let store: Arc<dyn EventStore> = Arc::new(store);
        let settings = Settings { hot_for, ..Settings::simulated("!") };
        let (chat, actions) = (world.clone(), Arc::new(AtOnce));
        let bot = Bot::open(store.clone(), scripts, chat, actions, clock, settings);
        let bot = bot.map_err(|why| failed(&why))?;
        let (world, dir, scripts) = (world.clone(), dir.to_owned(), scripts.to_owned());
        Ok(Self { world, store, bot, dir, scripts })
    }

    /// Closed and opened again, as after a restart.
    fn reopened(self, hot_for: Duration) -> Result<Self, Failure> {
        let Self { world, store, bot, dir, scripts } = self;
        drop((bot, store));
        Self::open(&world, &dir, &scripts, hot_for)
    }

    async fn says(&self, room: usize, text: &str) -> Result<(), Failure> {
        let person = Person::named("ann");
        let room = Room::named(format!("#room{room}"));
        let trigger = self.world.act(&person, &room, &Does::Says(text.into()));
        let trigger = trigger.map_err(|why| Failure::new(1, why))?;
        self.bot.deliver(trigger).await.map_err(|why| Failure::new(1, why.to_string()))?;
        self.settle().await
    }

    async fn settle(&self) -> Result<(), Failure> {
        let settled = self.bot.settle().await.map_err(|why| Failure::new(1, why.to_string()));
        while self.world.next_heard().is_some() {}
        settled
    }
}

/// Measures.
pub fn main(context: &Context, args: &ReplayArgs) -> Result<(), Failure> {
    let (place, scripts) = (super::place(args.on.as_deref())?, tempfile::tempdir()?);
    std::fs::write(scripts.path().join("bench.rhai"), SCRIPT)?;
    context.runtime()?.block_on(async {
        for entries in ENTRIES.into_iter().filter(|entries| *entries <= args.entries) {
            let dir = place.path().join(format!("replay-{entries}"));
            replayed(&dir, scripts.path(), entries).await?;
        }
        for (how, hot_for) in [("on its thread", HOT_FOR), ("from the journal", Duration::ZERO)] {
            let dir = place.path().join(format!("life-{}", hot_for.as_millis()));
            life(&dir, scripts.path(), how, hot_for, AWAITED.min(args.entries)).await?;
        }
        waiting(&place.path().join("asks"), scripts.path(), args.asks).await
    })
}

/// What something took: on the clock, and of the processor.
async fn took(work: impl Future<Output = Result<(), Failure>>) -> Result<(f64, f64), Failure> {
    let cpu = || cpu_ms(std::process::id()).unwrap_or(0.0);
    let (begun, before) = (Instant::now(), cpu());
    work.await?;
    Ok((begun.elapsed().as_secs_f64() * 1_000.0, cpu() - before))
}

/// An execution with so many entries goes on after a restart.
async fn replayed(dir: &Path, scripts: &Path, entries: usize) -> Result<(), Failure> {
    let scene = Scene::open(&World::new(), dir, scripts, Duration::ZERO)?;
    scene.says(0, &format!("!remember {} things", entries - 1)).await?;
    let scene = scene.reopened(Duration::ZERO)?;
    scene.world.clock.advance(3_600_000);
    let (ms, cpu_ms) = took(scene.settle()).await?;
    out!(
        "{}",
        json!({ "bench": "replay", "what": "replay", "entries": entries, "ms": ms, "cpu_ms": cpu_ms })
    );
    Ok(())
}

/// One execution awaits many actions, one after another.
async fn life(
    dir: &Path,
    scripts: &Path,
    how: &str,
    hot_for: Duration,
    awaited: usize,
) -> Result<(), Failure> {
    let scene = Scene::open(&World::new(), dir, scripts, hot_for)?;
    let (ms, cpu_ms) = took(scene.says(0, &format!("!do {awaited} things"))).await?;
    out!(
        "{}",
        json!({
            "bench": "replay", "what": "life", "how": how, "entries": awaited, "ms": ms, "cpu_ms": cpu_ms,
        })
    );
    Ok(())
}

/// Many executions wait for an answer; what each of them holds in memory after a restart.
async fn waiting(dir: &Path, scripts: &Path, asks: usize) -> Result<(), Failure> {
    let resident =
        || resident_mib(std::process::id()).map_or(0.0, |(now, _)| now * 1024.0 * 1024.0);
    let scene = Scene::open(&World::new(), dir, scripts, Duration::ZERO)?;
    let mut parts = vec![];
    for nths in tenths(asks) {
        let many = nths.len() as f64;
        let took = took(async {
            for nth in nths {
                scene.says(nth % ROOMS, "!wait").await?;
            }
            Ok(())
        });
        parts.push((many, took.await?));
    }
    let (ms, cpu_ms) =
        parts.iter().fold((0.0, 0.0), |sum, (_, took)| (sum.0 + took.0, sum.1 + took.1));
    let each_us = |part: Option<&(f64, (f64, f64))>| {
        part.map_or(0.0, |(many, (_, cpu_ms))| cpu_ms * 1_000.0 / many)
    };
    let Scene { store, bot, .. } = scene;
    drop((bot, store));
    let (resident_before, heap_before) = (resident(), heap_bytes());
    let mut scene = None;
    let opened = took(async {
        scene = Some(Scene::open(&World::new(), dir, scripts, Duration::ZERO)?);
        Ok(())
    });
    let (open_ms, _) = opened.await?;
    let scene = scene.expect("it was opened");
    let (resident, heap) = (resident() - resident_before, heap_bytes() - heap_before);
    let waiting = asks.max(1) as f64;
    let row: Value = json!({
        "bench": "replay", "what": "waiting", "suspended": asks, "ms": ms, "cpu_ms": cpu_ms,
        "cpu_us_of_the_first": each_us(parts.first()), "cpu_us_of_the_last": each_us(parts.last()),
        "open_ms": open_ms,
        "bytes_per_suspended": resident / waiting,
        "heap_bytes_per_suspended": heap / waiting,
        "index": crate::query::agenda::PROJECTION,
        "index_bytes_per_suspended": agenda_bytes(scene.store.as_ref())? as f64 / waiting,
        "on_disk_bytes_per_suspended": crate::query::stats::size_of(&scene.dir) as f64 / waiting,
    });
    out!("{row}");
    Ok(())
}

/// So many in ten parts, as far as there are as many: the first and the last one tell whether they cost alike.
fn tenths(many: usize) -> Vec<Range<usize>> {
    let size = many.div_ceil(10).max(1);
    (0..many).step_by(size).map(|begin| begin..many.min(begin + size)).collect()
}

/// What the agenda holds in memory: of all that is open it is what the bot does not leave on disk.
fn agenda_bytes(store: &dyn EventStore) -> Result<isize, Failure> {
    let before = memory::held();
    let mut agenda = Agenda::kept(store).map_err(|why| Failure::new(1, why.to_string()))?;
    agenda.catch_up(store).map_err(|why| Failure::new(1, why.to_string()))?;
    let held = memory::held() - before;
    drop(agenda);
    Ok(held)
}
