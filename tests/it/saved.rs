//! Scripts are saved while the bot runs: what it offers follows, and what is wrong is told once.

use std::path::Path;
use std::sync::Arc;

use beadle::adapter::http_client::HttpClient;
use beadle::adapter::secrets::Secrets;
use beadle::app::saved::follow;
use beadle::app::{SystemEntropy, kernel};
use beadle::domain::budget::Budgets;
use beadle::play::world::World;
use beadle::processor::action::Processes;
use beadle::processor::{Kernel, Settings};
use beadle::store::Surroundings;
use beadle::store::memory::MemoryStore;
use tokio::sync::mpsc;

/// A kernel on a folder, and what people are told after each time that the scripts were loaded again.
fn following(folder: &Path) -> (Arc<Kernel>, mpsc::UnboundedReceiver<Option<String>>) {
    let world = World::new();
    let surroundings =
        Surroundings { clock: world.clock.clone(), entropy: Arc::new(SystemEntropy) };
    let store = MemoryStore::new(surroundings);
    let opened = kernel(
        store,
        (folder, &Budgets::default()),
        world,
        Settings::simulated("!"),
        Processes { secrets: Secrets::default(), http: HttpClient::default() },
    );
    let (kernel, problems) = opened.expect("an empty log opens");
    let (tell, told) = mpsc::unbounded_channel();
    let followed = kernel.clone();
    // It ends with the test's process: a watched folder is watched for ever.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(follow(
            followed,
            problems,
            async |text: Option<String>| drop(tell.send(text)),
        ));
    });
    (kernel, told)
}

fn offered(kernel: &Kernel) -> Vec<String> {
    kernel.scripts.offered().catalog.aliases.iter().map(|alias| alias.name.clone()).collect()
}

/// Waits until these commands are offered, and gives what was told until then.
async fn until(
    kernel: &Kernel,
    told: &mut mpsc::UnboundedReceiver<Option<String>>,
    want: &[&str],
) -> Vec<String> {
    let mut texts = vec![];
    while offered(kernel) != want {
        texts.extend(told.recv().await.expect("it goes on"));
    }
    texts
}

/// Waits until something is told.
async fn next(told: &mut mpsc::UnboundedReceiver<Option<String>>) -> String {
    loop {
        if let Some(text) = told.recv().await.expect("it goes on") {
            return text;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offered_follows_what_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let save = |name: &str, text: &str| {
        // Editors write beside the file and rename.
        let beside = folder.path().join(format!("{name}~"));
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(&beside, folder.path().join(name)).expect("renamed");
    };
    save("a.rhai", "alias(\"one\", || 1);");
    let (kernel, mut told) = following(folder.path());
    until(&kernel, &mut told, &["one"]).await;

    save("a.rhai", "alias(\"two\", || 2);");
    assert!(until(&kernel, &mut told, &["two"]).await.is_empty(), "nothing is wrong");

    save("a.rhai", "alias(\"three\", || rply(3));");
    let wrong = next(&mut told).await;
    assert!(
        wrong.contains("there is no function `rply`") && wrong.contains("a.rhai:1:"),
        "{wrong}"
    );
    assert_eq!(offered(&kernel), ["two"], "the last good version goes on");

    std::fs::create_dir(folder.path().join("more")).expect("made");
    save("more/b.rhai", "alias(\"four\", || 4);");
    let again = until(&kernel, &mut told, &["four", "two"]).await;
    assert!(again.is_empty(), "what is wrong is told once: {again:?}");

    save("a.rhai", "alias(\"three\", || reply(3));");
    let well = next(&mut told).await;
    assert!(well.contains("fine again: 2 scripts, 2 commands"), "{well}");
    assert_eq!(offered(&kernel), ["four", "three"]);
    std::fs::remove_file(folder.path().join("a.rhai")).expect("removed");
    until(&kernel, &mut told, &["four"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_folder_may_be_put_in_its_place() {
    let parent = tempfile::tempdir().expect("a folder");
    let [scripts, other] = ["scripts", "other"].map(|name| parent.path().join(name));
    for (folder, word) in [(&scripts, "one"), (&other, "two")] {
        std::fs::create_dir(folder).expect("made");
        let text = format!("alias(\"{word}\", || 1);");
        std::fs::write(folder.join("a.rhai"), text).expect("written");
    }
    let (kernel, mut told) = following(&scripts);
    until(&kernel, &mut told, &["one"]).await;
    std::fs::rename(&scripts, parent.path().join("old")).expect("renamed");
    std::fs::rename(&other, &scripts).expect("renamed");
    until(&kernel, &mut told, &["two"]).await;
}
