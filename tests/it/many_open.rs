//! Many questions are open: what one more command costs does not grow with them.

use std::sync::Arc;

use beadle::store::memory::MemoryStore;
use beadle::store::stop::StopStore;

use crate::desk::Desk;

/// More open questions of one room than a message is held against.
const MANY: usize = 60;

#[tokio::test]
async fn a_command_reads_none_of_the_questions_that_are_open() {
    let mut counting = None;
    let desk = Desk::on(r#"alias("wait", #{ ack: false }, || ask("Which size?"));"#, |around| {
        let store = StopStore::new(MemoryStore::new(around), u64::MAX, true);
        counting = Some(store.clone());
        store
    });
    let counting: Arc<StopStore> = counting.expect("it was made");
    let mut read = vec![];
    for _ in 0..MANY {
        let before = counting.events_read();
        desk.hand_over(vec![desk.says("ann", "#ops", "!wait")], None).await;
        desk.settle().await.expect("the log works");
        read.push(counting.events_read() - before);
    }
    assert_eq!(desk.count("question_asked"), MANY);
    // The first one greets the room.
    assert_eq!(read[1..].iter().min(), read[1..].iter().max(), "{read:?}");

    // What may be an answer is held against them.
    let before = counting.events_read();
    desk.hand_over(vec![desk.says("ann", "#ops", "beadle: large")], None).await;
    desk.settle().await.expect("the log works");
    assert!(counting.events_read() - before > 2 * read[1], "{read:?}");
    assert!(desk.said().last().is_some_and(|said| said.contains("Which")), "it is asked back");
}
