//! Cancelling: a question, an action that runs, a script that undoes; and what a crash in the middle leaves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beadle::domain::event::{EffectResult, Ending, Meta};
use beadle::domain::execution::{Execution, Status};
use beadle::domain::id::{ExecutionId, UserId};
use beadle::play::world::World;
use beadle::processor::action::{ActionCall, ActionDone, Actions};
use beadle::processor::cancel::{Cancel, Cancelling, UNDO_MS_MAX};
use beadle::processor::schedule;
use beadle::query::executions;
use beadle::store::memory::MemoryStore;
use beadle::store::{EventStore, Surroundings};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;

use crate::desk::Desk;
use crate::store_world::surroundings;

const SCRIPT: &str = r#"
action("slow", #{ run: ["true"], params: #{ n: "int" } });
action("slow.again", #{ run: ["true"], params: #{ n: "int" }, effect: "idempotent" });
action("quick", #{ run: ["true"], params: #{ n: "int" } });
alias("deploy", #{ ack: false }, || saga(|| {
    step("one", || exec("quick", #{ n: 1 }), || exec("quick", #{ n: -1 }));
    step("two", || exec("slow", #{ n: 2 }), || exec("quick", #{ n: -2 }));
}));
alias("redeploy", #{ ack: false }, || exec("slow.again", #{ n: 2 }));
alias("wonder", || saga(|| {
    step("one", || exec("quick", #{ n: 1 }), || { sleep("1h"); exec("quick", #{ n: -1 }) });
    ask("Go on?");
}));
"#;

/// Actions of which some run until they are stopped.
#[derive(Default)]
struct Slow {
    log: Mutex<Vec<String>>,
    running: watch::Sender<usize>,
}

/// Notes that it was dropped.
struct Guard(Arc<Slow>, String);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.note(&format!("{} killed", self.1));
    }
}

impl Slow {
    fn note(&self, what: &str) {
        self.log.lock().expect("nobody panics with it").push(what.to_owned());
    }

    fn noted(&self) -> String {
        self.log.lock().expect("nobody panics with it").join(", ")
    }
}

/// What runs them, shared.
struct Shared(Arc<Slow>);

impl Actions for Shared {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        let slow = self.0.clone();
        Box::pin(async move {
            let what = format!("{} {}", call.def.name, call.args["n"]);
            slow.note(&what);
            if call.def.name.starts_with("slow") {
                let _guard = Guard(slow.clone(), what);
                slow.running.send_modify(|running| *running += 1);
                std::future::pending::<()>().await;
            }
            ActionDone { result: EffectResult::Ok(json!(1)), whole: None, took: Duration::ZERO }
        })
    }
}

/// A desk whose actions may be slow.
struct Scene {
    desk: Desk,
    store: Arc<dyn EventStore>,
    slow: Arc<Slow>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let entropy = surroundings(1).0.entropy;
        let store = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
        Self::on(&world, store)
    }

    fn on(world: &Arc<World>, store: Arc<dyn EventStore>) -> Self {
        let slow = Arc::new(Slow::default());
        let desk = Desk::over(world, store.clone(), Arc::new(Shared(slow.clone())), SCRIPT);
        Self { desk, store, slow }
    }

    async fn says(&self, text: &str) {
        self.desk.hand_over(vec![self.desk.says("ann", "#ops", text)], None).await;
    }

    fn execution(&self) -> Execution {
        let list = executions::list(self.store.as_ref(), 1).expect("the log can be read");
        list.into_iter().next().expect("there is one")
    }

    /// Cancels it, appends what that comes to, and says what it was.
    async fn cancel(&self, force: bool) -> &'static str {
        self.cancel_of(&self.execution().id, force).await
    }

    async fn cancel_of(&self, id: &ExecutionId, force: bool) -> &'static str {
        let (by, reason) = (UserId("@ben:local".into()), "wrong version".to_owned());
        let cancel = Cancel { by, reason, force };
        let done = self.desk.kernel.cancel(id, &cancel, &Meta::default());
        let (word, writes) = match done.expect("the log can be read") {
            Cancelling::Unknown => ("unknown", vec![]),
            Cancelling::Over(_) => ("over", vec![]),
            Cancelling::Begun(writes) => ("begun", writes),
            Cancelling::Already { .. } => ("already", vec![]),
            Cancelling::Ended(writes) => ("ended", writes),
        };
        if !writes.is_empty() {
            self.store.append(writes).await.expect("it fits");
        }
        word
    }

    async fn until(&self, what: impl Fn(&Execution) -> bool) {
        let mut head = self.store.watch();
        while !what(&self.execution()) {
            head.changed().await.expect("the log goes on");
        }
    }
}

fn cancelled(execution: &Execution) -> bool {
    matches!(&execution.ending, Some(Ending::Cancelled { by, reason })
        if by.as_str() == "@ben:local" && reason == "wrong version")
}

#[tokio::test]
async fn an_action_that_runs_is_killed_and_what_was_done_is_undone() {
    let scene = Scene::new();
    let (stop, stopping) = watch::channel(false);
    let work = tokio::spawn(schedule::run(scene.desk.kernel.clone(), stopping));
    scene.says("!deploy").await;
    scene.slow.running.subscribe().wait_for(|running| *running == 1).await.expect("it runs");
    assert_eq!(scene.cancel(false).await, "begun");
    scene.until(|execution| execution.ending.is_some()).await;
    let execution = scene.execution();
    assert!(cancelled(&execution), "{:?}", execution.ending);
    assert_eq!(execution.status(), Status::Cancelled);
    // The step that was stopped in the middle may have done something.
    assert_eq!(scene.slow.noted(), "quick 1, slow 2, slow 2 killed, quick -2, quick -1");
    assert_eq!(scene.desk.count("effect_cancelled"), 1);
    assert_eq!(scene.desk.count("effect_in_doubt"), 0);
    assert_eq!(scene.cancel(true).await, "over");
    let mut head = scene.store.watch();
    while scene.desk.count("message_sent") == 0 {
        head.changed().await.expect("the log goes on");
    }
    let said = scene.desk.said().join("; ");
    assert!(
        said.contains("“deploy” is over, @ben:local cancelled it: wrong version; undone: two (which may not have been done), one"),
        "{said}"
    );
    stop.send_replace(true);
    work.await.expect("it ends").expect("the log works");
}

#[tokio::test]
async fn what_a_dead_bot_was_stopping_is_in_doubt_or_over() {
    for (command, want, ends) in [
        ("!deploy", "effect_in_doubt", "quick -2, quick -1"),
        ("!redeploy", "effect_cancelled", ""),
    ] {
        let world = World::new();
        let entropy = surroundings(1).0.entropy;
        let disk = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
        let scene = Scene::on(&world, disk.clone());
        let kernel = scene.desk.kernel.clone();
        let (_stop, stopping) = watch::channel(false);
        let work = tokio::spawn(schedule::run(kernel, stopping));
        scene.says(command).await;
        scene.slow.running.subscribe().wait_for(|running| *running == 1).await.expect("it runs");
        work.abort();
        assert!(work.await.expect_err("it was aborted").is_cancelled());
        assert_eq!(scene.cancel(false).await, "begun");
        let again = Scene::on(&world, disk.reopen());
        again.desk.settle().await.expect("the log works");
        assert_eq!(again.desk.count(want), 1, "{command}");
        assert_eq!(again.slow.noted(), ends, "{command}");
        let ended = again.execution();
        assert_eq!(cancelled(&ended), want == "effect_cancelled", "{:?}", ended.ending);
        assert!(ended.ending.is_some(), "{command}");
    }
}

#[tokio::test]
async fn what_is_being_undone_is_left_to_its_end_for_a_while() {
    for (late, force, want) in
        [(false, false, "already"), (true, false, "ended"), (false, true, "ended")]
    {
        let scene = Scene::new();
        scene.says("!wonder").await;
        scene.desk.settle().await.expect("the log works");
        assert_eq!(scene.execution().status(), Status::Asking);
        assert_eq!(scene.cancel(false).await, "begun");
        scene.desk.settle().await.expect("the log works");
        assert_eq!(scene.execution().status(), Status::Sleeping, "it undoes the step");
        scene.desk.clock.advance(if late { UNDO_MS_MAX } else { UNDO_MS_MAX - 1 });
        assert_eq!(scene.cancel(force).await, want);
        scene.desk.settle().await.expect("the log works");
        assert_eq!(scene.execution().ending.is_some(), want == "ended");
        scene.desk.clock.advance(3_600_000);
        scene.desk.settle().await.expect("the log works");
        assert!(cancelled(&scene.execution()));
        let undone = scene.slow.noted().contains("quick -1");
        assert_eq!(undone, want == "already");
    }
}

#[tokio::test]
async fn an_undo_after_a_failure_is_not_cancelled() {
    let scene = Scene::new();
    scene.says("!wonder").await;
    scene.desk.settle().await.expect("the log works");
    // The first cancel begins the undo, and the next one comes while it sleeps: here the execution itself is asked.
    scene.cancel(false).await;
    scene.desk.settle().await.expect("the log works");
    let execution = scene.execution();
    let sleeps = execution.steps.iter().find(|(_, step)| step.op == "sleep");
    let (path, _) = sleeps.expect("the undo sleeps");
    assert!(execution.undoes(path));
    let again = execution.cancelled_by(UserId("@eva:local".into()), String::new());
    assert_eq!((again.cancelled, again.stopping), (vec![], vec![]));
}

#[tokio::test]
async fn nothing_is_cancelled_that_is_not_there() {
    let scene = Scene::new();
    let nobody = ExecutionId("0123456789ABCDEF".into());
    assert_eq!(scene.cancel_of(&nobody, false).await, "unknown");
    scene.says("!wonder").await;
    scene.desk.settle().await.expect("the log works");
    let forced: BTreeSet<&str> = [scene.cancel(true).await, scene.cancel(true).await].into();
    assert_eq!(forced, ["ended", "over"].into());
}
