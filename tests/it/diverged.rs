//! A script that no longer does what the log says it did ends as diverged, and both lines are told.

use std::sync::Arc;

use beadle::domain::event::Ending;
use beadle::processor::scripts::Scripts;
use beadle::processor::{Kernel, Settings};
use beadle::query::agenda::Budget;
use beadle::query::executions;
use beadle::script::load::load_sources;

use crate::desk::Desk;

const THEN: &str = "alias(\"release\", || {\n    say(\"now\");\n    ask(\"Version one?\");\n});";
const NOW: &str = "alias(\"release\", || {\n    ask(\"Version two?\");\n});";

#[tokio::test]
async fn both_lines_are_told() {
    let desk = Desk::new(THEN);
    desk.hand_over(vec![desk.says("ann", "#ops", "!release")], None).await;
    desk.settle().await.expect("the log works");
    desk.said();
    // The same version reads otherwise: what an upgrade of the program could do.
    let source = |text: &str| vec![("t.rhai".to_owned(), text.to_owned())];
    let (old, _) = load_sources(source(THEN));
    let (mut set, problems) = load_sources(source(NOW));
    assert!(problems.is_empty(), "{problems:?}");
    let script = set.scripts.values_mut().next().expect("there is one");
    Arc::get_mut(script).expect("nobody else has it").hash =
        old.scripts.values().next().expect("there is one").hash.clone();
    let kernel = Kernel::new(
        desk.kernel.store.clone(),
        Scripts::new(set),
        desk.kernel.chat.clone(),
        desk.world.clone(),
        desk.clock.clone(),
        Settings::simulated("!"),
    )
    .expect("the log can be read");
    *kernel.names.write().expect("nobody panics with them") = vec!["beadle".into()];
    let answer = desk.says("ann", "#ops", "beadle: one");
    desk.hand_over(vec![answer], None).await;
    loop {
        kernel.catch_up().expect("the log can be read");
        let tasks = kernel.tasks(&|_| false, Budget { steps: 1, effects: 1, sends: 1 });
        let Some(task) = tasks.first() else { break };
        kernel.perform(task).await.expect("the log works");
    }
    let list = executions::list(kernel.store.as_ref(), 1).expect("the log can be read");
    let Some(Ending::Diverged(how)) = &list[0].ending else { panic!("{:?}", list[0].ending) };
    for part in [
        "step 0",
        "then: say(",
        "in line 2: say(\"now\");",
        "now: ask(",
        "in line 2: ask(\"Version two?\");",
    ] {
        assert!(how.contains(part), "{part} is not in {how}");
    }
    let said = desk.said().join("; ");
    assert!(
        said.contains("the script no longer does what it did") && said.contains("Version two?"),
        "{said}"
    );
}
