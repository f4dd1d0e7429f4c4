//! Orders from the command line: recorded, decided once, and told to who ordered and to the room.

use beadle::domain::event::Verdict;
use beadle::domain::id::{ExecutionId, StreamName, UserId};
use beadle::domain::order::{Order, OrderKind};
use beadle::processor::order::{decided, put};
use beadle::query::executions;
use beadle::store::Clock;

use crate::desk::Desk;

/// Fails once, then does it; and something that never fails.
const SCRIPT: &str = r#"
    alias("try {what}", |a, msg| {
        if recall("tried") == () { remember("tried", 1); throw "not yet"; }
        reply(`did ${a.what}`);
    });
    alias("wave", || reply("hello"));
"#;

/// Records an order and works everything off.
async fn order(desk: &Desk, nonce: &str, what: OrderKind) -> (StreamName, Verdict, String) {
    let order = Order::new(&UserId("cli:ann".into()), what);
    let trigger = order.trigger(desk.clock.now(), nonce);
    let stream = put(desk.kernel.store.as_ref(), trigger).await.expect("the log works");
    desk.settle().await.expect("the log works");
    let decided = decided(desk.kernel.store.as_ref(), &stream).expect("the log can be read");
    let (verdict, reason) = decided.expect("it is decided");
    (stream, verdict, reason)
}

async fn say(desk: &Desk, text: &str) -> ExecutionId {
    desk.hand_over(vec![desk.says("ben", "#ops", text)], None).await;
    desk.settle().await.expect("the log works");
    let newest = executions::list(desk.kernel.store.as_ref(), 1).expect("the log can be read");
    newest.first().expect("something was started").id.clone()
}

fn retry(execution: &ExecutionId) -> OrderKind {
    OrderKind::Retry { execution: execution.clone(), in_doubt_too: false }
}

#[tokio::test]
async fn a_failed_execution_is_done_again_in_its_room_for_its_requester() {
    let desk = Desk::new(SCRIPT);
    let failed = say(&desk, "!try it").await;
    desk.said();
    let (trigger, verdict, _) = order(&desk, "1", retry(&failed)).await;
    let Verdict::Started(new) = verdict else { panic!("{verdict:?}") };
    let store = desk.kernel.store.as_ref();
    let execution = executions::load(store, &new).expect("it can be read").expect("it is there");
    assert_eq!(execution.started.requester.name, "ben");
    assert_eq!(execution.started.command, "try it");
    assert_eq!(execution.started.trigger.stream, trigger);
    let said = desk.said().join("\n");
    let told = format!(
        "ann tries “try it” again for ben (execution {}, before {})",
        new.short(),
        failed.short()
    );
    assert!(said.contains(&told) && said.contains("did it"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_done_again_is_refused_with_the_reason_and_nothing_is_said() {
    let desk = Desk::new(SCRIPT);
    let done = say(&desk, "!wave").await;
    let failed = say(&desk, "!try it").await;
    desk.said();
    for (execution, want) in [
        (done, "succeeded: give its command again instead"),
        (ExecutionId("NOSUCH".into()), "there is no such execution any more"),
    ] {
        let (_, verdict, reason) = order(&desk, execution.as_str(), retry(&execution)).await;
        assert_eq!(verdict, Verdict::Ignored);
        assert!(reason.contains(want), "{reason}");
    }
    assert!(desk.said().is_empty(), "{failed} is untouched");
}

#[tokio::test]
async fn a_command_that_runs_nothing_any_more_is_refused() {
    let desk = Desk::new(SCRIPT);
    let failed = say(&desk, "!try it").await;
    desk.said();
    let (world, store) = (desk.world.clone(), desk.kernel.store.clone());
    let edited = Desk::over(&world, store, world.clone(), r#"alias("wave", || reply("hello"));"#);
    let (_, verdict, reason) = order(&edited, "1", retry(&failed)).await;
    assert_eq!(verdict, Verdict::Ignored);
    assert_eq!(reason, "“try it” runs nothing now: no alias matches");
    assert!(edited.said().is_empty());
}
