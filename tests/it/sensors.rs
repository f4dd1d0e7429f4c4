//! Sensors run beside the bot: their lines are triggers once, they go on where they were, and they end when they are to.

use std::path::Path;
use std::sync::Arc;

use beadle::adapter::secrets::Secrets;
use beadle::domain::event::{Event, MessageQueued};
use beadle::domain::id::RoomId;

use beadle::domain::sensor::{ENDS_TOLD, SENSORS_MAX};
use beadle::domain::trigger::What;
use beadle::play::world::World;
use beadle::processor::intake::Ear;
use beadle::processor::scripts::Scripts;
use beadle::processor::{Kernel, Settings, sensors};
use beadle::script::load::load_sources;
use beadle::store::memory::MemoryStore;
use beadle::store::{EventStore, Surroundings};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::store_world::{everything, surroundings};

/// A log, a scripts folder, and the bot that looks after the sensors while it runs.
struct Watched {
    store: Arc<MemoryStore>,
    world: Arc<World>,
    folder: TempDir,
    running: Option<Running>,
}

struct Running {
    kernel: Arc<Kernel>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watched {
    fn new(script: &str) -> Self {
        let world = World::new();
        let entropy = surroundings(1).0.entropy;
        let store = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
        let folder = tempfile::tempdir().expect("a folder");
        let watched = Self { store, world, folder, running: None };
        watched.write(script);
        watched
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, script: &str) {
        std::fs::write(self.path().join("t.rhai"), script).expect("written");
    }

    fn start(&mut self) {
        let (scripts, problems) = Scripts::folder(self.path());
        assert!(problems.is_empty(), "{problems:?}");
        let settings =
            Settings { management_room: Some(RoomId("#boss".into())), ..Settings::simulated("!") };
        let (chat, clock) = (self.world.clone(), self.world.clock.clone());
        let kernel = Kernel::new(self.store.clone(), scripts, chat.clone(), chat, clock, settings);
        let kernel = kernel.expect("the log can be read");
        let (stop, stopping) = watch::channel(false);
        let environment = [("S_DOOR".to_owned(), "open-sesame".to_owned())];
        let secrets = Secrets::new(None, "S_", environment.into_iter());
        let ear = Arc::new(Ear::new(kernel.clone()));
        let run = sensors::run(kernel.clone(), ear, secrets, stopping);
        let task = tokio::spawn(async move { run.await.expect("the log works") });
        self.running = Some(Running { kernel, stop, task });
    }

    fn kernel(&self) -> &Kernel {
        &self.running.as_ref().expect("it runs").kernel
    }

    async fn stop(&mut self) {
        let Running { stop, task, .. } = self.running.take().expect("it runs");
        stop.send_replace(true);
        task.await.expect("it ends");
    }

    /// The bot is gone without a word.
    fn kill(&mut self) {
        self.running.take().expect("it runs").task.abort();
    }

    /// The fields of all triggers so far, with their names.
    fn seen(&self) -> Vec<(String, Map<String, Value>)> {
        let all = everything(self.store.as_ref()).into_iter();
        all.filter_map(|recorded| match recorded.event()? {
            Event::TriggerRecorded(e) => match &e.trigger.what {
                What::Event(event) => Some((event.name.clone(), event.fields.clone())),
                _ => None,
            },
            _ => None,
        })
        .collect()
    }

    fn told(&self) -> Vec<String> {
        let all = everything(self.store.as_ref()).into_iter();
        all.filter_map(|recorded| match recorded.event()? {
            Event::MessageQueued(MessageQueued { doc, .. }) => Some(doc.words()),
            _ => None,
        })
        .collect()
    }

    /// Waits until the log is as it is to be.
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut head = self.store.watch();
        loop {
            head.borrow_and_update();
            if holds(self) {
                return;
            }
            head.changed().await.expect("the log is open");
        }
    }

    async fn lines(&self, count: usize) -> Vec<Value> {
        self.until(|it| it.seen().len() >= count).await;
        self.seen().into_iter().map(|(_, fields)| Value::Object(fields)).collect()
    }
}

/// A sensor in the words of a shell.
fn shell(name: &str, script: &str, more: &str) -> String {
    let run = json!(["/bin/sh", "-c", script]);
    format!("sensor(\"{name}\", #{{ run: {run}{more} }});\n")
}

/// Counts on from where it was, two at a time, and then waits for its end.
const COUNTS: &str = r#"i=${BEADLE_CURSOR:-0}; for n in 1 2; do i=$((i+1)); echo "{\"cursor\":$i,\"from\":\"${BEADLE_CURSOR:-}\"}"; done; cat >/dev/null"#;

#[tokio::test]
async fn a_sensor_goes_on_where_it_was() {
    let mut bot = Watched::new(&shell("count", COUNTS, ""));
    bot.start();
    let first = bot.lines(2).await;
    assert_eq!(first, [json!({"cursor":1,"from":""}), json!({"cursor":2,"from":""})]);
    assert!(matches!(bot.kernel().sensors_doing()["count"], sensors::Doing::Runs(_)));
    bot.stop().await;
    bot.start();
    let second = bot.lines(4).await.split_off(2);
    assert_eq!(second, [json!({"cursor":3,"from":"2"}), json!({"cursor":4,"from":"2"})]);
    assert!(bot.seen().iter().all(|(name, _)| name == "sensor.count"));
    bot.kill();
    bot.start();
    assert_eq!(bot.lines(6).await[5], json!({"cursor":6,"from":"4"}));
    let stands = bot.kernel().sensor_stands("count").expect("the log can be read");
    assert_eq!((stands.lines, stands.cursor.as_deref()), (6, Some("6")));
    bot.stop().await;
}

#[tokio::test]
async fn what_is_said_twice_comes_once_and_what_is_no_object_is_told() {
    let says = r#"echo '{"cursor":"a","door":"front"}'; echo '{"cursor":"a","door":"front"}'; echo oops; echo '{"door":"back"}'; echo '{"door":"back"}'; echo "{\"key\":\"$DOOR\"}"; cat >/dev/null"#;
    let mut bot = Watched::new(&shell("doors", says, ", env: #{ DOOR: secret(\"door\") }"));
    bot.start();
    let lines = bot.lines(4).await;
    assert_eq!(
        lines,
        [
            json!({"cursor":"a","door":"front"}),
            // Without a place they are different things.
            json!({"door":"back"}),
            json!({"door":"back"}),
            json!({"key":"[secret door]"}),
        ]
    );
    bot.until(|it| !it.told().is_empty()).await;
    let told = bot.told();
    assert!(told[0].contains("doors printed 1 line that I cannot use"), "{told:?}");
    bot.stop().await;
}

#[tokio::test]
async fn a_sensor_that_ends_is_started_again() {
    let ends = r#"if [ -z "$BEADLE_CURSOR" ]; then echo '{"cursor":1}'; echo 'no more doors' >&2; exit 3; fi; echo '{"cursor":2}'; cat >/dev/null"#;
    let mut bot = Watched::new(&shell("ends", ends, ""));
    bot.start();
    bot.lines(1).await;
    assert_eq!(bot.lines(2).await[1], json!({"cursor":2}));
    bot.stop().await;
    assert!(bot.told().is_empty(), "the owner is told after {ENDS_TOLD} ends");
}

#[tokio::test]
async fn a_sensor_ends_with_its_script_and_another_one_begins() {
    let names = |name: &str| {
        let prints = format!("echo '{{\"name\":\"{name}\"}}'; cat >/dev/null");
        shell("names", &prints, "")
    };
    let mut bot = Watched::new(&names("first"));
    bot.start();
    bot.lines(1).await;
    bot.write(&names("second"));
    assert_eq!(bot.kernel().scripts.reload(), []);
    assert_eq!(bot.lines(2).await[1], json!({"name":"second"}));
    bot.write(&format!("{}{}", shell("other", "echo '{}'; cat >/dev/null", ""), "// gone"));
    assert_eq!(bot.kernel().scripts.reload(), []);
    bot.lines(3).await;
    let doing: Vec<String> = bot.kernel().sensors_doing().into_keys().collect();
    assert_eq!(doing, ["other"], "one that is gone has ended before another one begins");
    bot.stop().await;
}

#[tokio::test]
async fn a_file_is_followed_from_its_end_and_across_starts() {
    let mut bot =
        Watched::new("tail(\"log\", #{ file: \"x.log\", pattern: `^(?<level>[A-Z]+) ` });");
    let log = bot.path().join("x.log");
    let add = |text: &str| {
        use std::io::Write;
        let file = std::fs::File::options().create(true).append(true).open(&log);
        file.expect("ours").write_all(text.as_bytes()).expect("written");
    };
    add("WARN old\n");
    bot.start();
    let stands = |it: &Watched| it.kernel().sensor_stands("log").expect("read").cursor.is_some();
    bot.until(stands).await;
    add("WARN disk\nquiet\n");
    let line = |text: &str, level: &str| json!({"line": text, "level": level, "file": "x.log"});
    assert_eq!(bot.lines(1).await, [line("WARN disk", "WARN")]);
    bot.stop().await;
    add("ERROR while nobody looked\n");
    std::fs::rename(&log, bot.path().join("x.log.1")).expect("renamed");
    add("INFO new\n");
    bot.start();
    let lines = bot.lines(3).await;
    assert_eq!(lines[1..], [line("ERROR while nobody looked", "ERROR"), line("INFO new", "INFO")]);
    bot.stop().await;
}

#[test]
fn all_scripts_together_have_so_many_sensors() {
    let sensors = |file: usize, count: usize| {
        let all = (0..count).map(|n| format!("sensor(\"s{file}-{n}\", #{{ run: [\"x\"] }});\n"));
        (format!("f{file}.rhai"), all.collect::<String>())
    };
    let (set, problems) = load_sources(vec![sensors(1, SENSORS_MAX), sensors(2, 1)]);
    assert_eq!(set.scripts.len(), 1);
    assert!(problems[0].message.contains("more than 100 sensors in all scripts"), "{problems:?}");
    let (_, problems) = load_sources(vec![sensors(1, 1), ("b.rhai".into(), sensors(1, 1).1)]);
    assert!(problems[0].message.contains("the sensor `s1-0` is already in"), "{problems:?}");
}
