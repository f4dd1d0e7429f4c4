//! Schedules against the log: clocks that leap, scripts that change, spread times, and how many there may be.

use std::sync::Arc;

use beadle::domain::id::{RoomId, Timestamp};
use beadle::domain::schedule::{
    INTERVAL_MS_MAX, INTERVAL_MS_MIN, JITTER_MS_MAX, MISSED_MAX, OCCURRENCES_MAX, SCHEDULES_MAX,
};
use beadle::play::world::{BEGINNING, World};
use beadle::processor::scripts::Scripts;
use beadle::processor::{Kernel, Settings};
use beadle::query::agenda::Budget;
use beadle::script::load::load_sources;
use beadle::store::Surroundings;
use beadle::store::memory::MemoryStore;
use tempfile::TempDir;

use crate::store_world::{everything, surroundings};

const HOUR_MS: i64 = 3_600_000;
/// Most steps until everything is done.
const STEPS_MAX: usize = 10_000;

/// A log and a scripts folder, on which a kernel is made anew or goes on.
struct Timed {
    store: Arc<MemoryStore>,
    world: Arc<World>,
    folder: TempDir,
    kernel: Arc<Kernel>,
}

impl Timed {
    async fn new(script: &str) -> Self {
        let world = World::new();
        let entropy = surroundings(1).0.entropy;
        let store = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("t.rhai"), script).expect("written");
        let kernel = kernel(&store, &world, &folder);
        let timed = Self { store, world, folder, kernel };
        timed.settle().await;
        timed
    }

    /// The bot is killed and started again.
    async fn restart(&mut self) {
        self.kernel = kernel(&self.store, &self.world, &self.folder);
        self.settle().await;
    }

    /// The script is saved.
    async fn save(&self, script: &str) {
        std::fs::write(self.folder.path().join("t.rhai"), script).expect("written");
        assert_eq!(self.kernel.scripts.reload(), []);
        self.settle().await;
    }

    /// The clock shows so many milliseconds behind the beginning; gives what is said then.
    async fn at(&self, ms: i64) -> Vec<String> {
        self.world.clock.set(BEGINNING.plus_ms(ms));
        self.settle().await;
        let mut said = vec![];
        while let Some(heard) = self.world.next_heard() {
            said.push(heard.text);
        }
        said
    }

    async fn settle(&self) {
        for _ in 0..STEPS_MAX {
            self.kernel.catch_up().expect("the log can be read");
            let tasks = self.kernel.tasks(&|_| false, Budget { steps: 1, effects: 1, sends: 1 });
            let Some(task) = tasks.first() else { return };
            self.kernel.perform(task).await.expect("the log works");
        }
        panic!("it never comes to rest");
    }

    fn count(&self, kind: &str) -> usize {
        everything(self.store.as_ref()).iter().filter(|it| it.kind == kind).count()
    }

    fn due(&self) -> Option<Timestamp> {
        self.kernel.next_due()
    }
}

fn kernel(store: &Arc<MemoryStore>, world: &Arc<World>, folder: &TempDir) -> Arc<Kernel> {
    let (scripts, problems) = Scripts::folder(folder.path());
    assert!(problems.is_empty(), "{problems:?}");
    let settings =
        Settings { management_room: Some(RoomId("#boss".into())), ..Settings::simulated("!") };
    let (chat, clock) = (world.clone(), world.clock.clone());
    let made = Kernel::new(store.clone(), scripts, chat.clone(), chat, clock, settings);
    made.expect("the log can be read")
}

fn says(spec: &str, options: &str) -> String {
    format!(
        "schedule(\"clock\", \"{spec}\", #{{ {options} }}, |t| say(`${{format_time(t.scheduled, \"UTC\", \"%d %H:%M\")}} after ${{t.missed}}`));"
    )
}

#[tokio::test]
async fn a_clock_that_leaps_brings_no_storm_and_passes_nothing_over() {
    let mut bot = Timed::new(&says("hourly", "")).await;
    let day = 24 * HOUR_MS;
    for (at_ms, want) in [
        (HOUR_MS - 1, &[][..]),
        (HOUR_MS, &["02 10:00 after 0"]),
        // A correction of seconds brings it no second time.
        (HOUR_MS - 30_000, &[]),
        (HOUR_MS, &[]),
        // Back by a day: it goes on by the new time.
        (-day, &[]),
        (HOUR_MS - day, &["01 10:00 after 0"]),
        // Forward again: what was passed over is one, and what has come does not come again.
        (HOUR_MS / 2, &["02 09:00 after 22"]),
        (HOUR_MS, &[]),
        (2 * HOUR_MS, &["02 11:00 after 0"]),
        // Ten days forward.
        (10 * day, &["12 09:00 after 237"]),
        (10 * day + HOUR_MS, &["12 10:00 after 0"]),
    ] {
        assert_eq!(bot.at(at_ms).await, want, "at {at_ms}");
        bot.restart().await;
        assert_eq!(bot.at(at_ms).await, [""; 0], "again at {at_ms}");
    }
    assert_eq!(bot.count("execution_finished"), 6);
}

#[tokio::test]
async fn what_is_caught_up_with_has_a_bound() {
    let all = says("every 1s", "missed: \"all\", max: 50");
    let bot = Timed::new(&all).await;
    let said = bot.at(24 * HOUR_MS).await;
    assert_eq!(said.len(), MISSED_MAX as usize);
    assert!(said[0].ends_with(&format!("after {}", OCCURRENCES_MAX + 3_600 - 50)), "{}", said[0]);
    assert_eq!(bot.at(24 * HOUR_MS).await, [""; 0]);
}

#[tokio::test]
async fn a_schedule_goes_on_ends_and_begins_anew_with_its_script() {
    let bot = Timed::new(&says("every 2h", "")).await;
    // The same name and the same words go on.
    bot.at(HOUR_MS).await;
    bot.save(&format!("// edited\n{}", says("every 2h", "help: \"Clock\""))).await;
    assert_eq!(bot.at(2 * HOUR_MS).await, ["02 11:00 after 0"]);
    // Other words begin anew.
    bot.at(3 * HOUR_MS).await;
    bot.save(&says("every 90m", "")).await;
    assert_eq!(bot.at(4 * HOUR_MS).await, [""; 0], "it began at noon");
    assert_eq!(bot.at(4 * HOUR_MS + HOUR_MS / 2).await, ["02 13:30 after 0"]);
    // What is gone comes no more, and is not caught up with when it is back.
    bot.save("// nothing").await;
    assert_eq!(bot.due(), None);
    assert_eq!(bot.at(20 * HOUR_MS).await, [""; 0]);
    bot.save(&says("every 90m", "")).await;
    assert_eq!(bot.at(21 * HOUR_MS).await, [""; 0]);
    assert_eq!(bot.at(21 * HOUR_MS + HOUR_MS / 2).await, ["03 06:30 after 0"]);
}

#[tokio::test]
async fn what_comes_once_comes_once_whatever_becomes_of_its_script() {
    let mut bot = Timed::new(&says("in 90m", "")).await;
    assert_eq!(bot.at(2 * HOUR_MS).await, ["02 10:30 after 0"]);
    bot.save(&format!("// edited\n{}", says("in 90m", ""))).await;
    bot.restart().await;
    assert_eq!(bot.at(100 * HOUR_MS).await, [""; 0]);
    let standing = bot.kernel.schedules().expect("the log can be read").remove(0);
    let stands = standing.stands.expect("it began");
    assert_eq!(standing.schedule.next(stands.began, stands.upto), None, "it is over");
}

#[tokio::test]
async fn spread_times_are_the_same_after_a_restart() {
    let mut bot = Timed::new(&says("hourly", "jitter: \"10m\"")).await;
    let mut spread = vec![];
    for hour in 1..=20 {
        let due = bot.due().expect("it comes").0 - BEGINNING.0;
        let delay = due - hour * HOUR_MS;
        assert!((0..=600_000).contains(&delay), "{delay}");
        bot.restart().await;
        assert_eq!(bot.due().map(|due| due.0 - BEGINNING.0), Some(due));
        assert_eq!(bot.at(due - 1).await, [""; 0]);
        assert_eq!(bot.at(due).await.len(), 1, "hour {hour}");
        spread.push(delay);
    }
    spread.sort_unstable();
    spread.dedup();
    assert!(spread.len() > 10, "they are spread: {spread:?}");
}

#[test]
fn all_scripts_together_have_so_many_schedules() {
    let file = |file: usize, count: usize| {
        let all = (0..count).map(|n| format!("schedule(\"s{file}-{n}\", \"hourly\", || 1);\n"));
        (format!("f{file}.rhai"), all.collect::<String>())
    };
    let half = SCHEDULES_MAX / 2;
    let (set, problems) = load_sources(vec![file(1, half), file(2, half)]);
    assert_eq!((set.scripts.len(), problems.len()), (2, 0), "{problems:?}");
    let (set, problems) = load_sources(vec![file(1, half), file(2, half), file(3, 1)]);
    assert_eq!(set.scripts.len(), 2);
    assert!(problems[0].message.contains("more than 1000 schedules"), "{problems:?}");
    assert_eq!((INTERVAL_MS_MIN, INTERVAL_MS_MAX), (1_000, 366 * 24 * HOUR_MS));
    assert_eq!(JITTER_MS_MAX, HOUR_MS);
}
