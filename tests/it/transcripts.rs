//! Every transcript: as written in memory, with a stop at every append, and as written on disk with real kills.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beadle::app::SystemEntropy;
use beadle::play::child::ChildBot;
use beadle::play::parse::{Transcript, parse};
use beadle::play::runner::{self, Setup};
use beadle::play::stops;
use beadle::play::world::World;

fn transcripts() -> Vec<(Transcript, PathBuf, Setup)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir("tests/transcripts")
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    files.push("scripts/demo.txt".into());
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let transcript =
            parse(&path.display().to_string(), &text).unwrap_or_else(|why| panic!("{why}"));
        let folder = path.parent().expect("it has a folder").to_owned();
        let setup = runner::setup(&transcript, &folder, Path::new("scripts"));
        (transcript, folder, setup)
    };
    files.into_iter().map(read).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn with_a_stop_at_every_append() {
    for (transcript, folder, setup) in transcripts() {
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
    for (transcript, folder, setup) in transcripts() {
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
