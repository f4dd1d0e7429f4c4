//! The agenda of every transcript, kept after every few events: what is read back is what was kept.

use std::path::{Path, PathBuf};

use super::parse::parse;
use super::runner;
use super::stops::{Folders, InMemory};
use super::world::World;
use crate::query::agenda::Agenda;
use crate::store::testing::surroundings;
use crate::store::{Direction, EventStore};

/// It is kept after so many events, so that some of what a batch changes is kept and some is not yet.
const KEPT_EVERY: usize = 3;

fn transcripts() -> Vec<PathBuf> {
    let folders = ["tests/transcripts", "tests/transcripts/shipped"].into_iter();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).expect("it is there"));
    let paths = files.map(|file| file.expect("it can be read").path());
    let mut all: Vec<_> =
        paths.filter(|it| it.extension().is_some_and(|end| end == "txt")).collect();
    all.sort();
    all
}

/// Plays a transcript and looks at its log.
async fn keeps(path: &Path, folders: &Folders) -> usize {
    let text = std::fs::read_to_string(path).expect("it can be read");
    let transcript = parse(&path.display().to_string(), &text).expect("it is a transcript");
    let folder = path.parent().expect("it has a folder");
    let setup = runner::setup(&transcript, folder, Path::new("scripts"));
    let (world, entropy) = (World::new(), surroundings().entropy);
    let mut driver = InMemory::new(&world, entropy, u64::MAX, true).reading(folders);
    driver.open(&setup).expect("it opens");
    let quiet = &mut |_: &str| {};
    let played = runner::play(&transcript, folder, setup, &world, &mut driver, false, quiet).await;
    played.unwrap_or_else(|why| panic!("{}: {}", path.display(), why.what));
    let (mut agenda, mut rows) = (Agenda::default(), 0);
    let store = driver.disk.clone();
    while agenda.checkpoint < store.next_position() {
        let page = store.read_all(agenda.checkpoint, Direction::Forward, KEPT_EVERY);
        page.expect("it reads").iter().for_each(|recorded| agenda.apply(recorded));
        agenda.keep(store.as_ref()).expect("it is kept");
        let back = Agenda::kept(store.as_ref()).expect("it reads");
        assert!(
            back == agenda,
            "{} at {}: {back:?}\n{agenda:?}",
            path.display(),
            agenda.checkpoint
        );
        rows += back.open_executions();
    }
    rows
}

#[tokio::test]
async fn the_agenda_of_every_transcript_is_read_back_as_it_was_kept() {
    let (folders, mut open) = (Folders::default(), 0);
    for path in transcripts() {
        open += keeps(&path, &folders).await;
    }
    assert!(open > 500, "something was open for long: {open}");
}
