//! Scripts are loaded again when they are saved: a watch on their folder, and who is told of what is wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{Config, EventKind, PollWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::processor::Kernel;
use crate::script::problem::Problem;

/// An editor saves in several steps: the folder must have been quiet for so long.
pub const QUIET_FOR: Duration = Duration::from_millis(100);
/// How often changes that never end are looked at all the same.
pub const BUSY_MAX: Duration = Duration::from_millis(500);
/// How often the folder is looked at where the system does not tell of changes.
pub const POLL_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether the folder is still the one that is watched.
const SAME_EVERY: Duration = Duration::from_millis(500);

/// A folder that is watched.
pub struct Watch {
    changes: mpsc::Receiver<()>,
    /// It watches as long as it is there.
    _watcher: Box<dyn Watcher + Send>,
}

impl Watch {
    /// Watches a folder and all folders below it: through the system, or by looking at it again and again.
    ///
    /// # Errors
    /// What the system says if the folder cannot be watched in either way.
    pub fn of(folder: &Path) -> notify::Result<Self> {
        let (tell, changes) = mpsc::channel(1);
        let heard = |tell: mpsc::Sender<()>| {
            move |event: notify::Result<notify::Event>| {
                // That a file was read is no change; a queue that ran over may have been one.
                if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                    return;
                }
                // A change that waits already stands for this one too.
                let _ = tell.try_send(());
            }
        };
        let told = notify::recommended_watcher(heard(tell.clone())).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::Recursive)?;
            Ok(Box::new(watcher) as Box<dyn Watcher + Send>)
        });
        let watcher = match told {
            Ok(watcher) => watcher,
            Err(why) => {
                tracing::warn!(%why, "the system does not tell of saved scripts: the folder is looked at twice a second");
                let config = Config::default().with_poll_interval(POLL_EVERY);
                let mut watcher = PollWatcher::new(heard(tell), config)?;
                watcher.watch(folder, RecursiveMode::Recursive)?;
                Box::new(watcher)
            }
        };
        Ok(Self { changes, _watcher: watcher })
    }

    /// Waits until something has changed and the folder is quiet again, or busy for too long.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            // The watcher holds the other end; without it there are no changes.
            return std::future::pending().await;
        }
        let busy =
            async { while tokio::time::timeout(QUIET_FOR, self.changes.recv()).await.is_ok() {} };
        // That it goes on and on is no reason to wait longer.
        let _ = tokio::time::timeout(BUSY_MAX, busy).await;
    }
}

/// Loads the scripts again with each change, for ever; `each` hears after every time what people must know, if anything.
///
/// Everything is told once: what was wrong before, the same at the same place, is not told again.
pub async fn follow(
    kernel: Arc<Kernel>,
    broken: Vec<Problem>,
    mut each: impl AsyncFnMut(Option<String>),
) {
    let (folder, among) = {
        let offered = kernel.scripts.offered();
        (offered.set.folder.clone(), offered.set.wrong())
    };
    let mut known = Wrong { broken, among };
    loop {
        let mut watch = match Watch::of(&folder) {
            Ok(watch) => watch,
            Err(why) => {
                tracing::debug!(%why, "the scripts folder cannot be watched now");
                tokio::time::sleep(SAME_EVERY).await;
                continue;
            }
        };
        let watched = identity(&folder);
        // What was saved before the watch began is seen by this look.
        loop {
            let loading = kernel.clone();
            let loaded = tokio::task::spawn_blocking(move || loading.scripts.reload());
            let problems =
                loaded.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            let offered = kernel.scripts.offered();
            let (scripts, commands) = (offered.set.scripts.len(), offered.catalog.aliases.len());
            tracing::debug!(scripts, commands, problems = problems.len(), "scripts loaded again");
            let now = Wrong { broken: problems, among: offered.set.wrong() };
            let text = told(&known, &now, scripts, commands);
            known = now;
            each(text).await;
            let moved = async {
                while identity(&folder) == watched {
                    tokio::time::sleep(SAME_EVERY).await;
                }
            };
            tokio::select! {
                () = watch.changed() => {}
                () = moved => break,
            }
        }
    }
}

/// Which folder a path leads to now: another one may have been put in its place.
fn identity(folder: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// What is wrong with the scripts at one time.
#[derive(Default)]
struct Wrong {
    /// What keeps a script from being used.
    broken: Vec<Problem>,
    /// What is wrong among scripts that are used all the same.
    among: Vec<Problem>,
}

impl Wrong {
    fn is_empty(&self) -> bool {
        self.broken.is_empty() && self.among.is_empty()
    }
}

/// What people must know after scripts were loaded again.
fn told(known: &Wrong, now: &Wrong, scripts: usize, commands: usize) -> Option<String> {
    if now.is_empty() {
        let again = format!("The scripts are fine again: {scripts} scripts, {commands} commands.");
        return (!known.is_empty()).then_some(again);
    }
    let new = |before: &[Problem], now: &[Problem], intro: &str| {
        let new: Vec<String> =
            now.iter().filter(|it| !before.contains(it)).map(ToString::to_string).collect();
        (!new.is_empty()).then(|| format!("{intro}\n{}", new.join("\n")))
    };
    let broken = "A script that was saved has a problem; its last good version goes on.";
    let parts =
        [new(&known.broken, &now.broken, broken), new(&known.among, &now.among, AMONG_SCRIPTS)];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some(text)
}

/// How problems among scripts begin that keep none of them from being used.
pub const AMONG_SCRIPTS: &str = "The scripts are used, but something is wrong among them.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_once() {
        let problem = |file: &str| Problem::file(file, "no", None);
        let (a, b) = (problem("a.rhai"), problem("b.rhai"));
        let wrong = |broken: &[&Problem], among: &[&Problem]| Wrong {
            broken: broken.iter().copied().cloned().collect(),
            among: among.iter().copied().cloned().collect(),
        };
        let (good, last) = ("fine again: 2 scripts, 3 commands", "last good version goes on");
        for (known, now, want) in [
            (wrong(&[], &[]), wrong(&[], &[]), None),
            (wrong(&[], &[]), wrong(&[&a], &[]), Some((last, "a.rhai"))),
            (wrong(&[&a], &[]), wrong(&[&a], &[]), None),
            (wrong(&[&a], &[]), wrong(&[&a, &b], &[]), Some((last, "b.rhai"))),
            (wrong(&[&a, &b], &[]), wrong(&[&a], &[]), None),
            (wrong(&[&a], &[]), wrong(&[], &[]), Some((good, ""))),
            (wrong(&[], &[]), wrong(&[], &[&b]), Some((AMONG_SCRIPTS, "b.rhai"))),
            (wrong(&[&a], &[&b]), wrong(&[], &[&b]), None),
            (wrong(&[], &[&b]), wrong(&[], &[]), Some((good, ""))),
        ] {
            let shown = |it: &Wrong| format!("{:?} {:?}", it.broken, it.among);
            let what = format!("{} {}", shown(&known), shown(&now));
            let text = told(&known, &now, 2, 3);
            let Some((intro, file)) = want else {
                assert_eq!(text, None, "{what}");
                continue;
            };
            let text = text.expect(&what);
            assert!(text.contains(intro) && text.contains(file), "{what}: {text}");
            assert!(file != "b.rhai" || !text.contains("a.rhai"), "{what}: {text}");
        }
    }

    #[tokio::test]
    async fn changes_are_heard_however_a_file_is_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("net")).expect("ours");
        let mut watch = Watch::of(folder.path()).expect("it can be watched");
        std::fs::write(path("a.rhai"), "1").expect("written");
        watch.changed().await;
        std::fs::write(path("a.rhai~"), "2").expect("written");
        std::fs::rename(path("a.rhai~"), path("a.rhai")).expect("renamed");
        watch.changed().await;
        std::fs::write(path("net/b.rhai"), "3").expect("written");
        watch.changed().await;
        std::fs::create_dir(path("new")).expect("made");
        watch.changed().await;
        std::fs::write(path("new/c.rhai"), "4").expect("written");
        watch.changed().await;
        std::fs::remove_file(path("a.rhai")).expect("removed");
        watch.changed().await;
    }

    #[tokio::test]
    async fn a_folder_that_changes_all_the_time_is_looked_at_all_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watch = Watch::of(folder.path()).expect("it can be watched");
        let (end, mut ended) = tokio::sync::oneshot::channel::<()>();
        let path = folder.path().join("a.rhai");
        let busy = tokio::spawn(async move {
            let mut often = tokio::time::interval(QUIET_FOR / 4);
            while ended.try_recv().is_err() {
                often.tick().await;
                std::fs::write(&path, "1").expect("written");
            }
        });
        let begun = std::time::Instant::now();
        watch.changed().await;
        assert!(begun.elapsed() < BUSY_MAX * 10, "it waited for quiet: {:?}", begun.elapsed());
        let _ = end.send(());
        busy.await.expect("it ends");
    }
}
