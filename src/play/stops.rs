//! Plays a transcript as written, then once for each n with a stop at the n-th append: the append lost, or kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use rhai::Engine;

use super::bot::{Bot, BotError};
use super::parse::Transcript;
use super::runner::{self, Difference, Driver, Listener, Played, Setup};
use super::world::World;
use crate::adapter::{Redaction, Reread};
use crate::domain::id::{Position, Timestamp};
use crate::domain::trigger::Trigger;
use crate::processor::scripts::Scripts;
use crate::script::engine::engine;
use crate::script::load::{ScriptSet, load_folder};
use crate::store::memory::MemoryStore;
use crate::store::stop::StopStore;
use crate::store::{Entropy, EventStore, Surroundings};

/// What playing with stops came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stops {
    /// How many appends there are, and so how many places to stop at.
    pub appends: u64,
    /// In how many runs an effect came in doubt.
    pub in_doubt: u64,
}

/// A bot in this process, on a log in memory.
pub(super) struct InMemory {
    world: Arc<World>,
    /// What has survived so far.
    pub(super) disk: Arc<MemoryStore>,
    stop: Arc<StopStore>,
    stop_at: u64,
    survives: bool,
    /// Whether the planned stop was reached.
    pub(super) was_stopped: bool,
    bot: Option<Bot>,
    /// The bots that were killed. No destructor runs while the play goes on: what a dying process would not do is not
    /// done here. They go with the play.
    fallen: Vec<Bot>,
    /// The scripts, where they are not read from a folder at each start.
    loaded: Option<Loaded>,
    /// The folders that were read before.
    folders: Folders,
    /// The appends before the last start.
    appended: u64,
}

/// Folders of scripts, each read once: a play with hundreds of stops starts a bot at each.
#[derive(Clone, Default)]
pub(super) struct Folders(Arc<Mutex<BTreeMap<PathBuf, Loaded>>>);

impl Folders {
    fn of(&self, folder: &Path) -> Result<Loaded, BotError> {
        let mut known = self.0.lock().expect("nobody panics with them");
        if let Some(loaded) = known.get(folder) {
            return Ok(loaded.clone());
        }
        let (set, problems) = load_folder(folder);
        if !problems.is_empty() {
            return Err(BotError::Scripts(problems));
        }
        let loaded = (Arc::new(engine()), set);
        known.insert(folder.to_owned(), loaded.clone());
        Ok(loaded)
    }
}

/// Scripts that are loaded already, and the engine that runs them.
pub(super) type Loaded = (Arc<Engine>, ScriptSet);

impl InMemory {
    pub(super) fn new(
        world: &Arc<World>,
        entropy: Arc<dyn Entropy>,
        stop_at: u64,
        survives: bool,
    ) -> Self {
        let surroundings = Surroundings { clock: world.clock.clone(), entropy };
        let disk = MemoryStore::new(surroundings);
        let stop = StopStore::new(disk.clone(), stop_at, survives);
        let world = world.clone();
        Self {
            world,
            disk,
            stop,
            stop_at,
            survives,
            was_stopped: false,
            bot: None,
            fallen: vec![],
            loaded: None,
            folders: Folders::default(),
            appended: 0,
        }
    }

    /// With scripts that are loaded already.
    pub(super) fn with(self, loaded: Loaded) -> Self {
        Self { loaded: Some(loaded), ..self }
    }

    /// With folders that were read before.
    pub(super) fn reading(self, folders: &Folders) -> Self {
        Self { folders: folders.clone(), ..self }
    }

    /// How many appends there were.
    pub(super) fn appends(&self) -> u64 {
        self.appended + self.stop.appends()
    }

    /// When something becomes due by itself.
    pub(super) fn next_due(&self) -> Result<Option<Timestamp>, BotError> {
        Ok(self.bot()?.next_due())
    }

    pub(super) fn open(&mut self, setup: &Setup) -> Result<(), BotError> {
        let world = self.world.clone();
        let settings = setup.settings.clone();
        let store: Arc<dyn EventStore> = self.stop.clone();
        let (clock, chat) = (world.clock.clone(), world.clone());
        let bot = match &self.loaded {
            None => {
                let (engine, set) = self.folders.of(&setup.scripts)?;
                Bot::with(store, Scripts::with(engine, set), chat, world, clock, settings)
            }
            Some((engine, set)) => {
                let scripts = Scripts::with(engine.clone(), set.clone());
                Bot::with(store, scripts, chat, world, clock, settings)
            }
        };
        self.bot = Some(bot?);
        Ok(())
    }

    fn bot(&self) -> Result<&Bot, BotError> {
        self.bot.as_ref().ok_or_else(|| BotError::Process("it is not running".into()))
    }
}

impl Driver for InMemory {
    fn deliver(&mut self, trigger: Trigger) -> BoxFuture<'_, Result<(), BotError>> {
        Box::pin(async move { self.bot()?.deliver(trigger).await })
    }

    fn reread(&mut self, reread: Reread) -> BoxFuture<'_, Result<(), BotError>> {
        Box::pin(async move { self.bot()?.reread(reread).await })
    }

    fn redact(&mut self, redaction: Redaction) -> BoxFuture<'_, Result<(), BotError>> {
        Box::pin(async move { self.bot()?.redact(redaction).await })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<(), BotError>> {
        Box::pin(async move { self.bot()?.settle().await })
    }

    fn reload<'a>(&'a mut self, policy: &'a Path) -> BoxFuture<'a, Result<bool, BotError>> {
        Box::pin(async move { self.bot()?.reload(policy).await })
    }

    fn restart<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, Result<(), BotError>> {
        Box::pin(async move {
            self.fallen.extend(self.bot.take());
            self.disk = self.disk.reopen();
            self.was_stopped |= self.stop.stopped();
            self.appended += self.stop.appends();
            self.stop_at = match self.was_stopped {
                true => u64::MAX,
                false => self.stop_at.saturating_sub(self.stop.appends()),
            };
            self.stop = StopStore::new(self.disk.clone(), self.stop_at, self.survives);
            self.open(setup)
        })
    }

    fn log(&mut self, from: Position) -> BoxFuture<'_, Result<(Vec<String>, Position), BotError>> {
        Box::pin(async move { self.bot()?.log(from) })
    }

    fn stopped(&self) -> bool {
        self.stop.stopped()
    }
}

/// Plays a transcript in memory with one stop; says whether it was reached.
async fn once(
    transcript: &Transcript,
    folder: &Path,
    setup: &Setup,
    entropy: Arc<dyn Entropy>,
    stop: (u64, bool),
    folders: &Folders,
    listener: Listener<'_>,
) -> Result<(Played, bool), Difference> {
    let world = World::new();
    let mut driver = InMemory::new(&world, entropy, stop.0, stop.1).reading(folders);
    let failed = |why: BotError| Difference {
        name: transcript.name.clone(),
        line: 0,
        what: why.to_string(),
    };
    driver.open(setup).map_err(failed)?;
    let doubt = stop.0 != u64::MAX;
    let played =
        runner::play(transcript, folder, setup.clone(), &world, &mut driver, doubt, listener)
            .await?;
    Ok((played, driver.was_stopped))
}

/// Plays a transcript as written, in memory.
///
/// # Errors
/// The first [`Difference`].
pub async fn plain(
    transcript: &Transcript,
    folder: &Path,
    setup: &Setup,
    entropy: Arc<dyn Entropy>,
    listener: Listener<'_>,
) -> Result<(), Difference> {
    let folders = Folders::default();
    let played = once(transcript, folder, setup, entropy, (u64::MAX, true), &folders, listener);
    played.await.map(|_| ())
}

/// Plays a transcript as written, then with every stop.
///
/// # Errors
/// The first [`Difference`], with the stop that made it.
pub async fn all(
    transcript: &Transcript,
    folder: &Path,
    setup: &Setup,
    entropy: Arc<dyn Entropy>,
    listener: Listener<'_>,
) -> Result<Stops, Difference> {
    plain(transcript, folder, setup, entropy.clone(), listener).await?;
    let folders = Folders::default();
    let mut in_doubt = 0;
    let mut n = 0;
    loop {
        n += 1;
        let mut reached = false;
        for survives in [false, true] {
            let quiet = &mut |_: &str| {};
            let stop = (n, survives);
            let (played, end) =
                once(transcript, folder, setup, entropy.clone(), stop, &folders, quiet)
                    .await
                    .map_err(|difference| Difference {
                        what: format!(
                            "with a stop at append {n} ({}): {}",
                            if survives { "kept" } else { "lost" },
                            difference.what
                        ),
                        ..difference
                    })?;
            reached |= end;
            in_doubt += u64::from(played == Played::InDoubt);
        }
        if !reached {
            return Ok(Stops { appends: n - 1, in_doubt });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::parse::Does;
    use super::super::world::{Person, Room};
    use super::*;
    use crate::processor::Settings;
    use crate::script::hot::HOT_FOR;
    use crate::script::load::load_sources;
    use crate::store::testing::surroundings;

    /// A script that stays on its thread, and one that has ended.
    const SCRIPT: &str =
        "alias(\"nap\", || { sleep(\"10m\"); reply(\"up\"); }); alias(\"hi\", || reply(\"hi\"));";

    #[tokio::test]
    async fn a_play_leaves_no_bot_and_no_thread_behind() {
        let (set, problems) = load_sources(vec![("t.rhai".into(), SCRIPT.into())]);
        assert!(problems.is_empty(), "{problems:?}");
        let engine = Arc::new(engine());
        let world = World::new();
        let mut driver = InMemory::new(&world, surroundings().entropy, u64::MAX, true)
            .with((engine.clone(), set));
        let setup = Setup { scripts: PathBuf::new(), settings: Settings::simulated("!") };
        driver.open(&setup).expect("it opens");
        let mut bots = vec![];
        for _ in 0..3 {
            for command in ["!nap", "!hi"] {
                let (ann, does) = (Person::named("ann"), Does::Says(command.into()));
                let said = world.act(&ann, &Room::named("#ops"), &does).expect("they can");
                driver.deliver(said).await.expect("it is recorded");
                driver.settle().await.expect("it comes to rest");
            }
            bots.push(driver.bot().expect("it runs").left());
            driver.restart(&setup).await.expect("it starts again");
        }
        assert!(bots.iter().all(|bot| bot.strong_count() > 0), "no destructor has run yet");
        let ended = Instant::now();
        drop(driver);
        assert!(bots.iter().all(|bot| bot.strong_count() == 0), "a bot is still there");
        // The threads of scripts end as soon as nobody can wake them, and not after their time.
        while Arc::strong_count(&engine) > 1 {
            assert!(ended.elapsed() < HOT_FOR / 2, "threads of ended plays stand around");
            std::thread::yield_now();
        }
    }
}
