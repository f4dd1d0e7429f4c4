//! A script that no longer does what the log says it did ends as diverged: both lines are told, shown and explained, and
//! it can be tried again.
//!
//! An execution runs the version that it began with, so nobody makes one diverge by editing a script. What can is another
//! version of the program; here a source that reads otherwise stands for that.

use std::path::Path;
use std::sync::Arc;

use beadle::play::world::World;
use beadle::processor::scripts::Scripts;
use beadle::query::executions;
use beadle::script::load::{ScriptSet, load_sources};
use beadle::store::sled::SledStore;

use crate::cli::Place;
use crate::desk::Desk;
use crate::erasure_disk::store;

const THEN: &str = "alias(\"release\", || {\n    say(\"now\");\n    ask(\"Version one?\");\n});";
const NOW: &str =
    "alias(\"release\", || {\n    let v = ask(\"Version two?\");\n    reply(`it is ${v}`);\n});";
/// What is told of it wherever somebody looks.
const PARTS: [&str; 5] =
    ["step 0", "then: say(", "in line 2: say(\"now\");", "now: ask(", "in line 2: let v = ask("];

/// The scripts that read otherwise, under the name of what they were.
fn read_otherwise() -> ScriptSet {
    let source = |text: &str| vec![("t.rhai".to_owned(), text.to_owned())];
    let (old, _) = load_sources(source(THEN));
    let (mut set, problems) = load_sources(source(NOW));
    assert!(problems.is_empty(), "{problems:?}");
    let script = set.scripts.values_mut().next().expect("there is one");
    Arc::get_mut(script).expect("nobody else has it").hash =
        old.scripts.values().next().expect("there is one").hash.clone();
    set
}

/// A bot on the log of a folder, with these scripts.
fn on(dir: &Path, world: &Arc<World>, seed: u64, scripts: Scripts) -> (Desk, Arc<SledStore>) {
    let store = store(dir, world, seed);
    (Desk::offering(world, store.clone(), world.clone(), scripts), store)
}

async fn says(desk: &Desk, text: &str) -> String {
    desk.hand_over(vec![desk.says("ann", "#ops", text)], None).await;
    desk.settle().await.expect("the log works");
    desk.said().join("\n")
}

fn tells(what: &str, text: &str) {
    // A tree shows a quoted text in one line.
    let text = text.replace("\\\"", "\"");
    for part in PARTS {
        assert!(text.contains(part), "{what}: {part} is not in\n{text}");
    }
}

#[tokio::test]
async fn what_diverged_is_told_shown_explained_and_tried_again() {
    let (place, world) = (Place::new(), World::new());
    let data = place.path("data");
    std::fs::create_dir_all(&data).expect("ours");
    let (first, _) = Scripts::sources(vec![("t.rhai".into(), THEN.into())]);
    let (desk, log) = on(&data, &world, 1, first);
    assert!(says(&desk, "!release").await.contains("Version one?"));
    close(desk, log);

    let (desk, log) = on(&data, &world, 2, Scripts::new(read_otherwise()));
    let told = says(&desk, "beadle: one").await;
    assert!(told.contains("the script no longer does what it did"), "{told}");
    tells("the room", &told);
    let list = executions::list(desk.kernel.store.as_ref(), 1).expect("the log can be read");
    let id = list[0].id.short().to_owned();
    tells("!why", &says(&desk, &format!("!why {id}")).await);
    close(desk, log);

    let run = |args: &[&str]| place.ok(&[&["--data", "data"], args].concat());
    tells("execution show", &run(&["execution", "show", &id]));
    tells("why", &run(&["why", &id]));
    assert!(run(&["execution", "list", "--status", "diverged"]).contains(&id));
    run(&["execution", "retry", &id]);

    let (today, _) = Scripts::sources(vec![("t.rhai".into(), NOW.into())]);
    let (desk, log) = on(&data, &world, 3, today);
    desk.settle().await.expect("the log works");
    let asked = desk.said().join("\n");
    assert!(asked.contains("Version two?"), "{asked}");
    assert!(says(&desk, "beadle: two").await.contains("it is two"));
    let list = executions::list(desk.kernel.store.as_ref(), 2).expect("the log can be read");
    let again = list.iter().find(|it| it.id.short() != id).expect("it was tried again");
    let again = again.id.short().to_owned();
    close(desk, log);
    let shown = run(&["execution", "show", &again]);
    assert!(shown.contains(&format!("tried again after {id}")), "{shown}");
}

fn close(desk: Desk, log: Arc<SledStore>) {
    drop(desk);
    log.close();
}
