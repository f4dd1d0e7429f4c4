//! Every transcript: as written in memory, with a stop at every append, and as written on disk with real kills.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use beadle::app::SystemEntropy;
use beadle::play::child::ChildBot;
use beadle::play::parse::{Transcript, parse};
use beadle::play::runner::{self, Setup};
use beadle::play::stops;
use beadle::play::world::World;

/// How long a script that waits stays on its thread.
const HOT: Duration = Duration::from_millis(500);

fn transcripts() -> Vec<(Transcript, PathBuf, Setup)> {
    let mut files = files_in("tests/transcripts");
    files.extend(files_in("tests/transcripts/shipped"));
    files.extend(files_in("tests/transcripts/duplex"));
    files.push("scripts/demo.txt".into());
    files.into_iter().map(read).collect()
}

/// Those of one topic of `tests/it/colleague.rs`.
fn colleague(topic: u32) -> Vec<(Transcript, PathBuf, Setup)> {
    let begins = format!("{topic}-");
    let of_topic = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|it| it.starts_with(&begins))
    };
    files_in("tests/transcripts/colleague").into_iter().filter(of_topic).map(read).collect()
}

/// Those of `tests/transcripts/duplex` whose names begin so.
fn duplex(begins: &str) -> Vec<(Transcript, PathBuf, Setup)> {
    let of_topic = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|it| it.starts_with(begins))
    };
    let found: Vec<_> =
        files_in("tests/transcripts/duplex").into_iter().filter(of_topic).map(read).collect();
    assert!(!found.is_empty(), "no transcript begins with {begins}");
    found
}

fn files_in(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    files.sort();
    files
}

fn read(path: PathBuf) -> (Transcript, PathBuf, Setup) {
    let text = std::fs::read_to_string(&path).expect("it can be read");
    let transcript =
        parse(&path.display().to_string(), &text).unwrap_or_else(|why| panic!("{why}"));
    let folder = path.parent().expect("it has a folder").to_owned();
    let setup = runner::setup(&transcript, &folder, Path::new("scripts"));
    (transcript, folder, setup)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Scripts that wait stay on their threads for a while, and are run again from their journals.
#[test]
fn with_a_stop_at_every_append() {
    every_stop(transcripts(), HOT);
}

/// Every script that waits is run again from its journal.
#[test]
fn with_a_stop_at_every_append_and_always_from_the_journal() {
    every_stop(transcripts(), Duration::ZERO);
}

fn every_stop(transcripts: Vec<(Transcript, PathBuf, Setup)>, hot_for: Duration) {
    for (transcript, folder, mut setup) in transcripts {
        setup.settings.hot_for = hot_for;
        let quiet = &mut |_: &str| {};
        let played = stops::all(&transcript, &folder, &setup, Arc::new(SystemEntropy), quiet);
        let stops = runtime().block_on(played).unwrap_or_else(|difference| panic!("{difference}"));
        println!(
            "{}: {} appends, in doubt in {} runs",
            transcript.name, stops.appends, stops.in_doubt
        );
        assert!(stops.appends > 0, "{} appends nothing", transcript.name);
    }
}

#[test]
fn on_disk_with_real_kills() {
    on_disk(transcripts());
}

fn on_disk(transcripts: Vec<(Transcript, PathBuf, Setup)>) {
    for (transcript, folder, setup) in transcripts {
        let data = tempfile::tempdir().expect("a directory");
        let world = World::new();
        let data = data.path().display().to_string();
        let program = env!("CARGO_BIN_EXE_beadle");
        let command = [program, "chat", "--child", "--quiet", "--data", &data].map(str::to_owned);
        let mut bot = ChildBot::new(world.clone(), command.to_vec());
        bot.start(&setup).unwrap_or_else(|why| panic!("{}: {why}", transcript.name));
        let quiet = &mut |_: &str| {};
        let played = runner::play(&transcript, &folder, setup, &world, &mut bot, false, quiet);
        runtime().block_on(played).unwrap_or_else(|difference| panic!("{difference}"));
        bot.kill();
        let verified =
            std::process::Command::new(program).args(["log", "verify", "--data", &data]).output();
        let verified = verified.expect("it runs");
        assert!(verified.status.success(), "{}: {verified:?}", transcript.name);
    }
}

/// The transcripts of one topic, in all three ways.
macro_rules! topics {
    ($of:ident; $($name:ident: $topic:literal,)*) => {$(
        #[test]
        fn $name() {
            every_stop($of($topic), HOT);
            every_stop($of($topic), Duration::ZERO);
            on_disk($of($topic));
        }
    )*};
}

topics! {
    duplex;
    duplex_2_schedules: "2-",
    duplex_4_rules: "4-",
}

topics! {
    colleague;
    colleague_1_questions: 1,
    colleague_2_approvals: 2,
    colleague_3_context: 3,
    colleague_4_people: 4,
    colleague_5_policy: 5,
    colleague_6_why: 6,
    colleague_7_edits: 7,
    colleague_8_manners: 8,
}

/// What is off, alerts, silences, and what the essays show of them.
macro_rules! of_alerts {
    ($($name:ident: $begins:literal,)*) => {$(
        #[test]
        fn $name() {
            every_stop(duplex($begins), HOT);
            every_stop(duplex($begins), Duration::ZERO);
            on_disk(duplex($begins));
        }
    )*};
}

of_alerts! {
    duplex_switches: "4-switched",
    duplex_5_alerts: "5-",
    duplex_s_of_the_essays: "s",
}

/// A transcript that says something else than the bot fails, or it would prove nothing.
#[test]
fn a_difference_is_found() {
    for (text, want) in [
        ("> ann: !ping\n< bot: pang", "t:2: "),
        ("> ann: !ping", "t:1: the bot also said"),
        ("> ann: !ping\n(quiet)", "t:2: the bot also said"),
        ("> ann: good morning\n< bot: hello", "t:2: the bot said nothing"),
        ("> ann: !ping\n< bot (in thread): pong", "t:2: "),
        ("> ann: !ping\n< bot: pong\n(log trigger_recorded)", "t:3: "),
        (
            "> ann: !ping\n< bot: pong\n(exec host.disk {} -> 1)",
            "t:3: the action host.disk was not run",
        ),
        ("> ann: !disk\n< bot*: *\n< bot*: *", "nobody expects (exec host.disk"),
    ] {
        let transcript = parse("t", text).expect("it parses");
        let folder = Path::new("tests/transcripts");
        let setup = runner::setup(&transcript, folder, Path::new("scripts"));
        let quiet = &mut |_: &str| {};
        let played = stops::plain(&transcript, folder, &setup, Arc::new(SystemEntropy), quiet);
        let difference = runtime().block_on(played).expect_err(text).to_string();
        assert!(difference.contains(want), "{text:?}: {difference}");
    }
}
